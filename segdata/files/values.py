"""What an image's numbers mean: GDAL's scale and offset, and the value that means no data. Models and statistics read them so.

Files are cut, copied and looked at as they are stored. What computes with their values reads them here, as uint8, uint16 or
float32: other types become float32, and so does what is read by scale and offset. In float32 what means no data is NaN, which
enters no mean and which a model sees as the mean; in uint16 it is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, OptionError, Problem
from segdata.files.geo import Geo
from segdata.files.rasters import Raster, Values, has_data, shrunk
from segdata.windows import Window

STORED = ("uint8", "uint16", "float32")
"""The types that models take as they are stored."""


def as_values(raster: Raster, *, convert: bool = False, scaled: bool = False) -> Raster:
    """An open image whose numbers are what they mean.

    `scaled`: through its scale and offset. `convert`: also of types that models do not take. Raises `DataError` (`image.scale`)
    where whole numbers have no scale though the others that they go with do, `image.type` for a type that is not converted.
    """
    scaling = raster.geo.scaling if scaled else ()
    if scaled and not scaling and raster.dtype.kind in "ui":
        what = "it has no scale and offset, but the images that the model was trained on have"
        raise DataError(Problem("image.scale", f"{what}: give it theirs (gdal_edit.py -a_scale S -a_offset O FILE)"))
    if raster.dtype.name not in STORED and not (convert or scaling):
        what = f"its pixels are {raster.dtype}, and no span says which values are dark and bright"
        ways = "write `span: [low, high]` into the recipe, or tile with --dtype uint8 --scale-values LOW,HIGH"
        raise DataError(Problem("image.type", f"{what}: {ways}"))
    nodata = raster.geo.nodata
    if scaling or raster.dtype.name not in STORED:
        return ValueRaster(raster, bool(scaling))
    if nodata is None or np.isnan(nodata):
        return raster
    if raster.dtype == np.float32:
        return ValueRaster(raster, False)
    return EmptiedRaster(raster) if raster.dtype == np.uint16 and nodata != 0 else raster


def span_given(values: Sequence[float]) -> tuple[float, float] | None:
    """What --scale-values says, the values that become 0 and 1; None if nothing. Raises `OptionError`."""
    if not values:
        return None
    if len(values) != 2 or not np.isfinite(values).all() or not values[0] < values[1]:
        told = ",".join(f"{value:g}" for value in values)
        raise OptionError(f"--scale-values {told}: give two numbers, LOW,HIGH: the values that become 0 and 1")
    return float(values[0]), float(values[1])


def meant(values: Values, geo: Geo, *, scaled: bool = True, dtype: Any = np.float32) -> NDArray[Any]:
    """(h, w, C) as stored -> floats: by scale and offset if it is `scaled`; NaN for the value that means no data."""
    out: NDArray[Any] = values.astype(dtype)
    if scaled and geo.scaling:
        scale, offset = np.array(geo.scaling, np.float64).T
        out = (values * scale + offset).astype(dtype, copy=False)
    if geo.nodata is not None and not np.isnan(geo.nodata):
        out[values == geo.nodata] = np.nan
    return out


class ValueRaster:
    """An image as float32. A `Raster`; see `as_values`."""

    def __init__(self, raster: Raster, scaled: bool) -> None:
        self._raster, self._scaled = raster, scaled
        self.height, self.width, self.bands = raster.height, raster.width, raster.bands
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        self.geo, self.blocked, self.about, self.shrinks = raster.geo, raster.blocked, raster.about, 1

    def read(self, window: Window | None = None) -> Values:
        """See `Raster`."""
        return meant(self._raster.read(window), self.geo, scaled=self._scaled)

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """See `Raster`. It is asked of the pixels as they are stored, which are read once more."""
        return self._raster.valid(window, self._raster.read(window))

    def reduced(self, size: tuple[int, int], window: Window | None = None, mean: bool = False) -> Values:
        """See `Raster`."""
        return shrunk(self.read(window)[:, :, :3], size, self.geo.nodata, mean)


class EmptiedRaster(ValueRaster):
    """An image of whole numbers with 0, as in padding, where all bands have the value that means no data. A `Raster`.

    Of 16 bits that value may be far brighter than any other. Models see pixels without data, though nothing is learnt there.
    """

    def __init__(self, raster: Raster) -> None:
        super().__init__(raster, False)
        self.dtype = raster.dtype

    def read(self, window: Window | None = None) -> Values:
        """See `Raster`."""
        values = self._raster.read(window)
        known = has_data(values, float(self.geo.nodata or 0))
        return values if known.all() else np.where(known[:, :, None], values, values.dtype.type(0))


def known_bands(raster: Raster, pixels: int = 2**24) -> Iterator[tuple[Values, NDArray[np.bool_] | None]]:
    """All of an open image, about so many `pixels` at a time, each with (h, w) which pixels have data (None: all)."""
    for strip in Window(0, 0, raster.height, raster.width).strips(pixels):
        values = np.ascontiguousarray(raster.read(strip))
        yield values, raster.valid(strip, values)
