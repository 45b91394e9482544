"""An export as GeoJSON as geopandas reads it, in its own environment (geopandas, rasterio), and the masks.

    build/bench/geopandas/bin/python tools/bench/oracle_export_geojson.py DATASET EXPORT

Images on the ground have their features brought back to their pixels by geopandas. Each feature must be valid, none may overlap
another, and drawn by rasterio they give the mask in DATASET, ignored pixels where there are none. It ends with code 1 if a
pixel differs.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import geopandas  # type: ignore[import-not-found, import-untyped, unused-ignore]
import numpy as np
import rasterio
from PIL import Image
from rasterio.features import rasterize


def check_image(path: Path, image: Path | None, truth: np.ndarray, ignore: int) -> Counter[str]:
    """Count the pixels of an image that differ."""
    frame = geopandas.read_file(path)
    place = rasterio.Affine.identity()
    if image is not None:
        with rasterio.open(image) as file:
            frame, place = (frame, place) if file.crs is None else (frame.to_crs(file.crs), file.transform)
    found = Counter[str](images=1, pixels=truth.size, features=len(frame))
    found["not valid"] += int((~frame.geometry.is_valid).sum())
    drawn = np.full(truth.shape, ignore, np.int32)
    if len(frame):
        shapes = list(zip(frame.geometry, frame["class_id"], strict=True))
        drawn = rasterize(shapes, truth.shape, fill=ignore, transform=place, dtype="int32")
        times = sum(rasterize([(one, 1)], truth.shape, transform=place, dtype="int32") for one, _ in shapes[:200])
        found["pixels in several"] += int((times > 1).sum())
    found["pixels that differ"] += int((drawn != truth).sum())
    return found


def main(dataset: Path, export: Path) -> int:
    """Compare all images."""
    ignore = json.loads((dataset / "dataset.json").read_text("utf-8"))["ignore"]
    images = {
        str(path.relative_to(export / "images").with_suffix("")): path for path in (export / "images").rglob("*.*")
    }
    found = Counter[str]()
    for line in (dataset / "manifest.jsonl").read_text("utf-8").splitlines():
        sample = json.loads(line)
        truth = np.array(Image.open(dataset / sample["mask"]))
        path = export / f"vectors/{sample['id']}.geojson"
        found += check_image(path, images.get(sample["id"]), truth, ignore)
    versions = {name: version(name) for name in ("geopandas", "rasterio", "shapely")}
    differ = sum(found[what] for what in ("not valid", "pixels in several", "pixels that differ"))
    print(json.dumps({**versions, **found, "differ": differ}))
    return int(differ > 0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
