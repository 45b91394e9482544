"""Which samples must not be parted: those of one image, one group, one name pattern, or that look alike."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from segdata.dataset.counts import ImageCounts
from segdata.dataset.dataset import Dataset
from segdata.dataset.group_rules import KINDS, Rule, group_names, is_rule, read_rule
from segdata.dataset.sample import Sample
from segdata.dataset.sequences import sequences
from segdata.dataset.union_find import Forest
from segdata.dataset.weights import Ints
from segdata.errors import DataError, OptionError, Problem, located
from segdata.executors.run import Run
from segdata.words import some

if TYPE_CHECKING:
    from segdata.dataset.duplicates import Look

DUPLICATES, CROPS, SEQUENCE = "duplicates", "crops", "sequence"

KNOWN = ("group", "parent", DUPLICATES, CROPS, SEQUENCE)
"""What can relate samples, apart from a rule (see `group_rules`)."""


@dataclass(frozen=True, slots=True)
class Groups:
    """`of` (N,) int64: each sample's group, 0 to G - 1, numbered by their least ids; `names`: what the G groups are called."""

    of: Ints
    names: tuple[str, ...]

    def holders(self, table: ImageCounts) -> dict[int, set[int]]:
        """By class that has pixels, the groups that hold it; `table` is of the N samples."""
        held: dict[int, set[int]] = defaultdict(set)
        for class_id, group in zip(table.class_id.tolist(), self.of[table.image].tolist(), strict=True):
            held[class_id].add(group)
        return dict(sorted(held.items()))


def group_samples(
    dataset: Dataset, by: Sequence[str], run: Run, alike: Sequence[tuple[int, int]] | None = None
) -> Groups:
    """Group samples: those of one image always, further as `by` says (see `segdata.split`). Raises `OptionError`, `DataError`.

    Related to related is related: groups that share a sample are one. `alike` are pairs of duplicates (or crops), by position, if
    they are known; otherwise the images are read to find them.
    """
    rule = rule_of(by)
    whole = "group" in by or not (rule or "parent" in by)
    if "group" in by and len(dataset) and all(sample.group is None for sample in dataset):
        raise OptionError("--group-by group: no sample has a group: --group-by 'regex:...' makes them of ids")
    ruled = group_names(rule, dataset.samples) if rule is not None else [None] * len(dataset)
    frames = _frames(dataset) if SEQUENCE in by else {}
    keys: list[list[Hashable]] = []
    names = []
    for sample, named in zip(dataset, ruled, strict=True):
        parent = sample.parent or sample.id
        image = None if sample.image is None else posixpath.normpath(sample.image)
        field, sequence = sample.group if whole else None, frames.get(parent)
        related = {"parent": parent, "image": image, "group": field, "rule": named, "sequence": sequence}
        keys.append([(kind, value) for kind, value in related.items() if value is not None])
        names.append(named or field or sequence or parent)
    if alike is not None:
        _relate(keys, alike)
    elif {DUPLICATES, CROPS} & set(by):
        _relate_alike(keys, dataset, CROPS in by, run)
    return _numbered(_joined(keys), [sample.id for sample in dataset], names)


def _frames(dataset: Dataset) -> dict[str, str]:
    """The sequence, by name, that an image looks like a frame of, by the image's id. Raises `OptionError` where none does."""
    found = sequences({sample.parent or sample.id for sample in dataset}, dataset.splits)
    if not found and len(dataset):
        raise OptionError(f"--group-by {SEQUENCE}: no ids look like frames: --group-by 'regex:...' makes groups of ids")
    return {id: frames.name for frames in found for id in frames.ids}


def rule_of(by: Sequence[str]) -> Rule | None:
    """The rule among the kinds of relation. Raises `OptionError` for unknown kinds, for two rules and for unfit ones."""
    rules = [kind for kind in by if kind not in KNOWN]
    for kind in rules:
        if not is_rule(kind):
            raise OptionError(f"--group-by {kind}: there are {', '.join((*KNOWN, *KINDS))}")
    if len(rules) > 1:
        raise OptionError(f"--group-by {' and '.join(rules)}: give one pattern or table")
    return read_rule(rules[0], "--group-by") if rules else None


def _joined(keys: Sequence[Sequence[Hashable]]) -> list[int]:
    """For each sample the first of those it hangs together with through common keys."""
    forest = Forest()
    first: dict[Hashable, int] = {}
    for i, own in enumerate(keys):
        for key in own:
            forest.join(i, first.setdefault(key, i))
    return [forest.root(i) for i in range(len(keys))]


def _numbered(roots: Sequence[int], ids: Sequence[str], names: Sequence[str]) -> Groups:
    members: dict[int, list[int]] = defaultdict(list)
    for i, root in enumerate(roots):
        members[root].append(i)
    ordered = sorted(members.values(), key=lambda group: min(ids[i] for i in group))
    of = np.empty(len(roots), np.int64)
    for number, group in enumerate(ordered):
        of[group] = number
    called = [min(names[i] for i in group) for group in ordered]
    times = Counter(called)  # an image may be called like another one's group
    return Groups(
        of,
        tuple(
            name if times[name] == 1 else f"{name} ({min(ids[i] for i in group)})"
            for name, group in zip(called, ordered, strict=True)
        ),
    )


def _relate(keys: list[list[Hashable]], pairs: Iterable[tuple[int, int]]) -> None:
    """Give the samples of each pair, by position, a key in common."""
    for pair in pairs:
        for i in pair:
            keys[i].append(("alike", pair))


def _relate_alike(keys: list[list[Hashable]], dataset: Dataset, crops: bool, run: Run) -> None:
    """Give samples a key in common whose images are alike, or (with `crops`) parts of one image."""
    if missing := [sample.id for sample in dataset if sample.image is None]:
        kind = CROPS if crops else DUPLICATES
        raise OptionError(f"--group-by {kind}: there are no images to compare: {some(missing, 3)}")
    if not crops:
        _relate(keys, alike_pairs(_looks(dataset, run)))
        return
    from segdata.dataset.crops import crop_links, image_encoder

    encode = image_encoder()  # before anything is read: it may not be there
    looks = _looks(dataset, run)
    _relate(keys, alike_pairs(looks))
    links = crop_links(dataset, _detailed(looks), [_joined(keys)], encode, run)
    _relate(keys, [(link.first, link.second) for link in links])


def _detailed(looks: Mapping[int, Look]) -> list[int]:
    """The samples, by position, in whose images there is something to see."""
    return [i for i, look in looks.items() if not look.plain]


def alike_pairs(looks: Mapping[int, Look]) -> list[tuple[int, int]]:
    """Pairs of samples, by position, whose images are the same or nearly."""
    from segdata.dataset.duplicates import copies, near_links

    place = list(looks)
    pairs = [(place[link.first], place[link.second]) for link in copies(look.key for look in looks.values())]
    place = _detailed(looks)
    links = near_links(np.array([looks[i].prints for i in place]))
    return pairs + [(place[link.first], place[link.second]) for link in links]


def _looks(dataset: Dataset, run: Run) -> dict[int, Look]:
    """The looks of samples, by position: every image is read once. Raises `DataError`."""
    files: dict[tuple[str | None, str | None], list[int]] = defaultdict(list)
    for i, sample in enumerate(dataset):
        files[sample.image, sample.exif].append(i)
    bare = replace(dataset, samples=())
    jobs = [tuple(dataset.samples[i] for i in places) for places in files.values()]
    looks: dict[int, Look] = {}
    for places, (_, result) in zip(files.values(), run.map(partial(look_item, dataset=bare), jobs), strict=True):
        if isinstance(result, Problem):
            raise DataError(result)
        looks.update(zip(places, result, strict=True))
    return looks


def look_item(samples: tuple[Sample, ...], dataset: Dataset) -> list[Look]:
    """The looks of samples that share an image file (see `segdata.dataset.duplicates`). Raises `DataError`."""
    from segdata.dataset.duplicates import read_looks

    with located(sample=samples[0].id):
        return read_looks(dataset.image_path(samples[0]), samples, reading=dataset.reading)
