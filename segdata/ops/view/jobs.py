"""What the page has asked to be made, each in a thread of its own: how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any, Literal

from segdata.errors import OnError, Report, SegdataError
from segdata.executors.run import Run
from segdata.ops.view.answers import BROKEN, Refusal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job came to: its receipt, and what a terminal would say of it."""

    receipt: Mapping[str, Any]
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made: the name of the act, where, the command line that does the same (None: there is none), the command
    that comes next, and the work itself."""

    act: str
    destination: str
    command: str | None
    next: str | None
    work: Callable[[Run], Outcome]
    on_error: OnError = "stop"


@dataclass(eq=False)
class Job:
    """An order under way, as `Order` has it. `done` is a share; `message` says why it failed."""

    number: int
    act: str
    destination: str
    command: str | None
    next: str | None
    state: Literal["running", "done", "failed"] = "running"
    done: float = 0.0
    message: str = ""
    outcome: Outcome | None = None

    def work(self, order: Order) -> None:
        """Do it. An error of the program is left to the thread, and told as one."""
        try:
            self.outcome = order.work(Run(None, Report(order.on_error), self._track))
            self.done, self.state = 1.0, "done"
        except SegdataError as error:
            self.message = str(error)
        except OSError as error:
            self.message = f"{error.filename or self.destination}: {error.strerror or error}"
        except MemoryError:
            self.message = "out of memory: select fewer samples"
        finally:
            if self.state == "running":
                self.message = self.message or BROKEN
                self.state = "failed"

    def _track(self, items: Iterator[Any], total: int) -> Iterable[Any]:
        for number, item in enumerate(items, 1):
            yield item
            self.done = number / total

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        outcome = self.outcome
        return {
            "job": self.number, "name": self.act, "destination": self.destination, "command": self.command,
            "next": self.next, "state": self.state, "done": self.done, "message": self.message,
            "receipt": None if outcome is None else outcome.receipt, "lines": [] if outcome is None else outcome.lines,
        }  # fmt: skip


@dataclass(eq=False)
class Jobs:
    """All jobs, in the order in which they were begun. What they worked on, such as a million ids, is not kept."""

    all: list[Job] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, order: Order) -> Job:
        """Begin one. Raises `Refusal` if one is under way there."""
        with self._lock:
            if any(job.state == "running" and job.destination == order.destination for job in self.all):
                raise Refusal(409, "running", f"{order.destination}: is being made already: wait for it")
            job = Job(len(self.all) + 1, order.act, order.destination, order.command, order.next)
            self.all.append(job)
        Thread(target=job.work, args=(order,), name=f"segdata-view-{order.act}", daemon=True).start()
        return job
