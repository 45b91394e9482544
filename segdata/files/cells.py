"""Cells of Parquet tables: images and masks in a column, as the `datasets` library of Hugging Face keeps them.

Such a cell is `{bytes, path}`: the bytes of a file and what it was called, or the path alone of a file that lies elsewhere. A
column of bytes is read, too. Cells are compressed, many at once, so that one of them costs those before it in its row group:
read in order, each costs itself alone, and memory is that of a few cells whatever the size of the table.

Format: https://huggingface.co/docs/datasets/about_dataset_features, https://parquet.apache.org/docs/file-format/
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from posixpath import splitext
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from segdata.errors import MissingDependency, raise_exhausted, reason
from segdata.files.endings import IMAGE_ENDINGS
from segdata.files.limits import open_regular, refuse_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE, KEPT = 8, 4
"""So many cells are decoded at a time, and so many times as many are kept for those that ask out of order."""

BUFFER = 2**20
"""Bytes of a column that are read from disk at a time."""

COLUMNS = 8
"""So many columns are kept open."""

KINDS = (
    (b"\x89PNG", ".png"), (b"\xff\xd8\xff", ".jpg"), (b"II*\0", ".tif"), (b"MM\0*", ".tif"), (b"II+\0", ".tif"),
    (b"MM\0+", ".tif"), (b"GIF8", ".gif"), (b"BM", ".bmp"), (b"RIFF", ".webp"), (b"\0\0\0\x0cjP", ".jp2"),
    (b"\xff\x4f\xff\x51", ".jp2"), (b"P4", ".pbm"), (b"P5", ".pgm"), (b"P6", ".ppm"),
)  # fmt: skip
"""How files begin, and the ending that they have."""

Kind = Literal["file", "array", "other"]
"""What a column holds: `{bytes, path}` or bytes, rows of whole numbers, anything else."""


class Table(NamedTuple):
    """What the end of a Parquet file tells: how many rows there are, its columns, and what `datasets` says of them in JSON."""

    path: str
    rows: int
    columns: dict[str, Kind]
    about: bytes | None


class Name(NamedTuple):
    """What a cell is of: the path in it, and the ending of its bytes; neither of an empty cell."""

    path: str | None
    ending: str | None


def read_table(path: str) -> Table:
    """What the end of a Parquet file tells. Raises `OSError`, `MissingDependency`."""
    with reading(path):
        file = _open(path)
        schema = file.schema_arrow
        columns = {field.name: _kind(field.type) for field in schema}
        about = (schema.metadata or {}).get(b"huggingface")
        return Table(path, file.metadata.num_rows, columns, about)


def read_names(path: str, column: str) -> Iterator[Name]:
    """What each cell of a column of files is of, in order. Raises `OSError`, `MissingDependency`.

    Bytes are looked into only where paths do not tell all.
    """
    with reading(path):
        file = _open(path, column)
        for group in range(file.metadata.num_row_groups):
            yield from _names(file, column, group)


def read_texts(path: str, column: str) -> Iterator[str | None]:
    """The text in each cell of a column, in order; None for an empty one. Raises `OSError`, `MissingDependency`."""
    with reading(path):
        file = _open(path)
        for group in range(file.metadata.num_row_groups):
            cells = file.read_row_group(group, columns=[column], use_threads=False).column(0).to_pylist()
            yield from (None if cell is None else str(cell) for cell in cells)


def read_cell(path: str, column: str, row: int) -> bytes:
    """The bytes in a cell. Raises `OSError`, also for an empty one and for more than `MAX_BYTES`; `MissingDependency`."""
    value = read_value(path, column, row)
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        raise OSError(errno.EIO, f"row {row} has no bytes in column {column}", path)
    refuse_bytes(len(data), path)
    return data


def read_rows(path: str, column: str, row: int) -> NDArray[Any]:
    """(H, W) whole numbers of a cell that is a list of lists. Raises `OSError`, `MissingDependency`."""
    with reading(path):
        rows = _cell(path, column, row).values
        if rows is None or rows.null_count or rows.flatten().null_count:
            raise OSError(errno.EIO, f"row {row} has no numbers in column {column}, or not in all places", path)
        widths = set(load_pyarrow().compute.list_value_length(rows).to_pylist())
        if len(widths) > 1:
            raise OSError(errno.EIO, f"row {row} has rows of different lengths in column {column}", path)
        values: NDArray[Any] = rows.flatten().to_numpy(zero_copy_only=False)
        return values.reshape(len(rows), widths.pop() if widths else 0)


def read_value(path: str, column: str, row: int) -> Any:
    """What is in a cell, as Python has it. Raises `OSError`, `MissingDependency`."""
    with reading(path):
        return _cell(path, column, row).as_py()


def _cell(path: str, column: str, row: int) -> Any:
    found = os.stat(path)
    return _column(path, column, found.st_mtime_ns, found.st_size, os.getpid()).read(row)


@lru_cache(maxsize=COLUMNS)
def _column(path: str, column: str, _modified: int, _size: int, _process: int) -> Column:
    return Column(path, column)


class Column:
    """A column that is read from the top: cells that are asked for about in order cost one pass."""

    def __init__(self, path: str, column: str) -> None:
        self._path, self._file = path, _open(path, column)
        self._leaves = _leaves(self._file, column, "bytes")
        self._at_once = AT_ONCE if _kind(self._file.schema_arrow.field(column).type) == "file" else 1
        groups = (self._file.metadata.row_group(i).num_rows for i in range(self._file.metadata.num_row_groups))
        self._starts = list(accumulate(groups, initial=0))
        self._batches: Iterator[Any] = iter(())
        self._kept: deque[tuple[int, Any]] = deque(maxlen=KEPT)  # first row, and cells
        self._next, self._end = 0, 0
        self._lock = Lock()

    def read(self, row: int) -> Any:
        """What is in a row, as Arrow has it. Raises `OSError` where there is none."""
        if not 0 <= row < self._starts[-1]:
            raise OSError(errno.EIO, f"there is no row {row}, but {self._starts[-1]:,} rows", self._path)
        with self._lock:
            for first, cells in self._kept:
                if first <= row < first + len(cells):
                    return cells[row - first]
            if not self._next <= row < self._end:
                self._start(row)
            while True:
                cells = next(self._batches, None)
                if cells is None:
                    raise OSError(errno.EIO, f"it ends before row {row}", self._path)
                self._kept.append((self._next, cells))
                self._next += len(cells)
                if row < self._next:
                    return cells[row - self._next]

    def _start(self, row: int) -> None:
        """Begin with the row group that a row is in."""
        group = bisect_right(self._starts, row) - 1
        self._next, self._end = self._starts[group], self._starts[group + 1]
        self._kept.clear()
        self._batches = (
            batch.column(0)
            for batch in self._file.iter_batches(
                self._at_once, row_groups=[group], columns=self._leaves, use_threads=False
            )
        )


# Parts


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn what pyarrow raises for a damaged file into `OSError`."""
    pyarrow = load_pyarrow()
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        damaged: Exception = error
    except (pyarrow.ArrowException, KeyError, ValueError, TypeError, OverflowError, IndexError) as error:
        damaged = error
    else:
        return
    raise_exhausted(damaged, path)
    raise OSError(errno.EIO, f"it is no Parquet, cut off or damaged ({reason(damaged)})", path) from damaged


def load_pyarrow() -> Any:
    """The library. Raises `MissingDependency`."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependency('Parquet needs pyarrow: pip install "segdata[hf]"') from error
    return pyarrow


def _open(path: str, column: str | None = None) -> Any:
    """An open Parquet file. Equal bytes in a column are in memory once: a small file may hold the same cell a million times."""
    open_regular(path).close()
    parquet = load_pyarrow().parquet
    if column is None:
        return parquet.ParquetFile(path)
    leaves = _leaves(parquet.ParquetFile(path), column, "bytes")
    return parquet.ParquetFile(
        path, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True, read_dictionary=leaves
    )


def _leaves(file: Any, column: str, part: str) -> list[str]:
    """The paths of what a column is made of: of `{bytes, path}` that `part`, otherwise all."""
    schema = file.schema
    paths = [schema.column(i).path for i in range(len(schema))]
    if f"{column}.{part}" in paths:
        return [f"{column}.{part}"]
    return [path for path in paths if path == column or path.startswith(f"{column}.")]


def _kind(type: Any) -> Kind:
    """What a column of an Arrow type holds."""
    types = load_pyarrow().types
    if types.is_struct(type):
        parts = {type.field(i).name: type.field(i).type for i in range(type.num_fields)}
        return "file" if "bytes" in parts and _binary(parts["bytes"]) else "other"
    if _binary(type):
        return "file"
    for _ in range(2):
        if not (types.is_list(type) or types.is_large_list(type) or types.is_fixed_size_list(type)):
            return "other"
        type = type.value_type
    return "array" if types.is_integer(type) or types.is_boolean(type) else "other"


def _binary(type: Any) -> bool:
    types = load_pyarrow().types
    return bool(types.is_binary(type) or types.is_large_binary(type) or types.is_binary_view(type))


def _names(file: Any, column: str, group: int) -> Iterator[Name]:
    """`read_names` of a row group."""
    paths = _paths(file, column, group)
    endings = [splitext(path or "")[1].lower() for path in paths]
    bytes_of = _leaves(file, column, "bytes")
    if all(ending in IMAGE_ENDINGS for ending in endings) and _is_full(file, bytes_of[0], group):
        yield from map(Name, paths, endings)
        return
    batches = file.iter_batches(AT_ONCE, row_groups=[group], columns=bytes_of, use_threads=False)
    cells = (cell.as_py() for batch in batches for cell in batch.column(0))
    for path, ending, cell in zip(paths, endings, cells, strict=True):
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        own = ending if ending in IMAGE_ENDINGS else ""
        yield Name(path, None if data is None else own or _ending_of(data))


def _paths(file: Any, column: str, group: int) -> list[str | None]:
    """The paths in the cells of a row group."""
    leaves = _leaves(file, column, "path")
    if leaves != [f"{column}.path"]:
        return [None] * file.metadata.row_group(group).num_rows
    cells = file.read_row_group(group, columns=leaves, use_threads=False).column(0).to_pylist()
    return [(cell or {}).get("path") or None for cell in cells]


def _is_full(file: Any, leaf: str, group: int) -> bool:
    """Whether no cell is empty, as the file itself counts."""
    facts = file.metadata.row_group(group)
    chunk = next(facts.column(i) for i in range(facts.num_columns) if facts.column(i).path_in_schema == leaf)
    counts = chunk.statistics
    return counts is not None and counts.has_null_count and counts.null_count == 0


def _ending_of(data: bytes) -> str:
    """The ending of a file that begins with these bytes; none where that is not known."""
    return next((ending for start, ending in KINDS if data.startswith(start)), "")
