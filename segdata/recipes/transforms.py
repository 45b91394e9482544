"""Albumentations' transforms from plain names and arguments, so that masks stay label maps whatever is asked of them.

Albumentations fills masks with 0, which is a class here. So masks are shown to it with their values moved such that ignore
is 0, and moved back afterwards: whatever a transform fills a mask with, asked or not, is then ignore.
"""

from __future__ import annotations

import inspect
import os
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from segdata.errors import DataError, MissingDependency, OptionError, Problem
from segdata.labels import Mask
from segdata.recipes.pixels import Span, from_unit, span_of, to_unit
from segdata.recipes.transform_tables import BANDS, FILLS, GROUPS, REFUSED, RESIZING, VALUES
from segdata.resize import Pixels
from segdata.words import suggest

Args = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A transform by name, its arguments, and the place that an error names, such as `street.yaml: transforms[2].Affine`."""

    name: str
    args: Args
    place: str


def parse_step(entry: object, place: str) -> Step:
    """One entry of a recipe: `Name`, or `{Name: {argument: value}}`. Raises `OptionError`."""
    if isinstance(entry, str):
        return Step(entry, {}, f"{place}.{entry}")
    if isinstance(entry, Mapping) and len(entry) == 1:
        ((name, args),) = entry.items()
        if isinstance(name, str) and (args is None or isinstance(args, Mapping)):
            return Step(name, args or {}, f"{place}.{name}")
    raise OptionError(f"{place}: {entry!r} is no transform: write `- Name` or `- Name: {{argument: value}}`")


class Transforms:
    """Transforms in a row, as one function of an image and its mask. Not to be called from two threads at once.

    `ignore` is the dataset's; `span` the values that are 0 and 1 to transforms of pixels. Raises `OptionError` for unknown
    transforms and arguments, with near names, and `MissingDependency` without albumentations.
    """

    def __init__(self, steps: Sequence[Step], ignore: int, span: Span | None = None) -> None:
        self.steps, self.ignore, self.span = tuple(steps), ignore, span
        self.dtype = np.dtype(np.uint8 if ignore <= 255 else np.uint16)
        self._made = [_build(step, ignore) for step in self.steps]
        self._pixels = [step.place for step in leaves(self.steps) if _changes_pixels(step.name)]

    def __call__(self, image: Pixels, mask: Mask, rng: np.random.Generator) -> tuple[Pixels, Mask]:
        """(H, W, C) and (H, W) -> the same, augmented; dtypes stay. Raises `OptionError`, `DataError`."""
        if not self._made:
            return image, mask
        if mask.dtype != self.dtype:
            raise OptionError(f"a mask of {mask.dtype}: with {self.ignore} as ignore it must be {self.dtype}")
        self._check_bands(image.shape[2])
        span = span_of(image, self.span)
        plain = image.dtype == np.uint8 or (span == (0.0, 1.0) and not self._pixels)
        data = {"image": image if plain else self._unit(image), "mask": mask - self.dtype.type(self.ignore)}
        shared = random.Random(int(rng.integers(2**63)))
        for made, step in zip(self._made, self.steps, strict=True):
            # One stream for all: albumentations' own seeding starts each transform on the same stream, so that two with
            # p = 0.5 would both be applied, or neither.
            made.set_random_state(rng, shared)
            data = _apply(made, step, data, image)
        out = data["image"] if plain else from_unit(data["image"], image.dtype, span)
        return out.reshape(*out.shape[:2], image.shape[2]), data["mask"] + self.dtype.type(self.ignore)

    def _check_bands(self, bands: int) -> None:
        for step, given in _with_bands(self.steps, bands):
            fits = BANDS.get(step.name)
            if (fits and given not in fits) or (step.name == "ChannelDropout" and given == 1):
                need = " or ".join(map(str, fits or ("several",)))
                raise OptionError(
                    f"{step.place}: takes images of {need} bands, not of {given}: leave it out, or put it into "
                    "SelectiveChannelTransform with `channels: [0, 1, 2]` or whichever it may change"
                )

    def _unit(self, image: Pixels) -> Pixels:
        unit = to_unit(image, self.span)
        if not self._pixels:
            return unit
        low, high = np.fmin.reduce(unit, axis=None), np.fmax.reduce(unit, axis=None)  # NaN only where all are
        if self.span is None and (low < -1e-6 or high > 1 + 1e-6):
            message = (
                f"pixels of {low:g} to {high:g}, but {self._pixels[0]} takes {image.dtype} of 0 to 1: "
                "say which values are dark and bright in the recipe, `span: [low, high]` (train: --scale-values LOW,HIGH)"
            )
            raise DataError(Problem("image.span", message))
        return unit.clip(0, 1)


def leaves(steps: Sequence[Step]) -> Iterator[Step]:
    """The transforms themselves, out of their groups."""
    for step in steps:
        if step.name in GROUPS:
            yield from leaves(members(step))
        else:
            yield step


def members(step: Step) -> list[Step]:
    """What a group is made of. Raises `OptionError`."""
    inner = step.args.get("transforms")
    if not isinstance(inner, Sequence) or isinstance(inner, str) or not inner:
        raise OptionError(f"{step.place}.transforms: must be a list of transforms")
    return [parse_step(entry, f"{step.place}.transforms[{i}]") for i, entry in enumerate(inner)]


def fitting(steps: Sequence[Step], bands: int | None) -> tuple[list[Step], list[str]]:
    """The steps that take images of so many bands, and the names of those that do not; groups become smaller, and none empty.

    Without `bands`: the steps that take pixels of any values, not only of 0 to 1.
    """
    kept, left_out = list[Step](), list[str]()
    for step in steps:
        if step.name in GROUPS and step.name != "SelectiveChannelTransform":
            inner, without = fitting(members(step), bands)
            left_out += without
            entries = [{one.name: dict(one.args)} for one in inner]
            step = Step(step.name, {**step.args, "transforms": entries}, step.place)
            fits = bool(inner)
        elif not (fits := bands in BANDS.get(step.name, (bands,)) if bands else not _changes_pixels(step.name)):
            left_out.append(step.name)
        if fits:
            kept.append(step)
    return kept, left_out


@cache
def names() -> tuple[str, ...]:
    """All transforms that a recipe may name."""
    library = _albumentations()
    base = ("BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D")
    found = (n for n in dir(library) if isinstance(getattr(library, n), type))
    kinds = (n for n in found if issubclass(getattr(library, n), library.BasicTransform))
    return tuple(sorted({*kinds, *GROUPS} - {*base, *REFUSED}))


def _albumentations() -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import looks for a new version over the network
    try:
        import albumentations
    except ImportError as error:
        raise MissingDependency(
            "augmentation needs albumentations: pip install 'segdata[train]' (or use the recipe `none`)"
        ) from error
    return albumentations


def _changes_pixels(name: str) -> bool:
    library = _albumentations()
    return issubclass(getattr(library, name), library.ImageOnlyTransform)


def _with_bands(steps: Sequence[Step], bands: int) -> Iterator[tuple[Step, int]]:
    """Each transform, and how many bands it is shown."""
    for step in steps:
        if step.name == "SelectiveChannelTransform":
            channels = step.args.get("channels", (0, 1, 2))
            if bad := [c for c in channels if not 0 <= c < bands]:
                raise OptionError(
                    f"{step.place}.channels: the images have {bands} bands, 0 to {bands - 1}, no {bad[0]}"
                )
            yield from _with_bands(members(step), len(channels))
        elif step.name in GROUPS:
            yield from _with_bands(members(step), bands)
        else:
            yield step, bands


def _build(step: Step, ignore: int) -> Any:
    """The albumentations object of a step. Raises `OptionError`."""
    if step.name in REFUSED:
        raise OptionError(f"{step.place}: {REFUSED[step.name]}")
    if step.name not in names():
        raise OptionError(f"{step.place}: no such transform: {suggest(step.name, names())}")
    kind = getattr(_albumentations(), step.name)
    known = [name for name in inspect.signature(kind.__init__).parameters if name not in ("self", "first", "second")]
    args = {}
    for name, value in step.args.items():
        if name not in known:
            raise OptionError(f"{step.place}.{name}: no such argument: {suggest(name, known)}")
        args[name] = _argument(step, name, value, ignore)
    if step.name in GROUPS:
        args["transforms"] = [_build(inner, ignore) for inner in members(step)]
    if "fill_mask" in known:
        args.setdefault("fill_mask", 0)  # ignore, as masks are shown
    if step.name in RESIZING:
        args |= dict.fromkeys(_nearest(args), _plain("cv2.INTER_NEAREST_EXACT", step.place))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints at other transforms
        try:
            made = kind(**args)
        except (ValueError, TypeError, ZeroDivisionError) as error:  # OneOf divides by the sum of its members' p
            raise OptionError(f"{step.place}: {_reason(error)}") from error
    if hasattr(made, "fill_mask") and "fill_mask" not in known:
        made.fill_mask = 0
    return made


def _nearest(args: Args) -> list[str]:
    """The arguments of a transform that resizes which ask for nearest: that of masks, and that of images if told so."""
    return ["mask_interpolation", *(["interpolation"] if args.get("interpolation") == 0 else [])]


def _argument(step: Step, name: str, value: Any, ignore: int) -> Any:
    """An argument as albumentations takes it. Raises `OptionError` for what would put new values into masks."""
    place = f"{step.place}.{name}"
    if name == "transforms":
        return None
    if name == "p" and not (isinstance(value, int | float) and 0 <= value <= 1):
        raise OptionError(f"{place}: must be a number from 0 to 1, not {value!r}")
    if name in FILLS:
        if value not in (None, "ignore"):
            raise OptionError(f"{place}: masks are always filled with ignore: leave it out (null: left as they are)")
        return None if value is None else 0
    if name == "mask_interpolation" and value not in (0, "cv2.INTER_NEAREST", 6, "cv2.INTER_NEAREST_EXACT"):
        raise OptionError(f"{place}: masks are always resampled by nearest: leave it out")
    if name == "area_for_downscale" and value == "image_mask":
        raise OptionError(f"{place}: masks are always resampled by nearest: write image")
    if VALUES.get(step.name) == name and value is not None:
        return [(int(v) - ignore) % (256 if ignore <= 255 else 65536) for v in value]
    return _plain(value, place)


def _plain(value: Any, place: str) -> Any:
    """Lists as tuples, and OpenCV's constants by name."""
    if isinstance(value, list | tuple):
        return tuple(_plain(v, place) for v in value)
    if isinstance(value, str) and value.startswith("cv2."):
        import cv2

        name = value.removeprefix("cv2.")
        if not name.startswith(("INTER_", "BORDER_")) or not hasattr(cv2, name):
            known = [f"cv2.{n}" for n in dir(cv2) if n.startswith(("INTER_", "BORDER_"))]
            raise OptionError(f"{place}: no constant {value!r}: {suggest(value, known)}")
        return getattr(cv2, name)
    return value


def _apply(made: Any, step: Step, data: dict[str, Any], image: Pixels) -> dict[str, Any]:
    """One transform applied; what it cannot do with these pixels becomes an `OptionError` that names it.

    Where it loses an axis of an image of one row or column (OpenCV takes that for something else), it is left out.
    """
    import cv2
    from albumentations.augmentations.crops.transforms import CropSizeError

    try:
        done: dict[str, Any] = made(**data)
    except (ValueError, TypeError, IndexError, NotImplementedError, CropSizeError, cv2.error) as error:
        height, width, bands = image.shape
        what = f"{width} x {height} of {bands} bands {image.dtype}"
        raise OptionError(f"{step.place}: cannot be applied to an image of {what}: {_reason(error)}") from error
    size, bands = done["mask"].shape, image.shape[2]
    whole = done["image"].shape == (*size, bands) or (bands == 1 and done["image"].shape == size)
    return done if whole else data


def _reason(error: BaseException) -> str:
    """What went wrong, in one line: of pydantic's lists the arguments and their faults."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and "validation error" in lines[0]:
        told = [
            f"{name}: {fault.partition(' [type=')[0]}" for name, fault in zip(lines[1::3], lines[2::3], strict=False)
        ]
        return "; ".join(told)
    return " ".join(lines) or type(error).__name__
