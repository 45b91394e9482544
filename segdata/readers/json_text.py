"""JSON of label files, decoded into records; what is wrong is told with its place."""

from __future__ import annotations

import json
from typing import NoReturn, TypeVar

import msgspec

from segdata.errors import DataError, Problem
from segdata.files.places import read_bytes
from segdata.readers.source import readable

T = TypeVar("T")


def read_json(
    path: str, decoder: msgspec.json.Decoder[T], code: str, what: str, each: tuple[str, type] | None = None
) -> T:
    """A label file as `decoder` has it. Raises `DataError` (`code`.missing, .json) that says it is not `what`.

    NaN and Infinity are read: they are not JSON, but Python writes them. `each` is the key of the list of annotations and the
    type of one: the first that is not of its shape is named, by its place from 0 (`code`.object).
    """
    with readable(path, f"{code}.missing"):
        data = read_bytes(path)
    try:
        return decode_json(data, decoder, code, what, each)
    except DataError as error:
        raise error.at(file=path) from error.__cause__


def decode_json(
    data: bytes, decoder: msgspec.json.Decoder[T], code: str, what: str, each: tuple[str, type] | None = None
) -> T:
    """The same of the bytes of a file."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = error
    try:
        loose = json.loads(data)
    except (ValueError, RecursionError):
        raise DataError(Problem(f"{code}.json", f"not valid JSON, perhaps cut off: {reason}")) from reason
    try:
        return msgspec.convert(loose, decoder.type)
    except msgspec.ValidationError as error:
        _refuse(loose, error, code, what, each)
    except UnicodeEncodeError as error:
        message = f"a text in it holds half a character ({error.object[error.start]!a}): correct it"
        raise DataError(Problem(f"{code}.json", message)) from error


def _refuse(
    loose: object, reason: msgspec.ValidationError, code: str, what: str, each: tuple[str, type] | None
) -> NoReturn:
    """Name the annotation that has not the shape of one, if it is one of them."""
    key, kind = each or ("", object)
    things = loose.get(key) if isinstance(loose, dict) else None
    for number, thing in enumerate(things if isinstance(things, list) else ()):
        try:
            msgspec.convert(thing, kind)
        except msgspec.ValidationError as error:
            raise DataError(Problem(f"{code}.object", f"not an object: {error}", annotation=number)) from error
    raise DataError(Problem(f"{code}.json", f"not {what}: {reason}")) from reason
