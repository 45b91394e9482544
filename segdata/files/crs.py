"""Coordinate systems from the text of a file or an option: codes and definitions, never a file to open or a URL to fetch.

GDAL itself would open or fetch what such a text names. So only this module gives it one.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files.gdal import load_rasterio

BEFORE = r"urn:(?:x-)?ogc:def:crs:|https?://(?:www\.)?opengis\.net/def/crs/|\+?init="

CODE = re.compile(
    rf"(?:{BEFORE})?(?P<authority>EPSG|ESRI|IGNF|OGC|IAU_\d{{4}})(?:[:/][\d.]*)?[:/](?P<code>\w{{1,32}})", re.IGNORECASE
)
"""`EPSG:32631`, `urn:ogc:def:crs:EPSG::32631`, `http://www.opengis.net/def/crs/EPSG/0/32631`."""

NAMES = ("WGS84", "WGS72", "NAD83", "NAD27", "CRS84", "CRS83", "CRS27")

WKT = re.compile(r"\s*[A-Za-z_]*(?:CRS|_?CS)\s*[\[(]", re.IGNORECASE)

PARAMETERS = re.compile(r"\s*\+?[a-z]\w*(=\S*)?(\s+\+?[a-z]\w*(=\S*)?)*\s*", re.IGNORECASE)

FILES = re.compile(
    r"(?:grids|init|catalog|file|model)=(?!@?null(?:[\s\"]|$))|PARAMETERFILE\s*[\[(]\s*\"[^\"]*\"\s*,\s*\"[^\"]*[/\\:]",
    re.IGNORECASE,
)
"""A definition that names a file: any file in parameters of PROJ, and in WKT a file that does not come with PROJ."""

AXIS, FLATTENING = 6378137.0, 1 / 298.257223563
"""Of the Earth: WGS 84, in metres."""

FORMS = "EPSG:32631, WKT, PROJJSON, or parameters of PROJ that name no file"


def parse_crs(text: str) -> Any:
    """A rasterio `CRS`. Raises `ValueError` if the text is no code and no definition, or names a file."""
    rasterio = load_rasterio()
    text = text.strip()
    try:
        if code := CODE.fullmatch(text):
            return rasterio.crs.CRS.from_user_input(f"{code['authority'].upper()}:{code['code']}")
        if text.upper() in NAMES:
            return rasterio.crs.CRS.from_user_input(text.upper())
        if names_files(text):
            raise ValueError("it names a file")
        if WKT.match(text):
            return rasterio.crs.CRS.from_wkt(text)
        if text.startswith("{") or ("proj=" in text and PARAMETERS.fullmatch(text)):
            return rasterio.crs.CRS.from_user_input(text)
    except rasterio.errors.RasterioError as error:
        raise ValueError(str(error)) from error
    raise ValueError(f"it is no coordinate system; give one as {FORMS}")


@lru_cache(maxsize=64)
def parse_wkt(wkt: str) -> Any:
    """The rasterio `CRS` of WKT that a file was found to have (`Geo.crs`): it names no file. Raises rasterio's `CRSError`."""
    return load_rasterio().crs.CRS.from_wkt(wkt)


def system_name(wkt: str) -> str:
    """EPSG:32631, or else the name of a coordinate system."""
    crs = parse_wkt(wkt)
    code = crs.to_epsg()
    return f"EPSG:{code}" if code is not None else wkt.partition('["')[2].partition('"')[0]


def metres_per_degree(latitude: float) -> tuple[float, float]:
    """Metres that a degree of longitude and one of latitude have, on WGS 84.

    The radii of curvature in the prime vertical and the meridian: Torge, Geodesy, 4.1.
    """
    square = FLATTENING * (2 - FLATTENING)
    angle = math.radians(latitude)
    below = 1 - square * math.sin(angle) ** 2
    across, along = AXIS / math.sqrt(below), AXIS * (1 - square) / below**1.5
    return math.radians(across * math.cos(angle)), math.radians(along)


def on_earth(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) longitudes and latitudes as (N, 3) metres from the middle of WGS 84, on its surface: Torge, Geodesy, 4.1."""
    square = FLATTENING * (2 - FLATTENING)
    east, north = np.radians(degrees).T
    across = AXIS / np.sqrt(1 - square * np.sin(north) ** 2)
    flat = across * np.cos(north)
    return np.stack([flat * np.cos(east), flat * np.sin(east), across * (1 - square) * np.sin(north)], axis=1)


def names_files(definition: str) -> bool:
    """Whether a definition of a coordinate system names files, which PROJ would open to use it."""
    return FILES.search(definition) is not None


def same_crs(one: str | None, other: str | None) -> bool:
    """Whether two coordinate systems of files (WKT) are the same. None, which is none, is only like None."""
    if one is None or other is None or one == other:
        return one == other
    return bool(parse_wkt(one) == parse_wkt(other))
