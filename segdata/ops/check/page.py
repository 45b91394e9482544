"""What `check` found as one page, with the images that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.sample import Sample, split_name
from segdata.errors import DataError, DatasetError
from segdata.files.remote import Place
from segdata.labels import Mask
from segdata.ops.check.findings import LEVELS, Checked, Finding, Spot
from segdata.pages.crops import around, outlined, read_crop
from segdata.pages.page import Viewer, jpeg_uri, write_page
from segdata.pages.sheet import fit, laid
from segdata.windows import Window
from segdata.words import some

FINDINGS, THUMBS, ALL_THUMBS, WIDTH, LISTED = 20, 8, 240, 320, 1000
"""How many findings of a kind the page shows, images of a finding, images in all, how wide they are, and how many further
ones are listed."""

CROP, MARK, SMALL = 64, 3, 192
"""How many pixels wide what is around a speck is, how far from it the box around it, and how wide it is shown."""

TITLES = {
    "dataset": "Dataset", "manifest": "Manifest", "path": "Paths", "mask": "Masks", "image": "Images",
    "scores": "Scores", "class": "Classes", "duplicate": "Duplicates", "leak": "Leaks between splits", "split": "Splits",
    "receipt": "Receipt", "files": "Files",
}  # fmt: skip

TONES = {"error": "error", "warning": "warning", "note": "told"}


@dataclass(frozen=True, slots=True)
class Thumb:
    """A sample in a small image: `source` is a data URI, or None with the `reason`; `about` is what it shows a part of."""

    id: str
    split: str | None
    source: str | None = None
    reason: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding with some of its samples, how many `more` there are, and what is listed of these."""

    message: str
    thumbs: Sequence[Thumb]
    more: int
    listed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """The findings of one level and code: all are counted, some shown, and of the others `listed` what they say."""

    title: str
    code: str
    tone: str
    count: int
    repairs: Sequence[str]
    shown: Sequence[Shown]
    listed: Sequence[str] = ()


def check_page(checked: Checked, dataset: Dataset | str | Path, out: str | Place) -> Place:
    """Write one self-contained HTML page. Files that cannot be read are named in their place.

    Raises `DatasetError` where there is no dataset.

    Args:
        checked: What `check` gave.
        dataset: The dataset, or its folder.
        out: The file to write.
    """
    dataset = Dataset.of(dataset)
    return write_page(
        out,
        "check.html",
        viewer=Viewer.of(dataset),
        title=folder_name(dataset),
        checked=checked,
        split_name=split_name,
        levels=[(level, TONES[level], checked.count(level)) for level in LEVELS],
        kinds=kinds(checked, dataset),
    )


def kinds(checked: Checked, dataset: Dataset) -> list[Kind]:
    """The findings by level and code, with thumbnails until there are enough of them."""
    samples = {sample.id: sample for sample in dataset}
    left = ALL_THUMBS
    found = []
    for (level, code), group in groupby(checked.findings, key=lambda finding: (finding.level, finding.code)):
        same = list(group)
        shown = []
        for finding in same[:FINDINGS]:
            chosen = [samples[id] for id in finding.samples if id in samples][: min(THUMBS, left)]
            left -= len(chosen)
            spots = spots_of(finding)
            laid_over = code.startswith("mask.")
            thumbs = [
                thumbnail(dataset, sample, laid_over=laid_over, spots=spots.get(sample.id, ())) for sample in chosen
            ]
            rest = [_line(id, spots.get(id, ())) for id in finding.samples[len(thumbs) :][:LISTED]]
            shown.append(Shown(_message(finding), thumbs, len(finding.samples) - len(thumbs), rest))
        repairs = list(dict.fromkeys(finding.repair for finding in same[:FINDINGS]))
        rest = [_message(finding) for finding in same[FINDINGS:][:LISTED]]
        found.append(Kind(TITLES.get(code.split(".")[0], "Other"), code, TONES[level], len(same), repairs, shown, rest))
    return found


def spots_of(finding: Finding) -> dict[str, list[Spot]]:
    """The spots of a finding by sample."""
    spots: dict[str, list[Spot]] = {}
    for spot in finding.spots:
        spots.setdefault(spot.sample, []).append(spot)
    return spots


def _line(id: str, spots: Sequence[Spot]) -> str:
    """A sample that is listed, and where its spots are."""
    places = some([f"{one.name} at row {one.y}, column {one.x}" for one in spots], 4)
    return f"{id}: {places}" if spots else id


def thumbnail(dataset: Dataset, sample: Sample, *, laid_over: bool, spots: Sequence[Spot] = ()) -> Thumb:
    """A sample's image, its mask laid over it where that is asked; the mask alone where there is no image.

    Of a sample with spots: what is around the first, with a box around each that is there.
    """
    try:
        if spots:
            return _spotted(dataset, sample, spots)
        image = None if sample.image is None else dataset.read_rgb(sample)
        mask = _mask(dataset, sample, needed=image is None) if laid_over or image is None else None
    except (DataError, DatasetError) as error:
        reason = error.problem.message if isinstance(error, DataError) else str(error)
        return Thumb(sample.id, sample.split, reason=reason)
    if mask is not None and mask.size and (image is None or image.size):
        image = laid(image, mask, dataset.labels, WIDTH)
    if image is None or not image.size:
        return Thumb(sample.id, sample.split, reason="nothing to see")
    return Thumb(sample.id, sample.split, jpeg_uri(fit(image, WIDTH), 80))


def _spotted(dataset: Dataset, sample: Sample, spots: Sequence[Spot]) -> Thumb:
    window = around(spots[0].box, sample.size, CROP)
    image, mask = read_crop(dataset, sample, window)
    inside = np.zeros(mask.shape, np.bool_)
    for spot in spots:
        y, x, height, width = spot.box
        box = Window(y - MARK, x - MARK, height + 2 * MARK, width + 2 * MARK).meet(window)
        if box is not None:
            inside[box.shifted(-window.y, -window.x).slices] = True
    marked = outlined(laid(image, mask, dataset.labels, SMALL), inside, SMALL)
    first = spots[0]
    about = f"{first.name}, {first.pixels} px at row {first.y}, column {first.x}"
    return Thumb(sample.id, sample.split, jpeg_uri(marked), about=about)


def _mask(dataset: Dataset, sample: Sample, *, needed: bool) -> Mask | None:
    """A sample's mask; None if it does not lie over the image, unless it is `needed`. Raises `DataError`."""
    try:
        return dataset.read_mask(sample)
    except DataError as error:
        if needed or error.problem.code not in ("mask.size", "mask.depth"):
            raise
        return None


def _message(finding: Finding) -> str:
    where = finding.samples[0] if len(finding.samples) == 1 else finding.split
    return f"{where}: {finding.message}" if where else finding.message
