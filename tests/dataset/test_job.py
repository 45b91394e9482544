"""Every operation that makes a dataset: stopped after any item and repeated, it gives the same bytes as at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata
from carry_files import contents, make
from predictors import ByColour
from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError, Report
from segdata.executors.run import Run

MASKS = {f"val/{i}": np.random.default_rng(i).integers(0, 3, (20, 24)).astype(np.uint8) for i in range(4)}

Operation = Callable[[Dataset, Path, Run], Dataset]


class Model(ByColour):
    """Of one name in every run: one that is no file is like no other, and its jobs are never taken up."""


def converted(source: Dataset, out: Path, run: Run) -> Dataset:
    (source.root.parent / "classes.txt").write_text("\n".join(source.labels.names))
    options = {
        "image_dir": "images/{split}",
        "mask_dir": "masks/{split}",
        "classes": source.root.parent / "classes.txt",
    }
    return segdata.convert("masks", source.root, out, split="val", images="copy", run=run, **options)


def tiles_of(source: Dataset) -> Dataset:
    out = source.root.parent / "tiles"
    return Dataset.open(out) if out.exists() else segdata.tile(source, out, size=12)


def augmented(source: Dataset, out: Path, run: Run) -> Dataset:
    pytest.importorskip("albumentations")
    return segdata.augment(source, out, "light", versions=2, run=run)


OPERATIONS: dict[str, Operation] = {
    "convert": converted,
    "tile": lambda d, out, run: segdata.tile(d, out, size=12, min_tiles_per_class=20, run=run),
    "tile, virtual": lambda d, out, run: segdata.tile(d, out, size=12, virtual=True, run=run),
    "untile": lambda d, out, run: segdata.untile(tiles_of(d), out, of=d, run=run),
    "split": lambda d, out, run: segdata.split(d, out, ratios={"a": 0.5, "b": 0.5}, run=run),
    "remap": lambda d, out, run: segdata.remap(d, out, drop=["car"], run=run),
    "join": lambda d, out, run: segdata.join([d, tiles_of(d)], out, run=run),
    "refine": lambda d, out, run: segdata.refine(d, out, run=run),
    "augment": augmented,
    "export": lambda d, out, run: segdata.export("webdataset", d, out, samples_per_shard=1, run=run),
}
SKIPPING = {name: operation for name, operation in OPERATIONS.items() if name not in ("split", "join", "untile")}


class Stop(BaseException):
    """A process that ends."""


def stopping(after: int) -> Run:
    """A run that ends when so many items are done."""

    def track(items: Iterator[Any], total: int) -> Iterator[Any]:
        for done, item in enumerate(items):
            if done == after:
                raise Stop
            yield item

    return Run(track=track)


@pytest.fixture
def source(tmp_path: Path) -> Dataset:
    return make(tmp_path / "src", MASKS, images="copy")


@pytest.mark.parametrize("name", OPERATIONS)
def test_stopped_after_any_item_it_goes_on(source: Dataset, tmp_path: Path, name: str) -> None:
    operation = OPERATIONS[name]
    operation(source, tmp_path / "right", Run())
    for after in range(4):
        out = tmp_path / f"out{after}"
        with pytest.raises(Stop):
            operation(source, out, stopping(after))
        with pytest.raises(DatasetError, match="unfinished"):
            Dataset.open(out)
        done: list[Any] = []
        operation(source, out, Run(track=lambda items, total, done=done: done.append(total) or items))
        assert contents(out) == contents(tmp_path / "right")
        assert not after or done[0] < len(MASKS) or name in ("join", "untile")


@pytest.mark.parametrize("name", OPERATIONS)
def test_files_that_are_gone_are_made_again(source: Dataset, tmp_path: Path, name: str) -> None:
    operation = OPERATIONS[name]
    operation(source, tmp_path / "right", Run())
    with pytest.raises(Stop):
        operation(source, tmp_path / "out", stopping(3))
    for path in [*(tmp_path / "out").rglob("*.png"), *(tmp_path / "out").rglob("*.tar")][::2]:
        path.unlink()
    operation(source, tmp_path / "out", Run())
    assert contents(tmp_path / "out") == contents(tmp_path / "right")


@pytest.mark.parametrize("name", SKIPPING)
def test_what_is_skipped_is_in_the_receipt_once(source: Dataset, tmp_path: Path, name: str) -> None:
    Image.new("L", (9, 7)).save(source.root / "masks/val/1.png")
    report = Report("skip")
    made = SKIPPING[name](source, tmp_path / "out", Run(report=report))
    receipt = made.read_receipt()
    skipped = receipt["skipped_images" if name == "convert" else "skipped"]
    assert [one["sample"] for one in skipped] == ["val/1"] == [problem.sample for problem in report.problems]
    assert receipt["images"]["in"] == 4
    assert receipt["images"]["skipped"] == 1
    assert not any("val/1" in path for path in contents(made.root) if path.startswith("masks/"))
