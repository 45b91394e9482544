"""`segdata preview`."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("dataset", type=click.Path())
@click.argument("out", type=click.Path())
@click.option("--count", default=12, show_default=True, metavar="N", help="How many samples.")
@click.option(
    "--class", "classes", multiple=True, metavar="CLASS", help="Only samples with this class, most of it first."
)
@click.option("--sample", "samples", multiple=True, metavar="ID", help="These samples. Repeat for more.")
@click.option(
    "--sort",
    type=click.Choice(["id", "rarest", "worst"]),
    default="id",
    show_default=True,
    help="Spread over all, rarest classes first, or most void first.",
)
@click.option("--columns", default=3, show_default=True, metavar="N", help="Samples in a row.")
@click.option(
    "--size", type=click.IntRange(16, 4096), default=240, show_default=True, metavar="PX", help="Width of one image."
)
@click.option("--grid", is_flag=True, help="Tiles: the whole images, with the outlines of their tiles.")
def preview(dataset: str, out: str, **options: Any) -> None:
    """Write a contact sheet OUT (.png or .jpg): images, their masks laid over them, and a legend."""
    from segdata.ops.preview.operation import preview

    click.echo(f"wrote {preview(dataset, out, **options)}")
