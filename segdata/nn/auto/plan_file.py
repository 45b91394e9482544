"""plan.yaml: a configuration of `segdata train` that says why, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segdata.files.places import read_text
from segdata.files.remote import Place
from segdata.nn.auto.rules import Choice, Plan
from segdata.nn.options import Training, read_config

EDITED = "as the plan says"
"""The reason of a line that has none."""

HEAD = (
    "The plan of segdata train auto, and a configuration of segdata train --config. Edit it, and give it back by --plan;",
    "without epochs and steps, they are found anew.",
)


def plan_text(plan: Plan, about: tuple[str, ...] = ()) -> str:
    """The plan as YAML: `name: value  # reason`, after lines `about` it."""
    lines = [f"# {line}" for line in (*HEAD, *about)]
    cells = [(_line(one), one.reason) for one in plan]
    width = max(len(cell) for cell, _ in cells)
    return "\n".join([*lines, *(f"{cell:<{width}}  # {' '.join(reason.split())}" for cell, reason in cells)]) + "\n"


def _line(choice: Choice) -> str:
    """`name: value` in one line of YAML."""
    import yaml

    inside = None if isinstance(choice.value, dict | list) else False
    return str(yaml.safe_dump({choice.name: choice.value}, default_flow_style=inside, width=10**6)).strip()


def read_plan(path: str | Path | Place) -> Plan:
    """The choices of a plan, with their reasons if they still stand behind them. Raises `OptionError`."""
    values = read_config(path)
    reasons = {}
    for line in read_text(path).splitlines():
        name, colon, rest = line.partition(":")
        if colon and name in values and "  # " in rest:
            reasons[name] = rest.partition("  # ")[2]
    plan = tuple(Choice(name, value, reasons.get(name, EDITED)) for name, value in values.items())
    Training.of(options(plan))
    return plan


def options(plan: Plan) -> dict[str, Any]:
    """What `segdata.train` is given."""
    return {one.name: one.value for one in plan}


def replaced(plan: Plan, new: Plan) -> Plan:
    """A plan with new choices in place of those of their names, or at its end."""
    names = {one.name for one in new}
    return (*(one for one in plan if one.name not in names), *new)
