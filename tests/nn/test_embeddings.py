"""Embeddings of models: the mean of the encoder's last map, with the same probabilities, in any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from segdata.files.rasters import WholeRaster  # noqa: E402
from segdata.labels import Labels  # noqa: E402
from segdata.nn.embedding import Embedding, embedding_of  # noqa: E402
from segdata.nn.models import MODELS, build  # noqa: E402
from segdata.nn.models.base import pad  # noqa: E402
from segdata.nn.predictor import TorchPredictor  # noqa: E402
from segdata.nn.standardise import Standardise  # noqa: E402
from segdata.prediction.signals import Signals, measured  # noqa: E402
from segdata.prediction.sliding import Input  # noqa: E402
from segdata.prediction.windows import Sliding  # noqa: E402
from segdata.recipes.recipe import Recipe  # noqa: E402

LABELS = Labels.of(["a", "b", "c"])


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def predictor(model: Any) -> TorchPredictor:
    recipe = Recipe()
    device = torch.device("cpu")
    return TorchPredictor(model.eval(), Standardise(recipe, 3), LABELS, recipe, 3, "softmax", device)


def pixels(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 37, 50, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", [*MODELS, "own unet"])
def test_every_model_embeds_as_its_encoder_says(name: str) -> None:
    model = build("unet", width=4, classes=3) if name == "own unet" else build(name, encoder="mobilenet_v2", classes=3)
    found = predictor(model)
    images = pixels(2)
    probs, embeddings = found.both(images)
    np.testing.assert_array_equal(probs, found(images))
    assert embeddings.shape == (2, found.embedding)
    assert embeddings.dtype == np.float32
    with torch.inference_mode():
        standard = found.standardise(torch.from_numpy(images)).contiguous()
        last: Any = model.encoder(pad(standard, model.multiple))[-1]
    np.testing.assert_allclose(embeddings, last.mean((2, 3)).numpy(), rtol=1e-5, atol=1e-6)
    assert not model.encoder._forward_hooks, "nothing stays behind"


def test_a_model_of_ones_own_has_none() -> None:
    class Own(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.cat((x, x[:, :1]), 1)

    assert embedding_of(Own()) is None
    own = Own()
    own.encoder = torch.nn.Conv2d(3, 3, 1)
    assert embedding_of(own) is None


def test_threads_do_not_mix_their_maps() -> None:
    found = predictor(build("unet", width=4, classes=3))
    batches = [pixels(1, seed) for seed in range(16)]
    alone = [found.both(batch)[1] for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = [one for _, one in pool.map(found.both, batches)]
    for mine, theirs in zip(together, alone, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_one_pass_gives_logits_and_embedding() -> None:
    model = build("pspnet", encoder="mobilenet_v2", classes=3).eval()
    logits, embedding = Embedding(model)(torch.rand(1, 3, 64, 64))
    assert (logits.shape, embedding.shape) == ((1, 3, 64, 64), (1, embedding_of(model)))


def test_signals_of_a_network_have_its_embedding() -> None:
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Any:
        yield WholeRaster(pixels(1)[0])

    model = predictor(build("unet", width=4, classes=3))
    (row,) = measured([Input("x", opened)], model, Sliding(), name=lambda key: (key, "drive"))
    assert isinstance(row, Signals)
    assert row.vector is not None
    np.testing.assert_allclose(row.vector, model.both(pixels(1))[1][0], rtol=1e-3, atol=1e-4)
    assert (row.group, row.unit) == ("drive", "drive")
