"""Single files: masks read back, the start of the command line, and a large manifest opened."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from inputs import MINI, write_manifest
from measure import GIB, HERE, SEGDATA, Command, Sizes, race, time_command, workspace
from results import Target, table
from segdata import convert, read_mask

HEAVY = ("torch", "cv2", "numba", "albumentations")


def read(sizes: Sizes) -> list[str]:
    """Masks read back: segdata, Pillow and OpenCV, on segdata's files and on Pillow's."""
    readers: dict[str, Callable[[Path], object]] = {
        "segdata.read_mask": read_mask,
        "Pillow": lambda path: np.asarray(Image.open(path)),
        "OpenCV": lambda path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED),
    }
    rows, targets = [], []
    with workspace(need=0.1) as work:
        dataset = convert("coco", MINI, work / "ours", images="none")
        files = {"segdata's files": [Path(str(dataset.root)) / sample.mask for sample in dataset], "Pillow's files": []}
        for number, sample in enumerate(dataset):
            files["Pillow's files"].append(work / f"{number}.png")
            Image.fromarray(dataset.read_mask(sample)).save(work / f"{number}.png")
        for kind, paths in files.items():
            for path in paths:
                values = [np.asarray(reader(path)) for reader in readers.values()]
                assert all(np.array_equal(values[0], other) for other in values[1:]), path
            times = race({name: partial(read_all, reader, paths) for name, reader in readers.items()}, 5 * sizes.rounds)
            ours = times["segdata.read_mask"]
            rows += [[kind, name, t.show(len(paths) / 1000, 3), f"{t.over(ours):.1f}"] for name, t in times.items()]
            targets.append(Target(f"Pillow's time on {kind}", times["Pillow"].over(ours), 4))
    return [
        f"{len(dataset)} masks of real COCO images, each read from memory {5 * sizes.rounds} times in turn, medians over "
        "passes (least to most); all three give the same values.",
        "",
        *table("files | reader | ms a mask | times segdata's", rows),
        "",
        *map(str, targets),
    ]


def read_all(reader: Callable[[Path], object], paths: list[Path]) -> float:
    """Seconds to read every file once."""
    start = time.perf_counter()
    for path in paths:
        reader(path)
    return time.perf_counter() - start


def startup(sizes: Sizes) -> list[str]:
    """The start of the command line, and opening a large manifest."""
    commands: dict[str, Command] = {
        "`segdata --help`": [SEGDATA, "--help"],
        "`python -c 'import click'`": [sys.executable, "-c", "import click"],
        "`python -c pass`": [sys.executable, "-c", "pass"],
    }
    for command in commands.values():
        time_command(command)
    times = race({name: partial(time_command, command) for name, command in commands.items()}, sizes.starts)
    loaded = loaded_modules([SEGDATA, "--help"])
    heavy = [name for name in HEAVY if name in loaded]
    return [
        f"Median of {sizes.starts} starts (least to most). `segdata --help` loads {len(loaded)} modules, of "
        f"{', '.join(HEAVY)}: {', '.join(heavy) or 'none'}.",
        "",
        *table("whole process | ms", [[name, t.show(1e-3, 0)] for name, t in times.items()]),
        "",
        str(Target("`segdata --help`", times["`segdata --help`"].median, 0.2, at_most=True, unit=" s")),
        str(Target("heavy modules loaded by it", len(heavy), 0, at_most=True, unit="")),
        "",
        *manifest(sizes),
    ]


def loaded_modules(command: Command) -> set[str]:
    """The names of the modules that a Python script imports, as `-X importtime` lists them."""
    done = subprocess.run([sys.executable, "-X", "importtime", *command], check=True, capture_output=True, text=True)
    return set(re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", done.stderr, re.MULTILINE))


def manifest(sizes: Sizes) -> list[str]:
    """`Dataset.open` compared with the standard library, each in a new process."""
    with workspace(need=1) as work:
        dataset = convert("coco", MINI, work / "ours", images="none")
        path = write_manifest(work / "manifest.jsonl", Path(str(dataset.root)) / "manifest.jsonl", sizes.lines)
        path.replace(Path(str(dataset.root)) / "manifest.jsonl")
        megabytes = (Path(str(dataset.root)) / "manifest.jsonl").stat().st_size / 1e6
        peaks: dict[str, list[int]] = {"segdata": [], "stdlib": []}

        def once(way: str) -> float:
            command: Command = [sys.executable, HERE / "open_manifest.py", way, str(dataset.root)]
            answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            assert answer["samples"] == sizes.lines
            peaks[way].append(answer["peak"])
            return float(answer["seconds"])

        times = race({way: partial(once, way) for way in peaks}, sizes.rounds)
    names = {"segdata": "`segdata.Dataset.open`", "stdlib": "json and a dataclass"}
    rows = [[names[way], t.show(), f"{max(peaks[way]) / GIB:.2f}"] for way, t in times.items()]
    return [
        f"A manifest of {sizes.lines:,} lines, {megabytes:,.0f} MB, each time in a fresh process; memory is that of the process.",
        "",
        *table("| seconds | peak RSS, GiB", rows),
        "",
        str(Target("opening", times["segdata"].median, 5, at_most=True, unit=" s")),
        str(Target("its peak", max(peaks["segdata"]) / GIB, 2.5, at_most=True, unit=" GiB")),
    ]
