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

SIZES_OF_RUNS = (3, 4, 8, 16)
"""Bits of the four kinds of lengths."""


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


CONFIG = "\n".join([
    "<View>", '  <Image name="image" value="$image" rotateControl="true"/>',
    *(line for kind, tag in (("brush", "BrushLabels"), ("polygon", "PolygonLabels"), ("rectangle", "RectangleLabels"),
                             ("ellipse", "EllipseLabels"))
      for line in (f'  <{tag} name="{kind}_label" toName="image">',
                   *(f'    <Label value="{name}" background="#{i * 9:02x}{255 - i * 9:02x}80"/>'
                     for i, name in enumerate(SCENE_CLASSES)), f"  </{tag}>")),
    '  <KeyPointLabels name="kp" toName="image"><Label value="nose"/></KeyPointLabels>',
    '  <Choices name="time" toName="image"><Choice value="day"/><Choice value="night"/></Choices>', "</View>", "",
])  # fmt: skip
