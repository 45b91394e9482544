"""Which predictions belong to which truth: by id, and tiles by the image that they were cut from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, Problem
from segdata.files.changes import Changes, drawn
from segdata.files.views import View, scaled_size
from segdata.labels import Mask
from segdata.resize import resize_mask
from segdata.words import sized

Ids = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """An image: its samples of truth (one, or its tiles), and its samples in each prediction, () if there are none.

    `unit` names the image, or its group if images are grouped.
    """

    id: str
    unit: str
    truth: tuple[Sample, ...]
    preds: tuple[tuple[Sample, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Stitched:
    """An image put together: (H, W) `held`, and (H, W) bool `covered`, true where there is a sample (None: everywhere).

    `owner` (H, W) int32 is the number of the sample that each pixel was taken from; None if there is only one sample.
    """

    held: Mask | Changes
    covered: NDArray[np.bool_] | None = None
    owner: NDArray[np.int32] | None = None

    @property
    def mask(self) -> Mask:
        """(H, W)."""
        return drawn(self.held)


def image_of(sample: Sample) -> str:
    """The id of the image that a sample is, or that it is a tile of."""
    return sample.id if sample.parent is None or sample.window is None else sample.parent


def pair_up(truth: Sequence[Sample], preds: Sequence[Sequence[Sample]], *, group: bool) -> list[Pair]:
    """All images of truth in the order of their ids, each with its predictions."""
    sides = [by_image(samples) for samples in preds]
    out = []
    for id, samples in by_image(truth).items():
        unit = samples[0].group if group and samples[0].group is not None else f"image {id}"
        out.append(Pair(id, unit, samples, tuple(side.get(id, ()) for side in sides)))
    return out


def tile_view(sample: Sample) -> View:
    """How a tile was cut. Raises `DataError` (`tile.none`, `tile.outside`) for what is no tile, or is outside its image."""
    if sample.tiling is None or sample.window is None or sample.parent is None:
        what = "it is no tile: the manifest has not which window of which image it is"
        raise DataError(Problem("tile.none", what, sample=sample.id))
    (y, x, h, w), (height, width) = sample.window, sample.tiling.parent
    if y + h > height or x + w > width:
        what = (
            f"its window of {w} x {h} at row {y}, column {x} is not in its image of {width} x {height} (width x height)"
        )
        raise DataError(Problem("tile.outside", f"{what}: tile again", sample=sample.id))
    return View(sample.window, sample.size, sample.tiling.scale, sample.tiling.pad)


def by_parent(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Tiles by the id of what they were cut from, in order of it. Raises `DataError` like `tile_view`."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        tile_view(sample)
        groups[str(sample.parent)].append(sample)
    return dict(sorted(groups.items()))


def same_ids(pred: Iterable[Sample], truth: Iterable[Sample]) -> list[tuple[Sample, Sample]]:
    """The samples of both that have one id, (prediction, truth) in order of it."""
    predicted = {sample.id: sample for sample in pred}
    return [(predicted[t.id], t) for t in sorted(truth, key=lambda sample: sample.id) if t.id in predicted]


def extras(truth: Iterable[Sample], pred: Iterable[Sample]) -> Ids:
    """The ids of predictions whose images are not in truth."""
    known = {image_of(sample) for sample in truth}
    return tuple(sorted(sample.id for sample in pred if image_of(sample) not in known))


def read_stitched(dataset: Dataset, samples: Sequence[Sample], size: tuple[int, int] | None = None) -> Stitched:
    """An image's mask. If it is in tiles, each pixel comes from the tile whose edge is farthest away; on a tie, from the first.

    Tiles that were scaled are brought back to the size of their window: each pixel gets the value under its centre. `size` is
    (height, width) of the image if it is known; otherwise the image reaches as far as its tiles. Pixels that no tile covers
    are `ignore`. Raises `DataError` (`mask.*`, `evaluate.size`).
    """
    if is_whole(samples):
        return Stitched(dataset.read_lazily(samples[0]))
    windows = [sample.window for sample in samples if sample.window is not None]
    height, width = size or extent(samples)
    mask = np.full((height, width), dataset.labels.ignore, dataset.labels.dtype)
    owner, best = np.full((height, width), -1, np.int32), np.zeros((height, width), np.int32)
    for number, (sample, window) in enumerate(zip(samples, windows, strict=True)):
        tile = dataset.read_mask(sample)
        h, w = content = tile_content(sample)
        if h > tile.shape[0] or w > tile.shape[1] or window.bottom > height or window.right > width:
            message = (
                f"its window {list(window)} does not fit a tile of {sized(tile)} in an image of {width} x {height}"
            )
            raise DataError(Problem("evaluate.size", message, file=sample.mask, sample=sample.id))
        tile = resize_mask(tile[: content[0], : content[1]], (window.height, window.width))
        depth = np.minimum.outer(_depths(window.y, window.height, height), _depths(window.x, window.width, width))
        nearer = depth > best[window.slices]
        for canvas, values in ((mask, tile), (owner, number), (best, depth)):
            np.copyto(canvas[window.slices], values, where=nearer, casting="unsafe")
    return Stitched(mask, owner >= 0, owner)


def must_match(pred: Sequence[int], truth: Sequence[int], id: str) -> None:
    """Raise `DataError` (`evaluate.size`) for a prediction of another (height, width) than truth."""
    if tuple(pred) != tuple(truth):
        sizes = f"{pred[1]} x {pred[0]}, truth {truth[1]} x {truth[0]}"
        message = f"the prediction is {sizes} (width x height): predict it at its own size"
        raise DataError(Problem("evaluate.size", message, sample=id))


def tile_content(sample: Sample) -> tuple[int, int]:
    """(height, width) of a tile without its padding: of its window, scaled as the tile was."""
    if sample.window is None:
        return sample.size
    scale = 1.0 if sample.tiling is None else sample.tiling.scale
    height, width = (scaled_size(n, most, scale) for n, most in zip(sample.window[2:], sample.size, strict=True))
    return height, width


def extent(samples: Sequence[Sample]) -> tuple[int, int]:
    """(height, width) of an image; if its tiles do not say it, as far as they reach."""
    if is_whole(samples):
        return samples[0].size
    if samples[0].tiling is not None:
        return samples[0].tiling.parent
    windows = [sample.window for sample in samples if sample.window is not None]
    return max(w.bottom for w in windows), max(w.right for w in windows)


def _depths(start: int, length: int, whole: int) -> NDArray[np.int32]:
    """(length,) the distance of each pixel from the nearer end of the window; ends at the image's edge do not count."""
    steps = np.arange(1, length + 1, dtype=np.int32)
    far = np.full(length, whole + 1, np.int32)
    before = steps if start > 0 else far
    after = steps[::-1] if start + length < whole else far
    return np.minimum(before, after)


def is_whole(samples: Sequence[Sample]) -> bool:
    """Whether an image is one sample, not tiles."""
    return len(samples) == 1 and image_of(samples[0]) == samples[0].id


def by_image(samples: Iterable[Sample]) -> dict[str, tuple[Sample, ...]]:
    """By the id of the image that they are, or are tiles of, in order; the samples of each in order of id too."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[image_of(sample)].append(sample)
    return {id: tuple(sorted(group, key=lambda sample: sample.id)) for id, group in sorted(found.items())}
