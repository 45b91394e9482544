"""The receipt of a conversion as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from segdata.words import percent

BECAME = {"ignore": "ignored", "class": "painted as their class", "drop": "left out"}


def receipt_lines(receipt: dict[str, Any]) -> list[str]:
    """The receipt in a few lines."""
    images, annotations = receipt["images"], receipt["annotations"]
    hidden = f", {annotations['hidden']:,} of them wholly hidden under others" if annotations["hidden"] else ""
    lines = [
        f"images:    {images['in']:,} in = {images['converted']:,} converted + {images['skipped']:,} left out",
        f"annotations: {annotations['in']:,} in = {annotations['painted']:,} painted{hidden} + "
        f"{annotations['skipped']:,} left out",
    ]
    reasons: dict[str, int] = {}
    for line in receipt["skipped"]:
        reason = f"{line['message'].partition(':')[0]} [{line['code']}]"
        reasons[reason] = reasons.get(reason, 0) + 1
    lines += [f"             {n:,} left out: {reason}" for reason, n in sorted(reasons.items(), key=lambda kv: -kv[1])]
    lines += list(_of_options(receipt))
    total = sum(receipt["pixels"].values())
    if contested := receipt["contested"]["pixels"]:
        pair = receipt["contested"]["pairs"][0]
        won = "nobody won" if pair["winner"] == "ignore" not in pair["classes"] else f"{pair['winner']} won"
        lines.append(
            f"contested:   {contested:,} pixels ({percent(contested, total)}) claimed by several classes; most between "
            f"{' and '.join(pair['classes'])}: {pair['pixels']:,}, {won}"
        )
    listed = [(name, len(receipt[name])) for name in ("clipped", "repaired", "renamed", "exif") if receipt[name]]
    if listed:
        lines.append("listed:      " + ", ".join(f"{n:,} {name}" for name, n in listed))
    if receipt["unmapped"]:
        lines.append(
            f"ignored:     classes {', '.join(receipt['unmapped'][:8])}{' ...' if len(receipt['unmapped']) > 8 else ''}"
        )
    if (under := receipt.get("under_nodata")) is not None:
        lines.append(
            f"no data:     {under['pixels']:,} labelled pixels of {under['images']:,} images lie where the image has no "
            "data: ignored (--under-nodata keep keeps their labels)"
        )
    lines += [f"note:        {note}" for note in receipt["notes"]]
    return lines + [f"warning:     {warning}" for warning in receipt.get("warnings", [])]


def _of_options(receipt: dict[str, Any]) -> Iterator[str]:
    """How many annotations are crowds, or boxes alone, what they became, and what else they may become."""
    for name, what, others in (
        ("crowds", "have iscrowd 1", {"ignore": "--crowd class paints them", "class": "--crowd ignore ignores them"}),
        (
            "boxes",
            "have a box and no segmentation",
            {"ignore": "--boxes drop leaves them out", "drop": "--boxes ignore ignores them"},
        ),
    ):
        if (found := receipt.get(name)) is not None:
            other = f" ({others[found['became']]})" if found["became"] in others else ""
            lines = f"{found['annotations']:,} of {receipt['annotations']['in']:,} annotations {what}"
            yield f"{name}:".ljust(13) + f"{lines}: {BECAME[found['became']]}{other}"
