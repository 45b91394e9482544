"""Masks in files, the annotation of every format that has them: by values, by colours, or by a threshold of brightness."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem, located
from segdata.files.images import STRIP, read_mask, read_stored
from segdata.files.numbers import Numbers, nodata_of, open_numbers, whole_numbers
from segdata.files.places import read_start
from segdata.files.png import GREY, SIGNATURE
from segdata.kernels.lookup import look_up
from segdata.labels import RGB, Mask, Remap, tally
from segdata.readers.diagnose import (
    Diagnosis,
    diagnose_colors,
    diagnose_lossy,
    diagnose_values,
    luma,
    pack,
    unpack_color,
)
from segdata.readers.label_bands import Bands, open_large, read_bands, tally_bands
from segdata.readers.label_palettes import NO_PALETTES, Palettes, check_palette, refuse
from segdata.readers.source import Banded, Drawn, InFile, Receipt
from segdata.words import some

NO_IDS = ("mask.colours", "mask.jpeg", "mask.numbers")
"""Codes of what `read_mask` refuses, and `read_as_grey` may understand."""

OPAQUE = 255 << 24
"""Full alpha, beside a packed colour in the four bytes of a pixel."""

Counted = tuple[Mask, dict[int, int] | None]
"""(H, W) class ids, and how often each occurs if that is known."""

Table = Mapping[int, int | None]
"""Class ids, None for ignored pixels, by value or by packed colour (`diagnose.pack_color`)."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a diagnosis needs to know of the classes: names by value or packed colour (None: ignored), colours, palettes."""

    names: Mapping[int, str | None]
    colors: tuple[RGB, ...] = ()
    palettes: Palettes = NO_PALETTES

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(set(self.names.values()) - {None})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the pixels of a set's masks mean. With both `values` and `colors` each file tells which of them it holds.

    With a `threshold` `values` has class 0 below that brightness and class 1 from it on. What is not in the tables is
    refused: with `hints` by a diagnosis that names the option which reads it, otherwise with `way_out`.
    """

    values: Table | None = None
    colors: Table | None = None
    threshold: int | None = None
    way_out: str = "correct the mask"
    hints: Hints | None = None


@dataclass(frozen=True, slots=True)
class LabelFile(InFile):
    """A mask in a file of any kind."""

    meaning: Meaning

    @property
    def void(self) -> int | None:
        """The value that the file itself says means no data, if values are read, and no class is declared for it."""
        values = self.meaning.values
        if values is None or self.meaning.threshold is not None or self.path.endswith(".png"):
            return None
        nodata = nodata_of(self.path)
        return None if nodata in values else nodata

    def with_void(self) -> LabelFile:
        """The same, with that value as ignored pixels."""
        if (void := self.void) is None:
            return self
        meaning = self.meaning
        hints = meaning.hints and replace(meaning.hints, names={**meaning.hints.names, void: None})
        return LabelFile(self.path, replace(meaning, values={**(meaning.values or {}), void: None}, hints=hints))

    def draw(self, remap: Remap) -> Drawn:
        """Its pixels through both tables at once. Raises `DataError` (`mask.*`) with the way out."""
        meaning = self.with_void().meaning
        draw = draw_colors if meaning.values is None else draw_values if meaning.threshold is None else draw_threshold
        try:
            mask, counts = draw(self.path, meaning, remap)
            return Drawn(mask, Receipt(annotations=1, painted=1), counts)
        except DataError as error:
            raise error.at(file=self.path) from error

    def bands(self, remap: Remap) -> AbstractContextManager[Banded | None]:
        """See `LargeAnnotation`: of large TIFFs of values, or of grey that is read by a threshold."""
        return nullcontext() if self.path.endswith(".png") else self._bands(remap)

    @contextmanager
    def _bands(self, remap: Remap) -> Iterator[Banded | None]:
        with self.open_large() as raster:
            if raster is None:
                yield None
                return
            rows = banded_values if self.meaning.threshold is None else banded_threshold
            receipt = Receipt(annotations=1, painted=1)
            yield Banded((raster.height, raster.width), rows(raster, self.with_void(), remap), receipt)

    @contextmanager
    def open_large(self) -> Iterator[Bands | None]:
        """The file, if it is one that `label_bands.open_large` opens and that holds values."""
        if self.meaning.values is None:
            yield None
            return
        with open_large(self.path, palette=self.meaning.threshold is None) as raster:
            yield raster


def through(table: Table, remap: Remap) -> dict[int, int | None]:
    """Value or packed colour -> the target's class id, None for ignored pixels."""
    return {value: None if id is None else remap.mapping[id] for value, id in table.items()}


# Values


def draw_values(path: str, meaning: Meaning, remap: Remap) -> Counted:
    """(H, W) class ids from values, or from colours if the file holds these and they have a table, or are grey."""
    try:
        values = read_mask(path)
    except DataError as error:
        if error.problem.code not in NO_IDS:
            raise
        if meaning.hints is not None or error.problem.code == "mask.numbers":
            values, _ = read_as_grey(path, meaning.hints or Hints({}))
        elif error.problem.code == "mask.colours":
            pixels, lossy = read_stored(path)
            if meaning.colors is not None and pixels.ndim == 3:
                return color_ids(pixels, meaning, remap), None
            if lossy is not None or not is_grey(pixels):
                raise
            values = np.ascontiguousarray(pixels[..., 0])
        else:
            raise
    mask, counts = _counted_ids(values, meaning, remap)
    if meaning.hints is not None:
        check_palette(path, lambda: tally(values), meaning.hints.palettes)
    return mask, counts


def ids_of(values: Mask, meaning: Meaning, remap: Remap) -> Mask:
    """(H, W) values -> (H, W) class ids. Raises `DataError` (`mask.*`) for values that no class is declared for."""
    return _counted_ids(values, meaning, remap)[0]


def _counted_ids(values: Mask, meaning: Meaning, remap: Remap) -> tuple[Mask, dict[int, int]]:
    """The same, and how often each id occurs."""
    try:
        return remap.labels.table(through(meaning.values or {}, remap)).counted(values)
    except ValueError as error:
        refuse_values(values, tally(values), meaning, error)


def banded_values(raster: Bands, file: LabelFile, remap: Remap) -> Iterator[Mask]:
    """(h, W) class ids from values."""
    meaning = file.meaning
    table = remap.labels.table(through(meaning.values or {}, remap))
    with located(file=file.path):
        for values in read_bands(raster):
            try:
                ids = table(values)
            except ValueError as error:
                refuse_values(values, tally_bands(raster), meaning, error)
            yield ids
        if meaning.hints is not None:
            check_palette(file.path, lambda: tally_bands(raster), meaning.hints.palettes)


def refuse_values(values: Mask, found: Mapping[int, int], meaning: Meaning, error: ValueError) -> NoReturn:
    """Raise `DataError` for (h, W) values of which some have no class; `found` are those of all the mask."""
    known = meaning.values or {}
    if meaning.hints is None:
        unlisted = some(value for value in sorted(found) if value not in known)
        message = f"values that no class is declared for: {unlisted}: {meaning.way_out}"
        raise DataError(Problem("mask.values", message)) from error
    if diagnosis := diagnose_values(values, meaning.hints.names, found):
        refuse(diagnosis)
    raise error


def read_values(path: str, hints: Hints) -> tuple[Mask, str | None]:
    """(H, W) uint8 or uint16 values of a mask that is grey, palette, or RGB that is grey; and a note if it is the last."""
    try:
        return read_mask(path), None
    except DataError as error:
        if error.problem.code not in NO_IDS:
            raise
    return read_as_grey(path, hints)


def read_as_grey(path: str, hints: Hints) -> tuple[Mask, str]:
    """The same of a mask that `read_mask` refuses as colours, numbers or JPEG: numbers beyond 16 bits are as they are stored.

    Raises `DataError` with a diagnosis.
    """
    pixels, lossy = read_stored(path)
    if pixels.ndim == 2 and lossy is None:
        other = pixels.dtype not in (np.uint8, np.uint16)
        note = "masks are of numbers of other types than 8 and 16 bits, all of them whole" if other else ""
        return whole_numbers(pixels, path), note
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    _check_colors(pixels, lossy, hints)
    if is_grey(pixels):
        return np.ascontiguousarray(pixels[..., 0]), "masks are colour images of three equal channels: read as grey"
    refuse(diagnose_colors(pixels[..., :3], hints.colors, hints.classes, coded=False))


# Colours


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether (H, W, 3 or 4) colours have three equal channels: values that a program saved as colours."""
    return pixels.ndim == 3 and bool((pixels[..., :3] == pixels[..., :1]).all())


def draw_colors(path: str, meaning: Meaning, remap: Remap) -> Counted:
    """(H, W) class ids from colours, each of which must be declared; palettes and grey are expanded."""
    pixels, lossy = read_stored(path, expand=True)
    if pixels.ndim == 2:
        refuse(Diagnosis("deep", "holds numbers and no colours", "leave --colors out"))
    if meaning.hints is not None:
        _check_colors(pixels, lossy, meaning.hints)
    return color_ids(pixels, meaning, remap), None


def color_ids(pixels: NDArray[np.uint8], meaning: Meaning, remap: Remap) -> Mask:
    """(H, W, 4) uint8 RGBA -> (H, W) class ids. Without hints every pixel must be opaque."""
    known, labels, strict = through(meaning.colors or {}, remap), remap.labels, meaning.hints is None
    keys = np.array(sorted(known), np.int64)
    table = np.array([labels.ignore if (id := known[key]) is None else id for key in keys.tolist()], labels.dtype)
    mask = np.empty(pixels.shape[:2], labels.dtype)
    rows = max(1, STRIP // mask.shape[1])
    for y in range(0, len(mask), rows):
        strip = np.ascontiguousarray(pixels[y : y + rows])
        packed = strip.view("<u4")[..., 0] if strict else pack(strip)
        positions = np.empty(packed.size, np.int64)
        wanted = keys + OPAQUE if strict else keys
        if look_up(packed.ravel(), wanted, positions, np.zeros(len(keys), np.int64)) >= 0:
            refuse_color(pixels, known, meaning)
        mask[y : y + rows] = table[positions].reshape(packed.shape)
    return mask


def refuse_color(pixels: NDArray[np.uint8], known: Collection[int], meaning: Meaning) -> NoReturn:
    """Raise `DataError` for (H, W, 4) colours of which some have no class; without hints for the first such pixel."""
    if meaning.hints is not None:
        colors = [unpack_color(key) for key in known]
        refuse(diagnose_colors(pixels[..., :3], colors, meaning.hints.classes, coded=True))
    strange = (pixels[..., 3] != 255) | ~np.isin(pack(pixels), list(known))
    y, x = divmod(int(np.argmax(strange)), pixels.shape[1])
    r, g, b, alpha = (int(part) for part in pixels[y, x])
    why = "no class's" if alpha == 255 else "transparent"
    message = f"the colour {(r, g, b)} at row {y}, column {x} is {why}: {meaning.way_out}"
    raise DataError(Problem("mask.values", message))


# Brightness


def draw_threshold(path: str, meaning: Meaning, remap: Remap) -> Counted:
    """(H, W) class ids from brightness, of which the threshold must be able to make two."""
    brightness, threshold = read_brightness(path), meaning.threshold or 0
    if threshold > (top := int(np.iinfo(brightness.dtype).max)):
        what = f"its values go to {top} at most, so that none is {threshold} or above"
        refuse(Diagnosis("threshold", what, f"--threshold from 1 to {top}"))
    return remap.labels.table(through(meaning.values or {}, remap)).counted((brightness >= threshold).view(np.uint8))


def banded_threshold(raster: Bands, file: LabelFile, remap: Remap) -> Iterator[Mask]:
    """(h, W) class ids from brightness."""
    table = remap.labels.table(through(file.meaning.values or {}, remap))
    black = raster.black if isinstance(raster, Numbers) else 0
    for values in read_bands(raster):
        yield table(((black - values if black else values) >= (file.meaning.threshold or 0)).view(np.uint8))


def read_brightness(path: str) -> Mask:
    """(H, W) uint8 brightness of any image as it looks: palettes and grey below 8 bits expanded; 16-bit grey as it is."""
    if _png_kind(path) in ((8, GREY), (16, GREY)):
        return read_mask(path)
    with open_numbers(path) as numbers:
        if numbers is not None and numbers.black:
            return np.asarray(numbers.black - numbers.read())
    pixels, _ = read_stored(path, expand=True)
    if pixels.ndim == 2:
        return whole_numbers(pixels, path)
    _check_alpha(pixels)
    return luma(pixels[..., :3])


# Checks


def _png_kind(path: str) -> tuple[int, int] | None:
    """Bit depth and colour type of a PNG; None for any other file."""
    with suppress(OSError):
        head = read_start(path, 26)
        return (head[24], head[25]) if head.startswith(SIGNATURE) and len(head) == 26 else None
    return None


def _check_colors(pixels: NDArray[np.uint8], lossy: str | None, hints: Hints) -> None:
    if lossy is not None:
        refuse(diagnose_lossy(pixels[..., :3], hints.classes, lossy))
    _check_alpha(pixels)


def _check_alpha(pixels: NDArray[np.uint8]) -> None:
    """Alpha may be left out if each colour has one alpha: then it tells nothing that colours do not."""
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else pixels[..., 0] * 0
    if (alpha == alpha[:1, :1]).all():
        return
    whole = np.ascontiguousarray(pixels).view(np.uint32)
    if len(np.unique(whole)) > len(np.unique(pack(pixels))):
        what = "is transparent in parts, where equal colours differ in alpha"
        refuse(Diagnosis("alpha", what, "export it without alpha"))
