"""Labels that a confident model disagrees with: how good the label of an image looks, and the regions that look wrong.

Lad and Mueller, "Estimating label quality and errors in semantic segmentation data via any model", 2023, section 3. The quality
q of a labelled pixel is the probability that the model gives its label. That of an image is the softmin of its pixels, a mean
that counts low qualities most, as cleanlab computes it with the temperature T:

    score = sum of q * exp((1 - q) / T) / sum of exp((1 - q) / T)

Regions are judged together with the connected components that they are in, of the label and of what the model sees; Rottmann
and Reese, "Automated detection of label errors in semantic segmentation datasets via deep learning and uncertainty
quantification", 2022, judge components of what the model sees. How the factors of a `Region`'s score are weighed was chosen on
errors planted with other seeds than those of tools/bench/RESULTS.md. Ignored pixels are left out of everything.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

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

CONTOUR = 0.004
"""How exactly people draw contours, as a part of the diagonal, at least 1 pixel: a thinner region is hardly an error."""

ALONG = 3
"""Labels up to so many pixels from a region are beside it."""

HALF = 0.5
"""A region is most of a component from this share on."""

PARTLY = 0.3
"""How much a region counts that is nearly nothing of a component, next to one that is all of it: 0.3 to 1.3, under a root."""

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


Kind = Literal["class", "missing", "outline", "part"]


@dataclass(frozen=True, slots=True)
class Region:
    """A connected region of disputed pixels of one label, `given`; the model says `suggested` on most of them (class ids).

    `kind` tells what seems wrong: the `class`, if the region is half or more of a connected component of the label; something
    `missing`, if it is half or more of the component that the model sees on most of it; the `outline`, if the label beside it is
    the suggested one; otherwise a `part`. `whole` and `seen` are these two shares.

    `box` is y, x, height, width; `area` its pixels, `depth` the radius of the largest circle in it. `quality` and `confidence`
    are the mean probabilities of the label and of the likeliest class. `rle`: its pixels in the box, as COCO's compressed run
    lengths. `score`, 0 to 1, is a product:

    - the mean of ln(likeliest / label), as a part of the most that 8-bit scores can say (`MOST`);
    - depth / (depth + c), where c is how exactly contours are drawn (`CONTOUR`): slivers along contours come last;
    - the roots of (`PARTLY` + whole) / (`PARTLY` + 1), and the same of seen: whole objects come before parts;
    - 1 / (1 + n), if n regions with higher products lie across the same outline: one error is not listed twice in front;
    - from `ranked`, how unusual it is for the model to say so about this label.
    """

    given: int
    suggested: int
    kind: Kind
    box: tuple[int, int, int, int]
    area: int
    depth: float
    quality: float
    confidence: float
    whole: float
    seen: float
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
        """Outlines as COCO has them: see `outlines_of`."""
        return outlines_of(self.inside, *self.box[:2])


def outlines_of(inside: NDArray[np.bool_], y: int, x: int) -> list[list[float]]:
    """(h, w) bool at (y, x) -> outlines as COCO has them: x, y, x, y ... in pixels; holes are filled.

    They run a quarter of a pixel within the pixels' edges, so that rasterising them gives the same pixels again.
    """
    double = resize_mask(inside.astype(np.uint8), (2 * inside.shape[0], 2 * inside.shape[1]))
    found, _ = cv2.findContours(double, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [((c.reshape(-1, 2) + 0.5) / 2 + (x, y)).ravel().tolist() for c in found]


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
        suggested[rows] = probs.argmax(axis=0)  # also where labels are ignored: what it sees goes on there
        confidences[rows] = probs.max(axis=0)
        qualities[rows] = np.where(known, quality, 1)
    patches = list(_patches(truth, (qualities < threshold) & (truth != suggested), suggested, least))
    found = [(_judged(around, qualities, confidences), around) for around in _surroundings(patches, truth, suggested)]
    return total, _one_per_outline(found, most)


def ranked(regions: Iterable[Region], classes: int) -> list[float]:
    """The score of each of all regions of a set, less if the model disputes many of this label with the same suggestion.

    Of the n regions of a set, a pair of label and suggestion has n / (K (K - 1)) on average; a pair with r times as many others
    has its scores divided by the root of 1 + r: it is a habit of the model rather than many errors.
    """
    regions = list(regions)
    pairs = Counter((region.given, region.suggested) for region in regions)
    usual = len(regions) / max(1, classes * (classes - 1))
    return [r.score / math.sqrt(1 + (pairs[r.given, r.suggested] - 1) / usual) for r in regions]


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """Connected disputed pixels in `box`, as run lengths. `own` is the labelled component that they are in, of `size` pixels."""

    given: int
    suggested: int
    box: tuple[int, int, int, int]
    rle: bytes
    own: int
    size: int

    @property
    def part(self) -> NDArray[np.uint8]:
        """(h, w) 0 and 1."""
        return np.ascontiguousarray(coco_rle.decode({"size": list(self.box[2:]), "counts": self.rle}))

    @property
    def where(self) -> tuple[slice, slice]:
        y, x, h, w = self.box
        return slice(y, y + h), slice(x, x + w)


def _patches(truth: Mask, disputed: NDArray[np.bool_], suggested: Mask, least: int) -> Iterator[_Patch]:
    """The disputed regions of every label; pixels that touch at a corner are connected."""
    values, counts = np.unique(truth[disputed], return_counts=True)
    for value in values[counts >= least].tolist():
        labelled, sizes = _components(truth == value)
        numbers, stats = _components((truth == value) & disputed)
        for i, (x, y, w, h, area) in enumerate(stats.tolist()):
            if i and area >= least:
                where = slice(y, y + h), slice(x, x + w)
                inside = np.asarray(numbers[where] == i)
                most, own = int(np.bincount(suggested[where][inside]).argmax()), int(labelled[where][inside][0])
                yield _Patch(value, most, (y, x, h, w), _encoded(inside.astype(np.uint8)), own, int(sizes[own, -1]))


def _components(binary: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(H, W) the number of each pixel's component, 0 for none, and (N, 5) x, y, width, height and area of each number."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(binary.astype(np.uint8), connectivity=8)
    return np.asarray(numbers, np.int32), np.asarray(stats, np.int32)


_Component = tuple[int, int]
"""A labelled component: its class, and its number among those of the class."""


@dataclass(frozen=True, slots=True, eq=False)
class _Around:
    """A patch, and its share of the component that the model sees on most of its pixels.

    `beside` is the component of the suggested label that most pixels beside it are in; None if none is. `smaller` is that one or
    the one that the patch is in: the object, if its outline is disputed.
    """

    patch: _Patch
    seen: float
    beside: _Component | None
    smaller: _Component

    @property
    def own(self) -> _Component:
        return self.patch.given, self.patch.own

    def across(self, other: _Around) -> bool:
        """Whether the two lie across one outline of an object: one is in the component that the other is beside."""
        shared = {self.own} & {other.beside} | {other.own} & {self.beside}
        return bool(shared & {self.smaller, other.smaller})


def _surroundings(patches: Sequence[_Patch], truth: Mask, suggested: Mask) -> Iterator[_Around]:
    """What is around each patch; components of one class at a time are in memory."""
    groups = defaultdict(list)
    for patch in patches:
        groups[patch.suggested].append(patch)
    for value, group in groups.items():
        predicted, sizes = _components(suggested == value)
        labelled, areas = _components(truth == value)
        for patch in group:
            numbers, counts = _numbered(predicted[patch.where][patch.part > 0])
            most = counts.argmax()  # not a speck that happens to lie wholly in it
            seen = float(counts[most] / sizes[numbers[most], -1])
            number = _beside(patch, labelled)
            beside = (value, number) if number else None
            smaller = beside if beside and areas[number, -1] < patch.size else (patch.given, patch.own)
            yield _Around(patch, seen, beside, smaller)


def _beside(patch: _Patch, labelled: NDArray[np.int32]) -> int:
    """The component that most labelled pixels within `ALONG` of a patch are in; 0 if none is."""
    y, x, h, w = patch.box
    part = cv2.copyMakeBorder(patch.part, ALONG, ALONG, ALONG, ALONG, cv2.BORDER_CONSTANT, value=0)
    ring = cv2.dilate(part, np.ones((2 * ALONG + 1, 2 * ALONG + 1), np.uint8)) > part
    top, left = max(0, ALONG - y), max(0, ALONG - x)
    near = labelled[max(0, y - ALONG) : y + h + ALONG, max(0, x - ALONG) : x + w + ALONG]
    numbers, counts = _numbered(near[ring[top : top + near.shape[0], left : left + near.shape[1]]])
    return int(numbers[counts.argmax()]) if len(numbers) else 0


def _numbered(numbers: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The components that occur among pixels, and how often each one does."""
    values, counts = np.unique(numbers[numbers > 0], return_counts=True)
    return values, counts


def _one_per_outline(found: Iterable[tuple[Region, _Around]], most: int) -> list[Region]:
    """The worst regions, worst first: what lies across an outline from n worse ones has its score divided by 1 + n.

    A shifted object has two regions: its label is disputed on one side, and missing on the other.
    """
    worst = sorted(found, key=lambda one: (-one[0].score, one[0].box))[:most]
    out = []
    for i, (region, around) in enumerate(worst):
        n = sum(around.across(other) for _, other in worst[:i])
        out.append(replace(region, score=region.score / (1 + n)))
    return sorted(out, key=lambda r: (-r.score, r.box))


def _judged(around: _Around, qualities: Floats, confidences: Floats) -> Region:
    """The region with its score by itself."""
    patch, part = around.patch, around.patch.part
    inside = part > 0
    quality, confidence = qualities[patch.where][inside], confidences[patch.where][inside]
    border = cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    deepest = float(np.max(cv2.distanceTransform(border, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)))
    depth = math.sqrt(round(deepest**2))  # OpenCV's last bits differ with its threads
    contour = max(1.0, CONTOUR * math.hypot(*qualities.shape))
    against = float(np.log(confidence / np.maximum(quality, HALF_STEP)).mean()) / MOST
    area = int(inside.sum())
    whole = area / patch.size
    shares = math.sqrt((PARTLY + whole) * (PARTLY + around.seen)) / (PARTLY + 1)
    return Region(
        given=patch.given,
        suggested=patch.suggested,
        kind=_kind(whole, around),
        box=patch.box,
        area=area,
        depth=depth,
        quality=float(quality.mean()),
        confidence=float(confidence.mean()),
        whole=whole,
        seen=around.seen,
        score=against * depth / (depth + contour) * shares,
        rle=patch.rle,
    )


def _kind(whole: float, around: _Around) -> Kind:
    """What seems wrong."""
    if whole >= HALF:
        return "class"
    if around.seen >= HALF:
        return "missing"
    return "outline" if around.beside else "part"


def _encoded(binary: NDArray[np.uint8]) -> bytes:
    return bytes(coco_rle.encode(np.asfortranarray(binary))["counts"])
