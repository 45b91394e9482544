"""A part of an image as a file of its own, which reads as the part does: bands, types, pixels without data, place and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segdata.files.bands import About, band_tags
from segdata.files.geo import Geo
from segdata.files.images import encode_image
from segdata.files.png import encode_rgb
from segdata.files.rasters import Raster, Values, has_data
from segdata.files.tiff import Compress, encode_tiff, implied_colours


def fits_png(raster: Raster, dtype: Any = None) -> bool:
    """Whether a PNG or JPEG holds an image's bands, in another `dtype` if that is given: 8-bit RGB without scale and offset."""
    plain = dtype is not None or not raster.geo.scaling
    return plain and raster.bands == 3 and np.dtype(dtype or raster.dtype) == np.uint8


def encode_part(
    about: Sequence[About], values: Values, valid: NDArray[np.bool_] | None, geo: Geo,
    format: Literal["png", "jpeg", "tiff"], *, quality: int = 95, compress: Compress = "deflate",
) -> bytes:  # fmt: skip
    """The bytes of a file of (h, w, C) `values`, of which `valid` (h, w) have data, None: all, and that lie at `geo`.

    `about` is what is said of each band, () for nothing.
    Transparency is written only where a file without it would say something else. JPEG has none.
    """
    gaps = None if valid is None or format == "jpeg" else _gaps(values, valid, geo.nodata if format == "tiff" else None)
    if format != "tiff":
        return encode_image(values, format, quality) if gaps is None else encode_rgb(_with_alpha(values, gaps))
    implied = implied_colours(values.shape[2], values.dtype)
    tags = band_tags(about, implied)
    if gaps is None:
        return encode_tiff(values, compress=compress, tags=[*geo.tags(), *tags])
    whole = _with_alpha(values, gaps)
    return encode_tiff(whole, compress=compress, tags=[*geo.tags(nodata=False), *tags], alpha=True)


def _gaps(values: Values, valid: NDArray[np.bool_], nodata: float | None) -> NDArray[np.bool_] | None:
    """(h, w) pixels without data; None if the values tell the same, by the one that means no data."""
    own = np.True_ if nodata is None else has_data(values, nodata)
    return None if np.array_equal(np.broadcast_to(own, valid.shape), valid) else ~valid


def _with_alpha(values: Values, gaps: NDArray[np.bool_]) -> NDArray[Any]:
    """(h, w, C + 1): the values, and a band that is 0 in gaps and opaque elsewhere."""
    kind = values.dtype
    opaque = np.iinfo(kind).max if kind in (np.uint8, np.uint16, np.int16) else 1
    return np.dstack([values, np.where(gaps, kind.type(0), kind.type(opaque))])
