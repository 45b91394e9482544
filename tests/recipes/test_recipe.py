"""Recipes: plain data there and back, preprocessing that predict can undo, and one result for one seed."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recipe_cases import make_image, mask
from segdata.errors import DataError, MissingDependency, OptionError
from segdata.executors.run import workers
from segdata.recipes.pixels import Moments
from segdata.recipes.presets import PRESETS
from segdata.recipes.recipe import Recipe
from segdata.recipes.settings import CopyPaste, Crop, Normalise, Resize

yaml = pytest.importorskip("yaml")

numbers = st.floats(-1e6, 1e6, allow_nan=False) | st.integers(-1000, 1000)
plain = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
pixels = st.integers(1, 4096)
spans = st.tuples(st.floats(-1e4, 0), st.floats(1, 1e4))
entries = st.dictionaries(
    st.text(min_size=1, max_size=8), st.dictionaries(st.text(max_size=6), plain, max_size=3), min_size=1, max_size=1
)
recipes = st.builds(
    Recipe,
    resize=st.none()
    | st.builds(Resize, st.sampled_from(["short", "long"]), st.tuples(pixels))
    | st.builds(Resize, st.just("exact"), st.tuples(pixels, pixels)),
    normalise_by=st.sampled_from(["imagenet", "dataset", "none"])
    | st.integers(1, 5).flatmap(
        lambda n: st.builds(
            Normalise, st.tuples(*[st.floats(0, 1)] * n), st.tuples(*[st.floats(1e-3, 1)] * n)
        )
    ),
    span=st.none() | spans,
    crop=st.none()
    | st.builds(
        Crop, st.tuples(pixels, pixels), st.floats(0, 1), st.tuples(st.floats(0.1, 1), st.floats(1, 9))
    ),
    copy_paste=st.none()
    | st.builds(
        CopyPaste, st.floats(0, 1), st.integers(1, 9), st.lists(st.text(max_size=6), max_size=3).map(tuple),
        st.integers(1, 99), st.floats(0, 2),
    ),
    transforms=st.lists(entries, max_size=3).map(tuple),
)  # fmt: skip


@given(recipes)
def test_recipes_go_to_dicts_and_yaml_and_back(recipe: Recipe) -> None:
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


@pytest.mark.torch
@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_whole(name: str, tmp_path: Path) -> None:
    pytest.importorskip("albumentations")
    recipe = Recipe.read(name)
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    assert Recipe.read(tmp_path / "r.yaml") == recipe
    assert recipe.to_dict() == PRESETS[name]
    augmentation = recipe.augment(255)
    for seed in range(4):
        image, ids = augmentation(make_image(), mask([1, 2, 255]), (0, 0, seed))
        assert (image.dtype, ids.dtype) == (np.uint8, np.uint8)
        assert image.shape[:2] == ids.shape
        assert sorted(ids.shape) == [96, 100]
        assert set(np.unique(ids)) <= {1, 2, 255}
    if recipe.normalise_by == "dataset":  # those for images of any kind
        for bands, dtype in ((1, np.uint8), (5, np.uint16), (2, np.float32)):
            image, _ = augmentation(make_image(bands, dtype), mask([1]), (0, 0, 0))
            assert (image.shape[2], image.dtype) == (bands, dtype)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resiz: {short: 3}", r"^r\.yaml: no key 'resiz': did you mean resize\?"),
        ("resize: {shrt: 3}", r"^r\.yaml: resize: no key 'shrt': did you mean short\?"),
        ("resize: {short: 0}", r"resize\.short: must be a whole number of 1 or more, not 0"),
        ("resize: {short: true}", r"resize\.short: must be a whole number"),
        ("resize: {exact: [3, x]}", r"resize\.exact: must be \[height, width\] in pixels"),
        ("resize: {}", r"resize: give one of short, long, exact"),
        ("resize: {short: 3, long: 4}", r"resize: give one of"),
        ("resize: 512", r"resize: must be a mapping with short, long, exact, not 512"),
        ("normalise: imagnet", r"normalise: must be imagenet, dataset, none, or \{mean"),
        ("normalise: [1]", r"normalise: must be imagenet"),
        ("normalise: {mean: [0.5]}", r"normalise\.std: must be a list of numbers, one per band"),
        ("normalise: {mean: [0.5], std: [0]}", r"normalise\.std: .*above 0"),
        ("normalise: {mean: [0.5], std: [1, 1]}", r"normalise: mean has 1 values, std 2"),
        ("span: [3, 1]", r"span: must be \[low, high\]"),
        ("span: [1, 1]", r"span: must be"),
        ("crop: {class_aware: 0.5}", r"crop\.size: must be \[height, width\]"),
        ("crop: {size: 64, class_aware: 2}", r"crop\.class_aware: must be a number from 0 to 1"),
        ("crop: {size: 64, scale: [0, 1]}", r"crop\.scale: must be \[low, high\], both above 0"),
        ("copy_paste: {regions: 0}", r"copy_paste\.regions: must be a whole number"),
        ("copy_paste: {classes: car}", r"copy_paste\.classes: must be a list of names"),
        ("copy_paste: {p: .nan}", r"copy_paste\.p: must be a number"),
        ("transforms: HorizontalFlip", r"transforms: must be a list"),
        ("transforms: [{A: {}, B: {}}]", r"transforms\[0\]: .* is no transform"),
        ("transforms: [HorizontalFlip, {Blur: {p: 2020-01-01}}]", r"transforms\[1\]\.Blur\.p: .* is no plain value"),
        ("transforms: [{Blur: {p: .inf}}]", r"transforms\[0\]\.Blur\.p: inf is no plain value"),
        ("transforms: [{Blur: {3: 1}}]", r"transforms\[0\]\.Blur: the key 3 must be a name"),
        ("- a\n- b", r"^r\.yaml: must be a mapping with resize"),
        ("a: [", r"^r\.yaml: not YAML: .*line 1"),
        ("a: !!python/object/apply:os.system [ls]", r"^r\.yaml: not YAML: .*could not determine a constructor"),
        ("a: 2020-13-45", r"^r\.yaml: not YAML"),
    ],
)
def test_errors_name_the_file_and_the_key(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").write_text(text)
    with pytest.raises(OptionError, match=words):
        Recipe.read("r.yaml")


def test_recipes_that_are_not_there() -> None:
    with pytest.raises(OptionError, match=r"no recipe 'stret': did you mean street\?; or name a \.yaml file"):
        Recipe.read("stret")
    with pytest.raises(OptionError, match=r"nowhere\.yaml: cannot be read: No such file"):
        Recipe.read("nowhere.yaml")


@pytest.mark.torch
def test_the_recipe_in_the_documentation_is_one() -> None:
    pytest.importorskip("albumentations")
    page = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    recipe = Recipe.from_yaml(block)
    recipe.augment(255, classes=("road", "pole", "rider"))
    assert {*recipe.to_dict()} == {"resize", "normalise", "span", "crop", "copy_paste", "transforms", "scaled"}


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "albumentations", None)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingDependency, match=r"needs albumentations: pip install 'segdata\[train\]'"):
        Recipe.read("light").augment(255)
    with pytest.raises(MissingDependency, match=r"need PyYAML: pip install 'segdata\[train\]'"):
        Recipe.from_yaml("a: 3")


def test_an_empty_file_is_the_default_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text("")
    assert Recipe.read(tmp_path / "r.yml") == Recipe() == Recipe.read("none")


@given(pixels, pixels, pixels)
def test_sizes(height: int, width: int, side: int) -> None:
    short, long = (Resize(k, (side,)).target(height, width) for k in ("short", "long"))  # type: ignore[arg-type]
    assert min(short) == side or min(height, width) * max(height, width) < min(height, width)
    assert max(long) == side
    for made in (short, long):
        ratio = made[0] * width / (made[1] * height)
        assert abs(ratio - 1) <= 1 / min(made) or min(made) == 1
    assert Resize("exact", (7, 9)).target(height, width) == (7, 9)


@pytest.mark.parametrize("bands", [1, 3, 4, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_shrinking_takes_the_mean_of_the_area(bands: int, dtype: Any) -> None:
    image = make_image(bands, dtype, (60, 90))
    made = Recipe(Resize("exact", (20, 30))).prepare(image)
    mean = image.astype(np.float64).reshape(20, 3, 30, 3, bands).mean(axis=(1, 3))
    assert made.dtype == dtype
    assert np.abs(made - mean).max() <= (1e-6 if dtype == np.float32 else 0.51)


@settings(max_examples=60)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([np.uint8, np.uint16]),
)
def test_masks_take_the_value_at_the_centre(h: int, w: int, height: int, width: int, dtype: Any) -> None:
    ids = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (h, w), dtype, endpoint=True)
    made = Recipe(Resize("exact", (height, width))).prepare_mask(ids)
    rows = np.floor((np.arange(height) + 0.5) * h / height).astype(int)
    columns = np.floor((np.arange(width) + 0.5) * w / width).astype(int)
    away = (made != ids[rows][:, columns]).sum()
    if height % 2 and width % 2 and h % 2 and w % 2:  # no centre lies between two pixels
        assert away == 0
    assert set(np.unique(made)) <= set(np.unique(ids))
    assert Recipe().restore_mask(made, (h, w)).shape == (h, w)


def test_masks_lie_under_images() -> None:
    """An image of its own mask, resized: the mask is where the image is."""
    ids = np.zeros((480, 640), np.uint8)
    ids[100:300, 200:500] = 1
    for size in ((240, 320), (100, 133), (700, 900)):
        recipe = Recipe(Resize("exact", size))
        image = recipe.prepare((ids * 255)[:, :, None])
        made = recipe.prepare_mask(ids)
        sure = np.abs(image[:, :, 0].astype(int) - 127) > 100
        assert np.array_equal(made[sure], (image[:, :, 0] > 127)[sure])


def test_scores_go_back_to_the_sources_size() -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(6), (30, 40)).transpose(2, 0, 1).astype(np.float32)
    made = Recipe().restore(scores, (71, 93))
    assert made.shape == (6, 71, 93)
    assert np.allclose(made.sum(axis=0), 1, atol=1e-5)
    for plane, back in zip(scores, made, strict=True):
        pillow = Image.fromarray(plane).resize((93, 71), Image.Resampling.BILINEAR)
        assert np.allclose(np.asarray(pillow), back, atol=1e-5)
    assert Recipe().restore(scores, (30, 40)) is scores


@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize(
    ("dtype", "span"), [(np.uint8, None), (np.uint16, None), (np.uint16, (100, 4095)), (np.float32, None)]
)
def test_normalising_is_the_formula(bands: int, dtype: Any, span: Any) -> None:
    image = make_image(bands, dtype)
    low, high = span or {"u": (0, np.iinfo(dtype).max if dtype != np.float32 else 1), "f": (0, 1)}[np.dtype(dtype).kind]
    unit = (image.astype(np.float64) - low) / (high - low)
    mean, std = tuple(np.linspace(0.1, 0.6, bands)), tuple(np.linspace(0.2, 0.5, bands))
    made = Recipe(normalise_by="dataset", span=span).with_statistics(mean, std).normalise(image)
    assert (made.dtype, made.shape, made.flags["C_CONTIGUOUS"]) == (np.float32, (bands, 96, 100), True)
    assert np.allclose(made, ((unit - mean) / std).transpose(2, 0, 1), rtol=1e-4, atol=1e-4)
    assert np.allclose(Recipe(normalise_by="none", span=span).normalise(image), unit.transpose(2, 0, 1), atol=1e-5)


def test_normalising_needs_what_it_needs() -> None:
    with pytest.raises(OptionError, match=r"recipe: normalise: the dataset's mean and std are not known yet"):
        Recipe(normalise_by="dataset").normalise(make_image())
    with pytest.raises(
        OptionError, match=r"ImageNet's mean and std are of RGB, the image has 4 bands.*normalise: dataset"
    ):
        Recipe().normalise(make_image(4))
    with pytest.raises(OptionError, match=r"mean and std are of 2 bands, the image has 3"):
        Recipe(normalise_by=Normalise((0.5, 0.5), (1.0, 1.0))).normalise(make_image())
    with pytest.raises(DataError, match=r"dtype int64: must be \(H, W, bands\) uint8, uint16, float32"):
        Recipe().normalise(make_image().astype(np.int64))
    assert Recipe().with_statistics([1], [1]) == Recipe()


def test_pixels_without_a_value_become_the_mean() -> None:
    image = make_image(2, np.float32)
    image[3, 4, 1] = np.nan
    made = Recipe(normalise_by=Normalise((0.3, 0.4), (0.1, 0.2))).normalise(image)
    assert made[1, 3, 4] == 0
    assert np.isfinite(made).all()


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([np.uint8, np.uint16, np.float32]), st.integers(1, 5))
def test_moments_add_up(seed: int, dtype: Any, bands: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [make_image(bands, dtype, tuple(rng.integers(1, 20, 2)), seed + i) for i in range(4)]
    if dtype == np.float32:
        parts[1][0, 0, 0] = np.nan
    summed = sum((Moments.of(p) for p in parts[1:]), Moments.of(parts[0]))
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    whole = np.concatenate([p.reshape(-1, bands) / top for p in parts])
    assert np.allclose(summed.mean, np.nanmean(whole, axis=0), atol=1e-6)
    assert np.allclose(summed.std, np.nanstd(whole, axis=0), atol=1e-6)
    assert Moments.of(np.full((3, 3, 1), 7, np.uint8)).std.tolist() == [1]


FULL = {
    "resize": {"short": 80},
    "normalise": "imagenet",
    "crop": {"size": [48, 56], "class_aware": 0.5, "scale": [0.5, 2.0]},
    "copy_paste": {"p": 0.7, "classes": ["b"]},
    "transforms": PRESETS["strong"]["transforms"],
}


def other(rng: np.random.Generator) -> Any:
    seed = int(rng.integers(1000))
    return make_image(seed=seed), mask([0, 1, 2], seed=seed)


def run_index(index: int) -> bytes:
    augmentation = Recipe.from_dict(FULL).augment(255, classes=("a", "b", "c"))
    return result(augmentation, index)


def result(augmentation: Any, index: int) -> bytes:
    image, ids = augmentation(make_image(seed=index), mask([0, 1, 2, 255], seed=index), (3, 1, index), other)
    return bytes(image.tobytes() + ids.tobytes())


@pytest.mark.process
def test_one_seed_one_result_in_any_order_thread_or_process() -> None:
    pytest.importorskip("albumentations")
    augmentation = Recipe.from_dict(FULL).augment(255, classes=("a", "b", "c"))
    expected = [result(augmentation, i) for i in range(24)]
    assert len(set(expected)) == 24
    backwards = [result(augmentation, i) for i in reversed(range(24))][::-1]
    assert backwards == expected
    copied = pickle.loads(pickle.dumps(augmentation))
    assert [result(copied, i) for i in range(24)] == expected
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda i: result(augmentation, i), range(24))) == expected
    with workers(2) as executor:
        assert executor is not None
        assert list(executor.map(run_index, range(6))) == expected[:6]


@pytest.mark.torch
def test_seed_epoch_and_index_each_change_the_result() -> None:
    pytest.importorskip("albumentations")
    augmentation = Recipe.read("standard").augment(255)
    image, ids = make_image(), mask([1, 2])
    seeds = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)]
    assert len({augmentation(image, ids, s)[0].tobytes() for s in seeds}) == len(seeds)
    with pytest.raises(OptionError, match="0 or more"):
        augmentation(image, ids, (0, -1, 0))


def test_crops_have_their_size_and_lie_in_the_image() -> None:
    """Without zoom or resize a crop is a part of the image; what the image lacks is 0 and ignore at bottom and right."""
    image, ids = make_image(), mask([0, 1])
    for size in ((32, 40), (96, 100), (120, 40), (130, 140)):
        augmentation = Recipe(crop=Crop(size)).augment(255)
        for seed in range(5):
            cut, under = augmentation(image, ids, (0, 0, seed))
            assert cut.shape == (*size, 3)
            assert under.shape == size
            h, w = min(size[0], 96), min(size[1], 100)
            inside = [
                (y, x) for y in range(96 - h + 1) for x in range(100 - w + 1)
                if np.array_equal(cut[0, 0], image[y, x]) and np.array_equal(cut[:h, :w], image[y : y + h, x : x + w])
            ]  # fmt: skip
            assert len(inside) == 1
            ((y, x),) = inside
            assert np.array_equal(under[:h, :w], ids[y : y + h, x : x + w])
            assert (under[h:] == 255).all()
            assert (under[:, w:] == 255).all()
            assert (cut[h:] == 0).all()
            assert (cut[:, w:] == 0).all()


def test_a_window_read_elsewhere_gives_the_same_crop() -> None:
    """What training does with images too large to read: `window`, then its pixels alone."""
    recipe = Recipe(Resize("short", (64,)), crop=Crop((32, 40), scale=(0.5, 2.0)))
    augmentation, image, ids = recipe.augment(255), make_image(), mask([0, 1, 2])
    for seed in range(20):
        rng = np.random.default_rng(seed)
        h, w = recipe.window(96, 100, rng)
        assert 32 * 1.5 / 2 - 1 <= h <= 32 * 1.5 * 2 + 1
        y, x = int(rng.integers(max(96 - h, 0) + 1)), int(rng.integers(max(100 - w, 0) + 1))
        cut, under = augmentation(image[y : y + h, x : x + w], ids[y : y + h, x : x + w], (0, 0, seed), window=(h, w))
        assert (cut.shape, under.shape) == ((32, 40, 3), (32, 40))
        assert set(np.unique(under)) <= {0, 1, 2, *([255] if h > 96 or w > 100 else [])}
    with pytest.raises(OptionError, match=r"recipe: crop: is not given"):
        Recipe().window(3, 3, np.random.default_rng(0))


def test_class_aware_crops_show_the_rare_class() -> None:
    ids = np.zeros((400, 400), np.uint8)
    ids[390:394, 5:9] = 1
    image = make_image(size=(400, 400))

    def seen(share: float) -> int:
        augmentation = Recipe(crop=Crop((40, 40), class_aware=share)).augment(255, weights=[1.0, 1.0])
        return sum(1 in augmentation(image, ids, (0, 0, i))[1] for i in range(60))

    assert seen(0.0) < 6 < 15 < seen(1.0) < 50  # of 60: with equal weights half of the draws


def test_pasting_asks_for_another_sample_only_when_drawn() -> None:
    asked = []

    def ask(rng: np.random.Generator) -> Any:
        asked.append(1)
        return make_image(seed=9), mask([1], seed=9)

    augmentation = Recipe(copy_paste=CopyPaste(p=0.3)).augment(255)
    image, ids = make_image(), mask([0])
    changed = sum(bool(augmentation(image, ids, (0, 0, i), ask)[1].any()) for i in range(100))
    assert changed == len(asked)
    assert 15 < changed < 45
    assert not augmentation(image, ids, (0, 0, 0))[1].any()
    with pytest.raises(OptionError, match=r"recipe: copy_paste\.classes: no class 'carr': did you mean car"):
        Recipe(copy_paste=CopyPaste(classes=("carr",))).augment(255, classes=("road", "car"))


def test_what_augmentation_refuses() -> None:
    augmentation = Recipe().augment(255)
    with pytest.raises(DataError, match="the mask is 100 x 95, the image 100 x 96"):
        augmentation(make_image(), mask([1])[:95], (0, 0, 0))
    with pytest.raises(DataError, match=r"must be \(H, W, bands\)"):
        augmentation(make_image()[:, :, 0], mask([1]), (0, 0, 0))
    with pytest.raises(OptionError, match="weights must be finite"):
        Recipe().augment(255, weights=[1, np.inf])


@pytest.mark.process
def test_preprocessing_needs_no_albumentations() -> None:
    """A predictor reads a recipe of transforms that it never makes; and the import looks for no new version."""
    code = (
        "import sys; from segdata.recipes.recipe import Recipe; r = Recipe.read('strong'); Recipe().augment(255)\n"
        "assert 'albumentations' not in sys.modules and 'yaml' not in sys.modules\n"
        "import os; os.environ.pop('NO_ALBUMENTATIONS_UPDATE', None); r.augment(255)\n"
        "assert os.environ['NO_ALBUMENTATIONS_UPDATE'] == '1'"
    )
    pytest.importorskip("albumentations")
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_presets_fit_any_bands(name: str, bands: int, dtype: Any) -> None:
    """What needs colour is left out, which is said; every version of an image can be made."""
    recipe, told = Recipe.read(name).for_bands(bands)
    image, ids = make_image(bands, dtype), mask([1, 2, 255])
    for turn in range(4):
        out, _ = recipe.augment(255)(image, ids, (0, turn, 0, 0))
        assert (out.shape[2], out.dtype) == (bands, dtype)
    ready = recipe.with_statistics([0.5] * bands, [0.2] * bands)
    assert ready.normalise(image).shape[0] == bands
    changed = recipe != Recipe.read(name)
    assert changed == (told is not None)
    assert not changed or bands != 3
    if told is not None:
        assert told.startswith(f"images of {bands} bands: the preset {name} ")
        assert ("ColorJitter" in told) == (bands in (2, 4, 8) and name in ("standard", "strong", "street"))


def test_what_a_person_wrote_is_not_changed() -> None:
    recipe = Recipe.from_dict(PRESETS["standard"], "mine.yaml")
    assert recipe.for_bands(4) == (recipe, None)


@pytest.mark.torch
def test_a_recipe_is_fitted_to_the_type_of_the_images() -> None:
    light = Recipe.read("light")
    assert light.for_values("uint8", False) == (light, None)
    fitted, told = light.for_values("int16", False)
    assert (fitted.span, fitted.normalise_by, fitted.scaled) == ((0.0, 1.0), "dataset", False)
    assert [next(iter(entry)) for entry in fitted.transforms] == ["HorizontalFlip"]
    assert told is not None
    assert "leaves out RandomBrightnessContrast" in told
    own = Recipe.from_dict({"normalise": "dataset", "transforms": ["GaussianBlur"]})
    with pytest.raises(OptionError, match=r"GaussianBlur takes pixels of 0 to 1.*--scale-values LOW,HIGH"):
        own.for_values("int16", False)
    spanned = Recipe.from_dict({"span": [0, 9], "transforms": ["GaussianBlur"]})
    fitted, told = spanned.for_values("uint16", True)
    assert fitted.scaled
    assert fitted.transforms == spanned.transforms
    assert Recipe.from_dict(fitted.to_dict()) == fitted
