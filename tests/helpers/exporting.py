"""Exports and what comes back of them: every writer with every choice of its options, random datasets, and what is compared."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import segdata
from segdata import Dataset
from segdata.labels import IGNORE, class_name
from segdata.writers import WRITERS, writer, writer_options

LOSSY = {("coco", "polygons", "simplified"), ("geojson", "background", False)}
"""Choices that leave out pixels, as their names say."""

IGNORED = ("class", "background", "drop")


@dataclass(frozen=True)
class Case:
    """A format, and the options that it is written with."""

    format: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.format, *(f"{name}={value}" for name, value in self.options.items())])


def cases() -> Iterator[Case]:
    """Each writer as it is by default, and with each other value of an option that has a few."""
    for name in WRITERS:
        yield Case(name)
        hints, parameters = get_type_hints(writer(name)), inspect.signature(writer(name)).parameters
        for option in writer_options(name):
            if option not in ("images", "ignored"):
                for value in choices(hints[option]):
                    if value != parameters[option].default and (name, option, value) not in LOSSY:
                        yield Case(name, {option: value})


def choices(hint: Any) -> list[Any]:
    """The values of an option that has a few."""
    if hint is bool:
        return [False, True]
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [value for part in get_args(hint) for value in choices(part) if value is not None]


def masks(classes: int, *, ignored: bool = True) -> st.SearchStrategy[NDArray[Any]]:
    """Noise or blocks of it, with holes, islands in holes, one-pixel regions, diagonal contacts; or all of one value."""
    ignore = 255 if classes <= 255 else 65535
    values = [*range(min(classes, 5)), classes - 1, *([ignore] if ignored else [])]

    @st.composite
    def mask(draw: st.DrawFn) -> NDArray[Any]:
        height, width, scale = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 3))
        chosen = draw(st.lists(st.sampled_from(values), min_size=1, max_size=4))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        small = rng.choice(chosen, (height, width)).astype(np.uint16)
        if draw(st.booleans()):  # rings: a hole in each, and an island in the hole
            y, x = np.indices(small.shape)
            small = np.asarray(chosen, np.uint16)[np.maximum(abs(y - height // 2), abs(x - width // 2)) % len(chosen)]
        return np.kron(small, np.ones((scale, scale), np.uint16))

    return mask()


def readable(dataset: Dataset, sample: Any) -> NDArray[Any]:
    """A mask, as (H, W) of the names of its pixels."""
    names = np.array([class_name(name) for name in dataset.labels.names], object)
    mask = dataset.read_mask(sample)
    out = np.full(mask.shape, IGNORE, object)
    known = mask != dataset.labels.ignore
    out[known] = names[mask[known]]
    return out


def read_back(out: Path, to: Path, **options: Any) -> Dataset:
    """What `segdata convert auto` makes of an export."""
    return segdata.convert("auto", out, to, **{"allow_empty": True, **options})
