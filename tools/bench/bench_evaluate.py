"""The speed of evaluation, compared with NumPy, torchmetrics, MMSegmentation and cityscapesScripts.

    python tools/bench/bench_evaluate.py [--quick] [--record]

Prints one section of Markdown; `--record` puts it into RESULTS.md. Needs the real labels in ../shared/data, and the peers in
their own environments, which tools/bench/peers.sh makes; missing peers are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inputs import DATA
from measure import BUILD, HERE, QUICK, Command, Sizes, race, say, workspace
from results import Target, machine, peer_versions, record, table
from segdata import Dataset, Labels, Sample, read_mask, write_mask
from segdata.files.cityscapes_table import TABLE, VOID_TRAIN_ID

TITLE = "Evaluation of 2048 x 1024 masks"
PEERS = ("torchmetrics", "mmsegmentation", "cityscapesscripts")
NAMES = {
    "segdata_matrix": "`segdata.evaluate(boundary=False, draws=0)`",
    "segdata_decoding": "`segdata.read_mask` of both masks alone",
    "segdata": "`segdata.evaluate`: boundary IoU and intervals too",
    "numpy": "Pillow, `np.bincount`",
    "torchmetrics": "Pillow, torchmetrics",
    "mmsegmentation": "Pillow, MMSegmentation `intersect_and_union`",
    "cityscapesscripts": "cityscapesScripts `evaluatePair`",
}
Ids = NDArray[np.uint8]


def measure(sizes: Sizes, pairs: int) -> list[str]:
    """Pairs per second of each way, all with the same IoU."""
    with workspace(need=0.2) as work:
        write_pairs(work, pairs)
        ways = dict.fromkeys(("segdata_matrix", "segdata_decoding", "segdata", "numpy"), sys.executable)
        ways |= {name: str(BUILD / name / "bin/python") for name in PEERS if (BUILD / name / ".installed").exists()}
        found: dict[str, list[float]] = {}

        def run(way: str) -> float:
            root = work / "ids" if way == "cityscapesscripts" else work
            command: Command = [ways[way], HERE / "evaluate_with.py", way, root / "truth/masks", root / "pred/masks"]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                sys.exit(f"{way}: {done.stderr}")
            out = json.loads(done.stdout)
            found[way] = out["iou"]
            return float(out["seconds"])

        times = race({NAMES[way]: partial(run, way) for way in ways}, sizes.rounds)
        for way, iou in found.items():
            assert not iou or np.allclose(iou, found["numpy"], atol=1e-6), way
        size = sum(path.stat().st_size for path in work.glob("*/masks/*.png")) / pairs / 2
    ours, whole = times[NAMES["segdata_matrix"]], times[NAMES["segdata"]]
    rows = [
        [name, f"{pairs / t.median:,.0f}", f"{t.over(ours):.1f}", f"{t.over(whole):.1f}"] for name, t in times.items()
    ]
    decoding = times[NAMES["segdata_decoding"]]
    others = [
        t
        for name, t in times.items()
        if name not in (NAMES["segdata"], NAMES["segdata_matrix"], NAMES["segdata_decoding"])
    ]
    fastest = min(others, key=lambda t: t.median)
    return [
        f"{pairs} pairs of 2048 x 1024, 19 classes and void: mosaics of real CamVid masks, which have more borders than street "
        f"scenes of that size, and shifted ones as predictions; PNGs as segdata writes them, {size / 1000:.0f} KB each, in "
        f"memory. One process and thread each, a pass over all, reading included, in seconds that the processor worked; medians "
        f"of {sizes.rounds} rounds. All give the same IoU of every class.",
        "",
        *table("way | pairs/s | times segdata's matrix | times segdata's whole", rows),
        "",
        str(Target("the fastest of the others, by what segdata takes for the same matrix", fastest.over(ours), 3)),
        str(
            Target("segdata's matrix, by what decoding both masks alone takes", ours.over(decoding), 1.1, at_most=True)
        ),
    ]


def write_pairs(root: Path, count: int) -> None:
    """Datasets `truth` and `pred`, and below `ids` the same masks in label ids."""
    rows = [row for row in TABLE if 0 <= row.train_id < VOID_TRAIN_ID]
    rows.sort(key=lambda row: row.train_id)
    labels = Labels.of([row.name for row in rows])
    ids = np.zeros(256, np.uint8)
    ids[:19] = [row.id for row in rows]
    sources = [read_mask(path) for path in sorted((DATA / "camvid/trainannot").glob("*.png"))]
    random = np.random.default_rng(0)
    samples: dict[str, list[Sample]] = {"truth": [], "pred": []}
    for number in range(count):
        truth = mosaic(sources, number)
        pred = np.roll(truth, (2, -3), (0, 1))
        for y, x, value in zip(
            random.integers(0, 900, 12), random.integers(0, 1900, 12), random.integers(0, 19, 12), strict=True
        ):
            pred[y : y + 90, x : x + 120] = value
        pred[pred == labels.ignore] = 0
        for side, mask in (("truth", truth), ("pred", pred)):
            name = f"masks/{number:04d}.png"
            digest = hashlib.sha256(write_mask(root / side / name, mask)).hexdigest()
            write_mask(root / "ids" / side / name, ids[mask])
            values, counts = (a.tolist() for a in np.unique(mask, return_counts=True))
            line = Sample(
                id=f"{number:04d}", mask=name, height=mask.shape[0], width=mask.shape[1], sha256=digest,
                counts=dict(zip(values, counts, strict=True)),
            )  # fmt: skip
            samples[side].append(line)
    for side, lines in samples.items():
        Dataset(root / side, labels, lines).save()


def mosaic(sources: list[Ids], number: int) -> Ids:
    """1024 x 2048 made of 3 x 5 masks; in each, the 11 classes become other ones of the 19."""
    parts = []
    for place in range(15):
        mask = sources[(15 * number + place) % len(sources)]
        known = mask < 11
        parts.append(np.where(known, (mask + 3 * place) % 19, 255).astype(np.uint8))
    whole = np.vstack([np.hstack(parts[row : row + 5]) for row in (0, 5, 10)])
    return np.ascontiguousarray(whole[:1024, :2048])


def main() -> None:
    """Measure, and record if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small inputs, for trying the bench itself")
    parser.add_argument("--record", action="store_true", help="put the table into RESULTS.md")
    given = parser.parse_args()
    if given.quick and given.record:
        parser.error("--quick measures nothing worth recording")
    say(TITLE)
    head = f"`python tools/bench/bench_evaluate.py`, {machine(peer_versions())}"
    lines = [head, "", *measure(QUICK if given.quick else Sizes(), 6 if given.quick else 60)]
    print(f"## {TITLE}", "", *lines, "", sep="\n", flush=True)
    if given.record:
        record(TITLE, lines)


if __name__ == "__main__":
    main()
