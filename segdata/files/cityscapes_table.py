"""Cityscapes' table of labels, and what its files are called.

https://github.com/mcordts/cityscapesScripts (README.md, helpers/labels.py).
"""

from __future__ import annotations

from typing import NamedTuple

from segdata.labels import RGB

VOID_TRAIN_ID = 255

IMAGES, FINE = "leftImg8bit", "gtFine"

LABEL_IDS, TRAIN_IDS, INSTANCE_IDS, POLYGONS = "labelIds.png", "labelTrainIds.png", "instanceIds.png", "polygons.json"

COLOR = "color.png"
"""For people to look at; when reading it only tells whether the labels are those of the table."""

LABEL_COLORS, CLASSES_JSON = "label_colors.txt", "classes.json"
"""Class files that a set with labels of its own may bring. Datumaro writes the first."""

GROUP = "group"
"""Behind a label in polygons.json: several objects that nobody told apart."""


class Row(NamedTuple):
    """A label of the official table. A train id of 255 or -1 is void; the label id -1 is no class at all."""

    name: str
    id: int
    train_id: int
    category: str
    category_id: int
    color: RGB


TABLE = (
    Row("unlabeled", 0, 255, "void", 0, (0, 0, 0)),
    Row("ego vehicle", 1, 255, "void", 0, (0, 0, 0)),
    Row("rectification border", 2, 255, "void", 0, (0, 0, 0)),
    Row("out of roi", 3, 255, "void", 0, (0, 0, 0)),
    Row("static", 4, 255, "void", 0, (0, 0, 0)),
    Row("dynamic", 5, 255, "void", 0, (111, 74, 0)),
    Row("ground", 6, 255, "void", 0, (81, 0, 81)),
    Row("road", 7, 0, "flat", 1, (128, 64, 128)),
    Row("sidewalk", 8, 1, "flat", 1, (244, 35, 232)),
    Row("parking", 9, 255, "flat", 1, (250, 170, 160)),
    Row("rail track", 10, 255, "flat", 1, (230, 150, 140)),
    Row("building", 11, 2, "construction", 2, (70, 70, 70)),
    Row("wall", 12, 3, "construction", 2, (102, 102, 156)),
    Row("fence", 13, 4, "construction", 2, (190, 153, 153)),
    Row("guard rail", 14, 255, "construction", 2, (180, 165, 180)),
    Row("bridge", 15, 255, "construction", 2, (150, 100, 100)),
    Row("tunnel", 16, 255, "construction", 2, (150, 120, 90)),
    Row("pole", 17, 5, "object", 3, (153, 153, 153)),
    Row("polegroup", 18, 255, "object", 3, (153, 153, 153)),
    Row("traffic light", 19, 6, "object", 3, (250, 170, 30)),
    Row("traffic sign", 20, 7, "object", 3, (220, 220, 0)),
    Row("vegetation", 21, 8, "nature", 4, (107, 142, 35)),
    Row("terrain", 22, 9, "nature", 4, (152, 251, 152)),
    Row("sky", 23, 10, "sky", 5, (70, 130, 180)),
    Row("person", 24, 11, "human", 6, (220, 20, 60)),
    Row("rider", 25, 12, "human", 6, (255, 0, 0)),
    Row("car", 26, 13, "vehicle", 7, (0, 0, 142)),
    Row("truck", 27, 14, "vehicle", 7, (0, 0, 70)),
    Row("bus", 28, 15, "vehicle", 7, (0, 60, 100)),
    Row("caravan", 29, 255, "vehicle", 7, (0, 0, 90)),
    Row("trailer", 30, 255, "vehicle", 7, (0, 0, 110)),
    Row("train", 31, 16, "vehicle", 7, (0, 80, 100)),
    Row("motorcycle", 32, 17, "vehicle", 7, (0, 0, 230)),
    Row("bicycle", 33, 18, "vehicle", 7, (119, 11, 32)),
    Row("license plate", -1, -1, "vehicle", 7, (0, 0, 142)),
)
