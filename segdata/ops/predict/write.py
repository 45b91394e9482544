"""What `predict` writes of an image, rows as they come: mask, scores, uncertainty."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files.file import WHOLE
from segdata.files.geo import Geo
from segdata.files.images import write_mask
from segdata.files.places import file_digest
from segdata.files.remote import Place
from segdata.files.scores import quantise
from segdata.files.tiff import TILE, TiffWriter
from segdata.kernels.decide import decide
from segdata.labels import Labels, Mask, tally
from segdata.prediction.sliding import Probs

ROWS = 16
"""So many rows are worked on at a time."""


@dataclass(frozen=True, slots=True)
class Output:
    """What is asked of each image.

    `labels` are those of the dataset that is made; `classes` (K,) says which of them each of the model's is, None for none.
    """

    root: Place
    labels: Labels
    classes: tuple[int | None, ...]
    reject_below: float | None = None
    scores: bool = False
    entropy: bool = False
    cog: bool = False
    """Masks are TIFFs, whatever their images are."""

    @property
    def table(self) -> NDArray[np.unsignedinteger[Any]]:
        """(K + 1,): the mask value of each of the model's classes, and of what is not known."""
        ignore = self.labels.ignore
        values = [ignore if c is None else c for c in self.classes] + [ignore]
        return np.array(values, self.labels.dtype)


class ImageWriter:
    """One image's files. Give it rows from top to bottom; `close` says what became of them, `discard` leaves none.

    `content` is (height, width) of what is not padding, if that is known; the padding becomes ignored.
    """

    def __init__(
        self, output: Output, id: str, size: tuple[int, int], geo: Geo, content: tuple[int, int] = (0, 0)
    ) -> None:
        self._output, self._size = output, size
        self._content = content if all(content) else size
        self._table, self._least = output.table, output.reject_below or 0.0
        self._stack = ExitStack()
        self._counts: Counter[int] = Counter()
        large = size[0] * size[1] > WHOLE
        suffix = ".tif" if geo.placed or large else ".png"
        self.mask = f"masks/{id}{'.tif' if output.cog else suffix}"
        placed = replace(geo, nodata=float(output.labels.ignore))
        self._masks = self._plane(self.mask, output.labels.dtype, placed)
        self._entropy = (
            self._plane(f"entropy/{id}{suffix}", np.uint8, replace(geo, nodata=None)) if output.entropy else None
        )
        self.scores = f"scores/{id}.tif" if output.scores else None
        self._scores: Blocks | None = None
        if self.scores is not None:
            tags = geo.tags(nodata=False)
            file = TiffWriter(output.root / self.scores, *size, len(output.labels.classes), np.uint8, tags=tags)
            self._scores = Blocks(size[0], self._stack.enter_context(file))

    def add(self, y: int, probs: Probs) -> None:
        """(K, rows, W) of the rows from `y` on."""
        for first in range(0, probs.shape[1], ROWS):
            self._add(y + first, np.ascontiguousarray(probs[:, first : first + ROWS]))

    def _add(self, y: int, probs: Probs) -> None:
        """The same of few rows, which stay in the processor's cache while all is made of them."""
        ids = np.empty(probs.shape[1:], self._output.labels.dtype)
        decide(probs, self._table, self._least, ids)
        height, width = self._content
        ids[max(0, height - y) :] = ids[:, width:] = self._output.labels.ignore
        self._counts.update(tally(ids))
        self._masks.add(y, ids)
        if self._entropy is not None:
            self._entropy.add(y, uncertainty(probs))
        if self._scores is not None:
            self._scores.add(y, quantise(self._ordered(probs)))

    def close(self) -> tuple[dict[int, int], str]:
        """Finish the files; returns how often each value of the mask occurs, and the SHA-256 of its file."""
        with self._stack:
            digest = self._masks.close()
            if self._entropy is not None:
                self._entropy.close()
        return dict(sorted(self._counts.items())), digest or file_digest(self._output.root / self.mask)

    def discard(self) -> None:
        """Leave nothing of the files that are open."""
        self._stack.__exit__(InterruptedError, InterruptedError(), None)

    def _ordered(self, probs: Probs) -> Probs:
        """(K, rows, W) in the order of the dataset's classes, 0 for those that the model has not."""
        if self._output.classes == tuple(range(len(probs))):
            return probs
        out = np.zeros((len(self._output.labels.classes), *probs.shape[1:]), np.float32)
        for place, values in zip(self._output.classes, probs, strict=True):
            if place is not None:
                out[place] = values
        return out

    def _plane(self, name: str, dtype: Any, geo: Geo) -> WholePlane | TiledPlane:
        path = self._output.root / name
        if name.endswith(".png"):
            return WholePlane(path, self._size, dtype)
        file = self._stack.enter_context(TiffWriter(path, *self._size, 1, dtype, tags=geo.tags()))
        return TiledPlane(Blocks(self._size[0], file))


def uncertainty(probs: Probs) -> NDArray[np.uint8]:
    """(K, h, w) -> (h, w) uint8: round(255 H / ln K), H = - sum p ln p; 255 where nothing is known (Shannon 1948)."""
    information = -np.log(np.maximum(probs, np.finfo(np.float32).tiny))
    mean = np.einsum("kyx,kyx->yx", probs, information) / np.float32(max(np.log(len(probs)), 1e-30))
    mean[~probs.any(axis=0)] = 1
    return np.asarray(np.rint(255 * mean.clip(0, 1)), np.uint8)


class WholePlane:
    """One value a pixel in a PNG, which is written at once in the end."""

    def __init__(self, path: Place, size: tuple[int, int], dtype: Any) -> None:
        self._path, self._values = path, np.zeros(size, dtype)

    def add(self, y: int, rows: Mask) -> None:
        """(rows, W) of the rows from `y` on."""
        self._values[y : y + len(rows)] = rows

    def close(self) -> str | None:
        """Write the file; returns its SHA-256."""
        return sha256(write_mask(self._path, self._values)).hexdigest()


class TiledPlane:
    """One value a pixel in a TIFF, which is written as rows come."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def add(self, y: int, rows: Mask) -> None:
        """(rows, W) of the rows from `y` on."""
        self._blocks.add(y, rows[None])

    def close(self) -> str | None:
        """The file is finished by whoever opened it; what its SHA-256 is, only then is known."""
        return None


class Blocks:
    """Rows of any number into a TIFF that takes whole tiles."""

    def __init__(self, height: int, file: TiffWriter) -> None:
        self._height, self._file = height, file
        self._held: list[NDArray[Any]] = []
        self._top = 0

    def add(self, y: int, rows: NDArray[Any]) -> None:
        """(K, rows, W) of the rows from `y` on."""
        self._held.append(rows)
        end = y + rows.shape[1]
        whole = end if end == self._height else end // TILE * TILE
        if whole > self._top:
            held = np.concatenate(self._held, axis=1)
            self._file.write(self._top, 0, held[:, : whole - self._top])
            self._held = [held[:, whole - self._top :].copy()] if end > whole else []
            self._top = whole
