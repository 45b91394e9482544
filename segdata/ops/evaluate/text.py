"""What `segdata evaluate` finds, as text. Nothing prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from segdata.dataset.match import suggested_match
from segdata.metrics.confusion import mean
from segdata.metrics.conventions import with_version
from segdata.metrics.intervals import FEWEST
from segdata.ops.evaluate.images_text import cell_lines, loss_lines, slice_lines
from segdata.terminal.text import table
from segdata.words import percent, points, share, some, span

if TYPE_CHECKING:
    from segdata.metrics.base import ClassScore
    from segdata.metrics.confusion import Floats
    from segdata.ops.evaluate.result import Comparison, Evaluation

LIMIT = 40

MUCH = 0.1
"""From this share of truth predicted as ignored on, a note says what it means."""

NAMES = {
    "mean_iou": "mean IoU",
    "mean_dice": "mean Dice",
    "mean_accuracy": "mean accuracy",
    "pixel_accuracy": "pixel accuracy",
    "frequency_weighted_iou": "frequency-weighted IoU",
}


def evaluation_lines(found: Evaluation, conventions: bool = False) -> list[str]:
    """What a person reads first: classes, means with their intervals, and what to know before believing them."""
    total = found.confusion.total
    inside = "" if found.area is None else f" inside {found.area.name}"
    lines = [
        f"{len(found.images):,} images, {len(found.labels.classes)} classes, {total:,} labelled pixels{inside}, "
        f"{percent(found.confusion.rejected, total)} of them predicted as ignored",
        "",
        *_class_lines(found),
        "",
        *_mean_lines(found),
    ]
    for metric in found.metrics.values():
        scores = found.scores_of(metric) if metric.intervals else []
        lines += [*([""] if scores else []), *metric.lines(), *_score_lines(found, scores)]
    if found.comparison is not None:
        lines += ["", *_comparison_lines(found.comparison), *loss_lines(found.comparison)]
    if found.slices is not None:
        lines += ["", *slice_lines(found.slices)]
    if conventions:
        lines += ["", *_convention_lines(found)]
    if len(worst := [p for p in found.images if p.labelled]) > 1:
        lines += ["", f"worst images: {', '.join(f'{p.id} {share(p.mean_iou)}' for p in worst[:3])}"]
    if found.by_image is not None:
        lines += cell_lines(found.by_image.cells(found.labels, 3))
    return lines + _notes(found)


def _class_lines(found: Evaluation) -> list[str]:
    """A line per class; of many, half of `LIMIT` with the best IoU and half with the worst."""
    tally = found.confusion.tally
    columns: dict[str, Floats] = {
        "IoU": tally.iou,
        "Dice": tally.dice,
        "precision": tally.precision,
        "recall": tally.recall,
        **{s.title: s.values for m in found.metrics.values() if not m.intervals for s in m.by_class()},
    }
    ids = _listed(found)
    bounds = found.intervals.get("iou")
    interval = [] if bounds is None else ["95 % interval"]
    names = list(columns)
    rows: list[list[object]] = [["id", "class", names[0], *interval, *names[1:], "pixels"]]
    for i in ids:
        cells = [share(values[i]) for values in columns.values()]
        middle = [] if bounds is None else [span(*bounds[:, i])]
        rows.append([i, found.labels.names[i], cells[0], *middle, *cells[1:], f"{tally.truth[i]:,}"])
    means = [share(mean(values)) for values in columns.values()]
    middle = [span(*found.intervals["mean_iou"])] if interval else []
    rows.append(["", "(mean)", means[0], *middle, *means[1:], f"{found.confusion.total:,}"])
    lines = table(rows, "r " + "r" * (len(rows[0]) - 2))
    if len(ids) < len(found.labels.classes):
        lines.append(f"... {len(ids)} of {len(found.labels.classes):,} classes (--json and --csv list all)")
    return lines


def _listed(found: Evaluation) -> list[int]:
    """The classes that the text lists: all, or of many half of `LIMIT` with the best IoU and half with the worst."""
    iou = found.confusion.iou
    if len(iou) <= LIMIT:
        return list(range(len(iou)))
    known = [i for i in np.argsort(-iou, kind="stable").tolist() if not np.isnan(iou[i])]
    return known if len(known) <= LIMIT else known[: LIMIT // 2] + known[-LIMIT // 2 :]


def _score_lines(found: Evaluation, scores: Sequence[ClassScore]) -> list[str]:
    """A line per class with the scores of a metric, each with its interval; [] without scores."""
    if not scores:
        return []
    ids = _listed(found)
    columns: list[list[object]] = [["id", *ids, ""], ["class", *(found.labels.names[i] for i in ids), "(mean)"]]
    for score in scores:
        columns.append([score.heading, *(score.shown(score.values[i]) for i in ids), score.shown(mean(score.values))])
        if score.interval is not None and score.mean_interval is not None:
            spans = [score.spanned(score.interval[:, i]) for i in ids]
            columns.append(["95 % interval", *spans, score.spanned(score.mean_interval)])
    rows = [list(row) for row in zip(*columns, strict=True)]
    return table(rows, "r " + "r" * (len(rows[0]) - 2))


def _mean_lines(found: Evaluation) -> list[str]:
    tally, rest = found.confusion.tally, found.without_background
    rows: list[list[object]] = [["", "all classes"]]
    if found.intervals:
        rows[0].append("95 % interval")
    if rest is not None and found.background is not None:
        rows[0].append(f"without {found.labels.names[found.background]}")
    for key, name in NAMES.items():
        row: list[object] = [name, share(getattr(tally, key))]
        row += [span(*found.intervals[key])] if found.intervals else []
        row += [share(getattr(rest, key))] if rest is not None else []
        rows.append(row)
    if found.categories:
        rows.append(
            ["category IoU", share(mean(np.array(list(found.category_iou.values())))), *[""] * (len(rows[0]) - 2)]
        )
    return table(rows, " " + "r" * (len(rows[0]) - 1))


def _comparison_lines(c: Comparison) -> list[str]:
    rows: list[list[object]] = [[f"PRED minus {c.name}", "PRED", c.name, "difference", "95 % interval"]]
    for key, name in NAMES.items():
        value, bounds = c.difference[key]
        rows.append([name, *(share(v) for v in c.scores[key]), points(value), span(*bounds, told=points)])
    over = f"paired over the {c.images:,} images of both"
    if np.isnan(c.better):
        return [*table(rows, " rrrr"), f"{over}; too few for an interval"]
    return [*table(rows, " rrrr"), f"{over}; it is {percent(c.better, 1)} sure that the mean IoU of PRED is the higher"]


def _convention_lines(found: Evaluation) -> list[str]:
    rows: list[list[object]] = [["convention", "score", "value"]]
    for library, scores in found.conventions.items():
        rows += [
            [with_version(library), name, "-" if value is None else share(value)] for name, value in scores.items()
        ]
    return [*table(rows, "  r"), "- is what that library cannot be asked for these pixels and classes"]


def _notes(found: Evaluation) -> list[str]:
    notes = []
    if not found.confusion.total:
        notes.append("truth is ignored everywhere: nothing has a score")
    elif found.absent:
        notes.append(f"in neither truth nor prediction, so without a score and in no mean: {some(found.absent, 12)}")
    notes += found.unscored
    if found.confusion.rejected > MUCH * found.confusion.total:
        notes.append(
            f"{found.confusion.rejected:,} labelled pixels are predicted as ignored, and count as missed: if that part was not "
            "to be predicted, leave it out (--split, --aoi)"
        )
    if found.missing:
        notes.append(f"{len(found.missing):,} samples of truth have no prediction: {some(found.missing)}")
    if found.renamed:
        pairs = some((f"{old} for {new}" for old, new in found.renamed.items()), 3)
        notes.append(f"{len(found.renamed):,} predictions have another id but the same image: {pairs}")
    if found.uncovered:
        notes.append(f"{found.uncovered:,} pixels of truth are in no tile of the prediction, and left out")
    if found.extra:
        form = suggested_match(found.extra, found.missing)
        way_out = f" (--match '{form}' may fit)" if form else ""
        notes.append(f"{len(found.extra):,} predictions have no truth: {some(found.extra)}{way_out}")
    if found.left_out:
        notes.append(f"{len(found.left_out):,} images could not be evaluated: {some(found.left_out)}")
    if found.intervals:
        notes.append(f"intervals: jackknife over {found.units:,} {found.resampled}, Student's t")
    elif found.units < FEWEST:
        notes.append(f"no intervals: they need {FEWEST} {found.resampled}, and there are {found.units}")
    notes += found.cautions
    return ["", *(f"note: {note}" for note in notes)] if notes else []
