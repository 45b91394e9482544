"""The cost of a model at a given size: parameters, operations, memory. Uses the meta device, so nothing is computed."""

from __future__ import annotations

import weakref
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

from segdata.errors import OptionError
from segdata.nn.models import MODELS, build
from segdata.nn.models.base import Encoder


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a model.

    `flops`: operations of the convolutions in one forward pass of one image; a multiplication and an addition count as two.
    `predict` and `train`: the most bytes that tensors take at once, in a forward pass, or in a forward and backward pass with
    gradients and Adam's two moments. Work space of the libraries is not included.
    """

    parameters: int
    flops: int
    predict: int
    train: int

    def to_json(self) -> dict[str, int]:
        """The cost as plain numbers."""
        return asdict(self)


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A counter of the bytes of all living storages, and of their maximum."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = self.peak = 0
        self.seen: weakref.WeakSet[Any] = weakref.WeakSet()
        for tensor in (*model.parameters(), *model.buffers()):
            self.add(tensor)

    def add(self, tensor: Tensor) -> None:
        """Count a tensor's storage until it is released."""
        storage = tensor.untyped_storage()
        if storage not in self.seen:
            self.seen.add(storage)
            weakref.finalize(storage, self.drop, storage.nbytes())
            self.alive += storage.nbytes()
            self.peak = max(self.peak, self.alive)

    def drop(self, size: int) -> None:
        """Subtract a storage of `size` bytes, which has been released."""
        self.alive -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for value in tree_iter(out):
            if isinstance(value, Tensor):
                self.add(value)
        return out


def cost(model: nn.Module, *, bands: int = 3, size: tuple[int, int] = (512, 512), batch: int = 1) -> Cost:
    """The cost of a model for a batch of images of `size` (height, width)."""
    model = model.to("meta")
    parameters = sum(p.numel() for p in model.parameters())
    moments = sum(2 * p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    image = torch.empty(batch, bands, *size, device="meta")
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    with torch.no_grad(), _Peak(model) as predicting:
        predicting.add(image)
        model(image)
    model.train()
    with _Peak(model) as training:
        training.add(image)
        model(image).sum().backward()
    return Cost(parameters, counter.get_total_flops() // batch, predicting.peak, training.peak + moments)


def costs(
    models: tuple[str, ...] = (), *, encoders: tuple[str | None, ...] = (None,), bands: int = 3, classes: int = 21,
    size: tuple[int, int] = (512, 512), batch: int = 1,
) -> list[dict[str, Any]]:  # fmt: skip
    """One row per model and encoder: their names, and the cost.

    An encoder None is the one that a model has by itself. Raises `OptionError`.

    Args:
        models: Names of models, or package.module:factory; all that are listed if none is given.
        encoders: Build the models over this encoder instead of their own; all for every one.
        bands: Bands of the image.
        classes: Classes of the output.
        size: Height and width of the image; one number is both.
        batch: Images of the batch whose memory is measured.
    """
    sizes = {"--bands": bands, "--classes": classes, "--batch": batch, "--size": min(size)}
    if wrong := [f"{name} {value}" for name, value in sizes.items() if value < 1]:
        raise OptionError(f"{wrong[0]}: must be 1 or more")
    rows = []
    for name in models or tuple(MODELS):
        for encoder in encoders:
            with torch.device("meta"):
                model = build(name, encoder=encoder, bands=bands, classes=classes)
            found = cost(model, bands=bands, size=size, batch=batch)
            over = model.encoder.name if isinstance(getattr(model, "encoder", None), Encoder) else None
            rows.append({"model": name, "encoder": over, **found.to_json()})
    return rows
