"""What a TIFF's first directory says in small numbers, read without a library: none opens all of them."""

from __future__ import annotations

import struct

from segdata.files.file import File

MOST = 2**10
"""Entries that are looked at."""


def short_tags(file: File) -> dict[int, int] | None:
    """Tag -> its first value, as 16 bits, of the first directory of a TIFF or BigTIFF; None if that cannot be read."""
    start = file.start(2**12)
    order, big = "<>"[start[:1] == b"M"], start[2:4] in (b"+\0", b"\0+")
    count, line, value = ("Q", 20, 12) if big else ("H", 12, 8)
    try:
        (at,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", start, 8 if big else 4)
        file.handle.seek(at)
        directory = file.handle.read(8 if big else 2)
        directory = file.handle.read(min(MOST, struct.unpack(f"{order}{count}", directory)[0]) * line)
        lines = range(0, len(directory), line)
        both = [struct.unpack_from(f"{order}H{value - 2}xH", directory, at) for at in lines]
        return dict(both)
    except (struct.error, OSError, ValueError):
        return None
