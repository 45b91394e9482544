"""Ultralytics segmentation sets: scenes as its converters write them, and odd outlines from a seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sample_canvas import SCALE, Canvas
from sample_scenes import PLACES, SIZES, compose

CLASSES = ("person", "car", "dog", "cow", "boat", "bench")

DATA = """path: ../datasets/scenes
train: train.txt
val: images/val
test:

names:
"""


def make_yolo(out: Path) -> None:
    """Write data.yaml, images/ and labels/ of train and val. One image has an empty label file, and one has none.

    A list names the images of train, a folder holds those of val.
    """
    for number in range(8):
        split = "val" if number > 5 else "train"
        canvas = compose(1300 + number, SIZES[number], list(PLACES)[number % 4])
        save(canvas.image(), out / f"images/{split}/{number:06d}.jpg")
        if number != 3:
            write(out / f"labels/{split}/{number:06d}.txt", [] if number == 4 else scene_lines(canvas))
    write(out / "train.txt", [f"./images/train/{number:06d}.jpg" for number in range(6)])
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(CLASSES))
    write(out / "data.yaml", [DATA + names])


def scene_lines(canvas: Canvas) -> list[str]:
    """A line for each thing of a class that is seen: its largest outline."""
    lines = []
    for index, thing in enumerate(canvas.things):
        if thing.name not in CLASSES:
            continue
        seen = (canvas.owner == index).astype(np.uint8)
        outlines, _ = cv2.findContours(seen, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(outlines, key=cv2.contourArea, default=None)
        if outline is not None and cv2.contourArea(outline) > 6 * SCALE**2:
            corners = cv2.approxPolyDP(outline, 0.4 * SCALE, True)[:, 0] / (
                canvas.owner.shape[1],
                canvas.owner.shape[0],
            )
            lines.append(line(CLASSES.index(thing.name), corners))
    return lines


def make_odd_yolo(out: Path, seed: int, count: int) -> None:
    """Write images of 10 to 90 pixels a side whose outlines overlap, cross themselves, leave the image or are nearly nothing.

    Some lines are there twice, some outlines have more than 1,000 points, some images have EXIF orientations.
    """
    rng = np.random.default_rng(seed)
    for number in range(count):
        height, width = (int(side) for side in rng.integers(10, 90, 2))
        exif = Image.Exif()
        if number % 7 == 3:
            exif[0x0112] = int(rng.integers(1, 9))
        suffix = ("jpg", "png")[number % 2]
        save(np.full((height, width, 3), 90, np.uint8), out / f"images/train/{number:04d}.{suffix}", exif)
        lines = [line(int(rng.integers(len(CLASSES))), odd_outline(rng)) for _ in range(int(rng.integers(0, 9)))]
        if lines and number % 5 == 0:
            lines.insert(int(rng.integers(len(lines))), str(rng.choice(lines)))
        if number % 11:
            write(out / f"labels/train/{number:04d}.txt", lines)
    write(out / "data.yaml", [f"train: images/train\nval: images/train\nnames: [{', '.join(CLASSES)}]\n"])


def odd_outline(rng: np.random.Generator) -> NDArray[np.float64]:
    """(N, 2) x, y from 0 to 1, or a little beyond."""
    kind, count = int(rng.integers(8)), int(rng.integers(3, 30))
    if kind == 0:
        return np.round(rng.random((count, 2)), 2)  # crosses itself
    middle, reach = rng.uniform(0.2, 0.8, 2), rng.uniform(0.02, 0.3)
    if kind == 1 and rng.random() < 0.1:
        count = int(rng.choice([998, 999, 1000, 1001, 1500]))
    elif kind == 2:
        reach = 0.001
    angles = np.sort(rng.uniform(0, 2 * np.pi, count)) if kind != 3 else rng.uniform(0, 2 * np.pi, count)
    points = middle + reach * rng.uniform(0.6, 1, (count, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
    if kind == 4:
        points[:, 1] = points[0, 1]  # a line
    if kind == 5:
        points = (points - middle) / reach * 0.4 + rng.uniform(-0.1, 1.1, 2)
        for k in (0, 1):  # what the loader takes: the middle is in the image, the size not above it
            low, high = points[:, k].min(), points[:, k].max()
            points[:, k] += min(max(0.0, -(low + high) / 2), 1) - max((low + high) / 2 - 1, 0)
    inside: NDArray[np.float64] = points.clip(0, 1)
    return points if kind == 5 else inside


def line(number: int, points: NDArray[np.float64]) -> str:
    """A line of a label file."""
    return f"{number} " + " ".join(f"{value:.6g}" for value in points.ravel())


def write(path: Path, lines: list[str]) -> None:
    """Write lines of text, and make the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def save(pixels: NDArray[np.uint8], path: Path, exif: Image.Exif | None = None) -> None:
    """Write a JPEG or PNG, by suffix, and make the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif or Image.Exif(), quality=88)
