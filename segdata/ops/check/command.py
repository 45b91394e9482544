"""`segdata check`: the integrity gate."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import jobs_option, running
from segdata.terminal.text import json_lines


@operation("segdata.ops.check.operation:check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--html", type=click.Path(), metavar="FILE", help="Write an HTML page with the findings and their images."
)
@jobs_option
def check(dataset: str, jobs: int | str, as_json: bool, html: str | None, **given: Any) -> None:
    """Find what is wrong with DATASET.

    Looked at are files, manifest, classes, masks, images, duplicates and leaks between splits.

    \b
    segdata check mydata                             # reads every mask and image
    segdata check mydata --splits                    # only leaks between splits
    segdata check mydata --html check.html           # a page to look at

    Each finding names the command that repairs it. The exit code is 1 if there are errors; warnings and notes do not
    count.
    """

    from segdata.dataset.dataset import Dataset
    from segdata.ops.check.operation import check
    from segdata.ops.check.text import check_lines

    opened = Dataset.open(dataset)
    with running(jobs, "stop", "checking") as run:
        found = check(opened, run=run, **given)
    if html is not None:
        from segdata.ops.check.page import check_page

        check_page(found, opened, html)
    echo(json_lines(found.to_json()) if as_json else check_lines(found))
    if html is not None:
        echo(f"wrote {html}", err=as_json)
    if not found.ok:
        click.get_current_context().exit(1)
