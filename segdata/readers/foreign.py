"""Formats that segdata does not read, told from names and the first bytes of a few files, with the way that there is today."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from posixpath import basename, dirname

from segdata.files.endings import ARCHIVES, is_image
from segdata.files.remote import Place
from segdata.readers.sight import LOOKED_AT, Sight, look

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


def _yolo(sight: Sight, numbers: str) -> str | None:
    """A text of lines `class x y ...`, `numbers` how many there are."""
    texts = [path for path in sight.ending(".txt") if not basename(path).startswith(("classes", "README"))]
    near = sorted(texts, key=lambda path: "labels" not in dirname(path).lower().split("/"))
    for path in near[: 4 * LOOKED_AT]:
        if re.match(rf"\s*\d+([ \t]+-?\d*\.?\d+(e-?\d+)?){numbers}[ \t\r]*(\n|$)", sight.start(path)):
            return path
    return None


def _yolo_table(sight: Sight) -> str | None:
    """A class table of YOLO, and labels/ of texts, even if these are empty."""
    texts = any("labels" in dirname(path).lower().split("/") for path in sight.ending(".txt"))
    return sight.holding(".yaml", "(?m)^names:") if texts else None


def _run_length_table(sight: Sight) -> str | None:
    return sight.holding(".csv", r"(?i)encoded_?pixels|\brle\b")


def _nnunet(sight: Sight) -> str | None:
    """nnU-Net's folders, of images of one channel."""
    names = {dirname(path) for path in sight.files}
    found = next((path for path in sight.files if re.search(r"(^|/)imagesTr/[^/]+_0000\.[^/]+$", path)), None)
    return found if found and any(name.endswith("labelsTr") for name in names) and is_image(found) else None


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
    Kind("a labelme set", _json('"shapes"', '"(imagePath|imageHeight|points)"'), "labelme2coco makes COCO of it"),
    Kind("a VIA project", _json(r'"(shape_attributes|_via_\w+)"'), _export("VIA")),
    Kind("a Label Studio export", _json('"from_name"|"(polygon|brush)labels"', '"(annotations|completions|result|image)"'),
         _export("Label Studio")),
    Kind("a Supervisely project", _json('"(classTitle|projectType)"|"geometry_?[cC]onfig"'), _export("Supervisely")),
    Kind("a Labelbox export", lambda sight: sight.holding("json", '"data_row"'), _export("Labelbox")),
    Kind("a Darwin (V7) export", _json('"(bounding_box|paths?)"', '"(darwin|slots|slot_names|dataset_url)"'), _export("V7")),
    Kind("a CVAT XML", _xml("<annotations", "<(image|track|task|meta)[ >]"), _export("CVAT", "COCO or Segmentation mask")),
    Kind("a LabelMe (MIT) set", _xml("<annotation", "<(polygon|segm)>"), _export("the program", "COCO")),
    Kind("a set of VOC boxes", _xml("<annotation", "<bndbox>"), "boxes have no masks: look for SegmentationClass/"),
    Kind("a YOLO segmentation set", lambda sight: _yolo(sight, "{6,}"), _export("its program")),
    Kind("a YOLO detection set", lambda sight: _yolo(sight, "{4,5}"), "boxes have no masks to convert"),
    Kind("a YOLO set", _yolo_table, _export("its program")),
    Kind("an nnU-Net set", _nnunet,
         "convert masks --image-dir imagesTr --mask-dir labelsTr --image-pattern '{stem}_0000'"),
    Kind("a set of volumes", _volume, "export each slice as PNG, images and masks"),
    Kind("a table of run lengths", _run_length_table, "decode its masks to PNG files"),
    Kind("Parquet of Hugging Face", _with_ending(".parquet", ".arrow"), "save its images and masks as PNG files"),
    Kind("TFRecord", _with_ending(".tfrecord", ".tfrec", ".tfrecords"), "save its images and masks as PNG files"),
    Kind("HDF5", _with_ending(".h5", ".hdf5"), "save its images and masks as PNG files"),
    Kind("a shapefile", _with_ending(".shp"), "convert vector reads it: give the folder of images, and --vectors FILE.shp"),
    Kind("a GeoPackage", _with_ending(".gpkg"), "convert vector reads it: give the folder of images, and --vectors FILE.gpkg"),
    Kind("an archive", _archive, "unpack it, and give the folder"),
)  # fmt: skip
"""In the order in which they are asked."""
