"""Signals: what is known of an image and of its prediction without labels, in a few numbers that streams can carry.

They come as the bands of an image do, so that their memory does not depend on its height.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from segdata.kernels.signals import add_signals
from segdata.labels import Mask
from segdata.prediction.light import Light
from segdata.prediction.predictor import Predictor
from segdata.prediction.sliding import Band, Failed, Input, Probs, slide
from segdata.prediction.windows import Sliding

T = TypeVar("T")

BINS = 49

EDGES = 1 - np.exp2(-np.arange(BINS) / 3)
"""(B,) float64: where each bin of confidence begins, 0 to 1 - 2^-16. From bin to bin, what is missing to 1 falls by a third root
of 2: models are sure of most pixels, so bins are finer near 1."""

_EDGES = EDGES.astype(np.float32)

ROWS = 16
"""So many rows are worked on at a time, which stay in the processor's cache."""

Count = Annotated[int, Meta(ge=0, le=2**62)]

Sum = Annotated[float, Meta(ge=0, le=2.0**62)]

Number = Annotated[float, Meta(ge=-1e38, le=1e38)]


class Signals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one image, under the K classes of its model. Pixels without data, and padding, are not counted.

    `pixels` (K,): how many each class is the likeliest of; of these, `confidence` (K,) the sum of the likeliest class's
    probability, and `entropy` (K,) the sum of - sum p ln p / ln K. `histogram` (B,): pixels by confidence, see `EDGES`. Where the
    truth is known, `judged` (B,) counts the pixels that have one, and `right` (B,) those whose likeliest class is it.
    """

    id: str
    height: Count
    width: Count
    brightness: Number | None
    contrast: Number | None
    blur: Number | None
    pixels: list[Count]
    confidence: list[Sum]
    entropy: list[Sum]
    histogram: list[Count]
    embedding: str | None = None
    """Base64 of (D,) float16, little endian: the mean of the model's embeddings over the image's windows. `vector` reads it."""
    judged: list[Count] | None = None
    right: list[Count] | None = None
    group: str | None = None
    """What the image belongs to, such as a drive; None if it is its own."""

    @property
    def vector(self) -> NDArray[np.float32] | None:
        """The embedding, (D,) float32. Raises `ValueError` if it is damaged."""
        return None if self.embedding is None else decoded(self.embedding)

    @property
    def total(self) -> int:
        """The pixels that the model says anything of."""
        return sum(self.pixels)

    @property
    def unit(self) -> str:
        """What it stays together with: its group, or the image itself."""
        return self.group or self.id


def encoded(vector: NDArray[Any]) -> str:
    """(D,) -> base64 of float16; what is larger than float16 holds becomes the largest that it does."""
    most = float(np.finfo(np.float16).max)
    return base64.b64encode(np.clip(vector, -most, most).astype("<f2").tobytes()).decode()


def decoded(text: str) -> NDArray[np.float32]:
    """(D,) float32. Raises `ValueError` for what is no base64 of finite float16."""
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"no base64 of 16-bit numbers: {error}") from error
    if not np.isfinite(values).all():
        raise ValueError("NaN or infinity in an embedding")
    return values


class Measure:
    """Give it the bands of an image, from `slide` with `besides`; `signals` is what is known in the end.

    `classes` is K. `content` (height, width): what lies beyond is padding. `judged`: each band comes with its truth.
    """

    def __init__(self, classes: int, content: tuple[int, int] = (0, 0), *, judged: bool = False) -> None:
        self._content, self._judged = content, judged
        self._pixels = np.zeros(classes, np.int64)
        self._confidence, self._entropy = np.zeros(classes), np.zeros(classes)
        self._bins = np.zeros((3, BINS), np.int64)
        self._size = (0, 0)
        self._light = Light(None, None, None)
        self._embedding: NDArray[np.float32] | None = None

    def add(self, band: Band[Any], truth: NDArray[Any] | None = None) -> None:
        """The next rows. `truth` (rows, W): the model's class of each pixel; any other value is of no known class."""
        self._size = band.size
        self._light = band.light or self._light
        self._embedding = band.embedding if self._embedding is None else self._embedding
        height, width = self._content if all(self._content) else band.size
        probs = band.probs[:, : max(0, height - band.y), :width]
        known = None if truth is None else class_ids(truth[: probs.shape[1], :width], len(probs))
        for y in range(0, probs.shape[1], ROWS):
            rows = np.ascontiguousarray(probs[:, y : y + ROWS])
            asked = np.full(rows.shape[1:], -1, np.int32) if known is None else known[y : y + ROWS]
            sums = self._pixels, self._confidence, self._entropy, self._bins
            add_signals(rows, entropy_of(rows), asked, _EDGES, *sums)

    def signals(self, id: str, group: str | None = None) -> Signals:
        """What is known of the image `id`."""
        histogram, judged, right = self._bins.tolist()
        return Signals(
            id=id, height=self._size[0], width=self._size[1], **self._light._asdict(), pixels=self._pixels.tolist(),
            confidence=_rounded(self._confidence), entropy=_rounded(self._entropy), histogram=histogram,
            embedding=None if self._embedding is None else encoded(self._embedding),
            judged=judged if self._judged else None, right=right if self._judged else None, group=group,
        )  # fmt: skip


def measured(
    images: Iterable[Input[T]],
    predictor: Predictor,
    sliding: Sliding,
    *,
    name: Callable[[T], tuple[str, str | None]],
    truth: Callable[[T], Mask] | None = None,
) -> Iterator[Signals | Failed[T]]:
    """The signals of each image in turn. `name` gives an image's id and group, `truth` (H, W) the model's class of each pixel.

    Raises as `slide`, and what `truth` raises.
    """
    measure: Measure | None = None
    mask: Mask | None = None
    for band in slide(images, predictor, sliding, besides=True):
        if isinstance(band, Failed):
            measure = None
            yield band
            continue
        if measure is None:
            measure = Measure(len(predictor.labels.classes), judged=truth is not None)
            mask = None if truth is None else truth(band.key)
        end = band.y + band.probs.shape[1]
        measure.add(band, None if mask is None else mask[band.y : end])
        if end == band.size[0]:
            done, measure = measure, None
            yield done.signals(*name(band.key))


def entropy_of(probs: Probs) -> NDArray[np.float32]:
    """(K, h, w) -> (h, w) float32, 0 to 1: - sum p ln p / ln K (Shannon 1948); 0 if there is one class."""
    information = np.log(np.maximum(probs, np.finfo(np.float32).tiny))
    total = np.einsum("kyx,kyx->yx", probs, information)
    return np.asarray(np.clip(total / np.float32(-max(np.log(len(probs)), 1e-30)), 0, 1), np.float32)


def class_ids(truth: NDArray[Any], classes: int) -> NDArray[np.int32]:
    """(h, w) int32: the same values, -1 for what is no class."""
    values = truth.astype(np.int64)
    return np.where((values >= 0) & (values < classes), values, -1).astype(np.int32)


def _rounded(sums: NDArray[np.float64]) -> list[float]:
    """To thousandths of a pixel."""
    return [round(value, 3) for value in sums.tolist()]
