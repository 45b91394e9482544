"""The speed of statistics: from the manifest as a whole process, and of counting masks again, compared with Pillow and NumPy.

    python tools/bench/bench_stats.py [manifest | recount | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the real labels in ../shared/data.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from inputs import DATA, MINI, write_manifest
from measure import SEGDATA, Command, Sizes, race, time_command, workspace
from results import Measure, Target, measure_tables, table
from segdata import Dataset, Labels, Sample, convert, read_mask, write_mask
from segdata.ops.stats.operation import stats

CAMVID = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")


def manifest(sizes: Sizes) -> list[str]:
    """`segdata stats` of a manifest as large as that of COCO train, without one mask on disk."""
    with workspace(need=0.3) as work:
        dataset = convert("coco", MINI, work / "d", images="none")
        path = write_manifest(work / "manifest.jsonl", Path(str(dataset.root)) / "manifest.jsonl", sizes.full[0])
        path.replace(Path(str(dataset.root)) / "manifest.jsonl")
        command: Command = [SEGDATA, "stats", str(dataset.root)]
        ways: dict[str, Command] = {"table": command, "`--json`": [*command, "--json"]}
        for way in ways.values():
            time_command(way)
        times = race({name: partial(time_command, way) for name, way in ways.items()}, 3 * sizes.rounds)
    worst = max(max(t.seconds) for t in times.values())
    return [
        f"{sizes.full[0]:,} samples of 81 classes: counts, weights, samplers and pairs of classes, the whole process.",
        "",
        *table("`segdata stats` | seconds", [[name, t.show()] for name, t in times.items()]),
        "",
        str(Target("the slowest of them", worst, 2, at_most=True, unit=" s")),
    ]


def recount(sizes: Sizes) -> list[str]:
    """Masks counted by `stats(recount=True)`, including manifest and comparison, compared with Pillow and NumPy."""
    rows, targets = [], []
    with workspace(need=0.1) as work:
        mini = convert("coco", MINI, work / "coco", images="none")
        for name, dataset in {"COCO": mini, "CamVid": camvid(work / "camvid")}.items():
            ways: dict[str, Callable[[], Counter[int]]] = {
                "segdata.stats": partial(with_segdata, dataset),
                "Pillow, np.bincount": partial(with_pillow, dataset),
            }
            assert len({tuple(sorted(way().items())) for way in ways.values()}) == 1, name
            times = race({way: partial(seconds, run) for way, run in ways.items()}, 5 * sizes.rounds)
            ours = times["segdata.stats"]
            unit = len(dataset) / 1000
            rows += [
                [f"{name}, {len(dataset)}", way, t.show(unit, 3), f"{t.over(ours):.1f}"] for way, t in times.items()
            ]
            targets.append(Target(f"Pillow's and NumPy's time on {name}", times["Pillow, np.bincount"].over(ours), 10))
    return [
        "Masks that segdata wrote, in memory, one process, processor seconds; medians over passes (least to most); both give "
        "the same counts. segdata's time has the comparison with the manifest in it, and the weights.",
        "",
        *table("masks | way | ms a mask | times segdata's", rows),
        "",
        *map(str, targets),
    ]


def camvid(root: Path) -> Dataset:
    """The real CamVid labels as a dataset."""
    labels = Labels.of(CAMVID)
    remap = labels.table({**{i: i for i in range(11)}, 11: None})
    samples = []
    for path in sorted((DATA / "camvid").glob("*annot/*.png")):
        mask = remap(read_mask(path))
        name = f"masks/{path.stem}.png"
        digest = hashlib.sha256(write_mask(root / name, mask)).hexdigest()
        values, counts = (a.tolist() for a in np.unique(mask, return_counts=True))
        sample = Sample(
            id=path.stem, mask=name, height=mask.shape[0], width=mask.shape[1], sha256=digest,
            counts=dict(zip(values, counts, strict=True)),
        )  # fmt: skip
        samples.append(sample)
    dataset = Dataset(root, labels, samples)
    dataset.save()
    return dataset


def with_segdata(dataset: Dataset) -> Counter[int]:
    """Pixels of each value."""
    counts = stats(dataset, recount=True).whole.counts
    return Counter({**{i: int(n) for i, n in enumerate(counts.pixels) if n}, dataset.labels.ignore: counts.ignored})


def with_pillow(dataset: Dataset) -> Counter[int]:
    """The same, written in the usual way."""
    total = np.zeros(256, np.int64)
    for sample in dataset:
        with Image.open(Path(str(dataset.root)) / sample.mask) as image:
            total += np.bincount(np.asarray(image).ravel(), minlength=256)
    return Counter({int(v): int(total[v]) for v in np.flatnonzero(total)})


def seconds(run: Callable[[], object]) -> float:
    """The processor seconds of a call."""
    start = time.process_time()
    run()
    return time.process_time() - start


TABLES: dict[str, tuple[str, Measure]] = {
    "manifest": ("Statistics from the manifest", manifest),
    "recount": ("Masks counted again", recount),
}
"""By name, the title of a table, and the function that measures it and returns its lines."""


if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
