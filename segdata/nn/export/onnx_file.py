"""An ONNX file of a traced network: https://docs.pytorch.org/docs/stable/onnx_export.html, and what it says of itself.

The file says nothing of the machine: the exporter's notes of where each operation comes from are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.export import ExportedProgram

from segdata.errors import MissingDependency, OptionError
from segdata.nn.checkpoint import FAULTS
from segdata.nn.export.network import MOST, quiet
from segdata.nn.export.pooling import translations
from segdata.prediction.exported import IMAGE, KEY, Exported
from segdata.version import __version__

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OPSET = 18
"""What the exporter of torch writes without conversion; onnxruntime reads it from 1.14 on."""

OPSETS = (18, 23)
"""The lowest and the highest that can be asked for."""

LARGEST = 2**31 - 2**20
"""An ONNX file of one piece has at most so many bytes."""


def need_onnx() -> None:
    """Check that the extra `onnx` is installed. Raises `MissingDependency` if not."""
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if find_spec(name) is None]
    if missing:
        raise MissingDependency(f"exporting to ONNX takes {', '.join(missing)}: pip install 'segdata[onnx]'")


def refuse_opset(opset: int) -> None:
    """Raise `OptionError` for an opset that is not written."""
    if not OPSETS[0] <= opset <= OPSETS[1]:
        raise OptionError(f"--opset {opset}: must be {OPSETS[0]} to {OPSETS[1]}")


def to_onnx(program: ExportedProgram, outputs: Sequence[str], opset: int) -> ModelProto:
    """The network as an ONNX model. Raises `OptionError` where ONNX, or this opset, has no form for it."""
    none = f"this model has no form in ONNX of opset {opset}"
    with quiet():
        try:
            made = torch.onnx.export(
                program, dynamo=True, opset_version=opset, input_names=[IMAGE], output_names=outputs, verbose=False,
                custom_translation_table=translations(),
            )  # fmt: skip
        except FAULTS as error:
            text = " ".join(str(error).split())[:MOST]
            raise OptionError(f"{none} ({text}): segdata export torch may have one") from error
    if made is None:
        raise OptionError(f"{none}: segdata export torch may have one")
    model = made.model_proto
    written = next(one.version for one in model.opset_import if not one.domain)
    if written != opset:
        raise OptionError(f"--opset {opset}: the exporter gives {written}: ask for that, or install a newer torch")
    return model


def clean(model: ModelProto) -> None:
    """Leave out what the exporter notes of its source files, operators' domains that it does not use, and names of sizes."""
    model.doc_string = ""
    model.producer_name, model.producer_version = "segdata", __version__
    del model.metadata_props[:]
    graph = model.graph
    used = {node.domain for node in graph.node}
    opsets = [one for one in model.opset_import if one.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    del graph.value_info[:]
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    name_sizes(graph)


def name_sizes(graph: GraphProto) -> None:
    """Call the free sizes of input and outputs batch, height and width."""
    for value in (*graph.input, *graph.output):
        for dim, name in zip(value.type.tensor_type.shape.dim, ("batch", None, "height", "width"), strict=False):
            if name is not None and dim.HasField("dim_param"):
                dim.dim_param = name


def describe(model: ModelProto, about: Exported, plain: dict[str, Any]) -> bytes:
    """The bytes of the file, with `about` under `KEY`, and `plain` values for people. Raises `OptionError` for too many."""
    clean(model)
    for key, value in _props(about, plain):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    if model.ByteSize() > LARGEST:
        raise OptionError("this model has more than 2 GB of weights, which one ONNX file cannot hold")
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _props(about: Exported, plain: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield KEY, about.to_json()
    for key, value in plain.items():
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
