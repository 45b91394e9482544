"""The masks that Datumaro reads from a CVAT export, in its own environment (datumaro==1.13.12). `oracle_export_cvat.py SRC OUT`.

SRC is what `segdata export cvat` wrote; OUT gets an .npy per image, SUBSET/NAME, of the number of the label on each pixel, from 1
on in the order of the XML, 0 where there is none. Polygons are filled by Datumaro's own transform, through pycocotools.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from datumaro.components.annotation import AnnotationType  # type: ignore[import-not-found, unused-ignore]
from datumaro.components.dataset import Dataset  # type: ignore[import-not-found, unused-ignore]


def main(source: str, out: str) -> None:
    """Write what covers the pixels of every image."""
    dataset = Dataset.import_from(source, "cvat")
    dataset.transform("polygons_to_masks")
    names = [label.name for label in dataset.categories()[AnnotationType.label].items]
    (Path(out) / "labels.txt").parent.mkdir(parents=True, exist_ok=True)
    (Path(out) / "labels.txt").write_text("\n".join(names) + "\n", "utf-8")
    for item in dataset:
        drawn = np.zeros(item.media.size, np.uint16)
        for shape in sorted(item.annotations, key=lambda one: one.z_order):
            drawn[np.asarray(shape.image, bool)] = shape.label + 1
        file = Path(out) / item.subset / f"{item.id}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, drawn)


if __name__ == "__main__":
    main(*sys.argv[1:])
