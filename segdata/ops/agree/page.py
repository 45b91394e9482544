"""An agreement as one page: scores of classes and of pairs, what is confused with what, and the images of the least agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError
from segdata.files.images import ImageArray
from segdata.files.remote import Place
from segdata.labels import Labels, Mask
from segdata.metrics.confusion import mean
from segdata.ops.agree.reading import read_sides
from segdata.ops.agree.result import Agreement, ImageAgreement
from segdata.ops.agree.text import class_rows, pair_rows
from segdata.pages.charts import Panel, Row, heat_map, panels
from segdata.pages.crops import class_key, read_rgb
from segdata.pages.page import Viewer, jpeg_uri, write_page
from segdata.pages.sheet import fit, laid
from segdata.tiling.tiles import Pair, by_image, extent, image_of
from segdata.tiling.units import apart
from segdata.windows import Window
from segdata.words import percent, share, span, whole

ROWS, SQUARES, WIDTH = 60, 30, 640
"""How many classes the charts show, how many the matrix, and how wide an image is."""

MOST_PIXELS = 2**26
"""An image of more is not shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An image with its scores; `panels` are (what it shows, data URI), none if there is a `reason`."""

    score: ImageAgreement
    panels: Sequence[tuple[str, str]]
    reason: str = ""


def agree_page(found: Agreement, out: str | Place, *, worst: int = 8) -> Place:
    """Write one self-contained HTML page; of the `worst` images it shows image, all labels, and where they differ.

    Files that cannot be read are named in their place.

    Args:
        found: What `agree` gave.
        out: The file to write.
        worst: How many images are shown, of those with the least agreement.
    """
    iou = found.every.confusion.iou
    order = [int(i) for i in np.argsort(-iou, kind="stable") if not np.isnan(iou[i])]
    shown = order if len(order) <= ROWS else order[: ROWS // 2] + order[-ROWS // 2 :]
    return write_page(
        out,
        "agree.html",
        viewer=Viewer.of(found.sides[0].dataset) if not found.sides[0].is_files else None,
        found=found,
        cards=_cards(found),
        shown=len(shown),
        chart=_chart(found, shown),
        matrix=_matrix(found),
        squares=SQUARES,
        pairs=pair_rows(found),
        classes=class_rows(found),
        worst=least_images(found, worst),
        key=class_key(found.labels, [*range(len(found.labels.classes))[:SQUARES], found.labels.ignore]),
        share=share,
        percent=percent,
    )


def _cards(found: Agreement) -> list[tuple[str, str]]:
    every, ends = found.every, found.every.intervals.get("mean_iou")
    between = "" if ends is None or np.isnan(ends).any() else f" ({span(*ends)})"
    kappas = "" if np.isnan(found.fleiss_interval).any() else f" ({span(*found.fleiss_interval)})"
    cards = [
        (share(every.mean_iou), f"mean IoU{between}"),
        (share(every.mean_dice), "mean Dice"),
        (share(found.fleiss_all), f"Fleiss' kappa{kappas}"),
        (percent(found.votes.unanimous, found.pixels), "of the pixels have the same votes"),
    ]
    cards += [(share(mean(score.values)), f"mean {score.title}") for score in every.class_scores]
    return [*cards, (f"{len(found.images):,}", "images")]


def _chart(found: Agreement, shown: Sequence[int]) -> Markup | None:
    """IoU with its interval, Dice and kappa of classes; None if none has a score."""
    if not shown:
        return None
    tally, bounds = found.every.confusion.tally, found.every.intervals.get("iou")
    first = Panel("IoU", {"": _at(tally.iou, shown)}, "bars", show=share, tick=whole, most=1)
    if bounds is not None:
        ends = [
            np.where(np.isnan(bounds[:, i]), tally.iou[i], bounds[:, i]) for i in shown
        ]  # no interval: the dot alone
        spans = [
            (float(low), *[float(tally.iou[i])] * 3, float(high)) for i, (low, high) in zip(shown, ends, strict=True)
        ]
        first = Panel("IoU and its 95 % interval", {"": spans}, "ranges", show=share, tick=whole, most=1)
    charts = [first]
    charts += [
        Panel(score.title, {"": _at(score.values, shown)}, "bars", show=share, tick=whole, most=1)
        for score in found.every.class_scores
    ]
    charts.append(Panel("kappa", {"": _at(found.fleiss, shown)}, "bars", show=share, tick=whole, most=1))
    return panels([_row(found.labels, i) for i in shown], charts)


def _matrix(found: Agreement) -> Markup | None:
    """Of the votes for the row's class, the part beside which another one is for the column's; the `SQUARES` largest classes."""
    names = found.labels.names
    both = found.every.confusion.counts[:, :-1]
    both = both + both.T
    sums = both.sum(axis=1)
    order = [int(i) for i in np.argsort(-sums, kind="stable") if sums[i]][:SQUARES]
    if not order:
        return None
    values = [[float(both[i, j] / sums[i]) for j in order] for i in order]
    tips = [
        [f"beside {names[i]} another annotator says {names[j]}: {share(both[i, j] / sums[i])} %" for j in order]
        for i in order
    ]
    return heat_map([_row(found.labels, i) for i in order], values, tips)


def _row(labels: Labels, id: int) -> Row:
    return Row(labels.names[id], labels.classes[id].color)


def _at(values: NDArray[np.float64], ids: Sequence[int]) -> list[float | None]:
    picked = [float(values[i]) for i in ids]
    return [None if np.isnan(v) else v for v in picked]


def least_images(found: Agreement, count: int) -> list[Shown]:
    """The images of the least agreement, as far as there are pixels with different votes; frames are far from each other."""
    differ = {image.id: image for image in found.images if image.unanimous < image.pixels}
    ids = list(differ)[:count]
    if found.frames is not None:
        splits = {sample.split for side in found.sides for sample in side.dataset if sample.split is not None}
        ids = apart(differ, dict.fromkeys((image.id for image in found.images), ""), splits, count)
    chosen = [differ[id] for id in ids]
    sides = [by_image(sample for sample in side.dataset if image_of(sample) in ids) for side in found.sides]
    return [_shown(found, image, [side.get(image.id, ()) for side in sides]) for image in chosen]


def _shown(found: Agreement, image: ImageAgreement, samples: Sequence[tuple[Sample, ...]]) -> Shown:
    holder, held = next(
        (side, those) for side, those in zip(found.sides, samples, strict=True) if those and not side.is_files
    )
    height, width = extent(held)
    if height * width > MOST_PIXELS:
        return Shown(image, (), f"{width} x {height} pixels are too many to show")
    try:
        masks = read_sides(Pair(image.id, "", held, tuple(samples)), found.sides, found.labels)
        given = {name: mask for name, mask in zip(found.names, masks, strict=True) if mask is not None}
        size = next(iter(given.values())).shape
        pixels = read_rgb(holder.dataset, held, Window(0, 0, *size))
    except (DataError, DatasetError) as error:
        return Shown(image, (), str(error))
    panels = {} if pixels is None else {"image": pixels}
    panels |= {name: laid(pixels, m, found.labels, WIDTH) for name, m in given.items()}
    panels["differences"] = differences(pixels, given, found.labels)
    return Shown(image, [(name, jpeg_uri(fit(panel, WIDTH))) for name, panel in panels.items()])


def differences(image: ImageArray | None, masks: Mapping[str, Mask], labels: Labels) -> ImageArray:
    """(H, W, 3): the image in grey, pixels with different votes in red, those with fewer than two votes darkened."""
    stack = np.stack(list(masks.values()))
    voted = stack != labels.ignore
    most, least = np.where(voted, stack, 0).max(axis=0), stack.min(axis=0)  # ignore is the largest value
    grey = np.full((*most.shape, 1), 128.0) if image is None else image.mean(axis=2, keepdims=True)
    out = np.repeat(0.5 * grey + 100, 3, axis=2)
    few = voted.sum(axis=0) < 2
    out[few] = 0.25 * grey[few]
    differ = (most != least) & ~few
    out[differ] = 0.3 * grey[differ] + 0.7 * np.array((220, 40, 40))
    return out.astype(np.uint8)
