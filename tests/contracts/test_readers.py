"""What every format must do. A new reader is tested by being listed in READERS, its sample is in samples/, or generated."""

from __future__ import annotations

import inspect
import json
import pickle
import re
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

import segdata
from parquet_files import set_cell
from reader_samples import reader_sample
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.files.members import Cell, holder, member_of
from segdata.readers import COMMON, READERS, reader, reader_options
from segdata.readers.source import Source

NAMED = [
    name
    for name in READERS
    if {"classes", "background"} <= set(reader_options(name)) and name not in ("ade20k", "yolo", "vector")
]
"""Formats whose labels are names. A class file of the others says what numbers or properties of the source mean."""


@pytest.fixture(params=list(READERS))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, dict[str, Any]]:
    """A format, its sample, and the options that it cannot do without."""
    root, options = reader_sample(request.param, tmp_path)
    return request.param, root, options


def test_a_reader_yields_data_that_pickles(case: tuple[str, Path, dict[str, Any]]) -> None:
    name, root, options = case
    source = reader(name)(root, **options)
    assert isinstance(source, Source)
    assert source.items
    assert len({item.id for item in source.items}) == len(source.items)
    assert [item.id for item in source.items] == sorted(item.id for item in source.items)
    assert all(item.id.startswith(f"{item.split}/") for item in source.items if item.split)
    assert all(item.image is not None and Path(holder(item.image)).is_file() for item in source.items)
    assert all(item.image is None for item in reader(name)(root, images=False, **options).items)
    assert len(pickle.loads(pickle.dumps(source.items))) == len(source.items)
    assert all(len(given.sha256) == 64 and "/" not in given.name for given in source.inputs)
    known = set(range(len(source.labels.classes)))
    assert {c.class_id for c in source.classes} - {None} <= known
    json.dumps(source.options)  # they go into dataset.json


def test_images_lie_under_their_masks_and_the_receipt_closes(
    case: tuple[str, Path, dict[str, Any]], tmp_path: Path
) -> None:
    name, root, options = case
    dataset = segdata.convert(name, root, tmp_path / "d", **options)
    allowed = {*range(len(dataset.labels.classes)), dataset.labels.ignore}
    for sample in dataset:
        mask = dataset.read_mask(sample)
        assert mask.shape == dataset.read_image(sample).shape[:2] == sample.size
        assert set(np.unique(mask).tolist()) <= allowed
    receipt = dataset.read_receipt()
    for whole, *parts in (("images", "converted", "skipped"), ("annotations", "painted", "skipped")):
        assert receipt[whole]["in"] == sum(receipt[whole][part] for part in parts)
    assert receipt["images"]["converted"] == len(dataset)
    assert receipt["annotations"]["in"] > 0
    assert len(receipt["skipped"]) == receipt["annotations"]["skipped"]
    assert sum(receipt["pixels"].values()) == sum(s.height * s.width for s in dataset)


def test_one_split_alone(case: tuple[str, Path, dict[str, Any]], tmp_path: Path) -> None:
    name, root, options = case
    dataset = segdata.convert(name, root, tmp_path / "d", images="none", **options)
    for split in dataset.splits:
        only = reader(name)(root, split=split, images=False, **options)
        assert [item.id for item in only.items] == [sample.id for sample in dataset.split(split)]
    if dataset.splits:
        with pytest.raises(SegdataError):
            reader(name)(root, split="no such split", images=False, **options)


def take_away(image: str) -> None:
    """Remove an image, or make it none where it is a part of a shard."""
    member = member_of(image)
    if member is None:
        Path(image).unlink()
        return
    if isinstance(member, Cell):
        set_cell(member, b"")
        return
    data = bytearray(Path(member.file).read_bytes())
    data[member.offset : member.offset + member.length] = (b"A" if member.coding else b"\0") * member.length
    Path(member.file).write_bytes(data)


def test_a_missing_image_stops_or_is_left_out(case: tuple[str, Path, dict[str, Any]], tmp_path: Path) -> None:
    name, root, options = case
    copy = tmp_path / "copy"
    for path in root.rglob("*"):
        if path.is_file():
            (copy / path.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
            (copy / path.relative_to(root)).write_bytes(path.read_bytes())
    items = reader(name)(copy, **options).items
    victim = items[len(items) // 2]
    assert victim.image is not None
    take_away(victim.image)
    with pytest.raises(DataError) as caught:
        segdata.convert(name, copy, tmp_path / "d", **options)
    assert caught.value.problem.sample == victim.id
    assert not (tmp_path / "d").exists()
    run = segdata.Run(report=Report("skip"))
    dataset = segdata.convert(name, copy, tmp_path / "d", run=run, **options)
    assert {item.id for item in items} - {sample.id for sample in dataset} == {victim.id}
    receipt = dataset.read_receipt()
    assert receipt["images"] == {"in": len(items), "converted": len(items) - 1, "skipped": 1}
    assert receipt["annotations"]["in"] == receipt["annotations"]["painted"] + receipt["annotations"]["skipped"]


def test_what_is_not_the_format_is_one_clear_error(case: tuple[str, Path, dict[str, Any]], tmp_path: Path) -> None:
    name, _, options = case
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "nowhere", tmp_path / "empty"):
        with pytest.raises(SegdataError) as caught:
            reader(name)(root, **options)
        assert str(root) in str(caught.value) or root.name in str(caught.value)


def described(text: str) -> dict[str, str]:
    """The options that the `Args:` block, the last of a docstring, tells of."""
    lines = inspect.cleandoc(text).partition("\nArgs:\n")[2].split("\n")
    assert all(line.startswith("    ") for line in lines), lines
    found: dict[str, str] = {}
    for line in lines:
        if match := re.match(r" {4}(\w+): (.*)", line):
            name, found[match[1]] = match[1], match[2]
        else:
            found[name] += " " + line.strip()
    return found


@pytest.mark.parametrize("name", READERS)
def test_every_option_is_told_of_and_typed(name: str) -> None:
    """So that commands and pages need say nothing of it."""
    read = reader(name)
    parameters, hints = inspect.signature(read).parameters, get_type_hints(read)
    told = described(read.__doc__ or "")
    assert tuple(told) == reader_options(name)
    assert all(len(text) > 20 and text.endswith(".") for text in told.values())
    for option in reader_options(name):
        default, hint = parameters[option].default, hints[option]
        choices = [value for part in (hint, *get_args(hint)) if get_origin(part) is Literal for value in get_args(part)]
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
        assert default is not inspect.Parameter.empty
        assert default is None or not choices or default in choices
        if default is None:
            assert type(None) in get_args(hint)
            assert "default" in told[option] or "None" in told[option], f"{name} {option}: None means something"
        assert str not in (hint, *get_args(hint)) or not choices
    assert not set(reader_options(name)) & set(COMMON)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sample of each format."""
    return {name: reader_sample(name, tmp_path_factory.mktemp("roots"))[0] for name in READERS}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_tells_its_own_sample_from_the_others(name: str, roots: dict[str, Path], tmp_path: Path) -> None:
    fits = import_module(READERS[name]).fits
    assert fits(roots[name]) is None
    assert all(fits(root) for other, root in roots.items() if other != name and name != "masks")
    assert isinstance(fits(tmp_path / "nowhere"), str)


def test_an_unknown_format_lists_the_known() -> None:
    with pytest.raises(OptionError, match="coco"):
        reader("no such format")


@pytest.mark.parametrize("name", NAMED)
def test_a_class_file_may_have_the_background_anywhere(name: str, tmp_path: Path) -> None:
    """Pixels under no shape are of the class of that name, whatever its id."""
    root, options = reader_sample(name, tmp_path)
    options.pop("classes", None)
    first = segdata.convert(name, root, tmp_path / "a", images="none", background="class", **options)
    order = [*first.labels.names[1:], first.labels.names[0]]
    assert order[-1] == "background"
    other = segdata.convert(name, root, tmp_path / "b", images="none", background="class", classes=order, **options)
    assert list(other.labels.names) == order
    table = np.array([*(order.index(n) for n in first.labels.names), *range(len(order), 256)], np.uint8)
    for one, same in zip(first, other, strict=True):
        np.testing.assert_array_equal(table[first.read_mask(one)], other.read_mask(same))


def test_a_folder_of_images_that_there_is_not_is_named(case: tuple[str, Path, dict[str, Any]]) -> None:
    name, root, options = case
    if "image_dir" in reader_options(name) and name != "masks":  # where it is a pattern
        with pytest.raises(SegdataError, match="nowhere"):
            reader(name)(root, image_dir="nowhere", **options)


def test_the_card_tells_which_classes_were_chosen(case: tuple[str, Path, dict[str, Any]]) -> None:
    name, root, options = case
    if "classes" in reader_options(name) and name not in ("voc", "cityscapes"):
        assert "classes" in reader(name)(root, **options).options
