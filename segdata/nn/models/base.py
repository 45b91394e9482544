"""What every model and every encoder is: sizes, heads, padding, freezing.

Shapes: an image `(N, C, H, W)` float32, logits `(N, K, H, W)`; a feature map `(N, channels[i], H / strides[i], W / strides[i])`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segdata.errors import OptionError


class Encoder(nn.Module):
    """Feature maps from fine to coarse: `channels[i]` and `strides[i]` (a power of two) tell what `forward` gives at i.

    Parameter names are torchvision's, so that its published files load; classifiers are left out. With an output stride of 16
    or 8 an encoder is atrous: what would make its maps coarser has stride 1 instead, and what follows is dilated, so that the
    weights still see what they were trained on. Of every 2nd (4th) row and column such a map is exactly the usual one.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    name: str | None = None
    """Its line in ENCODERS."""
    first: ClassVar[str]
    """The name of the first convolution's weight, which other band counts change."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """`(N, C, H, W)`, H and W multiples of the last stride, to one feature map for each of `strides`."""
        raise TypeError(f"{type(self).__name__} has no forward")


class Thinning:
    """Where an encoder goes coarser, the stride and dilation that keep it at `output_stride`; 32 changes nothing."""

    def __init__(self, output_stride: int) -> None:
        if output_stride not in (8, 16, 32):
            raise OptionError(f"an encoder has output stride 8, 16 or 32, not {output_stride}")
        self.output_stride, self.stride, self.dilation = output_stride, 1, 1

    def step(self, stride: int) -> int:
        """The stride to take where `stride` (1 or 2) is asked for. `stride` and `dilation` are then those of what follows."""
        if self.stride * stride <= self.output_stride:
            self.stride *= stride
            return stride
        self.dilation *= stride
        return 1


class DensePool(nn.Module):
    """2x2 pooling at every pixel, the four `dilation` apart: on every 2nd of them what pooling of stride 2 gives.

    Beyond the bottom and right edge the last row and column are repeated.
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
    """2x2 pooling of stride 2, `max` or `mean`, or its dense form where the output stride is reached."""
    dilation = thin.dilation
    if thin.step(2) == 1:
        return DensePool(kind, dilation)
    return nn.MaxPool2d(2, 2) if kind == "max" else nn.AvgPool2d(2, 2)


class Segmenter(nn.Module):
    """The contract of a model: any size in, logits of that size out.

    A subclass has `encoder` and gives `logits(image) -> (N, outputs, H, W)` for sizes that are multiples of `multiple`.
    Where it trains on auxiliary outputs too, it leaves them in `auxiliary` at each forward in training mode: logits of the
    image's size, for which the loss counts `AUXILIARY_WEIGHT` times; empty in evaluation.

    `head="softmax"`: classes exclude each other. `head="sigmoid"`: each class has a yes or no of its own, and two classes
    have one output z, given as the logits (0, z), of which softmax is (1 - sigmoid(z), sigmoid(z)): whatever reads logits
    need not know the difference.
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
        """Logits `(N, K, H, W)` of an image `(N, C, H, W)` of any size, padded at the bottom and right on the way."""
        height, width = image.shape[-2:]
        self.auxiliary = ()
        logits = self.logits(pad(image, self.multiple))
        extras: tuple[Tensor, ...] = self.auxiliary  # which `logits` may have left
        self.auxiliary = tuple(self._finish(extra, height, width) for extra in extras)
        return self._finish(logits, height, width)

    def train(self, mode: bool = True) -> Segmenter:
        """Training or evaluation; a frozen encoder stays in evaluation, so that its running statistics stay too."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def __getstate__(self) -> dict[str, Any]:
        """For copies: without the last forward's outputs, which hang on its graph."""
        return {**self.__dict__, "auxiliary": ()}

    def _finish(self, logits: Tensor, height: int, width: int) -> Tensor:
        logits = logits[..., :height, :width]
        if self.outputs == self.classes:
            return logits
        return torch.cat((torch.zeros_like(logits), logits), dim=1)


AUXILIARY_WEIGHT = 0.4
"""How much an auxiliary loss counts (Zhao et al., Pyramid Scene Parsing Network, CVPR 2017, section 3.3)."""


class Norm(nn.BatchNorm2d):
    """Batch normalisation that also trains on a single value a channel (one image, pooled to a point).

    There the batch has no variance; the running statistics stand in. Plain batch normalisation refuses such a batch.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W)` to the same."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


def refuse_without_encoder(model: Segmenter) -> None:
    """Raise `OptionError` where there is nothing to freeze."""
    if not isinstance(getattr(model, "encoder", None), nn.Module):
        raise OptionError("this model has no `encoder` (a model from elsewhere: no `encoder` or `backbone`) to freeze")


def freeze_encoder(model: Segmenter) -> None:
    """Keep the encoder as it is: no gradients, and batch normalisation by its running statistics. Undone by `unfreeze`."""
    refuse_without_encoder(model)
    model.frozen = True
    model.encoder.requires_grad_(False)
    model.train(model.training)


def unfreeze(model: Segmenter) -> None:
    """Let the encoder learn again. Pretrained layers usually want a rate ten times below that of the new ones."""
    model.frozen = False
    model.encoder.requires_grad_(True)
    model.train(model.training)


def probabilities(logits: Tensor, head: str = "softmax") -> Tensor:
    """`(N, K, H, W)` float32 that sum to 1 over K. Under `sigmoid` the yes of each class, over the sum of all."""
    logits = logits.float()
    if head == "softmax" or logits.shape[1] == 2:  # two classes are (0, z)
        return logits.softmax(1)
    yes = logits.sigmoid().clamp_min(torch.finfo(torch.float32).tiny)
    return yes / yes.sum(1, keepdim=True)


def pad(image: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until height and width are multiples of `multiple`."""
    bottom, right = -image.shape[-2] % multiple, -image.shape[-1] % multiple
    return F.pad(image, (0, right, 0, bottom), mode="replicate") if bottom or right else image


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of `like` (pixel areas aligned, not corners)."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution without bias, batch normalisation, ReLU; the size is kept but for the stride."""
    around = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, around, dilation, bias=False)
    return nn.Sequential(conv, Norm(outputs), nn.ReLU(inplace=True))


def he_init(module: nn.Module) -> None:
    """Convolutions as He et al. (ICCV 2015) for ReLU, biases 0, batch normalisation 1 and 0."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out" if isinstance(m, nn.Conv2d) else "fan_in")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)
