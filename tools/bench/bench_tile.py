"""Tiling side by side with peers, on two processes, and its memory with images that do not fit.

    python tools/bench/bench_tile.py [speed | processes | memory | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. `speed` needs SAHI and patchify in environments of
their own, which tools/bench/peers.sh makes, and GDAL's gdal_retile.py (Debian's python3-gdal). `memory` takes 12 GB of disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inputs import DATA
from measure import (
    BUILD,
    HERE,
    OURS,
    SEGDATA,
    Command,
    Sizes,
    Times,
    race,
    say,
    time_loops,
    watch_memory,
    workspace,
)
from results import Target, measure_tables, of_side, table
from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.files.places import file_digest
from segdata.files.scores import quantise
from segdata.files.tiff import TILE, TiffWriter
from segdata.kernels.count import count_values
from segdata.labels import Labels

SIZE = 512
SIDE, LARGE = 20 * SIZE, 30_000
CLASSES = 6
LIMIT = "plain decoding and encoding"
MB = 2**20


@dataclass(frozen=True, slots=True)
class Spent:
    """The seconds of contenders, of the clock and of the processor (the process and its children)."""

    clock: dict[str, Times]
    cpu: dict[str, Times]


# Inputs


def photograph(side: int) -> NDArray[np.uint8]:
    """(side, side, 3): the real photograph and the real page in turn, repeated to that size."""
    paths = (DATA / "hires/drone/DJI_0018.JPG", DATA / "hires/page/e-codices_csg-0863_004_max.jpg")
    parts = [np.asarray(Image.open(path).convert("RGB"))[:2048, :3072] for path in paths]
    rows = [
        np.concatenate([parts[(y + x) % 2] for x in range(-(-side // 3072))], axis=1) for y in range(-(-side // 2048))
    ]
    return np.ascontiguousarray(np.concatenate(rows)[:side, :side])


def patches(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """(height, width) ids in rounded patches of a few dozen pixels."""
    y, x = np.ogrid[:height, :width]
    waves = np.sin(y / 61 + seed) + np.sin(x / 47 + 2 * seed) + np.sin((x + y) / 97)
    return np.asarray((waves + 3) / 6 * CLASSES).astype(np.uint8).clip(0, CLASSES - 1)


def write_dataset(root: Path, side: int, rows: Callable[[int, int], NDArray[np.uint8]]) -> Dataset:
    """A dataset of one image and its mask, both tiled TIFFs; `rows(y, n)` gives (n, side, 3) of the image."""
    root.mkdir(parents=True, exist_ok=True)
    counts = np.zeros(256, np.int64)
    with (
        TiffWriter(root / "image.tif", side, side, 3, np.uint8) as image,
        TiffWriter(root / "data/masks/x.tif", side, side, 1, np.uint8) as mask,
    ):
        for y in range(0, side, TILE):
            n = min(TILE, side - y)
            image.write(y, 0, rows(y, n).transpose(2, 0, 1))
            ids = patches(n, side, y)
            mask.write(y, 0, ids[None])
            counts += count_values(ids.ravel(), 256)
    labels = Labels.of([f"class {i}" for i in range(CLASSES)])
    line = Sample(
        id="x", image="../image.tif", mask="masks/x.tif", height=side, width=side,
        counts={i: int(n) for i, n in enumerate(counts) if n}, sha256=file_digest(root / "data/masks/x.tif"),
    )  # fmt: skip
    dataset = Dataset(root / "data", labels, [line], {"tool": "bench"}, "reference")
    dataset.save()
    return dataset


def texture(side: int, y: int, n: int) -> NDArray[np.uint8]:
    """(n, side, 3) of an image of waves and noise that repeats."""
    noise = np.random.default_rng(0).integers(0, 12, (64, 256, 3)).astype(np.uint8)
    tiled = np.tile(noise, (-(-n // 64), -(-side // 256), 1))[:n, :side]
    wave = (np.sin(np.arange(side) / 300)[None, :] + np.sin(np.arange(y, y + n) / 200)[:, None] + 2) * 50
    return np.asarray(tiled + wave[:, :, None].astype(np.uint8))


# Speed


def spend(command: Command, out: Path, tiles: int, kept: dict[str, int], name: str) -> tuple[float, float]:
    """The seconds of a whole process, of the clock and of the processor; the bytes of its images go to `kept`."""
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{' '.join(map(str, command))}: exit status {status}")
    images = [path for path in (out / "images").rglob("*") if path.suffix in (".png", ".jpg", ".tif")]
    if len(images) != tiles:
        sys.exit(f"{name}: {len(images)} tiles instead of {tiles}")
    kept[name] = sum(path.stat().st_size for path in images)
    return seconds, usage.ru_utime + usage.ru_stime


def contenders(work: Path, format: str, out: Path) -> dict[str, Command]:
    """The commands, ours first."""
    image, mask = work / "image.tif", work / "data/masks/x.tif"
    ext = {"png": "png", "jpeg": "jpg", "tiff": "tif"}[format]
    asked: list[str | Path] = [image, mask, out, str(SIZE), ext]
    script = HERE / "tile_with.py"
    ours: Command = [
        SEGDATA, "tile", work / "data", out, "--size", str(SIZE), "--format", format, "--compress", "none", "-j", "1",
    ]  # fmt: skip
    found: dict[str, Command] = {OURS: ours, LIMIT: [sys.executable, script, "limit", *asked]}
    found["rasterio's windows + Pillow"] = [sys.executable, script, "rasterio", *asked]
    for name in ("sahi", "patchify"):
        python = BUILD / name / "bin/python"
        if python.exists():
            label = "SAHI" if name == "sahi" else "patchify + Pillow"
            found[label] = ["taskset", "-c", "0", python, script, name, *asked]  # SAHI would take all cores
        else:
            say(f"{name} is missing: tools/bench/peers.sh installs it")
    if shutil.which("gdal_retile.py"):
        of = {"png": "PNG", "jpeg": "JPEG -co QUALITY=95", "tiff": "GTiff"}[format]
        retile = f"gdal_retile.py -q -ps {SIZE} {SIZE} -of"
        one = f"{retile} {of} -targetDir {out}/images {image} && {retile} PNG -targetDir {out}/masks {mask}"
        found["gdal_retile"] = ["sh", "-c", f"mkdir -p {out}/images {out}/masks && {one}"]
    return found


def compare(work: Path, format: str, tiles: int, rounds: int) -> tuple[Spent, dict[str, int]]:
    """Race the contenders. Returns the seconds that they spent, and the bytes of their images."""
    out = work / "out"
    sizes: dict[str, int] = {}
    cpu: dict[str, list[float]] = {}

    def run(name: str, command: Command) -> float:
        seconds, busy = spend(command, out, tiles, sizes, name)
        cpu.setdefault(name, []).append(busy)
        return seconds

    commands = contenders(work, format, out)
    for name, command in commands.items():
        run(name, command)
    cpu.clear()
    clock = race({name: partial(run, name, command) for name, command in commands.items()}, rounds)
    return Spent(clock, {name: Times(tuple(values)) for name, values in cpu.items()}), sizes


def speed(sizes: Sizes, side: int) -> list[str]:
    """Tiles of a photograph as PNG and, since they are faster, of one with four times as many pixels as JPEG and raw TIFF."""
    rows: list[list[str]] = []
    targets: list[Target] = []
    for format, least in {"png": 2.0, "jpeg": 1.0, "tiff": 1.0}.items():
        across = side if format == "png" else 2 * side
        tiles = (across // SIZE) ** 2
        with workspace(need=6) as work:
            write_photograph(work, across)
            spent, bytes_of = compare(work, format, tiles, sizes.rounds)
        peers = [name for name in spent.cpu if name not in (OURS, LIMIT)]
        fastest = min(peers, key=lambda name: spent.cpu[name].median)
        for name in spent.cpu:
            busy, clock = spent.cpu[name], spent.clock[name]
            rows.append([
                f"{format}, {tiles:,}", name, busy.show(), clock.show(), f"{tiles / busy.median:,.0f}",
                f"{bytes_of[name] / MB:,.0f}", "" if name == OURS else f"{busy.over(spent.cpu[OURS]):.2f}",
            ])  # fmt: skip
        faster = spent.cpu[fastest].over(spent.cpu[OURS])
        targets.append(Target(f"{format}: {fastest}, the fastest peer", faster, least))
        over = spent.cpu[OURS].over(spent.cpu[LIMIT])
        targets.append(Target(f"{format}: segdata over {LIMIT}", over, 1.3, at_most=True))
        if format == "png":
            share = bytes_of[OURS] / bytes_of[fastest]
            targets.append(Target(f"png: segdata's bytes over those of {fastest}", share, 1.3, at_most=True))
    return [
        f"A photograph of {side} x {side} pixels (twice as wide and high for JPEG and TIFF) and its mask, deflated tiled TIFFs, "
        f"into tiles of {SIZE}: images and masks both (masks are PNG throughout), whole processes. Processor seconds of "
        "the process and its children, medians (least to most); by the clock beside it, on a machine that others use too. Ratios "
        "are of processor seconds. JPEGs have quality 95, SAHI's alone Pillow's default, 75.",
        "",
        *table(
            "tiles | whole process | processor s | clock s | tiles a processor s | MB of images | times segdata's",
            rows,
        ),
        "",
        *map(str, targets),
    ]


def write_photograph(work: Path, side: int) -> None:
    """A dataset of a photograph, whose bands are together in each tile of its file, as most programs write it."""
    pixels = photograph(side)
    write_dataset(work, side, lambda y, n: pixels[y : y + n])
    shutil.move(work / "image.tif", work / "apart.tif")
    interleaved(work / "apart.tif", work / "image.tif")
    (work / "apart.tif").unlink()


def interleaved(source: Path, target: Path) -> None:
    """The same image with its bands together in each tile, as most programs write it."""
    import warnings

    import rasterio

    warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
    with rasterio.open(source) as file:
        profile = {**file.profile, "interleave": "pixel", "compress": "deflate", "photometric": "RGB"}
        with rasterio.open(target, "w", **profile) as out:
            out.write(file.read())


def processes(sizes: Sizes, side: int) -> list[str]:
    """One process and two, compared with one copy and two of a loop."""
    with workspace(need=4) as work:
        write_photograph(work, side)
        out = work / "out"
        kept: dict[str, int] = {}
        tiles = (side // SIZE) ** 2

        def run(jobs: int) -> float:
            command: Command = [
                SEGDATA,
                "tile",
                work / "data",
                out,
                "--size",
                str(SIZE),
                "--format",
                "png",
                "-j",
                str(jobs),
            ]
            return spend(command, out, tiles, kept, f"-j {jobs}")[0]

        run(2)
        names: Mapping[str, Callable[[], float]] = {
            "-j 1": partial(run, 1), "-j 2": partial(run, 2),
            "one loop": partial(time_loops, 1, sizes.loop), "two loops": partial(time_loops, 2, sizes.loop),
        }  # fmt: skip
        times = race(names, sizes.rounds)
    ours = times["-j 1"].over(times["-j 2"])
    loops = 2 * times["one loop"].over(times["two loops"])
    return [
        f"A photograph of {side} x {side} pixels, {tiles:,} PNG tiles; a loop of {sizes.loop:,} steps, once and twice at once.",
        "",
        *table("what | seconds", [[name, t.show()] for name, t in times.items()]),
        "",
        f"Two processes do {ours:.2f} times the work of one, two copies of the loop {loops:.2f} times that of one.",
        "",
        str(Target("segdata's gain over that of the loop", ours / loops, 0.75)),
    ]


# Memory


def memory(sizes: Sizes, side: int) -> list[str]:
    """An image that does not fit: tiled, stitched from masks and from scores, killed half-way."""
    rows: list[list[str]] = []
    targets: list[Target] = []
    BUILD.mkdir(parents=True, exist_ok=True)
    work = BUILD / "tile-memory"
    shutil.rmtree(work, ignore_errors=True)
    try:
        say(f"writing an image of {side} x {side}")
        write_dataset(work, side, partial(texture, side))
        tiles = work / "tiles"

        def watch(name: str, *arguments: str | Path) -> None:
            seconds, peak = watch_memory([SEGDATA, *arguments])
            rows.append([name, f"{seconds:,.0f}", f"{peak.rss / MB:,.0f}", f"{peak.pss / MB:,.0f}"])
            targets.append(Target(name, peak.rss / MB, 600, at_most=True, unit=" MB"))
            say(f"{name}: {seconds:.0f} s, {peak.rss / MB:.0f} MB")

        tile: Command = ["tile", work / "data", tiles, "--size", str(SIZE), "--overlap", "32"]
        watch(f"tile --size {SIZE} --overlap 32", *tile)
        watch("stitch (masks)", "stitch", tiles, work / "whole")
        same = same_values(work / "data/masks/x.tif", Dataset.open(work / "whole"))
        shutil.rmtree(work / "whole")
        whole = contents(tiles)
        shutil.rmtree(tiles)
        resumed = killed([SEGDATA, *tile], tiles, float(rows[0][1].replace(",", "")) / 2)
        again = contents(tiles)
        add_scores(Dataset.open(tiles))
        watch(f"stitch (scores, K = {CLASSES})", "stitch", tiles, work / "scored")
        blended = same_values(work / "data/masks/x.tif", Dataset.open(work / "scored"))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return [
        f"An image of {side:,} x {side:,} pixels, three bands and a mask, both tiled TIFFs, into PNG tiles, and back. Memory "
        "is the most that the process had, looked up four times a second.",
        "",
        *table("`segdata ...` | seconds | RSS, MB | PSS, MB", rows),
        "",
        f"- the stitched mask is the one that was tiled: **{told(same)}**; from scores: **{told(blended)}**",
        f"- killed after {resumed:,} of {len(whole):,} files and run again, the same bytes: **{told(whole == again)}**",
        *map(str, targets),
    ]


def told(what: bool) -> str:
    """Yes or no."""
    return "yes" if what else "NO"


def killed(command: Command, out: Path, after: float) -> int:
    """Kill a process and its children after so many seconds, then run it again. Returns how many files there were."""
    process = subprocess.Popen(command, start_new_session=True)
    time.sleep(after)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    found = sum(path.is_file() for path in out.rglob("*"))
    if (out / "manifest.jsonl").exists():
        sys.exit("it was finished before it could be killed")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return found


def contents(root: Path) -> dict[str, str]:
    """Every file below a folder with its digest."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def same_values(mask: Path, dataset: Dataset) -> bool:
    """Whether the one mask of a dataset holds the values of a file, looked at by rows."""
    from segdata.files.opening import open_mask
    from segdata.windows import Window

    with open_mask(mask) as one, dataset.open_mask(dataset.samples[0]) as other:
        for y in range(0, one.height, 1024):
            window = Window(y, 0, min(1024, one.height - y), one.width)
            if not np.array_equal(one.read(window), other.read(window)):
                return False
    return True


def add_scores(tiles: Dataset) -> None:
    """Give every tile scores that make its mask the most likely."""
    lines = []
    others = np.float32(0.3 / (CLASSES - 1))
    for sample in tiles:
        ids = tiles.read_mask(sample)
        probs = np.where(ids == np.arange(CLASSES)[:, None, None], np.float32(0.7), others)
        path = f"scores/{sample.id}.tif"
        with TiffWriter(tiles.root / path, *sample.size, CLASSES, np.uint8) as file:
            file.write(0, 0, quantise(probs))
        lines.append(msgspec.structs.replace(sample, scores=path))
    Dataset(tiles.root, tiles.labels, lines, tiles.made_by, tiles.images).save()


TABLES = {
    "speed": ("Tiling a photograph", of_side(speed, SIDE, 2048)),
    "processes": ("Tiling with two processes", of_side(processes, 2 * SIDE, 2048)),
    "memory": ("Tiling and stitching an image that does not fit", of_side(memory, LARGE, 4096)),
}

if __name__ == "__main__":
    measure_tables(__doc__, TABLES)
