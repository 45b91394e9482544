"""Large inputs made from small real ones."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segdata import Dataset, convert

CAMVID = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
DATA = Path(__file__).resolve().parents[3] / "shared/data"
MINI = DATA / "coco/mini/annotations/instances_train2017.json"
"""80 images of COCO train2017 with their 739 annotations."""


def write_coco(path: Path, photos: int, annotations: int | None = None) -> Path:
    """Repeat the real records of `MINI` to `photos` images, each with its annotations, in shuffled order as in COCO's files.

    `annotations`: keep exactly this many, evenly chosen. Returns `path`, with the folders that Datumaro needs.
    """
    mini = json.loads(MINI.read_text())
    of_image: dict[int, list[str]] = defaultdict(list)
    for annotation in mini["annotations"]:
        rest = {k: v for k, v in annotation.items() if k not in ("id", "image_id")}
        of_image[annotation["image_id"]].append(json.dumps(rest)[1:-1])
    sources = [mini["images"][i % len(mini["images"])] for i in range(photos)]
    rows = [(i, text) for i, source in enumerate(sources, 1) for text in of_image[source["id"]]]
    rows = thinned(rows, len(rows) if annotations is None else annotations)
    random.Random(0).shuffle(rows)
    images = [{**source, "id": i, "file_name": f"{i:012d}.jpg"} for i, source in enumerate(sources, 1)]
    path.parent.mkdir(parents=True)
    (path.parent.parent / "images").mkdir()
    with path.open("w") as file:
        head = {"info": mini["info"], "licenses": mini["licenses"], "images": images, "categories": mini["categories"]}
        file.write(json.dumps(head)[:-1] + ', "annotations": [')
        for number, (image_id, text) in enumerate(rows, 1):
            file.write(f'{", " if number > 1 else ""}{{"id": {number}, "image_id": {image_id}, {text}}}')
        file.write("]}")
    return path


def thinned(rows: Sequence[Any], count: int) -> list[Any]:
    """`count` of the rows, evenly spread, in order."""
    return [rows[i * len(rows) // count] for i in range(count)]


def write_manifest(path: Path, example: Path, count: int) -> Path:
    """Repeat the lines of a real manifest to that many, each with its own id, paths and checksum."""
    lines = [json.loads(line) for line in example.read_text().splitlines()]
    with path.open("w") as file:
        for i in range(count):
            name = f"train/{i:012d}"
            row = {**lines[i % len(lines)], "id": name, "image": f"../coco/{name}.jpg", "mask": f"masks/{name}.png"}
            file.write(json.dumps({**row, "sha256": f"{i:064x}"}) + "\n")
    return path


def camvid(root: Path) -> Dataset:
    """The real CamVid images, referred to where they are."""
    return convert(
        "masks",
        DATA / "camvid",
        root,
        image_dir="{split}",
        mask_dir="{split}annot",
        classes=CAMVID,
        values={"11": "ignore"},
    )
