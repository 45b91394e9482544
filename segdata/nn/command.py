"""`segdata train` and `segdata compare`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import click
import msgspec
from msgspec import inspect

from segdata.nn.options import Training, need_extra
from segdata.terminal.options import height_width, jobs_option, running

Command = Callable[..., Any]

SINGULAR = {"model_options": "model_option"}
"""Options that are given once for each of several."""


def training_options(command: Command) -> Command:
    """An option for each field of `Training`, with its values, default and help. What is not given is left out."""
    about = inspect.type_info(Training)
    for field in reversed(getattr(about, "fields", ())):
        name = f"--{SINGULAR.get(field.name, field.name).replace('_', '-')}"
        names = f"{name}/--no-{name[2:]}" if field.default is True else name
        command = click.option(names, field.name, default=None, **_option(field))(command)
    return command


def _option(field: inspect.Field) -> dict[str, Any]:
    """What click needs to know of a field: its type, its help with the default."""
    kind, text = field.type, ""
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            text = text or (kind.extra_json_schema or {}).get("description", "")
            kind = kind.type
        else:
            kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    default = None if field.default is msgspec.NODEFAULT else field.default
    if isinstance(kind, inspect.BoolType):
        return {"help": f"{text} [default: yes]" if default else text, "is_flag": True}
    told = {"help": text if default in (None, ()) else f"{text} [default: {default}]"}
    match kind:
        case inspect.LiteralType():
            return {**told, "type": click.Choice([str(value) for value in kind.values])}
        case inspect.IntType():
            return {**told, "type": int, "metavar": "N"}
        case inspect.FloatType():
            return {**told, "type": float, "metavar": "X"}
        case inspect.TupleType():
            return {**told, "callback": height_width, "metavar": "PX|HxW"}
        case inspect.VarTupleType():
            return {**told, "multiple": True, "metavar": "CLASS"}
        case inspect.DictType():
            return {**told, "multiple": True, "metavar": "KEY=VALUE", "callback": settings}
    return {**told, "metavar": "TEXT"}


def settings(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any] | None:
    """A click callback: `width=32` options as a dict; values are read as JSON where they are."""
    out: dict[str, Any] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{value!r} is not KEY=VALUE")
        try:
            out[name] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            out[name] = text
    return out or None


@click.command()
@click.argument("dataset", type=click.Path())
@click.argument("run_dir", metavar="RUN", type=click.Path())
@click.option("--config", type=click.Path(), metavar="FILE", help="Options from a YAML file, as RUN/config.yaml is.")
@click.option("--overwrite", is_flag=True, help="Train anew what RUN holds.")
@click.option("--lr-find", is_flag=True, help="Only look for a learning rate: RUN/lr.png shows the loss over it.")
@click.option(
    "--overfit-one-batch", is_flag=True, help="Only see whether one batch can be learnt by heart; exit 1 if not."
)
@training_options
@jobs_option
def train(
    dataset: str, run_dir: str, config: str | None, overwrite: bool, lr_find: bool, overfit_one_batch: bool, jobs: int | str,
    **given: Any,
) -> None:  # fmt: skip
    """Train a model on DATASET; the folder RUN gets its checkpoints, curves and logs. Stopped, it goes on when repeated.

    \b
    segdata train mydata run1
    segdata train mydata run1 --encoder mobilenet_v2 --loss ce+dice --recipe street --short-side 360
    segdata train mydata run2 --config run1/config.yaml --lr 3e-4
    torchrun --nproc-per-node 4 -m segdata train mydata run3 --device cuda --precision bf16 --batch 64
    """
    need_extra()
    from segdata.nn.text import Show, closing_lines
    from segdata.nn.train import train

    options = {name: value for name, value in given.items() if value not in (None, ())}
    if lr_find or overfit_one_batch:
        with running(jobs, "stop", "checking labels") as run:
            probe(dataset, run_dir, lr_find, run=run, config=config, **options)
        return
    show = Show() if os.environ.get("RANK", "0") == "0" else None
    with running(jobs, "stop", "checking labels") as run:
        result = train(
            dataset,
            run_dir,
            config=config,
            overwrite=overwrite,
            run=run,
            **({"watch": show} if show else {}),
            **options,
        )
    if show is not None:
        show.close(result.rows)
        click.echo("\n".join(closing_lines(run_dir, result)))


def probe(dataset: str, run_dir: str, lr_find: bool, **options: Any) -> None:
    """What --lr-find and --overfit-one-batch do."""
    from segdata.nn.probes import find_rate, overfit_one_batch
    from segdata.nn.text import overfit_lines

    if lr_find:
        found = find_rate(dataset, run_dir, **options)
        click.echo(f"the loss falls fastest at --lr {found.suggested:.2g} (of {len(found.rates)} steps)")
        click.echo(f"wrote {run_dir}/lr.png and lr.csv")
        return
    result = overfit_one_batch(dataset, **options)
    click.echo("\n".join(overfit_lines(result)))
    if not result.passed:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path())
@click.option("--out", type=click.Path(), metavar="FILE", help="Draw the curves of all into a .png, .svg or .pdf.")
@click.option("--classes", is_flag=True, help="The IoU of each class too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def compare(runs: tuple[str, ...], out: str | None, classes: bool, as_json: bool) -> None:
    """Trainings side by side: loss, accuracy, mIoU, parameters and seconds of each RUN, at its best epoch.

    Runs that differ in nothing but the seed are summed up too: the mean, and from the least to the most.

    \b
    segdata compare run1 run2 run3 --out compare.png
    """
    from segdata.nn.compare import compare, settings
    from segdata.nn.text import class_lines, run_lines, setting_lines

    need_extra()
    trials = compare(runs, out)
    if as_json:
        click.echo(json.dumps([trial.to_json() for trial in trials], indent=1))
    else:
        click.echo(
            "\n".join(run_lines(trials) + setting_lines(settings(trials)) + (class_lines(trials) if classes else []))
        )
    if out is not None:
        click.echo(f"wrote {out}", err=as_json)
