"""How LabelMe's XML keeps the objects of one image, and how they become its mask."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem, located
from segdata.files.images import read_stored
from segdata.files.limits import refuse_large
from segdata.files.opening import read_facts
from segdata.files.places import lies_below, place, read_bytes
from segdata.files.xml_text import Entities, parse_xml
from segdata.labels import Remap
from segdata.readers.classes.named import class_id_of
from segdata.readers.drawing import check_corners, clipped, draw_shapes
from segdata.readers.paint import Overlap, Shape, encode, rasterize
from segdata.readers.source import Drawn, Receipt, readable

Boxes = Literal["drop", "ignore", "class"]
"""What objects become that have a box and no outline: nothing, their box ignored, or their box of the class."""

FAR = 2**20
"""Coordinates further out than this are no places in an image."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object: its id, name, and outline (a box if `is_box`) or else the name of its mask's file."""

    id: int | None
    name: str
    deleted: bool
    is_box: bool
    polygon: Element | None
    mask: str | None


@dataclass(frozen=True, slots=True)
class Marked:
    """An XML file: the folder and name of its image, its size (height, width) if it is stated, and the objects."""

    folder: str
    image: str
    size: tuple[int, int] | None
    things: tuple[Thing, ...]

    @property
    def ids(self) -> Sequence[int]:
        """The ids of the objects; their places in the file, from 0, if not every one has an id of its own."""
        ids = [thing.id for thing in self.things if thing.id is not None]
        return ids if len(set(ids)) == len(self.things) else range(len(self.things))


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every image: the class ids by name (None: ignored), what no object covers (None: ignored), the policies."""

    ids: Mapping[str, int | None]
    background: int | None
    overlap: Overlap
    boxes: Boxes


@dataclass(frozen=True, slots=True)
class LabelmeObjects:
    """The objects of an XML file, the image that they are on, and the files of their masks, which lie in the folder `masks`."""

    path: str
    image: str | None
    masks: str
    mask_names: tuple[str, ...]
    rules: Rules

    @property
    def ids(self) -> Sequence[int | str]:
        """See `Marked.ids`; of a file that cannot be read, its name."""
        try:
            marked = read_marked(self.path)
        except DataError:
            marked = None
        return [os.path.basename(self.path)] if marked is None else marked.ids

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return (self.path, *(str(place(self.masks) / name) for name in self.mask_names if lies_below(name)))

    def draw(self, remap: Remap) -> Drawn:
        """Objects in the order of the file, the later over the earlier by default."""
        with located(file=self.path):
            marked = read_marked(self.path)
            if marked is None:
                raise DataError(Problem("labelmexml.xml", "no XML of LabelMe any more: convert again"))
            receipt = Receipt(annotations=len(marked.things))
            size = self._size(marked.size)
            shapes = self._shapes(marked, size, remap, receipt)
            return draw_shapes(shapes, size, remap, self.rules.background, self.rules.overlap, receipt, self.path)

    def _shapes(self, marked: Marked, size: tuple[int, int], remap: Remap, receipt: Receipt) -> list[Shape]:
        """The objects that have pixels, in file order; the others get their line."""
        shapes: list[Shape] = []
        for id, thing in zip(marked.ids, marked.things, strict=True):
            with located(annotation=id):
                corners = None if thing.polygon is None or thing.deleted else read_corners(thing.polygon)
                if (why := self._why_none(thing, corners)) is not None:
                    receipt.skipped.append(Problem(*why, self.path, None, id))
                    continue
                class_id = class_id_of(thing.name, self.rules.ids, "labelmexml.label", id)
                runs = (
                    self._mask_runs(str(thing.mask), size) if corners is None else outline(corners, thing.is_box, size)
                )
            if corners is not None and (corners.min() < 0 or (corners.max(axis=0) > size[::-1]).any()):
                receipt.clipped.append(clipped(self.path, id))
            receipt.boxes += thing.is_box
            class_id = None if thing.is_box and self.rules.boxes == "ignore" else class_id
            shapes.append(Shape(remap.value(class_id), runs, id))
        return shapes

    def _why_none(self, thing: Thing, corners: NDArray[np.float64] | None) -> tuple[str, str] | None:
        """The code and the reason if an object has no pixels."""
        if thing.deleted:
            return "labelmexml.deleted", "marked as deleted"
        if not thing.name:
            return "labelmexml.unnamed", "has no name"
        if corners is None:
            return None if thing.mask else ("labelmexml.empty", "has no polygon and no mask")
        if thing.is_box and self.rules.boxes == "drop":
            return "box.dropped", "has a box and no outline: --boxes class or ignore takes it"
        if len(corners) < (2 if thing.is_box else 3):
            return "polygon.degenerate", f"a polygon of {len(corners)} points"
        return None

    def _mask_runs(self, name: str, size: tuple[int, int]) -> bytes:
        """The run lengths of a mask in a file."""
        file = str(place(self.masks) / name)
        if not lies_below(name):
            raise DataError(Problem("labelmexml.mask", f"its mask {name!r} leads out of Masks/: correct it"))
        try:
            bits = object_bits(file)
        except DataError as error:
            if error.problem.code != "mask.missing":
                raise
            message = f"{error.problem.message}: put it there, or give the folder that holds Masks/ as SRC"
            raise DataError(replace(error.problem, message=message)) from error
        if bits.shape != size:
            what = f"its mask {name} is {bits.shape[1]} x {bits.shape[0]}, the image {size[1]} x {size[0]} (width x height)"
            raise DataError(Problem("labelmexml.mask", f"{what}: is it of another image?"))
        return encode(bits, *size)

    def _size(self, stated: tuple[int, int] | None) -> tuple[int, int]:
        """(height, width) as the file states it, or else that of the image."""
        if stated is None and self.image is None:
            message = "states no size (imagesize): add it, or read the images too (without --images none)"
            raise DataError(Problem("labelmexml.size", message))
        if stated is None:
            facts = read_facts(str(self.image))
            stated = facts.height, facts.width
        refuse_large(*stated, 1)
        return stated


def read_corners(polygon: Element) -> NDArray[np.float64]:
    """(N, 2) corners x, y as Datumaro keeps them: float32, to hundredths.

    Raises `DataError` (`labelmexml.point`, `polygon.nan`, `polygon.far`).
    """
    texts = [(point.findtext("x") or "", point.findtext("y") or "") for point in polygon.iter("pt")]
    try:
        given = np.array([(float(x), float(y)) for x, y in texts], np.float64).reshape(-1, 2)
    except ValueError as error:
        message = f"a point whose x or y is no number ({error}): correct it, or remove the object"
        raise DataError(Problem("labelmexml.point", message)) from error
    check_corners(given, FAR)
    return given.astype(np.float32).round(2).astype(np.float64)


def outline(corners: NDArray[np.float64], is_box: bool, size: tuple[int, int]) -> bytes:
    """The compressed run lengths of a polygon, or of the box around corners, on an image of `size` (height, width)."""
    if is_box:
        (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    return rasterize(corners, np.array([len(corners)]), *size)[0]


def object_bits(file: str) -> NDArray[np.uint8]:
    """(H, W) uint8, 1 where a mask is not 0 in a colour or in alpha. Alpha that is opaque everywhere says nothing.

    Raises `DataError` (`mask.*`).
    """
    pixels, _ = read_stored(file, expand=True)
    if pixels.ndim == 3:
        told = 4 if (pixels[..., 3] != 255).any() else 3
        pixels = pixels[..., :told].max(axis=2)
    bits: NDArray[np.bool_] = pixels != 0
    return bits.view(np.uint8)


# Reading


def read_marked(path: str) -> Marked | None:
    """An XML file; None for XML of something else. Raises `DataError` (`labelmexml.*`) for what is missing or damaged."""
    with located(file=path):
        with readable(path, "labelmexml.missing"):
            data = read_bytes(path)
        try:
            root = parse_xml(data)
        except Entities as error:
            raise DataError(Problem("labelmexml.xml", f"{error}, which are not read: remove them")) from error
        except (ValueError, RecursionError) as error:
            raise DataError(Problem("labelmexml.xml", f"no XML in UTF-8, perhaps cut off: {error}")) from error
        if root.tag != "annotation" or _of_voc(root):
            return None
        things = tuple(map(_thing, root.iter("object")))
        folder = "/".join(part for part in _text(root, "folder").replace("\\", "/").split("/") if part not in ("", "."))
        return Marked(folder, _text(root, "filename"), _stated_size(root), things)


def _of_voc(root: Element) -> bool:
    """Whether its objects are boxes of VOC."""
    objects = root.findall("object")
    return bool(objects) and all(one.find("bndbox") is not None and one.find("polygon/pt") is None for one in objects)


def _thing(element: Element) -> Thing:
    id, polygon = _text(element, "id"), element.find("polygon")
    return Thing(
        int(id) if id.isascii() and id.isdigit() and len(id) < 18 else None,
        _text(element, "name"),
        _text(element, "deleted") not in ("", "0"),
        polygon is not None and _text(element, "type") == "bounding_box",
        polygon,
        _text(element, "segm/mask") or None,
    )


def _stated_size(root: Element) -> tuple[int, int] | None:
    """(height, width) if both are stated."""
    rows, columns = _text(root, "imagesize/nrows"), _text(root, "imagesize/ncols")
    good = all(text.isascii() and text.isdigit() and len(text) < 10 and int(text) for text in (rows, columns))
    return (int(rows), int(columns)) if good else None


def _text(element: Element, path: str) -> str:
    """The text of an element below, without white space around it; empty if there is none."""
    return (element.findtext(path) or "").strip()
