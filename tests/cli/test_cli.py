"""The commands as a person types them: what they print, and how they fail."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import segdata
from coco_files import annotation, coco, write
from segdata.cli import demo, main
from segdata.pages.sheet import BETWEEN, GAP
from segdata.readers import READERS
from segdata.terminal.text import table
from segdata.words import percent


def run(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    assert code != 0 or result.exception is None
    return result


def test_convert_prints_the_receipt(samples: Path, tmp_path: Path) -> None:
    out = run("convert", "coco", samples / "coco", tmp_path / "d").stdout
    assert "images:    32 in = 32 converted + 0 left out" in out
    assert "annotations: 119 in = 119 painted" in out
    assert segdata.Dataset.open(tmp_path / "d").labels.names[0] == "background"


@pytest.mark.process
def test_convert_takes_every_option(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("person,human\ncar,vehicle\n")
    run(
        "convert", "coco", samples / "coco/annotations/instances_val2017.json", tmp_path / "d",
        "--image-dir", samples / "coco/val2017", "--images", "copy", "--map", "boat=vehicle", "--map-file", tmp_path / "map.csv",
        "--unlisted", "ignore", "--exif", "raw", "--max-pixels", 10**6, "--background", "ignore", "--crowd", "class",
        "--overlap", "last", "-j", 2, "--on-error", "skip", "--split", "val", "--under-nodata", "keep",
    )  # fmt: skip
    dataset = segdata.Dataset.open(tmp_path / "d")
    assert dataset.labels.names == ("human", "vehicle")
    assert dataset.made_by["options"] == {
        "format": "coco", "split": "val", "background": "ignore", "crowd": "class", "overlap": "last",
        "map": {"boat": "vehicle", "person": "human", "car": "vehicle"}, "only": [], "drop": [], "unlisted": "ignore",
        "exif": "raw", "under_nodata": "keep",
    }  # fmt: skip


def test_bad_labels_are_one_message_and_exit_1(tmp_path: Path) -> None:
    data = coco([annotation(5, category_id=99)])
    source = write(tmp_path, data)
    result = run("convert", "coco", source, tmp_path / "d", "--images", "none", code=1)
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"error: {source}: train/001: annotation 5: category_id 99 is not listed [coco.category]",
        "correct it, or leave such images out and have them listed: --on-error skip",
    ]
    assert not (tmp_path / "d").exists()
    skipped = run(
        "convert", "coco", tmp_path, tmp_path / "d", "--images", "none", "--on-error", "skip", "--allow-empty"
    )
    assert skipped.stderr.startswith(f"left out: {source}: train/001: annotation 5")
    assert "images:    2 in = 1 converted + 1 left out" in skipped.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["convert", "coca", "a", "b"], 2, "'coca' is not"),
        (["convert", "coco", "nowhere", "b"], 1, "nowhere: there is no such file or folder"),
        (["convert", "coco", "nowhere"], 2, "Missing argument"),
        (["convert", "coco", "a", "b", "--map", "car"], 2, "'car' is not OLD=NEW"),
        (["info", "nowhere"], 1, "nowhere: there is no such folder"),
        (["info", "."], 1, "not a segdata dataset"),
        (["preview", "nowhere", "x.png"], 1, "nowhere"),
        (["no-such-command"], 2, "No such command"),
    ],
)
def test_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, code=code)
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_full_disk_is_one_line(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "masks/x.png")

    monkeypatch.setattr("segdata.ops.convert.operation.write_mask", full)
    result = run("convert", "coco", samples / "coco", tmp_path / "d", code=1)
    assert (
        result.stderr
        == "error: masks/x.png: No space left on device: make room there, then run the same command again to go on\n"
    )


def test_a_bug_travels_as_itself(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("segdata.ops.convert.operation.write_mask", bug)
    result = CliRunner().invoke(main, ["convert", "coco", str(samples / "coco"), str(tmp_path / "d")])
    assert isinstance(result.exception, ZeroDivisionError)


def test_info(samples: Path, tmp_path: Path) -> None:
    run("convert", "coco", samples / "coco", tmp_path / "d")
    found = json.loads(run("info", tmp_path / "d", "--json").stdout)
    assert found["splits"] == {"train": 24, "val": 8}
    dataset = segdata.Dataset.open(tmp_path / "d")
    masks = [dataset.read_mask(sample) for sample in dataset]
    for row in found["classes"]:
        assert row["pixels"] == sum(int((mask == row["id"]).sum()) for mask in masks)
        assert row["images"] == sum(bool((mask == row["id"]).any()) for mask in masks)
    assert found["ignored"] == sum(int((mask == 255).sum()) for mask in masks)
    assert found["total"] == sum(mask.size for mask in masks)
    assert sum(row["share"] for row in found["classes"]) == pytest.approx(1)
    text = run("info", tmp_path / "d").stdout
    assert "32 samples (train 24, val 8), 8 classes" in text
    assert "instances_train2017.json" in text
    assert "train2017 (24)" in text.splitlines()[1]


def test_info_lists_where_images_are_before_any_is_read(samples: Path, tmp_path: Path) -> None:
    """And what was made in Python of a model without a file has no digest to show."""
    dataset = segdata.convert("coco", samples / "coco", tmp_path / "d")
    elsewhere = (
        "s3://bucket/secret.jpg",
        "/root/.ssh/id_rsa",
        "http://169.254.169.254/a/b.jpg",
        "/vsicurl/http://x/y.png",
    )
    lines = [msgspec.structs.replace(s, image=e) for s, e in zip(dataset, elsewhere, strict=False)]
    made_by = {**dataset.made_by, "inputs": [{"name": "ByColour", "sha256": None}]}
    replace(dataset, samples=[*lines, *dataset.samples[4:]], made_by=made_by).save()
    found = json.loads(run("info", tmp_path / "d", "--json").stdout)["outside"]
    assert sum(found.values()) == 32
    assert {"s3://bucket", "/root/.ssh", "http://169.254.169.254/a", "/vsicurl/http://x"} < set(found)
    text = run("info", tmp_path / "d").stdout
    for folder in found:
        assert f"{folder} (" in text.splitlines()[1]
    assert "  from ByColour\n" in text
    segdata.convert("coco", samples / "coco", tmp_path / "own", images="copy")
    assert "outside" not in run("info", tmp_path / "own").stdout


def test_preview(samples: Path, tmp_path: Path) -> None:
    run("convert", "coco", samples / "coco", tmp_path / "d")
    run("preview", tmp_path / "d", tmp_path / "sheet.png", "--count", 4, "--columns", 2, "--size", 100)
    sheet = segdata.read_image(tmp_path / "sheet.png")
    assert sheet.shape[1] == 2 * (2 * 100 + BETWEEN) + 3 * GAP
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 1000
    for more in (["--sort", "rarest"], ["--sort", "worst"], ["--class", "kite"], ["--sample", "val/000000000249"]):
        run("preview", tmp_path / "d", tmp_path / "other.jpg", *more)
    assert "did you mean kite" in run("preview", tmp_path / "d", tmp_path / "x.png", "--class", "kites", code=1).stderr
    assert (
        "did you mean val/" in run("preview", tmp_path / "d", tmp_path / "x.png", "--sample", "val/249", code=1).stderr
    )
    assert ".png or .jpg" in run("preview", tmp_path / "d", tmp_path / "x", code=1).stderr


def test_preview_chooses_what_is_asked(samples: Path, tmp_path: Path) -> None:
    from segdata.pages.sheet import choose

    dataset = segdata.convert("coco", samples / "coco", tmp_path / "d")
    kite = dataset.labels.id("kite")
    assert choose(dataset, 1, [], "rarest")[0].counts[kite] == max(
        s.counts.get(kite, 0) / (s.height * s.width) * (s.height * s.width) for s in choose(dataset, 1, ["kite"], "id")
    )
    assert all(s.counts.get(kite) for s in choose(dataset, 12, ["kite"], "id"))
    void = [s.counts.get(255, 0) / (s.height * s.width) for s in choose(dataset, 5, [], "worst")]
    assert void == sorted(void, reverse=True)
    assert void[0] == max(s.counts.get(255, 0) / (s.height * s.width) for s in dataset)
    spread = choose(dataset, 3, [], "id")
    assert [s.id for s in spread] == [dataset.samples[i].id for i in (0, 16, 31)]
    assert len(choose(dataset, 99, [], "rarest")) == len({s.id for s in dataset if len(s.counts) > 0})


def test_preview_without_images_shows_masks(samples: Path, tmp_path: Path) -> None:
    segdata.convert("coco", samples / "coco", tmp_path / "d", images="none", split="val")
    run("preview", tmp_path / "d", tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 3 * 240 + 4 * 10


@pytest.mark.slow
def test_the_demo_without_the_extra_ends_before_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == "torch" else "there")
    first = run("demo", "--out", tmp_path / "demo").stdout
    assert "$ segdata convert coco" in first
    assert "needs torch: pip install 'segdata[train]'" in first
    assert "$ segdata train" not in first
    assert "Exported and read back: 32 masks, 0 of " in first
    assert (tmp_path / "demo" / "coco.png").stat().st_size > 10_000
    assert run("demo", "--out", tmp_path / "demo").stdout == first  # and again over itself


@pytest.mark.torch
@pytest.mark.slow
def test_the_demo_goes_the_whole_way(tmp_path: Path) -> None:
    """A model learns from the samples: far above a constant prediction, whose mean IoU is at most 1 / 8 of one class's."""
    pytest.importorskip("torch")
    text = run("demo", "--out", tmp_path).stdout
    steps = ["convert", "stats", "check", "tile", "train", "predict", "refine", "evaluate", "export"]
    assert [step for step in steps if f"$ segdata {step} " in text] == steps
    assert segdata.evaluate(tmp_path / "refined", tmp_path / "coco", split="val").confusion.mean_iou > 0.35
    tuned_on = segdata.evaluate(tmp_path / "pred", tmp_path / "coco", split="val").confusion.mean_iou
    assert tuned_on > 0.35
    assert "Confusion matrix" in (tmp_path / "evaluation.html").read_text()
    if find_spec("onnxruntime") and find_spec("onnxscript"):
        said = re.search(r"by the exported model: 8 masks, (\d+) of ([\d,]+) pixels differ", text)
        assert said
        assert int(said[1]) <= 1e-4 * int(said[2].replace(",", ""))


def test_help_says_what_each_command_does() -> None:
    text = run("--help").stdout
    for command in ("convert", "info", "preview", "demo"):
        assert command in text
        assert run(command, "--help").stdout.startswith(f"Usage: main {command}")


@pytest.mark.process
def test_the_installed_command_fails_with_a_code(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "segdata"
    done = subprocess.run([command, "info", tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")


ORPHANS = """
import os, signal, sys, segdata
if __name__ == "__main__":
    with segdata.workers(2) as executor:
        pids = {executor.submit(os.getpid).result() for _ in range(8)} | set(executor._processes)
        print(*pids, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.process
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "orphans.py").write_text(ORPHANS)
    done = subprocess.run([sys.executable, tmp_path / "orphans.py"], stdout=subprocess.PIPE, text=True, timeout=60)
    pids = [int(pid) for pid in done.stdout.split()]
    assert pids
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(alive(pid) for pid in pids):
        time.sleep(0.1)
    assert not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_tables_align() -> None:
    assert table([["a", "b"], ["long", 1], ["x", 100]], " r") == ["a       b", "----  ---", "long    1", "x     100"]
    assert [percent(1, 0), percent(0, 3), percent(1, 3), percent(1, 3000)] == ["-", "0.0 %", "33.3 %", "0.03 %"]
    assert [percent(998, 1000), percent(1, 1)] == ["99.8 %", "100.0 %"]


@pytest.mark.parametrize(
    ("format", "folder", "options", "names"),
    [
        ("voc", "voc/VOCdevkit", ["--only", "person", "--unlisted", "background"], ("background", "person")),
        (
            "cityscapes",
            "cityscapes",
            ["--labels", "category", "--from", "polygons"],
            ("flat", "construction", "object"),
        ),
        ("pets", "pets", ["--labels", "species", "--border", "foreground"], ("background", "cat", "dog")),
        (
            "masks",
            "pets",
            [
                "--image-dir",
                "images",
                "--mask-dir",
                "annotations/trimaps",
                "--offset",
                "-1",
                "--classes",
                "classes.txt",
            ],
            ("pet", "background", "border"),
        ),
    ],
)
def test_every_format_from_the_command_line(
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: str,
    folder: str,
    options: list[str],
    names: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("classes.txt").write_text("pet\nbackground\nborder\n")
    run("convert", format, samples / folder, "d", *options)
    assert segdata.Dataset.open("d").labels.names[: len(names)] == names


def test_convert_auto_and_detect(samples: Path, tmp_path: Path) -> None:
    run("convert", "auto", samples / "pets", tmp_path / "d")
    assert segdata.Dataset.open(tmp_path / "d").made_by["options"]["format"] == "pets"
    assert run("detect", samples / "voc").stdout.startswith("voc\n  not coco: ")
    found = json.loads(run("detect", samples / "cityscapes", "--json").stdout)
    assert (found["format"], sorted(found["reasons"])) == (
        "cityscapes",
        sorted(name for name in READERS if name != "cityscapes"),
    )
    assert run("detect", tmp_path, code=1).stdout.startswith("none for certain")
    said = run("convert", "auto", tmp_path, tmp_path / "e", code=1).stderr
    assert f"the set lies in {tmp_path / 'd'} (a segdata dataset)" in said
    said = run("convert", "pets", samples, tmp_path / "e", code=1).stderr
    assert f"no pets here: the set lies in {samples / 'pets'}" in said


@pytest.mark.parametrize("format", ["pets", "auto"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--crowd", "drop"], "format pets has no option --crowd: coco has it"),
        (["--image-dir", "x"], "format pets has no option --image-dir: coco, masks, vector, labelme and "),
        (["--bordr", "class"], "--border"),
        (["--labels", "train"], "'train' is not one of 'trimap', 'binary', 'species', 'breed'"),
    ],
)
def test_options_of_another_format_are_refused(
    samples: Path, tmp_path: Path, format: str, options: list[str], words: str
) -> None:
    result = run("convert", format, samples / "pets", tmp_path / "d", *options, code=2)
    assert words in " ".join(result.stderr.split())
    assert not (tmp_path / "d").exists()


def test_an_export_has_no_option_of_others(tmp_path: Path) -> None:
    assert "--shuffle" in run("export", "webdataset", tmp_path, tmp_path / "d", "--shufle", 1, code=2).stderr
    assert "'webdatase' is not" in run("export", "webdatase", tmp_path, tmp_path / "d", code=2).stderr


def test_the_format_may_come_after_options(samples: Path, tmp_path: Path) -> None:
    """Even behind a value that is a format's name; the options are those of the one that is meant."""
    run("convert", "--labels", "species", "--split", "test", "pets", samples / "pets", tmp_path / "d")
    assert segdata.Dataset.open(tmp_path / "d").labels.names == ("background", "cat", "dog")
    result = run("convert", "--mask-dir", "pets", "voc", samples / "voc/VOCdevkit", tmp_path / "e", code=1)
    assert "pets" in result.stderr


def test_auto_takes_the_options_of_the_format_that_it_finds(samples: Path, tmp_path: Path) -> None:
    options = ["--labels", "breed", "--border", "class"]
    run("convert", "auto", samples / "pets", tmp_path / "auto", *options)
    run("convert", "pets", samples / "pets", tmp_path / "named", *options)
    auto, named = (segdata.Dataset.open(tmp_path / name) for name in ("auto", "named"))
    assert auto.made_by == named.made_by
    assert [s.sha256 for s in auto] == [s.sha256 for s in named]


def test_a_new_format_needs_no_line_in_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its options follow from its `read`, with their choices, defaults and texts."""
    (tmp_path / "new_format.py").write_text(
        '''"""The newest format: all about cats."""

from typing import Literal

Fur = Literal["short", "long"]
MOST = 7


def read(root, *, split: str | None = None, report=print, images: bool = True, fur: Fur = "long", cats: int = MOST):
    """Read cats.

    Args:
        fur: How long the fur is, which
            `cats` may say.
        cats: How many there are at most.
    """
'''
    )
    monkeypatch.syspath_prepend(tmp_path)
    command = main.get_command(click.Context(main), "convert")
    monkeypatch.setitem(command.modules, "new", "new_format")  # type: ignore[union-attr]
    monkeypatch.setitem(command.entries, "new", "new_format:read")  # type: ignore[union-attr]
    text = " ".join(run("convert", "new", "--help").stdout.split())
    assert "The newest format: all about cats. Options of new: " in text
    assert "--fur [short|long] How long the fur is, which --cats may say. [default: long]" in text
    assert "--cats N How many there are at most. [default: 7]" in text
    assert "new The newest format: all about cats." in " ".join(run("convert", "--help").stdout.split())


@pytest.mark.parametrize("text", ["", "x", "512x", "1x2x3", "512,512", "a", "0", "64x0"])
def test_another_size_is_a_usage_error(text: str) -> None:
    result = CliRunner().invoke(main, ["models", "unet", "--size", text])
    assert result.exit_code == 2
    assert "must be" in result.output
