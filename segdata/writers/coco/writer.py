"""COCO: instances (run lengths or polygons), panoptic (JSON + PNG), and stuff (JSON + pixelmaps).

    OUT/images/SPLIT/ID.jpg  annotations/instances_SPLIT.json
    annotations/panoptic_SPLIT.json  annotations/panoptic_SPLIT/ID.png
    annotations/stuff_SPLIT.json  annotations/stuff_SPLIT_pixelmaps/ID.png

Without splits the files are called instances.json and so on. Category ids count from 1; 0 is no label.

Format: https://cocodataset.org/#format-data; panoptic PNGs as https://github.com/cocodataset/panopticapi reads them; pixelmaps
as cocostuffhelper.py of https://github.com/nightrome/cocostuffapi writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.errors import OptionError, one_of
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.writers.about import About
from segdata.writers.classes import (
    Ignored,
    ask_ignored,
    background_of,
    has_ignored,
    refuse_alike,
    refuse_ignore,
    shape_classes,
)
from segdata.writers.coco.items import Polygons, write_instances, write_panoptic, write_stuff
from segdata.writers.coco.tables import finish_instances, finish_panoptic, table_path
from segdata.writers.croissant import Shown
from segdata.writers.exporting import Exported, Plan, export_files
from segdata.writers.images import ExportImages
from segdata.writers.names import Named, name_samples
from segdata.writers.objects import Objects

Kind = Literal["instances", "panoptic", "stuff"]
"""Which of COCO's label files: objects, a segment for every pixel, or a class for every pixel."""

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
        kind: Which label files. instances (the default): the objects of all classes but the one called background. panoptic:
            segments that cover every pixel that is not ignored. stuff: run lengths and pixelmaps of every class.
        polygons: Write objects as polygons, one per region, instead of run lengths, which are the default. exact: along the edges
            of pixels, joined to holes by bridges, so that pycocotools gives the same pixels. simplified: with fewer corners.
        objects: What an object or segment is: one connected region (regions, the default), or all of a class (classes).
            Background is always one segment in panoptic, and stuff has all of a class.
        ignored: What becomes of ignored pixels, which instances cannot hold (panoptic and stuff can): objects of a class called
            ignore (class), no label, as background has (background), or samples that have any are left out (drop). By default
            the export is refused if there are any.
        images: What becomes of the images: links to them (the default), copies, or there are none.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    check_options(kind, polygons, objects, ignored)
    if kind == "instances":
        plan = plan_instances(dataset, polygons, objects or "regions", ignored, images)
    else:
        plan = plan_every_pixel(dataset, kind, objects or ("regions" if kind == "panoptic" else "classes"), images)
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
    dataset, left_out = ask_ignored(dataset, ignored, "COCO's instances")
    labels = dataset.labels
    classes = shape_classes(labels, ignored, with_ignore=has_ignored(dataset) > 0)
    ids = {one.value: id for id, one in enumerate(classes.written, 1)}
    rest = labels.ignore if classes.background is None else classes.background
    named = named_samples(dataset)
    categories = [category(id, one.name, one.color) for id, one in zip(ids.values(), classes.written, strict=True)]
    return Plan(
        format="coco",
        options={"kind": "instances", "polygons": polygons, "objects": objects, "ignored": ignored},
        samples=named,
        item=partial(write_instances, ids=ids, skip=classes.skip, rest=rest, polygons=polygons, objects=objects),
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
    ground = background_of(labels)
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
