"""Images as a model takes them: its bands, in its order, and values of the type that it was trained on."""

from __future__ import annotations

from segdata.errors import DataError, OptionError, Problem
from segdata.files.rasters import Raster
from segdata.files.reading import AS_IT_IS, Reading
from segdata.prediction.predictor import Predictor
from segdata.tiling.retype import Dtype, Retype, RetypedRaster


def trained_reading(predictor: Predictor, bands: str | None) -> Reading:
    """How images of no dataset are read: like those that a model was trained on; its bands, unless others are asked for."""
    trained: Reading = getattr(predictor, "reading", AS_IT_IS)
    return Reading(trained.bands if bands is None else (), False if trained.alpha is False else None)


def typed(predictor: Predictor, span: tuple[float, float] | None) -> Retype | None:
    """How images become of the type that a model was trained on; None for as they are.

    Raises `OptionError` if a span is given and the model does not say its type, or says itself what values mean.
    """
    if span is None:
        return None
    dtype: Dtype | None = getattr(predictor, "dtype", None)
    if dtype is None:
        why = "does not say of which type its images were, or has a span of its own for those of any type"
        raise OptionError(f"--scale-values: the model {why}: leave it out")
    return Retype(dtype, span)


def fitted(raster: Raster, predictor: Predictor, reading: Reading, retype: Retype | None = None) -> Raster:
    """An open image, which is read as `reading` says, as a model takes it, brought into another type by `retype`.

    Raises `DataError` (`image.bands`, `image.type`) if its bands are not those that the model takes, in order, or its values
    of another type than those that it was trained on.
    """
    recipe = getattr(predictor, "recipe", None)
    problem = _other_bands(predictor, raster, reading) or (_other_type(predictor, raster) if retype is None else None)
    if problem is not None:
        raise DataError(Problem(*problem))
    if retype is not None:
        raster = RetypedRaster(raster, retype)
    fit: Raster = raster if recipe is None else recipe.values_of(raster)
    return fit


def _other_bands(predictor: Predictor, raster: Raster, reading: Reading) -> tuple[str, str] | None:
    """What is wrong if the bands of an image are not those that a model takes."""
    wanted, trained = getattr(predictor, "bands", None), tuple(getattr(predictor, "names", ()))
    names = tuple(band.name for band in raster.about)
    if wanted is not None and raster.bands != wanted:
        called = f" ({', '.join(names)})" if any(names) else ""
        what = f"{raster.bands} bands are read{called}, and the model takes {wanted}: --bands chooses, "
        return "image.bands", what + "--alpha says whether the last one is transparency"
    if names != trained and sorted(names) == sorted(trained):
        order = ",".join(trained)
        what = f"its bands are read in the order {','.join(names)}, and the model takes {order}: --bands {order}"
        return "image.bands", what
    chosen: str | None = getattr(predictor, "chosen", None)
    if chosen is not None and not reading.bands and not trained:
        own = ",".join(str(number) for number in range(1, raster.bands + 1))
        what = f"the model was trained with --bands {chosen}, and these may be in another order: --bands {chosen}"
        return "image.bands", f"{what}, or --bands {own} if they are in that order already"
    return None


def _other_type(predictor: Predictor, raster: Raster) -> tuple[str, str] | None:
    """What is wrong if an image is of another type than those that a model was trained on, so that its values mean others."""
    recipe, trained = getattr(predictor, "recipe", None), getattr(predictor, "dtype", None)
    if trained is None or raster.dtype.name == trained or (recipe is not None and recipe.scaled):
        return None
    what = f"its pixels are {raster.dtype}, and the model was trained on {trained}"
    ways = "say which of its values are the darkest and brightest there: --scale-values LOW,HIGH"
    return "image.type", f"{what}: {ways}, as tile --dtype takes them"
