"""What `check` found as one page, with the images that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.sample import Sample, split_name
from segdata.errors import DataError, DatasetError
from segdata.files.colors import colorize, overlay
from segdata.files.remote import Place
from segdata.labels import Mask
from segdata.ops.check.findings import LEVELS, Checked, Finding
from segdata.pages.page import jpeg_uri, write_page
from segdata.pages.sheet import fit

FINDINGS, THUMBS, ALL_THUMBS, WIDTH = 20, 8, 240, 220
"""How many findings of a kind the page shows, images of a finding, images in all, and how wide they are."""

TITLES = {
    "dataset": "Dataset", "manifest": "Manifest", "path": "Paths", "mask": "Masks", "image": "Images",
    "scores": "Scores", "class": "Classes", "duplicate": "Duplicates", "leak": "Leaks between splits", "split": "Splits",
    "receipt": "Receipt", "files": "Files",
}  # fmt: skip

TONES = {"error": "error", "warning": "warning", "note": "told"}


@dataclass(frozen=True, slots=True)
class Thumb:
    """A sample in a small image: `source` is a data URI, or None with the `reason`."""

    id: str
    split: str | None
    source: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding with some of its samples, and how many `more` there are."""

    message: str
    thumbs: Sequence[Thumb]
    more: int


@dataclass(frozen=True, slots=True)
class Kind:
    """The findings of one level and code: all are counted, some shown."""

    title: str
    code: str
    tone: str
    count: int
    repairs: Sequence[str]
    shown: Sequence[Shown]


def check_page(checked: Checked, dataset: Dataset | str | Path, out: str | Place) -> Place:
    """Write one self-contained HTML page. Files that cannot be read are named in their place.

    Raises `DatasetError` where there is no dataset.
    """
    dataset = Dataset.of(dataset)
    return write_page(
        out,
        "check.html",
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
            thumbs = [thumbnail(dataset, sample, laid_over=code.startswith("mask.")) for sample in chosen]
            shown.append(Shown(_message(finding), thumbs, len(finding.samples) - len(thumbs)))
        repairs = list(dict.fromkeys(finding.repair for finding in same[:FINDINGS]))
        found.append(Kind(TITLES.get(code.split(".")[0], "Other"), code, TONES[level], len(same), repairs, shown))
    return found


def thumbnail(dataset: Dataset, sample: Sample, *, laid_over: bool) -> Thumb:
    """A sample's image, its mask laid over it where that is asked; the mask alone where there is no image."""
    try:
        image = None if sample.image is None else dataset.read_rgb(sample)
        mask = _mask(dataset, sample, needed=image is None) if laid_over or image is None else None
    except (DataError, DatasetError) as error:
        reason = error.problem.message if isinstance(error, DataError) else str(error)
        return Thumb(sample.id, sample.split, reason=reason)
    if mask is not None:
        image = colorize(mask, dataset.labels) if image is None else overlay(image, mask, dataset.labels)
    if image is None or not image.size:
        return Thumb(sample.id, sample.split, reason="nothing to see")
    return Thumb(sample.id, sample.split, jpeg_uri(fit(image, WIDTH), 80))


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
