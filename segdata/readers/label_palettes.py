"""Palettes of masks: whether the same index is the same colour everywhere, as it must be for indices to be class ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.images import read_palette
from segdata.readers.diagnose import Diagnosis, pack, unpack_color


class Palettes(NamedTuple):
    """What the palettes of the masks looked at have in common: by packed colour its index, and a file that has it there.

    `all` are the bytes of the palette if it is the same everywhere.
    """

    indices: Mapping[int, tuple[int, str]] = {}
    all: bytes | None = None


NO_PALETTES = Palettes()


def check_palette(path: str, values: Callable[[], Collection[int]], known: Palettes) -> None:
    """Raise `DataError` (`mask.palettes`) if a colour has another index than elsewhere: then indices are no class ids.

    `values` gives those that occur in the mask, if that has to be known.
    """
    palette = find_palette(path) if known.indices else None
    if palette is None or palette.tobytes() == known.all:
        return
    for color, index in used_colors(palette, values()).items():
        there, other = known.indices.get(color, (index, ""))
        if there != index:
            what = f"palettes differ: {unpack_color(color)} has index {index} here, and {there} in {other}"
            refuse(Diagnosis("palettes", what, "--colors, with a --classes table of name,r,g,b"))


def find_palette(path: str) -> NDArray[np.uint8] | None:
    """(N, 3) colours of a mask's palette; None if it has none, or a damaged one, which its indices do not need."""
    with suppress(DataError):
        return read_palette(path)
    return None


def used_colors(palette: NDArray[np.uint8], values: Collection[int]) -> dict[int, int]:
    """Packed colour -> index of the values that occur in a mask, but for colours that several of them have."""
    colors = [(color, index) for index, color in enumerate(pack(palette[None])[0].tolist()) if index in values]
    times = Counter(color for color, _ in colors)
    return {color: index for color, index in colors if times[color] == 1}


def refuse(diagnosis: Diagnosis) -> NoReturn:
    """Raise a diagnosis as a `DataError` (`mask.<kind>`)."""
    raise DataError(Problem(f"mask.{diagnosis.kind}", str(diagnosis)))
