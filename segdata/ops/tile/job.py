"""Tiling under way: tasks done and to do, in a journal, and the receipt in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, get_args

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.images import link_or_copy, place_image, still_there
from segdata.dataset.journal import Journal
from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError, Problem, located
from segdata.executors.run import Run
from segdata.files.places import absolute, listed
from segdata.files.png import MaskWriter
from segdata.files.remote import Place
from segdata.tiling.cut import Cutter, LeftOut, Reason, Target, Task, Tiled, tile_task
from segdata.windows import Window

ROWS = 2**22
"""Pixels of a mask that are rewritten together, about."""


@dataclass(slots=True)
class Job:
    """What is being made of `source`: `dataset` without samples, `done` by the name of the task, and what failed."""

    source: Dataset
    dataset: Dataset
    target: Target
    run: Run
    journal: Journal[Tiled] | None = None
    done: dict[str, Tiled] = field(default_factory=dict)
    failed: dict[str, Problem] = field(default_factory=dict)
    extra: Counter[int] = field(default_factory=Counter)
    """Tiles added for the sake of each class."""

    @contextmanager
    def open(self, overwrite: bool) -> Iterator[None]:
        """Claim the destination, and take up what a journal has. What goes wrong with data leaves nothing behind."""
        header = {
            **self.dataset.made_by, "images": self.dataset.images, "labels": self.dataset.labels.digest,
            "source": absolute(self.source.root),
        }  # fmt: skip
        with Journal(self.dataset.root, header, Tiled, overwrite=overwrite) as self.journal:
            there = listed(self.dataset.root)
            self.done = {tiled.task: tiled for tiled in self.journal.done if self._there(tiled, there)}
            yield

    def work(self, tasks: Sequence[Task]) -> list[Tiled]:
        """Do those tasks that are not done yet; returns what each became, in order, but for samples that failed."""
        todo = [task for task in tasks if task.name not in self.done and task.sample.id not in self.failed]
        for task, result in self.run.map(partial(tile_task, target=self.target), todo, into=self.dataset.root):
            if isinstance(result, Problem):
                if task.sample.id not in self.failed:
                    self.run.report.add(result)
                self.failed[task.sample.id] = result
            elif self.journal is not None:
                self.journal.append(result)
                self.done[task.name] = result
        return [self.done[task.name] for task in tasks if task.name in self.done]

    @property
    def tiles(self) -> list[Sample]:
        """The lines so far, without those of images that failed."""
        return [line for tiled in self.done.values() for line in tiled.samples if not self._failed(tiled.task)]

    def close(self, receipt: Callable[[Dataset, list[Problem], list[LeftOut]], dict[str, Any]]) -> Dataset:
        """Put the files of virtual tiles in place, remove what failed half-way, and save."""
        for tiled in self.done.values():
            if self._failed(tiled.task) and not self.target.virtual:
                for line in tiled.samples:
                    for name in filter(None, (line.mask, line.image)):
                        (self.dataset.root / name).unlink(missing_ok=True)
        lines = self.tiles
        if self.target.virtual:
            lines = self._placed(lines)
        lines.sort(key=lambda line: line.id)
        if twice := [id for id, n in Counter(line.id for line in lines).items() if n > 1]:
            raise DatasetError(f"{self.source.root}: two tiles would be called {twice[0]}: rename one of their images")
        whole = replace(self.dataset, samples=lines)
        gone = [one for tiled in self.done.values() if not self._failed(tiled.task) for one in tiled.left_out]
        problems = [replace(p, sample=id) for id, p in sorted(self.failed.items())]
        whole.save(receipt(whole, problems, sorted(gone, key=lambda g: (g.parent, g.window))))
        return whole

    def _failed(self, task: str) -> bool:
        return task.rpartition("#")[0] in self.failed

    def _there(self, tiled: Tiled, root: Place) -> bool:
        if self.target.virtual:
            return True
        return all(
            still_there(root, line) and (line.image is None or (root / line.image).is_file()) for line in tiled.samples
        )

    def _placed(self, lines: Sequence[Sample]) -> list[Sample]:
        """Virtual tiles with the whole files that they are windows of, linked into the dataset."""
        wanted = {line.id.rpartition("_")[0].rpartition("_")[0] for line in lines}
        samples = [sample for sample in self.source.samples if sample.id in wanted]
        files: dict[tuple[str | None, str], Placed] = {}
        for sample, result in self.run.map(partial(place_files, target=self.target), samples, into=self.dataset.root):
            if isinstance(result, Problem):
                raise DataError(result)
            files[sample.id, sample.mask] = result
        by_id = {id: placed for (id, _), placed in files.items()}
        out = []
        for line in lines:
            placed = by_id[line.id.rpartition("_")[0].rpartition("_")[0]]
            out.append(msgspec.structs.replace(line, image=placed.image, mask=placed.mask, sha256=placed.sha256))
        return out


@dataclass(frozen=True, slots=True)
class Placed:
    """The files that an image's virtual tiles are windows of."""

    image: str | None
    mask: str
    sha256: str


def place_files(sample: Sample, target: Target) -> Placed:
    """Link a sample's mask into the dataset, or write it anew where pixels become void; its image as the source has it.

    Raises `DataError`.
    """
    source, root = target.source, target.root
    image = None
    if sample.image is not None and source.images != "none":
        path = source.image_path(sample)
        image = path if path == sample.image else place_image(path, sample.id, root, source.images, link_or_copy)
    with located(sample=sample.id), ExitStack() as stack:
        there = source.inside(sample.mask)
        cutter = Cutter(sample, target, stack)
        if not cutter.voids:
            mask = f"masks/{sample.id}{there.suffix}"
            link_or_copy(there, root / mask)
            return Placed(image, mask, sample.sha256)
        if sample.crop is not None:
            message = "a virtual tile with pixels that become void cannot be tiled virtually: tile what it was cut from"
            raise DataError(Problem("tile.again", message))
        mask = f"masks/{sample.id}.png"
        rows = max(1, ROWS // sample.width)
        with MaskWriter(root / mask, *sample.size, source.labels.dtype) as writer:
            for y in range(0, sample.height, rows):
                writer.write(cutter.void(Window(y, 0, min(rows, sample.height - y), sample.width)))
        return Placed(image, mask, writer.sha256)


def receipt_json(
    job: Job, whole: Dataset, skipped: Sequence[Problem], gone: Sequence[LeftOut], wanted: int
) -> dict[str, Any]:
    """receipt.json: images and tiles in and out, what each class has, and every window that is no tile with its reason."""
    labels = whole.labels
    pixels: Counter[int] = Counter()
    holders: Counter[int] = Counter()
    for line in whole:
        pixels.update(line.counts)
        holders.update(line.counts.keys())
    reasons = Counter(one.reason for one in gone)
    before = Counter(value for sample in job.source for value, n in sample.counts.items() if n)
    return {
        "images": {"in": len(job.source), "tiled": len(job.source) - len(skipped), "skipped": len(skipped)},
        "tiles": {
            "windows": len(whole) + len(gone), "kept": len(whole), "left_out": len(gone),
            **{reason: reasons[reason] for reason in get_args(Reason)},
        },
        "classes": [
            {
                "class_id": label.id, "class": label.name, "pixels": pixels[label.id], "tiles": holders[label.id],
                "images": before[label.id], "added": job.extra[label.id],
                "short": max(0, wanted - holders[label.id]) if before[label.id] else 0,
            }
            for label in labels.classes
        ],
        "pixels": {labels.name(value): pixels[value] for value in sorted(pixels)},
        "left_out": [
            {"parent": one.parent, "window": list(one.window), "reason": one.reason, "share": one.share} for one in gone
        ],
        "skipped": [problem.to_json() for problem in skipped],
    }  # fmt: skip
