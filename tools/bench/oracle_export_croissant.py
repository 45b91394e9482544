"""croissant.json of exports, as mlcroissant reads it: errors, warnings, and records, whose masks are compared with the files.

    build/bench/mlcroissant/bin/python tools/bench/oracle_export_croissant.py OUT ...

Where a TIFF is among the images, mlcroissant wants tifffile; its conversion of masks to RGB keeps values up to 255.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from importlib.metadata import version
from pathlib import Path

import mlcroissant  # type: ignore[import-not-found, unused-ignore]
import numpy as np
from PIL import Image


def main() -> None:
    """Read each export, and end with 1 if one has a fault."""
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    for name in (None, "absl"):
        logging.getLogger(name).addHandler(handler)
    bad = 0
    for name in sys.argv[1:]:
        root, before = Path(name), len(logged)
        read = mlcroissant.Dataset(jsonld=root / "croissant.json")
        issues = read.metadata.ctx.issues
        told = [*issues.errors, *issues.warnings, *logged[before:]]
        counts, pixels, differ = {}, 0, 0
        for records in json.loads((root / "croissant.json").read_text())["recordSet"]:
            found = list(read.records(records["@id"]))
            counts[records["@id"]] = len(found)
            if records["@id"] == "masks":
                pattern = re.compile(records["field"][0]["source"]["transform"]["regex"])
                files = [path.relative_to(root).as_posix() for path in root.rglob("*")]
                of = {match[1]: match[0] for match in map(pattern.match, files) if match}
                for one in found if of else ():  # of members of shards there is no file
                    mask = np.asarray(Image.open(root / of[one["masks/name"].decode()]))
                    if mask.dtype == np.uint8 and Image.open(root / of[one["masks/name"].decode()]).mode == "L":
                        pixels += mask.size
                        differ += int((np.asarray(one["masks/mask"])[..., 0] != mask).sum())
        told += [line for line in logged[before:] if line not in told]
        bad += bool(told) + bool(differ)
        print(f"{name}: {len(issues.errors)} errors, {len(issues.warnings)} warnings, records {counts}, "
              f"{pixels:,} mask pixels compared, {differ:,} differ", *told, sep="\n    ")  # fmt: skip
    print(f"mlcroissant {version('mlcroissant')}, {len(sys.argv) - 1} exports, {bad} with faults")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
