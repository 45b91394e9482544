"""ParseNet (Liu, Rabinovich and Berg, ParseNet: Looking Wider to See Better, arXiv 1506.04579).

The mean of the last map over the whole image is concatenated with the map at every pixel. Both are L2 normalised and scaled by a
learnt factor per channel (early fusion, sections 3.2 and 3.3). The baseline is DeepLab's LargeFOV without the CRF, as in the
paper; its departures apply here too.
"""

from __future__ import annotations

import torch
from torch import Tensor, cat, nn
from torch.nn import functional as F

from segdata.nn.models import build_encoder
from segdata.nn.models.base import Encoder, Segmenter, he_init, resize
from segdata.nn.models.deeplab import field_of_view


class ScaledL2(nn.Module):
    """The vector at each pixel, divided by its L2 norm and multiplied by a learnt factor per channel (equations 1 and 2)."""

    def __init__(self, channels: int, start: float = 10.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W)` to the same shape."""
        return self.scale * F.normalize(x, dim=1)


class ParseNet(Segmenter):
    """An atrous encoder, a large field of view, its mean concatenated with it, a classifier."""

    def __init__(self, encoder: Encoder, *, classes: int, head: str, rate: int, width: int) -> None:
        super().__init__(classes=classes, head=head, multiple=encoder.strides[-1])
        self.encoder = encoder
        self.local = field_of_view(encoder.channels[-1], rate, width)
        self.local_scale, self.context_scale = ScaledL2(width), ScaledL2(width)
        self.classify = nn.Conv2d(2 * width, self.outputs, 1)
        he_init(self.local)
        he_init(self.classify)

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`."""
        x = self.local(self.encoder(image)[-1])
        context = self.context_scale(x.mean((2, 3), keepdim=True)).expand_as(x)
        return resize(self.classify(cat((self.local_scale(x), context), 1)), image)


def parsenet(
    *, encoder: str | None, bands: int, classes: int, head: str, output_stride: int = 8, rate: int = 12, width: int = 1024
) -> ParseNet:  # fmt: skip
    """ParseNet, by default with VGG-16. `rate` is the dilation of the field of view."""
    made = build_encoder(encoder or "vgg16", bands=bands, output_stride=output_stride)
    return ParseNet(made, classes=classes, head=head, rate=rate, width=width)
