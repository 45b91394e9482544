"""Encoders of timm, pytorch-image-models: `--encoder timm:NAME` (github.com/huggingface/pytorch-image-models).

A network of timm with `features_only=True` gives a map per stride. Its weights keep timm's names, so that files which timm
wrote load. `imagenet` is the file `model.safetensors` that timm publishes, verified by the checksum of its store.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from segdata.errors import OptionError
from segdata.nn.models.base import Encoder, exporting
from segdata.nn.models.packages import package
from segdata.recipes.settings import IMAGENET, Normalise
from segdata.words import suggest

PREFIX = "timm:"

FILE = "model.safetensors"

FAULTS = (
    KeyError,
    ValueError,
    TypeError,
    RuntimeError,
    AttributeError,
    AssertionError,
    IndexError,
    NotImplementedError,
)
"""What timm raises on a network that has no maps, or not at this stride."""


class TimmEncoder(Encoder):
    """The maps of a network of timm, from fine to coarse."""

    def __init__(self, name: str, bands: int = 3, *, output_stride: int = 32) -> None:
        super().__init__()
        timm = package("timm", "timm", f"encoder {name}")
        plain = refuse_unlisted(timm, name)
        refuse_one_size(name, timm.get_pretrained_cfg(plain))
        more = {} if output_stride == 32 else {"output_stride": output_stride}
        try:
            self.net: nn.Module = timm.create_model(plain, pretrained=False, features_only=True, in_chans=bands, **more)
            info = self.net.feature_info
            self.channels, self.strides = tuple(info.channels()), tuple(info.reduction())
        except FAULTS as error:
            raise OptionError(f"encoder {name}: {no_form(error, output_stride)}") from error
        refuse_strides(name, self.strides)
        self.spelt = spelling(self.net, timm.create_model(plain, pretrained=False, in_chans=bands, **more))
        self.first = next(self.spelt[key] for key, value in self.state_dict().items() if value.ndim == 4)

    def forward(self, image: Tensor) -> list[Tensor]:
        """`(N, C, H, W)` to one map per stride. Raises `OptionError` if the network does not give what it says."""
        maps: list[Tensor] = list(self.net(image))
        given = [int(one.shape[1]) for one in maps]
        whole = exporting() or all(
            one.shape[-1] * s == image.shape[-1] for one, s in zip(maps, self.strides, strict=False)
        )
        if given != [*self.channels] or not whole:
            shapes = ", ".join(str(tuple(one.shape)) for one in maps)
            raise OptionError(
                f"encoder {self.name} gives maps of {shapes}, not (N, channels, height, width): choose another"
            )
        return maps


def refuse_unlisted(timm: ModuleType, name: str) -> str:
    """The network's name in timm. Raises `OptionError` for one that is not listed there: names of hubs and folders are none."""
    plain = name.removeprefix(PREFIX)
    base, _, tag = plain.partition(".")
    listed: list[str] = timm.list_models()
    if base not in listed:
        raise OptionError(f"timm has no network {plain[:80]!r}: {suggest(base[:80], listed)}")
    tags = [one.partition(".")[2] for one in timm.list_models(f"{base}.*", pretrained=True)] if tag else []
    if tag and tag not in tags:
        raise OptionError(f"timm's {base} has no weights {tag[:80]!r}: {suggest(tag[:80], tags)}")
    return plain


def refuse_one_size(name: str, about: Any) -> None:
    """Raise `OptionError` for a network that takes images of one size alone."""
    if about is not None and about.fixed_input_size:
        size = "x".join(map(str, about.input_size[1:]))
        raise OptionError(
            f"encoder {name}: it takes images of {size} alone: choose another, such as a convolutional network"
        )


def refuse_strides(name: str, strides: Sequence[int]) -> None:
    """Raise `OptionError` unless maps become coarser as a decoder needs it: by powers of two, from a stride of 4 or less."""
    powers = all(stride & (stride - 1) == 0 for stride in strides)
    if not powers or strides[0] > 4 or list(strides) != sorted(strides):
        told = ", ".join(map(str, strides))
        raise OptionError(
            f"encoder {name}: its maps have the strides {told}; a decoder needs them from fine (4 or less) to coarse: choose "
            "another, such as a convolutional network"
        )


def no_form(error: Exception, output_stride: int) -> str:
    """Why timm cannot make it, and the way out."""
    why = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
    if output_stride != 32:
        way = "--model-option output_stride=32, or another encoder"
        return f"timm has no form of it with output stride {output_stride} ({why}): {way}"
    return f"timm gives no maps of it ({why}): choose another"


def spelling(net: nn.Module, whole: nn.Module) -> dict[str, str]:
    """What timm calls each weight: a network that gives maps writes names of two parts as one, or has a part more in front."""
    theirs = list(whole.state_dict())
    flat = {form: key for key in theirs for form in (key.replace(".", "_", 1), f"body.{key}", f"model.{key}", key)}
    return {f"net.{key}": flat.get(key, key) for key in net.state_dict()}


def timm_normalisation(name: str) -> Normalise:
    """The mean and standard deviation that timm's weights of a network were trained with; ImageNet's if there are none."""
    timm = package("timm", "timm", f"encoder {name}")
    about = timm.get_pretrained_cfg(refuse_unlisted(timm, name))
    if about is None:
        return Normalise(*IMAGENET)
    return Normalise(tuple(map(float, about.mean)), tuple(map(float, about.std)))


def hub_file(name: str) -> tuple[Path, str]:
    """The file that timm publishes for a network, fetched if it is not there yet, and its SHA-256. Raises `OptionError`."""
    timm = package("timm", "timm", f"encoder {name}")
    about: Any = timm.get_pretrained_cfg(refuse_unlisted(timm, name))
    way = "name a file or a URL with --encoder-weights, or leave the option out to start with random weights"
    if about is None or not about.hf_hub_id:
        raise OptionError(f"timm publishes no {FILE} of {name}: {way}")
    try:
        hub = import_module("huggingface_hub")
        path = Path(hub.hf_hub_download(about.hf_hub_id, FILE))
    except (OSError, ImportError, RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise OptionError(f"{FILE} of {about.hf_hub_id} cannot be fetched ({why}): {way}") from error
    digest = path.resolve().name  # the store names files by their SHA-256
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise OptionError(f"{path}: its checksum is not known: {way}")
    return path, digest
