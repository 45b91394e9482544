"""The end of a training: temperatures of its checkpoints, and a profile of its validation images.

Every process of a training calls what is here. What was stopped in the middle of it goes on when the training is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from segdata.errors import DataError, DatasetError
from segdata.files.places import file_digest
from segdata.files.remote import Place
from segdata.nn import checkpoint
from segdata.nn.calibrate import Calibrated, Truth, calibrated_on, halves, inputs_of, with_temperature
from segdata.nn.distributed import World
from segdata.nn.folder import BEST, LAST, Folder
from segdata.nn.notes import note_once
from segdata.nn.predictor import TorchPredictor, predictor_of
from segdata.nn.task import Task
from segdata.ops.predict.signals import signals_of
from segdata.prediction.profile import PROFILE, About, Profile, streamed
from segdata.prediction.signals import Measure, Signals
from segdata.prediction.sliding import Failed, slide
from segdata.prediction.windows import Sliding
from segdata.tiling.tiles import tile_content
from segdata.windows import Window


def calibrate_run(task: Task, folder: Folder, here: World) -> Calibrated | None:
    """Give best.pt and last.pt their temperatures, unless they have them; returns what came of the first that there is.

    None if there are too few validation images. Raises `DatasetError`.
    """
    here.wait()  # the first process may still be writing
    found: dict[object, Calibrated | None] = {}
    for path in (folder.root / BEST, folder.root / LAST):
        if not path.exists():
            continue
        held = checkpoint.read(path)
        epoch = held.get("metrics", {}).get("epoch")
        if "temperature" in held:
            found.setdefault(epoch, _told(held, str(path)))
            continue
        if epoch not in found:  # otherwise last.pt has the weights of best.pt
            found[epoch] = _calibrated(task, held, str(path), here)
        if here.first:
            checkpoint.write(path, with_temperature(held, found[epoch]))
    here.wait()
    return next(iter(found.values()), None)


def profile_run(task: Task, folder: Folder, here: World) -> None:
    """Write the signals of the validation images, with what is right in them, of best.pt, or else of last.pt.

    They are those of `segdata predict`. Nothing is done if they are there already. Raises `DatasetError`.
    """
    here.wait()  # the first process may still be writing
    model = next(path for path in (folder.root / BEST, folder.root / LAST) if path.exists())
    path, digest = folder.root / PROFILE, file_digest(model)
    if _is_of(path, digest):
        return
    predictor = predictor_of(checkpoint.read(model), str(model), here.device, trust_code=True)
    rows = here.gather(list(_signals(predictor, task, here)))
    if here.first:
        Profile(About.of(task.labels, digest, predictor.temperature), tuple(rows)).save(path)
    here.wait()


def _is_of(path: Place, model: str) -> bool:
    """Whether a file holds the signals of a model, by its digest."""
    if not path.exists():
        return False
    try:
        with streamed(path) as (about, _):
            return about.model == model
    except DatasetError:
        return False


def _signals(predictor: TorchPredictor, task: Task, here: World) -> Iterator[Signals]:
    """Those of this process's images."""
    sliding = windows(task)
    measure: Measure | None = None
    with Truth(task.val) as masks:
        for band in slide(inputs_of(predictor, task.val, sliding, here), predictor, sliding, besides=True):
            if isinstance(band, Failed):
                raise DataError(band.problem)
            rows = Window(band.y, 0, *band.probs.shape[1:])
            measure = measure or Measure(len(band.probs), tile_content(band.key), judged=True)
            measure.add(band, masks(band.key, rows))
            if rows.y + rows.height == band.size[0]:
                yield signals_of(band.key, measure)
                measure = None


def windows(task: Task) -> Sliding:
    """The windows of `segdata predict`, no more at once than images are validated at once, so that the memory suffices."""
    options = task.options
    return Sliding(batch=min(Sliding().batch, options.val_batch or max(1, options.batch // options.accumulate)))


def _calibrated(task: Task, held: dict[str, object], path: str, here: World) -> Calibrated | None:
    parts = halves(task.val, task.options.seed)
    if parts is None:
        note_once("confidences are not calibrated: it takes two labelled validation images, one to measure on")
        return None
    predictor = predictor_of(held, path, here.device, trust_code=True)
    return calibrated_on(predictor, parts, windows(task), task.options.seed, here)


def _told(held: dict[str, object], path: str) -> Calibrated | None:
    """What a checkpoint says of its calibration."""
    if "calibration" not in held:
        return None
    try:
        return msgspec.convert(held["calibration"], Calibrated)
    except msgspec.ValidationError as error:
        raise DatasetError(f"{path}: what it says of its calibration is damaged: {error}") from error
