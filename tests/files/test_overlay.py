"""Overlays: what a pixel looks like in the legend is its class, whatever lies under it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from segdata.files.colors import overlay
from segdata.files.images import encode_image
from segdata.files.voc_colors import voc_color
from segdata.labels import RGB, Labels
from segdata.pages.sheet import laid


def own(out: NDArray[np.uint8], mask: NDArray[np.unsignedinteger[Any]], labels: Labels) -> list[float]:
    """Of each class that is in a mask and is not black, the part of its pixels that look most like its legend colour."""
    colors = np.array([label.color for label in labels.classes], float)
    distance = np.stack([((out.astype(float) - color) ** 2).sum(axis=2) for color in colors])
    nearest = distance.min(axis=0)
    there = [value for value in np.unique(mask).tolist() if value != labels.ignore and colors[value].any()]
    return [float((distance[value] <= nearest)[mask == value].mean()) for value in there]


COLORS = st.tuples(*[st.integers(0, 255)] * 3)


@given(st.lists(COLORS, min_size=1, max_size=30), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5, 1.0]))
def test_every_pixel_looks_most_like_its_own_class(colors: list[RGB], seed: int, opacity: float) -> None:
    """Whatever the colours and the image: none is nearer to the colour of another class, up to rounding."""
    labels = Labels.of([f"class {i}" for i in range(len(colors))], colors)
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.integers(0, len(colors), (5, 5)), np.ones((6, 6), int)).astype(np.uint8)
    out = overlay(rng.integers(0, 256, (30, 30, 3), np.uint8), mask, labels, opacity=opacity).astype(float)
    legend = np.array(colors, float)
    distance = np.stack([np.sqrt(((out - color) ** 2).sum(axis=2)) for color in legend])
    mine = np.take_along_axis(distance, mask[None].astype(int), 0)[0]
    assert (mine <= distance.min(axis=0) + 1)[legend.any(axis=1)[mask]].all()


@pytest.mark.parametrize("classes", [2, 21, 80])
def test_many_classes_by_default_colours_look_like_their_own(classes: int) -> None:
    """Of more classes than are told apart easily, too."""
    labels = Labels.of([f"class {i}" for i in range(classes)])
    rng = np.random.default_rng(classes)
    mask = np.kron(rng.integers(0, classes, (6, 8)), np.ones((60, 60), int)).astype(np.uint8)
    out = overlay(rng.integers(0, 256, (360, 480, 3), np.uint8), mask, labels)
    assert min(own(out, mask, labels)) >= 0.99


CAMVID = ("sky", "building", "pole", "road", "sidewalk", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")


@pytest.mark.parametrize("palette", ["default", "voc"])
def test_streets_look_like_their_classes(shared_data: Path, palette: str) -> None:
    """CamVid at the width of a page, by default colours and by VOC's, of which many are dark."""
    colors = None if palette == "default" else [voc_color(i + 1) for i in range(len(CAMVID))]
    labels = Labels.of(CAMVID, colors)
    for path in sorted((shared_data / "camvid" / "valannot").glob("*.png"))[::25]:
        mask = np.array(Image.open(path))
        mask[mask == len(CAMVID)] = labels.ignore
        image = np.array(Image.open(path.parent.parent / "val" / f"{path.stem}.jpg").convert("RGB"))
        for width in (240, 640):
            out = laid(image, mask, labels, width)
            small = laid_mask(mask, out.shape[:2])
            assert min(own(out, small, labels)) >= 0.95
            jpeg = np.asarray(Image.open(BytesIO(encode_image(out, "jpeg", 90, thin=True))))
            seen = own(jpeg, small, labels)
            assert np.mean(seen) >= 0.95


def test_pets_look_like_pets(shared_data: Path) -> None:
    """Fur of any colour, with the background clear."""
    labels = Labels.of(["background", "pet", "border"])
    paths = [p for p in sorted((shared_data / "pets" / "annotations" / "trimaps").glob("*.png")) if p.name[0] != "."]
    for path in paths[:6]:
        mask = np.array([0, 1, 0, 2], np.uint8)[np.array(Image.open(path))]
        image = np.array(Image.open(shared_data / "pets" / "images" / f"{path.stem}.jpg").convert("RGB"))
        assert (
            min(own(laid(image, mask, labels, 320), laid_mask(mask, laid(image, mask, labels, 320).shape[:2]), labels))
            >= 0.95
        )


def laid_mask(mask: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    """The value under the centre of each pixel of another size."""
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for old, new in zip(mask.shape, size, strict=True))
    return mask[np.ix_(rows, columns)]
