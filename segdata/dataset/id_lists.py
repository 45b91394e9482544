"""Lists of ids in files: .txt has one per line, .csv has them in the first column of a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from segdata.dataset.dataset import Dataset
from segdata.errors import OptionError
from segdata.files.csv_text import read_table
from segdata.files.places import place, read_text, real, write_new, write_whole
from segdata.files.remote import Place
from segdata.words import some, suggest

LISTS = (".txt", ".csv")

Ids = Sequence[str] | str | Path
"""Ids, or the file that lists them."""


def is_list(destination: str | Place) -> bool:
    """Whether a destination is meant as a list, not as the folder of a dataset."""
    return str(destination).lower().endswith(LISTS) and not place(destination).is_dir()


def file_of(ids: Ids | None) -> Place | None:
    """The file that lists ids; None if they are given themselves."""
    return place(ids) if isinstance(ids, str | Path) else None


def read_ids(ids: Ids, option: str, known: Collection[str], whose: str) -> list[str]:
    """The ids that are given, or that a file lists, all of them `known` in what is called `whose`.

    `option` is what named them, for messages. Raises `OptionError`, for ids that are not known with near ones.
    """
    if isinstance(ids, str | Path):
        named, found = f"{option} {ids}", _read(place(ids), option, known)
    else:
        named, found = option, list(ids)
    if unknown := [id for id in dict.fromkeys(found) if id not in known]:
        which = f"{len(unknown):,} of {len(found):,} ids are not of {whose}: {some(unknown, 3)}"
        raise OptionError(f"{named}: {which}: {suggest(unknown[0], known)}")
    return found


def listed(dataset: Dataset, ids: Ids, option: str) -> Dataset:
    """The samples of a dataset with these ids. Raises `OptionError` for others, and if there are none."""
    wanted = frozenset(read_ids(ids, option, {sample.id for sample in dataset}, str(dataset.root)))
    if not wanted:
        raise OptionError(f"{option}: there are no ids in it: list one or more")
    return dataset.select(lambda sample: sample.id in wanted)


def _read(file: Place, option: str, known: Collection[str]) -> list[str]:
    """What a file lists. A first line of .csv that is no id is the heading."""
    if not str(file).lower().endswith(LISTS):
        raise OptionError(
            f"{option} {file}: must be a list of ids: .txt with one per line, or .csv with a column of them"
        )
    if str(file).lower().endswith(".csv"):
        heading, lines = read_table(str(file), option)
        cells = [*heading[:1], *(row[0] for _, row in lines)]
        ids = [cell.removeprefix("'") if cell not in known else cell for cell in cells]  # which marks it as text
        return ids if ids and ids[0] in known else ids[1:]
    try:
        lines_of_text = read_text(file, "utf-8-sig").splitlines()
    except OSError as error:
        raise OptionError(f"{option} {file}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{option} {file}: is not text in UTF-8: save it as that") from error
    return [id for line in lines_of_text if (id := line.strip())]


def write_list(path: Place, text: str, inputs: Sequence[str | Place], *, overwrite: bool) -> None:
    """Write a list. It is whole or absent; the same list stays.

    Raises `OptionError` for a destination that is read, `DatasetError` for another file there.
    """
    if any(real(one) == real(path) for one in inputs):
        raise OptionError(f"{path}: is what is read: choose another name")
    data = f"{text}\n".encode()
    if isinstance(path, Path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        write_whole(path, data)
    else:
        write_new(path, data, "choose another name, or --overwrite")
