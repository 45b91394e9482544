"""ONNX files at work: what they give is what numpy gives, and what is no such file, or asks for more, is refused in a line."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from carry_files import make  # noqa: E402
from onnx_files import LABELS, about, graph, model_of, weights, write_onnx  # noqa: E402
from predictors import softmax  # noqa: E402
from segdata.cli import main  # noqa: E402
from segdata.dataset.dataset import Dataset  # noqa: E402
from segdata.errors import DatasetError, MissingDependency, OptionError  # noqa: E402
from segdata.labels import Labels  # noqa: E402
from segdata.ops.predict.operation import predict  # noqa: E402
from segdata.prediction.exported import IMAGE, KEY  # noqa: E402
from segdata.prediction.onnx import load, threads  # noqa: E402
from segdata.prediction.onnx_file import look_through  # noqa: E402
from segdata.prediction.predictor import load_predictor  # noqa: E402
from segdata.recipes.recipe import Recipe  # noqa: E402
from segdata.recipes.settings import Normalise  # noqa: E402

RECIPE = Recipe(normalise_by=Normalise((0.4, 0.5, 0.6), (0.2, 0.3, 0.1)))


def images(count: int = 2, size: tuple[int, int] = (9, 12), bands: int = 3, dtype: Any = np.uint8) -> Any:
    rng = np.random.default_rng(1)
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return (rng.random((count, *size, bands)) * top).astype(dtype)


def convolved(pixels: Any, recipe: Recipe = RECIPE, size: tuple[int, int] | None = None, classes: int = 3) -> Any:
    """(N, h, w, C) -> (N, K, h, w): the model of `onnx_files`, by sums over neighbours; images are padded to `size`."""
    unit = np.stack([recipe.normalise(image) for image in pixels]).astype(np.float64)
    height, width = unit.shape[2:]
    if size is not None:
        unit = np.pad(unit, ((0, 0), (0, 0), (0, size[0] - height), (0, size[1] - width)), "edge")
    around = np.pad(unit, ((0, 0), (0, 0), (1, 1), (1, 1)))
    kernel = weights(classes, pixels.shape[3])
    out = np.zeros((len(unit), classes, *unit.shape[2:]))
    for y in range(3):
        for x in range(3):
            part = around[:, :, y : y + unit.shape[2], x : x + unit.shape[3]]
            out += np.einsum("nchw,kc->nkhw", part, kernel[:, :, y, x])
    return out[:, :, :height, :width]


# What it gives


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_probabilities_are_those_of_the_graph_on_normalised_pixels(tmp_path: Path, dtype: Any) -> None:
    model = load(write_onnx(tmp_path / "m.onnx", about(recipe=RECIPE, temperature=2.5)))
    pixels = images(dtype=dtype)
    if dtype == np.float32:
        pixels[0, 3, 4] = np.nan  # becomes the mean
    np.testing.assert_allclose(model(pixels), softmax(convolved(pixels) / 2.5), atol=1e-5)


def test_logits_become_probabilities_with_the_temperature(tmp_path: Path) -> None:
    pixels = images()
    logits = convolved(pixels)
    soft = load(write_onnx(tmp_path / "soft.onnx", about(recipe=RECIPE, gives="logits", temperature=4)))
    np.testing.assert_allclose(soft(pixels), softmax(logits / 4), atol=1e-5)
    own = load(write_onnx(tmp_path / "own.onnx", about(recipe=RECIPE, gives="logits", head="sigmoid", temperature=4)))
    yes = 1 / (1 + np.exp(-logits / 4))
    np.testing.assert_allclose(own(pixels), yes / yes.sum(axis=1, keepdims=True), atol=1e-5)


def test_sigmoids_of_nothing_still_sum_to_one(tmp_path: Path) -> None:
    """Of logits far below 0 every sigmoid is 0 in float32."""
    recipe = Recipe(normalise_by=Normalise((0.0, 0.0, 0.0), (1e-6, 1e-6, 1e-6)))
    model = load(write_onnx(tmp_path / "m.onnx", about(recipe=recipe, gives="logits", head="sigmoid")))
    probs = model(images())
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)


def test_a_model_of_one_size_sees_smaller_images_padded(tmp_path: Path) -> None:
    size = (16, 24)
    model = load(write_onnx(tmp_path / "m.onnx", about(recipe=RECIPE, size=size), batch=1))
    pixels = images(3)
    probs = model(pixels)
    assert probs.shape == (3, 3, 9, 12)
    np.testing.assert_allclose(probs, softmax(convolved(pixels, size=size)), atol=1e-5)
    with pytest.raises(OptionError, match="the model takes no more than 16 x 24: take a smaller --size"):
        model(images(size=(16, 25)))


def test_the_least_size_is_kept(tmp_path: Path) -> None:
    model = load(write_onnx(tmp_path / "m.onnx", about(recipe=RECIPE, least=11)))
    pixels = images()
    np.testing.assert_allclose(model(pixels), softmax(convolved(pixels, size=(11, 12))), atol=1e-5)


def test_embeddings_come_with_the_probabilities(tmp_path: Path) -> None:
    model = load(write_onnx(tmp_path / "m.onnx", about(recipe=RECIPE, embedding=3)))
    assert model.embedding == 3
    pixels = images()
    probs, embeddings = model.both(pixels)
    np.testing.assert_array_equal(probs, model(pixels))
    unit = np.stack([RECIPE.normalise(image) for image in pixels])
    np.testing.assert_allclose(embeddings, unit.mean(axis=(2, 3)), atol=1e-5)
    without = load(write_onnx(tmp_path / "n.onnx"))
    assert without.embedding is None
    with pytest.raises(OptionError, match="gives no embeddings"):
        without.both(images())


def test_other_bands_are_refused(tmp_path: Path) -> None:
    model = load(write_onnx(tmp_path / "m.onnx"))
    with pytest.raises(OptionError, match=r"the model takes \(N, h, w, 3\)"):
        model(images(bands=4))


def test_it_travels_to_other_processes(tmp_path: Path) -> None:
    model = load(write_onnx(tmp_path / "m.onnx"))
    sent = pickle.dumps(model)
    np.testing.assert_array_equal(pickle.loads(sent)(images()), model(images()))
    write_onnx(tmp_path / "m.onnx", about(temperature=2))
    with pytest.raises(DatasetError, match="has changed since it was loaded"):
        pickle.loads(sent)


def test_outputs_of_other_shapes_are_refused(tmp_path: Path) -> None:
    """Half as many rows: whatever the file says, nothing is stretched or cut in silence."""
    said = about(recipe=RECIPE)
    made = graph(said)
    made.node[-1].output[0] = "all"
    for name, values in (("first", [0]), ("last", [4]), ("axes", [2])):
        made.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    made.node.append(helper.make_node("Slice", ["all", "first", "last", "axes"], ["probabilities"]))
    (tmp_path / "m.onnx").write_bytes(model_of(said, made).SerializeToString())
    with pytest.raises(DatasetError, match=r"gives \(2, 3, 4, 12\) where it says \(2, 3, 9, 12\): export it again"):
        load(tmp_path / "m.onnx")(images())


# Predicting with it


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    masks = {f"val/{i}": np.zeros((40, 20 + 9 * i), np.uint8) for i in range(3)}
    made = make(tmp_path / "data", masks, names=LABELS.names, images="copy")
    for number, sample in enumerate(made):
        pixels = np.random.default_rng(number).integers(0, 255, (*sample.size, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / str(sample.image))
    return made


def test_masks_are_those_of_the_graph(dataset: Dataset, tmp_path: Path) -> None:
    """Images are smaller than a window, so each is one."""
    out = predict(write_onnx(tmp_path / "m.onnx", about(recipe=RECIPE)), dataset, tmp_path / "out")
    for mine, theirs in zip(out, dataset, strict=True):
        wanted = convolved(dataset.read_image(theirs)[None])[0].argmax(axis=0)
        np.testing.assert_array_equal(out.read_mask(mine), wanted)
    assert out.made_by["inputs"][0]["name"] == "m.onnx"
    assert out.made_by["options"]["size"] == (512, 512)


def test_windows_are_of_the_size_that_the_model_takes(dataset: Dataset, tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "m.onnx", about(recipe=RECIPE, size=(16, 24)))
    out = predict(path, dataset, tmp_path / "out")
    assert out.made_by["options"]["size"] == (16, 24)
    free = predict(write_onnx(tmp_path / "n.onnx", about(recipe=RECIPE)), dataset, tmp_path / "free", size=(16, 24))
    masks = [np.concatenate([d.read_mask(s).ravel() for s in d]) for d in (out, free)]
    # the one narrow image is padded to 24 columns, which reaches its last one
    assert np.mean(masks[0] != masks[1]) < 0.02
    with pytest.raises(OptionError, match="--size 32x24: the model takes no more than 16 x 24: leave it out"):
        predict(path, dataset, tmp_path / "more", size=(32, 24))
    with pytest.raises(OptionError, match="--scales up to 1"):
        predict(path, dataset, tmp_path / "more", scales=(1.0, 1.5))
    predict(path, dataset, tmp_path / "less", size=(8, 12), scales=(1.0, 1.5))


@pytest.mark.process
def test_torch_is_not_needed(dataset: Dataset, tmp_path: Path) -> None:
    """Predict, in processes too, and evaluate, where neither torch nor onnx can be imported; every way the same masks."""
    path = write_onnx(tmp_path / "m.onnx", about(recipe=RECIPE, embedding=3))
    code = (
        "import sys\n"
        "for name in ('torch', 'albumentations', 'onnx', 'onnxscript', 'yaml'): sys.modules[name] = None\n"
        "from segdata.cli import main\n"
        "if __name__ == '__main__': main()\n"
    )
    script = tmp_path / "without.py"
    script.write_text(code)
    runs = {"one": ("-j", "1"), "two": ("-j", "2")}
    for name, jobs in runs.items():
        command = [sys.executable, str(script), "predict", str(path), str(dataset.root), str(tmp_path / name), *jobs]
        done = subprocess.run([*command, "--batch", "2"], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    one, two = (Dataset.open(tmp_path / name) for name in runs)
    assert [s.sha256 for s in one] == [s.sha256 for s in two]
    command = [sys.executable, str(script), "evaluate", str(tmp_path / "one"), str(dataset.root)]
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_onnx(tmp_path / "m.onnx")
    monkeypatch.delitem(sys.modules, "segdata.prediction.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependency, match=r"onnxruntime, which is not installed: pip install 'segdata\[onnx\]'"):
        load_predictor(path)


def test_threads_are_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert threads() >= 1


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("mps", "onnxruntime runs models on cpu, cuda or cuda:1"),
        ("cuda:x", "onnxruntime runs models on cpu, cuda or cuda:1"),
        ("gpu", "onnxruntime runs models on cpu, cuda or cuda:1"),
    ],
)
def test_devices_that_do_not_exist(tmp_path: Path, device: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        load(write_onnx(tmp_path / "m.onnx"), device)


def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    """Whatever the build of onnxruntime is: one message, and never the CPU in silence."""
    import onnxruntime

    path = write_onnx(tmp_path / "m.onnx")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(OptionError, match="is a build for CPUs: use --device cpu"):
        load(path, "cuda")
    assert load(path, "auto").ask.inner.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build for GPUs on a machine without one takes the CPU in silence, which is right for auto alone."""
    import onnxruntime

    path = write_onnx(tmp_path / "m.onnx")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    if load(path, "auto").ask.inner.get_providers() != ["CPUExecutionProvider"]:
        pytest.skip("this machine has a GPU")
    with pytest.raises(OptionError, match="--device cuda:1: onnxruntime finds no such GPU"):
        load(path, "cuda:1")


# What is refused


def damaged_labels(said: Any) -> str:
    return str(said.to_json()).replace(said.digest, "0" * 64)


def external(location: str = "other.bin") -> Any:
    """A tensor whose values lie in another file."""
    tensor = TensorProto(name="more", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def unnamed() -> Any:
    """The same, of which only the place says so, as a number that C++ cuts to 1."""
    return TensorProto(name="more", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)


def inside_if(tensor: Any) -> Any:
    """A node whose branches hold it, two records further in."""
    out = helper.make_tensor_value_info("v", TensorProto.FLOAT, None)
    constant = helper.make_node("Constant", [], ["v"], value=tensor)
    branch = helper.make_graph([constant], "branch", [], [out])
    return helper.make_node("If", ["yes"], ["got"], then_branch=branch, else_branch=branch)


def with_node(node: Any, domain: str | None = None) -> Any:
    said = about()
    return model_of(said, graph(said, nodes=[node]), domains=[] if domain is None else [domain])


def with_tensor(tensor: Any) -> Any:
    said = about()
    return model_of(said, graph(said, initializers=[tensor]))


def function_with(tensor: Any) -> Any:
    model = model_of(about(), graph(about()))
    constant = helper.make_node("Constant", [], ["v"], value=tensor)
    model.functions.append(helper.make_function("own", "f", [], ["v"], [constant], [helper.make_opsetid("", 17)]))
    return model


def sparse_with(tensor: Any) -> Any:
    made = graph(about())
    indices = numpy_helper.from_array(np.zeros(1, np.int64))
    made.sparse_initializer.append(helper.make_sparse_tensor(tensor, indices, [3]))
    return model_of(about(), made)


def saying(text: str) -> Any:
    model = model_of(None, graph(about()))
    helper.set_model_props(model, {KEY: text})
    return model


def other_input(said: Any, **changed: Any) -> Any:
    """A graph of one description in a file of another."""
    return model_of(about(**changed), graph(said))


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "somebody else's": (lambda: model_of(None, graph(about())), "does not say which classes it knows: segdata export"),
    "no JSON": (lambda: saying("{"), "what it says of itself is damaged"),
    "lacks a field": (lambda: saying('{"bands": 3}'), "what it says of itself is damaged"),
    "of a later format": (lambda: saying(about(format=99).to_json()), "of format 99, this segdata reads 2: upgrade"),
    "another contract": (lambda: saying(damaged_labels(about())), "its label contract is damaged"),
    "opset to come": (
        lambda: model_of(about(), graph(about()), opset=999),
        r"of opset 999, and this onnxruntime [\d.]+ reads up to \d+: upgrade .* --opset 18$",
    ),
    "format to come": (
        lambda: model_of(about(), graph(about()), ir=999),
        r"of ONNX's format 999, and this onnxruntime [\d.]+ reads up to \d+: upgrade",
    ),
    "operators of others": (
        lambda: with_node(helper.make_node("Evil", [IMAGE], ["z"], domain="my.ops"), "my.ops"),
        "operators that are no part of ONNX .*my.ops:Evil",
    ),
    "no such operator": (
        lambda: with_node(helper.make_node("Evil", [IMAGE], ["z"])),
        "does not run it .opset 17.*Evil",
    ),
    "weights elsewhere": (lambda: with_tensor(external("../w.bin")), r"weights in other files \(../w.bin\)"),
    "weights beside": (lambda: with_tensor(external()), r"weights in other files \(other.bin\)"),
    "weights in memory": (lambda: with_tensor(external("*/_ORT_MEM_ADDR_/*")), "weights in other files"),
    "weights without a place": (lambda: with_tensor(unnamed()), "weights in other files"),
    "a constant elsewhere": (
        lambda: with_node(helper.make_node("Constant", [], ["z"], value=external())),
        r"weights in other files \(other.bin\)",
    ),
    "a branch elsewhere": (lambda: with_node(inside_if(external())), r"weights in other files \(other.bin\)"),
    "a function elsewhere": (lambda: function_with(external()), r"weights in other files \(other.bin\)"),
    "sparse elsewhere": (lambda: sparse_with(external()), r"weights in other files \(other.bin\)"),
    "other bands": (lambda: other_input(about(), bands=4), "its input has 3 bands, and it says 4"),
    "recipe of other bands": (
        lambda: model_of(said := about(bands=4, recipe=Recipe()), graph(said)),
        "what it says of itself is damaged: .* ImageNet's mean and std are of RGB",
    ),
    "other size": (lambda: other_input(about(), size=(16, 16)), r"it takes .* pixels, and it says \(16, 16\)"),
    "no such size": (lambda: other_input(about(size=(16, 16))), r"it takes \(16, 16\) pixels, and it says any size"),
    "other output": (lambda: other_input(about(), gives="logits"), "its outputs are probabilities, and it says logits"),
    "no embedding": (
        lambda: other_input(about(), embedding=3),
        "and it says probabilities, embedding",
    ),
    "other classes": (
        lambda: model_of(about(Labels.of(("a", "b"))), graph(about())),
        "it gives 3 classes, and it says 2",
    ),
    "names that are no text": (
        lambda: model_of(about(), graph(about())).SerializeToString().replace(b"\x01H", b"\x01\xeb"),
        "m.onnx: a damaged ONNX file: export it again",
    ),
    "a batch of two": (lambda: model_of(about(), graph(about(), batch=2)), "it takes 2 images at once"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_such_file_is_refused(tmp_path: Path, case: str) -> None:
    path = tmp_path / "m.onnx"
    made, message = REFUSED[case]
    data = made()
    path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
    with pytest.raises(DatasetError, match=message) as error:
        load(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    result = CliRunner().invoke(main, ["predict", str(path), str(tmp_path), str(tmp_path / "out")])
    assert result.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_weights_beside_the_process_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime would take them from the working folder, whoever's they are."""
    monkeypatch.chdir(tmp_path)
    Path("other.bin").write_bytes(b"\0" * 64)
    Path("m.onnx").write_bytes(with_tensor(external()).SerializeToString())
    with pytest.raises(DatasetError, match="weights in other files"):
        load("m.onnx")


@pytest.mark.parametrize("data", [b"", b"hello, this is no model", b"\x89PNG\r\n\x1a\n" + b"\0" * 60, b"\xff" * 99])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(DatasetError, match=r"m\.onnx: (not an ONNX file|does not say)"):
        load(tmp_path / "m.onnx")


def test_files_cut_off_anywhere_are_refused(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "m.onnx")
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DatasetError):
            load(path)


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_damaged_bytes_are_read_or_refused(at: int, value: int) -> None:
    data = bytearray(model_of(about(), graph(about())).SerializeToString())
    data[at % len(data)] = value
    with suppress(DatasetError):
        look_through(bytes(data), "m.onnx").refuse("m.onnx")


def test_a_dataset_of_other_classes_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    labels = Labels.of(["ground", "blue", "red"])
    path = write_onnx(tmp_path / "m.onnx", about(labels))
    with pytest.raises(DatasetError, match="match-names"):
        predict(path, dataset, tmp_path / "out")
    out = predict(path, dataset, tmp_path / "out", match_names=True)
    assert out.labels == dataset.labels


def test_folds_are_of_checkpoints(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--split folds takes the folder of a cross-validation"):
        predict(write_onnx(tmp_path / "m.onnx"), dataset, tmp_path / "out", split="folds")


def test_the_file_is_seen_as_onnx_sees_it(tmp_path: Path) -> None:
    """Every operator, opset and entry that ONNX's own reader finds."""
    model = with_node(inside_if(numpy_helper.from_array(np.zeros(1, np.float32))), "own")
    node = helper.make_node("f", [], ["w"], domain="own")
    model.graph.node.append(node)
    inner = helper.make_node("Constant", [], ["v"], value_float=1.0)
    model.functions.append(helper.make_function("own", "f", [], ["v"], [inner], [helper.make_opsetid("", 17)]))
    data = model.SerializeToString()
    read = onnx.load_from_string(data)
    found = look_through(data, "m.onnx")
    assert found.opsets == {one.domain: one.version for one in read.opset_import}
    assert found.metadata == {one.key: one.value for one in read.metadata_props}
    assert found.operators == {(one.domain, one.op_type) for one in read.graph.node} | {("", "Constant")}
    assert found.functions == {("own", "f")}
    found.refuse("m.onnx")  # its own functions are no operators of others


def test_the_predictor_is_shown_in_a_line_and_knows_its_checkpoint(tmp_path: Path) -> None:
    model = load(write_onnx(tmp_path / "m.onnx"))
    assert repr(model).startswith("ExportedPredictor(path=")
    assert model.checkpoint is not None
