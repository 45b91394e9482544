"""Names that a person types, refused before anything of the dataset is read: models, losses, weights, recipes, files."""

from __future__ import annotations

import torch

from segdata.dataset.weights import SCHEMES
from segdata.errors import OptionError
from segdata.files.places import place
from segdata.nn import losses, models
from segdata.nn.models.foreign import refuse_options
from segdata.nn.models.sources import is_file_name, refuse_source
from segdata.nn.options import Training
from segdata.recipes.recipe import Recipe
from segdata.words import suggest


def refuse_unknown(options: Training) -> None:
    """Raise `OptionError` for a name that there is not, with a near one, and for a file that is not there."""
    refuse_model(options)
    losses.parse(options.loss)
    if options.class_weights is not None and options.class_weights not in SCHEMES:
        raise OptionError(f"no weights {options.class_weights!r}: {suggest(options.class_weights.lower(), SCHEMES)}")
    if isinstance(options.recipe, str):
        Recipe.read(options.recipe)
    for name, path in (("init", options.init), ("weights-file", options.weights_file)):
        if path is not None and not place(path).is_file():
            raise OptionError(f"--{name} {path}: cannot be read: there is no such file")


def refuse_model(options: Training) -> None:
    """Raise `OptionError` for a model, an encoder or an option of either that there is not; no weights are made."""
    source, foreign = options.encoder_weights, ":" in options.model
    if foreign:
        refuse_options(options.model, options.encoder, options.model_options)
    else:
        with torch.device("meta"):
            models.build(
                options.model, encoder=options.encoder, classes=2, head=options.head, **options.model_options
            )  # fmt: skip
    if source is not None and (is_file_name(source) or not foreign):
        refuse_source(source, options.encoder)
