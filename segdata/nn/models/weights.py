"""Weights of encoders: the published files with their addresses and checksums, and loading any file into an encoder.

The name of a published file ends with the first digits of its SHA-256, the convention of `torch.hub`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.hub import download_url_to_file, get_dir

from segdata.errors import DataError, OptionError, Problem
from segdata.files.limits import open_regular
from segdata.nn.models.base import Encoder
from segdata.nn.models.naming import Known, Match, matches, not_fitting
from segdata.nn.models.state_file import read_state
from segdata.nn.notes import note_once
from segdata.words import some

IMAGENET = "https://download.pytorch.org/models/"

PUBLISHED = {
    "mobilenet_v2": f"{IMAGENET}mobilenet_v2-b0353104.pth",
    "resnet18": f"{IMAGENET}resnet18-f37072fd.pth",
    "resnet34": f"{IMAGENET}resnet34-b627a593.pth",
    "resnet50": f"{IMAGENET}resnet50-0676ba61.pth",
    "densenet121": f"{IMAGENET}densenet121-a639ec97.pth",
    "vgg16": f"{IMAGENET}vgg16-397923af.pth",
    "vgg16_bn": f"{IMAGENET}vgg16_bn-6c64b313.pth",
    "vgg19": f"{IMAGENET}vgg19-dcbb9e9d.pth",
    "vgg19_bn": f"{IMAGENET}vgg19_bn-c79401a0.pth",
}
"""torchvision's IMAGENET1K_V1 weights of each encoder."""

CLASSIFIERS = ("classifier.", "fc.")
"""Names of the heads of published files, which nobody misses."""

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".tar", ".pkl")
"""What files of weights are called; other words are names of published weights."""


def load_encoder(encoder: object, source: str, known: Known) -> None:
    """Load `imagenet` (the encoder's published file, downloaded once) or a local file into an encoder.

    The file may have other names (`segdata.nn.models.naming`), heads, and another number of bands, and may be a checkpoint of
    segdata. `known`: the listed encoders, one of which it may be. Raises `OptionError` if it cannot be fetched or found,
    `DataError` if it is damaged or of another network.
    """
    if not isinstance(encoder, nn.Module):
        raise OptionError("this model has no `encoder` or `backbone` for weights: leave --encoder-weights out")
    name = encoder.name if isinstance(encoder, Encoder) else None
    if source == "imagenet":
        if name is None:
            raise OptionError("encoder weights need an encoder: name one with --encoder")
        path = published_file(name)
    else:
        path = Path(source)
        refuse_no_file(path)
    load_state(encoder, read_state(path), str(path), known)


def is_file_name(source: str) -> bool:
    """Whether it is meant as a file, not as the name of published weights."""
    path = Path(source)
    return path.is_file() or path.suffix.lower() in SUFFIXES or len(path.parts) > 1


def refuse_no_file(path: Path) -> None:
    """Raise `OptionError` unless the file is there."""
    if not path.is_file():
        raise OptionError(
            f"encoder weights {str(path)!r}: no such file; name one, or `imagenet` for the published weights"
        )


def published_file(name: str) -> Path:
    """The published file in the cache of torch.hub, fetched if it is not there yet; its checksum is verified each time."""
    if name not in PUBLISHED:
        raise OptionError(f"no published weights of {name!r}: there are {', '.join(PUBLISHED)}")
    url = PUBLISHED[name]
    path = Path(get_dir()) / "checkpoints" / url.rpartition("/")[2]
    prefix = path.stem.rpartition("-")[2]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            download_url_to_file(url, str(path), prefix, progress=sys.stderr.isatty())
        except (OSError, RuntimeError) as error:  # no connection, or another checksum
            raise OptionError(
                f"{url} cannot be fetched ({error}): fetch it on a machine with a connection and put it at {path}, "
                f"or name a file with --encoder-weights FILE, or leave the option out to start with random weights"
            ) from error
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(prefix):
        raise DataError(
            Problem("weights.checksum", f"its SHA-256 begins {digest[:8]}, not {prefix}: delete it", str(path))
        )
    return path


def load_state(encoder: nn.Module, state: Mapping[str, Tensor], file: str, known: Known) -> None:
    """Load a state by name; heads are left out, and the first convolution fits the bands. Raises `DataError`."""
    own = encoder.state_dict()
    first = first_convolution(encoder)
    found = sorted(matches(own, state, first), key=lambda one: one.faults)
    fitting = [one for one in found if one.fits]
    if not fitting:
        raise DataError(Problem("weights.keys", not_fitting(state, next(iter(found), None), first, known), file))
    if len(fitting) > 1:
        where = some((f"{one.prefix}*" for one in fitting), 4)
        text = f"it has weights of this encoder several times ({where}): save those to use alone"
        raise DataError(Problem("weights.keys", text, file))
    chosen = fitting[0]
    tell(chosen, file)
    chosen.tensors[first] = fit_bands(chosen.tensors[first], own[first].shape[1])
    encoder.load_state_dict(chosen.tensors)  # a plain dict: missing counts of batches, in old files, become 0


def first_convolution(encoder: nn.Module) -> str:
    """The name of the weight that meets the image. Raises `OptionError` if there is none."""
    if isinstance(encoder, Encoder) and encoder.name is not None:
        return encoder.first
    found = [name for name, value in encoder.state_dict().items() if value.ndim == 4]
    if not found:
        raise OptionError("encoder weights: this model's encoder has no convolution: leave --encoder-weights out")
    return found[0]


def tell(chosen: Match, file: str) -> None:
    """Say what was found under other names, and what was left out, unless it is the head of a published file."""
    left = [key for key in chosen.others if not key.startswith(CLASSIFIERS)]
    if chosen.prefix or left:
        under = f" under {chosen.prefix}*" if chosen.prefix else ""
        out = f"; left out: {some(chosen.others, 3)}" if chosen.others else ""
        note_once(f"encoder weights: {len(chosen.tensors)} tensors of {file}{under}{out}")


def fit_bands(weight: Tensor, bands: int) -> Tensor:
    """First convolution `(O, 3, h, w)` -> `(O, bands, h, w)`: its planes in turn, scaled by 3 / bands to keep sums similar."""
    planes = weight.shape[1]
    if bands == planes:
        return weight
    if bands == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(bands) % planes] * (planes / bands)
