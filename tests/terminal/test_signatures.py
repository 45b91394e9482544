"""Signatures read from sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from segdata.errors import MissingDependency
from segdata.terminal.signatures import described, parameters, source

DOCSTRING = """Do it.

Args: in a sentence are not the block.

Args:
    first: One line.
    second: Two
        lines: with a colon.

    third: After a gap.
No more.
    fourth: Not this.
"""


def test_the_block_of_a_docstring() -> None:
    assert described(DOCSTRING) == {"first": "One line.", "second": "Two lines: with a colon.", "third": "After a gap."}
    assert described("Nothing of the kind.") == {}


def test_a_module_without_its_source_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation may hold compiled files alone."""
    import py_compile

    (tmp_path / "compiled_alone.py").write_text("def f(a: int) -> None: ...")
    py_compile.compile(str(tmp_path / "compiled_alone.py"), str(tmp_path / "compiled_alone.pyc"))
    (tmp_path / "compiled_alone.py").unlink()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependency, match=r"compiled_alone: its source \(.py\) is missing.*pip install"):
        parameters("compiled_alone:f")
    with pytest.raises(MissingDependency, match="no_such_module"):
        source("no_such_module")
