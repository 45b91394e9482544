"""The dense CRF compared with pydensecrf2, and morphology compared with SciPy and scikit-image.

    python tools/bench/bench_crf.py [crf | morphology | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the images in ../shared/data, and the peers
in their own environments, which tools/bench/peers.sh makes (pydensecrf2 needs a compiler).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from asked import Asked
from inputs import DATA
from measure import Sizes, Times, race
from results import Measure, Target, measure_tables, table
from segdata import Labels, dense_crf, read_mask
from segdata.refinement.morphology import Op, Step, tidy

GROUPS = {
    "320 x 240": (21, sorted((DATA / "crf").glob("im?.png"))),
    "500 x 338": (21, sorted((DATA / "voc/labelme/data_dataset_voc/JPEGImages").glob("*.jpg"))),
    "480 x 360": (11, sorted((DATA / "camvid/val").iterdir())),
}
"""By size, the number of classes and the images."""

CAMVID = Labels.of([f"class {i}" for i in range(11)])
OPERATIONS: dict[Op, Step] = {
    "open": Step("open", size=7),
    "close": Step("close", size=7),
    "fill_holes": Step("fill_holes"),
    "min_area": Step("min_area", area=64),
    "majority": Step("majority", size=7),
}
PEERS = {"scipy": "SciPy", "skimage": "scikit-image"}
LACKS = {("scipy", "majority"), ("skimage", "fill_holes")}
TWO, ONE, PEER = "segdata, 2 threads", "segdata, 1 thread", "pydensecrf2"


def case(path: Path, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """An image, and scores of so many classes that are as smooth as those of a network."""
    image = np.array(Image.open(path).convert("RGB"))
    height, width = image.shape[:2]
    coarse = np.random.default_rng(0).normal(size=(classes, height // 32 + 2, width // 32 + 2)).astype(np.float32)
    logits = 3 * np.stack(
        [np.asarray(Image.fromarray(c).resize((width, height), Image.Resampling.BICUBIC)) for c in coarse]
    )
    probs = np.exp(logits - logits.max(axis=0))
    return image, (probs / probs.sum(axis=0)).astype(np.float32)


def crf(sizes: Sizes) -> list[str]:
    """Ten iterations on images of three sizes: milliseconds, and how far the marginals are apart."""
    rows, targets = [], []
    for size, (classes, paths) in GROUPS.items():
        cases = [case(path, classes) for path in paths[:3]]
        with TemporaryDirectory() as folder:
            there = Path(folder)
            arrays: dict[str, Any] = {}
            for n, (image, probs) in enumerate(cases):
                arrays |= {f"image-{n}": image, f"probs-{n}": probs}
            np.savez(there / "in.npz", **arrays)
            with Asked("pydensecrf2", "pydensecrf_answers.py", there / "in.npz", there / "out") as peer:
                work: dict[str, Callable[[], float]] = {
                    TWO: partial(all_of, cases, 2),
                    ONE: partial(all_of, cases, 1),
                    PEER: partial(peer.total, len(cases)),
                }
                for once in work.values():
                    once()
                walls: dict[str, list[float]] = {name: [] for name in work}
                ways = {name: partial(timed, once, walls[name]) for name, once in work.items()}
                times = race(ways, sizes.rounds + 2)
            found = [(dense_crf(*one), np.load(there / f"out-{n}.npy")) for n, one in enumerate(cases)]
        clock = {name: Times(tuple(seconds)) for name, seconds in walls.items()}
        rows += [
            [
                f"{size}, {classes} classes" if name == TWO else "",
                name,
                *(t.show(len(cases) / 1000, 0), f"{times[PEER].over(t):.2f}"),
                *(clock[name].show(len(cases) / 1000, 0), f"{clock[PEER].over(clock[name]):.2f}"),
            ]
            for name, t in times.items()
        ]
        same = min(float((a.argmax(axis=0) == b.argmax(axis=0)).mean()) for a, b in found)
        error = max(float(np.abs(a - b).mean()) for a, b in found)
        targets += [
            str(Target(f"{size}: with 2 threads, pydensecrf2's speed", clock[PEER].over(clock[TWO]), 4)),
            str(Target(f"{size}: with 1 thread, its processor time", times[PEER].over(times[ONE]), 2)),
            f"- {size}: the same label on {same:.4%} of pixels, marginals {error:.1e} apart on average, at most "
            f"{max(float(np.abs(a - b).max()) for a, b in found):.1e}",
        ]
    return [
        "3 images of each size, 10 iterations, the usual settings; a process each that takes turns, lattices built anew each "
        "time. Processor time is that of all threads.",
        "",
        "Beside other work that fills both cores (see the load), two threads are no faster than one, and the figures do "
        "not tell what a second core is worth. "
        "More than half of the time is one kernel, `update`: points in tiles, its stages one after another and sums by "
        "vertex made it no faster.",
        "",
        *table(
            "images | way | processor ms an image | pydensecrf2's over it | ms an image | times pydensecrf2's speed",
            rows,
        ),
        "",
        *targets,
    ]


def timed(work: Callable[[], float], walls: list[float]) -> float:
    """The processor seconds that `work` returns; `walls` gets how long it took."""
    start = time.perf_counter()
    seconds = work()
    walls.append(time.perf_counter() - start)
    return seconds


def all_of(cases: list[tuple[Any, Any]], threads: int) -> float:
    """Processor seconds for all cases."""
    start = time.process_time()
    for image, probs in cases:
        dense_crf(image, probs, threads=threads)
    return time.process_time() - start


def morphology(sizes: Sizes) -> list[str]:
    """CamVid's masks, every class: ours with its rules for void and for what a class loses, theirs as plain sets."""
    rows = []
    paths = sorted((DATA / "camvid/valannot").glob("*.png"))[: 10 if sizes.rounds > 2 else 3]
    masks = np.stack([np.where((m := read_mask(path)) == 11, 255, m).astype(np.uint8) for path in paths])
    with TemporaryDirectory() as folder:
        np.savez(Path(folder) / "masks.npz", masks=masks)
        with Asked("scikit-image", "scikit_answers.py", Path(folder) / "masks.npz") as peer:
            for op, step in OPERATIONS.items():
                ways: dict[str, Callable[[], float]] = {"segdata.refinement.morphology": partial(tidied, masks, step)}
                for key, name in PEERS.items():
                    if (key, op) not in LACKS:
                        ways[name] = partial(peer, f"{key} {op}")
                times = race(ways, sizes.rounds)
                ours = times["segdata.refinement.morphology"]
                rows += [
                    [
                        op if name in ("segdata.refinement.morphology",) else "",
                        name,
                        t.show(len(masks) / 1000, 1),
                        "" if t is ours else f"{t.over(ours):.1f}",
                    ]
                    for name, t in times.items()
                ]
    return [
        f"{len(masks)} CamVid masks, 480 x 360, 11 classes, each class in turn; a disk of 7 pixels, areas of 64. Ours also gives "
        "lost pixels to the nearest class and keeps void; theirs treat each class as a plain set. One thread.",
        "",
        *table("operation | way | ms a mask | times segdata's", rows),
    ]


def tidied(masks: NDArray[np.uint8], step: Step) -> float:
    """Seconds for all masks."""
    start = time.perf_counter()
    for mask in masks:
        tidy(mask, [step], CAMVID)
    return time.perf_counter() - start


TABLES: dict[str, tuple[str, Measure]] = {
    "crf": ("Dense CRF", crf),
    "morphology": ("Morphology of label maps", morphology),
}
"""By name, the title of a table, and the function that measures it and returns its lines."""


if __name__ == "__main__":
    measure_tables(__doc__, TABLES)
