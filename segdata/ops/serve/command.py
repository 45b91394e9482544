"""`segdata serve`."""

from __future__ import annotations

from typing import Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo


@operation("segdata.ops.serve.operation:serve")
def serve(model: str, **given: Any) -> None:
    """Answer images with masks over HTTP.

    MODEL is a checkpoint or an exported model. Ctrl-C or SIGTERM stops the service once it has answered what it has begun.

    \b
    segdata serve run1/best.pt
    segdata serve model.onnx --host 0.0.0.0 --port 80
    curl --data-binary @photo.jpg http://127.0.0.1:8000/predict > mask.png
    curl -F file=@photo.jpg "http://127.0.0.1:8000/predict?format=shares"

    Formats: mask, palette, polygons, shares. Also there: /model, /health, /ready, /metrics, /openapi.json (docs/serve.md).
    Nothing is written but --signals. There are no accounts: let strangers reach it only through a server of yours that knows
    who they are.
    """
    from segdata.ops.serve.operation import serve

    serve(model, announce=lambda url: echo(f"serving {model} at {url} (Ctrl-C stops)"), **given)
    echo("stopped: what had begun is answered")
