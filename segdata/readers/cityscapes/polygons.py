"""How Cityscapes keeps the polygons of one frame, and how they become its mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem, located
from segdata.files.cityscapes_table import GROUP
from segdata.files.limits import refuse_large
from segdata.kernels.paint import find_shown
from segdata.kernels.scanline import fill_runs, polygon_runs
from segdata.labels import Remap
from segdata.readers.drawing import NAN, clipped
from segdata.readers.json_text import read_json
from segdata.readers.source import Drawn, InFile, Receipt, places_in
from segdata.words import suggest

UNDRAWN = ("unlabeled", "background")
"""The label of pixels under no polygon: the first that there is, or else they are ignored."""

LARGEST = 1e30
"""A coordinate beyond this is no number to compute with: float32 ends at 3.4e38."""


class Thing(msgspec.Struct, gc=False):
    """An entry of `objects`; `polygon` is x, y in pixels. Its other keys (id, user, date ...) hold nothing for masks."""

    label: str
    polygon: list[tuple[float, float]]
    deleted: bool | int = 0


class Frame(msgspec.Struct):
    """A polygons.json."""

    objects: list[Thing]
    imgHeight: int = 0
    imgWidth: int = 0


FRAME = msgspec.json.Decoder(Frame)


@dataclass(frozen=True, slots=True)
class Polygons(InFile):
    """A polygons.json. `labels`: the official label id and the class id (None: ignored) by label name; below 0 is no class."""

    labels: Mapping[str, tuple[int, int | None]]

    @property
    def ids(self) -> Sequence[int | str]:
        """The places of the objects in the file."""
        return places_in(self.path, lambda: read_frame(self.path).objects)

    def draw(self, remap: Remap) -> Drawn:
        """Objects in the order of the file, the later over the earlier, each by the rule of `kernels.scanline`.

        Overlaps are how the format is drawn, the far things first, so none counts as contested.
        """
        with located(file=self.path):
            frame = read_frame(self.path)
            receipt = Receipt(annotations=len(frame.objects))
            codes = self._codes(frame, remap, receipt)
            points, ends = corners([frame.objects[number].polygon for number in codes])
            self._check(points, ends, list(codes), (frame.imgWidth, frame.imgHeight), receipt)
        values = np.array(list(codes.values()), remap.labels.dtype)
        background = self._value(next((name for name in UNDRAWN if name in self.labels), None), remap)
        mask = np.full(frame.imgHeight * frame.imgWidth, background, remap.labels.dtype)
        runs, run_ends = polygon_runs(points, ends, frame.imgHeight, frame.imgWidth)
        fill_runs(runs, run_ends, values, mask)
        shown = np.zeros(len(values), np.bool_)
        find_shown(runs, run_ends, values, mask, shown)
        for number, covers, seen in zip(codes, np.diff(run_ends, prepend=0), shown, strict=True):
            if covers == 0:
                receipt.skipped.append(self._line("polygon.empty", "covers no pixel", number))
            else:
                receipt.painted += 1
                if not seen:
                    receipt.hidden.append(self._line("hidden", "wholly under others", number))
        return Drawn(mask.reshape(frame.imgHeight, frame.imgWidth), receipt)

    def _codes(self, frame: Frame, remap: Remap, receipt: Receipt) -> dict[int, int]:
        """The mask value of each object that is drawn, by its place; the others get their line."""
        codes: dict[int, int] = {}
        for number, thing in enumerate(frame.objects):
            if thing.deleted:
                receipt.skipped.append(self._line("cityscapes.deleted", "marked as deleted", number))
                continue
            label = thing.label
            if label not in self.labels and label.endswith(GROUP):
                label = label.removesuffix(GROUP)
            if label not in self.labels:
                message = f"no label {thing.label!r}: {suggest(thing.label, self.labels)}; --classes FILE names others"
                raise DataError(Problem("cityscapes.label", message, annotation=number))
            if self.labels[label][0] < 0:
                receipt.skipped.append(self._line("cityscapes.no_class", f"{label} is not a class", number))
            elif len(thing.polygon) < 3:
                what = "its polygon has fewer than three points"
                receipt.skipped.append(self._line("polygon.degenerate", what, number))
            else:
                codes[number] = self._value(label, remap)
        return codes

    def _value(self, label: str | None, remap: Remap) -> int:
        return remap.value(None if label is None else self.labels[label][1])

    def _check(
        self,
        points: NDArray[np.float32],
        ends: NDArray[np.int64],
        numbers: list[int],
        size: tuple[int, int],
        receipt: Receipt,
    ) -> None:
        """Refuse what is no number; a line for each polygon that reaches beyond `size` (width, height)."""
        if not len(points) or (points.min() >= 0 and (points.max(axis=0) <= size).all()):  # never true of NaN
            return
        good = (np.abs(points) <= LARGEST).all(axis=1)
        if not good.all():
            number = numbers[int(np.searchsorted(ends, np.argmin(good), side="right"))]
            raise DataError(Problem("polygon.nan", NAN, annotation=number))
        outside = np.flatnonzero(((points < 0) | (points > size)).any(axis=1))
        for i in np.unique(np.searchsorted(ends, outside, side="right")):
            receipt.clipped.append(clipped(self.path, numbers[i]))

    def _line(self, code: str, message: str, number: int) -> Problem:
        return Problem(code, message, self.path, None, number)


def corners(polygons: Sequence[Sequence[tuple[float, float]]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All corners (N, 2) float32 of x, y, and (P,) where each polygon's end."""
    ends = np.cumsum([len(polygon) for polygon in polygons], dtype=np.int64)
    total = 2 * int(ends[-1]) if polygons else 0
    flat = np.fromiter(chain.from_iterable(chain.from_iterable(polygons)), np.float64, total)
    with np.errstate(over="ignore"):
        return flat.reshape(-1, 2).astype(np.float32), ends


def read_frame(path: str) -> Frame:
    """A polygons.json. Raises `DataError` (`cityscapes.*`) for what is missing, is no such file, or states no size."""
    frame = read_json(path, FRAME, "cityscapes", "Cityscapes polygons", ("objects", Thing))
    with located(file=path):
        height, width = frame.imgHeight, frame.imgWidth
        if height < 1 or width < 1:
            message = "states no size (imgHeight, imgWidth): add it, or read the label images with --from png"
            raise DataError(Problem("cityscapes.size", message))
        refuse_large(height, width, 1)
        return frame
