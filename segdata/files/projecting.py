"""Polygons of one coordinate system on the pixels of an image in another one: edges stay where they are on the ground.

An edge is straight in the coordinates of its file (RFC 7946, section 3.1.1), so in another system it bends. Edges are divided
until no piece is off by more than `TOLERANCE`. Before, all is cut to a box about the image: what is far away, where a
projection has no meaning, is never projected. Longitudes go round: a polygon beyond 180 is also what it is 360 degrees away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files.gdal import load_rasterio
from segdata.files.geo import Geo

TOLERANCE = 1 / 128
"""How far, in pixels, the middle of a piece of an edge may be from where it is to be."""

PIECES = 8
"""An edge has at least as many pieces as it is eighths of the box long: its middle alone does not show an S."""

DEEPEST = 32
"""How often an edge is halved at most."""

GRID = 21
"""Rows and columns of points by which the place of an image is found."""

SNAP = 2.0**20
"""Pixels are divided into so many steps, so that the two sides of a cut from pole to pole are one line."""

Floats = NDArray[np.float64]

Ring = Floats
"""(N, 2) x and y, the first point again at the end."""

Part = list[Ring]
"""A polygon: its outline, then its holes."""

Move = Callable[[Floats], Floats]
"""(N, 2) -> (N, 2); NaN for points that have no place there."""


class NoPlace(ValueError):
    """What has no place in another coordinate system, at least in part."""


@dataclass(frozen=True, slots=True)
class Box:
    """What of the vectors' coordinates may be on an image: from `low` to `high`, (2,) each; `round`: longitudes go round."""

    low: Floats
    high: Floats
    round: bool

    def near(self, parts: Sequence[Part]) -> list[list[Part]]:
        """Of each polygon what is in the box, as often as it is there: nothing, itself, or cut."""
        found: list[list[Part]] = [[] for _ in parts]
        points = np.concatenate([part[0] for part in parts])
        starts = np.cumsum([0, *(len(part[0]) for part in parts[:-1])])
        low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
        for turn in (-360.0, 0.0, 360.0) if self.round else (0.0,):
            shift = np.array([turn, 0.0])
            there = (low + shift < self.high).all(axis=1) & (high + shift > self.low).all(axis=1)
            whole = (low + shift >= self.low).all(axis=1) & (high + shift <= self.high).all(axis=1)
            for i in np.flatnonzero(there).tolist():
                part = [ring + shift for ring in parts[i]] if turn else parts[i]
                found[i].append(part if whole[i] else [self.cut(ring) for ring in part])
        return found

    def cut(self, ring: Ring) -> Ring:
        """A ring whose points outside are put onto the border; inside nothing changes."""
        for axis in (0, 1):
            for border in (self.low[axis], self.high[axis]):
                ring = _crossed(ring, axis, border)
        return np.clip(ring, self.low, self.high)


def _crossed(ring: Ring, axis: int, border: float) -> Ring:
    """A ring with a point wherever it crosses a line."""
    here, there = ring[:-1], ring[1:]
    crosses = np.flatnonzero((here[:, axis] < border) != (there[:, axis] < border))
    a, b = here[crosses], there[crosses]
    share = (border - a[:, axis]) / (b[:, axis] - a[:, axis])
    points = a + (b - a) * share[:, None]
    points[:, axis] = border
    return np.insert(ring, crosses + 1, points, axis=0)


def project(polygons: Sequence[list[Part]], old: Any, new: Any, geo: Geo, size: tuple[int, int]) -> list[list[Part]]:
    """Polygons (each of parts) in `old` coordinates, in pixels of an image of `size` at `geo`, whose coordinates are `new`.

    Of what is near the image; a polygon that is not has no parts. Both are rasterio's `CRS`. Raises `NoPlace`, and
    `ValueError` for longitudes and latitudes that there are not.
    """
    if old == new and not old.is_geographic:
        return [[[moved_to_pixels(ring, geo) for ring in part] for part in parts] for parts in polygons]
    if old.is_geographic:
        _refuse_no_degrees(polygons)
    box = find_box(old, new, geo, size)
    if box is None or not polygons:
        return [[] for _ in polygons]
    near = iter(box.near([part for parts in polygons for part in parts]))
    copies = [[copy for _ in parts for copy in next(near)] for parts in polygons]
    rings = [ring for parts in copies for part in parts for ring in part]
    if not rings:
        return copies
    bent = bend(
        rings, lambda points: moved_to_pixels(moved_to_system(points, old, new), geo), (box.high - box.low) / PIECES
    )
    moved = iter(bent)
    found = [[[next(moved) for _ in part] for part in parts] for parts in copies]
    return [_usable(parts) for parts in found] if np.isnan(np.concatenate(bent)).any() else found


def find_box(old: Any, new: Any, geo: Geo, size: tuple[int, int]) -> Box | None:
    """The box of an image in `old` coordinates, with a margin; None if no point of it has any."""
    height, width = size
    y, x = np.meshgrid(np.linspace(-2, height + 2, GRID), np.linspace(-2, width + 2, GRID), indexing="ij")
    pixels = np.stack([x, y], axis=2)
    grid = moved_to_system(moved_to_ground(pixels.reshape(-1, 2), geo), new, old).reshape(GRID, GRID, 2)
    known = grid[np.isfinite(grid).all(axis=2)]
    if not len(known):
        return None
    middle = known[len(known) // 2, 0]
    if old.is_geographic:
        grid[..., 0] -= 360 * np.round((grid[..., 0] - middle) / 360)
    step = np.max([np.nanmax(np.abs(np.diff(grid, axis=axis)), axis=(0, 1), initial=0) for axis in (0, 1)], axis=0)
    low, high = np.nanmin(grid, axis=(0, 1)), np.nanmax(grid, axis=(0, 1))
    spread = Box(low - step, high + step, bool(old.is_geographic))
    return _on_earth(spread, low, high, middle, old, new, geo, size) if old.is_geographic else spread


def _on_earth(
    box: Box, low: Floats, high: Floats, middle: float, old: Any, new: Any, geo: Geo, size: tuple[int, int]
) -> Box:
    """A box of degrees that goes once round at most, and to a pole only if the image may have it."""
    poles = moved_to_pixels(moved_to_system(np.array([[middle, -90.0], [middle, 90.0]]), old, new), geo)
    extent = np.array([size[1], size[0]])
    room = extent / (GRID - 1) + 2
    near = (poles >= -room) & (poles <= extent + room)
    south, north = bool(near[0].all()), bool(near[1].all())
    left, right = box.low[0], box.high[0]
    if round_pole := (north or south) and not new.is_geographic:
        middle = 0.0
    if round_pole or right - left >= 360:
        left, right = middle - 180, middle + 180
    # close to a pole that is not on the image a projection may have no place
    bottom = -90.0 if south else max(box.low[1], (low[1] - 90) / 2)
    top = 90.0 if north else min(box.high[1], (high[1] + 90) / 2)
    return Box(np.array([left, bottom]), np.array([right, top]), True)


def bend(rings: Sequence[Ring], move: Move, longest: Floats) -> list[Ring]:
    """Rings where `move` takes them, with so many more points that edges are off by `TOLERANCE` at most.

    No piece is longer than `longest`, (2,), before.
    """
    points, owner = np.concatenate(rings), np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    moved = move(points)
    first = np.flatnonzero(owner[:-1] == owner[1:])
    for _ in range(DEEPEST):
        a, b = points[first], points[first + 1]
        middle = (a + b) / 2
        there = move(middle)
        off = np.hypot(*(there - (moved[first] + moved[first + 1]) / 2).T)
        split = (off > TOLERANCE) | (np.abs(b - a) > longest).any(axis=1)
        if not split.any():
            break
        at = first[split] + 1
        points, moved = np.insert(points, at, middle[split], axis=0), np.insert(moved, at, there[split], axis=0)
        owner = np.insert(owner, at, owner[at])
        fresh = at + np.arange(len(at))  # the places of the new points
        first = np.sort(np.concatenate([fresh - 1, fresh]))
    ends = np.flatnonzero(np.diff(owner)) + 1
    return np.split(np.round(moved * SNAP) / SNAP, ends)


def _usable(parts: list[Part]) -> list[Part]:
    """The parts that could be projected. Raises `NoPlace`."""
    known = [[np.isfinite(ring).all(axis=1) for ring in part] for part in parts]
    found = []
    for part, rings in zip(parts, known, strict=True):
        if all(ring.all() for ring in rings):
            found.append(part)
        elif any(ring.any() for ring in rings):
            raise NoPlace("a part of it has no place in the coordinate system of the image")
    return found


def _refuse_no_degrees(polygons: Sequence[list[Part]]) -> None:
    outlines = [part[0] for parts in polygons for part in parts]
    x, y = np.abs(np.concatenate(outlines)).max(axis=0) if outlines else (0, 0)
    if y > 90 + 1e-6:
        swapped = ": are x and y swapped? longitude is first" if x <= 90 and y <= 180 else ""
        raise ValueError(f"{y:.9g} is no latitude{swapped}")
    if x > 720:
        raise ValueError(f"{x:.9g} is no longitude")


def transformed(points: Floats, old: Any, new: Any) -> Floats:
    """(N, 2) points in another coordinate system; infinite, or `NoPlace` for all together, where GDAL has no place for one."""
    from rasterio._err import CPLE_BaseError  # what GDAL says of single points; no other module has it
    from rasterio.warp import transform

    try:
        return np.array(transform(old, new, *points.T), np.float64).T
    except (CPLE_BaseError, load_rasterio().errors.RasterioError) as error:
        raise NoPlace(str(error)) from error


def moved_to_system(points: Floats, old: Any, new: Any) -> Floats:
    """(N, 2) points in another coordinate system; NaN where they have no place."""
    if old == new or not len(points):
        return points.copy()
    try:
        moved = transformed(points, old, new)
        return np.where(np.isfinite(moved), moved, np.nan)
    except NoPlace:
        if len(points) == 1:
            return np.full((1, 2), np.nan)
        half = len(points) // 2  # GDAL tells of all together that one has none
        return np.concatenate([moved_to_system(points[:half], old, new), moved_to_system(points[half:], old, new)])


def moved_to_pixels(points: Floats, geo: Geo) -> Floats:
    """(N, 2) points on the ground in pixels of an image at `geo`."""
    a, b, c, d, e, f = geo.transform
    (xx, xy), (yx, yy) = np.linalg.inv(np.array([[a, b], [d, e]])).tolist()
    with np.errstate(over="ignore", invalid="ignore"):
        x, y = points[:, 0] - c, points[:, 1] - f
        return np.stack([xx * x + xy * y, yx * x + yy * y], axis=1)  # for two columns `@` takes ten times as long


def moved_to_ground(pixels: Floats, geo: Geo) -> Floats:
    """(N, 2) pixels of an image at `geo` as points on the ground."""
    a, b, c, d, e, f = geo.transform
    x, y = pixels.T
    return np.stack([c + x * a + y * b, f + x * d + y * e], axis=1)


def corners_of(height: int, width: int) -> Floats:
    """(4, 2) the corners of an image in its pixels: those above, then those below."""
    return np.array([[x, y] for y in (0, height) for x in (0, width)], np.float64)
