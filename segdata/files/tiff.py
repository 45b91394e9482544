"""Writing TIFF: images in memory, and files of any size tile by tile. (TIFF 6.0, the BigTIFF design, GeoTIFF 1.1.)

GDAL decides by the state of its cache in which order it puts tiles into a file; here the same inputs give the same bytes.
Everything that GDAL, libtiff and Pillow read: one image, any number of bands, uncompressed or deflated. Nothing is read here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from segdata.errors import writing
from segdata.files.drafts import Draft
from segdata.files.remote import Place

Compress = Literal["deflate", "none"]

LEVEL = 3
"""zlib-ng's level: the next ones are slower for a few hundredths."""

BIG = 2**32 - 2**20
"""Files that may become larger have 8-byte offsets."""

TILE = 256

STRIP = 2**16
"""Bytes of a strip, about, as the specification advises many readers' sake."""


class Tag(NamedTuple):
    """One entry: its number, the letter of its type as `struct` has it (`s` for text), and its values."""

    number: int
    type: str
    values: Sequence[Any]


ALPHA = 2
"""What ExtraSamples calls a band that says how opaque a pixel is, by which its colours are not multiplied."""

TYPES = {"s": 2, "H": 3, "I": 4, "d": 12, "Q": 16}

FORMATS = {"u": 1, "i": 2, "f": 3}


def encode_tiff(
    image: NDArray[Any], *, compress: Compress = "none", tags: Sequence[Tag] = (), alpha: bool = False
) -> bytes:
    """(H, W, C) integers or floats -> the bytes of a TIFF in strips. `tags` are more entries, such as GeoTIFF's.

    `alpha`: the last band is one of transparency.
    """
    height, width, bands = image.shape
    row = width * bands * image.itemsize
    rows = max(1, min(height, -(-STRIP // row)))
    data = np.ascontiguousarray(image, image.dtype.newbyteorder("<"))
    predictor = compress == "deflate" and image.dtype.kind in "ui"
    if predictor:
        data = data.copy()
        data[:, 1:] -= data[:, :-1].copy()
    strips: list[Any] = [data[y : y + rows] for y in range(0, height, rows)]
    if compress == "deflate":
        strips = [zlib_ng.compress(strip, LEVEL) for strip in strips]
    sizes = [len(strip) if isinstance(strip, bytes) else strip.nbytes for strip in strips]
    offsets = (8 + np.cumsum([0, *sizes[:-1]])).tolist()
    entries = [
        *_described(image.dtype, height, width, bands, compress, planar=False, alpha=alpha),
        Tag(273, "I", offsets), Tag(278, "I", [rows]), Tag(279, "I", sizes),
        *([Tag(317, "H", [2])] if predictor else []), *tags,
    ]  # fmt: skip
    end = 8 + sum(sizes)
    odd = b"\0" * (end % 2)
    head = struct.pack("<2sHI", b"II", 42, end + len(odd))
    return b"".join([head, *strips, odd, _directory(entries, end + len(odd), big=False)])


class TiffWriter:
    """A tiled TIFF of (bands, height, width) values written in any order, tile by tile; the same order gives the same bytes.

    Deflated; bands lie apart (`rgb`: red, green, blue and maybe alpha). BigTIFF if it might not fit 4 GiB. Parts never written
    read as 0. Use it as a context: the file has its name only once it is whole.
    """

    def __init__(
        self,
        path: str | Place,
        height: int,
        width: int,
        bands: int,
        dtype: Any,
        *,
        tags: Sequence[Tag] = (),
        tile: int = TILE,
        rgb: bool = False,
    ) -> None:
        self._rgb = rgb
        self.height, self.width, self.bands, self.tile = height, width, bands, tile
        self.dtype = np.dtype(dtype)
        self._tags = tags
        self._across = -(-width // tile)
        tiles = bands * self._across * -(-height // tile)
        self._big = tiles * tile * tile * self.dtype.itemsize > BIG
        self._offsets, self._sizes = [0] * tiles, [0] * tiles
        self._draft = Draft(path)
        self._file = self._draft.file
        self._file.write(b"\0" * (16 if self._big else 8))

    def write(self, y: int, x: int, values: NDArray[Any]) -> None:
        """Put (bands, h, w) at a multiple of the tile's size; h and w are multiples too, or reach the image's border."""
        h, w = values.shape[1:]
        ends = ((y + h) % self.tile == 0 or y + h == self.height) and ((x + w) % self.tile == 0 or x + w == self.width)
        if y % self.tile or x % self.tile or not ends:
            raise ValueError(f"rows {y} to {y + h}, columns {x} to {x + w} are not whole tiles of {self.tile}")
        down = -(-self.height // self.tile)
        for band in range(self.bands):
            for top in range(0, h, self.tile):
                for left in range(0, w, self.tile):
                    part = values[band, top : top + self.tile, left : left + self.tile]
                    number = (band * down + (y + top) // self.tile) * self._across + (x + left) // self.tile
                    self._put(number, part)

    def _put(self, number: int, part: NDArray[Any]) -> None:
        block = np.zeros((self.tile, self.tile), self.dtype.newbyteorder("<"))
        block[: part.shape[0], : part.shape[1]] = part
        data = zlib_ng.compress(block, LEVEL)
        self._offsets[number], self._sizes[number] = self._file.tell(), len(data)
        with writing(self._draft.path):
            self._file.write(data)

    def __enter__(self) -> TiffWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self._draft.discard()  # nothing, if it is whole

    def close(self) -> None:
        """Write what describes the tiles, and give the file its name."""
        end = self._file.tell()
        self._file.write(b"\0" * (end % 2))
        end += end % 2
        number = "Q" if self._big else "I"
        entries = [
            *_described(
                self.dtype, self.height, self.width, self.bands, "deflate",
                planar=self.bands > 1, rgb=self._rgb, alpha=self._rgb and self.bands > 3,
            ),
            Tag(322, "I", [self.tile]), Tag(323, "I", [self.tile]),
            Tag(324, number, self._offsets), Tag(325, number, self._sizes), *self._tags,
        ]  # fmt: skip
        head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, end) if self._big else struct.pack("<2sHI", b"II", 42, end)
        with writing(self._draft.path):
            self._file.write(_directory(entries, end, big=self._big))
            self._file.seek(0)
            self._file.write(head)
            self._draft.close()


def implied_colours(bands: int, dtype: Any) -> list[str]:
    """What the bands of a TIFF are for by what is written here: 3 or 4 of 8 bits begin with red, green and blue."""
    colours = ["red", "green", "blue"] if bands in (3, 4) and np.dtype(dtype) == np.uint8 else ["gray"]
    return colours + ["undefined"] * (bands - len(colours))


def _described(
    dtype: Any,
    height: int,
    width: int,
    bands: int,
    compress: Compress,
    *,
    planar: bool,
    rgb: bool = False,
    alpha: bool = False,
) -> list[Tag]:
    """The entries that say what the values are; `alpha`: the last band is transparency."""
    dtype = np.dtype(dtype)
    data = bands - alpha
    colours = 3 if rgb or (not planar and implied_colours(data, dtype)[0] == "red") else 1
    tags = [
        Tag(256, "I", [width]), Tag(257, "I", [height]),
        Tag(258, "H", [8 * dtype.itemsize] * bands),
        Tag(259, "H", [8 if compress == "deflate" else 1]),
        Tag(262, "H", [2 if colours == 3 else 1]),
        Tag(277, "H", [bands]), Tag(284, "H", [2 if planar else 1]),
        Tag(339, "H", [FORMATS[dtype.kind]] * bands),
    ]  # fmt: skip
    further = [0] * (data - colours) + [ALPHA] * alpha
    return tags + ([Tag(338, "H", further)] if further else [])


def _directory(entries: Sequence[Tag], at: int, *, big: bool) -> bytes:
    """The directory that stands at byte `at`, and behind it the values that do not fit into its lines."""
    count, number, room = ("<Q", "Q", 8) if big else ("<H", "I", 4)
    line = 4 + 2 * room
    after = at + struct.calcsize(count) + line * len(entries) + room
    lines, more = [struct.pack(count, len(entries))], []
    for tag in sorted(entries):
        if tag.type == "s":
            data = bytes(tag.values)
        else:
            data = struct.pack(f"<{len(tag.values)}{tag.type}", *tag.values)
        size = len(data) if tag.type == "s" else len(tag.values)
        lines.append(struct.pack(f"<HH{number}", tag.number, TYPES[tag.type], size))
        if len(data) <= room:
            lines.append(data.ljust(room, b"\0"))
        else:
            lines.append(struct.pack(f"<{number}", after))
            more.append(data + b"\0" * (len(data) % 2))
            after += len(more[-1])
    lines.append(b"\0" * room)
    return b"".join([*lines, *more])
