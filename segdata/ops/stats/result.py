"""What `stats` finds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.dataset.counts import ClassCounts
from segdata.dataset.sampling import Sampling
from segdata.dataset.weights import SCHEMES, Floats, Ints
from segdata.dataset.weights_file import SCHEMA, WeightsFile
from segdata.errors import OptionError, Problem
from segdata.files.geo import Geo
from segdata.files.rasters import Values
from segdata.files.values import meant
from segdata.labels import Labels, value_counts
from segdata.recipes.pixels import Moments
from segdata.words import briefly

QUANTILES = (0.05, 0.25, 0.75, 0.95)

LARGEST = {"uint8": 255, "uint16": 65535}
"""What values of these types are shares of; others are described as they are."""

NOWHERE = Geo()


@dataclass(frozen=True, slots=True)
class Grouped:
    """How many groups of samples there are, and how many hold each class, (K,) int64; a sample without one is its own."""

    number: int
    classes: Ints


@dataclass(frozen=True, slots=True)
class Part:
    """A split, or all that was asked for. `areas`: K times (objects of the class,) int64 pixels, ascending, where they were.

    `groups` is None where no sample has a group.
    """

    __repr__ = briefly

    counts: ClassCounts
    areas: tuple[Ints, ...] | None = None
    groups: Grouped | None = None

    def to_json(self, labels: Labels) -> dict[str, Any]:
        """`images`, `groups` if there are any, `total`, `ignored` and `classes`; shares are of labelled pixels, and of images."""
        c = self.counts
        classes = []
        for label in labels.classes:
            row: dict[str, Any] = {
                "id": label.id,
                "name": label.name,
                "pixels": int(c.pixels[label.id]),
                "share": float(c.share[label.id]),
                "images": int(c.images[label.id]),
                "image_share": float(c.image_share[label.id]),
            }
            if self.groups is not None:
                row["groups"] = int(self.groups.classes[label.id])
            if self.areas is not None:
                row["objects"] = _areas_json(self.areas[label.id])
            classes.append(row)
        groups = {} if self.groups is None else {"groups": self.groups.number}
        return {"images": c.samples, **groups, "total": c.total, "ignored": c.ignored, "classes": classes}


@dataclass(frozen=True, slots=True)
class Channels:
    """What C bands of `dtype` hold over all pixels that have data, whatever the mask says; those of parts add up to those of
    the whole.

    `held`: of uint8 how often each value occurs, (C, 256) int64, of other types the moments of the finite values. uint8 and
    uint16 are shares of the largest one, as recipes have them, others are as they are.
    """

    __repr__ = briefly

    dtype: str
    held: Ints | Moments

    @classmethod
    def of(cls, values: Values, known: NDArray[np.bool_] | None = None, geo: Geo = NOWHERE) -> Channels:
        """Of (h, w, C) values of an image, of the pixels that are `known` (h, w), by default all; `geo` says what they mean."""
        if geo.scaling:
            return cls("float32", Moments.of_values(meant(values, geo, dtype=np.float64), known))
        if values.dtype == np.uint8:
            bands = (values[:, :, c] if known is None else values[:, :, c][known] for c in range(values.shape[2]))
            return cls("uint8", np.stack([value_counts(band) for band in bands]))
        if values.dtype == np.uint16:
            return cls("uint16", Moments.of_values(values / LARGEST["uint16"], known))
        return cls(values.dtype.name, Moments.of_values(meant(values, geo, dtype=np.float64), known))

    def __add__(self, other: Channels) -> Channels:
        """Of both, which are of one `kind`."""
        return Channels(self.dtype, self.held + other.held)  # type: ignore[operator]

    @property
    def kind(self) -> str:
        """What images must have in common to be described together."""
        n = len(self.held.mean if isinstance(self.held, Moments) else self.held)
        return f"{n} {'band' if n == 1 else 'bands'} of {self.dtype}"

    @property
    def scale(self) -> int:
        """What values were divided by."""
        return LARGEST.get(self.dtype, 1)

    @property
    def title(self) -> str:
        """Which bands they are, and on what scale."""
        if self.kind == "3 bands of uint8":
            return "red, green, blue in 0..1"
        return f"{self.kind}, {'as they are' if self.scale == 1 else f'as a share of {self.scale:,}'}"

    @property
    def mean(self) -> list[float | None]:
        """Of each band; None where it has no value."""
        n, mean, _ = self._summed
        return _where(n, mean)

    @property
    def std(self) -> list[float | None]:
        """The standard deviation of each band; None where it has no value."""
        n, _, std = self._summed
        return _where(n, std)

    @property
    def _summed(self) -> tuple[Floats | Ints, Floats, Floats]:
        """(C,) each: how many values there are, their mean, their standard deviation."""
        if isinstance(self.held, Moments):
            n = self.held.count
            return n, self.held.mean, np.sqrt(self.held.square / np.maximum(n, 1))
        values, pixels = np.arange(256), self.held.sum(axis=1)
        mean = self.held @ values / np.maximum(pixels, 1)
        variance = self.held @ values**2 / np.maximum(pixels, 1) - mean**2
        return pixels, mean / 255, np.sqrt(np.maximum(variance, 0)) / 255

    @property
    def numbers(self) -> str:
        """Mean and standard deviation as text."""
        digits = "g" if self.scale == 1 else ".4f"
        mean, std = (
            ", ".join("none" if v is None else format(v, digits) for v in values) for values in (self.mean, self.std)
        )
        return f"mean {mean}; standard deviation {std}"

    def to_json(self) -> dict[str, Any]:
        """Plain values; of several bands one each."""
        return {"mean": self.mean, "std": self.std, "dtype": self.dtype, "scale": self.scale}


def _where(n: Floats | Ints, values: Floats) -> list[float | None]:
    return [float(value) if there else None for value, there in zip(values, n, strict=True)]


@dataclass(frozen=True, slots=True)
class Stats:
    """What `stats` finds. `whole` is all that was asked for, `splits` its splits by name (see `split_name`).

    `weights`: (K,) float64 by scheme, and `weighting` the options they were made with. `sampling`: by sampler. `together`:
    (P, 3) class, class, images that hold both. `sizes`: (S, 3) height, width, images of that size, most first.
    `described`: whether images were to be read for their `channels`, which are None without one.
    `recounted`: how many masks were read, and `differences` those that do not hold what the manifest says. `split`: what was
    asked for.
    """

    __repr__ = briefly

    labels: Labels
    whole: Part
    splits: dict[str, Part]
    weights: dict[str, Floats]
    weighting: dict[str, Any]
    sampling: dict[str, Sampling]
    together: Ints
    sizes: Ints
    described: bool = False
    channels: Channels | None = None
    recounted: int | None = None
    differences: tuple[Problem, ...] = ()
    split: str | None = None

    @property
    def present(self) -> list[int]:
        """The ids of classes with pixels; of all where none has."""
        held = np.flatnonzero(self.whole.counts.pixels).tolist()
        return held or list(range(len(self.labels.classes)))

    @property
    def absent(self) -> list[str]:
        """The classes without a pixel."""
        return [self.labels.classes[i].name for i in self.whole.counts.absent]

    def to_json(self) -> dict[str, Any]:
        """Plain values; every number is finite."""
        out = self.whole.to_json(self.labels)
        out["absent"] = self.absent
        out["weights"] = {scheme: values.tolist() for scheme, values in self.weights.items()}
        out["weighting"] = self.weighting
        out["schemes"] = {s: {"formula": SCHEMES[s].formula, "source": SCHEMES[s].source} for s in self.weights}
        out["splits"] = {name: part.to_json(self.labels) for name, part in self.splits.items()}
        out["sampling"] = {
            name: {"seen": s.seen.tolist(), "share": s.share.tolist(), "most": s.most}
            for name, s in self.sampling.items()
        }
        out["together"] = self.together.tolist()
        out["sizes"] = self.sizes.tolist()
        if self.described:
            out["channels"] = None if self.channels is None else self.channels.to_json()
        if self.recounted is not None:
            differ = [{"sample": p.sample, "message": p.message} for p in self.differences]
            out["recount"] = {"masks": self.recounted, "differ": differ}
        out["labels"] = self.labels.digest
        return out

    def rows(self) -> list[list[object]]:
        """A table, heading first: a line per class and split (empty: all), with ignored pixels and weights."""
        heading = ["split", "id", "name", "pixels", "share", "images", "image_share"]
        heading += [] if self.whole.groups is None else ["groups"]
        objects = ["objects", "median_area", *(f"area_{q}" for q in QUANTILES)] if self.whole.areas is not None else []
        rows: list[list[object]] = [[*heading, "split_void", *objects, *self.weights]]
        for split, part in {"": self.whole, **self.splits}.items():
            for c in part.to_json(self.labels)["classes"]:
                row = [split, *(c[key] for key in heading[1:]), part.counts.ignored]
                if objects:
                    row += [c["objects"]["count"], c["objects"]["median"], *c["objects"]["quantiles"].values()]
                rows.append(row + [float(values[c["id"]]) for values in self.weights.values()])
        return rows

    def weights_json(self, scheme: str) -> dict[str, Any]:
        """weights.json, for training: a weight for each class by name, and what it was made from (see `WeightsFile`).

        Raises `OptionError`.
        """
        if scheme not in self.weights:
            raise OptionError(f"no weights {scheme!r}: there are {', '.join(self.weights)}")
        if len(self.absent) == len(self.labels.classes):
            raise OptionError("there are no weights to write: no class has a pixel")
        named = dict(zip(self.labels.names, self.weights[scheme].tolist(), strict=True))
        file = WeightsFile(
            schema=SCHEMA, labels=self.labels.digest, scheme=scheme, split=self.split, counts=self.whole.counts.digest,
            weighting=self.weighting, weights=named,
        )  # fmt: skip
        return msgspec.structs.asdict(file)


def _areas_json(areas: Ints) -> dict[str, Any]:
    """Count, median and quantiles of areas in pixels; None where there is no object."""
    at = np.quantile(areas, [0.5, *QUANTILES]).tolist() if len(areas) else [None] * (1 + len(QUANTILES))
    return {"count": len(areas), "median": at[0], "quantiles": dict(zip(map(str, QUANTILES), at[1:], strict=True))}
