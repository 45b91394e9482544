"""ResNet-18, -34 and -50 (He et al., Deep Residual Learning for Image Recognition, CVPR 2016, table 1).

Without the classifier. Names are torchvision's, and as in torchvision the 3x3 convolution of a bottleneck has the stride (ResNet
v1.5), not its first 1x1 convolution as in the paper.
"""

from __future__ import annotations

from torch import Tensor, nn

from segdata.nn.models.base import Encoder, Norm, Thinning, he_init


def conv3x3(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """3x3 convolution without bias; only the stride changes the size."""
    return nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)


class Basic(nn.Module):
    """Two 3x3 convolutions, added to the identity (figure 5, left), with these two `dilations`."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, dilations: tuple[int, int], downsample: bool) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, width, stride, dilations[0])
        self.bn1 = Norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(width, width, 1, dilations[1])
        self.bn2 = Norm(width)
        self.downsample = shortcut(inputs, width, stride) if downsample else None

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, width, H / stride, W / stride)`."""
        out: Tensor = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out = out + (x if self.downsample is None else self.downsample(x))
        return nn.functional.relu_(out)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, added to the identity (figure 5, right); only the 3x3 has a dilation, the first of `dilations`."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, dilations: tuple[int, int], downsample: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = Norm(width)
        self.conv2 = conv3x3(width, width, stride, dilations[0])
        self.bn2 = Norm(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = Norm(width * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(inputs, width * self.expansion, stride) if downsample else None

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, 4 width, H / stride, W / stride)`."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out)) + (x if self.downsample is None else self.downsample(x))
        return nn.functional.relu_(out)


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """The projection of the identity, for blocks that change the shape (option B)."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), Norm(outputs))


class ResNet(Encoder):
    """Maps of the first convolution (stride 2), and of the last block of each of the four stages (4 to 32)."""

    first = "conv1.weight"

    def __init__(
        self, bands: int, block: type[Basic | Bottleneck], depths: tuple[int, ...], *, output_stride: int
    ) -> None:  # fmt: skip
        super().__init__()
        thin = Thinning(output_stride)
        self.conv1 = nn.Conv2d(bands, 64, 7, thin.step(2), 3, bias=False)
        self.bn1 = Norm(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, thin.step(2), 1)
        stages: list[nn.Sequential] = []
        inputs, channels, strides = 64, [64], [2]
        for i, depth in enumerate(depths):
            stage: list[nn.Module] = []
            for j in range(depth):
                before = thin.dilation  # for the convolution with the stride
                stride = thin.step(2 if i and not j else 1)
                outputs = 64 * 2**i * block.expansion
                new_shape = j == 0 and (i > 0 or inputs != outputs)
                stage.append(block(inputs, 64 * 2**i, stride, (before, thin.dilation), new_shape))
                inputs = outputs
            stages.append(nn.Sequential(*stage))
            channels.append(inputs)
            strides.append(thin.stride)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.channels, self.strides = tuple(channels), tuple(strides)
        he_init(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """`(N, C, H, W)` to maps of the strides 2, 4, 8, 16 and 32."""
        x = self.relu(self.bn1(self.conv1(image)))
        maps, x = [x], self.maxpool(x)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps


def resnet18(bands: int = 3, *, output_stride: int = 32) -> ResNet:
    """ResNet with 18 layers."""
    return ResNet(bands, Basic, (2, 2, 2, 2), output_stride=output_stride)


def resnet34(bands: int = 3, *, output_stride: int = 32) -> ResNet:
    """ResNet with 34 layers."""
    return ResNet(bands, Basic, (3, 4, 6, 3), output_stride=output_stride)


def resnet50(bands: int = 3, *, output_stride: int = 32) -> ResNet:
    """ResNet with 50 layers."""
    return ResNet(bands, Bottleneck, (3, 4, 6, 3), output_stride=output_stride)
