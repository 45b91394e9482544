"""Seeded and real datasets, exported, beside what they hold: what the oracles of exports read.

    .venv/bin/python tools/bench/export_sets.py FORMAT OUT [SEEDS] [OPTION=VALUE ...]

OUT/sets/DatasetNNN_<set>/ is an export. OUT/NNN.npz has of each sample, by id, `mask <id>` (H, W) uint16, 65535 for ignored
pixels, and `image <id>` (H, W, C); NNN.json has the names of the classes in order, and the split of each sample.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import segdata
from inputs import DATA, MINI, camvid
from segdata import Dataset
from segdata.files.png import encode_mask

NAMES = ["background", "a b", 'c,"d"', "é", "x/y", "3", "no", "_", "Ärger", "ü: {z}"]

COUNTS = (1, 2, 3, 10, 255, 300)


def random_mask(rng: np.random.Generator, classes: int, ignore: int) -> NDArray[np.uint16]:
    """(H, W) of noise, of blocks, of rings with islands, or of one value; some pixels are ignored in half of them."""
    height, width = (int(n) for n in rng.integers(1, 60, 2))
    kind = rng.integers(4)
    if kind == 0:
        mask = rng.integers(0, classes, (height, width))
    elif kind == 1:
        mask = np.kron(rng.integers(0, classes, (height // 7 + 1, width // 7 + 1)), np.ones((7, 7), int))
    elif kind == 2:
        y, x = np.mgrid[:height, :width]
        mask = np.maximum(abs(y - height // 2), abs(x - width // 2)) // 3 % classes
    else:
        mask = np.full((height, width), rng.integers(0, classes))
    found = mask[:height, :width].astype(np.uint16)
    if rng.random() < 0.5:
        found[rng.random(found.shape) < rng.choice([0.02, 0.4, 1])] = ignore
    return found


def random_set(work: Path, seed: int, samples: int = 25) -> Dataset:
    """A dataset of random masks in three splits or none, with images of several kinds."""
    rng = np.random.default_rng(seed)
    classes = COUNTS[seed % len(COUNTS)]
    names = [*NAMES, *(f"class {i}" for i in range(classes))][seed % 2 :][:classes]
    ignore = 255 if classes < 256 else 65535
    for number in range(samples):
        split = ("", "train/", "val/", "test/")[rng.integers(1, 4) if seed % 3 else 0]
        mask = random_mask(rng, classes, ignore)
        pixels = rng.integers(0, 256, (*mask.shape, 3), dtype=np.uint8)
        id = f"{split}{'f/' if rng.random() < 0.3 else ''}{number:03d}"
        for folder in ("masks", "images"):
            (work / folder / id).parent.mkdir(parents=True, exist_ok=True)
        (work / f"masks/{id}.png").write_bytes(encode_mask(mask.astype(np.uint8 if ignore == 255 else np.uint16)))
        save_image(work / f"images/{id}", Image.fromarray(pixels), int(rng.integers(5)))
    below = "/{split}" if seed % 3 else ""
    more: dict[str, Any] = {
        "values": {ignore: "ignore"},
        "image_dir": f"images{below}",
        "mask_dir": f"masks{below}",
    }
    return segdata.convert("masks", work, work / "dataset", classes=names, allow_empty=True, **more)


def save_image(path: Path, image: Image.Image, kind: int) -> None:
    """Save an image as RGB, grey or with transparency, as PNG or JPEG, or turned by EXIF."""
    if kind == 4:
        exif = Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(f"{path}.jpg", exif=exif)
    elif kind == 3:
        image.save(f"{path}.jpg")
    else:
        image.convert(("RGB", "L", "RGBA")[kind]).save(f"{path}.png")


def datasets(work: Path, seeds: int) -> Iterator[tuple[str, Dataset]]:
    """The datasets by name: random ones, and those in ../shared/data if that is there."""
    for seed in range(seeds):
        yield f"random{seed}", random_set(work / f"random{seed}", seed)
    if DATA.is_dir():
        yield "camvid", camvid(work / "camvid")
        yield "coco", segdata.convert("coco", MINI, work / "coco")
        yield "voc", segdata.convert("voc", DATA / "voc/genuine", work / "voc")
        yield "pets", segdata.convert("pets", DATA / "pets", work / "pets")


def main(format: str, out: Path, seeds: int = 12, **options: Any) -> None:
    """Write all sets."""
    for number, (name, dataset) in enumerate(datasets(out / "sources", seeds), 1):
        segdata.export(format, dataset, out / f"sets/Dataset{number:03d}_{name}", **options)
        held: dict[str, Any] = {}
        for sample in dataset:
            mask = dataset.read_mask(sample).astype(np.uint16)
            mask[mask == dataset.labels.ignore] = 65535
            held |= {f"mask {sample.id}": mask, f"image {sample.id}": dataset.read_image(sample)}
        np.savez(out / f"{number:03d}.npz", allow_pickle=False, **held)
        about = {"classes": dataset.labels.names, "splits": {sample.id: sample.split for sample in dataset}}
        (out / f"{number:03d}.json").write_text(json.dumps(about))


if __name__ == "__main__":
    given = [argument for argument in sys.argv[3:] if "=" not in argument]
    options: dict[str, Any] = dict(argument.split("=") for argument in sys.argv[3:] if "=" in argument)
    main(sys.argv[1], Path(sys.argv[2]), *map(int, given), **options)
