"""Bands in files of their own, put together: one GeoTIFF per scene."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from posixpath import basename, dirname, splitext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.ids import portable_ids
from segdata.errors import DataError, DatasetError, OptionError, Problem, refuse_nothing
from segdata.executors.run import Run
from segdata.files.alignment import Ground, offset
from segdata.files.bands import About, band_tags
from segdata.files.crs import same_crs
from segdata.files.endings import is_image
from segdata.files.listing import files_in, kinds_in
from segdata.files.opening import open_image
from segdata.files.places import listed, place
from segdata.files.rasters import Raster
from segdata.files.reading import Reading, parse_bands
from segdata.files.remote import Place
from segdata.files.tiff import TILE, TiffWriter
from segdata.windows import Window
from segdata.words import some

BAND = Reading(bands=(1,), alpha=False)
"""How a file of one band is read: as one band, not as RGB."""

PIXELS = 2**24
"""Pixels of a band that are in memory at once, about."""

NEAR = 0.01
"""How far apart, in pixels, the corners of bands may lie."""


class Scene(NamedTuple):
    """A scene's name, and the file of each band, in order."""

    name: str
    files: tuple[str, ...]


def stack(
    source: str | Path,
    destination: str | Path,
    *,
    bands: str,
    upsample: bool = False,
    overwrite: bool = False,
    run: Run | None = None,
) -> list[str]:
    """Put bands that lie in files of their own together: one GeoTIFF per scene, whose bands have these names.

    Files belong together if their paths are alike but for the name of the band, which stands by itself: at an end of the file's
    name, or between `_`, `-`, `.` and the like. Of several the last counts. Returns the paths of what was written.

    Raises `OptionError`; `DatasetError` where there is nothing to stack and for a destination that exists; and `DataError` for
    the first scene that lacks a band, or whose bands do not lie alike (`run.report` may skip instead).

    Args:
        source: The folder with the files.
        destination: The folder to write to.
        bands: The names of the bands in the names of the files, in order: B04,B03,B02.
        upsample: Repeat the pixels of coarser bands, if each is a whole number of the finest band's pixels wide. By default
            scenes with coarser bands are refused.
        overwrite: Replace files at `destination`.
    """
    names = [str(band) for band in parse_bands(bands)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise OptionError(f"--bands {bands}: names {twice[0]} twice")
    root, target = listed(source), place(destination)
    found = scenes_of(root, names)
    if not overwrite and (there := [s.name for s in found if (target / f"{s.name}.tif").exists()]):
        raise DatasetError(f"{target / there[0]}.tif: exists: choose another folder, or --overwrite")
    run = run or Run()
    made, gone = [], []
    for _, result in run.map(partial(stack_scene, root=root, target=target, names=names, upsample=upsample), found):
        if isinstance(result, Problem):
            run.report.add(result)
            gone.append(result)
        else:
            made.append(result)
    if not made:
        refuse_nothing(gone)
    return made


def scenes_of(root: Place, names: Sequence[str]) -> list[Scene]:
    """The scenes below a folder; a band without a file is "". Raises `DatasetError` where there is none, or one band has two."""
    files = [file for file in files_in(root) if is_image(file)]
    scenes: dict[str, dict[str, str]] = {}
    for file in files:
        if not (found := [(match.start(), name) for name in names for match in _places(file, name)]):
            continue
        at, name = max(found)
        scene = _without(file, at, len(name))
        other = scenes.setdefault(scene, {}).setdefault(name, file)
        if other != file:
            raise DatasetError(f"{root}: {other} and {file} are both band {name} of {scene}: leave one out")
    if not scenes:
        there = some([basename(file) for file in files], 3) if files else kinds_in(files_in(root))
        raise DatasetError(f"{root}: no file is called after a band of {', '.join(names)}: there are {there}")
    ids, _ = portable_ids(scenes)
    return [
        Scene(ids.get(key, key), tuple(held.get(name, "") for name in names)) for key, held in sorted(scenes.items())
    ]


def _places(file: str, band: str) -> Iterator[re.Match[str]]:
    """Where the name of a band stands by itself in a file's name."""
    stem = splitext(basename(file))[0]
    return re.finditer(rf"(?<![A-Za-z0-9]){re.escape(band)}(?![A-Za-z0-9])", stem, re.IGNORECASE)


def _without(file: str, at: int, length: int) -> str:
    """A file's path without the name of a band, which stands at a place in its name, and without its ending."""
    stem = splitext(basename(file))[0]
    before, after = stem[:at].rstrip("_-. "), stem[at + length :].lstrip("_-. ")
    parts = [part for part in (dirname(file), "_".join(filter(None, (before, after)))) if part]
    return "/".join(parts) or "scene"


def stack_scene(scene: Scene, root: Place, target: Place, names: Sequence[str], upsample: bool) -> str:
    """Write a scene; returns its path. Raises `DataError` (`stack.missing`, `stack.unlike`, `image.*`)."""
    if missing := [name for name, file in zip(names, scene.files, strict=True) if not file]:
        raise DataError(Problem("stack.missing", f"has no file of band {some(missing)}", sample=scene.name))
    with ExitStack() as opened:
        rasters = [opened.enter_context(open_image(str(root / file), reading=BAND)) for file in scene.files]
        factors = [
            _factor(raster, file, rasters, scene, upsample) for raster, file in zip(rasters, scene.files, strict=True)
        ]
        finest = rasters[factors.index(1)]
        about = [About(name, *_scale(raster)) for name, raster in zip(names, rasters, strict=True)]
        tags = [*finest.geo.tags(), *band_tags(about, ["undefined"] * len(about))]
        path = target / f"{scene.name}.tif"
        size = finest.height, finest.width
        with TiffWriter(path, *size, len(rasters), finest.dtype, tags=tags) as writer:
            for window in Window(0, 0, *size).strips(PIXELS, TILE):
                writer.write(
                    window.y, 0, np.stack([_read(r, window, f) for r, f in zip(rasters, factors, strict=True)])
                )
    return str(path)


def _scale(raster: Raster) -> tuple[str, float, float]:
    """No colour, and a band's scale and offset."""
    return ("", raster.about[0].scale, raster.about[0].offset) if raster.about else ("", 1.0, 0.0)


def _factor(raster: Raster, file: str, rasters: Sequence[Raster], scene: Scene, upsample: bool) -> int:
    """How many pixels of the finest band are one of this, along each side. Raises `DataError` (`stack.unlike`)."""
    finest = max(rasters, key=lambda one: one.height * one.width)
    first = scene.files[rasters.index(finest)]
    factor = max(1, round(finest.width / raster.width))
    unlike, other = None, basename(first)
    if raster.dtype != finest.dtype:
        unlike = f"is {raster.dtype}, {other} is {finest.dtype}: bring them to one type (gdal_translate -ot)"
    elif (raster.height * factor, raster.width * factor) != (finest.height, finest.width):
        sizes = f"is {raster.width} x {raster.height}, {other} is {finest.width} x {finest.height}"
        unlike = f"{sizes} (width x height): resample it (gdalwarp -ts)"
    elif not _lies_alike(raster, finest):
        unlike = f"lies elsewhere than {other}: {_told(raster)} and {_told(finest)}: warp it (gdalwarp -te)"
    elif str(raster.geo.nodata) != str(finest.geo.nodata):
        unlike = f"has nodata {raster.geo.nodata}, {other} has {finest.geo.nodata}: give both one (gdalwarp -dstnodata)"
    elif factor > 1 and not upsample:
        unlike = f"is {factor} times coarser than {other}: --upsample repeats its pixels"
    if unlike is not None:
        raise DataError(Problem("stack.unlike", f"the band {unlike}", file, scene.name))
    return factor


def _lies_alike(raster: Raster, finest: Raster) -> bool:
    """Whether bands have the same coordinate system and corners."""
    mine, other = (Ground(one.geo, one.height, one.width) for one in (raster, finest))
    return same_crs(mine.geo.crs, other.geo.crs) and (not mine.geo.placed or offset(mine, other) <= NEAR)


def _told(raster: Raster) -> str:
    """Where the first corner of an image lies."""
    return f"({raster.geo.transform[2]:.10g}, {raster.geo.transform[5]:.10g})"


def _read(raster: Raster, window: Window, factor: int) -> NDArray[Any]:
    """(h, w) of a band in a window of the finest."""
    top, bottom = window.y // factor, -(-window.bottom // factor)
    values = raster.read(Window(top, 0, bottom - top, raster.width))[:, :, 0]
    if factor > 1:
        values = values.repeat(factor, axis=0).repeat(factor, axis=1)
    return values[window.y - top * factor :][: window.height]
