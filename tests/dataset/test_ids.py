"""Ids become names of files: on every file system, without two of them in one file, and good ones as they are."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import segdata
from predictors import ByColour
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.dataset.ids import portable_ids
from segdata.errors import DatasetError, OptionError, Problem
from segdata.labels import Labels

DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def fits(id: str) -> bool:
    """Whether masks/<id>.png can be on FAT, NTFS, APFS and ext4, told by their rules one by one."""
    for part in id.split("/"):
        if any(ord(c) < 32 or ord(c) == 127 or c in '<>:"|?*' or 0xD800 <= ord(c) < 0xE000 for c in part):
            return False
        if part.endswith((".", " ")) or part.split(".")[0].casefold() in DEVICES:
            return False
        if len(part.encode()) + len(".png") > 255:
            return False
    return True


def alike(id: str) -> str:
    """What Windows and macOS take for one name."""
    return normalize("NFC", normalize("NFC", id).casefold())


PARTS = st.one_of(
    st.text(st.characters(exclude_categories=[], exclude_characters="/\\\0"), min_size=1, max_size=8),
    st.sampled_from(
        [
            *DEVICES,
            "CON.x",
            "Nul",
            "com10",
            "a",
            "A",
            "\u00e9",
            "e\u0301",
            "a.",
            "a ",
            "x" * 252,
            "\u00e4" * 126,
            "a-5e9",
        ]
    ),
    st.text("aAbB\u00e9e\u0301.: ", min_size=1, max_size=4),
)
IDS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


@given(st.lists(IDS, max_size=12))
def test_every_file_system_holds_them_and_no_two_are_one(ids: list[str]) -> None:
    new, problems = portable_ids(ids)
    out = [new.get(id, id) for id in dict.fromkeys(ids)]
    assert all(map(fits, out))
    assert len({alike(id) for id in out}) == len(out)
    assert new.keys() == set(ids) - {id for id in ids if new.get(id, id) == id}
    assert sorted(problem.sample or "" for problem in problems) == sorted(new.values())
    for id in new:  # a good name is only renamed beside another
        assert not fits(id) or any(alike(other) == alike(id) and other < id for other in ids)
    assert portable_ids(reversed(ids)) == (new, problems)
    assert not portable_ids(out)[0]


@given(IDS)
def test_a_name_is_the_same_whatever_lies_beside_it(id: str) -> None:
    alone, _ = portable_ids([id])
    beside, _ = portable_ids([id, "other", "CON", "x/y"])
    if id not in ("CON", "other", "x/y"):
        assert alone.get(id, id) == beside.get(id, id) or alike(id) in ("other", "x/y")


def test_the_new_names() -> None:
    ids = ["val/CON", "a:b?", "x.", "val/A", "val/a", "e\u0301", "\u00e9", "n\udcff", "aux.d/1", "good name"]
    new, problems = portable_ids(ids)
    assert {old: re.sub("-[0-9a-f]{8}$", "-#", id) for old, id in new.items()} == {
        "val/CON": "val/_CON-#", "a:b?": "a_b_-#", "x.": "x_-#", "val/a": "val/a-#", "\u00e9": "\u00e9-#", "n\udcff": "n_-#",
        "aux.d/1": "_aux.d/1-#",
    }  # fmt: skip
    assert problems[0].message == "it was called val/a: some file systems take it for val/A"
    assert {p.code for p in problems} == {"image.renamed"}


NAMES = [b"a", b"A", b"n\xff\xfe", b"con", b"x:y", b"end ", "e\u0301".encode(), "\u00e9".encode(), b"\x1b[31m", b"a\nb"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images and masks of such names, as a disk of Linux holds them."""
    if sys.platform != "linux":
        pytest.skip("other file systems hold no such names")
    for number, name in enumerate(NAMES):
        random = np.random.default_rng(number)
        for sub, pixels in (("images", random.integers(0, 255, (6, 8, 3))), ("masks", random.integers(0, 2, (6, 8)))):
            path = os.path.join(os.fsencode(tmp_path), b"src", sub.encode(), b"val", name + b".png")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    (tmp_path / "src" / "classes.csv").write_text("id,name\n0,ground\n1,red\n")
    return tmp_path / "src"


@pytest.mark.parametrize("images", ["copy", "link", "none", "reference"])
def test_such_a_folder_is_converted_and_told(folder: Path, tmp_path: Path, images: str) -> None:
    where = ["--image-dir", "images/{split}", "--mask-dir", "masks/{split}", "--classes", str(folder / "classes.csv")]
    skip = ["--on-error", "skip"] if images == "reference" else []
    arguments = ["convert", "masks", str(folder), str(tmp_path / "d"), "--images", images, *where, *skip]
    result = CliRunner().invoke(main, arguments, color=True)
    assert result.exit_code == 0, (result.output, result.exception)
    made = Dataset.open(tmp_path / "d")
    lost = images == "reference"  # no manifest holds a path that is not UTF-8
    assert len(made) == len(NAMES) - lost
    assert all(map(fits, (sample.id for sample in made)))
    assert len({alike(sample.id) for sample in made}) == len(made)
    assert made.read_receipt()["images"]["skipped"] == lost
    assert ("image.name" in result.output) == lost
    assert "8 renamed" in result.stdout
    for sample in made:
        made.read_mask(sample)
        if images != "none":
            made.read_image(sample)
    assert "\x1b" not in result.output
    assert CliRunner().invoke(main, [*arguments, "--overwrite"]).exit_code == 0


def test_such_a_folder_is_predicted(folder: Path, tmp_path: Path) -> None:
    model = ByColour(Labels.of(["ground", "red"]))
    with pytest.raises(DatasetError, match="its name is not UTF-8"):
        segdata.predict(model, folder / "images", tmp_path / "out", images="copy")
    os.unlink(os.fsencode(folder) + b"/images/val/n\xff\xfe.png")
    made = segdata.predict(model, folder / "images", tmp_path / "out", images="copy")
    assert len(made) == len(NAMES) - 1
    assert all(map(fits, (sample.id for sample in Dataset.open(tmp_path / "out"))))


# Halves of characters


def test_a_problem_is_utf8() -> None:
    problem = Problem("x.y", "a\udcff", "b\ud800.png", "\u00e9", 3)
    assert (problem.message, problem.file, problem.sample, problem.annotation) == (
        r"a\udcff",
        r"b\ud800.png",
        "\u00e9",
        3,
    )


def test_a_class_is_utf8() -> None:
    with pytest.raises(OptionError, match=r"class name 'a\\ud800' holds half a character"):
        Labels.of(["b", "a\ud800"])
    assert Labels.of(["\U0001f600"]).names == ("\U0001f600",)


LONE = r"\ud800"
COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "segmentation": [[0, 0, 2, 0, 2, 2]]}],
    "categories": [{"id": 1, "name": "cat", "supercategory": "animal"}],
}  # fmt: skip


@pytest.mark.parametrize("field", ["a.png", "cat", "animal"])
def test_half_a_character_in_labels_is_one_line(tmp_path: Path, field: str) -> None:
    text = json.dumps(COCO).replace(field, f"x{LONE}y.png")
    (tmp_path / "train.json").write_text(text)
    result = CliRunner().invoke(main, ["convert", "coco", str(tmp_path), str(tmp_path / "d"), "--images", "none"])
    if result.exit_code == 0:
        Dataset.open(tmp_path / "d").read_receipt()
        return
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stderr.count("\n") <= 2
    assert result.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [("c.json", f'["a", "x{LONE}"]'), ("c.yaml", f'names: ["a", "x{LONE}"]'), ("c.csv", "id,name\n0,a\n1,\udc80")],
)
def test_half_a_character_in_a_class_file_is_one_line(folder: Path, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    arguments = ["--image-dir", "images/{split}", "--mask-dir", "masks/{split}", "--classes", str(tmp_path / name)]
    result = CliRunner().invoke(main, ["convert", "masks", str(folder), str(tmp_path / "d"), *arguments])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stderr.startswith("error: ")
    assert not (tmp_path / "d" / "manifest.jsonl").exists()
