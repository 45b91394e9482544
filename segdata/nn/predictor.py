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
from segdata.nn.ensemble import ensemble_of
from segdata.nn.models.base import probabilities
from segdata.nn.standardise import Standardise
from segdata.recipes.pixels import span_of
from segdata.recipes.recipe import Recipe
from segdata.refinement.settings import Refinement
from segdata.resize import Pixels
from segdata.words import briefly


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
    refinement: Refinement | None = None
    """How its masks are to be refined, if its file says so."""
    plan: str | None = None
    """How it was trained, as the text of plan.yaml."""
    members: int = 1
    """Of how many models the probabilities are averaged."""
    checkpoint: str | None = None
    """The SHA-256 of the checkpoint that a bundle says the same as, but for its refinement."""

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
    plain = checkpoint.plain_of(found, path)
    build = ensemble_of if plain.members else checkpoint.model_of
    model = build(found, path, trust_code=trust_code).to(place).eval()
    head = "softmax" if plain.members else plain.model.head
    recipe, bands = Recipe.from_dict(found["recipe"], str(path)), plain.model.bands
    labels = checkpoint.labels_of(found, path)
    if len(labels.classes) != plain.model.classes:
        raise DatasetError(f"{path}: its label contract is damaged: its model has {plain.model.classes} classes")
    return TorchPredictor(
        model, Standardise(recipe, bands).to(place), labels, recipe, bands, head, place,
        replace(plain.reading, vrt=False), plain.names, plain.dtype, plain.chosen, plain.temperature,
        Refinement.of_model(plain.refinement, labels, path), plain.plan, max(1, len(plain.members)),
        plain.checkpoint,
    )  # fmt: skip
