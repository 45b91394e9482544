"""What an export of a model gives, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from segdata.nn.export.result import Change, ExportedModel, Parity
from segdata.words import percent


def export_lines(made: ExportedModel) -> list[str]:
    """What was compared, and the line with which the command ends."""
    about = made.about
    lines = [] if made.parity is None else list(parity_lines(made.parity))
    if made.parity is None:
        lines.append("compared: with nothing, as --no-verify says")
    if about.temperature != 1 and about.gives == "probabilities":
        lines.append(f"calibrated: logits are divided by {about.temperature:.3g} before the softmax")
    if about.members > 1:
        lines.append(f"ensemble: of {about.members} models, whose probabilities are averaged")
    if about.refinement is not None:
        lines.append("refines: predict and serve refine masks by the settings of the bundle")
    size = "any size" if about.size is None else "{} x {} pixels".format(*about.size)
    if about.size is None and about.least > 1:
        size += f" from {about.least} x {about.least} pixels on"
    gives = about.gives if about.embedding is None else f"{about.gives} and an embedding of {about.embedding} numbers"
    opset = "" if made.opset is None else f", opset {made.opset}"
    lines.append(f"size: {made.bytes / 1e6:,.1f} MB; the checkpoint has {made.checkpoint_bytes / 1e6:,.1f} MB")
    lines.append(f"takes: images of {size}, {about.bands} bands; gives {gives}")
    return [*lines, f"model: {made.path}: {len(about.contract.classes)} classes, {about.precision}{opset}"]


def parity_lines(parity: Parity) -> Iterator[str]:
    """How the exported model compares with its checkpoint."""
    share = percent(parity.differ, parity.pixels)
    yield f"compared: {parity.images:,} images: {share} of {parity.pixels:,} pixels have another class"
    yield f"probabilities: differ by at most {parity.largest:.2g}"
    if parity.change is not None:
        yield change_line(parity.change)
    if not np.isnan(parity.seconds):
        yield f"speed: {1000 * parity.exported_seconds:.1f} ms per window; PyTorch {1000 * parity.seconds:.1f} ms"


def change_line(change: Change) -> str:
    """The mIoU before and after."""
    line = f"mIoU: {100 * change.exported:.2f}; PyTorch {100 * change.checkpoint:.2f}, change {100 * change.value:+.2f}"
    return line if np.isnan(change.low) else f"{line} ({100 * change.low:+.2f} to {100 * change.high:+.2f})"
