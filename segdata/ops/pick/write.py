"""What was picked, written: a list, or a dataset with the predictions, from which `export` makes tasks for labelling tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from segdata.dataset.carry import Move, Origin, carry
from segdata.dataset.dataset import Dataset
from segdata.dataset.id_lists import is_list
from segdata.dataset.job import made_of, receipt_of
from segdata.errors import OptionError, Problem
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.ops.pick.pool import Pool
from segdata.ops.pick.result import Picked, PickedImage
from segdata.terminal.text import csv_text


class Order(NamedTuple):
    """What is written down of a job: the pool, its options, and other files and folders that it reads."""

    pool: Pool
    options: dict[str, Any]
    beside: Sequence[str | Path | Place]


def refuse_dataset(destination: str | Path, pool: object, model: object) -> None:
    """Raise `OptionError` for what is no list: of images whose predictions are not written, no dataset can be made."""
    if not is_list(destination):
        first = f"segdata predict {'MODEL IMAGES' if model is None else f'{model} {pool}'} PRED"
        why = f"{pool}: has no masks that a dataset could be made of"
        raise OptionError(f"{why}: write a list (.txt or .csv), or {first}, and then segdata pick PRED {destination}")


def list_text(picked: Picked, destination: str | Path) -> str:
    """Ids, a line each, or for .csv a table."""
    is_table = str(destination).lower().endswith(".csv")
    return csv_text(_table(picked)) if is_table else "\n".join(one.id for one in picked.images)


def _table(picked: Picked) -> list[list[object]]:
    names = PickedImage.__struct_fields__
    rows = ([getattr(one, name) for name in names] for one in picked.images)
    return [list(names), *(["" if value is None else value for value in row] for row in rows)]


def write_dataset(picked: Picked, order: Order, destination: str | Path, *, overwrite: bool, run: Run) -> Dataset:
    """The picked images with their predicted masks, under the same ids. Raises as `carry`."""
    source = order.pool.dataset
    made_by = made_of("pick", order.options, [source], order.options["seed"])
    wanted = {one.id for one in picked.images}
    moves = [Move(0, sample, sample) for sample in source if sample.id in wanted]
    target = Dataset(place(destination), source.labels, (), made_by, source.images, source.reading)

    def receipt(whole: Dataset, left_out: list[Problem]) -> dict[str, Any]:
        told = picked.to_json()
        images = [{key: value for key, value in one.items() if key != "image"} for one in told.pop("images")]
        return receipt_of("picked", len(moves), left_out, pick=told | {"images": images})

    return carry(target, [Origin(source)], moves, receipt, beside=order.beside, overwrite=overwrite, run=run)
