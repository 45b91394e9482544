"""The dense CRF against brute force over all pairs of pixels, and its lattice against a slow one written from the paper."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from segdata import OptionError, dense_crf
from segdata.kernels.vector import LANES, exp, load, store
from segdata.refinement.crf import LEAST, Potential, label_probs, mean_field
from segdata.refinement.lattice import BLOCK, Floats, Lattice, Shelf, crew, cut

NEAR = {"gaussian_sxy": 1.5, "gaussian_compat": 2, "bilateral_sxy": 4, "bilateral_srgb": 30, "bilateral_compat": 3}


def scene(height: int, width: int, classes: int, bands: int = 3, seed: int = 0) -> tuple[NDArray[np.uint8], Floats]:
    """An image of two halves with noise, and probabilities that are right more often than not."""
    rng = np.random.default_rng(seed)
    side = np.where(np.arange(width) < width // 2, 60, 180)[None, :, None]
    image = np.clip(side + rng.normal(0, 12, (height, width, bands)), 0, 255).astype(np.uint8)
    logits = rng.normal(0, 1.0, (classes, height, width))
    logits[0] += 1.2 * (np.arange(width) < width // 2)
    logits[-1] += 1.2 * (np.arange(width) >= width // 2)
    probs = np.exp(logits)
    return image, (probs / probs.sum(axis=0)).astype(np.float32)


def features_of(image: NDArray[np.uint8], sxy: float, srgb: float | None) -> Floats:
    height, width, bands = image.shape
    y, x = np.mgrid[:height, :width].reshape(2, -1) / sxy
    color = [] if srgb is None else list(image.reshape(-1, bands).T / srgb)
    return np.stack([x, y, *color], axis=1).astype(np.float32)


def with_all_pairs(probs: Floats, potentials: list[Potential], iterations: int) -> NDArray[np.float64]:
    """Mean field by its definition, each kernel a matrix over all pairs of points."""
    energy = -np.log(np.clip(probs, LEAST, 1).astype(np.float64))
    kernels = []
    for potential in potentials:
        f = potential.features.astype(np.float64)
        kernel = np.exp(-((f[:, None] - f[None]) ** 2).sum(axis=-1) / 2)
        root = 1 / np.sqrt(kernel.sum(axis=1))
        kernels.append(kernel * root[:, None] * root)
    return iterated(energy, potentials, iterations, lambda p, q: q @ kernels[p])


def iterated(energy: NDArray[Any], potentials: list[Potential], iterations: int, filtered: Any) -> NDArray[np.float64]:
    def softmax(x: NDArray[Any]) -> NDArray[Any]:
        x = np.exp(x - x.max(axis=0))
        return x / x.sum(axis=0)

    q = softmax(-energy)
    for _ in range(iterations):
        total = energy.copy()
        for p, potential in enumerate(potentials):
            penalty = -potential.compat * np.eye(len(q)) if np.ndim(potential.compat) == 0 else potential.compat
            total += penalty @ filtered(p, q)
        q = softmax(-total)
    return q


class SlowLattice:
    """The permutohedral lattice with a dictionary, one point at a time, in float64."""

    def __init__(self, features: NDArray[Any]) -> None:
        self.d = d = features.shape[1]
        axes = np.zeros((d, d + 1))  # rows span the plane where coordinates sum to 0
        for i in range(d):
            axes[i, : i + 1], axes[i, i + 1] = 1, -(i + 1)
            axes[i] *= (d + 1) * np.sqrt(2 / 3) / np.sqrt((i + 1) * (i + 2))
        self.spread = [self.corners(f @ axes) for f in features.astype(np.float64)]
        ones = self.filter(np.ones((1, len(features))))[0]
        self.root = 1 / np.sqrt(ones)

    def corners(self, point: NDArray[np.float64]) -> list[tuple[tuple[int, ...], float]]:
        d = self.d
        base = np.round(point / (d + 1)).astype(int) * (d + 1)
        excess = base.sum() // (d + 1)
        order = np.argsort(-(point - base), kind="stable")
        if excess > 0:  # the coordinates that were rounded up most go down
            base[order[d + 1 - excess :]] -= d + 1
        elif excess < 0:
            base[order[:-excess]] += d + 1
        away = point - base
        order = np.argsort(-away, kind="stable")
        sizes = away[order]
        weights = [
            1 - (sizes[0] - sizes[-1]) / (d + 1),
            *((sizes[d - k] - sizes[d + 1 - k]) / (d + 1) for k in range(1, d + 1)),
        ]
        out = []
        for k in range(d + 1):  # of remainder k: k more everywhere, but d + 1 less where the point is least ahead
            vertex = base + k
            vertex[order[d + 1 - k :]] -= d + 1
            out.append((tuple(vertex.tolist()), weights[k]))
        return out

    def filter(self, values: NDArray[Any]) -> NDArray[np.float64]:
        table: dict[tuple[int, ...], NDArray[np.float64]] = {}
        for i, corners in enumerate(self.spread):
            for vertex, weight in corners:
                table[vertex] = table.get(vertex, 0) + weight * values[:, i]
        for axis in range(self.d + 1):
            step = np.full(self.d + 1, -1)
            step[axis] = self.d
            blurred = {}
            for vertex, value in table.items():
                sides = [table.get(tuple((np.array(vertex) + s * step).tolist()), 0) for s in (1, -1)]
                blurred[vertex] = value + 0.5 * sides[0] + 0.5 * sides[1]
            table = blurred
        out = [sum(weight * table[vertex] for vertex, weight in corners) for corners in self.spread]
        return np.stack(out, axis=1) / (1 + 2.0**-self.d)

    def normalised(self, values: NDArray[Any]) -> NDArray[np.float64]:
        return self.filter(values * self.root) * self.root


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5, 8])
def test_the_lattice_is_that_of_the_paper(dimensions: int) -> None:
    rng = np.random.default_rng(dimensions)
    points = (rng.normal(size=(200, dimensions)) * 1.5).astype(np.float32)
    flat = rng.dirichlet(np.ones(4), len(points)).T.astype(np.float32)
    slow = SlowLattice(points)
    potentials = [Potential(points, 2.0)]
    expected = iterated(-np.log(np.clip(flat, LEAST, 1)), potentials, 5, lambda p, q: slow.normalised(q))
    found = mean_field(flat, potentials, iterations=5)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 2e-5


@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize("classes", [2, 9])
def test_mean_field_over_all_pairs(bands: int, classes: int) -> None:
    """The lattice approximates a Gaussian: marginals differ by 0.005 on average at most, labels on 1 % of pixels."""
    image, probs = scene(15, 18, classes, bands)
    potentials = [Potential(features_of(image, 1.5, None), 2.0), Potential(features_of(image, 4, 30), 3.0)]
    expected = with_all_pairs(probs.reshape(classes, -1), potentials, 10)
    found = dense_crf(image, probs, **NEAR).reshape(classes, -1)
    assert np.abs(found - expected).mean() < 0.005
    assert (found.argmax(axis=0) != expected.argmax(axis=0)).mean() < 0.01
    undone = np.abs(probs.reshape(classes, -1) - expected).mean()
    assert np.abs(found - expected).mean() < undone / 20


def test_compatibility_of_pairs() -> None:
    """A matrix of penalties against all pairs of points; and Potts as a matrix, in both its forms."""
    image, probs = scene(12, 13, 4)
    penalty = np.array([[0, 1, 5, 2], [1, -1, 0, 3], [5, 0, 0, 0.5], [2, 3, 0.5, 0]], np.float32)
    near = Potential(features_of(image, 4, 30), penalty)
    expected = with_all_pairs(probs.reshape(4, -1), [near], 10)
    found = dense_crf(image, probs, **{**NEAR, "gaussian_compat": 0, "bilateral_compat": penalty})
    assert np.abs(found.reshape(4, -1) - expected).mean() < 0.005
    potts = dense_crf(image, probs, **NEAR)
    for matrix in (-np.eye(4), np.ones((4, 4)) - np.eye(4)):
        given = {**NEAR, "gaussian_compat": 2 * matrix, "bilateral_compat": 3 * matrix}
        assert np.allclose(dense_crf(image, probs, **given), potts, atol=2e-5)


def test_permuted_classes() -> None:
    image, probs = scene(20, 30, 11)
    order = np.random.default_rng(1).permutation(11)
    assert np.allclose(dense_crf(image, probs[order], **NEAR), dense_crf(image, probs, **NEAR)[order], atol=1e-5)


def test_threads_and_callers_change_nothing() -> None:
    """The same bytes from any number of threads, and from several calls at once; the arguments stay as they are."""
    image, probs = scene(110, 150, 5)
    assert image[:, :, 0].size > 4 * BLOCK
    before = image.copy(), probs.copy()
    one = dense_crf(image, probs, threads=1)
    for threads in (2, 3, 8):
        assert np.array_equal(dense_crf(image, probs, threads=threads), one)
    with ThreadPoolExecutor(3) as pool:
        for other in pool.map(lambda n: dense_crf(image, probs, threads=n), [1, 2, 2, 3]):
            assert np.array_equal(other, one)
    assert np.array_equal(image, before[0])
    assert np.array_equal(probs, before[1])


def test_a_shelf_changes_nothing_but_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that share a shelf give what they give alone; lattices are made again where features differ."""
    image, probs = scene(30, 40, 3)
    calls: list[dict[str, Any]] = [
        {**NEAR},
        {**NEAR, "bilateral_compat": 7, "iterations": 5},
        {**NEAR, "bilateral_srgb": 20},
        {**NEAR, "bilateral_srgb": 20, "gaussian_compat": 1},
        {**NEAR, "bilateral_compat": 0},
    ]
    alone = [dense_crf(image, probs, **call) for call in calls]
    made, make = [], Lattice.of
    monkeypatch.setattr(Lattice, "of", lambda *given: made.append(given) or make(*given))
    shelf = Shelf()
    for call, expected in zip(calls, alone, strict=True):
        assert np.array_equal(dense_crf(image, probs, **call, shelf=shelf), expected)
    assert len(made) == 3
    other = image[::-1].copy()
    assert np.array_equal(dense_crf(other, probs, **NEAR, shelf=shelf), dense_crf(other, probs, **NEAR))


def test_layouts_and_types_of_the_arguments() -> None:
    image, probs = scene(11, 19, 3)
    expected = dense_crf(image, probs, **NEAR)
    last = np.ascontiguousarray(probs.transpose(1, 2, 0)).transpose(
        2, 0, 1
    )  # as a model that puts classes last gives it
    assert np.array_equal(dense_crf(image[:, :, ::-1][:, :, ::-1], last, **NEAR), expected)
    assert np.allclose(dense_crf(image.astype(np.float64), probs.astype(np.float64), **NEAR), expected, atol=1e-6)
    image.flags.writeable = probs.flags.writeable = False
    assert np.array_equal(dense_crf(image, probs, **NEAR), expected)
    each = {**NEAR, "gaussian_sxy": (1.5, 1.5), "bilateral_sxy": [4, 4], "bilateral_srgb": (30, 30, 30)}
    assert np.array_equal(dense_crf(image, probs, **each), expected)


def test_sizes_are_those_of_their_axes() -> None:
    """A turned image with the sizes of y and x exchanged gives the turned result, but for what the lattice approximates."""
    image, probs = scene(14, 20, 3)
    given = {"gaussian_sxy": (1, 3), "gaussian_compat": 2, "bilateral_compat": 0}
    turned = {**given, "gaussian_sxy": (3, 1)}
    found = dense_crf(image.transpose(1, 0, 2), probs.transpose(0, 2, 1), **turned).transpose(0, 2, 1)
    expected = dense_crf(image, probs, **given)
    other = dense_crf(image, probs, **turned)
    assert np.abs(found - expected).mean() < np.abs(other - expected).mean() / 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 5)])
@pytest.mark.parametrize("classes", [1, 2, 8, 9, 300])
def test_sums_to_one_at_any_size(shape: tuple[int, int], classes: int) -> None:
    image, probs = scene(*shape, classes)
    found = dense_crf(image, probs)
    assert found.shape == (classes, *shape)
    assert np.allclose(found.sum(axis=0), 1, atol=1e-5)
    assert (found >= 0).all()
    if classes == 1:
        assert (found == 1).all()


def test_more_classes_than_a_byte_holds() -> None:
    image, probs = scene(8, 9, 300)
    potentials = [Potential(features_of(image, 1.5, None), 2.0), Potential(features_of(image, 4, 30), 3.0)]
    expected = with_all_pairs(probs.reshape(300, -1), potentials, 10)
    assert np.abs(dense_crf(image, probs, **NEAR).reshape(300, -1) - expected).mean() < 1e-4


@pytest.mark.parametrize("value", [0, 255])
def test_constant_image_and_certain_classes(value: int) -> None:
    """Where nothing tells pixels apart all agree on the majority; probabilities of 0 and 1 do no harm."""
    image = np.full((12, 14, 3), value, np.uint8)
    mask = np.zeros((12, 14), np.uint8)
    mask[:3, :4] = 1
    assert (dense_crf(image, label_probs(mask, 3, 255)).argmax(axis=0) == 0).all()
    certain = np.eye(3, dtype=np.float32)[mask].transpose(2, 0, 1)
    assert np.isfinite(dense_crf(image, certain)).all()
    even = dense_crf(image, np.full((3, 12, 14), 1 / 3, np.float32))
    assert np.allclose(even, 1 / 3, atol=1e-5)
    assert np.isfinite(dense_crf(image, np.zeros((3, 12, 14), np.float32))).all()


def test_an_edge_is_kept_and_noise_is_not() -> None:
    image, probs = scene(40, 60, 2, seed=3)
    found = dense_crf(image, probs, bilateral_sxy=20, bilateral_srgb=20).argmax(axis=0)
    truth = np.tile(np.arange(60) >= 30, (40, 1))
    assert (probs.argmax(axis=0) != truth).mean() > 0.15
    assert (found != truth).mean() < 0.01


def test_without_steps_or_terms_the_probabilities_come_back() -> None:
    image, probs = scene(9, 9, 4)
    probs[0, 0, 0] = 0
    expected = np.clip(probs, LEAST, 1)
    expected /= expected.sum(axis=0)
    assert np.allclose(dense_crf(image, probs, iterations=0), expected, atol=1e-6)
    assert np.allclose(dense_crf(image, probs, gaussian_compat=0, bilateral_compat=0), expected, atol=1e-6)


def test_probabilities_of_labels() -> None:
    mask = np.array([[0, 2, 255], [1, 255, 0]], np.uint8)
    found = label_probs(mask, 3, 255, certainty=0.6)
    for y, x in product(range(2), range(3)):
        value = int(mask[y, x])
        expected = [1 / 3] * 3 if value == 255 else [0.6 if k == value else 0.2 for k in range(3)]
        assert np.allclose(found[:, y, x], expected)
    wide = np.array([[299, 65535]], np.uint16)
    assert label_probs(wide, 300, 65535).argmax(axis=0)[0, 0] == 299
    assert (label_probs(np.array([[0, 255]], np.uint8), 1, 255) == 1).all()
    image, probs = scene(40, 60, 2, seed=3)
    hard = label_probs(probs.argmax(axis=0).astype(np.uint8), 2, 255)
    found = dense_crf(image, hard, bilateral_sxy=20, bilateral_srgb=20).argmax(axis=0)
    assert (found != np.tile(np.arange(60) >= 30, (40, 1))).mean() < 0.01


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probs": np.ones((2, 3, 4))}, r"\(H, W, C\) and \(K, H, W\)"),
        ({"probs": np.ones((0, 4, 4))}, "none of them 0"),
        ({"image": np.ones((4, 4))}, r"\(H, W, C\)"),
        ({"probs": np.full((2, 4, 4), np.nan)}, "not finite"),
        ({"image": np.full((4, 4, 3), np.inf)}, "standard deviations"),
        ({"bilateral_srgb": 1e-9}, "choose larger"),
        ({"gaussian_sxy": 0}, "gaussian_sxy 0"),
        ({"bilateral_sxy": (1, 2, 3)}, "2 of them"),
        ({"bilateral_srgb": (1, -1, 1)}, "positive"),
        ({"iterations": -1}, "0 or more"),
        ({"iterations": 2.5}, "whole number"),
        ({"gaussian_compat": np.nan}, "must be finite"),
        ({"bilateral_compat": np.array([[0, np.inf], [np.inf, 0]])}, "must be finite"),
        ({"probs": np.full((2, 4, 4), -1.5)}, "probabilities of -1.5 to -1.5: give those of a softmax"),
        ({"probs": np.full((2, 4, 4), 255, np.uint8)}, "probabilities of 255 to 255"),
        ({"threads": 0}, "1 or more"),
        ({"gaussian_compat": np.eye(3)}, r"symmetric \(K, K\), K = 2"),
        ({"gaussian_compat": np.array([[0, 1], [2, 0]])}, "symmetric"),
    ],
)
def test_refusals(change: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"image": np.full((4, 4, 3), 9, np.uint8), "probs": np.full((2, 4, 4), 0.5), **change}
    with pytest.raises(OptionError, match=said):
        dense_crf(given.pop("image"), given.pop("probs"), **given)


def test_refused_labels() -> None:
    with pytest.raises(OptionError, match="value 3: is no class"):
        label_probs(np.array([[0, 3]], np.uint8), 3, 255)
    with pytest.raises(OptionError, match="between 0 and 1"):
        label_probs(np.zeros((1, 1), np.uint8), 2, 255, certainty=1)
    with pytest.raises(OptionError, match=r"\(N, D\) for 4 points"):
        mean_field(np.ones((2, 4), np.float32), [Potential(np.zeros((3, 2), np.float32), 1)])


def test_an_error_in_a_thread_is_raised() -> None:
    done = []

    def work(piece: int) -> None:
        done.append(piece)
        if piece == 3:
            raise ZeroDivisionError

    with crew(3) as team:
        with pytest.raises(ZeroDivisionError):
            team.each(work, range(1000))
        assert 3 in done
        done.clear()
        team.each(done.append, range(100))
    assert sorted(done) == list(range(100))


def test_lattice_rows_tell_whose_parts_they_are() -> None:
    """Each corner of a point has, by way of its block's parts, one vertex; and weights are normalised symmetrically."""
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(3 * BLOCK, 2)).astype(np.float32), rng.normal(size=(3 * BLOCK, 3)).astype(np.float32)]
    with crew(2) as team:
        lattice = Lattice.of(features, 3 * BLOCK, team)
    assert list(lattice.blocks) == cut(0, 3 * BLOCK, BLOCK)
    for points, parts in lattice.shares:
        vertex = lattice.vertex[parts][lattice.rows[points]]
        for axes, columns in zip(lattice.axes, (slice(0, 3), slice(3, 7)), strict=True):
            assert vertex[:, columns].min() >= axes.first
            assert vertex[:, columns].max() < axes.end
            assert (np.diff(np.sort(vertex[:, columns], axis=1)) > 0).all(), "two corners of a simplex are one vertex"


@njit
def _exp_of(values: Floats) -> None:
    for i in range(0, len(values), LANES):
        store(values, i, exp(load(values, i)))


def test_exp() -> None:
    x = -np.concatenate([np.linspace(0, 2, 4000), np.linspace(0, 63.9, 40000), [0.0] * 8]).astype(np.float32)
    found = x.copy()
    _exp_of(found)
    assert np.abs(found / np.exp(x.astype(np.float64)) - 1).max() < 2.5e-7
    assert found[-1] == 1
    far = np.array([-64.1, -88, -1000, -1e30, -np.inf, -65, -70, -1e38], np.float32)
    _exp_of(far)
    assert (far == 0).all()
