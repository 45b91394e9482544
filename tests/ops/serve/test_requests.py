"""What is in a request, without a server: forms as clients write them, whole and damaged, and limits."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.errors import DataError, OptionError
from segdata.files.file import InMemory
from segdata.files.opening import refuse_pixels
from segdata.labels import Labels
from segdata.ops.serve.answers import Asked, shares
from segdata.ops.serve.limits import Limits

httpx = pytest.importorskip("httpx")
pytest.importorskip("python_multipart")
pytest.importorskip("starlette")

from segdata.ops.serve.body import image_in  # noqa: E402
from segdata.ops.serve.refusals import Refusal, for_operator  # noqa: E402

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\\"), min_size=1, max_size=20
)
"""Without backslashes, which clients and servers read in different ways."""


def form(data: bytes, name: str = "file", file: str = "a.png") -> tuple[bytes, str]:
    """A form's body and its type, as httpx writes them."""
    request = httpx.Request("POST", "http://x", files={name: (file, data)})
    return request.read(), request.headers["content-type"]


@given(st.binary(min_size=1, max_size=2000), NAMES, NAMES)
def test_the_file_of_a_form_comes_out_as_it_went_in(data: bytes, name: str, file: str) -> None:
    assert image_in(*form(data, name, file)) == data


@given(st.binary(max_size=500))
def test_a_body_is_the_image_whatever_type_it_is_said_to_have(data: bytes) -> None:
    for kind in ("", "image/png", "application/octet-stream", "application/x-www-form-urlencoded", "nonsense"):
        assert image_in(data, kind) == data


@given(st.binary(min_size=1, max_size=200), st.integers(0, 10**6))
def test_a_form_that_is_cut_off_is_refused(data: bytes, at: int) -> None:
    body, kind = form(data)
    whole = len(body.rstrip(b"\r\n")) - 2  # the last two dashes say that it ends
    with pytest.raises(Refusal) as found:
        image_in(body[: at % whole], kind)
    assert (found.value.status, found.value.code) in ((400, "form"), (400, "empty"))


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=80))
def test_no_form_is_a_crash(body: bytes, boundary: bytes) -> None:
    kind = f"multipart/form-data; boundary={boundary.decode('latin-1')}"
    with suppress(Refusal):
        image_in(body, kind)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ((0, 1, 1, 1, 1), "--max-bytes 0"),
        ((1, 0, 1, 1, 1), "--max-pixels 0"),
        ((1, 1, 0, 1, 1), "--seconds 0"),
        ((1, 1, float("nan"), 1, 1), "--seconds nan"),
        ((1, 1, 1, 0, 1), "--concurrency 0"),
        ((1, 1, 1, 1, -1), "--queue -1"),
    ],
)
def test_limits_that_cannot_be(limits: tuple[int, int, float, int, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Limits(*limits).check()


def test_messages_say_whose_options_they_name() -> None:
    assert for_operator("it is damaged") == "it is damaged"
    for text in ("4 bands are read: --bands chooses", "more than the limit (SEGDATA_MAX_PIXELS sets it)"):
        assert for_operator(text).startswith(text)
        assert "segdata serve" in for_operator(text)


def test_shares_of_a_mask_without_some_classes() -> None:
    labels = Labels.of(["a", "b"])
    found = shares(np.array([[0, 0, 255, 0]], np.uint8), {0: 3, 255: 1}, labels)
    assert found == {
        "height": 1, "width": 4, "ignore": {"pixels": 1, "share": 0.25},
        "classes": [{"id": 0, "name": "a", "pixels": 3, "share": 0.75}, {"id": 1, "name": "b", "pixels": 0, "share": 0.0}],
    }  # fmt: skip
    with pytest.raises(Refusal, match="format=polygons"):
        Asked("mask", min_area=1).check(labels)


def test_bytes_in_memory_have_nothing_beside_them(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """A world file or an `.aux.xml` in the working folder says nothing of an image that was sent."""
    import io

    from PIL import Image

    from segdata.files.opening import open_image

    monkeypatch.chdir(tmp_path)
    data = io.BytesIO()
    Image.new("RGB", (9, 7), (1, 2, 3)).save(data, "PNG")
    for name in ("image.wld", "image.pgw", "memory:.wld"):
        (tmp_path / name).write_text("1\n0\n0\n-1\n100\n200\n")
    (tmp_path / "image.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>1</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    with open_image(InMemory(data.getvalue())) as raster:
        assert not raster.geo.placed
        assert raster.geo.nodata is None
    with InMemory(data.getvalue()) as file:
        refuse_pixels(file, 63)
        with pytest.raises(DataError, match="9 x 7 pixels are more than the limit of 62"):
            refuse_pixels(file, 62)


def test_blocks_count_with_all_their_bands() -> None:
    """A TIFF of a few bytes: its one tile of 1024 x 1024 pixels has 64 bands of 8 bytes, 537 MB to decode."""
    import rasterio
    from rasterio.io import MemoryFile

    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=64, height=64, count=64, dtype="float64", tiled=True, blockxsize=1024, blockysize=1024,
            interleave="pixel", SPARSE_OK=True, transform=rasterio.Affine(2, 0, 0, 0, -2, 0),
        ):  # fmt: skip
            pass
        data = memory.read()
    assert len(data) < 10_000
    with (
        InMemory(data) as file,
        pytest.raises(DataError, match=r"1024 x 1024 pixels, 512 bytes each, .*image.too_large"),
    ):
        refuse_pixels(file, 2**20)
    with InMemory(data) as file:
        refuse_pixels(file, 2**25)


def test_what_only_decoders_find_is_damage() -> None:
    """A DDS of unknown pixels, which Pillow calls not implemented, and a TIFF whose next directory lies beyond its end."""
    import io
    import struct
    from threading import Event

    from PIL import Image

    from segdata.files.reading import Reading
    from segdata.ops.serve.work import Work
    from segdata.prediction.windows import Sliding
    from serving import predictor

    def encoded(mode: str, format: str) -> bytearray:
        data = io.BytesIO()
        Image.new(mode, (8, 9)).save(data, format)
        return bytearray(data.getvalue())

    dds, tiff = encoded("RGB", "DDS"), encoded("RGBA", "TIFF")
    dds[80:84] = bytes(4)  # the flags of its pixel format
    first = struct.unpack("<I", tiff[4:8])[0]
    after = first + 2 + 12 * struct.unpack("<H", tiff[first : first + 2])[0]
    tiff[after : after + 4] = struct.pack("<I", 0x70000000)
    work = Work(predictor("colour"), Sliding(), Reading(), None, 0.0, 10_000)
    for data, status in ((dds, 415), (tiff, 400)):
        with pytest.raises(Refusal) as found:
            work.done(bytes(data), Event())
        assert (found.value.status, found.value.code) == (status, "image.unreadable")


def test_many_bands_are_refused_before_each_is_asked() -> None:
    """A TIFF of 5,000 bands of one pixel, which lie one after the other."""
    import rasterio
    from rasterio.io import MemoryFile

    with MemoryFile() as memory:
        with memory.open(driver="GTiff", width=1, height=1, count=5000, dtype="uint8", interleave="band", SPARSE_OK=True,
                         transform=rasterio.Affine(2, 0, 0, 0, -2, 0)):  # fmt: skip
            pass
        data = memory.read()
    with InMemory(data) as file, pytest.raises(DataError, match=r"5,000 bands are more than the limit of 4,096"):
        refuse_pixels(file, 2**20)
