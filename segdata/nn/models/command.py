"""`segdata models`: what there is to train, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.text import json_lines, table


@operation("segdata.nn.models.measure:costs")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def models(as_json: bool, **given: Any) -> None:
    """List models and encoders, and what they cost.

    That is parameters, operations and memory at a size, of all models, or of each MODEL named.

    \b
    segdata models                                   # each over its own encoder
    segdata models unet deeplabv3plus --encoder all  # each over every encoder
    segdata models unet --encoder vgg19_bn --size 360x480 --batch 8
    segdata models my_package.nets:build             # a model of your own
    """
    from segdata.nn.models import ENCODERS
    from segdata.nn.models.measure import costs

    if "all" in given.get("encoders", ()):
        given["encoders"] = tuple(ENCODERS)
    rows = costs(**given)
    lines = [*cost_lines(rows), f"Encoders: {', '.join(ENCODERS)}."]
    echo(json_lines(rows) if as_json else lines)


def cost_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What `segdata models` prints of `segdata.nn.models.measure.costs`."""
    cells: list[list[object]] = [["model", "encoder", "parameters", "GFLOPs", "MB to predict", "MB to train"]]
    cells += [
        [
            row["model"],
            row["encoder"] or "-",
            f"{row['parameters']:,}",
            f"{row['flops'] / 1e9:,.1f}",
            f"{row['predict'] / 1e6:,.0f}",
            f"{row['train'] / 1e6:,.0f}",
        ]
        for row in rows
    ]
    return [
        *table(cells, "llrrrr"),
        "GFLOPs of one image, forward, a multiplication and an addition as two; MB of a batch's tensors, float32, Adam.",
    ]
