"""Cityscapes polygons to train ids with cityscapesScripts, in its own environment. `cityscapes_polygons.py SRC OUT`."""

import sys
from pathlib import Path

from cityscapesscripts.preparation.json2labelImg import json2labelImg  # type: ignore[import-not-found, unused-ignore]


def main(source: str, out: str) -> None:
    """Write OUT/<name>.png for each polygons.json under SOURCE."""
    Path(out).mkdir()
    for path in Path(source).glob("gtFine/*/*/*_polygons.json"):
        json2labelImg(str(path), f"{out}/{path.stem}.png", "trainIds")


if __name__ == "__main__":
    main(*sys.argv[1:])
