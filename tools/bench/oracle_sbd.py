"""What torchvision's SBDataset reads of a set, and what SciPy reads of inst/.

    build/bench/torchvision/bin/python tools/bench/oracle_sbd.py SRC OUT

OUT/cls/<split>/<name>.png are (H, W) class ids; OUT/inst/ those of objects by their categories. It runs in the environment
`torchvision` of peers.sh.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat  # type: ignore[import-not-found, import-untyped, unused-ignore]
from torchvision.datasets import SBDataset  # type: ignore[import-not-found, unused-ignore]


def main() -> None:
    """Read both splits of SRC, the folder with img/ and cls/."""
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    for split in ("train", "val"):
        data = SBDataset(str(source), image_set=split, mode="segmentation")
        for number, path in enumerate(map(Path, data.masks)):
            save(out / f"cls/{split}/{path.stem}.png", np.array(data[number][1]))
            objects = loadmat(path.parents[1] / f"inst/{path.name}")["GTinst"][0, 0]
            categories = np.concatenate([[0], objects["Categories"].ravel()]).astype(np.uint8)
            save(out / f"inst/{split}/{path.stem}.png", categories[objects["Segmentation"]])


def save(path: Path, mask: NDArray[Any]) -> None:
    """Write a mask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


if __name__ == "__main__":
    main()
