"""Recipes: what is done to an image before a model sees it, and in training also to learn from it more than once.

A recipe is plain data. Preprocessing (`resize`, `normalise`) is the same for training and prediction, and travels with the
checkpoint; `crop`, `copy_paste` and `transforms` are for training alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from segdata.errors import MissingDependency, OptionError
from segdata.files.places import place
from segdata.labels import Mask
from segdata.recipes.fields import Fields
from segdata.recipes.pixels import Span, standardise
from segdata.recipes.presets import PRESETS
from segdata.recipes.transforms import parse_step
from segdata.resize import Pixels, resize_image, resize_mask, resize_scores
from segdata.words import suggest

if TYPE_CHECKING:
    from segdata.recipes.pipeline import Augmentation

Side = Literal["short", "long", "exact"]

Statistics = Literal["imagenet", "dataset", "none"]

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's red, green and blue in 0..1, which most published encoders were trained with."""


@dataclass(frozen=True, slots=True)
class Resize:
    """To `size` (height, width) exactly, or such that the `short` or `long` side has size[0] pixels, the ratio kept."""

    side: Side
    size: tuple[int, ...]

    def target(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of an image once resized; each is 1 or more."""
        if self.side == "exact":
            return self.size[0], self.size[1]
        scale = self.size[0] / (min if self.side == "short" else max)(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))


@dataclass(frozen=True, slots=True)
class Normalise:
    """(x - mean) / std, a value a band, in 0..1 of the pixels' span."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Crop:
    """A window of `size` (height, width) from each image, zoomed by a factor drawn from `scale`, its logarithm uniform.

    `class_aware` is the probability that the window is centred on a pixel of a class drawn by rarity; see `crops`.
    """

    size: tuple[int, int]
    class_aware: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class CopyPaste:
    """With probability `p`, paste up to `regions` regions of rare `classes` (all, where empty) of another sample.

    A region has at least `least` pixels, and moves by up to `shift` times the image's height and width.
    """

    p: float = 0.5
    regions: int = 3
    classes: tuple[str, ...] = ()
    least: int = 16
    shift: float = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Preprocessing and augmentation, as plain data. Read one with `Recipe.read`; `origin` is what errors call it.

    `span` is what pixels are at their darkest and brightest, (0, 255), (0, 65535) or (0, 1) by dtype unless given.
    `transforms` are albumentations' own names and arguments.
    """

    resize: Resize | None = None
    normalise_by: Normalise | Statistics = "imagenet"
    span: Span | None = None
    crop: Crop | None = None
    copy_paste: CopyPaste | None = None
    transforms: tuple[Any, ...] = ()
    origin: str = field(default="recipe", compare=False)

    @classmethod
    def read(cls, source: str | Path) -> Recipe:
        """A preset by name, or a YAML file. Raises `OptionError` that names the file and the key, or near presets."""
        if str(source) in PRESETS:
            return cls.from_dict(PRESETS[str(source)], str(source))
        path = place(source)
        if path.suffix.lower() not in (".yaml", ".yml"):
            raise OptionError(f"no recipe {str(source)!r}: {suggest(str(source), PRESETS)}; or name a .yaml file")
        try:
            return cls.from_yaml(path.read_text(encoding="utf-8"), str(source))
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}") from error

    @classmethod
    def from_yaml(cls, text: str, origin: str = "recipe") -> Recipe:
        """From YAML of plain values. Raises `OptionError`, `MissingDependency`."""
        yaml = _yaml()
        try:
            data = yaml.safe_load(text)
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
        fields = Fields(data, origin, ("resize", "normalise", "span", "crop", "copy_paste", "transforms"))
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
        return out

    def with_statistics(self, mean: Sequence[float], std: Sequence[float]) -> Recipe:
        """The same, where `normalise: dataset` becomes these values (0..1, one a band); other recipes stay as they are."""
        if self.normalise_by != "dataset":
            return self
        return replace(self, normalise_by=Normalise(tuple(map(float, mean)), tuple(map(float, std))))

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) that an image is given for the model."""
        return (height, width) if self.resize is None else self.resize.target(height, width)

    def prepare(self, image: Pixels) -> Pixels:
        """(H, W, C) -> (h, w, C), resized for the model; dtype stays."""
        return resize_image(image, self.resized(*image.shape[:2]))

    def prepare_mask(self, mask: Mask) -> Mask:
        """(H, W) -> (h, w) ids that lie under `prepare`'s pixels."""
        return resize_mask(mask, self.resized(*mask.shape))

    def normalise(self, image: Pixels) -> NDArray[np.float32]:
        """(H, W, C) -> (C, H, W) float32: (x - mean) / std, x in 0..1 of the span; with `none` x itself; NaN -> the mean.

        Raises `OptionError` for other bands than mean and std have, or where `dataset` was not made numbers of.
        """
        by = self.normalise_by
        if by == "dataset":
            raise OptionError(
                f"{self.origin}: normalise: the dataset's mean and std are not known yet (with_statistics)"
            )
        mean, std = (by.mean, by.std) if isinstance(by, Normalise) else IMAGENET if by == "imagenet" else (None, None)
        if by == "imagenet" and image.shape[2] != 3:
            raise OptionError(
                f"{self.origin}: normalise: ImageNet's mean and std are of RGB, the image has {image.shape[2]} bands: "
                "write `normalise: dataset`"
            )
        return standardise(image, mean, std, self.span)

    def restore(self, scores: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """(K, h, w) -> (K, H, W) float32: scores back at the source's `size`, linear in each class."""
        return resize_scores(scores, size)

    def restore_mask(self, mask: Mask, size: tuple[int, int]) -> Mask:
        """(h, w) -> (H, W) ids back at the source's `size`, nearest; from scores `restore` is smoother."""
        return resize_mask(mask, size)

    def window(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
        """(h, w): how large a window of a (height, width) image becomes one crop, in the image's own pixels.

        The zoom is drawn from `rng`. It may be larger than the image. Raises `OptionError` without `crop`.
        """
        if self.crop is None:
            raise OptionError(f"{self.origin}: crop: is not given: say `crop: {{size: [height, width]}}`")
        low, high = self.crop.scale
        zoom = low if low == high else math.exp(rng.uniform(math.log(low), math.log(high)))
        new_height, new_width = self.resized(height, width)
        h, w = self.crop.size
        return max(1, round(h * height / new_height / zoom)), max(1, round(w * width / new_width / zoom))

    def augment(
        self, ignore: int, *, classes: Sequence[str] = (), weights: Sequence[float] | NDArray[np.float64] | None = None
    ) -> Augmentation:
        """The pipeline of training: resize, crop, copy-paste, transforms, as one function of an image and its mask.

        `ignore` is the dataset's; `classes` its names, for `copy_paste.classes`; `weights` (K,) say how rare a class is
        (`ClassCounts.weights`), or each image's own pixels do. Raises `OptionError`, `MissingDependency`.
        """
        from segdata.recipes.pipeline import Augmentation

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
            raise OptionError(f"{inner.place}: mean has {len(made.mean)} values, std {len(made.std)}: one a band each")
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
