"""Small datasets for tests of statistics, written without the code under test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.labels import Labels


def make_dataset(
    root: Path, masks: Mapping[str, NDArray[Any]], names: Sequence[str] = ("road", "car", "sign"), *, images: bool = False
) -> Dataset:  # fmt: skip
    """A dataset of these masks, by id; a folder in an id is its split. Counts are NumPy's, files are Pillow's."""
    labels = Labels.of(names)
    root.mkdir(parents=True, exist_ok=True)
    samples = []
    for id, mask in masks.items():
        path = root / f"masks/{id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(labels.dtype)).save(path)
        if images:
            image = root / f"images/{id}.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(len(samples)).integers(0, 256, (*mask.shape, 3))
            Image.fromarray(noise.astype(np.uint8)).save(image)
        values, counts = np.unique(mask, return_counts=True)
        samples.append(
            Sample(
                id=id,
                split=id.split("/")[0] if "/" in id else None,
                image=f"images/{id}.png" if images else None,
                mask=f"masks/{id}.png",
                height=mask.shape[0],
                width=mask.shape[1],
                counts=dict(zip(values.tolist(), counts.tolist(), strict=True)),
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            )
        )
    dataset = Dataset(root, labels, samples, {"tool": "test"}, "copy" if images else "none")
    dataset.save()
    return dataset


def blocks(height: int, width: int, *runs: tuple[int, int]) -> NDArray[np.uint8]:
    """(height, width) uint8 filled row by row with (value, pixels) after one another."""
    return np.concatenate([np.full(n, value, np.uint8) for value, n in runs]).reshape(height, width)


def hand_counted() -> dict[str, NDArray[np.uint8]]:
    """Three masks of 100 pixels, whose numbers are worked out by hand in the tests."""
    return {
        "train/a": blocks(10, 10, (0, 60), (1, 20), (255, 20)),
        "train/b": blocks(10, 10, (0, 90), (255, 10)),
        "val/c": blocks(10, 10, (1, 5), (2, 45), (255, 50)),
    }
