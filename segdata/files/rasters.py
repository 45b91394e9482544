"""Images and masks that are open for reading by windows: in memory, or in a file that GDAL reads. `opening` opens them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.gdal import damaged, gdal_window
from segdata.files.geo import Geo
from segdata.files.limits import refuse_large
from segdata.files.sidecars import geo_of
from segdata.labels import Mask
from segdata.resize import centres
from segdata.windows import Window

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
        """(h, w): which pixels of a window, whose `values` were read, have data by the file's own word; None for all."""

    def reduced(self, size: tuple[int, int]) -> Values:
        """(h, w, C): all of it in about that size, to look at: the first three bands of every so many pixels."""


class WholeRaster:
    """An image that is in memory: (H, W, C), and (H, W) which pixels are opaque."""

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
        if self.opaque is None:
            return None if self.geo.nodata is None else has_data(values, self.geo.nodata)
        return self.opaque[window.slices]

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
        if "complex" in kind:
            raise DataError(
                Problem("image.type", "its pixels are complex numbers: export their real part or magnitude", file)
            )
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
        self.geo = geo_of(source, file)
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
        """See `Raster`. Overviews of the file are used if it has any."""
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


def every(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(H, W, ...) in about that size, never larger: the pixels under the centres of the new ones."""
    rows, columns = (centres(old, min(old, max(1, n))) for n, old in zip(size, array.shape[:2], strict=True))
    return np.asarray(array[rows][:, columns])


def bands_of(raster: Any, pixels: int = 2**24, block: int = 1) -> Iterator[Any]:
    """All of an image or mask that is open, about so many `pixels` at a time; rows in multiples of `block`, as tiles are."""
    rows = max(1, pixels // raster.width // block) * block
    for y in range(0, raster.height, rows):
        yield np.ascontiguousarray(raster.read(Window(y, 0, min(rows, raster.height - y), raster.width)))


def has_data(values: Values, nodata: float) -> NDArray[np.bool_]:
    """(h, w, C) -> (h, w): which pixels have, in any band, another value than `nodata`, which may be NaN."""
    if np.isnan(nodata):
        return np.asarray(~np.isnan(values).all(axis=2))
    return np.asarray((values != nodata).any(axis=2))
