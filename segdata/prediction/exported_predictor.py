"""An exported model as a `Predictor`, whatever runs it: normalised and padded images in, probabilities out, by numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DatasetError, OptionError
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.labels import Labels
from segdata.prediction.exported import Exported
from segdata.prediction.predictor import Predictor, load_predictor
from segdata.recipes.recipe import Recipe
from segdata.refinement.settings import Refinement
from segdata.resize import Pixels
from segdata.words import briefly

Floats = NDArray[np.float32]

Ask = Callable[[Floats, int], list[Floats]]
"""What runs a model: (N, C, h, w) float32, and how many of its outputs are wanted -> those outputs."""


@dataclass(frozen=True, slots=True)
class ExportedPredictor:
    """An exported model with its label contract and its recipe. `predictor_of` makes it."""

    __repr__ = briefly

    path: str
    device: str
    sha256: str
    """Of the file."""
    ask: Ask
    labels: Labels
    recipe: Recipe
    bands: int
    head: str
    gives: str = "probabilities"
    temperature: float = 1.0
    reading: Reading = AS_IT_IS
    names: tuple[str, ...] = ()
    dtype: str | None = None
    chosen: str | None = None
    size: tuple[int, int] | None = None
    """(height, width) of the windows, if it takes no others; smaller ones are padded to it."""
    least: int = 1
    embedding: int | None = None
    checkpoint: str | None = None
    """The SHA-256 of the checkpoint that it says the same as; None in another precision, which says a little else."""
    refinement: Refinement | None = None
    """How its masks are to be refined, if the file says so."""
    members: int = 1
    """Of how many models the probabilities are averaged."""

    def __call__(self, images: Pixels) -> Floats:
        """(N, h, w, C) pixels as read, already resized by `recipe.prepare` -> (N, K, h, w) float32 that sum to 1 over K.

        Raises `OptionError` for images of other bands than the model's, or larger than it takes.
        """
        return self._run(images, 1)[0]

    def both(self, images: Pixels) -> tuple[Floats, Floats]:
        """The same, and (N, D) float32 embeddings. Raises `OptionError` also if the model gives none."""
        if self.embedding is None:
            raise OptionError(f"{self.path}: gives no embeddings: its model has no encoder, or was exported without")
        probs, embeddings = self._run(images, 2)
        return probs, embeddings

    def __reduce__(self) -> tuple[Callable[..., Predictor], tuple[str, str, str]]:
        """As what travels to another process, which loads the file anew: what runs models cannot be sent."""
        return _loaded_again, (self.path, self.device, self.sha256)

    def _run(self, images: Pixels, outputs: int) -> list[Floats]:
        """The probabilities, and with two `outputs` the embeddings."""
        if images.ndim != 4 or images.shape[3] != self.bands:
            raise OptionError(f"pixels of shape {images.shape}: the model takes (N, h, w, {self.bands})")
        height, width = images.shape[1:3]
        unit = np.stack([self.recipe.normalise(image) for image in images])
        batch = padded(unit, self._padded_to(height, width))
        first, *more = self.ask(batch, outputs)
        self._refuse_shapes([first, *more], batch)
        first = first[:, :, :height, :width]
        if self.gives == "logits":
            first = probabilities(first / np.float32(self.temperature), self.head)
        return [first, *more]

    def _refuse_shapes(self, found: Sequence[Floats], batch: Floats) -> None:
        """Raise `DatasetError` for outputs of other shapes than the file says."""
        size = batch.shape[2:]
        wanted = [(len(batch), len(self.labels.classes), *size), (len(batch), self.embedding or 0)][: len(found)]
        for one, shape in zip(found, wanted, strict=True):
            if one.shape != shape:
                raise DatasetError(f"{self.path}: gives {one.shape} where it says {shape}: export it again")

    def _padded_to(self, height: int, width: int) -> tuple[int, int]:
        """The size at which an image goes to the model."""
        if self.size is None:
            return max(height, self.least), max(width, self.least)
        if height > self.size[0] or width > self.size[1]:
            most = f"the model takes no more than {self.size[0]} x {self.size[1]}"
            raise OptionError(f"windows of {height} x {width}: {most}: take a smaller --size, or --scales up to 1")
        return self.size


def predictor_of(about: Exported, path: str | Place, device: str, data: bytes, ask: Ask) -> ExportedPredictor:
    """The predictor that the description in a file of these bytes asks for.

    Raises `DatasetError` where its preprocessing does not fit its bands.
    """
    try:
        recipe = Recipe.from_dict(about.recipe, str(path))
        recipe.normalise(np.zeros((1, 1, about.bands), np.uint8))
    except OptionError as error:
        raise DatasetError(f"{path}: what it says of itself is damaged: {error}") from error
    return ExportedPredictor(
        str(path), device, sha256(data).hexdigest(), ask, about.contract, recipe, about.bands, about.head, about.gives,
        about.temperature, replace(about.reading, vrt=False), about.names, about.dtype, about.chosen, about.size,
        about.least, about.embedding, about.checkpoint if about.precision == "fp32" else None,
        Refinement.of_model(about.refinement, about.contract, path), about.members,
    )  # fmt: skip


def _loaded_again(path: str, device: str, sha256: str) -> Predictor:
    """The same in another process; whoever sent it trusted the file. Raises `DatasetError` for one that has changed."""
    predictor = load_predictor(path, device, trust_code=True)
    if getattr(predictor, "sha256", None) != sha256:
        raise DatasetError(f"{path}: has changed since it was loaded: load it again")
    return predictor


def padded(images: Floats, size: tuple[int, int]) -> Floats:
    """(N, C, h, w) -> (N, C, *size): the last row and column are repeated, as `segdata.nn.models.base.pad` does."""
    bottom, right = size[0] - images.shape[2], size[1] - images.shape[3]
    return np.pad(images, ((0, 0), (0, 0), (0, bottom), (0, right)), "edge") if bottom or right else images


def probabilities(logits: Floats, head: str) -> Floats:
    """(N, K, h, w) logits to float32 that sum to 1 over K, as `segdata.nn.models.base.probabilities` gives them."""
    if head == "softmax" or logits.shape[1] == 2:  # two classes are (0, z)
        grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    else:
        grown = np.maximum(1 / (1 + np.exp(np.minimum(-logits, 88))), np.finfo(np.float32).tiny)
    return np.asarray(grown / grown.sum(axis=1, keepdims=True), np.float32)
