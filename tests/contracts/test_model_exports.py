"""Every model, over any encoder, as an ONNX file of any size that agrees with it. A new one is tested by being listed.

Exporting checks by itself that the file gives what the model gives, on noise of several sizes, and refuses it otherwise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import segdata  # noqa: E402
from exported_models import checkpoint_of  # noqa: E402
from segdata.nn.models import ENCODERS, MODELS  # noqa: E402

LIGHT = "resnet18"
"""The encoder that is exported fastest."""

DEEPER = {"resnet34", "vgg19", "vgg19_bn", "efficientnet_lite1", "efficientnet_lite2"}
"""Encoders made of the same blocks as another one, only of more."""

CASES: list[tuple[str, str | None, dict[str, Any]]] = [
    ("unet", None, {"width": 4, "depth": 2}),
    *((model, LIGHT, {}) for model in MODELS),
    *(("unet", encoder, {}) for encoder in ENCODERS if encoder not in {LIGHT, *DEEPER}),
    ("deeplabv3plus", "mobilenet_v2", {}),
    ("deeplabv2", LIGHT, {"multiscale": True}),
    ("unet", LIGHT, {"decoder": "bilinear"}),
    ("unet", LIGHT, {"decoder": "pix2pix"}),
]

CLOSE = {"segnet": 0.05}
"""By how much probabilities may differ: where SegNet's poolings nearly tie, rounding decides where a value is put."""


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(torch.compiler, "is_exporting"), reason="torch.export of this torch fixes sizes")
@pytest.mark.parametrize(("model", "encoder", "options"), CASES, ids=str)
def test_as_onnx_it_takes_any_size_and_gives_what_it_gave(
    model: str, encoder: str | None, options: dict[str, Any], tmp_path: Path
) -> None:
    path = checkpoint_of(tmp_path / "a.pt", model, encoder, **options)
    made = segdata.export_onnx(path, tmp_path / "a.onnx", no_verify=True)
    assert made.about.size is None
    assert made.about.least <= 33
    before, after = segdata.load_predictor(path), segdata.load_predictor(tmp_path / "a.onnx")
    for size in ((2, 37, 101, 3), (1, 128, 65, 3)):
        image = np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)
        wanted, found = before.both(image), after.both(image)  # type: ignore[attr-defined]
        np.testing.assert_allclose(found[0], wanted[0], atol=CLOSE.get(model, 1e-3))
        assert (found[0].argmax(1) != wanted[0].argmax(1)).mean() < (1e-2 if model in CLOSE else 1e-3)
        np.testing.assert_allclose(found[1], wanted[1], rtol=1e-3, atol=1e-3 * np.abs(wanted[1]).max())
