"""What a recipe says, as plain values, and what it does to one image: resize, normalise, choose a window, and back again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from segdata.errors import OptionError
from segdata.files.limits import refuse_large
from segdata.files.rasters import Raster
from segdata.files.values import as_values
from segdata.labels import Mask
from segdata.recipes.pixels import Span, standardise
from segdata.resize import Pixels, resize_image, resize_mask, resize_scores

Side = Literal["short", "long", "exact"]

Statistics = Literal["imagenet", "dataset", "none"]

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's red, green and blue in 0..1, which most published encoders were trained with."""


@dataclass(frozen=True, slots=True)
class Resize:
    """To `size` (height, width) exactly, or such that the `short` or `long` side has size[0] pixels, the ratio kept.

    Both sides are then multiplied by `times`, which is for training (`Settings.finer`) and not written to files.
    """

    side: Side
    size: tuple[int, ...]
    times: int = 1

    def target(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of an image once resized; each is 1 or more."""
        if self.side == "exact":
            return self.size[0] * self.times, self.size[1] * self.times
        scale = self.size[0] / (min if self.side == "short" else max)(height, width)
        return max(1, round(height * scale)) * self.times, max(1, round(width * scale)) * self.times


@dataclass(frozen=True, slots=True)
class Normalise:
    """(x - mean) / std, a value per band, in 0..1 of the pixels' span."""

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
    """With probability `p`, paste up to `regions` regions of rare `classes` (all, if empty) of another sample.

    A region has at least `least` pixels, and moves by up to `shift` times the image's height and width.
    """

    p: float = 0.5
    regions: int = 3
    classes: tuple[str, ...] = ()
    least: int = 16
    shift: float = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Preprocessing and augmentation, as plain data. `origin` is what errors call it.

    `span` is what pixels are at their darkest and brightest, (0, 255), (0, 65535) or (0, 1) by dtype unless given. `scaled`:
    pixels are read through the scale and offset of their files.
    `transforms` are albumentations' own names and arguments.
    """

    resize: Resize | None = None
    normalise_by: Normalise | Statistics = "imagenet"
    span: Span | None = None
    crop: Crop | None = None
    copy_paste: CopyPaste | None = None
    transforms: tuple[Any, ...] = ()
    scaled: bool = False
    origin: str = field(default="recipe", compare=False)

    def with_statistics(self, mean: Sequence[float], std: Sequence[float]) -> Self:
        """The same, but `normalise: dataset` becomes these values (0..1, one per band); other recipes stay as they are."""
        if self.normalise_by != "dataset":
            return self
        return replace(self, normalise_by=Normalise(tuple(map(float, mean)), tuple(map(float, std))))

    def values_of(self, raster: Raster) -> Raster:
        """An open image as a model reads it: uint8, uint16 or float32. Raises `DataError` (`image.type`, `image.scale`)."""
        return as_values(raster, convert=self.span is not None, scaled=self.scaled)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) that an image is given for the model."""
        return (height, width) if self.resize is None else self.resize.target(height, width)

    def finer(self, times: int) -> Self:
        """The same, but images become `times` as high and wide. Raises `OptionError` without `resize`."""
        if times == 1:
            return self
        if self.resize is None:
            raise OptionError(
                f"--mask-scale {times}: is for images that are resized, as by --short-side; their masks have no more detail"
            )
        crop = self.crop and replace(self.crop, size=(self.crop.size[0] * times, self.crop.size[1] * times))
        return replace(self, resize=replace(self.resize, times=times), crop=crop)

    def prepare(self, image: Pixels) -> Pixels:
        """(H, W, C) -> (h, w, C), resized for the model; dtype stays. Raises `DataError` (`image.too_large`)."""
        return resize_image(image, self._target(image))

    def prepare_mask(self, mask: Mask) -> Mask:
        """(H, W) -> (h, w) ids that lie under `prepare`'s pixels. Raises as it does."""
        return resize_mask(mask, self._target(mask))

    def _target(self, pixels: Pixels) -> tuple[int, int]:
        height, width = self.resized(*pixels.shape[:2])
        if self.resize is not None:  # a recipe, as that of a checkpoint, may be a stranger's
            refuse_large(height, width, pixels.itemsize * (pixels.shape[2] if pixels.ndim == 3 else 1))
        return height, width

    def normalise(self, image: Pixels) -> NDArray[np.float32]:
        """(H, W, C) -> (C, H, W) float32: (x - mean) / std, x in 0..1 of the span; with `none` x itself; NaN -> the mean.

        Raises `OptionError` for other bands than mean and std have, or if `dataset` has no numbers yet.
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
