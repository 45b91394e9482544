"""Commands for large pictures: tile, stitch, untile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from segdata.cli.options import pixels, run_options, running

if TYPE_CHECKING:
    from segdata.dataset import Dataset


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
@click.option(
    "--scale", type=float, metavar="S", help="Resample first: 0.5 halves (pictures by area, masks to nearest)."
)
@click.option(
    "--pad", type=click.Choice(["zero", "reflect", "keep"]), help="Pictures smaller than a tile (default zero)."
)
@click.option(
    "--format",
    type=click.Choice(["auto", "png", "jpeg", "tiff"]),
    help="Of tiles of pictures: by default GeoTIFF of what has coordinates or is not 8-bit RGB, else PNG.",
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
    help="What its coordinates are: EPSG:..., or pixel (default longitude, latitude; pixel of pictures without any).",
)
@click.option(
    "--virtual",
    is_flag=True,
    help="Write no pictures: samples are windows of the whole files (not for training on PNGs of more than 67 megapixels).",
)
@click.option("--seed", type=int, metavar="N", help="Of --keep-empty and --min-tiles-per-class (default 0).")
@click.option("--overwrite", is_flag=True, help="Replace a dataset at DST.")
@run_options
def tile(dataset: str, dst: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Cut the pictures of DATASET into tiles, in a new dataset DST.

    \b
    segdata tile mydata tiles --size 512 --overlap 64
    segdata tile mydata tiles --overlap 0.25 --virtual              # writes no pictures
    segdata tile mydata tiles --min-valid 0.5 --keep-empty 0.1      # for training
    segdata tile mydata tiles --scale 0.5 --min-tiles-per-class 50

    Pictures may be of any size, TIFFs of any bands. Tiling that was stopped goes on where it was when the command is
    repeated.
    """
    from segdata.ops.tile import tile

    options = {name: value for name, value in given.items() if value is not None}
    with running(jobs, on_error, "tiling") as run:
        made = tile(dataset, dst, run=run, **options)
    click.echo("\n".join(tile_lines(made.read_receipt())))
    click.echo(_closing(made, dst, "tiles"))


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
@click.option("--of", type=click.Path(), metavar="DATASET", help="What was tiled, for its pictures.")
@click.option("--vectorize", is_flag=True, help="Write polygons too, vectors/<id>.geojson.")
@click.option("--overwrite", is_flag=True, help="Replace a dataset at DST.")
@run_options
def stitch(tiles: str, dst: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Put TILES together to whole pictures, in a new dataset DST: their scores where they have them, else their masks.

    \b
    segdata stitch predicted whole --of mydata
    segdata stitch predicted whole --blend crop --no-scores --vectorize
    """
    from segdata.ops.stitch import stitch

    options = {name: value for name, value in given.items() if value is not None}
    with running(jobs, on_error, "stitching") as run:
        made = stitch(tiles, dst, run=run, **options)
    click.echo("\n".join(stitch_lines(made.read_receipt())))
    click.echo(_closing(made, dst, "masks"))


@click.command()
@click.argument("tiles", type=click.Path())
@click.argument("dst", type=click.Path())
@click.option("--of", type=click.Path(), metavar="DATASET", help="What was tiled, for its pictures.")
@click.option("--overwrite", is_flag=True, help="Replace a dataset at DST.")
@run_options
def untile(tiles: str, dst: str, of: str | None, overwrite: bool, jobs: int | str, on_error: Any) -> None:
    """Put the masks of TILES together: those that were tiled, pixel for pixel.

    \b
    segdata untile tiles whole --of mydata
    """
    from segdata.ops.stitch import untile

    with running(jobs, on_error, "stitching") as run:
        made = untile(tiles, dst, of=of, overwrite=overwrite, run=run)
    click.echo("\n".join(stitch_lines(made.read_receipt())))
    click.echo(_closing(made, dst, "masks"))


WHY = {
    "aoi": "outside the area",
    "valid": "too little that is not void (--min-valid)",
    "foreground": "too little foreground (--min-foreground)",
    "empty": "without foreground, not drawn (--keep-empty)",
}
"""What the reasons of a receipt mean."""


def tile_lines(receipt: dict[str, Any]) -> list[str]:
    """The receipt of tiling in a few lines."""
    pictures, tiles = receipt["pictures"], receipt["tiles"]
    lines = [
        f"pictures:    {pictures['in']:,} in = {pictures['tiled']:,} tiled + {pictures['skipped']:,} left out",
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


def stitch_lines(receipt: dict[str, Any]) -> list[str]:
    """The receipt of stitching in a few lines."""
    pictures = receipt["pictures"]
    lines = [
        f"tiles:       {receipt['tiles']:,} of {pictures['in']:,} pictures = {pictures['stitched']:,} stitched "
        f"+ {pictures['skipped']:,} left out"
    ]
    for name, what in (
        ("uncovered", "pixels are in no tile, and void"),
        ("contested", "times a tile differs from another"),
    ):
        if receipt[name]:
            lines.append(f"{name + ':':<12} {sum(receipt[name].values()):,} {what}, in {len(receipt[name]):,} pictures")
    if receipt["polygons"]:
        lines.append(f"polygons:    {receipt['polygons']:,} in vectors/")
    return lines


def _closing(made: Dataset, dst: str, what: str) -> str:
    return f"dataset:     {dst}: {len(made):,} {what}, {len(made.labels.classes)} classes (segdata info {dst})"
