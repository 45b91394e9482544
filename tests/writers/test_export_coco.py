"""Exports to COCO: they come back pixel by pixel, and the rules of pycocotools, panopticapi and COCO-Stuff read the same."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from scipy import ndimage

import segdata
from carry_files import make
from segdata import DataError, Dataset, OptionError
from segdata.cli import main

NAMES = (
    ["background", "a car", 'two, "quoted"'],
    ["Straße", "ноль", "b/c", "d"],
    ["only"],
    ["a", "b", "_background_"],
    ["background", "a"],
)

INSTANCES: tuple[dict[str, Any], ...] = (
    {},
    {"polygons": "exact"},
    {"objects": "classes"},
    {"polygons": "exact", "objects": "classes"},
)
EVERY_PIXEL: tuple[dict[str, Any], ...] = (
    {"kind": "panoptic"},
    {"kind": "panoptic", "objects": "classes"},
    {"kind": "stuff"},
)


@st.composite
def sets(draw: st.DrawFn) -> tuple[list[str], dict[str, NDArray[Any]]]:
    """Names of classes, and masks by id."""
    names = draw(st.sampled_from([*NAMES, [f"class {i}" for i in range(300)]]))
    ignore = 255 if len(names) < 256 else 65535
    values = st.sampled_from(sorted({0, 1 % len(names), len(names) - 1, ignore}))
    shapes = npst.array_shapes(min_dims=2, max_dims=2, max_side=12)
    ids = draw(st.sampled_from([["a"], ["train/x/y", "val/z"], ["train2017/b", "c"], ["my split/a", "my_other/b"]]))
    return names, {id: draw(npst.arrays(np.uint16, shapes, elements=values)) for id in ids}


def same_masks(back: Dataset, dataset: Dataset, *, by_name: bool = False) -> None:
    """The same classes and pixels; `by_name`: ids may differ."""
    order = [dataset.labels.id(name) if name in dataset.labels.names else -1 for name in back.labels.names]
    if not by_name:
        assert back.labels.names == dataset.labels.names
    samples = {sample.id.rpartition("/")[2]: sample for sample in back}
    assert len(samples) == len(back) == len(dataset)
    for sample in dataset:
        mask = back.read_mask(samples[sample.id.rpartition("/")[2]]).astype(np.int64)
        ids = np.array([*order, *[-1] * (back.labels.ignore + 1 - len(order))])
        ids[back.labels.ignore] = dataset.labels.ignore
        np.testing.assert_array_equal(ids[mask], dataset.read_mask(sample))


def with_ignored(dataset: Dataset, how: dict[str, Any]) -> dict[str, Any]:
    """The options, with the one that instances need if there are ignored pixels."""
    return {**how, "ignored": "class"} if how.get("kind", "instances") == "instances" else how


@pytest.mark.parametrize("how", [*INSTANCES, *EVERY_PIXEL], ids=str)
@settings(max_examples=20)
@given(drawn=sets(), with_images=st.booleans())
def test_masks_come_back(
    tmp_path_factory: pytest.TempPathFactory, how: dict[str, Any], drawn: Any, with_images: bool
) -> None:
    names, masks = drawn
    root = tmp_path_factory.mktemp("e")
    images = {"images": "reference" if with_images else "none"}
    dataset = make(root / "d", masks, names=names, **images)
    options = {**with_ignored(dataset, how), "images": "link" if with_images else "none"}
    if how.get("kind") == "stuff" and len(names) > 255:
        with pytest.raises(OptionError, match="255 at most: --kind panoptic or instances"):
            segdata.export("coco", dataset, root / "out", **options)
        return
    receipt = segdata.export("coco", dataset, root / "out", **options).to_json()
    assert not receipt["cannot_hold"]
    back = segdata.convert("auto", root / "out", root / "back", allow_empty=True, **images)
    same_masks(back, dataset)
    (root / "out/segdata.json").unlink()
    if "unsplit" in str(list((root / "out").rglob("*"))):
        assert receipt["notes"] == ["1 samples in no split are in a split called unsplit, as others are in one"]
    more = {"background": "ignore"} if how.get("kind") == "stuff" else {}
    back = segdata.convert("coco", root / "out", root / "named", allow_empty=True, **more, **images)
    if "_background_" not in names:
        same_masks(back, dataset, by_name=True)


# Read by pycocotools


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """pycocotools prints what it does."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def split_of(sample: Any) -> str:
    return f"_{sample.split.replace(' ', '_')}" if sample.split else ""


def tables(out: Path, kind: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted((out / "annotations").glob(f"{kind}*.json")):
        yield path, json.loads(path.read_text())


@pytest.mark.parametrize("how", INSTANCES, ids=str)
@settings(max_examples=20)
@given(drawn=sets())
def test_pycocotools_reads_the_same(tmp_path_factory: pytest.TempPathFactory, how: dict[str, Any], drawn: Any) -> None:
    names, masks = drawn
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names)
    segdata.export("coco", dataset, root / "out", images="none", ignored="class", **how)
    seen = 0
    for path, table in tables(root / "out", "instances"):
        with quiet():
            coco = COCO(str(path))
        assert len({one["id"] for one in table["annotations"]}) == len(table["annotations"])
        for image in coco.dataset["images"]:
            (sample,) = (
                one
                for one in dataset
                if one.id.rpartition("/")[2] == image["file_name"].removesuffix(".png").rpartition("/")[2]
            )
            mask = dataset.read_mask(sample)
            assert (image["height"], image["width"]) == mask.shape
            seen += 1
            times = np.zeros(mask.shape, np.int64)
            for annotation in coco.imgToAnns[image["id"]]:
                pixels = coco.annToMask(annotation).astype(bool)
                name = coco.cats[annotation["category_id"]]["name"]
                value = dataset.labels.ignore if name == "ignore" else dataset.labels.id(name)
                assert (mask[pixels] == value).all()
                times += pixels
                y, x = np.nonzero(pixels)
                assert annotation["area"] == pixels.sum()
                assert annotation["bbox"] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
                assert annotation["iscrowd"] == 0
                assert how.get("objects") == "classes" or ndimage.label(pixels)[1] == 1
            ground = next((i for i, name in enumerate(names) if name.strip("_") == "background"), -1)
            np.testing.assert_array_equal(times, mask != ground)
    assert seen == len(masks)


# Read as panopticapi and cocostuffapi do


@pytest.mark.parametrize("objects", ["regions", "classes"])
@settings(max_examples=20)
@given(drawn=sets())
def test_panoptic_files_are_as_panopticapi_has_them(
    tmp_path_factory: pytest.TempPathFactory, objects: str, drawn: Any
) -> None:
    names, masks = drawn
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names)
    segdata.export("coco", dataset, root / "out", images="none", kind="panoptic", objects=objects)
    seen = 0
    for path, table in tables(root / "out", "panoptic"):
        categories = {one["id"]: one for one in table["categories"]}
        images = {one["id"]: one for one in table["images"]}
        for annotation in table["annotations"]:
            stem = images[annotation["image_id"]]["file_name"].rpartition(".")[0]
            assert annotation["file_name"] == f"{stem}.png"
            color = np.array(Image.open(path.with_suffix("") / annotation["file_name"])).astype(np.int64)
            ids = color[..., 0] + 256 * color[..., 1] + 256 * 256 * color[..., 2]  # panopticapi.utils.rgb2id
            (sample,) = (one for one in dataset if one.id.rpartition("/")[2] == stem.rpartition("/")[2])
            mask = dataset.read_mask(sample)
            again = np.full(mask.shape, dataset.labels.ignore, np.int64)
            assert {0, *(one["id"] for one in annotation["segments_info"])} == {0, *np.unique(ids).tolist()}
            for segment in annotation["segments_info"]:
                pixels, name = ids == segment["id"], categories[segment["category_id"]]["name"]
                again[pixels] = dataset.labels.id(name)
                y, x = np.nonzero(pixels)
                assert segment["area"] == pixels.sum()
                assert segment["bbox"] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
                thing = objects == "regions" and name.strip("_") != "background"
                assert categories[segment["category_id"]]["isthing"] == thing
                assert not thing or ndimage.label(pixels)[1] == 1
            kinds = [
                one["category_id"]
                for one in annotation["segments_info"]
                if not categories[one["category_id"]]["isthing"]
            ]
            assert len(set(kinds)) == len(kinds)  # stuff has one segment per class
            np.testing.assert_array_equal(again, mask)
            seen += 1
    assert seen == len(masks)


@settings(max_examples=20)
@given(drawn=sets().filter(lambda drawn: len(drawn[0]) < 256))
def test_pixelmaps_are_what_cocostuffapi_makes_of_the_json(
    tmp_path_factory: pytest.TempPathFactory, drawn: Any
) -> None:
    names, masks = drawn
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names)
    segdata.export("coco", dataset, root / "out", images="none", kind="stuff")
    for path, table in tables(root / "out", "stuff"):
        with quiet():
            coco = COCO(str(path))
        for image in table["images"]:
            labels = np.zeros((image["height"], image["width"]), np.int64)
            for annotation in coco.imgToAnns[image["id"]]:  # cocostuffhelper.cocoSegmentationToSegmentationMap
                pixels = coco.annToMask(annotation) == 1
                assert not labels[pixels].any()
                labels[pixels] = annotation["category_id"]
            name = image["file_name"].rpartition(".")[0]
            with Image.open(f"{path.with_suffix('')}_pixelmaps/{name}.png") as pixelmap:
                assert pixelmap.mode == "P"
                np.testing.assert_array_equal(np.array(pixelmap), labels)


# Fewer corners


@pytest.mark.parametrize("objects", ["regions", "classes"])
@pytest.mark.parametrize("names", [["background", "a", "b"], ["x", "a", "b"]])
@pytest.mark.parametrize("ignored", ["class", "background"])
def test_simplified_polygons_are_told_pixel_by_pixel(
    tmp_path: Path, objects: str, names: list[str], ignored: str
) -> None:
    rng = np.random.default_rng(0)
    masks = {str(i): np.clip(ndimage.zoom(rng.random((5, 6)), 8 + i) * 4, 0, 3).astype(np.uint8) for i in range(6)}
    masks["one pixel"] = np.pad(np.ones((1, 1), np.uint8), 3)
    masks = {id: np.where(mask == 3, 255, mask).astype(np.uint8) for id, mask in masks.items()}
    dataset = make(tmp_path / "d", masks, names=names)
    how = {"polygons": "simplified", "objects": objects, "ignored": ignored, "images": "none"}
    receipt = segdata.export("coco", dataset, tmp_path / "out", **how).to_json()
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back", images="none")
    wrong = 0
    for sample in dataset:
        truth = dataset.read_mask(sample).copy()
        if ignored == "background" and names[0] == "background":
            truth[truth == 255] = 0
        wrong += int((back.read_mask(back.sample(sample.id)) != truth).sum())
    assert receipt["cannot_hold"]["borders"]["pixels"] == wrong > 0
    assert receipt["cannot_hold"]["borders"]["keep"] == "--polygons exact"
    (_, table), *_ = tables(tmp_path / "out", "instances")
    exact = segdata.export("coco", dataset, tmp_path / "exact", **{**how, "polygons": "exact"})
    (_, more), *_ = tables(exact.root, "instances")
    assert len(json.dumps(table)) < len(json.dumps(more))
    assert all(one["area"] > 0 for one in table["annotations"])


# What is asked, and what is refused


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    mask = np.array([[0, 0, 255, 255], [1, 2, 2, 255], [255, 0, 1, 1]], np.uint8)
    masks = {"train/a": mask, "val/b": np.where(mask == 255, 0, mask).astype(np.uint8)}
    return make(tmp_path / "d", masks, names=["background", "a", "b"], images="reference")


def test_ignored_pixels_are_asked_for(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(OptionError, match="1 of 2 samples have ignored pixels, which COCO"):
        segdata.export("coco", dataset, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    gone = segdata.export("coco", dataset, tmp_path / "out", ignored="background").to_json()
    assert gone["cannot_hold"]["ignored"] == {"images": 1, "pixels": 4, "regions": 2, "keep": "--ignored class"}
    gone = segdata.export("coco", dataset, tmp_path / "out", ignored="drop", overwrite=True).to_json()
    assert gone["images"] == {"in": 2, "exported": 1, "skipped": 1}
    assert [path.name for path, _ in tables(tmp_path / "out", "instances")] == ["instances_val.json"]
    kept = segdata.export("coco", dataset, tmp_path / "out", ignored="class", overwrite=True).to_json()
    assert not kept["cannot_hold"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "panoptic", "polygons": "exact"}, "--polygons exact: only --kind instances has polygons"),
        ({"kind": "stuff", "ignored": "class"}, "--ignored class: --kind stuff holds ignored pixels"),
        ({"kind": "stuff", "objects": "regions"}, "--objects regions: --kind stuff has one annotation per class"),
        ({"kind": "keypoints"}, "kind"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, dataset: Dataset, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        segdata.export("coco", dataset, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_class_called_as_ignored_pixels_are_is_refused_with_a_way_out_that_works(tmp_path: Path) -> None:
    make(tmp_path / "d", {"a": np.eye(4, dtype=np.uint8)}, names=["background", "ignore"])
    run = CliRunner().invoke(main, ["export", "coco", str(tmp_path / "d"), str(tmp_path / "o"), "--images", "none"])
    assert run.exit_code == 1
    assert "segdata remap --map ignore=other" in run.output
    run = CliRunner().invoke(main, ["remap", str(tmp_path / "d"), str(tmp_path / "r"), "--map", "ignore=other"])
    assert run.exit_code == 0, run.output
    run = CliRunner().invoke(main, ["export", "coco", str(tmp_path / "r"), str(tmp_path / "o"), "--images", "none"])
    assert run.exit_code == 0, run.output


@pytest.mark.parametrize("kind", ["instances", "panoptic", "stuff"])
def test_label_files_that_come_or_go_later_are_told(tmp_path: Path, dataset: Dataset, kind: str) -> None:
    ignored = {"ignored": "class"} if kind == "instances" else {}
    out = tmp_path / "out"
    segdata.export("coco", dataset, out, kind=kind, images="none", **ignored)
    (out / f"annotations/{kind}_val.json").rename(out / f"annotations/{kind}_test.json")
    with pytest.raises(DataError, match=r"--annotations val: no such file, .* name those that there are"):
        segdata.convert("auto", out, tmp_path / "none")
    there = {"train": f"annotations/{kind}_train.json"}
    back = segdata.convert("auto", out, tmp_path / "back", annotations=there)
    assert [sample.id for sample in back] == ["train/a"]
    (told,) = [note for note in back.read_receipt()["notes"] if "are not read" in note]
    assert told.endswith(f"annotations/{kind}_test.json")


# Images


def test_images_lie_where_their_records_say(tmp_path: Path, dataset: Dataset) -> None:
    out = segdata.export("coco", dataset, tmp_path / "out", kind="panoptic").root
    assert isinstance(out, Path)
    for path, table in tables(out, "panoptic"):
        split = path.stem.removeprefix("panoptic_")
        for image in table["images"]:
            file = out / "images" / split / image["file_name"]
            assert file.is_symlink()
            with Image.open(file) as opened:
                assert opened.size == (image["width"], image["height"])
    numbers = [image["id"] for _, table in tables(out, "panoptic") for image in table["images"]]
    assert numbers == [1, 2]


def test_names_stay_short_and_the_files_are_streamed(tmp_path: Path) -> None:
    masks = {f"train/{i:03d}": np.full((3, 3), i % 2, np.uint8) for i in range(120)}
    dataset = make(tmp_path / "d", masks, names=["a", "b"])
    segdata.export("coco", dataset, tmp_path / "out", images="none")
    ((path, table),) = tables(tmp_path / "out", "instances")
    assert path.read_text().count("\n") > 240  # one line per record
    assert [one["id"] for one in table["annotations"]] == list(range(1, 121))
    assert [one["image_id"] for one in table["annotations"]] == [one["id"] for one in table["images"]]
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.name != "croissant.json") == [
        "annotations", "receipt.json", "segdata.json",
    ]  # fmt: skip


def test_background_that_was_added_later_is_a_class(tmp_path: Path) -> None:
    """In a dataset without such a class what has no label is ignored; what is labelled background is not."""
    mask = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.uint8)
    dataset = make(tmp_path / "d", {"train/a": mask}, names=["road", "car"])
    segdata.export("coco", dataset, tmp_path / "out", images="none")
    ((path, table),) = tables(tmp_path / "out", "instances")
    table["categories"][1]["name"] = "background"
    table["annotations"] = table["annotations"][1:]
    path.write_text(json.dumps(table))
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back", allow_empty=True)
    assert back.labels.names == ("road", "car", "background")
    np.testing.assert_array_equal(back.read_mask(back.sample("train/a")), np.where(mask == 1, 2, 255))


def test_images_that_an_export_left_out_are_told_and_given(tmp_path: Path, dataset: Dataset) -> None:
    segdata.export("coco", dataset, tmp_path / "out", kind="panoptic", images="none")
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    assert {sample.image for sample in back} == {None}
    assert any("there are no images, as segdata.json says" in note for note in back.read_receipt()["notes"])
    found = segdata.convert("auto", tmp_path / "out", tmp_path / "found", image_dir=tmp_path / "d-images")
    for sample in dataset:
        np.testing.assert_array_equal(found.read_image(found.sample(sample.id)), dataset.read_image(sample))
