"""Pixels that `segdata export yolo` changes, beside the converters of Ultralytics and supervision; and its time.

    python tools/bench/bench_yolo.py pixels     each export, read by both loaders
    python tools/bench/bench_yolo.py speed      ms of processor time per image, beside `segdata convert coco`

`--record` puts the table into RESULTS.md. The sets are CamVid's 101 val and COCO mini's 80 images in ../shared/data, and seeded
random masks: noise, blobs, rings, holes in holes, lines of one pixel. The peers run oracle_export_yolo.py in the environments of
peers.sh. Sets lie in TMPDIR.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from PIL import Image

import segdata
from bench_readers import child, shown
from inputs import MINI, camvid, write_coco
from measure import BUILD, HERE, say
from results import machine, record, table
from segdata.dataset.dataset import Dataset

RANDOM, SEED = 300, 19

FEW, MANY, ROUNDS = 200, 2_200, 3

TITLES = {"pixels": "Export to YOLO: pixels", "speed": "Export to YOLO: time"}

PEERS = ("ultralytics", "supervision")

TASKS = {"ultralytics": ("segment", "semantic"), "supervision": ("segment",)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=tuple(TITLES))
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    with TemporaryDirectory() as work:
        lines = {"pixels": pixels, "speed": speed}[given.what](Path(work))
    print("\n".join(lines))
    if given.record:
        about = f"`python tools/bench/bench_yolo.py {given.what}`, {machine({})}"
        record(TITLES[given.what], [about, "", *lines])


# Sets


def coco(root: Path) -> Dataset:
    """COCO mini's images."""
    return segdata.convert("coco", MINI.parents[1], root)


def random_masks(root: Path) -> Dataset:
    """Seeded random masks of up to 120 x 120 pixels and eight classes, the first of them background; a few pixels ignored."""
    rng = np.random.default_rng(SEED)
    source = root.with_name(f"{root.name}_source")
    for folder in ("images", "masks"):
        (source / folder).mkdir(parents=True)
    for number in range(RANDOM):
        height, width = (int(side) for side in rng.integers(10, 120, 2))
        mask = draw(rng, height, width)
        mask[rng.random((height, width)) < 0.002] = 255
        Image.fromarray(mask).save(source / f"masks/{number:04}.png")
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(source / f"images/{number:04}.png")
    values = {"0": "background", **{str(value): f"class {value}" for value in range(1, 8)}, "255": "ignore"}
    return segdata.convert("masks", source, root, values=values)


def draw(rng: np.random.Generator, height: int, width: int) -> Any:
    """A mask: smooth fields, blocks, and discs, rings and lines over each other; a part of them with noise."""
    kind = rng.integers(3)
    if kind == 0:
        field = cv2.GaussianBlur(rng.random((height, width)), (0, 0), float(rng.uniform(1, 8)))
        mask = ((field - field.min()) / (np.ptp(field) + 1e-9) * 7.999).astype(np.uint8)
    elif kind == 1:
        size = int(rng.integers(2, 12))
        blocks = rng.integers(0, 8, (height // size + 1, width // size + 1), np.uint8)
        mask = blocks.repeat(size, 0).repeat(size, 1)[:height, :width].copy()
    else:
        mask = np.zeros((height, width), np.uint8)
        for _ in range(rng.integers(1, 40)):
            middle, radius = (int(rng.integers(width)), int(rng.integers(height))), int(rng.integers(1, 60))
            cv2.circle(mask, middle, radius, (int(rng.integers(8)),), int(rng.choice([-1, 1, 2])))
    if rng.random() < 0.2:
        noise = rng.random((height, width)) < 0.02
        mask[noise] = rng.integers(0, 8, int(noise.sum()))
    return mask


SETS: dict[str, Callable[[Path], Dataset]] = {
    "CamVid val": lambda root: camvid(root).split("val"),
    "COCO mini": coco,
    "random": random_masks,
}


# Pixels


def pixels(work: Path) -> list[str]:
    rows = []
    for number, (name, make) in enumerate(SETS.items()):
        dataset = make(work / f"{number}")
        own = work / f"{number}_segdata"
        segdata.export("yolo", dataset, own, ignored="background")
        masks = truths(dataset, own, work / f"{number}_masks")
        rows += read_by_both(name, "segdata", own, masks)
        for peer in PEERS:
            if not python(peer).exists():
                continue
            theirs = work / f"{number}_{peer}"
            (theirs / "labels").mkdir(parents=True)
            shutil.copytree(own / "images", theirs / "images", symlinks=True)
            shutil.copy(own / "data.yaml", theirs)
            ask(peer, "write", theirs, masks)
            rows += read_by_both(name, peer, theirs, masks)
    return table("set | export by | read by | images | refused | pixels | differ | % | least IoU", rows)


def truths(dataset: Dataset, export: Path, root: Path) -> Path:
    """The masks by split and name, as class number + 1; what is under no class is 0, ignored pixels are 255."""
    names = [label.name for label in dataset.labels.classes]
    first = int(names[0] == "background")
    lookup = np.arange(1, 257) - first
    lookup[dataset.labels.ignore] = 255
    for sample in dataset:
        (label,) = export.glob(f"labels/*/{sample.id.rpartition('/')[2]}.txt")
        path = root / label.parent.name / f"{label.stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(lookup[dataset.read_mask(sample)].astype(np.uint8)).save(path)
    return root


def read_by_both(name: str, by: str, root: Path, masks: Path) -> list[list[str]]:
    """A row per loader that is installed."""
    rows = []
    for peer in PEERS:
        for task in TASKS[peer] if python(peer).exists() else ():
            got = ask(peer, "read", root, masks, "--task", task)
            share = f"{100 * got['differ'] / max(got['pixels'], 1):.3f}"
            counts = [f"{got[key]:,}" for key in ("images", "refused", "pixels", "differ")]
            say(f"  {name}: {by}, read by {peer} ({task}): {got}")
            rows.append([name, by, f"{peer} ({task})", *counts, share, f"{100 * got['least_iou']:.1f}"])
    return rows


def python(peer: str) -> Path:
    return BUILD / peer / "bin/python"


def ask(peer: str, *arguments: str | Path) -> Any:
    """What oracle_export_yolo.py answers in the environment of a peer."""
    command = [python(peer), HERE / "oracle_export_yolo.py", peer, *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


# Speed


CHILD = """
import sys, segdata
source, out, what = sys.argv[1:]
if what == "convert":
    segdata.convert("coco", source, out)
else:
    segdata.export("yolo", source, out, ignored="background")
"""


def speed(work: Path) -> list[str]:
    """The difference of two numbers of images, so that starting counts for nothing."""
    sources = {count: repeated(work / f"coco{count}", count) for count in (FEW, MANY)}
    times: dict[str, list[float]] = {"convert": [], "export": []}
    for number in range(ROUNDS):
        seconds = {}
        for images, source in sources.items():
            out = source.with_name(f"{source.name}_{number}")
            for what, given in (("convert", source), ("export", out)):
                seconds[what, images] = spent(given, out if what == "convert" else f"{out}_yolo", what)
        for what, found in times.items():
            found.append(1000 * (seconds[what, MANY] - seconds[what, FEW]) / (MANY - FEW))
    rows = [[f"segdata {what}", shown(found)] for what, found in times.items()]
    return table(f"COCO mini, {MANY:,} images of about 640 x 480 | ms per image", rows)


def spent(source: Path, out: Path | str, what: str) -> float:
    """Processor seconds of a whole command."""
    return child([sys.executable, "-c", CHILD, str(source), str(out), what])[0]


def repeated(root: Path, count: int) -> Path:
    """COCO mini's records so many times, its images linked."""
    write_coco(root / "annotations/instances_all.json", count)
    images = json.loads(MINI.read_text())["images"]
    for number in range(count):
        source = MINI.parents[1] / "train2017" / images[number % len(images)]["file_name"]
        (root / "images" / f"{number + 1:012}.jpg").symlink_to(source)
    return root


if __name__ == "__main__":
    main()
