"""Scores of any model, .npy or .npz files named as the samples of a dataset (--like), as predictions with scores.

An array is (K, H, W) or (H, W, K), of one score for each class of that dataset, in its order: probabilities, or logits, which go
through softmax. The mask is the likeliest class of each pixel. Ids, splits, groups and images are those of the dataset.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import basename

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.match import match_ids, suggested_match
from segdata.dataset.sample import Sample
from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.arrays import ENDINGS, Axes, Kind, Wanted, read_probabilities, shape_of
from segdata.files.listing import files_in
from segdata.files.patterns import STEM, Pattern
from segdata.files.places import listed
from segdata.files.remote import Place
from segdata.labels import Remap, tally
from segdata.readers.source import Drawn, Input, Item, Receipt, Source, SourceClass
from segdata.words import some


@dataclass(frozen=True, slots=True)
class ScoreFile:
    """The scores of one image in a file of NumPy's; pixels of which nothing is known (all scores 0) are ignored."""

    path: str
    wanted: Wanted

    @property
    def ids(self) -> Sequence[str]:
        """One annotation: the file, by its name."""
        return [basename(self.path)]

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return (self.path,)

    def draw(self, remap: Remap) -> Drawn:
        """The likeliest class of each pixel, the first of equal ones. Raises `DataError` (`scores.*`), `OptionError`."""
        labels = remap.labels
        if len(labels.classes) != self.wanted.classes or any(remap.mapping[i] != i for i in range(self.wanted.classes)):
            raise OptionError(
                "--map, --only and --drop change classes, but scores are of all: convert first, then remap"
            )
        mask = np.full(self.wanted.size, labels.ignore, labels.dtype)
        for y, probs in read_probabilities(self.path, self.wanted):
            part = mask[y : y + probs.shape[1]]
            known = probs.any(axis=0)
            part[known] = probs.argmax(axis=0)[known]
        return Drawn(mask, Receipt(annotations=1, painted=1), tally(mask))

    def scores(self) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
        """(y, x, (K, h, W)) as `write_scores` takes it."""
        return ((y, 0, probs) for y, probs in read_probabilities(self.path, self.wanted))


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for a folder of arrays of three axes. (--like must be given all the same.)"""
    if not root.is_dir():
        return "it is no folder"
    first = next((name for name in files_in(root) if name.endswith(".npy")), None)
    if first is None:
        return "there is no *.npy of scores in it"
    return (
        None if len(shape_of(str(root / first)) or ()) == 3 else f"{first} has not three axes, (classes, height, width)"
    )


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    like: str | Path | None = None,
    match: str = STEM,
    kind: Kind = "auto",
    axes: Axes = "auto",
    array: str | None = None,
) -> Source:
    """Find each file's sample in `like` by name, and read scores as they are drawn.

    Raises `DataError` (`predictions.*`), `DatasetError` for names that may be several samples, `OptionError`.

    Args:
        like: the dataset that was predicted, or its folder: classes, ids and splits are taken from it. There is
            no default.
        match: how files are named after ids, such as `{stem}_probs`; folders above count where names alone do not tell.
        kind: what the values are: probabilities, logits (or logarithms of probabilities), or as each file tells (auto).
        axes: whether classes come first (khw) or last (hwk), where the shape cannot tell.
        array: the name of the array in .npz files. By default their only one.
    """
    one_of("kind", kind, Kind)
    one_of("axes", axes, Axes)
    if like is None:
        raise OptionError(f"{root}: give the dataset that was predicted with --like: it has the classes and the ids")
    truth = Dataset.of(like)
    chosen = truth if split is None else truth.split(split)
    base = listed(root)
    if not base.is_dir():
        raise DataError(Problem("predictions.missing", "there is no such folder", file=str(root)))
    files = files_of(base, Pattern.of(match, "match", ENDINGS))
    if not files:
        raise DataError(Problem("predictions.missing", f"holds no {' and no '.join(ENDINGS)} like {match}", str(root)))
    samples = {sample.id: sample for sample in chosen}
    found = match_ids(files, samples)
    receipt = Receipt()
    receipt.notes += notes(set(files) - set(found), {*samples} - {*found.values()}, samples)
    if not found:
        raise DataError(Problem("predictions.unmatched", "; ".join(receipt.notes), file=str(root)))
    wanted = Wanted(len(truth.labels.classes), (0, 0), kind, axes, array)
    files = {id: str(base / files[key]) for key, id in sorted(found.items(), key=lambda one: one[1])}
    items = [_item(samples[id], truth, ScoreFile(file, replace(wanted, size=samples[id].size)), images)
             for id, file in files.items()]  # fmt: skip
    rows = tuple(SourceClass(c.id, c.name, c.id) for c in truth.labels.classes)
    options: dict[str, object] = {"match": match, "kind": kind, "axes": axes, "array": array}
    return Source(truth.labels, items, (Input("manifest.jsonl", truth.digest),), rows, receipt, options, True)


def notes(extra: set[str], lacking: set[str], ids: Collection[str]) -> list[str]:
    """What matches nothing on either side, and the way out."""
    out = []
    if extra:
        form = suggested_match(sorted(extra), ids)
        way_out = f"--match '{form}' fits" if form else f"--match says how they are named, such as '{STEM}_pred'"
        ours = some(sorted(extra), 3)
        out.append(
            f"{len(extra):,} files have the name of no sample ({ours}; samples are {some(sorted(ids), 3)}): {way_out}"
        )
    if lacking:
        out.append(f"{len(lacking):,} samples have no file: {some(sorted(lacking), 3)}")
    return out


def _item(sample: Sample, truth: Dataset, scores: ScoreFile, images: bool) -> Item:
    image = truth.image_path(sample) if images and sample.image is not None and sample.crop is None else None
    return Item(sample.id, image, sample.size, scores, sample.split, sample.group, sample.exif)


def files_of(base: Place, pattern: Pattern) -> dict[str, str]:
    """Key -> path below `base`, of the files of this form. Raises `DataError` (`predictions.twice`) for a key of two files."""
    found: dict[str, str] = {}
    for path in files_in(base):
        if (key := pattern.key(path)) is None:
            continue
        if key in found:
            message = f"{found[key]} and {path} have one name: remove one, or give --match with the ending"
            raise DataError(Problem("predictions.twice", message, file=str(base)))
        found[key] = path
    return found
