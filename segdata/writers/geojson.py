"""GeoJSON, a file per image: a feature per region with its class, as `segdata stitch --vectorize` writes them.

    vectors/SPLIT/NAME.geojson  images/SPLIT/NAME.*  classes.json

Coordinates are longitude and latitude if the image has a coordinate system, otherwise its pixels: x to the right, y down. Ignored
pixels have no feature. A region's holes are inner rings.

Format: https://www.rfc-editor.org/rfc/rfc7946
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec.json import encode

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.executors.run import Run
from segdata.files.geo import Geo
from segdata.files.opening import read_geo
from segdata.files.places import file_digest, place, write_whole
from segdata.files.remote import Place
from segdata.files.vectors.geojson import burn
from segdata.files.vectors.polygon_files import annotation_of, geometries_of, write_polygons
from segdata.files.vectors.polygons import OFF_EARTH, Polygons, VectorFormat, trace
from segdata.files.vectors.tracing import trace_outlines
from segdata.kernels.ring_text import write_points
from segdata.labels import Labels, Mask
from segdata.tiling.area import open_place
from segdata.windows import Window
from segdata.writers.about import About
from segdata.writers.classes import class_list, refuse_alike, refuse_ignore, refuse_spaces
from segdata.writers.croissant import Shown
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages
from segdata.writers.names import Named, name_samples

CLASSES = "classes.json"

ENDINGS = {"geojson": "geojson", "qupath": "geojson", "gpkg": "gpkg"}

WAYS = {
    "changed": "--min-area 0 --min-hole 0 --simplify 0",
    "off_earth": "--vector-format gpkg",
    "background": "--background",
    "skipped": "no --skip-class",
}
"""The option, or the format, that keeps what was left out. changed: pixels whose class the polygons do not tell, and
polygons that were left out."""


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
    refuse_spaces(dataset.labels, CLASSES)
    how = Polygons(
        vector_format=vector_format, min_area=min_area, min_hole=min_hole, simplify=simplify, background=background,
        skip_classes=tuple(skip_classes),
    )  # fmt: skip
    how.check(dataset.labels)
    plan = Plan(
        format="geojson",
        options={"polygons": how.to_json()},
        samples=name_samples(dataset),
        item=partial(write_regions, labels=dataset.labels, how=how),
        finish=partial(write_classes, labels=dataset.labels),
        holds=[*(["images"] if images != "none" else []), "vectors", CLASSES],
        reader="vector",
        reading={
            "vectors": "vectors",
            "classes": CLASSES,
            "class_property": "classification" if vector_format == "qupath" else "class",
            "background": "ignore",
            "image_dir": "images",
            **({"crs": "pixel"} if vector_format == "qupath" else {}),
        },
        names={label.name: label.id for label in dataset.labels.classes},
        images=images,
        ways=WAYS,
        notes=notes_of(dataset, images),
        needs_images=True,
        shown=Shown(labels=f"vectors/*.{ENDINGS[vector_format]}"),
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def write_regions(named: Named, files: Files, labels: Labels, how: Polygons) -> None:
    """Write the polygons of a sample, and its image."""
    sample, path = named.sample, f"vectors/{named.path}.{ENDINGS[how.vector_format]}"
    files.image(sample, f"images/{named.path}")
    geo = Geo() if how.vector_format == "qupath" else geo_of(files.source, sample)
    mask, skipped = files.source.read_mask(sample), how.skipped(labels)
    exact = not (how.min_area or how.min_hole or how.simplify)
    if exact and how.vector_format != "gpkg" and not geo.placed:
        files.write(path, encode_regions(mask, skipped, properties_of(labels, how.vector_format)))
    else:
        left_out = write_polygons(files.root, named.path, mask, labels, geo, how).left_out
        files.written[path] = file_digest(files.root / path)
        if off := left_out.pop(OFF_EARTH, 0):
            files.lose(OFF_EARTH, 0, off)
        if not exact and (changed := count_changed(mask, skipped, labels, how)):
            files.lose("changed", changed, sum(left_out.values()))
    for value in skipped - {labels.ignore}:
        if value in sample.counts:
            kind = "skipped" if labels.classes[value].name in how.skip_classes else "background"
            files.lose(kind, sample.counts[value])


def geo_of(dataset: Dataset, sample: Sample) -> Geo:
    """Where a sample lies, as its image says, or its mask where there is no image."""
    if sample.image is not None and sample.view is None and dataset.images != "none":
        return read_geo(dataset.image_path(sample), exif=sample.exif, reading=dataset.reading)
    with open_place(dataset, sample) as raster:
        return raster.geo


def properties_of(labels: Labels, format: VectorFormat) -> dict[int, bytes]:
    """The properties of features by class id, as JSON: see `write_polygons`."""
    if format == "qupath":
        return {label.id: encode(annotation_of(label)) for label in labels.classes}
    return {label.id: encode({"class": label.name, "class_id": label.id}) for label in labels.classes}


def encode_regions(mask: Mask, skipped: Collection[int], properties: Mapping[int, bytes]) -> bytes:
    """The bytes of GeoJSON of the regions of a mask, (H, W), in pixels, but for those of `skipped` values: a line each."""
    outlines = trace_outlines(mask, skipped)
    text, stops = write_points(4 * outlines.points, outlines.rings[1:], closed=True)
    data, begins = text.tobytes(), [0, *stops.tolist()]
    rings = [b"[" + data[begin:end] + b"]" for begin, end in pairwise(begins)]
    features = [
        b'{"type":"Feature","properties":' + properties[value] + b',"geometry":{"type":"Polygon","coordinates":['
        + b",".join(rings[first:last]) + b"]}}"
        for value, (first, last) in zip(outlines.values.tolist(), pairwise(outlines.parts.tolist()), strict=True)
    ]  # fmt: skip
    return b'{"type":"FeatureCollection","features":[\n' + b",\n".join(features) + b"\n]}\n"


def count_changed(mask: Mask, skipped: Collection[int], labels: Labels, how: Polygons) -> int:
    """The pixels of a mask, (H, W), whose class its polygons do not tell, as filtered and simplified."""
    drawn = np.full(mask.shape, labels.ignore, np.int32)
    for regions in trace(mask, labels, how, Counter()):
        shapes = zip(geometries_of(regions.shapes), regions.ids.tolist(), strict=True)
        part = burn(shapes, Window(0, 0, *mask.shape), fill=-1)
        drawn[part >= 0] = part[part >= 0]
    told = np.isin(mask, list(skipped), invert=True)
    return int((drawn[told] != mask[told]).sum()) + int((drawn[~told] != labels.ignore).sum())


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
