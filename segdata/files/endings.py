"""The endings of file names that segdata takes for images: one list for every command."""

from __future__ import annotations

from posixpath import splitext

from segdata.files.forms import SLIDES

IMAGE_ENDINGS = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".avif", ".heic", ".heif",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".mpo", ".img", ".bil", ".bip", ".bsq", ".nc", ".zarr", *SLIDES,
)  # fmt: skip
"""In lower case; a file may have them in any. AVIF and HEIC are read where Pillow can."""

MASK_ENDINGS = (*IMAGE_ENDINGS, ".npy")
"""Masks may be arrays, too."""

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".gz", ".bz2", ".xz", ".7z", ".rar")
"""Files to be unpacked first."""


def ending(path: str) -> str:
    """The ending of a POSIX path in lower case, such as `.png`; empty where it has none."""
    return splitext(path)[1].lower()


def is_image(path: str) -> bool:
    """Whether a file is an image by its name."""
    return ending(path) in IMAGE_ENDINGS
