"""Loading weights into an encoder: a published file (`segdata.nn.models.sources`), or any other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from segdata.errors import DataError, OptionError, Problem
from segdata.nn.models.base import Encoder
from segdata.nn.models.naming import Known, Match, matches, not_fitting
from segdata.nn.models.sources import weights_file
from segdata.nn.models.state_file import read_state
from segdata.nn.notes import note_once
from segdata.words import some

CLASSIFIERS = ("classifier.", "fc.")
"""Names of the heads of published files, which nobody misses."""


def load_encoder(encoder: object, source: str, known: Known) -> None:
    """Load `imagenet` (the encoder's published file), a URL with a checksum, or a local file into an encoder.

    The file may have other names (`segdata.nn.models.naming`), heads, and another number of bands, and may be a checkpoint of
    segdata. `known`: the listed encoders, one of which it may be. Raises like `weights_file`, and `DataError` if it is damaged or
    of another network.
    """
    if not isinstance(encoder, nn.Module):
        raise OptionError("this model has no `encoder` or `backbone` for weights: leave --encoder-weights out")
    name = encoder.name if isinstance(encoder, Encoder) else None
    path = weights_file(source, name)
    load_state(encoder, read_state(path), str(path), known)


def load_state(encoder: nn.Module, state: Mapping[str, Tensor], file: str, known: Known) -> None:
    """Load a state by name; heads are left out, and the first convolution fits the bands. Raises `DataError`."""
    spelt = encoder.spelt if isinstance(encoder, Encoder) else {}
    own = {spelt.get(key, key): value for key, value in encoder.state_dict().items()}
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
    names = {key: spelt.get(key, key) for key in encoder.state_dict()}
    given = {key: chosen.tensors[name] for key, name in names.items() if name in chosen.tensors}
    encoder.load_state_dict(given)  # a plain dict: missing counts of batches, in old files, become 0


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
