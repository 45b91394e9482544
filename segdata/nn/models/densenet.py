"""DenseNet-121 (Huang et al., Densely Connected Convolutional Networks, CVPR 2017, table 1), without the classifier.

Names are torchvision's. The published file has older names, which `weights` translates.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, cat, nn

from segdata.nn.models.base import Encoder, Norm, Thinning, he_init, pooling

GROWTH = 32

DEPTHS = (6, 12, 24, 16)


class DenseLayer(nn.Module):
    """Normalisation, ReLU, 1x1 convolution to 4 times the growth; then the same with 3x3 to the growth (DenseNet-B)."""

    def __init__(self, inputs: int, dilation: int) -> None:
        super().__init__()
        self.norm1 = Norm(inputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inputs, 4 * GROWTH, 1, bias=False)
        self.norm2 = Norm(4 * GROWTH)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4 * GROWTH, GROWTH, 3, padding=dilation, dilation=dilation, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, inputs + GROWTH, H, W)`."""
        out = self.conv1(self.relu1(self.norm1(x)))
        return cat((x, self.conv2(self.relu2(self.norm2(out)))), 1)


def dense_block(inputs: int, depth: int, dilation: int) -> nn.Sequential:
    """A block of layers; each one takes the outputs of all layers before it."""
    layers = {f"denselayer{i + 1}": DenseLayer(inputs + i * GROWTH, dilation) for i in range(depth)}
    return nn.Sequential(OrderedDict(layers))


class Transition(nn.Module):
    """Normalisation and ReLU, whose result is the skip; a 1x1 convolution to half the channels; mean pooling."""

    def __init__(self, inputs: int, thin: Thinning) -> None:
        super().__init__()
        self.norm = Norm(inputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(inputs, inputs // 2, 1, bias=False)
        self.pool = pooling("mean", thin)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, inputs, H, W)` to the activated map of that shape, and `(N, inputs / 2, H / 2, W / 2)`."""
        skip = self.relu(self.norm(x))
        return skip, self.pool(self.conv(skip))


class DenseNet(Encoder):
    """Maps of the first convolution (stride 2), of each block before its transition (4 to 16), and of the last block (32)."""

    first = "features.conv0.weight"

    def __init__(self, bands: int = 3, *, output_stride: int = 32) -> None:
        super().__init__()
        thin = Thinning(output_stride)
        parts: dict[str, nn.Module] = {
            "conv0": nn.Conv2d(bands, 64, 7, thin.step(2), 3, bias=False),
            "norm0": Norm(64),
            "relu0": nn.ReLU(inplace=True),
            "pool0": nn.MaxPool2d(3, thin.step(2), 1),
        }
        inputs, channels, strides = 64, [64], [2]
        for i, depth in enumerate(DEPTHS):
            parts[f"denseblock{i + 1}"] = dense_block(inputs, depth, thin.dilation)
            inputs += depth * GROWTH
            channels.append(inputs)
            strides.append(thin.stride)
            if i + 1 < len(DEPTHS):
                parts[f"transition{i + 1}"] = Transition(inputs, thin)
                inputs //= 2
        parts["norm5"] = Norm(inputs)
        self.features = nn.ModuleDict(parts)
        self.channels, self.strides = tuple(channels), tuple(strides)
        he_init(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """`(N, C, H, W)` to maps of the strides 2, 4, 8, 16 and 32."""
        maps, x = [], image
        for name, part in self.features.items():
            if name.startswith("transition"):
                skip, x = part(x)
                maps.append(skip)
                continue
            x = part(x)
            if name == "relu0":
                maps.append(x)
        return [*maps, nn.functional.relu(x)]


def densenet121(bands: int = 3, *, output_stride: int = 32) -> DenseNet:
    """DenseNet with 121 layers."""
    return DenseNet(bands, output_stride=output_stride)
