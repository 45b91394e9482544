"""Where in an image the pixels are that a number speaks of: connected regions, largest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.kernels.regions import unequal_regions
from segdata.labels import IGNORE, Labels
from segdata.metrics.calibration import BINS
from segdata.metrics.confusion import Ints
from segdata.ops.view.doubts import KINDS, Doubts
from segdata.tiling.tiles import must_match
from segdata.windows import Window
from segdata.words import percent

MOST = 200
"""Regions that one answer tells of."""

SIDE = 4096
"""Larger masks are read by windows of this side, and regions end where a window does."""

ROWS = 256
"""How many rows of scores are read at a time."""

Flags = NDArray[np.bool_]

SAID = {
    "class": "labelled {given}, rather {suggested}", "missing": "{suggested} that is missing in {given}",
    "outline": "the outline of {given} against {suggested}", "part": "a part of {given}, rather {suggested}",
}  # fmt: skip


def regions_of(size: tuple[int, int], chosen: Callable[[Window], Flags]) -> Ints:
    """(R, 5) int64: y, x, height, width and area of the connected regions of chosen pixels in an image of this size, the
    largest first. `chosen(window)`: (h, w), which pixels are."""
    found = [np.empty((0, 5), np.int64)]
    for window in windows_of(size):
        pixels = chosen(window).astype(np.uint8)
        boxes = unequal_regions(pixels, np.zeros_like(pixels))[:, 2:]
        found.append(boxes + np.array([window.y, window.x, 0, 0, 0]))
    rows = np.concatenate(found)
    return rows[np.lexsort((rows[:, 1], rows[:, 0], -rows[:, 4]))]


def windows_of(size: tuple[int, int]) -> Iterator[Window]:
    """Windows that cover an image once."""
    height, width = size
    for y in range(0, height, SIDE):
        for x in range(0, width, SIDE):
            yield Window(y, x, min(SIDE, height - y), min(SIDE, width - x))


def cell_regions(
    truth: tuple[Dataset, Sample], pred: tuple[Dataset, Sample], true: int, given: int
) -> list[dict[str, Any]]:
    """The regions of pixels of one class that are predicted as another; `given`: a mask value. Raises `DataError`."""
    labels = truth[0].labels
    with truth[0].open_mask(truth[1]) as one, pred[0].open_mask(pred[1]) as other:
        must_match((other.height, other.width), (one.height, one.width), truth[1].id)
        found = regions_of((one.height, one.width), lambda w: (one.read(w) == true) & (other.read(w) == given))
    names = name_of(labels, true), name_of(labels, given)
    text = f"{names[0]}, predicted rightly" if true == given else f"{names[0]}, predicted as {names[1]}"
    return told(found, text, *names)


def bin_regions(truth: tuple[Dataset, Sample], pred: tuple[Dataset, Sample], number: int) -> list[dict[str, Any]]:
    """The regions of labelled pixels whose confidence is in a bin of the reliability curve. Raises `DataError`."""
    ignore = truth[0].labels.ignore
    with truth[0].open_mask(truth[1]) as mask, pred[0].open_scores(pred[1]) as scores:
        must_match((scores.height, scores.width), (mask.height, mask.width), truth[1].id)

        def chosen(window: Window) -> Flags:
            out = np.asarray(mask.read(window) != ignore)
            for y in range(0, window.height, ROWS):
                rows = Window(window.y + y, window.x, min(ROWS, window.height - y), window.width)
                out[y : y + ROWS] &= bins_of(scores.read(rows)) == number
            return out

        found = regions_of((mask.height, mask.width), chosen)
    return told(found, f"the model is {span_of(number)} sure", None, None)


def bins_of(probs: NDArray[np.float32]) -> Ints:
    """(K, h, w) probabilities -> (h, w) the bin of each pixel, as `segdata.metrics.calibration` has them."""
    return np.asarray(np.clip(np.ceil(probs.max(axis=0).astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1))


def span_of(number: int) -> str:
    """The confidences of a bin, in words."""
    return f"{percent(number, BINS)} to {percent(number + 1, BINS)}"


def suspect_regions(doubts: Doubts, row: int, labels: Labels) -> list[dict[str, Any]]:
    """The regions of a sample that a model contradicts, the worst first."""
    out = []
    for (y, x, height, width, area, given, suggested, kind), score in zip(*doubts.of(row), strict=True):
        names = {"given": labels.name(given), "suggested": labels.name(suggested)}
        text = f"{SAID[KINDS[kind]].format(**names)}: {area:,} pixels, doubt {percent(score, 1)}"
        box = {"y": y, "x": x, "height": height, "width": width, "area": area}
        out.append({**box, **names, "score": score, "text": text})
    return out[:MOST]


def told(found: Ints, what: str, given: str | None, suggested: str | None) -> list[dict[str, Any]]:
    """Regions as plain values."""
    names = {"given": given, "suggested": suggested, "score": None}
    return [
        {"y": y, "x": x, "height": h, "width": w, "area": area, **names, "text": f"{area:,} pixels: {what}"}
        for y, x, h, w, area in found[:MOST].tolist()
    ]


def name_of(labels: Labels, value: int) -> str:
    """The name of a mask value."""
    return IGNORE if value == labels.ignore else labels.name(value)
