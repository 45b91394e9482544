"""How many planted label errors `segdata suspects` ranks first, compared with cleanlab on the same scores.

    python tools/bench/bench_suspects.py PRED TRUTH [--split S] [--share 0.05] [--seeds 0 1 2] [--record]

PRED are predictions with scores, made by a model that was not trained on TRUTH (`segdata predict --scores`). Errors are planted
in the share of the regions of TRUTH: of each kind of plant_errors.py for itself, and of all kinds together; with each seed. Needs
cleanlab in an environment of its own, which tools/bench/peers.sh makes.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from asked import Asked
from measure import say
from plant_errors import KINDS, LEAST, Piece, Planted, components, plant
from results import machine, peer_versions, record, table
from segdata import Dataset, suspects, write_mask
from segdata.dataset.job import folder_name
from segdata.files.scores import read_scores
from segdata.labels import Mask

THRESHOLD = 0.1

OURS = "segdata suspects"
LARGEST = "cleanlab's pixels below 0.1, the largest regions first"
LIKELIEST = "the same, the least probable first"

ALL = "all kinds together"

Listed = tuple[str, Piece]
"""A region that a ranking lists: its sample, and its pixels."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Errors that were planted, how many are among as many regions, twice as many and all; and regions listed. They add."""

    planted: int = 0
    first: int = 0
    twice: int = 0
    anywhere: int = 0
    listed: int = 0

    @classmethod
    def of(cls, ranking: Sequence[Listed], errors: Sequence[Planted]) -> Outcome:
        """Of one ranking."""
        places = [found_at(ranking, error) for error in errors]
        first, twice, anywhere = (sum(p < n for p in places) for n in (len(errors), 2 * len(errors), len(ranking)))
        return cls(len(errors), first, twice, anywhere, len(ranking))

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def cells(self) -> list[str]:
        """Of the table."""
        return [f"{n} ({n / self.planted:.0%})" for n in (self.first, self.twice, self.anywhere)] + [f"{self.listed}"]


def found_at(ranking: Sequence[Listed], error: Planted) -> float:
    """The place of the first region whose IoU with the error, or with a piece of it, is 0.5 or more; infinite if none is."""
    for place, (sample, region) in enumerate(ranking):
        if sample == error.sample and any(region.iou(piece) >= 0.5 for piece in error.pieces):
            return place
    return float("inf")


def written(truth: Dataset, masks: Mapping[str, Mask], root: Path) -> Dataset:
    """The dataset with these masks, under `root`."""
    samples = []
    for sample in truth:
        digest = hashlib.sha256(write_mask(root / sample.mask, masks[sample.id])).hexdigest()
        samples.append(msgspec.structs.replace(sample, sha256=digest))
    return replace(truth, root=root, samples=samples)


def by_segdata(pred: Dataset, truth: Dataset) -> tuple[float, dict[str, float], dict[str, list[Listed]]]:
    """Seconds, each image's score, and the ranking."""
    start = time.perf_counter()
    found = suspects(pred, truth, min_area=LEAST)
    seconds = time.perf_counter() - start
    ranking = [(one.sample, Piece(one.region.slices, one.region.inside)) for one in found.regions]
    return seconds, {image.sample: image.score for image in found.images}, {OURS: ranking}


def by_cleanlab(pred: Dataset, truth: Dataset, work: Path) -> tuple[float, dict[str, float], dict[str, list[Listed]]]:
    """Seconds, each image's score, and rankings of the regions whose pixels cleanlab scores below its threshold."""
    stored = {sample.id: sample.scores for sample in pred}
    seconds, scores = 0.0, {}
    regions: list[tuple[int, float, Listed]] = []
    with Asked("cleanlab", "cleanlab_answers.py", work) as ask:
        for sample in truth:
            mask, probs = truth.read_mask(sample), read_scores(pred.root / str(stored[sample.id]))
            known = mask != truth.labels.ignore
            np.savez(work / "0.npz", labels=mask[known].astype(np.int64), probs=probs[:, known])
            seconds += ask("0")
            answer = np.load(work / "0-out.npz")
            scores[sample.id] = float(answer["score"])
            quality = np.ones(mask.shape)
            quality[known] = answer["pixels"]
            for piece in components(quality < THRESHOLD):
                mean = float(quality[piece.where][piece.inside].mean())
                regions.append((-int(np.count_nonzero(piece.inside)), mean, (sample.id, piece)))
    rankings = {
        LARGEST: [one for _, _, one in sorted(regions, key=lambda r: r[0])],
        LIKELIEST: [one for _, _, one in sorted(regions, key=lambda r: r[1])],
    }
    return seconds, scores, rankings


def compare(pred: Dataset, truth: Dataset, share: float, seeds: Sequence[int]) -> list[str]:
    """The table."""
    held = {sample.id for sample in pred if sample.scores is not None}
    truth = truth.select(lambda sample: sample.id in held)
    masks = {sample.id: truth.read_mask(sample) for sample in truth}
    outcomes: dict[tuple[str, str], Outcome] = defaultdict(Outcome)
    seconds, apart = np.zeros(2), 0.0
    for title, kinds in [*((kind, (kind,)) for kind in KINDS), (ALL, tuple(KINDS))]:
        for seed in seeds:
            wrong, errors, count = plant(masks, truth.labels, kinds, share, seed)
            say(f"{title}, seed {seed}: {len(errors)} errors in {count} regions")
            with TemporaryDirectory() as folder:
                planted = written(truth, wrong, Path(folder))
                answers = by_segdata(pred, planted), by_cleanlab(pred, planted, Path(folder))
            seconds += [answer[0] for answer in answers]
            (_, ours, _), (_, theirs, _) = answers
            apart = max([apart, *(abs(score - theirs[id]) for id, score in ours.items())])
            for name, ranking in chain.from_iterable(rankings.items() for _, _, rankings in answers):
                outcomes[title, name] += Outcome.of(ranking, errors)
    rows = [[title, f"{out.planted}", name, *out.cells] for (title, name), out in outcomes.items()]
    ours, theirs = seconds / (len(seeds) * (len(KINDS) + 1))
    return [
        f"{folder_name(truth)}: {len(truth)} images; errors in {share:.0%} of its {count} regions of {LEAST} pixels and more, "
        f"of each kind for itself and of all together, sums over seeds {', '.join(map(str, seeds))}. Found: the IoU of a listed "
        "region with an error, or with a connected piece of it, is 0.5 or more; `first`: among as many as were planted.",
        "",
        *table("errors | planted | ranking | first | first twice as many | anywhere | regions listed", rows),
        "",
        f"Scores of images are cleanlab's to within {apart:.1e}. `segdata suspects`, reading included: {ours:.1f} s; "
        f"cleanlab's scores alone, arrays in memory: {theirs:.1f} s.",
    ]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pred")
    parser.add_argument("truth")
    parser.add_argument("--split", help="of TRUTH")
    parser.add_argument("--share", type=float, default=0.05, help="how many of the regions get an error")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--record", action="store_true", help="put the table into RESULTS.md")
    given = parser.parse_args()
    truth = Dataset.open(given.truth)
    truth = truth if given.split is None else truth.split(given.split)
    title = f"Planted label errors, {folder_name(truth)}"
    options = f"--share {given.share:g} --seeds {' '.join(map(str, given.seeds))}"
    options = options if given.split is None else f"--split {given.split} {options}"
    lines = [
        f"`python tools/bench/bench_suspects.py PRED TRUTH {options}`, {machine(peer_versions())}",
        "",
        *compare(Dataset.open(given.pred), truth, given.share, given.seeds),
    ]
    print(f"## {title}", "", *lines, "", sep="\n", flush=True)
    if given.record:
        record(title, lines)


if __name__ == "__main__":
    main()
