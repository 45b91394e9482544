"""The profile that a training leaves: what its best checkpoint says of the validation images, and what of it is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

import segdata  # noqa: E402
from segdata.errors import DataError  # noqa: E402
from segdata.files.places import file_digest  # noqa: E402
from segdata.nn import ending  # noqa: E402
from segdata.nn.predictor import load  # noqa: E402
from segdata.prediction.profile import read_profile  # noqa: E402
from segdata.prediction.signals import EDGES  # noqa: E402
from train_files import QUICK, scenes  # noqa: E402


def binned(confidences: Any) -> Any:
    """How many lie in each bin."""
    bins = (np.searchsorted(EDGES, confidences, side="right") - 1).clip(0, len(EDGES) - 1)
    return np.bincount(bins.ravel(), minlength=len(EDGES))


def test_it_holds_what_predict_gives(tmp_path: Path) -> None:
    """Counted anew from the checkpoint's own probabilities; each image is one window."""
    dataset = scenes(tmp_path / "d", val=5, sizes=[(24, 32)] * 10 + [(31, 40), (16, 20), (17, 23)])
    segdata.train(dataset, tmp_path / "run", **{**QUICK, "epochs": 6}, resize=(16, 20))
    model = load(tmp_path / "run" / "best.pt", trust_code=True)
    profile = read_profile(tmp_path / "run" / "profile.jsonl")
    assert profile.labels == dataset.labels
    assert profile.about.model == file_digest(tmp_path / "run" / "best.pt")
    assert profile.about.temperature == model.temperature != 1
    val = dataset.split("val")
    assert [row.id for row in profile.rows] == [sample.id for sample in val]
    segdata.predict(tmp_path / "run" / "best.pt", val, tmp_path / "pred", trust_code=True)
    predicted = segdata.Dataset.open(tmp_path / "pred")
    signals = read_profile(tmp_path / "pred" / "signals.jsonl")
    assert signals.about.whose == profile.about.whose
    for own, row in zip(signals.rows, profile.rows, strict=True):
        assert own.pixels == row.pixels
        assert own.confidence == pytest.approx(row.confidence, rel=1e-5)  # the number of threads differs
        same = ("id", "height", "width", "brightness", "contrast", "blur", "embedding", "group")
        assert [getattr(own, name) for name in same] == [getattr(row, name) for name in same]
    assert (16, 20) in [sample.size for sample in val]
    for row, sample, mine in zip(profile.rows, val, predicted, strict=True):
        truth, mask = dataset.read_mask(sample), predicted.read_mask(mine)
        assert row.pixels == [int((mask == k).sum()) for k in range(3)]
        assert row.judged is not None
        assert row.right is not None
        assert sum(row.judged) == (truth != 255).sum()
        assert sum(row.right) == ((truth == mask) & (truth != 255)).sum()
        probs = model(model.recipe.prepare(dataset.read_image(sample))[None])[0]
        if sample.size == (16, 20):  # which the model sees as it is
            found = np.cumsum(row.histogram)
            least, most = (binned(probs.max(0) + error) for error in (1e-6, -1e-6))  # the number of threads differs
            assert (np.cumsum(least) <= found).all()
            assert (found <= np.cumsum(most)).all()
            assert found[-1] == probs[0].size


def test_it_is_that_of_the_best_checkpoint_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was stopped before it was written writes it, and the same; a finished run leaves it as it is."""
    dataset = scenes(tmp_path / "d")
    segdata.train(dataset, tmp_path / "whole", **QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(ending, "slide", lambda *given, **more: iter([ending.Failed(None, PROBLEM)]))
        with pytest.raises(DataError, match="cannot be read"):
            segdata.train(dataset, tmp_path / "cut", **QUICK)
    assert not (tmp_path / "cut" / "profile.jsonl").exists()
    segdata.train(dataset, tmp_path / "cut", **QUICK)
    whole, cut = (read_profile(tmp_path / run / "profile.jsonl") for run in ("whole", "cut"))
    assert whole.rows == cut.rows
    monkeypatch.setattr(ending, "slide", None)
    before = (tmp_path / "cut" / "profile.jsonl").read_bytes()
    segdata.train(dataset, tmp_path / "cut", **QUICK)
    assert (tmp_path / "cut" / "profile.jsonl").read_bytes() == before


PROBLEM = segdata.Problem("image.damaged", "cannot be read", "x.png", "val/008")
