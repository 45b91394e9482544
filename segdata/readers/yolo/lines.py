"""How Ultralytics keeps the outlines of one image, a line each, and how its loader draws them.

The rules are those of Ultralytics 8.4: what it takes for an outline, which values it refuses, which lines it removes as
copies, and how an outline becomes pixels. Every number is float32. An outline is closed and resampled to 1,000 points (of
images with longer outlines to one more than the longest has), and all its points are cut to whole pixels before OpenCV
fills them; `--task semantic` cuts the corners alone. The smallest object is on top. If two have as many pixels, Ultralytics
leaves their order to an unstable sort; here the one of the later line is on top. It also leaves out images of less than 10
pixels a side, and repairs broken JPEGs in place; here these are read as others are, and no file is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem, located
from segdata.files.opening import upright_size
from segdata.files.places import place
from segdata.labels import Remap
from segdata.readers.classes.entries import MAX_VALUE
from segdata.readers.drawing import clipped, draw_shapes
from segdata.readers.fill import fill_opencv
from segdata.readers.paint import Overlap, Shape, area_of
from segdata.readers.source import Drawn, Receipt, places_in, read_text
from segdata.words import some

Task = Literal["segment", "semantic"]
"""Which training of Ultralytics the masks are equal to."""

POINTS = 1000
"""So many points every outline has at least when it is drawn for `segment`."""

MOST_POINTS = 2**26
"""So many points of all outlines of an image are resampled."""

BOX = 5
"""The numbers of a line that is a box: class, x, y, width, height."""

MOST, LEAST = 1.01, -0.01
"""The middle and the size of an outline may leave 0 to 1 by so much."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every image: class number -> class id (None: ignored), where these stand, and how outlines are drawn.

    `background`: the class id of what no outline covers (None: ignored). `keypoints`: the numbers of a line of key points,
    if the set has these (0: none).
    """

    class_ids: Mapping[int, int | None]
    names: str
    background: int | None
    overlap: Overlap
    task: Task
    keypoints: int = 0


class Outline(NamedTuple):
    """A line of a label file: its place among the lines that are not empty, its class number, and (N, 2) float32 x, y.

    `beyond`: whether it reaches beyond the image.
    """

    number: int
    class_number: int
    points: NDArray[np.float32]
    beyond: bool = False

    @property
    def key(self) -> bytes:
        """What copies have in common, and what they are sorted by."""
        return np.float32(self.class_number).tobytes() + self.points.tobytes()


@dataclass(frozen=True, slots=True)
class Lines:
    """A label file, None if there is none, and the image that has its size."""

    path: str | None
    image: str
    rules: Rules

    @property
    def ids(self) -> Sequence[int | str]:
        """The places of the lines that are not empty."""
        path = self.path
        return [] if path is None else places_in(path, lambda: split_lines(path))

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return [] if self.path is None else [self.path]

    def draw(self, remap: Remap) -> Drawn:
        """See the module. Raises `DataError` (`yolo.*`, `image.*`)."""
        size, rules = upright_size(self.image), self.rules
        if self.path is None:
            return draw_shapes([], size, remap, rules.background, rules.overlap, Receipt(), self.image)
        with located(file=self.path):
            outlines = read_outlines(self.path, rules.keypoints)
            receipt = Receipt(annotations=len(outlines))
            kept = without_copies(outlines, self.path, receipt)
            shapes = []
            for outline, points in zip(kept, pixels(kept, size, rules.task), strict=True):
                value = remap.value(self._class_id(outline))
                shapes.append(Shape(value, fill_opencv([points], *size), outline.number))
                if outline.beyond:
                    receipt.clipped.append(clipped(self.path, outline.number))
            if rules.overlap == "smallest":  # on a tie the later one, in the order of the loader
                areas = {shape.annotation: area_of(shape.rle, *size) for shape in shapes}
                shapes.sort(key=lambda shape: -areas[shape.annotation])
                return draw_shapes(shapes, size, remap, rules.background, "last", receipt, self.path)
            return draw_shapes(shapes, size, remap, rules.background, rules.overlap, receipt, self.path)

    def _class_id(self, outline: Outline) -> int | None:
        """The class id of an outline. Raises `DataError` (`yolo.class`)."""
        if outline.class_number not in self.rules.class_ids:
            there = some(sorted(self.rules.class_ids))
            message = f"no class {outline.class_number}: {self.rules.names} names {there}: add it there, or correct it"
            raise DataError(Problem("yolo.class", message, annotation=outline.number))
        return self.rules.class_ids[outline.class_number]


# Reading


def split_lines(path: str) -> list[list[str]]:
    """The parts of each line that is not empty. Raises `DataError` (`yolo.text`) for what is no text."""
    text = read_text(place(path), "yolo.text")
    return [parts for line in text.splitlines() if (parts := line.split())]


def read_outlines(path: str, keypoints: int = 0) -> list[Outline]:
    """The outlines of a label file, in its order.

    Raises `DataError` (`yolo.*`) for lines that are none, and for what the loader refuses: boxes, key points, half a point,
    what is no number or no class, and outlines that lie too far outside.
    """
    lines = split_lines(path)
    outlined = any(len(parts) > BOX + 1 for parts in lines)
    for number, parts in enumerate(lines):
        refuse_other(number, len(parts), keypoints, outlined)
    values, counts = read_numbers(lines), np.array([len(parts) for parts in lines], np.int64)
    ends = np.cumsum(counts)
    starts = ends - counts
    points = values.copy()
    points[starts] = 0
    inside = bool(points.size and points.min() >= 0 and points.max() <= 1)  # never true of NaN
    outlines = []
    for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        outline = Outline(number, read_class(number, values[start]), values[start + 1 : end].reshape(-1, 2))
        outlines.append(outline if inside else checked(outline))
    return outlines


def read_numbers(lines: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """The numbers of all lines, (N,). Raises `DataError` (`yolo.number`) for what is none."""
    try:
        with np.errstate(over="ignore"):
            return np.array([float(part) for parts in lines for part in parts], np.float32)
    except ValueError:
        for number, parts in enumerate(lines):
            for part in parts:
                try:
                    float(part)
                except ValueError:
                    _refuse("number", number, f"{part[:40]!r} is no number: correct it")
        raise


def read_class(number: int, value: np.float32) -> int:
    """The class number that a line begins with. Raises `DataError` (`yolo.class`)."""
    if not 0 <= value <= MAX_VALUE or value % 1:  # never true of NaN
        _refuse("class", number, f"it begins with {value:g}, which is no class number from 0 on: correct it")
    return int(value)


def checked(outline: Outline) -> Outline:
    """An outline, and whether it reaches beyond the image. Raises `DataError` (`yolo.number`, `yolo.range`)."""
    number, points = outline.number, outline.points
    if not np.isfinite(points).all():
        _refuse("number", number, "a coordinate is NaN or too large: correct it")
    low, high = points.min(axis=0), points.max(axis=0)
    middle, size = (low + high) / 2, high - low
    if max(middle.max(), size.max()) > MOST or middle.min() < LEAST:
        what = (
            f"x is {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g}, and both must be parts of the image, 0 to 1"
        )
        way_out = "divide x by the width of the image and y by its height" if high.max() > 2 else "correct it"
        _refuse("range", number, f"{what}: {way_out}")
    return outline._replace(beyond=bool(low.min() < 0 or high.max() > 1))


def refuse_other(number: int, count: int, keypoints: int, outlined: bool) -> None:
    """Raise `DataError` (`yolo.*`) for a line of `count` numbers that is no outline; see `read_outline`."""
    if count == keypoints:
        what = f"its {count} numbers are a box and key points, as kpt_shape says, and have no pixels"
        _refuse("keypoints", number, f"{what}: draw its outline")
    if count == BOX:
        beside = ", beside outlines" if outlined else ""
        _refuse("box", number, f"its {BOX} numbers are a box{beside}, which has no pixels: draw its outline")
    if count % 2 == 0 or count == 1 or (count == BOX - 2 and not outlined):
        _refuse("points", number, f"its {count} numbers are no class and pairs of x and y, three or more of them")


def _refuse(code: str, number: int, message: str) -> NoReturn:
    raise DataError(Problem(f"yolo.{code}", message, annotation=number))


def without_copies(outlines: Sequence[Outline], file: str, receipt: Receipt) -> list[Outline]:
    """The outlines without those that an earlier line has, which get their line. If there are any, sorted as the loader does."""
    first: dict[bytes, Outline] = {}
    for outline in outlines:
        if (same := first.setdefault(outline.key, outline)) is not outline:
            what = f"the same as annotation {same.number}"
            receipt.skipped.append(Problem("yolo.duplicate", what, file, None, outline.number))
    return list(outlines) if len(first) == len(outlines) else [first[key] for key in sorted(first)]


# Drawing


def pixels(outlines: Sequence[Outline], size: tuple[int, int], task: Task) -> Iterator[NDArray[np.int32]]:
    """Each outline's points in an image of `size` (height, width), x, y cut to whole pixels.

    Outlines along the axes alone are not resampled: points on their edges would change nothing.

    Raises `DataError` (`yolo.points`) for more points than can be drawn in a minute.
    """
    scale = np.array([size[1], size[0]], np.float32)
    longest = max((len(outline.points) for outline in outlines), default=0)
    count = POINTS if longest <= POINTS else longest + 1
    slanted = [task == "segment" and not along_axes(outline.points) for outline in outlines]
    if count * sum(slanted) > MOST_POINTS:
        what = f"its {sum(slanted)} outlines would have {count} points each, as the longest has {longest}"
        raise DataError(Problem("yolo.points", f"{what}: simplify that one, or draw them by --task semantic"))
    for outline, is_slanted in zip(outlines, slanted, strict=True):
        points = resampled(outline.points, count) if is_slanted else outline.points
        yield (points * scale).astype(np.int32)


def along_axes(points: NDArray[np.float32]) -> bool:
    """Whether each edge of a closed outline, (N, 2), is along an axis."""
    return bool((points == np.concatenate((points[1:], points[:1]))).any(axis=1).all())


def resampled(points: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """(count, 2) points along a closed outline of at most `count`: its corners, and others evenly spread by corner number."""
    if len(points) == count:
        return points
    closed = np.concatenate((points, points[:1]))
    corners = np.arange(len(closed), dtype=np.float64)
    between = np.linspace(0, len(points), count - len(closed))
    at = np.sort(np.concatenate((corners, between)))
    return np.stack([np.interp(at, corners, closed[:, k]) for k in (0, 1)], axis=1).astype(np.float32)
