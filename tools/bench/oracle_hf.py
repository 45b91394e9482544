"""The `datasets` library beside `segdata convert hf`, in its own environment.

oracle_hf.py make OUT SEED [ROWS]    writes seeded sets, one a kind of mask, as the library pushes them to a hub
oracle_hf.py read SRC OUT            its own reading of one: OUT/<split>/<row>.png of masks, sizes.json of images
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import datasets  # type: ignore[import-not-found, unused-ignore]
import numpy as np
from PIL import Image

PALETTE = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)


def encoded(image: Image.Image, form: str, **more: Any) -> bytes:
    """The bytes of an image's file."""
    data = io.BytesIO()
    image.save(data, form, **more)
    return data.getvalue()


def mask_of(kind: str, values: np.ndarray) -> Any:
    """A mask as such a column may hold it."""
    if kind == "numbers":
        return values.tolist()
    image = Image.fromarray(values.astype(np.uint16) if kind == "deep" else values.astype(np.uint8))
    if kind == "palette":
        image.putpalette(PALETTE.tobytes())
    if kind in ("object", "deep"):
        return image
    form = {"tiff": "TIFF", "webp": "WEBP"}.get(kind, "PNG")
    return {"bytes": encoded(image, form, **({"lossless": True} if form == "WEBP" else {})), "path": None}


def rows(rng: np.random.Generator, kind: str, count: int, named: bool) -> list[dict[str, Any]]:
    """Rows of images of random sizes, JPEG or PNG, some of them turned by EXIF, and masks of noise and blocks."""
    found = []
    for number in range(count):
        height, width = (int(n) for n in rng.integers(1, 40, 2))
        values = np.kron(rng.integers(0, 5, ((height + 6) // 7, (width + 6) // 7)), np.ones((7, 7), int))[
            :height, :width
        ]
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        image: Any = Image.fromarray(pixels)
        if rng.random() < 0.3 and height != width:
            turned = Image.fromarray(np.ascontiguousarray(np.rot90(pixels)))  # upright again by Orientation 6
            exif = Image.Exif()
            exif[0x0112] = 6
            image = {"bytes": encoded(turned, "JPEG", exif=exif), "path": f"t{number}.jpg"}
        elif rng.random() < 0.5:
            image = {"bytes": encoded(image, "JPEG"), "path": f"{number}.jpg" if named else None}
        found.append({"image": image, "mask": mask_of(kind, values), "caption": "x" * int(rng.integers(0, 50))})
    return found


def make(out: Path, seed: int, count: int) -> None:
    """A folder a kind of mask, three splits, that of training in shards of 20 rows."""
    for k, kind in enumerate(("object", "palette", "deep", "tiff", "webp", "numbers")):
        rng = np.random.default_rng((seed, k))
        mask = (
            datasets.Sequence(datasets.Sequence(datasets.ClassLabel(names=list("abcde"))))
            if kind == "numbers"
            else datasets.Image()
        )
        features = datasets.Features({"image": datasets.Image(), "mask": mask, "caption": datasets.Value("string")})
        for split, part in (("train", count), ("validation", count // 4), ("test", 1)):
            made = datasets.Dataset.from_list(rows(rng, kind, part, k % 2 == 0), features)
            shards = 1 + part // 20
            for i in range(shards):
                name = out / kind / f"data/{split}-{i:05d}-of-{shards:05d}.parquet"
                name.parent.mkdir(parents=True, exist_ok=True)
                made.shard(shards, i, contiguous=True).to_parquet(name, batch_size=[7, 1000][k % 2])


def read(source: Path, out: Path) -> None:
    """What the library gives: masks as values, and the sizes (height, width) of upright images."""
    sizes = {}
    for split, rows in datasets.load_dataset(str(source), cache_dir=str(out / "cache")).items():
        (out / split).mkdir(parents=True, exist_ok=True)
        for number, row in enumerate(rows):
            values = np.array(row["mask"])
            values = values[..., 0] if values.ndim == 3 else values  # WebP has no grey
            Image.fromarray(values.astype(np.uint16 if values.max() > 255 else np.uint8)).save(
                out / f"{split}/{number:06d}.png"
            )
            sizes[f"{split}/{number:06d}"] = np.array(row["image"]).shape[:2]
    (out / "sizes.json").write_text(json.dumps(sizes))
    shutil.rmtree(out / "cache")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), int(sys.argv[3]), int((*sys.argv, "47")[4]))
    else:
        read(Path(sys.argv[2]), Path(sys.argv[3]))
