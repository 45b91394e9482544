"""What a training that plans itself decides, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segdata.files.remote import Place
from segdata.metrics.confusion import plain
from segdata.nn.auto.rules import Plan
from segdata.nn.train import Trained
from segdata.ops.refine.result import Tuned
from segdata.words import briefly


@dataclass(frozen=True, slots=True)
class Tuning:
    """What tuning came to, on `images` images of which it held some out; or why there was none."""

    images: int
    tuned: Tuned | None
    reason: str

    @property
    def kept(self) -> bool:
        """Whether there is a refinement that helps."""
        return self.tuned is not None and any(trial.kept for trial in self.tuned.trials)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        ious = None if self.tuned is None else self.tuned.searched.iou
        return {
            "images": self.images,
            "kept": self.kept,
            "before": None if ious is None else plain(float(ious.before[0])),
            "after": None if ious is None else plain(float(ious.after[0])),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Auto:
    """The result: the folder `root`, its `plan`, the training of each fold (or of the one, by the name ""), and the bundle.

    Of a call that only plans, `trained` is empty, and `tuning` and `bundle` are None.
    """

    __repr__ = briefly

    root: Place
    plan: Plan
    trained: Mapping[str, Trained]
    tuning: Tuning | None = None
    bundle: Place | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "plan": [{"option": one.name, "value": one.value, "reason": one.reason} for one in self.plan],
            "trained": [
                {
                    "fold": fold or None,
                    "mean_iou": plain(found.best.get("mean_iou", float("nan"))),
                    "pixel_accuracy": plain(found.best.get("pixel_accuracy", float("nan"))),
                    "updates": int(found.rows[-1]["step"]) if found.rows else 0,
                    "seconds": found.rows[-1]["seconds"] if found.rows else 0.0,
                    "parameters": found.parameters,
                }
                for fold, found in self.trained.items()
            ],
            "tuning": None if self.tuning is None else self.tuning.to_json(),
            "bundle": None if self.bundle is None else str(self.bundle),
        }
