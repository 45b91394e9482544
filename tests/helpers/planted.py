"""A dataset to spoil: what tests plant faults with, one at a time, leaving all else consistent."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.files.images import read_mask, write_mask

Pixels = NDArray[Any]


def jpeg(image: Image.Image, quality: int = 90, **options: Any) -> bytes:
    """An image as the bytes of a JPEG."""
    return encoded(image, "JPEG", quality=quality, **options)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    """An image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


class Plant:
    """A dataset on disk, its records open for editing. `settle` writes them, with a receipt whose sums are right."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.card = json.loads((root / "dataset.json").read_text())
        self.receipt = json.loads((root / "receipt.json").read_text())
        self.lines = [json.loads(line) for line in (root / "manifest.jsonl").read_text().splitlines()]

    def settle(self) -> None:
        """Write card, manifest and receipt as they now are."""
        pixels: Counter[str] = Counter()
        names = {str(c["id"]): c["name"] for c in self.card["classes"]} | {str(self.card["ignore"]): "ignore"}
        for line in self.lines:
            pixels.update({names[v]: n for v, n in line["counts"].items() if v in names})
        self.receipt["pixels"] = dict(pixels)
        self.receipt["images"]["converted"] = len(self.lines)
        (self.root / "dataset.json").write_text(json.dumps(self.card))
        (self.root / "receipt.json").write_text(json.dumps(self.receipt))
        (self.root / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.lines))

    def line(self, id: str) -> dict[str, Any]:
        """A sample's record."""
        return next(line for line in self.lines if line["id"] == id)

    def set(self, id: str, **fields: Any) -> None:
        """Edit a sample's record."""
        self.line(id).update(fields)

    def set_all(self, **fields: Any) -> None:
        """Edit every record."""
        for line in self.lines:
            line.update(fields)

    def mask_file(self, id: str) -> Path:
        """Where a sample's mask lies."""
        return self.root / str(self.line(id)["mask"])

    def image_file(self, id: str) -> Path:
        """Where a sample's image lies."""
        return self.root / str(self.line(id)["image"])

    def mask(self, id: str) -> Pixels:
        """A sample's mask."""
        return np.array(read_mask(self.mask_file(id)))

    def image(self, id: str) -> Image.Image:
        """A sample's image."""
        with Image.open(self.image_file(id)) as image:
            return image.convert("RGB")

    def edit_mask(self, id: str, edit: Callable[[Pixels], Pixels | None], *, listed: bool) -> None:
        """Change a mask, in place or for another; where it is `listed`, the manifest knows of it."""
        before = self.mask(id)
        after = edit(before)
        data = write_mask(self.mask_file(id), before if after is None else after)
        if listed:
            self.line(id).update(record(before if after is None else after, data))

    def add(self, id: str, photo: bytes, mask: Pixels, **fields: Any) -> None:
        """A sample more, consistent in itself; its split is the first part of its id unless told."""
        data = write_mask(self.root / f"masks/{id}.png", mask)
        image = f"images/{id}.jpg"
        (self.root / image).parent.mkdir(parents=True, exist_ok=True)
        (self.root / image).write_bytes(photo)
        rest = dict.fromkeys(("group", "parent", "window", "crop", "exif", "scores"))
        line = {"id": id, "split": id.split("/")[0], "image": image, "mask": f"masks/{id}.png", **record(mask, data)}
        self.lines.append({**line, **rest, **fields})
        self.lines.sort(key=lambda each: str(each["id"]))

    def copy(
        self, id: str, new: str, change: Callable[[Image.Image], bytes | Image.Image] | None = None, **fields: Any
    ) -> None:
        """The sample `id` once more: the same bytes, or a JPEG of what `change` makes of the image; the mask is flipped."""
        made = None if change is None else change(self.image(id))
        data = self.image_file(id).read_bytes() if made is None else made if isinstance(made, bytes) else jpeg(made)
        with Image.open(io.BytesIO(data)) as image:
            size = image.size
        mask = Image.fromarray(self.mask(id)[:, ::-1]).resize(size, Image.Resampling.NEAREST)
        self.add(new, data, np.array(mask), **fields)


def record(mask: Pixels, data: bytes) -> dict[str, Any]:
    """What a manifest line has of a mask."""
    values, counts = np.unique(mask, return_counts=True)
    return {
        "height": mask.shape[0],
        "width": mask.shape[1],
        "counts": {str(v): n for v, n in zip(values.tolist(), counts.tolist(), strict=True)},
        "sha256": hashlib.sha256(data).hexdigest(),
    }
