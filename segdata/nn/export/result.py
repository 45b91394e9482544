"""What an export of a model gives: the file, what it says of itself, and how it compares with the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from segdata.prediction.exported import Exported


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """The file at `path`, of `bytes` bytes; `opset` is of an ONNX file, None of others."""

    path: str
    about: Exported
    bytes: int
    opset: int | None
