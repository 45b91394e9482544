"""Sliding windows: even steps, any batch, against a model asked directly and against blending by hand."""

from __future__ import annotations

import threading
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictors import ByColour, Plain, softmax, surroundings
from segdata.errors import DataError, OptionError, Problem, SegdataError
from segdata.files.geo import Geo
from segdata.files.rasters import WholeRaster
from segdata.labels import Labels
from segdata.prediction.sliding import Band, Failed, Input, ahead, slide
from segdata.prediction.windows import Sliding, even_starts
from segdata.recipes.recipe import Recipe
from segdata.resize import resize_image, resize_scores
from segdata.tiling.area import AreaOfImage
from segdata.tiling.rows import Downwards
from segdata.tiling.stitcher import blend_weights
from segdata.windows import Window

LABELS = Labels.of(["a", "b", "c"])


def images(*arrays: np.ndarray, opaque: np.ndarray | None = None, **options: Any) -> list[Input[int]]:
    @contextmanager
    def opened(array: np.ndarray) -> Any:
        yield WholeRaster(array, opaque)

    return [Input(i, lambda array=array: opened(array), **options) for i, array in enumerate(arrays)]  # type: ignore[misc]


def whole(bands: Any, count: int = 1) -> list[np.ndarray]:
    """The bands of each image put together, after a look at their order."""
    parts: list[list[np.ndarray]] = [[] for _ in range(count)]
    for band in bands:
        assert isinstance(band, Band), band
        assert band.y == sum(part.shape[1] for part in parts[band.key])
        parts[band.key].append(band.probs.copy())
    return [np.concatenate(part, axis=1) for part in parts]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 0.99]))
def test_steps_are_even_and_as_few_as_can_be(length: int, size: int, overlap: float) -> None:
    size = min(size, length)
    starts = even_starts(length, size, overlap)
    assert (starts[0], starts[-1] + size) == (0, length)
    steps = [b - a for a, b in pairwise(starts)]
    if steps:
        assert max(steps) - min(steps) <= 1
        assert max(steps) <= max(1, int(np.ceil(size * (1 - overlap))))
        assert (len(starts) - 2) * max(1.0, size * (1 - overlap)) < length - size + 1e-6, "one less would not do"


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.sampled_from([0.0, 0.25, 0.6]),
    st.sampled_from(["gaussian", "linear", "crop", "none"]),
    st.integers(1, 5),
)
def test_a_model_of_single_pixels_sees_no_windows(
    sizes: list[tuple[int, int]], size: tuple[int, int], overlap: float, blend: Any, batch: int
) -> None:
    """Whatever the windows, the blend and the batch: what it says of each image as a whole."""
    arrays = [noise(*s, seed=i) for i, s in enumerate(sizes)]
    model = Plain(LABELS, lambda images: softmax(images.transpose(0, 3, 1, 2) / 32.0))
    found = whole(slide(images(*arrays), model, Sliding(size, overlap, blend, batch)), len(arrays))
    for array, probs in zip(arrays, found, strict=True):
        np.testing.assert_allclose(probs, model(array[None])[0], atol=2e-6)


@pytest.mark.parametrize("blend", ["gaussian", "linear", "crop", "none"])
def test_overlaps_are_blended_as_by_hand(blend: Any) -> None:
    array = noise(50, 70)
    sliding = Sliding((24, 32), 0.3, blend, batch=3)
    total, weight = np.zeros((3, 50, 70)), np.zeros((50, 70))
    for window in sliding.windows((50, 70), (50, 70)):
        probs = surroundings(array[window.slices][None])[0]
        ours = blend_weights(window.height, window.width, blend)
        if blend == "crop":
            better = ours > weight[window.slices]
            total[:, *window.slices] = np.where(better, probs, total[:, *window.slices])
            weight[window.slices] = np.maximum(weight[window.slices], ours)
        else:
            total[:, *window.slices] += probs * ours
            weight[window.slices] += ours
    expected = total if blend == "crop" else total / weight
    (found,) = whole(slide(images(array), Plain(LABELS, surroundings), sliding))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_the_size_of_a_batch_changes_nothing() -> None:
    arrays = [noise(30, 40), noise(30, 40, 1), noise(17, 40, 2)]
    model = Plain(LABELS, surroundings)
    one = whole(slide(images(*arrays), model, Sliding((16, 16), batch=1)), 3)
    for batch in (2, 7, 100):
        for a, b in zip(one, whole(slide(images(*arrays), model, Sliding((16, 16), batch=batch)), 3), strict=True):
            np.testing.assert_array_equal(a, b)


def test_windows_of_several_images_go_together() -> None:
    model = ByColour(LABELS)
    list(slide(images(*[noise(16, 16, i) for i in range(10)]), model, Sliding((16, 16), batch=4)))
    assert [shape[0] for shape in model.asked] == [4, 4, 2]
    model.asked.clear()
    list(slide(images(noise(16, 16), noise(8, 16), noise(16, 16)), model, Sliding((16, 16), batch=4)))
    assert [shape[:3] for shape in model.asked] == [(1, 16, 16), (1, 8, 16), (1, 16, 16)], "never of two shapes"


def test_mirrored_variants_are_turned_back_and_averaged() -> None:
    array = noise(20, 24)
    found = whole(slide(images(array), Plain(LABELS, surroundings), Sliding((20, 24), flips=("x", "y", "xy"))))[0]
    variants = []
    for y, x in product((False, True), repeat=2):
        turned = array[:: -1 if y else 1, :: -1 if x else 1]
        variants.append(surroundings(turned[None])[0][:, :: -1 if y else 1, :: -1 if x else 1])
    np.testing.assert_allclose(found, np.mean(variants, axis=0), atol=1e-6)


def test_scaled_variants_come_back_to_size() -> None:
    array = noise(20, 24)
    found = whole(slide(images(array), Plain(LABELS, surroundings), Sliding((20, 24), scales=(0.5, 1, 1.5))))[0]
    sizes = ((10, 12), (20, 24), (30, 36))
    variants = [resize_scores(surroundings(resize_image(array, size)[None])[0], (20, 24)) for size in sizes]
    np.testing.assert_allclose(found, np.mean(variants, axis=0), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_images_are_resized_as_the_model_was_trained_and_back() -> None:
    """An image that fits a window: exactly `prepare`, model, `restore`; a larger one in windows of the model's pixels."""
    recipe = Recipe.from_dict({"resize": {"short": 12}})
    model = Plain(LABELS, surroundings, recipe)
    array = noise(24, 36)
    found = whole(slide(images(array, target=recipe.resized), model, Sliding((64, 64))))[0]
    expected = recipe.restore(surroundings(recipe.prepare(array)[None])[0], (24, 36))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    asked = ByColour(LABELS)
    list(slide(images(array, target=recipe.resized), asked, Sliding((6, 6), overlap=0.0)))
    assert {shape[1:3] for shape in asked.asked} == {(6, 6)}
    assert sum(shape[0] for shape in asked.asked) == 2 * 3


def test_where_there_is_no_data_nothing_is_known() -> None:
    opaque = np.random.default_rng(0).random((30, 40)) < 0.8
    found = whole(slide(images(noise(30, 40), opaque=opaque), Plain(LABELS, surroundings), Sliding((16, 16))))[0]
    assert (found.sum(axis=0) > 0).tolist() == opaque.tolist()


def test_a_image_that_cannot_be_read_stops_no_other() -> None:
    class Broken(WholeRaster):
        def read(self, window: Window | None = None) -> Any:
            if window is not None and window.y > 0:
                raise DataError(Problem("image.unreadable", "cut off", file="b"))
            return super().read(window)

    @contextmanager
    def opened() -> Any:
        yield Broken(noise(30, 16))

    good = images(noise(16, 16), noise(16, 16, 1))
    parts = list(slide([good[0], Input(7, opened), good[1]], Plain(LABELS, surroundings), Sliding((16, 16))))
    assert [part.key for part in parts if isinstance(part, Failed)] == [7]
    assert [part.key for part in parts if isinstance(part, Band)].count(1) == 1
    assert parts[-1].key == 1


def test_rows_are_read_forwards_and_once() -> None:
    reads: list[Window] = []

    class Watched(WholeRaster):
        def read(self, window: Window | None = None) -> Any:
            assert window is not None
            reads.append(window)
            return super().read(window)

    array = noise(100, 30)
    rows = Downwards(Watched(array).read, 0, 30)
    for window in Sliding((24, 16), 0.5).windows((100, 30), (100, 30)):
        np.testing.assert_array_equal(rows.read(window), array[window.slices])
    assert sum(window.height for window in reads) == 100
    assert [window.y for window in reads] == sorted(window.y for window in reads)


class Endless:
    """A raster of any height that is never in memory."""

    def __init__(self, height: int) -> None:
        self.height, self.width, self.bands, self.dtype = height, 64, 3, np.dtype(np.uint8)
        self.geo, self.blocked = Geo(), True

    def read(self, window: Window | None = None) -> Any:
        assert window is not None
        return np.broadcast_to(
            (np.arange(window.y, window.bottom) % 256)[:, None, None], (window.height, 64, 3)
        ).astype(np.uint8)

    def valid(self, window: Window, values: Any) -> None:
        return None


def test_memory_does_not_grow_with_the_height() -> None:
    peaks = []
    model = Plain(LABELS, lambda images: softmax(images.transpose(0, 3, 1, 2) / 32.0))
    for height in (1_000, 1_000, 12_000):  # the first warms up

        @contextmanager
        def opened(height: int = height) -> Any:
            yield Endless(height)

        tracemalloc.start()
        rows = sum(
            band.probs.shape[1]
            for band in slide([Input(0, opened)], model, Sliding((128, 64)))
            if isinstance(band, Band)
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rows == height
    assert peaks[2] < 1.2 * peaks[1]


def test_what_is_no_predictor_is_told() -> None:
    array = noise(16, 16)
    for function, message in (
        (
            lambda images: np.zeros((1, 2, 16, 16)),
            r"an array of \(1, 2, 16, 16\) where it should be .* = \(1, 3, 16, 16\)",
        ),
        (lambda images: np.full((1, 3, 16, 16), np.nan), "gives NaN or infinity"),
    ):
        with pytest.raises(OptionError, match=message):
            list(slide(images(array), Plain(LABELS, function), Sliding()))


def test_options_that_cannot_be() -> None:
    for options in (
        {"size": (0, 5)}, {"overlap": 1.0}, {"overlap": -0.1}, {"blend": "x"}, {"batch": 0}, {"flips": ("z",)},
        {"scales": ()}, {"scales": (0.0,)},
    ):  # fmt: skip
        with pytest.raises(OptionError):
            list(slide([], ByColour(LABELS), Sliding(**options)))  # type: ignore[arg-type]


def test_the_next_is_made_in_another_thread_and_its_errors_come_through() -> None:
    def numbers() -> Any:
        yield threading.current_thread()
        yield threading.current_thread()
        raise KeyError("x")

    got: list[threading.Thread] = []
    with pytest.raises(KeyError):
        got.extend(ahead(numbers()))
    assert len(got) == 2
    assert threading.current_thread() not in got


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.full((len(x), 3, *x.shape[1:3]), 2.0), "values from 2 on that sum to 6 .* sum to 1: .* softmax"),
        (lambda x: np.full((len(x), 3, *x.shape[1:3]), 0.9 / 3), r"sum to 0.9 "),
        (lambda x: np.stack([x[..., 0] * 0 + v for v in (-1.0, 0.5, 1.5)], 1), "values from -1 on that sum to 1 "),
        (lambda x: x.transpose(0, 3, 1, 2) * np.nan, "NaN or infinity"),
        (lambda x: x.transpose(0, 3, 1, 2) / 0.0, "NaN or infinity"),
        (lambda x: np.zeros((len(x), 4, *x.shape[1:3])), r"an array of \(1, 4, 8, 8\)"),
    ],
)
def test_what_is_no_probability_is_refused(function: Any, message: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(OptionError, match=message):
        list(slide(images(noise(8, 8)), Plain(LABELS, function), Sliding((8, 8))))


@pytest.mark.torch
@pytest.mark.parametrize("classes", [2, 19, 1000])
def test_probabilities_of_half_precision_will_do(classes: int) -> None:
    torch = pytest.importorskip("torch")
    labels = Labels.of([str(i) for i in range(classes)])
    for kind in (torch.float16, torch.bfloat16):
        logits = torch.randn((1, classes, 8, 8), generator=torch.Generator().manual_seed(0)) * 4
        said = logits.to(kind).softmax(1).float().numpy()
        list(slide(images(noise(8, 8)), Plain(labels, lambda x, said=said: said), Sliding((8, 8))))


@pytest.mark.parametrize(
    "error",
    [MemoryError("Unable to allocate 9 GiB"), RuntimeError("std::bad_alloc"), RuntimeError("CUDA out of memory.")],
)
def test_want_of_memory_names_the_options(error: Exception) -> None:
    def full(images: Any) -> Any:
        raise error

    sliding = Sliding((8, 16), batch=3, scales=(1.0, 2.0))
    with pytest.raises(
        SegdataError, match=r"out of memory .* 3 windows at once of up to 8 x 16, times 2, .*--batch, --size"
    ):
        list(slide(images(noise(8, 8)), Plain(LABELS, full), sliding))


def test_windows_outside_of_the_area_are_not_predicted() -> None:
    """And what is inside is the same as without an area."""
    values = noise(100, 200)
    ring = [[110, 40], [150, 45], [130, 90], [110, 40]]
    area = AreaOfImage([{"type": "Polygon", "coordinates": [ring]}])
    sliding = Sliding((32, 32), 0.25, batch=3)
    asked: list[int] = []

    def counted(windows: Any) -> Any:
        asked.append(len(windows))
        return surroundings(windows)

    def rows(areas: Any, function: Any) -> list[np.ndarray]:
        inputs = [replace(images(values)[0], key=i, area=one) for i, one in enumerate(areas)]
        return whole(slide(inputs, Plain(Labels.of(["a", "b", "c"]), function), sliding), len(areas))

    (everywhere,) = rows([None], surroundings)
    areas = [lambda geo, size: area, lambda geo, size: AreaOfImage([]), lambda geo, size: area]
    first, none, last = rows(areas, counted)
    inside = area.inside(Window(0, 0, 100, 200))
    windows = [w for w in sliding.windows((100, 200), (100, 200)) if inside[w.slices].any()]
    assert sum(asked) == 2 * len(windows)
    assert none.shape == everywhere.shape
    assert not none.any()
    for found in (first, last):
        np.testing.assert_allclose(found[:, inside], everywhere[:, inside], atol=1e-6)
        assert not found[:, ~inside].any()


def test_memory_does_not_grow_with_what_is_outside_of_the_area() -> None:
    """Rows that no window reaches are one array, given again and again."""
    height, width = 40_000, 64
    values = np.broadcast_to(np.uint8(1), (height, width, 3))
    area = AreaOfImage(
        [{"type": "Polygon", "coordinates": [[[0, height - 9], [60, height - 9], [60, height], [0, height - 9]]]}]
    )
    for one in (area, AreaOfImage([])):
        inputs = [replace(images(values)[0], area=lambda geo, size, one=one: one)]
        model = Plain(
            Labels.of([str(i) for i in range(30)]),
            lambda windows: np.full((len(windows), 30, *windows.shape[1:3]), 1 / 30),
        )
        tracemalloc.start()
        count = sum(band.probs.shape[1] for band in slide(inputs, model, Sliding((64, 64))) if isinstance(band, Band))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == height
        assert peak < 40 * 2**20  # all rows are 307 MB
