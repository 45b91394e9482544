"""The receipt of a conversion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import pixels_of
from segdata.dataset.sample import Sample
from segdata.errors import DataError, Problem
from segdata.labels import Labels, Remap, is_background
from segdata.readers.source import Receipt, Source
from segdata.words import some


def refuse_unpainted(receipt: Receipt, samples: Sequence[Sample], labels: Labels, source: object) -> None:
    """Raise `DataError` (`convert.unpainted`) if no mask of the whole conversion holds a class but background.

    A split without objects is good beside others, and a set without any may be: the call says so (`allow_empty`).
    """
    if not samples:
        return
    nothing = {labels.ignore, *(label.id for label in labels.classes if is_background(label.name))}
    if any(n and value not in nothing for sample in samples for value, n in sample.counts.items()):
        return
    reasons = Counter(line.message.partition(":")[0] for line in receipt.skipped)
    if receipt.boxes:
        reasons["have a box and no outline, as in sets for detection"] = receipt.boxes
    if receipt.crowds:
        reasons["have iscrowd 1"] = receipt.crowds
    if receipt.under_nodata:
        reasons["labelled pixels lie where the image has no data (--under-nodata keep keeps them)"] = (
            receipt.under_nodata
        )
    why = some([f"{n:,} {reason}" for reason, n in reasons.most_common(3)] or (receipt.warnings or receipt.notes)[:1])
    told = f"{receipt.annotations:,} annotations" + (f": {why}" if why else "")
    classes = some(label.name for label in labels.classes if label.id not in nothing) or "no class"
    message = f"nothing is painted: no pixel of the {len(samples):,} masks is {classes}, all are background or ignore"
    raise DataError(
        Problem("convert.unpainted", f"{message} ({told}): give --allow-empty if that is right", str(source))
    )


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
        target = remap.value(class_id)
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
        **_of_options(receipt, source),
        **_under_nodata(receipt),
        "classes": classes,
        "unmapped": [c["source_name"] for c in classes if c["class_id"] is None],
        "notes": receipt.notes,
        **({"warnings": receipt.warnings} if receipt.warnings else {}),
        **({} if label_files is None else {"label_files": label_files}),
        **{name: [problem.to_json() for problem in getattr(receipt, name)] for name in lists},
    }


def _under_nodata(receipt: Receipt) -> dict[str, Any]:
    """Labelled pixels where images have no data, if there are any, and how many images they are in."""
    if not receipt.under_nodata:
        return {}
    counts = {"pixels": receipt.under_nodata, "images": receipt.nodata_images}
    return {"under_nodata": {**counts, "became": "ignore"}}


def _of_options(receipt: Receipt, source: Source) -> dict[str, Any]:
    """Annotations of crowds and of boxes alone, if there are any, and what an option made of them."""
    counts = {"crowd": receipt.crowds, "boxes": receipt.boxes}
    became = {option: str(source.options.get(option, "ignore")) for option in counts}
    return {
        name: {"annotations": counts[option], "became": became[option]}
        for name, option in (("crowds", "crowd"), ("boxes", "boxes"))
        if counts[option]
    }
