"""Ordinary images and masks on disk: read whole, and written. Images too large for that: see `opening`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from segdata.errors import DataError, Problem
from segdata.files.bands import RGB, places_of
from segdata.files.changes import Changes, drawn
from segdata.files.file import File, open_file
from segdata.files.limits import MAX_PIXELS
from segdata.files.lossy import CHANGED, lossy_name
from segdata.files.numbers import open_numbers
from segdata.files.pillow import ALPHA, ORIENTATION, UNREADABLE, header_of, opened, orientation_of
from segdata.files.places import write_bytes
from segdata.files.png import PALETTE, SIGNATURE, decode_lazily, decode_palette, encode_mask, encode_rgb
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.labels import Mask
from segdata.resize import resize_image
from segdata.windows import Window

Exif = Literal["raw", "upright"]
"""Whether the pixels under a mask are those of the file (`raw`), or those turned as its EXIF orientation says (`upright`)."""

ImageArray = NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""

LOSSLESS = (1, 5, 8, 32773, 32946)
"""TIFF's numbers of no compression, LZW, deflate and PackBits."""

PLAIN, INDEXED = (("L", 1), ("I;16", 1), ("I;16B", 1)), ("P", 3)
"""Pillow's modes with TIFF's number of what a value means: 0 is black, or it is an index."""

STRIP = 2**22
"""Pixels that are taken from Pillow together, about."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image's file says of itself: raw size in pixels, and EXIF orientation (1: as it is).

    `alpha`: whether it is of a format in which a band can be nothing but alpha, and has it. `gaps`: whether it has pixels
    without data, as far as that is known without looking for them.
    """

    height: int
    width: int
    orientation: int
    alpha: bool = False
    gaps: bool = False

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) once turned as the orientation says."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def inspect_image(path: str | Place | File, *, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """Decode an image once, as cheaply as its format allows, and report its size and orientation.

    Raises `DataError` (`image.missing`, `image.unreadable`, `image.too_large`).
    """
    with open_file(path) as file, opened(file, max_pixels) as image:
        facts = _facts(image)
        image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))  # JPEG alone can shrink
        image.load()
        return replace(facts, gaps=_has_gaps(image))


def read_reduced(
    path: str | Place | File, *, exif: Exif | None = None, reduce: int = 1, max_pixels: int = MAX_PIXELS
) -> tuple[ImageFacts, int, NDArray[np.uint8]]:
    """Decode an image once: its facts, its channels (of a palette, those of its colours), and (h, w) uint8 brightness.

    The brightness is that of `read_image`'s pixels, up to `reduce` times smaller if the format allows it (JPEG).
    Raises `DataError` (`image.missing`, `image.unreadable`, `image.too_large`).
    """
    with open_file(path) as file, opened(file, max_pixels) as image:
        facts = replace(_facts(image), gaps=_has_gaps(image))
        bands = len(image.palette.mode if image.palette else image.getbands())
        image.draft("L", (max(1, image.width // reduce), max(1, image.height // reduce)))
        turned = _turned(image, exif)
        if turned.mode.startswith("I"):
            return facts, bands, _upper_bits(turned)
        turned.info.pop("transparency", None)
        return facts, bands, np.array(turned.convert("L"))


def read_image(path: str | Place | File, *, exif: Exif | None = None, max_pixels: int = MAX_PIXELS) -> ImageArray:
    """The image as (H, W, 3) uint8 RGB; grey is repeated, alpha dropped, 16 bits cut to the upper 8.

    `exif` is the manifest's: "upright" turns the pixels as the file's EXIF orientation says, None and "raw" do not.
    Raises `DataError` (`image.missing`, `image.unreadable`, `image.too_large`).
    """
    with open_file(path) as file, opened(file, max_pixels) as image:
        return _rgb(_turned(image, exif))


def read_opaque(
    path: str | Place | File, *, exif: Exif | None = None, reading: Reading = AS_IT_IS, max_pixels: int = MAX_PIXELS
) -> tuple[ImageArray, NDArray[np.bool_] | None]:
    """`read_image`'s pixels, or the bands of them that `reading` chooses, and (H, W) which are not wholly transparent.

    None for the latter if it has no alpha, or if that is data, which then is the last band.
    """
    with open_file(path) as file, opened(file, max_pixels) as image:
        turned = _turned(image, exif)
        has_alpha = turned.mode in ALPHA
        names = [*RGB, ("alpha",)] if has_alpha else RGB
        chosen = [number - 1 for number in places_of(reading.bands, names, str(file))]
        opaque = None
        if (has_alpha and reading.alpha is not False and 3 not in chosen) or "transparency" in turned.info:
            opaque = np.asarray(turned.convert("RGBA"))[:, :, 3] > 0
        elif has_alpha:
            every = np.array(turned.convert("RGBA"))
            return (every[:, :, chosen] if chosen else every), None
        rgb = _rgb(turned)
    return (rgb if chosen in ([], [0, 1, 2]) else np.ascontiguousarray(rgb[:, :, chosen])), opaque


def read_shrunk(
    path: str | Place | File, size: tuple[int, int], window: Window, *, exif: Exif | None = None
) -> ImageArray:
    """A window of `read_image`'s pixels in `size`, no larger: means of the areas, decoded in a smaller size if the format can.

    Raises `DataError` (`image.missing`, `image.unreadable`, `image.too_large`).
    """
    nth = min(window.height // size[0], window.width // size[1])
    with open_file(path) as file, opened(file, MAX_PIXELS) as image:
        full = _facts(image)
        image.draft("RGB", (image.width // nth, image.height // nth))  # JPEG alone can shrink
        rgb = _rgb(_turned(image, exif))
    height, width = full.upright if exif == "upright" else (full.height, full.width)
    y, x = rgb.shape[0] / height, rgb.shape[1] / width
    part = rgb[round(window.y * y) : round(window.bottom * y), round(window.x * x) : round(window.right * x)]
    return resize_image(part, size)


def turn(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Raw (H, W, ...) pixels turned upright as an EXIF orientation says (EXIF 2.32, table 6); a view."""
    upright = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    upright = upright[::-1] if orientation in (3, 4, 7, 8) else upright
    return upright[:, ::-1] if orientation in (2, 3, 6, 7) else upright


def read_mask(path: str | Place | File, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """The values of a one-channel label image as (H, W) uint8 or uint16: grey values, or palette indices as they are.

    Raises `DataError` (`mask.*`) for what is missing, damaged, holds colours, other numbers (`numbers`) or several images, or
    was saved as JPEG or another compression that changes values.
    """
    return drawn(read_lazily(path, max_pixels=max_pixels))


def read_lazily(path: str | Place | File, *, max_pixels: int = MAX_PIXELS) -> Mask | Changes:
    """What `read_mask` gives, as `decode_lazily`."""
    with open_file(path, "mask") as file:
        if not file.head.startswith(SIGNATURE):
            return _read_other_mask(file, max_pixels)
        try:
            return decode_lazily(file.data, max_pixels=max_pixels)
        except DataError as error:
            raise DataError(Problem(error.problem.code, error.problem.message, file=str(file))) from error


def _read_other_mask(file: File, max_pixels: int) -> Mask:
    """What `read_mask` gives, of other formats than PNG."""
    if (lossy := lossy_name(file)) is not None:
        raise file.problem("jpeg", CHANGED.format(lossy))
    with open_numbers(file) as numbers:
        if numbers is not None:
            what = f"a mask of {numbers.dtype} numbers, where 8- or 16-bit class ids are wanted: export it so"
            raise file.problem("numbers", what)
    with opened(file, max_pixels) as image:
        if image.mode not in ("L", "P", "1", "I;16", "I;16B"):
            raise file.problem("colours", f"a mask of mode {image.mode} holds colours, not class ids")
        values = np.empty((image.height, image.width), np.uint16 if image.mode.startswith("I") else np.uint8)
        rows = max(1, STRIP // image.width)
        for y in range(0, image.height, rows):  # all at once, Pillow would hold it four times
            values[y : y + rows] = image.crop((0, y, image.width, min(y + rows, image.height)))
    return values


def plain_tiff_size(path: str | Place | File, *, palette: bool) -> tuple[int, int] | None:
    """(height, width) of a TIFF of 8- or 16-bit grey, or of a `palette`, whose values are stored as `read_mask` gives them.

    None for other files, and for TIFFs that are turned, inverted or lossy. Raises `DataError` (`mask.missing`).
    """
    with open_file(path, "mask") as file:
        image = header_of(file)
        if image is None or image.format != "TIFF":
            return None
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        try:
            kept = tags.get(259, 1) in LOSSLESS and tags.get(ORIENTATION, 1) == 1 and tags.get(258) in ((8,), (16,))
            meant = (image.mode, tags.get(262)) in (*PLAIN, *([INDEXED] if palette else []))
            meant = meant and set(tags.get(339, (1,))) == {1}  # of signed bytes Pillow makes unsigned ones
        except UNREADABLE:
            return None
        return (image.height, image.width) if kept and meant else None


def read_stored(
    path: str | Place | File, *, expand: bool = False, max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[Any], str | None]:
    """Any label image's pixels as they are stored, for masks that `read_mask` refuses, and what its lossy compression is called.

    (H, W) whole numbers of any type, or int32 or float32, palette indices as they are; or (H, W, 4) uint8 RGBA, which `expand`
    makes of palettes and of 8-bit grey too. Raises `DataError` (`mask.missing`, `.unreadable`, `.too_large`, `.frames`, `.deep`,
    `.numbers`).
    """
    with open_file(path, "mask") as file:
        lossy = lossy_name(file)
        with open_numbers(file) as numbers:
            if numbers is not None:
                return numbers.read(), lossy
        return _read_pixels(file, expand, max_pixels), lossy


def _read_pixels(file: File, expand: bool, max_pixels: int) -> NDArray[Any]:
    """What `read_stored` gives, of what Pillow opens."""
    with opened(file, max_pixels) as image:
        wide = image.mode.startswith(("I", "F"))
        tiff_bits = getattr(image, "tag_v2", {}).get(258, (8,))
        if not wide and (";16" in str(getattr(image, "tile", "")) or max(tiff_bits) > 8):
            # Pillow would cut the values to their upper 8 bits
            message = "a mask of 16 bits a colour channel: export it with 8, or as 16-bit grey"
            raise file.problem("deep", message)
        plain = wide or (image.mode in ("1", "L", "P") and not expand)
        pixels = np.array(image if plain else image.convert("RGBA"))
    kind = {"b": np.uint8, "u": np.uint8 if pixels.itemsize == 1 else np.uint16}.get(pixels.dtype.kind, pixels.dtype)
    return pixels.astype(kind, copy=False)


def read_palette(path: str | Place | File, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8] | None:
    """(N, 3) uint8 RGB colours of a label image's palette, by index; None if it has none.

    Raises `DataError` (`mask.missing`, `mask.unreadable`, `mask.too_large`, `mask.frames`).
    """
    with open_file(path, "mask") as file:
        if file.head.startswith(SIGNATURE):
            if file.head[25:26] != bytes([PALETTE]):
                return None
            if (palette := decode_palette(file.start(4096))) is not None:
                return palette
        with opened(file, max_pixels) as image:
            return _palette_of(image)


def _palette_of(image: Image.Image) -> NDArray[np.uint8] | None:
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


def encode_image(image: ImageArray, format: Literal["png", "jpeg"], quality: int = 95, *, thin: bool = False) -> bytes:
    """(H, W, 3) uint8 RGB -> the bytes of a PNG, or of a JPEG of that quality; `thin`: thin lines keep their colours."""
    if format == "png":
        return encode_rgb(image)
    data = BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(data, "JPEG", quality=quality, subsampling=0 if thin else -1)
    return data.getvalue()


def _facts(image: Image.Image) -> ImageFacts:
    return ImageFacts(image.height, image.width, orientation_of(image.getexif()), image.mode in ALPHA)


def _has_gaps(image: Image.Image) -> bool:
    """Whether any pixel is wholly transparent; of those that name one transparent colour, whether any may be."""
    bands = image.getbands()
    alpha = next((band for band in ("A", "a") if band in bands), None)
    if alpha is None:
        return "transparency" in image.info
    return bool(image.getchannel(alpha).getextrema()[0] == 0)


def _turned(image: Image.Image, exif: Exif | None) -> Image.Image:
    """The image as the manifest has it: see `read_image`."""
    return ImageOps.exif_transpose(image) if exif == "upright" else image


def _upper_bits(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W) of an image of 16 bits or more: the upper 8 of 16."""
    return (np.asarray(image).clip(0, 65535).astype(np.uint16) >> 8).astype(np.uint8)


def _rgb(image: Image.Image) -> ImageArray:
    if image.mode.startswith("I"):
        return np.repeat(_upper_bits(image)[:, :, None], 3, axis=2)
    image.info.pop("transparency", None)  # of a palette, Pillow would warn of
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
