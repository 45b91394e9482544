"""A small set in the layout of COCO-Stuff 164k: maps of things and stuff, and the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sample_scenes import SCENE_CLASSES, scene

IDS = {
    "sky": 157, "tree": 169, "grass": 124, "house": 128, "pavement": 140, "road": 149, "sea": 155, "sand": 154, "lamp": 130,
    "person": 1, "car": 3, "bench": 15, "dog": 18, "cow": 21, "boat": 9, "bird": 16, "kite": 38,
}  # fmt: skip
"""Each thing of the scenes by its id in labels.txt; a map holds the id less one."""

NUMBERS = {"train2017": (9, 25, 30, 34), "val2017": (139, 285)}


def make_cocostuff(out: Path) -> None:
    """images/ and annotations/, train2017/ and val2017/ in each; the upper left corner is unlabelled."""
    values = np.array([IDS[name] - 1 for name in SCENE_CLASSES], np.uint8)
    for folder, numbers in NUMBERS.items():
        for number in numbers:
            pixels, truth = scene(400 + number, (96, 128))
            labels = values[truth]
            labels[:8, :8] = 255
            for path, array in ((f"images/{folder}/{number:012d}.jpg", pixels),
                                (f"annotations/{folder}/{number:012d}.png", labels)):  # fmt: skip
                (out / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(out / path)
