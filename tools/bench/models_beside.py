"""Time a model of segdata and its counterpart in another library, in one process with one torch. Prints a JSON object.

    PYTHONPATH=. PYTHON tools/bench/models_beside.py PAIR ROUNDS BATCH

PYTHON is that of an environment with torchvision and segmentation_models_pytorch; of segdata only the models are imported.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, cast

import torch
from torch import nn

from segdata.nn.models import build

CLASSES = 21


def smp(architecture: str, encoder: str, **options: Any) -> nn.Module:
    """A model of segmentation_models_pytorch with random weights."""
    import segmentation_models_pytorch

    make = getattr(segmentation_models_pytorch, architecture)
    model: nn.Module = make(encoder, encoder_weights=None, classes=CLASSES, **options)
    return model


def torchvision(name: str) -> nn.Module:
    """A segmentation model of torchvision with random weights."""
    from torchvision.models import segmentation  # type: ignore[import-not-found,unused-ignore]

    model: nn.Module = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=CLASSES)
    return model


def arranged_as_there() -> nn.Module:
    """DeepLab v3+ as in segmentation_models_pytorch: its second convolution is at stride 16, after ASPP, not at stride 4."""
    model: Any = build("deeplabv3plus", encoder="mobilenet_v2", separable=True, classes=CLASSES)
    model.decode[1], moved = nn.Identity(), model.decode[1]
    model.aspp = nn.Sequential(model.aspp, moved)
    return cast("nn.Module", model)


PAIRS: dict[str, tuple[Any, Any]] = {
    "U-Net, MobileNetV2": (
        lambda: build("unet", encoder="mobilenet_v2", decoder="bilinear", classes=CLASSES),
        lambda: smp("Unet", "mobilenet_v2"),
    ),
    "U-Net, ResNet-34": (
        lambda: build("unet", encoder="resnet34", decoder="bilinear", classes=CLASSES),
        lambda: smp("Unet", "resnet34"),
    ),
    "U-Net, VGG-19 (bn)": (
        lambda: build("unet", encoder="vgg19_bn", decoder="bilinear", classes=CLASSES),
        lambda: smp("Unet", "vgg19_bn"),
    ),
    "U-Net, DenseNet-121": (
        lambda: build("unet", encoder="densenet121", decoder="bilinear", classes=CLASSES),
        lambda: smp("Unet", "densenet121"),
    ),
    "DeepLab v3+, MobileNetV2": (
        lambda: build("deeplabv3plus", encoder="mobilenet_v2", separable=True, classes=CLASSES),
        lambda: smp("DeepLabV3Plus", "mobilenet_v2"),
    ),
    "DeepLab v3+, MobileNetV2, arranged as there": (arranged_as_there, lambda: smp("DeepLabV3Plus", "mobilenet_v2")),
    "DeepLab v3, ResNet-50, stride 16": (
        lambda: build("deeplabv3", encoder="resnet50", classes=CLASSES),
        lambda: smp("DeepLabV3", "resnet50", encoder_output_stride=16),
    ),
    "DeepLab v3, ResNet-50, stride 8": (
        lambda: build("deeplabv3", encoder="resnet50", output_stride=8, classes=CLASSES),
        lambda: torchvision("deeplabv3_resnet50"),
    ),
}
"""Ours and theirs: the same encoder, the same widths and rates, each with its own details."""


def step(model: nn.Module, image: torch.Tensor) -> float:
    """Seconds of the processor for a forward and a backward pass in training mode."""
    start = time.process_time()
    out = model(image)
    (out["out"] if isinstance(out, dict) else out).square().mean().backward()
    seconds = time.process_time() - start
    model.zero_grad(set_to_none=True)
    return seconds


def main(pair: str, rounds: int, batch: int) -> dict[str, Any]:
    """The seconds of each round and the parameters, of ours and theirs. One thread; processor time, so others do not count."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    models = dict(zip(("ours", "theirs"), (make().train() for make in PAIRS[pair]), strict=True))
    image = torch.randn(batch, 3, 256, 256)
    for model in models.values():
        step(model, image)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for number in range(rounds):
        for name in list(models)[:: -1 if number % 2 else 1]:
            seconds[name].append(step(models[name], image))
    parameters = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
    return {"seconds": seconds, "parameters": parameters, "torch": torch.__version__}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
