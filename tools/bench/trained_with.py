"""Train on a dataset with the segdata that Python finds, and count the classes in what the model was shown.

    python tools/bench/trained_with.py DATASET RUN RECIPE EPOCHS SEED

One run as a process of its own, so that another version may be asked in the same way. Prints JSON: `pixels`, how many of each
mask value were in training's batches, and `rows`, metrics.csv by epoch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

import segdata

pixels = np.zeros(256, np.int64)
whole = DataLoader.__iter__


def counted(loader: Any) -> Iterator[Any]:
    """The batches of a loader; those of training, which have no truth at the source's size, are counted."""
    for batch in whole(loader):
        if batch.truth is None:
            pixels[:] += np.bincount(batch.target.numpy().ravel(), minlength=256)
        yield batch


if __name__ == "__main__":
    dataset, run, recipe, epochs, seed = sys.argv[1:]
    DataLoader.__iter__ = counted  # type: ignore[method-assign, assignment]
    trained = segdata.train(
        dataset, run, recipe=recipe, epochs=int(epochs), seed=int(seed), batch=8, lr=2e-3, loss="ce", short_side=180,
        model_options={"width": 16, "stem": 2}, threads=1, tensorboard=False,
    )  # fmt: skip
    print(json.dumps({"pixels": pixels.tolist(), "rows": trained.rows}))
