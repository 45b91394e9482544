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
from segdata.dataset.match import renamed_like
from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError
from segdata.files.images import ImageArray
from segdata.files.remote import Place
from segdata.labels import Labels, Mask
from segdata.metrics.base import ClassScore, Curve, Section
from segdata.metrics.confusion import Floats, mean
from segdata.metrics.conventions import with_version
from segdata.ops.evaluate.images import NONE, Cell
from segdata.ops.evaluate.result import Evaluation, ImageScore
from segdata.pages.charts import Panel, Row, curve, heat_map, panels
from segdata.pages.crops import class_key, read_rgb
from segdata.pages.page import Viewer, jpeg_uri, write_page
from segdata.pages.sheet import fit, laid
from segdata.readers.predictions.opening import open_predictions, read_predicted
from segdata.tiling.area import Area, area_of_image
from segdata.tiling.tiles import by_image, extent, image_of, read_stitched
from segdata.tiling.units import apart
from segdata.windows import Window
from segdata.words import points, share, span, whole

ROWS, SQUARES, WIDTH, BESIDE, DIFFERENT = 60, 30, 640, 3, 4
"""How many classes the charts show, how many the matrix, how wide an image is, how many scores stand beside each other, and in
how many images two predictions are shown."""

MOST_PIXELS = 2**26
"""An image of more is not put together from tiles for the page."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An image with its scores; `panels` are (what it shows, data URI), none if there is a `reason`."""

    score: ImageScore
    panels: Sequence[tuple[str, str]]
    reason: str = ""


def evaluate_page(
    found: Evaluation,
    pred: Dataset | str | Path,
    truth: Dataset | str | Path,
    out: str | Place,
    *,
    other: Dataset | str | Path | None = None,
    match: str | None = None,
    worst: int = 8,
) -> Place:
    """Write one self-contained HTML page; of the `worst` images it shows image, truth, prediction and errors.

    Files that cannot be read are named in their place. Raises `DatasetError` where there is no dataset.

    Args:
        found: What `evaluate` gave.
        pred: The predictions, as `evaluate` got them.
        truth: The truth, as `evaluate` got it.
        out: The file to write.
        other: The predictions that `evaluate` compared with: the images where both differ most are shown too.
        match: The `match` of `evaluate`.
        worst: How many of the worst images are shown.
    """
    truth = Dataset.of(truth)
    pred, *others = (_opened(side, truth, match) for side in (pred, *([] if other is None else [other])))
    shown = _shown(found)
    return write_page(
        out,
        "evaluate.html",
        viewer=Viewer.of(truth, pred, *others),
        title=folder_name(pred),
        truth=folder_name(truth),
        found=found,
        with_version=with_version,
        cards=_cards(found),
        shown=len(shown),
        classes=_class_chart(found, shown),
        scores=_score_charts(found, shown),
        matrix=_matrix(found),
        confusions=_cells(found),
        slices=_slice_rows(found),
        sections=_sections(found),
        comparison=_comparison_chart(found, shown),
        beside=different_images(found, pred, others[0], truth) if others else [],
        worst=worst_images(found, pred, truth, worst),
        chosen=_chosen(found),
        key=class_key(found.labels, [*_largest(found), found.labels.ignore]),
        table=_told(found),
        share=share,
        points=points,
    )


def worst_images(found: Evaluation, pred: Dataset, truth: Dataset, count: int) -> list[Shown]:
    """The images with the least mean IoU, as far as they have one; of groups and of frames in a row the worst alone."""
    scores = {score.id: score for score in found.images if score.labelled}
    chosen = [scores[id] for id in _apart(found, list(scores), count)]
    return _shown_images(found, chosen, [("prediction", pred)], truth)


def different_images(
    found: Evaluation, pred: Dataset, other: Dataset, truth: Dataset, count: int = DIFFERENT
) -> list[tuple[Shown, str]]:
    """The images with the largest differences of mean IoU under both predictions, and what is said of each."""
    c = found.comparison
    if c is None:
        return []
    pairs = sorted([*c.losses, *c.gains], key=lambda one: (-abs(one.pred - one.other), one.id))
    scores = {score.id: score for score in found.images}
    held = {one.id: one for one in pairs if one.id in scores}
    chosen = [held[id] for id in _apart(found, list(held), count)]
    shown = _shown_images(found, [scores[one.id] for one in chosen], [("this", pred), (c.name, other)], truth)
    about = [f"mean IoU {share(one.pred)}, {c.name} {share(one.other)}" for one in chosen]
    return list(zip(shown, about, strict=True))


def _opened(side: Dataset | str | Path, truth: Dataset, match: str | None) -> Dataset:
    """A prediction under the ids of truth, as `evaluate` takes it."""
    return renamed_like(open_predictions(side, truth, truth, match), truth)[0]


def _apart(found: Evaluation, ids: Sequence[str], count: int) -> list[str]:
    """The first `count` ids, of each group one, and frames far from each other."""
    if found.by_image is None or not (_grouped(found) or found.frames is not None):
        return list(ids[:count])
    groups = [group if _grouped(found) and group != NONE else "" for group in found.by_image.groups]
    return apart(ids, dict(zip(found.by_image.ids, groups, strict=True)), found.by_image.splits, count)


def _grouped(found: Evaluation) -> bool:
    return found.resampled == "groups"


def _chosen(found: Evaluation) -> str:
    """Which images are shown, to follow "the worst images"."""
    if _grouped(found):
        return ": the worst of each group, the worst groups first"
    return ", without neighbouring frames" if found.frames is not None else ""


def _shown_images(
    found: Evaluation, scores: Sequence[ImageScore], preds: Sequence[tuple[str, Dataset]], truth: Dataset
) -> list[Shown]:
    ids = {score.id for score in scores}
    true = by_image(sample for sample in truth if image_of(sample) in ids)
    sides = [(name, pred, by_image(s for s in pred if image_of(s) in ids)) for name, pred in preds]
    return [
        _shown_sample(
            score, truth, true.get(score.id, ()), [(n, p, held.get(score.id, ())) for n, p, held in sides], found.area
        )
        for score in scores
    ]


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
    sides: Sequence[tuple[str, Dataset, Sequence[Sample]]],
    area: Area | None,
) -> Shown:
    """An image, its truth, and each of the predictions, (name, dataset, samples); of one alone the errors too."""
    if not true:
        return Shown(score, (), "truth no longer has it")
    extents = [extent(samples) for samples in (true, *(given for _, _, given in sides)) if samples]
    height, width = max(h for h, _ in extents), max(w for _, w in extents)
    if height * width > MOST_PIXELS:
        return Shown(score, (), f"{width} x {height} pixels are too many to show")
    labels = truth.labels
    try:
        mask = read_stitched(truth, true, (height, width)).mask
        if area is not None:
            mask = area_of_image(area, truth, true[0], mask.shape).kept(mask, labels.ignore)
        guesses = {
            name: read_predicted(pred, given, mask.shape).mask if given else np.full_like(mask, labels.ignore)
            for name, pred, given in sides
        }
        image = read_rgb(truth, true, Window(0, 0, *mask.shape))
    except (DataError, DatasetError) as error:
        return Shown(score, (), str(error))
    panels = {} if image is None else {"image": fit(image, WIDTH)}
    panels |= {name: laid(image, values, labels, WIDTH) for name, values in {"truth": mask, **guesses}.items()}
    if len(guesses) == 1:
        base = np.full((*mask.shape, 3), 128, np.uint8) if image is None else image
        panels["errors"] = fit(errors(base, mask, guesses[sides[0][0]], labels), WIDTH)
    return Shown(score, [(name, jpeg_uri(panel)) for name, panel in panels.items()])


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
    known = _ranges(score.values, score.interval, shown)
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
    """IoU of PRED and OTHER by class, as dots, and the differences in their intervals."""
    c = found.comparison
    if c is None or not shown:
        return None
    iou = found.confusion.iou
    series = {"this": _at(iou, shown), c.name: _at(iou - c.iou, shown)}
    differences = _ranges(c.iou, None if np.isnan(c.iou_interval).all() else c.iou_interval, shown)
    title = f"this minus {c.name}, in points" + (", and its 95 % interval" if found.intervals else "")
    charts = [Panel("IoU", series, show=share, tick=whole, most=1)]
    return panels(_rows(found, shown), [*charts, Panel(title, {"": differences}, "ranges", show=points, tick=_signed)])


def _signed(value: float) -> str:
    """Points at an axis."""
    return f"{100 * value:+g}" if value else "0"


def _ranges(middle: Floats, bounds: Floats | None, shown: Sequence[int]) -> list[tuple[float, ...] | None]:
    """Values in their intervals (2, K), as `ranges` take them; a value alone without an interval, None if there is none."""
    ends = np.stack([middle, middle]) if bounds is None else np.where(np.isnan(bounds), middle, bounds)
    spans = [(float(ends[0, i]), *[float(middle[i])] * 3, float(ends[1, i])) for i in shown]
    return [None if np.isnan(span).any() else span for span in spans]


def _matrix(found: Evaluation) -> Markup | None:
    """Of the true pixels of the row's class, the part predicted as the column's; the classes with the most pixels."""
    counts, names = found.confusion.counts, found.labels.names
    truth, order = found.confusion.tally.truth, _largest(found)
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


def _largest(found: Evaluation) -> list[int]:
    """The classes with the most pixels of truth, as far as the matrix shows them."""
    truth = found.confusion.tally.truth
    return [int(i) for i in np.argsort(-truth, kind="stable") if truth[i]][:SQUARES]


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
