"""Labels where an image has no data: a model would learn them from nothing, and its predictions are ignored there."""

from __future__ import annotations

import numpy as np

from segdata.dataset.dataset import Dataset, Openings
from segdata.dataset.sample import Sample
from segdata.errors import DataError
from segdata.ops.check.findings import Finding, Repairs
from segdata.windows import Window
from segdata.words import percent

ROWS = 2**22
"""Pixels of an image that are looked at together, about."""


def nodata_findings(samples: list[Sample], dataset: Dataset, repairs: Repairs) -> list[Finding]:
    """One finding for each sample, of those that share an image with gaps, that has labels where the image has no data."""
    openings = Openings(dataset)  # virtual tiles share files
    try:
        under = [(sample, labelled_under(sample, openings, dataset.labels.ignore)) for sample in samples]
    except DataError:
        return []  # what is wrong with it is found elsewhere
    finally:
        openings.close()
    return [_finding(sample, pixels, repairs) for sample, pixels in under if pixels]


def labelled_under(sample: Sample, openings: Openings, ignore: int) -> int:
    """How many pixels of a sample have a label where its image has no data. Raises `DataError`."""
    image, mask = openings(sample)
    found = 0
    for strip in Window(0, 0, *sample.size).strips(ROWS):
        valid = image.valid(strip, image.read(strip))
        if valid is not None:
            found += int(np.count_nonzero(~valid & (mask.read(strip) != ignore)))
    return found


def _finding(sample: Sample, pixels: int, repairs: Repairs) -> Finding:
    share = percent(pixels, sample.height * sample.width)
    message = f"{pixels:,} pixels ({share}) have a label where the image has no data"
    keep = " (--under-nodata keep: they stay, and count)" if repairs.made_by.get("operation") == "convert" else ""
    return Finding("warning", "mask.nodata", message, f"ignore them: {repairs.again}{keep}", (sample.id,))
