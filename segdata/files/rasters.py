"""Images and masks read by windows, so that memory does not grow with the image.

TIFF of every kind, JPEG 2000 and what GDAL alone reaches (`https://`, `zip://` ...) are read window by window. PNG and JPEG
have no random access: up to `WHOLE` pixels they are decoded at once, larger ones row by row as GDAL does it, which is quick
downwards and starts anew upwards. In object storage the former are read by parts, the latter fetched once.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import isqrt
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.geo import Geo, load_rasterio
from segdata.files.images import (
    Exif,
    ImageArray,
    ImageFacts,
    image_orientation,
    image_size,
    inspect_image,
    read_mask,
    read_opaque,
    read_reduced,
    turn,
)
from segdata.files.members import gdal_path, holder
from segdata.files.places import is_stored, only_gdal_opens, read_start, vsi_path
from segdata.files.png import MAX_PIXELS
from segdata.files.providers import PROVIDERS, gdal_settings
from segdata.files.remote import Place, Remote, is_remote
from segdata.labels import Mask
from segdata.resize import centres
from segdata.windows import Window

WHOLE = 2**26
"""PNGs, JPEGs and other files without random access are decoded at once up to so many pixels: 67 million, 200 MB as RGB."""

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

JPEG2000 = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")

PNG, JPEG = b"\x89PNG\r\n", b"\xff\xd8\xff"

LUMA = np.array([0.299, 0.587, 0.114])
"""The brightness of red, green and blue (ITU-R BT.601), as Pillow has it."""

DRIVERS = ("GTiff", "PNG", "JPEG", "JP2OpenJPEG", "WEBP", "BMP", "GIF")
"""What GDAL may take a file for. Others, VRT above all, name more files to read, wherever they are."""

BY_WINDOWS = (".tif", ".tiff", ".jp2", ".j2k", ".jpx")
"""What is read by windows in object storage goes by its name, as asking for its first bytes takes as long as a window."""

ELSEWHERE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_NON_CACHED": ":".join(p.gdal for p in PROVIDERS.values() if p.gdal),
}
"""GDAL on object storage: no look for files beside the one that is opened, and nothing kept of it once it is closed, as it may
be written anew."""

Access = Literal["windows", "rows", "whole"]

Values = NDArray[Any]
"""(h, w, C): uint8 RGB of ordinary images, else the bands as they are."""


class Raster(Protocol):
    """An image open for reading by windows."""

    height: int
    width: int
    bands: int
    dtype: np.dtype[Any]
    geo: Geo
    blocked: bool
    """Whether windows of any place are quick: a tiled file, or one that is in memory."""

    def read(self, window: Window | None = None) -> Values:
        """(h, w, C) pixels of a window, of all by default. Raises `DataError` (`image.unreadable`)."""

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """(h, w): where a window, whose `values` were read, has data by the file's own word; None for everywhere."""

    def reduced(self, size: tuple[int, int]) -> Values:
        """(h, w, C): all of it in about that size, to look at: the first three bands of every so many pixels."""


class WholeRaster:
    """An image that is in memory: (H, W, C), and (H, W) where it is opaque."""

    def __init__(self, values: Values, opaque: NDArray[np.bool_] | None = None, geo: Geo | None = None) -> None:
        self.values, self.opaque = values, opaque
        self.height, self.width, self.bands = values.shape
        self.dtype = values.dtype
        self.geo = geo or Geo()
        self.blocked = True

    def read(self, window: Window | None = None) -> Values:
        """See `Raster`. A view."""
        return self.values if window is None else self.values[window.slices]

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """See `Raster`."""
        return None if self.opaque is None else self.opaque[window.slices]

    def reduced(self, size: tuple[int, int]) -> Values:
        """See `Raster`."""
        return every(self.values[:, :, :3], size)


class FileRaster:
    """An image that GDAL reads. `ordinary` ones become RGB: 8-bit RGB, grey and palettes, PNGs of 16 bits; the rest stays."""

    def __init__(self, source: Any, file: str) -> None:
        names = [interpretation.name for interpretation in source.colorinterp]
        colours = [name for name in names if name != "alpha"]
        self._source, self._file = source, file
        self.height, self.width = source.height, source.width
        kind = source.dtypes[0]
        ordinary = kind == "uint8" or (kind == "uint16" and source.driver == "PNG")
        self.ordinary = ordinary and (
            colours in (["gray"], ["palette"]) or colours[:3] == ["red", "green", "blue"] == colours
        )
        self._palette = np.zeros((256, 3), np.uint8)
        if self.ordinary and colours == ["palette"]:
            for value, color in source.colormap(1).items():
                self._palette[value] = color[:3]
        bits = int(source.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
        self._stretch = 255 // (2**bits - 1) if self.ordinary and colours == ["gray"] and bits < 8 else 1
        self._indexes = [i for i, name in enumerate(names, 1) if not (self.ordinary and name == "alpha")]
        self._colours = colours
        self.bands = 3 if self.ordinary else source.count
        self.dtype = np.dtype(np.uint8 if self.ordinary else kind)
        crs = source.crs.to_wkt() if source.crs else None
        self.geo = Geo(crs, tuple(source.transform)[:6], source.nodata)
        self.blocked = source.block_shapes[0][1] < source.width
        self._masked = any(flag.name in ("alpha", "per_dataset") for flags in source.mask_flag_enums for flag in flags)

    def read(self, window: Window | None = None) -> Values:
        """See `Raster`."""
        y, x, h, w = window or (0, 0, self.height, self.width)
        refuse_large(h, w, len(self._indexes) * np.dtype(self._source.dtypes[0]).itemsize, self._file)
        values = np.empty((h, w, len(self._indexes)), self._source.dtypes[0])
        with damaged(self._file):
            self._source.read(self._indexes, out=values.transpose(2, 0, 1), window=gdal_window(y, x, h, w))
        return self._shown(values)

    def _shown(self, values: Values) -> Values:
        """The file's own (h, w, C) as they are given: see the class."""
        if not self.ordinary:
            return values
        if values.dtype == np.uint16:
            values = (values >> 8).astype(np.uint8)
        if self._colours == ["palette"]:
            return self._palette[values[:, :, 0]]
        return values if values.shape[2] == 3 else np.repeat(values * np.uint8(self._stretch), 3, axis=2)

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """See `Raster`."""
        if self._masked:
            with damaged(self._file):
                return np.asarray(self._source.dataset_mask(window=gdal_window(*window)) > 0)
        if self.geo.nodata is None:
            return None
        if self._colours == ["palette"]:
            with damaged(self._file):
                return np.asarray(self._source.read(1, window=gdal_window(*window)) != self.geo.nodata)
        return has_data(values, self.geo.nodata)

    def reduced(self, size: tuple[int, int]) -> Values:
        """See `Raster`. Overviews of the file are used where it has any."""
        size = min(self.height, max(1, size[0])), min(self.width, max(1, size[1]))
        refuse_large(*size, 1, self._file)
        values = np.empty((*size, len(self._indexes[:3])), self._source.dtypes[0])
        with damaged(self._file):
            self._source.read(self._indexes[:3], out=values.transpose(2, 0, 1))
        return self._shown(values)


class MaskRaster:
    """A mask open for reading by windows: class ids, palette indices as they are."""

    def __init__(self, source: Any, file: str) -> None:
        if source.count != 1 or source.dtypes[0] not in ("uint8", "uint16"):
            what = f"{source.count} bands of {source.dtypes[0]}"
            raise DataError(
                Problem("mask.colours", f"a mask of {what} holds no class ids: it takes one of 8 or 16 bits", file)
            )
        self._source, self._file = source, file
        self.height, self.width = source.height, source.width
        self.dtype = np.dtype(source.dtypes[0])
        self.blocked = source.block_shapes[0][1] < source.width  # see `Raster`

    def read(self, window: Window | None = None) -> Mask:
        """(h, w) ids of a window, of all by default. Raises `DataError` (`mask.unreadable`)."""
        y, x, h, w = window or (0, 0, self.height, self.width)
        refuse_large(h, w, self.dtype.itemsize, self._file, "mask")
        with damaged(self._file, "mask"):
            values: Mask = self._source.read(1, window=gdal_window(y, x, h, w))
        return values

    def reduced(self, size: tuple[int, int]) -> Mask:
        """(h, w) ids of every so many pixels, in about that size."""
        size = min(self.height, max(1, size[0])), min(self.width, max(1, size[1]))
        refuse_large(*size, self.dtype.itemsize, self._file, "mask")
        with damaged(self._file, "mask"):
            values: Mask = self._source.read(1, out_shape=size)
        return values


class WholeMask:
    """A mask that is in memory, (H, W) ids."""

    def __init__(self, values: Mask) -> None:
        self.values = values
        self.height, self.width = values.shape
        self.dtype = values.dtype
        self.blocked = True

    def read(self, window: Window | None = None) -> Mask:
        """(h, w) ids of a window, of all by default; a view."""
        return self.values if window is None else self.values[window.slices]

    def reduced(self, size: tuple[int, int]) -> Mask:
        """(h, w) ids of every so many pixels, in about that size."""
        return every(self.values, size)


# Opening


@contextmanager
def open_raster(path: str | Place, *, exif: Exif | None = None) -> Iterator[Raster]:
    """An image open for reading by windows; `exif` is the manifest's.

    Raises `DataError` (`image.missing`, `image.unreadable`, `image.too_large` for what has to be decoded at once).
    """
    path = fetched(path)
    access = access_to(path)
    if access == "whole" or (access == "rows" and exif == "upright"):
        yield WholeRaster(*read_opaque(path, exif=exif))
        return
    with opened(path) as source:
        raster = FileRaster(source, str(path))
        orientation = file_orientation(path) if access == "windows" else 1
        geo = raster.geo if orientation == 1 or exif != "upright" else Geo(nodata=raster.geo.nodata)
        names = {interpretation.name for interpretation in source.colorinterp}
        if names & {"cyan", "magenta", "yellow", "black"} or (orientation != 1 and raster.ordinary):
            # of colours that are not stored as RGB, GDAL reads turned rows in another order
            yield WholeRaster(*read_opaque(path, exif=exif), geo=geo)
        elif orientation == 1 or exif != "upright":
            yield raster
        else:
            values = raster.read()
            valid = raster.valid(Window(0, 0, raster.height, raster.width), values)
            upright = np.ascontiguousarray(turn(values, orientation))
            yield WholeRaster(upright, None if valid is None else turn(valid, orientation), geo)


def file_orientation(path: str | Place) -> int:
    """An image's EXIF orientation, 1 for what GDAL alone opens."""
    return 1 if only_gdal_opens(path) else image_orientation(path)


@contextmanager
def open_mask(path: str | Place) -> Iterator[MaskRaster | WholeMask]:
    """A mask open for reading by windows. Raises `DataError` (`mask.*`)."""
    path = fetched(path, "mask")
    if access_to(path, "mask") == "whole":
        yield WholeMask(read_mask(path))
        return
    with opened(path, "mask") as source:
        yield MaskRaster(source, str(path))


def fetched(path: str | Place, kind: str = "image") -> str | Place:
    """The same file, with its bytes at hand where it is in object storage and is not read by parts there.

    Raises `DataError` (`<kind>.missing`), `StorageError`.
    """
    if not is_stored(path) or (there := Remote.of(path)).suffix.lower() in BY_WINDOWS:
        return path
    try:
        return there.held()
    except FileNotFoundError as error:
        raise DataError(Problem(f"{kind}.missing", "there is no such file", file=str(path))) from error


def access_to(path: str | Place, kind: str = "image") -> Access:
    """How a file, `fetched` before, is read: by `windows` (TIFF, JPEG 2000, elsewhere), by `rows` (large PNGs and JPEGs), or
    `whole`. Raises `DataError` (`<kind>.missing`).
    """
    if is_remote(path) and not (isinstance(path, Remote) and path.is_held):
        return "windows"
    try:
        head = read_start(path, 24)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        what = "there is no such file" if gone else f"cannot be read: {error.strerror}"
        raise DataError(Problem(f"{kind}.missing", what, file=str(path))) from error
    if head.startswith((*TIFF, *JPEG2000)):
        return "windows"
    if head.startswith(PNG):
        height, width = struct.unpack(">II", head[16:].rjust(8, b"\0"))
    else:
        height, width = image_size(path) if head.startswith(JPEG) else (1, 1)
    return "rows" if height * width > WHOLE else "whole"


def read_facts(path: str | Place, *, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """An image's size and orientation: from the header of what is read by windows, else by decoding it once.

    Raises `DataError` (`image.*`).
    """
    path = fetched(path)
    if access_to(path) == "whole":
        return inspect_image(path, max_pixels=max_pixels)
    with open_raster(path) as raster:
        return ImageFacts(raster.height, raster.width, file_orientation(path))


def read_brightness(
    path: str | Place, *, exif: Exif | None = None, reduce: int = 1
) -> tuple[ImageFacts, int, NDArray[np.uint8]]:
    """What `images.read_reduced` gives, of images of any size and kind. Raises `DataError` (`image.*`)."""
    path = fetched(path)
    if access_to(path) == "whole":
        return read_reduced(path, exif=exif, reduce=reduce)
    with open_raster(path, exif=exif) as raster:
        every_nth = max(
            1, min(reduce, isqrt(raster.height * raster.width // WHOLE))
        )  # no more than it must: it is no mean
        size = -(-raster.height // every_nth), -(-raster.width // every_nth)
        grey = (to_rgb(raster.reduced(size)) @ LUMA).round().astype(np.uint8)
    with opened(path) as source:  # as many bands as there are, whatever is made of them
        bands = 3 if source.colorinterp[0].name == "palette" else source.count
        facts = ImageFacts(source.height, source.width, file_orientation(path))
    return facts, bands, grey


def refuse_large(height: int, width: int, depth: int, file: str | None = None, kind: str = "image") -> None:
    """Raise `DataError` (`<kind>.too_large`) for pixels of `depth` bytes that are not to be in memory at once.

    These are more than `MAX_PIXELS`, or more bytes than 16 for each of them, whatever the size of the file.
    """
    if height * width > MAX_PIXELS or height * width * depth > 16 * MAX_PIXELS:
        message = f"{width} x {height} pixels of {depth} bytes at once are more than the limit"
        message += f" of {MAX_PIXELS} (SEGDATA_MAX_PIXELS sets it)"
        raise DataError(Problem(f"{kind}.too_large", message, file))


def every(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(H, W, ...) in about that size, never larger: the pixels under the centres of the new ones."""
    rows, columns = (centres(old, min(old, max(1, n))) for n, old in zip(size, array.shape[:2], strict=True))
    return np.asarray(array[rows][:, columns])


def bands_of(raster: Any, pixels: int = 2**24) -> Iterator[Any]:
    """All of an image or mask that is open, a few rows at a time."""
    rows = max(1, pixels // raster.width)
    for y in range(0, raster.height, rows):
        yield np.ascontiguousarray(raster.read(Window(y, 0, min(rows, raster.height - y), raster.width)))


def has_data(values: Values, nodata: float) -> NDArray[np.bool_]:
    """(h, w, C) -> (h, w): where any band has another value than `nodata`, which may be NaN."""
    if np.isnan(nodata):
        return np.asarray(~np.isnan(values).all(axis=2))
    return np.asarray((values != nodata).any(axis=2))


def to_rgb(values: Values) -> ImageArray:
    """(h, w, C) of any type -> (h, w, 3) uint8 for people to look at: the first three bands, or the first one alone.

    What is not uint8 is stretched from its 2nd to its 98th percentile.
    """
    three = values[:, :, :3] if values.shape[2] >= 3 else np.repeat(values[:, :, :1], 3, axis=2)
    if three.dtype == np.uint8:
        return np.ascontiguousarray(three)
    known = three[np.isfinite(three)]
    low, high = np.percentile(known, (2, 98)) if known.size else (0.0, 1.0)
    stretched = (np.nan_to_num(three.astype(np.float64), nan=low) - low) * (255 / max(high - low, 1e-12))
    return stretched.clip(0, 255).astype(np.uint8)


# What rasterio and GDAL want


@contextmanager
def opened(path: str | Place, kind: str = "image") -> Iterator[Any]:
    """An open rasterio dataset; whatever keeps it from opening becomes one `DataError`."""
    rasterio = load_rasterio()
    file = str(path)
    with ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            if is_stored(path):
                source = _open_stored(Remote.of(path), kind, stack)
            elif not is_remote(path) and not os.path.exists(holder(file)):
                raise DataError(Problem(f"{kind}.missing", "there is no such file", file=file))
            else:
                with damaged(file, kind):
                    source = rasterio.open(gdal_path(file))
        stack.enter_context(source)
        if source.driver not in DRIVERS:
            message = f"a {source.driver} is no image, and may name other files to read: convert it to GeoTIFF"
            raise DataError(Problem(f"{kind}.unreadable", message, file=file))
        yield source


def _open_stored(there: Remote, kind: str, stack: ExitStack) -> Any:
    """An open rasterio dataset of what is in object storage. Raises `DataError` (`<kind>.missing`, `.unreadable`)."""
    rasterio = load_rasterio()
    try:
        if (path := vsi_path(there)) is None:
            with damaged(str(there), kind):
                return stack.enter_context(rasterio.MemoryFile(there.read_bytes())).open()
        os.environ.update(gdal_settings())  # not for this thread alone, as an option would be
        with rasterio.Env(**ELSEWHERE), damaged(str(there), kind):
            return rasterio.open(path)
    except (DataError, FileNotFoundError) as error:
        if not there.is_file():  # which also says what is wrong with the storage
            raise DataError(Problem(f"{kind}.missing", "there is no such file", file=str(there))) from error
        raise


@contextmanager
def damaged(file: str, kind: str = "image") -> Iterator[None]:
    """Whatever rasterio makes of a damaged file becomes one `DataError` (`<kind>.unreadable`)."""
    rasterio = load_rasterio()
    try:
        yield
    except (rasterio.errors.RasterioError, OSError) as error:
        reason = str(error.__cause__ or error).replace(file, Path(file).name)
        raise DataError(Problem(f"{kind}.unreadable", f"cannot be decoded: {reason}", file=file)) from error


def gdal_window(y: int, x: int, height: int, width: int) -> Any:
    """A window as rasterio has it."""
    from rasterio.windows import Window as GdalWindow

    return GdalWindow(x, y, width, height)
