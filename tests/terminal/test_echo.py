"""What names hold is shown on the terminal, never sent to it; and no spreadsheet runs what a table says."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import segdata
from carry_files import make
from predictors import ByColour
from segdata.cli import main
from segdata.nn.curves import read_rows, write_rows
from segdata.terminal.text import FORMULA, csv_text, table
from segdata.words import shown

ROOT = Path(segdata.__file__).parent
STEERING = {*map(chr, [*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])}
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202elive\u2066\x7f"


def steers(text: str) -> set[str]:
    """The characters of a text, apart from the ends of its lines, that steer a terminal or are half of one."""
    return {c for c in text.replace("\n", "") if c in STEERING or "\ud800" <= c <= "\udfff"}


# Text


@given(st.text(st.characters(exclude_categories=[])))
def test_shown_text_steers_nothing(text: str) -> None:
    once = shown(text)
    assert not steers(once)
    assert once.splitlines() in ([once], [])
    assert shown(once) == once
    if not steers(text) and text.splitlines() in ([text], []):
        assert once == text


def test_what_is_shown_can_be_read() -> None:
    assert shown("a\x1b[31m\n\u202eb\udc80\t") == r"a\x1b[31m\n\u202eb\udc80\t"
    assert shown("Straße, 道路, \u05d0 \U0001f600\u200d") == "Straße, 道路, \u05d0 \U0001f600\u200d"
    assert table([["a", "b"], ["x\x1b", "y"]]) == ["a      b", "-----  -", r"x\x1b  y"]


def test_all_text_goes_through_one_door() -> None:
    doors = [path for path in ROOT.rglob("*.py") if re.search(r"click\.s?echo|\bprint\(|sys\.stdout", path.read_text())]
    assert doors == [ROOT / "terminal" / "echo.py"]


# Commands


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, predictions and tiles of it, all with names that steer."""
    root = tmp_path_factory.mktemp("hostile")
    names = [f"=road{HOSTILE}", f"-car{HOSTILE}", f"@{HOSTILE}sign"]
    masks = {
        f"{split}{HOSTILE}/{i}{HOSTILE}": np.random.default_rng(i).integers(0, 3, (40, 48)).astype(np.uint8)
        for split in ("train", "val")
        for i in range(3)
    }
    groups = {id: {"group": f"{id[-1]}{HOSTILE}{number % 2}"} for number, id in enumerate(masks)}
    data = make(root / "data", masks, names=names, images="copy", fields=groups)
    segdata.predict(ByColour(data.labels, 0.7), data, root / "pred", scores=True)
    segdata.tile(data, root / "tiles", size=24)
    bad = make(root / "bad", masks, names=names, images="copy")
    Image.new("L", (48, 40), 77).save(bad.root / bad.samples[1].mask)
    (bad.root / str(bad.samples[2].image)).write_bytes(b"no image")
    return root


READING = [
    "info data", "info data --json", "stats data", "stats data --csv", "stats data --json", "stats data --objects --recount",
    "check data", "check data --json", "check bad", "check bad --json", "check tiles", "evaluate pred data",
    "evaluate pred data --csv", "evaluate pred data --json", "evaluate pred data --conventions --boundary-f",
    "suspects pred data", "suspects pred data --json", "preview data OUT.png", "split data OUT --ratios a=0.5,b=0.5",
    "split data OUT --group-by duplicates", "join data tiles OUT", "remap data OUT --drop nothing", "tile data OUT --size 16",
    "untile tiles OUT", "stitch tiles OUT", "export webdataset data OUT", "refine pred OUT", "tile bad OUT --size 16",
    "tile bad OUT --size 16 --on-error skip", "join data bad OUT", "split bad OUT --ratios a=0.5,b=0.5 --on-error skip",
    "stats bad --recount", "stats bad --recount --on-error skip", "evaluate pred bad",
    "export webdataset bad OUT --on-error skip", "info data\x1b[31m", "info data x\x1b[31m", "x\x1b[31m", "stats data --split x",
]  # fmt: skip


@pytest.mark.parametrize("line", READING)
def test_no_command_sends_what_names_hold(hostile: Path, tmp_path: Path, line: str) -> None:
    arguments = [
        str(tmp_path / f"out\x1b[31m{word[3:]}") if word.startswith("OUT") else word for word in line.split(" ")
    ]
    places = {place.name for place in hostile.iterdir()}
    arguments = [str(hostile / word) if word in places else word for word in arguments]
    result = CliRunner().invoke(main, arguments, color=True)
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert not steers(result.output), steers(result.output)
    assert re.search(r"\\x1b|\\u001b", result.output), "the names are there"
    if "--json" in line:
        json.loads(result.stdout)


# CSV


@pytest.mark.parametrize("start", FORMULA)
def test_a_formula_is_text(start: str) -> None:
    (cells,) = csv.reader(io.StringIO(csv_text([[f"{start}1+1", -1, -0.5, "a=b", "", None]])))
    assert cells == ["'" + shown(f"{start}1+1"), "-1", "-0.5", "a=b", "", ""]


def test_tables_of_classes_hold_no_formula(hostile: Path) -> None:
    for line in (["stats", "data", "--csv"], ["evaluate", "pred", "data", "--csv"]):
        arguments = [str(hostile / word) if word in ("data", "pred") else word for word in line]
        rows = list(csv.reader(io.StringIO(CliRunner().invoke(main, arguments).stdout)))
        texts = [cell for row in rows for cell in row if not re.fullmatch(r"-?[\d.e-]+|nan", cell)]
        assert len(rows) >= 5
        assert any(cell.startswith("'=road") for cell in texts)
        assert not [cell for cell in texts if cell.startswith(FORMULA)]


def test_curves_are_written_as_they_were(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"epoch": 1, "step": 10.0, "loss": 1 / 3, "mean_iou": float("nan")},
        {"epoch": 2, "step": 20.0, "loss": -1e-17, "mean_iou": np.float64(0.1), "iou/a,b": 0.25},
    ]
    write_rows(tmp_path / "metrics.csv", rows)
    text = 'epoch,step,loss,mean_iou,"iou/a,b"\n1,10,0.3333333333333333,,\n2,20,-1e-17,0.1,0.25\n'
    assert (tmp_path / "metrics.csv").read_bytes() == text.encode()
    assert read_rows(tmp_path / "metrics.csv")[1] == {
        "epoch": 2,
        "step": 20,
        "loss": -1e-17,
        "mean_iou": 0.1,
        "iou/a,b": 0.25,
    }
