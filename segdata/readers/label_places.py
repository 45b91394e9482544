"""Masks that must lie where their images lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from segdata.errors import DataError, Problem, located
from segdata.files.alignment import Ground, elsewhere, not_there, places, read_ground, tags_agree, warp
from segdata.labels import Remap
from segdata.readers.label_files import LabelFile
from segdata.readers.source import Banded, Drawn


@dataclass(frozen=True, slots=True)
class PlacedMask:
    """A mask in a file that lies where the image at the path `image` does, if both say where that is; or is warped there."""

    mask: LabelFile
    image: str
    warped: bool

    @property
    def path(self) -> str:
        """The mask's file."""
        return self.mask.path

    @property
    def ids(self) -> Sequence[int | str]:
        """See `Annotation`."""
        return self.mask.ids

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return self.mask.files

    def draw(self, remap: Remap) -> Drawn:
        """The mask's pixels, or those of the image with the mask's values. Raises `DataError` (`mask.*`)."""
        drawn = self.mask.draw(remap)
        if (grounds := self.grounds()) is None:
            return drawn
        with located(file=self.path):
            mask = warp(drawn.mask, *grounds, remap.labels.ignore)
        told = Problem("mask.warped", f"warped to its image: {places(*grounds)}", annotation=self.ids[0])
        drawn.receipt.repaired.append(told)
        return Drawn(mask, drawn.receipt)

    def bands(self, remap: Remap) -> AbstractContextManager[Banded | None]:
        """See `LargeAnnotation`: of masks that need not be warped."""
        return self._bands(remap)

    @contextmanager
    def _bands(self, remap: Remap) -> Iterator[Banded | None]:
        with self.mask.bands(remap) as large:
            yield None if large is None or self.grounds() is not None else large

    def grounds(self) -> tuple[Ground, Ground] | None:
        """Where the mask and its image lie if that differs. Raises `DataError` (`mask.elsewhere`) if masks are not warped."""
        if tags_agree(self.path, self.image):
            return None
        grounds = elsewhere(read_ground(self.path), self.image)
        if grounds is not None and not self.warped:
            what = f"{not_there(*grounds)}: --warp-masks warps masks to their images"
            raise DataError(Problem("mask.elsewhere", what, self.path))
        return grounds
