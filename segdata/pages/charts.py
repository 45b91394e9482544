"""Charts as HTML and inline SVG, drawn by small functions. Colours come from the page's style sheet, for light and dark pages.

Every function returns `Markup`: names from data are escaped when they are inserted. No number needs a pointer: those of panels
stand beside their marks, those of squares and dots show when they are touched or have the focus, and those of squares in a list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from markupsafe import Markup

from segdata.labels import RGB
from segdata.words import part, share, short, whole

Kind = Literal["bars", "dots", "ranges"]
"""bars: one value per row; dots: one value per row and series; ranges: low, quarter, middle, three quarters, high per row."""

COLORS = 6
"""How many colours the style sheet has, from `s0` on; further series start again at the first."""

BESIDE, TOLD, LISTED = 4, 3, 40
"""How many panels stand beside each other, of how many series the values are told, and how many squares are listed."""

LEGIBLE = 0.97
"""Drawings shrink to this part of their size at most, and then scroll: their text is 11 pixels high or more."""


@dataclass(frozen=True, slots=True)
class Row:
    """The label on the left of a row: a name, with a square of its colour."""

    name: str
    color: RGB


@dataclass(frozen=True, slots=True)
class Panel:
    """One axis beside the names of the rows. `series`: by name, one value per row; None draws nothing.

    For `ranges` a value is a tuple of five. `show` makes the text of a value, `tick` of one at the axis.
    """

    title: str
    series: Mapping[str, Sequence[Any]]
    kind: Kind = "dots"
    log: bool = False
    show: Callable[[float], str] = "{:#.3g}".format
    most: float | None = None
    tick: Callable[[float], str] = short


def panels(rows: Sequence[Row], charts: Sequence[Panel]) -> Markup:
    """Panels over the same rows: beside each other, or below each other on a phone."""
    parts = [charts[i : i + BESIDE] for i in range(0, len(charts), BESIDE)]
    drawn = (Markup("").join(_panel(rows, chart) for chart in part) for part in parts)
    return Markup("\n").join(Markup('<div class="panels">{}</div>').format(one) for one in drawn)


def heat_map(
    rows: Sequence[Row],
    values: Sequence[Sequence[float]],
    tips: Sequence[Sequence[str]],
    columns: Sequence[Row] | None = None,
    links: Mapping[tuple[int, int], str] | None = None,
) -> Markup:
    """(R, C) values in 0..1 as squares, each with a tip; few squares show their percentage too. `columns` default to `rows`.

    `links`: where a click on a square (row, column) leads to. Below, the tips of the largest values as a list.
    """
    few = len(rows if columns is None else columns) <= 20
    heads = [Markup('<th scope="col"><span>{}</span>{}</th>').format(c.name, _swatch(c)) for c in columns or rows]
    lines = [Markup("<tr><td></td>{}</tr>").format(Markup("").join(heads))]
    for i, row in enumerate(rows):
        cells = [_square(value, tips[i][j], few, (links or {}).get((i, j))) for j, value in enumerate(values[i])]
        name = Markup('<th scope="row">{}{}</th>').format(_swatch(row), row.name)
        lines.append(Markup("<tr>{}{}</tr>").format(name, Markup("").join(cells)))
    table = Markup('<div class="wide"><table class="heat">\n{}\n</table></div>').format(Markup("\n").join(lines))
    order = sorted(
        (
            (i, j)
            for i in range(len(rows))
            for j, value in enumerate(values[i])
            if value and not (columns is None and i == j)
        ),
        key=lambda at: -values[at[0]][at[1]],
    )
    items = [_listed(tips[i][j], (links or {}).get((i, j))) for i, j in order[:LISTED]]
    listed = Markup('<details class="listed"><summary>The largest as a list</summary><ol>{}</ol></details>')
    return table + (listed.format(Markup("\n").join(items)) if items else "")


def _square(value: float, tip: str, few: bool, link: str | None) -> Markup:
    said: str = part(value) if few and value else ""
    if link:
        said = Markup('<a href="{}" tabindex="-1" aria-label="{}">{}</a>').format(link, tip, said)
    cell = Markup('<td tabindex="-1" style="--part: {:.0f}%">{}<span class="tip">{}</span></td>')
    return cell.format(5 + 65 * value if value else 0, said, tip)


def _listed(tip: str, link: str | None) -> Markup:
    return Markup('<li><a href="{}">{}</a></li>').format(link, tip) if link else Markup("<li>{}</li>").format(tip)


def curve(
    points: Sequence[tuple[float, float, int]],
    across: str,
    up: str,
    *,
    diagonal: bool = True,
    highest: float = 1.0,
    side: int = 290,
) -> Markup:
    """Points (x, y, pixels) on axes called `across`, 0 to 1, and `up`, 0 to a round value from `highest` on.

    The area of a dot is its pixels.
    """
    left, bottom, top, most_up = 52, 40, 34, _round_up(highest)
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


def bubbles(points: Sequence[tuple[int, int, int]], *, width: int = 366, height: int = 330) -> Markup:
    """Draw image sizes (height, width, images): width to the right, height upwards, area proportional to the images."""
    left, bottom = 58, 40
    right, up = 1.08 * max(w for _, w, _ in points), 1.08 * max(h for h, _, _ in points)
    across, along = (width - left - 20) / right, (height - bottom - 34) / up
    most = max(n for _, _, n in points)
    marks = []
    for v in _linear_ticks(right, 5):
        marks.append(_line(left + v * across, 34, left + v * across, height - bottom, "grid"))
        marks.append(_text(left + v * across, height - bottom + 16, f"{v:g}", "middle faint"))
    for v in _linear_ticks(up, 5):
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


def _swatch(row: Row) -> Markup:
    return Markup('<i class="swatch" style="background: rgb({}, {}, {})"></i>').format(*row.color)


def _panel(rows: Sequence[Row], chart: Panel) -> Markup:
    place, ticks = _axis(chart)
    shown = [[values[i] for values in chart.series.values()] for i in range(len(rows))]
    said = [_told(chart, values) for values in shown]
    longest = max(
        (len(text.striptags()) + text.count("+") / 3 for text in said), default=0
    )  # a + is wider than a digit
    lines = [_line_of(row, chart, place, values, text) for row, values, text in zip(rows, shown, said, strict=True)]
    tick = Markup('<span style="left: {:.2f}%">{}</span>')
    axis = Markup("").join(tick.format(place(v), chart.tick(v)) for v in ticks)
    step = place(ticks[1]) - place(ticks[0]) if len(ticks) > 1 else 100
    zero = place(0.0) if not chart.log and place(0.0) > 0 else -1
    return Markup(
        '<section class="panel" style="--said: {:.3g}ch; --step: {:.3f}%; --zero: {:.2f}%"><h4>{}</h4>\n<ul>\n{}\n</ul>\n'
        '<div class="axis" aria-hidden="true"><span class="name"></span><span class="track">{}</span></div></section>'
    ).format(longest, step, zero, chart.title, Markup("\n").join(lines), axis)


def _line_of(row: Row, chart: Panel, place: Callable[[float], float], values: Sequence[Any], said: Markup) -> Markup:
    """A row of a panel: its name, its marks and its values."""
    ways: dict[str, Callable[..., Markup]] = {"bars": _bar, "dots": _point, "ranges": _range}
    draw = ways[chart.kind]
    marks = [draw(place, value, f"s{s % COLORS}") for s, value in enumerate(values) if value is not None]
    line = Markup(
        '<li><span class="name" title="{0}">{1}{0}</span><span class="track">{2}</span><span class="said">{3}</span></li>'
    )
    return line.format(row.name, _swatch(row), Markup("").join(marks), said)


def _told(chart: Panel, values: Sequence[Any]) -> Markup:
    """The values of a row: each in the colour of its series, of a range the middle and its ends; `none` where there is none."""
    if len(values) == 1:
        (value,) = values
        if value is None:
            return Markup('<span class="faint">none</span>')
        if chart.kind != "ranges":
            return Markup("{}").format(chart.show(value))
        low, _, middle, _, high = map(chart.show, value)
        ends = Markup(' <span class="faint">{} to {}</span>').format(low, high) if value[0] < value[-1] else ""
        return Markup("{}{}").format(middle, ends)
    if len(values) > TOLD:
        return Markup("")
    each = Markup('<span class="of s{}">{}</span>')
    return Markup(" ").join(each.format(s, "-" if v is None else chart.show(v)) for s, v in enumerate(values))


def _axis(chart: Panel) -> tuple[Callable[[float], float], list[float]]:
    """The place of a value on the axis, in per cent of it, and the values that get a grid line."""
    flat = [v for values in chart.series.values() for value in values if value is not None for v in _flat(value)]
    if chart.log:
        flat = [v for v in flat if v > 0] or [0.1, 1]
        low, high = math.floor(math.log10(min(flat))), math.ceil(math.log10(max(flat)))
        high = max(high, low + 1)
        decades = range(low, high + 1, -(-(high - low) // (3 if high < 4 else 2)))  # large numbers are long
        room = 100 / (high - low)
        return lambda v: (math.log10(v) - low) * room if v > 0 else 0.0, [10.0**d for d in decades]
    most = chart.most or max([*flat, 1e-9])
    if chart.kind == "bars" or min(flat, default=0) >= 0:
        return lambda v: max(0.0, v / most * 100), _linear_ticks(most)
    ends = max(most if chart.most else 0, *map(abs, flat))
    step = _round_up(ends)
    return lambda v: 50 + v / step * 50, [-step, 0.0, step]


def _bar(place: Callable[[float], float], value: float, style: str) -> Markup:
    return Markup('<b class="bar {}" style="width: {:.2f}%"></b>').format(style, place(value))


def _point(place: Callable[[float], float], value: float, style: str) -> Markup:
    return Markup('<b class="dot {}" style="left: {:.2f}%"></b>').format(style, place(value))


def _range(place: Callable[[float], float], value: Sequence[float], style: str) -> Markup:
    low, quarter, middle, three, high = map(place, value)
    line = Markup('<b class="{} {}" style="left: {:.2f}%; width: {:.2f}%"></b>')
    thick = line.format("thick", style, quarter, three - quarter) if three > quarter else ""
    return line.format("thin", style, low, high - low) + thick + _point(float, middle, style)


def _flat(value: float | Sequence[float]) -> Iterable[float]:
    return [value] if isinstance(value, int | float) else value


def _linear_ticks(most: float, count: int = 2) -> list[float]:
    """0 and up to `count` round values, the last at most `most`."""
    step = _round_up(most / count)
    return [i * step for i in range(int(most / step + 1e-9) + 1)]


def _round_up(value: float) -> float:
    """The next 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= value * (1 - 1e-9))


def _svg(width: float, height: float, marks: Iterable[Markup]) -> Markup:
    """In its own size, or smaller where the page is, but never too small to read: then it scrolls (`.wide`)."""
    head = Markup('<svg viewBox="0 0 {:.0f} {:.0f}" style="max-width: {:.0f}px; min-width: {:.0f}px" role="img">')
    return head.format(width, height, width, LEGIBLE * width) + Markup("\n").join(marks) + Markup("</svg>")


def _text(x: float, y: float, text: str, style: str = "") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(style, x, y, text)


def _line(x: float, y: float, x2: float, y2: float, style: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(style, x, y, x2, y2)


def _dot(x: float, y: float, radius: float, style: str, tip: str) -> Markup:
    """A dot whose tip shows above the chart while it is pointed at, touched or has the focus."""
    dot = Markup(
        '<g class="pointed" tabindex="0"><circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/><text x="4" y="16">{}</text></g>'
    )
    return dot.format(style, x, y, radius, tip)
