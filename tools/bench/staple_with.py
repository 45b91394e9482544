"""SimpleITK's two forms of STAPLE on the cases of tests/helpers/annotators.py: `staple_with.py OUT.json`, in its own environment.

    build/bench/simpleitk/bin/python tools/bench/staple_with.py tests/metrics/golden/staple.json

Of two classes: sensitivity and specificity of each annotator for class 1, and the probability of class 1 as a sum over pixels. Of
several: each annotator's matrix, vote by truth, and how many pixels have each label in the end (the last: undecided).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # type: ignore[import-not-found, unused-ignore]

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/helpers"))

from annotators import CASES, annotators  # type: ignore[import-not-found, unused-ignore]

THRESHOLD = 1e-9
"""Below what change the filter of several classes ends; its own 1e-5 ends too early to compare 6 digits."""


def binary(images: list[Any]) -> dict[str, Any]:
    """What STAPLEImageFilter says of class 1."""
    found = sitk.STAPLEImageFilter()
    found.SetForegroundValue(1)
    out = sitk.GetArrayFromImage(found.Execute(images))
    return {
        "sensitivity": list(found.GetSensitivity()),
        "specificity": list(found.GetSpecificity()),
        "probability": float(out.sum()),
        "squares": float((out**2).sum()),
    }


def several(images: list[Any], classes: int) -> dict[str, Any]:
    """What MultiLabelSTAPLEImageFilter says."""
    found = sitk.MultiLabelSTAPLEImageFilter()
    found.SetTerminationUpdateThreshold(THRESHOLD)
    found.SetMaximumNumberOfIterations(10_000)
    labels = sitk.GetArrayFromImage(found.Execute(images))
    rates = [np.reshape(found.GetConfusionMatrix(n), (classes + 1, classes))[:-1] for n in range(len(images))]
    return {"rates": np.stack(rates).tolist(), "labels": np.bincount(labels.ravel(), minlength=classes + 1).tolist()}


def main(out: str) -> None:
    """Write what both filters say of all cases."""
    answers: dict[str, Any] = {"SimpleITK": sitk.Version_VersionString(), "threshold": THRESHOLD}
    for name, (classes, count) in CASES.items():
        images = [sitk.GetImageFromArray(mask) for mask in annotators(classes, count)]
        answers[name] = {"several": several(images, classes), **({"binary": binary(images)} if classes == 2 else {})}
    Path(out).write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
