"""The texts of a training while it runs and at its end, and of `segdata compare`."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from segdata.terminal.text import table
from segdata.words import percent, share, shown, span

if TYPE_CHECKING:
    from segdata.nn.bundle import Bundled
    from segdata.nn.calibrate import Calibrated
    from segdata.nn.compare import Setting, Trial
    from segdata.nn.plan import Plan
    from segdata.nn.probes import Overfit
    from segdata.nn.train import Progress, Trained


FEW_STEPS, FEW_SECONDS = 3, 10.0
"""After so many steps and seconds at least, an estimate is told: a training that is over before needs none."""


class Show:
    """What will be done, and the progress: a line per epoch, an estimate after a few steps, and where the training is.

    If a person is watching, that is a line that is overwritten after each step; otherwise, such as in a file, a line a minute.
    """

    def __init__(self) -> None:
        self.told: float | None = None
        self.begun: float | None = time.monotonic()
        self.shown = self.begun
        self.steps = 0
        self.live = sys.stderr.isatty()

    def begin(self, plan: Plan) -> None:
        """Show what will be done."""
        self.write("".join(f"{shown(line)}\n" for line in plan_lines(plan)))
        self.begun = self.shown = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Show the progress after a step."""
        last = progress.row.get("epoch", 0)
        if self.told is not None and last > self.told:
            self.line(progress.row, progress.epochs)
        self.told = last
        self.steps += 1
        now = time.monotonic()
        if self.steps >= FEW_STEPS and self.begun is not None and now - self.begun >= FEW_SECONDS:
            self.stay(estimate(progress, (now - self.begun) / self.steps))
            self.begun = None
        elif now - self.shown > (0.2 if self.live else 60):
            self.shown = now
            text = where(progress)
            self.write(f"\r{text:<79}" if self.live else f"{text}\n")

    def line(self, row: Mapping[str, float], epochs: int) -> None:
        """Write the results of an epoch, in a line that stays."""
        text = f"epoch {int(row['epoch'])}/{epochs}  loss {row['train_loss']:.4f}"
        if "mean_iou" in row:
            scores = f"accuracy {share(row['pixel_accuracy'])}  mIoU {share(row['mean_iou'])}"
            text += f"  val {row['val_loss']:.4f}  {scores}"
        self.stay(f"{text}  {clock(row['seconds'])}")

    def stay(self, text: str) -> None:
        """Write a line that stays."""
        self.write(f"\r{text:<79}\n" if self.live else f"{text}\n")

    def write(self, text: str) -> None:
        """Write to stderr, without delay."""
        sys.stderr.write(text)
        sys.stderr.flush()

    def close(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Show the last epoch, if it was not shown before."""
        if self.told is not None:
            self.line(rows[-1], int(rows[-1]["epoch"]))


class ShowFolds:
    """The progress of a cross-validation: that of each fold, under its name."""

    def __init__(self) -> None:
        self.show = Show()

    def begin(self, fold: str) -> dict[str, Any]:
        """Show which fold is trained from now on, and give what shows its training."""
        self.show = Show()
        self.show.stay(f"{fold}:")
        return {"announce": self.show.begin, "watch": self.show}

    def end(self, fold: str, trained: Trained) -> None:
        """Show the last epoch of a fold."""
        self.show.close(trained.rows)


def folds_lines(dataset: str, run_dir: str, found: Mapping[str, Trained]) -> list[str]:
    """The results of a cross-validation, as lines."""
    best = {fold: trained.best["mean_iou"] for fold, trained in found.items() if trained.best}
    lines = [f"{fold + ':':<13}mIoU {share(iou)}, epoch {found[fold].best['epoch']:.0f}" for fold, iou in best.items()]
    if best:
        ends = span(min(best.values()), max(best.values()))
        lines.append(f"mean:        mIoU {share(fmean(best.values()))} ({ends}), each fold at its best epoch")
    return [
        *lines,
        f"all at once: segdata predict {run_dir} {dataset} OUT --split folds, then segdata evaluate OUT {dataset}",
    ]


def where(progress: Progress) -> str:
    """Where a training is, in one line."""
    at = f"epoch {progress.epoch}/{progress.epochs}  step {progress.step}/{progress.steps}"
    iou = f"  mIoU {share(progress.row['mean_iou'])}" if "mean_iou" in progress.row else ""
    loss = "" if math.isnan(progress.loss) else f"  loss {progress.loss:.4f}"
    return f"{at}{loss}{iou}  {clock(progress.left)} left"


def estimate(progress: Progress, seconds: float) -> str:
    """How long a training will take, `seconds` a step, and what memory it needs, in one line."""
    memory = f", {progress.memory / 2**30:.1f} GiB of memory so far" if progress.memory else ""
    return f"about {clock(progress.left)} left: {seconds:.3g} s a step{memory}"


def plan_lines(plan: Plan) -> list[str]:
    """What a training is going to do, as lines."""
    updates = plan.epochs * plan.steps
    goes_on = f", going on after {plan.begun:,}" if plan.begun else ""
    lines = [
        f"device:      {plan.device}, {plan.precision}",
        f"model:       {plan.model}, {plan.parameters:,} parameters",
        f"samples:     {plan.train:,} to train on ({plan.trained_on}), {plan.val:,} to validate on ({plan.validated_on})",
        f"updates:     {updates:,} = {plan.epochs} epochs of {plan.steps:,}, {plan.batch} samples each{goes_on}",
    ]
    if plan.again:
        lines.append(
            f"batch norm:  measured anew on {plan.again:,} training samples before validation, while updates are few"
        )
    return lines + [f"note: {text}" for text in plan.notes]


def closing_lines(run_dir: str, trained: Trained) -> list[str]:
    """The results of a training, as lines."""
    best, last, parameters = trained.best, trained.rows[-1], trained.parameters
    lines = [f"trained:     {int(last['epoch'])} epochs, {int(last['step']):,} steps, {clock(last['seconds'])}"]
    lines.append(f"model:       {parameters:,} parameters")
    if best:
        what = f"mIoU {share(best['mean_iou'])}, pixel accuracy {share(best['pixel_accuracy'])}"
        lines.append(f"best:        epoch {int(best['epoch'])}: {what}, class accuracy {share(best['class_accuracy'])}")
        lines.append(f"             (most frequent class everywhere: mIoU {share(trained.constant)})")
    if trained.calibrated is not None:
        lines += [f"confidence:  {line}" for line in calibrated_lines(trained.calibrated)]
    return [
        *lines,
        f"run:         {run_dir}: best.pt, last.pt, profile.jsonl, curves.png, metrics.csv, samples/ (segdata compare {run_dir})",
    ]


def bundle_lines(made: Bundled) -> list[str]:
    """What is in a bundle."""
    lines = [f"models:     {made.models}, whose probabilities are averaged"] if made.models > 1 else []
    if any(one != 1 for one in made.temperatures):
        lines.append(f"calibrated: by temperatures {', '.join(f'{one:.3g}' for one in made.temperatures)}")
    if made.refinement is not None:
        steps = ["a CRF"] * bool(made.refinement["crf"]) + [str(step["op"]) for step in made.refinement["morphology"]]
        lines.append(f"refines:    masks by {', '.join(steps) or 'nothing: its settings change none'}")
    lines += ["plan:       how it was trained"] * made.plan
    name = made.model if made.encoder is None else f"{made.model} over {made.encoder}"
    return [*lines, f"bundle:     {made.path}: {name}, {len(made.classes)} classes, {made.bytes / 1e6:,.1f} MB"]


def calibrated_lines(found: Calibrated) -> list[str]:
    """What a calibration came to, as a line."""
    errors = f"calibration error (ECE) {share(found.ece_before)} to {share(found.ece_fitted)} %"
    where = f"on {found.measured_on:,} images, fitted on {found.fitted_on:,} others"
    if found.kept:
        return [f"temperature {found.temperature:g}: {errors} {where}"]
    return [f"temperature stays {found.temperature:g}: with {found.fitted:g}, {errors} {where}"]


def clock(seconds: float) -> str:
    """A time in seconds as text, such as `2 min 05 s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    )


def overfit_lines(result: Overfit) -> list[str]:
    """Whether the model could overfit one batch, and what to check if not."""
    text = f"loss {result.first:.4f} at first, {result.last:.4f} after {result.steps} steps, "
    lines = [f"{text}{percent(result.accuracy, 1)} of the batch's labelled pixels right"]
    if result.passed:
        return [*lines, "passed: the model, the loss and the labels fit together"]
    ways = "look at the images under their masks (segdata preview), try --lr-find, another --loss, --recipe none"
    return [*lines, f"failed: {ways}"]


def run_lines(trials: Sequence[Trial]) -> list[str]:
    """One line per run, at its best epoch; the highest mIoU first."""
    rows: list[list[object]] = [
        ["run", "model", "parameters", "epoch", "loss", "val loss", "accuracy", "class acc.", "mIoU", "time"]
    ]
    for trial in sorted(trials, key=lambda t: -t.about.best.get("mean_iou", 0)):
        best = trial.best
        of = f"{int(best['epoch'])}/{trial.about.epochs}"
        losses = [f"{best[name]:.4f}" if name in best else "-" for name in ("train_loss", "val_loss")]
        shares = [share(best.get(k, math.nan)) for k in ("pixel_accuracy", "class_accuracy", "mean_iou")]
        about = trial.about
        rows.append([trial.name, about.model, f"{about.parameters:,}", of, *losses, *shares, clock(trial.seconds)])
    lines = table(rows, "  " + "r" * 8)
    if len({trial.about.labels for trial in trials}) > 1:
        lines.append("note: the runs have different classes: their means cannot be compared")
    elif len({trial.about.dataset for trial in trials}) > 1:
        lines.append("note: the runs have different datasets")
    return lines


def setting_lines(settings: Sequence[Setting]) -> list[str]:
    """One line per setting, if any was run with several seeds: means, and the lowest and highest mIoU."""
    if all(len(setting.trials) == 1 for setting in settings):
        return []
    rows: list[list[object]] = [
        ["setting", "seeds", "parameters", "loss", "val loss", "accuracy", "mIoU", "least", "most", "time"]
    ]
    for setting in sorted(settings, key=lambda s: -fmean(s.of("mean_iou") or [0])):
        losses = [f"{fmean(setting.of(name)):.4f}" if setting.of(name) else "-" for name in ("train_loss", "val_loss")]
        accuracy, ious = setting.of("pixel_accuracy"), setting.of("mean_iou")
        shares = [share(fmean(accuracy)) if accuracy else "-"]
        shares += [share(of(ious)) if ious else "-" for of in (fmean, min, max)]
        time = clock(fmean(trial.seconds for trial in setting.trials))
        parameters = f"{setting.trials[0].about.parameters:,}"
        rows.append([setting.name, len(setting.trials), parameters, *losses, *shares, time])
    return ["", *table(rows, " " + "r" * 9)]


def class_lines(trials: Sequence[Trial]) -> list[str]:
    """The IoU of each class in each run, at its best epoch."""
    names = dict.fromkeys(name for t in trials for name in t.about.best if name.startswith("iou/"))
    rows: list[list[object]] = [["class", *(trial.name for trial in trials)]]
    for name in names:
        cells = (share(t.about.best.get(name, math.nan)) for t in trials)
        rows.append([name.removeprefix("iou/"), *cells])
    return ["", "IoU", *table(rows, " " + "r" * len(trials))]
