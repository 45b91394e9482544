"""Tiles back to whole images: their masks, or the scores that a model gave them, blended where they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.dataset.finished import finished
from segdata.dataset.inputs import Inputs, Stamp, sample_files, stamps
from segdata.dataset.job import Job, made_of, pixels_of, receipt_of, resumable
from segdata.dataset.sample import Images, split_name
from segdata.errors import DataError, DatasetError, OptionError
from segdata.executors.run import Run
from segdata.files.places import absolute, place
from segdata.files.vectors.polygon_files import Written, written_json
from segdata.files.vectors.polygons import Polygons
from segdata.ops.stitch.item import Parent, Stitched, Target, stitch_parent
from segdata.tiling.stitcher import Blend, blend_weights
from segdata.tiling.tiles import by_parent


def stitch(
    tiles: Dataset | str | Path,
    destination: str | Path,
    *,
    blend: Blend = "gaussian",
    scores: bool | None = None,
    of: Dataset | str | Path | None = None,
    vectorize: bool | Polygons = False,
    cog: bool = False,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Put the tiles of a dataset together to whole images, in a new dataset whose ids are those of the parents.

    If all tiles have scores they are blended (see `segdata.tiling.stitcher`), and the mask is of the most likely classes.
    Otherwise a pixel's class is that of the tile in which it weighs most. Pixels in no tile are ignored. Masks are GeoTIFFs if
    images have coordinates, otherwise PNGs.

    An image has the split and the group that all its tiles have; none if they have several, as the blocks of a scene do.

    Rows are written as they are finished, scores in blocks of columns, so memory grows with neither height nor classes times
    width. Stitching that was stopped goes on with the next image.

    Raises `DatasetError` for what are no tiles, and if `of` is another dataset, `OptionError`, and `DataError` for the
    first bad tile (`run.report` may skip instead: its whole image is then left out).

    Args:
        tiles: The dataset of tiles, or its folder.
        destination: The folder of the new dataset.
        blend: How tiles count where they overlap. crop takes one tile alone, the one that reaches farthest there.
        scores: Write the blended scores too. By default they are written if the tiles have scores.
        of: The dataset that was tiled, for its images. Virtual tiles have them.
        vectorize: Write polygons too: vectors/<id>.geojson. In Python also a `Polygons` that has settings.
        cog: Write masks as Cloud Optimized GeoTIFFs: tiled, with overviews, in the colours of the classes.
        overwrite: Replace a dataset at `destination`.
    """
    blend_weights(1, 1, blend)
    return _stitch("stitch", tiles, destination, blend, scores, of, overwrite, run, vectorize=vectorize, cog=cog)


def untile(
    tiles: Dataset | str | Path,
    destination: str | Path,
    *,
    of: Dataset | str | Path | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Put the masks of tiles together: those of the dataset that was tiled, pixel for pixel, whatever was not left out.

    Scores are not looked at. The receipt says on how many pixels tiles disagree, as those of a model do. The rest is as for
    `stitch`.

    Args:
        tiles: The dataset of tiles, or its folder.
        destination: The folder of the new dataset.
        of: The dataset that was tiled, for its images. Virtual tiles have them.
        overwrite: Replace a dataset at `destination`.
    """
    return _stitch("untile", tiles, destination, "crop", False, of, overwrite, run, masks_alone=True)


def _stitch(
    operation: str,
    tiles: Dataset | str | Path,
    destination: str | Path,
    blend: Blend,
    scores: bool | None,
    of: Dataset | str | Path | None,
    overwrite: bool,
    run: Run | None,
    *,
    vectorize: bool | Polygons = False,
    cog: bool = False,
    masks_alone: bool = False,
) -> Dataset:
    tiles = Dataset.of(tiles)
    whole = None if of is None else Dataset.of(of)
    root = place(destination)
    parents = parents_of(tiles, whole)
    scored = not masks_alone and len(tiles) > 0 and all(sample.scores is not None for sample in tiles)
    if scores and not scored:
        raise OptionError("--scores: not every tile has scores; predict with --scores writes them")
    images = _images(tiles, whole)
    polygons = Polygons.of(vectorize, tiles.labels)
    options: dict[str, object] = {
        "blend": blend, "scores": scored and scores is not False,
        "vectorize": polygons is not None and polygons.to_json(), **({"cog": True} if cog else {}),
    }  # fmt: skip
    made_by = made_of(operation, options, [tiles] if whole is None else [tiles, whole])
    target = Target(
        replace(tiles, samples=()), None if whole is None else replace(whole, samples=()), root, images, blend,
        scored, scored and scores is not False, polygons, cog,
    )  # fmt: skip
    made = Dataset(root, tiles.labels, (), made_by, images, (whole or tiles).reading)
    inputs = Inputs([tiles] if whole is None else [tiles, whole])
    if (there := finished(made, inputs, overwrite=overwrite)) is not None:
        return there
    given = {"source": absolute(tiles.root)}
    with resumable(made, Stitched, given, inputs, overwrite=overwrite, run=run or Run()) as job:
        work, reads = partial(stitch_parent, target=replace(target, root=job.root)), partial(_reads, tiles=target.tiles)
        job.work(work, parents, lambda parent: parent.id, reads=reads)
        return job.save(lambda dataset: receipt_json(dataset, parents, job))


def _reads(parent: Parent, tiles: Dataset) -> list[Stamp]:
    """The files of an image's tiles."""
    return stamps(sample_files(tiles, parent.tiles))


def parents_of(tiles: Dataset, whole: Dataset | None) -> list[Parent]:
    """The images that a dataset has tiles of, by id. Raises `DatasetError` for what are no tiles, or not of `whole`."""
    try:
        groups = by_parent(tiles)
    except DataError as error:
        raise DatasetError(f"{tiles.root}: {error.problem.sample}: {error.problem.message}") from error
    if not groups:
        raise DatasetError(f"{tiles.root}: it has no samples")
    known = {} if whole is None else {sample.id: sample for sample in whole}
    parents = []
    for id, samples in groups.items():
        parent = Parent(id, tuple(sorted(samples, key=lambda s: (s.window, s.id))), known.get(id))
        if len({s.tiling.parent for s in samples if s.tiling}) > 1:
            what = "are of images of several sizes: they are of two datasets; stitch those one by one"
            raise DatasetError(f"{tiles.root}: the tiles of {id} {what}")
        if whole is not None and (parent.sample is None or parent.sample.size != parent.size):
            raise DatasetError(
                f"{whole.root}: not what was tiled: it has no {id} of {parent.size[1]} x {parent.size[0]}"
            )
        parents.append(parent)
    return parents


def receipt_json(dataset: Dataset, parents: Sequence[Parent], job: Job[Stitched]) -> dict[str, Any]:
    """receipt.json: images and tiles, pixels of each class, those in no tile, and those that tiles disagree on.

    `several` has the splits of each image whose tiles are of more than one.
    """
    done = [one for _, one in sorted(job.done.items())]
    several = {parent.id: list(map(split_name, parent.splits)) for parent in parents if len(parent.splits) > 1}
    return receipt_of(
        "stitched",
        len(parents),
        job.left_out,
        tiles=sum(len(parent.tiles) for parent in parents),
        pixels=pixels_of(dataset),
        uncovered={one.name: one.uncovered for one in done if one.uncovered},
        contested={one.name: one.contested for one in done if one.contested},
        **written_json(Written(one.polygons, one.left_out) for one in done),
        **({"several": several} if several else {}),
    )


def _images(tiles: Dataset, whole: Dataset | None) -> Images:
    """How the whole images are at hand: as the dataset has them that was tiled, or as virtual tiles have them."""
    if whole is not None:
        return whole.images
    return tiles.images if all(sample.crop is not None for sample in tiles) else "none"
