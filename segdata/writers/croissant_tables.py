"""What croissant.json says of Parquet tables whose rows are samples: a record per row, with a field per column."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

Json = dict[str, Any]

FOLDER = "data"
"""Where the tables are; `data/` is what their FileSet is called."""

SPLIT = rf"^{FOLDER}/(.+)-\d+-of-\d+[.]parquet$"

KINDS = {
    "id": ["sc:Text"],
    "image": ["sc:ImageObject"],
    "mask": ["cr:SegmentationMask", "sc:ImageObject", "cr:Label"],
    "classes": ["sc:Integer"],
}
"""What each column holds."""


def table_records(columns: Collection[str], *, splits: bool) -> Json:
    """The RecordSet of all rows: the columns of tables, and the `splits`, which the names of files tell."""
    fields = [_column(name) for name in columns]
    if splits:
        split = {
            "fileSet": {"@id": f"{FOLDER}/"},
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": SPLIT},
        }
        fields.append({**_field("split", ["sc:Text", "cr:Split"]), "source": split})
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "key": {"@id": "samples/id"},
        "field": fields,
    }


def _column(name: str) -> Json:
    """The Field of a column; of images and masks the bytes in its cells."""
    source: Json = {"fileSet": {"@id": f"{FOLDER}/"}, "extract": {"column": name}}
    if name in ("image", "mask"):
        source["transform"] = {"jsonPath": "bytes"}
    return {**_field(name, KINDS[name]), "source": source, **dict(_more(name))}


def _more(name: str) -> Iterator[tuple[str, Json | bool | str]]:
    """What the values of a column are."""
    value = {"references": {"field": {"@id": "classes/value"}}}
    if name == "mask":
        pixel = {**_field("mask/value", ["sc:Integer"]), "description": "The value of a pixel: a class, or ignored."}
        yield "annotation", {**pixel, **value}
    if name == "classes":
        yield "isArray", True
        yield "arrayShape", "-1"


def _field(name: str, kinds: Collection[str]) -> Json:
    """The start of a Field."""
    kind = list(kinds)
    id = f"samples/{name}"
    return {"@type": "cr:Field", "@id": id, "name": id, "dataType": kind if len(kind) > 1 else kind[0]}
