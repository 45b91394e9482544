"""The documents are true: their commands and code run, and generated pages are current."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from segdata.cli import main

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.torch
def test_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("segdata ")]
    assert len(lines) >= 3
    if find_spec("torch") is None:
        lines = lines[: next(i for i, line in enumerate(lines) if line.startswith("segdata augment "))]
    outputs = []
    for line in lines:
        result = CliRunner().invoke(main, shlex.split(line, comments=True)[1:])
        assert result.exit_code == 0, (line, result.output)
        outputs.append(result.stdout)
    assert any(shown.strip() == output.strip() for shown in blocks("text") for output in outputs)
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


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
