"""How often `segdata monitor` cries out although nothing has drifted, what it finds, and how wrong its estimates are.

    python tools/bench/bench_monitor.py CHECKPOINT DATASET FOLDER --split val --others tp r0
    python tools/bench/bench_monitor.py CHECKPOINT DATASET FOLDER --split val --parts alarms --runs 2000

FOLDER keeps the signals of each variant of the images, so that a second run measures only what is missing. `--others`: splits of
another kind, such as other drives. Everything is drawn with fixed seeds.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.files.rasters import WholeRaster
from segdata.labels import Mask
from segdata.ops.monitor.operation import monitor
from segdata.ops.monitor.result import Monitored
from segdata.prediction.inputs import opened_for
from segdata.prediction.predictor import Predictor, load_predictor
from segdata.prediction.profile import About, Profile, read_profile
from segdata.prediction.signals import Signals, measured
from segdata.prediction.sliding import Input, as_it_is
from segdata.prediction.windows import Sliding

Pixels = NDArray[Any]

RUNS = 200

PARTS = ["estimates", "alarms", "power", "size"]


def scaled(image: Pixels, mask: Mask, factor: float) -> tuple[Pixels, Mask]:
    """Another camera size."""
    size = round(image.shape[1] * factor), round(image.shape[0] * factor)
    smaller: Pixels = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    labels: Mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST).astype(mask.dtype)
    return smaller, labels


VARIANTS: dict[str, Callable[[Pixels, Mask], tuple[Pixels, Mask]]] = {
    "as they are": lambda image, mask: (image, mask),
    "5 % darker": lambda image, mask: ((image * 0.95).astype(image.dtype), mask),
    "20 % darker": lambda image, mask: ((image * 0.8).astype(image.dtype), mask),
    "half as bright": lambda image, mask: ((image * 0.5).astype(image.dtype), mask),
    "blurred, sigma 1": lambda image, mask: (cv2.GaussianBlur(image, (0, 0), 1), mask),
    "blurred, sigma 3": lambda image, mask: (cv2.GaussianBlur(image, (0, 0), 3), mask),
    "three quarters the size": lambda image, mask: scaled(image, mask, 0.75),
}


def signals_of(
    predictor: Predictor, dataset: Dataset, change: Callable[[Pixels, Mask], tuple[Pixels, Mask]]
) -> Iterator[Signals]:
    """Of each image, changed."""
    recipe: Any = getattr(predictor, "recipe", None)

    @contextmanager
    def opened(sample: Sample) -> Iterator[WholeRaster]:
        with opened_for(dataset, sample, predictor) as raster:
            yield WholeRaster(change(raster.read(), dataset.read_mask(sample))[0])

    images = [Input(one, partial(opened, one), as_it_is if recipe is None else recipe.resized) for one in dataset]
    truth = partial(changed_mask, dataset, change)
    for row in measured(images, predictor, Sliding(), name=lambda one: (one.id, None), truth=truth):
        if isinstance(row, Signals):
            yield row


def changed_mask(dataset: Dataset, change: Callable[[Pixels, Mask], tuple[Pixels, Mask]], sample: Sample) -> Mask:
    """The truth of a changed image."""
    return change(np.zeros((*sample.size, 3), np.uint8), dataset.read_mask(sample))[1]


def profile_of(
    predictor: Predictor, dataset: Dataset, name: str, folder: Path, variant: str = "as they are"
) -> Profile:
    """The signals of a split, kept in the folder."""
    path = folder / f"{name}-{variant.replace(' ', '-').replace('%', 'percent').replace(',', '')}.jsonl"
    if not path.exists():
        about = About.of(predictor.labels, "bench")
        Profile(about, tuple(signals_of(predictor, dataset, VARIANTS[variant]))).save(path)
        print(f"measured {path.name}", flush=True)
    return read_profile(path)


def drawn(profile: Profile, places: Sequence[int] | NDArray[Any]) -> Profile:
    """Some of its images."""
    return replace(profile, rows=tuple(profile.rows[i] for i in places))


def runs(
    old: Profile, new: Profile, same: bool, count: int, old_size: int, new_size: int, **options: Any
) -> list[Monitored]:
    """Comparisons of images drawn by chance; of one set, none is on both sides."""
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(old.rows))
        held = order[old_size : old_size + new_size] if same else rng.permutation(len(new.rows))[:new_size]
        found.append(
            monitor(drawn(old, order[:old_size]), drawn(new, held), permutations=199, seed=seed + 10**6, **options)
        )
    return found


def rate(found: Sequence[Monitored], aspect: str | None = None) -> str:
    """In how many an alarm was raised, or one of that aspect."""
    hits = sum(bool(one.drifted) if aspect is None else aspect in one.drifted for one in found)
    return f"{100 * hits / len(found):.3g} %"


def false_alarms(profile: Profile, count: int) -> None:
    """Images of one drive: drawn by chance they can be exchanged; one half after the other they cannot."""
    print(f"\n| images of one set, alpha 5 % | alarms in {count} comparisons |\n|---|---|")
    for old, new in ((50, 50), (60, 30), (30, 10)):
        found = runs(profile, profile, True, count, old, new)
        print(f"| {old} against {new}, drawn by chance | {rate(found)} |", flush=True)
    half = len(profile.rows) // 2
    first, last = drawn(profile, range(half)), drawn(profile, range(half, len(profile.rows)))
    for resample in ("image", "block:5", "block:10"):
        one = monitor(first, last, resample=resample)
        print(
            f"| the first half of the drive against the second, {resample} | {len(one.drifted)} of {len(one.findings)} aspects |"
        )


def power(predictor: Predictor, dataset: Dataset, split: str, others: Sequence[str], folder: Path, count: int) -> None:
    """What is found of 50 images against 25 others, and against 10."""
    plain = profile_of(predictor, dataset.split(split), split, folder)
    print(f"\n| drift, in {count} comparisons | of 25 images | of 10 | what of 25 |\n|---|---|---|---|")
    cases = [
        (v, profile_of(predictor, dataset.split(split), split, folder, v), True) for v in VARIANTS if v != "as they are"
    ]
    cases += [
        (f"the drive {other}", profile_of(predictor, dataset.split(other), other, folder), False) for other in others
    ]
    shares = np.array([row.pixels for row in plain.rows]) / plain.rows[0].total
    for name, number in ((plain.labels.names[i], i) for i in np.argsort(-np.median(shares, axis=0))[:6]):
        lacking = np.flatnonzero(shares[:, number] < np.quantile(shares[:, number], 0.3))
        if len(lacking) >= 25 and np.median(shares[:, number]) > 0.01:
            cases.append((f"the 30 % of the images with the least {name}", drawn(plain, lacking), False))
    for name, profile, paired in cases:
        many, few = (found_of(plain, profile, paired, count, size) for size in (25, 10))
        aspects = [(rate(many, one.aspect), one.aspect) for one in many[0].findings]
        told = ", ".join(f"{aspect} {share}" for share, aspect in aspects if share != "0 %")
        print(f"| {name} | {rate(many)} | {rate(few)} | {told} |", flush=True)


def found_of(plain: Profile, changed: Profile, paired: bool, count: int, size: int) -> list[Monitored]:
    """Of one set of images, none is on both sides, as it is and changed."""
    return runs(plain, changed, paired, count, 50, size)


def estimates(predictor: Predictor, dataset: Dataset, split: str, others: Sequence[str], folder: Path) -> None:
    """What is right by confidence and by thresholds, beside what is right."""
    plain = profile_of(predictor, dataset.split(split), split, folder)
    print(
        "\n| right pixels | measured | by confidence | off by | by thresholded confidence | off by |\n|---|---|---|---|---|---|"
    )
    sets = [(v, profile_of(predictor, dataset.split(split), split, folder, v)) for v in VARIANTS]
    sets += [(f"the drive {other}", profile_of(predictor, dataset.split(other), other, folder)) for other in others]
    for name, profile in sets:
        found = monitor(plain, profile, permutations=199).estimate
        judged, right = (sum(sum(getattr(row, field) or ()) for row in profile.rows) for field in ("judged", "right"))
        true = right / judged
        cells = [
            f"{100 * value:.1f} % | {100 * (value - true):+.1f}" for value in (found.confidence, found.atc) if value
        ]
        print(f"| {name} | {100 * true:.1f} % | {' | '.join(cells)} |")


def size(profile: Profile, folder: Path) -> None:
    """A stream of 100,000 images: time and memory."""
    path = folder / "stream.jsonl"
    if not path.exists():
        many = tuple(replace_id(profile.rows[i % len(profile.rows)], i) for i in range(100_000))
        replace(profile, rows=many).save(path)
    begun = time.perf_counter()
    monitor(profile, path)
    seconds = time.perf_counter() - begun
    tracemalloc.start()
    monitor(profile, path)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    what = f"a stream of 100,000 images, {path.stat().st_size / 2**20:.0f} MiB"
    print(f"\n{what}: {seconds:.0f} s, {peak:.0f} MiB of Python memory")


def replace_id(row: Signals, number: int) -> Signals:
    """The same image under another name."""
    import msgspec

    return msgspec.structs.replace(row, id=f"{number:07}")


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("dataset")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--others", nargs="*", default=[])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    predictor, dataset = load_predictor(given.checkpoint), Dataset.open(given.dataset)
    plain = profile_of(predictor, dataset.split(given.split), given.split, given.folder)
    if "estimates" in given.parts:
        estimates(predictor, dataset, given.split, given.others, given.folder)
    if "alarms" in given.parts:
        false_alarms(plain, given.runs)
    if "power" in given.parts:
        power(predictor, dataset, given.split, given.others, given.folder, given.runs // 2)
    if "size" in given.parts:
        size(plain, given.folder)


if __name__ == "__main__":
    main()
