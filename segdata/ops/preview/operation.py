"""Contact sheets of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, DatasetError, OptionError, one_of
from segdata.files.remote import Place
from segdata.pages.sheet import Sort, cell, choose, grid_cell, write_sheet
from segdata.tiling.tiles import by_parent


def preview(
    dataset: Dataset | str | Path,
    out: str | Place,
    *,
    count: int = 12,
    classes: Sequence[str] = (),
    samples: Sequence[str] = (),
    sort: Sort = "id",
    columns: int = 3,
    size: int = 240,
    grid: bool = False,
) -> Place:
    """Write a contact sheet (PNG or JPEG by the name of `out`): each sample's image and its mask laid over it, and a legend.

    Raises `OptionError`, and `DatasetError` if there is nothing to show.

    Args:
        dataset: The dataset, or its folder.
        out: The file to write.
        count: How many samples are shown; with `grid` how many whole images.
        classes: Show only samples that hold this class, most of it first.
        samples: Show the sample of this id.
        sort: Which samples come first: spread over all (id), the rarest classes, or the most ignored pixels (worst).
        columns: How many samples are in a row.
        size: The width of one image in pixels.
        grid: Show tiles where they lie in their whole images, with outlines.
    """
    dataset = Dataset.of(dataset)
    if min(count, columns, size) < 1:
        raise OptionError("--count, --columns and --size must be 1 or more")
    one_of("sort", sort, Sort)
    chosen = [dataset.sample(id) for id in samples] or choose(dataset, count, classes, sort)
    if not chosen:
        what = f"no sample holds {' or '.join(classes)}" if classes else "it has no samples"
        raise DatasetError(f"{dataset.root}: {what}")
    if grid:
        try:
            groups = list(by_parent(chosen if samples else dataset.samples).values())
        except DataError as error:
            raise OptionError(f"--grid: {error.problem.sample} is no tile: segdata tile makes tiles") from error
        places = np.linspace(0, len(groups) - 1, min(count, len(groups))).round().astype(int)
        shown = [groups[i] for i in places]
        chosen = [tile for group in shown for tile in group]
        cells = [grid_cell(dataset, group, size) for group in shown]
    else:
        cells = [cell(dataset, sample, size) for sample in chosen]
    counts: Counter[int] = Counter()
    for sample in chosen:
        counts.update(sample.counts)
    return write_sheet(out, cells, columns, dataset.labels, counts)
