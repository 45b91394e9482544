"""Putting overlapping tiles together again, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segdata.errors import one_of
from segdata.windows import Window

Blend = Literal["gaussian", "linear", "crop", "none"]
"""How overlapping tiles are weighted: by a Gaussian bell, by the distance from the border (`linear`), only the tile whose
border is farthest away (`crop`), or all equally (`none`)."""

SIGMA = 0.125
"""Standard deviation of the bell as a fraction of the tile's side, as in nnU-Net (Isensee et al. 2021) and MONAI."""

FLOOR = 1e-3
"""The smallest weight: corners count little, but never 0."""

GAP = 64
"""How many rows without a tile are returned at a time."""


# Putting together


@lru_cache(maxsize=32)
def blend_weights(height: int, width: int, kind: Blend) -> NDArray[np.float32]:
    """(height, width) float32, above 0, read-only: how much a tile's pixels count where tiles overlap.

    `gaussian`: a bell with 1 at the centre, at least `FLOOR`. `linear`: the product of the distances from the nearest borders.
    `crop`: the same as `linear`, used to choose the one tile that counts. `none`: 1.
    """
    one_of("blend", kind, Blend)
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) + 1 for n in (height, width))
    if kind == "gaussian":
        bells = [
            np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (SIGMA * n)) ** 2) if n > 1 else np.ones(1)
            for n in (height, width)
        ]
        weights = np.maximum(np.outer(*bells), FLOOR)
    elif kind == "none":
        weights = np.ones((height, width))
    else:
        weights = np.outer(2 * rows / (height + 1), 2 * columns / (width + 1))
    out = weights.astype(np.float32)
    out.flags.writeable = False
    return out


class Stitcher:
    """Overlapping tiles of (K, h, w) float32 values -> rows of the image. Memory does not depend on the image's height.

    Give windows in order of `y`. `add` and `finish` return the rows that no later window can reach, as (y, (K, rows, W)
    float32): the mean of the tiles, weighted by `blend_weights`. With `crop` a pixel has the value of the one tile in which it
    lies deepest, of the earlier one on a tie. Pixels in no tile are 0 for all K. `columns` limits the work to these columns
    (first, end) of the image: windows are clipped to them, so images of any width can be taken in blocks. With `reuse` the
    rows of one call are overwritten by the next call: use them before.
    """

    def __init__(
        self,
        height: int,
        width: int,
        bands: int,
        *,
        blend: Blend = "gaussian",
        columns: tuple[int, int] | None = None,
        reuse: bool = False,
    ) -> None:
        self.blend: Blend = blend
        self._columns = columns or (0, width)
        self._rows = _Rows(height, self._columns[1] - self._columns[0], reuse=reuse)
        self._rows.take("sum", (bands,), np.float32, 0)
        self._rows.take("weight", (), np.float32, 0)

    def add(self, window: Window, values: NDArray[np.floating[Any]]) -> list[tuple[int, NDArray[np.float32]]]:
        """Add a tile, or the wanted columns of it. Returns the rows that are finished.

        Raises `ValueError` for a window above an earlier one.
        """
        from segdata.kernels.blend import add_weighted

        done = self._finished(self._rows.reach(window))
        part = self.part(window)
        if part is None:
            return done
        inside = part.shifted(-window.y, -window.x).slices
        if values.shape[-1] == window.width:
            values = values[:, :, inside[1]]
        place = self._rows.place(part, -self._columns[0])
        weights = blend_weights(window.height, window.width, self.blend)[inside]
        total, weight = self._rows["sum"], self._rows["weight"][place]
        if self.blend == "crop":
            deeper = weights > weight
            np.copyto(total[:, *place], values, where=deeper)
            np.copyto(weight, weights, where=deeper)
        else:
            plain = np.ascontiguousarray(values, np.float32), np.ascontiguousarray(weights)
            add_weighted(total, place[0].start, place[1].start, *plain)
            weight += weights
        return done

    def part(self, window: Window) -> Window | None:
        """The part of a tile that lies in the wanted columns; None if no part does."""
        return Window(window.y, self._columns[0], window.height, self._columns[1] - self._columns[0]).meet(window)

    def finish(self) -> list[tuple[int, NDArray[np.float32]]]:
        """The rows that are left."""
        return self._finished(self._rows.rest())

    def _finished(self, rows: list[tuple[int, dict[str, NDArray[Any]]]]) -> list[tuple[int, NDArray[np.float32]]]:
        if self.blend == "crop":
            return [(y, parts["sum"]) for y, parts in rows]
        for _, parts in rows:
            parts["sum"] /= np.where(parts["weight"] > 0, parts["weight"], np.float32(1))
        return [(y, parts["sum"]) for y, parts in rows]


class MaskStitcher:
    """Like `Stitcher`, for (h, w) class ids: each pixel comes from the tile that gives it most weight, on a tie from the earlier.

    With `none` that is always the earlier tile. Pixels in no tile are `ignore`. Rows come as (y, (rows, W)). `contested` counts
    the pixels at which a tile differs from the tiles before it.
    """

    def __init__(self, height: int, width: int, ignore: int, dtype: Any, *, blend: Blend = "crop") -> None:
        self.blend: Blend = blend
        self.contested = 0
        self._rows = _Rows(height, width)
        self._rows.take("ids", (), dtype, ignore)
        self._rows.take("weight", (), np.float32, 0)

    def add(self, window: Window, ids: NDArray[np.unsignedinteger[Any]]) -> list[tuple[int, NDArray[Any]]]:
        """Add a tile. Returns the rows that are finished. Raises `ValueError` for a window above an earlier one."""
        done = [(y, parts["ids"]) for y, parts in self._rows.reach(window)]
        place = self._rows.place(window)
        weights, best = blend_weights(window.height, window.width, self.blend), self._rows["weight"][place]
        held = self._rows["ids"][place]
        self.contested += int(np.count_nonzero((held != ids) & (best > 0)))
        better = weights > best
        np.copyto(held, ids, where=better)
        np.copyto(best, weights, where=better)
        return done

    def finish(self) -> list[tuple[int, NDArray[Any]]]:
        """The rows that are left."""
        return [(y, parts["ids"]) for y, parts in self._rows.rest()]


def aligned(bands: Iterable[tuple[int, NDArray[Any]]], rows: int, height: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Rows that follow one another, (y, (..., n, W)), regrouped into parts of `rows` each; the last part ends at `height`."""
    held: list[NDArray[Any]] = []
    top = count = 0
    for _, band in bands:
        held.append(band)
        count += band.shape[-2]
        if count < rows and top + count < height:
            continue
        whole = np.concatenate(held, axis=-2) if len(held) > 1 else band
        while count >= rows or (count and top + count == height):
            n = min(rows, count)
            yield top, whole[..., :n, :]
            whole, top, count = whole[..., n:, :], top + n, count - n
        held = [whole.copy()] if count else []


class _Rows:
    """Arrays over the rows that tiles may still reach; they move down the image with the windows.

    With `reuse`, returned rows are overwritten when the next ones are returned: two arrays take turns. Otherwise new memory
    would be fetched every time, which costs as much as the work itself.
    """

    def __init__(self, height: int, width: int, *, reuse: bool = False) -> None:
        self.height, self.width = height, width
        self.top = self.count = 0
        self._reuse = reuse
        self._arrays: dict[str, NDArray[Any]] = {}
        self._spare: dict[str, NDArray[Any]] = {}
        self._empty: dict[str, int] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: Any, empty: int) -> None:
        """Hold an array (*shape, rows, W), filled with `empty` until something is added."""
        self._arrays[name] = np.empty((*shape, 0, self.width), dtype)
        self._empty[name] = empty

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The array, which may have more rows than are in use."""
        return self._arrays[name]

    def place(self, window: Window, shift: int = 0) -> tuple[slice, slice]:
        """Where a window is in the arrays."""
        return window.shifted(-self.top, shift).slices

    def reach(self, window: Window) -> list[tuple[int, dict[str, NDArray[Any]]]]:
        """Move the arrays down to the window's rows. Returns the rows above it."""
        if window.y < self.top or min(window[2:]) < 1 or window.bottom > self.height or window.x < 0:
            raise ValueError(
                f"{window} is empty, outside the image, or above an earlier one: give windows in order of y"
            )
        done = self._give(window.y - self.top)
        wanted = window.bottom - self.top
        if wanted > self.count:
            for name, array in self._arrays.items():
                if array.shape[-2] < wanted:
                    grown = np.empty((*array.shape[:-2], wanted, self.width), array.dtype)
                    grown[..., : self.count, :] = array[..., : self.count, :]
                    self._arrays[name] = array = grown
                array[..., self.count : wanted, :] = self._empty[name]
            self.count = wanted
        return done

    def rest(self) -> list[tuple[int, dict[str, NDArray[Any]]]]:
        """All rows down to the bottom."""
        return self._give(self.height - self.top)

    def _give(self, rows: int) -> list[tuple[int, dict[str, NDArray[Any]]]]:
        """Return the first `rows` rows and stop holding them, in parts that are no higher than the rows held."""
        done = []
        blank: dict[
            int, dict[str, NDArray[Any]]
        ] = {}  # no tile reaches these rows: the same arrays stand for all of them
        while rows > 0:
            held = self.count
            n = min(rows, held or GAP)
            if held:
                parts = {name: array[..., :n, :] for name, array in self._arrays.items()}
                for name, array in list(self._arrays.items()):
                    self._arrays[name] = self._rest(name, array, n)
                self.count -= n
            else:
                parts = blank[n] = blank.get(n) or {
                    name: np.full((*array.shape[:-2], n, self.width), self._empty[name], array.dtype)
                    for name, array in self._arrays.items()
                }
            done.append((self.top, parts))
            self.top += n
            rows -= n
        return done

    def _rest(self, name: str, array: NDArray[Any], n: int) -> NDArray[Any]:
        """The rows after the first n, in another array of the same size. With `reuse`, `array` is kept for the next time."""
        spare = self._spare.pop(name, None)
        other = np.empty_like(array) if spare is None or spare.shape != array.shape else spare
        other[..., : self.count - n, :] = array[..., n : self.count, :]
        if self._reuse:
            self._spare[name] = array
        return other
