"""Scenes that lie beside one another, as one image and one mask, so that tiles and predictions cross their borders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from segdata.dataset.dataset import Dataset
from segdata.dataset.finished import finished
from segdata.dataset.inputs import Inputs, Stamp, sample_files, stamps
from segdata.dataset.job import Job, folder_name, made_of, pixels_of, receipt_of, resumable
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, OptionError, Problem, one_of, refuse_nothing
from segdata.executors.run import Run
from segdata.files.places import absolute, place
from segdata.ops.mosaic.blocks import Take
from segdata.ops.mosaic.grids import Mosaic, Scene, grids_of, look, mosaics_of
from segdata.ops.mosaic.item import Pieced, Target, write_mosaic
from segdata.words import some

Kept = Literal["copy", "none"]
"""Whether mosaics have images, or masks alone."""


def mosaic(
    dataset: Dataset | str | Path,
    destination: str | Path,
    *,
    take: Take = "first",
    tolerance: float = 0.1,
    nodata: float | None = None,
    images: Kept = "copy",
    cog: bool = False,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Join scenes that touch into mosaics, in a new dataset: images, masks, and scores if all scenes have them.

    Scenes become one image if they have one coordinate system, one grid of pixels, one split, and the same bands and type, and
    if they overlap or touch, directly or through others. A scene that touches no other stays alone. A mosaic has the id of its
    first scene and `_mosaic` behind it; the receipt says which scenes it has, and where they are in it.

    A pixel that several scenes have is, in the image and in the mask, that of the first of them by id; of the first that has
    a label for it, if any has. What one has no data for, another fills. Scores are the mean over the scenes. Pixels without
    data are ignored, and marked in the image: in 8-bit RGB by an alpha band, otherwise by the scenes' own value for no data, or
    by NaN or a whole number that none of them has.

    Memory does not grow with the mosaics. A job that was stopped goes on with the next mosaic. Raises `DataError` for the first
    scene that lies nowhere, or that touches one whose grid it misses (`run.report` may skip instead), `OptionError`, and
    `DatasetError` for the destination.

    Args:
        dataset: The dataset of scenes or of their predictions, or its folder.
        destination: The folder of the new dataset.
        take: Which scene counts if several have a pixel: the first or the last by id.
        tolerance: How many pixels a scene may lie beside the grid of the others: 0 to 0.5. It is not resampled.
        nodata: The value of pixels without data in the images, in every band; may be nan.
        images: Write the images too (copy), or only masks and scores (none).
        cog: Write masks as Cloud Optimized GeoTIFFs: tiled, with overviews, in the colours of the classes.
        overwrite: Replace a dataset at `destination`.
    """
    dataset, run = Dataset.of(dataset), run or Run()
    one_of("take", take, Take)
    one_of("images", images, Kept)
    if not 0 <= tolerance <= 0.5:
        raise OptionError(f"--tolerance {tolerance:g}: must be 0 to 0.5 pixels")
    options: dict[str, object] = {
        "take": take,
        "tolerance": tolerance,
        "nodata": nodata,
        **({"cog": True} if cog else {}),
    }
    keeps = images == "copy" and dataset.images != "none"
    made = Dataset(
        place(destination),
        dataset.labels,
        (),
        made_of("mosaic", options, [dataset]),
        "copy" if keeps else "none",
        dataset.reading.written(),
    )
    inputs = Inputs([dataset])
    if (there := finished(made, inputs, overwrite=overwrite)) is not None:
        return there
    mosaics, problems = survey(dataset, tolerance, run)
    scored = all(sample.scores is not None for sample in dataset)
    target = Target(replace(dataset, samples=()), made.root, take, nodata, keeps, scored, cog)
    given = {"source": absolute(dataset.root)}
    with resumable(made, Pieced, given, inputs, overwrite=overwrite, run=run) as job:
        work, reads = (
            partial(write_mosaic, target=replace(target, root=job.root)),
            partial(_reads, source=target.source),
        )
        job.work(work, mosaics, lambda one: one.id, reads=reads)
        return job.save(lambda whole: receipt_json(whole, dataset, mosaics, job, problems))


def survey(dataset: Dataset, tolerance: float, run: Run) -> tuple[list[Mosaic], list[Problem]]:
    """The mosaics that the scenes of a dataset make, and what is wrong with those that are left out.

    Raises `DataError` for the first of these (`run.report` may skip instead), `DatasetError` if there is no scene.
    """
    if not len(dataset):
        raise DatasetError(f"{dataset.root}: it has no samples")
    scenes: list[Scene] = []
    problems: list[Problem] = []
    samples = sorted(dataset, key=lambda sample: sample.id)
    for sample, found in run.map(partial(look, dataset=replace(dataset, samples=())), samples):
        if isinstance(found, Problem):
            problems.append(replace(found, sample=sample.id))
        else:
            scenes.append(found)
    grids, beside = grids_of(scenes, tolerance)
    problems += beside
    for problem in problems:
        run.report.add(problem)
    if not grids:
        refuse_nothing(problems)
    mosaics = mosaics_of(grids)
    if twice := [id for id, n in Counter(one.id for one in mosaics).items() if n > 1]:
        raise DatasetError(
            f"{folder_name(dataset)}: two mosaics would be called {some(twice, 3)}: rename one of their scenes"
        )
    return mosaics, problems


def _reads(one: Mosaic, source: Dataset) -> list[Stamp]:
    """The files of a mosaic's scenes."""
    return stamps(sample_files(source, _samples(one)))


def _samples(one: Mosaic) -> list[Sample]:
    return [part.scene.sample for part in one.parts]


def receipt_json(
    whole: Dataset, dataset: Dataset, mosaics: Sequence[Mosaic], job: Job[Pieced], problems: Sequence[Problem]
) -> dict[str, Any]:
    """receipt.json: scenes in and out, and of each mosaic its scenes with their windows in it, pixels that no scene has data for,
    that a further scene has, and that it labels otherwise."""
    failed = [
        replace(problem, sample=sample.id)
        for one in mosaics
        if (problem := job.failed.get(one.id)) is not None
        for sample in _samples(one)
    ]
    rows = [
        {
            "mosaic": one.id, "scenes": [{"id": part.scene.sample.id, "window": list(part.window)} for part in one.parts],
            "uncovered": done.uncovered, "overlapping": done.overlapping, "differing": done.differing,
        }
        for one in sorted(mosaics, key=lambda one: one.id)
        if (done := job.done.get(one.id)) is not None
    ]  # fmt: skip
    return receipt_of("placed", len(dataset), [*problems, *failed], mosaics=rows, pixels=pixels_of(whole))
