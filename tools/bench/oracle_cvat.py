"""The class masks that CVAT would export of its own XML: its import, its transforms, and Datumaro's masks.

    python tools/bench/oracle_cvat.py SRC OUT      in the environment of the peer cvat (tools/bench/peers.sh)

OUT gets one .npy of class ids per image, named by the XML's name (or split), the image's name and, of a video, its frame number.
CVAT is a server and installs from no registry, so what it does before Datumaro is written anew here after its source:
load_anno in cvat/apps/dataset_manager/formats/cvat.py, CvatToDmAnnotationConverter and group_by_frame in bindings.py,
formats/transformations.py and formats/mask.py of https://github.com/cvat-ai/cvat (MIT).
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
from datumaro.components.annotation import AnnotationType, Bbox, CompiledMask, LabelCategories, Polygon, RleMask  # type: ignore[import-not-found, unused-ignore]
from datumaro.components.dataset import Dataset  # type: ignore[import-not-found, unused-ignore]
from datumaro.components.extractor import DatasetItem  # type: ignore[import-not-found, unused-ignore]
from datumaro.components.media import Image  # type: ignore[import-not-found, unused-ignore]
from pycocotools import mask as coco_mask

Attributes = dict[str, str]
Size = tuple[int, int]
Found = tuple[str, Attributes, str, int]
"""The kind of a shape, its attributes, its label and its group."""


def points_of(kind: str, a: Attributes) -> list[Any]:
    """load_anno: the numbers of a shape."""
    if kind == "box":
        return [float(a[name]) for name in ("xtl", "ytl", "xbr", "ybr")]
    if kind == "ellipse":
        x, y = float(a["cx"]), float(a["cy"])
        return [x, y, float(f"{x + float(a['rx']):.2f}"), float(f"{y - float(a['ry']):.2f}")]
    if kind == "mask":
        left, top, width, height = (int(a[name]) for name in ("left", "top", "width", "height"))
        return [*map(int, a["rle"].split(",")), left, top, left + width - 1, top + height - 1]
    return [float(number) for pair in a["points"].split(";") for number in pair.split(",")]


def converted(kind: str, a: Attributes, label: int, group: int, size: Size) -> Any:
    """CvatToDmAnnotationConverter: a Datumaro annotation, or None for what masks do not have."""
    height, width = size
    common = {"label": label, "group": group, "z_order": int(a.get("z_order", 0))}
    rotation = float(a.get("rotation", 0))
    if kind not in ("polygon", "box", "ellipse", "mask"):
        return None
    points = points_of(kind, a)
    if kind == "polygon":
        return Polygon(points, attributes={}, **common)
    if kind == "box":
        x0, y0, x1, y1 = points
        return Bbox(x0, y0, x1 - x0, y1 - y0, attributes={"rotation": rotation}, **common)
    if kind == "ellipse":
        x, y, right, top = points
        bitmap = np.zeros((height, width), np.uint8)
        cv2.ellipse(
            bitmap, (round(x), round(y)), (round(right - x), round(y - top)), rotation, 0, 360, 255, thickness=-1
        )
    else:
        left, top, right, bottom = points[-4:]
        h, w = bottom - top + 1, right - left + 1
        rle = coco_mask.frPyObjects([{"counts": points[:-4], "size": [w, h]}], h=h, w=w)[0]
        bitmap = np.zeros((height, width), np.uint8)
        bitmap[top : bottom + 1, left : right + 1] = coco_mask.decode(rle).transpose()
    return RleMask(rle=coco_mask.encode(np.asfortranarray(bitmap)), attributes={}, **common)


def turned_boxes_last(annotations: list[Any]) -> list[Any]:
    """RotatedBoxesToPolygons."""
    annotations = annotations[:]
    for ann in [a for a in annotations if a.type == AnnotationType.bbox and a.attributes["rotation"]]:
        angle = math.radians(ann.attributes["rotation"])
        x0, y0, x1, y1 = ann.points
        cx, cy = x0 + (x1 - x0) / 2, y0 + (y1 - y0) / 2
        points = chain.from_iterable(
            (
                cx + math.cos(angle) * (x - cx) - math.sin(angle) * (y - cy),
                cy + math.sin(angle) * (x - cx) + math.cos(angle) * (y - cy),
            )
            for x, y in [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        )
        annotations.remove(ann)
        annotations.append(Polygon(list(points), label=ann.label, group=ann.group, z_order=ann.z_order, attributes={}))
    return annotations


def read(path: Path) -> tuple[list[str], dict[str, tuple[Size, list[Found]]]]:
    """Labels, and by image name (size, [(kind, attributes, label name, group)]), masks of tracks before the rest."""
    root: Any = ElementTree.parse(path).getroot()
    labels = [label.findtext("name") for label in root.find("meta").iter("label")]
    images: dict[str, tuple[Size, list[Found]]] = {}
    for image in root.iter("image"):
        a = image.attrib
        shapes = [(s.tag, s.attrib, s.get("label"), int(s.get("group_id", 0))) for s in image if s.tag != "tag"]
        name = f"{a['subset']}/{a['name']}" if a.get("subset", "default") != "default" else a["name"]
        images[name] = (int(a["height"]), int(a["width"])), shapes
    frames: dict[int, list[Found]] = defaultdict(list)
    for track in root.iter("track"):
        for s in track:
            if s.get("outside", "0") != "1" and s.tag != "track":
                frames[int(s.get("frame"))].append((s.tag, s.attrib, track.get("label"), int(track.get("group_id", 0))))
    if frames:
        size = root.find("meta").find(".//original_size")
        size = int(size.findtext("height")), int(size.findtext("width"))
        for number, shapes in frames.items():
            images[f"frame_{number:06d}"] = size, sorted(shapes, key=lambda shape: shape[0] != "mask")
    return labels, images


def masks(path: Path) -> tuple[list[str], dict[str, Any]]:
    """Class names, background first, and by name (H, W) class ids: what VocConverter compiles of the transformed items."""
    labels, images = read(path)
    names = ["background", *(label for label in labels if label != "background")]
    items = []
    for name, (size, shapes) in images.items():
        shapes = sorted(shapes, key=lambda shape: int(shape[1].get("z_order", 0)))  # group_by_frame
        made = [converted(kind, a, names.index(label), group, size) for kind, a, label, group in shapes]
        annotations = turned_boxes_last([one for one in made if one is not None])
        items.append(DatasetItem(id=name, media=Image(data=np.zeros((*size, 3), np.uint8)), annotations=annotations))
    dataset = Dataset.from_iterable(items, categories={AnnotationType.label: LabelCategories.from_iterable(names)})
    for transform in ("polygons_to_masks", "boxes_to_masks", "merge_instance_segments"):
        dataset.transform(transform)
    compiled = {}
    for item in dataset:
        found = [ann for ann in item.annotations if ann.type == AnnotationType.mask]
        empty = np.zeros(images[item.id][0], np.uint8)
        compiled[item.id] = CompiledMask.from_instance_masks(found).class_mask if found else empty
    return names, compiled


def main() -> None:
    """Write the masks of every XML in a folder."""
    source, out = map(Path, sys.argv[1:3])
    paths = [source] if source.is_file() else sorted(source.glob("*.xml"))
    for path in paths:
        names, made = masks(path)
        for name, mask in made.items():
            stem = Path(name).with_suffix("") if Path(name).suffix.lower() in (".png", ".jpg") else Path(name)
            file = out / (stem if path.stem == "annotations" else Path(path.stem) / stem)
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(f"{file}.npy", mask)
        (out / "classes.txt").write_text("\n".join(names) + "\n")


if __name__ == "__main__":
    main()
