"""Adaptive mean pooling in ONNX, for maps of any size: a product with weights for rows and for columns.

ONNX has no such operator, and what torch makes of it holds for one size only. The regions are those of
https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html: rows floor(i H / n) to ceil((i + 1) H / n).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch


def translations() -> dict[Any, Callable[..., Any]]:
    """The operators of torch that are written by functions of this module."""
    return {torch.ops.aten._adaptive_avg_pool2d.default: adaptive_mean}


def adaptive_mean(self: Any, output_size: Sequence[int]) -> Any:
    """`(N, channels, H, W)` to `(N, channels, *output_size)`."""
    from onnxscript import opset18 as op

    rows, columns = (
        weights(op.Shape(self, start=axis, end=axis + 1), n, self) for axis, n in zip((2, 3), output_size, strict=True)
    )
    return op.MatMul(op.MatMul(rows, self), op.Transpose(columns, perm=[1, 0]))


def weights(length: Any, count: int, like: Any) -> Any:
    """`(count, length)`: how much each row counts in each region."""
    from onnxscript import opset18 as op

    def whole(*values: int) -> Any:
        return op.Constant(value=tensor(np.array(values)))

    region = op.Constant(value=tensor(np.arange(count)[:, None]))
    place = op.Range(op.Constant(value=tensor(np.array(0))), op.Squeeze(length), op.Constant(value=tensor(np.array(1))))
    first = op.Div(op.Mul(region, length), whole(count))
    end = op.Div(op.Add(op.Mul(op.Add(region, whole(1)), length), whole(count - 1)), whole(count))
    inside = op.And(op.GreaterOrEqual(place, first), op.Less(place, end))
    return op.Div(op.CastLike(inside, like), op.CastLike(op.Sub(end, first), like))


def tensor(values: Any) -> Any:
    """Whole numbers as ONNX holds them."""
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(values, np.int64))
