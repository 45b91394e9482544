"""The classes of BDD100K, by task: what the values of its masks and the categories of its frames mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from segdata.labels import RGB, Labels
from segdata.readers.source import SourceClass

LabelSet = Literal["sem_seg", "drivable", "lane", "lane_direction", "lane_style"]

VOID = 255
"""The value of masks that is no class."""

SEM_SEG: tuple[tuple[str, RGB], ...] = (
    ("road", (128, 64, 128)), ("sidewalk", (244, 35, 232)), ("building", (70, 70, 70)), ("wall", (102, 102, 156)),
    ("fence", (190, 153, 153)), ("pole", (153, 153, 153)), ("traffic light", (250, 170, 30)), ("traffic sign", (220, 220, 0)),
    ("vegetation", (107, 142, 35)), ("terrain", (152, 251, 152)), ("sky", (70, 130, 180)), ("person", (220, 20, 60)),
    ("rider", (255, 0, 0)), ("car", (0, 0, 142)), ("truck", (0, 0, 70)), ("bus", (0, 60, 100)), ("train", (0, 80, 100)),
    ("motorcycle", (0, 0, 230)), ("bicycle", (119, 11, 32)),
)  # fmt: skip
"""In the order of Cityscapes' train ids."""

DRIVABLE: tuple[tuple[str, RGB], ...] = (
    ("direct", (219, 94, 86)), ("alternative", (86, 211, 219)), ("background", (0, 0, 0)),
)  # fmt: skip

LANE: tuple[tuple[str, RGB], ...] = (
    ("crosswalk", (219, 94, 86)), ("double other", (219, 194, 86)), ("double white", (145, 219, 86)),
    ("double yellow", (86, 219, 127)), ("road curb", (86, 211, 219)), ("single other", (86, 111, 219)),
    ("single white", (160, 86, 219)), ("single yellow", (219, 86, 178)), ("background", (0, 0, 0)),
)  # fmt: skip

DIRECTIONS, STYLES = ("parallel", "vertical", "background"), ("solid", "dashed", "background")


@dataclass(frozen=True, slots=True)
class Task:
    """A task: its folder in labels/ and the folder of its images, its classes, and the class id by value of its masks."""

    folder: str
    images: str
    labels: Labels
    values: Mapping[int, int | None]

    @property
    def class_ids(self) -> dict[str, int]:
        """The class id by category."""
        return {name: i for i, name in enumerate(self.labels.names)}

    @property
    def background(self) -> int | None:
        """The class id of what no label covers; None: ignored."""
        return self.class_ids.get("background")

    def rows(self) -> tuple[SourceClass, ...]:
        """The receipt's table, a row per class."""
        return tuple(SourceClass(i, name, i) for i, name in enumerate(self.labels.names))


def task_of(labels: LabelSet) -> Task:
    """The task with these classes."""
    if labels == "sem_seg":
        values: dict[int, int | None] = {i: i for i in range(len(SEM_SEG))}
        return Task("sem_seg", "10k", _labels(SEM_SEG), {**values, VOID: None})
    if labels == "drivable":
        return Task("drivable", "100k", _labels(DRIVABLE), {0: 0, 1: 1, 2: 2, VOID: None})
    if labels == "lane":
        return Task("lane", "100k", _labels(LANE), lane_values(0, 3))
    names = DIRECTIONS if labels == "lane_direction" else STYLES
    return Task("lane", "100k", Labels.of(names), lane_values(5 if labels == "lane_direction" else 4, 1))


def lane_values(first: int, bits: int) -> dict[int, int | None]:
    """The class id by value of lane masks, of which some bits from the `first` on are the class, and bit 3 is the background."""
    background = len(LANE) - 1 if bits == 3 else 2
    return {value: background if value >> 3 & 1 else value >> first & (1 << bits) - 1 for value in (*range(64), VOID)}


def _labels(rows: tuple[tuple[str, RGB], ...]) -> Labels:
    return Labels.of([name for name, _ in rows], [color for _, color in rows])
