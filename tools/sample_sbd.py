"""A small set in the layout of the Semantic Boundaries Dataset, with MAT files as MATLAB writes them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sample_scenes import PLACES, compose

VOC = {"bird": 3, "boat": 4, "car": 7, "cow": 10, "dog": 12, "person": 15}

LISTS = {"train": ("2008_000002", "2008_000003", "2008_000007", "2008_000008"), "val": ("2008_000009", "2008_000016")}

KINDS = {"float64": (6, 9), "uint8": (9, 2), "uint16": (11, 4), "int32": (12, 5)}
"""The class of an array, and the type of its data."""


def make_sbd(out: Path) -> None:
    """benchmark_RELEASE/dataset with img/, cls/, inst/, train.txt, val.txt and train_noval.txt."""
    root = out / "benchmark_RELEASE/dataset"
    for kind in ("img", "cls", "inst"):
        (root / kind).mkdir(parents=True)
    for number, name in enumerate(name for names in LISTS.values() for name in names):
        c = compose(500 + number, (96, 128), list(PLACES)[number % 4])
        owners = c.owners()
        kept = [k for k, thing in enumerate(c.things) if thing.name in VOC and (owners == k).any()]
        classes, objects = np.zeros(owners.shape, np.uint8), np.zeros(owners.shape, np.uint8)
        for place, k in enumerate(kept, 1):
            objects[owners == k], classes[owners == k] = place, VOC[c.things[k].name]
        categories = np.array([[VOC[c.things[k].name]] for k in kept], np.float64).reshape(len(kept), 1)
        Image.fromarray(c.image()).save(root / f"img/{name}.jpg", quality=90)
        edges = cell([sparse(np.argwhere(classes == value)[:9], classes.shape) for value in range(1, 21)])
        present = numbers(np.unique(classes[classes > 0]).astype(np.float64)[:, None])
        write_mat(root / f"cls/{name}.mat", {"GTcls": record(
            {"Segmentation": numbers(classes), "Boundaries": edges, "CategoriesPresent": present})})  # fmt: skip
        write_mat(root / f"inst/{name}.mat", {"GTinst": record(
            {"Segmentation": numbers(objects), "Boundaries": edges, "Categories": numbers(categories)})})  # fmt: skip
    for split, names in {**LISTS, "train_noval": LISTS["train"][:3]}.items():
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


# MAT files, version 5 (https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf)

Part = tuple[int, tuple[int, ...], bytes]
"""An array: its class, shape and content."""


def numbers(array: NDArray[Any]) -> Part:
    """An array of numbers."""
    kind, data = KINDS[array.dtype.name]
    return kind, array.shape, element(data, array.tobytes(order="F"))


def sparse(places: NDArray[np.int64], shape: tuple[int, ...]) -> Part:
    """A sparse logical matrix that is true at places (row, column)."""
    order = np.lexsort((places[:, 0], places[:, 1]))
    starts = np.searchsorted(places[order, 1], np.arange(shape[1] + 1))
    content = element(5, places[order, 0].astype("<i4").tobytes()) + element(5, starts.astype("<i4").tobytes())
    return 5 | 0x200, shape, content + element(9, np.ones(len(places), "<f8").tobytes())


def cell(parts: Sequence[Part]) -> Part:
    """A column of arrays."""
    return 1, (len(parts), 1), b"".join(matrix("", part) for part in parts)


def texts(names: Sequence[str]) -> Part:
    """A column of texts."""
    return cell([(4, (1, len(name)), element(4, name.encode("utf-16-le"))) for name in names])


def record(fields: Mapping[str, Part]) -> Part:
    """A struct of these fields."""
    keys = element(5, struct.pack("<i", 32)) + element(1, b"".join(name.encode().ljust(32, b"\0") for name in fields))
    return 2, (1, 1), keys + b"".join(matrix("", part) for part in fields.values())


def element(kind: int, data: bytes) -> bytes:
    """Data with its type and size; up to four bytes are a small element."""
    if 0 < len(data) <= 4:
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(name: str, part: Part) -> bytes:
    """An array of this name."""
    flags, shape, content = part
    head = element(6, struct.pack("<II", flags, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, head + element(1, name.encode()) + content)


def write_mat(path: Path, variables: Mapping[str, Part], compressed: bool = True) -> None:
    """Write variables, each deflated as MATLAB does it."""
    head = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + struct.pack("<H2s", 0x100, b"IM")
    parts = [matrix(name, part) for name, part in variables.items()]
    if compressed:
        parts = [struct.pack("<II", 15, len(data)) + data for data in map(zlib.compress, parts)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + b"".join(parts))
