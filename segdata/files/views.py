"""From a file's pixels to a sample's: cut, scaled and padded, by windows. Virtual tiles are read so, and real ones made so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segdata.files.geo import Geo
from segdata.files.limits import refuse_large
from segdata.files.rasters import Raster, Values, every, no_larger, shrunk
from segdata.labels import Mask
from segdata.resize import Pad, pad, resize_known, resize_mask
from segdata.windows import Window


class Masks(Protocol):
    """A mask open for reading by windows."""

    height: int
    width: int
    dtype: np.dtype[Any]
    blocked: bool
    """Whether windows of any place are quick: a tiled file, or one that is in memory."""

    def read(self, window: Window | None = None) -> Mask:
        """(h, w) ids of a window, of all by default."""

    @property
    def shrinks(self) -> int:
        """How many times smaller the smallest copy in the file is that windows are read from; 1: there is none."""

    def reduced(self, size: tuple[int, int], window: Window | None = None) -> Mask:
        """(h, w) ids of every so many pixels of a window, all by default, in that size but no larger."""


@dataclass(frozen=True, slots=True)
class View:
    """What of a file is a sample of `size` (height, width): `crop`, resampled by `scale`, then padded."""

    crop: Window
    size: tuple[int, int]
    scale: float = 1.0
    pad: Pad = "zero"

    @property
    def content(self) -> tuple[int, int]:
        """(height, width) of what is not padding."""
        return scaled_size(self.crop.height, self.size[0], self.scale), scaled_size(
            self.crop.width, self.size[1], self.scale
        )

    @property
    def plain(self) -> bool:
        """Whether each of its pixels is one of the file's, or 0."""
        return self.content == (self.crop.height, self.crop.width) and self.pad == "zero"

    def image(self, values: Values, nodata: float | None = None) -> Values:
        """The crop's (h, w, C) -> the sample's (H, W, C); what means no data is mixed into no other pixel."""
        return self.padded(resize_known(values, self.content, nodata))

    def padded(self, values: Values) -> Values:
        """The crop's (h, w, C), resampled already -> the sample's (H, W, C)."""
        return pad(values, self.size, 0 if self.pad == "zero" else "reflect")

    def mask(self, ids: NDArray[Any], ignore: int) -> NDArray[Any]:
        """The crop's (h, w) -> the sample's (H, W), `ignore` on its padding."""
        return pad(resize_mask(ids, self.content), self.size, ignore)


def scaled_size(length: int, limit: int, scale: float) -> int:
    """Pixels that `length` of them become, at most `limit`."""
    return min(limit, max(1, round(length * scale)))


class ViewedImage:
    """A sample's image open for reading by windows; windows are of the sample. A `Raster`."""

    def __init__(self, raster: Raster, view: View) -> None:
        self._raster, self._view = raster, view
        self.height, self.width = view.size
        self.bands, self.dtype, self.about = raster.bands, raster.dtype, raster.about
        self.blocked = raster.blocked
        self.geo: Geo = raster.geo.cut(view.crop, view.content)
        self._whole: Values | None = None

    def read(self, window: Window | None = None) -> Values:
        """(h, w, C) pixels of a window, of all by default. Raises `DataError`."""
        window = window or Window(0, 0, self.height, self.width)
        refuse_large(*(window[2:] if self._view.plain else self._view.size), self.bands * self.dtype.itemsize)
        if not self._view.plain:
            if self._whole is None:
                self._whole = self._view.image(self._raster.read(self._view.crop), self.geo.nodata)
            return self._whole[window.slices]
        inside = window.meet(Window(0, 0, *self._view.content))
        if inside is None:
            return np.zeros((window.height, window.width, self.bands), self.dtype)
        values = self._raster.read(inside.shifted(self._view.crop.y, self._view.crop.x))
        return _placed(values, inside, window, 0)

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """(h, w): which pixels of a window have data by the file's own word, padding has none; None for all."""
        crop = self._view.crop
        known = self._raster.valid(crop, self._raster.read(crop))
        if known is None and self._view.content == self._view.size:
            return None
        if known is None:
            known = np.ones((crop.height, crop.width), np.bool_)
        return pad(resize_mask(known, self._view.content), self._view.size, 0)[window.slices]

    @property
    def shrinks(self) -> int:
        """See `Raster`."""
        return self._raster.shrinks if self._view.plain else 1

    def reduced(self, size: tuple[int, int], window: Window | None = None, mean: bool = False) -> Values:
        """See `Raster`. All of it, if nothing is padding, is as much of the file."""
        whole = Window(0, 0, self.height, self.width)
        window = window or whole
        crop, content = self._view.crop, Window(0, 0, *self._view.content)
        if window == content == whole and mean:
            return self._raster.reduced(no_larger(size, window[2:]), crop, mean)
        if self._view.plain and window.meet(content) == window:
            return self._raster.reduced(size, window.shifted(crop.y, crop.x), mean)
        return shrunk(self.read(window)[:, :, :3], size, self.geo.nodata, mean)


class PaddedImage:
    """An image file whose pixels below and right of `content` (height, width) are padding: they have no data. A `Raster`."""

    def __init__(self, raster: Raster, content: tuple[int, int]) -> None:
        self._content = content
        self.height, self.width, self.bands, self.dtype = raster.height, raster.width, raster.bands, raster.dtype
        self.geo, self.about, self.blocked = raster.geo, raster.about, raster.blocked
        self.read, self.reduced, self._valid = raster.read, raster.reduced, raster.valid
        self._raster = raster

    @property
    def shrinks(self) -> int:
        """See `Raster`."""
        return self._raster.shrinks

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """(h, w): which pixels of a window have data; None for all."""
        known = self._valid(window, values)
        if window.bottom <= self._content[0] and window.right <= self._content[1]:
            return known
        inside = np.ones(window[2:], np.bool_) if known is None else known.copy()
        inside[max(0, self._content[0] - window.y) :] = False
        inside[:, max(0, self._content[1] - window.x) :] = False
        return inside


class ViewedMask:
    """A sample's mask open for reading by windows; windows are of the sample."""

    def __init__(self, mask: Masks, view: View, ignore: int) -> None:
        self._mask, self._view, self._ignore = mask, view, ignore
        self.height, self.width = view.size
        self.dtype, self.blocked = mask.dtype, mask.blocked
        self._scaled = view.content != (view.crop.height, view.crop.width)
        self._whole: Mask | None = None

    def read(self, window: Window | None = None) -> Mask:
        """(h, w) ids of a window, of all by default. Raises `DataError`."""
        window = window or Window(0, 0, self.height, self.width)
        refuse_large(*(self._view.size if self._scaled else window[2:]), self.dtype.itemsize, kind="mask")
        if self._scaled:
            if self._whole is None:
                self._whole = self._view.mask(self._mask.read(self._view.crop), self._ignore)
            return self._whole[window.slices]
        inside = window.meet(Window(0, 0, *self._view.content))
        if inside is None:
            return np.full((window.height, window.width), self._ignore, self.dtype)
        ids = self._mask.read(inside.shifted(self._view.crop.y, self._view.crop.x))
        return _placed(ids, inside, window, self._ignore)

    @property
    def shrinks(self) -> int:
        """See `Masks`."""
        return 1 if self._scaled else self._mask.shrinks

    def reduced(self, size: tuple[int, int], window: Window | None = None) -> Mask:
        """See `Masks`."""
        window = window or Window(0, 0, self.height, self.width)
        crop = self._view.crop
        if not self._scaled and window.meet(Window(0, 0, *self._view.content)) == window:
            return self._mask.reduced(size, window.shifted(crop.y, crop.x))
        return every(self.read(window), size)


def _placed(part: NDArray[Any], inside: Window, window: Window, value: int) -> NDArray[Any]:
    """`part`, which is what is at `inside`, as `window`, with `value` around it."""
    if inside == window:
        return part
    out = np.full((window.height, window.width, *part.shape[2:]), value, part.dtype)
    out[inside.shifted(-window.y, -window.x).slices] = part
    return out
