"""Masks that are rows of numbers in a cell of Parquet, as Array2D and lists of lists of the `datasets` library are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.errors import DataError, Problem
from segdata.files.cells import read_rows
from segdata.files.limits import refuse_large
from segdata.files.members import cell_path
from segdata.labels import Mask, Remap
from segdata.readers.label_files import Meaning, ids_of
from segdata.readers.source import Drawn, InShared, Receipt, readable


@dataclass(frozen=True, slots=True)
class ArrayCell(InShared):
    """The mask in a row of a column."""

    path: str
    column: str
    row: int
    meaning: Meaning

    @property
    def ids(self) -> Sequence[str]:
        """One annotation: the mask, by its place."""
        return [os.path.basename(cell_path(self.path, self.column, self.row, ""))]

    def draw(self, remap: Remap) -> Drawn:
        """Its numbers through both tables at once. Raises `DataError` (`mask.*`)."""
        try:
            return Drawn(ids_of(self.read(), self.meaning, remap), Receipt(annotations=1, painted=1))
        except DataError as error:
            raise error.at(file=cell_path(self.path, self.column, self.row, "")) from error

    def read(self) -> Mask:
        """(H, W) uint8 or uint16 numbers. Raises `DataError` (`mask.unreadable`, `mask.numbers`)."""
        with readable(cell_path(self.path, self.column, self.row, ""), "mask.unreadable"):
            values = read_rows(self.path, self.column, self.row)
        refuse_large(values.shape[0], values.shape[1], values.itemsize, None, "mask")
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        if not values.size or low < 0 or high > np.iinfo(np.uint16).max:
            what = "holds no number" if not values.size else f"holds numbers from {low} to {high}"
            raise DataError(Problem("mask.numbers", f"{what}: masks hold 0 to 65535: correct it"))
        return values.astype(np.uint8 if high < 256 else np.uint16)
