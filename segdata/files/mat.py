"""MAT files of MATLAB, versions 5 to 7: one array of numbers out of a file, also a field of a struct.

Only the way to that array is read. What else the file holds (sparse edges, captions) stays as it is, and no depth of nesting
and no length that a file claims takes memory. (SciPy's reader, which gives the same arrays, ends the process on a file of
deeply nested cells.)

Format: https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from segdata.errors import DataError
from segdata.files.file import File, open_file
from segdata.files.limits import MAX_PIXELS
from segdata.files.remote import Place

HEADER = 128

SHORT = 4096
"""Inflated bytes that hold the name and the shape of a variable."""

LARGEST = MAX_PIXELS + SHORT
"""The most bytes of a variable, once inflated: a mask of 8 bits may have all the pixels that any mask may have."""

MATRIX, COMPRESSED = 14, 15

NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How each type of data is stored."""

CELL, STRUCT = 1, 2

KINDS = {CELL: "a cell", STRUCT: "a struct", 3: "an object", 4: "text", 5: "a sparse matrix"}
"""Classes of arrays that are not numbers; 6 to 15 are numbers, of whatever type."""

COMPLEX = 8

AGAIN = "save it as an array of numbers"

Data = memoryview


class Array(NamedTuple):
    """An array in a file: its class, shape and name, and what follows these. `order` is that of bytes, `<` or `>`."""

    kind: int
    shape: tuple[int, ...]
    name: str
    content: Data
    order: str
    is_complex: bool = False


def read_array(path: str | Place | File, *names: str) -> NDArray[Any]:
    """(H, W) numbers of a variable, or of a field of the first struct in it: `"GTcls", "Segmentation"`. As they are stored.

    Raises `DataError` (`mask.missing`, `mask.unreadable`, `mask.too_large`) for a file that is none, or that does not hold it.
    """
    with open_file(path, "mask") as file:
        array = _find(file, names)
        shape = array.shape
        if len(shape) != 2 or prod(shape) == 0:
            told = " x ".join(map(str, shape))
            raise file.problem("unreadable", f"{'.'.join(names)} is of {told} numbers, and a mask of height x width")
        if prod(shape) > MAX_PIXELS:
            more = f"more than the limit of {MAX_PIXELS} (SEGDATA_MAX_PIXELS sets it)"
            raise file.problem("too_large", f"{shape[1]} x {shape[0]} pixels are {more}")
        return _numbers(file, array).reshape(shape, order="F")


def read_numbers(path: str | Place | File, *names: str) -> NDArray[Any]:
    """(N,) numbers of an array of any shape, column by column. Raises as `read_array`."""
    with open_file(path, "mask") as file:
        return _numbers(file, _find(file, names))


def count_of(path: str | Place | File, name: str) -> int:
    """How many parts a variable of any kind has, such as a cell of names; 0 if there is none. Raises as `read_array`."""
    with open_file(path, "mask") as file:
        array = _variable(file, name)
        return 0 if array is None else prod(array.shape)


def _find(file: File, names: Sequence[str]) -> Array:
    """A variable, or a field of it."""
    array = _variable(file, names[0])
    if array is None:
        raise file.problem("unreadable", f"holds no variable {names[0]}: is it a label file of this set?")
    for name in names[1:]:
        try:
            array = _field(array, name)
        except ValueError as error:
            raise _damaged(file, error) from error
        if array is None:
            raise file.problem("unreadable", f"its {names[0]} has no field {name}: is it a label file of this set?")
    return array


def _variable(file: File, name: str) -> Array | None:
    """The variable of this name."""
    order = _order(file)
    try:
        for kind, data, _ in _elements(Data(file.data)[HEADER:], order):
            array = _inflated(file, data, order, name) if kind == COMPRESSED else _array(kind, data, order)
            if array is not None and array.name == name:
                return array
    except (ValueError, zlib_ng.error) as error:  # type: ignore[misc]
        raise _damaged(file, error) from error
    return None


def _order(file: File) -> str:
    """The order of bytes. Raises `DataError` for what is no MAT file of this version."""
    head = file.start(HEADER)
    if head.startswith(b"MATLAB 7.3") or head[:4] == b"\x89HDF":
        raise file.problem(
            "unreadable", "is a MAT file of version 7.3, which is HDF5: save it again as version 7 (-v7)"
        )
    order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
    if len(head) < HEADER or order is None:
        raise file.problem(
            "unreadable", "is no MAT file of version 5 to 7: is it cut off, or another file of this name?"
        )
    return order


def _damaged(file: File, error: Exception) -> DataError:
    return file.problem("unreadable", f"the MAT file is damaged or cut off: {error}")


def _numbers(file: File, array: Array) -> NDArray[Any]:
    """The numbers of an array, column by column, as they are stored. Raises `DataError`."""
    if array.kind in KINDS or array.is_complex:
        raise file.problem("unreadable", f"{array.name or 'it'} is {KINDS.get(array.kind, 'complex')}: {AGAIN}")
    try:
        part = next(_elements(array.content, array.order), NOTHING)
    except ValueError as error:
        raise _damaged(file, error) from error
    dtype = np.dtype(array.order + NUMBERS.get(part.kind, "u1"))
    count = prod(array.shape)
    if part.kind not in NUMBERS or len(part.data) < count * dtype.itemsize:
        raise _damaged(file, ValueError(f"{count:,} numbers are told, and they are not there"))
    return np.frombuffer(part.data, dtype, count).astype(dtype.newbyteorder("="), copy=False)


# Elements


class Element(NamedTuple):
    """Its type, its bytes, and where it ends in the data that it is part of."""

    kind: int
    data: Data
    end: int


NOTHING = Element(0, Data(b""), 0)


def _elements(data: Data, order: str) -> Iterator[Element]:
    """The elements of some data. Raises `ValueError` for one that is cut off."""
    start = 0
    while start + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, start)
        if kind >> 16:  # a small element: type and size are in the first four bytes, the data in the others
            kind, size, begin, end = kind & 0xFFFF, kind >> 16, start + 4, start + 8
        else:
            begin = start + 8
            end = begin + (size if kind == COMPRESSED else -(-size // 8) * 8)
        if begin + size > min(len(data), max(end, begin)):
            raise ValueError(f"an element of {size:,} bytes where {min(len(data), end) - begin:,} are left")
        yield Element(kind, data[begin : begin + size], end)
        start = end


def _inflated(file: File, data: Data, order: str, name: str) -> Array | None:
    """A compressed variable, inflated whole only if it has this name. Raises `ValueError`, `DataError` (`mask.too_large`)."""
    inflater = zlib_ng.decompressobj()
    start = inflater.decompress(data, SHORT)
    kind, size = struct.unpack_from(f"{order}II", start.ljust(8, b"\0"))
    head = _array(kind, Data(start)[8 : 8 + size], order)
    if head is None or head.name != name:
        return None
    if size > LARGEST:
        more = f"more than the limit of {LARGEST:,} (SEGDATA_MAX_PIXELS sets it)"
        raise file.problem("too_large", f"its {name} has {size:,} bytes, {more}")
    rest = inflater.decompress(inflater.unconsumed_tail, max(1, size + 8 - len(start)))
    return _array(kind, Data(start + rest)[8 : 8 + size], order)


def _array(kind: int, data: Data, order: str) -> Array | None:
    """An array; None for an element of another kind. What follows its name is not looked at. Raises `ValueError`."""
    if kind != MATRIX:
        return None
    if not data:
        return Array(CELL, (0, 0), "", data, order)
    parts = _elements(data, order)
    flags, shape, name = (next(parts, NOTHING) for _ in range(3))
    if len(flags.data) < 4 or len(shape.data) < 8:
        raise ValueError("an array without a class and a shape")
    (bits,) = struct.unpack_from(f"{order}I", flags.data)
    sizes = struct.unpack_from(f"{order}{len(shape.data) // 4}i", shape.data)
    if min(sizes) < 0:
        raise ValueError(f"an array of the shape {sizes}")
    text = bytes(name.data).decode("latin-1")
    return Array(bits & 0xFF, sizes, text, data[name.end :], order, bool(bits >> 8 & COMPLEX))


def _field(array: Array, name: str) -> Array | None:
    """A field of the first struct of an array; None if it has none of this name. Raises `ValueError`."""
    if array.kind != STRUCT or prod(array.shape) == 0:
        return None
    parts = _elements(array.content, array.order)
    length, text = bytes(next(parts, NOTHING).data), bytes(next(parts, NOTHING).data)
    each = int.from_bytes(length, "little" if array.order == "<" else "big")
    if not 0 < each <= 64:
        raise ValueError("a struct whose fields have no names")
    fields = [text[i : i + each].split(b"\0")[0].decode("latin-1") for i in range(0, len(text), each)]
    there = (part for field, part in zip(fields, parts, strict=False) if field == name)
    found = next(there, NOTHING)
    return _array(found.kind, found.data, array.order)
