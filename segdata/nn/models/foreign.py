"""Models from outside: the user's own `package.module:factory`, and `smp:Unet/resnet34` of segmentation_models_pytorch."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from segdata.errors import OptionError
from segdata.nn.models.base import Segmenter
from segdata.nn.models.packages import package
from segdata.nn.models.sources import is_file_name
from segdata.words import suggest


class Foreign(Segmenter):
    """Any torch module under the contract of `Segmenter`: its input is padded to `multiple`, its output is checked."""

    def __init__(self, net: nn.Module, name: str, *, classes: int, head: str, multiple: int) -> None:
        super().__init__(classes=classes, head=head, multiple=multiple)
        self.net, self.name = net, name

    @property
    def encoder(self) -> nn.Module:  # type: ignore[override]  # a view: the weights are the net's
        """The part that `freeze_encoder` freezes: the net's `encoder`, or `backbone`."""
        for name in ("encoder", "backbone"):
            if isinstance(part := getattr(self.net, name, None), nn.Module):
                return part
        raise AttributeError("encoder")

    def logits(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, outputs, H, W)`; if the net gives a dict, as torchvision's models do, its `out`."""
        out = self.net(image)
        out = out["out"] if isinstance(out, dict) and "out" in out else out
        wanted = (image.shape[0], self.outputs, *image.shape[-2:])
        if not isinstance(out, Tensor) or tuple(out.shape) != wanted:
            got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise OptionError(f"{self.name} gives {got}; a model must give logits of the shape {wanted}")
        return out


def foreign(
    name: str, *, encoder: str | None, bands: int, classes: int, head: str, weights: str | None, **options: Any
) -> Foreign:
    """The model of that name, wrapped. `weights`: the name of published ones, or a file, which is for the caller to load.

    Raises `OptionError`, or `MissingDependency`, which says what is missing.
    """
    refuse_options(name, encoder, options)
    outputs = 1 if head == "sigmoid" and classes == 2 else classes
    named = None if weights is None or is_file_name(weights) else weights
    if name.startswith("smp:"):
        multiple, net = 32, _smp(name, bands=bands, outputs=outputs, weights=named, **options)
    else:
        if named is not None:
            raise OptionError(f"{name} loads its own weights: name a file, or leave --encoder-weights out")
        multiple = options.pop("multiple", 1)
        net = _own(name, bands=bands, classes=outputs, **options)
    return Foreign(net, name, classes=classes, head=head, multiple=multiple)


def refuse_options(name: str, encoder: str | None, options: Mapping[str, Any]) -> None:
    """Check what can be checked before the model is built. Raises like `foreign`."""
    if encoder is not None:
        raise OptionError(f"{name} has its own encoder: leave --encoder out")
    if name.startswith("smp:"):
        _smp_factory(name, options)
        return
    multiple = options.get("multiple", 1)
    if type(multiple) is not int or multiple < 1:
        raise OptionError(f"model {name}: multiple must be a whole number, 1 or more, not {multiple!r}")
    given = {key: value for key, value in options.items() if key != "multiple"}
    _refuse_other_parameters(_factory(name), name, {"bands": 3, "classes": 2, **given})


def _factory(name: str) -> Any:
    """The attribute of a module, which may lie in the working folder. Raises `OptionError` if there is none."""
    module, _, attribute = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise OptionError(f"model {name}: {error}; write it as package.module:factory") from error


def _own(name: str, **arguments: Any) -> nn.Module:
    """Call `factory(bands=..., classes=..., **options)`. Exceptions inside the factory are raised unchanged."""
    factory = _factory(name)
    _refuse_other_parameters(factory, name, arguments)
    net = factory(**arguments)
    if not isinstance(net, nn.Module):
        raise OptionError(f"model {name}: the factory gave {type(net).__name__}, not a torch.nn.Module")
    return net


def _refuse_other_parameters(factory: Any, name: str, arguments: dict[str, Any]) -> None:
    """Check that a factory can be called with these arguments by name. Raises `OptionError` if not."""
    if not callable(factory):
        raise OptionError(f"model {name}: is of type {type(factory).__name__}, not a factory")
    try:
        signature = inspect.signature(factory)
    except ValueError:  # some callables in C have no signature
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise OptionError(
            f"model {name}: {error}; a factory is called with {given} (--model-option KEY=VALUE adds more)"
        ) from error


FAULTS = (
    KeyError,
    ValueError,
    TypeError,
    OSError,
    RuntimeError,
    AttributeError,
    AssertionError,
    IndexError,
    ImportError,
)
"""What segmentation_models_pytorch raises on values that do not fit, and where it cannot fetch weights."""

GIVEN = {
    "encoder_name": "write smp:Unet/ENCODER",
    "encoder_weights": "give --encoder-weights",
    "in_channels": "the images' bands say it",
    "classes": "the dataset says it",
    "activation": "a model must give logits",
}
"""Options of an architecture that are not for --model-option, with what to do instead."""


def _smp(name: str, *, bands: int, outputs: int, weights: str | None, **options: Any) -> nn.Module:
    """Make `smp:Unet/resnet34`: an architecture of segmentation_models_pytorch with one of its encoders."""
    factory, encoder = _smp_factory(name, options)
    chosen = {"encoder_name": encoder} if encoder else {}
    try:
        return factory(**chosen, encoder_weights=weights, in_channels=bands, classes=outputs, **options)
    except FAULTS as error:
        text = " ".join(str(error.args[0] if error.args else type(error).__name__).split()).rstrip(".")
        way = "" if weights is None else "; --encoder-weights takes a file too"
        raise OptionError(f"{name}: {text[:MOST]}{'...' * (len(text) > MOST)}{way}") from error


MOST = 300
"""So many characters of a message of others are repeated: it may list hundreds of encoders."""


def _smp_factory(name: str, options: Mapping[str, Any]) -> tuple[type[nn.Module], str]:
    """The architecture that a name means, and its encoder ("": its own), if it takes the options. Raises like `foreign`."""
    smp = package("segmentation_models_pytorch", "smp", name)
    architecture, _, encoder = name.removeprefix("smp:").partition("/")
    known = {key: value for key, value in vars(smp).items() if isinstance(value, type) and issubclass(value, nn.Module)}
    if architecture not in known:
        way = suggest(architecture, known)
        raise OptionError(f"segmentation_models_pytorch has no architecture {architecture!r}: {way}")
    listed: list[str] = getattr(smp.encoders, "get_encoder_names", list)()
    timm = encoder.startswith(("tu-", "timm-"))  # all of timm's encoders, and their options
    if encoder and listed and not timm and encoder not in listed:
        raise OptionError(f"segmentation_models_pytorch has no encoder {encoder!r}: {suggest(encoder, listed)}")
    parameters = inspect.signature(known[architecture]).parameters.values()
    taken = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name not in GIVEN]
    for option in options:
        if option in GIVEN:
            raise OptionError(f"{name}: --model-option {option} is not for this: {GIVEN[option]}")
        if option not in taken and not timm:  # it would be taken without a word, and do nothing
            raise OptionError(f"{name} has no option {option!r}: {suggest(option, taken)}")
    return known[architecture], encoder
