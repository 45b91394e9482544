"""Contact sheets: images next to their masks, with a legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import OptionError
from segdata.files.colors import colorize, overlay, to_rgb
from segdata.files.drafts import local_draft
from segdata.files.images import ImageArray
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.labels import IGNORE, Labels, Mask
from segdata.pages.grid import grid_panels
from segdata.resize import resize_image, resize_mask
from segdata.words import percent

Sort = Literal["id", "rarest", "worst"]
"""Which samples a sheet shows: evenly spread over the ids, those with most of the rarest classes, or with most ignored pixels."""

PAPER, CARD, INK, FAINT = (255, 255, 255), (240, 241, 243), (25, 25, 25), (100, 100, 100)

GAP, BETWEEN, TEXT = 10, 6, 13
"""Pixels between cells, between the images of a cell, and how high text is."""

LINE = TEXT + 6
"""How high a line of text is."""

LARGE = 2**24
"""Images with more pixels than this are read only at the size at which they are shown."""


def write_sheet(
    out: str | Place, cells: Sequence[Image.Image], columns: int, labels: Labels, counts: Mapping[int, int]
) -> Place:
    """Write cells in rows of `columns`, and a legend of the mask values in `counts`. Raises `OptionError`."""
    out = place(out)
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise OptionError(f"{out}: the sheet must be a .png or .jpg file")
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    width = max(sum(c.width + GAP for c in row) for row in rows) + GAP
    key = legend(labels, counts, width - 2 * GAP)
    sheet = Image.new(
        "RGB", (width, sum(max(c.height for c in row) + GAP for row in rows) + 2 * GAP + key.height), PAPER
    )
    y = GAP
    for row in rows:
        x, height = GAP, max(c.height for c in row)
        for one in row:
            sheet.paste(CARD, (x, y, x + one.width, y + height))
            sheet.paste(one, (x, y))
            x += one.width + GAP
        y += height + GAP
    sheet.paste(key, (GAP, y))
    with local_draft(out) as here:
        sheet.save(here, quality=90, subsampling=0)  # a PNG has neither
    return out


def choose(dataset: Dataset, count: int, classes: Sequence[str], sort: Sort) -> list[Sample]:
    """Choose the samples for a sheet. Raises `OptionError` for an unknown class."""
    labels = dataset.labels
    ids = [labels.id(name) for name in classes]
    samples = [s for s in dataset if not ids or any(s.counts.get(i) for i in ids)]

    def share(sample: Sample, value: int) -> float:
        return sample.counts.get(value, 0) / (sample.height * sample.width)

    if sort == "worst":
        return sorted(samples, key=lambda s: (-share(s, labels.ignore), s.id))[:count]
    if ids and sort == "id":
        return sorted(samples, key=lambda s: (-max(share(s, i) for i in ids), s.id))[:count]
    if sort == "id":
        return [samples[i] for i in np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)]
    total: Counter[int] = Counter()
    for sample in dataset:
        total.update(sample.counts)
    rarest = sorted((n, value) for value, n in total.items() if n and value != labels.ignore)
    queues = [sorted((s for s in samples if s.counts.get(v)), key=lambda s: (-share(s, v), s.id)) for _, v in rarest]
    chosen: dict[str, Sample] = {}
    for turn in range(max(map(len, queues), default=0)):
        for queue in queues:
            if turn < len(queue) and len(chosen) < count:
                chosen.setdefault(queue[turn].id, queue[turn])
    return list(chosen.values())


def cell(dataset: Dataset, sample: Sample, size: int) -> Image.Image:
    """One sample: the image, the image under its mask, and a caption; only the mask if there is no image."""
    caption = f"{sample.id}   {sample.width} x {sample.height}"
    if sample.height * sample.width <= LARGE:
        image = None if sample.image is None else dataset.read_rgb(sample)
        return panels(image, dataset.read_mask(sample), dataset.labels, caption, size)
    small = sample.height * 2 * size // sample.width, 2 * size
    image = None
    if sample.image is not None:
        with dataset.open_image(sample) as raster:
            image = to_rgb(raster.reduced(small), nodata=raster.geo.nodata)
    with dataset.open_mask(sample) as mask:
        return panels(image, mask.reduced(small), dataset.labels, caption, size)


def grid_cell(dataset: Dataset, tiles: Sequence[Sample], size: int) -> Image.Image:
    """One image with the outlines of its tiles, the same under their masks, and a caption."""
    height, width = tiles[0].tiling.parent if tiles[0].tiling is not None else tiles[0].size
    noun = "tile" if len(tiles) == 1 else "tiles"
    return captioned(
        grid_panels(dataset, tiles, size), f"{tiles[0].parent}   {width} x {height}, {len(tiles)} {noun}", size
    )


def panels(image: ImageArray | None, mask: Mask, labels: Labels, caption: str, size: int) -> Image.Image:
    """An image, the same under its mask, and a caption; only the mask if there is no image."""
    under = laid(image, mask, labels, size)
    return captioned([under] if image is None else [image, under], caption, size)


def laid(image: ImageArray | None, mask: Mask, labels: Labels, width: int) -> ImageArray:
    """An image under its mask, brought to a width before, so that outlines stay lines; the mask alone if there is no image."""
    small = resize_mask(mask, fitted((mask if image is None else image).shape, width))
    return colorize(small, labels) if image is None else overlay(fit(image, width), small, labels)


def captioned(shown: Sequence[ImageArray], caption: str, size: int, names: Sequence[str] = ()) -> Image.Image:
    """Images side by side, each `size` wide, with a gap between them, under a caption, and each under its name if it has one."""
    small = [fit(panel, size) for panel in shown]
    width = sum(one.shape[1] for one in small) + BETWEEN * (len(small) - 1)
    top = (LINE if caption else 0) + (LINE if names else 0)
    out = Image.new("RGB", (width, max(len(one) for one in small) + top), CARD)
    font, draw, x = ImageFont.load_default(TEXT), ImageDraw.Draw(out), 0
    draw.text((0, 0), _cut(caption, font, width), INK, font)
    for number, one in enumerate(small):
        if names:
            draw.text((x, top - LINE), _cut(names[number], font, one.shape[1]), FAINT, font)
        out.paste(Image.fromarray(one), (x, top))
        x += one.shape[1] + BETWEEN
    return out


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """A text, or as much of it as fits."""
    while text and font.getlength(text) > width:
        text = text.removesuffix("\u2026")[:-1].rstrip()
        text = text and text + "\u2026"
    return text


def fit(image: ImageArray, width: int) -> ImageArray:
    """Scale an image to a width; if it is more than twice as high as wide, to a height of twice `width`."""
    target = fitted(image.shape, width)
    return (
        resize_image(image, target) if target[0] < len(image) else resize_mask(image, target)
    )  # large pixels are squares


def fitted(shape: Sequence[int], width: int) -> tuple[int, int]:
    """The (height, width) that `fit` gives an image of a shape (height, width, ...)."""
    h, w = shape[:2]
    scale = min(width / w, 2 * width / h)
    return max(1, round(h * scale)), max(1, round(w * scale))


def legend(labels: Labels, counts: Mapping[int, int], width: int) -> Image.Image:
    """A legend of the mask values that occur, each with its name, its colour and its share of the counted pixels."""
    pixels = sum(counts.values())
    font = ImageFont.load_default(TEXT)
    entries = [(labels.name(v), labels.palette()[v], percent(n, pixels)) for v, n in sorted(counts.items()) if n]
    cell_width = int(max(font.getlength(f"{name}  {share}") for name, _, share in entries)) + TEXT + 24
    columns = max(1, width // cell_width)
    line = TEXT + 8
    out = Image.new("RGB", (width, line * -(-len(entries) // columns) + 4), PAPER)
    draw = ImageDraw.Draw(out)
    for i, (name, color, share) in enumerate(entries):
        x, y = (i % columns) * cell_width, (i // columns) * line + 2
        if name == IGNORE:
            square = colorize(np.full((TEXT, TEXT), labels.ignore, labels.dtype), labels)
            out.paste(Image.fromarray(square), (x, y))
        draw.rectangle((x, y, x + TEXT, y + TEXT), None if name == IGNORE else tuple(int(c) for c in color), INK)
        draw.text((x + TEXT + 6, y - 1), name, INK, font)
        draw.text((x + TEXT + 6 + font.getlength(name + "  "), y - 1), share, FAINT, font)
    return out
