"""Small scenes that a small net learns in seconds, and such a net, for tests of training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.labels import Labels

COLORS = np.array([(40, 60, 40), (200, 60, 50), (60, 80, 210)], np.uint8)
NAMES = ("ground", "red", "blue")


def scenes(
    root: Path,
    *,
    train: int = 8,
    val: int = 4,
    size: tuple[int, int] = (24, 32),
    names: Sequence[str] = NAMES,
    sizes: Sequence[tuple[int, int]] = (),
) -> Dataset:
    """Rectangles of a colour a class on ground, with noise, and a frame of void; `sizes` are the first samples' own."""
    labels = Labels.of(names)
    samples = []
    for number in range(train + val):
        split = "train" if number < train else "val"
        id = f"{split}/{number:03d}"
        height, width = sizes[number] if number < len(sizes) else size
        random = np.random.default_rng(number)
        mask = np.zeros((height, width), np.uint8)
        for value in 1, 2:
            y, x = random.integers(0, height // 2), random.integers(0, width // 2)
            mask[y : y + height // 3, x : x + width // 3] = value
        noise = random.integers(-20, 20, (height, width, 3))
        image = (COLORS[mask].astype(int) + noise).clip(0, 255).astype(np.uint8)
        mask[0, :] = labels.ignore
        samples.append(written(root, id, split, image, mask))
    dataset = Dataset(root, labels, samples, {"tool": "test"}, "copy")
    dataset.save()
    return Dataset.open(root)


def written(root: Path, id: str, split: str, image: Any, mask: Any) -> Sample:
    """Write an image and its mask by Pillow, and give the manifest's line."""
    for folder, pixels in (("images", image), ("masks", mask)):
        path = root / f"{folder}/{id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    values, counts = np.unique(mask, return_counts=True)
    return Sample(
        id=id, split=split, image=f"images/{id}.png", mask=f"masks/{id}.png", height=mask.shape[0], width=mask.shape[1],
        counts=dict(zip(values.tolist(), counts.tolist(), strict=True)),
        sha256=hashlib.sha256((root / f"masks/{id}.png").read_bytes()).hexdigest(),
    )  # fmt: skip


class Net(nn.Module):
    """Three layers, with batch normalisation and dropout: all that a resumed run could get wrong."""

    def __init__(self, bands: int, classes: int, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(bands, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.head = nn.Sequential(nn.Dropout2d(0.2), nn.Conv2d(width, classes, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, K, H, W)."""
        out: torch.Tensor = self.head(self.encoder(image))
        return out


def small(bands: int, classes: int, width: int = 8) -> nn.Module:
    """The factory of `--model train_files:small`."""
    return Net(bands, classes, width)


QUICK: dict[str, Any] = {
    "model": "train_files:small", "epochs": 2, "batch": 4, "lr": 0.02, "threads": 1, "images": 0, "tensorboard": False,
}  # fmt: skip
"""Options of a training that takes a fraction of a second."""


def plain(bands: int, classes: int) -> nn.Module:
    """Two convolutions, without batch statistics: the factory of `--model train_files:plain`."""
    return nn.Sequential(nn.Conv2d(bands, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, classes, 1))
