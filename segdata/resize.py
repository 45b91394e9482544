"""The one resampler: images, masks and scores to another size, and padding."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Mask

Pixels = NDArray[np.integer[Any] | np.floating[Any]]
"""(H, W, C) uint8, uint16 or float32."""


def resize_image(image: Pixels, size: tuple[int, int]) -> Pixels:
    """(H, W, C) -> (h, w, C), dtype kept: the mean of the area a pixel covers where it shrinks, else linear."""
    import cv2

    if image.shape[:2] == size:
        return image
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size[::-1], interpolation=how)).reshape(*size, image.shape[2])


def resize_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """(H, W) -> (h, w): the value at each pixel's centre, so that it lies under `resize_image`'s pixels."""
    import cv2

    if mask.shape == size:
        return mask
    return np.asarray(cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))


def resize_scores(scores: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(K, H, W) -> (K, h, w) float32, linear in each class: probabilities that sum to 1 still do."""
    import cv2

    if scores.shape[1:] == size:
        return scores
    out = np.empty((len(scores), *size), np.float32)
    for plane, made in zip(scores, out, strict=True):
        cv2.resize(plane, size[::-1], dst=made, interpolation=cv2.INTER_LINEAR)
    return out


Pad = Literal["zero", "reflect"]
"""What stands at the bottom and right of an image smaller than its tile: 0, or the image mirrored. Masks get ignore."""


# Cutting, padding, scaling


def pad(array: NDArray[Any], size: tuple[int, int], value: int | Literal["reflect"]) -> NDArray[Any]:
    """(h, w, ...) grown at the bottom and right to `size`, with a value, or mirrored about its last row and column."""
    h, w = array.shape[:2]
    if (h, w) == size:
        return array
    if value == "reflect":
        around = ((0, size[0] - h), (0, size[1] - w), *[(0, 0)] * (array.ndim - 2))
        return np.pad(array, around, mode="reflect")
    out = np.full((*size, *array.shape[2:]), value, array.dtype)
    out[:h, :w] = array
    return out


def scale_image(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(h, w, C) resampled to `size`, any dtype: by area where it shrinks, bilinear where it grows."""
    import cv2

    if image.shape[:2] == size:
        return image
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    if image.dtype not in (np.uint8, np.uint16, np.int16, np.float32, np.float64):  # what OpenCV resamples
        whole = scale_image(image.astype(np.float64), size)
        return whole.astype(image.dtype) if image.dtype.kind == "f" else whole.round().astype(image.dtype)
    out = np.empty((*size, image.shape[2]), image.dtype)
    for first in range(0, image.shape[2], 4):  # OpenCV takes four bands at a time
        part = np.ascontiguousarray(image[:, :, first : first + 4])
        out[:, :, first : first + 4] = cv2.resize(part, size[::-1], interpolation=how).reshape(*size, -1)
    return out


def scale_mask(mask: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(h, w) resampled to `size`: each pixel gets the value under its middle, none is ever mixed."""
    if mask.shape == size:
        return mask
    rows, columns = (
        ((np.arange(new) + 0.5) * (old / new)).astype(np.int64).clip(0, old - 1)
        for new, old in zip(size, mask.shape, strict=True)
    )
    return np.ascontiguousarray(mask[rows][:, columns])
