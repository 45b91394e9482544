"""Splits by scikit-learn's StratifiedGroupKFold, in its own environment. `sklearn_split.py IN.npz OUT.npz FOLDS SEEDS [WAY...]`.

IN holds `pixels` (N, K) of each class in each image and `groups` (N,). OUT gets, under WAY-SEED, each image's fold (N,),
and under seconds-WAY the median seconds of one split. It takes one label per row, so each WAY makes rows in another way:
`largest`, one row per image with its largest class; `rarest`, with its rarest; `pixels`, one row per 1000 pixels of each class.
"""

import statistics
import sys
import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold  # type: ignore[import-not-found, unused-ignore]

Ints = NDArray[np.int64]
warnings.filterwarnings("ignore", "The least populated class", UserWarning)


def rows_of(way: str, pixels: Ints) -> tuple[Ints, Ints]:
    """Each row's image (R,) and label (R,)."""
    number = np.arange(len(pixels))
    if way == "largest":
        return number, pixels.argmax(axis=1)
    if way == "rarest":
        rare = np.where(pixels > 0, pixels.sum(axis=0), np.inf)
        return number, rare.argmin(axis=1)
    thousands = -(-pixels // 1000)
    image, label = np.nonzero(thousands)
    times = thousands[image, label]
    return np.repeat(image, times), np.repeat(label, times)


def main(source: str, out: str, folds: str, seeds: str, *ways: str) -> None:
    """Split once per seed and way; a way that scikit-learn refuses is left out."""
    data = np.load(source)
    pixels, groups = data["pixels"], data["groups"]
    found: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {}
    for way in ways:
        image, label = rows_of(way, pixels)
        for seed in range(int(seeds)):
            start = time.perf_counter()
            folding = StratifiedGroupKFold(int(folds), shuffle=True, random_state=seed)
            fold = np.zeros(len(pixels), np.int64)
            try:
                for number, (_, held) in enumerate(folding.split(label, label, groups[image])):
                    fold[image[held]] = number
            except ValueError as error:
                print(f"{way}: {error}", file=sys.stderr)
                break
            found[f"{way}-{seed}"] = fold
            seconds.setdefault(way, []).append(time.perf_counter() - start)
    found |= {f"seconds-{way}": np.array(statistics.median(times)) for way, times in seconds.items()}
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
