"""What GDAL opens, through rasterio: only image formats, and whatever goes wrong becomes one `DataError`."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from segdata.errors import DataError, Problem, raise_exhausted
from segdata.files.file import File, InMemory, open_file
from segdata.files.limits import refuse_block
from segdata.files.members import gdal_path, is_encoded
from segdata.files.no_image import what_else
from segdata.files.places import is_stored, vsi_path
from segdata.files.providers import PROVIDERS, gdal_settings
from segdata.files.remote import Place, Remote, is_remote

CACHE_MB = 64
"""What GDAL may keep of the blocks it has decoded. Its own default grows with the machine."""

DRIVERS = ["GTiff", "PNG", "JPEG", "JP2OpenJPEG", "WEBP", "BMP", "GIF"]
"""What GDAL may take a file for. Others, VRT above all, name more files to read, wherever they are."""

ALONE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_NON_CACHED": ":".join(p.gdal for p in PROVIDERS.values() if p.gdal),
}
"""Options while GDAL opens a file: it does not look at files beside it (`sidecars` reads what counts of them), and keeps nothing
of an object of storage after closing it, as the object may be written again."""

MAX_BANDS = 2**12
"""The most bands that may be stored pixel by pixel: to read one band, GDAL goes through all others."""

NAMES_FILES = "OVERVIEWS"
"""The domain of metadata in which a GeoTIFF says that smaller copies of it are in another file, or at a URL."""

MEMORY = re.compile(r"/vsimem/[-0-9a-f]+/")
"""Where GDAL has a file of its memory, before the name."""


@lru_cache(maxsize=1)
def load_rasterio() -> Any:
    """rasterio, once GDAL has been told how much to keep."""
    os.environ.setdefault("GDAL_CACHEMAX", str(CACHE_MB))
    import rasterio

    return rasterio


@contextmanager
def opened(path: str | Place | File, kind: str = "image") -> Iterator[Any]:
    """An open rasterio dataset that lies in the file itself with all its parts.

    Raises `DataError` (`<kind>.missing`, `.unreadable`, `.too_large` if not even a window can be decoded), `StorageError`.
    """
    rasterio = load_rasterio()
    with open_file(path, kind) as file, ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            source = _open_stored(file, stack) if is_stored(file.path) else _open_here(file, stack)
        stack.enter_context(source)
        with damaged(str(file), kind):
            refuse_unfit(source, file)
        yield source


def _open_here(file: File, stack: ExitStack) -> Any:
    """An open rasterio dataset of a file of this machine, or of what GDAL alone reaches."""
    if is_remote(file.path):
        return open_alone(str(file), file)
    if isinstance(file, InMemory) or is_encoded(str(file)):
        return open_alone(_memory(file, stack), file)
    file.start(0)  # there is such a file, and a regular one
    return open_alone(gdal_path(str(file)), file)


def _open_stored(file: File, stack: ExitStack) -> Any:
    """An open rasterio dataset of what is in object storage."""
    there = Remote.of(file.path)
    try:
        if (path := vsi_path(there)) is None:
            return open_alone(_memory(file, stack), file)
        os.environ.update(gdal_settings())  # not for this thread alone, as an option would be
        return open_alone(path, file)
    except DataError as error:
        if not there.is_file():  # which also says what is wrong with the storage
            raise file.problem("missing", "there is no such file") from error
        if (what := what_else(file)) is not None:
            raise file.problem("unreadable", f"cannot be decoded: it {what}") from error
        raise


def _memory(file: File, stack: ExitStack) -> str:
    """What GDAL calls a file whose bytes are in memory."""
    name = "image" if isinstance(file, InMemory) else None  # messages have it
    return str(stack.enter_context(load_rasterio().MemoryFile(file.data, filename=name)).name)


def open_alone(path: str, file: File, drivers: Sequence[str] = DRIVERS, **more: str) -> Any:
    """An open rasterio dataset of what GDAL calls `path`; `more` are options while it is opened. Raises as `opened`.

    The options are set while it is opened, not while it is open: they are the thread's, and files are closed in any order.
    """
    rasterio = load_rasterio()
    with damaged(str(file), file.kind), rasterio.Env(**{**ALONE, **more}):
        return rasterio.io.DatasetReader(path, driver=list(drivers))  # `rasterio.open` takes only one driver


def refuse_unfit(source: Any, file: File) -> None:
    """Raise `DataError` for a file that names others to read, or that cannot be read by parts."""
    pixelwise = structure_of(source).get("INTERLEAVE") == "PIXEL"
    if pixelwise and source.count > MAX_BANDS:
        message = f"{source.count:,} bands are more than the limit of {MAX_BANDS:,}: store them band by band"
        raise file.problem("too_large", f"{message} (INTERLEAVE=BAND)")
    if isinstance(file, InMemory) and source.count > MAX_BANDS:  # a stranger's, and each band takes its time below
        raise file.problem("too_large", f"{source.count:,} bands are more than the limit of {MAX_BANDS:,}")
    if any(NAMES_FILES in source.tag_namespaces(band) for band in (0, *source.indexes)):
        message = "names another file that holds smaller copies: save it again, with overviews inside or without"
        raise file.problem("unreadable", message)
    refuse_block(source.block_shapes[0], source.shape, block_depth(source), str(file), file.kind)


def structure_of(source: Any) -> dict[str, str]:
    """How an open rasterio dataset is stored. Of JPEG 2000 GDAL (3.10) is not asked: of a damaged one it never answers."""
    if source.driver == "JP2OpenJPEG":
        return {"INTERLEAVE": "PIXEL"}
    found: dict[str, str] = source.tags(ns="IMAGE_STRUCTURE")
    return found


def block_depth(source: Any) -> int:
    """Bytes per pixel of a block of an open rasterio dataset, all of which are decoded at once."""
    kind = source.dtypes[0]
    bands = source.count if structure_of(source).get("INTERLEAVE") == "PIXEL" else 1
    return int(np.dtype("complex64" if "complex" in kind else kind).itemsize * bands)


@contextmanager
def damaged(file: str, kind: str = "image") -> Iterator[None]:
    """Whatever rasterio makes of a damaged file becomes one `DataError` (`<kind>.unreadable`)."""
    rasterio = load_rasterio()
    try:
        yield
    except (rasterio.errors.RasterioError, rasterio._err.CPLE_BaseError, OSError) as error:
        raise_exhausted(error, file)
        name = Path(file).name
        reason = MEMORY.sub("", str(error.__cause__ or error)).replace(gdal_path(file), name).replace(file, name)
        raise DataError(Problem(f"{kind}.unreadable", f"cannot be decoded: {reason}", file=file)) from error


def black_of(source: Any) -> int:
    """The value that is black in a file of one band of unsigned numbers whose 0 is white; 0 in other files."""
    if structure_of(source).get("MINISWHITE") != "YES" or not source.dtypes[0].startswith("uint"):
        return 0
    bits = source.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8 * np.dtype(source.dtypes[0]).itemsize)
    return int(2 ** int(bits) - 1)


def gdal_window(y: int, x: int, height: int, width: int) -> Any:
    """A window as rasterio has it."""
    from rasterio.windows import Window as GdalWindow

    return GdalWindow(x, y, width, height)


def resampling(name: str) -> Any:
    """A way to resample as rasterio has it."""
    from rasterio.enums import Resampling

    return Resampling[name]
