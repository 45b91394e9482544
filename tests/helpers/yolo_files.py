"""Small Ultralytics sets for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

import segdata
from segdata.readers.yolo.reader import read

TRIANGLE = "0 0.1 0.1 0.9 0.1 0.9 0.9"
NAMES = "names: [cat, dog]\n"
A = {"images/train/a.jpg": "", "labels/train/a.txt": TRIANGLE}


def build(root: Path, files: dict[str, str]) -> Path:
    """Write texts, and an image of 20 x 10 pixels for every name that is one."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".jpg", ".png", ".gif"):
            Image.new("RGB", (20, 10), text or "grey").save(path)
        else:
            path.write_text(text)
    return root


def one(root: Path, text: str, yaml: str = f"train: images\n{NAMES}") -> Path:
    """A set of one image with these lines."""
    return build(root, {"images/a.png": "", "labels/a.txt": text, "data.yaml": yaml})


def mask_of(root: Path, out: Path, **options: Any) -> NDArray[Any]:
    """The mask of a set of one image."""
    dataset = segdata.convert("yolo", root, out, **options)
    return dataset.read_mask(dataset.samples[0])


def ids(root: Path, **options: Any) -> list[str]:
    """The ids that are read, those of images without labels with a `-`."""
    return [item.id + ("" if item.annotation.files else "-") for item in read(root, **options).items]
