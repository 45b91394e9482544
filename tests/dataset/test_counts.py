"""Counts that add, weights against numbers worked out by hand, samplers and pairs against loops, objects against a flood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import isfinite, log
from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.dataset.counts import ClassCounts, ImageCounts, object_areas
from segdata.dataset.sampling import Sampling, sampling, together
from segdata.dataset.weights import SCHEMES
from segdata.errors import OptionError
from segdata.labels import Labels

LABELS = Labels.of(["road", "car", "sign"])
IMAGES = [{0: 60, 1: 20, 255: 20}, {0: 90, 255: 10}, {1: 5, 2: 45, 255: 50}]
"""Worked out by hand: pixels 60 + 90 = 150, 20 + 5 = 25, 45; labelled 80 + 90 + 50 = 220; images 2, 2, 1 of 3.

Labelled pixels of the images where a class occurs: road 80 + 90 = 170, car 80 + 50 = 130, sign 50.
"""

some_counts = st.lists(st.dictionaries(st.sampled_from([0, 1, 2, 255]), st.integers(0, 500), max_size=4), max_size=12)


def of(images: list[dict[int, int]], labels: Labels = LABELS) -> ClassCounts:
    return ClassCounts.of(images, labels)


def tables(images: list[dict[int, int]]) -> list[ImageCounts]:
    """They in two tables, as those of a large dataset come in many."""
    half = len(images) // 2
    return [ImageCounts.of(part, LABELS) for part in (images[:half], images[half:])]


def seen_of(images: list[dict[int, int]]) -> dict[str, Sampling]:
    return sampling(tables(images), of(images).images)


def by_loops(photos: list[dict[int, int]], classes: int = 3) -> ClassCounts:
    """The definition, one image and class after the other."""
    pixels, images, where = ([0] * classes for _ in range(3))
    for image in photos:
        for value, n in image.items():
            if value != 255 and n:
                pixels[value] += n
                images[value] += 1
                where[value] += sum(m for v, m in image.items() if v != 255)
    ignored = sum(p.get(255, 0) for p in photos)
    arrays = (np.array(a) for a in (pixels, images, where))
    return ClassCounts(*arrays, ignored, sum(pixels) + ignored, len(photos))


def test_the_case_worked_out_by_hand() -> None:
    counts = of(IMAGES)
    assert counts.pixels.tolist() == [150, 25, 45]
    assert counts.images.tolist() == [2, 2, 1]
    assert counts.where.tolist() == [170, 130, 50]
    assert (counts.labelled, counts.ignored, counts.total, counts.samples) == (220, 80, 300, 3)
    assert counts.share == pytest.approx([150 / 220, 25 / 220, 45 / 220])
    assert counts.image_share == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert counts.absent == []


# By hand, K = 3:
# inverse           220 / (3 x 150) = 22/45, 220 / (3 x 25) = 44/15, 220 / (3 x 45) = 44/27
# sqrt_inverse      the roots: 0.699206, 1.712698, 1.276569
# median_frequency  f = 150/170 = 15/17, 25/130 = 5/26, 45/50 = 9/10; the median is 15/17;
#                   15/17 / (15/17) = 1, 15/17 / (5/26) = 78/17, 15/17 / (9/10) = 50/51
# enet              p = 15/22, 5/44, 9/44; ln(1.02 + p) = 0.531697, 0.125430, 0.202570; 1 over that
# effective_number  beta = 1 - 1/3 = 2/3; n = 2: (1/3) / (1 - 4/9) = 3/5, n = 1: (1/3) / (1 - 2/3) = 1
BY_HAND = {
    "inverse": [22 / 45, 44 / 15, 44 / 27],
    "sqrt_inverse": [0.699206, 1.712698, 1.276569],
    "median_frequency": [1, 78 / 17, 50 / 51],
    "enet": [1.880770, 7.972543, 4.936572],
    "effective_number": [3 / 5, 3 / 5, 1],
    "uniform": [1, 1, 1],
}


def test_the_cases_by_hand_are_all_schemes() -> None:
    assert list(BY_HAND) == list(SCHEMES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_worked_out_by_hand(scheme: str) -> None:
    assert of(IMAGES).weights(scheme) == pytest.approx(BY_HAND[scheme], rel=1e-6)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_classes_without_pixels_change_no_weight_and_get_none(scheme: str) -> None:
    """They would drag the median down, make K larger, and divide by zero."""
    labels = Labels.of(["never", "road", "nor this", "car", "sign", "nor that"])
    moved = [{{0: 1, 1: 3, 2: 4}.get(v, v): n for v, n in image.items()} for image in IMAGES]
    counts = of([{**moved[0], 0: 0}, *moved[1:]], labels)
    weights = counts.weights(scheme)
    assert weights[[1, 3, 4]] == pytest.approx(BY_HAND[scheme], rel=1e-6)
    assert weights[[0, 2, 5]].tolist() == [0, 0, 0]
    assert counts.absent == [0, 2, 5]
    assert counts.weights(scheme, normalise="mean")[[1, 3, 4]].mean() == pytest.approx(1)
    assert counts.weights(scheme, clamp=(2, 3))[[0, 2, 5]].tolist() == [0, 0, 0], "clamping lifts no absent class"


def wrong_median_frequencies() -> dict[str, list[float]]:
    """What is found in the wild under the name of median frequency."""
    labelled = [{v: n for v, n in p.items() if v != 255} for p in IMAGES]
    means = [
        float(np.mean([p[c] / sum(p.values()) for p in labelled if c in p])) for c in range(3)
    ]  # 7/8, 7/40, 9/10: each image counts alike, however much of it is labelled
    plain = [150 / 220, 25 / 220, 45 / 220]  # over the labelled pixels of all images
    with_void = [150 / 200, 25 / 200, 45 / 100]  # over all pixels of the images, void too
    middles = [float(np.median([p[c] / sum(p.values()) for p in labelled if c in p])) for c in range(3)]
    found = {"means": means, "plain": plain, "with void": with_void, "middles": middles}
    weights = {name: [median(f) / x for x in f] for name, f in found.items()}
    with_absent = [15 / 17, 5 / 26, 9 / 10, 0]  # a class without pixels takes part in the median
    return {**weights, "with absent": [median(with_absent) / x for x in with_absent[:3]]}


@pytest.mark.parametrize("kind", wrong_median_frequencies())
def test_known_wrong_implementations_differ(kind: str) -> None:
    wrong = wrong_median_frequencies()[kind]
    assert np.abs(of(IMAGES).weights("median_frequency") / wrong - 1).max() > 0.05


def test_the_median_of_an_even_number_of_classes_is_between_the_middle_two() -> None:
    """f = 1/4, 3/4, so the median is 1/2."""
    assert of([{0: 10, 1: 30}], Labels.of(["a", "b"])).weights("median_frequency") == pytest.approx([2, 2 / 3])


@pytest.mark.slow
@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=6), st.integers(1, 200))
def test_effective_numbers_are_exact(images: list[int], photos: int) -> None:
    """Against the sum 1 + beta + beta^2 ... of the paper in fractions, where that is short enough."""
    n = np.array(images) % photos + 1
    labels = Labels.of([f"c{i}" for i in range(len(n))])
    counts = replace(of([], labels), pixels=n * 7, images=n, where=n * 9, total=int(n.sum()) * 9, samples=photos)
    beta = Fraction(photos - 1, photos)
    want = [1 / float(sum((beta**j for j in range(int(m))), Fraction(0))) for m in n]
    assert counts.weights("effective_number") == pytest.approx(want, rel=1e-9)


def test_what_the_effective_number_counts() -> None:
    counts = of(IMAGES)
    assert counts.weights("effective_number", beta=0) == pytest.approx([1, 1, 1])
    assert counts.weights("effective_number", beta=1 - 1e-12) == pytest.approx([1 / 2, 1 / 2, 1]), "beta near 1 is 1/n"
    # 4 objects of sign: (1/3) / (1 - (2/3)^4) = 27/65
    got = counts.weights("effective_number", occurrences=np.array([2, 2, 4]))
    assert got == pytest.approx([3 / 5, 3 / 5, 27 / 65])
    saturated = counts.weights("effective_number", occurrences=counts.pixels)
    assert saturated == pytest.approx([1 / 3] * 3, rel=1e-4), "pixels make all classes alike"


def test_one_image() -> None:
    """beta is 0 then, and its logarithm no number."""
    assert of([{0: 3, 1: 1}]).weights("effective_number").tolist() == [1, 1, 0]


def test_weights_are_within_the_clamp_normalised_or_not() -> None:
    counts = of(IMAGES)
    assert counts.weights("inverse", clamp=(1, 2)) == pytest.approx([1, 2, 44 / 27])  # 22/45 up, 44/15 down
    whole = 22 / 45 + 44 / 15 + 44 / 27
    normalised = counts.weights("inverse", clamp=(0.2, 0.5), normalise="sum")
    assert normalised == pytest.approx([0.2, 0.5, 44 / 27 / whole])
    assert counts.weights("inverse", clamp=(1, 2), normalise="mean") == pytest.approx([1, 132 / 15 / whole, 1])
    assert counts.weights("inverse", clamp=(0, 0), normalise="mean").tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "median"}, "no weights 'median': there are inverse, sqrt_inverse, median_frequency"),
        ({"clamp": (3, 1)}, "--clamp 3 1: must be two numbers, the least first"),
        ({"clamp": (-1, 1)}, "--clamp -1 1"),
        ({"clamp": (0, float("inf"))}, "--clamp 0 inf"),
        ({"clamp": (float("nan"), 1)}, "--clamp nan 1"),
        ({"beta": 1}, "--beta 1: must be 0 or more and below 1"),
        ({"beta": -0.1}, "--beta -0.1"),
        ({"beta": float("nan")}, "--beta nan"),
        ({"normalise": "max"}, "--normalise max: must be one of mean, sum, none"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    for counts in (of(IMAGES), of([])):
        with pytest.raises(OptionError, match=message):
            counts.weights(**{"scheme": "inverse", **options})


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("images", [[], [{}], [{255: 40}], [{0: 0, 255: 9}]])
def test_nothing_labelled_is_zeros(scheme: str, images: list[dict[int, int]]) -> None:
    counts = of(images)
    for normalise in ("none", "mean", "sum"):
        assert counts.weights(scheme, normalise=normalise).tolist() == [0, 0, 0]  # type: ignore[arg-type]
    assert counts.share.tolist() == counts.image_share.tolist() == [0, 0, 0]
    assert counts.absent == [0, 1, 2]
    assert together(tables(images)).shape == (0, 3)
    for seen in seen_of(images).values():
        assert seen.seen.tolist() == seen.share.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({0: 1, 3: 5}, "5 pixels of value 3"),
        ({-1: 5}, "5 pixels of value -1"),
        ({0: -2}, "-2 pixels of value 0"),
        ({255: -2}, "-2 pixels of value 255"),
        ({254: 0}, "0 pixels of value 254"),
        ({0: 2**70}, "more than 64 bits"),
        ({2**70: 1}, "more than 64 bits"),
    ],
)
def test_counts_that_cannot_be(image: dict[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of([{0: 4}, image])


@given(some_counts)
def test_counts_equal_loops(images: list[dict[int, int]]) -> None:
    assert of(images) == by_loops(images)


@given(some_counts, some_counts, some_counts)
def test_counts_add(a: list[dict[int, int]], b: list[dict[int, int]], c: list[dict[int, int]]) -> None:
    x, y, z = of(a), of(b), of(c)
    assert (x + y) + z == x + (y + z) == of([*a, *b, *c])
    assert x + y == y + x
    assert x + of([]) == x
    assert (x == y) == all(np.array_equal(getattr(x, f), getattr(y, f)) for f in ClassCounts.__dataclass_fields__)


@given(some_counts, st.randoms(use_true_random=False))
def test_any_parts_sum_to_the_whole(images: list[dict[int, int]], random: Any) -> None:
    parts: list[list[dict[int, int]]] = [[], [], []]
    for image in images:
        random.choice(parts).append(image)
    assert sum(map(of, parts), of([])) == of(images)


def test_counts_are_exact_beyond_doubles() -> None:
    """2^53 + 1 is no double."""
    counts = of([{0: 2**53, 255: 2**53}, {0: 1}])
    assert counts.pixels[0] == 2**53 + 1 == counts.labelled
    assert counts.where[0] == 2**53 + 1
    assert counts.total == 2**54 + 1


def test_sixteen_bits() -> None:
    labels = Labels.of([f"c{i}" for i in range(300)])
    counts = of([{255: 7, 299: 2, 65535: 5}], labels)
    assert (counts.pixels[255], counts.pixels[299], counts.ignored) == (7, 2, 5)


@given(some_counts.filter(lambda p: any(n for c in p for v, n in c.items() if v != 255)), st.integers(2, 9))
def test_weights_do_not_depend_on_what_they_should_not(images: list[dict[int, int]], times: int) -> None:
    counts = of(images)
    larger = of([{v: n * times for v, n in p.items()} for p in images])
    voided = of([{**p, 255: p.get(255, 0) + 50} for p in images])
    again = counts + counts
    turned = of([{(v + 1) % 3 if v < 3 else v: n for v, n in p.items()} for p in images])
    for scheme in SCHEMES:
        weights = counts.weights(scheme)
        assert all(isfinite(w) and w >= 0 for w in weights)
        assert ((weights > 0) == (counts.pixels > 0)).all()
        assert larger.weights(scheme) == pytest.approx(weights), "images enlarged"
        assert voided.weights(scheme) == pytest.approx(weights), "void added"
        assert np.roll(weights, 1) == pytest.approx(turned.weights(scheme)), "classes numbered anew"
        if scheme != "effective_number":
            assert again.weights(scheme) == pytest.approx(weights), "every image twice"


@given(some_counts.filter(lambda p: any(n for c in p for v, n in c.items() if v != 255)))
def test_what_the_schemes_promise(images: list[dict[int, int]]) -> None:
    counts = of(images)
    held = counts.pixels > 0
    inverse = counts.weights("inverse")
    assert (counts.share * inverse).sum() == pytest.approx(1), "the mean weight of a labelled pixel"
    assert counts.weights("sqrt_inverse") ** 2 == pytest.approx(inverse)
    assert np.median(1 / counts.weights("median_frequency")[held]) == pytest.approx(1)
    enet = counts.weights("enet")[held]
    assert (enet >= 1 / log(2.02) - 1e-9).all()
    assert (enet <= 1 / log(1.02) + 1e-9).all()
    for scheme in ("inverse", "sqrt_inverse", "enet"):
        order = counts.weights(scheme)[held][np.argsort(counts.pixels[held])]
        assert (np.diff(order) <= 1e-9).all(), "rarer is never lighter"


def sampled_by_loops(images: list[dict[int, int]], chance: Callable[[int], float]) -> tuple[list[float], list[float]]:
    seen, pixels = [0.0] * 3, [0.0] * 3
    for i, image in enumerate(images):
        for value, n in image.items():
            if value != 255 and n:
                seen[value] += chance(i)
                pixels[value] += chance(i) * n
    return seen, [p / (sum(pixels) or 1) for p in pixels]


def test_no_class_is_seen_in_more_than_all_draws() -> None:
    images = [{0: 1, i % 5 + 1: 1} for i in range(1003)]
    table = ImageCounts.of(images, Labels.of("abcdef"))
    seen = sampling([table], np.bincount(table.class_id))["class_aware"].seen
    assert seen[0] == pytest.approx(1)
    assert seen.max() <= 1


@given(some_counts)
def test_sampling_equals_loops(images: list[dict[int, int]]) -> None:
    holding = {c: [i for i, p in enumerate(images) if p.get(c)] for c in range(3)}
    present = [c for c in range(3) if holding[c]]

    def aware(i: int) -> float:
        """The chance of an image: of each class, and then of it among the images that hold the class."""
        return sum(1 / len(present) / len(holding[c]) for c in present if i in holding[c])

    got = seen_of(images)
    for name, chance in {"uniform": lambda i: 1 / len(images), "class_aware": aware}.items():
        seen, share = sampled_by_loops(images, chance)
        assert got[name].seen == pytest.approx(seen)
        assert got[name].share == pytest.approx(share)
        most = max((chance(i) for i in range(len(images))), default=0) * len(images)
        assert got[name].most == pytest.approx(most)


def test_sampling_worked_out_by_hand() -> None:
    """Sign is in one of three images. Class-aware, the third is drawn for sign and half of the times for car: 1/3 + 1/6."""
    got = seen_of(IMAGES)
    assert got["uniform"].seen == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert got["class_aware"].seen == pytest.approx([1 / 2, 5 / 6, 1 / 2])  # a: 1/6 + 1/6, b: 1/6, c: 1/6 + 1/3
    assert got["uniform"].share == pytest.approx(of(IMAGES).share)
    assert got["class_aware"].most == pytest.approx(3 / 2)


@given(some_counts)
def test_pairs_equal_loops(images: list[dict[int, int]]) -> None:
    want = {}
    for a in range(3):
        for b in range(a + 1, 3):
            if n := sum(1 for p in images if p.get(a) and p.get(b)):
                want[a, b] = n
    got = together(tables(images))
    assert {(a, b): n for a, b, n in got.tolist()} == want
    assert got[:, 2].tolist() == sorted(got[:, 2], reverse=True)


def flooded(mask: NDArray[Any], ignore: int) -> dict[int, list[int]]:
    """Areas of 8-connected parts, by a flood over a set of pixels."""
    areas: dict[int, list[int]] = {}
    left = {(int(y), int(x)) for y, x in np.ndindex(mask.shape) if mask[y, x] != ignore}
    while left:
        queue = [left.pop()]
        value, area = int(mask[queue[0]]), 0
        while queue:
            y, x = queue.pop()
            area += 1
            for near in ((y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                if near in left and mask[near] == value:
                    left.remove(near)
                    queue.append(near)
        areas.setdefault(value, []).append(area)
    return areas


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_objects_equal_a_flood(seed: int, height: int, width: int, wide: bool) -> None:
    labels = Labels.of([f"c{i}" for i in range(300 if wide else 3)])
    values = [0, 1, 299 if wide else 2, labels.ignore]
    mask = np.random.default_rng(seed).choice(np.array(values, labels.dtype), (height, width))
    got = object_areas(mask, labels)
    assert {k: sorted(v.tolist()) for k, v in got.items()} == {
        k: sorted(v) for k, v in flooded(mask, labels.ignore).items()
    }


def test_a_diagonal_line_is_one_object() -> None:
    mask = np.where(np.eye(6, dtype=bool), 1, 255).astype(np.uint8)
    assert {k: v.tolist() for k, v in object_areas(mask, LABELS).items()} == {1: [6]}
