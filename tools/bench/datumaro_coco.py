"""COCO to masks with Datumaro, in its own environment. `datumaro_coco.py FORMAT usual|grey ROOT OUT`.

usual: as in its guide, a transform turns polygons into masks, and masks have colours. grey: the fastest way that was found,
polygons become masks while reading, and masks have indices.
"""

import sys

from datumaro import Dataset  # type: ignore[import-not-found, unused-ignore]


def main(format: str, way: str, root: str, out: str) -> None:
    """Import ROOT/annotations/instances_*.json and export masks without images."""
    if way == "usual":
        dataset = Dataset.import_from(root, "coco_instances")
        dataset.transform("polygons_to_masks")
        dataset.export(out, format, save_media=False)
    else:
        dataset = Dataset.import_from(root, "coco_instances", merge_instance_polygons=True)
        dataset.export(out, format, save_media=False, apply_colormap=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
