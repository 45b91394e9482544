"""`segdata evaluate`: predictions against truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from segdata.metrics.options import command_options
from segdata.terminal.options import run_options, running

KINDS: dict[str, dict[str, Any]] = {
    "bool": {"is_flag": True, "default": None},
    "int": {"type": int, "metavar": "N"},
    "float": {"type": float, "metavar": "X"},
    "str": {"metavar": "TEXT"},
}
"""How click takes an option of each type."""


def metric_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of the metrics."""
    for option in reversed(command_options()):
        name = f"--{option.name.replace('_', '-')}"
        command = click.option(name, option.name, help=option.help, **KINDS[option.kind])(command)
    return command


@click.command()
@click.argument("pred", type=click.Path())
@click.argument("truth", type=click.Path())
@click.option("--split", help="Evaluate this split of TRUTH alone.")
@click.option(
    "--missing",
    type=click.Choice(["list", "stop", "miss"]),
    help="Truth without a prediction: list it and leave it out (default), stop, or count its pixels as missed.",
)
@metric_options
@click.option("--background", metavar="CLASS", help="Give means without it too (default the class called background).")
@click.option(
    "--resample",
    type=click.Choice(["image", "group"]),
    help="What intervals draw from (default groups where TRUTH has any, else images).",
)
@click.option("--draws", type=int, metavar="N", help="How often (default 1000; 0 for no intervals).")
@click.option("--seed", type=int, metavar="N", help="Of these draws (default 0).")
@click.option("--compare", "other", type=click.Path(), metavar="OTHER", help="A second prediction: PRED minus OTHER.")
@click.option(
    "--conventions", is_flag=True, help="What torchmetrics, smp, MMSegmentation and cityscapesScripts would say."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="A line a class, and one of means.")
@click.option("--html", type=click.Path(), metavar="FILE", help="Write a page to look at.")
@run_options
def evaluate(
    pred: str, truth: str, jobs: int | str, on_error: Any, conventions: bool, as_json: bool, as_csv: bool, html: str | None,
    **given: Any,
) -> None:  # fmt: skip
    """How well PRED, a dataset of predicted masks, agrees with TRUTH, one of true masks, sample by sample of the same id.

    \b
    segdata evaluate predictions mydata --split val
    segdata evaluate predictions mydata --html evaluation.html
    segdata evaluate predictions mydata --compare older --conventions
    """
    from segdata.ops.evaluate.operation import evaluate
    from segdata.ops.evaluate.text import csv_text, evaluation_lines, json_text

    if as_json and as_csv:
        raise click.UsageError("--json and --csv cannot go together")
    options = {name: value for name, value in given.items() if value is not None}
    with running(jobs, on_error, "evaluating") as run:
        found = evaluate(pred, truth, run=run, **options)
    if html is not None:
        from segdata.ops.evaluate.page import evaluate_page

        evaluate_page(found, pred, truth, html)
    lines = evaluation_lines(found, conventions)
    click.echo(json_text(found) if as_json else csv_text(found) if as_csv else "\n".join(lines))
    if html is not None:
        click.echo(f"wrote {html}", err=as_json or as_csv)
