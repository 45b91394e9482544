"""Which refinement is worth it: a CRF and steps of morphology tried on predictions with truth, each kept only where it helps.

Images are divided in two: the search sees one part, and the difference is told of both. What is kept gained on the sum over
the search's images, for sure to 95 % (`segdata.metrics.intervals`) over them or their groups; and all of it is dropped where it
loses on the images held out. So it is never worse on either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.match import renamed_like
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, OptionError, Problem
from segdata.executors.run import Run
from segdata.files.png import decode_mask, encode_mask
from segdata.labels import Labels, Mask, must_agree, tally
from segdata.metrics.boundary import Boundary
from segdata.metrics.confusion import Confusion, Ints, Tally
from segdata.metrics.intervals import FEWEST, Columns, spread
from segdata.ops.refine.result import Difference, Trial, Tuned, difference
from segdata.refinement.apply import must_refine, refine_item
from segdata.refinement.lattice import Shelf
from segdata.refinement.morphology import Step, tidy
from segdata.refinement.settings import CrfSettings, Refinement
from segdata.tiling.tiles import must_match, same_ids

CRFS = (
    *(
        CrfSettings(iterations=5, bilateral_sxy=sxy, bilateral_srgb=srgb, bilateral_compat=compat)
        for sxy, srgb, compat in product((30, 80), (5, 13), (4, 10))
    ),
    CrfSettings(iterations=5, bilateral_compat=0),
)
"""The CRFs that are tried: near and far, strict and lax in colour, weak and strong; and one without colour.

Those that differ in weight alone follow each other, and share a lattice.
"""

MOST_STEPS = 8
"""Steps of morphology that are kept at most."""

MOST_CLASSES = 16
"""Classes that steps are tried for one by one: those of most pixels in truth."""

SURE = 0.95
"""How sure it must be that what is kept gains, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Task:
    """The two datasets, without their samples."""

    pred: Dataset
    truth: Dataset
    scores: bool


Pair = tuple[Sample, Sample]
"""A prediction and its truth."""

Held = tuple[bytes, Sample]
"""A prediction's mask, as a PNG, and its truth."""


def tune(
    pred: Dataset | str | Path,
    truth: Dataset | str | Path,
    *,
    split: str | None = None,
    held_out: float | str = 1 / 3,
    scores: bool = True,
    draws: int = 1000,
    seed: int = 0,
    run: Run | None = None,
) -> Tuned:
    """Search the refinement that makes predictions agree better with truth, by mean IoU over classes.

    First the best of `CRFS`, then, one at a time, the step of morphology that gains most, for all classes or one. The gain is
    measured on the images that the search sees and on those that it does not.

    Raises `DatasetError` for predictions and truth that do not belong together, `OptionError`, and `DataError` for the first
    bad file (`run.report` may skip instead).

    Args:
        pred: The dataset of predicted masks, or its folder.
        truth: The dataset of true masks, or its folder.
        split: The split of `truth` that the search may see; several: a,b; all but one: !a.
        held_out: The part of the images, or of the groups that stay together, that the search does not see; or another
            split.
        scores: Start the CRF from the scores of the predictions, if there are any; otherwise from their labels.
        draws: Changes nothing, as intervals are calculated; it is here for older calls.
        seed: The seed of what is held out.
    """
    pred, truth = Dataset.of(pred), Dataset.of(truth)
    run = run or Run()
    if draws < 1 or seed < 0:
        raise OptionError("--draws must be 1 or more, --seed 0 or more")
    must_agree(pred.labels, truth.labels, "the predictions", "truth", "predict with a model trained on these classes")
    pred, _ = renamed_like(pred, truth)
    searched, kept_back = _divide(pred, truth, split, held_out, seed)
    _refuse_few(len(searched))
    task = Task(replace(pred, samples=()), replace(truth, samples=()), scores)
    search = _Search(task, run)
    crf, trials = _choose_crf(search, searched)
    parts = [search.held(pairs, Refinement(crf)) for pairs in (searched, kept_back)]
    _refuse_few(len(parts[0]))
    steps, more = _choose_steps(search, parts[0])
    refinement = Refinement(crf, tuple(steps))
    seen = _worth(search, searched, parts[0], steps)
    unseen = _worth(search, kept_back, parts[1], steps) if parts[1] else None
    tuned = Tuned(refinement, pred.labels, (*trials, *more), seen, unseen)
    if tuned.loses_unseen:
        return replace(tuned, refinement=Refinement(None), trials=[replace(t, kept=False) for t in tuned.trials])
    return tuned


def _refuse_few(images: int) -> None:
    if images < FEWEST:
        raise OptionError(f"{images} images to tune on: there must be {FEWEST} at least, better 50 and more")


def _worth(search: _Search, pairs: Sequence[Pair], held: Sequence[Held], steps: Sequence[Step]) -> Difference:
    """From the predictions as they are to `held`, which are through the CRF, after `steps`."""
    left = {sample.id for _, sample in held}
    before = search.held([pair for pair in pairs if pair[1].id in left], Refinement(None))
    counts = search.measured(before, ()), search.measured(held, steps)
    return difference(*counts, len(held))


def _divide(
    pred: Dataset, truth: Dataset, split: str | None, held_out: float | str, seed: int
) -> tuple[list[Pair], list[Pair]]:
    """The pairs that the search sees, and those that it does not."""

    def pairs_of(name: str | None) -> list[Pair]:
        pairs = same_ids(pred, truth if name is None else truth.split(name))
        if not pairs:
            raise DatasetError(f"{pred.root}: predicts no sample of {truth.root}" + (f", split {name}" if name else ""))
        return pairs

    pairs = pairs_of(split)
    if isinstance(held_out, str):
        held = pairs_of(held_out)
        if split is None or {t.id for _, t in pairs} & {t.id for _, t in held}:
            raise OptionError("--held-out names a split: give another one to tune on with --split")
        return pairs, held
    if not 0 <= held_out < 1:
        raise OptionError(f"--held-out {held_out}: must be a split, or a part from 0 to below 1")

    def drawn(unit: str) -> bytes:
        return hashlib.sha256(f"{seed} {unit}".encode()).digest()

    units = sorted({t.unit for _, t in pairs}, key=drawn)
    back = set(units[: int(held_out * len(units))])
    return [p for p in pairs if p[1].unit not in back], [p for p in pairs if p[1].unit in back]


@dataclass(frozen=True, slots=True)
class _Search:
    """What every pass over images needs."""

    task: Task
    run: Run

    @property
    def labels(self) -> Labels:
        return self.task.truth.labels

    def tallies(self, results: Iterator[tuple[Pair | Held, Ints | Problem]]) -> Ints:
        """(U, C, 3, K): `Tally`'s three counts of each candidate, summed over the images of a unit (`Sample.unit`)."""
        found: dict[str, Ints] = {}
        for (_, truth), result in results:
            if isinstance(result, Problem):
                self.run.report.add(result)
            else:
                unit = truth.unit
                found[unit] = found[unit] + result if unit in found else result
        return np.array(list(found.values()), np.int64)

    def held(self, pairs: Sequence[Pair], refinement: Refinement) -> list[Held]:
        """The masks of images, refined."""
        if refinement.crf is not None:
            must_refine(self.task.pred, refinement)
        out = []
        for (_, truth), mask in self.run.map(partial(_mask_item, task=self.task, refinement=refinement), pairs):
            if isinstance(mask, Problem):
                self.run.report.add(mask)
            else:
                out.append((mask, truth))
        return out

    def measured(self, held: Sequence[Held], steps: Sequence[Step]) -> Ints:
        """(U, 2, 3, K): counts of pixels, and of bands along boundaries, after `steps`."""
        return self.tallies(self.run.map(partial(_measure_item, task=self.task, steps=tuple(steps)), held))

    def helps(self, before: Ints, after: Ints) -> bool:
        """Whether it is sure that (U, 3, K) `after` has a higher mean IoU."""
        first, last = (spread(Columns.from_counts(counts), "mean_iou", paired=True) for counts in (before, after))
        return bool((last - first).sureness()[0] >= SURE)


def mean_iou(tallies: Ints) -> float:
    """Of (U, 3, K), over all images."""
    return float(Tally.of(tallies.sum(axis=0)).mean_iou)


def _choose_crf(search: _Search, pairs: Sequence[Pair]) -> tuple[CrfSettings | None, list[Trial]]:
    """The CRF that gains most, if it helps."""
    if search.task.pred.images == "none":
        return None, []
    must_refine(search.task.pred, Refinement())
    tallies = search.tallies(search.run.map(partial(_crf_item, task=search.task), pairs))
    if not len(tallies):
        return None, []
    before = tallies[:, 0]
    best = max(range(len(CRFS)), key=lambda i: mean_iou(tallies[:, 1 + i]))
    kept = search.helps(before, tallies[:, 1 + best])
    trials = [
        Trial(f"crf {_short(crf)}", mean_iou(tallies[:, 1 + i]) - mean_iou(before), kept and i == best)
        for i, crf in enumerate(CRFS)
    ]
    return (CRFS[best] if kept else None), trials


def _choose_steps(search: _Search, held: Sequence[Held]) -> tuple[list[Step], list[Trial]]:
    """Steps one at a time, each the one that gains most after those before, as long as it helps."""
    labels = search.labels
    candidates = _candidates(held, labels)
    steps: list[Step] = []
    trials: dict[Step, Trial] = {}
    while candidates and held and len(steps) < MOST_STEPS:
        task = partial(_steps_item, labels=labels, truth=search.task.truth, steps=tuple(candidates))
        tallies = search.tallies(search.run.map(task, held))
        before = tallies[:, 0]
        gains = [mean_iou(tallies[:, 1 + i]) - mean_iou(before) for i in range(len(candidates))]
        for step, gain in zip(candidates, gains, strict=True):
            trials[step] = Trial(_named(step, labels), gain, False)
        best = int(np.argmax(gains))
        if not search.helps(before, tallies[:, 1 + best]):
            break
        chosen = candidates[best]
        steps.append(chosen)
        trials[chosen] = replace(trials[chosen], kept=True)
        held = [(encode_mask(tidy(decode_mask(mask), [chosen], labels)), truth) for mask, truth in held]
        candidates = [c for c, gain in zip(candidates, gains, strict=True) if gain > 0 and c != chosen]
    return steps, list(trials.values())


def _candidates(held: Sequence[Held], labels: Labels) -> list[Step]:
    """Steps to try: for all classes and, one by one, for those of most pixels in truth."""
    pixels = np.zeros(labels.ignore + 1, np.int64)
    for _, truth in held:
        for value, n in truth.counts.items():
            pixels[value] += n
    order = np.argsort(-pixels[: len(labels.classes)], kind="stable")[:MOST_CLASSES]
    area = int(np.median([truth.height * truth.width for _, truth in held])) if held else 0
    areas = sorted({max(2, round(area * share)) for share in (0.0001, 0.0005, 0.002)})
    out = [Step("majority", size=size) for size in (3, 5, 9)]
    for classes in (None, *((int(c),) for c in sorted(order) if pixels[c])):
        out += [Step("min_area", classes, area=n) for n in areas]
        out += [Step("fill_holes", classes, area=n) for n in (*areas[-1:], 0)]
        out += [Step("open", classes, size=size) for size in (3, 7)]
        out += [Step("close", classes, size=size) for size in (3, 7)]
        out.append(Step("largest", classes))
    return out


def _crf_item(pair: Pair, task: Task) -> Ints:
    """(1 + C, 3, K): the prediction as it is, and after each of `CRFS`. Raises `DataError`."""
    pred, truth = pair
    must_match(pred.size, truth.size, truth.id)
    right = task.truth.read_mask(truth)
    refinements = [Refinement(None), *(Refinement(crf) for crf in CRFS)]
    shelf = Shelf()
    masks = [refine_item(task.pred, [pred], refinement, task.scores, shelf) for refinement in refinements]
    return np.stack([_tally(right, mask, task.truth.labels) for mask in masks])


def _mask_item(pair: Pair, task: Task, refinement: Refinement) -> bytes:
    """The refined mask as a PNG. Raises `DataError`, also for a bad mask of truth: its sample is then left out once, here."""
    pred, truth = pair
    must_match(pred.size, truth.size, truth.id)
    task.truth.read_mask(truth)
    return encode_mask(refine_item(task.pred, [pred], refinement, task.scores))


def _steps_item(held: Held, labels: Labels, truth: Dataset, steps: Sequence[Step]) -> Ints:
    """(1 + C, 3, K): a mask as it is, and after each of `steps` alone."""
    mask, right = decode_mask(held[0]), truth.read_mask(held[1])
    present = set(tally(mask))
    before = _tally(right, mask, labels)
    out = [before]
    for step in steps:
        idle = step.classes is not None and not present.intersection(step.classes)
        out.append(before if idle else _tally(right, tidy(mask, [step], labels), labels))
    return np.stack(out)


def _measure_item(held: Held, task: Task, steps: Sequence[Step]) -> Ints:
    """(2, 3, K): of a mask after `steps`, all pixels, and those along boundaries."""
    labels = task.truth.labels
    right = task.truth.read_mask(held[1])
    mask = tidy(decode_mask(held[0]), steps, labels)
    return np.stack([_tally(right, mask, labels), Boundary.of(right, mask, labels).bands.stacked])


def _tally(truth: Mask, pred: Mask, labels: Labels) -> Ints:
    """(3, K)."""
    return Confusion.of(truth, pred, labels).tally.stacked


def _short(crf: CrfSettings) -> str:
    if not crf.bilateral_compat:
        return "without colour"
    return f"{crf.bilateral_sxy:g} px, {crf.bilateral_srgb:g} of 255, weight {crf.bilateral_compat:g}"


def _named(step: Step, labels: Labels) -> str:
    what = {"min_area": f" {step.area}", "fill_holes": f" {step.area}" if step.area else "", "largest": ""}
    size = what.get(step.op, f" {step.size}")
    whom = "all classes" if step.classes is None else ", ".join(labels.name(c) for c in step.classes)
    return f"{step.op}{size}: {whom}"
