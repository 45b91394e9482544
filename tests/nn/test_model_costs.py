"""Parameters, operations and memory: against sums by hand, and what `segdata models` prints."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from segdata.cli import main  # noqa: E402
from segdata.errors import OptionError  # noqa: E402
from segdata.nn import models  # noqa: E402
from segdata.nn.models import ENCODERS, MODELS, build, build_encoder  # noqa: E402
from segdata.nn.models.measure import cost, costs  # noqa: E402


def test_a_network_counted_by_hand() -> None:
    """Two 1x1 convolutions 3 -> 8 -> 2 on 10 x 20 pixels, the first followed by a ReLU of its own memory."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 1), torch.nn.ReLU(), torch.nn.Conv2d(8, 2, 1))
    found = cost(net, bands=3, size=(10, 20))
    pixels, parameters = 200, (3 * 8 + 8) + (8 * 2 + 2)
    assert found.parameters == parameters
    assert found.flops == 2 * pixels * (3 * 8 + 8 * 2)
    assert found.predict == 4 * (parameters + pixels * (3 + 8 + 8))  # the image, a map, and the map after it
    least = 4 * (4 * parameters + pixels * (3 + 8 + 2))
    assert least <= found.train <= least + 4 * pixels * 3 * 8


def test_operations_and_memory_grow_with_the_image() -> None:
    model = build("unet", classes=2, width=8)
    small, large, two = (cost(model, size=(64, 64 * n), batch=b) for n, b in ((1, 1), (2, 1), (1, 2)))
    assert large.flops == 2 * small.flops == 2 * two.flops
    assert small.predict < two.predict <= large.predict
    assert small.predict < small.train < two.train
    assert small.parameters == two.parameters == sum(p.numel() for p in model.parameters())


OPERATIONS = {
    "mobilenet_v2": 0.301, "resnet18": 1.814, "resnet34": 3.664, "resnet50": 4.089, "densenet121": 2.834,
    "vgg16": 15.47, "vgg16_bn": 15.47, "vgg19": 19.632, "vgg19_bn": 19.632, "efficientnet_lite0": 0.385,
}  # fmt: skip
"""G multiply-additions at 224 x 224 with the classifier: _ops in the metadata of torchvision's weights (0.29.1), and the table of
github.com/d-li14/efficientnet-lite.pytorch, whose other sizes are no multiples of 32."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_published_operations(name: str) -> None:
    encoder = build_encoder(name)
    last = encoder.channels[-1]
    classifier = 25_088 * 4096 + 4096 * 4096 + 4096 * 1000 if name.startswith("vgg") else last * 1000
    found = cost(Coarsest(encoder), size=(224, 224)).flops / 2
    assert found == pytest.approx(1e9 * OPERATIONS[name] - classifier, rel=3e-3)


class Coarsest(torch.nn.Module):
    """An encoder's last map alone."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(x)[-1]


def test_the_table_has_every_model_over_its_own_encoder() -> None:
    rows = costs(size=(64, 64))
    assert [row["model"] for row in rows] == list(MODELS)
    assert {row["encoder"] for row in rows} == {None, "vgg16", "vgg16_bn", "resnet50"}
    assert all(row["train"] > row["predict"] > 4 * row["parameters"] for row in rows)


@pytest.mark.parametrize("option", [{"bands": 0}, {"classes": 0}, {"batch": 0}, {"size": (0, 64)}])
def test_sizes_of_nothing_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"--\w+ 0: must be 1 or more"):
        costs(("unet",), **option)


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["models", "unet", "--encoder", "mobilenet_v2", "--size", "32x48", "--classes", "3"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    row = result.output.splitlines()[2].split()
    assert row[:2] == ["unet", "mobilenet_v2"]
    (found,) = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).output)
    assert row[2] == f"{found['parameters']:,}"
    assert f"Encoders: {', '.join(ENCODERS)}." in result.output
    monkeypatch.setattr(models, "ENCODERS", {name: ENCODERS[name] for name in ("resnet18", "mobilenet_v2")})
    all_of_them = CliRunner().invoke(main, ["models", "unet", "--encoder", "all", "--size", "32", "--json"])
    assert [row["encoder"] for row in json.loads(all_of_them.output)] == ["resnet18", "mobilenet_v2"]
    assert found["parameters"] == sum(p.numel() for p in build("unet", encoder="mobilenet_v2", classes=3).parameters())
    refused = CliRunner().invoke(main, ["models", "unett"])
    assert refused.exit_code == 1
    assert "no model 'unett': did you mean unet" in refused.output
