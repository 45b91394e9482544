"""What GDAL opens in more ways than one: a usual file, or one that is of a `forms.Form` of its own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from segdata.errors import DataError
from segdata.files import gdal
from segdata.files.crs import parse_crs
from segdata.files.file import File
from segdata.files.forms import SEVERAL, Form
from segdata.files.guards import refuse_others
from segdata.files.members import gdal_path, member_of
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.vrt import DEEPEST, checked, refuse_vrt
from segdata.words import some, suggest

DRIVERS: dict[Form, tuple[str, ...]] = {
    "VRT": ("VRT",), "ENVI": ("ENVI",), "HFA": ("HFA",), "netCDF": ("netCDF",), "HDF5": ("netCDF", "HDF5", "HDF5Image"),
    "Zarr": ("Zarr",),
}  # fmt: skip
"""Which of GDAL's drivers may open a file of a form, and no other."""

CALLED = {"netCDF": ("NETCDF", ""), "HDF5": ("HDF5", "//"), "HDF5Image": ("HDF5", "//"), "Zarr": ("ZARR", "/")}
"""How GDAL calls an image within a file: a word before the path, and what stands before the image's name."""

AS_STORED = {"GDAL_NETCDF_BOTTOMUP": "NO"}
"""While a NetCDF file is opened that does not say where it lies: GDAL would turn it upside down, for fear that it is."""

BESIDE = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}
"""While an ENVI image is opened: its header is sought by name, without a list of the folder."""


@contextmanager
def opened(file: File, reading: Reading = AS_IT_IS) -> Iterator[Any]:
    """An open rasterio dataset of any file that GDAL reads, as `reading` asks. Raises as `gdal.opened`.

    `DataError` (`<kind>.several`) lists what is in a file of several images of which none is chosen.
    """
    inside = member_of(str(file)) is not None  # a member of a shard is the one that was chosen
    if reading.subdataset is not None and file.form not in SEVERAL and not inside:
        raise file.problem("several", "holds no images by name: --subdataset is for NetCDF, HDF5 and Zarr")
    if file.form == "usual":
        with gdal.opened(file) as source:
            yield source
        return
    if file.form == "ENVI" and file.head.startswith(b"ENVI"):
        raise file.problem("unreadable", "is the header of an ENVI image: name the file of its pixels, beside it")
    refuse_others(file)
    with ExitStack() as stack:
        if file.form == "VRT" and not reading.vrt:
            refuse_vrt(file)
        name = _memory(file, stack, 1) if file.form == "VRT" else _name(file)
        source = stack.enter_context(_open(name, file))
        if file.form in SEVERAL:
            source = _one(source, name, file, reading.subdataset, stack)
        with gdal.damaged(str(file), file.kind):
            gdal.refuse_unfit(source, file)
        yield source


def _open(name: str, file: File, **more: str) -> Any:
    if file.form == "ENVI":
        more = BESIDE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gdal.load_rasterio().errors.NotGeoreferencedWarning)
        return gdal.open_alone(name, file, DRIVERS[file.form], GDAL_PAM_ENABLED="NO", **more)


def _one(whole: Any, name: str, file: File, wanted: str | None, stack: ExitStack) -> Any:
    """The image that is asked for of a file that may hold several, open."""
    chosen = _chosen(whole, file, wanted)
    source = whole if chosen is None else stack.enter_context(_open_one(chosen, file, str(wanted)))
    by_gdal = "NC_GLOBAL#GDAL" in source.tags()  # which stores the last row first, and turns it back
    if file.form == "Zarr" or by_gdal or not source.transform.is_identity:
        return source
    return stack.enter_context(_open(chosen or name, file, **AS_STORED))


def _open_one(name: str, file: File, wanted: str) -> Any:
    """One image of a file that holds several. Raises `DataError` (`<kind>.several`) if there is none of that name."""
    try:
        return _open(name, file)
    except DataError as error:
        raise file.problem("several", f"holds no {wanted!r}, but one image alone: leave --subdataset out") from error


def _name(file: File) -> str:
    """What GDAL calls a file. Its libraries for NetCDF and HDF5 want paths."""
    path = os.path.abspath(str(file))
    if file.form not in SEVERAL:
        return gdal_path(path)
    if '"' in path:
        raise file.problem("unreadable", 'its path has a " in it, which GDAL does not take: rename it')
    return path


def _memory(file: File, stack: ExitStack, depth: int) -> str:
    """What GDAL calls a VRT in memory that has been checked, and all that are in it."""
    if depth > DEEPEST:
        raise file.problem("unreadable", f"is a VRT within more than {DEEPEST} others")

    def image(path: str) -> str:
        with gdal.opened(path, file.kind):
            return gdal_path(path)

    def inner(path: str) -> str:
        with File(path, file.kind) as other:
            return _memory(other, stack, depth + 1)

    text = checked(file, image, inner, lambda srs: str(parse_crs(srs).to_wkt()))
    memory = stack.enter_context(gdal.load_rasterio().MemoryFile(text, ext=".vrt"))
    return str(memory.name)


def _chosen(source: Any, file: File, wanted: str | None) -> str | None:
    """What GDAL calls the image that is asked for, of a file that may hold several; None for the only one."""
    path = os.path.abspath(str(file))
    found = [text.partition(f"{path}:")[2].strip("/") for text in source.subdatasets]
    if wanted is None:
        if found:
            own = "make a file of one (gdalinfo lists what gdal_translate takes)"
            way = "choose one by --subdataset" if file.kind == "image" else own
            raise file.problem("several", f"holds several images: {way}: {some(found)}")
        if not source.count:
            raise file.problem("several", "holds no array of two dimensions or more, so it is no image")
        return None
    name = wanted.strip("/")
    if found and name not in found:
        raise file.problem("several", f"holds no {wanted!r}: {suggest(name, found)}")
    prefix, above = CALLED[source.driver]
    return f'{prefix}:"{path}":{above}{name}'
