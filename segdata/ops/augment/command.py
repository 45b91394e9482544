"""`segdata augment`: recipes looked at, timed, and written down."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.commands import operation, taken
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running

SHEET, BENCH, WRITE = (
    f"segdata.ops.augment.{name}" for name in ("sheet:augment_sheet", "bench:bench", "operation:augment")
)


@operation(SHEET, {SHEET: "With --preview", BENCH: "With --bench", WRITE: "With --write"})
@click.argument("dataset", type=click.Path(), required=False)
@click.argument("out", type=click.Path(), required=False)
@click.option("--preview", is_flag=True, help="Write a contact sheet OUT (.png or .jpg): images before and after.")
@click.option("--write", type=int, metavar="N", help="Write a dataset OUT of N augmented versions of each sample.")
@click.option("--bench", is_flag=True, help="Print how many samples per second each part of the recipe makes.")
@click.option("--show", is_flag=True, help="Print the recipe as YAML, to start your own from.")
@click.option("--recipe", default="standard", show_default=True, metavar="NAME|FILE",
              help="none, light, standard, strong, aerial, street, medical, or a YAML file.")  # fmt: skip
@run_options
def augment(
    dataset: str | None, out: str | None, recipe: str, preview: bool, write: int | None, bench: bool, show: bool,
    jobs: int | str, on_error: Any, **given: Any,
) -> None:  # fmt: skip
    """Show, time or write what a recipe makes of DATASET.

    \b
    segdata augment mydata sheet.png --recipe street --preview
    segdata augment mydata --recipe street --bench
    segdata augment --recipe street --show > mine.yaml
    segdata augment mydata augmented --recipe mine.yaml --split train --write 4

    docs/recipes.md says what a recipe may hold.
    """
    if [preview, write is not None, bench, show].count(True) != 1:
        raise click.UsageError("give one of --preview, --write N, --bench and --show")
    if dataset is None and not show:
        raise click.UsageError("Missing argument 'DATASET'.")
    if out is None and (preview or write is not None):
        raise click.UsageError("Missing argument 'OUT'.")
    if show:
        from segdata.recipes.recipe import Recipe

        echo(Recipe.read(recipe).to_yaml().rstrip("\n").split("\n"))
    elif preview:
        from segdata.ops.augment.sheet import augment_sheet

        sheet = augment_sheet(str(dataset), str(out), recipe, **taken(SHEET, given))
        echo(f"wrote {sheet}")
    elif bench:
        from segdata.ops.augment.bench import bench as bench_recipe
        from segdata.terminal.text import table

        rates = bench_recipe(str(dataset), recipe, **taken(BENCH, given))
        rows = [[r.name, f"{r.per_second:,.0f}", f"{1000 / r.per_second:.2f}"] for r in rates]
        echo(table([["on one core", "samples/s", "ms"], *rows], " rr"))
    else:
        from segdata.ops.augment.operation import augment as write_augmented

        given["versions"] = write
        with running(jobs, on_error, "augmenting") as run:
            made = write_augmented(str(dataset), str(out), recipe, run=run, **taken(WRITE, given))
        echo(f"dataset:     {out}: {len(made):,} masks, {len(made.labels.classes)} classes (segdata info {out})")
