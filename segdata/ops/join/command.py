"""`segdata join`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.text import dataset_line


@operation("segdata.ops.join.operation:join")
@run_options
def join(datasets: tuple[str, ...], destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Merge DATASETs into one, DST: classes are matched by name.

    \b
    segdata join street1 street2 streets
    """
    from segdata.ops.join.operation import join

    with running(jobs, on_error, "joining") as run:
        made = join(datasets, destination, run=run, **given)
    echo(join_lines(made.read_receipt()))
    echo(dataset_line(made, destination))


def join_lines(receipt: Mapping[str, Any]) -> list[str]:
    """What a join came to."""
    lines = [f"{d['name']}: {d['samples']:,} samples" for d in receipt["datasets"]]
    if receipt["renamed"]:
        first = receipt["renamed"][0]
        lines.append(f"renamed:     {len(receipt['renamed']):,} samples, such as {first['was']}: {first['sample']}")
    return [*lines, *(f"note:        {note}" for note in receipt["notes"])]
