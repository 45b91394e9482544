"""GDAL's virtual rasters, texts that name other files: what may be in one, and where its sources may lie.

A text of known elements alone is handed on to GDAL, in which each source has been replaced by the file that was looked at:
nothing in it runs code, warps, or leads anywhere but below the folder of the VRT. Sources are TIFF, JPEG 2000, PNG, or such VRTs.

Format: https://gdal.org/en/stable/drivers/raster/vrt.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from segdata.errors import DataError
from segdata.files.endings import ending, is_image
from segdata.files.file import File
from segdata.files.forms import BARE, VRT
from segdata.files.limits import MAX_TEXT
from segdata.files.reading import Reading
from segdata.files.remote import Place
from segdata.files.xml_text import Entities, parse_xml

ALLOWED = {
    "VRTDataset", "VRTRasterBand", "SRS", "GeoTransform", "GCPList", "GCP", "Metadata", "MDI", "NoDataValue",
    "HideNoDataValue", "ColorInterp", "ColorTable", "Entry", "Description", "UnitType", "Offset", "Scale",
    "CategoryNames", "Category", "Histograms", "HistItem", "HistMin", "HistMax", "BucketCount", "IncludeOutOfRange",
    "Approximate", "HistCounts", "MaskBand", "OverviewList", "SimpleSource", "ComplexSource", "AveragedSource",
    "SourceFilename", "SourceBand", "SourceProperties", "SrcRect", "DstRect", "NODATA", "UseMaskBand", "ScaleOffset",
    "ScaleRatio", "Exponent", "SrcMin", "SrcMax", "DstMin", "DstMax", "Clamp", "LUT", "ColorTableComponent",
    "BlockXSize", "BlockYSize",
}  # fmt: skip
"""The elements of a VRT that read pixels as they are, or map them value by value."""

BANDS = (None, "VRTSourcedRasterBand")
"""The kinds of band that have sources, and nothing else."""

BEGINS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  ", b"\x89PNG\r\n\x1a\n\0")
"""What a source begins with: no driver of GDAL's takes such a file for a text."""

DEEPEST = 4
"""The most VRTs within each other."""

WAY_OUT = "save it as a TIFF (gdal_translate)"

Named = Callable[[str], str]
"""What GDAL is to call a source that has been looked at, by its path."""


def refuse_vrt(file: File) -> None:
    """Raise `DataError` (`<kind>.vrt`): nobody has said that VRTs may be read."""
    if file.kind != "image":
        raise file.problem("vrt", f"is a VRT, which names other files: {WAY_OUT}")
    raise file.problem("vrt", "is a VRT, which names other files to read: --vrt reads those below its folder")


def checked(file: File, image: Named, inner: Named, srs: Callable[[str], str]) -> bytes:
    """The text of a VRT for GDAL; `image` and `inner` name its sources, the latter those that are VRTs, `srs` its system.

    Raises `DataError` (`<kind>.unreadable`) for what is not allowed, and for sources that are missing or lie elsewhere.
    """
    root = _parsed(file)
    found: dict[str, str] = {}
    for element in root.iter():
        if element.tag not in ALLOWED or element.get("subClass") not in BANDS:
            what = element.get("subClass") or element.tag
            raise file.problem("unreadable", f"its {what} is not read, only plain sources are: {WAY_OUT}")
        if element.tag == "SRS" and element.text:
            try:
                element.text = srs(element.text)
            except ValueError as error:
                raise file.problem("unreadable", f"its coordinate system: {error}") from error
        if element.tag == "SourceFilename":
            path = _source(file, element)
            if path not in found:
                found[path] = _named(file, path, image, inner)
            element.text = found[path]
            element.attrib = {"relativeToVRT": "0"}
    return ElementTree.tostring(root)


def _parsed(file: File) -> ElementTree.Element:
    try:
        root = parse_xml(file.start(MAX_TEXT))
    except Entities as error:
        raise file.problem("unreadable", f"{error}, which no VRT needs: remove them") from error
    except ValueError as error:
        raise file.problem("unreadable", f"cannot be decoded: it is no VRT ({error})") from error
    if root.tag != "VRTDataset":
        raise file.problem("unreadable", f"cannot be decoded: it is no VRT, but has the element {root.tag}")
    return root


def _source(file: File, element: ElementTree.Element) -> str:
    """The path of a source. Raises `DataError` if it is missing, or not below the VRT's folder, links followed."""
    name = (element.text or "").strip()
    folder = os.path.dirname(os.path.abspath(str(file)))
    relative = element.get("relativeToVRT", "0").strip() == "1"
    path = os.path.realpath(os.path.join(folder if relative else "", name)) if "\0" not in name else ""
    if os.path.commonpath([os.path.realpath(folder), path or "/"]) != os.path.realpath(folder):
        where = "put it there, and write its name with relativeToVRT=1"
        raise file.problem("unreadable", f"its source {name!r} is not below the folder of the VRT: {where}")
    if not os.path.isfile(path):
        raise file.problem("unreadable", f"its source {name!r} is missing: there is no such file")
    return path


def _named(file: File, path: str, image: Named, inner: Named) -> str:
    """What GDAL is to call a source. Raises `DataError` if it is of no kind that a source may be."""
    try:
        with File(path, file.kind) as source:
            if source.head.startswith(BEGINS):
                return image(path)
            if source.form == "VRT":
                return inner(path)
    except DataError as error:
        raise file.problem("unreadable", f"its source {os.path.basename(path)}: {error.problem.message}") from error
    what = f"its source {os.path.basename(path)} is no TIFF, JPEG 2000 or PNG"
    raise file.problem("unreadable", f"{what}, nor a VRT of such: {WAY_OUT}")


def images_among(folder: Place, paths: Sequence[str], reading: Reading) -> list[str]:
    """The images among files below a folder. Where VRTs are to be read, the files that they are made of are none.

    Otherwise VRTs are images only where there is nothing else, so that whoever reads them says what to do.
    """
    there = set(paths)
    lists = [path for path in paths if ending(path) == VRT]
    images = [p for p in paths if is_image(p) or (ending(p) in BARE and f"{os.path.splitext(p)[0]}.hdr" in there)]
    if not reading.vrt or not isinstance(folder, Path):
        return images or lists
    inner = {source for path in lists for source in _sources(str(folder / path))}
    return sorted(path for path in (*images, *lists) if os.path.realpath(folder / path) not in inner)


def _sources(path: str) -> set[str]:
    """The paths of a VRT's sources; none of one that cannot be read, as whoever reads it says."""
    try:
        with File(path, "image") as file:
            return {_source(file, element) for element in _parsed(file).iter("SourceFilename")}
    except DataError:
        return set()
