"""A difference as one page: classes and samples, what went from which class to which, and regions before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from markupsafe import Markup

from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError
from segdata.files.remote import Place
from segdata.labels import RGB
from segdata.ops.diff.operation import Side
from segdata.ops.diff.regions import Region, region_inside
from segdata.ops.diff.result import Difference
from segdata.ops.diff.text import class_lines, sample_lines
from segdata.pages.charts import Panel, Row, heat_map, panels
from segdata.pages.crops import Crop, around, beside, class_key, read_ids, read_rgb
from segdata.pages.page import Viewer, write_page
from segdata.tiling.tiles import by_image, image_of
from segdata.words import percent, whole

SQUARES, CHANGES, IMAGES = 30, 100, 50
"""How many classes the charts show, how many changes and images the tables."""

WHITE: RGB = (255, 255, 255)

Samples = Mapping[str, Sequence[Sample]]


def diff_page(found: Difference, out: str | Place) -> Place:
    """Write one self-contained HTML page. Files that can no longer be read are named in their place.

    Args:
        found: What `diff` gave.
        out: The file to write.
    """
    changed = _changed(found)
    shown, images = changed[:SQUARES], [one for one in found.images if one.drawn]
    crops, values = _crops(found)
    return write_page(
        out,
        "diff.html",
        viewer=Viewer.of(found.after),
        found=found,
        cards=_cards(found),
        told=[*class_lines(found.classes), *sample_lines(found.samples)],
        classes=_class_chart(found, shown),
        matrix=_matrix(found, shown),
        parts=[(len(shown), len(changed)), (CHANGES, len(found.changes)), (IMAGES, len(images))],
        changes=found.changes[:CHANGES],
        images=images[:IMAGES],
        key=class_key(found.labels, values),
        crops=crops,
        name=found.labels.name,
        percent=percent,
    )


def _cards(found: Difference) -> list[tuple[str, str]]:
    samples = found.samples
    cards = [(percent(found.changed, found.pixels), "of the pixels changed"), (f"{found.changed:,}", "pixels changed")]
    cards += [
        (f"{len(found.images):,}", "images changed"),
        (f"{samples.both:,}", "images in both"),
    ]
    return [
        *cards,
        *(
            (f"{len(ids):,}", f"samples {what}")
            for what, ids in (("added", samples.added), ("removed", samples.removed))
            if ids
        ),
    ]


def _changed(found: Difference) -> list[int]:
    """The ids with changed pixels, K for ignored ones, those with most of them first."""
    changed = found.tally.truth + found.tally.pred - 2 * found.tally.hits
    return [i for i in np.argsort(-changed, kind="stable").tolist() if changed[i]]


def _rows(found: Difference, ids: Sequence[int]) -> list[Row]:
    known = found.labels.classes
    return [Row(known[i].name, known[i].color) if i < len(known) else Row("ignored", WHITE) for i in ids]


def _class_chart(found: Difference, shown: Sequence[int]) -> Markup | None:
    """Pixels before and after, and the part that changed."""
    if not shown:
        return None
    tally = found.tally
    pixels = {
        "before": [int(tally.truth[i]) or None for i in shown],
        "after": [int(tally.pred[i]) or None for i in shown],
    }
    parts = [1 - float(tally.iou[i]) for i in shown]
    charts = [
        Panel(
            "changed, of the pixels of either", {"": parts}, "bars", show=partial(percent, whole=1), tick=whole, most=1
        ),
        Panel("pixels", pixels, log=True, show="{:,.0f}".format),
    ]
    return panels(_rows(found, shown), charts)


def _matrix(found: Difference, shown: Sequence[int]) -> Markup | None:
    """Of the pixels of the row's class before, the part that is of the column's class after."""
    if not shown:
        return None
    counts, had = found.matrix, found.tally.truth
    rows = _rows(found, shown)
    values = [[float(counts[i, j] / had[i]) if had[i] else 0.0 for j in shown] for i in shown]
    tips = [
        [
            f"{counts[i, j]:,} of {had[i]:,} pixels of {one.name} are {other.name} now"
            for j, other in zip(shown, rows, strict=True)
        ]
        for i, one in zip(shown, rows, strict=True)
    ]
    return heat_map(rows, values, tips)


def _crops(found: Difference) -> tuple[list[Crop], set[int]]:
    """The regions before and after, and the values that are seen there."""
    ids = {region.image for region in found.regions}
    sides = [by_image(s for s in dataset if image_of(s) in ids) for dataset in (found.before, found.after)]
    crops, values = [], set[int]()
    for number, region in enumerate(found.regions, 1):
        crop, seen = _crop(found, number, region, *(side.get(region.image, ()) for side in sides))
        crops.append(crop)
        values |= seen
    return crops, values


def _crop(
    found: Difference, number: int, region: Region, before: Sequence[Sample], after: Sequence[Sample]
) -> tuple[Crop, set[int]]:
    name = found.labels.name
    y, x, h, w = region.box
    title = f"{number}: {name(region.before)} -> {name(region.after)}"
    about = f"{region.image}, {region.pixels:,} pixels, {w} x {h} at row {y}, column {x}"
    try:
        window = around(region.box, region.size)
        masks = {}
        for what, dataset, samples in (("before", found.before, before), ("after", found.after, after)):
            side = Side.of(dataset, found.labels)
            ids = read_ids(dataset, samples, window, region.size)
            masks[what] = ids if side.remap is None else side.remap(ids)
        image = read_rgb(found.before, before, window)
        image = read_rgb(found.after, after, window) if image is None else image
    except (DataError, DatasetError) as error:
        return Crop(title, about, reason=str(error)), set()
    inside = region_inside(region, masks["before"], masks["after"], window)
    seen = {int(v) for mask in masks.values() for v in np.unique(mask)}
    return Crop(title, about, beside(image, masks, inside, found.labels)), seen
