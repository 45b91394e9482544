"""How a mask's pixels become class ids: its values, its colours, or a threshold; and what is said where they cannot."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem, located
from segdata.files.door import open_mask
from segdata.files.file import access_to
from segdata.files.images import STRIP, plain_tiff_size, read_mask, read_palette, read_stored
from segdata.files.places import is_stored, read_start
from segdata.files.png import GREY, SIGNATURE
from segdata.files.rasters import MaskRaster
from segdata.kernels.lookup import look_up
from segdata.labels import RGB, Labels, Mask, Remap, tally
from segdata.readers.diagnose import (
    Diagnosis,
    diagnose_colors,
    diagnose_lossy,
    diagnose_values,
    luma,
    pack,
    unpack_color,
)
from segdata.readers.source import Banded, Drawn, Receipt
from segdata.windows import Window

Way = Literal["values", "colors", "threshold"]

LARGE = 2**24
"""TIFFs of more pixels are read some rows at a time: 4,096 x 4,096."""

BLOCK = 512
"""Rows that are read together are a multiple of this, as the tiles of most files are."""


class Palettes(NamedTuple):
    """What the palettes of the masks looked at have in common: by packed colour its index, and a file that has it there.

    `all` are the bytes of the palette where it is the same everywhere.
    """

    indices: Mapping[int, tuple[int, str]] = {}
    all: bytes | None = None


NO_PALETTES = Palettes()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What holds for every mask. `names` and `ids`: by value or packed colour the class, None for void.

    By a threshold: below it 0, from it on 1. `colors` are those of the class table, whether they are read by or not.
    """

    way: Way
    names: Mapping[int, str | None]
    ids: Mapping[int, int | None]
    colors: tuple[RGB, ...] = ()
    threshold: int = 0
    palettes: Palettes = NO_PALETTES

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(set(self.names.values()) - {None})

    def through(self, remap: Remap) -> dict[int, int | None]:
        """Value or packed colour -> the target's class id, None for void."""
        return {value: None if id is None else remap.mapping[id] for value, id in self.ids.items()}


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A mask in a file of any kind."""

    path: str
    meaning: Meaning

    @property
    def ids(self) -> list[str]:
        """One annotation: the mask, by its file name."""
        return [os.path.basename(self.path)]

    def draw(self, remap: Remap) -> Drawn:
        """Its pixels through both tables at once. Raises `DataError` (`mask.*`) with the diagnosis and the way out."""
        draw = {"values": draw_values, "colors": draw_colors, "threshold": draw_threshold}[self.meaning.way]
        with located(file=self.path):
            return Drawn(draw(self.path, self.meaning, remap), Receipt(annotations=1, painted=1))

    @contextmanager
    def bands(self, remap: Remap) -> Iterator[Banded | None]:
        """See `LargeAnnotation`: of large TIFFs of values, or of grey that is read by a threshold."""
        with open_large(self.path, self.meaning.way) as raster:
            if raster is None:
                yield None
                return
            rows = banded_values if self.meaning.way == "values" else banded_threshold
            receipt = Receipt(annotations=1, painted=1)
            yield Banded((raster.height, raster.width), rows(raster, self, remap), receipt)


@contextmanager
def open_large(path: str, way: Way) -> Iterator[MaskRaster | None]:
    """A mask of so many pixels that it is better read some rows at a time, where that can be; None for others."""
    size = None
    if way != "colors" and not is_stored(path) and access_to(path, "mask") == "windows":
        size = plain_tiff_size(path, palette=way == "values")
    if size is None or size[0] * size[1] <= LARGE:
        yield None
        return
    with open_mask(path) as raster:
        yield raster if isinstance(raster, MaskRaster) else None


def read_bands(raster: MaskRaster) -> Iterator[Mask]:
    """(h, W) values from the top."""
    rows = max(1, STRIP // raster.width // BLOCK) * BLOCK
    for y in range(0, raster.height, rows):
        yield raster.read(Window(y, 0, min(rows, raster.height - y), raster.width))


def banded_values(raster: MaskRaster, file: LabelFile, remap: Remap) -> Iterator[Mask]:
    """(h, W) class ids from values."""
    table = remap.labels.table(file.meaning.through(remap))
    for values in read_bands(raster):
        try:
            ids = table(values)
        except ValueError:
            with located(file=file.path):
                if diagnosis := diagnose_values(values, file.meaning.names, tally_bands(raster)):
                    refuse(diagnosis)
            raise
        yield ids
    with located(file=file.path):
        check_palette(file.path, lambda: tally_bands(raster), file.meaning.palettes)


def banded_threshold(raster: MaskRaster, file: LabelFile, remap: Remap) -> Iterator[Mask]:
    """(h, W) class ids from brightness."""
    table = remap.labels.table(file.meaning.through(remap))
    for values in read_bands(raster):
        yield table((values >= file.meaning.threshold).view(np.uint8))


def tally_bands(raster: MaskRaster) -> dict[int, int]:
    """Value -> how often it occurs in all of a mask, in order of value."""
    found: Counter[int] = Counter()
    for values in read_bands(raster):
        found.update(tally(values))
    return dict(sorted(found.items()))


def draw_values(path: str, meaning: Meaning, remap: Remap) -> Mask:
    """(H, W) class ids from values."""
    values, _ = read_values(path, meaning)
    try:
        mask = remap.labels.table(meaning.through(remap))(values)
    except ValueError:
        if diagnosis := diagnose_values(values, meaning.names):
            refuse(diagnosis)
        raise
    check_palette(path, lambda: tally(values), meaning.palettes)
    return mask


def draw_colors(path: str, meaning: Meaning, remap: Remap) -> Mask:
    """(H, W) class ids from colours, each of which must be declared."""
    pixels, format = read_stored(path, expand=True)
    if pixels.ndim == 2:
        refuse(Diagnosis("deep", "holds numbers and no colours", "leave --colors out"))
    _check_colors(pixels, format, meaning)
    keys = np.array(sorted(meaning.ids), np.int64)
    ids, labels = meaning.through(remap), remap.labels
    table = np.array([labels.ignore if (id := ids[key]) is None else id for key in keys.tolist()], labels.dtype)
    mask = np.empty(pixels.shape[:2], labels.dtype)
    rows = max(1, STRIP // mask.shape[1])
    for y in range(0, len(mask), rows):
        packed = pack(pixels[y : y + rows])
        positions = np.empty(packed.size, np.int64)
        if look_up(packed.ravel(), keys, positions, np.zeros(len(keys), np.int64)) >= 0:
            known = [unpack_color(key) for key in meaning.ids]
            refuse(diagnose_colors(pixels[..., :3], known, meaning.classes, coded=True))
        mask[y : y + rows] = table[positions].reshape(packed.shape)
    return mask


def draw_threshold(path: str, meaning: Meaning, remap: Remap) -> Mask:
    """(H, W) class ids from brightness, of which the threshold must be able to make two."""
    brightness = read_brightness(path)
    if meaning.threshold > (top := int(np.iinfo(brightness.dtype).max)):
        what = f"its values go to {top} at most, so that none is {meaning.threshold} or above"
        refuse(Diagnosis("threshold", what, f"--threshold from 1 to {top}"))
    return remap.labels.table(meaning.through(remap))((brightness >= meaning.threshold).view(np.uint8))


def read_values(path: str, meaning: Meaning) -> tuple[Mask, str | None]:
    """(H, W) uint8 or uint16 values of a mask that is grey, palette, or RGB that is grey; and a note where it is the last."""
    try:
        return read_mask(path), None
    except DataError as error:
        if error.problem.code not in ("mask.colours", "mask.jpeg"):
            raise
    pixels, format = read_stored(path)
    if pixels.ndim == 2 and format != "JPEG":
        return _whole_numbers(pixels), "masks are of 32-bit numbers, all of them whole"
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    _check_colors(pixels, format, meaning)
    if (pixels[..., :3] == pixels[..., :1]).all():
        return np.ascontiguousarray(pixels[..., 0]), "masks are colour images of three equal channels: read as grey"
    refuse(diagnose_colors(pixels[..., :3], meaning.colors, meaning.classes, coded=False))


def read_brightness(path: str) -> Mask:
    """(H, W) uint8 brightness of any image as it looks: palettes and grey below 8 bits expanded; 16-bit grey as it is."""
    if _png_kind(path) in ((8, GREY), (16, GREY)):
        return read_mask(path)
    pixels, _ = read_stored(path, expand=True)
    if pixels.ndim == 2:
        return _whole_numbers(pixels)
    _check_alpha(pixels)
    return luma(pixels[..., :3])


def check_palette(path: str, values: Callable[[], Collection[int]], known: Palettes) -> None:
    """Raise `DataError` (`mask.palettes`) where a colour stands at another index than elsewhere: indices are no class ids.

    `values` gives those that occur in the mask, where that has to be known.
    """
    palette = find_palette(path) if known.indices else None
    if palette is None or palette.tobytes() == known.all:
        return
    for color, index in used_colors(palette, values()).items():
        there, other = known.indices.get(color, (index, ""))
        if there != index:
            what = f"palettes differ: {unpack_color(color)} has index {index} here, and {there} in {other}"
            refuse(Diagnosis("palettes", what, "--colors, with a --classes table of name,r,g,b"))


def find_palette(path: str) -> NDArray[np.uint8] | None:
    """(N, 3) colours of a mask's palette; None where it has none, or a damaged one, as its indices may do."""
    with suppress(DataError):
        return read_palette(path)
    return None


def used_colors(palette: NDArray[np.uint8], values: Collection[int]) -> dict[int, int]:
    """Packed colour -> index of the values that occur in a mask, but for colours that several of them have."""
    colors = [(color, index) for index, color in enumerate(pack(palette[None])[0].tolist()) if index in values]
    times = Counter(color for color, _ in colors)
    return {color: index for color, index in colors if times[color] == 1}


def refuse(diagnosis: Diagnosis) -> NoReturn:
    """Raise a diagnosis as a `DataError` (`mask.<kind>`)."""
    raise DataError(Problem(f"mask.{diagnosis.kind}", str(diagnosis)))


def _png_kind(path: str) -> tuple[int, int] | None:
    """Bit depth and colour type of a PNG; None for any other file."""
    with suppress(OSError):
        head = read_start(path, 26)
        return (head[24], head[25]) if head.startswith(SIGNATURE) and len(head) == 26 else None
    return None


def _check_colors(pixels: NDArray[np.uint8], format: str, meaning: Meaning) -> None:
    if format == "JPEG":
        refuse(diagnose_lossy(pixels[..., :3], meaning.classes))
    _check_alpha(pixels)


def _check_alpha(pixels: NDArray[np.uint8]) -> None:
    """Alpha may be left out where each colour has one alpha: then it tells nothing that colours do not."""
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else pixels[..., 0] * 0
    if (alpha == alpha[:1, :1]).all():
        return
    whole = np.ascontiguousarray(pixels).view(np.uint32)
    if len(np.unique(whole)) > len(np.unique(pack(pixels))):
        what = "is transparent in parts, where equal colours differ in alpha"
        refuse(Diagnosis("alpha", what, "export it without alpha"))


def _whole_numbers(pixels: NDArray[Any]) -> Mask:
    """Any numbers as (H, W) uint8 or uint16, where they are whole and 0 to 65535."""
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    good = np.isfinite(pixels).all() and (pixels >= 0).all() and (pixels <= 65535).all()
    if not good or (pixels != np.floor(pixels)).any():
        refuse(Diagnosis("numbers", "holds numbers that are not whole, or not from 0 to 65535", "export class ids"))
    return pixels.astype(np.uint16)


# A look at some masks before a long conversion


class Look(NamedTuple):
    """What a few masks have shown: notes for the receipt, the first problem or the one they have in common, and palettes."""

    notes: list[str]
    problem: Problem | None
    palettes: Palettes = NO_PALETTES


def look(masks: Sequence[tuple[str, str]], meaning: Meaning, labels: Labels, count: int = 16) -> Look:
    """Read up to `count` of the masks, (sample, path) each, evenly spread, and diagnose them together."""
    count = min(count, len(masks))
    remap = labels.table({label.id: label.id for label in labels.classes})
    notes: dict[str, None] = {}
    problems: list[Problem] = []
    seen: list[Seen] = []
    shown: set[int] = set()
    for sample, path in (masks[i * len(masks) // count] for i in range(count)):
        try:
            with located(file=path, sample=sample):
                file = LabelFile(path, meaning)
                if meaning.way == "values":
                    found, note = count_values(file)
                    seen.append(Seen(sample, path, found))
                    notes |= {note: None} if note else {}
                else:
                    with file.bands(remap) as large:
                        for mask in [file.draw(remap).mask] if large is None else large.rows:
                            shown |= tally(mask).keys()
        except DataError as error:
            problems.append(error.problem)
    if shown == {0} and len(labels.classes) > 1:
        notes["every pixel of the masks looked at is of class 0"] = None
    palettes = _common_palettes(seen)
    if seen and not problems:
        problems += filter(None, (_diagnose_together(seen, meaning), _compare_palettes(seen, palettes)))
    return Look(list(notes), problems[0] if problems else None, palettes)


def count_values(file: LabelFile) -> tuple[dict[int, int], str | None]:
    """How often each value occurs in a mask, and the note of `read_values`."""
    with open_large(file.path, file.meaning.way) as raster:
        if raster is not None:
            return tally_bands(raster), None
    values, note = read_values(file.path, file.meaning)
    return tally(values), note


def values_to_show(file: LabelFile) -> Mask:
    """(h, W): all values of a mask, of a large one the first rows that hold undeclared ones."""
    with open_large(file.path, file.meaning.way) as raster:
        if raster is not None:
            return next(
                values for values in read_bands(raster) if not tally(values).keys() <= file.meaning.names.keys()
            )
    return read_values(file.path, file.meaning)[0]


class Seen(NamedTuple):
    """A mask that was looked at."""

    sample: str
    path: str
    found: dict[int, int]


def _diagnose_together(seen: Sequence[Seen], meaning: Meaning) -> Problem | None:
    """Undeclared values of all the masks, told at the mask that has most of them."""
    names = meaning.names
    worst = max(seen, key=lambda one: len(one.found.keys() - names.keys()))
    found: Counter[int] = Counter()
    for one in seen:
        found.update(one.found)
    if found.keys() <= names.keys():
        return None
    diagnosis = diagnose_values(values_to_show(LabelFile(worst.path, meaning)), names, found)
    if diagnosis is None:
        return None
    strange = sum(not one.found.keys() <= names.keys() for one in seen)
    message = f"{diagnosis.message}, in {strange} of {len(seen)} masks looked at: {diagnosis.option}"
    return Problem(f"mask.{diagnosis.kind}", message, worst.path, worst.sample)


def _common_palettes(seen: Sequence[Seen]) -> Palettes:
    """The index that most masks have each colour at."""
    votes: Counter[tuple[int, int]] = Counter()
    files: dict[tuple[int, int], str] = {}
    palettes: set[bytes] = set()
    for one in seen:
        if (palette := find_palette(one.path)) is not None:
            palettes.add(palette.tobytes())
            for place in used_colors(palette, one.found).items():
                votes[place] += 1
                files.setdefault(place, os.path.basename(one.path))
    indices: dict[int, tuple[int, str]] = {}
    for (color, index), _ in votes.most_common():
        indices.setdefault(color, (index, files[color, index]))
    return Palettes(indices, palettes.pop() if len(palettes) == 1 else None)


def _compare_palettes(seen: Sequence[Seen], palettes: Palettes) -> Problem | None:
    """The first of the masks whose palette is not that of the others."""
    for one in seen:
        try:
            with located(file=one.path, sample=one.sample):
                check_palette(one.path, one.found.keys, palettes)
        except DataError as error:
            return error.problem
    return None


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A one-channel label image. `class_ids`: its values -> the source's class ids, None for void; the rest is refused."""

    path: str
    class_ids: Mapping[int, int | None]
    way_out: str = "correct the mask"

    @property
    def ids(self) -> list[str]:
        """One annotation: the mask, by its file name."""
        return [os.path.basename(self.path)]

    def draw(self, remap: Remap) -> Drawn:
        """The file's values through both tables at once. Raises `DataError` (`mask.*`)."""
        values = read_mask(self.path)
        straight = remap.labels.table({v: None if c is None else remap.mapping[c] for v, c in self.class_ids.items()})
        try:
            mask = straight(values)
        except ValueError as error:
            raise DataError(Problem("mask.values", f"{error}: {self.way_out}", file=self.path)) from error
        return Drawn(mask, Receipt(annotations=1, painted=1))
