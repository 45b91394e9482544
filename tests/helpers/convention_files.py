"""A case for the conventions of other libraries: absent, missed and only predicted classes, void in truth and prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain", "sky",
    "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
CATEGORIES = [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6]
KINDS = {"plain": 19, "void": 19, "rejected": 19, "ignored": 19, "two": 2, "one": 1}
"""The cases, and how many classes each has."""


def case(kind: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Truth and prediction, (4, 40, 50) of the classes of `KINDS`, the same on every machine: numbers from a multiplicative hash.

    All but "plain" have void in truth, "ignored" nothing else; "rejected" and "one" have it in the prediction too.
    """
    shape = (4, 40, 50)

    def numbers(salt: int, below: int) -> NDArray[np.int64]:
        i = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(salt * 1_000_003)
        h = (i * np.uint64(2654435761)) % np.uint64(2**32)
        h = ((h ^ (h >> np.uint64(15))) * np.uint64(2246822519)) % np.uint64(2**32)
        return ((h >> np.uint64(9)) % np.uint64(below)).astype(np.int64).reshape(shape)

    truth, other = numbers(1, 19), numbers(2, 19)
    pred = np.where(numbers(3, 10) < 6, truth, other)
    for masks, old, new in (
        (truth, 3, 4),
        (pred, 3, 4),
        (truth, 5, 6),
        (pred, 7, 8),
    ):  # 3 absent, 5 only predicted, 7 missed
        masks[masks == old] = new
    for masks in (truth, pred):
        masks[0][masks[0] == 9] = 10  # absent from one image
    if kind != "plain":
        truth[numbers(4, 10) == 0] = 255
    if kind in ("rejected", "one"):
        pred[numbers(5, 10) == 0] = 255
    if kind == "ignored":
        truth[:] = 255
    for masks in (truth, pred):
        masks[masks != 255] %= KINDS[kind]
    return truth.astype(np.uint8), pred.astype(np.uint8)
