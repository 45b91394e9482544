"""GeoJSON, a file per image: a feature per region with its class, as `segdata stitch --vectorize` writes them.

    vectors/SPLIT/NAME.geojson  images/SPLIT/NAME.*  classes.json

Coordinates are longitude and latitude if the image has a coordinate system, otherwise its pixels: x to the right, y down. Ignored
pixels have no feature. A region's holes are inner rings.

Format: https://www.rfc-editor.org/rfc/rfc7946
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.executors.run import Run
from segdata.files.places import file_digest, place, write_whole
from segdata.files.remote import Place
from segdata.files.vectors.polygon_files import write_polygons
from segdata.files.vectors.polygons import Polygons, VectorFormat
from segdata.labels import Labels
from segdata.tiling.area import open_place
from segdata.writers.about import About
from segdata.writers.classes import class_list, refuse_alike, refuse_ignore
from segdata.writers.croissant import Shown
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages
from segdata.writers.names import Named, name_samples

CLASSES = "classes.json"

ENDINGS = {"geojson": "geojson", "qupath": "geojson", "gpkg": "gpkg"}

WAYS = {
    "small": "--min-area 0", "in_holes": "--min-hole 0", "off_earth": "--vector-format gpkg", "background": "--background",
    "skipped": "no --skip-class",
}  # fmt: skip
"""What keeps what an option leaves out, or the format."""


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    vector_format: VectorFormat = "geojson",
    min_area: float = 0.0,
    min_hole: float = 0.0,
    simplify: float = 0.0,
    background: bool = True,
    skip_classes: Sequence[str] = (),
    images: ExportImages = "link",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write the regions of masks as polygons, in a file per image, beside the images.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        vector_format: What vectors/ holds. geojson: longitude and latitude, or pixels if the image has no coordinates. qupath:
            annotations for QuPath, in pixels. gpkg: GeoPackages in the image's coordinates (pip install "segdata[vectors]").
        min_area: Leave out polygons of fewer pixels than this.
        min_hole: Fill holes of fewer pixels than this, and leave out what lies in them.
        simplify: Make borders simpler: leave out corners whose triangle has a smaller area than this, squared, in pixels.
            Neighbours keep one border.
        background: Write polygons of the class background too.
        skip_classes: Write no polygons of this class.
        images: What becomes of the images: links to them (the default), copies, or there are none.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    refuse_ignore(dataset.labels)
    refuse_alike(dataset.labels)
    how = Polygons(
        vector_format=vector_format, min_area=min_area, min_hole=min_hole, simplify=simplify, background=background,
        skip_classes=tuple(skip_classes),
    )  # fmt: skip
    how.check(dataset.labels)
    with_images = images != "none"
    plan = Plan(
        format="geojson",
        options={"polygons": how.to_json()},
        samples=name_samples(dataset),
        item=partial(write_regions, labels=dataset.labels, how=how),
        finish=partial(write_classes, labels=dataset.labels),
        holds=[*(["images"] if with_images else []), "vectors", CLASSES],
        reader="vector",
        reading={
            "vectors": "vectors",
            "classes": CLASSES,
            "class_property": "classification" if vector_format == "qupath" else "class",
            "background": "ignore",
            **({"image_dir": "images"} if with_images else {}),
            **({"crs": "pixel"} if vector_format == "qupath" else {}),
        },
        names={label.name: label.id for label in dataset.labels.classes},
        images=images,
        ways=WAYS,
        notes=notes_of(dataset, images),
        shown=Shown(labels=f"vectors/*.{ENDINGS[vector_format]}"),
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def write_regions(named: Named, files: Files, labels: Labels, how: Polygons) -> None:
    """Write the polygons of a sample, and its image."""
    sample = named.sample
    files.image(sample, f"images/{named.path}")
    with open_place(files.source, sample) as raster:
        geo = raster.geo
    written = write_polygons(files.root, named.path, files.source.read_mask(sample), labels, geo, how)
    path = f"vectors/{named.path}.{ENDINGS[how.vector_format]}"
    files.written[path] = file_digest(files.root / path)
    for why, number in written.left_out.items():
        files.lose(why, 0, number)
    for value in how.skipped(labels) - {labels.ignore}:
        if value in sample.counts:
            files.lose(
                "skipped" if labels.classes[value].name in how.skip_classes else "background", sample.counts[value]
            )


def write_classes(root: Place, rows: Iterable[tuple[Named, Any]], labels: Labels) -> None:
    """Write the class file."""
    write_whole(root / CLASSES, class_list((label.name, label.color) for label in labels.classes))


def notes_of(dataset: Dataset, images: ExportImages) -> list[str]:
    """What a person should know: what is read back only with help."""
    notes = []
    if dataset.splits:
        notes.append("splits are the first folders of ids: convert reads no splits of this format")
    if images == "none":
        notes.append("polygons do not say how large an image is: to read them, convert needs the images (--image-dir)")
    return notes
