"""The cases of an nnU-Net data set: which label image and which image files are of one."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename, dirname, splitext

from segdata.errors import DataError, OptionError, Problem
from segdata.files.endings import IMAGE_ENDINGS
from segdata.files.listing import kinds_in
from segdata.files.places import absolute, links_out, names_in, place
from segdata.files.remote import Place
from segdata.readers.nnunet.json import Card, Case
from segdata.readers.source import Receipt
from segdata.words import some

PARTS = ("Tr", "Ts")
"""The ends of the folders of training and test cases."""

CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})", re.DOTALL)
"""The name of an image file without its ending."""


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases of labelsTr/ (`part` Tr) or labelsTs/: the path of the label image, and the paths of image files, by name.

    `missing` says where a label image would be.
    """

    part: str
    folder: Place
    labels: Mapping[str, str]
    images: Mapping[str, Sequence[str]]
    missing: str


def find_cases(folder: Place, card: Card, ending: str, images: bool, receipt: Receipt) -> list[Cases]:
    """The cases of training, and of the test if it has label images. Raises `DataError` (`nnunet.*`)."""
    if card.dataset is not None:
        return [listed_cases(folder, card.dataset, images)]
    found = []
    for part in PARTS:
        names = sorted(name for name in names_in(folder / f"labels{part}") if has(name, ending) and name[:1] != ".")
        labels = {name[: -len(ending)]: f"{folder}/labels{part}/{name}" for name in names}
        files = by_case(folder / f"images{part}", ending) if images else {}
        if part == "Ts" and (rest := files.keys() - labels.keys()):
            receipt.notes.append(f"imagesTs: {len(rest):,} images without a file in labelsTs/ are left out")
            files = {name: paths for name, paths in files.items() if name in labels}
        if labels:
            found.append(Cases(part, folder, labels, files, f"labels{part}/{{}}{ending}"))
    if not found:
        there = kinds_in(names_in(folder / "labelsTr"))
        message = (
            f"holds {there}, and file_ending in dataset.json is {ending}: correct it, or put the label images there"
        )
        raise DataError(Problem("nnunet.missing", message, str(folder / "labelsTr")))
    train = len(found[0].labels) if found[0].part == "Tr" else 0
    if isinstance(card.numTraining, int) and card.numTraining != train:
        receipt.warnings.append(
            f"dataset.json: numTraining is {card.numTraining}, and labelsTr/ has {train} label images"
        )
    return found


def has(name: str, ending: str) -> bool:
    """Whether a file has an ending, in capital letters or not."""
    return name.lower().endswith(ending.lower())


def listed_cases(folder: Place, cases: Mapping[str, Case], images: bool) -> Cases:
    """The cases that dataset.json lists with their paths. Raises `DataError` (`nnunet.path`) for one that leads out of SRC."""

    def path(given: str) -> str:
        inside = given.removeprefix(f"{absolute(folder)}/").removeprefix("./")
        if links_out(folder, inside):
            message = (
                f"dataset: {given!r} leads out of the set's folder: move the file there, and name its path from there"
            )
            raise DataError(Problem("nnunet.path", message, str(folder / "dataset.json")))
        return f"{folder}/{inside}"

    labels = {name: there for name, case in cases.items() if place(there := path(case.label)).is_file()}
    files = {name: [path(one) for one in case.images] for name, case in cases.items()} if images else {}
    return Cases("Tr", folder, labels, files, "label image of {} where dataset.json has it")


def by_case(folder: Place, ending: str | None = None) -> dict[str, list[str]]:
    """The paths of a folder's images by case, channels in order; of those with an ending, if there are any."""
    names = sorted(name for name in names_in(folder) if name[:1] != ".")
    usual = [name for name in names if ending is not None and has(name, ending)]
    found: dict[str, list[str]] = defaultdict(list)
    for name in usual or names:
        stem, kind = splitext(name)
        if kind.lower() in IMAGE_ENDINGS and (match := CHANNEL.fullmatch(stem)):
            found[match["case"]].append(f"{folder}/{name}")
    return found


class Finder:
    """Finds the image of a case: the file of a channel, or a file of a folder that is given."""

    def __init__(self, card: Card, channel: str | None, image_dir: Place | None) -> None:
        """Raises `OptionError` for a channel that there is not."""
        self.channels, self.image_dir = card.channels, image_dir
        self.channel = None if channel is None else self._number(channel)
        self._given: dict[Place, tuple[Mapping[str, str], Mapping[str, Sequence[str]]]] = {}

    def _number(self, channel: str) -> str:
        """`0000` for that, for 0, and for the name of the channel."""
        named = [number for number, name in self.channels.items() if name == channel]
        if channel.isdecimal() and len(channel) <= 4:
            return channel.zfill(4)
        if len(named) != 1:
            there = some(f"{number} ({name})" for number, name in self.channels.items())
            raise OptionError(f"--channel {channel}: no channel, or several: there are {there or 'none'}")
        return named[0]

    def find(self, cases: Cases, name: str) -> str | Problem:
        """A case's image, or why there is none: `image.missing`, `nnunet.channels`."""
        files = cases.images
        if self.image_dir is not None:
            plain, files = self._in_folder(self.image_dir, cases.part)
            if name in plain:
                return plain[name]
            there = f"{self.image_dir} holds no {name}.* and no {name}_0000.*"
        else:
            there = f"there is no {files[name][0] if name in files else f'images{cases.part}/{name}_0000.*'}"
        paths = files.get(name, [])
        if not paths or not place(paths[0]).is_file():
            way_out = "put it there, give the folder of images called NAME (--image-dir DIR), or make masks alone (--images none)"
            return Problem("image.missing", f"{there}: {way_out}", paths[0] if paths else None)
        numbers = numbers_of(paths)
        if self.channel is not None:
            what = f"has no channel {self.channel}: there are {some(numbers)}"
            return numbers.get(self.channel) or Problem("image.missing", what, paths[0])
        return (
            paths[0] if len(paths) == 1 else Problem("nnunet.channels", self._several(cases, name, numbers), paths[0])
        )

    def _in_folder(self, given: Place, part: str) -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
        """Of the given folder: the path of each image by its name, and the paths of channels by case."""
        inner = given / f"images{part}"
        folder = inner if inner.is_dir() else given
        if folder not in self._given:
            images = {stem: f"{folder}/{name}" for name in names_in(folder) for stem, kind in [splitext(name)]
                      if kind.lower() in IMAGE_ENDINGS}  # fmt: skip
            self._given[folder] = images, by_case(folder)
        return self._given[folder]

    def _several(self, cases: Cases, name: str, numbers: Mapping[str, str]) -> str:
        """What to do with a case of several channels in files of their own."""
        told = some(f"{number} ({self.channels[number]})" if number in self.channels else number for number in numbers)
        what = f"has {len(numbers)} channels in files of their own, {told}: --channel {next(iter(numbers))} takes one"
        folders = {dirname(path) for path in numbers.values()}
        stems = [splitext(basename(path))[0] for path in numbers.values()]
        if len(folders) > 1 or stems != [f"{name}_{number}" for number in numbers]:
            return what  # files that dataset.json lists, which need not be called after the case
        stack = f"segdata stack {shlex.quote(folders.pop())} STACKED/images{cases.part} --bands {','.join(numbers)}"
        return f"{what}; or put them together: {stack}, then --image-dir STACKED"


def numbers_of(paths: Sequence[str]) -> dict[str, str]:
    """The files of a case by channel: the number in the name, or the place if those are not different numbers."""
    matches = [CHANNEL.fullmatch(splitext(basename(path))[0]) for path in paths]
    numbers = {match["channel"]: path for match, path in zip(matches, paths, strict=True) if match}
    return numbers if len(numbers) == len(paths) else {f"{at:04d}": path for at, path in enumerate(paths)}
