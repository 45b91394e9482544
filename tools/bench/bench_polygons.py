"""What polygons of masks cost, and the memory of predicting a large PNG or JPEG and of making its mask a COG.

    python tools/bench/bench_polygons.py [time | memory | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md.
"""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from measure import GIB, Sizes, race, say, workspace
from results import Target, measure_tables, of_side, table
from segdata.files.crs import parse_crs
from segdata.files.gdal import load_rasterio
from segdata.files.geo import Geo
from segdata.files.vectors.geojson import LONLAT
from segdata.files.vectors.polygon_files import write_polygons
from segdata.files.vectors.polygons import Polygons
from segdata.labels import Labels

LABELS = Labels.of(["background", "a", "b", "c"])
UTM = Geo(str(load_rasterio().crs.CRS.from_epsg(32631).to_wkt()), (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0))
WAYS = {
    "GeoJSON": Polygons(),
    "GeoJSON, `--min-area 20 --min-hole 20`": Polygons(min_area=20, min_hole=20),
    "GeoJSON, `--simplify 1.5`": Polygons(simplify=1.5),
    "QuPath": Polygons(vector_format="qupath"),
    "GeoPackage": Polygons(vector_format="gpkg"),
}
SIDE, TALL = 1_000, 9_000

CODE = """
import pathlib, re, sys
import numpy as np
import segdata
class Grey:
    labels = segdata.Labels.of(["background", "a", "b"])
    def __call__(self, images):
        return np.eye(3, dtype=np.float32)[images[..., 0] % 3].transpose(0, 3, 1, 2)
segdata.predict(Grey(), sys.argv[1], sys.argv[2], images="none", cog="cog" in sys.argv[3:], vectorize="polygons" in sys.argv[3:])
print(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
"""
"""Predicts an image, and prints the most memory that the process had, in KiB."""


def seconds(sizes: Sizes, side: int) -> list[str]:
    """Seconds of the processor for each polygon of a mask of small regions."""
    mask = regions(side)
    counts: dict[str, int] = {}
    with workspace(1) as work:
        ways = {name: partial(_cpu, work, mask, how, counts, name) for name, how in WAYS.items()}
        times = race({**ways, "GeoJSON, one by one": partial(_one_by_one, mask, counts)}, sizes.rounds)
    rows = [[name, f"{counts[name]:,}", times[name].show(counts[name] / 1e3, 3)] for name in times]
    worst = max(times[name].median / counts[name] for name in WAYS if "area" not in name)
    return [
        f"A mask of {side:,} x {side:,} pixels in UTM, {counts['GeoJSON']:,} regions of some 16 pixels and more, traced and "
        "written by `write_polygons`; milliseconds of the processor, not of the clock, for each polygon that is written. One by "
        "one: each of 200 polygons is projected by a call of its own, and its coordinate system is parsed anew.",
        "",
        *table("what | polygons | ms a polygon", rows),
        "",
        str(Target("the slowest format", 1e3 * worst, 0.1, at_most=True, unit=" ms a polygon")),
    ]


def _cpu(work: Path, mask: NDArray[Any], how: Polygons, counts: dict[str, int], name: str) -> float:
    start = time.process_time()
    counts[name] = write_polygons(work, "x", mask, LABELS, UTM, how).polygons
    return time.process_time() - start


def _one_by_one(mask: NDArray[Any], counts: dict[str, int]) -> float:
    from rasterio.features import shapes
    from rasterio.warp import transform_geom

    rasterio = load_rasterio()
    found = [g for g, _ in shapes(mask[:100, :100], connectivity=4, transform=rasterio.Affine(*UTM.transform))][:200]
    counts["GeoJSON, one by one"] = len(found)
    start = time.process_time()
    for geometry in found:
        transform_geom(rasterio.crs.CRS.from_wkt(UTM.crs), parse_crs(LONLAT), geometry)
    return time.process_time() - start


def regions(side: int) -> NDArray[np.uint8]:
    """(side, side): squares of 4 x 4 pixels of four classes."""
    small = np.random.default_rng(0).integers(0, 4, (side // 4, side // 4)).astype(np.uint8)
    return small.repeat(4, axis=0).repeat(4, axis=1)


def memory(_: Sizes, side: int) -> list[str]:
    """The peak memory of whole processes that predict an image by its path."""
    rows: list[list[str]] = []
    peaks: dict[str, float] = {}
    with workspace(3) as work:
        smooth = np.add.outer(np.arange(side) // 512, np.arange(side) // 512).astype(np.uint8) * 7
        for ending in ("png", "jpg"):
            Image.fromarray(smooth[:, :, None].repeat(3, axis=2)).save(work / f"scene.{ending}", compress_level=1)
            for more in ([], ["cog", "polygons"]):
                name = ending.upper() + (", mask as a COG, polygons" if more else "")
                command = [
                    sys.executable,
                    "-c",
                    CODE,
                    str(work / f"scene.{ending}"),
                    str(work / f"out{len(rows)}"),
                    *more,
                ]
                start = time.perf_counter()
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                peaks[name] = int(done.stdout.split()[-1]) * 1024 / GIB
                say(f"  {name}: {peaks[name]:.2f} GiB")
                rows.append([name, f"{time.perf_counter() - start:.0f}", f"{peaks[name]:.2f}"])
    return [
        f"`segdata.predict` of an image of {side:,} x {side:,} pixels by its path, in windows of 512 x 512, with a model of no "
        "size, in a process of its own; the most memory that it had (VmHWM).",
        "",
        *table("image | seconds | VmHWM, GiB", rows),
        "",
        str(Target("the most", max(peaks.values()), 1, at_most=True, unit=" GiB")),
    ]


TABLES = {
    "time": ("Polygons of masks", of_side(seconds, SIDE, SIDE // 8)),
    "memory": ("Memory of predicting a large PNG or JPEG", of_side(memory, TALL, TALL // 4)),
}

if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
