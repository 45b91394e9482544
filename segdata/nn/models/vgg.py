"""VGG-16 and -19 (Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015).

Without the three fully connected layers. Encoders with `_bn` have batch normalisation after each convolution. Names are
torchvision's.
"""

from __future__ import annotations

from torch import Tensor, nn

from segdata.nn.models.base import DensePool, Encoder, Norm, Thinning, he_init, pooling

WIDTHS = (64, 128, 256, 512, 512)

DEPTHS_D, DEPTHS_E = (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)
"""Channels and number of 3x3 convolutions of each stage (table 1, columns D and E); a 2x2 max pooling ends each stage."""


class VGG(Encoder):
    """Maps before each pooling (strides 1 to 16), and after the last one (stride 32)."""

    first = "features.0.weight"

    def __init__(
        self, bands: int = 3, *, output_stride: int = 32, batch_norm: bool = False, depths: tuple[int, ...] = DEPTHS_E
    ) -> None:  # fmt: skip
        super().__init__()
        thin = Thinning(output_stride)
        layers: list[nn.Module] = []
        strides, inputs = [], bands
        for channels, depth in zip(WIDTHS, depths, strict=True):
            for _ in range(depth):
                layers.append(nn.Conv2d(inputs, channels, 3, padding=thin.dilation, dilation=thin.dilation))
                layers += [Norm(channels)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                inputs = channels
            strides.append(thin.stride)
            layers.append(pooling("max", thin))
        self.features = nn.Sequential(*layers)
        self.depths = depths
        self.channels = (*WIDTHS, WIDTHS[-1])
        self.strides = (*strides, thin.stride)
        he_init(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """`(N, C, H, W)` to maps of the strides 1, 2, 4, 8, 16 and 32."""
        maps, x = [], image
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d | DensePool):
                maps.append(x)
            x = layer(x)
        return [*maps, x]


def vgg16(bands: int = 3, *, output_stride: int = 32) -> VGG:
    """Configuration D, without batch normalisation."""
    return VGG(bands, output_stride=output_stride, depths=DEPTHS_D)


def vgg16_bn(bands: int = 3, *, output_stride: int = 32) -> VGG:
    """Configuration D, with batch normalisation."""
    return VGG(bands, output_stride=output_stride, depths=DEPTHS_D, batch_norm=True)


def vgg19(bands: int = 3, *, output_stride: int = 32) -> VGG:
    """Configuration E, without batch normalisation."""
    return VGG(bands, output_stride=output_stride)


def vgg19_bn(bands: int = 3, *, output_stride: int = 32) -> VGG:
    """Configuration E, with batch normalisation."""
    return VGG(bands, output_stride=output_stride, batch_norm=True)
