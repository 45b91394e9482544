"""Predicted masks refined by a dense CRF and morphology, into a dataset of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from segdata.dataset.carry import Move, Origin, carry
from segdata.dataset.dataset import Dataset
from segdata.dataset.job import made_of, pixels_of, receipt_of
from segdata.errors import Problem
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.labels import IGNORE, Labels
from segdata.refinement.apply import must_refine, refine_item
from segdata.refinement.settings import Refinement


def refine(
    pred: Dataset | str | Path,
    destination: str | Path,
    refinement: Refinement | str | Path | None = None,
    *,
    scores: bool = True,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Refine the masks of a dataset of predictions, in a new one: by its scores if there are any, otherwise by its labels.

    `refinement` is a value, or a file of one. Ignored pixels stay. Images too large for one CRF (`MEMORY`) go by
    windows with margins. Scores do not go along: they are no longer those of the masks. Stopped, it goes on when
    repeated; the result is the same from any number of processes.

    Raises `DatasetError` for settings of other classes and for tiles that are views, `OptionError` for settings, and as
    `carry` does.

    Args:
        pred: The dataset of predicted masks, or its folder.
        destination: The folder of the new dataset.
        refinement: The file of settings that segdata refine --tune wrote. By default a CRF with the usual settings.
        scores: Start the CRF from the scores of the predictions, if there are any; otherwise from their labels.
        overwrite: Replace a dataset at `destination`.
    """
    pred = Dataset.of(pred)
    chosen = _chosen(refinement, pred.labels)
    must_refine(pred, chosen)
    options = {"refinement": chosen.to_json(pred.labels), "scores": scores}
    target = Dataset(place(destination), pred.labels, (), made_of("refine", options, [pred]), pred.images, pred.reading)
    moves = [Move(0, sample, sample) for sample in pred]

    def receipt(whole: Dataset, left_out: list[Problem]) -> dict[str, Any]:
        return _receipt(pred, whole, left_out)

    change = partial(refine_item, refinement=chosen, scores=scores)
    beside = [refinement] if isinstance(refinement, str | Path) else []
    origins = [Origin(pred, change)]
    return carry(target, origins, moves, receipt, beside=beside, overwrite=overwrite, run=run or Run())


def _chosen(refinement: Refinement | str | Path | None, labels: Labels) -> Refinement:
    if refinement is None:
        return Refinement()
    return refinement if isinstance(refinement, Refinement) else Refinement.read(refinement, labels)


def _receipt(pred: Dataset, whole: Dataset, left_out: Sequence[Problem]) -> dict[str, Any]:
    """The pixels of each class before and after."""
    kept = {sample.id for sample in whole}
    before, after = pixels_of(pred.select(lambda sample: sample.id in kept)), pixels_of(whole)
    both = [name for name in (*pred.labels.names, IGNORE) if name in before or name in after]
    pixels = {name: {"before": before.get(name, 0), "after": after.get(name, 0)} for name in both}
    return receipt_of("refined", len(pred), left_out, pixels=pixels)
