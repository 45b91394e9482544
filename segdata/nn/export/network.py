"""What is exported of a model: normalised images in, probabilities or logits and the embedding out; and `torch.export` of it.

https://docs.pytorch.org/docs/stable/export.html: a size is free within a range; a model that demands one size is refused.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from segdata.errors import OptionError
from segdata.nn.checkpoint import FAULTS
from segdata.nn.embedding import Embedding, embedding_of
from segdata.nn.models.base import Segmenter, probabilities

Gives = Literal["probabilities", "logits"]

Size = tuple[int, int]


class Network(nn.Module):
    """`(N, C, H, W)` float32, normalised, to what `gives` says `(N, K, H, W)`, and the embedding `(N, D)`, if the model has one.

    Probabilities are those of `TorchPredictor`, with its temperature. Logits are not divided by it.
    """

    def __init__(self, model: nn.Module, *, head: str, temperature: float, gives: Gives) -> None:
        super().__init__()
        self.embedding = embedding_of(model)
        self.multiple = model.multiple if isinstance(model, Segmenter) else 1
        self.net = model if self.embedding is None else Embedding(model)
        self.head, self.temperature, self.gives = head, temperature, gives

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        out = self.net(image)
        logits, *rest = out if self.embedding is not None else (out,)
        first = logits if self.gives == "logits" else probabilities(logits / self.temperature, self.head)
        return (first, *rest)


def trace(network: Network, bands: int, size: Size | None) -> ExportedProgram:
    """The network with any batch, and any height and width unless `size` (height, width) fixes them.

    Raises `OptionError` for a model that cannot be exported, or for one size only, which it then asks for.
    """
    need_torch()
    network.eval()
    image = noise(bands, size or (2 * around(network) + 6, 3 * around(network) + 5), batch=2)
    leasts = (1,) if size else (network.multiple + 1, 2 * around(network) + 1)
    with torch.no_grad(), quiet():
        network(image)
        for least in leasts[:-1]:
            with suppress(*FAULTS):  # a map of one pixel is fixed: the next range has none
                return torch.export.export(network, (image,), dynamic_shapes=(free(size, least),))
        try:
            return torch.export.export(network, (image,), dynamic_shapes=(free(size, leasts[-1]),))
        except FAULTS as error:
            raise _refused(error, size) from error


def free(size: Size | None, least: int) -> dict[int, Dim]:
    """The axes that are free, each with its range: what holds for a part of the range only is refused by the tracer."""
    axes = {0: Dim("batch")}
    if size is None:
        axes |= {axis: Dim(name, min=least, max=MOST_PIXELS) for axis, name in ((2, "height"), (3, "width"))}
    return axes


MOST_PIXELS = 2**15
"""The largest height and width that is promised to a tracer."""


def around(network: Network) -> int:
    """A size from which on every map of the model has more than a pixel."""
    return max(network.multiple, 32)


def noise(bands: int, size: Size, *, batch: int, seed: int = 0) -> Tensor:
    """Normal noise `(batch, bands, *size)` float32, always the same for a seed."""
    return torch.randn(batch, bands, *size, generator=torch.Generator().manual_seed(seed))


def _refused(error: Exception, size: Size | None) -> OptionError:
    """What to do about a model that cannot be traced."""
    text = " ".join(str(error).split())[:MOST] or type(error).__name__
    if size is None:
        return OptionError(
            f"this model cannot be exported for images of any size ({text}): give its size, such as --size 512x512"
        )
    return OptionError(f"this model cannot be exported: torch.export says: {text}")


MOST = 300
"""So many characters of torch's messages are repeated."""


def need_torch() -> None:
    """Check that torch can export with free sizes. Raises `OptionError` for an older one."""
    if not hasattr(torch.compiler, "is_exporting"):
        raise OptionError(
            f"exporting models takes torch 2.7 or newer, this is {torch.__version__}: pip install -U torch"
        )


NOISY = ("torch", "onnxscript", "onnx_ir", "")
"""Loggers of the exporters; the last one is the root, with which onnxruntime speaks."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the exporters warn of themselves, such as packages that nobody asked for."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
