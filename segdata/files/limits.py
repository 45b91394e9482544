"""Limits for files of others: only regular files are read, and never more bytes or pixels at once than the limit."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from segdata.errors import DataError, OptionError, Problem


def limit_of(name: str, default: int, unit: str) -> int:
    """A limit, which an environment variable may set. Raises `OptionError` if it holds no number from 1 on."""
    given = os.environ.get(name) or str(default)
    if not given.isdecimal() or not int(given):
        raise OptionError(f"{name}={given}: must be a number of {unit}")
    return int(given)


MAX_PIXELS = limit_of("SEGDATA_MAX_PIXELS", 2**28, "pixels")
"""The largest image or mask that is read at once unless told otherwise: 268 megapixels, 16,384 x 16,384."""

MAX_BYTES = limit_of("SEGDATA_MAX_BYTES", 2**33, "bytes")
"""The largest file that is read at once, such as labels in JSON, a checkpoint or a PNG: 8 GiB."""

MAX_TEXT = min(2**26, MAX_BYTES)
"""The largest file that people write by hand, such as a list of classes or a recipe: 64 MiB."""

ODD = "is no regular file but a device, a pipe or the like: give a file, or copy the data into one"

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | Path) -> BufferedReader:
    """A file of this machine open for reading, without waiting for another program. Raises `OSError` if it is no regular file."""
    try:
        number = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise OSError(errno.EINVAL, ODD, str(path)) from error
        raise
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        number, why = (errno.EISDIR, os.strerror(errno.EISDIR)) if stat.S_ISDIR(mode) else (errno.EINVAL, ODD)
        raise OSError(number, why, str(path))
    return os.fdopen(number, "rb")


def read_regular(path: str | Path, most: int | None = None, *, limit: int = MAX_BYTES) -> bytes:
    """All bytes of a file of this machine, or the first `most`. Raises `OSError`; for more than `limit`, before any is read."""
    with open_regular(path) as file:
        if most is not None:
            return file.read(most)
        refuse_bytes(os.fstat(file.fileno()).st_size, path, limit)
        return file.read()


def refuse_bytes(size: int, path: object, limit: int = MAX_BYTES) -> None:
    """Raise `OSError` for a file of more than `limit` bytes, which may not be in memory at once."""
    if size > limit:
        raise OSError(errno.EOVERFLOW, too_long(size, limit), str(path))


def too_long(size: int, limit: int = MAX_BYTES) -> str:
    """What is wrong with a file of `size` bytes, and the way out."""
    way_out = "SEGDATA_MAX_BYTES sets it" if limit == MAX_BYTES else "is this the right file?"
    return f"it has {size:,} bytes, more than the limit of {limit:,} ({way_out})"


def refuse_large(height: int, width: int, depth: int, file: str | None = None, kind: str = "image") -> None:
    """Raise `DataError` (`<kind>.too_large`) for pixels of `depth` bytes that may not be in memory at once.

    That is more than `MAX_PIXELS`, or more than 16 bytes for each of these, whatever the size of the file.
    """
    if height * width > MAX_PIXELS or height * width * depth > 16 * MAX_PIXELS:
        message = f"{width} x {height} pixels of {depth} bytes at once are more than the limit"
        message += f" of {MAX_PIXELS} (SEGDATA_MAX_PIXELS sets it)"
        raise DataError(Problem(f"{kind}.too_large", message, file))


def refuse_block(
    block: tuple[int, int], size: tuple[int, int], depth: int, file: str | None = None, kind: str = "image"
) -> None:
    """Raise `DataError` (`<kind>.too_large`) for a file of `size` if one block, its smallest part to decode, is too large."""
    try:
        refuse_large(*block, depth, file, kind)
    except DataError as error:
        what = f"its {size[1]} x {size[0]} pixels are stored in blocks, and each must be decoded whole: "
        way_out = ": save it in smaller tiles, such as 256 x 256"
        raise DataError(Problem(error.problem.code, what + error.problem.message + way_out, file)) from error
