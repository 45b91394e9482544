"""What sets each architecture apart: parameter counts of the published ones, fields of view, strides, and its own idea."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from segdata.nn.models import build, build_encoder  # noqa: E402
from segdata.nn.models.base import DensePool  # noqa: E402
from segdata.nn.models.deeplab import SCALES  # noqa: E402
from segdata.nn.models.deeplabv3 import ASPP  # noqa: E402
from segdata.nn.models.fcn import upscore  # noqa: E402
from segdata.nn.models.pspnet import PyramidPooling  # noqa: E402

LIGHT = "mobilenet_v2"


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def parameters(model: str, **options: Any) -> int:
    """Counted without making them."""
    with torch.device("meta"):
        return sum(p.numel() for p in build(model, **options).parameters())


# Published parameter counts


def test_deeplabv3_has_the_parameters_of_torchvisions() -> None:
    """num_params of DeepLabV3_ResNet50_Weights (torchvision 0.29.1), with its auxiliary head."""
    assert parameters("deeplabv3", classes=21, auxiliary=True) == 42_004_074


def test_the_unet_over_an_encoder_has_the_parameters_of_segmentation_models_pytorchs() -> None:
    """smp.Unet("resnet34", classes=1): 24,436,369, of which 128 are in its 3x3 classifier, here 1x1."""
    assert parameters("unet", encoder="resnet34", decoder="bilinear", classes=1) == 24_436_369 - 128


def test_deeplabv3plus_has_the_parameters_of_segmentation_models_pytorchs() -> None:
    """smp.DeepLabV3Plus("mobilenet_v2", classes=21), 0.6.0: the same convolutions, one of them elsewhere."""
    assert parameters("deeplabv3plus", encoder=LIGHT, separable=True, classes=21) == 4_383_653


def test_deeplabv1_has_the_parameters_of_the_paper() -> None:
    """Chen et al. 2015, table 2: DeepLab-LargeFOV 20.5 M."""
    assert parameters("deeplabv1", classes=21) == pytest.approx(20.5e6, rel=1e-3)


def test_fcn_has_the_parameters_of_the_paper() -> None:
    """Long et al. 2015, table 1: FCN-VGG16 134 M; the deconvolution, which the table leaves out, is fixed there."""
    assert parameters("fcn32s", classes=21) - 21 * 21 * 64 * 64 == pytest.approx(134e6, rel=4e-3)


def test_segnet_has_the_parameters_of_the_paper() -> None:
    """29.46 M: Paszke et al., ENet, arXiv 1606.02147, table 2."""
    assert parameters("segnet", classes=12) == pytest.approx(29.46e6, rel=1e-3)


def test_pspnet_has_the_parameters_that_its_parts_have() -> None:
    """No count is published with a 7x7 first convolution; ResNet-50, then layer by layer from the paper, norms as 2 a channel."""
    resnet50 = 25_557_032 - 2049 * 1000
    pyramid = 4 * (2048 * 512 + 2 * 512)
    classify = 9 * 4096 * 512 + 2 * 512 + 512 * 19 + 19
    auxiliary = 9 * 1024 * 256 + 2 * 256 + 256 * 19 + 19
    assert parameters("pspnet", classes=19) == resnet50 + pyramid + classify + auxiliary
    assert parameters("pspnet", classes=19, auxiliary=False) == resnet50 + pyramid + classify


# Output strides and fields of view


@pytest.mark.parametrize(
    ("model", "options", "stride"),
    [
        ("fcn8s", {}, 32), ("segnet", {}, 32), ("unet", {}, 32), ("pspnet", {}, 8), ("deeplabv1", {}, 8), ("deeplabv2", {}, 8),
        ("deeplabv3", {}, 16), ("deeplabv3plus", {}, 16), ("parsenet", {}, 8), ("deeplabv3", {"output_stride": 8}, 8),
        ("pspnet", {"output_stride": 16}, 16), ("deeplabv3plus", {"output_stride": 8}, 8),
    ],
)  # fmt: skip
def test_output_strides(model: str, options: dict[str, int], stride: int) -> None:
    """Seen at the encoder's last map within the model."""
    net = build(model, encoder=LIGHT, classes=2, **options).eval()
    seen: list[tuple[int, ...]] = []
    net.encoder.register_forward_hook(lambda module, given, maps: seen.append(tuple(maps[-1].shape[-2:])))
    net(torch.randn(1, 3, 96, 160))
    assert seen == [(96 // stride, 160 // stride)]


def linear(module: nn.Module) -> nn.Module:
    """The same shape with positive weights, mean pooling and no activation: each input that counts has a gradient."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.MaxPool2d):
            setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
        elif isinstance(child, DensePool):
            setattr(module, name, DensePool("mean", child.dilation))
        elif isinstance(child, nn.ReLU | nn.ReLU6 | nn.BatchNorm2d | nn.Dropout):
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.Conv2d):
            nn.init.constant_(child.weight, 1 / child.weight[0].numel())
        linear(child)
    return module.double()


def field(net: Any, width: int) -> int:
    """Columns of the input that the middle of the output depends on. Only the width is measured: an image of few rows."""
    image = torch.ones(1, 3, 32, width, dtype=torch.float64, requires_grad=True)
    out = net(image)
    out[..., out.shape[-1] // 2].sum().backward()
    assert image.grad is not None
    columns = image.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    assert columns[0] > 0
    assert columns[-1] < width - 1
    return int(columns[-1] - columns[0]) + 1


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        # Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019, table: vgg_16 212
        ("vgg16", 212),
        # by the recursion there, layer by layer: r += (kernel - 1) x the product of the strides before it
        ("vgg19", 1 + sum((2 * n * 2**i) + 2**i for i, n in enumerate((2, 2, 4, 4, 4)))),
        ("resnet18", 1 + 6 + 2 * 2 + 4 * 2 * 4 + (2 * 4 + 3 * 2 * 8) + (2 * 8 + 3 * 2 * 16) + (2 * 16 + 3 * 2 * 32)),
        ("resnet50", 1 + 6 + 2 * 2 + 3 * 2 * 4 + (2 * 4 + 3 * 2 * 8) + (2 * 8 + 5 * 2 * 16) + (2 * 16 + 2 * 2 * 32)),
    ],
)
def test_receptive_fields_of_encoders(name: str, wanted: int) -> None:
    net = linear(build_encoder(name).eval())
    assert field(lambda image: net(image)[-1], 32 * (wanted // 32 + 3)) == wanted


@pytest.mark.parametrize("output_stride", [16, 8])
def test_atrous_encoders_see_as_far(output_stride: int) -> None:
    net = linear(build_encoder("vgg16", output_stride=output_stride).eval())
    assert field(lambda image: net(image)[-1], 288) == 212


def test_fields_of_view_of_deeplab() -> None:
    """fc6 widens that of conv5 and pool5 by 2 x rate x stride."""
    net = build("deeplabv1", encoder="vgg16", classes=2, width=2).eval()
    head = linear(nn.Sequential(net.classify)).eval()
    encoder = linear(net.encoder)
    assert field(lambda image: head(encoder(image)[-1]), 448) == 212 + 2 * 12 * 8
    rates = {m: build(m, encoder=LIGHT, classes=2, width=2, rate=4) for m in ("deeplabv1", "parsenet")}
    assert rates["deeplabv1"].classify[0][0].dilation == rates["parsenet"].local[0].dilation == (4, 4)


@pytest.mark.parametrize(("output_stride", "rates"), [(16, (6, 12, 18)), (8, (12, 24, 36))])
def test_rates_of_aspp(output_stride: int, rates: tuple[int, ...]) -> None:
    """Rates double as the stride halves (Chen et al. 2017, section 4.1)."""
    net = build("deeplabv3plus", encoder=LIGHT, classes=2, output_stride=output_stride)
    assert tuple(branch[0].dilation[0] for branch in net.aspp.branches) == (1, *rates)
    light = build("deeplabv3plus", encoder=LIGHT, classes=2, output_stride=output_stride, separable=True)
    assert tuple(branch[0].dilation[0] for branch in light.aspp.branches) == (1, *rates)
    with_rates = build("deeplabv2", encoder=LIGHT, classes=2).classify.branches
    assert [branch[0].dilation[0] for branch in with_rates] == [6, 12, 18, 24]


# Each one's idea


@pytest.mark.parametrize("stride", [2, 8, 16, 32])
def test_deconvolution_begins_as_interpolation(stride: int) -> None:
    scores = torch.randn(1, 3, 5, 6)
    up = upscore(3, stride)(scores)
    assert up.shape == (1, 3, 5 * stride, 6 * stride)
    wanted = F.interpolate(scores, scale_factor=float(stride), mode="bilinear", align_corners=False)
    inner = (..., slice(stride, -stride), slice(stride, -stride))  # beyond the outermost centres it fades
    torch.testing.assert_close(up[inner], wanted[inner])


@pytest.mark.parametrize(("model", "strides"), [("fcn32s", []), ("fcn16s", [16]), ("fcn8s", [16, 8])])
@pytest.mark.parametrize("encoder", ["vgg16", LIGHT])
def test_fcn_adds_skips_that_begin_at_zero(model: str, strides: list[int], encoder: str) -> None:
    with torch.device("meta"):
        net = build(model, encoder=encoder, classes=3)
        seen: list[int] = []
        for score in net.scores:
            score.register_forward_hook(lambda module, given, out: seen.append(64 // out.shape[-1]))
        net(torch.randn(1, 3, 64, 64))
    assert seen == strides
    if encoder == LIGHT:
        assert all(
            not score.weight.any() and not score.bias.any() for score in build(model, encoder=encoder, classes=3).scores
        )


def test_segnet_puts_values_back_where_they_came_from() -> None:
    """With convolutions taken out, each value is where its window's maximum was and all else is 0, as plain loops have it."""
    net = build("segnet", encoder="vgg16", classes=2)
    finest = torch.randn(1, 4, 8, 8)
    pooled = F.max_pool2d(finest, 2)
    wanted = np.zeros((1, 4, 8, 8), np.float32)
    for c in range(4):
        for y in range(0, 8, 2):
            for x in range(0, 8, 2):
                window = finest[0, c, y : y + 2, x : x + 2].numpy()
                at = np.unravel_index(window.argmax(), (2, 2))
                wanted[0, c, y + at[0], x + at[1]] = window.max()

    class Encoder(nn.Module):
        def forward(self, image: Any) -> list[Any]:
            return [finest, pooled]

    net.encoder = Encoder()
    net.entry, net.stages, net.classify = nn.Identity(), nn.ModuleList([nn.Identity()]), nn.Identity()
    assert np.array_equal(net.logits(torch.zeros(1, 3, 8, 8)).numpy(), wanted)


def test_pyramid_pooling_is_means_over_regions() -> None:
    """Against numpy, with convolutions taken out; rows 1 to 6 regions of a map of 12 x 12, enlarged."""
    pyramid = PyramidPooling(4)
    x = torch.randn(2, 4, 12, 12)
    for level, bins in zip(pyramid.levels, (1, 2, 3, 6), strict=True):
        n = 12 // bins
        wanted = x.numpy().reshape(2, 4, bins, n, bins, n).mean((3, 5))
        np.testing.assert_allclose(level[0](x).numpy(), wanted, rtol=1e-5, atol=1e-6)
        level[1] = nn.Identity()
    out = pyramid(x)
    assert out.shape == (2, 4 + 4 * 4, 12, 12)
    assert torch.equal(out[:, :4], x)
    torch.testing.assert_close(out[:, 4:8], x.mean((2, 3), keepdim=True).expand_as(x))


def test_aspp_sees_the_whole_image_and_its_rates() -> None:
    aspp = ASPP(2, (2, 3), light=False, dropout=0.0).eval()
    x = torch.randn(1, 2, 40, 40, requires_grad=True)
    aspp.image(x).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, x.grad.mean((2, 3), keepdim=True).expand_as(x))  # the mean: every pixel alike
    for branch, reach in zip(aspp.branches, (0, 2, 3), strict=True):
        (gradient,) = torch.autograd.grad(branch[0](x)[0, :, 20, 20].sum(), x)
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
        assert rows.tolist() == sorted({20 - reach, 20, 20 + reach})


def test_parsenet_puts_one_scaled_unit_vector_beside_every_pixels_own() -> None:
    net = build("parsenet", encoder=LIGHT, classes=2, width=8).eval()
    seen: list[Any] = []
    net.classify.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    net(torch.randn(1, 3, 64, 64))
    local, context = seen[0].split(8, dim=1)
    assert local.shape == (1, 8, 8, 8)
    for part in (local, context):
        torch.testing.assert_close(part.norm(dim=1), torch.full((1, 8, 8), 10.0))
    assert torch.equal(context, context[..., :1, :1].expand_as(context))
    assert not torch.allclose(local, local[..., :1, :1].expand_as(local))


def test_deeplabv2_keeps_the_largest_of_three_scales() -> None:
    net = build("deeplabv2", encoder=LIGHT, classes=3, multiscale=True).train()
    image = torch.randn(1, 3, 64, 64)
    logits = net(image)
    assert len(net.auxiliary) == len(SCALES) == 3
    assert torch.equal(logits, torch.stack(net.auxiliary).amax(0))
    assert [tuple(net.scaled(image, s).shape[-2:]) for s in SCALES] == [(64, 64), (48, 48), (32, 32)]
    assert net.scaled(torch.randn(1, 3, 8, 40), 0.5).shape[-2:] == (8, 24)
    net.eval()
    net(image)
    assert net.auxiliary == ()


@pytest.mark.parametrize("encoder", [LIGHT, "vgg16"])
def test_the_pix2pix_decoder(encoder: str) -> None:
    """Transposed convolutions of 4x4, dropout where asked for, and the classifier one of them where maps begin at stride 2."""
    with torch.device("meta"):
        net = build("unet", encoder=encoder, classes=3, decoder="pix2pix", dropout=0.5)
        assert net(torch.randn(2, 3, 50, 70)).shape == (2, 3, 50, 70)
    convs = [m for m in net.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [c.out_channels for c in convs] == [512, 256, 128, 64, 3] if encoder == LIGHT else [512, 512, 256, 128, 64]
    assert {c.kernel_size for c in convs} == {(4, 4)}
    assert sum(isinstance(m, nn.Dropout) for m in net.modules()) == len(net.ups)
    plain = build("unet", encoder=LIGHT, classes=3, decoder="pix2pix").train()
    assert not any(isinstance(m, nn.Dropout) for m in plain.ups.modules())
    plain(torch.randn(1, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None for p in plain.parameters())
