"""From a dataset to batches: which samples each step has, and how they are augmented and put together.

Everything random is a pure function of the seed and a `Key`, so that batches are the same on any number of workers or
processes, and after a resume.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from segdata.dataset.dataset import Dataset
from segdata.dataset.weights import Floats, Ints
from segdata.errors import DataError, Problem
from segdata.executors.processes import refuse_unguarded, start_method, starting
from segdata.labels import Mask
from segdata.recipes.pipeline import Pipeline, Source
from segdata.recipes.settings import Settings
from segdata.resize import resize_image

Pixels = NDArray[Any]
"""(h, w, C) as read: uint8 for ordinary images."""


class Key(NamedTuple):
    """A version of a sample, see `segdata.recipes.pipeline.Pipeline`: the `turn` through the data is its epoch.

    `sample` is its place in the training data, the index; `crop` is how often it came before in the turn.
    """

    turn: int
    sample: int
    crop: int


class Batch(NamedTuple):
    """`images` (N, h, w, C) as read, `target` (N, h, w) integers, `ids` of the N samples; to validate, `truth` (N, H, W) too.

    `target` lies under the pixels that the model sees, `truth` under the source's. In training with `mask_scale` s, `target`
    is (N, s h, s w).
    """

    images: torch.Tensor
    target: torch.Tensor
    ids: list[str]
    truth: torch.Tensor | None = None


Item = tuple[str, Pixels, Mask] | tuple[str, Pixels, Mask, Mask]
"""What becomes a part of a `Batch`: id, pixels, target, and the truth."""


@dataclass(slots=True)
class Order:
    """Which samples each step has: turn after turn through all M `items`, each turn in an order of its own.

    `items` (M,) says which sample each item is of. A step may end one turn and begin the next, so that nothing is left out.
    With `chance` (M,) float64, a turn is as many independent draws with these probabilities instead.
    """

    items: Ints
    batch: int
    seed: int
    chance: Floats | None = None
    _turns: dict[int, tuple[Ints, Ints]] = field(default_factory=dict)

    def keys(self, step: int) -> list[Key]:
        """The `batch` samples of one step, in order."""
        places = (divmod(step * self.batch + i, len(self.items)) for i in range(self.batch))
        return [Key(turn, *(int(of[at]) for of in self._turn(turn))) for turn, at in places]

    def _turn(self, turn: int) -> tuple[Ints, Ints]:
        """(M,) the samples of one turn in order, and (M,) how often each came before in it."""
        if turn not in self._turns:
            random, number = np.random.default_rng((self.seed, turn)), len(self.items)
            drawn = random.permutation(number) if self.chance is None else random.choice(number, number, p=self.chance)
            self._turns = {t: held for t, held in self._turns.items() if t == turn - 1}
            self._turns[turn] = self.items[drawn], times_before(self.items[drawn])
        return self._turns[turn]


def times_before(values: Ints) -> Ints:
    """(M,) -> (M,) int64: how often each value came before in the row."""
    order = np.argsort(values, kind="stable")
    _, first, number = np.unique(values[order], return_index=True, return_counts=True)
    out = np.empty(len(values), np.int64)
    out[order] = np.arange(len(values)) - np.repeat(first, number)
    return out


class Training(TorchDataset[Any]):
    """Augmented samples by `Key`: (id, (h, w, C) pixels, (s h, s w) ids). A bad file comes back as its `Problem`.

    With a `scale` s above 1, `recipe` is a `finer` one: image and mask are augmented at that size, then the image is reduced.
    """

    def __init__(
        self, dataset: Dataset, recipe: Settings, seed: int, source: Source | None = None, *, scale: int = 1
    ) -> None:
        """`source` reads the samples, by default from their files. Raises as `Pipeline`."""
        self.samples, self.scale = dataset.samples, scale
        self.pipeline = Pipeline(dataset, recipe, seed, source)

    def __getitem__(self, key: Key) -> Item | Problem:
        """One sample."""
        sample = self.samples[key.sample]
        try:
            image, mask = self.pipeline.version(sample, *key)
        except DataError as error:
            return error.problem
        return sample.id, *reduced(image, mask, self.scale)


def reduced(image: Pixels, mask: Mask, scale: int) -> tuple[Pixels, Mask]:
    """The image by a whole number smaller than its mask; rows and columns that are too many are left out."""
    height, width = (side // scale for side in mask.shape)
    whole = np.s_[: height * scale, : width * scale]
    return resize_image(image[whole], (height, width)), mask[whole]


def together(items: Sequence[Item | Problem], ignore: int) -> Batch | Problem:
    """A batch; smaller samples are padded at the bottom and right, images with 0 and masks with ignore."""
    good: list[Item] = []
    for item in items:
        if isinstance(item, Problem):
            return item
        good.append(item)
    ids, images, target, *truth = zip(*good, strict=True)
    for id, image in zip(ids, images, strict=True):
        if image.dtype != images[0].dtype:
            return unlike(id, image.dtype, images[0].dtype)
    return Batch(stacked(images, 0), stacked(target, ignore), list(ids), *(stacked(masks, ignore) for masks in truth))


def unlike(sample: str, found: np.dtype[Any], others: np.dtype[Any]) -> Problem:
    """What is wrong with pixels of another type than the others of their batch, which would be cut to that type."""
    ways = "tile all with --dtype uint8 --scale-values LOW,HIGH, or leave it out"
    return Problem("image.type", f"its pixels are {found}, those of other images {others}: {ways}", sample=sample)


def stacked(arrays: Sequence[NDArray[Any]], fill: int) -> torch.Tensor:
    """Arrays of (h, w, ...) as one tensor, the smaller ones filled up at the bottom and right."""
    size = [max(a.shape[axis] for a in arrays) for axis in (0, 1)]
    out = np.full((len(arrays), *size, *arrays[0].shape[2:]), fill, arrays[0].dtype)
    for place, array in zip(out, arrays, strict=True):
        place[: array.shape[0], : array.shape[1]] = array
    return to_tensor(out)


def to_tensor(images: Pixels) -> torch.Tensor:
    """Pixels as a tensor of a dtype that torch can calculate with; 16-bit ones as int32."""
    return torch.from_numpy(np.ascontiguousarray(images.astype(np.int32) if images.dtype == np.uint16 else images))


def loader(
    samples: TorchDataset[Any], keys: Iterable[Sequence[Any]], ignore: int, *, workers: int, device: torch.device
) -> DataLoader[Any]:
    """Gives a batch for each list of keys, made ahead by that many processes; read it by `checked`."""
    if workers:
        refuse_unguarded()
    return DataLoader(
        samples,
        batch_sampler=keys,  # type: ignore[arg-type]
        collate_fn=partial(together, ignore=ignore),
        num_workers=workers,
        pin_memory=device.type == "cuda",
        multiprocessing_context=start_method() if workers else None,
        prefetch_factor=4 if workers else None,
        persistent_workers=workers > 0,
        worker_init_fn=_start_worker if workers else None,
    )


def checked(batches: DataLoader[Any]) -> Iterator[Batch]:
    """The batches of a loader. Raises the `DataError` of a file that could not be read, `SegdataError` if no process starts."""
    with starting("--workers 0"):
        stream = iter(batches)
    for batch in stream:
        if isinstance(batch, Problem):
            raise DataError(batch)
        yield batch


def _start_worker(number: int) -> None:
    import cv2

    cv2.setNumThreads(1)
