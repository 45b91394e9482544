"""A model over images of any size: windows cut, batched across images, and what it says of them put together by rows.

Nothing is held that grows with an image's height: rows are read forwards once, and given as soon as no window can reach them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, OptionError, Problem, SegdataError
from segdata.files.geo import Geo
from segdata.files.rasters import Raster, Values
from segdata.labels import Labels
from segdata.prediction.light import Light, LightMeter
from segdata.prediction.predictor import Embeds, Predictor
from segdata.prediction.windows import Sliding
from segdata.recipes.pixels import Span
from segdata.resize import resize_image, resize_scores
from segdata.tiling.area import AreaOfImage
from segdata.tiling.rows import Downwards
from segdata.tiling.stitcher import Stitcher
from segdata.windows import Window

Probs = NDArray[np.float32]

T = TypeVar("T")

INEXACT = 0.01
"""By how much probabilities may miss 0 and 1: more than a bfloat16 does."""


Target = Callable[[int, int], tuple[int, int]]
"""(height, width) of an image -> at which size the model sees it."""


def as_it_is(height: int, width: int) -> tuple[int, int]:
    """A model sees images at their own size."""
    return height, width


@dataclass(frozen=True, slots=True)
class Input(Generic[T]):
    """An image to predict: `key` is the caller's, `open` opens it, `target` says at which size the model sees it. Of an image
    that lies at a `Geo`, of that size, `area` says which pixels are asked for. `content` (height, width): the rest is padding.

    Windows of neighbours share batches where their `group` is the same. What a model says of a window may differ in the last
    bit with the batch that it is in.
    """

    key: T
    open: Callable[[], AbstractContextManager[Raster]]
    target: Target = as_it_is
    group: int = 0
    area: Callable[[Geo, tuple[int, int]], AreaOfImage] | None = None
    content: tuple[int, int] = (0, 0)


class Band(NamedTuple, Generic[T]):
    """Rows `y` and on of an image of `size`: (K, rows, W) float32 probabilities, all 0 where nothing is known.

    They are overwritten once later bands are asked for. The last band of an image has what is asked for besides: its `light`,
    and its `embedding` (D,) float32, the mean over its windows, each by its pixels, if the predictor gives embeddings.
    """

    key: T
    size: tuple[int, int]
    geo: Geo
    y: int
    probs: Probs
    light: Light | None = None
    embedding: NDArray[np.float32] | None = None


class Failed(NamedTuple, Generic[T]):
    """An image that cannot be read; bands of it may have come already."""

    key: T
    problem: Problem


class Cut(NamedTuple, Generic[T]):
    """A window of an image: `pixels` (h, w, C), `valid` (h, w) or None, `seen` its size for the model. `last` of its image,
    whose `light` it has then, if that is measured."""

    key: T
    size: tuple[int, int]
    geo: Geo
    window: Window
    pixels: Values
    valid: NDArray[np.bool_] | None
    seen: tuple[int, int]
    last: bool
    group: int
    light: Light | None = None

    @property
    def weight(self) -> float:
        """The pixels that have data."""
        return float(self.window.height * self.window.width if self.valid is None else self.valid.sum())


class Blank(NamedTuple, Generic[T]):
    """An image of which no pixel is asked for."""

    key: T
    size: tuple[int, int]
    geo: Geo


def slide(
    images: Iterable[Input[T]], predictor: Predictor, sliding: Sliding, *, besides: bool = False
) -> Iterator[Band[T] | Failed[T]]:
    """The bands of each image in turn, from top to bottom. The next windows are read while the model is at work.

    `besides`: measure what an image looks like, and take its embedding. Raises `OptionError` where the predictor gives
    something else than (N, K, h, w) probabilities, `SegdataError` where the memory is too small.
    """
    sliding.check()
    stitcher: Stitcher | None = None
    asked = Asked(predictor, besides)
    mean = Mean()
    measured = Measured(besides, getattr(getattr(predictor, "recipe", None), "span", None))
    with _memory_told(sliding):
        for batch in ahead(_batches(_cuts(images, sliding, measured), sliding.batch)):
            if isinstance(batch, Failed):
                stitcher, mean = None, Mean()
                yield batch
                continue
            if isinstance(batch, Blank):
                for y, band in Stitcher(*batch.size, len(predictor.labels.classes)).finish():
                    yield Band(*batch, y, band)
                continue
            each = predict_batch(asked, batch, sliding)
            for cut, probs, embedding in zip(batch, each, asked.taken(len(batch)), strict=True):
                stitcher = stitcher or Stitcher(*cut.size, probs.shape[0], blend=sliding.blend, reuse=True)
                rows = stitcher.add(cut.window, probs)
                mean.add(embedding, cut.weight)
                if not cut.last:
                    yield from (Band(cut.key, cut.size, cut.geo, y, band) for y, band in rows)
                    continue
                *rows, (y, band) = rows + stitcher.finish()
                yield from (Band(cut.key, cut.size, cut.geo, above, held) for above, held in rows)
                yield Band(cut.key, cut.size, cut.geo, y, band, cut.light, mean.value)
                stitcher, mean = None, Mean()


class Measured(NamedTuple):
    """Whether what an image looks like is measured, and in which span of values."""

    wanted: bool = False
    span: Span | None = None

    def meter(self, content: tuple[int, int]) -> LightMeter | None:
        """What measures an image, if that is wanted."""
        return LightMeter(self.span, content) if self.wanted else None


class Asked:
    """A predictor, with the embeddings that it gave of the windows as they are, the first variant, if they are wanted."""

    def __init__(self, predictor: Predictor, embeddings: bool) -> None:
        self._predictor = predictor
        self._both: Embeds | None = None
        if embeddings and getattr(predictor, "embedding", None) is not None and isinstance(predictor, Embeds):
            self._both = predictor
        self._embeddings: NDArray[np.float32] | None = None

    @property
    def labels(self) -> Labels:
        """The predictor's."""
        return self._predictor.labels

    def __call__(self, images: NDArray[Any]) -> Probs:
        """(N, h, w, C) -> (N, K, h, w)."""
        if self._both is None or self._embeddings is not None:
            return self._predictor(images)
        probs, self._embeddings = self._both.both(images)
        return probs

    def taken(self, count: int) -> Sequence[NDArray[np.float32] | None]:
        """(D,) of each window of the last batch, or None; the next batch is embedded anew.

        Raises `OptionError` where the predictor gives something else than (N, D) numbers.
        """
        found, self._embeddings = self._embeddings, None
        if found is None:
            return [None] * count
        found = np.asarray(found, np.float32)
        if found.ndim != 2 or len(found) != count or not np.isfinite(found).all():
            raise OptionError(
                f"the predictor gives embeddings of {found.shape} where it should be ({count}, D) numbers"
            )
        return list(found)


class Mean:
    """The mean of embeddings, each by its weight."""

    def __init__(self) -> None:
        self._sum: NDArray[np.float64] | None = None
        self._weight = 0.0

    def add(self, embedding: NDArray[np.float32] | None, weight: float) -> None:
        """One more (D,)."""
        if embedding is not None and weight:
            part = embedding * np.float64(weight)
            self._sum = part if self._sum is None else self._sum + part
            self._weight += weight

    @property
    def value(self) -> NDArray[np.float32] | None:
        """(D,); None without any."""
        return None if self._sum is None else (self._sum / self._weight).astype(np.float32)


def windows_of(images: Iterable[Input[T]], sliding: Sliding) -> Iterator[list[Cut[T]] | Failed[T]]:
    """The windows of images, in the batches in which `slide` gives them to a model."""
    for batch in ahead(_batches(_cuts(images, sliding, Measured()), sliding.batch)):
        if not isinstance(batch, Blank):
            yield batch


SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc", "Insufficient memory")
"""Of the messages with which torch, C++, OpenCV and the system say it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU or the process had too little memory."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in SIGNS)


@contextmanager
def _memory_told(sliding: Sliding) -> Iterator[None]:
    """Turns want of memory into a `SegdataError` that names the options it depends on."""
    import cv2

    try:
        yield
    except (RuntimeError, MemoryError, cv2.error) as error:
        if not is_out_of_memory(error):
            raise
        windows = f"{sliding.batch} windows at once of up to {sliding.size[0]} x {sliding.size[1]}"
        scaled = f", times {max(sliding.scales):g}," if max(sliding.scales) > 1 else ""
        reason = str(error).partition("\n")[0] or type(error).__name__
        message = f"{windows}{scaled} may be too many: take a smaller --batch, --size or --scales"
        raise SegdataError(f"out of memory ({reason}): {message}") from error


def predict_batch(predictor: Predictor, batch: Sequence[Cut[Any]], sliding: Sliding) -> list[Probs]:
    """(K, h, w) float32 of each window, at its own size: the mean over the variants; 0 where there is no data."""
    pixels = np.stack([cut.pixels for cut in batch])
    size, seen = batch[0].window[2:], batch[0].seen
    total: Probs | None = None
    for scale in sliding.scales:
        wanted = (max(1, round(seen[0] * scale)), max(1, round(seen[1] * scale)))
        scaled = pixels if wanted == size else np.stack([resize_image(one, wanted) for one in pixels])
        for flip in ("", *sliding.flips):
            probs = _asked(predictor, _flipped(scaled, flip, 1), len(batch), wanted)
            probs = _flipped(probs, flip, 2)
            if wanted != size:
                probs = np.stack([resize_scores(one, (size[0], size[1])) for one in probs])
            total = probs if total is None else total + probs
    variants = len(sliding.scales) * (1 + len(sliding.flips))
    if total is None:
        return []
    mean = total if variants == 1 else total / np.float32(variants)
    return [one if cut.valid is None else one * cut.valid for cut, one in zip(batch, mean, strict=True)]


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same, each item made in another thread while the one before is used."""
    end = object()
    source = iter(items)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, source, end)
            yield item  # type: ignore[misc]


def _batches(cuts: Iterable[Cut[T] | Failed[T] | Blank[T]], most: int) -> Iterator[list[Cut[T]] | Failed[T] | Blank[T]]:
    """Neighbours of one shape, type and group together, up to `most` of them, whichever images they are of."""
    held: list[Cut[T]] = []
    for cut in cuts:
        if isinstance(cut, Failed | Blank):
            if held:
                yield held
            held = []
            yield cut
            continue
        if held and (len(held) == most or _kind(cut) != _kind(held[0])):
            yield held
            held = []
        held.append(cut)
    if held:
        yield held


def _kind(cut: Cut[Any]) -> tuple[object, ...]:
    return cut.pixels.shape, cut.pixels.dtype, cut.seen, cut.group


def _cuts(images: Iterable[Input[T]], sliding: Sliding, measured: Measured) -> Iterator[Cut[T] | Failed[T] | Blank[T]]:
    for image in images:
        try:
            with image.open() as raster:
                yield from _cuts_of(image, raster, sliding, measured.meter(image.content))
        except DataError as error:
            yield Failed(image.key, error.problem)


def _cuts_of(
    image: Input[T], raster: Raster, sliding: Sliding, meter: LightMeter | None
) -> Iterator[Cut[T] | Blank[T]]:
    size = raster.height, raster.width
    target = image.target(*size)
    windows = sliding.windows(size, target)
    area = None if image.area is None else image.area(raster.geo, size)
    if area is not None:
        windows = [window for window in windows if area.meets(window)]
    if not windows:
        yield Blank(image.key, size, raster.geo)
    rows = Downwards(raster.read, 0, raster.width)
    known = Downwards(lambda window: _known(raster, window, rows.read(window), area, meter), 0, raster.width)
    for number, window in enumerate(windows):
        pixels, valid = rows.read(window), known.read(window)
        gaps = None if valid.all() else valid
        seen = tuple(max(1, round(n * to / whole)) for n, to, whole in zip(window[2:], target, size, strict=True))
        last = number == len(windows) - 1
        light = meter.light() if last and meter is not None else None
        yield Cut(image.key, size, raster.geo, window, pixels, gaps, (seen[0], seen[1]), last, image.group, light)


def _known(
    raster: Raster, window: Window, pixels: Values, area: AreaOfImage | None, meter: LightMeter | None
) -> NDArray[np.bool_]:
    """(h, w): where a window, of rows that are seen for the first time, has data, and is asked for."""
    valid = raster.valid(window, pixels)
    known = np.ones(window[2:], np.bool_) if valid is None else valid
    known = known if area is None else known & area.inside(window)
    if meter is not None:
        meter.add(pixels, known)
    return known


def _flipped(array: NDArray[Any], flip: str, axis: int) -> NDArray[Any]:
    """Mirrored along the height at `axis` and the width after it, as `flip` says."""
    axes = tuple(axis + i for i, letter in enumerate("yx") if letter in flip)
    return np.flip(array, axes) if axes else array


def _asked(predictor: Predictor, pixels: NDArray[Any], count: int, size: tuple[int, int]) -> Probs:
    """What a predictor says. Raises `OptionError` where that is not what a `Predictor` says."""
    probs = np.asarray(predictor(np.ascontiguousarray(pixels)), np.float32)
    wanted = (count, len(predictor.labels.classes), *size)
    if probs.shape != wanted:
        raise OptionError(f"the predictor gives an array of {probs.shape} where it should be (N, K, h, w) = {wanted}")
    if not np.isfinite(probs.sum()):
        raise OptionError("the predictor gives NaN or infinity: was it trained to the end?")
    some = probs[:, :, ::8]  # rows enough to know logits by, and hardly any time
    total = some.sum(axis=1)
    least, furthest = some.min(), total.flat[np.abs(total - 1).argmax()]
    if least < -INEXACT or abs(furthest - 1) > INEXACT:
        raise OptionError(
            f"the predictor gives values from {least:g} on that sum to {furthest:g} over the classes where it should be "
            "probabilities that sum to 1: of logits, give the softmax"
        )
    return probs
