"""What `segdata diff` costs: samples that did not change, and masks that did, beside `segdata evaluate` of the same files.

    python tools/bench/bench_diff.py [unchanged | changed | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the real images in ../shared/data.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from inputs import MINI, write_manifest
from measure import HERE, SEGDATA, Command, Sizes, race, say, time_command, workspace
from results import Measure, measure_tables, table
from segdata import Dataset, convert, write_mask
from segdata.files.places import copy_file


def unchanged(sizes: Sizes) -> list[str]:
    """A dataset beside itself, in a fresh process: all that a sample costs whose mask is of the same bytes."""
    rows = []
    for count in (sizes.full[0] // 10, sizes.full[0], sizes.lines):
        with workspace(need=2) as work:
            for name in ("d", "e"):
                dataset = convert("coco", MINI, work / name, images="none")
                path = Path(str(dataset.root)) / "manifest.jsonl"
                write_manifest(work / "manifest.jsonl", path, count).replace(path)
            say(f"  {count:,} samples")
            command: Command = [sys.executable, HERE / "scale_manifest.py", "diff", work / "d"]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            whole = time_command([SEGDATA, "diff", work / "d", work / "e"])
            rows.append([f"{count:,}", f"{found['seconds']:.2f}", f"{whole:.2f}", f"{found['peak'] / 1e6:,.0f}"])
    return [
        "Lines of COCO mini repeated, each with an id of its own; no mask is on disk, and none is opened.",
        "",
        *table("unchanged samples | diff, s | the whole command, s | peak, MB", rows),
    ]


def changed(sizes: Sizes) -> list[str]:
    """Every mask changed, so that all are read twice: beside `evaluate`, which reads them too."""
    count = sizes.images // 10
    with workspace(need=1) as work:
        mini = convert("coco", MINI, work / "mini", images="none")
        for name in ("a", "b"):
            samples = []
            for i in range(count):
                old = mini.samples[i % len(mini)]
                new = msgspec.structs.replace(old, id=f"{i:06d}", mask=f"masks/{i:06d}.png", split=None)
                there = work / name / new.mask
                there.parent.mkdir(parents=True, exist_ok=True)
                if name == "a":
                    copy_file(str(mini.inside(old.mask)), there)
                else:
                    mask = np.roll(mini.read_mask(old), 3, axis=1)
                    new = msgspec.structs.replace(new, sha256=f"{i:064x}", counts={0: mask.size})
                    write_mask(there, mask)
                samples.append(new)
            Dataset(work / name, mini.labels, samples, {"tool": "bench"}).save()
        ways: dict[str, Command] = {
            "segdata diff": [SEGDATA, "diff", work / "a", work / "b"],
            "segdata evaluate --draws 0": [SEGDATA, "evaluate", work / "b", work / "a", "--draws", "0"],
        }
        times = race({name: partial(time_command, command) for name, command in ways.items()}, sizes.rounds)
    rows = [[name, t.show(), f"{count / t.median:,.0f}"] for name, t in times.items()]
    return [
        f"{count:,} masks of COCO mini, all of them moved by three pixels; one process. `diff` finds the regions, too, "
        "`evaluate` the boundary IoU.",
        "",
        *table("command | seconds | images a second", rows),
    ]


TABLES: dict[str, tuple[str, Measure]] = {
    "unchanged": ("Datasets beside each other: samples that did not change", unchanged),
    "changed": ("Datasets beside each other: samples that changed", changed),
}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    measure_tables(__doc__, TABLES, peers=False)
