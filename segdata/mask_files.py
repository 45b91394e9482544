"""Labels that already are mask files: one annotation kind for every format that has one value a pixel."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from segdata.errors import DataError, Problem
from segdata.images import read_mask
from segdata.labels import Remap
from segdata.source import Drawn, Receipt


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A one-channel label picture. `class_ids`: its values -> the source's class ids, None for void; the rest is refused."""

    path: str
    class_ids: Mapping[int, int | None]
    way_out: str = "correct the mask"

    @property
    def ids(self) -> list[str]:
        """One annotation: the mask, by its file name."""
        return [os.path.basename(self.path)]

    def draw(self, remap: Remap) -> Drawn:
        """The file's values through both tables at once. Raises `DataError` (`mask.*`)."""
        values = read_mask(self.path)
        straight = remap.labels.table({v: None if c is None else remap.mapping[c] for v, c in self.class_ids.items()})
        try:
            mask = straight(values)
        except ValueError as error:
            raise DataError(Problem("mask.values", f"{error}: {self.way_out}", file=self.path)) from error
        return Drawn(mask, Receipt(annotations=1, painted=1))
