"""The size of an image without decoding it, against what decoding tells."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from segdata.errors import DataError
from segdata.files.opening import is_turned, read_facts, upright_size


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "bmp"])
def test_the_size_is_that_of_the_facts(ending: str, tmp_path: Path) -> None:
    for orientation in range(9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"{orientation}.{ending}"
        Image.new("RGB", (7, 4)).save(path, exif=exif)
        assert upright_size(path) == read_facts(path).upright
        assert upright_size(path) == ((7, 4) if orientation > 4 and ending != "bmp" else (4, 7))
        assert is_turned(path) == (orientation > 1 and ending != "bmp")


def test_an_orientation_behind_the_pixels_of_a_png_counts(tmp_path: Path) -> None:
    data = BytesIO()
    Image.new("RGB", (7, 4)).save(data, "PNG")
    whole = data.getvalue()
    chunk = b"eXIf" + struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    late = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "late.png").write_bytes(whole[:-12] + late + whole[-12:])
    assert upright_size(tmp_path / "late.png") == read_facts(tmp_path / "late.png").upright == (7, 4)
    assert is_turned(tmp_path / "late.png")


def test_the_size_of_a_huge_or_missing_image_is_refused(tmp_path: Path) -> None:
    Image.new("L", (7, 4)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = struct.pack(">II", 60000, 6000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match=r"60000 x 6000 pixels .* \(SEGDATA_MAX_PIXELS sets it\)"):
        upright_size(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"image\.missing"):
        upright_size(tmp_path / "b.png")
