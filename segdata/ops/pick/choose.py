"""Which of many images to take: one by one, each the one of most weight that is farthest from all that were taken before.

The farthest-first order is the greedy k-center of Sener and Savarese 2018 (Active Learning for Convolutional Neural Networks: A
Core-Set Approach, algorithm 1), of distances that are multiplied by weights.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Ints = NDArray[np.int64]

Vectors = NDArray[np.float32]
"""(N, D), each of length 1."""


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """(N, D) vectors of length 1 in the same directions; zeros stay zeros."""
    wide = vectors.astype(np.float32)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(lengths > 0, lengths, 1), np.float32)


def apart(vectors: Vectors, one: NDArray[np.float32]) -> Floats:
    """(N,) float64: 1 - the cosine of each of the vectors and `one` (D,), from 0, the same direction, to 2."""
    return np.maximum(1 - (vectors @ one).astype(np.float64), 0)


def nearest(vectors: Vectors, others: Iterable[Vectors]) -> Floats:
    """(N,) float64: how far each of the vectors is `apart` from the nearest of others, which come in parts; 2 without any."""
    distance = np.full(len(vectors), 2.0)
    for some in others:
        closest = (vectors @ some.T).max(axis=1, initial=-1)
        np.minimum(distance, np.maximum(1 - closest.astype(np.float64), 0), out=distance)
    return distance


class Room:
    """How many images may still be taken of each group. `of` (N,) has the groups' numbers, None if there is no limit."""

    def __init__(self, of: Ints | None, most: int | None) -> None:
        self._of = of
        self._left = None if of is None or most is None else np.full(int(of.max(initial=-1)) + 1, most)

    def __call__(self, image: int) -> bool:
        """Whether one more of its group may be taken."""
        return self._left is None or self._of is None or self._left[self._of[image]] > 0

    def take(self, image: int) -> Ints:
        """Take it; gives the images that may not be taken from now on."""
        if self._left is None or self._of is None:
            return np.array([image])
        self._left[self._of[image]] -= 1
        full = self._left[self._of[image]] == 0
        return np.flatnonzero(self._of == self._of[image]) if full else np.array([image])


def heaviest(weights: Floats, count: int, room: Room) -> list[int]:
    """Up to `count` images by weight (N,), the largest first; of equal ones the first, as far as there is room."""
    taken: list[int] = []
    for image in np.argsort(-weights, kind="stable").tolist():
        if len(taken) == count:
            break
        if room(image):
            room.take(image)
            taken.append(image)
    return taken


def farthest(
    weights: Floats, vectors: Vectors, distance: Floats, count: int, room: Room
) -> tuple[list[int], list[float]]:
    """Up to `count` images, each that of the largest weight x distance, and the distance that each had then.

    `weights` (N,) are above 0; `distance` (N,) is from what is labelled already. Of equal ones the first is taken.
    """
    distance, open_ = distance.copy(), np.ones(len(weights), np.bool_)
    taken, gaps = list[int](), list[float]()
    while len(taken) < count and open_.any():
        image = int(np.argmax(np.where(open_, weights * distance, -1)))
        taken.append(image)
        gaps.append(float(distance[image]))
        open_[room.take(image)] = False
        np.minimum(distance, apart(vectors, vectors[image]), out=distance)
    return taken, gaps
