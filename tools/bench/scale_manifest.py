"""The cost of a manifest in a new process: prints seconds and peak bytes as one JSON object. `scale_manifest.py STEP ROOT`."""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from segdata import Dataset
from segdata.dataset.counts import ImageCounts
from segdata.ops.diff.operation import diff
from segdata.ops.export.operation import export
from segdata.ops.remap.operation import remap
from segdata.ops.split.balance import balance
from segdata.ops.stats.operation import stats


def opened(dataset: Dataset) -> None:
    """Do nothing more: the time is that of opening."""


def summed(dataset: Dataset) -> None:
    """Class counts, weights, samplers, pairs of classes."""
    stats(dataset)


def drawn(dataset: Dataset) -> None:
    """Read a thousand samples in random order, as training does."""
    places = random.Random(0)
    for _ in range(1000):
        _ = dataset.samples[places.randrange(len(dataset))]


def divided(dataset: Dataset) -> None:
    """Split 80/10/10, balanced over the pixels of every class: the assignment alone."""
    table = ImageCounts.of([sample.counts for sample in dataset], dataset.labels)
    balance(table, np.arange(len(dataset)), np.array([0.8, 0.1, 0.1]), seed=0)


def carried(dataset: Dataset) -> None:
    """A class renamed: every mask is copied, and a new manifest written."""
    remap(dataset, Path(str(dataset.root)).with_name("carried"), map={dataset.labels.names[0]: "other"})


def packed(dataset: Dataset) -> None:
    """Masks alone into shards."""
    export("webdataset", dataset, Path(str(dataset.root)).with_name("packed"), samples_per_shard=10_000)


def compared(dataset: Dataset) -> None:
    """Compare with the dataset itself, opened anew: no mask is read."""
    diff(dataset, str(dataset.root))


STEPS: dict[str, Callable[[Dataset], Any]] = {
    "open": opened,
    "stats": summed,
    "draw": drawn,
    "split": divided,
    "remap": carried,
    "export": packed,
    "diff": compared,
}


def main(step: str, root: str) -> None:
    """Print one JSON object."""
    start = time.perf_counter()
    dataset = Dataset.open(root)
    begun = time.perf_counter()
    STEPS[step](dataset)
    end = time.perf_counter()
    peak = re.search(r"^VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert peak is not None
    print(json.dumps({"open": begun - start, "seconds": end - begun, "peak": 1024 * int(peak[1])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
