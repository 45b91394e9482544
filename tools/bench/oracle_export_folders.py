"""Masks of `segdata export folders` as each trainer's own loader reads them, beside the masks of the dataset, pixel by pixel.

Run it in the environment of the trainer, such as build/bench/mmsegmentation/bin/python:

    python tools/bench/oracle_export_folders.py mmseg OUT DATASET

OUT was exported with that --layout, DATASET is what it was exported from, whose masks Pillow reads. `smp` runs the Dataset of
the CamVid example of segmentation_models.pytorch, written down here, as the package has no loader of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

LEAST = {"mmseg": 2, "ultralytics": 10}
"""The side in pixels below which a trainer reads no image."""

Read = Iterator[tuple[str, str, tuple[int, ...], Any]]
"""The role of a split, the name of an image there, the (height, width) of its pixels, and its mask."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layout", choices=READERS)
    parser.add_argument("out", type=Path)
    parser.add_argument("dataset", type=Path)
    given = parser.parse_args()
    truth = true_masks(given.dataset)
    images = pixels = differ = 0
    for split, name, size, mask in READERS[given.layout](given.out.resolve()):
        true = truth.pop(f"{split}/{name}".replace("/", "_"))
        assert size == true.shape == mask.shape, (split, name, size, true.shape, mask.shape)
        images, pixels, differ = images + 1, pixels + true.size, differ + int((mask != true).sum())
    truth = {name: mask for name, mask in truth.items() if given.layout != "lightly" or not name.startswith("test_")}
    small = [name for name, mask in truth.items() if min(mask.shape) < LEAST.get(given.layout, 1)]
    assert len(small) == len(truth), f"not read: {sorted(truth.keys() - set(small))[:5]}"
    print(json.dumps({"layout": given.layout, "images": images, "pixels": pixels, "differ": differ}))
    sys.exit(differ > 0)


def true_masks(dataset: Path) -> dict[str, Any]:
    """The masks of the dataset by id, `_` for `/`."""
    lines = map(json.loads, (dataset / "manifest.jsonl").read_text().splitlines())
    return {line["id"].replace("/", "_"): np.array(Image.open(dataset / line["mask"])) for line in lines}


class Operators(ModuleType):
    """In place of the compiled operators, which mmcv-lite does not have and reading does not need."""

    def __getattr__(self, name: str) -> None:
        return None


def mmseg(out: Path) -> Read:
    """By the config, with the loading and packing steps of its test pipeline."""
    from mmengine.config import Config  # type: ignore[import-not-found, unused-ignore]
    from mmengine.registry import DATASETS, init_default_scope  # type: ignore[import-not-found, unused-ignore]

    sys.modules["mmcv._ext"] = Operators("mmcv._ext")
    import mmseg.datasets  # type: ignore[import-not-found, unused-ignore] # noqa: F401 - registers

    init_default_scope("mmseg")
    config = Config.fromfile(out / "mmseg_dataset.py")
    for role in ("train", "val", "test"):
        if f"{role}_dataloader" not in config:
            continue
        made = config[f"{role}_dataloader"].dataset
        for one in made.get("datasets", [made]):
            one.pipeline = config.test_pipeline
        dataset = DATASETS.build(made)
        assert tuple(dataset.metainfo["classes"]) == tuple((out / "classes.txt").read_text("utf-8").split("\n")[:-1])
        for i in range(len(dataset)):
            if min(Image.open(dataset.get_data_info(i)["seg_map_path"]).size) < LEAST["mmseg"]:
                continue
            packed = dataset[i]
            sample = packed["data_samples"]
            where = Path(sample.seg_map_path).relative_to(out / "ann_dir")
            name = where.relative_to(where.parts[0]).with_suffix("").as_posix()
            yield where.parts[0], name, tuple(packed["inputs"].shape[1:]), sample.gt_sem_seg.data[0].numpy()


def ultralytics(out: Path) -> Read:
    """By data.yaml, at the size of each image and without augmentation."""
    from ultralytics.cfg import get_cfg  # type: ignore[import-not-found, unused-ignore]
    from ultralytics.data.dataset import SemanticDataset  # type: ignore[import-not-found, unused-ignore]
    from ultralytics.data.utils import check_det_dataset, imread  # type: ignore[import-not-found, unused-ignore]
    from ultralytics.utils import DEFAULT_CFG  # type: ignore[import-not-found, unused-ignore]

    data = check_det_dataset(str(out / "data.yaml"))
    assert list(data["names"].values()) == (out / "classes.txt").read_text("utf-8").split("\n")[:-1]
    for role in ("train", "val", "test"):
        if not data.get(role):
            continue
        options = {"augment": False, "hyp": get_cfg(DEFAULT_CFG), "prefix": "", "rect": False, "cache": False}
        dataset = SemanticDataset(img_path=data[role], data=data, task="semantic", **options)
        for i, file in enumerate(dataset.im_files):
            size = imread(file).shape[:2]
            where = Path(file).relative_to(out / "images")
            name = where.relative_to(where.parts[0]).with_suffix("").as_posix()
            yield where.parts[0], name, size, np.asarray(dataset.load_mask(i, size))


def lightly(out: Path) -> Read:
    """By data.yaml; class ids are those before the trainer makes them consecutive, which it does by the same table."""
    import yaml
    from lightly_train._data import mask_semantic_segmentation_dataset as own  # type: ignore[import-not-found, unused-ignore]
    from lightly_train._task_models.dinov3_eomt_semantic_segmentation.transforms import (  # type: ignore[import-not-found, unused-ignore]
        DINOv3EoMTSemanticSegmentationValTransformArgs,
    )

    data = yaml.safe_load((out / "data.yaml").read_text("utf-8"))
    data = own.MaskSemanticSegmentationDataArgs(data_config_file=out / "data.yaml", **data)
    data.resolve_data_paths(out)
    assert [one.name for one in data.classes.values()] == (out / "classes.txt").read_text("utf-8").split("\n")[:-1]
    changes = DINOv3EoMTSemanticSegmentationValTransformArgs(ignore_index=data.ignore_index)
    changes.resolve_auto(model_init_args={})
    for role in ("train", "val"):
        args = data.get_train_args() if role == "train" else data.get_val_args()
        found = list(args.list_image_info())
        dataset = args.get_dataset_cls()(dataset_args=args, image_info=found, transform=Unchanged(changes))
        for i, one in enumerate(found):
            item = dataset[i]
            where = Path(one["image_filepaths"]).relative_to(out / role / "images")
            mask = np.asarray(item["mask"])
            yield (
                role,
                where.with_suffix("").as_posix(),
                item["image"].shape[:2],
                np.where(mask == args.ignore_index, 255, mask),
            )


class Unchanged:
    """A transform of LightlyTrain that changes nothing."""

    def __init__(self, args: Any) -> None:
        self.transform_args = args

    def __call__(self, given: Any) -> Any:
        import torch

        return {name: torch.from_numpy(value.copy()) for name, value in given.items()}


def smp(out: Path) -> Read:
    """As in the CamVid example: files by `os.listdir`, the mask by the image's name, read as grey by OpenCV."""
    import cv2

    for role in ("train", "val", "test"):
        if not (out / role).is_dir():
            continue
        for name in os.listdir(out / role):
            image = cv2.imread(str(out / role / name))
            mask = cv2.imread(str(out / f"{role}annot" / name), cv2.IMREAD_GRAYSCALE)
            assert image is not None
            assert mask is not None
            yield role, name.removesuffix(".png"), image.shape[:2], mask


READERS = {"mmseg": mmseg, "ultralytics": ultralytics, "lightly": lightly, "smp": smp}

if __name__ == "__main__":
    main()
