"""The time and the memory of readers of annotation tools' files, on sets of reader_sets.py, beside the tools' own programs.

    python tools/bench/bench_readers.py speed [FORMAT ...]               ms of processor time an image, and the peer's
    python tools/bench/bench_readers.py memory [FORMAT ...] [--most N]   VmHWM over 1,000, 10,000 ... files
    python tools/bench/bench_readers.py profile FORMAT                   what takes the time

`--record` puts the table into RESULTS.md. Time is user and system time of `segdata convert FORMAT SRC OUT`, the difference of
two numbers of images, so that starting counts for nothing; the median of three rounds. Peers run oracle_<format>.py in the
environments of peers.sh, and are left out if absent. Masks are compressed and written in both. Sets lie in TMPDIR: up to 2 GB.
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
from statistics import median
from tempfile import TemporaryDirectory

import segdata
from measure import BUILD, HERE, say
from reader_sets import SETS, every
from results import machine, record, table

FEW, MANY, ROUNDS = 200, 1_200, 3

PEERS = {
    "labelme": "labelme", "labelmexml": "datumaro", "yolo": "ultralytics", "cvat": "cvat", "supervisely": "supervisely",
    "nnunet": "nnunet", "sbd": "torchvision", "cocostuff": "mmsegmentation", "hf": "hf",
}  # fmt: skip
"""The environment of the peer, under build/bench/. That of Label Studio would start its converter anew for each region."""

TITLES = {"speed": "Readers of annotation tools: time", "memory": "Readers of annotation tools: memory"}

ABOUT = {
    "speed": "640 x 480 (bdd100k: 1280 x 720), ten polygons of 24 corners an image, or a mask. Milliseconds of the processor, of "
    f"one process, from {FEW:,} to {MANY:,} images; the median of {ROUNDS} rounds (least to most). The tool's program is "
    "oracle_<format>.py: it reads, draws, and writes a PNG with Pillow, which takes part of its time.",
    "memory": "The most memory (VmHWM) that the one process of `segdata convert` ever held, `--images reference`.",
}

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
        ours, theirs = [], []
        with TemporaryDirectory() as name:
            work = Path(name)
            for _ in range(ROUNDS):
                low, high = (converted(format, count, work)[0] for count in (FEW, MANY))
                ours.append(1000 * (high - low) / (MANY - FEW))
                few, many = (peer(format, count, work) for count in (FEW, MANY))
                if few is not None and many is not None:
                    theirs.append(1000 * (many - few) / (MANY - FEW))
        ratio = f"{median(b / a for a, b in zip(ours, theirs, strict=True)):.1f}" if theirs else ""
        rows.append([format, shown(ours), shown(theirs), ratio])
        say(" ".join(rows[-1]))
    return table("format | segdata, ms an image | its tool, ms an image | times segdata's", rows)


def shown(values: Sequence[float]) -> str:
    """The median, the least and the most; nothing of none."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else ""


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
    parser.add_argument("--record", action="store_true", help="put the table into RESULTS.md")
    asked = parser.parse_args()
    formats = list(every(asked.formats))
    if asked.what == "profile":
        profile(formats[0])
        return
    head = f"`python tools/bench/bench_readers.py {asked.what}`, {machine({})}"
    rows = speed(formats) if asked.what == "speed" else memory(formats, asked.most)
    lines = [head, "", ABOUT[asked.what], "", *rows]
    print("\n".join(lines), flush=True)
    if asked.record:
        record(TITLES[asked.what], lines)


if __name__ == "__main__":
    main()
