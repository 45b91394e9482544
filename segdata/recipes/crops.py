"""Where to cut an image, and what to paste into it, so that rare classes are seen: class-aware windows and copy-paste.

All draws are from the generator that is given, so that the same generator gives the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, OptionError, Problem
from segdata.labels import Mask, value_counts
from segdata.resize import Pixels
from segdata.windows import Window

Floats = NDArray[np.float64]

Ints = NDArray[np.int64]


class MaskReader(Protocol):
    """A mask too large for memory: `read(window)` gives (h, w) uint8 or uint16 class ids."""

    @property
    def height(self) -> int:
        """Rows."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    def read(self, window: Window) -> Mask:
        """The ids within a window."""
        ...


@dataclass(frozen=True, slots=True)
class ClassIndex:
    """Where classes are in a mask, block by block, so that a pixel of a class is drawn by reading one block.

    `blocks` (B, 4) int64: y, x, height, width; entry i of `block`, `class_id` and `pixels` (M,) int64 says how many pixels
    of a class a block holds.
    """

    blocks: Ints
    block: Ints
    class_id: Ints
    pixels: Ints

    @classmethod
    def of(cls, mask: Mask | MaskReader, block: int = 256) -> ClassIndex:
        """Count a mask block by block, a row of blocks in memory at a time."""
        height, width = _size(mask)
        blocks: list[tuple[int, ...]] = []
        where, classes, pixels = [], [], []
        for y in range(0, height, block):
            rows = _read(mask, Window(y, 0, min(block, height - y), width))
            for x in range(0, width, block):
                part = rows[:, x : x + block]
                counts = value_counts(part)
                found = np.flatnonzero(counts)
                where.append(np.full(len(found), len(blocks)))
                classes.append(found)
                pixels.append(counts[found])
                blocks.append((y, x, *part.shape))
        none = np.empty(0, np.int64)
        joined = (np.concatenate([none, *parts]) for parts in (where, classes, pixels))
        return cls(np.array(blocks, np.int64).reshape(-1, 4), *joined)

    def totals(self, classes: int) -> Ints:
        """(K,) int64: the pixels of the first K classes in all of the mask."""
        out = np.zeros(classes, np.int64)
        known = self.class_id < classes
        np.add.at(out, self.class_id[known], self.pixels[known])
        return out

    def draw(self, mask: Mask | MaskReader, rng: np.random.Generator, class_id: int) -> tuple[int, int]:
        """(y, x) of a pixel of the class, each as likely. Raises `DataError` (`mask.class`) if there is none."""
        at = np.flatnonzero(self.class_id == class_id)
        until = np.cumsum(self.pixels[at])
        if not until.size:
            raise _absent(class_id)
        nth = int(rng.integers(until[-1]))
        entry = int(np.searchsorted(until, nth, side="right"))
        y, x, height, width = (int(v) for v in self.blocks[self.block[at[entry]]])
        held = np.flatnonzero(_read(mask, Window(y, x, height, width)) == class_id)
        place = int(held[nth - int(until[entry] - self.pixels[at[entry]])])
        return y + place // width, x + place % width


def choose_window(
    mask: Mask | MaskReader,
    size: tuple[int, int],
    rng: np.random.Generator,
    class_id: int | None = None,
    *,
    index: ClassIndex | None = None,
) -> Window:
    """A window of `size` (height, width), or as much of it as the image has, that lies inside the image.

    Without a class each place is as likely. With one it is centred on one of the class's pixels, each as likely, then moved
    inside. `mask` is (H, W) ids or a reader; the pixel is found through `index`, which is made in one pass unless given, so that
    the same draw finds the same pixel however the mask is read. Raises `DataError` (`mask.class`) for a class without a pixel.
    """
    height, width = _size(mask)
    h, w = min(size[0], height), min(size[1], width)
    if class_id is None:
        return Window(int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w)
    y, x = (index or ClassIndex.of(mask)).draw(mask, rng, class_id)
    return Window(min(max(y - h // 2, 0), height - h), min(max(x - w // 2, 0), width - w), h, w)


def choose_class(pixels: Ints, rng: np.random.Generator, weights: Floats | None = None) -> int | None:
    """The id of a class that `pixels` (K,) has, drawn by rarity; None if it has none of weight above 0.

    A class is drawn with probability w_c / (sum of w over the classes that are there). `weights` (K,) are those of the
    dataset, as `ClassCounts.weights` gives them; without, w_c = sqrt(N / n_c), n_c of the N pixels being of the class: the
    weights `sqrt_inverse` of these pixels alone, but for a factor.
    """
    there = np.flatnonzero(pixels)
    chances = 1 / np.sqrt(pixels[there]) if weights is None else weights[there]
    whole = chances.sum()
    return None if whole <= 0 else int(rng.choice(there, p=chances / whole))


@dataclass(frozen=True, slots=True)
class Region:
    """A connected part of one class in a mask: its window there, and (h, w) bool what of the window it is."""

    window: Window
    inside: NDArray[np.bool_]


def choose_region(mask: Mask, class_id: int, rng: np.random.Generator, least: int = 1) -> Region | None:
    """One of a class's connected parts (8-connectivity) of at least `least` pixels, each as likely; None without any."""
    import cv2

    n, parts, facts, _ = cv2.connectedComponentsWithStats((mask == class_id).view(np.uint8), connectivity=8)
    large = 1 + np.flatnonzero(facts[1:n, cv2.CC_STAT_AREA] >= least)
    if not large.size:
        return None
    chosen = int(large[rng.integers(large.size)])
    x, y, width, height = (int(v) for v in facts[chosen, :4])
    window = Window(y, x, height, width)
    return Region(window, parts[window.slices] == chosen)


def paste(
    image: Pixels, mask: Mask, other: tuple[Pixels, Mask], region: Region, place: tuple[int, int], ignore: int
) -> int:
    """Copy a region of another sample into this one, in place, its window's corner at `place` (y, x), which may lie outside.

    Ignored pixels stay as they are; what falls outside is cut off. Returns how many pixels were pasted.
    """
    height, width = mask.shape
    y, x = place
    source = region.window
    top, left = max(0, -y), max(0, -x)
    bottom, right = min(source.height, height - y), min(source.width, width - x)
    if top >= bottom or left >= right:
        return 0
    here = Window(y + top, x + left, bottom - top, right - left).slices
    there = Window(source.y + top, source.x + left, bottom - top, right - left).slices
    taken = region.inside[top:bottom, left:right] & (mask[here] != ignore)
    image[here][taken] = other[0][there][taken]
    mask[here][taken] = other[1][there][taken]
    return int(taken.sum())


def copy_paste(
    image: Pixels,
    mask: Mask,
    other: tuple[Pixels, Mask],
    rng: np.random.Generator,
    *,
    ignore: int,
    classes: Sequence[int] = (),
    weights: Floats | None = None,
    regions: int = 3,
    least: int = 16,
    shift: float = 1.0,
) -> tuple[Pixels, Mask]:
    """This sample with up to `regions` regions of rare classes of another one in it; its arrays stay as they are.

    Ghiasi et al. 2021, Simple Copy-Paste, for label maps: regions are connected parts of a class, pasted without blending.
    The class is drawn by rarity (`choose_class`) among those that the other sample holds, of `classes` if given; the
    region among its parts of at least `least` pixels. It moves from its place by up to `shift` times the image's height
    and width, staying inside as far as it fits. Ignored pixels of this sample stay. Raises `DataError` (`image.bands`)
    if the samples' bands or dtypes differ.
    """
    if image.shape[2] != other[0].shape[2] or image.dtype != other[0].dtype or mask.dtype != other[1].dtype:
        message = (
            f"{other[0].shape[2]} bands {other[0].dtype} cannot be pasted into {image.shape[2]} bands {image.dtype}"
        )
        raise DataError(Problem("image.bands", message))
    pixels = value_counts(other[1])[:ignore]
    if classes:
        keep = np.zeros(len(pixels), bool)
        keep[list(classes)] = True
        pixels = np.where(keep, pixels, 0)
    if weights is not None:
        pixels = pixels[: len(weights)]
    image, mask = image.copy(), mask.copy()
    for _ in range(int(rng.integers(1, regions + 1))):
        class_id = choose_class(pixels, rng, weights)
        region = None if class_id is None else choose_region(other[1], class_id, rng, least)
        if region is not None:
            place = _moved(region.window, mask.shape, rng, shift)
            paste(image, mask, other, region, place, ignore)
    return image, mask


def _moved(window: Window, size: tuple[int, ...], rng: np.random.Generator, shift: float) -> tuple[int, int]:
    """The corner (y, x) of a window moved at random, inside an image of `size` as far as it fits."""
    out = []
    for start, length, whole in zip(window[:2], window[2:], size, strict=True):
        reach = round(shift * whole)
        low, high = sorted((0, whole - length))
        first, last = max(low, min(start - reach, high)), min(high, max(start + reach, low))
        out.append(int(rng.integers(first, last + 1)))
    return out[0], out[1]


def _size(mask: Mask | MaskReader) -> tuple[int, int]:
    return (mask.shape[0], mask.shape[1]) if isinstance(mask, np.ndarray) else (mask.height, mask.width)


def _read(mask: Mask | MaskReader, window: Window) -> Mask:
    return mask[window.slices] if isinstance(mask, np.ndarray) else mask.read(window)


def _absent(class_id: int) -> DataError:
    return DataError(Problem("mask.class", f"has no pixel of class {class_id}: was the mask replaced?"))


def class_ids(names: Sequence[str], classes: Sequence[str], where: str) -> tuple[int, ...]:
    """The ids of classes by name. Raises `OptionError` that says where they are named and lists near ones."""
    from segdata.words import suggest

    for name in names:
        if name not in classes:
            raise OptionError(f"{where}: no class {name!r}: {suggest(name, classes)}")
    return tuple(classes.index(name) for name in names)
