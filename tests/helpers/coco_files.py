"""Small COCO files for tests: a function that writes one, and images to go with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SQUARE = [[2.0, 2.0, 12.0, 2.0, 12.0, 12.0, 2.0, 12.0]]


def annotation(id: int = 1, image_id: int = 1, category_id: int = 1, **more: Any) -> dict[str, Any]:
    """An annotation of a square."""
    return {"id": id, "image_id": image_id, "category_id": category_id, "segmentation": SQUARE, "iscrowd": 0, **more}


def coco(annotations: list[dict[str, Any]], images: int = 2, **more: Any) -> dict[str, Any]:
    """A label file of `images` images of 20 x 16 pixels and the categories 1 cat, 3 dog, 7 emu."""
    photos = [{"id": i, "file_name": f"{i:03}.png", "height": 16, "width": 20} for i in range(1, images + 1)]
    categories = [{"id": 7, "name": "emu"}, {"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}]
    return {"images": photos, "annotations": annotations, "categories": categories, **more}


def write(root: Path, data: Any, name: str = "instances_train2017.json", images: bool = False) -> Path:
    """Write a label file under root/annotations, and grey images under root/train2017."""
    path = root / "annotations" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    if images:
        (root / "train2017").mkdir(exist_ok=True)
        for image in data["images"]:
            size = (image["height"], image["width"])
            Image.fromarray(np.full(size, 90, np.uint8)).save(root / "train2017" / image["file_name"])
    return path
