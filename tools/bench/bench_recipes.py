"""What a recipe with class-aware crops and copy-paste shows of the rarest class, and what a small U-Net learns of it.

    SEGDATA_BEFORE=CHECKOUT python tools/bench/bench_recipes.py [classes | resize | all] [--quick] [--record]

Prints one section of Markdown a table; `--record` puts it into RESULTS.md. `classes` needs the real images in ../shared/data and
the extra `train`; SEGDATA_BEFORE is a checkout of an older version that is measured beside this one. `resize` needs neither.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inputs import CAMVID, camvid
from measure import HERE, QUICK, Command, Sizes, race, workspace
from results import Measure, Target, measure_tables, table
from segdata import Dataset
from segdata.resize import resize_mask

RECIPE = """\
normalise: imagenet
crop: {size: [160, 224], class_aware: 0.5, scale: [0.75, 1.5]}
copy_paste: {p: 0.5, regions: 3}
transforms: [{HorizontalFlip: {p: 0.5}}]
"""
RESIZE = "resize: {short: 180}\n"
"""What `trained_with.py` tells training."""


def classes(sizes: Sizes) -> list[str]:
    """The rarest class under preview and training, and the mean IoU, of this version and of the one before."""
    epochs, seeds, versions = (1, 1, 1) if sizes == QUICK else (8, 2, 3)
    homes = {"now": HERE.parents[1]}
    if before := os.environ.get("SEGDATA_BEFORE"):
        homes = {f"before ({commit_of(Path(before))})": Path(before), **homes}
    with workspace(need=0.5) as work:
        dataset = camvid(work / "d")
        (work / "r.yaml").write_text(RECIPE)
        (work / "w.yaml").write_text(RESIZE + RECIPE)
        held = pixels_of(dataset.split("train"))
        rarest = int(held.argmin())
        shown = {name: written(home, work, name, versions) for name, home in homes.items()}
        pairs = list(product(range(seeds), homes))
        with ThreadPoolExecutor(2) as two:
            runs = list(two.map(lambda p: trained(homes[p[1]], work, p[1], epochs, p[0]), pairs))
    rows = [["the training split", percent(held, rarest), "", "", ""]]
    for name in homes:
        mine = [run for run, (_, of) in zip(runs, pairs, strict=True) if of == name]
        seen = np.sum([run["pixels"] for run in mine], axis=0)[: len(CAMVID)]
        ious = (spread([100 * run["rows"][-1][of] for run in mine]) for of in ("mean_iou", f"iou/{CAMVID[rarest]}"))
        rows.append([name, percent(shown[name], rarest), percent(seen, rarest), *ious])
    return [
        f"CamVid's {len(dataset.split('train'))} training images, short side 180, with the recipe below; {CAMVID[rarest]} is the "
        f"rarest class. Shares are of labelled pixels: in {versions} versions of each image as `augment --write` writes them, "
        f"and in the batches of training. A U-Net of width 16 and stem 2, {epochs} epochs, {seeds} seeds, one CPU thread each, "
        "two runs at a time; IoU on the split val after the last epoch: the mean over seeds (least to most).",
        "",
        *(f"    {line}" for line in RECIPE.splitlines()),
        "",
        *table(
            f"version | share in preview, % | share in training, % | mean IoU, % | IoU of {CAMVID[rarest]}, %", rows
        ),
    ]


def commit_of(home: Path) -> str:
    """The commit of a checkout."""
    asked = ["git", "-C", str(home), "rev-parse", "--short=7", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def written(home: Path, work: Path, name: str, versions: int) -> NDArray[np.int64]:
    """(K,) the pixels of each class in what `augment --write` writes."""
    out = work / f"written-{name.split()[0]}"
    ask(
        home,
        "-m",
        "segdata",
        "augment",
        work / "d",
        out,
        "--recipe",
        work / "w.yaml",
        "--write",
        versions,
        "--split",
        "train",
    )
    return pixels_of(Dataset.open(out))


def trained(home: Path, work: Path, name: str, epochs: int, seed: int) -> dict[str, Any]:
    """What `trained_with.py` tells."""
    run = work / f"run-{name.split()[0]}-{seed}"
    lines = ask(home, HERE / "trained_with.py", work / "d", run, work / "r.yaml", epochs, seed).splitlines()
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def ask(home: Path, *arguments: Any) -> str:
    """What Python prints with the segdata of a checkout."""
    command: Command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(home)})
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def pixels_of(dataset: Dataset) -> NDArray[np.int64]:
    """(K,) by the manifest."""
    return np.array([sum(s.counts.get(c, 0) for s in dataset) for c in range(len(CAMVID))])


def percent(pixels: NDArray[np.int64], class_id: int) -> str:
    """The share of a class."""
    return f"{100 * pixels[class_id] / pixels.sum():.2f}"


def spread(values: Sequence[float]) -> str:
    """The mean with the least and the most."""
    return f"{statistics.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


# Resampling


def resize(sizes: Sizes) -> list[str]:
    """Masks through `resize_mask` beside OpenCV."""
    calls, rounds = (5, 3) if sizes == QUICK else (200, 15)
    cv2.setNumThreads(1)
    rows, worst = [], 0.0
    for dtype, (old, new) in product(("uint8", "uint16"), ((512, 1024), (2048, 512), (500, 333), (333, 500))):
        mask = np.random.default_rng(0).integers(0, 20, (old, old)).astype(dtype)
        ways: Mapping[str, Callable[[], Any]] = {
            "segdata": partial(resize_mask, mask, (new, new)),
            "INTER_NEAREST_EXACT": partial(cv2.resize, mask, (new, new), interpolation=cv2.INTER_NEAREST_EXACT),
            "INTER_NEAREST": partial(cv2.resize, mask, (new, new), interpolation=cv2.INTER_NEAREST),
        }
        times = race({name: partial(repeated, way, calls) for name, way in ways.items()}, rounds)
        over = times["segdata"].over(times["INTER_NEAREST_EXACT"])
        worst = max(worst, over)
        shown = [f"{1e3 * times[name].median / calls:.3f}" for name in ways]
        rows.append([f"{dtype}, {old} to {new}", *shown, f"{over:.2f}"])
    return [
        "Square masks, milliseconds of the processor each, one thread.",
        "",
        *table("mask | segdata | INTER_NEAREST_EXACT | INTER_NEAREST | segdata's time over EXACT's", rows),
        "",
        str(Target("the largest of the ratios", worst, 3, at_most=True)),
    ]


def repeated(function: Callable[[], Any], calls: int) -> float:
    """Seconds of the processor of so many calls, after one that does not count."""
    function()
    begun = time.process_time()
    for _ in range(calls):
        function()
    return time.process_time() - begun


TABLES: dict[str, tuple[str, Measure]] = {
    "classes": ("Rare classes in training", classes),
    "resize": ("Resizing masks", resize),
}
"""A table's title and the function that measures it and returns its lines."""


if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
