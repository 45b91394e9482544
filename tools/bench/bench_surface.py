"""Surface metrics compared with MONAI and DeepMind's surface-distance, and distances between outlines with OpenCV's.

    python tools/bench/bench_surface.py [surface | distance | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the real labels in ../shared/data, and the
peers in their own environment, which tools/bench/peers.sh makes.
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
from bench_evaluate import mosaic
from inputs import DATA
from measure import QUICK, Sizes, race
from results import Measure, Target, measure_tables, table
from segdata import Labels, read_mask
from segdata.kernels.distance import distances_between
from segdata.metrics.surface import Surface

CLASSES, TOLERANCE = 19, 2.0
LABELS = Labels.of([f"class {i}" for i in range(CLASSES)])
OURS, MONAI, DEEPMIND = "segdata", "MONAI", "DeepMind's surface-distance"
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def pairs(kind: str, count: int) -> list[Pair]:
    """1024 x 2048 of 19 classes, with ignored pixels: mosaics of CamVid, beside themselves a little moved, or beside others."""
    sources = [read_mask(path) for path in sorted((DATA / "camvid/trainannot").glob("*.png"))]
    random = np.random.default_rng(0)
    out = []
    for number in range(count):
        truth, pred = mosaic(sources, number), mosaic(sources, number + 7)
        if kind == "near":
            pred = np.roll(truth, (2, -3), (0, 1))
            for y, x, value in zip(*(random.integers(0, most, 12) for most in (900, 1900, CLASSES)), strict=True):
                pred[y : y + 90, x : x + 120] = value
        pred[pred == LABELS.ignore] = 0
        out.append((truth, np.where(truth == LABELS.ignore, truth, pred)))
    return out


def surface(sizes: Sizes) -> list[str]:
    """All three metrics of 19 classes: processor time per image, and how far the answers are apart."""
    rows, told = [], []
    for kind, title in (("near", "a little moved"), ("far", "of another image")):
        cases = pairs(kind, 1 if sizes == QUICK else 3)
        with TemporaryDirectory() as folder:
            given = {"classes": CLASSES, "steps": (1.0, 1.0), "tolerance": TOLERANCE}
            for number, (truth, pred) in enumerate(cases):
                np.savez(Path(folder) / f"{number}.npz", truth=truth, pred=pred, **given)  # type: ignore[arg-type]
            ask = {MONAI: "monai", DEEPMIND: "surface_distance"}
            with (
                Asked("monai", "surface_answers.py", ask[MONAI], folder) as monai,
                Asked("monai", "surface_answers.py", ask[DEEPMIND], folder) as deepmind,
            ):
                ways: dict[str, Callable[[], float]] = {
                    OURS: partial(all_of, cases),
                    MONAI: partial(monai.total, len(cases)),
                    DEEPMIND: partial(deepmind.total, len(cases)),
                }
                all_of(cases[:1])
                times = race(ways, sizes.rounds)
            answers = {
                name: [np.load(Path(folder) / f"{n}-{way}.npy") for n in range(len(cases))] for name, way in ask.items()
            }
        rows += [
            [title if name == OURS else "", name, t.show(len(cases) / 1000, 0), f"{t.over(times[OURS]):.1f}"]
            for name, t in times.items()
        ]
        ours = [scores(*case) for case in cases]
        told += [
            str(Target(f"prediction {title}: MONAI's time, by ours", times[MONAI].over(times[OURS]), 5)),
            f"- prediction {title}: at most {apart(ours, answers[DEEPMIND], slice(3)):.1e} apart from DeepMind's in all three; "
            f"at most {apart(ours, answers[MONAI], slice(1)):.1e} from MONAI's surface Dice, whose distances are others",
        ]
    return [
        "Images of 2048 x 1024, 19 classes and ignored pixels: mosaics of real CamVid masks, which have more borders than "
        "street scenes of that size. Surface Dice, Hausdorff 95 and ASSD of every class. One thread each, milliseconds of "
        "processor time per image; a process each that takes turns.",
        "",
        *table("prediction | way | ms per image | times segdata's", rows),
        "",
        *told,
    ]


def scores(truth: NDArray[np.uint8], pred: NDArray[np.uint8]) -> NDArray[Any]:
    """(K, 3)."""
    return np.stack([score.values for score in Surface.of(truth, pred, LABELS, TOLERANCE).by_class()], axis=1)


def all_of(cases: list[Pair]) -> float:
    """Seconds of the processor for all cases."""
    start = time.process_time()
    for case in cases:
        scores(*case)
    return time.process_time() - start


def apart(ours: list[NDArray[Any]], theirs: list[NDArray[Any]], columns: slice) -> float:
    """The largest difference; both have a score, or neither has."""
    one, other = np.array(ours)[:, :, columns], np.array(theirs)[:, :, columns]
    known = np.isfinite(one)
    assert (known == np.isfinite(other)).all()
    return float(np.abs(one - other)[known].max())


def distance(sizes: Sizes) -> list[str]:
    """From the outline of a class to another: ours, and OpenCV's transform of all pixels, which has no sides of a pixel."""
    truth, pred = pairs("near", 1)[0]
    rows = []
    for name, class_id in (("all over the image", 3), ("one pixel", -1)):
        held = outline(truth, 3) if class_id >= 0 else np.arange(truth.size).reshape(truth.shape) == 7
        asked, others = (tuple(part.astype(np.int32) for part in np.nonzero(m)) for m in (outline(pred, 3), held))
        out = np.empty(len(asked[0]))
        dense = (~held).astype(np.uint8)
        ways: dict[str, Callable[[], float]] = {
            OURS: partial(timed, distances_between, *asked, *others, 1.0, 1.0, out),
            "OpenCV, precise": partial(timed, cv2.distanceTransform, dense, cv2.DIST_L2, cv2.DIST_MASK_PRECISE),
        }
        ways[OURS]()
        times = race(ways, 3 * sizes.rounds)
        found = cv2.distanceTransform(dense, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[asked]
        wrong = f"{np.abs(found - out).max():.1e}"
        rows += [
            [name if way == OURS else "", way, t.show(1e-3, 1), "0" if way == OURS else wrong]
            for way, t in times.items()
        ]
    return [
        "2048 x 1024, one thread, milliseconds of processor time; the largest difference from the exact distances.",
        "",
        *table("the other outline | way | ms | error", rows),
    ]


def outline(mask: NDArray[np.uint8], class_id: int) -> NDArray[np.bool_]:
    """(H, W): the pixels of a class that touch what it is not."""
    inside = (mask == class_id).astype(np.uint8)
    return np.asarray((inside > 0) & (cv2.erode(inside, np.ones((3, 3), np.uint8)) == 0))


def timed(work: Callable[..., object], *given: Any) -> float:
    """Seconds of the processor."""
    cv2.setNumThreads(1)
    start = time.process_time()
    work(*given)
    return time.process_time() - start


TABLES: dict[str, tuple[str, Measure]] = {
    "surface": ("Surface metrics of 2048 x 1024 masks", surface),
    "distance": ("Exact distances between outlines", distance),
}

if __name__ == "__main__":
    measure_tables(__doc__, TABLES)
