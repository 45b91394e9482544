"""What trainers call the folders of images and masks, and which files they read there.

- mmseg: MMSegmentation 1.x's `BaseSegDataset`, https://github.com/open-mmlab/mmsegmentation, mmseg/datasets/basesegdataset.py.
- ultralytics: https://docs.ultralytics.com/datasets/semantic, "PNG mask format".
- lightly: LightlyTrain, https://docs.lightly.ai/train/stable/semantic_segmentation.html#data.
- smp: the CamVid example of segmentation_models.pytorch, https://github.com/qubvel-org/segmentation_models.pytorch,
  examples/camvid_segmentation_multiclass.ipynb: an image and its mask have one name, ending included.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from segdata.files.endings import IMAGE_ENDINGS
from segdata.writers.folders import configs
from segdata.writers.folders.configs import Contents

LayoutName = Literal["plain", "mmseg", "ultralytics", "lightly", "smp"]

SPLIT = "{split}"

ORDINARY = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
"""The image files that every trainer reads."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a trainer wants files: the folders of images and masks of a split, and of a dataset without splits.

    `kinds`: the image files that it reads. `flat`: it looks for no files in folders below. `config`: the name of its config,
    and what writes it (None: it has none). `roles`: what splits the config may name. `least`: it does not read images with a
    side of fewer pixels.
    """

    images: str
    masks: str
    alone: tuple[str, str]
    kinds: Collection[str] = ORDINARY
    flat: bool = False
    config: tuple[str, Callable[[Contents], str]] | None = None
    roles: tuple[str, ...] = ("train", "val", "test")
    least: int = 1

    def folders(self, split: str | None) -> tuple[str, str]:
        """The folders of the images and masks of a split."""
        return self.alone if split is None else (self.images.replace(SPLIT, split), self.masks.replace(SPLIT, split))


LAYOUTS: dict[LayoutName, Layout] = {
    "plain": Layout("images/{split}", "masks/{split}", ("images", "masks"), IMAGE_ENDINGS),
    "mmseg": Layout(
        "img_dir/{split}",
        "ann_dir/{split}",
        ("img_dir", "ann_dir"),
        config=("mmseg_dataset.py", configs.mmseg),
        least=2,
    ),
    "ultralytics": Layout(
        "images/{split}", "masks/{split}", ("images", "masks"), config=("data.yaml", configs.ultralytics), least=10
    ),
    "lightly": Layout(
        "{split}/images",
        "{split}/masks",
        ("images", "masks"),
        config=("data.yaml", configs.lightly),
        roles=("train", "val"),
    ),
    "smp": Layout(
        "{split}", "{split}annot", ("images", "masks"), (".png",), flat=True, config=("smp_dataset.py", configs.smp)
    ),
}
