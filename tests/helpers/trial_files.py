"""The inputs in ../shared/trials, on which users failed, and the command line as they call it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from segdata.cli import main

TRIALS = Path(__file__).resolve().parents[3] / "shared/trials"


def trial(name: str) -> Path:
    """An input by its path, such as `conversion/p_case`; the test is skipped if it is absent."""
    if not (TRIALS / name).exists():
        pytest.skip("the trials in ../shared/trials are not here")
    return TRIALS / name


def run(*arguments: object, code: int | None = None) -> Result:
    """The command with these arguments, which must end with this exit code, if one is given, and never with a traceback."""
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert code is None or result.exit_code == code, result.output
    return result
