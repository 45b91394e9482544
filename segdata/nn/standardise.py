"""Pixels as a model takes them: normalised as its recipe says."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from segdata.recipes.recipe import Recipe
from segdata.recipes.settings import IMAGENET, Normalise


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
