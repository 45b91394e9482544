"""What `segdata agree` finds, as text. Nothing prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from segdata.metrics.confusion import mean
from segdata.metrics.intervals import FEWEST
from segdata.terminal.text import table
from segdata.words import percent, share, some, span

if TYPE_CHECKING:
    from segdata.metrics.confusion import Floats
    from segdata.ops.agree.result import Agreement

LIMIT = 40
"""How many classes the terminal lists, half of them those of the least agreement; and how many pairs of annotators."""


def agreement_lines(found: Agreement) -> list[str]:
    """What a person reads first: classes, pairs of annotators, and where they agree least."""
    lines = [
        f"{len(found.names)} annotators, {len(found.images):,} images of two or more, {len(found.labels.classes)} classes, "
        f"{found.pixels:,} pixels with two votes or more, the same votes on {percent(found.votes.unanimous, found.pixels)}",
        "",
        *_class_lines(found),
        "",
        *_pair_lines(found),
        f"Fleiss' kappa of all: {share(found.fleiss_all)}{_interval(found)}",
        "",
        *_least_lines(found),
    ]
    notes = _notes(found)
    return [*lines, *(["", *(f"note: {note}" for note in notes)] if notes else [])]


def _interval(found: Agreement) -> str:
    return "" if np.isnan(found.fleiss_interval).any() else f" (95 % interval {span(*found.fleiss_interval)})"


def class_rows(found: Agreement) -> list[list[str]]:
    """A table, heading first: a line per class with all its scores, every two annotators together, and one of means."""
    tally, bounds = found.every.confusion.tally, found.every.intervals.get("iou")
    columns: dict[str, Floats] = {"IoU": tally.iou, "Dice": tally.dice}
    columns |= {score.title: score.values for score in found.every.class_scores} | {"kappa": found.fleiss}
    middle = [] if bounds is None else ["95 % interval"]
    first, *rest = columns
    rows = [["id", "class", first, *middle, *rest]]
    for label in found.labels.classes:
        scores = [share(values[label.id]) for values in columns.values()]
        between = [] if bounds is None else [span(*bounds[:, label.id])]
        rows.append([str(label.id), label.name, scores[0], *between, *scores[1:]])
    means = [share(mean(values)) for values in columns.values()]
    between = [] if bounds is None else [span(*found.every.intervals["mean_iou"])]
    return [*rows, ["", "(mean)", means[0], *between, *means[1:]]]


def _class_lines(found: Agreement) -> list[str]:
    """A line per class; of many, half of `LIMIT` with the best IoU and half with the worst."""
    heading, *rows, means = class_rows(found)
    iou = found.every.confusion.iou
    if len(rows) > LIMIT:
        known = [i for i in np.argsort(-iou, kind="stable").tolist() if not np.isnan(iou[i])]
        rows = [rows[i] for i in (known if len(known) <= LIMIT else known[: LIMIT // 2] + known[-LIMIT // 2 :])]
    lines = table([heading, *rows, means], "r " + "r" * (len(heading) - 2))
    if len(rows) < len(iou):
        lines.append(f"... {len(rows)} of {len(iou):,} classes (--json lists all)")
    return lines


def pair_rows(found: Agreement) -> list[list[str]]:
    """A table, heading first: a line per two annotators."""
    bounds = ["95 % interval"] if found.every.intervals else []
    rows = [
        ["annotators", "images", "pixels", "same class", "mean IoU", *bounds, "mean Dice", "Cohen's kappa", *bounds]
    ]
    for pair in found.pairs:
        ends = [[span(*pair.intervals[name])] if pair.intervals else [] for name in ("mean_iou", "kappa")]
        row = [
            " and ".join(pair.names),
            f"{pair.images:,}",
            f"{pair.pixels:,}",
            share(pair.agreed),
            share(pair.mean_iou),
        ]
        rows.append([*row, *ends[0], share(pair.mean_dice), share(pair.kappa), *ends[1]])
    return rows


def _pair_lines(found: Agreement) -> list[str]:
    """A line per two annotators; of many, the `LIMIT` of the least mean IoU."""
    heading, *rows = pair_rows(found)
    if len(rows) <= LIMIT:
        return table([heading, *rows], " " + "r" * (len(heading) - 1))
    order = np.argsort([pair.mean_iou for pair in found.pairs], kind="stable").tolist()[:LIMIT]
    lines = table([heading, *(rows[i] for i in sorted(order))], " " + "r" * (len(heading) - 1))
    return [*lines, f"... {LIMIT} of {len(rows):,} pairs, those of the least mean IoU (--json lists all)"]


def _least_lines(found: Agreement) -> list[str]:
    """The images, classes and confusions of the least agreement."""
    iou, names = found.every.confusion.iou, found.labels.names
    images = [f"{image.id} {share(image.mean_iou)}" for image in found.images if image.unanimous < image.pixels][:3]
    worst = [i for i in np.argsort(iou, kind="stable").tolist() if iou[i] < 1][:3]
    lines = (
        [f"images of the least agreement (mean IoU): {', '.join(images)}"] if len(found.images) > 1 and images else []
    )
    lines += (
        [f"classes of the least agreement (IoU): {', '.join(f'{names[i]} {share(iou[i])}' for i in worst)}"]
        if worst
        else []
    )
    confused = [f"{one} or {other}: {n:,} pixels" for one, other, n in found.confused[:3]]
    return [*lines, *([f"most confused: {', '.join(confused)}"] if confused else [])]


def _notes(found: Agreement) -> list[str]:
    notes = []
    if not found.pixels:
        notes.append("no pixel has two votes: nothing has a score")
    elif found.absent:
        notes.append(f"classes of nobody, so without a score and in no mean: {some(found.absent, 12)}")
    if found.alone:
        notes.append(
            f"{len(found.alone):,} images are labelled by one annotator only, and left out: {some(found.alone)}"
        )
    if found.renamed:
        pairs = some((f"{old} for {new}" for old, new in found.renamed.items()), 3)
        notes.append(f"{len(found.renamed):,} samples have another id but the same image: {pairs}")
    if found.problems:
        notes.append(f"{len(found.problems):,} images could not be read: {some(str(p.sample) for p in found.problems)}")
    if found.every.intervals:
        notes += [f"intervals: jackknife over {found.units:,} {found.resampled}, Student's t", *found.cautions]
    else:
        notes.append(f"no intervals: they need {FEWEST} {found.resampled}, and there are {found.units}")
    return notes


def consensus_lines(receipt: Mapping[str, Any], found: Agreement) -> list[str]:
    """How a consensus came about: each annotator beside it, by the means over classes, or by the second of two classes."""
    one = len(found.labels.classes) == 2
    of = f"of {found.labels.names[1]}" if one else "mean"
    rows = [["annotator", f"sensitivity ({of})", f"specificity ({of})"]]
    for annotator in receipt["annotators"]:
        classes = annotator["classes"][1:] if one else annotator["classes"]
        values = [[np.nan if c[key] is None else c[key] for c in classes] for key in ("sensitivity", "specificity")]
        rows.append([annotator["name"], *(share(mean(np.array(each, float))) for each in values)])
    lines = table(rows, " rr")
    undecided = sum(receipt["undecided"].values())
    total = sum(receipt["pixels"].values())
    lines += [
        f"ignored:     {undecided:,} pixels with votes but without a decision, {percent(undecided, total)} of all"
    ]
    if not receipt.get("settled", True):
        lines.append(f"note:        STAPLE had not settled after {receipt['rounds']:,} rounds")
    if "rounds" in receipt and len(found.names) == 2:
        lines.append(
            "note:        of two annotators STAPLE cannot tell who is right: have a third one label, or use majority"
        )
    return lines
