"""What a reader yields: foreign labels as data, and the receipt of what becomes of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, NoReturn, Protocol

import msgspec

from segdata.dataset.ids import portable_ids
from segdata.errors import DataError, OptionError, Problem, Report, raise_exhausted
from segdata.files import places
from segdata.files.images import Exif
from segdata.files.places import file_digest
from segdata.files.rasters import Values
from segdata.files.remote import Place
from segdata.labels import Labels, Mask, Remap
from segdata.readers.paint import Contest
from segdata.words import briefly, some

WORDS = ("contests", "notes", "warnings")
"""Lists of a receipt that hold no `Problem`."""


class Receipt(msgspec.Struct):
    """What went in, what came out, and everything that was dropped, repaired or contested. Receipts add.

    The arithmetic closes: `annotations == painted + len(skipped)` and `images == converted + len(skipped_images)`.
    `hidden` are painted annotations of which no pixel is left in the mask; `crowds` are annotations of groups of objects,
    `boxes` those that have a box and no outline. `alphas` are images whose format says that they have transparency. `warnings`
    are notes of what is probably not meant. `under_nodata` are labelled pixels that became ignored because their image has no
    data there, in so many images.
    """

    __repr__ = briefly

    images: int = 0
    converted: int = 0
    annotations: int = 0
    painted: int = 0
    skipped_images: list[Problem] = []
    skipped: list[Problem] = []
    hidden: list[Problem] = []
    clipped: list[Problem] = []
    repaired: list[Problem] = []
    renamed: list[Problem] = []
    exif: list[Problem] = []
    notes: list[str] = []
    contested: int = 0
    contests: list[Contest] = []
    crowds: int = 0
    boxes: int = 0
    warnings: list[str] = []
    alphas: int = 0
    under_nodata: int = 0
    nodata_images: int = 0

    def add(self, other: Receipt) -> None:
        """Add another receipt to this one; `Receipt.close` merges contests and puts the lists in order."""
        for name in self.__struct_fields__:
            value = getattr(other, name)
            if isinstance(value, list):
                getattr(self, name).extend(value)
            elif value:
                setattr(self, name, getattr(self, name) + value)

    def at(self, sample: str) -> Receipt:
        """The same, with the sample named in every line that does not name one."""
        for name in self.__struct_fields__:
            if name not in WORDS and isinstance(lines := getattr(self, name), list) and lines:
                setattr(self, name, [line if line.sample else replace(line, sample=sample) for line in lines])
        return self

    def close(self) -> None:
        """Merge contests of the same classes and sort every list, so that the order of adding leaves no trace."""
        sums: dict[tuple[int, int, int], int] = {}
        for c in self.contests:
            key = (c.winner, c.first, c.second)
            sums[key] = sums.get(key, 0) + c.pixels
        self.contests = [Contest(*key, n) for key, n in sorted(sums.items(), key=lambda kv: (-kv[1], kv[0]))]
        for name in self.__struct_fields__:
            if isinstance(lines := getattr(self, name), list) and name not in WORDS:
                lines.sort(key=lambda p: (p.sample or "", _natural(p.annotation), p.code, p.message))


def _natural(annotation: int | str | None) -> tuple[int, str]:
    return (annotation, "") if isinstance(annotation, int) else (-1, annotation or "")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One item's mask (H, W) in the target's class ids, and its part of the receipt.

    `counts`: how often each value occurs in the mask, ascending, where drawing told.
    """

    __repr__ = briefly

    mask: Mask
    receipt: Receipt
    counts: dict[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.mask.shape[0], self.mask.shape[1]


@dataclass(frozen=True, slots=True)
class Banded:
    """The same for a mask of `size` (height, width) that is drawn as it is asked for: (h, W) rows from the top, once."""

    size: tuple[int, int]
    rows: Iterator[Mask]
    receipt: Receipt


class Annotation(Protocol):
    """How a format keeps the labels of one image. Data that pickles; pixels appear only in `draw`."""

    @property
    def ids(self) -> Sequence[int | str]:
        """The annotations in it, as the receipt names them."""

    @property
    def files(self) -> Sequence[str]:
        """The paths of the files that hold the labels of this image alone."""

    def draw(self, remap: Remap) -> Drawn:
        """The mask, source class ids through `remap`. Raises `DataError`."""


@dataclass(frozen=True, slots=True)
class InFile:
    """What annotations share that are a file of one image: by default one mask, called after the file."""

    path: str

    @property
    def ids(self) -> Sequence[int | str]:
        """See `Annotation`."""
        return [os.path.basename(self.path)]

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return (self.path,)


class InShared:
    """What annotations share whose labels lie in a file with those of other images."""

    __slots__ = ()

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return ()


def places_in(path: str, read: Callable[[], Sequence[object]]) -> Sequence[int | str]:
    """The places, from 0, of what is read from a label file; of a file that cannot be read, its name."""
    try:
        return range(len(read()))
    except DataError:
        return [os.path.basename(path)]


class LargeAnnotation(Annotation, Protocol):
    """One whose mask may be too large to be drawn at once."""

    def bands(self, remap: Remap) -> AbstractContextManager[Banded | None]:
        """What `draw` gives, some rows at a time; None where it can or must be drawn at once. Raises `DataError`."""


class ScoredAnnotation(Annotation, Protocol):
    """One that has the scores of a model."""

    def scores(self) -> Iterator[tuple[int, int, Values]]:
        """(y, x, (K, h, w) float32 probabilities), on whole tiles as `write_scores` takes them. Raises `DataError`."""


class Item(NamedTuple):
    """One foreign sample: `image` is the image's path or None; `size` (height, width) where the labels state it."""

    id: str
    image: str | None
    size: tuple[int, int] | None
    annotation: Annotation
    split: str | None = None
    group: str | None = None
    exif: Exif | None = None
    """Which way up the labels are, where the source tells."""


class Input(msgspec.Struct, frozen=True):
    """A label file that was read: base name and SHA-256 of its bytes."""

    name: str
    sha256: str

    @classmethod
    def of(cls, path: Place) -> Input:
        """Of a file. Raises `OSError`, `StorageError`."""
        return cls(path.name, file_digest(path))


@dataclass(frozen=True, slots=True)
class SourceClass:
    """A class of the source: its ids there, its name, and the class id in `Source.labels` (None: ignore)."""

    source_id: int | str
    name: str
    class_id: int | None


@dataclass(frozen=True, slots=True)
class Source:
    """A reader's result. `receipt` holds what was decided or left out while reading, before any item is drawn."""

    __repr__ = briefly

    labels: Labels
    items: Sequence[Item]
    inputs: tuple[Input, ...]
    classes: tuple[SourceClass, ...]
    receipt: Receipt
    options: dict[str, object]
    """The reader's options that change pixels, defaults resolved."""
    predicted: bool = False
    """Whether a model made the labels: nothing but background is then a prediction like any other."""


def renamed(found: Source) -> Source:
    """The same source, with ids, splits and groups that every file system and every file can hold: see `portable_ids`."""
    ids, problems = portable_ids(item.id for item in found.items)
    if not problems:
        return found
    found.receipt.renamed += problems
    items = [item._replace(id=ids[item.id], split=_utf8(item.split), group=_utf8(item.group)) if item.id in ids else item
             for item in found.items]  # fmt: skip
    return replace(found, items=items)


def _utf8(name: str | None) -> str | None:
    return None if name is None else name.encode(errors="backslashreplace").decode()


def refuse_split(split: str, root: object, there: Iterable[str | None]) -> NoReturn:
    """Raise `OptionError` for a split that SRC does not have, with those that it has."""
    known = sorted({str(name) for name in there if name is not None})
    what = f"there are {some(known)}" if known else "its samples are in no split: leave --split out"
    raise OptionError(f"{root}: no split {split!r}: {what}")


def left_out(sample: str, annotations: Sequence[int | str], reason: Problem) -> Receipt:
    """The receipt of an image that is not converted, and of every annotation on it."""
    why = f"its image was left out: {reason.message}"
    gone = [Problem("image.skipped", why, reason.file, sample, annotation) for annotation in annotations]
    return Receipt(images=1, annotations=len(gone), skipped_images=[replace(reason, sample=sample)], skipped=gone)


def leave_out(
    problem: Problem,
    annotations: Sequence[int | str],
    report: Report,
    receipt: Receipt,
    *,
    sample: str | None = None,
) -> None:
    """Report what is wrong with a sample, and count it and its annotations as left out. Raises `DataError` to stop there.

    `sample` is what the receipt calls it if the problem names none.
    """
    report.add(problem)
    receipt.add(left_out(sample or problem.sample or "", annotations, problem))


@contextmanager
def readable(path: object, code: str) -> Iterator[None]:
    """Raise `DataError` (`code`) for the `OSError` of a file that cannot be read."""
    try:
        yield
    except OSError as error:
        raise_exhausted(error, path)
        raise DataError(Problem(code, f"cannot be read: {error.strerror or error}", str(path))) from error


def read_text(path: Place, code: str) -> str:
    """The text of a small file, line ends as `\\n`. Raises `DataError` of this code for what is missing or not UTF-8."""
    try:
        return places.read_text(path, "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise DataError(Problem(code, f"cannot be read: {why}", file=path.name)) from error
