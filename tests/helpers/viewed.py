"""Datasets for tests of the viewer's numbers, with predictions and scores written without the code under test, and viewed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.files.scores import read_scores, write_scores
from segdata.ops.view.session import Session
from viewing import Page, told

NAMES = ("road", "car", "sign: old")
IGNORE = 255

ANALYSES = ("evaluate", "evaluate@1", "suspects", "confidence", "check", "duplicates")
"""What can be found out about a `scene`."""


@dataclass
class Made:
    """Truth and predictions on disk, and their pixels by id: `probs` as they are read from the files of scores."""

    truth: Dataset
    preds: list[Dataset]
    masks: dict[str, NDArray[np.uint8]]
    given: list[dict[str, NDArray[np.uint8]]]
    probs: dict[str, NDArray[np.float32]]


def scene(root: Path, *, grouped: bool = False, seed: int = 0) -> Made:
    """Twelve images in two splits, of which each of two predictions has eight, the first with scores.

    Of the images, the second is the first one mirrored; masks have ignored pixels, and predictions too.
    """
    rng = np.random.default_rng(seed)
    ids = [f"{'train' if n < 5 else 'val'}/{n:02}" for n in range(12)]
    sizes = [(24 + n, 40 - n) for n in (0, 0, *range(2, 12))]
    masks = {id: blobs(rng, size) for id, size in zip(ids, sizes, strict=True)}
    fields = {id: {"group": f"drive {n // 3}"} for n, id in enumerate(ids)} if grouped else None
    truth = make(root / "truth", masks, names=NAMES, images="copy", fields=fields)
    first, second = ids[0], ids[1]
    picture = rng.integers(0, 255, (*sizes[0], 3)).astype(np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), 3)
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)
    for id, pixels in ((first, picture), (second, picture[:, ::-1])):
        Image.fromarray(pixels).save(root / f"truth/images/{id}.png")
    probs = {id: scored(root / "pred", id, masks[id], rng) for id in ids[4:]}
    one = {
        id: np.where(rng.random(p.shape[1:]) < 0.02, IGNORE, p.argmax(axis=0)).astype(np.uint8)
        for id, p in probs.items()
    }
    other = {id: np.where(masks[id] == IGNORE, 0, np.roll(masks[id], 2, axis=1)).astype(np.uint8) for id in ids[2:10]}
    pred = make(root / "pred", one, names=NAMES)
    samples = [msgspec.structs.replace(s, scores=f"scores/{s.id}.tif") for s in pred]
    Dataset(pred.root, pred.labels, samples, {"tool": "test"}, "none").save()
    preds = [Dataset.open(root / "pred"), make(root / "other", other, names=NAMES)]
    return Made(truth, preds, masks, [one, other], probs)


def blobs(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) class ids in blobs, some ignored."""
    field = cv2.GaussianBlur(rng.normal(size=(*size, 3)), (0, 0), 4)
    mask = field.argmax(axis=2)
    mask[cv2.GaussianBlur(rng.normal(size=size), (0, 0), 3) > 0.12] = IGNORE
    return mask.astype(np.uint8)


def scored(root: Path, id: str, mask: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Write scores that are mostly right; returns them as a file of 8 bits holds them, summing to 1."""
    truth = np.where(mask == IGNORE, 0, mask)
    noise = cv2.GaussianBlur(rng.normal(size=(*mask.shape, 3)), (0, 0), 2)
    exps = np.exp(1.5 * np.eye(3)[truth] + 9 * noise).transpose(2, 0, 1)
    path = root / f"scores/{id}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_scores(path, mask.shape, 3, [(0, 0, (exps / exps.sum(axis=0)).astype(np.float32))])
    return read_scores(path)


class Viewed:
    """A session, and what its page is answered."""

    def __init__(self, truth: Any, preds: Sequence[Any] = ()) -> None:
        self.session = Session.open(truth, preds, writable=True)
        self.page = Page(self.session)

    def get(self, path: str, query: Mapping[str, Any] | None = None, status: int = 200) -> Any:
        """The values of an answer below /api/."""
        return told(self.page.get(f"/api/{path}", params=query), status)

    def post(self, path: str, status: int = 202) -> Any:
        """The same of what does something."""
        return told(self.page.post(f"/api/{path}"), status)

    def state(self, name: str) -> dict[str, Any]:
        """How far an analysis is."""
        return next(dict(job) for job in self.get("analyses") if job["name"] == name)

    def ended(self, name: str, patience: float = 60) -> dict[str, Any]:
        """Start an analysis if it does not run, and wait until it has ended."""
        if self.state(name)["state"] == "absent":
            self.post(f"analyses/{name}")
        end = time.monotonic() + patience
        while (found := self.state(name))["state"] == "running" and time.monotonic() < end:
            time.sleep(0.01)
        return found

    def ids(self, **query: Any) -> list[str]:
        """The ids of what fits, in order."""
        return [one["id"] for one in self.get("samples", {"count": 500, **query})["samples"]]

    def row(self, id: str) -> int:
        """The row of an id."""
        return self.session.index.ids.index(id)
