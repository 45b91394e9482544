"""The one door to images and masks: whatever the file is, it is opened once, and read whole or by windows.

TIFF of every kind, JPEG 2000 and what GDAL alone reaches (`https://`, `zip://` ...) are read window by window, so that memory
does not grow with the image. PNG and JPEG have no random access: up to `file.WHOLE` pixels they are decoded at once, larger
ones row by row as GDAL does it, which is quick downwards and starts anew upwards. In object storage the former are read by
parts, the latter fetched once.

Files that are read by windows are opened once by Python, for what their first bytes say, and once by GDAL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files import gdal
from segdata.files.colors import to_rgb
from segdata.files.file import WHOLE, File, open_file
from segdata.files.geo import Geo
from segdata.files.images import Exif, ImageFacts, inspect_image, read_mask, read_opaque, read_reduced, turn
from segdata.files.limits import MAX_PIXELS
from segdata.files.lossy import CHANGED, lossy_name
from segdata.files.pillow import header_orientation
from segdata.files.places import only_gdal_opens
from segdata.files.rasters import FileRaster, MaskRaster, Raster, WholeMask, WholeRaster
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.files.sidecars import geo_beside
from segdata.windows import Window

LUMA = np.array([0.299, 0.587, 0.114])
"""The brightness of red, green and blue (ITU-R BT.601), as Pillow has it."""


@contextmanager
def open_image(path: str | Place | File, *, exif: Exif | None = None, reading: Reading = AS_IT_IS) -> Iterator[Raster]:
    """An image open for reading by windows; `exif` is the manifest's, `reading` the dataset's.

    Raises `DataError` (`image.missing`, `image.unreadable`, `image.too_large` for what has to be decoded at once).
    """
    with ExitStack() as stack:
        with open_file(path) as file:
            if file.access == "whole" or (file.access == "rows" and exif == "upright"):
                raster: Raster = _whole(file, exif, stack)
            else:
                source = stack.enter_context(gdal.opened(file))
                raster = _by_windows(source, file, exif, _orientation(file))
        yield raster


@contextmanager
def open_mask(path: str | Place | File) -> Iterator[MaskRaster | WholeMask]:
    """A mask open for reading by windows. Raises `DataError` (`mask.*`)."""
    with ExitStack() as stack:
        with open_file(path, "mask") as file:
            if file.access == "whole":
                mask: MaskRaster | WholeMask = WholeMask(read_mask(file))
            else:
                if (lossy := lossy_name(file)) is not None:
                    raise file.problem("jpeg", CHANGED.format(lossy))
                mask = MaskRaster(stack.enter_context(gdal.opened(file)), str(file))
        yield mask


def read_facts(path: str | Place | File, *, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """An image's size and orientation: from the header of what is read by windows, otherwise by decoding it once.

    Raises `DataError` (`image.*`).
    """
    with open_file(path) as file:
        if file.access == "whole":
            return inspect_image(file, max_pixels=max_pixels)
        with gdal.opened(file) as source:
            return ImageFacts(source.height, source.width, _orientation(file))


def read_brightness(
    path: str | Place | File, *, exif: Exif | None = None, reduce: int = 1
) -> tuple[ImageFacts, int, NDArray[np.uint8]]:
    """What `images.read_reduced` gives, of images of any size and kind. Raises `DataError` (`image.*`)."""
    with open_file(path) as file:
        if file.access == "whole":
            return read_reduced(file, exif=exif, reduce=reduce)
        with gdal.opened(file) as source:
            facts = ImageFacts(source.height, source.width, _orientation(file))
            # as many bands as there are, whatever is made of them
            with gdal.damaged(str(file)):
                bands = 3 if source.colorinterp[0].name == "palette" else source.count
            return facts, bands, _brightness(_by_windows(source, file, exif, facts.orientation), reduce)


def _whole(file: File, exif: Exif | None, stack: ExitStack) -> Raster:
    """An image that is decoded at once; by GDAL if a file beside it says which value means no data, as it is stored."""
    geo = geo_beside(str(file))
    if geo.nodata is None:
        return WholeRaster(*read_opaque(file, exif=exif), geo=_as_turned(geo, file, exif))
    return _by_windows(stack.enter_context(gdal.opened(file)), file, exif, _orientation(file))


def _as_turned(geo: Geo, file: File, exif: Exif | None) -> Geo:
    """Where an image lies as `exif` has it: turned ones lie nowhere."""
    turned = exif == "upright" and geo.placed and _orientation(file) != 1
    return Geo(nodata=geo.nodata) if turned else geo


def _brightness(raster: Raster, reduce: int) -> NDArray[np.uint8]:
    """(h, w) uint8, not more times smaller than it must be: these pixels are no means of others."""
    nth = max(1, min(reduce, isqrt(raster.height * raster.width // WHOLE)))
    size = -(-raster.height // nth), -(-raster.width // nth)
    return np.asarray((to_rgb(raster.reduced(size)) @ LUMA).round().astype(np.uint8))


def _orientation(file: File) -> int:
    """An image's EXIF orientation; 1 for what GDAL alone opens."""
    return 1 if only_gdal_opens(file.path) else header_orientation(file)


def _by_windows(source: Any, file: File, exif: Exif | None, orientation: int) -> Raster:
    """The raster of an open rasterio dataset; in memory if it has to be turned."""
    with gdal.damaged(str(file)):
        raster = FileRaster(source, str(file))
    geo = raster.geo if orientation == 1 or exif != "upright" else Geo(nodata=raster.geo.nodata)
    if file.access == "rows":
        return WholeRaster(*read_opaque(file, exif=exif), geo=geo) if exif == "upright" else raster
    names = {interpretation.name for interpretation in source.colorinterp}
    if names & {"cyan", "magenta", "yellow", "black"} or (orientation != 1 and raster.ordinary):
        # of colours that are not stored as RGB, GDAL reads turned rows in another order
        return WholeRaster(*read_opaque(file, exif=exif), geo=geo)
    if orientation == 1 or exif != "upright":
        return raster
    values = raster.read()
    valid = raster.valid(Window(0, 0, raster.height, raster.width), values)
    upright = np.ascontiguousarray(turn(values, orientation))
    return WholeRaster(upright, None if valid is None else turn(valid, orientation), geo)
