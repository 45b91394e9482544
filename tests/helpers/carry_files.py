"""Small datasets for tests of split, join and remap, written without the code under test, and what they hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.labels import Labels


def make(
    root: Path,
    masks: Mapping[str, NDArray[Any]],
    *,
    names: Sequence[str] = ("road", "car", "sign"),
    images: str = "none",
    fields: Mapping[str, Mapping[str, Any]] | None = None,
) -> Dataset:
    """A dataset of these masks, by id, in 16 bits beyond 255 classes; `fields` are more of a sample's.

    What stands before the first slash of an id is the split. Images are noise, beside the dataset or (`copy`) in it.
    """
    labels = Labels.of(names)
    samples = []
    for number, (id, mask) in enumerate(masks.items()):
        path = root / f"masks/{id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = np.asarray(mask, labels.dtype)
        Image.fromarray(mask).save(path)
        values, counts = np.unique(mask, return_counts=True)
        line = {
            "id": id,
            "split": id.split("/")[0] if "/" in id else None,
            "image": None if images == "none" else image(root, id, images, mask.shape, number),
            "mask": f"masks/{id}.png",
            "height": mask.shape[0],
            "width": mask.shape[1],
            "counts": dict(zip(values.tolist(), counts.tolist(), strict=True)),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        samples.append(Sample(**{**line, **(fields or {}).get(id, {})}))  # type: ignore[arg-type]
    root.mkdir(parents=True, exist_ok=True)
    dataset = Dataset(root, labels, samples, {"tool": "test"}, images)  # type: ignore[arg-type]
    dataset.save()
    return Dataset.open(root)


def image(root: Path, id: str, images: str, size: tuple[int, ...], seed: int) -> str:
    """Write an image of noise where a dataset made with `images` has it; returns the manifest's path."""
    beside = root.parent / f"{root.name}-images" / f"{id}.png"
    path = root / f"images/{id}.png" if images == "copy" else beside
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    if images == "reference":
        return Path(os.path.relpath(beside, root)).as_posix()
    if images == "link":
        link = root / f"images/{id}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(beside, link.parent))
    return f"images/{id}.png"


def rows(*runs: Sequence[int]) -> NDArray[np.uint8]:
    """One row of pixels a run: (2, 1, 0) is [[0, 0, 1]], and so on: how many of each class, padded with void."""
    width = max(sum(run) for run in runs)
    lines = [np.repeat(np.arange(len(run)), run) for run in runs]
    return np.stack([np.pad(line, (0, width - len(line)), constant_values=255) for line in lines]).astype(np.uint8)


def random_masks(count: int, *, seed: int = 0, classes: int = 3, prefix: str = "", first: int = 0) -> dict[str, Any]:
    """Masks of 6 x 8 pixels, most of them with some classes only."""
    rng = np.random.default_rng(seed)
    masks = {}
    for i in range(first, first + count):
        some = rng.choice(classes, rng.integers(1, classes + 1), replace=False)
        masks[f"{prefix}{i:03d}"] = rng.choice([*some.tolist(), 255], (6, 8)).astype(np.uint8)
    return masks


def contents(root: Path) -> dict[str, str]:
    """Every file below a folder with the digest of its bytes."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
