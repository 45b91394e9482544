"""`segdata view`."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo


@operation("segdata.ops.view.operation:view")
@click.argument("preds", nargs=-1, metavar="[PRED]...")
@click.option(
    "--no-browser", "browser", is_flag=True, flag_value=False, default=True,
    help="Do not open the page in a browser: print its URL only.",
)  # fmt: skip
@click.option(
    "--no-token", "token", is_flag=True, flag_value=False, default=True,
    help="Let everyone on this machine look, without a token; nothing is written then.",
)  # fmt: skip
def view(dataset: str, preds: tuple[str, ...] = (), **given: Any) -> None:
    """Look at DATASET in the browser, with predictions.

    \b
    segdata view mydata
    segdata view mydata pred                    # beside the predictions in pred
    segdata view mydata pred1 pred2 --port 8900 --no-browser

    The page is served to this machine alone, by one process, until Ctrl-C. From another machine, tunnel to it: ssh -L
    8900:localhost:8900. DATASET is never changed (docs/view.md).
    """
    from segdata.ops.view.operation import view

    shown = view(dataset, preds, **given)
    echo(f"looking at {dataset} (Ctrl-C stops):")
    echo(shown.url)
    shown.wait()
