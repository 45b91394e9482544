"""What became of the samples: which images there are on either side, what each is called, and in which split it is."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import dirname
from typing import Any, Literal

from segdata.dataset.choosing import chosen_splits
from segdata.dataset.dataset import Dataset
from segdata.dataset.match import match_ids, renamed_like, same_masks, suggested_match
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, OptionError
from segdata.files.endings import IMAGE_ENDINGS
from segdata.files.patterns import STEM, Pattern
from segdata.files.places import file_digest, listed
from segdata.files.remote import is_remote
from segdata.readers.predictions.opening import is_dataset, is_files, open_predictions
from segdata.tiling.tiles import Pair, by_image, extent, image_of, is_whole, pair_up
from segdata.words import briefly, some

ImagesBy = Literal["length", "bytes", "nothing"]
"""How images are compared: by the length of their files, by all their bytes, or not."""


@dataclass(frozen=True, slots=True)
class Moved:
    """An image that is in another split, or group; None for none. Tiles may be in several."""

    id: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Resized:
    """An image of another (height, width): its pixels are not compared."""

    id: str
    before: tuple[int, int]
    after: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SampleChanges:
    """Ids of images that are new or gone, and what changed of those that are on `both` sides.

    `renamed`: the id before, and the one now, of the same image or mask. `images`: those whose image file changed; of `unseen`
    ones it is not known. `cut`: those that are cut into other tiles.
    """

    __repr__ = briefly

    both: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    splits: tuple[Moved, ...] = ()
    groups: tuple[Moved, ...] = ()
    images: tuple[str, ...] = ()
    unseen: int = 0
    resized: tuple[Resized, ...] = ()
    cut: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        named = self.added or self.removed or self.renamed
        return not (named or self.splits or self.groups or self.images or self.resized or self.cut)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "both": self.both,
            "added": list(self.added),
            "removed": list(self.removed),
            "renamed": dict(self.renamed),
            "splits": [{"id": one.id, "before": one.before, "after": one.after} for one in self.splits],
            "groups": [{"id": one.id, "before": one.before, "after": one.after} for one in self.groups],
            "images": list(self.images),
            "unseen": self.unseen,
            "resized": [{"id": one.id, "before": [*one.before], "after": [*one.after]} for one in self.resized],
            "cut": list(self.cut),
        }


@dataclass(frozen=True, slots=True)
class Paired:
    """Two datasets whose images are paired, in order of id; `after` has the ids of `before`. `changes`: what is known by now."""

    before: Dataset
    after: Dataset
    pairs: tuple[Pair, ...]
    changes: SampleChanges


def open_sides(a: Dataset | str | Path, b: Dataset | str | Path, match: str | None) -> tuple[Dataset, Dataset]:
    """Two datasets, or a dataset and the masks in a folder of files of another program.

    Raises `DatasetError` for two folders of files, and as `open_predictions`.
    """
    if isinstance(a, Dataset) or is_dataset(listed(a)):
        first = Dataset.of(a)
        return first, open_predictions(b, first, first, match)
    if isinstance(b, Dataset) or is_dataset(listed(b)):
        second = Dataset.of(b)
        return open_predictions(a, second, second, match), second
    return Dataset.of(a), Dataset.of(b)  # one of them must be a dataset, and says why it is none


def pair_samples(before: Dataset, after: Dataset, split: str | None) -> Paired:
    """Pair the images of both sides by id, or else by image or mask; those of a split are in it on one side or the other.

    Raises `OptionError` for a split that neither has, `DatasetError` if both have images but none in common.
    """
    under, by_images = renamed_like(after, before)
    under, by_masks = same_masks(under, before)
    renamed = by_images | by_masks
    pairs = pair_up(before.samples, [under.samples], group=False)
    there = {pair.id for pair in pairs}
    added = by_image(sample for sample in under if image_of(sample) not in there)
    if split is not None:
        chosen = set(_chosen(split, before, after))
        pairs = [p for p in pairs if chosen & _splits((*p.truth, *p.preds[0]))]
        added = {id: samples for id, samples in added.items() if chosen & _splits(samples)}
    both = tuple(pair for pair in pairs if pair.preds[0])
    removed = tuple(pair.id for pair in pairs if not pair.preds[0])
    if removed and added and not both:
        _refuse_strangers(before, after, removed, tuple(added))
    kept = {pair.id for pair in both}
    changes = SampleChanges(
        both=len(both),
        added=tuple(added),
        removed=removed,
        renamed={id: other for other, id in sorted(renamed.items(), key=lambda one: one[1]) if id in kept},
        splits=_moved(both, "split"),
        groups=_moved(both, "group"),
        resized=tuple(one for pair in both if (one := known_resized(pair)) is not None),
        cut=tuple(pair.id for pair in both if _cut(pair.truth) != _cut(pair.preds[0])),
    )
    return Paired(before, under, both, changes)


def refuse_rescaled(paired: Paired, resized: Sequence[Resized]) -> None:
    """Raise `DatasetError` if all images have another size."""
    if not resized or len(resized) < len(paired.pairs):
        return
    first = resized[0]
    sizes = f"{first.before[1]} x {first.before[0]} before, {first.after[1]} x {first.after[0]} after (width x height)"
    raise DatasetError(
        f"{paired.after.root}: all {len(resized):,} images that it shares with {paired.before.root} have another size, such as "
        f"{first.id}, {sizes}: a pixel of one is no pixel of the other: compare datasets of one size, from before this one was "
        "rescaled"
    )


def known_resized(pair: Pair) -> Resized | None:
    """An image whose size differs, as both manifests say."""
    before, after = extent(pair.truth), extent(pair.preds[0])
    if before == after or not (_size_known(pair.truth) and _size_known(pair.preds[0])):
        return None
    return Resized(pair.id, before, after)


def image_changed(before: Dataset, after: Dataset, pair: Pair, by: ImagesBy) -> bool | None:
    """Whether an image's files differ; None if that is unknown. Raises `DatasetError` for paths that lead out of a dataset."""
    if by == "nothing" or "none" in (before.images, after.images) or _cut(pair.truth) != _cut(pair.preds[0]):
        return None
    found = [_differ(before, one, after, other, by) for one, other in zip(pair.truth, pair.preds[0], strict=True)]
    return True if True in found else None if None in found else False


def _differ(before: Dataset, one: Sample, after: Dataset, other: Sample, by: ImagesBy) -> bool | None:
    if one.image is None or other.image is None:
        return one.image is not other.image
    paths = before.image_path(one), after.image_path(other)
    if paths[0] == paths[1]:
        return False
    if any(map(is_remote, paths)):
        return file_digest(paths[0]) != file_digest(paths[1]) if by == "bytes" else None
    a, b = map(_stat, paths)
    if a is None or b is None:
        return None if a is b else True
    if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino):
        return False
    return a.st_size != b.st_size or (by == "bytes" and file_digest(paths[0]) != file_digest(paths[1]))


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _size_known(samples: Sequence[Sample]) -> bool:
    """Whether the manifest says the size of an image; it does not for files of other programs."""
    return samples[0].size != (0, 0) if is_whole(samples) else samples[0].tiling is not None


def _cut(samples: Sequence[Sample]) -> list[tuple[object, ...]]:
    """How an image is cut into samples."""
    return [] if is_whole(samples) else [(s.window, s.tiling) for s in samples]


def _splits(samples: Iterable[Sample]) -> set[str]:
    return {sample.split for sample in samples if sample.split is not None}


def _chosen(split: str, before: Dataset, after: Dataset) -> Collection[str]:
    try:
        return chosen_splits(split, tuple(sorted({*before.splits, *after.splits})))
    except OptionError as error:
        raise DatasetError(f"{before.root} and {after.root}: {error}") from error


def _moved(pairs: Sequence[Pair], what: Literal["split", "group"]) -> tuple[Moved, ...]:
    """The images that are in another split or group; files of other programs are in none, which tells nothing."""
    found = []
    for pair in pairs:
        before, after = _names(pair.truth, what), _names(pair.preds[0], what)
        if before != after and all(sample.sha256 for sample in (*pair.truth, *pair.preds[0])):
            found.append(Moved(pair.id, before, after))
    return tuple(found)


def _names(samples: Sequence[Sample], what: str) -> str | None:
    if len(samples) == 1:
        return getattr(samples[0], what)  # type: ignore[no-any-return]
    return ", ".join(sorted({name for sample in samples if (name := getattr(sample, what)) is not None})) or None


def fitting_match(before: Dataset, removed: Sequence[str], added: Sequence[str]) -> str | None:
    """The `match` under which samples that are on one side only are found on the other one; None if none is known."""
    given, known = (removed, added) if is_files(before) else (added, removed)
    folder = dirname(given[0]) if given else ""
    forms = [suggested_match(given, known), f"{folder}/{STEM}" if folder else None]
    return next((form for form in forms if form is not None and _fits(form, given, known)), None)


def _fits(form: str, given: Sequence[str], known: Sequence[str]) -> bool:
    pattern = Pattern.of(form, "match", IMAGE_ENDINGS)
    keys = [key for id in given if (key := pattern.key(f"{id}.png")) is not None]
    try:
        return bool(match_ids(keys, known))
    except DatasetError:
        return False


def _refuse_strangers(before: Dataset, after: Dataset, removed: Sequence[str], added: Sequence[str]) -> None:
    form = fitting_match(before, removed, added)
    way_out = "--match says how the ones are named after the others" if form is None else f"--match '{form}' fits"
    raise DatasetError(
        f"{after.root}: has no image of {before.root}: its ids are {some(added, 3)}, those there {some(removed, 3)}: are these "
        f"the same images? {way_out}"
    )
