"""Ultralytics YOLO segmentation: images/SPLIT, labels/SPLIT/*.txt of one polygon per line, and data.yaml.

Trained and measured by Ultralytics, and read by supervision, at the size of the image, the polygons are exactly the mask: see
`lines`. The class called background is not written; the others are numbered from 0 on.

Format: https://docs.ultralytics.com/datasets/segment; loader: https://github.com/ultralytics/ultralytics (data/, 8.4.190);
https://github.com/roboflow/supervision (dataset/formats/yolo.py, 0.31.2).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.executors.run import Run
from segdata.files.file import JPEG, PNG, open_file
from segdata.files.places import place, write_whole
from segdata.files.remote import Place
from segdata.writers.about import About
from segdata.writers.classes import Ignored, ask_ignored, shape_classes
from segdata.writers.croissant import Shown
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages, ending_of
from segdata.writers.names import Named, name_samples, unique
from segdata.writers.objects import lose_pixels
from segdata.writers.yolo.data import DATA_YAML, KEYS, WANTED, data_yaml
from segdata.writers.yolo.lines import label_lines

KINDS = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
"""The endings of images that both loaders read, whatever their bands are, if they begin as one of `HEADS`."""

HEADS = (b"BM", PNG, JPEG, b"RIFF")

TIFFS = {(1, "uint8"), (3, "uint8"), (4, "uint8"), (1, "uint16"), (3, "uint16")}
"""The bands and types of TIFFs that both read."""

SMALLEST = 10
"""Ultralytics leaves out images with a side of fewer pixels."""


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    images: ExportImages = "link",
    ignored: Ignored | None = None,
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write a polygon per connected region, beside the images, and return what was written.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        images: What becomes of the images: links to them (the default), copies, or there are none.
        ignored: What becomes of ignored pixels, which YOLO cannot hold: a class called ignore (class), no polygon, as background
            has (background), or samples that have any are left out (drop). By default the export is refused if there are any.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    dataset, left_out = ask_ignored(dataset, ignored, "YOLO")
    classes = shape_classes(dataset.labels, ignored)
    samples = named(dataset)
    lost = dataset.labels.ignore if ignored == "background" else None
    numbers = {one.value: number for number, one in enumerate(classes.written)}
    plan = Plan(
        format="yolo",
        options={"ignored": ignored},
        samples=samples,
        item=partial(write_sample, numbers=numbers, skip=classes.skip, lost=lost),
        finish=partial(write_data, names=[one.name for one in classes.written]),
        holds=[DATA_YAML, "labels", *(["images"] if images != "none" else [])],
        reader="yolo",
        reading={"background": "ignore"} if classes.background is None else {},
        names=classes.names,
        images=images,
        ways={"ignored": "--ignored class"},
        left_out=left_out,
        notes=list(notes(samples)),
        needs_images=True,
        shown=Shown(labels="labels/*.txt"),
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def named(dataset: Dataset) -> list[Named]:
    """The names of the samples, without folders, into which supervision does not look.

    If no sample is in a split, all are in the folder of train. No folder of a split is called images: the last one of that name
    in an image's path tells where its labels are.
    """
    unsplit = "train" if all(sample.split is None for sample in dataset) else "unsplit"
    samples = name_samples(dataset, flat=True, unsplit=unsplit)
    folders = {one.split for one in samples}
    free = next(name for n in count(1) if (name := f"images-{n}") not in folders)
    return unique([one._replace(split=free) if one.split == "images" else one for one in samples])


def write_sample(
    named: Named, files: Files, numbers: Mapping[int, int], skip: Collection[int], lost: int | None
) -> None:
    """Write the label file of a sample, empty if nothing is in it, and its image. `lost` is the value of pixels that a trainer
    takes for background. Raises `DataError`."""
    sample = named.sample
    mask = files.source.read_mask(sample)
    files.write(f"labels/{named.path}.txt", label_lines(mask, numbers, skip))
    lose_pixels(files, sample, mask, lost)
    if files.images != "none":
        files.image(sample, f"images/{named.path}", kinds_of(sample, files))


def kinds_of(sample: Sample, files: Files) -> Collection[str]:
    """The endings that a sample's image may have so that both loaders read it. Raises `DataError`."""
    path = files.source.image_path(sample)
    if files.is_whole(sample) and ending_of(path) in KINDS:
        with open_file(path) as file:
            if file.head.startswith(HEADS):
                return KINDS
    with files.source.open_image(sample) as image:
        return (".png", ".tif", ".tiff") if (image.bands, image.dtype.name) in TIFFS else (".png",)


def notes(samples: Sequence[Named]) -> Iterator[str]:
    """What a person should know before training."""
    if unsplit := [one for one in samples if one.sample.split is None]:
        told = "" if unsplit[0].split == "train" else ", which Ultralytics does not read"
        yield f"{len(unsplit):,} samples are in no split: they are in images/{unsplit[0].split}{told}"
    folders = {one.split for one in samples}
    for key in WANTED:
        if not folders.intersection(KEYS[key]):
            yield f"Ultralytics wants the splits train and val, and there is no {key}: segdata split makes them"
    if small := sum(min(one.sample.height, one.sample.width) < SMALLEST for one in samples):
        yield f"images with a side of less than {SMALLEST} pixels, which Ultralytics does not read: {small:,}"


def write_data(root: Place, rows: Iterable[tuple[Named, Any]], names: list[str]) -> None:
    """Write data.yaml: the folder of each split, and the names of the classes."""
    folders = {one.split or "": one.sample.split for one, _ in rows}
    write_whole(root / DATA_YAML, data_yaml(folders, names).encode())
