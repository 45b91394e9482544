"""The cost of sending work to processes: overhead per sample, and the gain from two workers, with a pool and with a Dask cluster.

    python tools/bench/bench_run.py [overhead | throughput | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the real images in ../shared/data, and
Dask: pip install 'segdata[dask]'.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from distributed import LocalCluster

from inputs import DATA, MINI, write_coco
from measure import Sizes, race, time_loops, workspace
from results import Measure, Target, measure_tables, table
from segdata import Dataset, Run, Sample, convert, tile, workers

HERE, POOL, DASK = "this process", "two processes", "two Dask workers"
Workforce = Mapping[str, Executor | None]


@contextmanager
def workforces() -> Iterator[Workforce]:
    """Each kind of executor that segdata is run on."""
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1") as cluster,
        workers(2) as pool,
        workers(cluster.scheduler_address) as dask,
    ):
        yield {HERE: None, POOL: pool, DASK: dask}


# Overhead


def wait(sample: Sample, seconds: float) -> tuple[Sample, float]:
    """Work that uses no processor time. It returns a sample, as most operations do, and how long it really took."""
    start = time.perf_counter()
    time.sleep(seconds)
    return sample, time.perf_counter() - start


def beyond(executor: Executor | None, samples: list[Sample], seconds: float) -> float:
    """Overhead in seconds per sample: the time of all workers together, minus the time of the work."""
    start, work = time.perf_counter(), 0.0
    for _, found in Run(executor).map(partial(wait, seconds=seconds), samples):
        work += found[1]  # type: ignore[index]
    many = 1 if executor is None else 2
    return (many * (time.perf_counter() - start) - work) / len(samples)


def overhead(sizes: Sizes) -> list[str]:
    """The overhead for samples that take no time, and for samples that take some milliseconds."""
    rows, worst = [], 0.0
    with workspace(need=0.1) as work, workforces() as forces:
        sample = convert("coco", MINI, work / "d", images="none").samples[0]
        for name, seconds, count in (("nothing", 0.0, 50), ("2 ms", 0.002, 1), ("20 ms", 0.02, 0.2)):
            samples = [sample] * int(count * sizes.images / 2)
            for force in forces.values():
                beyond(force, samples[: len(samples) // 4], seconds)  # workers have imported what they need
            ways = {way: partial(beyond, force, samples, seconds) for way, force in forces.items()}
            times = race(ways, sizes.rounds)
            rows += [[name, way, f"{len(samples):,}", t.show(1e-3, 3)] for way, t in times.items()]
            worst = max(worst, *(t.median for t in times.values()))
    return [
        "Seconds of all workers together, less those that the work itself says that it took, by sample: sending it and its "
        "manifest line back, and waiting at the end, when one worker has nothing to do any more. The work sleeps, so that other "
        "processes of the machine disturb it little. Medians over rounds (least to most).",
        "",
        *table("work a sample | on | samples | ms a sample beyond it", rows),
        "",
        str(Target("the largest overhead a sample", 1000 * worst, 1, at_most=True, unit=" ms")),
    ]


# Throughput


def working(make: Callable[[Path, Run], Dataset], executor: Executor | None, out: Path) -> float:
    """Seconds from the first item until the dataset is saved, without the client's work before that."""
    began = []

    def track(items: Iterator[Any], total: int) -> Iterator[Any]:
        began.append(time.perf_counter())
        yield from items

    make(out, Run(executor, track=track))
    seconds = time.perf_counter() - began[0]
    shutil.rmtree(out)
    return seconds


def throughput(sizes: Sizes) -> list[str]:
    """The gain of converting and tiling with two workers, compared with the gain of two copies of a loop."""
    rows, targets = [], []
    with workspace(need=2) as work, workforces() as forces:
        source = write_coco(work / "coco/annotations/instances_train2017.json", 2 * sizes.images)
        whole = convert("coco", DATA / "coco/mini", work / "mini")
        some = Dataset(whole.root, whole.labels, whole.samples[: sizes.images // 60], whole.made_by, whole.images)
        makes: dict[str, Callable[[Path, Run], Dataset]] = {
            "convert": lambda out, run: convert("coco", source, out, images="none", run=run),
            "tile": lambda out, run: tile(some, out, size=256, overlap=64, run=run),
        }
        for name, make in makes.items():
            for force in forces.values():
                working(make, force, work / "out")
            ways: dict[str, Callable[[], float]] = {
                "one loop": partial(time_loops, 1, sizes.loop),
                "two loops": partial(time_loops, 2, sizes.loop),
                **{way: partial(working, make, force, work / "out") for way, force in forces.items()},
            }
            times = race(ways, sizes.rounds + 2)
            gain = 2 * times["one loop"].over(times["two loops"])
            rows.append([name, "two copies of a loop", times["two loops"].show(), f"{gain:.2f}", ""])
            rows.append([name, HERE, times[HERE].show(), "1", ""])
            for way in (POOL, DASK):
                ours = times[HERE].over(times[way])
                rows.append([name, way, times[way].show(), f"{ours:.2f}", f"{ours / gain:.2f}"])
                targets.append(Target(f"{name}: gain of {way}, of the loop's", ours / gain, 0.75, unit=""))
    return [
        f"`convert` of {2 * sizes.images:,} COCO images to masks, `tile` of {len(some)} real images to 256 x 256 as PNG, "
        "from the first item until the dataset is saved, on workers that have worked before. The gain is this process's time "
        "over theirs, that of the loop twice the time of one copy over the time of two at once: all that the machine has.",
        "",
        *table("work | on | seconds | gain | of the loop's gain", rows),
        "",
        *map(str, targets),
    ]


TABLES: dict[str, tuple[str, Measure]] = {
    "overhead": ("What sending a sample costs", overhead),
    "throughput": ("Two workers, of a pool and of a Dask cluster", throughput),
}
"""By name, the title of a table, and the function that measures it and returns its lines."""


if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
