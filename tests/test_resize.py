"""The one resampler against whole numbers, brute force and Pillow: what a mask, an image and scores become in another size."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segdata.resize import centres, pad, resize_image, resize_mask, resize_scores

sides = st.integers(1, 12)
DTYPES = ["uint8", "uint16", "int16", "uint32", "float16", "float32", "float64"]


def under(old: int, new: int) -> list[int]:
    """The pixel under the centre of each new one, in Python's whole numbers."""
    return [(2 * i + 1) * old // (2 * new) for i in range(new)]


def between(old: int, new: int) -> Any:
    """(new,) bool: whether a centre lies between two pixels."""
    return np.array([(2 * i + 1) * old % (2 * new) == 0 for i in range(new)])


# Masks


def test_a_mask_takes_the_value_under_each_centre() -> None:
    """Thousands of pairs of sizes, both along a row and along a column."""
    rng = np.random.default_rng(0)
    for number in range(4000):
        old, new = (int(v) for v in rng.integers(1, 700 if number % 10 else 5000, 2))
        row = np.arange(old, dtype=np.uint16)[None]
        expected = under(old, new)
        assert resize_mask(row, (1, new))[0].tolist() == expected
        assert resize_mask(row.T, (new, 1))[:, 0].tolist() == expected


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool"])
@given(sides, sides, st.integers(1, 25), st.integers(1, 25))
def test_both_axes_at_once(dtype: str, h: int, w: int, height: int, width: int) -> None:
    mask = np.random.default_rng(h * w).integers(0, 65536, (h, w)).astype(dtype)
    out = resize_mask(mask, (height, width))
    rows, columns = under(h, height), under(w, width)
    assert (out.dtype, out.shape, out.flags["C_CONTIGUOUS"]) == (mask.dtype, (height, width), True)
    assert out.tolist() == [[mask[y, x].item() for x in columns] for y in rows]
    flipped = resize_mask(mask[::-1, ::-1], (height, width))
    assert flipped.tolist() == [[mask[h - 1 - y, w - 1 - x].item() for x in columns] for y in rows]
    assert resize_mask(mask, (h, w)) is mask


@pytest.mark.skipif(int(cv2.__version__.split(".")[0]) < 5, reason="older ones choose otherwise between two pixels")
def test_what_other_libraries_call_nearest() -> None:
    """As the docstring of `centres` says; old and new sizes of every kind."""
    rng = np.random.default_rng(1)
    corner = 0
    for _ in range(1000):
        old, new = (int(v) for v in rng.integers(1, 900, 2))
        row = np.arange(old, dtype=np.uint16)[None]
        ours, sure = centres(old, new), ~between(old, new)
        exact = cv2.resize(row, (new, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0].astype(int)
        pillow = np.asarray(Image.fromarray(row.astype(np.float32)).resize((new, 1), Image.Resampling.NEAREST))[0]
        for theirs in (exact, pillow.astype(int)):
            assert np.array_equal(theirs[sure], ours[sure])
            assert set((ours - theirs)[~sure].tolist()) <= {0, 1}
        nearest = cv2.resize(row, (new, 1), interpolation=cv2.INTER_NEAREST)[0]
        corner += not np.array_equal(nearest, ours)
    assert corner > 900


@pytest.mark.parametrize("old", [(480, 640), (97, 101)])
@pytest.mark.parametrize("new", [(240, 320), (100, 133), (700, 900), (31, 1000), (1000, 45)])
def test_masks_lie_under_images_and_scores(old: tuple[int, int], new: tuple[int, int]) -> None:
    """An image and scores made of the mask itself: where they are sure, the mask agrees."""
    mask = np.zeros(old, np.uint8)
    mask[old[0] // 5 : old[0] // 2, old[1] // 3 : old[1] - 3] = 1
    made = resize_mask(mask, new)
    image = resize_image((mask * 255)[:, :, None], new)[:, :, 0] / 255
    scores = resize_scores(np.stack([1 - mask, mask]).astype(np.float32), new)[1]
    for seen in (image, scores):
        sure = np.abs(seen - 0.5) > 0.4
        assert sure.mean() > 0.8
        assert np.array_equal(made[sure], (seen > 0.5)[sure])


# Images


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bands", range(1, 9))
def test_images_of_any_dtype_and_bands(dtype: str, bands: int) -> None:
    """Shrunk by the mean of the area; band by band and non-contiguous as all at once."""
    image = np.random.default_rng(0).integers(0, 200, (12, 8, bands)).astype(dtype)
    small = resize_image(image, (6, 4))
    means = image.reshape(6, 2, 4, 2, bands).astype(float).mean(axis=(1, 3))
    least = 0.5 if np.dtype(dtype).kind in "ui" else 0.06 if dtype == "float16" else 1e-5
    assert (small.dtype, small.shape) == (np.dtype(dtype), (6, 4, bands))
    assert np.abs(small - means).max() <= least
    for size in ((6, 4), (24, 16), (7, 5), (30, 3), (1, 1)):
        made = resize_image(image, size)
        assert (made.dtype, made.shape) == (np.dtype(dtype), (*size, bands))
        alone = [resize_image(image[:, :, c : c + 1], size)[:, :, 0] for c in range(bands)]
        np.testing.assert_allclose(made, np.stack(alone, axis=2), atol=1 if np.dtype(dtype).kind in "ui" else 0.2)
        wide = np.repeat(np.repeat(image, 2, axis=1), 2, axis=2)[::-1]
        assert np.array_equal(resize_image(wide[::-1, ::2, ::2], size), made)
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))
        assert np.array_equal(resize_image(planes.transpose(1, 2, 0), size), made)
    assert resize_image(image, (12, 8)) is image


def test_images_grow_linearly() -> None:
    image = np.random.default_rng(0).random((30, 40, 6)).astype(np.float32)
    made = resize_image(image, (71, 93))
    for c in range(6):
        pillow = Image.fromarray(image[:, :, c]).resize((93, 71), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(made[:, :, c], np.asarray(pillow), atol=1e-5)


# Scores


def test_scores_still_sum_to_one() -> None:
    scores = np.random.default_rng(0).dirichlet(np.ones(6), (30, 40)).transpose(2, 0, 1).astype(np.float32)
    for size in ((71, 93), (11, 17)):
        made = resize_scores(scores, size)
        assert (made.dtype, made.shape) == (np.float32, (6, *size))
        np.testing.assert_allclose(made.sum(axis=0), 1, atol=1e-5)
        assert np.array_equal(made, resize_scores(np.ascontiguousarray(scores), size))
    assert resize_scores(scores, (30, 40)) is scores


# Padding


def test_padding() -> None:
    image = np.arange(12).reshape(2, 3, 2)
    out = pad(image, (4, 5), 7)
    assert (out[:2, :3] == image).all()
    assert (out[2:] == 7).all()
    assert (out[:, 3:] == 7).all()
    mirrored = pad(image, (9, 9), "reflect")
    assert (mirrored[2, :3] == image[0]).all()
    assert (mirrored[:2, 3] == image[:, 1]).all()
    assert pad(image, (2, 3), 0) is image
    assert (pad(np.full((1, 1), 5), (3, 3), "reflect") == 5).all()
