"""The objects in a long list of JSON, one by one, so that memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from segdata.files.limits import refuse_bytes
from segdata.files.places import place, read_range, size_of
from segdata.kernels.json_spans import LEVEL, find_spans

CHUNK = 2**22
"""So many bytes of a file are looked through at once."""


def objects_of(path: str) -> Iterator[tuple[bytes, int, bytes]]:
    """The objects of a list, or of all lists in an object: what stands between one and that before it, where it begins in the
    file, and its bytes. At last what stands behind all, and no bytes. Nothing is checked. Raises `OSError`.
    """
    there = place(path)
    size, state = size_of(there), np.array([0, 0, 0, -1, -1, -1], np.int64)
    kept, base = bytearray(), 0
    for offset in range(0, size, CHUNK):
        chunk = read_range(there, offset, min(size, offset + CHUNK))
        if offset == 0:
            chunk = chunk.replace(b"\xef\xbb\xbf", b"   ", 1) if chunk.startswith(b"\xef\xbb\xbf") else chunk
            state[LEVEL] = 2 if chunk.lstrip().startswith(b"{") else 1
        spans = np.empty((len(chunk) // 2 + 1, 2), np.int64)
        found = find_spans(np.frombuffer(chunk, np.uint8), offset, state, spans)
        kept += chunk
        done = base
        for start, end in spans[:found].tolist():
            yield bytes(kept[done - base : start - base]), start, bytes(kept[start - base : end - base])
            done = end
        del kept[: done - base]
        base = done
        refuse_bytes(len(kept), path)
    yield bytes(kept), size, b""
