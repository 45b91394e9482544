"""Morphology of label maps against SciPy on one class at a time, and against loops over pixels."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from scipy import ndimage

from segdata import OptionError
from segdata.labels import Labels, Mask
from segdata.refinement.morphology import KERNELS, Op, Step, kernel_of, tidy

LABELS = Labels.of(["sky", "road", "tree"])
WIDE = Labels.of([f"class {i}" for i in range(300)])
BINARY = ("open", "close", "erode", "dilate", "fill_holes", "min_area", "largest", "median")
CORNERS = np.ones((3, 3))
VALUES = [0, 0, 0, 1, 1, 2, 255]

masks = npst.arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.sampled_from(VALUES))
steps = st.builds(
    Step,
    op=st.sampled_from(BINARY),
    size=st.sampled_from([1, 3, 5, 9]),
    shape=st.sampled_from(list(KERNELS)),
    area=st.integers(0, 6),
    keep=st.integers(1, 2),
)


def blobs(seed: int, labels: Labels = LABELS) -> Mask:
    """A label map of blobs with specks, and a bar of void."""
    rng = np.random.default_rng(seed)
    smooth = np.stack([ndimage.gaussian_filter(rng.normal(size=(60, 80)), 5) for _ in range(3)]).argmax(axis=0)
    specks = rng.random((60, 80)) < 0.04
    smooth[specks] = rng.integers(0, 3, specks.sum())
    mask = smooth.astype(labels.dtype)
    if labels is WIDE:
        mask *= 149  # 0, 149, 298
    mask[20:24, 10:60] = labels.ignore
    return mask


def with_scipy(step: Step, binary: NDArray[np.bool_], void: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """One class after a step: the same meaning in SciPy's words."""
    kernel = kernel_of(step.shape, step.size).astype(bool)

    def eroded(b: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return ndimage.binary_erosion(b | void, kernel, border_value=1) & ~void

    def dilated(b: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return ndimage.binary_dilation(b, kernel, border_value=0)

    if step.op == "open":
        return dilated(eroded(binary))
    if step.op == "close":
        return eroded(dilated(binary))
    if step.op == "erode":
        return eroded(binary)
    if step.op == "dilate":
        return dilated(binary)
    if step.op == "fill_holes":
        filled = ndimage.binary_fill_holes(binary)
        holes, n = ndimage.label(filled & ~binary)
        sizes = ndimage.sum_labels(np.ones_like(holes), holes, range(n + 1))
        return binary | (filled & (sizes <= step.area if step.area else sizes > -1)[holes])
    if step.op == "median":
        around = [ndimage.correlate(b.astype(int), kernel.astype(int), mode="constant") for b in (binary, ~void)]
        return 2 * around[0] > around[1]
    numbers, n = ndimage.label(binary, CORNERS)
    sizes = np.array(ndimage.sum_labels(binary, numbers, range(n + 1)))
    sizes[0] = 0
    if step.op == "min_area":
        return (sizes >= max(step.area, 1))[numbers]
    boxes = ndimage.find_objects(numbers)
    ranks = sorted(range(1, n + 1), key=lambda i: (-sizes[i], boxes[i - 1][0].start, boxes[i - 1][1].start))
    return np.isin(numbers, ranks[: step.keep])


@pytest.mark.parametrize("op", BINARY)
@given(mask=masks, step=steps, c=st.integers(0, 2))
@settings(max_examples=60)
def test_each_class_is_as_scipy_has_it(op: Op, mask: Mask, step: Step, c: int) -> None:
    step = Step(op, (c,), step.size, step.shape, step.area, step.keep)
    before = mask.copy()
    found = tidy(mask, [step], LABELS)
    assert np.array_equal(mask, before)
    assert found.dtype == mask.dtype
    void, binary = mask == 255, mask == c
    assert np.array_equal(found == 255, void)
    if not binary.any():
        assert np.array_equal(found, mask)
        return
    after = with_scipy(step, binary, void) & ~void
    others = ~binary & ~void
    if not others.any():  # what is lost has nowhere to go
        after |= binary
    assert np.array_equal(found == c, after)
    kept = others & ~after
    assert np.array_equal(found[kept], mask[kept])
    gone = binary & ~after
    if gone.any():
        at_nearest(found, mask, gone, others)


def at_nearest(found: Mask, mask: Mask, gone: NDArray[np.bool_], others: NDArray[np.bool_]) -> None:
    """What a class lost went to a class that has a pixel there at no more than 1.03 times the least distance."""
    for y, x in np.argwhere(gone):
        distance = np.hypot(*(np.argwhere(others) - (y, x)).T)
        near = {int(v) for v in mask[others][distance <= distance.min() * 1.03 + 1e-9]}
        assert int(found[y, x]) in near


@pytest.mark.parametrize("op", BINARY)
def test_sixteen_bits_as_eight(op: Op) -> None:
    for size, shape in ((5, "disk"), (3, "square")):
        step: Any = {"op": op, "size": size, "shape": shape, "area": 9}
        narrow = tidy(blobs(1), [Step(**step)], LABELS)
        wide = tidy(blobs(1, WIDE), [Step(**step)], WIDE)
        assert wide.dtype == np.uint16
        values = np.array([0, 149, 298])
        expected = np.where(narrow == 255, 65535, values[np.where(narrow == 255, 0, narrow)])
        assert np.array_equal(wide, expected)


@given(mask=masks, size=st.sampled_from([1, 3, 5, 15]), shape=st.sampled_from(list(KERNELS)), some=st.booleans())
@settings(max_examples=40)
def test_majority(mask: Mask, size: int, shape: Any, some: bool) -> None:
    classes = (2, 0) if some else None
    found = tidy(mask, [Step("majority", classes, size, shape)], LABELS)
    kernel, radius = kernel_of(shape, size), size // 2
    for (y, x), value in np.ndenumerate(mask):
        votes: Counter[int] = Counter()
        for dy, dx in np.argwhere(kernel) - radius:
            if 0 <= y + dy < mask.shape[0] and 0 <= x + dx < mask.shape[1] and mask[y + dy, x + dx] != 255:
                votes[int(mask[y + dy, x + dx])] += 1
        best = max(votes.values(), default=0)
        stays = value == 255 or votes[int(value)] == best or (classes is not None and value not in classes)
        assert found[y, x] == (value if stays else min(v for v, n in votes.items() if n == best))


def test_large_kernels_count_exactly() -> None:
    """OpenCV filters with these by Fourier transform."""
    mask = blobs(2)
    step = Step("median", (1,), 41, "disk")
    assert np.array_equal(tidy(mask, [step], LABELS) == 1, with_scipy(step, mask == 1, mask == 255) & (mask != 255))


def test_order_of_steps_and_classes() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[4, 2], mask[4, 6] = 1, 2
    grow = tidy(mask, [Step("dilate", (1, 2), 5, "square")], LABELS)
    assert (grow[4, 4], grow[4, 2], grow[4, 6]) == (2, 1, 2)  # the later class wins
    assert tidy(mask, [Step("dilate", (2, 1), 5, "square")], LABELS)[4, 4] == 1
    specks = [Step("min_area", None, area=5), Step("dilate", (1,), 3, "square")]
    assert (tidy(mask, specks, LABELS) == 0).all()
    assert (tidy(mask, specks[::-1], LABELS) == 1).sum() == 9
    assert np.array_equal(tidy(mask, [], LABELS), mask)


def test_void_changes_nothing() -> None:
    """A class that ends at void is treated as one that ends at the edge of the image."""
    for op in get_args(Op):
        step = Step(op, None, 5, "disk", area=9)
        mask = blobs(3)[:, 10:60]
        below = mask[24:]
        whole = np.concatenate([np.full((9, 50), 255, np.uint8), below])
        if op != "fill_holes":  # void is no way out of a hole
            assert np.array_equal(tidy(whole, [step], LABELS)[9:], tidy(below, [step], LABELS)), op
        assert (tidy(np.full((4, 5), 255, np.uint8), [step], LABELS) == 255).all()


def test_holes() -> None:
    mask = np.ones((12, 12), np.uint8)
    mask[2:4, 2:4], mask[6, 6], mask[9, 11] = 0, 2, 0
    mask[7, 7] = 2  # touches the other at a corner: two holes
    assert np.argwhere(tidy(mask, [Step("fill_holes", (1,))], LABELS) != 1).tolist() == [[9, 11]]
    assert (tidy(mask, [Step("fill_holes", (1,), area=1)], LABELS) != 1).sum() == 5
    mask[2, 2] = 255
    filled = tidy(mask, [Step("fill_holes", (1,))], LABELS)
    assert (filled[2, 2], filled[3, 3]) == (255, 1)


def test_kernels() -> None:
    assert kernel_of("cross", 3).tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    assert kernel_of("square", 3).all()
    assert np.array_equal(
        kernel_of("diamond", 5), ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), 2)
    )
    assert kernel_of("disk", 7).sum() == 29
    assert all(kernel_of(shape, 1).tolist() == [[1]] for shape in KERNELS)


def test_settings_as_json() -> None:
    step = Step("open", (2, 0), 7, "square")
    assert step.to_json(LABELS) == {"op": "open", "classes": ["tree", "sky"], "size": 7, "shape": "square"}
    assert Step.from_json(step.to_json(LABELS), LABELS) == step
    assert Step.from_json(Step("largest").to_json(LABELS), LABELS) == Step("largest")
    for wrong, said in (
        ({"op": "opne"}, "did you mean open"),
        ({"op": "open", "size": 4}, "odd"),
        ({"op": "open", "size": 999}, "1 to 255"),
        ({"op": "open", "shape": "ball"}, "there are disk"),
        ({"op": "open", "classes": ["raod"]}, "did you mean road"),
        ({"op": "open", "radius": 3}, "'radius'"),
        ({"op": "min_area", "area": -1}, "0 or more"),
        ({"op": "largest", "keep": 0}, "1 or more"),
    ):
        with pytest.raises(OptionError, match=said):
            Step.from_json(wrong, LABELS)
    with pytest.raises(OptionError, match="there are 0 to 2"):
        tidy(blobs(0), [Step("open", (3,))], LABELS)
