"""The receipt of a conversion."""

from __future__ import annotations

from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import pixels_of
from segdata.errors import DataError, Problem
from segdata.labels import Remap
from segdata.readers.source import Receipt, Source


def refuse_nothing(receipt: Receipt) -> None:
    """Raise `DataError` where there were images and every one was left out."""
    if receipt.skipped_images:
        first = receipt.skipped_images[0]
        message = f"every image was left out, {receipt.images:,} in all; {first.sample}: {first.message}"
        raise DataError(Problem("convert.nothing", message, first.file))


def receipt_json(
    receipt: Receipt, source: Source, remap: Remap, whole: Dataset, label_files: str | None
) -> dict[str, Any]:
    """receipt.json: sums first, then the tables, then the lists. A class that no id of the source is, as COCO's background,
    has the source_id null. `label_files`: the SHA-256 of all of them, if each image has its own."""
    labels = remap.labels
    rows = [(c.source_id, c.name, c.class_id) for c in source.classes]
    told = {class_id for _, _, class_id in rows}
    rest = [(None, label.name, label.id) for label in source.labels.classes if label.id not in told]
    classes = []
    for source_id, name, class_id in [*rest, *rows]:
        target = labels.ignore if class_id is None else remap.value(class_id)
        classes.append(
            {
                "source_id": source_id,
                "source_name": name,
                "class_id": None if target == labels.ignore else target,
                "class": labels.name(target),
            }
        )
    lists = ("skipped_images", "skipped", "hidden", "clipped", "repaired", "renamed", "exif")
    return {
        "images": {
            "in": receipt.images,
            "converted": receipt.converted,
            "skipped": len(receipt.skipped_images),
        },
        "annotations": {
            "in": receipt.annotations,
            "painted": receipt.painted,
            "skipped": len(receipt.skipped),
            "hidden": len(receipt.hidden),
        },
        "pixels": pixels_of(whole),
        "contested": {
            "pixels": receipt.contested,
            "pairs": [
                {
                    "classes": [labels.name(c.first), labels.name(c.second)],
                    "winner": labels.name(c.winner),
                    "pixels": c.pixels,
                }
                for c in receipt.contests
            ],
        },
        "classes": classes,
        "unmapped": [c["source_name"] for c in classes if c["class_id"] is None],
        "notes": receipt.notes,
        **({} if label_files is None else {"label_files": label_files}),
        **{name: [problem.to_json() for problem in getattr(receipt, name)] for name in lists},
    }
