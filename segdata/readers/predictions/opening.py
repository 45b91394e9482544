"""Predictions as commands take them: a dataset, or a folder of mask files of another program, under the ids of truth."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.layout import CARD, JOURNAL, LOG, MANIFEST
from segdata.dataset.match import match_ids
from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError, Problem
from segdata.files.alignment import elsewhere, not_there, read_ground
from segdata.files.arrays import ENDINGS
from segdata.files.endings import IMAGE_ENDINGS
from segdata.files.patterns import Pattern
from segdata.files.places import listed
from segdata.files.remote import Place
from segdata.metrics.confusion import Confusion
from segdata.readers.predictions.reader import files_of, notes
from segdata.tiling.tiles import Stitched, image_of, read_stitched
from segdata.words import some

READ = "segdata convert masks {pred} DST --mask-dir . --images none --classes {card}"
"""What reads masks of any coding; see `_filled`."""

WARP = "segdata convert masks {pred} DST --mask-dir . --image-dir IMAGES --classes {card} --warp-masks"
"""What warps masks to their images."""

CODING = {
    "mask.values": "--values VALUE=NAME (one for each)",
    "mask.depth": "(with --values VALUE=NAME if values are others)",
    "mask.colours": "--colors (with --values R,G,B=NAME if colours are others)",
}
"""Faults of masks that are coded otherwise than segdata's, and what `READ` needs besides."""

FILES = "files"
"""The `made_by` operation of predictions that are files of another program."""


def open_predictions(pred: Dataset | str | Place, truth: Dataset, chosen: Dataset, match: str | None) -> Dataset:
    """Predictions as a dataset: that one, or the masks in a folder of files, each under the id of truth that its name tells.

    With `match` the ids of a dataset's images are matched, too. `chosen` is the part of `truth` that is wanted. Files that
    match no sample keep their names. Raises `DataError`, `DatasetError`, `OptionError`.
    """
    if isinstance(pred, Dataset) or is_dataset(listed(pred)):
        dataset = Dataset.of(pred)
        return dataset if match is None else _matched(dataset, truth, chosen, match)
    base = listed(pred)
    pattern = Pattern.of(match, "match", IMAGE_ENDINGS)
    files = files_of(base, pattern) if base.is_dir() else {}
    if not files:
        _refuse_other(base, match)
    found = match_ids(files, _names(truth), {*_names(chosen)})
    if not found:
        raise DatasetError(f"{base}: {notes(set(files), set(), [s.id for s in truth])[0]}")
    tiles = {s.id: s for s in truth if s.tiling is not None}
    samples = [_of_file(found.get(key, key), path, tiles) for key, path in files.items()]
    origin = {"operation": FILES, "like": str(truth.root)}
    return Dataset(base, truth.labels, sorted(samples, key=lambda s: s.id), origin)


def _names(dataset: Dataset) -> list[str]:
    """What files may be named after: samples, and images that are in tiles."""
    return [*dict.fromkeys(name for s in dataset for name in (s.id, image_of(s)))]


def _of_file(id: str, path: str, tiles: Mapping[str, Sample]) -> Sample:
    """A sample of which nothing is known but the mask file, or that it is a tile of truth."""
    sample = Sample(id=id, mask=path, height=0, width=0, counts={}, sha256="")
    if (like := tiles.get(id)) is None:
        return sample
    return msgspec.structs.replace(
        sample, height=like.height, width=like.width, parent=like.parent, window=like.window, tiling=like.tiling
    )


def read_predicted(
    dataset: Dataset, samples: Sequence[Sample], size: tuple[int, int], command: str = "evaluate"
) -> Stitched:
    """`read_stitched` of predictions. Raises `DataError`, for values of another coding with the way to read them."""
    try:
        return read_stitched(dataset, samples, size)
    except DataError as error:
        problem = error.problem
        if not is_files(dataset) or problem.code not in {*CODING, "mask.size"}:
            raise
        what = problem.message.partition(": was it replaced")[0]
        way_out = "a file must be as large as the tile that it is named after"
        if problem.code in CODING:
            way_out = f"{_filled(READ, dataset)} {CODING[problem.code]}, then {command} DST"
        raise DataError(replace(problem, message=f"{what}: {way_out}")) from error


def refuse_elsewhere(
    pred: Dataset, samples: Sequence[Sample], truth: Dataset, sample: Sample, command: str = "evaluate"
) -> None:
    """Raise `DataError` (`mask.elsewhere`) for a file of another program that does not lie where the image of truth does.

    Only if both say where that is, and the sample of truth is all of its image.
    """
    if not is_files(pred) or sample.image is None or (sample.crop or sample.tiling) is not None:
        return
    for mask in samples:
        path = pred.inside(mask.mask)
        if (grounds := elsewhere(read_ground(path), truth.image_path(sample))) is not None:
            what = f"{not_there(*grounds)}: {_filled(WARP, pred)}, then {command} DST"
            raise DataError(Problem("mask.elsewhere", what, str(path), sample.id))


def refuse_two_valued(pred: Dataset, found: Confusion, command: str = "evaluate") -> None:
    """Raise `DatasetError` for files of another program that hold class 0 and ignore alone: 255 is rather a class there."""
    tally, names, ignore = found.tally, pred.labels.names, pred.labels.ignore
    if is_files(pred) and found.rejected and not tally.pred[1:].any() and tally.truth[1:].any():
        read = _filled(READ, pred)
        raise DatasetError(
            f"{pred.root}: its masks hold {names[0]} (0) and ignore ({ignore}) alone; if {ignore} is a class: "
            f"{read} --values {shlex.quote(f'{ignore}={names[1]}')}, then {command} DST; otherwise {read}"
        )


def _filled(form: str, pred: Dataset) -> str:
    """A way out with the paths of files of another program, and of the dataset whose classes they have."""
    card = f"{pred.made_by['like']}/{CARD}"
    return form.format(pred=shlex.quote(str(pred.root)), card=shlex.quote(card))


def refuse_swapped(pred: Dataset, truth: Dataset) -> None:
    """Raise `DatasetError` if `truth` is a dataset of predictions, as its card says, and `pred` is none: they are swapped."""
    if _is_predicted(truth) and not _is_predicted(pred) and not is_files(pred):
        names, first = f"{folder_name(truth)} {folder_name(pred)}", truth.labels.names[0]
        raise DatasetError(
            f"{truth.root}: is a prediction, as its dataset.json says, and {folder_name(pred)} is none: PRED comes first, "
            f"evaluate {names}; if a model's masks are the truth, copy them (segdata remap --map {first}={first})"
        )


def is_files(dataset: Dataset) -> bool:
    """Whether it is the files of another program, of which nothing is known but their names."""
    return dataset.made_by.get("operation") == FILES


def _is_predicted(dataset: Dataset) -> bool:
    made, options = dataset.made_by.get("operation"), dataset.made_by.get("options")
    return made in ("predict", "refine") or (isinstance(options, dict) and options.get("format") == "predictions")


def is_dataset(root: Place) -> bool:
    """Whether a folder is a dataset, or one in the making."""
    return any((root / name).exists() for name in (CARD, MANIFEST, JOURNAL, LOG))


def _matched(dataset: Dataset, truth: Dataset, chosen: Dataset, match: str) -> Dataset:
    """A dataset under the ids of truth that its own ids tell by a pattern."""
    pattern = Pattern.of(match, "match", IMAGE_ENDINGS)
    images = {image_of(s) for s in dataset}
    keys = {id: pattern.key(f"{id}.png") or id for id in sorted(images)}
    known = [*dict.fromkeys(map(image_of, truth))]
    found = match_ids(keys.values(), known, {*map(image_of, chosen)})
    samples = [_named(s, found.get(keys[image_of(s)], image_of(s))) for s in dataset]
    return replace(dataset, samples=sorted(samples, key=lambda s: s.id))


def _named(sample: Sample, image: str) -> Sample:
    """A sample that is that image, or a tile of it."""
    whole = image_of(sample) == sample.id
    return msgspec.structs.replace(sample, id=image) if whole else msgspec.structs.replace(sample, parent=image)


def _refuse_other(base: Place, match: str | None) -> NoReturn:
    """Raise `DatasetError` for what holds no masks: by what it holds."""
    if not base.is_dir():
        raise DatasetError(f"{base}: there is no such folder")
    arrays = files_of(base, Pattern.of(None, "match", ENDINGS))
    if arrays:
        raise DatasetError(
            f"{base}: holds scores ({some(arrays.values(), 2)}): segdata convert predictions {base} DST --like TRUTH makes"
            " a dataset of them"
        )
    like = f" like {match}" if match else ""
    raise DatasetError(
        f"{base}: neither a segdata dataset nor a folder of masks{like} ({', '.join(IMAGE_ENDINGS[:1])}, ...)"
    )
