"""COCO: instances (polygons and run lengths), LVIS, and panoptic (JSON + PNG).

SRC is one JSON, or a root that holds `annotations/instances_*.json` (or panoptic_*.json, or any single JSON there), with
images under `<split><year>/`, `images/<split><year>/`, `<split>/` or `images/`; or an export with `_annotations.coco.json`
beside the images of each split. Other names hold the split as a word: `train.json`, `val/annotations.json`. LVIS, whose
images are of several folders of COCO, has them by the last two parts of coco_url.

Format: https://cocodataset.org/#format-data, https://www.lvisdataset.org/dataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.places import listed
from segdata.readers.classes.named import Background
from segdata.readers.coco.annotations import Boxes, Crowd, Rules
from segdata.readers.coco.classes import class_table
from segdata.readers.coco.images import locate
from segdata.readers.coco.items import gather_instances, gather_panoptic, list_images, make_items
from segdata.readers.coco.splits import find_label_files, fits
from segdata.readers.coco.tables import LabelTable, read_categories, read_images
from segdata.readers.named_images import ImageMatch
from segdata.readers.paint import Overlap
from segdata.readers.source import Input, Item, Receipt, Source
from segdata.words import percent

__all__ = ["fits", "read"]

FEW = 0.05
"""More crowds than this share of the annotations are probably no crowds: COCO itself has 1.2 %."""

ALL = 0.9
"""So many crowds are objects."""


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    image_dir: str | Path | None = None,
    image_match: ImageMatch = "path",
    annotations: Mapping[str, str] | None = None,
    background: Background | None = None,
    crowd: Crowd | None = None,
    boxes: Boxes = "ignore",
    overlap: Overlap | None = None,
) -> Source:
    """Read COCO annotations. Categories follow in the order of their ids, by name, after background as class 0.

    Raises `DataError` (`coco.*`, `rle.*`) or adds to `report`: an image with a bad annotation is then left out whole.

    Args:
        image_dir: the folder of the images; by default it is looked for where COCO has it.
        image_match: how file_name names an image: `path` takes it as the path below the folder of the images; `name` takes the
            one file below that folder whose path has the longest end in common with file_name, which may then be a URL or a
            path of another machine.
        annotations: the label file of a split, a path below SRC or as it is given; by default names tell which files there are.
        background: what unlabelled pixels are: `class` is class 0, background, with the categories from 1; `ignore` is
            ignored, with the categories from 0. The default depends on the source: `ignore` for LVIS, where what is not
            annotated is not background, and for panoptic files, which have no `class`; otherwise `class`.
        crowd: what crowd regions become: `ignore` ignored, `class` their class, `drop` nothing. The default depends on the
            source: `class` for panoptic files, otherwise `ignore`.
        boxes: what becomes of objects that have a box and no outline: `ignore` ignores all pixels of the box, `drop` leaves
            the object out, so that it is background, and `stop` refuses it.
        overlap: which object is on top: the smallest, the first or the last in the file; `ignore`: pixels that several
            classes claim are ignored. The default is smallest; panoptic files have no overlap and take none.
    """
    for name, value, allowed in (
        ("crowd", crowd, Crowd),
        ("background", background, Background),
        ("overlap", overlap, Overlap),
        ("boxes", boxes, Boxes),
        ("image-match", image_match, ImageMatch),
    ):
        if value is not None:
            one_of(name, value, allowed)
    receipt = Receipt()
    label_files = find_label_files(listed(root), split, annotations, receipt)
    tables = [LabelTable.load(path) for path, _ in label_files]
    panoptic = {table.panoptic for table in tables}
    if len(panoptic) > 1:
        raise OptionError(f"{root}: holds instances and panoptic files: name one of them")
    is_panoptic = panoptic == {True}
    records = [read_images(table, report, receipt) for table in tables]
    categories = [(table, read_categories(table, report, receipt)) for table in tables]
    lvis = any(record.not_exhaustive_category_ids is not None for part in records for record in part)
    background = background or ("ignore" if lvis or is_panoptic else "class")
    if is_panoptic and background == "class":
        raise OptionError("--background class: panoptic files label every pixel; those of no segment are ignored")
    if is_panoptic and overlap is not None:
        raise OptionError(f"--overlap {overlap}: in panoptic files every pixel is of one segment, and nothing overlaps")
    overlap = overlap or "smallest"
    if lvis and background == "ignore":
        receipt.notes.append("LVIS: what is not annotated is not background but ignored (--background class overrides)")
    labels, classes = class_table(categories, background, receipt)
    class_ids = {c.source_id: c.class_id for c in classes}
    resolved: Crowd = crowd or ("class" if is_panoptic else "ignore")
    items: list[Item] = []
    for table, part, (_, its_split) in zip(tables, records, label_files, strict=True):
        if table.unread:
            receipt.notes.append(f"{table.path.name}: not read: {', '.join(table.unread)}")
        located = locate(table.path, its_split, part, image_dir, image_match, images=images)
        named = list_images(part, located, its_split, str(table.path), report, receipt)
        rules = Rules(str(table.path), class_ids, resolved, overlap, 0 if background == "class" else None, boxes)
        gather = gather_panoptic if is_panoptic else gather_instances
        items += make_items(named, gather(table, named, rules, report, receipt), its_split, located, receipt)
    if crowd is None and resolved == "ignore":
        judge_crowds(receipt, receipt.annotations + sum(len(item.annotation.ids) for item in items), str(root))
    items.sort(key=lambda item: item.id)
    inputs = tuple(Input.of(path) for path, _ in label_files)
    options: dict[str, object] = {"background": background, "crowd": resolved, "overlap": overlap}
    if boxes != "ignore":
        options["boxes"] = boxes
    return Source(labels, items, inputs, classes, receipt, options)


def judge_crowds(receipt: Receipt, annotations: int, source: str) -> None:
    """Refuse or warn where `iscrowd` 1 does not mean crowds, and nobody said what crowds become.

    CVAT and Datumaro write every mask of a brush as run lengths with iscrowd 1, V7 every polygon with a hole. If nearly all
    annotations are such, ignoring them leaves nothing of the set: that is never meant, so it is refused (`coco.crowds`). If
    they are merely many, as where masks and polygons were drawn, the rest is right, and a warning does. Counted are all
    crowds, not run lengths alone: some exporters set iscrowd for polygons, and in COCO itself every run length is of a crowd.
    """
    share = receipt.crowds / annotations if annotations else 0.0
    told = f"{receipt.crowds:,} of {annotations:,} annotations ({percent(receipt.crowds, annotations)}) have iscrowd 1"
    why = "CVAT, Datumaro and V7 write masks so"
    if share >= ALL:
        way_out = "give --crowd class if they are objects, --crowd ignore if they are crowds"
        raise DataError(Problem("coco.crowds", f"{told} and would be ignored; {why}: {way_out}", file=source))
    if share > FEW:
        receipt.warnings.append(f"{told} and are ignored; {why}: give --crowd class if they are objects")
