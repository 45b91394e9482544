"""The receipt of a selection as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def select_lines(receipt: Mapping[str, Any]) -> list[str]:
    """How many samples were kept, and how many were not."""
    images, chosen = receipt["images"], receipt["select"]
    kept = f"{images['in']:,} in = {images['kept']:,} kept + {images['left_out']:,} left out"
    lines = [f"samples:     {kept}" + (f" + {images['skipped']:,} skipped" if images["skipped"] else "")]
    if chosen["to_split"] is not None:
        lines.append(f"moved:       {chosen['moved']:,} samples to {chosen['to_split']}")
    return lines
