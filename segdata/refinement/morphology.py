"""Tidying label maps class by class: opening, closing, filling holes, removing specks, smoothing.

Each step treats one class after the other as a set of pixels. Pixels that a class gains become that class; pixels that it loses
get the class of the nearest pixel of another class. Ignored pixels never change, and never change others: like the pixels beyond
the edge of the image, they count as part of a class when it shrinks, and not when it grows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.errors import OptionError
from segdata.labels import Labels, Mask
from segdata.words import suggest

Binary = NDArray[np.uint8]

Op = Literal["open", "close", "erode", "dilate", "fill_holes", "min_area", "largest", "median", "majority"]

KernelShape = Literal["disk", "square", "diamond", "cross"]

KERNELS: dict[str, Callable[[NDArray[np.int64], NDArray[np.int64], int], NDArray[np.bool_]]] = {
    "disk": lambda y, x, radius: y * y + x * x <= radius * radius,
    "square": lambda y, x, radius: np.ones(np.broadcast_shapes(y.shape, x.shape), bool),
    "diamond": lambda y, x, radius: abs(y) + abs(x) <= radius,
    "cross": lambda y, x, radius: (y == 0) | (x == 0),
}

LARGEST_KERNEL = 255

Operation = Callable[[Binary, Binary, "Step"], Binary]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on some classes (None: on all, in the order of their ids).

    `size`: width of the kernel in pixels, odd, and `shape`: its shape (open, close, erode, dilate, median, majority). `area`:
    pixels; min_area removes smaller components, fill_holes keeps larger holes open (0: fills all). `keep`: how many components
    stay (largest). Components are connected at corners too, holes at sides only.

    median: a pixel belongs to a class if more than half of the kernel does. majority: each pixel of these classes gets the most
    frequent class in the kernel; on a tie it keeps its own class if that is among them, otherwise it gets the first. Ignored
    pixels are not counted in either.
    """

    op: Op
    classes: tuple[int, ...] | None = None
    size: int = 3
    shape: KernelShape = "disk"
    area: int = 0
    keep: int = 1

    def __post_init__(self) -> None:
        """Raises `OptionError`."""
        if self.op not in get_args(Op):
            raise OptionError(f"operation {self.op!r}: {suggest(str(self.op), get_args(Op))}")
        if self.shape not in KERNELS:
            raise OptionError(f"kernel shape {self.shape!r}: {suggest(str(self.shape), KERNELS)}")
        for name in ("size", "area", "keep"):
            if type(value := getattr(self, name)) is not int:
                raise OptionError(f"{name} {value!r}: must be a whole number")
        if self.size % 2 != 1 or not 1 <= self.size <= LARGEST_KERNEL:
            raise OptionError(f"kernel size {self.size}: must be odd, 1 to {LARGEST_KERNEL}")
        if self.area < 0 or self.keep < 1:
            raise OptionError(f"area {self.area} must be 0 or more, keep {self.keep} 1 or more")

    def to_json(self, labels: Labels) -> dict[str, Any]:
        """The settings that differ from the defaults, with classes by name."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return given if self.classes is None else {**given, "classes": [labels.name(c) for c in self.classes]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], labels: Labels) -> Step:
        """Make a step from the result of `to_json`. Raises `OptionError` for an unknown class or setting."""
        known = [f.name for f in fields(cls)]
        for name in data:
            if name not in known:
                raise OptionError(f"morphology setting {name!r}: {suggest(name, known)}")
        classes = data.get("classes")
        return cls(**{**data, "classes": None if classes is None else tuple(labels.id(name) for name in classes)})


def tidy(mask: Mask, steps: Sequence[Step], labels: Labels) -> Mask:
    """(H, W) class ids and ignore -> the same, tidied by `steps` in their order, and in each step by classes in their order.

    Raises `OptionError` if a step names a class that does not exist.
    """
    out = mask.copy()
    ignored = (out == labels.ignore).astype(np.uint8)
    for step in steps:
        classes = range(len(labels.classes)) if step.classes is None else step.classes
        if not all(0 <= c < len(labels.classes) for c in classes):
            raise OptionError(f"classes {list(classes)}: there are 0 to {len(labels.classes) - 1}")
        if step.op == "majority":
            _vote(out, ignored, step, classes)
            continue
        for c in classes:
            before: Binary = (out == c).astype(np.uint8)
            if before.any():
                after = OPERATIONS[step.op](before, ignored, step)
                _give_away(out, before > after, c, ignored)
                out[(after > before) & (ignored == 0)] = c
    return out


def kernel_of(shape: KernelShape, size: int) -> Binary:
    """(size, size) uint8: 1 inside the kernel of that shape, 0 outside."""
    radius = size // 2
    y = np.arange(-radius, radius + 1)[:, None]
    return np.broadcast_to(KERNELS[shape](y, y.T, radius), (size, size)).astype(np.uint8)


def _erode(binary: Binary, ignored: Binary, step: Step) -> Binary:
    return np.asarray(cv2.erode(binary | ignored, kernel_of(step.shape, step.size)), np.uint8) & (1 - ignored)


def _dilate(binary: Binary, ignored: Binary, step: Step) -> Binary:
    return np.asarray(cv2.dilate(binary, kernel_of(step.shape, step.size)), np.uint8)


def _open(binary: Binary, ignored: Binary, step: Step) -> Binary:
    return _dilate(_erode(binary, ignored, step), ignored, step)


def _close(binary: Binary, ignored: Binary, step: Step) -> Binary:
    return _erode(_dilate(binary, ignored, step), ignored, step)


def _fill_holes(binary: Binary, ignored: Binary, step: Step) -> Binary:
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(1 - binary, connectivity=4)
    height, width = binary.shape
    left, top, across, down, area = stats.T
    inside = (left > 0) & (top > 0) & (left + across < width) & (top + down < height)
    if step.area:
        inside &= area <= step.area
    inside[0] = True  # the class itself
    return np.asarray(inside.astype(np.uint8)[numbers])


def _min_area(binary: Binary, ignored: Binary, step: Step) -> Binary:
    return _components(binary, lambda stats: stats[:, cv2.CC_STAT_AREA] >= step.area)


def _largest(binary: Binary, ignored: Binary, step: Step) -> Binary:
    def among_first(stats: NDArray[np.int32]) -> NDArray[np.bool_]:
        left, top, _, _, area = stats.T
        order = np.lexsort((left, top, -area))  # ties: the higher box, then the one farther left
        return np.isin(np.arange(len(stats)), order[: step.keep])

    return _components(binary, among_first)


def _components(binary: Binary, choose: Callable[[NDArray[np.int32]], NDArray[np.bool_]]) -> Binary:
    """The components that `choose` keeps, given OpenCV's statistics of each."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
    stays = np.append(False, choose(np.asarray(stats[1:], np.int32)))
    return np.asarray(stays.astype(np.uint8)[numbers])


def _median(binary: Binary, ignored: Binary, step: Step) -> Binary:
    return (2 * _counts(binary, step) > _counts(1 - ignored, step)).astype(np.uint8)


OPERATIONS: dict[str, Operation] = {
    "open": _open,
    "close": _close,
    "erode": _erode,
    "dilate": _dilate,
    "fill_holes": _fill_holes,
    "min_area": _min_area,
    "largest": _largest,
    "median": _median,
}
"""(H, W) uint8, 0 and 1, of one class and of ignored pixels, and the step -> the class after it, undefined at ignored pixels."""


def _vote(out: Mask, ignored: Binary, step: Step, classes: Sequence[int]) -> None:
    """Apply majority in place: to all pixels at once, from the votes before the step."""
    before = out.copy()
    most = np.zeros(out.shape, np.float32)
    own = np.zeros(out.shape, np.float32)
    for c in np.unique(before[ignored == 0]).tolist():
        binary = (before == c).astype(np.uint8)
        votes = _counts(binary, step)
        np.copyto(own, votes, where=binary > 0)
        ahead = votes > most
        most[ahead] = votes[ahead]
        out[ahead] = c
    stays = (own == most) | ~np.isin(before, classes) | (ignored > 0)
    out[stays] = before[stays]


def _counts(binary: Binary, step: Step) -> NDArray[np.float32]:
    """(H, W): how many pixels of the kernel around each pixel are 1; pixels beyond the edges count as 0."""
    border = cv2.BORDER_CONSTANT
    if step.shape == "square":
        counts = cv2.boxFilter(binary, cv2.CV_32F, (step.size, step.size), normalize=False, borderType=border)
    else:
        counts = cv2.filter2D(binary, cv2.CV_32F, kernel_of(step.shape, step.size), borderType=border)
    return np.rint(np.asarray(counts, np.float32))  # OpenCV uses Fourier transforms for large kernels


def _give_away(out: Mask, lost: NDArray[np.bool_], c: int, ignored: Binary) -> None:
    """Give pixels that class `c` loses, in place, the class of the nearest pixel of another class; if there is none, they stay.

    Distances are by OpenCV's distance transform; its 5 x 5 steps overestimate them by 2 % at most (Borgefors 1986).
    """
    if not lost.any():
        return
    elsewhere = (out != c) & (ignored == 0)
    if not elsewhere.any():
        return
    _, numbers = cv2.distanceTransformWithLabels(
        (~elsewhere).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(numbers.max() + 1, out.dtype)
    values[numbers[elsewhere]] = out[elsewhere]
    out[lost] = values[numbers[lost]]
