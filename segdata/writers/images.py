"""The image of a sample in an export: its file as it is, or its pixels, where the file alone would be something else."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from typing import Literal

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, OptionError, Problem, one_of
from segdata.files.file import open_file
from segdata.files.parts import encode_part, fits_png
from segdata.files.places import only_gdal_opens
from segdata.files.rasters import Raster
from segdata.files.reading import AS_IT_IS
from segdata.files.remote import is_remote
from segdata.files.sidecars import sidecars
from segdata.windows import Window

ExportImages = Literal["link", "copy", "none"]
"""What becomes of the images: symbolic links to them, copies, or there are none."""


def goes_as_pixels(image: str) -> bool:
    """Whether an image's file cannot be used as it is: it is far away, or opened in a way that no other program knows."""
    if only_gdal_opens(image):
        return True
    with open_file(image) as file, suppress(DataError):  # a missing one is told when it is read
        return file.form != "usual"
    return False


def as_it_is(sample: Sample, dataset: Dataset) -> bool:
    """Whether a sample's files are the sample: whole ones, read as they say themselves, with nothing beside them."""
    if sample.view is not None:
        return False
    if sample.image is None or dataset.images == "none":
        return True
    path = dataset.image_path(sample)
    return dataset.reading == AS_IT_IS and not goes_as_pixels(path) and not sidecars(path, path)


def encode_image_of(image: Raster, kinds: Collection[str] = (".png", ".tif")) -> tuple[str, bytes]:
    """An image's pixels as PNG, or as TIFF if they are not 8-bit RGB or have coordinates: the ending, and the bytes.

    `kinds` are the endings that may be written. Raises `DataError` (`image.kind`) if neither may.
    """
    values = image.read()
    valid = image.valid(Window(0, 0, image.height, image.width), values)
    plain = fits_png(image) and (not image.geo.placed or ".tif" not in kinds)
    ending: Literal[".png", ".tif"] = ".png" if plain else ".tif"
    if ending not in kinds:
        what = f"its {image.bands} band{'s' * (image.bands > 1)} of {image.dtype} fit no PNG"
        eight = "choose three (segdata convert --bands), or " if image.bands > 3 and image.dtype == np.uint8 else ""
        raise DataError(Problem("image.kind", f"{what}: {eight}--images none exports the labels alone"))
    return ending, encode_part(image.about, values, valid, image.geo, "png" if plain else "tiff")


def check_images(dataset: Dataset, images: ExportImages) -> None:
    """Raise `OptionError` if an export with these `images` cannot be of this dataset: it has none, or they are elsewhere."""
    one_of("images", images, ExportImages)
    if images == "none":
        return
    if dataset.images == "none":
        raise OptionError(f"{dataset.root}: the dataset has no images: --images none exports the labels alone")
    for sample in dataset:
        if sample.image is None:
            raise OptionError(f"{dataset.root}: {sample.id} has no image: --images none exports the labels alone")
        if images == "link" and is_remote(path := dataset.image_path(sample)):
            raise OptionError(f"{path} is not on this machine, so no link leads to it: --images copy or none")


def ending_of(path: str) -> str:
    """The ending of an image's file, in lower case."""
    return os.path.splitext(path)[1].lower()
