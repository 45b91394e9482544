"""A refinement for a model that has just been trained, on as many validation images as its time holds."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from segdata.dataset.dataset import Dataset
from segdata.executors.run import Run
from segdata.files.remote import Place
from segdata.metrics.intervals import FEWEST
from segdata.nn.auto.fingerprint import spread
from segdata.nn.auto.result import Tuning
from segdata.ops.predict.operation import predict
from segdata.ops.refine.operation import refine
from segdata.ops.refine.tune import CRFS, tune
from segdata.refinement.settings import Refinement

IMAGES = 100
"""Images that are tuned on at most."""

PASSES = 3.0
"""What tuning takes of an image, by what all of `CRFS` take: masks and steps of morphology come after them."""

LEAST = 2 * FEWEST
"""Images below which there is nothing to tune on: a third of them is held out."""


def tune_in(seconds: float, model: Place, val: Dataset, *, device: str, seed: int, run: Run) -> Tuning:
    """Search a refinement for `model` on images of `val` that it has not learnt from, in about `seconds`.

    Raises as `segdata.predict` and `segdata.tune`.
    """
    if len(val) < LEAST:
        return Tuning(len(val), None, f"{len(val)} validation images are too few, {LEAST} are the least")
    with tempfile.TemporaryDirectory(prefix="segdata-auto-") as folder:
        took = _seconds_of_one(model, val, Path(folder), device)
        number = min(len(val), IMAGES, int(seconds / took))
        if number < LEAST:
            return Tuning(number, None, f"{seconds:.0f} s hold {number} images, {LEAST} are the least")
        chosen = replace(val, samples=spread(val.samples, number))
        pred = predict(str(model), chosen, Path(folder) / "pred", scores=True, signals=False, device=device,
                       trust_code=True, no_refine=True)  # fmt: skip
        tuned = tune(pred, chosen, seed=seed, run=run)
    helps = any(trial.kept for trial in tuned.trials)
    reason = (
        "gains for sure on the images of the search, and loses none on those held out"
        if helps
        else "nothing helps for sure"
    )
    return Tuning(number, tuned, reason)


def _seconds_of_one(model: Place, val: Dataset, folder: Path, device: str) -> float:
    """About what tuning takes of one image, by the second one: the first one compiles."""
    one = replace(val, samples=val.samples[:1])
    pred = predict(
        str(model), one, folder / "one", scores=True, signals=False, device=device, trust_code=True, no_refine=True
    )
    refine(pred, folder / "first", Refinement(CRFS[0]))
    begun = time.monotonic()
    refine(pred, folder / "second", Refinement(CRFS[0]))
    return (time.monotonic() - begun) * len(CRFS) * PASSES
