"""Sets of any number of ordinary images, 640 x 480 with ten objects, in the format of each reader: what bench_readers.py reads.

Forty scenes are drawn and repeated. Images, and masks that are files, are hard links, so that a hundred thousand take no space.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sample_mapillary import config
from sample_sbd import cell, numbers, record, sparse, write_mat

WIDTH, HEIGHT, OBJECTS, CORNERS, SCENES = 640, 480, 10, 24, 40
NAMES = ("person", "car", "building", "sky", "road")
HEX = ("#ff0000", "#00ff00", "#0000ff", "#ffff00", "#00ffff")

Points = list[list[float]]


class Thing(NamedTuple):
    """An object: the number of its class among `NAMES`, and its outline."""

    label: int
    points: Points


@cache
def scene(number: int) -> list[Thing]:
    """The objects of an image."""
    rng = np.random.default_rng(number % SCENES)
    things = []
    for _ in range(OBJECTS):
        angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        reach = rng.uniform(20, 90) * rng.uniform(0.6, 1.2, CORNERS)
        middle = rng.uniform((90, 90), (WIDTH - 90, HEIGHT - 90))
        points = (middle + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)).clip(
            0, (WIDTH - 1, HEIGHT - 1)
        )
        things.append(Thing(int(rng.integers(len(NAMES))), points.round(2).tolist()))
    return things


@cache
def mask(number: int) -> NDArray[np.uint8]:
    """(H, W): 0, or the number of the class from 1 on."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for thing in scene(number):
        cv2.fillPoly(pixels, [np.asarray(thing.points, np.int32)], thing.label + 1)
    return pixels


@cache
def encoded(form: str, number: int = 0, size: tuple[int, int] = (HEIGHT, WIDTH)) -> bytes:
    """The bytes of the image (JPEG) or of a mask (PNG)."""
    data = io.BytesIO()
    pixels = mask(number % SCENES) if form == "PNG" else np.full((*size, 3), 90, np.uint8)
    Image.fromarray(pixels).save(data, form)
    return data.getvalue()


def write(path: Path, data: str | bytes) -> None:
    """A file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def link(path: Path, data: bytes, kind: str) -> None:
    """A hard link to the one file of these bytes, which has up to ten thousand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = path.parent / f".{kind}"
    for part in range(100):
        there = store.with_name(f"{store.name}.{part}")
        if not there.exists():
            there.write_bytes(data)
        if there.stat().st_nlink < 10_000:
            os.link(there, path)
            return


def image(path: Path, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    """An image, linked."""
    link(path, encoded("JPEG", 0, size), "image")


def painted(path: Path, number: int) -> None:
    """A mask, linked."""
    link(path, encoded("PNG", number), f"mask{number % SCENES}")


# One of each format


def labelme(out: Path, count: int) -> None:
    """A label file an image."""
    write(out / "labels.txt", "\n".join(["__ignore__", "_background_", *NAMES]))
    for i in range(count):
        shapes: list[Any] = [{"label": NAMES[one.label], "points": one.points, "shape_type": "polygon", "flags": {}}
                  for one in scene(i)]  # fmt: skip
        head: dict[str, Any] = {"version": "5.5.0", "flags": {}, "imagePath": f"{i:06d}.jpg", "imageData": None}
        write(out / f"{i:06d}.json", json.dumps({**head, "shapes": shapes, "imageHeight": HEIGHT, "imageWidth": WIDTH}))
        image(out / f"{i:06d}.jpg")


def labelmexml(out: Path, count: int) -> None:
    """A label file an image."""
    for i in range(count):
        objects = ""
        for number, one in enumerate(scene(i)):
            points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in one.points)
            head = f"<name>{NAMES[one.label]}</name><deleted>0</deleted><id>{number}</id>"
            objects += f"<object>{head}<polygon><username>a</username>{points}</polygon></object>"
        size = f"<imagesize><nrows>{HEIGHT}</nrows><ncols>{WIDTH}</ncols></imagesize>"
        name = f"<filename>{i:06d}.jpg</filename><folder>all</folder>"
        write(out / f"Annotations/all/{i:06d}.xml", f"<annotation>{name}{objects}{size}</annotation>")
        image(out / f"Images/all/{i:06d}.jpg")


def labelstudio(out: Path, count: int) -> None:
    """All tasks in one file."""
    tasks = []
    for i in range(count):
        regions = []
        for number, one in enumerate(scene(i)):
            points = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in one.points]
            value = {"points": points, "polygonlabels": [NAMES[one.label]]}
            regions.append({"id": f"r{number}", "type": "polygonlabels", "from_name": "label", "to_name": "image", "value": value,
                            "original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0})  # fmt: skip
        tasks.append(
            {"id": i, "data": {"image": f"/data/upload/1/{i:06d}.jpg"}, "annotations": [{"id": i, "result": regions}]}
        )
        image(out / f"upload/1/{i:06d}.jpg")
    write(out / "project.json", json.dumps(tasks))


def yolo(out: Path, count: int) -> None:
    """A label file an image."""
    write(out / "data.yaml", f"path: .\ntrain: images/train\nval: images/train\nnames: {json.dumps(list(NAMES))}\n")
    for i in range(count):
        lines = (
            " ".join([str(one.label), *(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in one.points)])
            for one in scene(i)
        )
        write(out / f"labels/train/{i:06d}.txt", "\n".join(lines) + "\n")
        image(out / f"images/train/{i:06d}.jpg")


def cvat(out: Path, count: int) -> None:
    """All images in one file."""
    labels = "".join(f"<label><name>{name}</name><color>#fa3253</color></label>" for name in NAMES)
    parts = [f"<annotations><version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"]
    for i in range(count):
        polygons = (
            f'<polygon label="{NAMES[one.label]}" source="manual" occluded="0" z_order="0" '
            f'points="{";".join(f"{x},{y}" for x, y in one.points)}"></polygon>'
            for one in scene(i)
        )
        parts.append(
            f'<image id="{i}" name="{i:06d}.jpg" width="{WIDTH}" height="{HEIGHT}">{"".join(polygons)}</image>\n'
        )
        image(out / f"images/{i:06d}.jpg")
    write(out / "annotations.xml", "".join((*parts, "</annotations>")))


def supervisely(out: Path, count: int) -> None:
    """A label file an image."""
    classes = [{"title": name, "shape": "polygon", "color": HEX[i], "id": i} for i, name in enumerate(NAMES)]
    write(out / "meta.json", json.dumps({"classes": classes, "tags": [], "projectType": "images"}))
    for i in range(count):
        objects = [
            {"id": n, "classId": one.label, "classTitle": NAMES[one.label], "geometryType": "polygon", "tags": [],
             "points": {"exterior": one.points, "interior": []}} for n, one in enumerate(scene(i))
        ]  # fmt: skip
        size = {"height": HEIGHT, "width": WIDTH}
        write(out / f"ds0/ann/{i:06d}.jpg.json", json.dumps({"tags": [], "size": size, "objects": objects}))
        image(out / f"ds0/img/{i:06d}.jpg")


def bdd100k(out: Path, count: int) -> None:
    """All frames in one file; images are of 1280 x 720, as the format takes for granted."""
    frames = []
    for i in range(count):
        labels = [
            {"id": str(n), "category": NAMES[one.label],
             "poly2d": [{"vertices": one.points, "types": "L" * CORNERS, "closed": True}]} for n, one in enumerate(scene(i))
        ]  # fmt: skip
        frames.append({"name": f"{i:06d}.jpg", "labels": labels})
        image(out / f"images/10k/train/{i:06d}.jpg", (720, 1280))
    write(out / "labels/sem_seg/polygons/sem_seg_train.json", json.dumps({"frames": frames}))


def ade20k(out: Path, count: int) -> None:
    """A mask an image."""
    for i in range(count):
        image(out / f"images/training/ADE_train_{i:08d}.jpg")
        painted(out / f"annotations/training/ADE_train_{i:08d}.png", i)


def mapillary(out: Path, count: int) -> None:
    """A mask an image."""
    write(out / "config_v1.2.json", json.dumps(config("1.2")))
    for i in range(count):
        image(out / f"training/images/{i:06d}.jpg")
        painted(out / f"training/v1.2/labels/{i:06d}.png", i)


def nnunet(out: Path, count: int) -> None:
    """A mask an image, of one channel."""
    labels = {"background": 0, **{name: i for i, name in enumerate(NAMES, 1)}}
    card = {"channel_names": {"0": "L"}, "labels": labels, "numTraining": count, "file_ending": ".png"}
    write(out / "dataset.json", json.dumps(card))
    for i in range(count):
        painted(out / f"imagesTr/case_{i:06d}_0000.png", 0)
        painted(out / f"labelsTr/case_{i:06d}.png", i)


def sbd(out: Path, count: int) -> None:
    """A MAT file an image."""
    root = out / "benchmark_RELEASE/dataset"
    empty = cell([sparse(np.zeros((0, 2), np.int64), (HEIGHT, WIDTH)) for _ in range(20)])
    made = [root / f"cls/2008_{i:06d}.mat" for i in range(min(count, SCENES))]
    for i, path in enumerate(made):
        path.parent.mkdir(parents=True, exist_ok=True)
        present = numbers(np.arange(1, 6, dtype=np.float64)[:, None])
        write_mat(
            path,
            {"GTcls": record({"Segmentation": numbers(mask(i)), "Boundaries": empty, "CategoriesPresent": present})},
        )
    for i in range(count):
        image(root / f"img/2008_{i:06d}.jpg")
        if i >= SCENES:
            link(root / f"cls/2008_{i:06d}.mat", made[i % SCENES].read_bytes(), f"mat{i % SCENES}")
    write(root / "train.txt", "".join(f"2008_{i:06d}\n" for i in range(count)))


def cocostuff(out: Path, count: int) -> None:
    """A mask an image."""
    for i in range(count):
        image(out / f"images/train2017/{i:012d}.jpg")
        painted(out / f"annotations/train2017/{i:012d}.png", i)


def hf(out: Path, count: int) -> None:
    """Two thousand rows a file, a hundred a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    label = {"_type": "ClassLabel", "names": ["background", *NAMES]}
    features = {"image": {"_type": "Image"}, "mask": {"_type": "Image"}, "objects": {"_type": "List", "feature": label}}
    file = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema({"image": file, "mask": file, "objects": pa.list_(pa.int64())}, about)
    shards = (count + 1999) // 2000
    (out / "data").mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        rows = [
            {"image": {"bytes": encoded("JPEG"), "path": f"{i:06d}.jpg"}, "objects": np.unique(mask(i % SCENES)).tolist(),
             "mask": {"bytes": encoded("PNG", i % SCENES), "path": f"{i:06d}.png"}}
            for i in range(shard * 2000, min(count, shard * 2000 + 2000))
        ]  # fmt: skip
        pq.write_table(
            pa.Table.from_pylist(rows, schema),
            out / f"data/train-{shard:05d}-of-{shards:05d}.parquet",
            row_group_size=100,
        )


SETS: dict[str, Callable[[Path, int], None]] = {
    one.__name__: one
    for one in (
        labelme, yolo, labelstudio, cvat, supervisely, ade20k, mapillary, bdd100k, labelmexml, nnunet, sbd, cocostuff, hf
    )
}  # fmt: skip


def every(names: Any) -> Iterator[str]:
    """The formats that are asked for, or all."""
    yield from names or SETS
