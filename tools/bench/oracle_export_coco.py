"""An export to COCO as pycocotools and panopticapi read it, in an environment of their own, beside the masks it was made of.

oracle_export_coco.py DATASET EXPORT

Instances: the pixels of annToMask. Panoptic: the segments of panopticapi's rgb2id, and its panoptic quality of the files beside
themselves, in which it checks that PNG and JSON list the same segments. Stuff: the pixels of annToMask, which must not overlap,
and the pixelmaps. Pixels without a label must be of the class called background, or ignored. Prints JSON.
"""

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools.coco import COCO

Json = dict[str, Any]


def main(dataset: Path, export: Path) -> None:
    """Compare every image, and print what was found."""
    card = json.loads((dataset / "dataset.json").read_text("utf-8"))
    values = {one["name"]: one["id"] for one in card["classes"]} | {"ignore": card["ignore"]}
    unlabelled = [values[name] for name in values if name.strip(" _").casefold() == "background"] or [card["ignore"]]
    images = pixels = differ = segments = 0
    for path in sorted((export / "annotations").glob("*.json")):
        kind, _, split = path.stem.partition("_")
        table = json.loads(path.read_text("utf-8"))
        rest = unlabelled[0] if kind == "instances" else card["ignore"]
        if kind == "panoptic":
            check_quality(path, table)
        for image, mask, number in READ[kind](path, table, values, rest):
            name = f"{split}/{image['file_name']}" if split else image["file_name"]
            truth = np.array(Image.open((dataset / "masks" / name).with_suffix(".png")))
            images, pixels, segments = images + 1, pixels + truth.size, segments + number
            differ += int(np.count_nonzero(mask != truth))
    versions = {name: version(name) for name in ("pycocotools", "panopticapi-lite")}
    print(json.dumps({**versions, "images": images, "segments": segments, "pixels": pixels, "differ": differ}))


def read_objects(path: Path, table: Json, values: dict[str, int], rest: int) -> Iterator[tuple[Json, Any, int]]:
    """Each image, (H, W) the values of its pixels, and how many annotations it has. Raises `ValueError` for an overlap."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    for image in table["images"]:
        mask = np.full((image["height"], image["width"]), rest, np.int64)
        covered = np.zeros(mask.shape, bool)
        for annotation in coco.imgToAnns[image["id"]]:
            pixels = coco.annToMask(annotation) == 1
            if (covered & pixels).any() or pixels.sum() != annotation["area"]:
                raise ValueError(f"annotation {annotation['id']} overlaps another one, or its area is not its pixels")
            covered |= pixels
            mask[pixels] = values[coco.cats[annotation["category_id"]]["name"]]
        yield image, mask, len(coco.imgToAnns[image["id"]])


def read_maps(path: Path, table: Json, values: dict[str, int], rest: int) -> Iterator[tuple[Json, Any, int]]:
    """The same. Raises `ValueError` for a pixelmap that says something else."""
    ids = {one["id"]: values[one["name"]] for one in table["categories"]}
    for image, mask, number in read_objects(path, table, values, rest):
        pixelmap = np.array(
            Image.open(f"{path.with_suffix('')}_pixelmaps/{Path(image['file_name']).with_suffix('.png')}")
        )
        if not np.array_equal(np.vectorize({**ids, 0: rest}.get)(pixelmap), mask):
            raise ValueError(f"the pixelmap of {image['file_name']} is not what its annotations are")
        yield image, mask, number


def read_segments(path: Path, table: Json, values: dict[str, int], rest: int) -> Iterator[tuple[Json, Any, int]]:
    """The same of the segments of each image."""
    from panopticapi.utils import rgb2id  # type: ignore[import-not-found, unused-ignore]

    names, images = {one["id"]: one["name"] for one in table["categories"]}, {one["id"]: one for one in table["images"]}
    for annotation in table["annotations"]:
        ids = rgb2id(np.array(Image.open(path.with_suffix("") / annotation["file_name"])))
        mask = np.full(ids.shape, rest, np.int64)
        for segment in annotation["segments_info"]:
            mask[ids == segment["id"]] = values[names[segment["category_id"]]]
        yield images[annotation["image_id"]], mask, len(annotation["segments_info"])


def check_quality(path: Path, table: Json) -> None:
    """Raise `ValueError` if panopticapi finds another quality than 1 of files beside themselves."""
    from panopticapi.evaluation import (  # type: ignore[import-not-found, unused-ignore]
        pq_compute_single_core,
    )

    folder, pairs = str(path.with_suffix("")), [(one, one) for one in table["annotations"]]
    categories = {one["id"]: one for one in table["categories"]}
    with contextlib.redirect_stdout(io.StringIO()):
        found = pq_compute_single_core(0, pairs, folder, folder, categories).pq_per_cat.values()
    if any(one.fp or one.fn or one.iou != one.tp for one in found):
        raise ValueError(f"{path}: its panoptic quality beside itself is not 1")


READ = {"instances": read_objects, "panoptic": read_segments, "stuff": read_maps}

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
