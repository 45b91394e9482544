"""Curves of trainings as an image: one run at a glance, or several runs compared."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from statistics import fmean

from segdata.files.drafts import local_draft
from segdata.files.limits import open_regular
from segdata.files.places import local_copy
from segdata.files.remote import Place
from segdata.terminal.text import csv_text

Row = Mapping[str, float]
"""The measurements after one epoch, by name. A name is absent or NaN if it was not measured."""

PANELS = {
    "loss": ("train_loss", "val_loss"),
    "accuracy": ("pixel_accuracy", "class_accuracy"),
    "IoU": ("mean_iou",),
}
"""The panels of an image, and the columns that each shows: validation as a solid line, training as a dashed one."""


def read_rows(path: str | Place) -> list[dict[str, float]]:
    """Read the rows of a metrics.csv; empty cells are left out."""
    with local_copy(path) as here, TextIOWrapper(open_regular(here), "utf-8", newline="") as file:
        return [{k: float(v) for k, v in line.items() if v != ""} for line in csv.DictReader(file)]


def write_rows(path: str | Place, rows: Sequence[Row]) -> None:
    """Write a metrics.csv: one line per epoch. Numbers read back as the same values; NaN becomes an empty cell."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def cell(row: Row, name: str) -> float | None:
        value = row.get(name, math.nan)
        return None if math.isnan(value) else int(value) if name in ("epoch", "step") else value

    with local_draft(path) as here, open(here, "w", newline="", encoding="utf-8") as file:
        file.write(csv_text([names, *([cell(row, name) for name in names] for row in rows)]) + "\n")


def draw_curves(path: str | Place, runs: Mapping[str, Sequence[Sequence[Row]]], *, classes: bool = False) -> None:
    """Draw loss, accuracy and IoU over epochs as an image (PNG, SVG or PDF, by the name).

    `runs`: by name, the rows of one run or of several. Of several, the mean is drawn, inside a band from the smallest to the
    largest value. With one run, `classes` also draws the IoU of each class; the worst classes are named.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, MaxNLocator

    figure = Figure(figsize=(13, 4), layout="constrained")
    for axes, (title, columns) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        epochs: set[float] = set()
        for number, (run, repeats) in enumerate(runs.items()):
            for column in columns:
                x, y, least, most = _spread(repeats, column)
                if not x:
                    continue
                epochs.update(x)
                name = run if column.startswith(("val", "mean", "pixel")) else ""
                label = column.replace("_", " ") if len(runs) == 1 else name
                color = f"C{number}" if len(runs) > 1 else f"C{columns.index(column)}"
                style = "-" if len(runs) == 1 or name else "--"
                if len(x) > 1:
                    axes.plot(x, y, style, color=color, label=label or None, zorder=3)
                    axes.fill_between(x, least, most, color=color, alpha=0.15, lw=0)
                else:  # side by side: otherwise they would hide each other
                    at = x[0] * (1 + 0.02 * (number - (len(runs) - 1) / 2))
                    axes.errorbar(
                        at, y, [[y[0] - least[0]], [most[0] - y[0]]], fmt="o", color=color, label=label or None
                    )
        if title == "IoU" and classes and len(runs) == 1:
            _class_curves(axes, next(iter(runs.values()))[0])
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True) if len(epochs) > 1 else FixedLocator(list(epochs)))
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0] and (
            len(runs) == 1 or title == "loss"
        ):  # several runs: one legend for all panels
            axes.legend(fontsize=8)
        if title != "loss":
            axes.set_ylim(0, 1)
    with local_draft(path) as here:
        figure.savefig(here, dpi=110)


def draw_rates(path: str | Place, rates: Sequence[float], losses: Sequence[float], suggested: float) -> None:
    """Draw the loss over the learning rate, and mark the suggested rate."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses)
    axes.axvline(suggested, color="C1", label=f"{suggested:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, averaged")
    axes.grid(alpha=0.3)
    axes.legend()
    with local_draft(path) as here:
        figure.savefig(here, dpi=110)


def _points(rows: Sequence[Row], column: str) -> tuple[list[float], list[float]]:
    """The epochs at which a column was measured, and its values."""
    found = [(row["epoch"], row[column]) for row in rows if math.isfinite(row.get(column, math.nan))]
    return [x for x, _ in found], [y for _, y in found]


def _spread(repeats: Sequence[Sequence[Row]], column: str) -> tuple[list[float], list[float], list[float], list[float]]:
    """The epochs at which a column was measured in every repeat; its mean, smallest and largest value there."""
    curves = [dict(zip(*_points(rows, column), strict=True)) for rows in repeats]
    epochs = sorted(set(curves[0]).intersection(*curves[1:]))
    values = [[curve[epoch] for curve in curves] for epoch in epochs]
    return epochs, [fmean(v) for v in values], [min(v) for v in values], [max(v) for v in values]


def _class_curves(axes: object, rows: Sequence[Row], named: int = 4) -> None:
    """Draw the IoU of each class as a thin line, and name the classes that are worst at the end."""
    names = [name for name in dict.fromkeys(n for row in rows for n in row) if name.startswith("iou/")]
    curves = {name.removeprefix("iou/"): _points(rows, name) for name in names}
    curves = {name: points for name, points in curves.items() if points[0]}
    worst = sorted(curves, key=lambda name: curves[name][1][-1])[:named]
    for number, (name, (x, y)) in enumerate(curves.items()):
        label = name if name in worst else None
        axes.plot(x, y, color=f"C{1 + number % 9}", lw=0.7, alpha=0.9 if label else 0.35, label=label)  # type: ignore[attr-defined]
