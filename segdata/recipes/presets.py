"""The recipes that come with segdata, as a file would hold them: start from one with `segdata augment --show NAME`."""

from __future__ import annotations

from typing import Any

_ZOOM = {"keep_ratio": True, "balanced_scale": True}
"""The same zoom for both axes, as often in as out."""

_FLIP = {"HorizontalFlip": {"p": 0.5}}

_LIGHT = {"RandomBrightnessContrast": {"brightness_limit": 0.2, "contrast_limit": 0.2, "p": 0.5}}

_BLUR_OR_NOISE = {
    "OneOf": {
        "transforms": [
            {"GaussianBlur": {"blur_limit": [3, 5]}},
            {"GaussNoise": {"std_range": [0.02, 0.08]}},
            {"ImageCompression": {"quality_range": [60, 95]}},
        ],
        "p": 0.2,
    }
}

PRESETS: dict[str, dict[str, Any]] = {
    # Preprocessing alone.
    "none": {"normalise": "imagenet"},
    # A mirror and some light: what never does harm if left and right may be swapped.
    "light": {"normalise": "imagenet", "transforms": [_FLIP, _LIGHT]},
    # What most published recipes have: mirror, zoom and a small turn, colours.
    "standard": {
        "normalise": "imagenet",
        "transforms": [
            _FLIP,
            {
                "Affine": {
                    **_ZOOM, "scale": [0.75, 1.5], "rotate": [-10, 10], "translate_percent": [-0.1, 0.1], "p": 0.7,
                }
            },
            {"ColorJitter": {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.05, "p": 0.7}},
        ],
    },
    # For few images and long training.
    "strong": {
        "normalise": "imagenet",
        "transforms": [
            _FLIP,
            {
                "Affine": {
                    **_ZOOM, "scale": [0.5, 2.0], "rotate": [-30, 30], "shear": [-8, 8],
                    "translate_percent": [-0.15, 0.15], "p": 0.8,
                }
            },
            {"ColorJitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "p": 0.8}},
            {"ToGray": {"p": 0.1}},
            _BLUR_OR_NOISE,
            {
                "CoarseDropout": {
                    "num_holes_range": [1, 4], "hole_height_range": [0.05, 0.15], "hole_width_range": [0.05, 0.15], "p": 0.3,
                }
            },
        ],
    },
    # Seen from above nothing is up: all eight symmetries. No transform needs three bands.
    "aerial": {
        "normalise": "dataset",
        "transforms": [
            {"D4": {}},
            {"Affine": {**_ZOOM, "scale": [0.8, 1.25], "rotate": [-45, 45], "p": 0.5}},
            _LIGHT,
            {"RandomGamma": {"gamma_limit": [80, 120], "p": 0.3}},
        ],
    },
    # Seen from a car: mirrored, zoomed, hardly turned; weather and compression.
    "street": {
        "normalise": "imagenet",
        "transforms": [
            _FLIP,
            {"Affine": {**_ZOOM, "scale": [0.75, 2.0], "rotate": [-3, 3], "p": 0.7}},
            {"ColorJitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.05, "p": 0.7}},
            _BLUR_OR_NOISE,
        ],
    },
    # Tissue bends, scanners differ, and colour is often none: any number of bands.
    "medical": {
        "normalise": "dataset",
        "transforms": [
            _FLIP,
            {"Affine": {**_ZOOM, "scale": [0.85, 1.2], "rotate": [-15, 15], "translate_percent": [-0.05, 0.05], "p": 0.6}},
            {"ElasticTransform": {"alpha": 120, "sigma": 12, "approximate": True, "p": 0.3}},
            _LIGHT,
            {"RandomGamma": {"gamma_limit": [70, 140], "p": 0.4}},
            {"GaussNoise": {"std_range": [0.01, 0.05], "p": 0.2}},
        ],
    },
}  # fmt: skip
"""Recipes by name. They leave images their size; `crop` and `resize` are the user's choice."""
