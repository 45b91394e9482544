"""Write the golden answers of DeepMind's surface-distance and of MONAI, run in the peer environment `monai`.

    build/bench/monai/bin/python tools/bench/oracle_surface.py tests/metrics/golden/surface.json

Masks are those of tests/helpers/surface_files.py. Of each class: DeepMind's surface Dice, Hausdorff 95 and ASSD, and MONAI's
surface Dice; null is none.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from surface_answers import WAYS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/helpers"))

from surface_files import CASES, CLASSES, surface_case  # type: ignore[import-not-found]


def main(out: str) -> None:
    """Ask both about each case."""
    np.seterr(all="ignore")
    answers: dict[str, object] = {"made with": {name: version(name) for name in ("surface-distance", "monai")}}
    for way, answer in WAYS.items():
        found = {name: answer(*surface_case(name), CLASSES, *given) for name, given in CASES.items()}
        answers[way] = {name: [known(row) for row in rows] for name, rows in found.items()}
        if way == "monai":
            answers[way] = {name: known(rows[:, 0]) for name, rows in found.items()}
    Path(out).write_text(json.dumps(answers, indent=1) + "\n")


def known(values: Any) -> list[float | None]:
    """Numbers for JSON."""
    return [float(v) if np.isfinite(v) else None for v in values]


if __name__ == "__main__":
    main(*sys.argv[1:])
