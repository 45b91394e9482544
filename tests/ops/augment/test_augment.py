"""segdata augment: what is written is what training would see, whole or not at all; sheets and timings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import segdata
from carry_files import contents
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, DatasetError, OptionError
from segdata.executors.run import Run
from segdata.ops.augment.bench import bench
from segdata.ops.augment.operation import augment
from segdata.ops.augment.sheet import augment_sheet
from segdata.recipes.pipeline import Pipeline
from segdata.recipes.recipe import Recipe

pytest.importorskip("albumentations")
import cv2

cv2.setNumThreads(1)

RECIPE = Recipe.from_dict(
    {
        "crop": {"size": [96, 128], "class_aware": 0.5, "scale": [0.5, 2]},
        "copy_paste": {"p": 0.8, "classes": ["person", "dog"]},
        "transforms": [{"Affine": {"rotate": [-30, 30], "p": 1.0}}, {"ColorJitter": {}}],
    }
)


def run(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = Path(__file__).resolve().parents[3] / "samples/voc/VOCdevkit"
    return segdata.convert("voc", root, tmp_path_factory.mktemp("voc") / "d")


def test_what_is_written_is_what_training_sees(voc: Dataset, tmp_path: Path) -> None:
    made = augment(voc, tmp_path / "a", RECIPE, versions=2, seed=7)
    assert made == Dataset.open(tmp_path / "a")
    assert len(made) == 2 * len(voc)
    pipeline = Pipeline(voc, RECIPE, 7)
    for sample in made:
        parent = voc.sample(str(sample.parent))
        version = int(sample.id.removeprefix(f"{parent.id}-aug"))
        index = [s.id for s in voc].index(parent.id)
        image, mask = pipeline.version(parent, version, index)
        assert np.array_equal(made.read_image(sample), image)
        assert np.array_equal(made.read_mask(sample), mask)
        assert sample.size == mask.shape == (96, 128)
        assert sample.counts == {int(v): int((mask == v).sum()) for v in np.unique(mask)}
        assert (sample.split, sample.group) == (parent.split, parent.group or parent.id)
    assert Recipe.from_dict(made.made_by["options"]["recipe"]) == RECIPE
    assert made.made_by["seed"] == 7
    assert made.made_by["inputs"][0]["sha256"] == voc.digest
    receipt = made.read_receipt()
    assert receipt["images"] == {"in": len(voc), "augmented": len(voc), "skipped": 0}
    assert sum(receipt["pixels"].values()) == len(made) * 96 * 128
    assert segdata.check(made).ok


def test_another_seed_draws_other_images(voc: Dataset, tmp_path: Path) -> None:
    augment(voc, tmp_path / "one", RECIPE)
    augment(voc, tmp_path / "other", RECIPE, seed=1)
    assert contents(tmp_path / "one") != contents(tmp_path / "other")


def test_one_split_and_bad_input(voc: Dataset, tmp_path: Path) -> None:
    assert len(augment(voc, tmp_path / "v", "none", split="val")) == len(voc.split("val"))
    bare = replace(voc, samples=[segdata.Sample(id="x", mask="m", height=1, width=1, counts={0: 1}, sha256="")])
    for wrong, words in (
        ({"dataset": bare}, "x has no image to augment"),
        ({"recipe": "stret"}, "did you mean street"),
        ({"versions": 0}, "at least 1 version"),
        ({"seed": -1}, "a seed of 0 or more"),
        ({"destination": voc.root}, "is the destination and an input"),
    ):
        options = {"dataset": voc, "destination": tmp_path / "w", "recipe": "none", **wrong}
        with pytest.raises(OptionError, match=words):
            augment(**options)  # type: ignore[arg-type]
        assert not (tmp_path / "w").exists()


def test_a_missing_image_stops_or_is_left_out(voc: Dataset, tmp_path: Path) -> None:
    import msgspec

    gone = msgspec.structs.replace(voc.samples[0], image="nowhere.jpg")
    broken = replace(voc, samples=[gone, *voc.samples[1:]])
    with pytest.raises(DataError, match=f"{gone.id}: there is no such file"):
        augment(broken, tmp_path / "a", "light")
    assert not (tmp_path / "a").exists()
    made = augment(broken, tmp_path / "a", "light", run=Run(report=segdata.Report("skip")))
    assert made.read_receipt()["images"] == {"in": len(voc), "augmented": len(voc) - 1, "skipped": 1}
    assert made.read_receipt()["skipped"][0]["sample"] == gone.id


def test_the_sheet_shows_before_and_after(voc: Dataset, tmp_path: Path) -> None:
    sheet = augment_sheet(voc, tmp_path / "s.png", RECIPE, count=2, versions=2, size=80, samples=[voc.samples[0].id])
    with Image.open(sheet) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    assert pixels.shape[1] == 3 * (2 * 80 + 6) + 4 * 10
    from segdata.pages.sheet import fit

    image = voc.read_image(voc.samples[0])
    shown = fit(image, 80)
    assert np.array_equal(pixels[10 + 19 : 10 + 19 + shown.shape[0], 10:90], shown)
    version = Pipeline(voc, RECIPE, 0).version(voc.samples[0], 0, 0)[0]
    after = fit(version, 80)
    assert np.array_equal(pixels[10 + 19 : 10 + 19 + after.shape[0], 186:266], after)
    for options, words in (({"count": 0}, "must be 1 or more"), ({"samples": ["nope"]}, "no sample")):
        with pytest.raises((OptionError, DatasetError), match=words):
            augment_sheet(voc, tmp_path / "t.png", "light", **options)
    with pytest.raises(OptionError, match=r"must be a \.png or \.jpg file"):
        augment_sheet(voc, tmp_path / "t.gif", "light", count=1)


def test_bench_times_every_part(voc: Dataset) -> None:
    threads = cv2.getNumThreads()
    rates = bench(voc, RECIPE, seconds=0.01)
    names = [
        "read",
        "resize, crop",
        "copy_paste, with reading",
        "Affine",
        "ColorJitter",
        "normalise",
        "all",
        "all, with reading",
    ]
    assert [r.name for r in rates] == names
    assert all(r.per_second > 0 for r in rates)
    assert cv2.getNumThreads() == threads
    twice = Recipe.from_dict({"normalise": "dataset", "transforms": ["HorizontalFlip", "HorizontalFlip"]})
    assert [r.name for r in bench(voc, twice, seconds=0.001)][1:3] == ["HorizontalFlip", "HorizontalFlip [1]"]
    with pytest.raises(DatasetError, match="no samples"):
        bench(replace(voc, samples=[]), "light")


def test_the_command(voc: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run("augment", "--recipe", "street", "--show").stdout
    Path("mine.yaml").write_text(shown)
    assert Recipe.read("mine.yaml") == Recipe.read("street")
    assert (
        "wrote sheet.jpg"
        in run("augment", voc.root, "sheet.jpg", "--recipe", "mine.yaml", "--preview", "--count", 1).stdout
    )
    out = run("augment", voc.root, "a", "--recipe", "mine.yaml", "--write", 2, "--split", "train", "-j", 2).stdout
    assert f"dataset:     a: {2 * len(voc.split('train'))} masks, 21 classes" in out
    card = json.loads(Path("a/dataset.json").read_text())
    assert card["made_by"]["options"]["recipe"] == Recipe.read("street").to_dict()
    again = run("augment", voc.root, "a", "--write", 1, code=1)
    assert "exists already" in again.stderr
    rows = run("augment", voc.root, "--recipe", "light", "--bench").stdout.splitlines()
    assert rows[0].split() == ["on", "one", "core", "samples/s", "ms"]
    assert [row.split("  ")[0] for row in rows[2:]] == [
        "read", "HorizontalFlip", "RandomBrightnessContrast", "normalise", "all", "all, with reading",
    ]  # fmt: skip
    for arguments, words in (
        (["augment", voc.root], "give one of --preview"),
        (["augment", voc.root, "x", "--bench", "--show"], "give one of --preview"),
        (["augment", "--bench"], "Missing argument 'DATASET'"),
        (["augment", voc.root, "--write", 1], "Missing argument 'OUT'"),
    ):
        assert words in run(*arguments, code=2).stderr
    assert run("augment", "nowhere", "--bench", code=1).stderr.startswith("error: nowhere: there is no such folder")
    Path("bad.yaml").write_text("transforms: [{Affine: {rotat: 3}}]")
    bad = run("augment", voc.root, "x.png", "--recipe", "bad.yaml", "--preview", code=1)
    assert bad.stderr == "error: bad.yaml: transforms[0].Affine.rotat: no such argument: did you mean rotate?\n"
