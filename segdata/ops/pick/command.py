"""`segdata pick`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.text import dataset_line, json_lines

if TYPE_CHECKING:
    from segdata.ops.pick.result import Picked


@operation("segdata.ops.pick.operation:pick")
@click.argument("destination", required=False, metavar="[DST]")
@click.option("--json", "as_json", is_flag=True, help="Print what was picked as one JSON object.")
@run_options
def pick(pool: str, destination: str | None, as_json: bool, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Pick the images of POOL to label next.

    They are those that a model is least sure of, of rare classes, and unlike each other. POOL is what segdata predict made of
    images without labels. DST is a list (.txt, .csv), or a new dataset with their predicted masks. Without it ids are
    printed.

    \b
    segdata predict run1/best.pt images/ pred
    segdata predict run1/best.pt mydata known           # what is labelled
    segdata pick pred next --n 100 --labelled known
    segdata export labelstudio next tasks --as predictions
    segdata pick pred next.txt --n 100 --per-group 5 --group-by sequence
    segdata pick images/ next.csv --n 100 --model run1/best.pt
    segdata pick week.jsonl next.csv --n 100         # of segdata serve --signals
    """
    from segdata.ops.pick.operation import pick

    with running(jobs, on_error, "picking") as run:
        picked = pick(pool, destination, run=run, **given)
    if as_json:
        echo(json_lines(picked.to_json()))
        return
    echo(picked_lines(picked, destination), err=destination is None)
    if destination is None:
        echo([one.id for one in picked.images])


def picked_lines(picked: Picked, destination: str | None) -> list[str]:
    """What was picked, and what was written of it."""
    images = picked.images
    lines = [
        f"pool:        {picked.pool:,} images, {picked.labelled:,} of them labelled",
        f"picked:      {len(images):,} by {picked.strategy}",
        f"uncertainty: {_mean([one.uncertainty for one in images])} in the mean, {picked.uncertainty:.4f} of all unlabelled ones",
        f"rarity:      {_mean([one.rarity for one in images])} in the mean, 1 over the pixels of the pool",
    ]
    if groups := {one.group for one in images} - {None}:
        lines.append(f"groups:      {len(groups):,}")
    if len(images) < picked.asked:
        lines.append(f"note:        {picked.asked:,} were asked for, and no more may be picked")
    if picked.unknown:
        lines.append(
            f"note:        {picked.unknown:,} labelled images have no embedding, so images near them may have been picked: "
            "predict them with the same model, and give these predictions as --labelled"
        )
    if picked.dataset is not None:
        return [*lines, dataset_line(picked.dataset, str(destination))]
    return [*lines, f"list:        {destination}"] if destination is not None else lines


def _mean(values: list[float]) -> str:
    return f"{sum(values) / max(len(values), 1):.4f}"
