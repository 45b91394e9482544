"""Where an image lies by ground control points (GCPs): pixels of which the place is known, in the file or beside it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from segdata.files.geo import Geo

NEAR = 0.5
"""How far, in pixels, a transform may be from any of the points."""

WARP = (
    "has {n} ground control points that no shift, scale and turn fits ({off:,.1f} pixels off): "
    "warp it (gdalwarp {image} NEW.tif)"
)

FEW = (
    "has ground control points that do not tell where it lies ({why}): "
    "say it (gdal_translate -a_srs EPSG:... -a_ullr WEST NORTH EAST SOUTH {image} NEW.tif)"
)


class Points(NamedTuple):
    """Pixels with their places, (x, y, X, Y) each, and the coordinate system of these as WKT."""

    places: tuple[tuple[float, float, float, float], ...]
    crs: str | None


def placed_by(points: Points, geo: Geo, image: str) -> Geo:
    """`geo` with the transform that fits the points of an image best (least squares), if it fits each within `NEAR`.

    Otherwise without one, and it says what to do (`loose`). Two points give no turn, as in GDAL.
    """
    all_points = np.array([place for place in points.places if np.isfinite(place).all()], np.float64)
    if not len(all_points):
        return geo
    name = shlex.quote(image)
    pixels, ground = all_points[:, :2], all_points[:, 2:]
    spread, middle = pixels - pixels.mean(axis=0), ground.mean(axis=0)
    if len(pixels) == 2 and np.diff(pixels, axis=0).all():
        matrix = np.diag(np.diff(ground, axis=0)[0] / np.diff(pixels, axis=0)[0])
    elif len(pixels) > 2 and np.linalg.matrix_rank(spread, tol=1e-3) == 2:
        matrix = np.linalg.lstsq(spread, ground - middle, rcond=None)[0].T
    else:
        why = "there is one" if len(pixels) == 1 else "all are on one line"
        return replace(geo, loose=FEW.format(why=why, image=name))
    if abs(np.linalg.det(matrix)) < 1e-300:
        return replace(geo, loose=FEW.format(why="several pixels are at one place", image=name))
    off = np.hypot(*(np.linalg.inv(matrix) @ (ground - middle).T - spread.T)).max()
    if off > NEAR:
        return replace(geo, loose=WARP.format(n=len(pixels), off=off, image=name))
    (a, b), (d, e) = matrix.tolist()
    c, f = (middle - matrix @ pixels.mean(axis=0)).tolist()
    return replace(geo, crs=points.crs or geo.crs, transform=(a, b, c, d, e, f))
