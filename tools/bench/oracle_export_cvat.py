"""The masks that Datumaro reads from exports to CVAT, beside those of the datasets, pixel by pixel.

    .venv/bin/python tools/bench/export_sets.py cvat OUT ignored=class [shapes=polygon]
    build/bench/datumaro/bin/python tools/bench/oracle_export_cvat.py OUT

It runs in the environment `datumaro` of peers.sh, and ends with code 1 if a pixel differs. Datumaro fills polygons by its own
transform, through pycocotools.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from datumaro.components.annotation import AnnotationType  # type: ignore[import-not-found, unused-ignore]
from datumaro.components.dataset import Dataset  # type: ignore[import-not-found, unused-ignore]

NONE = 10**6
"""What stands for pixels without a label, if background is no class."""


def check_set(folder: Path, held: Any, about: dict[str, Any]) -> Counter[str]:
    """Count what was compared of a set, and what differs."""
    dataset = Dataset.import_from(str(folder), "cvat").transform("polygons_to_masks")
    classes = about["classes"]
    ids = [65535 if label.name == "ignore" else classes.index(label.name) for label in labels_of(dataset)]
    items = {(item.subset, item.id): item for item in dataset}
    unsplit = "default" if any(about["splits"].values()) else "annotations"
    found = Counter[str](sets=1)
    for sample, split in about["splits"].items():
        item = items[split or unsplit, sample.removeprefix(f"{split}/")]
        drawn = np.full(item.media.size, classes.index("background") if "background" in classes else NONE)
        for shape in sorted(item.annotations, key=lambda one: one.z_order):
            drawn[np.asarray(shape.image, bool)] = ids[shape.label]
        found["images"] += 1
        found["shapes"] += len(item.annotations)
        found["pixels"] += drawn.size
        found["pixels that differ"] += int((drawn != held[f"mask {sample}"]).sum())
    return found


def labels_of(dataset: Any) -> Any:
    """The labels that the XMLs list."""
    return dataset.categories()[AnnotationType.label].items


def main(out: Path) -> int:
    """Check all sets."""
    total = Counter[str]()
    for folder in sorted(out.glob("sets/Dataset*")):
        number = folder.name[7:10]
        found = check_set(folder, np.load(out / f"{number}.npz"), json.loads((out / f"{number}.json").read_text()))
        print(folder.name, dict(found), flush=True)
        total.update(found)
    print(f"datumaro {version('datumaro')}:", dict(total))
    return int(total["pixels that differ"] > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
