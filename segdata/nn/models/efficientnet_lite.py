"""EfficientNet-Lite: the networks of Tan and Le, EfficientNet, ICML 2019, table 1, without what phones compute slowly.

github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite: ReLU6 instead of swish, no squeeze-and-excitation, and
neither the first nor the last stage is scaled. Without the classifier. Its weights are TensorFlow's: batch normalisation has an
epsilon of 1e-3, and padding is "same", which for stride 2 puts the odd pixel at the bottom and right. Names are those of the
published files (github.com/ml-illustrated/EfficientNet-Lite-PyTorch) without the underscores in front. Drop-connect is left out.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from segdata.nn.models.base import Encoder, Norm, Thinning, he_init

TABLE_1 = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
"""Kernel, expansion, channels, repetitions, and stride of the first repetition."""

STEM, HEAD = 32, 1280
"""Channels of the first and the last convolution, which are not scaled."""

EPSILON = 1e-3


def same(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1, groups: int = 1, thinned: bool = False
) -> nn.Conv2d:  # fmt: skip
    """A convolution without bias whose maps are padded as TensorFlow's "same" pads those of an even height and width.

    `thinned`: it has stride 1 instead of 2, so it is padded as with stride 2, and every 2nd pixel is that of stride 2.
    """
    if stride == 1 and not thinned:
        return nn.Conv2d(inputs, outputs, kernel, 1, dilation * (kernel // 2), dilation, groups, bias=False)
    return Uneven(inputs, outputs, kernel, stride, dilation=dilation, groups=groups, bias=False)


class Uneven(nn.Conv2d):
    """A convolution of stride 2, padded with (kernel - 2) // 2 pixels at the top and left, and the rest at the bottom and right.

    With stride 1 it is the dense form of one with stride 2: (kernel - 2) // 2 times the dilation at the top and left.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)`, H and W even, to `(N, outputs, H / stride, W / stride)`."""
        (kernel, _), (dilation, _), (stride, _) = self.kernel_size, self.dilation, self.stride
        before = dilation * ((kernel - 2) // 2)
        after = dilation * (kernel - 1) - before - (stride - 1)
        return super().forward(nn.functional.pad(x, (before, after, before, after)))


class Block(nn.Module):
    """Expand, filter each channel, project without an activation; `residual` adds the input (MBConv without excitation)."""

    def __init__(self, inputs: int, outputs: int, expansion: int, depthwise: nn.Conv2d, *, residual: bool) -> None:
        super().__init__()
        hidden = inputs * expansion
        if expansion != 1:
            self.expand_conv = same(inputs, hidden, 1)
            self.bn0 = Norm(hidden, eps=EPSILON)
        self.depthwise_conv = depthwise
        self.bn1 = Norm(hidden, eps=EPSILON)
        self.project_conv = same(hidden, outputs, 1)
        self.bn2 = Norm(outputs, eps=EPSILON)
        self.expands, self.residual = expansion != 1, residual
        self.act = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H / stride, W / stride)`."""
        out: Tensor = self.act(self.bn0(self.expand_conv(x))) if self.expands else x
        out = self.act(self.bn1(self.depthwise_conv(out)))
        out = self.bn2(self.project_conv(out))
        return x + out if self.residual else out


def rounded(channels: float) -> int:
    """The nearest multiple of 8, at least nine tenths of it (`round_filters` of the published code)."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


class EfficientNetLite(Encoder):
    """The last map of each scale (strides 2 to 32); the coarsest comes from the 1x1 convolution to 1280 channels."""

    first = "conv_stem.weight"

    def __init__(self, bands: int = 3, *, width: float, depth: float, output_stride: int = 32) -> None:
        super().__init__()
        thin = Thinning(output_stride)
        self.conv_stem = same(bands, STEM, 3, stride=thin.step(2))
        self.bn0 = Norm(STEM, eps=EPSILON)
        blocks: list[Block] = []
        taps, channels, strides, inputs = [], [], [], STEM
        for kernel, expansion, base, repetitions, first_stride in TABLE_1:
            outputs = rounded(base * width)
            scaled = repetitions > 1  # the first and the last stage, of one block each, are not
            if first_stride == 2:  # the last map of a scale
                taps.append(len(blocks) - 1)
                channels.append(inputs)
                strides.append(thin.stride)
            for i in range(math.ceil(repetitions * depth) if scaled else 1):
                wanted = first_stride if i == 0 else 1
                dilation = thin.dilation  # for the convolution with the stride: the dilation before it
                stride = thin.step(wanted)
                hidden = inputs * expansion
                depthwise = same(
                    hidden, hidden, kernel, stride=stride, dilation=dilation, groups=hidden, thinned=stride < wanted
                )  # fmt: skip
                blocks.append(Block(inputs, outputs, expansion, depthwise, residual=i > 0))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.conv_head = same(inputs, HEAD, 1)
        self.bn1 = Norm(HEAD, eps=EPSILON)
        self.act = nn.ReLU6(inplace=True)
        self.taps = tuple(taps)
        self.channels = (*channels, HEAD)
        self.strides = (*strides, thin.stride)
        he_init(self)
        for block in blocks:  # whose outputs each have a kernel alone, as the published code counts
            block.depthwise_conv.weight.data.mul_(block.depthwise_conv.groups**0.5)

    def forward(self, image: Tensor) -> list[Tensor]:
        """`(N, C, H, W)` to maps of the strides 2, 4, 8, 16 and 32."""
        maps, x = [], self.act(self.bn0(self.conv_stem(image)))
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.taps:
                maps.append(x)
        return [*maps, self.act(self.bn1(self.conv_head(x)))]


def efficientnet_lite0(bands: int = 3, *, output_stride: int = 32) -> EfficientNetLite:
    """EfficientNet-Lite0: width and depth 1."""
    return EfficientNetLite(bands, width=1.0, depth=1.0, output_stride=output_stride)


def efficientnet_lite1(bands: int = 3, *, output_stride: int = 32) -> EfficientNetLite:
    """EfficientNet-Lite1: depth 1.1."""
    return EfficientNetLite(bands, width=1.0, depth=1.1, output_stride=output_stride)


def efficientnet_lite2(bands: int = 3, *, output_stride: int = 32) -> EfficientNetLite:
    """EfficientNet-Lite2: width 1.1, depth 1.2."""
    return EfficientNetLite(bands, width=1.1, depth=1.2, output_stride=output_stride)
