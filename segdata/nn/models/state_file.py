"""Reading the tensors of a file of weights, whoever wrote it: alone, or within other things. No code in it is run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from segdata.errors import DataError, Problem
from segdata.files.limits import open_regular, refuse_bytes
from segdata.nn.saved import load_saved
from segdata.words import shown, some

WITHIN = ("state_dict", "model_state_dict", "model", "state", "net", "network", "weights")
"""The names under which programs save a state beside other things; the first that is there is taken."""

State = dict[str, Tensor]


def read_state(path: Path) -> State:
    """The tensors by name of a file that torch.save or safetensors wrote. Raises `DataError`."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            refuse_bytes(size, path)
            tensors_alone = path.suffix == ".safetensors" or is_safetensors(file.read(9), size)
            file.seek(0)
            saved: Any = load_tensors(file.read()) if tensors_alone else load_saved(file)
    except ValueError as error:
        raise DataError(Problem("weights.file", f"not a file of weights: {error}", str(path))) from error
    except OSError as error:
        raise DataError(Problem("weights.file", f"cannot be read: {error.strerror}", str(path))) from error
    found = states(saved) or {name: state for value in values(saved) for name, state in states(value).items()}
    name = next((name for name in ("", *WITHIN) if name in found), None)
    if name is None and len(found) != 1:
        raise DataError(Problem("weights.file", no_state(saved, list(found)), str(path)))
    return found[next(iter(found)) if name is None else name]


def is_safetensors(head: bytes, size: int) -> bool:
    """Whether a file of `size` bytes begins as such a file does: with a length, and with the `{` of a header of that length."""
    return 2 <= int.from_bytes(head[:8], "little") <= size - 8 and head[8:9] == b"{"


def load_tensors(data: bytes) -> State:
    """The tensors of a safetensors file by name. Raises `ValueError`, whose text says what is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except (SafetensorError, KeyError) as error:  # the latter: a type that torch does not have
        raise ValueError(f"it is damaged, or cut off: {shown(str(error))}") from error


def states(saved: object) -> dict[str, State]:
    """The states in a saved value: itself, by the name "", or those that it holds by name."""
    if is_state(saved):
        return {"": cast("State", saved)}
    if not isinstance(saved, Mapping):
        return {}
    return {str(name): dict(value) for name, value in saved.items() if is_state(value)}


def values(saved: object) -> list[object]:
    """What a mapping holds; nothing for other values."""
    return list(saved.values()) if isinstance(saved, Mapping) else []


def is_state(value: object) -> bool:
    """Whether it is a mapping of names to tensors, with one at least."""
    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(key, str) and isinstance(one, Tensor) for key, one in value.items())


def no_state(saved: object, found: list[str]) -> str:
    """Why no state can be chosen."""
    if found:
        return (
            f"it holds several states ({some(found, 4)}), none of them called {some(WITHIN)}: save the one to use alone"
        )
    what = f"it holds {some(map(str, saved), 4)}" if isinstance(saved, Mapping) and saved else "it holds none"
    return f"not a mapping of names to tensors (a state_dict): {what}"
