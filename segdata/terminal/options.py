"""Option groups that several commands share, as decorators, and what they turn into."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from segdata.errors import OnError, Report
    from segdata.executors.run import Run

Command = TypeVar("Command", bound=Callable[..., Any])


def jobs_option(command: Command) -> Command:
    """`-j` and `--dask`: the command is given one of them as `jobs`, for `running`."""

    @click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=0),
        show_default="1",
        metavar="N",
        help="Processes; 0 is one per core. The result is the same.",
    )
    @click.option(
        "--dask", metavar="ADDRESS", help="Instead: the workers of this Dask scheduler, as tcp://10.0.0.1:8786."
    )
    @wraps(command)
    def given_one(*arguments: Any, jobs: int | None, dask: str | None, **given: Any) -> Any:
        if jobs is not None and dask is not None:
            raise click.UsageError("-j and --dask cannot go together")
        return command(*arguments, jobs=(1 if jobs is None else jobs) if dask is None else dask, **given)  # fmt: skip

    return given_one  # type: ignore[return-value]


def on_error_option(command: Command) -> Command:
    """`--on-error`."""
    return click.option(
        "--on-error", type=click.Choice(["stop", "skip"]), default="stop", show_default=True,
        help="At a bad file or annotation: stop and leave nothing, or leave such images out and list them.",
    )(command)  # fmt: skip


def run_options(command: Command) -> Command:
    """`-j`, `--dask` and `--on-error`."""
    return on_error_option(jobs_option(command))


def class_options(command: Command) -> Command:
    """`--map`, `--map-file`, `--only`, `--drop` and `--unlisted`."""
    options = [
        click.option("--map", "map", multiple=True, metavar="OLD=NEW", callback=pairs,
                     help="Rename or merge a class by name; NEW may be 'ignore'. Repeat for more."),
        click.option("--map-file", type=click.Path(), help="The same from a JSON object or CSV lines old,new."),
        click.option("--only", multiple=True, metavar="CLASS", help="Keep these classes. Repeat for more."),
        click.option("--drop", multiple=True, metavar="CLASS", help="Make a class void. Repeat for more."),
        click.option("--unlisted", type=click.Choice(["keep", "ignore", "background"]),
                     help="Classes that --map (default keep) or --only (default ignore) does not name."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@contextmanager
def running(jobs: int | str, on_error: OnError, label: str) -> Iterator[Run]:
    """The Run that the options ask for, with a progress bar where a person is watching."""
    from segdata.errors import Report
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
        click.echo(f"left out: {problem}", err=True)
    if len(report.problems) > limit:
        click.echo(f"left out: and {len(report.problems) - limit} more, see the receipt", err=True)


def pixels(context: click.Context, parameter: click.Parameter, value: str | None) -> int | tuple[int, int] | None:
    """A click callback: `512`, or `HEIGHTxWIDTH`."""
    if value is None:
        return None
    try:
        both = tuple(int(part) for part in value.lower().split("x"))
    except ValueError:
        both = ()
    if len(both) not in (1, 2):
        raise click.BadParameter(f"{value!r}: must be pixels, like 512, or HEIGHTxWIDTH, like 384x512")
    return both[0] if len(both) == 1 else (both[0], both[1])


def height_width(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """A click callback: the same as (height, width); one number is both."""
    given = pixels(context, parameter, value)
    both = (given, given) if isinstance(given, int) else given
    if both is not None and min(both) < 1:
        raise click.BadParameter(f"{value}: must be 1 pixel or more")
    return both


def pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """A click callback: `OLD=NEW` options as a dict."""
    out: dict[str, str] = {}
    for value in values:
        old, equals, new = value.partition("=")
        if not (old and equals and new):
            raise click.BadParameter(f"{value!r} is not OLD=NEW")
        if out.setdefault(old, new) != new:
            raise click.BadParameter(f"{old!r} becomes {out[old]!r} and {new!r}: give one of them")
    return out
