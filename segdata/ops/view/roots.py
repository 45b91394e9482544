"""Which image files a dataset may lead to: its maker may be a stranger, and a manifest can name any file and any URL.

Each image of the dataset is opened through `Dataset.image_path`, so that is where it is checked. Without roots given by the user,
an image may be where the manifest says, and the user is told which folders these are; a link that leads on from there is not
followed, and nothing is fetched from a network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, OptionError, Problem
from segdata.files.members import holder
from segdata.files.places import real
from segdata.files.remote import Remote, is_remote
from segdata.ops.view.index import lines

FEW = 12
"""Folders that are told of; of more, those that they have in common."""


@dataclass(frozen=True, slots=True, repr=False)
class Fenced(Dataset):
    """A dataset that gives the path of an image only if it may be opened. `roots` are the user's; without any, see above."""

    roots: tuple[str, ...] = ()

    @classmethod
    def around(cls, dataset: Dataset, roots: Sequence[str]) -> Fenced:
        """The same dataset with a fence. Raises `OptionError` for a root that is no folder."""
        known = {one.name: getattr(dataset, one.name) for one in fields(Dataset)}
        return cls(**known, roots=tuple(map(root_of, roots)))

    def image_path(self, sample: Sample) -> str:
        """As of any dataset. Raises `DataError` (`image.outside`) for what may not be opened, too."""
        path = Dataset.image_path(self, sample)
        if is_remote(path):
            if not _url_is_open(path, self):
                _refuse(path, sample, "is fetched only if you name where it is", _above(path))
            return path
        file = holder(path)
        led = os.path.realpath(file)
        if isinstance(self.root, Path) and _below(led, _real(str(self.root))):
            return path
        allowed = [root for root in self.roots if not is_remote(root)] if self.roots else [self._named(file)]
        if not any(_below(led, root) for root in allowed):
            what = "is outside the dataset" if self.roots else f"is a link out of its folder, to {led}"
            _refuse(path, sample, what, os.path.dirname(led))
        return path

    def _named(self, file: str) -> str:
        """The folder where the manifest says that an image is; of a dataset's own links, where they lead."""
        if self.images == "link" and os.path.islink(file):
            file = os.path.join(_real(os.path.dirname(file)), os.readlink(file))
        return _real(os.path.dirname(file))


def root_of(folder: str) -> str:
    """A root as it is compared: without links, or its URL. Raises `OptionError` for one that is no folder."""
    if is_remote(folder):
        return folder.rstrip("/")
    if not os.path.isdir(folder):
        raise OptionError(f"--image-root {folder}: there is no such folder")
    return real(folder)


@dataclass(frozen=True, slots=True)
class Outside:
    """Where images are that are not in the dataset: the `folders` that they are read from, `refused` addresses."""

    folders: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Fenced, named: Iterable[str]) -> Outside:
        """Those of a dataset; `named` are the folders of images as its manifest has them."""
        if dataset.images not in ("reference", "link"):
            return cls()
        if dataset.images == "link":
            named = {*named, *_linked(dataset)}
        found = {one if is_remote(one) else str(dataset.root / one) for one in named}
        urls = {one for one in found if is_remote(one)}
        refused = {one for one in urls if not _url_is_open(f"{one}/image", dataset)}
        folders = [one for one in map(_real, found - urls) if not _below(one, _real(str(dataset.root)))]
        told = (*(dataset.roots or fewest(folders)), *sorted({_host(one) for one in urls - refused}))
        return cls(told, tuple(sorted({_host(one) for one in refused})[:FEW]))


def fewest(folders: Iterable[str]) -> list[str]:
    """Folders without those below others; if they are many, those that they have in common."""
    found = sorted(set(folders), key=lambda one: one.split(os.sep))
    while True:
        kept: list[str] = []
        for one in found:
            if not (kept and _below(one, kept[-1])):
                kept.append(one)
        deepest = max((one.count(os.sep) for one in kept), default=0)
        if len(kept) <= FEW or deepest <= 1:
            return kept
        above = {os.path.dirname(one) if one.count(os.sep) == deepest else one for one in kept}
        found = sorted(above, key=lambda one: one.split(os.sep))


def _linked(dataset: Fenced) -> set[str]:
    """The folders that the dataset's own links lead to."""
    found: set[str] = set()
    for line in (line for batch in lines(dataset) for line in batch):
        if line.image is not None and os.path.islink(file := str(dataset.root / line.image)):
            found.add(os.path.dirname(os.path.join(os.path.dirname(file), os.readlink(file))))
    return found


def _url_is_open(url: str, dataset: Fenced) -> bool:
    """Whether something may be fetched: it is below a root, or in the storage that the dataset itself is in."""
    root = dataset.root
    own = [] if not isinstance(root, Remote) else [str(root) if dataset.roots else root.bucket]
    return any(_url_below(url, one) for one in (*dataset.roots, *own))


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)


def _url_below(url: str, root: str) -> bool:
    """Whether a URL is below another one, whoever reads it: nothing in it may lead upwards."""
    if not is_remote(root):
        return False
    here, there = urlsplit(url), urlsplit(root)
    steps = unquote(unquote(here.path)).replace("\\", "/").split("/")
    if min(url) < " ":
        return False
    same = (here.scheme.lower(), here.netloc.lower()) == (there.scheme.lower(), there.netloc.lower())
    return same and not {".", ".."} & set(steps) and f"{here.path}/".startswith(f"{there.path.rstrip('/')}/")


def _above(url: str) -> str:
    return url.rpartition("/")[0]


def _host(url: str) -> str:
    """Scheme and host of a URL, or its bucket."""
    return "/".join(url.split("/")[:3])


def _real(folder: str) -> str:
    return _known(os.path.abspath(folder))


@lru_cache(maxsize=1024)
def _known(folder: str) -> str:
    return os.path.realpath(folder)


def _refuse(path: str, sample: Sample, what: str, root: str) -> NoReturn:
    way_out = f"if you trust this dataset, open it with --image-root {root}"
    raise DataError(Problem("image.outside", f"{what}: {way_out}", path, sample.id))
