"""Files whose compression changes values, told by their content: no mask can be read from them.

JPEG, also within a TIFF; AVIF, HEIC and JPEG XL, which say nothing that would be sure; WebP, JPEG 2000 and LERC unless they are
lossless.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from segdata.errors import DataError, Problem
from segdata.files import gdal
from segdata.files.file import JPEG, JPEG2000, TIFF, File, open_file
from segdata.files.pillow import UNREADABLE, header_of, opened
from segdata.files.remote import Place

KEPT = (1, 2, 3, 4, 5, 8, 32771, 32773, 32946, 34925, 50000)
"""TIFF's numbers of compressions that keep values: none, CCITT's, LZW, deflate, PackBits, LZMA, Zstandard."""

JPEG_IN_TIFF = (6, 7)

BRANDS = {
    b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"hevc": "HEIC",
    b"mif1": "HEIF", b"msf1": "HEIF", b"jxl ": "JPEG XL",
}  # fmt: skip
"""What an ISO media file of images says it is (ISO/IEC 23008-12, annex B)."""

JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")

CHANGED = "a mask saved as {} no longer holds its values: export it as PNG"

LACKING = 0.85
"""A JPEG 2000 file of a smaller share of what its pixels take without loss was cut off at a size or a quality."""


def lossy_name(file: File) -> str | None:
    """What a file's lossy compression is called; None if it keeps values, or is unknown. Raises `DataError` (`mask.missing`)."""
    if file.form not in ("usual", "slide"):
        return None
    head = file.head
    if head.startswith(JPEG):
        return "JPEG"
    if head[4:8] == b"ftyp" and head[8:12] in BRANDS:
        return BRANDS[head[8:12]]
    if head.startswith(JPEG_XL):
        return "JPEG XL"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "lossy WebP" if b"VP8 " in _chunks(file.data) else None
    if head.startswith(JPEG2000):
        return "lossy JPEG 2000" if _lossy_2000(file) else None
    return _lossy_tiff(file) if head.startswith(TIFF) else None


def refuse_lossy(path: str | Place) -> None:
    """Raise `DataError` (`mask.jpeg`) for a file whose compression changes values."""
    with open_file(path) as file:
        if (lossy := lossy_name(file)) is not None:
            raise DataError(Problem("mask.jpeg", CHANGED.format(lossy), str(file)))


def _chunks(data: bytes) -> set[bytes]:
    """The names of the chunks in a WebP file, those of frames of an animation included (RFC 9649)."""
    found, position = set(), 12
    while len(name := data[position : position + 4]) == 4:
        found.add(name)
        inner = 16 if name == b"ANMF" else int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + inner + inner % 2
    return found


def _lossy_tiff(file: File) -> str | None:
    image = header_of(file)
    try:
        number = None if image is None else image.tag_v2.get(259, 1)  # type: ignore[attr-defined]
    except UNREADABLE:
        return None
    if number in KEPT:
        return None
    if number in JPEG_IN_TIFF:
        return "JPEG in a TIFF"
    told = _told(file)
    exact = float(told.get("MAX_Z_ERROR", 0)) < 1
    kept = exact and told.get("COMPRESSION_REVERSIBILITY") != "LOSSY" and "JPEG" not in told.get("COMPRESSION", "")
    return None if kept else f"lossy {told['COMPRESSION']} in a TIFF"


def _lossy_2000(file: File) -> bool:
    """Whether a JPEG 2000 file uses the irreversible wavelet, or lacks bits of the reversible one, which no part of it says."""
    told = _told(file).get("COMPRESSION_REVERSIBILITY")
    if told != "LOSSLESS (possibly)":
        return told == "LOSSY"
    data = BytesIO()
    try:
        with opened(file, None) as image:
            bare = not file.head.startswith(JPEG2000[0])
            Image.fromarray(np.asarray(image)).save(data, "JPEG2000", no_jp2=bare)
    except (DataError, *UNREADABLE):  # which reading it will tell
        return False
    return file.handle.seek(0, 2) < LACKING * len(data.getvalue())


def _told(file: File) -> dict[str, Any]:
    """What GDAL says of how a file is stored; nothing of one that it cannot open."""
    try:
        with gdal.opened(file, file.kind) as source:
            return dict(source.tags(ns="IMAGE_STRUCTURE"))
    except DataError:
        return {}
