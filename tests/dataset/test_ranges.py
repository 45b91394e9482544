"""A manifest with numbers and names that cannot be: one line that names the manifest's line and id, when it is opened."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from carry_files import make
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.dataset.layout import MANIFEST
from segdata.errors import DatasetError

MASKS = {f"val/{i}": np.full((6, 8), i % 3, np.uint8) for i in range(4)}
TILING = {"parent": [6, 8], "scale": 1.0, "pad": "zero"}

BAD: list[dict[str, Any]] = [
    {"height": 10**12}, {"width": 10**30}, {"height": -6}, {"height": 0}, {"width": 0}, {"height": 6.5},
    {"window": [-1, 0, 6, 8]}, {"window": [0, 0, 0, 8]}, {"crop": [0, -3, 6, 8]}, {"crop": [0, 0, 6, -8]},
    {"crop": [0, 10**12, 6, 8]}, {"tiling": {**TILING, "parent": [0, 8]}}, {"tiling": {**TILING, "parent": [6, 2**31]}},
    {"tiling": {**TILING, "scale": 0}}, {"tiling": {**TILING, "scale": -1}}, {"tiling": {**TILING, "scale": 1e300}},
    {"counts": {"0": -48}}, {"counts": {"-1": 48}}, {"counts": {"77": 48}}, {"counts": {"256": 48}}, {"counts": {"0": 2**63}},
    {"counts": {"65536": 48}}, {"counts": {"car": 48}},
    {"parent": ""}, {"parent": "x" * 256}, {"parent": "\u00e4" * 128},
]  # fmt: skip


def damaged(dataset: Dataset, old: bytes, new: bytes) -> Path:
    """Change the bytes of a manifest."""
    path = Path(str(dataset.root)) / MANIFEST
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    return path


def edited(dataset: Dataset, **fields: Any) -> Path:
    """Change the third line of a manifest."""
    path = Path(str(dataset.root)) / MANIFEST
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[2].update(fields)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def refused(path: Path, id: str = "val/2: ") -> str:
    """The one line that says why a dataset cannot be opened: by the library and by the command."""
    with pytest.raises(DatasetError) as caught:
        Dataset.open(path.parent)
    result = CliRunner().invoke(main, ["info", str(path.parent)])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"error: {caught.value}\n")
    start, end = f"{path}: line 3: {id}", ": put it back, or convert again"
    assert str(caught.value).startswith(start)
    assert str(caught.value).endswith(end)
    return str(caught.value).removeprefix(start).removesuffix(end)


@pytest.mark.parametrize("fields", BAD, ids=str)
def test_what_cannot_be_is_refused_with_its_line_and_id(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert refused(edited(make(tmp_path / "d", MASKS), **fields))


@pytest.mark.parametrize("scale", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_scale_is_a_number(tmp_path: Path, scale: str) -> None:
    dataset = make(tmp_path / "d", MASKS)
    edited(dataset, tiling={**TILING, "scale": 0.125})
    assert refused(damaged(dataset, b"0.125", scale.encode()), "")


@pytest.mark.parametrize("id", ["x" * 256, "a/" + "\U0001f600" * 64])
def test_an_id_too_long_for_a_file(tmp_path: Path, id: str) -> None:
    what = refused(edited(make(tmp_path / "d", MASKS), id=id), f"{id[:255]}: ")
    assert what == "its id or parent has a part of 256 bytes, 255 are allowed"


@pytest.mark.parametrize("field", ["id", "split", "parent", "mask", "group"])
def test_half_a_character_in_a_name(tmp_path: Path, field: str) -> None:
    """JSON can spell one half of a pair of surrogates, which no file and no terminal can hold."""
    dataset = make(tmp_path / "d", MASKS)
    edited(dataset, **{field: "val/QQ"})
    assert "surrogate" in refused(damaged(dataset, b"QQ", rb"\udc80"), "")


def test_the_greatest_that_can_be_is_read(tmp_path: Path) -> None:
    fields = {
        "height": 2**31 - 1, "width": 1, "window": [2**31 - 1, 0, 2**31 - 1, 1], "counts": {"0": 2**31 - 1, "255": 0},
        "parent": "y" * 255, "id": "val/" + "z" * 255, "tiling": {"parent": [2**31 - 1, 1], "scale": 1e-300, "pad": "zero"},
    }  # fmt: skip
    path = edited(make(tmp_path / "d", MASKS), **fields)
    assert Dataset.open(path.parent).samples[2].size == (2**31 - 1, 1)


@pytest.mark.parametrize("fields", [{"height": 0}, {"counts": {"77": 48}}, {"parent": "x" * 256}], ids=str)
def test_a_part_of_a_manifest_is_refused_as_well(tmp_path: Path, fields: dict[str, Any]) -> None:
    dataset = make(tmp_path / "d", MASKS)
    edited(dataset, **fields)
    lines = (dataset.root / MANIFEST).read_bytes().splitlines(keepends=True)
    dataset.save(part=4)
    (part,) = (Path(str(dataset.root)) / "manifest").iterdir()
    index = json.loads((dataset.root / MANIFEST).read_bytes())
    part.write_bytes(b"".join(lines))
    (dataset.root / MANIFEST).write_text(json.dumps({**index, "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}))
    damaged(dataset, b'{"part": ', b'{"part":')
    with pytest.raises(DatasetError, match=f"{part}"):
        list(Dataset.open(dataset.root))


@pytest.mark.parametrize("samples", [0, -1, 2**60])
def test_a_part_does_not_claim_more_samples_than_memory_holds(tmp_path: Path, samples: int) -> None:
    dataset = make(tmp_path / "d", MASKS)
    dataset.save(part=4)
    damaged(dataset, b'"samples":4', f'"samples":{samples}'.encode())
    with pytest.raises(DatasetError, match=r"samples: expected int [<>]="):
        Dataset.open(dataset.root)
