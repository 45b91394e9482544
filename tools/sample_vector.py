"""Fields seen from above: GeoTIFFs, and polygons with a class in the same coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from sample_canvas import Pixels

Json = dict[str, Any]

HEIGHT, WIDTH, METRES = 72, 96, 0.5
WEST, NORTH = 690000.0, 5334000.0
UTM_32N = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632)
"""GeoTIFF's keys for EPSG:32632: a projected system, pixels are areas, the system's number."""
COLOURS = {"roof": (178, 84, 66), "water": (66, 104, 150), "trees": (62, 108, 54)}


def field(seed: int) -> tuple[Pixels, list[Json]]:
    """(H, W, 3) uint8, and polygons as GeoJSON features, the later ones above the earlier, in UTM metres."""
    rng = np.random.default_rng(seed)
    pixels = np.array([136, 142, 96]) + rng.normal(0, 5, (HEIGHT, WIDTH, 1)).repeat(3, axis=2)
    features: list[Json] = []
    for name in rng.choice(list(COLOURS), 6):
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 9))))
        middle, reach = rng.uniform((8, 8), (WIDTH - 8, HEIGHT - 8)), rng.uniform(8, 18)
        points = (middle + reach * np.stack([np.cos(angles), np.sin(angles)], 1)).round(2)
        inside = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.fillPoly(inside, [points.round().astype(np.int32)], 1)
        pixels[inside > 0] = COLOURS[name] + rng.normal(0, 5, (int(inside.sum()), 1))
        ring = [[WEST + x * METRES, NORTH - y * METRES] for x, y in [*points.tolist(), points[0].tolist()]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {"class": str(name)}, "geometry": geometry})
    return pixels.clip(0, 255).astype(np.uint8), features


def collection(features: list[Json]) -> Json:
    """Features with the name of their coordinate system, as programs wrote it before RFC 7946."""
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    return {"type": "FeatureCollection", "crs": crs, "features": features}


def write_geotiff(path: Path, pixels: Pixels) -> None:
    """An RGB GeoTIFF in UTM zone 32 north."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = ImageFileDirectory_v2()
    for number, kind, values in (
        (33550, 12, (METRES, METRES, 0.0)),
        (33922, 12, (0.0, 0.0, 0.0, WEST, NORTH, 0.0)),
        (34735, 3, UTM_32N),
    ):
        tags.tagtype[number] = kind
        tags[number] = values
    Image.fromarray(pixels).save(path, compression="tiff_adobe_deflate", tiffinfo=tags)
