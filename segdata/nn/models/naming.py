"""Whose weights a file has: names of other programs, matched with those of an encoder.

Names are matched whole, never by order or by shape alone: tensors of one shape would change places without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from segdata.nn.models.base import Encoder
from segdata.words import some

OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.(?:\w+))$")
"""Old names such as `denselayer1.norm.1.weight`; torchvision now writes `denselayer1.norm1.weight`."""

FLAT_BLOCK = re.compile(r"^(?P<block>(?:.*\.)?features\.\d+)\.conv\.(?P<layer>\d)\.(?P<rest>\w+)$")
"""Names of a block of MobileNetV2 whose layers are numbered through, as in the first public versions."""

FLAT = {
    4: {"0": "0.0", "1": "0.1", "3": "1", "4": "2"},
    6: {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"},
}
"""The layers of such a block by their number: the one without expansion, and the others; the numbers between are ReLU6."""

LAST_FLAT = re.compile(r"^((?:.*\.)?)conv\.([01])\.(\w+)$")
"""The last convolution of those versions, which torchvision has as `features.18`."""

UNDERSCORED = re.compile(
    r"(?:^|(?<=\.))_(?=(?:conv_stem|conv_head|blocks|bn[012]|fc|(?:expand|depthwise|project)_conv)\.)"
)
"""The underscores in front of names in the published files of EfficientNet-Lite."""

TIMM = re.compile(r"(?:^|\.)blocks\.\d+\.\d+\.(?:conv|bn)")
"""What only names of timm's EfficientNets and MobileNets have: blocks within stages."""

Known = Mapping[str, Callable[[], Encoder]]
"""The listed encoders by name; a call makes one."""

UNLEARNT = "num_batches_tracked"


@dataclass(frozen=True, slots=True)
class Match:
    """The tensors under a `prefix` that are an encoder's, and what speaks against it.

    `extra`: tensors within the encoder's own parts that it has not. `others`: all other tensors of the file, such as heads.
    """

    prefix: str
    tensors: dict[str, Tensor]
    missing: list[str]
    extra: list[str]
    wrong: list[str]
    others: list[str]

    @property
    def fits(self) -> bool:
        """Whether every weight is there, and no more."""
        return not (self.missing or self.extra or self.wrong)

    @property
    def faults(self) -> int:
        """How many weights do not fit."""
        return len(self.missing) + len(self.extra) + len(self.wrong)


def matches(own: Mapping[str, Tensor], state: Mapping[str, Tensor], first: str) -> list[Match]:
    """A `Match` for each prefix under which the file has the tensor `first`; the number of bands may differ there.

    `own` is the encoder's state.
    """
    renamed = translated(state)
    prefixes = dict.fromkeys(key[: -len(first)] for key in renamed if key == first or key.endswith(f".{first}"))
    return [match(own, renamed, prefix, first) for prefix in prefixes]


def match(own: Mapping[str, Tensor], state: Mapping[str, Tensor], prefix: str, first: str) -> Match:
    """What of `state`, under a prefix, is the encoder's."""
    parts = {key.partition(".")[0] for key in own}
    under = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    inside = {key: value for key, value in under.items() if key.partition(".")[0] in parts}
    return Match(
        prefix,
        {key: value for key, value in inside.items() if key in own},
        [key for key in own if key not in inside and not key.endswith(UNLEARNT)],
        [key for key in inside if key not in own],
        [
            key
            for key in inside
            if key in own and not key.endswith(UNLEARNT) and not alike(own[key], inside[key], key == first)
        ],
        [key for key in state if not key.startswith(prefix) or key[len(prefix) :] not in inside],
    )


def alike(own: Tensor, found: Tensor, first: bool) -> bool:
    """Whether a tensor can take the place of another: of its shape (`first`: but for the bands) and its kind of numbers."""
    shapes = [(*t.shape[:1], *t.shape[2:]) if first else tuple(t.shape) for t in (own, found)]
    plain = found.layout == torch.strided and found.device.type != "meta"
    return plain and shapes[0] == shapes[1] and own.is_floating_point() == found.is_floating_point()


def translated(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state whose older names are torchvision's of today."""
    layers: dict[str, set[str]] = {}
    for key in state:
        if found := FLAT_BLOCK.match(key):
            layers.setdefault(found["block"], set()).add(found["layer"])
    flat = {
        block: FLAT[len(held)] for block, held in layers.items() if len(held) in FLAT and held == {*FLAT[len(held)]}
    }

    def name(key: str) -> str:
        if (found := FLAT_BLOCK.match(key)) and found["block"] in flat:
            return f"{found['block']}.conv.{flat[found['block']][found['layer']]}.{found['rest']}"
        if flat:
            return LAST_FLAT.sub(r"\1features.18.\2.\3", key)
        return UNDERSCORED.sub("", OLD_DENSENET.sub(r"\1\2", key))

    return {name(key): value for key, value in state.items()}


def named_like(state: Mapping[str, Tensor], known: Known) -> tuple[str | None, float]:
    """The listed encoder that has the most of these weights, and which part of its own (1: `--encoder` with it would fit)."""
    best: tuple[str | None, float] = None, 0.0
    for name, make in known.items():
        with torch.device("meta"):
            encoder = make()
        own = encoder.state_dict()
        for found in matches(own, state, encoder.first):
            part = 1.0 if found.fits else min(0.99, 1 - found.faults / len(own))
            if part > best[1]:
                best = name, part
    return best


def not_fitting(state: Mapping[str, Tensor], found: Match | None, first: str, known: Known) -> str:
    """What is wrong with a file of which nothing fits, and what it has instead."""
    faults = (
        [(found.missing, "lacks"), (found.extra, "has, unlike the encoder,"), (found.wrong, "has in another shape")]
        if found is not None
        else [([first], "lacks")]
    )
    told = "; ".join(f"{what} {some(keys, 1)}" for keys, what in faults if keys)
    name, part = named_like(state, known)
    if any(TIMM.search(key) for key in state):
        whose = "these are timm's names: give --encoder timm:NAME, with the name that the network has there"
    elif part == 1:
        whose = f"they are those of {name}: give --encoder {name}"
    elif part > 0.5:
        whose = f"the nearest encoder is {name}, of which it has {part:.0%}"
    else:
        whose = f"none of {', '.join(known)} is near (a file of timm's networks: give --encoder timm:NAME)"
    return f"weights of another network: it {told}; it begins {some(state, 3)}: {whose}"
