"""The time and the memory of readers of annotation tools' files, on sets of reader_sets.py, beside the tools' own programs.

    python tools/bench/bench_readers.py speed [FORMAT ...]            ms of processor time an image, and the peer's
    python tools/bench/bench_readers.py memory [FORMAT ...] [--most N]   VmHWM over 1,000, 10,000 ... files
    python tools/bench/bench_readers.py profile FORMAT                what takes the time

Time is user and system time of `segdata convert FORMAT SRC OUT --images reference`, the difference of two numbers of images, so
that starting counts for nothing. Peers run oracle_<format>.py in the environments of peers.sh, and are left out if absent. Masks
are compressed and written in both.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import segdata
from measure import BUILD, HERE, say
from reader_sets import SETS, every
from results import table

FEW, MANY = 200, 1_200

PEERS = {
    "labelme": "labelme", "labelmexml": "datumaro", "labelstudio": "label-studio", "yolo": "ultralytics", "cvat": "cvat",
    "supervisely": "supervisely", "nnunet": "nnunet", "sbd": "torchvision", "cocostuff": "mmsegmentation", "hf": "hf",
}  # fmt: skip
"""The environment of the peer, under build/bench/."""

CHILD = """
import sys, segdata
segdata.convert(sys.argv[1], sys.argv[2], sys.argv[3], images="reference")
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1])
"""


def child(command: Sequence[str]) -> tuple[float, str]:
    """Processor seconds of a process and its children, and what it printed."""
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True)
    after = os.times()
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return after.children_user + after.children_system - before.children_user - before.children_system, done.stdout


def converted(format: str, count: int, work: Path) -> tuple[float, int]:
    """Processor seconds and KiB of VmHWM of converting so many images."""
    source, out = work / f"{format}{count}", work / f"out{count}"
    if not source.exists():
        SETS[format](source, count)
    seconds, said = child([sys.executable, "-c", CHILD, format, str(source), str(out)])
    subprocess.run(["rm", "-rf", out], check=True)
    return seconds, int(said.split()[-1])


def peer(format: str, count: int, work: Path) -> float | None:
    """Processor seconds of the tool's own program on the same set; None without its environment."""
    python = BUILD / PEERS.get(format, "none") / "bin/python"
    if not python.exists():
        return None
    more = ["read"] if format == "hf" else []
    return child(
        [str(python), str(HERE / f"oracle_{format}.py"), *more, str(work / f"{format}{count}"), str(work / "peer")]
    )[0]


def speed(formats: Sequence[str]) -> list[str]:
    """Milliseconds an image."""
    rows = []
    for format in formats:
        with TemporaryDirectory() as name:
            work = Path(name)
            low, high = (min(converted(format, count, work)[0] for _ in range(2)) for count in (FEW, MANY))
            ours = 1000 * (high - low) / (MANY - FEW)
            theirs = [peer(format, count, work) for count in (FEW, MANY)]
        told = "" if theirs[0] is None or theirs[1] is None else f"{1000 * (theirs[1] - theirs[0]) / (MANY - FEW):.2f}"
        rows.append([format, f"{ours:.2f}", told])
        say(f"{format}: {ours:.2f} ms {told}")
    return table("format | segdata, ms an image | its tool, ms an image", rows)


def memory(formats: Sequence[str], most: int) -> list[str]:
    """VmHWM by the number of images."""
    counts = [count for count in (1_000, 10_000, 100_000) if count <= most]
    rows = []
    for format in formats:
        peaks = []
        for count in counts:
            with TemporaryDirectory() as name:
                peaks.append(converted(format, count, Path(name))[1])
            say(f"{format}: {count:,}: {peaks[-1] / 1024:.0f} MiB")
        rows.append([format, *(f"{peak / 1024:.0f}" for peak in peaks)])
    return table(" | ".join(["MiB at most", *(f"{count:,} images" for count in counts)]), rows)


def profile(format: str) -> None:
    """The functions that take most of the time."""
    with TemporaryDirectory() as name:
        SETS[format](Path(name, "source"), MANY)
        segdata.convert(format, Path(name, "source"), Path(name, "first"), images="reference")
        watch = cProfile.Profile()
        watch.runcall(segdata.convert, format, Path(name, "source"), Path(name, "out"), images="reference")
        pstats.Stats(watch).sort_stats("tottime").print_stats(25)


def main() -> None:
    """Print a section of Markdown, or a profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory", "profile"])
    parser.add_argument("formats", nargs="*", help="(default: all)")
    parser.add_argument("--most", type=int, default=10_000, help="images (default: 10000)")
    asked = parser.parse_args()
    formats = list(every(asked.formats))
    if asked.what == "profile":
        profile(formats[0])
    else:
        print("\n".join(speed(formats) if asked.what == "speed" else memory(formats, asked.most)))


if __name__ == "__main__":
    main()
