"""The masks that labelme, or supervision, reads from a labelme export, in the environment of either (peers labelme, supervision).

    python tools/bench/oracle_export_labelme.py SRC OUT [--supervision]

SRC is what `segdata export labelme` wrote; OUT gets a .npy per image, FOLDER/NAME, of the number of the label on each pixel, from
1 on in the order of OUT/labels.txt, 0 where there is none. labelme opens each file by its own `LabelFile` and draws it by its
`shapes_to_label`; supervision loads each by `DetectionDataset.from_labelme`.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np


def of_labelme(folder: Path) -> Iterator[tuple[str, Any, list[str]]]:
    """Name, numbers and labels of the images in a folder, as labelme draws them."""
    from labelme._label_file import LabelFile  # type: ignore[import-not-found, unused-ignore]
    from labelme.utils import img_data_to_arr, shapes_to_label  # type: ignore[import-not-found, unused-ignore]

    for path in sorted(folder.rglob("*.json")):
        file = LabelFile(str(path))
        labels = sorted({shape["label"] for shape in file.shapes})
        size = img_data_to_arr(file.imageData).shape
        drawn, _ = shapes_to_label(size, file.shapes, {label: number for number, label in enumerate(labels, 1)})
        yield path.relative_to(folder).with_suffix("").as_posix(), drawn, labels


def of_supervision(folder: Path) -> Iterator[tuple[str, Any, list[str]]]:
    """The same, as supervision does."""
    import supervision as sv  # type: ignore[import-not-found, unused-ignore]

    for label_file in sorted(folder.rglob("*.json")):
        with TemporaryDirectory() as alone:  # of all images together it would hold a mask per object in memory
            shutil.copy(label_file, alone)
            dataset = sv.DetectionDataset.from_labelme(str(label_file.parent), alone, force_masks=True)
        ((_, image, found),) = dataset
        drawn = np.zeros(image.shape[:2], int)
        for mask, label in zip(found.mask if len(found) else (), found.class_id if len(found) else (), strict=True):
            drawn[mask] = label + 1
        yield label_file.relative_to(folder).with_suffix("").as_posix(), drawn, list(dataset.classes)


def main(source: str, out: str, program: str = "") -> None:
    """Write what covers the pixels of every image."""
    label_files = [path for path in Path(source).rglob("*.json") if path.parent != Path(source)]
    labels = sorted({one["label"] for path in label_files for one in json.loads(path.read_bytes())["shapes"]})
    for folder in sorted(path for path in Path(source).iterdir() if path.is_dir()):
        for name, drawn, own in (of_supervision if program else of_labelme)(folder):
            numbers = np.array([0, *(labels.index(label) + 1 for label in own)])
            file = Path(out) / folder.name / f"{name}.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, numbers[drawn].astype(np.uint16))
    (Path(out) / "labels.txt").write_text("".join(f"{label}\n" for label in labels), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
