"""croissant.json: what an export is, in the form that catalogues of datasets and loaders read.

It follows Croissant 1.1 (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html). That does not
say how a mask of several classes is described: docs/croissant.md has a convention, which `classes` and `masks` below follow.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.layout import CARD, CROISSANT
from segdata.files.endings import ending
from segdata.files.places import file_digest, files_below, names_in, write_whole
from segdata.files.remote import Place, Remote
from segdata.labels import IGNORE, Labels
from segdata.writers.about import About
from segdata.writers.croissant_tables import table_records

Json = dict[str, Any]

CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{
        name: f"cr:{name}"
        for name in (
            "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract", "field",
            "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
            "parentField", "path", "readLines", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
            "sdVersion", "separator", "source", "subField", "transform", "unArchive", "value",
        )
    },
}  # fmt: skip
"""Appendix 1 of the specification, and two more names that mlcroissant looks for."""

MEDIA = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".tif": "image/tiff", ".tiff": "image/tiff",
    ".bmp": "image/bmp", ".gif": "image/gif", ".webp": "image/webp", ".json": "application/json", ".txt": "text/plain",
    ".csv": "text/csv", ".xml": "application/xml", ".yaml": "application/yaml", ".md": "text/markdown",
    ".py": "text/x-python", ".parquet": "application/x-parquet", ".geojson": "application/geo+json", ".tar": "application/x-tar",
    ".gpkg": "application/geopackage+sqlite3", ".npy": "application/octet-stream",
}  # fmt: skip

SPLIT: Final = "{split}"

USES = {
    "train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit", "Tr": "cr:TrainingSplit",
    "Ts": "cr:TestSplit",
}  # fmt: skip

MANY = 100
"""From so many folders on, they are not listed one by one."""

NOT_SAID = "NOASSERTION"
"""What SPDX writes where nobody says what a license is (https://spdx.github.io/spdx-spec/v2.3/package-information)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Where an export has the images, masks and label files of its samples.

    Paths are POSIX paths, in which `*` is a sample's name. It begins with the split, unless `{split}` stands before.

    Args:
        image: The images, without their ending.
        mask: Images whose values are classes, such as masks/*.png.
        values: What the values of those are: class ids (None: ignored). By default they are the class ids and the ignore value.
        labels: Label files of single images, such as labels/*.txt.
        columns: The columns of tables of samples, of formats that have these: see `croissant_tables`.
    """

    image: str = "images/*"
    mask: str | None = None
    values: Mapping[int, int | None] | None = None
    labels: str | None = None
    columns: Collection[str] = ()


def meaning_of(table: Sequence[int] | NDArray[np.unsignedinteger[Any]], labels: Labels) -> dict[int, int | None]:
    """What the values of masks are, as `Shown` wants it, from the value of each mask value of the dataset."""
    return {int(table[labels.ignore]): None, **{int(table[label.id]): label.id for label in labels.classes}}


@dataclass(frozen=True, slots=True)
class Described:
    """What there is to describe.

    `number`: of samples. `files`: those of each sample, or of a shard of several, as POSIX paths, with its split. `holds`: all
    names at the top of the folder. `day`: when the dataset was written, as 2026-01-31. `shards`: the tar files that hold all
    files, each with its SHA-256; names begin with digits there.
    """

    name: str
    format: str
    labels: Labels
    number: int
    files: Sequence[tuple[str | None, Collection[str]]]
    holds: Collection[str]
    day: str | None
    shards: Mapping[str, str] = field(default_factory=dict)


def day_of(dataset: Dataset) -> str | None:
    """The day on which a dataset was written, in UTC; None if it is not on this machine."""
    if isinstance(dataset.root, Remote):
        return None
    try:
        return datetime.fromtimestamp((dataset.root / CARD).stat().st_mtime, UTC).date().isoformat()
    except OSError:
        return None


def write_croissant(root: Place, described: Described, shown: Shown, about: About) -> None:
    """Write croissant.json for the files below `root`, which are all there."""
    document = {**head(described, about), **contents(root, described, shown)}
    write_whole(root / CROISSANT, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())


def head(described: Described, about: About) -> Json:
    """What is said of the dataset as a whole. What nobody said is left out, or its own word says that nobody did."""
    name, number = described.name, described.number
    said: Json = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": name,
        "description": f"{number:,} samples for semantic segmentation, {len(described.labels.classes):,} classes. "
        f"Exported from {name} to {described.format} by segdata.",
        "license": about.license or NOT_SAID,
        "url": about.url,
        "creator": about.creators(),
        "datePublished": about.published or described.day,
        "version": about.data_version or "1.0.0",
        "citeAs": about.cite_as or f"{name}, {number:,} samples for semantic segmentation.",
    }
    return {key: value for key, value in said.items() if value}


def contents(root: Place, described: Described, shown: Shown) -> Json:
    """The files, and the records that they hold."""
    paths = {"masks": shown.mask, "labels": shown.labels, "images": f"{shown.image}.*"}
    roles = {role: path for role, path in paths.items() if path is not None}
    found, others = by_role(described, roles)
    globs = {role: {_glob(file, roles[role]) for _, file in files} for role, files in found.items()}
    sets = [_file_set(f"{role}-files", some) for role, some in globs.items()]
    records = [_records(role, roles[role], files) for role, files in found.items() if _is_read(role, files)]
    classes = _classes(described.labels, shown.values)
    if described.shards:
        return {"distribution": [*_in_shards(sets, described.shards)], "recordSet": [classes, *records]}
    splits = sorted({split for split, _ in described.files if split is not None})
    own = {path for _, files in described.files for path in files}
    tables = [table_records(shown.columns, splits=bool(splits))] if shown.columns else []
    return {
        "distribution": [*sets, *_rest(root, described.holds, own, others)],
        "recordSet": [classes, *([_splits(splits)] if splits else []), *records, *tables],
    }


def by_role(described: Described, roles: Mapping[str, str]) -> tuple[dict[str, list[tuple[str | None, str]]], set[str]]:
    """The files that a path of each role fits, each with its split, and patterns of all others. The first role wins."""
    patterns = {role: pattern_of(path) for role, path in roles.items()}
    found: dict[str, list[tuple[str | None, str]]] = {role: [] for role in roles}
    others: set[str] = set()
    for split, files in described.files:
        for path in files:
            role = next((role for role, pattern in patterns.items() if pattern.fullmatch(path)), None)
            if role is None:
                others.add(_glob(path))
            else:
                found[role].append((split, path))
    return {role: files for role, files in found.items() if files}, others


def _in_shards(sets: Sequence[Json], shards: Mapping[str, str]) -> Iterable[Json]:
    """The shards, and the FileSets in all of them. An image is told from a mask by the digit before its ending."""
    yield from (_file_object(path, "application/x-tar", sha256) for path, sha256 in shards.items())
    for one in sets:
        globs = [name.replace("*", "*[0-9]") if one["@id"] == "images-files" else name for name in one["includes"]]
        yield {**one, "containedIn": [{"@id": path} for path in shards], "includes": globs}


def _file_object(path: str, media: str, sha256: str) -> Json:
    """A FileObject of a file that lies below the root."""
    common = {"@type": "cr:FileObject", "@id": path, "name": path, "contentUrl": path}
    return {**common, "encodingFormat": media, "sha256": sha256}


def top_of(path: str) -> str:
    """The name at the top of a folder that a file below it has."""
    return path.partition("/")[0]


def pattern_of(path: str, wanted: Literal["*", "{split}"] = "*") -> re.Pattern[str]:
    """The expression for the files at a path, with what is wanted of them in a group; `.*` at the end is an ending.

    A split that has no place of its own in the path is where the name begins.
    """
    held = {"*": ".+", SPLIT: "[^/]+"}
    if wanted == SPLIT and SPLIT not in path:
        path = path.replace("*", f"{SPLIT}/*", 1)
    parts = re.split(r"(\*|\{split\})", path.removesuffix(".*"))
    text = "".join(f"({held[part]})" if part == wanted else held.get(part) or re.escape(part) for part in parts)
    return re.compile(f"^{text}{r'[.][^./]+' if path.endswith('.*') else ''}$")


def _glob(file: str, path: str = "*.*") -> str:
    """The files in a file's folder that are called as it is, as a pattern: as the end of `path`, or by its ending."""
    folder, slash, _ = file.rpartition("/")
    last = path.rpartition("/")[2]
    name = last.removesuffix(".*") + ending(file) if last.endswith(".*") else last
    return re.sub(r"([*?[])", r"[\1]", folder) + slash + name


def _file_set(id: str, globs: set[str]) -> Json:
    """A FileSet of all files that the patterns fit."""
    includes = sorted(globs)
    if len(globs) > MANY:
        tops = {(top_of(one), one.rpartition("/")[2]) for one in globs}
        includes = sorted(f"{top}/{any}{name}" for top, name in tops for any in ("", "**/"))
    media = {MEDIA.get(ending(one), "application/octet-stream") for one in globs}
    media |= {MEDIA[".json"]} if MEDIA[".geojson"] in media else set()
    return {"@type": "cr:FileSet", "@id": id, "name": id, "encodingFormat": sorted(media), "includes": includes}


def _rest(root: Place, holds: Collection[str], own: Collection[str], others: Collection[str]) -> Iterable[Json]:
    """What is not the images, masks and labels of samples: `others` of their `own` files, folder by folder, and common files."""
    folders: dict[str, set[str]] = defaultdict(set)
    for one in others:
        folders[f"{top_of(one)}/" if "/" in one else "other-files"].add(one)
    with_own = {
        str(folder)
        for one in {path.rpartition("/")[0] for path in own}
        for folder in (one, *PurePosixPath(one).parents)
    }
    for name in sorted(set(holds) - set(own)):
        yield from _common(root, name, own, with_own)
    yield from (_file_set(id, globs) for id, globs in sorted(folders.items()))


def _common(root: Place, path: str, own: Collection[str], with_own: Collection[str]) -> Iterable[Json]:
    """A file that all samples have in common, or all such below a folder. `with_own`: the folders of files of samples."""
    if (root / path).is_file():
        yield _common_file(root, path)
    elif path in with_own:
        here = (f"{path}/{name}" for name in sorted(names_in(root / path)))
        yield from (one for below in here if below not in own for one in _common(root, below, own, with_own))
    elif globs := {_glob(f"{path}/{name}") for name in files_below(root / path)}:
        yield _file_set(f"{path}/", globs)


def _common_file(root: Place, path: str) -> Json:
    """A file that all samples have in common."""
    return _file_object(path, MEDIA.get(ending(path), "application/octet-stream"), file_digest(root / path))


def _classes(labels: Labels, values: Mapping[int, int | None] | None) -> Json:
    """The classes: what each value of a mask is."""
    meaning = values or {**{one.id: one.id for one in labels.classes}, labels.ignore: None}
    fields = {"value": "sc:Integer", "name": "sc:Text", "id": "sc:Integer", "color": "sc:Text", "ignored": "sc:Boolean"}
    rows = []
    for value, id in sorted(meaning.items()):
        name = IGNORE if id is None else labels.classes[id].name
        color = "#ffffff" if id is None else "#{:02x}{:02x}{:02x}".format(*labels.classes[id].color)
        rows.append((value, name, labels.ignore if id is None else id, color, id is None))
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": "What each value of a mask is: a class, its id in segdata, and its colour. Ignored pixels have no class.",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/value"},
        "field": [_field(f"classes/{name}", kind) for name, kind in fields.items()],
        "data": [{f"classes/{name}": one for name, one in zip(fields, row, strict=True)} for row in rows],
    }


def _splits(splits: Sequence[str]) -> Json:
    """The splits, and which of them are to train, to choose and to test by."""
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [_field("splits/name", "sc:Text"), _field("splits/url", "sc:URL")],
        "data": [{"splits/name": split, "splits/url": USES.get(split, "cr:Split")} for split in splits],
    }


def _is_read(role: str, files: Sequence[tuple[str | None, str]]) -> bool:
    """Whether files can be the source of records: label files only if they are text or JSON."""
    return role != "labels" or {ending(path) for _, path in files} <= {".txt", ".json", ".geojson"}


def _records(role: str, path: str, files: Sequence[tuple[str | None, str]]) -> Json:
    """The images, masks or label files of the samples, one record each: its name, which all three share, its split and itself."""
    fields = [_field(f"{role}/name", "sc:Text", role, "fullpath", pattern_of(path).pattern)]
    in_split = pattern_of(path, SPLIT)
    if all(split is not None and (found := in_split.match(file)) and found[1] == split for split, file in files):
        fields.append(_field(f"{role}/split", ["sc:Text", "cr:Split"], role, "fullpath", in_split.pattern))
    key = [{"@id": field["@id"]} for field in (fields if SPLIT in path else fields[:1])]
    if role == "images":
        fields.append(_field("images/image", "sc:ImageObject", role, "content"))
    if role == "masks":
        mask = _field("masks/mask", ["cr:SegmentationMask", "sc:ImageObject", "cr:Label"], role, "content")
        mask["annotation"] = {
            **_field("masks/mask/value", "sc:Integer"),
            "description": "The value of a pixel: a class, or ignored.",
            "references": {"field": {"@id": "classes/value"}},
        }
        fields.append(mask)
    if role == "labels" and {ending(path) for _, path in files} == {".txt"}:
        fields.append(_field("labels/outlines", ["cr:SegmentationMask", "sc:GeoShape", "sc:Text"], role, "content"))
    return {"@type": "cr:RecordSet", "@id": role, "name": role, "key": key, "field": fields}


def _field(id: str, kind: str | Sequence[str], files: str = "", of: str = "", regex: str = "") -> Json:
    """A Field; of files, with a property of theirs."""
    field: Json = {"@type": "cr:Field", "@id": id, "name": id, "dataType": kind}
    if files:
        field["source"] = {"fileSet": {"@id": f"{files}-files"}, "extract": {"fileProperty": of}}
    if regex:
        field["source"]["transform"] = {"regex": regex}
    return field
