"""FCN-32s, -16s and -8s (Long, Shelhamer and Darrell, Fully Convolutional Networks for Semantic Segmentation, CVPR 2015).

Departures: each kernel is padded as much as it needs to keep the size, instead of 100 pixels at the first convolution and a
crop. The fully connected layers start with random weights; the paper uses those of the classifier. Skips start at 0 as in the
paper, and are not scaled. With encoders other than VGG, the head is narrower, and skips are the encoder's own maps.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segdata.nn.models import build_encoder
from segdata.nn.models.base import Encoder, Segmenter, conv_norm_relu, he_init
from segdata.nn.models.vgg import VGG


def bilinear_kernel(size: int) -> Tensor:
    """`(size, size)` float32: the weights with which a transposed convolution of stride size / 2 interpolates bilinearly."""
    stride = size // 2
    distance = (torch.arange(size) - (size - 1) / 2).abs() / stride
    line = (1 - distance).clamp_min(0)
    return line[:, None] * line[None, :]


def upscore(classes: int, stride: int) -> nn.ConvTranspose2d:
    """A transposed convolution that enlarges scores `stride` times; it starts as bilinear and learns (section 3.3)."""
    layer = nn.ConvTranspose2d(classes, classes, 2 * stride, stride, stride // 2, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(classes), range(classes)] = bilinear_kernel(2 * stride)
    return layer


def fully_convolutional(inputs: int, outputs: int, vgg: bool) -> nn.Sequential:
    """The classifier as convolutions: with VGG, 7x7 and 1x1 to 4096 channels (section 3.1); otherwise 3x3 to a quarter."""
    if not vgg:
        head = nn.Sequential(conv_norm_relu(inputs, inputs // 4), nn.Dropout(0.1), nn.Conv2d(inputs // 4, outputs, 1))
    else:
        head = nn.Sequential(
            nn.Conv2d(inputs, 4096, 7, padding=3), nn.ReLU(inplace=True), nn.Dropout(0.5),
            nn.Conv2d(4096, 4096, 1), nn.ReLU(inplace=True), nn.Dropout(0.5),
            nn.Conv2d(4096, outputs, 1),
        )  # fmt: skip
    he_init(head)
    return head


def skip_score(inputs: int, outputs: int) -> nn.Conv2d:
    """A 1x1 convolution that starts with zeros, so that at first the coarser net is unchanged (section 4.2)."""
    score = nn.Conv2d(inputs, outputs, 1)
    nn.init.zeros_(score.weight)
    nn.init.constant_(cast("Tensor", score.bias), 0)
    return score


class FCN(Segmenter):
    """Scores at stride 32, enlarged and added to the scores of as many `skips` at strides 16 and 8 (figure 3)."""

    def __init__(self, encoder: Encoder, *, classes: int, head: str, skips: int) -> None:
        super().__init__(classes=classes, head=head, multiple=32)
        self.encoder = encoder
        self.pooled = isinstance(encoder, VGG)
        self.fc = fully_convolutional(encoder.channels[-1], self.outputs, self.pooled)
        maps = encoder.channels[:-1][::-1]
        if self.pooled:
            maps = maps[1:]  # pool4 is the pooled map of stride 8
        self.scores = nn.ModuleList(skip_score(channels, self.outputs) for channels in maps[:skips])
        self.ups = nn.ModuleList(upscore(self.outputs, 2) for _ in range(skips))
        self.upscore = upscore(self.outputs, 32 // 2**skips)

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`."""
        *maps, x = self.encoder(image)
        if self.pooled:
            maps = [F.max_pool2d(x, 2) for x in maps[:-1]]
        x = self.fc(x)
        for up, score in zip(self.ups, self.scores, strict=True):
            x = up(x) + score(maps.pop())
        out: Tensor = self.upscore(x)
        return out


def fcn32s(*, encoder: str | None, bands: int, classes: int, head: str) -> FCN:
    """FCN-32s, without skips."""
    return FCN(build_encoder(encoder or "vgg16", bands=bands), classes=classes, head=head, skips=0)


def fcn16s(*, encoder: str | None, bands: int, classes: int, head: str) -> FCN:
    """FCN-16s, with a skip from pool4."""
    return FCN(build_encoder(encoder or "vgg16", bands=bands), classes=classes, head=head, skips=1)


def fcn8s(*, encoder: str | None, bands: int, classes: int, head: str) -> FCN:
    """FCN-8s, with skips from pool4 and pool3."""
    return FCN(build_encoder(encoder or "vgg16", bands=bands), classes=classes, head=head, skips=2)
