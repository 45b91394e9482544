"""The memory of commands by the number of samples: the peak of the process, and the bytes that each further sample costs.

    python tools/bench/bench_memory.py [--quick] [--record]

Prints one section of Markdown; `--record` puts it into RESULTS.md. Every sample has an 8 x 8 mask, a link to one file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from measure import Command, Sizes, say, usage, workspace
from results import Measure, measure_tables, table
from segdata import Dataset, Sample, write_mask
from segdata.labels import Labels

ASKED: dict[str, list[str]] = {
    "info": ["info", "{d}"],
    "stats": ["stats", "{d}"],
    "check": ["check", "{d}"],
    "diff": ["diff", "{d}", "{d}"],
    "select": ["select", "{d}", "{o}", "--ids", "{ids}"],
    "evaluate": ["evaluate", "{d}", "{d}"],
    "split": ["split", "{d}", "{o}"],
    "remap": ["remap", "{d}", "{o}", "--map", "road=street"],
    "export webdataset": ["export", "webdataset", "{d}", "{o}"],
    "manifest": ["manifest", "{d}"],
}
"""Each command with its arguments; the last one changes the dataset."""


def memory(sizes: Sizes) -> list[str]:
    """Peaks at each number of samples, and the slope between the two largest."""
    counts = [1_000, 10_000, 100_000] if sizes.rounds > 2 else [100, 1_000]
    peaks: dict[str, list[int]] = {name: [] for name in ASKED}
    last: dict[str, float] = {}
    for count in counts:
        with workspace(need=2) as work:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # its memory would be in every peak
                root = pool.submit(made, work / "d", count).result()
            places = {"d": root, "o": work / "o", "ids": work / "ids.txt"}
            for name, arguments in ASKED.items():
                command: Command = [sys.executable, "-m", "segdata", *(a.format(**places) for a in arguments)]
                last[name], _, peak = usage(command)
                peaks[name].append(peak)
                say(f"  {count:,} {name}: {last[name]:.1f} s, {peak / 1e6:.0f} MB")
                shutil.rmtree(work / "o", ignore_errors=True)
    rows = [
        [name, *(f"{peak / 1e6:.0f}" for peak in of), f"{slope(of, counts):,.0f}", f"{last[name]:.0f}"]
        for name, of in peaks.items()
    ]
    return [
        "Peak RSS of the whole process in MB, one process each; *bytes a sample*: the slope between the two largest numbers of "
        "samples. All of the manifest is held by what opens a dataset.",
        "",
        *table(f"command | {' | '.join(f'{n:,}' for n in counts)} | bytes a sample | seconds of the largest", rows),
    ]


def slope(peaks: list[int], counts: list[int]) -> float:
    """Bytes per sample between the two largest."""
    return (peaks[-1] - peaks[-2]) / (counts[-1] - counts[-2])


def made(root: Path, count: int) -> Path:
    """A dataset of so many samples, and the ids of every tenth beside it."""
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:4] = 1
    digest = hashlib.sha256(write_mask(root / "mask.png", pixels)).hexdigest()
    (root / "masks/train").mkdir(parents=True)
    samples, linked = [], root / "mask.png"
    for i in range(count):
        id = f"train/{i:09d}"
        mask = root / f"masks/{id}.png"
        if i % 10_000 == 0:  # a file system allows so many links to one file
            shutil.copyfile(root / "mask.png", mask)
            linked = mask
        else:
            os.link(linked, mask)
        samples.append(
            Sample(
                id=id, split="train", mask=f"masks/{id}.png", height=8, width=8, counts={0: 32, 1: 32}, sha256=digest
            )
        )
    Dataset(root, Labels.of(["ground", "road"]), samples, {"tool": "bench"}).save()
    root.with_name("ids.txt").write_text("".join(f"{sample.id}\n" for sample in samples[::10]))
    return root


TABLES: dict[str, tuple[str, Measure]] = {"memory": ("Memory of commands by the number of samples", memory)}


if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
