"""The masks reader: real sets pixel by pixel, and planted masks that are refused with the option that then reads them."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import shutil
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from test_diagnose import COLORS, grown, instances, jpeg, scene

import segdata
import segdata.readers
from segdata.errors import DataError, OptionError, Report
from segdata.files.images import plain_tiff_size
from segdata.files.rasters import MaskRaster
from segdata.readers import label_bands, label_look
from segdata.readers.label_values import parse_key, parse_values, show_key
from segdata.readers.masks import reader as masks_reader
from segdata.readers.masks.reader import read

Array = np.ndarray[Any, Any]
CAMVID = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
NAMES = [f"class {i}" for i in range(5)]
COLOR_TABLE = "name,r,g,b\n" + "\n".join(
    f"{name},{r},{g},{b}" for name, (r, g, b) in zip(NAMES, COLORS.tolist(), strict=True)
)


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(segdata.readers.READERS, "masks", "segdata.readers.masks.reader")


def plant(root: Path, masks: dict[str, Array | Image.Image], suffix: str = ".png", **save: Any) -> Path:
    """images/ and masks/ with these masks, and grey images to go with them."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, mask in masks.items():
        image = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
        (root / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(root / "masks" / f"{name}{suffix}", **save)
        Image.new("L", image.size, 90).save(root / "images" / f"{name}.png")
    return root


def convert(source: Path, out: Path, **options: Any) -> segdata.Dataset:
    return segdata.convert("masks", source, out, **options)


def problem_of(source: Path, out: Path, **options: Any) -> segdata.Problem:
    """The problem that stops a conversion, which must leave nothing behind."""
    with pytest.raises(DataError) as caught:
        convert(source, out, **options)
    assert not out.exists()
    return caught.value.problem


def as_options(way_out: str) -> dict[str, Any]:
    """What a person types who takes the way out of a message."""
    words = shlex.split(way_out.partition(", with")[0].partition(" (or")[0])
    options: dict[str, Any] = {}
    while words:
        name = words.pop(0).removeprefix("--").replace("-", "_")
        if name == "colors":
            options[name] = True
        elif name == "values":
            options.setdefault(name, []).append(words.pop(0))
        else:
            options[name] = words.pop(0) if name.endswith("pattern") else int(words.pop(0))
    return options


def contents(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()
    }


# Real sets


@pytest.mark.slow
@pytest.mark.data
def test_camvid_equals_pillow(shared_data: Path, tmp_path: Path) -> None:
    camvid = shared_data / "camvid"
    (tmp_path / "classes.txt").write_text("\n".join(CAMVID))
    options: dict[str, Any] = {"classes": tmp_path / "classes.txt", "values": ("11=ignore",)}
    dataset = convert(camvid, tmp_path / "d", image_dir="{split}", mask_dir="{split}annot", **options)
    assert (len(dataset), dataset.splits, dataset.labels.names) == (468, ("train", "val"), tuple(CAMVID))
    for sample in dataset:
        split, stem = sample.id.split("/")
        truth = np.array(Image.open(camvid / f"{split}annot" / f"{stem}.png"))
        truth[truth == 11] = 255
        np.testing.assert_array_equal(dataset.read_mask(sample), truth)
        assert dataset.read_image(sample).shape == (*truth.shape, 3)
    receipt = dataset.read_receipt()
    assert receipt["images"] == {"in": 468, "converted": 468, "skipped": 0}
    assert receipt["classes"][-1] == {"source_id": 11, "source_name": "ignore", "class_id": None, "class": "ignore"}
    assert [i["name"] for i in dataset.made_by["inputs"]] == ["classes.txt"]
    plain = convert(camvid, tmp_path / "train", image_dir="train", mask_dir="trainannot", images="none", **options)
    assert (len(plain), plain.splits) == (367, ())
    assert {f"train/{s.id}": s.counts for s in plain} == {s.id: s.counts for s in dataset.split("train")}
    assert [item.id for item in read(camvid, split="val", **options).items] == [s.id for s in dataset.split("val")]


@pytest.mark.data
def test_camvid_without_its_void_is_refused_before_anything_is_written(shared_data: Path, tmp_path: Path) -> None:
    problem = problem_of(shared_data / "camvid", tmp_path / "d", classes=CAMVID)
    assert problem.code == "mask.off_by_one"
    assert "--values 11=ignore if it marks ignored pixels" in problem.message
    assert "in 16 of 16 masks looked at" in problem.message
    problem = problem_of(shared_data / "camvid", tmp_path / "d", mask_dir="{split}annot", image_dir="{split}")
    assert (problem.code, "--classes FILE" in problem.message) == ("mask.values", True)


@pytest.mark.data
def test_the_scenes_through_colors(shared_data: Path, tmp_path: Path) -> None:
    scenes = shared_data / "hires/scenes"
    folders = {
        "image_dir": ".",
        "mask_dir": ".",
        "image_pattern": "image{stem}.tif",
        "mask_pattern": "labels{stem}.tif",
    }
    (tmp_path / "classes.csv").write_text("name,r,g,b\ntree,0,128,0\nroad,255,0,0\n")
    problem = problem_of(scenes, tmp_path / "d", classes=tmp_path / "classes.csv", **folders)
    assert (problem.code, problem.message) == ("mask.colors", "coded by colour, 2 of them: --colors")
    problem = problem_of(scenes, tmp_path / "d", classes=["tree", "road"], **folders)
    assert "(0, 128, 0) (270,000 pixels), (255, 0, 0) (90,000 pixels)" in problem.message
    dataset = convert(scenes, tmp_path / "d", classes=tmp_path / "classes.csv", colors=True, **folders)
    assert [s.id for s in dataset] == ["image", "image2"]
    for sample, name in zip(dataset, ("labels.tif", "labels2.tif"), strict=True):
        truth = np.asarray(Image.open(scenes / name))
        np.testing.assert_array_equal(dataset.labels.palette()[dataset.read_mask(sample)], truth)
    assert dataset.labels.names == ("tree", "road")
    (tmp_path / "short.csv").write_text("name,r,g,b\ntree,0,128,0\n")
    problem = problem_of(scenes, tmp_path / "e", classes=tmp_path / "short.csv", colors=True, **folders)
    assert (problem.code, "(255, 0, 0) (90,000 pixels)" in problem.message) == ("mask.unknown_colors", True)


@pytest.mark.data
def test_trimaps_are_off_by_one(shared_data: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"classes": ["pet", "background", "border"], "images": "none"}
    problem = problem_of(shared_data / "pets", tmp_path / "d", **options)
    assert (problem.code, problem.message.endswith("--offset -1")) == ("mask.off_by_one", True)
    dataset = convert(shared_data / "pets", tmp_path / "d", offset=-1, **options)
    for sample in dataset:
        truth = np.asarray(Image.open(shared_data / f"pets/annotations/trimaps/{sample.id}.png"))
        np.testing.assert_array_equal(dataset.read_mask(sample), truth - 1)
    assert any("value 0 becomes -1" in note for note in dataset.read_receipt()["notes"])


@pytest.mark.data
def test_a_image_in_place_of_masks(shared_data: Path, tmp_path: Path) -> None:
    folders = {"mask_dir": "SegmentationClassVisualization", "image_dir": "JPEGImages"}
    problem = problem_of(shared_data / "voc/labelme/data_dataset_voc", tmp_path / "d", classes=NAMES, **folders)
    assert problem.code == "mask.jpeg"


# Diagnoses: refused, then read by the option that the message ends with


TRUTH = scene(5)
TWO = scene(2)
PALETTE = Image.fromarray(TRUTH)
PALETTE.putpalette(np.concatenate([COLORS.ravel(), np.zeros(768 - COLORS.size, np.uint8)]).tolist())
REFUSED: dict[str, tuple[Array, Array, list[str], str]] = {
    "void": (np.where(TRUTH == 3, 255, TRUTH).astype(np.uint8), np.where(TRUTH == 3, 255, TRUTH), NAMES, "void"),
    "binary": (TWO * 255, TWO, ["background", "thing"], "binary"),
    "binary, 16-bit": (TWO.astype(np.uint16) * 65535, TWO, ["background", "thing"], "binary"),
    "off by one": (TRUTH + 1, TRUTH, NAMES, "off_by_one"),
    "smooth edges": (grown(TWO * 255), grown(TWO * 255) >= 128, ["background", "thing"], "smoothed"),
    "was a JPEG": (jpeg(TWO * 255), jpeg(TWO * 255) >= 128, ["background", "thing"], "smoothed"),
    "instances": (instances(), instances() > 0, ["background", "cell"], "instances"),
    "16-bit instances": (instances(30, np.uint16), instances() > 0, ["background", "cell"], "instances"),
    "instances with gaps": (instances() * 7, instances() > 0, ["background", "cell"], "instances"),
    "many unlisted": (scene(12) * 20, np.where(scene(12) > 0, 255, 0), ["a", "b"], "values"),
    "class * 1000": (
        np.where(TRUTH > 0, TRUTH.astype(int) * 1000 + instances(40)[:96, :128], 0).astype(np.uint16), TRUTH, NAMES, "instances",
    ),
    "stretched": (TRUTH * 60, TRUTH, NAMES, "stretched"),
    "unlisted": (np.where(TRUTH == 2, 99, TRUTH).astype(np.uint8), np.where(TRUTH == 2, 255, TRUTH), NAMES, "values"),
    "colours": (COLORS[TRUTH], TRUTH, NAMES, "colors"),
    "two colours, smooth": (
        grown(np.array([(0, 0, 0), (250, 250, 0)], np.uint8)[TWO]), grown(TWO * 222) >= 111, ["a", "b"], "smoothed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_mask_is_refused_with_the_option_that_reads_it(name: str, tmp_path: Path) -> None:
    pixels, truth, names, kind = REFUSED[name]
    table = tmp_path / "classes.csv"
    table.write_text("\n".join(["name,r,g,b", *(f"{n},{r},{g},{b}" for n, (r, g, b) in zip(names, COLORS.tolist()))]))  # noqa: B905
    source = plant(tmp_path / "source", {"one": pixels})
    problem = problem_of(source, tmp_path / "d", classes=table)
    assert (problem.code, problem.sample) == (f"mask.{kind}", "one")
    assert problem.file == str(source / "masks/one.png")
    way_out = problem.message.rpartition(": --")
    dataset = convert(source, tmp_path / "d", classes=table, **as_options("--" + way_out[2]))
    got = dataset.read_mask(dataset.sample("one"))
    if "smooth" in name:  # the threshold of the message is a rounded one
        assert (got != truth).mean() < 0.01
    else:
        np.testing.assert_array_equal(got, truth)
    assert dataset.read_receipt()["annotations"] == {"in": 1, "painted": 1, "skipped": 0, "hidden": 0}


def test_a_mask_that_no_one_looked_at_is_diagnosed_as_it_is_drawn(tmp_path: Path) -> None:
    masks: dict[str, Any] = {f"{i:02}": TRUTH for i in range(40)}
    source = plant(tmp_path / "source", {**masks, "21": TRUTH * 255})
    problem = problem_of(source, tmp_path / "d", classes=NAMES)
    assert (problem.code, problem.sample) == ("mask.values", "21")
    dataset = convert(source, tmp_path / "d", classes=NAMES, run=segdata.Run(report=Report("skip")))
    assert len(dataset) == 39
    receipt = dataset.read_receipt()
    assert receipt["annotations"] == {"in": 40, "painted": 39, "skipped": 1, "hidden": 0}
    assert [line["sample"] for line in receipt["skipped_images"]] == ["21"]


def test_a_mask_saved_as_jpeg(tmp_path: Path) -> None:
    binary = plant(tmp_path / "binary", {"one": TWO * 255}, ".jpg")
    problem = problem_of(binary, tmp_path / "d", classes=["a", "b"])
    assert (problem.code, "--threshold 12" in problem.message) == ("mask.jpeg", True)
    dataset = convert(binary, tmp_path / "d", **as_options("--" + problem.message.rpartition(": --")[2]))
    assert (dataset.read_mask(dataset.sample("one")) != TWO).mean() < 0.01
    assert dataset.labels.names == ("background", "foreground")
    source = plant(tmp_path / "classes", {"one": COLORS[TRUTH]}, ".jpg")
    (tmp_path / "classes.csv").write_text(COLOR_TABLE)
    for colors in (False, True):
        problem = problem_of(source, tmp_path / "e", classes=tmp_path / "classes.csv", colors=colors)
        assert (problem.code, "export it again as PNG" in problem.message) == ("mask.jpeg", True)


def test_palettes_that_differ_are_no_class_ids(tmp_path: Path) -> None:
    """As drawing programs save them: the palette holds what the image has, in any order."""
    (tmp_path / "classes.csv").write_text(COLOR_TABLE)
    turned = Image.fromarray((4 - TRUTH).astype(np.uint8))
    turned.putpalette(np.concatenate([COLORS[::-1].ravel(), np.zeros(768 - COLORS.size, np.uint8)]).tolist())
    source = plant(tmp_path / "source", {"one": PALETTE, "two": turned})
    problem = problem_of(source, tmp_path / "d", classes=tmp_path / "classes.csv")
    assert (problem.code, "--colors" in problem.message) == ("mask.palettes", True)
    dataset = convert(source, tmp_path / "d", classes=tmp_path / "classes.csv", colors=True)
    for sample in dataset:
        np.testing.assert_array_equal(dataset.read_mask(sample), TRUTH)


def with_palette(mask: Array, colors: Array) -> Image.Image:
    """A palette image of these indices."""
    image = Image.fromarray(mask)
    image.putpalette(colors.ravel().tolist())
    return image


@pytest.mark.parametrize("large", [2**24, 1])
@pytest.mark.parametrize("suffix", [".png", ".gif", ".tif"])
def test_every_palette_is_compared(suffix: str, large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of masks that are not among the sixteen that are looked at, whichever comes first, and however they are read."""
    monkeypatch.setattr(label_bands, "LARGE", large)
    swap = np.array([0, 2, 1, 3, 4], np.uint8)
    odd = with_palette(swap[TRUTH], COLORS[swap])
    for at in ("00", "21"):
        masks: dict[str, Any] = {f"{i:02}": PALETTE for i in range(40)} | {at: odd}
        source = plant(tmp_path / at, masks, suffix)
        problem = problem_of(source, tmp_path / "d", classes=NAMES)
        assert (problem.code, problem.sample) == ("mask.palettes", at)
        dataset = convert(source, tmp_path / f"d{at}", classes=NAMES, run=segdata.Run(report=Report("skip")))
        assert sorted(s.id for s in dataset) == sorted(masks.keys() - {at})
        np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), TRUTH)


def test_palettes_that_differ_in_what_does_not_occur_are_one(tmp_path: Path) -> None:
    """Colours that several indices have, other colours, no palette, a damaged one: the indices are what they are."""
    twice = COLORS[[0, 1, 1, 3, 4]]
    other = COLORS.copy()
    other[2] = 77
    masks: dict[str, Any] = {
        "a": with_palette(np.where(TRUTH == 2, 0, TRUTH).astype(np.uint8), twice),
        "b": with_palette(np.where(TRUTH == 1, 0, TRUTH).astype(np.uint8), twice),
        "c": with_palette(np.where(TRUTH == 1, 0, TRUTH).astype(np.uint8), other),
        "d": TRUTH,
        "e": PALETTE,
    }
    source = plant(tmp_path / "source", {"a": masks["a"], "b": masks["b"]})
    assert len(convert(source, tmp_path / "same", classes=NAMES)) == 2
    source = plant(tmp_path / "source", {name: masks[name] for name in "acde"})
    (source / "masks/b.png").unlink()
    (source / "images/b.png").unlink()
    data = (source / "masks/e.png").read_bytes()
    (source / "masks/e.png").write_bytes(data.replace(b"PLTE", b"pLTE"))
    dataset = convert(source, tmp_path / "d", classes=NAMES)
    np.testing.assert_array_equal(dataset.read_mask(dataset.sample("e")), TRUTH)


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".png"])
def test_a_file_of_several_images_is_no_mask(suffix: str, tmp_path: Path) -> None:
    more: dict[str, Any] = {"save_all": True, "append_images": [Image.fromarray(TRUTH + 1)]}
    source = plant(tmp_path / "source", {"one": Image.fromarray(TRUTH)}, suffix, **more)
    for options in ({"classes": NAMES}, {"threshold": 1}):
        problem = problem_of(source, tmp_path / "d", **options)
        assert (problem.code, problem.sample) == ("mask.frames", "one")
        assert "holds 2 images" in problem.message


def test_colours_that_the_class_table_has_not_are_listed(tmp_path: Path) -> None:
    source = plant(tmp_path / "source", {"one": COLORS[TRUTH]})
    (tmp_path / "classes.csv").write_text(COLOR_TABLE.rpartition("\n")[0])
    problem = problem_of(source, tmp_path / "d", classes=tmp_path / "classes.csv")
    assert problem.message.endswith(f"the class table has not (0, 0, 142) ({(TRUTH == 4).sum():,} pixels): --colors")
    problem = problem_of(source, tmp_path / "d", classes=tmp_path / "classes.csv", colors=True)
    y, x = np.argwhere(TRUTH == 4)[0]
    assert f"(0, 0, 142) ({(TRUTH == 4).sum():,} pixels), first at row {y}, column {x}" in problem.message
    way_out = as_options("--" + problem.message.rpartition(": --")[2])
    dataset = convert(source, tmp_path / "d", classes=tmp_path / "classes.csv", colors=True, **way_out)
    np.testing.assert_array_equal(dataset.read_mask(dataset.sample("one")), np.where(TRUTH == 4, 255, TRUTH))


def test_grey_of_few_bits_has_no_palette(tmp_path: Path) -> None:
    """White is 1 of one bit and 3 of two: values are ids all the same."""
    source = plant(tmp_path / "source", {"one": Image.fromarray(TWO * 255).convert("1"), "two": scene(3)})
    two = scene(3)[:, :128].reshape(96, 32, 4)
    rows = b"".join(b"\0" + (row[:, 0] << 6 | row[:, 1] << 4 | row[:, 2] << 2 | row[:, 3]).tobytes() for row in two)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 128, 96, 2, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in parts]
    (source / "masks/two.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    dataset = convert(source, tmp_path / "d", classes=NAMES[:3])
    for sample, truth in zip(dataset, (TWO, scene(3)), strict=True):
        np.testing.assert_array_equal(dataset.read_mask(sample), truth)


# Good masks, whatever their file


def rgba(alpha: Any) -> Image.Image:
    """The truth in colours, with an alpha channel."""
    channel = np.broadcast_to(np.asarray(alpha, np.uint8), TRUTH.shape)[..., None]
    return Image.fromarray(np.concatenate([COLORS[TRUTH], channel], axis=2), "RGBA")


GREY = np.repeat(TRUTH[..., None], 3, axis=2)
GOOD: dict[str, tuple[Any, str, bool]] = {
    "palette": (PALETTE, ".png", False),
    "palette GIF": (PALETTE, ".gif", True),
    "grey": (TRUTH, ".png", False),
    "grey BMP": (TRUTH, ".bmp", False),
    "grey TIFF": (TRUTH, ".tif", False),
    "16-bit": (TRUTH.astype(np.uint16), ".png", False),
    "16-bit TIFF": (TRUTH.astype(np.uint16), ".tif", False),
    "32-bit TIFF": (TRUTH.astype(np.int32), ".tif", False),
    "float TIFF": (TRUTH.astype(np.float32), ".tif", False),
    "RGB that is grey": (GREY, ".png", False),
    "RGBA that is grey": (np.concatenate([GREY, GREY[..., :1] * 0 + 255], axis=2), ".png", False),
    "grey with alpha": (Image.merge("LA", [Image.fromarray(TRUTH), Image.new("L", (128, 96), 255)]), ".png", False),
    "colours": (COLORS[TRUTH], ".png", True),
    "colours TIFF": (COLORS[TRUTH], ".tiff", True),
    "colours of a palette": (PALETTE, ".png", True),
    "colours with alpha": (rgba(255), ".png", True),
    "colours, background transparent": (rgba(np.where(TRUTH == 0, 0, 255)), ".png", True),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_mask_is_read(name: str, tmp_path: Path) -> None:
    mask, suffix, colors = GOOD[name]
    (tmp_path / "classes.csv").write_text(COLOR_TABLE)
    source = plant(tmp_path / "source", {"one": mask}, suffix)
    dataset = convert(source, tmp_path / "d", classes=tmp_path / "classes.csv", colors=colors)
    np.testing.assert_array_equal(dataset.read_mask(dataset.sample("one")), TRUTH)
    assert [label.color for label in dataset.labels.classes] == [tuple(color) for color in COLORS.tolist()]


@pytest.mark.parametrize(
    ("mask", "code"),
    [
        (rgba(np.arange(128) * 2), "mask.alpha"),
        (TRUTH.astype(np.float32) / 3, "mask.numbers"),
        (TRUTH.astype(np.int32) - 1, "mask.values"),
    ],
    ids=["alpha", "fractions", "below 0"],
)
def test_numbers_and_alpha_that_say_more(mask: Any, code: str, tmp_path: Path) -> None:
    source = plant(tmp_path / "source", {"one": mask}, ".tif")
    assert problem_of(source, tmp_path / "d", classes=NAMES).code == code


def test_16_bits_a_channel_are_not_cut_to_8(tmp_path: Path) -> None:
    import cv2

    source = plant(tmp_path / "source", {"one": TRUTH})
    for suffix in (".png", ".tif"):
        (source / "masks").joinpath("one.png").unlink(missing_ok=True)
        cv2.imwrite(str(source / f"masks/one{suffix}"), np.repeat(TRUTH[..., None], 3, axis=2).astype(np.uint16))
        assert problem_of(source, tmp_path / "d", classes=NAMES).code == "mask.deep"
        (source / f"masks/one{suffix}").unlink()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "LA"])
def test_a_threshold_reads_images_as_they_look(mode: str, tmp_path: Path) -> None:
    """Programs that shrink PNGs turn 0/255 grey into one bit, or into a palette."""
    shown = Image.fromarray(TWO * 255).convert(mode)
    source = plant(tmp_path / "source", {"one": shown})
    dataset = convert(source, tmp_path / "d", threshold=128)
    np.testing.assert_array_equal(dataset.read_mask(dataset.sample("one")), TWO)
    assert [c["source_id"] for c in dataset.read_receipt()["classes"]] == ["below 128", "128 and above"]


def test_a_threshold_that_nothing_reaches_is_noted(tmp_path: Path) -> None:
    dataset = convert(plant(tmp_path / "source", {"one": TWO}), tmp_path / "d", threshold=128, allow_empty=True)
    assert "every pixel of the masks looked at is of class 0" in dataset.read_receipt()["notes"]


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_a_threshold_above_the_type_is_refused(dtype: Any, top: int, tmp_path: Path) -> None:
    source = plant(tmp_path / "source", {"one": TWO.astype(dtype) * top})
    if dtype == np.uint8:
        problem = problem_of(source, tmp_path / "d", threshold=256)
        assert (problem.code, problem.message.endswith("--threshold from 1 to 255")) == ("mask.threshold", True)
    dataset = convert(source, tmp_path / "d", threshold=top)
    np.testing.assert_array_equal(dataset.read_mask(dataset.sample("one")), TWO)


def test_values_rename_merge_extend_and_void(tmp_path: Path) -> None:
    mask = TRUTH.copy()
    mask[TRUTH == 4] = 200
    source = plant(tmp_path / "source", {"one": mask})
    values = {1: "road", "2..3": "class 0", 200: "ignore"}
    dataset = convert(source, tmp_path / "d", classes=["class 0", "old"], values=values)
    assert dataset.labels.names == ("class 0", "old", "road")
    lut = np.zeros(256, np.uint8)
    lut[[0, 1, 2, 3, 200]] = [0, 2, 0, 0, 255]
    np.testing.assert_array_equal(dataset.read_mask(dataset.sample("one")), lut[mask])
    assert dataset.made_by["options"]["values"] == {"1": "road", "2..3": "class 0", "200": "ignore"}
    again = convert(source, tmp_path / "e", values=[f"{value}=x" for value in ("0..4", "200")])
    assert again.labels.names == ("x",)


def test_ade20k_as_published(tmp_path: Path) -> None:
    """0 is what has no class, 1 to 150 the classes; images/training beside annotations/training."""
    rng = np.random.default_rng(1)
    mask = np.kron(rng.integers(0, 151, (30, 30)), np.ones((4, 4), int)).astype(np.uint8)
    for folder, pixels in (("images", mask), ("annotations", mask)):
        for split in ("training", "validation"):
            (tmp_path / "ade" / folder / split).mkdir(parents=True)
            Image.fromarray(pixels).save(tmp_path / "ade" / folder / split / "ADE_1.png")
    dataset = convert(tmp_path / "ade", tmp_path / "d", classes=[f"c{i}" for i in range(150)], offset=-1)
    assert dataset.splits == ("training", "validation")
    np.testing.assert_array_equal(
        dataset.read_mask(dataset.sample("training/ADE_1")), np.where(mask == 0, 255, mask.astype(int) - 1)
    )
    receipt = dataset.read_receipt()
    assert any("images/{split}/, masks in annotations/{split}/" in note for note in receipt["notes"])


# Pairs


def ids(root: Path, **options: Any) -> list[str]:
    return [item.id for item in read(root, classes=NAMES, **options).items]


def touch(root: Path, *paths: str) -> Path:
    """Small images at these paths."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3)).save(root / path)
    return root


def test_folders_below_are_mirrored_and_names_may_have_dots(tmp_path: Path) -> None:
    touch(tmp_path, "images/a/x.1.JPG", "images/b/x.1.jpg", "images/y.png")
    touch(tmp_path, "masks/a/x.1.png", "masks/b/x.1.png", "masks/y.tif", "masks/._y.png", "masks/.hidden/y.png")
    (tmp_path / "masks/readme.txt").write_text("")
    source = read(tmp_path, classes=NAMES)
    assert [item.id for item in source.items] == ["a/x.1", "b/x.1", "y"]
    assert [Path(item.image or "").name for item in source.items] == ["x.1.JPG", "x.1.jpg", "y.png"]
    assert "masks/: not read: readme.txt" in source.receipt.notes


@pytest.mark.parametrize(
    ("image", "mask", "options"),
    [
        ("images/7.jpg", "masks/7_mask.png", {"mask_pattern": "{stem}_mask.png"}),
        ("images/7.jpg", "masks/mask_7.tif", {"mask_pattern": "mask_*"}),
        ("images/7.jpg", "masks/7.jpg.png", {"mask_pattern": "{stem}.jpg.png"}),
        ("images/7_sat.jpg", "masks/7_mask.png", {"image_pattern": "{stem}_sat", "mask_pattern": "{stem}_mask"}),
    ],
)
def test_patterns(image: str, mask: str, options: dict[str, str], tmp_path: Path) -> None:
    below = [path.replace("/", "/8/").replace("7", "13") for path in (image, mask)]
    touch(tmp_path, image, mask, *below)
    folders = {"image_dir": "images", "mask_dir": "masks"}
    told = [note for note in read(tmp_path, classes=NAMES, **folders).receipt.notes if "pattern" in note]
    offered = as_options("--" + told[0].partition(" --")[2])
    assert ids(tmp_path) == ids(tmp_path, **folders, **offered)
    with pytest.raises(DataError, match="holds no mask of the form") as caught:
        read(tmp_path, classes=NAMES, **folders, mask_pattern="{stem}_of_others")
    assert as_options("--" + caught.value.problem.message.partition(": --")[2]) == offered
    stem = options.get("image_pattern", "{stem}").format(stem="7")
    nested = options.get("image_pattern", "{stem}").format(stem="13")
    for patterns in (options, offered):
        assert ids(tmp_path, **folders, **patterns) == [stem, f"8/{nested}"]
        assert ids(tmp_path, images=False, **folders, **patterns) == [stem, f"8/{nested}"]


def test_one_folder_of_both(tmp_path: Path) -> None:
    touch(tmp_path, "1_sat.jpg", "1_mask.png", "2_sat.jpg", "2_mask.png", "3.jpg", "3.png")
    here = {"image_dir": ".", "mask_dir": "."}
    assert ids(tmp_path, image_pattern="{stem}_sat", mask_pattern="{stem}_mask", **here) == ["1_sat", "2_sat"]
    assert ids(touch(tmp_path / "b", "3.jpg", "3.png"), image_pattern="{stem}.jpg", **here) == ["3"]
    assert ids(touch(tmp_path / "c", "3.jpg", "3_m.png"), mask_pattern="{stem}_m.png", **here) == ["3"]
    with pytest.raises(OptionError, match="--mask-pattern"):
        read(tmp_path, classes=NAMES, **here)


def test_what_has_no_partner_is_named(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{folder}/{name}.png" for folder in ("images", "masks") for name in "abc"))
    touch(tmp_path, "images/lonely.jpg", "masks/orphan.png", "masks/b.tif", "images/c.jpg")
    messages = {"lonely": "no mask of its name", "orphan": "no image of its name", "b": "2 masks", "c": "2 images"}
    with pytest.raises(DataError) as caught:
        read(tmp_path, classes=NAMES)
    assert caught.value.problem.sample == "b"
    report = Report("skip")
    source = read(tmp_path, classes=NAMES, report=report)
    assert [item.id for item in source.items] == ["a"]
    assert {p.sample: messages[p.sample or ""] in p.message for p in report.problems} == dict.fromkeys(messages, True)
    receipt = source.receipt
    assert (receipt.images, len(receipt.skipped_images), receipt.annotations, len(receipt.skipped)) == (4, 4, 4, 4)


def test_splits(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{split}{end}/1.png" for split in ("train", "val", "night") for end in ("", "_lab")))
    folders = {"image_dir": "{split}", "mask_dir": "{split}_lab"}
    assert ids(tmp_path, **folders) == ["night/1", "train/1", "val/1"]
    assert ids(tmp_path, split="night", **folders) == ["night/1"]
    assert ids(tmp_path, image_dir="train", mask_dir="train_lab") == ["1"]
    assert ids(tmp_path, image_dir=tmp_path / "train", mask_dir=tmp_path / "train_lab") == ["1"]
    with pytest.raises(OptionError, match="there are night, train, val"):
        read(tmp_path, split="dusk", classes=NAMES, **folders)
    with pytest.raises(OptionError, match=r"only where \{split\} stands"):
        read(tmp_path, split="train", classes=NAMES, image_dir="train", mask_dir="train_lab")
    with pytest.raises(OptionError, match="must stand in both"):
        read(tmp_path, classes=NAMES, image_dir="train", mask_dir="{split}_lab")
    shutil.rmtree(tmp_path / "night")
    with pytest.raises(DataError, match="there is no folder night/"):
        read(tmp_path, classes=NAMES, **folders)
    assert ids(tmp_path, split="val", **folders) == ["val/1"]
    touch(tmp_path, "x/val/img/val/1.png", "x/val/ann/val/1.png")
    nested = {"image_dir": "x/{split}/img/{split}", "mask_dir": "x/{split}/ann/{split}"}
    assert ids(tmp_path, **nested) == ["val/1"]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("images/1.jpg", "masks/1.png"), "1"),
        (("images/train/1.jpg", "masks/train/1.png"), "train/1"),
        (("images/x/1.jpg", "labels/x/1.png"), "x/1"),
        (("train/images/1.jpg", "train/masks/1.png"), "train/1"),
        (("train/1.jpg", "trainannot/1.png"), "train/1"),
        (("val/1.jpg", "val_labels/1.png"), "val/1"),
        (("JPEGImages/1.jpg", "SegmentationClass/1.png"), "1"),
    ],
)
def test_usual_names_are_found_and_told(paths: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    source = read(touch(tmp_path, *paths), classes=NAMES)
    assert [(item.id, item.split) for item in source.items] == [
        (expected, expected.rpartition("/")[0].strip("x") or None)
    ]
    assert any("as their names tell" in note for note in source.receipt.notes)


def test_folders_that_are_not_plain(tmp_path: Path) -> None:
    touch(tmp_path, "here/1.jpg", "there/1.png")
    with pytest.raises(DataError, match=r"\(here, there\)"):
        read(tmp_path, classes=NAMES)
    assert ids(tmp_path, image_dir="here", mask_dir="there") == ["1"]
    touch(tmp_path, "images/1.jpg", "masks/1.png", "labels/1.png")
    with pytest.raises(OptionError, match="--mask-dir masks"):
        read(tmp_path, classes=NAMES)
    assert ids(tmp_path, mask_dir="labels") == ["1"]
    with pytest.raises(DataError, match="there is no folder nowhere/"):
        read(tmp_path, classes=NAMES, image_dir="here", mask_dir="nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no mask, but nothing"):
        read(tmp_path, classes=NAMES, image_dir="here", mask_dir="empty")
    with pytest.raises(DataError, match="there is no such folder"):
        read(tmp_path / "nowhere", classes=NAMES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colors": True, "offset": 1}, "exclude each other"),
        ({"colors": True, "threshold": 5}, "exclude each other"),
        ({"threshold": 5, "values": ("1=x",)}, "exclude each other"),
        ({"threshold": 0}, "from 1 to 65535"),
        ({"threshold": 5, "classes": ["one"]}, "two classes"),
        ({"offset": 70000}, "from -65535"),
        ({"mask_pattern": "mask.png"}, "no file name with one"),
        ({"mask_pattern": "../{stem}.png"}, "no path below its folder"),
        ({"mask_pattern": "{name}.png", "image_pattern": "{stem}_sat"}, "both"),
        ({"overlap": "largest"}, "must be one of smallest"),
        ({"without_mask": "clas 0"}, "did you mean class 0"),
        ({"values": ("1",)}, "VALUE=NAME"),
        ({"values": ("1.5=x",)}, "is no value"),
        ({"values": ("0..70000=x",)}, "is no value"),
        ({"values": ("5..2=x",)}, "is no value"),
        ({"values": ("1,2,3=x",)}, "goes with --colors"),
        ({"values": ("1=x",), "colors": True, "classes": None}, "give a colour"),
        ({"colors": True}, "has no colour"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    touch(tmp_path, "images/1.jpg", "masks/1.png")
    with pytest.raises(OptionError, match=message):
        read(tmp_path, **{"classes": NAMES, **options})


def test_missing_and_broken_masks(tmp_path: Path) -> None:
    source = plant(tmp_path / "source", {"one": TRUTH, "two": TRUTH})
    whole = (source / "masks/one.png").read_bytes()
    (source / "masks/one.png").write_bytes(whole[: len(whole) // 2])
    problem = problem_of(source, tmp_path / "d", classes=NAMES)
    assert (problem.code, problem.sample) == ("mask.damaged", "one")
    for options in ({"colors": True, "values": ("0,0,0=x",)}, {"threshold": 9}):
        assert problem_of(source, tmp_path / "d", **options).sample == "one"
    Image.fromarray(TRUTH[:50]).save(source / "masks/one.png")
    problem = problem_of(source, tmp_path / "d", classes=NAMES)
    assert (problem.code, problem.sample) == ("image.size", "one")


def mask_file(pixels: Any, format: str) -> bytes:
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, format)
    return buffer.getvalue()


FILES = [
    mask_file(TRUTH, "PNG"), mask_file(PALETTE, "PNG"), mask_file(COLORS[TRUTH], "PNG"), mask_file(PALETTE, "GIF"),
    mask_file(COLORS[TRUTH], "TIFF"), mask_file(TRUTH.astype(np.float32), "TIFF"), mask_file(TRUTH, "BMP"),
    mask_file(TRUTH, "JPEG"),
]  # fmt: skip
WAYS: list[dict[str, Any]] = [
    {"classes": NAMES},
    {"colors": True, "values": [f"{r},{g},{b}={i}" for i, (r, g, b) in enumerate(COLORS.tolist())]},
    {"threshold": 100},
]


@given(
    st.sampled_from(range(len(FILES))),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
    st.none() | st.floats(0, 1),
    st.sampled_from(WAYS),
)
@example(1, [(0.5, 1)], None, WAYS[0])  # a byte of the palette, which Pillow refuses and values do not need
@example(4, [(0.1953125, 1)], None, WAYS[0])  # a tag beyond the end, of which Pillow warns
@example(4, [(0.1875, 1)], None, WAYS[0])
def test_any_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    file: int,
    changes: list[tuple[float, int]],
    cut: float | None,
    way: dict[str, Any],
) -> None:
    data = bytearray(FILES[file])
    for place, value in changes:
        data[int(place**4 * (len(data) - 1))] = value  # headers more often than pixels
    root = tmp_path_factory.mktemp("fuzz")
    (root / "masks").mkdir()
    (root / "masks/one.png").write_bytes(data[: None if cut is None else int(cut * len(data))])
    source = read(root, mask_dir="masks", images=False, report=Report("skip"), **way)
    remap = source.labels.table({label.id: label.id for label in source.labels.classes})
    try:
        mask = source.items[0].annotation.draw(remap).mask
    except DataError as error:
        problem = error.problem
    else:
        assert set(np.unique(mask).tolist()) <= {*range(len(source.labels.classes)), 255}
        return
    assert problem.code.startswith("mask.")
    assert problem.file == str(root / "masks/one.png")


# Large TIFFs, some rows at a time


def tiff(path: Path, values: Array, **profile: Any) -> Path:
    """A mask as GDAL writes it: `tiled`, `compress`, `photometric`, `nbits`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    shape = {"height": height, "width": width, "count": 1, "dtype": values.dtype.name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", **shape, **profile) as file:
            file.write(values, 1)
            if profile.get("photometric") == "palette":
                file.write_colormap(1, {i: (i, 2 * i, 255 - i, 255) for i in range(128)})
    return path


TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16}


@pytest.fixture
def banded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every TIFF is large, and 16 rows are read at a time; the heights that were read."""
    read, heights = MaskRaster.read, []

    def watched(raster: MaskRaster, window: Any = None) -> Any:
        heights.append(window.height)
        return read(raster, window)

    for name, value in (("LARGE", 1), ("STRIP", 1), ("BLOCK", 16)):
        monkeypatch.setattr(label_bands, name, value)
    monkeypatch.setattr(MaskRaster, "read", watched)
    return heights


@pytest.mark.parametrize(
    ("profile", "deep", "options"),
    [
        ({"compress": "deflate", **TILED}, False, {"classes": NAMES}),
        ({"compress": "lzw"}, False, {"classes": NAMES, "values": ("3=ignore",)}),
        ({"compress": "packbits", **TILED}, True, {"classes": NAMES}),
        ({"photometric": "palette"}, False, {"classes": NAMES, "offset": 0}),
        ({}, False, {"classes": [f"{i}" for i in range(300)]}),
        ({"compress": "deflate"}, False, {"threshold": 2}),
        ({}, True, {"threshold": 3}),
    ],
)
def test_large_masks_are_drawn_in_bands_to_the_same_bytes(
    tmp_path: Path, banded: list[int], monkeypatch: pytest.MonkeyPatch, profile: Any, deep: bool, options: Any
) -> None:
    values = TRUTH.astype(np.uint16 if deep else np.uint8)
    tiff(tmp_path / "s/masks/a.tif", values, **profile)
    tiff(tmp_path / "s/images/a.tif", values)
    made = convert(tmp_path / "s", tmp_path / "d", **options)
    assert len(banded) > 2
    assert max(banded) == 16
    assert sum(banded) == 2 * len(values)  # one look, and one conversion
    monkeypatch.setattr(label_bands, "LARGE", 2**24)
    convert(tmp_path / "s", tmp_path / "e", **options)
    assert contents(tmp_path / "d") == contents(tmp_path / "e")
    assert sum(banded) == 2 * len(values)
    assert made.read_mask(made.samples[0]).shape == values.shape


@pytest.mark.parametrize(
    "profile", [{"photometric": "miniswhite"}, {"nbits": 4}, {"compress": "jpeg"}, {"turned": True}]
)
def test_tiffs_whose_values_are_not_as_stored_are_drawn_at_once(
    tmp_path: Path, banded: list[int], profile: dict[str, Any]
) -> None:
    turned = profile.pop("turned", False)
    path = tiff(tmp_path / "s/masks/a.tif", TRUTH, **profile)
    if turned:
        Image.fromarray(TRUTH).save(path, tiffinfo={274: 3})
    Image.new("L", TRUTH.shape[::-1]).save(tmp_path / "s/masks/x.png")
    assert plain_tiff_size(path, palette=True) is None
    convert(tmp_path / "s", tmp_path / "d", images="none", mask_dir="masks", threshold=3)
    assert not banded


@pytest.mark.parametrize("options", [{"classes": NAMES[:4]}, {"classes": NAMES, "offset": 1}])
def test_what_is_wrong_with_a_large_mask_is_told_alike(
    tmp_path: Path, banded: list[int], monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Also where only the last rows hold it, and where the look before had not found it."""
    values = np.sort(TRUTH.ravel()).reshape(TRUTH.shape)
    tiff(tmp_path / "s/masks/a.tif", values)
    tiff(tmp_path / "s/images/a.tif", values)
    told = []
    for large in (1, 2**24):
        monkeypatch.setattr(label_bands, "LARGE", large)
        told.append(problem_of(tmp_path / "s", tmp_path / "d", **options))
    assert told[0] == told[1]
    monkeypatch.setattr(masks_reader, "look", lambda masks, meaning, hints, labels: label_look.Look([], None))
    told = []
    for large in (1, 2**24):
        monkeypatch.setattr(label_bands, "LARGE", large)
        told.append(problem_of(tmp_path / "s", tmp_path / "d", **options))
    assert told[0] == told[1]
    assert banded


@pytest.mark.slow
def test_a_large_mask_takes_the_memory_of_some_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_bands, "LARGE", 2**20)
    monkeypatch.setattr(label_bands, "STRIP", 2**18)
    for height in (512, 6000):
        values = np.kron(np.random.default_rng(0).integers(0, 5, (height // 8, 256)), np.ones((8, 8))).astype(np.uint8)
        tiff(tmp_path / f"{height}/masks/a.tif", values, compress="deflate", **TILED)
        tiff(tmp_path / f"{height}/images/a.tif", values, compress="deflate", **TILED)
    convert(tmp_path / "512", tmp_path / "d", classes=NAMES)  # which loads what is loaded once
    tracemalloc.start()
    convert(tmp_path / "6000", tmp_path / "e", classes=NAMES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * values.size


# Class files


@pytest.mark.parametrize("form", ["{name},{r},{g},{b}", "{r} {g} {b}\t{name}"])
def test_names_with_colours_and_no_header(form: str, tmp_path: Path) -> None:
    lines = [form.format(name=n, r=r, g=g, b=b) for n, (r, g, b) in zip(NAMES, COLORS.tolist(), strict=True)]
    (tmp_path / "classes.txt").write_text("\n".join(lines))
    for colors in (False, True):
        source = plant(tmp_path / "source", {"one": COLORS[TRUTH] if colors else TRUTH})
        dataset = convert(source, tmp_path / f"d{colors}", classes=tmp_path / "classes.txt", colors=colors)
        assert dataset.labels.names == tuple(NAMES)
        assert [label.color for label in dataset.labels.classes] == [tuple(color) for color in COLORS.tolist()]
        np.testing.assert_array_equal(dataset.read_mask(dataset.sample("one")), TRUTH)


def test_a_class_table_may_lie_in_the_source(tmp_path: Path) -> None:
    source = plant(tmp_path / "source", {"one": TRUTH})
    (source / "classes.json").write_text(json.dumps(NAMES))
    assert convert(source, tmp_path / "d", classes="classes.json").labels.names == tuple(NAMES)
    with pytest.raises(DataError, match="cannot be read"):
        read(source, classes="absent.json")
    (source / "bad.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        read(source, classes="bad.txt")


@given(st.text(max_size=14) | st.from_regex(r"#[0-9a-g]{6}|\d+(\.\.\d+)?|\d+,\d+,\d+", fullmatch=True))
def test_keys_are_read_or_refused(text: str) -> None:
    try:
        key = parse_key(text)
    except OptionError:
        return
    assert parse_key(show_key(key)) == key
    assert parse_values([f"{text}=x"]) == {key: "x"} or "=" in text


@pytest.mark.parametrize("option", [None, "background"])
@pytest.mark.parametrize("name", ["c_mask.png", "c_MASK.png", "mask_c.png", "c-gt.tif"])
def test_an_image_whose_mask_is_named_otherwise_is_not_all_background(
    name: str, option: str | None, tmp_path: Path
) -> None:
    source = plant(tmp_path / "s", {"a": TRUTH, "b": TRUTH, "c": TRUTH})
    mask = source / "masks" / "c.png"
    mask.rename(mask.with_name(name))
    with pytest.raises(DataError, match=f"but {name} may be its mask: name it as the others are"):
        convert(source, tmp_path / "d", classes=["background", *NAMES], without_mask=option)


def test_of_two_endings_the_usual_one_is_proposed(tmp_path: Path) -> None:
    source = plant(tmp_path / "s", {"a": TRUTH, "b": TRUTH, "c": TRUTH})
    Image.open(source / "masks" / "a.png").save(source / "masks" / "a.bmp")
    with pytest.raises(DataError, match=r"--mask-pattern '\{stem\}.png'"):
        convert(source, tmp_path / "d", classes=NAMES)
    dataset = convert(source, tmp_path / "d", classes=NAMES, mask_pattern="{stem}.png")
    assert [sample.id for sample in dataset] == ["a", "b", "c"]


def test_one_more_mask_in_one_folder_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for i in range(12):
        Image.new("RGB", (4, 4)).save(tmp_path / f"s/x ({i}).png")
        Image.new("L", (4, 4)).save(tmp_path / f"s/x ({i})_mask.png")
    Image.new("L", (4, 4), 1).save(tmp_path / "s/x (2)_mask_1.png")
    for option in (None, "a"):
        with pytest.raises(DataError, match=r"--mask-pattern '\{stem\}_mask\*' --overlap smallest"):
            convert(tmp_path / "s", tmp_path / "d", classes=["a", "b"], without_mask=option)
    dataset = convert(
        tmp_path / "s", tmp_path / "d", classes=["a", "b"], mask_pattern="{stem}_mask*", overlap="smallest"
    )
    assert {sample.id: int(dataset.read_mask(sample).max()) for sample in dataset} == {
        f"x ({i})": int(i == 2) for i in range(12)
    }


def test_what_no_mask_can_tell_is_a_note(tmp_path: Path) -> None:
    binary = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)
    flipped = Image.fromarray(binary).convert("P")
    for first, expected in ((255, True), (0, False)):
        flipped.putpalette([first] * 3 + [255 - first] * 3 + [7] * 758)
        flipped.putdata(binary.ravel().tolist())
        source = plant(tmp_path / f"s{first}", {"a": flipped})
        notes = read(source, classes=["a", "b"]).receipt.notes
        assert any("value 0 white and value 1 black" in note for note in notes) is expected
    source = plant(tmp_path / "jp2", {"a": binary.repeat(8, 0).repeat(8, 1)}, ".jp2")
    assert any("JPEG 2000" in note for note in read(source, classes=["a", "b"]).receipt.notes)


def test_other_folders_of_masks_are_told(tmp_path: Path) -> None:
    source = plant(tmp_path / "s", {"a_training": TRUTH, "b_training": TRUTH})
    assert not any("may hold masks" in note for note in read(source, classes=NAMES).receipt.notes)
    (source / "1st_manual").mkdir()
    Image.fromarray(TRUTH).save(source / "1st_manual" / "a_manual1.png")
    assert any("not read: 1st_manual" in note for note in read(source, classes=NAMES).receipt.notes)
    given = read(source, classes=NAMES, image_dir="images", mask_dir="masks")
    assert not any("may hold masks" in note for note in given.receipt.notes)
