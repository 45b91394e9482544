"""STAPLE by counts of vote patterns, beside SimpleITK's over pixels.

    python tools/bench/bench_agree.py [--quick] [--record]

Prints one section of Markdown; `--record` puts it into RESULTS.md. Needs CamVid in ../shared/data, and SimpleITK in an
environment, which tools/bench/peers.sh makes. A test holds that `segdata.metrics.staple` equals both of its filters.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from asked import Asked
from inputs import DATA
from measure import Sizes, race
from results import Measure, Target, measure_tables, table
from segdata import Labels, read_mask
from segdata.metrics.agreement import Votes, patterns_of
from segdata.metrics.staple import staple

LABELS = Labels.of([f"class {i}" for i in range(12)])
OURS, PEER = "segdata", "SimpleITK"


def annotators(path: Path, count: int) -> NDArray[np.uint8]:
    """(R, H, W): a mask with all its 12 values as annotators give it who shift, smooth and mistake parts of it."""
    mask, rng = read_mask(path), np.random.default_rng(0)
    out = [mask]
    for n in range(1, count):
        seen = cv2.medianBlur(np.roll(mask, (n % 3, n), (0, 1)), 2 * n + 1)
        blocks = cv2.resize((rng.random((45, 60)) < 0.03 * n).astype(np.uint8), mask.shape[::-1], interpolation=0) > 0
        out.append(np.where(blocks, rng.integers(0, 12), seen).astype(np.uint8))
    return np.stack(out)


def ours(cases: list[NDArray[Any]], n: int) -> NDArray[np.uint8]:
    """The labels of a case."""
    masks = list(cases[n])
    patterns, places = patterns_of(masks, LABELS)
    votes = Votes(patterns, np.bincount(places.ravel(), minlength=len(patterns)), 12)
    return np.asarray(staple(votes, change=1e-5).decide(patterns)[places].astype(np.uint8))


def seconds(cases: list[NDArray[Any]]) -> float:
    """Processor time of all cases."""
    start = time.process_time()
    for n in range(len(cases)):
        ours(cases, n)
    return time.process_time() - start


def run(sizes: Sizes) -> list[str]:
    """Three and five annotators of CamVid masks, one thread, each ended where no probability changes by 1e-5."""
    rows, lines = [], []
    paths = sorted((DATA / "camvid/valannot").glob("*.png"))[: 5 if sizes.rounds > 2 else 2]
    for count in (3, 5):
        cases = [annotators(path, count) for path in paths]
        with TemporaryDirectory() as folder:
            there = Path(folder)
            np.savez(there / "in.npz", **{f"masks-{n}": case for n, case in enumerate(cases)})  # type: ignore[arg-type]
            with Asked("simpleitk", "simpleitk_answers.py", there / "in.npz", there / "out") as peer:
                ways: dict[str, Callable[[], float]] = {
                    OURS: partial(seconds, cases),
                    PEER: partial(peer.total, len(cases)),
                }
                for way in ways.values():
                    way()
                times = race(ways, sizes.rounds)
            same = min(float((ours(cases, n) == np.load(there / f"out-{n}.npy")).mean()) for n in range(len(cases)))
        rows += [
            [f"{count}" if name == OURS else "", name, t.show(len(cases) / 1000, 1), f"{times[PEER].over(t):.1f}"]
            for name, t in times.items()
        ]
        lines.append(str(Target(f"{count} annotators: times SimpleITK's speed", times[PEER].over(times[OURS]), 1)))
        lines.append(f"- {count} annotators: the same label on {same:.4%} of pixels")
    return [
        f"{len(paths)} CamVid masks of 480 x 360 with 12 values, processor time of one thread.",
        "",
        *table("annotators | way | ms an image | times SimpleITK's speed", rows),
        "",
        *lines,
    ]


TABLES: dict[str, tuple[str, Measure]] = {"staple": ("STAPLE of several annotators", run)}
"""By name, the title of a table, and the function that measures it and returns its lines."""


if __name__ == "__main__":
    measure_tables(__doc__, TABLES)
