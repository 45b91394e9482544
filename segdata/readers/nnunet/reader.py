"""nnU-Net raw data: `dataset.json`, `imagesTr/NAME_0000.png` and `labelsTr/NAME.png`, of versions 1 and 2.

dataset.json says which value is which label; its label `ignore` is no class. Label images in labelsTs/ are the split test.
Each channel of an image may have a file of its own, `_0000`, `_0001` and so on: one of them is taken (--channel), or
`segdata stack` puts them together. Volumes (NIfTI and the like) are refused: segdata reads images. Palettes, and grey PNGs of
fewer than 8 bits, have the values that are stored; nnU-Net would expand these, and then finds labels that there are not.

Format: documentation/dataset_format.md and region_based_training.md of https://github.com/MIC-DKFZ/nnUNet.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from posixpath import basename

from segdata.errors import DataError, OptionError, Problem, Report, strict
from segdata.files.endings import MASK_ENDINGS
from segdata.files.places import absolute, listed, matching, names_in, place
from segdata.files.remote import Place
from segdata.labels import class_name
from segdata.readers.classes.named import NamedClass, name_classes
from segdata.readers.label_files import LabelFile, Meaning
from segdata.readers.listed_items import make_items
from segdata.readers.named_images import image_folder
from segdata.readers.nnunet.cases import PARTS, Cases, Finder, find_cases
from segdata.readers.nnunet.json import Card, read_card, read_fold, read_labels
from segdata.readers.sight import Sight
from segdata.readers.source import Annotation, Input, Item, Receipt, Source, leave_out, refuse_split
from segdata.words import some

CARD = "dataset.json"

FOLDS = "splits_final.json"

PARENTS = ("", "nnUNet_raw", "nnUNet_raw_data", "nnUNet_raw_data_base/nnUNet_raw_data")
"""Where the folders of data sets lie below SRC, if it is none itself."""

VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".gipl", ".gipl.gz", ".dcm", ".b2nd", ".npz")
"""Endings of files of three dimensions."""

VOLUME_READERS = ("Tiff3DIO", "SimpleITKIO", "NibabelIO", "NibabelIOWithReorient")
"""nnU-Net's own readers of these, as dataset.json may name them."""

LISTED = re.compile(r'"dataset"\s*:\s*\{\s*"[^"]*"\s*:\s*\{\s*"(label|images)"')
"""A dataset.json that lists the files of each case."""

WAY_OUT = f"name its label in {CARD}, or correct the label image"


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for a dataset.json beside labelsTr/, or that lists cases, in SRC or a folder below it."""
    if not root.is_dir():
        return "it is no folder"
    return None if sets_in(root) else "there is no dataset.json beside labelsTr/"


def sets_in(root: Place) -> list[Place]:
    """The folders of data sets that SRC is or holds."""
    if _is_set(root):
        return [root]
    places = [root / parent if parent else root for parent in PARENTS]
    cards = [card for place in places for card in matching(place, f"*/{CARD}")]
    return [card.parent for card in cards if _is_set(card.parent)]


def _is_set(folder: Place) -> bool:
    """Whether a folder is a data set, by its names, or by a glance at a dataset.json that lists the cases."""
    if not (folder / CARD).is_file():
        return False
    return (
        any((folder / f"labels{part}").is_dir() for part in PARTS)
        or LISTED.search(Sight(folder, ()).start(CARD)) is not None
    )


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    channel: str | None = None,
    fold: int | None = None,
    splits_file: str | Path | None = None,
    image_dir: str | Path | None = None,
) -> Source:
    """Read a data set's folder, or an nnUNet_raw with one. Label images in labelsTr/ are the split train, in labelsTs/ test.

    Raises `OptionError` for options, `DataError` (`nnunet.*`), or adds to `report`: a case without a label image, without an
    image, or with several channels in files of their own.

    Args:
        channel: which channel is the image, where each is a file of its own: its number (0000), or its name in dataset.json.
            By default a case has one file.
        fold: make the splits train and val of this fold (0 ...) of splits_final.json. By default all of labelsTr/ is train.
        splits_file: the file of folds, for `fold`. By default splits_final.json in the set's folder, or in
            nnUNet_preprocessed/ beside nnUNet_raw/.
        image_dir: the folder of the images, here or in SRC, called NAME or NAME_0000, or of imagesTr/ with them; by default
            the set's folder.
    """
    folder = find_set(listed(root))
    card = read_card(folder / CARD)
    receipt = Receipt()
    labels = read_labels(card, str(folder / CARD))
    receipt.notes += labels.notes
    receipt.warnings += labels.warnings
    classes, rows = name_classes([NamedClass(*one) for one in labels.names.items()], "ignore", receipt, "label")
    ids = {name: id for id, name in enumerate(classes.names)}
    meaning = Meaning({value: ids.get(class_name(name)) for value, name in labels.names.items()}, way_out=WAY_OUT)
    folds: dict[str, str] | None = None
    inputs = [Input.of(folder / CARD)]
    if fold is not None:
        path = find_folds(folder, splits_file)
        folds = read_fold(path, fold)
        inputs.append(Input.of(path))
    elif (folder / FOLDS).is_file():
        receipt.notes.append(f"{FOLDS} is not read: --fold 0 makes train and val of its first fold")
    finder = Finder(card, channel, None if image_dir is None else image_folder(image_dir, folder)) if images else None
    items: list[Item] = []
    for cases in find_cases(folder, card, ending_of(folder, card), images, receipt):
        for its_split, names in by_split(cases, folds, report, receipt).items():
            if split in (None, its_split):
                label = partial(label_of, cases, meaning)
                image = None if finder is None else partial(finder.find, cases)
                items += make_items(its_split, names, label, image, report, receipt, "raw")
    if split is not None and split not in (there := splits_of(folder, folds)):
        refuse_split(split, folder, there)
    items.sort(key=lambda item: item.id)
    return Source(classes, items, tuple(inputs), rows, receipt, {"channel": channel, "fold": fold})


# Where the set and its folds lie


def find_set(root: Place) -> Place:
    """The folder of the data set that SRC means. Raises `DataError` (`nnunet.missing`), `OptionError` where there are several."""
    found = sets_in(root)
    if len(found) > 1:
        raise OptionError(
            f"{root}: holds {some(folder.name for folder in found)}: give the folder of one data set as SRC"
        )
    if not found:
        message = f"there is no {CARD} beside labelsTr/: give a folder of nnUNet_raw, such as Dataset001_NAME"
        raise DataError(Problem("nnunet.missing", message, file=str(root)))
    return found[0]


def find_folds(folder: Place, given: str | Path | None) -> Place:
    """The file of folds. Raises `OptionError` if there is none."""
    if given is not None:
        return next((path for path in (place(given), folder / str(given)) if path.is_file()), place(given))
    here = place(absolute(folder))
    places = [folder / FOLDS, here.parent.parent / "nnUNet_preprocessed" / here.name / FOLDS]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise OptionError(
            f"{folder}: there is no {FOLDS} here, nor in nnUNet_preprocessed/: --splits-file FILE names it"
        )
    return found


def ending_of(folder: Place, card: Card) -> str:
    """The ending of label images. Raises `DataError` (`nnunet.volume`, `nnunet.json`) where they are no images."""
    ending = card.file_ending
    if ending is None:
        kinds = (*VOLUMES, *MASK_ENDINGS)
        found = Counter(kind for name in names_in(folder / "labelsTr") for kind in kinds if name.lower().endswith(kind))
        ending = found.most_common(1)[0][0] if found else ".nii.gz"
    ending = ending if not isinstance(ending, str) or ending.startswith(".") else f".{ending}"
    named = card.overwrite_image_reader_writer
    if (isinstance(ending, str) and ending.lower() in VOLUMES) or named in VOLUME_READERS:
        what = f"label images are volumes ({named if named in VOLUME_READERS else ending}), and segdata reads images"
        way_out = (
            "export each slice as PNG, NAME_0000.png in imagesTr/ and NAME.png in labelsTr/, with file_ending .png"
        )
        more = " and without overwrite_image_reader_writer" if named in VOLUME_READERS else ""
        raise DataError(Problem("nnunet.volume", f"{what}: {way_out}{more}", str(folder / CARD)))
    if not isinstance(ending, str) or ending.lower() not in MASK_ENDINGS:
        message = f"file_ending is {str(ending)[:40]!r}, and must be that of an image, such as .png or .tif"
        raise DataError(Problem("nnunet.json", message, str(folder / CARD)))
    return ending


# Splits


def by_split(
    cases: Cases, folds: Mapping[str, str] | None, report: Report, receipt: Receipt
) -> dict[str | None, list[str]]:
    """The names of cases in each split; by a fold, those that it does not name have none."""
    names = sorted(cases.labels.keys() | cases.images.keys())
    if cases.part == "Ts":
        return {"test": names}
    if folds is None:
        return {"train": names}
    members: dict[str | None, list[str]] = defaultdict(list)
    for name in names:
        members[folds.get(name)].append(name)
    if members[None]:
        receipt.notes.append(f"{len(members[None]):,} cases are in neither split of the fold: {some(members[None], 3)}")
    for name in sorted(folds.keys() - set(names)):
        message = "the fold names it, and there is no such case: take it out, or add its files"
        leave_out(Problem("nnunet.fold", message, FOLDS, f"{folds[name]}/{name}"), (), report, receipt)
    return members


def splits_of(folder: Place, folds: Mapping[str, str] | None) -> list[str]:
    """The splits that there are."""
    return [*(["train"] if folds is None else ["train", "val"]), *(["test"] if (folder / "labelsTs").is_dir() else [])]


def label_of(cases: Cases, meaning: Meaning, name: str) -> Annotation | Problem:
    """The label image of a case."""
    path = cases.labels.get(name)
    if path is None:
        there = [basename(file) for file in cases.images.get(name, ())]
        way_out = f"put it there, or take {some(there)} away" if there else "put it there"
        return Problem("nnunet.label", f"there is no {cases.missing.format(name)}: {way_out}", str(cases.folder))
    return LabelFile(path, meaning)
