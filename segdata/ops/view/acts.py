"""What can be made of a selection: a list, datasets with or without it, a split, tasks. The dataset itself is never changed.

Each act is an operation of segdata with its receipt, and is told as the command line that does the same.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segdata.dataset.dataset import Dataset
from segdata.dataset.id_lists import LISTS, is_list, write_list
from segdata.dataset.job import folder_name
from segdata.errors import SegdataError
from segdata.executors.run import Run
from segdata.files.places import place, real
from segdata.ops.export.operation import export
from segdata.ops.export.text import export_line, receipt_lines
from segdata.ops.select.operation import select
from segdata.ops.select.text import select_lines
from segdata.ops.suspects.relabel import relabel_folder
from segdata.ops.view.answers import Refusal, answer
from segdata.ops.view.asked import asked, refuse_unknown
from segdata.ops.view.jobs import Jobs, Order, Outcome
from segdata.ops.view.session import Session
from segdata.ops.view.tasks import TOOLS, Region, export_arguments, refuse_outside, write_tasks
from segdata.terminal.text import csv_text, dataset_line
from segdata.words import STEERING
from segdata.writers import summary


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """What the page asks for: of these samples, or these regions, something at `destination`.

    `split`: the name of a new split. `tool`, `ignored`, `proposals`: see `export_arguments`. `skip`: leave bad images out.
    `preview`: only say which command does it, and refuse what cannot be.
    """

    destination: str
    ids: list[str] = []
    regions: list[Region] = []
    split: str | None = None
    tool: str | None = None
    ignored: str | None = None
    proposals: bool = False
    skip: bool = False
    preview: bool = False


def routes(session: Session) -> list[Route]:
    """What was made, and making it."""
    jobs = Jobs()

    def listed(_: Request) -> Response:
        about = {"folder": os.getcwd(), "name": folder_name(session.truth), "suggested": suggested(session)}
        return answer({**about, "tools": TOOLS, "jobs": [job.to_json() for job in jobs.all]})

    def begin(given: Asked, act: str) -> Response:
        order = order_of(session, act, given)
        if given.preview:
            return answer({"command": order.command, "next": order.next})
        return answer(jobs.begin(order).to_json(), 202)

    return [Route("/api/acts", listed), asked("/api/acts/{act}", Asked, begin)]


def order_of(session: Session, act: str, given: Asked) -> Order:
    """What is to be done. Raises `Refusal`."""
    if act not in ACTS:
        raise Refusal(404, "act", f"there is no act {act!r}: there are {', '.join(ACTS)}")
    if session.changed:
        raise Refusal(409, "changed", "the dataset was changed since it was opened: open it anew first")
    destination = os.path.expanduser(given.destination.strip())
    refuse_destination(session, destination)
    if not given.regions:
        refuse_unknown(session, given.ids)
    return ACTS[act](session, given, destination)


def refuse_destination(session: Session, destination: str) -> None:
    """Raise `Refusal` for no destination, and for one in what is looked at."""
    if not destination or STEERING.search(destination):
        raise Refusal(422, "destination", "say where to write it: a path")
    there = real(destination)
    for one in (session.truth, *session.preds):
        root = real(one.root)
        if f"{there}/".startswith(f"{root.rstrip('/')}/"):
            raise Refusal(422, "destination", f"{destination}: is in {folder_name(one)}, which is never changed")


def list_order(session: Session, given: Asked, destination: str) -> Order:
    """A list of the ids. Raises `Refusal`."""
    if not is_list(destination):
        raise Refusal(422, "destination", f"{destination}: must end in {' or '.join(LISTS)}, as a list")

    def work(run: Run) -> Outcome:
        write_list(place(destination), list_text(destination, given.ids), [], overwrite=False)
        return Outcome({"ids": len(given.ids)}, [f"list:        {destination}: {len(given.ids):,} ids"])

    following = command("select", session, "OUT", "--ids", destination)
    return Order("list", destination, None, following, work)


def list_text(path: str, ids: list[str]) -> str:
    """What a list holds."""
    return csv_text([["id"], *([id] for id in ids)]) if path.lower().endswith(".csv") else "\n".join(ids)


def select_order(session: Session, given: Asked, destination: str, *, act: str, option: str) -> Order:
    """A dataset, by `segdata select`. Raises `Refusal`."""
    ids = list_beside(destination)
    options: dict[str, Any] = {option: ids}
    if act == "split":
        if not given.split:
            raise Refusal(422, "split", "say what the new split is called")
        options["to_split"] = given.split
    flags = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]

    def work(run: Run) -> Outcome:
        whole = Dataset.of(session.options.dataset)  # no image is opened, so none need be in reach of the page
        made = select(whole, destination, **options, run=run)
        receipt = made.read_receipt()
        return Outcome(receipt, [*select_lines(receipt), dataset_line(made, destination)])

    following = shlex.join(["segdata", "info", destination])
    line = command("select", session, destination, *flags, *skipping(given))
    return Order(act, destination, line, following, with_list(ids, given.ids, destination, work), on_error(given))


def tasks_order(session: Session, given: Asked, destination: str) -> Order:
    """Tasks for a labelling tool, of regions if there are any, otherwise of samples. Raises `Refusal`."""
    if given.regions:
        refuse_outside(session, given.regions)
        there = relabel_folder(destination)
        work = partial(write_tasks, session, given.regions, there)
        return Order("tasks", destination, None, None, lambda run: work())
    tool = given.tool or ""
    options, ids = export_arguments(tool, given.ignored, given.proposals), list_beside(destination)
    flags = [word for name, value in options.items() for word in (f"--{name.rstrip('_')}", value)]

    def exported(run: Run) -> Outcome:
        written = export(tool, session.truth, destination, ids=ids, run=run, **options)
        receipt = written.read_receipt() if isinstance(written, Dataset) else written.receipt
        line = export_line(tool, summary(tool, written), destination, receipt, is_dataset=False)
        return Outcome(receipt, [*receipt_lines(receipt), line])

    following = shlex.join(["segdata", "convert", "auto", destination, "NEW"])
    line = command("export", session, destination, "--ids", ids, *flags, *skipping(given), before=(tool,))
    return Order(
        "tasks", destination, line, following, with_list(ids, given.ids, destination, exported), on_error(given)
    )


ACTS: dict[str, Callable[[Session, Asked, str], Order]] = {
    "list": list_order,
    "without": partial(select_order, act="without", option="without"),
    "keep": partial(select_order, act="keep", option="ids"),
    "split": partial(select_order, act="split", option="ids"),
    "tasks": tasks_order,
}
"""What the page may ask for."""


def list_beside(destination: str) -> str:
    """Where the list stands that an act takes: beside what it makes."""
    return f"{destination.rstrip('/')}.ids.txt"


def with_list(path: str, ids: list[str], destination: str, work: Callable[[Run], Outcome]) -> Callable[[Run], Outcome]:
    """The work, with the list that it takes written before. If nothing is made, the list does not stay either."""

    def done(run: Run) -> Outcome:
        file = place(path)
        was_there = file.exists()
        write_list(file, list_text(path, ids), [], overwrite=False)
        try:
            return work(run)
        except SegdataError:
            if not was_there and not place(destination).exists():
                file.unlink(missing_ok=True)
            raise

    return done


def command(name: str, session: Session, destination: str, *flags: str, before: tuple[str, ...] = ()) -> str:
    """The command line that does the same."""
    paths = [_argument(str(session.truth.root)), _argument(destination)]
    return shlex.join(["segdata", name, *before, *paths, *flags])


def _argument(path: str) -> str:
    """A path that no command takes for an option."""
    return f"./{path}" if path.startswith("-") else path


def on_error(given: Asked) -> Any:
    """What is done at a bad image."""
    return "skip" if given.skip else "stop"


def skipping(given: Asked) -> list[str]:
    """The option that says so."""
    return ["--on-error", "skip"] if given.skip else []


def suggested(session: Session) -> dict[str, str]:
    """A free place in the working directory for each act."""
    name = folder_name(session.truth)
    names = {"list": f"{name}-ids.txt", "without": f"{name}-without", "keep": f"{name}-selection"}
    return {act: free(one) for act, one in {**names, "split": f"{name}-split", "tasks": f"{name}-tasks"}.items()}


def free(name: str) -> str:
    """The name, or with a number if that is taken."""
    stem, ending = os.path.splitext(name) if name.endswith(LISTS) else (name, "")
    number, one = 2, name
    while Path(one).exists() or Path(list_beside(one)).exists():
        one, number = f"{stem}-{number}{ending}", number + 1
    return one
