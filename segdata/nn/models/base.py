"""The base classes of models and encoders: sizes, heads, padding, freezing.

Shapes: an image `(N, C, H, W)` float32, logits `(N, K, H, W)`; a feature map `(N, channels[i], H / strides[i], W / strides[i])`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segdata.errors import OptionError


class Encoder(nn.Module):
    """A network that gives feature maps from fine to coarse: map i has `channels[i]` and `strides[i]` (a power of two).

    Parameter names are torchvision's, so that its published files load; classifiers are left out. With an output stride of 16
    or 8 an encoder is atrous: layers that would make its maps coarser have stride 1 instead, and the layers after them are
    dilated, so that the weights see the same pixels as in training. Every 2nd (4th) row and column of such a map is exactly the
    usual map.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    name: str | None = None
    """Its name in ENCODERS, or `timm:NAME`."""
    first: str
    """The published name of the first convolution's weight, whose shape depends on the number of bands."""
    spelt: Mapping[str, str] = {}
    """The published names of its weights, as far as they are others."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """`(N, C, H, W)`, H and W multiples of the last stride, to one feature map per stride of `strides`."""
        raise TypeError(f"{type(self).__name__} has no forward")


class Thinning:
    """The strides and dilations that keep an encoder at `output_stride`; 32 changes nothing."""

    def __init__(self, output_stride: int) -> None:
        if output_stride not in (8, 16, 32):
            raise OptionError(f"the output stride of an encoder must be 8, 16 or 32, not {output_stride}")
        self.output_stride, self.stride, self.dilation = output_stride, 1, 1

    def step(self, stride: int) -> int:
        """The stride to use for a layer of `stride` 1 or 2; then `self.stride` and `self.dilation` are those of later layers."""
        if self.stride * stride <= self.output_stride:
            self.stride *= stride
            return stride
        self.dilation *= stride
        return 1


class DensePool(nn.Module):
    """2x2 pooling at every pixel, over four pixels that are `dilation` apart. Every 2nd value is that of pooling with stride 2.

    Beyond the bottom and right edge, the last row and column are repeated.
    """

    def __init__(self, kind: str, dilation: int) -> None:
        super().__init__()
        self.kind, self.dilation = kind, dilation

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W)` to the same shape."""
        d, (height, width) = self.dilation, x.shape[-2:]
        x = F.pad(x, (0, d, 0, d), mode="replicate")
        if self.kind == "max":
            return F.max_pool2d(x, 2, stride=1, dilation=d)
        rows = x[..., :height, :] + x[..., d:, :]
        return (rows[..., :width] + rows[..., d:]) / 4


def pooling(kind: str, thin: Thinning) -> nn.Module:
    """2x2 pooling of stride 2, `max` or `mean`, or its dense form if the output stride is reached."""
    dilation = thin.dilation
    if thin.step(2) == 1:
        return DensePool(kind, dilation)
    return nn.MaxPool2d(2, 2) if kind == "max" else nn.AvgPool2d(2, 2)


class Segmenter(nn.Module):
    """The contract of a model: it takes images of any size and gives logits of the same size.

    A subclass has `encoder` and gives `logits(image) -> (N, outputs, H, W)` for sizes that are multiples of `multiple`. If it
    also trains on auxiliary outputs, each forward pass in training mode leaves them in `auxiliary`: logits of the image's size,
    whose loss counts `AUXILIARY_WEIGHT` times. In evaluation `auxiliary` is empty.

    `head="softmax"`: classes exclude each other. `head="sigmoid"`: each class has its own binary decision, and two classes have
    one output z, returned as the logits (0, z). Their softmax is (1 - sigmoid(z), sigmoid(z)), so code that reads logits need not
    know the difference.
    """

    encoder: nn.Module

    def __init__(self, *, classes: int, head: str, multiple: int) -> None:
        super().__init__()
        self.classes, self.head, self.multiple = classes, head, multiple
        self.outputs = 1 if head == "sigmoid" and classes == 2 else classes
        self.frozen = False
        self.auxiliary: tuple[Tensor, ...] = ()

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)`, H and W multiples of `multiple`, to `(N, outputs, H, W)`."""
        raise TypeError(f"{type(self).__name__} has no logits")

    def forward(self, image: Tensor) -> Tensor:
        """Images `(N, C, H, W)` of any size to logits `(N, K, H, W)`; inside, they are padded at the bottom and right."""
        height, width = image.shape[-2:]
        self.auxiliary = ()
        logits = self.logits(pad(image, self.multiple))
        extras: tuple[Tensor, ...] = self.auxiliary  # `logits` may have set it
        self.auxiliary = tuple(self._finish(extra, height, width) for extra in extras)
        return self._finish(logits, height, width)

    def train(self, mode: bool = True) -> Segmenter:
        """Switch to training or evaluation; a frozen encoder stays in evaluation, so its running statistics do not change."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def __getstate__(self) -> dict[str, Any]:
        """The state for copies, without the outputs of the last forward pass, since they are part of its graph."""
        return {**self.__dict__, "auxiliary": ()}

    def _finish(self, logits: Tensor, height: int, width: int) -> Tensor:
        logits = cut(logits, height, width)
        if self.outputs == self.classes:
            return logits
        return torch.cat((torch.zeros_like(logits), logits), dim=1)


AUXILIARY_WEIGHT = 0.4
"""How much an auxiliary loss counts (Zhao et al., Pyramid Scene Parsing Network, CVPR 2017, section 3.3)."""


class Norm(nn.BatchNorm2d):
    """Batch normalisation that also trains on a single value per channel (one image, pooled to a point).

    Such a batch has no variance, so the running statistics are used. Plain batch normalisation refuses it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W)` to the same shape."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


def refuse_without_encoder(model: Segmenter) -> None:
    """Check that a model has an encoder to freeze. Raises `OptionError` if not."""
    if not isinstance(getattr(model, "encoder", None), nn.Module):
        raise OptionError("this model has no `encoder` (a model from elsewhere: no `encoder` or `backbone`) to freeze")


def freeze_encoder(model: Segmenter) -> None:
    """Stop training the encoder: no gradients, and batch normalisation with its running statistics. `unfreeze` undoes it."""
    refuse_without_encoder(model)
    model.frozen = True
    model.encoder.requires_grad_(False)
    model.train(model.training)


def unfreeze(model: Segmenter) -> None:
    """Let the encoder learn again. Pretrained layers usually need a learning rate ten times lower than new layers."""
    model.frozen = False
    model.encoder.requires_grad_(True)
    model.train(model.training)


def probabilities(logits: Tensor, head: str = "softmax") -> Tensor:
    """Logits to `(N, K, H, W)` float32 that sum to 1 over K. With `sigmoid`: the probability of each class over their sum."""
    logits = logits.float()
    if head == "softmax" or logits.shape[1] == 2:  # two classes are (0, z)
        return logits.softmax(1)
    yes = logits.sigmoid().clamp_min(torch.finfo(torch.float32).tiny)
    return yes / yes.sum(1, keepdim=True)


def exporting() -> bool:
    """Whether `torch.export` follows the model, where sizes are free: a question about a size would fix it."""
    return bool(getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)())  # torch 2.4 has only the second


def pad(image: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until height and width are multiples of `multiple`."""
    if exporting():
        height, width = (rounded_up(n, multiple) for n in image.shape[-2:])
        return taken(image, height, width)
    bottom, right = -image.shape[-2] % multiple, -image.shape[-1] % multiple
    return F.pad(image, (0, right, 0, bottom), mode="replicate") if bottom or right else image


def rounded_up(length: int, multiple: int) -> int:
    """The least multiple that is not below `length`, 0 or more."""
    return (length + multiple - 1) // multiple * multiple


def cut(x: Tensor, height: int, width: int) -> Tensor:
    """The top left `(..., height, width)` of a tensor."""
    return taken(x, height, width) if exporting() else x[..., :height, :width]


def taken(x: Tensor, height: int, width: int) -> Tensor:
    """The top left `(..., height, width)` of a tensor, with the last row and column beyond its edges; no size is asked for."""
    for axis, size in ((-2, height), (-1, width)):
        x = x.index_select(axis, torch.arange(size, device=x.device).clamp(max=x.shape[axis] - 1))
    return x


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Resize bilinearly to the height and width of `like` (pixel areas are aligned, not corners)."""
    if not exporting() and x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution without bias, batch normalisation, ReLU; only the stride changes the size."""
    around = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, around, dilation, bias=False)
    return nn.Sequential(conv, Norm(outputs), nn.ReLU(inplace=True))


def he_init(module: nn.Module) -> None:
    """Initialise convolutions as He et al. (ICCV 2015) for ReLU, biases with 0, batch normalisation with 1 and 0."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out" if isinstance(m, nn.Conv2d) else "fan_in")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)
