"""COCO: instances (polygons and run lengths), LVIS, and panoptic (JSON + PNG).

SRC is one JSON, or a root that holds `annotations/instances_*.json` (or panoptic_*.json, or any single JSON there), with
images under `<split><year>/`, `images/<split><year>/`, `<split>/` or `images/`; or an export with `_annotations.coco.json`
beside the images of each split.

Format: https://cocodataset.org/#format-data, https://www.lvisdataset.org/dataset.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.places import listed, matching, place, read_ends
from segdata.files.remote import Place
from segdata.readers.coco_items import gather_instances, gather_panoptic, image_path, list_images, make_items
from segdata.readers.coco_masks import Crowd, Rules
from segdata.readers.coco_tables import (
    KEYS,
    Background,
    ImageRecord,
    LabelTable,
    class_table,
    read_categories,
    read_images,
)
from segdata.readers.detect import shown
from segdata.readers.paint import Overlap
from segdata.readers.source import Input, Item, Receipt, Source
from segdata.words import some

KINDS = ("instances", "lvis", "stuff", "person_keypoints", "panoptic")

PLACES = ("annotations/*.json", "*/_annotations.coco.json", "*.json")

GLANCE = 2**18
"""So many bytes are read at either end of a JSON file to tell its format; smaller ones are read whole."""


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for a JSON with images, annotations and categories, itself or where COCO has it."""
    if root.is_file():
        return _unlike(root)
    found = next((files for pattern in PLACES if (files := shown(root, pattern))), [])
    if not found:
        return "there is no annotations/*.json, */_annotations.coco.json or *.json"
    reasons = [_unlike(path) for path in found[:20]]
    return None if None in reasons else reasons[0]


def _unlike(path: Place) -> str | None:
    """Which keys a JSON lacks. Of one too large to be read whole, an end that shows one of them is enough."""
    size, head, tail = read_ends(path, GLANCE)
    if size > 2 * GLANCE:
        found = re.search(rb'"(images|annotations|categories)"\s*:\s*\[', head + b"\n" + tail)
        return None if found else f"neither end of {path.name} shows {', '.join(KEYS)}"
    try:
        parts = msgspec.json.decode((head + tail).removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return f"{path.name} is not JSON, or no JSON object"
    missing = [key for key in KEYS if key not in parts]
    return f"{path.name} has no {' and no '.join(missing)}" if missing else None


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    image_dir: str | Path | None = None,
    background: Background | None = None,
    crowd: Crowd | None = None,
    overlap: Overlap | None = None,
) -> Source:
    """Read COCO annotations. Categories follow in the order of their ids, by name, after background as class 0.

    Raises `DataError` (`coco.*`, `rle.*`) or adds to `report`: an image with a bad annotation is then left out whole.

    Args:
        image_dir: the folder of the images; by default it is looked for where COCO has it.
        background: what unlabelled pixels are: `class` is class 0, background, with the categories from 1; `ignore` is
            ignored, with the categories from 0. The default depends on the source: `ignore` for LVIS, where what is not
            annotated is not background, and for panoptic files, which have no `class`; otherwise `class`.
        crowd: what crowd regions become: `ignore` ignored, `class` their class, `drop` nothing. The default depends on the
            source: `class` for panoptic files, otherwise `ignore`.
        overlap: which object is on top: the smallest, the first or the last in the file; `ignore`: pixels that several
            classes claim are ignored. The default is smallest; panoptic files have no overlap and take none.
    """
    for name, value, allowed in (
        ("crowd", crowd, Crowd),
        ("background", background, Background),
        ("overlap", overlap, Overlap),
    ):
        if value is not None:
            one_of(name, value, allowed)
    label_files = find_label_files(listed(root), split)
    tables = [LabelTable.load(path) for path, _ in label_files]
    panoptic = {table.panoptic for table in tables}
    if len(panoptic) > 1:
        raise OptionError(f"{root}: holds instances and panoptic files: name one of them")
    is_panoptic = panoptic == {True}
    receipt = Receipt()
    records = [read_images(table, report, receipt) for table in tables]
    categories = [(str(table.path), read_categories(table, report, receipt)) for table in tables]
    lvis = any(record.not_exhaustive_category_ids is not None for part in records for record in part)
    background = background or ("ignore" if lvis or is_panoptic else "class")
    if is_panoptic and background == "class":
        raise OptionError("--background class: panoptic files label every pixel; those of no segment are ignored")
    if is_panoptic and overlap is not None:
        raise OptionError(f"--overlap {overlap}: in panoptic files every pixel is of one segment, and nothing overlaps")
    overlap = overlap or "smallest"
    if lvis and background == "ignore":
        receipt.notes.append("LVIS: what is not annotated is not background but ignored (--background class overrides)")
    labels, classes = class_table(categories, background)
    class_ids = {int(c.source_id): c.class_id for c in classes if c.class_id is not None}
    crowd = crowd or ("class" if is_panoptic else "ignore")
    items: list[Item] = []
    for table, part, (_, its_split) in zip(tables, records, label_files, strict=True):
        if table.unread:
            receipt.notes.append(f"{table.path.name}: not read: {', '.join(table.unread)}")
        named = list_images(part, its_split, str(table.path), report, receipt)
        rules = Rules(str(table.path), class_ids, crowd, overlap, 0 if background == "class" else None)
        gather = gather_panoptic if is_panoptic else gather_instances
        gathered = gather(table, named, rules, report, receipt)
        folder = find_images(table.path, its_split, part, image_dir) if images else None
        items += make_items(named, gathered, its_split, folder, receipt)
    items.sort(key=lambda item: item.id)
    inputs = tuple(Input.of(path) for path, _ in label_files)
    options: dict[str, object] = {"background": background, "crowd": crowd, "overlap": overlap}
    return Source(labels, items, inputs, classes, receipt, options)


# Finding and loading label files


def find_label_files(root: Place, split: str | None) -> list[tuple[Place, str | None]]:
    """The JSON files that SRC means, each with its split. Raises `DataError` (`coco.missing`), `OptionError`."""
    if root.is_file():
        found = [(root, split_of(root))]
    elif not root.is_dir():
        raise DataError(Problem("coco.missing", "there is no such file or folder", file=str(root)))
    else:
        patterns = [f"{folder}{kind}_*.json" for kind in KINDS for folder in ("annotations/", "")]
        patterns += ["*/_annotations.coco.json", "_annotations.coco.json", "annotations/*.json", "*.json"]
        found = next(([(p, split_of(p)) for p in there] for g in patterns if (there := matching(root, g))), [])
        if not found:
            message = "holds no annotations/instances_*.json: give the root of the set, or the JSON file itself"
            raise DataError(Problem("coco.missing", message, file=str(root)))
    splits = Counter(its_split for _, its_split in found)
    if split is not None:
        found = [(path, its_split) for path, its_split in found if its_split == split]
        if not found:
            raise OptionError(f"no split {split!r} in {root}: there are {some(sorted(str(s) for s in splits))}")
    elif len(splits) < len(found):
        names = some(path.name for path, _ in found)
        raise OptionError(f"{root}: several label files for one split ({names}): give the one that is meant as SRC")
    return found


def split_of(path: Place) -> str | None:
    """The split a label file is for: instances_train2017.json -> train; train/_annotations.coco.json -> train."""
    if path.name == "_annotations.coco.json":
        return path.parent.name
    match = re.fullmatch(rf"(?:{'|'.join(KINDS)})(?:_v\d[\d.]*)?_(.+?)(?:_?\d{{4}})?", path.stem)
    return match[1] if match else None


def find_images(path: Place, split: str | None, images: Sequence[ImageRecord], image_dir: str | Path | None) -> Place:
    """The folder with a label file's images. Raises `DataError` (`coco.images`) that lists where it looked."""
    subset = path.stem.rsplit("_", 1)[-1]
    base = path.parent.parent if path.parent.name == "annotations" else path.parent
    if image_dir is not None:
        bases = [place(image_dir)]
    else:
        bases = [base, base / "images", path.parent]
    folders = [b / sub for b in bases for sub in dict.fromkeys((subset, split or "", "")) if (b / sub).is_dir()]
    some_names = [image_path(p) for p in (*images[:20], *images[-1:])]
    for folder in folders:
        if any((folder / name).exists() for name in some_names):
            return folder
    looked = some(dict.fromkeys(f"{folder}/" for folder in folders or bases))
    if not some_names:
        return base
    message = f"its images ({some_names[0]} ...) are not in {looked}: give --image-dir DIR, or --images none"
    raise DataError(Problem("coco.images", message, file=str(path)))
