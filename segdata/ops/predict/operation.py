"""Masks of a model for the images of a dataset, or of a folder, as a dataset of the same form."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from segdata.dataset.carry import write_like
from segdata.dataset.dataset import Dataset
from segdata.dataset.finished import finished
from segdata.dataset.images import place_image, refuse_images
from segdata.dataset.inputs import Inputs, Stamp
from segdata.dataset.job import Job, Made, made_of, pixels_of, receipt_of, resumable
from segdata.dataset.sample import Images, Sample
from segdata.errors import DataError, OptionError, Problem, located, one_of
from segdata.executors.run import Run
from segdata.files.cog import make_cog
from segdata.files.places import absolute, file_digest, place
from segdata.files.reading import AS_IT_IS, Alpha, told
from segdata.files.scores import HALF_STEP
from segdata.files.values import span_given
from segdata.files.vectors.polygon_files import Written, write_polygons, written_json
from segdata.files.vectors.polygons import Polygons
from segdata.labels import tally
from segdata.ops.predict.folds import FOLDS, held_out, named_as
from segdata.ops.predict.signals import about_of, measure_of, save_signals, signals_of, whole_with
from segdata.ops.predict.write import ImageWriter, Output
from segdata.prediction.fitting import typed
from segdata.prediction.folder import dataset_or_images
from segdata.prediction.groups import Group, grouped
from segdata.prediction.inputs import image_stamps, opened_for, read_as
from segdata.prediction.predictor import Predictor, Stored, load_predictor, matched, of_model, refuse_lacking
from segdata.prediction.profile import About
from segdata.prediction.signals import Measure, Signals
from segdata.prediction.sliding import Band, Failed, Input, Target, as_it_is, slide
from segdata.prediction.windows import Flip, Sliding, window_size
from segdata.refinement.apply import refined
from segdata.refinement.settings import Refinement
from segdata.tiling.area import Area, refuse_elsewhere
from segdata.tiling.retype import Retype
from segdata.tiling.stitcher import Blend
from segdata.tiling.tiles import tile_content

Key = tuple[Sample, bool, list[Stamp]]
"""A sample, whether it is the last of its group, and the file that it is predicted from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of each sample: from `source`, as `images` says, into what `output` says.

    Its mask is refined, for which the output has scores, that are kept where `scores` are asked for. Outside of `area` it is
    ignored. Images are brought into another type by `retype`. `about`: what signals are of, if they are written.
    """

    source: Dataset
    target: Dataset
    output: Output
    scores: bool = False
    refinement: Refinement | None = None
    area: Area | None = None
    polygons: Polygons | None = None
    retype: Retype | None = None
    about: About | None = None
    by_model: bool = False
    """Whether the refinement is that of the model's file."""


class Predicted(Made, frozen=True):
    """What an image became, its signals, its polygons, and how many were left out, by why."""

    signals: Signals | None = None
    polygons: int = 0
    left_out: dict[str, int] = msgspec.field(default_factory=dict)


def predict(
    model: Predictor | str | Path,
    dataset: Dataset | str | Path,
    destination: str | Path,
    *,
    split: str | None = None,
    size: tuple[int, int] | None = None,
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
    no_refine: bool = False,
    aoi: str | Path | None = None,
    aoi_crs: str | None = None,
    aoi_layer: str | None = None,
    vectorize: bool | Polygons = False,
    cog: bool = False,
    signals: bool = True,
    images: Images = "reference",
    bands: str | None = None,
    alpha: Alpha = "auto",
    vrt: bool = False,
    subdataset: str | None = None,
    scale_values: Sequence[float] = (),
    device: str = "auto",
    trust_code: bool = False,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Predict the images of a dataset, or those below a folder; the result is a dataset with the same ids.

    Masks of georeferenced images are GeoTIFFs, and those of more than 67 million pixels TIFFs. Where an image has no data, and
    where a tile is padded, masks are ignored. For the windows see `segdata.prediction.windows.Sliding`.

    A job that was stopped goes on after the last whole image, or the last whole batch of small ones. Raises `DatasetError`
    for label contracts that differ and the destination, `OptionError`, and `DataError` for the first bad image
    (`run.report` may skip instead).

    Args:
        model: A `Predictor`, or the file of a checkpoint or of an exported model (.onnx, .pt2); with split `folds` the folder
            of a cross-validation.
        dataset: A dataset, its folder, or a folder of images or one image.
        destination: The folder of the new dataset.
        split: Predict this split only; several: a,b; all but one: !a; folds: each fold, by the model that was not trained on it.
        size: Height and width of the windows, in pixels of the model; one number is both. By default 512, or the size of a
            model that takes no other.
        overlap: The least part of a window that neighbours share.
        blend: How overlapping windows are weighed. crop takes the one whose edge is farthest.
        batch: How many windows are predicted at once, of several images too.
        flips: Average with the mirrored window: x left to right, y top to bottom, xy both.
        scales: Average over these scales, such as 0.75,1,1.25.
        scores: Keep the probabilities, in 8 bits: scores/<id>.tif.
        reject_below: Ignore pixels whose likeliest class has less probability.
        entropy: Write how unsure the model is, 0 to 255: entropy/<id>, round(255 H / ln K).
        match_names: Map classes by name if model and dataset have other ones or another order.
        refinement: Refine each mask with these settings, such as the file that segdata refine --tune wrote. By default with
            those in the model's file, if it is a bundle that has some.
        no_refine: Leave masks as the model gives them, also if its file has settings of a refinement.
        aoi: A file of polygons, in GeoJSON or another format of `convert vector`. Pixels outside become ignored, and windows
            that lie outside are not predicted. Inside, the masks are the same as without it.
        aoi_crs: The coordinate system of `aoi`: EPSG:..., or pixel. By default what the file says, or else longitude and
            latitude, or pixel for images without coordinates.
        aoi_layer: The layer of `aoi` to read, if it has several.
        vectorize: Write polygons too: vectors/<id>.geojson.
        cog: Write masks as Cloud Optimized GeoTIFFs: tiled, with overviews, in the colours of the classes.
        signals: Write what is known of each image without labels, for `monitor` and `pick`: signals.jsonl.
        images: What becomes of the images: masks refer to them where they are (reference), through symbolic links (link), as
            copies (copy), or there are none (none).
        bands: Read only these bands of the images, in this order: numbers from 1 on (3,2,1), or names in the files (B4,B3,B2).
            If the dataset reads some bands already, numbers count those. By default images in no dataset are read like those
            that the model was trained on.
        alpha: Whether the last band is transparency (yes) or data (no). auto: as the dataset says, or as it looks.
        vrt: Read images that are VRTs. Their sources must lie below the folder of the VRT.
        subdataset: Read this image of files that hold several (NetCDF, HDF5, Zarr): its name there.
        scale_values: For images of another type than the model was trained on: the values LOW,HIGH that become the darkest and
            the brightest of that type, as `tile --dtype` writes them.
        device: Where the model runs: cpu, cuda, cuda:1, mps; auto: a GPU if there is one. An exported model takes no mps.
        trust_code: Call the package.module:factory that the checkpoint names, or load a .pt2 file: both run their code.
        overwrite: Replace a dataset at `destination`.
    """
    models: dict[str, Stored] = {}
    if split == FOLDS and isinstance(model, str | Path):
        dataset = Dataset.of(dataset)
        models = held_out(place(model), dataset, device, trust_code)
    predictor = _loaded(model, models, device, trust_code)
    retype = typed(predictor, span_given(scale_values))
    sliding = Sliding(window_size(predictor, size), overlap, blend, batch, tuple(flips), tuple(scales))
    sliding.check()
    one_of("images", images, Images)
    if reject_below is not None and not 0 <= reject_below <= 1:
        raise OptionError(f"--reject-below {reject_below:g}: must be 0 to 1")
    if no_refine and refinement is not None:
        raise OptionError("--refine and --no-refine: give one of them")
    asked = AS_IT_IS.but(vrt=vrt, subdataset=subdataset)
    source = dataset if isinstance(dataset, Dataset) else dataset_or_images(dataset, predictor.labels, asked)
    source = source if split is None else source.split(",".join(models) or split)
    run = run or Run()
    source = read_as(source.read_as(vrt=vrt, subdataset=subdataset), predictor, bands, alpha, run)
    classes = matched(predictor.labels, source.labels, source.root, match_names)
    refinement_file = refinement
    if isinstance(refinement, str | Path):
        refinement = Refinement.read(refinement, source.labels)
    own = None if models or no_refine or refinement is not None else of_model(predictor)
    if lacking := [name for name, id in zip(predictor.labels.names, classes, strict=True) if id is None]:
        refuse_lacking(lacking, scores, refinement is not None, own is not None)
    refinement = refinement if own is None else own.under(predictor.labels, source.labels)
    options = {
        **{name: value for name, value in asdict(sliding).items() if name != "batch"},
        "split": split, "scores": scores, "reject_below": reject_below, "entropy": entropy, "match_names": match_names,
        **told(bands, alpha, vrt, subdataset),
        **({} if retype is None else {"scale_values": retype.span}),
    }  # fmt: skip
    if refinement is not None:
        options["refinement"] = refinement.to_json(source.labels)
    polygons = Polygons.of(vectorize, source.labels)
    if polygons is not None:
        options["vectorize"] = polygons.to_json()
    options |= {**({"cog": True} if cog else {}), **({} if signals else {"signals": False})}
    area = Area.given(aoi, aoi_crs, aoi_layer)
    made_by = made_of("predict", options, [source])
    if area is not None:
        made_by["options"] |= {"aoi_crs": aoi_crs, **({} if aoi_layer is None else {"aoi_layer": aoi_layer})}
        made_by["inputs"] += area.facts()
        refuse_elsewhere(area, source)
    named = named_as(model, predictor, models)
    sent: Predictor | Stored = predictor
    if isinstance(model, str | Path) and not models and run.executor is not None:
        sent = Stored(str(model), device, trust_code, named["sha256"])
    made_by["inputs"].insert(0, {key: value for key, value in named.items() if key != "job"})
    root = place(destination)
    target = Dataset(root, source.labels, (), made_by, images, source.reading)
    needs = refinement is not None and refinement.crf is not None
    output = Output(root, source.labels, classes, reject_below, scores or needs, entropy, cog)
    about = about_of(predictor, named["sha256"], not models) if signals else None
    plan = Plan(source, target, output, scores, refinement, area, polygons, retype, about, own is not None)
    parts: list[tuple[Dataset, Predictor | Stored]] = [(source.split(fold), stored) for fold, stored in models.items()]
    stages = [
        (grouped(part, sliding), partial(predict_groups, model=by, sliding=sliding))
        for part, by in parts or [(source, sent)]
    ]
    more = [one for one in (model, refinement_file, aoi) if isinstance(one, str | Path)]
    return _predicted(plan, stages, named, Inputs([source], more), overwrite, run)


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
    whole = partial(whole_with, plan.about)
    if named["sha256"] is not None and (there := finished(target, inputs, whole, overwrite=overwrite)) is not None:
        return there
    with resumable(target, Predicted, given, inputs, overwrite=overwrite, run=run) as job:
        into = replace(plan, target=job.dataset, output=replace(plan.output, root=job.root))
        bare = replace(into, source=replace(source, samples=()))
        for groups, work in stages:
            todo = [group for group in groups if any(sample.id not in job.done for sample in group)]
            job.gather(_of_each(run.stream(partial(work, plan=bare), todo, into=job.root)), lambda sample: sample.id)
        if plan.about is not None and job.done:
            save_signals(job.root, plan.about, (one.signals for one in job.done.values()))
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
            partial(opened_for, plan.source, sample, predictor, plan.retype),
            seen,
            number,
            None if plan.area is None else partial(plan.area.on, sample=sample),
            tile_content(sample),
        )
        for number, group in enumerate(groups)
        for sample in group
    )
    found: list[Predicted | Problem] = []
    for last, result in _each(plan, slide(images, predictor, sliding, besides=plan.about is not None)):
        found.append(result)
        if last:
            yield found
            found = []


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
            if writer is None:
                writer = ImageWriter(plan.output, sample.id, part.size, part.geo, tile_content(sample))
                measure = measure_of(sample, len(part.probs))
            writer.add(part.y, part.probs)
            if plan.about is not None:
                measure.add(part)
            if part.y + part.probs.shape[1] == part.size[0]:
                written, writer = writer, None
                yield last, _caught(plan, part, written, measure)
    finally:
        if writer is not None:
            writer.discard()


def _caught(plan: Plan, part: Band[Key], writer: ImageWriter, measure: Measure) -> Predicted | Problem:
    id = part.key[0].id
    signals = None if plan.about is None else signals_of(part.key[0], measure)
    try:
        line = _line(plan, part, writer)
        written = Written(0, {})
        if plan.polygons is not None:
            mask = plan.target.inside(line.mask)
            written = write_polygons(plan.target.root, id, mask, plan.target.labels, part.geo, plan.polygons)
        if plan.output.cog:
            line = _as_cog(plan, line)
        return Predicted(id, [line], signals, *written, inputs=part.key[2])
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


def _loaded(model: Predictor | str | Path, models: dict[str, Stored], device: str, trust_code: bool) -> Predictor:
    """The model, or the first of a cross-validation, whose others have the same labels. Raises as `load_predictor`."""
    if models:
        return next(iter(models.values())).load()
    return load_predictor(model, device, trust_code=trust_code) if isinstance(model, str | Path) else model


def _receipt(plan: Plan, whole: Dataset, job: Job[Predicted]) -> dict[str, Any]:
    """What was predicted, of which classes; and how exact the scores are."""
    out = receipt_of("predicted", len(plan.source), job.left_out, pixels=pixels_of(whole))
    if plan.scores:
        out["scores"] = {"stored": "round(255 p)", "largest_error": HALF_STEP}
    if plan.by_model:
        out["refined_by"] = "model"
    if plan.polygons is not None:
        out.update(written_json(Written(one.polygons, one.left_out) for one in job.done.values()))
    return out
