"""An evaluation as one page: scores of classes, what is taken for what, what metrics explain, and the worst images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError
from segdata.files.colors import colorize, overlay
from segdata.files.images import ImageArray
from segdata.files.remote import Place
from segdata.labels import Labels, Mask
from segdata.metrics.base import ClassScore, Curve, Section
from segdata.metrics.confusion import mean
from segdata.ops.evaluate.images import Cell
from segdata.ops.evaluate.result import Evaluation, ImageScore
from segdata.pages.charts import Panel, Row, curve, heat_map, panels
from segdata.pages.crops import read_rgb
from segdata.pages.page import jpeg_uri, write_page
from segdata.pages.sheet import fit
from segdata.tiling.area import Area, area_of_image
from segdata.tiling.tiles import by_image, extent, image_of, read_stitched
from segdata.windows import Window
from segdata.words import points, share, span, whole

ROWS, SQUARES, WIDTH, BESIDE = 60, 30, 420, 3
"""How many classes the charts show, how many the matrix, how wide an image is, and how many scores stand beside each other."""

MOST_PIXELS = 2**26
"""An image of more is not put together from tiles for the page."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An image with its scores; `panels` are (what it shows, data URI), none if there is a `reason`."""

    score: ImageScore
    panels: Sequence[tuple[str, str]]
    reason: str = ""


def evaluate_page(
    found: Evaluation, pred: Dataset | str | Path, truth: Dataset | str | Path, out: str | Place, *, worst: int = 8
) -> Place:
    """Write one self-contained HTML page; of the `worst` images it shows image, truth, prediction and errors.

    Files that cannot be read are named in their place. Raises `DatasetError` where there is no dataset.
    """
    pred, truth = map(Dataset.of, (pred, truth))
    shown = _shown(found)
    return write_page(
        out,
        "evaluate.html",
        title=folder_name(pred),
        truth=folder_name(truth),
        found=found,
        cards=_cards(found),
        shown=len(shown),
        classes=_class_chart(found, shown),
        scores=_score_charts(found, shown),
        matrix=_matrix(found),
        confusions=_cells(found),
        slices=_slice_rows(found),
        sections=_sections(found),
        comparison=_comparison_chart(found, shown),
        worst=worst_images(found, pred, truth, worst),
        table=_told(found),
        share=share,
        points=points,
    )


def worst_images(found: Evaluation, pred: Dataset, truth: Dataset, count: int) -> list[Shown]:
    """The images with the least mean IoU, as far as they have one."""
    chosen = [p for p in found.images if p.labelled][:count]
    ids = {p.id for p in chosen}
    true, given = (by_image(sample for sample in dataset if image_of(sample) in ids) for dataset in (truth, pred))
    return [_shown_sample(p, truth, true.get(p.id, ()), pred, given.get(p.id, ()), found.area) for p in chosen]


def errors(image: ImageArray, truth: Mask, pred: Mask, labels: Labels) -> ImageArray:
    """(H, W, 3): the image in grey, wrong pixels in red, rejected ones in yellow, those ignored in truth darkened."""
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    ignored, rejected = truth == labels.ignore, pred == labels.ignore
    out = 0.5 * grey + 100
    out[ignored] = 0.25 * grey[ignored]
    for held, color in ((truth != pred, (220, 40, 40)), (rejected, (235, 190, 40))):
        at = held & ~ignored
        out[at] = 0.3 * grey[at] + 0.7 * np.array(color)
    return out.astype(np.uint8)


def _shown_sample(
    score: ImageScore,
    truth: Dataset,
    true: Sequence[Sample],
    pred: Dataset,
    given: Sequence[Sample],
    area: Area | None,
) -> Shown:
    if not true:
        return Shown(score, (), "truth no longer has it")
    height, width = (max(side) for side in zip(extent(true), extent(given or true), strict=True))
    if height * width > MOST_PIXELS:
        return Shown(score, (), f"{width} x {height} pixels are too many to show")
    try:
        mask = read_stitched(truth, true, (height, width)).mask
        if area is not None:
            mask = area_of_image(area, truth, true[0], mask.shape).kept(mask, truth.labels.ignore)
        guess = read_stitched(pred, given, mask.shape).mask if given else np.full_like(mask, truth.labels.ignore)
        image = read_rgb(truth, true, Window(0, 0, *mask.shape))
    except (DataError, DatasetError) as error:
        return Shown(score, (), str(error))
    base = np.full((*mask.shape, 3), 128, np.uint8) if image is None else image

    def laid(values: Mask) -> ImageArray:
        return colorize(values, truth.labels) if image is None else overlay(image, values, truth.labels)

    panels = [] if image is None else [("image", image)]
    panels += [
        ("truth", laid(mask)),
        ("prediction", laid(guess)),
        ("errors", errors(base, mask, guess, truth.labels)),
    ]
    return Shown(score, [(name, jpeg_uri(fit(panel, WIDTH))) for name, panel in panels])


def _shown(found: Evaluation) -> list[int]:
    """The ids that the charts show, best IoU first, of those that have one: all, or half of `ROWS` from either end."""
    iou = found.confusion.iou
    order = [int(i) for i in np.argsort(-iou, kind="stable") if not np.isnan(iou[i])]
    return order if len(order) <= ROWS else order[: ROWS // 2] + order[-ROWS // 2 :]


def _cards(found: Evaluation) -> list[tuple[str, str]]:
    tally = found.confusion.tally
    low_high = found.intervals.get("mean_iou")
    spread = "" if low_high is None or np.isnan(low_high).any() else f" ({span(*low_high)})"
    cards = [
        (share(tally.mean_iou), f"mean IoU{spread}"),
        (share(tally.pixel_accuracy), "pixel accuracy"),
        (share(tally.mean_accuracy), "mean accuracy"),
        (share(tally.mean_dice), "mean Dice"),
    ]
    cards += [_mean_card(score) for score in found.class_scores]
    for metric in found.metrics.values():
        cards += [(value if isinstance(value, str) else share(value), title) for title, value in metric.cards()]
    return [*cards, (f"{len(found.images):,}", "images")]


def _mean_card(score: ClassScore) -> tuple[str, str]:
    bounds = score.mean_interval
    spread = "" if bounds is None or np.isnan(bounds).any() else f" ({score.spanned(bounds)})"
    return score.shown(mean(score.values)), f"mean {score.heading}{spread}"


def _class_chart(found: Evaluation, shown: Sequence[int]) -> Markup | None:
    if not shown:
        return None
    tally, bounds = found.confusion.tally, found.intervals.get("iou")
    iou = tally.iou
    first = _score_panel(ClassScore("iou", "IoU", iou, interval=bounds), shown)
    both = {"precision": _at(tally.precision, shown), "recall": _at(tally.recall, shown)}
    charts = [first, Panel("precision and recall", both, show=share, tick=whole, most=1)]
    charts += [
        _score_panel(score, shown)
        for metric in found.metrics.values()
        if not metric.intervals
        for score in metric.by_class()
    ]
    return panels(_rows(found, shown), charts)


def _score_charts(found: Evaluation, shown: Sequence[int]) -> list[Markup]:
    """The scores of classes of metrics that have intervals, few beside each other."""
    metrics = [found.scores_of(metric) for metric in found.metrics.values() if shown and metric.intervals]
    beside = [scores[i : i + BESIDE] for scores in metrics for i in range(0, len(scores), BESIDE)]
    return [panels(_rows(found, shown), [_score_panel(score, shown) for score in scores]) for scores in beside]


def _score_panel(score: ClassScore, shown: Sequence[int]) -> Panel:
    """One score of the classes shown: bars, or dots in their intervals."""
    tick, most = (whole, 1) if score.unit is None else ("{:g}".format, None)
    if score.interval is None:
        values = _at(score.values, shown)
        return Panel(score.heading, {"": values}, "bars", show=score.shown, tick=tick, most=most)
    middle = score.values
    ends = [np.where(np.isnan(score.interval[:, i]), middle[i], score.interval[:, i]) for i in shown]  # the dot alone
    spans = [(float(low), *[float(middle[i])] * 3, float(high)) for i, (low, high) in zip(shown, ends, strict=True)]
    known = [None if np.isnan(span).any() else span for span in spans]
    title = f"{score.heading} and its 95 % interval"
    return Panel(title, {"": known}, "ranges", show=score.shown, tick=tick, most=most)


def _told(found: Evaluation) -> list[list[object]]:
    """All numbers, heading first; distances as text, since every other number between 0 and 1 is a share."""
    heading, *rows = found.rows()
    distances = {score.key: score for score in found.class_scores if score.unit is not None}
    names = [re.sub("_(low|high)$", "", str(name)) for name in heading]
    shown = [distances[name].shown if name in distances else None for name in names]
    cells = [[told(v) if told and isinstance(v, float) else v for told, v in zip(shown, r, strict=True)] for r in rows]
    return [heading, *cells]


def _comparison_chart(found: Evaluation, shown: Sequence[int]) -> Markup | None:
    """IoU of PRED and OTHER by class, as dots."""
    c = found.comparison
    if c is None or not shown:
        return None
    iou = found.confusion.iou
    series = {"this": _at(iou, shown), c.name: _at(iou - c.iou, shown)}
    return panels(_rows(found, shown), [Panel("IoU", series, show=share, tick=whole, most=1)])


def _matrix(found: Evaluation) -> Markup | None:
    """Of the true pixels of the row's class, the part predicted as the column's; the classes with the most pixels."""
    counts, names = found.confusion.counts, found.labels.names
    truth = found.confusion.tally.truth
    order = [int(i) for i in np.argsort(-truth, kind="stable") if truth[i]][:SQUARES]
    if not order:
        return None
    columns = [*order, len(names)] if found.confusion.rejected else order
    values = [[float(counts[i, j] / truth[i]) for j in columns] for i in order]
    titles = {**dict(enumerate(names)), len(names): "ignored"}
    tips = [
        [f"{counts[i, j]:,} of {truth[i]:,} pixels of {names[i]} are predicted as {titles[j]}" for j in columns]
        for i in order
    ]
    rows = _rows(found, order)
    places = {(order[i], columns[j]): (i, j) for i in range(len(order)) for j in range(len(columns))}
    links = {places[c.true, c.given]: f"#cell-{c.true}-{c.given}" for c in _cells(found) if (c.true, c.given) in places}
    ignored = [Row("ignored", (255, 255, 255))] if found.confusion.rejected else []
    return heat_map(rows, values, tips, [*rows, *ignored], links)


def _cells(found: Evaluation) -> list[Cell]:
    return [] if found.by_image is None else found.by_image.cells(found.labels, SQUARES * SQUARES)


def _slice_rows(found: Evaluation) -> list[list[object]]:
    """A table, heading first, of the slices; [] without any."""
    if found.slices is None:
        return []
    rows: list[list[object]] = [[found.slices.by.rpartition(":")[2], "images", "pixels", "mean IoU", "pixel accuracy"]]
    for part in found.slices.parts:
        scores = float(part.tally.mean_iou), float(part.tally.pixel_accuracy)
        rows.append([part.name, part.images, part.confusion.total, *scores])
    return rows


def _sections(found: Evaluation) -> list[tuple[Section, Markup | None]]:
    """What metrics explain at length, each with its curve drawn."""
    sections = [section for metric in found.metrics.values() for section in metric.sections()]
    return [(s, None if s.curve is None else _curve(s.curve)) for s in sections]


def _curve(c: Curve) -> Markup:
    return curve(c.points, c.across, c.up, diagonal=c.diagonal, highest=c.top)


def _rows(found: Evaluation, ids: Sequence[int]) -> list[Row]:
    return [Row(found.labels.names[i], found.labels.classes[i].color) for i in ids]


def _at(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], ids: Sequence[int]) -> list[float | None]:
    picked = [float(values[i]) for i in ids]
    return [None if np.isnan(v) else v for v in picked]
