"""Every transform that a recipe may name, with arguments that make it do something to an image of 96 x 100 pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

ARGUMENTS: dict[str, dict[str, Any]] = {
    "Affine": {"rotate": [-40, 40], "translate_percent": 0.2, "shear": 9, "scale": [0.6, 0.9]},
    "CenterCrop": {"height": 120, "width": 40, "pad_if_needed": True},
    "ConstrainedCoarseDropout": {
        "mask_indices": [1, 2],
        "hole_height_range": [0.3, 0.6],
        "hole_width_range": [0.3, 0.6],
    },
    "Crop": {"x_min": 2, "y_min": 3, "x_max": 40, "y_max": 130, "pad_if_needed": True},
    "CropAndPad": {"px": [5, 16]},
    "CropNonEmptyMaskIfExists": {"height": 30, "width": 30},
    "ElasticTransform": {"alpha": 400, "sigma": 8},
    "FrequencyMasking": {"freq_mask_param": 40},
    "GridDistortion": {"normalized": False},
    "GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 14},
    "LongestMaxSize": {"max_size": 50},
    "OpticalDistortion": {"distort_limit": [0.5, 0.9]},
    "Pad": {"padding": 7},
    "PadIfNeeded": {"min_height": 120, "min_width": 120},
    "Perspective": {"scale": [0.1, 0.2], "fit_output": True},
    "RandomCrop": {"height": 120, "width": 50, "pad_if_needed": True},
    "RandomResizedCrop": {"size": [48, 48]},
    "RandomSizedCrop": {"min_max_height": [30, 60], "size": [48, 48]},
    "Resize": {"height": 48, "width": 80},
    "SmallestMaxSize": {"max_size": 50},
    "TimeMasking": {"time_mask_param": 40},
    "XYMasking": {"num_masks_x": 2, "num_masks_y": 2, "mask_x_length": 10, "mask_y_length": 10},
}

GROUP = [{"Affine": {"rotate": [-30, 30], "p": 1.0}}, {"HorizontalFlip": {"p": 1.0}}]


def arguments(name: str, **more: Any) -> dict[str, Any]:
    """Arguments that always apply a transform."""
    from segdata.recipes.transform_tables import GROUPS

    return {**ARGUMENTS.get(name, {}), **({"transforms": GROUP} if name in GROUPS else {}), "p": 1.0, **more}


def make_image(bands: int = 3, dtype: Any = np.uint8, size: tuple[int, int] = (96, 100), seed: int = 0) -> Any:
    """(H, W, bands) of smooth colours and noise, none of them 0; float32 within 0..1."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.add.outer(np.arange(size[0]) / 9, np.arange(size[1]) / 13))[:, :, None]
    unit = 0.5 + 0.3 * waves * np.linspace(0.5, 1, bands) + 0.1 * rng.random((*size, bands))
    return unit.astype(np.float32) if dtype == np.float32 else (unit * np.iinfo(dtype).max).astype(dtype)


def mask(values: list[int], dtype: Any = np.uint8, size: tuple[int, int] = (96, 100), seed: int = 0) -> Any:
    """(H, W): blocks of 8 x 8 pixels, each of one of the values."""
    rng = np.random.default_rng(seed)
    blocks = rng.choice(values, (-(-size[0] // 8), -(-size[1] // 8))).astype(dtype)
    return blocks.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]].copy()
