"""How CVAT keeps the shapes on an image or on a frame of a video, and how they become its mask: in its mask export's order.

Shapes of one group become one object of the class and the z_order of its largest. Objects lie over each other by z_order; at
the same z_order those without a group come first, then groups by number; within these turned boxes come last, and otherwise
the order of the file holds.

Source: MergeInstanceSegments, find_instances and CompiledMask in https://github.com/cvat-ai/datumaro, through which "Segmentation
mask 1.1" goes (https://github.com/cvat-ai/cvat, cvat/apps/dataset_manager/formats/mask.py).
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from segdata.errors import DataError, Problem, located
from segdata.files.limits import refuse_large
from segdata.files.opening import read_facts
from segdata.files.places import place, read_range
from segdata.files.xml_text import Element, parse_part
from segdata.labels import Remap
from segdata.readers.classes.named import class_id_of
from segdata.readers.cvat.figures import DRAWN, Figure, run_lengths
from segdata.readers.drawing import draw_shapes
from segdata.readers.paint import Overlap, Shape, area_of
from segdata.readers.source import Drawn, InShared, Receipt, readable

Groups = Literal["merge", "keep"]
"""What shapes of one group become: one object of one class, or each its own."""

UNDRAWN = {
    "polyline": "a polyline has no area",
    "points": "points have no area",
    "cuboid": "a cuboid is not drawn",
    "skeleton": "a skeleton has no area",
    "tag": "a tag is of the whole image",
}
"""What CVAT's mask export leaves out, and why."""


Valued = tuple[Element, str]
"""An element, and the value of the attribute that is the class, if it has it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all images of an XML: its path, class ids by label (None: ignored), and the policies."""

    file: str
    ids: Mapping[str, int | None]
    overlap: Overlap | None
    groups: Groups
    background: int | None
    attribute: str | None = None

    def value(self, figure: Figure, remap: Remap) -> int:
        """The mask value of a shape. Raises `DataError` (`cvat.label`)."""
        try:
            class_id = class_id_of(figure.label, self.ids, "cvat.label", figure.id)
        except DataError as error:
            message = f"{error.problem.message} (--classes FILE names all of them)"
            raise DataError(replace(error.problem, message=message)) from error
        return remap.value(class_id)

    def read(self, start: int, end: int, depth: int) -> list[Valued]:
        """The elements of a part of the file that lie so deep in it. Raises `DataError` (`cvat.missing`, `cvat.xml`)."""
        with readable(self.file, "cvat.missing"):
            data = read_range(place(self.file), start, end)
        try:
            return list(valued(parse_part(data), depth, self.attribute))
        except ValueError as error:
            message = f"has changed since it was listed ({error}): run again"
            raise DataError(Problem("cvat.xml", message, self.file)) from error


@dataclass(frozen=True, slots=True)
class ImageShapes(InShared):
    """The `count` shapes and tags of an `image` element. `image` is the file that gives the size if the element does not."""

    rules: Rules
    size: tuple[int, int] | None
    image: str | None
    start: int
    end: int
    count: int

    @property
    def ids(self) -> Sequence[int | str]:
        """Their places in the element, from 0."""
        return range(self.count)

    def draw(self, remap: Remap) -> Drawn:
        """The mask. Raises `DataError` (`cvat.*`)."""
        figures = [
            Figure(number, one.names[1], value or one.attributes.get("label", ""), one.attributes)
            for number, (one, value) in enumerate(self.rules.read(self.start, self.end, depth=2))
        ]
        return draw(self.rules, figures, size_of(self.size, self.image, self.rules.file), remap)


@dataclass(frozen=True, slots=True)
class FrameShapes(InShared):
    """The shapes on a frame. `places` has four numbers for each: the first byte and the end of its track's tag, and its own."""

    rules: Rules
    size: tuple[int, int] | None
    image: str | None
    places: array[int]

    @property
    def ids(self) -> Sequence[int | str]:
        """The tracks that list the frame; of an XML that has changed, the places of these."""
        try:
            return [figure.id for figure in self.figures()]
        except DataError:
            return range(len(self.places) // 4)

    def figures(self) -> list[Figure]:
        """The shapes, each with label and group of its track. Masks come first: for CVAT they are no tracks, but shapes."""
        figures = []
        for tag, tag_end, start, end in zip(*(self.places[i::4] for i in range(4)), strict=True):
            ((track, _),) = self.rules.read(tag, tag_end, depth=1)
            ((shape, value),) = self.rules.read(start, end, depth=1)
            label, id = value or track.attributes.get("label", ""), f"track {track.attributes.get('id', '')}"
            attributes = {**shape.attributes, "group_id": track.attributes.get("group_id", "0")}
            figures.append(Figure(id, shape.names[0], label, attributes))
        return sorted(figures, key=lambda figure: figure.kind != "mask")

    def draw(self, remap: Remap) -> Drawn:
        """The mask. Raises `DataError` (`cvat.*`)."""
        return draw(self.rules, self.figures(), size_of(self.size, self.image, self.rules.file), remap)


def valued(elements: Sequence[Element], depth: int, attribute: str | None) -> Iterator[Valued]:
    """The elements at a depth, each with the value of the `attribute` in it, or ""."""
    value = ""
    for one in elements:
        if len(one.names) == depth:
            yield one, value
            value = ""
        elif one.names[depth:] == ("attribute",) and one.attributes.get("name") == attribute:
            value = one.text.strip()


def size_of(size: tuple[int, int] | None, image: str | None, file: str) -> tuple[int, int]:
    """(height, width) as the XML states it, or else the image's. Raises `DataError` (`cvat.size`)."""
    if size is None and image is None:
        message = "states no size (width, height): add it, or convert with the images, not --images none"
        raise DataError(Problem("cvat.size", message, file))
    height, width = size or read_facts(str(image)).upright
    refuse_large(height, width, 1, file)
    if not height or not width:
        raise DataError(Problem("image.unreadable", "the image has no pixel", image))
    return height, width


def draw(rules: Rules, figures: Sequence[Figure], size: tuple[int, int], remap: Remap) -> Drawn:
    """The mask of the shapes on an image of `size` (height, width), in CVAT's order or that of an overlap policy."""
    receipt = Receipt(annotations=len(figures))
    with located(file=rules.file):
        drawable = [figure for figure in figures if is_drawn(figure, rules.file, receipt)]
        values = {figure.label: rules.value(figure, remap) for figure in drawable}
        objects = [Object(figure, rle, figure) for figure, rle in run_lengths(drawable, size, rules.file, receipt)]
        if rules.groups == "merge":
            objects = merge(objects, size, rules.file, receipt)
        if rules.overlap is None:
            objects.sort(key=lambda one: one.level)
        shapes = [Shape(values[one.leader.label], one.rle, one.figure.id) for one in objects]
        return draw_shapes(shapes, size, remap, rules.background, rules.overlap or "last", receipt, rules.file)


def is_drawn(figure: Figure, file: str, receipt: Receipt) -> bool:
    """Whether a shape is one that covers pixels; the others get their line."""
    code, why = f"cvat.{figure.kind}", UNDRAWN.get(figure.kind)
    if why is None and figure.kind not in DRAWN:
        code, why = "cvat.unknown", "is of a kind that is not known"
    elif why is None and figure.attributes.get("outside") == "1":
        code, why = "cvat.outside", "is marked as outside of the image"
    elif why is None and not figure.label.strip():
        code, why = "cvat.no_label", "has no label"
    if why is not None:
        receipt.skipped.append(Problem(code, why, file, None, figure.id))
    return why is None


# Groups and order


class Object(NamedTuple):
    """A shape and its compressed run lengths. It is drawn in the class and at the z_order of `leader`, itself or another."""

    figure: Figure
    rle: bytes
    leader: Figure
    group: int = 0

    @property
    def level(self) -> tuple[int, int, bool]:
        """Objects of lower levels lie under it."""
        return self.leader.whole("z_order", 0), self.group, self.figure.turned


def merge(objects: Sequence[Object], size: tuple[int, int], file: str, receipt: Receipt) -> list[Object]:
    """Give the shapes of each group its largest as their leader, the first of these in CVAT's order."""
    groups: dict[int, list[int]] = defaultdict(list)
    for number in sorted(range(len(objects)), key=lambda n: (objects[n].figure.turned, objects[n].level)):
        groups[objects[number].figure.whole("group_id", 0)].append(number)
    groups.pop(0, None)
    merged = list(objects)
    for group, members in groups.items():
        areas = {number: area_of(objects[number].rle, *size) for number in members if len(members) > 1}
        leader = objects[max(members, key=lambda number: areas.get(number, 0))].figure
        for number in members:
            figure = objects[number].figure
            merged[number] = objects[number]._replace(leader=leader, group=group)
            if figure.label != leader.label:
                what = f"{figure.label!r} in a group whose largest shape is {leader.label!r}: drawn as that"
                receipt.repaired.append(Problem("cvat.group", what, file, None, figure.id))
    return merged
