"""The texts of a training while it runs and at its end, and of `segdata compare`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from segdata.terminal.text import table

if TYPE_CHECKING:
    from segdata.nn.compare import Setting, Trial
    from segdata.nn.probes import Overfit
    from segdata.nn.train import Progress, Trained


class Show:
    """Progress: one line per epoch and, if a person is watching, a line that is overwritten after each step."""

    def __init__(self) -> None:
        self.told: float | None = None
        self.shown = 0.0
        self.live = sys.stderr.isatty()

    def __call__(self, progress: Progress) -> None:
        """Show the progress after a step."""
        last = progress.row.get("epoch", 0)
        if self.told is not None and last > self.told:
            self.line(progress.row, progress.epochs)
        self.told = last
        now = time.monotonic()
        if self.live and now - self.shown > 0.2:
            self.shown = now
            where = f"epoch {progress.epoch}/{progress.epochs}  step {progress.step}/{progress.steps}"
            iou = f"  mIoU {100 * progress.row['mean_iou']:.1f}" if "mean_iou" in progress.row else ""
            text = f"{where}  loss {progress.loss:.4f}{iou}  {clock(progress.left)} left"
            self.write(f"\r{text:<79}")

    def line(self, row: Mapping[str, float], epochs: int) -> None:
        """Write the results of an epoch, in a line that stays."""
        text = f"epoch {int(row['epoch'])}/{epochs}  loss {row['train_loss']:.4f}"
        if "mean_iou" in row:
            accuracy, iou = 100 * row["pixel_accuracy"], 100 * row["mean_iou"]
            text += f"  val {row['val_loss']:.4f}  accuracy {accuracy:.1f} %  mIoU {iou:.1f}"
        text += f"  {clock(row['seconds'])}"
        self.write(f"\r{text:<79}\n" if self.live else f"{text}\n")

    def write(self, text: str) -> None:
        """Write to stderr, without delay."""
        sys.stderr.write(text)
        sys.stderr.flush()

    def close(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Show the last epoch, if it was not shown before."""
        if self.told is not None:
            self.line(rows[-1], int(rows[-1]["epoch"]))


def closing_lines(run_dir: str, trained: Trained) -> list[str]:
    """The results of a training, as lines."""
    best, last, parameters = trained.best, trained.rows[-1], trained.parameters
    lines = [f"trained:     {int(last['epoch'])} epochs, {int(last['step']):,} steps, {clock(last['seconds'])}"]
    lines.append(f"model:       {parameters:,} parameters")
    if best:
        what = f"mIoU {100 * best['mean_iou']:.1f}, pixel accuracy {100 * best['pixel_accuracy']:.1f} %"
        lines.append(
            f"best:        epoch {int(best['epoch'])}: {what}, class accuracy {100 * best['class_accuracy']:.1f} %"
        )
        lines.append(f"             (most frequent class everywhere: mIoU {100 * trained.constant:.1f})")
    return [
        *lines,
        f"run:         {run_dir}: best.pt, last.pt, curves.png, metrics.csv, samples/ (segdata compare {run_dir})",
    ]


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
    lines = [f"{text}{100 * result.accuracy:.1f} % of the batch's labelled pixels right"]
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
        shares = [f"{100 * best[k]:.1f} %" if k in best else "-" for k in ("pixel_accuracy", "class_accuracy")]
        iou = f"{100 * best['mean_iou']:.1f}" if "mean_iou" in best else "-"
        about = trial.about
        rows.append([trial.name, about.model, f"{about.parameters:,}", of, *losses, *shares, iou, clock(trial.seconds)])
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
        shares = [f"{100 * fmean(accuracy):.1f} %" if accuracy else "-"]
        shares += [f"{100 * of(ious):.1f}" if ious else "-" for of in (fmean, min, max)]
        time = clock(fmean(trial.seconds for trial in setting.trials))
        parameters = f"{setting.trials[0].about.parameters:,}"
        rows.append([setting.name, len(setting.trials), parameters, *losses, *shares, time])
    return ["", *table(rows, " " + "r" * 9)]


def class_lines(trials: Sequence[Trial]) -> list[str]:
    """The IoU of each class in each run, at its best epoch."""
    names = dict.fromkeys(name for t in trials for name in t.about.best if name.startswith("iou/"))
    rows: list[list[object]] = [["class", *(trial.name for trial in trials)]]
    for name in names:
        cells = (f"{100 * t.about.best[name]:.1f}" if name in t.about.best else "-" for t in trials)
        rows.append([name.removeprefix("iou/"), *cells])
    return ["", "IoU", *table(rows, " " + "r" * len(trials))]
