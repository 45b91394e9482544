"""`segdata manifest`."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo


@operation("segdata.ops.manifest.operation:manifest")
@click.option("--whole", is_flag=True, help="Write it as one file again.")
def manifest(dataset: str, whole: bool, **given: Any) -> None:
    """Write the manifest of DATASET in parts, or as one file again.

    Parts are read as they are needed. Datasets of more than a million samples are written in parts without being
    asked. docs/scale.md says what that saves.
    """
    from segdata.ops.manifest.operation import manifest

    if whole and given:
        raise click.UsageError("--parts and --whole cannot go together")
    written = manifest(dataset, **{"part": None} if whole else given)
    echo(f"wrote {dataset}/manifest.jsonl: {len(written):,} samples{'' if whole else ' in parts'}")
