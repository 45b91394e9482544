"""Masks as labelme draws them, in its own environment (labelme==6.0.2). `oracle_labelme.py SRC OUT`.

SRC holds label files and labels.txt; OUT gets a PNG of class ids for each, 255 where it is ignored. It is what labelme's
example labelme2voc.py does, but that files are not checked: 6.0.2 knows no oriented rectangle, and wants a type of all shapes.
"""

import json
import sys
from pathlib import Path

import numpy as np
from labelme._label_file import LabelFile  # type: ignore[import-not-found, unused-ignore]
from labelme.utils import img_b64_to_arr, img_data_to_arr, shapes_to_label  # type: ignore[import-not-found, unused-ignore]
from PIL import Image


def main(source: str, out: str) -> None:
    """Draw every label file below SRC."""
    names = (Path(source) / "labels.txt").read_text("utf-8").split()
    ids = {name: number - 1 for number, name in enumerate(names)}
    for path in sorted(Path(source).rglob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        image = path.parent / content["imagePath"].replace("\\", "/")
        within = content["imageData"]
        pixels = img_b64_to_arr(within) if within else img_data_to_arr(LabelFile.load_image_file(str(image)))
        drawn, _ = shapes_to_label(pixels.shape, [*map(as_loaded, content["shapes"])], ids)
        there = Path(out) / path.relative_to(source).with_suffix(".png")
        there.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.where(drawn < 0, 255, drawn).astype(np.uint8)).save(there, optimize=True)


def as_loaded(shape: dict) -> dict:  # type: ignore[type-arg]
    """A shape as labelme has it in memory."""
    kind = shape.get("shape_type")
    mask = {"mask": img_b64_to_arr(shape["mask"]).astype(bool)} if shape.get("mask") else {}
    return {**shape, **mask, "shape_type": "polygon" if kind == "oriented_rectangle" else kind}


if __name__ == "__main__":
    main(*sys.argv[1:])
