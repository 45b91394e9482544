"""What can be found out about samples: each analysis runs in the background, one at a time, for one edition of the dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock, Thread
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.errors import Report, SegdataError
from segdata.executors.run import Run
from segdata.ops.view import alike, confidence, doubts, findings, scores
from segdata.ops.view.answers import BROKEN, Refusal
from segdata.ops.view.session import Session, Stopped

T = TypeVar("T")


class Result(Protocol):
    """What an analysis found."""

    @property
    def columns(self) -> Mapping[str, NDArray[np.float32]]:
        """(N,) by name, NaN where unknown."""

    @property
    def message(self) -> str:
        """What people should know of it, in a sentence; or nothing."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """An analysis: of the labels alone, or (`takes`) of predictions, or of their scores. `find` does it."""

    name: str
    title: str
    takes: str | None
    find: Callable[[Sequence[Dataset], Run], Result]
    by_itself: bool = False


ANALYSES = (
    Analysis("evaluate", "Scores: IoU and confusions of each image", "predictions", scores.find, by_itself=True),
    Analysis("suspects", "Suspect labels: what the model contradicts", "scores", doubts.find),
    Analysis("confidence", "Confidence: how sure the model is, and how often right", "scores", confidence.find),
    Analysis("check", "Faults of files, labels and splits (segdata check)", None, findings.find),
    Analysis("duplicates", "Images that are the same, or nearly", "images", alike.find),
)


LOOKED_AT = 1000
"""Samples of a prediction that are looked at for scores."""


@dataclass(eq=False)
class Job:
    """An analysis of the labels, or of prediction `of`, and how far it is. `lacks`: why it cannot be done."""

    analysis: Analysis
    of: int
    title: str
    lacks: str | None
    state: str = "absent"
    done: float = 0.0
    message: str = ""
    result: Any = None
    stopped: bool = False

    @property
    def name(self) -> str:
        """What it goes by: of predictions after the first with their number, as columns have it."""
        return numbered(self.analysis.name, self.of)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        told = {"state": self.state, "done": round(self.done, 4), "message": self.message}
        return {"name": self.name, "title": self.title, "needs": self.lacks, **told}

    def track(self, items: Iterator[T], total: int) -> Iterable[T]:
        """A `Track` that says how far it is, and ends the work if nobody waits for it. Raises `Stopped`."""
        for number, item in enumerate(items, 1):
            if self.stopped:
                raise Stopped
            yield item
            self.done = number / total


def numbered(name: str, of: int) -> str:
    """The name of an analysis or column for a prediction: iou, iou@1."""
    return f"{name}@{of}" if of else name


@dataclass(eq=False)
class Analyses:
    """All analyses of a session. What they find holds for the edition that is open, and is forgotten with it.

    `renewed` is called for each edition; `offered` are the names of the filters that it gave to the session.
    """

    session: Session
    renewed: Callable[[Analyses], None]
    offered: frozenset[str] = frozenset()
    _edition: int = 0
    _jobs: dict[str, Job] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    @property
    def jobs(self) -> Mapping[str, Job]:
        """By name."""
        self.renew()
        return self._jobs

    def renew(self) -> None:
        """Begin anew if another edition is open, and start what starts by itself."""
        with self.session.lock:
            if self._edition != self.session.edition:
                self.stop()
                self._edition = self.session.edition
                self._jobs = {job.name: job for job in jobs_of(self.session)}
                self.renewed(self)
                for job in self._jobs.values():
                    if job.analysis.by_itself and job.lacks is None:
                        self._start(job)

    def stop(self) -> None:
        """End what runs."""
        for job in self._jobs.values():
            job.stopped = True

    def start(self, name: str) -> None:
        """Start one, unless it runs or is done. Raises `Refusal`."""
        with self.session.lock:
            job = self.job(name)
            if job.lacks is not None:
                raise Refusal(422, "analysis", f"{name}: {job.lacks}")
            if job.state in ("absent", "failed"):
                self._start(job)

    def job(self, name: str) -> Job:
        """By name. Raises `Refusal`."""
        if name not in self.jobs:
            raise Refusal(404, "analysis", f"there is no analysis {name!r}: there are {', '.join(self.jobs)}")
        return self.jobs[name]

    def result(self, name: str) -> Any:
        """What one found. Raises `Refusal` if it is not done."""
        job = self.job(name)
        if job.result is None:
            code = "analysis.running" if job.state == "running" else "analysis.absent"
            why = {"running": "it runs, wait for it", "failed": f"it failed: {job.message}"}
            lacks = job.lacks or "start it in the panel of numbers"
            raise Refusal(409, code, f"{job.title}: {why.get(job.state, lacks)}")
        return job.result

    def _start(self, job: Job) -> None:
        job.state, job.done, job.message = "running", 0.0, "waits for its turn"
        Thread(target=self._work, args=(job,), name=f"segdata-view-{job.name}", daemon=True).start()

    def _work(self, job: Job) -> None:
        """Do it, once it is its turn."""
        state, message = "failed", BROKEN
        try:
            with self._turn:
                job.message = ""
                result = job.analysis.find(self._sides(job), Run(report=Report("skip"), track=job.track))
            self._keep(job, result)
            state, message = "ready", result.message
        except Stopped:
            state, message = "absent", ""
        except (SegdataError, OSError, MemoryError) as error:
            message = str(error)
        finally:
            job.state, job.message = state, message

    def _sides(self, job: Job) -> Sequence[Dataset]:
        """Truth, and the prediction that it takes, once the index is read. Raises `Stopped`, and what is wrong with them."""
        loading = self.session.opened.loading
        while not (loading.wait(1.0) or loading.fault or job.stopped):
            pass
        if job.stopped or self._edition != self.session.edition:
            raise Stopped
        return (loading.truth,) if job.analysis.takes in (None, "images") else (loading.truth, loading.preds[job.of])

    def _keep(self, job: Job, result: Result) -> None:
        """Make what was found known. Raises `Stopped` if it is of another edition."""
        with self.session.lock:
            if job.stopped or self._edition != self.session.edition:
                raise Stopped
            columns = {numbered(name, job.of): values for name, values in result.columns.items()}
            self.session.index.more.update(columns)
            self.session.touch()
            job.result, job.done = result, 1.0


def jobs_of(session: Session) -> list[Job]:
    """What can be found out about a dataset and its predictions."""
    truth, jobs = session.truth, []
    for analysis in ANALYSES:
        preds = session.preds if analysis.takes in ("predictions", "scores") else ()
        if analysis.takes in (None, "images"):
            lacks = "its samples have no images" if analysis.takes and truth.images == "none" else None
            jobs.append(Job(analysis, 0, analysis.title, lacks))
        elif not preds:
            jobs.append(Job(analysis, 0, analysis.title, f"takes predictions: segdata view {truth.root} PRED"))
        for number, pred in enumerate(preds):
            title = f"{analysis.title} ({folder_name(pred)})" if len(preds) > 1 else analysis.title
            jobs.append(Job(analysis, number, title, lacking(analysis, pred)))
    return jobs


def lacking(analysis: Analysis, pred: Dataset) -> str | None:
    """What a prediction lacks for an analysis; None if nothing."""
    if analysis.takes == "scores" and not any(sample.scores is not None for sample in islice(pred, LOOKED_AT)):
        return f"{folder_name(pred)} has no scores, which tell how sure the model was: predict again with --scores"
    return None
