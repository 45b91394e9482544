"""A run's folder: config.yaml, recipe.yaml, checkpoints, metrics.csv, curves.png, TensorBoard's events, sample predictions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from segdata.dataset.journal import Lock, locked
from segdata.errors import DatasetError, OptionError
from segdata.files.images import overlay
from segdata.files.places import local_draft, names_in, remove, write_whole
from segdata.files.rasters import to_rgb
from segdata.files.remote import Place, Remote
from segdata.labels import Labels, Mask, must_agree
from segdata.nn import checkpoint
from segdata.nn.curves import draw_curves, write_rows
from segdata.nn.distributed import World
from segdata.nn.options import FREE, Training, config_text, read_config
from segdata.nn.state import State, best_row
from segdata.nn.task import Task
from segdata.resize import Pixels, resize_image, resize_mask
from segdata.version import __version__

if TYPE_CHECKING:
    from segdata.nn.step import Step
    from segdata.nn.validate import Validator

CONFIG, RECIPE, ABOUT, LAST, BEST, METRICS, CURVES = (
    "config.yaml", "recipe.yaml", "run.json", "last.pt", "best.pt", "metrics.csv", "curves.png",
)  # fmt: skip

RATES = ("lr.csv", "lr.png")

OWN = (CONFIG, RECIPE, ABOUT, LAST, BEST, METRICS, CURVES, "events", "samples", *RATES)
"""All that segdata puts in a run's folder, and so all that --overwrite removes there."""

LOCK = "run.lock"
"""Held, and there, while a training runs; what a killed one leaves is nobody's."""

SECONDS_BETWEEN_CURVES = 5.0


@dataclass(slots=True)
class Folder:
    """Where a run is written, by the first process alone."""

    root: Place
    task: Task
    here: World
    overwrite: bool = False
    saved: float = field(default_factory=time.monotonic)
    drawn: float = -1e9
    events: Any = None

    @classmethod
    @contextmanager
    def claim(cls, root: Place, task: Task, here: World, *, overwrite: bool) -> Iterator[Folder]:
        """A new folder, or one of the same run. Raises `DatasetError` for any other, that --overwrite would empty.

        Nothing is changed in it before `begin`, and a new one is gone again where that is not reached.
        """
        with ExitStack() as stack:
            if here.first:
                refuse_foreign(root, overwrite=overwrite)
                if not root.exists():
                    root.mkdir(parents=True)
                    stack.callback(remove_empty, root)
                stack.enter_context(held(root))
                if not overwrite:
                    refuse_other_options(root, task.options)
            here.wait()
            folder = cls(root, task, here, overwrite)
            try:
                yield folder
            finally:
                if folder.events is not None:
                    folder.events.close()

    def begin(self, state: State) -> None:
        """Once all that can be refused was: empty the folder, or go on where its last.pt is; and write what is trained how.

        Raises `DatasetError` where last.pt is of other classes, another dataset or recipe.
        """
        if self.overwrite and self.here.first:
            clear(self.root)
        self.here.wait()
        with self.here.alike():
            self.resume(state)
        if self.here.first:
            write_whole(self.root / CONFIG, config_text(self.task.options).encode())
            write_whole(self.root / RECIPE, self.task.recipe.to_yaml().encode())

    def resume(self, state: State) -> None:
        """Go on where last.pt is, if it is. Raises `DatasetError`, as `begin`."""
        path = self.root / LAST
        if not path.exists():
            return
        found = checkpoint.read(path)
        must_agree(checkpoint.labels_of(found, path), self.task.labels, str(path), "the dataset", checkpoint.ANEW)
        for what, was, now in (
            ("the dataset has", found["dataset"], self.task.digest),
            ("the recipe has", found["recipe"], self.task.recipe.to_dict()),
        ):
            if was != now:
                raise DatasetError(f"{path}: {what} changed since: take another folder, or --overwrite to train anew")
        state.load(found["state"], found["train"], str(path))

    def save_sometimes(self, state: State, learn: Step, passed: float) -> None:
        """last.pt in the middle of an epoch, if the last one is old."""
        if self.here.first and time.monotonic() - self.saved >= 60 * self.task.options.save_minutes:
            learn.settle()
            state.seconds = passed
            self.save_last(state)

    def save_last(self, state: State) -> None:
        """last.pt: what to predict with, and all that going on needs."""
        checkpoint.write(self.root / LAST, {**self.kept(state), "train": state.to_plain()})
        self.saved = time.monotonic()

    def kept(self, state: State) -> dict[str, Any]:
        """What a checkpoint holds for predicting."""
        task = self.task
        row = state.rows[-1] if state.rows else {}
        weights = state.weights.state_dict()
        made = checkpoint.of(
            task.options,
            weights,
            labels=task.labels,
            bands=task.bands,
            recipe=task.recipe.to_dict(),
            dataset=task.digest,
        )
        return {**made, "metrics": dict(row)}

    def finish_epoch(self, state: State, validator: Validator, passed: float) -> None:
        """Write all that an epoch came to; last.pt last, so that a killed run repeats what was not written."""
        state.seconds = passed
        if not self.here.first:
            return
        row = state.rows[-1]
        write_rows(self.root / METRICS, state.rows)
        write_whole(self.root / ABOUT, (json.dumps(self.about(state), indent=2) + "\n").encode())
        self.write_events(state)
        if "mean_iou" in row:
            self.write_images(state, validator)
            if best_row(state.rows, self.task.options) == len(state.rows) - 1:
                checkpoint.write(self.root / BEST, self.kept(state))
        ended = state.step == self.task.options.epochs * self.task.steps
        if ended or time.monotonic() - self.drawn > SECONDS_BETWEEN_CURVES:
            draw_curves(self.root / CURVES, {self.root.name: [state.rows]}, classes=True)
            self.drawn = time.monotonic()
        self.save_last(state)

    def about(self, state: State) -> dict[str, Any]:
        """What `segdata compare` asks of a run beside its rows."""
        task, best = self.task, best_row(state.rows, self.task.options)
        encoder = f" over {task.options.encoder}" if task.options.encoder else ""
        return {
            "segdata": __version__,
            "model": f"{task.options.model}{encoder}",
            "parameters": sum(p.numel() for p in state.model.parameters()),
            "labels": task.labels.digest,
            "dataset": task.digest,
            "device": self.here.device.type,
            "processes": self.here.size,
            "epochs": task.options.epochs,
            "best_by": task.options.best,
            "best": {} if best is None else {name: v for name, v in state.rows[best].items() if np.isfinite(v)},
        }

    def write_events(self, state: State) -> None:
        """The epoch's numbers for TensorBoard, in groups by what they are of."""
        if not self.task.options.tensorboard or isinstance(self.root, Remote):  # such a file grows, and objects cannot
            return
        row = state.rows[-1]
        epoch = int(row["epoch"])
        if self.events is None:
            from torch.utils.tensorboard import SummaryWriter

            self.events = SummaryWriter(str(self.root / "events"), purge_step=epoch)
        for name, value in row.items():
            if name not in ("epoch", "step") and np.isfinite(value):
                group = "loss" if name.endswith("loss") else "iou" if "iou" in name else "accuracy"
                group = group if name not in ("rate", "seconds") else "run"
                self.events.add_scalar(f"{group}/{name.removeprefix('iou/')}", value, epoch)
        self.events.flush()

    def write_images(self, state: State, validator: Validator) -> None:
        """samples/epoch_0001.jpg: validation samples, a row each: image, truth, prediction."""

        parts = sorted(validator.parts)
        number = min(self.task.options.images, len(parts))
        if number:
            chosen = np.linspace(0, len(parts) - 1, number).round().astype(int).tolist()
            shown = [validator.predict(state.weights, parts[i]) for i in chosen]
            path = self.root / "samples" / f"epoch_{len(state.rows):04d}.jpg"
            write_rows_of(path, shown, self.task.labels)


@contextmanager
def held(root: Place) -> Iterator[None]:
    """While one run is writing there, others are refused. Raises `DatasetError`."""
    if isinstance(root, Remote):
        lock = Lock(root, root / LOCK)
        try:
            yield
        finally:
            lock.stop()
            lock.path.unlink(missing_ok=True)
        return
    file = locked(root / LOCK)
    try:
        yield
    finally:
        (root / LOCK).unlink(missing_ok=True)
        file.close()


def remove_empty(root: Place) -> None:
    """Remove a folder with nothing in it; object storage has none such."""
    if not isinstance(root, Remote) and not names_in(root):
        root.rmdir()


def clear(root: Place) -> None:
    """Remove all that segdata puts in a run's folder."""
    for name in OWN:
        remove(root / name)


def refuse_foreign(root: Place, *, overwrite: bool = False) -> None:
    """Raise `DatasetError` for a folder that holds anything but a run, or what is left of one where that is overwritten."""
    if root.exists() and not root.is_dir():
        raise DatasetError(f"{root}: is a file, not a folder")
    names = {name.removesuffix(".partial") for name in names_in(root)}
    names.discard(LOCK)
    whole = overwrite or CONFIG in names or names <= set(RATES)
    if names - set(OWN) or not whole:
        raise DatasetError(f"{root}: holds other things than a run: choose another folder")


def refuse_other_options(root: Place, options: Training) -> None:
    """Raise `DatasetError` where the folder's run has other options, apart from those it may go on with."""
    if not (root / LAST).exists():
        return
    try:
        before = Training.of(read_config(root / CONFIG)).to_json()
    except OptionError as error:
        raise DatasetError(f"{root / CONFIG}: was changed ({error}): take another folder, or --overwrite") from error
    now = options.to_json()
    changed = [name for name in now if name not in FREE and now[name] != before[name]]
    if changed:
        listed = ", ".join(f"--{name.replace('_', '-')} {before[name]} there, {now[name]} now" for name in changed[:3])
        raise DatasetError(f"{root}: holds a run of other options ({listed}): take another folder, or --overwrite")


WIDTH = 320


def write_rows_of(path: Place, shown: Sequence[tuple[Pixels, Mask, Mask]], labels: Labels) -> None:
    """A JPEG with a row for each (image, truth, prediction): the image, then both masks laid over it."""
    rows = []
    for image, truth, pred in shown:
        size = max(1, round(image.shape[0] * WIDTH / image.shape[1])), WIDTH
        shown_image = np.asarray(resize_image(to_rgb(image), size), np.uint8)
        masks = [overlay(shown_image, resize_mask(mask, size), labels) for mask in (truth, pred)]
        rows.append(np.concatenate([shown_image, *masks], axis=1))
    with local_draft(path) as here:
        Image.fromarray(np.concatenate(rows)).save(here, quality=88)
