"""Inflating label PNGs as segdata writes them: every row filtered "up", matches of distance 1 alone (RFC 1951).

Only what differs from the row above is written down, so the rows themselves are never made here. Any other data is left to a
decoder of all that can be deflated: nothing is said of what is wrong with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

ROOT = 10
"""Bits of a code that one look into the table tells; longer codes are found bit by bit."""

ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])
"""The order in which a block lists the lengths of the codes that its other lengths are written in."""

UP = 2
"""The filter type."""

Words = NDArray[np.uint32]
Ints = NDArray[np.int64]


@kernel
def inflate_changes(
    words: Words, size: int, height: int, width: int, places: NDArray[np.int32], deltas: NDArray[np.uint8]
) -> int:
    """Inflate raw deflate data of `height` rows of 1 + `width` bytes: what changes from row to row.

    `words` hold `size` bytes of it and 8 or more zeros. `places` (M,) gets y * `width` + x of each byte that is not the one
    above it, ascending; `deltas` (M,) gets by how much, modulo 256. Returns how many there are; -1 if there are more than M, or
    if the data is not of this kind, or damaged.
    """
    lengths, table = np.zeros(320, np.uint8), np.empty(1 << ROOT, np.uint32)
    counts, symbols = np.zeros(16, np.int64), np.empty(320, np.int64)
    state = np.array([0, 0, -1, 0])  # changes, the place of the next byte, the byte before, where the row ends
    at = last = 0
    while last == 0:
        last, kind = _bits(words, at, 1), _bits(words, at + 1, 2)
        if kind == 1:
            at, codes, distances = _fixed_lengths(at + 3, lengths)
        elif kind == 2:
            at, codes, distances = _code_lengths(words, at + 3, lengths, table, counts, symbols)
        else:
            return -1
        if codes == 0 or at >> 5 >= words.shape[0]:  # damaged, or the data ends within the codes
            return -1
        distance, bits = _first_code(lengths[codes : codes + distances], counts)
        if bits < 0 or not _tabulate(lengths[:codes], table, counts, symbols):
            return -1
        at = _block(words, at, table, counts, symbols, distance, bits, state, height * width, width, places, deltas)
        if at < 0:
            return -1
    whole = state[1] == state[3] == height * width and (at + 7) // 8 <= size
    return int(state[0]) if whole else -1


@kernel
def _bits(words: Words, at: int, count: int) -> int:
    """`count` bits, up to 16, from bit `at` on; those beyond the end are 0."""
    low, n = at >> 5, words.shape[0]
    word = np.uint64(words[low]) if low < n else np.uint64(0)
    if low + 1 < n:
        word |= np.uint64(words[low + 1]) << np.uint64(32)
    return int((word >> np.uint64(at & 31)) & np.uint64((1 << count) - 1))


@kernel
def _fixed_lengths(at: int, lengths: NDArray[np.uint8]) -> tuple[int, int, int]:
    """The lengths of section 3.2.6, and what `_code_lengths` returns."""
    lengths[:144], lengths[144:256], lengths[256:280], lengths[280:288], lengths[288:320] = 8, 9, 7, 8, 5
    return at, 288, 32


@kernel
def _code_lengths(
    words: Words, at: int, lengths: NDArray[np.uint8], table: NDArray[np.uint32], counts: Ints, symbols: Ints
) -> tuple[int, int, int]:
    """Read the lengths of a block's codes (section 3.2.7): the next bit, how many are of literals, of distances; 0 if damaged."""
    codes, distances, own = _bits(words, at, 5) + 257, _bits(words, at + 5, 5) + 1, _bits(words, at + 10, 4) + 4
    at += 14
    lengths[:] = 0
    for i in range(own):
        lengths[ORDER[i]] = _bits(words, at, 3)
        at += 3
    if codes > 286 or not _tabulate(lengths[:19], table, counts, symbols):
        return at, 0, 0
    lengths[:] = 0
    i = 0
    while i < codes + distances:
        entry = table[_bits(words, at, ROOT)]
        at += int(entry & np.uint32(15))
        symbol, times, value = int(entry >> np.uint32(8)), 1, 0
        if symbol < 16:
            value = symbol
        elif symbol == 16:
            if i == 0:
                return at, 0, 0
            value, times = int(lengths[i - 1]), 3 + _bits(words, at, 2)
            at += 2
        else:
            extra = 3 if symbol == 17 else 7
            times = (3 if symbol == 17 else 11) + _bits(words, at, extra)
            at += extra
        if i + times > codes + distances:
            return at, 0, 0
        lengths[i : i + times] = value
        i += times
    return at, codes, distances


@kernel
def _first_code(lengths: NDArray[np.uint8], counts: Ints) -> tuple[int, int]:
    """The code of the first symbol as it lies in the data, and its bits: 0 if it has none, -1 if the codes cannot be."""
    left = _complete(lengths, counts)
    bits = int(lengths[0])
    if bits == 0:
        return 0, 0 if left == 0 or lengths.max() <= 1 else -1
    if left != 0 and lengths.max() > 1:
        return 0, -1
    code = 0
    for n in range(1, bits + 1):
        code = (code + (counts[n - 1] if n > 1 else 0)) << 1
    return _reversed(code, bits), bits


@kernel
def _complete(lengths: NDArray[np.uint8], counts: Ints) -> int:
    """Count the codes of each length, into `counts`; 0 if each row of bits is one code, otherwise another number."""
    counts[:] = 0
    for n in lengths:
        counts[n] += 1
    counts[0] = 0
    left = 1
    for n in range(1, 16):
        left = 2 * left - int(counts[n])
        if left < 0:
            return left
    return left


@kernel
def _reversed(code: int, bits: int) -> int:
    """The bits in the order in which they lie in the data."""
    out = 0
    for _ in range(bits):
        out = out << 1 | code & 1
        code >>= 1
    return out


@kernel
def _tabulate(lengths: NDArray[np.uint8], table: NDArray[np.uint32], counts: Ints, symbols: Ints) -> bool:
    """Make the table of the codes of these lengths; whether they are whole. `symbols` gets them in order of their codes.

    An entry has the bits of the code (0: more than `ROOT`), from bit 4 on the extra bits, from bit 8 on the symbol, or from 256
    on 257 for the end of the block, and 512 more than a match's least length.
    """
    if _complete(lengths, counts) != 0:
        return False
    place, code = np.zeros(17, np.int64), np.zeros(17, np.int64)
    for n in range(1, 16):
        place[n + 1] = place[n] + counts[n]
        code[n + 1] = (code[n] + counts[n]) << 1
    table[:] = 0
    for symbol in range(lengths.shape[0]):
        bits = int(lengths[symbol])
        if bits == 0:
            continue
        symbols[place[bits]] = symbol
        place[bits] += 1
        if bits <= ROOT:
            entry = _entry(symbol, bits)
            for i in range(_reversed(int(code[bits]), bits), 1 << ROOT, 1 << bits):
                table[i] = entry
        code[bits] += 1
    return True


@kernel
def _entry(symbol: int, bits: int) -> np.uint32:
    """See `_tabulate`. Matches are of 3 to 258 bytes (section 3.2.5)."""
    if symbol <= 256:
        return np.uint32((symbol + (symbol >> 8)) << 8 | bits)
    if symbol < 265:
        return np.uint32((512 + symbol - 254) << 8 | bits)
    if symbol >= 285:  # above are codes that mean nothing: a match of 0
        return np.uint32((512 + (258 if symbol == 285 else 0)) << 8 | bits)
    extra = (symbol - 261) >> 2
    base = (4 + ((symbol - 265) & 3)) << extra
    return np.uint32((512 + 3 + base) << 8 | extra << 4 | bits)


@kernel
def _slow_entry(bits: np.uint64, counts: Ints, symbols: Ints) -> np.uint32:
    """The entry of a code of any length, found bit by bit."""
    code = first = index = 0
    for n in range(1, 16):
        code |= int(bits & np.uint64(1))
        bits >>= np.uint64(1)
        if code - counts[n] < first:
            return _entry(int(symbols[index + code - first]), n)
        index += counts[n]
        first = (first + counts[n]) << 1
        code <<= 1
    return np.uint32(0)


@kernel
def _repeat(places: NDArray[np.int32], deltas: NDArray[np.uint8], count: int, place: int, some: int, value: int) -> int:
    """Write down `some` bytes of `value` from `place` on. Returns how many changes there are then, or -1 if there is no room."""
    if value == 0:
        return count
    if count + some > places.shape[0]:
        return -1
    for i in range(some):
        places[count + i], deltas[count + i] = place + i, value
    return count + some


@kernel
def _block(
    words: Words, at: int, table: NDArray[np.uint32], counts: Ints, symbols: Ints, distance: int, distance_bits: int,
    state: Ints, total: int, width: int, places: NDArray[np.int32], deltas: NDArray[np.uint8],
) -> int:  # fmt: skip
    """Inflate a block from bit `at` on; `state` goes on. Returns where it ends, or -1."""
    count, place, value, row_end = state[0], state[1], state[2], state[3]
    root, behind = np.uint64((1 << ROOT) - 1), np.uint64((1 << max(distance_bits, 0)) - 1)
    n = at >> 5
    bits, held = np.uint64(words[n]) >> np.uint64(at & 31), 32 - (at & 31)
    while True:
        if held < 32:
            n += 1
            if n >= words.shape[0]:
                return -1
            bits |= np.uint64(words[n]) << np.uint64(held)
            held += 32
        entry = table[bits & root]
        if entry == 0:
            entry = _slow_entry(bits, counts, symbols)
        size, what = int(entry & np.uint32(15)), int(entry >> np.uint32(8))
        bits >>= np.uint64(size)
        held -= size
        if what < 256:
            value = what
            if place == row_end:
                row_end += width
                if value != UP or row_end > total:
                    return -1
                continue
            if count == places.shape[0]:
                return -1
            places[count], deltas[count] = place, value  # without a branch that nobody can foretell
            count += value != 0
            place += 1
            continue
        if what == 257:
            break
        extra = int(entry >> np.uint32(4)) & 15
        run = what - 512 + int(bits & np.uint64((1 << extra) - 1))
        bits >>= np.uint64(extra)
        if distance_bits == 0 or distance_bits > 11 or run == 0 or value < 0 or bits & behind != distance:
            return -1
        bits >>= np.uint64(distance_bits)
        held -= extra + distance_bits
        while run > 0:
            if place == row_end:
                row_end += width
                if value != UP or row_end > total:
                    return -1
                run -= 1
                continue
            some = min(run, row_end - place)
            count = _repeat(places, deltas, count, place, some, value)
            if count < 0:
                return -1
            place += some
            run -= some
    state[0], state[1], state[2], state[3] = count, place, value, row_end
    return 32 * (n + 1) - held
