"""Tasks for labelling tools: of whole samples, as `segdata export` writes them, and of regions, as `segdata suspects` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.files.remote import Place
from segdata.metrics.label_quality import outlines_of
from segdata.ops.suspects.relabel import REGIONS, write_regions
from segdata.ops.view.answers import Refusal
from segdata.ops.view.jobs import Outcome
from segdata.ops.view.session import Session
from segdata.windows import Window

TOOLS = {
    "labelstudio": "Label Studio",
    "cvat": "CVAT",
    "labelme": "labelme",
    "coco": "COCO (any tool that reads it)",
}
"""Formats of `segdata.writers` that labelling tools open, and what people call them."""

CORRECTED = ("labelstudio",)
"""Those whose tasks can have the labels as proposals to correct."""

IGNORED = ("class", "background", "drop")
"""What may become of ignored pixels."""


class Region(msgspec.Struct, forbid_unknown_fields=True):
    """A rectangle of a sample, and what is told of the pixels in it that count: the names of the label's class and of the class
    that prediction number `of` gives them."""

    id: str
    row: int
    y: int
    x: int
    height: int
    width: int
    given: str | None = None
    suggested: str | None = None
    score: float | None = None
    of: int = 0


def export_arguments(tool: str, ignored: str | None, proposals: bool) -> dict[str, Any]:
    """The options of `segdata export` for a tool. Raises `Refusal`."""
    if tool not in TOOLS:
        raise Refusal(422, "tool", f"there is no tool {tool!r}: there are {', '.join(TOOLS)}")
    if ignored is not None and ignored not in IGNORED:
        raise Refusal(422, "ignored", f"ignored {ignored!r}: must be {', '.join(IGNORED)}")
    if proposals and tool not in CORRECTED:
        raise Refusal(422, "proposals", f"{TOOLS[tool]} has no proposals: leave them out")
    return {**({"ignored": ignored} if ignored else {}), **({"as_": "predictions"} if proposals else {})}


def refuse_outside(session: Session, regions: Sequence[Region]) -> None:
    """Raise `Refusal` for regions that are not of this edition, or not in their image."""
    for region in regions:
        sample = session.sample(region.row)
        inside = 0 <= region.y < region.y + region.height <= sample.height
        if sample.id != region.id or not (inside and 0 <= region.x < region.x + region.width <= sample.width):
            raise Refusal(409, "region", f"{region.id}: a region is not in it: reload the page")


def write_tasks(session: Session, regions: Sequence[Region], folder: Place) -> Outcome:
    """Write regions for an annotation tool. Raises as `write_regions`."""
    write_regions(session.truth, folder, [(region.id, annotation(session, region)) for region in regions])
    images = len({region.id for region in regions})
    receipt = {"regions": len(regions), "images": images}
    return Outcome(receipt, [f"regions:     {folder}/{REGIONS}: {len(regions):,} regions in {images:,} images"])


def annotation(session: Session, region: Region) -> dict[str, Any]:
    """What COCO says of a region: of the class that is suggested, or that its label has most often. Raises `DataError`."""
    labels, window = session.truth.labels, Window(region.y, region.x, region.height, region.width)
    with session.truth.open_mask(session.sample(region.row)) as mask:
        values = mask.read(window)
    inside = pixels_of(session, region, values)
    named = next((name for name in (region.suggested, region.given) if name in labels.names), None)
    most = np.bincount(values[inside & (values != labels.ignore)], minlength=1).argmax()
    told = {"given": region.given, "suggested": region.suggested, "score": region.score}
    return {
        "category_id": (int(most) if named is None else labels.id(named)) + 1,
        "segmentation": outlines_of(inside, region.y, region.x),
        "area": int(np.count_nonzero(inside)),
        "bbox": [region.x, region.y, region.width, region.height],
        "iscrowd": 0,
        **{key: value for key, value in told.items() if value is not None},
    }


def pixels_of(session: Session, region: Region, values: NDArray[Any]) -> NDArray[np.bool_]:
    """(height, width) bool: which pixels in the rectangle have the label and the prediction that are told; all, if none has."""
    labels, inside = session.truth.labels, np.ones(values.shape, np.bool_)
    if region.given in labels.names:
        inside &= values == labels.id(str(region.given))
    if region.suggested in labels.names and 0 <= region.of < len(session.preds):
        dataset, sample = session.pred(region.of, region.row)
        with dataset.open_mask(sample) as mask:
            inside &= mask.read(Window(region.y, region.x, region.height, region.width)) == labels.id(
                str(region.suggested)
            )
    return inside if inside.any() else np.ones(values.shape, np.bool_)
