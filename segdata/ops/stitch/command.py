"""`segdata stitch` and `segdata untile`."""

from __future__ import annotations

from typing import Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.polygons import POLYGONS, WITH, polygon_lines, with_polygons
from segdata.terminal.text import dataset_line
from segdata.words import some

STITCH = "segdata.ops.stitch.operation:stitch"


@operation(STITCH, {POLYGONS: WITH})
@run_options
def stitch(tiles: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Put TILES together to whole images, in a new dataset DST.

    Their scores are put together if they have any, otherwise their masks.

    \b
    segdata stitch predicted whole --of mydata
    segdata stitch predicted whole --blend crop --no-scores --vectorize
    segdata stitch predicted whole --cog --vectorize --min-area 20 --simplify 1.5
    """
    from segdata.ops.stitch.operation import stitch

    with running(jobs, on_error, "stitching") as run:
        made = stitch(tiles, destination, run=run, **with_polygons(given))
    echo(stitch_lines(made.read_receipt()))
    echo(dataset_line(made, destination))


@operation("segdata.ops.stitch.operation:untile")
@run_options
def untile(tiles: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Put the masks of TILES together, in a new dataset DST.

    The masks that were tiled come back pixel for pixel.

    \b
    segdata untile tiles whole --of mydata
    """
    from segdata.ops.stitch.operation import untile

    with running(jobs, on_error, "stitching") as run:
        made = untile(tiles, destination, run=run, **given)
    echo(stitch_lines(made.read_receipt()))
    echo(dataset_line(made, destination))


def stitch_lines(receipt: dict[str, Any]) -> list[str]:
    """The receipt of stitching in a few lines."""
    images = receipt["images"]
    lines = [
        f"tiles:       {receipt['tiles']:,} of {images['in']:,} images = {images['stitched']:,} stitched "
        f"+ {images['skipped']:,} left out"
    ]
    for name, what in (
        ("uncovered", "pixels are in no tile, and ignored"),
        ("contested", "times a tile differs from another"),
    ):
        if receipt[name]:
            lines.append(f"{name + ':':<12} {sum(receipt[name].values()):,} {what}, in {len(receipt[name]):,} images")
    if several := receipt.get("several"):
        names = some(dict.fromkeys(name for splits in several.values() for name in splits))
        lines.append(f"splits:      {len(several):,} images have tiles of several ({names}), so they are in none")
    return lines + polygon_lines(receipt, 13)
