"""The labels that annotators have in common, as a dataset: by majority, or by STAPLE."""

from __future__ import annotations

import hashlib
import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from segdata.dataset.carry import carry_image, write_like
from segdata.dataset.dataset import Dataset
from segdata.dataset.finished import finished
from segdata.dataset.images import refuse_images
from segdata.dataset.inputs import Inputs, Stamp, sample_files, stamps
from segdata.dataset.job import Job, Made, made_of, pixels_of, receipt_of, resumable
from segdata.dataset.sample import Sample
from segdata.dataset.several import images_of, one_reading
from segdata.errors import DatasetError, located, one_of
from segdata.executors.run import Run
from segdata.files.places import absolute, place
from segdata.labels import Labels, Mask, tally
from segdata.metrics.agreement import Patterns, Votes, bands, majority, patterns_of
from segdata.metrics.confusion import Floats, Ints, plain, ratio
from segdata.metrics.staple import Staple, staple
from segdata.ops.agree.reading import Side, must_be_one_size
from segdata.ops.agree.result import Agreement
from segdata.tiling.tiles import image_of

Method = Literal["majority", "staple"]
"""How votes become labels: the class of more than half of a pixel's votes, or the class that STAPLE holds most likely."""


class Ballot(msgspec.Struct, frozen=True):
    """A sample that two annotators or more have: as each has it, None for the others; and `first`, as annotator number `holder`
    has it, the first whose dataset it is."""

    holder: int
    first: Sample
    samples: tuple[Sample | None, ...]


class Decided(Made, frozen=True):
    """What a ballot became, and its pixels that have votes but no class. Also the journal's line."""

    undecided: int


@dataclass(frozen=True, slots=True)
class Rule:
    """How patterns of votes become classes: by what STAPLE found, or by majority (None)."""

    classes: int
    model: Staple | None

    def decide(self, patterns: Patterns) -> Ints:
        """(P, R) votes -> (P,) int64: a class each, K for none."""
        return majority(patterns, self.classes) if self.model is None else self.model.decide(patterns)


@dataclass(frozen=True, slots=True)
class Target:
    """All that ballots need, apart from their samples."""

    dataset: Dataset
    sides: tuple[Side, ...]
    rule: Rule


def consensus(
    found: Agreement,
    destination: str | Path,
    *,
    method: Method = "majority",
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Write what annotators have in common as a dataset of the images that two or more have labelled.

    majority: the class that more than half of the votes on a pixel are for. staple: the class that is most likely, given how far
    each annotator can be trusted (see `segdata.metrics.staple`), estimated over all images together. A pixel that an annotator
    ignores has no vote of it. Where there is no majority, or several classes are equally likely, pixels are ignored. Splits,
    groups and images are those of the first dataset that has the image. The receipt tells each annotator's sensitivity and
    specificity. Stopped, it goes on when repeated; the result is the same from any number of processes.

    Raises `OptionError`, `DatasetError` if the datasets are cut into different tiles, and `DataError` for the first bad file
    (`run.report` may skip instead).

    Args:
        found: What `agree` found.
        destination: The folder of the new dataset.
        method: How votes become labels: majority or staple.
        overwrite: Replace a dataset at `destination`.
    """
    one_of("consensus", method, Method)
    ballots, single = ballots_of(found)
    rule = Rule(len(found.labels.classes), staple(found.votes) if method == "staple" else None)
    holders = [found.sides[number].dataset for number in sorted({ballot.holder for ballot in ballots})]
    datasets = [side.dataset for side in found.sides]
    made = Dataset(
        place(destination), found.labels, (), made_of("agree", {"consensus": method}, datasets), images_of(holders),
        one_reading(holders),
    )  # fmt: skip
    for ballot in ballots:
        made.inside(ballot.first.id)
    paths = (found.sides[b.holder].dataset.image_path(b.first) for b in ballots if b.first.image is not None)
    refuse_images(made.root, made.images, paths)
    inputs = Inputs(datasets)
    if (there := finished(made, inputs, overwrite=overwrite)) is not None:
        return there
    bare = tuple(replace(side, dataset=replace(side.dataset, samples=())) for side in found.sides)
    given = {"sources": [absolute(one.root) for one in datasets], "votes": _digest(found.votes)}
    with resumable(made, Decided, given, inputs, overwrite=overwrite, run=run or Run()) as job:
        work = partial(consensus_item, target=Target(job.dataset, bare, rule))
        job.work(work, ballots, lambda ballot: ballot.first.id, reads=partial(_reads, sides=bare))
        return job.save(lambda whole: _receipt(found, method, rule, ballots, single, job, whole))


def ballots_of(found: Agreement) -> tuple[list[Ballot], list[str]]:
    """The samples that two annotators or more have, of images that were not left out; and the ids of tiles that one alone has.

    Raises `DatasetError` for tiles that are views, or that are cut otherwise in another dataset.
    """
    out = {*found.alone, *(problem.sample for problem in found.problems)}
    held: dict[str, list[Sample | None]] = defaultdict(lambda: [None] * len(found.sides))
    for number, side in enumerate(found.sides):
        for sample in side.dataset:
            if image_of(sample) not in out:
                held[sample.id][number] = sample
    known, foreign = {image.id for image in found.images}, [side.is_files for side in found.sides]
    ballots, single = [], []
    for id, samples in sorted(held.items()):
        owners = [(n, s) for n, s in enumerate(samples) if s is not None and not foreign[n]]
        if not owners or image_of(owners[0][1]) not in known:
            continue
        if sum(sample is not None for sample in samples) < 2:
            single.append(id)
            continue
        ballots.append(Ballot(*owners[0], tuple(samples)))
        _must_be_one(ballots[-1], found)
    if apart := sorted(known - {image_of(ballot.first) for ballot in ballots}):
        raise DatasetError(_cut_apart(apart[0], found))
    _must_have_all_votes(ballots, [one for id in single for one in enumerate(held[id])], found)
    return ballots, single


def _must_have_all_votes(
    ballots: Sequence[Ballot], single: Sequence[tuple[int, Sample | None]], found: Agreement
) -> None:
    """Raise `DatasetError` if an annotator, by number, votes on pixels of a ballot by a sample of none: it is cut otherwise."""
    own: dict[tuple[int, str], list[Sample]] = defaultdict(list)
    for number, sample in single:
        if sample is not None:
            own[number, image_of(sample)].append(sample)
    for ballot in ballots:
        image, window = image_of(ballot.first), ballot.first.window
        for number, sample in enumerate(ballot.samples):
            others = own.get((number, image), ()) if sample is None else ()
            if any(window is None or one.window is None or window.meet(one.window) for one in others):
                raise DatasetError(_cut_apart(image, found))


def _must_be_one(ballot: Ballot, found: Agreement) -> None:
    """Raise `DatasetError` for a sample that is a view, or another part of its image elsewhere."""
    first = ballot.first
    for sample, side in zip(ballot.samples, found.sides, strict=True):
        if sample is None:
            continue
        if sample.crop is not None:
            way_out = f"segdata stitch {shlex.quote(str(side.dataset.root))} DST makes whole images of them"
            raise DatasetError(f"{side.dataset.root}: {sample.id} is a view into a larger mask: {way_out}")
        if (sample.window, sample.tiling) != (first.window, first.tiling):
            raise DatasetError(_cut_apart(image_of(first), found))


def _cut_apart(image: str, found: Agreement) -> str:
    tiled = [side.dataset.root for side in found.sides if any(s.window is not None for s in side.dataset)]
    ways = "; ".join(f"segdata stitch {shlex.quote(str(root))} DST" for root in tiled)
    return f"{image} is cut into other tiles in one dataset than in another: put them together first: {ways}"


def _reads(ballot: Ballot, sides: Sequence[Side]) -> list[Stamp]:
    """The files that a ballot is made from."""
    held = ((side, sample) for side, sample in zip(sides, ballot.samples, strict=True) if sample is not None)
    return [stamp for side, sample in held for stamp in stamps(sample_files(side.dataset, [sample]))]


def consensus_item(ballot: Ballot, target: Target) -> Decided:
    """Write the mask of one sample, and return its line. Raises `DataError`."""
    sides, labels, first = target.sides, target.dataset.labels, ballot.first
    source = sides[ballot.holder].dataset
    with located(sample=first.id):
        masks = [
            None if s is None else side.values(side.dataset.read_mask(s))
            for side, s in zip(sides, ballot.samples, strict=True)
        ]
        must_be_one_size(masks, [side.name for side in sides], first.id)
        mask, undecided = decided(masks, labels, target.rule)
        there = source.inside(first.mask)
        name = f"masks/{first.id}{there.suffix}"
        digest = write_like(there, target.dataset.root / name, mask)
        image = None if first.image is None else carry_image(first, first.id, source, target.dataset)
        made = msgspec.structs.replace(first, image=image, mask=name, counts=tally(mask), sha256=digest, scores=None)
    return Decided(name=first.id, samples=[made], undecided=undecided)


def decided(masks: Sequence[Mask | None], labels: Labels, rule: Rule) -> tuple[Mask, int]:
    """(H, W) masks of annotators -> the (H, W) mask that they have in common, and its pixels that have votes but no class."""
    parts, undecided = [], 0
    for rows in bands(masks):
        patterns, places = patterns_of([None if mask is None else mask[rows] for mask in masks], labels)
        ids = rule.decide(patterns)
        values = np.where(ids < rule.classes, ids, labels.ignore).astype(labels.dtype)
        parts.append(values[places])
        without = (patterns < rule.classes).any(axis=1) & (ids == rule.classes)
        undecided += int(np.bincount(places.ravel(), minlength=len(patterns))[without].sum())
    return np.concatenate(parts), undecided


def _digest(votes: Votes) -> str:
    """What all votes come to: another count is another job."""
    digest = hashlib.sha256(votes.patterns.tobytes())
    digest.update(votes.pixels.tobytes())
    return digest.hexdigest()


# What is written down


def trust(votes: Votes, rule: Rule) -> tuple[Floats, Floats]:
    """(R, K) float64 sensitivity and specificity of each annotator: STAPLE's, or against the majority, where it votes itself.

    NaN for a class that is nowhere, or everywhere, in the consensus.
    """
    if rule.model is not None:
        return rule.model.sensitivity, rule.model.specificity
    truth, classes = rule.decide(votes.patterns), votes.classes
    out = []
    for given in votes.patterns.T:
        counts = np.zeros((classes + 1, classes + 1), np.int64)
        np.add.at(counts, (truth, given), votes.pixels)
        counts = counts[:-1, :-1]
        hits, true, pixels = np.diagonal(counts), counts.sum(axis=1), counts.sum()
        out.append((ratio(hits, true), 1 - ratio(counts.sum(axis=0) - hits, pixels - true)))
    sensitivity, specificity = zip(*out, strict=True)
    return np.stack(sensitivity), np.stack(specificity)


def _receipt(
    found: Agreement,
    method: Method,
    rule: Rule,
    ballots: Sequence[Ballot],
    single: Sequence[str],
    job: Job[Decided],
    whole: Dataset,
) -> dict[str, Any]:
    """How the consensus came about, and how far each annotator is from it."""
    left_out = [*found.problems, *job.left_out]
    sides = zip(found.names, *trust(found.votes, rule), strict=True)
    model = rule.model
    return receipt_of(
        "decided",
        len(ballots) + len(found.problems),
        left_out,
        consensus=method,
        annotators=[
            {"name": name, "classes": [
                {"class": c.name, "sensitivity": plain(found_of[c.id]), "specificity": plain(not_of[c.id])}
                for c in found.labels.classes]}
            for name, found_of, not_of in sides
        ],
        pixels=pixels_of(whole),
        undecided={one.name: one.undecided for one in sorted(job.done.values(), key=lambda one: one.name) if one.undecided},
        alone=sorted({*found.alone, *single}),
        **({} if model is None else {"rounds": model.rounds, "settled": model.settled}),
    )  # fmt: skip
