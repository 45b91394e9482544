"""Class balance as one page: shares, weights, samplers, classes that go together, sizes, and the rarest classes in images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.sample import Sample, split_name
from segdata.dataset.weights import SCHEMES
from segdata.errors import DataError, DatasetError
from segdata.files.colors import colorize
from segdata.files.images import ImageArray
from segdata.files.remote import Place
from segdata.labels import Mask
from segdata.ops.stats.result import Part, Stats
from segdata.pages.charts import Panel, Row, bubbles, heat_map, panels
from segdata.pages.crops import class_key
from segdata.pages.page import Viewer, jpeg_uri, write_page
from segdata.pages.sheet import fit, laid
from segdata.words import percent, whole

GAP = 8
"""How many white pixels part two images."""

ROWS, SQUARES, SIZES = 60, 30, 500
"""How many classes the charts show, how many the co-occurrence, and how many image sizes: all, or the outermost."""


@dataclass(frozen=True, slots=True)
class Example:
    """A rare class in the image that it fills most of. `source` is a data URI, or None with the `reason`."""

    name: str
    share: str
    sample: str
    source: str | None = None
    reason: str = ""


def stats_page(stats: Stats, dataset: Dataset | str | Path, out: str | Place, *, examples: int = 6) -> Place:
    """Write one self-contained HTML page; of each of the `examples` rarest classes it shows the image that holds most of it.

    Images or masks that cannot be read are named in their place. Raises `DatasetError` where there is no dataset.

    Args:
        stats: What `stats` gave.
        dataset: The dataset, or its folder.
        out: The file to write.
        examples: How many of the rarest classes are shown.
    """
    dataset = Dataset.of(dataset)
    counts = stats.whole.counts
    shown = _shown(stats)
    rows = [Row(stats.labels.names[i], stats.labels.classes[i].color) for i in shown]
    return write_page(
        out,
        "stats.html",
        viewer=Viewer.of(dataset),
        title=folder_name(dataset),
        stats=stats,
        counts=counts,
        cards=_cards(stats),
        series=list(stats.splits) if len(stats.splits) > 1 else [],
        shown=len(shown),
        classes=_class_chart(stats, rows, shown),
        weights=_weight_chart(stats, rows, shown),
        schemes=SCHEMES,
        sampler=_sampler_chart(stats, rows, shown),
        objects=_object_chart(stats.whole, rows, shown),
        together=_together_chart(stats),
        sizes=bubbles([(h, w, n) for h, w, n in stats.sizes.tolist()[:SIZES]]) if len(stats.sizes) else None,
        examples=rare_examples(stats, dataset, examples),
        missing=_missing(stats),
        key=class_key(stats.labels, [*stats.present[:SQUARES], stats.labels.ignore]),
        table=_rows(stats),
    )


def rare_examples(stats: Stats, dataset: Dataset, count: int) -> list[Example]:
    """The rarest of the classes below an even share, each in an image of its own where there is one: that it fills most of."""
    samples = [s for s in dataset if not stats.splits or split_name(s.split) in stats.splits]
    pixels, classes = stats.whole.counts.pixels, len(stats.present)
    rarest = [i for i in np.argsort(pixels, kind="stable").tolist() if 0 < pixels[i] * classes < pixels.sum()][:count]
    examples, taken = [], set()
    for class_id in rarest:
        held = [s for s in samples if s.counts.get(class_id)]
        if held:
            best = max(held, key=lambda s: (s.id not in taken, s.counts[class_id] / (s.height * s.width), s.id))
            taken.add(best.id)
            examples.append(_example(dataset, best, class_id, _part(stats.whole.counts.share[class_id])))
    return examples


def _example(dataset: Dataset, sample: Sample, class_id: int, share: str) -> Example:
    name = dataset.labels.names[class_id]
    try:
        mask = dataset.read_mask(sample)
        image = colorize(mask, dataset.labels) if sample.image is None else dataset.read_rgb(sample)
    except (DataError, DatasetError) as error:
        return Example(name, share, sample.id, reason=str(error))
    under = laid(None if sample.image is None else image, mask, dataset.labels, 480)
    both = np.hstack([under, np.full((len(under), GAP, 3), 255, np.uint8), fit(spotlight(image, mask, class_id), 480)])
    return Example(name, share, sample.id, jpeg_uri(both))


def spotlight(image: ImageArray, mask: Mask, class_id: int) -> ImageArray:
    """(H, W, 3) image with all but one class of (H, W) darkened, and a white outline around it."""
    held = (mask == class_id).view(np.uint8)
    width = max(3, 2 * (max(mask.shape) // 320) + 1)
    around = cv2.dilate(held, np.ones((width, width), np.uint8)) > held
    out = np.where(held[:, :, None] == 1, image, image // 3)
    out[around] = 255
    return out


def _shown(stats: Stats) -> list[int]:
    """The ids that the charts show, most pixels first: those with pixels, or half of `ROWS` from either end."""
    pixels = stats.whole.counts.pixels
    order = sorted(stats.present, key=lambda i: -pixels[i])
    return order if len(order) <= ROWS else order[: ROWS // 2] + order[-ROWS // 2 :]


def _rows(stats: Stats) -> list[list[object]]:
    """`Stats.rows` without the classes that have no pixel, parts as text."""
    heading, *rows = stats.rows()
    parts = [heading.index(name) for name in ("share", "image_share")]
    present = [row for row in rows if row[1] in stats.present]
    return [heading, *([_part(v) if i in parts else v for i, v in enumerate(row)] for row in present)]


def _cards(stats: Stats) -> list[tuple[str, str]]:
    counts = stats.whole.counts
    held = counts.pixels[counts.pixels > 0]
    cards = [
        (f"{counts.samples:,}", "images"),
        (f"{len(counts.pixels) - len(counts.absent)} of {len(counts.pixels)}", "classes have pixels"),
        (f"{counts.labelled:,}", "labelled pixels"),
        (_part(counts.ignored / max(counts.total, 1)), "ignored"),
    ]
    if stats.whole.groups is not None:
        cards.insert(1, (f"{stats.whole.groups.number:,}", "groups"))
    if len(held) > 1:
        cards.append((f"{held.max() / held.min():,.0f} : 1", "largest to rarest class"))
    return cards


def _class_chart(stats: Stats, rows: Sequence[Row], shown: Sequence[int]) -> Markup:
    parts = _parts(stats)
    shares = {name: _at(part.counts.share, shown, positive=True) for name, part in parts.items()}
    images = {name: _at(part.counts.image_share, shown) for name, part in parts.items()}
    return panels(
        rows,
        [
            Panel("share of the labelled pixels (log)", shares, log=True, show=_part, tick=whole),
            Panel("share of images that hold the class", images, show=_part, tick=whole, most=1),
        ],
    )


def _weight_chart(stats: Stats, rows: Sequence[Row], shown: Sequence[int]) -> Markup:
    charts = [
        Panel(s.replace("_", " "), {"": _at(w, shown)}, "bars") for s, w in stats.weights.items() if s != "uniform"
    ]
    return panels(rows, charts)


def _sampler_chart(stats: Stats, rows: Sequence[Row], shown: Sequence[int]) -> Markup:
    seen = {name.replace("_", "-"): _at(s.seen, shown) for name, s in stats.sampling.items()}
    shares = {name.replace("_", "-"): _at(s.share, shown, positive=True) for name, s in stats.sampling.items()}
    return panels(
        rows,
        [
            Panel("draws whose image holds the class", seen, show=_part, tick=whole, most=1),
            Panel("share of the labelled pixels drawn (log)", shares, log=True, show=_part, tick=whole),
        ],
    )


def _object_chart(part: Part, rows: Sequence[Row], shown: Sequence[int]) -> Markup | None:
    if part.areas is None:
        return None
    at = [part.areas[i] for i in shown]
    areas = [np.quantile(a, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist() if len(a) else None for a in at]
    count = Panel("objects", {"": [len(a) for a in at]}, "bars", show="{:,.0f}".format)
    return panels(rows, [count, Panel("area in pixels (log)", {"": areas}, "ranges", log=True, show="{:,.0f}".format)])


def _together_chart(stats: Stats) -> Markup | None:
    """Of the images with the row's class, the part that also holds the column's; the classes in most images."""
    images = stats.whole.counts.images
    order = [int(i) for i in np.argsort(-images, kind="stable") if images[i]][:SQUARES]
    if len(order) < 2:
        return None
    both = {(a, b): n for a, b, n in stats.together.tolist()}
    names = stats.labels.names
    values, tips = [], []
    for a in order:
        n = [int(images[a]) if a == b else both.get((min(a, b), max(a, b)), 0) for b in order]
        values.append([m / int(images[a]) for m in n])
        tips.append(
            [f"{m:,} of {images[a]:,} images with {names[a]} hold {names[b]}" for m, b in zip(n, order, strict=True)]
        )
    return heat_map([Row(names[i], stats.labels.classes[i].color) for i in order], values, tips)


def _parts(stats: Stats) -> dict[str, Part]:
    """The series of a chart: the splits, or all where there is nothing to compare."""
    return stats.splits if len(stats.splits) > 1 else {"": stats.whole}


def _missing(stats: Stats) -> list[tuple[str, list[str]]]:
    """Splits that lack classes which others have."""
    names, pixels = stats.labels.names, stats.whole.counts.pixels
    lacking = {split: [names[i] for i in part.counts.absent if pixels[i]] for split, part in stats.splits.items()}
    return [(split, absent) for split, absent in lacking.items() if absent]


def _at(values: Any, shown: Sequence[int], *, positive: bool = False) -> list[float | None]:
    """Values of the shown classes; None where 0 has no place on the axis."""
    picked = [float(values[i]) for i in shown]
    return [None if positive and v <= 0 else v for v in picked]


def _part(value: Any) -> str:
    return percent(value, 1)
