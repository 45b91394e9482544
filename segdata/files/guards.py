"""What a file may not do that GDAL or OpenSlide opens: name other files to read. Checked before it is opened."""

from __future__ import annotations

import os
import struct
from configparser import ConfigParser
from configparser import Error as ConfigError
from io import BufferedReader, BytesIO

from segdata.files.file import File

TRUST = "SEGDATA_HDF5"
"""The environment variable by which a person says that the HDF5 files of this machine may be trusted."""

HFA_OTHERS = ("externalrasterdms", "dependentfile", "rrdnameslist")
"""Names of the entries by which an HFA file says that pixels or smaller copies are in another file."""

HFA_ENTRY = struct.Struct("<6I64s32s")
"""An entry: next, previous, parent, child, where its data are and how many, its name, its type."""

MOST = 2**16
"""The most entries of an HFA file."""


def refuse_others(file: File) -> None:
    """Raise `DataError` (`<kind>.unreadable`) for a file that names others, or that may in a way that cannot be checked."""
    if file.form == "HFA" and (name := _hfa_other(file.handle)) is not None:
        raise _names(file, name)
    if file.form == "HDF5" and not os.environ.get(TRUST):
        what = f"is an HDF5 file, as NetCDF-4 is, which may name other files to read: set {TRUST}=1 if you trust it"
        raise file.problem("unreadable", f"{what}, or write a variable of it as TIFF (gdal_translate)")
    if file.form == "Zarr":
        _refuse_zarr(file)
    if str(file).lower().endswith(".mrxs"):
        _refuse_mrxs(file)


def _names(file: File, how: str) -> Exception:
    way = "save it as one TIFF (gdal_translate)"
    return file.problem("unreadable", f"names another file to read ({how}): {way}")


def _hfa_other(handle: BufferedReader | BytesIO) -> str | None:
    """Which entry leads to another file. (The format of ERDAS Imagine's files, .img.)"""
    handle.seek(16)
    (header,) = struct.unpack("<I", handle.read(4).rjust(4, b"\0"))
    handle.seek(header + 8)
    todo, seen = list(struct.unpack("<I", handle.read(4).rjust(4, b"\0"))), set[int]()
    while todo and len(seen) < MOST:
        at = todo.pop()
        if at == 0 or at in seen:
            continue
        seen.add(at)
        handle.seek(at)
        data = handle.read(HFA_ENTRY.size)
        if len(data) < HFA_ENTRY.size:
            continue
        following, _, _, child, _, _, name, _ = HFA_ENTRY.unpack(data)
        text: str = name.partition(b"\0")[0].decode("ascii", "replace")
        if text.lower() in HFA_OTHERS:
            return f"its entry {text}"
        todo += [following, child]
    return "perhaps: it has too many entries to look at" if todo else None


def _refuse_zarr(file: File) -> None:
    """Of links below a Zarr folder, and of lists of where its chunks are in other files."""
    for base, folders, files in os.walk(str(file)):
        if linked := [name for name in (*folders, *files) if os.path.islink(os.path.join(base, name))]:
            raise _names(file, f"by the link {linked[0]}")
    whole = os.path.join(str(file), ".zmetadata")
    if os.path.isfile(whole):
        with open(whole, "rb") as text:
            if b'"record_size"' in text.read():
                raise _names(file, "by .zmetadata")


def _refuse_mrxs(file: File) -> None:
    """Of a slide whose Slidedat.ini leads out of its folder."""
    folder = os.path.splitext(str(file))[0]
    table = ConfigParser(strict=False, interpolation=None)
    try:
        with open(os.path.join(folder, "Slidedat.ini"), encoding="utf-8-sig", errors="replace") as text:
            table.read_file(text)
    except (OSError, ConfigError) as error:
        what = f"its Slidedat.ini cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"
        raise file.problem("unreadable", f"{what}: put the folder of its name beside it") from error
    for section, keys in table.items():
        named = [v for k, v in keys.items() if k == "indexfile" or (section == "DATAFILE" and k.startswith("file_"))]
        if out := [v for v in named if "/" in v or "\\" in v or os.path.islink(os.path.join(folder, v))]:
            raise _names(file, f"Slidedat.ini: {out[0]}")
