"""From a dataset to batches: which samples each step has, and how they are read, augmented and put together.

Everything random is a pure function of (seed, turn, position), so that batches are the same on any number of workers or
processes, and after a resume.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from segdata.dataset.dataset import Dataset, Openings
from segdata.dataset.sample import Sample
from segdata.dataset.weights import Floats, Ints
from segdata.errors import DataError, Problem, located
from segdata.files.rasters import access_to
from segdata.labels import Mask
from segdata.recipes.crops import ClassIndex, MaskReader, choose_class, choose_window
from segdata.recipes.recipe import Recipe
from segdata.resize import resize_image, resize_mask
from segdata.windows import Window

Pixels = NDArray[Any]
"""(h, w, C) as read: uint8 for ordinary images."""

Pair = tuple[Pixels, Mask]


class Key(NamedTuple):
    """One sample of a training: the `position`-th of the `turn`-th turn through the data, which is item `item`."""

    turn: int
    position: int
    item: int


class Batch(NamedTuple):
    """`images` (N, h, w, C) as read, `target` (N, h, w) integers, `ids` of the N samples; to validate, `truth` (N, H, W) too.

    `target` lies under the pixels that the model sees, `truth` under the source's.
    """

    images: torch.Tensor
    target: torch.Tensor
    ids: list[str]
    truth: torch.Tensor | None = None


Item = tuple[str, Pixels, Mask] | tuple[str, Pixels, Mask, Mask]
"""What becomes a part of a `Batch`: id, pixels, target, and the truth."""


@dataclass(slots=True)
class Order:
    """Which items each step has: turn after turn through all `number` of them, each turn in an order of its own.

    A step may end one turn and begin the next, so that nothing is left out. With `chance` (number,) float64, a turn is as
    many independent draws with these probabilities instead.
    """

    number: int
    batch: int
    seed: int
    chance: Floats | None = None
    _turns: dict[int, Ints] = field(default_factory=dict)

    def keys(self, step: int) -> list[Key]:
        """The `batch` samples of one step, in order."""
        places = (divmod(step * self.batch + i, self.number) for i in range(self.batch))
        return [Key(turn, at, int(self._turn(turn)[at])) for turn, at in places]

    def _turn(self, turn: int) -> Ints:
        """(number,) the items of one turn."""
        if turn not in self._turns:
            random = np.random.default_rng((self.seed, turn))
            drawn = self.chance is not None
            self._turns = {t: order for t, order in self._turns.items() if t == turn - 1}
            self._turns[turn] = (
                random.choice(self.number, self.number, p=self.chance) if drawn else random.permutation(self.number)
            )
        return self._turns[turn]


class Cache:
    """Samples in memory, decoded and resized, that worker processes share: read once, by threads.

    All lie in two tensors, one of pixels and one of mask values, so that any number of samples is two handles.
    """

    def __init__(self, dataset: Dataset, recipe: Recipe) -> None:
        self.dataset, self.recipe = dataset, recipe
        with dataset.open_image(dataset.samples[0]) as first:
            self.bands, self.dtype = first.bands, first.dtype
        self.sizes = [recipe.resized(*s.size) for s in dataset]
        self.starts = [0, *(int(end) for end in np.cumsum([h * w for h, w in self.sizes]))]
        self.pixels = _shared(self.starts[-1] * self.bands * self.dtype.itemsize)
        self.values = _shared(self.starts[-1] * np.dtype(dataset.labels.dtype).itemsize)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(self._fill, range(len(dataset))))
        self.dataset = replace(dataset, samples=())  # workers need it no more

    def read(self, index: int) -> Pair:
        """Image and mask of a sample as a model sees them; not to be written to."""
        start, end = self.starts[index : index + 2]
        size = self.sizes[index]
        pixels = self.pixels.numpy().view(self.dtype)[start * self.bands : end * self.bands]
        return pixels.reshape(*size, self.bands), self.values.numpy().view(self.dataset.labels.dtype)[
            start:end
        ].reshape(size)

    def _fill(self, index: int) -> None:
        image, mask = self.read(index)
        image[...], mask[...] = prepared(*read_pair(self.dataset, self.dataset.samples[index]), self.recipe)


def _shared(size: int) -> torch.Tensor:
    """(size,) uint8 that other processes may read as well."""
    out = torch.empty(size, dtype=torch.uint8)
    out.share_memory_()  # type: ignore[no-untyped-call]
    return out


def room_for(dataset: Dataset, recipe: Recipe) -> bool:
    """Whether all samples, decoded and resized, take at most a quarter of the memory."""
    with dataset.open_image(dataset.samples[0]) as first:
        each = first.bands * first.dtype.itemsize + np.dtype(dataset.labels.dtype).itemsize
    pixels = sum(h * w for h, w in (recipe.resized(*s.size) for s in dataset))
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # no such question on this system
        memory = 4 * 2**30
    return each * pixels <= memory / 4


def by_windows(dataset: Dataset, recipe: Recipe) -> bool:
    """Whether training reads windows from the files themselves, which is then as quick as from memory: tiled TIFF and the like.

    GDAL keeps blocks in memory too, as much as GDAL_CACHEMAX says.
    """
    if recipe.crop is None:
        return False
    files = [(dataset.image_path(s), str(dataset.inside(s.mask))) for s in dataset.samples[:8]]
    return all(access_to(image) == "windows" and access_to(mask, "mask") != "rows" for image, mask in files)


def read_pair(dataset: Dataset, sample: Sample) -> Pair:
    """Image and mask of a sample. Raises `DataError`."""
    return dataset.read_image(sample), dataset.read_mask(sample)


def prepared(image: Pixels, mask: Mask, recipe: Recipe) -> Pair:
    """Image and mask resized for the model."""
    return recipe.prepare(image), recipe.prepare_mask(mask)


class Training(TorchDataset[Any]):
    """Augmented samples by `Key`: (id, (h, w, C) pixels, (h, w) ids). A bad file comes back as its `Problem`."""

    def __init__(self, dataset: Dataset, recipe: Recipe, items: Ints, seed: int, cache: Cache | None) -> None:
        """`items` (M,) says which sample each of the M items of a turn is of."""
        self.dataset, self.recipe, self.items, self.seed, self.cache = dataset, recipe, items, seed, cache
        self.augment = recipe.augment(dataset.labels.ignore, classes=dataset.labels.names)
        self._open = Openings(dataset)
        self._index: dict[int, ClassIndex] = {}

    def __getitem__(self, key: Key) -> Item | Problem:
        """One sample."""
        item = int(self.items[key.item])
        sample, seed = self.dataset.samples[item], (self.seed, key.turn, key.position)
        try:
            with located(sample=sample.id):
                if self.recipe.crop is None:
                    image, mask = self.augment(*self.read(item), seed, self.other)
                else:
                    image, mask, size = self.cut(item, np.random.default_rng((*seed, 1)))
                    image, mask = self.augment(image, mask, seed, self.other, window=size)
        except DataError as error:
            return error.problem
        return sample.id, image, mask

    def read(self, item: int) -> Pair:
        """Image and mask of a sample before augmentation, resized where no window is cut from it first."""
        if self.cache is not None:
            return self.cache.read(item)
        sample = self.dataset.samples[item]
        if sample.view is None:
            return prepared(*read_pair(self.dataset, sample), uncropped(self.recipe))
        image, mask = self._open(sample)  # tiles have a file together
        return prepared(image.read(), mask.read(), uncropped(self.recipe))

    def other(self, random: np.random.Generator) -> Pair:
        """A sample to paste from."""
        return self.read(int(random.integers(len(self.dataset))))

    def cut(self, item: int, random: np.random.Generator) -> tuple[Pixels, Mask, tuple[int, int]]:
        """A window of a sample, read from the file alone where it is not in memory, and the size that it should have had."""
        sample, crop = self.dataset.samples[item], self.recipe.crop
        size = self.recipe.window(*sample.size, random)
        cached = None if self.cache is None else self.cache.read(item)
        mask: Mask | MaskReader = self._open(sample)[1] if cached is None else cached[1]
        class_id = index = None
        if crop is not None and random.random() < crop.class_aware:
            pixels = np.array([sample.counts.get(c, 0) for c in range(len(self.dataset.labels.classes))])
            class_id = choose_class(pixels, random)
            index = self._index.get(item) or self._index.setdefault(item, ClassIndex.of(mask))
        window = choose_window(mask, size, random, class_id, index=index)
        if cached is not None:
            return cached[0][window.slices], cached[1][window.slices], size
        image, ids = self._open(sample)
        return image.read(window), ids.read(window), size


def uncropped(recipe: Recipe) -> Recipe:
    """What is done to a whole image: a crop's window is cut from the source's pixels, and resized with it."""
    return recipe if recipe.crop is None else replace(recipe, resize=None)


class Part(NamedTuple):
    """What is validated at once: sample `number`, of it the pixels in `inner`, seen with those around it in `outer`."""

    number: int
    outer: Window
    inner: Window


LARGEST, MARGIN = 2048, 128
"""A sample with a longer side than this is validated in parts of this side, in the model's pixels, each seen with a margin."""


def parts_of(number: int, sample: Sample, recipe: Recipe) -> list[Part]:
    """All of a sample, or the parts of a large one: each pixel is in the `inner` of one."""
    height, width = sample.size
    scale = height / recipe.resized(height, width)[0]
    side, margin = max(1, round(LARGEST * scale)), round(MARGIN * scale)
    whole = Window(0, 0, height, width)
    if max(height, width) <= side:
        return [Part(number, whole, whole)]
    out = []
    for y in range(0, height, side):
        for x in range(0, width, side):
            inner = Window(y, x, min(side, height - y), min(side, width - x))
            top, left = max(0, y - margin), max(0, x - margin)
            bottom, right = min(height, y + inner.height + margin), min(width, x + inner.width + margin)
            out.append(Part(number, Window(top, left, bottom - top, right - left), inner))
    return out


class Validation(TorchDataset[Any]):
    """Parts of samples: (id, (h, w, C) pixels as a model sees them, (h, w) ids there, (H, W) ids at the source's size).

    What is in `outer` alone is void.
    """

    def __init__(self, dataset: Dataset, recipe: Recipe) -> None:
        self.dataset, self.recipe = dataset, recipe
        self._open = Openings(dataset)

    def __getitem__(self, part: Part) -> Item | Problem:
        """One part."""
        sample = self.dataset.samples[part.number]
        try:
            image, mask = self.read(part)
        except DataError as error:
            return error.problem
        truth = np.full_like(mask, self.dataset.labels.ignore)
        y, x = part.inner.y - part.outer.y, part.inner.x - part.outer.x
        inside = Window(y, x, part.inner.height, part.inner.width).slices
        truth[inside] = mask[inside]
        height, width = self.recipe.resized(*sample.size)
        size = (
            max(1, round(part.outer.height * height / sample.height)),
            max(1, round(part.outer.width * width / sample.width)),
        )
        return sample.id, resize_image(image, size), resize_mask(truth, size), truth

    def read(self, part: Part) -> Pair:
        """Image and mask of a part's `outer`. Raises `DataError`."""
        sample = self.dataset.samples[part.number]
        if part.outer == (0, 0, *sample.size):
            return read_pair(self.dataset, sample)
        with located(sample=sample.id):
            image, mask = self._open(sample)
            return image.read(part.outer), mask.read(part.outer)


def together(items: Sequence[Item | Problem], ignore: int) -> Batch | Problem:
    """A batch; smaller samples are padded at the bottom and right, images with 0 and masks with ignore."""
    good: list[Item] = []
    for item in items:
        if isinstance(item, Problem):
            return item
        good.append(item)
    ids, images, target, *truth = zip(*good, strict=True)
    return Batch(stacked(images, 0), stacked(target, ignore), list(ids), *(stacked(masks, ignore) for masks in truth))


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
    return DataLoader(
        samples,
        batch_sampler=keys,  # type: ignore[arg-type]
        collate_fn=partial(together, ignore=ignore),
        num_workers=workers,
        pin_memory=device.type == "cuda",
        multiprocessing_context="forkserver" if workers else None,
        prefetch_factor=4 if workers else None,
        persistent_workers=workers > 0,
        worker_init_fn=_start_worker if workers else None,
    )


def checked(batches: DataLoader[Any]) -> Iterator[Batch]:
    """The batches of a loader. Raises the `DataError` of a file that could not be read."""
    for batch in batches:
        if isinstance(batch, Problem):
            raise DataError(batch)
        yield batch


def _start_worker(number: int) -> None:
    import cv2

    cv2.setNumThreads(1)
