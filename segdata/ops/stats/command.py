"""`segdata stats`: class balance, weights, samplers."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.text import csv_text, json_text


def list_schemes(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """A click callback: print the schemes in place of anything else."""
    if value and not context.resilient_parsing:
        from segdata.ops.stats.text import scheme_lines

        echo(scheme_lines())
        context.exit()


@operation("segdata.ops.stats.operation:stats")
@click.option(
    "--sampler", is_flag=True, help="Show how often each class is seen under uniform and class-aware sampling."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a line per class and split.")
@click.option("--html", type=click.Path(), metavar="FILE", help="Write an HTML page with charts.")
@click.option(
    "--out", type=click.Path(), metavar="FILE", help="Write the class weights of --scheme to a file, for training."
)
@click.option(
    "--scheme", default="median_frequency", show_default=True, help="The scheme of the weights that --out writes."
)
@click.option(
    "--schemes",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=list_schemes,
    help="List the schemes, each with its formula and source, and stop.",
)
@run_options
def stats(
    dataset: str, jobs: int | str, on_error: Any, sampler: bool, as_json: bool, as_csv: bool, html: str | None,
    out: str | None, scheme: str, **given: Any,
) -> None:  # fmt: skip
    """Print pixels, images and weights of each class of DATASET.

    They are given for all samples and for each split.

    \b
    segdata stats mydata                             # from the manifest alone
    segdata stats mydata --html stats.html           # a page to look at
    segdata stats mydata --split train --out weights.json
    """
    from segdata.ops.stats.operation import stats
    from segdata.ops.stats.text import difference_error, stats_lines, write_weights

    if as_json and as_csv:
        raise click.UsageError("--json and --csv cannot go together")
    with running(jobs, on_error, "reading") as run:
        found = stats(dataset, run=run, **given)
    if out is not None:
        write_weights(found, scheme, out)
    if html is not None:
        from segdata.ops.stats.page import stats_page

        stats_page(found, dataset, html)
    table = json_text(found.to_json()) if as_json else csv_text(found.rows()) if as_csv else None
    echo(stats_lines(found, sampler) if table is None else table.splitlines())
    for file in filter(None, (out, html)):
        echo(f"wrote {file}", err=as_json or as_csv)
    if found.differences:
        raise difference_error(found)
