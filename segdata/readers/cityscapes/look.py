"""A look at some frames of Cityscapes' layout before a long conversion: whether the labels are those of the table.

Many sets have the layout and labels of their own (IDD, what Datumaro and CVAT export). Their ids are ids of Cityscapes' table
too, of other classes. What tells: colour images beside them, names in polygons, and images without a pixel that has a class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.cityscapes_table import (
    COLOR,
    GROUP,
    INSTANCE_IDS,
    LABEL_IDS,
    POLYGONS,
    TABLE,
    TRAIN_IDS,
    VOID_TRAIN_ID,
)
from segdata.files.images import read_image, read_mask
from segdata.labels import Mask, tally
from segdata.readers.cityscapes.polygons import read_frame
from segdata.readers.cityscapes.rules import WAY_OUT, Rules
from segdata.readers.diagnose import pack, unpack_color
from segdata.words import some

FRAMES = 16

VOID = {row.id for row in TABLE if row.category == "void"}


def check_labels(frames: Sequence[Mapping[str, str]], rules: Rules, *, void: bool) -> None:
    """Raise `DataError` (`cityscapes.own`) if frames (label files by kind) show that the labels are not those of the rules.

    `void`: whether there may be none but void labels in them, if the rules have classes for those. Up to 16 are looked at,
    evenly spread; most of them must show it. A file that cannot be read is left to its conversion.
    """
    looked_at = [frames[i * len(frames) // FRAMES] for i in range(FRAMES)] if len(frames) > FRAMES else frames
    found = list(filter(None, (_look(files, rules) for files in looked_at)))
    strange = [frame.problem for frame in found if frame.problem]
    if 2 * len(strange) > len(found):
        raise DataError(strange[0])
    shown = set().union(*(frame.labels for frame in found))
    if shown and shown <= VOID and not (rules.own or (void and rules.has_void)):
        what = f"no pixel of the {len(found)} frames looked at has a class (label ids {some(sorted(shown))})"
        message = f"{what}: are these labels not Cityscapes' own? {WAY_OUT}"
        raise DataError(Problem("cityscapes.own", message, found[0].file))


class Seen(NamedTuple):
    """A frame that was looked at: its label file, the label ids in it, and what is strange about them."""

    file: str
    labels: set[int]
    problem: Problem | None


def _look(files: Mapping[str, str], rules: Rules) -> Seen | None:
    """What a frame's label image shows; None if it has none, or one that cannot be read."""
    kind = next((kind for kind in rules.kinds if kind in files and kind != POLYGONS), None)
    try:
        if kind is None:
            return None
        values = read_mask(files[kind])
        if kind == INSTANCE_IDS:
            values = np.where(values < 1000, values, values // 1000)
        shown = set(np.unique(values).tolist())
        if kind == TRAIN_IDS:
            return Seen(files[kind], {7 if shown - {VOID_TRAIN_ID} else 0}, None)
        named = kind in (LABEL_IDS, INSTANCE_IDS)  # coarser kinds, as IDD's, have classes of several labels
        strange = _strange_names(files, rules) if named else None
        return Seen(files[kind], shown, strange or _strange_colors(files, values, rules))
    except DataError:
        return None


def _strange_colors(files: Mapping[str, str], values: Mask, rules: Rules) -> Problem | None:
    """A label id most of whose pixels have another colour than its own in color.png."""
    colors = read_image(files[COLOR]) if COLOR in files and rules.colors else None
    if colors is None or colors.shape[:2] != values.shape:
        return None
    for value, color in rules.colors.items():
        most = _most_common(colors[values == value])
        if most not in (None, color):
            name = next(row.name for row in rules.table if row.source_id == value)
            what = f"pixels of the label id {value}, in {_table(rules)} {name!r} of the colour {color}, have {most}"
            way_out = "--classes FILE with the ids that are meant (rows id,name)" if rules.own else WAY_OUT
            return Problem("cityscapes.own", f"{what}: {way_out}", files[COLOR])
    return None


def _strange_names(files: Mapping[str, str], rules: Rules) -> Problem | None:
    """Labels of polygons that are not in the table."""
    things = read_frame(files[POLYGONS]).objects if POLYGONS in files else []
    names = {thing.label for thing in things if not thing.deleted}
    strange = sorted(name for name in names if {name, name.removesuffix(GROUP)}.isdisjoint(rules.names))
    way_out = "add them to it" if rules.own else WAY_OUT
    what = f"holds labels that {_table(rules)} does not have, {some(map(repr, strange))}: {way_out}"
    return Problem("cityscapes.own", what, files[POLYGONS]) if strange else None


def _table(rules: Rules) -> str:
    return "the class file" if rules.own else "Cityscapes' table"


def _most_common(pixels: NDArray[np.uint8]) -> tuple[int, ...] | None:
    """The commonest of (N, 3) colours; None of none."""
    if not len(pixels):
        return None
    found = tally(pack(pixels[None]))
    return unpack_color(max(found, key=lambda color: found[color]))
