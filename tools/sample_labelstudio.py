"""An export of Label Studio, as its editor and server write it: brushes, polygons, rectangles, ellipses, a key point, choices.

The keys and their order are those of exports (label-studio-sdk's test data) and of `serialize` in the editor's regions. Run
lengths are packed here as @thi.ng/rle-pack does it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sample_scenes import SCENE_CLASSES, SIZES, scene

Json = dict[str, Any]

Bits = NDArray[np.bool_]

KEYS = {"brush": "brushlabels", "polygon": "polygonlabels", "rectangle": "rectanglelabels", "ellipse": "ellipselabels"}

TAGS = {"brush": "BrushLabels", "polygon": "PolygonLabels", "rectangle": "RectangleLabels", "ellipse": "EllipseLabels"}

SIZES_OF_RUNS = (3, 4, 8, 16)
"""Bits of the four kinds of lengths."""

CONFIG = "\n".join([
    "<View>", '  <Image name="image" value="$image" rotateControl="true"/>',
    *(line for kind, tag in TAGS.items()
      for line in (f'  <{tag} name="{kind}_label" toName="image">',
                   *(f'    <Label value="{name}" background="#{i * 9:02x}{255 - i * 9:02x}80"/>'
                     for i, name in enumerate(SCENE_CLASSES)), f"  </{tag}>")),
    '  <KeyPointLabels name="kp" toName="image"><Label value="nose"/></KeyPointLabels>',
    '  <Choices name="time" toName="image"><Choice value="day"/><Choice value="night"/></Choices>', "</View>", "",
])  # fmt: skip


def pack(values: NDArray[np.uint8]) -> list[int]:
    """Run lengths of (N,) values: see `segdata/kernels/brush.py`, which is the other way round."""
    starts = np.flatnonzero(np.diff(values, prepend=values[:1] + 1, append=values[-1:] + 1))
    bits = [f"{len(values):032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in SIZES_OF_RUNS)]
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        value = int(values[start])
        while start < stop:
            length = min(stop - start, 2**16)
            kind = next(i for i, size in enumerate(SIZES_OF_RUNS) if length <= 2**size)
            bits.append(f"{int(length > 1)}{kind:02b}{length - 1:0{SIZES_OF_RUNS[kind]}b}{value:08b}")
            start += length
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[i : i + 8], 2) for i in range(0, len(text), 8)]


def brush(mask: Bits) -> Json:
    """A brush of a mask (H, W), with a soft edge: grey in all four channels, as the editor has it."""
    soft = cv2.blur(mask.astype(np.uint8) * 255, (3, 3))
    return {"format": "rle", "rle": pack(np.repeat(soft, 4))}


def shape(kind: str, mask: Bits) -> Json:
    """What a region of a kind states of a mask (H, W), in percent of the image."""
    if kind == "brush":
        return brush(mask)
    height, width = mask.shape
    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    line = max(lines, key=cv2.contourArea)
    if kind == "polygon":
        points = cv2.approxPolyDP(line, 1, True)[:, 0] + 0.5
        return {"points": (points / (width, height) * 100).tolist(), "closed": True}
    (x, y), (w, h), angle = cv2.minAreaRect(line)
    if kind == "ellipse":
        return {
            "x": x / width * 100, "y": y / height * 100, "radiusX": w / width * 50, "radiusY": h / height * 50, "rotation": angle
        }  # fmt: skip
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    left, top = float(x - w / 2 * cos + h / 2 * sin), float(y - w / 2 * sin - h / 2 * cos)
    return {
        "x": left / width * 100, "y": top / height * 100, "width": w / width * 100, "height": h / height * 100, "rotation": angle
    }  # fmt: skip


def regions(truth: NDArray[np.uint8], seed: int) -> Iterator[Json]:
    """A region for each class of (H, W) indices into SCENE_CLASSES, of kinds that take turns, and a key point."""
    height, width = truth.shape
    facts: Json = {
        "origin": "manual",
        "to_name": "image",
        "image_rotation": 0,
        "original_width": width,
        "original_height": height,
    }
    found = np.unique(truth).tolist()
    for number, index in enumerate(found):
        kind = [*KEYS][(number + seed) % 4]
        label = [SCENE_CLASSES[index]]
        value = {**shape(kind, truth == index), KEYS[kind]: label}
        yield {"id": f"r{seed}_{number:07d}", "type": KEYS[kind], "value": value, **facts, "from_name": f"{kind}_label"}
    point = {"x": 50.0, "y": 50.0, "width": 0.5, "keypointlabels": ["nose"]}
    yield {"id": f"k{seed}_0000000", "type": "keypointlabels", "value": point, **facts, "from_name": "kp"}


def annotation(number: int, task: int, result: list[Json], cancelled: bool = False, truth: bool = False) -> Json:
    """An annotation as the server exports it."""
    made = f"2024-05-0{1 + number % 9}T08:38:47.817727Z"
    return {
        "id": number, "completed_by": 1, "result": result, "was_cancelled": cancelled, "ground_truth": truth,
        "created_at": made, "updated_at": made, "draft_created_at": None, "lead_time": 18.158, "prediction": {},
        "result_count": len(result), "unique_id": f"3d16d7f3-3363-434d-9663-{number:012d}", "import_id": None,
        "last_action": None, "bulk_created": False, "task": task, "project": 1, "updated_by": 1, "parent_prediction": None,
        "parent_annotation": None, "last_created_by": None,
    }  # fmt: skip


def make_labelstudio(out: Path) -> None:
    """Write an export, its labelling configuration, and images as the server keeps them: upload/<project>/<8 digits>-<name>."""
    tasks: list[Json] = []
    for number in range(6):
        image, truth = scene(300 + number, SIZES[number])
        name = f"{0xE97D4735 + number:08x}-scene_{number}.jpg"
        path = out / "upload" / "1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, quality=88)
        works = [annotation(10 * number, number, [*regions(truth, number)], truth=number == 0)]
        if number == 1:  # an older one, of fewer regions
            works.insert(
                0, annotation(3, number, [*regions(truth, number)][:2]) | {"created_at": "2023-05-01T00:00:00Z"}
            )
        if number == 2:
            works.append(annotation(25, number, [], cancelled=True))
        if number == 3:
            choice = {
                "id": "c3",
                "type": "choices",
                "value": {"choices": ["day"]},
                "to_name": "image",
                "from_name": "time",
            }
            works[0]["result"].append(choice)
        tasks.append({
            "id": number, "annotations": works, "file_upload": name, "drafts": [], "predictions": [],
            "data": {"image": f"/data/upload/1/{name}"}, "meta": {}, "created_at": "2023-01-31T07:39:58.952432Z",
            "updated_at": "2023-01-31T07:40:19.941288Z", "inner_id": number + 1, "total_annotations": len(works),
            "cancelled_annotations": 0, "total_predictions": 0, "comment_count": 0, "project": 1, "updated_by": 1,
        })  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    (out / "project-1-at-2024-05-10-08-38-47817727.json").write_text(json.dumps(tasks), encoding="ascii")
    (out / "config.xml").write_text(CONFIG, encoding="ascii")


# At random, for comparing with the tool's own converter


def random_value(rng: np.random.Generator, kind: str, height: int, width: int) -> Json:
    """A shape of any form: tiny, crossing itself, off the image, degenerate, with holes, on and between pixels."""
    if kind == "brush":
        mask = rng.random((height, width)) < rng.choice([0.02, 0.5, 0.98])
        alpha = np.where(mask, rng.choice([255, 255, 1, 128], mask.shape), 0).astype(np.uint8)
        return {"format": "rle", "rle": pack(np.repeat(alpha, 4))}
    centre, spread = rng.uniform(-20, 120, 2), rng.choice([1.0, 15.0, 60.0])
    if kind == "polygon":
        points = centre + rng.normal(0, spread, (int(rng.integers(1, 12)), 2))
        if rng.random() < 0.5:
            points = (points * (width, height) / 100).round() * 100 / (width, height)
        return {"points": points.tolist(), "closed": bool(rng.random() < 0.9)}
    across, down = (np.abs(rng.normal(0, spread, 2)) * (rng.random() < 0.9)).tolist()
    turned = 0 if rng.random() < 0.4 else float(rng.uniform(0, 360))
    x, y = centre.tolist()
    if kind == "ellipse":
        return {"x": x, "y": y, "radiusX": across, "radiusY": down, "rotation": turned}
    return {"x": x, "y": y, "width": across, "height": down, "rotation": turned}


def random_task(rng: np.random.Generator, number: int, labels: tuple[str, ...], largest: int) -> Json:
    """A task with one or two annotations, of regions with a control for each kind, or with one of shapes and one of labels."""
    height, width = (int(side) for side in rng.integers(1, largest + 1, 2))
    works = []
    for nth in range(int(rng.integers(1, 3))):
        result = []
        for place in range(int(rng.integers(1, 9))):
            kind = str(rng.choice([*KEYS]))
            value, label = random_value(rng, kind, height, width), [str(rng.choice(labels))]
            entry = {"id": f"{number}_{nth}_{place}", "origin": "manual", "to_name": "image", "image_rotation": 0,
                     "original_width": width, "original_height": height}  # fmt: skip
            if rng.random() < 0.3:
                result += [entry | {"type": kind, "from_name": kind, "value": value},
                           entry | {"type": "labels", "from_name": "label", "value": value | {"labels": label}}]  # fmt: skip
            else:
                name, key = f"{kind}_label", KEYS[kind]
                result.append(entry | {"type": key, "from_name": name, "value": value | {key: label}})
        works.append(annotation(2 * number + nth, number, result))
    return {
        "id": number,
        "annotations": works,
        "predictions": [],
        "data": {"image": f"/data/upload/1/{number:04d}.png"},
    }


def make_random(out: Path, count: int, seed: int, largest: int = 70) -> None:
    """Write export.json of random tasks, on images of at most `largest` pixels a side that there are not, and config.xml."""
    rng, labels = np.random.default_rng(seed), ("car", "road", "sky", "tree", "Ärger")
    out.mkdir(parents=True, exist_ok=True)
    tasks = [random_task(rng, number, labels, largest) for number in range(count)]
    (out / "export.json").write_text(json.dumps(tasks, separators=(",", ":")), encoding="utf-8")
    listed = "".join(f'<Label value="{label}"/>' for label in labels)
    controls = [f'<{tag} name="{kind}_label" toName="image">{listed}</{tag}>' for kind, tag in TAGS.items()]
    controls += [f'<{tag.removesuffix("Labels")} name="{kind}" toName="image"/>' for kind, tag in TAGS.items()]
    controls.append(f'<Labels name="label" toName="image">{listed}</Labels>')
    (out / "config.xml").write_text(
        '<View><Image name="image" value="$image"/>' + "".join(controls) + "</View>", encoding="utf-8"
    )
