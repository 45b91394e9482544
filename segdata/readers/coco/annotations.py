"""How COCO keeps the labels of one image, and how they become its mask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem, located
from segdata.files.images import read_image
from segdata.files.lossy import refuse_lossy
from segdata.kernels.lookup import look_up
from segdata.labels import Remap
from segdata.readers.coco.records import Id, Record, Segment, no_outline, read_box, read_segmentation
from segdata.readers.drawing import NAN, clipped, draw_shapes
from segdata.readers.paint import Overlap, Shape, rasterize, union
from segdata.readers.source import Drawn, InShared, Receipt

Crowd = Literal["ignore", "class", "drop"]
"""What crowd regions become: ignore, their class, or nothing."""

Boxes = Literal["ignore", "drop", "stop"]
"""What objects become that have a box and no segmentation: their box ignored, nothing, or an error."""

FAR = 2**17
"""Coordinates further out than this are not rasterised: pycocotools takes memory for every pixel of an outline."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every image of a file: its path, category id -> class id (None: ignored), and the policies."""

    file: str
    class_ids: dict[Id, int | None]
    crowd: Crowd
    overlap: Overlap = "smallest"
    background: int | None = None
    boxes: Boxes = "ignore"

    def value(self, category: Id, crowd: bool, remap: Remap) -> int | None:
        """The mask value of an annotation; None where it is not to be painted."""
        if crowd and self.crowd != "class":
            return None if self.crowd == "drop" else remap.labels.ignore
        return remap.value(self.class_ids[category])


@dataclass(frozen=True, slots=True)
class Instances(InShared):
    """The annotations of one image of `size` (height, width)."""

    rules: Rules
    size: tuple[int, int]
    records: tuple[Record, ...]

    @property
    def ids(self) -> list[Id]:
        """Annotation ids."""
        return [record.id for record in self.records]

    def draw(self, remap: Remap) -> Drawn:
        """Every annotation's pixels as pycocotools' annToMask has them, painted in the order of the overlap policy."""
        receipt = Receipt(annotations=len(self.records))
        with located(file=self.rules.file):
            shapes = self._shapes(remap, receipt)
            rules = self.rules
            return draw_shapes(shapes, self.size, remap, rules.background, rules.overlap, receipt, rules.file)

    def _shapes(self, remap: Remap, receipt: Receipt) -> list[Shape]:
        """The annotations that have pixels, in file order."""
        values: list[tuple[Record, int]] = []
        segmentation: list[list[float]] | bytes | None
        run_lengths: dict[Id, bytes] = {}
        outlines = Outlines(self.rules.file, self.size, receipt)
        for record in self.records:
            value = self.rules.value(record.category_id, bool(record.iscrowd), remap)
            if value is None:
                line = Problem("crowd.dropped", "a crowd, dropped as told", self.rules.file, None, record.id)
                receipt.skipped.append(line)
                continue
            try:
                segmentation = read_segmentation(record.segmentation, self.size)
                if no_outline(segmentation) and (box := read_box(record.bbox)) is not None:
                    receipt.boxes += 1
                    segmentation, value = self._box(record, box, receipt), remap.labels.ignore
            except DataError as error:
                raise error.at(annotation=record.id) from error
            if segmentation is None:
                continue
            values.append((record, value))
            if isinstance(segmentation, bytes):
                run_lengths[record.id] = segmentation
            else:
                outlines.add(record.id, segmentation)
        run_lengths.update(outlines.run_lengths())
        return [Shape(value, run_lengths[r.id], r.id) for r, value in values if r.id in run_lengths]

    def _box(self, record: Record, box: list[float], receipt: Receipt) -> list[list[float]] | None:
        """The outline to ignore of an object that has a box alone; None if it is dropped. Raises `DataError` (`box.only`)."""
        if self.rules.boxes == "stop":
            message = (
                "an object with a box and no segmentation: --boxes ignore ignores the box, --boxes drop the object"
            )
            raise DataError(Problem("box.only", message))
        if self.rules.boxes == "drop":
            what = "has a box and no segmentation, dropped as told"
            receipt.skipped.append(Problem("box.dropped", what, self.rules.file, None, record.id))
            return None
        x, y, width, height = box
        return [[x, y, x, y + height, x + width, y + height, x + width, y]]  # as pycocotools outlines boxes


@dataclass(slots=True)
class Outlines:
    """The polygons of one image, checked and rasterised together."""

    file: str
    size: tuple[int, int]
    receipt: Receipt
    parts: list[list[float]] = field(default_factory=list)
    owners: list[Id] = field(default_factory=list)

    def add(self, annotation: Id, polygons: list[list[float]]) -> None:
        """Take an annotation's polygons; those that have no area by their number of points get their line instead."""
        good = [part for part in polygons if len(part) >= 6]
        if not good:
            what = "has polygons of fewer than three points" if polygons else "has no segmentation"
            self.receipt.skipped.append(self._line("polygon.degenerate", what, annotation))
        elif len(good) < len(polygons):
            what = f"{len(polygons) - len(good)} of {len(polygons)} polygons have fewer than three points: left out"
            self.receipt.repaired.append(self._line("polygon.degenerate", what, annotation))
        if any(len(part) % 2 for part in good):
            what = "an odd number of coordinates: the last one is left out"
            self.receipt.repaired.append(self._line("polygon.odd", what, annotation))
            good = [part[: len(part) // 2 * 2] for part in good]
        self.parts += good
        self.owners += [annotation] * len(good)

    def run_lengths(self) -> dict[Id, bytes]:
        """Compressed run lengths by annotation. Raises `DataError` (`polygon.nan`)."""
        if not self.parts:
            return {}
        corners = np.fromiter((len(part) // 2 for part in self.parts), np.int64, len(self.parts))
        ends = np.cumsum(corners)
        points = np.fromiter(chain.from_iterable(self.parts), np.float64, 2 * int(ends[-1])).reshape(-1, 2)
        keep, owners = self._check(points, ends - corners), self.owners
        if not keep.all():
            points, ends = points[np.repeat(keep, corners)], np.cumsum(corners[keep])
            owners = [owner for owner, good in zip(owners, keep, strict=True) if good]
        grouped: dict[Id, list[bytes]] = defaultdict(list)
        for owner, rle in zip(owners, rasterize(points, ends, *self.size), strict=True):
            grouped[owner].append(rle)
        return {owner: union(rles, *self.size) for owner, rles in grouped.items()}

    def _check(self, points: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(P,) which polygons can be rasterised; `points` (N, 2) of x, y, `starts` (P,) where each begins."""
        keep = np.ones(len(starts), np.bool_)
        height, width = self.size
        x, y = points.T  # each by itself: numpy takes ten times as long to reduce both at once
        if points.min() >= 0 and x.max() <= width and y.max() <= height:  # never true of NaN
            return keep
        low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
        lines: dict[Id, str] = {}
        for i, owner in enumerate(self.owners):
            box = np.concatenate([low[i], high[i]])
            if not np.isfinite(box).all():
                raise DataError(Problem("polygon.nan", NAN, annotation=owner))
            if np.abs(box).max() > FAR + max(self.size):
                keep[i] = False
                lines[owner] = "far"
            elif box[:2].min() < 0 or box[2] > width or box[3] > height:
                lines.setdefault(owner, "clipped")
        left = {owner for owner, good in zip(self.owners, keep, strict=True) if good}
        for owner, what in lines.items():
            if what == "clipped":
                self.receipt.clipped.append(clipped(self.file, owner))
            else:
                lists = self.receipt.clipped if owner in left else self.receipt.skipped
                lists.append(self._line("polygon.far", "a polygon lies too far outside the image: left out", owner))
        return keep

    def _line(self, code: str, message: str, annotation: Id) -> Problem:
        return Problem(code, message, self.file, None, annotation)


@dataclass(frozen=True, slots=True)
class Panoptic:
    """A panoptic PNG and its segments: a pixel's segment id is R + 256 G + 65536 B, and 0 is void."""

    rules: Rules
    size: tuple[int, int]
    png: str
    segments: tuple[Segment, ...]

    @property
    def ids(self) -> list[int]:
        """Segment ids."""
        return [segment.id for segment in self.segments]

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return (self.png,)

    def draw(self, remap: Remap) -> Drawn:
        """Each segment's pixels in its category's class. Raises `DataError` (`panoptic.*`, `image.*`, `mask.jpeg`)."""
        refuse_lossy(self.png)
        rgb = read_image(self.png).astype(np.int32)
        if rgb.shape[:2] != self.size:
            sizes = f"{rgb.shape[0]} x {rgb.shape[1]}, its image {self.size[0]} x {self.size[1]} (height x width)"
            raise DataError(Problem("panoptic.size", f"the PNG is {sizes}", file=self.png))
        labels = remap.labels
        receipt = Receipt(annotations=len(self.segments))
        values = {0: labels.ignore}
        for segment in self.segments:
            value = self.rules.value(segment.category_id, bool(segment.iscrowd), remap)
            values[segment.id] = labels.ignore if value is None else value
        keys = np.array(sorted(values), np.int64)
        positions = np.empty(rgb.shape[0] * rgb.shape[1], np.int64)
        counts = np.zeros(len(keys), np.int64)
        unknown = look_up((rgb @ np.array([1, 256, 65536], np.int32)).ravel(), keys, positions, counts)
        if unknown >= 0:
            message = f"pixels of segment {unknown}, which segments_info does not list"
            raise DataError(Problem("panoptic.segment", message, file=self.png))
        found = dict(zip(keys.tolist(), counts.tolist(), strict=True))
        for segment in self.segments:
            if segment.iscrowd and self.rules.crowd == "drop":
                line = Problem("crowd.dropped", "a crowd, dropped as told", self.rules.file, None, segment.id)
                receipt.skipped.append(line)
            elif not found[segment.id]:
                receipt.skipped.append(
                    Problem("panoptic.empty", "has no pixel in the PNG", self.rules.file, None, segment.id)
                )
            else:
                receipt.painted += 1
        mask = np.array([values[key] for key in keys.tolist()], labels.dtype)[positions].reshape(self.size)
        return Drawn(mask, receipt)
