"""Embeddings: the means over height and width of an encoder's last, coarsest map, beside what the model says itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from segdata.nn.ensemble import Ensemble
from segdata.nn.models.base import Encoder
from segdata.nn.models.foreign import Foreign


def embedding_of(model: nn.Module) -> int | None:
    """D, the length of a model's embedding; None for a user's own code, whose encoder gives nobody knows what."""
    model = embedded(model)
    encoder = getattr(model, "encoder", None)
    if isinstance(encoder, Encoder):
        return encoder.channels[-1]
    if isinstance(model, Foreign) and model.name.startswith("smp:") and isinstance(encoder, nn.Module):
        channels: Any = getattr(encoder, "out_channels", None)
        return int(channels[-1]) if channels else None
    return None


def embedded(model: nn.Module) -> nn.Module:
    """The model whose encoder gives the embedding: of an ensemble the first one."""
    return model.first if isinstance(model, Ensemble) else model


class Embedding(nn.Module):
    """A model that gives `(N, K, H, W)` logits and the embedding `(N, D)` float32, of one pass."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, C, H, W)`. If the encoder runs several times, as at several scales, the first one counts."""
        with _watched(embedded(self.model).encoder) as maps:  # type: ignore[arg-type]  # a module, or embedding_of says None
            logits: Tensor = self.model(image)
        return logits, maps[0].float().mean((2, 3))


@contextmanager
def _watched(encoder: nn.Module) -> Iterator[list[Tensor]]:
    """The last map of each run of an encoder in this thread; other threads may run it meanwhile."""
    maps: list[Tensor] = []
    mine = threading.get_ident()

    def keep(module: nn.Module, given: Any, out: Any) -> None:
        if threading.get_ident() == mine:
            maps.append(out[-1])

    handle = encoder.register_forward_hook(keep)
    try:
        yield maps
    finally:
        handle.remove()
