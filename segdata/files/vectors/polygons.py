"""The regions of a mask as polygons in pixels, x to the right, y down: traced, filtered, and simplified together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from importlib.util import find_spec
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.errors import MissingDependency, OptionError, one_of
from segdata.files.gdal import load_rasterio, opened
from segdata.files.remote import Place
from segdata.labels import Labels, is_background
from segdata.words import some

VectorFormat = Literal["geojson", "qupath", "gpkg"]

BATCH = 4096
"""Polygons that are worked on together, unless a setting needs to see all of an image."""

SMALL, IN_HOLES, OFF_EARTH = "small", "in_holes", "off_earth"
"""Why polygons are left out: see `Polygons`; the last ones have no longitude and latitude."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polygons:
    """How the regions of a mask become polygons. Pixels that touch at a corner alone are not connected; ignored ones have none.

    Args:
        vector_format: What vectors/ holds. geojson: longitude and latitude, or pixels if the image has no coordinates. qupath:
            annotations for QuPath, in pixels. gpkg: GeoPackages in the image's coordinates (pip install "segdata[vectors]").
        min_area: Leave out polygons of fewer pixels than this.
        min_hole: Fill holes of fewer pixels than this, and leave out what lies in them.
        simplify: Make borders simpler: leave out corners whose triangle has a smaller area than this, squared, in pixels.
            Neighbours keep one border.
        background: Write polygons of the class background too.
        skip_classes: Write no polygons of this class.
    """

    vector_format: VectorFormat = "geojson"
    min_area: float = 0.0
    min_hole: float = 0.0
    simplify: float = 0.0
    background: bool = True
    skip_classes: Sequence[str] = ()

    @classmethod
    def of(cls, given: bool | Polygons, labels: Labels) -> Polygons | None:
        """What an operation is given: True is the defaults, False None. Raises as `check`."""
        how = cls() if given is True else given or None
        if how is not None:
            how.check(labels)
        return how

    def to_json(self) -> bool | dict[str, Any]:
        """What `made_by` says of it: True, or what is not by default."""
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in changed.items()} or True

    def check(self, labels: Labels) -> None:
        """Raise `OptionError` for what cannot be with these classes, `MissingDependency` for GeoPackages without pyogrio."""
        one_of("vector-format", self.vector_format, VectorFormat)
        if self.vector_format == "gpkg" and find_spec("pyogrio") is None:
            raise MissingDependency('--vector-format gpkg: needs pyogrio: pip install "segdata[vectors]"')
        for name in ("min_area", "min_hole", "simplify"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise OptionError(f"--{name.replace('_', '-')} {value:g}: must be 0 pixels or more")
        if self.skipped(labels) >= {label.id for label in labels.classes}:
            raise OptionError(f"no class is left that has polygons: skip fewer of {some(labels.names)}")

    def skipped(self, labels: Labels) -> set[int]:
        """The mask values that have no polygons. Raises `OptionError` for classes that there are not."""
        ids = {labels.ignore, *(labels.id(name) for name in self.skip_classes)}
        if self.background:
            return ids
        if not (empty := [label.id for label in labels.classes if is_background(label.name)]):
            raise OptionError(
                f"--no-background: no class is called background, but {some(labels.names)}: "
                "name the one that you mean (--skip-class NAME)"
            )
        return ids | set(empty)


class Regions(NamedTuple):
    """Polygons of shapely, (N,), and the class id of each, (N,)."""

    shapes: NDArray[Any]
    ids: NDArray[np.int64]

    def only(self, which: NDArray[np.bool_]) -> Regions:
        """Those of (N,) `which`."""
        return Regions(self.shapes[which], self.ids[which])


def trace(mask: NDArray[Any] | Place, labels: Labels, how: Polygons, left_out: Counter[str]) -> Iterator[Regions]:
    """The regions of a mask, (H, W) or a file of it, some thousands at a time; all at once if holes or borders change.

    `left_out` counts the others. A file is read row by row, so memory grows with its polygons, not its pixels.
    """
    together = how.min_hole > 0 or how.simplify > 0
    skipped = np.array(sorted(how.skipped(labels)))
    for found in _traced(mask, None if together else BATCH):
        regions = found.only(~np.isin(found.ids, skipped))
        if how.min_hole:
            regions = _filled(regions, how.min_hole, left_out)
        if how.min_area:
            regions = _large(regions, how.min_area, left_out)
        yield simplified(regions, how.simplify, _size(mask)) if how.simplify else regions


def rings_of(shapes: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Polygons, (N,), as the points of all their rings, (P, 2), where each ring begins, and with which ring each polygon does.

    The last of each is the end. `polygons_of` is the way back.
    """
    import shapely

    if not len(shapes):
        return np.zeros((0, 2)), np.zeros(1, np.int64), np.zeros(1, np.int64)
    _, points, (rings, parts) = shapely.to_ragged_array(shapes)
    return points, np.asarray(rings, np.int64), np.asarray(parts, np.int64)


def polygons_of(points: NDArray[Any], rings: NDArray[Any], parts: NDArray[Any]) -> NDArray[Any]:
    """(N,) polygons of shapely: see `rings_of`."""
    import shapely

    if len(parts) == 1:
        return np.zeros(0, object)
    found: NDArray[Any] = shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (rings, parts))
    return found


def _traced(mask: NDArray[Any] | Place, batch: int | None) -> Iterator[Regions]:
    """All regions as they are, so many at a time; None: all at once."""
    from rasterio.features import shapes

    with ExitStack() as stack:
        source, place = mask, np.eye(3)
        if isinstance(mask, Place):
            opened_mask = stack.enter_context(opened(mask, "mask"))
            source = load_rasterio().band(opened_mask, 1)
            place = np.linalg.inv(np.array(opened_mask.transform).reshape(3, 3))  # GDAL moves what it traces in a file
        found = iter(shapes(source, connectivity=4))
        while part := list(islice(found, batch)):
            rings = [ring for geometry, _ in part for ring in geometry["coordinates"]]
            points = np.array([point for ring in rings for point in ring], np.float64)
            corners = np.rint(points @ place[:2, :2].T + place[:2, 2])
            counts = [len(geometry["coordinates"]) for geometry, _ in part]
            yield Regions(
                polygons_of(corners, _ends([len(ring) for ring in rings]), _ends(counts)),
                np.array([value for _, value in part]).astype(np.int64),
            )


def _filled(regions: Regions, least: float, left_out: Counter[str]) -> Regions:
    """Without holes of fewer pixels than `least`, and without the regions in them."""
    import shapely

    points, rings, parts = rings_of(regions.shapes)
    each = shapely.polygons(shapely.get_rings(regions.shapes))
    outer = np.zeros(len(each), bool)
    outer[parts[:-1]] = True
    kept = outer | (shapely.area(each) >= least)
    lengths = np.diff(rings)
    owners = np.repeat(np.arange(len(regions.ids)), np.diff(parts))
    shapes = polygons_of(
        points[np.repeat(kept, lengths)],
        _ends(lengths[kept]),
        _ends(np.bincount(owners[kept], minlength=len(parts) - 1)),
    )
    inside = np.zeros(len(shapes), bool)
    small = np.flatnonzero(shapely.area(regions.shapes) < least)
    middles = shapely.STRtree(shapely.point_on_surface(regions.shapes[small]))
    inside[small[middles.query(each[~kept], predicate="contains")[1]]] = True
    left_out[IN_HOLES] += int(inside.sum())
    return Regions(shapes, regions.ids).only(~inside)


def _large(regions: Regions, least: float, left_out: Counter[str]) -> Regions:
    """Those of so many pixels or more."""
    import shapely

    large = shapely.area(regions.shapes) >= least
    left_out[SMALL] += int(np.count_nonzero(~large))
    return regions.only(large)


def simplified(regions: Regions, tolerance: float, size: tuple[int, int]) -> Regions:
    """With simpler borders, the same on both sides. (Visvalingam and Whyatt 1993, as GEOS has it for coverages.)

    The edges of the image, of `size` (height, width), stay where they are: four strips are around it, so that its corners, and
    where borders meet its edges, are points of three polygons, which stay.
    """
    import shapely

    height, width = size
    left, right = (0, width + 1), (1, width + 2)
    strips = shapely.box(
        [0, 0, *left], [0, height + 1, 1, 1], [width + 2, width + 2, *right], [1, height + 2, height + 1, height + 1]
    )
    moved = shapely.transform(
        regions.shapes, lambda points: points + 1
    )  # beside and above the image nothing is below 0
    points, rings, parts = rings_of(np.append(moved, strips))
    noded = polygons_of(*noded_rings(points, rings), parts)
    simple = shapely.coverage_simplify(noded, tolerance)[: len(regions.ids)]
    return Regions(np.asarray(shapely.transform(simple, lambda points: points - 1)), regions.ids)


def _size(mask: NDArray[Any] | Place) -> tuple[int, int]:
    """(height, width)"""
    if not isinstance(mask, Place):
        return mask.shape[0], mask.shape[1]
    with opened(mask, "mask") as file:
        return file.height, file.width


def noded_rings(points: NDArray[np.float64], rings: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rings along the edges of pixels, with a point wherever another ring has one: see `rings_of`."""
    x, y = points.astype(np.int64).T
    starts = np.delete(np.arange(len(points)), rings[1:] - 1)  # the last point of a ring begins no edge
    flat = y[starts] == y[starts + 1]
    along, on = nodes_between(x, y, starts[flat])
    down, at = nodes_between(y, x, starts[~flat])
    where = np.concatenate([along, down])
    more = np.concatenate([on, at[:, ::-1]])
    order = np.argsort(where, kind="stable")
    longer = np.insert(points, where[order], more[order], axis=0)
    return longer, rings + np.searchsorted(where[order], rings, "right")


def nodes_between(
    x: NDArray[np.int64], y: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The points (x, y), (P,) each, that lie within edges along x from one of the points to the next one, in their order.

    Returns before which point each is to come, (Q,), and its (x, y), (Q, 2).
    """
    width = int(x.max(initial=0)) + 1
    keys = y * width + x
    nodes = np.unique(keys)
    one, other = keys[starts], keys[starts + 1]
    first = np.searchsorted(nodes, np.minimum(one, other), "right")
    counts = np.searchsorted(nodes, np.maximum(one, other), "left") - first
    step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    step = np.where(np.repeat(one < other, counts), step, np.repeat(counts, counts) - 1 - step)
    between = nodes[np.repeat(first, counts) + step]
    return np.repeat(starts, counts) + 1, np.stack([between % width, between // width], axis=1)


def _ends(lengths: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
    """Where parts of these lengths begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
