"""ONNX models of fewer bits: fp16 by onnxruntime's converter, int8 by its static quantisation.

https://onnxruntime.ai/docs/performance/model-optimizations/float16.html and .../quantization.html. int8: QDQ form, weights per
channel, ranges of values inside the model from calibration images. Inputs and outputs stay float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError
from segdata.labels import Labels
from segdata.nn.data import to_tensor
from segdata.nn.export.network import Size, quiet
from segdata.nn.export.parity import WINDOW, Padding, inputs
from segdata.nn.predictor import TorchPredictor
from segdata.prediction.exported import IMAGE
from segdata.prediction.exported_predictor import Floats
from segdata.prediction.sliding import Failed, slide
from segdata.prediction.windows import Sliding
from segdata.resize import Pixels

if TYPE_CHECKING:
    from onnx import ModelProto

WHOLE = (
    "Conv",
    "ConvTranspose",
    "MatMul",
    "Gemm",
    "Add",
    "Mul",
    "Concat",
    "Relu",
    "Clip",
    "MaxPool",
    "AveragePool",
    "Resize",
)
"""The operators that compute in int8; others, such as the softmax, stay in float32."""

MOST = 256
"""So many windows of images are looked at: large images have many."""


def half(model: ModelProto) -> ModelProto:
    """The model in fp16; inputs and outputs stay float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with quiet():
        made: ModelProto = convert_float_to_float16(model, keep_io_types=True)
    return made


def quantised(model: ModelProto, images: Iterator[Floats]) -> ModelProto:
    """The model in int8, its ranges from `images`, (1, C, H, W) float32 each."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def get_next(self) -> dict[str, Any] | None:
            image = next(images, None)
            return None if image is None else {IMAGE: image}

    with tempfile.TemporaryDirectory(prefix="segdata-") as folder, quiet():
        ready, made = Path(folder) / "ready.onnx", Path(folder) / "int8.onnx"
        fuse(model, ready)
        quantize_static(
            ready, made, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, op_types_to_quantize=list(WHOLE),
            activation_type=QuantType.QInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
        return onnx.load(made)


def fuse(model: ModelProto, path: Path) -> None:
    """Write the model with what onnxruntime joins in any model, such as a convolution and its normalisation."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def windows_of(predictor: TorchPredictor, images: Dataset, size: Size | None) -> Iterator[Floats]:
    """(1, C, h, w) float32: the windows of images as the model gets them, `MOST` at most; of `size` if that is fixed.

    Raises `DatasetError` for images that cannot be read.
    """
    given = Given(predictor)
    number = 0
    for part in slide(inputs(images, predictor), Padding(given, size or (1, 1)), Sliding(size or WINDOW, batch=1)):
        if isinstance(part, Failed):
            raise DatasetError(f"{part.problem}: correct it, or name other images (--ranges-from)")
        while given.windows and number < MOST:
            number += 1
            yield given.windows.pop(0)


@dataclass(slots=True)
class Given:
    """A `Predictor` that keeps what it is given, normalised, and says that nothing is known."""

    by: TorchPredictor
    windows: list[Floats] = field(default_factory=list)

    @property
    def labels(self) -> Labels:
        """Those of the model."""
        return self.by.labels

    def __call__(self, images: Pixels) -> Floats:
        """(N, h, w, C) pixels as read -> (N, K, h, w) float32, 1 / K each."""
        self.windows.append(self.by.standardise(to_tensor(images)).contiguous().numpy())
        classes = len(self.labels.classes)
        return np.full((len(images), classes, *images.shape[1:3]), 1 / classes, np.float32)
