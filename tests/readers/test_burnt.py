"""Polygons burnt some rows at a time: the masks and receipts of each class drawn whole, by itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize

from segdata.files.vectors.coverage import meets
from segdata.labels import Labels, Remap
from segdata.readers.source import Receipt
from segdata.readers.vector import burnt as burnt
from segdata.readers.vector.burnt import Burnt
from segdata.readers.vector.reader import area

LABELS = Labels.of(["background", "a", "b", "c"])


def drawn(geometries: Any, size: tuple[int, int], all_touched: bool) -> Any:
    """(H, W) the number of the last polygon on each pixel, from 1 on."""
    shapes = [(geometry, i) for i, geometry in enumerate(geometries, 1)]
    zero = np.zeros(size, np.int32)
    return rasterize(shapes, out=zero, all_touched=all_touched) if shapes else zero


def expected(one: Burnt, remap: Remap) -> tuple[Any, Receipt]:
    """Mask and receipt from whole arrays, one for each class."""
    keys = {"first": lambda s: -s[0], "last": lambda s: s[0]}
    order = sorted(one.shapes, key=keys.get(one.overlap, lambda s: (-s[2], s[0])))
    values = np.array([LABELS.ignore if s[1] is None else remap.value(s[1]) for s in order], np.uint8)
    top = drawn([s[3] for s in order], one.size, one.all_touched)
    ground = LABELS.ignore if one.background is None else remap.value(one.background)
    mask = np.array([ground, *values], np.uint8)[top]
    claims = {
        v: drawn([s[3] for s, w in zip(order, values, strict=True) if w == v], one.size, one.all_touched) > 0
        for v in sorted(set(values.tolist()))
    }
    pairs: Counter[tuple[int, int, int]] = Counter()
    for loser, claim in claims.items():
        for winner in sorted(claims):
            if winner != loser and (n := int((claim & (mask == winner)).sum())):
                pairs[LABELS.ignore if one.overlap == "ignore" else winner, winner, loser] += n
    contested = sum(claims.values(), np.zeros(one.size, int)) > 1
    if one.overlap == "ignore":
        mask[contested] = LABELS.ignore
    receipt = Receipt(annotations=len(order), contested=int(contested.sum()))
    receipt.contests = [burnt.Contest(*key, n) for key, n in pairs.items()]
    unseen = [s for i, s in enumerate(order, 1) if not (top == i).any()]
    small = [s[0] for s in unseen if not drawn([s[3]], one.size, one.all_touched).any()]
    receipt.skipped = [burnt.Problem("vector.small", burnt.SMALL, annotation=n) for n in small]
    hidden = [s[0] for s in unseen if s[0] not in small]
    receipt.hidden = [burnt.Problem("vector.hidden", "not a pixel of it is seen", annotation=n) for n in hidden]
    receipt.painted = len(order) - len(small)
    receipt.close()
    return mask, receipt


def polygon(rng: np.random.Generator) -> Any:
    """One that may be high, small, or beyond the image; a polygon or several."""
    parts = []
    for _ in range(rng.integers(1, 3)):
        points = rng.uniform(-10, 60, 2) + rng.uniform(0.1, rng.choice([1, 10, 60]), 2) * rng.uniform(
            -1, 1, (rng.integers(3, 9), 2)
        )
        parts.append([[*points.tolist(), points[0].tolist()]])
    return (
        {"type": "Polygon", "coordinates": parts[0]}
        if len(parts) == 1
        else {"type": "MultiPolygon", "coordinates": parts}
    )


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["smallest", "first", "last", "ignore"]),
    st.sampled_from([1, 100, 333, 5000]),
    st.booleans(),
    st.sampled_from([0, None]),
    st.sampled_from([{0: 0, 1: 1, 2: 2, 3: 3}, {0: 0, 1: 1, 2: 1, 3: None}]),
)
def test_bands_are_what_whole_arrays_are(
    seed: int, overlap: Any, band: int, all_touched: bool, background: int | None, mapping: Any
) -> None:
    rng = np.random.default_rng(seed)
    geometries = [one for _ in range(rng.integers(0, 9)) if meets(one := polygon(rng), (50, 40))]
    classes = rng.integers(0, 4, len(geometries)).tolist()
    shapes = tuple(
        (3 * i, c or None, area(g), g)
        for i, (c, g) in enumerate(zip(classes, geometries, strict=True))
        if meets(g, (50, 40))
    )
    one, remap = Burnt((50, 40), shapes, background, overlap, all_touched), Remap(mapping, LABELS)
    mask, receipt = expected(one, remap)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(burnt, "BAND", band)
        whole = one.draw(remap)
        with one.bands(remap) as banded:
            assert (banded is None) == (band >= 50 * 40)
            if banded is not None:
                rows = list(banded.rows)
                assert max(map(len, rows)) == max(1, band // 40)
                np.testing.assert_array_equal(np.concatenate(rows), mask)
                banded.receipt.close()
                assert banded.receipt == receipt
    np.testing.assert_array_equal(whole.mask, mask)
    whole.receipt.close()
    assert whole.receipt == receipt
