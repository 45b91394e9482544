"""What the pixels of a label image are where they are not plainly class ids, and the one option that reads them rightly.

Array functions that know no file. Their rules are rules of thumb: they are asked only once a mask holds what nobody
declared, so that a good mask never meets them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.labels import RGB, Mask, tally
from segdata.words import some

NO_WAY = "no option restores them: export it again as PNG, without smoothing"

REACH = 8
"""How far, in pixels, smoothing or JPEG is thought to carry a value."""

FEW = 8
"""How many options a way out may have."""

NOISE = 24
"""How far, in levels of a channel, JPEG is thought to move a colour."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a mask is (`kind` is stable, `message` is for people), and the command line option that reads it."""

    kind: str
    message: str
    option: str = NO_WAY

    def __str__(self) -> str:
        return f"{self.message}: {self.option}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the diagnoses of values look at: a mask (H, W), its values with their pixels, and the K class names by value."""

    mask: Mask
    found: Mapping[int, int]
    classes: Mapping[int, str | None]

    @property
    def unknown(self) -> list[int]:
        """Values that occur and that nobody declared."""
        return [value for value in sorted(self.found) if value not in self.classes]

    @property
    def top(self) -> int:
        """White: 255, or 65535 in masks of larger values."""
        return 255 if max(self.found) <= 255 else 65535

    @property
    def names(self) -> list[str]:
        """Class names in order of value, without ignore."""
        return list(dict.fromkeys(name for _, name in sorted(self.classes.items()) if name is not None))


def diagnose_values(
    mask: Mask, classes: Mapping[int, str | None], found: Mapping[int, int] | None = None
) -> Diagnosis | None:
    """What (H, W) whole numbers are, given the names of the declared ones (None: ignored); None where all are declared.

    `found`: value -> pixels over several masks of which `mask` shows it best; by default those of the mask.
    """
    facts = Facts(mask, tally(mask) if found is None else found, classes)
    if not facts.unknown:
        return None
    small = mask.dtype in (np.uint8, np.uint16) and min(facts.found) >= 0 and max(facts.found) <= 65535
    tests = VALUE_TESTS if small else NUMBER_TESTS
    return next(diagnosis for test in tests if (diagnosis := test(facts)) is not None)


def diagnose_lossy(rgb: NDArray[np.uint8], classes: int, lossy: str = "JPEG") -> Diagnosis:
    """What to do about (H, W, 3) uint8 pixels that went through JPEG: a threshold where they are of nearly two brightnesses.

    `lossy`: what the compression is called.
    """
    threshold = midpoint(rgb) if classes <= 2 else None
    what = f"was saved as {lossy}, which changes the values"
    return Diagnosis("jpeg", what) if threshold is None else Diagnosis("jpeg", what, f"--threshold {threshold}")


def diagnose_colors(rgb: NDArray[np.uint8], known: Collection[RGB], classes: int, *, coded: bool) -> Diagnosis:
    """What (H, W, 3) uint8 colours are that are not all `known`, or (`coded` false) were not expected at all.

    `classes`: how many there are, since a threshold makes two.
    """
    packed = pack(rgb)
    found = tally(packed)
    declared = {pack_color(color) for color in known}
    unknown = [value for value in found if value not in declared]
    common = _common(found)
    rare = [value for value in unknown if unpack_color(value) not in common]
    threshold = midpoint(rgb) if classes <= 2 and len(rare) > 8 else None
    if threshold is not None or (len(rare) > 8 and _smeared(rgb, np.isin(packed, rare), {*known, *common})):
        what = f"{len(rare)} in-between colours at edges, as smoothing, resizing or JPEG leaves them"
        return Diagnosis("smoothed", what, *([] if threshold is None else [f"--threshold {threshold}"]))
    if len(found) > 256 and not _flat(packed):
        return Diagnosis("image", f"{len(found)} colours, like a photograph and not like labels", "--mask-dir DIR")
    order = sorted(unknown, key=lambda value: -found[value])
    listed = some(f"{unpack_color(value)} ({found[value]:,} pixels)" for value in order)
    if coded:
        y, x = divmod(int(np.argmax(packed.ravel() == order[0])), packed.shape[1])
        options = " ".join(f"--values {_comma(value)}=ignore" for value in order)
        way_out = f"{options} (or =NAME)" if len(order) <= FEW else "--classes FILE that lists them all, name,r,g,b"
        what = f"colours that no class is declared for: {listed}, first at row {y}, column {x}"
        return Diagnosis("unknown_colors", what, way_out)
    if len(order) == len(found):
        how = "--colors, with a --classes table of name,r,g,b"
        return Diagnosis("colors", f"coded by colour, {len(found)} of them: {listed}", how)
    missing = f"; the class table has not {listed}" if order else ""
    return Diagnosis("colors", f"coded by colour, {len(found)} of them{missing}", "--colors")


# What the tests of values are made of


def in_between(pixels: NDArray[Any], firm: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W): which pixels (H, W) or (H, W, C) lie between the values of pixels nearby that are `firm` (H, W).

    An eighth beyond them counts too, since sharp filters overshoot.
    """
    levels = pixels.reshape(*firm.shape, -1)
    around = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    top = np.iinfo(levels.dtype).max
    low = cv2.erode(np.where(firm[..., None], levels, top), around).reshape(levels.shape).astype(np.int32)
    high = cv2.dilate(np.where(firm[..., None], levels, 0), around).reshape(levels.shape).astype(np.int32)
    slack = (high - low) // 8
    inside = ((low - slack <= levels) & (levels <= high + slack)).all(axis=2) & (low < high).any(axis=2)
    return np.asarray(inside & (low <= high).all(axis=2))


def near_to(rgb: NDArray[np.uint8], colors: Collection[RGB]) -> NDArray[np.bool_]:
    """(H, W): which of (H, W, 3) uint8 pixels are within `NOISE` of one of the colours."""
    near = np.zeros(rgb.shape[:2], np.bool_)
    for color in colors:
        near |= (np.abs(rgb.astype(np.int16) - np.array(color, np.int16)) <= NOISE).all(axis=2)
    return near


def midpoint(rgb: NDArray[np.uint8]) -> int | None:
    """The brightness halfway between the two colours that (H, W, 3) pixels nearly all have, or None where they are not two."""
    packed = pack(rgb)
    found = tally(packed)
    first, *others = (unpack_color(value) for value in sorted(found, key=lambda value: -found[value]))
    second = next((color for color in others if _far(color, first) > 64), None)
    if second is None:
        return None
    distance = [np.abs(rgb.astype(np.int16) - np.array(color, np.int16)).max(axis=2) for color in (first, second)]
    a, b = (int(luma(np.array([[color]], np.uint8))[0, 0]) for color in (first, second))
    near = float((np.minimum(*distance) <= 40).mean())
    return (a + b + 1) // 2 if abs(a - b) >= 48 and near >= 0.8 else None


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB -> (H, W) uint8 brightness: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded."""
    r, g, b = (rgb[..., i].astype(np.int32) for i in range(3))
    return ((299 * r + 587 * g + 114 * b + 500) // 1000).astype(np.uint8)


def pack(colors: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(H, W, 3) or, much faster, (H, W, 4) uint8, whose last channel is dropped -> (H, W) int32: R + 256 G + 65536 B."""
    if colors.shape[2] == 3:
        colors = np.concatenate([colors, np.zeros_like(colors[..., :1])], axis=2)
    return np.ascontiguousarray(colors).view("<i4")[..., 0] & np.int32(0xFFFFFF)


def pack_color(color: RGB) -> int:
    """One colour as `pack` has it."""
    return color[0] | color[1] << 8 | color[2] << 16


def unpack_color(value: int) -> RGB:
    """Back from `pack_color`."""
    return value & 255, value >> 8 & 255, value >> 16


def _common(found: Mapping[int, int]) -> set[RGB]:
    """The colours that a hundredth of the pixels or more have."""
    total = sum(found.values())
    return {unpack_color(value) for value, pixels in found.items() if 100 * pixels >= total}


def _smeared(pixels: NDArray[np.uint8], strange: NDArray[np.bool_], colors: Collection[RGB]) -> bool:
    """Whether most of the strange pixels are near one of the colours, or between two."""
    near = near_to(pixels, colors)
    return float((near | in_between(pixels, near))[strange].mean()) >= 0.8


def _comma(value: int) -> str:
    return ",".join(str(part) for part in unpack_color(value))


def _far(a: RGB, b: RGB) -> int:
    return max(abs(p - q) for p, q in zip(a, b, strict=True))


def _flat(values: NDArray[Any]) -> bool:
    """Whether most pixels equal their neighbour, as labels do and photographs do not."""
    return values.shape[1] < 2 or float((values[:, 1:] == values[:, :-1]).mean()) >= 0.5


# The tests of values: each knows one kind, the first that does wins


def _ignored(facts: Facts) -> Diagnosis | None:
    """0..K-1 plus 255."""
    value = facts.unknown[0]
    if facts.unknown not in ([255], [65535]) or not facts.names or (len(facts.found) < 3 and len(facts.names) <= 2):
        return None
    what = f"{value}, which usually marks ignored pixels, is not declared ({facts.found[value]:,} pixels)"
    return Diagnosis("void", what, f"--values {value}=ignore")


def _binary(facts: Facts) -> Diagnosis | None:
    if not (set(facts.found) <= {0, facts.top} and facts.top in facts.found and len(facts.names) <= 2):
        return None
    what = f"holds only 0 and {facts.top}, a binary mask"
    return Diagnosis("binary", what, f"--threshold {(facts.top + 1) // 2}")


def _off_by_one(facts: Facts) -> Diagnosis | None:
    """1..K for K names, with or without 0. If 0 occurs too, values cannot tell whether the first or the last is ignore."""
    k = len(facts.names)
    named = sorted(value for value, name in facts.classes.items() if name is not None)
    if not k or named != list(range(k)) or [v for v in facts.unknown if v not in (255, 65535)] != [k]:
        return None
    if 0 not in facts.found:
        return Diagnosis(
            "off_by_one", f"values go from 1 to {k} for {k} classes, which are 0 to {k - 1}", "--offset -1"
        )
    what = f"value {k} ({facts.found[k]:,} pixels) is beyond the {k} classes, which are 0 to {k - 1}"
    return Diagnosis("off_by_one", what, f"--values {k}=ignore if it marks ignored pixels, or --offset -1 if 0 does")


def _thousands(facts: Facts) -> Diagnosis | None:
    """Instance ids as Cityscapes numbers them: class * 1000 + instance."""
    bases = sorted({value // 1000 for value in facts.unknown})
    if min(facts.unknown) < 1000 or not set(bases) <= set(facts.classes):
        return None
    ranges = [f"--values {1000 * b}..{1000 * b + 999}={facts.classes[b] or 'ignore'}" for b in bases]
    return Diagnosis("instances", "holds instance ids, class * 1000 + instance", " ".join(ranges))


def _stretched(facts: Facts) -> Diagnosis | None:
    """Class ids multiplied, so that they can be seen, or from 8 bits to 16."""
    values = [value for value in sorted(facts.found) if facts.classes.get(value, "") is not None]
    step, names = gcd(*values), facts.names
    if step < 2 or values[-1] // step >= len(names) or (len(values) < max(2, len(names)) and step != 257):
        return None
    pairs = [f"--values {value}={names[value // step]}" for value in values if value]
    return Diagnosis("stretched", f"holds class ids times {step}, as it seems: {some(values)}", " ".join(pairs))


def _smoothed(facts: Facts) -> Diagnosis | None:
    """Edges between black and white, or between declared values, that an interpolation has blurred."""
    edges = f"{len(facts.unknown)} in-between values at edges, as smoothing, resizing or JPEG leaves them"
    level = facts.mask // max(1, (facts.top + 1) // 256)
    ends = (level <= 16) | (level >= 239)
    firm = np.isin(facts.mask, [value for value, name in facts.classes.items() if name is not None])
    if len(facts.names) <= 2 and (level <= 16).any() and (level >= 239).any() and ends.mean() >= 0.8:
        if ends.all() or in_between(facts.mask, ends)[~ends].mean() >= 0.8:
            return Diagnosis("smoothed", f"black and white with {edges}", f"--threshold {(facts.top + 1) // 2}")
    elif len(facts.unknown) > 8 and in_between(facts.mask, firm)[np.isin(facts.mask, facts.unknown)].mean() >= 0.8:
        return Diagnosis("smoothed", edges)
    return _smoothed_levels(facts)


def _smoothed_levels(facts: Facts) -> Diagnosis | None:
    """Levels that nobody declared, as of class ids times 100, and between them edges: values that nowhere fill a 3 x 3 square."""
    here = tally(facts.mask)
    levels = [value for value, pixels in here.items() if 100 * pixels >= facts.mask.size]
    firm = np.isin(facts.mask, levels)
    if len(here) - len(levels) <= 8 or len(levels) < 2:
        return None
    square = np.ones((3, 3), np.uint8)
    flat = cv2.erode(facts.mask, square) == cv2.dilate(facts.mask, square)
    if flat[~firm].mean() >= 0.1 or in_between(facts.mask, firm)[~firm].mean() < 0.8:
        return None
    edges = f"{len(here) - len(levels)} in-between values at edges, as smoothing, resizing or JPEG leaves them"
    return Diagnosis("smoothed", edges)


def _shown_sample(facts: Facts) -> Diagnosis | None:
    if len(facts.found) < 64 or _flat(facts.mask):
        return None
    return Diagnosis(
        "image", f"{len(facts.found)} grey values, like a photograph and not like labels", "--mask-dir DIR"
    )


def _instances(facts: Facts) -> Diagnosis | None:
    """More values than there are classes, one connected blob each: most of 1 up without gaps, nearly all of any others."""
    values = [value for value in tally(facts.mask) if value not in (0, facts.top)]
    gapless = len(values) >= max(3, len(facts.names)) and len(values) >= 0.9 * values[-1]
    if not gapless and len(values) < max(8, 2 * len(facts.names)):
        return None
    looked_at = values[:64]
    blobs = [
        cv2.connectedComponents((facts.mask == value).astype(np.uint8), connectivity=8)[0] - 1 for value in looked_at
    ]
    if np.mean(np.array(blobs) == 1) < (0.7 if gapless else 0.9):
        return None
    what = f"holds instance ids, as it seems: {len(values)} values, most of them one blob each"
    if len(facts.names) <= 2 and facts.classes.get(facts.top, "") is not None:
        return Diagnosis("instances", what, "--threshold 1")
    last = max({*facts.found, *values} - {facts.top})
    return Diagnosis("instances", what, f"--values 1..{last}=NAME, or --mask-dir with masks of classes")


def _unlisted(facts: Facts) -> Diagnosis:
    """None of these kinds."""
    listed = some(f"{value} ({facts.found[value]:,} pixels)" for value in facts.unknown)
    if not facts.classes:
        way_out = "--classes FILE, one name a line in order of value"
        return Diagnosis("values", f"no class is declared, and the masks hold {listed}", way_out)
    ranges = _ranges(facts.unknown, facts.classes) if len(facts.unknown) > FEW else [str(v) for v in facts.unknown]
    options = " ".join(f"--values {values}=ignore" for values in ranges)
    way_out = f"{options} (or =NAME)" if len(ranges) <= FEW else "--classes FILE that lists them all, id,name"
    return Diagnosis("values", f"values that no class is declared for: {listed}", way_out)


def _ranges(values: Sequence[int], declared: Collection[int]) -> list[str]:
    """Sorted values as the ranges, `7..21`, that no declared value lies in."""
    ranges: list[list[int]] = []
    for value in values:
        if ranges and not any(ranges[-1][0] < other < value for other in declared):
            ranges[-1].append(value)
        else:
            ranges.append([value])
    return [f"{run[0]}..{run[-1]}" if run[1:] else str(run[0]) for run in ranges]


VALUE_TESTS = (_ignored, _binary, _off_by_one, _thousands, _stretched, _smoothed, _shown_sample, _instances, _unlisted)

NUMBER_TESTS = (_thousands, _unlisted)
"""Those of numbers beyond 16 bits."""
