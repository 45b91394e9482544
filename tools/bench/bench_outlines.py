"""Outlines of masks along the edges of pixels, beside OpenCV's findContours with NumPy; and pycocotools fills them again.

    python tools/bench/bench_outlines.py [outlines] [--quick] [--record]

Prints one section of Markdown; `--record` puts it into RESULTS.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from inputs import DATA, MINI
from measure import Sizes, race, workspace
from results import Target, measure_tables, table
from segdata import convert
from segdata.files.vectors.bridges import bridged
from segdata.files.vectors.tracing import trace_outlines

Mask = NDArray[np.uint8]


def outlines(sizes: Sizes) -> list[str]:
    """Milliseconds of the processor per mask, and what pycocotools makes of the outlines."""
    rows, gains = [], []
    for name, masks in {
        "CamVid, val, 480 x 360": camvid(),
        "COCO, 80 masks": mini(),
        "random, 256 x 256": drawn(),
    }.items():
        count = len(masks) if sizes.rounds > 2 else 8
        masks = masks[:count]
        regions, corners, pixels, differ = verified(masks)
        ways: dict[str, Callable[[Mask], Any]] = {
            "ours": trace_outlines,
            "with bridges": lambda mask: bridged(trace_outlines(mask)),
            "OpenCV": lambda mask: list(by_opencv(mask)),
        }
        times = race({way: partial(seconds, work, masks) for way, work in ways.items()}, sizes.rounds)
        gains.append(times["OpenCV"].over(times["ours"]))
        shown = [times[way].show(count / 1e3, 3) for way in ways]
        rows.append([name, f"{regions:,}", f"{corners:,}", *shown, f"{gains[-1]:.1f}", f"{pixels:,}", f"{differ}"])
    head = "masks | regions | corners | ours, ms | with bridges, ms | OpenCV, ms | OpenCV / ours | pixels | differ"
    return [
        "Regions of all values, connected by the sides of pixels, as rings along the edges of pixels; milliseconds of the "
        "processor per mask. OpenCV: `connectedComponentsWithStats` per value, `findContours` per region in its box at twice the "
        "size, and NumPy that takes the corners; its rings are the same. Areas equal the numbers of pixels. Differ: pixels that "
        "pycocotools' rasteriser does not give back from the rings with bridges.",
        "",
        *table(head, rows),
        "",
        str(Target("OpenCV over ours, at least", min(gains), 2)),
    ]


def seconds(work: Callable[[Mask], Any], masks: list[Mask]) -> float:
    """Seconds of the processor."""
    start = time.process_time()
    for mask in masks:
        work(mask)
    return time.process_time() - start


def verified(masks: list[Mask]) -> tuple[int, int, int, int]:
    """The numbers of regions, corners and pixels, and of pixels that differ if pycocotools fills the outlines."""
    regions = corners = differ = 0
    for mask in masks:
        found = trace_outlines(mask)
        rings = np.split(found.points, found.rings[1:-1])
        ours = sorted(canonical(ring) for ring in rings)
        if ours != sorted(canonical(ring) for ring in by_opencv(mask)):
            sys.exit("OpenCV finds other rings")
        if [
            abs(shoelace(rings[a:b])) for a, b in zip(found.parts, found.parts[1:], strict=False)
        ] != found.areas.tolist():
            sys.exit("an area is not the number of pixels")
        points, ends = bridged(found)
        again = np.zeros(mask.shape, np.int64)
        times = np.zeros(mask.shape, np.int64)
        for ring, value in zip(np.split(points, ends[:-1]), found.values, strict=True):
            filled = coco.decode(coco.frPyObjects([ring.astype(float).ravel().tolist()], *mask.shape))[..., 0]
            again[filled > 0] = value
            times += filled
        differ += int(((again != mask) | (times != 1)).sum())
        regions, corners = regions + len(found.values), corners + len(found.points)
    return regions, corners, sum(mask.size for mask in masks), differ


def by_opencv(mask: Mask) -> Iterator[NDArray[np.int64]]:
    """The same rings, (P, 2) each. At twice the size, the borders that OpenCV walks along lie beside the edges of pixels."""
    for value in np.unique(mask):
        count, labels, boxes, _ = cv2.connectedComponentsWithStats((mask == value).astype(np.uint8), connectivity=4)
        for number in range(1, count):
            x, y, width, height, _ = boxes[number]
            region = (labels[y : y + height, x : x + width] == number).astype(np.uint8)
            twice = cv2.resize(region, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
            for contour in cv2.findContours(twice, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]:
                points = (contour[:, 0].astype(np.int64) + 1) // 2
                points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
                back, on = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
                yield points[back[:, 0] * on[:, 1] != back[:, 1] * on[:, 0]] + (x, y)


def canonical(ring: NDArray[Any]) -> list[tuple[int, int]]:
    """A ring from its first point in row order on, in whichever direction comes first."""
    points = [(int(x), int(y)) for x, y in ring]
    at = min(range(len(points)), key=lambda i: points[i][::-1])
    points = points[at:] + points[:at]
    return min(points, [points[0], *points[:0:-1]])


def shoelace(rings: list[NDArray[Any]]) -> int:
    """The area of a region, by the corners of its rings."""
    total = 0
    for x, y in (ring.astype(np.int64).T for ring in rings):
        total += int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
    return total // 2


def camvid() -> list[Mask]:
    """Masks of CamVid as they are."""
    return [np.array(Image.open(path)) for path in sorted((DATA / "camvid/valannot").glob("*.png"))]


def mini() -> list[Mask]:
    """The masks that `segdata convert coco` makes of 80 images of COCO."""
    with workspace(0.1) as work:
        dataset = convert("coco", MINI, work / "coco", images="none")
        return [dataset.read_mask(sample) for sample in dataset]


def drawn() -> list[Mask]:
    """Random masks: blobs of several sizes, and pixels drawn one by one, which are mostly holes and islands."""
    rng = np.random.default_rng(0)
    masks = [rng.integers(0, 2 + i % 4, (256, 256)).astype(np.uint8) for i in range(8)]
    for i in range(92):
        side = 2 << i % 6
        field = cv2.resize(rng.random((side, side)), (256, 256), interpolation=cv2.INTER_CUBIC)
        masks.append((np.clip(field, 0, 0.999) * (2 + i % 7)).astype(np.uint8))
    return masks


TABLES = {"outlines": ("Outlines of masks", outlines)}

if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
