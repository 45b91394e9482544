"""Base64 texts of JSON as files: whatever opens an image opens them, and says when the JSON is another than it was."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segdata.errors import DataError
from segdata.files.members import Member, holder, is_encoded, member_of, member_path, read_stored_bytes
from segdata.files.opening import open_image, open_mask, read_brightness, read_facts
from segdata.files.places import copy_file, file_digest, place, read_bytes, read_start, size_of
from segdata.windows import Window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

PIXELS = np.random.default_rng(5).integers(0, 256, (37, 53, 3), np.uint8)
FORMATS = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".jp2": "JPEG2000"}


def image_bytes(kind: str, pixels: Any = PIXELS) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind, **({"irreversible": False} if kind == "JPEG2000" else {}))
    return data.getvalue()


def embedded(path: Path, data: bytes, extension: str = "", *, before: str = "") -> str:
    """A JSON that holds bytes as base64, and the path of the member; `before` begins the string."""
    text = base64.b64encode(data)
    path.write_bytes(b'{"shapes": [], "imageData": "' + before.encode() + text + b'", "x": 1}')
    assert json.loads(path.read_bytes())["x"] == 1
    return member_path(str(path), path.read_bytes().index(text), len(text), f"a{extension}", "base64")


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("before", ["", "data:image/png;base64,"])
def test_every_verb_reads_them(tmp_path: Path, extension: str, before: str) -> None:
    data = image_bytes(FORMATS[extension])
    path = embedded(tmp_path / "a.json", data, extension, before=before)
    assert is_encoded(path)
    assert holder(path) == str(tmp_path / "a.json")
    assert read_stored_bytes(path) == read_bytes(path) == data
    assert read_start(path, 10) == data[:10]
    assert size_of(path) == len(data)
    assert file_digest(path) == hashlib.sha256(data).hexdigest()
    assert (read_facts(path).height, read_facts(path).width) == PIXELS.shape[:2]
    assert read_brightness(path)[2].shape == PIXELS.shape[:2]
    with open_image(path) as raster:
        assert (raster.read() == PIXELS).all()
        assert (raster.read(Window(3, 5, 11, 17)) == PIXELS[3:14, 5:22]).all()
    copy_file(path, tmp_path / "copied")
    assert (tmp_path / "copied").read_bytes() == data


@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_masks_in_them_are_read(tmp_path: Path, extension: str) -> None:
    path = embedded(tmp_path / "a.json", image_bytes(FORMATS[extension], PIXELS[..., 0]), extension)
    with open_mask(path) as mask:
        assert (mask.read(Window(0, 0, 37, 53)) == PIXELS[..., 0]).all()


def test_a_large_one_is_read_by_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segdata.files.file.WHOLE", 100)
    path = embedded(tmp_path / "a.json", image_bytes("PNG"), ".png")
    with open_image(path) as raster:
        assert (raster.read(Window(3, 5, 11, 17)) == PIXELS[3:14, 5:22]).all()


@given(st.binary(min_size=1, max_size=60), st.sampled_from([r"\/", "\\u002f"]), st.sampled_from(["\\u002B", "+"]))
def test_escapes_of_json_are_undone(tmp_path: Path, data: bytes, slash: str, plus: str) -> None:
    """Writers of other languages escape signs that need none."""
    text = base64.b64encode(data).decode().replace("/", slash).replace("+", plus).encode()
    file = tmp_path / f"{uuid4()}.json"
    file.write_bytes(b'"' + text + b'"')
    assert Member(str(file), 1, len(text), "base64").read() == data


@given(st.integers(0, 10**15), st.integers(0, 10**15), st.sampled_from(["a.jpg", "a", "b.PNG", "x.", "é.tif"]))
def test_their_paths_are_read_back(offset: int, length: int, name: str) -> None:
    for file in ("labels/a.json", "/x y/a#1+2.json", "C:/A.JSON", "s3://b/x.tar.json", "a.tar#1+2.json"):
        path = member_path(file, offset, length, name, "base64")
        assert member_of(path) == Member(file, offset, length, "base64")
    for other in (f"a.tar#base64:{offset}+{length}", f"a.json#{offset}+{length}", f"a.txt#base64:{offset}+{length}"):
        assert member_of(other) is None


def test_a_json_that_has_changed_is_told(tmp_path: Path) -> None:
    """As when the labels are edited: the text is then elsewhere, and never read as another image."""
    file = tmp_path / "a.json"
    path = embedded(file, image_bytes("PNG"), ".png")
    whole = file.read_bytes()
    for other in (
        b" " + whole,
        whole[1:],
        whole.replace(b"[]", b"[1]"),
        whole[:200],
        b"",
        whole[:-30] + b"zz" + whole[-30:],
    ):
        file.write_bytes(other)
        with pytest.raises(DataError, match=r"convert again|cut off") as caught:
            read_facts(path)
        assert caught.value.problem.code == "image.missing"
        assert "a.json" in str(caught.value)
    file.unlink()
    with pytest.raises(DataError, match="no such file"):
        read_facts(path)


@pytest.mark.parametrize("text", ["AAAAA", "A", r"AAA\q", "ééé", "====", "A" * 9])
def test_damaged_base64_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(b'{"imageData": "' + text.encode() + b'"}')
    path = member_path(str(tmp_path / "a.json"), 15, len(text.encode()), "a.png", "base64")
    with pytest.raises(DataError, match=r"base64 is damaged|is empty|convert again|cannot be decoded") as caught:
        read_facts(path)
    assert str(tmp_path / "a.json") in str(caught.value)


@pytest.fixture
def memory() -> Iterator[Any]:
    """An empty folder of fsspec's storage in memory."""
    root = place(f"memory://test/{uuid4()}")
    yield root
    root.remove()  # type: ignore[union-attr]


@pytest.mark.parametrize("extension", FORMATS)
def test_they_are_read_in_storage(tmp_path: Path, memory: Any, extension: str) -> None:
    data = image_bytes(FORMATS[extension])
    path = embedded(tmp_path / "a.json", data, extension)
    (memory / "a.json").write_bytes((tmp_path / "a.json").read_bytes())
    there = path.replace(str(tmp_path), str(memory))
    assert read_bytes(there) == data
    assert size_of(there) == len(data)
    with open_image(there) as raster:
        assert (raster.read(Window(3, 5, 11, 17)) == PIXELS[3:14, 5:22]).all()
    with rasterio.open(io.BytesIO(data)) as expected, open_image(there) as raster:
        assert (raster.read() == np.moveaxis(expected.read(), 0, 2)).all()
