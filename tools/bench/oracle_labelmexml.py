"""Masks as Datumaro has them, in its own environment. `oracle_labelmexml.py SRC OUT`.

OUT gets a PNG of class ids for each image of SRC: 0 is background, then the labels, sorted. Polygons become masks, and masks are
merged, by Datumaro's own transforms; boxes are left out.
"""

import sys
from pathlib import Path

import numpy as np
from datumaro import Dataset  # type: ignore[import-not-found, unused-ignore]
from datumaro.components.annotation import (  # type: ignore[import-not-found, unused-ignore]
    AnnotationType,
    CompiledMask,
)
from PIL import Image


def main(source: str, out: str) -> None:
    """Draw every image."""
    dataset = Dataset.import_from(source, "label_me")
    names = [label.name for label in dataset.categories()[AnnotationType.label]]
    ids = [1 + sorted(names).index(name) for name in names]
    for item in dataset.transform("polygons_to_masks"):
        masks = [one for one in item.annotations if one.type == AnnotationType.mask]
        drawn = np.zeros(item.media.size, np.uint8)
        if masks:
            drawn = CompiledMask.from_instance_masks(
                masks, instance_labels=[ids[one.label] for one in masks]
            ).class_mask
        there = Path(out) / item.subset / f"{item.id}.png"
        there.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn.astype(np.uint8)).save(there, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
