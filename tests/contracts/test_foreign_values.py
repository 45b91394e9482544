"""A mask with a value that is no class: every operation that reads it names sample and value, and none passes the value on."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from operations import OPERATIONS, Inputs
from segdata import Dataset, Run
from segdata.errors import DataError, Report
from segdata.files.opening import open_mask

VALUE = 77
NUMBER = 2
"""Which sample of each dataset has the value."""

TAKES = {
    "join": ("whole", "other"), "tile": ("whole",), "tile virtual": ("whole",), "split": ("whole",), "select": ("whole",),
    "remap": ("whole",),
    "stitch": ("tiles",), "stitch to polygons": ("tiles",), "untile": ("tiles",), "augment": ("whole",), "refine": ("pred",),
    "pick": ("pred",), "stats": ("whole",),
    "agree": ("whole", "pred", "tiles"), "agree by majority": ("whole", "pred"), "agree by staple": ("whole", "pred"),
    "check": ("other",), "diff": ("pred", "whole"), "evaluate": ("pred", "whole"), "suspects": ("pred", "whole"),
    **{name: ("whole",) for name in OPERATIONS if name.startswith("export ")},
    "predict": (), "predict by a file": (), "predict by an ONNX file": (), "mosaic": ("scenes",),
}  # fmt: skip
"""The datasets whose masks an operation reads."""


COPIED = {"export folders", "export webdataset"}
"""What copies the files of masks, which must be those of the manifest, byte by byte."""


def test_every_operation_is_here() -> None:
    assert OPERATIONS.keys() - TAKES.keys() == {name for name in OPERATIONS if name.startswith("convert ")}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """The datasets that operations begin with, each with one foreign pixel."""
    made = Inputs.made(tmp_path_factory.mktemp("foreign"))
    for name in ("whole", "other", "tiles", "pred", "scenes"):
        dataset = getattr(made, name)
        path = dataset.root / dataset.samples[NUMBER].mask
        mask = np.array(Image.open(path))
        mask[3, 5] = VALUE
        path.unlink()  # a linked one stays
        Image.fromarray(mask).save(path)
    return made


EACH = pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[
                pytest.mark.torch,
                pytest.mark.skipif(not find_spec("albumentations"), reason="takes albumentations"),
            ]
            if name == "augment"
            else [],
        )
        for name in TAKES
    ],
)


def sources(name: str, inputs: Inputs) -> list[str]:
    """The ids of the samples with the value that an operation reads."""
    return [getattr(inputs, source).samples[NUMBER].id for source in TAKES[name]]


def parents(name: str, inputs: Inputs) -> list[str | None]:
    """The images that they are of, all of which is left out where tiles are put together."""
    return [getattr(inputs, source).samples[NUMBER].parent for source in TAKES[name] if source == "tiles"]


def clean(made: Dataset) -> bool:
    """Whether no mask of a dataset has the value."""
    for sample in made:
        with open_mask(made.inside(sample.mask)) as mask:
            if VALUE in mask.read():
                return False
    return True


@EACH
def test_it_stops_with_sample_and_value(name: str, inputs: Inputs, tmp_path: Path) -> None:
    if not TAKES[name] or name == "check":
        found: Any = OPERATIONS[name](inputs, tmp_path / "out", Run())
        assert clean(found) if isinstance(found, Dataset) else "77 (1 pixels)" in json.dumps(found.to_json())
        return
    with pytest.raises(DataError) as caught:
        OPERATIONS[name](inputs, tmp_path / "out", Run())
    assert caught.value.problem.sample in sources(name, inputs)
    if name in COPIED:
        assert caught.value.problem.code == "mask.changed"
        return
    words = "the mask holds values that are no class: 77 (1 pixels): was it replaced? convert again [mask.values]"
    assert str(caught.value).endswith(words)


@EACH
def test_it_leaves_out_the_sample(name: str, inputs: Inputs, tmp_path: Path) -> None:
    report = Report("skip")
    found: Any = OPERATIONS[name](inputs, tmp_path / "out", Run(report=report))
    bad = sources(name, inputs) if name != "check" else []
    assert {problem.sample for problem in report.problems} <= set(bad)
    assert bool(report.problems) == bool(bad)
    if isinstance(found, Dataset):
        assert clean(found)
        assert found.samples
        assert not {*bad, *parents(name, inputs)} & {sample.parent or sample.id for sample in found}
