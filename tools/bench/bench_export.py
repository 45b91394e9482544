"""The time and the memory of exports to every format, beside `segdata convert coco`, which makes the dataset that is exported.

    python tools/bench/bench_export.py speed [FORMAT ...]                ms of processor time an image
    python tools/bench/bench_export.py memory [FORMAT ...] [--most N]    VmHWM by the number of samples
    python tools/bench/bench_export.py profile FORMAT                    what takes the time

`--record` puts the table into RESULTS.md. Time is user and system time of the whole command in one process, the difference of two
numbers of images, so that starting counts for nothing; the median of three rounds, in which all take turns. The label files come
from ../shared/data/coco, repeated: its images, about 640 x 480, with the objects of COCO. Images are links; of `hf` and
`webdataset` the bytes are in the files.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import segdata
from bench_readers import child, shown
from inputs import MINI, write_coco
from measure import say
from results import machine, record, table
from segdata.writers import WRITERS, writer_options

FEW, MANY, ROUNDS = 160, 800, 3

TITLES = {"speed": "Exports: time", "memory": "Exports: memory"}

ABOUT = {
    "speed": f"COCO mini's 80 images and their objects repeated: from {FEW} to {MANY} images, milliseconds of the processor of "
    f"one process; the median of {ROUNDS} rounds (least to most). Ignored pixels are a class where the format cannot hold them.",
    "memory": "The most memory (VmHWM) that the one process of `segdata export` ever held, with 80 masks, to which all samples "
    "refer, and without images where a format can be.",
}

VARIANTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "coco": {
        "coco": {}, "coco --polygons exact": {"polygons": "exact"}, "coco --kind panoptic": {"kind": "panoptic"},
        "coco --kind stuff": {"kind": "stuff"},
    },
    "labelstudio": {"labelstudio": {}, "labelstudio --shapes polygon": {"shapes": "polygon"}},
    "cvat": {"cvat": {}, "cvat --shapes polygon": {"shapes": "polygon"}},
    "labelme": {"labelme": {}, "labelme --shapes mask": {"shapes": "mask"}},
}  # fmt: skip
"""Options with which formats write something else."""

EXPORT = """
import sys, json, segdata
segdata.export(sys.argv[1], sys.argv[2], sys.argv[3], **json.loads(sys.argv[4]))
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1])
"""

CONVERT = """
import sys, segdata
segdata.convert("coco", sys.argv[1], sys.argv[2], images="link")
"""


def variants(formats: Sequence[str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """What is measured, by name: the format, and its options."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for format in formats:
        for name, options in VARIANTS.get(format, {format: {}}).items():
            asks = "ignored" in writer_options(format) and "kind" not in options
            found[name] = format, {**options, **({"ignored": "class"} if asks else {})}
    return found


def exported(format: str, options: Mapping[str, Any], source: Path, out: Path) -> tuple[float, int]:
    """Processor seconds and KiB of VmHWM of an export, which is removed."""
    seconds, said = child([sys.executable, "-c", EXPORT, format, str(source), str(out), json.dumps(options)])
    shutil.rmtree(out)
    return seconds, int(said.split()[-1])


def sources(work: Path) -> tuple[dict[int, Path], dict[int, Path]]:
    """The folders of few and of many images with COCO's labels, and the datasets made of them."""
    folders, datasets = {}, {}
    for count in (FEW, MANY):
        folders[count], datasets[count] = work / f"coco{count}", work / f"set{count}"
        write_coco(folders[count] / "annotations/instances_train.json", count)
        real = [MINI.parents[1] / "train2017" / one["file_name"] for one in json.loads(MINI.read_text())["images"]]
        for number in range(count):
            (folders[count] / f"images/{number + 1:012d}.jpg").symlink_to(real[number % len(real)])
        child(converting(folders[count], datasets[count]))
    return folders, datasets


def converting(folder: Path, out: Path) -> list[str]:
    """The command that makes a dataset of COCO's labels."""
    return [sys.executable, "-c", CONVERT, str(folder), str(out)]


def speed(formats: Sequence[str]) -> list[str]:
    """Milliseconds an image."""
    asked = variants(formats)
    spent: dict[str, list[float]] = {name: [] for name in ("convert coco", *asked)}
    with TemporaryDirectory() as name:
        work = Path(name)
        folders, datasets = sources(work)
        for _ in range(ROUNDS):
            times = {}
            for count in (FEW, MANY):
                times["convert coco", count] = child(converting(folders[count], work / "out"))[0]
                shutil.rmtree(work / "out")
                for what, (format, options) in asked.items():
                    times[what, count] = exported(format, options, datasets[count], work / "out")[0]
            for what, values in spent.items():
                values.append(1000 * (times[what, MANY] - times[what, FEW]) / (MANY - FEW))
                say(f"{what}: {values[-1]:.2f} ms")
    usual = spent["convert coco"]
    rows = [
        [what, shown(values), f"{median(a / b for a, b in zip(usual, values, strict=True)):.1f}"]
        for what, values in spent.items()
    ]
    return table("export | ms an image | times as fast as convert coco", rows)


def repeated(example: Path, root: Path, count: int) -> Path:
    """A dataset of so many samples without images, whose masks are those of the example, again and again."""
    lines = [json.loads(line) for line in (example / "manifest.jsonl").read_text().splitlines()]
    shutil.copytree(example / "masks", root / "masks")
    shutil.copy(example / "dataset.json", root)
    with (root / "manifest.jsonl").open("w") as file:
        for number in range(count):
            line = {**lines[number % len(lines)], "id": f"train/{number:012d}", "split": "train", "image": None}
            file.write(json.dumps(line) + "\n")
    return root


def memory(formats: Sequence[str], most: int) -> list[str]:
    """VmHWM by the number of samples."""
    counts = [count for count in (1_000, 10_000, 118_287) if count <= most]
    rows = []
    with TemporaryDirectory() as name:
        work = Path(name)
        _, datasets = sources(work)
        given = {count: repeated(datasets[FEW], work / f"repeated{count}", count) for count in counts}
        for what, (format, options) in variants(formats).items():
            more = {"images": "none"} if "images" in writer_options(format) else {}
            peaks = [exported(format, {**options, **more}, given[count], work / "out")[1] for count in counts]
            rows.append([what, *(f"{peak / 1024:.0f}" for peak in peaks)])
            say(" ".join(rows[-1]))
    return table(" | ".join(["MiB at most", *(f"{count:,} samples" for count in counts)]), rows)


def profile(format: str) -> None:
    """The functions that take most of the time."""
    with TemporaryDirectory() as name:
        work = Path(name)
        _, datasets = sources(work)
        options = variants([format])[format][1]
        segdata.export(format, datasets[FEW], work / "first", **options)
        watch = cProfile.Profile()
        watch.runcall(segdata.export, format, datasets[MANY], work / "out", **options)
        pstats.Stats(watch).sort_stats("tottime").print_stats(25)


def main() -> None:
    """Print a section of Markdown, or a profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory", "profile"])
    parser.add_argument("formats", nargs="*", help="(default: all)")
    parser.add_argument("--most", type=int, default=118_287, help="samples (default: 118287)")
    parser.add_argument("--record", action="store_true", help="put the table into RESULTS.md")
    asked = parser.parse_args()
    formats = asked.formats or list(WRITERS)
    if asked.what == "profile":
        profile(formats[0])
        return
    head = f"`python tools/bench/bench_export.py {asked.what}`, {machine({})}"
    rows = speed(formats) if asked.what == "speed" else memory(formats, asked.most)
    lines = [head, "", ABOUT[asked.what], "", *rows]
    print("\n".join(lines), flush=True)
    if asked.record:
        record(TITLES[asked.what], lines)


if __name__ == "__main__":
    main()
