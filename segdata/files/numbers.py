"""Masks of numbers of any type, whole numbers all of them: `.npy` files, and TIFFs that are not plain 8- or 16-bit ones.

They are read by windows, so that memory does not grow with the mask. Pillow opens no 64-bit TIFF, takes signed bytes for
unsigned ones, wraps 32 bits, stretches 2 and 4, and inverts values of which 0 is white; GDAL gives what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files import gdal, others
from segdata.files.arrays import read_npy_header
from segdata.files.file import TIFF, File, open_file
from segdata.files.limits import MAX_PIXELS
from segdata.files.lossy import JPEG_IN_TIFF, KEPT
from segdata.files.pillow import ORIENTATION, UNREADABLE, header_of
from segdata.files.remote import Place
from segdata.windows import Window

NPY = b"\x93NUMPY"

GDAL_NODATA = 42113
"""TIFF's number of the text in which GDAL says which value means no data."""

VOID = -(2**52)
"""What stands for a value that means no data and is no whole number, such as NaN; float32 holds it too."""

STRIP = 2**22
"""Pixels that are read together, about."""

PILLOWS = (*KEPT, *JPEG_IN_TIFF)
"""TIFF's numbers of compressions that Pillow reads as they are meant."""


class Numbers:
    """A mask of numbers of any type, open for reading by windows; `stored` gives (h, w) of a window as they are stored.

    `black`: the number that is black where 0 is white; 0 where 0 is black. Numbers are given as they are stored all the same.
    """

    def __init__(
        self,
        file: File,
        size: tuple[int, int],
        dtype: np.dtype[Any],
        stored: Callable[[Window], NDArray[Any]],
        black: int = 0,
    ) -> None:
        """Raises `DataError` (`mask.numbers`, `mask.too_large`) for what is no mask."""
        self.file, self.dtype, self._stored, self.black = file, dtype, stored, black
        self.height, self.width = size
        if dtype.kind not in "biuf":
            raise file.problem("numbers", f"holds {dtype}, and mask values are whole numbers: export class ids")
        if self.height < 1 or self.width < 1:
            raise file.problem("numbers", f"{self.width} x {self.height} pixels are none")
        if self.height * self.width > MAX_PIXELS:
            more = f"more than the limit of {MAX_PIXELS} (SEGDATA_MAX_PIXELS sets it)"
            raise file.problem("too_large", f"{self.width} x {self.height} pixels are {more}")

    def read(self, window: Window | None = None) -> NDArray[Any]:
        """(h, w) whole numbers of a window, of all by default: uint8, uint16, or wider as they were stored.

        Raises `DataError` (`mask.numbers`, with the place of a number that is not whole; `mask.unreadable`).
        """
        strips = (window or Window(0, 0, self.height, self.width)).strips(STRIP)
        return np.concatenate([whole_numbers(self._stored(s), str(self.file), s.y, s.x) for s in strips])


def _npy_numbers(file: File) -> Numbers:
    """Those of a NumPy file (its format 1.0 or 2.0): (H, W), or with one more axis of length 1."""
    shape, turned, dtype, start = _npy_header(file)
    if len(shape) == 3 and 1 in (shape[0], shape[2]):
        shape = shape[1:] if shape[0] == 1 else shape[:2]
    if len(shape) != 2:
        way_out = "of scores take the best class (numpy.argmax)" if len(shape) == 3 else "export class ids"
        raise file.problem("numbers", f"is of the shape {shape}, and a mask is (height, width): {way_out}")
    height, width = shape

    def values(first: int, count: int) -> NDArray[Any]:
        file.handle.seek(start + first * dtype.itemsize)
        data = file.handle.read(count * dtype.itemsize)
        if len(data) < count * dtype.itemsize:
            raise file.problem("unreadable", "is cut off: it ends before its last value")
        return np.frombuffer(data, dtype)

    def stored(window: Window) -> NDArray[Any]:
        y, x, h, w = window
        if turned:  # it is stored column by column
            return values(x * height, w * height).reshape(w, height).T[y : y + h]
        return values(y * width, h * width).reshape(h, width)[:, x : x + w]

    return Numbers(file, (height, width), dtype, stored)


def _npy_header(file: File) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether it is stored column by column, type, and where values begin. Raises `DataError` (`mask.unreadable`)."""
    handle = file.handle
    handle.seek(0)
    try:
        shape, turned, dtype = read_npy_header(handle)
    except (ValueError, EOFError) as error:
        raise file.problem(
            "unreadable", f"its NumPy header is damaged: {' '.join(str(error).split())[:120]}"
        ) from error
    return shape, turned, dtype, handle.tell()


def _tiff_numbers(file: File, source: Any) -> Numbers:
    """Those of a TIFF, or of what `others` opens, of one band, by GDAL."""
    kind = source.dtypes[0]
    if source.count != 1:
        raise file.problem("numbers", f"holds {source.count} bands of {kind}, and a mask has one: export class ids")

    def stored(window: Window) -> NDArray[Any]:
        with gdal.damaged(str(file), file.kind):
            return np.asarray(source.read(1, window=gdal.gdal_window(*window)))

    void = None if source.nodata is None or np.dtype(kind).kind != "f" else float(source.nodata)

    def voided(window: Window) -> NDArray[Any]:
        values = stored(window)
        if void is not None and void_value(void) == VOID:
            values[np.isnan(values) if np.isnan(void) else values == void] = VOID
        return values

    dtype = np.dtype("complex64" if "complex" in kind else kind)
    return Numbers(file, (source.height, source.width), dtype, voided, gdal.black_of(source))


def nodata_of(path: str | Place | File) -> int | None:
    """The value of a mask that its TIFF says means no data, as `Numbers` gives it; None if it says none."""
    with open_file(path, "mask") as file:
        if not file.head.startswith(TIFF):
            return None
        image = header_of(file)
        if image is not None:
            return void_value(image.tag_v2.get(GDAL_NODATA))  # type: ignore[attr-defined]
        with gdal.opened(file, file.kind) as source:
            return void_value(source.nodata)


def void_value(told: str | float | None) -> int | None:
    """A value that means no data as a whole number; `VOID` for NaN and what is too large. None if it is no number."""
    try:
        value = float(told) if told is not None else None
    except ValueError:
        return None
    if value is None:
        return None
    return int(value) if abs(value) < 2**53 and value == int(value) else VOID


@contextmanager
def open_numbers(path: str | Place | File) -> Iterator[Numbers | None]:
    """A mask of numbers, open; None for any other file. Raises `DataError` (`mask.*`)."""
    with open_file(path, "mask") as file, ExitStack() as stack:
        if file.form not in ("usual", "slide"):
            yield _tiff_numbers(file, stack.enter_context(others.opened(file)))
        elif file.head.startswith(NPY):
            yield _npy_numbers(file)
        elif file.head.startswith(TIFF) and not _is_plain(file):
            yield _tiff_numbers(file, stack.enter_context(gdal.opened(file, file.kind)))
        else:
            yield None


def _is_plain(file: File) -> bool:
    """Whether Pillow reads a TIFF as it is stored, or had better say why not."""
    image = header_of(file)
    if image is None:
        return False
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    try:
        signed = any(kind != 1 for kind in tags.get(339, (1,)))
        bits = set(tags.get(258, (1,)))
        stretched = tags.get(262) in (0, 1) and not bits <= {1, 8, 16}
        inverted = tags.get(262) == 0 and bits != {1}
        turned = tags.get(ORIENTATION, 1) != 1  # which GDAL passes over
        return turned or not (signed or stretched or inverted or tags.get(259, 1) not in PILLOWS)
    except UNREADABLE:
        return True


def whole_numbers(values: NDArray[Any], file: str, y: int = 0, x: int = 0) -> NDArray[Any]:
    """(h, w) numbers, whose first is at row y and column x, as whole ones: uint8, uint16 if they fit, or wider.

    Raises `DataError` (`mask.numbers`) with the value and place of the first that is not whole.
    """
    if values.dtype.kind == "b":
        return values.view(np.uint8)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            bad = ~((values == np.floor(values)) & (np.abs(values) < np.float64(2**53)))
        if bad.any():
            row, column = divmod(int(np.argmax(bad)), values.shape[1])
            what = (
                f"holds {values[row, column]} at row {y + row}, column {x + column}, and mask values are whole numbers"
            )
            raise DataError(
                Problem("mask.numbers", f"{what}: export class ids, with a number of its own for no class", file)
            )
        values = values.astype(np.int64)
    if values.dtype.kind == "u" and values.itemsize <= 2:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    fits = values.min() >= 0 and values.max() <= 65535
    return values.astype(np.uint16 if fits else values.dtype.newbyteorder("="), copy=False)
