"""What `segdata pick` is worth: CamVid labelled little by little, as it picks and at random, each time with a model trained anew.

    python tools/bench/bench_pick.py WORK [--strategy NAME ...] [--seeds 3] [--rounds 5] [--encoder NAME --weights imagenet]
    python tools/bench/bench_pick.py WORK --heads --seeds 10       # heads on a frozen encoder: minutes a seed, not hours
    python tools/bench/bench_pick.py WORK [--heads] --table        # what is there so far

Images of 96 x 128 from ../shared/data. CamVid's val is of one drive of three, so that what helps with the others would not show
there: the last fifth of the frames of either other drive is validated on, too. Each seed begins with the same tenth of the
training images for all strategies, drawn at random; each round adds another tenth, picked by the model of the round before, and
trains from the start for as many updates. WORK keeps every run: the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import cv2
import msgspec
import numpy as np
import torch

import pick_heads
import segdata
from inputs import CAMVID, DATA
from measure import say
from results import table
from segdata import Dataset

SIZE = (96, 128)
FULL = "full"
ENOUGH = 0.95
"""The part of the mIoU with all images that is to be reached."""

BUDGET: dict[str, Any] = {
    "model": "unet", "encoder_rate": 0.3, "epochs": 8, "steps": 96, "val_every": 8, "batch": 4, "lr": 2e-3, "loss": "ce+dice",
    "recipe": "light", "threads": 1, "channels_last": True, "images": 0, "tensorboard": False,
}  # fmt: skip


def small(work: Path) -> Dataset:
    """CamVid's train and val at `SIZE`, made once."""
    if not (work / "data").is_dir():
        for path in sorted((DATA / "camvid").rglob("*.*")):
            labels = path.parent.name.endswith("annot")
            how = cv2.INTER_NEAREST_EXACT if labels else cv2.INTER_AREA
            there = work / "small" / path.parent.name / f"{path.stem}.png"
            read = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
            there.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(there), cv2.resize(read, SIZE[::-1], interpolation=how))
        (work / "classes.txt").write_text("\n".join(CAMVID))
        segdata.convert(
            "masks", work / "small", work / "data", image_dir="{split}", mask_dir="{split}annot",
            classes=work / "classes.txt", values={11: "ignore"},
        )  # fmt: skip
    return validated(Dataset.open(work / "data"))


def validated(dataset: Dataset) -> Dataset:
    """The same, the last fifth of the frames of each drive that val does not have in val too."""
    drives: dict[str, list[str]] = {}
    for sample in dataset:
        drives.setdefault(drive(sample.id), []).append(sample.id)
    own = {drive(sample.id) for sample in dataset.split("val")}
    last = {id for name, ids in drives.items() if name not in own for id in sorted(ids)[-(len(ids) // 5) :]}
    return replace(dataset, samples=[msgspec.structs.replace(s, split="val") if s.id in last else s for s in dataset])


def drive(id: str) -> str:
    """0016E5 of val/0016E5_07959."""
    return id.split("/")[1].split("_")[0]


def only(dataset: Dataset, ids: set[str]) -> Dataset:
    """Its val, and of train the images `ids` alone."""
    return dataset.select(lambda sample: sample.split == "val" or sample.id in ids)


def trained(dataset: Dataset, run: Path, seed: int, options: dict[str, Any]) -> tuple[float, float]:
    """The mIoU, in %, after the last update: on all that is validated on, and on CamVid's own val."""
    made = segdata.train(dataset, run, **options, seed=seed)
    own = dataset.select(lambda sample: sample.id.startswith("val/"))
    pred = segdata.predict(run / "last.pt", own, run.with_name(f"{run.name}-val"), size=SIZE)
    return 100 * float(made.rows[-1]["mean_iou"]), 100 * segdata.evaluate(pred, own, draws=0).confusion.mean_iou


def picked(dataset: Dataset, run: Path, ids: set[str], step: int, seed: int, strategy: Any) -> set[str]:
    """`ids`, and those that are picked by the model of `run` among all of train."""
    pool = segdata.predict(run / "last.pt", dataset, run.with_name(f"{run.name}-pred"), split="train", size=SIZE)
    labelled = replace(dataset, samples=[sample for sample in dataset if sample.id in ids])
    made = segdata.pick(pool, n=step, strategy=strategy, labelled=labelled, seed=seed)
    return ids | {one.id for one in made.images}


def whole_models(
    dataset: Dataset, work: Path, strategy: str, seed: int, rounds: int, options: dict[str, Any]
) -> Iterator[tuple[int, tuple[float, float]]]:
    """How many images were labelled in each round, and what that comes to."""
    every = sorted(sample.id for sample in dataset.split("train"))
    if strategy == FULL:
        yield len(every), trained(dataset, work / f"{seed}-full", seed, options)
        return
    step = round(len(every) / 10)
    ids = set(np.random.default_rng(seed).permutation(every)[:step].tolist())
    run = work / f"{seed}-first"
    for number in range(rounds + 1):
        yield len(ids), trained(only(dataset, ids), run, seed, options)
        if number < rounds:
            ids = picked(dataset, run, ids, step, seed, strategy)
            run = work / f"{seed}-{strategy}-{number + 1}"


Arm = Callable[[str, int], Iterator[tuple[int, tuple[float, float]]]]
"""Of a strategy and a seed: how many images were labelled in each round, and the mIoU on all drives and on CamVid's val."""


def measure(work: Path, strategies: list[str], seeds: int, rounds: int, arm: Arm) -> None:
    """All arms, seed by seed; what is done is in results.jsonl, a line per round."""
    for seed in range(seeds):
        for strategy in (FULL, *strategies):
            done = {row["images"] for row in rows(work) if (row["seed"], row["strategy"]) == (seed, strategy)}
            if len(done) == (1 if strategy == FULL else rounds + 1):
                continue
            for images, (iou, own) in arm(strategy, seed):
                if images not in done:
                    row = {"seed": seed, "strategy": strategy, "images": images, "iou": iou, "own": own}
                    with (work / "results.jsonl").open("a") as file:
                        file.write(json.dumps(row) + "\n")
                    say(f"seed {seed}, {strategy}: {images} images, mIoU {iou:.2f}, on CamVid's val {own:.2f}")


def rows(work: Path) -> list[dict[str, Any]]:
    """What is done."""
    path = work / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def reached(curve: dict[int, float], wanted: float) -> str:
    """With how many images the mean curve first comes to `wanted`, between two rounds by a straight line."""
    last = (0, 0.0)
    for images, iou in sorted(curve.items()):
        if iou >= wanted:
            part = 1.0 if last[0] == 0 else (wanted - last[1]) / (iou - last[1])
            return f"{'up to ' if last[0] == 0 else ''}{last[0] + part * (images - last[0]):.0f}"
        last = images, iou
    return f"over {last[0]}"


def report(work: Path) -> list[str]:
    """The mean curves, and where each comes to `ENOUGH` of the mIoU with all images."""
    lines = [f"torch {torch.__version__}; {(work / 'options.json').read_text()}"]
    for key, what in {"iou": "all three drives", "own": "CamVid's val"}.items():
        found: dict[str, dict[int, list[float]]] = {}
        for row in rows(work):
            found.setdefault(row["strategy"], {}).setdefault(row["images"], []).append(row[key])
        if FULL in found:
            lines += curves(found, what)
    return lines


def curves(found: dict[str, dict[int, list[float]]], what: str) -> list[str]:
    """The table of one measure."""
    ((every, values),) = found.pop(FULL).items()
    wanted = ENOUGH * fmean(values)
    sizes = sorted({images for one in found.values() for images in one})
    cells = [
        [name, *(told(one.get(images, [])) for images in sizes), reached({n: fmean(v) for n, v in one.items()}, wanted)]
        for name, one in found.items()
    ]
    told_of = f"{what}: with all {every} images {told(values)}, {ENOUGH:.0%} of that is {wanted:.1f}; mean ± deviation (seeds)"
    return [
        "",
        told_of,
        "",
        *table(f"mIoU, % with images | {' | '.join(map(str, sizes))} | images for {wanted:.1f}", cells),
    ]


def told(values: list[float]) -> str:
    """The mean, the deviation over seeds, and how many seeds."""
    if len(values) < 2:
        return "".join(f"{value:.1f}" for value in values)
    return f"{fmean(values):.1f} ± {stdev(values):.1f} ({len(values)})"


def main() -> None:
    """Measure, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--strategy", nargs="+", default=["random", "combined"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encoder", default="mobilenet_v2")
    parser.add_argument("--weights")
    parser.add_argument("--heads", action="store_true")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    options = {**BUDGET, "encoder": given.encoder, "encoder_weights": given.weights}
    if given.heads:
        options = {"heads": pick_heads.UPDATES, "places": pick_heads.PLACES}
    if not given.table:
        (given.work / "options.json").write_text(json.dumps(options))
        dataset = small(given.work)
        known = pick_heads.known_of(dataset) if given.heads else None

        def arm(strategy: str, seed: int) -> Iterator[tuple[int, tuple[float, float]]]:
            if known is not None:
                return pick_heads.arm(known, strategy, seed, given.rounds, given.work)
            return whole_models(dataset, given.work, strategy, seed, given.rounds, options)

        measure(given.work, given.strategy, given.seeds, given.rounds, arm)
    print("\n".join(report(given.work)))


if __name__ == "__main__":
    main()
