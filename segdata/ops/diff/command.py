"""`segdata diff`: what changed between two labellings."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.text import json_text


@operation("segdata.ops.diff.operation:diff")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--html", type=click.Path(), metavar="FILE", help="Write an HTML page with charts, and regions before and after."
)
@click.option("--exit-code", is_flag=True, help="Exit with code 1 if anything differs, or could not be compared.")
@run_options
def diff(jobs: int | str, on_error: Any, as_json: bool, html: str | None, exit_code: bool, **given: Any) -> None:
    """Tell what changed from labels A to labels B.

    Looked at are classes, samples and pixels: how many went from each class to each other one, and in which regions. A and B are
    datasets: two versions, two conversions, two annotators. One may be a folder of mask files, named after the samples of the
    other. Manifests tell which masks are the same: segdata check finds those edited since.

    \b
    segdata diff mydata-v1 mydata-v2
    segdata diff mydata-v1 mydata-v2 --html diff.html
    segdata diff released rebuilt --exit-code    # holds a dataset still
    segdata diff mydata masks/ --match "{stem}_labels"
    """
    from segdata.ops.diff.operation import diff
    from segdata.ops.diff.text import difference_lines

    with running(jobs, on_error, "comparing") as run:
        found = diff(run=run, **given)
    if html is not None:
        from segdata.ops.diff.page import diff_page

        diff_page(found, html)
    echo(json_text(found.to_json()).splitlines() if as_json else difference_lines(found))
    if html is not None:
        echo(f"wrote {html}", err=as_json)
    if exit_code and not found.same:
        click.get_current_context().exit(1)
