"""A trained model as a `Predictor`: from pixels as read to probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segdata.errors import DatasetError, OptionError
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.labels import Labels
from segdata.nn import checkpoint
from segdata.nn.data import to_tensor
from segdata.nn.distributed import choose_device
from segdata.nn.embedding import Embedding, embedding_of
from segdata.nn.models.base import probabilities
from segdata.recipes.pixels import span_of
from segdata.recipes.recipe import Recipe
from segdata.recipes.settings import IMAGENET, Normalise
from segdata.resize import Pixels
from segdata.words import briefly


class Standardise(nn.Module):
    """Pixels (N, h, w, C) as read -> (N, C, h, w) float32 on the model's device, normalised as by `Recipe.normalise`."""

    def __init__(self, recipe: Recipe, bands: int) -> None:
        super().__init__()
        by = recipe.normalise_by
        mean, std = (by.mean, by.std) if isinstance(by, Normalise) else IMAGENET
        if by == "none":
            mean, std = (0.0,) * bands, (1.0,) * bands
        self.mean, self.std, self.span = np.array(mean), np.array(std), recipe.span
        self._lines: dict[tuple[torch.dtype, torch.device], tuple[Tensor, Tensor]] = {}

    def forward(self, pixels: Tensor) -> Tensor:
        """(x - mean) / std with x in 0..1 of the span; NaN becomes the mean."""
        scale, offset = self._line(pixels)
        out = (pixels.float() * scale).sub_(offset)
        if pixels.is_floating_point():
            out.nan_to_num_(0.0, 0.0, 0.0)
        return out.permute(0, 3, 1, 2)

    def _line(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(C,) float32 each: the factor for pixels of this dtype, and what is then subtracted."""
        key = pixels.dtype, pixels.device
        if key not in self._lines:
            low, high = self.span or SPANS[pixels.dtype]
            scale = 1 / ((high - low) * self.std)
            both = scale, (low + self.mean * (high - low)) * scale
            scaled, shift = (torch.tensor(v, dtype=torch.float32, device=pixels.device) for v in both)
            self._lines[key] = scaled, shift
        return self._lines[key]


SPANS = {torch.uint8: (0.0, 255.0), torch.int32: (0.0, 65535.0), torch.float32: (0.0, 1.0)}
"""The spans of `segdata.recipes.pixels.SPANS`; 16-bit pixels are int32 here, since torch has few operations for uint16."""


@dataclass(frozen=True, slots=True)
class TorchPredictor:
    """A model with its label contract and its recipe. `load` makes it."""

    __repr__ = briefly

    model: nn.Module
    standardise: Standardise
    labels: Labels
    recipe: Recipe
    bands: int
    head: str
    device: torch.device
    reading: Reading = AS_IT_IS
    names: tuple[str, ...] = ()
    dtype: str | None = None
    chosen: str | None = None
    """The bands that its training was told to read, of those that its dataset reads."""
    temperature: float = 1.0
    """What logits are divided by, so that confidences are calibrated (Guo et al. 2017, section 4.2)."""

    def __call__(self, images: Pixels) -> NDArray[np.float32]:
        """(N, h, w, C) pixels as read, already resized by `recipe.prepare` -> (N, K, h, w) float32 that sum to 1 over K.

        Raises `OptionError` for images with another number of bands than the model's.
        """
        with torch.inference_mode():
            return self._probabilities(self.logits(images))

    def logits(self, images: Pixels) -> Tensor:
        """(N, h, w, C) pixels as for a call -> (N, K, h, w) on the model's device, not yet divided by the temperature."""
        with torch.inference_mode():
            logits: Tensor = self.model(self._input(images))
            return logits

    @property
    def embedding(self) -> int | None:
        """D, the length of the embeddings of `both`; None for a model without an encoder of segdata's or smp's kind."""
        return embedding_of(self.model)

    def both(self, images: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same, and (N, D) float32 embeddings: the means over height and width of the encoder's last map."""
        with torch.inference_mode():
            logits, embeddings = Embedding(self.model)(self._input(images))
            return self._probabilities(logits), embeddings.cpu().numpy()

    def _input(self, images: Pixels) -> Tensor:
        if images.ndim != 4 or images.shape[3] != self.bands:
            raise OptionError(f"pixels of shape {images.shape}: the model takes (N, h, w, {self.bands})")
        span_of(images[0], self.recipe.span)
        standard: Tensor = self.standardise(to_tensor(images).to(self.device))
        return standard.contiguous()

    def _probabilities(self, logits: Tensor) -> NDArray[np.float32]:
        return probabilities(logits / self.temperature, self.head).cpu().numpy()


def load(path: str | Place, device: str = "cpu", *, trust_code: bool = False) -> TorchPredictor:
    """Load the model of a checkpoint.

    A model that is the user's own code (`package.module:factory`) is called only with `trust_code`. Raises `DatasetError` if
    the file is no checkpoint, `OptionError` for a device that does not exist.
    """
    return predictor_of(checkpoint.read(path), path, choose_device(device), trust_code=trust_code)


def predictor_of(
    found: Mapping[str, Any], path: str | Place, place: torch.device, *, trust_code: bool = False
) -> TorchPredictor:
    """The model of a checkpoint that was read from `path`. Raises as `load`."""
    model = checkpoint.model_of(found, path, trust_code=trust_code).to(place).eval()
    recipe, bands = Recipe.from_dict(found["recipe"], str(path)), int(found["model"]["bands"])
    labels = checkpoint.labels_of(found, path)
    if len(labels.classes) != found["model"]["classes"]:
        raise DatasetError(f"{path}: its label contract is damaged: its model has {found['model']['classes']} classes")
    plain = checkpoint.plain_of(found, path)
    return TorchPredictor(
        model, Standardise(recipe, bands).to(place), labels, recipe, bands, found["model"]["head"], place,
        replace(plain.reading, vrt=False), plain.names, plain.dtype, plain.chosen, plain.temperature,
    )  # fmt: skip
