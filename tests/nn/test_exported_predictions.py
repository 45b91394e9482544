"""Masks of an exported model are those of its checkpoint: windows, variants, a fixed size, both heads, a temperature."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")
pytest.importorskip("onnxscript")

import segdata  # noqa: E402
from exported_models import checkpoint_of  # noqa: E402
from onnx_files import about  # noqa: E402
from segdata.dataset.dataset import Dataset  # noqa: E402
from segdata.errors import DatasetError  # noqa: E402
from segdata.files.scores import read_scores  # noqa: E402
from segdata.nn import checkpoint  # noqa: E402
from segdata.nn.bundle import write_bundle  # noqa: E402
from segdata.nn.export.network import Gives, Network, trace  # noqa: E402
from segdata.nn.export.operation import export_onnx  # noqa: E402
from segdata.nn.models import build  # noqa: E402
from segdata.prediction.exported import KEY, read_exported  # noqa: E402
from segdata.prediction.exported_predictor import predictor_of  # noqa: E402
from segdata.prediction.predictor import load_predictor, of_model  # noqa: E402
from segdata.recipes.recipe import Recipe  # noqa: E402
from segdata.refinement.morphology import Step  # noqa: E402
from segdata.refinement.settings import CrfSettings, Refinement  # noqa: E402
from train_files import QUICK, scenes  # noqa: E402

OPTIONS: dict[str, dict[str, Any]] = {
    "windows": {"size": (40, 56), "overlap": 0.5, "batch": 3},
    "variants": {"size": (96, 96), "flips": ("xy",), "scales": (0.75, 1.0), "blend": "linear"},
}
CASES: dict[str, dict[str, Any]] = {
    "softmax": {"gives": "probabilities"},
    "sigmoid": {"gives": "logits", "head": "sigmoid", "loss": "bce"},
}


@dataclass(frozen=True)
class Trained:
    """A checkpoint with a temperature, its dataset, and its export."""

    dataset: Dataset
    checkpoint: Path
    exported: Path


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=CASES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    work = tmp_path_factory.mktemp(request.param)
    dataset = scenes(work / "data", size=(70, 90), sizes=[(50, 33), (100, 64)], train=4, val=2)
    gives, options = CASES[request.param]["gives"], {k: v for k, v in CASES[request.param].items() if k != "gives"}
    segdata.train(dataset, work / "run", **{**QUICK, "model": "unet", "model_options": {"width": 8}, **options})
    path = work / "calibrated.pt"
    checkpoint.write(path, {**checkpoint.read(work / "run/best.pt"), "temperature": 1.7})
    export_onnx(path, work / "model.onnx", gives=gives, no_verify=True)
    return Trained(dataset, path, work / "model.onnx")


def differ(one: Dataset, other: Dataset) -> float:
    """The part of all pixels of which two predictions say another class."""
    masks = [np.concatenate([d.read_mask(s).ravel() for s in d]) for d in (one, other)]
    return float(np.mean(masks[0] != masks[1]))


@pytest.mark.parametrize("options", OPTIONS)
def test_the_same_masks_as_the_checkpoint(trained: Trained, tmp_path: Path, options: str) -> None:
    given = OPTIONS[options]
    one = segdata.predict(trained.checkpoint, trained.dataset, tmp_path / "torch", scores=True, **given)
    other = segdata.predict(trained.exported, trained.dataset, tmp_path / "onnx", scores=True, **given)
    assert [(s.id, s.size, s.split) for s in one] == [(s.id, s.size, s.split) for s in other]
    assert differ(one, other) <= 1e-4
    assert len(np.unique(np.concatenate([one.read_mask(s).ravel() for s in one]))) > 1
    for sample in one:
        scores = [read_scores(d.root / "scores" / f"{sample.id}.tif").astype(float) for d in (one, other)]
        assert np.abs(scores[0] - scores[1]).max() < 1.01 / 255  # the next of 256 steps


def test_the_same_probabilities_and_embeddings(trained: Trained) -> None:
    one, other = load_predictor(trained.checkpoint), load_predictor(trained.exported)
    for name in (
        "labels",
        "recipe",
        "bands",
        "head",
        "reading",
        "names",
        "dtype",
        "chosen",
        "temperature",
        "embedding",
    ):
        assert getattr(one, name) == getattr(other, name), name
    random = np.random.default_rng(0)
    for size in ((1, 1), (5, 64), (33, 47)):
        pixels = random.integers(0, 256, (2, *size, 3)).astype(np.uint8)
        (probs, embeddings), (same, alike) = one.both(pixels), other.both(pixels)  # type: ignore[attr-defined]
        np.testing.assert_allclose(same, probs, atol=1e-4)
        np.testing.assert_array_equal(other(pixels), same)
        if min(size) > 16:  # smaller ones are padded further, which the mean sees
            np.testing.assert_allclose(alike, embeddings, atol=1e-3)


def test_a_fixed_size_is_that_of_the_windows(trained: Trained, tmp_path: Path) -> None:
    """Where windows fill it, masks are the checkpoint's. Of images of 50 x 33 pixels they are padded."""
    export_onnx(trained.checkpoint, tmp_path / "fixed.onnx", size=(48, 64), no_verify=True)
    large = [sample for sample in trained.dataset if min(sample.size) >= 64]
    dataset = replace(trained.dataset, samples=large)
    one = segdata.predict(trained.checkpoint, dataset, tmp_path / "torch", size=(48, 64))
    other = segdata.predict(tmp_path / "fixed.onnx", dataset, tmp_path / "onnx")
    assert differ(one, other) <= 1e-4
    whole = segdata.predict(tmp_path / "fixed.onnx", trained.dataset, tmp_path / "all")
    assert len(whole) == len(trained.dataset)


def test_what_it_writes_is_evaluated_and_refined(trained: Trained, tmp_path: Path) -> None:
    segdata.predict(trained.exported, trained.dataset, tmp_path / "out", split="val", scores=True)
    truth = trained.dataset.split("val")
    assert segdata.evaluate(tmp_path / "out", truth).to_json()["mean_iou"] > 0
    assert len(segdata.refine(tmp_path / "out", tmp_path / "refined", Refinement())) == len(truth)


def test_a_bundle_becomes_one_graph_that_refines(trained: Trained, tmp_path: Path) -> None:
    """Two models, the second one normalising otherwise; the settings and the plan go along."""
    second = tmp_path / "second.pt"
    found = checkpoint.read(trained.checkpoint)
    state = {name: value * 1.1 if value.ndim == 4 else value for name, value in found["state"].items()}
    recipe = {**found["recipe"], "normalise": {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}}
    checkpoint.write(second, {**found, "state": state, "recipe": recipe, "temperature": 0.8})
    settings = Refinement(CrfSettings(iterations=2, bilateral_sxy=9), (Step("close", (1,)),))
    model = write_bundle(tmp_path / "e.pt", [trained.checkpoint, second], plan="model: unet\n", refinement=settings)
    gives: Gives = "logits" if load_predictor(trained.exported).gives == "logits" else "probabilities"  # type: ignore[attr-defined]
    made = export_onnx(model, tmp_path / "e.onnx", gives=gives, verify=trained.dataset)
    assert (made.about.format, made.about.members, made.about.plan) == (2, 2, "model: unet\n")
    one, other = load_predictor(model), load_predictor(tmp_path / "e.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 33, 47, 3)).astype(np.uint8)
    np.testing.assert_allclose(other(pixels), one(pixels), atol=1e-4)
    assert (of_model(one), of_model(other)) == (settings, settings)
    refined = [
        segdata.predict(m, trained.dataset, tmp_path / f"p{i}") for i, m in enumerate((model, tmp_path / "e.onnx"))
    ]
    assert differ(*refined) <= 1e-3  # scores are rounded to 8 bits, on either side of a step
    bare = segdata.predict(tmp_path / "e.onnx", trained.dataset, tmp_path / "bare", no_refine=True)
    assert differ(refined[1], bare) > 1e-3
    assert refined[1].read_receipt()["refined_by"] == "model"


def test_a_bundle_of_one_without_settings_exports_as_its_checkpoint(tmp_path: Path) -> None:
    """The same bytes, the SHA-256 of the checkpoint included."""
    whole = checkpoint_of(tmp_path / "c.pt", width=2, depth=1)
    model = write_bundle(tmp_path / "b.pt", [whole])
    for path in (model, whole):
        export_onnx(path, tmp_path / f"{path.stem}.onnx", no_verify=True)
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "c.onnx").read_bytes()


@pytest.mark.parametrize(
    "refinement", ["{}", '{"crf":{"iterations":1000000000}}', '{"crf":3}', '{"classes":["a"]}', '"x"']
)
def test_damaged_settings_in_an_exported_file(tmp_path: Path, refinement: str) -> None:
    text = about().to_json().removesuffix("}") + f',"refinement":{refinement}}}'
    if refinement == "{}":
        assert of_model(predictor_of(read_exported(text, "m.onnx"), "m.onnx", "cpu", b"", lambda a, b: [])) is None
        return
    with pytest.raises(DatasetError, match=r"^m\.onnx: (its settings of a refinement|what it says of itself)"):
        predictor_of(read_exported(text, "m.onnx"), "m.onnx", "cpu", b"", lambda a, b: [])


# Programs of torch.export


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .pt2 file with what it says of itself."""
    torch.manual_seed(0)
    network = Network(build("unet", classes=3, width=8).eval(), head="softmax", temperature=1.5, gives="probabilities")
    path = tmp_path_factory.mktemp("program") / "m.pt2"
    said = about(recipe=Recipe(), temperature=1.5, embedding=network.embedding)
    torch.export.save(trace(network, 3, None), path, extra_files={KEY: said.to_json()})
    return path


def test_a_program_predicts_if_its_code_is_trusted(program: Path) -> None:
    model = load_predictor(program, trust_code=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 37, 51, 3)).astype(np.uint8)
    torch.manual_seed(0)
    network = Network(build("unet", classes=3, width=8).eval(), head="softmax", temperature=1.5, gives="probabilities")
    with torch.inference_mode():
        wanted, embedding = network(torch.from_numpy(np.stack([Recipe().normalise(one) for one in pixels])))
    probs, embeddings = model.both(pixels)  # type: ignore[attr-defined]
    np.testing.assert_allclose(probs, wanted.numpy(), atol=1e-6)
    np.testing.assert_allclose(embeddings, embedding.numpy(), atol=1e-6)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model))(pixels), probs)


def test_a_program_is_not_loaded_unasked(program: Path) -> None:
    """torch unpickles it, which runs what a stranger wrote; the way out is an option."""
    with pytest.raises(DatasetError, match=r"code that a \.pt2 file may hold: if you trust it, give --trust-code"):
        load_predictor(program)


def test_other_programs_are_refused(program: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "m.pt2"
    for data in (b"", b"hello" * 50, program.read_bytes()[:2000]):
        path.write_bytes(data)
        with pytest.raises(DatasetError, match=r"not a program that torch .* reads: export it again"):
            load_predictor(path, trust_code=True)
    torch.export.save(torch.export.load(program), path)
    with pytest.raises(DatasetError, match="does not say which classes it knows"):
        load_predictor(path, trust_code=True)
    assert caplog.text == ""
