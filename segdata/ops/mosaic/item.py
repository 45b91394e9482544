"""One mosaic written from its scenes: what a worker does."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import Made
from segdata.dataset.sample import Sample
from segdata.errors import DataError, Problem
from segdata.files.bands import band_tags
from segdata.files.cog import make_cog
from segdata.files.places import file_digest
from segdata.files.rasters import Values, has_data
from segdata.files.remote import Place
from segdata.files.scores import quantise
from segdata.files.tiff import Tag, TiffWriter
from segdata.labels import tally
from segdata.ops.mosaic.blocks import Block, Layout, Take, blocks_of
from segdata.ops.mosaic.grids import Mosaic
from segdata.windows import covered


@dataclass(frozen=True, slots=True)
class Target:
    """All that mosaics need to be written, apart from their scenes. The dataset `source` has no samples here."""

    source: Dataset
    root: Place
    take: Take
    nodata: float | None
    images: bool
    scores: bool
    cog: bool = False


class Pieced(Made, frozen=True):
    """What a mosaic became: pixels without data, those that a further scene has too, and those that it labels otherwise."""

    uncovered: int
    overlapping: int
    differing: int


class Taken(Exception):
    """A pixel with data has the value that was to stand for none."""


def write_mosaic(mosaic: Mosaic, target: Target) -> Pieced:
    """Write a mosaic's mask, image and scores, and return its line. Raises `DataError`."""
    for gap in gap_values(mosaic, target):
        try:
            return _written(mosaic, target, gap)
        except Taken:
            continue
    what = "no value is left that could mean no data: its images have them all"
    if target.nodata is not None:
        what = f"pixels with data are {target.nodata:g} in every band (--nodata)"
    way = "choose another value (--nodata), or masks alone (--images none)"
    raise DataError(Problem("mosaic.nodata", f"{what}: {way}", sample=mosaic.id))


def gap_values(mosaic: Mosaic, target: Target) -> list[float | None]:
    """The values to try for pixels without data: that of the scenes, or one that few images have; None where none is needed.

    8-bit RGB has a band that says it instead (`has_alpha`), as every value is a colour.
    """
    if not target.images or not mosaic.first.bands or is_gapless(mosaic) or has_alpha(mosaic, target):
        return [None]
    dtype = np.dtype(mosaic.first.dtype)
    if target.nodata is not None:
        refuse_unfit(target.nodata, dtype, mosaic.id)
        return [target.nodata]
    own = {part.scene.geo.nodata for part in mosaic.parts}
    if len(own) == 1 and (value := own.pop()) is not None:
        return [value]
    if dtype.kind == "f":
        return [float("nan")]
    return [float(value) for value in dict.fromkeys([0, np.iinfo(dtype).max, np.iinfo(dtype).min])]


def refuse_unfit(nodata: float, dtype: np.dtype[Any], id: str) -> None:
    """Raise `DataError` (`mosaic.nodata`) for a value that pixels of this type cannot have."""
    if dtype.kind == "f":
        return
    limits = np.iinfo(dtype)
    if not (limits.min <= nodata <= limits.max and float(nodata).is_integer()):
        what = f"--nodata {nodata:g}: its pixels are {dtype}, whole numbers from {limits.min} to {limits.max}"
        raise DataError(Problem("mosaic.nodata", what, sample=id))


def is_gapless(mosaic: Mosaic) -> bool:
    """Whether each pixel of a mosaic is one of a scene, and has data."""
    height, width = mosaic.size
    whole = covered(part.window for part in mosaic.parts) == height * width
    return whole and all(part.scene.gapless for part in mosaic.parts)


def is_rgb(mosaic: Mosaic) -> bool:
    """Whether its image is red, green and blue in 8 bits."""
    return mosaic.first.bands == 3 and mosaic.first.dtype == "uint8"


def has_alpha(mosaic: Mosaic, target: Target) -> bool:
    """Whether a band of its image says which pixels have data."""
    return is_rgb(mosaic) and target.nodata is None and not is_gapless(mosaic)


def _written(mosaic: Mosaic, target: Target, gap: float | None) -> Pieced:
    """The line of a mosaic, once its files are written. Raises `Taken` if a pixel with data is `gap` in every band."""
    labels = target.source.labels
    bands = mosaic.first.bands if target.images else 0
    classes = len(labels.classes) if target.scores else 0
    layout = Layout(target.source, target.take, bands, mosaic.first.dtype, classes, gap or 0)
    counts: Counter[int] = Counter()
    uncovered = overlapping = differing = 0
    with ExitStack() as stack:
        files = Files(mosaic, target, layout, gap, stack)
        for block in blocks_of(mosaic, layout):
            files.write(block)
            counts.update(tally(block.ids))
            uncovered += int(np.count_nonzero(block.known == 0))
            overlapping, differing = overlapping + block.overlapping, differing + block.differing
    if target.cog:
        make_cog(target.root / files.mask_name, labels)
    line = Sample(
        id=mosaic.id, split=mosaic.first.sample.split, group=mosaic.group, image=files.image_name, mask=files.mask_name,
        height=mosaic.size[0], width=mosaic.size[1], counts=dict(sorted(counts.items())),
        sha256=file_digest(target.root / files.mask_name), scores=files.scores_name,
    )  # fmt: skip
    return Pieced(mosaic.id, [line], uncovered, overlapping, differing)


class Files:
    """The files of a mosaic, open until `stack` is closed."""

    def __init__(self, mosaic: Mosaic, target: Target, layout: Layout, gap: float | None, stack: ExitStack) -> None:
        labels = target.source.labels
        self._gap = gap
        self._alpha = layout.bands > 0 and has_alpha(mosaic, target)

        def opened(
            name: str, bands: int, dtype: str, nodata: float | None, *more: Tag, rgb: bool = False
        ) -> TiffWriter:
            tags = [*replace(mosaic.geo, nodata=nodata).tags(), *more]
            return stack.enter_context(TiffWriter(target.root / name, *mosaic.size, bands, dtype, tags=tags, rgb=rgb))

        self.mask_name = f"masks/{mosaic.id}.tif"
        self.image_name = f"images/{mosaic.id}.tif" if layout.bands else None
        self.scores_name = f"scores/{mosaic.id}.tif" if layout.classes else None
        self._mask = opened(self.mask_name, 1, str(np.dtype(labels.dtype)), float(labels.ignore))
        self._image = self._scores = None
        if self.image_name is not None:
            bands = layout.bands + self._alpha
            rgb = is_rgb(mosaic)
            implied = ["red", "green", "blue"] if rgb else ["gray", *["undefined"] * (bands - 1)]
            self._image = opened(
                self.image_name, bands, layout.dtype, gap, *band_tags(mosaic.first.about, implied), rgb=rgb
            )
        if self.scores_name is not None:
            self._scores = opened(self.scores_name, layout.classes, "uint8", None)

    def write(self, block: Block) -> None:
        """Write a block where it belongs. Raises `Taken` for a pixel with data that is the value for none."""
        y, x = block.window[:2]
        self._mask.write(y, x, block.ids[None])
        if self._image is not None and block.image is not None:
            self._image.write(y, x, self._bands(block, block.image).transpose(2, 0, 1))
        if self._scores is not None and block.scores is not None:
            self._scores.write(y, x, quantise(block.scores))

    def _bands(self, block: Block, image: Values) -> Values:
        if self._alpha:
            opaque = np.where(block.known > 0, np.uint8(255), np.uint8(0))
            return np.concatenate([image, opaque[:, :, None]], axis=2)
        if self._gap is not None and bool(((block.known > 0) & ~has_data(image, self._gap)).any()):
            raise Taken
        return image
