"""Frames of BDD100K with paths of lines and curves at random: overlapping, crossing themselves, off the image, cut short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as rle_tools

from sample_canvas import Bits, Pixels

Json = dict[str, Any]

CATEGORIES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain", "sky",
    "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle", "ego vehicle", "lane divider",
)  # fmt: skip
"""The 19 classes in order of id, and two categories that are none."""

SIZES = ((72, 96), (45, 80), (60, 64), (96, 128))
"""(height, width)."""


def poly2d(rng: np.random.Generator, height: int, width: int) -> Json:
    """A path, off the image and on halves of pixels now and then; a third of them have curves, some cut short."""
    count, reach = int(rng.integers(1, 12)), 0.3 if rng.random() < 0.5 else 0.0
    points = rng.uniform(-reach, 1 + reach, (count, 2)) * (width, height)
    if rng.random() < 0.4:
        points = np.floor(points * 2) / 2
    types = ["L"] * count
    for i in range(1, count - 1, 3) if rng.random() < 0.4 else ():
        types[i : i + 2] = "CC"
    if rng.random() < 0.1:
        types = [str(one) for one in rng.choice(["L", "C"], count)]
    return {"vertices": points.round(3).tolist(), "types": "".join(types), "closed": True}


def frames(seed: int, count: int, prefix: str, size: tuple[int, int]) -> list[Json]:
    """Frames with labels of all categories."""
    rng = np.random.default_rng(seed)
    return [
        {
            "name": f"{prefix}-{number:04d}.jpg",
            "labels": [
                {
                    "id": str(k),
                    "category": str(rng.choice(CATEGORIES)),
                    "poly2d": [poly2d(rng, *size) for _ in range(int(rng.integers(1, 3)))],
                }
                for k in range(int(rng.integers(0, 9)))
            ],
        }
        for number in range(count)
    ]


def polygons(seed: int, count: int, prefix: str, size: tuple[int, int]) -> Json:
    """A file of frames of one size (height, width), as the toolkit loads it."""
    config = {
        "imageSize": {"width": size[1], "height": size[0]},
        "categories": [{"name": name} for name in CATEGORIES[:19]],
    }
    return {"frames": frames(seed, count, prefix, size), "groups": None, "config": config}


def run_lengths(mask: Bits) -> Json:
    """A mask as the toolkit writes it into JSON."""
    rle = rle_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"counts": rle["counts"].decode("ascii"), "size": list(mask.shape)}


def blobs(rng: np.random.Generator, height: int, width: int, values: int) -> Pixels:
    """(H, W) of large blots of the values 0 to `values` - 1 and of 255."""
    small = rng.integers(0, values + 1, (height // 12 + 1, width // 12 + 1), np.uint8)
    small[small == values] = 255
    return np.kron(small, np.ones((12, 12), np.uint8))[:height, :width]


def write_image(path: Path, pixels: Pixels) -> None:
    """Write an image, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(content).encode())


def make_bdd100k(out: Path) -> None:
    """Write masks of semantic classes, of drivable areas and of lanes, JSON of the first two, and the images of both sets."""
    rng = np.random.default_rng(1200)
    height, width = SIZES[0]
    for split, count in (("train", 4), ("val", 2)):
        write_json(
            out / f"labels/sem_seg/polygons/sem_seg_{split}.json", polygons(1200 + count, count, split, SIZES[0])
        )
        rles: list[Json] = []
        for number in range(count):
            name = f"{split}-{number:04d}"
            for folder in ("10k", "100k"):
                grey = rng.integers(60, 200, (height, width, 1), np.uint8)
                write_image(out / f"images/{folder}/{split}/{name}.jpg", np.repeat(grey, 3, axis=2))
            mask = blobs(rng, height, width, 19)
            write_image(out / f"labels/sem_seg/masks/{split}/{name}.png", mask)
            labels = [
                {"id": str(k), "category": CATEGORIES[k], "rle": run_lengths(mask == k)}
                for k in np.unique(mask)
                if k < 19
            ]
            rles.append({"name": f"{name}.jpg", "labels": labels})
            write_image(out / f"labels/drivable/masks/{split}/{name}.png", np.minimum(blobs(rng, height, width, 2), 2))
            lanes = blobs(rng, height, width, 8)
            lanes[lanes < 8] |= rng.integers(0, 4, (lanes < 8).sum(), np.uint8) << 4
            write_image(out / f"labels/lane/masks/{split}/{name}.png", lanes)
        config = {"imageSize": {"width": width, "height": height}, "categories": []}
        write_json(out / f"labels/sem_seg/rles/sem_seg_{split}.json", {"frames": rles, "config": config})
