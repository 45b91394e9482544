"""What GDAL opens, through rasterio: only image formats, and whatever goes wrong becomes one `DataError`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from segdata.errors import DataError, Problem, raise_exhausted
from segdata.files.file import File, open_file
from segdata.files.members import gdal_path, holder
from segdata.files.places import is_stored, vsi_path
from segdata.files.providers import PROVIDERS, gdal_settings
from segdata.files.remote import Place, Remote, is_remote

CACHE_MB = 64
"""What GDAL may keep of the blocks it has decoded. Its own default grows with the machine."""

DRIVERS = ("GTiff", "PNG", "JPEG", "JP2OpenJPEG", "WEBP", "BMP", "GIF")
"""What GDAL may take a file for. Others, VRT above all, name more files to read, wherever they are."""

ELSEWHERE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_NON_CACHED": ":".join(p.gdal for p in PROVIDERS.values() if p.gdal),
}
"""GDAL on object storage: no look for files beside the one that is opened, and nothing kept of it once it is closed, as it may
be written anew."""


@lru_cache(maxsize=1)
def load_rasterio() -> Any:
    """rasterio, once GDAL has been told how much to keep."""
    os.environ.setdefault("GDAL_CACHEMAX", str(CACHE_MB))
    import rasterio

    return rasterio


@contextmanager
def opened(path: str | Place | File, kind: str = "image") -> Iterator[Any]:
    """An open rasterio dataset. Raises `DataError` (`<kind>.missing`, `.unreadable`), `StorageError`."""
    rasterio = load_rasterio()
    with open_file(path, kind) as file, ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            source = _open_stored(file, stack) if is_stored(file.path) else _open_here(file)
        stack.enter_context(source)
        if source.driver not in DRIVERS:
            message = f"a {source.driver} is no image, and may name other files to read: convert it to GeoTIFF"
            raise file.problem("unreadable", message)
        yield source


def _open_here(file: File) -> Any:
    """An open rasterio dataset of a file of this machine, or of what GDAL alone reaches."""
    if not is_remote(file.path) and not os.path.exists(holder(str(file))):
        raise file.problem("missing", "there is no such file")
    with damaged(str(file), file.kind):
        return load_rasterio().open(gdal_path(str(file)))


def _open_stored(file: File, stack: ExitStack) -> Any:
    """An open rasterio dataset of what is in object storage."""
    rasterio, there = load_rasterio(), Remote.of(file.path)
    try:
        if (path := vsi_path(there)) is None:
            with damaged(str(file), file.kind):
                return stack.enter_context(rasterio.MemoryFile(file.data)).open()
        os.environ.update(gdal_settings())  # not for this thread alone, as an option would be
        with rasterio.Env(**ELSEWHERE), damaged(str(file), file.kind):
            return rasterio.open(path)
    except DataError as error:
        if not there.is_file():  # which also says what is wrong with the storage
            raise file.problem("missing", "there is no such file") from error
        raise


@contextmanager
def damaged(file: str, kind: str = "image") -> Iterator[None]:
    """Whatever rasterio makes of a damaged file becomes one `DataError` (`<kind>.unreadable`)."""
    rasterio = load_rasterio()
    try:
        yield
    except (rasterio.errors.RasterioError, OSError) as error:
        raise_exhausted(error, file)
        reason = str(error.__cause__ or error).replace(file, Path(file).name)
        raise DataError(Problem(f"{kind}.unreadable", f"cannot be decoded: {reason}", file=file)) from error


def gdal_window(y: int, x: int, height: int, width: int) -> Any:
    """A window as rasterio has it."""
    from rasterio.windows import Window as GdalWindow

    return GdalWindow(x, y, width, height)
