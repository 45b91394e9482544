"""A small set of nnU-Net's raw data: scenes as PNGs, with an ignore label, a test split and folds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from sample_scenes import SCENE_CLASSES, scene

LABELS = {"background": 0, "person": 1, "car": 2, "tree": 3, "ignore": 4}


def make_nnunet(out: Path) -> None:
    """dataset.json, imagesTr, labelsTr, imagesTs, labelsTs and splits_final.json."""
    values = np.array([LABELS.get(name, 0) for name in SCENE_CLASSES], np.uint8)
    cases = [f"scene_{number:03d}" for number in range(6)]
    for number, case in enumerate(cases):
        pixels, truth = scene(340 + number, (96, 128))
        labels = values[truth]
        labels[:3] = LABELS["ignore"]
        part = "Tr" if number < 4 else "Ts"
        for path, array in ((f"images{part}/{case}_0000.png", pixels), (f"labels{part}/{case}.png", labels)):
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(out / path, optimize=True)
    card = {"channel_names": {"0": "R", "1": "G", "2": "B"}, "labels": LABELS, "numTraining": 4, "file_ending": ".png"}
    (out / "dataset.json").write_text(json.dumps(card, indent=4))
    folds = [{"train": [other for other in cases[:4] if other != case], "val": [case]} for case in cases[:4]]
    (out / "splits_final.json").write_text(json.dumps(folds, indent=4))
