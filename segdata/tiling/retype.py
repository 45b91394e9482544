"""Values of images brought into another type by a stated span, for tiles: LOW becomes 0, and HIGH the largest value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.geo import Geo
from segdata.files.rasters import Raster, Values, is_gapless
from segdata.files.values import ValueRaster, meant
from segdata.windows import Window

Dtype = Literal["uint8", "uint16", "float32"]
"""Types that tiles may be written in."""

SPANS = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0), "float32": (0.0, 1.0)}
"""What becomes 0 and 1 of images of these types, if nothing else is said; for others it has to be."""


class Retyped(NamedTuple):
    """A tile's (h, w, C) values in the new type, and how many of its pixels were `clipped` to the span in any band."""

    values: Values
    clipped: int


@dataclass(frozen=True, slots=True)
class Retype:
    """The type that values are brought to, and the `span` (LOW, HIGH) that becomes 0 and 1, of uint8 255 and of uint16 65535.

    Values are what they mean: by scale and offset, if a file has any. float32 without a span keeps them. What means no data is
    0 in whole numbers, where the darkest pixels of images that have such a value are 1 instead, and NaN in float32.
    """

    dtype: Dtype
    span: tuple[float, float] | None = None

    def span_of(self, stored: np.dtype[np.generic], geo: Geo) -> tuple[float, float] | None:
        """The span of an image of a dtype. Raises `DataError` (`image.type`) if it has to be given."""
        if self.span is not None or self.dtype == "float32":
            return self.span
        if geo.scaling or stored.name not in SPANS:
            pixels = "have scale and offset" if geo.scaling else f"are {stored}"
            what = f"--dtype {self.dtype}: its pixels {pixels}, and nothing says which values are dark and bright"
            raise DataError(Problem("image.type", f"{what}: give --scale-values LOW,HIGH"))
        return SPANS[stored.name]

    def values(self, values: Values, geo: Geo, valid: NDArray[np.bool_] | None) -> NDArray[np.float64]:
        """(h, w, C) as stored -> what they mean, NaN where there is no data."""
        out = meant(values, geo, dtype=np.float64)
        if valid is not None:
            out[~valid] = np.nan
        return out

    def __call__(self, values: NDArray[np.float64], span: tuple[float, float] | None, gaps: bool) -> Retyped:
        """`values` in the type; `gaps`: the image may have pixels without data."""
        if span is None:
            return Retyped(values.astype(np.float32), 0)
        low, high = span
        unit = (values - low) / (high - low)
        clipped = int(np.count_nonzero(((unit < 0) | (unit > 1)).any(axis=2)))
        unit = unit.clip(0, 1)
        if self.dtype == "float32":
            return Retyped(unit.astype(np.float32), clipped)
        whole = np.rint(unit * SPANS[self.dtype][1])
        if gaps:
            whole = np.maximum(whole, 1)  # 0 is what NaN becomes
        return Retyped(np.nan_to_num(whole, nan=0).astype(self.dtype), clipped)

    def nodata(self, gaps: bool) -> float | None:
        """The value that means no data in tiles of an image that may have such pixels."""
        return None if not gaps else float("nan") if self.dtype == "float32" else 0.0


class RetypedRaster(ValueRaster):
    """An open image in the type, and with the values, that tiles of it would be written in. A `Raster`."""

    def __init__(self, raster: Raster, retype: Retype) -> None:
        super().__init__(raster, False)
        self._retype = retype
        self.dtype = np.dtype(retype.dtype)
        self._gaps = not is_gapless(raster)
        self._span = retype.span_of(raster.dtype, raster.geo)
        self.geo = replace(raster.geo, nodata=retype.nodata(self._gaps), scaling=())

    def read(self, window: Window | None = None) -> Values:
        """See `Raster`."""
        window = window or Window(0, 0, self.height, self.width)
        values = self._raster.read(window)
        valid = self._raster.valid(window, values)
        return self._retype(self._retype.values(values, self._raster.geo, valid), self._span, self._gaps).values
