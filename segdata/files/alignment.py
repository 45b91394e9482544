"""Whether a mask lies where its image lies, if both say where that is; and masks warped onto images."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files import gdal
from segdata.files.crs import parse_wkt, system_name
from segdata.files.file import TIFF, File, open_file
from segdata.files.geo import GEO_TAGS, Geo
from segdata.files.pillow import header_of, header_orientation
from segdata.files.places import only_gdal_opens
from segdata.files.projecting import corners_of, moved_to_ground, moved_to_pixels, moved_to_system
from segdata.files.remote import Place, is_remote
from segdata.files.sidecars import NOWHERE, geo_beside, geo_of, sidecars
from segdata.labels import Mask
from segdata.windows import Window

NEAR = 0.5
"""How far a corner of a mask may be from its image's, in pixels of the image: the nearest pixel of each is then its own."""

ROWS = 2**20
"""Pixels that are warped together, about."""


TIE = 2.0**-20
"""A middle on the border of two pixels of a mask is in the second, however it was rounded."""

PLACING = (33550, 33922, 34264)
"""TIFF's tags that say where it lies: ModelPixelScale, ModelTiepoint, ModelTransformation."""


class Ground(NamedTuple):
    """A file of pixels of that size, and where it lies."""

    geo: Geo
    height: int
    width: int

    @property
    def corners(self) -> NDArray[np.float64]:
        """(4, 2) pixels."""
        return corners_of(self.height, self.width)

    def __str__(self) -> str:
        a, b, c, d, e, f = self.geo.transform
        system = "" if self.geo.crs is None else f"{system_name(self.geo.crs)}, "
        turned = ", turned" if b or d else ""
        pixel = f"{np.hypot(a, d):.9g} x {np.hypot(b, e):.9g}"
        return f"{system}upper left corner {c:.12g} {f:.12g}, {self.width} x {self.height} pixels of {pixel}{turned}"


def tags_agree(mask: str, image: str) -> bool:
    """Whether a mask says no place, or the same one in the same words as its image; by the tags of TIFFs, which are read quickly.

    False may also be of files that lie at one place: `read_ground` tells.
    """
    mine = _tags(mask)
    return mine is not None and (not any(mine[:3]) or mine == _tags(image))


def _tags(path: str) -> list[Any] | None:
    """What a TIFF says of its place, and its size; None for other files, and if files beside it may say another place."""
    if is_remote(path) or sidecars(path, path):
        return None
    with suppress(DataError), open_file(path) as file:
        header = header_of(file) if file.head.startswith(TIFF) else None
        tags: Any = None if header is None else header.tag_v2  # type: ignore[attr-defined]
        return None if header is None else [*(tags.get(tag) for tag in (*PLACING, *GEO_TAGS)), header.size]
    return None


def read_ground(path: str | Place | File) -> Ground | None:
    """Where an image or a mask lies by its header; None if no transform says it, or if EXIF turns it, or if it is damaged."""
    with suppress(DataError), open_file(path) as file:
        geo, size = _whole(file) if file.access == "whole" else _by_windows(file)
        turned = not only_gdal_opens(file.path) and geo.transform != NOWHERE and header_orientation(file) != 1
        return None if geo.transform == NOWHERE or turned else Ground(geo, *size)
    return None


def _whole(file: File) -> tuple[Geo, tuple[int, int]]:
    """Where a file that GDAL does not read lies, and its (height, width)."""
    geo = geo_beside(str(file))
    header = None if geo.transform == NOWHERE else header_of(file)
    return (Geo(), (0, 0)) if header is None else (geo, (header.height, header.width))


def _by_windows(file: File) -> tuple[Geo, tuple[int, int]]:
    if not only_gdal_opens(file.path) and (header := header_of(file)) is not None and header.format == "TIFF":
        tags: Any = header.tag_v2  # type: ignore[attr-defined]
        if not any(tag in tags for tag in PLACING) and (geo := geo_beside(str(file))).transform == NOWHERE:
            return geo, (header.height, header.width)  # ten times as quick as to open it by GDAL
    with gdal.opened(file) as source, gdal.damaged(str(file)):
        return geo_of(source, str(file)), source.shape


def offset(mask: Ground, image: Ground) -> float:
    """How many pixels of the image the corners of a mask are from the image's, at most; infinity if they cannot be compared."""
    off = np.hypot(*(onto(mask.corners, mask.geo, image.geo) - image.corners).T)
    return float(off.max()) if np.isfinite(off).all() else np.inf


def is_elsewhere(mask: Ground, image: Ground) -> bool:
    """Whether a mask has another place than its image, or other pixels."""
    return mask[1:] != image[1:] or offset(mask, image) > NEAR


def elsewhere(mask: Ground | None, image: str | Place) -> tuple[Ground, Ground] | None:
    """Where a mask and the image at a path lie, if that differs; None if not both say it."""
    there = None if mask is None else read_ground(image)
    return (mask, there) if mask is not None and there is not None and is_elsewhere(mask, there) else None


def not_there(mask: Ground, image: Ground) -> str:
    """What is wrong with a mask that does not lie where its image does."""
    return f"does not lie where its image does, to {NEAR} pixels: {places(mask, image)}"


def places(mask: Ground, image: Ground) -> str:
    """Both places."""
    return f"the mask is at {mask}; the image at {image}"


def warp(values: Mask, mask: Ground, image: Ground, ignore: int) -> Mask:
    """(h, w) of a mask -> (H, W) of its image: for each pixel the mask's value where its middle lies, `ignore` outside.

    Raises `DataError` (`mask.elsewhere`) if no pixel of the image lies on the mask.
    """
    out = np.full((image.height, image.width), ignore, values.dtype)
    met = False
    for strip in Window(0, 0, *out.shape).strips(ROWS):
        x, y = middles(mask, image, strip.y, strip.height)
        known = (x >= 0) & (x < mask.width) & (y >= 0) & (y < mask.height)
        out[strip.slices][known] = values[y[known].astype(np.intp), x[known].astype(np.intp)]
        met |= bool(known.any())
    if not met:
        raise DataError(Problem("mask.elsewhere", f"lies on no pixel of its image: {places(mask, image)}"))
    return out


def middles(mask: Ground, image: Ground, top: int, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(rows, W) x and y in a mask of the middles of the image's pixels, from the row `top` on; NaN where there is none."""
    x, y = np.arange(image.width) + 0.5, np.arange(top, top + rows)[:, None] + 0.5
    if in_one_system(image.geo, mask.geo):
        origin, right, down = onto(image.corners[:3], image.geo, mask.geo)
        across, along = (right - origin) / image.width, (down - origin) / image.height
        return tuple(origin[i] + across[i] * x + along[i] * y + TIE for i in (0, 1))
    grid = np.stack(np.broadcast_arrays(x, y), axis=2).reshape(-1, 2)
    there = onto(grid, image.geo, mask.geo).reshape(rows, image.width, 2) + TIE
    return there[..., 0], there[..., 1]


def in_one_system(one: Geo, other: Geo) -> bool:
    """Whether two places are of one coordinate system, as far as they say."""
    return one.crs is None or other.crs is None or one.crs == other.crs


def onto(points: NDArray[np.float64], one: Geo, other: Geo) -> NDArray[np.float64]:
    """(N, 2) pixels of an image at `one` in pixels of an image at `other`; NaN where that has no place.

    If one of them has no coordinate system, it is taken for that of the other.
    """
    ground = moved_to_ground(points, one)
    if not in_one_system(one, other):
        ground = moved_to_system(ground, parse_wkt(one.crs or ""), parse_wkt(other.crs or ""))
    return moved_to_pixels(ground, other)
