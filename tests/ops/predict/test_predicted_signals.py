"""signals.jsonl of predictions: what is known of each image, the same however it was made."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from carry_files import make
from predictors import ByColour, Plain, surroundings
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.labels import Labels
from segdata.ops.predict.operation import predict
from segdata.prediction.profile import read_profile
from segdata.prediction.signals import measured
from segdata.prediction.sliding import Input
from segdata.prediction.windows import Sliding

LABELS = Labels.of(["road", "car", "sign"])


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    rng = np.random.default_rng(0)
    made = make(
        tmp_path / "in",
        {f"val/{i}": rng.integers(0, 3, (20 + i, 30)) for i in range(5)},
        names=LABELS.names,
        images="copy",
    )
    for sample in made:
        Image.fromarray(rng.integers(0, 256, (*sample.size, 3)).astype(np.uint8)).save(
            tmp_path / "in" / str(sample.image)
        )
    grouped = [msgspec.structs.replace(sample, group="drive" if i < 2 else None) for i, sample in enumerate(made)]
    return replace(made, samples=grouped)


def test_they_are_those_of_the_images_in_order(dataset: Dataset, tmp_path: Path) -> None:
    model = Plain(LABELS, surroundings)
    out = predict(model, dataset, tmp_path / "out", size=(16, 16), batch=1)
    found = read_profile(out.root / "signals.jsonl")
    images = [Input(s, partial(dataset.open_image, s)) for s in sorted(dataset, key=lambda s: s.id)]
    wanted = list(measured(images, model, Sliding((16, 16), batch=1), name=lambda s: (s.id, s.group)))
    assert list(found.rows) == wanted
    assert (found.labels, found.about.model, found.about.temperature) == (LABELS, None, 1.0)
    for row, sample in zip(found.rows, out, strict=True):
        assert (row.id, row.height, row.width) == (sample.id, *sample.size)
        assert row.pixels == [sample.counts.get(i, 0) for i in range(3)]
    assert [row.group for row in found.rows] == ["drive", "drive", None, None, None]


def test_a_tile_is_measured_without_its_padding(tmp_path: Path) -> None:
    from segdata.windows import Window

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    pixels[12:] = pixels[:, 20:] = 0
    tile = make(
        tmp_path / "t", {"a@0": np.zeros((32, 32), int)}, names=LABELS.names, images="copy",
        fields={"a@0": {"parent": "a", "window": Window(0, 0, 12, 20)}},
    )  # fmt: skip
    Image.fromarray(pixels).save(tmp_path / "t" / str(tile.samples[0].image))
    (row,) = read_profile(predict(ByColour(LABELS), tile, tmp_path / "out").root / "signals.jsonl").rows
    assert (row.total, row.group) == (12 * 20, "a")
    assert row.brightness == pytest.approx(pixels[:12, :20].mean() / 255, rel=1e-4)


def test_without_when_told(dataset: Dataset, tmp_path: Path) -> None:
    predict(ByColour(LABELS), dataset, tmp_path / "out")
    assert (tmp_path / "out/signals.jsonl").is_file()
    predict(ByColour(LABELS), dataset, tmp_path / "out", signals=False, overwrite=True)
    assert not (tmp_path / "out/signals.jsonl").exists()


def test_the_command_has_the_option() -> None:
    shown = CliRunner().invoke(main, ["predict", "--help"]).stdout
    assert "--no-signals" in shown


def test_an_exported_model_says_which_checkpoint_it_is_of(dataset: Dataset, tmp_path: Path) -> None:
    class Exported(ByColour):
        checkpoint = "c" * 64
        temperature = 1.5

    out = predict(Exported(LABELS), dataset, tmp_path / "out")
    about = read_profile(out.root / "signals.jsonl").about
    assert (about.origin, about.temperature) == ("c" * 64, 1.5)
