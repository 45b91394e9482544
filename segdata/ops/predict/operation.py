"""Masks of a model for the images of a dataset, or of a folder, as a dataset of the same form."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from segdata.caches import note
from segdata.dataset.carry import write_like
from segdata.dataset.dataset import Dataset
from segdata.dataset.finished import finished
from segdata.dataset.images import place_image, refuse_images
from segdata.dataset.inputs import Inputs, Stamp, stamps
from segdata.dataset.job import Job, Made, made_of, pixels_of, receipt_of, resumable
from segdata.dataset.sample import Images, Sample
from segdata.dataset.transparency import settled
from segdata.errors import DataError, DatasetError, OptionError, Problem, located, one_of
from segdata.executors.run import Run
from segdata.files.cog import make_cog
from segdata.files.places import absolute, file_digest, place
from segdata.files.polygon_files import Written, write_polygons, written_json
from segdata.files.polygons import Polygons
from segdata.files.rasters import Raster
from segdata.files.reading import AS_IT_IS, Alpha, Reading, told
from segdata.files.remote import Place
from segdata.files.scores import HALF_STEP
from segdata.labels import Labels, must_agree, tally
from segdata.ops.predict.folder import dataset_or_images
from segdata.ops.predict.folds import FOLDS, digest_of, held_out
from segdata.ops.predict.predictor import Predictor, Stored, load_predictor
from segdata.ops.predict.sliding import Band, Failed, Flip, Input, Sliding, Target, as_it_is, slide
from segdata.ops.predict.write import ImageWriter, Output
from segdata.refinement.apply import refined
from segdata.refinement.settings import Refinement
from segdata.tiling.area import Area, refuse_elsewhere
from segdata.tiling.stitcher import Blend
from segdata.tiling.tiles import tile_content
from segdata.words import some

Group = tuple[Sample, ...]
"""Samples whose windows may share batches."""

Key = tuple[Sample, bool, list[Stamp]]
"""A sample, whether it is the last of its group, and the file that it is predicted from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of each sample: from `source`, as `images` says, into what `output` says.

    Its mask is refined, for which the output has scores, that are kept where `scores` are asked for. Outside of `area` it is
    ignored.
    """

    source: Dataset
    target: Dataset
    output: Output
    scores: bool = False
    refinement: Refinement | None = None
    area: Area | None = None
    polygons: Polygons | None = None


class Predicted(Made, frozen=True):
    """What an image became, its polygons, and how many were left out, by why."""

    polygons: int = 0
    left_out: dict[str, int] = msgspec.field(default_factory=dict)


def predict(
    model: Predictor | str | Path,
    dataset: Dataset | str | Path,
    destination: str | Path,
    *,
    split: str | None = None,
    size: tuple[int, int] = (512, 512),
    overlap: float = 0.25,
    blend: Blend = "gaussian",
    batch: int = 4,
    flips: Sequence[Flip] = (),
    scales: Sequence[float] = (1.0,),
    scores: bool = False,
    reject_below: float | None = None,
    entropy: bool = False,
    match_names: bool = False,
    refinement: Refinement | str | Path | None = None,
    aoi: str | Path | None = None,
    aoi_crs: str | None = None,
    aoi_layer: str | None = None,
    vectorize: bool | Polygons = False,
    cog: bool = False,
    images: Images = "reference",
    bands: str | None = None,
    alpha: Alpha = "auto",
    vrt: bool = False,
    subdataset: str | None = None,
    device: str = "auto",
    trust_code: bool = False,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Predict the images of a dataset, or those below a folder; the result is a dataset with the same ids.

    Masks of georeferenced images are GeoTIFFs, and those of more than 67 million pixels TIFFs. Where an image has no data, and
    where a tile is padded, masks are ignored. For the windows see `segdata.ops.predict.sliding.Sliding`.

    A job that was stopped goes on after the last whole image, or the last whole batch of small ones. Raises `DatasetError`
    for label contracts that differ and the destination, `OptionError`, and `DataError` for the first bad image
    (`run.report` may skip instead).

    Args:
        model: A `Predictor`, or the file of a checkpoint; with split `folds` the folder of a cross-validation.
        dataset: A dataset, its folder, or a folder of images or one image.
        destination: The folder of the new dataset.
        split: Predict this split only; several: a,b; all but one: !a; folds: each fold, by the model that was not trained on it.
        size: Height and width of the windows, in pixels of the model; one number is both.
        overlap: The least part of a window that neighbours share.
        blend: How overlapping windows are weighed. crop takes the one whose edge is farthest.
        batch: How many windows are predicted at once, of several images too.
        flips: Average with the mirrored window: x left to right, y top to bottom, xy both.
        scales: Average over these scales, such as 0.75,1,1.25.
        scores: Keep the probabilities, in 8 bits: scores/<id>.tif.
        reject_below: Ignore pixels whose likeliest class has less probability.
        entropy: Write how unsure the model is, 0 to 255: entropy/<id>, round(255 H / ln K).
        match_names: Map classes by name if model and dataset have other ones or another order.
        refinement: Refine each mask with these settings, such as the file that segdata refine --tune wrote.
        aoi: A file of polygons, in GeoJSON or another format of `convert vector`: what is outside of them becomes ignored, and
            windows without a pixel in them are not predicted. Inside, the masks are the same as without it.
        aoi_crs: The coordinate system of `aoi`: EPSG:..., or pixel. By default longitude and latitude, or pixel for images
            without coordinates.
        aoi_layer: The layer of `aoi` to read. By default the only one.
        vectorize: Write polygons too: vectors/<id>.geojson. In Python also a `Polygons` that has settings.
        cog: Write masks as Cloud Optimized GeoTIFFs: tiled, with overviews, in the colours of the classes.
        images: What becomes of the images: masks refer to them where they are (reference), through symbolic links (link), as
            copies (copy), or there are none (none).
        bands: Read these bands of the images alone, in this order: numbers from 1 on, such as 3,2,1, or names that the files
            have. Of a dataset that reads some bands already, numbers count those. Images that are in no dataset are read like
            those that the model was trained on, unless this says otherwise.
        alpha: Whether a last band is transparency (yes) or data (no). auto: as the dataset says, or as it looks.
        vrt: Read images that are VRTs, whose sources lie below the folder of the VRT.
        subdataset: Read this image of files that hold several (NetCDF, HDF5, Zarr), by its name there.
        device: Where the model runs: cpu, cuda, cuda:1, mps; auto: a GPU if there is one.
        trust_code: Call the package.module:factory that the checkpoint names, which runs its code.
        overwrite: Replace a dataset at `destination`.
    """
    models: dict[str, Stored] = {}
    if split == FOLDS and isinstance(model, str | Path):
        dataset = Dataset.of(dataset)
        models = held_out(place(model), dataset, device, trust_code)
    predictor = _loaded(model, models, device, trust_code)
    sliding = Sliding(size, overlap, blend, batch, tuple(flips), tuple(scales))
    sliding.check()
    one_of("images", images, Images)
    if reject_below is not None and not 0 <= reject_below <= 1:
        raise OptionError(f"--reject-below {reject_below:g}: must be 0 to 1")
    asked = AS_IT_IS.asked(vrt=vrt, subdataset=subdataset)
    source = dataset if isinstance(dataset, Dataset) else dataset_or_images(dataset, predictor.labels, asked)
    source = replace(source, reading=source.reading.asked(vrt=vrt, subdataset=subdataset))
    source = source if split is None else source.split(",".join(models) or split)
    run = run or Run()
    source = read_as(source, predictor, bands, alpha, run)
    classes = _classes(predictor.labels, source.labels, source.root, match_names)
    if scores and None in classes:
        lacking = [n for n, c in zip(predictor.labels.names, classes, strict=True) if c is None]
        raise OptionError(
            f"--scores: the dataset has no class for the model's {some(lacking)}: scores would not add up to 1"
        )
    refinement_file = refinement
    if isinstance(refinement, str | Path):
        refinement = Refinement.read(refinement, source.labels)
    if refinement is not None and None in classes:
        raise OptionError("--refine: the dataset has no class for some of the model's: refine what is predicted")
    options = {
        **{name: value for name, value in asdict(sliding).items() if name != "batch"},
        "split": split, "scores": scores, "reject_below": reject_below, "entropy": entropy, "match_names": match_names,
        **told(bands, alpha, vrt, subdataset),
    }  # fmt: skip
    if refinement is not None:
        options["refinement"] = refinement.to_json(source.labels)
    polygons = Polygons.of(vectorize, source.labels)
    if polygons is not None:
        options["vectorize"] = polygons.to_json()
    if cog:
        options["cog"] = True
    area = Area.given(aoi, aoi_crs, aoi_layer)
    made_by = made_of("predict", options, [source])
    if area is not None:
        made_by["options"] |= {"aoi_crs": aoi_crs, **({} if aoi_layer is None else {"aoi_layer": aoi_layer})}
        made_by["inputs"] += area.facts()
        refuse_elsewhere(area, source)
    named = _named(model, predictor, models)
    sent: Predictor | Stored = predictor
    if isinstance(model, str | Path) and not models and run.executor is not None:
        sent = Stored(str(model), device, trust_code, named["sha256"])
    made_by["inputs"].insert(0, {key: value for key, value in named.items() if key != "job"})
    root = place(destination)
    target = Dataset(root, source.labels, (), made_by, images, source.reading)
    needs = refinement is not None and refinement.crf is not None
    output = Output(root, source.labels, classes, reject_below, scores or needs, entropy, cog)
    plan = Plan(source, target, output, scores, refinement, area, polygons)
    parts: list[tuple[Dataset, Predictor | Stored]] = [(source.split(fold), stored) for fold, stored in models.items()]
    stages = [
        (grouped(part, sliding), partial(predict_groups, model=by, sliding=sliding))
        for part, by in parts or [(source, sent)]
    ]
    more = [one for one in (model, refinement_file, aoi) if isinstance(one, str | Path)]
    return _predicted(plan, stages, named, Inputs([source], more), overwrite, run)


def read_as(source: Dataset, predictor: Predictor, bands: str | None, alpha: Alpha, run: Run) -> Dataset:
    """The same dataset, its images read as is asked; images of no dataset as those that the model was trained on.

    Raises `OptionError` for bands that the dataset does not read.
    """
    if source.made_by:
        return source.with_bands(bands, alpha)
    trained: Reading = getattr(predictor, "reading", AS_IT_IS)
    known = Reading(trained.bands if bands is None else (), False if trained.alpha is False else None)
    asked = replace(source.reading, bands=known.bands, alpha=known.alpha).but(bands, alpha)
    reading, notes = settled(asked, [source.image_path(sample) for sample in source], run)
    for text in notes:
        note(text)
    return replace(source, reading=reading)


def grouped(samples: Iterable[Sample], sliding: Sliding) -> list[Group]:
    """Samples in order of size, as many together as fill batches; one that fills batches by itself is alone.

    Batches are of one group, so that the same ones come up whatever was predicted before, and by whichever worker.
    """
    alone = sliding.batch * sliding.size[0] * sliding.size[1]
    groups: list[list[Sample]] = []
    for sample in sorted(samples, key=lambda s: (s.size, s.id)):
        if not groups or len(groups[-1]) == sliding.batch or sample.height * sample.width > alone:
            groups.append([])
        groups[-1].append(sample)
    return [tuple(group) for group in groups]


def _predicted(
    plan: Plan,
    stages: Sequence[tuple[Sequence[Group], partial[Generator[list[Predicted | Problem], None, None]]]],
    named: dict[str, Any],
    inputs: Inputs,
    overwrite: bool,
    run: Run,
) -> Dataset:
    source, target = plan.source, plan.target
    refuse_images(target.root, target.images, (source.image_path(s) for s in source if s.image is not None))
    given = {"model": named, "source": absolute(source.root)}
    known = named["sha256"] is not None
    if known and (there := finished(target, inputs, overwrite=overwrite)) is not None:
        return there
    with resumable(target, Predicted, given, inputs, overwrite=overwrite, run=run) as job:
        into = replace(plan, target=job.dataset, output=replace(plan.output, root=job.root))
        bare = replace(into, source=replace(source, samples=()))
        for groups, work in stages:
            todo = [group for group in groups if any(sample.id not in job.done for sample in group)]
            job.gather(_of_each(run.stream(partial(work, plan=bare), todo, into=job.root)), lambda sample: sample.id)
        return job.save(lambda whole: _receipt(plan, whole, job))


def _of_each(
    results: Iterable[tuple[Group, list[Predicted | Problem] | Problem]],
) -> Iterator[tuple[Sample, Predicted | Problem]]:
    """The samples of groups, each with what became of it; of a process that died all of its group has the problem."""
    for group, found in results:
        each = [replace(found, sample=sample.id) for sample in group] if isinstance(found, Problem) else found
        yield from zip(group, each, strict=True)


def predict_groups(
    groups: Iterable[Group], plan: Plan, model: Predictor | Stored, sliding: Sliding
) -> Generator[list[Predicted | Problem], None, None]:
    """Of each group the new line of each sample, once its files are whole, or what is wrong with it.

    The plan's source has no samples here.
    """
    predictor = model.load() if isinstance(model, Stored) else model
    recipe = getattr(predictor, "recipe", None)
    seen: Target = as_it_is if recipe is None else recipe.resized
    images = (
        Input(
            (sample, sample is group[-1], image_stamps(plan.source, sample)),
            partial(opened_for, plan.source, sample, predictor),
            seen,
            number,
            None if plan.area is None else partial(plan.area.on, sample=sample),
        )
        for number, group in enumerate(groups)
        for sample in group
    )
    found: list[Predicted | Problem] = []
    for last, result in _each(plan, slide(images, predictor, sliding)):
        found.append(result)
        if last:
            yield found
            found = []


@contextmanager
def opened_for(source: Dataset, sample: Sample, predictor: Predictor) -> Iterator[Raster]:
    """A sample's image, open. Raises `DataError` (`image.bands`) if its bands are not those that the model takes, in order."""
    wanted, trained = getattr(predictor, "bands", None), tuple(getattr(predictor, "names", ()))
    with source.open_image(sample) as raster:
        names = tuple(band.name for band in raster.about)
        what = None
        if wanted is not None and raster.bands != wanted:
            called = f" ({', '.join(names)})" if any(names) else ""
            what = f"{raster.bands} bands are read{called}, and the model takes {wanted}: --bands chooses, "
            what += "--alpha says whether the last one is transparency"
        elif names != trained and sorted(names) == sorted(trained):
            order = ",".join(trained)
            what = f"its bands are read in the order {','.join(names)}, and the model takes {order}: --bands {order}"
        if what is not None:
            raise DataError(Problem("image.bands", what, source.image_path(sample), sample.id))
        recipe = getattr(predictor, "recipe", None)
        yield raster if recipe is None else recipe.values_of(raster)


def image_stamps(source: Dataset, sample: Sample) -> list[Stamp]:
    """The file that a sample is predicted from, as it is before that."""
    return stamps([] if sample.image is None else [source.image_path(sample)])


def _each(
    plan: Plan, parts: Iterable[Band[Key] | Failed[Key]]
) -> Generator[tuple[bool, Predicted | Problem], None, None]:
    """Whether a sample is the last of its group, and what became of it."""
    writer: ImageWriter | None = None
    try:
        for part in parts:
            sample, last, _ = part.key
            if isinstance(part, Failed):
                if writer is not None:
                    writer.discard()
                writer = None
                yield last, replace(part.problem, sample=sample.id)
                continue
            writer = writer or ImageWriter(plan.output, sample.id, part.size, part.geo, tile_content(sample))
            writer.add(part.y, part.probs)
            if part.y + part.probs.shape[1] == part.size[0]:
                written, writer = writer, None
                yield last, _caught(plan, part, written)
    finally:
        if writer is not None:
            writer.discard()


def _caught(plan: Plan, part: Band[Key], writer: ImageWriter) -> Predicted | Problem:
    id = part.key[0].id
    try:
        line = _line(plan, part, writer)
        written = Written(0, {})
        if plan.polygons is not None:
            mask = plan.target.inside(line.mask)
            written = write_polygons(plan.target.root, id, mask, plan.target.labels, part.geo, plan.polygons)
        if plan.output.cog:
            line = _as_cog(plan, line)
        return Predicted(id, [line], *written, inputs=part.key[2])
    except DataError as error:
        return replace(error.problem, sample=id)


def _line(plan: Plan, part: Band[Key], writer: ImageWriter) -> Sample:
    """The new line of a sample whose rows have all been written."""
    old, source = part.key[0], plan.source
    counts, digest = writer.close()
    image = None
    if old.image is not None and old.crop is None:  # a virtual tile's image is no file of its own
        path = source.image_path(old)
        image = path if path == old.image else place_image(path, old.id, plan.target.root, plan.target.images)
    new = msgspec.structs.replace(
        old, image=image, mask=writer.mask, height=part.size[0], width=part.size[1], counts=counts, sha256=digest,
        crop=None, scores=writer.scores,
    )  # fmt: skip
    return new if plan.refinement is None else _refined(plan, plan.refinement, old, new)


def _refined(plan: Plan, refinement: Refinement, old: Sample, new: Sample) -> Sample:
    """The line of a sample whose mask has been written, once that is refined; `old` is the source's."""
    target = plan.target
    path, scores = target.inside(new.mask), None if new.scores is None else target.inside(new.scores)
    with located(sample=old.id):
        image = partial(plan.source.open_image, old)
        stored = None if scores is None else partial(target.open_scores, new)
        mask = refined(target.read_mask(new), target.labels, refinement, image, stored)
    digest = write_like(path, path, mask)
    if scores is not None and not plan.scores:
        scores.unlink()
        if isinstance(scores, Path):
            with suppress(OSError):  # others are still in it
                os.removedirs(scores.parent)
    return msgspec.structs.replace(new, counts=tally(mask), sha256=digest, scores=new.scores if plan.scores else None)


def _as_cog(plan: Plan, line: Sample) -> Sample:
    """The line of a sample whose mask is a Cloud Optimized GeoTIFF from now on."""
    path = plan.target.inside(line.mask)
    make_cog(path, plan.target.labels)
    return msgspec.structs.replace(line, sha256=file_digest(path))


def _classes(model: Labels, dataset: Labels, root: Place, match_names: bool) -> tuple[int | None, ...]:
    """(K,) which class of the dataset each of the model's is, None for none. Raises `DatasetError` where they do not agree."""
    if not match_names:
        must_agree(model, dataset, "the model", str(root), "--match-names maps classes by name")
    ids = {label.name: label.id for label in dataset.classes}
    classes = tuple(ids.get(name) for name in model.names)
    if set(classes) == {None}:
        raise DatasetError(f"{root}: has no class of the model's: {some(model.names)}")
    return classes


def _loaded(model: Predictor | str | Path, models: dict[str, Stored], device: str, trust_code: bool) -> Predictor:
    """The model, or the first of a cross-validation, whose others have the same labels. Raises as `load_predictor`."""
    if models:
        return next(iter(models.values())).load()
    return load_predictor(model, device, trust_code=trust_code) if isinstance(model, str | Path) else model


def _named(model: Predictor | str | Path, predictor: Predictor, models: dict[str, Stored]) -> dict[str, Any]:
    """What a job calls its model; one that is no file is like no other, so that nobody's job is taken up with another model."""
    if models and isinstance(model, str | Path):
        return {"name": os.path.basename(model), "sha256": digest_of(models)}
    if isinstance(model, str | Path):
        return {"name": os.path.basename(model), "sha256": file_digest(model)}
    return {"name": type(predictor).__name__, "sha256": None, "job": uuid.uuid4().hex}


def _receipt(plan: Plan, whole: Dataset, job: Job[Predicted]) -> dict[str, Any]:
    """What was predicted, of which classes; and how exact the scores are."""
    out = receipt_of("predicted", len(plan.source), job.left_out, pixels=pixels_of(whole))
    if plan.scores:
        out["scores"] = {"stored": "round(255 p)", "largest_error": HALF_STEP}
    if plan.polygons is not None:
        out.update(written_json(Written(one.polygons, one.left_out) for one in job.done.values()))
    return out
