"""Labels that a confident model disagrees with: how good the label of an image looks, and the regions that look wrong.

Lad and Mueller, "Estimating label quality and errors in semantic segmentation data via any model", 2023, section 3. The quality
q of a labelled pixel is the probability that the model gives its label. That of an image is the softmin of its pixels, a mean
that counts low qualities most, as cleanlab computes it with the temperature T:

    score = sum of q * exp((1 - q) / T) / sum of exp((1 - q) / T)

Ignored pixels are left out of everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_rle

from segdata.files.scores import HALF_STEP
from segdata.labels import Labels, Mask
from segdata.resize import resize_mask

Floats = NDArray[np.float32]

TEMPERATURE = 0.1

THRESHOLD = 0.1
"""Pixels of lower quality are disputed; cleanlab has the same default."""

CONTOUR = 0.002
"""How exactly people draw contours, as a part of the diagonal, at least 1 pixel: a thinner region is hardly an error."""

MOST = -math.log(HALF_STEP)
"""The largest ln(likeliest / label) that 8-bit scores can say."""

ROWS = 2**24
"""How many probabilities are read at a time."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Sums over labelled pixels, which add: their number, their `weights` exp((1 - q) / T), weight * q, how many are disputed."""

    pixels: int = 0
    weights: float = 0.0
    weighted: float = 0.0
    disputed: int = 0

    @classmethod
    def of(cls, qualities: Floats, temperature: float = TEMPERATURE, threshold: float = THRESHOLD) -> Quality:
        """Of the (N,) probabilities of the labels of N pixels."""
        q = qualities.astype(np.float64)
        weights = np.exp((1 - q) / temperature)  # at most e^10 at the usual temperature
        weighted = float((weights * q).sum())  # `@` would sum in an order that differs from run to run
        return cls(q.size, float(weights.sum()), weighted, int(np.count_nonzero(q < threshold)))

    def __add__(self, other: Quality) -> Quality:
        """The pixels of both."""
        return Quality(
            self.pixels + other.pixels,
            self.weights + other.weights,
            self.weighted + other.weighted,
            self.disputed + other.disputed,
        )

    @property
    def score(self) -> float:
        """0 to 1, low if the label is likely wrong somewhere; 1 without labelled pixels."""
        return self.weighted / self.weights if self.pixels else 1.0


@dataclass(frozen=True, slots=True)
class Region:
    """A connected region of disputed pixels of one label, `given`; the model says `suggested` on most of them (class ids).

    `box` is y, x, height, width; `area` its pixels, `depth` the radius of the largest circle in it. `quality` and `confidence`
    are the mean probabilities of the label and of the likeliest class. `score`, 0 to 1: the mean of ln(likeliest / label), as a
    part of the most that 8-bit scores can say (`MOST`), times depth / (depth + c), where c is how exactly contours are drawn
    (`CONTOUR`): slivers along contours come last. `rle`: its pixels in the box, as COCO's compressed run lengths.
    """

    given: int
    suggested: int
    box: tuple[int, int, int, int]
    area: int
    depth: float
    quality: float
    confidence: float
    score: float
    rle: bytes

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(height, width) of the box: which pixels are the region's."""
        return np.asarray(coco_rle.decode({"size": list(self.box[2:]), "counts": self.rle}), bool)

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box, for indexing."""
        y, x, h, w = self.box
        return slice(y, y + h), slice(x, x + w)

    @property
    def polygons(self) -> list[list[float]]:
        """Outlines as COCO has them: x, y, x, y ... in pixels; holes are filled.

        They run a quarter of a pixel within the pixels' edges, so that rasterising them gives the region's pixels again.
        """
        double = resize_mask(self.inside.astype(np.uint8), (2 * self.box[2], 2 * self.box[3]))
        found, _ = cv2.findContours(double, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        return [((c.reshape(-1, 2) + 0.5) / 2 + (self.box[1], self.box[0])).ravel().tolist() for c in found]


def rows_of(size: tuple[int, int], classes: int) -> list[slice]:
    """Rows to be read at a time, whole rows of tiles of 256."""
    height, width = size
    step = max(256, ROWS // (classes * width) // 256 * 256)
    return [slice(y, min(y + step, height)) for y in range(0, height, step)]


def examine(
    truth: Mask,
    read: Callable[[slice], Floats],
    labels: Labels,
    *,
    temperature: float = TEMPERATURE,
    threshold: float = THRESHOLD,
    least: int = 16,
    most: int = 100,
) -> tuple[Quality, list[Region]]:
    """The quality of (H, W) class ids, and up to `most` regions of at least `least` pixels that are disputed, worst first.

    `read(rows)` gives the (K, h, W) float32 probabilities of some rows: all of them need not be in memory at once.
    """
    height, width = truth.shape
    total = Quality()
    suggested = np.zeros(truth.shape, labels.dtype)
    qualities, confidences = np.ones(truth.shape, np.float32), np.zeros(truth.shape, np.float32)
    for rows in rows_of((height, width), len(labels.classes)):
        probs, given = read(rows), truth[rows]
        known = given != labels.ignore
        at = np.where(known, given, 0)[None].astype(np.int64)
        quality = np.take_along_axis(probs, at, axis=0)[0]
        total += Quality.of(quality[known], temperature, threshold)
        suggested[rows] = probs.argmax(axis=0)
        confidences[rows] = probs.max(axis=0)
        qualities[rows] = np.where(known, quality, 1)
    disputed = (qualities < threshold) & (truth != suggested)
    regions = [
        _region(given, part, box, suggested, qualities, confidences)
        for given, box, part in _components(truth, disputed, least)
    ]
    return total, sorted(regions, key=lambda r: (-r.score, r.box))[:most]


def _components(
    truth: Mask, disputed: NDArray[np.bool_], least: int
) -> Iterator[tuple[int, tuple[int, int, int, int], NDArray[np.uint8]]]:
    """The label of each region, its box, and (h, w) 0 and 1 in the box; pixels that touch at a corner are connected."""
    values, counts = np.unique(truth[disputed], return_counts=True)
    for value in values[counts >= least].tolist():
        same = ((truth == value) & disputed).astype(np.uint8)
        _, numbers, stats, _ = cv2.connectedComponentsWithStats(same, connectivity=8)
        for i, (x, y, w, h, area) in enumerate(np.asarray(stats[1:]).tolist(), 1):
            if area >= least:
                yield value, (y, x, h, w), np.asarray(numbers[y : y + h, x : x + w] == i).astype(np.uint8)


def _region(
    given: int,
    part: NDArray[np.uint8],
    box: tuple[int, int, int, int],
    suggested: Mask,
    qualities: Floats,
    confidences: Floats,
) -> Region:
    y, x, h, w = box
    inside, where = part > 0, np.s_[y : y + h, x : x + w]
    quality, confidence = float(qualities[where][inside].mean()), float(confidences[where][inside].mean())
    around = cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    deepest = float(np.max(cv2.distanceTransform(around, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)))
    depth = math.sqrt(round(deepest**2))  # OpenCV's last bits differ with its threads
    contour = max(1.0, CONTOUR * math.hypot(*qualities.shape))
    ratios = np.log(confidences[where][inside] / np.maximum(qualities[where][inside], HALF_STEP))
    score = float(ratios.mean()) / MOST * depth / (depth + contour)
    most = int(np.bincount(suggested[where][inside]).argmax())
    return Region(given, most, box, int(inside.sum()), depth, quality, confidence, score, _encoded(part))


def _encoded(binary: NDArray[np.uint8]) -> bytes:
    return bytes(coco_rle.encode(np.asfortranarray(binary))["counts"])
