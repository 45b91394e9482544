"""What the samples of a dataset are called in an export: a split, and a path below it without an extension."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from segdata.dataset.dataset import Dataset
from segdata.dataset.ids import SHORT
from segdata.dataset.sample import Sample
from segdata.errors import OptionError

LONGEST = 240
"""The bytes of a name to which every ending can be added: file systems have 255."""


class Named(NamedTuple):
    """A sample, the folder of its split (None: it is in no split), and its name there: a POSIX path without an extension."""

    sample: Sample
    split: str | None
    name: str

    @property
    def path(self) -> str:
        """The split and the name, as a POSIX path."""
        return self.name if self.split is None else f"{self.split}/{self.name}"


def name_samples(
    dataset: Dataset, *, flat: bool = False, together: bool = False, unsplit: str | None = None
) -> list[Named]:
    """The samples by id, each with its split and its name: the id without the split's name in front.

    Programs pass over names that begin with a dot: `_` stands for it. Names that leave no room for an ending are cut.

    Args:
        dataset: The dataset.
        flat: Names have no folders: `a/b` becomes `a_b`; of names that are then one, each gets 8 digits of its id's SHA-256.
        together: The files of all splits are in one folder, so that names are unique across splits.
        unsplit: The split of samples that are in none.

    Raises `OptionError` if two splits would have one folder.
    """
    samples = sorted(dataset, key=lambda sample: sample.id)
    folders = split_folders({sample.split for sample in samples if sample.split is not None})
    named = [
        Named(
            sample,
            unsplit if sample.split is None else folders[sample.split],
            shown(_name_in(sample)),
        )
        for sample in samples
    ]
    return unique([*map(flattened if flat else fitted, named)], together=together)


def split_folders(splits: set[str]) -> dict[str, str]:
    """The name of the folder of each split: letters, digits, `_` and `-`. Raises `OptionError` if two would be one."""
    folders = {split: re.sub(r"[^\w-]+", "_", split) for split in sorted(splits)}
    first: dict[str, str] = {}
    for split, folder in folders.items():
        if (other := first.setdefault(folder.casefold(), split)) != split:
            raise OptionError(
                f"splits {other!r} and {split!r} would both be in the folder {folder}: --split exports one of them"
            )
    return folders


def shown(name: str) -> str:
    """A name of whose folders and file none is hidden: `_` for dots in front."""
    return re.sub(r"(?<![^/])\.", "_", name)


def fitted(one: Named) -> Named:
    """The same, in a name that is cut if no ending fits to it."""
    folder, slash, base = one.name.rpartition("/")
    if len(data := base.encode()) <= LONGEST:
        return one
    return _with_digits(one._replace(name=f"{folder}{slash}{data[:SHORT].decode(errors='ignore')}"))


def flattened(one: Named) -> Named:
    """The same, in a name without folders; a long name is cut."""
    name = one.name.replace("/", "_")
    data = name.encode()
    if len(data) <= SHORT:
        return one._replace(name=name)
    return _with_digits(one._replace(name=data[:SHORT].decode(errors="ignore")))


def unique(named: Sequence[Named], *, together: bool = False) -> list[Named]:
    """The same, where names that are one in a split (`together`: in any), apart from case, get digits of the ids."""
    keys = [(one.name if together else one.path).casefold() for one in named]
    times = Counter(keys)
    return [one if times[key] == 1 else _with_digits(one) for one, key in zip(named, keys, strict=True)]


def _name_in(sample: Sample) -> str:
    """A sample's name in its split. One that leads to a drive of Windows, as `a:b` does, gets `_` for the colon."""
    name = sample.id if sample.split is None else sample.id.removeprefix(f"{sample.split}/")
    return re.sub("^([^/]):", r"\1_", name)


def _with_digits(one: Named) -> Named:
    return one._replace(name=f"{one.name}-{hashlib.sha256(one.sample.id.encode()).hexdigest()[:8]}")
