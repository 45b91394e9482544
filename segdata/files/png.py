"""The label PNG codec: masks as grey PNGs whose values are class ids, and any grey or palette PNG back to its values.

Written: one grey channel of 8 or 16 bits, every row filtered "up", one IDAT deflated by zlib-ng as run lengths
(Z_RLE). Label maps repeat from row to row, so the filter leaves runs of zeros: this takes a tenth of the time of Pillow's
level 6 for fewer bytes, and every PNG reader opens it. (ISA-L, as fast, gives other bytes in some processes.)
Read: any grey or palette PNG, 1 to 16 bits, interlaced or not; a palette is never expanded to colours, and grey of fewer
than 8 bits is never stretched. Colour PNGs are refused: their values are not ids. (PNG specification, third edition.)
"""

from __future__ import annotations

import hashlib
import struct
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from segdata.errors import DataError, Problem, writing
from segdata.files.changes import Changes, drawn, inflated
from segdata.files.drafts import Draft
from segdata.files.limits import MAX_PIXELS
from segdata.files.remote import Place
from segdata.labels import Mask

SIGNATURE = b"\x89PNG\r\n\x1a\n"


STRIP = 2**22
"""Bytes of a mask that are filtered together, about."""

IDAT = 2**25
"""Deflated bytes that are held before they become a chunk."""

IMAGE_LEVEL = 2
"""zlib-ng's level for images."""

GREY, RGB, PALETTE, RGBA = 0, 2, 3, 6

DEPTHS = {GREY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8)}

COLOUR_TYPES = {RGB: "RGB colours", 4: "grey with alpha", RGBA: "RGB colours with alpha"}

FRAMES = "holds {} images, and which of them is the mask it does not say: export one of them"

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""The passes of an interlaced PNG: first row, first column, row step, column step."""


def is_palette_png(head: bytes) -> bool:
    """Whether a file that begins so, with 26 bytes or more, is a palette PNG."""
    return head.startswith(SIGNATURE) and head[25:26] == bytes([PALETTE])


def is_grey_png(head: bytes) -> bool:
    """Whether a file that begins so, with 26 bytes or more, is a grey PNG of 8 or 16 bits, as masks are written."""
    return head.startswith(SIGNATURE) and head[25:26] == bytes([GREY]) and head[24:25] in (b"\x08", b"\x10")


def encode_mask(mask: Mask) -> bytes:
    """(H, W) uint8 or uint16 -> the bytes of a grey PNG. Raises `ValueError` for any other array."""
    if mask.ndim != 2 or mask.dtype not in (np.uint8, np.uint16) or 0 in mask.shape:
        raise ValueError(f"a mask is (H, W) uint8 or uint16 with pixels, not {mask.shape} {mask.dtype}")
    height, width = mask.shape
    deflater = _deflater()
    rows = max(1, STRIP // (width * mask.itemsize))
    above, body = None, []
    for y in range(0, height, rows):
        data = _big_endian(mask[y : y + rows])
        body.append(deflater.compress(_filtered(data, above)))
        above = data[-1]
    body.append(deflater.flush())
    return _head(height, width, 8 * mask.itemsize, GREY) + _chunk(b"IDAT", b"".join(body)) + _chunk(b"IEND", b"")


def encode_rgb(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8, or 4 with alpha -> the bytes of a PNG, filtered alike; of photographs about as small as Pillow's."""
    height, width, bands = image.shape
    if bands not in (3, 4) or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"an image is (H, W, 3) or (H, W, 4) uint8 with pixels, not {image.shape} {image.dtype}")
    body = zlib_ng.compress(_filtered(np.ascontiguousarray(image).reshape(height, -1)), IMAGE_LEVEL)
    return _head(height, width, 8, RGB if bands == 3 else RGBA) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def encode_painted(mask: Mask, colors: NDArray[np.uint8]) -> bytes:
    """(H, W) values and their colours, (N, 4) RGBA -> the bytes of a PNG of colours, deflated as masks are."""
    from segdata.kernels.count import translate

    height, width = mask.shape
    rows, table = max(1, STRIP // (4 * width)), np.ascontiguousarray(colors).view(np.uint32).ravel()
    deflater = _deflater()
    above, body = None, []
    for y in range(0, height, rows):
        some = np.ascontiguousarray(mask[y : y + rows])
        painted = np.empty(some.shape, np.uint32)
        translate(some.ravel(), table, painted.ravel())
        data = painted.view(np.uint8)
        body.append(deflater.compress(_filtered(data, above)))
        above = data[-1]
    body.append(deflater.flush())
    return _head(height, width, 8, RGBA) + _chunk(b"IDAT", b"".join(body)) + _chunk(b"IEND", b"")


class MaskWriter:
    """A mask of any size written from the top, a few rows at a time, in memory that does not depend on its height.

    Use it as a context: the file has its name only once it is whole. `sha256` is of its bytes then, which are those of
    `encode_mask` but for more IDAT chunks than one if it is very large. With a `palette`, (256, 3) uint8 RGB by value, it is a
    palette PNG; then the dtype is uint8.
    """

    def __init__(
        self, path: str | Place, height: int, width: int, dtype: Any, palette: NDArray[np.uint8] | None = None
    ) -> None:
        self._dtype, self._left, self._width = np.dtype(dtype), height, width
        self._above: NDArray[np.uint8] | None = None
        self._deflate, self._body = _deflater(), bytearray()
        self._digest = hashlib.sha256()
        self._draft = Draft(path)
        self._put(_head(height, width, 8 * self._dtype.itemsize, GREY if palette is None else PALETTE))
        if palette is not None:
            self._put(_chunk(b"PLTE", palette.tobytes()))

    def write(self, rows: Mask) -> None:
        """The next (h, W) rows. Raises `ValueError` for more than there is room for."""
        if rows.shape[0] > self._left or rows.shape[1] != self._width or rows.dtype != self._dtype:
            raise ValueError(
                f"{rows.shape} {rows.dtype} where {self._left} rows of {self._width} {self._dtype} are left"
            )
        if not len(rows):
            return
        data = _big_endian(rows)
        self._body += self._deflate.compress(_filtered(data, self._above))
        if len(self._body) > IDAT:
            self._pack()
        self._above = data[-1].copy()
        self._left -= len(rows)

    @property
    def sha256(self) -> str:
        """Of the bytes written."""
        return self._digest.hexdigest()

    def __enter__(self) -> MaskWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._draft.discard()  # nothing, if it is whole

    def _finish(self) -> None:
        if self._left:
            raise ValueError(f"{self._left} rows are missing")
        self._body += self._deflate.flush()
        self._pack()
        self._put(_chunk(b"IEND", b""))
        self._draft.close()

    def _pack(self) -> None:
        if self._body:
            self._put(_chunk(b"IDAT", bytes(self._body)))
            self._body.clear()

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        with writing(self._draft.path):
            self._draft.file.write(data)


def decode_mask(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """The bytes of a grey or palette PNG -> (H, W) uint8, or uint16 for 16 bits: grey values or palette indices.

    Raises `DataError` (`mask.*`) for what is not a PNG, holds colours, is damaged, or has more than `max_pixels` pixels.
    """
    return drawn(decode_lazily(data, max_pixels=max_pixels))


def decode_lazily(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Mask | Changes:
    """What `decode_mask` gives; of masks of 8 bits as segdata writes them their `Changes`, which are not drawn yet."""
    chunks = _chunks(data)
    height, width, depth, interlaced = _header(chunks, max_pixels)
    if depth == 8 and not interlaced and (found := inflated(chunks[b"IDAT"], (height, width))) is not None:
        return found
    passes = [(y, x, dy, dx) for y, x, dy, dx in ADAM7 if y < height and x < width] if interlaced else [(0, 0, 1, 1)]
    shapes = [(-(-(height - y) // dy), -(-(width - x) // dx)) for y, x, dy, dx in passes]
    sizes = [rows * (1 + (columns * depth + 7) // 8) for rows, columns in shapes]
    raw = _inflate(chunks[b"IDAT"], sum(sizes))
    if not interlaced:
        return _values(raw, shapes[0], depth)
    mask = np.empty((height, width), np.uint16 if depth == 16 else np.uint8)
    offset = 0
    for (y, x, dy, dx), shape, size in zip(passes, shapes, sizes, strict=True):
        mask[y::dy, x::dx] = _values(raw[offset : offset + size], shape, depth)
        offset += size
    return mask


def _header(chunks: dict[bytes, bytes], max_pixels: int) -> tuple[int, int, int, int]:
    """Height, width, depth and whether it is interlaced. Raises `DataError` (`mask.*`)."""
    if len(chunks.get(b"IHDR", b"")) != 13:
        _refuse("mask.damaged", "the PNG header is missing")
    width, height, depth, kind, deflate, filters, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if kind in COLOUR_TYPES:
        _refuse("mask.colours", f"a PNG of {COLOUR_TYPES[kind]} holds no class ids")
    if depth not in DEPTHS.get(kind, ()) or deflate or filters or interlaced > 1 or 0 in (width, height):
        _refuse("mask.damaged", "the PNG header holds impossible values")
    if (frames := int.from_bytes(chunks.get(b"acTL", b"")[:4], "big")) > 1:
        _refuse("mask.frames", FRAMES.format(frames))
    if width * height > max_pixels:
        _refuse(
            "mask.too_large",
            f"{width} x {height} pixels are more than the limit of {max_pixels} (SEGDATA_MAX_PIXELS sets it)",
        )
    return height, width, depth, interlaced


def decode_palette(data: bytes) -> NDArray[np.uint8] | None:
    """The first bytes of a palette PNG -> (N, 3) uint8 RGB, by index; None if no palette is in them."""
    position = len(SIGNATURE)
    while (name := data[position + 4 : position + 8]) not in (b"", b"IDAT"):
        (size,) = struct.unpack_from(">I", data, position)
        body = data[position + 8 : position + 8 + size]
        if name == b"PLTE":
            return np.frombuffer(body, np.uint8).reshape(-1, 3) if len(body) == size and size % 3 == 0 else None
        position += 12 + size
    return None


def _deflater() -> Any:
    return zlib_ng.compressobj(1, strategy=zlib_ng.Z_RLE)


def _big_endian(mask: Mask) -> NDArray[np.uint8]:
    """(H, W) values as (H, B) bytes."""
    return np.ascontiguousarray(mask, mask.dtype.newbyteorder(">")).view(np.uint8).reshape(mask.shape[0], -1)


def _filtered(data: NDArray[np.uint8], above: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """(H, B) bytes -> (H, 1 + B), filtered "up"; `above` (B,) is the row above the first."""
    rows = np.empty((data.shape[0], 1 + data.shape[1]), np.uint8)
    rows[:, 0] = 2
    rows[0, 1:] = data[0] if above is None else data[0] - above
    np.subtract(data[1:], data[:-1], out=rows[1:, 1:])
    return rows


def _head(height: int, width: int, depth: int, kind: int) -> bytes:
    return SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib_ng.crc32(body, zlib_ng.crc32(name)))


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """The header, the joined image data and an animation's header, checksums verified."""
    if not data.startswith(SIGNATURE):
        _refuse("mask.not_png", "not a PNG file")
    view = memoryview(data)
    found: dict[bytes, list[bytes | memoryview]] = {b"IDAT": []}
    position, name = len(SIGNATURE), b""
    while name != b"IEND":
        if position + 12 > len(data):
            _refuse("mask.damaged", "the PNG file is cut off")
        (size,) = struct.unpack_from(">I", data, position)
        name = data[position + 4 : position + 8]
        body = view[position + 8 : position + 8 + size]
        position += 12 + size
        if position > len(data):
            _refuse("mask.damaged", "the PNG file is cut off")
        if name in (b"IHDR", b"IDAT", b"acTL"):
            if zlib_ng.crc32(body, zlib_ng.crc32(name)) != struct.unpack_from(">I", data, position - 4)[0]:
                _refuse("mask.damaged", f"the PNG chunk {name.decode()} has a wrong checksum")
            found.setdefault(name, []).append(body)
    return {name: bytes(parts[0]) if len(parts) == 1 else b"".join(parts) for name, parts in found.items()}


def _inflate(data: bytes, size: int) -> NDArray[np.uint8]:
    """Inflate exactly `size` bytes: never more, whatever the file claims.

    The zlib header is stepped over and its Adler checksum left alone: the CRC of the chunk has vouched for the data.
    """
    if len(data) < 2 or data[0] & 15 != 8 or data[1] & 32:
        _refuse("mask.damaged", "the PNG data is not deflated")
    if size > 1032 * len(data):  # deflate's best ratio: do not even make room for it
        _refuse("mask.damaged", f"{len(data)} bytes of PNG data cannot hold {size}")
    try:
        raw = zlib_ng.decompressobj(-15).decompress(memoryview(data)[2:], size) if size else b""
    except zlib_ng.error as error:  # type: ignore[misc]
        _refuse("mask.damaged", f"the PNG data does not inflate ({error})")
    if len(raw) != size:
        _refuse("mask.damaged", f"the PNG data ends after {len(raw)} of {size} bytes")
    return np.frombuffer(raw, np.uint8)


def _values(raw: NDArray[np.uint8], shape: tuple[int, int], depth: int) -> Mask:
    """One pass of filtered rows -> (H, W) values."""
    from segdata.kernels.png import unfilter

    height, width = shape
    rows = raw.reshape(height, -1)
    body = np.empty((height, rows.shape[1] - 1), np.uint8)
    if (bad := unfilter(rows, body, max(1, depth // 8))) >= 0:
        _refuse("mask.damaged", f"PNG row {bad} has an unknown filter")
    if depth == 8:
        return body
    if depth == 16:
        return body.view(">u2").astype(np.uint16)
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    spread = (body[:, :, None] >> shifts) & np.uint8(2**depth - 1)
    return spread.reshape(height, -1)[:, :width]


def _refuse(code: str, message: str) -> NoReturn:
    raise DataError(Problem(code, message))
