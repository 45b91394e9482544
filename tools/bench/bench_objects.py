"""clDice and matched objects, compared with scikit-image and panopticapi on the same masks.

    python tools/bench/bench_objects.py [cldice | objects | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the real labels in ../shared/data, and the
peers in their own environment, which tools/bench/peers.sh makes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from asked import Asked
from bench_evaluate import mosaic
from inputs import DATA
from measure import Sizes, Times, race
from results import Measure, measure_tables, table
from segdata import Labels, read_mask
from segdata.metrics.cldice import ClDice
from segdata.metrics.objects import Objects

CLASSES = 19
LABELS = Labels.of([f"class {i}" for i in range(CLASSES)])
Ids = NDArray[np.uint8]
Measured = TypeVar("Measured", ClDice, Objects)


def pairs(count: int) -> list[tuple[Ids, Ids]]:
    """Mosaics of real masks, 1024 x 2048 of 19 classes and ignored pixels, and shifted ones with noise as predictions."""
    sources = [read_mask(path) for path in sorted((DATA / "camvid/trainannot").glob("*.png"))]
    rng, out = np.random.default_rng(0), []
    for number in range(count):
        truth = mosaic(sources, number)
        pred = np.roll(truth, (2, -3), (0, 1))
        pred[pred == LABELS.ignore] = 0
        spots = rng.integers(0, (1000, 2000), (200, 2))
        for (y, x), value in zip(spots, rng.integers(0, CLASSES, 200), strict=True):
            pred[y : y + 9, x : x + 12] = value
        out.append((truth, pred))
    return out


def beside(
    sizes: Sizes, line: str, ours: Callable[[Ids, Ids], Measured], agree: Callable[[Measured, Any], bool]
) -> tuple[list[Measured], Times, Times, dict[str, str]]:
    """What we find for each pair, our seconds and the peer's, and versions; both must `agree` on every pair."""
    cases = pairs(max(2, sizes.rounds))
    found = [ours(*case) for case in cases]

    def run() -> float:
        start = time.process_time()
        for case in cases:
            ours(*case)
        return time.process_time() - start

    with TemporaryDirectory() as folder:
        masks, out = Path(folder) / "masks.npz", Path(folder) / "out.json"
        np.savez(masks, truth=np.stack([t for t, _ in cases]), pred=np.stack([p for _, p in cases]))
        with Asked("panopticapi", "object_answers.py", masks, out) as peer:
            times = race({"segdata": run, line: lambda: peer(line)}, sizes.rounds)
        said = json.loads(out.read_text())
    answers = said[line] if line == "clDice" else said[line]["pairs"]
    assert all(agree(*both) for both in zip(found, answers, strict=True)), "segdata and the peer differ"
    return found, times["segdata"], times[line], said["made with"]


def shown(title: str, text: str, count: int, one: Times, other: Times) -> list[str]:
    """The table of both, with how many times as long the peer takes."""
    rows = [[name, t.show(count / 1000, 1), f"{t.over(one):.1f}"] for name, t in {"segdata": one, title: other}.items()]
    about = f"{count} pairs of 2048 x 1024, {CLASSES} classes and ignored pixels: mosaics of real CamVid masks. {text}"
    head = "way | ms of processor time per pair | times segdata"
    return [about, "", *table(head, rows)]


def cldice(sizes: Sizes) -> list[str]:
    """Skeletons and what lies inside: all classes of a mask at once, beside one class after the other."""

    def agree(found: ClDice, answer: dict[str, list[Any]]) -> bool:
        return all(found.counts[int(c)].tolist() == row[:4] for c, row in answer.items())

    found, one, other, made = beside(sizes, "clDice", lambda t, p: ClDice.of(t, p, LABELS), agree)
    text = "Both have the same number of skeleton pixels and of those inside, in every pair and class."
    return shown(f"scikit-image {made['scikit-image']} `skeletonize`", text, len(found), one, other)


def objects(sizes: Sizes) -> list[str]:
    """Matched components: components included in ours, not in the peer's time, which is given them as PNGs."""

    def agree(found: Objects, answer: dict[str, list[float]]) -> bool:
        m = found.matches.summed()
        rows = {int(c): row for c, row in answer.items()}
        ours = np.stack([m.iou, m.matched, m.wrong, m.missed], axis=1)
        return all(np.allclose(ours[c], rows.get(c, [0, 0, 0, 0]), rtol=0, atol=1e-9) for c in range(CLASSES))

    found, one, other, made = beside(sizes, "panoptic 8", lambda t, p: Objects.of(t, p, LABELS), agree)
    count = sum(int(one.matches.truth.sum()) for one in found) // len(found)
    text = (
        f"{count:,} true objects per pair. segdata finds the components too; panopticapi is given them, and reads PNGs. Both "
        "have the same TP, FP, FN and sums of IoU in every pair and class."
    )
    return shown(f"panopticapi-lite {made['panopticapi-lite']}", text, len(found), one, other)


TABLES: dict[str, tuple[str, Measure]] = {
    "cldice": ("clDice of 2048 x 1024 masks", cldice),
    "objects": ("Matched objects of 2048 x 1024 masks", objects),
}

if __name__ == "__main__":
    measure_tables(__doc__, TABLES)
