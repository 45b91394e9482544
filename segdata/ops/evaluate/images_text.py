"""What `segdata evaluate` says of single images, slices and confusions, as text. Nothing prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from segdata.terminal.text import table
from segdata.words import points, share, some

if TYPE_CHECKING:
    from segdata.ops.evaluate.images import Cell, Slices
    from segdata.ops.evaluate.result import Comparison


def slice_lines(slices: Slices) -> list[str]:
    """A line per slice."""
    rows: list[list[object]] = [[slices.by.rpartition(":")[2], "images", "pixels", "mean IoU", "pixel accuracy"]]
    for part in slices.parts:
        scores = share(part.tally.mean_iou), share(part.tally.pixel_accuracy)
        rows.append([part.name, f"{part.images:,}", f"{part.confusion.total:,}", *scores])
    return table(rows, " rrrr")


def cell_lines(cells: Sequence[Cell]) -> list[str]:
    """A line per confusion, with the images that have most of it."""
    return [
        f"{cell.truth} taken for {cell.pred}: {cell.pixels:,} pixels, most in "
        + some((f"{id} ({n:,})" for id, n in cell.images[:3]), 3)
        for cell in cells
    ]


def loss_lines(comparison: Comparison) -> list[str]:
    """The images where the first prediction loses most."""
    worst = [f"{one.id} {points(one.pred - one.other)}" for one in comparison.losses[:5]]
    if not worst:
        return []
    more = f" of {len(comparison.losses):,}" if len(comparison.losses) > len(worst) else ""
    return [f"PRED loses most to {comparison.name} in: {', '.join(worst)}{more}"]
