"""Class indices of the full ADE20K by the program of its makers, in its own environment.

`oracle_ade20k.py SRC OUT CLONE [LEVEL]`: CLONE is a copy of https://github.com/CSAILVision/ADE20K, LEVEL a level of parts.
"""

import sys
from pathlib import Path

import numpy as np


def main(source: str, out: str, clone: str, level: str = "0") -> None:
    """Write OUT/<path of an image, / as +>.npy, (H, W) class indices, for each mask of SRC; none for an image without parts."""
    sys.path.insert(0, f"{clone}/utils")
    from utils_ade20k import loadAde20K  # type: ignore[import-not-found, unused-ignore]

    Path(out).mkdir(parents=True, exist_ok=True)
    for path in sorted(Path(source).rglob("*_seg.png")):
        stem = str(path).removesuffix("_seg.png")
        found = loadAde20K(f"{stem}.jpg")
        masks = [found["class_mask"], *found["partclass_mask"]]
        if int(level) < len(masks):
            name = Path(stem).relative_to(source).as_posix().replace("/", "+")
            np.save(f"{out}/{name}.npy", np.asarray(masks[int(level)]).astype(np.int32))


if __name__ == "__main__":
    main(*sys.argv[1:])
