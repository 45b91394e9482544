"""The one door to images and masks: whatever the file is, it is opened once, and read whole or by windows.

TIFF of every kind, JPEG 2000, what `forms` lists and what GDAL alone reaches (`https://`, `zip://` ...) are read window by
window, so that memory does not grow with the image. PNG and JPEG have no random access: up to `file.WHOLE` pixels they are
decoded at once, larger ones row by row as GDAL does it, which is quick downwards and starts anew upwards. In object storage
the former are read by parts, the latter fetched once.

Files that are read by windows are opened once by Python, for what their first bytes say, and once by GDAL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files import gdal, others
from segdata.files.colors import to_grey, to_rgb
from segdata.files.file import WHOLE, File, open_file
from segdata.files.geo import Geo
from segdata.files.images import Exif, ImageFacts, inspect_image, read_lazily, read_opaque, read_reduced, turn
from segdata.files.limits import MAX_PIXELS, refuse_large
from segdata.files.lossy import CHANGED, lossy_name
from segdata.files.pillow import header_of, header_orientation, speaks_late, upright_by_rows
from segdata.files.places import only_gdal_opens
from segdata.files.rasters import (
    FileRaster,
    FilledRaster,
    MaskRaster,
    Raster,
    WholeMask,
    WholeRaster,
    may_lack_data,
    refuse_complex,
)
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.files.sidecars import geo_beside, geo_of
from segdata.files.slides import open_slide
from segdata.files.small_jpegs import SmallJpeg, size_of
from segdata.windows import Window

DATA = Reading(alpha=False)
"""For what looks at colours alone: it need not be known whether a further band is one of transparency."""


BLOCK = 2**20
"""Blocks of up to so many pixels are never too large, however small the image may be."""


@contextmanager
def open_image(
    path: str | Place | File, *, exif: Exif | None = None, reading: Reading = AS_IT_IS, small: bool = False
) -> Iterator[Raster]:
    """An image open for reading by windows; `exif` is the manifest's, `reading` the dataset's.

    `small`: it is only looked at, in small: a JPEG is then decoded when it is read (`small_jpegs`).
    Raises `DataError` (`image.missing`, `image.unreadable`, `image.too_large` for what has to be decoded at once).
    """
    with ExitStack() as stack:
        with open_file(path) as file:
            if file.form == "slide":
                raster: Raster = stack.enter_context(open_slide(file, reading))
            elif file.access == "whole" or (file.access == "rows" and exif == "upright" and not upright_by_rows(file)):
                raster = (_small(file, exif, reading) if small else None) or _whole(file, exif, reading, stack)
            else:
                source = stack.enter_context(others.opened(file, reading))
                raster = _by_windows(source, file, exif, _orientation(file), reading)
        yield raster if reading.under_nodata == "ignore" else FilledRaster(raster)


def refuse_pixels(file: File, most: int) -> None:
    """Raise `DataError` (`image.too_large`) for an image of more pixels, by its header: none is decoded.

    So is one in blocks of more, each of which has to be decoded at once; 16 bytes count as a pixel there. Raises `DataError`
    (`image.unreadable`).
    """
    size, block, depth = (0, 0), (0, 0), 16
    if file.access == "windows":
        with others.opened(file) as source, gdal.damaged(str(file)):
            size, block, depth = source.shape, source.block_shapes[0], max(16, gdal.block_depth(source))
    elif (header := header_of(file)) is not None:
        size = header.height, header.width
    if size[0] * size[1] > most:
        raise file.problem("too_large", f"{size[1]} x {size[0]} pixels are more than the limit of {most}")
    if block[0] * block[1] * depth > 16 * max(most, BLOCK):
        what = f"its blocks of {block[1]} x {block[0]} pixels, {depth} bytes each, are more than the limit of {most} pixels"
        raise file.problem("too_large", what)


def read_geo(path: str | Place, *, exif: Exif | None = None, reading: Reading = AS_IT_IS) -> Geo:
    """Where an image lies; its pixels are not decoded for it. Raises `DataError` as `open_image`."""
    with open_file(path) as file:
        if file.form != "slide" and file.access == "whole":
            return _as_turned(geo_beside(str(file)), file, exif)
    with open_image(path, exif=exif, reading=reading) as image:
        return image.geo


@contextmanager
def open_mask(path: str | Place | File) -> Iterator[MaskRaster | WholeMask]:
    """A mask open for reading by windows. Raises `DataError` (`mask.*`)."""
    with ExitStack() as stack:
        with open_file(path, "mask") as file:
            if file.access == "whole":
                mask: MaskRaster | WholeMask = WholeMask(read_lazily(file))
            else:
                if (lossy := lossy_name(file)) is not None:
                    raise file.problem("jpeg", CHANGED.format(lossy))
                mask = MaskRaster(stack.enter_context(others.opened(file)), str(file))
        yield mask


def read_facts(path: str | Place | File, *, max_pixels: int = MAX_PIXELS, reading: Reading = AS_IT_IS) -> ImageFacts:
    """An image's size and orientation: from the header of what is read by windows, otherwise by decoding it once.

    Raises `DataError` (`image.*`).
    """
    with open_file(path) as file:
        if file.access == "whole":
            facts = inspect_image(file, max_pixels=max_pixels)
            return facts if geo_beside(str(file)).nodata is None else replace(facts, gaps=True)
        if file.form == "slide":
            with open_slide(file) as slide:
                return ImageFacts(slide.height, slide.width, 1, gaps=slide.sparse)
        with others.opened(file, reading) as source:
            return _facts(source, file)


def upright_size(path: str | Place) -> tuple[int, int]:
    """(height, width) of an image turned as its EXIF orientation says, without decoding it if it is a JPEG or PNG.

    Raises `DataError` (`image.*`), also for more pixels than may be in memory at once.
    """
    with open_file(path) as file:
        size = _header_facts(file).upright
    refuse_large(*size, 1, str(path))
    return size


def is_turned(path: str | Place) -> bool:
    """Whether EXIF turns an image, without decoding it if it is a JPEG or PNG. Raises `DataError` (`image.*`)."""
    with open_file(path) as file:
        return _header_facts(file).orientation != 1


def _header_facts(file: File) -> ImageFacts:
    """An image's size and orientation, of a JPEG or PNG by its header alone."""
    header = header_of(file) if file.access == "whole" else None
    if header is None or header.format not in ("JPEG", "PNG") or (header.format == "PNG" and speaks_late(file)):
        return read_facts(file)
    return ImageFacts(header.height, header.width, header_orientation(file))


def read_brightness(
    path: str | Place | File, *, exif: Exif | None = None, reduce: int = 1, reading: Reading = AS_IT_IS
) -> tuple[ImageFacts, int, NDArray[np.uint8]]:
    """What `images.read_reduced` gives, of images of any size and kind. Raises `DataError` (`image.*`)."""
    with open_file(path) as file:
        if file.access == "whole":
            return read_reduced(file, exif=exif, reduce=reduce)
        if file.form == "slide":
            with open_slide(file) as slide:
                return ImageFacts(slide.height, slide.width, 1), slide.bands, _brightness(slide, reduce)
        with others.opened(file, reading) as source:
            facts = _facts(source, file)
            # as many bands as there are, whatever is made of them
            with gdal.damaged(str(file)):
                bands = 3 if source.colorinterp[0].name == "palette" else source.count
            raster = _by_windows(source, file, exif, facts.orientation, DATA)
            return facts, bands, _brightness(raster, reduce)


def _whole(file: File, exif: Exif | None, reading: Reading, stack: ExitStack) -> Raster:
    """An image that is decoded at once; by GDAL if a file beside it says which value means no data, as it is stored."""
    geo = geo_beside(str(file))
    if geo.nodata is None:
        return WholeRaster(*read_opaque(file, exif=exif, reading=reading), geo=_as_turned(geo, file, exif))
    return _by_windows(stack.enter_context(gdal.opened(file)), file, exif, _orientation(file), reading)


def _small(file: File, exif: Exif | None, reading: Reading) -> Raster | None:
    """A JPEG that is decoded at once, to look at; None if its file is another, or more is asked than its colours."""
    if file.access != "whole" or reading.bands or (size := size_of(file, exif)) is None:
        return None
    geo = geo_beside(str(file))
    return SmallJpeg(file, size, exif, _as_turned(geo, file, exif)) if geo.nodata is None else None


def _as_turned(geo: Geo, file: File, exif: Exif | None) -> Geo:
    """Where an image lies as `exif` has it: turned ones lie nowhere."""
    turned = exif == "upright" and geo.placed and _orientation(file) != 1
    return Geo(nodata=geo.nodata) if turned else geo


def _brightness(raster: Raster, reduce: int) -> NDArray[np.uint8]:
    """(h, w) uint8, not more times smaller than it must be: these pixels are no means of others."""
    nth = max(1, min(reduce, isqrt(raster.height * raster.width // WHOLE)))
    size = -(-raster.height // nth), -(-raster.width // nth)
    return to_grey(to_rgb(raster.reduced(size), nodata=raster.geo.nodata))


def _facts(source: Any, file: File) -> ImageFacts:
    """The facts of an open rasterio dataset. Raises `DataError` (`image.type`) for complex pixels."""
    refuse_complex(source, str(file))
    gaps = may_lack_data(source, geo_of(source, str(file)))
    return ImageFacts(source.height, source.width, _orientation(file), gaps=gaps)


def _orientation(file: File) -> int:
    """An image's EXIF orientation; 1 for what GDAL alone opens."""
    return 1 if only_gdal_opens(file.path) or file.form != "usual" else header_orientation(file)


def _by_windows(source: Any, file: File, exif: Exif | None, orientation: int, reading: Reading) -> Raster:
    """The raster of an open rasterio dataset; in memory if it has to be turned."""
    with gdal.damaged(str(file)):
        raster = FileRaster(source, str(file), reading)
    geo = raster.geo if orientation == 1 or exif != "upright" else Geo(nodata=raster.geo.nodata)
    if file.access == "rows":
        at_once = exif == "upright" and not upright_by_rows(file)
        return WholeRaster(*read_opaque(file, exif=exif, reading=reading), geo=geo) if at_once else raster
    names = {interpretation.name for interpretation in source.colorinterp}
    if names & {"cyan", "magenta", "yellow", "black"} or (orientation != 1 and raster.ordinary):
        # of colours that are not stored as RGB, GDAL reads turned rows in another order
        return WholeRaster(*read_opaque(file, exif=exif, reading=reading), geo=geo)
    if orientation == 1 or exif != "upright":
        return raster
    values = raster.read()
    valid = raster.valid(Window(0, 0, raster.height, raster.width), values)
    upright = np.ascontiguousarray(turn(values, orientation))
    whole = WholeRaster(upright, None if valid is None else turn(valid, orientation), geo)
    whole.about = raster.about
    return whole
