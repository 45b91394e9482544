"""A set as the `datasets` library pushes it: Parquet with columns of images and masks, and the features in its metadata."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sample_scenes import PLACES, SIZES, compose

NAMES = ("background", "person", "car", "boat", "cow", "dog")
SHARDS = {"train-00000-of-00002": (0, 4), "train-00001-of-00002": (4, 7), "validation-00000-of-00001": (7, 9)}
"""The numbers of the images in each file."""
LABEL = {"names": list(NAMES), "_type": "ClassLabel"}
FEATURES = {
    "image": {"_type": "Image"},
    "mask": {"_type": "Image"},
    "classes_in_mask": {"feature": LABEL, "_type": "List"},
}
CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: validation
    path: data/validation-*
---
Painted scenes.
"""


def make_hf(out: Path) -> None:
    """data/<split>-<number>-of-<count>.parquet, two rows a group, and the card."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema(
        {"image": file, "mask": file, "classes_in_mask": pa.list_(pa.int64())},
        {"huggingface": json.dumps({"info": {"features": FEATURES}})},
    )
    (out / "data").mkdir(parents=True, exist_ok=True)
    for name, span in SHARDS.items():
        rows = [row_of(number) for number in range(*span)]
        pq.write_table(pa.Table.from_pylist(rows, schema), out / f"data/{name}.parquet", row_group_size=2)
    (out / "README.md").write_bytes(CARD.encode())


def row_of(number: int) -> dict[str, Any]:
    """One row: a JPEG, its mask as PNG of grey values, and which classes are in it."""
    c = compose(700 + number, SIZES[number % len(SIZES)], list(PLACES)[number % len(PLACES)])
    owners = c.owners()
    mask = np.zeros(owners.shape, np.uint8)
    for k, thing in enumerate(c.things):
        if thing.name in NAMES:
            mask[owners == k] = NAMES.index(thing.name)
    return {
        "image": {"bytes": encoded(c.image(), "JPEG"), "path": f"{number:04d}.jpg"},
        "mask": {"bytes": encoded(mask, "PNG"), "path": None},
        "classes_in_mask": np.unique(mask).tolist(),
    }


def encoded(pixels: NDArray[np.uint8], form: str) -> bytes:
    """The bytes of an image's file."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, form)
    return data.getvalue()
