"""The numbers of images that are tested, aspect by aspect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.ops.monitor.drift import Floats
from segdata.prediction.signals import Signals

LEAST_SHARE = 1e-3
"""An image speaks of a class's confidence and entropy if this share of its pixels is of it: a few at an edge say little."""

WHOLE = "all pixels"
"""What the part of an aspect is called that is of no class."""

LOOKS = ("brightness", "contrast", "blur")

PREDICTED = ("classes", "confidence", "entropy")

ASPECTS = (*LOOKS, "size", *PREDICTED, "embedding")


@dataclass(frozen=True, slots=True)
class Part:
    """One number of each image, (N,) float64; NaN where there is none. `class_id`: of which class."""

    name: str
    values: Floats
    class_id: int | None = None


def parts_of(rows: Sequence[Signals], names: Sequence[str]) -> dict[str, list[Part]]:
    """The numbers of images, by aspect; `names` are the classes'. Embeddings are none of them."""
    pixels, sure, unsure = (_table(rows, len(names), pick) for pick in (_pixels, _confidence, _entropy))
    total = pixels.sum(axis=1, keepdims=True)
    seen = pixels >= np.maximum(1, LEAST_SHARE * total)
    out = {name: [Part(name, _numbers([getattr(row, name) for row in rows]))] for name in LOOKS}
    out["size"] = [
        Part("height", _numbers([row.height for row in rows])),
        Part("width", _numbers([row.width for row in rows])),
    ]
    out["classes"] = _by_class(_ratio(pixels, total), names)
    for aspect, sums in (("confidence", sure), ("entropy", unsure)):
        whole = Part(WHOLE, _ratio(sums.sum(axis=1, keepdims=True), total)[:, 0])
        out[aspect] = [whole, *_by_class(np.where(seen, _ratio(sums, pixels), np.nan), names)]
    return out


def vectors_of(rows: Sequence[Signals]) -> NDArray[np.float32] | None:
    """(N, D): the embeddings; None if an image has none, or one of another length."""
    vectors = [row.vector for row in rows]
    known = [vector for vector in vectors if vector is not None]
    if not rows or len(known) < len(rows) or len({len(vector) for vector in known}) > 1:
        return None
    return np.stack(known)


def _table(rows: Sequence[Signals], classes: int, pick: Callable[[Signals], Sequence[float]]) -> Floats:
    return np.array([pick(row) for row in rows], np.float64).reshape(len(rows), classes)


def _pixels(row: Signals) -> Sequence[float]:
    return row.pixels


def _confidence(row: Signals) -> Sequence[float]:
    return row.confidence


def _entropy(row: Signals) -> Sequence[float]:
    return row.entropy


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def _by_class(values: Floats, names: Sequence[str]) -> list[Part]:
    return [Part(name, column, i) for i, (name, column) in enumerate(zip(names, values.T, strict=True))]
