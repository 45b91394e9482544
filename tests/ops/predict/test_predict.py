"""Prediction of datasets and folders: the identity model gives the truth back, whatever is between."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from carry_files import make
from predictors import ByColour, Plain, softmax, surroundings
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError, MissingDependency, OptionError, Report
from segdata.executors.run import Run
from segdata.files.gdal import load_rasterio, opened
from segdata.files.images import read_mask
from segdata.files.scores import HALF_STEP, read_scores
from segdata.labels import Labels
from segdata.ops.evaluate.operation import evaluate
from segdata.ops.predict.operation import predict
from segdata.ops.stitch.operation import stitch
from segdata.ops.tile.operation import tile
from segdata.prediction import predictor as predictors
from segdata.prediction.sliding import Input, slide
from segdata.prediction.windows import Sliding
from segdata.windows import Window

NAMES = ("road", "car", "sign")
LABELS = Labels.of(NAMES)


def blobs(count: int, size: tuple[int, int] = (40, 56), seed: int = 0, classes: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    step = 8
    small = [rng.integers(0, classes, (-(-size[0] // step), -(-size[1] // step))) for _ in range(count)]
    return {f"val/{i}": np.kron(s, np.ones((step, step), int))[: size[0], : size[1]] for i, s in enumerate(small)}


def coloured(root: Path, masks: dict[str, np.ndarray], labels: Labels = LABELS, **options: Any) -> Dataset:
    """A dataset whose images show their truth: each pixel in the colour of its class."""
    dataset = make(root, masks, names=labels.names, images="copy", **options)
    for sample in dataset:
        Image.fromarray(labels.palette()[masks[sample.id] % 255]).save(root / str(sample.image))
    return dataset


@pytest.fixture
def truth(tmp_path: Path) -> Dataset:
    return coloured(tmp_path / "truth", blobs(5))


# The identity model


@pytest.mark.parametrize("blend", ["gaussian", "linear", "crop", "none"])
def test_the_truth_comes_back(truth: Dataset, tmp_path: Path, blend: Any) -> None:
    out = predict(ByColour(LABELS), truth, tmp_path / "out", size=(16, 24), overlap=0.4, blend=blend, flips=("x", "y"))
    assert [s.id for s in out] == [s.id for s in truth]
    for mine, theirs in zip(out, truth, strict=True):
        np.testing.assert_array_equal(out.read_mask(mine), truth.read_mask(theirs))
        assert (mine.counts, mine.size, mine.split) == (theirs.counts, theirs.size, theirs.split)
        np.testing.assert_array_equal(out.read_image(mine), truth.read_image(theirs))
    again = Dataset.open(tmp_path / "out")
    assert evaluate(again, truth).to_json()["mean_iou"] == 1.0
    assert not (tmp_path / "out" / "journal.jsonl").exists()
    assert again.made_by["inputs"][0] == {"name": "ByColour", "sha256": None}


def test_tiles_predicted_and_judged_on_the_whole_image(tmp_path: Path) -> None:
    """Tile, predict, stitch, evaluate: exactly 1, against tiles and against whole images."""
    wholes = blobs(2, (48, 64)) | {"val/small": blobs(1, (10, 12))["val/0"]}
    whole = coloured(tmp_path / "whole", wholes)
    masks, fields = {}, {}
    for id, mask in wholes.items():
        for y, x in ((0, 0), (0, 20), (0, 32), (10, 0), (16, 32)) if mask.size > 200 else ((0, 0),):
            window = Window(y, x, min(32, mask.shape[0]), min(32, mask.shape[1]))
            name = f"{id}@{y}_{x}"
            padding = ((0, 32 - window.height), (0, 32 - window.width))
            masks[name] = np.pad(mask[window.slices], padding, constant_values=255)
            fields[name] = {"parent": id, "window": window}
    tiles = coloured(tmp_path / "tiles", masks, fields=fields)
    out = predict(ByColour(LABELS), tiles, tmp_path / "out", size=(20, 20))
    assert [(s.parent, s.window) for s in out] == [(s.parent, s.window) for s in tiles]
    small = out.read_mask(out.sample("val/small@0_0"))
    assert ((small == 255) == (masks["val/small@0_0"] == 255)).all(), "padding is void"
    found = evaluate(out, tiles)
    assert (found.confusion.mean_iou, found.uncovered) == (1.0, 0)
    against = evaluate(out, whole)
    assert against.confusion.mean_iou == 1.0
    assert len(against.images) == 3


def test_virtual_tiles(truth: Dataset, tmp_path: Path) -> None:
    """Cut out of the images as they are read; the prediction's masks are files of their own."""
    crops = [Window(0, 0, 20, 30), Window(20, 26, 20, 30)]
    samples = [
        msgspec.structs.replace(s, id=f"{s.id}@{c.y}", crop=c, window=c, parent=s.id, height=20, width=30)
        for s in truth
        for c in crops
    ]
    virtual = replace(truth, samples=samples)
    out = predict(ByColour(LABELS), virtual, tmp_path / "out")
    for sample, old in zip(out, sorted(samples, key=lambda s: s.id), strict=True):
        np.testing.assert_array_equal(out.read_mask(sample), virtual.read_mask(old))
        assert (sample.image, sample.crop, sample.window) == (None, None, old.window)


def test_many_classes_in_sixteen_bits(tmp_path: Path) -> None:
    names = [f"class {i}" for i in range(300)]
    labels = Labels.of(names)
    mask = np.array([[0, 1, 254, 255, 256, 299]]).repeat(4, axis=0)
    dataset = make(tmp_path / "t", {"a": mask}, names=names, images="copy")
    Image.fromarray(np.stack([mask % 256, mask // 256, mask * 0], axis=2).astype(np.uint8)).save(
        tmp_path / "t/images/a.png"
    )

    def exactly(images: np.ndarray) -> np.ndarray:
        return np.eye(300)[images[..., 0] + 256 * images[..., 1].astype(int)].transpose(0, 3, 1, 2)

    out = predict(Plain(labels, exactly), dataset, tmp_path / "out")
    assert out.read_mask(out.samples[0]).dtype == np.uint16
    assert out.read_mask(out.samples[0]).tolist() == mask.tolist()


# Scores, rejection, uncertainty


def test_scores_are_within_half_a_step(truth: Dataset, tmp_path: Path) -> None:
    model = Plain(LABELS, surroundings)
    out = predict(model, truth, tmp_path / "out", size=(16, 16), scores=True)
    direct = {
        band.key: band.probs
        for sample in truth
        for band in slide([Input(sample.id, lambda s=sample: truth.open_image(s))], model, Sliding((64, 64)))  # type: ignore[misc]
        if hasattr(band, "probs")
    }
    assert len(direct) == len(truth)
    whole = predict(model, truth, tmp_path / "whole", size=(64, 64), scores=True)
    for sample in whole:
        stored = _bands(tmp_path / "whole" / str(sample.scores))
        assert np.abs(stored / 255 - direct[sample.id]).max() <= HALF_STEP + 1e-6
        found = read_scores(tmp_path / "whole" / str(sample.scores))
        assert np.abs(found - direct[sample.id]).max() <= HALF_STEP + 1e-6
    assert out.read_receipt()["scores"] == {"stored": "round(255 p)", "largest_error": HALF_STEP}
    assert evaluate(whole, truth).calibration is not None


def _bands(path: Path) -> np.ndarray:
    with opened(path) as source:
        return np.asarray(source.read())


def test_calibration_comes_from_the_scores(truth: Dataset, tmp_path: Path) -> None:
    """A model that is always right and says 80 %: every pixel in one bin, off by 20 points, overlapping tiles or not."""
    out = predict(ByColour(LABELS, confidence=0.8), truth, tmp_path / "out", scores=True)
    found = evaluate(out, truth)
    assert found.calibration is not None
    assert found.calibration.pixels.sum() == found.confusion.total
    assert found.calibration.ece == pytest.approx(0.2, abs=0.005)
    assert "ECE 2" in CliRunner().invoke(main, ["evaluate", str(out.root), str(truth.root)]).stdout
    whole = truth.samples[0]
    fields = {f"t@{x}": {"parent": whole.id, "window": Window(0, x, 40, 32)} for x in (0, 24)}
    tiles = coloured(
        tmp_path / "tiles", {k: truth.read_mask(whole)[v["window"].slices] for k, v in fields.items()}, fields=fields
    )
    tiled = evaluate(predict(ByColour(LABELS, confidence=0.8), tiles, tmp_path / "o2", scores=True), truth)
    assert tiled.calibration is not None
    assert tiled.calibration.pixels.sum() == 40 * 56, "each pixel of the image once"


def test_what_the_model_is_unsure_of_is_rejected(truth: Dataset, tmp_path: Path) -> None:
    model = Plain(LABELS, surroundings)
    plain = predict(model, truth, tmp_path / "a", size=(64, 64))
    found = predict(model, truth, tmp_path / "b", size=(64, 64), reject_below=0.6)
    for sample in truth:
        probs = surroundings(truth.read_image(sample)[None])[0]
        expected = np.where(probs.max(axis=0) < 0.6, 255, probs.argmax(axis=0))
        np.testing.assert_array_equal(found.read_mask(found.sample(sample.id)), expected)
        np.testing.assert_array_equal(plain.read_mask(plain.sample(sample.id)), probs.argmax(axis=0))
    assert 0 < evaluate(found, truth).confusion.rejected == found.read_receipt()["pixels"]["ignore"]
    everything = predict(ByColour(LABELS, confidence=0.8), truth, tmp_path / "c", reject_below=0.9)
    assert set().union(*(s.counts for s in everything)) == {255}


def test_uncertainty_is_entropy(truth: Dataset, tmp_path: Path) -> None:
    out = predict(Plain(LABELS, surroundings), truth, tmp_path / "out", size=(64, 64), entropy=True)
    for sample in out:
        p = surroundings(truth.read_image(truth.sample(sample.id))[None])[0].astype(float)
        expected = -(p * np.log(p)).sum(axis=0) / np.log(3)
        found = read_mask(out.root / f"entropy/{sample.id}.png")
        assert np.abs(found / 255 - expected).max() <= 0.5 / 255 + 1e-5
    predict(ByColour(LABELS), truth, tmp_path / "out", overwrite=True)
    assert not (out.root / "entropy").exists(), "what --overwrite replaces is all gone"


# Georeferenced and large images


def geotiff(path: Path, values: np.ndarray, **profile: Any) -> None:
    rasterio = load_rasterio()
    path.parent.mkdir(parents=True, exist_ok=True)
    h, w, bands = values.shape
    shift = rasterio.Affine(0.5, 0, 600_000, 0, -0.5, 5_000_000)
    options = {"crs": "EPSG:32633", "transform": shift, "tiled": True, "blockxsize": 64, "blockysize": 64, **profile}
    with rasterio.open(
        path, "w", driver="GTiff", width=w, height=h, count=bands, dtype=values.dtype, **options
    ) as file:
        file.write(values.transpose(2, 0, 1))


def test_geotiff_in_geotiff_out(tmp_path: Path) -> None:
    """Coordinates stay, what has no data is void and never a class, and the mask is tiled."""
    mask = blobs(1, (300, 280))["val/0"]
    values = LABELS.palette()[mask]
    values[100:140, 50:90] = 7
    geotiff(tmp_path / "images/scene.tif", values, nodata=7)
    out = predict(ByColour(LABELS), tmp_path / "images", tmp_path / "out", size=(64, 64), scores=True, entropy=True)
    (sample,) = out
    assert (sample.id, sample.mask, sample.size) == ("scene", "masks/scene.tif", (300, 280))
    mask[100:140, 50:90] = 255
    np.testing.assert_array_equal(out.read_mask(sample), mask)
    assert sample.counts == {int(v): int(n) for v, n in zip(*np.unique(mask, return_counts=True), strict=True)}
    rasterio = load_rasterio()
    for name in ("masks", "scores", "entropy"):
        with (
            rasterio.open(tmp_path / "out" / name / "scene.tif") as file,
            rasterio.open(tmp_path / "images/scene.tif") as source,
        ):
            assert (file.crs, file.transform, file.shape) == (source.crs, source.transform, source.shape)
            assert file.block_shapes[0] == (256, 256)
            assert file.nodata == (255 if name == "masks" else None)


def test_any_bands_and_types_reach_the_model_as_they_are(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 60_000, (30, 40, 5)).astype(np.uint16)
    geotiff(tmp_path / "in/a.tif", values, tiled=False, blockxsize=None, blockysize=None)
    seen = []

    def model(images: np.ndarray) -> np.ndarray:
        seen.append(images)
        return softmax(images[..., :3].transpose(0, 3, 1, 2) / 10_000)

    out = predict(Plain(LABELS, model), tmp_path / "in/a.tif", tmp_path / "out")
    np.testing.assert_array_equal(seen[0][0], values)
    np.testing.assert_array_equal(out.read_mask(out.samples[0]), values[..., :3].argmax(axis=2))


def test_a_large_mask_is_written_as_rows_come(truth: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segdata.ops.predict.write.WHOLE", 100)
    tall = coloured(tmp_path / "tall", blobs(1, (700, 40)))
    out = predict(ByColour(LABELS), tall, tmp_path / "out", size=(64, 64), scores=True, entropy=True)
    assert out.samples[0].mask == "masks/val/0.tif"
    np.testing.assert_array_equal(out.read_mask(out.samples[0]), tall.read_mask(tall.samples[0]))
    assert evaluate(out, tall).calibration is not None


# Folders, contracts, options


def test_a_folder_of_images(truth: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for sample in truth:
        path = folder / f"{sample.id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(truth.read_image(sample)).save(path)
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"")
    out = predict(ByColour(LABELS), folder, tmp_path / "out")
    assert evaluate(out, truth).confusion.mean_iou == 1.0
    Image.fromarray(truth.read_image(truth.samples[0])).save(folder / "val/0.bmp")
    both = predict(ByColour(LABELS), folder, tmp_path / "out2")
    assert {"val/0.png", "val/0.bmp"} < {s.id for s in both}
    for path, message in ((tmp_path / "no", "no such folder or image"), (truth.root / "masks/..", "")):
        if message:
            with pytest.raises(DatasetError, match=message):
                predict(ByColour(LABELS), path, tmp_path / "o")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="is no dataset, and holds no image"):
        predict(ByColour(LABELS), tmp_path / "empty", tmp_path / "o")


def test_images_lie_as_their_orientation_says(tmp_path: Path) -> None:
    pixels = LABELS.palette()[blobs(1, (16, 24))["val/0"]]
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "in").mkdir()
    Image.fromarray(pixels).save(tmp_path / "in/a.png", exif=exif)
    out = predict(ByColour(LABELS), tmp_path / "in", tmp_path / "out")
    assert (out.samples[0].size, out.samples[0].exif) == ((24, 16), "upright")
    np.testing.assert_array_equal(out.labels.palette()[out.read_mask(out.samples[0])], out.read_image(out.samples[0]))


def test_label_contracts_must_agree_or_be_matched(truth: Dataset, tmp_path: Path) -> None:
    turned = Labels.of(("sign", "road", "car"), [LABELS.classes[i].color for i in (2, 0, 1)])
    with pytest.raises(
        DatasetError, match=r"class 0 is 'sign' in the model, 'road' in .*: --match-names maps classes by name"
    ):
        predict(ByColour(turned), truth, tmp_path / "out")
    out = predict(ByColour(turned), truth, tmp_path / "out", match_names=True, scores=True)
    assert evaluate(out, truth).confusion.mean_iou == 1.0
    assert (
        read_scores(out.root / str(out.samples[0].scores)).argmax(axis=0).tolist()
        == out.read_mask(out.samples[0]).tolist()
    )
    more = Labels.of(
        ("sign", "dog", "car", "road"),
        [LABELS.classes[2].color, (1, 2, 3), LABELS.classes[1].color, LABELS.classes[0].color],
    )
    assert evaluate(predict(ByColour(more), truth, tmp_path / "o2", match_names=True), truth).confusion.mean_iou == 1.0
    with pytest.raises(OptionError, match="--scores: the dataset has no class for the model's dog"):
        predict(ByColour(more), truth, tmp_path / "o3", match_names=True, scores=True)
    void = predict(
        Plain(Labels.of(("dog", "car")), lambda im: np.stack([np.ones(im.shape[:3]), np.zeros(im.shape[:3])], 1)),
        truth,
        tmp_path / "o4",
        match_names=True,
    )
    assert set().union(*(s.counts for s in void)) == {255}, "what the dataset has no class for is void"
    with pytest.raises(DatasetError, match="has no class of the model's: cat"):
        predict(ByColour(Labels.of(["cat"])), truth, tmp_path / "o5", match_names=True)


def test_a_split_and_how_images_come_along(tmp_path: Path) -> None:
    both = coloured(tmp_path / "t", blobs(2) | {"train/0": blobs(1, seed=3)["val/0"]})
    for images in ("reference", "link", "copy", "none"):
        out = predict(ByColour(LABELS), both, tmp_path / images, split="train", images=images)
        assert [s.id for s in out] == ["train/0"]
        assert out.images == images
        if images != "none":
            np.testing.assert_array_equal(out.read_image(out.samples[0]), both.read_image(both.sample("train/0")))
    for options in ({"reject_below": 1.5}, {"overlap": 1.0}, {"flips": ("z",)}, {"images": "foo"}):
        with pytest.raises(OptionError):
            predict(ByColour(LABELS), both, tmp_path / "x", **options)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="is the destination and an input"):
        predict(ByColour(LABELS), both, both.root, overwrite=True)


def test_bad_images_stop_or_are_left_out(truth: Dataset, tmp_path: Path) -> None:
    (truth.root / str(truth.samples[2].image)).write_bytes(b"no image")
    with pytest.raises(DataError, match="val/2: cannot be decoded"):
        predict(ByColour(LABELS), truth, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    run = Run(report=Report("skip"))
    out = predict(ByColour(LABELS), truth, tmp_path / "out", run=run)
    assert (len(out), len(run.report.problems)) == (4, 1)
    assert out.read_receipt()["images"] == {"in": 5, "predicted": 4, "skipped": 1}
    assert evaluate(out, truth).missing == ("val/2",)


# Models from files


@dataclass
class Stopping:
    """A model that stops after some calls, as if it were killed."""

    labels: Labels
    calls: int

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if self.calls == 0:
            raise KeyboardInterrupt
        self.calls -= 1
        return ByColour(self.labels)(images)


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Files that end in .toy are models: `load` says which."""
    module = types.ModuleType("toy_loader")
    monkeypatch.setitem(sys.modules, "toy_loader", module)
    monkeypatch.setitem(predictors.LOADERS, ".toy", ("toy_loader", "toys"))
    return module


def test_a_stopped_job_goes_on(truth: Dataset, tmp_path: Path, loader: types.ModuleType) -> None:
    path = tmp_path / "model.toy"
    path.write_text("weights")
    loader.load = lambda file, device, trust_code: Stopping(LABELS, 2)  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        predict(path, truth, tmp_path / "out", batch=1)
    with pytest.raises(DatasetError, match="unfinished"):
        Dataset.open(tmp_path / "out")
    last = Stopping(LABELS, 3)
    loader.load = lambda file, device, trust_code: last  # type: ignore[attr-defined]
    out = predict(path, truth, tmp_path / "out", batch=1)
    assert last.calls == 0, "only the three that were not finished"
    assert evaluate(out, truth).confusion.mean_iou == 1.0
    assert out.made_by["inputs"][0]["name"] == "model.toy"
    loader.load = lambda file, device, trust_code: ByColour(LABELS)  # type: ignore[attr-defined]
    predict(path, truth, tmp_path / "fresh", batch=5)
    assert (tmp_path / "fresh/manifest.jsonl").read_bytes() == (tmp_path / "out/manifest.jsonl").read_bytes()


def test_a_stopped_job_is_not_taken_up_by_another_model(truth: Dataset, tmp_path: Path) -> None:
    """A model that is no file has no name to know it by."""
    with pytest.raises(KeyboardInterrupt):
        predict(Stopping(LABELS, 2), truth, tmp_path / "out", batch=1)
    with pytest.raises(DatasetError, match="holds an unfinished job with other inputs"):
        predict(ByColour(LABELS), truth, tmp_path / "out")
    predict(ByColour(LABELS), truth, tmp_path / "out", overwrite=True)


def test_files_that_are_no_models(tmp_path: Path, loader: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match="there is no such file"):
        predictors.load_predictor(tmp_path / "no.pt")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"its name ends in none of .pt"):
        predictors.load_predictor(tmp_path / "a.txt")
    monkeypatch.setitem(predictors.LOADERS, ".none", ("segdata_not_there", "toys"))
    (tmp_path / "a.none").write_text("x")
    with pytest.raises(MissingDependency, match=r"takes segdata_not_there, .* pip install 'segdata\[toys\]'"):
        predictors.load_predictor(tmp_path / "a.none")


def test_the_command(truth: Dataset, tmp_path: Path, loader: types.ModuleType) -> None:
    path = tmp_path / "model.toy"
    path.write_text("weights")
    devices = []
    loader.load = lambda file, device, trust_code: devices.append(device) or ByColour(LABELS, confidence=0.8)  # type: ignore[attr-defined,func-returns-value]
    out = tmp_path / "out"
    result = CliRunner().invoke(
        main,
        ["predict", str(path), str(truth.root), str(out), "--size", "16x24", "--flip", "x", "--scales", "1,1.5", "--scores",
         "--device", "cuda"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "images: 5 in = 5 predicted + 0 left out" in result.stdout
    assert "off by at most 0.0020" in result.stdout
    assert devices == ["cuda"]
    card = json.loads((out / "dataset.json").read_text())
    assert card["made_by"]["options"]["scales"] == [1.0, 1.5]
    assert card["made_by"]["options"]["size"] == [16, 24]
    bad = CliRunner().invoke(main, ["predict", str(path), str(truth.root), str(out), "--scales", "a"])
    assert bad.exit_code == 2


@pytest.mark.torch
def test_a_checkpoint(tmp_path: Path) -> None:
    """A net trained for a moment: what the command writes is what its predictor says of each image."""
    pytest.importorskip("torch")
    import segdata
    from segdata.nn.predictor import load
    from train_files import QUICK, scenes

    dataset = scenes(tmp_path / "d", train=4, val=2)
    recipe = {"resize": {"short": 16}, "normalise": "none"}
    segdata.train(dataset, tmp_path / "run", **{**QUICK, "epochs": 1, "recipe": recipe})
    checkpoint = next((tmp_path / "run").glob("*.pt"))
    result = CliRunner().invoke(
        main,
        ["predict", str(checkpoint), str(dataset.root), str(tmp_path / "out"), "--split", "val", "--trust-code"],
    )
    assert result.exit_code == 0, result.output
    out, model = Dataset.open(tmp_path / "out"), load(checkpoint, trust_code=True)
    for sample in out:
        image = dataset.read_image(dataset.sample(sample.id))
        probs = model.recipe.restore(model(model.recipe.prepare(image)[None])[0], image.shape[:2])
        np.testing.assert_array_equal(out.read_mask(sample), probs.argmax(axis=0))


@pytest.mark.torch
def test_a_checkpoint_does_not_choose_what_code_is_run(tmp_path: Path) -> None:
    """A stranger's checkpoint may name any function as its model; it is called only where the user says so."""
    pytest.importorskip("torch")
    import segdata
    from segdata.nn.predictor import load
    from train_files import QUICK, scenes

    dataset = scenes(tmp_path / "d", train=4, val=2)
    options = {**QUICK, "epochs": 1}
    segdata.train(dataset, tmp_path / "run", **options)
    with pytest.raises(segdata.DatasetError, match="the code train_files:small: if you trust it, give --trust-code"):
        load(tmp_path / "run" / "last.pt")
    assert load(tmp_path / "run" / "last.pt", trust_code=True).labels.names == dataset.labels.names


def test_samples_keep_what_they_are(tmp_path: Path) -> None:
    dataset = coloured(tmp_path / "t", blobs(1), fields={"val/0": {"group": "g"}})
    (sample,) = predict(ByColour(LABELS), dataset, tmp_path / "out")
    assert isinstance(sample, Sample)
    assert sample.group == "g"


@pytest.mark.parametrize("virtual", [False, True])
def test_tile_predict_stitch_evaluate_is_exactly_one(tmp_path: Path, virtual: bool) -> None:
    """The whole way by the operations themselves, with overlap, padding and void: masks, scores and calibration too."""
    masks = blobs(2, (50, 70)) | {"val/small": blobs(1, (10, 12), seed=4)["val/0"]}
    whole = coloured(tmp_path / "whole", masks)
    cut = tile(whole, tmp_path / "tiles", size=32, overlap=(10, 12), virtual=virtual)
    out = predict(ByColour(LABELS), cut, tmp_path / "out", size=(20, 20), scores=True)
    put = stitch(out, tmp_path / "put", of=whole)
    for judged, against in ((out, cut), (out, whole), (put, whole)):
        found = evaluate(judged, against)
        assert (found.confusion.mean_iou, found.missing, found.uncovered) == (1.0, (), 0)
        assert found.confusion.total == sum(mask.size for mask in masks.values()), "each source pixel once"
        assert found.calibration is not None
        assert found.calibration.pixels.sum() == found.confusion.total
