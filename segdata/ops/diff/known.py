"""Masks that need not be opened: those of the same bytes on both sides, whose pixels the manifests have counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from segdata.dataset.sample import Sample
from segdata.metrics.confusion import Ints
from segdata.tiling.tiles import Pair, is_whole, tile_content
from segdata.windows import covered


def known_rows(
    pair: Pair, before: Mapping[int, int], after: Mapping[int, int], renamable: frozenset[int]
) -> Ints | None:
    """The rows (P, 3) of an image whose masks are of the same bytes, from the counts of its manifest; None if it must be read.

    It must if a class became another one that was there: then its regions are shown. `before` and `after`: each value in the
    union.
    """
    one, other = pair.truth, pair.preds[0]
    if len(one) != len(other) or not all(map(_same, one, other)) or not all(map(_counted, one)):
        return None
    windows = [s.window for s in one if s.window is not None]
    if not is_whole(one) and covered(windows) != sum(w.height * w.width for w in windows):
        return None
    counts = one[0].counts if len(one) == 1 else sum((Counter(s.counts) for s in one), Counter[int]())
    rows = [(before[v], after[v], n) for v, n in sorted(counts.items()) if n]
    if any(a != b and not {a, b} <= renamable for a, b, _ in rows):
        return None
    return np.array(rows, np.int64).reshape(-1, 3)


def _same(one: Sample, other: Sample) -> bool:
    """Whether two samples have the same mask, of files with the same bytes; it is not known of files of other programs."""
    same = bool(one.sha256) and one.sha256 == other.sha256 and one.size == other.size
    return same and (one.crop, one.window, one.tiling) == (other.crop, other.window, other.tiling)


def _counted(sample: Sample) -> bool:
    """Whether the manifest counts each pixel of a sample once, and no padding."""
    whole = sample.window is None or tile_content(sample) == sample.size == tuple(sample.window[2:])
    return whole and sum(sample.counts.values()) == sample.height * sample.width
