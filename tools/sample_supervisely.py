"""Projects of Supervisely with every shape that its SDK draws, at random: overlapping, crossing themselves, off the image."""

from __future__ import annotations

import base64
import io
import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Json = dict[str, Any]

CLASSES = {
    "car": ("polygon", "#F07CA4"), "road": ("multipolygon", "#2EFF08"), "person": ("bitmap", "#9013FE"),
    "hair": ("alpha_mask", "#0A0B0C"), "sign": ("rectangle", "#FF0000"), "truck": ("oriented_bbox", "#00FF00"),
    "wire": ("line", "#0000FF"), "nose": ("point", "#FFFF00"), "house": ("cuboid", "#00FFFF"), "thing": ("any", "#AABBCC"),
}  # fmt: skip
"""Title, shape and colour."""

DRAWN = ("polygon", "multipolygon", "bitmap", "rectangle", "oriented_bbox", "line", "point", "cuboid")


class Scribbler:
    """Makes figures for an image of a size (height, width)."""

    def __init__(self, rng: np.random.Generator, height: int, width: int, *, far: bool = True) -> None:
        self.rng, self.height, self.width, self.far = rng, height, width, far

    def pair(self) -> list[float]:
        """x, y of a whole or a half pixel, off the image now and then."""
        margin = 0.3 if self.far and self.rng.random() < 0.3 else 0.0
        x, y = (self.rng.uniform(-margin, 1 + margin) * (n - 1) for n in (self.width, self.height))
        return [round(x, 1), round(y, 1)] if self.rng.random() < 0.2 else [int(x), int(y)]

    def ring(self, least: int = 3) -> list[list[float]]:
        """A ring around a middle, or one that crosses itself, or a few points."""
        count, kind = int(self.rng.integers(least, 12)), self.rng.random()
        if kind < 0.25:
            return [self.pair() for _ in range(count)]
        (x, y), reach = self.pair(), self.rng.uniform(1, 0.5 * max(self.width, self.height))
        angles = np.sort(self.rng.uniform(0, 2 * math.pi, count))
        points = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], 1)
        return [[int(a), int(b)] for a, b in points.tolist()]

    def outline(self) -> Json:
        """A ring with some holes."""
        outer = self.ring()
        holes = int(self.rng.integers(0, 3)) if self.rng.random() < 0.5 else 0
        middle = np.mean(outer, axis=0)
        inner = [(middle + (np.array(self.ring()) - middle) * 0.3).astype(int).tolist() for _ in range(holes)]
        return {"exterior": outer, "interior": inner}

    def bitmap(self, *, alpha: bool = False) -> Json:
        """A bitmap with its origin, as the SDK writes it."""
        height, width = int(self.rng.integers(1, self.height + 1)), int(self.rng.integers(1, self.width + 1))
        bits = (self.rng.random((height, width)) < self.rng.choice([0.1, 0.6, 1.0])).astype(np.uint8)
        bits[0, 0] = 1
        x, y = self.pair()
        image = Image.fromarray(bits * self.rng.integers(1, 256, bits.shape, np.uint8) if alpha else bits)
        if not alpha:
            image.putpalette([0, 0, 0, 255, 255, 255])
        data = io.BytesIO()
        image.save(data, "PNG", transparency=0, optimize=0)
        return {"data": base64.b64encode(zlib.compress(data.getvalue())).decode(), "origin": [x, y]}

    def figure(self, title: str) -> Json:
        """A figure of a class."""
        shape = CLASSES[title][0]
        kind = str(self.rng.choice(DRAWN)) if shape == "any" else shape
        made: Json = {
            "id": int(self.rng.integers(10**6, 10**7)),
            "classTitle": title,
            "geometryType": kind,
            "shape": kind,
        }
        made |= {"description": "", "tags": [], "labelerLogin": "someone", "createdAt": "2024-01-01T00:00:00.000Z"}
        if kind == "multipolygon":
            return made | {"parts": [self.outline() for _ in range(int(self.rng.integers(1, 4)))]}
        if kind in ("bitmap", "alpha_mask"):
            return made | {"bitmap": self.bitmap(alpha=kind == "alpha_mask")}
        if kind == "oriented_bbox":
            return made | {"points": [self.pair(), self.pair()], "angle": self.rng.uniform(-4, 4)}
        if kind == "cuboid":
            faces = [[0, 1, 2, 3], [0, 4, 5, 1], [1, 5, 6, 2]]
            return made | {"points": [self.pair() for _ in range(7)], "faces": faces}
        count = {"rectangle": 2, "point": 1}.get(kind)
        outer = [self.pair() for _ in range(count)] if count else self.ring(2 if kind == "line" else 3)
        if kind == "polygon":
            return made | {"points": self.outline()}
        return made | {"points": {"exterior": outer, "interior": []}}


def meta() -> Json:
    """meta.json."""
    classes = [
        {
            "title": title,
            "description": "",
            "shape": shape,
            "color": color,
            "geometry_config": {},
            "id": 100 + i,
            "hotkey": "",
        }
        for i, (title, (shape, color)) in enumerate(CLASSES.items())
    ]
    tags = [
        {"name": name, "value_type": "none", "color": "#ABCDEF", "id": i} for i, name in enumerate(("train", "val"))
    ]
    return {"classes": classes, "tags": tags, "projectType": "images"}


def write_project(
    out: Path, seed: int, count: int, *, alpha: bool = True, largest: int = 120, images: bool = True
) -> None:
    """Write a project of `count` images in the datasets train, val and train/datasets/more."""
    rng = np.random.default_rng(seed)
    titles = [title for title in CLASSES if alpha or title != "hair"]
    for number in range(count):
        folder = out / ("train", "val", "train/datasets/more")[number % 3]
        height, width = (int(n) for n in rng.integers(1 if number % 5 == 4 else 24, largest, 2))
        scribbler = Scribbler(rng, height, width)
        objects = [scribbler.figure(str(rng.choice(titles))) for _ in range(int(rng.integers(0, 12)))]
        tags = [{"name": ("train", "val")[number % 2], "id": number, "tagId": number % 2}]
        sheet = {"description": "", "tags": tags, "size": {"height": height, "width": width}, "objects": objects}
        write_text(folder / f"ann/IMG_{number:04d}.png.json", json.dumps(sheet))
        (folder / "img").mkdir(parents=True, exist_ok=True)
        if images:
            Image.fromarray(noise(rng, height, width)).save(folder / f"img/IMG_{number:04d}.png")
    write_text(out / "meta.json", json.dumps(meta()))


def make_supervisely(out: Path) -> None:
    """Write a project of a few images."""
    write_project(out, 1100, 8)


def noise(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """(H, W, 3) of grey noise."""
    return np.repeat(rng.integers(60, 200, (height, width, 1), np.uint8), 3, axis=2)


def write_text(path: Path, text: str) -> None:
    """Write text, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
