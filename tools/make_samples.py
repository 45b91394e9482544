"""Write seven tiny labelled datasets, each in the true layout of its format.

COCO, PASCAL VOC, Cityscapes, Oxford-IIIT Pet, GeoTIFFs with GeoJSON, WebDataset's shards, and folders of images and masks:

    python tools/make_samples.py [--out samples]

The images are painted from fixed seeds, so two runs write the same bytes. This file imports nothing from segdata: it is an
independent source of truth for the tests, which may use `scene`, `draw_polygon`, `label_ids` and `*_image`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as rle_tools

from sample_bdd100k import make_bdd100k
from sample_canvas import SCALE, Bits, Canvas, Pixels
from sample_cityscapes import EXTENT, OUT_OF_ROI, TABLE, city_image
from sample_pets import BREEDS, garden, pet, room
from sample_scenes import PLACES, SCENE_CLASSES, SIZES, compose, scene
from sample_supervisely import make_supervisely
from sample_vector import collection, field, write_geotiff
from sample_yolo import make_yolo

__all__ = [
    "BREEDS",
    "COCO_CLASSES",
    "COCO_STUFF",
    "MAKERS",
    "SCENE_CLASSES",
    "TABLE",
    "VOC_CLASSES",
    "Canvas",
    "city_image",
    "city_objects",
    "coco_image",
    "coco_mask",
    "draw_polygon",
    "label_ids",
    "main",
    "make_bdd100k",
    "make_supervisely",
    "make_yolo",
    "panoptic",
    "pet_image",
    "pet_trimap",
    "plain_runs",
    "polygon_rows",
    "scene",
    "voc_image",
    "voc_masks",
    "voc_palette",
]

Json = dict[str, Any]

# files


def write_json(path: Path, content: Json) -> None:
    """Write compact JSON and a line end."""
    write_text(path, json.dumps(content) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("ascii"))


def write_image(path: Path, pixels: NDArray[Any], palette: Pixels | None = None) -> None:
    """Write a JPEG or PNG, by suffix; a palette (256, 3) makes it a PNG of mode P."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette.tobytes())
    image.save(path, **({"quality": 88} if path.suffix == ".jpg" else {"optimize": True}))


def band(mask: NDArray[np.uint8]) -> Bits:
    """(H, W) bool: within two pixels of a change of value."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.dilate(mask, disc) != cv2.erode(mask, disc), np.bool_)


def contours(mask: Bits, tolerance: float) -> list[NDArray[np.float64]]:
    """Outer borders (N, 2) of a canvas mask in image pixels, largest first; specks and holes are left out."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    large = sorted(
        (line for line in found if cv2.contourArea(line) > 6 * SCALE**2), key=lambda line: -cv2.contourArea(line)
    )
    return [(cv2.approxPolyDP(line, tolerance * SCALE, True)[:, 0].astype(np.float64) + 0.5) / SCALE for line in large]


# COCO

COCO_CLASSES = {  # thing of the canvas: id, supercategory
    "person": (1, "person"),
    "car": (3, "vehicle"),
    "boat": (9, "vehicle"),
    "bench": (15, "outdoor"),
    "dog": (18, "animal"),
    "cow": (21, "animal"),
    "kite": (38, "sports"),
}
COCO_STUFF = {  # thing of the canvas: id, name, supercategory
    "road": (149, "road", "ground"),
    "sand": (154, "sand", "ground"),
    "sea": (155, "sea", "water"),
    "tree": (184, "tree-merged", "plant"),
    "sky": (187, "sky-other-merged", "sky"),
    "pavement": (191, "pavement-merged", "ground"),
    "grass": (193, "grass-merged", "plant"),
    "house": (197, "building-other-merged", "building"),
}
# number of images, first seed, which have a kite, which a crowd
COCO_SPLITS = {"train": (24, 100, (2, 11, 16), (5, 13)), "val": (8, 200, (7,), (1,))}
HEADER: Json = {
    "info": {
        "description": "Painted sample pictures in the COCO format",
        "version": "1.0",
        "year": 2017,
        "contributor": "segdata",
        "url": "",
    },
    "licenses": [{"id": 1, "name": "CC0 1.0 Universal", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}],
}


def coco_image(split: str, index: int) -> Canvas:
    """The canvas behind an image of the COCO sample."""
    _, first, kites, crowds = COCO_SPLITS[split]
    place = "park" if index in kites and index % 4 in (1, 2) else list(PLACES)[index % 4]
    rare = "kite" if index in kites else ""
    return compose(first + index, SIZES[index % 8], place, rare, crowd=index in crowds, post=index % 3 == 0)


def plain_runs(mask: Bits) -> Json:
    """A mask (H, W) as run lengths down the columns, the first one of zeros."""
    flat = np.concatenate([[False], mask.T.ravel()])
    starts = np.concatenate([[0], np.nonzero(flat[1:] != flat[:-1])[0], [mask.size]])
    return {"size": list(mask.shape), "counts": np.diff(starts).tolist()}


def packed_runs(mask: Bits) -> Json:
    """A mask (H, W) as a string of run lengths."""
    packed = rle_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": packed["counts"].decode("ascii")}


def coco_mask(c: Canvas, index: int) -> Bits:
    """The canvas mask of a thing as annotated: the visible part.

    If only smaller objects stand in front, every second time the whole thing, so that annotations overlap.
    """
    thing, seen = c.things[index], c.owner == index
    before = {int(k) for k in np.unique(c.owner[thing.mask]) if k != index}
    small = all(c.things[k].name in COCO_CLASSES and c.things[k].mask.sum() < thing.mask.sum() / 2 for k in before)
    return thing.mask if before and small and index % 2 else seen


def coco_annotation(c: Canvas, index: int, image_id: int) -> Json | None:
    """One annotation; None for a thing that is hidden.

    Crowds, and benches because they have holes, are run lengths; everything else is polygons.
    """
    thing, mask = c.things[index], coco_mask(c, index)
    pixels = mask[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]
    polygons = [np.round(line, 2).ravel().tolist() for line in contours(mask, 0.25) if len(line) > 2]
    if not polygons:
        return None
    segmentation: Any = polygons
    packed: Any = packed_runs(pixels)
    if thing.crowd:
        segmentation = packed if c.seed % 3 else plain_runs(pixels)
    elif thing.name == "bench":
        segmentation = packed
    else:
        packed = rle_tools.merge(rle_tools.frPyObjects(polygons, *pixels.shape))
    return {
        "id": 900100000000 + image_id if thing.crowd else 40000 + 37 * image_id + index,
        "image_id": image_id,
        "category_id": COCO_CLASSES[thing.name][0],
        "segmentation": segmentation,
        "area": float(rle_tools.area(packed)),
        "bbox": [float(v) for v in rle_tools.toBbox(packed)],
        "iscrowd": int(thing.crowd),
    }


def panoptic(c: Canvas) -> tuple[Pixels, list[Json]]:
    """The id image (H, W, 3) uint8, id = R + 256 G + 65536 B, and its segments; pixels without a category are 0."""
    owners = c.owners()
    ids = np.zeros(owners.shape, np.int64)
    segments: list[Json] = []
    stuff = [(row[0], 0, [k for k, t in enumerate(c.things) if t.name == name]) for name, row in COCO_STUFF.items()]
    things = [(COCO_CLASSES[t.name][0], int(t.crowd), [k]) for k, t in enumerate(c.things) if t.name in COCO_CLASSES]
    for category, crowd, members in stuff + things:
        seen = np.isin(owners, members)
        if seen.any():
            (rows,), (columns,) = np.nonzero(seen.any(1)), np.nonzero(seen.any(0))
            bbox = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
            number = 300007 * (len(segments) + 1) + category
            ids[seen] = number
            row = {
                "id": number,
                "category_id": category,
                "area": int(seen.sum()),
                "bbox": [int(v) for v in bbox],
                "iscrowd": crowd,
            }
            segments.append(row)
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], 2).astype(np.uint8), segments


def make_coco(out: Path) -> None:
    """annotations/instances_*.json, train2017/, val2017/, and the panoptic form of val2017."""
    things = [{"supercategory": group, "id": number, "name": name} for name, (number, group) in COCO_CLASSES.items()]
    for split, (number, first, _, _) in COCO_SPLITS.items():
        images: list[Json] = []
        annotations: list[Json] = []
        segmented: list[Json] = []
        for index in range(number):
            c, image_id = coco_image(split, index), 7 * index + first
            name = f"{image_id:012d}"
            write_image(out / f"{split}2017/{name}.jpg", c.image())
            images.append(
                {"license": 1, "file_name": f"{name}.jpg", "height": c.height, "width": c.width, "id": image_id}
            )
            rows = [coco_annotation(c, k, image_id) for k, thing in enumerate(c.things) if thing.name in COCO_CLASSES]
            annotations += [row for row in rows if row]
            if split == "val":
                image, segments = panoptic(c)
                write_image(out / f"annotations/panoptic_val2017/{name}.png", image)
                segmented.append({"segments_info": segments, "file_name": f"{name}.png", "image_id": image_id})
        content = {**HEADER, "images": images, "annotations": annotations, "categories": things}
        write_json(out / f"annotations/instances_{split}2017.json", content)
        if split == "val":
            stuff = [
                {"supercategory": group, "isthing": 0, "id": n, "name": name} for n, name, group in COCO_STUFF.values()
            ]
            content = {
                **content,
                "annotations": segmented,
                "categories": [{**row, "isthing": 1} for row in things] + stuff,
            }
            write_json(out / "annotations/panoptic_val2017.json", content)


# PASCAL VOC

VOC_CLASSES = {"bird": 3, "boat": 4, "car": 7, "cow": 10, "dog": 12, "person": 15}
VOC_XML = """<annotation>
\t<folder>VOC2012</folder>
\t<filename>{name}.jpg</filename>
\t<source>
\t\t<database>Painted samples</database>
\t\t<annotation>PASCAL VOC2012</annotation>
\t\t<image>painted</image>
\t</source>
\t<size>
\t\t<width>{width}</width>
\t\t<height>{height}</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>1</segmented>
{objects}</annotation>
"""
VOC_OBJECT = """\t<object>
\t\t<name>{name}</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>{xmin}</xmin>
\t\t\t<ymin>{ymin}</ymin>
\t\t\t<xmax>{xmax}</xmax>
\t\t\t<ymax>{ymax}</ymax>
\t\t</bndbox>
\t</object>
"""


def voc_palette() -> Pixels:
    """(256, 3) uint8: an index gives its bits in threes to R, G and B, its lowest bits to their highest."""
    index = np.arange(256)
    channels = [sum((index >> (3 * j + k) & 1) << (7 - j) for j in range(8)) for k in range(3)]
    return np.stack(channels, 1).astype(np.uint8)


def voc_image(index: int) -> Canvas:
    """The canvas behind image 0..15 of the VOC sample."""
    place, rare = list(PLACES)[index % 4], "bird" if index in (2, 7, 12) else ""
    return compose(300 + index, SIZES[(index + 2) % 8], place, rare, post=index % 5 == 0)


def voc_masks(c: Canvas) -> tuple[Pixels, Pixels, list[int]]:
    """Class ids and object numbers from 1, (H, W) uint8, 255 along borders, and the things that the numbers mean."""
    owners = c.owners()
    kept = [k for k, thing in enumerate(c.things) if thing.name in VOC_CLASSES and (owners == k).any()]
    classes, objects = np.zeros(owners.shape, np.uint8), np.zeros(owners.shape, np.uint8)
    for number, k in enumerate(kept, 1):
        objects[owners == k] = number
        classes[owners == k] = VOC_CLASSES[c.things[k].name]
    border = band(objects)
    classes[border], objects[border] = 255, 255
    return classes, objects, kept


def voc_object(c: Canvas, index: int) -> str:
    """The XML of one object; its box counts from 1 and includes both ends."""
    (rows,), (columns,) = (np.nonzero(c.visible(index).any(axis))[0:1] for axis in (1, 0))
    ends = {"xmin": columns[0] + 1, "ymin": rows[0] + 1, "xmax": columns[-1] + 1, "ymax": rows[-1] + 1}
    return VOC_OBJECT.format(name=c.things[index].name, **ends)


def make_voc(out: Path) -> None:
    """VOCdevkit/VOC2012 with images, palette masks of classes and objects, split lists and boxes."""
    root, palette = out / "VOCdevkit/VOC2012", voc_palette()
    names = [f"2012_{17 * index + 1:06d}" for index in range(16)]
    for index, name in enumerate(names):
        c = voc_image(index)
        classes, objects, kept = voc_masks(c)
        write_image(root / f"JPEGImages/{name}.jpg", c.image())
        write_image(root / f"SegmentationClass/{name}.png", classes, palette)
        write_image(root / f"SegmentationObject/{name}.png", objects, palette)
        described = "".join(voc_object(c, k) for k in kept)
        write_text(
            root / f"Annotations/{name}.xml",
            VOC_XML.format(name=name, width=c.width, height=c.height, objects=described),
        )
    for split, members in (("train", names[:12]), ("val", names[12:]), ("trainval", names)):
        write_text(root / f"ImageSets/Segmentation/{split}.txt", "".join(f"{name}\n" for name in members))


# Cityscapes

CITIES = {"train": ("aachen", "bochum"), "val": ("lindau",), "test": ("berlin",)}
FRAMES = {"aachen": 3, "bochum": 3, "lindau": 2, "berlin": 1}
CLASSES = {row[0]: row for row in TABLE}


def polygon_rows(points: Sequence[Sequence[float]], height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """The runs (y, first x, last x), both included, that a polygon of x, y points fills in an image.

    In float32. A row is sampled at y + 0.5. It crosses an edge if the edge's lower end <= y + 0.5 <= its upper end; horizontal
    edges do not count. Crossings are sorted and paired, and each pair fills ceil(left - 0.5) to floor(right + 0.5).
    """
    half = np.float32(0.5)
    corners = np.asarray(points, np.float32)
    edges = [(a, b) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True) if a[1] != b[1]]
    for y in range(height):
        middle = np.float32(y) + half
        crossings = []
        for (x0, y0), (x1, y1) in edges:
            if min(y0, y1) <= middle <= max(y0, y1):
                slope = (x1 - x0) / (y1 - y0)
                crossings.append((middle - y0) * slope + x0)
        crossings.sort()
        for left, right in zip(crossings[0::2], crossings[1::2], strict=False):
            first, last = max(int(np.ceil(left - half)), 0), min(int(np.floor(right + half)), width - 1)
            if first <= last:
                yield y, first, last


def draw_polygon(mask: NDArray[Any], points: Sequence[Sequence[float]], value: int) -> None:
    """Fill a polygon of x, y points in a mask (H, W), in place, by the Cityscapes rule."""
    for y, first, last in polygon_rows(points, mask.shape[0], mask.shape[1]):
        mask[y, first : last + 1] = value


def label_ids(objects: Sequence[Json], height: int, width: int) -> tuple[Pixels, NDArray[np.uint16]]:
    """Label ids (H, W) uint8 and instance ids (H, W) uint16 of a polygons.json; later objects cover earlier ones."""
    labels, instances = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint16)
    seen: dict[str, int] = {}
    for row in objects:
        name = row["label"]
        group = name not in CLASSES and name.endswith("group")
        name = name.removesuffix("group") if group else name
        _, number, _, _, _, counted, _, _ = CLASSES[name]
        if row.get("deleted") or number < 0:
            continue
        draw_polygon(labels, row["polygon"], number)
        if counted and not group:
            draw_polygon(instances, row["polygon"], 1000 * number + seen.get(name, 0))
            seen[name] = seen.get(name, 0) + 1
        else:
            draw_polygon(instances, row["polygon"], number)
    return labels, instances


def city_objects(c: Canvas) -> list[Json]:
    """The things of a street scene as polygons on whole pixels, in the order they were painted."""
    objects: list[Json] = []
    for thing in c.things:
        lines = contours(thing.mask, 0.4) or [np.zeros((0, 2))]
        for line in lines[:1] if CLASSES.get(thing.name, TABLE[0])[5] else lines:
            corners = np.round(line - (0.5, 0.0)).astype(int).tolist()
            if len(corners) > 2:
                objects.append({"label": thing.name, "polygon": corners})
    return objects


def make_cityscapes(out: Path) -> None:
    """leftImg8bit and gtFine, in train, val and test; the test labels are the placeholders of the public release."""
    height, width = EXTENT
    by_id = {row[1]: row for row in reversed(TABLE)}
    train_ids = np.array([by_id[k][2] for k in range(34)], np.uint8)
    colours = np.array([(*by_id[k][7], 255) for k in range(34)], np.uint8)
    frames = [(split, city, n) for split, cities in CITIES.items() for city in cities for n in range(FRAMES[city])]
    for seed, (split, city, n) in enumerate(frames, 400):
        c = city_image(seed)
        objects = city_objects(c)
        if (city, n) == ("aachen", 1):
            objects.append({"label": "bus", "polygon": [[60, 40], [150, 40], [150, 100], [60, 100]], "deleted": 1})
        fixed = ("ego vehicle", "rectification border", "out of roi")
        objects = [row for row in [*objects, OUT_OF_ROI] if split != "test" or row["label"] in fixed]
        labels, instances = label_ids(objects, height, width)
        stem = f"{city}_000000_{19 * n + 19:06d}"
        write_image(out / f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png", c.image())
        truth = out / f"gtFine/{split}/{city}"
        write_json(truth / f"{stem}_gtFine_polygons.json", {"imgHeight": height, "imgWidth": width, "objects": objects})
        kinds: dict[str, NDArray[Any]] = {
            "labelIds": labels,
            "labelTrainIds": train_ids[labels],
            "instanceIds": instances,
            "color": colours[labels],
        }
        for kind, pixels in kinds.items():
            write_image(truth / f"{stem}_gtFine_{kind}.png", pixels)


# Oxford-IIIT Pet

PET_HEADER = """#Image CLASS-ID SPECIES BREED ID
#ID: 1:37 Class ids
#SPECIES: 1:Cat 2:Dog
#BREED ID: 1-25:Cat 1:12:Dog
#All images with 1st letter as captial are cat images
#images with small first letter are dog images
"""


def pet_image(breed: int, n: int) -> Canvas:
    """The canvas behind image n of BREEDS[breed]."""
    c = Canvas(*((160, 200), (150, 200), (200, 160))[(breed + n) % 3], 500 + 10 * breed + n)
    (room if (breed + n) % 2 else garden)(c)
    lying = n == 2 and c.width > c.height
    h = c.between(0.62, 0.8) * c.height * (1.1 if lying else 1.0)
    pet(c, c.between(0.42, 0.58) * c.width, c.between(0.9, 0.97) * c.height, h, BREEDS[breed], lying)
    return c


def pet_trimap(c: Canvas) -> Pixels:
    """(H, W) uint8: 1 pet, 2 background, 3 the border between them."""
    seen = np.array([thing.name == "pet" for thing in c.things])[c.owners()]
    trimap = np.where(seen, 1, 2).astype(np.uint8)
    trimap[band(trimap)] = 3
    return trimap


def make_pets(out: Path) -> None:
    """images, trimaps (one with the AppleDouble file that the official archive carries), and the three lists."""
    rows: dict[str, list[str]] = {"trainval": [], "test": []}
    for k, breed in enumerate(BREEDS):
        for n in range(3):
            name, c = f"{breed.name}_{n + 1}", pet_image(k, n)
            write_image(out / f"images/{name}.jpg", c.image())
            write_image(out / f"annotations/trimaps/{name}.png", pet_trimap(c))
            rows["test" if n == (k + 1) % 3 else "trainval"].append(
                f"{name} {breed.class_id} {breed.species} {breed.breed_id}\n"
            )
    for split, lines in rows.items():
        write_text(out / f"annotations/{split}.txt", "".join(lines))
    write_text(out / "annotations/list.txt", PET_HEADER + "".join(sorted(rows["trainval"] + rows["test"])))
    finder = (
        bytes.fromhex("0005160700020000")
        + b"Mac OS X        "
        + bytes.fromhex("0001 00000009 00000026 00000020")
        + bytes(32)
    )
    (out / "annotations/trimaps/._Abyssinian_1.png").write_bytes(finder)


def make_vector(out: Path) -> None:
    """Write GeoTIFFs, each with a GeoJSON file of the same name."""
    for number in range(3):
        pixels, features = field(700 + number)
        write_geotiff(out / f"images/field_{number}.tif", pixels)
        write_json(out / f"labels/field_{number}.geojson", collection(features))


def make_webdataset(out: Path) -> None:
    """Write tar shards like those of other programs: an image, its mask and a caption per sample, without owners and times."""
    out.mkdir(parents=True, exist_ok=True)
    for shard, numbers in (("train-000000", range(4)), ("train-000001", range(4, 6)), ("val-000000", range(6, 8))):
        with tarfile.open(out / f"{shard}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for number in numbers:
                c = voc_image(number)
                caption = json.dumps({"caption": f"picture {number}"}).encode()
                image, mask = encoded(c.image(), "JPEG", quality=88), encoded(voc_masks(c)[0], "PNG", optimize=True)
                for extension, data in (("jpg", image), ("json", caption), ("seg.png", mask)):
                    info = tarfile.TarInfo(f"{number:06d}.{extension}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))

    write_class_table(out)


def make_masks(out: Path) -> None:
    """images/<split>, masks/<split> of grey values that are not in a row, and the class file that names them."""
    for number in range(6):
        split, c = "val" if number > 3 else "train", voc_image(number + 8)
        write_image(out / f"images/{split}/{number:03d}.jpg", c.image())
        write_image(out / f"masks/{split}/{number:03d}.png", voc_masks(c)[0])
    write_class_table(out)


def make_predictions(out: Path) -> None:
    """truth/, a segdata dataset of images and masks, and beside it one file of probabilities an image, of another program."""
    names = ["background", *VOC_CLASSES]
    ids = {0: 0, 255: 255} | {value: i for i, value in enumerate(VOC_CLASSES.values(), 1)}
    lines = []
    for number in range(4):
        id, c = f"{'val' if number > 2 else 'train'}/{number:03d}", voc_image(number + 8)
        mask = np.vectorize(lambda value: ids.get(value, 255), otypes=[np.uint8])(voc_masks(c)[0])
        write_image(out / f"truth/images/{id}.jpg", c.image())
        write_image(out / f"truth/masks/{id}.png", mask)
        values, counts = np.unique(mask, return_counts=True)
        digest = hashlib.sha256((out / f"truth/masks/{id}.png").read_bytes()).hexdigest()
        lines.append({"id": id, "split": id.split("/")[0], "image": f"images/{id}.jpg", "mask": f"masks/{id}.png",
                      "height": mask.shape[0], "width": mask.shape[1], "sha256": digest,
                      "counts": {str(v): int(n) for v, n in zip(values, counts, strict=True)}})  # fmt: skip
        chance = np.random.default_rng(900 + number).random((len(names), *mask.shape))
        np.add.at(chance, (np.where(mask == 255, 0, mask), *np.indices(mask.shape)), 3.0)
        (out / id).parent.mkdir(parents=True, exist_ok=True)
        np.save(out / f"{id}.npy", (chance / chance.sum(axis=0)).astype(np.float16))
    classes = [{"id": i, "name": name, "color": [20 * i, 90, 200]} for i, name in enumerate(names)]
    write_json(
        out / "truth/dataset.json", {"format": 1, "classes": classes, "ignore": 255, "images": "copy", "made_by": {}}
    )
    write_text(out / "truth/manifest.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))


def write_class_table(out: Path) -> None:
    """classes.csv, which says what the values of the masks are where the format has no place for it."""
    rows = {0: "background", **{value: name for name, value in VOC_CLASSES.items()}, 255: "ignore"}
    write_text(out / "classes.csv", "id,name\n" + "".join(f"{value},{name}\n" for value, name in rows.items()))


def encoded(pixels: NDArray[Any], format: str, **options: Any) -> bytes:
    """The bytes of an image's file."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format, **options)
    return data.getvalue()


MAKERS = {
    "coco": make_coco, "voc": make_voc, "cityscapes": make_cityscapes, "pets": make_pets, "vector": make_vector,
    "webdataset": make_webdataset, "masks": make_masks,
}  # fmt: skip


def main() -> None:
    """Write the datasets into a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("samples"), help="folder to write into (default: samples)")
    out = parser.parse_args().out
    for name, make in MAKERS.items():
        make(out / name)


if __name__ == "__main__":
    main()
