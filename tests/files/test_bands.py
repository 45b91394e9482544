"""Which bands are chosen, and which one is transparency: against brute force, and against GDAL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from segdata.errors import DataError, OptionError
from segdata.files import bands
from segdata.files.bands import About, band_tags, look, opaque_value, places_of
from segdata.files.gdal import opened
from segdata.files.reading import Reading, parse_bands
from segdata.files.tiff import encode_tiff

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


class Held:
    """A band in memory, as rasterio would read it."""

    def __init__(self, values: Any) -> None:
        self.values = values
        self.height, self.width = values.shape
        self.block_shapes = [(1, self.width)]

    def read(self, band: int, window: Any) -> Any:
        """The rows of a window."""
        return self.values[window.row_off : window.row_off + window.height]


@given(st.lists(st.sampled_from([0, 1, 2, 255]), min_size=1, max_size=12))
def test_transparency_is_0_and_one_opaque_value(values: list[int]) -> None:
    kinds = {*values} - {0}
    expected = None if len(kinds) > 1 or kinds & {2} else max(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, "ROWS", 2)
        assert opaque_value(Held(np.array(values, np.uint8)[:, None]), 1, "x.tif") == expected


FORMS = [{}, {"bigtiff": True}, {"byteorder": ">"}, {"bigtiff": True, "byteorder": ">"}, {"planarconfig": "separate"}]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["unassalpha", "unspecified", "blank", "data"])
def test_a_look_is_what_gdal_says(form: dict[str, Any], count: int, kind: str, tmp_path: Path) -> None:
    values = np.random.default_rng(count).integers(0, 250, (8, 9, count)).astype(np.uint8)
    if kind != "data":
        values[:, :, -1] = 0 if kind == "blank" else np.where(values[:, :, -1] > 99, 255, 0)
    extra = ["unspecified"] * max(0, count - 2) + ["unspecified" if kind == "unspecified" else "unassalpha"]
    data = values[:, :, 0] if count == 1 else np.moveaxis(values, 2, 0) if "planarconfig" in form else values
    given: dict[str, Any] = {**form, "photometric": "minisblack", **({} if count == 1 else {"extrasamples": extra})}
    if count == 1:
        given.pop("planarconfig", None)
    tifffile.imwrite(tmp_path / "a.tif", np.ascontiguousarray(data), **given)
    with rasterio.open(tmp_path / "a.tif") as file:
        called = [colour.name for colour in file.colorinterp][-1] == "alpha"
    expected = {"unassalpha": "alpha", "unspecified": "none"}.get(kind, kind) if called else "none"
    assert look(str(tmp_path / "a.tif")) == (expected, count)


def test_what_cannot_be_read_is_told_later(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0\xff\xff\xff\xff")
    assert look(str(tmp_path / "a.tif")).what == "none"
    assert look(str(tmp_path / "b.tif")).what == "none"


def test_a_name_comes_before_a_colour() -> None:
    names = [("nir", "red"), ("", "green"), ("Red", "blue"), ("x", ""), ("X", "")]
    assert places_of(["red", "green", "blue", 1, "X", "x"], names, "a.tif") == [3, 2, 3, 1, 5, 4]
    with pytest.raises(DataError, match="has no band y: it has 5, called nir, green, Red, x, X"):
        places_of(["y"], names, "a.tif")
    with pytest.raises(DataError, match="its bands 1 and 2 are all called a"):
        places_of(["a"], [("a",), ("a",)], "a.tif")


def test_what_is_asked_twice() -> None:
    reading = Reading().but("B4,7,2")
    assert reading.bands == ("B4", 7, 2)
    assert reading.but("3,B4,1", "no") == Reading((2, "B4", "B4"), alpha=False)
    assert reading.but() == reading
    for text in ("4", "B5", "0", ",", "1,-1"):
        with pytest.raises(OptionError, match="--bands"):
            reading.but(text)
    assert parse_bands("01, 2 ,B 3") == ("01", 2, "B 3")


def test_gdal_reads_what_is_said_of_bands(tmp_path: Path) -> None:
    said = [About("a & <b>", "red", 0.1, -3.0), About("", "alpha"), About("é", "nir", 1.0, 1e-9)]
    data = encode_tiff(np.zeros((4, 5, 3), np.uint16), tags=band_tags(said, ["gray", "undefined", "undefined"]))
    (tmp_path / "a.tif").write_bytes(data)
    with opened(tmp_path / "a.tif") as file:
        assert file.descriptions == ("a & <b>", None, "é")
        assert (file.scales, file.offsets) == ((0.1, 1.0, 1.0), (-3.0, 0.0, 1e-9))
        assert [colour.name for colour in file.colorinterp] == ["red", "undefined", "nir"]
    assert band_tags([About("", "gray")], ["gray"]) == []
