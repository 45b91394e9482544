"""Draw docs/yolo.png: a mask of the samples, and the pixels of it that conversions to YOLO change.

    python tools/bench/draw_yolo.py

Ultralytics writes and reads in the environment of peers.sh, as in bench_yolo.py. Changed pixels are red.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import segdata
from bench_yolo import ask, truths
from measure import HERE
from oracle_export_yolo import IGNORED

ROOT = HERE.parents[1]

NAME = "train/000000000156"

SCALE, GAP, TEXT = 2, 12, 16

RED, INK, FAINT = (220, 0, 0), (30, 30, 30), 0.45
"""Changed pixels, texts, and how much of its colour a mask keeps below changed pixels."""


def main() -> None:
    with TemporaryDirectory() as folder:
        work = Path(folder)
        dataset = segdata.convert("coco", ROOT / "samples/coco", work / "coco")
        own, theirs = work / "segdata", work / "ultralytics"
        segdata.export("yolo", dataset, own, ignored="background")
        masks = truths(dataset, own, work / "masks")
        (theirs / "labels").mkdir(parents=True)
        shutil.copytree(own / "images", theirs / "images", symlinks=True)
        shutil.copy(own / "data.yaml", theirs)
        ask("ultralytics", "write", theirs, masks)
        panels = [panel("the mask", painted(dataset))]
        truth = np.asarray(Image.open(masks / f"{NAME}.png"))
        for name, export in (("Ultralytics' converter", theirs), ("segdata export yolo", own)):
            ask("ultralytics", "read", export, masks, "--save", work / f"{name} read")
            read = np.asarray(Image.open(work / f"{name} read" / f"{NAME}.png"))
            changed = (read != truth) & (truth != IGNORED)
            text = f"{name}: {changed.sum():,} pixels changed"
            panels.append(panel(text, marked(painted(dataset), changed)))
    out = beside(panels)
    out.quantize(64).save(ROOT / "docs/yolo.png", optimize=True)


def painted(dataset: segdata.Dataset) -> Any:
    """The mask in the colours of its classes, (H, W, 3) uint8; ignored pixels are white."""
    colors = np.full((256, 3), 255, np.uint8)
    for label in dataset.labels.classes:
        colors[label.id] = label.color
    return colors[dataset.read_mask(next(sample for sample in dataset if sample.id == NAME))]


def marked(image: Any, changed: Any) -> Any:
    """The same, faint, with changed pixels in red."""
    faint = (255 - FAINT * (255 - image.astype(float))).astype(np.uint8)
    faint[changed] = RED
    return faint


def panel(text: str, pixels: Any) -> Image.Image:
    """Pixels, enlarged, below a line of text."""
    height, width = pixels.shape[0] * SCALE, pixels.shape[1] * SCALE
    out = Image.new("RGB", (width, height + TEXT + GAP), "white")
    out.paste(Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST), (0, TEXT + GAP))
    ImageDraw.Draw(out).text((0, 2), text, INK, ImageFont.load_default(TEXT))
    return out


def beside(panels: list[Image.Image]) -> Image.Image:
    """Panels in a row."""
    out = Image.new("RGB", (sum(one.width + GAP for one in panels) - GAP, panels[0].height), "white")
    left = 0
    for one in panels:
        out.paste(one, (left, 0))
        left += one.width + GAP
    return out


if __name__ == "__main__":
    main()
