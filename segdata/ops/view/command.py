"""`segdata view`."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo


@operation("segdata.ops.view.operation:view")
@click.option("--no-browser", is_flag=True, help="Do not open the page in a browser: print its URL only.")
@click.option(
    "--no-token", is_flag=True, help="Let everyone on this machine look, without a token; nothing is written then."
)
def view(dataset: str, preds: tuple[str, ...], no_browser: bool, no_token: bool, **given: Any) -> None:
    """Look at DATASET in the browser, beside predictions if you name them, and act on it.

    \b
    segdata view mydata
    segdata view mydata pred                    # with the predictions in pred
    segdata view mydata pred1 pred2 --port 8900 --no-browser

    The page is served to this machine alone, by one process, until Ctrl-C. From another machine, tunnel to it: ssh -L
    8900:localhost:8900. DATASET is never changed (docs/view.md).
    """
    from segdata.ops.view.operation import view

    shown = view(dataset, *preds, browser=not no_browser, token=not no_token, **given)
    echo(f"looking at {dataset} (Ctrl-C stops):")
    echo(shown.url)
    shown.wait()
