"""`segdata split`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.text import dataset_line

if TYPE_CHECKING:
    from segdata.ops.split.result import SplitReport


@operation("segdata.ops.split.operation:split")
@run_options
def split(dataset: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Assign the samples of DATASET to splits, in a new dataset DST.

    Each split gets its part of every class's pixels.

    \b
    segdata split mydata splits                      # train=0.8,val=0.1,test=0.1
    segdata split mydata folds --folds 5             # fold i is to validate on
    segdata split mydata splits --group-by 'regex:^(.*)_[0-9]+$'
    segdata split tiles splits --by block:4x4        # one scene, in blocks
    segdata split more splits2 --keep splits         # old images stay in theirs
    """
    from segdata.ops.split.operation import split
    from segdata.ops.split.result import read_report

    with running(jobs, on_error, "linking") as run:
        made = split(dataset, destination, run=run, **given)
    echo(report_lines(read_report(made)))
    echo(dataset_line(made, destination))


def report_lines(report: SplitReport, limit: int = 40) -> list[str]:
    """What a split aimed at and reached; beyond `limit` classes those farthest from their aim."""
    from segdata.terminal.text import table

    names = list(report.aimed)
    total = sum(report.samples.values())
    shown = report.classes
    if len(shown) > limit:
        shown = sorted(shown, key=lambda c: -c.deviation)[:limit]
    rows: list[list[object]] = [["class", "pixels", "groups", *names]]
    rows.append(["(aimed at)", "", "", *(_share(report.aimed[name]) for name in names)])
    reached = (_share(report.samples[name] / total) for name in names)
    rows.append(["(samples)", f"{total:,}", f"{sum(report.groups.values()):,}", *reached])
    for c in shown:
        parts = ("none" if name in report.missing.get(c.name, []) else _share(c.reached[name]) for name in names)
        rows.append([c.name, f"{c.pixels:,}", f"{c.groups:,}", *parts])
    lines = table(rows, " rr" + "r" * len(names))
    if len(shown) < len(report.classes):
        lines.append(f"... and {len(report.classes) - len(shown)} classes that are nearer to their aim (receipt.json)")
    return [*lines, "", *_remarks(report)]


def _remarks(report: SplitReport) -> list[str]:
    from segdata.words import some

    counts = ", ".join(f"{name} {n:,}" for name, n in report.samples.items())
    lines = [f"samples:     {counts}"]
    if report.across:
        lines.append(
            f"left out:    {report.across:,} samples, which reach from one block into another split's (receipt.json lists them)"
        )
    if report.kept:
        lines.append(f"kept:        {report.kept:,} samples are where they were")
    if report.gone:
        lines.append(f"gone:        {len(report.gone):,} samples are no longer there: {some(report.gone, 3)}")
    if everywhere := [c for c in report.classes if c.name not in report.missing]:
        worst = max(everywhere, key=lambda c: c.deviation - c.forced)
        name = max(report.aimed, key=lambda s: abs(worst.reached[s] - report.aimed[s]))
        lines.append(
            f"farthest:    of classes in every split {worst.name}: {_share(worst.reached[name])} of its pixels in {name}, "
            f"aimed at {_share(report.aimed[name])} (it is in {worst.groups:,} groups)"
        )
    if bound := sorted((c for c in report.classes if c.forced), key=lambda c: -c.forced):
        told = [f"{c.name} ({_share(c.forced)} from its aim in a split, at least)" for c in bound]
        lines.append(f"forced:      too much in one group, or in too few groups: {some(told, 3)}")
    if report.missing:
        lines.append(f"missing:     not every split has {some(report.missing)}")
    if report.absent:
        lines.append(f"absent:      no pixel of {some(report.absent)}")
    return lines


def _share(part: float) -> str:
    from segdata.words import percent

    return percent(part, 1)
