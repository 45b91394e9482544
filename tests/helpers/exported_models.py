"""Checkpoints with random weights, and datasets to compare exported models on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from carry_files import make
from segdata.dataset.dataset import Dataset


def checkpoint_of(
    path: Path, model: str = "unet", encoder: str | None = None, *, classes: int = 3, head: str = "softmax", bands: int = 3,
    temperature: float = 1.0, recipe: str = "light", **options: Any,
) -> Path:  # fmt: skip
    """A checkpoint whose weights are random, always the same, and whose classifier has a say: no class is everywhere."""
    import torch

    from segdata.labels import Labels
    from segdata.nn import checkpoint, models
    from segdata.nn.options import Training
    from segdata.recipes.recipe import Recipe

    torch.manual_seed(0)
    net = models.build(model, encoder=encoder, bands=bands, classes=classes, head=head, **options)
    for name, value in net.named_parameters():
        if not value.any() and value.ndim == 4:  # skips that begin with zeros
            torch.nn.init.normal_(value, std=0.1)
        if name.endswith("bias") and value.ndim == 1:
            torch.nn.init.normal_(value, std=0.1)
    chosen = Training.of({"model": model, "encoder": encoder, "head": head, "model_options": options})
    made = checkpoint.of(
        chosen, net.state_dict(), labels=Labels.of([f"c{i}" for i in range(classes)]), bands=bands,
        recipe=Recipe.read(recipe).to_dict(), dataset="0" * 64,
    )  # fmt: skip
    checkpoint.write(path, {**made, "temperature": temperature})
    return path


def images_for(root: Path, classes: int = 3, count: int = 4, split: str = "val") -> Dataset:
    """A dataset of images of several sizes, each with a mask of noise, under the classes of `checkpoint_of`."""
    rng = np.random.default_rng(0)
    sizes = [(40 + 9 * i, 61 - 7 * i) for i in range(count)]
    masks = {f"{split}/{i}": rng.integers(0, classes, size).astype(np.uint8) for i, size in enumerate(sizes)}
    return make(root, masks, names=[f"c{i}" for i in range(classes)], images="reference")
