"""LabelMe's XML (MIT): polygons and masks of single objects, as LabelMe, CVAT and Datumaro write it.

SRC holds `Annotations/<folder>/<name>.xml`, `Images/<folder>/<name>.jpg` and, for objects that were painted, PNGs in
`Masks/<folder>`; or image and XML lie side by side, with Masks/ beside them, as CVAT has it. A folder that is called train, val
or the like is a split. Objects are drawn as Datumaro draws them: polygons by the rule of pycocotools, coordinates rounded to
hundredths of a pixel, in the order of the file.

Classes are those of a dataset_meta.json in SRC, in its order, followed by other names that are found, sorted.

Format: https://github.com/CSAILVision/LabelMeAnnotationTool, and as others have it
https://github.com/open-edge-platform/datumaro (plugins/data_formats/labelme.py).
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, Problem, Report, one_of, strict
from segdata.files.places import lies_below, listed
from segdata.files.remote import Place
from segdata.readers.classes.named import Background, NamedClass, choose_classes
from segdata.readers.json_text import read_json
from segdata.readers.labelmexml.objects import Boxes, LabelmeObjects, Rules, read_marked
from segdata.readers.listed_items import label_files
from segdata.readers.named_images import ImageFinder, image_folder, told_elsewhere
from segdata.readers.paint import Overlap
from segdata.readers.sight import look
from segdata.readers.source import Input, Item, Receipt, Source, leave_out, refuse_split
from segdata.readers.words_in_names import SPLIT_WORDS
from segdata.words import some

META = "dataset_meta.json"

LOOKED_AT = 20
"""So many XML files are looked into to tell the format."""


class Meta(msgspec.Struct):
    """Datumaro's table of classes."""

    labels: list[str] = []
    label_map: dict[str, str] = {}


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for an XML with a LabelMe object in it."""
    sight = look(root)
    candidates = list(sight.ending(".xml"))[:LOOKED_AT]
    if not candidates:
        return "there is no .xml"
    for path in candidates:
        start = sight.start(path)
        if re.search(r"<annotation[\s>]", start) and re.search(r"<polygon>.*<pt>|<segm>.*<mask>", start, re.DOTALL):
            return None
    return f"{candidates[0]} has no <object> with a <polygon> or <segm> of LabelMe"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    image_dir: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    background: Background = "class",
    overlap: Overlap = "last",
    boxes: Boxes = "drop",
) -> Source:
    """Read the XML files of a folder and all below it.

    Raises `DataError` (`labelmexml.*`, `classes.*`, `image.*`), or adds to `report`: a file that is damaged, or without its
    image.

    Args:
        image_dir: the folder of the images, here or in SRC; by default Images/ in SRC, or else SRC.
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of class id; by default
            Datumaro's dataset_meta.json, then other names that are found, sorted, after background.
        background: what pixels under no object are: `class` is the class background; `ignore` is ignored.
        overlap: which object is on top: the `last` in the file, as Datumaro draws them, the `first`, or the `smallest`;
            `ignore`: pixels that several classes claim are ignored.
        boxes: what becomes of objects that have a box and no outline: `drop` leaves them out, so that they are background;
            `ignore` ignores all pixels of the box; `class` gives them the class.
    """
    one_of("background", background, Background)
    one_of("overlap", overlap, Overlap)
    one_of("boxes", boxes, Boxes)
    receipt = Receipt()
    base, files = label_files(listed(root), ".xml", "labelmexml.missing")
    found = list(_marked(base, files, report, receipt))
    every = sorted({name for one in found for name in one.names})
    inputs = (Input.of(base / META),) if classes is None and (base / META).is_file() else ()
    chosen = choose_classes(classes, base, background, receipt, lambda: own_classes(base, every))
    rules = Rules(chosen.ids, chosen.background, overlap, boxes)
    folders = [base / "Images", base] if image_dir is None else [image_folder(image_dir, base)]
    finder = ImageFinder(folders) if images else None
    items = list(_items(found, base, finder, rules, report, receipt))
    receipt.notes += told_elsewhere([finder] if finder is not None else [])
    if split is not None:
        there = [item.split for item in items]
        items = [item for item in items if item.split == split]
        if not items:
            refuse_split(split, root, there)
    items.sort(key=lambda item: item.id)
    options: dict[str, object] = {"classes": chosen.told, "background": background, "overlap": overlap, "boxes": boxes}
    return Source(chosen.labels, items, inputs or chosen.inputs, chosen.rows, receipt, options)


def own_classes(root: Place, found: Sequence[str]) -> list[NamedClass]:
    """The classes of Datumaro's table, then other names that are found. Raises `DataError` (`labelmexml.*`)."""
    names: list[str] = []
    if (meta := root / META).is_file():
        table = read_json(str(meta), msgspec.json.Decoder(Meta), "labelmexml", "Datumaro's table of classes")
        names = [*table.labels, *table.label_map.values()]
    return [NamedClass(name, name) for name in dict.fromkeys((*names, *found))]


class Found(NamedTuple):
    """An XML file: its path below SRC, the image's folder and name in it, the names of its objects, and their masks."""

    file: str
    folder: str
    image: str
    names: tuple[str, ...]
    masks: tuple[str, ...]


def _marked(root: Place, files: Sequence[str], report: Report, receipt: Receipt) -> Iterator[Found]:
    """The XML files that can be read; the others are reported, and files of something else are noted."""
    others: list[str] = []
    for file in files:
        stem = posixpath.splitext(file)[0]
        try:
            marked = read_marked(str(root / file))
        except DataError as error:
            leave_out(error.problem, [posixpath.basename(file)], report, receipt, sample=stem)
            continue
        if marked is None:
            others.append(file)
            continue
        names = tuple(sorted({thing.name for thing in marked.things if thing.name}))
        masks = tuple(thing.mask for thing in marked.things if thing.mask)
        yield Found(file, marked.folder, marked.image or posixpath.basename(stem), names, masks)
    if others:
        receipt.notes.append(f"not read, as they are no XML of LabelMe: {some(others)}")


def _items(
    found: Sequence[Found], base: Place, finder: ImageFinder | None, rules: Rules, report: Report, receipt: Receipt
) -> Iterator[Item]:
    """The item of each XML file that has its image where one is wanted."""
    names = [f"{one.folder}/{one.image}".lstrip("/") for one in found]
    ids, renamed = sample_ids(None, names)
    receipt.renamed += renamed
    files = [None if finder is None else _image(one, name, finder) for one, name in zip(found, names, strict=True)]
    times = Counter(file for file in files if isinstance(file, str))
    for one, file, id in zip(found, files, ids, strict=True):
        image = id if isinstance(id, Problem) else file
        if isinstance(image, str) and times[image] > 1:
            what = f"{image} is the image of another sample, too: give the folder that holds both: --image-dir DIR"
            image = Problem("image.ambiguous", what)
        path, masks = str(base / one.file), _mask_folder(one, base)
        if isinstance(id, str) and not isinstance(image, Problem):
            first = one.folder.partition("/")[0]
            annotation = LabelmeObjects(path, image, masks, one.masks, rules)
            yield Item(id, image, None, annotation, first if first.lower() in SPLIT_WORDS else None)
        elif isinstance(image, Problem):
            problem = replace(image, file=path, sample=image.sample or str(id))
            leave_out(problem, LabelmeObjects(path, None, masks, (), rules).ids, report, receipt)


def _image(one: Found, name: str, finder: ImageFinder) -> str | Problem:
    """The path of an XML file's image, or why there is none; CVAT puts it beside the file."""
    beside = posixpath.join(posixpath.dirname(one.file), one.image)
    return finder.at(name) or finder.at(beside) or finder.find(name)


def _mask_folder(one: Found, base: Place) -> str:
    """The folder of the masks that an XML file names: below Masks/ in SRC, or Masks/ beside the file."""
    usual = base / "Masks" / one.folder
    for folder in (usual, base / posixpath.dirname(one.file) / "Masks"):
        with suppress(OSError):
            if one.masks and lies_below(one.masks[0]) and (folder / one.masks[0]).is_file():
                return str(folder)
    return str(usual)
