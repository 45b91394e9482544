"""A mask or an image that is no longer what the manifest says: every operation that reads it says so, and all the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

import segdata
from carry_files import make
from predictors import ByColour
from segdata.dataset.dataset import Dataset, Openings
from segdata.errors import DataError
from segdata.labels import tally
from segdata.ops.augment.bench import bench
from segdata.ops.augment.sheet import augment_sheet
from segdata.refinement.settings import Refinement

MASKS = {f"val/{i}": np.random.default_rng(i).integers(0, 3, (20, 24)).astype(np.uint8) for i in range(3)}
STEPS = Refinement(None)


class Place:
    """Datasets to work on: `source`, and predictions of it."""

    def __init__(self, root: Path) -> None:
        self.out, self.source = root / "out", make(root / "src", MASKS, images="copy")
        model = ByColour(self.source.labels)
        self.other = make(root / "other", {"train/0": MASKS["val/0"]}, images="none")
        self.pred = segdata.predict(model, self.source, root / "pred", scores=True, images="none")


Operation = Callable[[Place, Dataset], Any]

BOTH: dict[str, Operation] = {
    "tile": lambda at, d: segdata.tile(d, at.out, size=12),
    "tile, virtual": lambda at, d: segdata.tile(d, at.out, size=12, virtual=True),
    "augment": lambda at, d: segdata.augment(d, at.out, "light"),
    "augment, sheet": lambda at, d: augment_sheet(d, at.out / "sheet.png", "light"),
    "augment, bench": lambda at, d: bench(d, "light", seconds=0),
    "preview": lambda at, d: segdata.preview(d, at.out / "sheet.png"),
    "refine": lambda at, d: segdata.refine(d, at.out),
    "openings": lambda at, d: Openings(d)(d.samples[1])[1].read(),
}
MASK: dict[str, Operation] = {
    "remap": lambda at, d: segdata.remap(d, at.out, drop=["car"]),
    "refine, no CRF": lambda at, d: segdata.refine(d, at.out, STEPS),
    "stats, recounted": lambda at, d: segdata.stats(d, recount=True),
    "stats of objects": lambda at, d: segdata.stats(d, objects=True),
    "train": lambda at, d: segdata.train(d, at.out, train_split="val", val_share=0.5, epochs=1),
    "evaluate": lambda at, d: segdata.evaluate(at.pred, d),
    "evaluate, replaced": lambda at, d: segdata.evaluate(d, at.source),
    "suspects": lambda at, d: segdata.suspects(at.pred, d),
    "diff": lambda at, d: segdata.diff(at.pred, d),
    "agree": lambda at, d: segdata.agree([at.pred, d]),
    "tune": lambda at, d: segdata.tune(at.pred, d, held_out=0),
}
IMAGE: dict[str, Operation] = {
    "predict": lambda at, d: segdata.predict(ByColour(d.labels), d, at.out),
    "stats of images": lambda at, d: segdata.stats(d, images=True),
}
CASES = [
    (kind, name, operation)
    for kind, table in (("mask", {**BOTH, **MASK}), ("image", {**BOTH, **IMAGE}))
    for name, operation in table.items()
]


@pytest.mark.parametrize(("kind", "name", "operation"), CASES, ids=[f"{name}: {kind}" for kind, name, _ in CASES])
def test_a_file_of_another_size(tmp_path: Path, kind: str, name: str, operation: Operation) -> None:
    if name.startswith(("augment", "train")):
        pytest.importorskip("albumentations")
    at = Place(tmp_path)
    path = at.source.root / f"{kind}s/val/1.png"
    Image.new("L" if kind == "mask" else "RGB", (9, 7)).save(path)
    with pytest.raises(DataError) as caught:
        operation(at, at.source)
    words = f"the {kind} is 9 x 7, in the manifest 24 x 20 (width x height): was it replaced? convert again"
    assert str(caught.value) == f"{path}: val/1: {words} [{kind}.size]"
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


@pytest.mark.parametrize("virtual", [False, True])
def test_a_tile_of_another_size(tmp_path: Path, virtual: bool) -> None:
    source = make(tmp_path / "src", MASKS, images="copy")
    tiles = segdata.tile(source, tmp_path / "tiles", size=12, virtual=virtual)
    path = tiles.root / ("masks/val/1.png" if virtual else "masks/val/1_000008_000012.png")
    path.unlink()
    Image.new("L", (9, 20)).save(path)
    listed = "cut to 12 x 12 at row 0, column 0" if virtual else "12 x 12"
    first = "val/1_000000_000000" if virtual else "val/1_000008_000012"
    words = f"the mask is 9 x 20, in the manifest {listed} (width x height): was it replaced? convert again"
    for operation in (
        lambda: segdata.untile(tiles, tmp_path / "whole"),
        lambda: segdata.stats(tiles, recount=True),
        lambda: segdata.remap(tiles, tmp_path / "whole", drop=["car"]),
        lambda: segdata.evaluate(tiles, source),
        lambda: segdata.diff(tiles, source),
        lambda: segdata.agree([tiles, source]),
        lambda: segdata.preview(tiles, tmp_path / "sheet.png", grid=True),
    ):
        with pytest.raises(DataError) as caught:
            operation()
        assert str(caught.value) == f"{path}: {first}: {words} [mask.size]"


def test_a_mask_of_another_depth(tmp_path: Path) -> None:
    source = make(tmp_path / "src", MASKS)
    Image.fromarray(MASKS["val/1"].astype(np.uint16)).save(source.root / "masks/val/1.png")
    with pytest.raises(DataError, match=r"val/1: the mask has 16 bits per pixel, 3 classes take 8: was it replaced"):
        source.read_mask(source.samples[1])


CARRIED: dict[str, Operation] = {
    "split": lambda at, d: segdata.split(d, at.out, ratios={"a": 0.5, "b": 0.5}),
    "join": lambda at, d: segdata.join([at.other, d], at.out),
    "remap, values stay": lambda at, d: segdata.remap(d, at.out, map={"car": "lorry"}),
}
READ = {**BOTH, **MASK, **CARRIED}


@pytest.mark.parametrize("name", READ)
def test_values_that_are_no_class(tmp_path: Path, name: str) -> None:
    if name.startswith("augment"):
        pytest.importorskip("albumentations")
    if name == "train":
        pytest.importorskip("torch")
    operation = READ[name]
    at = Place(tmp_path)
    path = at.source.root / "masks/val/1.png"
    mask = MASKS["val/1"].copy()
    mask[0, :5] = 77
    Image.fromarray(mask).save(path)
    with pytest.raises(DataError) as caught:
        operation(at, at.source)
    words = "the mask holds values that are no class: 77 (5 pixels): was it replaced? convert again"
    assert str(caught.value) == f"{path}: val/1: {words} [mask.values]"
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


@pytest.mark.parametrize("name", CARRIED)
@pytest.mark.parametrize("virtual", [False, True])
def test_a_mask_that_was_corrected_is_carried_with_its_new_counts(tmp_path: Path, name: str, virtual: bool) -> None:
    at = Place(tmp_path)
    source = segdata.tile(at.source, tmp_path / "tiles", size=12, virtual=True) if virtual else at.source
    path = source.root / source.samples[-1].mask
    mask = MASKS["val/2"].copy()
    mask[:5] = 255
    mask[-2:] = 1
    path.unlink()
    Image.fromarray(mask).save(path)
    found = CARRIED[name](at, source)
    assert len(found) == len(source) + (name == "join")
    for sample in found:
        assert sample.sha256 == hashlib.sha256((found.root / sample.mask).read_bytes()).hexdigest()
        assert sample.counts == tally(found.read_mask(sample))


def test_scores_of_another_size(tmp_path: Path) -> None:
    at = Place(tmp_path)
    other = segdata.tile(at.source, tmp_path / "tiles", size=12)
    small = segdata.predict(ByColour(other.labels), other, tmp_path / "small", scores=True, images="none")
    path = at.pred.root / "scores/val/1.tif"
    path.write_bytes((small.root / str(small.samples[0].scores)).read_bytes())
    with_images = [msgspec.structs.replace(s, image=f"../src/images/{s.id}.png") for s in at.pred]
    words = "the scores are of 3 classes, 12 x 12, the mask of 3 classes, 24 x 20 (width x height)"
    for operation in (
        lambda: segdata.suspects(at.pred, at.source),
        lambda: segdata.evaluate(at.pred, at.source),
        lambda: segdata.refine(replace(at.pred, images="reference", samples=with_images), tmp_path / "out"),
    ):
        with pytest.raises(DataError) as caught:
            operation()
        assert str(caught.value) == f"{path}: val/1: {words}: were they replaced? predict again [scores.size]"
