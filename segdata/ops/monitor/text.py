"""What `monitor` found, for a terminal."""

from __future__ import annotations

from segdata.ops.monitor.result import Finding, Monitored
from segdata.terminal.text import table
from segdata.words import percent, some

NOTHING = "-"

UNITS = {"image": "images", "group": "groups"}


def monitor_lines(found: Monitored) -> list[str]:
    """All of it."""
    lines = [
        f"images:    {found.images[0]:,} in the reference, {found.images[1]:,} new{_tested(found)}",
        f"units:     {found.units[0]:,} and {found.units[1]:,} {units_of(found)}",
        "",
        *table(
            [["aspect", "reference", "new", "p", ""], *(aspect_row(one, found.alpha) for one in found.findings)], " rrr"
        ),
        "",
        *table(class_rows(found), " rrrrrr"),
        "",
        f"drift:     {verdict(found)}",
        *(f"accuracy:  {line}" for line in accuracy_lines(found)),
        *(f"untested:  {aspect}: {why}" for aspect, why in found.left_out.items()),
        *(f"note:      {note}" for note in found.notes),
    ]
    return lines


def verdict(found: Monitored) -> str:
    """What has drifted, at which rate of false alarms."""
    rate = f"if nothing drifts, at most {100 * found.alpha:.3g} % of comparisons find any"
    if not found.drifted:
        return f"none found in {len(found.findings)} aspects ({rate})"
    return f"{some(found.drifted)}: {len(found.drifted)} of {len(found.findings)} aspects ({rate})"


def accuracy_lines(found: Monitored) -> list[str]:
    """What is right, as far as it can be said without labels."""
    estimate = found.estimate
    lines = []
    if estimate.measured is not None:
        lines.append(f"{percentage(estimate.measured)} of the labelled pixels of the reference are right (measured)")
    if estimate.atc is not None:
        lines.append(f"{percentage(estimate.atc)} of the new pixels, estimated by thresholded confidence")
    if estimate.confidence is not None:
        lines.append(
            f"{percentage(estimate.confidence)} of the new pixels, if confidence is right; {percentage(estimate.before)} of the "
            "reference's"
        )
    return lines


def aspect_row(finding: Finding, alpha: float) -> list[object]:
    """A line of the table of aspects."""
    return [finding.aspect, *values_of(finding), f"{finding.p:.4f}", _drifted(finding, alpha)]


def values_of(finding: Finding) -> list[str]:
    """What an aspect was and is, as far as a few words say it."""
    if finding.aspect == "size":
        height, width = finding.parts
        sizes = [(height.before, width.before), (height.now, width.now)]
        return [NOTHING if None in pair else f"{pair[1]:.0f} x {pair[0]:.0f}" for pair in sizes]
    if finding.aspect == "classes" or not finding.parts:
        return [NOTHING, NOTHING]
    return [number(finding.parts[0].before), number(finding.parts[0].now)]


def _drifted(finding: Finding, alpha: float) -> str:
    """Whether an aspect has drifted, and in which parts of it."""
    if finding.p > alpha:
        return ""
    parts = sorted((part for part in finding.parts if part.p <= alpha), key=lambda part: part.p)
    named = "" if len(finding.parts) < 2 else f": {some([part.name for part in parts], 4)}"
    return f"drifted{named}"


def class_rows(found: Monitored) -> list[list[object]]:
    """A table, heading first: a line per class."""
    rows: list[list[object]] = [["class", "share", "new", "confidence", "new", "entropy", "new", ""]]
    for one in found.classes:
        shares = [percentage(value) for value in one.share]
        rest = [number(value) for pair in (one.confidence, one.entropy) for value in pair]
        rows.append([one.name, *shares, *rest, f"drifted: {', '.join(one.drifted)}" if one.drifted else ""])
    return rows


def units_of(found: Monitored) -> str:
    """What was taken as independent, in words."""
    kind, _, size = found.resample.partition(":")
    return f"blocks of {size} images" if size else UNITS[kind]


def percentage(value: float | None) -> str:
    """A part of the pixels."""
    return NOTHING if value is None else percent(value, 1)


def number(value: float | None) -> str:
    """Three digits."""
    return NOTHING if value is None else f"{value:.3g}"


def _tested(found: Monitored) -> str:
    if found.tested == found.images:
        return ""
    return f"; of these {found.tested[0]:,} and {found.tested[1]:,}, drawn by chance, are tested"
