"""COCO: whole processes compared with the plain loop and Datumaro, two processes, and a file of full size."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inputs import MINI, write_coco
from measure import (
    BUILD,
    GIB,
    HERE,
    OURS,
    SEGDATA,
    Command,
    Memory,
    Sizes,
    Times,
    race,
    say,
    time_command,
    time_loops,
    time_writers,
    watch_memory,
    workspace,
)  # fmt: skip
from results import Target, speed_rows, table
from segdata import Run, convert, workers

PLAIN = "plain loop: annToMask, numpy, Pillow"
BUSY = (
    "- More than the whole of the loop's gain cannot be: other work had a core while this ran, so this line proves nothing. "
    "Measure again on a quiet machine."
)


def coco(sizes: Sizes) -> list[str]:
    """Masks only: segdata, the plain loop and Datumaro as whole processes; sizes of files; two processes."""
    with workspace(need=3) as work:
        out = work / "out"
        small = write_coco(work / "small/annotations/instances_train2017.json", 80)
        source = write_coco(work / "large/annotations/instances_train2017.json", sizes.images)
        for command in coco_commands(small, out).values():
            time_command(command, writes=out, masks=80)  # compiled code and the disk's cache are in place after it
        commands = coco_commands(source, out)
        few = {name: command for name, command in commands.items() if "Datumaro" not in name}
        times = time_writers(few, out, sizes.images, sizes.rounds)
        slow = {name: command for name, command in commands.items() if "Datumaro" in name or name == OURS}
        peers = time_writers(slow, out, sizes.images, 1) if len(slow) > 1 else {}
        size, agreement = compare_masks(small, work)
        scaling = time_scaling(small, source, out, sizes)
    ours = times[OURS]
    rows = speed_rows(times, sizes.images) + speed_rows(peers, sizes.images)[1:]
    usual = [t.over(peers[OURS]) for name, t in peers.items() if name != OURS and "grey" not in name]
    fastest = [t.over(peers[OURS]) for name, t in peers.items() if name != OURS]
    targets = [Target("the plain loop's time (goal 8)", times[PLAIN].over(ours), 5)]
    if usual:
        targets.append(Target("Datumaro's time, VOC or Cityscapes as its guide has them, the faster", min(usual), 10))
        targets.append(Target("Datumaro's time, the fastest way that was found", min(fastest), 10))
    targets.append(Target("file size over Pillow's level 6", size, 1.5, at_most=True))
    return [
        f"{sizes.images:,} records made by repeating the {MINI.stem} of 80 real images, whole processes, masks only, "
        f"median of {sizes.rounds} rounds (least to most); Datumaro once, beside segdata. segdata's and the plain loop's "
        f"masks agree on {agreement:.3%} of pixels: the plain loop orders by the area that the file states, segdata by painted "
        "pixels.",
        "",
        *table("whole process | seconds | images/s | segdata -j 1 faster by", rows),
        "",
        *map(str, targets),
        "",
        *scaling_lines(scaling, times),
    ]


def coco_commands(source: Path, out: Path) -> dict[str, Command]:
    """Every way from a COCO file to masks in `out`."""
    ours: Command = [SEGDATA, "convert", "coco", source, out, "--images", "none", "-j"]
    commands: dict[str, Command] = {
        OURS: [*ours, "1"],
        "segdata -j 2": [*ours, "2"],
        PLAIN: [sys.executable, HERE / "plain_coco.py", source, out],
    }
    python = BUILD / "datumaro/bin/python"
    if not python.exists():
        say("no Datumaro: tools/bench/peers.sh installs it")
        return commands
    script = [python, HERE / "datumaro_coco.py"]
    root = source.parent.parent
    return commands | {
        "Datumaro to VOC": [*script, "voc_segmentation", "usual", root, out],
        "Datumaro to VOC, grey": [*script, "voc_segmentation", "grey", root, out],
        "Datumaro to Cityscapes": [*script, "cityscapes", "usual", root, out],
        "Datumaro to Cityscapes, grey": [*script, "cityscapes", "grey", root, out],
    }


def compare_masks(source: Path, work: Path) -> tuple[float, float]:
    """On the masks of `source`: bytes over those of Pillow's level 6, and the share of pixels equal to the plain loop's."""
    dataset = convert("coco", source, work / "ours", images="none")
    subprocess.run([sys.executable, HERE / "plain_coco.py", source, work / "plain"], check=True, capture_output=True)
    class_of = np.full(256, 255, np.uint8)
    for row in dataset.read_receipt()["classes"]:
        class_of[row["source_id"]] = row["class_id"]
    class_of[0] = 0
    ours = theirs = equal = pixels = 0
    for sample in dataset:
        mask = dataset.read_mask(sample)
        Image.fromarray(mask).save(work / "pillow.png", compress_level=6)
        ours += (Path(str(dataset.root)) / sample.mask).stat().st_size
        theirs += (work / "pillow.png").stat().st_size
        plain = np.asarray(Image.open(work / f"plain/{Path(sample.mask).name}"))
        equal += int(np.count_nonzero(class_of[plain] == mask))
        pixels += mask.size
    return ours / theirs, equal / pixels


# Two processes


def time_scaling(small: Path, source: Path, out: Path, sizes: Sizes) -> dict[str, Times]:
    """One and two copies of a CPU-bound loop, and the work after loading with one and two processes, in one race."""
    return race(
        {
            "one loop": partial(time_loops, 1, sizes.loop),
            "two loops": partial(time_loops, 2, sizes.loop),
            "after loading -j 1": partial(after_loading, 1, small, source, out),
            "after loading -j 2": partial(after_loading, 2, small, source, out),
        },
        sizes.rounds,
    )


def after_loading(jobs: int, small: Path, source: Path, out: Path) -> float:
    """Seconds of `convert` from the first item to the end: without reading the label file and without starting the pool.

    The pool is warm: it has converted `small` before, in small chunks so that every worker had some.
    """
    began = []

    def track(items: Iterator[Any], total: int) -> Iterator[Any]:
        began.append(time.perf_counter())
        yield from items

    with workers(jobs) as executor:
        convert("coco", small, out, images="none", run=Run(executor, chunk=4))
        shutil.rmtree(out)
        convert("coco", source, out, images="none", run=Run(executor, track=track))
        seconds = time.perf_counter() - began[0]
    shutil.rmtree(out)
    return seconds


def scaling_lines(scaling: Mapping[str, Times], whole: Mapping[str, Times]) -> list[str]:
    """The gain of two processes, compared with what the machine itself gains from two."""
    one, two = scaling["one loop"], scaling["two loops"]
    machine_ratio = 2 * one.over(two)
    rows = [["CPU-bound loop, copies of it", one.show(), two.show(), f"{machine_ratio:.2f}", ""]]
    for name, a, b in (
        ("work after loading", scaling["after loading -j 1"], scaling["after loading -j 2"]),
        ("whole process", whole[OURS], whole["segdata -j 2"]),
    ):
        rows.append([name, a.show(), b.show(), f"{a.over(b):.2f}", f"{a.over(b) / machine_ratio:.2f}"])
    share = scaling["after loading -j 1"].over(scaling["after loading -j 2"]) / machine_ratio
    return [
        "Two processes. The loop's gain is twice the time of one copy over the time of two at once, which is all that this "
        "machine has to give. The work after loading is timed inside `segdata.convert` on a pool that has worked before: from "
        "the first item until the dataset is saved, so without reading the label file and starting processes.",
        "",
        *table("| seconds, 1 | seconds, 2 | gain | of the loop's gain", rows),
        "",
        str(Target("gain of the work after loading, of the loop's gain", share, 0.75, unit="")),
        *([BUSY] if share > 1.1 else []),
    ]


# The full size


def full(sizes: Sizes) -> list[str]:
    """Time and memory of a file as large as COCO's own."""
    images, annotations = sizes.full
    rows = []
    peaks: list[Memory] = []
    with workspace(need=4) as work:
        source = write_coco(work / "coco/annotations/instances_train2017.json", images, annotations)
        megabytes = source.stat().st_size / 1e6
        for jobs in (1, 2):
            command: Command = [SEGDATA, "convert", "coco", source, work / "out", "--images", "none", "-j", str(jobs)]
            seconds, memory = watch_memory(command)
            shutil.rmtree(work / "out")
            peaks.append(memory)
            cells = [
                f"{seconds:.1f}",
                f"{images / seconds:,.0f}",
                f"{memory.pss / GIB:.2f}",
                f"{memory.rss / GIB:.2f}",
            ]
            rows.append([f"-j {jobs}", *cells])
            say(f"  -j {jobs}: {cells}")
    return [
        f"A file as large as COCO's own: {images:,} images, {annotations:,} annotations, {megabytes:,.0f} MB, the real ones "
        "of 80 images repeated, in shuffled order. Memory is the most that all processes together had, looked up four times a "
        "second while the time ran: PSS counts a shared page once, RSS once for each process.",
        "",
        *table("`segdata convert coco --images none` | seconds | images/s | PSS, GiB | RSS, GiB", rows),
        "",
        str(Target("peak of the sum of PSS", max(m.pss for m in peaks) / GIB, 4, at_most=True, unit=" GiB")),
        str(Target("peak of the sum of RSS", max(m.rss for m in peaks) / GIB, 4, at_most=True, unit=" GiB")),
    ]
