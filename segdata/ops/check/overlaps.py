"""Images of two splits that overlap, as crops of one scene do: told from what they show, on a bounded number of pairs.

Two crops of one scale show the same where they overlap. Of small versions without their coarse shades, the correlation is
computed for every displacement at once (Padfield 2012, Masked Object Registration in the Fourier Domain). Measured on 2,000
pairs: crops of one scene that share a quarter or more correlate by 0.78 to 1.0 in nine of ten cases, through JPEG too; other
images, and crops beside one another, by 0.52 at most. As that takes half a millisecond, pairs whose phases have little in
common are passed over before: 9 in 10 of those that share nothing, 1 in 4 that share a quarter, none that share half.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.dataset.duplicates import Link
from segdata.dataset.group_rules import stem
from segdata.dataset.sample import Sample
from segdata.dataset.sequences import in_order
from segdata.ops.check.findings import Finding, Looked
from segdata.words import percent

MOST, EACH, LOOKED = 500, 2, 15
"""So many pairs are compared at most: one for EACH two images, and one for LOOKED images (20 at least) at every displacement."""

LIKELY = 0.17
"""What the phases of two images have in common, below which a pair is passed over."""

SURE, LEAST, WHOLE = 0.7, 0.2, 0.95
"""The correlation from which images overlap; what share they must have in common, and from which on they are copies."""

DETAIL = 4.0
"""Where the variance of what they share (0..255) is below this, there is nothing to tell."""

Pairs = list[tuple[int, int]]

Floats = NDArray[np.float32]


def pairs_to_compare(samples: Sequence[Sample]) -> Pairs:
    """Pairs of images of one size in two splits, by position: half of them neighbours by name, the others drawn at random."""
    whole = [
        i for i, s in enumerate(samples) if s.split is not None and s.image and s.parent is None and s.crop is None
    ]
    sizes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i in sorted(whole, key=lambda i: in_order(stem(samples[i]))):
        sizes[samples[i].size].append(i)

    def apart(i: int, j: int) -> bool:
        return samples[i].split != samples[j].split

    most = min(-(-len(whole) // EACH), MOST)
    neighbours = [pair for alike in sizes.values() for pair in pairwise(alike) if apart(*pair)]
    some = np.linspace(0, len(neighbours) - 1, min(len(neighbours), most // 2)).round().astype(int)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 2**31, (4 * most, 2)).tolist()
    firsts = [(whole[a % len(whole)], b) for a, b in drawn]
    others = [(i, sizes[samples[i].size][b % len(sizes[samples[i].size])]) for i, b in firsts]
    near = [neighbours[k] for k in some]
    far = [(min(pair), max(pair)) for pair in others if apart(*pair)]
    return list(dict.fromkeys([*((min(pair), max(pair)) for pair in near), *far]))[:most]


def overlap_findings(looked: Looked, pairs: Pairs, links: Iterable[Link]) -> list[Finding]:
    """A warning if some of these pairs, that are no duplicates, overlap."""
    known = {(link.first, link.second) for link in links}
    looks = {k: looked[k][1].look for pair in pairs for k in pair}
    thumbs = {k: detail(look.thumb) for k, look in looks.items() if look is not None and look.thumb is not None}
    seen = [(i, j) for i, j in pairs if (i, j) not in known and {i, j} <= thumbs.keys()]
    likely = sorted(((cv2.phaseCorrelate(thumbs[i], thumbs[j])[1], i, j) for i, j in seen), reverse=True)
    found: list[tuple[int, int, float]] = []
    for phase, i, j in likely[: max(20, len(looked) // LOOKED)]:
        correlation, part = shared(thumbs[i], thumbs[j]) if phase >= LIKELY else (0.0, 0.0)
        if correlation >= SURE and part <= WHOLE:
            found.append((i, j, part))
    if not found:
        return []
    i, j, part = max(found, key=lambda pair: pair[2])
    one_of, other_of = looked[i][0], looked[j][0]
    message = (
        f"images overlap, as crops of one scene do: {len(found):,} of {len(pairs):,} pairs that were compared across splits, as "
        f"{one_of.id} in {one_of.split} and {other_of.id} in {other_of.split}, which share {percent(part, 1)}"
    )
    how = "make the crops of a scene one group (--group-by), or convert the scene whole, tile it, and split with --by block:4x4"
    ids = tuple(sorted({looked[k][0].id for pair in found for k in pair[:2]}))
    return [Finding("warning", "leak.overlap", message, how, ids)]


def shared(a: Floats, b: Floats) -> tuple[float, float]:
    """Of the detail of two images, the largest correlation over all displacements, and the share of the image that they share."""
    ones = np.ones_like(a)
    fa, fb, fn, faa, fbb = (np.fft.rfft2(values, (2 * len(a), 2 * len(a))) for values in (a, b, ones, a * a, b * b))

    def overlaid(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
        return np.fft.irfft2(left * np.conj(right))

    n = overlaid(fn, fn).round().clip(1)  # pixels that lie over one another, for each displacement
    sum_a, sum_b = overlaid(fa, fn), overlaid(fn, fb)
    var_a, var_b = overlaid(faa, fn) - sum_a**2 / n, overlaid(fn, fbb) - sum_b**2 / n
    told = (n >= LEAST * a.size) & (var_a > DETAIL * n) & (var_b > DETAIL * n)
    correlation = (overlaid(fa, fb) - sum_a * sum_b / n) / np.sqrt(np.where(told, var_a * var_b, 1))
    best = np.where(told, correlation, -1).argmax()
    return (float(correlation.flat[best]) if told.any() else -1.0), float(n.flat[best] / a.size)


def detail(image: NDArray[np.uint8]) -> Floats:
    """(N, N) float32: an image without its coarse shades, which many images have alike."""
    values = image.astype(np.float32)
    return np.asarray(values - cv2.GaussianBlur(values, (0, 0), 2), np.float32)
