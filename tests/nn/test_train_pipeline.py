"""What training sees is what preview shows and write writes, however samples are read: the same seed, epoch and sample number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

import cv2  # noqa: E402
import rasterio  # noqa: E402

import segdata  # noqa: E402
from segdata.dataset.dataset import Dataset  # noqa: E402
from segdata.dataset.sample import Sample  # noqa: E402
from segdata.executors.run import Run  # noqa: E402
from segdata.labels import Labels  # noqa: E402
from segdata.nn import data  # noqa: E402
from segdata.nn.cache import by_windows  # noqa: E402
from segdata.nn.distributed import World  # noqa: E402
from segdata.nn.options import Training  # noqa: E402
from segdata.nn.step import step_batches  # noqa: E402
from segdata.nn.task import prepare  # noqa: E402
from segdata.ops.augment import sheet  # noqa: E402
from segdata.ops.augment.operation import augment  # noqa: E402
from segdata.recipes.presets import PRESETS  # noqa: E402
from segdata.recipes.recipe import Recipe  # noqa: E402
from segdata.windows import Window  # noqa: E402
from train_files import NAMES, QUICK, written  # noqa: E402

HEIGHT, WIDTH, NUMBER, SEED = 40, 300, 4, 11  # wider than a block of the index of classes

CROP = {"size": [24, 32], "class_aware": 0.7, "scale": [0.5, 2.0]}
PASTE = {"p": 0.9, "regions": 2, "classes": ["blue"], "least": 4}
RECIPES: dict[str, dict[str, Any]] = {
    **PRESETS,
    "crops": {"normalise": "none", "crop": CROP, "transforms": ["HorizontalFlip"]},
    "resized crops": {"normalise": "none", "resize": {"short": 30}, "crop": CROP},
    "pasted": {"normalise": "none", "copy_paste": PASTE, "transforms": [{"Affine": {"rotate": [-20, 20], "p": 1.0}}]},
    "all": {"normalise": "none", "resize": {"short": 32}, "crop": CROP, "copy_paste": PASTE, "transforms": ["D4"]},
}

Versions = dict[tuple[str, int], tuple[Any, Any]]
"""Image and mask by sample and epoch."""


def pixels(number: int) -> tuple[Any, Any]:
    """An image and its mask, of which only the first two samples hold the last class."""
    random = np.random.default_rng(number)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for value in (1, 2) if number < 2 else (1,):
        y, x = random.integers(0, HEIGHT - 10), random.integers(0, WIDTH - 10)
        mask[y : y + 9, x : x + 9] = value
    mask[0] = 255
    image = (40 + 70 * np.minimum(mask, 3)[:, :, None] + random.integers(0, 30, (HEIGHT, WIDTH, 3))).astype(np.uint8)
    return image, mask


def as_png(root: Path) -> Dataset:
    return Dataset(root, Labels.of(NAMES), [written(root, f"s{n}", "train", *pixels(n)) for n in range(NUMBER)])


def as_tiff(root: Path) -> Dataset:
    """The same samples in tiled TIFFs, of which windows are read."""
    samples = []
    for sample in as_png(root):
        number = int(sample.id[1:])
        for folder, values in zip(("images", "masks"), pixels(number), strict=True):
            bands = np.atleast_3d(values).transpose(2, 0, 1)
            with rasterio.open(
                root / f"{folder}/{sample.id}.tif", "w", driver="GTiff", height=HEIGHT, width=WIDTH, count=len(bands),
                dtype="uint8", tiled=True, blockxsize=16, blockysize=16, compress="deflate",
                transform=rasterio.Affine(0.5, 0, 9e5, 0, -0.5, 5e6),
            ) as file:  # fmt: skip
                file.write(bands)
        samples.append(msgspec.structs.replace(sample, image=f"images/{sample.id}.tif", mask=f"masks/{sample.id}.tif"))
    return Dataset(root, Labels.of(NAMES), samples)


def as_tiles(root: Path) -> Dataset:
    """The same samples as virtual tiles: windows of one file that holds them all."""
    images, masks = zip(*map(pixels, range(NUMBER)), strict=True)
    whole = written(root, "whole", "train", np.vstack(images), np.vstack(masks))
    samples = []
    for sample in as_png(root):
        window = Window(HEIGHT * int(sample.id[1:]), 0, HEIGHT, WIDTH)
        files = {"image": whole.image, "mask": whole.mask, "sha256": whole.sha256, "parent": "whole"}
        samples.append(msgspec.structs.replace(sample, **files, crop=window, window=window))
    return Dataset(root, Labels.of(NAMES), samples)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """The same samples in files of their own, in tiled TIFFs, and as virtual tiles."""
    made = {}
    for kind, make in (("png", as_png), ("tiff", as_tiff), ("tiles", as_tiles)):
        dataset = make(tmp_path_factory.mktemp(kind))
        Dataset(dataset.root, dataset.labels, dataset.samples, {"tool": "test"}, "copy").save()
        made[kind] = Dataset.open(dataset.root)
    return made


def written_versions(dataset: Dataset, recipe: Recipe, out: Path) -> Versions:
    """What `augment --write 2` writes."""
    made = augment(dataset, out, recipe, versions=2, seed=SEED)
    return {
        (str(s.parent), int(s.id.rpartition("-aug")[2])): (made.read_image(s), made.read_mask(s)) for s in made
    }  # fmt: skip


def shown_versions(dataset: Dataset, recipe: Recipe, out: Path) -> Versions:
    """What `augment --preview` shows of two epochs."""
    seen: list[tuple[Any, Any]] = []
    draw = sheet.panels

    def watch(image: Any, mask: Any, *rest: Any) -> Any:
        seen.append((image, mask))
        return draw(image, mask, *rest)

    ids = [s.id for s in dataset]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheet, "panels", watch)
        sheet.augment_sheet(dataset, out, recipe, seed=SEED, versions=2, samples=ids)
    rows = [seen[i : i + 3] for i in range(0, len(seen), 3)]
    return {(id, epoch): row[1 + epoch] for id, row in zip(ids, rows, strict=True) for epoch in (0, 1)}


def trained_versions(dataset: Dataset, recipe: Recipe, cache: str) -> Versions:
    """What `train` puts into batches in two turns, through its own loader."""
    found = {}
    for key, id, image, mask in trained(dataset, recipe, cache=cache, crops=1 if recipe.crop else None):
        assert dataset.samples[key.sample].id == id
        assert key.crop == 0
        found[id, key.turn] = image, mask
    return found


def trained(
    dataset: Dataset, recipe: Recipe, turns: int = 2, **options: Any
) -> Iterator[tuple[data.Key, str, Any, Any]]:
    chosen = Training.of(
        {
            **QUICK,
            "seed": SEED,
            "recipe": recipe.to_dict(),
            "batch": 1,
            "train_split": "train",
            "val_split": "train",
            **options,
        }
    )
    task = prepare(dataset, chosen, Run())
    here = World(torch.device("cpu"))
    steps = turns * len(task.items)
    for step, (batch,) in enumerate(step_batches(task, here, range(steps))):
        (key,) = task.order.keys(step)
        yield key, batch.ids[0], batch.images[0].numpy(), batch.target[0].numpy()


def same(one: Versions, two: Versions) -> bool:
    return one.keys() == two.keys() and all(
        np.array_equal(a, b) for key in one for a, b in zip(one[key], two[key], strict=True)
    )


@pytest.mark.parametrize("name", RECIPES)
def test_preview_write_and_train_give_the_same_pixels(datasets: dict[str, Dataset], tmp_path: Path, name: str) -> None:
    """Over every way to read a sample: files of their own, windows of tiled TIFFs, virtual tiles, and memory."""
    recipe = Recipe.from_dict(RECIPES[name])
    assert by_windows(datasets["tiff"], recipe) == (recipe.crop is not None)
    expected = written_versions(datasets["png"], recipe, tmp_path / "png")
    assert len(expected) == 2 * NUMBER
    for kind, dataset in datasets.items():
        assert same(expected, written_versions(dataset, recipe, tmp_path / f"w-{kind}")), kind
        assert same(expected, shown_versions(dataset, recipe, tmp_path / f"{kind}.png")), kind
        for cache in ("yes", "no"):
            assert same(expected, trained_versions(dataset, recipe, cache)), (kind, cache)


@pytest.mark.parametrize("sampler", ["uniform", "class_aware"])
def test_crops_of_an_epoch_differ_and_the_first_is_that_of_preview(
    datasets: dict[str, Dataset], tmp_path: Path, sampler: str
) -> None:
    recipe = Recipe.from_dict(RECIPES["all"])
    shown = shown_versions(datasets["png"], recipe, tmp_path / "s.png")
    found: dict[tuple[str, int], list[bytes]] = {}
    for key, id, image, mask in trained(datasets["png"], recipe, crops=5, sampler=sampler):
        seen = found.setdefault((id, key.turn), [])
        assert key.crop == len(seen)
        seen.append(image.tobytes())
        if key.crop == 0:
            assert np.array_equal(image, shown[id, key.turn][0])
            assert np.array_equal(mask, shown[id, key.turn][1])
    assert all(len(set(seen)) == len(seen) for seen in found.values())
    assert sum(map(len, found.values())) == 2 * 5 * NUMBER
    assert sampler != "uniform" or {len(seen) for seen in found.values()} == {5}


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("name", ["resized crops", "all"])
def test_finer_masks_lie_under_images_that_were_reduced_last(
    datasets: dict[str, Dataset], tmp_path: Path, name: str, scale: int
) -> None:
    """They are the version of a recipe that resizes to that many times the size; its image is reduced by areas."""
    recipe = dict(RECIPES[name])
    crop = {**CROP, "size": [side * scale for side in (24, 32)]}
    finer = Recipe.from_dict({**recipe, "resize": {"short": recipe["resize"]["short"] * scale}, "crop": crop})
    expected = written_versions(datasets["png"], finer, tmp_path / "w")
    for kind, cache in (("png", "yes"), ("png", "no"), ("tiff", "no")):
        options = {"cache": cache, "crops": 1, "mask_scale": scale}
        for key, id, image, mask in trained(datasets[kind], Recipe.from_dict(recipe), **options):
            fine_image, fine_mask = expected[id, key.turn]
            np.testing.assert_array_equal(mask, fine_mask)
            height, width = fine_image.shape[0] // scale, fine_image.shape[1] // scale  # a transform may turn it
            reduced = cv2.resize(fine_image, (width, height), interpolation=cv2.INTER_AREA)
            np.testing.assert_array_equal(image, reduced)
            assert {height, width} == {24, 32}


def test_finer_masks_need_images_that_are_resized(datasets: dict[str, Dataset]) -> None:
    with pytest.raises(
        segdata.OptionError, match=r"--mask-scale 2: is for images that are resized, as by --short-side"
    ):
        next(trained(datasets["png"], Recipe.from_dict(RECIPES["crops"]), mask_scale=2))


def test_odd_rows_and_columns_of_a_finer_mask_are_left_out() -> None:
    """A transform may change sizes: image and mask still lie over each other."""
    image = np.arange(7 * 5 * 3, dtype=np.float32).reshape(7, 5, 3)
    mask = np.arange(7 * 5, dtype=np.uint8).reshape(7, 5)
    small, fine = data.reduced(image, mask, 2)
    np.testing.assert_array_equal(small, image[:6, :4].reshape(3, 2, 2, 2, 3).mean(axis=(1, 3)))
    np.testing.assert_array_equal(fine, mask[:6, :4])


def test_training_pastes_rare_classes_from_samples_that_hold_them(datasets: dict[str, Dataset]) -> None:
    """Drawn alike, half of the samples would have nothing to paste."""
    recipe = Recipe.from_dict({"normalise": "none", "copy_paste": {**PASTE, "p": 1.0, "shift": 1.0}})
    masks = [mask for _, id, _, mask in trained(datasets["png"], recipe, turns=8) if id in ("s2", "s3")]
    assert all((mask == 2).any() for mask in masks)
    assert len(masks) == 16


def test_an_image_that_was_replaced_is_refused_however_it_is_read(tmp_path: Path) -> None:
    dataset = as_png(tmp_path / "d")
    other = written(tmp_path / "d", "s1", "train", *(part[:, :200] for part in pixels(1)))
    assert other.size == (HEIGHT, 200)
    Dataset(dataset.root, dataset.labels, dataset.samples, {"tool": "test"}, "copy").save()
    for call in (
        lambda d: augment(d, tmp_path / "w", "none"),
        lambda d: sheet.augment_sheet(d, tmp_path / "s.png", "none"),
        lambda d: data.checked([data.Training(d, Recipe(), 0)[data.Key(0, 1, 0)]]),  # type: ignore[arg-type]
    ):
        with pytest.raises(segdata.DataError, match=r"s1: the image is 200 x 40, in the manifest 300 x 40"):
            list(call(Dataset.open(dataset.root)) or ())


def test_samples_are_plain_values(datasets: dict[str, Dataset]) -> None:
    """All three datasets hold the same samples."""
    for dataset in datasets.values():
        for number, sample in enumerate(dataset):
            assert isinstance(sample, Sample)
            for one, two in zip(pixels(number), (dataset.read_image(sample), dataset.read_mask(sample)), strict=True):
                np.testing.assert_array_equal(one, two)
