"""Label files as labelme writes them, with images beside them and within them: seeded, some like a person's, some at random.

Keys and their order: https://github.com/wkentaro/labelme (labelme/_label_file.py; label_file.py up to 5).
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Json = dict[str, Any]

LABELS = ("__ignore__", "_background_", "cat", "dog", "tree", "wire")
"""A labels.txt, as labelme's examples have it."""

COUNTS = {
    "polygon": (3, 9), "rectangle": (2, 3), "circle": (2, 3), "line": (2, 3), "linestrip": (2, 7), "point": (1, 2),
    "mask": (2, 3), "oriented_rectangle": (4, 5),
}  # fmt: skip
"""How many points a shape has: from, to before."""


def image_bytes(pixels: NDArray[np.uint8], kind: str, orientation: int = 1) -> bytes:
    """An image as PNG or JPEG, with an EXIF orientation if it is not 1."""
    data, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(data, kind, **({"exif": exif} if orientation != 1 else {}))
    return data.getvalue()


def text_of(data: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(data).decode("ascii")


def noise(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 of soft colours."""
    return np.asarray(rng.integers(60, 200, (height, width, 3)), np.uint8)


def random_shape(rng: np.random.Generator, height: int, width: int, kind: str) -> Json:
    """A shape of any form: on whole pixels or between them, small or large, crossing itself or the border."""
    count = int(rng.integers(*COUNTS[kind]))
    spread = rng.choice([0.15, 0.5, 1.2])
    centre = rng.uniform((0, 0), (width, height))
    points = centre + rng.normal(0, spread, (count, 2)) * (width, height)
    if rng.random() < 0.5:
        points = points.clip(0, (width, height))
    if kind == "mask" or rng.random() < 0.3:
        points = points.round()
    shape: Json = {"label": str(rng.choice(LABELS)), "points": points.tolist(), "group_id": None, "shape_type": kind}
    if kind == "mask":
        (x0, y0), (x1, y1) = corners = np.sort(points.clip(0, (width - 1, height - 1)), axis=0).astype(int)
        bits = rng.random((y1 - y0 + 1, x1 - x0 + 1)) < rng.random()
        shape |= {"points": corners.astype(float).tolist(), "mask": text_of(image_bytes(bits.astype(np.uint8), "PNG"))}
    elif kind == "rectangle":
        shape["points"] = np.sort(points, axis=0).tolist()
    elif kind == "polygon" and rng.random() < 0.3:
        shape["shape_type"] = None
    return shape | {"flags": {}, "group_id": [None, 1, 2][int(rng.integers(3))]}


def label_file(shapes: list[Json], image: str, size: tuple[int, int], data: bytes | None = None, **more: Any) -> Json:
    """A label file of an image of `size` (height, width), with the image in it if it is given."""
    start: Json = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": image}
    rest = {"imageData": data and text_of(data), "imageHeight": size[0], "imageWidth": size[1]}
    return start | rest | more


def write_label_file(path: Path, content: Json) -> None:
    """Write one as labelme does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), "utf-8")


def write_labels(out: Path) -> None:
    """Write labels.txt."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS), "utf-8")


def make_random_labelme(
    out: Path, count: int, seed: int = 0, most: int = 90, kinds: tuple[str, ...] = tuple(COUNTS)
) -> None:
    """So many small images with shapes of all kinds at random: what is compared with labelme itself."""
    rng = np.random.default_rng(seed)
    write_labels(out)
    for number in range(count):
        height, width = (int(n) for n in rng.integers(1, most, 2))
        shapes = [random_shape(rng, height, width, str(rng.choice(kinds))) for _ in range(rng.integers(0, 12))]
        name, data = f"{number:04}.png", image_bytes(noise(rng, height, width), "PNG")
        within = number % 2 == 0
        if not within:
            (out / name).write_bytes(data)
        write_label_file(out / f"{number:04}.json", label_file(shapes, name, (height, width), data if within else None))


def make_labelme(out: Path) -> None:
    """Nine images: beside their label files, in them, and in another folder; some turned, of several versions' files."""
    rng = np.random.default_rng(18)
    write_labels(out)
    for number in range(9):
        height, width = 48 + 4 * number, 96 - 3 * number
        shapes = [random_shape(rng, height, width, kind) for kind in (*COUNTS, "polygon")]
        upright = noise(rng, height, width)
        turned = number in (2, 7)
        stored = np.rot90(upright) if turned else upright  # which orientation 6 turns back, clockwise
        data = image_bytes(np.ascontiguousarray(stored), "JPEG", 6 if turned else 1)
        folder, name = ("street/", "..\\images\\{}") if number % 3 == 0 else ("", "{}")
        file, image = (
            out / f"{folder}{number:04}.json",
            out / (f"images/{number:04}.jpg" if folder else f"{number:04}.jpg"),
        )
        within = number in (1, 5)
        content = label_file(shapes, name.format(image.name), (height, width), data if within else None)
        if not within:
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(data)
        if number == 8:  # as versions before 4 have it
            content = {"lineColor": [0, 255, 0, 128], **content, "version": "3.16.7"}
        write_label_file(file, content)
