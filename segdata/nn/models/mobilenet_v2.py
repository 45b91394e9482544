"""MobileNetV2 (Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, table 2).

Width 1.0, without the classifier. Names are torchvision's.
"""

from __future__ import annotations

from torch import Tensor, nn

from segdata.nn.models.base import Encoder, Norm, Thinning, he_init

TABLE_2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, repetitions, and stride of the first repetition."""


def conv_norm_relu6(
    inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False)
    return nn.Sequential(conv, Norm(outputs), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project without an activation; `residual` adds the input (figure 4)."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, dilation: int, residual: bool) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [conv_norm_relu6(inputs, hidden, 1)] if expansion != 1 else []
        filter_each = conv_norm_relu6(hidden, hidden, 3, stride, dilation, groups=hidden)
        project = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.conv = nn.Sequential(*expand, filter_each, project, Norm(outputs))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H / stride, W / stride)`."""
        out: Tensor = self.conv(x)
        return x + out if self.residual else out


class MobileNetV2(Encoder):
    """The last map of each scale (strides 2 to 32); the coarsest comes from the 1x1 convolution to 1280 channels."""

    first = "features.0.0.weight"

    def __init__(self, bands: int = 3, *, output_stride: int = 32) -> None:
        super().__init__()
        thin = Thinning(output_stride)
        layers: list[nn.Module] = [conv_norm_relu6(bands, 32, 3, thin.step(2))]
        taps, channels, strides, inputs = [], [], [], 32
        for expansion, outputs, times, first_stride in TABLE_2:
            if first_stride == 2:  # the last map of a scale
                taps.append(len(layers) - 1)
                channels.append(inputs)
                strides.append(thin.stride)
            for i in range(times):
                dilation = thin.dilation  # for the convolution with the stride: the dilation before it
                stride = thin.step(first_stride if i == 0 else 1)
                residual = i > 0
                layers.append(InvertedResidual(inputs, outputs, expansion, stride, dilation, residual))
                inputs = outputs
        layers.append(conv_norm_relu6(inputs, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.taps = (*taps, len(layers) - 1)
        self.channels = (*channels, 1280)
        self.strides = (*strides, thin.stride)
        he_init(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """`(N, C, H, W)` to maps of the strides 2, 4, 8, 16 and 32."""
        maps, x = [], image
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.taps:
                maps.append(x)
        return maps


def mobilenet_v2(bands: int = 3, *, output_stride: int = 32) -> MobileNetV2:
    """MobileNetV2 with width 1.0."""
    return MobileNetV2(bands, output_stride=output_stride)
