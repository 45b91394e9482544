"""What mlcroissant 1.1.1 demands of a croissant.json, and recommends, without mlcroissant, whose dependencies are heavy.

Read off its nodes (mlcroissant/_src/structure_graph/nodes, https://github.com/mlcommons/croissant): what they call mandatory is
an error here, what they call recommended a warning. tools/bench/oracle_export_croissant.py runs the real one.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ATOMIC = {"sc:Integer", "sc:Text", "sc:Boolean", "sc:URL", "sc:ImageObject"}

CONTEXT = (
    "@language", "@vocab", "arrayShape", "citeAs", "column", "conformsTo", "containedIn", "cr", "rai", "data", "dataType", "dct",
    "description", "equivalentProperty", "examples", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "name", "parentField", "path", "recordSet", "references",
    "regex", "repeated", "replace", "samplingRate", "sc", "separator", "source", "subField", "transform",
)  # fmt: skip


def issues(root: Path) -> list[str]:
    """Its errors and warnings for the croissant.json in a folder, and what its files and paths do not agree about."""
    document = json.loads((root / "croissant.json").read_text(encoding="utf-8"))
    return [*of_head(document), *of_files(document, root), *of_records(document, root)]


def of_head(document: dict[str, Any]) -> Iterator[str]:
    """Faults of what is said of the dataset as a whole."""
    yield from (f"@context lacks {name}" for name in CONTEXT if name not in document["@context"])
    if document["@type"] != "sc:Dataset" or document["conformsTo"] != "http://mlcommons.org/croissant/1.1":
        yield "is no dataset of Croissant 1.1"
    recommended = ("name", "description", "license", "citeAs", "datePublished", "version")
    yield from (f"{name} is recommended" for name in recommended if not document.get(name))
    ids = [node["@id"] for node in nodes(document)]
    yield from (f"{id} is there twice" for id in sorted({id for id in ids if ids.count(id) > 1}))


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All objects with a type and an id."""
    if isinstance(value, dict):
        if "@type" in value and "@id" in value:
            yield value
        for key, one in value.items():
            if key not in ("@context", "data"):
                yield from nodes(one)
    if isinstance(value, list):
        for one in value:
            yield from nodes(one)


def of_files(document: dict[str, Any], root: Path) -> Iterator[str]:
    """Faults of the distribution. Every file below the root is in it, but segdata's own."""
    listed = {"segdata.json", "croissant.json", "receipt.json", "dataset.json", "manifest.jsonl", "shards/index.json"}
    files = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file()]
    for one in document["distribution"]:
        if not one.get("encodingFormat"):
            yield f"{one['@id']}: encodingFormat is mandatory"
        if one["@type"] == "cr:FileObject":
            path = root / one["contentUrl"]
            if hashlib.sha256(path.read_bytes()).hexdigest() != one["sha256"]:
                yield f"{path}: sha256"
            listed.add(one["contentUrl"])
        elif "containedIn" not in one:
            matched = [file for file in files if matches(file, one)]
            if not matched:
                yield f"{one['@id']} has no file"
            listed.update(matched)
    yield from (f"{file} is not in the distribution" for file in files if file not in listed)


def matches(file: str, file_set: dict[str, Any]) -> bool:
    """Whether a file is in a FileSet, as mlcroissant tells it."""
    return any(fnmatch.fnmatchcase(file, pattern) for pattern in file_set["includes"])


def of_records(document: dict[str, Any], root: Path) -> Iterator[str]:
    """Faults of the record sets."""
    known = {node["@id"] for node in nodes(document)}
    sets = {one["@id"]: one for one in document["distribution"]}
    for records in document["recordSet"]:
        fields = {field["@id"] for field in records["field"]}
        yield from (f"{records['@id']}: columns" for row in records.get("data", ()) if set(row) != fields)
        if "data" in records and not records["data"]:
            yield f"{records['@id']}: data is empty"
        keys = records["key"] if isinstance(records["key"], list) else [records["key"]]
        if not {key["@id"] for key in keys} <= fields:
            yield f"{records['@id']}: its key is no field"
        for field in records["field"]:
            kinds = field["dataType"] if isinstance(field["dataType"], list) else [field["dataType"]]
            if not ATOMIC & set(kinds):
                yield f"{field['@id']}: dataType"
            if ("source" in field) == ("data" in records):
                yield f"{field['@id']}: source"
            if (one := field.get("annotation")) and one["references"]["field"]["@id"] not in known:
                yield f"{field['@id']}: refers to nothing"
            if pattern := field.get("source", {}).get("transform", {}).get("regex"):
                file_set = sets[field["source"]["fileSet"]["@id"]]
                if "containedIn" in file_set:
                    continue
                for path in sorted(root.rglob("*")):
                    file = path.relative_to(root).as_posix()
                    if path.is_file() and matches(file, file_set) and not re.match(pattern, file):
                        yield f"{field['@id']}: {pattern} does not match {file}"


def names(root: Path, role: str) -> list[str]:
    """The names of the records of images, masks or labels, as the files give them."""
    document = json.loads((root / "croissant.json").read_text(encoding="utf-8"))
    sets = {one["@id"]: one for one in document["distribution"]}
    field = next(one for one in document["recordSet"] if one["@id"] == role)["field"][0]
    file_set = sets[field["source"]["fileSet"]["@id"]]
    found = []
    for path in sorted(root.rglob("*")):
        file = path.relative_to(root).as_posix()
        if path.is_file() and matches(file, file_set):
            match = re.match(field["source"]["transform"]["regex"], file)
            found.append(match[1] if match else file)
    return sorted(found)
