"""From the bytes of an image to its mask, as `segdata predict` makes it, without a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from threading import Event
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, OptionError, SegdataError
from segdata.files.bands import look
from segdata.files.file import InMemory
from segdata.files.opening import open_image, refuse_pixels
from segdata.files.rasters import Raster, WholeRaster
from segdata.files.reading import Reading
from segdata.files.scores import dequantise, quantise
from segdata.kernels.decide import decide
from segdata.labels import Labels, Mask, tally
from segdata.ops.serve.refusals import Refusal, Stopped, refusal_of
from segdata.prediction.fitting import fitted
from segdata.prediction.predictor import Embeds, Predictor
from segdata.prediction.signals import Measure
from segdata.prediction.sliding import Failed, Input, as_it_is, slide
from segdata.prediction.windows import Sliding
from segdata.refinement.apply import refined
from segdata.refinement.settings import Refinement
from segdata.tiling.retype import Retype
from segdata.windows import Window

WARM = 64
"""Height and width of the image that is predicted before the first request: code is compiled and loaded by it."""


Opening = Callable[[], AbstractContextManager[Raster]]


class HeldScores:
    """The scores of an image in memory, as `predict` stores them: (K, H, W) uint8."""

    def __init__(self, classes: int, size: tuple[int, int]) -> None:
        self._stored = np.empty((classes, *size), np.uint8)

    @contextmanager
    def open(self) -> Iterator[HeldScores]:
        """Itself, as a file would be opened."""
        yield self

    def add(self, y: int, probs: NDArray[np.float32]) -> None:
        """(K, rows, W) of the rows from `y` on."""
        self._stored[:, y : y + probs.shape[1]] = quantise(probs)

    def read(self, window: Window, /) -> NDArray[np.float32]:
        """(K, h, w) float32."""
        return dequantise(self._stored[:, *window.slices])


class Done(NamedTuple):
    """A mask, (H, W) class ids, how often each value occurs in it, and what gives the signals if they are wanted."""

    mask: Mask
    counts: dict[int, int]
    measure: Measure | None


@dataclass(frozen=True, slots=True)
class Work:
    """A model and how it sees images: windows, bands, values. Pixels of less than `least` probability are ignored."""

    predictor: Predictor
    sliding: Sliding
    reading: Reading
    retype: Retype | None
    least: float
    max_pixels: int
    measured: bool = False
    """Whether signals are wanted."""
    refinement: Refinement | None = None
    """How masks are refined."""

    @property
    def labels(self) -> Labels:
        """The classes of masks."""
        return self.predictor.labels

    def done(self, data: bytes, stop: Event) -> Done:
        """What an image becomes, turned upright. Raises `Refusal`; `Stopped` soon after `stop` is set."""
        file = InMemory(data)
        try:
            with file:
                refuse_pixels(file, self.max_pixels)
                return self._done(lambda: self._opened(file), stop)
        except (SegdataError, MemoryError) as error:
            raise refusal_of(error, file) from error

    def warm(self) -> Done:
        """What an image without content becomes: what the model needs for its first image is loaded. Raises `SegdataError`."""
        bands, dtype = getattr(self.predictor, "bands", None) or 3, getattr(self.predictor, "dtype", None) or "uint8"
        blank = WholeRaster(np.zeros((WARM, WARM, bands), dtype))
        return self._done(lambda: nullcontext(blank), Event())

    def _target(self, height: int, width: int) -> tuple[int, int]:
        recipe = getattr(self.predictor, "recipe", None)
        size: tuple[int, int] = (as_it_is if recipe is None else recipe.resized)(height, width)
        return size

    @contextmanager
    def _opened(self, file: InMemory) -> Iterator[Raster]:
        reading = self.reading
        if reading.alpha is None and look(file, reading).what in ("data", "blank"):
            reading = replace(reading, alpha=False)
        with open_image(file, exif="upright", reading=reading) as raster:
            yield raster

    @contextmanager
    def _fitted(self, opened: Opening) -> Iterator[Raster]:
        with opened() as raster:
            yield fitted(raster, self.predictor, self.reading, self.retype)

    def _done(self, opened: Opening, stop: Event) -> Done:
        labels, refinement = self.labels, self.refinement
        table = np.array([*range(len(labels.classes)), labels.ignore], labels.dtype)
        mask: Mask | None = None
        scores: HeldScores | None = None
        measure = Measure(len(labels.classes))
        image = Input("image", lambda: self._fitted(opened), self._target)
        for band in slide([image], Stoppable(self.predictor, stop), self.sliding, besides=self.measured):
            if isinstance(band, Failed):
                raise DataError(band.problem)
            if mask is None:
                mask = np.empty(band.size, labels.dtype)
                if refinement is not None and refinement.crf is not None:
                    scores = HeldScores(len(labels.classes), band.size)
            rows = mask[band.y : band.y + band.probs.shape[1]]
            decide(np.ascontiguousarray(band.probs), table, self.least, rows)
            if scores is not None:
                scores.add(band.y, band.probs)
            if self.measured:
                measure.add(band)
        if mask is None:
            raise Refusal(500, "model", "the model gave nothing")
        if stop.is_set():
            raise Stopped
        if refinement is not None:
            mask = refined(mask, labels, refinement, opened, None if scores is None else scores.open)
        return Done(mask, dict(tally(mask)), measure if self.measured else None)


class Stoppable:
    """A predictor that raises `Stopped` in place of its next answer once an event is set."""

    def __init__(self, predictor: Predictor, stop: Event) -> None:
        self._predictor, self._stop = predictor, stop
        self.recipe = getattr(predictor, "recipe", None)
        self.embedding: int | None = getattr(predictor, "embedding", None)

    @property
    def labels(self) -> Labels:
        """See `Predictor`."""
        return self._predictor.labels

    def __call__(self, images: NDArray[Any], /) -> NDArray[np.float32]:
        """See `Predictor`."""
        self._check()
        return self._predictor(images)

    def both(self, images: NDArray[Any], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Embeds`; asked only of a predictor that is one."""
        self._check()
        if not isinstance(self._predictor, Embeds):
            raise OptionError("the predictor says that it embeds, and does not")
        return self._predictor.both(images)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped
