"""Surface metrics of other libraries, in their own environment. `surface_answers.py WAY FOLDER`: for each line, a name, seconds.

WAY is `monai` or `surface_distance` (DeepMind's). FOLDER/NAME.npz holds `truth` and `pred` (H, W) class ids, `classes`, the
(y, x) `steps` of a pixel and the `tolerance`. FOLDER/NAME-WAY.npy gets (K, 3) float64: surface Dice, Hausdorff 95 and ASSD of
each class, NaN if the library has none. The seconds are processor time of one thread.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Answer = Callable[..., Any]


def monai(truth: Any, pred: Any, classes: int, steps: Any, tolerance: float) -> Any:
    """Its three metrics, from one-hot tensors; the elements of its surface Dice are DeepMind's, its distances between pixels."""
    import torch
    from monai.metrics import (  # type: ignore[import-not-found, unused-ignore]
        compute_average_surface_distance,
        compute_hausdorff_distance,
        compute_surface_dice,
    )

    torch.set_num_threads(1)
    y, y_pred = (
        torch.from_numpy(np.stack([side == i for i in range(classes)]))[None].float() for side in (truth, pred)
    )
    given = {"include_background": True, "spacing": [float(step) for step in steps]}
    dice = compute_surface_dice(y_pred, y, [tolerance] * classes, use_subvoxels=True, **given)
    hausdorff = compute_hausdorff_distance(y_pred, y, percentile=95, **given)
    distance = compute_average_surface_distance(y_pred, y, symmetric=True, **given)
    return np.stack([score[0].double().numpy() for score in (dice, hausdorff, distance)], axis=1)


def surface_distance(truth: Any, pred: Any, classes: int, steps: Any, tolerance: float) -> Any:
    """DeepMind's, class by class. Its ASSD is what follows from its two directed distances, each weighted by its length."""
    vars(np)["Inf"] = np.inf  # it was written for NumPy 1
    from surface_distance import metrics  # type: ignore[import-not-found, unused-ignore]

    rows = []
    for class_id in range(classes):
        found = metrics.compute_surface_distances(truth == class_id, pred == class_id, list(map(float, steps)))
        lengths = [float(found[f"surfel_areas_{side}"].sum()) for side in ("gt", "pred")]
        means = metrics.compute_average_surface_distance(found)
        dice = metrics.compute_surface_dice_at_tolerance(found, tolerance)
        hausdorff = metrics.compute_robust_hausdorff(found, 95)
        assd = sum(mean * length for mean, length in zip(means, lengths, strict=True)) / sum(lengths)
        rows.append([dice, *([hausdorff, assd] if all(lengths) else [np.nan] * 2)])
    return np.array(rows, np.float64)


WAYS: dict[str, Answer] = {"monai": monai, "surface_distance": surface_distance}


def main(way: str, folder: str) -> None:
    """Answer each line of the input; the first answer of a process is given twice, so that nothing is loaded in the second."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    warm = False
    for line in sys.stdin:
        path = Path(folder) / f"{line.strip()}.npz"
        data = np.load(path)
        given = data["truth"], data["pred"], int(data["classes"]), data["steps"], float(data["tolerance"])
        if not warm:
            small = data["truth"][:64, :64], data["pred"][:64, :64]
            WAYS[way](*small, *given[2:])
            warm = True
        start = time.process_time()
        found = WAYS[way](*given)
        seconds = time.process_time() - start
        np.save(path.with_name(f"{path.stem}-{way}.npy"), found)
        print(seconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
