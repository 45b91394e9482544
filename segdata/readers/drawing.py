"""Shapes of one image, painted, and what the receipt says of each: what formats of outlines and bitmaps share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.labels import Remap
from segdata.readers.paint import Overlap, Shape, paint
from segdata.readers.source import Drawn, Receipt

NAN = "a coordinate is NaN or infinite: correct it, or remove the shape"


def draw_shapes(
    shapes: Sequence[Shape],
    size: tuple[int, int],
    remap: Remap,
    background: int | None,
    overlap: Overlap,
    receipt: Receipt,
    file: str,
) -> Drawn:
    """The mask of `size` (height, width) of shapes. `receipt` has counted the annotations.

    `background` is the source's class id of what no shape covers, None for ignored. One shape per annotation. One without a
    pixel is skipped (`polygon.empty`); one of which no pixel is seen is painted and hidden. Raises `DataError` (`rle.size`).
    """
    painted = paint(shapes, *size, remap.labels, background=remap.value(background), overlap=overlap)
    for shape, area, shown in zip(shapes, painted.areas, painted.shown, strict=True):
        if area == 0:
            receipt.skipped.append(Problem("polygon.empty", "covers no pixel", file, None, shape.annotation))
        else:
            receipt.painted += 1
            if not shown:
                receipt.hidden.append(Problem("hidden", "wholly under others", file, None, shape.annotation))
    receipt.contested, receipt.contests = painted.contested, painted.contests
    return Drawn(painted.mask, receipt, painted.counts)


def clipped(file: str, annotation: int | str) -> Problem:
    """The receipt's line of a shape of which a part lies outside the image."""
    return Problem("polygon.clipped", "reaches beyond the image", file, None, annotation)


def check_corners(corners: NDArray[np.float64], far: float) -> None:
    """Raise `DataError` for (N, 2) x, y that are no numbers (`polygon.nan`), or more than `far` pixels away (`polygon.far`)."""
    if (np.abs(corners) <= far).all():  # never true of NaN
        return
    if np.isfinite(corners).all():
        message = f"a coordinate is more than {far:,} pixels away: correct it, or remove the shape"
        raise DataError(Problem("polygon.far", message))
    raise DataError(Problem("polygon.nan", NAN))
