"""An area of interest: polygons in a file, and what is wrong if it is no area, or on no image."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import NoReturn

from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, Problem
from segdata.files.geo import Geo
from segdata.files.geojson import NO_RINGS, PIXELS, Features, to_pixels
from segdata.files.misplaced import SITES, Site, polygons_in, why_off
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.files.vectors import read_features
from segdata.words import some


def read_area(path: str | Path | Place, *, layer: str | None = None, option: str = "--layer") -> Features:
    """The features of a file of polygons, and of others, which are no area.

    Raises `DataError` (`geojson.*`, also for a polygon that is none; `aoi.empty` for a file without a polygon).
    """
    found = read_features(place(path), layer=layer, option=option)
    if not polygons_in(found):
        kinds = sorted({str(f.geometry.get("type")) for f in found.features if isinstance(f.geometry, dict)})
        what = f"an area takes polygons, and there is none: it holds {some(kinds) or 'no feature'}"
        raise DataError(Problem("aoi.empty", what, file=str(path)))
    _, problems = to_pixels(found, Geo(), str(path), size=(1, 1), crs=PIXELS)
    for problem in problems:
        if problem.message == NO_RINGS:
            raise DataError(problem)
    return found


def refuse_area(area: Features, path: object, dataset: Dataset, crs: str | None) -> NoReturn:
    """Raise `DataError` (`aoi.elsewhere`) for an area that is on no image of a dataset, with what explains it."""
    sites = []
    for sample in islice((s for s in dataset if s.image is not None and dataset.images != "none"), SITES):
        with dataset.open_image(sample) as image:
            sites.append(Site(image.geo, sample.size))
    why = why_off(area, sites, crs, "--aoi-crs")
    raise DataError(Problem("aoi.elsewhere", f"its polygons lie on no image: {why}", str(path)))
