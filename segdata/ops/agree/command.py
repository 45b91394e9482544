"""`segdata agree`: labellings beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import click

from segdata.terminal.commands import operation, taken
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.signatures import parameters
from segdata.terminal.text import dataset_line, json_text

if TYPE_CHECKING:
    from segdata.ops.agree.consensus import Method

AGREE, CONSENSUS = "segdata.ops.agree.operation:agree", "segdata.ops.agree.consensus:consensus"

KIND = next(one.type for one in parameters(CONSENSUS) if one.name == "method")


@operation(AGREE, {CONSENSUS: "With --consensus"})
@click.option(
    "--consensus", "method", type=(click.Choice(get_args(KIND)), click.Path()), metavar="METHOD DST",
    help="Write the labels in common as a dataset DST: majority for the class of more than half of the votes, staple for the "
    "likeliest class, given how far each annotator can be trusted. Other pixels are ignored.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--html", type=click.Path(), metavar="FILE", help="Write an HTML page with charts and images.")
@run_options
def agree(
    datasets: tuple[str, ...], method: tuple[Method, str] | None, as_json: bool, html: str | None, jobs: int | str, on_error: Any,
    **given: Any,
) -> None:  # fmt: skip
    """Measure how far the annotators of DATASETs agree.

    Each has labelled the same images, and none is taken to be right. Classes are matched by name, samples by id.

    \b
    segdata agree anna ben
    segdata agree anna ben carla --html agreement.html
    segdata agree anna ben carla --consensus staple together
    """
    from segdata.dataset.destination import refuse_held, state_of
    from segdata.files.places import place
    from segdata.ops.agree.consensus import consensus
    from segdata.ops.agree.operation import agree
    from segdata.ops.agree.text import agreement_lines, consensus_lines

    if method is None and "overwrite" in given:
        raise click.UsageError("--overwrite goes with --consensus")
    if method is not None:
        refuse_held(place(method[1]), datasets)
        state_of(place(method[1]))
    with running(jobs, on_error, "comparing") as run:
        found = agree(datasets, run=run, **taken(AGREE, given))
    echo(json_text(found.to_json()).splitlines() if as_json else agreement_lines(found))
    if html is not None:
        from segdata.ops.agree.page import agree_page

        echo(f"wrote {agree_page(found, html)}", err=as_json)
    if method is not None:
        how, destination = method
        with running(jobs, on_error, "writing") as run:
            made = consensus(found, destination, method=how, run=run, **taken(CONSENSUS, given))
        lines = ["", *consensus_lines(made.read_receipt(), found), dataset_line(made, destination)]
        echo(lines, err=as_json)
