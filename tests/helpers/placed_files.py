"""Scenes that lie on the ground, cut from one large image and its labels, as datasets of GeoTIFFs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from carry_files import make
from segdata import Dataset
from segdata.windows import Window

ORIGIN = (500_000.0, 4_600_000.0)

UTM = "EPSG:32631"


def patches(height: int, width: int, seed: int = 0, values: int = 3) -> NDArray[np.uint8]:
    """Ids in patches of 7 x 7."""
    small = np.random.default_rng(seed).integers(0, values, (height // 7 + 1, width // 7 + 1))
    return np.kron(small, np.ones((7, 7)))[:height, :width].astype(np.uint8)


def write_tiff(
    path: Path, values: NDArray[Any], *, x: float = 0, y: float = 0, pixel: float = 2.0, crs: Any = UTM, **more: Any
) -> None:
    """(h, w, C) or (h, w) as a GeoTIFF whose upper left corner is `x` pixels to the right of the origin, and `y` below it."""
    values = values[:, :, None] if values.ndim == 2 else values
    path.parent.mkdir(parents=True, exist_ok=True)
    place = rasterio.Affine(pixel, 0, ORIGIN[0] + x * pixel, 0, -pixel, ORIGIN[1] - y * pixel)
    height, width, count = values.shape
    size = {"height": height, "width": width, "count": count, "dtype": values.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=place, **size, **more) as file:
        file.write(values.transpose(2, 0, 1))


def scenes(
    root: Path, image: NDArray[Any], mask: NDArray[Any], windows: Mapping[str, Window], *,
    fields: Mapping[str, Mapping[str, Any]] | None = None, **more: Any,
) -> Dataset:  # fmt: skip
    """A dataset of these windows of one image (H, W, C) and its mask (H, W), by id, each where it lies."""
    names = {id: {"image": f"images/{id}.tif", **(fields or {}).get(id, {})} for id in windows}
    dataset = make(root, {id: mask[w.slices] for id, w in windows.items()}, images="copy", fields=names)
    for id, window in windows.items():
        write_tiff(root / f"images/{id}.tif", image[window.slices], x=window.x, y=window.y, **more)
    return dataset
