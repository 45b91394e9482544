"""Tiling under way: tasks done and to do, the files of virtual tiles, and the receipt in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, get_args

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.images import place_image
from segdata.dataset.inputs import Stamp, files_of, stamps
from segdata.dataset.job import Job, pixels_of, receipt_of
from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError, Problem, located
from segdata.files.places import copy_file
from segdata.files.png import MaskWriter
from segdata.files.remote import Place
from segdata.tiling.cut import Cutter, Reason, Target, Task, Tiled, cut_from, tile_task
from segdata.windows import Window

ROWS = 2**22
"""Pixels of a mask that are rewritten together, about."""


@dataclass(slots=True)
class Tiling:
    """Tiles of `source` in the making, and how many were added for the sake of each class.

    `scales`: by what each sample is resampled, by its id. `asked` has the names of tasks. A task that an earlier run has done
    counts as done only when it is asked for.
    """

    source: Dataset
    target: Target
    job: Job[Tiled]
    scales: Mapping[str, float]
    extra: Counter[int] = field(default_factory=Counter)
    asked: set[str] = field(default_factory=set)

    def cut(self, tasks: Sequence[Task]) -> None:
        """Do those tasks that are not done yet, but of images of which one failed. Raises `DataError`."""
        self.asked.update(task.name for task in tasks)
        work, reads = partial(tile_task, target=self.target), partial(_reads, dataset=self.target.source)
        self.job.work(work, tasks, lambda t: t.name, lambda t: t.sample.id, reads=reads)

    @property
    def tiled(self) -> list[Tiled]:
        """What is done so far, without that of images that failed."""
        return [one for one in self.job.done.values() if one.name in self.asked and not self._failed(one)]

    @property
    def tiles(self) -> list[Sample]:
        """The lines so far."""
        return [line for one in self.tiled for line in one.samples]

    def all_outside(self) -> bool:
        """Whether windows were left out because they are outside the area, and there is nothing else."""
        reasons = {one.reason for tiled in self.tiled for one in tiled.left_out}
        return reasons == {"aoi"} and not self.tiles

    def save(self, wanted: int, resized: bool) -> Dataset:
        """Put the files of virtual tiles in place, remove what failed half-way, and save. Arguments: see `receipt_json`."""
        lines = self.tiles
        if self.target.virtual:
            lines = self._placed(lines)
        else:
            self._remove_failed()
        if twice := [id for id, n in Counter(line.id for line in lines).items() if n > 1]:
            raise DatasetError(f"{self.source.root}: two tiles would be called {twice[0]}: rename one of their images")
        return self.job.save(lambda whole: receipt_json(self, whole, wanted, resized), lines)

    def _failed(self, one: Tiled) -> bool:
        return one.name.rpartition("#")[0] in self.job.failed

    def _remove_failed(self) -> None:
        for one in filter(self._failed, self.job.done.values()):
            for line in one.samples:
                for name in filter(None, (line.mask, line.image)):
                    (self.target.root / name).unlink(missing_ok=True)

    def _placed(self, lines: Sequence[Sample]) -> list[Sample]:
        """Virtual tiles with the whole files that they are windows of, copied into the dataset."""
        wanted = {cut_from(line) for line in lines}
        samples = [sample for sample in self.source.samples if sample.id in wanted]
        files: dict[str, Placed] = {}
        for sample, found in self.job.run.map(partial(place_files, target=self.target), samples, into=self.target.root):
            if isinstance(found, Problem):
                raise DataError(found)
            files[sample.id] = found
        return [msgspec.structs.replace(line, **asdict(files[cut_from(line)])) for line in lines]


def _reads(task: Task, dataset: Dataset) -> list[Stamp]:
    return stamps(files_of(dataset, task.sample))


def anything_is(root: Place, tiled: Tiled) -> bool:
    """Whether the files of virtual tiles are there: they have none before the end."""
    return True


@dataclass(frozen=True, slots=True)
class Placed:
    """The files that an image's virtual tiles are windows of."""

    image: str | None
    mask: str
    sha256: str


def place_files(sample: Sample, target: Target) -> Placed:
    """Copy a sample's mask into the dataset, or write it again if pixels become ignored; its image as the source has it.

    Raises `DataError`.
    """
    source, root = target.source, target.root
    image = None
    if sample.image is not None and source.images != "none":
        path = source.image_path(sample)
        image = path if path == sample.image else place_image(path, sample.id, root, source.images)
    with located(sample=sample.id), ExitStack() as stack:
        there = source.inside(sample.mask)
        cutter = Cutter(sample, target, stack)
        if not cutter.ignores:
            mask = f"masks/{sample.id}{there.suffix}"
            copy_file(there, root / mask)
            return Placed(image, mask, sample.sha256)
        if sample.crop is not None:
            message = (
                "a virtual tile with pixels that become ignored cannot be tiled virtually: tile the original image"
            )
            raise DataError(Problem("tile.again", message))
        mask = f"masks/{sample.id}.png"
        with MaskWriter(root / mask, *sample.size, source.labels.dtype) as writer:
            for strip in Window(0, 0, *sample.size).strips(ROWS):
                writer.write(cutter.ids_of(strip))
        return Placed(image, mask, writer.sha256)


def receipt_json(tiling: Tiling, whole: Dataset, wanted: int, resized: bool) -> dict[str, Any]:
    """receipt.json: images and tiles in and out, what each class has, and every window that is no tile with its reason.

    A class that the source has is `short` of tiles where fewer than `wanted` hold it. If each image was `resized` by a factor
    of its own, `scales` has the least and the largest.
    """
    labels, source, scales = whole.labels, tiling.source, tiling.scales
    gone = sorted((one for tiled in tiling.tiled for one in tiled.left_out), key=lambda g: (g.parent, g.window))
    pixels = pixels_of(whole)
    holders = Counter(value for line in whole for value in line.counts)
    reasons = Counter(one.reason for one in gone)
    before = Counter(value for sample in source for value, n in sample.counts.items() if n)
    return receipt_of(
        "tiled",
        len(source),
        sorted(tiling.job.left_out, key=lambda problem: str(problem.sample)),
        tiles={
            "windows": len(whole) + len(gone), "kept": len(whole), "left_out": len(gone),
            **{reason: reasons[reason] for reason in get_args(Reason)},
        },
        classes=[
            {
                "class_id": label.id, "class": label.name, "pixels": pixels.get(label.name, 0), "tiles": holders[label.id],
                "images": before[label.id], "added": tiling.extra[label.id],
                "short": max(0, wanted - holders[label.id]) if before[label.id] else 0,
            }
            for label in labels.classes
        ],
        pixels=pixels,
        **_clipped(tiling),
        **({"scales": [min(scales.values()), max(scales.values())]} if resized and scales else {}),
        left_out=[
            {"parent": one.parent, "window": list(one.window), "reason": one.reason, "share": one.share} for one in gone
        ],
    )  # fmt: skip


def _clipped(tiling: Tiling) -> dict[str, Any]:
    """What became of pixels in tiles of another type, where some were beyond the span."""
    clipped = sum(one.clipped for one in tiling.tiled)
    retype = tiling.target.retype
    if retype is None or not clipped:
        return {}
    return {"clipped": {"pixels": clipped, "dtype": retype.dtype, "span": retype.span}}
