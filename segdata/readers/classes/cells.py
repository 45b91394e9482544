"""What the cells of class tables mean, whatever file they stand in: what a column is called, and colours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from segdata.labels import RGB

COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "idx", "index", "value", "pixelvalue", "maskvalue", "classid", "labelid", "categoryid", "classindex",
           "labelvalue", "classvalue", "graylevel", "greylevel", "grayvalue", "greyvalue"),
    "name": ("name", "classname", "labelname", "categoryname", "class", "label", "title", "classtitle"),
    "r": ("r", "red"), "g": ("g", "green"), "b": ("b", "blue"),
    "color": ("color", "colour", "rgb", "hex", "rgbcolor", "colorrgb", "hexcolor", "colorhex", "palette", "classcolor",
              "labelcolor", "classcolour"),
}  # fmt: skip
"""What each column, or key of a JSON object, may be called, in small letters and without spaces, `_` and `-`."""


def plain(name: str) -> str:
    """A column's name as `COLUMN_NAMES` has it."""
    return re.sub(r"[\s_\-]+", "", name).lower()


def find_columns(names: Sequence[str]) -> list[str]:
    """The column (`id`, `name` ...) that each name means, "" for those that mean none; two may mean the same."""
    return [next((column for column, known in COLUMN_NAMES.items() if plain(name) in known), "") for name in names]


def parse_color(value: Any) -> RGB | None:
    """`#ff8000`, `255,128,0`, `(255 128 0)` or three numbers as red, green and blue; None for what is no colour.

    Numbers are not checked for being 255 at most.
    """
    if isinstance(value, str):
        if match := re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", value.strip()):
            return int(match[1], 16), int(match[2], 16), int(match[3], 16)
        if not re.fullmatch(r"[\[(]?\s*\d{1,3}(\s*[,;\s]\s*\d{1,3}){2}\s*[\])]?", value.strip(), re.ASCII):
            return None
        value = [int(part) for part in re.findall(r"\d+", value)]
    if not (isinstance(value, list | tuple) and len(value) == 3 and all(type(part) is int for part in value)):
        return None
    return value[0], value[1], value[2]
