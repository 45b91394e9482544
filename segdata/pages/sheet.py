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
from segdata.labels import Labels, Mask
from segdata.pages.grid import grid_panels
from segdata.resize import resize_image, resize_mask
from segdata.words import percent

Sort = Literal["id", "rarest", "worst"]
"""Which samples a sheet shows: evenly spread over the ids, those with most of the rarest classes, or with most ignored pixels."""

PAPER, INK, FAINT = (255, 255, 255), (25, 25, 25), (110, 110, 110)

GAP, TEXT = 10, 13

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
        x = GAP
        for one in row:
            sheet.paste(one, (x, y))
            x += one.width + GAP
        y += max(c.height for c in row) + GAP
    sheet.paste(key, (GAP, y))
    with local_draft(out) as here:
        sheet.save(here)
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
    shown = [colorize(mask, labels)] if image is None else [image, overlay(image, mask, labels)]
    return captioned(shown, caption, size)


def captioned(shown: Sequence[ImageArray], caption: str, size: int) -> Image.Image:
    """Images side by side under a caption, each `size` wide."""
    small = np.hstack([fit(panel, size) for panel in shown])
    out = Image.new("RGB", (small.shape[1], small.shape[0] + TEXT + 6), PAPER)
    out.paste(Image.fromarray(small), (0, TEXT + 6))
    font = ImageFont.load_default(TEXT)
    while caption and font.getlength(caption) > out.width:
        caption = caption[:-2].rstrip() + "\u2026" if not caption.endswith("\u2026") else caption[:-2] + "\u2026"
    ImageDraw.Draw(out).text((0, 0), caption, INK, font)
    return out


def fit(image: ImageArray, width: int) -> ImageArray:
    """Scale an image to a width; if it is more than twice as high as wide, to a height of twice `width`."""
    h, w = image.shape[:2]
    scale = min(width / w, 2 * width / h)
    target = (max(1, round(h * scale)), max(1, round(w * scale)))
    return resize_image(image, target) if scale < 1 else resize_mask(image, target)  # enlarged pixels stay squares


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
        draw.rectangle((x, y, x + TEXT, y + TEXT), tuple(int(c) for c in color), INK)
        if name == "ignore":
            for offset in range(-TEXT, TEXT, 5):  # hatched, as in the images
                draw.line(
                    (
                        x + max(offset, 0),
                        y + max(-offset, 0),
                        x + min(TEXT, TEXT + offset),
                        y + min(TEXT, TEXT - offset),
                    ),
                    FAINT,
                )
        draw.text((x + TEXT + 6, y - 1), name, INK, font)
        draw.text((x + TEXT + 6 + font.getlength(name + "  "), y - 1), share, FAINT, font)
    return out
