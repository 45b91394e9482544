"""PASCAL VOC: `JPEGImages`, `SegmentationClass` and `ImageSets/Segmentation/*.txt` in a year's folder, or in a VOCdevkit.

Grey and palette masks hold class ids as they are (a palette is never expanded); RGB masks are coded by a colour table, VOC's
own or a labelmap's. Index 255, or the colour (224, 224, 192), is void. CVAT, Datumaro and labelme write this layout too,
with classes of their own in labelmap.txt, class_names.txt or labels.txt. A line of a list may also be an image and its mask,
`/JPEGImages/a.jpg /SegmentationClassAug/a.png`, as the lists of the augmented set have it.

Format: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html,
https://docs.cvat.ai/docs/dataset_management/formats/format-smask, https://github.com/wkentaro/labelme.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report, strict
from segdata.files.endings import IMAGE_ENDINGS
from segdata.files.places import files_below, lies_below, listed, matching
from segdata.files.remote import Place
from segdata.files.voc_colors import VOC_VOID, voc_color
from segdata.labels import Labels
from segdata.readers.classes.entries import Entry, refuse
from segdata.readers.classes.files import given_classes
from segdata.readers.diagnose import pack_color
from segdata.readers.label_files import LabelFile, Meaning
from segdata.readers.source import Input, Item, Receipt, Source, SourceClass, leave_out, read_text
from segdata.words import some, suggest

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

WAY_OUT = "name all classes (--classes, labelmap.txt), or correct the mask"

CLASS_FILES = ("labelmap.txt", "class_names.txt", "labels.txt")

LISTS = "ImageSets/Segmentation"

OFFICIAL = ("train", "val", "trainval", "test")

USUAL = tuple(dict.fromkeys((".jpg", ".jpeg", ".png", *IMAGE_ENDINGS)))

IMAGES = (*USUAL, *(ending.upper() for ending in USUAL))

PAIR = re.compile(r"/?(?P<image>(?:JPEGImages/)?(?P<name>\S+)\.(?:jpe?g|png))\s+/?(?P<mask>\S+\.png)", re.IGNORECASE)
"""A line of a list that names an image and its mask, from the year's folder."""


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for JPEGImages/ and SegmentationClass/ in it, or in a VOC<year>/ below it."""
    if not root.is_dir():
        return "it is no folder"
    years = [root, *matching(root, "VOC*/"), *matching(root, "VOCdevkit/VOC*/")]
    masks = [year for year in years if any(path for path in year.glob("SegmentationClass*") if path.is_dir())]
    if not masks:
        return "there is no SegmentationClass/ and no VOC<year>/SegmentationClass/"
    beside = any((year / "JPEGImages").is_dir() for year in masks)
    return None if beside else "there is no JPEGImages/ beside SegmentationClass/"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    mask_dir: str = "SegmentationClass",
    all_lists: bool = False,
    classes: str | Path | Sequence[str] | None = None,
) -> Source:
    """Read a year's folder, or a VOCdevkit with one in it. Samples are the images that the lists name.

    Without `split` these are the lists train, val, trainval and test, of which train and val win over trainval; where there
    is none of them, all lists; and if there is no list, every mask is a sample with no split.

    Raises `DataError` (`voc.*`, `classes.*`), or adds to `report`: an image that two lists hold, or that has no mask or no
    file.

    Args:
        mask_dir: the folder of the masks below the year's, such as SegmentationClassAug.
        all_lists: read every list; by default train, val, trainval and test alone if there is one of these.
        classes: the class file (a labelmap, one name per line, CSV, JSON or YAML), or names in order of mask value; by default
            the labelmap.txt, class_names.txt or labels.txt of the folder, or else VOC's 21 classes.
    """
    year = find_year(listed(root), mask_dir)
    receipt = Receipt()
    own = next((name for name in CLASS_FILES if (year / name).is_file()), None)
    given = str(year / own) if own and classes is None else classes
    entries, class_files = ([], ()) if given is None else given_classes(given, year, receipt)
    table = class_table(entries or [Entry.of(value, name) for value, name in enumerate(CLASSES)])
    masks = year / mask_dir
    refuse_supervisely(year, masks)
    lists = find_lists(year, split, masks, receipt, all_lists=all_lists)
    members = assign(lists, report, receipt) if lists else {None: masks_in(masks)}
    pairs = {match["name"]: match for path in lists for line in list_lines(path) if (match := find_pair(line))}
    folders = Folders(masks, find_images(year) if images else None, table.meaning, year, pairs)
    items: list[Item] = []
    for its_split, names in members.items():
        items += make_items(folders, its_split, names, report, receipt)
    for file in class_files:
        receipt.notes.append(f"{file.name}: names {len(table.labels.classes)} classes")
    items.sort(key=lambda item: item.id)
    inputs = (*map(Input.of, lists), *class_files)
    named = class_files[0].name if class_files else [entry.name for entry in entries] or "voc"
    options: dict[str, object] = {"mask_dir": masks.name, "classes": named}
    return Source(table.labels, items, inputs, table.classes, receipt, options)


# Classes


@dataclass(frozen=True, slots=True)
class ClassTable:
    """The classes, what masks say for each, and the receipt's table."""

    labels: Labels
    meaning: Meaning
    classes: tuple[SourceClass, ...]


def class_table(entries: Sequence[Entry]) -> ClassTable:
    """What values, palette indices and colours mean; if no class has a colour they take VOC's.

    Raises `DataError` (`classes.color`) if two have one colour, or a class has that of VOC's void.
    """
    coded = any(entry.color is not None for entry in entries)
    shown = [entry if coded else replace(entry, color=voc_color(entry.value)) for entry in entries]
    kept = [entry for entry in shown if entry.is_class]
    labels = Labels.of([entry.name for entry in kept], [entry.color for entry in kept])
    ids = {name: id for id, name in enumerate(labels.names)}
    values = {entry.value: ids.get(entry.name) for entry in entries}
    colors: dict[int, int | None] = {pack_color(VOC_VOID): None} if coded else {}
    for entry in shown:
        if (
            entry.color is not None
            and colors.setdefault(pack_color(entry.color), values[entry.value]) != values[entry.value]
        ):
            other = "VOC's void" if entry.color == VOC_VOID else "an earlier class"
            what = f"{entry.source_name!r} has the colour {entry.color}, as {other} has: give each its own"
            refuse("color", what, entry.at)
    rows = [SourceClass(entry.value, entry.source_name, values[entry.value]) for entry in entries]
    if 255 not in values:
        rows.append(SourceClass(255, "unlabelled", None))
    meaning = Meaning({255: None, 65535: None, **values}, {pack_color(VOC_VOID): None, **colors}, way_out=WAY_OUT)
    return ClassTable(labels, meaning, tuple(rows))


# Folders and lists


def find_year(root: Place, mask_dir: str) -> Place:
    """The year's folder that SRC means. Raises `DataError` (`voc.missing`), `OptionError` where there are several."""
    if not root.is_dir():
        raise DataError(Problem("voc.missing", "there is no such folder", file=str(root)))
    if "SegmentationObject" in mask_dir.split("/"):
        raise OptionError(f"--mask-dir {mask_dir}: these masks number objects: SegmentationClass holds the classes")
    if (root / mask_dir).is_dir():
        return root
    places = [there for pattern in ("VOC*", "VOCdevkit/VOC*") for there in matching(root, pattern)]
    years = [there for there in places if (there / mask_dir).is_dir()]
    if len(years) > 1:
        raise OptionError(f"{root}: holds {some(year.name for year in years)}: give the folder of one year as SRC")
    if not years:
        others = sorted({p.name for there in [root, *places] for p in there.glob("SegmentationClass*")})
        way_out = f"--mask-dir may be {some(others)}" if others else "give a year's folder, or VOCdevkit"
        message = f"holds no {mask_dir}/ and no VOC<year>/{mask_dir}/: {way_out}"
        raise DataError(Problem("voc.missing", message, file=str(root)))
    return years[0]


def refuse_supervisely(year: Place, masks: Place) -> None:
    """Raise `DataError` (`voc.supervisely`) for what Supervisely writes: its colours are rounded, or of single objects."""
    if (year / "colors.txt").is_file() and (mask := next(masks.glob("*_class.png"), None)) is not None:
        message = "is of Supervisely's VOC form, whose colours are not those of classes"
        way_out = "download the project in Supervisely's own form, which convert supervisely reads"
        raise DataError(Problem("voc.supervisely", f"{message}: {way_out}", file=str(mask)))


def find_images(year: Place) -> Place:
    """The folder of the images. Raises `DataError` (`image.missing`)."""
    folder = year / "JPEGImages"
    if not folder.is_dir():
        message = "holds no JPEGImages/: put it there, or make masks alone (--images none)"
        raise DataError(Problem("image.missing", message, file=str(year)))
    return folder


def find_lists(
    year: Place, split: str | None, masks: Place, receipt: Receipt, *, all_lists: bool = False
) -> dict[Place, list[str]]:
    """The split lists to read, with the image names in each. What is passed over gets a line in the receipt.

    Raises `OptionError` where there is no list of the split, `DataError` (`voc.list`).
    """
    found = {p.stem: p for p in matching(year / LISTS, "*.txt") if not p.name.startswith(".")}
    if split is not None:
        if split not in found:
            way_out = suggest(split, found) if found else "there is no list: leave --split out"
            raise OptionError(f"no split {split!r}, as {LISTS} has no {split}.txt: {way_out}")
        return {found[split]: read_list(found[split])}
    official = [found[name] for name in OFFICIAL if name in found]
    chosen = list(found.values()) if all_lists or not official else official
    lists = {path: read_list(path) for path in chosen}
    there = set(masks_in(masks)) if lists else set()
    test = found.get("test")
    if test in lists and len(lists) > 1 and there.isdisjoint(lists[test]):
        receipt.notes.append(f"test.txt: left out, as none of its {len(lists.pop(test))} images has a mask")
    if others := [path.name for path in found.values() if path not in chosen]:
        receipt.notes.append(f"not read: {some(others)} in {LISTS} (--split reads one of them, --all-lists all)")
    if rest := len(there.difference(*lists.values())):
        receipt.notes.append(f"{masks.name}: {rest} masks are left out, as no list that was read names them")
    return lists


def read_list(path: Place) -> list[str]:
    """The image names of a split list; `#` starts a comment. Raises `DataError` (`voc.text`, `voc.list`)."""
    lines = list_lines(path)
    if not lines:
        raise DataError(Problem("voc.list", "names no image: remove it, or take another --split", file=path.name))
    return [match["name"] if (match := find_pair(line)) else line for line in lines]


def list_lines(path: Place) -> list[str]:
    """The lines of a split list, but for empty ones and comments. Raises `DataError` (`voc.text`)."""
    lines = (line.strip() for line in read_text(path, "voc.text").split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def find_pair(line: str) -> re.Match[str] | None:
    """The paths of an image and its mask, both below the year's folder; None for a line of another form."""
    match = PAIR.fullmatch(line)
    return match if match and lies_below(match["image"]) and lies_below(match["mask"]) else None


def masks_in(folder: Place) -> list[str]:
    """The names of all masks, sorted: POSIX paths under the folder without extension; hidden files do not count.

    Raises `DataError` (`voc.mask`) where there is none.
    """
    shown = (name for name in files_below(folder) if not name.startswith(".") and "/." not in name)
    names = [name.removesuffix(".png") for name in shown if name.endswith(".png")]
    if not names:
        raise DataError(Problem("voc.mask", "holds no mask, that is no .png: choose with --mask-dir", file=str(folder)))
    return sorted(names)


def assign(lists: Mapping[Place, Sequence[str]], report: Report, receipt: Receipt) -> dict[str | None, list[str]]:
    """The names of each split. Those of trainval that train or val has too are theirs; other names held twice are problems."""
    holders: dict[str, list[str]] = defaultdict(list)
    for path, names in lists.items():
        for name in names:
            holders[name].append(path.stem)
    members: dict[str | None, list[str]] = {path.stem: [] for path in lists}
    for name, splits in holders.items():
        if {"train", "val"} & set(splits):
            splits = [split for split in splits if split != "trainval"]
        if len(splits) == 1:
            members[splits[0]].append(name)
            continue
        where = some(f"{split}.txt" for split in dict.fromkeys(splits))
        message = f"is named {len(splits)} times, in {where}: keep one, as an image is in one split"
        problem = Problem("voc.twice", message, file=f"{splits[0]}.txt", sample=f"{splits[0]}/{name}")
        leave_out(problem, (), report, receipt)
    return members


# Items


@dataclass(frozen=True, slots=True)
class Folders:
    """Where masks and images lie (None: no image is looked for), what the masks mean, and by name the files of a list."""

    masks: Place
    images: Place | None
    meaning: Meaning
    year: Place
    pairs: Mapping[str, re.Match[str]]


def make_items(
    folders: Folders, split: str | None, names: Sequence[str], report: Report, receipt: Receipt
) -> list[Item]:
    """One item for each name that is a path under the folder and has its mask and, where they are wanted, its image."""
    ids, _ = sample_ids(split, [f"{name}.png" for name in names])
    items: list[Item] = []
    for name, id in zip(names, ids, strict=True):
        found = make_item(folders, split, name, id) if isinstance(id, str) else id
        if isinstance(found, Item):
            items.append(found)
        else:
            found = found if found.file else replace(found, file=f"{split}.txt" if split else f"{name}.png")
            found = replace(found, sample=None) if found.code == "image.name" else found
            present = [os.path.basename(name) + ".png"] if found.code == "image.missing" else []
            leave_out(found, present, report, receipt, sample=found.sample or name)
    return items


def make_item(folders: Folders, split: str | None, name: str, id: str) -> Item | Problem:
    """A name's item, or what is missing for one."""
    pair = folders.pairs.get(name)
    file = folders.year / pair["mask"] if pair else folders.masks / f"{name}.png"
    if not file.is_file():
        there = pair["mask"] if pair else f"{folders.masks.name}/{name}.png"
        what = f"{there} is a folder and no file" if file.is_dir() else f"there is no {there}"
        return Problem("voc.mask", f"{what}: put it there, or take the name out of the list", None, id)
    mask = str(file)
    if folders.images is None:
        return Item(id, None, None, LabelFile(mask, folders.meaning), split)
    candidates = [folders.images / f"{name}{extension}" for extension in IMAGES]
    candidates = [folders.year / pair["image"]] if pair else candidates
    image = next((str(path) for path in candidates if path.is_file()), None)
    if image is None:
        there = pair["image"] if pair else f"JPEGImages/{name}.jpg (.jpeg, .png)"
        way_out = "put it there, or make masks alone (--images none)"
        return Problem("image.missing", f"there is no {there}: {way_out}", None, id)
    return Item(id, image, None, LabelFile(mask, folders.meaning), split)
