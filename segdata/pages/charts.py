"""Charts as inline SVG, drawn by small functions. Colours come from the page's style sheet, for light and dark pages.

Every function returns `Markup`: names from data are escaped when they are inserted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from markupsafe import Markup

from segdata.labels import RGB
from segdata.words import share, whole

Kind = Literal["bars", "dots", "ranges"]
"""bars: one value per row; dots: one value per row and series; ranges: low, quarter, middle, three quarters, high per row."""

COLORS = 6
"""How many colours the style sheet has, from `s0` on; further series start again at the first."""

LEGIBLE = 0.7
"""Charts shrink to this part of their size at most: their text is then 8 to 9 pixels high."""

ROW, LABELS, GAP, TOP, BOTTOM = 21, 190, 62, 24, 26


@dataclass(frozen=True, slots=True)
class Row:
    """The label on the left of a row: a name, with a square of its colour."""

    name: str
    color: RGB


@dataclass(frozen=True, slots=True)
class Panel:
    """One axis beside the names of the rows. `series`: by name, one value per row; None draws nothing.

    For `ranges` a value is a tuple of five. `show` makes the text of a value, and at the axis if there is no `tick`.
    """

    title: str
    series: Mapping[str, Sequence[Any]]
    kind: Kind = "dots"
    log: bool = False
    show: Callable[[float], str] = "{:.3g}".format
    most: float | None = None
    tick: Callable[[float], str] | None = None


def panels(rows: Sequence[Row], charts: Sequence[Panel], *, width: int = 1080) -> Markup:
    """Panels side by side over the same rows."""
    height = TOP + ROW * len(rows) + BOTTOM
    each = (width - LABELS) / len(charts)
    marks = [_labels(rows, width)]
    marks += [_panel(chart, LABELS + i * each, each - GAP, len(rows)) for i, chart in enumerate(charts)]
    return _svg(width, height, marks)


def heat_map(
    rows: Sequence[Row],
    values: Sequence[Sequence[float]],
    tips: Sequence[Sequence[str]],
    columns: Sequence[Row] | None = None,
    links: Mapping[tuple[int, int], str] | None = None,
) -> Markup:
    """(R, C) values in 0..1 as squares, each with a tip; few squares show their percentage too. `columns` default to `rows`.

    `links`: where a click on a square (row, column) leads to.
    """
    columns = rows if columns is None else columns
    few = len(columns) <= 20
    side, top = 34 if few else 22, 120
    marks = [_labels(rows, LABELS + side * len(columns), side, top)]
    turned = Markup('<text transform="translate({:.1f} {}) rotate(-60)">{}</text>')
    marks += [turned.format(LABELS + (j + 0.5) * side + 4, top - 8, _cut(c.name, 16)) for j, c in enumerate(columns)]
    for i in range(len(rows)):
        for j, value in enumerate(values[i]):
            x, y = LABELS + j * side, top + i * side
            square = Markup('<rect class="s0" x="{}" y="{}" width="{}" height="{}" fill-opacity="{:.3f}"/>')
            mark = square.format(x, y, side - 1, side - 1, 0.05 + 0.65 * value)
            if few:
                mark += _text(x + side / 2, y + side / 2 + 4, whole(value), "middle")
            if link := (links or {}).get((i, j)):
                mark = Markup('<a href="{}">{}</a>').format(link, mark)
            marks.append(Markup("<g>{}<title>{}</title></g>").format(mark, tips[i][j]))
    return _svg(LABELS + side * len(columns) + 60, top + side * len(rows) + 4, marks)


def curve(
    points: Sequence[tuple[float, float, int]],
    across: str,
    up: str,
    *,
    diagonal: bool = True,
    highest: float = 1.0,
    side: int = 360,
) -> Markup:
    """Points (x, y, pixels) on axes called `across`, 0 to 1, and `up`, 0 to a round value from `highest` on.

    The area of a dot is its pixels.
    """
    left, bottom, top, most_up = 52, 40, 14, _round_up(highest)
    width, height = side + left + 24, side + bottom + top
    most = max((n for _, _, n in points), default=1)

    def place(x: float, y: float) -> tuple[float, float]:
        return left + x * side, top + (1 - y / most_up) * side

    marks = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x, y), (x2, y2) = place(tick, 0), place(0, tick * most_up)
        marks += [_line(x, top, x, y, "grid"), _line(left, y2, left + side, y2, "grid")]
        marks += [
            _text(x, y + 16, whole(tick), "middle faint"),
            _text(x2 - 6, y2 + 4, whole(tick * most_up) if most_up >= 0.1 else share(tick * most_up), "end faint"),
        ]
    marks += [_line(*place(0, 0), *place(1, 1), "s1 thin")] if diagonal else []
    marks += [_line(*place(*a[:2]), *place(*b[:2]), "s0 thin") for a, b in pairwise(points)]
    for x, y, n in points:
        tip = f"{n:,} pixels: {across} {share(x)}, {up} {share(y)}"
        marks.append(_dot(*place(x, y), max(3.0, 14 * math.sqrt(n / most)), "s0 bubble", tip))
    marks.append(_text(left + side / 2, height - 6, across, "middle faint"))
    turned = Markup('<text class="middle faint" transform="translate(13 {}) rotate(-90)">{}</text>')
    marks.append(turned.format(top + side / 2, up))
    return _svg(width, height, marks)


def bubbles(points: Sequence[tuple[int, int, int]], *, width: int = 520, height: int = 380) -> Markup:
    """Draw image sizes (height, width, images): width to the right, height upwards, area proportional to the images."""
    left, bottom = 58, 40
    right, up = 1.08 * max(w for _, w, _ in points), 1.08 * max(h for h, _, _ in points)
    across, along = (width - left - 20) / right, (height - bottom - 14) / up
    most = max(n for _, _, n in points)
    marks = []
    for v in _linear_ticks(right):
        marks.append(_line(left + v * across, 14, left + v * across, height - bottom, "grid"))
        marks.append(_text(left + v * across, height - bottom + 16, f"{v:g}", "middle faint"))
    for v in _linear_ticks(up):
        y = height - bottom - v * along
        marks.append(_line(left, y, width - 20, y, "grid"))
        marks.append(_text(left - 6, y + 4, f"{v:g}", "end faint"))
    for h, w, n in points:
        tip = f"{w} x {h}: {n:,} image{'s' if n > 1 else ''}"
        radius = max(2.5, 22 * math.sqrt(n / most))
        marks.append(_dot(left + w * across, height - bottom - h * along, radius, "s0 bubble", tip))
    marks.append(_text((left + width) / 2, height - 6, "width in pixels", "middle faint"))
    marks.append(
        Markup('<text class="middle faint" transform="translate(13 {}) rotate(-90)">height in pixels</text>').format(
            (height - bottom) / 2
        )
    )
    return _svg(width, height, marks)


def _labels(rows: Sequence[Row], width: float, step: int = ROW, top: int = TOP) -> Markup:
    """The names and squares of the rows, and stripes behind every other row."""
    marks = []
    for i, row in enumerate(rows):
        y = top + i * step
        if i % 2 == 0:
            marks.append(
                Markup('<rect class="stripe" x="0" y="{}" width="{:.0f}" height="{}"/>').format(y, width, step)
            )
        color = "rgb({}, {}, {})".format(*row.color)
        at = f'x="{LABELS - 20}" y="{y + step / 2 - 5}" width="10" height="10"'
        marks.append(Markup('<rect class="swatch" {} fill="{}"/>').format(Markup(at), color))
        marks.append(
            Markup('<text class="end" x="{}" y="{:.1f}">{}<title>{}</title></text>').format(
                LABELS - 28, y + step / 2 + 4, _cut(row.name), row.name
            )
        )
    return Markup("").join(marks)


def _panel(chart: Panel, left: float, width: float, rows: int) -> Markup:
    place, ticks = _axis(chart, left, width)
    bottom = TOP + ROW * rows
    marks = [_text(left, 14, chart.title, "title")]
    for tick in ticks:
        marks.append(_line(place(tick), TOP, place(tick), bottom, "grid"))
        marks.append(_text(place(tick), bottom + 15, (chart.tick or chart.show)(tick), "middle faint"))
    ways: dict[str, Callable[..., Markup]] = {"bars": _bar, "dots": _point, "ranges": _range}
    draw = ways[chart.kind]
    for s, (name, values) in enumerate(chart.series.items()):
        for i, value in enumerate(values):
            y = TOP + (i + 0.5) * ROW + 5 * (s - (len(chart.series) - 1) / 2)  # series below one another
            if value is not None:
                marks.append(draw(chart, place, y, value, s % COLORS, name))
            elif len(chart.series) == 1:
                marks.append(_text(left + 4, y + 4, "none", "faint"))
    return Markup("").join(marks)


def _axis(chart: Panel, left: float, width: float) -> tuple[Callable[[float], float], list[float]]:
    """The place of a value on the axis, and the values that get a grid line."""
    flat = [v for values in chart.series.values() for value in values if value is not None for v in _flat(value)]
    if chart.log:
        flat = [v for v in flat if v > 0] or [0.1, 1]
        low, high = math.floor(math.log10(min(flat))), math.ceil(math.log10(max(flat)))
        high = max(high, low + 1)
        decades = range(low, high + 1, -(-(high - low) // 5))
        room = width / (high - low)
        return lambda v: left + (math.log10(v) - low) * room if v > 0 else left, [10.0**d for d in decades]
    most = chart.most or max([*flat, 1e-9])
    if chart.kind == "bars":
        width *= 0.8  # room for the text of the longest bar
        return lambda v: left + v / most * width, [0.0]
    return lambda v: left + v / most * width, _linear_ticks(most)


def _bar(chart: Panel, place: Callable[[float], float], y: float, value: float, series: int, name: str) -> Markup:
    zero = place(0)
    rect = Markup('<rect class="s{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="9" rx="1.5"/>')
    bar = rect.format(series, zero, y - 4.5, max(place(value) - zero, 1 if value else 0))
    return bar + _text(
        max(place(value), zero) + 5, y + 4, chart.show(value)
    )  # of a value below 0 the text is all there is


def _point(chart: Panel, place: Callable[[float], float], y: float, value: float, series: int, name: str) -> Markup:
    tip = f"{name}: {chart.show(value)}" if name else chart.show(value)
    return _dot(place(value), y, 4.5, f"s{series} dot", tip)


def _range(
    chart: Panel, place: Callable[[float], float], y: float, value: Sequence[float], series: int, name: str
) -> Markup:
    low, quarter, middle, three, high = map(place, value)
    tip = ", ".join(chart.show(v) for v in value)
    thin, thick = _line(low, y, high, y, f"s{series} thin"), _line(quarter, y, three, y, f"s{series} thick")
    return thin + thick + _dot(middle, y, 4, f"s{series} dot", tip)


def _flat(value: float | Sequence[float]) -> Iterable[float]:
    return [value] if isinstance(value, int | float) else value


def _linear_ticks(most: float) -> list[float]:
    """0 and up to five round values, the last at most `most`."""
    step = _round_up(most / 5)
    return [i * step for i in range(int(most / step + 1e-9) + 1)]


def _round_up(value: float) -> float:
    """The next 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= value * (1 - 1e-9))


def _cut(name: str, most: int = 22) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _svg(width: float, height: float, marks: Iterable[Markup]) -> Markup:
    """In its own size, or smaller where the page is, but never too small to read: then it scrolls (`.wide`)."""
    head = Markup('<svg viewBox="0 0 {:.0f} {:.0f}" style="max-width: {:.0f}px; min-width: {:.0f}px" role="img">')
    return head.format(width, height, width, LEGIBLE * width) + Markup("\n").join(marks) + Markup("</svg>")


def _text(x: float, y: float, text: str, style: str = "") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(style, x, y, text)


def _line(x: float, y: float, x2: float, y2: float, style: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(style, x, y, x2, y2)


def _dot(x: float, y: float, radius: float, style: str, tip: str) -> Markup:
    dot = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>')
    return dot.format(style, x, y, radius, tip)
