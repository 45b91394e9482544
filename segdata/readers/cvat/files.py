"""Where CVAT's XMLs are, and where the images of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from segdata.errors import DataError, Problem, StorageError
from segdata.files.endings import IMAGE_ENDINGS, is_image
from segdata.files.places import below, leads_out, lies_below, matching, read_start
from segdata.files.remote import Place
from segdata.readers.detect import shown
from segdata.readers.named_images import ImageFinder, tail
from segdata.readers.source import Receipt
from segdata.readers.words_in_names import SPLIT_WORDS, words_of
from segdata.words import some

PLACES = ("*.xml", "annotations/*.xml", "*/*.xml")
"""Where XMLs are, the likeliest first. A folder below may be an export of its own."""

USUAL = ("annotations", "default")
"""What CVAT and Datumaro call an XML that is not of a split."""

LABEL_FOLDERS = ("annotations", "annotation", "labels")
"""Folders that hold label files alone, beside those of images."""

START, LOOKED_AT = 2**14, 5
"""So many bytes of an XML tell its format, and so many files of a folder that of all."""

NO_SUBSET = "default"
"""What CVAT calls the subset of tasks that have none."""

FRAME_ENDINGS = ("", ".PNG", ".png", ".jpg", ".JPG", ".jpeg", *IMAGE_ENDINGS)
"""What the file of a name without an ending may end with, the likeliest first."""


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for an XML with <annotations> of CVAT, itself or where CVAT and Datumaro have it."""
    if root.is_file():
        return unlike(root)
    there = {pattern: [path for path in matching(root, pattern) if path.name[:1] != "."] for pattern in PLACES}
    found = [path for paths in there.values() for path in paths[:LOOKED_AT] if path.is_file()]
    if not found:
        return "there is no annotations.xml, *.xml or */annotations.xml"
    reasons = [unlike(path) for path in found]
    return None if None in reasons else reasons[0]


def unlike(path: Place) -> str | None:
    """Why a file is no CVAT XML by its start."""
    try:
        text = read_start(path, START).decode("utf-8", "replace")
    except (OSError, StorageError):
        text = ""
    if re.search(r"<annotations[\s>]", text) and re.search(r"<(version|meta|image|track)[\s/>]", text):
        return None
    return f"{path.name} does not begin with <annotations> and <version>, <meta>, <image> or <track>"


@dataclass(frozen=True, slots=True)
class LabelXml:
    """An XML: what it is called, the split that its name says, and the folder that sets its ids apart from others' ("")."""

    path: Place
    name: str
    split: str | None = None
    prefix: str = ""

    def split_of(self, subset: str | None) -> str | None:
        """The split of a subset in it."""
        return self.split if subset in (None, NO_SUBSET) else subset

    def id_path(self, name: str) -> str:
        """The POSIX path that the id of an image is made of; of a name of another machine, its parts."""
        path = name.replace("\\", "/").removeprefix("./")
        path = path if lies_below(path) and not leads_out(path) else "/".join(tail(name)) or "image"
        path = path if is_image(path) else f"{path}.png"
        return f"{self.prefix}/{path}" if self.prefix else path


def find_xmls(root: Place, receipt: Receipt) -> list[LabelXml]:
    """The XMLs that SRC means; what lies beside them and is none gets a note. Raises `DataError` (`cvat.missing`)."""
    if root.is_file():
        return [LabelXml(root, root.stem, word_of(root.stem))]
    if not root.is_dir():
        raise DataError(Problem("cvat.missing", "there is no such file or folder", str(root)))
    there = {path: pattern for pattern in reversed(PLACES) for path in shown(root, pattern)}
    good = [path for path in there if unlike(path) is None]
    for pattern in PLACES:
        if found := sorted(path for path in good if there[path] == pattern):
            if others := sorted(below(path, root) for path in there if path not in found):
                receipt.notes.append(f"other XMLs are not read: {some(others)}")
            return named(found, root)
    message = "holds no annotations.xml of CVAT: give its folder, or the XML itself"
    raise DataError(Problem("cvat.missing", message, str(root)))


def named(paths: Sequence[Place], root: Place) -> list[LabelXml]:
    """XMLs with their names; those of one split have a folder each in their ids."""
    names = {path: path.parent.name if path.stem in USUAL and path.parent != root else path.stem for path in paths}
    times = Counter(word_of(name) for name in names.values())
    return [
        LabelXml(path, name, word, name if times[word] > 1 else "")
        for path, name in names.items()
        for word in [word_of(name)]
    ]


def word_of(name: str) -> str | None:
    """The split that a file's name says: itself, or the one word in it that is one."""
    words = words_of(name) & set(SPLIT_WORDS)
    return None if len(words) != 1 else name if name.lower() in words else words.pop()


# Images


class Images:
    """Finds the images that an XML names. Of a subset that has a folder of its own, they are in that alone."""

    def __init__(self, xml: LabelXml, image_dir: Place | None) -> None:
        base = xml.path.parent
        bases = [base / "images", base]
        if base.name in LABEL_FOLDERS:
            bases += [base.parent / "images", base.parent]
        self._xml = xml
        self._bases = bases if image_dir is None else [image_dir]
        self._folders: dict[str | None, list[Place]] = {}
        self._finders: dict[str | None, ImageFinder] = {}
        self._ending = ""

    @property
    def finders(self) -> Iterable[ImageFinder]:
        """Those of the subsets that were asked for."""
        return self._finders.values()

    def folders(self, subset: str | None) -> list[Place]:
        """The folders where images of a subset may be, the likeliest first."""
        if subset not in self._folders:
            name = None if self._xml.name == USUAL[0] else self._xml.name  # a folder of that name is the images' own
            names = [name for name in (subset, self._xml.split, name) if name and lies_below(name)]
            own = [base / name for base in self._bases for name in dict.fromkeys(names) if (base / name).is_dir()]
            self._folders[subset] = own or [base for base in self._bases if base.is_dir()] or self._bases[:1]
        return self._folders[subset]

    def find(self, name: str, subset: str | None) -> str | Problem:
        """The file of a name, which may lack the ending, as frames of videos do; or the problem `image.*`."""
        if subset not in self._finders:
            self._finders[subset] = ImageFinder(self.folders(subset))
        path = name.replace("\\", "/")
        if is_image(name) or not lies_below(path):
            return self._finders[subset].find(name)
        for ending in dict.fromkeys((self._ending, *FRAME_ENDINGS)):
            for folder in self.folders(subset):
                if (there := folder / f"{path}{ending}").is_file():
                    self._ending = ending
                    return str(there)
        return self._finders[subset].find(f"{name}.png")
