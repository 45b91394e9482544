"""Tiles of images and masks of any size: one grid for all layers of a sample, each level half as large as the one before.

Small images are decoded once and kept for a while. Large ones whose files hold smaller copies are read by windows. Of others
a pyramid is built once (`pyramid`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

from segdata.errors import SegdataError
from segdata.ops.view.answers import Refusal
from segdata.ops.view.halving import TILE, levels_of, shrinking
from segdata.ops.view.layers import Layer, Pixels
from segdata.ops.view.pyramid import Pyramids
from segdata.ops.view.thumbnails import AT_ONCE
from segdata.windows import Window

SMALL = 2**24
"""Pixels, up to which an image is decoded at once: 4096 x 4096."""

COARSE = 4096
"""Pixels along a side, up to which the smallest copy in a file is read for one tile."""

KEPT = 3 * 2**26
"""Bytes of decoded images that are kept."""

KNOWN = 4096
"""Layers of which it is remembered how they are read."""

Way = Literal["memory", "windows", "copies", "pyramid"]
"""How a layer is read: decoded at once, by windows, by windows but its smaller levels from a pyramid, or from that alone."""


class Tiles:
    """The tiles of a viewer, until `close`. Threads share it."""

    def __init__(self) -> None:
        self._decoded = Decoded(KEPT)
        self._pyramids = Pyramids()
        self._ways: OrderedDict[tuple[Any, ...], Way] = OrderedDict()

    def levels(self, height: int, width: int, layers: Sequence[Layer]) -> dict[str, Any]:
        """The grid of an image, and which part of the pyramids of its layers is built; None: all, or none is needed."""
        shares = []
        for layer in reversed(layers):  # what is asked for last is built first
            with suppress(SegdataError, Refusal):  # what is wrong with a layer is told by its tiles
                if (way := self._way(layer)) in ("copies", "pyramid"):
                    shares.append(self._pyramids.share(layer, way == "copies"))
        sizes = [{"height": h, "width": w, "scale": 2**i} for i, (h, w) in enumerate(levels_of(height, width))]
        building = None if all(share == 1 for share in shares) else sum(shares) / len(shares)
        return {"height": height, "width": width, "tile": TILE, "levels": sizes, "building": building}

    def tile(self, layer: Layer, level: int, y: int, x: int) -> tuple[bytes, bool]:
        """A tile, encoded, and whether it stays so: while a pyramid is built, the smallest level grows.

        Raises `DataError`, `DatasetError`; `Refusal` for a tile that does not exist, or is not built yet.
        """
        height, width = layer.sample.size
        window = window_of(levels_of(height, width), level, y, x)
        way = self._way(layer)
        if way == "memory":
            return layer.encoded(self._decoded.levels(layer)[level][window.slices]), True
        if way == "windows" or (way == "copies" and level == 0):
            return layer.encoded(by_window(layer, level, window)), True
        return self._pyramids.tile(layer, way == "copies", level, y, x)

    def close(self) -> None:
        """Let go of what is kept, and stop what is being built."""
        self._pyramids.close()
        self._decoded.clear()

    def _way(self, layer: Layer) -> Way:
        if layer.sample.height * layer.sample.width <= SMALL:
            return "memory"
        key = layer.key
        way = self._ways.get(key)
        if way is None:
            way = self._ways[key] = way_of(layer)
            if len(self._ways) > KNOWN:
                self._ways.popitem(last=False)
        return way


def window_of(levels: Sequence[tuple[int, int]], level: int, y: int, x: int) -> Window:
    """The pixels of a tile within its level. Raises `Refusal` if there is no such tile."""
    if level < len(levels):
        height, width = levels[level]
        if (found := Window(y * TILE, x * TILE, TILE, TILE).meet(Window(0, 0, height, width))) is not None:
            return found
    raise Refusal(404, "tile", f"there is no tile {y}, {x} of level {level}")


def way_of(layer: Layer) -> Way:
    """How a large layer is read. Raises `DataError`, `DatasetError`, `Refusal`."""
    if not layer.by_windows:
        return "pyramid"
    with layer.opened() as source:
        if max(source.height, source.width) <= COARSE * source.shrinks:
            return "windows"
        return "copies" if source.blocked else "pyramid"


def by_window(layer: Layer, level: int, window: Window) -> Pixels:
    """A tile of a file that windows are read from, of a smaller copy where it has one."""
    y, x, height, width = (side * 2**level for side in window)
    with layer.opened() as source:
        part = Window(y, x, min(height, source.height - y), min(width, source.width - x))
        return layer.read(source, part, window[2:], span=layer.span(source))


class Decoded:
    """Layers that are decoded, with all levels: those used last, up to so many bytes. Each is decoded once, whoever asks."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[Any, ...], Holder] = OrderedDict()

    def levels(self, layer: Layer) -> Sequence[Pixels]:
        """The levels of a layer. Raises `DataError`, `DatasetError`, `Refusal`."""
        key = layer.key
        with self._lock:
            holder = self._held.setdefault(key, Holder())
            self._held.move_to_end(key)
        levels, new = holder.get(lambda: decoded(layer))
        if new:
            with self._lock:
                self._trim()
        return levels

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._held.clear()

    def _trim(self) -> None:
        size = sum(holder.size for holder in self._held.values())
        while size > self._most and len(self._held) > 1:
            size -= self._held.popitem(last=False)[1].size


class Holder:
    """The levels of one layer, or room for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._levels: Sequence[Pixels] | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(level.nbytes for level in self._levels or ())

    def get(self, make: Callable[[], Sequence[Pixels]]) -> tuple[Sequence[Pixels], bool]:
        """The levels, and whether they were made for this call; others wait for it."""
        with self._lock:
            new = self._levels is None
            if self._levels is None:
                self._levels = make()
            return self._levels, new


def decoded(layer: Layer) -> Sequence[Pixels]:
    """All levels of a layer that is decoded at once."""
    height, width = layer.sample.size
    with AT_ONCE, layer.opened() as source:
        pixels = layer.read(source, Window(0, 0, height, width), (height, width))
    return list(shrinking(pixels, len(levels_of(height, width))))
