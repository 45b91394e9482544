"""How images are opened for a model: by the bands that it takes, and by what its recipe makes of their values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from segdata.caches import note
from segdata.dataset.dataset import Dataset
from segdata.dataset.inputs import Stamp, stamps
from segdata.dataset.sample import Sample
from segdata.dataset.transparency import settled
from segdata.errors import DataError, Problem
from segdata.executors.run import Run
from segdata.files.rasters import Raster
from segdata.files.reading import AS_IT_IS, Alpha, Reading
from segdata.ops.predict.predictor import Predictor


def read_as(source: Dataset, predictor: Predictor, bands: str | None, alpha: Alpha, run: Run) -> Dataset:
    """The same dataset, its images read as is asked; images of no dataset as those that the model was trained on.

    Raises `OptionError` for bands that the dataset does not read.
    """
    if source.made_by:
        return source.read_as(bands, alpha)
    trained: Reading = getattr(predictor, "reading", AS_IT_IS)
    known = Reading(trained.bands if bands is None else (), False if trained.alpha is False else None)
    asked = replace(source.reading, bands=known.bands, alpha=known.alpha).but(bands, alpha)
    reading, notes = settled(asked, [source.image_path(sample) for sample in source], run)
    for text in notes:
        note(text)
    return replace(source, reading=reading)


@contextmanager
def opened_for(source: Dataset, sample: Sample, predictor: Predictor) -> Iterator[Raster]:
    """A sample's image, open. Raises `DataError` (`image.bands`) if its bands are not those that the model takes, in order."""
    wanted, trained = getattr(predictor, "bands", None), tuple(getattr(predictor, "names", ()))
    with source.open_image(sample) as raster:
        names = tuple(band.name for band in raster.about)
        what = None
        if wanted is not None and raster.bands != wanted:
            called = f" ({', '.join(names)})" if any(names) else ""
            what = f"{raster.bands} bands are read{called}, and the model takes {wanted}: --bands chooses, "
            what += "--alpha says whether the last one is transparency"
        elif names != trained and sorted(names) == sorted(trained):
            order = ",".join(trained)
            what = f"its bands are read in the order {','.join(names)}, and the model takes {order}: --bands {order}"
        if what is not None:
            raise DataError(Problem("image.bands", what, source.image_path(sample), sample.id))
        recipe = getattr(predictor, "recipe", None)
        yield raster if recipe is None else recipe.values_of(raster)


def image_stamps(source: Dataset, sample: Sample) -> list[Stamp]:
    """The file that a sample is predicted from, as it is before that."""
    return stamps([] if sample.image is None else [source.image_path(sample)])
