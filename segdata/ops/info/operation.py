"""What a dataset is, from its card and manifest, and the headers of slides: no pixel is read."""

from __future__ import annotations

import posixpath
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import split_name
from segdata.errors import DataError
from segdata.files.endings import ending
from segdata.files.file import open_file
from segdata.files.forms import SLIDES
from segdata.files.places import leads_out
from segdata.files.remote import is_remote
from segdata.files.resolution import read_microns


def info(dataset: Dataset | str | Path) -> dict[str, Any]:
    """Classes with pixels, share of the labelled pixels and images; splits, sizes, provenance. Plain values, fit for JSON.

    `microns`: how many a pixel of a slide has, and in how many images (null: its file does not say). `reading`: how images are
    read, where that is not as their files say. `outside`: the folders beyond the dataset's own that images are referred to in,
    and how many in each.

    Raises `DatasetError` if there is no dataset.

    Args:
        dataset: The dataset, or its folder.
    """
    dataset = Dataset.of(dataset)
    pixels: Counter[int] = Counter()
    images: Counter[int] = Counter()
    splits: Counter[str] = Counter()
    sizes: Counter[tuple[int, int]] = Counter()
    outside: Counter[str] = Counter()
    slides: set[str] = set()
    for sample in dataset:  # once: a manifest in parts is read as this goes on
        if sample.image is not None and (is_remote(sample.image) or leads_out(sample.image)):
            outside[posixpath.dirname(sample.image)] += 1
        if sample.image is not None and ending(sample.image) in SLIDES:
            slides.add(sample.image)
        pixels.update(sample.counts)
        images.update(value for value, n in sample.counts.items() if n)
        splits[split_name(sample.split)] += 1
        sizes[sample.size] += 1
    labels = dataset.labels
    labelled = sum(n for value, n in pixels.items() if value != labels.ignore)
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    upto = list(accumulate(sizes[size] for size in ordered))
    chosen = (
        [ordered[bisect_right(upto, place)] for place in (0, len(dataset) // 2, len(dataset) - 1)] if ordered else []
    )
    return {
        "samples": len(dataset),
        "splits": dict(sorted(splits.items())),
        "classes": [
            {
                "id": label.id,
                "name": label.name,
                "pixels": pixels[label.id],
                "share": pixels[label.id] / labelled if labelled else 0.0,
                "images": images[label.id],
            }
            for label in labels.classes
        ],
        "ignore": labels.ignore,
        "ignored": pixels[labels.ignore],
        "total": pixels.total(),
        "sizes": dict(zip(("smallest", "median", "largest"), map(list, chosen), strict=False)),
        "images": dataset.images,
        "reading": dataset.reading.to_json(),
        "microns": _microns(dataset, slides),
        "outside": dict(sorted(outside.items())),
        "labels": labels.digest,
        "made_by": dataset.made_by,
    }


def _microns(dataset: Dataset, slides: Iterable[str]) -> list[dict[str, Any]]:
    """How many microns a pixel has, and in how many of the slides."""
    found: Counter[float | None] = Counter()
    for path in sorted(slides):
        try:
            with open_file(str(dataset.root / path)) as file:
                found[read_microns(file)] += 1
        except DataError:  # `check` says it
            found[None] += 1
    ordered = sorted(found.items(), key=lambda one: (one[0] is None, one[0] or 0))
    return [{"microns": size, "images": count} for size, count in ordered]
