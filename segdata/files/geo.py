"""Where an image lies on the ground, and the same as entries of a GeoTIFF."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from segdata.files.gdal import load_rasterio
from segdata.files.tiff import Tag
from segdata.windows import Window

GEO_TAGS = (34735, 34736, 34737)
"""GeoKeyDirectory and the two tables of its values: the coordinate system."""

Transform = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f): see `Geo`."""


@dataclass(frozen=True, slots=True)
class Geo:
    """Where an image lies: `crs` as WKT (None: unknown), `transform` (a, b, c, d, e, f) with X = a x + b y + c and
    Y = d x + e y + f for a pixel's corner (x, y), and the value that means no data."""

    crs: str | None = None
    transform: Transform = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    nodata: float | None = None
    loose: str | None = None
    """Why the points of the image whose place is known (GCPs) give no transform, if so: what there is to do about it."""

    @property
    def placed(self) -> bool:
        """Whether it lies anywhere."""
        return self.crs is not None or self.transform != Geo().transform

    def cut(self, window: Window, size: tuple[int, int] | None = None) -> Geo:
        """Of a window, which may be resampled to `size`."""
        a, b, c, d, e, f = self.transform
        h, w = size or (window.height, window.width)
        sx, sy = window.width / w, window.height / h
        moved = a * window.x + b * window.y + c, d * window.x + e * window.y + f
        return replace(self, transform=(a * sx, b * sy, moved[0], d * sx, e * sy, moved[1]))

    def whole(self, window: Window, size: tuple[int, int]) -> Geo:
        """Of the image that this, of `size`, is the window of."""
        a, b, c, d, e, f = self.transform
        sx, sy = size[1] / window.width, size[0] / window.height
        a, b, d, e = a * sx, b * sy, d * sx, e * sy
        return replace(self, transform=(a, b, c - a * window.x - b * window.y, d, e, f - d * window.x - e * window.y))

    def tags(self, *, nodata: bool = True) -> list[Tag]:
        """The same as entries of a TIFF."""
        a, b, c, d, e, f = self.transform
        tags = list(_crs_tags(self.crs)) if self.crs else []
        if self.placed and b == d == 0 and a > 0 > e:
            tags += [Tag(33550, "d", [a, -e, 0.0]), Tag(33922, "d", [0.0, 0.0, 0.0, c, f, 0.0])]
        elif self.placed:
            tags.append(Tag(34264, "d", [a, b, 0.0, c, d, e, 0.0, f, *[0.0] * 7, 1.0]))
        if nodata and self.nodata is not None:
            tags.append(Tag(42113, "s", f"{self.nodata:.17g}\0".encode()))
        return tags


@lru_cache(maxsize=16)
def _crs_tags(wkt: str) -> tuple[Tag, ...]:
    """GeoTIFF's entries for a coordinate system: those of a file that GDAL writes with it."""
    from rasterio.io import MemoryFile

    rasterio = load_rasterio()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with MemoryFile() as memory:
            shift = rasterio.Affine(1, 0, 0, 0, -1, 0)
            with memory.open(
                driver="GTiff", width=1, height=1, count=1, dtype="uint8", crs=wkt, transform=shift
            ) as file:
                file.write(np.zeros((1, 1, 1), np.uint8))
            data = memory.read()
    with Image.open(BytesIO(data)) as image:
        found: Any = image.tag_v2  # type: ignore[attr-defined]
        kinds = {2: "s", 3: "H", 12: "d"}
        tags = []
        for number in GEO_TAGS:
            if number in found:
                value = found[number]
                text = isinstance(value, str)
                values: Sequence[Any] = (value + "\0").encode() if text else value
                tags.append(Tag(number, kinds[found.tagtype[number]], values))
    return tuple(tags)
