"""Images and regions whose labels a model doubts, ranked; and left out of a dataset."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from segdata.dataset.carry import Move, Origin, carry
from segdata.dataset.dataset import Dataset
from segdata.dataset.job import made_of, receipt_of
from segdata.dataset.match import renamed_like
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, OptionError, Problem, refuse_nothing
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.labels import Labels, Mask, must_agree
from segdata.metrics.label_quality import TEMPERATURE, THRESHOLD, Quality, Region, examine, ranked
from segdata.refinement.lattice import Floats
from segdata.tiling.tiles import must_match, same_ids
from segdata.windows import Window
from segdata.words import briefly, some

LeaveOut = Literal["regions", "images"]


@dataclass(frozen=True, slots=True)
class ImageDoubt:
    """An image: the softmin of its label's quality (low: likely wrong), its labelled pixels, and how many are disputed."""

    sample: str
    score: float
    pixels: int
    disputed: int


@dataclass(frozen=True, slots=True)
class RegionDoubt:
    """A region of a sample."""

    sample: str
    region: Region


@dataclass(frozen=True, slots=True)
class Suspects:
    """Images, the worst (lowest score) first, and regions, the worst (highest score) first.

    `truth` is what they are of, `pred` what speaks against it.
    """

    __repr__ = briefly

    truth: Dataset
    images: tuple[ImageDoubt, ...]
    regions: tuple[RegionDoubt, ...]
    unscored: tuple[str, ...]
    pred: Dataset | None = None

    @property
    def labels(self) -> Labels:
        """The label contract."""
        return self.truth.labels

    def to_json(self) -> dict[str, Any]:
        """Both rankings, classes by name, without outlines."""
        regions = []
        for one in self.regions:
            fields = asdict(one.region)
            del fields["rle"]
            names = {key: self.labels.name(fields[key]) for key in ("given", "suggested")}
            regions.append({"sample": one.sample, **fields, **names})
        return {"images": [asdict(p) for p in self.images], "regions": regions, "unscored": list(self.unscored)}


@dataclass(frozen=True, slots=True)
class Task:
    """What a pair needs besides itself."""

    pred: Dataset
    truth: Dataset
    temperature: float
    threshold: float
    least: int


def suspects(
    pred: Dataset | str | Path,
    truth: Dataset | str | Path,
    *,
    split: str | None = None,
    threshold: float = THRESHOLD,
    temperature: float = TEMPERATURE,
    min_area: int = 16,
    run: Run | None = None,
) -> Suspects:
    """Rank images, and regions in them, by how much the scores of predictions speak against their labels.

    A model finds the errors of labels that it was not trained on: predict each part with a model trained on the others.

    Raises `DatasetError` if the two do not belong together or `pred` has no scores, `OptionError`, and `DataError` for the
    first bad file (`run.report` may skip instead).

    Args:
        pred: The dataset of predictions with scores, or its folder.
        truth: The dataset of labels, or its folder.
        split: Examine this split of `truth` only; several: a,b; all but one: !a.
        threshold: A pixel is disputed if its label has a probability below this.
        temperature: How much the worst pixels of an image count: the lower, the more.
        min_area: Regions of fewer pixels are not listed.
    """
    if not 0 < threshold <= 1 or not temperature >= 0.01 or min_area < 1:
        raise OptionError("--threshold must be above 0, up to 1; --temperature 0.01 or more; --min-area 1 or more")
    pred, truth = map(Dataset.of, (pred, truth))
    must_agree(pred.labels, truth.labels, "the predictions", "truth", "predict with a model trained on these classes")
    pred, _ = renamed_like(pred, truth)
    chosen = truth if split is None else truth.split(split)
    pairs = scored_pairs(pred, chosen)
    run = run or Run()
    task = Task(replace(pred, samples=()), replace(truth, samples=()), temperature, threshold, min_area)
    images, regions, bad = [], [], []
    for (_, sample), found in run.map(partial(examine_item, task=task), pairs):
        if isinstance(found, Problem):
            run.report.add(found)
            bad.append(found)
            continue
        quality, worst = found
        images.append(ImageDoubt(sample.id, quality.score, quality.pixels, quality.disputed))
        regions += [RegionDoubt(sample.id, region) for region in worst]
    if not images:
        refuse_nothing(bad)
    images.sort(key=lambda p: (p.score, p.sample))
    scores = ranked([one.region for one in regions], len(truth.labels.classes))
    regions = [
        RegionDoubt(one.sample, replace(one.region, score=score)) for one, score in zip(regions, scores, strict=True)
    ]
    regions.sort(key=lambda r: (-r.region.score, r.sample, r.region.box))
    known = {sample.id for _, sample in pairs}
    unscored = tuple(sorted(t.id for t in chosen if t.id not in known))
    return Suspects(truth, tuple(images), tuple(regions), unscored, pred)


def scored_pairs(pred: Dataset, truth: Dataset) -> list[tuple[Sample, Sample]]:
    """The samples of both whose predictions have scores. Raises `DatasetError` if there are none."""
    scored = [sample for sample in pred if sample.scores is not None]
    if not scored:
        raise DatasetError(
            f"{pred.root}: has no scores, which tell how sure the model was: predict again with --scores"
        )
    pairs = same_ids(scored, truth)
    if not pairs:
        theirs = some([sample.id for sample in scored], 3)
        raise DatasetError(f"{pred.root}: has no scores of a sample of {truth.root}: its ids are {theirs}")
    return pairs


def examine_item(pair: tuple[Sample, Sample], task: Task) -> tuple[Quality, list[Region]]:
    """One sample's label against its scores, read by rows. Raises `DataError`."""
    pred, sample = pair
    mask = task.truth.read_mask(sample)
    must_match(pred.size, sample.size, sample.id)
    with task.pred.open_scores(pred) as scores:

        def read(rows: slice) -> Floats:
            return scores.read(Window(rows.start, 0, rows.stop - rows.start, scores.width))

        return examine(
            mask,
            read,
            task.truth.labels,
            temperature=task.temperature,
            threshold=task.threshold,
            least=task.least,
        )


def without(
    found: Suspects,
    destination: str | Path,
    regions: Sequence[RegionDoubt],
    *,
    leave_out: LeaveOut = "regions",
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """The dataset that was examined, without these regions.

    Raises as `carry`, and `DatasetError` for regions in samples that are views into larger masks.

    Args:
        found: What `suspects` found.
        destination: The folder of the new dataset.
        regions: The regions to leave out.
        leave_out: Whether the pixels of the regions become ignored, or the images they are in are left out.
        overwrite: Replace a dataset there.
    """
    if leave_out not in ("regions", "images"):
        raise OptionError(f"--leave-out {leave_out}: must be regions or images")
    truth = found.truth
    doubted: dict[str, list[Region]] = defaultdict(list)
    for one in regions:
        doubted[one.sample].append(one.region)
    if leave_out == "regions" and any(s.crop is not None for s in truth if s.id in doubted):
        raise DatasetError(
            f"{truth.root}: its samples are views into larger masks: leave out images, or make real tiles"
        )
    which = [(one.sample, one.region.given, one.region.box, one.region.area) for one in regions]
    digest = hashlib.sha256(json.dumps(which).encode()).hexdigest()
    options = {"leave_out": leave_out, "regions": len(regions), "sha256": digest}
    target = Dataset(
        place(destination), truth.labels, (), made_of("suspects", options, [truth]), truth.images, truth.reading
    )
    moves = [Move(int(s.id in doubted), s, s) for s in truth if leave_out == "regions" or s.id not in doubted]
    origins = [Origin(truth), Origin(truth, partial(void_regions, regions=dict(doubted)))]

    def receipt(whole: Dataset, left_out: list[Problem]) -> dict[str, Any]:
        gone = sorted(doubted) if leave_out == "images" else []
        void = {"void": len(regions) if leave_out == "regions" else 0}
        out = receipt_of("kept", len(truth), left_out, regions=void, suspect=gone)
        out["images"] = {"in": len(truth), "kept": len(whole), "suspect": len(gone), "skipped": len(left_out)}
        return out

    return carry(target, origins, moves, receipt, overwrite=overwrite, run=run or Run())


def void_regions(dataset: Dataset, samples: Sequence[Sample], regions: Mapping[str, Sequence[Region]]) -> Mask:
    """A sample's mask, ignored where its regions are: a `Change`."""
    mask = dataset.read_mask(samples[0])
    for region in regions[samples[0].id]:
        mask[region.slices][region.inside] = dataset.labels.ignore
    return mask
