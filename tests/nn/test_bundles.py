"""Bundles: an ensemble is the mean of its models, a refinement is that of `refine`, and what is damaged is refused in a line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from click.testing import CliRunner  # noqa: E402

import segdata  # noqa: E402
from exported_models import checkpoint_of, images_for  # noqa: E402
from segdata.cli import main  # noqa: E402
from segdata.errors import DatasetError, OptionError, SegdataError  # noqa: E402
from segdata.files.places import file_digest  # noqa: E402
from segdata.files.scores import HALF_STEP, read_scores  # noqa: E402
from segdata.labels import Labels  # noqa: E402
from segdata.nn import checkpoint  # noqa: E402
from segdata.nn.bundle import about, bundle, write_bundle  # noqa: E402
from segdata.nn.initial import start_from  # noqa: E402
from segdata.nn.options import Training  # noqa: E402
from segdata.nn.predictor import load  # noqa: E402
from segdata.refinement.morphology import Step  # noqa: E402
from segdata.refinement.settings import CrfSettings, Refinement  # noqa: E402

SMALL = {"width": 4, "depth": 2}
IMAGES = np.random.default_rng(1).integers(0, 256, (2, 33, 46, 3)).astype(np.uint8)
SETTINGS = Refinement(CrfSettings(iterations=2, bilateral_sxy=9))


def shaken(path: Path, seed: int, **more: Any) -> Path:
    """Another checkpoint of the same model: its weights are multiplied by noise, the rest is as `more` says."""
    made = checkpoint.read(checkpoint_of(path, **SMALL))
    draw = torch.Generator().manual_seed(seed)
    state = {
        name: value * (1 + 0.5 * torch.randn(value.shape, generator=draw)) if value.ndim == 4 else value
        for name, value in made["state"].items()
    }
    checkpoint.write(path, {**made, "state": state, **more})
    return path


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """Three checkpoints, with temperatures of their own, and with means and deviations of their own."""
    norms = [{"mean": [0.4 + 0.1 * i] * 3, "std": [0.2, 0.25, 0.2 + 0.1 * i]} for i in range(3)]
    return [
        shaken(tmp_path / f"{i}.pt", i, temperature=0.7 + 0.4 * i, recipe={"normalise": norms[i]}) for i in range(3)
    ]


def test_a_bundle_of_one_checkpoint_is_that_checkpoint(three: list[Path], tmp_path: Path) -> None:
    """Bit by bit, without the state of a training."""
    checkpoint.write(three[1], {**checkpoint.read(three[1]), "train": {"step": 3}})
    plain = write_bundle(tmp_path / "b.pt", three[1:2])
    full = write_bundle(tmp_path / "f.pt", three[1:2], plan="model: unet\n", refinement=SETTINGS)
    np.testing.assert_array_equal(load(three[1])(IMAGES), load(plain)(IMAGES))
    np.testing.assert_array_equal(load(three[1])(IMAGES), load(full)(IMAGES))
    assert "train" not in checkpoint.read(plain)
    assert (checkpoint.read(plain)["format"], checkpoint.read(full)["format"]) == (1, 2)
    assert load(plain).refinement is None
    assert load(plain).checkpoint == load(full).checkpoint == file_digest(three[1]), "monitor and pick know it by that"
    assert (load(full).refinement, load(full).plan) == (SETTINGS, "model: unet\n")


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
@pytest.mark.parametrize(("alike", "near"), [(True, 1e-6), (False, 1e-5)])
def test_an_ensemble_is_the_mean_of_its_models(
    three: list[Path], tmp_path: Path, head: str, alike: bool, near: float
) -> None:
    """Models that normalise otherwise are given what they normalise, up to the rounding of float32."""
    for path in three:
        found = checkpoint.read(path)
        recipe = checkpoint.read(three[0])["recipe"] if alike else found["recipe"]
        checkpoint.write(path, {**found, "model": {**found["model"], "head": head}, "recipe": recipe})
    made = load(write_bundle(tmp_path / "e.pt", three))
    each = [load(path)(IMAGES) for path in three]
    assert np.abs(each[0] - each[1]).max() > 0.05, "the models differ"
    np.testing.assert_allclose(made(IMAGES), np.mean(each, 0), rtol=0, atol=near)
    assert (made.members, made.temperature, made.head) == (3, 1.0, "softmax")
    probs, embeddings = made.both(IMAGES)
    np.testing.assert_array_equal(probs, made(IMAGES))
    np.testing.assert_allclose(embeddings, load(three[0]).both(IMAGES)[1], rtol=1e-5)


def test_an_older_segdata_refuses_what_it_would_leave_out(three: list[Path], tmp_path: Path) -> None:
    """It reads formats up to 1; so it does not take an ensemble for one model, nor leave a refinement out."""
    found = torch.load(write_bundle(tmp_path / "e.pt", three), weights_only=True)
    refined = torch.load(write_bundle(tmp_path / "r.pt", three[:1], refinement=SETTINGS), weights_only=True)
    assert found["format"] == refined["format"] == 2
    assert found["state"] == {}
    assert {"format", "model", "state", "labels", "recipe"} <= found.keys()


def test_settings_may_be_values_json_or_a_file(three: list[Path], tmp_path: Path) -> None:
    labels = Labels.of(["c0", "c1", "c2"])
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(SETTINGS.to_json(labels)))
    for number, given in enumerate((SETTINGS, SETTINGS.to_json(labels), file, str(file))):
        assert load(write_bundle(tmp_path / f"s{number}.pt", three[:1], refinement=given)).refinement == SETTINGS
    file.write_text(json.dumps(SETTINGS.to_json(Labels.of(["a", "b"]))))
    with pytest.raises(DatasetError, match=r"settings\.json: made for other classes"):
        write_bundle(tmp_path / "no.pt", three, refinement=file)
    assert not (tmp_path / "no.pt").exists()


def other(**more: Any) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        checkpoint.write(path, {**checkpoint.read(path), **more})

    return edit


APART: dict[str, tuple[Callable[[Path], Any], str]] = {
    "classes": (
        lambda path: checkpoint_of(path, classes=4, **SMALL),
        "1.pt has 4 classes, .*0.pt 3: an ensemble is of one",
    ),
    "width": (lambda path: checkpoint_of(path, width=8, depth=2), "other architecture or options of its model"),
    "bands": (lambda path: checkpoint_of(path, bands=4, **SMALL), "other architecture or options of its model"),
    "resize": (other(recipe={"resize": {"short": 20}}), "other size of images"),
    "span": (other(recipe={"span": [0, 10]}), "other bands or type of images"),
    "dtype": (other(dtype="uint16"), "other bands or type of images"),
    "ensemble": (lambda path: write_bundle(path, [path, path.with_name("0.pt")]), "holds 2 models: give one of the"),
    "bundle": (lambda path: write_bundle(path, [path], plan="x"), "is a bundle already"),
    "nothing": (lambda path: path.unlink(), "cannot be read: No such file"),
    "damaged": (lambda path: path.write_bytes(b"x"), "not a checkpoint"),
}


@pytest.mark.parametrize("name", APART)
def test_models_that_do_not_belong_together_are_refused(three: list[Path], tmp_path: Path, name: str) -> None:
    edit, match = APART[name]
    edit(three[1])
    with pytest.raises(DatasetError, match=match) as caught:
        write_bundle(tmp_path / "e.pt", three)
    assert "1.pt" in str(caught.value)
    assert not (tmp_path / "e.pt").exists()


def test_what_cannot_be_a_bundle_is_told(three: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "e.pt"
    for given, error, match in (
        (([], out), OptionError, "takes one checkpoint or more"),
        (([three[0], three[0]], out), OptionError, "0.pt: given twice"),
        ((three, tmp_path / "e.bin"), OptionError, "a checkpoint ends in .pt: call it e.pt"),
        ((three, three[0]), OptionError, "is what is read"),
        (([tmp_path], out), DatasetError, "is a folder: give its best.pt"),
    ):
        with pytest.raises(error, match=match):
            bundle(*given)
    with pytest.raises(OptionError, match=r"none\.yaml: cannot be read: No such file"):
        bundle(three, out, plan=tmp_path / "none.yaml")
    assert not out.exists()
    bundle(three, out)
    with pytest.raises(DatasetError, match="exists: choose another name, or --overwrite"):
        bundle(three, out)
    assert bundle(three, out, overwrite=True) == about(out)


Edit = Callable[[dict[str, Any]], Any]

HOSTILE: dict[str, Edit] = {
    "members of text": lambda e: e.update(members="ab"),
    "members of tensors": lambda e: e.update(members=(torch.zeros(3),)),
    "many members": lambda e: e.update(members=e["members"] * 50),
    "a member without weights": lambda e: e["members"][1].update(state={}),
    "a member's weights by number": lambda e: e["members"][1].update(state={1: torch.zeros(1)}),
    "a member's weights of numbers": lambda e: e["members"][1].update(state=dict.fromkeys(e["members"][1]["state"], 1)),
    "a member of another shape": lambda e: e["members"][1]["state"].update(
        {"classify.weight": torch.zeros(9, 4, 1, 1)}
    ),
    "a temperature of nothing": lambda e: e["members"][0].update(temperature=0.0),
    "a recipe of nonsense": lambda e: e["members"][0].update(recipe={"resize": {"short": -3}}),
    "a recipe of other bands": lambda e: e["members"][0].update(recipe={"normalise": {"mean": [0.1], "std": [1.0]}}),
    "no recipe": lambda e: e["members"][0].pop("recipe"),
    "a plan of numbers": lambda e: e.update(plan=3),
    "a long plan": lambda e: e.update(plan="x" * (2**20 + 1)),
    "settings of text": lambda e: e.update(refinement="x"),
    "settings of other classes": lambda e: e["refinement"].update(classes=["a"]),
    "settings of no end": lambda e: e["refinement"]["crf"].update(iterations=10**9),
    "settings of nothing": lambda e: e["refinement"]["crf"].update(gaussian_sxy=float("nan")),
    "settings of a number": lambda e: e["refinement"].update(crf=3, morphology=7),
    "steps of no end": lambda e: e["refinement"].update(morphology=[{"op": "open"}] * 2000),
    "a step of nothing": lambda e: e["refinement"].update(morphology=[{"op": "format"}]),
    "no members": lambda e: e.update(members=()),
    "a later format": lambda e: e.update(format=3),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_bundle_is_refused_in_a_line(three: list[Path], tmp_path: Path, name: str) -> None:
    path = tmp_path / "e.pt"
    found = copy.deepcopy(torch.load(write_bundle(path, three, refinement=SETTINGS), weights_only=True))
    HOSTILE[name](found)
    torch.save(found, path)
    with pytest.raises(SegdataError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_code_in_a_bundle_does_not_run(three: list[Path], tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (tmp_path / "ran").touch, ()

    path = write_bundle(tmp_path / "e.pt", three)
    torch.save({**torch.load(path, weights_only=True), "plan": Evil()}, path)
    with pytest.raises(DatasetError, match="not a checkpoint"):
        load(path)
    assert not (tmp_path / "ran").exists()


def test_an_ensemble_cannot_be_trained_on(three: list[Path], tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "e.pt", three)
    model = load(three[0]).model
    options = Training.of({"model_options": SMALL})
    with pytest.raises(DatasetError, match=r"e\.pt: holds 3 models: give one of the checkpoints that it was made of"):
        start_from(model, str(path), options, Labels.of(["c0", "c1", "c2"]), 3)  # type: ignore[arg-type]
    start_from(model, str(write_bundle(path, three[:1], plan="x")), options, Labels.of(["c0", "c1", "c2"]), 3)  # type: ignore[arg-type]


def test_a_bundle_is_calibrated_as_a_whole(three: list[Path], tmp_path: Path) -> None:
    """The temperature is that of the mean; the rest stays."""
    data = images_for(tmp_path / "d", count=6)
    path = write_bundle(tmp_path / "e.pt", three, refinement=SETTINGS, plan="x")
    found = segdata.calibrate(path, data, tmp_path / "c.pt")
    assert found.kept, "the masks are noise"
    before, after = load(path), load(tmp_path / "c.pt")
    assert (after.refinement, after.plan, after.members) == (SETTINGS, "x", 3)
    assert after.temperature == found.temperature != 1
    sharp = before(IMAGES).astype(np.float64) ** (1 / found.temperature)
    np.testing.assert_allclose(after(IMAGES), sharp / sharp.sum(1, keepdims=True), atol=1e-5)


def test_the_command_says_what_is_in_the_file(three: list[Path], tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("model: unet  # small images\n")
    settings = tmp_path / "s.json"
    settings.write_text(json.dumps(SETTINGS.to_json(Labels.of(["c0", "c1", "c2"]))))
    given = ["bundle", *map(str, three), str(tmp_path / "e.pt"), "--refinement", str(settings)]
    told = CliRunner().invoke(main, [*given, "--plan", str(tmp_path / "plan.yaml")])
    assert told.exit_code == 0, told.output
    assert "models:     3, whose probabilities are averaged" in told.stdout
    assert "calibrated: by temperatures 0.7, 1.1, 1.5" in told.stdout
    assert "refines:    masks by a CRF" in told.stdout
    assert "e.pt: unet, 3 classes" in told.stdout
    assert load(tmp_path / "e.pt").plan == "model: unet  # small images\n"
    again = CliRunner().invoke(main, [*given, "--overwrite", "--json"])
    assert json.loads(again.stdout)["temperatures"] == [0.7, 1.1, 1.5]


@pytest.fixture
def scored(three: list[Path], tmp_path: Path) -> tuple[segdata.Dataset, Path, Refinement]:
    """A dataset, and an ensemble with a refinement that changes masks."""
    data = images_for(tmp_path / "d")
    settings = Refinement(CrfSettings(iterations=3, bilateral_sxy=9), (Step("close", (1,)), Step("open", (0,), size=5)))
    return data, write_bundle(tmp_path / "e.pt", three, refinement=settings), settings


def masks(made: segdata.Dataset) -> dict[str, Any]:
    return {sample.id: made.read_mask(sample) for sample in made}


def test_predict_refines_as_refine_does(scored: tuple[segdata.Dataset, Path, Refinement], tmp_path: Path) -> None:
    data, model, settings = scored
    bare = segdata.predict(model, data, tmp_path / "bare", scores=True, no_refine=True)
    made = segdata.predict(model, data, tmp_path / "made")
    again = segdata.predict(model, data, tmp_path / "again", refinement=settings)
    wanted = masks(segdata.refine(bare, tmp_path / "refined", settings))
    assert any((mask != wanted[id]).any() for id, mask in masks(bare).items())
    for id, mask in (*masks(made).items(), *masks(again).items()):
        np.testing.assert_array_equal(mask, wanted[id])
    assert made.made_by["options"]["refinement"] == settings.to_json(data.labels)
    assert made.read_receipt()["refined_by"] == "model"
    assert "refined_by" not in bare.read_receipt()
    assert "refined_by" not in again.read_receipt()
    assert "refinement" not in bare.made_by["options"]
    assert not (made.root / "scores").exists()


def test_the_mean_of_scores_is_the_ensembles(three: list[Path], tmp_path: Path) -> None:
    """`predict --scores` of two models, and of their ensemble: one step of 1/255, as each is rounded."""
    data = images_for(tmp_path / "d")
    model = write_bundle(tmp_path / "e.pt", three[:2])
    each = [segdata.predict(m, data, tmp_path / f"p{i}", scores=True) for i, m in enumerate((*three[:2], model))]
    for sample in data:
        a, b, both = (read_scores(made.root / f"scores/{sample.id}.tif") for made in each)
        np.testing.assert_allclose(both, (a + b) / 2, rtol=0, atol=2 * HALF_STEP + 1e-6)


def test_a_refinement_goes_by_names_of_classes(
    scored: tuple[segdata.Dataset, Path, Refinement], tmp_path: Path
) -> None:
    data, model, _ = scored
    wanted = masks(segdata.predict(model, data, tmp_path / "w"))
    turned = replace(data, labels=Labels.of(["c2", "c1", "c0"]))
    for id, mask in masks(segdata.predict(model, turned, tmp_path / "p", match_names=True)).items():
        np.testing.assert_array_equal(np.where(mask > 2, mask, 2 - mask), wanted[id])
    fewer = segdata.remap(data, tmp_path / "f", only=("c1", "c0"), unlisted="ignore")
    with pytest.raises(OptionError, match=r"no class for the model's c2: give --no-refine"):
        segdata.predict(model, fewer, tmp_path / "q", match_names=True)
    segdata.predict(model, fewer, tmp_path / "q", match_names=True, no_refine=True)
    with pytest.raises(OptionError, match="--refine and --no-refine: give one of them"):
        segdata.predict(model, data, tmp_path / "r", refinement=Refinement(), no_refine=True)


def test_predict_says_that_it_refines(scored: tuple[segdata.Dataset, Path, Refinement], tmp_path: Path) -> None:
    data, model, _ = scored
    image = str(data.image_path(data.samples[0]))
    for source, out in ((str(data.root), "d1"), (image, "m.png")):
        for flag in ([], ["--no-refine"]):
            told = CliRunner().invoke(main, ["predict", str(model), source, str(tmp_path / out), "--overwrite", *flag])
            assert told.exit_code == 0, told.output
            assert ("by the settings in the model's file" in told.stdout) == (not flag)
