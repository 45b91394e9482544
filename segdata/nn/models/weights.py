"""Published encoder weights: their addresses, fetching them with a checksum, and loading any such file.

The name of a published file ends with the first digits of its SHA-256, the convention of `torch.hub`.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.hub import download_url_to_file, get_dir

from segdata.errors import DataError, OptionError, Problem
from segdata.files.limits import open_regular, refuse_bytes
from segdata.nn.models.base import Encoder
from segdata.nn.saved import load_saved

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

OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.(?:\w+))$")
"""Old names such as `denselayer1.norm.1.weight`; torchvision now writes `denselayer1.norm1.weight`."""


def load_encoder(encoder: nn.Module, source: str) -> None:
    """Load `imagenet` (the encoder's published file, downloaded once) or a local file into a listed encoder.

    Raises `OptionError` if it cannot be fetched or found, `DataError` if the file is damaged or belongs to another network.
    """
    if not isinstance(encoder, Encoder) or encoder.name is None:
        raise OptionError("encoder weights need an encoder: name one with --encoder")
    path = published_file(encoder.name) if source == "imagenet" else Path(source)
    if not path.is_file():
        raise OptionError(
            f"encoder weights {source!r}: no such file; name one, or `imagenet` for the published weights"
        )
    load_state(encoder, read_state(path), str(path))


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


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of `torch.save`, by name; no code in it is run. Raises `DataError`."""
    try:
        with open_regular(path) as file:
            refuse_bytes(os.fstat(file.fileno()).st_size, path)
            state = load_saved(file)
    except ValueError as error:
        raise DataError(Problem("weights.file", f"not a file of weights: {error}", str(path))) from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(Problem("weights.file", "not a mapping of names to tensors (a state_dict)", str(path)))
    return cast("dict[str, Tensor]", dict(state))


def load_state(encoder: Encoder, state: Mapping[str, Tensor], file: str) -> None:
    """Load a published state without its classifier; old names are translated, and the first convolution fits the bands."""
    found = {OLD_DENSENET.sub(r"\1\2", key): value for key, value in state.items() if not key.startswith(CLASSIFIERS)}
    own = encoder.state_dict()
    if encoder.first in found:
        found[encoder.first] = fit_bands(found[encoder.first], own[encoder.first].shape[1])
    missing = [key for key in own if key not in found and not key.endswith("num_batches_tracked")]
    extra = [key for key in found if key not in own]
    wrong = [key for key in found if key in own and found[key].shape != own[key].shape]
    for keys, what in ((missing, "lacks"), (extra, "has, unlike the encoder,"), (wrong, "has in another shape")):
        if keys:
            text = f"weights of another network: it {what} {keys[0]}" + (f" and {len(keys) - 1} more" * (len(keys) > 1))
            raise DataError(Problem("weights.keys", text, file))
    encoder.load_state_dict(found)  # a plain dict: missing counts of batches, in old files, become 0


def fit_bands(weight: Tensor, bands: int) -> Tensor:
    """First convolution `(O, 3, h, w)` -> `(O, bands, h, w)`: its planes in turn, scaled by 3 / bands to keep sums similar."""
    planes = weight.shape[1]
    if bands == planes:
        return weight
    if bands == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(bands) % planes] * (planes / bands)
