"""What a file is that holds no image: told by its first bytes, so that the message names it."""

from __future__ import annotations

import re

from segdata.files.file import File

STARTS = (
    (rb"version https://git-lfs", "a Git LFS pointer and not the file itself: `git lfs pull` fetches it"),
    (rb"(\.\./)*(\.git)?/annex/objects", "a git-annex pointer and not the file itself: `git annex get` fetches it"),
    (rb"(?i)\s*<(!doctype html|html|head|body)", "an HTML page, as a failed download leaves: fetch it again"),
    (rb"(?i)\s*<(\?xml|error|svg)", "an XML text, as a failed download leaves: fetch it again"),
    (rb"\s*[{\[][\s\"{\[]", "a JSON text"),
    (rb"%PDF", "a PDF: export its image as PNG"),
    (rb"PK\x03\x04", "a ZIP archive (or an .npz): unpack it"),
    (rb"\x1f\x8b", "compressed by gzip: unpack it"),
    (rb"7z\xbc\xaf|Rar!", "an archive: unpack it"),
    (rb"\x89HDF", "an HDF5 file: export its image as PNG"),
    (rb"\x93NUMPY", "a NumPy file, which is read as a mask and not as an image: save it as TIFF or PNG"),
    (rb"....ftyp(hei|hev|mif|msf)", "a HEIC image, which is not read: save it as PNG"),
    (rb"....ftypavi", "an AVIF image, which this Pillow cannot read: save it as PNG"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL image, which is not read: save it as PNG"),
)  # fmt: skip

IMAGES = (b"GIF8", b"BM", b"RIFF", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")
"""What images begin with that begin with letters."""

LOOKED_AT = 512

BEGINS = "is text, which begins "

QUOTED = re.compile(r"""(?<=is text), which begins ('([^'\\]|\\.?)*'?|"([^"\\]|\\.?)*"?)""", re.DOTALL)


def what_else(file: File) -> str | None:
    """What a file `is` or `holds` instead of an image, for a message; None if its first bytes do not tell. Raises `DataError`."""
    start = file.start(LOOKED_AT)
    if not start:
        return "is empty: it has no byte"
    if not start.strip(b"\0"):
        return "holds zeros alone, as an interrupted copy leaves: fetch it again"
    found = next((what for pattern, what in STARTS if re.match(pattern, start, re.DOTALL)), None)
    if found or start.startswith(IMAGES):
        return f"is {found}" if found else None
    text = start.decode(errors="replace")
    strange = sum(not (sign.isprintable() or sign.isspace()) or sign == "\N{REPLACEMENT CHARACTER}" for sign in text)
    begins = " ".join(text.split())[:40]
    return None if strange > 1 else f"{BEGINS}{begins!r}"


def untold(message: str) -> str:
    """A message without what `what_else` tells of the file's text: for those who may not read the file."""
    return QUOTED.sub("", message)
