"""Masks that segdata made, as predictions for the evaluation of Mapillary Vistas, in its own environment.

`oracle_mapillary.py SRC MASKS CLONE VERSION`: MASKS is `masks/` of `segdata convert mapillary SRC --void none`, CLONE a copy of
https://github.com/mapillary/mapillary_vistas, VERSION 1.1, 1.2 or 2.0. Prints images, pixels, and pixels that differ.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np


def main(source: str, masks: str, clone: str, version: str) -> None:
    """Sum the confusion matrices of all masks with the labels, and with the instances: what is off the diagonal differs."""
    sys.path.insert(0, clone)
    from mapillary_vistas.evaluation.evaluation import (  # type: ignore[import-not-found, unused-ignore]
        process_image,
    )

    warnings.simplefilter("ignore")  # of label files, which have no instances
    flat = version == "1.1"
    config = Path(source, "config.json" if flat else f"config_v{version}.json")
    labels = json.loads(config.read_bytes())["labels"]
    for kind in ("labels", "instances"):
        images, total = 0, np.zeros((len(labels), len(labels)), np.uint64)
        for mask in sorted(Path(masks).rglob("*.png")):
            split, _, key = mask.relative_to(masks).as_posix().partition("/")
            truth = Path(source, split, "" if flat else f"v{version}", kind, key)
            files = {"ground_truth": str(truth), "prediction": str(mask), "instances": None}
            total += process_image(labels, files)[0]
            images += 1
        print(kind, images, int(total.sum()), int(total.sum() - np.trace(total)))


if __name__ == "__main__":
    main(*sys.argv[1:])
