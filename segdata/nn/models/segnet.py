"""SegNet (Badrinarayanan, Kendall and Cipolla, SegNet: A Deep Convolutional Encoder-Decoder Architecture, TPAMI 2017).

The decoder puts each value back to the place from which the encoder's max pooling took it. With VGG-16 with batch normalisation
it is the paper's network. Departures with other encoders: if one has no such poolings, its map of each scale is pooled only for
the indices; if one begins at stride 2, the last doubling is an interpolation.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from segdata.nn.models import build_encoder
from segdata.nn.models.base import Encoder, Segmenter, conv_norm_relu, he_init, resize
from segdata.nn.models.vgg import VGG

OTHER_DEPTH = 2
"""Convolutions per scale for encoders other than VGG; for VGG, the decoder has the same numbers as the encoder."""


class SegNet(Segmenter):
    """Unpooling and convolutions per scale, coarse to fine; the last convolution of a scale has the next scale's channels."""

    def __init__(self, encoder: Encoder, *, classes: int, head: str) -> None:
        super().__init__(classes=classes, head=head, multiple=32)
        self.encoder = encoder
        channels = encoder.channels[:-1]
        depths = encoder.depths if isinstance(encoder, VGG) else (OTHER_DEPTH,) * len(channels)
        same = encoder.channels[-1] == channels[-1]
        self.entry = nn.Identity() if same else conv_norm_relu(encoder.channels[-1], channels[-1])
        self.stages = nn.ModuleList()
        for i in reversed(range(len(channels))):
            wide, narrow = channels[i], channels[max(i - 1, 0)]
            convs = [conv_norm_relu(wide, wide) for _ in range(depths[i] - 1)]
            if i:
                convs.append(conv_norm_relu(wide, narrow))
            self.stages.append(nn.Sequential(*convs))
        self.classify = nn.Conv2d(channels[0], self.outputs, 3, padding=1)
        for module in (self.entry, self.stages, self.classify):
            he_init(module)

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`."""
        *maps, x = self.encoder(image)
        x = self.entry(x)
        for stage in self.stages:
            finer = maps.pop()
            _, indices = F.max_pool2d(finer, 2, return_indices=True)
            x = stage(F.max_unpool2d(x, indices, (2, 2), output_size=finer.shape[-2:]))
        return resize(self.classify(x), image)


def segnet(*, encoder: str | None, bands: int, classes: int, head: str) -> SegNet:
    """SegNet, by default with VGG-16 with batch normalisation."""
    return SegNet(build_encoder(encoder or "vgg16_bn", bands=bands), classes=classes, head=head)
