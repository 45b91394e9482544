"""Files that are opened each in its own way: the same pixels as rasterio's own, and nothing beside them but what they need."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from format_files import pixels, vrt, write, write_netcdf, write_zarr
from segdata.errors import DataError
from segdata.files.forms import form_of
from segdata.files.opening import open_image, open_mask, read_brightness, read_facts
from segdata.files.reading import AS_IT_IS, Reading
from segdata.windows import Window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

WINDOW = Window(3, 5, 11, 17)


def read(path: Path, reading: Reading = AS_IT_IS, window: Window | None = None) -> Any:
    with open_image(str(path), reading=reading) as raster:
        return raster.read(window)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("name", "driver"),
    [("a.img", "HFA"), ("a.img", "ENVI"), ("A.IMG", "ENVI"), ("a.dat", "ENVI"), ("a", "ENVI"), ("a.bsq", "ENVI"),
     ("a.b.raw", "ENVI")],
)  # fmt: skip
def test_pixels_are_those_that_were_written(tmp_path: Path, name: str, driver: str, dtype: str) -> None:
    values = pixels(bands=4, dtype=dtype)
    path = write(tmp_path / name, values, driver)
    np.testing.assert_array_equal(read(path), values)
    np.testing.assert_array_equal(read(path, window=WINDOW), values[WINDOW.slices])
    facts = read_facts(str(path))
    assert (facts.height, facts.width, facts.orientation) == (40, 60, 1)
    assert read_brightness(str(path))[1] == 4


@pytest.mark.parametrize("interleave", ["BSQ", "BIL", "BIP"])
def test_envi_in_any_order(tmp_path: Path, interleave: str) -> None:
    values = pixels(bands=5, dtype="int16")
    path = write(tmp_path / f"a.{interleave.lower()}", values, "ENVI", interleave=interleave)
    np.testing.assert_array_equal(read(path), values)


def test_an_envi_header_is_no_image_and_another_header_none_of_envi(tmp_path: Path) -> None:
    write(tmp_path / "a.dat", pixels(), "ENVI")
    with pytest.raises(DataError, match="header of an ENVI image: name the file of its pixels"):
        read(tmp_path / "a.hdr")
    (tmp_path / "b.bil").write_bytes(bytes(100))
    (tmp_path / "b.hdr").write_text("BYTEORDER I\n")
    with pytest.raises(DataError, match="cannot be decoded"):
        read(tmp_path / "b.bil")
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    shutil.copy(tmp_path / "a.hdr", tmp_path / "c.hdr")
    assert form_of(str(tmp_path / "c.png"), (tmp_path / "c.png").read_bytes) == "usual"


def test_hfa_lies_where_it_says(tmp_path: Path) -> None:
    where = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    path = write(tmp_path / "a.img", pixels(), "HFA", crs="EPSG:32631", transform=where)
    with open_image(str(path)) as raster:
        assert raster.geo.transform == tuple(where)[:6]
        assert rasterio.crs.CRS.from_wkt(str(raster.geo.crs)).to_epsg() == 32631


def test_hfa_names_no_other_file(tmp_path: Path) -> None:
    """Pixels in a spill file, and smaller copies in another (.rrd)."""
    spilled = write(tmp_path / "a.img", pixels(), "HFA", USE_SPILL="YES")
    with pytest.raises(DataError, match=r"names another file to read .*ExternalRasterDMS.*gdal_translate"):
        read(spilled)
    path = write(tmp_path / "b.img", pixels(), "HFA")
    data = bytearray(path.read_bytes())
    root = struct.unpack_from("<I", data, struct.unpack_from("<I", data, 16)[0] + 8)[0]
    child = struct.unpack_from("<I", data, root + 12)[0]
    struct.pack_into("64s", data, child + 24, b"DependentFile")
    path.write_bytes(data)
    with pytest.raises(DataError, match="DependentFile"):
        read(path)


@pytest.mark.parametrize("make", [write_netcdf, write_zarr])
def test_one_of_several(tmp_path: Path, make: Any) -> None:
    arrays = {
        "red": pixels(bands=1, dtype="float32")[:, :, 0],
        "cube": pixels(bands=5, dtype="int16").transpose(2, 0, 1),
    }
    path = make(tmp_path / ("a.nc" if make is write_netcdf else "a.zarr"), arrays)
    with pytest.raises(DataError, match=r"several images: choose one by --subdataset: .*(red|cube), (red|cube)"):
        read(path)
    np.testing.assert_array_equal(read(path, Reading(subdataset="red"))[:, :, 0], arrays["red"])
    with pytest.raises(DataError, match=r"holds no 'rde': .*red"):
        read(path, Reading(subdataset="rde"))
    if make is write_netcdf:
        np.testing.assert_array_equal(read(path, Reading(subdataset="/cube")).transpose(2, 0, 1), arrays["cube"])


@pytest.mark.parametrize("make", [write_netcdf, write_zarr])
def test_the_only_one_is_not_asked_for(tmp_path: Path, make: Any) -> None:
    values = pixels(bands=1, dtype="float32")[:, :, 0]
    path = make(tmp_path / ("a.nc" if make is write_netcdf else "a.zarr"), {"red": values})
    np.testing.assert_array_equal(read(path)[:, :, 0], values)
    np.testing.assert_array_equal(read(path, Reading(subdataset="red"))[:, :, 0], values)
    with pytest.raises(DataError, match="holds no 'blue', but one image alone: leave --subdataset out"):
        read(path, Reading(subdataset="blue"))


def test_netcdf_that_lies_somewhere_is_turned_north_up(tmp_path: Path) -> None:
    """As GDAL and xarray lay it; without coordinates rows are as they are stored."""
    from scipy.io import netcdf_file

    values = pixels(bands=1, dtype="float32")[:, :, 0]
    with netcdf_file(tmp_path / "a.nc", "w") as file:
        for axis, size in (("lat", 40), ("lon", 60)):
            file.createDimension(axis, size)
            line = file.createVariable(axis, ">f8", (axis,))
            line[:] = np.arange(size) * 0.5
            line.units = b"degrees_north" if axis == "lat" else b"degrees_east"
        file.createVariable("red", ">f4", ("lat", "lon"))[:] = values
    with open_image(str(tmp_path / "a.nc")) as raster:
        np.testing.assert_array_equal(raster.read()[:, :, 0], values[::-1])
        assert raster.geo.transform == (0.5, 0, -0.25, 0, -0.5, 19.75)


def test_a_usual_file_holds_none_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--subdataset is for NetCDF, HDF5 and Zarr"):
        read(write(tmp_path / "a.tif", pixels()), Reading(subdataset="red"))


def test_hdf5_is_opened_if_it_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its library follows names of other files, wherever they are."""
    values = pixels(bands=1)
    rasterio.shutil.copy(write(tmp_path / "a.tif", values), tmp_path / "a.nc", driver="netCDF", FORMAT="NC4")
    with pytest.raises(DataError, match="SEGDATA_HDF5=1 if you trust it"):
        read(tmp_path / "a.nc")
    monkeypatch.setenv("SEGDATA_HDF5", "1")
    np.testing.assert_array_equal(read(tmp_path / "a.nc"), values.repeat(3, axis=2))  # one band of 8 bits is grey


def test_a_zarr_folder_has_no_links(tmp_path: Path) -> None:
    values = pixels(bands=1)[:, :, 0]
    path = write_zarr(tmp_path / "a.zarr", {"red": values})
    (tmp_path / "secret").write_bytes(values.tobytes())
    (path / "red" / "0.0").unlink()
    (path / "red" / "0.0").symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match=r"names another file to read \(by the link 0\.0\)"):
        read(path)


@pytest.mark.parametrize("driver", ["HFA", "ENVI"])
def test_masks_too(tmp_path: Path, driver: str) -> None:
    ids = pixels(bands=1) % 5
    with open_mask(str(write(tmp_path / "m.img", ids, driver))) as mask:
        np.testing.assert_array_equal(mask.read(), ids[:, :, 0])


# VRT


def mosaic(folder: Path, name: str = "a.vrt", **more: Any) -> tuple[Path, Any]:
    """A VRT of two TIFFs below it, side by side, and its pixels."""
    values = pixels()
    write(folder / "parts" / "left.tif", values[:, :30])
    write(folder / "parts" / "right.tif", values[:, 30:])
    (folder / name).write_text(vrt([("parts/left.tif", 0, 0), ("parts/right.tif", 0, 30)], (40, 60), **more))
    return folder / name, values


VRT = Reading(vrt=True)


def test_vrt_by_option(tmp_path: Path) -> None:
    path, values = mosaic(tmp_path)
    with pytest.raises(DataError, match="names other files to read: --vrt reads those below its folder"):
        read(path)
    np.testing.assert_array_equal(read(path, VRT), values)
    np.testing.assert_array_equal(read(path, VRT, WINDOW), values[WINDOW.slices])
    assert read_facts(str(path), reading=VRT).upright == (40, 60)
    with pytest.raises(DataError, match=r"is a VRT.*gdal_translate"), open_mask(str(path)):
        pass


def test_vrts_within_each_other(tmp_path: Path) -> None:
    path, values = mosaic(tmp_path)
    (tmp_path / "b.vrt").write_text(vrt([("a.vrt", 0, 0)], (40, 60)))
    np.testing.assert_array_equal(read(tmp_path / "b.vrt", VRT), values)
    path.write_text(vrt([("b.vrt", 0, 0)], (40, 60)))
    with pytest.raises(DataError, match="is a VRT within more than 4 others"):
        read(path, VRT)


def test_a_vrt_that_gdal_wrote(tmp_path: Path) -> None:
    """With places, nodata, colours and metadata: what gdal_translate writes of an ordinary GeoTIFF."""
    where = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    values = pixels(dtype="int16")
    write(tmp_path / "a.tif", values, crs="EPSG:32631", transform=where, nodata=-1)
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        rasterio.shutil.copy("a.tif", "a.vrt", driver="VRT")
    finally:
        os.chdir(here)
    with open_image(str(tmp_path / "a.vrt"), reading=VRT) as raster:
        np.testing.assert_array_equal(raster.read(), values)
        assert (raster.geo.transform, raster.geo.nodata) == (tuple(where)[:6], -1)


@pytest.mark.parametrize(
    ("source", "why"),
    [("../secret.tif", "not below the folder"), ("{root}/secret.tif", "not below the folder"),
     ("link.tif", "not below the folder"), ("folder/secret.tif", "not below the folder"), ("missing.tif", "is missing"),
     ("/vsizip/{root}/in/x.zip/a.tif", "not below the folder"), ("http://127.0.0.1:9/a.tif", "is missing"),
     ("/vsicurl/http://127.0.0.1:9/a.tif", "not below the folder"), ('NETCDF:"{root}/secret.nc":a', "is missing"),
     ("text.txt", "no TIFF, JPEG 2000 or PNG"), ("photo.jpg", "no TIFF, JPEG 2000 or PNG"), ("", "is missing")],
)  # fmt: skip
def test_sources_lie_below_a_vrt(tmp_path: Path, source: str, why: str) -> None:
    """By name, by links of files and folders, and through GDAL's file systems."""
    write(tmp_path / "secret.tif", pixels())
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link.tif").symlink_to(tmp_path / "secret.tif")
    (folder / "folder").symlink_to(tmp_path)
    (folder / "text.txt").write_text("<VRTDataset/>")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xfe\x20\x20<VRTDataset></VRTDataset>")
    path = folder / "a.vrt"
    path.write_text(vrt([(source.format(root=tmp_path).replace('"', "&quot;"), 0, 0)], (40, 60)))
    with pytest.raises(DataError, match=why):
        read(path, VRT)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [('<VRTRasterBand ', '<VRTRasterBand subClass="VRTDerivedRasterBand" ', "VRTDerivedRasterBand"),
     ("<ColorInterp>", "<PixelFunctionType>sum</PixelFunctionType><ColorInterp>", "PixelFunctionType"),
     ("<ColorInterp>", "<PixelFunctionCode>x</PixelFunctionCode><ColorInterp>", "PixelFunctionCode"),
     ("<VRTDataset ", '<VRTDataset subClass="VRTWarpedDataset" ', "VRTWarpedDataset"),
     ("<SimpleSource>", "<SimpleSource><OpenOptions/>", "OpenOptions"),
     ("<ColorInterp>", "<Overview><SourceFilename>/x</SourceFilename></Overview><ColorInterp>", "Overview"),
     ("<VRTRasterBand ", '<VRTRasterBand subClass="VRTRawRasterBand" ', "VRTRawRasterBand"),
     ("<VRTRasterBand ", "<Group/><VRTRasterBand ", "Group"),
     ("<VRTRasterBand ", "<SRS>/etc/passwd</SRS><VRTRasterBand ", "coordinate system"),
     ("<VRTDataset ", "<!DOCTYPE a><VRTDataset ", "entities")],
)  # fmt: skip
def test_only_plain_sources_are_in_a_vrt(tmp_path: Path, old: str, new: str, named: str) -> None:
    path, _ = mosaic(tmp_path)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=named):
        read(path, VRT)


def test_an_image_called_vrt_is_an_image(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vrt", pixels(), "GTiff")
    np.testing.assert_array_equal(read(path), pixels())
