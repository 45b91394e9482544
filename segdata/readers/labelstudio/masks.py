"""How Label Studio's regions become the mask of one image: which are drawn, and what the receipt says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from segdata.errors import DataError, Problem, located
from segdata.files.limits import refuse_large
from segdata.files.opening import read_facts
from segdata.labels import Remap
from segdata.readers.classes.named import class_id_of
from segdata.readers.drawing import NAN, clipped, draw_shapes
from segdata.readers.labelstudio.images import Shown, images_of, key_of
from segdata.readers.labelstudio.shapes import (
    Bitmask,
    Box,
    Outline,
    Oval,
    bitmask_pixels,
    box_corners,
    brush_pixels,
    decoded_shape,
    oval_pixels,
    polygon_corners,
)
from segdata.readers.labelstudio.tasks import Id, Marks, Result, Span, Which, Work, marks_of, read_task
from segdata.readers.paint import Overlap, Shape, rasterize
from segdata.readers.source import Drawn, Receipt

FAR = 2**17
"""Coordinates further out than this are not rasterised, which takes memory for every pixel of an outline."""

DRAWN = ("brush", "bitmask", "polygon", "rectangle", "ellipse")
"""The kinds of regions that hold pixels."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every image: class ids by label (None: ignored), and the options."""

    class_ids: Mapping[str, int | None]
    shown: Shown
    overlap: Overlap
    background: int | None
    control: str | None = None
    which: Which = "latest"


class Drawing(NamedTuple):
    """An annotation of one image: where its task lies, its place in it, which of the task's images is meant, and what is
    known of it. `size` is (height, width) where a region states it."""

    span: Span
    place: int
    key: str
    nth: int
    id: Id
    created: float
    truth: bool
    cancelled: bool
    size: tuple[int, int] | None


class Region(NamedTuple):
    """An object: its id, the first entry that describes it, what that says, and the labels and controls of all entries.

    `further`: the types of entries that say something else of it, such as choices.
    """

    id: Id
    result: Result
    marks: Marks
    names: list[str]
    controls: list[str | None]
    further: list[str]


@dataclass(frozen=True, slots=True)
class Drawings:
    """The annotations of one image: the one that is taken, None for an image of nothing, and the others.

    `image` is where the size is read if no region states it.
    """

    rules: Rules
    taken: Drawing | None
    others: tuple[Drawing, ...]
    size: tuple[int, int] | None
    image: str | None
    own: tuple[str, ...] = ()

    @property
    def ids(self) -> Sequence[Id]:
        """The ids of the regions, and of the annotations that are not taken."""
        others = [other.id for other in self.others]
        if self.taken is None:
            return others
        try:
            return [*(region.id for region in self._regions(self.taken)[0]), *others]
        except DataError:
            return [self.taken.id, *others]

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`: label files that hold this task alone."""
        return self.own

    def draw(self, remap: Remap) -> Drawn:
        """The regions in their order; a line for each other annotation, which says how many pixels differ."""
        with located(file=None if self.taken is None else self.taken.span.file):
            size = self._size()
            receipt = Receipt()
            drawn = self._draw(self.taken, size, remap, receipt)
            for other in self.others:
                receipt.annotations += 1
                receipt.skipped.append(self._compare(other, drawn, remap))
            return drawn

    def _draw(self, drawing: Drawing | None, size: tuple[int, int], remap: Remap, receipt: Receipt) -> Drawn:
        file = "" if drawing is None else drawing.span.file
        shapes: list[Shape] = []
        if drawing is not None:
            regions, data = self._regions(drawing)
            receipt.annotations += len(regions)
            shapes = Shapes(self.rules, drawing.span, data, size, receipt).of(regions, remap)
        return draw_shapes(shapes, size, remap, self.rules.background, self.rules.overlap, receipt, file)

    def _compare(self, other: Drawing, drawn: Drawn, remap: Remap) -> Problem:
        """The line of an annotation that is not taken."""
        if other.cancelled:
            return Problem("labelstudio.cancelled", "a cancelled annotation", other.span.file, None, other.id)
        try:
            mask = self._draw(other, drawn.size, remap, Receipt()).mask
            differ = f"{int(np.count_nonzero(mask != drawn.mask)):,} of {mask.size:,} pixels differ"
        except DataError as error:
            differ = f"it cannot be drawn ({error.problem.message})"
        taken = "" if self.taken is None else f" from annotation {self.taken.id}, which is taken"
        message = f"another annotation of the image: {differ}{taken}"
        return Problem("labelstudio.annotation", message, other.span.file, None, other.id)

    def _regions(self, drawing: Drawing) -> tuple[list[Region], bytes]:
        """The regions of an annotation that are on this image, and the bytes of its task."""
        task, data = read_task(drawing.span)
        works = task.chosen_from(self.rules.which)
        if drawing.place >= len(works):
            raise DataError(Problem("labelstudio.task", "the label file has changed: convert again"))
        regions = regions_of(works[drawing.place], self.rules.control)
        here, shown = (drawing.key, drawing.nth), self.rules.shown
        images = images_of(task.data, shown)
        return [one for one in regions if target_of(one, images, shown) in (None, here)], data

    def _size(self) -> tuple[int, int]:
        """(height, width) as regions state it, or of the image as it is shown. Raises `DataError` (`labelstudio.size`)."""
        if self.size is None:
            if self.image is None:
                message = "no region states the size of the image, and there is no image: leave out --images none"
                raise DataError(Problem("labelstudio.size", message))
            return read_facts(self.image).upright
        refuse_large(*self.size, 1)
        return self.size


def regions_of(work: Work, control: str | None = None) -> list[Region]:
    """The objects of an annotation. Entries of one id are of one object, but for different shapes."""
    found: dict[Id, list[Region]] = {}
    for place, result in enumerate(work.result or ()):
        id = place if result.id is None else result.id
        try:
            marks = marks_of(result)
        except DataError as error:
            raise error.at(annotation=id) from error
        names = marks.names() if control in (None, result.from_name) else []
        kind = marks.kind
        for region in found.setdefault(id, []):
            if not kind or region.marks.shape == marks.shape:
                region.names.extend(name for name in names if name not in region.names)
                region.controls.append(result.from_name)
                if not marks.names() and result.type is not None:
                    region.further.append(result.type)
                break
        else:
            found[id].append(Region(id, result, marks, names, [result.from_name], []))
    return [region for regions in found.values() for region in regions]


def target_of(region: Region, images: Mapping[str, object], shown: Shown) -> tuple[str, int] | None:
    """Which of a task's images a region is on: key in the data, and place there; None for what is on none, such as choices."""
    if not region.marks.kind:
        return None
    return key_of(region.result, images, shown), region.result.item_index or 0


def stated_size(result: Result) -> tuple[int, int] | None:
    """(height, width) of the image as a region states it. Raises `DataError` (`labelstudio.size`)."""
    width, height = result.original_width, result.original_height
    if width is None or height is None:
        return None
    if not (1 <= width < 2**31 and 1 <= height < 2**31 and width == int(width) and height == int(height)):
        message = f"its original_width and original_height, {width} and {height}, are no size of an image"
        raise DataError(Problem("labelstudio.size", message))
    return int(height), int(width)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Regions of one annotation to shapes of an image of `size` (height, width); the others get their line."""

    rules: Rules
    span: Span
    data: bytes
    size: tuple[int, int]
    receipt: Receipt

    def of(self, regions: Sequence[Region], remap: Remap) -> list[Shape]:
        """The regions that have pixels, in their order. Raises `DataError` that names the region."""
        parts: list[tuple[int, Id, bytes | Outline]] = []
        for region in regions:
            with located(annotation=region.id):
                if self._leaves_out(region):
                    continue
                class_id = class_id_of(region.names[0], self.rules.class_ids, "labelstudio.label", region.id)
                if (drawn := self._pixels(region)) is not None:
                    parts.append((remap.value(class_id), region.id, drawn))
        outlines = [part for _, _, part in parts if isinstance(part, np.ndarray)]
        ends = np.cumsum([len(one) for one in outlines])
        rles = iter(rasterize(np.concatenate(outlines), ends, *self.size) if outlines else ())
        return [Shape(value, part if isinstance(part, bytes) else next(rles), id) for value, id, part in parts]

    def _leaves_out(self, region: Region) -> bool:
        """Whether a region holds no pixels or has no label; then it gets its line."""
        kind = region.marks.kind
        if kind not in DRAWN:
            type = region.result.type or "value"
            if not kind and type.removesuffix("labels") in DRAWN:
                self._skip("labelstudio.no_shape", f"states no shape ({type})", region)
            else:
                self._skip(f"labelstudio.{kind or 'other'}", f"holds no pixels ({kind or type})", region)
        elif self.rules.control is not None and self.rules.control not in region.controls:
            self._skip("labelstudio.control", f"of the control {region.result.from_name}", region)
        elif not region.names:
            self._skip("labelstudio.no_label", "has no label", region)
        else:
            if len(region.names) > 1:
                what = f"has the labels {', '.join(region.names)}: taken for {region.names[0]}"
                self.receipt.repaired.append(Problem("labelstudio.labels", what, self.span.file, None, region.id))
            return False
        return True

    def _pixels(self, region: Region) -> bytes | Outline | None:
        """Run lengths or an outline; None if it got its line."""
        kind = region.marks.kind
        if (stated := stated_size(region.result)) is not None and stated != self.size:
            both = (
                f"{stated[1]} x {stated[0]}, the image of the others {self.size[1]} x {self.size[0]} (width x height)"
            )
            raise DataError(Problem("labelstudio.size", f"its image is {both}: are they of one image?"))
        if kind == "brush":
            return brush_pixels(region.marks, self.size)
        value = decoded_shape(region.result, kind)
        if isinstance(value, Bitmask):
            return bitmask_pixels(self.span.part(self.data, value.imageDataURL), self.size)
        if isinstance(value, Oval):
            return oval_pixels(value, self.size)
        corners = box_corners(value, self.size) if isinstance(value, Box) else polygon_corners(value, self.size)
        return corners if self._is_drawn(corners, region) else None

    def _is_drawn(self, corners: Outline, region: Region) -> bool:
        """Whether an outline can be rasterised; a line if it cannot, and if it reaches beyond the image."""
        if len(corners) < 3:
            self._skip("polygon.degenerate", "has fewer than three points", region)
            return False
        height, width = self.size
        low, high = corners.min(axis=0), corners.max(axis=0)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise DataError(Problem("polygon.nan", NAN))
        if max(-low.min(), high.max()) > FAR + max(self.size):
            self._skip("polygon.far", "lies too far outside the image: left out", region)
            return False
        if low.min() < 0 or high[0] > width or high[1] > height:
            self.receipt.clipped.append(clipped(self.span.file, region.id))
        return True

    def _skip(self, code: str, message: str, region: Region) -> None:
        self.receipt.skipped.append(Problem(code, message, self.span.file, None, region.id))
