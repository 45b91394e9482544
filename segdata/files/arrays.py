"""Scores of other programs in NumPy's files, .npy and .npz: (K, H, W) or (H, W, K) floats, probabilities or logits.

Pickled objects are never loaded. An array in a .npy file of this machine is mapped, and read some rows at a time.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import splitext
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.limits import refuse_large
from segdata.files.places import is_stored, read_bytes

Kind = Literal["auto", "probabilities", "logits"]

Axes = Literal["auto", "khw", "hwk"]

ENDINGS = (".npy", ".npz")

ROWS = 256
"""How many rows are in memory at a time, as float32. It is a multiple of the tiles that scores are stored in."""

NEAR = 0.02
"""How far from 1 probabilities may sum up in a pixel: float16 of many classes is off by as much."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an array must be: of so many `classes` and `size` (height, width); and what is said of it."""

    classes: int
    size: tuple[int, int]
    kind: Kind = "auto"
    axes: Axes = "auto"
    name: str | None = None


def read_probabilities(path: str, wanted: Wanted) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(y, (K, h, W) float32 probabilities) of the rows from `y` on, from the top. Logits go through softmax.

    Raises `DataError` (`scores.*`).
    """
    values = _laid(load(path, wanted.name), path, wanted)
    kind = kind_of(values, path) if wanted.kind == "auto" else wanted.kind
    for y, rows in _rows(values):
        _refuse_unknown(rows, y, path)
        if kind == "logits":
            yield y, softmax(rows)
            continue
        if rows.min() < -NEAR or rows.max() > 1 + NEAR:
            found = f"{rows.min():.4g} to {rows.max():.4g}"
            raise _problem("values", f"holds values of {found}, no probabilities: --kind logits reads others", path)
        yield y, np.clip(rows, 0, 1)


def softmax(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, h, W) logits, or logarithms of probabilities, -> probabilities."""
    powers = np.exp(rows - rows.max(axis=0))
    return np.asarray(powers / powers.sum(axis=0), np.float32)


def kind_of(values: NDArray[Any], path: str) -> Kind:
    """Whether (K, H, W) values are probabilities or logits. Raises `DataError` (`scores.kind`) where it is not plain."""
    low, high, off = np.inf, -np.inf, 0.0
    for y, rows in _rows(values):
        _refuse_unknown(rows, y, path)
        sums = rows.sum(axis=0)
        low, high = min(low, float(rows.min())), max(high, float(rows.max()))
        off = max(off, float(np.abs(sums - 1)[sums != 0].max(initial=0)))
    if low >= 0 and high <= 1 + NEAR and off <= NEAR:
        return "probabilities"
    if low < 0 or high > 1 + NEAR:
        return "logits"
    message = f"holds values of {low:.4g} to {high:.4g} that do not sum up to 1 in a pixel (off by {off:.2g})"
    raise _problem("kind", f"{message}: say what they are, --kind logits or --kind probabilities", path)


def load(path: str, name: str | None = None) -> NDArray[Any]:
    """The array of a file, `name` that of an .npz. Raises `DataError` (`scores.unreadable`, `scores.array`)."""
    try:
        if splitext(path)[1].lower() == ".npz":
            return _member(path, name)
        if is_stored(path):
            return np.asarray(np.load(io.BytesIO(read_bytes(path)), allow_pickle=False))
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError as error:
        raise _problem("missing", "there is no such file", path) from error
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise _problem("unreadable", "cannot be read as an array of numbers: is it whole?", path) from error


def shape_of(path: str) -> tuple[int, ...] | None:
    """The shape of the array of a .npy file; None if it has none."""
    try:
        return load(path).shape
    except DataError:
        return None


def read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it is stored column by column, and type of an open .npy file. Raises `ValueError`, `EOFError`."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _member(path: str, name: str | None) -> NDArray[Any]:
    data = io.BytesIO(read_bytes(path))
    with zipfile.ZipFile(data) as archive:
        members = {splitext(member)[0]: member for member in archive.namelist() if member.endswith(".npy")}
        if name is None and len(members) != 1:
            raise _problem(
                "array", f"holds {len(members)} arrays ({', '.join(members)}): --array NAME says which", path
            )
        if name is not None and name not in members:
            raise _problem("array", f"has no array {name}: it has {', '.join(members) or 'none'}", path)
        member = members[name or next(iter(members))]
        with archive.open(member) as file:
            shape, _, dtype = read_npy_header(file)
        refuse_large(int(np.prod(shape)), 1, dtype.itemsize, path, "scores")
        with archive.open(member) as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _laid(values: NDArray[Any], path: str, wanted: Wanted) -> NDArray[Any]:
    """A view of the array as (K, H, W). Raises `DataError` (`scores.type`, `scores.size`)."""
    if values.dtype.kind != "f":
        what = "class ids? Save them as PNG, which evaluate takes" if values.dtype.kind in "iub" else "no numbers"
        raise _problem("type", f"holds {values.dtype}, scores are floats: are these {what}", path)
    while values.ndim > 3 and values.shape[0] == 1:
        values = values[0]
    planes = (wanted.classes, *wanted.size)
    fitting = [axes for axes, shape in (("khw", planes), ("hwk", (*planes[1:], planes[0]))) if values.shape == shape]
    if wanted.axes != "auto":
        fitting = [axes for axes in fitting if axes == wanted.axes]
    if not fitting:
        k, (h, w) = wanted.classes, wanted.size
        what = f"its shape is {values.shape}, but truth has {k} classes and {h} x {w} pixels (height x width)"
        raise _problem(
            "size", f"{what}: {(k, h, w)} or {(h, w, k)} is read; give one score a class, none for ignore", path
        )
    if len(fitting) > 1:
        raise _problem("size", f"its shape {values.shape} may be khw or hwk: --axes says which", path)
    return values if fitting[0] == "khw" else np.moveaxis(values, 2, 0)


def _rows(values: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for y in range(0, values.shape[1], ROWS):
        yield y, np.ascontiguousarray(values[:, y : y + ROWS], np.float32)


def _refuse_unknown(rows: NDArray[np.float32], y: int, path: str) -> None:
    """Raise `DataError` (`scores.values`) for NaN and infinity; -infinity may be a logit, if another one of the pixel is none."""
    bad = np.isnan(rows).any(axis=0) | (rows == np.inf).any(axis=0) | (rows == -np.inf).all(axis=0)
    if bad.any():
        row, column = (int(n) for n in np.argwhere(bad)[0])
        message = f"{int(bad.sum()):,} pixels are NaN or infinite, the first at row {y + row}, column {column}"
        raise _problem("values", f"{message}: let the model write numbers", path)


def _problem(code: str, message: str, path: str) -> DataError:
    return DataError(Problem(f"scores.{code}", message, file=path))
