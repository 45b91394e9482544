"""Cityscapes: street scenes, labelled finely (gtFine) or coarsely (gtCoarse).

SRC holds `leftImg8bit/<split>/<city>/<frame>_leftImg8bit.png` and `gtFine/<split>/<city>/<frame>_gtFine_<kind>`, the kinds
being labelIds.png, labelTrainIds.png, instanceIds.png and polygons.json; `gtCoarse` likewise.

Format and label table: https://github.com/mcordts/cityscapesScripts (README.md, helpers/labels.py).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.places import list_folder, listed
from segdata.files.remote import Place
from segdata.labels import Labels
from segdata.readers.cityscapes_labels import TABLE, VOID_TRAIN_ID, Row
from segdata.readers.cityscapes_polygons import Polygons
from segdata.readers.detect import without
from segdata.readers.label_files import LabelFile, Meaning
from segdata.readers.source import Annotation, Input, Item, Receipt, Source, SourceClass, leave_out
from segdata.words import some

Annotations = Literal["fine", "coarse"]

LabelSet = Literal["train", "id", "category"]

From = Literal["auto", "png", "polygons"]

FOLDERS: dict[Annotations, str] = {"fine": "gtFine", "coarse": "gtCoarse"}

SPLITS: dict[Annotations, tuple[str, ...]] = {"fine": ("train", "val"), "coarse": ("train", "train_extra", "val")}
"""What is taken unless a split is named. `test` is not: its public labels are placeholders."""

IMAGES = "leftImg8bit"

LABEL_IDS, TRAIN_IDS, INSTANCE_IDS, POLYGONS = "labelIds.png", "labelTrainIds.png", "instanceIds.png", "polygons.json"


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for leftImg8bit/ and gtFine/ or gtCoarse/ with label files of their names."""
    if reason := without(root, ("leftImg8bit/",)):
        return reason
    folders = [root / name for name in ("gtFine", "gtCoarse") if (root / name).is_dir()]
    if not folders:
        return "there is no gtFine/ and no gtCoarse/"
    kinds = (LABEL_IDS, TRAIN_IDS, INSTANCE_IDS, POLYGONS)
    if any(any(folder.glob(f"*/*/*_{folder.name}_{kind}")) for folder in folders for kind in kinds):
        return None
    return f"{folders[0].name}/ holds no <split>/<city>/<frame>_{folders[0].name}_labelIds.png or _polygons.json"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    annotations: Annotations = "fine",
    labels: LabelSet = "train",
    from_: From = "auto",
) -> Source:
    """Read the splits train and val (and, of coarse labels, train_extra), or the one that `split` names.

    Raises `DataError` (`cityscapes.*`), or adds to `report`: an image without labels, or labels without their image.

    Args:
        annotations: which labels are read: `fine` is gtFine, `coarse` is gtCoarse.
        labels: what the classes are: `train` the 19 classes of the benchmark, the rest ignored; `id` the 34 label ids, none
            ignored; `category` the 7 categories, those of void ignored.
        from_: which files are read: `png` labelIds, or else labelTrainIds (for `train` alone), or else instanceIds;
            `polygons` polygons.json, drawn by the official rule; `auto` polygons only if there is no PNG.
    """
    one_of("annotations", annotations, Annotations)
    one_of("labels", labels, LabelSet)
    one_of("from", from_, From)
    base = listed(root)
    folder = find_folder(base, annotations, images)
    image_root = base / IMAGES if images else None
    rules = Rules.of(labels, from_)
    receipt = Receipt()
    items: list[Item] = []
    inputs: list[Input] = []
    for its_split in find_splits(folder, image_root, annotations, split):
        frames = list_frames(folder, image_root, its_split)
        found = make_items(frames, its_split, images, rules, report, receipt)
        inputs.append(Input(f"{folder.name}_{its_split}", digest(found)))
        items += found
        if its_split == "test":
            receipt.notes.append(
                "test: its public labels are placeholders, which show no more than the edges of a frame"
            )
    if not items and not receipt.skipped_images:
        message = f"no <city>/<frame>_{folder.name}_{LABEL_IDS} in {some(i.name for i in inputs)}: is it unpacked?"
        raise DataError(Problem("cityscapes.missing", message, file=str(root)))
    items.sort(key=lambda item: item.id)
    table = tuple(SourceClass(row.id, row.name, rules.names[row.name][1]) for row in TABLE)
    options: dict[str, object] = {"annotations": annotations, "labels": labels, "from": from_}
    return Source(class_labels(labels), items, tuple(inputs), table, receipt, options)


# The classes


def class_ids(labels: LabelSet) -> dict[int, int | None]:
    """Label id -> class id, None for ignored pixels."""
    if labels == "train":
        return {row.id: row.train_id if 0 <= row.train_id < VOID_TRAIN_ID else None for row in TABLE}
    if labels == "category":
        return {row.id: row.category_id - 1 if row.id >= 0 and row.category_id else None for row in TABLE}
    return {row.id: row.id if row.id >= 0 else None for row in TABLE}


def class_labels(labels: LabelSet) -> Labels:
    """The classes in the official order and colours; a category has the colour of its first label."""
    first: dict[int, Row] = {}
    for row in TABLE:
        if (class_id := class_ids(labels)[row.id]) is not None:
            first.setdefault(class_id, row)
    rows = [first[class_id] for class_id in sorted(first)]
    return Labels.of([r.category if labels == "category" else r.name for r in rows], [r.color for r in rows])


# Finding the files


def find_folder(root: Place, annotations: Annotations, images: bool) -> Place:
    """The folder with the labels. Raises `DataError` (`cityscapes.missing`) where it, or the images', is not there."""
    folder = root / FOLDERS[annotations]
    if not folder.is_dir():
        other = next((name for name, its in FOLDERS.items() if (root / its).is_dir()), None)
        way_out = f" but {FOLDERS[other]}: give --annotations {other}" if other else ": give the folder above it"
        message = f"holds no {folder.name}{way_out}"
        raise DataError(Problem("cityscapes.missing", message, file=str(root)))
    if images and not (root / IMAGES).is_dir():
        message = f"holds no {IMAGES}: unpack the images beside {folder.name}, or --images none"
        raise DataError(Problem("cityscapes.missing", message, file=str(root)))
    return folder


def find_splits(folder: Place, images: Place | None, annotations: Annotations, split: str | None) -> list[str]:
    """The splits to read. Raises `OptionError` for one that is not there, or where none but `test` is."""
    there = sorted({path.name for base in (folder, images) if base for path in base.iterdir() if path.is_dir()})
    chosen = [name for name in there if name == split or (split is None and name in SPLITS[annotations])]
    if not chosen:
        wanted = repr(split) if split is not None else " or ".join(SPLITS[annotations])
        raise OptionError(f"no split {wanted} in {folder}: --split may be {some(there) or 'none'}")
    return chosen


@dataclass(frozen=True, slots=True)
class Frame:
    """The files of one frame: its image, and its label files by kind."""

    image: str | None
    labels: Mapping[str, str]


def list_frames(folder: Place, images: Place | None, split: str) -> dict[str, Frame]:
    """The frames of a split by city/frame, in order of name: all that have labels or, where images are wanted, an image."""
    kinds = "|".join(map(re.escape, (LABEL_IDS, TRAIN_IDS, INSTANCE_IDS, POLYGONS)))
    labels = list_files(folder / split, rf"([^.].*)_{folder.name}_({kinds})")
    seen = list_files(images / split, rf"([^.].*)_{IMAGES}\.(png|jpg)") if images else {}
    frames: dict[str, Frame] = {}
    for frame in sorted({*labels, *seen}):
        formats = seen.get(frame, {})
        frames[frame] = Frame(formats.get("png") or formats.get("jpg"), labels.get(frame, {}))
    return frames


def list_files(folder: Place, pattern: str) -> dict[str, dict[str, str]]:
    """city/frame -> kind -> path, for the files in a split's city folders whose name matches (frame)...(kind)."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for city in folder.iterdir() if folder.is_dir() else ():
        for name in list_folder(city) if city.is_dir() else ():
            if match := re.fullmatch(pattern, name):
                found[f"{city.name}/{match[1]}"][match[2]] = str(city / name)
    return found


def digest(items: Iterable[Item]) -> str:
    """One SHA-256 over the names of a split's label files; the receipt has one of their contents."""
    total = hashlib.sha256()
    for item in items:
        for path in item.annotation.files:
            total.update(os.fsencode(f"{item.id} {os.path.basename(path)}\n"))
    return total.hexdigest()


# From files to items


@dataclass(frozen=True, slots=True)
class Rules:
    """What is read: kinds of label files, the best first; class ids by value of each kind of PNG, and by label name."""

    kinds: tuple[str, ...]
    values: Mapping[str, Mapping[int, int | None]]
    names: Mapping[str, tuple[int, int | None]]

    @classmethod
    def of(cls, labels: LabelSet, from_: From) -> Rules:
        """The rules for two of the options."""
        ids = class_ids(labels)
        pngs = (LABEL_IDS, TRAIN_IDS, INSTANCE_IDS) if labels == "train" else (LABEL_IDS, INSTANCE_IDS)
        kinds = {"auto": (*pngs, POLYGONS), "png": pngs, "polygons": (POLYGONS,)}[from_]
        plain = {id: class_id for id, class_id in ids.items() if id >= 0}
        instances = {value: ids[value // 1000] for value in range(1000, 1000 * len(plain))}
        train = {row.train_id: ids[row.id] for row in TABLE if row.id >= 0}
        values = {LABEL_IDS: plain, TRAIN_IDS: train, INSTANCE_IDS: {**plain, **instances}}
        return cls(kinds, values, {row.name: (row.id, ids[row.id]) for row in TABLE})

    def annotation(self, files: Mapping[str, str]) -> Annotation | None:
        """The best of a frame's label files; None where none may be read."""
        kind = next((kind for kind in self.kinds if kind in files), None)
        if kind is None or kind == POLYGONS:
            return Polygons(files[POLYGONS], self.names) if kind else None
        way_out = f"is it really {kind}? Correct it, or --from polygons"
        return LabelFile(files[kind], Meaning(self.values[kind], way_out=way_out))

    def why_none(self, files: Mapping[str, str]) -> str:
        """What to say of a frame of which no label file may be read."""
        if not files:
            return "the frame has no labels: add them, or take its image away"
        if set(files) == {TRAIN_IDS}:
            return f"there is only {TRAIN_IDS}, in which many labels are one: --labels train --from auto can read it"
        return f"none of {some(sorted(files))} may be read: --from auto reads any"


def make_items(
    frames: Mapping[str, Frame], split: str, images: bool, rules: Rules, report: Report, receipt: Receipt
) -> list[Item]:
    """One item a frame, but for those without labels, without their image, or without a usable name."""
    names, _ = sample_ids(split, [f"{frame}.png" for frame in frames])
    items: list[Item] = []
    for (path, frame), name in zip(frames.items(), names, strict=True):
        sample = name if isinstance(name, str) else name.sample or ""
        annotation = rules.annotation(frame.labels)
        file = frame.image or next(iter(frame.labels.values()))
        if isinstance(name, Problem):
            problem = replace(name, file=file)
        elif annotation is None:
            problem = Problem("cityscapes.labels", rules.why_none(frame.labels), file, sample)
        elif images and frame.image is None:
            message = f"there is no {IMAGES}/{split}/{path}_{IMAGES}.png: add it, or --images none"
            problem = Problem("image.missing", message, file, sample)
        else:
            items.append(Item(sample, frame.image, None, annotation, split))
            continue
        leave_out(problem, annotation.ids if annotation else (), report, receipt, sample=sample)
    return items
