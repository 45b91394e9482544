"""What to know before believing intervals, a sentence each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.metrics.base import ClassScore
from segdata.metrics.confusion import Floats
from segdata.metrics.intervals import FEWEST
from segdata.words import some

FEW = 10
"""With fewer units an interval contains the truth less often than it says."""


def cautions(
    names: Sequence[str],
    iou: Floats,
    bounds: Floats,
    units: int,
    of: str,
    sequence: tuple[str, str] | None,
    others: Sequence[ClassScore] = (),
) -> list[str]:
    """`iou` (K,) and its `bounds` (2, K) are those of the classes called `names`; `of` is what the `units` are called.

    `sequence`: the first and last id of what seem to be frames of one video, if each image is a unit. `others`: scores of
    metrics, of which those with an interval count too.
    """
    scores = [ClassScore("iou", "IoU", iou, interval=bounds), *others]
    notes = []
    without = "so without an interval, and unknown in the intervals of means"
    for classes, titles in _classes(scores, lambda value, low, high: np.isnan(low) & ~np.isnan(value)).items():
        which = "" if titles[0] == "IoU" else f"{some(titles)}: "
        notes.append(f"{which}in fewer than {FEWEST} {of}, {without}: {some([names[i] for i in classes], 12)}")
    for classes, titles in _classes(scores, lambda value, low, high: low == high).items():
        notes.append(
            f"the same {some(titles)} in all {of}, so that the interval has no width, and hides what others may show: "
            f"{some([names[i] for i in classes])}"
        )
    if units < FEW:
        notes.append(
            f"{units} {of} are few: intervals may be too short, though they are wide; {FEW} or more are better"
        )
    if sequence is not None:
        first, last = sequence
        block = max(2, min(FEW, units // FEWEST))
        notes.append(
            f"ids run on from {first} to {last}: if these are frames of one video, images are not independent and the "
            f"intervals are too short: --resample block:{block}"
        )
    return notes


def _classes(
    scores: Sequence[ClassScore], chosen: Callable[[Floats, Floats, Floats], NDArray[np.bool_]]
) -> dict[tuple[int, ...], list[str]]:
    """The classes that are chosen by value and bounds, and the titles of all scores that have just these."""
    found: dict[tuple[int, ...], list[str]] = {}
    for score in scores:
        if score.interval is None:
            continue
        classes = tuple(np.flatnonzero(chosen(score.values, *score.interval)).tolist())
        if classes:
            found.setdefault(classes, []).append(score.title)
    return found
