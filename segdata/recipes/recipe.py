"""Recipes: what is done to an image before a model sees it, and in training also to learn from it more than once.

A recipe is plain data. Preprocessing (`resize`, `normalise`) is the same for training and prediction, and travels with the
checkpoint; `crop`, `copy_paste` and `transforms` are for training alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from segdata.errors import MissingDependency, OptionError
from segdata.files.places import place, read_text
from segdata.files.values import STORED
from segdata.files.yaml_text import load_yaml
from segdata.recipes.fields import Fields
from segdata.recipes.pipeline import Augmentation
from segdata.recipes.presets import PRESETS
from segdata.recipes.settings import CopyPaste, Crop, Normalise, Resize, Settings, Side, Statistics
from segdata.recipes.transforms import fitting, parse_step
from segdata.words import briefly, some, suggest


@dataclass(frozen=True, slots=True)
class Recipe(Settings):
    """Preprocessing and augmentation, as plain data. Read one with `Recipe.read`; its fields are those of `Settings`."""

    __repr__ = briefly

    @classmethod
    def read(cls, source: str | Path) -> Recipe:
        """A preset by name, or a YAML file. Raises `OptionError` that names the file and the key, or near presets."""
        if str(source) in PRESETS:
            return cls.from_dict(PRESETS[str(source)], str(source))
        path = place(source)
        if path.suffix.lower() not in (".yaml", ".yml"):
            raise OptionError(f"no recipe {str(source)!r}: {suggest(str(source), PRESETS)}; or name a .yaml file")
        try:
            return cls.from_yaml(read_text(path), str(source))
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}") from error

    @classmethod
    def from_yaml(cls, text: str, origin: str = "recipe") -> Recipe:
        """From YAML of plain values. Raises `OptionError`, `MissingDependency`."""
        yaml = _yaml()
        try:
            data = load_yaml(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none
            raise OptionError(f"{origin}: not YAML: {' '.join(str(error).split())}") from error
        return cls.from_dict({} if data is None else data, origin)

    def to_yaml(self) -> str:
        """What `from_yaml` reads. Raises `MissingDependency`."""
        return str(_yaml().safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None, width=110))

    @classmethod
    def from_dict(cls, data: object, origin: str = "recipe") -> Recipe:
        """From plain values, as `to_dict` gives them. Raises `OptionError` that names the key.

        Names and arguments of transforms are checked by `augment`, which needs albumentations.
        """
        fields = Fields(data, origin, ("resize", "normalise", "span", "crop", "copy_paste", "transforms", "scaled"))
        resize = fields.inner("resize", get_args(Side))
        crop = fields.inner("crop", ("size", "class_aware", "scale"))
        pasting = fields.inner("copy_paste", ("p", "regions", "classes", "least", "shift"))
        transforms = fields.plain_list("transforms")
        for i, entry in enumerate(transforms):
            parse_step(entry, f"{origin}: transforms[{i}]")
        return cls(
            resize=None if resize is None else _resize(resize),
            normalise_by=_normalise(fields),
            span=fields.rising("span", None),
            crop=None if crop is None else _crop(crop),
            copy_paste=None if pasting is None else _copy_paste(pasting),
            transforms=transforms,
            scaled=fields.truth("scaled"),
            origin=origin,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values: dicts, lists, strings, numbers. What is not used is left out."""
        out: dict[str, Any] = {}
        if self.resize is not None:
            size = self.resize.size
            out["resize"] = {self.resize.side: list(size) if self.resize.side == "exact" else size[0]}
        by = self.normalise_by
        out["normalise"] = {"mean": list(by.mean), "std": list(by.std)} if isinstance(by, Normalise) else by
        if self.span is not None:
            out["span"] = list(self.span)
        if self.crop is not None:
            c = self.crop
            out["crop"] = {"size": list(c.size), "class_aware": c.class_aware, "scale": list(c.scale)}
        if self.copy_paste is not None:
            p = self.copy_paste
            pasting = {"p": p.p, "regions": p.regions, "classes": list(p.classes), "least": p.least, "shift": p.shift}
            out["copy_paste"] = pasting
        if self.transforms:
            out["transforms"] = [_lists(entry) for entry in self.transforms]
        if self.scaled:
            out["scaled"] = True
        return out

    def for_bands(self, bands: int) -> tuple[Recipe, str | None]:
        """A preset for images of so many bands, and what it leaves out, in a sentence; what a person wrote stays as it is.

        Steps that need other bands are left out, and mean and standard deviation are the dataset's instead of ImageNet's.
        """
        if self.origin not in PRESETS:
            return self, None
        steps = [parse_step(entry, f"{self.origin}: transforms[{i}]") for i, entry in enumerate(self.transforms)]
        kept, left_out = fitting(steps, bands)
        told = [f"leaves out {some(left_out)}"] if left_out else []
        by = self.normalise_by
        if by == "imagenet" and bands != 3:
            by = "dataset"
            told.append("normalises by the dataset's mean and standard deviation")
        if not told:
            return self, None
        fitted = replace(self, transforms=tuple({step.name: dict(step.args)} for step in kept), normalise_by=by)
        return fitted, f"images of {bands} bands: the preset {self.origin} {' and '.join(told)}"

    def for_values(self, dtype: str, scaled: bool) -> tuple[Recipe, str | None]:
        """The recipe for images of a dtype, `scaled` if they have a scale and offset, and how they are read, in a sentence.

        Types that models do not take, and scaled ones, become float32. Without a span values stay as they are; then a preset
        leaves out what takes pixels of 0 to 1. Raises `OptionError` for a recipe of a person's own that has it.
        """
        if dtype in STORED and not scaled:
            return self, None
        told = f"images of {dtype}: read as float32" + (" by their scale and offset" if scaled else "")
        if self.span is not None:
            low, high = self.span
            return replace(self, scaled=scaled), f"{told}, {low:g} to {high:g} as 0 to 1"
        ways = "--scale-values LOW,HIGH says which values are dark and bright"
        steps = [parse_step(entry, f"{self.origin}: transforms[{i}]") for i, entry in enumerate(self.transforms)]
        kept, left_out = fitting(steps, None)
        by = self.normalise_by
        if self.origin not in PRESETS and (left_out or by == "imagenet"):
            needs = f"{left_out[0]} takes pixels" if left_out else "`normalise: imagenet` is of pixels"
            raise OptionError(f"{self.origin}: {needs} of 0 to 1, and the {told}: {ways}")
        entries = tuple({step.name: dict(step.args)} for step in kept)
        by = "dataset" if by == "imagenet" else by
        fitted = replace(self, transforms=entries, normalise_by=by, span=(0.0, 1.0), scaled=scaled)
        parts = [f"{told}, values as they are ({ways})"]
        parts += [f"the preset {self.origin} leaves out {some(left_out)}"] * bool(left_out)
        parts += ["normalises by the dataset's mean and standard deviation"] * (by != self.normalise_by)
        return fitted, "; ".join(parts)

    def augment(
        self, ignore: int, *, classes: Sequence[str] = (), weights: Sequence[float] | NDArray[np.float64] | None = None
    ) -> Augmentation:
        """The pipeline of training: resize, crop, copy-paste, transforms, as one function of an image and its mask.

        `ignore` is the dataset's; `classes` its names, for `copy_paste.classes`; `weights` (K,) say how rare a class is
        (`ClassCounts.weights`), or each image's own pixels do. Raises `OptionError`, `MissingDependency`.
        """
        return Augmentation(self, ignore, tuple(classes), None if weights is None else tuple(map(float, weights)))


def _resize(fields: Fields) -> Resize:
    if len(fields.data) != 1:
        raise OptionError(f"{fields.place}: give one of {', '.join(get_args(Side))}")
    (side,) = fields.data
    return Resize(side, fields.size(side) if side == "exact" else (fields.whole(side, None),))


def _normalise(fields: Fields) -> Normalise | Statistics:
    value = fields.data.get("normalise", "imagenet")
    if value is None:  # YAML's null is what some write for none
        return "none"
    if isinstance(value, Mapping):
        inner = Fields(value, fields.at("normalise"), ("mean", "std"))
        made = Normalise(inner.numbers("mean"), inner.numbers("std", above=0))
        if len(made.mean) != len(made.std):
            raise OptionError(
                f"{inner.place}: mean has {len(made.mean)} values, std {len(made.std)}: one per band each"
            )
        return made
    if value not in get_args(Statistics):
        fields.wrong("normalise", f"{', '.join(get_args(Statistics))}, or {{mean: [...], std: [...]}}")
    known: Statistics = value
    return known


def _crop(fields: Fields) -> Crop:
    scale = fields.rising("scale", (1.0, 1.0), above=0)
    return Crop(fields.size("size"), fields.number("class_aware", 0.0, 0, 1), scale)


def _copy_paste(fields: Fields) -> CopyPaste:
    return CopyPaste(
        p=fields.number("p", 0.5, 0, 1),
        regions=fields.whole("regions", 3),
        classes=fields.texts("classes"),
        least=fields.whole("least", 16),
        shift=fields.number("shift", 1.0, 0),
    )


def _lists(value: Any) -> Any:
    """Plain values with lists for tuples."""
    if isinstance(value, Mapping):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingDependency("recipes in YAML need PyYAML: pip install 'segdata[train]'") from error
    return yaml
