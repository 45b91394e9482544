"""Curves of trainings as an image: one run at a glance, or several runs compared."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from statistics import fmean
from typing import Any

from segdata.files.drafts import local_draft
from segdata.files.limits import open_regular
from segdata.files.places import local_copy
from segdata.files.remote import Place
from segdata.terminal.text import csv_text
from segdata.words import share, whole

Row = Mapping[str, float]
"""The measurements after one epoch, by name. A name is absent or NaN if it was not measured."""

PANELS = {
    "loss": ("val_loss", "train_loss"),
    "pixel accuracy": ("pixel_accuracy",),
    "class accuracy": ("class_accuracy",),
    "mean IoU": ("mean_iou",),
}
"""The panels of an image, and the columns that each shows: of the validation as a solid line, of the training as a dashed one.
All but the loss are in per cent."""

COLORS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#56b4e9", "#e69f00", "#882255", "#777777")
"""Of lines on white, told apart by colour-blind people too (after Okabe and Ito, and Tol)."""

MARKERS = "s^Dvxp*P<>+"
"""Those who share a colour differ in their markers."""

NAMED = 24
"""Names in one column of a key."""

Curve = tuple[list[float], list[float], list[float], list[float]]
"""Epochs, and the mean, the smallest and the largest value there."""


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
    largest value. With one run, `classes` also draws the IoU of each class.
    """
    from matplotlib.figure import Figure

    each = class_curves(next(iter(runs.values()))[0]) if classes and len(runs) == 1 else {}
    columns = -(-len(each) // NAMED)
    figure = Figure(figsize=(13 + 3 * max(0, columns - 1), 8 if each else 4), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.1)) if each else (figure, None)
    top, bottom = parts
    for axes, (title, names) in zip(top.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for number, repeats in enumerate(runs.values()):
            for name in names:
                _draw(axes, spread(repeats, name), _look(number, name), (number, len(runs)))
        _label(axes, title)
    _key(top, runs)
    if bottom is not None:
        axes = bottom.subplots()
        lines = [_draw(axes, c, _look(n), (n, len(each)))[0] for n, c in enumerate(each.values())]
        told = [f"{name}  {share(curve[1][-1])}" for name, curve in each.items()]
        _label(axes, "IoU of each class, and its last value")
        _plain(bottom.legend(lines, told, loc="outside right upper", ncols=columns, fontsize=9, frameon=False))
    with local_draft(path) as here:
        figure.savefig(here, dpi=110)


def class_curves(rows: Sequence[Row]) -> dict[str, Curve]:
    """The IoU of each class that was measured, by the name of the class; the best at the end comes first."""
    names = dict.fromkeys(name for row in rows for name in row if name.startswith("iou/"))
    found = {name.removeprefix("iou/"): spread([rows], name) for name in names}
    measured = {name: curve for name, curve in found.items() if curve[0]}
    return dict(sorted(measured.items(), key=lambda one: -one[1][1][-1]))


def _look(number: int, column: str = "") -> dict[str, Any]:
    """Of a line: its colour, its marker, and dashes if it is of the training."""
    marker = MARKERS[(number // len(COLORS) - 1) % len(MARKERS)] if number >= len(COLORS) else None
    style = "--" if column.startswith("train") else "-"
    return {"color": COLORS[number % len(COLORS)], "marker": marker, "linestyle": style, "markersize": 4}


def _draw(axes: Any, curve: Curve, look: dict[str, Any], place: tuple[int, int]) -> list[Any]:
    """Draw a curve and its band. One epoch is a point; those of several runs lie side by side, or they would hide each other."""
    x, y, least, most = curve
    if len(x) == 1:
        at = x[0] + 0.6 * ((place[0] + 0.5) / place[1] - 0.5)
        around = [[y[0] - least[0]], [most[0] - y[0]]]
        filled = "none" if look["linestyle"] == "--" else None
        return list(axes.errorbar(at, y, around, **{**look, "marker": look["marker"] or "o"}, markerfacecolor=filled))
    axes.fill_between(x, least, most, color=look["color"], alpha=0.15, lw=0)
    return list(axes.plot(x, y, **look, lw=1.6, zorder=3))


def _label(axes: Any, title: str) -> None:
    """Say what the axes are of."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    axes.set_title(title, fontsize=11)
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.3)
    epochs = {round(x) for line in axes.lines for x in line.get_xdata()}
    axes.xaxis.set_major_locator(FixedLocator(list(epochs)) if len(epochs) == 1 else MaxNLocator(6, integer=True))
    if len(epochs) == 1:
        axes.set_xlim(min(epochs) - 0.5, min(epochs) + 0.5)
    if title != "loss":
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(lambda value, _: whole(value))
        axes.set_ylabel("per cent")


def _key(figure: Any, runs: Mapping[str, Sequence[Sequence[Row]]]) -> None:
    """Say what colours, dashes and bands mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks: list[Any] = [Line2D([], [], color="#444444"), Line2D([], [], color="#444444", linestyle="--")]
    points = any(len(rows) == 1 for repeats in runs.values() for rows in repeats)
    names = ["validation", "training, hollow after one epoch" if points else "training"]
    if any(len(repeats) > 1 for repeats in runs.values()):
        marks.append(Patch(color="#444444", alpha=0.2))
        names.append("smallest to largest of runs with different seeds, around their mean")
    if len(runs) > 1:
        marks += [Line2D([], [], **_look(number)) for number in range(len(runs))]
        names += [run if len(r) == 1 else f"{run} ({len(r)} runs)" for run, r in runs.items()]
    _plain(figure.legend(marks, names, loc="outside lower center", ncols=min(len(names), 6), fontsize=9, frameon=False))


def _plain(legend: Any) -> None:
    """A `$` in a name is no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)


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


def spread(repeats: Sequence[Sequence[Row]], column: str) -> Curve:
    """The epochs at which a column was measured in every repeat; its mean, smallest and largest value there."""
    curves = [dict(zip(*_points(rows, column), strict=True)) for rows in repeats]
    epochs = sorted(set(curves[0]).intersection(*curves[1:]))
    values = [[curve[epoch] for curve in curves] for epoch in epochs]
    return epochs, [fmean(v) for v in values], [min(v) for v in values], [max(v) for v in values]
