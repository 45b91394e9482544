"""COCO-Stuff: maps of things and stuff of the 164k set, MAT files of the 10k set, pixelmaps of the stuff challenge.

- 164k: `train2017/` and `val2017/` with PNGs, in `annotations/` or `stuffthingmaps/`. A value is the label's id less one, so
  that 0 is person; 255 is unlabelled. MMSegmentation's `*_labelTrainIds.png` number the 171 labels that are annotated.
- 10k: `annotations/*.mat` and `imageLists/`. `S` holds ids as they are (version 1.0: places in its 172 names, from 1 on). In
  MMSegmentation's `*_labelTrainIds.png` of this set, in `train2014/` and `test2014/`, 0 is unlabelled and person is 1.
- Programs built on Detectron2 have train ids of the 164k set under the names of maps, in `stuffthingmaps_detectron2/`.
- challenge: `stuff_train2017_pixelmaps/` and `stuff_val2017_pixelmaps/`. Stuff has its ids, things are 183, 0 is unlabelled.

Format: READMEs of https://github.com/nightrome/cocostuff and https://github.com/nightrome/cocostuff10k, cocostuffhelper.py of
https://github.com/nightrome/cocostuffapi, and tools/dataset_converters/coco_stuff*.py of MMSegmentation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segdata.errors import DataError, OptionError, Problem, Report, located, one_of, strict
from segdata.files.file import open_file
from segdata.files.mat import count_of, read_array
from segdata.files.numbers import whole_numbers
from segdata.files.places import absolute, list_folder, listed, place
from segdata.files.remote import Place
from segdata.labels import Remap
from segdata.readers.classes.named import Background
from segdata.readers.cocostuff.classes import NAMES, Classes, Kind, LabelSet, Others, read_names
from segdata.readers.cocostuff.sets import FOLDERS, TRAIN_IDS, Found, Release, check_names, find_set, is_seen, masks_in
from segdata.readers.label_files import LabelFile, Meaning, ids_of
from segdata.readers.listed_items import make_items, once, split_lists
from segdata.readers.named_images import ImageFinder, image_folder
from segdata.readers.sight import look
from segdata.readers.source import Annotation, Drawn, InFile, Input, Item, Receipt, Source, refuse_split

LISTS = ("train", "test")
"""The lists of the 10k set that are splits; all.txt names the images of both."""

NAMES_1_0 = 172
"""How many names a MAT file of version 1.0 has; later ones have 182."""

ENDINGS = (".jpg", ".jpeg", ".png")

DETECTRON2 = "_detectron2"
"""The end of the name of a folder whose PNGs hold train ids: what CAT-Seg, SAN and others prepare for Detectron2."""

KINDS: tuple[Kind, ...] = ("map", "train-ids-164k", "train-ids-10k", "pixelmap")

TOLD: dict[Kind, str] = {
    "map": "ids of labels less one (0 is person, 255 unlabelled)",
    "train-ids-164k": "train ids of the 164k set (0 is person, 255 unlabelled)",
    "train-ids-10k": "train ids of the 10k set (1 is person, 0 unlabelled)",
    "pixelmap": "ids of stuff (183 is all things, 0 unlabelled)",
}
"""What a note says of the masks of a kind."""


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for masks called after COCO's images in a folder that the set has."""
    if root.is_dir() and is_seen(look(root).files):
        return None
    return "there is no train2017/<12 digits>.png, stuff_*_pixelmaps/ or annotations/COCO_*.mat"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    labels: LabelSet | None = None,
    others: Others = "class",
    background: Background = "ignore",
    release: Release | None = None,
    train_ids: bool = False,
    mask_dir: str | Path | None = None,
    image_dir: str | Path | None = None,
) -> Source:
    """Read all masks of the set's folders; of the 10k set the images that its lists name.

    Names are those of a labels.txt in SRC or beside the masks, or else the set's own, which are built in.

    Raises `OptionError` for options and where it is not plain which set is meant, `DataError` (`cocostuff.*`), or adds to
    `report`: an image without a mask or a file.

    Args:
        labels: what the classes are: `all` the 171 that are annotated, in the order of MMSegmentation's train ids; `ids` all
            182, so that a class id is the value of a map; `stuff` the 91, and `other` for things; `things` the 80, and `other`
            for stuff. By default `all`, and `stuff` for the challenge, which has no others.
        others: what the labels become that `labels` leaves out: `class` the class other, the last, or `ignore` ignored.
        background: what unlabelled pixels are: `class` is the class background; `ignore` is ignored, as the set has them.
        release: which set it is: `164k`, `10k` or `challenge`. By default the names of folders and files tell.
        train_ids: PNGs hold train ids, whatever they are called: the labels that are annotated, by number. By default files
            called *_labelTrainIds.png do, and all in a folder whose name ends in _detectron2.
        mask_dir: the folder of train2017/ and the like, or of *.mat. By default looked for in SRC, annotations/,
            stuffthingmaps/ and the like.
        image_dir: the folder of the images, here or in SRC; by default images/train2017/, train2017/ and the like, or images/
            for the 10k set.
    """
    check_options(labels, others, background, release)
    base, receipt = listed(root), Receipt()
    found = find_set(base, mask_dir, release)
    labels = labels or ("stuff" if found.release == "challenge" else "all")
    if found.release == "challenge" and labels != "stuff":
        raise OptionError(f"--labels {labels}: pixelmaps of the challenge have no things: --labels stuff")
    if train_ids and (found.release == "challenge" or not found.splits):
        raise OptionError("--train-ids: only PNGs of the 164k and the 10k set have train ids: leave it out")
    train_ids = train_ids or place(absolute(found.folder)).name.endswith(DETECTRON2)
    folders = (base, found.folder)
    tables = [there / name for there in folders for name in ("labels.txt", "cocostuff-labels.txt")]
    table = next((path for path in tables if path.is_file()), None)
    classes = Classes.of(labels, others, background, NAMES if table is None else read_names(table))
    where = Images(base, found.folder, image_dir) if images else None
    inputs = [] if table is None else [Input.of(table)]
    if found.splits:
        if release is None:
            check_names(found, train_ids)
        items = read_maps(found, classes, train_ids, split, where, report, receipt)
    else:
        items, lists = read_mats(found, classes, split, where, report, receipt)
        inputs += lists
    items.sort(key=lambda item: item.id)
    options: dict[str, object] = {
        "labels": labels,
        "others": others,
        "background": background,
        "release": found.release,
        "train_ids": train_ids,
    }
    return Source(classes.labels, items, tuple(inputs), classes.rows, receipt, options)


def check_options(labels: LabelSet | None, others: Others, background: Background, release: Release | None) -> None:
    """Raise `OptionError` for a value that an option cannot have."""
    if labels is not None:
        one_of("labels", labels, LabelSet)
    if release is not None:
        one_of("release", release, Release)
    one_of("others", others, Others)
    one_of("background", background, Background)


# Where images lie


class Images:
    """Finds the images of a set, whose names are those of the masks."""

    def __init__(self, root: Place, masks: Place, image_dir: str | Path | None) -> None:
        """`masks` is the folder of the folders of masks; `image_dir` may lie below `root`."""
        self.root = root
        above = place(absolute(masks)).parent
        self.bases = [root, root / "images", above, above / "images"]
        self.flat = [root / "images", above / "images"]
        if image_dir is not None:
            self.bases = self.flat = [image_folder(image_dir, root)]

    def finder(self, folder: Place) -> Callable[[str], str | Problem]:
        """What finds the images that belong to a folder of masks, by name. Raises `DataError` if there is no folder of images."""
        name = folder.name.removeprefix("stuff_").removesuffix("_pixelmaps")
        places = [base / name for base in self.bases] if name in FOLDERS else []
        there = [place for place in (*places, *self.flat) if place.is_dir()]
        if not there:
            wanted = f"images/{name}/ or {name}/" if name in FOLDERS else "images/"
            message = f"holds no {wanted} with images: --image-dir DIR, or make masks alone (--images none)"
            raise DataError(Problem("image.missing", message, file=str(self.root)))
        finder = ImageFinder(there)

        def find(name: str) -> str | Problem:
            for ending in ENDINGS:
                files = (place / f"{name}{ending}" for place in there if place != folder)
                if (file := next((file for file in files if file.is_file()), None)) is not None:
                    return str(file)
            return finder.find(f"{name}.jpg")

        return find


# PNGs


def read_maps(
    found: Found,
    classes: Classes,
    train_ids: bool,
    split: str | None,
    where: Images | None,
    report: Report,
    receipt: Receipt,
) -> list[Item]:
    """The items of folders of PNGs. Raises `OptionError` for a split that there is not."""
    if split is not None and split not in found.splits:
        refuse_split(split, found.folder, found.splits)
    meanings = {kind: classes.meaning(kind) for kind in KINDS}
    items: list[Item] = []
    for its_split, name in found.splits.items():
        if split not in (None, its_split):
            continue
        folder = found.folder / name
        masks, passed = masks_in(folder)
        kinds = {image: _kind_of(file, found.release, train_ids) for image, file in masks.items()}
        labels = {image: LabelFile(str(folder / file), meanings[kinds[image]]) for image, file in masks.items()}
        for kind, count in Counter(kinds.values()).items():
            receipt.notes.append(f"{name}: {count:,} masks of {TOLD[kind]}")
        if passed:
            receipt.notes.append(f"{name}: {passed:,} *{TRAIN_IDS} are not read: the maps beside them say the same")
        image = None if where is None else where.finder(folder)
        items += make_items(its_split, sorted(masks), labels.__getitem__, image, report, receipt)
    return items


def _kind_of(file: str, release: Release, train_ids: bool) -> Kind:
    """How a PNG numbers the labels."""
    if release == "challenge":
        return "pixelmap"
    if not (train_ids or file.endswith(TRAIN_IDS)):
        return "map"
    return "train-ids-10k" if release == "10k" else "train-ids-164k"


# MAT files


def read_mats(
    found: Found, classes: Classes, split: str | None, where: Images | None, report: Report, receipt: Receipt
) -> tuple[list[Item], list[Input]]:
    """The items of a folder of MAT files, and the lists. Raises `OptionError` for a split that there is not."""
    folder = found.folder
    places = (place / "imageLists" for place in (folder.parent, folder))
    lists_in = next((place for place in places if place.is_dir()), None)
    lists = {} if lists_in is None else split_lists(lists_in, LISTS, split, receipt, "cocostuff.list")
    if split is not None and not lists:
        raise OptionError(f"no split {split!r}: there is no imageLists/ beside {folder.name}/: leave --split out")
    names = [name[:-4] for name in list_folder(folder) if name.endswith(".mat") and name[:1] != "."]
    members = once(lists, report, receipt, "cocostuff.twice") if lists else {None: sorted(names)}
    if lists and split is None and (rest := set(names).difference(*lists.values())):
        receipt.notes.append(f"{folder.name}: {len(rest):,} masks are left out, as no list that was read names them")
    meanings = classes.meaning("mat"), classes.meaning("mat-1.0")

    def label(name: str) -> Annotation | Problem:
        file = folder / f"{name}.mat"
        if file.is_file():
            return LabelMap(str(file), *meanings)
        way_out = "put it there, or take the name out of the list"
        return Problem("cocostuff.mask", f"there is no {folder.name}/{name}.mat: {way_out}", str(file))

    image = None if where is None else where.finder(folder)
    items = [
        item
        for its_split, part in members.items()
        for item in make_items(its_split, part, label, image, report, receipt)
    ]
    return items, [Input.of(lists_in / f"{name}.txt") for name in lists if lists_in is not None]


@dataclass(frozen=True, slots=True)
class LabelMap(InFile):
    """A MAT file, and what its `S` means; `meaning_1_0`: if it is of version 1.0."""

    meaning: Meaning
    meaning_1_0: Meaning

    def draw(self, remap: Remap) -> Drawn:
        """Its label map through both tables at once. Raises `DataError` (`mask.*`) with the way out."""
        with located(file=self.path), open_file(self.path, "mask") as file:
            meaning = self.meaning_1_0 if count_of(file, "names") == NAMES_1_0 else self.meaning
            mask = ids_of(whole_numbers(read_array(file, "S"), self.path), meaning, remap)
        return Drawn(mask, Receipt(annotations=1, painted=1))
