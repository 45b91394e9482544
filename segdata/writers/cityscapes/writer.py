"""Cityscapes' layout: labels of each frame as PNGs and as polygons in gtFine/, images in leftImg8bit/.

    leftImg8bit/SPLIT/CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png
    gtFine/SPLIT/CITY/CITY_SEQUENCE_FRAME_gtFine_labelIds.png  labelTrainIds.png  instanceIds.png  color.png  polygons.json

Classes that are Cityscapes' by name get its label ids, train ids and colours; ignored pixels are `unlabeled`. Its programs
know no other classes. Sets of others have label ids of their own, which a class file tells: label_colors.txt, as Datumaro and
CVAT read it, or classes.json if names have spaces and the like. A dataset has no instances: instanceIds.png holds plain label
ids, as for groups of objects.

Format: https://github.com/mcordts/cityscapesScripts (README.md, helpers/labels.py, helpers/csHelpers.py, preparation/);
https://github.com/open-edge-platform/datumaro (plugins/data_formats/cityscapes.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.errors import one_of
from segdata.executors.run import Run
from segdata.files.cityscapes_table import (
    COLOR,
    FINE,
    IMAGES,
    INSTANCE_IDS,
    LABEL_COLORS,
    LABEL_IDS,
    POLYGONS,
    TRAIN_IDS,
)
from segdata.files.places import place, write_whole
from segdata.files.png import encode_mask, encode_painted
from segdata.files.remote import Place
from segdata.writers.about import About
from segdata.writers.cityscapes.codes import Codes, Table, codes_of, translated
from segdata.writers.cityscapes.frames import name_frames
from segdata.writers.cityscapes.polygons import encode_polygons
from segdata.writers.croissant import Shown
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages
from segdata.writers.names import Named

KINDS = (".png", ".jpg")
"""Endings of images that are linked as they are. Cityscapes' own are PNGs."""


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    table: Table = "auto",
    images: ExportImages = "link",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write labels as Cityscapes' programs, and those that read its layout, take them.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        table: What label ids mean. cityscapes: what Cityscapes' table says; names of other classes are refused. own: the
            dataset's class ids, with a class file, which Cityscapes' own programs cannot read. auto, the default: cityscapes if
            its table has all classes by name, otherwise own.
        images: What becomes of the images: links to them (the default), copies, or there are none.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    one_of("table", table, Table)
    codes = codes_of(dataset, table)
    samples = name_frames(dataset)
    plan = Plan(
        format="cityscapes",
        options={"table": "own" if codes.own else "cityscapes"},
        samples=samples,
        item=partial(write_frame, codes=codes),
        finish=partial(write_classes, codes=codes),
        holds=[FINE, *([IMAGES] if images != "none" else []), *([codes.class_file] if codes.class_file else [])],
        reader="cityscapes",
        reading={"splits": "all", **({"classes": codes.class_file} if codes.own else {"labels": "id"})},
        names=codes.names,
        images=images,
        notes=notes_of(dataset, codes),
        shown=Shown(
            image=f"{IMAGES}/*_{IMAGES}",
            mask=f"{FINE}/*_{FINE}_{LABEL_IDS}",
            values=codes.values(dataset.labels),
            labels=f"{FINE}/*_{FINE}_{POLYGONS}",
        ),
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def write_frame(named: Named, files: Files, codes: Codes) -> None:
    """Write the labels of a sample, and its image."""
    files.image(named.sample, f"{IMAGES}/{named.path}_{IMAGES}", KINDS)
    mask = files.source.read_mask(named.sample)
    kinds = {
        LABEL_IDS: encode_mask(translated(mask, codes.label_ids)),
        INSTANCE_IDS: encode_mask(translated(mask, codes.label_ids.astype(np.uint16))),
        TRAIN_IDS: encode_mask(translated(mask, codes.train_ids)),
        COLOR: encode_painted(mask, codes.colors),
        POLYGONS: encode_polygons(mask, codes.labels),
    }
    for kind, data in kinds.items():
        files.write(f"{FINE}/{named.path}_{FINE}_{kind}", data)


def write_classes(root: Place, rows: Iterable[tuple[Named, Any]], codes: Codes) -> None:
    """Write the class file, if the classes are not Cityscapes' own."""
    if codes.class_file is not None:
        write_whole(root / codes.class_file, codes.class_bytes())


def notes_of(dataset: Dataset, codes: Codes) -> list[str]:
    """What a person should know of the labels and the splits."""
    notes = []
    if codes.own:
        readers = "Datumaro and CVAT read" if codes.class_file == LABEL_COLORS else "segdata reads"
        file = f"{codes.class_file}, which {readers}"
        notes.append(f"label ids are those of {file}: Cityscapes' own programs would take them for other labels")
    if unsplit := sum(sample.split is None for sample in dataset):
        notes.append(f"{unsplit:,} samples are in no split: they are in {'unsplit' if dataset.splits else 'train'}/")
    return notes
