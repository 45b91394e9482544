"""The masks that labelme, or supervision, reads from exports to labelme, beside those of the datasets, pixel by pixel.

    .venv/bin/python tools/bench/export_sets.py labelme OUT [shapes=mask]
    build/bench/labelme/bin/python tools/bench/oracle_export_labelme.py OUT labelme
    build/bench/supervision/bin/python tools/bench/oracle_export_labelme.py OUT supervision

It runs in the environments `labelme` and `supervision` of peers.sh, and ends with code 1 if a pixel differs. labelme opens each
file by its own `LabelFile` and draws it by its `shapes_to_label`; supervision loads it by `DetectionDataset.from_labelme`, which
reads no masks.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

NONE = 10**6
"""What stands for pixels without a label, if background is no class."""


def drawn_by_labelme(path: Path, ids: dict[str, int], ground: int) -> Any:
    """The class ids on the pixels of an image, as labelme draws its label file."""
    from labelme._label_file import LabelFile  # type: ignore[import-not-found, unused-ignore]
    from labelme.utils import img_data_to_arr, shapes_to_label  # type: ignore[import-not-found, unused-ignore]
    from loguru import logger  # type: ignore[import-not-found, unused-ignore]

    logger.remove()
    file = LabelFile(str(path))
    drawn, _ = shapes_to_label(
        img_data_to_arr(file.imageData).shape, file.shapes, {label: id + 1 for label, id in ids.items()}
    )
    return np.where(drawn == 0, ground, drawn - 1)


def drawn_by_supervision(path: Path, ids: dict[str, int], ground: int) -> Any:
    """The same, as supervision loads it."""
    import supervision as sv  # type: ignore[import-not-found, unused-ignore]

    with TemporaryDirectory() as alone:  # of all images together it would hold a mask per object in memory
        shutil.copy(path, alone)
        dataset = sv.DetectionDataset.from_labelme(str(path.parent), alone, force_masks=True)
    ((_, image, found),) = dataset
    drawn = np.full(image.shape[:2], ground)
    if len(found):
        for mask, label in zip(found.mask, found.class_id, strict=True):
            drawn[mask] = ids[dataset.classes[label]]
    return drawn


DRAWN = {"labelme": drawn_by_labelme, "supervision": drawn_by_supervision}


def check_set(folder: Path, held: Any, about: dict[str, Any], program: str) -> Counter[str]:
    """Count what was compared of a set, and what differs."""
    ids = {name: id for id, name in enumerate(about["classes"])}
    ground = ids.get("background", NONE)
    found = Counter[str](sets=1)
    for sample, split in about["splits"].items():
        path = folder / (split or "images") / f"{sample.removeprefix(f'{split}/')}.json"
        drawn = DRAWN[program](path, {**ids, "__ignore__": 65535}, ground)
        found["images"] += 1
        found["shapes"] += len(json.loads(path.read_bytes())["shapes"])
        found["pixels"] += drawn.size
        found["pixels that differ"] += int((drawn != held[f"mask {sample}"]).sum())
    return found


def main(out: Path, program: str) -> int:
    """Check all sets."""
    total = Counter[str]()
    for folder in sorted(out.glob("sets/Dataset*")):
        number = folder.name[7:10]
        about = json.loads((out / f"{number}.json").read_text())
        found = check_set(folder, np.load(out / f"{number}.npz"), about, program)
        print(folder.name, dict(found), flush=True)
        total.update(found)
    print(f"{program} {version(program)}:", dict(total))
    return int(total["pixels that differ"] > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
