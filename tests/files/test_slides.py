"""Slides of a microscope: pixels as they were scanned, by windows, and how many microns each has."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from format_files import pixels, write, write_jpeg2000_slide, write_ndpi, write_slide
from segdata.errors import DataError
from segdata.files.file import open_file
from segdata.files.opening import open_image, read_brightness, read_facts
from segdata.files.resolution import read_microns
from segdata.files.slides import SlideRaster
from segdata.windows import Window

pytest.importorskip("openslide")
pytest.importorskip("tifffile")


def microns(path: Path) -> float | None:
    with open_file(str(path)) as file:
        return read_microns(file)


@pytest.mark.parametrize("name", ["a.svs", "A.SVS"])
def test_a_slide_is_read_by_windows_at_its_largest(tmp_path: Path, name: str) -> None:
    values = pixels(600, 800)
    path = write_slide(tmp_path / name, values)
    with open_image(str(path)) as raster:
        assert (raster.height, raster.width, raster.bands, raster.dtype, raster.blocked) == (
            600,
            800,
            3,
            np.uint8,
            True,
        )
        for window in (Window(0, 0, 600, 800), Window(250, 500, 70, 300), Window(599, 799, 1, 1)):
            found = raster.read(window)
            np.testing.assert_array_equal(found, values[window.slices])
            assert raster.valid(window, found) is None
        assert raster.reduced((150, 200)).shape == (150, 200, 3)
        np.testing.assert_array_equal(raster.reduced((150, 200)), values[::4, ::4])
    facts = read_facts(str(path))
    assert (facts.height, facts.width, facts.orientation) == (600, 800, 1)
    assert read_brightness(str(path))[1] == 3
    assert microns(path) == 0.25


def test_what_was_not_scanned_is_white_and_has_no_data(tmp_path: Path) -> None:
    def region(place: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        x, y = place
        values = np.dstack([pixels(20, 30), np.full((20, 30), 255, np.uint8)])
        values[5:10, 5:10] = 0
        return Image.fromarray(values[y : y + size[1], x : x + size[0]])

    slide: Any = SimpleNamespace(dimensions=(30, 20), read_region=region)
    raster = SlideRaster(slide, open_file(str(tmp_path / "a.svs")))
    window = Window(0, 0, 20, 30)
    values = raster.read(window)
    valid = raster.valid(window, values)
    assert valid is not None
    assert (~valid).sum() == 25
    assert (values[5:10, 5:10] == 255).all()
    np.testing.assert_array_equal(values[valid], pixels(20, 30)[valid])
    other = raster.valid(Window(0, 0, 6, 6), values)
    assert other is not None
    assert (~other).sum() == 1


def test_jpeg2000_and_tiles_that_are_not_there(tmp_path: Path) -> None:
    """Tile 5 of 4 in a row is that of rows and columns 256 to 511."""
    y, x = np.mgrid[:600, :800]
    values = np.stack([x * 255 // 800, y * 255 // 600, (x + y) % 256], -1).astype(np.uint8)
    expected = np.ones((600, 800), np.bool_)
    expected[256:512, 256:512] = False
    path = write_jpeg2000_slide(tmp_path / "a.svs", values, 5)
    with open_image(str(path)) as raster:
        found = raster.read()
        valid = raster.valid(Window(0, 0, 600, 800), found)
        assert valid is not None
        np.testing.assert_array_equal(valid, expected)
        np.testing.assert_array_equal(found[valid], values[valid])
        assert (found[~valid] == 255).all()
    assert microns(path) == 0.5


def test_hamamatsu(tmp_path: Path) -> None:
    y, x = np.mgrid[:600, :800]
    values = np.stack([x * 255 // 800, y * 255 // 600, (x + y) // 6], -1).astype(np.uint8)
    path = write_ndpi(tmp_path / "a.ndpi", values)
    with open_image(str(path)) as raster:
        assert (raster.height, raster.width) == (600, 800)
        window = Window(100, 200, 30, 40)
        assert abs(raster.read(window).astype(int) - values[window.slices]).max() <= 6
    assert microns(path) == 0.25


def test_damaged_missing_and_without_openslide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.svs").write_bytes(b"II*\0 no slide")
    for name, why in (("a.svs", "cannot be decoded"), ("b.svs", "no such file")):
        with pytest.raises(DataError, match=why), open_image(str(tmp_path / name)):
            pass
    monkeypatch.setitem(sys.modules, "openslide", None)
    with pytest.raises(DataError, match=r'pip install "segdata\[slides\]"'), open_image(str(tmp_path / "a.svs")):
        pass


@pytest.mark.parametrize(
    ("text", "why"),
    [("[HIERARCHICAL]\nINDEXFILE = ../Index.dat\n", "names another file"), (None, "put the folder of its name beside it"),
     ("[DATAFILE]\nFILE_COUNT = 1\nFILE_0 = /etc/passwd\n", "names another file"), ("x", "Slidedat.ini cannot be read"),
     ("[DATAFILE]\nFILE_0 = link.dat\n", "names another file"), ("[DATAFILE]\nFILE_0 = a.dat\n", "cannot be decoded")],
)  # fmt: skip
def test_mirax_lies_below_its_folder(tmp_path: Path, text: str | None, why: str) -> None:
    (tmp_path / "a.mrxs").write_bytes(b"\xff\xd8\xff\xe0")
    if text is not None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "Slidedat.ini").write_text(text)
        (tmp_path / "a" / "link.dat").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match=why), open_image(str(tmp_path / "a.mrxs")):
        pass


@pytest.mark.parametrize(
    ("said", "expected"),
    [({"description": "Aperio Image|AppMag = 20|MPP = 0.4990|Left = 1"}, 0.499), ({}, None),
     ({"description": '<OME><Pixels PhysicalSizeX="0.65" PhysicalSizeXUnit="µm"/></OME>'}, 0.65),
     ({"description": '<OME><Pixels PhysicalSizeX="650" PhysicalSizeXUnit="nm"/></OME>'}, 0.65),
     ({"description": '<OME><Pixels PhysicalSizeX="0.65"/></OME>'}, 0.65),
     ({"description": '<OME><Pixels PhysicalSizeX="2" PhysicalSizeXUnit="pixel"/></OME>'}, None),
     ({"resolution": (20_000, 20_000), "resolutionunit": 3}, 0.5), ({"resolution": (72, 72), "resolutionunit": 2}, None),
     ({"resolution": (300, 300), "resolutionunit": 2}, None)],
)  # fmt: skip
def test_microns_of_other_tiffs(tmp_path: Path, said: dict[str, Any], expected: float | None) -> None:
    import tifffile

    text = said.get("description")
    data = None if text is None else text.encode()
    tifffile.imwrite(
        tmp_path / "a.tif", pixels(20, 30), photometric="rgb", metadata=None, **{**said, "description": data}
    )
    found = microns(tmp_path / "a.tif")
    assert found == (None if expected is None else pytest.approx(expected))


def test_microns_of_what_says_nothing(tmp_path: Path) -> None:
    assert microns(write_slide(tmp_path / "a.svs", pixels(300, 300), mpp=None)) is None
    assert microns(write(tmp_path / "a.png", pixels(), "PNG")) is None
    assert microns(write(tmp_path / "a.img", pixels(), "HFA")) is None
