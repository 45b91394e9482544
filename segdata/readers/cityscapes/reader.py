"""Cityscapes: street scenes, labelled finely (gtFine) or coarsely (gtCoarse).

SRC holds `leftImg8bit/<split>/<city>/<frame>_leftImg8bit.png` and `gtFine/<split>/<city>/<frame>_gtFine_<kind>`, the kinds
being labelIds.png, labelTrainIds.png, instanceIds.png and polygons.json; `gtCoarse` likewise. Archives that were unpacked side
by side are read too: `gtFine_trainvaltest/gtFine` and `leftImg8bit_trainvaltest/leftImg8bit`.

Sets of others have this layout and labels of their own, in a class file such as Datumaro's label_colors.txt.

Format and label table: https://github.com/mcordts/cityscapesScripts (README.md, helpers/labels.py).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.cityscapes_table import COLOR, FINE, IMAGES, INSTANCE_IDS, LABEL_IDS, POLYGONS
from segdata.files.places import list_folder, listed
from segdata.files.remote import Place
from segdata.readers.cityscapes.look import check_labels
from segdata.readers.cityscapes.rules import From, LabelSet, Rules, own_classes
from segdata.readers.source import Input, Item, Receipt, Source, leave_out
from segdata.words import some

Annotations = Literal["fine", "coarse"]

FOLDERS: dict[Annotations, str] = {"fine": FINE, "coarse": "gtCoarse"}

SPLITS: dict[Annotations, tuple[str, ...]] = {"fine": ("train", "val"), "coarse": ("train", "train_extra", "val")}
"""What is taken unless a split is named. `test` is not: its public labels are placeholders."""

Splits = Literal["labelled", "all"]


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for leftImg8bit/ and gtFine/ or gtCoarse/ with label files of their names."""
    if not locate(root, IMAGES):
        return f"there is no {IMAGES}/"
    folders = [folder for name in FOLDERS.values() for folder in locate(root, name)]
    if not folders:
        return "there is no gtFine/ and no gtCoarse/"
    kinds = ("label*Ids.png", INSTANCE_IDS, POLYGONS)
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
    classes: str | Path | Sequence[str] | None = None,
    label_kind: str | None = None,
    splits: Splits = "labelled",
) -> Source:
    """Read the splits train and val (and, of coarse labels, train_extra), all, or the one that `split` names.

    Some frames are looked at here, and labels that plainly are not those of Cityscapes' table are refused.

    Raises `DataError` (`cityscapes.*`, `classes.*`), or adds to `report`: an image without labels, or labels without their
    image.

    Args:
        annotations: which labels are read: `fine` is gtFine, `coarse` is gtCoarse.
        labels: what the classes are: `train` the 19 classes of the benchmark, the rest ignored; `id` the 34 label ids, none
            ignored; `category` the 7 categories, those of void ignored.
        from_: which files are read: `png` labelIds, or else labelTrainIds (for `train` alone), or else instanceIds;
            `polygons` polygons.json, drawn by the official rule; `auto` polygons only if there is no PNG.
        classes: the class file of a set with labels of its own (CSV, a labelmap, JSON, YAML, or one name per line), or names in
            order of label id; by default a label_colors.txt or the like beside gtFine/, or else Cityscapes' table. All of
            them but `ignore` are classes, whatever `labels` says.
        label_kind: the kind of label file that is read with `classes`, such as labellevel3Ids of IDD; by default labelIds.
        splits: which splits are read if none is named: `labelled` train and val (and, of coarse labels, train_extra), as the
            public labels of Cityscapes' test are placeholders; `all` every folder of labels, as sets of others have them.
    """
    one_of("splits", splits, Splits)
    one_of("annotations", annotations, Annotations)
    one_of("labels", labels, LabelSet)
    one_of("from", from_, From)
    base = listed(root)
    folder = find_folder(base, annotations)
    image_root = find_images(base, folder) if images else None
    receipt = Receipt()
    entries, inputs = own_classes(classes, base, folder, receipt)
    kind = None if label_kind is None else label_kind.removesuffix(".png") + ".png"
    if kind is not None and not entries:
        raise OptionError(f"--label-kind {label_kind}: which of its values is which class is not known: --classes FILE")
    rules = Rules.own_of(entries, kind, from_) if entries else Rules.of(labels, from_)
    items: list[Item] = []
    looked_at: list[Mapping[str, str]] = []
    for its_split in find_splits(folder, image_root, annotations, split, splits):
        frames = list_frames(folder, image_root, its_split)
        looked_at += [
            frame.labels for frame in frames.values() if frame.labels and (splits == "all" or its_split != "test")
        ]
        found = make_items(frames, its_split, images, rules, report, receipt)
        inputs = (*inputs, Input(f"{folder.name}_{its_split}", digest(found)))
        items += found
        if its_split == "test" and splits == "labelled":
            receipt.notes.append(
                "test: its public labels are placeholders, which show no more than the edges of a frame"
            )
    if not items and not receipt.skipped_images:
        message = f"no <city>/<frame>_{folder.name}_{LABEL_IDS} in {some(i.name for i in inputs)}: is it unpacked?"
        raise DataError(Problem("cityscapes.missing", message, file=str(root)))
    check_labels(looked_at, rules, void=splits == "all")
    items.sort(key=lambda item: item.id)
    options: dict[str, object] = {"annotations": annotations, "labels": labels, "from": from_}
    options |= {"splits": splits} if splits == "all" else {}
    if entries:
        options |= {"labels": "own", "classes": [entry.name for entry in entries], "label_kind": kind or LABEL_IDS}
    return Source(rules.labels, items, inputs, rules.table, receipt, options)


# Finding the files


def find_folder(root: Place, annotations: Annotations) -> Place:
    """The folder with the labels. Raises `DataError` (`cityscapes.missing`) if it is not there."""
    name = FOLDERS[annotations]
    if found := locate(root, name):
        return one_folder(root, found)
    other = next((which for which, its in FOLDERS.items() if locate(root, its)), None)
    if other:
        way_out = f" but {FOLDERS[other]}: give --annotations {other}"
    elif root.name == name:
        way_out = ": give the folder above it"
    elif whole := [path.name for path in inner_folders(root) if holds_all(path)]:
        way_out = f": give a folder in it that does, {some(whole)}"
    else:
        way_out = f", nor does a folder in it: give the folder that holds {name}/ and {IMAGES}/"
    raise DataError(Problem("cityscapes.missing", f"holds no {name}{way_out}", file=str(root)))


def find_images(root: Place, folder: Place) -> Place:
    """The folder with the images. Raises `DataError` (`cityscapes.missing`) if it is not there."""
    if found := locate(root, IMAGES):
        return one_folder(root, found)
    both = f"give the folder that holds both {folder.name}/ and {IMAGES}/"
    message = f"holds no {IMAGES}: unpack the images beside {folder.name}, or --images none; or {both}"
    raise DataError(Problem("cityscapes.missing", message, file=str(root)))


def locate(root: Place, name: str) -> list[Place]:
    """The folder of a name in SRC, or else those in the folders of SRC, as archives unpack them: none holds all of a set."""
    if (root / name).is_dir():
        return [root / name]
    return [path / name for path in inner_folders(root) if (path / name).is_dir() and not holds_all(path)]


def inner_folders(root: Place) -> list[Place]:
    """The folders in SRC, sorted."""
    inner: list[Place] = [*root.iterdir()] if root.is_dir() else []
    return sorted((path for path in inner if path.name[:1] != "." and path.is_dir()), key=str)


def holds_all(folder: Place) -> bool:
    """Whether images and labels are in it."""
    return (folder / IMAGES).is_dir() and any((folder / name).is_dir() for name in FOLDERS.values())


def one_folder(root: Place, found: Sequence[Place]) -> Place:
    """The one of them. Raises `DataError` (`cityscapes.missing`) for several."""
    if len(found) > 1:
        places = some(f"{path.parent.name}/{path.name}" for path in found)
        message = f"holds {places}: move what is in them into one {found[0].name}/"
        raise DataError(Problem("cityscapes.missing", message, file=str(root)))
    return found[0]


def find_splits(
    folder: Place, images: Place | None, annotations: Annotations, split: str | None, splits: Splits
) -> list[str]:
    """The splits to read. Raises `OptionError` for one that is not there, or where none but `test` is."""
    there = sorted({path.name for base in (folder, images) if base for path in base.iterdir() if path.is_dir()})
    usual = there if splits == "all" else SPLITS[annotations]
    chosen = [name for name in there if name == split or (split is None and name in usual)]
    if not chosen:
        wanted = repr(split) if split is not None else " or ".join(SPLITS[annotations])
        every = ", or --splits all" if there and split is None else ""
        raise OptionError(f"no split {wanted} in {folder}: --split may be {some(there) or 'none'}{every}")
    return chosen


@dataclass(frozen=True, slots=True)
class Frame:
    """The files of one frame: its image, and its label files by kind."""

    image: str | None
    labels: Mapping[str, str]


def list_frames(folder: Place, images: Place | None, split: str) -> dict[str, Frame]:
    """The frames of a split by city/frame, in order of name: all that have labels or, where images are wanted, an image."""
    kinds = "|".join([r"label\w*\.png", *map(re.escape, (INSTANCE_IDS, POLYGONS, COLOR))])
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
