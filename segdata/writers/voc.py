"""PASCAL VOC: palette PNGs of class ids, with a labelmap as CVAT and Datumaro have it.

    JPEGImages/NAME.jpg  SegmentationClass/NAME.png  ImageSets/Segmentation/SPLIT.txt  labelmap.txt

Index 255, in the colour (224, 224, 192), is ignored; the labelmap calls it `ignored`. CVAT ("Segmentation mask 1.1") and
Datumaro read masks by the colours of the labelmap, torchvision's VOCSegmentation and MMSegmentation by index: both give the
same pixels. Datumaro passes over lists with `_` in their names, torchvision looks for images called .jpg alone.

Format: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html,
https://docs.cvat.ai/docs/dataset_management/formats/format-smask,
https://github.com/open-edge-platform/datumaro (plugins/data_formats/voc),
https://github.com/pytorch/vision (torchvision/datasets/voc.py).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from posixpath import splitext

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.errors import OptionError
from segdata.executors.run import Run
from segdata.files.places import place, write_whole
from segdata.files.remote import Place
from segdata.files.voc_colors import VOC_VOID, voc_color
from segdata.labels import BACKGROUND, RGB, Labels
from segdata.words import some
from segdata.writers.about import About
from segdata.writers.classes import IN_LINES, refuse_ignore, refuse_names
from segdata.writers.croissant import Shown
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages
from segdata.writers.names import Named, name_samples, unique

DEVKIT = "VOCdevkit/VOC2012/"

UNSPLIT = "default"
"""The list of samples that are in no split, as CVAT calls it."""

IGNORED = "ignored"
"""What Datumaro calls index 255."""

TORCHVISION = ("train", "val", "trainval")
"""The lists that torchvision's VOCSegmentation reads."""

KINDS = (".jpg", ".jpeg", ".png")


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    devkit: bool = False,
    images: ExportImages = "link",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write palette masks, whose indices are class ids and 255 where pixels are ignored, with lists and a labelmap.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        devkit: Put everything into VOCdevkit/VOC2012, where torchvision's VOCSegmentation looks for it. By default it lies in
            the folder itself, as CVAT wants it.
        images: What becomes of the images: links to them (the default), copies, or there are none.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    labels = dataset.labels
    refuse_labels(labels)
    samples = name_in_lists(dataset)
    colors = mask_colors(labels)
    year = DEVKIT if devkit else ""
    folders = [*(["JPEGImages"] if images != "none" else []), "SegmentationClass", "ImageSets", "labelmap.txt"]
    plan = Plan(
        format="voc",
        options={"devkit": devkit},
        samples=samples,
        item=partial(write_sample, year=year, palette=mask_palette(colors)),
        finish=partial(write_common, year=year, labels=labels, colors=colors),
        holds=["VOCdevkit"] if devkit else folders,
        reader="voc",
        reading={"all_lists": True},
        names={name: id for id, name in enumerate(labels.names)},
        images=images,
        shown=Shown(f"{year}JPEGImages/*", f"{year}SegmentationClass/*.png"),
        notes=list(notes_on(samples, labels, colors, devkit=devkit, with_images=images != "none")),
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def refuse_labels(labels: Labels) -> None:
    """Raise `OptionError` for classes that a labelmap or a palette cannot hold."""
    refuse_ignore(labels)
    refuse_names(labels, f":|^#|^{IGNORED}$|{IN_LINES}", "labelmap.txt")
    if labels.ignore != 255:
        way_out = "segdata remap --only or --map leaves fewer, segdata export folders holds all"
        raise OptionError(f"{len(labels.classes)} classes: a palette holds 255, and 255 is ignored: {way_out}")


def name_in_lists(dataset: Dataset) -> list[Named]:
    """The samples by names that a line of a list holds, each once in all splits. Raises `OptionError` for splits."""
    named = name_samples(dataset, flat=True, unsplit=UNSPLIT)
    lists: dict[str, str] = {}
    for split in sorted({str(one.split) for one in named}):
        if (other := lists.setdefault(split.replace("_", "-").casefold(), split)) != split:
            raise OptionError(
                f"splits {other!r} and {split!r} would both be in {split.replace('_', '-')}.txt: --split exports one of them"
            )
    names = [re.sub(r"[\s#]", "_", one.name) for one in named]
    return unique(
        [
            one._replace(name=name, split=str(one.split).replace("_", "-"))
            for one, name in zip(named, names, strict=True)
        ],
        together=True,
    )


def mask_colors(labels: Labels) -> list[RGB]:
    """The colour of each class by id: its own if no class before it has it, otherwise one of VOC's.

    Black is the background's and no other class's, as CVAT has it.
    """
    used = {VOC_VOID, (0, 0, 0)}
    colors: list[RGB] = []
    for label in labels.classes:
        free = (color for color in (label.color, *map(voc_color, range(1, 256))) if color not in used)
        colors.append((0, 0, 0) if label.name == BACKGROUND else next(free))
        used.add(colors[-1])
    return colors


def mask_palette(colors: Sequence[RGB]) -> NDArray[np.uint8]:
    """(256, 3) uint8: the colours of the classes, and VOC's of all other indices."""
    return np.array([*colors, *map(voc_color, range(len(colors), 256))], np.uint8)


def notes_on(
    samples: Sequence[Named], labels: Labels, colors: Sequence[RGB], *, devkit: bool, with_images: bool
) -> Iterator[str]:
    """What a person should know of the files."""
    if changed := sum(label.color != color for label, color in zip(labels.classes, colors, strict=True)):
        yield f"labelmap.txt: {changed} classes have other colours than in the dataset, as each needs one of its own"
    if devkit and (strange := sorted({str(one.split) for one in samples} - {*TORCHVISION})):
        ways = f"torchvision reads {', '.join(TORCHVISION)} alone: segdata split makes train and val"
        yield f"ImageSets: has the lists {some(strange)}, and {ways}"
    if 0 < (number := sum(one.sample.split is None for one in samples)) < len(samples):
        yield f"{number:,} samples that are in no split are in the list {UNSPLIT}"
    others = sum(splitext(str(one.sample.image))[1].lower() not in (".jpg", ".jpeg") for one in samples)
    if with_images and others:
        yield f"JPEGImages: {others:,} images are not JPEG, and called .jpg all the same: torchvision looks for no other name"


def write_sample(named: Named, files: Files, year: str, palette: NDArray[np.uint8]) -> None:
    """Write the mask of a sample, and its image."""
    files.image(named.sample, f"{year}JPEGImages/{named.name}", KINDS, ending=".jpg")
    files.mask(named.sample, f"{year}SegmentationClass/{named.name}.png", palette)


def write_common(
    root: Place, rows: Iterable[tuple[Named, None]], year: str, labels: Labels, colors: Sequence[RGB]
) -> None:
    """Write the list of each split, and the labelmap."""
    lists: dict[str | None, list[str]] = defaultdict(list)
    for named, _ in rows:
        lists[named.split].append(named.name)
    for split, names in lists.items():
        write_whole(root / f"{year}ImageSets/Segmentation/{split}.txt", "".join(f"{name}\n" for name in names).encode())
    entries = [*zip(labels.names, colors, strict=True), (IGNORED, VOC_VOID)]
    lines = [f"{name}:{','.join(map(str, color))}::\n" for name, color in entries]
    write_whole(root / f"{year}labelmap.txt", "".join(["# label:color_rgb:parts:actions\n", *lines]).encode())
