"""Images with a text file of the same name beside them, a line per row and a digit per pixel: `a.png` and `a.digits`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segdata.errors import DataError, OptionError, Problem, Report, strict
from segdata.files.places import file_digest
from segdata.files.remote import Place
from segdata.labels import Labels, Remap
from segdata.readers.source import Drawn, Input, Item, Receipt, Source, SourceClass

NAMES = ("ground", "water", "wood")


@dataclass(frozen=True, slots=True)
class Digits:
    """The labels of one image."""

    path: str
    flip: bool

    @property
    def ids(self) -> Sequence[int | str]:
        """See `Annotation`."""
        return (0,)

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return (self.path,)

    def draw(self, remap: Remap) -> Drawn:
        """See `Annotation`."""
        values = np.array([list(map(int, line)) for line in Path(self.path).read_text().split()], np.uint8)
        return Drawn(remap(values[::-1] if self.flip else values), Receipt(annotations=1, painted=1))


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for a folder with a file that ends in .digits."""
    return None if root.is_dir() and list(root.glob("*.digits")) else "there is no *.digits"


def read(
    root: str | Path, *, split: str | None = None, report: Report = strict, images: bool = True, flip: bool = False
) -> Source:
    """Read a folder of images and digits. Raises `DataError` for none of them, `OptionError` for a split.

    `flip`: the first line is the lowest row.

    Args:
        flip: the first line is the lowest row.
    """
    if split is not None:
        raise OptionError(f"{root}: there are no splits")
    paths = sorted(Path(root).glob("*.digits"))
    if not paths:
        raise DataError(Problem("toy.none", "there is no *.digits", file=str(root)))
    items = [
        Item(path.stem, str(path.with_suffix(".png")) if images else None, None, Digits(str(path), flip))
        for path in paths
    ]
    classes = tuple(SourceClass(id, name, id) for id, name in enumerate(NAMES))
    inputs = tuple(Input(path.name, file_digest(path)) for path in paths)
    return Source(Labels.of(NAMES), items, inputs, classes, Receipt(), {"flip": flip})
