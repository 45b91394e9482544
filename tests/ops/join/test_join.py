"""Joining: classes by name, ids apart, pixel for pixel what the parts were."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import segdata
from carry_files import make, random_masks, rows
from segdata.cli import COMMANDS, main
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, DatasetError, OptionError, Report
from segdata.files.places import file_digest
from segdata.ops.join.command import join as join_command
from segdata.ops.join.operation import join
from segdata.windows import Window

if "join" not in COMMANDS:
    main.add_command(join_command)


def by_name(mask: NDArray[Any], dataset: Dataset) -> NDArray[np.str_]:
    """(H, W) the name of each pixel's class: what must survive, whatever the numbers."""
    return np.array([dataset.labels.name(int(v)) for v in mask.ravel()]).reshape(mask.shape)


@settings(max_examples=25)
@given(st.data())
def test_every_pixel_keeps_the_name_of_its_class(tmp_path_factory: Any, data: st.DataObject) -> None:
    tmp_path = tmp_path_factory.mktemp("join")
    names = [
        data.draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True), label=f"classes of {i}")
        for i in range(data.draw(st.integers(2, 3)))
    ]
    parts = [
        make(tmp_path / f"p{i}", random_masks(3, seed=i, classes=len(own), prefix=f"{i}-"), names=own)
        for i, own in enumerate(names)
    ]
    made = join(parts, tmp_path / "j")
    assert Dataset.open(tmp_path / "j").samples == made.samples
    assert made.labels.names == tuple(dict.fromkeys(name for own in names for name in own))
    for label in made.labels.classes:
        first = next(part for part in parts if label.name in part.labels.names)
        assert label.color == first.labels.classes[first.labels.id(label.name)].color
    assert len(made) == 3 * len(parts)
    for sample in made:
        part = parts[int(sample.id[0])]
        before = part.sample(sample.id)
        mask = made.read_mask(sample)
        np.testing.assert_array_equal(by_name(mask, made), by_name(part.read_mask(before), part))
        values, counts = np.unique(mask, return_counts=True)
        assert sample.counts == dict(zip(values.tolist(), counts.tolist(), strict=True))
        assert sample.sha256 == file_digest(made.root / sample.mask)
        same = [made.labels.names.index(name) for name in part.labels.names] == list(range(len(part.labels.names)))
        assert ((made.root / sample.mask).read_bytes() == (part.root / before.mask).read_bytes()) == same
        assert not os.path.samefile(made.root / sample.mask, part.root / before.mask)


def test_beyond_255_classes_masks_become_16_bits(tmp_path: Path) -> None:
    many = [f"c{i}" for i in range(250)]
    one = make(tmp_path / "one", {"x": np.array([[0, 249, 255]])}, names=many)
    two = make(tmp_path / "two", {"y": np.array([[0, 9, 255]])}, names=[f"d{i}" for i in range(10)])
    made = join([one, two], tmp_path / "j")
    assert made.labels.ignore == 65535
    masks = {s.id: made.read_mask(s) for s in made}
    assert {mask.dtype.name for mask in masks.values()} == {"uint16"}
    assert masks["x"].tolist() == [[0, 249, 65535]]
    assert masks["y"].tolist() == [[250, 259, 65535]]


def test_ids_of_several_datasets_get_the_folder_before_them(tmp_path: Path) -> None:
    one = make(tmp_path / "a" / "set", {**random_masks(2, prefix="train/"), "own": rows((3,)), "both": rows((1,))})
    two = make(tmp_path / "b" / "set", {**random_masks(3, prefix="train/", seed=9), "both": rows((2,))})
    made = join([one, two], tmp_path / "j")
    ids = ["both", "own", "train/000", "train/001", "train/002"]
    assert [s.id for s in made] == sorted(
        ["set/both", "set-2/both", "own", "train/002"]
        + [f"train/{folder}/{n}" for folder in ("set", "set-2") for n in ("000", "001")]
    )
    assert {s.id.split("/")[-1] for s in made} == {id.split("/")[-1] for id in ids}
    assert {s.split for s in made if s.id.startswith("train/")} == {"train"}
    for part, folder in ((one, "set"), (two, "set-2")):
        for sample in part:
            stem = sample.id.removeprefix("train/")
            new = f"train/{folder}/{stem}" if sample.split else f"{folder}/{stem}"
            new = sample.id if sample.id in ("own", "train/002") else new
            np.testing.assert_array_equal(made.read_mask(made.sample(new)), part.read_mask(sample))
    receipt = made.read_receipt()
    assert {(r["sample"], r["was"], r["of"]) for r in receipt["renamed"]} == {
        (f"train/{f}/{n}", f"train/{n}", f) for f in ("set", "set-2") for n in ("000", "001")
    } | {("set/both", "both", "set"), ("set-2/both", "both", "set-2")}
    assert receipt["images"] == {"in": 8, "joined": 8, "skipped": 0}


def test_names_that_stay_the_same_are_refused(tmp_path: Path) -> None:
    one = make(tmp_path / "one", {"x": rows((1,)), "two/x": rows((1,))}, fields={"two/x": {"split": None}})
    two = make(tmp_path / "two", {"x": rows((1,))})
    with pytest.raises(OptionError, match="two samples would be called two/x: rename the folder"):
        join([one, two], tmp_path / "j")


def test_parents_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    masks = {f"{folder}{i}": rows((4,)) for folder in "pq" for i in range(2)}
    one = make(
        tmp_path / "one", {k: v for k, v in masks.items() if k[0] == "p"}, fields={k: {"parent": "big"} for k in masks}
    )
    two = make(
        tmp_path / "two",
        {k: v for k, v in masks.items() if k[0] == "q"},
        fields={"q0": {"parent": "big"}, "q1": {"parent": "other"}},
    )
    made = join([one, two], tmp_path / "j")
    assert {s.id: s.parent for s in made} == {"p0": "one/big", "p1": "one/big", "q0": "two/big", "q1": "other"}


@pytest.mark.parametrize(
    ("kinds", "result"),
    [
        (("copy", "copy"), "copy"),
        (("link", "link"), "link"),
        (("reference", "copy"), "reference"),
        (("link", "none"), "reference"),
    ],
)
def test_images_stay_in_reach(tmp_path: Path, kinds: tuple[str, str], result: str) -> None:
    parts = [make(tmp_path / f"p{i}", random_masks(3, prefix=f"{i}-"), images=kind) for i, kind in enumerate(kinds)]
    made = join(parts, tmp_path / "deep" / "j")
    assert made.images == result
    for sample in Dataset.open(made.root):
        part = parts[int(sample.id[0])]
        if part.images == "none":
            assert sample.image is None
        else:
            np.testing.assert_array_equal(made.read_image(sample), part.read_image(part.sample(sample.id)))


def test_virtual_tiles_are_remapped_once(tmp_path: Path) -> None:
    one = make(tmp_path / "one", {"x": rows((1, 1, 1))})
    whole = make(tmp_path / "two", {"big": np.arange(24).reshape(4, 6) % 3}, names=("sign", "tree", "road"))
    tiles = []
    for x in (0, 3):
        window = Window(0, x, 4, 3)
        values, counts = np.unique((np.arange(24).reshape(4, 6) % 3)[window.slices], return_counts=True)
        counted = dict(zip(values.tolist(), counts.tolist(), strict=True))
        big = whole.samples[0]
        tiles.append(
            segdata.Sample(
                id=f"t{x}",
                mask=big.mask,
                height=4,
                width=3,
                counts=counted,
                sha256=big.sha256,
                parent="big",
                crop=window,
            )
        )
    two = replace(whole, samples=tiles)
    made = join([one, two], tmp_path / "j")
    assert made.labels.names == ("road", "car", "sign", "tree")
    assert sorted(path.name for path in (tmp_path / "j/masks").iterdir()) == ["t0.png", "x.png"]
    for tile in tiles:
        sample = made.sample(tile.id)
        mask = made.read_mask(sample)
        np.testing.assert_array_equal(by_name(mask, made), by_name(two.read_mask(tile), two))
        values, counts = np.unique(mask, return_counts=True)
        assert sample.counts == dict(zip(values.tolist(), counts.tolist(), strict=True))


def test_scores_go_along_only_with_values_that_stay(tmp_path: Path) -> None:
    parts = []
    for name, classes in (("one", ("a", "b")), ("two", ("b", "a"))):
        parts.append(
            make(tmp_path / name, {name: rows((1, 1))}, names=classes, fields={name: {"scores": f"scores/{name}.tif"}})
        )
        (tmp_path / name / "scores").mkdir()
        (tmp_path / name / "scores" / f"{name}.tif").write_bytes(name.encode())
    made = join(parts, tmp_path / "j")
    assert made.sample("one").scores == "scores/one.tif"
    assert (tmp_path / "j/scores/one.tif").read_bytes() == b"one"
    assert made.sample("two").scores is None


def test_what_a_person_should_look_at_is_noted(tmp_path: Path) -> None:
    one = make(tmp_path / "one", {"x": rows((1, 1, 1))}, names=("road", "car", "traffic light"), images="reference")
    two = make(tmp_path / "two", {"y": rows((1, 1, 1))}, names=("road", "Car", "traffic_light"))
    twin = {"id": "z", "image": "../one-images/x.png"}
    three = make(
        tmp_path / "three", {"z": rows((1, 1, 1))}, names=one.labels.names, images="reference", fields={"z": twin}
    )
    notes = join([one, two, three], tmp_path / "j").read_receipt()["notes"]
    assert notes == [
        "'car' and 'Car' stay apart: segdata remap makes them one",
        "'traffic light' and 'traffic_light' stay apart: segdata remap makes them one",
        "not every dataset has the classes car, traffic light, Car, traffic_light: where they are not labelled, such pixels are "
        "of another class",
        "1 images are in several of the datasets: ../one-images/x.png",
    ]


def test_provenance(tmp_path: Path) -> None:
    parts = [make(tmp_path / name, random_masks(3, prefix=f"{name}-")) for name in ("one", "two")]
    made = join([tmp_path / "one", str(tmp_path / "two")], tmp_path / "j")
    assert json.loads((tmp_path / "j/dataset.json").read_text())["made_by"] == {
        "tool": "segdata",
        "version": segdata.__version__,
        "operation": "join",
        "options": {},
        "seed": None,
        "inputs": [{"name": p.root.name, "sha256": file_digest(p.root / "manifest.jsonl")} for p in parts],
    }
    receipt = made.read_receipt()
    assert receipt["datasets"] == [{"name": "one", "samples": 3}, {"name": "two", "samples": 3}]
    assert [(c["class"], c["of"]) for c in receipt["classes"]] == [(c, ["one", "two"]) for c in ("road", "car", "sign")]
    pixels = dict.fromkeys(("road", "car", "sign", "ignore"), 0)
    for part in parts:
        for sample in part:
            for name, n in zip(*np.unique(by_name(part.read_mask(sample), part), return_counts=True), strict=True):
                pixels[str(name)] += int(n)
    assert receipt["pixels"] == pixels
    for name in ("dataset.json", "manifest.jsonl", "receipt.json"):
        assert str(tmp_path) not in (tmp_path / "j" / name).read_text()


def test_refusals(tmp_path: Path) -> None:
    one = make(tmp_path / "one", random_masks(2))
    two = make(tmp_path / "two", random_masks(2, seed=1))
    (tmp_path / "alias").symlink_to("one")
    for datasets, words in (
        ([one], "two datasets or more"),
        ([one, two, tmp_path / "alias"], "alias: given twice"),
        ([one, tmp_path / "nowhere"], "there is no such folder"),
    ):
        with pytest.raises((OptionError, DatasetError), match=words):
            join(datasets, tmp_path / "j")
    with pytest.raises(OptionError, match="is the destination and an input"):
        join([one, two], tmp_path / "two", overwrite=True)
    assert not (tmp_path / "j").exists()
    assert len(Dataset.open(tmp_path / "two")) == 2


def test_a_mask_that_was_replaced(tmp_path: Path) -> None:
    one = make(tmp_path / "one", {"x": rows((1, 1, 1))})
    two = make(tmp_path / "two", {"y": rows((2, 1)), "z": rows((2, 1))}, names=("sign", "tree"))
    (tmp_path / "two/masks/z.png").write_bytes((tmp_path / "one/masks/x.png").read_bytes())
    with pytest.raises(
        DataError, match=r"masks/z\.png: z: the mask holds values that are no class: 2 .*was it replaced"
    ):
        join([one, two], tmp_path / "j")
    assert not (tmp_path / "j").exists()
    run = segdata.Run(report=Report("skip"))
    made = join([one, two], tmp_path / "j", run=run)
    assert [s.id for s in made] == ["x", "y"]
    assert made.read_receipt()["skipped"] == [
        {"code": "mask.values", "file": "z.png", "sample": "z", "message": run.report.problems[0].message}
    ]


def test_the_command(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(tmp_path / name, random_masks(3), names=("road", "car", f"only in {name}"))
    result = CliRunner().invoke(main, ["join", *(str(tmp_path / name) for name in ("one", "two", "j"))])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "one: 3 samples",
        "two: 3 samples",
        "renamed:     6 samples, such as 000: one/000",
        "note:        not every dataset has the classes only in one, only in two: where they are not labelled, such pixels are "
        "of another class",
        f"dataset:     {tmp_path / 'j'}: 6 masks, 4 classes (segdata info {tmp_path / 'j'})",
    ]
    assert CliRunner().invoke(main, ["join", str(tmp_path / "one")]).exit_code == 2
    lone = CliRunner().invoke(main, ["join", str(tmp_path / "one"), str(tmp_path / "k")])
    assert (lone.exit_code, lone.stderr) == (1, "error: join takes two datasets or more\n")
