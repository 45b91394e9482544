"""`segdata mosaic`."""

from __future__ import annotations

from typing import Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.text import dataset_line

LIMIT = 20
"""So many mosaics are listed."""


@operation("segdata.ops.mosaic.operation:mosaic")
@run_options
def mosaic(dataset: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Join scenes of DATASET that touch into large images, in DST.

    Tiles and predictions then cross the borders of scenes. Predicted masks and scores are joined too.

    \b
    segdata mosaic scenes whole
    segdata mosaic predictions map --images none
    segdata mosaic scenes whole --take last --tolerance 0.25
    """
    from segdata.ops.mosaic.operation import mosaic

    with running(jobs, on_error, "piecing together") as run:
        made = mosaic(dataset, destination, run=run, **given)
    sizes = {sample.id: sample.size for sample in made}
    echo(mosaic_lines(made.read_receipt(), sizes))
    echo(dataset_line(made, destination))


def mosaic_lines(receipt: dict[str, Any], sizes: dict[str, tuple[int, int]]) -> list[str]:
    """The receipt of mosaics in a few lines; `sizes` are their heights and widths."""
    from segdata.words import percent, some

    images, rows = receipt["images"], receipt["mosaics"]
    pieced = [row for row in rows if len(row["scenes"]) > 1]
    alone = [row["mosaic"] for row in rows if len(row["scenes"]) == 1]
    lines = [f"scenes:      {images['in']:,} in = {images['placed']:,} placed + {images['skipped']:,} left out"]
    for row in pieced[:LIMIT]:
        height, width = sizes[row["mosaic"]]
        facts = [f"{len(row['scenes']):,} scenes", f"{width} x {height}"]
        if row["uncovered"]:
            facts.append(f"{percent(row['uncovered'], height * width)} without data")
        if row["overlapping"]:
            facts.append(f"{row['overlapping']:,} pixels of several scenes, {row['differing']:,} labelled differently")
        lines.append(f"mosaic:      {row['mosaic']}: {', '.join(facts)}")
    if len(pieced) > LIMIT:
        lines.append(f"             and {len(pieced) - LIMIT:,} more (receipt.json lists them)")
    if alone:
        why = "of the same coordinate system, pixel size, split, number of bands and type"
        lines.append(f"alone:       {len(alone):,} scenes touch no other {why}: {some(alone, 3)}")
    return lines
