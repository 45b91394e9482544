"""Formats that segdata does not read, told from names and the first bytes of a few files, with the way that there is today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from segdata.files.endings import ARCHIVES, is_image
from segdata.files.remote import Place
from segdata.readers.nearest import yolo_text
from segdata.readers.sight import Sight, look

VOLUMES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".dcm", ".dicom")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A format that is not read: what it is, the file that shows it, and the way out."""

    what: str
    file: str
    way_out: str

    def __str__(self) -> str:
        return f"this is {self.what} ({self.file}): {self.way_out}"


def foreign(root: Place) -> Foreign | None:
    """Which format that segdata does not read a file or folder is in; None if none of these."""
    sight = look(root)
    for kind in KINDS:
        if (file := kind.find(sight)) is not None:
            return Foreign(kind.what, file, kind.way_out)
    return None


# One of each kind


def _archive(sight: Sight) -> str | None:
    """An archive, where nothing else lies beside it but text."""
    packed = [path for path in sight.ending(*ARCHIVES) if not path.lower().endswith(VOLUMES)]
    return packed[0] if packed and not any(map(is_image, sight.files)) else None


def _run_length_table(sight: Sight) -> str | None:
    return sight.holding(".csv", r"(?i)encoded_?pixels|\brle\b")


def _volume(sight: Sight) -> str | None:
    return next(sight.ending(*VOLUMES), None)


def _with_ending(*endings: str) -> Callable[[Sight], str | None]:
    return lambda sight: next(sight.ending(*endings), None)


def _json(*texts: str) -> Callable[[Sight], str | None]:
    return lambda sight: sight.holding(".json", *texts)


def _xml(*texts: str) -> Callable[[Sight], str | None]:
    return lambda sight: sight.holding(".xml", *texts)


@dataclass(frozen=True, slots=True)
class Kind:
    """A format: its name with an article, what finds a file that shows it, and the way out."""

    what: str
    find: Callable[[Sight], str | None]
    way_out: str


def _export(program: str, form: str = "COCO") -> str:
    return f"export it as {form} from {program}"


KINDS = (
    Kind("a VIA project", _json(r'"(shape_attributes|_via_\w+)"'), _export("VIA")),
    Kind("a Labelbox export", lambda sight: sight.holding("json", '"data_row"'), _export("Labelbox")),
    Kind("a Darwin (V7) export", _json('"(bounding_box|paths?)"', '"(darwin|slots|slot_names|dataset_url)"'), _export("V7")),
    Kind("a set of VOC boxes", _xml("<annotation", "<bndbox>"), "boxes have no masks: look for SegmentationClass/"),
    Kind("a YOLO detection set", lambda sight: yolo_text(sight, "{4,5}"), "boxes have no masks to convert"),
    Kind("a SuperAnnotate export", _json('"instances"', '"(metadata|templateId|classId)"'), _export("SuperAnnotate")),
    Kind("a Datumaro set", _json('"items"', '"categories"', '"label_categories"|"label"'), _export("Datumaro")),
    Kind("an SA-1B set", _json('"predicted_iou"', '"segmentation"'), "its masks have no classes to convert"),
    Kind("a set of volumes", _volume, "export each slice as PNG, images and masks"),
    Kind("a table of run lengths", _run_length_table, "decode its masks to PNG files"),
    Kind("Arrow of Hugging Face", _with_ending(".arrow"),
         "its library's to_parquet makes what convert hf reads"),
    Kind("TFRecord", _with_ending(".tfrecord", ".tfrec", ".tfrecords"), "save its images and masks as PNG files"),
    Kind("HDF5", _with_ending(".h5", ".hdf5"), "save its images and masks as PNG files"),
    Kind("a shapefile", _with_ending(".shp"), "convert vector reads it: give the folder of images, and --vectors FILE.shp"),
    Kind("a GeoPackage", _with_ending(".gpkg"), "convert vector reads it: give the folder of images, and --vectors FILE.gpkg"),
    Kind("an archive", _archive, "unpack it, and give the folder"),
)  # fmt: skip
"""In the order in which they are asked."""
