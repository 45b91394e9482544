"""Parquet files of images and masks, made and damaged."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segdata.files.members import Cell

IMAGE, LABELS = (
    {"_type": "Image"},
    {"_type": "List", "feature": {"_type": "ClassLabel", "names": ["sky", "road", "car"]}},
)


def png(pixels: Any, form: str = "PNG") -> bytes:
    """The bytes of an image's file."""
    data = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(data, form)
    return data.getvalue()


def cell(value: int | Sequence[Sequence[int]], path: str | None = None) -> dict[str, Any]:
    """A cell of the library: the bytes and the path of an image of 2 x 3 pixels of a value, or of some."""
    return {"bytes": png(np.full((2, 3), value) if isinstance(value, int) else value), "path": path}


def write_table(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    features: Mapping[str, Any] | None = None,
    group: int = 2,
    **more: Any,
) -> Path:
    """Write a Parquet file of rows, with the features of the `datasets` library."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([dict(row) for row in rows])
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group, **more)
    return path


def set_cell(cell: Cell, data: bytes | None) -> None:
    """Write the file anew with other bytes in a cell."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(cell.file)
    rows = table.to_pylist()
    rows[cell.row][cell.column]["bytes"] = data
    pq.write_table(pa.Table.from_pylist(rows, table.schema), cell.file, row_group_size=2)
