"""Cutting tiles from some windows of one image: the work of one task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import Made
from segdata.dataset.sample import Sample, Tiling
from segdata.errors import DataError, Problem, located
from segdata.files.geo import Geo
from segdata.files.geojson import Features, burn, to_pixels
from segdata.files.images import encode_image, write_mask
from segdata.files.places import write_bytes
from segdata.files.rasters import Raster, Values, has_data
from segdata.files.remote import Place
from segdata.files.tiff import Compress, encode_tiff
from segdata.files.views import Masks, View, scaled_size
from segdata.labels import Mask, tally
from segdata.tiling.rows import Downwards
from segdata.windows import Window

Format = Literal["auto", "png", "jpeg", "tiff"]
"""How tiles of images are written: `auto` is TIFF for images that have coordinates or are not 8-bit RGB, otherwise PNG."""

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
    aoi: Features | None
    aoi_crs: str | None
    keep: Keep
    virtual: bool

    def view(self, window: Window) -> View:
        """How a window becomes a tile."""
        if self.pad != "keep":
            return View(window, self.size, self.scale, self.pad)
        height, width = (scaled_size(n, most, self.scale) for n, most in zip(window[2:], self.size, strict=True))
        return View(window, (height, width), self.scale)


class Task(msgspec.Struct, frozen=True):
    """Some windows of one sample; the journal refers to them by `name`. `extra`: tiles need valid pixels only, not foreground."""

    name: str
    sample: Sample
    windows: tuple[Window, ...]
    extra: bool = False


class LeftOut(msgspec.Struct, frozen=True):
    """A window that became no tile, and the reason; `share` is the share that was too small."""

    parent: str
    window: Window
    reason: Reason
    share: float


class Tiled(Made, frozen=True):
    """The result of a task. Also a line of the journal."""

    left_out: list[LeftOut]


def tile_task(task: Task, target: Target) -> Tiled:
    """Cut a task's windows, and write the tiles that are kept. Returns their lines. Raises `DataError`."""
    samples: list[Sample] = []
    left_out: list[LeftOut] = []
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
    return Tiled(task.name, samples, left_out)


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
        self._area: list[tuple[Any, int]] = []
        if target.aoi is not None:
            size, crs = sample.size, target.aoi_crs
            polygons, _ = to_pixels(target.aoi, self.geo, "--aoi", size=size, crs=crs, option="--aoi-crs")
            self._area = [(geometry, 1) for _, geometry in polygons]

    @property
    def format(self) -> Format:
        """How its tiles are written. Raises `DataError` if the image does not fit into the format that was asked for."""
        image, format = self.image, self.target.format
        plain = image is None or (image.bands == 3 and image.dtype == np.uint8)
        if format == "auto":
            return "png" if plain and not self.geo.placed else "tiff"
        if format != "tiff" and not plain and image is not None:
            what = f"{image.bands} bands of {image.dtype} do not fit into {format}: use --format tiff"
            raise DataError(Problem("tile.format", what))
        return format

    @property
    def ignores(self) -> bool:
        """Whether more pixels may be ignored than in the mask file."""
        if self.target.aoi is not None:
            return True
        if self.image is None:
            return False
        first = Window(0, 0, 1, 1)
        return self.target.nodata is not None or self.image.valid(first, self.image.read(first)) is not None

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
        return self.target.aoi is None or bool(burn(self._area, window).any())

    def _ignored(self, window: Window, image: Values | None, ids: Mask, ignores: bool) -> Mask:
        if not ignores:
            return ids
        gone = np.zeros(ids.shape, np.bool_)
        if self.target.aoi is not None:
            gone |= burn(self._area, window) == 0
        if self.image is not None and image is not None:
            if self.target.nodata is not None:
                gone |= ~has_data(image, self.target.nodata)
            elif (valid := self.image.valid(window, image)) is not None:
                gone |= ~valid
        return np.where(gone, ids.dtype.type(self.target.source.labels.ignore), ids)

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
        if image is not None:
            path = f"images/{id}.{ {'png': 'png', 'jpeg': 'jpg'}.get(self.format, 'tif') }"
            write_bytes(target.root / path, self._encode(view, image))
        data = write_mask(target.root / f"masks/{id}.png", ids)
        return msgspec.structs.replace(
            line, image=path, mask=f"masks/{id}.png", sha256=hashlib.sha256(data).hexdigest(), crop=None, exif=None
        )

    def _encode(self, view: View, image: Values) -> bytes:
        values = view.image(image)
        format = self.format
        if format in ("png", "jpeg"):
            return encode_image(values, format, self.target.quality)
        geo = self.geo.cut(view.crop, view.content)
        return encode_tiff(values, compress=self.target.compress, tags=geo.tags())

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
