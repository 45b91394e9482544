"""An export to Label Studio as label-studio-sdk reads it, in its own environment (label-studio-sdk, pycocotools), and the masks.

oracle_export_labelstudio.py DATASET EXPORT

The configuration and every annotation or prediction pass the checks of the SDK's LabelInterface. Brushes are decoded by its
converter, polygons drawn by pycocotools from its COCO, and each image is compared with the mask in DATASET, pixel by pixel: those
of a class have its label, those of background or without a class none. Ignored pixels are compared if they have a label.
"""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from label_studio_sdk.converter import Converter, brush  # type: ignore[import-not-found, unused-ignore]
from label_studio_sdk.label_interface import LabelInterface  # type: ignore[import-not-found, unused-ignore]
from PIL import Image
from pycocotools import mask as coco

Json = dict[str, Any]


def main(dataset: str, export: str) -> None:
    """Compare every task, and print what was found."""
    card = json.loads(Path(dataset, "dataset.json").read_text("utf-8"))
    names = {one["id"]: one["name"] for one in card["classes"]} | {card["ignore"]: "ignore"}
    config = Path(export, "config.xml").read_text("utf-8")
    tasks = json.loads(Path(export, "tasks.json").read_text("utf-8"))
    check(config, tasks)
    labels = list(next(iter(Converter(config, project_dir=None, download_resources=False)._schema.values()))["labels"])
    images = pixels = differ = 0
    for task, drawn in zip(tasks, masks(config, tasks, labels), strict=True):
        truth = np.array(Image.open(Path(dataset, "masks", f"{task['data']['segdata']['id']}.png")))
        expected = np.zeros(truth.shape, np.int64)
        for value in np.unique(truth).tolist():
            if names[value] in labels:
                expected[truth == value] = labels.index(names[value]) + 1
        images, pixels = images + 1, pixels + truth.size
        differ += truth.size if drawn is None else int(np.count_nonzero(drawn != expected))
    versions = {name: version(name) for name in ("label-studio-sdk", "pycocotools")}
    print(json.dumps({**versions, "images": images, "pixels": pixels, "differ": differ}))


def check(config: str, tasks: list[Json]) -> None:
    """Raise `ValueError` for what the SDK does not accept."""
    interface = LabelInterface(config)
    interface.validate()
    for task in tasks:
        for work in [*task.get("annotations", []), *task.get("predictions", [])]:
            if errors := interface.validate_prediction(work, return_errors=True):
                raise ValueError(f"task {task['id']}: {errors[0][:200]}")


def masks(config: str, tasks: list[Json], labels: list[str]) -> Iterator[Any]:
    """(H, W) places in `labels` from 1 on, 0 without a label, of each task."""
    given = [{**task, "annotations": task.get("annotations") or task["predictions"]} for task in tasks]
    with TemporaryDirectory() as folder:
        Path(folder, "in.json").write_text(json.dumps(given), "utf-8")
        converter = Converter(config, project_dir=None, download_resources=False)
        if "PolygonLabels" in config:
            converter.convert(f"{folder}/in.json", folder, "COCO", is_dir=False)
            polygons = json.loads(Path(folder, "result.json").read_text("utf-8"))
            yield from (drawn_polygons(task, polygons, labels) for task in tasks)
        else:
            for task, item in zip(tasks, converter.iter_from_json_file(f"{folder}/in.json"), strict=True):
                yield drawn_brushes(task, item, labels)


def empty(task: Json) -> Any:
    """(H, W) zeros."""
    return np.zeros((task["data"]["segdata"]["height"], task["data"]["segdata"]["width"]), np.int64)


def drawn_brushes(task: Json, item: Json, labels: list[str]) -> Any:
    """The layers of the converter's decoder, over one another."""
    mask = empty(task)
    for from_name, results in item["output"].items():
        layers = brush.decode_from_annotation(from_name, results)
        for result, layer in zip(results, layers.values(), strict=True):
            mask[layer > 0] = labels.index(result["brushlabels"][0]) + 1
    return mask


def drawn_polygons(task: Json, polygons: Json, labels: list[str]) -> Any:
    """The polygons of the converter's COCO, as annToMask has them."""
    mask = empty(task)
    images = {image["id"] for image in polygons["images"] if image["file_name"] == task["data"]["image"]}
    names = {category["id"]: category["name"] for category in polygons["categories"]}
    for one in polygons["annotations"]:
        if one["image_id"] in images:
            filled = coco.decode(coco.merge(coco.frPyObjects(one["segmentation"], *mask.shape)))
            mask[filled > 0] = labels.index(names[one["category_id"]]) + 1
    return mask


if __name__ == "__main__":
    main(*sys.argv[1:])
