"""The default colours: told apart with every kind of sight, seen on black and on white, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.labels import Labels, default_color, safe_colors
from sight import SIGHTS, chosen, distances, seen

MOST = 64
"""Of so many colours the farthest is taken."""

TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to XYZ under D65 (IEC 61966-2-1)."""


def cielab(colors: np.ndarray, sight: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of what a kind of sight sees: another colour space than the one that the colours were chosen in."""
    part = colors / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ sight.T, 0, 1) @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def least(looks: np.ndarray) -> float:
    """The least distance of two of (N, 3)."""
    apart = np.linalg.norm(looks[:, None] - looks[None], axis=-1)
    return float(apart[~np.eye(len(looks), dtype=bool)].min())


@pytest.mark.parametrize("sight", SIGHTS)
def test_classes_are_told_apart_with_every_kind_of_sight(sight: np.ndarray) -> None:
    """By CIE Lab, where 2.3 is just noticed (Mahy and others, 1994)."""
    for count, apart in ((7, 8.0), (12, 8.0), (20, 6.0), (32, 4.0), (MOST, 2.3)):
        assert least(cielab(np.array(safe_colors(count), float), sight)) > apart, count


def test_the_former_hues_were_not() -> None:
    """Hues by the golden angle, as the default colours were: some of the first twelve are one colour to a deuteranope."""
    import colorsys

    kinds = ((0.95, 0.75), (0.75, 0.90), (0.90, 0.50))
    hues = [colorsys.hsv_to_rgb((0.02 + i * 0.6180339887) % 1, kinds[i % 3][1], kinds[i % 3][0]) for i in range(12)]
    assert min(least(cielab(255 * np.array(hues), sight)) for sight in SIGHTS) < 6
    assert min(least(cielab(np.array(safe_colors(12), float), sight)) for sight in SIGHTS) > 8


def test_they_are_seen_on_black_and_on_white() -> None:
    for paper in ((0, 0, 0), (255, 255, 255)):
        assert distances(seen(safe_colors(MOST)), seen(paper)).min() > 0.1


def test_each_is_the_farthest_of_its_candidates() -> None:
    assert safe_colors(MOST) == chosen(MOST)


def test_many_classes_have_different_colours_too() -> None:
    """A mask in colours is read back by them: 80 classes of COCO, 150 of ADE20K, and 255."""
    assert len({*safe_colors(255), (0, 0, 0), (255, 255, 255)}) == 257


@given(st.integers(0, 400), st.text(min_size=1))
def test_a_class_has_the_colour_of_its_id(index: int, name: str) -> None:
    expected = (0, 0, 0) if name == "background" else safe_colors(index + 1)[index]
    assert default_color(index, name) == expected
    assert all(0 <= part <= 255 for part in expected)


def test_the_contract_does_not_hold_them() -> None:
    assert Labels.of(["a", "b"], [(1, 2, 3), None]).digest == Labels.of(["a", "b"]).digest
