"""`segdata tile`."""

from __future__ import annotations

from typing import Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.text import dataset_line


@operation("segdata.ops.tile.operation:tile")
@run_options
def tile(dataset: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Cut the images of DATASET into tiles, in a new dataset DST.

    \b
    segdata tile mydata tiles --size 512 --overlap 64
    segdata tile mydata tiles --overlap 0.25 --virtual            # no new images
    segdata tile mydata tiles --min-valid 0.5 --keep-empty 0.1    # for training
    segdata tile mydata tiles --scale 0.5 --min-tiles-per-class 50

    Images may be of any size, TIFFs of any bands. Tiling that was stopped goes on where it was when the command is
    repeated.
    """
    from segdata.ops.tile.operation import tile

    with running(jobs, on_error, "tiling") as run:
        made = tile(dataset, destination, run=run, **given)
    echo(tile_lines(made.read_receipt()))
    echo(dataset_line(made, destination, "tiles"))


WHY = {
    "aoi": "outside the area",
    "valid": "too few labelled pixels (--min-valid)",
    "foreground": "too little foreground (--min-foreground)",
    "empty": "without foreground, not drawn (--keep-empty)",
}
"""What the reasons of a receipt mean."""


def tile_lines(receipt: dict[str, Any]) -> list[str]:
    """The receipt of tiling in a few lines."""
    images, tiles = receipt["images"], receipt["tiles"]
    lines = [
        f"images:    {images['in']:,} in = {images['tiled']:,} tiled + {images['skipped']:,} left out",
        f"windows:     {tiles['windows']:,} = {tiles['kept']:,} kept + {tiles['left_out']:,} left out",
    ]
    lines += [f"             {tiles[reason]:,} left out: {why}" for reason, why in WHY.items() if tiles[reason]]
    if (clipped := receipt.get("clipped")) is not None:
        span = "the span" if clipped["span"] is None else "{:g} to {:g}".format(*clipped["span"])
        lines.append(f"clipped:     {clipped['pixels']:,} pixels of the tiles were beyond {span} (--scale-values)")
    if "scales" in receipt:
        low, high = (f"{scale:.4g}" for scale in receipt["scales"])
        lines.append(f"resampled:   by {low if low == high else f'{low} to {high}'}")
    for row in receipt["classes"]:
        if row["added"]:
            lines.append(f"added:       {row['added']:,} tiles for {row['class']}, in {row['tiles']:,} tiles now")
        if row["short"]:
            lines.append(
                f"short:       {row['class']} is in {row['tiles']:,} tiles, {row['short']:,} fewer than asked for"
            )
    return lines
