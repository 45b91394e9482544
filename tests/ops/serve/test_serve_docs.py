"""docs/serve.md is true: its examples run, and its tables are those of the code."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from segdata import serve
from segdata.cli import main
from segdata.ops.serve import operation

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs/serve.md").read_text()
URL = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def rows(head: str) -> list[list[str]]:
    """The rows of the table that begins so."""
    (body,) = re.findall(rf"^\| {head} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in body.splitlines()]


def test_defaults_are_those_of_the_function() -> None:
    given = inspect.signature(serve).parameters
    told = {row[0]: row[1] for row in rows("option")}
    assert len(told) == 5
    for option, default in told.items():
        assert float(default) == given[option.strip("`-").replace("-", "_")].default


def test_errors_are_those_of_the_code() -> None:
    from segdata.ops.serve.app import ELSEWHERE

    source = "\n".join(path.read_text() for path in Path(operation.__file__).parent.glob("*.py"))
    thrown = set(re.findall(r'Refusal\(\s*(\d{3}), "(\w+)"', source)) - {("500", "model")}
    told = {(row[0], code) for row in rows("status") for code in re.findall(r"`([\w.]+)`", row[1])}
    assert thrown <= told
    named = {code for _, code in told if not code.startswith("image.")}
    assert named == {code for _, code in thrown} | {"model", "http"}
    assert (", ".join(map(str, ELSEWHERE)), "http") in told


def test_the_service_starts_as_is_said() -> None:
    command = main.get_command(click.Context(main), "serve")
    assert command is not None
    lines = [shlex.split(line, comments=True) for block in blocks("bash") for line in block.splitlines()]
    started = [line[2:] for line in lines if line[:2] == ["segdata", "serve"]]
    started += [re.sub(r"\s+", " ", text).split()[1:] for text in re.findall(r"`(segdata-serve .*?)`", TEXT, re.DOTALL)]
    assert len(started) == 2
    for arguments in started:
        command.make_context("serve", arguments)


@pytest.mark.process
@pytest.mark.net
def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fastapi", "httpx", "prometheus_client"):
        pytest.importorskip(name)
    from serving import serving

    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)).save("photo.jpg")
    with serving("surroundings", signals=str(tmp_path / "s.jsonl")) as service:
        (code,) = blocks("python")
        names: dict[str, object] = {}
        exec(compile(code.replace(URL, service.url), "serve.md", "exec"), names)
        mask = names["mask"]
        assert isinstance(mask, np.ndarray)
        assert mask.shape == (30, 40)
        if shutil.which("curl"):
            asked = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("curl ")]
            assert len(asked) == 4
            for line in asked:
                done = subprocess.run(
                    ["bash", "-c", line.replace(URL, service.url).replace("curl", "curl -sSf", 1)], capture_output=True
                )
                assert done.returncode == 0, (line, done.stderr)
            assert np.array_equal(np.asarray(Image.open("mask.png")), mask)
            assert np.array_equal(np.asarray(Image.open("colours.png")), mask)
            assert json.loads(Path("regions.geojson").read_text())["features"]
            assert json.loads(done.stdout)["width"] == 40
        found = service.figures()
    told = {name for row in rows("name") for name in re.findall(r"`(segdata_\w+)`", row[0])}
    there = {re.sub(r"_(count|sum|bucket)$", "", name.partition("{")[0]) for name in found}
    there = {name for name in there if name.startswith("segdata_") and not name.endswith("_created")}
    assert told - {"segdata_errors_total"} == there, "none was refused"
