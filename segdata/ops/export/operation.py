"""A dataset in the form that other programs want."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.errors import OptionError
from segdata.executors.run import Run
from segdata.writers import writer, writer_options
from segdata.writers.exporting import Exported


def export(
    format: str,
    dataset: Dataset | str | Path,
    destination: str | Path,
    *,
    split: str | None = None,
    overwrite: bool = False,
    run: Run | None = None,
    **options: Any,
) -> Dataset | Exported:
    """Export a dataset to a format of `segdata.writers.WRITERS`; `options` are those of its writer.

    What is a dataset, too, as that of `webdataset` is, is returned as one.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), and `DatasetError`.

    Args:
        format: The format to write.
        dataset: The dataset, or its folder.
        destination: The folder to write to.
        split: Export this split only; several: a,b; all but one: !a.
        overwrite: Replace a dataset at `destination`.
    """
    known = writer_options(format)
    if foreign := [name for name in options if name not in known]:
        raise OptionError(f"format {format} has no option {foreign[0]!r}: it has {', '.join(known) or 'none'}")
    dataset = Dataset.of(dataset)
    if split is not None:
        dataset = dataset.split(split)
    return writer(format)(dataset, destination, overwrite=overwrite, run=run, **options)
