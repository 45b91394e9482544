"""What Ultralytics or supervision reads from a set in YOLO's format, beside the masks it was made of; or their own export.

Run it in the environment of the peer, on what `bench_yolo.py` makes:

    build/bench/ultralytics/bin/python tools/bench/oracle_export_yolo.py ultralytics read SET MASKS
    build/bench/supervision/bin/python tools/bench/oracle_export_yolo.py supervision write SET MASKS

SET has data.yaml, images/SPLIT and labels/SPLIT; `write` makes the labels. MASKS/SPLIT/NAME.png has the class number + 1, 0 where
no class is, and 255 for ignored pixels, which count nowhere. `read` prints JSON: images, those that the loader or the exporter
refused, pixels, those that differ, and the least IoU of a class; `--save FOLDER` keeps the masks that were read. Polygons of
supervision overlap in the order of their lines.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from sys import stderr
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

IGNORED = 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=("ultralytics", "supervision"))
    parser.add_argument("what", choices=("read", "write"))
    parser.add_argument("set", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--task", default="segment", choices=("segment", "semantic"))
    parser.add_argument("--save", type=Path)
    given = parser.parse_args()
    with redirect_stdout(stderr):
        if given.what == "write":
            answer = {"ultralytics": ultralytics_write, "supervision": supervision_write}[given.peer](given)
        else:
            read = {"ultralytics": ultralytics_read, "supervision": supervision_read}[given.peer](given)
            found = dict(read)
            answer = compare(found, given.masks)
            if given.save is not None:
                save(found, given.save)
    print(json.dumps(answer))


def compare(read: dict[str, Any], masks: Path) -> dict[str, Any]:
    """Beside the masks, by SPLIT/NAME: an image that was not read differs nowhere, and counts as refused."""
    inter, union = np.zeros(256, np.int64), np.zeros(256, np.int64)
    pixels = differ = images = 0
    paths = sorted(masks.glob("*/*.png"))
    for path in paths:
        found = read.get(f"{path.parent.name}/{path.stem}")
        if found is None:
            continue
        truth = np.asarray(Image.open(path))
        counts = truth != IGNORED
        same = (found == truth) & counts
        pixels, differ, images = pixels + counts.sum(), differ + counts.sum() - same.sum(), images + 1
        inter += np.bincount(truth[same], minlength=256)
        for mask in (truth[counts], found[counts & ~same]):
            union += np.bincount(mask, minlength=256)
    ious = (inter[1:] / np.maximum(union[1:], 1))[union[1:] > 0]
    return {
        "images": images, "refused": len(paths) - images, "pixels": int(pixels), "differ": int(differ),
        "least_iou": float(ious.min()) if ious.size else 1.0,
    }  # fmt: skip


def save(read: dict[str, Any], root: Path) -> None:
    """Keep masks as PNGs, by SPLIT/NAME."""
    for name, mask in read.items():
        path = root / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8)).save(path)


# Ultralytics


def ultralytics_read(given: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """What training sees at the size of the image, with mask_ratio=1, or by its semantic task the classes."""
    from ultralytics.cfg import get_cfg  # type: ignore[import-not-found, unused-ignore]
    from ultralytics.data import utils  # type: ignore[import-not-found, unused-ignore]
    from ultralytics.data.dataset import (  # type: ignore[import-not-found, unused-ignore]
        PolygonSemanticDataset,
        YOLODataset,
    )
    from ultralytics.utils import DEFAULT_CFG  # type: ignore[import-not-found, unused-ignore]

    from oracle_yolo import segment, semantic

    data = utils.check_det_dataset(str(given.set.resolve() / "data.yaml"))
    options = {"augment": False, "hyp": get_cfg(DEFAULT_CFG), "prefix": "", "rect": False, "cache": False}
    for split in (data[key] for key in ("train", "val", "test") if data.get(key)):
        if given.task == "semantic":
            told = utils.add_polygon_background(dict(data))
            dataset = PolygonSemanticDataset(img_path=[split], data=told, task="semantic", **options)
        else:
            dataset = YOLODataset(img_path=[split], data=data, task="segment", **options)
        for index, file in enumerate(map(Path, dataset.im_files)):
            dataset.imgsz = max(utils.imread(str(file)).shape[:2])
            mask = semantic(dataset, index) if given.task == "semantic" else segment(dataset, index)
            yield f"{file.parent.name}/{file.stem}", mask


def ultralytics_write(given: argparse.Namespace) -> dict[str, Any]:
    """Its converter of masks."""
    from ultralytics.data.converter import (  # type: ignore[import-not-found, unused-ignore]
        convert_segment_masks_to_yolo_seg,
    )

    for folder in given.masks.iterdir():
        convert_segment_masks_to_yolo_seg(str(folder), str(given.set / "labels" / folder.name), IGNORED - 1)
    return {"refused": 0}


# supervision


def supervision_read(given: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Its dataset of one image at a time, as it holds a mask of the whole image for each line."""
    from supervision import DetectionDataset  # type: ignore[import-not-found, unused-ignore]

    for image in sorted((given.set / "images").glob("*/*")):
        labels = given.set / "labels" / image.parent.name
        if not (labels / f"{image.stem}.txt").exists():
            continue
        with TemporaryDirectory() as alone:
            (Path(alone) / image.name).symlink_to(image.resolve())
            found = DetectionDataset.from_yolo(alone, str(labels), str(given.set / "data.yaml"))
        (detections,) = found.annotations.values()
        width, height = Image.open(image).size
        mask = np.zeros((height, width), np.int64)
        for index in range(len(detections)):
            mask[detections.mask[index]] = detections.class_id[index] + 1
        yield f"{image.parent.name}/{image.stem}", mask


def supervision_write(given: argparse.Namespace) -> dict[str, Any]:
    """Its exporter without simplification, of a mask per class. An image that it refuses has no label file."""
    from supervision import Detections
    from supervision.dataset.formats.yolo import (  # type: ignore[import-not-found, unused-ignore]
        detections_to_yolo_annotations,
    )

    refused = 0
    for path in sorted(given.masks.glob("*/*.png")):
        mask = np.asarray(Image.open(path))
        classes = [value for value in np.unique(mask).tolist() if value not in (0, IGNORED)]
        masks = np.array([mask == value for value in classes], bool).reshape(len(classes), *mask.shape)
        found = Detections(
            xyxy=np.zeros((len(classes), 4), np.float32), mask=masks, class_id=np.array(classes, int) - 1
        )
        label = given.set / "labels" / path.parent.name / f"{path.stem}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        refused += 1
        with suppress(ValueError):
            lines = detections_to_yolo_annotations(found, mask.shape, approximation_percentage=0.0)
            label.write_text("\n".join(lines))
            refused -= 1
    return {"refused": refused}


if __name__ == "__main__":
    main()
