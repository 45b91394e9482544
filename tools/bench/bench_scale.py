"""The cost of samples by their number: manifests whole and in parts, and shards compared with plain files and with tar.

    python tools/bench/bench_scale.py [manifest | writing | shards | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the real images in ../shared/data.
docs/scale.md calculates with these figures.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from inputs import MINI, write_manifest
from measure import HERE, SEGDATA, Command, Sizes, race, say, time_command, workspace
from results import Measure, measure_tables, table
from segdata import Dataset, Sample, convert, write_mask
from segdata.files.places import copy_file
from segdata.labels import Labels
from segdata.ops.manifest.operation import manifest as write_parts

STEPS = ("open", "stats", "draw", "split")


def manifest(sizes: Sizes) -> list[str]:
    """Opening, statistics, random samples and the assignment of a split, each in a fresh process."""
    rows = []
    for count in (sizes.lines // 100, sizes.lines // 10, sizes.lines):
        with workspace(need=2) as work:
            dataset = convert("coco", MINI, work / "d", images="none")
            path = write_manifest(work / "manifest.jsonl", Path(str(dataset.root)) / "manifest.jsonl", count)
            path.replace(Path(str(dataset.root)) / "manifest.jsonl")
            for way in ("whole", "in parts"):
                if way == "in parts":
                    write_parts(Path(str(dataset.root)))
                files = [Path(str(dataset.root)) / "manifest.jsonl", *(Path(str(dataset.root)) / "manifest").glob("*")]
                size = sum(file.stat().st_size for file in files)
                steps = STEPS if way == "whole" else STEPS[:-1]
                found = {step: fresh(step, Path(str(dataset.root))) for step in steps}
                rows.append(row(count, way, size, found))
    return [
        "Lines of COCO mini repeated, each with an id of its own; no mask is on disk. Peaks are of the whole process.",
        "*random*: 1,000 samples in random order, *split*: the assignment to 80/10/10, which needs all samples at once.",
        "",
        *table(
            "samples | manifest | bytes a sample | open, s | stats, s | random, s | split, s | peak of open, MB | of stats, MB "
            "| of split, MB",
            rows,
        ),
    ]


def writing(sizes: Sizes) -> list[str]:
    """The cost of an operation per sample besides its pixels: a remap that copies every mask; 8 x 8 masks packed into shards."""
    rows = []
    for count in (sizes.lines // 100, sizes.lines // 10):
        with workspace(need=2) as work:
            root = work / "d"
            digest = hashlib.sha256(write_mask(root / "mask.png", np.zeros((8, 8), np.uint8))).hexdigest()
            line = Sample(id="", mask="", height=8, width=8, counts={0: 64}, sha256=digest)
            samples = []
            for i in range(count):
                sample = msgspec.structs.replace(line, id=f"train/{i:09d}", mask=f"masks/train/{i:09d}.png")
                copy_file(root / "mask.png", root / sample.mask)
                samples.append(sample)
            Dataset(root, Labels.of(["ground", "road"]), samples, {"tool": "bench"}).save()
            found = {step: fresh(step, root) for step in ("remap", "export")}
        for step, figures in found.items():
            each = 1e6 * figures["seconds"] / count
            rows.append(
                [f"{count:,}", step, f"{figures['seconds']:.2f}", f"{each:.0f}", f"{figures['peak'] / 1e6:,.0f}"]
            )
    return [
        "Masks of 8 x 8 pixels, so that nearly all is what a sample costs beside its pixels; one process, files in memory.",
        "",
        *table("samples | operation | seconds | microseconds a sample | peak, MB", rows),
    ]


def fresh(step: str, root: Path) -> dict[str, float]:
    """The figures of scale_manifest.py."""
    say(f"  {step}")
    command: Command = [sys.executable, HERE / "scale_manifest.py", step, root]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def row(count: int, way: str, size: int, found: dict[str, dict[str, float]]) -> list[str]:
    """A line of the table."""
    times = [f"{found['open']['open']:.2f}"]
    times += [f"{found[step]['seconds']:.2f}" if step in found else "" for step in STEPS[1:]]
    peaks = [f"{found[step]['peak'] / 1e6:,.0f}" if step in found else "" for step in ("open", "stats", "split")]
    return [f"{count:,}", way, f"{size / count:.0f}", *times, *peaks]


def shards(sizes: Sizes) -> list[str]:
    """Writing shards compared with `tar` over the same files; reading them in random order compared with reading the files."""
    count = sizes.images
    with workspace(need=2.5 * count * 200e3 / 1e9) as work:
        dataset = repeated(convert("coco", MINI, work / "mini", images="copy"), work / "d", count)
        out = work / "w"
        one: Command = [
            SEGDATA,
            "export",
            "webdataset",
            Path(str(dataset.root)),
            out,
            "--shuffle",
            "0",
            "--shard-size",
            "32M",
        ]
        ways: dict[str, Callable[[], float]] = {
            "segdata export -j 1": lambda: timed(one, out),
            "segdata export -j 2": lambda: timed([*one, "-j", "2"], out),
            "tar cf, one file of all": lambda: timed(
                ["tar", "cf", out, "-C", Path(str(dataset.root)), "images", "masks"], out
            ),
        }
        times = race(ways, sizes.rounds)
        time_command(one)
        taken = sum(file.stat().st_size for file in (out / "shards").glob("*.tar"))
        plain = sum(
            file.stat().st_size
            for name in ("images", "masks")
            for file in (Path(str(dataset.root)) / name).rglob("*.png")
        )
        plain += sum(file.stat().st_size for file in (Path(str(dataset.root)) / "images").rglob("*.jpg"))
        places = random.Random(0).sample(range(count), min(count, 500))
        read = race(
            {
                name: partial(read_all, Dataset.open(root), places)
                for name, root in (("files", Path(str(dataset.root))), ("shards", out))
            },
            sizes.rounds,
        )
    rows = [[name, t.show(), f"{count / t.median:,.0f}", f"{plain / 1e6 / t.median:,.0f}"] for name, t in times.items()]
    return [
        f"{count:,} photographs of COCO and their masks, {plain / count / 1e3:.0f} kB each; in shards they take "
        f"{(taken - plain) / count:,.0f} bytes a sample more ({100 * (taken / plain - 1):.1f} %): headers, padding, metadata.",
        "",
        *table("writing | seconds | samples a second | MB a second", rows),
        "",
        *table(
            "reading and decoding in random order | seconds | samples a second",
            [[name, t.show(), f"{len(places) / t.median:,.0f}"] for name, t in read.items()],
        ),
        "",
        f"Shards take {read['shards'].over(read['files']):.2f} times as long as files do. All is in memory: what a disk or a "
        "network adds to each small file is not in this.",
    ]


def timed(command: Command, out: Path) -> float:
    """The seconds of a whole process; its output is removed."""
    seconds = time_command(command)
    shutil.rmtree(out) if out.is_dir() else out.unlink()
    return seconds


def repeated(mini: Dataset, root: Path, count: int) -> Dataset:
    """The samples repeated under other ids, each with its own files, since `tar` writes links as links."""
    samples = []
    for i in range(count):
        old = mini.samples[i % len(mini)]
        new = msgspec.structs.replace(
            old, id=f"train/{i:09d}", mask=f"masks/train/{i:09d}.png", image=f"images/train/{i:09d}.jpg"
        )
        for there, here in ((old.mask, new.mask), (old.image, new.image)):
            (root / str(here)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(mini.inside(str(there))), root / str(here))
        samples.append(new)
    Dataset(root, mini.labels, samples, {"tool": "bench"}, "copy").save()
    return Dataset.open(root)


def read_all(dataset: Dataset, places: list[int]) -> float:
    """Seconds to read and decode these images and masks."""
    start = time.perf_counter()
    for place in places:
        sample = dataset.samples[place]
        dataset.read_image(sample)
        dataset.read_mask(sample)
    return time.perf_counter() - start


TABLES: dict[str, tuple[str, Measure]] = {
    "manifest": ("Manifests of up to a million samples", manifest),
    "writing": ("What a sample costs to write, beside its pixels", writing),
    "shards": ("Shards beside files", shards),
}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    measure_tables(__doc__, TABLES, peers=False)
