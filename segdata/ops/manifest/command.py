"""`segdata manifest`."""

from __future__ import annotations

import click


@click.command()
@click.argument("dataset", type=click.Path())
@click.option("--parts", "part", type=click.IntRange(min=1), metavar="N", help="In parts of N samples (default 16384).")
@click.option("--whole", is_flag=True, help="In one file again.")
def manifest(dataset: str, part: int | None, whole: bool) -> None:
    """Write the manifest of DATASET in parts, which are read as they are needed, or whole again.

    Datasets of more than a million samples are written in parts without being asked. docs/scale.md says what that saves.
    """
    from segdata.dataset.manifest import PART
    from segdata.ops.manifest.operation import manifest

    if whole and part is not None:
        raise click.UsageError("--parts and --whole cannot go together")
    written = manifest(dataset, part=None if whole else part or PART)
    click.echo(f"wrote {dataset}/manifest.jsonl: {len(written):,} samples{'' if whole else ' in parts'}")
