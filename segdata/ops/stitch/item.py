"""The tiles of one image put together again: what a worker does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.faults import refuse_values, view_mask
from segdata.dataset.images import place_image
from segdata.dataset.job import Made
from segdata.dataset.sample import Images, Sample, split_name
from segdata.errors import located
from segdata.files.cog import make_cog
from segdata.files.geo import Geo
from segdata.files.opening import open_mask
from segdata.files.places import file_digest
from segdata.files.png import MaskWriter
from segdata.files.rasters import bands_of
from segdata.files.remote import Place
from segdata.files.scores import quantise
from segdata.files.tiff import TILE, TiffWriter
from segdata.files.vectors.polygon_files import Written, write_polygons
from segdata.files.vectors.polygons import Polygons
from segdata.files.views import Masks, View
from segdata.labels import Mask, tally
from segdata.resize import resize_mask, resize_scores
from segdata.tiling.area import open_place
from segdata.tiling.rows import Downwards
from segdata.tiling.stitcher import Blend, MaskStitcher, Stitcher, aligned
from segdata.tiling.tiles import tile_view
from segdata.windows import Window, covered

BUDGET = 2**26
"""Bytes of the sums of a block of columns, about; with the copies that are made of them three times as much."""


@dataclass(frozen=True, slots=True)
class Target:
    """All that images need to be stitched, apart from their tiles. Neither dataset has samples here."""

    tiles: Dataset
    whole: Dataset | None
    root: Place
    images: Images
    blend: Blend
    use_scores: bool
    keep_scores: bool
    polygons: Polygons | None
    cog: bool = False


class Parent(msgspec.Struct, frozen=True):
    """An image's tiles, in order of their windows, and the sample that they were cut from where that is at hand."""

    id: str
    tiles: tuple[Sample, ...]
    sample: Sample | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the whole."""
        tiling = self.tiles[0].tiling
        return (0, 0) if tiling is None else tiling.parent

    @property
    def splits(self) -> list[str | None]:
        """The splits of the tiles, by name."""
        return sorted({tile.split for tile in self.tiles}, key=split_name)

    @property
    def group(self) -> str | None:
        """The group that all tiles are of."""
        groups = {tile.group for tile in self.tiles}
        return groups.pop() if len(groups) == 1 else None


class Stitched(Made, frozen=True):
    """What an image became, pixels in no tile, and pixels that tiles disagreed on. Also the journal's line."""

    uncovered: int
    contested: int
    polygons: int
    left_out: dict[str, int] = msgspec.field(default_factory=dict)
    """Polygons that were left out, by why."""


def stitch_parent(parent: Parent, target: Target) -> Stitched:
    """Put an image's tiles together, write its mask (and scores, and polygons), and return its line. Raises `DataError`."""
    height, width = parent.size
    first = parent.tiles[0]
    labels = target.tiles.labels
    with located(sample=first.id):
        geo = georeference(parent, target)
        as_tiff = geo.placed or target.cog
        mask = f"masks/{parent.id}.{'tif' if as_tiff else 'png'}"
        scores = None
        contested = 0
        counts: Counter[int] = Counter()
        uncovered = height * width - covered(tile_view(sample).crop for sample in parent.tiles)
        if target.use_scores:
            scores = f"scores/{parent.id}.tif" if target.keep_scores else None
            write_blended(parent, target, geo, mask, scores, counts)
        else:
            stitcher = MaskStitcher(height, width, labels.ignore, labels.dtype, blend=target.blend)
            write_mask_rows(target.root / mask, parent.size, mask_rows(parent, target, stitcher), labels, geo, counts)
            contested = stitcher.contested
        written = Written(0, {})
        if target.polygons is not None:
            written = write_polygons(target.root, parent.id, target.root / mask, labels, geo, target.polygons)
        if target.cog:
            make_cog(target.root / mask, labels)
        image, exif = place_parent(parent, target)
    split = parent.splits[0] if len(parent.splits) == 1 else None
    line = Sample(
        id=parent.id, split=split, group=parent.group, image=image, mask=mask, height=height, width=width,
        counts=dict(sorted(counts.items())), sha256=file_digest(target.root / mask), exif=exif, scores=scores,
    )  # fmt: skip
    return Stitched(parent.id, [line], uncovered, contested, *written)


def georeference(parent: Parent, target: Target) -> Geo:
    """Where the whole image lies, as it or its first tile has it, or that tile's mask if there is no image."""
    if parent.sample is not None and target.whole is not None and parent.sample.image is not None:
        with target.whole.open_image(parent.sample) as raster:
            return raster.geo
    first = parent.tiles[0]
    view = tile_view(first)
    with open_place(target.tiles, first) as raster:
        return raster.geo.whole(view.crop, view.content) if raster.geo.placed else Geo()


def mask_rows(parent: Parent, target: Target, stitcher: MaskStitcher) -> Iterator[tuple[int, Mask]]:
    """The finished rows of the masks, from the top."""
    last = {sample.mask: number for number, sample in enumerate(parent.tiles)}
    held: dict[str, tuple[Masks, Callable[[Window], Mask], ExitStack]] = {}
    with ExitStack() as stack:
        for number, sample in enumerate(parent.tiles):
            view = tile_view(sample)
            with located(sample=sample.id):
                if sample.mask not in held:  # virtual tiles have one file together
                    own = stack.enter_context(ExitStack())
                    held[sample.mask] = *own.enter_context(open_downwards(target.tiles.inside(sample.mask))), own
                mask, read, own = held[sample.mask]
                view_mask(mask, sample, target.tiles.labels, str(target.tiles.root / sample.mask))
                ids = read(sample.crop or Window(0, 0, *view.content))
                refuse_values(ids, target.tiles.labels, sample, str(target.tiles.root / sample.mask))
                ids = resize_mask(ids, view.content)
            yield from stitcher.add(view.crop, resize_mask(ids, (view.crop.height, view.crop.width)))
            if number == last[sample.mask]:
                del held[sample.mask]
                own.close()
    yield from stitcher.finish()


@contextmanager
def open_downwards(path: Place) -> Iterator[tuple[Masks, Callable[[Window], Mask]]]:
    """A mask, and what reads its windows in order of `y`: of one stored by rows each is read once. Raises `DataError`."""
    with open_mask(path) as mask:
        if mask.blocked:
            yield mask, mask.read
            return
        rows = Downwards(mask.read, 0, mask.width)
        yield mask, rows.read


def write_mask_rows(
    path: Place, size: tuple[int, int], rows: Iterable[tuple[int, Mask]], labels: Any, geo: Geo, counts: Counter[int]
) -> None:
    """Write a mask from its rows, as TIFF if it is called so, else as PNG, and count its values."""
    with ExitStack() as stack:
        if path.name.endswith(".tif"):
            tags = Geo(geo.crs, geo.transform, labels.ignore).tags()
            tiff = stack.enter_context(TiffWriter(path, *size, 1, labels.dtype, tags=tags))
            for y, part in aligned(rows, TILE, size[0]):
                counts.update(tally(part))
                tiff.write(y, 0, part[None])
            return
        png = stack.enter_context(MaskWriter(path, *size, labels.dtype))
        for _, part in rows:
            counts.update(tally(part))
            png.write(part)


def write_blended(
    parent: Parent, target: Target, geo: Geo, mask: str, scores: str | None, counts: Counter[int]
) -> None:
    """Blend the scores in blocks of columns; write the mask of the most likely classes, and the scores where asked for."""
    height, width = parent.size
    labels = target.tiles.labels
    classes = len(labels.classes)
    as_tiff = mask.endswith(".tif")
    ids_path = target.root / (mask if as_tiff else f"{mask}.tif")
    tags = Geo(geo.crs, geo.transform, labels.ignore).tags()
    with ExitStack() as stack:
        ids = stack.enter_context(TiffWriter(ids_path, height, width, 1, labels.dtype, tags=tags))
        kept = None
        if scores is not None:
            kept = stack.enter_context(
                TiffWriter(target.root / scores, height, width, classes, np.uint8, tags=geo.tags(nodata=False))
            )
        tallest = max(tile_view(sample).crop.height for sample in parent.tiles)
        for left, right in column_blocks(width, tallest, classes):
            for y, probs in aligned(blended_rows(parent, target, (left, right)), TILE, height):
                best = probs.argmax(axis=0).astype(labels.dtype)
                best[probs.max(axis=0) == 0] = labels.ignore
                counts.update(tally(best))
                ids.write(y, left, best[None])
                if kept is not None:
                    kept.write(y, left, quantise(probs))
    if not as_tiff:
        with open_mask(ids_path) as opened:
            rows = zip(range(0, height, TILE), bands_of(opened, TILE * width), strict=True)
            write_mask_rows(target.root / mask, parent.size, rows, labels, geo, Counter())
        ids_path.unlink()


def column_blocks(width: int, tallest: int, classes: int) -> list[tuple[int, int]]:
    """Blocks of columns, on whole tiles of the file, of which the sums of `classes` over `tallest` rows fit into `BUDGET`."""
    step = max(TILE, BUDGET // (4 * (classes + 1) * (tallest + TILE)) // TILE * TILE)
    return [(x, min(x + step, width)) for x in range(0, width, step)]


def blended_rows(parent: Parent, target: Target, columns: tuple[int, int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The finished rows of the blended scores in some columns, from the top."""
    classes = len(target.tiles.labels.classes)
    stitcher = Stitcher(*parent.size, classes, blend=target.blend, columns=columns)
    for sample in parent.tiles:
        view = tile_view(sample)
        part = stitcher.part(view.crop)
        if part is None:
            continue
        probs = _tile_scores(sample, view, part, target)
        yield from stitcher.add(view.crop, probs)
    yield from stitcher.finish()


def _tile_scores(sample: Sample, view: View, part: Window, target: Target) -> NDArray[np.float32]:
    """(K, h, w) of a tile in the parent's pixels: of the part alone, or, where it was scaled, of all of it."""
    with target.tiles.open_scores(sample) as scores:
        if view.content == (view.crop.height, view.crop.width):
            return _probs(scores.stored(Window(0, part.x - view.crop.x, part.height, part.width)))
        probs = _probs(scores.stored(Window(0, 0, *view.content)))
    return resize_scores(probs, (view.crop.height, view.crop.width))


def _probs(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    return stored.astype(np.float32) / np.float32(255)


def place_parent(parent: Parent, target: Target) -> tuple[str | None, Any]:
    """The whole image as the new dataset has it, and which way up its labels lie: the source's, or that of virtual tiles."""
    sample, dataset = parent.sample, target.whole
    if sample is None or dataset is None:
        sample, dataset = parent.tiles[0], target.tiles
    if target.images == "none" or sample.image is None:
        return None, None
    path = dataset.image_path(sample)
    if path == sample.image:  # a URL
        return path, sample.exif
    return place_image(path, parent.id, target.root, target.images), sample.exif
