"""What an export of a model gives: the file, what it says of itself, and how it compares with the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from segdata.metrics.confusion import plain
from segdata.prediction.exported import Exported


@dataclass(frozen=True, slots=True)
class Change:
    """The mIoU of the checkpoint and of the exported model on the same masks, and the 95 % interval of the change.

    Parts of 1, NaN where nothing is known: no class, or too few images for an interval.
    """

    checkpoint: float
    exported: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """Below 0 if the exported model is worse."""
        return self.exported - self.checkpoint

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        interval = None if np.isnan(self.low) else [self.low, self.high]
        return {
            "mean_iou": plain(self.checkpoint), "exported_mean_iou": plain(self.exported), "change": plain(self.value),
            "change_interval": interval,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parity:
    """An exported model beside its checkpoint on `images` images of `pixels` pixels, at their own size.

    `differ`: pixels whose likeliest class is another. `largest`: the largest difference of a probability. `change`: None without
    masks. `seconds` and `exported_seconds` are of one window, the mean over all; NaN if there was one batch only.
    """

    images: int
    pixels: int
    differ: int
    largest: float
    change: Change | None
    seconds: float
    exported_seconds: float

    @property
    def share(self) -> float:
        """The part of the pixels whose likeliest class differs, 0 to 1."""
        return self.differ / self.pixels if self.pixels else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "images": self.images, "pixels": self.pixels, "differ": self.differ, "share": self.share,
            "largest_difference": self.largest, "seconds": plain(self.seconds),
            "exported_seconds": plain(self.exported_seconds),
            **({} if self.change is None else self.change.to_json()),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """The file at `path`, of `bytes` bytes. `opset` is of an ONNX file, None of others; `parity` None if nothing was compared."""

    path: str
    about: Exported
    bytes: int
    opset: int | None
    checkpoint_bytes: int
    parity: Parity | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        about = self.about
        return {
            "path": self.path, "bytes": self.bytes, "checkpoint_bytes": self.checkpoint_bytes, "opset": self.opset,
            "precision": about.precision, "gives": about.gives, "classes": list(about.contract.names),
            "labels": about.digest, "size": about.size, "least": about.least, "embedding": about.embedding,
            "temperature": about.temperature, "models": about.members, "refinement": about.refinement,
            "plan": about.plan is not None, "parity": None if self.parity is None else self.parity.to_json(),
        }  # fmt: skip
