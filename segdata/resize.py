"""The one resampler: images, masks and scores brought to another size, and padding.

Pixel i of `new` along an axis has its centre at (i + 1/2) * old / new of the `old` pixels: all three kinds use these centres, so
that a mask lies under its image, and scores lie over both.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.integer[Any] | np.floating[Any]]
"""(H, W, C) uint8, uint16 or float32."""

Pad = Literal["zero", "reflect"]
"""What stands at the bottom and right of an image smaller than its tile: 0, or the image mirrored. Masks get ignore."""

DIRECT = (np.uint8, np.uint16, np.int16, np.float32, np.float64)
"""The dtypes that OpenCV resamples."""


def resize_image(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(H, W, C) -> (h, w, C), any dtype, any number of bands: the mean of the area that a pixel covers if it shrinks.

    Otherwise linear. The dtype stays; integers are rounded. The image itself comes back if it has that size.
    """
    import cv2

    if image.shape[:2] == size:
        return image
    if image.dtype not in DIRECT:
        whole = resize_image(image.astype(np.float64), size)
        return whole.astype(image.dtype) if image.dtype.kind == "f" else whole.round().astype(image.dtype)
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    out = np.empty((*size, image.shape[2]), image.dtype)
    for first in range(0, image.shape[2], 4):  # OpenCV takes four bands at a time
        part = np.ascontiguousarray(image[:, :, first : first + 4])
        out[:, :, first : first + 4] = cv2.resize(part, size[::-1], interpolation=how).reshape(*size, -1)
    return out


def resize_known(image: NDArray[Any], size: tuple[int, int], nodata: float | None) -> NDArray[Any]:
    """`resize_image` of the values that are not `nodata` alone, which is where the pixel under the centre is (`centres`).

    Of whole numbers a pixel counts if any of its bands has another value, of floats each value by itself.
    """
    if nodata is None or image.shape[:2] == size:
        return resize_image(image, size)
    known = ~np.isnan(image) if np.isnan(nodata) else image != nodata
    if image.dtype.kind != "f":
        known = np.broadcast_to(known.any(axis=2, keepdims=True), image.shape)
    if known.all():
        return resize_image(image, size)
    total = resize_image(np.where(known, image, 0).astype(np.float64), size)
    mean = total / np.maximum(resize_image(known.astype(np.float64), size), 1e-9)
    out = mean if image.dtype.kind == "f" else mean.round()
    return np.where(resize_mask(known, size), out, nodata).astype(image.dtype)


def resize_mask(mask: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(H, W) -> (h, w) of any dtype: each pixel gets the value under its centre, as `centres` has it; none is mixed.

    Further axes stay, so that colours may be enlarged like this too. The mask itself comes back if it has that size.
    """
    if mask.shape[:2] == size:
        return mask
    rows, columns = centres(mask.shape[0], size[0]), centres(mask.shape[1], size[1])
    if size[0] > mask.shape[0]:  # copying rows is the cheaper part: of the large array
        return mask.take(columns, axis=1).take(rows, axis=0)
    return mask.take(rows, axis=0).take(columns, axis=1)


def centres(old: int, new: int) -> NDArray[np.int64]:
    """(new,) int64: which of `old` pixels lies under the centre of each of `new`, the later one if a centre is between two.

    That is floor((2 i + 1) old / (2 new)), in whole numbers. OpenCV's INTER_NEAREST_EXACT and Pillow's NEAREST take the same
    pixels, except that between two they sometimes take the earlier one. OpenCV's INTER_NEAREST takes the pixel under the
    corner, floor(i old / new), so that a mask lies up to half a pixel away from its image.
    """
    return (2 * np.arange(new, dtype=np.int64) + 1) * old // (2 * new)


def resize_scores(scores: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(K, H, W) -> (K, h, w) float32, linear in each class: probabilities that sum to 1 still do."""
    import cv2

    if scores.shape[1:] == size:
        return scores
    out = np.empty((len(scores), *size), np.float32)
    for plane, made in zip(scores, out, strict=True):
        cv2.resize(np.ascontiguousarray(plane), size[::-1], dst=made, interpolation=cv2.INTER_LINEAR)
    return out


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
