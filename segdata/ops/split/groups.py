"""Which samples must not be parted: those of one image, one group, one name pattern, or that look alike."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.dataset.union_find import Forest
from segdata.errors import DataError, OptionError, Problem, located
from segdata.executors.run import Run
from segdata.ops.split.balance import Groups
from segdata.words import some

if TYPE_CHECKING:
    from segdata.dataset.duplicates import Look

DUPLICATES, REGEX = "duplicates", "regex:"

KINDS = ("group", "parent", DUPLICATES, REGEX + "PATTERN")


def group_samples(dataset: Dataset, by: Sequence[str], run: Run) -> Groups:
    """Group samples: those of one image always, further as `by` says (see `segdata.split`). Raises `OptionError`, `DataError`.

    Related to related is related: groups that share a sample are one.
    """
    pattern = _pattern(by)
    whole = "group" in by or not any(kind == "parent" or kind.startswith(REGEX) for kind in by)
    if "group" in by and len(dataset) and all(sample.group is None for sample in dataset):
        raise OptionError("--group-by group: no sample has a group: --group-by 'regex:...' makes them of ids")
    keys: list[list[Hashable]] = []
    names = []
    for sample in dataset:
        parent = sample.parent or sample.id
        image = None if sample.image is None else posixpath.normpath(sample.image)
        field = sample.group if whole else None
        matched = None if pattern is None else _matched(pattern, sample.id)
        related = {"parent": parent, "image": image, "group": field, "regex": matched}
        keys.append([(kind, value) for kind, value in related.items() if value is not None])
        names.append(matched or field or parent)
    if DUPLICATES in by:
        for number, (a, b) in enumerate(_alike(dataset, run)):
            keys[a].append(("alike", number))
            keys[b].append(("alike", number))
    return _numbered(_joined(keys), [sample.id for sample in dataset], names)


def _pattern(by: Sequence[str]) -> re.Pattern[str] | None:
    """The regular expression among the kinds of relation. Raises `OptionError` for unknown kinds and unfit patterns."""
    for kind in by:
        if kind not in KINDS[:-1] and not kind.startswith(REGEX):
            raise OptionError(f"--group-by {kind}: there are {', '.join(KINDS)}")
    patterns = [kind.removeprefix(REGEX) for kind in by if kind.startswith(REGEX)]
    if not patterns:
        return None
    try:
        pattern = re.compile(patterns[0])
    except re.error as error:
        raise OptionError(f"--group-by {REGEX}{patterns[0]}: not a regular expression: {error}") from error
    if len(patterns) > 1 or pattern.groups == 0:
        raise OptionError("--group-by regex: give one, with the group's name in parentheses: 'regex:^(.*)_[0-9]+$'")
    return pattern


def _matched(pattern: re.Pattern[str], id: str) -> str:
    found = pattern.search(id)
    if found is None or found[1] is None:
        raise OptionError(f"--group-by {REGEX}{pattern.pattern}: does not match {id!r}: every id must have a group")
    return found[1]


def _joined(keys: Sequence[Sequence[Hashable]]) -> list[int]:
    """For each sample the first of those it hangs together with through common keys."""
    forest = Forest()
    first: dict[Hashable, int] = {}
    for i, own in enumerate(keys):
        for key in own:
            forest.join(i, first.setdefault(key, i))
    return [forest.root(i) for i in range(len(keys))]


def _numbered(roots: Sequence[int], ids: Sequence[str], names: Sequence[str]) -> Groups:
    members: dict[int, list[int]] = defaultdict(list)
    for i, root in enumerate(roots):
        members[root].append(i)
    ordered = sorted(members.values(), key=lambda group: min(ids[i] for i in group))
    of = np.empty(len(roots), np.int64)
    for number, group in enumerate(ordered):
        of[group] = number
    return Groups(of, tuple(min(names[i] for i in group) for group in ordered))


def _alike(dataset: Dataset, run: Run) -> list[tuple[int, int]]:
    """Pairs of samples, by position, whose images are the same or nearly: every image is read once."""
    from segdata.dataset.duplicates import copies, near_links

    if missing := [sample.id for sample in dataset if sample.image is None]:
        raise OptionError(f"--group-by {DUPLICATES}: there are no images to compare: {some(missing, 3)}")
    files: dict[tuple[str | None, str | None], list[int]] = defaultdict(list)
    for i, sample in enumerate(dataset):
        files[sample.image, sample.exif].append(i)
    bare = replace(dataset, samples=())
    jobs = [tuple(dataset.samples[i] for i in places) for places in files.values()]
    looks: dict[int, Look] = {}
    for places, (_, result) in zip(files.values(), run.map(partial(look_item, dataset=bare), jobs), strict=True):
        if isinstance(result, Problem):
            raise DataError(result)
        looks.update(zip(places, result, strict=True))
    place = list(looks)
    pairs = [(place[link.first], place[link.second]) for link in copies(look.key for look in looks.values())]
    place = [i for i, look in looks.items() if not look.plain]
    links = near_links(np.array([looks[i].prints for i in place]))
    return pairs + [(place[link.first], place[link.second]) for link in links]


def look_item(samples: tuple[Sample, ...], dataset: Dataset) -> list[Look]:
    """The looks of samples that share an image file (see `segdata.dataset.duplicates`). Raises `DataError`."""
    from segdata.dataset.duplicates import read_looks

    with located(sample=samples[0].id):
        return read_looks(dataset.image_path(samples[0]), samples)
