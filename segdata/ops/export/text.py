"""The receipt of an export as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

KINDS = {
    "ignored": "ignored pixels",
    "background": "pixels of the background",
    "off_earth": "polygons that lie off the earth",
    "changed": "changed pixels",
    "borders": "pixels along borders",
    "skipped": "pixels of classes that an option leaves out",
}
"""What cannot be held, by its name in receipt.json; others are called by that name."""


def receipt_lines(receipt: Mapping[str, Any]) -> list[str]:
    """What was written, what the format cannot hold and the option that keeps it, and what a person should know."""
    images = receipt["images"]
    lines = [f"images:      {images['in']:,} in = {images['exported']:,} exported + {images['skipped']:,} left out"]
    reasons = Counter(f"{one['message'].partition(':')[0]} [{one['code']}]" for one in receipt["skipped"])
    alike = Counter(one["code"] for one in receipt["skipped"])
    if len(reasons) > 5:
        reasons = Counter({f"[{code}]": number for code, number in alike.items()})
    lines += [f"             {number:,} left out: {reason}" for reason, number in reasons.most_common()]
    if pixels := receipt.get("written_as_pixels"):
        what = (
            "images are new files: their own are of a kind that the format does not take, or not what is under the mask"
        )
        lines.append(f"as pixels:   {pixels:,} {what}")
    lines += list(_cannot_hold(receipt.get("cannot_hold", {})))
    return lines + [f"note:        {note}" for note in receipt.get("notes", ())]


def _cannot_hold(lost: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for each kind of what the format cannot hold."""
    for kind, found in lost.items():
        numbers = [f"{found[name]:,} {name}" for name in ("pixels", "regions") if found[name]]
        what = f"{', '.join(numbers)} in {found['images']:,} images" if numbers else f"of {found['images']:,} images"
        keep = f"{found['keep']} keeps them" if found["keep"] else "no option keeps them; the dataset still has them"
        yield f"not held:    {KINDS.get(kind, kind)}: {what} ({keep})"


def export_line(format: str, what: str, destination: str, receipt: Mapping[str, Any], *, is_dataset: bool) -> str:
    """The line with which the command ends: what is where, and how it is read."""
    again = f"segdata info {destination}" if is_dataset else f"segdata convert auto {destination} DST reads it back"
    return f"export:      {destination}: {what} as {format}" + (
        f" ({again})" if receipt.get("reads_back", True) else ""
    )
