"""What `segdata stats` finds, as text. Nothing prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from segdata.dataset.weights import SCHEMES, Ints
from segdata.errors import DatasetError
from segdata.files.places import place, write_whole
from segdata.terminal.text import table
from segdata.words import percent

if TYPE_CHECKING:
    from segdata.ops.stats.result import Stats

LIMIT = 40


def stats_lines(stats: Stats, sampler: bool = False) -> list[str]:
    """What a person reads first: classes, splits where there are some, weights, and samplers where asked for."""
    counts = stats.whole.counts
    splits = ", ".join(f"{name} {part.counts.samples:,}" for name, part in stats.splits.items())
    groups = "" if stats.whole.groups is None else f" in {stats.whole.groups.number:,} groups"
    lines = [
        f"{counts.samples:,} images{groups}{f' ({splits})' if splits else ''}, {len(stats.labels.classes)} classes, "
        f"{counts.total:,} pixels, {percent(counts.ignored, counts.total)} ignored"
    ]
    lines += _size_lines(stats)
    if stats.channels is not None:
        lines.append(f"channels ({stats.channels.title}): {stats.channels.numbers}")
    elif stats.described:
        lines.append("channels: there is no image to describe")
    if stats.recounted is not None:
        agree = stats.recounted - len(stats.differences)
        lines.append(f"masks read: {stats.recounted:,}; {agree:,} hold what the manifest says")
    shown = _shown(stats)
    lines += ["", *_class_lines(stats, shown)]
    if stats.whole.areas is not None:
        lines += ["", "objects, and quantiles of their areas in pixels"]
        lines += _object_lines(stats.whole.areas, stats.labels.names, shown)
    if len(stats.splits) > 1:
        lines += ["", "shares by split", *_split_lines(stats, shown)]
    lines += ["", "weights (--schemes lists formulas and sources)", *_weight_lines(stats, shown)]
    if sampler:
        lines += ["", "seen by a sampler", *_sampler_lines(stats, shown)]
    return lines + _notes(stats)


def scheme_lines() -> list[str]:
    """The weighting schemes, each with its formula and source."""
    lines = ["over the classes that have pixels: K is their number, labelled their pixels, images their number"]
    for name, scheme in SCHEMES.items():
        lines += [f"{name:18}{scheme.formula}", f"{'':18}{scheme.source}"]
    return lines


def write_weights(stats: Stats, scheme: str, path: str) -> None:
    """weights.json. Raises `OptionError`."""
    text = json.dumps(stats.weights_json(scheme), indent=2, allow_nan=False)
    write_whole(place(path), (text + "\n").encode())


def difference_error(stats: Stats) -> DatasetError:
    """Masks that do not hold what the manifest says, as an error: nothing built on the manifest would be right."""
    n, first = len(stats.differences), stats.differences[0]
    return DatasetError(f"{n:,} masks differ from the manifest: convert again, or restore them; the first: {first}")


def _shown(stats: Stats) -> list[int]:
    """The ids to list: those with pixels, or half of `LIMIT` with the most pixels and half with the least."""
    pixels, ids = stats.whole.counts.pixels, stats.present
    if len(ids) <= LIMIT:
        return ids
    ordered = sorted(ids, key=lambda i: -pixels[i])
    return ordered[: LIMIT // 2] + ordered[-LIMIT // 2 :]


def _size_lines(stats: Stats) -> list[str]:
    sizes = stats.sizes.tolist()
    if not sizes:
        return []
    listed = ", ".join(f"{w} x {h} ({n:,})" for h, w, n in sizes[:3])
    return [f"sizes (width x height): {listed}" + (f" and {len(sizes) - 3:,} more" if len(sizes) > 3 else "")]


def _class_lines(stats: Stats, shown: Sequence[int]) -> list[str]:
    counts, groups = stats.whole.counts, stats.whole.groups
    rows: list[list[object]] = [["id", "class", "pixels", "share", "images", "of all"]]
    for i in shown:
        images = counts.images[i]
        pixels = counts.pixels[i]
        of_pixels, of_images = percent(pixels, counts.labelled), percent(images, counts.samples)
        rows.append([i, stats.labels.names[i], f"{pixels:,}", of_pixels, f"{images:,}", of_images])
    ignored = f"{percent(counts.ignored, counts.total)} of all"
    rows.append([stats.labels.ignore, "(ignore)", f"{counts.ignored:,}", ignored, "", ""])
    if groups is not None:
        cells = ["groups", *(f"{groups.classes[i]:,}" for i in shown), ""]
        rows = [[*row, cell] for row, cell in zip(rows, cells, strict=True)]
    lines = table(rows, "r rrrr" + "r" * (groups is not None))
    if len(shown) < len(stats.present):
        lines.append(f"... the {LIMIT // 2} largest and smallest of {len(stats.present):,} classes (--json lists all)")
    return lines


def _object_lines(areas: Sequence[Ints], names: Sequence[str], shown: Sequence[int]) -> list[str]:
    from segdata.ops.stats.result import QUANTILES

    at = sorted([*QUANTILES, 0.5])
    rows: list[list[object]] = [["id", "class", "objects", *("median" if q == 0.5 else f"{q:.0%}" for q in at)]]
    for i in shown:
        sizes = [f"{q:,g}" for q in np.quantile(areas[i], at)] if len(areas[i]) else ["-"] * len(at)
        rows.append([i, names[i], f"{len(areas[i]):,}", *sizes])
    return table(rows, "r r" + "r" * len(at))


def _split_lines(stats: Stats, shown: Sequence[int]) -> list[str]:
    parts = [part.counts for part in stats.splits.values()]
    rows: list[list[object]] = [["id", "class", *(cell for name in stats.splits for cell in (name, "images"))]]
    for i in shown:
        cells = [(percent(c.pixels[i], c.labelled), percent(c.images[i], c.samples)) for c in parts]
        rows.append([i, stats.labels.names[i], *(text for pair in cells for text in pair)])
    rows.append(["", "(ignore)", *(text for c in parts for text in (percent(c.ignored, c.total), ""))])
    return table(rows, "r " + "rr" * len(parts))


def _weight_lines(stats: Stats, shown: Sequence[int]) -> list[str]:
    rows: list[list[object]] = [["id", "class", *stats.weights]]
    rows += [[i, stats.labels.names[i], *(f"{w[i]:.4g}" for w in stats.weights.values())] for i in shown]
    return table(rows, "r " + "r" * len(stats.weights))


def _sampler_lines(stats: Stats, shown: Sequence[int]) -> list[str]:
    samplers = stats.sampling.values()
    headings = [cell for name in stats.sampling for cell in (name, "pixels")]
    rows: list[list[object]] = [["id", "class", *headings]]
    for i in shown:
        cells = [(percent(s.seen[i], 1), percent(s.share[i], 1)) for s in samplers]
        rows.append([i, stats.labels.names[i], *(text for pair in cells for text in pair)])
    most = stats.sampling["class_aware"].most
    return [
        *table(rows, "r " + "rr" * len(samplers)),
        "the part of draws whose image holds the class, and its part of the labelled pixels drawn; class-aware, the",
        f"image drawn most often comes {most:.3g} times in as many draws as there are images",
    ]


def _notes(stats: Stats) -> list[str]:
    notes = []
    if not stats.whole.counts.labelled:
        notes.append("nothing is labelled: no class has a pixel, and every weight is 0")
    elif stats.absent:
        notes.append(f"no pixel of {_named(stats.absent, LIMIT)}: weight 0, left out of K, medians and means")
    for name, part in stats.splits.items():
        if missing := [stats.labels.names[i] for i in part.counts.absent if stats.whole.counts.pixels[i]]:
            notes.append(f"{name} has no pixel of {_named(missing)}")
    if len(stats.splits) > 1 and stats.split is None:
        notes.append("weights are of all splits; for training, --split takes the training split alone")
    return ["", *(f"note: {note}" for note in notes)] if notes else []


def _named(names: Sequence[str], limit: int = 12) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
