"""Whether the dataset that exists is the one that a job would make."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from segdata.caches import note
from segdata.dataset.dataset import Dataset
from segdata.dataset.inputs import newest
from segdata.dataset.journal import settle
from segdata.dataset.layout import JOURNAL, MANIFEST
from segdata.errors import SegdataError
from segdata.files.remote import Place, Remote


def finished(
    dataset: Dataset,
    inputs: Iterable[str | Place],
    same: Callable[[Dataset], bool] = lambda there: True,
    *,
    overwrite: bool,
) -> Dataset | None:
    """The dataset at the place of `dataset`, if the same job has made it and no input was written since; otherwise None.

    Its card must have the same operation, options and digests of inputs; `same` checks what the card cannot tell. If it is
    the same, a note says that nothing is done. For object storage it is always None: times there do not tell.
    """
    root = dataset.root
    if overwrite or isinstance(root, Remote) or not root.exists():
        return None
    settle(root)
    if (root / JOURNAL).exists() or not (root / MANIFEST).is_file():
        return None
    try:
        there = Dataset.open(root)
    except SegdataError:
        return None
    if _facts(there) != _facts(dataset) or newest(map(str, inputs)) > os.stat(root / MANIFEST).st_mtime_ns:
        return None
    if not same(there):
        return None
    note(f"{root}: is finished already, from the same inputs and options: nothing was done")
    return there


def _facts(dataset: Dataset) -> tuple[Any, ...]:
    return json.dumps(dataset.made_by, sort_keys=True), dataset.images, dataset.labels.digest
