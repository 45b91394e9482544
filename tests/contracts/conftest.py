"""What the contracts over operations begin with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from operations import Inputs, Outcome, outcome


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """The datasets that operations begin with."""
    return Inputs.made(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="session")
def undisturbed(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Outcome]:
    """What an operation comes to in this process; each is run once."""
    found: dict[str, Outcome] = {}

    def run(name: str) -> Outcome:
        if name not in found:
            found[name] = outcome(name, inputs, tmp_path_factory.mktemp("undisturbed") / "out")
        return found[name]

    return run
