"""Converting: images and EXIF, choosing classes, the receipt, stopping and going on, the same bytes whatever the executor."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from coco_files import annotation, coco, write
from segdata.cli import main
from segdata.errors import DataError, DatasetError, OptionError, Report
from segdata.labels import choose_classes
from segdata.ops.convert.text import receipt_lines
from segdata.readers.classes.files import read_map


def contents(root: Path) -> dict[str, str]:
    """Every file below a folder with the digest of its bytes."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


# Stopped with processes


KILLED = """
import os, signal, sys, segdata
from segdata.errors import Report
def track(items, total):
    for n, item in enumerate(items):
        if n == 20:
            os.kill(os.getpid(), signal.SIGKILL)
        yield item
if __name__ == "__main__":
    with segdata.workers(2) as executor:
        segdata.convert("coco", sys.argv[1], sys.argv[2], run=segdata.Run(executor, Report(), track, chunk=2))
"""


@pytest.mark.process
def test_a_killed_conversion_by_two_processes_goes_on_to_the_same_bytes(samples: Path, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    done = subprocess.run([sys.executable, script, samples / "coco", tmp_path / "d"], timeout=120)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(DatasetError, match="unfinished"):
        segdata.Dataset.open(tmp_path / "d")
    with open(tmp_path / "d" / "journal.jsonl", "ab") as journal:
        journal.write(b'{"sample": {"id": "torn')
    masks = sorted((tmp_path / "d" / "masks").rglob("*.png"))
    (masks[0]).write_bytes(b"damaged meanwhile")
    segdata.convert("coco", samples / "coco", tmp_path / "d")
    segdata.convert("coco", samples / "coco", tmp_path / "undisturbed")
    assert contents(tmp_path / "d") == contents(tmp_path / "undisturbed")


def test_an_unfinished_conversion_of_something_else_is_not_mixed_with(samples: Path, tmp_path: Path) -> None:
    def fail(items: Any, total: int) -> Any:
        yield next(items)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segdata.convert("coco", samples / "coco", tmp_path / "d", run=segdata.Run(track=fail))
    with pytest.raises(DatasetError, match="other inputs or options"):
        segdata.convert("coco", samples / "coco", tmp_path / "d", overlap="last")
    segdata.convert("coco", samples / "coco", tmp_path / "d", overlap="last", overwrite=True)
    assert segdata.Dataset.open(tmp_path / "d").made_by["options"]["overlap"] == "last"


def test_a_destination_that_exists_is_refused(samples: Path, tmp_path: Path) -> None:
    segdata.convert("coco", samples / "coco", tmp_path / "d", split="val")
    before = contents(tmp_path / "d")
    with pytest.raises(DatasetError, match="exists already"):
        segdata.convert("coco", samples / "coco", tmp_path / "d")
    assert contents(tmp_path / "d") == before
    assert len(segdata.convert("coco", samples / "coco", tmp_path / "d", overwrite=True)) == 32
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")
    with pytest.raises(DatasetError, match=r"thesis\.tex"):
        segdata.convert("coco", samples / "coco", home, overwrite=True)
    assert (home / "thesis.tex").read_text() == "years of work"


# Images


@pytest.mark.parametrize("images", ["reference", "link", "copy", "none"])
def test_images(samples: Path, tmp_path: Path, images: str) -> None:
    made = segdata.convert("coco", samples / "coco", tmp_path / "a" / "b" / "d", images=images)
    dataset = segdata.Dataset.open(tmp_path / "a" / "b" / "d")
    assert dataset.samples == made.samples
    assert dataset.images == images
    for sample in dataset:
        if images == "none":
            assert sample.image is None
            continue
        assert sample.image is not None
        path = dataset.root / sample.image
        assert path.is_symlink() == (images == "link")
        assert not os.path.isabs(os.readlink(path) if images == "link" else sample.image)
        original = samples / "coco" / f"{sample.split}2017" / f"{Path(sample.id).name}.jpg"
        assert path.read_bytes() == original.read_bytes()
        np.testing.assert_array_equal(dataset.read_image(sample), np.asarray(Image.open(original).convert("RGB")))


def test_references_hold_through_a_linked_destination(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far" / "away")
    dataset = segdata.convert("coco", samples / "coco", tmp_path / "near" / "d", split="val")
    assert all(dataset.read_image(sample).shape[:2] == sample.size for sample in dataset)


def turned_set(
    root: Path, size: tuple[int, int], labels: tuple[int, int], orientation: int, name: str = "001.jpg"
) -> Path:
    """One image of raw `size` with an EXIF orientation, its labels saying they are `labels` (height, width)."""
    data = coco([annotation()], images=1)
    data["images"][0].update(height=labels[0], width=labels[1], file_name=name)
    write(root, data)
    (root / "train2017").mkdir()
    exif = Image.Exif()
    exif[0x0112] = orientation
    gradient = np.linspace(0, 255, size[0] * size[1]).astype(np.uint8).reshape(size)
    Image.fromarray(gradient).save(root / "train2017" / name, exif=exif, quality=95)
    return root


@pytest.mark.parametrize(
    ("size", "labels", "orientation", "option", "exif", "listed"),
    [
        ((16, 20), (16, 20), 1, "upright", None, False),
        ((16, 20), (16, 20), 6, "upright", "raw", False),  # sizes tell: the labels lie on the raw pixels
        ((16, 20), (20, 16), 6, "raw", "upright", False),  # and here on the upright ones, whatever the option says
        ((16, 20), (16, 20), 3, "upright", "upright", True),  # turned by 180 degrees: sizes cannot tell
        ((16, 20), (16, 20), 3, "raw", "raw", True),
        ((16, 16), (16, 16), 8, "upright", "upright", True),
    ],
)
@pytest.mark.parametrize("name", ["001.jpg", "001.png", "001.tif"])
def test_exif(
    tmp_path: Path, size: Any, labels: Any, orientation: int, option: Any, exif: Any, listed: bool, name: str
) -> None:
    root = turned_set(tmp_path, size, labels, orientation, name)
    dataset = segdata.convert("coco", root, tmp_path / "d", exif=option)
    sample = dataset.samples[0]
    assert sample.exif == exif
    assert bool(dataset.read_receipt()["exif"]) == listed
    plain = turned_set(tmp_path / "plain", size, labels, 1, name)
    pixels = np.asarray(Image.open(plain / "train2017" / name).convert("RGB"))
    turns = {6: 3, 8: 1, 3: 2, 1: 0}[orientation] if exif == "upright" else 0
    np.testing.assert_array_equal(dataset.read_image(sample), np.rot90(pixels, turns))
    assert dataset.read_image(sample).shape[:2] == dataset.read_mask(sample).shape


def test_a_image_of_another_size_is_an_error(tmp_path: Path) -> None:
    root = turned_set(tmp_path, (16, 20), (18, 20), 6)
    with pytest.raises(DataError, match=r"001: the image is 20 x 16 \(16 x 20 upright\) but its labels are 20 x 18"):
        segdata.convert("coco", root, tmp_path / "d")


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda path: path.unlink(), "image.missing"),
        (lambda path: path.write_bytes(b"not an image"), "image.unreadable"),
        (lambda path: path.write_bytes(b""), "image.unreadable"),
        (lambda path: path.write_bytes(path.read_bytes()[:300]), "image.unreadable"),
    ],
)
def test_bad_images(samples: Path, tmp_path: Path, damage: Any, code: str) -> None:
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    (root / "val2017").mkdir()
    for path in (*(samples / "coco/annotations").glob("instances_val*"), *(samples / "coco/val2017").iterdir()):
        (root / path.relative_to(samples / "coco")).write_bytes(path.read_bytes())
    bad = sorted((root / "val2017").iterdir())[3]
    damage(bad)
    with pytest.raises(DataError) as caught:
        segdata.convert("coco", root, tmp_path / "d")
    assert caught.value.problem.code == code
    assert caught.value.problem.sample == f"val/{bad.stem}"
    assert not (tmp_path / "d").exists()
    run = segdata.Run(report=Report("skip"))
    dataset = segdata.convert("coco", root, tmp_path / "d", run=run)
    assert [problem.code for problem in run.report.problems] == [code]
    assert len(dataset) == 7
    receipt = dataset.read_receipt()
    assert receipt["images"] == {"in": 8, "converted": 7, "skipped": 1}
    assert receipt["annotations"]["in"] == receipt["annotations"]["painted"] + receipt["annotations"]["skipped"]
    assert receipt["skipped_images"][0]["file"] == bad.name


def test_a_image_and_one_with_its_extension_twice_are_two_copies(tmp_path: Path) -> None:
    data = coco([], images=2)
    for record, name in zip(data["images"], ("a.png", "a.png.png"), strict=True):
        record["file_name"] = name
    source = write(tmp_path, data, images=True)
    for number, name in enumerate(("a.png", "a.png.png")):
        Image.fromarray(np.full((16, 20, 3), 50 * number, np.uint8)).save(tmp_path / "train2017" / name)
    for images in ("copy", "link", "reference"):
        dataset = segdata.convert("coco", source, tmp_path / images, images=images, allow_empty=True)
        assert [int(dataset.read_image(sample).max()) for sample in dataset] == [0, 50]


@pytest.mark.parametrize("reading", [True, False])
def test_where_every_image_is_left_out_nothing_is_made(tmp_path: Path, reading: bool) -> None:
    bad = [annotation(i, image_id=i, category_id=99) for i in (1, 2)]
    source = write(tmp_path, coco(bad if reading else []), images=True)
    for path in (tmp_path / "train2017").iterdir():
        path.write_bytes(b"no image")
    words = "every image was left out, 2 in all; train/001: " + ("category_id 99" if reading else "")
    with pytest.raises(DataError, match=words) as caught:
        segdata.convert("coco", source, tmp_path / "d", run=segdata.Run(report=Report("skip")))
    assert caught.value.problem.code == "convert.nothing"
    assert not (tmp_path / "d").exists()
    assert len(segdata.convert("coco", write(tmp_path, coco([], images=0)), tmp_path / "d", images="none")) == 0


def test_a_image_over_the_limit(samples: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="limit of 1000"):
        segdata.convert("coco", samples / "coco", tmp_path / "d", max_pixels=1000)


@pytest.mark.parametrize("end", ["png", "tif"])
@pytest.mark.parametrize("images", ["reference", "none"])
def test_images_of_any_kind_are_refused_over_the_limit(tmp_path: Path, end: str, images: Any) -> None:
    for folder in ("images", "masks"):
        (tmp_path / "s" / folder).mkdir(parents=True)
        Image.new("L", (40, 30)).save(tmp_path / f"s/{folder}/a.{end}")
    options: dict[str, Any] = {"images": images, "classes": ["a"], "mask_dir": "masks"}
    with pytest.raises(DataError, match="limit of 1199") as caught:
        segdata.convert("masks", tmp_path / "s", tmp_path / "d", max_pixels=1199, **options)
    assert caught.value.problem.code == "image.too_large"
    assert not (tmp_path / "d").exists()
    assert len(segdata.convert("masks", tmp_path / "s", tmp_path / "d", max_pixels=1200, **options)) == 1


# Choosing classes


def cats_and_dogs(tmp_path: Path) -> Path:
    square = lambda x: [[x, 0.0, x + 5, 0.0, x + 5, 16.0, x, 16.0]]  # noqa: E731
    three = [annotation(i + 1, category_id=c, segmentation=square(6.0 * i)) for i, c in enumerate((1, 3, 7))]
    return write(tmp_path, coco(three, images=1))


@pytest.mark.parametrize(
    ("options", "classes", "counts"),
    [
        ({}, "background cat dog emu", {0: 80, 1: 80, 2: 80, 3: 80}),
        ({"map": {"dog": "pet", "cat": "pet"}}, "background pet emu", {0: 80, 1: 160, 2: 80}),
        ({"map": {"dog": "pet", "cat": "pet"}, "unlisted": "ignore"}, "background pet", {0: 80, 1: 160, 255: 80}),
        ({"map": {"dog": "pet"}, "only": ["pet"]}, "background pet", {0: 80, 1: 80, 255: 160}),
        ({"map": {"cat": "background"}}, "background dog emu", {0: 160, 1: 80, 2: 80}),
        ({"map": {"cat": "ignore"}}, "background dog emu", {0: 80, 1: 80, 2: 80, 255: 80}),
        ({"only": ["dog"]}, "background dog", {0: 80, 1: 80, 255: 160}),
        ({"only": ["dog"], "unlisted": "background"}, "background dog", {0: 240, 1: 80}),
        ({"drop": ["dog"]}, "background cat emu", {0: 80, 1: 80, 2: 80, 255: 80}),
        ({"map": {"cat": "dog", "dog": "emu", "emu": "cat"}}, "background dog emu cat", {0: 80, 1: 80, 2: 80, 3: 80}),
    ],
)
def test_classes_by_name(tmp_path: Path, options: Any, classes: str, counts: dict[int, int]) -> None:
    dataset = segdata.convert("coco", cats_and_dogs(tmp_path), tmp_path / "d", images="none", **options)
    assert dataset.labels.names == tuple(classes.split())
    assert dataset.samples[0].counts == counts
    receipt = dataset.read_receipt()
    void = {c["source_name"] for c in receipt["classes"] if c["class"] == "ignore"}
    assert set(receipt["unmapped"]) == void
    assert bool(void) == (255 in counts)
    assert sum(receipt["pixels"].values()) == 320


def test_background_is_told_of_where_it_is_made_void(tmp_path: Path) -> None:
    source = cats_and_dogs(tmp_path)
    dataset = segdata.convert("coco", source, tmp_path / "d", images="none", drop=["background"])
    receipt = dataset.read_receipt()
    assert receipt["unmapped"] == ["background"]
    row = {"source_id": None, "source_name": "background", "class_id": None, "class": "ignore"}
    assert receipt["classes"][0] == row
    assert [c["source_name"] for c in receipt["classes"]] == ["background", "cat", "dog", "emu"]
    assert "ignored:     classes background" in receipt_lines(receipt)


def test_two_classes_made_one_are_no_conflict(tmp_path: Path) -> None:
    source = write(tmp_path, coco([annotation(1), annotation(2, category_id=3)], images=1))
    dataset = segdata.convert("coco", source, tmp_path / "d", images="none", map={"cat": "dog"}, overlap="ignore")
    assert dataset.samples[0].counts == {0: 220, 1: 100}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"map": {"cta": "x"}}, "did you mean cat"),
        ({"only": ["horse"]}, "there are background, cat"),
        ({"drop": ["background", "cat", "dog", "emu"]}, "no class is left"),
        ({"only": ["cat"], "drop": ["cat"]}, "--only and --drop both name 'cat'"),
        ({"only": "dog"}, r"only='dog': give a list of class names: \['dog'\]"),
        ({"drop": "dog"}, "drop='dog': give a list"),
        ({"map": {"dog": 1}}, "class 'dog' becomes 1: must be the name of a class"),
        ({"map": {"dog": ""}}, "class 'dog' becomes ''"),
        ({"images": "foo"}, "--images foo: must be one of reference, link, copy, none"),
        ({"exif": "foo"}, "--exif foo: must be one of raw, upright"),
        ({"unlisted": "foo"}, "--unlisted foo: must be one of keep, ignore, background"),
        ({"unlisted": "foo", "only": ["dog"]}, "--unlisted foo"),
        ({"overlap": "largest"}, "smallest, first, last, ignore"),
        ({"crowd": "maybe"}, "ignore, class, drop"),
        ({"borders": 1}, "has no option 'borders'"),
        ({"background": "ignore", "only": ["cat"], "unlisted": "background"}, "no class called background"),
    ],
)
def test_bad_options(tmp_path: Path, options: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        segdata.convert("coco", cats_and_dogs(tmp_path), tmp_path / "d", **{"images": "none", **options})
    assert not (tmp_path / "d").exists()


def test_an_unknown_format_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"no format 'coca'.*coco"):
        segdata.convert("coca", tmp_path, tmp_path / "d")


def test_more_than_255_classes_make_16_bits(tmp_path: Path) -> None:
    data = coco([annotation(category_id=299)], images=1)
    data["categories"] = [{"id": i, "name": f"c{i}"} for i in range(300)]
    dataset = segdata.convert("coco", write(tmp_path, data), tmp_path / "d", images="none")
    mask = dataset.read_mask(dataset.samples[0])
    assert (mask.dtype, mask.max(), dataset.labels.ignore) == (np.uint16, 300, 65535)
    few = segdata.convert("coco", tmp_path / "annotations", tmp_path / "e", images="none", only=["c299"])
    assert few.read_mask(few.samples[0]).dtype == np.uint8


def test_class_maps_from_files(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"car": "vehicle"}')
    (tmp_path / "m.csv").write_text("# old,new\ncar, vehicle\n\nbus,vehicle\n")
    assert read_map(tmp_path / "m.json") == {"car": "vehicle"}
    assert read_map(tmp_path / "m.csv") == {"car": "vehicle", "bus": "vehicle"}
    for text in ('{"car": 3}', "car", "a,b,c", "{"):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(OptionError, match="not a class map"):
            read_map(tmp_path / "bad")
    with pytest.raises(OptionError, match=r"absent: cannot be read: No such file"):
        read_map(tmp_path / "absent")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("car", "'car' is no line `old,new`"),
        ("car,", "'car,' is no line"),
        ("car,a\ncar,b", "'car' becomes 'a' and 'b'"),
    ],
)
def test_bad_lines_of_a_class_map(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(OptionError, match=words):
        read_map(tmp_path / "m.csv")


def test_a_class_map_may_have_its_heading(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("# mine\nold,new\ncar,vehicle\nold,new\n")
    assert read_map(tmp_path / "m.csv") == {"car": "vehicle", "old": "new"}


def test_one_class_cannot_become_two(samples: Path, tmp_path: Path) -> None:
    command = ["convert", "coco", str(samples / "coco"), str(tmp_path / "d"), "--map", "car=a", "--map"]
    result = CliRunner().invoke(main, [*command, "car=b"])
    assert (result.exit_code, "'car' becomes 'a' and 'b'" in result.output) == (2, True)
    assert CliRunner().invoke(main, [*command, "car=a"]).exit_code == 0


def test_choosing_keeps_colours() -> None:
    labels = segdata.Labels.of(["a", "b", "c"], [(1, 1, 1), (2, 2, 2), (3, 3, 3)])
    chosen = choose_classes(labels, {"a": "x", "c": "x"}, [], [], None)
    assert [(c.name, c.color) for c in chosen.labels.classes] == [("x", (1, 1, 1)), ("b", (2, 2, 2))]
    assert {v: chosen.value(v) for v in (0, 1, 2, 255)} == {0: 0, 1: 1, 2: 0, 255: 255}


# The manifest


def test_manifest_lines_are_what_other_tools_rely_on(samples: Path, tmp_path: Path) -> None:
    segdata.convert("coco", samples / "coco", tmp_path / "d")
    lines = [json.loads(line) for line in (tmp_path / "d" / "manifest.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == sorted(line["id"] for line in lines)
    for line in lines:
        assert list(line) == ["id", "split", "image", "mask", "height", "width", "counts", "sha256", "group", "parent",
                              "window", "crop", "exif", "scores", "tiling"]  # fmt: skip
        path = tmp_path / "d" / line["mask"]
        assert line["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        mask = np.asarray(Image.open(path))
        values, counts = np.unique(mask, return_counts=True)
        assert line["counts"] == {str(v): int(n) for v, n in zip(values, counts, strict=True)}
        assert (line["height"], line["width"]) == mask.shape


def test_the_receipt_adds_up_over_the_samples(samples: Path, tmp_path: Path) -> None:
    dataset = segdata.convert("coco", samples / "coco", tmp_path / "d")
    receipt = dataset.read_receipt()
    truth = {
        split: json.loads((samples / f"coco/annotations/instances_{split}2017.json").read_text())
        for split in ("train", "val")
    }
    assert receipt["images"]["in"] == sum(len(part["images"]) for part in truth.values())
    assert receipt["annotations"]["in"] == sum(len(part["annotations"]) for part in truth.values())
    assert sum(receipt["pixels"].values()) == sum(s.height * s.width for s in dataset)
    assert {(c["source_id"], c["class"]) for c in receipt["classes"]} == {
        (None, "background"),
        *((c["id"], c["name"]) for c in truth["train"]["categories"]),
    }
    pairs = receipt["contested"]["pairs"]
    assert 0 < max(pair["pixels"] for pair in pairs) <= receipt["contested"]["pixels"]


@pytest.mark.parametrize("names", [("background", "crack"), ("Background", "crack"), ("__background__", "crack")])
@pytest.mark.parametrize("value", [0, 1])
def test_masks_without_an_object_are_an_error_unless_told(tmp_path: Path, names: tuple[str, str], value: int) -> None:
    for folder in ("images", "masks"):
        (tmp_path / "s" / folder).mkdir(parents=True)
        for name in ("a", "b"):
            Image.new("L", (40, 30), value).save(tmp_path / f"s/{folder}/{name}.png")
    options: dict[str, Any] = {"classes": names, "mask_dir": "masks", "images": "none"}
    if value == 1:
        options["map"] = {"crack": "ignore"}
    with pytest.raises(DataError, match=r"no pixel of the 2 masks is .* --allow-empty") as caught:
        segdata.convert("masks", tmp_path / "s", tmp_path / "d", **options)
    assert caught.value.problem.code == "convert.unpainted"
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert len(segdata.convert("masks", tmp_path / "s", tmp_path / "d", allow_empty=True, **options)) == 2
    Image.new("L", (40, 30), 1).save(tmp_path / "s/masks/b.png")
    assert len(segdata.convert("masks", tmp_path / "s", tmp_path / "e", **{**options, "map": None})) == 2
