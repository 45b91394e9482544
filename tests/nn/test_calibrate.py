"""Temperature scaling: the best temperature, kept only where confidences become better on images that it was not fitted on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

from click.testing import CliRunner  # noqa: E402

import segdata  # noqa: E402
from segdata.cli import main  # noqa: E402
from segdata.errors import DatasetError, OptionError  # noqa: E402
from segdata.nn import calibrate as calibration  # noqa: E402
from segdata.nn import checkpoint, ending  # noqa: E402
from segdata.nn.distributed import World  # noqa: E402
from segdata.nn.predictor import TorchPredictor, load  # noqa: E402
from segdata.nn.temperature import HIGHEST, LOWEST, fit_temperature  # noqa: E402
from train_files import QUICK, scenes  # noqa: E402

HERE = World(torch.device("cpu"))


def probabilities(logits: Any, temperature: float, head: str) -> Any:
    """In float64, by the formulas of the two heads."""
    z = logits / temperature
    if head == "softmax" or logits.shape[1] == 2:
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)
    yes = 1 / (1 + np.exp(-z))
    return yes / yes.sum(1, keepdims=True)


@pytest.mark.parametrize(("head", "classes"), [("softmax", 2), ("softmax", 6), ("sigmoid", 2), ("sigmoid", 5)])
@pytest.mark.parametrize("wanted", [0.4, 1.0, 3.0])
def test_the_temperature_is_the_one_that_made_the_labels(head: str, classes: int, wanted: float) -> None:
    """Labels are drawn by the probabilities at a known temperature, which is found; and no other is more likely."""
    rng = np.random.default_rng(classes)
    logits = rng.normal(size=(20_000, classes)) * 2
    if classes == 2 and head == "sigmoid":
        logits[:, 0] = 0
    cumulated = probabilities(logits, wanted, head).cumsum(1)
    truth = (rng.random((len(logits), 1)) > cumulated).sum(1).clip(max=classes - 1)
    found = fit_temperature(torch.from_numpy(logits).float(), torch.from_numpy(truth), head, HERE)
    assert found == pytest.approx(wanted, rel=0.08)

    def nll(temperature: float) -> float:
        return -float(np.log(probabilities(logits, temperature, head)[np.arange(len(truth)), truth]).mean())

    assert nll(found) <= min(nll(t) for t in np.geomspace(LOWEST, HIGHEST, 400)) + 1e-7


def test_no_pixel_has_no_better_temperature() -> None:
    nothing = torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
    assert fit_temperature(*nothing, "softmax", HERE) == 1.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[segdata.Dataset, Path]:
    """A dataset, and a run on it that was not calibrated."""
    root = tmp_path_factory.mktemp("run")
    dataset = scenes(root / "d", val=8, sizes=[(24, 32)] * 12 + [(31, 40), (17, 23)])
    segdata.train(dataset, root / "run", **{**QUICK, "epochs": 8}, calibrate=False)
    return dataset, root / "run"


def louder(path: Path, times: float, out: Path) -> Path:
    """A checkpoint whose logits are so many times as large."""
    found = checkpoint.read(path)
    state = {name: value * times if "head." in name else value for name, value in found["state"].items()}
    checkpoint.write(out, {**found, "state": state})
    return out


def ece(predictor: TorchPredictor, dataset: segdata.Dataset) -> float:
    """Equation 3 of Guo et al. by plain counting; each image is one window."""
    sure, right = [], []
    for sample in dataset:
        truth = dataset.read_mask(sample)
        probs = predictor(predictor.recipe.prepare(dataset.read_image(sample))[None])[0]
        known = truth != dataset.labels.ignore
        sure.append(probs.max(0)[known])
        right.append(probs.argmax(0)[known] == truth[known])
    confidence, hits = np.concatenate(sure).astype(np.float64), np.concatenate(right)
    bins = np.ceil(confidence * 15).astype(int)
    gaps = [abs(hits[bins == b].sum() - confidence[bins == b].sum()) for b in range(16)]
    return float(sum(gaps) / len(hits))


@pytest.mark.parametrize("times", [0.4, 4.0])
def test_what_is_too_sure_and_what_is_too_unsure_becomes_calibrated(
    run: tuple[segdata.Dataset, Path], tmp_path: Path, times: float
) -> None:
    """The errors told are those of plain counting, and the temperature grows with the logits."""
    dataset, root = run
    plain = segdata.calibrate(root / "last.pt", dataset, tmp_path / "plain.pt", trust_code=True)
    model = louder(root / "last.pt", times, tmp_path / "model.pt")
    found = segdata.calibrate(model, dataset, tmp_path / "out.pt", trust_code=True)
    assert found.kept
    assert found.fitted == found.temperature == pytest.approx(times * plain.fitted, rel=1e-3)
    parts = calibration.halves(dataset.split("val"), 0)
    assert parts is not None
    assert {len(part) for part in parts} == {found.fitted_on, found.measured_on} == {4}
    before, after = load(model, trust_code=True), load(tmp_path / "out.pt", trust_code=True)
    assert after.temperature == found.temperature
    assert found.ece_before == pytest.approx(ece(before, parts[1]), abs=1e-6)
    assert found.ece_fitted == pytest.approx(ece(after, parts[1]), abs=1e-6)
    assert found.ece_fitted < found.ece_before
    made, was = checkpoint.read(tmp_path / "out.pt"), checkpoint.read(model)
    assert {*made} - {*was} == {"temperature", "calibration"}
    assert all(torch.equal(made["state"][name], value) for name, value in was["state"].items())
    image = dataset.read_image(dataset.samples[0])[None]
    np.testing.assert_array_equal(before(image).argmax(1), after(image).argmax(1))
    again = segdata.calibrate(tmp_path / "out.pt", dataset, tmp_path / "again.pt", trust_code=True)
    assert again.fitted == found.fitted, "logits are those before the division"
    assert again.ece_before == again.ece_fitted == found.ece_fitted
    assert not again.kept
    assert load(tmp_path / "again.pt", trust_code=True).temperature == found.temperature


def test_windows_scales_and_sizes_are_those_of_predict(run: tuple[segdata.Dataset, Path], tmp_path: Path) -> None:
    """The error told is that of the scores that `predict` writes, but for their 8 bits."""
    dataset, root = run
    model = louder(root / "last.pt", 3, tmp_path / "model.pt")
    found = segdata.calibrate(model, dataset, tmp_path / "out.pt", size=(16, 16), overlap=0.5, batch=3, trust_code=True)
    parts = calibration.halves(dataset.split("val"), 0)
    assert parts is not None
    for path, told in ((model, found.ece_before), (tmp_path / "out.pt", found.ece_fitted)):
        out = tmp_path / f"pred-{path.stem}"
        segdata.predict(path, parts[1], out, size=(16, 16), overlap=0.5, scores=True, trust_code=True)
        report = segdata.evaluate(out, parts[1], draws=0).to_json()
        assert told == pytest.approx(report["calibration"]["ece"], abs=3e-3)


def test_a_temperature_that_is_worse_elsewhere_is_not_kept(
    run: tuple[segdata.Dataset, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, root = run
    monkeypatch.setattr(calibration, "fit_temperature", lambda *given: HIGHEST)
    found = segdata.calibrate(root / "last.pt", dataset, tmp_path / "out.pt", trust_code=True)
    assert not found.kept
    assert (found.temperature, found.fitted) == (1.0, HIGHEST)
    assert found.ece_fitted > found.ece_before
    assert load(tmp_path / "out.pt", trust_code=True).temperature == 1.0


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_a_training_ends_with_calibrated_checkpoints(tmp_path: Path, head: str) -> None:
    """All else in them is as without; a run that is repeated tells the same."""
    dataset = scenes(tmp_path / "d", val=6)
    options = {**QUICK, "epochs": 3, "head": head, "loss": "bce" if head == "sigmoid" else "ce"}
    bare = segdata.train(dataset, tmp_path / "bare", **options, calibrate=False)
    trained = segdata.train(dataset, tmp_path / "run", **options)
    assert bare.calibrated is None
    assert trained.calibrated is not None
    for name in ("best.pt", "last.pt"):
        was, made = (checkpoint.read(tmp_path / run / name) for run in ("bare", "run"))
        assert {*made} - {*was} == {"temperature", "calibration"}
        assert all(torch.equal(made["state"][key], value) for key, value in was["state"].items())
        own = segdata.calibrate(tmp_path / "bare" / name, dataset, tmp_path / f"{head}-{name}", trust_code=True)
        assert made["temperature"] == pytest.approx(own.temperature, rel=1e-3)  # the number of threads differs
        assert made["calibration"]["ece_before"] == pytest.approx(own.ece_before, abs=1e-5)
    best = load(tmp_path / "run" / "best.pt", trust_code=True)
    assert best.temperature == trained.calibrated.temperature
    before = (tmp_path / "run" / "best.pt").read_bytes()
    assert segdata.train(dataset, tmp_path / "run", **options) == trained
    assert (tmp_path / "run" / "best.pt").read_bytes() == before


class Stopped(Exception):
    """What a test stops the end of a training with."""


@pytest.mark.parametrize("written", [0, 1])
def test_a_run_that_was_stopped_at_its_end_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """Before anything was calibrated, and between the two checkpoints."""
    dataset = scenes(tmp_path / "d", val=6)
    options = {**QUICK, "epochs": 3, "lr": 1e-3}
    whole = segdata.train(dataset, tmp_path / "whole", **options)
    write: Callable[..., None] = checkpoint.write
    seen: list[Path] = []

    def stopping(path: Path, made: dict[str, Any]) -> None:
        if "temperature" in made:
            if len(seen) == written:
                raise Stopped
            seen.append(path)
        write(path, made)

    with monkeypatch.context() as patch:
        patch.setattr(ending.checkpoint, "write", stopping)
        with pytest.raises(Stopped):
            segdata.train(dataset, tmp_path / "cut", **options)
    cut = segdata.train(dataset, tmp_path / "cut", **options)
    assert cut.calibrated == whole.calibrated
    for name in ("best.pt", "last.pt"):
        one, other = (checkpoint.read(tmp_path / run / name) for run in ("whole", "cut"))
        assert one["temperature"] == other["temperature"]
        assert one["calibration"] == other["calibration"]
        assert all(torch.equal(other["state"][key], value) for key, value in one["state"].items())


def test_one_validation_image_is_too_few(
    run: tuple[segdata.Dataset, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(ending, "note_once", told.append)
    dataset = scenes(tmp_path / "d", val=1)
    trained = segdata.train(dataset, tmp_path / "run", **QUICK)
    assert trained.calibrated is None
    assert told == ["confidences are not calibrated: it takes two labelled validation images, one to measure on"]
    assert load(tmp_path / "run" / "best.pt", trust_code=True).temperature == 1.0
    with pytest.raises(DatasetError, match="it takes two labelled images"):
        segdata.calibrate(run[1] / "last.pt", dataset, tmp_path / "out.pt", trust_code=True)
    assert not (tmp_path / "out.pt").exists()


def test_groups_stay_in_one_half_and_one_group_is_halved(run: tuple[segdata.Dataset, Path]) -> None:
    val = run[0].split("val")
    grouped = replace(val, samples=[of_group(s, f"g{i // 3}") for i, s in enumerate(val)])
    parts = calibration.halves(grouped, 3)
    assert parts is not None
    fit_on, measure_on = ({s.group for s in part} for part in parts)
    assert min(len(fit_on), len(measure_on)) > 0
    assert not fit_on & measure_on
    one = calibration.halves(replace(val, samples=[of_group(s, "g") for s in val]), 3)
    assert one is not None
    assert [len(part) for part in one] == [4, 4]
    bare = msgspec.structs.replace(val.samples[0], counts={255: val.samples[0].height * val.samples[0].width})
    assert calibration.halves(replace(val, samples=[bare, *val.samples[1:2]]), 0) is None


def of_group(sample: segdata.Sample, group: str) -> segdata.Sample:
    """The sample as one of a group."""
    return msgspec.structs.replace(sample, group=group)


def test_the_command_tells_what_it_did(run: tuple[segdata.Dataset, Path], tmp_path: Path) -> None:
    dataset, root = run
    model = louder(root / "last.pt", 4, tmp_path / "model.pt")
    given = ["calibrate", str(model), str(dataset.root), str(tmp_path / "out.pt"), "--trust-code"]
    told = CliRunner().invoke(main, given)
    assert told.exit_code == 0, told.output
    assert "calibration error (ECE)" in told.stdout
    assert "on 4 images, fitted on 4 others" in told.stdout
    assert "trained on" not in told.stderr
    again = CliRunner().invoke(main, given)
    assert again.exit_code == 1
    assert "out.pt: exists: choose another name, or --overwrite" in again.stderr
    out = CliRunner().invoke(main, [*given, "--overwrite", "--json", "--split", "train"])
    values = json.loads(out.stdout)
    assert values["kept"] is True
    assert values["temperature"] == load(tmp_path / "out.pt", trust_code=True).temperature
    assert "the model may have been trained on 8 of these 8 images" in out.stderr


def test_what_cannot_be_calibrated_is_told(run: tuple[segdata.Dataset, Path], tmp_path: Path) -> None:
    dataset, root = run
    model, out = root / "last.pt", tmp_path / "out.pt"
    other = scenes(tmp_path / "o", names=("ground", "red", "green"))
    for given, error, match in (
        ((root / "none.pt", dataset, out), DatasetError, "none.pt: there is no such file"),
        ((tmp_path / "m.onnx", dataset, out), DatasetError, "calibrate that one, and export it again"),
        ((model, dataset, tmp_path / "out.bin"), OptionError, "call it out.pt"),
        ((model, dataset, model), OptionError, "is what is read"),
        ((root, dataset, out), DatasetError, "is a folder: give its best.pt"),
        ((model, other, out), DatasetError, "class 2 is 'blue'.*'green'.*train again, or give the dataset"),
        ((dataset.root / "dataset.json", dataset, out), DatasetError, "no checkpoint"),
    ):
        with pytest.raises(error, match=match):
            segdata.calibrate(*given, trust_code=True)
    with pytest.raises(DatasetError, match="--trust-code"):
        segdata.calibrate(model, dataset, out)
    with pytest.raises(OptionError, match="--seed -1: must be 0 or more"):
        segdata.calibrate(model, dataset, out, seed=-1, trust_code=True)
    assert not out.exists()
