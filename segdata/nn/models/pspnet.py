"""PSPNet (Zhao et al., Pyramid Scene Parsing Network, CVPR 2017): the map, concatenated with means over 1, 4, 9 and 36 regions.

Departure: its ResNet begins with one 7x7 convolution, as published for ResNet, not with three of 3x3.
"""

from __future__ import annotations

from torch import Tensor, cat, nn

from segdata.nn.models import build_encoder
from segdata.nn.models.base import Encoder, Segmenter, conv_norm_relu, he_init, resize

BINS = (1, 2, 3, 6)


class PyramidPooling(nn.Module):
    """Means over bins x bins regions, each through a 1x1 convolution, enlarged, and concatenated with the map (figure 3 c)."""

    def __init__(self, inputs: int, bins: tuple[int, ...] = BINS) -> None:
        super().__init__()
        width = max(inputs // len(bins), 1)
        self.levels = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(n), conv_norm_relu(inputs, width, 1)) for n in bins
        )
        self.outputs = inputs + width * len(bins)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H, W)`."""
        return cat((x, *(resize(level(x), x) for level in self.levels)), 1)


def auxiliary_head(inputs: int, outputs: int) -> nn.Sequential:
    """The head for an intermediate map: 3x3 convolution to a quarter of the channels, dropout, 1x1 convolution to logits."""
    width = max(inputs // 4, 1)
    return nn.Sequential(conv_norm_relu(inputs, width), nn.Dropout(0.1), nn.Conv2d(width, outputs, 1))


class PSPNet(Segmenter):
    """An atrous encoder, pyramid pooling, one 3x3 convolution; `auxiliary`: a loss on the second to last map (section 3.3)."""

    def __init__(self, encoder: Encoder, *, classes: int, head: str, width: int, auxiliary: bool) -> None:
        super().__init__(classes=classes, head=head, multiple=encoder.strides[-1])
        self.encoder = encoder
        self.pyramid = PyramidPooling(encoder.channels[-1])
        self.classify = nn.Sequential(
            conv_norm_relu(self.pyramid.outputs, width), nn.Dropout(0.1), nn.Conv2d(width, self.outputs, 1)
        )
        self.auxiliary_head = auxiliary_head(encoder.channels[-2], self.outputs) if auxiliary else None
        he_init(self.pyramid)
        he_init(self.classify)

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`."""
        *maps, x = self.encoder(image)
        if self.training and self.auxiliary_head is not None:
            self.auxiliary = (resize(self.auxiliary_head(maps[-1]), image),)
        return resize(self.classify(self.pyramid(x)), image)


def pspnet(
    *, encoder: str | None, bands: int, classes: int, head: str,
    output_stride: int = 8, width: int = 512, auxiliary: bool = True,
) -> PSPNet:  # fmt: skip
    """PSPNet, by default with ResNet-50."""
    made = build_encoder(encoder or "resnet50", bands=bands, output_stride=output_stride)
    return PSPNet(made, classes=classes, head=head, width=width, auxiliary=auxiliary)
