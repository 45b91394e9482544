"""The class names in the full set's index_ade20k.pkl, without unpickling it: a pickle can run any program.

The file is a pickled dictionary of 800 MB, in which `objectnames` is the list of all class names. Class indices count them from
1. The standard library's pickletools tells the opcodes and runs none of them; only texts and lists are followed.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import IO, cast

from segdata.errors import DataError
from segdata.files.limits import open_regular
from segdata.files.remote import Place
from segdata.labels import class_name
from segdata.readers.ade20k.names import MAX_INDEX, read_names
from segdata.readers.classes.named import NamedClass
from segdata.readers.source import Input, Receipt

INDEX = "index_ade20k.pkl"

MOST = 3_000_000
"""So many opcodes are looked at; the published index has a tenth of it."""

LARGE = 2**20
"""Longer parts are arrays, which are passed over."""

PUT, GET = ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"), ("BINGET", "LONG_BINGET", "GET")


def index_classes(
    root: Place, infos: Sequence[str], receipt: Receipt
) -> tuple[list[NamedClass], tuple[Input, ...]] | None:
    """The classes of the index beside a set, or None; a note says whether it was used. `infos`: files that name objects."""
    path = root / INDEX
    if not path.is_file():
        return None
    names = index_names(path)
    if not names:
        receipt.notes.append(f"{INDEX}: not used, as no list of class names is found in it")
    elif not agree(names, infos):
        receipt.notes.append(f"{INDEX}: not used, as its names are not those of the images: is it of another year?")
    else:
        return [NamedClass(index, name) for index, name in enumerate(names, 1)], (Input.of(path),)
    return None


def index_names(path: Place) -> list[str]:
    """The names of all classes, in order of index from 1; none if they are not found as a list of texts."""
    if not isinstance(path, Path):
        return []
    with open_regular(path) as file, suppress(ValueError, UnicodeError, OverflowError):
        parts = texts_and_lists(Sparing(file, path.stat().st_size))
        for part in parts:
            if part == "objectnames" and next(parts, None) is list:
                found = list(islice(list_of(parts), MAX_INDEX + 1))
                names = [one for one in found if isinstance(one, str)]
                return names if len(found) == len(names) <= MAX_INDEX else []
    return []


def list_of(parts: Iterator[object]) -> Iterator[object]:
    """The parts of a list up to its end: it is filled in steps, each of which begins with `iter`."""
    for part in parts:
        if part is iter:
            yield from iter(parts.__next__, len)
        else:
            return


def texts_and_lists(file: Sparing) -> Iterator[object]:
    """The texts of a pickle as they are met, `list` for a new list, `iter` and `len` around what is put into one.

    Anything else is None. Raises `ValueError` for what is no pickle.
    """
    memo: dict[int, object] = {}
    last: object = None
    for opcode, argument, _ in islice(pickletools.genops(cast(IO[bytes], file)), MOST):
        if opcode.name in PUT:
            memo[len(memo) if opcode.name == "MEMOIZE" else int(argument or 0)] = last
            continue
        if (isinstance(argument, str) and "UNICODE" in opcode.name) or opcode.name in ("SHORT_BINSTRING", "BINSTRING"):
            last = argument
        elif opcode.name in GET:
            last = memo.get(int(argument or 0))
        else:
            last = {"EMPTY_LIST": list, "MARK": iter, "APPENDS": len}.get(opcode.name)
        yield last


class Sparing:
    """A file whose large parts are passed over: they are read as zeros, which take no memory."""

    def __init__(self, file: BufferedReader, size: int) -> None:
        self._file, self._size = file, size
        self.readline, self.tell = file.readline, file.tell

    def read(self, count: int) -> bytes:
        """The next bytes. Raises `ValueError` for more than there are."""
        if count < LARGE:
            return self._file.read(count)
        if count > self._size - self._file.tell():
            raise ValueError("cut off")
        self._file.seek(count, 1)
        return bytes(count)


def agree(names: Sequence[str], infos: Sequence[str]) -> bool:
    """Whether up to 16 JSON files have the names of the index. Texts do not tell indices: the set of 2016 has no such index."""
    for path in infos[:: max(1, len(infos) // 16)][:16]:
        if not path.endswith(".json"):
            return False
        with suppress(DataError):
            for one in read_names(path):
                if list(map(class_name, names[one.number - 1 : one.number])) != [class_name(one.name)]:
                    return False
    return True
