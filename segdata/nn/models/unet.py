"""U-Net (Ronneberger, Fischer and Brox, U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015).

Departures from the paper, usual today: convolutions keep the size, so that the output is as large as the image, and are followed
by batch normalisation. With an encoder, its maps replace the contracting path.
"""

from __future__ import annotations

from torch import Tensor, cat, nn
from torch.nn import functional as F

from segdata.errors import OptionError
from segdata.nn.models import build_encoder
from segdata.nn.models.base import Encoder, Segmenter, conv_norm_relu, he_init, resize
from segdata.nn.models.pix2pix import Pix2PixUNet

DECODERS = ("transposed", "bilinear", "pix2pix")

LIGHT = (256, 128, 64, 32, 16)
"""Channels of the expanding path with an encoder, coarse to fine."""


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3x3 convolutions (figure 1, blue arrows)."""
    return nn.Sequential(conv_norm_relu(inputs, outputs), conv_norm_relu(outputs, outputs))


class Contracting(Encoder):
    """The paper's contracting path: `depth` poolings, each doubles the channels. A `stem` of 2 or 4 starts at that stride."""

    def __init__(self, bands: int, *, width: int, depth: int, stem: int) -> None:
        super().__init__()
        self.channels = tuple(width * 2**i for i in range(depth + 1))
        self.strides = tuple(stem * 2**i for i in range(depth + 1))
        halvings = stem.bit_length() - 1
        self.stem = nn.Sequential(*(conv_norm_relu(width if i else bands, width, stride=2) for i in range(halvings)))
        inputs = (width if halvings else bands, *self.channels)
        self.stages = nn.ModuleList(double_conv(a, b) for a, b in zip(inputs, self.channels, strict=False))
        he_init(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """`(N, C, H, W)` to `depth + 1` maps."""
        maps, x = [], self.stem(image)
        for i, stage in enumerate(self.stages):
            x = stage(F.max_pool2d(x, 2) if i else x)
            maps.append(x)
        return maps


class Up(nn.Module):
    """Doubling of the size, concatenation with the skip, two convolutions. `skip` and `outputs` are numbers of channels."""

    def __init__(self, inputs: int, skip: int, outputs: int, decoder: str) -> None:
        super().__init__()
        transposed = decoder == "transposed"
        self.up = nn.ConvTranspose2d(inputs, outputs, 2, 2) if transposed else nn.Upsample(None, 2, "bilinear")
        self.conv = double_conv((outputs if transposed else inputs) + skip, outputs)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """`(N, inputs, H, W)` and `(N, skip, 2H, 2W)` to `(N, outputs, 2H, 2W)`."""
        x = self.up(x)
        out: Tensor = self.conv(x if skip is None else cat((x, skip), 1))
        return out


class UNet(Segmenter):
    """An encoder, and one step up per map except the last; if the first map has stride 2, one more step without a skip.

    `blunt`: the steps stop at the stride of the first map, and the logits are then enlarged bilinearly. This saves the finest
    convolutions.
    """

    def __init__(
        self, encoder: Encoder, *, classes: int, head: str, widths: tuple[int, ...], decoder: str, blunt: bool
    ) -> None:  # fmt: skip
        super().__init__(classes=classes, head=head, multiple=encoder.strides[-1])
        self.encoder = encoder
        skips = [*reversed(encoder.channels[:-1])]
        if not blunt:
            skips += [0] * (encoder.strides[0].bit_length() - 1)
        inputs = (encoder.channels[-1], *widths)
        self.ups = nn.ModuleList(Up(*sizes, decoder) for sizes in zip(inputs, skips, widths, strict=False))
        self.classify = nn.Conv2d(widths[len(skips) - 1], self.outputs, 1)
        he_init(self.ups)
        he_init(self.classify)

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`."""
        *skips, x = self.encoder(image)
        for up in self.ups:
            x = up(x, skips.pop() if skips else None)
        return resize(self.classify(x), image)


def unet(
    *, encoder: str | None, bands: int, classes: int, head: str,
    decoder: str = "transposed", width: int = 64, depth: int = 4, stem: int = 1, dropout: float = 0.0,
) -> Segmenter:  # fmt: skip
    """U-Net, plain or with an encoder.

    `decoder` is `transposed` (convolutions of stride 2), `bilinear` or, only with an encoder, `pix2pix`, the only one with
    `dropout`. The plain U-Net has `width` channels at the finest scale, and each of its `depth` poolings doubles them. With a
    `stem` of 2 or 4 its finest scale has that stride (a small, fast net for a CPU).
    """
    if decoder not in DECODERS:
        raise OptionError(f"no decoder {decoder!r}: there are {', '.join(DECODERS)}")
    if not 0 <= dropout < 1:
        raise OptionError(f"dropout must be a share from 0 to below 1, not {dropout}")
    if dropout and decoder != "pix2pix":
        raise OptionError(f"decoder {decoder} has no dropout: only pix2pix has it")
    if encoder is None:
        return _plain(bands, classes, head, decoder, width, depth, stem)
    if (width, depth, stem) != (64, 4, 1):
        raise OptionError(
            "width, depth and stem are for the plain U-Net: leave them out, or the encoder and its weights"
        )
    made = build_encoder(encoder, bands=bands)
    if decoder == "pix2pix":
        return Pix2PixUNet(made, classes=classes, head=head, dropout=dropout)
    return UNet(made, classes=classes, head=head, widths=LIGHT, decoder=decoder, blunt=False)


def _plain(bands: int, classes: int, head: str, decoder: str, width: int, depth: int, stem: int) -> UNet:
    if decoder == "pix2pix":
        raise OptionError("the pix2pix decoder needs an encoder: name one with --encoder")
    if stem not in (1, 2, 4):
        raise OptionError(f"the stem of a plain U-Net must be 1, 2 or 4, not {stem}")
    path = Contracting(bands, width=width, depth=depth, stem=stem)
    widths = path.channels[-2::-1]
    return UNet(path, classes=classes, head=head, widths=widths, decoder=decoder, blunt=True)
