"""COCO to masks, as people usually write it themselves: pycocotools, numpy, Pillow. `plain_coco.py FILE OUT`."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools.coco import COCO


def main(source: str, out: str) -> None:
    """Write OUT/<name>.png of category ids for each image: crowds 255, small objects on top."""
    coco = COCO(source)
    Path(out).mkdir()
    for image_id, image in coco.imgs.items():
        mask = np.zeros((image["height"], image["width"]), np.uint8)
        for annotation in sorted(coco.imgToAnns[image_id], key=lambda a: -a["area"]):
            mask[coco.annToMask(annotation) == 1] = 255 if annotation["iscrowd"] else annotation["category_id"]
        Image.fromarray(mask).save(f"{out}/{Path(image['file_name']).stem}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
