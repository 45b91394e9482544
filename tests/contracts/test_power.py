"""Power cuts at any moment: what opens as a dataset is whole, and what does not is finished by the same command."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from carry_files import contents, make, random_masks
from operations import DATASETS, FRAME, Inputs, open_made, outcome
from power import MODES, Cut, Power, build
from segdata import Dataset, split
from segdata.dataset import dataset as datasets
from segdata.dataset import logs
from segdata.dataset.layout import JOURNAL
from segdata.errors import DatasetError
from segdata.files import durable

MARKS: dict[str, Any] = {
    "augment": [pytest.mark.torch, pytest.mark.skipif(not find_spec("albumentations"), reason="takes albumentations")]
}
MIDDLE = 2
"""How many moments are tried between the first two and the last nine, which are those of the records."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """The datasets that operations begin with."""
    return Inputs.made(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def power(tmp_path: Path) -> Iterator[Power]:
    """Follows what is written into a folder."""
    (tmp_path / "work").mkdir()
    found = Power(tmp_path / "work")
    yield found
    found.close()


def recorded(power: Power, run: Callable[[Path], Any]) -> list[Cut]:
    """The moments of a run into a folder `out`."""
    with pytest.MonkeyPatch.context() as patch:
        power.record(patch)
        run(power.root / "out")
        power.cut()
    return power.cuts


def some(cuts: list[Cut], seed: str) -> list[Cut]:
    """Those that are tried."""
    middle = cuts[2:-9]
    return [*cuts[:2], *random.Random(seed).sample(middle, min(MIDDLE, len(middle))), *cuts[2:][-9:]]


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in (*DATASETS, *FRAME)])
def test_after_a_power_cut_a_dataset_is_whole_or_made_so(
    name: str, inputs: Inputs, power: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "SYNC", 0.0)
    monkeypatch.setattr(logs, "SHARE", float("inf"))
    monkeypatch.setattr(os, "fsync", lambda file: None)  # the power stays on meanwhile
    monkeypatch.setattr(durable, "syncfs", lambda folder: True)
    cuts = recorded(power, lambda out: outcome(name, inputs, out))
    root, whole = power.root / "out", contents(power.root / "out")
    opened, tried = 0, []
    for number, cut in enumerate(some(cuts, name)):
        for mode in MODES:
            after = cut.after(mode, seed=number)
            if after in tried:
                continue
            tried.append(after)
            build(power.root, after)
            try:
                open_made(root)
            except DatasetError:
                outcome(name, inputs, root)
                assert contents(root) == whole, f"cut {number}, {mode}"
            else:
                opened += 1
                assert {**contents(root), JOURNAL: ""} == {**whole, JOURNAL: ""}, f"cut {number}, {mode}"
    assert opened > 1
    assert len(tried) > 5


def test_a_dataset_that_is_not_flushed_is_found_out(tmp_path: Path, power: Power) -> None:
    """Or the tests above show nothing."""
    source = make(tmp_path / "d", random_masks(4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "sync_tree", lambda root: None)
        patch.setattr(logs, "sync_tree", lambda root: None)
        cuts = recorded(power, lambda out: split(source, out, allow_missing=["all"]))
    build(power.root, cuts[-1].after("empty files"))
    assert len(Dataset.open(power.root / "out")) == 4
    assert {path.stat().st_size for path in power.root.rglob("*.png")} == {0}
