"""nnU-Net raw data: `dataset.json`, `imagesTr/NAME_0000.png` and `labelsTr/NAME.png`, as version 2 of nnU-Net reads it.

    OUT/  dataset.json  imagesTr/  labelsTr/  imagesTs/  labelsTs/  splits_final.json

OUT is the folder of the set: nnU-Net wants it in nnUNet_raw/, and called DatasetNNN_NAME. Samples of the split test are in
imagesTs/ and labelsTs/, all others in imagesTr/ and labelsTr/; splits_final.json says which of them are for validation. The
label 0 is background, then come the classes in order, and the highest is ignore, if there are ignored pixels.

nnU-Net reads no JPEG, and wants the same channels in each image: all images are PNGs of three 8-bit bands, or, if the first
image is not of these, all are TIFFs. One file holds 1, 3 or 4 bands; of other numbers each band is a file of its own.

Format: documentation/dataset_format.md and ignore_label.md of https://github.com/MIC-DKFZ/nnUNet; which images it reads:
nnunetv2/imageio/natural_image_reader_writer.py there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.sample import Sample
from segdata.errors import DataError, OptionError, Problem
from segdata.executors.run import Run
from segdata.files.file import open_file
from segdata.files.pillow import header_of
from segdata.files.places import place, write_whole
from segdata.files.png import MaskWriter, encode_rgb
from segdata.files.rasters import Raster, bands_of
from segdata.files.remote import Place
from segdata.files.tiff import encode_tiff
from segdata.labels import BACKGROUND, IGNORE, Labels, Mask
from segdata.writers.about import About
from segdata.writers.classes import background_of, refuse_alike, refuse_ignore
from segdata.writers.croissant import Shown, meaning_of
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages, check_images, ending_of
from segdata.writers.names import Named, flattened, name_samples, unique

CARD, FOLDS = "dataset.json", "splits_final.json"

HIGHEST = 2**15 - 1
"""The highest label: nnU-Net keeps labels as int16 once it has preprocessed them."""

VALIDATION = ("val", "valid", "validation")
"""The splits that splits_final.json holds out."""

RGB = {"0": "R", "1": "G", "2": "B"}


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    images: ExportImages = "link",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write the images and label images of a set of nnU-Net, for training and for the test.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to, such as nnUNet_raw/Dataset001_NAME.
        images: What becomes of the images: links to them (the default), copies, or there are none. Images that are not RGB PNGs
            are written as PNGs, or as TIFFs.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    check_images(dataset, images)
    root, values, samples = place(root), values_of(dataset.labels), name_cases(dataset)
    channels = channels_of(dataset) if images != "none" else Channels({})
    splits, parts = {one.sample.split for one in samples}, sorted({str(one.split) for one in samples})
    folds = not splits.isdisjoint(VALIDATION)
    plan = Plan(
        format="nnunet",
        options={},
        samples=samples,
        item=partial(write_case, values=values, channels=channels),
        finish=partial(write_common, values=values, channels=channels, folds=folds),
        holds=[
            CARD, *([FOLDS] if folds else []), *(f"labels{part}" for part in parts),
            *(f"images{part}" for part in parts if images != "none"),
        ],
        reader="nnunet",
        reading={"fold": 0} if folds else {},
        names=values.names,
        images=images,
        notes=list(notes_on(root, dataset, values, channels, folds)),
        shown=Shown("images{split}/*_0000", f"labels{{split}}/*{channels.ending}", meaning_of(values.table, dataset.labels)),
    )  # fmt: skip
    return export_files(dataset, root, plan, about=about, overwrite=overwrite, run=run)


def notes_on(root: Place, dataset: Dataset, values: Values, channels: Channels, folds: bool) -> Iterable[str]:
    """What a person should know before nnU-Net reads the set."""
    if not re.fullmatch(r"Dataset\d{3}_.+", root.name):
        name = re.sub(r"\W+", "_", folder_name(dataset))
        yield f"nnU-Net finds a set by its folder's name: export to nnUNet_raw/Dataset001_{name}, or rename the folder"
    if values.names[BACKGROUND] is None:
        yield "no class is called background, which nnU-Net wants as label 0: no pixel has the label 0"
    if dataset.splits and (number := sum(sample.split is None for sample in dataset)):
        yield f"{number:,} samples that are in no split are for training, in labelsTr/"
    if folds:
        yield f"{FOLDS} holds one fold, train and val: before training copy it to the set's folder in nnUNet_preprocessed/"
    if not channels.names:
        yield f"there are no images: put NAME_0000.png into imagesTr/, and name their channels in {CARD}"
    if channels.apart:
        yield "each band is a file of its own: segdata stack puts the bands of an image together again"


# Cases


def name_cases(dataset: Dataset) -> list[Named]:
    """The samples, each with the end of its folders (Tr or Ts) in place of the split, and a name without folders."""
    named = name_samples(dataset)
    return unique([flattened(one._replace(split="Ts" if one.sample.split == "test" else "Tr")) for one in named])


def write_case(named: Named, files: Files, values: Values, channels: Channels) -> bool:
    """Write the label image of a sample, and its image. Returns whether there are ignored pixels."""
    if named.sample.split not in (None, "train", "val", "test"):
        files.lose("splits", 0)
    write_image(named.sample, f"images{named.split}/{named.name}", files, channels)
    path = f"labels{named.split}/{named.name}{channels.ending}"
    if channels.ending == ".png":
        return write_rows(named.sample, path, files, values)
    labels = values(files.source.read_mask(named.sample))
    files.write(path, encode_tiff(labels[:, :, None], compress="deflate"))
    return bool((labels == values.ignore).any())


def write_rows(sample: Sample, path: str, files: Files, values: Values) -> bool:
    """Write a label image row by row. Returns whether there are ignored pixels."""
    has_ignored = False
    with (
        files.source.open_mask(sample) as mask,
        MaskWriter(files.root / path, sample.height, sample.width, values.table.dtype) as writer,
    ):
        for rows in map(values, bands_of(mask)):
            has_ignored |= bool((rows == values.ignore).any())
            writer.write(rows)
    files.written[path] = writer.sha256
    return has_ignored


def write_common(
    root: Place, rows: Iterable[tuple[Named, Any]], values: Values, channels: Channels, folds: bool
) -> None:
    """Write dataset.json, and splits_final.json if `folds`."""
    train: list[str] = []
    val: list[str] = []
    has_ignored = False
    for named, ignored in rows:
        has_ignored |= ignored
        if named.split == "Tr":
            (val if named.sample.split in VALIDATION else train).append(named.name)
    card = {
        "channel_names": channels.names,
        "labels": {**values.labels, **({IGNORE: values.ignore} if has_ignored else {})},
        "numTraining": len(train) + len(val),
        "file_ending": channels.ending,
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    write_whole(root / CARD, (json.dumps(card, indent=2) + "\n").encode())
    if folds:
        write_whole(root / FOLDS, (json.dumps([{"train": train, "val": val}], indent=2) + "\n").encode())


# Labels


@dataclass(frozen=True, slots=True)
class Values:
    """The labels: the value of each by name, and that of `ignore`; the value of each mask value; and `names`, see `Contract`."""

    labels: dict[str, int]
    ignore: int
    table: Mask
    names: dict[str, int | None]

    def __call__(self, mask: Mask) -> Mask:
        """(H, W) class ids -> (H, W) uint8 or uint16 labels."""
        from segdata.kernels.count import translate

        out = np.empty(mask.size, self.table.dtype)
        translate(np.ascontiguousarray(mask).ravel(), self.table, out)
        return out.reshape(mask.shape)


def values_of(labels: Labels) -> Values:
    """0 for background, then the other classes in order, then ignore. Raises `OptionError` for classes that do not fit."""
    refuse_ignore(labels)
    refuse_alike(labels)
    ground = background_of(labels)
    classes = [label for label in labels.classes if label.id != ground]
    ignore = len(classes) + 1
    if ignore > HIGHEST:
        what = f"{len(classes):,} classes and ignore, and nnU-Net holds labels up to {HIGHEST:,}"
        raise OptionError(f"{what}: segdata remap --only or --map keeps or merges some")
    table: Mask = np.zeros(labels.ignore + 1, np.uint8 if ignore < 256 else np.uint16)
    table[[label.id for label in classes]] = np.arange(1, ignore)
    table[labels.ignore] = ignore
    names: dict[str, int | None] = {label.name: label.id for label in classes}
    value_by_name = {BACKGROUND: 0, **{label.name: value for value, label in enumerate(classes, 1)}}
    return Values(value_by_name, ignore, table, {BACKGROUND: ground, **names, IGNORE: None})


# Images


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels of all images by number, and the ending of all files; `apart`: each channel is a file of its own."""

    names: dict[str, str]
    ending: str = ".png"

    @property
    def apart(self) -> bool:
        """Whether one file cannot hold the channels."""
        return self.ending == ".tif" and len(self.names) not in (1, 3, 4)

    def check(self, values: NDArray[Any]) -> None:
        """Raise `DataError` (`nnunet.image`) for pixels that are not as the other images."""
        bands = values.shape[2]
        if bands != len(self.names) or (self.ending == ".png" and values.dtype != np.uint8):
            what = f"has {bands} bands of {values.dtype}, and the first image of the set {len(self.names)}"
            what += " of uint8" if self.ending == ".png" else ""
            raise DataError(Problem("nnunet.image", f"{what}: nnU-Net wants them alike: --on-error skip leaves it out"))
        if values.dtype.kind == "f" and np.isnan(values).any():
            what = "has pixels that are NaN, which nnU-Net refuses: --on-error skip leaves it out"
            raise DataError(Problem("nnunet.image", what))


def channels_of(dataset: Dataset) -> Channels:
    """The channels of the first image that can be read."""
    for sample in sorted(dataset, key=lambda sample: sample.id):
        with suppress(DataError), dataset.open_image(sample) as image:
            if image.bands == 3 and image.dtype == np.uint8:
                return Channels(RGB)
            return Channels({str(number): name for number, name in enumerate(band_names(image))}, ".tif")
    return Channels(RGB)


def band_names(image: Raster) -> Sequence[str]:
    """What the bands of an image are called, or their numbers from 1 on."""
    said = {"undefined": "", "gray": ""}
    called = [about.name or said.get(about.colour, about.colour) for about in image.about] or [""] * image.bands
    return [name or f"band {number}" for number, name in enumerate(called, 1)]


def write_image(sample: Sample, path: str, files: Files, channels: Channels) -> None:
    """Link or copy the image of a sample if nnU-Net reads the file as those of the others, or write its pixels."""
    if files.images == "none":
        return
    file = files.source.image_path(sample)
    if channels.ending == ".png" and ending_of(file) == ".png" and files.is_whole(sample) and is_rgb(file):
        files.put(file, f"{path}_0000.png", files.images)
        return
    files.pixels += 1
    with files.source.open_image(sample) as image:
        values, tags = image.read(), image.geo.tags()
    channels.check(values)
    if channels.ending == ".png":
        files.write(f"{path}_0000.png", encode_rgb(values))
        return
    parts = np.split(values, values.shape[2], axis=2) if channels.apart else [values]
    for number, part in enumerate(parts):
        files.write(f"{path}_{number:04d}.tif", encode_tiff(part, compress="deflate", tags=tags))


def is_rgb(path: str) -> bool:
    """Whether a PNG has three bands and one frame, for every program that reads it. Raises `DataError` (`image.missing`)."""
    with open_file(path) as file:
        image = header_of(file)
        if image is None or image.format != "PNG" or image.mode != "RGB" or "transparency" in image.info:
            return False
        return getattr(image, "n_frames", 1) == 1
