"""The format that a source is most like which no format fits, from names and the first bytes of a few files."""

from __future__ import annotations

import re
from collections.abc import Callable
from posixpath import basename, dirname
from typing import NamedTuple

from segdata.files.remote import Place
from segdata.readers.sight import LOOKED_AT, Sight, look


class Near(NamedTuple):
    """A format, and the file that is like one of it."""

    format: str
    file: str


def nearest(root: Place) -> Near | None:
    """The format that a file or folder is most like; None if it is like none."""
    sight = look(root)
    for format, find in KINDS:
        if (file := find(sight)) is not None:
            return Near(format, file)
    return None


# One of each kind

Find = Callable[[Sight], str | None]


def _holding(ending: str, *texts: str) -> Find:
    return lambda sight: sight.holding(ending, *texts)


def _called(name: str) -> Find:
    """A path in which a regular expression is found."""
    return lambda sight: next((path for path in sight.files if re.search(name, path)), None)


def yolo_text(sight: Sight, numbers: str) -> str | None:
    """A text of lines `class x y ...`, `numbers` how many there are."""
    texts = [path for path in sight.ending(".txt") if not basename(path).startswith(("classes", "README"))]
    near = sorted(texts, key=lambda path: "labels" not in dirname(path).lower().split("/"))
    for path in near[: 4 * LOOKED_AT]:
        if re.match(rf"\s*\d+([ \t]+-?\d*\.?\d+(e-?\d+)?){numbers}[ \t\r]*(\n|$)", sight.start(path)):
            return path
    return None


def _yolo_table(sight: Sight) -> str | None:
    """A class table of YOLO, and labels/ of texts, even if these are empty."""
    texts = any("labels" in dirname(path).lower().split("/") for path in sight.ending(".txt"))
    return sight.holding(".yaml", "(?m)^names:") if texts else None


KINDS: tuple[tuple[str, Find], ...] = (
    ("labelme", _holding(".json", '"shapes"', '"(imagePath|imageHeight|points)"')),
    (
        "labelstudio",
        _holding(".json", '"from_name"|"(polygon|brush)labels"', '"(annotations|completions|result|image)"'),
    ),
    ("supervisely", _holding(".json", '"(classTitle|projectType)"|"geometry_?[cC]onfig"')),
    ("bdd100k", _holding(".json", '"poly2d"')),
    ("cvat", _holding(".xml", "<annotations", "<(image|track|task|meta)[ >]")),
    ("labelmexml", _holding(".xml", "<annotation", "<(polygon|segm)>")),
    ("yolo", lambda sight: yolo_text(sight, "{6,}")),
    ("yolo", _yolo_table),
    ("nnunet", _called(r"(^|/)imagesTr/[^/]+_0000\.[^/]+$")),
    ("nnunet", _holding("dataset.json", '"(channel_names|modality)"')),
    ("hf", _called(r"(?i)\.parquet$")),
    ("mapillary", _holding(".json", '"labels"', '"readable"')),
    ("mapillary", _called(r"(^|/)v\d\.\d/(labels|instances)/")),
    ("ade20k", _called(r"(^|/)objectInfo150|(^|/)ADE_(train|val)_\d+")),
    ("sbd", _called(r"(^|/)(cls|inst|GTcls|GTinst)/[^/]+\.mat$")),
    ("cocostuff", _called(r"_labelTrainIds\.png$|(^|/)stuffthingmaps|(^|/)COCO_train2014_\d+\.mat$")),
    ("cityscapes", _called(r"_gt(Fine|Coarse)_|(^|/)gt(Fine|Coarse)/|_leftImg8bit\.")),
    ("voc", _called("(^|/)SegmentationClass[^/]*/")),
    ("pets", _called("(^|/)trimaps/")),
    ("coco", _holding(".json", '"(images|annotations)"\\s*:\\s*\\[|"category_id"')),
)
"""In the order in which they are asked."""
