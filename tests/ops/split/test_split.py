"""Splitting: every sample once, what belongs together in one, old samples where they were, and what is said when it cannot be."""

from __future__ import annotations

import itertools
import json
import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import segdata
from carry_files import contents, make, random_masks, rows
from segdata.cli import COMMANDS, main
from segdata.dataset.counts import ImageCounts
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, DatasetError, OptionError, Report
from segdata.files.places import file_digest
from segdata.ops.convert.operation import convert
from segdata.ops.split import balance as costs
from segdata.ops.split.balance import balance, forced, reached
from segdata.ops.split.command import split as split_command
from segdata.ops.split.operation import split
from segdata.ops.split.result import read_report
from segdata.windows import Window

HALVES = {"a": 0.5, "b": 0.5}
if "split" not in COMMANDS:
    main.add_command(split_command)


# The array function


def table_of(pixels: NDArray[np.int64]) -> ImageCounts:
    """From (N, K) pixels of each class in each image."""
    image, class_id = np.nonzero(pixels)
    void = np.zeros(len(pixels), np.int64)
    return ImageCounts(image, class_id, pixels[image, class_id], pixels.sum(axis=1), void, pixels.shape[1])


def cost(
    pixels: NDArray[np.int64], splits: NDArray[np.int64], ratios: NDArray[np.float64], optional: set[int]
) -> float:
    """What `balance` says it minimises, straight from its docstring; every image is a group."""
    number, classes = len(ratios), pixels.shape[1]
    columns = np.column_stack([pixels, pixels.sum(axis=1), np.ones(len(pixels), np.int64)])
    shares = columns.sum(axis=0) / max(pixels.sum(), 1)
    held = np.stack([columns[splits == s].sum(axis=0) for s in range(number)])
    total, parts, sharing = 0.0, [0.0], [0.0]
    for c in range(classes + 2):
        mass = columns[:, c]
        if not mass.any():
            continue
        part = mass / mass.sum()
        have = held[:, c] / mass.sum()
        chi = ((have - ratios) ** 2 / ratios).sum() / (part**2).sum() / (number - 1)
        total += chi * {classes: costs.PIXELS, classes + 1: costs.SIZE}.get(c, 1 + costs.SHARE * shares[c])
        holders = [np.count_nonzero(mass[splits == s]) for s in range(number)]
        if sum(holders) >= number and c < classes + 1:
            must = c < classes and c not in optional
            total += (costs.MUST if must else costs.COVER) * holders.count(0)
        if c == classes + 1 or (c < classes and part[part > ratios.min()].sum() <= ratios.max()):
            parts.append((costs.WORST_SIZE if c > classes else costs.WORST_PART) * np.abs(have / ratios - 1).max())
        if c < classes:
            within = held[:, c] / np.maximum(held[:, classes], 1)
            sharing.append(costs.WORST_SHARE * np.abs(within - shares[c]).max())
    total += max(parts) + max(sharing)
    return total if np.bincount(splits, minlength=number).all() else np.inf


@settings(max_examples=30)
@given(st.data())
def test_small_assignments_are_the_best_of_all(data: st.DataObject) -> None:
    number = data.draw(st.integers(2, 3))
    shape = (data.draw(st.integers(number, 6)), data.draw(st.integers(1, 3)))
    flat = data.draw(st.lists(st.integers(0, 50), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    pixels = np.array(flat).reshape(shape)
    ratios = np.array({2: [0.7, 0.3], 3: [0.5, 0.3, 0.2]}[number])
    optional = data.draw(st.sets(st.integers(0, shape[1] - 1)))
    found = balance(table_of(pixels), np.arange(len(pixels)), ratios, optional=optional)
    every = itertools.product(range(number), repeat=len(pixels))
    best = min(cost(pixels, np.array(splits), ratios, optional) for splits in every)
    assert cost(pixels, found, ratios, optional) == pytest.approx(best)


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 40), st.integers(1, 6))
def test_every_group_is_assigned_once_and_the_kept_stay(seed: int, number: int, groups: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    groups += number
    of = np.concatenate([np.arange(groups), rng.integers(0, groups, 20)])
    pixels = rng.integers(0, 100, (len(of), classes)) * (rng.random((len(of), classes)) < 0.4)
    ratios = rng.dirichlet(np.ones(number)) * 0.9 + 0.1 / number
    kept = np.where(rng.random(groups) < 0.3, rng.integers(0, number, groups), -1)
    table = table_of(pixels)
    splits = balance(table, of, ratios, kept=kept, seed=seed)
    assert splits.shape == (groups,)
    assert set(splits.tolist()) <= set(range(number))
    np.testing.assert_array_equal(splits[kept >= 0], kept[kept >= 0])
    if np.count_nonzero(kept < 0) >= number:
        assert np.bincount(splits, minlength=number).all(), "an empty split"
    np.testing.assert_array_equal(splits, balance(table, of, ratios, kept=kept, seed=seed))
    expected = [[pixels[splits[of] == s, k].sum() for s in range(number)] for k in range(classes)]
    np.testing.assert_array_equal(reached(table, splits[of], number), expected)


@settings(max_examples=30)
@given(st.data())
def test_what_is_forced_is_the_least_of_all(data: st.DataObject) -> None:
    shape = data.draw(st.integers(3, 6)), 2
    flat = data.draw(st.lists(st.integers(0, 9), min_size=2 * shape[0], max_size=2 * shape[0]))
    pixels, ratios = np.array(flat).reshape(shape), np.array([0.5, 0.3, 0.2])
    told = forced(table_of(pixels), np.arange(shape[0]), ratios)
    every = [np.array(splits) for splits in itertools.product(range(3), repeat=shape[0])]
    for c in range(2):
        whole = max(pixels[:, c].sum(), 1)
        found = [max(abs(pixels[s == k, c].sum() / whole - ratios[k]) for k in range(3)) for s in every]
        assert told[c] <= (min(found) if pixels[:, c].any() else 0) + 1e-12
        if np.count_nonzero(pixels[:, c]) == 1:
            assert told[c] == pytest.approx(min(found))


def test_balance_is_far_better_than_chance() -> None:
    rng = np.random.default_rng(3)
    pixels = (rng.lognormal(8, 1.5, (300, 12)) * (rng.random((300, 12)) < 0.3)).astype(np.int64)
    ratios = np.array([0.8, 0.1, 0.1])

    def worst(splits: NDArray[np.int64]) -> float:
        parts = np.stack([pixels[splits == s].sum(axis=0) for s in range(3)]) / pixels.sum(axis=0)
        return float(np.abs(parts.T / ratios - 1).max())

    chance = [worst(rng.permutation(np.repeat([0, 1, 2], [240, 30, 30]))) for _ in range(20)]
    assert worst(balance(table_of(pixels), np.arange(300), ratios)) < min(chance) / 4


def test_a_rare_class_reaches_every_split() -> None:
    pixels = np.zeros((60, 3), np.int64)
    pixels[:, 0] = 10_000
    pixels[:3, 1] = [900, 5, 1]  # three images for three splits, most of it in one
    pixels[10:14, 2] = 1
    splits = balance(table_of(pixels), np.arange(60), np.array([0.8, 0.1, 0.1]))
    assert sorted(splits[:3].tolist()) == [0, 1, 2]
    assert set(splits[10:14].tolist()) == {0, 1, 2}
    assert np.bincount(splits).tolist() == [48, 6, 6]


# The dataset


def members(dataset: Dataset) -> dict[str, str | None]:
    """The split of each sample, by its id without a split in front."""
    return {s.id.removeprefix(f"{s.split}/"): s.split for s in dataset}


@pytest.mark.slow
@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([{"a": 0.6, "b": 0.4}, {"a": 0.5, "b": 0.25, "c": 0.25}]))
def test_every_sample_once_and_groups_never_parted(tmp_path_factory: Any, seed: int, ratios: dict[str, float]) -> None:
    tmp_path = tmp_path_factory.mktemp("split")
    rng = np.random.default_rng(seed)
    masks = random_masks(24, seed=seed)
    groups = {id: {"group": f"g{rng.integers(8)}"} for id in masks}
    source = make(tmp_path / "d", masks, fields=groups)
    if len({g["group"] for g in groups.values()}) < len(ratios):
        return
    made = split(source, tmp_path / "s", ratios=ratios, seed=seed, allow_missing=["all"])
    assert Dataset.open(tmp_path / "s").samples == made.samples
    assert [s.id for s in made] == sorted(masks)
    assert {s.split for s in made} == set(ratios)
    where = defaultdict(set)
    for sample in made:
        where[sample.group].add(sample.split)
        np.testing.assert_array_equal(made.read_mask(sample), masks[sample.id])
    assert all(len(splits) == 1 for splits in where.values())


def test_the_report_is_what_the_masks_hold(tmp_path: Path) -> None:
    masks = random_masks(40, classes=4)
    source = make(tmp_path / "d", masks, names=("a", "b", "c", "d", "nowhere"))
    made = split(source, tmp_path / "s", ratios={"x": 0.7, "y": 0.3})
    report = read_report(Dataset.open(tmp_path / "s"))
    assert report.aimed == {"x": 0.7, "y": 0.3}
    assert report.samples == report.groups == {name: sum(s.split == name for s in made) for name in ("x", "y")}
    assert report.absent == ["nowhere"]
    assert report.missing == {}
    assert [c.name for c in report.classes] == ["a", "b", "c", "d"]
    for c in report.classes:
        pixels = {name: sum(int((masks[s.id] == c.id).sum()) for s in made if s.split == name) for name in ("x", "y")}
        assert c.pixels == sum(pixels.values())
        assert c.groups == sum((mask == c.id).any() for mask in masks.values())
        assert c.reached == {name: pytest.approx(n / c.pixels, abs=1e-6) for name, n in pixels.items()}
        assert c.deviation == pytest.approx(max(abs(c.reached[n] - report.aimed[n]) for n in report.aimed), abs=2e-6)
        assert c.deviation < 0.05
    assert (report.kept, report.gone) == (0, [])


def test_folds(tmp_path: Path) -> None:
    made = split(make(tmp_path / "d", random_masks(50)), tmp_path / "s", folds=5)
    assert made.splits == ("fold0", "fold1", "fold2", "fold3", "fold4")
    assert [len(made.split(name)) for name in made.splits] == [10] * 5
    assert all(set(c.reached) == set(made.splits) for c in read_report(made).classes)


def test_the_split_follows_from_seed_and_ids_not_from_their_order(tmp_path: Path) -> None:
    masks = random_masks(40)
    source = make(tmp_path / "d", masks)
    first = split(source, tmp_path / "one" / "s", seed=7)
    backwards = replace(source, samples=source.samples[::-1])
    split(backwards, tmp_path / "two" / "s", seed=7)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    others = [members(split(source, tmp_path / f"s{seed}", seed=seed)) for seed in (8, -1, 2**70)]
    assert members(first) not in others


# Ids


def test_ids_begin_with_the_new_split_where_they_began_with_the_old(tmp_path: Path) -> None:
    masks = {**random_masks(6, prefix="train/"), **random_masks(6, prefix="", first=6, seed=1)}
    made = split(make(tmp_path / "d", masks), tmp_path / "s", ratios=HALVES, allow_missing=["all"])
    for sample in made:
        number = int(sample.id[-3:])
        assert sample.id == (f"{sample.split}/{number:03d}" if number < 6 else f"{number:03d}")
        assert sample.mask == f"masks/{sample.id}.png"


def test_two_samples_that_differ_in_their_split_alone_keep_it(tmp_path: Path) -> None:
    masks = {**random_masks(5, prefix="train/"), **random_masks(5, prefix="val/", seed=1)}
    masks["train/only"] = masks["train/000"]
    made = split(make(tmp_path / "d", masks), tmp_path / "s", ratios=HALVES, allow_missing=["all"])
    ids = {s.id.removeprefix(f"{s.split}/") for s in made}
    assert ids == {id if id != "train/only" else "only" for id in masks}
    for sample in made:
        stem = sample.id.removeprefix(f"{sample.split}/")
        np.testing.assert_array_equal(made.read_mask(sample), masks["train/only" if stem == "only" else stem])
    again = split(made, tmp_path / "again", ratios=HALVES, allow_missing=["all"], seed=5)
    assert {s.id.removeprefix(f"{s.split}/") for s in again} == ids


def test_ids_that_would_meet_are_refused(tmp_path: Path) -> None:
    """`val/x` is no id of a split here: it stays, and `train/x` would become it."""
    masks = {id: rows((9, 1, 1)) for id in ("val/x", "train/x", "train/y", "train/z")}
    source = make(
        tmp_path / "d", masks, fields={"val/x": {"split": None}, "train/x": {"group": "g"}, "train/y": {"group": "g"}}
    )
    kept = make(tmp_path / "k", {"val/y": masks["train/y"]})
    with pytest.raises(DatasetError, match="d: train/x and val/x would both be val/x: convert them under other names"):
        split(source, tmp_path / "s", ratios={"fit": 0.5, "val": 0.5}, keep=kept, allow_missing=["all"])


# Keeping


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("prefix", ["", "train/"])
def test_adding_images_moves_none_of_the_old_ones(tmp_path: Path, seed: int, prefix: str) -> None:
    before = random_masks(30, seed=seed, prefix=prefix)
    old = split(make(tmp_path / "d", before), tmp_path / "s", seed=seed)
    more = {**before, **random_masks(25, seed=seed + 50, prefix=prefix, first=30)}
    source = make(tmp_path / "more", more)
    new = split(source, tmp_path / "s2", keep=tmp_path / "s", seed=seed + 1)
    assert len(new) == 55
    assert {k: members(new)[k] for k in members(old)} == members(old)
    report = read_report(new)
    assert (report.kept, report.gone) == (30, [])
    assert [report.samples[name] for name in ("train", "val", "test")] == pytest.approx([44, 5.5, 5.5], abs=1)
    assert new.made_by["inputs"] == [
        {"name": "more", "sha256": file_digest(tmp_path / "more" / "manifest.jsonl")},
        {"name": "s", "sha256": file_digest(tmp_path / "s" / "manifest.jsonl")},
    ]
    free = split(source, tmp_path / "s3", seed=seed + 1)
    assert {k: members(free)[k] for k in members(old)} != members(old), "the test would pass without --keep"


@pytest.mark.parametrize("images", ["none", "reference"])
@pytest.mark.parametrize("seed", range(3))
def test_old_images_are_known_though_new_ones_are_called_the_same_in_another_split(
    tmp_path: Path, seed: int, images: str
) -> None:
    """`train/003` is there, was put in a or b, and now there is a `val/003` too: the mask tells them apart, or the image."""
    ratios = {"train": 0.6, "val": 0.4}
    before = random_masks(20, seed=seed, prefix="train/")
    kept = split(make(tmp_path / "d", before, images=images), tmp_path / "s", ratios=ratios, seed=seed)
    where = {k.removeprefix(f"{v}/"): v for k, v in members(kept).items()}
    new = random_masks(12, seed=seed + 50, prefix="val/")
    if images == "reference":  # masks that are the same tell nothing
        new = {id: before[id.replace("val", "train")] for id in new}
    source = make(tmp_path / "d", {**before, **new}, images=images)
    made = split(source, tmp_path / "t", ratios=ratios, keep=kept, seed=seed + 1, allow_missing=["all"])
    assert read_report(made).kept == 20
    assert read_report(made).gone == []
    now = {s.id.removeprefix(f"{s.split}/").removeprefix("train/"): s.split for s in made if "/val/" not in s.id}
    assert now == where


def test_old_images_that_cannot_be_told_are_not_guessed(tmp_path: Path) -> None:
    """Labels were drawn anew and the images copied: nothing says which of two an old one is."""
    before = random_masks(12, prefix="train/")
    kept = split(make(tmp_path / "d", before), tmp_path / "s", ratios=HALVES, allow_missing=["all"])
    again = {**random_masks(12, seed=7, prefix="train/"), **random_masks(12, seed=8, prefix="val/")}
    message = r"(a|b)/000 may be train/000 or val/000: their masks and images do not tell: rename one of them"
    with pytest.raises(OptionError, match=message):
        split(make(tmp_path / "e", again), tmp_path / "t", ratios=HALVES, keep=kept, allow_missing=["all"])
    new = split(
        make(tmp_path / "f", random_masks(12, seed=7, prefix="train/")), tmp_path / "u", ratios=HALVES, keep=kept
    )
    assert members(new) == members(kept)


def test_a_dataset_is_kept_by_its_own_ids(tmp_path: Path) -> None:
    """Two samples that differ in their split alone, in both datasets; one is gone, its namesake is not taken for it."""
    masks = {**random_masks(8, prefix="train/"), **random_masks(8, seed=1, prefix="val/")}
    kept = make(tmp_path / "k", masks)
    redrawn = {id: 2 - mask.clip(0, 2) for id, mask in masks.items() if id != "val/003"}
    made = split(make(tmp_path / "d", redrawn), tmp_path / "s", ratios={"train": 0.5, "val": 0.5}, keep=kept)
    assert {s.id: s.split for s in made} == {
        (id if id.endswith("003") else f"{id[: id.index('/')]}/{id}"): id[: id.index("/")] for id in redrawn
    }
    assert read_report(made).gone == ["val/003"]


def test_new_images_follow_their_group(tmp_path: Path) -> None:
    masks = random_masks(20)
    groups = {id: {"group": f"g{i % 5}"} for i, id in enumerate(masks)}
    old = split(make(tmp_path / "d", masks, fields=groups), tmp_path / "s", ratios=HALVES)
    where = {s.group: s.split for s in old}
    more = {**masks, **random_masks(10, first=20, seed=3)}
    groups |= {id: {"group": f"g{i % 5}"} for i, id in enumerate(more) if id not in groups}
    new = split(
        make(tmp_path / "more", more, fields=groups), tmp_path / "s2", ratios=HALVES, keep=old, allow_missing=["all"]
    )
    assert {s.group: s.split for s in new} == where


def test_what_is_gone_is_told(tmp_path: Path) -> None:
    masks = random_masks(20)
    old = split(make(tmp_path / "d", masks), tmp_path / "s", ratios=HALVES)
    fewer = {id: mask for id, mask in masks.items() if id not in ("003", "007")}
    new = split(make(tmp_path / "e", fewer), tmp_path / "t", ratios=HALVES, keep=old)
    assert (read_report(new).kept, read_report(new).gone) == (18, ["003", "007"])


def test_keeping_what_cannot_be_kept(tmp_path: Path) -> None:
    masks = random_masks(20)
    source = make(tmp_path / "d", masks)
    old = split(source, tmp_path / "s", ratios=HALVES)
    with pytest.raises(OptionError, match=r"has a split 'a', which is not asked for: there are train, val, test"):
        split(source, tmp_path / "t", keep=old)
    together = make(tmp_path / "e", masks, fields={id: {"group": "all one"} for id in list(masks)[:18]})
    with pytest.raises(OptionError, match=r"the group 'all one' is in (a and b|b and a) already"):
        split(together, tmp_path / "t", ratios=HALVES, keep=old)
    others = make(tmp_path / "f", random_masks(9, prefix="other"))
    with pytest.raises(OptionError, match="so there is nothing to keep"):
        split(others, tmp_path / "t", ratios=HALVES, keep=old)
    assert not (tmp_path / "t").exists()


# Refusing


def test_a_class_in_one_group_only(tmp_path: Path) -> None:
    masks = {**random_masks(20, classes=2), "rare": rows((30, 10, 8))}
    source = make(tmp_path / "d", masks)
    message = (
        r"cannot reach all of train, val, test: 'sign' is in one group only \(rare\): .*--allow-missing sign or .*all"
    )
    with pytest.raises(OptionError, match=message):
        split(source, tmp_path / "s")
    assert not (tmp_path / "s").exists()
    for names in (["sign"], ["all"]):
        made = split(source, tmp_path / "s", allow_missing=names, overwrite=True)
        report = read_report(made)
        assert list(report.missing) == ["sign"]
        assert len(report.missing["sign"]) == 2
        assert made.made_by["options"]["allow_missing"] == names


def test_a_group_that_stays_counts_for_the_split_it_is_in(tmp_path: Path) -> None:
    """Two free groups and one that stays reach three splits; two that stay in one split, and a free one, reach but two."""
    masks = {**random_masks(20, classes=2), **{f"r{i}": rows((40, 0, 8)) for i in range(3)}}
    source = make(tmp_path / "d", masks)
    one = make(tmp_path / "one", {"r0": masks["r0"]}, fields={"r0": {"split": "val"}})
    made = split(source, tmp_path / "s", keep=one)
    assert made.sample("r0").split == "val"
    assert {made.sample(f"r{i}").split for i in range(3)} == {"train", "val", "test"}
    two = make(
        tmp_path / "two", {id: masks[id] for id in ("r0", "r1")}, fields={id: {"split": "val"} for id in ("r0", "r1")}
    )
    with pytest.raises(OptionError, match=r"'sign' is in 3 groups, 2 of which stay where they are \(r0, r1, r2\)"):
        split(source, tmp_path / "t", keep=two)


def test_classes_that_stand_in_each_others_way(tmp_path: Path) -> None:
    """Each class alone could reach both splits, but not all of them together: the pairs form a triangle."""
    masks = {"x": rows((40, 4, 4)), "y": rows((40, 4, 0)), "z": rows((40, 0, 4))}
    source = make(tmp_path / "d", masks)
    made = split(source, tmp_path / "s", ratios=HALVES)
    assert {frozenset(s.id for s in made.split(name)) for name in made.splits} == {frozenset("x"), frozenset("yz")}
    masks = {"x": rows((40, 4, 4, 0)), "y": rows((40, 4, 0, 4)), "z": rows((40, 0, 4, 4))}
    source = make(tmp_path / "e", masks, names=("road", "car", "sign", "tree"))
    with pytest.raises(OptionError, match=r"no way was found: '(car|sign|tree)' \(in 2 groups\) does not reach (a|b)"):
        split(source, tmp_path / "t", ratios=HALVES)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ratios": {"train": 0.8, "val": 0.1}}, "train=0.8, val=0.1 do not sum to 1"),
        ({"ratios": {"train": 1.0}}, "two splits or more"),
        ({"ratios": {}}, "two splits or more"),
        ({"ratios": {"train": 1.0, "val": 0.0}}, "val=0: must be above 0"),
        ({"ratios": {"train": 1.5, "val": -0.5}}, "val=-0.5: must be above 0"),
        ({"ratios": {"train": float("nan"), "val": 0.5}}, "train=nan: must be above 0"),
        ({"ratios": {"../x": 0.5, "val": 0.5}}, "'../x' is no name for a split"),
        ({"ratios": {"..": 0.5, "val": 0.5}}, "'..' is no name for a split"),
        ({"ratios": HALVES, "folds": 2}, "give one of them"),
        ({"folds": 1}, "--folds 1: must be 2 or more"),
        ({"folds": 50}, "12 groups .* cannot fill 50 splits"),
        ({"allow_missing": ["sing"]}, "--allow-missing sing: no such class: did you mean sign"),
        (
            {"group_by": "city"},
            "--group-by city: there are group, parent, duplicates, crops, sequence, regex:PATTERN, csv:FILE",
        ),
        ({"group_by": "group"}, "no sample has a group"),
        ({"group_by": "regex:^(x)"}, "does not match 12 of 12 ids: 000, 001, .* makes each of them a group"),
        ({"group_by": "regex:^x"}, "in parentheses"),
        ({"group_by": "regex:("}, "not a regular expression"),
        ({"group_by": ["regex:(0)", "regex:(1)"]}, "give one"),
        ({"group_by": "regex:^(0)"}, "1 groups .* cannot fill 3 splits"),
        ({"group_by": "duplicates"}, "there are no images to compare: 000, 001, 002 and 9 more"),
        ({"keep": "nowhere"}, "there is no such folder"),
    ],
)
def test_bad_options(tmp_path: Path, options: Any, words: str) -> None:
    with pytest.raises((OptionError, DatasetError), match=words):
        split(make(tmp_path / "d", random_masks(12)), tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


def test_poor_datasets(tmp_path: Path) -> None:
    empty = make(tmp_path / "empty", {})
    with pytest.raises(OptionError, match="there are no samples to split"):
        split(empty, tmp_path / "s")
    void = make(tmp_path / "void", {f"{i}": np.full((4, 4), 255) for i in range(10)})
    report = read_report(split(void, tmp_path / "v"))
    assert (report.samples, report.classes) == ({"train": 8, "val": 1, "test": 1}, [])
    assert report.absent == ["road", "car", "sign"]
    one = make(tmp_path / "one", {f"{i}": np.zeros((4, 4)) for i in range(10)}, names=("road",))
    assert read_report(split(one, tmp_path / "o")).samples == {"train": 8, "val": 1, "test": 1}


# Groups


def together(made: Dataset) -> set[frozenset[str]]:
    """What ended in one split, as sets of ids without their split."""
    splits = defaultdict(set)
    for id, name in members(made).items():
        splits[name].add(id)
    return {frozenset(ids) for ids in splits.values()}


def test_what_groups_are(tmp_path: Path) -> None:
    masks = {id: np.zeros((2, 2)) for id in ("a_1", "a_2", "b_1", "b_2")}
    fields = {"a_1": {"group": "x"}, "b_1": {"group": "x"}, "a_2": {"group": "y"}, "b_2": {"group": "y"}}
    source = make(tmp_path / "d", masks, names=("road",), fields=fields)
    by_letter, by_number = (
        {frozenset({"a_1", "a_2"}), frozenset({"b_1", "b_2"})},
        {frozenset({"a_1", "b_1"}), frozenset({"a_2", "b_2"})},
    )

    def parts(*group_by: str) -> set[frozenset[str]]:
        return together(split(source, tmp_path / "s", ratios=HALVES, group_by=group_by, overwrite=True))

    assert parts() == parts("group") == by_number
    assert parts("regex:^(.)") == by_letter
    assert parts("regex:_(.)") == by_number
    assert all(len(half) == 2 for half in parts("parent"))
    with pytest.raises(OptionError, match=r"1 groups .* cannot fill 2 splits"):
        parts("regex:^(.)", "group")  # related to related is related


def test_tiles_stay_with_their_image(tmp_path: Path) -> None:
    masks = {f"train/{p}_{i}": np.zeros((2, 2)) for p in "pqr" for i in range(5)}
    fields = {id: {"parent": id[:-2]} for id in masks} | {"train/p": {}}
    masks["train/p"] = np.zeros((2, 2))
    source = make(tmp_path / "d", masks, names=("road",), fields=fields)
    for group_by in ((), "parent", "regex:_?(.)$"):
        try:
            made = split(source, tmp_path / "s", ratios=HALVES, group_by=group_by, overwrite=True)
        except OptionError:
            assert group_by == "regex:_?(.)$", "there everything hangs together"
            continue
        splits = {s.id[-3:-2] if "_" in s.id else s.id[-1]: s.split for s in made}
        assert all(s.split == splits[s.id[-3:-2] if "_" in s.id else "p"] for s in made)
        assert {s.parent for s in made} == {None, f"{splits['p']}/p", "train/q", "train/r"}


def test_one_image_of_two_samples_is_in_one_split(tmp_path: Path) -> None:
    masks = {id: np.zeros((2, 2)) for id in "abcd"}
    fields = {
        id: {"image": path}
        for id, path in zip("abcd", ("../p/1.png", "../p/2.png", "../p/./1.png", "../p/3.png"), strict=True)
    }
    source = make(tmp_path / "d", masks, names=("road",), images="reference", fields=fields)
    for seed in range(5):
        made = members(split(source, tmp_path / "s", ratios=HALVES, seed=seed, overwrite=True))
        assert made["a"] == made["c"]


def test_near_duplicates_stay_together(samples: Path, tmp_path: Path) -> None:
    masks = {f"{i:02d}": np.zeros((2, 2)) for i in range(12)}
    source = make(tmp_path / "d", masks, names=("road",), images="reference")
    scenes = sorted((samples / "coco/train2017").glob("*.jpg"))
    for i, sample in enumerate(source):  # each scene, and the same mirrored and compressed
        scene = Image.open(scenes[i // 2])
        if i % 2:
            scene = scene.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        scene.save(source.root / str(sample.image), format="JPEG", quality=70 if i % 2 else 95)
    made = members(split(source, tmp_path / "s", ratios=HALVES, group_by="duplicates"))
    assert all(made[f"{i:02d}"] == made[f"{i + 1:02d}"] for i in range(0, 12, 2))
    plain = members(split(source, tmp_path / "t", ratios=HALVES))
    assert any(plain[f"{i:02d}"] != plain[f"{i + 1:02d}"] for i in range(0, 12, 2)), "or the test shows nothing"
    (source.root / str(source.samples[3].image)).write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"03.*image\.unreadable"):
        split(source, tmp_path / "u", ratios=HALVES, group_by="duplicates")


# Files


@pytest.mark.parametrize("images", ["none", "copy"])
def test_what_is_edited_in_place_stays_so_in_one_dataset(tmp_path: Path, images: str) -> None:
    source = make(tmp_path / "d", random_masks(5), images=images)
    before = contents(source.root)
    made = split(source, tmp_path / "s")
    for path in (tmp_path / "s").rglob("*.png"):
        with path.open("r+b") as file:
            file.write(b"edited")
    assert contents(source.root) == before
    assert not any(os.path.samefile(made.root / s.mask, source.root / s.mask) for s in made)


def test_a_mask_behind_a_link_is_taken_not_the_link(tmp_path: Path) -> None:
    source = make(tmp_path / "d", random_masks(20))
    path = tmp_path / "d" / "masks" / "003.png"
    path.rename(tmp_path / "d" / "elsewhere.png")
    path.symlink_to("../elsewhere.png")
    made = split(source, tmp_path / "far" / "s")
    assert not (made.root / "masks/003.png").is_symlink()
    np.testing.assert_array_equal(made.read_mask(made.sample("003")), source.read_mask(source.sample("003")))


@pytest.mark.parametrize("images", ["reference", "link", "copy", "none"])
def test_images_stay_in_reach(tmp_path: Path, images: str) -> None:
    source = make(tmp_path / "d", random_masks(20, prefix="train/"), images=images)
    made = split(source, tmp_path / "deep" / "er" / "s")
    again = split(made, tmp_path / "s", seed=3)
    for step in (made, again):
        assert step.images == images
        for sample in Dataset.open(step.root):
            before = source.sample(f"train/{sample.id[-3:]}")
            if images == "none":
                assert sample.image is None
                continue
            path = step.root / str(sample.image)
            np.testing.assert_array_equal(step.read_image(sample), source.read_image(before))
            assert path.is_symlink() == (images == "link")
            if images == "link":
                original = tmp_path / "d-images" / f"{before.id}.png"
                assert not os.path.isabs(os.readlink(path))
                assert os.path.normpath(path.parent / os.readlink(path)) == str(original), "a link to a link"
            if images != "reference":
                assert sample.image == f"images/{sample.id}.png"
            if images == "copy":
                assert not os.path.samefile(path, source.root / str(before.image))


def test_virtual_tiles_share_their_mask(tmp_path: Path) -> None:
    masks = random_masks(6)
    source = make(tmp_path / "d", masks, images="copy")
    tiles = []
    for sample in source:
        for x in (0, 4):
            window = Window(0, x, 6, 4)
            values, counts = np.unique(masks[sample.id][window.slices], return_counts=True)
            counted = dict(zip(values.tolist(), counts.tolist(), strict=True))
            tiles.append(
                segdata.Sample(
                    id=f"{sample.id}-{x}", image=sample.image, mask=sample.mask, height=6, width=4, counts=counted,
                    sha256=sample.sha256, parent=sample.id, window=window, crop=window,
                )
            )  # fmt: skip
    tiled = replace(source, samples=tiles)
    made = split(tiled, tmp_path / "s", ratios=HALVES, allow_missing=["all"])
    assert len(made) == 12
    assert len(list((tmp_path / "s" / "masks").rglob("*.png"))) == 6
    assert len(list((tmp_path / "s" / "images").rglob("*.png"))) == 6
    for sample in Dataset.open(made.root):
        np.testing.assert_array_equal(made.read_mask(sample), tiled.read_mask(tiled.sample(sample.id)))
        np.testing.assert_array_equal(made.read_image(sample), tiled.read_image(tiled.sample(sample.id)))
        assert sample.counts == tiled.sample(sample.id).counts
    splits = {(s.parent, s.split) for s in made}
    assert len(splits) == 6


def test_scores_go_along(tmp_path: Path) -> None:
    source = make(tmp_path / "d", random_masks(9, prefix="val/"), fields={"val/004": {"scores": "scores/val/004.tif"}})
    (tmp_path / "d/scores/val").mkdir(parents=True)
    (tmp_path / "d/scores/val/004.tif").write_bytes(b"scores")
    made = split(source, tmp_path / "s", ratios=HALVES)
    (sample,) = (s for s in made if s.scores is not None)
    assert sample.scores == f"scores/{sample.id}.tif"
    assert (tmp_path / "s" / sample.scores).read_bytes() == b"scores"


def test_a_missing_mask(tmp_path: Path) -> None:
    source = make(tmp_path / "d", random_masks(20))
    (tmp_path / "d/masks/007.png").unlink()
    with pytest.raises(DataError, match=r"007\.png: 007: there is no such file: put it back \[file\.missing\]"):
        split(source, tmp_path / "s")
    assert not (tmp_path / "s").exists()
    run = segdata.Run(report=Report("skip"))
    made = split(source, tmp_path / "s", run=run)
    assert [p.sample for p in run.report.problems] == ["007"]
    receipt = made.read_receipt()
    assert receipt["images"] == {"in": 20, "split": 19, "skipped": 1}
    assert [(p["sample"], p["file"]) for p in receipt["skipped"]] == [("007", "007.png")]


@pytest.mark.parametrize("fields", [{"mask": "../elsewhere.png"}, {"id": "../../escaped"}, {"mask": "/etc/passwd"}])
def test_paths_that_lead_out_are_refused(tmp_path: Path, fields: dict[str, str]) -> None:
    with pytest.raises(DatasetError, match=r"outside the dataset|out of the dataset"):  # noqa: PT012 - as it is opened, or used
        source = make(tmp_path / "d", random_masks(9), fields={"004": fields})
        split(source, tmp_path / "deep" / "s", ratios=HALVES)
    assert not (tmp_path / "deep").exists()


def test_the_destination_is_no_input(tmp_path: Path) -> None:
    source = make(tmp_path / "d", random_masks(20))
    before = contents(tmp_path / "d")
    (tmp_path / "alias").symlink_to("d")
    for path in ("d", "alias"):
        with pytest.raises(OptionError, match="is the destination and an input"):
            split(source, tmp_path / path, overwrite=True)
    assert contents(tmp_path / "d") == before
    split(source, tmp_path / "s")
    with pytest.raises(OptionError, match="is the destination and an input"):
        split(source, tmp_path / "s", keep=tmp_path / "s", overwrite=True)
    with pytest.raises(DatasetError, match="exists already"):
        split(source, tmp_path / "s", seed=3)


def test_provenance(tmp_path: Path) -> None:
    made = split(make(tmp_path / "d", random_masks(20)), tmp_path / "s", seed=4, group_by="parent")
    card = json.loads((tmp_path / "s" / "dataset.json").read_text())
    assert card["made_by"] == made.made_by
    assert card["made_by"] == {
        "tool": "segdata",
        "version": segdata.__version__,
        "operation": "split",
        "options": {
            "ratios": {"train": 0.8, "val": 0.1, "test": 0.1}, "group_by": ["parent"], "keep": False, "allow_missing": []
        },
        "seed": 4,
        "inputs": [{"name": "d", "sha256": file_digest(tmp_path / "d" / "manifest.jsonl")}],
    }  # fmt: skip
    for name in ("dataset.json", "manifest.jsonl", "receipt.json"):
        assert str(tmp_path) not in (tmp_path / "s" / name).read_text()


# The command


def run(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def test_the_command(tmp_path: Path) -> None:
    make(tmp_path / "d", {**random_masks(30), "rare": rows((1, 1, 0, 2))}, names=("road", "car", "sign", "emu", "yak"))
    result = run("split", tmp_path / "d", tmp_path / "s", code=1)
    assert "'emu' is in one group only (rare)" in result.stderr
    out = run(
        "split", tmp_path / "d", tmp_path / "s", "--ratios", "fit=0.7, hold=0.3", "--group-by", "regex:(.*)", "--seed", 3,
        "--allow-missing", "emu", "-j", 1,
    ).stdout  # fmt: skip
    assert "(aimed at)" in out
    assert "70.0 %  30.0 %" in out
    assert "missing:     not every split has emu" in out
    assert "absent:      no pixel of yak" in out
    assert (
        "forced:      too much in one group, or in too few groups: emu (30.0 % from its aim in a split, at least)"
        in out
    )
    made = Dataset.open(tmp_path / "s")
    assert made.splits == ("fit", "hold")
    assert f"31 masks, 5 classes (segdata info {tmp_path / 's'})" in out
    assert run("split", tmp_path / "d", tmp_path / "f", "--folds", 3, "--allow-missing", "all").exit_code == 0
    halves = ["--ratios", "fit=0.5,hold=0.5", "--allow-missing", "all"]
    kept = run("split", tmp_path / "d", tmp_path / "k", "--keep", tmp_path / "s", *halves)
    assert "kept:        31 samples are where they were" in kept.stdout


@pytest.mark.parametrize("ratios", ["train", "train=x", "=1", "train=0.5,train=0.5", "train=0.5,,val=0.5", ""])
def test_ratios_that_are_none(tmp_path: Path, ratios: str) -> None:
    result = run("split", tmp_path, tmp_path / "s", "--ratios", ratios, code=2)
    assert "must be like train=0.8,val=0.1,test=0.1" in result.stderr


# Real labels


@pytest.mark.data
def test_coco_mini_is_split_better_than_by_chance(shared_data: Path, tmp_path: Path) -> None:
    source = convert("coco", shared_data / "coco/mini", tmp_path / "d")
    made = split(source, tmp_path / "s", folds=5, allow_missing=["all"])
    held = {label.name: [s.id for s in source if s.counts.get(label.id)] for label in source.labels.classes}
    possible = {name for name, ids in held.items() if len(ids) >= 5}
    assert possible & set(read_report(made).missing) == set()
    assert len(possible) >= 15
    worst = max(c.deviation for c in read_report(made).classes if c.groups >= 40)
    ids = np.array([s.id for s in source])
    by_chance = []
    for seed in range(20):
        folds = np.random.default_rng(seed).permutation(np.arange(80) % 5)
        by_chance.append(max(
            abs(sum(source.sample(i).counts.get(label.id, 0) for i in ids[folds == f])
                / sum(s.counts.get(label.id, 0) for s in source) - 0.2)
            for label in source.labels.classes if len(held[label.name]) >= 40 for f in range(5)
        ))  # fmt: skip
    assert worst <= np.median(by_chance) / 2
