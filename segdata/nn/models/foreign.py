"""Models from outside: the user's own `package.module:factory`, and `smp:Unet/resnet34` of segmentation_models_pytorch."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from segdata.errors import MissingDependency, OptionError
from segdata.nn.models.base import Segmenter


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
    """The model of that name, wrapped. Raises `OptionError`, or `MissingDependency`, which says what is missing."""
    if encoder is not None:
        raise OptionError(f"{name} has its own encoder: leave --encoder out")
    outputs = 1 if head == "sigmoid" and classes == 2 else classes
    if name.startswith("smp:"):
        multiple, net = 32, _smp(name, bands=bands, outputs=outputs, weights=weights, **options)
    else:
        if weights is not None:
            raise OptionError(f"{name} loads its own weights: leave --encoder-weights out")
        multiple = options.pop("multiple", 1)
        if type(multiple) is not int or multiple < 1:
            raise OptionError(f"model {name}: multiple must be a whole number, 1 or more, not {multiple!r}")
        net = _own(name, bands=bands, classes=outputs, **options)
    return Foreign(net, name, classes=classes, head=head, multiple=multiple)


def _own(name: str, **arguments: Any) -> nn.Module:
    """Call `factory(bands=..., classes=..., **options)` of the module, which may lie in the working folder.

    Exceptions inside the factory are raised unchanged.
    """
    module, _, attribute = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        factory = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise OptionError(f"model {name}: {error}; write it as package.module:factory") from error
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


def _smp(name: str, *, bands: int, outputs: int, weights: str | None, **options: Any) -> nn.Module:
    """Make `smp:Unet/resnet34`: an architecture of segmentation_models_pytorch with one of its encoders."""
    try:
        import segmentation_models_pytorch as smp
    except ImportError as error:
        raise MissingDependency(f"{name} needs segmentation_models_pytorch: pip install segdata[smp]") from error
    architecture, _, encoder = name.removeprefix("smp:").partition("/")
    factory = getattr(smp, architecture, None)
    if not (isinstance(factory, type) and issubclass(factory, nn.Module)):
        raise OptionError(f"segmentation_models_pytorch has no architecture {architecture!r}")
    chosen = {"encoder_name": encoder} if encoder else {}
    try:
        return factory(**chosen, encoder_weights=weights, in_channels=bands, classes=outputs, **options)
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise OptionError(f"{name}: {error}") from error
