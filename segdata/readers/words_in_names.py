"""Words in the names of files, folders and members: what tells images from masks, and splits."""

from __future__ import annotations

import re

IMAGE_WORDS = frozenset({
    "image", "images", "img", "imgs", "jpegimages", "photo", "photos", "picture", "pictures", "pic", "pics", "input",
    "inputs", "rgb", "sat", "raw", "original", "originals", "scan", "scans", "frame", "frames",
})  # fmt: skip
MASK_WORDS = frozenset({
    "mask", "masks", "label", "labels", "lbl", "annotation", "annotations", "annot", "ann", "anno", "seg", "segs",
    "segmentation", "segmentations", "segmentationclass", "gt", "gts", "truth", "groundtruth", "target", "targets", "trimap",
    "trimaps", "labelids", "manual", "ground", "matte", "mattes", "semantic",
})  # fmt: skip
"""Words in names of files and folders that say which side a file is of."""

SPLIT_WORDS = ("train", "training", "trainval", "val", "valid", "validation", "test", "testing", "dev")
"""What a folder of a split, or a part of its name, is called."""


def words_of(name: str) -> set[str]:
    """The words in a name, in lower case: `trainMask_2` has train and mask."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    whole = re.findall(r"[A-Za-z]+", name)
    return {word.lower() for word in (*whole, *re.findall(r"[A-Za-z]+", apart))}
