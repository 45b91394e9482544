"""Which of a file's bands are what: the names by which they are chosen, and whether one is transparency or data.

GDAL calls the 4th band of a file of bytes alpha whenever it writes one, so a file's word is not enough: near infrared and
height are called so too. A band is plainly alpha if it holds one value apart from 0 at most, and that is 1 or the largest.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from segdata.errors import DataError, Problem
from segdata.files.endings import IMAGE_ENDINGS
from segdata.files.file import TIFF, File, open_file
from segdata.files.gdal import damaged, gdal_window
from segdata.files.others import opened
from segdata.files.pillow import ALPHA, header_of
from segdata.files.places import is_stored, only_gdal_opens
from segdata.files.reading import AS_IT_IS, Band, Reading
from segdata.files.remote import Place
from segdata.files.tiff import Tag
from segdata.files.tiff_tags import short_tags
from segdata.windows import Window
from segdata.words import some

SURE_ENDINGS = {*IMAGE_ENDINGS} - {".tif", ".tiff", ".jp2"}
"""Endings of formats in which alpha can be nothing else."""

SURE = ("PNG", "WEBP", "GIF", "BMP")
"""Their drivers."""

OPAQUE = (1, 255, 2**15 - 1, 2**16 - 1)
"""The values of wholly opaque pixels: in masks, in 8 bits and other types, in int16, in uint16."""

MOST_SEEN = 2**12
"""Of so many files at most it is remembered."""

ROWS = 2**22
"""Pixels of a band that are looked at together, about."""

GDAL_METADATA, EXTRA_SAMPLES, SAMPLES, MEANING = 42112, 338, 277, 262
"""Numbers of entries of a TIFF: GDAL's words on bands, what further bands are, how many there are, and what colours mean."""

CMYK = 5
"""The meaning of colours that become RGB when they are read."""


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of a band: its name, the colour that it is for, and value = scale * stored + offset."""

    name: str = ""
    colour: str = ""
    scale: float = 1.0
    offset: float = 0.0


def about_bands(source: Any) -> list[About]:
    """What an open rasterio dataset says of each of its bands."""
    names = [interpretation.name for interpretation in source.colorinterp]
    return [
        About(*one)
        for one in zip((d or "" for d in source.descriptions), names, source.scales, source.offsets, strict=True)
    ]


def band_tags(bands: Sequence[About], implied: Sequence[str]) -> list[Tag]:
    """The same as an entry of a TIFF, as GDAL writes it; none if there is nothing to say.

    `implied` are the colours of the bands without. Bands that are no colours, and one called alpha that is data, are left as
    they are implied.
    """
    items = []  # GDAL escapes their text twice
    for number, (band, colour) in enumerate(zip(bands, implied, strict=False)):
        own = band.colour if band.colour not in ("", "gray", "palette", "undefined", "alpha", colour) else ""
        for key, value, usual in (
            ("description", band.name, ""), ("scale", f"{band.scale:.17g}", "1"), ("offset", f"{band.offset:.17g}", "0"),
            ("colorinterp", own.capitalize(), ""),
        ):  # fmt: skip
            if value != usual:
                name = f'name="{key.upper()}" sample="{number}" role="{key}"'
                items.append(f"  <Item {name}>{html.escape(html.escape(value, quote=False), quote=False)}</Item>\n")
    text = f"<GDALMetadata>\n{''.join(items)}</GDALMetadata>\n\0"
    return [Tag(GDAL_METADATA, "s", text.encode())] if items else []


# Which are chosen


RGB = ("red",), ("green",), ("blue",)
"""The names of the bands of images that become RGB."""


def places_of(bands: Sequence[Band], names: Sequence[Sequence[str]], file: str) -> list[int]:
    """The number of each chosen band, from 1 on, in a file whose bands have these `names`: their own, and their colour's.

    Raises `DataError` (`image.bands`) for a band that the file does not have.
    """
    return [_place_of(band, names, file) for band in bands]


def _place_of(band: Band, names: Sequence[Sequence[str]], file: str) -> int:
    if isinstance(band, int):
        if band <= len(names):
            return band
        raise _no_band(band, names, file)
    ways = [(place, same) for place in (0, 1) for same in (str, str.lower)]  # its own name comes before its colour's
    for place, same in ways:
        found = [n for n, own in enumerate(names, 1) if same(band) in map(same, own[place : place + 1])]
        if len(found) > 1:
            both = " and ".join(map(str, found))
            what = f"its bands {both} are all called {band}: give a number (--bands)"
            raise DataError(Problem("image.bands", what, file))
        if found:
            return found[0]
    raise _no_band(band, names, file)


def _no_band(band: Band, names: Sequence[Sequence[str]], file: str) -> DataError:
    called = some([next(filter(None, own)) for own in names if any(own)], 20)
    has = f"it has {len(names)}" + (f", called {called}" if called else ", without names")
    return DataError(Problem("image.bands", f"has no band {band}: {has} (--bands)", file))


# Which is transparency


def alpha_band(source: Any, reading: Reading, file: str) -> int | None:
    """The number of an open rasterio dataset's band of transparency; None if it has none."""
    if reading.alpha is False:
        return None
    band = _called_alpha(source)
    if band is None:
        return source.count if reading.alpha and (source.count == 2 or source.count > 3) else None
    if reading.alpha is None and source.driver not in SURE and _seen_value(source, band, file) is None:
        return None
    return band


def _called_alpha(source: Any) -> int | None:
    """The number of the last band that a file calls alpha."""
    called = [number for number, colour in enumerate(source.colorinterp, 1) if colour.name == "alpha"]
    return called[-1] if called else None


_SEEN: dict[tuple[str, int, int], float | None] = {}
"""What was found of files of this machine, by path, time and size: many tiles are cut from one."""


def _seen_value(source: Any, band: int, file: str) -> float | None:
    """`opaque_value`, looked for once."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):  # no file of this machine
        return opaque_value(source, band, file)
    key = file, found.st_mtime_ns, found.st_size
    if key not in _SEEN:
        if len(_SEEN) >= MOST_SEEN:
            _SEEN.clear()
        _SEEN[key] = opaque_value(source, band, file)
    return _SEEN[key]


def opaque_value(source: Any, band: int, file: str) -> float | None:
    """The value of a band of transparency where it is opaque, 0 if it is nowhere; None for a band of other values, which is data.

    It is read until another value is found.
    """
    opaque = 0
    block = source.block_shapes[0][0]
    for strip in Window(0, 0, source.height, source.width).strips(ROWS, block):
        with damaged(file):
            values = source.read(band, window=gdal_window(*strip))
        top = values.max().item()
        opaque = opaque or (top if top in OPAQUE else 0)
        if (top and top != opaque) or not ((values == 0) | (values == top)).all():
            return None
    return opaque


class Looked(NamedTuple):
    """What a file's last band is: plainly `alpha`, `blank` if that is 0 everywhere, `data` though it is called alpha, `sure`
    alpha by its format, or else `none`. `bands`: how many there are.
    """

    what: Literal["alpha", "blank", "data", "sure", "none"]
    bands: int


NONE = Looked("none", 0)


def look(path: str | Place | File, reading: Reading = AS_IT_IS) -> Looked:
    """What the last band of an image is, by its header where that tells. Files that cannot be read have none."""
    try:
        with open_file(path) as file:
            if file.form == "slide":
                return Looked("none", 3)
            if file.access != "windows":
                header = header_of(file)
                return Looked("sure", 4) if header is not None and header.mode in ALPHA else NONE
            here = not only_gdal_opens(file.path) and not is_stored(file.path)
            found = _by_header(file) if here and file.head.startswith(TIFF) else None
            return found or _by_gdal(file, reading)
    except DataError:
        return NONE  # told when the image is read


def _by_gdal(file: File, reading: Reading) -> Looked:
    with opened(file, reading) as source, damaged(str(file)):
        if (band := _called_alpha(source)) is None:
            return Looked("none", source.count)
        if source.driver in SURE:
            return Looked("sure", source.count)
        value = _seen_value(source, band, str(file))
        return Looked("data" if value is None else "alpha" if value else "blank", source.count)


def _by_header(file: File) -> Looked | None:
    """That of a TIFF that calls no band alpha, by its first directory; None if it has to be opened."""
    tags = short_tags(file)
    if tags is None:
        return None
    samples, cmyk = tags.get(SAMPLES, 1), tags.get(MEANING, 1) == CMYK
    plain = (samples in (1, 3) or cmyk) and EXTRA_SAMPLES not in tags
    return Looked("none", 3 if cmyk else samples) if plain else None
