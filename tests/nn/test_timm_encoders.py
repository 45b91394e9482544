"""`--encoder timm:NAME`, with a stand-in for timm that has its interface."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from segdata.errors import DataError, DatasetError, MissingDependency, OptionError  # noqa: E402
from segdata.nn import checkpoint  # noqa: E402
from segdata.nn.models import MODELS, build, build_encoder, model_options, packages, sources  # noqa: E402
from segdata.nn.models.sources import normalisation  # noqa: E402
from segdata.nn.names import refuse_unknown  # noqa: E402
from segdata.nn.options import Training  # noqa: E402
from segdata.recipes.settings import IMAGENET, Normalise  # noqa: E402


class Whole(nn.Module):
    """A network as timm writes it: a stem of two parts, stages within a sequence, a head."""

    def __init__(self, bands: int, widths: tuple[int, ...], first: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(bands, widths[0], 3, first, 1), nn.BatchNorm2d(widths[0]))
        pairs = pairwise(widths)
        self.stages = nn.Sequential(*(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairs))
        self.head = nn.Linear(widths[-1], 7)


class Maps(nn.ModuleDict):
    """The same with `features_only`: names of two parts written as one, no head."""

    def __init__(self, whole: Whole, strides: tuple[int, ...], lie: bool) -> None:
        super().__init__({"stem_0": whole.stem[0], "stem_1": whole.stem[1]})
        self.update({f"stages_{i}": stage for i, stage in enumerate(whole.stages)})
        channels = [whole.stem[0].out_channels, *(stage.out_channels for stage in whole.stages)]
        self.feature_info = SimpleNamespace(channels=lambda: channels, reduction=lambda: list(strides))
        self.lie = lie

    def forward(self, x: Any) -> list[Any]:
        x = self["stem_1"](self["stem_0"](x))
        maps = [x]
        for i in range(len(maps), len(self) - 1):
            x = self[f"stages_{i - 1}"](x)
            maps.append(x)
        return [one.permute(0, 2, 3, 1) for one in maps] if self.lie else maps


NETS = {
    "five": ((4, 6, 8, 10, 12), 2, (2, 4, 8, 16, 32)),
    "four": ((4, 6, 8, 10), 4, (4, 8, 16, 32)),
    "patches": ((4, 4), 16, (16, 16)),
    "last": ((4, 6, 8, 10, 12), 2, (2, 4, 8, 16, 32)),
    "one_size": ((4, 6, 8, 10, 12), 2, (2, 4, 8, 16, 32)),
}


@pytest.fixture(autouse=True)
def timm(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module called timm with a few small networks."""
    made: Any = ModuleType("timm")

    def create_model(
        name: str, pretrained: bool = True, features_only: bool = False, in_chans: int = 3, output_stride: int = 32
    ) -> nn.Module:
        assert not pretrained
        if output_stride != 32:
            raise NotImplementedError("output_stride != 32 not implemented")
        widths, first, strides = NETS[name.partition(".")[0]]
        whole = Whole(in_chans, widths, first)
        return Maps(whole, strides, name == "last") if features_only else whole

    def list_models(pattern: str = "*", pretrained: bool = False) -> list[str]:
        return [f"{pattern.partition('.')[0]}.in1k"] if pretrained else list(NETS)

    def get_pretrained_cfg(name: str) -> Any:
        hub = f"timm/{name}" if name == "five" else None
        return SimpleNamespace(
            mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1), hf_hub_id=hub, fixed_input_size=name == "one_size",
            input_size=(3, 224, 224),
        )  # fmt: skip

    made.create_model, made.list_models, made.get_pretrained_cfg = create_model, list_models, get_pretrained_cfg
    monkeypatch.setitem(sys.modules, "timm", made)
    return made


def test_a_network_without_published_weights_is_normalised_by_imagenet(
    timm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert normalisation("timm:five").mean == (0.5, 0.4, 0.3)
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name: None)
    assert normalisation("timm:five") == Normalise(*IMAGENET)


@pytest.mark.parametrize("net", ["five", "five.in1k", "four"])
def test_maps_become_a_model(net: str) -> None:
    encoder = build_encoder(f"timm:{net}", bands=4)
    assert (encoder.strides[-1], encoder.name) == (32, f"timm:{net}")
    model = build("unet", encoder=f"timm:{net}", bands=4, classes=3)
    assert model(torch.randn(2, 4, 50, 71)).shape == (2, 3, 50, 71)
    assert encoder.first == "stem.0.weight"


@pytest.mark.parametrize("model", MODELS)
def test_every_model_takes_one_or_says_how(model: str) -> None:
    """Where an output stride is missing, the way out of the message runs."""
    more = {}
    if "output_stride" in model_options(model):
        with pytest.raises(OptionError, match="--model-option output_stride=32"):
            build(model, encoder="timm:five", classes=3)
        more = {"output_stride": 32}
    net = build(model, encoder="timm:five", classes=3, **more)
    assert net.eval()(torch.randn(1, 3, 64, 64)).shape == (1, 3, 64, 64)


def test_a_file_with_timms_names_fills_every_weight(timm: Any, tmp_path: Path, capsys: Any) -> None:
    whole = timm.create_model("five", pretrained=False)
    torch.save(
        {"state_dict": {f"module.{key}": value for key, value in whole.state_dict().items()}}, tmp_path / "w.pth"
    )
    for bands in (3, 1):
        model = build("unet", encoder="timm:five", bands=bands, classes=2, encoder_weights=str(tmp_path / "w.pth"))
        own = model.encoder.state_dict()
        assert torch.equal(own["net.stages_2.weight"], whole.stages[2].weight)
        assert torch.equal(own["net.stem_1.running_var"], whole.stem[1].running_var)
        first = whole.stem[0].weight
        assert torch.equal(own["net.stem_0.weight"], first if bands == 3 else first.sum(1, keepdim=True))
    assert "left out: module.head.weight" in capsys.readouterr().err
    state = whole.state_dict()
    del state["stages.1.bias"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"lacks stages\.1\.bias"):
        build("unet", encoder="timm:five", classes=2, encoder_weights=str(tmp_path / "w.pth"))


def test_imagenet_is_the_published_file_with_its_checksum(timm: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """As the hub's store keeps it: a link to a file named by its SHA-256."""
    from hashlib import sha256

    from safetensors.torch import load, save

    data = save(timm.create_model("five", pretrained=False).state_dict())
    blob = tmp_path / sha256(data).hexdigest()
    blob.write_bytes(data)
    (tmp_path / "model.safetensors").symlink_to(blob)
    hub: Any = ModuleType("huggingface_hub")
    hub.hf_hub_download = lambda repo, file: str(tmp_path / file)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    model = build("unet", encoder="timm:five", classes=2, encoder_weights="imagenet")
    assert torch.equal(model.encoder.net["stages_1"].weight, load(data)["stages.1.weight"])
    blob.write_bytes(data + b"!")
    with pytest.raises(DataError, match="SHA-256 begins"):
        build("unet", encoder="timm:five", classes=2, encoder_weights="imagenet")

    def offline(*_: object) -> None:
        raise OSError("no connection")

    hub.hf_hub_download = offline
    with pytest.raises(OptionError, match=r"timm/five cannot be fetched \(no connection\): name a file or a URL"):
        build("unet", encoder="timm:five", classes=2, encoder_weights="imagenet")
    with pytest.raises(OptionError, match=r"timm publishes no model\.safetensors of timm:four"):
        build("unet", encoder="timm:four", classes=2, encoder_weights="imagenet")


def test_its_normalisation_is_that_of_its_weights() -> None:
    by = sources.normalisation("timm:five")
    assert (by.mean, by.std) == ((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("timm:fiv", "timm has no network 'fiv': did you mean five"),
        ("timm:hf-hub:someone/net", "timm has no network 'hf-hub:someone/net'"),
        ("timm:local-dir:/tmp", "timm has no network 'local-dir:/tmp'"),
        ("timm:five.in2k", "timm's five has no weights 'in2k': did you mean in1k"),
        ("timm:patches", "strides 16, 16; a decoder needs them from fine"),
        ("timm:one_size", "takes images of 224x224 alone"),
    ],
)
def test_what_cannot_be_an_encoder_is_refused_before_the_dataset_is_read(encoder: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        refuse_unknown(Training.of({"encoder": encoder}))


def test_maps_in_another_order_are_refused() -> None:
    model = build("unet", encoder="timm:last", classes=2)
    with pytest.raises(OptionError, match=r"timm:last gives maps of .*, not \(N, channels, height, width\)"):
        model(torch.randn(1, 3, 64, 64))


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"timm:five needs timm: pip install 'segdata\[timm\]'"):
        build_encoder("timm:five")


def test_a_strangers_checkpoint_names_a_listed_network_or_none(tmp_path: Path) -> None:
    from segdata.labels import Labels

    options = Training.of({"encoder": "timm:five"})
    model = build("unet", encoder="timm:five", classes=2)
    found = checkpoint.of(options, model.state_dict(), labels=Labels.of("ab"), bands=3, recipe={}, dataset="")
    again = checkpoint.model_of(found, "x.pt")
    assert torch.equal(again.encoder.net["stages_0"].weight, model.encoder.net["stages_0"].weight)
    found["model"]["encoder"] = "timm:hf-hub:someone/net"
    with pytest.raises(DatasetError, match="timm has no network 'hf-hub:someone/net'"):
        checkpoint.model_of(found, "x.pt")
