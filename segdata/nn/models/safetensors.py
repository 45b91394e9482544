"""Reading safetensors files: a header in JSON, then the tensors' bytes. No code is in them, so no package is needed.

The form is that of github.com/huggingface/safetensors: the header's length (8 bytes, little-endian), the header, the data.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import torch
from msgspec import Meta
from torch import Tensor

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip

MOST_HEADER = 100_000_000
"""The longest header that the format allows, in bytes."""

Count = Annotated[int, Meta(ge=0, le=2**62)]


class Entry(msgspec.Struct):
    """One tensor of the header; the offsets count from the end of the header."""

    dtype: str
    shape: list[Count]
    data_offsets: tuple[Count, Count]


def is_safetensors(head: bytes, size: int) -> bool:
    """Whether a file of `size` bytes begins as such a file does: with a length, and with the `{` of a header of that length."""
    return 2 <= int.from_bytes(head[:8], "little") <= size - 8 and head[8:9] == b"{"


def load_safetensors(data: bytes) -> dict[str, Tensor]:
    """The tensors by name; they share the memory of `data`. Raises `ValueError`, whose text says what is damaged."""
    length = int.from_bytes(data[:8], "little")
    if not is_safetensors(data[:9], len(data)) or length > MOST_HEADER:
        raise ValueError("its header is damaged, or the file is cut off")
    try:
        header = msgspec.json.decode(data[8 : 8 + length], type=dict[str, msgspec.Raw])
        header.pop("__metadata__", None)
        entries = {name: msgspec.json.decode(raw, type=Entry) for name, raw in header.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"its header is damaged: {error}") from error
    values = memoryview(bytearray(data))[8 + length :]  # a copy that may be written to, as torch wants it
    return {name: _tensor(name, entry, values) for name, entry in entries.items()}


def _tensor(name: str, entry: Entry, values: memoryview) -> Tensor:
    begin, end = entry.data_offsets
    if entry.dtype not in DTYPES:
        raise ValueError(f"{name} is of the type {entry.dtype}, which is none of {', '.join(DTYPES)}")
    dtype, count = DTYPES[entry.dtype], math.prod(entry.shape)
    if not begin <= end <= len(values) or end - begin != count * dtype.itemsize:
        raise ValueError(f"{name} does not lie where its header says, or the file is cut off")
    if not count:
        return torch.empty(entry.shape, dtype=dtype)
    return torch.frombuffer(values[begin:end], dtype=dtype).reshape(entry.shape)
