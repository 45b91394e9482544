"""Label images to masks, as people usually write it: Pillow, a numpy lookup, Pillow. `plain_masks.py KIND SRC OUT`."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

# Cityscapes: label id -> train id, the rest 255
TRAIN = dict(zip((7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33), range(19), strict=True))
KINDS: dict[str, tuple[str, dict[int, int]]] = {
    "voc": ("SegmentationClass/*.png", {i: i for i in range(21)}),
    "pets": ("annotations/trimaps/[!.]*.png", {1: 1, 2: 0}),
    "camvid": ("trainannot/*.png", {i: i for i in range(11)}),
    "cityscapes": ("gtFine/*/*/*_labelIds.png", TRAIN),
}


def main(kind: str, source: str, out: str) -> None:
    """Write OUT/<name>.png of class ids for each label image under SOURCE; values that are no class become 255."""
    pattern, classes = KINDS[kind]
    table = np.full(256, 255, np.uint8)
    table[list(classes)] = list(classes.values())
    Path(out).mkdir()
    for path in Path(source).glob(pattern):
        Image.fromarray(table[np.asarray(Image.open(path))]).save(f"{out}/{path.stem}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
