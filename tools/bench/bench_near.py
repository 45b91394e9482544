"""How many near duplicates are found, on imagededup's "transformed" protocol, beside its hashes.

    python tools/bench/bench_near.py [--every N] [--record]

The protocol (idealo.github.io/imagededup/user_guide/benchmarks): of each image a random crop of 7/8 of its sides, both flips, a
turn by 25 degrees, and a square; all 15 pairs of these six are duplicates, all others are not. Its own images, UKBench, are not
here: these are the photographs of ../shared/data. imagededup lies in its own environment, which tools/bench/peers.sh makes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from inputs import DATA
from measure import BUILD, HERE, say
from results import machine, peer_versions, record, table
from segdata import Dataset, Labels, Run
from segdata.dataset.crops import crop_links, image_encoder
from segdata.dataset.duplicates import NEAR, Link, clusters, near_links, read_looks
from segdata.dataset.sample import Sample

PHOTOGRAPHS = ("pets/images/*.jpg", "coco/mini/train2017/*.jpg", "voc/*/JPEGImages/*.jpg", "voc/*/data_annotated/*.jpg")
PEERS = {"PHash": "phash", "DHash": "dhash", "AHash": "ahash", "WHash": "whash"}
THRESHOLDS = range(0, 17, 2)
UKBENCH = 1800
"""Groups of imagededup's own set: with more images there are more pairs to take for duplicates by mistake."""

Pairs = set[tuple[int, int]]


def crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """7/8 of the sides (560 x 420 of 640 x 480), anywhere."""
    width, height = round(image.width * 7 / 8), round(image.height * 7 / 8)
    left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


TRANSFORMS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "original": lambda image, _: image,
    "crop": crop,
    "flipped left to right": lambda image, _: ImageOps.mirror(image),
    "flipped upside down": lambda image, _: ImageOps.flip(image),
    "turned by 25 degrees": lambda image, _: image.rotate(25, Image.Resampling.BILINEAR),
    "square": lambda image, _: image.resize((min(image.size),) * 2),
}


def write(folder: Path, every: int) -> int:
    """Write six images of each photograph, or of every so many; returns of how many."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    count = 0
    for path in sorted(path for pattern in PHOTOGRAPHS for path in DATA.glob(pattern))[::every]:
        try:
            with Image.open(path) as opened:
                image = opened.convert("RGB")
        except UnidentifiedImageError:
            continue
        for number, change in enumerate(TRANSFORMS.values()):
            change(image, rng).save(folder / f"{count * len(TRANSFORMS) + number:06d}.jpg", quality=95)
        count += 1
    return count


def dataset_of(folder: Path) -> Dataset:
    """The images as a dataset, without masks."""
    samples = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            width, height = image.size
        name = path.stem
        samples.append(Sample(id=name, image=path.name, mask="x.png", height=height, width=width, counts={}, sha256=""))
    return Dataset(folder, Labels.of(["thing"]), samples, {}, "copy")


def together(links: Iterable[Link]) -> Pairs:
    """All pairs of images that are linked directly or through others, as `check` and `split` take them."""
    found: Pairs = set()
    for cluster in clusters(links):
        found.update(combinations(sorted({i for link in cluster for i in link[1:]}), 2))
    return found


def ours(folder: Path) -> tuple[dict[str, Pairs], dict[str, float]]:
    """The pairs that segdata finds, by hashes alone and with crops, and seconds of the processor."""
    dataset = dataset_of(folder)
    start = time.process_time()
    looks = [read_looks(dataset.image_path(sample), [sample])[0] for sample in dataset]
    hashed = time.process_time()
    near = near_links(np.array([look.prints for look in looks]), NEAR)
    searched = time.process_time()
    encode = image_encoder()
    loaded = time.process_time()
    joined: list[int | None] = [None] * len(looks)
    for number, cluster in enumerate(clusters(near)):
        for link in cluster:
            joined[link.first] = joined[link.second] = number
    cropped = crop_links(dataset, range(len(looks)), [joined], encode, Run())
    done = time.process_time()
    direct = {(link.first, link.second) for link in (*near, *cropped)}
    found = {
        "`check`, hashes in eight orientations": together(near),
        "`check --crops`": together([*near, *cropped]),
        "`check --crops`, pairs linked directly": direct,
    }
    return found, {"hashes": hashed - start, "search": searched - hashed, "crops": done - loaded}


def theirs(folder: Path, method: str) -> dict[int, Pairs]:
    """The pairs that a hash of imagededup finds, by threshold."""
    python = BUILD / "imagededup/bin/python"
    if not python.exists():
        sys.exit(f"{python} is missing: run tools/bench/peers.sh")
    out = folder.parent / f"{method}.json"
    subprocess.run([python, HERE / "near_with.py", folder, out, method, *map(str, THRESHOLDS)], check=True)
    said = json.loads(out.read_text())
    return {int(k): {(int(Path(a).stem), int(Path(b).stem)) for a, b in v} for k, v in said.items()}


def judged(found: Pairs, groups: int) -> tuple[float, float, float, int]:
    """Precision, recall, the precision with as many groups as `UKBENCH`, and how many pairs are wrong."""
    each = len(TRANSFORMS)
    right = sum(a // each == b // each for a, b in found)
    wrong = len(found) - right
    more = wrong * (UKBENCH - 1) / (groups - 1)
    precision = right / max(1, len(found))
    return precision, right / (groups * each * (each - 1) / 2), right / max(1e-9, right + more), wrong


def row(name: str, found: Pairs, groups: int) -> list[str]:
    """A line of the table."""
    precision, recall, with_more, wrong = judged(found, groups)
    return [name, f"{recall:.3f}", f"{precision:.4f}", f"{wrong}", f"{with_more:.4f}"]


def by_pair(found: Pairs, groups: int) -> list[list[str]]:
    """How often each two of the transforms are found."""
    names, each = list(TRANSFORMS), len(TRANSFORMS)
    share = {
        (i, j): sum((g * each + i, g * each + j) in found for g in range(groups)) / groups
        for i, j in combinations(range(each), 2)
    }
    return [[names[i], *("" if j <= i else f"{share[i, j]:.2f}" for j in range(1, each))] for i in range(each - 1)]


def compare(work: Path, every: int) -> list[str]:
    """The tables."""
    folder = work / "images"
    groups = write(folder, every)
    say(f"{groups} photographs, six images of each")
    found, seconds = ours(folder)
    rows = [row(name, pairs, groups) for name, pairs in found.items()]
    for method, name in PEERS.items():
        pairs = theirs(folder, method)
        exact = [one for one in THRESHOLDS if judged(pairs[one], groups)[0] >= 0.99]
        best = max(exact, default=0)
        rows.append(row(f"imagededup {name}, threshold {best}: the largest with precision 0.99", pairs[best], groups))
        rows.append(row(f"imagededup {name}, threshold 10: its default", pairs[10], groups))
    count = groups * len(TRANSFORMS)
    spent_each = ", ".join(f"{name} {1000 * spent / count:.1f}" for name, spent in seconds.items())
    return [
        f"{groups} photographs of pets, COCO and VOC, {count} images, {count * (count - 1) // 2:,} pairs. The last "
        f"column: with the 1,800 photographs of imagededup's own set and mistakes as frequent. Its CNN's published recall is "
        f"0.384 there, at precision 0.999. Milliseconds of the processor for an image: {spent_each}.",
        "",
        *table("way | recall | precision | wrong pairs | precision, 1,800", rows),
        "",
        "How often each two are found with `--crops`:",
        "",
        *table(f"| {' | '.join(list(TRANSFORMS)[1:])}", by_pair(found["`check --crops`"], groups)),
    ]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take every so manyth photograph")
    parser.add_argument("--record", action="store_true", help="put the tables into RESULTS.md")
    given = parser.parse_args()
    title = "Near duplicates"
    with TemporaryDirectory() as folder:
        lines = compare(Path(folder), given.every)
    lines = [f"`python tools/bench/bench_near.py`, {machine(peer_versions())}", "", *lines]
    print(f"## {title}", "", *lines, "", sep="\n", flush=True)
    if given.record:
        record(title, lines)


if __name__ == "__main__":
    main()
