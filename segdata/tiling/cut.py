"""Cutting tiles from some windows of one image: the work of one task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import Made
from segdata.dataset.sample import Sample, Tiling
from segdata.errors import DataError, Problem, located
from segdata.files.geo import Geo
from segdata.files.images import write_mask
from segdata.files.parts import encode_part, fits_png
from segdata.files.places import write_bytes
from segdata.files.rasters import Raster, Values, has_data, is_gapless
from segdata.files.remote import Place
from segdata.files.tiff import Compress
from segdata.files.views import Masks, View, scaled_size
from segdata.labels import Mask, tally
from segdata.resize import pad, resize_known, resize_mask
from segdata.tiling.area import Area
from segdata.tiling.retype import Retype
from segdata.tiling.rows import Downwards
from segdata.windows import Window

Format = Literal["auto", "png", "jpeg", "tiff"]
"""How tiles of images are written.

`auto` is TIFF for images that have coordinates, or scale and offset, or are not 8-bit RGB, otherwise PNG.
"""

Padding = Literal["zero", "reflect", "keep"]
"""Images smaller than a tile are padded with 0, padded with their mirror image, or stay as they are."""

Reason = Literal["aoi", "valid", "foreground", "empty"]
"""Why a tile was left out: outside the area, too few labelled pixels, too little foreground, or empty and not drawn."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Which tiles are kept. Shares are of all pixels except padding; `foreground` are class ids."""

    min_valid: float = 0.0
    min_foreground: float = 0.0
    keep_empty: float = 1.0
    foreground: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """Everything needed to cut tiles, apart from their image and windows. The dataset `source` has no samples here."""

    source: Dataset
    root: Place
    size: tuple[int, int]
    scale: float
    pad: Padding
    format: Format
    quality: int
    compress: Compress
    nodata: float | None
    aoi: Area | None
    keep: Keep
    virtual: bool
    retype: Retype | None = None

    def view(self, window: Window) -> View:
        """How a window becomes a tile."""
        if self.pad != "keep":
            return View(window, self.size, self.scale, self.pad)
        height, width = (scaled_size(n, most, self.scale) for n, most in zip(window[2:], self.size, strict=True))
        return View(window, (height, width), self.scale)


class Task(msgspec.Struct, frozen=True):
    """Some windows of one sample; the journal refers to them by `name`. `extra`: tiles need valid pixels only, not foreground.

    `scale`: by what its windows are resampled.
    """

    name: str
    sample: Sample
    windows: tuple[Window, ...]
    extra: bool = False
    scale: float = 1.0


class LeftOut(msgspec.Struct, frozen=True):
    """A window that became no tile, and the reason; `share` is the share that was too small."""

    parent: str
    window: Window
    reason: Reason
    share: float


class Tiled(Made, frozen=True):
    """The result of a task. Also a line of the journal. `clipped`: pixels of its tiles that were beyond the span."""

    left_out: list[LeftOut]
    clipped: int = 0


def tile_task(task: Task, target: Target) -> Tiled:
    """Cut a task's windows, and write the tiles that are kept. Returns their lines. Raises `DataError`."""
    samples: list[Sample] = []
    left_out: list[LeftOut] = []
    target = replace(target, scale=task.scale)
    with located(sample=task.sample.id), ExitStack() as stack:
        cutter = Cutter(task.sample, target, stack)
        for window, image, ids in cutter.cut(task.windows):
            view = target.view(window)
            ids = np.ascontiguousarray(view.mask(ids, target.source.labels.ignore))
            counts = tally(ids)
            id = tile_id(task.sample, window)
            reason = judge(id, counts, view, cutter.inside(window), task, target)
            if reason is not None:
                left_out.append(LeftOut(task.sample.id, window, *reason))
                continue
            samples.append(cutter.write(id, view, image, ids, counts))
    return Tiled(task.name, samples, left_out, cutter.clipped)


def tile_id(sample: Sample, window: Window) -> str:
    """The id of a tile: its parent's id, then the row and column of its first pixel."""
    return f"{sample.id}_{window.y:06d}_{window.x:06d}"


def cut_from(tile: Sample) -> str:
    """The id of the sample that a tile was cut from, by its own."""
    return tile.id.rpartition("_")[0].rpartition("_")[0]


def judge(
    id: str, counts: dict[int, int], view: View, inside: bool, task: Task, target: Target
) -> tuple[Reason, float] | None:
    """Why a tile is left out, and the share that was too small; None if the tile is kept."""
    keep, ignore = target.keep, target.source.labels.ignore
    if not inside:
        return "aoi", 0.0
    pixels = view.content[0] * view.content[1]
    padding = view.size[0] * view.size[1] - pixels
    valid = (pixels - (counts.get(ignore, 0) - padding)) / pixels
    if valid < keep.min_valid:
        return "valid", round(valid, 6)
    if task.extra:
        return None
    foreground = sum(counts.get(class_id, 0) for class_id in keep.foreground) / pixels
    if foreground < keep.min_foreground:
        return "foreground", round(foreground, 6)
    if foreground == 0 and chance(keep.seed, id) >= keep.keep_empty:
        return "empty", 0.0
    return None


def chance(seed: int, id: str) -> float:
    """A number from 0 to 1, uniformly distributed, that depends only on the seed and the id: no other tile changes it."""
    digest = hashlib.sha256(f"{seed}/{id}".encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56


class Cutter:
    """An open sample, from which windows are cut."""

    def __init__(self, sample: Sample, target: Target, stack: ExitStack) -> None:
        source = target.source
        self.sample, self.target = sample, target
        self.ids: Masks = stack.enter_context(source.open_mask(sample))
        self.image: Raster | None = None
        if sample.image is not None and source.images != "none":
            self.image = stack.enter_context(source.open_image(sample))
        self.geo = self.image.geo if self.image is not None else Geo()
        self.clipped = 0
        self._area = None if target.aoi is None else target.aoi.on(self.geo, sample.size, sample)

    @property
    def format(self) -> Format:
        """How its tiles are written. Raises `DataError` if the image does not fit into the format that was asked for."""
        image, format = self.image, self.target.format
        dtype = None if image is None or self.target.retype is None else self.target.retype.dtype
        plain = image is None or fits_png(image, dtype)
        if format == "auto":
            return "png" if plain and not self.geo.placed else "tiff"
        if format != "tiff" and not plain and image is not None:
            scaled = " with scale and offset" if self.geo.scaling and dtype is None else ""
            what = f"{image.bands} bands of {dtype or image.dtype}{scaled} do not fit into {format}: use --format tiff"
            raise DataError(Problem("tile.format", what))
        return format

    @property
    def ignores(self) -> bool:
        """Whether more pixels may be ignored than in the mask file."""
        if self.target.aoi is not None:
            return True
        if self.image is None:
            return False
        return self.target.nodata is not None or not is_gapless(self.image)

    def cut(self, windows: tuple[Window, ...]) -> Iterator[tuple[Window, Values | None, Mask]]:
        """Each window with its image (None if it is not needed) and its ids. Rows that windows share are read once."""
        ignores = self.ignores
        images = ignores or not self.target.virtual
        left = min(w.x for w in windows)
        width = max(w.right for w in windows) - left
        pixels = Downwards(self.image.read, left, width) if self.image is not None and images else None
        ids = Downwards(self.ids.read, left, width)
        for window in windows:
            image = None if pixels is None else pixels.read(window)
            yield window, image, self._ignored(window, image, ids.read(window), ignores)

    def ids_of(self, window: Window) -> Mask:
        """The ids of a window; pixels without data or outside the area are `ignore`."""
        image = None if self.image is None else self.image.read(window)
        return self._ignored(window, image, self.ids.read(window), True)

    def inside(self, window: Window) -> bool:
        """Whether any pixel of a window is in the area that was asked for."""
        return self._area is None or self._area.meets(window)

    def _ignored(self, window: Window, image: Values | None, ids: Mask, ignores: bool) -> Mask:
        if not ignores:
            return ids
        gone = np.zeros(ids.shape, np.bool_)
        if self._area is not None:
            gone |= ~self._area.inside(window)
        if image is not None and (valid := self._valid(window, image)) is not None:
            gone |= ~valid
        return np.where(gone, ids.dtype.type(self.target.source.labels.ignore), ids)

    def _valid(self, window: Window, image: Values) -> NDArray[np.bool_] | None:
        """(h, w): which pixels of a window have data; None for all."""
        if self.target.nodata is not None:
            return has_data(image, self.target.nodata)
        return None if self.image is None else self.image.valid(window, image)

    def write(self, id: str, view: View, image: Values | None, ids: Mask, counts: dict[int, int]) -> Sample:
        """Write a tile's files, unless it is virtual. Returns its manifest line."""
        old, target = self.sample, self.target
        window, crop, tiling = self._place(view)
        line = msgspec.structs.replace(
            old, id=id, parent=old.parent if old.tiling else old.id, window=window, crop=crop, tiling=tiling,
            height=view.size[0], width=view.size[1], counts=counts, scores=None,
        )  # fmt: skip
        if target.virtual:
            return line
        path = None
        if image is not None and self.image is not None:
            path = f"images/{id}.{ {'png': 'png', 'jpeg': 'jpg'}.get(self.format, 'tif') }"
            write_bytes(target.root / path, self._encode(view, self.image, image))
        data = write_mask(target.root / f"masks/{id}.png", ids)
        return msgspec.structs.replace(
            line, image=path, mask=f"masks/{id}.png", sha256=hashlib.sha256(data).hexdigest(), crop=None, exif=None
        )

    def _encode(self, view: View, raster: Raster, image: Values) -> bytes:
        """The bytes of a tile; its padding needs no word of its own, as the manifest tells it."""
        geo, format = self.geo.cut(view.crop, view.content), self.format
        kind: Literal["png", "jpeg", "tiff"] = "tiff" if format == "auto" else format
        valid = raster.valid(view.crop, image)
        seen = None if valid is None else pad(resize_mask(valid, view.content), view.size, 1)
        about = raster.about
        if self.target.retype is None:
            values = view.image(image, self.geo.nodata if self.target.nodata is None else self.target.nodata)
        else:
            values, geo = self._retyped(self.target.retype, view, image, geo)
            about = tuple(replace(band, scale=1.0, offset=0.0) for band in about)
            seen = None if kind == "tiff" else seen  # its value for no data says it
        options: Any = {"quality": self.target.quality, "compress": self.target.compress}
        return encode_part(about, values, seen, geo, kind, **options)

    def _retyped(self, retype: Retype, view: View, image: Values, geo: Geo) -> tuple[Values, Geo]:
        """A tile's (H, W, C) values in another type, and what is said of them."""
        span, valid = retype.span_of(image.dtype, geo), self._valid(view.crop, image)
        gaps = valid is not None
        made = retype(resize_known(retype.values(image, geo, valid), view.content, np.nan), span, gaps)
        self.clipped += made.clipped
        return view.padded(made.values), replace(geo, nodata=retype.nodata(gaps), scaling=())

    def _place(self, view: View) -> tuple[Window, Window, Tiling]:
        """Where a tile is in its parent and in the file. For a tile of a tile, both refer to the original image."""
        old, window, crop = self.sample, view.crop, view.crop
        if old.crop is not None:
            crop = crop.shifted(old.crop.y, old.crop.x)
        parent = old.size
        if old.tiling is not None and old.window is not None:
            window = window.shifted(old.window.y, old.window.x)
            parent = old.tiling.parent
        return window, crop, Tiling(parent=parent, scale=view.scale, pad=view.pad)
