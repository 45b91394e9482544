"""What nnU-Net itself says of exports, and reads in them: its integrity check, and its own reading of label images and images.

    .venv/bin/python tools/bench/export_sets.py nnunet OUT
    build/bench/nnunet/bin/python tools/bench/oracle_export_nnunet.py OUT

It runs in the environment `nnunet` of peers.sh, and ends with code 1 if a pixel differs.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.experiment_planning.verify_dataset_integrity import (  # type: ignore[import-not-found, unused-ignore]
    verify_dataset_integrity,
)
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO  # type: ignore[import-not-found, unused-ignore]


def names_of(sample: str, split: str | None) -> tuple[str, str]:
    """What a sample's case is called: its id without folders, with digits if another one has that name."""
    name = sample.removeprefix(f"{split}/").replace("/", "_")
    return name, f"{name}-{hashlib.sha256(sample.encode()).hexdigest()[:8]}"


def check_set(folder: Path, held: Any, about: dict[str, Any]) -> Counter[str]:
    """Count what was compared of a set, and what differs."""
    found = Counter[str](sets=1)
    said = io.StringIO()
    if (folder / "labelsTr").is_dir():
        with contextlib.redirect_stdout(said):
            verify_dataset_integrity(str(folder), 1)
        found["whole"] += "verify_dataset_integrity Done" in said.getvalue()
    else:
        found["of the test alone"] += 1
    card = json.loads((folder / "dataset.json").read_text())
    table = np.full(65536, 10**6)
    for name, value in card["labels"].items():
        if name == "ignore":
            table[value] = 65535
        elif name in about["classes"]:
            table[value] = about["classes"].index(name)
    for sample, split in about["splits"].items():
        part = "Ts" if split == "test" else "Tr"
        label = next(
            path for name in names_of(sample, split) if (path := folder / f"labels{part}/{name}.png").is_file()
        )
        read, _ = NaturalImage2DIO().read_seg(str(label))
        image, _ = NaturalImage2DIO().read_images([str(folder / f"images{part}/{label.stem}_0000.png")])
        ids, pixels = held[f"mask {sample}"], held[f"image {sample}"]
        found["images"] += 1
        found["pixels"] += ids.size
        found["mask pixels that differ"] += int((table[read[0, 0].astype(int)] != ids).sum())
        found["image values that differ"] += int((image[:, 0].transpose(1, 2, 0) != pixels).sum())
    return found


def main(out: Path) -> int:
    """Check all sets."""
    total = Counter[str]()
    for folder in sorted(out.glob("sets/Dataset*")):
        number = folder.name[7:10]
        found = check_set(folder, np.load(out / f"{number}.npz"), json.loads((out / f"{number}.json").read_text()))
        print(folder.name, dict(found), flush=True)
        total.update(found)
    print(f"nnunetv2 {version('nnunetv2')}:", dict(total))
    wrong = total["mask pixels that differ"] + total["image values that differ"]
    return int(wrong > 0 or total["whole"] + total["of the test alone"] < total["sets"])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
