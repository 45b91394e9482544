"""`segdata remap`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import map_file_option, run_options, running
from segdata.terminal.text import dataset_line


@operation("segdata.ops.remap.operation:remap")
@map_file_option
@run_options
def remap(dataset: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Change the classes of DATASET by name, in a new dataset DST.

    \b
    segdata remap mydata vehicles --map car=vehicle --map bus=vehicle
    segdata remap mydata people --only person --unlisted background
    """
    from segdata.ops.remap.operation import remap

    with running(jobs, on_error, "remapping") as run:
        made = remap(dataset, destination, run=run, **given)
    echo(remap_lines(made.read_receipt()))
    echo(dataset_line(made, destination))


def remap_lines(receipt: Mapping[str, Any]) -> list[str]:
    """What each class now is made of."""
    from segdata.terminal.text import table
    from segdata.words import some

    made: dict[str, list[str]] = {}
    for c in receipt["classes"]:
        made.setdefault(c["class"], []).append(c["source_name"])
    rows = [[name, f"{receipt['pixels'].get(name, 0):,}", some(of)] for name, of in made.items()]
    return [*table([["class", "pixels", "made of"], *rows], " r"), ""]
