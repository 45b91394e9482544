"""The permutohedral lattice: Gaussian filters of many values at once, in any number of dimensions, and mean field on it.

Adams, Baek and Davis, "Fast high-dimensional filtering using the permutohedral lattice" (2010). A point with d features lies
in a simplex of d + 1 vertices. Its value is spread over them (splat), the vertices are blurred along d + 1 axes, and the
point reads its value back from them (slice). Vertices are rows of (M, W) float32 values, W a multiple of 8; row 0 stands for
every vertex that does not exist.

Points are processed in blocks. Each block has its own rows of sums, which are added up in the order of the blocks. So no
result depends on the number of threads.

Classes lie in planes of eight, each plane an array of its own: the blur of a plane stays within a processor's cache.

Loops over dimensions and corners are short, and fast if the compiler unrolls them. So kernels take a tuple of d or V values,
whatever these are: its length is part of its type, and each length is compiled once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.vector import LANES, add, exp, larger, largest, load, plus, same, store, times, total

Floats = NDArray[np.float32]

Rows = NDArray[np.int32]

Length = tuple[int, ...]

ZERO, ONE = np.float32(0), np.float32(1)


@kernel
def find(table: Rows, keys: Rows, key: Rows, mixed: np.int64, dims: Length) -> int:
    """The number of `key` (d values or more) among `keys` (N, d), or -1. `mixed` is the sum of its values times `factors`.

    `table` is a hash table with open addressing; its length is a power of two, and -1 marks a free entry. `find` is separate
    from `put`, so that it is compiled into the loops that call it.
    """
    at = (mixed >> 32) & (len(table) - 1)
    while table[at] >= 0:
        i = table[at]
        equal = True
        for j in range(len(dims)):
            equal &= keys[i, j] == key[j]
        if equal:
            return int(i)
        at = (at + 1) & (len(table) - 1)
    return -1


@kernel
def put(table: Rows, keys: Rows, key: Rows, mixed: np.int64, count: int) -> int:
    """Add a key, which `find` did not find, as number `count`. Returns `count`. The table must have room."""
    at = (mixed >> 32) & (len(table) - 1)
    while table[at] >= 0:
        at = (at + 1) & (len(table) - 1)
    table[at] = count
    for j in range(keys.shape[1]):
        keys[count, j] = key[j]
    return count


@kernel
def factors(d: int) -> NDArray[np.int64]:
    """(d,) odd multipliers that mix small coordinates into all bits: powers of the multiplier of Knuth's random generator."""
    out = np.empty(d, np.int64)
    power = np.int64(6364136223846793005)
    for j in range(d):
        out[j] = power
        power *= np.int64(6364136223846793005)
    return out


@kernel
def embed(features: Floats, table: Rows, keys: Rows, rows: Rows, weights: Floats, taken: int, dims: Length) -> int:
    """Find the simplex of each point of one block. Returns the number of vertices; `keys` (n (d + 1), d) gets them.

    `features` (n, d), at most 1e5. `rows` (n, d + 1) gets the vertices, numbered from `taken` in the order in which they
    appear, and `weights` (n, d + 1) the barycentric weights. The first d of its d + 1 coordinates identify a vertex, since
    all d + 1 sum to 0.
    """
    d = len(dims)
    point, away, weight = np.empty(d + 1, np.float32), np.empty(d + 1, np.float32), np.empty(d + 2, np.float32)
    corner, rank, key, turn = np.empty((4, d + 1), np.int32)
    scale, factor = np.empty(d, np.float32), factors(d)
    for j in range(d):  # so that splat, blur and slice have unit variance together (section 3)
        scale[j] = (d + 1) * np.sqrt(2 / 3) / np.sqrt((j + 1) * (j + 2))
    count = 0
    for i in range(len(features)):
        _elevate(features[i], scale, point, dims)
        _enclose(point, away, corner, rank, dims)
        weight[:] = 0
        mixed = np.int64(0)
        for j in range(d + 1):
            share = (point[j] - np.float32(corner[j])) / np.float32(d + 1)
            weight[d - rank[j]] += share
            weight[d - rank[j] + 1] -= share
            key[j] = corner[j]
            turn[d - rank[j]] = j
            if j < d:
                mixed += corner[j] * factor[j]
        weight[0] += ONE + weight[d + 1]
        for v in range(d + 1):  # the next vertex: one more in all coordinates except turn[v]
            found = find(table, keys, key, mixed, dims)
            if found < 0:
                found = put(table, keys, key, mixed, count)
                count += 1
            rows[i, v] = taken + found
            weights[i, v] = weight[v]
            key[turn[v]] -= d + 1
            if turn[v] < d:
                mixed -= (d + 1) * factor[turn[v]]
            for j in range(d):
                key[j] += 1
                mixed += factor[j]
    return count


@kernel
def _elevate(features: Floats, scale: Floats, point: Floats, dims: Length) -> None:
    """Map `features` (d,) to `point` (d + 1,), in the plane of coordinates that sum to 0 (Adams, section 3.1)."""
    above = ZERO
    for j in range(len(dims), 0, -1):
        x = features[j - 1] * scale[j - 1]
        point[j] = above - np.float32(j) * x
        above += x
    point[0] = above


@kernel
def _enclose(point: Floats, away: Floats, corner: Rows, rank: Rows, dims: Length) -> None:
    """Find the simplex of `point` (d + 1,).

    `corner` (d + 1,) gets its vertex with only multiples of d + 1 as coordinates, `rank` (d + 1,) the order of the point's
    differences from that vertex, the largest first. `away` (d + 1,) is only work space.
    """
    d = len(dims)
    rest = 0
    for j in range(d + 1):
        nearest = np.int32(np.rint(point[j] / np.float32(d + 1)))
        corner[j] = nearest * (d + 1)
        away[j] = point[j] - np.float32(corner[j])
        rank[j] = 0
        rest += int(nearest)
    for i in range(d):
        for j in range(i + 1, d + 1):
            less = np.int32(away[i] < away[j])
            rank[i] += less
            rank[j] += 1 - less
    for j in range(d + 1):  # back onto the plane
        rank[j] += rest
        shift = (d + 1) * (np.int32(rank[j] < 0) - np.int32(rank[j] > d))
        rank[j] += shift
        corner[j] += shift


@kernel
def unite(part: Rows, table: Rows, keys: Rows, count: int, vertex: Rows, dims: Length) -> int:
    """Number the vertices `part` (n, d) of a block among those of all blocks: `vertex` (n,). Returns how many there are now."""
    factor = factors(len(dims))
    for i in range(len(part)):
        mixed = np.int64(0)
        for j in range(len(dims)):
            mixed += part[i, j] * factor[j]
        vertex[i] = find(table, keys, part[i], mixed, dims)
        if vertex[i] < 0:
            vertex[i] = put(table, keys, part[i], mixed, count)
            count += 1
    return count


@kernel
def neighbours(table: Rows, keys: Rows, axis: int, first: int, near: Rows, dims: Length) -> None:
    """Write to `near` (M, 2) the rows of both neighbours of every vertex along an axis, 0 for none.

    `keys` (M, d); the vertices' rows begin at `first`. `near` must be 0 before the call. One look-up serves both neighbours.
    """
    d = len(dims)
    key = np.empty(d, np.int32)
    factor = factors(d)
    for i in range(len(keys)):
        mixed = np.int64(0)
        for j in range(d):
            key[j] = keys[i, j] + (d if j == axis else -1)
            mixed += key[j] * factor[j]
        other = find(table, keys, key, mixed, dims)
        if other >= 0:
            near[i, 0] = first + other
            near[other, 1] = first + i


@kernel
def gather(parts: Floats, spans: NDArray[np.int64], vertex: Rows, values: Floats, first: int, end: int) -> None:
    """Sum one plane of `parts` (R 8,) by `vertex` (R,) into rows `first` to `end` - 1 of `values` (M 8,), and make them 0.

    The parts of the filter are those from spans[b, 0] to spans[b, 1] - 1 of every block b.
    """
    for m in range(first, end):
        store(values, m * LANES, same(ZERO))
    for b in range(len(spans)):
        for r in range(spans[b, 0], spans[b, 1]):
            at = np.int64(vertex[r]) * LANES
            store(values, at, add(load(values, at), load(parts, r * LANES)))
            store(parts, r * LANES, same(ZERO))


@kernel
def blur(values: Floats, out: Floats, near: Rows, first: int, scale: float) -> None:
    """Blur a plane along one axis: `out` (M 8,) gets `scale` times (vertex + half of each neighbour), from row `first` on."""
    half, whole = same(np.float32(scale * 0.5)), same(np.float32(scale))
    for i in range(len(near)):
        row = (first + i) * LANES
        sides = add(load(values, np.int64(near[i, 0]) * LANES), load(values, np.int64(near[i, 1]) * LANES))
        store(out, row, plus(times(sides, half), load(values, row), whole))


@kernel
def mix(values: Floats, matrix: Floats, piece: slice) -> None:
    """Multiply rows `piece` of `values` (W / 8, M 8) by `matrix` (W, W) from the right, in place."""
    width = len(matrix)
    before = np.empty(width, np.float32)
    for m in range(piece.start, piece.stop):
        for k in range(width):
            before[k] = values[k // LANES, m * LANES + k % LANES]
        for c in range(0, width, LANES):
            lanes = same(ZERO)
            for k in range(width):
                lanes = plus(lanes, same(before[k]), load(matrix[k], c))
            store(values[c // LANES], m * LANES, lanes)


@kernel
def splat_ones(rows: Rows, weights: Floats, parts: Floats) -> None:
    """Spread the value 1 of every point over `parts` (R 8,), the same in all lanes; `rows` and `weights` (n, V)."""
    for i in range(len(rows)):
        for v in range(rows.shape[1]):
            at = np.int64(rows[i, v]) * LANES
            store(parts, at, add(load(parts, at), same(weights[i, v])))


@kernel
def normalise(rows: Rows, weights: Floats, vertex: Rows, values: Floats) -> None:
    """Divide the `weights` (n, D + 1) of one filter by the square root of the filtered value 1, given as `values` (M 8,).

    In this way splat and slice both contain the symmetric normalisation of Krähenbühl and Koltun (2013), equation 6.
    """
    for i in range(len(rows)):
        norm = ZERO
        for v in range(rows.shape[1]):
            norm += weights[i, v] * values[np.int64(vertex[rows[i, v]]) * LANES]
        scale = ONE / np.sqrt(norm + np.float32(1e-20))
        for v in range(rows.shape[1]):
            weights[i, v] *= scale


@kernel
def transpose_in(logs: Floats, unary: Floats, width: int) -> None:
    """(K, n) values -> (n W,); the places of classes beyond K get -1e30."""
    classes, n = logs.shape
    for i in range(n):
        for k in range(classes):
            unary[i * width + k] = logs[k, i]
        for k in range(classes, width):
            unary[i * width + k] = np.float32(-1e30)


@kernel
def transpose_out(probs: Floats, out: Floats, width: int) -> None:
    """(n W,) -> (K, n): the reverse of `transpose_in`."""
    classes, n = out.shape
    for k in range(classes):
        for i in range(n):
            out[k, i] = probs[i * width + k]


@kernel
def update(
    logs: Floats,
    rows: Rows,
    weights: Floats,
    vertex: Rows,
    values: Floats,
    parts: Floats,
    first: int,
    corners: Length,
    read: bool,
    spread: bool,
) -> None:
    """Do one step of mean field for the points of a block (Krähenbühl and Koltun 2011, algorithm 1), in one pass.

    `logs` (n W,) are the logarithms of the unary probabilities. With `read`, the kernels' result is added to them: the
    `values` (W / 8, M 8) of the vertices, through `rows` and `weights` (n V,) and the block's `vertex`. Then comes the
    softmax over classes. With `spread` it is spread over `parts` (W / 8, R 8) for the next step, where the block's begin at
    row `first`; otherwise it replaces `logs`.
    """
    planes, v_end = len(values), len(corners)
    width = planes * LANES
    probs = np.empty(width, np.float32)
    places = np.empty(v_end, np.int64)
    for i in range(len(logs) // width):
        base, corner = i * width, i * v_end
        if read:
            for v in range(v_end):
                places[v] = np.int64(vertex[rows[corner + v]]) * LANES
        top = same(np.float32(-1e30))
        for p in range(planes):
            lanes = load(logs, base + p * LANES)
            if read:
                for v in range(v_end):
                    lanes = plus(lanes, same(weights[corner + v]), load(values[p], places[v]))
            store(probs, p * LANES, lanes)
            top = larger(top, lanes)
        shift = same(-largest(top))
        sums = same(ZERO)
        for c in range(0, width, LANES):
            lanes = exp(add(load(probs, c), shift))
            store(probs, c, lanes)
            sums = add(sums, lanes)
        share = same(ONE / total(sums))
        if not spread:
            for c in range(0, width, LANES):
                store(logs, base + c, times(load(probs, c), share))
            continue
        for p in range(planes):
            lanes = times(load(probs, p * LANES), share)
            for v in range(v_end):
                at = (first + np.int64(rows[corner + v])) * LANES
                store(parts[p], at, plus(load(parts[p], at), lanes, same(weights[corner + v])))
