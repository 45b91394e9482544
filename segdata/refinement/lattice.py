"""Gaussian filters over many points in many dimensions: the permutohedral lattice of a set of points.

The loops are in `segdata.kernels.lattice`, which explains the lattice. This module connects them, and shares them among threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.errors import OptionError
from segdata.kernels import lattice as kernels
from segdata.kernels.vector import LANES

Floats = NDArray[np.float32]

Ints = NDArray[np.int32]

BLOCKS, BLOCK = 16, 4096
"""The number of blocks of points, and the fewest points in a block: the last bits of results depend on these numbers."""

PIECE = 32768
"""Vertices that a thread takes at a time: with fewer, it would finish before another thread starts. No result depends on it."""

Piece = TypeVar("Piece")


class Crew:
    """Threads that share pieces of work. The kernels release the GIL, so plain threads run them in parallel.

    Numba's own parallel loops are not used: their default threading layer ends the process if two threads enter it at once.
    """

    def __init__(self, threads: int, pool: Executor | None) -> None:
        self._helpers = threads - 1
        self._pool = pool

    def each(self, task: Callable[[Piece], object], pieces: Sequence[Piece]) -> None:
        """Run `task` on every piece, in any order. Its exception is raised here, after all threads have stopped."""
        left = deque(pieces)

        def work() -> None:
            while left:
                try:
                    piece = left.popleft()
                except IndexError:  # another thread was faster
                    return
                task(piece)

        count = min(self._helpers, len(left) - 1)
        helpers = [self._pool.submit(work) for _ in range(count)] if self._pool is not None else []
        try:
            work()
        finally:
            left.clear()  # after an error, the threads stop
            for helper in helpers:
                helper.result()


@contextmanager
def crew(threads: int | None) -> Iterator[Crew]:
    """A crew of `threads`; None: NUMBA_NUM_THREADS, which is 1 in segdata's own workers, or one per core.

    Raises `OptionError` for fewer than 1.
    """
    if threads is None:
        given = os.environ.get("NUMBA_NUM_THREADS", "")
        threads = int(given) if given.isdigit() else os.cpu_count() or 1
    if threads < 1:
        raise OptionError(f"{threads} threads: must be 1 or more")
    if threads == 1:
        yield Crew(1, None)
        return
    with ThreadPoolExecutor(threads - 1) as pool:
        yield Crew(threads, pool)


@dataclass(frozen=True, slots=True)
class Axes:
    """The vertices of one filter: rows `first` to `end` - 1 of the values. `near` (D + 1, M, 2): the rows of their neighbours."""

    first: int
    near: Ints

    @property
    def end(self) -> int:
        """The row at which the next filter's vertices begin."""
        return self.first + int(self.near.shape[1])

    @property
    def gain(self) -> float:
        """The divisor of blurred values: 1 + 2^-D, because one step along each of the D + 1 axes leads back to the start."""
        return float(1 + 2.0 ** (1 - len(self.near)))


@dataclass(frozen=True, slots=True)
class Lattice:
    """The lattices of several filters over the same N points. Make one with `Lattice.of`.

    A point has V corners, D + 1 per filter, with `weights` (N, V) and `rows` (N, V). Rows count from the beginning of the parts
    of the point's block; there are R parts in all. `vertex` (R,) is the vertex of each part; vertex m has the parts
    order[starts[m] : starts[m + 1]].
    """

    blocks: tuple[slice, ...]
    rows: Ints
    weights: Floats
    parts: tuple[slice, ...]
    vertex: Ints
    starts: NDArray[np.int64]
    order: Ints
    axes: tuple[Axes, ...]

    @classmethod
    def of(cls, features: Sequence[Floats], points: int, crew: Crew) -> Lattice:
        """Make the lattice of filters over `features`, (N, D) float32 each, in standard deviations, N = `points`.

        Weights contain the symmetric normalisation: a filter K becomes D^-1/2 K D^-1/2, and D is the result of K on 1.
        """
        blocks = cut(0, points, max(BLOCK, -(-points // BLOCKS)))
        corners = np.cumsum([0, *(f.shape[1] + 1 for f in features)]).tolist()
        rows, weights = np.empty((points, corners[-1]), np.int32), np.empty((points, corners[-1]), np.float32)
        keys: dict[int, list[Ints]] = {}  # for each block, the vertices of each filter

        def embed(b: int) -> None:
            keys[b], taken = [], 0
            for of, columns in zip(features, cut_at(corners), strict=True):
                place = blocks[b], columns
                found = _embedded(of[blocks[b]], rows[place], weights[place], taken)
                keys[b].append(found)
                taken += len(found)

        crew.each(embed, range(len(blocks)))
        found = [keys[b] for b in range(len(blocks))]
        parts = cut_at(np.cumsum([0, *(sum(map(len, of)) for of in found)]).tolist())
        vertex = np.empty(parts[-1].stop, np.int32)
        axes: list[Axes] = []
        places = [part.start for part in parts]
        for filter in range(len(features)):
            ends = [place + len(of[filter]) for place, of in zip(places, found, strict=True)]
            into = [vertex[place:end] for place, end in zip(places, ends, strict=True)]
            axes.append(_united([of[filter] for of in found], into, axes[-1].end if axes else 1, crew))
            places = ends
        starts, order = np.zeros((axes[-1].end if axes else 1) + 1, np.int64), np.empty(len(vertex), np.int32)
        kernels.members(vertex, starts, order)
        lattice = cls(tuple(blocks), rows, weights, tuple(parts), vertex, starts, order, tuple(axes))
        lattice._normalise(corners, crew)
        return lattice

    @property
    def shares(self) -> list[tuple[slice, slice]]:
        """The points and the parts of each block."""
        return list(zip(self.blocks, self.parts, strict=True))

    def buffers(self, width: int) -> tuple[Floats, Floats]:
        """Two arrays (M width,) for `filtered`; the row that stands for missing vertices is 0."""
        pair = aligned(len(self.starts) * width - width), aligned(len(self.starts) * width - width)
        for values in pair:
            values[:width] = 0
        return pair

    def filtered(
        self, parts: Floats, width: int, scales: Sequence[float], buffers: tuple[Floats, Floats], crew: Crew
    ) -> Floats:
        """Sum `parts` (R width,) by vertex, blur, and scale each filter -> (M width,), which is the first of `buffers`."""
        for axes, scale in zip(self.axes, scales, strict=True):
            last = len(axes.near) - 1
            order = [buffers[(last - i) % 2] for i in range(-1, last + 1)]  # the last axis writes to the first buffer
            gather = partial(kernels.gather, parts, self.starts, self.order, order[0], width)
            crew.each(gather, cut(axes.first, axes.end, PIECE))
            for i, near in enumerate(axes.near):
                step = scale / axes.gain if i == last else 1.0
                blur = partial(kernels.blur, order[i], order[i + 1], near, axes.first, width, step)
                crew.each(blur, cut(0, len(near), PIECE))
        return buffers[0]

    def _normalise(self, corners: Sequence[int], crew: Crew) -> None:
        """Divide the weights of each filter by the square root of its result on 1."""
        ones = np.zeros(len(self.vertex) * LANES, np.float32)

        def splat(share: tuple[slice, slice]) -> None:
            points, parts = share
            kernels.splat_ones(self.rows[points], self.weights[points], ones[parts.start * LANES : parts.stop * LANES])

        crew.each(splat, self.shares)
        values = self.filtered(ones, LANES, [1.0] * len(self.axes), self.buffers(LANES), crew)

        def scale(share: tuple[slice, slice]) -> None:
            points, parts = share
            for columns in cut_at(corners):
                rows, weights = self.rows[points, columns], self.weights[points, columns]
                kernels.normalise(rows, weights, self.vertex[parts], values)

        crew.each(scale, self.shares)


def cut(start: int, stop: int, size: int) -> list[slice]:
    """Slices of `size` from `start` to `stop`, the last one smaller."""
    return [slice(a, min(a + size, stop)) for a in range(start, stop, size)]


def cut_at(bounds: Sequence[int]) -> list[slice]:
    """The slices between neighbouring bounds."""
    return [slice(a, b) for a, b in pairwise(bounds)]


def aligned(size: int) -> Floats:
    """(size,) float32 with undefined values; it begins at a cache line, so that eight lanes never lie in two lines."""
    raw = np.empty(size + 16, np.float32)
    skip = -(raw.ctypes.data // 4) % 16
    return raw[skip : skip + size]


def _embedded(features: Floats, rows: Ints, weights: Floats, taken: int) -> Ints:
    """The keys (n, D) of the vertices around a block's points. `rows` and `weights` get those of each point, from `taken` on."""
    points, d = features.shape
    keys = np.empty((points * (d + 1), d), np.int32)
    count = kernels.embed(np.ascontiguousarray(features), _table(len(keys)), keys, rows, weights, taken)
    return keys[:count].copy()


def _united(found: Sequence[Ints], into: Sequence[Ints], first: int, crew: Crew) -> Axes:
    """Number the vertices of one filter that blocks found, starting at `first`; `into` gets the numbers, block by block."""
    total, d = sum(map(len, found)), found[0].shape[1]
    table, keys = _table(total), np.empty((total, d), np.int32)
    count = 0
    for part, numbers in zip(found, into, strict=True):
        count = kernels.unite(part, table, keys, count, numbers)
        numbers += first
    near = np.zeros((d + 1, count, 2), np.int32)
    crew.each(lambda axis: kernels.neighbours(table, keys[:count], axis, first, near[axis]), range(d + 1))
    return Axes(first, near)


def _table(entries: int) -> Ints:
    """An empty hash table for `entries`, which fill at most half of it."""
    return np.full(1 << (2 * entries).bit_length(), -1, np.int32)
