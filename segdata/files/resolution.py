"""How large a pixel is: in microns by a slide's or a microscope's own word, in metres by where an image lies."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from segdata.errors import DataError, Problem, located
from segdata.files import slides
from segdata.files.crs import metres_per_degree, on_earth, parse_crs, parse_wkt
from segdata.files.file import TIFF, File
from segdata.files.geo import Geo
from segdata.files.pillow import UNREADABLE, header_of
from segdata.files.projecting import Floats, moved_to_ground, moved_to_system

SQUARE = 1.02
"""A pixel whose sides differ by no more than this is one of their mean."""

COARSEST = 10.0
"""Microns above which a resolution in a TIFF is that of a printer or a scanner of paper, and no microscope's."""

APERIO = re.compile(r"\|\s*MPP\s*=\s*(\d+(?:\.\d+)?)")

OME = re.compile(r'PhysicalSizeX="([\d.eE+-]+)"'), re.compile(r'PhysicalSizeXUnit="([^"]+)"')
"""OME-XML; its sizes are in microns if no unit is said."""

OME_UNITS = {"µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3}

DESCRIPTION, RESOLUTION, UNIT = 270, 282, 296
"""TIFF's entries."""

IN_MICRONS = {2: 25_400.0, 3: 10_000.0}
"""Microns of TIFF's units of resolution: inch and centimetre."""


def read_microns(file: File) -> float | None:
    """Microns per pixel of an image; None if its file does not say. Raises `DataError` (`image.*`)."""
    if file.form == "slide":
        with slides.opened(file) as slide:
            sides = [slide.properties.get(f"openslide.mpp-{axis}") for axis in "xy"]
        return None if None in sides else mean_side(float(sides[0]), float(sides[1]), str(file), "microns")
    if file.form != "usual" or not file.head.startswith(TIFF):
        return None
    header: Any = header_of(file)
    return None if header is None else _by_tags(header)


def _by_tags(header: Any) -> float | None:
    """Microns per pixel by a TIFF's description, or else its resolution."""
    try:
        text, resolution, unit = (header.tag_v2.get(tag) for tag in (DESCRIPTION, RESOLUTION, UNIT))
    except UNREADABLE:
        return None
    text = text.encode("latin-1", "replace").decode("utf-8", "replace") if isinstance(text, str) else ""
    if found := APERIO.search(text):
        return float(found[1]) or None
    if found := OME[0].search(text):
        named = OME[1].search(text)
        factor = OME_UNITS.get(named[1] if named else "um")
        return None if factor is None else _number(found[1]) * factor or None
    microns = IN_MICRONS[unit] / float(resolution) if unit in IN_MICRONS and resolution else 0.0
    return microns if 0 < microns <= COARSEST else None


def _number(text: str) -> float:
    """The number that a text holds; 0 for none."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def ground_metres(geo: Geo, size: tuple[int, int], file: str) -> float | None:
    """Metres per pixel in the middle of an image of `size` (height, width); None if it is not known where it lies.

    Raises `DataError` (`image.square`) for pixels that are not square on the ground.
    """
    with located(file):
        sides = ground_sides(geo, size)
    return None if sides is None else mean_side(sides[1], sides[0], file, "metres")


def ground_sides(geo: Geo, size: tuple[int, int]) -> tuple[float, float] | None:
    """The (y, x) sides in metres of a pixel in the middle of an image of `size`; None if it is not known where it lies.

    Raises `DataError` (`image.square`) for pixels whose sides are not at a right angle on the ground.
    """
    if geo.crs is None:
        return None
    crs = parse_wkt(geo.crs)
    if not (crs.is_geographic or crs.is_projected):
        return None
    across, down = _by_degrees(geo, size) if crs.is_geographic else _by_projection(geo, crs, size)
    sides = math.hypot(*down), math.hypot(*across)
    if abs(float(across @ down)) > (SQUARE - 1) * sides[0] * sides[1]:
        what = "its pixels are no rectangles on the ground: warp it first (gdalwarp -t_srs, -tr)"
        raise DataError(Problem("image.square", what))
    return sides


def _by_degrees(geo: Geo, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """(2,) metres east and north from the middle pixel to the one right of it, and to the one below."""
    a, b, _, d, e, f = geo.transform
    metres = np.array(metres_per_degree(d * size[1] / 2 + e * size[0] / 2 + f))
    return np.array([a, d]) * metres, np.array([b, e]) * metres


def _by_projection(geo: Geo, crs: Any, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """(N,) metres from the middle pixel to the one right of it, and to the one below: those of the projection, (2,).

    If it stretches one of them by more than `SQUARE`, as Web Mercator does far from the equator, those of the ground, (3,).
    """
    a, b, _, d, e, _ = geo.transform
    flat = np.array([[a, d], [b, e]]) * float(crs.linear_units_factor[1])
    y, x = size[0] / 2, size[1] / 2
    places = moved_to_ground(np.array([[x, y], [x + 1, y], [x, y + 1]]), geo)
    points = on_earth(moved_to_system(places, crs, parse_crs("EPSG:4326")))
    true = points[1:] - points[0]  # NaN where the projection has no place
    with np.errstate(divide="ignore", invalid="ignore"):
        stretch = np.linalg.norm(flat, axis=1) / np.linalg.norm(true, axis=1)
    across, down = true if np.isfinite(stretch).all() and (np.abs(np.log(stretch)) > math.log(SQUARE)).any() else flat
    return across, down


def mean_side(x: float, y: float, file: str, unit: str) -> float | None:
    """The side of a pixel of x by y; None for one that has none. Raises `DataError` (`image.square`) if it is no square."""
    if min(x, y) <= 0:
        return None
    if max(x, y) > SQUARE * min(x, y):
        way = "warp it first (gdalwarp -t_srs, -tr)" if unit == "metres" else "give --scale"
        raise DataError(Problem("image.square", f"its pixels are {x:.4g} x {y:.4g} {unit}, no squares: {way}", file))
    return math.sqrt(x * y)
