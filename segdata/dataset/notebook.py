"""A dataset as a notebook shows it: a few images under their masks, the classes and the splits."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from markupsafe import Markup

from segdata.dataset.sample import Sample, split_name
from segdata.errors import SegdataError
from segdata.files.colors import colorize, overlay, to_rgb
from segdata.files.images import ImageArray, encode_image
from segdata.files.rasters import Raster
from segdata.files.remote import Place
from segdata.files.views import Masks
from segdata.labels import Labels
from segdata.resize import resize_image
from segdata.words import percent, shown, some

IMAGES, WIDTH = 6, 200
"""How many images are shown, and their longer side."""

LARGE = 2**26
"""Images of more pixels are not opened: that may take minutes."""

MANY = 200_000
"""From so many samples on, their pixels are not counted."""

LISTED = 40
"""Classes that are listed."""

PAGE = Markup(
    '<div style="font-family: system-ui, sans-serif; font-size: 13px; line-height: 1.5; max-width: 860px">'
    '<div><strong>{}</strong> <span style="opacity: .7">{}</span></div>'
    '<div style="display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0">{}</div>'
    '<div style="display: flex; flex-wrap: wrap; gap: 2px 16px">{}</div></div>'
)
FIGURE = Markup(
    '<figure style="margin: 0; width: {}px; overflow-wrap: anywhere">{}'
    '<figcaption style="{}" title="{}">{}</figcaption></figure>'
)
CUT = "font-size: 11px; opacity: .7; overflow: hidden; text-overflow: ellipsis; white-space: nowrap"
CLASS = Markup(
    '<span style="white-space: nowrap"><span style="display: inline-block; width: 11px; height: 11px; '
    'margin-right: 5px; border: 1px solid currentColor; background: {}"></span>{} <span style="opacity: .7">{}</span></span>'
)
HATCHED = "repeating-linear-gradient(45deg, #fff 0 3px, #6e6e6e 3px 5px)"


class Shown(Protocol):
    """What is shown of a dataset."""

    @property
    def root(self) -> Place:
        """Its folder or URL."""

    @property
    def labels(self) -> Labels:
        """Its classes."""

    @property
    def samples(self) -> Sequence[Sample]:
        """Its samples."""

    def open_image(self, sample: Sample) -> AbstractContextManager[Raster]:
        """An image."""

    def open_mask(self, sample: Sample) -> AbstractContextManager[Masks]:
        """A mask."""


def notebook_html(dataset: Shown) -> str:
    """HTML that stands alone, on light and on dark. Of what cannot be read it says so."""
    try:
        return str(_html(dataset))
    except (SegdataError, OSError) as error:
        return str(Markup("<pre>{}: {}</pre>").format(shown(str(dataset.root)), shown(str(error))))


def _html(dataset: Shown) -> Markup:
    count, labels = len(dataset.samples), dataset.labels
    few = min(count, IMAGES)
    chosen = [dataset.samples[i * (count - 1) // max(1, few - 1)] for i in range(few)]
    facts = [f"{count:,} samples", f"{len(labels.classes):,} classes"]
    held: Counter[int] = Counter()
    if count < MANY:
        splits: Counter[str] = Counter()
        for sample in dataset.samples:
            held.update(sample.counts)
            splits[split_name(sample.split)] += 1
        facts.append(some(f"{shown(name)} {n:,}" for name, n in sorted(splits.items())))
    figures = Markup("").join(_figure(dataset, sample) for sample in chosen)
    return PAGE.format(shown(str(dataset.root)), " · ".join(facts), figures, _classes(labels, held))


def _classes(labels: Labels, held: Counter[int]) -> Markup:
    """Swatches and names, and what share of the pixels each has."""
    pixels = held.total()
    of = {
        value: percent(held[value], pixels) if pixels else "" for value in (*range(len(labels.classes)), labels.ignore)
    }
    lines = [CLASS.format("rgb({}, {}, {})".format(*c.color), shown(c.name), of[c.id]) for c in labels.classes[:LISTED]]
    if len(labels.classes) > LISTED:
        lines.append(Markup("<span>and {:,} more</span>").format(len(labels.classes) - LISTED))
    if held[labels.ignore]:
        lines.append(CLASS.format(HATCHED, "ignore", of[labels.ignore]))
    return Markup("").join(lines)


def _figure(dataset: Shown, sample: Sample) -> Markup:
    """A sample, or why it cannot be seen."""
    about = f"{shown(sample.id)}, {sample.width} x {sample.height}"
    try:
        if sample.height * sample.width > LARGE:
            seen = Markup("<em>large: see it with segdata view</em>")
        else:
            data = b64encode(encode_image(_panel(dataset, sample), "jpeg", 80)).decode()
            seen = Markup('<img style="max-width: 100%" alt="{}" src="data:image/jpeg;base64,{}">').format(about, data)
    except (SegdataError, OSError) as error:
        seen = Markup("<em>{}</em>").format(shown(str(error)))
    return FIGURE.format(WIDTH, seen, CUT, about, about)


def _panel(dataset: Shown, sample: Sample) -> ImageArray:
    """(h, w, 3) uint8: a sample's image under its mask; the mask alone if there is no image."""
    scale = min(1.0, WIDTH / max(sample.size))
    size = max(1, round(sample.height * scale)), max(1, round(sample.width * scale))
    with dataset.open_mask(sample) as opened:
        mask = opened.reduced(size)
    if sample.image is None:
        return colorize(mask, dataset.labels)
    with dataset.open_image(sample) as image:
        rgb = to_rgb(image.reduced((3 * size[0], 3 * size[1])), nodata=image.geo.nodata)
    return overlay(resize_image(rgb, mask.shape), mask, dataset.labels)
