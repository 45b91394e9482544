"""`segdata export onnx` and `segdata export torch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from segdata.nn.options import need_extra
from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.text import json_lines

if TYPE_CHECKING:
    from segdata.nn.export.result import ExportedModel

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@operation("segdata.nn.export.operation:export_onnx")
@JSON
def onnx(as_json: bool, **given: Any) -> None:
    """Write MODEL, a checkpoint, as an ONNX file DST.

    Images of any size and number go in, normalised as the file says; classes, colours and preprocessing are in its metadata.
    In the end the file is compared with the checkpoint on real images, and kept only if both say the same.

    \b
    segdata export onnx run1/best.pt model.onnx
    segdata export onnx run1/best.pt model.onnx --verify mydata --split test
    segdata export onnx run1/best.pt small.onnx --precision int8 --limit 1
    segdata predict model.onnx mydata predictions
    """
    need_extra()
    from segdata.nn.export.operation import export_onnx

    tell(export_onnx(**given), as_json)


@operation("segdata.nn.export.operation:export_torch")
@JSON
def torch(as_json: bool, **given: Any) -> None:
    """Write MODEL, a checkpoint, as a program DST of torch.export (.pt2).

    It takes and gives what an ONNX file does, is compared with the checkpoint in the same way, and needs torch but no segdata.

    \b
    segdata export torch run1/best.pt model.pt2
    """
    need_extra()
    from segdata.nn.export.operation import export_torch

    tell(export_torch(**given), as_json)


def tell(made: ExportedModel, as_json: bool) -> None:
    """Print what was written, and how it compares."""
    from segdata.nn.export.text import export_lines

    echo(json_lines(made.to_json()) if as_json else export_lines(made))
