"""Predictions with truth, images and scores, made from a seed: blobs, and a model that is off by two pixels and noisy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from segdata import Dataset, Labels, Sample, write_mask
from segdata.files.scores import write_scores
from segdata.labels import Mask

LABELS = Labels.of(["ground", "water", "wood"])
COLORS = np.array([[120, 90, 60], [40, 80, 160], [30, 110, 40]])
Scores = NDArray[np.float32]


def scene(seed: int, size: tuple[int, int], labels: Labels = LABELS) -> tuple[NDArray[np.uint8], Mask, Scores]:
    """An image, its truth with a bar of void, and scores."""
    rng = np.random.default_rng(seed)
    k = len(labels.classes)
    fields = np.stack([ndimage.gaussian_filter(rng.normal(size=size), 8) for _ in range(k)])
    truth = fields.argmax(axis=0).astype(labels.dtype)
    image = np.clip(COLORS[truth % 3] + rng.normal(0, 10, (*size, 3)), 0, 255).astype(np.uint8)
    shifted = np.roll(truth, 2, axis=1)
    hot = np.eye(k, dtype=np.float32)[shifted].transpose(2, 0, 1)
    logits = 3 * np.stack([ndimage.gaussian_filter(h, 2) for h in hot]) + rng.normal(0, 0.7, (k, *size))
    probs = np.exp(logits)
    truth[: size[0] // 12] = labels.ignore
    return image, truth, (probs / probs.sum(axis=0)).astype(np.float32)


def datasets(
    root: Path, count: int = 8, size: tuple[int, int] = (60, 72), *, labels: Labels = LABELS, scores: bool = True
) -> tuple[Dataset, Dataset]:
    """Predictions and truth under `root`."""
    pred, truth = [], []
    for number in range(count):
        h, w = size[0] + 3 * (number % 3), size[1]  # of mixed sizes
        image, right, probs = scene(number, (h, w), labels)
        id = f"{'val' if number % 4 else 'test'}/{number:03}"
        (root / "images" / id).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / f"images/{id}.png")
        stored = None
        if scores:
            stored = f"scores/{id}.tif"
            (root / "pred" / stored).parent.mkdir(parents=True, exist_ok=True)
            write_scores(root / "pred" / stored, (h, w), len(labels.classes), [(0, 0, probs)])
        best = probs.argmax(axis=0).astype(labels.dtype)
        best[-2:] = labels.ignore
        truth.append(sample(root / "truth", id, right))
        pred.append(sample(root / "pred", id, best, stored))
    return tuple(saved(root / name, labels, of) for name, of in (("pred", pred), ("truth", truth)))  # type: ignore[return-value]


def sample(root: Path, id: str, mask: Mask, scores: str | None = None) -> Sample:
    """A mask written, and its line."""
    digest = hashlib.sha256(write_mask(root / f"masks/{id}.png", mask)).hexdigest()
    values, counts = (a.tolist() for a in np.unique(mask, return_counts=True))
    return Sample(
        id=id, split=id.split("/")[0], image=f"../images/{id}.png", mask=f"masks/{id}.png", height=mask.shape[0],
        width=mask.shape[1], sha256=digest, counts=dict(zip(values, counts, strict=True)), scores=scores,
    )  # fmt: skip


def saved(root: Path, labels: Labels, samples: Sequence[Sample]) -> Dataset:
    """A dataset of samples that are in place."""
    dataset = Dataset(root, labels, sorted(samples, key=lambda s: s.id), {}, "reference")
    dataset.save()
    return Dataset.open(root)
