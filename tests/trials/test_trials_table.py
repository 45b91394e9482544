"""Every input on which users failed has a test that gives it to a command."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from trial_files import trial

HERE = Path(__file__).parent


def literals(file: Path) -> set[str]:
    """The texts in the code of a test file, docstrings apart."""
    tree = ast.parse(file.read_text())
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.data
@pytest.mark.parametrize("table", ["conversion", "large", "statistics"])
def test_every_input_is_tested(table: str) -> None:
    words = {part for file in HERE.glob("test_trials_*.py") for text in literals(file) for part in text.split("/")}
    folders = [path for path in sorted(trial(table).iterdir()) if path.is_dir()]
    inputs = [inner for path in folders for inner in (sorted(path.iterdir()) if path.name == "dm" else [path])]
    assert inputs
    assert [path.name for path in inputs if path.name not in words] == []
