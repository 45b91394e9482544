"""What is seen of Label Studio's label files before anything is drawn: tasks, their images and annotations, and labels."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from segdata.dataset.origin import KEY, Origin
from segdata.errors import DataError, OptionError, Problem, Report
from segdata.files.remote import Place
from segdata.readers.labelstudio.images import EMBEDDED, Shown, images_of, shows_video
from segdata.readers.labelstudio.masks import DRAWN, regions_of, stated_size, target_of
from segdata.readers.labelstudio.tasks import OTHER, Id, Result, Span, Task, Which, Work, parse_task, task_spans
from segdata.readers.source import Input, Receipt, leave_out
from segdata.words import some

Size = tuple[int, int]

Target = tuple[str, int]
"""An image of a task: its key in the data, and its place there."""

BY_CONTROL = "in {} annotations regions are listed by control (JSON-MIN), not in the order of drawing, which JSON has"


class Inside(str):
    """The path of an image that lies within a task: see `files.members`. A text that a task gives is never taken for one."""


class WorkSeen(NamedTuple):
    """An annotation: its place in the task, what is known of it, and (height, width) of the images where a region states it."""

    place: int
    id: Id
    created: float
    truth: bool
    cancelled: bool
    sizes: tuple[tuple[Target, Size], ...]


class TaskSeen(NamedTuple):
    """A task: where it lies, its id, what it calls its images by the key in its data, and its annotations.

    `own`: no other task is in the file. `origin`: the sample that its image is of, if segdata wrote the task.
    """

    span: Span
    id: Id
    images: tuple[tuple[str, tuple[str, ...]], ...]
    works: tuple[WorkSeen, ...]
    own: bool
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """All tasks; the keys in their data that regions are on; the labels of regions that have pixels; and what is counted."""

    shown: Shown
    control: str | None
    which: Which
    tasks: list[TaskSeen] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    controls: set[str] = field(default_factory=set)
    sizes: dict[tuple[tuple[Target, Size], ...], tuple[tuple[Target, Size], ...]] = field(default_factory=dict)
    """The same sizes once: there are as many as tasks."""

    def read(self, file: Place, report: Report, receipt: Receipt, *, alone: bool) -> tuple[Input, ...]:
        """Look at the tasks of a file, and give the file as an input if it has several.

        A file of other JSON is passed over unless it is `alone`. Raises `DataError` (`labelstudio.*`) or adds to `report`.
        """
        found: list[TaskSeen] = []
        bad: list[Problem] = []
        counts: Counter[str] = Counter()
        number = -1
        try:
            for number, (span, data) in enumerate(task_spans(str(file))):
                try:
                    found.append(self._look(span, number, parse_task(data), data, counts))
                except DataError as error:
                    problem = error.at(file=str(file)).problem
                    bad.append(replace(problem, message=f"task {number}: {problem.message}"))
        except DataError as error:
            if found or alone or error.problem.code != OTHER:
                raise
            bad.append(error.problem)
        if not found and not alone and all(problem.code == OTHER for problem in bad):
            receipt.notes.append(f"{file.name}: not read: it has no tasks of Label Studio")
            return ()
        for problem in bad:
            leave_out(problem, [], report, receipt, sample=f"{file.name}: {problem.message.partition(':')[0]}")
        receipt.notes += [f"{file.name}: {line.format(f'{n:,}')}" for line, n in counts.items()]
        own = len(found) + len(bad) == 1
        self.tasks.extend(task._replace(own=own) for task in found)
        return () if own else (Input.of(file),)

    def keep_split(self, split: str) -> None:
        """Keep the tasks of a split alone. Raises `OptionError` if there are none: only tasks that segdata wrote say theirs."""
        known = {task.origin.split for task in self.tasks if task.origin is not None and task.origin.split is not None}
        if split not in known:
            what = f"tasks are of {some(sorted(known))}" if known else "Label Studio's exports have no splits"
            raise OptionError(f"--split {split}: {what}: leave it out, and use segdata split later")
        self.tasks[:] = [task for task in self.tasks if task.origin is not None and task.origin.split == split]

    def _look(self, span: Span, number: int, task: Task, data: bytes, counts: Counter[str]) -> TaskSeen:
        """What is seen of a task. Raises `DataError` if its regions cannot be told apart."""
        listed = images_of(task.data, self.shown)
        if not listed and shows_video(task.data):
            raise DataError(Problem("labelstudio.video", "a video, which is not read: label its frames as images"))
        if task.drafts:
            counts["not read: drafts of {} tasks (submit them, and export again)"] += 1
        works = task.chosen_from(self.which)
        if self.which == "corrected" and works and not task.works:
            counts["taken: predictions of {} tasks that have no annotation"] += 1
        elif task.predictions and self.which != "prediction":
            counts["not read: predictions of {} tasks (--annotation prediction takes them)"] += 1
        images = {
            key: [_within(span, data, name) if name.startswith(EMBEDDED) else name for name in names]
            for key, names in listed.items()
        }
        seen = tuple(self._look_at(place, work, task, images, counts) for place, work in enumerate(works))
        id = number if task.id is None else task.id
        shows = tuple((sys.intern(key), tuple(names)) for key, names in images.items())
        return TaskSeen(span, id, shows, seen, own=False, origin=Origin.told(task.data.get(KEY)))

    def _look_at(
        self, place: int, work: Work, task: Task, images: dict[str, list[str]], counts: Counter[str]
    ) -> WorkSeen:
        sizes: dict[Target, Size] = {}
        drawn: set[str | None] = set()
        for region in regions_of(work, self.control):
            for kind in region.further:
                counts[f"not read: {kind} of {{}} regions"] += 1
            if (target := target_of(region, images, self.shown)) is None:
                continue
            if not 0 <= target[1] < len(images.get(target[0], ())):
                what = f"it is on image {target[1]} of {target[0]!r}, which the data of its task has not"
                raise DataError(Problem("labelstudio.image", what, annotation=region.id))
            self.keys.add(target[0])
            self.controls.update(name for name in region.controls if name is not None)
            if region.marks.kind in DRAWN and not work.cancelled:
                self.labels.update(region.names[:1])
                drawn.add(region.result.from_name)
            if target not in sizes and (size := _size(region.result)) is not None:
                sizes[target] = size
        if task.minimal and len(drawn) > 1:
            counts[BY_CONTROL] += 1
        id = place if work.id is None else work.id
        truth = bool(work.ground_truth or work.honeypot)
        listed = tuple(sizes.items())
        return WorkSeen(place, id, work.created, truth, work.cancelled, self.sizes.setdefault(listed, listed))


def _size(result: Result) -> Size | None:
    """The size that a region states; one that is none is refused when the region is drawn."""
    try:
        return stated_size(result)
    except DataError:
        return None


def _within(span: Span, data: bytes, text: str) -> Inside:
    """The path of an image within the task. Raises `DataError` (`labelstudio.image`)."""
    if (path := span.part(data, text)) is None:
        what = "its image is in the task, and cannot be read there: it must be base64, in a file called .json"
        raise DataError(Problem("labelstudio.image", what))
    return Inside(path)
