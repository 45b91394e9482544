"""Images and masks on disk. The only place that opens an ordinary image file."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from segdata.errors import DataError, Problem
from segdata.files.members import member_of
from segdata.files.places import is_stored, read_bytes, read_start, write_bytes
from segdata.files.png import (
    FRAMES,
    MAX_PIXELS,
    PALETTE,
    SIGNATURE,
    decode_mask,
    decode_palette,
    encode_mask,
    encode_rgb,
)
from segdata.files.remote import Place, Remote
from segdata.labels import Labels, Mask

Exif = Literal["raw", "upright"]
"""Whether the pixels under a mask are those of the file (`raw`), or those turned as its EXIF orientation says (`upright`)."""

ImageArray = NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""

ORIENTATION, NEW_SUBFILE_TYPE = 0x0112, 0x00FE

LOSSLESS = (1, 5, 8, 32773, 32946)
"""TIFF's numbers of no compression, LZW, deflate and PackBits."""

PLAIN, INDEXED = (("L", 1), ("I;16", 1), ("I;16B", 1)), ("P", 3)
"""Pillow's modes with TIFF's number of what a value means: 0 is black, or it is an index."""

STRIP = 2**22
"""Pixels that are taken from Pillow together, about."""

BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
}  # fmt: skip
"""What undoes the turn of each EXIF orientation."""

HATCH = 110
"""The grey of the stripes on what is void."""

UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError, OverflowError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise on damaged files."""

TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)

_PILLOW_LIMIT = threading.Lock()


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image's file says of itself: raw size in pixels, and EXIF orientation (1: as it is)."""

    height: int
    width: int
    orientation: int

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) once turned as the orientation says."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def inspect_image(path: str | Place, *, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """Decode an image once, as cheaply as its format allows, and report its size and orientation.

    Raises `DataError` (`image.missing`, `image.unreadable`, `image.too_large`).
    """
    with _opened(path, max_pixels) as image:
        facts = ImageFacts(image.height, image.width, _orientation(image.getexif()))
        image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))  # JPEG alone can shrink
        image.load()
    return facts


def read_reduced(
    path: str | Place, *, exif: Exif | None = None, reduce: int = 1, max_pixels: int = MAX_PIXELS
) -> tuple[ImageFacts, int, NDArray[np.uint8]]:
    """Decode an image once: its facts, its channels (of a palette, those of its colours), and (h, w) uint8 brightness.

    The brightness is that of `read_image`'s pixels, up to `reduce` times smaller where the format allows it (JPEG).
    Raises `DataError` (`image.missing`, `image.unreadable`, `image.too_large`).
    """
    with _opened(path, max_pixels) as image:
        facts = ImageFacts(image.height, image.width, _orientation(image.getexif()))
        bands = len(image.palette.mode if image.palette else image.getbands())
        image.draft("L", (max(1, image.width // reduce), max(1, image.height // reduce)))
        turned = ImageOps.exif_transpose(image) if exif == "upright" else image
        if turned.mode.startswith("I"):
            return facts, bands, (np.asarray(turned).clip(0, 65535).astype(np.uint16) >> 8).astype(np.uint8)
        turned.info.pop("transparency", None)
        return facts, bands, np.array(turned.convert("L"))


def read_image(path: str | Place, *, exif: Exif | None = None, max_pixels: int = MAX_PIXELS) -> ImageArray:
    """The image as (H, W, 3) uint8 RGB; grey is repeated, alpha dropped, 16 bits cut to the upper 8.

    `exif` is the manifest's: "upright" turns the pixels as the file's EXIF orientation says, None and "raw" do not.
    Raises `DataError` (`image.missing`, `image.unreadable`, `image.too_large`).
    """
    with _opened(path, max_pixels) as image:
        return _rgb(ImageOps.exif_transpose(image) if exif == "upright" else image)


def read_opaque(
    path: str | Place, *, exif: Exif | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[ImageArray, NDArray[np.bool_] | None]:
    """`read_image`, and (H, W) where the image is not wholly transparent; None where it has no alpha."""
    with _opened(path, max_pixels) as image:
        turned = ImageOps.exif_transpose(image) if exif == "upright" else image
        opaque = None
        if turned.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in turned.info:
            opaque = np.asarray(turned.convert("RGBA"))[:, :, 3] > 0
        return _rgb(turned), opaque


def image_size(path: str | Place) -> tuple[int, int]:
    """(height, width) as a file's header has it, raw; (0, 0) for what Pillow cannot open."""
    try:
        with _pillow_limited(None), Image.open(_source(path)) as image:
            return image.height, image.width
    except UNREADABLE:
        return 0, 0


def image_orientation(path: str | Place) -> int:
    """EXIF orientation, 1 to 8, as a file's header has it; 1 for what Pillow cannot open, and where a PNG says it last."""
    try:
        with _pillow_limited(None), ExitStack() as stack:
            file = stack.enter_context(Remote.of(path).open()) if is_stored(path) else _source(path)
            image = stack.enter_context(Image.open(file))
            # of a PNG, its own method would decode all of it to look for EXIF behind the pixels
            return _orientation(Image.Image.getexif(image))
    except UNREADABLE:
        return 1


def turn(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Raw (H, W, ...) pixels turned upright as an EXIF orientation says (EXIF 2.32, table 6); a view."""
    upright = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    upright = upright[::-1] if orientation in (3, 4, 7, 8) else upright
    return upright[:, ::-1] if orientation in (2, 3, 6, 7) else upright


def read_mask(path: str | Place, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """The values of a one-channel label image as (H, W) uint8 or uint16: grey values, or palette indices as they are.

    Raises `DataError` (`mask.*`) for what is missing, damaged, holds colours or several images, or was saved as JPEG, which
    changes values.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise DataError(Problem("mask.missing", f"cannot be read: {error.strerror}", file=str(path))) from error
    try:
        if data.startswith(SIGNATURE):
            return decode_mask(data, max_pixels=max_pixels)
    except DataError as error:
        raise DataError(Problem(error.problem.code, error.problem.message, file=str(path))) from error
    with _opened(path, max_pixels, kind="mask") as image:
        if image.format == "JPEG":
            message = "a mask saved as JPEG no longer holds its values: export it as PNG"
            raise DataError(Problem("mask.jpeg", message, file=str(path)))
        if image.mode not in ("L", "P", "1", "I;16", "I;16B"):
            message = f"a mask of mode {image.mode} holds colours, not class ids"
            raise DataError(Problem("mask.colours", message, file=str(path)))
        values = np.empty((image.height, image.width), np.uint16 if image.mode.startswith("I") else np.uint8)
        rows = max(1, STRIP // image.width)
        for y in range(0, image.height, rows):  # all at once, Pillow would hold it four times
            values[y : y + rows] = image.crop((0, y, image.width, min(y + rows, image.height)))
    return values


def plain_tiff_size(path: str | Place, *, palette: bool) -> tuple[int, int] | None:
    """(height, width) of a TIFF of 8- or 16-bit grey, or of a `palette`, whose values are stored as `read_mask` gives them.

    None for other files, and for TIFFs that are turned, inverted or lossy.
    """
    try:
        with _pillow_limited(None), Image.open(_source(path)) as image:
            tags: Any = getattr(image, "tag_v2", {})
            kept = tags.get(259, 1) in LOSSLESS and tags.get(ORIENTATION, 1) == 1 and tags.get(258) in ((8,), (16,))
            meant = (image.mode, tags.get(262)) in (*PLAIN, *([INDEXED] if palette else []))
            return (image.height, image.width) if image.format == "TIFF" and kept and meant else None
    except UNREADABLE:
        return None


def read_stored(path: str | Place, *, expand: bool = False, max_pixels: int = MAX_PIXELS) -> tuple[NDArray[Any], str]:
    """Any label image's pixels as they are stored, for masks that `read_mask` refuses, and its format ("PNG", "JPEG" ...).

    (H, W) uint8, uint16, int32 or float32 values, palette indices as they are; or (H, W, 4) uint8 RGBA, which `expand` makes
    of palettes and of 8-bit grey too. Raises `DataError` (`mask.missing`, `.unreadable`, `.too_large`, `.frames`, `.deep`).
    """
    with _opened(path, max_pixels, kind="mask") as image:
        wide = image.mode.startswith(("I", "F"))
        tiff_bits = getattr(image, "tag_v2", {}).get(258, (8,))
        if not wide and (";16" in str(getattr(image, "tile", "")) or max(tiff_bits) > 8):
            # Pillow would cut the values to their upper 8 bits
            message = "a mask of 16 bits a colour channel: export it with 8, or as 16-bit grey"
            raise DataError(Problem("mask.deep", message, file=str(path)))
        plain = wide or (image.mode in ("1", "L", "P") and not expand)
        pixels = np.array(image if plain else image.convert("RGBA"))
        format = "JPEG" if image.format == "MPO" else str(image.format)
    kind = {"b": np.uint8, "u": np.uint8 if pixels.itemsize == 1 else np.uint16}.get(pixels.dtype.kind, pixels.dtype)
    return pixels.astype(kind, copy=False), format


def read_palette(path: str | Place, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8] | None:
    """(N, 3) uint8 RGB colours of a label image's palette, by index; None where it has none.

    Raises `DataError` (`mask.missing`, `mask.unreadable`, `mask.too_large`, `mask.frames`).
    """
    try:
        head = read_start(path, 4096)
    except OSError as error:
        raise DataError(Problem("mask.missing", f"cannot be read: {error.strerror}", file=str(path))) from error
    if head.startswith(SIGNATURE):
        if head[25:26] != bytes([PALETTE]):
            return None
        if (palette := decode_palette(head)) is not None:
            return palette
    with _opened(path, max_pixels, kind="mask") as image:
        if image.format == "GIF":
            image.load()  # whose palette is that of a frame
        if image.mode != "P" or image.palette is None:
            return None
        mode, colors = image.palette.getdata()
        every = Image.new("P", (256, 1))
        every.putpalette(colors, mode)
        every.putdata(range(256))
        return np.array(every.convert("RGB"))[0, : len(colors) // len(mode.partition(";")[0]), :]


def write_mask(path: str | Place, mask: Mask) -> bytes:
    """Write (H, W) uint8 or uint16 class ids as a grey PNG, making folders as needed; returns the bytes written."""
    data = encode_mask(mask)
    write_bytes(path, data)
    return data


def write_image(path: str | Place, image: NDArray[Any]) -> None:
    """Write (H, W, 3) uint8 RGB as a PNG, making folders as needed. Raises `DataError` (`image.bands`) for other pixels."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.shape[-1]} bands {image.dtype} cannot be written as a PNG, 3 bands uint8 can"
        raise DataError(Problem("image.bands", what, file=str(path)))
    data = BytesIO()
    Image.fromarray(image).save(data, format="PNG", compress_level=1)
    write_bytes(path, data.getvalue())


def encode_image(image: ImageArray, format: Literal["png", "jpeg"], quality: int = 95) -> bytes:
    """(H, W, 3) uint8 RGB -> the bytes of a PNG, or of a JPEG of that quality."""
    if format == "png":
        return encode_rgb(image)
    data = BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(data, "JPEG", quality=quality)
    return data.getvalue()


def colorize(mask: Mask, labels: Labels) -> ImageArray:
    """(H, W) ids -> (H, W, 3) uint8: each class in its colour, ignore in white, hatched."""
    return _hatched(labels.palette()[mask], mask == labels.ignore)


def overlay(image: ImageArray, mask: Mask, labels: Labels, *, opacity: float = 0.55) -> ImageArray:
    """(H, W, 3) image with the classes of (H, W) laid over it; black classes stay clear and ignore is hatched."""
    colors = labels.palette()
    mixed = image * (1 - opacity) + colors[mask] * opacity
    clear = np.flatnonzero(~colors.any(axis=1))
    out: ImageArray = np.where(np.isin(mask, clear)[:, :, None], image, mixed).astype(np.uint8)
    return _hatched(out, mask == labels.ignore)


def _hatched(image: ImageArray, where: NDArray[np.bool_]) -> ImageArray:
    """Stripes in white and in grey, seen on light and on dark, at most 40 of them from side to side; in place."""
    step = max(6, max(where.shape) // 40)
    stripe = np.add.outer(np.arange(where.shape[0]), np.arange(where.shape[1])) % step * 3 // step
    image[where & (stripe == 0)] = 255
    image[where & (stripe == 1)] = HATCH
    return image


def _orientation(exif: Image.Exif) -> int:
    """What EXIF says, 1 for what it cannot say."""
    orientation = exif.get(ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def _rgb(image: Image.Image) -> ImageArray:
    if image.mode.startswith("I"):
        sixteen = np.asarray(image).clip(0, 65535).astype(np.uint16)
        return np.repeat((sixteen >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    image.info.pop("transparency", None)  # of a palette, Pillow would warn of
    return np.array(image.convert("RGB"))


def _source(path: str | Place) -> str | BytesIO:
    """What Pillow opens: a path, or the bytes of what is in storage or in a shard."""
    return BytesIO(read_bytes(path)) if is_stored(path) or member_of(str(path)) is not None else str(path)


@contextmanager
def _opened(path: str | Place, max_pixels: int, kind: str = "image") -> Iterator[Image.Image]:
    """An open Pillow image below the pixel limit; whatever goes wrong with it becomes one `DataError`.

    Images are raw, with their orientation; a mask in a TIFF is upright.
    """
    file = str(path)
    try:
        with ExitStack() as stack:
            with _pillow_limited(max_pixels):
                source = stack.enter_context(Image.open(_source(path)))
                image: Image.Image = source
                if kind == "mask" and (frames := _frames(source)) > 1:
                    raise DataError(Problem("mask.frames", FRAMES.format(frames), file=file))
                if image.format == "TIFF":
                    orientation = _orientation(image.getexif())
                    source.filename = ""  # which Pillow would map into memory, garbled where it is turned by 90 degrees
                    image.load()  # which turns it upright, and asks for the limit again
                    if kind == "image" and orientation != 1:
                        image = image.transpose(BACK[orientation])
                        image.getexif()[ORIENTATION] = orientation
            yield image
    except TOO_LARGE as error:
        message = (
            f"{str(error).partition(' exceeds')[0]} is more than the limit of {max_pixels} (SEGDATA_MAX_PIXELS sets it)"
        )
        raise DataError(Problem(f"{kind}.too_large", message, file=file)) from error
    except FileNotFoundError as error:
        raise DataError(Problem(f"{kind}.missing", "there is no such file", file=file)) from error
    except UNREADABLE as error:
        reason = str(error).replace(file, Path(file).name) or type(error).__name__
        raise DataError(Problem(f"{kind}.unreadable", f"cannot be decoded: {reason}", file=file)) from error


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
def _pillow_limited(max_pixels: int | None) -> Iterator[None]:
    """Pillow's check of headers, also of images within icons, with our limit; its own is the whole process's."""
    with _PILLOW_LIMIT, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # remarks on odd files; what it cannot read, it raises
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
