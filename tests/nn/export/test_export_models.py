"""`segdata export onnx` and `torch`: what is written, what it says of itself, and when nothing is written."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import numpy_helper  # noqa: E402

import segdata  # noqa: E402
from exported_models import checkpoint_of, images_for  # noqa: E402
from segdata.cli import main  # noqa: E402
from segdata.errors import DatasetError, OptionError  # noqa: E402
from segdata.labels import Labels  # noqa: E402
from segdata.nn import checkpoint  # noqa: E402
from segdata.nn.export import operation  # noqa: E402
from segdata.nn.export.agreement import difference  # noqa: E402
from segdata.nn.export.network import Network  # noqa: E402
from segdata.nn.options import Training  # noqa: E402
from segdata.nn.task import choose_splits  # noqa: E402
from segdata.prediction.exported import KEY, read_exported  # noqa: E402

SMALL: dict[str, Any] = {"width": 4, "depth": 2}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint_of(tmp_path_factory.mktemp("model") / "a.pt", temperature=1.7, **SMALL)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> segdata.Dataset:
    return images_for(tmp_path_factory.mktemp("data") / "d")


def test_an_onnx_file_is_compared_and_says_what_it_is(model: Path, data: segdata.Dataset, tmp_path: Path) -> None:
    made = segdata.export_onnx(model, tmp_path / "a.onnx", verify=data)
    assert made.parity is not None
    assert made.parity.images == len(data)
    assert made.parity.pixels == sum(sample.height * sample.width for sample in data)
    assert made.parity.differ <= 1
    assert made.parity.largest < 1e-4
    assert made.parity.change is not None
    assert abs(made.parity.change.value) < 1e-3
    file = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(file)
    props = {one.key: one.value for one in file.metadata_props}
    about = read_exported(props[KEY], "a.onnx")
    assert about == made.about
    assert (about.temperature, about.embedding, about.size, about.least) == (1.7, 16, None, 1)
    assert json.loads(props["classes"]) == ["c0", "c1", "c2"]
    assert json.loads(props["mean"]) == [0.485, 0.456, 0.406]
    assert [one.name for one in file.graph.output] == ["probabilities", "embedding"]
    assert [d.dim_param or d.dim_value for d in file.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        3,
        "height",
        "width",
    ]
    assert [(one.domain, one.version) for one in file.opset_import] == [("", 18)]


def test_a_file_says_nothing_of_the_machine_and_is_the_same_again(model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        segdata.export_onnx(model, tmp_path / f"{name}.onnx", no_verify=True)
        segdata.export_torch(model, tmp_path / f"{name}.pt2", no_verify=True)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    for name in ("a.onnx", "a.pt2"):
        data = (tmp_path / name).read_bytes()
        assert not re.search(rb"site-packages|\.py\b|/segdata/", data)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_have_the_head_and_the_temperature_and_logits_neither(
    head: str, classes: int, tmp_path: Path
) -> None:
    path = checkpoint_of(tmp_path / "a.pt", head=head, classes=classes, temperature=2.5, **SMALL)
    image = np.random.default_rng(1).integers(0, 256, (2, 21, 34, 3)).astype(np.uint8)
    wanted = segdata.load_predictor(path)(image)
    for gives in ("probabilities", "logits"):
        segdata.export_onnx(path, tmp_path / f"{gives}.onnx", gives=gives, no_verify=True)  # type: ignore[arg-type]
        found = segdata.load_predictor(tmp_path / f"{gives}.onnx")
        np.testing.assert_allclose(found(image), wanted, atol=1e-5)
        first = found.ask(np.zeros((1, 3, 8, 8), np.float32), 1)[0]  # type: ignore[attr-defined]
        assert (np.abs(first.sum(1) - 1).max() < 1e-4) == (gives == "probabilities")


def test_a_program_of_torch_gives_the_same_bits(model: Path, data: segdata.Dataset, tmp_path: Path) -> None:
    made = segdata.export_torch(model, tmp_path / "a.pt2", verify=data)
    assert made.parity is not None
    assert (made.parity.differ, made.opset, made.about.embedding) == (0, None, 16)
    extra = {KEY: ""}
    program = torch.export.load(tmp_path / "a.pt2", extra_files=extra)
    assert read_exported(extra[KEY], "a.pt2") == made.about  # type: ignore[arg-type]
    image = torch.randn(1, 3, 24, 40)
    with torch.no_grad():
        first, second = program.module()(image)
    assert first.shape == (1, 3, 24, 40)
    assert second.shape == (1, 16)


def test_a_fixed_size_takes_no_other(model: Path, data: segdata.Dataset, tmp_path: Path) -> None:
    made = segdata.export_onnx(model, tmp_path / "a.onnx", size=(48, 32), verify=data)
    assert made.about.size == (48, 32)
    assert made.parity is not None
    assert made.parity.differ <= 1
    shape = onnx.load(tmp_path / "a.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in shape][1:] == [3, 48, 32]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_fewer_bits_are_smaller_and_told(precision: Any, model: Path, data: segdata.Dataset, tmp_path: Path) -> None:
    whole = segdata.export_onnx(model, tmp_path / "a.onnx", no_verify=True)
    made = segdata.export_onnx(model, tmp_path / "b.onnx", precision=precision, verify=data)
    assert made.about.precision == precision
    assert made.parity is not None
    assert 0 < made.parity.largest < (0.02 if precision == "fp16" else 0.5)
    file = onnx.load(tmp_path / "b.onnx")
    kinds = {one.data_type for one in file.graph.initializer if one.dims and np.prod(one.dims) > 100}
    assert kinds <= {onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.INT8}
    assert {one.domain for one in file.opset_import} == {""}
    assert whole.about.precision == "fp32"


def test_a_limit_keeps_no_file_below_it(
    model: Path, data: segdata.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of nothing stand for a quantisation that went wrong."""

    def spoilt(made: onnx.ModelProto, *_: object) -> onnx.ModelProto:
        for one in made.graph.initializer:
            values = numpy_helper.to_array(one)
            if values.ndim == 4:
                one.CopyFrom(numpy_helper.from_array(np.zeros_like(values), one.name))
        return made

    monkeypatch.setattr(operation, "fewer_bits", spoilt)
    with pytest.raises(OptionError, match=r"--limit 0.5: mIoU .* it is not written"):
        segdata.export_onnx(model, tmp_path / "a.onnx", precision="fp16", verify=data, limit=0.5)
    assert list(tmp_path.iterdir()) == []
    assert segdata.export_onnx(model, tmp_path / "a.onnx", precision="fp16", verify=data).parity is not None


def test_a_file_that_differs_is_not_kept(
    model: Path, data: segdata.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model whose weights change between tracing and writing, noise shows it; of one that is bad on images, the images."""

    def other(made: onnx.ModelProto, *given: Any) -> bytes:
        bias = next(one for one in made.graph.initializer if list(one.dims) == [3])
        more = numpy_helper.to_array(bias) + np.array([0, 9, 0], np.float32)
        bias.CopyFrom(numpy_helper.from_array(more, bias.name))
        return whole(made, *given)

    whole = operation.describe
    monkeypatch.setattr(operation, "describe", other)
    with pytest.raises(OptionError, match=r"differs from the checkpoint at 33 x 73 pixels"):
        segdata.export_onnx(model, tmp_path / "a.onnx", verify=data)
    monkeypatch.setattr(operation.Job, "agreed", lambda *_: 1)
    with pytest.raises(OptionError, match=r"pixels \(.* %\) have another class: it is not written"):
        segdata.export_onnx(model, tmp_path / "a.onnx", verify=data)
    assert list(tmp_path.iterdir()) == []


# The checkpoint's own images


def trained(folder: Path, source: Path, **options: Any) -> Path:
    """A checkpoint as a training on a dataset leaves it, with run.json beside it."""
    dataset = segdata.Dataset.open(source)
    folder.mkdir()
    path = checkpoint_of(folder / "best.pt", **SMALL)
    found = checkpoint.read(path)
    given = Training.of({**found["options"], "train_split": "train", **options})
    checkpoint.write(path, {**found, "options": given.to_json(), "dataset": dataset.digest})
    (folder / "run.json").write_text(json.dumps({"segdata": "0.1.0", "source": str(source)}))
    return path


def test_by_default_it_is_compared_on_the_images_of_its_validation(tmp_path: Path) -> None:
    data = images_for(tmp_path / "d", count=6, split="train")
    path = trained(tmp_path / "run", data.root, val_share=0.5)
    _, val = choose_splits(data, Training.of(checkpoint.read(path)["options"]))
    made = segdata.export_onnx(path, tmp_path / "a.onnx")
    assert made.parity is not None
    assert made.parity.images == len(val) < len(data)
    assert segdata.export_onnx(path, tmp_path / "b.onnx", count=1).parity.images == 1  # type: ignore[union-attr]


def test_without_images_nothing_is_written_unless_told(model: Path, data: segdata.Dataset, tmp_path: Path) -> None:
    source = images_for(tmp_path / "d", split="train")
    path = trained(tmp_path / "run", source.root, val_share=0.5)
    other = images_for(tmp_path / "e", split="train", count=5)
    (tmp_path / "run" / "run.json").write_text(json.dumps({"source": str(other.root)}))
    for one, why in ((model, "no run.json beside it"), (path, "has changed since")):
        with pytest.raises(OptionError, match=rf"{why}.* give --verify DATASET, or --no-verify"):
            segdata.export_onnx(one, tmp_path / "a.onnx")
        with pytest.raises(OptionError, match=rf"{why}.* give --ranges-from DATASET"):
            segdata.export_onnx(one, tmp_path / "a.onnx", precision="int8", no_verify=True)
    assert not (tmp_path / "a.onnx").exists()
    assert segdata.export_onnx(model, tmp_path / "a.onnx", no_verify=True).parity is None
    assert (
        segdata.export_onnx(model, tmp_path / "b.onnx", no_verify=True, precision="int8", ranges_from=data).parity
        is None
    )


def test_a_training_says_where_its_dataset_is(tmp_path: Path) -> None:
    data = images_for(tmp_path / "d", count=6, split="train")
    segdata.train(data, tmp_path / "run", val_share=0.5, epochs=1, steps=1, batch=2, model_options=SMALL, allow_missing=("all",),
                  tensorboard=False, images=0)  # fmt: skip
    assert segdata.export_onnx(tmp_path / "run" / "best.pt", tmp_path / "a.onnx", count=2).parity is not None


# What cannot be


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"opset": 17}, "--opset 17: must be 18 to 23"),
        ({"gives": "masks"}, "--gives masks: must be one of"),
        ({"precision": "int4"}, "--precision int4: must be one of"),
        ({"size": (0, 32)}, "--size 0x32: must be 1 to"),
        ({"count": 0}, "--count 0: must be 1 or more"),
        ({"limit": -1.0}, "--limit -1: must be 0 to 100"),
        ({"limit": 1.0, "no_verify": True}, "nothing is measured with --no-verify"),
        ({"verify": None, "split": "val"}, "--split val: of which dataset"),
        ({"precision": "int8", "ranges_count": 0}, "--ranges-count 0: must be 1 or more"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused_before_any_work(
    options: dict[str, Any], why: str, model: Path, data: segdata.Dataset, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=re.escape(why)):
        segdata.export_onnx(model, tmp_path / "a.onnx", **{"verify": data, **options})
    assert list(tmp_path.iterdir()) == []


def test_values_that_fewer_bits_cannot_hold_are_told(model: Path, data: segdata.Dataset, tmp_path: Path) -> None:
    found = torch.load(model, weights_only=True)
    norm = next(name for name, value in found["state"].items() if name.endswith("weight") and value.ndim == 1)
    found["state"][norm] *= 1e6  # fp16 ends at 65,504
    torch.save(found, tmp_path / "wide.pt")
    with pytest.raises(OptionError, match=r"--precision fp16: .*NaN or infinity.*: take --precision fp32"):
        segdata.export_onnx(tmp_path / "wide.pt", tmp_path / "a.onnx", precision="fp16", verify=data)
    assert not (tmp_path / "a.onnx").exists()


def test_a_destination_is_a_new_file_of_its_kind(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match=r"ends in \.onnx: call it a\.onnx"):
        segdata.export_onnx(model, tmp_path / "a.pt2", no_verify=True)
    with pytest.raises(OptionError, match=r"ends in \.pt2: call it a\.pt2"):
        segdata.export_torch(model, tmp_path / "a.onnx", no_verify=True)
    (tmp_path / "a.onnx").write_bytes(b"mine")
    with pytest.raises(DatasetError, match="exists: choose another name, or --overwrite"):
        segdata.export_onnx(model, tmp_path / "a.onnx", no_verify=True)
    assert (tmp_path / "a.onnx").read_bytes() == b"mine"
    with pytest.raises(DatasetError, match=r"a\.onnx is no folder: choose another name"):
        segdata.export_onnx(model, tmp_path / "a.onnx/deep/b.onnx", no_verify=True)
    with monkeypatch.context() as only:
        only.setattr(os, "access", lambda *_: False)
        with pytest.raises(DatasetError, match="cannot be written to: choose another folder"):
            segdata.export_torch(model, tmp_path / "deep/b.pt2", no_verify=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    segdata.export_onnx(model, tmp_path / "a.onnx", no_verify=True, overwrite=True)
    assert len((tmp_path / "a.onnx").read_bytes()) > 1000


def test_images_of_other_classes_are_refused(model: Path, tmp_path: Path) -> None:
    other = images_for(tmp_path / "d", classes=4)
    with pytest.raises(DatasetError, match="give a dataset of these classes"):
        segdata.export_onnx(model, tmp_path / "a.onnx", verify=other)


def test_an_image_that_cannot_be_read_is_named_with_a_way_out(model: Path, tmp_path: Path) -> None:
    bad = images_for(tmp_path / "d")
    Path(bad.image_path(bad.samples[1])).write_bytes(b"none")
    result = CliRunner().invoke(
        main, ["export", "onnx", str(model), str(tmp_path / "a.onnx"), "--verify", str(bad.root)]
    )
    assert result.exit_code == 1
    assert "val/1" in result.stderr
    assert "compare on other images (--verify)" in result.stderr
    assert "--on-error" not in result.stderr
    assert not (tmp_path / "a.onnx").exists()


class Halves(torch.nn.Module):
    """A user's model that asks for a size."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.net = torch.nn.Conv2d(3, classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.net(image) * (2 if image.shape[-1] % 7 == 0 else 1)


def halves(bands: int, classes: int) -> torch.nn.Module:
    return Halves(classes)


@pytest.mark.parametrize(("off", "same"), [((), True), ((0,), True), ((0, 1, 2), True), (range(9), False)])
def test_a_network_is_another_one_only_if_it_differs_on_every_draw(off: Any, same: bool) -> None:
    network = Network(Halves(3), head="softmax", temperature=1.0, gives="logits")
    draws: list[bytes] = []

    def ask(image: Any, outputs: int) -> list[Any]:
        with torch.inference_mode():
            found = [one.numpy() for one in network(torch.from_numpy(image))][:outputs]
        found[0] = found[0] + 0.1 * (len(draws) in off)  # as rounding moves a value at a tie
        draws.append(image.tobytes())
        return found

    assert (difference(network, ask, 3, (5, 6), 2) is None) == same
    assert len(set(draws)) == len(draws)


def test_a_model_that_asks_for_a_size_is_exported_for_one(
    data: segdata.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "halves_model", __import__(__name__, fromlist=["halves"]))
    path = checkpoint_of(tmp_path / "a.pt", "halves_model:halves")
    with pytest.raises(DatasetError, match="--trust-code"):
        segdata.export_onnx(path, tmp_path / "a.onnx", verify=data)
    with pytest.raises(OptionError, match="such as --size 512x512"):
        segdata.export_onnx(path, tmp_path / "a.onnx", verify=data, trust_code=True)
    made = segdata.export_onnx(path, tmp_path / "a.onnx", verify=data, trust_code=True, size=(32, 32))
    assert made.about.size == (32, 32)
    assert made.about.embedding is None
    assert made.parity is not None
    assert made.parity.differ == 0


def test_the_command_says_how_they_compare(model: Path, data: segdata.Dataset, tmp_path: Path) -> None:
    given = [str(model), str(tmp_path / "a.onnx"), "--verify", str(data.root)]
    result = CliRunner().invoke(main, ["export", "onnx", *given])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("compared: 4 images: 0.0 % of ")
    assert any(line.startswith("mIoU: ") for line in lines)
    assert lines[-1] == f"model: {tmp_path / 'a.onnx'}: 3 classes, fp32, opset 18"
    assert Labels.from_json(checkpoint.read(model)["labels"]).names == ("c0", "c1", "c2")
