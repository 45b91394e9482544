"""Whether new images, and what a model says of them, are like those that it was validated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sequences import sequences
from segdata.errors import OptionError
from segdata.labels import must_agree
from segdata.ops.monitor.drift import (
    Floats,
    Sides,
    Tested,
    corrected,
    cramer_von_mises,
    deal,
    distances,
    energy,
    evened,
    inhomogeneity,
    least_p,
)
from segdata.ops.monitor.estimate import Estimate, share_of, thresholded
from segdata.ops.monitor.features import ASPECTS, PREDICTED, Part, parts_of, vectors_of
from segdata.ops.monitor.result import Change, ClassChange, Finding, Monitored
from segdata.ops.monitor.sources import Gathered, gather, resampling
from segdata.prediction.profile import Profile
from segdata.prediction.signals import Signals

EMBEDDING = "embedding"

MOST_DEALT, MOST_TESTED = 20_000, 5_000
"""The largest `permutations` and `most`: what is held grows with their product, and with the square of the second."""


def monitor(
    reference: Profile | Dataset | str | Path,
    pred: Profile | Dataset | str | Path,
    *,
    alpha: float = 0.05,
    resample: str | None = None,
    permutations: int = 1999,
    most: int = 1000,
    seed: int = 0,
) -> Monitored:
    """Compare new images with those of a reference, by their signals: what has drifted, and how much is still right.

    Permutation tests of brightness, contrast, blur and size of the images, of the shares of classes, of confidence and entropy by
    class, and of embeddings: if nothing has drifted, all together cry out in `alpha` of the cases at most. Raises `DatasetError`
    for what has no signals and for label contracts that differ, `OptionError`.

    Args:
        reference: The checkpoint whose images are compared with: that of a training, with the profile beside it; a dataset of
            predictions; a file of signals.
        pred: The new ones: a dataset of predictions, or a file of signals, such as that of a service.
        alpha: The chance of a false alarm of all tests together.
        resample: What tests take as one independent unit: image, group, or block:N for N images in a row of their ids, such as
            frames of a video. By default group if images have groups, otherwise image.
        permutations: How often reference and new are shuffled.
        most: Test so many images of each side at most, drawn by chance; sums are of all.
        seed: Of the draws.
    """
    _check(alpha, permutations, most, seed)
    old, new = gather(reference, "reference", most, seed), gather(pred, "new", most, seed + 1)
    must_agree(
        new.about.contract, old.about.contract, "the new predictions", "the reference",
        "give predictions of one model, or of models with the same classes",
    )  # fmt: skip
    kind = resampling(resample, old.grouped or new.grouped)
    rows = [row for side in (old, new) for _, row in side.rows]
    of = [*old.units(kind), *new.units(kind)]
    is_new = np.arange(len(rows)) >= len(old.rows)
    kept = evened(of, is_new, seed)
    units = len(set(old.units(kind))), len(set(new.units(kind)))
    sides = deal(list(compress(of, kept)), is_new[kept], permutations, seed)
    parts = parts_of(rows, old.about.contract.names)
    left_out, statistics, apart = _statistics(parts, rows, kept, sides)
    tested = corrected(statistics)
    findings = [_finding(aspect, tested[aspect], parts.get(aspect, ()), is_new) for aspect in statistics]
    if EMBEDDING in tested:
        findings[-1] = Finding(EMBEDDING, tested[EMBEDDING].p, [Change("distance", None, apart, tested[EMBEDDING].p)])
    least = least_p(*units, permutations)
    return Monitored(
        labels=old.about.contract,
        alpha=alpha,
        resample=kind,
        images=(old.images, new.images),
        tested=(int((~sides[0]).sum()), int(sides[0].sum())),
        units=units,
        permutations=permutations,
        least=least,
        findings=findings,
        classes=_classes(old, new, findings, alpha),
        estimate=_estimate(old, new),
        left_out=left_out,
        notes=_notes(old, new, kind, units, least, alpha),
    )


def _check(alpha: float, permutations: int, most: int, seed: int) -> None:
    if seed < 0:
        raise OptionError(f"--seed {seed}: must be 0 or more")
    if not 1e-3 <= alpha <= 0.5:
        raise OptionError(f"--alpha {alpha:g}: must be 0.001 to 0.5")
    if not 1 <= permutations <= MOST_DEALT:
        raise OptionError(f"--permutations {permutations}: must be 1 to {MOST_DEALT}")
    if permutations + 1 < len(ASPECTS) / alpha:  # each aspect has a permutation in which it is largest
        wanted = min(MOST_DEALT, round(100 / alpha))
        raise OptionError(f"--permutations {permutations}: too few for --alpha {alpha:g}: take {wanted}")
    if not 2 <= most <= MOST_TESTED:
        raise OptionError(f"--most {most}: must be 2 to {MOST_TESTED}")


def _statistics(
    parts: Mapping[str, Sequence[Part]], rows: Sequence[Signals], kept: NDArray[np.bool_], sides: Sides
) -> tuple[dict[str, str], dict[str, list[Floats]], float | None]:
    """What cannot be tested of the images that are `kept` (N,), with why; the statistics of all else, by aspect; how far
    embeddings lie apart."""
    apart: float | None = None
    left_out: dict[str, str] = {}
    found: dict[str, list[Floats]] = {}
    for aspect, each in parts.items():
        values = [part.values[kept] for part in each]
        if np.isfinite(values).any():
            found[aspect] = [cramer_von_mises(one, sides) for one in values]
        else:
            left_out[aspect] = "no image has it"
    vectors = vectors_of(list(compress(rows, kept)))
    if vectors is None:
        left_out[EMBEDDING] = (
            "not all images have one, of one length: the model has no encoder, or they are of two models"
        )
    else:
        between = distances(standardised(vectors))
        apart = inhomogeneity(between, sides[0])
        found[EMBEDDING] = [energy(between, sides)]
    return left_out, found, apart


def standardised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D): each of mean 0 and variance 1 over all images, so that no channel outweighs the others; 0 if it is all alike."""
    spread = vectors.std(axis=0)
    flat = np.zeros_like(vectors)
    np.divide(vectors - vectors.mean(axis=0), spread, out=flat, where=spread > 1e-6)
    return flat


def _finding(aspect: str, tested: Tested, parts: Sequence[Part], new: NDArray[np.bool_]) -> Finding:
    changes = [
        Change(part.name, _mean(part.values[~new]), _mean(part.values[new]), p)
        for part, p in zip(parts, tested.parts, strict=False)
    ]
    return Finding(aspect, tested.p, changes)


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _classes(old: Gathered, new: Gathered, findings: Sequence[Finding], alpha: float) -> list[ClassChange]:
    drifted: dict[str, list[str]] = {}
    for finding in findings:
        for change in finding.parts if finding.aspect in PREDICTED else ():
            if change.p <= alpha:
                drifted.setdefault(change.name, []).append(finding.aspect)
    changes = []
    for i, name in enumerate(old.about.contract.names):
        share, confidence, entropy = zip(old.of_class(i), new.of_class(i), strict=True)
        changes.append(ClassChange(name, share, confidence, entropy, drifted.get(name, [])))
    return changes


def _estimate(old: Gathered, new: Gathered) -> Estimate:
    return Estimate(
        share_of(old.right.sum(), old.judged.sum()),
        share_of(old.confidence.sum(), old.pixels.sum()),
        share_of(new.confidence.sum(), new.pixels.sum()),
        thresholded(old.judged, old.right, new.histogram),
    )


def _notes(old: Gathered, new: Gathered, kind: str, units: tuple[int, int], least: float, alpha: float) -> list[str]:
    notes = []
    if old.about.origin != new.about.origin:
        notes.append("the predictions are of two models, or of two precisions: differences may be theirs")
    if least > alpha:
        notes.append(_too_few(old, new, kind, units, least))
    if kind == "group" and old.grouped != new.grouped:
        lone, other = (old, new) if new.grouped else (new, old)
        notes.append(
            f"the {lone.name} images have no groups, so each counts as a group of its own, beside one image of each group of the "
            f"{other.name} ones: if they are frames of a few drives, --resample block:10 takes ten in a row as one on both sides"
        )
    ids = [row.id for side in (old, new) for _, row in side.rows]
    if kind == "image" and 2 * len(set(chain(*(run.ids for run in sequences(ids, set()))))) >= len(ids):
        notes.append(
            "the ids look like frames of videos, which are alike: frames of any other video count as drift. With --resample "
            "block:10, ten in a row count as one image"
        )
    return notes


def _too_few(old: Gathered, new: Gathered, kind: str, units: tuple[int, int], least: float) -> str:
    what = "blocks" if kind.startswith("block") else f"{kind}s"
    left_out = any(len(side.rows) < side.images for side in (old, new))
    way = "take a larger --most" if left_out else "more images are needed"
    if kind != "image":
        way += ", or smaller units (--resample image, which also finds that drives differ)"
    return (
        f"{units[0]} and {units[1]} {what} are too few: no test of them can give less than p = {least:.2g}, so nothing can be "
        f"found; {way}"
    )
