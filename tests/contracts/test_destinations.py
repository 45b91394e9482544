"""Whatever is at a destination: it is there afterwards as it was, or the new dataset is whole."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import segdata
from carry_files import contents
from operations import DATASETS, MADE, MODEL_FILE, Inputs, Outcome, Steps, older, open_made
from reader_samples import reader_sample
from segdata import Dataset, Run
from segdata.dataset.layout import CARD, JOURNAL, MANIFEST
from segdata.errors import DataError, DatasetError, OptionError, Problem, Report
from segdata.readers import READERS, reader

WRITING = {**{name: one for name, one in MADE.items() if not name.startswith("convert")}, **MODEL_FILE,
           **{name: DATASETS[name] for name in ("convert masks", "convert coco", "convert webdataset")}}  # fmt: skip

SOURCES = {
    "stitch": "tiles", "stitch to polygons": "tiles", "untile": "tiles", "refine": "pred", "pick": "pred", "mosaic": "scenes",
}  # fmt: skip
"""The dataset that an operation reads, if it is not `whole`."""


def each(table: Any) -> pytest.MarkDecorator:
    torch = [pytest.mark.torch, pytest.mark.skipif(not find_spec("albumentations"), reason="takes albumentations")]
    return pytest.mark.parametrize("name", [pytest.param(n, marks=torch if n == "augment" else ()) for n in table])


def raw(root: Path, inputs: Inputs) -> None:
    """The commonest raw layout."""
    for name in ("images/a.jpg", "masks/a.png"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"mine")


def notes(root: Path, inputs: Inputs) -> None:
    root.mkdir()
    (root / "thesis.pdf").write_bytes(b"mine")


def lists(root: Path, inputs: Inputs) -> None:
    """Files of our names, but of other contents."""
    root.mkdir()
    for name in (MANIFEST, CARD, JOURNAL):
        (root / name).write_bytes(b'{"mine": 1}\n')


def folders(root: Path, inputs: Inputs) -> None:
    for name in ("images", "journal"):
        (root / name).mkdir(parents=True)
        (root / name / "x").write_bytes(b"mine")


def mixed(root: Path, inputs: Inputs) -> None:
    """A dataset to which somebody has added."""
    shutil.copytree(inputs.whole.root, root)
    (root / "notes.txt").write_bytes(b"mine")


def file(root: Path, inputs: Inputs) -> None:
    root.write_bytes(b"mine")


STRANGE = [raw, notes, lists, folders, mixed, file]


@each(WRITING)
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("there", STRANGE)
def test_a_strangers_folder_stays(
    name: str, there: Callable[[Path, Inputs], None], overwrite: bool, inputs: Inputs, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    there(out, inputs)
    before = held(tmp_path)
    with pytest.raises(DatasetError, match=r"choose an empty folder|is a file"):
        WRITING[name](inputs, out, Run(), overwrite=overwrite)
    assert held(tmp_path) == before


@each(WRITING)
def test_a_dataset_stays_without_being_told(name: str, inputs: Inputs, tmp_path: Path) -> None:
    out = tmp_path / "out"
    older(name, inputs, out)
    before = held(tmp_path)
    with pytest.raises(DatasetError, match="exists already"):
        WRITING[name](inputs, out, Run())
    assert held(tmp_path) == before


@each([name for name in WRITING if not name.startswith("convert")])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("way", ["itself", "a link"])
def test_a_source_is_no_destination(name: str, way: str, overwrite: bool, inputs: Inputs, tmp_path: Path) -> None:
    source = getattr(inputs, SOURCES.get(name, "whole")).root
    out = source
    if way == "a link":
        out = tmp_path / "link"
        out.symlink_to(source)
    before = held(source)
    with pytest.raises(OptionError, match="is the destination and an input"):
        WRITING[name](inputs, out, Run(), overwrite=overwrite)
    assert held(source) == before


class Stopped(BaseException):
    """A process that ends."""


def full(run: str) -> BaseException:
    return OSError(errno.ENOSPC, "No space left on device", "somewhere")


ENDS: dict[str, Callable[[str], BaseException]] = {
    "killed": Stopped,
    "disk full": full,
    "bad item": lambda at: DataError(Problem("test.bad", "it is bad", sample=at)),
}


@each(WRITING)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("at", [0, 2])
def test_the_old_dataset_stays_until_the_new_is_whole(
    name: str, end: str, at: int, inputs: Inputs, undisturbed: Callable[[str], Outcome], tmp_path: Path
) -> None:
    """Whatever ends a run; and the same call makes the new one whole, by the bytes of an undisturbed run."""
    out = tmp_path / "out"
    older(name, inputs, out)
    before = held(out)

    whole = undisturbed(name)

    def stop(loop: int, number: int) -> None:
        if loop == len(whole.totals) - 1 and number == min(at, whole.totals[-1] - 1):
            raise ENDS[end](str(number))

    with pytest.raises(type(ENDS[end](""))):
        WRITING[name](inputs, out, Run(track=Steps(stop)), overwrite=True)
    assert held(out) == before
    open_made(out)
    assert (tmp_path / "out.partial").exists() == (end != "bad item")
    made = WRITING[name](inputs, out, Run(), overwrite=True)
    assert made.root == out
    assert contents(out) == whole.result
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@each(WRITING)
def test_what_is_finished_is_not_done_again(
    name: str, inputs: Inputs, undisturbed: Callable[[str], Outcome], tmp_path: Path
) -> None:
    """As a command that was killed just as it ended is repeated."""
    out = tmp_path / "out"
    WRITING[name](inputs, out, Run())
    before = {path: path.stat().st_mtime_ns for path in sorted(out.rglob("*"))}
    steps = Steps()
    again = WRITING[name](inputs, out, Run(track=steps))
    loops = undisturbed(name).totals
    assert steps.totals == loops[: len(loops) - (2 if name in ("tile virtual", "mosaic") else 1)], (
        "but for looking what there is to do"
    )
    assert again.root == out
    assert {path: path.stat().st_mtime_ns for path in sorted(out.rglob("*"))} == before
    assert contents(out) == undisturbed(name).result


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("touched", [False, True])
def test_labels_that_were_corrected_meanwhile_are_read_again(name: str, touched: bool, tmp_path: Path) -> None:
    """A conversion that was stopped does not keep what it made of a label file's old contents, and only that is made anew."""
    root, options = reader_sample(name, tmp_path)
    source = tmp_path / "source"
    shutil.copytree(root, source) if root.is_dir() else shutil.copytree(root.parent, source)
    source = source if root.is_dir() else source / root.name
    options = {
        key: Path(str(v).replace(str(root), str(source))) if isinstance(v, Path) else v for key, v in options.items()
    }
    items = reader(name)(source, **options).items
    files = [file for file in items[0].annotation.files if file.endswith(".png") and "#" not in file]
    if not files:
        pytest.skip("no file has the labels of one image alone")

    def stop(loop: int, number: int) -> None:
        if number == len(items) - 1:
            raise Stopped

    with pytest.raises(Stopped):
        segdata.convert(name, source, tmp_path / "out", run=Run(track=Steps(stop)), **options)
    with Image.open(files[0]) as labels:
        turned = labels.copy() if touched else labels.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if touched:
        os.utime(files[0], ns=(1, 1))
    else:
        turned.save(files[0])
    steps = Steps()
    segdata.convert(name, source, tmp_path / "out", run=Run(track=steps), **options)
    segdata.convert(name, source, tmp_path / "right", **options)
    assert contents(tmp_path / "out") == contents(tmp_path / "right")
    assert steps.totals == [1 if touched else 2]


def test_what_is_finished_with_images_left_out_is_not_done_again(tmp_path: Path) -> None:
    root, options = reader_sample("masks", tmp_path)
    source = tmp_path / "source"
    shutil.copytree(root, source)
    options = {
        key: Path(str(v).replace(str(root), str(source))) if isinstance(v, Path) else v for key, v in options.items()
    }
    Path(reader("masks")(source, **options).items[-1].annotation.files[0]).write_bytes(b"damaged")
    made = segdata.convert("masks", source, tmp_path / "out", run=Run(report=Report("skip")), **options)
    steps = Steps()
    again = segdata.convert("masks", source, tmp_path / "out", run=Run(report=Report("skip"), track=steps), **options)
    assert (len(again), steps.totals) == (len(made), [])
    assert made.read_receipt()["images"]["skipped"] == 1


def test_what_is_gone_is_a_change(inputs: Inputs, tmp_path: Path) -> None:
    shutil.copytree(inputs.whole.root, tmp_path / "d")
    dataset = Dataset.open(tmp_path / "d")
    segdata.tile(dataset, tmp_path / "t", size=64)
    segdata.tile(dataset, tmp_path / "t", size=64)
    Path(dataset.image_path(dataset.samples[0])).unlink()
    with pytest.raises(DatasetError, match="exists already"):
        segdata.tile(dataset, tmp_path / "t", size=64)


def held(root: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("way", ["folder", "link"])
def test_images_that_were_put_there_whole_are_other_images(inputs: Inputs, tmp_path: Path, way: str) -> None:
    """The files keep their times where a folder of older ones takes the place of another."""
    for name, value in (("one", 10), ("two", 20)):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 3), (value, 0, 0)).save(tmp_path / name / "a.png")
    source = tmp_path / "source"
    (source / "masks").mkdir(parents=True)
    Image.new("L", (4, 3), 1).save(source / "masks" / "a.png")
    (source / "classes.txt").write_text("background\ncat\n")
    images, out = source / "images", tmp_path / "out"
    os.rename(tmp_path / "one", images) if way == "folder" else images.symlink_to(tmp_path / "one")

    def convert() -> Dataset:
        return segdata.convert("masks", source, out, classes=source / "classes.txt", images="copy")

    convert()
    convert()
    time.sleep(0.05)  # a quick machine would go on within one tick of the file system's clock
    if way == "folder":
        os.rename(images, tmp_path / "one")
        os.rename(tmp_path / "two", images)
    else:
        images.unlink()
        images.symlink_to(tmp_path / "two")
    with pytest.raises(DatasetError, match="exists already"):
        convert()
