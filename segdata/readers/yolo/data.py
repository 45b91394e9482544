"""What a set of Ultralytics says of itself: the classes, the splits and where their images lie, from its YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from segdata.errors import DataError, OptionError, Problem, located
from segdata.files.places import below, place
from segdata.files.remote import Place
from segdata.readers.classes.files import read_classes
from segdata.readers.classes.json_yaml import yaml_values
from segdata.readers.classes.named import NamedClass
from segdata.readers.detect import shown
from segdata.readers.source import Input, Receipt, read_text
from segdata.words import some

SPLITS = ("train", "val", "test", "minival")
"""The keys of a YAML that are splits. `validation` is read if there is no `val`."""

CLASS_FILES = ("classes.txt", "labels/classes.txt")

NONE = ("", "~", "null", "Null", "NULL")
"""How YAML writes nothing."""

DATA_YAML = "data.yaml"

NAMES = re.compile(r"^[\"']?(names|nc)[\"']?\s*:", re.MULTILINE)

CLASSES = "name the classes in a file, one per line in order of their numbers: --classes FILE"


@dataclass(frozen=True, slots=True)
class Data:
    """A YAML: where its paths start (None: it does not say), classes, the paths of each split, numbers of a key point line."""

    file: str
    path: str | None = None
    names: Sequence[NamedClass] | None = None
    splits: Mapping[str | None, list[str]] = field(default_factory=dict)
    keypoints: int = 0


def find_data(root: Place, data: str | Path | None) -> Place | None:
    """The YAML of a set; None if there is none. Raises `OptionError` if `data` is none, or if several may be meant."""
    if data is not None:
        found = next((path for path in (place(data), root / data) if path.is_file()), None)
        if found is None:
            raise OptionError(f"--data {data}: there is no such file, here or in {root}")
        return found
    if root.is_file():
        return root
    there = [path for pattern in ("*.yaml", "*.yml") for path in shown(root, pattern) if names_classes(path)]
    chosen = [path for path in there if path.name == DATA_YAML] or [path for path in there if path.stem == root.name]
    if len(there) > 1 and not chosen:
        raise OptionError(f"{root}: holds {some(path.name for path in there)}: name the one that is meant with --data")
    return next(iter(chosen or there), None)


def names_classes(path: Place) -> bool:
    """Whether a YAML has `names` or `nc`; also if it is data.yaml and cannot be read, which is told later."""
    try:
        return NAMES.search(read_text(path, "yolo.yaml")) is not None
    except DataError:
        return path.name == DATA_YAML


def read_data(path: Place) -> Data:
    """A YAML. Raises `DataError` (`yolo.yaml`), `MissingDependency` without PyYAML."""
    with located(file=path.name):
        try:
            values = msgspec.convert(yaml_values(read_text(path, "yolo.yaml")), dict[str, Any])
            splits = splits_of(values)
            start = values.get("path")
            where = None if start is None or str(start) in NONE else str(start)
            return Data(path.name, where, names_of(values), splits, keypoints_of(values.get("kpt_shape")))
        except (ValueError, RecursionError, msgspec.ValidationError) as error:
            message = f"not a YAML of names, train, val: {' '.join(str(error).split())}"
            raise DataError(Problem("yolo.yaml", message)) from error


def splits_of(values: dict[str, Any]) -> dict[str | None, list[str]]:
    """The paths of each split: by `splits`, a key that segdata writes if they have other names, or else by the usual keys.

    Raises `ValueError`.
    """
    own = values.get("splits")
    if isinstance(own, dict) and own and all(str(path).startswith("images/") for path in own.values()):
        return {str(name) or None: paths_of(path, str(name)) for name, path in own.items()}
    splits: dict[str | None, list[str]] = {
        name: paths for name in SPLITS if (paths := paths_of(values.get(name), name))
    }
    if "val" not in splits and (paths := paths_of(values.get("validation"), "validation")):
        splits["val"] = paths
    return splits


def paths_of(value: Any, key: str) -> list[str]:
    """The folders and lists of a split. Raises `ValueError`."""
    given = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int) for one in given):
        raise ValueError(f"{key} is no path and no list of paths")
    return [str(one) for one in given if str(one) not in NONE]


def names_of(values: dict[str, Any]) -> list[NamedClass] | None:
    """The classes; None if there are neither `names` nor `nc`, their number. Raises `ValueError`."""
    names, count = values.get("names"), values.get("nc")
    if count is not None and not re.fullmatch(r"\d{1,5}(\.0*)?", str(count), re.ASCII):
        raise ValueError(f"nc is {str(count)[:40]!r}, and must be a number of classes")
    total = None if count is None else int(float(count))
    if names is None or names == "":
        return None if total is None else [NamedClass(i, name) for i, name in enumerate(unnamed(total))]
    if not isinstance(names, list | dict):
        raise ValueError("names is no list of names and no map {number: name}")
    pairs = list(enumerate(names)) if isinstance(names, list) else list(names.items())
    if not pairs or not all(isinstance(name, str | int) and str(name).strip() for _, name in pairs):
        raise ValueError("names holds no names, or something that is none")
    if not all(re.fullmatch(r"\d{1,5}", str(number), re.ASCII) for number, _ in pairs):
        raise ValueError("a key of names is no class number")
    if total is not None and total != len(pairs):
        raise ValueError(f"nc is {total}, but there are {len(pairs)} names")
    return [NamedClass(int(number), str(name)) for number, name in pairs]


def unnamed(count: int) -> list[str]:
    """What Ultralytics calls classes of which only the number is told."""
    return [f"class_{i}" for i in range(count)]


def keypoints_of(value: Any) -> int:
    """How many numbers a line of a box and key points has, by `kpt_shape`; 0 if the set has none. Raises `ValueError`."""
    if value is None:
        return 0
    points, numbers = msgspec.convert(value, tuple[int, int])
    return 5 + points * numbers


def classes_beside(root: Place, receipt: Receipt) -> tuple[list[NamedClass], tuple[Input, ...]]:
    """The classes of a classes.txt, where no YAML names any. Raises `DataError` (`yolo.missing`, `classes.*`)."""
    path = next((root / name for name in CLASS_FILES if (root / name).is_file()), None)
    if path is None:
        message = f"there is no {DATA_YAML} with names, and no classes.txt: {CLASSES}, or give the YAML: --data FILE"
        raise DataError(Problem("yolo.missing", message, str(root)))
    entries = read_classes(path, receipt)
    receipt.notes.append(f"{below(path, root)}: names {len(entries)} classes")
    return [NamedClass(entry.value, entry.source_name, entry.color) for entry in entries], (Input.of(path),)
