"""The settings of a refinement, a dense CRF and then morphology, as values and as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DatasetError, OptionError, reason
from segdata.files.places import read_bytes
from segdata.files.remote import Place
from segdata.labels import Labels, Mask
from segdata.refinement.crf import dense_crf, label_probs
from segdata.refinement.lattice import Floats, Shelf
from segdata.refinement.morphology import Step, tidy
from segdata.words import suggest

FORMAT = 1

MOST = 1000
"""The most iterations of a CRF, and steps of morphology, that a model may ask for."""


@dataclass(frozen=True, slots=True)
class CrfSettings:
    """The arguments of `segdata.dense_crf`; `certainty` is that of class ids if there are no scores (`label_probs`).

    `bilateral_srgb` is in units of 8-bit images; other images are stretched to 8 bits, see `as_bytes`.
    """

    iterations: int = 10
    gaussian_sxy: float = 3
    gaussian_compat: float = 3
    bilateral_sxy: float = 80
    bilateral_srgb: float = 13
    bilateral_compat: float = 10
    certainty: float = 0.7

    def __post_init__(self) -> None:
        """Raises `OptionError`."""
        numbers = asdict(self)
        if not all(isinstance(v, int | float) and np.isfinite(v) for v in numbers.values()):
            raise OptionError(f"CRF settings must be numbers: {numbers}")
        if type(self.iterations) is not int:
            raise OptionError(f"{self.iterations!r} iterations: must be a whole number")
        if self.iterations < 0 or not 0 < self.certainty < 1:
            raise OptionError(
                f"{self.iterations} iterations must be 0 or more, certainty {self.certainty} within 0 to 1"
            )
        if min(self.gaussian_sxy, self.bilateral_sxy, self.bilateral_srgb) <= 0:
            raise OptionError("the sizes of the CRF's Gaussians must be positive")

    def __call__(
        self,
        mask: Mask,
        image: NDArray[Any],
        labels: Labels,
        probs: Floats | None = None,
        shelf: Shelf | None = None,
    ) -> Mask:
        """(H, W) class ids, their (H, W, C) image and, if there are any, their (K, H, W) scores -> (H, W) class ids.

        Ignored pixels do not change. Settings that are tried one after another share a `shelf`. Raises `OptionError`.
        """
        known = mask != labels.ignore
        if not known.any():
            return mask.copy()
        if probs is None:
            probs = label_probs(mask, len(labels.classes), labels.ignore, certainty=self.certainty)
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "certainty"}
        best = dense_crf(as_bytes(image), probs, **given, shelf=shelf).argmax(axis=0).astype(labels.dtype)
        return np.where(known, best, mask)


@dataclass(frozen=True, slots=True)
class Refinement:
    """A CRF, or None to leave it out, then the steps of morphology in their order."""

    crf: CrfSettings | None = CrfSettings()
    steps: tuple[Step, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it does anything."""
        return self.crf is not None or bool(self.steps)

    def __call__(
        self, mask: Mask, labels: Labels, *, image: NDArray[Any] | None = None, probs: Floats | None = None
    ) -> Mask:
        """(H, W) class ids -> (H, W); ignored pixels do not change.

        The CRF uses `image` (H, W, C), and the scores `probs` (K, H, W) if there are any.
        Raises `OptionError`, also for a CRF without an image.
        """
        if self.crf is not None:
            if image is None:
                raise OptionError("a CRF needs the image of the mask: leave the CRF out, or predict with images")
            mask = self.crf(mask, image, labels, probs)
        return tidy(mask, self.steps, labels) if self.steps else mask

    def to_json(self, labels: Labels) -> dict[str, Any]:
        """The settings as JSON, with classes by name."""
        crf = None if self.crf is None else asdict(self.crf)
        steps = [step.to_json(labels) for step in self.steps]
        return {"format": FORMAT, "classes": list(labels.names), "crf": crf, "morphology": steps}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], labels: Labels) -> Refinement:
        """Make a refinement from the result of `to_json`; other keys are not read.

        Raises `DatasetError` if it was made for other classes than those of `labels`, `OptionError` if it is no refinement.
        """
        if data.get("format", FORMAT) != FORMAT:
            raise OptionError(
                f"it has format {data['format']}, this segdata reads {FORMAT}: upgrade segdata, or tune again"
            )
        if data.get("classes") not in (None, list(labels.names)):
            raise DatasetError("made for other classes: tune on predictions of these classes")
        crf = data.get("crf")
        known = [f.name for f in fields(CrfSettings)]
        for name in crf or ():
            if name not in known:
                raise OptionError(f"CRF setting {name!r}: {suggest(name, known)}")
        steps = tuple(Step.from_json(step, labels) for step in data.get("morphology", ()))
        return cls(None if crf is None else CrfSettings(**crf), steps)

    @classmethod
    def of_model(cls, data: Mapping[str, Any] | None, labels: Labels, path: str | Place) -> Refinement | None:
        """The settings that a model's file says, if any; `labels` are the model's. Raises `DatasetError` for damaged ones."""
        if data is None:
            return None
        try:
            found = cls.from_json(data, labels)
        except (ValueError, TypeError, AttributeError, OptionError, DatasetError) as error:
            raise DatasetError(f"{path}: its settings of a refinement are damaged: {reason(error)}") from error
        if max(len(found.steps), 0 if found.crf is None else found.crf.iterations) > MOST:
            raise DatasetError(f"{path}: its settings of a refinement ask for more than {MOST:,} steps")
        return found

    def under(self, labels: Labels, other: Labels) -> Refinement:
        """The same settings for other labels, which have all classes of `labels` by name."""
        return self.from_json({**self.to_json(labels), "classes": None}, other)

    @classmethod
    def read(cls, path: str | Path, labels: Labels) -> Refinement:
        """Read a file of settings, as `segdata refine --tune` writes it. Raises like `from_json`, with the file's name."""
        try:
            data = json.loads(read_bytes(path))
            if not isinstance(data, dict):
                raise OptionError("not a JSON object")
            return cls.from_json(data, labels)
        except DatasetError as error:
            raise DatasetError(f"{path}: {error}") from error
        except OSError as error:
            raise OptionError(f"{path}: cannot be read: {error.strerror or error}") from error
        except (ValueError, TypeError, AttributeError, OptionError) as error:
            raise OptionError(f"{path}: not settings of a refinement: {error}") from error


def as_bytes(image: NDArray[Any]) -> NDArray[Any]:
    """(H, W, C) of any dtype -> (H, W, C) in units of 8-bit images.

    uint8 stays as it is. Otherwise the result is float32: the middle 96 % of each band are stretched to 0..255, and values that
    are NaN or infinite become 0.
    """
    if image.dtype == np.uint8:
        return image
    out = np.zeros(image.shape, np.float32)
    for band in range(image.shape[2]):
        values = image[:, :, band].astype(np.float32)
        known = np.isfinite(values)
        if not known.any():
            continue
        low, high = np.percentile(values[known], [2, 98])
        stretched = (values - low) * (255 / max(high - low, np.finfo(np.float32).tiny * 2**24))
        out[:, :, band] = np.where(known, np.clip(stretched, 0, 255), 0)
    return out
