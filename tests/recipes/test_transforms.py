"""Transforms: whatever albumentations does, a mask stays a label map, and what cannot be done is said."""

from __future__ import annotations

import inspect
import random
from typing import Any

import numpy as np
import pytest

from recipe_cases import arguments, make_image, mask
from segdata.errors import DataError, OptionError
from segdata.recipes.presets import PRESETS
from segdata.recipes.recipe import Recipe
from segdata.recipes.transform_tables import BANDS, GROUPS, REFUSED, RESIZING
from segdata.recipes.transforms import Transforms, names, parse_step

albumentations = pytest.importorskip("albumentations")
import cv2  # noqa: E402

cv2.setNumThreads(1)


def made(*entries: Any, ignore: int = 255, span: tuple[float, float] | None = None) -> Transforms:
    return Transforms([parse_step(e, f"r.yaml: transforms[{i}]") for i, e in enumerate(entries)], ignore, span)


def parameters(name: str) -> list[str]:
    return list(inspect.signature(getattr(albumentations, name).__init__).parameters)


def touches_masks(name: str) -> bool:
    return name in GROUPS or issubclass(getattr(albumentations, name), albumentations.DualTransform)


TOUCHING = [name for name in names() if touches_masks(name)]
FILLING = [name for name in TOUCHING if {"fill", "border_mode"} & set(parameters(name))]


def test_every_transform_of_the_library_is_known_or_refused_with_a_reason() -> None:
    base = {"BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D"}
    kinds = {
        n for n in dir(albumentations)
        if isinstance(getattr(albumentations, n), type) and issubclass(getattr(albumentations, n), albumentations.BasicTransform)
    }  # fmt: skip
    assert kinds - base == (set(names()) | set(REFUSED)) - set(GROUPS)
    assert len(TOUCHING) > 40
    assert set(BANDS) <= set(names())
    for name, reason in REFUSED.items():
        with pytest.raises(OptionError, match=rf"transforms\[0\]\.{name}: {reason[:20]}"):
            made(name)


@pytest.mark.parametrize("name", TOUCHING)
@pytest.mark.parametrize(
    ("ignore", "dtype", "values"), [(255, np.uint8, [1, 2, 7, 254]), (65535, np.uint16, [1, 300, 65534])]
)
def test_no_value_comes_into_a_mask_but_ignore(name: str, ignore: int, dtype: Any, values: list[int]) -> None:
    """The sweep: class 0, which albumentations fills with, is not in the masks and must not come in."""
    modes = range(5) if "border_mode" in parameters(name) else [None]
    for mode in modes:
        transforms = made({name: arguments(name, **({} if mode is None else {"border_mode": mode}))}, ignore=ignore)
        for seed in range(3):
            ids = mask(values, dtype, seed=seed)
            image, out = transforms(make_image(), ids, np.random.default_rng(seed))
            assert out.dtype == dtype
            assert out.shape == image.shape[:2]
            assert set(np.unique(out)) <= {*values, ignore}, (mode, seed)


@pytest.mark.parametrize("name", FILLING)
def test_what_a_transform_fills_is_ignore(name: str) -> None:
    """The image carries the mask's values, resampled by nearest: where it was filled with 0, and only there, is ignore."""
    exact = {"interpolation": 0} if "interpolation" in parameters(name) else {}
    transforms = made({name: arguments(name, **exact)})
    filled = 0
    for seed in range(6):
        ids = mask([1, 2, 7, 200], seed=seed)
        image, out = transforms(ids[:, :, None].repeat(3, 2), ids, np.random.default_rng(seed))
        expected = np.where(image[:, :, 0] == 0, 255, image[:, :, 0])
        if name == "PixelDropout":  # noise: the labels stay
            assert np.array_equal(out, ids)
            continue
        assert np.array_equal(out, expected), (seed, (out != expected).sum())
        filled += int((out == 255).sum())
    assert filled > 0 or name in ("PixelDropout", "PiecewiseAffine")  # the latter's corners stay where they are


def test_void_stays_void() -> None:
    ids = mask([255, 3])
    for name in TOUCHING:
        _, out = made({name: arguments(name)})(make_image(), ids, np.random.default_rng(1))
        assert set(np.unique(out)) <= {3, 255}, name


def test_a_null_fill_leaves_the_labels_under_a_hole() -> None:
    ids = mask([1, 2])
    holes = {"num_holes_range": [3, 3], "hole_height_range": [0.3, 0.4], "hole_width_range": [0.3, 0.4], "p": 1.0}
    for fill, kept in ((None, True), ("ignore", False)):
        image, out = made({"CoarseDropout": {**holes, "fill_mask": fill}})(make_image(), ids, np.random.default_rng(0))
        assert (image == 0).all(axis=2).any()
        assert np.array_equal(out, ids) is kept
    assert (made({"CoarseDropout": holes})(make_image(), ids, np.random.default_rng(0))[1] == 255).any()


def test_values_in_arguments_are_class_ids() -> None:
    """A crop that is to have something else than classes 0 and 3, although masks are shown to the library with other values."""
    ids = np.full((96, 100), 3, np.uint8)
    ids[50:53, 60:62] = 0
    ids[10, 20] = 1
    crop = made({"CropNonEmptyMaskIfExists": {"height": 20, "width": 20, "ignore_values": [0, 3], "p": 1.0}})
    assert all((crop(make_image(), ids, np.random.default_rng(s))[1] == 1).any() for s in range(20))


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_bands_and_dtype_or_a_clear_error(name: str, dtype: Any) -> None:
    """What `BANDS` says is what the library does: all else keeps bands and dtype, and leaves its input alone."""
    transforms = made({name: arguments(name)})
    for bands in (1, 3, 4, 6):
        image, ids = make_image(bands, dtype), mask([1, 2, 255])
        before = image.copy(), ids.copy()
        fits = bands in BANDS.get(name, (bands,)) and (name, bands) != ("ChannelDropout", 1)
        if not fits or (name == "SelectiveChannelTransform" and bands < 3):
            with pytest.raises(OptionError, match=rf"r\.yaml: transforms\[0\]\.{name}.*bands"):
                transforms(image, ids, np.random.default_rng(0))
            continue
        out, _ = transforms(image, ids, np.random.default_rng(0))
        assert (out.dtype, out.shape[2]) == (image.dtype, bands)
        assert np.array_equal(image, before[0])
        assert np.array_equal(ids, before[1])


def test_three_of_six_bands_are_the_way_out() -> None:
    image = make_image(6, np.uint16)
    inner = {"transforms": [{"ToGray": {"p": 1.0}}], "channels": [2, 3, 4]}
    out, _ = made({"SelectiveChannelTransform": inner})(image, mask([1]), np.random.default_rng(0))
    assert np.array_equal(out[:, :, [0, 1, 5]], image[:, :, [0, 1, 5]])
    assert np.abs(out[:, :, 2].astype(int) - out[:, :, 4]).max() <= 1
    with pytest.raises(OptionError, match=r"channels: the images have 4 bands, 0 to 3, no 4"):
        made({"SelectiveChannelTransform": inner})(make_image(4), mask([1]), np.random.default_rng(0))


def test_geometry_keeps_sixteen_bit_and_float_values() -> None:
    flip = {"HorizontalFlip": {"p": 1.0}}
    rng = np.random.default_rng(0)
    for image in (rng.integers(0, 65536, (96, 100, 5), np.uint16), rng.normal(0, 900, (96, 100, 2)).astype(np.float32)):
        out, _ = made(flip)(image, mask([1]), rng)
        assert np.array_equal(out, image[:, ::-1])
    sixteen = rng.integers(0, 65536, (96, 100, 5), np.uint16)  # through 0..1 and back
    assert np.array_equal(made(flip, {"InvertImg": {"p": 0.0}})(sixteen, mask([1]), rng)[0], sixteen[:, ::-1])


def test_pixel_values_beyond_the_span_are_refused_with_the_way_out() -> None:
    heights = np.random.default_rng(0).uniform(-20, 3000, (96, 100, 1)).astype(np.float32)
    with pytest.raises(DataError, match=r"pixels of -.* to 2999.*RandomGamma takes float32 of 0 to 1.*span"):
        made("HorizontalFlip", {"RandomGamma": {"p": 1.0}})(heights, mask([1]), np.random.default_rng(0))
    heights[:50, :50] = np.nan
    invert = made({"InvertImg": {"p": 1.0}}, span=(-20, 3000))
    assert np.allclose(
        invert(heights, mask([1]), np.random.default_rng(0))[0], 2980 - heights, atol=1e-2, equal_nan=True
    )


@pytest.mark.parametrize("name", RESIZING)
def test_masks_lie_under_images_that_are_resized(name: str) -> None:
    """The image is made of the mask: where it is sure, the mask agrees, also when told what OpenCV calls nearest."""
    ids = mask([1, 2], size=(96, 100)).repeat(3, 0).repeat(3, 1)
    image = ((ids == 2) * 255).astype(np.uint8)[:, :, None].repeat(3, 2)
    for told in ({}, {"mask_interpolation": "cv2.INTER_NEAREST"}):
        for seed in range(8):
            seen, out = made({name: arguments(name, **told)})(image, ids, np.random.default_rng(seed))
            sure = (np.abs(seen[:, :, 0].astype(int) - 127) > 110) & (out != 255)
            assert sure.mean() > 0.3
            assert np.array_equal(out[sure] == 2, seen[:, :, 0][sure] > 127)


def test_transforms_draw_independently() -> None:
    """Seeding each transform alike, as the library does, would mirror both ways or neither."""
    both = made({"HorizontalFlip": {"p": 0.5}}, {"VerticalFlip": {"p": 0.5}})
    image, ids = make_image(), mask([1])
    ways = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
    seen = [0, 0, 0, 0]
    for seed in range(200):
        out = both(image, ids, np.random.default_rng(seed))[0]
        seen[[np.array_equal(out, way) for way in ways].index(True)] += 1
    assert min(seen) > 25


@pytest.mark.parametrize("name", names())
def test_the_same_generator_gives_the_same_result(name: str) -> None:
    """No transform draws from a global stream or remembers the call before."""
    transforms, image, ids = made({name: arguments(name)}), make_image(), mask([1, 2])
    first = transforms(image, ids, np.random.default_rng(5))
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    cv2.setRNGSeed(77)
    transforms(image, ids, np.random.default_rng(6))
    for other in (transforms, made({name: arguments(name)})):
        again = other(image, ids, np.random.default_rng(5))
        assert np.array_equal(first[0], again[0])
        assert np.array_equal(first[1], again[1])


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"Afine": {}}, r"r\.yaml: transforms\[0\]\.Afine: no such transform: did you mean Affine\?"),
        ("Affin", r"did you mean Affine"),
        ({"Affine": {"rotat": 3}}, r"\.Affine\.rotat: no such argument: did you mean rotate\?"),
        ({"Affine": {"rotate": "x"}}, r"\.Affine: rotate"),
        ({"RandomCrop": {}}, r"\.RandomCrop: height: Field required; width: Field required"),
        ({"Affine": {"fill_mask": 0}}, r"fill_mask: masks are always filled with ignore"),
        ({"PixelDropout": {"mask_drop_value": 3}}, r"mask_drop_value: masks are always filled with ignore"),
        ({"Affine": {"mask_interpolation": 1}}, r"always resampled by nearest"),
        ({"Resize": {"height": 9, "width": 9, "area_for_downscale": "image_mask"}}, r"by nearest: write image"),
        ({"Affine": {"interpolation": "cv2.INTER_CUBC"}}, r"no constant .*did you mean cv2\.INTER_CUBIC"),
        ({"Affine": {"interpolation": "cv2.imread"}}, r"no constant"),
        ({"Affine": {"interpolation": 99}}, r"interpolation: Input should be 0, 1"),
        ({"HorizontalFlip": {"p": 3}}, r"\.p: must be a number from 0 to 1, not 3"),
        ({"OneOf": {"transforms": ["Blur"], "p": "half"}}, r"\.OneOf\.p: must be a number"),
        ({"OneOf": {"transforms": [{"Blur": {"p": 0}}]}}, r"\.OneOf: "),
        ({"OneOf": {"transforms": ["Blur", {"Blur": {"blur": 1}}]}}, r"\.OneOf\.transforms\[1\]\.Blur\.blur: no such argument"),
        ({"OneOf": {}}, r"\.OneOf\.transforms: must be a list"),
        ({"OneOf": {"transforms": []}}, r"\.OneOf\.transforms: must be a list"),
        ({"A": {}, "B": {}}, r"is no transform: write"),
        ({"Blur": [3]}, r"is no transform: write"),
        (3, r"is no transform: write"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(entry: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        made(entry)


def test_arguments_may_name_opencvs_constants() -> None:
    resize = {"height": 50, "width": 60, "mask_interpolation": "cv2.INTER_NEAREST"}
    for name, value in (("cv2.INTER_AREA", cv2.INTER_AREA), ("cv2.INTER_CUBIC", cv2.INTER_CUBIC)):
        image, _ = made({"Resize": {**resize, "interpolation": name}})(
            make_image(), mask([1]), np.random.default_rng(0)
        )
        assert np.array_equal(image, cv2.resize(make_image(), (60, 50), interpolation=value))


def test_a_image_too_small_for_a_crop_names_the_transform() -> None:
    with pytest.raises(
        OptionError, match=r"RandomCrop: cannot be applied to an image of 100 x 96 of 3 bands uint8: .*"
    ):
        made({"RandomCrop": {"height": 200, "width": 200}})(make_image(), mask([1]), np.random.default_rng(0))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 40), (7, 1), (2, 2)])
def test_presets_take_images_of_one_row_or_column(name: str, size: tuple[int, int]) -> None:
    augment = Recipe.read(name).augment(255, classes=["a", "b"])
    image = np.full((*size, 3), 77, np.uint8)
    for index in range(80):
        pixels, ids = augment(image, np.zeros(size, np.uint8), (1, 2, index))
        assert pixels.shape == (*ids.shape, 3)
        assert sorted(ids.shape) == sorted(size)
        assert set(np.unique(ids)) <= {0, 255}


def test_a_mask_of_another_kind_than_the_contract_is_refused() -> None:
    with pytest.raises(OptionError, match="a mask of int64: with 255 as ignore it must be uint8"):
        made("HorizontalFlip")(make_image(), mask([1], np.int64), np.random.default_rng(0))
