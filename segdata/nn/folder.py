"""The folder of a run: config.yaml, recipe.yaml, checkpoints, metrics.csv, curves.png, profile.jsonl, events, samples."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from segdata.dataset.destination import (
    REPLACES,
    Kind,
    clean,
    draft_of,
    empty,
    finish_swap,
    is_draft,
    is_swapping,
    refuse_held,
    refuse_unswappable,
    state_of,
    swap,
)
from segdata.dataset.destination import State as Whose
from segdata.dataset.inputs import Inputs
from segdata.dataset.layout import UNDECODABLE
from segdata.dataset.locks import Lock, locked, unlock
from segdata.errors import DatasetError, OptionError
from segdata.files.colors import to_rgb
from segdata.files.places import absolute, names_in, read_start, write_whole
from segdata.files.remote import Place, Remote
from segdata.labels import Labels, Mask, must_agree, tally
from segdata.nn import checkpoint
from segdata.nn.curves import draw_curves, write_rows
from segdata.nn.distributed import World
from segdata.nn.options import FREE, Training, config_text, read_config
from segdata.nn.state import State, best_row
from segdata.nn.task import Task
from segdata.pages.sheet import captioned, laid, write_sheet
from segdata.prediction.profile import PROFILE
from segdata.resize import Pixels
from segdata.terminal.names import SINGULAR
from segdata.version import __version__

if TYPE_CHECKING:
    from PIL import Image

    from segdata.nn.step import Step
    from segdata.nn.validate import Validator

CONFIG, RECIPE, ABOUT, LAST, BEST, METRICS, CURVES = (
    "config.yaml", "recipe.yaml", "run.json", "last.pt", "best.pt", "metrics.csv", "curves.png",
)  # fmt: skip

RATES = ("lr.csv", "lr.png")

PLAN, REFINEMENT, BUNDLE = PLANNED = "plan.yaml", "refinement.json", "bundle.pt"
"""What `segdata train auto` writes beside a run, or beside those of folds."""

LOCK = "run.lock"
"""A file that exists and is locked while a training runs. If a training is killed, the file may remain, but unlocked."""

OWN = (
    CONFIG,
    RECIPE,
    ABOUT,
    LAST,
    BEST,
    METRICS,
    CURVES,
    PROFILE,
    "events",
    "samples",
    *RATES,
    *PLANNED,
    LOCK,
    REPLACES,
)
"""Everything that segdata writes into a run's folder, and so everything that --overwrite removes there."""


def run_state(root: Place, names: set[str]) -> Whose:
    """What a folder is that holds only names of a run: run.json says so, names do not. What comes before is free."""
    if ABOUT in names:
        try:
            about = msgspec.json.decode(read_start(root / ABOUT, 2**20))
            return "unfinished" if isinstance(about, dict) and "segdata" in about else "strange"
        except UNDECODABLE:
            return "strange"
    return "free" if names <= {*RATES, PLAN, LOCK, REPLACES, f"{ABOUT}.partial"} else "strange"


RUN = Kind("from a run", lambda root: OWN, ABOUT, ABOUT, run_state)

SECONDS_BETWEEN_CURVES = 5.0


@dataclass(slots=True)
class Folder:
    """The folder to which the first process alone writes a run: the destination, or one beside it if the run replaces another."""

    root: Place
    destination: Place
    task: Task
    here: World
    saved: float = field(default_factory=time.monotonic)
    drawn: float = -1e9
    events: Any = None

    @classmethod
    @contextmanager
    def claim(cls, destination: Place, task: Task, here: World, inputs: Inputs, *, overwrite: bool) -> Iterator[Folder]:
        """Take a new folder, or one of the same run. Raises `DatasetError` for any other folder, unless `overwrite`, and
        `OptionError` for one that holds an input.

        Nothing in it changes before `begin`. If `begin` is not reached, a new folder is removed again. A run that replaces
        another takes its place when it has ended.
        """
        with ExitStack() as stack:
            if here.first:
                finish_swap(destination)
                if isinstance(destination, Path) and is_draft(destination):
                    with held(destination):
                        settle(destination)
                if is_swapping(destination):
                    put_in_place(draft_of(destination), destination)
            here.wait()
            replaces = overwrite and state_of(destination, RUN) != "free"
            root = draft_of(destination) if replaces else destination
            if here.first:
                refuse_held(destination, inputs if overwrite else ())
                if replaces:
                    refuse_unswappable(destination)
                if state_of(root, RUN) != "free" and replaces and isinstance(root, Path) and not is_draft(root):
                    raise DatasetError(f"{root}: is in the way of what shall replace {destination}: move it away")
                if not root.exists():
                    root.mkdir(parents=True)
                    stack.callback(remove_empty, root)
                if replaces and (destination / LOCK).exists():  # a training there may be under way
                    stack.enter_context(held(destination))
                root = stack.enter_context(held(root))
                if not overwrite:
                    refuse_other_options(root, task.options)
            here.wait()
            folder = cls(root, destination, task, here)
            try:
                yield folder
            finally:
                if folder.events is not None:
                    folder.events.close()
        if replaces and here.first:
            put_in_place(draft_of(destination), destination)
        here.wait()

    def begin(self, state: State) -> None:
        """Go on from last.pt, or begin; then write the options and the recipe. Called after all checks.

        Raises `DatasetError` if last.pt has other classes, another dataset or another recipe.
        """
        if self.here.first and self.root != self.destination:
            if not self.is_same():
                empty(self.root, RUN, keep=(LOCK,))
            if isinstance(self.root, Path):
                (self.root / REPLACES).touch()
        self.here.wait()
        with self.here.alike():
            self.resume(state)
        if self.here.first:
            write_whole(self.root / ABOUT, (json.dumps(self.about(state), indent=2) + "\n").encode())  # whose it is
            write_whole(self.root / CONFIG, config_text(self.task.options).encode())
            write_whole(self.root / RECIPE, self.task.recipe.to_yaml().encode())

    def is_same(self) -> bool:
        """Whether the folder holds a run like this one, which was stopped."""
        try:
            refuse_other_options(self.root, self.task.options)
            return self.found() is not None
        except DatasetError:
            return False

    def found(self) -> dict[str, Any] | None:
        """last.pt, if there is one. Raises `DatasetError` like `begin`."""
        path = self.root / LAST
        if not path.exists():
            return None
        found = checkpoint.read(path)
        if not {"dataset", "train"} <= found.keys():
            raise DatasetError(f"{path}: holds no state to go on from: choose another folder, or --overwrite")
        must_agree(checkpoint.labels_of(found, path), self.task.labels, str(path), "the dataset", checkpoint.AGAIN)
        for what, was, now in (
            ("the dataset has", found["dataset"], self.task.digest),
            ("the recipe has", found["recipe"], self.task.recipe.to_dict()),
        ):
            if was != now:
                raise DatasetError(
                    f"{path}: {what} changed since: choose another folder, or --overwrite to train from the start"
                )
        return found

    def resume(self, state: State) -> None:
        """Go on from last.pt, if there is one. Raises `DatasetError` like `begin`."""
        if (found := self.found()) is not None:
            state.load(found["state"], found["train"], str(self.root / LAST))

    def save_sometimes(self, state: State, learn: Step, passed: float) -> None:
        """Write last.pt in the middle of an epoch, if the previous one is old enough."""
        if self.here.first and time.monotonic() - self.saved >= 60 * self.task.options.save_minutes:
            learn.settle()
            state.seconds = passed
            self.save_last(state)

    def save_last(self, state: State) -> None:
        """Write last.pt: everything that prediction and a resumed training need."""
        checkpoint.write(self.root / LAST, {**self.kept(state), "train": state.to_plain()})
        self.saved = time.monotonic()

    def kept(self, state: State) -> dict[str, Any]:
        """The part of a checkpoint that prediction needs."""
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
            reading=task.train.reading,
            names=task.names,
            dtype=task.dtype,
        )
        return {**made, "metrics": dict(row)}

    def finish_epoch(self, state: State, validator: Validator, passed: float) -> None:
        """Write all results of an epoch; last.pt comes last, so that a killed run repeats what was not written."""
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
        """The facts about a run that `segdata compare` needs besides its rows, and where its dataset is."""
        task, best = self.task, best_row(state.rows, self.task.options)
        encoder = f" over {task.options.encoder}" if task.options.encoder else ""
        return {
            "segdata": __version__,
            "model": f"{task.options.model}{encoder}",
            "parameters": sum(p.numel() for p in state.model.parameters()),
            "labels": task.labels.digest,
            "dataset": task.digest,
            "source": absolute(task.val.root),
            "device": self.here.device.type,
            "processes": self.here.size,
            "epochs": task.options.epochs,
            "best_by": task.options.best,
            "best": {} if best is None else {name: v for name, v in state.rows[best].items() if np.isfinite(v)},
        }

    def write_events(self, state: State) -> None:
        """Write the epoch's numbers for TensorBoard, in groups by subject."""
        if not self.task.options.tensorboard or isinstance(
            self.root, Remote
        ):  # an event file grows, objects in storage cannot
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
        """Write samples/epoch_0001.jpg: one row per validation sample, with image, truth and prediction."""

        parts = sorted(validator.parts)
        number = min(self.task.options.images, len(parts))
        if number:
            chosen = np.linspace(0, len(parts) - 1, number).round().astype(int).tolist()
            shown = [validator.predict(state.weights, parts[i]) for i in chosen]
            path = self.root / "samples" / f"epoch_{len(state.rows):04d}.jpg"
            write_rows_of(path, shown, self.task.labels)


def put_in_place(draft: Place, destination: Place) -> None:
    """Replace a run by another one that has ended. In storage both are locked meanwhile."""
    if not isinstance(draft, Remote):
        swap(draft, destination, RUN)
        settle(destination)
        return
    with held(draft) as new, held(destination) as old:
        swap(new, old, RUN, leave=[LOCK])


def settle(destination: Place) -> None:
    """End a swap on this machine: what was replaced is removed, and what has replaced it is a draft no more."""
    clean(destination, RUN)
    (destination / REPLACES).unlink(missing_ok=True)


@contextmanager
def held(root: Place) -> Iterator[Place]:
    """Lock a folder while one run writes there, through what this yields. Raises `DatasetError` for any other run meanwhile."""
    if isinstance(root, Remote):
        lock = Lock(root, root / LOCK)
        try:
            yield lock.root
        finally:
            lock.release()
        return
    file = locked(root / LOCK)
    try:
        yield root
    finally:
        unlock(file, root / LOCK)


def remove_empty(root: Place) -> None:
    """Remove an empty folder. Object storage has no empty folders."""
    if not isinstance(root, Remote) and not names_in(root):
        root.rmdir()


def refuse_other_options(root: Place, options: Training) -> None:
    """Compare the options of the folder's run with `options`. Raises `DatasetError` if any differ that may not change."""
    if not (root / LAST).exists():
        return
    try:
        before = Training.of(read_config(root / CONFIG)).to_json()
    except OptionError as error:
        raise DatasetError(f"{root / CONFIG}: was changed ({error}): choose another folder, or --overwrite") from error
    now = options.to_json()
    changed = [name for name in now if name not in FREE and now[name] != before[name]]
    if changed:
        listed = ", ".join(
            f"--{_option(name)} {_told(before[name])} there, {_told(now[name])} now" for name in changed[:3]
        )
        way = f"choose another folder, go on with those there (--config {root / CONFIG} alone), or --overwrite"
        raise DatasetError(f"{root}: holds a run with other options ({listed}): {way}")


def _option(name: str) -> str:
    """What the command calls an option."""
    return SINGULAR.get(name, name.replace("_", "-"))


def _told(value: object) -> str:
    """The value of an option as a command takes it, or `none`."""
    if isinstance(value, Mapping):
        value = [f"{key}={one}" for key, one in value.items()]
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    return "none" if value in ("", None) else str(value)


WIDTH = 320


def write_rows_of(path: Place, shown: Sequence[tuple[Pixels, Mask, Mask]], labels: Labels) -> None:
    """Write a JPEG with one row per (image, truth, prediction): the image, then the image under each mask; and a legend."""
    cells: list[Image.Image] = []
    counts: Counter[int] = Counter()
    for image, truth, pred in shown:
        pixels = to_rgb(image)
        panels = [pixels, *(laid(pixels, mask, labels, WIDTH) for mask in (truth, pred))]
        cells.append(captioned(panels, "", WIDTH, () if cells else ("image", "truth", "prediction")))
        counts.update(tally(truth))
        counts.update(tally(pred))
    write_sheet(path, cells, 1, labels, counts)
