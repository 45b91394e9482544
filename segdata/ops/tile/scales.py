"""By what each image is resampled: one factor for all, or what brings its pixels to a size on the slide or on the ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, OptionError, Problem, located
from segdata.executors.run import Run
from segdata.files.file import open_file
from segdata.files.resolution import ground_metres, read_microns

NEAR = 0.01
"""Pixels that are so nearly of the size that was asked for are not resampled: scanners' own differ by as much."""

LARGEST = 64
"""No image is enlarged by more."""

Size = Callable[[Sample, Dataset], float | None]
"""How large a pixel of a sample's image is, in the unit of an option; None if it is not known."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The size of a pixel that an option asks for."""

    option: str
    size: float
    unit: str
    lacks: str


def wanted_size(scale: float, mpp: float | None, gsd: float | None) -> Wanted | None:
    """What `mpp` or `gsd` asks for; None if neither does. Raises `OptionError` for more than one way, and for no size."""
    given = [one for one in (("mpp", mpp), ("gsd", gsd)) if one[1] is not None]
    if not given:
        return None
    if len(given) > 1 or scale != 1:
        raise OptionError("--scale, --mpp and --gsd exclude each other: each says by what images are resampled")
    name, size = given[0]
    if size is None or not 0 < size < float("inf"):
        raise OptionError(f"--{name} {size:g}: must be above 0")
    if name == "mpp":
        return Wanted(name, size, "microns", "its file does not say how many microns a pixel has")
    return Wanted(
        name,
        size,
        "metres",
        "its file does not say in which coordinate system it lies, so not how many metres a pixel has",
    )


def find_scales(dataset: Dataset, wanted: Wanted, run: Run) -> dict[str, float | Problem]:
    """The factor of each sample by its id, or why there is none (`tile.resolution`)."""
    work = partial(scale_of, dataset=replace(dataset, samples=(), made_by={}), wanted=wanted)
    return {sample.id: found for sample, found in run.map(work, list(dataset))}


def scale_of(sample: Sample, dataset: Dataset, wanted: Wanted) -> float:
    """The factor that makes a sample's pixels as large as it is wanted. Raises `DataError`."""
    with located(sample=sample.id):
        size = pixel_microns(dataset, sample) if wanted.option == "mpp" else pixel_metres(dataset, sample)
        if size is None:
            raise DataError(Problem("tile.resolution", f"{wanted.lacks}: tile it by --scale", sample=sample.id))
        scale = size / wanted.size
        if scale > LARGEST:
            what = f"its pixels are of {size:.4g} {wanted.unit}, more than {LARGEST} times --{wanted.option} {wanted.size:g}"
            raise DataError(Problem("tile.resolution", f"{what}: is that the right unit?", sample=sample.id))
    return 1.0 if abs(scale - 1) <= NEAR else scale


def pixel_microns(dataset: Dataset, sample: Sample) -> float | None:
    """Microns per pixel of a sample's image, by its file. Raises `DataError`, `DatasetError`."""
    if sample.image is None or dataset.images == "none":
        return None
    with open_file(dataset.image_path(sample)) as file:
        return read_microns(file)


def pixel_metres(dataset: Dataset, sample: Sample) -> float | None:
    """Metres per pixel of a sample's image, by where it lies. Raises `DataError`, `DatasetError`."""
    if sample.image is None or dataset.images == "none":
        return None
    with dataset.open_image(sample) as raster:
        return ground_metres(raster.geo, (raster.height, raster.width), dataset.image_path(sample))
