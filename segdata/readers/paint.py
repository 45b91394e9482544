"""Vector labels: run lengths, polygons to run lengths, and painting shapes into a mask.

Every shape has exactly the pixels of its `annToMask`: polygons are rasterised by the rule of pycocotools, the reference of the
format, to the same bytes (tests compare them), in a third of its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_rle

from segdata.errors import DataError, OptionError, Problem
from segdata.kernels.bitmap import bitmap_text
from segdata.kernels.outline import outline_text
from segdata.kernels.paint import codes_to_values, decode_runs, find_shown, paint_runs
from segdata.labels import Labels, Mask
from segdata.words import briefly

Overlap = Literal["smallest", "first", "last", "ignore"]
"""Which shape is on top where shapes of different classes overlap: the one of the fewest pixels (on a tie the higher
annotation id), the first or the last in the file, or none: such pixels become ignore."""

FEW = 2048
"""Of so many classes in one image, how many pixels each lost to each other is counted in a table of all pairs."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One object: a mask value (class id or ignore), its COCO compressed run lengths, and the annotation it comes from."""

    __repr__ = briefly

    class_id: int
    rle: bytes
    annotation: int | str


@dataclass(frozen=True, slots=True)
class Contest:
    """Pixels that two classes claim. `winner` is the mask value they got: `first`, or ignore where nobody won."""

    winner: int
    first: int
    second: int
    pixels: int


@dataclass(frozen=True, slots=True)
class Painted:
    """The mask (H, W), and per shape (N,) its area and whether any of its pixels carries its class in the mask.

    `counts`: how often each mask value occurs, ascending; None where that was not known without counting.
    """

    __repr__ = briefly

    mask: Mask
    areas: NDArray[np.int64]
    shown: NDArray[np.bool_]
    contests: list[Contest]
    contested: int
    counts: dict[int, int] | None = None


def rasterize(points: NDArray[np.float64], ends: NDArray[np.int64], height: int, width: int) -> list[bytes]:
    """Polygons to compressed run lengths of each, byte for byte as pycocotools has them.

    `points` (N, 2) float64 are x, y of all corners, finite and below 1e8 in size; `ends` (P,) where each polygon's end.
    """
    text, text_ends = outline_text(points, ends, height, width)
    stops = text_ends.tolist()
    whole = text.tobytes()
    return [whole[a:b] for a, b in zip([0, *stops], stops, strict=False)]


def union(rles: Sequence[bytes], height: int, width: int) -> bytes:
    """The union of run lengths of one image."""
    if len(rles) == 1:
        return rles[0]
    merged = coco_rle.merge([{"size": [height, width], "counts": rle} for rle in rles])
    return bytes(merged["counts"])


def area_of(rle: bytes, height: int, width: int) -> int:
    """The pixels of compressed run lengths."""
    return int(coco_rle.area({"size": [height, width], "counts": rle}))


def encode(bitmap: NDArray[np.uint8], height: int, width: int, y: int = 0, x: int = 0) -> bytes:
    """The pixels that are not 0 of a bitmap (h, w), which lies at row `y` and column `x`, to compressed run lengths.

    What lies outside the image is left out.
    """
    columns: NDArray[Any] = cv2.transpose(np.ascontiguousarray(bitmap)) if bitmap.size else np.empty((0, 0), np.uint8)
    return bitmap_text(columns, y, x, height, width).tobytes()


def compress(counts: Sequence[int], height: int, width: int) -> bytes:
    """Plain run lengths -> compressed ones. The counts must be 0 or more and below 2**32."""
    return bytes(coco_rle.frPyObjects({"size": [height, width], "counts": list(counts)}, height, width)["counts"])


def paint(
    shapes: Sequence[Shape],
    height: int,
    width: int,
    labels: Labels,
    *,
    background: int,
    overlap: Overlap = "smallest",
) -> Painted:
    """Paint shapes into one (H, W) mask of `labels`; `background` is the value of pixels that no shape claims.

    A class over itself is no conflict. Raises `DataError` (`rle.size`) for run lengths that do not sum to H * W, and
    `OptionError` for an unknown overlap policy.
    """
    if overlap not in get_args(Overlap):
        raise OptionError(f"no overlap policy {overlap!r}: there are {', '.join(get_args(Overlap))}")
    if not shapes:
        mask = np.full((height, width), background, labels.dtype)
        return Painted(mask, np.zeros(0, np.int64), np.zeros(0, np.bool_), [], 0)
    text = np.frombuffer(b"".join([s.rle for s in shapes]), np.uint8)
    runs, run_ends, areas = decode_runs(text, np.cumsum([len(s.rle) for s in shapes]), height * width)
    if areas.min() < 0:
        _refuse_run_lengths(shapes[int(areas.argmin())], height, width)

    ignore_code = len(labels.classes) + 1  # codes: 0 nobody, id + 1 a class
    code_type: type[np.unsignedinteger[Any]] = np.uint8 if ignore_code <= 255 else np.uint16
    listed = [ignore_code if s.class_id == labels.ignore else s.class_id + 1 for s in shapes]
    slot_of = {code: slot for slot, code in enumerate(sorted(set(listed)))}
    slots = np.array([slot_of[code] for code in listed], np.int64)
    codes = np.array(listed, code_type)
    owner = np.zeros(width * height, code_type)  # in column order, as the runs are
    loser = np.zeros(width * height, code_type)
    pairs = np.zeros((len(slot_of), len(slot_of)) if len(slot_of) <= FEW else (0, 0), np.int64)
    held = np.zeros(len(slot_of), np.int64)
    order = _from_the_top(shapes, areas, overlap)
    spill = paint_runs(runs, run_ends, order, codes, slots, owner, loser, pairs, held)
    met = _meetings(pairs, spill, len(slot_of))
    contested = int(np.count_nonzero(loser)) if met else 0
    if overlap == "ignore" and contested:
        owner[loser > 0] = ignore_code
    shown = np.zeros(len(shapes), np.bool_)
    find_shown(runs, run_ends, codes, owner, shown)
    codes_to_values(owner, background, labels.ignore, ignore_code)
    mask = cv2.transpose(owner.reshape(width, height)).reshape(height, width).astype(labels.dtype, copy=False)

    value_of = [labels.ignore if code == ignore_code else code - 1 for code in slot_of]
    contests = [
        Contest(labels.ignore if overlap == "ignore" else value_of[w], value_of[w], value_of[s], pixels)
        for w, s, pixels in met
    ]
    if overlap == "ignore" and contested:
        return Painted(mask, areas, shown, contests, contested)
    counts = dict(zip(value_of, held.tolist(), strict=True))
    counts[background] = counts.get(background, 0) + mask.size - int(held.sum())
    counts = {value: n for value, n in sorted(counts.items()) if n}
    return Painted(mask, areas, shown, contests, contested, counts)


def _meetings(pairs: NDArray[np.int64], spill: NDArray[np.int64], classes: int) -> list[tuple[int, int, int]]:
    """Winner, loser and pixels of each pair of classes that met, by their slots, from what `paint_runs` counts and returns."""
    if spill.size or not pairs.size:  # rarely: a third class claimed a pixel
        spill = np.sort(spill)  # each once: np.unique hashes, which takes ten times as long
        once = spill[np.flatnonzero(np.diff(spill, prepend=-1))] % classes**2
        if not pairs.size:
            found, pixels = np.unique(once, return_counts=True)
            return [
                (pair // classes, pair % classes, n) for pair, n in zip(found.tolist(), pixels.tolist(), strict=True)
            ]
        pairs = pairs + np.bincount(once, minlength=pairs.size).reshape(pairs.shape)
    winners, losers = pairs.nonzero()
    return list(zip(winners.tolist(), losers.tolist(), pairs[winners, losers].tolist(), strict=True))


def _from_the_top(shapes: Sequence[Shape], areas: NDArray[np.int64], overlap: Overlap) -> NDArray[np.int64]:
    """(N,) the shapes' positions, the one on top first."""
    if overlap == "first":
        return np.arange(len(shapes))
    if overlap == "last":
        return np.arange(len(shapes))[::-1].copy()
    ids = [(isinstance(id := shape.annotation, str), id) for shape in shapes]  # numbers of any size, then texts
    latest = sorted(range(len(shapes)), key=ids.__getitem__, reverse=True)
    return np.array(sorted(latest, key=areas.tolist().__getitem__), np.int64)


def _refuse_run_lengths(shape: Shape, height: int, width: int) -> NoReturn:
    message = (
        f"its run lengths are damaged or do not cover the {height} x {width} image (height x width): export it again"
    )
    raise DataError(Problem("rle.size", message, annotation=shape.annotation))
