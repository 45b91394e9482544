"""The texts of `segdata train auto`: the plan, the progress and the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segdata.nn.auto.fingerprint import Fingerprint
from segdata.nn.auto.result import Auto
from segdata.nn.auto.rules import Plan
from segdata.nn.text import Show, calibrated_lines
from segdata.nn.train import Trained
from segdata.terminal.echo import echo
from segdata.terminal.text import table
from segdata.words import share


class ShowAuto:
    """Tells the plan on stdout, or on stderr with `err`; and the progress of each training on stderr."""

    def __init__(self, *, err: bool) -> None:
        self.err = err
        self.show = Show()

    def plan(self, facts: Fingerprint | None, plan: Plan) -> None:
        """Show the facts and the plan."""
        echo(
            [*(fact_lines(facts) if facts is not None else ["plan:        as it was"]), *plan_lines(plan)], err=self.err
        )

    def begin(self, fold: str) -> Mapping[str, Any]:
        """Show which fold is trained from now on, and give what shows its training."""
        self.show = Show()
        if fold:
            self.show.stay(f"{fold}:")
        return {"announce": self.show.begin, "watch": self.show}

    def end(self, fold: str, trained: Trained) -> None:
        """Show the last epoch of a training."""
        self.show.close(trained.rows)


def fact_lines(facts: Fingerprint) -> list[str]:
    """The fingerprint, as lines."""
    where = "on a map" if facts.placed else "of one shape" if facts.same else "of several shapes"
    size = f"{facts.size[0]} x {facts.size[1]}"
    rarest = min((s, n) for s, n in zip(facts.shares, facts.classes, strict=True)) if facts.classes else (0.0, "")
    return [
        f"images:      {facts.images:,} to train on, {size} (median), {where}, bands: {facts.bands}, {facts.dtype}",
        f"classes:     {len(facts.classes)}, the rarest {rarest[1]} with {100 * rarest[0]:.2g} % of the pixels",
    ]


def plan_lines(plan: Plan) -> list[str]:
    """A table of options, values and reasons."""
    rows: list[list[object]] = [["option", "value", "why"]]
    rows += [[one.name, told(one.value), one.reason] for one in plan]
    return ["", *table(rows, "   "), ""]


def told(value: object) -> str:
    """A value for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return " x ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def closing_lines(run_dir: str, found: Auto) -> list[str]:
    """The result, as lines."""
    if not found.trained:
        return [
            f"plan:        {run_dir}/plan.yaml: edit it, then segdata train auto DATASET RUN --plan {run_dir}/plan.yaml"
        ]
    lines = []
    for fold, trained in found.trained.items():
        name = f"{fold}:" if fold else "best:"
        if trained.best:
            best = trained.best
            what = f"mIoU {share(best['mean_iou'])}, pixel accuracy {share(best['pixel_accuracy'])}"
            lines.append(f"{name:<13}update {int(best['step']):,}: {what}")
        if trained.calibrated is not None:
            lines += [f"confidence:  {line}" for line in calibrated_lines(trained.calibrated)]
    if found.tuning is not None:
        kept = "kept" if found.tuning.kept else "none"
        lines.append(f"refinement:  {kept}: {found.tuning.reason} (tuned on {found.tuning.images})")
    return [*lines, f"bundle:      {found.bundle} (segdata predict {found.bundle} IMAGES OUT)"]
