"""What models cost, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segdata.cli.show import table


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
        "GFLOPs of one picture, forward, a multiplication and an addition as two; MB of a batch's tensors, float32, Adam.",
    ]
