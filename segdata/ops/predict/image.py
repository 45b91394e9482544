"""One image in, one mask out: a PNG whose values are class ids and whose palette has the colours of the classes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segdata.errors import DataError, DatasetError, OptionError
from segdata.executors.run import Run
from segdata.files.colors import encode_coloured
from segdata.files.endings import is_image
from segdata.files.places import listed, place, real, write_whole
from segdata.labels import Labels
from segdata.ops.predict.operation import predict

OTHERS = ("split", "scores", "entropy", "images", "match_names", "vectorize", "cog", "signals")
"""Options of `predict` that are for datasets: what they would write has no place in one file."""


@dataclass(frozen=True, slots=True)
class Painted:
    """The mask of an image: its size (height, width), how often each value occurs, and whether the image lies on the ground.

    `by_model`: whether it is refined as the model's file says.
    """

    labels: Labels
    size: tuple[int, int]
    counts: Mapping[int, int]
    placed: bool
    by_model: bool = False


def is_image_name(destination: str | Path) -> bool:
    """Whether a destination is meant as an image, not as the folder of a dataset."""
    return is_image(str(destination)) and not place(destination).is_dir()


def predict_image(
    model: str | Path, image: str | Path, destination: str | Path, *, overwrite: bool = False, run: Run | None = None,
    **options: Any,
) -> Painted:  # fmt: skip
    """Predict one image, and write its mask as a PNG: values are class ids, or ignore; in 8 bits with the classes' colours.

    `options` are those of `predict` that are not in `OTHERS`. Raises `OptionError` for those, for another kind of file and for
    a destination that is an input; `DatasetError` for one that exists; and what `predict` raises.
    """
    path = place(destination)
    if path.suffix.lower() != ".png":
        raise OptionError(f"{path}: a mask is written as a PNG, which loses nothing: call it {path.stem}.png")
    if other := [name for name in OTHERS if name in options]:
        way = f"name a folder, such as {path.stem}"
        raise OptionError(f"--{other[0].replace('_', '-')}: not for one image into {path.name}: {way}")
    if not listed(image).is_file():
        raise OptionError(f"{path}: is one image, {image} is none: name a folder, such as {path.stem}")
    if real(path) in (real(image), real(model)):
        raise OptionError(f"{path}: is what is read: choose another name")
    if path.exists() and not overwrite:
        raise DatasetError(f"{path}: exists: choose another name, or --overwrite")
    with tempfile.TemporaryDirectory(prefix="segdata-") as folder:
        try:
            made = predict(
                model, image, os.path.join(folder, "dataset"), images="none", signals=False, run=run, **options
            )
        except DataError as error:  # one image cannot be left out
            raise DataError(replace(error.problem, sample=None)) from error
        sample = made.samples[0]
        mask, by_model = made.read_mask(sample), "refined_by" in made.read_receipt()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, encode_coloured(mask, made.labels))
    return Painted(made.labels, sample.size, sample.counts, sample.mask.endswith(".tif"), by_model)
