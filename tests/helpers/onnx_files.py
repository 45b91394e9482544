"""ONNX files as `segdata export onnx` describes them, written by ONNX's own helper: models of a few weights, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from segdata.labels import Labels
from segdata.prediction.exported import EMBEDDING, IMAGE, KEY, Exported
from segdata.recipes.recipe import Recipe

LABELS = Labels.of(["ground", "red", "blue"])


def about(labels: Labels = LABELS, *, bands: int = 3, recipe: Recipe | None = None, **more: Any) -> Exported:
    """What such a file says of itself."""
    recipe = recipe or Recipe(normalise_by="none")
    return Exported(
        checkpoint="0" * 64, labels=labels.to_json(), digest=labels.digest, recipe=recipe.to_dict(), bands=bands, **more
    )  # fmt: skip


def weights(classes: int = 3, bands: int = 3, seed: int = 0) -> NDArray[np.float32]:
    """(K, C, 3, 3): those of the one convolution."""
    return np.random.default_rng(seed).normal(size=(classes, bands, 3, 3)).astype(np.float32)


def graph(
    said: Exported, *, batch: int | str = "N", nodes: Sequence[Any] = (), initializers: Sequence[Any] = ()
) -> onnx.GraphProto:
    """A convolution of 3 x 3 pixels; then the softmax, if probabilities are given; and the mean of the image, if an embedding."""
    classes = len(said.contract.classes)
    made = [helper.make_node("Conv", [IMAGE, "weights"], ["convolved"], pads=[1, 1, 1, 1])]
    if said.gives == "logits":
        made.append(helper.make_node("Identity", ["convolved"], ["logits"]))
    else:
        scale = numpy_helper.from_array(np.float32(1 / said.temperature), "scale")
        made.append(helper.make_node("Constant", [], ["scale"], value=scale))
        made.append(helper.make_node("Mul", ["convolved", "scale"], ["scaled"]))
        made.append(helper.make_node("Softmax", ["scaled"], ["probabilities"], axis=1))
    size = said.size or ("H", "W")
    floats = TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info(said.gives, floats, [batch, classes, *size])]
    if said.embedding is not None:
        made.append(helper.make_node("ReduceMean", [IMAGE], [EMBEDDING], axes=[2, 3], keepdims=0))
        outputs.append(helper.make_tensor_value_info(EMBEDDING, floats, [batch, said.embedding]))
    image = helper.make_tensor_value_info(IMAGE, floats, [batch, said.bands, *size])
    tensors = [numpy_helper.from_array(weights(classes, said.bands), "weights"), *initializers]
    return helper.make_graph([*made, *nodes], "model", [image], outputs, tensors)


def model_of(
    said: Exported | None, made: onnx.GraphProto, *, opset: int = 17, ir: int = 8, domains: Sequence[str] = ()
) -> onnx.ModelProto:
    """The model of a graph, with what it says of itself, if anything."""
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=ir)
    if said is not None:
        helper.set_model_props(model, {KEY: said.to_json(), "classes": ", ".join(said.contract.names)})
    return model


def write_onnx(path: Path, said: Exported | None = None, **options: Any) -> Path:
    """Write the file of a model; `options` are those of `graph`."""
    said = said or about()
    path.write_bytes(model_of(said, graph(said, **options)).SerializeToString())
    return path
