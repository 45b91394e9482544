"""The end of a training: temperatures of its checkpoints. What was stopped in the middle of it goes on when it is repeated."""

from __future__ import annotations

import msgspec

from segdata.errors import DatasetError
from segdata.nn import checkpoint
from segdata.nn.calibrate import Calibrated, calibrated_on, halves, with_temperature
from segdata.nn.distributed import World
from segdata.nn.folder import BEST, LAST, Folder
from segdata.nn.notes import note_once
from segdata.nn.predictor import predictor_of
from segdata.nn.task import Task
from segdata.prediction.sliding import Sliding


def calibrate_run(task: Task, folder: Folder, here: World) -> Calibrated | None:
    """Give best.pt and last.pt their temperatures, unless they have them; returns what came of the first that there is.

    None if there are too few validation images. Every process of a training calls this. Raises `DatasetError`.
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


def _calibrated(task: Task, held: dict[str, object], path: str, here: World) -> Calibrated | None:
    parts = halves(task.val, task.options.seed)
    if parts is None:
        note_once("confidences are not calibrated: it takes two labelled validation images, one to measure on")
        return None
    predictor = predictor_of(held, path, here.device, trust_code=True)
    return calibrated_on(predictor, parts, Sliding(), task.options.seed, here)


def _told(held: dict[str, object], path: str) -> Calibrated | None:
    """What a checkpoint says of its calibration."""
    if "calibration" not in held:
        return None
    try:
        return msgspec.convert(held["calibration"], Calibrated)
    except msgspec.ValidationError as error:
        raise DatasetError(f"{path}: what it says of its calibration is damaged: {error}") from error
