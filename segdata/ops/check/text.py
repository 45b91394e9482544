"""What `segdata check` finds, as text. Nothing prints."""

from __future__ import annotations

from itertools import groupby

from segdata.dataset.sample import split_name
from segdata.ops.check.findings import LEVELS, Checked

LIMIT = 10
"""How many findings of one kind are told; --json has all of them."""


def check_lines(checked: Checked) -> list[str]:
    """The findings, errors first, those of a kind together and followed by what repairs them; and how many there are."""
    lines = []
    for _, group in groupby(checked.findings, key=lambda finding: (finding.level, finding.code)):
        same = list(group)
        lines += [str(finding) for finding in same[:LIMIT]]
        if len(same) > LIMIT:
            lines.append(f"  ... and {len(same) - LIMIT:,} more {same[0].code} (--json lists all)")
        lines += [f"  repair: {repair}" for repair in dict.fromkeys(finding.repair for finding in same[:LIMIT])]
    if checked.unseen:
        lines.append(
            f"not looked for: {'; '.join(checked.unseen)} (segdata split --group-by keeps such images together)"
        )
    splits = ", ".join(f"{split_name(name)} {n:,}" for name, n in checked.splits.items())
    return [*lines, f"{checked.samples:,} samples{f' ({splits})' if splits else ''}: {tally(checked)}"]


def tally(checked: Checked) -> str:
    """How many findings of each level there are."""
    counts = {level: checked.count(level) for level in LEVELS}
    return ", ".join(
        f"{n:,} {level}s" if n > 1 else f"1 {level}" if n else f"no {level}s" for level, n in counts.items()
    )
