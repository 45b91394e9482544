"""Masks as label-studio-sdk has them, in its own environment (label-studio-sdk, pycocotools). `oracle_labelstudio.py SRC OUT`.

SRC holds export.json and config.xml; OUT gets a PNG of class ids for each task, and min.json, the export as JSON-MIN. Of every
region the converter's own result is drawn: polygons and upright rectangles by its COCO, and pycocotools; rotated ones by the
corners of its YOLO with angles; brushes by its NumPy. It has no ellipses: a pixel is one's if its centre lies in it.
"""

import json
import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from label_studio_sdk.converter import Converter  # type: ignore[import-not-found, unused-ignore]
from label_studio_sdk.converter.utils import (  # type: ignore[import-not-found, unused-ignore]
    convert_annotation_to_yolo_obb,
)
from PIL import Image
from pycocotools import mask as coco

Json = dict[str, Any]

KEYS = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels", "labels")


def main(source: str, out: str) -> None:
    """Draw every task, the regions in their order, the later over the earlier."""
    export, config = Path(source, "export.json"), str(Path(source, "config.xml"))
    tasks = json.loads(export.read_text("utf-8"))
    converter = Converter(config, project_dir=None, download_resources=False)
    Path(out).mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        converter.convert(str(export), folder, "JSON_MIN", is_dir=False)
        records = json.loads(Path(folder, "result.json").read_text("utf-8"))
        Path(out, "min.json").write_text(json.dumps(records, separators=(",", ":")), "utf-8")
    known = sorted({label for control in converter._schema.values() for label in control["labels"]})
    ids = {label: number for number, label in enumerate(known, 1)}
    for task in tasks:
        work = latest(task["annotations"])
        size = work["result"][0]["original_height"], work["result"][0]["original_width"]
        mask = np.zeros(size, np.uint8)
        for result in work["result"]:
            names = [result["value"][key][0] for key in KEYS if result["value"].get(key)]
            if names and (pixels := drawn(converter, task, work, result, size)) is not None:
                mask[pixels] = ids[names[0]]
        Image.fromarray(mask).save(Path(out, Path(task["data"]["image"]).stem + ".png"), optimize=True)


def latest(works: list[Json]) -> Json:
    """The annotation that the converter has first, cancelled ones aside."""
    usable = [work for work in works if not work.get("was_cancelled")]
    return sorted(usable, key=lambda work: work["created_at"], reverse=True)[0]


def drawn(converter: Any, task: Json, work: Json, result: Json, size: tuple[int, int]) -> Any:
    """(H, W) bool of one region."""
    value, (height, width) = result["value"], size
    if "radiusX" in value:
        return ellipse(value, size)
    if "rle" not in value and value.get("rotation"):
        corners = convert_annotation_to_yolo_obb(
            {**value, "original_width": width, "original_height": height}, normalize=False
        )
        return filled([[float(part) for corner in corners for part in corner]], size)
    if (
        "points" in value and "labels" in value
    ):  # the converter takes whatever has `labels` for a rectangle, and drops it
        result = {
            **result,
            "value": {"points": value["points"], "polygonlabels": value["labels"]},
            "from_name": "polygon_label",
        }
    alone = {**task, "annotations": [{**work, "result": [result]}]}
    with TemporaryDirectory() as folder:
        Path(folder, "in.json").write_text(json.dumps([alone]))
        if "rle" in value:
            converter.convert(f"{folder}/in.json", folder, "BRUSH_TO_NUMPY", is_dir=False)
            return np.load(next(Path(folder).glob("*.npy"))) > 0
        converter.convert(f"{folder}/in.json", folder, "COCO", is_dir=False)
        made = json.loads(Path(folder, "result.json").read_text())["annotations"]
    if not made or any(len(part) < 6 for part in made[0]["segmentation"]):
        return None
    return filled(made[0]["segmentation"] or np.array([made[0]["bbox"]]), size)


def filled(segmentation: Any, size: tuple[int, int]) -> Any:
    """(H, W) bool of COCO's polygons, or of a box, as annToMask has it."""
    return coco.decode(coco.merge(coco.frPyObjects(segmentation, *size))) > 0


def ellipse(value: Json, size: tuple[int, int]) -> Any:
    """(H, W) bool: pixels whose centre, turned back around that of the ellipse, lies in it."""
    height, width = size
    mask = np.zeros(size, bool)
    angle = math.radians(-(value.get("rotation") or 0))
    rx, ry = value["radiusX"] / 100 * width, value["radiusY"] / 100 * height
    for y in range(height if rx and ry else 0):
        for x in range(width):
            dx, dy = x + 0.5 - value["x"] / 100 * width, y + 0.5 - value["y"] / 100 * height
            u, v = dx * math.cos(angle) - dy * math.sin(angle), dx * math.sin(angle) + dy * math.cos(angle)
            mask[y, x] = (u / rx) ** 2 + (v / ry) ** 2 <= 1
    return mask


if __name__ == "__main__":
    main(*sys.argv[1:])
