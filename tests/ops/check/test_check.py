"""`check`: each planted fault is found and nothing else is, and nothing in what is clean."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

import segdata
from planted import Pixels, Plant, encoded, jpeg, record
from segdata.cli import COMMANDS, main
from segdata.dataset.counts import object_areas
from segdata.dataset.duplicates import read_looks
from segdata.errors import DatasetError, OptionError, SegdataError
from segdata.files.file import File
from segdata.kernels.regions import region_areas
from segdata.labels import Labels
from segdata.ops.check.command import check as check_command
from segdata.ops.check.findings import LEVELS, Seen
from segdata.ops.check.leaks import duplicates, leak_findings
from segdata.ops.check.operation import check, files_of
from segdata.ops.check.proposals import Proposals
from segdata.ops.split.operation import split

if "check" not in COMMANDS:
    main.add_command(check_command)

A, B, V = "train/000000000107", "train/000000000128", "val/000000000228"
"""Samples of 192 x 256, 200 x 256 and 200 x 256 pixels (height x width)."""


@pytest.fixture(scope="session")
def clean(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples, converted with copies of their images. Not to be changed."""
    root = tmp_path_factory.mktemp("clean") / "d"
    segdata.convert("coco", samples / "coco", root, images="copy")
    return root


@pytest.fixture
def plant(clean: Path, tmp_path: Path) -> Plant:
    shutil.copytree(clean, tmp_path / "d")
    return Plant(tmp_path / "d")


def found(root: Path, **options: Any) -> set[tuple[str, tuple[str, ...]]]:
    return {(finding.code, finding.samples) for finding in check(root, **options).findings}


# How faults are planted, where it takes more than a line


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def save_again(path: Path) -> None:
    """The same pixels, other bytes."""
    with Image.open(path) as mask:
        mask.load()
    mask.save(path)


def save_as(path: Path, format: str, mode: str) -> None:
    with Image.open(path) as mask:
        mask.load()
    path.write_bytes(encoded(mask.convert(mode), format))


def painted(*places: tuple[Any, Any, int]) -> Callable[[Pixels], None]:
    def paint(mask: Pixels) -> None:
        for y, x, value in places:
            mask[y, x] = value

    return paint


ALL = slice(None)


def replace_a_mask(p: Plant) -> None:
    shutil.copy(p.mask_file(V), p.mask_file(B))


def leave_nothing(p: Plant) -> None:
    p.lines.clear()
    shutil.rmtree(p.root / "masks")
    shutil.rmtree(p.root / "images")


def expect_links(p: Plant) -> None:
    p.card["images"] = "link"
    p.set(A, image=f"../d/images/{A}.jpg")


def give_alpha(p: Plant) -> None:
    p.image_file(A).write_bytes(encoded(p.image(A).convert("RGBA"), "PNG"))


def give_palette(p: Plant) -> None:
    with Image.open(p.mask_file(A)) as mask:
        mask.load()
    mask.putpalette(list(range(256)) * 3)
    data = encoded(mask, "PNG")
    p.mask_file(A).write_bytes(data)
    p.line(A).update(sha256=hashlib.sha256(data).hexdigest())


def shift_counts(p: Plant) -> None:
    counts = p.line(A)["counts"]
    p.set(A, counts={**counts, "0": counts["0"] - 7, "1": counts["1"] + 7})


def turn_by_exif(p: Plant) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    p.image_file(A).write_bytes(jpeg(p.image(A), exif=exif))


def turn_labels_too(p: Plant) -> None:
    turn_by_exif(p)
    p.set(A, exif="upright")


def declare_a_class_more(p: Plant) -> None:
    p.card["classes"].append({"id": len(p.card["classes"]), "name": "emu", "color": [1, 2, 3]})


def leave_no_kite_in_val(p: Plant) -> None:
    for line in p.lines:
        if "7" in line["counts"]:
            line["split"] = "train"


def take_one_class(p: Plant) -> None:
    del p.card["classes"][1:]
    for line in p.lines:
        p.edit_mask(line["id"], lambda mask: np.where(mask == 255, mask, 0).astype(np.uint8), listed=True)


def crop_two_virtual_tiles(p: Plant) -> None:
    """Of A, which is left out itself."""
    line = p.line(A)
    mask = p.mask(A)
    p.lines.remove(line)
    for name, x in (("train", 0), ("val", 100)):
        counts = record(mask[:, x : x + 150], b"")["counts"]
        crop = {"crop": [0, x, 192, 150], "width": 150, "counts": counts}
        p.lines.append({**line, "id": f"{name}/tile", "split": name, **crop})
    p.lines.sort(key=lambda line: str(line["id"]))


def cut_a_tile_off(p: Plant) -> None:
    tile = jpeg(p.image(A).crop((64, 64, 192, 192)))
    p.add(
        "val/tile", tile, p.mask(A)[64:192, 64:192], parent=A, window=[64, 64, 128, 128], tiling={"parent": [192, 256]}
    )


def leave_images_plain(p: Plant) -> None:
    noise = np.random.default_rng(0).integers(90, 93, (192, 256, 3)).astype(np.uint8)
    p.image_file(A).write_bytes(encoded(Image.fromarray(noise), "PNG"))


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


def turned(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.ROTATE_90)


def all_at_once(image: Image.Image) -> bytes:
    return jpeg(half(ImageOps.mirror(image)), 50)


Fault = tuple[str, Callable[[Plant], Any], str]

FAULTS: list[Fault] = [
    # mask files
    ("a mask is missing", lambda p: p.mask_file(A).unlink(), "mask.missing"),
    ("a mask is a folder", lambda p: (p.mask_file(A).unlink(), p.mask_file(A).mkdir()), "mask.missing"),
    ("a mask is truncated", lambda p: truncate(p.mask_file(A)), "mask.damaged"),
    ("a mask is empty", lambda p: p.mask_file(A).write_bytes(b""), "mask.unreadable"),
    ("one pixel of a mask is changed", lambda p: p.edit_mask(A, painted((0, 0, 3)), listed=False), "mask.changed mask.counts"),
    ("a mask is saved again", lambda p: save_again(p.mask_file(A)), "mask.changed"),
    ("a mask is replaced by another's", replace_a_mask, "mask.changed mask.counts mask.same"),
    ("a mask has another size", lambda p: p.edit_mask(A, lambda m: m[:-1], listed=False), "mask.changed mask.size"),
    ("a mask is transposed", lambda p: p.edit_mask(A, lambda m: m.T, listed=False), "mask.changed mask.size"),
    ("a value is no class", lambda p: p.edit_mask(A, painted((5, 5, 200)), listed=False), "mask.changed mask.values"),
    ("a mask of 16 bits", lambda p: p.edit_mask(A, lambda m: m.astype(np.uint16), listed=False), "mask.changed mask.depth"),
    ("a mask has a palette", give_palette, "mask.palette"),
    ("a mask is saved as JPEG", lambda p: save_as(p.mask_file(A), "JPEG", "L"), "mask.jpeg"),
    ("a mask of colours", lambda p: save_as(p.mask_file(A), "PNG", "RGB"), "mask.colours"),
    # the manifest and the other records
    ("counts are shifted", shift_counts, "mask.counts"),
    ("counts do not add up", lambda p: p.line(A)["counts"].update({"1": 1}), "manifest.counts mask.counts"),
    ("a count too many of nothing", lambda p: p.line(A)["counts"].update({"6": 0}), ""),
    ("a height is wrong", lambda p: p.set(A, height=191), "manifest.counts mask.size image.size"),
    ("the manifest is not sorted", lambda p: p.lines.reverse(), "manifest.order"),
    ("a mask's path leads out", lambda p: p.set(A, mask="../d/masks/train/000000000107.png"), "path.outside files.unlisted"),
    ("an image's path leads out", lambda p: p.set(A, image="/etc/passwd"), "path.outside files.unlisted"),
    ("an image where there are to be none", lambda p: p.card.update(images="none"), "manifest.images leak.frames"),
    ("an image that is to be a link", expect_links, "manifest.images files.unlisted"),
    ("a sample has no image", lambda p: (p.image_file(A).unlink(), p.set(A, image=None)), "image.none duplicate.unseen"),
    ("a crop lies outside", lambda p: p.set(A, crop=[300, 0, 192, 256]), "mask.size image.size"),
    ("a crop sticks out", lambda p: p.set(A, crop=[10, 0, 192, 256]), "mask.size image.size"),
    ("a window without a parent", lambda p: p.set(A, window=[0, 0, 192, 256], tiling={"parent": [192, 256]}), "manifest.window"),
    ("a window without its tiling", lambda p: p.set(A, window=[0, 0, 192, 256], parent="x"), "manifest.window"),
    ("scores are missing", lambda p: p.set(A, scores="scores/a.tif"), "scores.missing"),
    ("a mask that no sample names", lambda p: shutil.copy(p.mask_file(A), p.root / "masks/more.png"), "files.unlisted"),
    ("a mask is a hard link", lambda p: os.link(p.mask_file(A), p.root.parent / "other.png"), "files.linked"),
    ("an image is a hard link", lambda p: os.link(p.image_file(A), p.root.parent / "other.jpg"), "files.linked"),
    ("the dataset is empty", leave_nothing, "dataset.empty"),
    # images
    ("an image is missing", lambda p: p.image_file(A).unlink(), "image.missing"),
    ("an image is truncated", lambda p: truncate(p.image_file(A)), "image.unreadable"),
    ("an image is a web page", lambda p: p.image_file(A).write_bytes(b"<html>404 not found"), "image.unreadable"),
    ("an image has another size", lambda p: p.image_file(A).write_bytes(jpeg(half(p.image(A)))), "image.size"),
    ("an image's EXIF turns it", turn_by_exif, "image.exif"),
    ("labels lie as EXIF does not say", turn_labels_too, "image.size"),
    ("an image is grey", lambda p: p.image_file(A).write_bytes(jpeg(p.image(A).convert("L"))), "image.channels"),
    ("an image has alpha", give_alpha, "image.channels"),
    ("an image is nearly empty", leave_images_plain, "image.plain"),
    # classes and what masks hold
    ("a class has no pixel", declare_a_class_more, "class.absent"),
    ("a class has no pixel in a split", leave_no_kite_in_val, "class.split"),
    ("there is one class only", take_one_class, "class.single"),
    ("a mask is all background", lambda p: p.edit_mask(A, painted((ALL, ALL, 0)), listed=True), "mask.single"),
    ("a mask is void alone", lambda p: p.edit_mask(A, painted((ALL, ALL, 255)), listed=True), "mask.void"),
    ("a mask is mostly void", lambda p: p.edit_mask(A, painted((slice(100), ALL, 255)), listed=True), "mask.mostly_void"),
    ("a mask has specks", lambda p: p.edit_mask(B, painted((2, slice(2, 4), 6), (9, 9, 6)), listed=True), "mask.specks"),
    ("two images have one mask", lambda p: p.edit_mask(B, lambda _: p.mask(V), listed=True), "mask.same"),
    # duplicates
    ("an image twice in a split", lambda p: p.copy(A, "train/copy"), "duplicate.exact"),
    ("an image saved again in a split", lambda p: p.copy(A, "train/copy", lambda x: jpeg(x, 60)), "duplicate.near"),
    ("an image in two splits", lambda p: p.copy(A, "val/copy"), "leak.exact"),
    ("an image in two splits, JPEG of quality 30", lambda p: p.copy(A, "val/copy", lambda x: jpeg(x, 30)), "leak.near"),
    ("an image in two splits, half as large", lambda p: p.copy(A, "val/copy", half), "leak.near"),
    ("an image in two splits, flipped", lambda p: p.copy(A, "val/copy", ImageOps.mirror), "leak.near"),
    ("an image in two splits, upside down", lambda p: p.copy(A, "val/copy", ImageOps.flip), "leak.near"),
    ("an image in two splits, turned", lambda p: p.copy(A, "val/copy", turned), "leak.near"),
    ("an image in two splits, all of this", lambda p: p.copy(A, "val/copy", all_at_once), "leak.near"),
    # splits
    ("a group in two splits", lambda p: (p.set(A, group="drive 7"), p.set(V, group="drive 7")), "leak.group"),
    ("tiles of one parent in two splits", lambda p: (p.set(A, parent="x"), p.set(V, parent="x")), "leak.parent"),
    ("a tile, and the whole in another split", cut_a_tile_off, "leak.parent"),
    ("crops of one image in two splits", crop_two_virtual_tiles, "leak.image"),
    ("there are no splits", lambda p: p.set_all(split=None), "split.none"),
    ("there is one split", lambda p: p.set_all(split="train"), "split.single"),
    ("a sample is in no split", lambda p: p.set(A, split=None), "split.partial"),
]  # fmt: skip

UNSETTLED: list[Fault] = [
    ("the receipt is missing", lambda p: (p.root / "receipt.json").unlink(), "receipt.missing"),
    ("the receipt is damaged", lambda p: truncate(p.root / "receipt.json"), "receipt.unreadable"),
    ("the receipt is none", lambda p: (p.root / "receipt.json").write_text("[1]"), "receipt.unreadable"),
    ("the receipt is an empty list", lambda p: (p.root / "receipt.json").write_text("[]"), "receipt.unreadable"),
    ("the receipt is empty", lambda p: (p.root / "receipt.json").write_text("{}"), "receipt.unreadable"),
]
"""Faults of the receipt, planted after all else is in order."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant_it", "expected"), [(f, e.split()) for _, f, e in FAULTS], ids=[n for n, _, _ in FAULTS]
)
def test_a_planted_fault_is_found_and_nothing_else(
    plant: Plant, plant_it: Callable[[Plant], Any], expected: list[str]
) -> None:
    before = found(plant.root)
    plant_it(plant)
    plant.settle()
    assert {code for code, _ in found(plant.root) - before} - {"mask.specks"} == {*expected} - {"mask.specks"}
    for finding in check(plant.root).findings:
        assert finding.repair
        assert list(finding.samples) == sorted(finding.samples)
    if expected == ["mask.specks"]:
        after = next(ids for code, ids in found(plant.root) if code == "mask.specks")
        assert set(after) - set(dict(before)["mask.specks"]) == {B}


@pytest.mark.parametrize(("plant_it", "expected"), [(f, e) for _, f, e in UNSETTLED], ids=[n for n, _, _ in UNSETTLED])
def test_a_fault_of_the_receipt(plant: Plant, plant_it: Callable[[Plant], Any], expected: str) -> None:
    before = found(plant.root)
    plant_it(plant)
    assert found(plant.root) - before == {(expected, ())}
    assert not re.search(r"Error\(|\$|`", " ".join(f.message for f in check(plant.root).findings))


def test_sums_that_differ_from_the_receipts(plant: Plant) -> None:
    plant.receipt["images"]["converted"] = 33
    plant.receipt["pixels"]["dog"] += 1
    plant.receipt["pixels"]["emu"] = 5
    (plant.root / "receipt.json").write_text(json.dumps(plant.receipt))
    messages = [f.message for f in check(plant.root).findings if f.code == "receipt.sums"]
    assert len(messages) == 3
    assert any("33 images, the manifest 32" in m for m in messages)
    assert any("'dog'" in m for m in messages)
    assert any("5 pixels of 'emu', the manifest 0" in m for m in messages)
    plant.card["made_by"]["operation"] = "tile"  # whose receipt says other things
    (plant.root / "dataset.json").write_text(json.dumps(plant.card))
    assert not [f for f in check(plant.root).findings if f.code.startswith("receipt")]


# What is clean


def test_nothing_is_found_in_clean_samples(clean: Path) -> None:
    checked = check(clean)
    assert checked.ok
    assert {(f.level, f.code) for f in checked.findings} == {("note", "mask.specks")}
    assert (checked.samples, checked.splits) == (32, {"train": 24, "val": 8})
    assert check(clean, splits_only=True).findings == ()
    assert check(clean, speck=0).findings == ()


@pytest.mark.parametrize("images", ["reference", "link", "none"])
def test_images_anywhere_are_clean(samples: Path, tmp_path: Path, images: Any) -> None:
    segdata.convert("coco", samples / "coco", tmp_path / "d", images=images)
    expected = {"mask.specks", "duplicate.unseen", "leak.frames"} if images == "none" else {"mask.specks"}
    assert {code for code, _ in found(tmp_path / "d")} == expected


@pytest.mark.data
def test_nothing_is_found_in_coco(shared_data: Path, tmp_path: Path) -> None:
    segdata.convert("coco", shared_data / "coco/mini", tmp_path / "d")
    checked = check(tmp_path / "d")
    assert {(f.level, f.code) for f in checked.findings} == {("note", "mask.specks"), ("note", "split.single")}


@pytest.fixture(scope="session")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 classes, so masks of 16 bits, and no images."""
    root = tmp_path_factory.mktemp("deep") / "d"
    labels = Labels.of([f"class {i}" for i in range(300)])
    samples = []
    for n in range(3):
        mask = (np.arange(40 * 50, dtype=np.uint16).reshape(40, 50) // 5 + n) % 300
        mask[:2] = 65535
        data = segdata.write_mask(root / f"masks/{n}.png", mask)
        line = record(mask, data)
        counts = {int(v): k for v, k in line.pop("counts").items()}
        samples.append(segdata.Sample(id=str(n), mask=f"masks/{n}.png", counts=counts, **line))
    segdata.Dataset(root, labels, samples).save()
    return root


def test_8_bits_where_16_are_due(deep: Path, tmp_path: Path) -> None:
    assert {code for code, _ in found(deep)} == {"duplicate.unseen", "split.none"}
    shutil.copytree(deep, tmp_path / "d")
    mask = segdata.read_mask(deep / "masks/1.png")
    segdata.write_mask(tmp_path / "d/masks/1.png", np.minimum(mask, 255).astype(np.uint8))
    assert found(tmp_path / "d") - found(deep) == {("mask.depth", ("1",)), ("mask.changed", ("1",))}


def test_a_dataset_can_be_checked_in_memory(clean: Path) -> None:
    """A part of a dataset: its receipt and the other files are the whole's."""
    part = segdata.Dataset.open(clean).split("val")
    assert {f.code for f in check(part).findings} == {"receipt.sums", "files.unlisted", "mask.specks", "split.single"}


def test_void_everywhere(plant: Plant) -> None:
    for line in plant.lines:
        plant.edit_mask(line["id"], painted((ALL, ALL, 255)), listed=True)
    plant.settle()
    findings = {f.code: f for f in check(plant.root).findings}
    assert set(findings) == {"mask.void", "class.absent"}
    assert len(findings["mask.void"].samples) == 32
    assert findings["class.absent"].message.startswith("8 of 8 classes without a pixel: background")


# Options, order, errors


def test_limits_are_options(plant: Plant) -> None:
    plant.edit_mask(A, painted((slice(100), ALL, 255), (150, slice(6), 6)), listed=True)  # 52 % void, a speck of 6
    plant.settle()
    assert ("mask.mostly_void", (A,)) in found(plant.root, void_share=0.5)
    assert ("mask.mostly_void", (A,)) not in found(plant.root, void_share=0.53)
    assert A not in dict(found(plant.root, speck=6))["mask.specks"]
    assert A in dict(found(plant.root, speck=7))["mask.specks"]
    plant.copy(V, "train/copy", lambda x: jpeg(x, 30))
    plant.settle()
    assert "leak.near" in dict(found(plant.root))
    assert "leak.near" not in dict(found(plant.root, near=0))


@pytest.mark.parametrize("options", [{"void_share": 1.5}, {"speck": -1}, {"near": 32}, {"near": -1}])
def test_options_that_cannot_be(clean: Path, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options)).replace("_", "-")):
        check(clean, **options)


def test_splits_only_reads_no_mask_and_tells_leaks_alone(plant: Plant) -> None:
    plant.copy(A, "train/copy")
    plant.copy(A, "val/copy", half)
    shutil.rmtree(plant.root / "masks")
    plant.settle()
    assert {code for code, _ in found(plant.root, splits_only=True)} == {"leak.near"}
    plant.image_file(V).unlink()
    assert {code for code, _ in found(plant.root, splits_only=True)} == {"leak.near", "image.missing"}
    plant.set(V, image="../elsewhere.jpg")
    plant.settle()
    assert {code for code, _ in found(plant.root, splits_only=True)} == {"leak.near", "path.outside"}


def test_a_leak_names_the_samples_on_both_sides(plant: Plant) -> None:
    plant.copy(A, "val/copy", half)
    plant.settle()
    (leak,) = (f for f in check(plant.root).findings if f.code == "leak.near")
    assert leak.samples == (A, "val/copy")
    assert leak.level == "error"
    assert f"{A} in train, val/copy in val" in leak.message
    assert leak.repair.startswith(f"segdata split {plant.root} DST --group-by")


def test_the_repair_of_leaks_repairs_them(plant: Plant, tmp_path: Path) -> None:
    plant.copy(A, "val/copy", all_at_once)
    plant.copy(V, "train/copy")
    for id in (B, "val/000000000214"):
        plant.set(id, group="drive 7")
    cut_a_tile_off(plant)
    plant.settle()
    assert {code for code, _ in found(plant.root, splits_only=True)} == {
        "leak.near",
        "leak.exact",
        "leak.group",
        "leak.parent",
    }
    made = split(plant.root, tmp_path / "split", group_by=["group", "duplicates"], allow_missing=["all"])
    assert check(tmp_path / "split", splits_only=True).findings == ()
    assert len(made.splits) > 1
    assert check(tmp_path / "split").ok


def test_samples_that_are_known_to_belong_together_are_not_duplicates(plant: Plant) -> None:
    plant.copy(A, "train/copy", half, group="g")
    plant.set(A, group="g")
    plant.settle()
    assert not [f for f in check(plant.root).findings if f.code.startswith(("duplicate", "leak"))]
    plant.set("train/copy", split="val")
    plant.settle()
    assert [f.code for f in check(plant.root).findings if f.level == "error"] == ["leak.group"]


def test_plain_images_are_never_duplicates(plant: Plant) -> None:
    for id in (A, V):
        size = plant.image(id).size
        plant.image_file(id).write_bytes(jpeg(Image.new("RGB", size, (9, 9, 9))))
    plant.settle()
    assert found(plant.root) >= {("image.plain", (A, V))}
    assert check(plant.root).ok


def dim(image: Image.Image) -> bytes:
    """Fog: all that is seen lies within a few levels of grey."""
    return jpeg(ImageOps.grayscale(image).point(lambda value: 90 + value // 64))


def test_copies_of_what_is_hardly_seen_are_found(plant: Plant, tmp_path: Path) -> None:
    """There is no hash to trust, but bytes are bytes."""
    plant.image_file(A).write_bytes(dim(plant.image(A)))
    plant.copy(A, "val/copy")
    plant.settle()
    codes = dict(found(plant.root))
    assert codes["leak.exact"] == (A, "val/copy")
    assert A in codes["image.plain"]
    made = split(plant.root, tmp_path / "split", group_by="duplicates", allow_missing=["all"])
    assert len({s.split for s in made if s.image and s.id.endswith(("000000000107", "copy"))}) == 1


@pytest.mark.parametrize("change", [None, lambda image: jpeg(image, 60)])
@pytest.mark.parametrize("without", ["train/0", "train/copy", "val/zz", A])
def test_a_copy_without_a_split_hides_no_leak(
    plant: Plant, without: str, change: Callable[[Image.Image], bytes] | None
) -> None:
    """Of five images that are alike one is in no split, wherever it comes: the others are in two still."""
    plant.copy(A, "train/0", change)
    plant.copy(A, "val/copy", change)
    plant.copy(A, "train/copy")
    plant.copy(A, "val/zz", change)
    plant.set(without, split=None)
    plant.settle()
    assert {f.code for f in check(plant.root, splits_only=True).findings if f.level == "error"} & {
        "leak.exact",
        "leak.near",
    }


def test_a_image_without_a_split_joins_those_on_both_sides(plant: Plant) -> None:
    """It is near to both, which are a little too far from each other."""
    plant.copy(A, "val/copy")
    plant.copy(A, "val/between", split=None)
    plant.settle()
    dataset = segdata.Dataset.open(plant.root)
    looked = []
    for sample in dataset:
        if (bits := {A: 0, "val/between": 20, "val/copy": 40}.get(sample.id)) is not None:
            (look,) = read_looks(dataset.image_path(sample), [sample])
            prints = np.array([[2**bits - 1, 0, 0, 0]] * 8, np.uint64)
            looked.append((sample, Seen(look=replace(look, sha256=sample.id, prints=prints))))
    exact, alike = duplicates(looked, near=24)
    assert [link.distance for link in alike] == [20, 20]
    findings = leak_findings(looked, {"exact": exact, "near": alike}, Proposals(dataset, looked, [*exact, *alike]))
    assert [(f.code, f.samples) for f in findings if f.level == "error"] == [
        ("leak.near", (A, "val/between", "val/copy"))
    ]


@pytest.mark.process
def test_the_same_findings_whatever_the_executor(plant: Plant) -> None:
    for n, (_, plant_it, _) in enumerate(f for f in FAULTS if f[2].startswith("mask") or f[2].startswith("leak")):
        if n % 3 == 0 and plant.mask_file(A).exists():
            plant_it(plant)
            plant.lines.sort(key=lambda line: str(line["id"]))
    plant.settle()
    alone = check(plant.root)
    assert not alone.ok
    with segdata.workers(2) as executor:
        assert check(plant.root, run=segdata.Run(executor, chunk=3)) == alone
    ranks = [LEVELS.index(f.level) for f in alone.findings]
    assert ranks == sorted(ranks)
    assert json.loads(json.dumps(alone.to_json()))["errors"] == sum(f.level == "error" for f in alone.findings)


def test_a_image_is_decoded_once_for_all_its_tiles(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    crop_two_virtual_tiles(plant)
    plant.set_all(split="train")
    plant.settle()
    samples = segdata.Dataset.open(plant.root).samples
    assert sorted(len(group) for group in files_of(samples)) == [1] * 31 + [2]
    opened = []

    def count(file: File, *arguments: Any, **more: Any) -> Any:
        opened.append(os.path.basename(str(file)))
        return original(file, *arguments, **more)

    for module, name in (
        ("segdata.ops.check.operation", "open_mask"),
        ("segdata.dataset.duplicates", "read_brightness"),
    ):
        original = getattr(import_module(module), name)
        with monkeypatch.context() as patch:
            patch.setattr(f"{module}.{name}", count)
            opened.clear()
            assert check(plant.root).ok
            assert len(opened) == len(set(opened)) == 32


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p.card.update(format=3), "of format 3, this segdata reads 2: upgrade segdata"),
        (lambda p: p.lines.append(p.lines[0]), "occurs twice"),
        (
            lambda p: p.set(A, height="high"),
            f"line 2: {A}: height: expected int, got str: put it back, or convert again",
        ),
        (
            lambda p: p.card.update(format="1"),
            'not a dataset card (format is "1", must be 1 or 2 as written); convert again',
        ),
        (lambda p: p.card.update(format=True), "format is true, must be 1 or 2"),
        (lambda p: p.card.update(format=1.0), "format is 1.0, must be 1 or 2"),
        (lambda p: p.card.update(format=0), "format is 0, must be 1 or 2"),
        (lambda p: p.card.update(format=-1), "format is -1, must be 1 or 2"),
        (lambda p: p.card.pop("images"), "not a dataset card (images is missing); convert again"),
        (lambda p: p.card.update(images="all"), "not a dataset card (Invalid enum value 'all'); convert again"),
        (lambda p: p.card.update(made_by=3), "not a dataset card (a value in it has the wrong type)"),
        (lambda p: p.card.update(ignore=7), "ignore is 7, but must be 255"),
        (lambda p: p.card["classes"].reverse(), "class ids must be 0, 1, 2"),
    ],
)
def test_what_is_no_dataset_is_one_message(plant: Plant, spoil: Callable[[Plant], Any], words: str) -> None:
    spoil(plant)
    plant.settle()
    with pytest.raises(DatasetError, match=re.escape(words)):
        check(plant.root)
    result = CliRunner().invoke(main, ["check", str(plant.root)])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert words in result.stderr


def test_the_repair_of_a_split_without_a_class_repairs_it(plant: Plant, tmp_path: Path) -> None:
    leave_no_kite_in_val(plant)
    plant.settle()
    (repair,) = {f.repair for f in check(plant.root).findings if f.code == "class.split"}
    train = round(sum(line["split"] == "train" for line in plant.lines) / len(plant.lines), 3)
    assert repair == f"segdata split {plant.root} DST --ratios train={train:g},val={1 - train:g}"
    command = [word.replace("DST", str(tmp_path / "s")) for word in shlex.split(repair)[1:]]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert not [f for f in check(tmp_path / "s").findings if f.code == "class.split"]


@pytest.mark.parametrize(
    ("mode", "how"), [("L", "grey"), ("LA", "grey"), ("RGBA", "alpha left out"), ("CMYK", "from CMYK")]
)
def test_what_images_of_other_channels_are_read_as(plant: Plant, mode: str, how: str) -> None:
    image = plant.image(A).convert(mode)
    plant.image_file(A).write_bytes(encoded(image, "TIFF" if mode == "CMYK" else "PNG"))
    (repair,) = [f.repair for f in check(plant.root).findings if f.code == "image.channels"]
    assert how in repair
    assert ("grey" in repair) == (how == "grey")


# The command


def run(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["check", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.mark.process
def test_the_command_on_clean_samples(clean: Path) -> None:
    assert run(clean, "--speck", 0).stdout == "32 samples (train 24, val 8): no errors, no warnings, no notes\n"
    assert run(clean, "--splits", "-j", 2).stdout.endswith("no errors, no warnings, no notes\n")
    assert json.loads(run(clean, "--json", "--speck", 0).stdout) == {
        "schema": 1, "ok": True, "samples": 32, "errors": 0, "warnings": 0, "notes": 0, "findings": [],
    }  # fmt: skip


def test_the_command_on_a_spoilt_dataset(plant: Plant) -> None:
    for line in plant.lines[:12]:
        plant.mask_file(line["id"]).unlink()
    plant.copy(V, "train/copy")
    plant.settle()
    out = run(plant.root, code=1).stdout.splitlines()
    assert f"error: {V} in val" not in out
    leak = next(i for i, line in enumerate(out) if line.endswith("[leak.exact]"))
    assert "train/copy in train" in out[leak]
    assert out[leak + 1].startswith("  repair: segdata split ")
    assert "  ... and 2 more mask.missing (--json lists all)" in out
    options = f"with the options that segdata info {plant.root} lists"
    assert f"  repair: segdata convert coco SRC {plant.root} --overwrite, {options}" in out
    assert out[-1].startswith("33 samples (train 25, val 8): 13 errors, no warnings")
    told = json.loads(run(plant.root, "--json", code=1).stdout)
    assert (told["ok"], told["errors"]) == (False, 13)
    assert {f["code"] for f in told["findings"] if f["level"] == "error"} == {"mask.missing", "leak.exact"}
    for finding in told["findings"]:
        assert set(finding) == {"level", "code", "message", "repair", "samples", "split", "spots"}
    assert run(plant.root, "--splits", code=1).stdout.count("error:") == 1
    for path in (plant.root / "images").rglob("copy.jpg"):
        path.unlink()
    assert "image.missing" in run(plant.root, "--splits", code=1).stdout


def test_usage(clean: Path) -> None:
    assert "--near" in run(clean, "--near", 99, code=1).stderr
    assert run(clean, "--near", "x", code=2).stderr
    assert "there is no such folder" in run(clean / "nowhere", code=1).stderr


def test_errors_are_segdatas() -> None:
    with pytest.raises(SegdataError):
        check("nowhere")


# Regions


@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 3)))
def test_regions_are_connected_components(mask: Any) -> None:
    """As OpenCV finds them, class by class."""
    areas, values = region_areas(mask)
    expected = object_areas(mask, Labels.of(["a", "b", "c", "d"]))
    assert {v: sorted(areas[values == v].tolist()) for v in np.unique(mask).tolist()} == {
        v: sorted(a.tolist()) for v, a in expected.items()
    }
    assert areas.sum() == mask.size


def test_regions_of_16_bits_and_of_views() -> None:
    mask = (np.arange(60, dtype=np.uint16).reshape(6, 10) // 7 * 300)[:, ::2]
    areas, values = region_areas(mask)
    again, same = region_areas(np.ascontiguousarray(mask))
    assert areas.tolist() == again.tolist()
    assert values.tolist() == same.tolist()
    assert set(values.tolist()) == set(np.unique(mask).tolist())
