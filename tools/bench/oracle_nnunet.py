"""What nnU-Net reads of a raw data set: label images by its own reader, and names by its own rule of labels and regions.

    build/bench/nnunet/bin/python tools/bench/oracle_nnunet.py SRC OUT

OUT/<case>.png are (H, W) uint16 places in OUT/names.json, 65535 for the ignore label. It runs in the
environment `nnunet` of peers.sh.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO  # type: ignore[import-not-found, unused-ignore]
from nnunetv2.utilities.label_handling.label_handling import LabelManager  # type: ignore[import-not-found, unused-ignore]
from nnunetv2.utilities.utils import (  # type: ignore[import-not-found, unused-ignore]
    get_filenames_of_train_images_and_targets,
)
from PIL import Image


def names_by_value(card: dict[str, Any]) -> dict[int, str]:
    """The name of each value; of regions the one that nnU-Net writes where it is sure of every region of the value."""
    labels = {name: tuple(v) if isinstance(v, list) else int(v) for name, v in card["labels"].items()}
    manager = LabelManager(labels, card.get("regions_class_order"))
    if not manager.has_regions:
        return {int(np.ravel(v)[0]): name for name, v in labels.items()}
    regions = [name for name, v in labels.items() if name != "ignore" and set(np.ravel(v).tolist()) != {0}]
    written = dict(zip(card["regions_class_order"], regions, strict=True))
    found = {0: "background"} | ({manager.ignore_label: "ignore"} if manager.has_ignore_label else {})
    for value in manager.all_labels:
        sure = np.array([[[[float(value in np.ravel(labels[name]))]]] for name in regions])
        wrote = int(manager.convert_probabilities_to_segmentation(sure).ravel()[0])
        found[int(value)] = written[wrote] if wrote else "background"
    return found


def main() -> None:
    """Read every case of SRC."""
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    card = json.loads((source / "dataset.json").read_text())
    names = names_by_value(card)
    listed = [name for name in dict.fromkeys(names.values()) if name != "ignore"]
    table = {value: 65535 if name == "ignore" else listed.index(name) for value, name in names.items()}
    for case, files in get_filenames_of_train_images_and_targets(str(source), card).items():
        values, _ = NaturalImage2DIO().read_seg(files["label"])
        assert values.shape[:2] == (1, 1)
        places = np.vectorize(table.__getitem__, otypes=[np.uint16])(values[0, 0].astype(np.int64))
        Image.fromarray(places).save(out / f"{case}.png")
    (out / "names.json").write_text(json.dumps(listed))


if __name__ == "__main__":
    main()
