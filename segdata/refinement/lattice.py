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
from itertools import pairwise, product
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
    """The vertices of one filter: rows `first` to `end` - 1 of the values. `near` (D + 1, M, 2): the rows of their neighbours.

    `spans` (B, 2): where its parts begin and end in each of B blocks.
    """

    first: int
    near: Ints
    spans: NDArray[np.int64]

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
    of the point's block; there are R parts in all. `vertex` (R,) is the vertex of each part.
    """

    blocks: tuple[slice, ...]
    rows: Ints
    weights: Floats
    parts: tuple[slice, ...]
    vertex: Ints
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
        starts = [part.start for part in parts]
        for filter in range(len(features)):
            ends = [start + len(of[filter]) for start, of in zip(starts, found, strict=True)]
            spans = np.array([starts, ends], np.int64).T.copy()
            axes.append(_united([of[filter] for of in found], vertex, spans, axes[-1].end if axes else 1, crew))
            starts = ends
        lattice = cls(tuple(blocks), rows, weights, tuple(parts), vertex, tuple(axes))
        lattice._normalise(corners, crew)
        return lattice

    @property
    def shares(self) -> list[tuple[slice, slice]]:
        """The points and the parts of each block."""
        return list(zip(self.blocks, self.parts, strict=True))

    def empty(self, planes: int) -> tuple[Floats, Floats, Floats]:
        """Parts (P, 8 R) that are 0, and two arrays (P, 8 M) for the values of vertices, in which only row 0 is 0 already."""
        parts = aligned(planes * len(self.vertex) * LANES).reshape(planes, -1)
        parts[:] = 0
        rows = self.axes[-1].end if self.axes else 1
        values = [aligned(planes * rows * LANES).reshape(planes, -1) for _ in range(2)]
        for plane in values:
            plane[:, :LANES] = 0
        return parts, values[0], values[1]

    def filtered(self, parts: Floats, scales: Sequence[float], buffers: Sequence[Floats], crew: Crew) -> None:
        """Sum `parts` (P, 8 R) by vertex, blur, and scale each filter -> (P, 8 M), the first of `buffers`. `parts` become 0.

        Each filter and each plane is a piece of work: a plane's lanes fit into a processor's cache.
        """

        def one(piece: tuple[int, int]) -> None:
            filter, plane = piece
            axes, last = self.axes[filter], len(self.axes[filter].near) - 1
            # They take turns, so that the last axis writes to the first buffer.
            order = [buffers[(last - i) % 2][plane] for i in range(-1, last + 1)]
            kernels.gather(parts[plane], axes.spans, self.vertex, order[0], axes.first, axes.end)
            for i, near in enumerate(axes.near):
                step = scales[filter] / axes.gain if i == last else 1.0
                kernels.blur(order[i], order[i + 1], near, axes.first, step)

        largest_first = sorted(range(len(self.axes)), key=lambda filter: -self.axes[filter].near.size)
        crew.each(one, list(product(largest_first, range(len(parts)))))

    def _normalise(self, corners: Sequence[int], crew: Crew) -> None:
        """Divide the weights of each filter by the square root of its result on 1."""
        parts, *buffers = self.empty(1)

        def splat(share: tuple[slice, slice]) -> None:
            points, own = share
            ones = parts[0, own.start * LANES : own.stop * LANES]
            kernels.splat_ones(self.rows[points], self.weights[points], ones)

        def scale(share: tuple[slice, slice]) -> None:
            points, own = share
            for columns in cut_at(corners):
                rows, weights = self.rows[points, columns], self.weights[points, columns]
                kernels.normalise(rows, weights, self.vertex[own], buffers[0][0])

        crew.each(splat, self.shares)
        self.filtered(parts, [1.0] * len(self.axes), buffers, crew)
        crew.each(scale, self.shares)


class Shelf:
    """Keeps the lattice that was made last, for calls one after another over the same features. Not for several threads."""

    def __init__(self) -> None:
        self._features: list[Floats] = []
        self._lattice: Lattice | None = None

    def lattice(self, features: Sequence[Floats], points: int, crew: Crew) -> Lattice:
        """The lattice of `features`, as `Lattice.of` makes it."""
        same = len(features) == len(self._features) and all(map(np.array_equal, features, self._features))
        if self._lattice is None or not same:
            self._lattice = None  # one of them is enough in memory
            self._lattice, self._features = Lattice.of(features, points, crew), list(features)
        return self._lattice


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
    count = kernels.embed(np.ascontiguousarray(features), _table(len(keys)), keys, rows, weights, taken, (0,) * d)
    return keys[:count].copy()


def _united(found: Sequence[Ints], vertex: Ints, spans: NDArray[np.int64], first: int, crew: Crew) -> Axes:
    """Number the vertices of one filter that blocks found, from `first` on: `vertex` gets the numbers at the blocks' `spans`."""
    total, d = sum(map(len, found)), found[0].shape[1]
    table, keys = _table(total), np.empty((total, d), np.int32)
    count = 0
    for part, (start, end) in zip(found, spans, strict=True):
        count = kernels.unite(part, table, keys, count, vertex[start:end], (0,) * d)
        vertex[start:end] += first
    near = np.zeros((d + 1, count, 2), np.int32)
    crew.each(lambda axis: kernels.neighbours(table, keys[:count], axis, first, near[axis], (0,) * d), range(d + 1))
    return Axes(first, near, spans)


def _table(entries: int) -> Ints:
    """An empty hash table for `entries`, which fill at most half of it."""
    return np.full(1 << (2 * entries).bit_length(), -1, np.int32)
