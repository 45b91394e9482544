"""`segdata models`: what there is to train, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from segdata.terminal.options import height_width
from segdata.terminal.text import table


@click.command()
@click.argument("model", nargs=-1)
@click.option("--encoder", multiple=True, metavar="NAME", help="Over this one, not the model's own; repeat, or `all`.")
@click.option("--size", callback=height_width, metavar="PX", help="Of the image, or HEIGHTxWIDTH (default 512).")
@click.option("--bands", type=click.IntRange(min=1), help="Of the image (default 3).")
@click.option("--classes", type=click.IntRange(min=1), help="Of the output (default 21).")
@click.option("--batch", type=click.IntRange(min=1), help="Images that memory is told for (default 1).")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def models(
    model: tuple[str, ...], encoder: tuple[str, ...], size: tuple[int, int] | None, bands: int | None, classes: int | None,
    batch: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Models, encoders, and their parameters, operations and memory at a size; all, or each MODEL named.

    \b
    segdata models                                   # every model, over the encoder that it has by itself
    segdata models unet deeplabv3plus --encoder all  # each over every encoder
    segdata models unet --encoder vgg19_bn --size 360x480 --classes 11 --batch 8
    segdata models my_package.nets:build             # a model of your own
    """
    from segdata.nn.models import ENCODERS
    from segdata.nn.models.measure import costs

    given: dict[str, Any] = {"size": size, "bands": bands, "classes": classes, "batch": batch}
    given = {name: value for name, value in given.items() if value}
    if encoder:
        given["encoders"] = tuple(ENCODERS) if "all" in encoder else encoder
    rows = costs(model, **given)
    lines = [*cost_lines(rows), f"Encoders: {', '.join(ENCODERS)}."]
    click.echo(json.dumps(rows, indent=1) if as_json else "\n".join(lines))


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
