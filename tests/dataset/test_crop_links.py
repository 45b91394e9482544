"""Crops and turned images: which pairs are guessed, against all pairs; and what lies over what, whatever was guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import cache
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from segdata import Dataset, Labels, Run
from segdata.dataset import crops
from segdata.dataset.crops import SURE, candidates, crop_links, image_encoder, mirrored, overlaid, points
from segdata.dataset.groups import group_samples
from segdata.dataset.sample import Sample
from segdata.errors import DataError, MissingDependency
from segdata.files.images import read_image
from segdata.windows import Window

# Candidates


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from([1, 7, 2**24]))
def test_candidates_are_the_nearest_of_all_pairs(seed: int, n: int, entries: int) -> None:
    """Whatever the blocks: of each image the nearest that are alike, and not related."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(6, 5))
    vectors = (centres[rng.integers(0, 6, n)] + 0.4 * rng.normal(size=(n, 5))).astype(np.float32)
    related = [rng.integers(0, max(1, n), n), rng.integers(0, 3 * n + 1, n)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crops, "ENTRIES", entries)
        found = candidates(vectors, related)
    expected = set()
    away = vectors - vectors.mean(axis=0) * (n / (n + crops.FEW)) if n else vectors
    unit = away / np.linalg.norm(away, axis=1, keepdims=True)
    for i in range(n):
        others = [j for j in range(n) if j != i and all(codes[i] != codes[j] for codes in related)]
        best = sorted(others, key=lambda j: -float(unit[i] @ unit[j]))[: crops.NEAREST]
        expected |= {(min(i, j), max(i, j)) for j in best if unit[i] @ unit[j] >= crops.ALIKE}
    assert [tuple(pair) for pair in found.tolist()] == sorted(expected)


def test_two_images_of_one_kind_are_candidates() -> None:
    """Though what they have in common is all that there is."""
    assert candidates(np.array([[1, 0.1], [1, -0.1]], np.float32), []).tolist() == [[0, 1]]


# What lies over what


@cache
def photographs(folder: Path) -> list[Image.Image]:
    return [Image.fromarray(read_image(path)) for path in sorted(folder.glob("coco/train2017/*.jpg"))][:10]


def grey(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("L"))


def cropped(image: Image.Image, share: float) -> Image.Image:
    width, height = round(share * image.width), round(share * image.height)
    return image.crop((image.width - width, 3, image.width, 3 + height))


FOUND: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped": lambda p: cropped(p, 7 / 8),
    "half of each side": lambda p: cropped(p, 0.6),
    "cropped, mirrored": lambda p: ImageOps.mirror(cropped(p, 7 / 8)),
    "cropped, upside down": lambda p: ImageOps.flip(cropped(p, 7 / 8)),
    "turned by 25 degrees": lambda p: p.rotate(25, Image.Resampling.BILINEAR),
    "turned by 140 degrees, mirrored": lambda p: ImageOps.mirror(p.rotate(140, Image.Resampling.BILINEAR, expand=True)),
    "cropped, square": lambda p: cropped(p, 7 / 8).resize((200, 200)),
    "cropped, darker": lambda p: ImageEnhance.Brightness(cropped(p, 7 / 8)).enhance(0.7),
}


@pytest.mark.parametrize("how", FOUND)
def test_what_was_done_to_an_image_is_seen_through(samples: Path, how: str) -> None:
    each = [overlaid(points(grey(p)), points(grey(FOUND[how](p)))) for p in photographs(samples)]
    assert np.mean(np.array(each) >= SURE) >= 0.9


def test_other_images_do_not_lie_over_one_another(samples: Path) -> None:
    looked = [points(grey(p)) for p in photographs(samples)]
    assert max(overlaid(a, b) for a, b in combinations(looked, 2)) < SURE


def test_descriptors_of_the_mirror_image(samples: Path) -> None:
    """Those of mirrored keypoints, as SIFT itself computes them."""
    image = grey(photographs(samples)[0])
    sift = cv2.SIFT.create(nfeatures=100)
    keypoints = sift.detect(image, None)
    other = [
        cv2.KeyPoint(image.shape[1] - 1 - p.pt[0], p.pt[1], p.size, (540 - p.angle) % 360, p.response, p.octave)
        for p in keypoints
    ]
    ours = mirrored(np.asarray(sift.compute(image, keypoints)[1]))
    theirs = np.asarray(sift.compute(np.ascontiguousarray(image[:, ::-1]), other)[1])
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert np.median(cosines) > 0.98


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (5, 7), (64, 64)])
@pytest.mark.parametrize("noisy", [False, True])
def test_images_with_nothing_to_compare(shape: tuple[int, int], noisy: bool) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, shape, np.uint8) if noisy else np.full(shape, 90, np.uint8)
    other = rng.integers(0, 256, (300, 300), np.uint8)
    assert overlaid(points(image), points(other)) == overlaid(points(other), points(image)) == 0


def test_a_frame_that_all_images_have_is_no_crop(samples: Path) -> None:
    """A border and a line of text, to the pixel: they lie where they lie in the other, and the rest does not."""
    framed = []
    for image in photographs(samples)[:6]:
        one = np.asarray(image.convert("L").resize((256, 200))).copy()
        cv2.putText(one, "CAMERA 7  2024-05-01", (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2)
        one[180:] = 0
        one[180:, ::16] = 255
        framed.append(points(one))
    assert max(overlaid(a, b) for a, b in combinations(framed, 2)) < SURE


# Of datasets


def encode(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """All are alike."""
    return np.ones((len(faces), 2), np.float32)


@pytest.fixture
def dataset(samples: Path, tmp_path: Path) -> Dataset:
    """Three images, then a crop of the first and the second one turned; the last is a part of the third's file."""
    first, second, third = photographs(samples)[:3]
    images = [first, second, third, cropped(first, 0.8), second.rotate(-20)]
    part = Window(2, 2, third.height - 20, third.width - 30)
    rows = []
    for i, image in enumerate([*images, None]):
        if image is not None:
            image.save(tmp_path / f"{i}.jpg", quality=90)
        height, width = part[2:] if image is None else (image.height, image.width)
        place = {"image": f"{i}.jpg"} if image is not None else {"image": "2.jpg", "crop": part}
        rows.append(Sample(id=f"{i}", mask="x.png", height=height, width=width, counts={}, sha256="", **place))
    return Dataset(tmp_path, Labels.of(["thing"]), rows, {}, "copy")


def pairs(
    dataset: Dataset, places: Sequence[int] = range(6), related: Sequence[Sequence[str | None]] = ()
) -> list[tuple[int, int]]:
    links = crop_links(dataset, places, related, encode, Run())
    assert all(0 <= link.distance <= 100 * (1 - SURE) + 1 for link in links)
    return sorted((link.first, link.second) for link in links)


def test_links_of_a_dataset(dataset: Dataset) -> None:
    assert pairs(dataset) == [(0, 3), (1, 4), (2, 5)]
    assert pairs(dataset, [4, 1, 3]) == [(1, 4)]
    assert pairs(dataset, []) == pairs(dataset, [2]) == []


@pytest.mark.process
def test_links_are_the_same_in_other_processes(dataset: Dataset, processes: Executor) -> None:
    """The encoder stays here: it need not pickle."""
    links = crop_links(dataset, range(6), [], encode, Run())
    assert crop_links(dataset, range(6), [], lambda faces: encode(faces), Run(processes)) == links


def test_what_is_related_is_not_compared(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [sample.image for sample in dataset]
    assert pairs(dataset, related=[files, ["a", None, None, "a", None, None]]) == [(1, 4)]
    monkeypatch.setattr(crops, "compare_item", lambda item, dataset: pytest.fail("compared"))
    assert pairs(dataset, related=[["all"] * 6]) == []


def test_images_are_compared_one_at_a_time(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """One image may be the candidate of thousands, which are not in memory together."""
    done: list[str] = []
    monkeypatch.setattr(crops, "read_points", lambda sample, dataset: done.append("read"))
    monkeypatch.setattr(crops, "overlaid", lambda a, b: done.append("compared") or 0.0)
    crops.compare_item((dataset.samples[0], dataset.samples[1:4]), dataset)
    assert done == ["read", *["read", "compared"] * 3]


def test_grouping_looks_where_check_looks(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images without detail are no candidates: the nearest of the others are the same for both."""
    Image.new("L", (90, 80), 60).save(Path(dataset.root, "3.jpg"))
    looked: list[Sequence[int]] = []
    monkeypatch.setattr(crops, "image_encoder", lambda: encode)
    monkeypatch.setattr(crops, "crop_links", lambda dataset, places, *rest: looked.append(places) or [])
    group_samples(dataset, ["crops"], Run())
    assert sorted(looked[0]) == [0, 1, 2, 4, 5]


def test_an_image_that_went_away(dataset: Dataset) -> None:
    Path(dataset.root, "3.jpg").unlink()
    with pytest.raises(DataError, match=r"3.*image\.missing"):
        pairs(dataset)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(crops, "import_module", absent)
    with pytest.raises(
        MissingDependency, match=r"takes torch, which is not installed: pip install 'segdata\[train,weights\]'"
    ):
        image_encoder()
