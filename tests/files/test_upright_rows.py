"""Large PNGs and JPEGs that are wanted upright: by rows, with the pixels that decoding them at once gives."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from memory import peak_memory
from segdata.files.images import read_opaque
from segdata.files.opening import open_image
from segdata.files.rasters import FileRaster, WholeRaster
from segdata.windows import Window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

ORIENTATION = 0x0112
NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 4)).astype(np.uint8)
SMOOTH = np.stack(
    [np.add.outer(np.arange(48) * a, np.arange(64) * b) % 256 for a, b in ((3, 1), (1, 2), (2, 2))], axis=2
)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags.tobytes()


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, format, **options)
    return data.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def behind_the_pixels(png: bytes, kind: bytes, data: bytes) -> bytes:
    """A PNG with a chunk before its end."""
    return png[:-12] + chunk(kind, data) + png[-12:]


def texts(key: str, text: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text(key, text)
    return info


RGB, SMOOTH_RGB = Image.fromarray(NOISE[:, :, :3]), Image.fromarray(SMOOTH.astype(np.uint8))
GREY, ALPHA = Image.fromarray(NOISE[:, :, 0]), Image.fromarray(NOISE * np.array([1, 1, 1, 3], np.uint8) // 2 * 2)

BY_ROWS: dict[str, Callable[[], bytes]] = {
    "rgb.png": lambda: saved(RGB, "PNG"),
    "upright.png": lambda: saved(RGB, "PNG", exif=exif(1)),
    "grey.png": lambda: saved(GREY, "PNG"),
    "alpha.png": lambda: saved(ALPHA, "PNG"),
    "grey alpha.png": lambda: saved(ALPHA.convert("LA"), "PNG"),
    "one bit.png": lambda: saved(GREY.convert("1"), "PNG"),
    "palette.png": lambda: saved(RGB.quantize(200), "PNG"),
    "few colours.png": lambda: saved(RGB.quantize(5), "PNG", bits=4),
    "deep.png": lambda: saved(Image.fromarray(NOISE[:, :, 0].astype(np.uint16) * 250), "PNG"),
    "rgb.jpg": lambda: saved(SMOOTH_RGB, "JPEG", quality=90),
    "upright.jpg": lambda: saved(SMOOTH_RGB, "JPEG", exif=exif(1)),
    "no such turn.jpg": lambda: saved(SMOOTH_RGB, "JPEG", exif=exif(9)),
    "half colours.jpg": lambda: saved(SMOOTH_RGB, "JPEG", subsampling=2),
    "grey.jpg": lambda: saved(SMOOTH_RGB.convert("L"), "JPEG"),
}
AT_ONCE: dict[str, Callable[[], bytes]] = {
    **{f"turned {n}.jpg": lambda n=n: saved(SMOOTH_RGB, "JPEG", exif=exif(n)) for n in range(2, 9)},  # type: ignore[misc]
    "turned.png": lambda: saved(RGB, "PNG", exif=exif(6)),
    "turned behind.png": lambda: behind_the_pixels(saved(RGB, "PNG"), b"eXIf", exif(6).removeprefix(b"Exif\0\0")),
    "told behind.png": lambda: behind_the_pixels(saved(RGB, "PNG"), b"tEXt", b"a\0b"),
    "turned in xmp.png": lambda: saved(RGB, "PNG", pnginfo=texts("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')),
    "interlaced.png": lambda: INTERLACED,
    "clear colour.png": lambda: saved(RGB, "PNG", transparency=tuple(NOISE[0, 0, :3].tolist())),
    "clear entries.png": lambda: saved(RGB.quantize(9), "PNG", transparency=bytes([0, 255, 0, 7])),
    "progressive.jpg": lambda: saved(SMOOTH_RGB, "JPEG", progressive=True),
    "cmyk.jpg": lambda: saved(SMOOTH_RGB.convert("CMYK"), "JPEG"),
}  # fmt: skip

COLOUR_JPEGS = ("rgb.jpg", "upright.jpg", "no such turn.jpg", "half colours.jpg")
"""Of these two decoders round differently. (ITU-T T.83 allows it.)"""

INTERLACED = b"\x89PNG\r\n\x1a\n" + b"".join(
    [
        chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1)),
        chunk(b"IDAT", zlib.compress(b"\0abc")),
        chunk(b"IEND", b""),
    ]
)
"""A PNG of one pixel."""


@pytest.mark.parametrize("name", [*BY_ROWS, *AT_ONCE])
def test_the_same_pixels(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    path.write_bytes({**BY_ROWS, **AT_ONCE}[name]())
    values, opaque = read_opaque(path, exif="upright")
    monkeypatch.setattr("segdata.files.file.WHOLE", 0)
    with open_image(path, exif="upright") as raster:
        assert isinstance(raster, FileRaster if name in BY_ROWS else WholeRaster)
        assert (raster.height, raster.width, raster.bands) == values.shape
        every = Window(0, 0, raster.height, raster.width)
        rows = raster.read()
        np.testing.assert_allclose(rows.astype(int), values, atol=4 if name in COLOUR_JPEGS else 0)
        if name in BY_ROWS:
            with open_image(path, exif="raw") as raw:
                np.testing.assert_array_equal(rows, raw.read())
        valid = raster.valid(every, values)
        np.testing.assert_array_equal(
            np.ones(values.shape[:2], bool) if valid is None else valid, True if opaque is None else opaque
        )


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("name", ["large.png", "large.jpg"])
def test_memory_does_not_grow_with_the_height(name: str, tmp_path: Path) -> None:
    """80 million pixels, 240 MB as RGB, in windows of all its columns."""
    path = tmp_path / name
    Image.fromarray(np.zeros((20_000, 4_000, 3), np.uint8)).save(path)
    code = """
import sys
from segdata.files.opening import open_image
from segdata.windows import Window
with open_image(sys.argv[1], exif="upright") as raster:
    for y in range(0, raster.height, 500):
        raster.read(Window(y, 0, 500, raster.width))
"""
    _, peak = peak_memory(code, str(path))
    assert peak < 300
