"""Pyramids of large images and masks whose files hold no smaller copies: all their tiles, in one file, built once.

A pyramid is a ZIP file of encoded tiles, ready to be sent, called `level/y/x`. It is written strip by strip from the top, all
levels at once, so that memory does not grow with the image's height; it has its name only once it is whole. Level 0 is left
out where the file itself is read by windows.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import LifoQueue
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from segdata.dataset.locks import locked, unlock
from segdata.errors import DatasetError, SegdataError
from segdata.files.drafts import local_draft
from segdata.ops.view.answers import BROKEN, Refusal
from segdata.ops.view.cache import digest, folder
from segdata.ops.view.halving import TILE, levels_of, shrinking
from segdata.ops.view.layers import Layer, Pixels
from segdata.ops.view.session import Stopped
from segdata.windows import Window

NAME = "tiles.zip"

OPEN = 16
"""Pyramids that are open at once."""

WAIT = 0.5
"""Seconds between looks whether another viewer has built a pyramid."""

NICE = 10
"""By how much building gives way to answering."""


class Building:
    """A pyramid that is being built: which part of it is there, and the smallest level, which fills from the top."""

    def __init__(self, layer: Layer, path: Path, first: int) -> None:
        self.layer, self.path, self.first = layer, path, first
        self.share, self.ended = 0.0, False
        self.error: SegdataError | Refusal | None = None
        self.sizes = levels_of(*layer.sample.size)
        shape = self.sizes[-1] if layer.kind == "mask" else (*self.sizes[-1], 3)
        blank = layer.dataset.labels.ignore if layer.kind == "mask" else 0
        self.smallest: Pixels = np.full(shape, blank, layer.dataset.labels.dtype if layer.kind == "mask" else np.uint8)

    def seen(self, share: float, y: int, smallest: Pixels) -> None:
        """So much is built, with rows of the smallest level from `y` on."""
        self.smallest[y : y + len(smallest)] = smallest
        self.share = share


class Pyramids:
    """The pyramids of a viewer: one is built at a time, what was asked for last is first, until `close`. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[tuple[Any, ...], Building] = {}
        self._open: OrderedDict[tuple[Any, ...], ZipFile] = OrderedDict()
        self._waiting: LifoQueue[Building | None] = LifoQueue()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._closing = ExitStack()
        self._own: Path | None = None

    def share(self, layer: Layer, smaller: bool) -> float:
        """Which part of a layer's pyramid is built, which begins if it was not; 1: all. `smaller`: without level 0."""
        found = self._found(layer, smaller)
        return 1.0 if isinstance(found, ZipFile) or found.ended else min(found.share, 0.999)

    def tile(self, layer: Layer, smaller: bool, level: int, y: int, x: int) -> tuple[bytes, bool]:
        """A tile that exists, encoded, and whether it stays so. Raises `Refusal` (`building`), and what went wrong."""
        found = self._found(layer, smaller)
        if isinstance(found, ZipFile):
            return found.read(f"{level}/{y}/{x}"), True
        if found.error is not None:
            raise found.error.with_traceback(None)
        if level == len(found.sizes) - 1:
            return layer.encoded(found.smallest), False
        raise Refusal(
            503, "building", f"smaller copies of this {layer.kind} are being made: {found.share:.0%} are there"
        )

    def close(self) -> None:
        """Stop building, which leaves nothing, and close what is open."""
        self._stop.set()
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join(10)
        with self._lock:
            for one in self._open.values():
                one.close()
            self._open.clear()
        self._closing.close()

    def _found(self, layer: Layer, smaller: bool) -> ZipFile | Building:
        key = layer.key
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
                return self._open[key]
            job = self._jobs.get(key)
            if job is not None and (job.error is not None or not job.ended):
                return job
            path = self._place(key)
            try:
                return self._keep(key, ZipFile(path))
            except BadZipFile:  # of a disk that was full, or a machine that went down
                path.unlink(missing_ok=True)
            except OSError:
                pass
            job = self._jobs[key] = Building(layer, path, int(smaller))
            self._waiting.put(job)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="segdata-view-pyramids", daemon=True)
                self._thread.start()
            return job

    def _keep(self, key: tuple[Any, ...], opened: ZipFile) -> ZipFile:
        self._open[key] = opened
        self._jobs.pop(key, None)
        while len(self._open) > OPEN:
            self._open.popitem(last=False)  # closed once no thread reads it
        return opened

    def _place(self, key: tuple[Any, ...]) -> Path:
        """Where a pyramid is, or will be: in the cache, or for this process alone."""
        if (place := folder((*key, "pyramid"))) is not None:
            return place / NAME
        if self._own is None:
            self._own = Path(self._closing.enter_context(TemporaryDirectory(prefix="segdata-view-")))
        return self._own / digest(key) / NAME

    def _work(self) -> None:
        if sys.platform == "linux":  # elsewhere a thread has no number that this takes
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while (job := self._waiting.get()) is not None:
            error: SegdataError | Refusal | None = Refusal(500, "pyramid", BROKEN)
            try:
                self._build(job)
                error = None
            except Stopped:
                return
            except (SegdataError, Refusal) as found:
                error = found
            except OSError as found:
                error = Refusal(500, "pyramid", f"smaller copies of this {job.layer.kind} cannot be written: {found}")
            finally:
                job.error, job.ended = error, True

    def _build(self, job: Building) -> None:
        """Build it, or wait until another viewer has. Raises `Stopped`, and what goes wrong."""
        job.path.parent.mkdir(parents=True, exist_ok=True)
        lock = job.path.with_name("lock")
        while True:
            with suppress(DatasetError):
                held = locked(lock)
                break
            if self._stop.wait(WAIT):
                raise Stopped
            if job.path.exists():
                return
        try:
            if not job.path.exists():
                build(job, self._stop)
        finally:
            unlock(held, lock)


def build(job: Building, stop: threading.Event) -> None:
    """Write a pyramid, and tell of each strip. Raises `Stopped`, `DataError`, `DatasetError`, `Refusal`, `OSError`."""
    layer, sizes = job.layer, job.sizes
    rows = max(TILE, 2 ** (len(sizes) - 1))
    with local_draft(job.path) as draft, layer.opened() as source, ZipFile(draft, "w") as file:
        writers = [TileRows(layer, file, level, *size) for level, size in enumerate(sizes)]
        span = layer.span(source)
        for y in range(0, source.height, rows):
            strip = Window(y, 0, min(rows, source.height - y), source.width)
            part = layer.read(source, strip, strip[2:], span=span)
            for level, pixels in enumerate(shrinking(part, len(sizes))):
                if level >= job.first:
                    writers[level].put(pixels)
            job.seen(strip.bottom / source.height, y >> (len(sizes) - 1), pixels)
            if stop.is_set():
                raise Stopped


class TileRows:
    """One level of a pyramid, written from the top."""

    def __init__(self, layer: Layer, file: ZipFile, level: int, height: int, width: int) -> None:
        self._layer, self._file, self._level = layer, file, level
        self._left, self._width, self._y = height, width, 0
        self._waiting: list[Pixels] = []

    def put(self, pixels: Pixels) -> None:
        """The next rows; tiles that are whole are written."""
        self._waiting.append(pixels)
        while (rows := sum(map(len, self._waiting))) >= min(TILE, self._left) > 0:
            every = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
            done = min(TILE, self._left)
            self._waiting = [every[done:]] if rows > done else []
            self._left -= done
            for x in range(-(-self._width // TILE)):
                tile = self._layer.encoded(every[:done, x * TILE : (x + 1) * TILE])
                self._file.writestr(f"{self._level}/{self._y}/{x}", tile)
            self._y += 1
