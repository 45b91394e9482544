"""Masks of `segdata export voc` as torchvision or Datumaro reads them, beside the masks of the dataset, pixel by pixel.

Run it in the environment of the target, such as build/bench/torchvision/bin/python or build/bench/datumaro/bin/python:

    python tools/bench/oracle_export_voc.py torchvision OUT DATASET     # OUT was exported with --devkit
    python tools/bench/oracle_export_voc.py datumaro OUT DATASET        # with or without it

DATASET is what OUT was exported from, whose masks Pillow reads. Datumaro reads masks by the colours of labelmap.txt.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Read = Iterator[tuple[str, str, tuple[int, ...], Any]]
"""A split, the name of an image in it, the (height, width) of its pixels, and its mask."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=READERS)
    parser.add_argument("out", type=Path)
    parser.add_argument("dataset", type=Path)
    given = parser.parse_args()
    truth = true_masks(given.dataset)
    images = pixels = differ = 0
    for split, name, size, mask in READERS[given.target](given.out):
        true = truth.pop(f"{split}_{name}")
        assert size == true.shape == mask.shape, (split, name, size, true.shape, mask.shape)
        images, pixels, differ = images + 1, pixels + true.size, differ + int((mask != true).sum())
    if given.target == "torchvision":  # it has no list called test
        truth = {name: mask for name, mask in truth.items() if not name.startswith("test_")}
    assert not truth, f"not read: {sorted(truth)[:5]}"
    print(json.dumps({"target": given.target, "images": images, "pixels": pixels, "differ": differ}))
    sys.exit(differ > 0)


def true_masks(dataset: Path) -> dict[str, Any]:
    """The masks of the dataset by id, `_` for `/` and for spaces."""
    lines = map(json.loads, (dataset / "manifest.jsonl").read_text().splitlines())
    return {
        line["id"].replace("/", "_").replace(" ", "_"): np.array(Image.open(dataset / line["mask"])) for line in lines
    }


def torchvision(out: Path) -> Read:
    """By VOCSegmentation, split by split."""
    from torchvision.datasets import VOCSegmentation  # type: ignore[import-not-found, unused-ignore]

    for role in ("train", "val", "trainval"):
        if (out / f"VOCdevkit/VOC2012/ImageSets/Segmentation/{role}.txt").is_file():
            dataset = VOCSegmentation(str(out), year="2012", image_set=role)
            for (image, mask), path in zip((dataset[i] for i in range(len(dataset))), dataset.masks, strict=True):
                yield role, Path(path).stem, image.size[::-1], np.array(mask)


def datumaro(out: Path) -> Read:
    """By the format voc_segmentation; the label called `ignored` is 255."""
    import datumaro as dm  # type: ignore[import-not-found, unused-ignore]

    dataset = dm.Dataset.import_from(str(out), "voc_segmentation")
    names = [label.name for label in dataset.categories()[dm.AnnotationType.label].items]
    year = next(path.parent for path in [*out.glob("labelmap.txt"), *out.glob("VOCdevkit/*/labelmap.txt")])
    told = [line.split(":")[0] for line in (year / "labelmap.txt").read_text("utf-8").splitlines()[1:]]
    assert names == told, (names, told)
    for item in dataset:
        data = item.media.data if hasattr(item, "media") else item.image.data
        mask = np.full(data.shape[:2], -1)
        for one in item.annotations:
            mask[np.asarray(one.image, bool)] = 255 if names[one.label] == "ignored" else one.label
        yield item.subset, item.id, data.shape[:2], mask


READERS = {"torchvision": torchvision, "datumaro": datumaro}

if __name__ == "__main__":
    main()
