"""What `segdata diff` finds, as text. Nothing prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from segdata.dataset.sample import split_name
from segdata.labels import IGNORE
from segdata.ops.diff.samples import fitting_match
from segdata.terminal.text import table
from segdata.words import percent, some

if TYPE_CHECKING:
    from segdata.ops.diff.classes import ClassChanges
    from segdata.ops.diff.result import Difference
    from segdata.ops.diff.samples import Moved, SampleChanges

CLASSES, CHANGES, REGIONS = 20, 5, 5
"""How many classes, changes and regions are told; a page and JSON have more."""


def difference_lines(found: Difference) -> list[str]:
    """What a person reads first: what became of classes and samples, then of pixels."""
    before, after = found.names
    lines = [
        f"{before} -> {after}: {found.samples.both:,} images in both, {found.pixels:,} pixels; {found.unopened:,} have masks of "
        "the same bytes, as both manifests say"
    ]
    if found.same:
        return [*lines, "no difference", *_notes(found)]
    lines += class_lines(found.classes) + sample_lines(found.samples)
    if found.changed:
        lines += ["", *_pixel_lines(found)]
    return lines + _notes(found)


def class_lines(classes: ClassChanges) -> list[str]:
    """A line per kind of change; the classes that have another name with the part of their pixels that is the same."""
    renamed = [f"{one.before} -> {one.after} ({percent(one.share, 1)} of their pixels)" for one in classes.renamed]
    ids = [f"{name} {a} -> {b}" for name, (a, b) in classes.ids.items()]
    kinds = {
        "added": classes.added,
        "removed": classes.removed,
        "renamed": renamed,
        "other ids": ids,
        "other colours": classes.colors,
    }
    lines = [f"classes {kind}: {some(names)}" for kind, names in kinds.items() if names]
    if classes.ignore is not None:
        lines.append("ignored pixels: {} -> {}".format(*classes.ignore))
    return lines


def sample_lines(samples: SampleChanges) -> list[str]:
    """A line per kind of change."""
    sizes = [
        f"{one.id} {one.before[1]} x {one.before[0]} -> {one.after[1]} x {one.after[0]}" for one in samples.resized
    ]
    kinds = {
        "added": samples.added,
        "removed": samples.removed,
        "renamed": [f"{a} -> {b}" for a, b in samples.renamed.items()],
        "in another split": moved(samples.splits, "split"),
        "in another group": moved(samples.groups, "group"),
        "whose image file changed": samples.images,
        "of another size, so not compared": sizes,
        "cut into other tiles": samples.cut,
    }
    counts = {"in another split": len(samples.splits), "in another group": len(samples.groups)}
    return [f"samples {kind}: {counts.get(kind, len(ids)):,} ({some(ids, 3)})" for kind, ids in kinds.items() if ids]


def moved(changes: Sequence[Moved], what: str) -> list[str]:
    """From where to where, and how many, most first."""
    none = split_name(None) if what == "split" else "(no group)"
    ways = Counter(
        (none if one.before is None else one.before, none if one.after is None else one.after) for one in changes
    )
    return [f"{a} -> {b}: {n:,}" for (a, b), n in sorted(ways.items(), key=lambda way: (-way[1], way[0]))]


def _pixel_lines(found: Difference) -> list[str]:
    real = [one for one in found.images if one.drawn]
    lines = [
        f"{found.changed:,} pixels changed ({percent(found.changed, found.pixels)}), in {len(found.images):,} images"
        + (f"; {found.renamed:,} of them only by the name of their class" if found.renamed else ""),
        "",
        *class_table(found),
        "",
    ]
    changes, name = found.changes, found.labels.name
    for one in changes[:CHANGES]:
        held = some((f"{id} ({n:,})" for id, n in one.most[:3]), 3)
        lines.append(
            f"{name(one.before)} -> {name(one.after)}: {one.pixels:,} pixels in {one.images:,} images, most in {held}"
        )
    lines += _more(len(changes), CHANGES, "changes")
    if real:
        lines += [
            "",
            "images that changed most: " + ", ".join(f"{one.id} {percent(one.drawn, one.pixels)}" for one in real[:3]),
        ]
    if found.regions:
        lines += ["", f"the largest of {found.region_count:,} regions that changed:"]
    for region in found.regions[:REGIONS]:
        y, x, h, w = region.box
        lines.append(
            f"  {region.pixels:,} pixels  {name(region.before)} -> {name(region.after)}  {region.image}"
            f" ({w} x {h} at row {y}, column {x})"
        )
    return lines


def class_table(found: Difference) -> list[str]:
    """A line per class with changed pixels, those with most of them first."""
    tally = found.tally
    changed = tally.truth + tally.pred - 2 * tally.hits
    names = [*found.labels.names, f"({IGNORE})"]
    order = [i for i in np.argsort(-changed, kind="stable").tolist() if changed[i]]
    rows: list[list[object]] = [["class", "before", "after", "the same", "changed"]]
    for i in order[:CLASSES]:
        counts = [f"{int(part[i]):,}" for part in (tally.truth, tally.pred, tally.hits)]
        rows.append([names[i], *counts, percent(1 - float(tally.iou[i]), 1)])
    return [*table(rows, " rrrr"), *_more(len(order), CLASSES, "classes")]


def _more(count: int, shown: int, what: str) -> Iterable[str]:
    return [f"... {shown} of {count:,} {what} (--json lists all)"] if count > shown else []


def _notes(found: Difference) -> list[str]:
    notes = []
    if any(found.uncovered):
        before, after = found.uncovered
        notes.append(f"pixels that only one side has, so not compared: {before:,} before, {after:,} after")
    if found.samples.unseen:
        why = "a side has none, they are not on this machine, or --images-by nothing was given"
        notes.append(f"the images of {found.samples.unseen:,} samples were not compared: {why}")
    if form := fitting_match(found.before, found.samples.removed, found.samples.added):
        notes.append(f"--match '{form}' may fit added samples to removed ones")
    if found.left_out:
        notes.append(f"{len(found.left_out):,} images could not be compared: {some(found.left_out)}")
    return ["", *(f"note: {note}" for note in notes)] if notes else []
