"""Objects of storage and prefixes in it, as pathlib has files and folders."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from functools import total_ordering
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from segdata.files.conditions import remove_if, version_of, write_if
from segdata.files.fence import Fence
from segdata.files.limits import MAX_BYTES, refuse_bytes
from segdata.files.members import CUT_OFF, Cell, Member, member_of
from segdata.files.providers import TRIES, call, provider_of
from segdata.files.tree import Tree, key_of

PART = 2**14
"""Bytes that are fetched at a time of an object of which little is wanted."""

LARGE = 2**23
"""From this many bytes on, the version that is there is asked for first, so that they are not sent twice."""

BULK, COPIES = 1000, 100
"""The most objects that are removed by one request, and that are copied together."""


@total_ordering
class Remote:
    """An object of storage, or all that is under a prefix, as pathlib has files and folders. Pickles as its URL and fence.

    With a fence, which all paths made from it share, only the run that has the lock can write: a write or removal by any
    other raises `DatasetError`. If one was on its way when the run lost its lock, it is done only if the object is still as it
    was before; if the new owner writes the object too, its version stays.

    Methods raise `FileNotFoundError` for what is not there and `StorageError` for storage that cannot be used.
    """

    def __init__(self, url: str, tree: Tree | None = None, fence: Fence | None = None) -> None:
        """`tree` answers what is there without asking storage."""
        scheme, _, path = url.partition("://")
        provider_of(url)
        bucket, _, key = path.partition("/")
        key = posixpath.normpath(f"/{key}").lstrip("/")  # `..` never leads out of the bucket
        self.scheme, self.path = scheme, f"{bucket}/{key}".rstrip("/")
        self._tree, self.fence = tree, fence

    @classmethod
    def of(cls, path: str | Place) -> Remote:
        """What is known to be in storage (`is_stored`)."""
        return path if isinstance(path, cls) else cls(str(path))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    def __repr__(self) -> str:
        return f"Remote({str(self)!r})"

    def __reduce__(self) -> tuple[type[Remote], tuple[Any, ...]]:
        return Remote, (str(self), None, self.fence)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and str(self) == str(other)

    def __lt__(self, other: Remote) -> bool:
        return self.path.split("/") < other.path.split("/")

    def __hash__(self) -> int:
        return hash(str(self))

    def __truediv__(self, part: str | Path) -> Remote:
        return Remote(str(part)) if is_remote(str(part)) else Remote(f"{self}/{part}", self._tree, self.fence)

    def as_posix(self) -> str:
        """The URL."""
        return str(self)

    @property
    def bucket(self) -> str:
        """The first part, with its scheme: what holds all that may be copied without leaving storage."""
        return f"{self.scheme}://{self.path.partition('/')[0]}"

    @property
    def name(self) -> str:
        """The last part."""
        return posixpath.basename(self.path)

    @property
    def suffix(self) -> str:
        """The extension, with its dot."""
        return posixpath.splitext(self.name)[1]

    @property
    def stem(self) -> str:
        """The last part without its extension."""
        return posixpath.splitext(self.name)[0]

    @property
    def parent(self) -> Remote:
        """What it is in; of a bucket, the bucket."""
        return Remote(f"{self.scheme}://{posixpath.dirname(self.path) or self.path}", self._tree, self.fence)

    @property
    def bare(self) -> Remote:
        """The same without tree and fence."""
        return Remote(str(self))

    @property
    def parts(self) -> tuple[str, ...]:
        """The bucket, folders and name."""
        return tuple(self.path.split("/"))

    def with_name(self, name: str) -> Remote:
        """The same with another last part."""
        return self.parent / name

    def exists(self) -> bool:
        """Whether there is an object, or any under the prefix."""
        return self._kind() is not None

    def is_file(self) -> bool:
        """Whether there is such an object."""
        return self._kind() == "file"

    def is_dir(self) -> bool:
        """Whether there is any object under the prefix."""
        return self._kind() == "directory"

    def listed(self) -> Remote:
        """The same, with a list of all that is under it, from which it and what is made of it answer what there is."""
        if self._tree is not None:
            return self
        return Remote(str(self), Tree(call(str(self), "find", self.path, detail=True)), self.fence)

    def iterdir(self) -> Iterator[Remote]:
        """What is in the folder."""
        if self._tree is not None:
            names: Iterable[str] = self._tree.names(self.path)
        else:
            names = (
                key_of(path).removeprefix(f"{self.path}/") for path in call(str(self), "ls", self.path, detail=False)
            )
        return (self / name for name in names if name and name != self.path)

    def glob(self, pattern: str) -> Iterator[Remote]:
        """What is under the folder in places that match part by part; a pattern that ends in `/` means folders."""
        found = [self.listed()]
        for part in pattern.rstrip("/").split("/"):
            folders = (folder for folder in found if folder.is_dir())
            found = [child for folder in folders for child in folder.iterdir() if fnmatchcase(child.name, part)]
        return (one for one in found if not pattern.endswith("/") or one.is_dir())

    def rglob(self, pattern: str) -> Iterator[Remote]:
        """What is anywhere under the folder and has such a name."""
        here = self.listed()
        for child in here.iterdir() if here.is_dir() else ():
            if fnmatchcase(child.name, pattern):
                yield child
            yield from child.rglob(pattern)

    @property
    def member(self) -> Member | None:
        """What it is of a shard; None for an object of its own. Raises `OSError` for a cell of Parquet."""
        if isinstance(found := member_of(self.path), Cell):
            raise OSError(errno.EINVAL, "cells of Parquet are read on this machine: copy the file here", str(self))
        return found

    def read_bytes(self, most: int | None = None, *, limit: int = MAX_BYTES) -> bytes:
        """All of the object, or of a member of a shard, or the first `most` bytes.

        Raises `OSError` for more than `limit`: before it is fetched if its size is known, otherwise afterwards.
        """
        if most is None and (self.member is not None or (self._tree is not None and self.path in self._tree.files)):
            refuse_bytes(self.size() if self.member is None else self.member.length, self, limit)
        data = self._fetch(most)
        refuse_bytes(len(data), self, limit)
        return data

    def _fetch(self, most: int | None) -> bytes:
        if (member := self.member) is None:
            if most is not None:
                return bytes(call(str(self), "cat_file", self.path, start=0, end=most))
            at_once: Any = {"max_concurrency": 1} if self.scheme == "s3" else {}  # else s3fs asks for the size first
            return bytes(call(str(self), "cat_file", self.path, **at_once))
        start, end = member.span(most)
        data = bytes(call(str(self), "cat_file", member.file, start=start, end=end))
        if len(data) < end - start:
            raise OSError(errno.EIO, CUT_OFF, str(self))
        return member.decoded(data, most)

    def read_text(self, encoding: str = "utf-8") -> str:
        """All of the object as text, line ends as `open` has them."""
        return self.read_bytes().decode(encoding).replace("\r\n", "\n").replace("\r", "\n")

    def write_bytes(self, data: bytes) -> None:
        """Put the object there, whole."""
        self._put("pipe_file", self.path, data)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        """Put an object of text there, whole."""
        self.write_bytes(text.encode(encoding))

    def upload(self, file: Path) -> None:
        """Put a file of this machine there, whole."""
        large = self.fence is not None and file.stat().st_size > LARGE
        self._put("put_file", str(file), self.path, version=self.version() if large else None)

    def copy_from(self, other: Remote) -> None:
        """Put a copy of an object of the same bucket there, made by the storage. Raises `FileNotFoundError`."""
        self._put("cp_file", other.path, self.path)

    def copy_all(self, other: Remote, names: Iterable[str]) -> None:
        """Put copies of objects below another prefix of the same bucket below this one, some at a time. If a run
        stops between its last look at the lock and a request, that request may still write its objects."""
        every = sorted(names)
        for start in range(0, len(every), COPIES):
            some = every[start : start + COPIES]
            if self.fence is not None:
                self.fence.check_now()
            sources, copies = [(other / name).path for name in some], [(self / name).path for name in some]
            call(str(self), "copy", sources, copies, on_error="raise", guard=self._guard)

    def version(self) -> str | None:
        """What changes with the object (see `conditions`); None if there is none."""
        return version_of(str(self), self.path)

    def write_if(self, data: bytes, version: str | None) -> None:
        """Put the object there if that version is there, or if nothing is (None). Raises `FileExistsError` if not, and
        `FileNotFoundError` if the version is gone."""
        write_if(str(self), "pipe_file", self.path, data, version=version, guard=self._guard)

    def unlink_if(self, version: str) -> None:
        """Remove the object if it has that version. Raises as `write_if`."""
        remove_if(str(self), self.path, version, guard=self._guard)

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: storage has no folders, and buckets are their owner's to make."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        try:
            if self.fence is None:
                call(str(self), "rm_file", self.path)
            else:
                self._unlink(self.fence)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def remove(self) -> None:
        """Remove the object, or all that is under the prefix; nothing if there is nothing."""
        kind = self._kind()
        if self.fence is None and kind is not None:
            call(str(self), "rm", self.path, recursive=kind == "directory")
        elif kind is not None:
            self.remove_all(map(key_of, call(str(self), "find", self.path)))

    def remove_all(self, paths: Iterable[str]) -> None:
        """Remove objects of the same storage, by bucket and key; they must be there. If a run stops between its
        last look at the lock and a request, that request may still remove its objects."""
        every = list(paths)
        for start in range(0, len(every), BULK):
            if self.fence is not None:
                self.fence.check_now()
            call(str(self), "rm", every[start : start + BULK], guard=self._guard)

    def absolute(self) -> Remote:
        """Itself."""
        return self

    def open(self) -> AbstractContextManager[BinaryIO]:
        """The object as a file to read, of which only parts are fetched."""
        if self.member is not None:
            return BytesIO(self.read_bytes())
        file: AbstractContextManager[BinaryIO] = call(str(self), "open", self.path, "rb", block_size=PART)
        return file

    def size(self) -> int:
        """The object's bytes."""
        if (member := self.member) is not None:
            return len(self._fetch(None)) if member.coding else member.length
        if self._tree is not None and self.path in self._tree.files:
            return self._tree.files[self.path]
        return int(call(str(self), "info", self.path)["size"])

    @property
    def _guard(self) -> Callable[[], None] | None:
        return None if self.fence is None else self.fence.check

    def _put(self, method: str, *args: Any, version: str | None = None) -> None:
        """Write the object, expected to have that version. How a fence protects it: see the class."""
        if self.fence is None:
            call(str(self), method, *args)
            return
        for attempt in range(1, TRIES + 1):
            if version is not None:
                self.fence.check_now()  # so that the version is of a time when the lock was this run's
            try:
                write_if(str(self), method, *args, version=version, guard=self.fence.check)
                return
            except (FileExistsError, FileNotFoundError):
                if attempt == TRIES:
                    raise
                before, version = version, self.version()
                if before is None and version is None:
                    raise  # what was to be copied is not there

    def _unlink(self, fence: Fence) -> None:
        for attempt in range(1, TRIES + 1):
            version = self.version()
            if version is None:
                raise FileNotFoundError(errno.ENOENT, "there is no such object", str(self))
            fence.check_now()
            try:
                remove_if(str(self), self.path, version, guard=fence.check)
                return
            except FileExistsError:
                if attempt == TRIES:
                    raise

    def _kind(self) -> str | None:
        path = self.path if self.member is None else self.member.file
        if self._tree is not None:
            return self._tree.kind(path)
        try:
            return str(call(str(self), "info", path)["type"])
        except FileNotFoundError:
            return None


Place = Path | Remote


def is_remote(path: str | Place) -> bool:
    """Whether it is a URL, or a file in an archive, rather than a path."""
    return isinstance(path, Remote) or (not isinstance(path, Path) and "://" in path)
