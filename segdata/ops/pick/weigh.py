"""How much an image weighs: how unsure its prediction is, times how rare the classes in it are. Read from signals, in passes.

A pass reads the signals of one image at a time; what is kept of each are three numbers and its id. Embeddings are kept of
candidates alone.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segdata.ops.pick.choose import Floats, Ints, Vectors, unit
from segdata.prediction.signals import Signals
from segdata.words import briefly

Strategy = Literal["combined", "uncertainty", "rarity", "diversity", "random"]

Read = Callable[[], Iterator[Signals]]
"""Begins to read the signals anew."""

SOME = 256
"""So many embeddings are worked on at a time."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Images of a pool in the order in which equal ones are taken. `uncertainty` (N,): the mean entropy of the pixels, 0 to 1;
    `rarity` (N,): the mean of their classes' `class_rarity`."""

    __repr__ = briefly

    ids: list[str]
    uncertainty: Floats
    rarity: Floats

    def weights(self, strategy: Strategy) -> Floats:
        """(N,) above 0: what a strategy prefers; all the same where it looks at distances alone, or at nothing."""
        by = {"combined": self.uncertainty * self.rarity, "uncertainty": self.uncertainty, "rarity": self.rarity}
        return np.asarray(np.maximum(by.get(strategy, np.ones(len(self.ids))), 1e-12), np.float64)

    def only(self, places: Ints) -> Weighed:
        """Those at these places, in the same order."""
        return Weighed([self.ids[i] for i in places.tolist()], self.uncertainty[places], self.rarity[places])


def class_rarity(pixels: Floats) -> Floats:
    """(K,) pixels -> (K,): 1 / sqrt(share of the pixels), scaled so that its mean over all pixels is 1; 0 for absent classes.

    The root is that of square-root sampling (Mahajan et al. 2018, Exploring the Limits of Weakly Supervised Pretraining, 3.1).
    """
    share = pixels / max(pixels.sum(), 1)
    rare = np.zeros(len(share))
    np.divide(1, np.sqrt(share) * max(np.sqrt(share).sum(), 1e-300), out=rare, where=share > 0)
    return rare


def weigh(read: Read, classes: int, without: Collection[str], seed: int) -> Weighed:
    """All images of a pool but some, and but those without data. What is equal comes in an order of `seed` and the ids alone."""
    pixels = np.zeros(classes)
    for row in read():
        pixels += row.pixels
    rare = class_rarity(pixels)
    seen, values, drawn = dict.fromkeys(without), array("d"), array("Q")
    ids = []
    for row in read():
        if row.id not in seen and (whole := row.total):
            seen[row.id] = None  # a service may be asked for an image twice
            ids.append(row.id)
            values.extend((sum(row.entropy) / whole, float(rare @ row.pixels) / whole))
            drawn.append(_drawn(seed, row.id))
    order = np.argsort(np.frombuffer(drawn, np.uint64), kind="stable") if ids else np.empty(0, np.int64)
    table = np.frombuffer(values).reshape(-1, 2)[order] if ids else np.empty((0, 2))
    return Weighed([ids[i] for i in order.tolist()], table[:, 0], table[:, 1])


def _drawn(seed: int, id: str) -> int:
    """64 bits that are as good as drawn at random for an id."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{id}".encode(errors="surrogatepass")).digest()[:8])


def vectors_of(read: Read, places: Mapping[str, int]) -> Vectors | None:
    """(N, D) float32: the direction of the embedding of each image at its place; None if one has none."""
    out: Vectors | None = None
    left = dict(places)
    for row in read():
        if (place := left.pop(row.id, None)) is None:
            continue
        if (vector := row.vector) is None:
            return None
        if out is None:
            out = np.zeros((len(places), len(vector)), np.float32)
        out[place] = unit(vector[None])[0]
    return out


def vectors_among(read: Read, ids: Collection[str]) -> Iterator[tuple[list[str], Vectors]]:
    """Those of the images `ids` that have one, some at a time, with their ids."""
    held: list[tuple[str, Vectors]] = []
    for row in read():
        if row.id in ids and (vector := row.vector) is not None:
            held.append((row.id, vector))
        if len(held) == SOME:
            yield [id for id, _ in held], unit(np.stack([vector for _, vector in held]))
            held = []
    if held:
        yield [id for id, _ in held], unit(np.stack([vector for _, vector in held]))
