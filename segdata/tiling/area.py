"""An area of interest (--aoi): which pixels of an image, or of a tile, lie in the polygons of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, OptionError, Problem, located
from segdata.files.file import open_file
from segdata.files.geo import Geo
from segdata.files.opening import open_image
from segdata.files.places import file_digest, place
from segdata.files.rasters import Raster
from segdata.files.remote import Place
from segdata.files.resolution import ground_sides
from segdata.files.vectors.geojson import NO_RINGS, PIXELS, Features, Geometry, bounds, burn, to_pixels
from segdata.files.vectors.misplaced import SITES, Site, polygons_in, why_off
from segdata.files.vectors.opening import files_of, read_features
from segdata.files.views import ViewedImage
from segdata.labels import Mask
from segdata.tiling.tiles import image_of, tile_view
from segdata.windows import Window
from segdata.words import some

PIXELS_AT_ONCE = 2**22
"""Pixels of an image that are looked at together, about."""


@dataclass(frozen=True, slots=True)
class Area:
    """The polygons of `file`, and their coordinate system as the caller says it (None: see `to_pixels`)."""

    file: str
    features: Features
    crs: str | None = None

    @classmethod
    def read(cls, path: str | Path, crs: str | None, layer: str | None = None) -> Area:
        """The area of a file, or of one of its layers. Raises `DataError` as `read_area`."""
        return cls(str(path), read_area(path, layer=layer, option="--aoi-layer"), crs)

    @classmethod
    def given(cls, path: str | Path | None, crs: str | None, layer: str | None) -> Area | None:
        """The area that an operation is given, None for none. Raises `OptionError` for what is said of none, and as `read`."""
        if path is not None:
            return cls.read(path, crs, layer)
        if crs is not None or layer is not None:
            raise OptionError(f"--aoi-{'layer' if crs is None else 'crs'} is about an area: give --aoi FILE too")
        return None

    @property
    def name(self) -> str:
        """The name of the file."""
        return place(self.file).name

    def facts(self) -> list[dict[str, str]]:
        """Name and digest of the file, and of those that belong to it, as `made_by` lists inputs."""
        return [{"name": path.name, "sha256": file_digest(path)} for path in files_of(place(self.file))]

    def on(self, geo: Geo, size: tuple[int, int], sample: Sample | None = None) -> AreaOfImage:
        """The area on an image of `size` that lies at `geo`; of a `sample` that is a tile, pixels are those of its image.

        Raises `DataError` as `to_pixels`.
        """
        features, crs = self.features, self.crs
        in_pixels = (crs or features.crs) == PIXELS or (crs is None and not geo.placed)
        if in_pixels and sample is not None and sample.tiling is not None:
            view = tile_view(sample)
            geo, crs = Geo(None, Geo().cut(view.crop, view.content).transform), None
            features = features if features.crs is None else replace(features, crs=None)
        polygons, _ = to_pixels(features, geo, self.file, size=size, crs=crs, option="--aoi-crs")
        return AreaOfImage([geometry for _, geometry in polygons])


class AreaOfImage:
    """An area in the pixels of one image."""

    def __init__(self, polygons: Iterable[Geometry]) -> None:
        self._polygons = list(polygons)
        self._boxes = np.array([bounds(polygon) for polygon in self._polygons]).reshape(-1, 4)

    def inside(self, window: Window) -> NDArray[np.bool_]:
        """(h, w): which pixels of a window have their middle in the area."""
        near = self._near(window)
        return burn(near, window) > 0 if near else np.zeros((window.height, window.width), np.bool_)

    def meets(self, window: Window) -> bool:
        """Whether any pixel of a window is in the area."""
        return bool(self._near(window)) and any(self.inside(part).any() for part in window.strips(PIXELS_AT_ONCE))

    def kept(self, ids: Mask, ignore: int) -> Mask:
        """(H, W) a whole mask with `ignore` outside of the area."""
        out = ids.copy()
        for part in Window(0, 0, *ids.shape).strips(PIXELS_AT_ONCE):
            out[part.slices][~self.inside(part)] = ignore
        return out

    def _near(self, window: Window) -> list[tuple[Geometry, int]]:
        """The polygons whose boxes meet a window, each with the value that it is burnt with."""
        top, left, bottom, right = self._boxes.T
        meet = (top <= window.bottom) & (bottom >= window.y) & (left <= window.right) & (right >= window.x)
        return [(self._polygons[i], 1) for i in np.flatnonzero(meet)]


def area_of_image(area: Area, dataset: Dataset, sample: Sample, size: tuple[int, int]) -> AreaOfImage:
    """The area on the image, of `size`, that a sample is, or that it is a tile of. Raises `DataError`."""
    return area.on(place_of_image(dataset, sample), size)


def place_of_image(dataset: Dataset, sample: Sample) -> Geo:
    """Where the image lies that a sample is, or that it is a tile of. Raises `DataError`."""
    with open_place(dataset, sample) as raster:
        geo = raster.geo
    if image_of(sample) != sample.id and geo.placed:
        view = tile_view(sample)
        geo = geo.whole(view.crop, view.content)
    return geo


def ground_of_image(dataset: Dataset, sample: Sample, size: tuple[int, int]) -> tuple[float, float] | None:
    """The (y, x) sides in metres of a pixel of the image, of `size`, that a sample is, or that it is a tile of.

    None if it is not known where it lies. Raises `DataError`.
    """
    return ground_sides(place_of_image(dataset, sample), size)


def touches(sample: Sample, dataset: Dataset, area: Area) -> bool:
    """Whether any pixel of a sample is in the area. Raises `DataError`."""
    with open_place(dataset, sample) as raster:
        size = raster.height, raster.width
        return area.on(raster.geo, size, sample).meets(Window(0, 0, *size))


@contextmanager
def open_place(dataset: Dataset, sample: Sample) -> Iterator[Raster]:
    """What says where a sample lies: its image, or its mask where there is no image. Raises `DataError`."""
    if sample.image is not None and dataset.images != "none":
        with dataset.open_image(sample) as image:
            yield image
        return
    with located(sample=sample.id), open_file(dataset.inside(sample.mask), "mask") as file, open_image(file) as mask:
        yield mask if sample.view is None else ViewedImage(mask, sample.view)


def read_area(path: str | Path | Place, *, layer: str | None = None, option: str = "--layer") -> Features:
    """The features of a file of polygons, and of others, which are no area.

    Raises `DataError` (`geojson.*`, also for a polygon that is none; `aoi.empty` for a file without a polygon).
    """
    found = read_features(place(path), layer=layer, option=option)
    if not polygons_in(found):
        kinds = sorted({str(f.geometry.get("type")) for f in found.features if isinstance(f.geometry, dict)})
        what = f"an area needs polygons, and the file has none: it holds {some(kinds) or 'no feature'}"
        raise DataError(Problem("aoi.empty", what, file=str(path)))
    _, problems = to_pixels(found, Geo(), str(path), size=(1, 1), crs=PIXELS)
    for problem in problems:
        if problem.message == NO_RINGS:
            raise DataError(problem)
    return found


def refuse_area(area: Features, path: object, dataset: Dataset, crs: str | None) -> NoReturn:
    """Raise `DataError` (`aoi.elsewhere`) for an area that is on no image of a dataset, with what explains it."""
    sites = []
    for sample in islice((s for s in dataset if s.image is not None and dataset.images != "none"), SITES):
        with dataset.open_image(sample) as image:
            sites.append(Site(image.geo, (image.height, image.width)))
    why = why_off(area, sites, crs, "--aoi-crs")
    raise DataError(Problem("aoi.elsewhere", f"its polygons lie on no image: {why}", str(path)))


def refuse_elsewhere(area: Area, dataset: Dataset) -> None:
    """Raise `DataError` (`aoi.elsewhere`) if no pixel of any sample is in the area."""
    for sample in dataset:
        try:
            if touches(sample, dataset, area):
                return
        except DataError:  # whoever reads the image says so
            return
    refuse_area(area.features, area.file, dataset, area.crs)
