"""Images that are cropped out of one another, or turned by any angle: guessed by embeddings, proved by what they show.

An encoder of another room gives each image an embedding, and the nearest of each are candidates. A pair is proved if keypoints
of the one (SIFT: Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004) lie where an affine map has those
of the other (RANSAC), and what both images show there correlates. So an embedding that takes all images of a dataset for
alike costs time, but no false finding. Images without detail have no keypoints, and are not found. Images that differ in small
print alone, such as one form filled in by several people, are sometimes taken for parts of one image: so are they in small.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from itertools import groupby
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.dataset.dataset import Dataset
from segdata.dataset.duplicates import Box, Link, read_parts
from segdata.dataset.sample import Sample
from segdata.errors import DataError, MissingDependency, Problem, located
from segdata.executors.run import Run

FACE, BATCH = 96, 32
"""The encoder sees squares of so many pixels, so many at a time."""

NEAREST, ALIKE, ENTRIES = 8, 0.5, 2**24
"""So many nearest are candidates, if the cosine of the angle is at least ALIKE; so many cosines are in memory at once."""

SIDE, KEYPOINTS = 160, 150
"""Images are compared at SIDE x SIDE pixels or as many in their own shape, by the strongest keypoints."""

RATIO, MATCHES, APART = 0.8, 8, 3.0
"""The nearest descriptor is this much nearer than the second; so many keypoints must lie within APART pixels of the map."""

STRETCH, SCALE = 2.5, 4.0
"""A map may stretch an image by this more in one direction than in the other, and scale it by this, up or down."""

SHARE, SURE, DETAIL = 0.25, 0.75, 4.0
"""Of the smaller image so much is in both, correlates by this, and has at least this variance (0..255)."""

Floats = NDArray[np.float32]

Encode = Callable[[NDArray[np.uint8]], Floats]
"""(N, FACE, FACE) uint8 brightness -> (N, D) float32."""


class Points(NamedTuple):
    """An image (h, w) uint8 in small, with its keypoints: `at` (P, 2) float32 x and y, and `descriptors` (P, 128) of length 1."""

    grey: NDArray[np.uint8]
    at: Floats
    descriptors: Floats


def image_encoder() -> Encode:
    """The encoder that gives embeddings. Raises `MissingDependency` if torch or its weights are not installed."""
    try:
        encode: Encode = import_module("segdata.nn.likeness").load()
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"looking for crops takes {error.name}, which is not installed: pip install 'segdata[train,weights]'"
        ) from error
    return encode


def crop_links(
    dataset: Dataset, places: Sequence[int], related: Sequence[Sequence[Hashable]], encode: Encode, run: Run
) -> list[Link]:
    """Links between those of a dataset's samples at `places` that are crops of one image, or one image turned, by position.

    Their distance is in per cent how far from 1 the images' correlation is. `related`: values of all samples; two that have one
    in common, which is not None, are known to belong together, and not compared. Raises `DataError`.
    """
    bare = replace(dataset, samples=())
    vectors = embeddings(bare, [dataset.samples[i] for i in places], encode, run)
    pairs = candidates(vectors, [_numbers([values[i] for i in places]) for values in related])
    pairs = np.asarray(places, np.int64)[pairs]
    jobs = []
    for first, some in groupby(pairs.tolist(), key=lambda pair: pair[0]):
        jobs.append((first, tuple(second for _, second in some)))
    items = [(dataset.samples[first], tuple(dataset.samples[i] for i in others)) for first, others in jobs]
    links = []
    for (first, others), (_, result) in zip(jobs, run.map(partial(compare_item, dataset=bare), items), strict=True):
        if isinstance(result, Problem):
            raise DataError(result)
        for second, correlation in zip(others, result, strict=True):
            if correlation >= SURE:
                links.append(Link(round(100 * (1 - correlation)), min(first, second), max(first, second)))
    return sorted(links)


def embeddings(dataset: Dataset, samples: Sequence[Sample], encode: Encode, run: Run) -> Floats:
    """(N, D) the embeddings of samples; each image file is decoded once. Raises `DataError`."""
    files: dict[tuple[str | None, str | None], list[int]] = defaultdict(list)
    for i, sample in enumerate(samples):
        files[sample.image, sample.exif].append(i)
    jobs = [tuple(samples[i] for i in own) for own in files.values()]
    order = [i for own in files.values() for i in own]
    out, done = np.empty((0, 0), np.float32), 0
    for batch in _batches(run.map(partial(face_item, dataset=dataset), jobs)):
        found = encode(batch)
        if not done:
            out = np.empty((len(samples), found.shape[1]), np.float32)
        out[order[done : done + len(found)]] = found
        done += len(found)
    return out


def _batches(results: Iterable[tuple[Any, list[NDArray[np.uint8]] | Problem]]) -> Iterator[NDArray[np.uint8]]:
    """(BATCH, FACE, FACE) of the faces in order; the last may be fewer."""
    waiting: list[NDArray[np.uint8]] = []
    for _, result in results:
        if isinstance(result, Problem):
            raise DataError(result)
        waiting += result
        while len(waiting) >= BATCH:
            yield np.stack(waiting[:BATCH])
            del waiting[:BATCH]
    if waiting:
        yield np.stack(waiting)


def face_item(samples: tuple[Sample, ...], dataset: Dataset) -> list[NDArray[np.uint8]]:
    """(FACE, FACE) uint8 of samples that share an image file: their brightness, made square. Raises `DataError`."""
    with located(sample=samples[0].id):
        _, _, grey, boxes = read_parts(dataset.image_path(samples[0]), samples, FACE, dataset.reading)
    whole = Image.fromarray(grey)
    return [np.asarray(whole.resize((FACE, FACE), Image.Resampling.BILINEAR, box)) for box in boxes]


def _numbers(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """(N,) equal for equal values, and for None like no other."""
    first: dict[Hashable, int] = {}
    return np.array([i if v is None else first.setdefault(v, i) for i, v in enumerate(values)], np.int64)


def candidates(vectors: Floats, related: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(P, 2) sorted pairs: each of N images with those whose embeddings (N, D) are nearest.

    Left out are images that are equal in one of the `related` (N,). What all embeddings have in common is taken off. Computed
    in blocks of rows, never N x N at once.
    """
    if (n := len(vectors)) < 2:
        return np.empty((0, 2), np.int64)
    centred = vectors - vectors.mean(axis=0) * (n / (n + FEW))
    centred /= np.linalg.norm(centred, axis=1, keepdims=True).clip(1e-12)
    nearest = min(NEAREST, n - 1)
    rows, pairs = max(1, ENTRIES // n), []
    for start in range(0, n, rows):
        own = np.arange(start, min(start + rows, n))
        cosines = centred[own] @ centred.T
        cosines[own - start, own] = -np.inf
        for codes in related:
            cosines[codes[own, None] == codes] = -np.inf
        best = np.argpartition(-cosines, nearest - 1, axis=1)[:, :nearest]
        near = np.take_along_axis(cosines, best, axis=1) >= ALIKE
        pairs.append(np.stack([np.broadcast_to(own[:, None], best.shape)[near], best[near]], axis=1))
    return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)


FEW = 64
"""Of fewer images than some of this, the mean is not taken off wholly: it would be of themselves."""


def compare_item(item: tuple[Sample, tuple[Sample, ...]], dataset: Dataset) -> list[float]:
    """How well an image and each of others correlate where they show the same; 0 if they do not. Raises `DataError`."""
    one = read_points(item[0], dataset)
    return [overlaid(one, read_points(other, dataset)) for other in item[1]]  # one at a time: they may be thousands


def read_points(sample: Sample, dataset: Dataset) -> Points:
    """An image in small with its keypoints. Raises `DataError`."""
    with located(sample=sample.id):
        _, _, grey, (box,) = read_parts(dataset.image_path(sample), [sample], SIDE, dataset.reading)
    return points(grey, box)


def points(grey: NDArray[np.uint8], box: Box | None = None) -> Points:
    """(H, W) uint8 brightness, or a part of it, in small with its keypoints."""
    left, top, right, bottom = box or (0.0, 0.0, float(grey.shape[1]), float(grey.shape[0]))
    scale = min(1.0, SIDE / np.sqrt((right - left) * (bottom - top)))
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    small = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR, box))
    keypoints, descriptors = cv2.SIFT.create(nfeatures=KEYPOINTS).detectAndCompute(small, None)
    at = np.array([point.pt for point in keypoints], np.float32).reshape(-1, 2)
    found = np.asarray(descriptors, np.float32) if len(at) else np.zeros((0, 128), np.float32)
    return Points(small, at, found / np.linalg.norm(found, axis=1, keepdims=True).clip(1e-12))


def mirrored(descriptors: Floats) -> Floats:
    """(P, 128) the descriptors that the same keypoints have in the mirror image.

    A descriptor is 4 x 4 histograms of 8 directions, in a frame turned into the keypoint's own direction: mirrored, the rows
    across it swap, and directions turn the other way.
    """
    rows = descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
    return np.ascontiguousarray(rows[..., [0, 7, 6, 5, 4, 3, 2, 1]].reshape(-1, 128))


def overlaid(a: Points, b: Points) -> float:
    """How well two images correlate where they show the same, however one was moved, turned or stretched; 0 if nowhere."""
    best = 0.0
    for descriptors in (b.descriptors, mirrored(b.descriptors)):
        first, second = matched(a.descriptors, descriptors)
        if len(first) < MATCHES:
            continue
        matrix, inliers = _map(b.at[second], a.at[first])
        if inliers >= MATCHES and _is_likely(matrix):
            best = max(best, correlation(a.grey, b.grey, matrix))
    return best


def matched(a: Floats, b: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(M,) and (M,) which keypoints of two images, by descriptors (P, 128) and (Q, 128), are each other's nearest, and by far."""
    if len(a) < 2 or len(b) < 2:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    cosines = a @ b.T
    best = cosines.argmax(axis=1)
    top = np.partition(cosines, -2, axis=1)[:, -2:]
    distances = np.sqrt((2 - 2 * top).clip(0))  # of vectors of length 1; the second nearest first
    mutual = cosines.argmax(axis=0)[best] == np.arange(len(a))
    first = np.flatnonzero(mutual & (distances[:, 1] < RATIO * distances[:, 0]))
    return first, best[first]


def _map(source: Floats, target: Floats) -> tuple[NDArray[np.float64], int]:
    """The affine map (2, 3) that brings most of (P, 2) points to where they are wanted, and how many; 0 if there is none."""
    found: Any = cv2.estimateAffine2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=APART)
    matrix, inside = found
    return (np.zeros((2, 3)), 0) if matrix is None else (matrix, int(inside.sum()))


def _is_likely(matrix: NDArray[Any]) -> bool:
    """Whether an affine map (2, 3) is what somebody does to an image."""
    large, small = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return bool(small > 0 and large / small <= STRETCH and small >= 1 / SCALE and large <= SCALE)


def correlation(a: NDArray[np.uint8], b: NDArray[np.uint8], matrix: NDArray[np.float64]) -> float:
    """Of the detail of (H, W) `a`, and of `b` moved by an affine map (2, 3), where both lie; 0 if that is little, or plain."""
    size = a.shape[1], a.shape[0]
    moved = np.asarray(cv2.warpAffine(b, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)
    inside = cv2.warpAffine(np.full(b.shape, 255, np.uint8), matrix, size, flags=cv2.INTER_NEAREST) > 0
    smaller = min(a.size, b.size * abs(np.linalg.det(matrix[:, :2])))
    if inside.sum() < SHARE * smaller:
        return 0.0
    one, other = (_detail(values, inside)[inside] for values in (a, moved))
    if min(one.var(), other.var()) < DETAIL:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _detail(values: NDArray[np.uint8], inside: NDArray[np.bool_]) -> Floats:
    """(H, W) float32: what is neither coarse shade nor finest grain, of the pixels inside."""
    weight = inside.astype(np.float32)

    def blurred(sigma: float) -> Floats:
        sums = cv2.GaussianBlur(values * weight, (0, 0), sigma)
        return np.asarray(sums / cv2.GaussianBlur(weight, (0, 0), sigma).clip(1e-6), np.float32)

    return blurred(1.5) - blurred(10)
