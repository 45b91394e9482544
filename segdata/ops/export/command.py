"""`segdata export`: a dataset in the form that other programs want."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.options import run_options, running

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def size(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """A click callback: bytes, or `256M`."""
    if value is None:
        return None
    number, unit = (value[:-1], value[-1:].upper()) if not value[-1:].isdigit() else (value, "")
    if not number.isdigit() or unit not in UNITS:
        raise click.BadParameter(f"{value!r}: must be bytes, or like 256M (K, M or G)")
    return int(number) * UNITS[unit]


@click.group()
def export() -> None:
    """Write a dataset in the form that other programs want."""


@export.command()
@click.argument("dataset", type=click.Path())
@click.argument("out", type=click.Path())
@click.option("--split", help="Take this split alone.")
@click.option("--shard-size", callback=size, metavar="BYTES", help="Of a shard at most; K, M and G (default 256M).")
@click.option("--samples-per-shard", type=click.IntRange(min=1), metavar="N", help="In place of --shard-size.")
@click.option("--shard-count", type=click.IntRange(min=1), metavar="N", help="So many shards of each split.")
@click.option(
    "--shuffle", type=click.IntRange(min=0), metavar="SEED", help="Mix the samples (default: in order of id)."
)
@click.option("--overwrite", is_flag=True, help="Replace a dataset at OUT.")
@run_options
def webdataset(dataset: str, out: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Write DATASET as tar shards OUT/shards/SPLIT-000000.tar: image, mask and metadata of each sample.

    \b
    segdata export webdataset mydata shards/ --shuffle 0 --shard-size 1G -j 8
    segdata train shards/ run/                       # OUT is a dataset: every command takes it as it is
    segdata convert webdataset shards/ back/         # and any shards become files again

    WebDataset reads a sample as {"jpg": ..., "mask.png": ..., "json": ...}. An export that was stopped goes on after its
    last whole shard when the command is repeated.
    """
    from segdata.ops.export.operation import export

    options = {name: value for name, value in given.items() if value is not None}
    with running(jobs, on_error, "writing shards") as run:
        written = export("webdataset", dataset, out, run=run, **options)
    shards = written.read_receipt()["shards"]
    held = f"{len(written):,} samples, {shards['bytes']:,} bytes"
    click.echo(f"wrote {shards['number']:,} shards in {out}/shards: {held} (segdata info {out})")
