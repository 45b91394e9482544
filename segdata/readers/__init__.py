"""Source formats, one module or folder each. A new one is a module here, a line below, and a sample generator.

A reader is a function `read(root, *, split=None, report=strict, images=True, **options) -> Source`. It decides which pixels
mean what, and writes nothing. `images=False`: no image is looked for; a reader that opens images also takes
`reading`, which says how. Options of its own are keyword arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from segdata.errors import OptionError

if TYPE_CHECKING:
    from segdata.readers.source import Source

READERS = {
    "coco": "segdata.readers.coco.reader",
    "voc": "segdata.readers.voc",
    "cityscapes": "segdata.readers.cityscapes.reader",
    "pets": "segdata.readers.pets",
    "masks": "segdata.readers.masks.reader",
    "vector": "segdata.readers.vector.reader",
    "labelme": "segdata.readers.labelme.reader",
    "labelmexml": "segdata.readers.labelmexml.reader",
    "cvat": "segdata.readers.cvat.reader",
    "labelstudio": "segdata.readers.labelstudio.reader",
    "supervisely": "segdata.readers.supervisely.reader",
    "yolo": "segdata.readers.yolo.reader",
    "hf": "segdata.readers.hf.reader",
    "ade20k": "segdata.readers.ade20k.reader",
    "mapillary": "segdata.readers.mapillary.reader",
    "bdd100k": "segdata.readers.bdd100k.reader",
    "cocostuff": "segdata.readers.cocostuff.reader",
    "sbd": "segdata.readers.sbd",
    "nnunet": "segdata.readers.nnunet.reader",
    "webdataset": "segdata.readers.webdataset.reader",
    "predictions": "segdata.readers.predictions.reader",
}

COMMON = ("root", "split", "report", "images", "reading")


def reader(name: str) -> Callable[..., Source]:
    """The `read` function of a format. Raises `OptionError` that lists the formats."""
    if name not in READERS:
        raise OptionError(f"no format {name!r}: there are {', '.join(READERS)}")
    read: Callable[..., Source] = import_module(READERS[name]).read
    return read


def reader_options(name: str) -> tuple[str, ...]:
    """The options that a format's reader takes of its own."""
    return tuple(option for option in inspect.signature(reader(name)).parameters if option not in COMMON)


def takes_reading(name: str) -> bool:
    """Whether a format's reader opens images, and so has to know how they are to be read."""
    return "reading" in inspect.signature(reader(name)).parameters
