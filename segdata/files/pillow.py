"""What Pillow opens: within our limit of pixels, and whatever goes wrong becomes one `DataError`."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import StubImageFile

from segdata.files.file import TIFF, File
from segdata.files.no_image import what_else
from segdata.files.png import FRAMES
from segdata.files.tiff_tags import short_tags

ORIENTATION, NEW_SUBFILE_TYPE = 0x0112, 0x00FE

ALPHA = ("LA", "PA", "RGBA", "RGBa", "La")
"""Pillow's modes with a band of transparency."""

BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
}  # fmt: skip
"""What undoes the turn of each EXIF orientation."""

UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError, OverflowError, NotImplementedError,
    struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise on damaged files."""

RUN = ("EPS", "WMF")
"""Formats that Pillow decodes by Ghostscript or by Windows."""

TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)

_LIMIT = threading.Lock()


@contextmanager
def opened(file: File, max_pixels: int | None) -> Iterator[Image.Image]:
    """An open Pillow image below the pixel limit. Images are raw, with their orientation; a mask in a TIFF is upright.

    Raises `DataError` (`<kind>.missing`, `.unreadable`, `.too_large`, `mask.frames`), also for what the caller decodes.
    """
    stream = None
    try:
        with ExitStack() as stack:
            stream = file.stream
            with _limited(max_pixels):
                source = stack.enter_context(Image.open(stream))
                if source.format in RUN:
                    raise file.problem(
                        "unreadable", f"{source.format} is decoded by another program: convert it to PNG"
                    )
                image: Image.Image = source
                if file.kind == "mask" and (frames := _frames(source)) > 1:
                    raise file.problem("frames", FRAMES.format(frames))
                if image.format == "TIFF":
                    orientation = orientation_of(image.getexif())
                    image.load()  # which turns it upright, and asks for the limit again
                    if file.kind == "image" and orientation != 1:
                        image = image.transpose(BACK[orientation])
                        image.getexif()[ORIENTATION] = orientation
            yield image
    except TOO_LARGE as error:
        size = str(error).partition(" exceeds")[0]
        message = f"{size} is more than the limit of {max_pixels} (SEGDATA_MAX_PIXELS sets it)"
        raise file.problem("too_large", message) from error
    except UNREADABLE as error:
        if isinstance(error, UnidentifiedImageError) and (what := what_else(file)) is not None:
            raise file.problem("unreadable", f"cannot be decoded: it {what}") from error
        name = Path(str(file)).name
        reason = str(error).replace(repr(stream), repr(name)).replace(str(file), name) or type(error).__name__
        raise file.problem("unreadable", f"cannot be decoded: {reason}") from error


def header_of(file: File) -> Image.Image | None:
    """A file's image of which only the header was read, once; None for what Pillow cannot open."""
    if "header" not in file.__dict__:
        file.__dict__["header"] = None
        with suppress(*UNREADABLE), _limited(None):
            file.handle.seek(0)
            file.__dict__["header"] = Image.open(file.handle)
    header: Image.Image | None = file.__dict__["header"]
    return header


def is_known(file: File) -> bool:
    """Whether it begins as an image of a format that is read, be it damaged."""
    if file.access == "windows":
        return True
    header = header_of(file)
    return header is not None and header.format not in RUN and not isinstance(header, StubImageFile)


def header_orientation(file: File) -> int:
    """EXIF orientation, 1 to 8, by a file's header; 1 if a PNG has it behind its pixels, and for what Pillow cannot open.

    Of TIFFs it cannot open those of other bands and types than its own, but reads what their header says.
    """
    image = header_of(file)
    try:
        if image is None:
            return orientation_of((short_tags(file) if file.head.startswith(TIFF) else None) or {})
        with _limited(None):
            return orientation_of(Image.Image.getexif(image))  # a PNG's own method would decode all of it
    except UNREADABLE:
        return 1


def upright_by_rows(file: File) -> bool:
    """Whether a large PNG or JPEG need not be decoded at once to be upright: it is not turned, and GDAL's rows are as Pillow's.

    GDAL sees no transparency of palettes and colours, has other colours for CMYK, and refuses large progressive JPEGs.
    """
    image = header_of(file)
    if image is None or header_orientation(file) != 1:
        return False
    if image.format == "PNG":
        depth, kind = file.head[24], file.head[25]
        deep_alpha = depth == 16 and kind in (4, 6)
        return not (deep_alpha or image.info.get("interlace") or "transparency" in image.info or speaks_late(file))
    return image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB") and "progressive" not in image.info


def speaks_late(file: File) -> bool:
    """Whether a PNG has anything behind its pixels that may turn them. (PNG 3rd edition, section 5.3.)"""
    handle, at, pixels = file.handle, 8, False
    while handle.seek(at) == at and len(head := handle.read(8)) == 8:
        kind = head[4:]
        pixels = pixels or kind == b"IDAT"
        if pixels and kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
            return True
        at += 12 + int.from_bytes(head[:4])
    return False


def orientation_of(exif: Mapping[int, Any] | Image.Exif) -> int:
    """The orientation that EXIF data or a TIFF's directory has; 1 if it has none, or one that does not exist."""
    orientation = exif.get(ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def _frames(image: Any) -> int:
    """How many images a file holds; a TIFF's smaller copies and transparency masks, and an MPO's previews, do not count."""
    if image.format == "MPO" or not getattr(image, "is_animated", False):
        return 1
    if image.format != "TIFF":
        return int(image.n_frames)
    frames = 0
    for i in range(image.n_frames):
        image.seek(i)
        frames += not image.tag_v2.get(NEW_SUBFILE_TYPE, 0) & 5
    image.seek(0)
    return frames


@contextmanager
def _limited(max_pixels: int | None) -> Iterator[None]:
    """Pillow's check of headers, also of images within icons, with our limit; its own is the whole process's."""
    with _LIMIT, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # remarks on odd files; what it cannot read, it raises
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
