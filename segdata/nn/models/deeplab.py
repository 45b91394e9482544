"""DeepLab v1 and v2: a large field of view by dilated convolutions, at one rate (v1) or at several in parallel (v2).

v1: Chen et al., Semantic Image Segmentation with Deep Convolutional Nets and Fully Connected CRFs, ICLR 2015 (LargeFOV).
v2: Chen et al., DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution, and Fully Connected CRFs,
TPAMI 2018 (ASPP). The CRF is `segdata refine`. Departures: poolings that keep the stride have 2x2 windows, not 3x3, so that the
encoder computes the same as the pretrained one at every pixel; the converted fully connected layers start with random weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segdata.nn.models import build_encoder
from segdata.nn.models.base import Encoder, Segmenter, he_init, resize, rounded_up
from segdata.nn.models.vgg import VGG

SCALES = (1.0, 0.75, 0.5)


def field_of_view(inputs: int, rate: int, width: int = 1024) -> nn.Sequential:
    """fc6 as a 3x3 convolution with that rate, fc7 as 1x1, each with ReLU and dropout (v1, section 4.1)."""
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=rate, dilation=rate), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Conv2d(width, width, 1), nn.ReLU(inplace=True), nn.Dropout(0.5),
    )  # fmt: skip


class DeepLabV1(Segmenter):
    """An atrous encoder and one classifier with a large field of view."""

    def __init__(self, encoder: Encoder, *, classes: int, head: str, rate: int, width: int) -> None:
        super().__init__(classes=classes, head=head, multiple=encoder.strides[-1])
        self.encoder = encoder
        self.classify = nn.Sequential(
            field_of_view(encoder.channels[-1], rate, width), nn.Conv2d(width, self.outputs, 1)
        )
        he_init(self.classify)

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`."""
        return resize(self.classify(self.encoder(image)[-1]), image)


class SummedASPP(nn.Module):
    """One classifier per rate; their logits are summed (v2, figure 7). With VGG each has its own fc6 and fc7."""

    def __init__(self, inputs: int, outputs: int, rates: tuple[int, ...], vgg: bool) -> None:
        super().__init__()
        if vgg:
            branches = [nn.Sequential(field_of_view(inputs, rate), nn.Conv2d(1024, outputs, 1)) for rate in rates]
        else:
            branches = [nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=r, dilation=r)) for r in rates]
        self.branches = nn.ModuleList(branches)
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H, W)`."""
        return torch.stack([branch(x) for branch in self.branches]).sum(0)


class DeepLabV2(Segmenter):
    """An atrous encoder and summed ASPP.

    `multiscale`: the image goes through the same weights at three scales, and the largest logit of each pixel and class is kept.
    The logits of each scale are auxiliary outputs (v2, section 4.1.2: each has its own loss).
    """

    def __init__(
        self, encoder: Encoder, *, classes: int, head: str, rates: tuple[int, ...], multiscale: bool
    ) -> None:  # fmt: skip
        super().__init__(classes=classes, head=head, multiple=encoder.strides[-1])
        self.encoder = encoder
        self.classify = SummedASPP(encoder.channels[-1], self.outputs, rates, isinstance(encoder, VGG))
        self.scales = SCALES if multiscale else (1.0,)

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`."""
        each = [resize(self.classify(self.encoder(self.scaled(image, scale))[-1]), image) for scale in self.scales]
        if self.training and len(each) > 1:
            self.auxiliary = tuple(each)
        return torch.stack(each).amax(0) if len(each) > 1 else each[0]

    def scaled(self, image: Tensor, scale: float) -> Tensor:
        """The image at a scale; its sides are rounded up to multiples of `multiple`."""
        if scale == 1:
            return image
        part, whole = (
            scale.as_integer_ratio()
        )  # whole numbers of 0 or more alone: so exports can follow, ONNX rounds to 0
        size = [rounded_up(length * part // whole, self.multiple) for length in image.shape[-2:]]
        return F.interpolate(image, size=size, mode="bilinear", align_corners=False)


def deeplabv1(
    *, encoder: str | None, bands: int, classes: int, head: str, output_stride: int = 8, rate: int = 12, width: int = 1024
) -> DeepLabV1:  # fmt: skip
    """DeepLab v1, by default with VGG-16. `rate` is the dilation of the field of view."""
    made = build_encoder(encoder or "vgg16", bands=bands, output_stride=output_stride)
    return DeepLabV1(made, classes=classes, head=head, rate=rate, width=width)


def deeplabv2(
    *, encoder: str | None, bands: int, classes: int, head: str,
    output_stride: int = 8, rates: tuple[int, ...] = (6, 12, 18, 24), multiscale: bool = False,
) -> DeepLabV2:  # fmt: skip
    """DeepLab v2, by default with ResNet-50 (the paper uses VGG-16 and ResNet-101)."""
    made = build_encoder(encoder or "resnet50", bands=bands, output_stride=output_stride)
    return DeepLabV2(made, classes=classes, head=head, rates=tuple(rates), multiscale=multiscale)
