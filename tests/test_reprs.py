"""What Python shows of a value is short, however much it holds: in a notebook, a debugger or a traceback."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segdata
from carry_files import make
from segdata import Labels, Problem, Report, Run, Sample, Shape
from segdata.dataset.dataset import Dataset
from segdata.metrics.confusion import Confusion, Tally
from segdata.readers.source import Receipt
from segdata.words import briefly

MANY = 3000
NAMES = [f"class {i}" for i in range(MANY)]
SHORT = 1500


def sample(number: int) -> Sample:
    counts = dict.fromkeys(range(MANY), 10)
    return Sample(id=f"{number:05d}", mask=f"{number}.png", height=1, width=1, counts=counts, sha256="0" * 64)


LARGE: dict[str, Any] = {
    "Dataset": Dataset(Path("data"), Labels.of(NAMES), [sample(i) for i in range(50)]),
    "Labels": Labels.of(NAMES),
    "Sample": sample(1),
    "Report": Report("skip", [Problem("x.y", "m" * 100)] * MANY),
    "Run": Run(report=Report("skip", [Problem("x.y", "m" * 100)] * MANY)),
    "Shape": Shape(1, b"0" * MANY, 7),
    "Tally": Tally(*np.zeros((3, MANY), np.int64)),
    "Confusion": Confusion(np.zeros((500, 501), np.int64)),
    "Receipt": Receipt(skipped=[Problem("x.y", "m" * 100)] * MANY, contested=3),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_value_is_shown_in_one_short_line(name: str) -> None:
    shown = repr(LARGE[name])
    assert len(shown) < SHORT
    assert "\n" not in shown
    assert shown.startswith(name)


def test_a_dataset_says_where_it_is_and_what_it_holds() -> None:
    assert repr(LARGE["Dataset"]) == (
        "Dataset('data', 50 samples, classes class 0, class 1, class 2, class 3, class 4 and 2995 more)"
    )


def test_arrays_are_told_by_shape_and_dtype() -> None:
    assert repr(LARGE["Tally"]).count("<(3000,) int64>") == 3


def test_results_of_operations_are_short(tmp_path: Path) -> None:
    """Also of many images and classes."""
    rng = np.random.default_rng(0)
    masks = {f"{i:03d}": rng.integers(0, 60, (8, 8)).astype(np.uint8) for i in range(60)}
    truth = make(tmp_path / "t", masks, names=NAMES[:60])
    pred = make(tmp_path / "p", {name: np.roll(mask, 1) for name, mask in masks.items()}, names=NAMES[:60])
    found = {
        "evaluate": segdata.evaluate(pred, truth, other=truth),
        "diff": segdata.diff(pred, truth),
        "agree": segdata.agree([pred, truth]),
        "stats": segdata.stats(truth),
        "class_counts": segdata.class_counts(truth),
        "split": segdata.split(truth, tmp_path / "s", ratios={"a": 0.5, "b": 0.5}),
    }
    for name, value in found.items():
        assert len(repr(value)) < 4 * SHORT, name
        assert "\n" not in repr(value), name


PUBLIC = [name for name, home in segdata._HOMES.items() if not home.startswith("nn.")]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_class_with_fields_shows_them_briefly(name: str) -> None:
    """Every one that may hold more than a few numbers; those of fixed size keep Python's own."""
    kind = getattr(import_module(f"segdata.{segdata._HOMES[name]}"), name)
    if not isinstance(kind, type) or not (dataclasses.is_dataclass(kind) or hasattr(kind, "__struct_fields__")):
        return
    fixed = {"Problem", "Label", "Window", "Refinement"}
    assert name in fixed or kind.__repr__ is briefly or name in {"Dataset", "Report"}
