"""What `segdata pick` is worth to a small head on a frozen encoder: `python tools/bench/bench_pick.py WORK --heads`.

The encoder is EfficientNet-Lite0 with its ImageNet weights. The head, a hidden layer of 64 at each place of a grid of a quarter
of the size, is trained anew in each round. So a seed takes minutes, and many can be drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

import segdata
from segdata import Confusion, Dataset, Labels
from segdata.files.geo import Geo
from segdata.nn.models import build
from segdata.prediction.profile import About, Profile
from segdata.prediction.signals import Measure, encoded
from segdata.prediction.sliding import Band

GRID = (24, 32)
UPDATES, PLACES = 600, 1536
"""Updates of a head, and the places of the grid in each."""


@dataclass(frozen=True)
class Known:
    """Of N images: `features` (N, P, D) float16 at the P places of the grid, `embeddings` (N, E), `truth` (N, P) class ids."""

    labels: Labels
    ids: Sequence[str]
    train: Sequence[int]
    val: Sequence[int]
    own: Sequence[int]
    features: torch.Tensor
    embeddings: NDArray[np.float32]
    truth: torch.Tensor

    @property
    def classes(self) -> int:
        """K."""
        return len(self.labels.classes)


def known_of(dataset: Dataset) -> Known:
    """What the frozen encoder says of each image; `own` are those of CamVid's own val."""
    encoder: Any = build("unet", classes=1, encoder_weights="imagenet").encoder.eval()
    fine, coarse, embeddings, truth = [], [], [], []
    with torch.inference_mode():
        for sample in dataset:
            pixels = torch.from_numpy((dataset.read_image(sample).astype(np.float32) - 127) / 128)
            _, *maps = encoder(pixels.permute(2, 0, 1)[None])
            *finer, last = (
                F.interpolate(one, GRID, mode="bilinear", align_corners=False)[0].flatten(1).T for one in maps
            )
            fine.append(torch.cat(finer, 1).numpy())
            coarse.append(last.half().numpy())
            embeddings.append(maps[-1].mean((2, 3))[0].numpy())
            truth.append(dataset.read_mask(sample)[2::4, 2::4].ravel())
    features = np.concatenate([np.stack(fine), principal(np.stack(coarse))], axis=2)
    some = features[::5].reshape(-1, features.shape[2])
    features = (features - some.mean(axis=0)) / (some.std(axis=0) + 1e-3)
    ids = [sample.id for sample in dataset]
    places = {split: [i for i, s in enumerate(dataset) if s.split == split] for split in ("train", "val")}
    own = [i for i, id in enumerate(ids) if id.startswith("val/")]
    return Known(
        dataset.labels, ids, places["train"], places["val"], own, torch.from_numpy(features).half(), np.stack(embeddings),
        torch.from_numpy(np.stack(truth).astype(np.int64)),
    )  # fmt: skip


def principal(maps: NDArray[np.float16], count: int = 64) -> NDArray[np.float32]:
    """(N, P, D) -> (N, P, count): the principal components of a part of the images."""
    part = maps[::9].reshape(-1, maps.shape[2]).astype(np.float32)
    mean = part.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov((part - mean)[::3].T))
    turn = vectors[:, -count:].astype(np.float32)
    return np.stack([(one.astype(np.float32) - mean) @ turn for one in maps])


def fit(known: Known, images: Sequence[int], seed: int) -> nn.Module:
    """A head that has learnt from some images."""
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Linear(known.features.shape[2], 64), nn.ReLU(), nn.Linear(64, known.classes))
    features, truth = known.features[list(images)].flatten(0, 1), known.truth[list(images)].flatten()
    features, truth = features[truth < known.classes], truth[truth < known.classes]
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES)
    for _ in range(UPDATES):
        places = torch.randint(len(truth), (PLACES,))
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(head(features[places].float()), truth[places]))
        optimizer.step()
        schedule.step()
    return head


def probabilities(known: Known, head: nn.Module, images: Sequence[int]) -> Iterator[NDArray[np.float32]]:
    """(K, h, w) of each image."""
    with torch.inference_mode():
        for image in images:
            yield head(known.features[image].float()).softmax(1).T.reshape(known.classes, *GRID).numpy()


def mean_iou(known: Known, head: nn.Module, images: Sequence[int]) -> float:
    """In %, over all places of the images."""
    total = Confusion.empty(known.classes)
    for image, probs in zip(images, probabilities(known, head, images), strict=True):
        total += Confusion.of(known.truth[image].numpy().reshape(GRID), probs.argmax(axis=0), known.labels)
    return 100 * total.mean_iou


def picked(
    known: Known, head: nn.Module, labelled: Sequence[int], step: int, seed: int, strategy: Any, work: Path
) -> list[int]:
    """The labelled images, and those that are picked of the rest of train."""
    rows = []
    for image, probs in zip(known.train, probabilities(known, head, known.train), strict=True):
        measure = Measure(known.classes)
        measure.add(Band(image, GRID, Geo(), 0, probs))
        row = measure.signals(known.ids[image])
        rows.append(msgspec.structs.replace(row, embedding=encoded(known.embeddings[image])))
    Profile(About.of(known.labels), tuple(rows)).save(work / "heads.jsonl")
    there = Dataset(work, known.labels, [bare(known.ids[image]) for image in labelled])
    found = segdata.pick(work / "heads.jsonl", n=step, strategy=strategy, labelled=there, seed=seed)
    place = {id: image for image, id in enumerate(known.ids)}
    return [*labelled, *(place[one.id] for one in found.images)]


def bare(id: str) -> segdata.Sample:
    """A sample of which nothing but its id matters."""
    return segdata.Sample(id=id, mask="", height=0, width=0, counts={}, sha256="")


def arm(known: Known, strategy: str, seed: int, rounds: int, work: Path) -> Iterator[tuple[int, tuple[float, float]]]:
    """As `bench_pick.arm`."""
    images = list(known.train)
    if strategy != "full":
        every = sorted(known.ids[image] for image in images)
        first = np.random.default_rng(seed).permutation(every)[: round(len(every) / 10)].tolist()
        images = [known.ids.index(id) for id in first]
    for number in range(rounds + 1 if strategy != "full" else 1):
        head = fit(known, images, seed)
        yield len(images), (mean_iou(known, head, known.val), mean_iou(known, head, known.own))
        if strategy != "full" and number < rounds:
            images = picked(known, head, images, round(len(known.train) / 10), seed, strategy, work)
