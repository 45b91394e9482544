"""`segdata convert`."""

from __future__ import annotations

from typing import Any

import click

from segdata.readers import READERS
from segdata.terminal.options import class_options, run_options, running


@click.command()
@click.argument("format", type=click.Choice(["auto", *READERS]))
@click.argument("src", type=click.Path())
@click.argument("dst", type=click.Path())
@click.option("--split", help="Take this split alone.")
@click.option(
    "--images",
    type=click.Choice(["reference", "link", "copy", "none"]),
    default="reference",
    show_default=True,
    help="Refer to the images where they are, link or copy them into DST, or make masks without images.",
)
@class_options
@click.option(
    "--exif",
    type=click.Choice(["upright", "raw"]),
    default="upright",
    show_default=True,
    help="Which way up labels are where the image's size cannot tell.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    metavar="N",
    help="Refuse larger images of any kind (default: of more than 2^28 those that are decoded at once; TIFFs are not).",
)
@click.option("--overwrite", is_flag=True, help="Replace a dataset at DST.")
@run_options
@click.option("--image-dir", metavar="DIR", help="coco, masks, vector: where the images lie; masks: may hold {split}.")
@click.option("--mask-dir", metavar="DIR", help="voc, masks: the folder of masks; masks: may hold {split}.")
@click.option(
    "--classes", metavar="FILE", help="voc, masks, vector, webdataset: the classes, one name a line, CSV or JSON."
)
@click.option(
    "--labels",
    metavar="SET",
    help="cityscapes: train (default), id, category; pets: trimap (default), binary, species, breed.",
)
@click.option(
    "--background",
    type=click.Choice(["class", "ignore"]),
    help="coco, vector: unlabelled pixels are class 0 (default; not for LVIS, panoptic) or void.",
)
@click.option(
    "--crowd",
    type=click.Choice(["ignore", "class", "drop"]),
    help="coco: crowd regions become void (default; panoptic: class), their class, or nothing.",
)
@click.option(
    "--overlap",
    type=click.Choice(["smallest", "first", "last", "ignore"]),
    help="coco (not panoptic), vector: on top is the smallest (default), first or last in the file, or neither.",
)
@click.option("--annotations", type=click.Choice(["fine", "coarse"]), help="cityscapes: gtFine (default) or gtCoarse.")
@click.option(
    "--from",
    "from_",
    type=click.Choice(["auto", "png", "polygons"]),
    help="cityscapes: from label PNGs, from polygons.json, or PNGs where there are any (default).",
)
@click.option(
    "--border",
    type=click.Choice(["ignore", "foreground", "class"]),
    help="pets: the trimap's border becomes void (default), pet, or a class of its own.",
)
@click.option(
    "--values",
    multiple=True,
    metavar="VALUE=CLASS",
    help="masks: what a value is: 11=ignore, 1..40=cell, 0,128,0=tree. Repeat for more.",
)
@click.option("--colors", is_flag=True, default=None, help="masks: read colours, by the colours of --classes.")
@click.option("--threshold", type=int, metavar="T", help="masks: from this brightness on class 1, below it class 0.")
@click.option("--offset", type=int, metavar="N", help="masks: add N to every value; -1 becomes void.")
@click.option("--vectors", metavar="PATH", help="vector: the folder of the GeoJSON files, or one for all images.")
@click.option("--class-property", metavar="NAME", help="vector: the property that says a polygon's class.")
@click.option(
    "--crs", metavar="CRS", help="vector: what its coordinates are: EPSG:..., or pixel (as for images without any)."
)
@click.option("--all-touched", is_flag=True, default=None, help="vector: burn pixels that are merely touched, too.")
@click.option("--image-pattern", metavar="PATTERN", help="masks: how image names are made, e.g. {stem}_rgb.png.")
@click.option("--mask-pattern", metavar="PATTERN", help="masks: how mask names are made, e.g. {stem}_mask.png.")
@click.option("--mask-member", metavar="EXT", help="webdataset: which member is the mask, e.g. seg.png.")
@click.option("--outside", is_flag=True, default=None, help="webdataset: read images that shards name elsewhere.")
def convert(
    format: str, src: str, dst: str, jobs: int | str, on_error: Any, map_file: str | None, **given: Any
) -> None:
    """Convert labels SRC of a FORMAT into a dataset DST of masks whose values are class ids.

    \b
    segdata convert coco coco/ out/                  # annotations/instances_*.json and images
    segdata convert coco labels.json out/ --image-dir images/
    segdata convert auto VOCdevkit/ out/ --only dog --only cat
    segdata convert cityscapes cityscapes/ out/ --labels category --from polygons
    segdata convert pets oxford-pets/ out/ --labels breed --border foreground
    segdata convert vector images/ out/ --vectors buildings.geojson --class-property use
    segdata convert masks camvid/ out/ --image-dir {split} --mask-dir {split}annot --classes classes.txt --values 11=ignore

    A conversion that was stopped goes on where it was when the command is repeated. SRC and DST may be URLs (s3://, gs://,
    az://); in object storage DST takes --images copy or none where the images are on this machine.
    """
    from segdata.ops.convert.operation import convert
    from segdata.ops.convert.text import receipt_lines
    from segdata.readers.class_files import read_map
    from segdata.terminal.text import dataset_line

    if map_file is not None:
        given["map"] = {**read_map(map_file), **given["map"]}
    options = {name: value for name, value in given.items() if value not in (None, ())}
    with running(jobs, on_error, "converting") as run:
        dataset = convert(format, src, dst, run=run, **options)
    click.echo("\n".join(receipt_lines(dataset.read_receipt())))
    click.echo(dataset_line(dataset, dst))
