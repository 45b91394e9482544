"""The labels of COCO-Stuff: their names by id, what the values of each kind of mask mean, and the classes that options choose.

Label 0 is `unlabeled`, 1 to 91 are things, 92 to 182 stuff; 11 of the things were never annotated. The table is labels.txt of
https://github.com/nightrome/cocostuff; train ids are those of MMSegmentation's tools/dataset_converters/coco_stuff*.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from segdata.errors import DataError, Problem
from segdata.files.remote import Place
from segdata.labels import BACKGROUND, Labels
from segdata.readers.classes.named import Background
from segdata.readers.label_files import Meaning
from segdata.readers.source import SourceClass, read_text

LabelSet = Literal["all", "ids", "stuff", "things"]

Others = Literal["class", "ignore"]

Kind = Literal["map", "train-ids-164k", "train-ids-10k", "pixelmap", "mat", "mat-1.0"]
"""How masks number the labels."""

NAMES = (
    "unlabeled", "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "street sign", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "hat", "backpack", "umbrella", "shoe", "eye glasses", "handbag", "tie",
    "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard",
    "surfboard", "tennis racket", "bottle", "plate", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana",
    "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "mirror", "dining table", "window", "desk", "toilet", "door", "tv", "laptop", "mouse", "remote",
    "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "blender", "book", "clock", "vase",
    "scissors", "teddy bear", "hair drier", "toothbrush", "hair brush", "banner", "blanket", "branch", "bridge",
    "building-other", "bush", "cabinet", "cage", "cardboard", "carpet", "ceiling-other", "ceiling-tile", "cloth", "clothes",
    "clouds", "counter", "cupboard", "curtain", "desk-stuff", "dirt", "door-stuff", "fence", "floor-marble", "floor-other",
    "floor-stone", "floor-tile", "floor-wood", "flower", "fog", "food-other", "fruit", "furniture-other", "grass", "gravel",
    "ground-other", "hill", "house", "leaves", "light", "mat", "metal", "mirror-stuff", "moss", "mountain", "mud", "napkin",
    "net", "paper", "pavement", "pillow", "plant-other", "plastic", "platform", "playingfield", "railing", "railroad",
    "river", "road", "rock", "roof", "rug", "salad", "sand", "sea", "shelf", "sky-other", "skyscraper", "snow",
    "solid-other", "stairs", "stone", "straw", "structural-other", "table", "tent", "textile-other", "towel", "tree",
    "vegetable", "wall-brick", "wall-concrete", "wall-other", "wall-panel", "wall-stone", "wall-tile", "wall-wood",
    "water-other", "waterdrops", "window-blind", "window-other", "wood",
)  # fmt: skip
"""By id."""

UNLABELLED, STUFF, OTHER = 0, 92, 183
"""The ids of no label, of the first stuff, and of all things together, as the stuff challenge has them."""

REMOVED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)
"""Things that COCO has names for and no annotations."""

ANNOTATED = tuple(id for id in range(1, OTHER) if id not in REMOVED)
"""The 171 classes of the set, in the order of train ids."""

KINDS: Mapping[Kind, Mapping[int, int]] = {
    "map": {**{id - 1: id for id in range(1, OTHER)}, 255: UNLABELLED},
    "train-ids-164k": {**dict(enumerate(ANNOTATED)), 255: UNLABELLED},
    "train-ids-10k": {UNLABELLED: UNLABELLED, **dict(enumerate(ANNOTATED, 1))},
    "pixelmap": {UNLABELLED: UNLABELLED, **{id: id for id in range(STUFF, OTHER + 1)}},
    "mat": {id: id for id in range(OTHER)},
    "mat-1.0": dict(enumerate((UNLABELLED, *ANNOTATED), 1)),
}
"""The label id by mask value. Maps hold id - 1, so that 0 is person; version 1.0 of the 10k set counts from 1, as MATLAB does."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes, the class id by label id (None: ignored), and the receipt's table."""

    labels: Labels
    class_ids: Mapping[int, int | None]
    rows: tuple[SourceClass, ...]

    @classmethod
    def of(cls, kept: LabelSet, others: Others, background: Background, names: Sequence[str] = NAMES) -> Classes:
        """Those that the options choose; `kept` labels are classes in order of id, after the background and before `other`."""
        ids = [id for id in (range(1, OTHER) if kept == "ids" else ANNOTATED)
               if kept in ("all", "ids") or (id < STUFF) == (kept == "things")]  # fmt: skip
        first = 1 if background == "class" else 0
        class_ids: dict[int, int | None] = {UNLABELLED: 0 if first else None}
        class_ids |= {id: at for at, id in enumerate(ids, first)}
        classes = [*([BACKGROUND] if first else []), *(names[id] for id in ids)]
        if kept in ("stuff", "things"):
            rest = len(classes) if others == "class" else None
            merged = (*range(1, STUFF), OTHER) if kept == "stuff" else range(STUFF, OTHER)
            class_ids |= dict.fromkeys(merged, rest)
            classes += ["other"] if others == "class" else []
        told = (*names, "other")
        rows = tuple(SourceClass(id, told[id], class_ids[id]) for id in sorted(class_ids))
        return cls(Labels.of(classes), class_ids, rows)

    def meaning(self, kind: Kind) -> Meaning:
        """What the values of masks of a kind mean."""
        values = {value: self.class_ids[id] for value, id in KINDS[kind].items() if id in self.class_ids}
        return Meaning(values, way_out=WAYS_OUT[kind])


LABELS_ALL = " (--labels ids has classes for the things, too, that the set leaves out)"

MAPS = "maps of things and stuff hold 0 to 181 and 255: if these are train ids, 0 to 170 and 255, give --train-ids"

WAYS_OUT: Mapping[Kind, str] = {
    "map": f"{MAPS}{LABELS_ALL}",
    "train-ids-164k": "train ids of the 164k set are 0 to 170 and 255: if these are of the 10k set, give --release 10k",
    "train-ids-10k": "train ids of the 10k set are 0 to 171: if these are of the 164k set, give --release 164k",
    "pixelmap": "pixelmaps of the stuff challenge hold 92 to 183 and 0: is this another mask",
    "mat": f"label maps hold 0 to 182: is this another mask{LABELS_ALL}",
    "mat-1.0": "label maps of version 1.0 hold 1 to 172: is this another mask",
}


def read_names(path: Place) -> tuple[str, ...]:
    """The names by id of a labels.txt, lines `id: name` for 0 to 182. Raises `DataError` (`cocostuff.labels`)."""
    found: dict[int, str] = {}
    way_out = "correct it, or take it away: the names are built in"
    for number, line in enumerate(read_text(path, "cocostuff.labels").split("\n"), 1):
        match = re.fullmatch(r"\s*(\d{1,5})\s*:\s*(\S.*?)\s*", line, re.ASCII)
        if match is None and not line.strip():
            continue
        if match is None or int(match[1]) in found:
            what = f"line {number}: {line.strip()[:40]!r} is not `id: name` of a new id: {way_out}"
            raise DataError(Problem("cocostuff.labels", what, path.name))
        found[int(match[1])] = match[2]
    if sorted(found) != list(range(OTHER)):
        message = f"names {len(found)} labels, where the set has 0 to 182 (0: unlabeled): {way_out}"
        raise DataError(Problem("cocostuff.labels", message, path.name))
    return tuple(found[id] for id in range(OTHER))
