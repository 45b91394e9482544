"""Boundary IoU as its paper has it: Cheng et al., "Boundary IoU", 2021, equation 2."""

from __future__ import annotations

from segdata.metrics.conventions.counts import Counts, Library, Score


def boundary(counts: Counts) -> Score:
    """Mean boundary IoU, with the prediction's bands formed without regard to what truth ignores."""
    return None if counts.bands is None else float(counts.bands.mean_iou)


LIBRARY = Library("", {"boundary IoU": boundary})
