"""What to know before believing intervals, a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segdata.metrics.confusion import Floats
from segdata.metrics.intervals import FEWEST
from segdata.words import some

FEW = 10
"""With fewer units an interval contains the truth less often than it says."""


def cautions(
    names: Sequence[str], iou: Floats, bounds: Floats, units: int, of: str, sequence: tuple[str, str] | None
) -> list[str]:
    """`iou` (K,) and its `bounds` (2, K) are those of the classes called `names`; `of` is what the `units` are called.

    `sequence`: the first and last id of what seem to be frames of one video, if each image is a unit.
    """
    few = [name for i, name in enumerate(names) if np.isnan(bounds[0, i]) and not np.isnan(iou[i])]
    notes = []
    if few:
        without = "so without an interval, and unknown in the intervals of means"
        notes.append(f"in fewer than {FEWEST} {of}, {without}: {some(few, 12)}")
    same = [name for i, name in enumerate(names) if bounds[0, i] == bounds[1, i]]
    if same:
        notes.append(
            f"the same IoU in all {of}, so that the interval has no width, and hides what others may show: {some(same)}"
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
