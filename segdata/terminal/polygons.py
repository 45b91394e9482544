"""The options of `--vectorize`, which several commands have, and what they tell of polygons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from segdata.terminal.commands import taken
from segdata.terminal.names import option_name

POLYGONS, WITH = "segdata.files.vectors.polygons:Polygons", "With --vectorize"

WHY = {
    "small": "of fewer pixels than --min-area", "in_holes": "in holes that were filled",
    "off_earth": "that are nowhere on the Earth, or partly (--vector-format gpkg has them)",
}  # fmt: skip
"""How it is told why polygons were left out."""


def with_polygons(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a command is given, with the settings of polygons as one. Raises `UsageError` for those without --vectorize."""
    settings = taken(POLYGONS, given)
    rest = {name: value for name, value in given.items() if name not in settings}
    if settings and not rest.get("vectorize"):
        first, value = next(iter(settings.items()))
        name = ("no-" if value is False else "") + option_name(POLYGONS, first, repeated=True)
        raise click.UsageError(f"--{name} is about polygons: give --vectorize too")
    if settings:
        from segdata.files.vectors.polygons import Polygons

        rest["vectorize"] = Polygons(**settings)
    return rest


def polygon_lines(receipt: Mapping[str, Any], width: int) -> list[str]:
    """What the receipt says of polygons, if any were asked for, behind names of that width."""
    left_out: Mapping[str, int] = receipt.get("polygons_left_out", {})
    lines = [f"{'polygons:':{width}}{receipt['polygons']:,} in vectors/"] if receipt.get("polygons") else []
    return lines + [f"{'left out:':{width}}{count:,} polygons {WHY[why]}" for why, count in left_out.items()]
