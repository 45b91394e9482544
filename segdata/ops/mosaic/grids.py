"""Which scenes lie on one grid of pixels, and which of them touch: those become one mosaic.

A grid is a coordinate system, the size and direction of its pixels, and where the first scene on it begins. Scenes of another
split, number of bands or type are on other grids too, since no image can hold both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.dataset.union_find import Forest
from segdata.errors import DataError, Problem
from segdata.files.bands import About
from segdata.files.crs import same_crs
from segdata.files.geo import Geo
from segdata.files.projecting import corners_of, moved_to_ground, moved_to_pixels
from segdata.files.rasters import is_gapless
from segdata.tiling.area import open_place
from segdata.windows import Window

Points = NDArray[np.float64]


class Scene(NamedTuple):
    """A sample, where it lies, and what its image holds: `bands` 0 if it has none; `gapless` if all its pixels have data."""

    sample: Sample
    geo: Geo
    bands: int
    dtype: str
    gapless: bool
    about: tuple[About, ...] = ()


class Part(NamedTuple):
    """A scene, and the window of the mosaic that it is."""

    scene: Scene
    window: Window


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Scenes of one grid that touch, in order of their ids, as an image of `size` (height, width) that lies at `geo`."""

    id: str
    group: str | None
    size: tuple[int, int]
    geo: Geo
    parts: tuple[Part, ...]

    @property
    def first(self) -> Scene:
        """The scene that says what all of them have."""
        return self.parts[0].scene


def look(sample: Sample, dataset: Dataset) -> Scene:
    """Where a sample lies, and what its image holds. Raises `DataError` (`mosaic.place`) if it lies nowhere."""
    with open_place(dataset, sample) as raster:
        refuse_unplaced(sample, raster.geo)
        if sample.image is None or dataset.images == "none":
            return Scene(sample, raster.geo, 0, "", False)
        return Scene(sample, raster.geo, raster.bands, raster.dtype.name, is_gapless(raster), raster.about)


def refuse_unplaced(sample: Sample, geo: Geo) -> None:
    """Raise `DataError` (`mosaic.place`) for what lies nowhere. Tiles of an image that lies nowhere have places in that alone."""
    if geo.placed and not (geo.crs is None and sample.parent is not None):
        return
    way = (
        "put tiles together with segdata stitch" if sample.parent is not None else "give it some, such as a world file"
    )
    what = f"it has no coordinates, so nothing says where it lies beside others: {way}"
    raise DataError(Problem("mosaic.place", what, sample=sample.id))


class Grid:
    """A grid of pixels, which begins with a scene; the places of scenes on it are rows and columns from that scene on."""

    def __init__(self, first: Scene) -> None:
        self.first = first
        self.parts: list[tuple[Scene, int, int]] = []

    def corners(self, scene: Scene) -> Points:
        """(4, 2) the (x, y) of a scene's corners, in pixels of the grid."""
        return moved_to_pixels(moved_to_ground(corners_of(*scene.sample.size), scene.geo), self.first.geo)

    def off(self, scene: Scene, tolerance: float) -> float | None:
        """How far beside those of the grid a scene's pixels lie, in pixels; None if they are others, wherever the scene lies."""
        ours, theirs = self.first, scene
        alike = (ours.sample.split, ours.bands, ours.dtype) == (theirs.sample.split, theirs.bands, theirs.dtype)
        if not alike or not same_crs(ours.geo.crs, theirs.geo.crs):
            return None
        corners, sides = self.corners(scene), corners_of(*scene.sample.size)
        if np.abs(corners - corners[0] - sides).max() > tolerance:
            return None
        return float(np.abs(corners - np.rint(corners[0]) - sides).max())

    def add(self, scene: Scene) -> None:
        """Put a scene that fits on the grid."""
        x, y = np.rint(self.corners(scene)[0]).astype(int).tolist()
        self.parts.append((scene, y, x))

    def refuse_beside(self, scene: Scene, off: float, tolerance: float) -> None:
        """Raise `DataError` (`mosaic.grid`) for a scene that touches one of the grid, though its pixels lie beside those."""
        low, high = self.corners(scene).min(axis=0), self.corners(scene).max(axis=0)
        for other, y, x in self.parts:
            start, end = np.array([x, y]) - 1, np.array([x + other.sample.width, y + other.sample.height]) + 1
            if (low < end).all() and (high > start).all():
                what = (
                    f"its pixels lie {off:.2f} of a pixel beside those of {other.sample.id}, {tolerance:g} is allowed"
                )
                way = f"allow more (--tolerance 0.5){self._or_warp(scene)}"
                raise DataError(Problem("mosaic.grid", f"{what}: {way}", sample=scene.sample.id))

    def _or_warp(self, scene: Scene) -> str:
        """The command that puts a scene on this grid; none for a grid that is turned."""
        a, b, c, d, e, f = self.first.geo.transform
        if b or d:
            return ""
        height, width = scene.sample.size
        x, y = np.rint(self.corners(scene)[0]).tolist()
        xs, ys = (c + a * x, c + a * (x + width)), (f + e * y, f + e * (y + height))
        target = f"-te {min(xs):.15g} {min(ys):.15g} {max(xs):.15g} {max(ys):.15g} -ts {width} {height}"
        return f", or warp image and mask onto one grid (gdalwarp -r near {target})"


def grids_of(scenes: Iterable[Scene], tolerance: float) -> tuple[list[Grid], list[Problem]]:
    """The grids of scenes in order, each on the first that it fits, and what is wrong with those that touch another grid."""
    grids: list[Grid] = []
    problems = []
    for scene in scenes:
        offs = [(grid, off) for grid in grids if (off := grid.off(scene, tolerance)) is not None]
        try:
            grid = next((grid for grid, off in offs if off <= tolerance), None)
            for other, off in offs if grid is None else ():
                other.refuse_beside(scene, off, tolerance)
        except DataError as error:
            problems.append(error.problem)
            continue
        if grid is None:
            grids.append(grid := Grid(scene))
        grid.add(scene)
    return grids, problems


def mosaics_of(grids: Iterable[Grid]) -> list[Mosaic]:
    """A mosaic for all scenes of a grid that touch, directly or through others, at a corner at least."""
    found = [_mosaic(grid, parts) for grid in grids for parts in _touching(grid)]
    groups = _groups([{part.scene.sample.group for part in mosaic.parts} for mosaic in found])
    return [replace(mosaic, group=group) for mosaic, group in zip(found, groups, strict=True)]


def _touching(grid: Grid) -> list[list[tuple[Scene, int, int]]]:
    """The scenes of a grid, those that touch together."""
    forest = Forest()
    boxes = np.array([(y, x, y + s.sample.height, x + s.sample.width) for s, y, x in grid.parts], np.int64)
    for i, (top, left, bottom, right) in enumerate(boxes.tolist()):
        y0, x0, y1, x1 = boxes[:i].T
        for j in np.flatnonzero((y0 <= bottom) & (y1 >= top) & (x0 <= right) & (x1 >= left)):
            forest.join(i, int(j))
    together: dict[int, list[tuple[Scene, int, int]]] = defaultdict(list)
    for i, part in enumerate(grid.parts):
        together[forest.root(i)].append(part)
    return list(together.values())


def _mosaic(grid: Grid, parts: Sequence[tuple[Scene, int, int]]) -> Mosaic:
    """Scenes that touch as one image, from the upper left corner of all of them on."""
    top, left = min(y for _, y, _ in parts), min(x for _, _, x in parts)
    placed = tuple(Part(scene, Window(y - top, x - left, *scene.sample.size)) for scene, y, x in parts)
    size = max(part.window.bottom for part in placed), max(part.window.right for part in placed)
    geo = Geo(grid.first.geo.crs, grid.first.geo.transform).cut(Window(top, left, *size))
    first = placed[0].scene
    id = first.sample.id if len(placed) == 1 else f"{first.sample.id}_mosaic"
    return Mosaic(id, None, size, geo, placed)


def _groups(held: Sequence[set[str | None]]) -> list[str | None]:
    """The group of each mosaic, by the groups of its scenes: those that meet in a mosaic are one from then on."""
    names = sorted({name for groups in held for name in groups if name is not None})
    number, forest = {name: i for i, name in enumerate(names)}, Forest()
    mine = [sorted(number[name] for name in groups if name is not None) for groups in held]
    for numbers in mine:
        for other in numbers[1:]:
            forest.join(numbers[0], other)
    return [names[forest.root(numbers[0])] if numbers else None for numbers in mine]
