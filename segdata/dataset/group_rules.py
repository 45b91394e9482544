"""What a group is called in one language, for every command: a pattern over ids, or a table of them.

    regex:^(.*)_[0-9]+$   the first parentheses that match in the id
    csv:groups.csv        a table with the columns id,group or image,group

A text that ends with .csv is such a table without the prefix too, and one with parentheses such a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import normpath
from typing import Protocol

from segdata.errors import OptionError
from segdata.files.csv_text import read_table
from segdata.files.places import file_digest
from segdata.words import some

REGEX, CSV = "regex:", "csv:"

KINDS = (f"{REGEX}PATTERN", f"{CSV}FILE")
"""What a rule can be."""


class Member(Protocol):
    """What has a group: a sample, or an item that becomes one."""

    @property
    def id(self) -> str:
        """The id; rules look at it with its split in front and without."""

    @property
    def split(self) -> str | None:
        """The split."""

    @property
    def image(self) -> str | None:
        """The image's path."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A `pattern` over ids, or the path of a `table`; `option` is what gave it, for messages."""

    option: str
    pattern: re.Pattern[str] | None = None
    table: str | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What the rule's text does not say of it: the SHA-256 of its table."""
        return {} if self.table is None else {"group_table": file_digest(self.table)}


def is_rule(text: str) -> bool:
    """Whether a text is meant as a rule."""
    return text.startswith((REGEX, CSV)) or text.lower().endswith(".csv") or "(" in text


def read_rule(text: str, option: str) -> Rule:
    """The rule that a text is. Raises `OptionError` for what is none, and for a pattern without parentheses."""
    if not is_rule(text):
        raise OptionError(f"{option} {text}: must be {' or '.join(KINDS)}, such as 'regex:^(.*)_[0-9]+$'")
    if text.startswith(CSV) or (text.lower().endswith(".csv") and not text.startswith(REGEX)):
        return Rule(option, table=text.removeprefix(CSV))
    try:
        pattern = re.compile(text.removeprefix(REGEX))
    except re.error as error:
        raise OptionError(f"{option} {text}: not a regular expression: {error}") from error
    if pattern.groups == 0:
        raise OptionError(f"{option} {text}: needs the group's name in parentheses: 'regex:^(.*)_[0-9]+$'")
    return Rule(option, pattern)


def group_names(rule: Rule, members: Sequence[Member]) -> list[str | None]:
    """The group of each member by a rule; None where the table says that it has none.

    Raises `OptionError` for members that the rule does not know, and for a table that cannot be read.
    """
    return _matched(rule, rule.pattern, members) if rule.pattern is not None else _listed(rule, members)


def stem(member: Member) -> str:
    """The id without the split in front."""
    return member.id.removeprefix(f"{member.split}/") if member.split else member.id


# A pattern


def _matched(rule: Rule, pattern: re.Pattern[str], members: Sequence[Member]) -> list[str | None]:
    """What the first parentheses with something in them match, without the split in front: a group may lie across splits."""
    names: list[str | None] = []
    unmatched = []
    for member in members:
        found = pattern.search(member.id)
        name = next(filter(None, found.groups()), None) if found is not None else None
        if name is None:
            unmatched.append(member.id)
        names.append(name.removeprefix(f"{member.split}/") if name is not None else None)
    if unmatched:
        listed = f"{len(unmatched):,} of {len(members):,} ids: {some(unmatched, 5)}"
        which = repr(unmatched[0]) if len(unmatched) == 1 else listed
        given = f"{rule.option} {REGEX}{pattern.pattern}"
        way = f"'{REGEX}.*?(?:{pattern.pattern})|(.*)' makes each of them a group of its own, and a table ({KINDS[1]}) lists any"
        raise OptionError(f"{given}: does not match {which}: every id must have a group: {way}")
    return names


# A table


def _listed(rule: Rule, members: Sequence[Member]) -> list[str | None]:
    """The groups that a table lists."""
    column, rows = _read_table(rule)
    row_of = _row_of if column == "id" else _row_of_image
    keys = [row_of(member, rows) for member in members]
    _refuse_unlisted(rule, column, members, keys, rows)
    if column == "image":
        _refuse_unclear(rule, members, keys)
    return [rows[key] or None for key in keys if key is not None]


def _refuse_unlisted(
    rule: Rule, column: str, members: Sequence[Member], keys: Sequence[str | None], rows: Iterable[str]
) -> None:
    lacking = [member for member, key in zip(members, keys, strict=True) if key is None]
    if not lacking:
        return
    named = [member.id if column == "id" or member.image is None else member.image for member in lacking]
    spare = [key for key in rows if key not in keys]
    theirs = f" (rows that fit nothing: {some(spare, 3)})" if spare else ""
    raise OptionError(
        f"{_where(rule)}: no row for {len(lacking):,} of {len(members):,} samples: {some(named, 5)}{theirs}: add rows with "
        f"their {column}; an empty group leaves an image by itself"
    )


def _row_of(member: Member, rows: Mapping[str, str]) -> str | None:
    return next((key for key in (member.id, stem(member)) if key in rows), None)


def _row_of_image(member: Member, rows: Mapping[str, str]) -> str | None:
    """The row with the longest end of the image's path."""
    parts = normpath(member.image).split("/") if member.image is not None else []
    return next((key for i in range(len(parts)) if (key := "/".join(parts[i:])) in rows), None)


def _refuse_unclear(rule: Rule, members: Sequence[Member], keys: Iterable[str | None]) -> None:
    """Raise `OptionError` where one row fits two image files."""
    images: dict[str, str] = {}
    for member, key in zip(members, keys, strict=True):
        first = images.setdefault(str(key), str(member.image))
        if normpath(first) != normpath(str(member.image)):
            both = f"{first} and {member.image}"
            raise OptionError(f"{_where(rule)}: {key!r} may be {both}: write more of the path, or name samples by id")


def _read_table(rule: Rule) -> tuple[str, dict[str, str]]:
    """The column that names samples (`id` or `image`), and the group by what stands in it. Raises `OptionError`."""
    heading, lines = read_table(str(rule.table), rule.option)
    names = [cell.lower() for cell in heading]
    column = next((name for name in ("id", "image") if name in names), None)
    if column is None or "group" not in names:
        raise OptionError(f"{_where(rule)}: its first line must be id,group or image,group, not {','.join(heading)!r}")
    rows: dict[str, str] = {}
    for _, row in lines:
        key, name = row[names.index(column)], row[names.index("group")]
        key = normpath(key.replace("\\", "/")) if column == "image" else key
        if rows.setdefault(key, name) != name:
            raise OptionError(f"{_where(rule)}: {key!r} is in two groups, {rows[key]!r} and {name!r}: leave one row")
    return column, rows


def _where(rule: Rule) -> str:
    return f"{rule.option} {rule.table}"
