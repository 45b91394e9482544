"""Painted images in the layouts of Mapillary Vistas: 1.1, whose masks are in no folder of a version, and 1.2 and 2.0."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sample_canvas import SCALE, Canvas
from sample_scenes import SIZES, compose

Json = dict[str, Any]

LABELS = {  # version: name, readable, colour, instances, evaluate
    "1.2": (
        ("construction--barrier--curb", "Curb", (196, 196, 196), False, True),
        ("construction--flat--road", "Road", (128, 64, 128), False, True),
        ("construction--flat--sidewalk", "Sidewalk", (244, 35, 232), False, True),
        ("construction--structure--building", "Building", (70, 70, 70), False, True),
        ("human--person", "Person", (220, 20, 60), True, True),
        ("nature--sky", "Sky", (70, 130, 180), False, True),
        ("nature--vegetation", "Vegetation", (107, 142, 35), False, True),
        ("object--vehicle--car", "Car", (0, 0, 142), True, True),
        ("void--ego-vehicle", "Ego Vehicle", (120, 10, 10), False, True),
        ("void--unlabeled", "Unlabeled", (0, 0, 0), False, False),
    ),
    "2.0": (
        ("animal--ground-animal", "Ground Animal", (0, 192, 0), True, True),
        ("construction--barrier--ambiguous", "Ambiguous Barrier", (250, 170, 31), False, False),
        ("construction--flat--road", "Road", (128, 64, 128), False, True),
        ("construction--flat--sidewalk", "Sidewalk", (244, 35, 232), False, True),
        ("construction--structure--building", "Building", (70, 70, 70), False, True),
        ("human--person--individual", "Person", (220, 20, 60), True, True),
        ("human--person--person-group", "Person Group", (220, 20, 60), False, False),
        ("nature--sky", "Sky", (70, 130, 180), False, True),
        ("nature--vegetation", "Vegetation", (107, 142, 35), False, True),
        ("object--vehicle--car", "Car", (0, 0, 142), True, True),
        ("void--ego-vehicle", "Ego Vehicle", (120, 10, 10), False, True),
        ("void--unlabeled", "Unlabeled", (0, 0, 0), False, False),
    ),
}
THINGS = {  # thing of the canvas: the end of its label's name, one of which each version has
    "road": ("road",), "pavement": ("sidewalk",), "house": ("building",), "person": ("person", "individual"),
    "sky": ("sky",), "tree": ("vegetation",), "car": ("car",), "dog": ("ground-animal", "unlabeled"),
}  # fmt: skip
SPLITS = {"training": range(4), "validation": range(4, 6)}


@cache
def vistas_image(index: int) -> Canvas:
    """The canvas behind an image."""
    return compose(900 + index, SIZES[index % 8], "street", post=index % 2 == 0)


def vistas_masks(c: Canvas, version: str) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """(H, W) label ids, and (H, W) 256 times these plus the number of the object among those of its label."""
    ends = [name.rpartition("--")[2] for name, *_ in LABELS[version]]
    names = [THINGS.get(thing.name, ()) for thing in c.things]
    labels = [next((ends.index(end) for end in options if end in ends), len(ends) - 1) for options in names]
    counted = [labels[:k].count(label) if LABELS[version][label][3] else 0 for k, label in enumerate(labels)]
    label_of, number_of = np.array([*labels, len(ends) - 1]), np.array([*counted, 0])
    owners = c.owners()
    return label_of[owners].astype(np.uint8), (256 * label_of + number_of)[owners].astype(np.uint16)


def vistas_polygons(c: Canvas) -> Json:
    """The outlines of the things, in the order in which they were painted, as JSON of version 2.0."""
    labels, objects = [name for name, *_ in LABELS["2.0"]], []
    for k, thing in enumerate(c.things):
        ends = THINGS.get(thing.name, ())
        label = next((name for name in labels if name.rpartition("--")[2] in ends), labels[-1])
        lines, _ = cv2.findContours(thing.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        for line in lines:
            corners = np.round(cv2.approxPolyDP(line, SCALE / 2, True)[:, 0] / SCALE).astype(int).tolist()
            if len(corners) > 2:
                objects.append({"id": k, "label": label, "polygon": corners})
    return {"width": c.width, "height": c.height, "objects": objects}


def config(version: str) -> Json:
    """A config.json."""
    rows = [{"color": list(color), "instances": instances, "readable": readable, "name": name, "evaluate": evaluate}
            for name, readable, color, instances, evaluate in LABELS[version]]  # fmt: skip
    return {
        "labels": rows,
        "version": version,
        "mapping": "public",
        "folder_structure": "{split}/{content}/{key}.{ext}",
    }


def write_image(path: Path, pixels: NDArray[Any], palette: list[int] | None = None) -> None:
    """Write a JPEG or PNG; a palette makes it a PNG of mode P."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path, quality=88)  # which PNG has no use for


def make_mapillary(out: Path, versions: tuple[str, ...] = ("1.2", "2.0"), flat: bool = False) -> None:
    """images of all splits, of testing too, and masks of all versions; `flat`: as in 1.1, in no folder of a version."""
    keys = {number: np.random.default_rng(number).bytes(11).hex() for number in range(8)}
    for split, numbers in {**SPLITS, "testing": range(6, 8)}.items():
        for number in numbers:
            c = vistas_image(number)
            write_image(out / f"{split}/images/{keys[number]}.jpg", c.image())
            for version in versions if split != "testing" else ():
                folder = out / split / ("." if flat else f"v{version}")
                labels, instances = vistas_masks(c, version)
                palette = [part for _, _, color, _, _ in LABELS[version] for part in color]
                write_image(folder / f"labels/{keys[number]}.png", labels, palette)
                write_image(folder / f"instances/{keys[number]}.png", instances)
                if version == "2.0":
                    (folder / "polygons").mkdir(exist_ok=True)
                    text = json.dumps(vistas_polygons(c))
                    (folder / f"polygons/{keys[number]}.json").write_bytes(text.encode())
    for version in versions:
        name = "config.json" if flat else f"config_v{version}.json"
        (out / name).write_bytes(json.dumps(config(version)).encode())
