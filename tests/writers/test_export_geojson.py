"""Exports as GeoJSON: the features that `stitch --vectorize` writes, and that the same classes and ignored pixels come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import segdata
from carry_files import make, random_masks
from placed_files import patches, scenes
from segdata import Dataset, OptionError
from segdata.dataset.contract import CONTRACT
from segdata.files.geo import Geo
from segdata.files.vectors.polygon_files import write_polygons
from segdata.files.vectors.polygons import Polygons
from segdata.labels import Labels
from segdata.ops.export.operation import export
from segdata.windows import Window
from segdata.writers.geojson import encode_regions, properties_of

NAMES = ("a b", "background", 'say "é", or 3', "3")


def same(one: Dataset, other: Dataset) -> bool:
    """Whether datasets have the same classes, and the same masks by id."""
    masks = {sample.id: other.read_mask(sample) for sample in other}
    return one.labels.names == other.labels.names and all(
        np.array_equal(one.read_mask(sample), masks[sample.id]) for sample in one
    )


@st.composite
def masks(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Noise of some values, with ignored pixels, in blocks."""
    height, width, scale = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 3))
    values = draw(st.lists(st.sampled_from([0, 1, 2, 3, 255]), min_size=1, max_size=4))
    small = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).choice(values, (height, width))
    return np.kron(small, np.ones((scale, scale))).astype(np.uint8)


@given(mask=masks(), form=st.sampled_from(["geojson", "qupath"]), skip=st.sampled_from([(), (0,), (0, 3)]))
def test_features_are_those_of_vectorize(
    mask: NDArray[np.uint8], form: Any, skip: tuple[int, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    labels, root = Labels.of(NAMES), tmp_path_factory.mktemp("vectors")
    how = Polygons(vector_format=form, skip_classes=tuple(NAMES[id] for id in skip))
    write_polygons(root, "a", mask, labels, Geo(), how)

    def features(data: bytes) -> list[tuple[str, str]]:
        found = json.loads(data)["features"]
        assert all(shapely.is_valid(shapely.geometry.shape(one["geometry"])) for one in found)
        shapes = [shapely.normalize(shapely.geometry.shape(one["geometry"])).wkt for one in found]
        return sorted((shape, json.dumps(one["properties"])) for one, shape in zip(found, shapes, strict=True))

    written = encode_regions(mask, how.skipped(labels), properties_of(labels, form))
    assert features(written) == features((root / "vectors/a.geojson").read_bytes())


@pytest.mark.slow
@settings(max_examples=15)
@given(one=masks(), other=masks())
def test_the_same_classes_and_ignored_pixels_come_back(
    one: NDArray[np.uint8], other: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("set")
    dataset = make(root / "set", {"val/one": one, "b": other}, names=NAMES, images="reference")
    export("geojson", dataset, root / "out")
    assert same(dataset, segdata.convert("auto", root / "out", root / "back", allow_empty=True))
    (root / "out" / CONTRACT).unlink()
    again = segdata.convert(
        "vector", root / "out", root / "named", allow_empty=True, background="ignore", classes="classes.json"
    )
    assert same(dataset, again)


@pytest.mark.parametrize("form", ["geojson", "qupath", "gpkg"])
def test_scenes_on_the_ground_come_back(tmp_path: Path, form: Any) -> None:
    image, mask = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8), patches(60, 80, values=4)
    mask[mask == 3] = 255
    windows = {"val/a": Window(0, 0, 60, 50), "val/b": Window(3, 40, 50, 40)}
    dataset = scenes(tmp_path / "set", image, mask, windows)
    export("geojson", dataset, tmp_path / "out", vector_format=form)
    if form == "geojson":
        path = next((tmp_path / "out/vectors").rglob("a.geojson"))
        lon, lat = json.loads(path.read_bytes())["features"][0]["geometry"]["coordinates"][0][0]
        assert (int(lon), int(lat)) == (3, 41)
    assert same(dataset, segdata.convert("auto", tmp_path / "out", tmp_path / "back"))
    tiles = segdata.tile(dataset, tmp_path / "tiles", size=32, virtual=True)
    export("geojson", tiles, tmp_path / "tiled", vector_format=form)
    assert same(tiles, segdata.convert("auto", tmp_path / "tiled", tmp_path / "again", allow_empty=True))


def test_what_options_leave_out_is_told_in_pixels(tmp_path: Path) -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[1, 1], mask[4:7, 4:7] = 1, 2
    mask[7] = 255
    dataset = make(tmp_path / "set", {"a": mask}, names=("background", "dot", "block"))
    for options, told in (
        ({}, {}),
        ({"min_area": 2}, {"changed": (1, 1)}),
        ({"min_hole": 2}, {"changed": (1, 1)}),
        ({"simplify": 3.0}, {"changed": None}),
        ({"background": False}, {"background": (46, 0)}),
        ({"skip_classes": ["block"]}, {"skipped": (9, 0)}),
    ):
        written = export("geojson", dataset, tmp_path / "out", images="none", overwrite=True, **options)  # type: ignore[arg-type]
        lost = written.to_json()["cannot_hold"]
        assert lost.keys() == told.keys()
        for kind, expected in told.items():  # type: ignore[attr-defined]
            assert expected is None or (lost[kind]["pixels"], lost[kind]["regions"]) == expected
            assert lost[kind]["keep"]


def test_without_images_the_way_out_is_to_name_them(tmp_path: Path) -> None:
    dataset = make(tmp_path / "set", random_masks(2), images="reference")
    written = export("geojson", dataset, tmp_path / "out", images="none")
    assert "--image-dir" in written.to_json()["notes"][0]
    with pytest.raises(segdata.DataError, match="--image-dir"):
        segdata.convert("auto", tmp_path / "out", tmp_path / "no")
    assert same(
        dataset, segdata.convert("auto", tmp_path / "out", tmp_path / "back", image_dir=str(tmp_path / "set-images"))
    )


def test_a_class_called_ignore_is_refused(tmp_path: Path) -> None:
    dataset = make(tmp_path / "set", random_masks(1), names=("a", "b", "ignore"))
    with pytest.raises(OptionError, match="segdata remap --map"):
        export("geojson", dataset, tmp_path / "out", images="none")
