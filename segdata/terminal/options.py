"""Options that belong to the terminal alone, as decorators that several commands share, and what they turn into."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from segdata.errors import OnError, Report
from segdata.terminal.echo import echo

if TYPE_CHECKING:
    from segdata.executors.run import Run

Command = TypeVar("Command", bound=Callable[..., Any])


def jobs_option(command: Command) -> Command:
    """`-j` and `--dask`: the command is given one of them as `jobs`, for `running`."""

    @click.option("-j", "--jobs", type=int, metavar="N",
                  help="Number of processes; 0 for one per core. The result is the same.  [default: 1]")  # fmt: skip
    @click.option("--dask", metavar="ADDRESS",
                  help="Use the workers of this Dask scheduler instead, such as tcp://10.0.0.1:8786.")  # fmt: skip
    @wraps(command)
    def given_one(*arguments: Any, jobs: int | None, dask: str | None, **given: Any) -> Any:
        if jobs is not None and dask is not None:
            raise click.UsageError("-j and --dask cannot go together")
        return command(*arguments, jobs=(1 if jobs is None else jobs) if dask is None else dask, **given)

    return given_one  # type: ignore[return-value]


def on_error_option(command: Command) -> Command:
    """`--on-error`."""
    return click.option(
        "--on-error", type=click.Choice(get_args(OnError)), default="stop", show_default=True,
        help="At a bad file or annotation: stop and write nothing, or leave such images out and list them.",
    )(command)  # fmt: skip


def run_options(command: Command) -> Command:
    """`-j`, `--dask` and `--on-error`."""
    return on_error_option(jobs_option(command))


def map_file_option(command: Command) -> Command:
    """`--map-file`: what it holds is added to the classes of `--map`, which come first."""

    @click.option(
        "--map-file", type=click.Path(), help="The same as --map from a file: a JSON object or CSV lines old,new."
    )
    @wraps(command)
    def merged(*arguments: Any, map_file: str | None, **given: Any) -> Any:
        if map_file is not None:
            from segdata.readers.classes.files import read_map

            given["map"] = {**read_map(map_file), **given.get("map", {})}
        return command(*arguments, **given)

    return merged  # type: ignore[return-value]


@contextmanager
def running(jobs: int | str, on_error: OnError, label: str) -> Iterator[Run]:
    """The Run that the options ask for, with a progress bar where a person is watching."""
    from segdata.executors.run import Run, workers

    def track(items: Iterator[Any], total: int) -> Iterable[Any]:
        if not sys.stderr.isatty():
            yield from items
            return
        steps = max(1, total // 500)
        with click.progressbar(items, total, label, show_pos=True, file=sys.stderr, update_min_steps=steps) as bar:
            yield from bar

    gc.set_threshold(50_000)  # a command makes many objects and hardly a cycle
    with workers(jobs) as executor:
        report = Report(on_error)
        yield Run(executor, report, track)
        show_problems(report)


def show_problems(report: Report, limit: int = 20) -> None:
    """What was left out, on stderr; the receipt has all of it."""
    for problem in report.problems[:limit]:
        echo(f"left out: {problem}", err=True)
    if len(report.problems) > limit:
        echo(f"left out: and {len(report.problems) - limit} more, see the receipt", err=True)
