"""Refining a predicted sample: its mask, with its image and its scores, which are read by windows if they are large."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError
from segdata.files.rasters import Raster
from segdata.files.scores import HALF_STEP
from segdata.labels import Labels, Mask
from segdata.refinement.lattice import Shelf
from segdata.refinement.morphology import tidy
from segdata.refinement.settings import CrfSettings, Refinement
from segdata.windows import Window

MEMORY = 2**31
"""Bytes that a CRF may take: larger images are refined by windows."""

MARGIN = 256
"""Pixels around a window that take part in its CRF: more than three times 80, the default of `bilateral_sxy`."""


class ReadScores(Protocol):
    """Scores of an image that are read by windows."""

    def read(self, window: Window, /) -> NDArray[np.float32]:
        """(K, h, w) probabilities."""


def refine_item(
    dataset: Dataset, samples: Sequence[Sample], refinement: Refinement, scores: bool, shelf: Shelf | None = None
) -> Mask:
    """The refined mask of a sample. Raises `DataError`, also if the image or the scores have another size."""
    sample = samples[0]
    stored = partial(dataset.open_scores, sample) if scores and sample.scores is not None else None
    mask = dataset.read_mask(sample)
    return refined(mask, dataset.labels, refinement, partial(dataset.open_image, sample), stored, shelf)


def refined(
    mask: Mask,
    labels: Labels,
    refinement: Refinement,
    image: Callable[[], AbstractContextManager[Raster]],
    scores: Callable[[], AbstractContextManager[ReadScores]] | None,
    shelf: Shelf | None = None,
) -> Mask:
    """The refined mask of a `mask`, with `image()` and `scores()`, both of its size, read by windows if they are large.

    Raises `DataError`.
    """
    if refinement.crf is not None:
        mask = _with_crf(mask, labels, refinement.crf, image, scores, shelf)
    return tidy(mask, refinement.steps, labels)


def must_refine(pred: Dataset, refinement: Refinement) -> None:
    """Check that predictions can be refined.

    Raises `DatasetError` if samples are parts of shared mask files, or if a CRF needs images and there are none.
    """
    if refinement.crf is not None and pred.images == "none":
        raise DatasetError(
            f"{pred.root}: has no images, which a CRF needs: keep the images when you predict, or use no CRF"
        )
    if any(sample.crop is not None for sample in pred):
        raise DatasetError(f"{pred.root}: its samples are views into larger masks: refine those, or make real tiles")


def _with_crf(
    mask: Mask,
    labels: Labels,
    crf: CrfSettings,
    image: Callable[[], AbstractContextManager[Raster]],
    scores: Callable[[], AbstractContextManager[ReadScores]] | None,
    shelf: Shelf | None,
) -> Mask:
    out = mask.copy()
    classes = len(labels.classes)
    with ExitStack() as stack:
        raster = stack.enter_context(image())
        stored = None if scores is None else stack.enter_context(scores())
        for inner, outer in windows_for(mask.shape, classes):
            probs = None if stored is None else stored.read(outer).clip(HALF_STEP)
            found = crf(mask[outer.slices], raster.read(outer), labels, probs, shelf)
            out[inner.slices] = found[inner.shifted(-outer.y, -outer.x).slices]
    return out


def windows_for(size: tuple[int, ...], classes: int) -> list[tuple[Window, Window]]:
    """Windows that cover (height, width), each also with its margins; a CRF on the larger one takes at most `MEMORY` bytes."""
    height, width = size
    whole = Window(0, 0, height, width)
    side = math.isqrt(MEMORY // (150 + 12 * classes))
    if height * width <= side * side:
        return [(whole, whole)]
    core = max(side - 2 * MARGIN, MARGIN)
    out = []
    for y, x in product(range(0, height, core), range(0, width, core)):
        inner = Window(y, x, min(core, height - y), min(core, width - x))
        top, left = max(y - MARGIN, 0), max(x - MARGIN, 0)
        bottom, right = min(inner.bottom + MARGIN, height), min(inner.right + MARGIN, width)
        out.append((inner, Window(top, left, bottom - top, right - left)))
    return out
