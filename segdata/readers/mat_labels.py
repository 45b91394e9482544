"""Masks in MAT files of MATLAB: one annotation, by values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from segdata.errors import located
from segdata.files.mat import read_array
from segdata.files.numbers import whole_numbers
from segdata.labels import Mask, Remap, tally
from segdata.readers.label_files import Meaning, refuse_values, through
from segdata.readers.source import Drawn, Receipt


@dataclass(frozen=True, slots=True)
class MatFile:
    """A mask in a variable of a MAT file, or in a field of one: see `files.mat.read_array`."""

    path: str
    names: tuple[str, ...]
    meaning: Meaning

    @property
    def ids(self) -> list[str]:
        """One annotation: the mask, by its file name."""
        return [os.path.basename(self.path)]

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return (self.path,)

    def draw(self, remap: Remap) -> Drawn:
        """Its numbers through both tables at once. Raises `DataError` (`mask.*`) with the way out."""
        with located(file=self.path):
            mask = draw_numbers(read_array(self.path, *self.names), self.path, self.meaning, remap)
        return Drawn(mask, Receipt(annotations=1, painted=1))


def draw_numbers(numbers: NDArray[Any], path: str, meaning: Meaning, remap: Remap) -> Mask:
    """(H, W) numbers of any type -> (H, W) class ids. Raises `DataError` (`mask.numbers`, `mask.values`) with the way out."""
    values = whole_numbers(numbers, path)
    try:
        return remap.labels.table(through(meaning.values or {}, remap))(values)
    except ValueError as error:
        refuse_values(values, tally(values), meaning, error)
