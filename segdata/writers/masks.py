"""The mask of a sample as a PNG in an export: its file byte for byte where that is the mask, otherwise its pixels by rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, Problem
from segdata.files.drafts import Draft
from segdata.files.members import open_stored
from segdata.files.places import is_stored, read_bytes, read_start
from segdata.files.png import MaskWriter, is_grey_png
from segdata.files.rasters import bands_of
from segdata.files.remote import Place

PART = 2**22
"""Bytes that are copied together."""


def put_mask(sample: Sample, dataset: Dataset, path: Place, palette: NDArray[np.uint8] | None = None) -> str:
    """Write the mask of a sample as a grey PNG of class ids, or as a palette PNG with a (256, 3) uint8 `palette`.

    Memory does not grow with the mask, unless its file must be decoded at once. Returns the SHA-256 of the bytes. Raises
    `DataError` (`mask.*`), `DatasetError`.
    """
    file = dataset.inside(sample.mask)
    if palette is None and sample.view is None and _is_grey(file):
        return _copied(sample, file, path)
    with (
        dataset.open_mask(sample) as mask,
        MaskWriter(path, sample.height, sample.width, dataset.labels.dtype, palette) as writer,
    ):
        for rows in bands_of(mask):
            writer.write(rows)
    return writer.sha256


def _copied(sample: Sample, file: Place, path: Place) -> str:
    """Copy a mask file, and make sure that it is the one that the manifest means. Returns its SHA-256."""
    digest = hashlib.sha256()
    with Draft(path) as draft:
        for part in _parts(file):
            digest.update(part)
            draft.file.write(part)
        refuse_changed(sample, digest.hexdigest())
    return digest.hexdigest()


def refuse_changed(sample: Sample, sha256: str) -> None:
    """Raise `DataError` (`mask.changed`) if the bytes of a mask file, of this SHA-256, are not those that the manifest means."""
    if sha256 != sample.sha256:
        what = "its bytes are not those that were written (sha256): segdata check finds out more"
        raise DataError(Problem("mask.changed", what, file=sample.mask))


def _parts(file: Place) -> Iterator[bytes]:
    """The bytes of a file, some at a time; in storage all together."""
    if is_stored(file):
        yield read_bytes(file)
        return
    with open_stored(str(file)) as opened:
        while part := opened.read(PART):
            yield part


def _is_grey(file: Place) -> bool:
    """Whether a file is a grey PNG of whole bytes; one that cannot be read is told when it is opened as a mask."""
    try:
        return is_grey_png(read_start(file, 26))
    except OSError:
        return False
