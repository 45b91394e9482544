"""DeepLab v3 and v3+: atrous spatial pyramid pooling with the image's mean, and (v3+) a decoder that restores edges.

v3: Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, arXiv 1706.05587, section 3.3.
v3+: Chen et al., Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, ECCV 2018.

Departures: the encoders are those of this package, not Xception; `separable` convolutions are an option. As in torchvision, v3
ends with one more 3x3 convolution, and with `auxiliary=True` it has an auxiliary head; the paper's multi-grid is left out.
"""

from __future__ import annotations

from torch import Tensor, cat, nn

from segdata.nn.models import build_encoder
from segdata.nn.models.base import Encoder, Segmenter, conv_norm_relu, he_init, resize
from segdata.nn.models.pspnet import auxiliary_head

WIDTH = 256

RATES = (6, 12, 18)
"""The dilation rates at output stride 16; doubled at 8 (v3, section 4.1)."""

LOW_LEVEL = 48
"""The number of channels to which the map of stride 4 is reduced (v3+, section 4.1)."""


def separable(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    """3x3 within each channel, then 1x1 across, batch normalisation and ReLU (v3+, section 3.1)."""
    within = nn.Conv2d(inputs, inputs, 3, padding=dilation, dilation=dilation, groups=inputs, bias=False)
    return nn.Sequential(within, conv_norm_relu(inputs, outputs, 1))


class ASPP(nn.Module):
    """1x1, three 3x3 with rising rates and the image's mean, each to 256 channels; then a 1x1 over all (v3, figure 5)."""

    def __init__(self, inputs: int, rates: tuple[int, ...], *, light: bool, dropout: float) -> None:
        super().__init__()
        atrous = [
            separable(inputs, WIDTH, rate) if light else conv_norm_relu(inputs, WIDTH, dilation=rate) for rate in rates
        ]
        self.branches = nn.ModuleList([conv_norm_relu(inputs, WIDTH, 1), *atrous])
        self.image = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_norm_relu(inputs, WIDTH, 1))
        self.project = nn.Sequential(conv_norm_relu(WIDTH * (len(rates) + 2), WIDTH, 1), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, WIDTH, H, W)`."""
        mean = self.image(x).expand(-1, -1, *x.shape[-2:])
        out: Tensor = self.project(cat((*(branch(x) for branch in self.branches), mean), 1))
        return out


class DeepLabV3(Segmenter):
    """An atrous encoder, ASPP, a 3x3 convolution."""

    def __init__(self, encoder: Encoder, *, classes: int, head: str, rates: tuple[int, ...], auxiliary: bool) -> None:
        super().__init__(classes=classes, head=head, multiple=encoder.strides[-1])
        self.encoder = encoder
        aspp = ASPP(encoder.channels[-1], rates, light=False, dropout=0.5)
        self.classify = nn.Sequential(aspp, conv_norm_relu(WIDTH, WIDTH), nn.Conv2d(WIDTH, self.outputs, 1))
        self.auxiliary_head = auxiliary_head(encoder.channels[-2], self.outputs) if auxiliary else None
        he_init(self.classify)

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`."""
        *maps, x = self.encoder(image)
        if self.training and self.auxiliary_head is not None:
            self.auxiliary = (resize(self.auxiliary_head(maps[-1]), image),)
        return resize(self.classify(x), image)


class DeepLabV3Plus(Segmenter):
    """ASPP enlarged to stride 4 and concatenated with the encoder's map there, two 3x3 convolutions (v3+, figure 2)."""

    def __init__(self, encoder: Encoder, *, classes: int, head: str, rates: tuple[int, ...], light: bool) -> None:
        super().__init__(classes=classes, head=head, multiple=encoder.strides[-1])
        self.encoder = encoder
        self.low = encoder.strides.index(4)
        self.aspp = ASPP(encoder.channels[-1], rates, light=light, dropout=0.1)
        self.reduce = conv_norm_relu(encoder.channels[self.low], LOW_LEVEL, 1)
        conv = separable if light else conv_norm_relu
        self.decode = nn.Sequential(conv(WIDTH + LOW_LEVEL, WIDTH), conv(WIDTH, WIDTH), nn.Dropout(0.1))
        self.classify = nn.Conv2d(WIDTH, self.outputs, 1)
        for module in (self.aspp, self.reduce, self.decode, self.classify):
            he_init(module)

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`."""
        maps = self.encoder(image)
        low = self.reduce(maps[self.low])
        x = cat((resize(self.aspp(maps[-1]), low), low), 1)
        return resize(self.classify(self.decode(x)), image)


def deeplabv3(
    *, encoder: str | None, bands: int, classes: int, head: str, output_stride: int = 16, auxiliary: bool = False
) -> DeepLabV3:  # fmt: skip
    """DeepLab v3, by default with ResNet-50."""
    made = build_encoder(encoder or "resnet50", bands=bands, output_stride=output_stride)
    return DeepLabV3(made, classes=classes, head=head, rates=rates_at(output_stride), auxiliary=auxiliary)


def deeplabv3plus(
    *, encoder: str | None, bands: int, classes: int, head: str, output_stride: int = 16, separable: bool = False
) -> DeepLabV3Plus:  # fmt: skip
    """DeepLab v3+, by default with ResNet-50."""
    made = build_encoder(encoder or "resnet50", bands=bands, output_stride=output_stride)
    return DeepLabV3Plus(made, classes=classes, head=head, rates=rates_at(output_stride), light=separable)


def rates_at(output_stride: int) -> tuple[int, ...]:
    """The rates that give the same field of view at every output stride; 3, 6 and 9 at 32."""
    return tuple(rate * 16 // output_stride for rate in RATES)
