"""How well splits are balanced, side by side with scikit-learn's StratifiedGroupKFold and with random splits.

    python tools/bench/bench_split.py [balance | scale | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the real labels in ../shared/data, and
scikit-learn in its own environment, which tools/bench/peers.sh makes.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inputs import DATA, MINI
from measure import BUILD, HERE, Sizes, say
from results import Measure, measure_tables, table
from segdata import convert
from segdata.dataset.counts import ImageCounts
from segdata.ops.split.balance import balance

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
WAYS = ("largest", "rarest", "pixels")
OURS, RANDOM = "segdata split", "random"


@dataclass(frozen=True, slots=True)
class Case:
    """Images to split: `pixels` (N, K) of each class in each, `groups` (N,) of those that stay together."""

    name: str
    pixels: Ints
    groups: Ints


@dataclass(frozen=True, slots=True)
class Quality:
    """The distance of a split from its aim; 0 is best for all.

    `share`: the largest difference of a class's share of the labelled pixels between a split and all, in points. `part`: the
    largest of |part of the class's pixels in a split / aim - 1|, in percent, over the classes of which no single group holds
    more than the smallest split should have. `absent`: how often a class is absent from a split although enough groups have
    it. `samples`: the largest of |images in a split / aim - 1|, in percent.
    """

    share: float
    part: float
    absent: float
    samples: float


def judge(case: Case, splits: Ints, ratios: Floats) -> Quality:
    """The quality of `splits` (N,)."""
    number = len(ratios)
    masses = np.stack([case.pixels[splits == s].sum(axis=0) for s in range(number)])  # (S, K)
    whole = case.pixels.sum(axis=0)
    used = whole > 0
    shares = masses / np.maximum(masses.sum(axis=1, keepdims=True), 1)
    parts = masses[:, used] / whole[used] / ratios[:, None]
    held = by_group(case)[:, used]
    divisible = held.max(axis=0) / whole[used] <= ratios.min()
    possible = np.count_nonzero(held, axis=0) >= number
    images = np.bincount(splits, minlength=number) / len(splits) / ratios
    return Quality(
        share=100 * float(np.abs(shares - whole / whole.sum()).max()),
        part=100 * float(np.abs(parts[:, divisible] - 1).max(initial=0)),
        absent=int(np.count_nonzero(parts[:, possible] == 0)),
        samples=100 * float(np.abs(images - 1).max()),
    )


def forced(case: Case, ratios: Floats) -> float:
    """A `share` (points) that no split can stay under in which no part has more than its number of images.

    All pixels that a group has of a class are in one split, at best the largest one, filled with the images that hold most
    pixels. A class that is in fewer groups than there are splits is absent from one.
    """
    held, whole = by_group(case), case.pixels.sum(axis=0)
    shares = whole / whole.sum()
    most = np.sort(case.pixels.sum(axis=1))[::-1][: int(np.ceil(ratios.max() * len(case.pixels)))].sum()
    crowded = held.max(axis=0) / most - shares
    absent = np.where(np.count_nonzero(held, axis=0) < len(ratios), shares, 0)
    return 100 * float(max(crowded.max(), absent.max()))


def by_group(case: Case) -> Ints:
    """(G, K) pixels of each class in each group."""
    held = np.zeros((case.groups.max() + 1, case.pixels.shape[1]), np.int64)
    np.add.at(held, case.groups, case.pixels)
    return held


def cases(work: Path) -> list[Case]:
    """The real labels, as tables of pixels."""
    out = []
    for name, source in {"COCO mini": MINI, "LVIS": DATA / "coco/lvis/lvis_val_100.json"}.items():
        dataset = convert("coco", source, work / name, images="none")
        pixels = np.zeros((len(dataset), len(dataset.labels.classes)), np.int64)
        for row, sample in enumerate(dataset):
            for value, n in sample.counts.items():
                if value != dataset.labels.ignore:
                    pixels[row, value] = n
        out.append(Case(name, pixels, np.arange(len(pixels))))
    files = sorted((DATA / "camvid").glob("*annot/*.png"), key=lambda path: path.stem)
    counts = np.stack([np.bincount(np.asarray(Image.open(path)).ravel(), minlength=12)[:11] for path in files])
    out.append(Case("CamVid", counts, np.arange(len(files))))
    scenes = {name: i for i, name in enumerate(sorted({scene(path.stem) for path in files}))}
    out.append(Case("CamVid, scenes", counts, np.array([scenes[scene(path.stem)] for path in files])))
    return out


def scene(stem: str) -> str:
    """CamVid's films in scenes of 300 frames: 0016E5_07983 -> 0016E5-26."""
    film, frame = re.fullmatch(r"(\w+)_f?(\d+)", stem).groups()  # type: ignore[union-attr]
    return f"{film}-{int(frame) // 300}"


# Contenders


def with_segdata(case: Case, ratios: Floats, seed: int) -> Ints:
    """`segdata.ops.split.balance`, on the table that `segdata split` makes of a manifest."""
    optional = range(case.pixels.shape[1])  # as with --allow-missing all
    return balance(table_of(case), case.groups, ratios, optional=optional, seed=seed)[case.groups]


def table_of(case: Case) -> ImageCounts:
    """The pixels as `balance` takes them."""
    image, class_id = np.nonzero(case.pixels)
    void = np.zeros(len(case.pixels), np.int64)
    held = case.pixels[image, class_id]
    return ImageCounts(image, class_id, held, case.pixels.sum(axis=1), void, case.pixels.shape[1])


def at_random(case: Case, ratios: Floats, seed: int) -> Ints:
    """Assign groups in random order until each split has its images."""
    order = np.random.default_rng(seed).permutation(case.groups.max() + 1)
    sizes = np.bincount(case.groups)[order]
    middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    splits = np.empty(len(order), np.int64)
    splits[order] = np.searchsorted(np.cumsum(ratios)[:-1], middle, "right")
    return splits[case.groups]


def with_sklearn(
    case: Case, ratios: Floats, seeds: int, work: Path, ways: tuple[str, ...] = WAYS
) -> tuple[dict[str, list[Ints]], dict[str, float]]:
    """The splits of each way, one per seed, and the median seconds. Unequal ratios of tenths are combined from ten folds."""
    source, out = work / "in.npz", work / "out.npz"
    equal = np.ptp(ratios) < 1e-9
    folds = len(ratios) if equal else 10
    np.savez(source, pixels=case.pixels, groups=case.groups)
    python = BUILD / "scikit-learn/bin/python"
    command = [python, HERE / "sklearn_split.py", source, out, folds, seeds, *ways]
    subprocess.run([str(part) for part in command], check=True)
    found: dict[str, list[Ints]] = {}
    with np.load(out) as data:
        for name in data:
            if not name.startswith("seconds-"):
                fold = data[name]
                split_of = (
                    np.arange(folds) if equal else np.repeat(np.arange(len(ratios)), np.rint(10 * ratios).astype(int))
                )
                found.setdefault(name.partition("-")[0], []).append(split_of[fold])
        seconds = {name.removeprefix("seconds-"): float(data[name]) for name in data if name.startswith("seconds-")}
    return found, seconds


# Tables


def quality(sizes: Sizes) -> list[str]:
    """Every contender on every case, medians over seeds."""
    seeds = 10 if sizes.rounds > 2 else 2
    lines = [
        f"Medians over {seeds} seeds. *share*: the largest difference of a class's share of the labelled pixels between a split "
        "and all, in percentage points, over all classes and splits; *forced*: what no split with its number of images can "
        "stay under, since an image is in one of them. *part*: how far the part of a class's pixels in a split is from its aim, "
        "at most, in percent of the aim, of the classes that can be divided (no group holds more of one than the smallest split "
        "shall have); n of them. *absent*: how often a class with groups enough is absent from a split. *samples*: how far the "
        "number of images is from its aim. StratifiedGroupKFold takes one label a row: *largest* and *rarest* give it a row a "
        "image, with that class; *pixels* a row for every 1000 pixels of every class, so that it sees the same as segdata. "
        "80/10/10 is made of ten folds of it.",
        "",
    ]
    rows, targets = [], []
    with TemporaryDirectory() as folder:
        for case in cases(Path(folder)):
            for title, ratios in {"5 folds": np.full(5, 0.2), "80/10/10": np.array([0.8, 0.1, 0.1])}.items():
                say(f"{case.name}, {title}")
                found = {OURS: [with_segdata(case, ratios, seed) for seed in range(seeds)]}
                by_sklearn, _ = with_sklearn(case, ratios, seeds, Path(folder))
                found |= {f"StratifiedGroupKFold, {way}": by_sklearn[way] for way in WAYS if way in by_sklearn}
                found[RANDOM] = [at_random(case, ratios, seed) for seed in range(2 * seeds)]
                each = {name: [judge(case, s, ratios) for s in splits] for name, splits in found.items()}
                rows += shown(case, title, {name: medians(all_of) for name, all_of in each.items()}, ratios)
                targets += compared(case, title, each)
    head = "data | contender | share | part | absent | samples"
    told = (
        "Segdata's median over seeds, and the best of five seeds (0 to 4) of any other contender: at most that, for each measure "
        "by itself."
    )
    return [*lines, *table(head, rows), "", told, "", *targets]


def medians(all_of: list[Quality]) -> Quality:
    """The median of each measure."""
    return Quality(*(statistics.median(getattr(q, name) for q in all_of) for name in Quality.__slots__))


def shown(case: Case, title: str, judged: Mapping[str, Quality], ratios: Floats) -> list[list[str]]:
    """One row per contender; the first one also describes the case."""
    whole = case.pixels.sum(axis=0)
    held = by_group(case)[:, whole > 0]
    divisible = np.count_nonzero(held.max(axis=0) / whole[whole > 0] <= ratios.min())
    facts = (
        f"{case.name}, {title}: {len(case.pixels)} images, {len(held)} groups, {held.shape[1]} classes, "
        f"n {divisible}, forced {forced(case, ratios):.2f}"
    )
    return [
        [
            facts if name == OURS else "",
            name,
            f"{q.share:.2f}",
            f"{q.part:.1f} %",
            f"{q.absent:g}",
            f"{q.samples:.0f} %",
        ]
        for name, q in judged.items()
    ]


def compared(case: Case, title: str, each: Mapping[str, list[Quality]]) -> list[str]:
    """A line: segdata's median of every measure beside the best of five seeds of any of the others."""
    ours = medians(each[OURS])
    others = [quality for name, found in each.items() if name != OURS for quality in found[:5]]
    best = {measure: min(getattr(quality, measure) for quality in others) for measure in Quality.__slots__}
    told = [f"{measure} {getattr(ours, measure):.2f} and {least:.2f}" for measure, least in best.items()]
    worse = [measure for measure, least in best.items() if getattr(ours, measure) > least + 1e-9]
    verdict = f"NOT met: {', '.join(worse)}" if worse else "met"
    return [f"- {case.name}, {title}: {', '.join(told)} (**{verdict}**)"]


def scale(sizes: Sizes) -> list[str]:
    """A table as large as COCO train: seconds, and the distance from the aim."""
    number = sizes.full[0]
    with TemporaryDirectory() as folder:
        mini = cases(Path(folder))[0].pixels
        rng = np.random.default_rng(0)
        pixels = (mini[np.arange(number) % len(mini)] * rng.uniform(0.5, 1.5, (number, mini.shape[1]))).astype(np.int64)
        case = Case("large", pixels, np.arange(number))
        ratios = np.full(5, 0.2)
        with_segdata(Case("small", mini, np.arange(len(mini))), ratios, 0)  # compiles
        start = time.perf_counter()
        ours = with_segdata(case, ratios, 0)
        seconds = time.perf_counter() - start
        found, theirs = with_sklearn(case, ratios, 1, Path(folder), ("largest",))
    rows = [[OURS, f"{seconds:.1f}", f"{judge(case, ours, ratios).part:.2f} %"]]
    rows += [
        [f"StratifiedGroupKFold, {way}", f"{theirs[way]:.1f}", f"{judge(case, splits[0], ratios).part:.2f} %"]
        for way, splits in found.items()
    ]
    rows.append([RANDOM, "", f"{judge(case, at_random(case, ratios, 0), ratios).part:.2f} %"])
    return [
        f"{number:,} images of 81 classes, those of COCO mini repeated with other pixels, in 5 folds; the assignment alone.",
        "",
        *table("contender | seconds | part", rows),
    ]


TABLES: dict[str, tuple[str, Measure]] = {
    "balance": ("How well splits are balanced", quality),
    "scale": ("Splitting as many images as COCO has", scale),
}


if __name__ == "__main__":
    measure_tables(__doc__, TABLES)
