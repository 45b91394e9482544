"""The cost of burning polygons: memory with a large image of many classes, time with many images of one large file.

    python tools/bench/bench_vector.py [large | survey | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Inputs are drawn, polygons of 4 to 11 corners.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.warp import transform

from measure import QUICK, Sizes, say, workspace
from results import Target, measure_tables, table
from segdata.files.geo import Geo
from segdata.files.tiff import encode_tiff

CRS = rasterio.crs.CRS.from_epsg(32632)
EAST, NORTH, PIXEL = 500_000.0, 5_334_000.0, 0.5
CLASSES, SCENE_CLASSES, SCENE = 20, 5, 256
MIB = 1024
TELL = """
import os, runpy, sys
try:
    runpy.run_module("segdata", run_name="__main__", alter_sys=True)
finally:
    print(sum(os.times()[:2]), [line for line in open("/proc/self/status") if line.startswith("VmHWM")], file=sys.stderr)
"""


def spent_by(*arguments: str | Path) -> tuple[float, float, float]:
    """Seconds, processor seconds and VmHWM (proc(5)) in MiB of one `segdata` process, both of it without its workers."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", TELL, *map(str, arguments)], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    told = re.search(r"([\d.]+) \['VmHWM:\\t\s*(\d+)", done.stderr)
    if done.returncode or told is None:
        sys.exit(done.stderr)
    return seconds, float(told[1]), int(told[2]) / MIB


# Inputs


def draw_polygons(rng: np.random.Generator, count: int, height: float, width: float, reach: float) -> list[Any]:
    """(N, 2) x, y in metres each, of polygons about points of an area of so many metres."""
    found = []
    for x, y in rng.uniform([0, 0], [width, height], (count, 2)):
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 12)))
        points = rng.uniform(reach / 10, reach) * np.stack([np.cos(angles), np.sin(angles)], 1) + [EAST + x, NORTH - y]
        found.append(np.concatenate([points, points[:1]]))
    return found


def write_polygons(path: Path, rings: list[NDArray[np.float64]], classes: NDArray[Any], crs: str) -> None:
    """A GeoJSON file of them."""
    features = [
        {
            "type": "Feature",
            "properties": {"class": f"c{c:02d}"},
            "geometry": {"type": "Polygon", "coordinates": [r.tolist()]},
        }
        for r, c in zip(rings, classes.tolist(), strict=True)
    ]
    named = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": named, "features": features}))


def write_large(root: Path, side: int, count: int) -> None:
    """An image without pixels, and polygons over it in its own coordinate system."""
    (root / "images").mkdir(parents=True)
    place = rasterio.Affine(PIXEL, 0, EAST, 0, -PIXEL, NORTH)
    options: dict[str, Any] = {"driver": "GTiff", "tiled": True, "compress": "deflate", "sparse_ok": True}
    size = {"width": side, "height": side, "count": 1, "dtype": "uint8"}
    with rasterio.open(root / "images/a.tif", "w", crs=CRS, transform=place, **size, **options):
        pass
    rng = np.random.default_rng(0)
    rings = draw_polygons(rng, count, side * PIXEL, side * PIXEL, 60)
    write_polygons(root / "all.geojson", rings, rng.integers(CLASSES, size=count), "EPSG:32632")


def write_survey(root: Path, scenes: int, count: int) -> None:
    """Scenes beside each other, and polygons over all of them in longitude and latitude."""
    (root / "images").mkdir(parents=True)
    columns, metres, pixels = int(scenes**0.5) + 1, SCENE * PIXEL, np.zeros((SCENE, SCENE, 3), np.uint8)
    for i in range(scenes):
        row, column = divmod(i, columns)
        geo = Geo(CRS.to_wkt(), (PIXEL, 0, EAST + column * metres, 0, -PIXEL, NORTH - row * metres))
        (root / f"images/{i:04d}.tif").write_bytes(encode_tiff(pixels, tags=geo.tags()))
    rng = np.random.default_rng(0)
    rings = draw_polygons(rng, count, metres * scenes / columns, metres * columns, 15)
    points = np.stack(transform(CRS, "OGC:CRS84", *np.concatenate(rings).T), 1)
    degrees = np.split(points, np.cumsum([len(ring) for ring in rings])[:-1])
    write_polygons(root / "all.geojson", degrees, rng.integers(SCENE_CLASSES, size=count), "OGC:CRS84")


# Tables


def large(sizes: Sizes) -> list[str]:
    """Processor seconds and memory of one image."""
    rows, worst = [], 0.0
    with workspace(need=1) as work:
        for side, count in ((1000, 100), (2000, 300)) if sizes == QUICK else ((4000, 1500), (12_000, 5000)):
            write_large(work / "s", side, count)
            _, seconds, peak = spent_by("convert", "vector", work / "s/all.geojson", work / "d")
            rows.append([f"{side:,} x {side:,}", f"{count:,}", f"{seconds:.1f}", f"{peak:.0f}"])
            worst = max(worst, peak)
            shutil.rmtree(work / "s")
            shutil.rmtree(work / "d")
    return [
        f"`segdata convert vector`, {CLASSES} classes that overlap, one process. VmHWM is the most memory that it ever held; "
        "a process that only loads what is needed holds 230 MiB.",
        "",
        *table("image | polygons | processor seconds | VmHWM, MiB", rows),
        "",
        str(Target("the most memory", worst, 500, at_most=True, unit=" MiB")),
    ]


def survey(sizes: Sizes) -> list[str]:
    """Seconds and memory of many images that share one file."""
    rows, whole = [], 0.0
    scenes, count = (50, 2500) if sizes == QUICK else (1000, 50_000)
    with workspace(need=1) as work:
        write_survey(work / "s", scenes, count)
        for jobs in (1, 2):
            say(f"  -j {jobs}")
            given = ("convert", "vector", work / "s", work / "d", "--vectors", work / "s/all.geojson", "-j", str(jobs))
            seconds, own, peak = spent_by(*given)
            rows.append([f"-j {jobs}", f"{seconds:.1f}", f"{own:.1f}", f"{peak:.0f}"])
            whole = whole or own
            shutil.rmtree(work / "d")
    return [
        f"`segdata convert vector --vectors all.geojson`: {scenes:,} GeoTIFFs of {SCENE} x {SCENE} in UTM, {count:,} polygons "
        f"of {SCENE_CLASSES} classes in longitude and latitude. Processor seconds and memory are those of the "
        "first process, which reads and projects, without its workers.",
        "",
        *table(" | seconds | processor seconds | VmHWM, MiB", rows),
        "",
        str(Target("all in one process, of a processor", whole, 60, at_most=True, unit=" s")),
    ]


TABLES = {
    "large": ("Burning polygons: memory", large),
    "survey": ("Burning polygons: many images, one file", survey),
}
"""By name, the title of a table, and the function that measures it and returns its lines."""


if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
