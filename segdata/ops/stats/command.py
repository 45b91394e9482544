"""`segdata stats`: class balance, weights, samplers."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.options import run_options, running


def list_schemes(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """A click callback: print the schemes in place of anything else."""
    if value and not context.resilient_parsing:
        from segdata.ops.stats.text import scheme_lines

        click.echo("\n".join(scheme_lines()))
        context.exit()


@click.command()
@click.argument("dataset", type=click.Path())
@click.option("--split", help="Count this split alone: weights for training are those of the training split.")
@click.option("--recount", is_flag=True, help="Count the masks, not the manifest, and compare the two.")
@click.option("--objects", is_flag=True, help="Connected components of each class and their areas (reads masks).")
@click.option(
    "--images",
    is_flag=True,
    help="Mean and standard deviation of each band: integers in 0..1 of their type, floats as they are (reads images).",
)
@click.option("--sampler", is_flag=True, help="How often each class is seen under uniform and class-aware sampling.")
@click.option(
    "--count",
    type=click.Choice(["images", "objects", "pixels"]),
    help="What the effective number counts (default images; pixels saturate it).",
)
@click.option("--beta", type=float, metavar="B", help="Of the effective number (default 1 - 1/images).")
@click.option(
    "--clamp", type=float, nargs=2, metavar="LEAST MOST", help="Keep weights between these, after --normalise."
)
@click.option(
    "--normalise",
    type=click.Choice(["mean", "sum", "none"]),
    help="Make the weights' mean or sum 1 (default none), before --clamp, which may change it.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="A line a class and split.")
@click.option("--html", type=click.Path(), metavar="FILE", help="Write a page to look at.")
@click.option("--out", type=click.Path(), metavar="FILE", help="Write the weights of --scheme for training.")
@click.option("--scheme", default="median_frequency", show_default=True, help="Which weights --out writes.")
@click.option(
    "--schemes",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=list_schemes,
    help="List the weights, each with formula and source.",
)
@run_options
def stats(
    dataset: str, jobs: int | str, on_error: Any, sampler: bool, as_json: bool, as_csv: bool, html: str | None,
    out: str | None, scheme: str, **given: Any,
) -> None:  # fmt: skip
    """Class balance of DATASET: pixels, images and weights of each class, in all and by split.

    \b
    segdata stats mydata                             # from the manifest: no pixel is read
    segdata stats mydata --html stats.html           # a page to look at
    segdata stats mydata --split train --out weights.json --scheme median_frequency
    """
    from segdata.ops.stats.operation import stats
    from segdata.ops.stats.text import csv_text, difference_error, json_text, stats_lines, write_weights

    if as_json and as_csv:
        raise click.UsageError("--json and --csv cannot go together")
    options = {name: value for name, value in given.items() if value is not None}
    with running(jobs, on_error, "reading") as run:
        found = stats(dataset, run=run, **options)
    if out is not None:
        write_weights(found, scheme, out)
    if html is not None:
        from segdata.ops.stats.page import stats_page

        stats_page(found, dataset, html)
    text = json_text(found) if as_json else csv_text(found) if as_csv else "\n".join(stats_lines(found, sampler))
    click.echo(text)
    for file in filter(None, (out, html)):
        click.echo(f"wrote {file}", err=as_json or as_csv)
    if found.differences:
        raise difference_error(found)
