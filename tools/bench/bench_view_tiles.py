"""How soon `segdata view` shows large images: by overviews, by a pyramid that is built once, and a photograph beside them.

    python tools/bench/bench_view_tiles.py [large | small | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Each image is opened by a fresh process with an
empty cache, which asks the viewer's application as its page does. The large files lie in the page cache.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from measure import HERE, QUICK, Sizes, say, workspace
from results import Target, measure_tables, of_side, table
from segdata import Dataset, Labels
from segdata.dataset.sample import Sample
from segdata.files.cog import make_cog
from segdata.files.png import MaskWriter
from segdata.files.tiff import TiffWriter
from segdata.ops.view.app import make_app
from segdata.ops.view.session import Session

LABELS = Labels.of([f"class {i}" for i in range(8)])
NEEDED = 1024
"""Rows that are made at once."""


def strips(side: int, bands: int) -> Any:
    """From the top, (rows, side, bands) uint8: soft shapes with grain, as an aerial image has them; a mask has no grain."""
    rng = np.random.default_rng(0)
    soft = Image.fromarray(rng.integers(30, 220, (60, 60, 3)).astype(np.uint8)).resize((side // 4, side // 4))
    grain = rng.integers(-12, 12, (NEEDED, side, 1))
    for y in range(0, side, NEEDED):
        h = min(NEEDED, side - y)
        part = np.asarray(soft.crop((0, y // 4, side // 4, -(-(y + h) // 4)))).repeat(4, axis=0).repeat(4, axis=1)[:h]
        part = np.pad(part, ((0, h - len(part)), (0, side - part.shape[1]), (0, 0)), "edge")
        yield y, part[:, :, :1] // 32 if bands == 1 else (part + grain[:h]).clip(0, 255).astype(np.uint8)


def geotiff(path: Path, side: int, **profile: Any) -> None:
    """An image written by GDAL, as others write them."""
    import rasterio
    from rasterio.windows import Window

    warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)

    shape = {"height": side, "width": side, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **profile) as file:
        for y, part in strips(side, 3):
            file.write(part.transpose(2, 0, 1), window=Window(0, y, *part.shape[1::-1]))


def overviews(path: Path, levels: int) -> None:
    """Smaller copies, in the file."""
    import rasterio
    from rasterio.enums import Resampling

    with rasterio.open(path, "r+") as file:
        file.build_overviews([2**i for i in range(1, levels)], Resampling.average)


def mask(path: Path, side: int) -> None:
    """As segdata writes it: a PNG, or a Cloud Optimized GeoTIFF."""
    if path.suffix == ".png":
        with MaskWriter(path, side, side, np.uint8) as file:
            for _, part in strips(side, 1):
                file.write(part[:, :, 0])
        return
    with TiffWriter(path, side, side, 1, np.uint8) as tiff:
        for y, part in strips(side, 1):
            tiff.write(y, 0, part.transpose(2, 0, 1))
    make_cog(path, LABELS)


def dataset(root: Path, image: str, shown: str, size: tuple[int, int]) -> Path:
    """A dataset of one sample."""
    height, width = size
    sample = Sample(id="a", image=f"images/{image}", mask=f"masks/{shown}", height=height, width=width,
                    counts={0: height * width}, sha256="")  # fmt: skip
    Dataset(root, LABELS, [sample], {"tool": "bench"}, "copy").save()
    return root


def asked(root: Path) -> dict[str, float]:
    """What a page waits for, of the first image of a dataset: run in a process of its own."""
    session = Session.open(root, (), writable=False)
    app = make_app(session, None)

    async def get(path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get(path)

    async def waited() -> dict[str, float]:
        start, before = time.perf_counter(), time.process_time()
        grid = (await get("/api/levels/0")).json()
        last = len(grid["levels"]) - 1
        tiles = [f"/api/tile/0?of={of}&level={last}" for of in ("image", "truth")]
        assert all(one.status_code == 200 for one in await asyncio.gather(*map(get, tiles)))
        first = built = time.perf_counter() - start
        while (await get("/api/levels/0")).json()["building"] is not None:
            await asyncio.sleep(0.05)
            built = time.perf_counter() - start
        processor = time.process_time() - before
        seconds = []
        for number in np.random.default_rng(0).integers(0, 10**9, (40, 3)).tolist():
            level = number[0] % (last + 1)
            down, across = (-(-grid["levels"][level][side] // 512) for side in ("height", "width"))
            question = f"level={level}&y={number[1] % down}&x={number[2] % across}"
            start = time.perf_counter()
            answers = [await get(f"/api/tile/0?of={of}&{question}") for of in ("image", "truth")]
            seconds.append(time.perf_counter() - start)
            assert all(one.status_code == 200 for one in answers), answers
        start = time.perf_counter()
        await get("/api/image/0?size=256")
        small = time.perf_counter() - start
        return {
            "first": first,
            "built": built,
            "tile": float(np.median(seconds)),
            "most": max(seconds),
            "small": small,
            "processor": processor,
        }

    found = asyncio.run(waited())
    session.close()
    peak = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return {**found, "peak": int(peak[1]) / 1024 if peak else float("nan")}


def fresh(root: Path, work: Path) -> dict[str, float]:
    """`asked` by a new process; a cache that is there already is used."""
    command = [sys.executable, str(HERE / "bench_view_tiles.py"), "--asked", str(root)]
    env = {**os.environ, "XDG_CACHE_HOME": str(work / "cache"), "GDAL_CACHEMAX": "64"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def row(name: str, found: dict[str, float], built: bool) -> list[str]:
    """A line of the table."""
    times = [f"{found['first']:.2f}", f"{found['built']:.1f}" if built else "", f"{found['processor']:.1f}"]
    return [name, *times, f"{1000 * found['tile']:.0f}", f"{1000 * found['most']:.0f}", f"{found['peak']:.0f}"]


HEAD = "files | first tiles, s | pyramids built, s | processor until then, s | a tile and its mask, ms | slowest, ms | peak, MiB"


def large(sizes: Sizes, side: int) -> list[str]:
    """With overviews, without, and from the cache."""
    levels = int(np.ceil(np.log2(side / 512))) + 1
    jpeg = {"compress": "JPEG", "photometric": "YCBCR", "interleave": "pixel"}
    blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, **jpeg}
    rows = []
    with workspace(need=8) as work:
        root = work / "data"
        (root / "images").mkdir(parents=True)
        (root / "masks").mkdir()
        say("  making files")
        geotiff(root / "images/tiled.tif", side, **blocks)
        geotiff(root / "images/strips.tif", side, compress="LZW", predictor=2, interleave="pixel", BIGTIFF="YES")
        mask(root / "masks/a.png", side)
        mask(root / "masks/a.tif", side)
        for name, image, shown in (
            ("GeoTIFF in tiles; mask a PNG", "tiled.tif", "a.png"),
            ("GeoTIFF in strips; mask a PNG", "strips.tif", "a.png"),
        ):
            dataset(root, image, shown, (side, side))
            rows.append(row(name, fresh(root, work), True))
            say(f"  {rows[-1]}")
            rows.append(row("the same, from the cache", fresh(root, work), False))
            say(f"  {rows[-1]}")
        size = sum(path.stat().st_size for path in (work / "cache").rglob("*") if path.is_file())
        overviews(root / "images/tiled.tif", levels)
        dataset(root, "tiled.tif", "a.tif", (side, side))
        with_copies = fresh(root, work)
        rows.insert(0, row("GeoTIFF with overviews; mask a COG", with_copies, False))
    target = Target(
        f"{side:,} x {side:,} with overviews: first tiles", with_copies["first"], 1, at_most=True, unit=" s"
    )
    return [
        f"{side:,} x {side:,} pixels, RGB of 8 bits; the pyramids of both images and of the mask take {size / 2**20:,.0f} MiB.",
        "",
        *table(HEAD, rows),
        "",
        str(target),
    ]


def small(sizes: Sizes) -> list[str]:
    """A photograph, and a grid of sixty."""
    count = 12 if sizes == QUICK else 60
    height, width = 3024, 4032
    with workspace(need=1) as work:
        root = work / "data"
        (root / "images").mkdir(parents=True)
        (root / "masks").mkdir()
        values = np.concatenate([part for _, part in strips(width, 3)])[:height]
        Image.fromarray(values).save(root / "images/a.jpg", quality=92)
        with MaskWriter(root / "masks/a.png", height, width, np.uint8) as file:
            file.write(np.concatenate([part[:, :, 0] for _, part in strips(width, 1)])[:height])
        found = fresh(dataset(root, "a.jpg", "a.png", (height, width)), work)
        times = json.loads(
            subprocess.run(
                [sys.executable, HERE / "bench_view_tiles.py", "--sixty", root, str(count)], capture_output=True, text=True,
                env={**os.environ, "XDG_CACHE_HOME": str(work / "other")}, check=True,
            ).stdout
        )  # fmt: skip
    return [
        f"A JPEG of {width:,} x {height:,} pixels, and its mask in PNG.",
        "",
        *table(HEAD, [row("JPEG; mask a PNG", found, False)]),
        "",
        f"{count} such JPEGs as thumbnails of 256 pixels, six at a time: {times['cold']:.2f} s; "
        f"from the cache {times['warm']:.2f} s.",
    ]


def sixty(root: Path, count: int) -> dict[str, float]:
    """So many thumbnails, each of a file of its own."""
    first = Dataset.open(root)
    samples = []
    for number in range(count):
        os.link(root / "images/a.jpg", root / f"images/{number}.jpg")
        fields = {"id": str(number), "image": f"images/{number}.jpg"}
        old = first.samples[0]
        samples.append(Sample(**{**{name: getattr(old, name) for name in old.__struct_fields__}, **fields}))
    Dataset(root, first.labels, samples, {"tool": "bench"}, "copy").save()
    session = Session.open(root, (), writable=False)
    app = make_app(session, None)

    async def all_of_them() -> float:
        limit = asyncio.Semaphore(6)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:

            async def one(number: int) -> None:
                async with limit:
                    assert (await client.get(f"/api/image/{number}?size=256")).status_code == 200

            start = time.perf_counter()
            await asyncio.gather(*map(one, range(count)))
            return time.perf_counter() - start

    return {"cold": asyncio.run(all_of_them()), "warm": asyncio.run(all_of_them())}


TABLES = {
    "large": ("Large images in the viewer", of_side(large, 30_000, 6_000)),
    "small": ("A photograph in the viewer", small),
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--asked"]:
        print(json.dumps(asked(Path(sys.argv[2]))))
    elif sys.argv[1:2] == ["--sixty"]:
        print(json.dumps(sixty(Path(sys.argv[2]), int(sys.argv[3]))))
    else:
        measure_tables(__doc__, TABLES, peers=False)
