"""Painted images in the layouts of ADE20K: ADEChallengeData2016, and the full sets of 2016 and of 2021."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sample_canvas import Canvas, Pixels
from sample_scenes import PLACES, SIZES, compose

CLASSES = {  # thing of the canvas: index of objectInfo150.txt, index of the full set of 2021, name there
    "wall": (1, 2978, "wall"),
    "house": (26, 1276, "house"),
    "sky": (3, 2420, "sky"),
    "tree": (5, 2855, "tree"),
    "road": (7, 2131, "road, route"),
    "grass": (10, 1125, "grass"),
    "pavement": (12, 2377, "sidewalk, pavement"),
    "person": (13, 1831, "person, individual, someone, somebody, mortal, soul"),
    "car": (21, 401, "car, auto, automobile, machine, motorcar"),
    "sea": (27, 2264, "sea"),
    "sand": (47, 2212, "sand"),
    "bench": (70, 181, "bench"),
    "boat": (77, 223, "boat"),
    "dog": (127, 29, "animal, animate being, beast, brute, creature, fauna"),
    "cow": (127, 29, "animal, animate being, beast, brute, creature, fauna"),
}
WHEEL = (3045, "wheel")
"""The part that cars have here."""
SPLITS = {"training": ("train", range(6)), "validation": ("val", range(6, 8))}


@cache
def ade_image(index: int) -> Canvas:
    """The canvas behind an image."""
    return compose(800 + index, SIZES[(index + 4) % 8], list(PLACES)[index % 4], post=index % 3 == 0)


def indices(c: Canvas, which: int) -> NDArray[np.uint16]:
    """(H, W) class indices, of the benchmark (0) or of the full set (1); 0 where nothing is labelled."""
    table = [CLASSES[thing.name][which] if thing.name in CLASSES else 0 for thing in c.things]
    return np.array([*table, 0], np.uint16)[c.owners()]


def coded(classes: NDArray[np.uint16], objects: NDArray[np.intp]) -> Pixels:
    """(H, W, 3) uint8: red and green are the class index, blue are object numbers (0: none), spread over 0 to 255."""
    spread = np.round(np.arange(objects.max() + 1) * 255 / max(objects.max(), 1)).astype(np.uint8)
    return np.stack([classes // 256 * 10, classes % 256, spread[objects]], axis=2).astype(np.uint8)


def write(path: Path, pixels: NDArray[Any]) -> None:
    """Write a JPEG or PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=88)  # which PNG has no use for


def make_ade20k(out: Path) -> None:
    """ADEChallengeData2016: images, annotations, objectInfo150.txt and sceneCategories.txt."""
    rows, scenes = {1: "wall"}, []
    for split, (short, numbers) in SPLITS.items():
        for number in numbers:
            c, name = ade_image(number), f"ADE_{short}_{number + 1:08d}"
            write(out / f"images/{split}/{name}.jpg", c.image())
            write(out / f"annotations/{split}/{name}.png", indices(c, 0).astype(np.uint8))
            scenes.append(f"{name} {list(PLACES)[number % 4]}\n")
    rows |= {index: name for index, _, name in CLASSES.values()}
    rows |= {index: f"thing {index}" for index in range(1, 151) if index not in rows}
    lines = [f"{index}\t0.0001\t1\t1\t{rows[index]}\n" for index in sorted(rows)]
    (out / "objectInfo150.txt").write_bytes("".join(["Idx\tRatio\tTrain\tVal\tName\n", *lines]).encode())
    (out / "sceneCategories.txt").write_bytes("".join(scenes).encode())


def make_ade20k_full(out: Path, year: int = 2021) -> None:
    """The full set of 2021, with JSON, or of 2016, with _atr.txt."""
    for split, (short, numbers) in SPLITS.items():
        for number in numbers:
            place, name = list(PLACES)[number % 4], f"ADE_{short}_{number + 1:08d}"
            under = f"images/ADE/{split}/outdoor/{place}" if year == 2021 else f"images/{split}/{place[0]}/{place}"
            full_image(out / under / name, ade_image(number), year)


def full_image(stem: Path, c: Canvas, year: int) -> None:
    """One image of the full set, its masks and its objects."""
    owners = c.owners()
    shown = [k for k, thing in enumerate(c.things) if thing.name in CLASSES and (owners == k).any()]
    numbers = np.zeros(len(c.things) + 1, np.intp)
    numbers[shown] = np.arange(1, len(shown) + 1)
    wheels = wheels_of(c)
    write(Path(f"{stem}.jpg"), c.image())
    write(Path(f"{stem}_seg.png"), coded(indices(c, 1), numbers[owners]))
    objects = [(number, 0, *CLASSES[c.things[k].name][1:], c.things[k].name) for number, k in enumerate(shown, 1)]
    if wheels.any():
        write(Path(f"{stem}_parts_1.png"), coded(np.where(wheels > 0, WHEEL[0], 0).astype(np.uint16), wheels))
        objects += [(number, 1, *WHEEL, "wheel") for number in range(1, int(wheels.max()) + 1)]
    if year != 2021:
        lines = [f'{number:03d} # {level} # 0 # {name} # {raw} # ""\n' for number, level, _, name, raw in objects]
        Path(f"{stem}_atr.txt").write_bytes("".join(lines).encode())
        return
    entries = [{"id": k, "name": name, "name_ndx": index, "hypernym": [name], "raw_name": raw, "attributes": [],
                "depth_ordering_rank": k + 1, "occluded": [], "crop": "0",
                "parts": {"hasparts": [], "ispartof": [], "part_level": level}, "polygon": {"x": [], "y": []}}
               for k, (_, level, index, name, raw) in enumerate(objects)]  # fmt: skip
    about = {"filename": f"{stem.name}.jpg", "folder": "ADE20K_2021_17_01", "imsize": [*owners.shape, 3]}
    text = json.dumps({"annotation": {**about, "scene": ["outdoor", stem.parent.name], "object": entries}})
    Path(f"{stem}.json").write_bytes(text.encode())


def wheels_of(c: Canvas) -> NDArray[np.intp]:
    """(H, W) numbers of wheels from 1: the lowest third of each car that is seen."""
    wheels = np.zeros(c.owners().shape, np.intp)
    for k, thing in enumerate(c.things):
        rows = np.flatnonzero(c.visible(k).any(axis=1)) if thing.name == "car" else np.zeros(0, np.intp)
        if len(rows):
            wheels[c.visible(k) & (np.arange(len(wheels)) > rows[-1] - len(rows) // 3)[:, None]] = wheels.max() + 1
    return wheels


def make_random_full(out: Path, images: int, seed: int) -> None:
    """Tiny images of random objects of random classes on top of each other, in the full set's layout, with JSON.

    Classes are called by their indices, as `class 4711`.
    """
    rng = np.random.default_rng(seed)
    for number in range(images):
        shape = (int(rng.integers(1, 48)), int(rng.integers(1, 48)))
        split = ("training", "validation")[number % 5 == 0]
        stem = out / "images/ADE" / split / f"scene {number % 3}/{seed}_{number:03d}"
        write(Path(f"{stem}.jpg"), rng.integers(0, 256, (*shape, 3)).astype(np.uint8))
        entries: list[dict[str, Any]] = []
        for level, name in ((0, "_seg"), (1, "_parts_1"))[: 2 - (number % 3 > 0)]:
            classes, objects = np.zeros(shape, np.uint16), np.zeros(shape, np.intp)
            for k, index in enumerate(rng.integers(1, 6656, int(rng.integers(0, 9))).tolist(), 1):
                y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
                there = (slice(y, y + rng.integers(1, 40)), slice(x, x + rng.integers(1, 40)))
                classes[there], objects[there] = index, k
                entries.append({"id": len(entries), "name": f"class {index}", "name_ndx": index, "raw_name": "thing",
                                "attributes": [], "crop": "0", "parts": {"part_level": level},
                                "polygon": {"x": [], "y": []}})  # fmt: skip
            write(Path(f"{stem}{name}.png"), coded(classes, objects))
        Path(f"{stem}.json").write_bytes(json.dumps({"annotation": {"object": entries}}).encode())
