"""Where files are: paths of this machine, and URLs of object storage (`s3://`, `gs://`, `az://`) through fsspec.

Everything above opens files through these verbs. A path of this machine stays a `pathlib.Path`, and costs nothing more than
before; a URL is a `Remote`, which has as much of pathlib as is used here, and is no `os.PathLike`, so that nothing makes a
folder called `s3:` by mistake. An object is whole or absent: storage shows it once it has all of it.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

from segdata.errors import DataError, DatasetError, Problem, writing
from segdata.files.durable import replacing
from segdata.files.limits import MAX_BYTES, MAX_TEXT, open_regular
from segdata.files.members import copy_stored, holder, member_of, open_stored, read_stored_bytes, stored_size
from segdata.files.providers import PROVIDERS, call, provider_of
from segdata.files.remote import Place, Remote, is_remote

DRIVE = re.compile("[^/]:")
"""How a path begins that leads to a drive on Windows, wherever it is read."""

LONG = 240
"""The bytes of a name to which `.partial` can be added: file systems have 255."""

# What a user gives


def is_stored(path: str | Place) -> bool:
    """Whether it is in object storage, and so opened by the verbs here, rather than by GDAL alone (`https://`, `zip://`)."""
    return isinstance(path, Remote) or (not isinstance(path, Path) and path.partition("://")[0] in PROVIDERS)


def only_gdal_opens(path: str | Place) -> bool:
    """Whether it is neither on this machine nor in object storage."""
    return is_remote(path) and not is_stored(path)


def place(path: str | Place) -> Place:
    """A path or URL as it is given. Raises `OptionError` for URLs that segdata does not open."""
    if isinstance(path, Remote):
        return path
    if isinstance(path, Path):
        scheme, *rest = path.parts or ("",)  # pathlib drops a slash of a URL
        return Remote(f"{scheme}//{'/'.join(rest)}") if scheme[-1:] == ":" and scheme[:-1] in PROVIDERS else path
    if "://" not in path:
        return Path(path)
    return Path(unquote(urlsplit(path).path)) if path.startswith("file://") else Remote(path)


def listed(path: str | Place) -> Place:
    """The same of a folder that is searched: what is in storage is listed once, here."""
    there = place(path)
    return there.listed() if isinstance(there, Remote) else there


def absolute(path: str | Place) -> str:
    """The path from the root, or the URL."""
    there = place(path)
    return str(there) if isinstance(there, Remote) else os.path.abspath(there)


def real(path: str | Place) -> str:
    """The path without symbolic links, or the URL."""
    there = place(path)
    return str(there) if isinstance(there, Remote) else os.path.realpath(there)


# Reading and writing


def read_bytes(path: str | Place, *, limit: int = MAX_BYTES) -> bytes:
    """All of a file. Raises `OSError`, also for more than `limit` bytes or if it is no regular file, `StorageError`."""
    if is_stored(path):
        return Remote.of(path).read_bytes(limit=limit)
    return read_stored_bytes(str(path), limit=limit)


def read_text(path: str | Place, encoding: str = "utf-8") -> str:
    """All of a small file as text, line ends as `\n`. Raises `OSError` as `read_bytes`, `UnicodeDecodeError`, `StorageError`."""
    text = read_bytes(path, limit=MAX_TEXT).decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_start(path: str | Place, size: int) -> bytes:
    """The first bytes of a file. Raises `OSError`, `StorageError`."""
    if is_stored(path):
        return Remote.of(path).read_bytes(size)
    return read_stored_bytes(str(path), size)


def read_range(path: Place, start: int, end: int) -> bytes:
    """The bytes of a file from `start` to before `end`. Raises `OSError`, `StorageError`."""
    if isinstance(path, Remote):
        return bytes(call(str(path), "cat_file", path.path, start=start, end=end))
    with open_regular(path) as file:
        file.seek(start)
        return file.read(end - start)


def read_ends(path: Place, size: int) -> tuple[int, bytes, bytes]:
    """A file's size, its first bytes and its last ones, `size` each at most and none twice. Raises `OSError`, `StorageError`."""
    if isinstance(path, Remote):
        total = path.size()
        tail = read_range(path, max(size, total - size), total) if total > size else b""
        return total, read_start(path, size), tail
    with open_regular(path) as file:
        head, total = file.read(size), os.fstat(file.fileno()).st_size
        file.seek(max(len(head), total - size))
        return total, head, file.read(size)


def write_bytes(path: str | Place, data: bytes) -> None:
    """Write a file, making folders as needed. On this machine it is not whole until all is written: see `write_whole`."""
    if is_stored(path):
        Remote.of(path).write_bytes(data)
        return
    os.makedirs(os.path.dirname(str(path)) or ".", exist_ok=True)
    with writing(path), open(str(path), "wb") as file:
        file.write(data)


def write_whole(path: Place, data: bytes) -> None:
    """Write a file so that it is whole or absent, after a power cut too: see `replacing`; in storage, as one object."""
    if isinstance(path, Remote):
        path.write_bytes(data)
        return
    beside = beside_of(path)
    with replacing(path, beside):
        beside.write_bytes(data)


def beside_of(path: Path) -> Path:
    """The path at which a file is written before it gets its name; a long name, which leaves no room, is cut to its digest."""
    name = path.name if len(os.fsencode(path.name)) <= LONG else hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return path.with_name(f"{name}.partial")


def write_new(path: Place, data: bytes, way_out: str) -> None:
    """Write a new file; a file of the same bytes stays. Raises `DatasetError` for any other file, with the way out."""
    if path.exists():
        if path.is_file() and size_of(path) == len(data) and path.read_bytes() == data:
            return
        raise DatasetError(f"{path}: exists already, with other contents: {way_out}")
    write_whole(path, data)


@contextmanager
def local_copy(path: str | Place) -> Iterator[Path]:
    """A path of this machine with the same bytes: the file itself, or a copy that is removed afterwards. Raises as it does."""
    there = place(path)
    if isinstance(there, Path):
        yield there
        return
    with TemporaryDirectory(prefix="segdata-") as folder:
        here = Path(folder, there.name)
        call(str(there), "get_file", there.path, str(here))
        yield here


def file_digest(path: str | Place) -> str:
    """SHA-256 of the bytes of a file, or of a member of a shard. Raises `OSError`, `StorageError`."""
    if not is_stored(path):
        with open_stored(str(path)) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    there = Remote.of(path)
    if there.member is not None:
        return hashlib.sha256(there.read_bytes()).hexdigest()
    with local_copy(there) as here:
        return file_digest(here)


def copy_file(there: str | Place, here: str | Place) -> None:
    """Copy a file, what a symbolic link leads to, or a member of a shard; within storage if both are in one bucket.

    The copy is whole or absent, and replaces what is in the way, but is not flushed: a job does that by `sync_tree`.
    Raises `DataError` (`file.missing`), `OSError`, `StorageError`.
    """
    try:
        _copy(place(there), place(here))
    except FileNotFoundError as error:
        raise DataError(Problem("file.missing", "there is no such file: put it back", file=str(there))) from error


def _copy(old: Place, new: Place) -> None:
    if isinstance(new, Path):
        beside = beside_of(new)
        with replacing(new, beside, sync=False):
            if isinstance(old, Path):
                copy_stored(old, beside)
            elif old.member is not None:
                beside.write_bytes(old.read_bytes())
            else:
                call(str(old), "get_file", old.path, str(beside))
    elif (old.member if isinstance(old, Remote) else member_of(old)) is not None:
        new.write_bytes(read_bytes(old))
    elif isinstance(old, Remote) and old.bucket == new.bucket:
        new.copy_from(old)
    else:
        with local_copy(old) as source:
            new.upload(source)


# Folders


def names_in(folder: Place) -> set[str]:
    """The names of what is in a folder; none if there is no folder."""
    try:
        return {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return set()


def list_folder(folder: Place) -> list[str]:
    """The names of what is in a folder. Raises `OSError` if there is none, `StorageError`."""
    return os.listdir(folder) if isinstance(folder, Path) else [child.name for child in folder.iterdir()]


def matching(folder: Place, pattern: str) -> list[Place]:
    """What is under a folder in places that match, sorted; `**/` begins a pattern for all folders below."""
    anywhere, name = pattern.startswith("**/"), pattern.removeprefix("**/")
    if isinstance(folder, Path):
        return [*sorted(folder.rglob(name) if anywhere else folder.glob(name))]
    return [*sorted(folder.rglob(name) if anywhere else folder.glob(name))]


def size_of(path: str | Place) -> int:
    """The bytes of a file, or of a member of a shard. Raises `OSError`, `StorageError`."""
    return Remote.of(path).size() if is_stored(path) else stored_size(str(path))


def files_below(folder: Place, *, follow: bool = False) -> Iterator[str]:
    """POSIX paths, under the folder, of all files below it; `follow` goes behind symbolic links to folders."""
    if isinstance(folder, Remote):
        tree = folder.listed()._tree
        prefix = f"{folder.path}/"
        yield from (path[len(prefix) :] for path in (tree.files if tree else ()) if path.startswith(prefix))
        return
    for base, _, files in os.walk(folder, followlinks=follow):
        under = os.path.relpath(base, folder).replace(os.sep, "/")
        yield from (file if under == "." else f"{under}/{file}" for file in files)


def remove(path: Place) -> None:
    """Remove a file or a folder with all in it; nothing if there is none."""
    if isinstance(path, Remote):
        path.remove()
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def below(path: Place, folder: Place) -> str:
    """The POSIX path from a folder to a file that is known to be below it."""
    if isinstance(path, Path) and isinstance(folder, Path):
        return path.relative_to(folder).as_posix()
    return str(path)[len(str(folder)) :].lstrip("/")


def relative(there: str | Place, folder: Place) -> str:
    """The POSIX path from a folder to a file, both without symbolic links; the URL of what is in another bucket."""
    old = place(there)
    if isinstance(old, Remote):
        if isinstance(folder, Remote) and old.bucket == folder.bucket:
            return posixpath.relpath(f"/{old.path}", f"/{folder.path}")
        return str(old)
    if isinstance(folder, Remote):
        raise ValueError(f"{old} is on this machine, {folder} is not")
    return Path(os.path.relpath(old, folder)).as_posix()


def vsi_path(path: Remote) -> str | None:
    """What GDAL opens by windows by itself; None if it cannot reach such storage, or read what is there as it is."""
    prefix, member = provider_of(str(path)).gdal, path.member
    if prefix is None or (member is not None and member.coding):
        return None
    if member is None:
        return f"{prefix}{path.path}"
    return f"/vsisubfile/{member.offset}_{member.length},{prefix}{member.file}"


def leads_out(path: str) -> bool:
    """Whether a POSIX path is not below the folder that it is relative to, whatever links there are; or no path at all."""
    return path[:1] == "/" or ".." in path.split("/") or "\\" in path or "\0" in path or DRIVE.match(path) is not None


def links_out(root: Place, path: str) -> bool:
    """Whether a POSIX path is not below the folder that it is relative to, by its parts or by links among them."""
    if leads_out(path):
        return True
    if isinstance(root, Remote):
        return False
    here = str(root)
    for part in holder(path).split("/"):
        here = os.path.join(here, part)
        if os.path.islink(here) and not Path(real(here)).is_relative_to(real(root)):
            return True
    return False


def refuse_outside(names: Iterable[str], file: object) -> None:
    """Raise `DatasetError` for an id or a parent that is no path below a folder, in a manifest's `file`."""
    text = "\n/".join(names)  # one search of all: looking at each would take half as long as reading them
    if ".." in text or "//" in text or "\\" in text or "\0" in text or text[:1] == "/" or ":" in text:
        for name in names:
            if leads_out(name):
                raise DatasetError(f"{file}: the id {name!r} leads out of the dataset: it cannot be the name of a file")


def lies_below(path: str) -> bool:
    """Whether a POSIX path leads nowhere but below the folder that it starts from."""
    parts = path.split("/")
    return all(parts) and not {".", ".."} & set(parts) and "\\" not in path and not any(ord(c) < 32 for c in path)
