"""`segdata train`, `segdata calibrate`, `segdata bundle` and `segdata compare`."""

from __future__ import annotations

from typing import Any

import click

from segdata.nn.options import need_extra
from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import jobs_option, running
from segdata.terminal.text import json_lines

TRAIN, TRAINING = "segdata.nn.train:train", "segdata.nn.options:Training"


@operation(
    TRAIN,
    {TRAINING: "Options of the training, which a file for --config may hold too"},
    {"auto": "segdata.nn.auto.command:auto"},
)
@click.option("--lr-find", is_flag=True, help="Only look for a learning rate: RUN/lr.png shows the loss over it.")
@click.option(
    "--overfit-one-batch", is_flag=True, help="Only see whether the model overfits one batch; exit code 1 if not."
)
@click.option("--folds", is_flag=True, help="Train once per fold, on the other folds: RUN/fold0, RUN/fold1 ...")
@jobs_option
def train(
    dataset: str, run_dir: str, lr_find: bool, overfit_one_batch: bool, folds: bool, jobs: int | str, **given: Any
) -> None:  # fmt: skip
    """Train a model on DATASET. The folder RUN gets its checkpoints, curves and logs.

    A training that was stopped goes on where it was when the command is repeated.

    \b
    segdata train mydata run1
    segdata train mydata run1 --encoder mobilenet_v2 --loss ce+dice
    segdata train mydata run2 --config run1/config.yaml --lr 3e-4
    segdata train mydata cv --folds       # after segdata split --folds 5
    segdata train auto mydata run4 --budget 20m    # a DATASET called auto: ./auto
    torchrun --nproc-per-node 4 -m segdata train mydata run3 --batch 64
    """
    need_extra()
    from segdata.nn.notes import is_first
    from segdata.nn.text import Show, closing_lines
    from segdata.nn.train import train

    if [lr_find, overfit_one_batch, folds].count(True) > 1:
        raise click.UsageError("give one of --lr-find, --overfit-one-batch and --folds")
    if folds:
        with running(jobs, "stop", "checking labels") as run:
            cross_validate(dataset, run_dir, run=run, **given)
        return
    if lr_find or overfit_one_batch:
        with running(jobs, "stop", "checking labels") as run:
            given.pop("overwrite", None)
            probe(dataset, run_dir, lr_find, run=run, **given)
        return
    show = Show() if is_first() else None
    watched: dict[str, Any] = {} if show is None else {"announce": show.begin, "watch": show}
    with running(jobs, "stop", "checking labels") as run:
        result = train(dataset, run_dir, run=run, **watched, **given)
    if show is not None:
        show.close(result.rows)
        echo(closing_lines(run_dir, result))


@operation("segdata.nn.calibrate:calibrate")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibrate(model: str, dataset: str, destination: str, as_json: bool, **given: Any) -> None:
    """Calibrate the confidences of MODEL on labelled images.

    Of the pixels that a model is 90 % sure of, 90 of 100 should be right. MODEL is a checkpoint; DST is a new one, with a
    temperature that was fitted on one half of the images of DATASET. It is kept only if the calibration error (ECE) falls on
    the other half. Predicted classes stay the same, but for a few pixels where windows overlap. A training does this at its
    end.

    \b
    segdata calibrate run1/best.pt mydata calibrated.pt
    segdata calibrate run1/best.pt newdata calibrated.pt --split test
    """
    need_extra()
    from segdata.nn.calibrate import calibrate
    from segdata.nn.text import calibrated_lines

    found = calibrate(model, dataset, destination, **given)
    echo(json_lines(found.to_json()) if as_json else calibrated_lines(found))
    echo(f"wrote {destination}", err=as_json)


@operation("segdata.nn.bundle:bundle")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bundle(checkpoints: tuple[str, ...], destination: str, as_json: bool, **given: Any) -> None:
    """Put CHECKPOINTs and what prediction needs into one file.

    Several checkpoints are an ensemble, such as the folds of a cross-validation: their probabilities are averaged. predict,
    serve and export take the file, and refine masks as its settings say.

    \b
    segdata bundle run1/best.pt model.pt --refinement refined.json
    segdata bundle cv/fold*/best.pt ensemble.pt
    segdata predict ensemble.pt images/ predictions
    """
    need_extra()
    from segdata.nn.bundle import bundle
    from segdata.nn.text import bundle_lines

    made = bundle(checkpoints, destination, **given)
    echo(json_lines(made.to_json()) if as_json else bundle_lines(made))


def cross_validate(dataset: str, run_dir: str, **options: Any) -> None:
    """What --folds does."""
    from segdata.nn.folds import train_folds
    from segdata.nn.notes import is_first
    from segdata.nn.text import ShowFolds, folds_lines

    show = ShowFolds() if is_first() else None
    watched: dict[str, Any] = {} if show is None else {"begin": show.begin, "end": show.end}
    found = train_folds(dataset, run_dir, **watched, **options)
    if show is not None:
        echo(folds_lines(dataset, run_dir, found))


def probe(dataset: str, run_dir: str, lr_find: bool, **options: Any) -> None:
    """What --lr-find and --overfit-one-batch do."""
    from segdata.nn.probes import find_rate, overfit_one_batch
    from segdata.nn.text import overfit_lines

    if lr_find:
        found = find_rate(dataset, run_dir, **options)
        echo(f"the loss falls fastest at --lr {found.suggested:.2g} (of {len(found.rates)} steps)")
        echo(f"wrote {run_dir}/lr.png and lr.csv")
        return
    result = overfit_one_batch(dataset, **options)
    echo(overfit_lines(result))
    if not result.passed:
        raise click.exceptions.Exit(1)


@operation("segdata.nn.compare:compare")
@click.option("--classes", is_flag=True, help="Show the IoU of each class too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def compare(runs: tuple[str, ...], classes: bool, as_json: bool, **given: Any) -> None:
    """Compare trainings side by side, each RUN at its best epoch.

    Printed are loss, accuracy, mIoU, parameters and seconds. Runs that differ only in the seed are summed up too:
    the mean, the least and the most.

    \b
    segdata compare run1 run2 run3 --out compare.png
    """
    from segdata.nn.compare import compare, settings
    from segdata.nn.text import class_lines, run_lines, setting_lines

    need_extra()
    trials = compare(runs, **given)
    if as_json:
        echo(json_lines([trial.to_json() for trial in trials]))
    else:
        echo(run_lines(trials) + setting_lines(settings(trials)) + (class_lines(trials) if classes else []))
    if "out" in given:
        echo(f"wrote {given['out']}", err=as_json)
