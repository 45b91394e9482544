"""Random sets of nnU-Net, SBD and COCO-Stuff, from a seed: what their own programs and segdata are compared on.

python tools/bench/random_sets.py nnunet|sbd|cocostuff|cocostuff10k OUT [--images N] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sample_sbd import cell, numbers, record, sparse, texts, write_mat

RANDOM = np.random.Generator

REMOVED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)

REGIONS: tuple[tuple[dict[str, Any], list[int]], ...] = (
    ({"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}, [1, 2, 3]),
    ({"background": 0, "kidney": [1, 2, 3], "masses": [2, 3], "tumor": 2}, [1, 3, 2]),
    ({"background": 0, "all": [1, 2], "part": 2, "ignore": 3}, [1, 2]),
)


def areas(random: RANDOM, values: NDArray[Any]) -> NDArray[Any]:
    """A mask of random size: rectangles of some of the values over one another."""
    height, width = random.integers(1, 60, 2)
    mask = np.full((height, width), random.choice(values))
    for _ in range(random.integers(0, 12)):
        y, x = random.integers(0, height), random.integers(0, width)
        mask[y : y + random.integers(1, 40), x : x + random.integers(1, 40)] = random.choice(values)
    return mask


def save(path: Path, pixels: NDArray[Any]) -> None:
    """Write an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def image(random: RANDOM, mask: NDArray[Any]) -> NDArray[np.uint8]:
    """RGB of a mask's size, of one colour."""
    return np.broadcast_to(random.integers(0, 256, 3, np.uint8), (*mask.shape, 3)).copy()


def make_nnunet(out: Path, count: int, random: RANDOM) -> None:
    """A set of plain labels or of regions, 8 or 16 bits, PNG, BMP or TIFF."""
    labels: dict[str, Any]
    order: list[int] | None
    ending = str(random.choice([".png", ".tif", ".bmp"]))
    if random.random() < 0.4:
        labels, order = REGIONS[int(random.integers(len(REGIONS)))]
    else:
        classes = int(random.integers(2, 300 if ending != ".bmp" else 200))
        labels, order = {"background": 0, **{f"class {i}": i for i in range(1, classes)}}, None
        if random.random() < 0.5:
            labels["ignore"] = classes
    highest = max(int(np.max(value)) for value in labels.values())
    for number in range(count):
        name = str(random.choice(["case", "a b", "x_0000", "0001", "ä"])) + f"_{number}"
        mask = areas(random, np.arange(highest + 1)).astype(np.uint8 if highest < 256 else np.uint16)
        save(out / f"labelsTr/{name}{ending}", mask)
        save(out / f"imagesTr/{name}_0000{ending}", image(random, mask))
    card = {
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": labels,
        "numTraining": count,
        "file_ending": ending,
    }
    (out / "dataset.json").write_text(json.dumps(card | ({} if order is None else {"regions_class_order": order})))


def make_sbd(out: Path, count: int, random: RANDOM) -> None:
    """Masks of classes and of objects, in types and with neighbours that MATLAB would write."""
    root = out / "benchmark_RELEASE/dataset"
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for number in range(count):
        name = f"2008_{number:06d}"
        lists["val" if number % 3 == 2 else "train"].append(name)
        categories = random.integers(1, 21, (random.integers(1, 6), 1))
        objects = areas(random, np.arange(len(categories) + 1)).astype(np.uint8)
        classes = np.concatenate([[0], categories.ravel()])[objects].astype(np.uint8)
        edges = cell([sparse(np.argwhere(classes == value)[:5], classes.shape) for value in range(1, 21)])
        save(root / f"img/{name}.jpg", image(random, classes))
        packed = bool(random.random() < 0.7)
        held = {
            "Segmentation": numbers(classes),
            "Boundaries": edges,
            "CategoriesPresent": numbers(categories.astype(float)),
        }
        write_mat(root / f"cls/{name}.mat", {"GTcls": record(held)}, packed)
        held = {"Segmentation": numbers(objects), "Boundaries": edges, "Categories": numbers(categories.astype(float))}
        write_mat(root / f"inst/{name}.mat", {"GTinst": record(held)}, packed)
    for split, names in lists.items():
        (root / f"{split}.txt").write_text("\n".join(names) + "\n")


def make_cocostuff(out: Path, count: int, random: RANDOM) -> None:
    """Maps of the 164k set."""
    values = np.array([id - 1 for id in range(1, 183) if id not in REMOVED] + [255], np.uint8)
    for number in range(count):
        part, name = ("val2017" if number % 4 == 3 else "train2017"), f"{number * 37 + 9:012d}"
        mask = areas(random, values)
        save(out / f"annotations/{part}/{name}.png", mask)
        save(out / f"images/{part}/{name}.jpg", image(random, mask))


def make_cocostuff10k(out: Path, count: int, random: RANDOM) -> None:
    """MAT files of version 1.1, `S` of doubles or bytes, and the lists."""
    values = np.array([0] + [id for id in range(1, 183) if id not in REMOVED])
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for number in range(count):
        name = f"COCO_train2014_{number * 37 + 77:012d}"
        lists["test" if number % 4 == 3 else "train"].append(name)
        mask = areas(random, values)
        regions = numbers(random.integers(1, 1000, mask.shape).astype(np.uint16))
        kept = {"S": numbers(mask.astype(random.choice(["uint8", "float64"]))), "regionMapStuff": regions,
                "names": texts([f"label {id}" for id in range(1, 183)])}  # fmt: skip
        write_mat(out / f"annotations/{name}.mat", kept, bool(random.random() < 0.7))
        save(out / f"images/{name}.jpg", image(random, mask))
    (out / "imageLists").mkdir()
    for split, names in {**lists, "all": [*lists["train"], *lists["test"]]}.items():
        (out / f"imageLists/{split}.txt").write_text("\n".join(names) + "\n")


def main() -> None:
    """Write a set."""
    parser = argparse.ArgumentParser(description=__doc__)
    makers = {"nnunet": make_nnunet, "sbd": make_sbd, "cocostuff": make_cocostuff, "cocostuff10k": make_cocostuff10k}
    parser.add_argument("format", choices=makers)
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    makers[given.format](given.out, given.images, np.random.default_rng(given.seed))


if __name__ == "__main__":
    main()
