"""The state of a training, which changes with every step, and its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from segdata.errors import DatasetError, reason
from segdata.nn import checkpoint, models
from segdata.nn.distributed import World
from segdata.nn.initial import start_from
from segdata.nn.models.base import Segmenter, refuse_without_encoder
from segdata.nn.norms import restore
from segdata.nn.optimizers import Average, optimizer_of
from segdata.nn.options import Training
from segdata.nn.precision import precision_of
from segdata.nn.task import Task

Row = dict[str, float]
"""A line of metrics.csv: the measurements after an epoch, by name."""


@dataclass(slots=True)
class State:
    """Everything that a resumed run needs.

    `loss` is the sum of this process's losses in this epoch so far; `seconds` is the time of training, before a stop too.
    `running` are the statistics of training, while the weights to keep have others: see `segdata.nn.norms`.
    """

    model: Segmenter
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: Average | None
    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    running: dict[str, list[torch.Tensor]] | None = None

    @property
    def weights(self) -> Segmenter:
        """The model to validate and to keep: the average, if there is one."""
        return self.model if self.average is None else self.average.model

    def to_plain(self) -> dict[str, Any]:
        """The state as plain values and tensors, without the weights to keep."""
        return {
            "model": None if self.average is None else self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "loss": self.loss,
            "seconds": self.seconds,
            "rows": self.rows,
            "running": self.running,
        }

    def load(self, weights: Mapping[str, Any], plain: Mapping[str, Any], path: str) -> None:
        """Restore the result of `to_plain`. Raises `DatasetError` if it does not fit."""
        checkpoint.load_state(self.weights, weights, path)
        try:
            if plain["model"] is not None:
                checkpoint.load_state(self.model, plain["model"], path)
            self.optimizer.load_state_dict(dict(plain["optimizer"]))
            if plain["scaler"]:  # empty from a device that computed in float32
                self.scaler.load_state_dict(dict(plain["scaler"]))
            self.step, self.loss, self.seconds = int(plain["step"]), float(plain["loss"]), float(plain["seconds"])
            self.rows = [dict(row) for row in plain["rows"]]
            if plain.get("running") is not None:
                restore(self.weights, plain["running"])
        except checkpoint.FAULTS as error:
            what = reason(error).partition("\n")[0]
            raise DatasetError(
                f"{path}: its training state is damaged ({what}): choose another folder, or --overwrite"
            ) from error


def start(task: Task, here: World) -> State:
    """Make a new model and its optimizer. Raises `DatasetError` if it should start from a checkpoint that does not fit."""
    options = task.options
    torch.manual_seed(options.seed)
    model = models.build(
        options.model, encoder=options.encoder, bands=task.bands, classes=len(task.labels.classes), head=options.head,
        encoder_weights=options.encoder_weights, **options.model_options,
    )  # fmt: skip
    if options.freeze_encoder:
        refuse_without_encoder(model)
    if options.init is not None:
        start_from(model, options.init, options, task.labels, task.bands, task.recipe)
    model.to(device=here.device, memory_format=layout(options))  # type: ignore[call-overload]
    scaler = torch.amp.GradScaler(here.device.type, enabled=precision_of(options, here.device) == torch.float16)
    average = None if options.ema is None else Average(model, options.ema)
    return State(model, optimizer_of(model, options), scaler, average)


def layout(options: Training) -> torch.memory_format:
    """The memory format of images and weights."""
    return torch.channels_last if options.channels_last else torch.contiguous_format


def best_row(rows: list[Row], options: Training) -> int | None:
    """The number of the best row by `options.best`, on a tie the first; None if nothing was validated."""
    name, sign = ("val_loss", -1) if options.best == "loss" else (options.best, 1)
    found = [(sign * row[name], -number) for number, row in enumerate(rows) if name in row and row[name] == row[name]]
    return -max(found)[1] if found else None


def gave_up(rows: list[Row], options: Training) -> bool:
    """Whether none of the last `patience` validations was better than all before them."""
    best = best_row(rows, options)
    if options.patience is None or best is None:
        return False
    return sum("mean_iou" in row for row in rows[best + 1 :]) >= options.patience
