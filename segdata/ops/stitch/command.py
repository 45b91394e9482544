"""`segdata stitch` and `segdata untile`."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.options import run_options, running
from segdata.terminal.text import dataset_line


@click.command()
@click.argument("tiles", type=click.Path())
@click.argument("dst", type=click.Path())
@click.option(
    "--blend",
    type=click.Choice(["gaussian", "linear", "crop", "none"]),
    help="How tiles count where they overlap (default gaussian); crop: the one that reaches farthest there, alone.",
)
@click.option(
    "--scores/--no-scores", default=None, help="Write the blended scores too (default where tiles have them)."
)
@click.option("--of", type=click.Path(), metavar="DATASET", help="What was tiled, for its images.")
@click.option("--vectorize", is_flag=True, help="Write polygons too, vectors/<id>.geojson.")
@click.option("--overwrite", is_flag=True, help="Replace a dataset at DST.")
@run_options
def stitch(tiles: str, dst: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Put TILES together to whole images, in a new dataset DST: their scores where they have them, else their masks.

    \b
    segdata stitch predicted whole --of mydata
    segdata stitch predicted whole --blend crop --no-scores --vectorize
    """
    from segdata.ops.stitch.operation import stitch

    options = {name: value for name, value in given.items() if value is not None}
    with running(jobs, on_error, "stitching") as run:
        made = stitch(tiles, dst, run=run, **options)
    click.echo("\n".join(stitch_lines(made.read_receipt())))
    click.echo(dataset_line(made, dst))


@click.command()
@click.argument("tiles", type=click.Path())
@click.argument("dst", type=click.Path())
@click.option("--of", type=click.Path(), metavar="DATASET", help="What was tiled, for its images.")
@click.option("--overwrite", is_flag=True, help="Replace a dataset at DST.")
@run_options
def untile(tiles: str, dst: str, of: str | None, overwrite: bool, jobs: int | str, on_error: Any) -> None:
    """Put the masks of TILES together: those that were tiled, pixel for pixel.

    \b
    segdata untile tiles whole --of mydata
    """
    from segdata.ops.stitch.operation import untile

    with running(jobs, on_error, "stitching") as run:
        made = untile(tiles, dst, of=of, overwrite=overwrite, run=run)
    click.echo("\n".join(stitch_lines(made.read_receipt())))
    click.echo(dataset_line(made, dst))


def stitch_lines(receipt: dict[str, Any]) -> list[str]:
    """The receipt of stitching in a few lines."""
    images = receipt["images"]
    lines = [
        f"tiles:       {receipt['tiles']:,} of {images['in']:,} images = {images['stitched']:,} stitched "
        f"+ {images['skipped']:,} left out"
    ]
    for name, what in (
        ("uncovered", "pixels are in no tile, and void"),
        ("contested", "times a tile differs from another"),
    ):
        if receipt[name]:
            lines.append(f"{name + ':':<12} {sum(receipt[name].values()):,} {what}, in {len(receipt[name]):,} images")
    if receipt["polygons"]:
        lines.append(f"polygons:    {receipt['polygons']:,} in vectors/")
    return lines
