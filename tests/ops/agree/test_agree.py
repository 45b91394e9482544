"""How far annotators agree: against evaluate, against brute force over pixels, and what is refused, with ways out that work."""

from __future__ import annotations

import re
import shlex
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

import segdata
from annotators import annotators
from carry_files import make, random_masks
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, DatasetError, OptionError, Report
from segdata.executors.run import Run
from segdata.metrics.agreement import Votes, class_kappa, kappa, shared_columns
from segdata.metrics.boundary import Boundary
from segdata.metrics.confusion import Confusion
from segdata.ops.agree.operation import agree

NAMES = ("road", "car", "sign", "sky")


def erring(
    seed: int, masks: dict[str, Any], error: float = 0.2, *, ignored: float = 0.0
) -> dict[str, NDArray[np.uint8]]:
    """The masks as an annotator sees them who errs at random, and who leaves some pixels out."""
    rng = np.random.default_rng(seed)
    out = {}
    for id, mask in masks.items():
        wrong = np.where(rng.random(mask.shape) < error, rng.integers(0, 3, mask.shape), mask)
        out[id] = np.where(rng.random(mask.shape) < ignored, 255, wrong).astype(np.uint8)
    return out


def plain(count: int = 6) -> dict[str, NDArray[np.uint8]]:
    """Masks without ignored pixels."""
    return {id: np.where(m == 255, 0, m).astype(np.uint8) for id, m in random_masks(count, prefix="val/").items()}


def test_two_annotators_are_a_prediction_and_truth(tmp_path: Path) -> None:
    """Matrix, scores, intervals and boundaries are those of evaluate, where nothing is ignored."""
    masks = plain()
    one, other = (make(tmp_path / name, erring(seed, masks), names=NAMES) for seed, name in enumerate("ab"))
    found, told = agree([one, other]), segdata.evaluate(other, one, boundary_f=True)
    pair = found.pairs[0]
    assert pair.confusion == told.confusion == found.every.confusion
    assert (pair.names, pair.images, found.units) == (("a", "b"), 6, 6)
    assert (pair.mean_iou, pair.mean_dice, pair.agreed) == (
        told.confusion.mean_iou,
        float(told.confusion.tally.mean_dice),
        told.confusion.pixel_accuracy,
    )
    for score in ("iou", "mean_iou"):
        np.testing.assert_allclose(pair.intervals[score], told.intervals[score])
    assert {i.id: i.mean_iou for i in found.images} == pytest.approx({i.id: i.mean_iou for i in told.images})
    assert isinstance(pair.boundary, Boundary)
    np.testing.assert_array_equal(pair.boundary.iou, told.boundary.iou)
    swapped = agree([other, one], boundary_f=True)
    np.testing.assert_array_equal(swapped.pairs[0].confusion.counts[:, :4], pair.confusion.counts[:, :4].T)
    assert swapped.pairs[0].boundary is not None
    np.testing.assert_array_equal(swapped.pairs[0].boundary.f, told.boundary.f)
    assert swapped.fleiss_all == pytest.approx(found.fleiss_all)


def test_ignored_pixels_are_no_votes(tmp_path: Path) -> None:
    """All is counted pixel by pixel, over the pixels on which both vote; Fleiss' kappa over those with two votes."""
    seen = [erring(seed, plain(), ignored=0.3) for seed in range(3)]
    found = agree([make(tmp_path / f"{n}", masks, names=NAMES) for n, masks in enumerate(seen)])
    flat = [np.concatenate([masks[id].ravel() for id in sorted(masks)]) for masks in seen]
    bands = Boundary.empty(4)
    for pair, (one, other) in zip(found.pairs, combinations(flat, 2), strict=True):
        both = (one != 255) & (other != 255)
        assert pair.confusion == Confusion.of(one[both], other[both], found.labels)
        assert pair.kappa == float(kappa(pair.confusion.tally))
    for one, other in combinations(seen, 2):
        for id in one:
            a, b = (np.where((one[id] == 255) | (other[id] == 255), 255, m[id]).astype(np.uint8) for m in (one, other))
            bands += Boundary.of(a, b, found.labels)
    assert found.every.boundary is not None
    np.testing.assert_array_equal(found.every.boundary.iou, bands.iou)
    votes = Votes.of([one[None] for one in flat], found.labels)
    assert found.votes == votes
    total = shared_columns([votes], 4).total
    assert found.fleiss_all == pytest.approx(float(kappa(total)))
    np.testing.assert_allclose(found.fleiss, class_kappa(total))
    assert found.pixels == int((np.sum([one != 255 for one in flat], axis=0) > 1).sum())
    least = found.images[0]
    assert least.mean_iou == min(image.mean_iou for image in found.images)
    own = Votes.of([m[least.id] for m in seen], found.labels)
    assert (least.unanimous, least.pixels) == (own.unanimous, own.of_several.pixels.sum())


def test_every_two_together_are_the_sum_of_the_pairs(tmp_path: Path) -> None:
    found = agree([make(tmp_path / f"{n}", erring(n, plain()), names=NAMES) for n in range(4)])
    assert len(found.pairs) == 6
    total = sum((pair.confusion for pair in found.pairs[1:]), found.pairs[0].confusion)
    assert found.every.confusion == total
    counts = total.counts[:, :4] + total.counts[:, :4].T
    (one, other, pixels), *_ = found.confused
    assert pixels == counts[NAMES.index(one), NAMES.index(other)] == np.triu(counts, 1).max()


def test_no_annotator_needs_to_have_all_images(tmp_path: Path) -> None:
    """Of three who have labelled two images each, no image is in all; one that a single one has is listed."""
    masks = plain(4)
    ids = sorted(masks)
    own = [[ids[0], ids[1]], [ids[1], ids[2]], [ids[2], ids[0], ids[3]]]
    sides = [make(tmp_path / f"{n}", {id: masks[id] for id in held}, names=NAMES) for n, held in enumerate(own)]
    found = agree(sides)
    assert {image.id: image.annotators for image in found.images} == dict.fromkeys(ids[:3], 2)
    assert [pair.images for pair in found.pairs] == [1, 1, 1]
    assert found.alone == (ids[3],)
    assert found.fleiss_all == 1
    assert found.pairs[0].kappa == 1


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    masks = plain()
    one = make(tmp_path / "a", masks, names=NAMES)
    order = [2, 0, 3, 1]
    turned = {id: np.argsort(order)[m].astype(np.uint8) for id, m in masks.items()}
    other = make(tmp_path / "b", turned, names=[NAMES[i] for i in order])
    assert agree([one, other]).votes.unanimous == agree([one, one.split("val"), other][::2]).pixels
    assert agree([other, one]).labels == other.labels


def test_other_classes_are_refused_and_the_ways_out_work(tmp_path: Path) -> None:
    one = make(tmp_path / "a", plain(), names=("road", "car", "sign", "a b"))
    other = make(tmp_path / "b", plain(), names=("road", "car", "sign", "pole"))
    with pytest.raises(DatasetError) as caught:
        agree([one, other])
    message = str(caught.value)
    assert "classes that the other has not (pole)" in message
    assert "classes that the other has not (a b)" in message
    commands = re.findall(r"segdata (remap .*? DST(?: --drop (?:'[^']+'|\w+))+)", message)
    assert len(commands) == 2
    made = []
    for number, command in enumerate(commands):
        made.append(tmp_path / f"new{number}")
        run = CliRunner().invoke(main, shlex.split(command.replace("DST", str(made[-1]))))
        assert run.exit_code == 0, run.output
    assert agree(made).labels.names == ("road", "car", "sign")


def test_classes_of_no_common_name_are_refused_and_the_way_out_works(tmp_path: Path) -> None:
    one = make(tmp_path / "a", plain(), names=("road", "car", "sign"))
    other = make(tmp_path / "b", plain(), names=("Strasse", "Auto", "Schild"))
    with pytest.raises(
        DatasetError, match=r"Strasse, Auto, Schild there, road, car, sign in .*segdata remap .* --map OLD=NEW"
    ):
        agree([one, other])
    renamed = segdata.remap(other, tmp_path / "c", map={"Strasse": "road", "Auto": "car", "Schild": "sign"})
    assert agree([one, renamed]).fleiss_all == 1


def test_tiles_are_put_together(tmp_path: Path) -> None:
    masks = {f"val/{n}": m for n, m in enumerate(annotators(4, 3, (50, 70)))}
    whole = make(tmp_path / "whole", masks, names=NAMES, images="copy")
    sides = [whole, *(segdata.tile(whole, tmp_path / f"t{size}", size=size, overlap=8) for size in (32, 40))]
    found = agree(sides)
    assert len(found.images) == 3
    assert found.votes.unanimous == found.pixels == 3 * 50 * 70
    assert [pair.agreed for pair in found.pairs] == [1, 1, 1]


def test_folders_of_mask_files(tmp_path: Path) -> None:
    masks = plain()
    one = make(tmp_path / "a", masks, names=NAMES)
    (tmp_path / "files").mkdir()
    for id, mask in erring(1, masks).items():
        Image.fromarray(mask).save(tmp_path / "files" / f"{Path(id).name}_ben.png")
    found = agree([one, tmp_path / "files"], match="{stem}_ben")
    assert (
        found.pairs[0].confusion == agree([one, make(tmp_path / "b", erring(1, masks), names=NAMES)]).pairs[0].confusion
    )
    assert found.names == ("a", "files")


def test_files_that_hold_two_values_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask of 0 and 255 is not one whose objects are ignored; the command of the message reads it, as it stands."""
    monkeypatch.chdir(tmp_path)
    masks = {id: (m > 0).astype(np.uint8) for id, m in plain().items()}
    one = make(tmp_path / "a", masks, names=("background", "car"))
    files = tmp_path / "PRED of ben"
    (files / "val").mkdir(parents=True)
    for id, mask in masks.items():
        Image.fromarray(255 * mask).save(files / f"{id}.png")
    told = (
        r"hold background \(0\) and ignore \(255\) alone.*: segdata (convert .*--values 255=car), then (agree|diff) DST"
    )
    for compare in (lambda: agree([one, files]), lambda: segdata.diff(one, files), lambda: segdata.diff(files, one)):
        with pytest.raises(DatasetError, match=told) as refused:
            compare()
        found = re.search(told, str(refused.value))
        assert found is not None
        result = CliRunner().invoke(main, [*shlex.split(found[1]), "--overwrite"])
        assert result.exit_code == 0, result.output
        assert agree([one, tmp_path / "DST"]).every.mean_iou == 1


def test_groups_are_units(tmp_path: Path) -> None:
    masks = plain()
    fields = {id: {"group": f"drive {n // 2}"} for n, id in enumerate(sorted(masks))}
    sides = [make(tmp_path / f"{n}", erring(n, masks), names=NAMES, fields=fields) for n in range(2)]
    found, told = agree(sides), segdata.evaluate(sides[1], sides[0])
    assert (found.units, found.resampled) == (3, "groups")
    np.testing.assert_allclose(found.pairs[0].intervals["mean_iou"], told.intervals["mean_iou"])
    assert agree(sides, resample="image").units == 6
    assert not agree(sides, resample="block:3").every.intervals


def test_a_split_of_the_first(tmp_path: Path) -> None:
    masks = {**plain(3), **{f"train/{n}": m for n, m in enumerate(plain(2).values())}}
    one, other = (make(tmp_path / name, masks, names=NAMES) for name in "ab")
    found = agree([one, other], split="train")
    assert {image.id for image in found.images} == {"train/0", "train/1"}
    assert found.alone == ()


def test_sizes_that_differ_are_refused_or_left_out(tmp_path: Path) -> None:
    masks = plain(3)
    one = make(tmp_path / "a", masks, names=NAMES)
    bad = sorted(masks)[1]
    other = make(tmp_path / "b", {**masks, bad: masks[bad][:4]}, names=NAMES)
    with pytest.raises(DataError, match=rf"{bad}: is 8 x 6 in a, 8 x 4 in b .*one size \[agree.size\]"):
        agree([one, other])
    report = Report("skip")
    found = agree([one, other], run=Run(report=report))
    assert [problem.sample for problem in found.problems] == [problem.sample for problem in report.problems] == [bad]
    assert len(found.images) == 2
    assert found.to_json()["left_out"] == [bad]


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one = make(tmp_path / "a", plain(2), names=NAMES)
    strangers = make(tmp_path / "b", {f"x/{id}_b": m for id, m in plain(2).items()}, names=NAMES)
    with pytest.raises(OptionError, match="two datasets or more"):
        agree([one])
    with pytest.raises(OptionError, match="two datasets or more"):
        agree(str(tmp_path / "a"))
    with pytest.raises(OptionError, match="given twice"):
        agree([one, Dataset.open(tmp_path / "a")])
    with pytest.raises(DatasetError, match=r"no image is in two of the datasets.*--match"):
        agree([one, strangers])
    assert len(agree([one, strangers], match="{stem}_b").images) == 2
    with pytest.raises(OptionError, match="boundary-width"):
        agree([one, make(tmp_path / "c", plain(2), names=NAMES)], boundary_width=0)


def test_nothing_in_common_is_no_score(tmp_path: Path) -> None:
    """Where the two vote on different pixels, all scores are unknown; and no interval is made of two images."""
    half = {"val/0": np.array([[0, 255, 1, 255]]), "val/1": np.array([[255, 255]])}
    rest = {"val/0": np.array([[255, 0, 255, 1]]), "val/1": np.array([[255, 255]])}
    found = agree([make(tmp_path / "a", half, names=NAMES), make(tmp_path / "b", rest, names=NAMES)])
    assert found.pixels == 0
    assert np.isnan(found.fleiss_all)
    out = found.to_json()
    assert out["mean_iou"] is out["fleiss_kappa"] is out["unanimous"] is out["pairs"][0]["kappa"] is None
    text = CliRunner().invoke(main, ["agree", str(tmp_path / "a"), str(tmp_path / "b")]).output
    assert "no pixel has two votes" in text
    assert "no intervals: they need 3 images, and there are 2" in text


def test_of_many_pairs_the_least_are_told(tmp_path: Path) -> None:
    masks = plain(2)
    roots = [str(make(tmp_path / f"n{n}", erring(n, masks, 0.03 * n), names=NAMES).root) for n in range(10)]
    found = agree(roots, boundary=False)
    run = CliRunner().invoke(main, ["agree", *roots, "--no-boundary"])
    least = sorted(found.pairs, key=lambda pair: pair.mean_iou)
    assert "... 40 of 45 pairs" in run.output
    assert f"{' and '.join(least[0].names)} " in run.output
    assert f"{' and '.join(least[-1].names)} " not in run.output


def test_the_command_says_who_and_where(tmp_path: Path) -> None:
    masks = plain()
    for n, name in enumerate(("anna", "ben", "carla")):
        make(tmp_path / name, erring(n, masks, 0.1 * n), names=NAMES)
    run = CliRunner().invoke(main, ["agree", *(str(tmp_path / name) for name in ("anna", "ben", "carla"))])
    assert run.exit_code == 0, run.output
    assert run.output.startswith("3 annotators, 6 images of two or more, 4 classes, 288 pixels with two votes or more")
    for line in (
        "anna and ben",
        "anna and carla",
        "ben and carla",
        "Fleiss' kappa",
        "images of the least",
        "most confused",
    ):
        assert line in run.output
    run = CliRunner().invoke(main, ["agree", str(tmp_path / "anna"), str(tmp_path / "ben"), "--overwrite"])
    assert run.exit_code == 2
    assert "--consensus" in run.output
