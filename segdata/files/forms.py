"""Files of pixels that are opened each in its own way: VRT, ENVI, HFA, NetCDF, HDF5, Zarr, and slides. `gdal` opens them.

All others are usual: what they hold is in the file itself, and their first bytes say how it is stored.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

Form = Literal["usual", "VRT", "ENVI", "HFA", "netCDF", "HDF5", "Zarr", "slide"]

VRT, ZARR = ".vrt", ".zarr"

BARE = (".dat", ".raw", ".bin", "")
"""Endings of files of bare pixels, which are images if an ENVI header lies beside them."""

SAID = (VRT, ".dat", ".raw", ".bin")
"""Endings that are those of images where a user says so."""

SLIDES = (".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide")
"""Endings of slides of a microscope, by Aperio, Hamamatsu, 3DHISTECH, Leica, Ventana and Sakura."""

STARTS: tuple[tuple[bytes, Form], ...] = (
    (b"EHFA_HEADER_TAG", "HFA"), (b"CDF\1", "netCDF"), (b"CDF\2", "netCDF"), (b"CDF\5", "netCDF"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
)  # fmt: skip

KNOWN = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x89PNG", b"\xff\xd8\xff", b"\0\0\0\x0cjP  ", b"GIF8", b"RIFF")
"""What common images begin with: no header is sought beside them."""

SEVERAL: tuple[Form, ...] = ("netCDF", "HDF5", "Zarr")
"""Forms that may hold several images."""


def form_of(path: str, head: Callable[[], bytes]) -> Form:
    """What a file or folder of this machine is; `head` gives its first bytes. Raises as that does."""
    end = os.path.splitext(path)[1].lower()
    if end == ZARR and os.path.isdir(path):
        return "Zarr"
    if end in SLIDES:
        return "slide"
    start = head()
    if end == VRT and not start.startswith(KNOWN):
        return "VRT"
    found = next((form for begins, form in STARTS if start.startswith(begins)), None)
    if found is None and not start.startswith(KNOWN) and envi_header(path) is not None:
        return "ENVI"
    return found or "usual"


def envi_header(path: str) -> str | None:
    """The text file that says how the pixels of an ENVI image lie in `path`; None if there is none."""
    base = os.path.splitext(path)[0]
    for header in (f"{base}.hdr", f"{base}.HDR", f"{path}.hdr", f"{path}.HDR"):
        if os.path.isfile(header):
            with open(header, "rb") as file:
                return header if file.read(4) == b"ENVI" else None
    return None


def parts_elsewhere(path: str, form: Form) -> bool:
    """Whether pixels of a file, or what they mean, are in other files, so that it is nothing without them."""
    return form in ("VRT", "ENVI", "Zarr") or path.lower().endswith(".mrxs")
