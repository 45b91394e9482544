"""U-Net with the decoder of pix2pix (Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017).

A step up is a 4x4 transposed convolution, batch normalisation, dropout if wanted, and ReLU (appendix 6.1.1); the encoder's map is
concatenated with the result. The encoder is usually pretrained and frozen. Departure: the paper has an encoder of its own.
"""

from __future__ import annotations

from torch import Tensor, cat, nn

from segdata.nn.models.base import Encoder, Norm, Segmenter, he_init

WIDTHS = (512, 512, 256, 128, 64)
"""Channels of the steps up, coarse to fine; an encoder that begins at stride 2 has one step fewer, the first."""


def step_up(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Layers that double the size."""
    conv = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
    layers: list[nn.Module] = [conv, Norm(outputs)]
    layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


class Pix2PixUNet(Segmenter):
    """One step up per map of the encoder except the last; if the maps begin at stride 2, the classifier is one more."""

    def __init__(self, encoder: Encoder, *, classes: int, head: str, dropout: float) -> None:
        super().__init__(classes=classes, head=head, multiple=encoder.strides[-1])
        self.encoder = encoder
        self.ups = nn.ModuleList()
        inputs, skips = encoder.channels[-1], encoder.channels[-2::-1]
        for skip, width in zip(skips, WIDTHS[-len(skips) :], strict=True):
            self.ups.append(step_up(inputs, width, dropout))
            inputs = width + skip
        halved = encoder.strides[0] == 2
        self.classify: nn.Module = (
            nn.ConvTranspose2d(inputs, self.outputs, 4, 2, 1) if halved else nn.Conv2d(inputs, self.outputs, 1)
        )
        he_init(self.ups)
        he_init(self.classify)

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`."""
        *maps, x = self.encoder(image)
        for up in self.ups:
            x = cat((up(x), maps.pop()), 1)
        out: Tensor = self.classify(x)
        return out
