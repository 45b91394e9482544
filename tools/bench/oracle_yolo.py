"""Class ids as the loader of Ultralytics draws them, at the size of each image and without augmentation.

Run it in the environment of the peer: build/bench/ultralytics/bin/python tools/bench/oracle_yolo.py SRC OUT [--task semantic]

OUT gets one PNG per image that the loader takes, by its path in SRC: 0 is background, 1 the first class. `--stable` gives
objects of the same area a fixed order, that of the lines; Ultralytics sorts them by numpy's unstable sort.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ultralytics.cfg import get_cfg  # type: ignore[import-not-found, unused-ignore]
from ultralytics.data import utils  # type: ignore[import-not-found, unused-ignore]
from ultralytics.data.augment import Format  # type: ignore[import-not-found, unused-ignore]
from ultralytics.data.dataset import PolygonSemanticDataset, YOLODataset  # type: ignore[import-not-found, unused-ignore]
from ultralytics.utils import DEFAULT_CFG, YAML  # type: ignore[import-not-found, unused-ignore]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("src", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--task", default="segment", choices=("segment", "semantic"))
    parser.add_argument("--stable", action="store_true")
    given = parser.parse_args()
    if given.stable:
        numpy_sort = np.argsort
        utils.np.argsort = lambda values, *_, **__: numpy_sort(values, kind="stable")
    data = YAML.load(given.src / "data.yaml")
    names = data["names"]
    data["names"] = dict(enumerate(names)) if isinstance(names, list) else names
    data["nc"] = len(data["names"])
    for split in dict.fromkeys(data[key] for key in ("train", "val", "test") if data.get(key)):
        draw_split(given.src.resolve(), split, data, given)


def draw_split(src: Path, split: str, data: dict[str, Any], given: argparse.Namespace) -> None:
    where = [str(src / split.removeprefix("../"))]
    options = {
        "img_path": where,
        "augment": False,
        "hyp": get_cfg(DEFAULT_CFG),
        "prefix": "",
        "rect": False,
        "cache": False,
    }
    if given.task == "semantic":
        data = utils.add_polygon_background(dict(data))
        dataset = PolygonSemanticDataset(data=data, task="semantic", **options)
    else:
        dataset = YOLODataset(data=data, task="segment", **options)
    for index in range(len(dataset)):
        file = Path(dataset.im_files[index])
        dataset.imgsz = max(utils.imread(str(file)).shape[:2])
        mask = semantic(dataset, index) if given.task == "semantic" else segment(dataset, index)
        path = given.out / file.relative_to(src).with_suffix(file.suffix + ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), mask)


def segment(dataset: Any, index: int) -> Any:
    """What training sees: outlines resampled, at the size of the image."""
    label = dataset.get_image_and_label(index)
    height, width = label["img"].shape[:2]
    made = Format(return_mask=True, mask_ratio=1, mask_overlap=True)(label)
    shown = made["masks"][0].numpy().astype(np.int64)
    classes = made["cls"].numpy().reshape(-1).astype(np.int64)
    table = np.concatenate(([0], classes + 1))
    assert shown.shape == (height, width)
    return table[shown].astype(np.uint16 if table.max() > 255 else np.uint8)


def semantic(dataset: Any, index: int) -> Any:
    mask = dataset.load_mask(index, utils.imread(dataset.im_files[index]).shape[:2]).astype(np.int64)
    if dataset.data["nc"] == 1:
        return mask.astype(np.uint8)
    return np.where(mask == dataset.bg_class_idx, 0, mask + 1).astype(np.uint8)


if __name__ == "__main__":
    main()
