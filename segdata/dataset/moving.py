"""What samples are called once they are in another split: ids that begin with the split begin with the new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from segdata.dataset.dataset import Dataset
from segdata.dataset.group_rules import stem
from segdata.dataset.job import folder_name
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, OptionError


def refuse_split(name: str, option: str) -> None:
    """Raise `OptionError` for what is no name of a split."""
    if not name or name in (".", "..") or any(c in '/\\:*?"<>|' or ord(c) < 32 for c in name):
        raise OptionError(f"{option}: {name!r} is no name for a split: it becomes the name of a folder")


def stems_of(samples: Iterable[Sample]) -> dict[str, str]:
    """By id, its stem; all of it where that alone tells two samples apart."""
    stems = {s.id: stem(s) for s in samples}
    shared = {stem for stem, n in Counter(stems.values()).items() if n > 1}
    return {id: id if stem in shared else stem for id, stem in stems.items()}


def id_in(sample: Sample, split: str, stems: Mapping[str, str]) -> str:
    """The id of a sample in a split; `stems` are those of all samples."""
    return f"{split}/{stems[sample.id]}" if sample.split and sample.id.startswith(f"{sample.split}/") else sample.id


def refuse_twice(dataset: Dataset, ids: Mapping[str, str]) -> None:
    """Raise `DatasetError` if two samples, new ids by the old ones, would be called the same."""
    twice = {id for id, n in Counter(ids.values()).items() if n > 1}
    if twice:
        first = next(new for new in ids.values() if new in twice)
        old = " and ".join(id for id, new in ids.items() if new == first)
        raise DatasetError(f"{folder_name(dataset)}: {old} would both be {first}: convert them under other names")
