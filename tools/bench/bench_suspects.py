"""How many planted label errors `segdata suspects` ranks first, compared with cleanlab on the same scores.

    python tools/bench/bench_suspects.py PRED TRUTH [--split S] [--share 0.05] [--record]

PRED are predictions with scores, made by a model that was not trained on TRUTH (`segdata predict --scores`). The share of the
connected regions of TRUTH with 64 pixels or more gets another class at random. Needs cleanlab in an environment of its
own, which tools/bench/peers.sh makes.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from asked import Asked
from measure import say
from results import machine, peer_versions, record, table
from segdata import Dataset, suspects, write_mask
from segdata.dataset.job import folder_name
from segdata.files.scores import read_scores

LEAST = 64
THRESHOLD = 0.1
Binary = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A region that a ranking lists: its place and its pixels."""

    sample: str
    where: tuple[slice, slice]
    inside: Binary


def components(binary: Binary) -> list[tuple[tuple[slice, slice], Binary]]:
    """The connected regions of `LEAST` pixels and more, in boxes."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(binary.astype(np.uint8), connectivity=8)
    out = []
    for i, (x, y, w, h, area) in enumerate(np.asarray(stats[1:]).tolist(), 1):
        if area >= LEAST:
            box = slice(y, y + h), slice(x, x + w)
            out.append((box, np.asarray(numbers[box] == i)))
    return out


def plant(truth: Dataset, root: Path, share: float) -> tuple[Dataset, list[Listed], int]:
    """The dataset with wrong labels under `root`, the regions that have them, and how many regions there are."""
    rng = np.random.default_rng(0)
    masks = {sample.id: truth.read_mask(sample).copy() for sample in truth}
    regions = [
        (id, value, *one)
        for id, mask in masks.items()
        for value in range(len(truth.labels.classes))
        for one in components(mask == value)
    ]
    wrong = []
    for i in sorted(rng.choice(len(regions), round(share * len(regions)), replace=False)):
        id, value, box, inside = regions[i]
        others = [c for c in range(len(truth.labels.classes)) if c != value]
        masks[id][box][inside] = rng.choice(others)
        wrong.append(Listed(id, box, inside))
    samples = []
    for sample in truth:
        digest = hashlib.sha256(write_mask(root / sample.mask, masks[sample.id])).hexdigest()
        samples.append(msgspec.structs.replace(sample, sha256=digest))
    return replace(truth, root=root, samples=samples), wrong, len(regions)


def found_among(listed: list[Listed], wrong: list[Listed], masks: dict[str, tuple[int, int]]) -> int:
    """How many planted regions agree with a listed one: IoU of 0.5 or more."""
    by_sample = defaultdict(list)
    for one in listed:
        by_sample[one.sample].append(one)
    count = 0
    for planted in wrong:
        for one in by_sample[planted.sample]:
            canvas = np.zeros(masks[planted.sample], bool)
            canvas[one.where] = one.inside
            both = np.count_nonzero(canvas[planted.where] & planted.inside)
            if 2 * both >= np.count_nonzero(one.inside) + np.count_nonzero(planted.inside) - both:
                count += 1
                break
    return count


def by_cleanlab(pred: Dataset, truth: Dataset, work: Path) -> tuple[float, dict[str, float], dict[str, list[Listed]]]:
    """Seconds, each image's score, and rankings of the regions whose pixels cleanlab scores below its threshold."""
    stored = {sample.id: sample.scores for sample in pred}
    seconds, scores = 0.0, {}
    regions: list[tuple[float, float, Listed]] = []
    with Asked("cleanlab", "cleanlab_answers.py", work) as ask:
        for number, sample in enumerate(truth):
            mask, probs = truth.read_mask(sample), read_scores(pred.root / str(stored[sample.id]))
            known = mask != truth.labels.ignore
            np.savez(work / f"{number}.npz", labels=mask[known].astype(np.int64), probs=probs[:, known])
            seconds += ask(str(number))
            answer = np.load(work / f"{number}-out.npz")
            scores[sample.id] = float(answer["score"])
            quality = np.ones(mask.shape)
            quality[known] = answer["pixels"]
            for where, inside in components(quality < THRESHOLD):
                area, mean = np.count_nonzero(inside), float(quality[where][inside].mean())
                regions.append((-float(area), mean, Listed(sample.id, where, inside)))
    rankings = {
        "cleanlab's pixels below 0.1, the largest regions first": [
            one for _, _, one in sorted(regions, key=lambda r: r[0])
        ],
        "the same, the least probable first": [one for _, _, one in sorted(regions, key=lambda r: r[1])],
    }
    return seconds, scores, rankings


def compare(pred: Dataset, truth: Dataset, share: float) -> list[str]:
    """The table."""
    with TemporaryDirectory() as folder:
        work = Path(folder)
        held = {sample.id for sample in pred if sample.scores is not None}
        truth = truth.select(lambda sample: sample.id in held)
        planted, wrong, count = plant(truth, work, share)
        say(f"{len(wrong)} of {count} regions are relabelled")
        start = time.perf_counter()
        found = suspects(pred, planted, min_area=LEAST)
        ours = time.perf_counter() - start
        seconds, scores, rankings = by_cleanlab(pred, planted, work)
    apart = max(abs(p.score - scores[p.sample]) for p in found.images)
    listed = [Listed(r.sample, r.region.slices, r.region.inside) for r in found.regions]
    sizes = {sample.id: sample.size for sample in truth}
    rows = []
    for name, ranking in {"segdata suspects": listed, **rankings}.items():
        first, tenth, all_of = (found_among(ranking[:n], wrong, sizes) for n in (len(wrong), 2 * len(wrong), None))
        rows.append([name, *(f"{n} ({n / len(wrong):.0%})" for n in (first, tenth, all_of)), f"{len(ranking)}"])
    return [
        f"{folder_name(truth)}: {len(truth)} images; of {count} regions of {LEAST} pixels and more, {len(wrong)} ({share:.0%}) "
        "got another class at random. Found: the IoU of a planted region with one that is listed is 0.5 or more.",
        "",
        *table(f"ranking | first {len(wrong)} | first {2 * len(wrong)} | anywhere | regions listed", rows),
        "",
        f"Scores of images are cleanlab's to within {apart:.1e}. `segdata suspects`, reading included: {ours:.1f} s; "
        f"cleanlab's scores alone, arrays in memory: {seconds:.1f} s.",
    ]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pred")
    parser.add_argument("truth")
    parser.add_argument("--split", help="of TRUTH")
    parser.add_argument("--share", type=float, default=0.05, help="how many of the regions are relabelled")
    parser.add_argument("--record", action="store_true", help="put the table into RESULTS.md")
    given = parser.parse_args()
    truth = Dataset.open(given.truth)
    truth = truth if given.split is None else truth.split(given.split)
    title = "Planted label errors"
    lines = [
        f"`python tools/bench/bench_suspects.py PRED TRUTH --share {given.share:g}`, {machine(peer_versions())}",
        "",
        *compare(Dataset.open(given.pred), truth, given.share),
    ]
    print(f"## {title}", "", *lines, "", sep="\n", flush=True)
    if given.record:
        record(title, lines)


if __name__ == "__main__":
    main()
