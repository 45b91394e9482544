"""Semantic Boundaries Dataset: `img/`, `cls/*.mat` or `inst/*.mat`, and the lists `train.txt` and `val.txt`.

The masks are arrays in MAT files: `GTcls.Segmentation` holds VOC's class ids, `GTinst.Segmentation` numbers the objects, whose
class ids are `GTinst.Categories`. Neither has void pixels. The splits are the set's own, which are not VOC's: `train_noval.txt`
(by torchvision) names the images that are not in VOC2012's val.

Format: README of http://home.bharathh.info/pubs/codes/SBD/download.html, as torchvision's `SBDataset` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.errors import DataError, Problem, Report, located, one_of, strict
from segdata.files.file import open_file
from segdata.files.mat import read_array, read_numbers
from segdata.files.numbers import whole_numbers
from segdata.files.places import list_folder, listed
from segdata.files.remote import Place
from segdata.labels import Labels, Remap
from segdata.readers.label_files import Meaning, ids_of
from segdata.readers.listed_items import make_items, once, split_lists
from segdata.readers.sight import look
from segdata.readers.source import Annotation, Drawn, InFile, Input, Item, Receipt, Source, SourceClass
from segdata.words import some

From = Literal["cls", "inst"]

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""VOC's, in order of id."""

SPLITS = ("train", "val")

PLACES = ("", "dataset", "benchmark_RELEASE/dataset")
"""Where the set lies below SRC: the archive unpacks to the last of these."""

FIELD = "Segmentation"

WAY_OUT = "the set has VOC's classes 0 to 20: correct the mask"

MEANING = Meaning({id: id for id in range(len(CLASSES))}, way_out=WAY_OUT)


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for img/, and cls/ or inst/ with MAT files, in it or in (benchmark_RELEASE/)dataset/."""
    if not root.is_dir():
        return "it is no folder"
    seen = [path for path in look(root).files if path.endswith(".mat")]
    for place in PLACES:
        inside = f"{place}/" if place else ""
        if (
            any(path.startswith((f"{inside}cls/", f"{inside}inst/")) for path in seen)
            and (root / f"{inside}img").is_dir()
        ):
            return None
    return "there is no img/ beside cls/*.mat"


def read(
    root: str | Path, *, split: str | None = None, report: Report = strict, images: bool = True, from_: From = "cls"
) -> Source:
    """Read the images that the lists name: train and val by default. If there is no list, every mask is a sample with no split.

    Raises `OptionError` for options, `DataError` (`sbd.*`), or adds to `report`: an image that two lists hold, or that has no
    mask or no file.

    Args:
        from_: which files are read: `cls` masks of classes, or `inst` masks of objects, each with its class.
    """
    one_of("from", from_, From)
    folder = find_set(listed(root), from_)
    receipt = Receipt()
    lists = split_lists(folder, SPLITS, split, receipt, "sbd.list")
    members = once(lists, report, receipt, "sbd.twice")
    masks = mats_in(folder / from_) if split is None else []
    named = {name for names in lists.values() for name in names}
    if not lists:
        members = {None: masks}
    elif rest := [name for name in masks if name not in named]:
        receipt.notes.append(f"{from_}: {len(rest)} masks are left out, as no list that was read names them")
    place = Places(folder, from_)
    items: list[Item] = []
    for its_split, names in members.items():
        items += make_items(its_split, names, place.label, place.image if images else None, report, receipt)
    items.sort(key=lambda item: item.id)
    rows = tuple(SourceClass(id, name, id) for id, name in enumerate(CLASSES))
    inputs = tuple(Input.of(folder / f"{name}.txt") for name in lists)
    return Source(Labels.of(CLASSES), items, inputs, rows, receipt, {"from": from_})


# Files


def find_set(root: Place, from_: From) -> Place:
    """The folder of the set that SRC means. Raises `DataError` (`sbd.missing`)."""
    places = [root / place if place else root for place in PLACES]
    found = next((place for place in places if (place / from_).is_dir()), None)
    if found is None:
        way_out = "give the folder with img/ and cls/ (benchmark_RELEASE/dataset)"
        other = "inst" if from_ == "cls" else "cls"
        if any((place / other).is_dir() for place in places):
            way_out = f"there is {other}/: --from {other} reads it"
        raise DataError(Problem("sbd.missing", f"there is no {from_}/ with MAT files: {way_out}", file=str(root)))
    return found


def mats_in(folder: Place) -> list[str]:
    """The names of all masks of a folder, sorted. Raises `DataError` (`sbd.mask`) where there is none."""
    names = sorted(name[:-4] for name in list_folder(folder) if name.endswith(".mat") and name[:1] != ".")
    if not names:
        raise DataError(Problem("sbd.mask", "holds no *.mat: is the set unpacked?", file=str(folder)))
    return names


@dataclass(frozen=True, slots=True)
class Places:
    """Where masks and images lie."""

    folder: Place
    kind: From

    def label(self, name: str) -> Annotation | Problem:
        """The mask of a name."""
        file = self.folder / self.kind / f"{name}.mat"
        if not file.is_file():
            way_out = "put it there, or take the name out of the list"
            return Problem("sbd.mask", f"there is no {self.kind}/{name}.mat: {way_out}", str(file))
        return ClassMask(str(file)) if self.kind == "cls" else ObjectMask(str(file))

    def image(self, name: str) -> str | Problem:
        """The image of a name."""
        file = self.folder / "img" / f"{name}.jpg"
        if not file.is_file():
            way_out = "put it there, or make masks alone (--images none)"
            return Problem("image.missing", f"there is no img/{name}.jpg: {way_out}", str(file))
        return str(file)


@dataclass(frozen=True, slots=True)
class ClassMask(InFile):
    """A mask of class ids."""

    def draw(self, remap: Remap) -> Drawn:
        """Its numbers as class ids. Raises `DataError` (`mask.*`) with the way out."""
        with located(file=self.path):
            mask = ids_of(whole_numbers(read_array(self.path, "GTcls", FIELD), self.path), MEANING, remap)
        return Drawn(mask, Receipt(annotations=1, painted=1))


@dataclass(frozen=True, slots=True)
class ObjectMask(InFile):
    """A mask that numbers objects from 1 on, each of which has a class."""

    def draw(self, remap: Remap) -> Drawn:
        """The class of each object. Raises `DataError` (`mask.*`) with the way out."""
        with located(file=self.path), open_file(self.path, "mask") as file:
            classes = read_numbers(file, "GTinst", "Categories").tolist()
            if strange := [id for id in classes if id not in range(len(CLASSES))]:
                raise file.problem("values", f"objects of classes that there are not: {some(strange)}: {WAY_OUT}")
            meaning = Meaning(
                {0: 0, **dict(enumerate(map(int, classes), 1))},
                way_out="each object has a line in Categories: correct it",
            )
            mask = ids_of(whole_numbers(read_array(file, "GTinst", FIELD), self.path), meaning, remap)
        return Drawn(mask, Receipt(annotations=1, painted=1))
