"""`segdata toy`."""

from __future__ import annotations

import click


@click.command()
@click.argument("dataset", type=click.Path())
@click.option("--names", is_flag=True, help="Only its id.")
def toy(dataset: str, names: bool) -> None:
    """Say which sample of DATASET is the largest."""
    from segdata.ops.toy.operation import toy

    click.echo(toy(dataset, names=names))
