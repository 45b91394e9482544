"""`segdata tile`."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.options import pixels, run_options, running
from segdata.terminal.text import dataset_line


def overlaps(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> int | float | tuple[int, int] | None:
    """A click callback: pixels as for a size, or a share like `0.25` or `25%`."""
    if value is None or not (value.endswith("%") or "." in value):
        return pixels(context, parameter, value)
    try:
        return float(value[:-1]) / 100 if value.endswith("%") else float(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: must be pixels, like 64, or a share, like 0.125 or 12.5%") from error


@click.command()
@click.argument("dataset", type=click.Path())
@click.argument("dst", type=click.Path())
@click.option("--size", callback=pixels, metavar="PX", help="Of tiles, or HEIGHTxWIDTH (default 512).")
@click.option("--overlap", callback=overlaps, metavar="PX|SHARE", help="Of neighbours, 64 or 0.125 (default 0).")
@click.option("--stride", callback=pixels, metavar="PX", help="From tile to tile, in place of --overlap.")
@click.option("--scale", type=float, metavar="S", help="Resample first: 0.5 halves (images by area, masks to nearest).")
@click.option(
    "--pad", type=click.Choice(["zero", "reflect", "keep"]), help="Images smaller than a tile (default zero)."
)
@click.option(
    "--format",
    type=click.Choice(["auto", "png", "jpeg", "tiff"]),
    help="Of tiles of images: by default GeoTIFF of what has coordinates or is not 8-bit RGB, else PNG.",
)
@click.option("--quality", type=int, metavar="Q", help="Of JPEGs (default 95).")
@click.option("--compress", type=click.Choice(["deflate", "none"]), help="Of TIFFs (default deflate).")
@click.option("--nodata", type=float, metavar="V", help="Pixels of this value in every band become void; may be nan.")
@click.option("--min-valid", type=float, metavar="S", help="Keep tiles with this share of pixels not void.")
@click.option("--min-foreground", type=float, metavar="S", help="Keep tiles with this share of foreground.")
@click.option("--keep-empty", type=float, metavar="S", help="Of tiles without foreground keep this share (default 1).")
@click.option("--background", metavar="CLASS", help="What is not foreground (default: the class background).")
@click.option(
    "--min-tiles-per-class", type=int, metavar="N", help="Cut more tiles about pixels of classes that fewer tiles hold."
)
@click.option("--aoi", type=click.Path(), metavar="FILE", help="GeoJSON polygons: what is outside becomes void.")
@click.option(
    "--aoi-crs",
    metavar="CRS",
    help="What its coordinates are: EPSG:..., or pixel (default longitude, latitude; pixel of images without any).",
)
@click.option(
    "--virtual",
    is_flag=True,
    help="Write no images: samples are windows of the whole files (not for training on PNGs of more than 67 megapixels).",
)
@click.option("--seed", type=int, metavar="N", help="Of --keep-empty and --min-tiles-per-class (default 0).")
@click.option("--overwrite", is_flag=True, help="Replace a dataset at DST.")
@run_options
def tile(dataset: str, dst: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Cut the images of DATASET into tiles, in a new dataset DST.

    \b
    segdata tile mydata tiles --size 512 --overlap 64
    segdata tile mydata tiles --overlap 0.25 --virtual              # writes no images
    segdata tile mydata tiles --min-valid 0.5 --keep-empty 0.1      # for training
    segdata tile mydata tiles --scale 0.5 --min-tiles-per-class 50

    Images may be of any size, TIFFs of any bands. Tiling that was stopped goes on where it was when the command is
    repeated.
    """
    from segdata.ops.tile.operation import tile

    options = {name: value for name, value in given.items() if value is not None}
    with running(jobs, on_error, "tiling") as run:
        made = tile(dataset, dst, run=run, **options)
    click.echo("\n".join(tile_lines(made.read_receipt())))
    click.echo(dataset_line(made, dst, "tiles"))


WHY = {
    "aoi": "outside the area",
    "valid": "too little that is not void (--min-valid)",
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
    for row in receipt["classes"]:
        if row["added"]:
            lines.append(f"added:       {row['added']:,} tiles for {row['class']}, in {row['tiles']:,} tiles now")
        if row["short"]:
            lines.append(
                f"short:       {row['class']} is in {row['tiles']:,} tiles, {row['short']:,} fewer than asked for"
            )
    return lines
