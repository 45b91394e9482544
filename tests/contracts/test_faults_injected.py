"""Every call of the operating system that an operation makes may fail, and nothing is lost.

What was at the destination before is there after, or the new dataset is whole; the error is one line that names a file; no file
is left half written; and the same call, repeated, comes to the bytes of an undisturbed run.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from carry_files import contents
from injecting import ERRORS, Faults, injected
from operations import DATASETS, FRAME, MADE, Inputs, older, open_made
from segdata import Run
from segdata.dataset.layout import JOURNAL
from segdata.errors import DatasetError, SegdataError

COMPLETE = ("convert masks", "stitch", "export webdataset")
"""Operations of which every call is tried: together they write all that there is. Of others some are; with `-m slow` all."""
SOME = 4
"""How many calls of a kind are tried of the others."""
MARKS: dict[str, Any] = {
    "augment": [pytest.mark.torch, pytest.mark.skipif(not find_spec("albumentations"), reason="takes albumentations")]
}
EACH = [pytest.param(name, marks=MARKS.get(name, [])) for name in (*DATASETS, *FRAME)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """The datasets that operations begin with, of three samples each."""
    return Inputs.made(tmp_path_factory.mktemp("inputs")).shortened(3)


class Place:
    """A folder in which an operation is run again and again, from the same start."""

    def __init__(self, root: Path, operate: Callable[..., Any], old: Path | None) -> None:
        self.root, self.out, self.operate, self.old = root, root / "out", operate, old
        self.before: dict[str, str] = {} if old is None else contents(old)
        self.counted, error = self.run(Faults(root))
        assert error is None
        self.new = contents(self.out)

    def run(self, faults: Faults) -> tuple[Faults, BaseException | None]:
        """What came of it with a fault."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()
        if self.old is not None:
            shutil.copytree(self.old, self.out)
        try:
            with injected(faults):
                self.operate(self.out)
        except Exception as error:  # noqa: BLE001 - which one it is, is the question
            return faults, error
        return faults, None

    def wrong(self, faults: Faults, error: BaseException | None) -> Iterator[str]:
        """What should not be so, after a run with a fault."""
        there = contents(self.out) if self.out.exists() else {}
        there.pop(JOURNAL, None)
        if error is None and there != self.new:
            yield "it ended as if nothing had happened, with other files"
        if error is not None and not isinstance(error, OSError | SegdataError):
            yield f"raised {error!r}"
        if isinstance(error, OSError) and not (error.filename or error.filename2):
            yield f"{error!r} names no file"
        if self.old is not None and there not in (self.before, self.new):
            yield "the old dataset is neither there nor replaced by a whole one"
        if self.old is None and opens(self.out) and there != self.new:
            yield "half a dataset opens"
        left = [str(path.relative_to(self.root)) for path in self.root.rglob("*.partial*") if path.is_file()]
        left = [path for path in left if not path.startswith("out.partial/") or path.count(".partial") > 1]
        if left and faults.kind != "unlink":
            yield f"left {left}"

    def again(self) -> Iterator[str]:
        """What should not be so once the same is done again, without a fault."""
        try:
            if not opens(self.out) or contents(self.out) != self.new:
                self.operate(self.out)
        except (OSError, SegdataError) as error:
            yield f"repeated, it fails: {error}"
        else:
            if contents(self.out) != self.new or os.listdir(self.root) != ["out"]:
                yield "repeated, it comes to other files"


def opens(root: Path) -> bool:
    """Whether there is a whole dataset or export."""
    try:
        open_made(root)
    except DatasetError:
        return False
    return True


def tried(calls: int, name: str, *, every: bool) -> list[int]:
    """Which of so many calls fail: all, or some, the first and the last among them."""
    if every or calls <= SOME:
        return list(range(calls))
    return sorted({0, calls - 1, *random.Random(name).sample(range(calls), SOME - 2)})


@pytest.mark.parametrize("old", [False, True], ids=["nothing there", "an old dataset"])
@pytest.mark.parametrize("name", EACH)
def test_whatever_call_fails_nothing_is_lost(
    name: str, old: bool, inputs: Inputs, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    more: dict[str, Any] = {"overwrite": True} if old else {}
    if name == "split":  # of three samples
        more["allow_missing"] = ["all"]
    before = None
    if old:
        before = tmp_path / "old"
        older(name, inputs, before)
    place = Place(tmp_path / "place", lambda out: MADE[name](inputs, out, Run(), **more), before)
    assert set(place.counted.counts) >= {"open", "write", "mkdir"}
    every = request.config.getoption("-m") == "slow"
    found = []
    for kind, errors in ERRORS.items():
        for number in tried(place.counted.counts[kind], name, every=every or name in COMPLETE):
            for error in errors if every else (errors[number % len(errors)],):
                faults, raised = place.run(Faults(place.root, kind, number, error))
                what = [*place.wrong(faults, raised), *place.again()]
                found += [f"{faults.failed}, number {number}, {os.strerror(error)}: {one} ({raised!r})" for one in what]
    assert not found, f"{len(found)}:\n" + "\n".join(found[:200])
