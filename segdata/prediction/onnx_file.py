"""What an ONNX file asks for, read before anything runs it: its operators, its opsets, weights in other files, metadata.

onnxruntime opens the other files that a model names, and looks for them where the process was started if it is given bytes. So
a stranger's file is looked through here first. Its form is a protobuf: a record is fields of a number and a type each, and
records within records are bytes (https://protobuf.dev/programming-guides/encoding). Numbers of fields: onnx.proto of ONNX 1.23
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from segdata.errors import DatasetError
from segdata.files.remote import Place
from segdata.words import some

RECORDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 14: "entry", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""Of each record the fields that hold records in which something is looked for."""

DOMAINS = ("", "ai.onnx", "com.microsoft")
"""Where operators come from that onnxruntime has: ONNX's own, and those of quantisation and fusion."""

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
"""The types of fields."""

OPERATOR, DOMAIN = 4, 7
NAME, FUNCTION_DOMAIN = 1, 10
KEY, VALUE = 1, 2
EXTERNAL_DATA, DATA_LOCATION = 13, 14


@dataclass(slots=True)
class OnnxFile:
    """What was found: opsets by domain, operators and functions as (domain, name), other files ("" for no name), metadata."""

    opsets: dict[str, int] = field(default_factory=dict)
    operators: set[tuple[str, str]] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    metadata: dict[str, str] = field(default_factory=dict)

    def refuse(self, path: str | Place) -> None:
        """Raise `DatasetError` for weights in other files, and for operators that are neither onnxruntime's nor the file's."""
        if self.others:
            named = sorted(filter(None, self.others)) or ["of no name"]
            raise DatasetError(
                f"{path}: keeps weights in other files ({some(named, 1)}), and none but this one is opened: "
                "segdata export onnx writes one file"
            )
        odd = {(domain, name) for domain, name in self.operators - self.functions if domain not in DOMAINS}
        if odd:
            raise DatasetError(
                f"{path}: has operators that are no part of ONNX ({some(sorted(map(':'.join, odd)), 3)}), which would be "
                "others' code: segdata export onnx writes none"
            )


def look_through(data: bytes, path: str | Place) -> OnnxFile:
    """Read what a file asks for. Raises `DatasetError` if it is no ONNX file, or damaged."""
    found = OnnxFile()
    try:
        _look(memoryview(data), "model", found)
    except (ValueError, IndexError, RecursionError) as error:
        raise DatasetError(f"{path}: not an ONNX file, or a damaged one: export it again") from error
    return found


def _look(data: memoryview, kind: str, found: OnnxFile) -> None:
    """Note what a record of this kind holds."""
    inner = RECORDS[kind]
    texts: dict[int, str] = {}
    for number, value in _fields(data):
        if isinstance(value, int):
            if kind == "tensor" and number == DATA_LOCATION and value & 0xFFFFFFFF:
                found.others.add("")
        elif number not in inner:
            if kind in ("node", "function") and number in (NAME, OPERATOR, DOMAIN, FUNCTION_DOMAIN):
                texts[number] = str(value, "utf-8")
        elif inner[number] == "entry":
            _note_entry(_entry(value), kind, found)
        elif inner[number] == "opset":
            domain, version = _opset(value)
            found.opsets[domain] = version
        else:
            _look(value, inner[number], found)
    if kind == "node":
        found.operators.add((texts.get(DOMAIN, ""), texts.get(OPERATOR, "")))
    if kind == "function":
        found.functions.add((texts.get(FUNCTION_DOMAIN, ""), texts.get(NAME, "")))


def _note_entry(entry: tuple[str, str], kind: str, found: OnnxFile) -> None:
    """A key with its value: of the model's metadata, or of where a tensor lies."""
    if kind == "model":
        found.metadata[entry[0]] = entry[1]
    else:
        found.others.add(entry[1] if entry[0] == "location" else "")


def _entry(data: memoryview) -> tuple[str, str]:
    texts = {number: str(value, "utf-8") for number, value in _fields(data) if not isinstance(value, int)}
    return texts.get(KEY, ""), texts.get(VALUE, "")


def _opset(data: memoryview) -> tuple[str, int]:
    domain, version = "", 0
    for number, value in _fields(data):
        if number == KEY and not isinstance(value, int):
            domain = str(value, "utf-8")
        elif number == VALUE and isinstance(value, int):
            version = value
    return domain, version


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a record: number, and a whole number or bytes. Raises `ValueError`, `IndexError` where it is cut off."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind not in (EIGHT, BYTES, FOUR) or not number:
            raise ValueError("no such type of field")
        length, at = _varint(data, at) if kind == BYTES else ({EIGHT: 8, FOUR: 4}[kind], at)
        if at + length > len(data):
            raise ValueError("cut off")
        yield number, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of 7 bits per byte from `at` on, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, at
        if shift > 63:
            raise ValueError("too long a number")
