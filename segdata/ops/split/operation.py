"""A dataset into splits, or folds: every class in each, what belongs together in one, old samples where they were."""

from __future__ import annotations

import math
import shlex
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from segdata.dataset.blocks import Blocks, divide
from segdata.dataset.carry import Move, Origin, carry
from segdata.dataset.counts import ImageCounts
from segdata.dataset.dataset import Dataset
from segdata.dataset.group_rules import stem
from segdata.dataset.groups import Groups, group_samples, rule_of
from segdata.dataset.job import made_of, receipt_of
from segdata.dataset.moving import id_in, refuse_split, refuse_twice, stems_of
from segdata.dataset.sample import Sample
from segdata.dataset.weights import Ints
from segdata.errors import DatasetError, OptionError, Problem
from segdata.executors.run import Run
from segdata.files.places import absolute, place
from segdata.ops.split.balance import balance
from segdata.ops.split.result import SplitReport, report_of
from segdata.words import some, suggest

RATIOS = {"train": 0.8, "val": 0.1, "test": 0.1}


def split(
    dataset: Dataset | str | Path,
    destination: str | Path,
    *,
    ratios: Mapping[str, float] | None = None,
    folds: int | None = None,
    group_by: str | Sequence[str] = (),
    keep_groups: bool = False,
    by: str | None = None,
    gap: int = 0,
    seed: int = 0,
    keep: Dataset | str | Path | None = None,
    allow_missing: Sequence[str] = (),
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Assign samples to splits so that each gets its part of the pixels of every class at once, in a new dataset.

    What belongs together stays together: always an image with its tiles, and what `group_by` adds. Of folds, fold i is
    validated on the split `fold<i>` and trained on the others. The assignment follows from `seed`, ids and counts, not from
    their order (see `balance`). Ids begin with the new split where they began with the old. Masks are copied.
    `read_report` tells what was reached.

    Raises `OptionError` if it cannot be done: fewer groups than splits, or a class that cannot reach every split, unless
    `allow_missing` names it; and as `carry` does.

    Args:
        dataset: The dataset, or its folder.
        destination: The folder of the new dataset.
        ratios: The splits and the part of each, which sum to 1. By default train=0.8,val=0.1,test=0.1.
        folds: So many equal splits instead: fold0, fold1 and so on.
        group_by: What must stay together: group, the manifest's field (the default if samples have it); parent, the image
            alone; regex:PATTERN, what the first parentheses match in the id; csv:FILE, a table with the columns id,group or
            image,group; and besides, sequence, images whose ids look like frames of one; duplicates, images that are the
            same or nearly so (reads the images); crops, also those that are cropped out of one another or turned (takes the
            extras train and weights).
        keep_groups: Write what was kept together into the new dataset as its groups: check, stats and evaluate use them.
        by: Divide what grouping keeps whole, and leave out what would be in two splits: block:2x3, the tiles of each scene
            by where they lie, in 2 rows of 3 blocks; block:5, frames by their numbers, in 5 blocks. Blocks become groups.
        gap: How many pixels, or numbers of frames, lie between samples of two splits at least, with `by`.
        seed: Another seed gives another split.
        keep: A dataset that was split before. Its samples, and the groups they are in, stay in their splits.
        allow_missing: A class that may be absent from a split; all for any.
        overwrite: Replace a dataset at `destination`.
    """
    run = run or Run()
    dataset = Dataset.of(dataset)
    keep = None if keep is None else Dataset.of(keep)
    aimed = _aimed(ratios, folds)
    kinds = [group_by] if isinstance(group_by, str) else list(group_by)
    allowed = _allowed(dataset, allow_missing)
    if not len(dataset):
        raise OptionError(f"{dataset.root}: there are no samples to split")
    table = _table(dataset)
    blocks = _blocks(dataset, by, gap, kinds)
    groups = group_samples(dataset, kinds, run) if blocks is None else blocks.groups
    old, gone = _old_splits(dataset, keep, list(aimed))
    kept = _kept_groups(dataset, groups, old, list(aimed))
    _refuse_impossible(dataset, table, groups, kept, aimed, allowed)
    assigned = balance(table, groups.of, np.array(list(aimed.values())), kept=kept, optional=allowed, seed=seed)
    samples, across = dataset.samples, list[Problem]()
    if blocks is not None:
        samples, groups, across = _inside(dataset, blocks, assigned)
        table = _table(replace(dataset, samples=samples))
    report = report_of(dataset, table, groups, assigned, aimed, len(old), gone, len(across))
    _refuse_missing(report, allowed)
    rule = rule_of(kinds)
    options = {
        "ratios": aimed, "group_by": kinds, "keep": keep is not None, "allow_missing": sorted(allow_missing),
        **({"keep_groups": True} if keep_groups else {}), **({} if by is None else {"by": by, "gap": gap}),
        **(rule.facts if rule else {}),
    }  # fmt: skip
    inputs = [dataset] if keep is None else [dataset, keep]
    made_by = made_of("split", options, inputs, seed)
    target = Dataset(place(destination), dataset.labels, (), made_by, dataset.images, dataset.reading)

    def receipt(whole: Dataset, left_out: list[Problem]) -> dict[str, Any]:
        out = receipt_of("split", len(dataset), [*across, *left_out])
        return {"images": out["images"], "split": msgspec.to_builtins(report), "skipped": out["skipped"]}

    names = np.array(list(aimed))[assigned[groups.of]].tolist()
    beside = [*([] if keep is None else [keep.root]), None if rule is None else rule.table]
    moves = _moves(dataset, samples, names, groups if keep_groups or blocks else None)
    return carry(target, [Origin(dataset)], moves, receipt, beside=beside, overwrite=overwrite, run=run)


def _blocks(dataset: Dataset, by: str | None, gap: int, kinds: Sequence[str]) -> Blocks | None:
    """The blocks that are asked for."""
    if by is None:
        if gap:
            raise OptionError("--gap: lies between blocks: give --by too, such as --by block:2x3")
        return None
    if kinds:
        raise OptionError("--by and --group-by: give one of them: blocks part what groups keep together")
    return divide(dataset, by, gap)


def _inside(dataset: Dataset, blocks: Blocks, assigned: Ints) -> tuple[list[Sample], Groups, list[Problem]]:
    """The samples that lie in blocks of one split, with their groups, and a problem for each of the others."""
    stay = np.array(blocks.stay(assigned), np.bool_)
    why = "reaches from its block into one of another split, or too near to it"
    across = [Problem("split.across", why, sample=s.id) for s, is_in in zip(dataset, stay, strict=True) if not is_in]
    samples = [sample for sample, is_in in zip(dataset, stay, strict=True) if is_in]
    if lost := set(assigned.tolist()) - set(assigned[blocks.groups.of[stay]].tolist()):
        raise OptionError(
            f"{len(lost)} splits would have no sample, since {len(across):,} of {len(dataset):,} reach from one block into "
            "another split's: give fewer blocks (--by), a smaller --gap, or tiles that are smaller or overlap less"
        )
    return samples, Groups(blocks.groups.of[stay], blocks.groups.names), across


def _aimed(ratios: Mapping[str, float] | None, folds: int | None) -> dict[str, float]:
    """The splits asked for, and the part of each."""
    if folds is not None:
        if ratios is not None:
            raise OptionError("--ratios and --folds: give one of them")
        if folds < 2:
            raise OptionError(f"--folds {folds}: must be 2 or more")
        return {f"fold{i}": 1 / folds for i in range(folds)}
    aimed = dict(RATIOS if ratios is None else ratios)
    for name, ratio in aimed.items():
        if not (math.isfinite(ratio) and ratio > 0):
            raise OptionError(f"--ratios {name}={ratio:g}: must be above 0; leave out a split that shall have nothing")
        refuse_split(name, "--ratios")
    if len(aimed) < 2:
        raise OptionError("--ratios: give two splits or more, such as train=0.8,val=0.2")
    if abs(sum(aimed.values()) - 1) > 1e-6:
        raise OptionError(f"--ratios: {', '.join(f'{k}={v:g}' for k, v in aimed.items())} do not sum to 1")
    return aimed


def _allowed(dataset: Dataset, names: Sequence[str]) -> set[int]:
    """The ids of classes that need not reach every split."""
    if "all" in names:
        return set(range(len(dataset.labels.classes)))
    for name in names:
        if name not in dataset.labels.names:
            raise OptionError(f"--allow-missing {name}: no such class: {suggest(name, dataset.labels.names)}")
    return {dataset.labels.id(name) for name in names}


def _table(dataset: Dataset) -> ImageCounts:
    try:
        return ImageCounts.of([sample.counts for sample in dataset], dataset.labels)
    except ValueError as error:
        message = f"the counts of the manifest cannot be ({error}): it was edited; segdata check finds where"
        raise DatasetError(f"{dataset.root}: {message}") from error


def _old_splits(dataset: Dataset, keep: Dataset | None, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The splits, by id, of samples that `keep` has, and the ids that it alone has."""
    if keep is None:
        return {}, []
    if foreign := [name for name in keep.splits if name not in names]:
        raise OptionError(f"{keep.root}: has a split {foreign[0]!r}, which is not asked for: there are {some(names)}")
    here: dict[str, list[Sample]] = defaultdict(list)
    for sample in dataset:
        for name in {sample.id, stem(sample)}:
            here[name].append(sample)
    then = Counter(stem(was) for was in keep)
    old, gone = {}, []
    for was in keep:
        if was.split is not None:
            found = here.get(stem(was), [])
            if len(found) > 1 or then[stem(was)] > 1:
                found = _same(was, found, keep, dataset, renamed=then[stem(was)] == 1)
            if found:
                old[found[0].id] = was.split
            else:
                gone.append(was.id)
    if not old:
        raise OptionError(f"{keep.root}: has no sample of {dataset.root}, so there is nothing to keep")
    return old, sorted(gone)


def _same(was: Sample, found: list[Sample], keep: Dataset, dataset: Dataset, *, renamed: bool) -> list[Sample]:
    """Of samples that may be the one of `keep`, that with its mask, or its image, or, where splitting cannot have
    `renamed` it, its id. Raises `OptionError` where nothing tells."""
    image = was.image and absolute(keep.image_path(was))
    for alike in (
        [s for s in found if s.sha256 == was.sha256],
        [s for s in found if s.image and absolute(dataset.image_path(s)) == image],
        [s for s in found if s.id == was.id and not renamed],
    ):
        if len(alike) == 1:
            return alike
    if len(found) > 1 and renamed:
        which = " or ".join(s.id for s in found)
        why = "their masks and images do not tell: rename one of them, or leave --keep"
        raise OptionError(f"{keep.root}: {was.id} may be {which}: {why}")
    return []


def _kept_groups(dataset: Dataset, groups: Groups, old: Mapping[str, str], names: Sequence[str]) -> Ints:
    """(G,) the splits, by number, of groups that have samples with a split already, -1 for the others."""
    kept = np.full(len(groups.names), -1, np.int64)
    for sample, group in zip(dataset, groups.of, strict=True):
        if (name := old.get(sample.id)) is not None:
            number = names.index(name)
            if kept[group] not in (-1, number):
                both = f"{names[kept[group]]} and {name}"
                way = "group as it was grouped then (--group-by), or leave --keep"
                raise OptionError(f"the group {groups.names[group]!r} is in {both} already: {way}")
            kept[group] = number
    return kept


def _refuse_impossible(
    dataset: Dataset, table: ImageCounts, groups: Groups, kept: Ints, aimed: Mapping[str, float], allowed: set[int]
) -> None:
    """Raise `OptionError` for fewer groups than splits, and for classes in too few groups."""
    if len(groups.names) < len(aimed):
        ways = (
            "ask for fewer (--ratios), group otherwise (--group-by), or divide a scene or a sequence (--by block:2x3)"
        )
        raise OptionError(f"{len(groups.names)} groups ({some(groups.names)}) cannot fill {len(aimed)} splits: {ways}")
    reasons, classes = [], []
    for class_id, inside in groups.holders(table).items():
        held = {int(kept[g]) for g in inside} - {-1}
        free = sum(kept[g] < 0 for g in inside)
        if class_id not in allowed and len(held) + free < len(aimed):
            name = dataset.labels.name(class_id)
            how_many = "one group only" if len(inside) == 1 else f"{len(inside)} groups"
            stay = f", {len(inside) - free} of which stay where they are" if free < len(inside) else ""
            reasons.append(f"{name!r} is in {how_many}{stay} ({some([groups.names[g] for g in sorted(inside)], 3)})")
            classes.append(name)
    if reasons:
        raise OptionError(
            f"cannot reach all of {', '.join(aimed)}: {some(reasons, 5)}: {_way_out(classes)}, or merge them with others "
            "first (segdata remap)"
        )


def _refuse_missing(report: SplitReport, allowed: set[int]) -> None:
    """Raise `OptionError` where a class that should reach every split does not."""
    missing = [c for c in report.classes if c.name in report.missing and c.id not in allowed]
    if missing:
        reasons = [f"{c.name!r} (in {c.groups} groups) does not reach {some(report.missing[c.name])}" for c in missing]
        raise OptionError(
            f"no way was found: {some(reasons, 5)}: give small splits more, or another --seed, or "
            f"{_way_out([c.name for c in missing])}"
        )


def _way_out(classes: Sequence[str]) -> str:
    each = " ".join(f"--allow-missing {shlex.quote(name)}" for name in classes[:3])
    return f"allow that with {f'{each} or ' if len(classes) <= 3 else ''}--allow-missing all"


def _moves(dataset: Dataset, samples: Sequence[Sample], splits: Sequence[str], groups: Groups | None) -> list[Move]:
    """Samples under the id and in the split that they shall have, and in their group of `groups`, if these are to be kept."""
    stems = stems_of(samples)
    ids = {sample.id: id_in(sample, name, stems) for sample, name in zip(samples, splits, strict=True)}
    refuse_twice(dataset, ids)
    called = [s.group for s in samples] if groups is None else [groups.names[g] for g in groups.of.tolist()]
    return [
        Move(
            0,
            s,
            msgspec.structs.replace(s, id=ids[s.id], split=name, group=group, parent=ids.get(s.parent or "", s.parent)),
        )
        for s, name, group in zip(samples, splits, called, strict=True)
    ]
