"""The configs by which trainers find the folders: texts that they read as they are, wherever the folder lies."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from segdata.labels import Labels

ROLES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""What splits are for in a trainer, by their names in small letters."""


@dataclass(frozen=True, slots=True)
class Split:
    """The folders of a split, and the endings of its images."""

    images: str
    masks: str
    endings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a config speaks of: the classes, and the splits by role."""

    labels: Labels
    splits: Mapping[str, Split]


def find_roles(splits: Iterable[str | None], wanted: Collection[str] = tuple(ROLES)) -> dict[str, str | None]:
    """The split for each of the `wanted` roles; a dataset without splits is for training."""
    there = list(splits)
    if there == [None]:
        return {"train": None}
    folded = {split.casefold(): split for split in there if split is not None}
    found = {role: [folded[name] for name in ROLES[role] if name in folded] for role in wanted}
    return {role: names[0] for role, names in found.items() if names}


# Ultralytics and LightlyTrain: YAML, in which texts of JSON are texts


def ultralytics(contents: Contents) -> str:
    """data.yaml: without `path` the folders are beside the file. Train with `yolo semantic train data=OUT/data.yaml`."""
    splits = [f"{role}: {_text(split.images)}" for role, split in contents.splits.items()]
    lines = [*splits, "masks_dir: masks", "names:", *_numbered(contents.labels)]
    return "\n".join(["# For Ultralytics: masks hold class ids, 255 is ignored", *lines, ""])


def lightly(contents: Contents) -> str:
    """data.yaml: `lightly_train.train_semantic_segmentation(data="OUT/data.yaml", ...)`; values of no class are ignored."""
    splits = [
        line
        for role, split in contents.splits.items()
        for line in (f"{role}:", f"  images: {_text(split.images)}", f"  masks: {_text(split.masks)}")
    ]
    lines = [*splits, "classes:", *_numbered(contents.labels)]
    return "\n".join(["# For LightlyTrain: masks hold class ids, 255 is ignored", *lines, ""])


def _numbered(labels: Labels) -> list[str]:
    return [f"  {label.id}: {_text(label.name)}" for label in labels.classes]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


# MMSegmentation


def mmseg(contents: Contents) -> str:
    """A dataset config of MMSegmentation 1.x, for `_base_` of a model's config; it finds its folder by `fileDirname`."""
    labels = contents.labels
    palette = [list(label.color) for label in labels.classes]
    loaders = [_loader(role, split) for role, split in contents.splits.items()]
    return MMSEG_HEAD.format(classes=labels.names, palette=palette) + "".join(loaders)


MMSEG_HEAD = """\
# For MMSegmentation 1.x: name it in _base_ of a model's config. Masks hold class ids, 255 is ignored.
dataset_type = 'BaseSegDataset'
data_root = '{{{{ fileDirname }}}}'
metainfo = dict(
    classes={classes!r},
    palette={palette!r},
)
crop_size = (512, 512)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
"""

MMSEG_LOADER = """
{role}_dataloader = dict(
    batch_size={batch},
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='{sampler}', shuffle={shuffle}),
    dataset={dataset},
)
"""

MMSEG_SCORES = "{role}_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])\n"


def _loader(role: str, split: Split) -> str:
    """The data loader of a split: one dataset per ending of images, as one dataset looks for one."""
    datasets = [_dataset(split, ending, "train" if role == "train" else "test") for ending in split.endings]
    joined = "".join(f"\n        {dataset}," for dataset in datasets)
    dataset = datasets[0] if len(datasets) == 1 else f"dict(type='ConcatDataset', datasets=[{joined}\n    ])"
    train = role == "train"
    sampler = "InfiniteSampler" if train else "DefaultSampler"
    loader = MMSEG_LOADER.format(role=role, batch=2 if train else 1, sampler=sampler, shuffle=train, dataset=dataset)
    return loader if train else loader + MMSEG_SCORES.format(role=role)


def _dataset(split: Split, ending: str, pipeline: str) -> str:
    prefix = f"dict(img_path={split.images!r}, seg_map_path={split.masks!r})"
    return (
        f"dict(type=dataset_type, data_root=data_root, metainfo=metainfo, img_suffix={ending!r}, seg_map_suffix='.png', "
        f"data_prefix={prefix}, pipeline={pipeline}_pipeline)"
    )


# segmentation_models.pytorch


def smp(contents: Contents) -> str:
    """A module with the classes and a torch Dataset, as segmentation_models.pytorch has no configs."""
    folders = {role: (split.images, split.masks) for role, split in contents.splits.items()}
    return SMP.format(classes=contents.labels.names, ignore=contents.labels.ignore, folders=folders)


SMP = '''\
"""For segmentation_models.pytorch: the classes, and the images and masks of a split.

    model = smp.Unet(classes=len(CLASSES))
    loss = smp.losses.DiceLoss("multiclass", ignore_index=IGNORE)
    data = Split("train")
"""

import os

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

CLASSES = {classes!r}
IGNORE = {ignore}
FOLDERS = {folders!r}
HERE = os.path.dirname(os.path.abspath(__file__))


class Split(Dataset):
    """(3, H, W) float32 from 0 to 1, and (H, W) int64 class ids; `transform(image=, mask=)` is as in albumentations."""

    def __init__(self, split, transform=None):
        self.images, self.masks = (os.path.join(HERE, folder) for folder in FOLDERS[split])
        self.names = sorted(os.listdir(self.images))
        self.transform = transform

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        with Image.open(os.path.join(self.images, self.names[i])) as file:
            image = np.array(file.convert("RGB"))
        with Image.open(os.path.join(self.masks, self.names[i])) as file:
            mask = np.array(file)
        if self.transform is not None:
            changed = self.transform(image=image, mask=mask)
            image, mask = changed["image"], changed["mask"]
        return image.transpose(2, 0, 1).astype("float32") / 255, mask.astype("int64")
'''
