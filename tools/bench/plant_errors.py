"""Label errors that annotators make, planted in masks: what `bench_suspects.py` looks for.

The kinds:

- dropped: a region gets the label that most pixels along it have, as if nobody had drawn it. Regions of the commonest class
  are left out: what is drawn is drawn upon it;
- swapped: a region gets another class at random;
- shifted: a region moves by a quarter of the root of its area, 4 pixels at least, in a random direction; what it leaves gets
  the nearest other label;
- noise: a ragged patch in a region, of a radius between a 100th and a 30th of the image's diagonal, gets another class at
  random.

Regions are connected, of `LEAST` pixels and more, and so is one piece of each error at least. Errors do not touch each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped, unused-ignore]

from segdata.labels import Labels, Mask, value_counts

LEAST = 64
"""Pixels of a region, and of a piece of an error."""

Binary = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Pixels of a sample: a box, and which of its pixels."""

    where: tuple[slice, slice]
    inside: Binary

    def on(self, shape: tuple[int, int]) -> Binary:
        """The pixels in the whole image."""
        out = np.zeros(shape, bool)
        out[self.where] = self.inside
        return out

    def iou(self, other: Piece) -> float:
        """Pixels of both over pixels of either."""
        (y, x), (top, left) = [(w[0].start, w[1].start) for w in (self.where, other.where)]
        begin = max(y, top), max(x, left)
        end = tuple(min(a.stop, b.stop) for a, b in zip(self.where, other.where, strict=True))
        if begin[0] >= end[0] or begin[1] >= end[1]:
            return 0.0
        mine = self.inside[begin[0] - y : end[0] - y, begin[1] - x : end[1] - x]
        theirs = other.inside[begin[0] - top : end[0] - top, begin[1] - left : end[1] - left]
        both = np.count_nonzero(mine & theirs)
        return both / (np.count_nonzero(self.inside) + np.count_nonzero(other.inside) - both)


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """An error: its sample and kind, all its pixels, and its connected pieces, each of one label that became one other."""

    sample: str
    kind: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A region of a mask that may get an error: its `value`, and `whole` (H, W), its pixels."""

    mask: Mask
    value: int
    whole: Binary
    labels: Labels
    commonest: int

    @property
    def known(self) -> Binary:
        """Labelled pixels outside the region."""
        return np.asarray((self.mask != self.labels.ignore) & ~self.whole)

    def other(self, rng: np.random.Generator) -> int:
        """Another class, at random."""
        return int(rng.choice([c for c in range(len(self.labels.classes)) if c != self.value]))


def dropped(place: Place, rng: np.random.Generator) -> Mask | None:
    """The region under the label around it."""
    known = place.known & (place.mask != place.value)
    if place.value == place.commonest or not known.any():
        return None
    along = ndimage.binary_dilation(place.whole, iterations=3) & ~place.whole
    return np.where(place.whole, int(np.bincount(nearest(place.mask, known)[along]).argmax()), place.mask)


def swapped(place: Place, rng: np.random.Generator) -> Mask | None:
    """The region under another class."""
    return np.where(place.whole, place.other(rng), place.mask)


def shifted(place: Place, rng: np.random.Generator) -> Mask | None:
    """The region elsewhere."""
    if place.value == place.commonest or not place.known.any():
        return None
    far, turn = max(4.0, np.sqrt(place.whole.sum()) / 4), rng.uniform(0, 2 * np.pi)
    move = round(far * np.sin(turn)), round(far * np.cos(turn))
    left = np.where(place.whole, nearest(place.mask, place.known), place.mask)
    return np.where(ndimage.shift(place.whole, move, order=0, output=bool), place.value, left)


def noise(place: Place, rng: np.random.Generator) -> Mask | None:
    """The region with a patch in it."""
    ys, xs = np.nonzero(place.whole)
    centre = rng.integers(len(ys))
    radius = float(np.hypot(*place.mask.shape) / np.exp(rng.uniform(np.log(30), np.log(100))))
    rough = cv2.GaussianBlur(rng.standard_normal(place.mask.shape), (0, 0), radius / 4)
    rows, columns = np.ogrid[: place.mask.shape[0], : place.mask.shape[1]]
    distance = np.hypot(rows - ys[centre], columns - xs[centre]) / radius
    patch = place.whole & (distance + 0.3 * rough / rough.std() < 1)
    return np.where(patch, place.other(rng), place.mask)


Make = Callable[[Place, np.random.Generator], Mask | None]

KINDS: dict[str, Make] = {"dropped": dropped, "swapped": swapped, "shifted": shifted, "noise": noise}


def nearest(mask: Mask, known: Binary) -> Mask:
    """(H, W) the label of the nearest known pixel."""
    y, x = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(mask[y, x])


def components(binary: Binary) -> list[Piece]:
    """The connected regions of `LEAST` pixels and more."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(binary.astype(np.uint8), connectivity=8)
    out = []
    for i, (x, y, w, h, area) in enumerate(np.asarray(stats[1:]).tolist(), 1):
        if area >= LEAST:
            where = slice(y, y + h), slice(x, x + w)
            out.append(Piece(where, np.asarray(numbers[where] == i)))
    return out


def plant(
    masks: Mapping[str, Mask], labels: Labels, kinds: tuple[str, ...], share: float, seed: int
) -> tuple[dict[str, Mask], list[Planted], int]:
    """The masks with errors in a share of their regions, of these kinds in turn; the errors; and how many regions there are."""
    rng = np.random.default_rng(seed)
    counts = sum(value_counts(mask)[: len(labels.classes)] for mask in masks.values())
    commonest = int(np.argmax(counts))
    regions = [
        (id, value, piece)
        for id, mask in masks.items()
        for value in range(len(labels.classes))
        for piece in components(mask == value)
    ]
    out = {id: mask.copy() for id, mask in masks.items()}
    changed = {id: np.zeros(mask.shape, bool) for id, mask in masks.items()}
    errors: list[Planted] = []
    for i in rng.permutation(len(regions)):
        if len(errors) == round(share * len(regions)):
            break
        id, value, region = regions[i]
        mask, kind = masks[id], kinds[len(errors) % len(kinds)]
        new = KINDS[kind](Place(mask, value, region.on(mask.shape), labels, commonest), rng)
        if new is None or not (pieces := tuple(pieces_of(mask, new, labels))):
            continue
        differs = new != mask
        if not (ndimage.binary_dilation(differs, iterations=2) & changed[id]).any():
            changed[id] |= differs
            out[id][differs] = new[differs]
            errors.append(Planted(id, kind, pieces))
    return out, errors, len(regions)


def pieces_of(mask: Mask, new: Mask, labels: Labels) -> Iterator[Piece]:
    """All pixels whose labels differ, and then the pieces of one label that became one other; nothing if all are small."""
    wrong = (mask != new) & (mask != labels.ignore) & (new != labels.ignore)
    pairs = np.unique(np.stack([mask[wrong], new[wrong]]), axis=1).T.tolist()
    pieces = [piece for a, b in pairs for piece in components(wrong & (mask == a) & (new == b))]
    if pieces:
        rows, columns = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
        where = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        yield Piece(where, wrong[where])
        yield from pieces
