"""`segdata train auto`."""

from __future__ import annotations

from typing import Any

import click

from segdata.nn.options import need_extra
from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import jobs_option, running
from segdata.terminal.text import json_lines


@operation("segdata.nn.auto.operation:train_auto")
@jobs_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def auto(dataset: str, run_dir: str, jobs: int | str, as_json: bool, **given: Any) -> None:
    """Train on DATASET by a plan that the data decides, within a budget of time.

    Sizes, bands, classes and objects of DATASET, and a short probe of the machine, give RUN/plan.yaml: model, size, augmentation,
    loss, sampling and number of updates, each with its reason. Then the model is trained, calibrated and tuned, and becomes
    RUN/bundle.pt, for segdata predict. Repeat the command to go on after a stop.

    \b
    segdata train auto mydata run1 --budget 20m
    segdata train auto mydata run2 --plan-only
    segdata train auto mydata run2 --plan edited.yaml
    segdata train auto mydata run3 --budget 2h --folds 5
    """
    need_extra()
    from segdata.nn.auto.operation import train_auto
    from segdata.nn.auto.text import ShowAuto, closing_lines

    show = ShowAuto(err=as_json)
    with running(jobs, "stop", "checking labels") as run:
        found = train_auto(dataset, run_dir, announce=show.plan, begin=show.begin, end=show.end, run=run, **given)
    echo(json_lines(found.to_json()) if as_json else closing_lines(run_dir, found))
