"""`segdata evaluate`: predictions against truth."""

from __future__ import annotations

from typing import Any

import click

from segdata.metrics import METRICS
from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.text import csv_text, json_text

MEASURES = {f"{module}:measure": "Metrics" for module in METRICS.values()}
"""The functions that have the options of the metrics."""


@operation("segdata.ops.evaluate.operation:evaluate", MEASURES)
@click.option(
    "--conventions",
    is_flag=True,
    help="Show what other libraries would print for the same pixels: torchmetrics, MONAI and others.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a line per class, and one of means.")
@click.option("--csv-images", type=click.Path(), metavar="FILE", help="Write CSV to FILE: a line per image and class.")
@click.option("--html", type=click.Path(), metavar="FILE", help="Write an HTML page with charts and images.")
@run_options
def evaluate(
    pred: str, truth: str, jobs: int | str, on_error: Any, conventions: bool, as_json: bool, as_csv: bool, csv_images: str | None,
    html: str | None, **given: Any,
) -> None:  # fmt: skip
    """Measure how well masks PRED agree with true masks TRUTH.

    PRED holds predicted masks: a dataset, or a folder of mask files of any program. Samples of the same id are compared.

    \b
    segdata evaluate predictions mydata --split val
    segdata evaluate predictions mydata --html evaluation.html
    segdata evaluate predictions mydata --compare older --conventions
    segdata evaluate masks/ mydata --match "{stem}_pred"
    segdata evaluate predictions mydata --slice weather.csv:weather
    """
    from segdata.files.places import place, write_whole
    from segdata.ops.evaluate.operation import evaluate
    from segdata.ops.evaluate.text import evaluation_lines

    if as_json and as_csv:
        raise click.UsageError("--json and --csv cannot go together")
    with running(jobs, on_error, "evaluating") as run:
        shown = conventions or as_json or html is not None
        found = evaluate(pred, truth, run=run, **{"boundary_paper": shown, **given})
    if html is not None:
        from segdata.ops.evaluate.page import evaluate_page

        evaluate_page(found, pred, truth, html, other=given.get("other"), match=given.get("match"))
    if csv_images is not None and found.by_image is not None:
        text = csv_text(found.by_image.table(found.labels))
        write_whole(place(csv_images), f"{text}\n".encode())
    lines = evaluation_lines(found, conventions)
    table = json_text(found.to_json()) if as_json else csv_text(found.rows()) if as_csv else None
    echo(lines if table is None else table.splitlines())
    for file in filter(None, (csv_images, html)):
        echo(f"wrote {file}", err=as_json or as_csv)
