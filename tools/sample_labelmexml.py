"""XML files as LabelMe, CVAT and Datumaro write them, with images and masks: seeded, at random.

Elements and their order: https://github.com/open-edge-platform/datumaro (plugins/data_formats/labelme.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("crack", "road", "sky", "window")

OBJECT = """  <object>
    <name>{name}</name>
    <deleted>{deleted}</deleted>
    <verified>0</verified>
    <occluded>no</occluded>
    <date></date>
    <id>{id}</id>
    <parts>
      <hasparts>{parts}</hasparts>
      <ispartof></ispartof>
    </parts>
{shape}
    <attributes>worn, depth=2</attributes>
  </object>
"""

FILE = """<annotation>
  <filename>{name}.png</filename>
  <folder>{folder}</folder>
  <source>
    <sourceImage></sourceImage>
    <sourceAnnotation>Datumaro</sourceAnnotation>
  </source>
  <imagesize>
    <nrows>{height}</nrows>
    <ncols>{width}</ncols>
  </imagesize>
{objects}</annotation>
"""

MASK = np.array([[0, 0, 0, 0], [255, 203, 0, 153]], np.uint8)
"""The colours of a mask."""


def polygon(rng: np.random.Generator, height: int, width: int) -> str:
    """A polygon of any form: on whole pixels or between them, small or large, crossing itself or the border."""
    count, spread = int(rng.integers(3, 9)), rng.choice([0.15, 0.5, 1.2])
    points = rng.uniform((0, 0), (width, height)) + rng.normal(0, spread, (count, 2)) * (width, height)
    if rng.random() < 0.5:
        points = points.clip(0, (width, height))
    digits = int(rng.choice([0, 2, 5]))
    corners = "".join(f"<pt><x>{x:.{digits}f}</x><y>{y:.{digits}f}</y></pt>" for x, y in points.tolist())
    return f"    <polygon>{corners}<username></username></polygon>"


def painted(rng: np.random.Generator, height: int, width: int, file: Path) -> str:
    """A mask, which is written, and its element."""
    bits = rng.random((height, width)) < rng.random()
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(MASK[bits.astype(np.uint8)]).save(file)
    box = f"<box><xmin>0</xmin><ymin>0</ymin><xmax>{width}</xmax><ymax>{height}</ymax></box>"
    return f"    <segm><mask>{file.name}</mask>{box}<username></username></segm>"


def make_random_labelmexml(out: Path, count: int, seed: int = 0, most: int = 90) -> None:
    """So many small images with objects of all kinds at random: what is compared with Datumaro itself."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        height, width = (int(n) for n in rng.integers(1, most, 2))
        name, folder = f"{number:04}", ("train", "val")[number % 2]
        objects = ""
        for id in range(there := int(rng.integers(0, 9))):
            mask = out / f"Masks/{folder}/{name}_mask_{id}.png"
            shape = painted(rng, height, width, mask) if rng.random() < 0.3 else polygon(rng, height, width)
            label, parts = str(rng.choice(NAMES)), "1" if id == 0 and there > 1 else ""
            deleted = int(rng.random() < 0.1)
            objects += OBJECT.format(id=id, shape=shape, name=label, deleted=deleted, parts=parts)
        (out / f"Images/{folder}").mkdir(parents=True, exist_ok=True)
        (out / f"Annotations/{folder}").mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(60, 200, (height, width, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(out / f"Images/{folder}/{name}.png")
        text = FILE.format(name=name, folder=folder, height=height, width=width, objects=objects)
        (out / f"Annotations/{folder}/{name}.xml").write_text(text, "utf-8")


def make_labelmexml(out: Path) -> None:
    """Nine images in two splits."""
    make_random_labelmexml(out, 9, 18)
