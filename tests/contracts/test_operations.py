"""What every operation must do: the same bytes wherever its items are run, and whenever it is killed and run again.

A new one is tested by being listed in tests/helpers/operations.py; a new format by being listed in READERS.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from carry_files import contents
from killing import Killer
from operations import (
    ANYWHERE,
    DATASETS,
    EXPORTS,
    OPERATIONS,
    RESUMED,
    Inputs,
    Outcome,
    Steps,
    older,
    open_made,
    outcome,
)
from segdata import Run
from segdata.cli import COMMANDS
from segdata.dataset.layout import CARD, JOURNAL, MANIFEST, OWN, RECEIPT
from segdata.errors import DatasetError

ITEMS: dict[str, Callable[[int], int]] = {
    "first": lambda count: 0,
    "middle": lambda count: count // 2,
    "last": lambda count: count - 1,
}

MARKS: dict[str, Any] = {
    "augment": [pytest.mark.torch, pytest.mark.skipif(not find_spec("albumentations"), reason="takes albumentations")]
}
NOTED = {"tile virtual": 0}
"""Which loop over items is noted in the journal, unless it is the last."""


def each(table: Iterable[str]) -> pytest.MarkDecorator:
    """A test for each operation of a table."""
    return pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in table])


@pytest.fixture(scope="session")
def killer() -> Iterator[Killer]:
    """What kills operations."""
    with Killer() as found:
        yield found


@pytest.fixture
def threads() -> Iterator[Executor]:
    """Three threads of this process."""
    with ThreadPoolExecutor(3) as pool:
        yield pool


@each(ANYWHERE)
@pytest.mark.parametrize(
    "workforce",
    [
        pytest.param(
            "threads", marks=pytest.mark.filterwarnings("ignore")
        ),  # which filters apply is no matter of threads
        pytest.param("processes", marks=pytest.mark.process),
        pytest.param("dask", marks=pytest.mark.net),
    ],
)
def test_the_bytes_of_one_process_come_from_any_workers(
    name: str,
    workforce: str,
    inputs: Inputs,
    undisturbed: Callable[[str], Outcome],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    alone = undisturbed(name)
    assert len(alone.result) > 3
    assert outcome(name, inputs, tmp_path / "out", request.getfixturevalue(workforce), chunk=2) == alone


@pytest.mark.process
@each(RESUMED)
@pytest.mark.parametrize("when", ITEMS)
def test_killed_and_run_again_the_bytes_are_those_of_an_undisturbed_run(
    name: str, when: str, inputs: Inputs, undisturbed: Callable[[str], Outcome], killer: Killer, tmp_path: Path
) -> None:
    """What was noted is not done again, what was not noted is, and nothing of the first run is left behind."""
    whole, out = undisturbed(name), tmp_path / "out"
    loop = NOTED.get(name, len(whole.totals) - 1)
    item = ITEMS[when](whole.totals[loop])
    assert killer.kill(name, inputs.root, out, loop, item) == signal.SIGKILL
    with pytest.raises(DatasetError, match="unfinished"):
        open_made(out)
    if item == 0:
        spoil(out)
    again = outcome(name, inputs, out)
    assert again.result == whole.result
    assert again.totals[loop] == whole.totals[loop] - item


@pytest.mark.process
@each(RESUMED)
def test_what_is_to_be_replaced_survives_a_kill(
    name: str, inputs: Inputs, undisturbed: Callable[[str], Outcome], killer: Killer, tmp_path: Path
) -> None:
    """And the same call goes on, beside it, until the new one is whole."""
    whole, out = undisturbed(name), tmp_path / "out"
    older(name, inputs, out)
    before = contents(out)
    loop = NOTED.get(name, len(whole.totals) - 1)
    item = whole.totals[loop] // 2
    assert killer.kill(name, inputs.root, out, loop, item) == signal.SIGKILL
    assert contents(out) == before
    steps = Steps()
    OPERATIONS[name](inputs, out, Run(track=steps), overwrite=True)
    assert contents(out) == whole.result
    assert steps.totals[loop] == whole.totals[loop] - item
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


NONE = {
    "detect", "stack", "info", "manifest", "preview", "monitor", "models", "train", "compare", "calibrate", "bundle", "serve",
    "view", "demo",
}  # fmt: skip
"""Commands that have no items, or whose items depend on one another (train, calibrate), or files without a manifest (stack)."""


def test_every_command_is_listed_or_has_no_items() -> None:
    assert {name.split()[0] for name in OPERATIONS} | NONE == set(COMMANDS)


@each(DATASETS)
def test_a_dataset_says_nothing_of_the_machine(
    name: str, inputs: Inputs, samples: Path, undisturbed: Callable[[str], Outcome]
) -> None:
    root = undisturbed(name).root
    texts = [(root / file).read_text() for file in (CARD, MANIFEST, RECEIPT)]
    assert not [text for text in texts if str(inputs.root) in text or str(samples) in text or str(root) in text]
    assert {path.name for path in root.iterdir()} <= set(OWN)


@each(EXPORTS)
def test_an_export_says_nothing_of_the_machine(
    name: str, inputs: Inputs, samples: Path, undisturbed: Callable[[str], Outcome]
) -> None:
    root = undisturbed(name).root
    data = b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())
    assert not [text for text in (inputs.root, samples, root) if str(text).encode() in data]


def spoil(out: Path) -> None:
    """Put in place of all files but the journal what is no image: they are not noted, and may be half written."""
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name != JOURNAL:
            path.unlink()
            path.write_bytes(b"half")
