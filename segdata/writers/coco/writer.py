"""COCO: instances (run lengths or polygons), panoptic (JSON + PNG), and stuff (JSON + pixelmaps).

    OUT/images/SPLIT/ID.jpg  annotations/instances_SPLIT.json
    annotations/panoptic_SPLIT.json  annotations/panoptic_SPLIT/ID.png
    annotations/stuff_SPLIT.json  annotations/stuff_SPLIT_pixelmaps/ID.png

Without splits the files are called instances.json and so on. Category ids count from 1; 0 is no label.

Format: https://cocodataset.org/#format-data; panoptic PNGs as https://github.com/cocodataset/panopticapi reads them; pixelmaps
as cocostuffhelper.py of https://github.com/nightrome/cocostuffapi writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, OptionError, Problem, one_of
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.files.png import MaskWriter, encode_rgb
from segdata.files.remote import Place
from segdata.kernels.run_lengths import run_boxes
from segdata.labels import is_background
from segdata.writers.about import About
from segdata.writers.classes import Ignored, ask_ignored, has_ignored, refuse_alike, refuse_ignore, shape_classes
from segdata.writers.coco.shapes import (
    Numbered,
    Objects,
    as_one,
    number_objects,
    polygon_shapes,
    run_length_shapes,
    simplified_shapes,
)
from segdata.writers.coco.tables import table_path, write_tables
from segdata.writers.croissant import Shown
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages, ending_of
from segdata.writers.names import Named, name_samples

Kind = Literal["instances", "panoptic", "stuff"]
"""Which of COCO's label files: objects, a segment for every pixel, or a class for every pixel."""

Polygons = Literal["exact", "simplified"]
"""Outlines along the edges of pixels, or with fewer corners."""

READABLE = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Images that Pillow and OpenCV open, as programs for COCO do."""

UNSPLIT = "unsplit"
"""The split of samples that are in none, if others are in one."""


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    kind: Kind = "instances",
    polygons: Polygons | None = None,
    objects: Objects | None = None,
    ignored: Ignored | None = None,
    images: ExportImages = "link",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write COCO's JSON files, one per split, beside the images.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), and `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        kind: Which label files. instances (the default): objects of all classes but the one called background. panoptic: a
            segment for every pixel that is not ignored. stuff: run lengths and pixelmaps of every class.
        polygons: Write objects as polygons, one per region, instead of run lengths, which are the default. exact: along the edges
            of pixels, joined to holes by bridges, so that pycocotools gives the same pixels. simplified: with fewer corners.
        objects: What an object is. regions: what a class covers without a gap, which is the default of instances. classes: all
            that a class covers in an image, which is the default of panoptic.
        ignored: What becomes of ignored pixels in instances, which have no place for them. class: they are objects of a class
            called ignore. background: they are without a label. drop: leave out the samples that have any.
        images: What becomes of the images: links to them (the default), copies, or there are none.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    check_options(kind, polygons, objects, ignored)
    if kind == "instances":
        plan = plan_instances(dataset, polygons, objects or "regions", ignored, images)
    else:
        plan = plan_every_pixel(dataset, kind, objects or "classes", images)
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def check_options(kind: Kind, polygons: Polygons | None, objects: Objects | None, ignored: Ignored | None) -> None:
    """Raise `OptionError` for options that this kind does not take."""
    one_of("kind", kind, Kind)
    for name, value, allowed in (
        ("polygons", polygons, Polygons),
        ("objects", objects, Objects),
        ("ignored", ignored, Ignored),
    ):
        if value is not None:
            one_of(name, value, allowed)
    if kind != "instances" and polygons is not None:
        raise OptionError(f"--polygons {polygons}: only --kind instances has polygons: leave one of them out")
    if kind != "instances" and ignored is not None:
        raise OptionError(f"--ignored {ignored}: --kind {kind} holds ignored pixels as they are: leave it out")
    if kind == "stuff" and objects == "regions":
        raise OptionError(
            "--objects regions: --kind stuff has one annotation per class: leave it out, or --kind instances"
        )


def plan_instances(
    dataset: Dataset, polygons: Polygons | None, objects: Objects, ignored: Ignored | None, images: ExportImages
) -> Plan:
    """How objects are written."""
    dataset, left_out = ask_ignored(dataset, ignored, "COCO")
    labels = dataset.labels
    classes = shape_classes(labels, ignored, with_ignore=has_ignored(dataset) > 0)
    ids = {one.value: id for id, one in enumerate(classes.written, 1)}
    skip = {*range(len(labels.classes)), labels.ignore} - ids.keys()
    rest = labels.ignore if classes.background is None else classes.background
    named = named_samples(dataset)
    categories = [category(id, one.name, one.color) for id, one in zip(ids.values(), classes.written, strict=True)]
    return Plan(
        format="coco",
        options={"kind": "instances", "polygons": polygons, "objects": objects, "ignored": ignored},
        samples=named,
        item=partial(write_instances, ids=ids, skip=skip, rest=rest, polygons=polygons, objects=objects),
        finish=partial(finish_instances, kind="instances", splits=splits_of(named), categories=categories),
        holds=holds_of(images),
        reader="coco",
        reading={
            **reading_of("instances", named),
            "background": "ignore" if classes.background is None else "class",
        },
        names=classes.names,
        images=images,
        keeps=("ignored",),  # what is lost of them is counted with the regions
        ways={
            "ignored": "--ignored class",
            "borders": "--polygons exact",
        },
        left_out=left_out,
        notes=notes_of(named),
    )


def plan_every_pixel(dataset: Dataset, kind: Kind, objects: Objects, images: ExportImages) -> Plan:
    """How a segment or a class for every pixel is written, background as well. Raises `OptionError`."""
    labels = dataset.labels
    refuse_ignore(labels)
    refuse_alike(labels)
    if kind == "stuff" and labels.ignore > 255:
        raise OptionError(
            f"{len(labels.classes)} classes: pixelmaps hold 255 at most: --kind panoptic or instances, "
            "or fewer classes (segdata remap)"
        )
    ground = next((label.id for label in labels.classes if is_background(label.name)), None)
    categories = [category(label.id + 1, label.name, label.color) for label in labels.classes]
    if kind == "panoptic":
        things = [objects == "regions" and label.id != ground for label in labels.classes]
        categories = [{**one, "isthing": int(thing)} for one, thing in zip(categories, things, strict=True)]
    named = named_samples(dataset)
    palette = np.zeros((256, 3), np.uint8)
    palette[1 : len(categories) + 1] = [label.color for label in labels.classes][:255]
    stuff, panoptic = partial(write_stuff, palette=palette), partial(write_panoptic, objects=objects, ground=ground)
    return Plan(
        format="coco",
        options={"kind": kind, "objects": objects},
        samples=named,
        item=panoptic if kind == "panoptic" else stuff,
        finish=partial(
            finish_panoptic if kind == "panoptic" else finish_instances,
            kind=kind,
            splits=splits_of(named),
            categories=categories,
        ),
        holds=holds_of(images),
        reader="coco",
        reading={**reading_of(kind, named), **({"background": "ignore"} if kind == "stuff" else {})},
        names={label.name: label.id for label in labels.classes},
        images=images,
        notes=notes_of(named),
        shown=shown_maps(named, len(categories)) if kind == "stuff" else Shown(),
    )


# What is called how


def category(id: int, name: str, color: Sequence[int]) -> dict[str, Any]:
    """A category. It is its own supercategory: there is no other."""
    return {"id": id, "name": name, "supercategory": name, "color": list(color)}


def named_samples(dataset: Dataset) -> list[Named]:
    """The samples by id; if there are splits, all are in one."""
    split = any(sample.split is not None for sample in dataset)
    return name_samples(dataset, unsplit=UNSPLIT if split else None)


def splits_of(named: Sequence[Named]) -> list[str | None]:
    """The splits in order of name."""
    return sorted({one.split for one in named}, key=str)


def holds_of(images: ExportImages) -> list[str]:
    """The names at the top of the folder."""
    return ["annotations", *(["images"] if images != "none" else [])]


def reading_of(kind: str, named: Sequence[Named]) -> dict[str, Any]:
    """The label file of each split, which its name alone may not tell."""
    files = {one.sample.split or one.split: table_path(kind, one.split) for one in named if one.split is not None}
    return {"annotations": dict(sorted(files.items()))} if files else {}


def shown_maps(named: Sequence[Named], classes: int) -> Shown:
    """Where the pixelmaps are, and what their values are."""
    below, of_split = ("{split}/", "_{split}") if any(one.split is not None for one in named) else ("", "")
    values = {0: None, **{id + 1: id for id in range(classes)}}
    return Shown(f"images/{below}*", f"annotations/stuff{of_split}_pixelmaps/*.png", values)


def notes_of(named: Sequence[Named]) -> list[str]:
    """What became of samples that are in no split."""
    number = sum(1 for one in named if one.sample.split is None and one.split is not None)
    return [f"{number:,} samples in no split are in a split called {UNSPLIT}, as others are in one"] if number else []


# One sample


def write_instances(
    named: Named,
    files: Files,
    ids: Mapping[int, int],
    skip: set[int],
    rest: int,
    polygons: Polygons | None,
    objects: Objects,
) -> dict[str, Any]:
    """Write the image of a sample, and find its objects.

    `ids` are the categories by value, `skip` the values that have none, and `rest` is what they come back as.
    """
    mask = files.source.read_mask(named.sample)
    ignore = files.source.labels.ignore
    if ignore in skip and (number := named.sample.counts.get(ignore, 0)):
        files.lose("ignored", number, int((number_objects(mask, (), "regions").values == ignore).sum()))
    if polygons == "simplified":
        shapes, wrong = simplified_shapes(mask, skip, objects, rest)
        if wrong:
            files.lose("borders", wrong)
    else:
        shapes = (run_length_shapes if polygons is None else polygon_shapes)(mask, skip, objects)
    return {"image": image_record(named, files), "shapes": [(ids[one.value], *one[1:]) for one in shapes]}


def write_stuff(named: Named, files: Files, palette: NDArray[np.uint8]) -> dict[str, Any]:
    """Write the image and the pixelmap of a sample, and find its classes. The map holds category ids, 0 where it is ignored."""
    mask, ignore = files.source.read_mask(named.sample), files.source.labels.ignore
    path = f"{beside('stuff', named)}_pixelmaps/{named.name}.png"
    with MaskWriter(files.root / path, named.sample.height, named.sample.width, np.uint8, palette) as writer:
        writer.write(np.where(mask == ignore, 0, mask + 1).astype(np.uint8))
    files.written[path] = writer.sha256
    shapes = run_length_shapes(mask, {ignore}, "classes")
    return {"image": image_record(named, files), "shapes": [(one.value + 1, *one[1:]) for one in shapes]}


def write_panoptic(named: Named, files: Files, objects: Objects, ground: int | None) -> dict[str, Any]:
    """Write the image and the PNG of a sample, and find its segments. Raises `DataError` (`export.segments`)."""
    mask, ignore = files.source.read_mask(named.sample), files.source.labels.ignore
    height, width = mask.shape
    numbered = as_one(number_objects(mask, {ignore}, objects), ground)
    if len(numbered.values) >= 2**24:
        what = f"{len(numbered.values):,} regions: a panoptic PNG holds 16,777,215 at most: --objects classes"
        raise DataError(Problem("export.segments", what))
    path = f"{named.name}.png"
    files.write(f"{beside('panoptic', named)}/{path}", encode_rgb(segment_colors(numbered).reshape(height, width, 3)))
    boxes = run_boxes(numbered.begins, numbered.numbers, len(numbered.values), width).tolist()
    segments = [
        (id, value + 1, area, (left, top, right - left, bottom - top))
        for id, (value, area, (top, bottom, left, right)) in enumerate(
            zip(numbered.values.tolist(), numbered.areas.tolist(), boxes, strict=True), 1
        )
    ]
    return {"image": image_record(named, files), "png": path, "segments": segments}


def segment_colors(numbered: Numbered) -> NDArray[np.uint8]:
    """(H * W, 3) uint8: the number of each pixel's segment, from 1 on, as R + 256 G + 65536 B; 0 is none."""
    ids = numbered.numbers + 1
    colors = np.stack([ids, ids >> 8, ids >> 16], axis=1).astype(np.uint8)
    return np.repeat(colors, np.diff(numbered.begins), axis=0)


def beside(kind: str, named: Named) -> str:
    """The path of the label file of a sample's split, without its extension."""
    return table_path(kind, named.split).removesuffix(".json")


def image_record(named: Named, files: Files) -> dict[str, Any]:
    """Write the image of a sample; its record, whose file_name is a path below the folder of the split."""
    sample, folder = named.sample, "images" if named.split is None else f"images/{named.split}"
    path = files.image(sample, f"{folder}/{named.name}", READABLE)
    if path is None:
        known = ending_of(sample.image or "")
        path = f"{folder}/{named.name}{known if known in READABLE else '.png'}"
    return {"file_name": path.removeprefix(f"{folder}/"), "height": sample.height, "width": sample.width}


# All samples


def finish_instances(
    root: Place, rows: Iterable[tuple[Named, Any]], kind: str, splits: Sequence[str | None], categories: Sequence[Any]
) -> None:
    """Write the label files of objects, each of which has an id of its own."""
    ids = count(1)

    def annotations(image: int, part: Any) -> Iterator[dict[str, Any]]:
        size = [part["image"]["height"], part["image"]["width"]]
        for category_id, segmentation, area, box in part["shapes"]:
            if isinstance(segmentation, str):
                segmentation = {"size": size, "counts": segmentation}
            yield {
                "id": next(ids), "image_id": image, "category_id": category_id, "segmentation": segmentation,
                "area": area, "bbox": box, "iscrowd": 0,
            }  # fmt: skip

    write_tables(root, rows, kind=kind, splits=splits, categories=categories, annotations=annotations)


def finish_panoptic(
    root: Place, rows: Iterable[tuple[Named, Any]], kind: str, splits: Sequence[str | None], categories: Sequence[Any]
) -> None:
    """Write the label files of segments, one annotation per image."""

    def annotations(image: int, part: Any) -> Iterator[dict[str, Any]]:
        segments = [
            {"id": id, "category_id": category_id, "area": area, "bbox": box, "iscrowd": 0}
            for id, category_id, area, box in part["segments"]
        ]
        yield {"image_id": image, "file_name": part["png"], "segments_info": segments}

    write_tables(root, rows, kind=kind, splits=splits, categories=categories, annotations=annotations)
