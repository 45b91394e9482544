"""What lies in a tar shard, from its headers alone. An archive may come from a stranger: nothing is ever extracted by its name.

Whatever could lead out of a folder, stand for another file or be more than it says is refused, the whole archive with it.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from segdata.errors import DataError, Problem
from segdata.files.limits import open_regular
from segdata.files.members import member_path
from segdata.files.places import lies_below, read_start

LARGEST = 2**32
"""No image or mask of a shard is larger than 4 GiB, as it is read whole."""

LARGEST_JSON = 2**24

KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class Member(NamedTuple):
    """A file in a shard: its sample's `key`, and the rest of its name after the first dot. `path` is what opens it."""

    key: str
    extension: str
    name: str
    path: str


PACKED_STARTS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
"""How files begin that gzip, bzip2, xz and zstd have packed, whatever they are called."""


def scan(shard: Path) -> Iterator[Member]:
    """The files of a shard in order, hidden ones aside.

    Raises `DataError` (`shard.*`) that names shard and member: names that lead out of the shard, links, devices and sparse
    files, names that occur twice, what is too large, and a file that is no tar archive, is cut off or damaged.
    """
    seen: set[str] = set()
    try:
        size = os.path.getsize(shard)
        with open_regular(shard) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for info in tar:
                check(shard, info, seen, size)
                folder, _, base = info.name.rpartition("/")
                stem, dot, extension = base.partition(".")
                if info.isdir() or not stem:  # hidden files, such as macOS leaves
                    continue
                if not dot:
                    refuse(shard, info.name, "name", "has no extension that would say what it is")
                key = f"{folder}/{stem}" if folder else stem
                yield Member(
                    key, extension.lower(), info.name, member_path(str(shard), info.offset_data, info.size, base)
                )
            whole(shard, tar.offset)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        packed = shard.suffix != ".tar" or read_start(shard, 6).startswith(PACKED_STARTS)
        way_out = "members are found by their place: unpack it to a plain .tar" if packed else "fetch it anew"
        refuse(shard, None, "damaged", f"is no tar archive, cut off or damaged ({error}): {way_out}")
    except OSError as error:
        refuse(shard, None, "missing", f"cannot be read: {error.strerror}")


def check(shard: Path, info: tarfile.TarInfo, seen: set[str], size: int) -> None:
    """Raise `DataError` for a member that is not what it should be; `size` is the shard's own."""
    name = info.name
    if not lies_below(name.removeprefix("./") if name != "." else "x"):
        refuse(shard, name, "outside", "leads out of the shard: do not trust this archive")
    if name in seen:
        refuse(shard, name, "twice", "occurs twice: which one is meant?")
    seen.add(name)
    if not (info.isdir() or (info.isreg() and not info.issparse())):
        refuse(shard, name, "link", f"is {KINDS.get(info.type, 'not a file')}: a shard holds files alone")
    limit = LARGEST_JSON if name.endswith(".json") else LARGEST
    if info.size > limit:
        refuse(shard, name, "large", f"has {info.size:,} bytes, more than the limit of {limit:,}")
    if info.size < 0 or info.offset_data + info.size > size:
        refuse(shard, name, "damaged", f"has {info.size:,} bytes, more than are left of the shard: fetch it anew")


def whole(shard: Path, end: int) -> None:
    """Raise `DataError` where an archive stops before its end mark: `tarfile` takes a damaged header for the end."""
    with open_regular(shard) as file:
        file.seek(end)
        block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or block.strip(b"\0"):
        refuse(shard, None, "damaged", f"is cut off or damaged at byte {end:,}: fetch it anew")


def refuse(shard: Path, member: str | None, code: str, message: str) -> NoReturn:
    """Raise a `DataError` on a shard, or on a member of it."""
    what = f"{shard.name}" if member is None else f"{shard.name}: member {member!r}"
    raise DataError(Problem(f"shard.{code}", message, file=what))
