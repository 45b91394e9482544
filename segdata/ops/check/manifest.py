"""What card, manifest, receipt and the names of the files have wrong: no mask or image is read."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from segdata.dataset.dataset import Dataset
from segdata.dataset.layout import RECEIPT
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, reason
from segdata.files.members import holder
from segdata.files.places import files_below, leads_out, links_out, listed
from segdata.files.remote import Place
from segdata.ops.check.findings import Finding, Repairs, among
from segdata.words import some


def manifest_findings(dataset: Dataset, repairs: Repairs) -> list[Finding]:
    """The findings about a dataset's records, and about files that no record names."""
    findings = []
    if not len(dataset):
        findings.append(Finding("error", "dataset.empty", "it has no samples", repairs.again))
    if len(dataset.labels.classes) == 1:
        message = f"there is one class only, {dataset.labels.names[0]!r}: nothing to tell it from"
        findings.append(Finding("note", "class.single", message, "convert with a second class, or with background"))
    ids = [sample.id for sample in dataset]
    if ids != sorted(ids):
        first = next(b for a, b in pairwise(ids) if a > b)
        message = f"the manifest is not sorted by id ({first!r} is the first that is too late): edited by hand?"
        findings.append(Finding("warning", "manifest.order", message, repairs.again))
    for sample in dataset:
        for code, message in _faults(sample, dataset):
            findings.append(Finding("error", code, message, repairs.again, (sample.id,)))
    findings += _without_image(dataset, repairs) + _receipt_findings(dataset, repairs)
    return findings + _unlisted(dataset) + _linked(dataset, repairs)


def _faults(sample: Sample, dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Code and message of what one line of the manifest has wrong."""
    if sum(sample.counts.values()) != sample.height * sample.width:
        total = f"{sum(sample.counts.values()):,} of {sample.height * sample.width:,} pixels"
        yield "manifest.counts", f"its counts add up to {total}: edited by hand?"
    inside = [sample.mask, sample.scores, sample.image if dataset.images == "copy" else None]
    for path in filter(None, inside):
        if leads_out(path) or (path == sample.scores and links_out(dataset.root, path)):
            yield "path.outside", f"the manifest names {path!r}, which is outside the dataset"
    if sample.image is not None and dataset.images == "none":
        yield "manifest.images", f"names an image ({sample.image}), but dataset.json says that there are none"
    elif sample.image is not None and dataset.images == "link" and not sample.image.startswith("images/"):
        yield "manifest.images", f"dataset.json says that images are linked under images/, but this is {sample.image}"
    lacking = [name for name in ("parent", "tiling") if getattr(sample, name) is None]
    if sample.window is not None and lacking:
        yield "manifest.window", f"is a window of an image, but has no {' and no '.join(lacking)} to put it back by"
    if (
        sample.scores is not None
        and not links_out(dataset.root, sample.scores)
        and not (dataset.root / sample.scores).is_file()
    ):
        yield "scores.missing", f"{sample.scores}: there is no such file"


def _without_image(dataset: Dataset, repairs: Repairs) -> list[Finding]:
    ids = tuple(sample.id for sample in dataset if sample.image is None)
    if dataset.images == "none" or not ids:
        return []
    message = f"no image, where dataset.json says {dataset.images!r}{among(ids)}"
    return [Finding("warning", "image.none", message, repairs.again, ids)]


def _receipt_findings(dataset: Dataset, repairs: Repairs) -> list[Finding]:
    """The receipt of a conversion must be there, and its sums those of the manifest."""
    if dataset.made_by.get("operation") != "convert":
        return []
    try:
        receipt = dataset.read_receipt()
        if not receipt and not (dataset.root / RECEIPT).exists():
            return [Finding("warning", "receipt.missing", "receipt.json is missing", repairs.again)]
        pixels = {name: int(n) for name, n in receipt["pixels"].items()}
        converted = int(receipt["images"]["converted"])
    except (DatasetError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = str(error) if isinstance(error, DatasetError) else f"receipt.json is no receipt: {reason(error)}"
        return [Finding("error", "receipt.unreadable", what, repairs.again)]
    findings = []
    labels = dataset.labels
    sums: Counter[str] = Counter()
    for sample in dataset:
        sums.update({labels.name(v): n for v, n in sample.counts.items()})
    if converted != len(dataset):
        message = f"receipt.json counts {converted:,} images, the manifest {len(dataset):,}"
        findings.append(Finding("error", "receipt.sums", message, repairs.again))
    for name in sorted(pixels.keys() | {name for name, n in sums.items() if n}):
        if pixels.get(name, 0) != sums[name]:
            message = f"receipt.json counts {pixels.get(name, 0):,} pixels of {name!r}, the manifest {sums[name]:,}"
            findings.append(Finding("error", "receipt.sums", message, repairs.again))
    return findings


def _unlisted(dataset: Dataset) -> list[Finding]:
    """Files in the dataset's folders that no sample names."""
    findings = []
    root = listed(dataset.root)
    for folder, named in (
        ("masks", {sample.mask for sample in dataset}),
        ("images", {sample.image for sample in dataset}),
        ("scores", {sample.scores for sample in dataset}),
    ):
        extra = sorted(path for name in files_below(root / folder) if (path := f"{folder}/{name}") not in named)
        if extra:
            message = f"{folder}/ holds {len(extra):,} files that no sample names: {some(extra, 4)}"
            findings.append(Finding("warning", "files.unlisted", message, "remove them"))
    return findings


def _linked(dataset: Dataset, repairs: Repairs) -> list[Finding]:
    """Own files of the dataset that are hard links, as older versions of segdata made them."""
    findings = []
    for what, named in (
        ("masks", {sample.mask for sample in dataset}),
        ("images", {sample.image for sample in dataset} if dataset.images == "copy" else set()),
        ("scores", {sample.scores for sample in dataset}),
    ):
        linked = sorted(path for path in named if path and not leads_out(path) and _is_linked(dataset.root / path))
        if linked:
            message = f"{len(linked):,} {what} are hard links, so an edit in place changes other datasets too: {some(linked, 4)}"
            findings.append(Finding("warning", "files.linked", message, f"{repairs.again} (copies the files)"))
    return findings


def _is_linked(path: Place) -> bool:
    try:
        about = os.lstat(holder(path)) if isinstance(path, Path) else None
    except OSError:
        return False
    return about is not None and stat.S_ISREG(about.st_mode) and about.st_nlink > 1
