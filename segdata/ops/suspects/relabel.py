"""Regions for an annotation tool: `regions.json`, and the images that they are in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.dataset.layout import CARD, JOURNAL, LOG, MANIFEST
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError
from segdata.files.durable import sync_tree
from segdata.files.file import open_file
from segdata.files.forms import parts_elsewhere
from segdata.files.images import write_image
from segdata.files.places import copy_file, names_in, place, write_new
from segdata.files.remote import Place
from segdata.labels import Labels
from segdata.ops.suspects.operation import RegionDoubt, Suspects

REGIONS = "regions.json"


def relabel_folder(folder: str | Place) -> Place:
    """Where `write_relabel` may write: a new folder, or one where it has begun. Raises `DatasetError` for any other."""
    folder = place(folder)
    names = names_in(folder)
    if names & {CARD, MANIFEST, JOURNAL, LOG}:
        raise DatasetError(f"{folder}: is a dataset: choose another folder for the images to label again")
    if (strange := names - {"dataset", "dataset.partial"}) and REGIONS not in names:
        raise DatasetError(f"{folder}: holds {min(strange)}: choose an empty folder for the images to label again")
    return folder


def write_relabel(found: Suspects, folder: str | Place, regions: Sequence[RegionDoubt]) -> None:
    """Write suspect regions for an annotation tool, with the suggested classes.

    `given` has the label's class, `kind` what seems wrong, `score` how strongly it is doubted. Raises as `write_regions`.
    """
    write_regions(found.truth, folder, [(one.sample, _annotation(one, found.labels)) for one in regions])


def write_regions(truth: Dataset, folder: str | Place, regions: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Write regions for an annotation tool: `regions.json`, COCO instances, and `images/` as labelled.

    Each region is the id of its sample and what its annotation says, apart from its own number and the image's; category ids
    are class ids + 1. Images are copied where their file is the sample. If the file holds the same regions, only missing images
    are written; if it holds others, it is refused, as people edit it. Raises `DataError` for an image that cannot be read,
    `DatasetError` for the folder.
    """
    folder = relabel_folder(folder)
    ids = {id: number for number, id in enumerate(sorted({id for id, _ in regions}), 1)}
    samples = {sample.id: sample for sample in truth if sample.id in ids}
    images = []
    for id, number in ids.items():
        sample = samples[id]
        name = _name(truth, sample)
        images.append({"id": number, "file_name": name, "height": sample.height, "width": sample.width, "sample": id})
    annotations = [{"id": n, "image_id": ids[id], **fields} for n, (id, fields) in enumerate(regions, 1)]
    categories = [{"id": label.id + 1, "name": label.name} for label in truth.labels.classes]
    data = {"images": images, "categories": categories, "annotations": annotations}
    text = json.dumps(data, indent=1) + "\n"
    write_new(folder / REGIONS, text.encode(), "perhaps it was edited: choose another folder")
    for image in images:
        if not (there := folder / "images" / str(image["file_name"])).exists():
            _place(truth, samples[str(image["sample"])], there)
    if isinstance(folder, Path):
        sync_tree(folder)


def _annotation(one: RegionDoubt, labels: Labels) -> dict[str, Any]:
    region, (y, x, h, w) = one.region, one.region.box
    return {
        "category_id": region.suggested + 1,
        "segmentation": region.polygons,
        "area": region.area,
        "bbox": [x, y, w, h],
        "iscrowd": 0,
        "kind": region.kind,
        "score": round(region.score, 6),
        "given": labels.name(region.given),
        "suggested": labels.name(region.suggested),
    }


def _is_file(truth: Dataset, sample: Sample) -> bool:
    """Whether a sample's image is a file, unchanged."""
    if sample.image is None or sample.crop is not None or sample.exif is not None:
        return False
    path = truth.image_path(sample)
    if not place(path).is_file():
        return False
    with open_file(path) as file:
        return not parts_elsewhere(path, file.form)


def _name(truth: Dataset, sample: Sample) -> str:
    """The name of a sample's image among those to label again, also if there is no image."""
    if not _is_file(truth, sample):
        return f"{sample.id}.png"
    extension = os.path.splitext(truth.image_path(sample))[1]
    return sample.id if sample.id.endswith(extension) else sample.id + extension


def _place(truth: Dataset, sample: Sample, there: Place) -> None:
    """Write a sample's image there, upright and cropped as its mask is; nothing if it has none."""
    if _is_file(truth, sample):
        copy_file(truth.image_path(sample), there)
    elif sample.image is not None:
        write_image(there, truth.read_rgb(sample))
