"""How images are opened for a model: with the bands that it takes, and values of the type that it was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from segdata.caches import note
from segdata.dataset.dataset import Dataset
from segdata.dataset.inputs import Stamp, stamps
from segdata.dataset.sample import Sample
from segdata.dataset.transparency import settled
from segdata.errors import located
from segdata.executors.run import Run
from segdata.files.rasters import Raster
from segdata.files.reading import Alpha
from segdata.prediction.fitting import fitted, trained_reading
from segdata.prediction.predictor import Predictor
from segdata.tiling.retype import Retype


def read_as(source: Dataset, predictor: Predictor, bands: str | None, alpha: Alpha, run: Run) -> Dataset:
    """The same dataset, its images read as is asked; images of no dataset as those that the model was trained on.

    Raises `OptionError` for bands that the dataset does not read.
    """
    if source.made_by:
        return source.read_as(bands, alpha)
    known = trained_reading(predictor, bands)
    asked = replace(source.reading, bands=known.bands, alpha=known.alpha).but(bands, alpha)
    reading, notes = settled(asked, [source.image_path(sample) for sample in source], run)
    for text in notes:
        note(text)
    return replace(source, reading=reading)


@contextmanager
def opened_for(source: Dataset, sample: Sample, predictor: Predictor, retype: Retype | None = None) -> Iterator[Raster]:
    """A sample's image, open, brought into another type by `retype`.

    Raises `DataError` (`image.bands`, `image.type`) if its bands are not those that the model takes, in order, or its values
    of another type than those that it was trained on.
    """
    with source.open_image(sample) as raster:
        with located(str(source.image_path(sample)), sample.id):
            fit = fitted(raster, predictor, source.reading, retype)
        yield fit


def image_stamps(source: Dataset, sample: Sample) -> list[Stamp]:
    """The file that a sample is predicted from, as it is before that."""
    return stamps([] if sample.image is None else [source.image_path(sample)])
