"""What `monitor` found, as one page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from segdata.files.remote import Place
from segdata.ops.monitor.result import Monitored
from segdata.ops.monitor.text import accuracy_lines, aspect_row, class_rows, percentage, units_of, verdict
from segdata.pages.charts import Panel, Row, panels
from segdata.pages.page import write_page
from segdata.words import percent, whole

ROWS = 60
"""How many classes the charts show: those with the largest shares."""

SERIES = ("reference", "new")


def monitor_page(found: Monitored, out: str | Place) -> Place:
    """Write one self-contained HTML page. It holds class names and figures, and no image.

    Args:
        found: What `monitor` gave.
        out: The file to write.
    """
    shown = sorted(range(len(found.classes)), key=lambda i: -max(value or 0 for value in found.classes[i].share))[:ROWS]
    return write_page(
        out,
        "monitor.html",
        found=found,
        verdict=verdict(found),
        cards=_cards(found),
        units=units_of(found),
        aspects=[aspect_row(one, found.alpha) for one in found.findings],
        accuracy=accuracy_lines(found),
        shown=len(shown),
        chart=_chart(found, shown),
        series=SERIES,
        table=class_rows(found),
    )


def _cards(found: Monitored) -> list[tuple[str, str]]:
    estimate = found.estimate
    cards = [(f"{len(found.drifted)} of {len(found.findings)}", "aspects drifted")]
    for value, title in (
        (estimate.measured, "right in the reference"),
        (estimate.atc, "right now, by thresholded confidence"),
        (estimate.confidence, "right now, by confidence"),
    ):
        cards += [] if value is None else [(percentage(value), title)]
    return [*cards, *((f"{n:,}", f"images {where}") for n, where in zip(found.images, ("before", "now"), strict=True))]


def _chart(found: Monitored, shown: Sequence[int]) -> Markup:
    rows = [Row(found.labels.names[i], found.labels.classes[i].color) for i in shown]
    classes = [found.classes[i] for i in shown]
    return panels(
        rows,
        [
            Panel(
                "share of the pixels",
                _series([one.share for one in classes]),
                show=partial(percent, whole=1),
                tick=whole,
            ),
            Panel("confidence", _series([one.confidence for one in classes]), most=1),
            Panel("entropy", _series([one.entropy for one in classes]), most=1),
        ],
    )


def _series(pairs: Sequence[tuple[float | None, float | None]]) -> dict[str, list[float | None]]:
    return {name: [pair[place] for pair in pairs] for place, name in enumerate(SERIES)}
