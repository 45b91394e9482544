"""Which of COCO-Stuff's sets lies where: folders of PNGs by split, or a folder of MAT files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from segdata.errors import DataError, OptionError, Problem
from segdata.files.places import list_folder, place
from segdata.files.remote import Place
from segdata.words import some

Release = Literal["164k", "10k", "challenge"]

PLACES = (
    "", "annotations", "stuffthingmaps", "annotations/stuffthingmaps", "images/stuffthingmaps", "stuffthingmaps_trainval2017",
    "labels", "annotations/annotations", "dataset/annotations", "stuff_annotations_trainval2017/annotations",
)  # fmt: skip
"""Where the folders of masks lie below SRC."""

SEEN = re.compile(
    rf"({'|'.join(f'{place}/' for place in PLACES if place)}|)"
    r"((train|val|test)20(14|17)/(COCO_\w+_)?\d{12}(_labelTrainIds)?\.png"
    r"|stuff_(train|val)2017_pixelmaps/\d{12}\.png|(annotations/)?COCO_\w+_\d{12}\.mat)"
)
"""The path of a mask of the set, by its folders and name."""

BARE = re.compile(r"(train|val|test)20\d\d/\w+(?<!_labelTrainIds)\.png")
"""The path of such a mask in a folder of SRC itself."""

YEARS: Mapping[str, Release] = {"2017": "164k", "2014": "10k", "_pixelmaps": "challenge"}
"""The set by the end of a folder's name."""

FOLDERS = {
    "train2017": "train", "val2017": "val", "train2014": "train", "val2014": "val", "test2014": "test",
    "stuff_train2017_pixelmaps": "train", "stuff_val2017_pixelmaps": "val",
}  # fmt: skip
"""The split of each folder of masks."""

TRAIN_IDS = "_labelTrainIds.png"


def is_seen(files: Sequence[str]) -> bool:
    """Whether masks of the set are among files of SRC. Those in its own train2017/ may be images, if there is JSON."""
    doubtful = any(path.endswith(".json") for path in files)
    return any(SEEN.fullmatch(path) and not (doubtful and BARE.fullmatch(path)) for path in files)


class Found(NamedTuple):
    """A set: which, the folder of its masks, and the folder of each split in that; none if it holds MAT files itself."""

    release: Release
    folder: Place
    splits: Mapping[str, str]


def find_set(root: Place, mask_dir: str | Path | None, release: Release | None) -> Found:
    """The one set that SRC means. Raises `DataError` (`cocostuff.missing`), `OptionError` where there are several."""
    places = [root / name if name else root for name in PLACES]
    if mask_dir is not None:
        given = (root / str(mask_dir), place(mask_dir))
        places = [next((there for there in given if there.is_dir()), given[1])]
    sets = [one for folder in places for one in sets_in(folder)]
    if mask_dir is None and any(one.folder != root for one in sets):  # then PNGs in SRC's own train2017/ are images
        sets = [one for one in sets if one.folder != root or one.release == "challenge" or not one.splits]
    if release is not None:
        sets = [one for one in sets if one.release == release] or list(_as(sets, release))
    if not sets:
        what = "no train2017/, val2017/ or stuff_*_pixelmaps/ with PNGs, and no annotations/*.mat"
        message = (
            f"there is {what}{f' of the {release} set' if release else ''}: --mask-dir DIR is the folder with them"
        )
        raise DataError(Problem("cocostuff.missing", message, file=str(places[0])))
    if len(kinds := dict.fromkeys(one.release for one in sets)) > 1:
        raise OptionError(
            f"{root}: holds masks of the sets {' and '.join(kinds)}: --release names the one that is meant"
        )
    if len(sets) > 1:
        raise OptionError(
            f"{root}: masks lie in {some(one.folder for one in sets)}: --mask-dir names one of these folders"
        )
    return sets[0]


def _as(sets: Sequence[Found], release: Release) -> Iterator[Found]:
    """Folders of PNGs taken for those of the 164k or of the 10k set, whatever they are called."""
    for one in sets:
        if {one.release, release} <= {"164k", "10k"} and one.splits:
            yield one._replace(release=release)


def sets_in(folder: Place) -> Iterator[Found]:
    """The sets whose masks lie in a folder."""
    if not folder.is_dir():
        return
    there = [name for name in FOLDERS if (folder / name).is_dir() and pngs_in(folder / name)]
    for ending, release in YEARS.items():
        if names := [name for name in there if name.endswith(ending)]:
            yield Found(release, folder, {FOLDERS[name]: name for name in names})
    if any(name.endswith(".mat") for name in list_folder(folder)):
        yield Found("10k", folder, {})


def pngs_in(folder: Place) -> list[str]:
    """The names of the PNGs in a folder, sorted, but for hidden ones."""
    return sorted(name for name in list_folder(folder) if name.endswith(".png") and name[:1] != ".")


def masks_in(folder: Place) -> tuple[dict[str, str], int]:
    """The mask by image name without ending, and how many files of train ids are passed over: those with a map beside them."""
    names = pngs_in(folder)
    masks = {name.removesuffix(TRAIN_IDS): name for name in names if name.endswith(TRAIN_IDS)}
    maps = {name[:-4]: name for name in names if not name.endswith(TRAIN_IDS)}
    return {**masks, **maps}, len(masks.keys() & maps.keys())


def check_names(found: Found, train_ids: bool) -> None:
    """Raise `OptionError` for train ids of images that are called as those of the other set are.

    Train ids count from 0 in the 164k set, from 1 in the 10k set; images are called 000000000009 and COCO_train2014_000000000077.
    """
    for folder in found.splits.values():
        for name, file in masks_in(found.folder / folder)[0].items():
            told = "10k" if name.startswith("COCO_") else "164k" if re.fullmatch(r"\d{12}", name) else found.release
            if (train_ids or file.endswith(TRAIN_IDS)) and told != found.release:
                what = f"{folder}/{file} is called as in the {told} set, the folder as in the {found.release} set"
                way_out = f"--release {told} or --release {found.release} says which it is"
                raise OptionError(f"{found.folder}: {what}, whose train ids differ: {way_out}")
