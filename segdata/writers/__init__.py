"""Target formats, one module per format. A new format is a module here and a line below.

A writer is a function `write(dataset, root, *, about, overwrite, run, **options) -> Dataset | Exported`. It does not change its
input. A format of files is a `Plan` for `exporting.export_files`; what is a segdata dataset, too, returns that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from segdata.errors import OptionError

if TYPE_CHECKING:
    from segdata.dataset.dataset import Dataset
    from segdata.writers.exporting import Exported

WRITERS = {
    "cityscapes": "segdata.writers.cityscapes.writer",
    "coco": "segdata.writers.coco.writer",
    "cvat": "segdata.writers.cvat",
    "folders": "segdata.writers.folders.writer",
    "geojson": "segdata.writers.geojson",
    "hf": "segdata.writers.hf",
    "labelme": "segdata.writers.labelme",
    "labelstudio": "segdata.writers.labelstudio.writer",
    "nnunet": "segdata.writers.nnunet",
    "voc": "segdata.writers.voc",
    "webdataset": "segdata.writers.webdataset",
    "yolo": "segdata.writers.yolo.writer",
}

COMMON = ("dataset", "root", "about", "overwrite", "run")


def writer(name: str) -> Callable[..., Dataset | Exported]:
    """The `write` function of a format. Raises `OptionError`, which lists the formats."""
    if name not in WRITERS:
        raise OptionError(f"no format {name!r} to export to: there are {', '.join(WRITERS)}")
    write: Callable[..., Dataset | Exported] = import_module(WRITERS[name]).write
    return write


def writer_options(name: str) -> tuple[str, ...]:
    """The names of the options that only this format's writer has."""
    return tuple(option for option in inspect.signature(writer(name)).parameters if option not in COMMON)


def summary(name: str, written: Dataset | Exported) -> str:
    """What a writer has written, in a few words: what its module's own `summary` says, or the number of samples."""
    own: Callable[[Any], str] | None = getattr(import_module(WRITERS[name]), "summary", None)
    return f"{len(written):,} samples" if own is None else own(written)
