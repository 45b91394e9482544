"""Models from elsewhere: the user's own by package.module:factory, and segmentation_models_pytorch by a stand-in."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from segdata.errors import MissingDependency, OptionError  # noqa: E402
from segdata.nn.models import build  # noqa: E402
from segdata.nn.models.base import freeze_encoder  # noqa: E402

NETS = """
import torch

class Net(torch.nn.Module):
    def __init__(self, bands, classes, width):
        super().__init__()
        self.backbone = torch.nn.Conv2d(bands, width, 3, stride=2, padding=1)
        self.head = torch.nn.ConvTranspose2d(width, classes, 2, 2)
    def forward(self, x):
        return {"out": self.head(self.backbone(x))}

def build(bands, classes, width=4):
    return Net(bands, classes, width)

def flat(bands, classes):
    return torch.nn.Conv2d(bands, classes + 1, 1)

def number(bands, classes):
    return 3

def noargs():
    return Net(3, 2, 4)

def faulty(bands, classes):
    return len(bands)

some = 3
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the working folder."""
    (tmp_path / "my_own_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_own_nets", raising=False)
    return "my_own_nets"


def test_a_model_of_ones_own(nets: str) -> None:
    model = build(f"{nets}:build", bands=4, classes=2, head="sigmoid", width=6, multiple=2)
    assert model(torch.randn(2, 4, 9, 11)).shape == (2, 2, 9, 11)
    assert model.net.head.weight.shape == (6, 1, 2, 2)
    freeze_encoder(model)
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == [
        "net.backbone.weight",
        "net.backbone.bias",
    ]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("{}:bild", {}, "no attribute 'bild'; write it as package.module:factory"),
        ("no_such_module:build", {}, "No module named 'no_such_module'"),
        (":build", {}, "write it as package.module:factory"),
        ("{}:number", {}, "the factory gave int, not a torch.nn.Module"),
        ("{}:noargs", {}, "unexpected keyword argument 'bands'; a factory is called with bands=3, classes=2"),
        ("{}:Net", {}, "missing a required argument: 'width'; a factory is called with bands=3, classes=2"),
        ("{}:build", {"wide": 3}, "'wide'; a factory is called with bands=3, classes=2, wide=3"),
        ("os:system", {}, "a factory is called with bands=3, classes=2"),
        ("{}:some", {}, "is of type int, not a factory"),
        ("{}:build", {"multiple": "2x"}, "multiple must be a whole number, 1 or more, not '2x'"),
        ("{}:build", {"multiple": 0}, "multiple must be a whole number, 1 or more, not 0"),
        ("{}:build", {"encoder": "vgg19"}, "leave --encoder out"),
        ("{}:build", {"encoder_weights": "imagenet"}, "leave --encoder-weights out"),
    ],
)
def test_what_is_wrong_with_it_is_said(nets: str, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(name.format(nets), classes=2, **options)


def test_faults_within_a_factory_stay_its_own(nets: str) -> None:
    with pytest.raises(TypeError, match="has no len"):
        build(f"{nets}:faulty", classes=2)


def test_outputs_of_another_shape_are_refused(nets: str) -> None:
    model = build(f"{nets}:flat", classes=2)
    with pytest.raises(OptionError, match=r"gives \(1, 3, 8, 8\); .* \(1, 2, 8, 8\)"):
        model(torch.randn(1, 3, 8, 8))
    with pytest.raises(OptionError, match=r"no `encoder` or `backbone`.*to freeze"):
        freeze_encoder(model)


class FakeUnet(torch.nn.Module):
    """Takes what segmentation_models_pytorch's architectures take, and insists on sizes as they do."""

    def __init__(
        self, encoder_name: str = "resnet34", encoder_weights: str | None = "imagenet", in_channels: int = 3, classes: int = 1
    ) -> None:  # fmt: skip
        super().__init__()
        if encoder_name not in ("resnet34", "resnet18"):
            raise KeyError(f"Wrong encoder name `{encoder_name}`, supported encoders: ['resnet18', 'resnet34']")
        self.given = encoder_name, encoder_weights
        self.encoder = torch.nn.Conv2d(in_channels, 4, 1)
        self.segmentation_head = torch.nn.Conv2d(4, classes, 1)

    def forward(self, x: Any) -> Any:
        if x.shape[-1] % 32 or x.shape[-2] % 32:
            raise RuntimeError("Wrong input shape: expected image height and width divisible by 32")
        return self.segmentation_head(self.encoder(x))


def test_a_model_of_segmentation_models_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("segmentation_models_pytorch")
    fake.Unet, fake.encoders = FakeUnet, ModuleType("encoders")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", fake)
    model = build("smp:Unet/resnet18", bands=1, classes=3, encoder_weights="imagenet")
    assert model.net.given == ("resnet18", "imagenet")
    assert build("smp:Unet", classes=3).net.given == ("resnet34", None)
    assert model(torch.randn(1, 1, 33, 70)).shape == (1, 3, 33, 70)
    freeze_encoder(model)
    assert not model.net.encoder.weight.requires_grad
    assert model.net.segmentation_head.weight.requires_grad
    for name, message in (
        ("smp:Unett/resnet18", "no architecture 'Unett'"),
        ("smp:encoders/resnet18", "no architecture 'encoders'"),
        ("smp:Unet/resnet", "Wrong encoder name"),
    ):
        with pytest.raises(OptionError, match=message):
            build(name, classes=3)


def test_weights_of_a_file_go_into_ones_own_model(
    nets: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = build(f"{nets}:build", bands=3, classes=5)
    torch.save({"model": {f"module.{key}": value for key, value in first.net.state_dict().items()}}, "w.pth")
    second = build(f"{nets}:build", bands=3, classes=2, encoder_weights="w.pth")
    assert torch.equal(second.net.backbone.weight, first.net.backbone.weight)
    assert torch.equal(second.net.backbone.bias, first.net.backbone.bias)
    told = capsys.readouterr().err
    assert "2 tensors of w.pth under module.backbone.*; left out: module.head.weight, module.head.bias" in told
    grey = build(f"{nets}:build", bands=1, classes=2, encoder_weights="w.pth")
    torch.testing.assert_close(grey.net.backbone.weight, first.net.backbone.weight.sum(1, keepdim=True))
    for name, file, message in (
        ("flat", "w.pth", "no `encoder` or `backbone` for weights"),
        ("build", "none.pth", "'none.pth': no such file"),
        ("build", "imagenet", "loads its own weights: name a file, or leave --encoder-weights out"),
    ):
        with pytest.raises(OptionError, match=message):
            build(f"{nets}:{name}", classes=2, encoder_weights=file)


def test_weights_and_options_of_segmentation_models_pytorch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its architectures take any option without a word, so those that they have not are refused here."""

    class Loose(FakeUnet):
        def __init__(
            self, encoder_name: str = "resnet34", decoder_channels: Any = (), activation: Any = None, **more: Any
        ) -> None:
            super().__init__(encoder_name, more["encoder_weights"], more["in_channels"], more["classes"])

    fake = ModuleType("segmentation_models_pytorch")
    fake.Unet, fake.encoders = Loose, ModuleType("encoders")  # type: ignore[attr-defined]
    fake.encoders.get_encoder_names = lambda: ["resnet18", "resnet34"]
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", fake)
    first = build("smp:Unet/resnet18", classes=3)
    torch.save(first.net.state_dict(), tmp_path / "w.pth")
    second = build("smp:Unet/resnet18", classes=2, encoder_weights=str(tmp_path / "w.pth"))
    assert second.net.given == ("resnet18", None)
    assert torch.equal(second.net.encoder.weight, first.net.encoder.weight)
    for name, options, message in (
        ("smp:Unet/resnet18", {"decoder_chanels": 3}, "no option 'decoder_chanels': did you mean decoder_channels"),
        ("smp:Unet/resnet18", {"activation": "sigmoid"}, "activation is not for this: a model must give logits"),
        ("smp:Unet/resnet18", {"encoder_name": "resnet34"}, "write smp:Unet/ENCODER"),
        ("smp:Unet/resnet81", {}, "no encoder 'resnet81': did you mean resnet18"),
        ("smp:unet/resnet18", {}, "no architecture 'unet': did you mean Unet"),
    ):
        with pytest.raises(OptionError, match=message):
            build(name, classes=3, **options)


def test_a_package_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a torchvision that was made for another torch."""
    (tmp_path / "segmentation_models_pytorch.py").write_text(
        "raise RuntimeError('operator torchvision::nms\\ndoes not exist')"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "segmentation_models_pytorch", raising=False)
    with pytest.raises(
        MissingDependency, match=r"is installed, but importing it fails \(operator .* not exist\): .* torch 2"
    ):
        build("smp:Unet/resnet18", classes=3)


def test_without_segmentation_models_pytorch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(MissingDependency, match=r"pip install 'segdata\[smp\]"):
        build("smp:Unet/resnet18", classes=3)
