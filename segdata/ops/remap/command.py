"""`segdata remap`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from segdata.terminal.options import class_options, run_options, running
from segdata.terminal.text import dataset_line


@click.command()
@click.argument("dataset", type=click.Path())
@click.argument("dst", type=click.Path())
@class_options
@click.option("--overwrite", is_flag=True, help="Replace a dataset at DST.")
@run_options
def remap(dataset: str, dst: str, map_file: str | None, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Change the classes of DATASET by name, in a new dataset DST.

    \b
    segdata remap mydata vehicles --map car=vehicle --map bus=vehicle
    segdata remap mydata people --only person --unlisted background
    """
    from segdata.ops.remap.operation import remap
    from segdata.readers.class_files import read_map

    if map_file is not None:
        given["map"] = {**read_map(map_file), **given["map"]}
    with running(jobs, on_error, "remapping") as run:
        made = remap(dataset, dst, run=run, **given)
    click.echo("\n".join(remap_lines(made.read_receipt())))
    click.echo(dataset_line(made, dst))


def remap_lines(receipt: Mapping[str, Any]) -> list[str]:
    """What each class now is made of."""
    from segdata.terminal.text import table
    from segdata.words import some

    made: dict[str, list[str]] = {}
    for c in receipt["classes"]:
        made.setdefault(c["class"], []).append(c["source_name"])
    rows = [[name, f"{receipt['pixels'].get(name, 0):,}", some(of)] for name, of in made.items()]
    return [*table([["class", "pixels", "made of"], *rows], " r"), ""]
