"""An ONNX model in memory, run by onnxruntime as it is."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from segdata.errors import OptionError
from segdata.nn.export.agreement import Ask
from segdata.prediction.exported import IMAGE


def session(model: bytes) -> Ask:
    """The model as a function of its input. Raises `OptionError` where the onnxruntime here does not take it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()  # as many as the checkpoint gets
    try:
        made = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own types, which differ between its versions
        text = " ".join(str(error).split())[:300]
        raise OptionError(
            f"onnxruntime {onnxruntime.__version__} does not take this model ({text}): try a lower --opset"
        ) from error

    def ask(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [np.asarray(one) for one in made.run(None, {IMAGE: image})]

    return ask
