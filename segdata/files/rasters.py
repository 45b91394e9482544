"""Images and masks that are open for reading by windows: in memory, or in a file that GDAL reads. `opening` opens them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.bands import RGB, About, about_bands, alpha_band, places_of
from segdata.files.changes import Changes, drawn
from segdata.files.gdal import black_of, damaged, gdal_window, resampling
from segdata.files.geo import Geo
from segdata.files.limits import refuse_large
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.sidecars import geo_of
from segdata.labels import Mask
from segdata.resize import centres, resize_known
from segdata.windows import Window

BY_ROWS = ("PNG", "JPEG")
"""What GDAL decodes from the top, whatever window is wanted."""

SLOW = 2**24
"""Pixels of a block with which a window takes as long as an image."""

Values = NDArray[Any]
"""(h, w, C): uint8 RGB of ordinary images, else the bands as they are."""


class Raster(Protocol):
    """An image open for reading by windows."""

    height: int
    width: int
    bands: int
    dtype: np.dtype[Any]
    geo: Geo
    about: tuple[About, ...]
    """What the file says of each band; () if it says nothing."""
    blocked: bool
    """Whether windows of any place are quick: a tiled file, or one that is in memory."""

    def read(self, window: Window | None = None) -> Values:
        """(h, w, C) pixels of a window, of all by default. Raises `DataError` (`image.unreadable`)."""

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """(h, w): which pixels of a window, whose `values` were read, have data by the file's own word; None for all."""

    @property
    def shrinks(self) -> int:
        """How many times smaller the smallest copy in the file is that windows are read from; 1: there is none."""

    def reduced(self, size: tuple[int, int], window: Window | None = None, mean: bool = False) -> Values:
        """(h, w, C): a window, all by default, in that size but no larger, to look at: its first three bands.

        Of every so many pixels; with `mean`, the means of what has data. Smaller copies in the file are used if it has any.
        """


class WholeRaster:
    """An image that is in memory: (H, W, C), and (H, W) which pixels are opaque."""

    def __init__(self, values: Values, opaque: NDArray[np.bool_] | None = None, geo: Geo | None = None) -> None:
        self.values, self.opaque = values, opaque
        self.height, self.width, self.bands = values.shape
        self.dtype = values.dtype
        self.geo = geo or Geo()
        self.about: tuple[About, ...] = ()
        self.blocked, self.shrinks = True, 1

    def read(self, window: Window | None = None) -> Values:
        """See `Raster`. A view."""
        return self.values if window is None else self.values[window.slices]

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """See `Raster`."""
        if self.opaque is None:
            return None if self.geo.nodata is None else has_data(values, self.geo.nodata)
        return self.opaque[window.slices]

    def reduced(self, size: tuple[int, int], window: Window | None = None, mean: bool = False) -> Values:
        """See `Raster`."""
        return shrunk(self.read(window)[:, :, :3], size, self.geo.nodata, mean)


class FilledRaster:
    """An image that has data everywhere, whatever its file says. A `Raster`; its `geo` still names what means no data."""

    def __init__(self, raster: Raster) -> None:
        self.height, self.width, self.bands = raster.height, raster.width, raster.bands
        self.dtype, self.geo, self.blocked, self.about = raster.dtype, raster.geo, raster.blocked, raster.about
        self.read, self.reduced = raster.read, raster.reduced
        self._raster = raster

    @property
    def shrinks(self) -> int:
        """See `Raster`."""
        return self._raster.shrinks

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """See `Raster`."""
        return None


class FileRaster:
    """An image that GDAL reads. `ordinary` ones become RGB: 8-bit RGB, grey and palettes, PNGs of 16 bits; the rest stays.

    Its bands are those that `reading` chooses, or all but one of transparency. Where 0 is white, values are turned round.
    """

    def __init__(self, source: Any, file: str, reading: Reading = AS_IT_IS) -> None:
        kind = source.dtypes[0]
        refuse_complex(source, file)
        self._source, self._file = source, file
        self.height, self.width = source.height, source.width
        about = about_bands(source)
        self._alpha = alpha_band(source, reading, file)
        data = [number for number in source.indexes if number != self._alpha]
        colours = [about[number - 1].colour for number in data]
        self.ordinary = _is_ordinary(source, kind, colours)
        self._look = _look_of(source, kind, colours, self.ordinary)
        self._indexes = data
        self._picked: list[int] | None = None
        self.bands = 3 if self.ordinary else len(data)
        if reading.bands:
            self._choose(about, reading, data)
        self.dtype = np.dtype(np.uint8 if self.ordinary else kind)
        self.about = (
            () if self._look.grey or self._look.palette is not None else tuple(about[i - 1] for i in self._indexes)
        )
        geo = geo_of(source, file)
        self._nodata = geo.nodata
        self.geo = replace(geo, nodata=self._look.nodata(geo.nodata), scaling=self._scaling())
        self.blocked = source.block_shapes[0][1] < source.width
        self._masked = [flag.name for flag in source.mask_flag_enums[0]] == ["per_dataset"]  # of alpha it says more

    def _choose(self, about: Sequence[About], reading: Reading, data: list[int]) -> None:
        """Read the bands alone that `reading` chooses. One that becomes RGB counts as three, before one of transparency."""
        expanded = self._look.grey or self._look.palette is not None
        numbers = [*data * 3, *([self._alpha] if self._alpha else [])] if expanded else list(self._source.indexes)
        names = [(about[i - 1].name, about[i - 1].colour.replace("undefined", "")) for i in numbers]
        chosen = places_of(reading.bands, [*RGB, *names[3:]] if expanded else names, self._file)
        self._indexes = [numbers[place - 1] for place in chosen]
        if self._alpha in self._indexes:  # it is data then
            self._alpha, self._look = None, Look(shift=self._look.shift)
        elif expanded:
            self._indexes, self._picked = data, [place - 1 for place in chosen]
        self.bands = len(chosen)

    def _scaling(self) -> tuple[tuple[float, float], ...]:
        """(scale, offset) of each band as it is given; () if none has any, or where values are colours of a palette."""
        found = [(self._source.scales[i - 1], self._source.offsets[i - 1]) for i in self._indexes]
        if self._look.palette is not None or all(one == (1.0, 0.0) for one in found):
            return ()
        return tuple(found if len(found) == self.bands else found[:1] * self.bands)

    def read(self, window: Window | None = None) -> Values:
        """See `Raster`."""
        return self._shown(self._stored(window or Window(0, 0, self.height, self.width)))

    def _stored(self, window: Window) -> Values:
        """(h, w, C) of the file's own bands, as they are."""
        y, x, h, w = window
        refuse_large(h, w, len(self._indexes) * np.dtype(self._source.dtypes[0]).itemsize, self._file)
        values = np.empty((h, w, len(self._indexes)), self._source.dtypes[0])
        with damaged(self._file):
            self._source.read(self._indexes, out=values.transpose(2, 0, 1), window=gdal_window(y, x, h, w))
        return values

    def _shown(self, values: Values) -> Values:
        """The file's own (h, w, C) as they are given: see the class."""
        shown = self._look(values)
        return shown if self._picked is None else np.ascontiguousarray(shown[:, :, self._picked])

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """See `Raster`."""
        if self._alpha is not None or self._masked:
            read = self._source.read if self._alpha is not None else self._source.read_masks
            with damaged(self._file):
                return np.asarray(read(self._alpha or 1, window=gdal_window(*window)) > 0)
        if self._nodata is None:
            return None
        if self.geo.nodata is None:  # what is shown does not tell
            return has_data(self._stored(window), self._nodata)
        return has_data(values, self.geo.nodata)

    @property
    def shrinks(self) -> int:
        """See `Raster`."""
        with damaged(self._file):
            return copies_of(self._source)

    def reduced(self, size: tuple[int, int], window: Window | None = None, mean: bool = False) -> Values:
        """See `Raster`. Of indices of a palette there are no means."""
        window = window or Window(0, 0, self.height, self.width)
        size = no_larger(size, window[2:])
        refuse_large(*size, 1, self._file)
        values = np.empty((*size, len(self._indexes[:3])), self._source.dtypes[0])
        how = resampling("average" if mean and self._look.palette is None else "nearest")
        with damaged(self._file):
            self._source.read(
                self._indexes[:3], out=values.transpose(2, 0, 1), window=gdal_window(*window), resampling=how
            )
        return self._shown(values)[:, :, :3]


def _is_ordinary(source: Any, kind: str, colours: Sequence[str]) -> bool:
    """Whether bands of these colours become RGB of 8 bits: see `FileRaster`."""
    if kind != "uint8" and not (kind == "uint16" and source.driver == "PNG"):
        return False
    return colours in (["gray"], ["palette"], ["undefined"]) or colours == ["red", "green", "blue"]


@dataclass(frozen=True, slots=True)
class Look:
    """How stored values are shown: as they are, through a palette, cut to their upper bits, turned round, or stretched to 8 bits.

    `top`: the value that 0 is shown as, if 0 is white. `grey`: one band becomes three.
    """

    palette: NDArray[np.uint8] | None = None
    shift: int = 0
    top: int = 0
    factor: int = 1
    grey: bool = False

    def __call__(self, values: Values) -> Values:
        """(h, w, C) as they are shown."""
        if self.palette is not None:
            return np.asarray(self.palette[values[:, :, 0]])
        if self.shift:
            values = (values >> self.shift).astype(np.uint8)
        if self.top:
            values = values.dtype.type(self.top) - values
        return np.repeat(values * np.uint8(self.factor), 3, axis=2) if self.grey else values

    def nodata(self, stored: float | None) -> float | None:
        """What is shown for the value that means no data; None if that is shown for others too."""
        if stored is None or self.palette is not None or self.shift or self.factor != 1:
            return None
        return self.top - stored if self.top else stored


def _look_of(source: Any, kind: str, colours: Sequence[str], ordinary: bool) -> Look:
    """How the values of an open rasterio dataset are shown."""
    bits = int(source.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8 * np.dtype(kind).itemsize))
    if ordinary and colours == ["palette"]:
        palette = np.zeros((256, 3), np.uint8)
        for value, color in source.colormap(1).items():
            palette[value] = color[:3]
        return Look(palette)
    grey = ordinary and len(colours) == 1
    shift = 8 if ordinary and kind == "uint16" else 0
    factor = 255 // (2**bits - 1) if grey and bits < 8 else 1
    return Look(None, shift, black_of(source) if len(colours) == 1 else 0, factor, grey)


class MaskRaster:
    """A mask open for reading by windows: class ids, palette indices as they are."""

    def __init__(self, source: Any, file: str) -> None:
        if source.count != 1 or source.dtypes[0] not in ("uint8", "uint16"):
            what = f"{source.count} bands of {source.dtypes[0]}"
            raise DataError(
                Problem("mask.colours", f"a mask of {what} holds no class ids: it takes one of 8 or 16 bits", file)
            )
        self._source, self._file = source, file
        self.height, self.width = source.height, source.width
        self.dtype = np.dtype(source.dtypes[0])
        self.blocked = source.block_shapes[0][1] < source.width  # see `Raster`

    def read(self, window: Window | None = None) -> Mask:
        """(h, w) ids of a window, of all by default. Raises `DataError` (`mask.unreadable`)."""
        y, x, h, w = window or (0, 0, self.height, self.width)
        refuse_large(h, w, self.dtype.itemsize, self._file, "mask")
        with damaged(self._file, "mask"):
            values: Mask = self._source.read(1, window=gdal_window(y, x, h, w))
        return values

    @property
    def shrinks(self) -> int:
        """See `Raster`."""
        with damaged(self._file, "mask"):
            return copies_of(self._source)

    def reduced(self, size: tuple[int, int], window: Window | None = None) -> Mask:
        """(h, w) ids of every so many pixels of a window, all by default, in that size but no larger."""
        window = window or Window(0, 0, self.height, self.width)
        size = no_larger(size, window[2:])
        refuse_large(*size, self.dtype.itemsize, self._file, "mask")
        with damaged(self._file, "mask"):
            values: Mask = self._source.read(1, out_shape=size, window=gdal_window(*window))
        return values


class WholeMask:
    """A mask that is in memory, (H, W) ids; drawn when it is read."""

    def __init__(self, held: Mask | Changes) -> None:
        self.held = held
        self.height, self.width = held.shape
        self.dtype = np.dtype(np.uint8) if isinstance(held, Changes) else held.dtype
        self.blocked, self.shrinks = True, 1

    @property
    def values(self) -> Mask:
        """All ids."""
        return drawn(self.held)

    def read(self, window: Window | None = None) -> Mask:
        """(h, w) ids of a window, of all by default; a view."""
        return self.values if window is None else self.values[window.slices]

    def reduced(self, size: tuple[int, int], window: Window | None = None) -> Mask:
        """(h, w) ids of every so many pixels of a window, all by default, in that size but no larger."""
        return every(self.read(window), size)


def refuse_complex(source: Any, file: str) -> None:
    """Raise `DataError` (`image.type`) for complex pixels, which nothing here computes with."""
    if any("complex" in kind for kind in source.dtypes):
        ways = "export their magnitude, or their real part (rio convert FILE NEW --dtype float32)"
        raise DataError(Problem("image.type", f"its pixels are complex numbers: {ways}", file))


def may_lack_data(source: Any, geo: Geo) -> bool:
    """Whether an open rasterio dataset, by its header, may have pixels without data: of a nodata value, an alpha or a mask."""
    flags = {flag.name for band in source.mask_flag_enums for flag in band}
    return geo.nodata is not None or flags != {"all_valid"}


def is_gapless(raster: Raster) -> bool:
    """Whether an open image has data everywhere, as far as its header says."""
    first = Window(0, 0, 1, 1)
    return raster.valid(first, raster.read(first)) is None


def every(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(H, W, ...) in about that size, never larger: the pixels under the centres of the new ones."""
    size = no_larger(size, array.shape[:2])
    if size == array.shape[:2]:
        return array
    rows, columns = map(centres, array.shape[:2], size)
    return np.asarray(array[rows][:, columns])


def shrunk(values: Values, size: tuple[int, int], nodata: float | None, mean: bool) -> Values:
    """(H, W, C) in that size but no larger: `every` so many pixels, or means of the areas, of what is not `nodata`."""
    return resize_known(values, no_larger(size, values.shape[:2]), nodata) if mean else every(values, size)


def no_larger(size: Sequence[int], full: Sequence[int]) -> tuple[int, int]:
    """A size (height, width) within a full one, of one pixel or more."""
    return min(full[0], max(1, size[0])), min(full[1], max(1, size[1]))


def copies_of(source: Any) -> int:
    """`Raster.shrinks` of an open rasterio dataset; 1 if windows of it are slow all the same."""
    rows, columns = source.block_shapes[0]
    if source.driver in BY_ROWS or rows * columns > SLOW:
        return 1
    return int(max(source.overviews(1), default=1))


def bands_of(raster: Any, pixels: int = 2**24, block: int = 1) -> Iterator[Any]:
    """All of an image or mask that is open, about so many `pixels` at a time; rows in multiples of `block`, as tiles are."""
    for strip in Window(0, 0, raster.height, raster.width).strips(pixels, block):
        yield np.ascontiguousarray(raster.read(strip))


def has_data(values: Values, nodata: float) -> NDArray[np.bool_]:
    """(h, w, C) -> (h, w): which pixels have, in any band, another value than `nodata`, which may be NaN."""
    if np.isnan(nodata):
        return np.asarray(~np.isnan(values).all(axis=2))
    return np.asarray((values != nodata).any(axis=2))
