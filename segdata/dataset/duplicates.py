"""Duplicate images: exact copies by digest, near copies by perceptual hash, without comparing all pairs.

The hash has the same bits as ImageHash's `phash` of 16 x 16 frequencies: 256 bits, half of them set. Measured on 270 images,
a copy that is re-encoded as JPEG (quality 30 to 90), scaled (to 1/4 up to 1.5 times the size, and to another shape), mirrored,
turned by 90, 180 or 270 degrees, made grey, or several of these at once, differs in at most 8 bits; a JPEG of quality 10 in at
most 18; a copy that is 20 % brighter in 6, rarely in more than 20. Different photographs differ in 80 bits or more. Copies that
are cropped, or turned by other angles, are not found: `segdata.dataset.crops` finds them. Frames of a film are found only if
they hardly differ: within a fraction of a second, not over several seconds. In images without detail, such as strongly blurred
ones, most bits are noise, so that JPEG copies are missed. Exact copies are always found.

All eight orientations follow from one cosine transform: mirroring an axis turns the signs of its odd frequencies, and
transposing an image transposes its frequencies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.dataset.sample import Sample
from segdata.dataset.union_find import Forest
from segdata.errors import OptionError
from segdata.files.file import File, open_file
from segdata.files.images import ImageFacts
from segdata.files.opening import read_brightness
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.windows import Window

Prints = NDArray[np.uint64]
"""(N, 8, 4) uint64: 256 bits for each image, and as many for each way to turn and mirror it (see `orientations`)."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""

SIDE, FREQUENCIES, BITS, ORIENTATIONS = 64, 16, 256, 8

NEAR, FARTHEST = 24, 31
"""How many of the 256 bits may differ between near duplicates: by default, and the largest allowed value."""

PLAIN = 2.0
"""Images whose brightness (0..255) has a smaller standard deviation are compared by bytes only: their hash would be noise."""


@dataclass(frozen=True, slots=True)
class Look:
    """The facts about a sample's image that are needed to compare it with others. Small, and pickles.

    `facts`, `bands` and `sha256` describe the file. `spread` is the standard deviation of brightness (0..255) in the sample's
    part of it, and `prints` (8, 4) uint64 are the hashes of that part in its eight orientations. `thumb` (SIDE, SIDE) uint8 is
    the image in small, where it was asked for.
    """

    facts: ImageFacts
    bands: int
    sha256: str
    crop: Window | None
    spread: float
    prints: Prints
    thumb: NDArray[np.uint8] | None = None

    @property
    def plain(self) -> bool:
        """Whether the image is almost uniform."""
        return self.spread < PLAIN

    @property
    def key(self) -> tuple[str, Window | None] | None:
        """A key that exact copies share; None if the image is completely uniform."""
        return (self.sha256, self.crop) if self.spread else None


class Link(NamedTuple):
    """Two of N images, `first` < `second`, and in how many of 256 bits they differ; 0 for exact copies."""

    distance: int
    first: int
    second: int


def read_looks(
    path: str | Place, samples: Sequence[Sample], thumbs: Container[str] = (), reading: Reading = AS_IT_IS
) -> list[Look]:
    """The looks of samples that share an image file and `exif`, with thumbs of these ids; decodes the file once.

    Raises `DataError` (`image.*`).
    """
    with open_file(path) as file:
        facts, bands, grey, boxes = read_parts(file, samples, SIDE, reading)
        digest = file.sha256
    looks = []
    for sample, box in zip(samples, boxes, strict=True):
        spread, prints = fingerprint(grey, box)
        thumb = small(grey) if sample.id in thumbs else None
        looks.append(Look(facts, bands, digest, sample.crop, spread, prints, thumb))
    return looks


def read_parts(
    path: str | Place | File, samples: Sequence[Sample], side: int, reading: Reading = AS_IT_IS
) -> tuple[ImageFacts, int, NDArray[np.uint8], list[Box | None]]:
    """What `read_brightness` gives of an image file, and where in its (h, w) brightness samples that share it lie; None: all.

    The image is reduced, but each sample keeps `side` pixels where it has as many. Raises `DataError` (`image.*`).
    """
    reduce = max(1, min(min(sample.size) for sample in samples) // side)
    facts, bands, grey = read_brightness(path, exif=samples[0].exif, reduce=reduce, reading=reading)
    full = facts.upright if samples[0].exif == "upright" else (facts.height, facts.width)
    return facts, bands, grey, [_box(sample.crop, full, grey.shape) for sample in samples]


def small(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(SIDE, SIDE) uint8: (H, W) brightness in small, whatever its shape."""
    import cv2

    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def fingerprint(grey: NDArray[np.uint8], box: Box | None = None) -> tuple[float, Prints]:
    """(H, W) uint8 brightness -> its standard deviation, and the hashes (8, 4) uint64 of the image's eight orientations.

    `box`: the part to look at; by default all of it.
    """
    small = np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.LANCZOS, box))
    turned = np.stack(orientations(_lowest_frequencies(small))).reshape(ORIENTATIONS, BITS)
    bits = turned > np.median(turned, axis=1, keepdims=True)
    return float(small.std()), np.packbits(bits, axis=1).view(np.uint64)


def orientations(lowest: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """(F, F) frequencies of an image -> those of the eight images that turning and mirroring makes of it, itself first."""
    signs = (-1.0) ** np.arange(len(lowest))
    across, down = lowest * signs, lowest * signs[:, None]  # mirrored left to right, and upside down
    four = [lowest, across, down, down * signs]
    return [*four, *(one.T for one in four)]


def _lowest_frequencies(brightness: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(SIDE, SIDE) -> (FREQUENCIES, FREQUENCIES): the lowest frequencies of its cosine transform (DCT-II).

    OpenCV scales frequency 0 of each axis by the square root of 1/2 against the others; the hash is defined without scales.
    """
    lowest = cv2.dct(brightness.astype(np.float64))[:FREQUENCIES, :FREQUENCIES]
    lowest[0] *= np.sqrt(2)
    lowest[:, 0] *= np.sqrt(2)
    return np.asarray(lowest)


def copies(keys: Iterable[Hashable]) -> list[Link]:
    """Links of distance 0 between equal keys, each to the first one that is equal. None equals nothing."""
    first: dict[Hashable, int] = {}
    links = []
    for i, key in enumerate(keys):
        if key is not None and (before := first.setdefault(key, i)) != i:
            links.append(Link(0, before, i))
    return links


def near_links(prints: Prints, near: int = NEAR) -> list[Link]:
    """All pairs of N images (N, 8, 4) that differ, in any orientation, in at most `near` of 256 bits.

    Images with the same hash are linked only to the first of them, and the first one to other images. The bits are divided into
    near // 2 + 1 bands. Every pair to be found has a band in which it differs in one bit at most (multi-index hashing: Norouzi,
    Punjani & Fleet 2012). Different images seldom have one, so the work grows little faster than N. Raises `OptionError`.
    """
    if not 0 <= near <= FARTHEST:
        raise OptionError(f"--near {near}: must be 0 to {FARTHEST} (of {BITS} bits)")
    if len(prints) < 2:
        return []
    distinct, first, kind = np.unique(prints.reshape(len(prints), -1), axis=0, return_index=True, return_inverse=True)
    same = first[kind.ravel()]
    links = [Link(0, int(same[i]), i) for i in np.flatnonzero(same != np.arange(len(prints))).tolist()]
    pairs, distances = _near_pairs(distinct.reshape(-1, ORIENTATIONS, BITS // 64), near)
    for (a, b), distance in zip(first[pairs].tolist(), distances.tolist(), strict=True):
        links.append(Link(distance, min(a, b), max(a, b)))
    return sorted(links)


def clusters(links: Iterable[Link]) -> list[list[Link]]:
    """Clusters of links that connect the same images, the closest link first, without links that close a circle.

    However a cluster is divided into two parts, the closest link between the parts is kept.
    """
    forest = Forest()
    kept = [link for link in sorted(links) if forest.join(link.first, link.second)]
    out: dict[int, list[Link]] = defaultdict(list)
    for link in kept:
        out[forest.root(link.first)].append(link)
    return [out[key] for key in sorted(out)]


def _near_pairs(prints: Prints, near: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(P, 2) pairs and (P,) distances among images (N, 8, 4), all of which have different bits."""
    n = len(prints)
    entries = np.concatenate(list(prints.swapaxes(0, 1)))  # orientation k of image i is entry k * n + i
    bits = np.unpackbits(entries.view(np.uint8), axis=1)
    pairs, distances = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    for band in np.array_split(bits, max(near // 2 + 1, 12), axis=1):
        width = band.shape[1]
        keys = band.astype(np.int64) @ (1 << np.arange(width))
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        for flip in (0, *(1 << np.arange(width)).tolist()):
            a, b = _equal(keys[:n] ^ flip, ordered, order)
            others = (a < b) & (a != b % n)
            a, b = a[others], b[others]
            distance = np.bitwise_count(entries[a] ^ entries[b]).sum(axis=1, dtype=np.int64)
            close = distance <= near
            pairs.append(np.sort(np.stack([a[close], b[close] % n], axis=1), axis=1))
            distances.append(distance[close])
    found, where = np.concatenate(pairs), np.concatenate(distances)
    order = np.lexsort((where, found[:, 1], found[:, 0]))
    found, where = found[order], where[order]
    fresh = np.ones(len(found), np.bool_)
    fresh[1:] = (found[1:] != found[:-1]).any(axis=1)
    return found[fresh], where[fresh]


def _equal(keys: NDArray[np.int64], ordered: NDArray[np.int64], order: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    """All (a, b) with keys[a] equal to the key of entry b; `ordered` are the entries' keys, sorted, `order` their indices."""
    start = np.searchsorted(ordered, keys, "left")
    size = np.searchsorted(ordered, keys, "right") - start
    a = np.repeat(np.arange(len(keys)), size)
    place = np.arange(len(a)) - np.repeat(np.cumsum(size) - size, size)
    return a, order[start[a] + place]


def _box(crop: Window | None, full: tuple[int, int], reduced: tuple[int, ...]) -> Box | None:
    """A crop of an image of `full` (height, width) in pixels of the `reduced` image; None if it is not inside.

    Reducing by a whole number rounds up, so the last row and column may lie partly outside the image.
    """
    by = max(1, round(full[0] / reduced[0]))
    y, x, height, width = crop or (0, 0, *full)
    left, top, right, bottom = x / by, y / by, (x + width) / by, (y + height) / by
    inside = 0 <= left < right <= reduced[1] and 0 <= top < bottom <= reduced[0]
    return (left, top, right, bottom) if inside else None
