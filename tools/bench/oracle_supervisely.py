"""The masks that Supervisely's SDK draws for a project: class ids by the order of meta.json from 1, 0 where there is no figure.

Runs in the environment of the peer `supervisely`:

    build/bench/supervisely/bin/python tools/bench/oracle_supervisely.py SRC OUT
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("SUPERVISELY_DISABLE_LOGS", "1")

import numpy as np
import supervisely as sly  # type: ignore[import-not-found, unused-ignore]
from numpy.typing import NDArray
from PIL import Image


def draw(sheet: Any, ids: dict[str, int]) -> NDArray[np.uint8]:
    """(H, W) uint8 of an annotation, drawn figure by figure. Any alpha counts: the SDK would mix class ids."""
    mask = np.zeros(sheet.img_size, np.uint8)
    for label in sheet.labels:
        if isinstance(label.geometry, sly.AlphaMask):
            one = np.zeros(sheet.img_size, np.uint8)
            box = label.geometry.to_bbox()
            box.get_cropped_numpy_slice(one)[label.geometry.data > 0] = 1
            mask[one > 0] = ids[label.obj_class.name]
        elif not isinstance(label.geometry, sly.GraphNodes):
            label.draw(mask, ids[label.obj_class.name])
    return mask


def main(source: Path, out: Path) -> None:
    """Write a PNG per image, by dataset and image name."""
    for folder in source.rglob("ann"):
        (folder.parent / "img").mkdir(exist_ok=True)  # without it the SDK passes over a dataset
    project = sly.Project(str(source), sly.OpenMode.READ)
    ids = {one.name: number for number, one in enumerate(project.meta.obj_classes, 1)}
    for dataset in project.datasets:
        for name in dataset:
            sheet = sly.Annotation.load_json_file(dataset.get_ann_path(name), project.meta)
            path = out / dataset.name / f"{Path(name).stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw(sheet, ids)).save(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
