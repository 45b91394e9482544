"""Folders of images and of masks, for trainers: images/SPLIT, masks/SPLIT and classes.txt."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.executors.run import Run
from segdata.files.places import place, write_whole
from segdata.files.png import encode_mask
from segdata.files.remote import Place
from segdata.labels import IGNORE
from segdata.writers.about import About
from segdata.writers.croissant import Shown
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages
from segdata.writers.names import Named, name_samples

CLASSES = "classes.txt"


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    images: ExportImages = "link",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write grey masks whose values are class ids, 255 (or 65535) ignored, beside the images.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        images: What becomes of the images: links to them (the default), copies, or there are none.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    samples = name_samples(dataset)
    with_images = images != "none"
    plan = Plan(
        format="folders",
        options={},
        samples=samples,
        item=write_sample,
        finish=partial(write_classes, names=dataset.labels.names),
        holds=[*(["images"] if with_images else []), "masks", CLASSES],
        reader="masks",
        reading={
            "mask_dir": "masks",
            "classes": CLASSES,
            "values": {str(dataset.labels.ignore): IGNORE},
            **({"image_dir": "images"} if with_images else {}),
        },
        names={name: id for id, name in enumerate(dataset.labels.names)},
        images=images,
        shown=Shown(mask="masks/*.png"),
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def write_sample(named: Named, files: Files) -> None:
    """Write the mask of a sample, and its image."""
    files.image(named.sample, f"images/{named.path}")
    files.write(f"masks/{named.path}.png", encode_mask(files.source.read_mask(named.sample)))


def write_classes(root: Place, rows: Iterable[tuple[Named, Any]], names: tuple[str, ...]) -> None:
    """Write the names of the classes, one per line, in order of id."""
    write_whole(root / CLASSES, "".join(f"{name}\n" for name in names).encode())
