"""What trials of training found, from the command line: what is said first, in which precision, on which bands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("albumentations")

from segdata import Dataset
from train_files import scenes

pytestmark = [pytest.mark.process, pytest.mark.torch]

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "--epochs",
    "1",
    "--batch",
    "4",
    "--model-option",
    "width=4",
    "--threads",
    "1",
    "--images",
    "0",
    "--no-tensorboard",
)


def segdata(*arguments: object, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "segdata", *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": path, **environment}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == code, done.stderr
    return done


def test_bf16_on_a_cpu_without_its_instructions(tmp_path: Path) -> None:
    """Computed in float32, to the same weights; one line says so, and names the option to leave out."""
    scenes(tmp_path / "d")
    mixed = segdata("train", tmp_path / "d", tmp_path / "a", *SMALL, "--precision", "bf16", ONEDNN_MAX_CPU_ISA="SSE41")
    plain = segdata("train", tmp_path / "d", tmp_path / "b", *SMALL, ONEDNN_MAX_CPU_ISA="SSE41")
    (note,) = [line for line in mixed.stderr.splitlines() if "bf16" in line]
    assert note.startswith("note: this CPU has no instructions for bf16")
    assert note.endswith("without --precision bf16")
    assert "bf16" not in plain.stderr
    losses = [(tmp_path / run / "metrics.csv").read_text().splitlines()[1].split(",")[3] for run in "ab"]
    assert losses[0] == losses[1]


def test_training_says_first_what_will_happen(tmp_path: Path) -> None:
    scenes(tmp_path / "d")
    told = segdata("train", tmp_path / "d", tmp_path / "run", *SMALL).stderr.splitlines()
    assert told[0] == "device:      cpu, threads: 1, float32"
    assert told[1].startswith("model:       unet, ")
    assert told[2] == "samples:     8 to train on (train), 4 to validate on (val)"
    assert told[3] == "updates:     2 = 1 epochs of 2, 4 samples each"
    assert told[4] == "batch norm:  measured anew on 8 training samples before validation, while updates are few"
    assert not any("\r" in line for line in told)
    odd = segdata(
        "train", tmp_path / "d", tmp_path / "odd", *SMALL[2:], "--epochs", 1, "--batch", 5
    ).stderr.splitlines()
    assert odd[4].startswith("batch norm:  measured anew on 8 training"), "the last batch of an epoch is filled up"


@pytest.mark.parametrize("bands", [4, 8])
def test_a_preset_on_other_bands(tmp_path: Path, bands: int) -> None:
    """The colour steps are left out, mean and standard deviation are the dataset's, and the run's recipe says so."""
    rasterio = pytest.importorskip("rasterio")
    dataset, samples = scenes(tmp_path / "d"), []
    for sample in dataset:
        path = (dataset.root / str(sample.image)).with_suffix(".tif")
        pixels = np.resize(dataset.read_image(sample).transpose(2, 0, 1), (bands, sample.height, sample.width))
        with rasterio.open(
            path, "w", driver="GTiff", height=sample.height, width=sample.width, count=bands, dtype="uint8",
            crs="EPSG:32633", transform=rasterio.Affine(0.5, 0, 9e5, 0, -0.5, 5e6), photometric="MINISBLACK", alpha="no",
        ) as file:  # fmt: skip
            file.write(pixels)
        samples.append(msgspec.structs.replace(sample, image=f"images/{sample.id}.tif"))
    Dataset(dataset.root, dataset.labels, samples, {}, "copy").save()
    done = segdata("train", tmp_path / "d", tmp_path / "run", *SMALL, "--recipe", "strong")
    (note,) = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    left_out = "ColorJitter, ToGray"
    means = "normalises by the dataset's mean and standard deviation"
    assert f"images of {bands} bands: the preset strong leaves out {left_out} and {means}" in note
    recipe = (tmp_path / "run" / "recipe.yaml").read_text()
    assert "ColorJitter" not in recipe
    assert "ToGray" not in recipe
    assert "imagenet" not in recipe
