"""Predictions to look at: a picture, what is true of it and what was predicted, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from segdata.images import overlay
from segdata.labels import Labels, Mask
from segdata.pixels import Pixels, resize_image, resize_mask
from segdata.rasters import to_rgb
from segdata.remote import Place
from segdata.storage import local_draft

WIDTH = 320


def write_rows_of(path: Place, shown: Sequence[tuple[Pixels, Mask, Mask]], labels: Labels) -> None:
    """A JPEG with a row for each (picture, truth, prediction): the picture, then both masks laid over it."""
    rows = []
    for image, truth, pred in shown:
        size = max(1, round(image.shape[0] * WIDTH / image.shape[1])), WIDTH
        picture = np.asarray(resize_image(to_rgb(image), size), np.uint8)
        masks = [overlay(picture, resize_mask(mask, size), labels) for mask in (truth, pred)]
        rows.append(np.concatenate([picture, *masks], axis=1))
    with local_draft(path) as here:
        Image.fromarray(np.concatenate(rows)).save(here, quality=88)
