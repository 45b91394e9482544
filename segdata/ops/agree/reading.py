"""The annotators' masks of one image, side by side under one label contract."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from segdata.dataset.dataset import Dataset
from segdata.dataset.match import renamed_like
from segdata.dataset.sample import Sample
from segdata.dataset.several import folder_names, in_one_of
from segdata.errors import DataError, DatasetError, OptionError, Problem
from segdata.files.remote import Place
from segdata.labels import Labels, Mask, Remap, into_union
from segdata.readers.predictions.opening import is_files, open_predictions, read_predicted, refuse_elsewhere
from segdata.tiling.tiles import Pair, extent, image_of
from segdata.words import sized, some


@dataclass(frozen=True, slots=True)
class Side:
    """One annotator's dataset, without samples if it travels to a process; `name` tells it from the others.

    `remap` translates its class ids to those of the first, None if they are the same.
    """

    dataset: Dataset
    name: str
    remap: Remap | None = None

    @property
    def is_files(self) -> bool:
        """Whether the masks are files of another program, without images and without what a manifest knows."""
        return is_files(self.dataset)

    def values(self, mask: Mask) -> Mask:
        """(H, W) in the class ids of the first dataset."""
        return mask if self.remap is None else self.remap(mask)


def open_sides(
    datasets: Sequence[Dataset | str | Place], split: str | None, match: str | None
) -> tuple[tuple[Side, ...], dict[str, str]]:
    """The datasets that agree, or not; those after the first may be folders of mask files, and get the ids of the first.

    And what samples are called that have another id but the image of a sample of the first, with the id there. With a `split`
    of the first dataset, only its images are left. Raises `OptionError` for fewer than two datasets or one given
    twice, `DatasetError` for one that has other classes than the first.
    """
    if isinstance(datasets, str) or len(datasets) < 2:
        raise OptionError(
            "agree takes two datasets or more: those of two annotators, of whom none is taken to be right"
        )
    first = Dataset.of(datasets[0])
    chosen = first if split is None else first.split(split)
    given = [first, *(open_predictions(one, first, chosen, match) for one in datasets[1:])]
    if repeated := [str(one.root) for i, one in enumerate(given) if in_one_of(one, given[:i])]:
        raise OptionError(f"{repeated[0]}: given twice")
    remaps = [_remap(one, first) for one in given]
    found = [(first, {}), *(renamed_like(one, first) for one in given[1:])]
    images = {image_of(sample) for sample in chosen}
    kept = [one if split is None else one.select(lambda s: image_of(s) in images) for one, _ in found]
    sides = tuple(Side(*one) for one in zip(kept, folder_names(given), remaps, strict=True))
    return sides, {old: new for _, names in found for old, new in names.items()}


def _remap(dataset: Dataset, first: Dataset) -> Remap | None:
    """From a dataset's class ids to those of the first, by name. Raises `DatasetError` if the names are others."""
    ours, theirs = dataset.labels.names, first.labels.names
    if set(ours) == set(theirs):
        return into_union(dataset.labels, first.labels)
    if not set(ours) & set(theirs):
        names = f"{some(ours, 3)} there, {some(theirs, 3)} in {first.root}"
        way_out = f"segdata remap {shlex.quote(str(dataset.root))} DST --map OLD=NEW (one for each class)"
        raise DatasetError(
            f"{dataset.root}: none of its classes is called as one of the first dataset ({names}): {way_out}"
        )
    sides = (dataset, theirs), (first, ours)
    more = [(one.root, [name for name in one.labels.names if name not in others]) for one, others in sides]
    told = " and ".join(f"{root} has classes that the other has not ({some(names)})" for root, names in more if names)
    ways = [f"segdata remap {shlex.quote(str(root))} DST {_dropping(names)}" for root, names in more if names]
    raise DatasetError(f"{told}: rename them (--map OLD=NEW), or have them ignored: {'; '.join(ways)}")


def _dropping(names: Sequence[str]) -> str:
    return " ".join(f"--drop {shlex.quote(name)}" for name in names)


def samples_of_all(sides: Sequence[Side]) -> list[Sample]:
    """The samples of every image, each as the first dataset has it that has the image.

    Files of another program are none of their own: those that belong to no image of a dataset are not looked at.
    """
    holder: dict[str, int] = {}
    for number, side in enumerate(sides):
        if not side.is_files:
            for sample in side.dataset:
                holder.setdefault(image_of(sample), number)
    return [s for number, side in enumerate(sides) for s in side.dataset if holder.get(image_of(s)) == number]


def read_sides(pair: Pair, sides: Sequence[Side], labels: Labels) -> list[Mask | None]:
    """The (H, W) mask of each annotator, put together if it is tiles; None of one that has not labelled the image.

    Raises `DataError`, `agree.size` for masks of different sizes.
    """
    holder = next(side for side, samples in zip(sides, pair.preds, strict=True) if samples == pair.truth)
    sizes = [extent(samples) for samples in pair.preds if samples]
    size = max(h for h, _ in sizes), max(w for _, w in sizes)
    masks: list[Mask | None] = []
    for side, samples in zip(sides, pair.preds, strict=True):
        if not samples:
            masks.append(None)
            continue
        refuse_elsewhere(side.dataset, samples, holder.dataset, pair.truth[0], "agree")
        masks.append(side.values(read_predicted(side.dataset, samples, size, "agree").mask))
    must_be_one_size(masks, [side.name for side in sides], pair.id)
    return masks


def must_be_one_size(masks: Sequence[Mask | None], names: Sequence[str], id: str) -> None:
    """Raise `DataError` (`agree.size`) if the masks of one image are of different sizes."""
    given = [(mask, name) for mask, name in zip(masks, names, strict=True) if mask is not None]
    for mask, name in given[1:]:
        if mask.shape != given[0][0].shape:
            what = f"is {sized(given[0][0])} in {given[0][1]}, {sized(mask)} in {name} (width x height)"
            way_out = "annotators must have labelled the image at one size"
            raise DataError(Problem("agree.size", f"{what}: {way_out}", sample=id))
