"""Tiling and stitching: round trips, counts against brute force, the keep rules, virtual tiles, resuming."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import segdata
from carry_files import contents, make
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, DatasetError, OptionError, Report
from segdata.files import opening, rasters
from segdata.files.geo import Geo
from segdata.files.images import read_image
from segdata.files.opening import open_image
from segdata.files.scores import read_scores, write_scores
from segdata.files.tiff import encode_tiff
from segdata.ops.stitch.operation import stitch, untile
from segdata.ops.tile.operation import tile
from segdata.tiling.cut import chance
from segdata.tiling.rows import Downwards
from segdata.windows import Window, grid

UTM = (0.5, 0.0, 733601.0, 0.0, -0.5, 3725139.0)


def blobs(height: int, width: int, seed: int = 0, classes: int = 3) -> Any:
    """Ids in patches, some of them void."""
    small = np.random.default_rng(seed).choice([*range(classes), 255], (height // 5 + 1, width // 5 + 1))
    return np.kron(small, np.ones((5, 5)))[:height, :width].astype(np.uint8)


def geotiff_dataset(root: Path, values: Any, mask: Any, **geo: Any) -> Dataset:
    """A dataset of one image, a GeoTIFF beside it."""
    dataset = make(root, {"x": mask})
    (root.parent / "x.tif").write_bytes(encode_tiff(values, tags=Geo(**geo).tags()))
    line = {"image": "../x.tif"}
    make(root, {"x": mask}, fields={"x": line})
    dataset = Dataset(root, dataset.labels, Dataset.open(root).samples, {"tool": "test"}, "reference")
    dataset.save()
    return dataset


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    size = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    return {
        "shape": (draw(st.integers(1, 45)), draw(st.integers(1, 45))),
        "size": size,
        "stride": (draw(st.integers(max(1, size[0] // 3), size[0])), draw(st.integers(max(1, size[1] // 3), size[1]))),
        "pad": draw(st.sampled_from(["zero", "reflect", "keep"])),
        "virtual": draw(st.booleans()),
        "seed": draw(st.integers(0, 99)),
    }


@pytest.mark.slow
@settings(max_examples=25)
@given(cases(), st.sampled_from(["gaussian", "linear", "crop", "none"]))
def test_tiles_give_the_masks_back(tmp_path_factory: Any, case: dict[str, Any], blend: Any) -> None:
    tmp_path = tmp_path_factory.mktemp("tiles")
    masks = {"a/x": blobs(*case["shape"], case["seed"]), "a/y": blobs(*case["shape"][::-1], case["seed"] + 1)}
    source = make(tmp_path / "d", masks, images="reference")
    options = {name: case[name] for name in ("size", "stride", "pad", "virtual")}
    tiles = tile(source, tmp_path / "t", **options)
    assert Dataset.open(tmp_path / "t").samples == tiles.samples
    covered = {id: np.zeros(mask.shape, int) for id, mask in masks.items()}
    for sample in tiles:
        mask, image, window = (
            masks[str(sample.parent)],
            source.read_image(source.sample(str(sample.parent))),
            sample.window,
        )
        assert window is not None
        covered[str(sample.parent)][window.slices] += 1
        ids, pixels = tiles.read_mask(sample), tiles.read_image(sample)
        assert ids.shape == pixels.shape[:2] == sample.size
        assert sample.size == ((window.height, window.width) if case["pad"] == "keep" else case["size"])
        np.testing.assert_array_equal(ids[: window.height, : window.width], mask[window.slices])
        np.testing.assert_array_equal(pixels[: window.height, : window.width], image[window.slices])
        assert (ids[window.height :] == 255).all()
        assert (ids[:, window.width :] == 255).all()
        if case["pad"] == "zero":
            assert not pixels[window.height :].any()
        assert sample.counts == dict(Counter(ids.ravel().tolist()))
        assert sample.split == "a"
    assert all(one.all() for one in covered.values())
    for operation in (lambda: untile(tiles, tmp_path / "u"), lambda: stitch(tiles, tmp_path / "s", blend=blend)):
        whole = operation()
        assert [(s.id, s.split, s.counts) for s in whole] == [(s.id, s.split, s.counts) for s in source]
        for sample in whole:
            np.testing.assert_array_equal(whole.read_mask(sample), masks[sample.id])
        assert whole.read_receipt()["uncovered"] == whole.read_receipt()["contested"] == {}


@settings(max_examples=15)
@given(cases())
def test_virtual_tiles_are_the_same_pixels(tmp_path_factory: Any, case: dict[str, Any]) -> None:
    tmp_path = tmp_path_factory.mktemp("virtual")
    source = make(tmp_path / "d", {"x": blobs(*case["shape"], case["seed"])}, images="copy")
    scale = [1.0, 0.5, 0.37, 1.5][case["seed"] % 4]
    options = {**{name: case[name] for name in ("size", "stride", "pad")}, "scale": scale}
    real, virtual = (tile(source, tmp_path / str(v), virtual=v, **options) for v in (False, True))
    assert [s.id for s in real] == [s.id for s in virtual]
    assert {s.mask for s in virtual} == {"masks/x.png"}
    for sample in real:
        content = [min(most, max(1, round(n * scale))) for n, most in zip(sample.window[2:], case["size"], strict=True)]  # type: ignore[index]
        assert list(sample.size) == (content if case["pad"] == "keep" else list(case["size"]))
    for one, other in zip(real, virtual, strict=True):
        assert (one.counts, one.size, one.window, one.tiling) == (other.counts, other.size, other.window, other.tiling)
        np.testing.assert_array_equal(real.read_mask(one), virtual.read_mask(other))
        np.testing.assert_array_equal(real.read_image(one), virtual.read_image(other))
        window = Window(one.height // 2, one.width // 3, one.height - one.height // 2, one.width - one.width // 3)
        with virtual.open_image(other) as image, virtual.open_mask(other) as mask:
            np.testing.assert_array_equal(image.read(window), real.read_image(one)[window.slices])
            np.testing.assert_array_equal(mask.read(window), real.read_mask(one)[window.slices])
    whole = untile(virtual, tmp_path / "w")
    np.testing.assert_array_equal(whole.read_image(whole.samples[0]), source.read_image(source.samples[0]))
    assert whole.samples[0].size == source.samples[0].size
    assert sum(whole.samples[0].counts.values()) == case["shape"][0] * case["shape"][1]


def test_tiles_without_overlap_hold_what_the_image_holds(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"x": blobs(40, 60)})
    tiles = tile(source, tmp_path / "t", size=20)
    assert len(tiles) == 6
    total: Counter[int] = Counter()
    for sample in tiles:
        total.update(sample.counts)
    assert dict(total) == source.samples[0].counts


def scored(root: Path, shape: tuple[int, int], size: tuple[int, int], stride: tuple[int, int], classes: int) -> Any:
    """A tile dataset whose scores are those of one field, and the field: (K, H, W) float64 probabilities, as stored."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(classes, shape[0] // 8 + 2, shape[1] // 8 + 2)).repeat(8, axis=1).repeat(8, axis=2) * 2
    field = np.exp(logits[:, : shape[0], : shape[1]])
    field /= field.sum(axis=0)
    names = [f"c{i}" for i in range(classes)]
    source = make(root / "d", {"x": field.argmax(axis=0).astype(np.uint8)}, names=names)
    tiles = tile(source, root / "t", size=size, stride=stride)
    lines = []
    for sample in tiles:
        assert sample.window is not None
        part = np.zeros((classes, *sample.size), np.float32)
        part[:, : sample.window.height, : sample.window.width] = field[:, *sample.window.slices]
        write_scores(tiles.root / f"scores/{sample.id}.tif", sample.size, classes, [(0, 0, part)])
        lines.append(segdata_replace(sample, scores=f"scores/{sample.id}.tif"))
    made = Dataset(tiles.root, tiles.labels, lines, tiles.made_by, tiles.images)
    made.save()
    return source, made, field


def segdata_replace(sample: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(sample, **changes)


@pytest.mark.parametrize("blend", ["gaussian", "linear", "crop", "none"])
@pytest.mark.parametrize(
    "layout", [((300, 290), (128, 100), (90, 70)), ((40, 50), (64, 64), (64, 64)), ((70, 33), (30, 33), (30, 33))]
)
def test_scores_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Any, blend: Any) -> None:
    source, tiles, field = scored(tmp_path, *layout, 4)
    whole = stitch(tiles, tmp_path / "s", blend=blend)
    found = read_scores(whole.inside(whole.samples[0].scores))
    assert np.isfinite(found).all()
    assert np.abs(found - field).max() <= 1 / 255 + 1e-6
    mask = whole.read_mask(whole.samples[0])
    sure = np.sort(field, axis=0)[-1] - np.sort(field, axis=0)[-2] > 2 / 255
    assert (mask == source.read_mask(source.samples[0]))[sure].all()
    monkeypatch.setattr("segdata.ops.stitch.item.BUDGET", 1)  # in blocks of 256 columns
    blocks = stitch(tiles, tmp_path / "b", blend=blend)
    np.testing.assert_array_equal(read_scores(blocks.inside(blocks.samples[0].scores)), found)
    np.testing.assert_array_equal(blocks.read_mask(blocks.samples[0]), mask)
    assert blocks.samples[0].counts == whole.samples[0].counts
    assert stitch(tiles, tmp_path / "n", blend=blend, scores=False).samples[0].scores is None
    assert not list((tmp_path / "b/masks").glob("*.tif"))


def test_what_no_tile_covers_is_void_and_told(tmp_path: Path) -> None:
    _, tiles, _ = scored(tmp_path, (60, 60), (20, 20), (20, 20), 3)
    some = Dataset(tiles.root, tiles.labels, [s for s in tiles if s.window[:2] != (20, 20)], {}, tiles.images)
    for made in (stitch(some, tmp_path / "s"), untile(some, tmp_path / "u")):
        mask = made.read_mask(made.samples[0])
        assert (mask[20:40, 20:40] == 255).all()
        assert (mask == 255).sum() == 400
        assert made.read_receipt()["uncovered"] == {"x": 400}
    gap = read_scores(tmp_path / "s/scores/x.tif", Window(20, 20, 20, 20))
    np.testing.assert_allclose(gap, 1 / 3)


def test_disagreement_is_told(tmp_path: Path) -> None:
    tiles = tile(make(tmp_path / "d", {"x": np.zeros((4, 12))}), tmp_path / "t", size=(4, 8), stride=(4, 4))
    Image.fromarray(np.ones((4, 8), np.uint8)).save(tiles.inside(tiles.samples[1].mask))
    whole = untile(tiles, tmp_path / "u")
    assert whole.read_receipt()["contested"] == {"x": 16}
    assert whole.read_mask(whole.samples[0])[0].tolist() == [0] * 6 + [1] * 6


# --- what is kept


def test_shares_decide_what_is_kept(tmp_path: Path) -> None:
    mask = np.zeros((10, 50), np.uint8)
    mask[:, 10:20] = 1  # all foreground
    mask[:6, 20:30] = 255  # 40 % valid
    mask[0, 30:40] = 2  # 10 % foreground
    source = make(tmp_path / "d", {"x": mask}, names=("background", "car", "sign"))

    def kept(**options: Any) -> list[int]:
        made = tile(source, tmp_path / "t", size=10, overwrite=True, **options)
        receipt = made.read_receipt()
        assert receipt["tiles"]["windows"] == 5 == len(made) + receipt["tiles"]["left_out"]
        assert (
            receipt["tiles"]["left_out"]
            == len(receipt["left_out"])
            == sum(receipt["tiles"][r] for r in ("aoi", "valid", "foreground", "empty"))
        )
        assert {tuple(one["window"][:2]) for one in receipt["left_out"]} | {s.window[:2] for s in made} == {
            (0, 10 * i) for i in range(5)
        }
        return [s.window[1] // 10 for s in made]  # type: ignore[index]

    assert kept() == [0, 1, 2, 3, 4]
    assert kept(min_valid=0.5) == [0, 1, 3, 4]
    assert kept(min_valid=0.4) == [0, 1, 2, 3, 4]
    assert kept(min_foreground=0.1) == [1, 3]
    assert kept(min_foreground=0.11) == [1]
    assert kept(keep_empty=0.0) == [1, 3]
    assert kept(keep_empty=0.0, background="car") == [0, 2, 3, 4]
    out = tile(source, tmp_path / "t", size=10, overwrite=True, min_valid=0.5).read_receipt()["left_out"]
    assert out == [{"parent": "x", "window": [0, 20, 10, 10], "reason": "valid", "share": 0.4}]


def test_empty_tiles_are_drawn_by_seed_and_id(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"x": np.zeros((100, 100)), "y": np.zeros((100, 100))}, names=("background", "a"))
    first = tile(source, tmp_path / "a", size=5, keep_empty=0.1, seed=3)
    assert 40 <= len(first) <= 120  # of 800
    assert {s.id for s in first} == {
        f"{id}_{y:06}_{x:06}" for id in "xy" for y in range(0, 100, 5) for x in range(0, 100, 5)
        if chance(3, f"{id}_{y:06}_{x:06}") < 0.1
    }  # fmt: skip
    alone = tile(source.select(lambda s: s.id == "y"), tmp_path / "b", size=5, keep_empty=0.1, seed=3)
    assert [s.id for s in alone] == [s.id for s in first if s.parent == "y"]  # another image changes nothing
    assert {s.id for s in tile(source, tmp_path / "c", size=5, keep_empty=0.1, seed=4)} != {s.id for s in first}


def test_rare_classes_get_more_tiles(tmp_path: Path) -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[33:36, 41:44] = 1
    other = np.zeros((60, 60), np.uint8)
    other[10, 10] = 1
    source = make(
        tmp_path / "d",
        {"x": mask, "y": other, "z": np.full((60, 60), 2)},
        names=("background", "rare", "much", "absent"),
    )
    made = tile(source, tmp_path / "t", size=20, min_tiles_per_class=8)
    having = [s for s in made if s.counts.get(1)]
    row = {row["class"]: row for row in made.read_receipt()["classes"]}
    assert len(having) == 8 == row["rare"]["tiles"]
    assert row["rare"]["added"] == 8 - 2
    assert row["rare"]["short"] == row["absent"]["short"] == 0
    assert row["much"]["tiles"] == 9
    assert len({(s.parent, s.window) for s in made}) == len(made)
    centres = {"x": [(y, x) for y in range(33, 36) for x in range(41, 44)], "y": [(10, 10)]}
    on_grid = {(s.parent, s.window) for s in tile(source, tmp_path / "g", size=20)}
    extra = [s for s in made if (s.parent, s.window) not in on_grid]
    assert all((s.window[0] + 10, s.window[1] + 10) in centres[str(s.parent)] or s.parent == "y" for s in extra)  # type: ignore[index]
    for sample in made:
        whole = source.read_mask(source.sample(str(sample.parent)))
        np.testing.assert_array_equal(made.read_mask(sample), whole[sample.window.slices])  # type: ignore[union-attr]
    assert untile(made, tmp_path / "u").read_receipt()["contested"] == {}
    many = tile(source, tmp_path / "many", size=20, min_tiles_per_class=50).read_receipt()
    assert {r["class"]: r["short"] for r in many["classes"]}[
        "rare"
    ] == 50 - 3 - 9  # there are no more windows about its pixels


def test_an_area_of_interest(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"x": np.zeros((20, 40))}, images="copy")
    square = [[5, 0], [15, 0], [15, 20], [5, 20], [5, 0]]
    (tmp_path / "aoi.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [square]}))
    made = tile(source, tmp_path / "t", size=10, aoi=tmp_path / "aoi.geojson")
    assert [s.window[:2] for s in made] == [(0, 0), (0, 10), (10, 0), (10, 10)]  # type: ignore[index]
    assert made.read_receipt()["tiles"]["aoi"] == 4
    assert (made.read_mask(made.samples[0]) == np.where(np.arange(10) < 5, 255, 0)).all()
    virtual = tile(source, tmp_path / "v", size=10, aoi=tmp_path / "aoi.geojson", virtual=True)
    for one, other in zip(made, virtual, strict=True):
        assert one.counts == other.counts
        np.testing.assert_array_equal(made.read_mask(one), virtual.read_mask(other))
        np.testing.assert_array_equal(made.read_image(one), virtual.read_image(other))
    assert made.made_by["inputs"][1]["name"] == "aoi.geojson"


def test_a_value_that_json_has_not_leaves_the_dataset_whole(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"x": np.zeros((20, 40))}, images="copy")
    made = Dataset.open(tile(source, tmp_path / "t", size=10, nodata=float("nan")).root)
    assert made.made_by["options"]["nodata"] == "nan"
    assert tile(source, tmp_path / "t", size=10, nodata=float("nan")).samples == made.samples  # it is finished


@pytest.mark.parametrize("virtual", [False, True])
def test_nodata_becomes_void(tmp_path: Path, virtual: bool) -> None:
    values = np.random.default_rng(0).integers(1, 1000, (30, 40, 4)).astype(np.uint16)
    values[:, :7] = 0
    mask = blobs(30, 40)
    wkt = rasterio.crs.CRS.from_epsg(32616).to_wkt()
    for tagged, option in ((0.0, None), (None, 0.0)):
        source = geotiff_dataset(tmp_path / "d", values, mask, crs=wkt, transform=UTM, nodata=tagged)
        made = tile(source, tmp_path / "t", size=16, nodata=option, virtual=virtual, overwrite=True)
        for sample in made:
            assert sample.window is not None
            expected = np.where((values == 0).all(axis=2), 255, mask)[sample.window.slices]
            np.testing.assert_array_equal(made.read_mask(sample), expected)
            np.testing.assert_array_equal(made.read_image(sample), values[sample.window.slices])
            assert sample.counts == dict(Counter(expected.ravel().tolist()))


# --- formats and coordinates


@pytest.mark.parametrize("compress", ["deflate", "none"])
def test_geotiffs_stay_in_place(tmp_path: Path, compress: Any) -> None:
    values = np.random.default_rng(0).normal(size=(50, 70, 2)).astype(np.float32)
    mask = blobs(50, 70)
    wkt = rasterio.crs.CRS.from_epsg(32616).to_wkt()
    source = geotiff_dataset(tmp_path / "d", values, mask, crs=wkt, transform=UTM)
    tiles = tile(source, tmp_path / "t", size=32, overlap=8, compress=compress)
    for sample in tiles:
        with rasterio.open(tiles.image_path(sample)) as file:
            y, x, h, w = sample.window  # type: ignore[misc]
            assert file.crs.to_epsg() == 32616
            assert tuple(file.transform)[:6] == (0.5, 0, UTM[2] + x / 2, 0, -0.5, UTM[5] - y / 2)
            np.testing.assert_array_equal(file.read().transpose(1, 2, 0), values[y : y + h, x : x + w])
    whole = stitch(tiles, tmp_path / "s", vectorize=True)
    with rasterio.open(whole.inside(whole.samples[0].mask)) as file:
        assert (file.crs.to_epsg(), tuple(file.transform)[:6], file.nodata) == (32616, UTM, 255)
        np.testing.assert_array_equal(file.read(1), mask)
    np.testing.assert_array_equal(whole.read_mask(whole.samples[0]), mask)
    half = tile(source, tmp_path / "h", size=32, scale=0.5)
    assert tuple(rasterio.open(half.image_path(half.samples[0])).transform)[:6] == (1, 0, UTM[2], 0, -1, UTM[5])
    back = stitch(half, tmp_path / "hs")
    with rasterio.open(back.inside(back.samples[0].mask)) as file:
        assert tuple(file.transform)[:6] == pytest.approx(UTM)
        assert file.shape == (50, 70)
    virtual = stitch(tile(source, tmp_path / "v", size=32, virtual=True), tmp_path / "vs")
    assert virtual.samples[0].mask == "masks/x.tif"
    np.testing.assert_array_equal(virtual.read_image(virtual.samples[0]), values)


@pytest.mark.parametrize(("format", "suffix"), [("png", ".png"), ("jpeg", ".jpg"), ("tiff", ".tif"), ("auto", ".png")])
def test_formats(tmp_path: Path, format: Any, suffix: str) -> None:
    source = make(tmp_path / "d", {"x": blobs(30, 30)}, images="copy")
    made = tile(source, tmp_path / "t", size=16, format=format)
    image = source.read_image(source.samples[0])
    for sample in made:
        assert str(sample.image).endswith(suffix)
        error = np.abs(made.read_image(sample).astype(int) - image[sample.window.slices])  # type: ignore[union-attr]
        assert error.max() == 0 or format == "jpeg"
        np.testing.assert_array_equal(read_image(made.image_path(sample)), made.read_image(sample))


def test_what_does_not_fit_a_format_is_refused(tmp_path: Path) -> None:
    source = geotiff_dataset(tmp_path / "d", np.zeros((9, 9, 4), np.uint16), np.zeros((9, 9)))
    with pytest.raises(DataError, match=r"4 bands of uint16 do not fit into png: use --format tiff"):
        tile(source, tmp_path / "t", size=5, format="png")
    assert not (tmp_path / "t").exists()


def test_images_read_by_rows_give_the_same_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path / "d", {"x": blobs(70, 50)}, images="copy")
    tile(source, tmp_path / "a", size=20, overlap=7)
    monkeypatch.setattr("segdata.files.file.WHOLE", 100)
    tile(source, tmp_path / "b", size=20, overlap=7)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("scale", [1, 0.5])
def test_a_mask_that_virtual_tiles_share_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    """In any order of the manifest, whole or row by row; the pixels are those of tiles on disk."""
    masks = {"x": blobs(70, 50), "y": blobs(90, 130, 1)}
    source = make(tmp_path / "d", masks, images="copy")
    expected = untile(tile(source, tmp_path / "t", size=20, overlap=7, scale=scale), tmp_path / "e")
    tiles = tile(source, tmp_path / "v", size=20, overlap=7, scale=scale, virtual=True)
    tiles = Dataset(tiles.root, tiles.labels, tiles.samples[::-1], images=tiles.images)
    files, rows = [], []
    open_whole, read_rows = opening.read_lazily, rasters.MaskRaster.read
    monkeypatch.setattr(opening, "read_lazily", lambda path: files.append(path) or open_whole(path))  # type: ignore[func-returns-value]
    monkeypatch.setattr(
        rasters.MaskRaster, "read", lambda mask, window: rows.append(window.height) or read_rows(mask, window)
    )
    for whole in (2**26, 100):
        monkeypatch.setattr("segdata.files.file.WHOLE", whole)
        again = untile(tiles, tmp_path / f"{whole}")
        for one, other in zip(again, expected, strict=True):
            assert one.sha256 == other.sha256
    assert len(files) == len(masks)
    assert sum(rows) == sum(len(mask) for mask in masks.values())


def test_rows_are_read_downwards_wherever_they_begin() -> None:
    mask = blobs(30, 8)
    rows = Downwards(rasters.WholeMask(mask).read, 2, 5)
    for y, height in ((0, 10), (0, 10), (3, 4), (5, 10), (20, 10), (26, 4), (1, 5), (1, 9)):
        np.testing.assert_array_equal(rows.read(Window(y, 2, height, 5)), mask[y : y + height, 2:7])


def test_tiles_of_tiles_are_of_the_first_image(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"x": blobs(40, 60)}, images="copy")
    for virtual in (False, True):
        large = tile(source, tmp_path / "large", size=30, overlap=10, virtual=virtual, overwrite=True)
        small = tile(large, tmp_path / "small", size=10, virtual=virtual, overwrite=True)
        for sample in small:
            assert sample.parent == "x"
            np.testing.assert_array_equal(
                small.read_image(sample),
                source.read_image(source.samples[0])[sample.window.slices],  # type: ignore[union-attr]
            )
        whole = untile(small, tmp_path / "w", overwrite=True)
        np.testing.assert_array_equal(whole.read_mask(whole.samples[0]), source.read_mask(source.samples[0]))
    padded = tile(source, tmp_path / "p", size=100)
    with pytest.raises(DataError, match="tile the original image"):
        tile(padded, tmp_path / "q", size=10)


# --- the whole operation


def test_a_bad_image_stops_or_is_left_out_whole(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"a": blobs(30, 30), "b": blobs(30, 30, 1)}, images="copy")
    source.inside(str(source.samples[0].image)).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"image\.unreadable"):
        tile(source, tmp_path / "t", size=10)
    assert not (tmp_path / "t").exists()
    made = tile(source, tmp_path / "t", size=10, run=segdata.Run(report=Report("skip")))
    assert {s.parent for s in made} == {"b"}
    assert made.read_receipt()["images"] == {"in": 2, "tiled": 1, "skipped": 1}
    assert made.read_receipt()["skipped"][0]["sample"] == "a"
    Image.fromarray(np.zeros((7, 7, 3), np.uint8)).save(source.inside("images/a.png"))
    with pytest.raises(DataError, match=r"the image is 7 x 7, in the manifest 30 x 30"):
        tile(source, tmp_path / "u", size=10)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 0}, "--size 0: must be 1 or more"),
        ({"size": -5}, "--size -5: must be 1 or more"),
        ({"size": (5, 0)}, "--size 5x0"),
        ({"size": 999_999}, "--size 999999x999999: a tile has more pixels than the limit of 268435456"),
        ({"size": 8, "overlap": 8}, "--overlap 8: must be 0 or more and less than --size 8x8"),
        ({"size": 8, "overlap": 9}, "--overlap 9"),
        ({"size": 8, "overlap": -1}, "--overlap -1"),
        ({"size": 8, "overlap": 1.0}, "--overlap 1: a share must be"),
        ({"size": 8, "overlap": (2, 8)}, "--overlap 2x8"),
        ({"size": 8, "stride": 9}, "--stride 9x9: more than --size 8x8"),
        ({"size": 8, "stride": 0}, "--stride 0: must be 1 or more"),
        ({"size": 8, "stride": 4, "overlap": 4}, "--stride and --overlap exclude each other"),
        ({"scale": 0.0}, "--scale 0: must be above 0"),
        ({"scale": float("nan")}, "--scale nan"),
        ({"min_valid": 1.1}, "--min-valid 1.1: must be from 0 to 1"),
        ({"keep_empty": -0.1}, "--keep-empty -0.1"),
        ({"pad": "edge"}, "--pad edge: must be one of zero, reflect, keep"),
        ({"format": "gif"}, "--format gif"),
        ({"compress": "lzw"}, "--compress lzw"),
        ({"quality": 0}, "--quality 0"),
        ({"min_tiles_per_class": -1}, "--min-tiles-per-class -1"),
        ({"background": "raod"}, "did you mean road"),
    ],
)
def test_impossible_options(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    source = make(tmp_path / "d", {"x": np.zeros((20, 20))})
    with pytest.raises(OptionError) as caught:
        tile(source, tmp_path / "t", **options)
    assert words in str(caught.value)
    assert not (tmp_path / "t").exists()


def test_tiles_of_any_size_where_images_stay_as_they_are(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"x": blobs(20, 30)})
    (sample,) = made = tile(source, tmp_path / "t", size=999_999, pad="keep")
    np.testing.assert_array_equal(made.read_mask(sample), blobs(20, 30))


def test_stitching_refuses_what_are_no_tiles(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"x": np.zeros((20, 20)), "y": np.zeros((20, 20))})
    with pytest.raises(DatasetError, match="it is no tile"):
        stitch(source, tmp_path / "s")
    tiles = tile(source, tmp_path / "t", size=10)
    with pytest.raises(OptionError, match="not every tile has scores"):
        stitch(tiles, tmp_path / "s", scores=True)
    with pytest.raises(OptionError, match="must be one of gaussian"):
        stitch(tiles, tmp_path / "s", blend="max")  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="not what was tiled: it has no x of 20 x 20"):
        stitch(tiles, tmp_path / "s", of=make(tmp_path / "e", {"x": np.zeros((20, 21))}))
    with pytest.raises(OptionError, match="is the destination and an input"):
        untile(tiles, tmp_path / "t", overwrite=True)
    Path(tiles.inside(tiles.samples[0].mask)).unlink()
    with pytest.raises(DataError, match=r"mask\.missing"):
        untile(tiles, tmp_path / "s")
    assert not (tmp_path / "s").exists()
    left = untile(tiles, tmp_path / "s", run=segdata.Run(report=Report("skip")))
    assert [s.id for s in left] == ["y"]


def test_images_come_back_from_what_was_tiled(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"x": blobs(20, 20)}, images="reference")
    tiles = tile(source, tmp_path / "t", size=8)
    assert untile(tiles, tmp_path / "u").samples[0].image is None
    whole = untile(tiles, tmp_path / "w", of=source)
    np.testing.assert_array_equal(whole.read_image(whole.samples[0]), source.read_image(source.samples[0]))


def test_polygons_of_a_stitched_mask_burn_to_it_again(tmp_path: Path) -> None:
    from segdata.files.vectors.geojson import burn, to_pixels
    from segdata.files.vectors.opening import read_features

    mask = blobs(60, 80)
    wkt = rasterio.crs.CRS.from_epsg(32616).to_wkt()
    for geo in ({"crs": wkt, "transform": UTM}, {}):
        source = geotiff_dataset(tmp_path / "d", np.zeros((60, 80, 3), np.uint8), mask, **geo)
        tiles = tile(source, tmp_path / "t", size=30, overwrite=True)
        made = stitch(tiles, tmp_path / "s", vectorize=True, overwrite=True)
        found = read_features(tmp_path / "s/vectors/x.geojson")
        with open_image(tmp_path / "x.tif") as raster:
            polygons, problems = to_pixels(found, raster.geo, "x", size=(raster.height, raster.width))
        assert not problems
        assert made.read_receipt()["polygons"] == len(polygons) > 5
        if geo:
            assert all(abs(x) < 180 for x, _ in found.features[0].geometry["coordinates"][0])  # type: ignore[index]
        burnt = burn([(g, f.properties["class_id"]) for f, g in polygons], Window(0, 0, 60, 80), fill=255)
        np.testing.assert_array_equal(burnt, mask)
        assert {f.properties["class"] for f, _ in polygons} == {"road", "car", "sign"}


@pytest.mark.process
def test_the_commands(tmp_path: Path) -> None:
    make(tmp_path / "d", {f"train/{i}": blobs(50, 70, i) for i in range(2)}, images="copy")

    def run(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == code, result.output
        return result.output

    out = run("tile", tmp_path / "d", tmp_path / "t", "--size", "16x20", "--overlap", "25%", "--min-valid", 0.85)
    grids = sum(len(grid(50, 70, (16, 20), (12, 15))) for _ in range(2))
    assert f"windows:     {grids} = " in out
    assert "left out: too few labelled pixels (--min-valid)" in out
    run("tile", tmp_path / "d", tmp_path / "v", "--size", 16, "--virtual", "--min-tiles-per-class", 2, "-j", 2)
    out = run("stitch", tmp_path / "t", tmp_path / "s", "--blend", "crop", "--vectorize", "--of", tmp_path / "d")
    assert "of 2 images = 2 stitched + 0 left out" in out
    assert "pixels are in no tile, and ignored" in out
    assert "in vectors/" in out
    run("untile", tmp_path / "v", tmp_path / "u")
    for name in ("t", "v", "s", "u"):
        run("info", tmp_path / name)
    assert "overlap" in run("tile", tmp_path / "d", tmp_path / "x", "--size", 16, "--overlap", 16, code=1)
    assert "HEIGHTxWIDTH" in run("tile", tmp_path / "d", tmp_path / "x", "--size", "a", code=2)
    assert "a share" in run("tile", tmp_path / "d", tmp_path / "x", "--overlap", "x%", code=2)
    os.stat(tmp_path / "u/manifest.jsonl")


def test_a_false_size_is_no_endless_plan(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"a": np.zeros((8, 8), np.uint8)}, fields={"a": {"width": 2**31 - 1}})
    with pytest.raises(DataError, match=r"a: its 2147483647 x 8 pixels .* would be 268,435,456 tiles.*\[tile.many\]"):
        tile(source, tmp_path / "t", size=8)
    assert not (tmp_path / "t").exists()


def test_a_tile_outside_its_image_is_named(tmp_path: Path) -> None:
    """Of a manifest that was changed by hand."""
    tiles = tile(make(tmp_path / "d", {"a": np.zeros((8, 8), np.uint8)}), tmp_path / "t", size=4)
    lines = (tiles.root / "manifest.jsonl").read_text().replace('"window":[4,4,4,4]', '"window":[4,4,4,9]')
    (tiles.root / "manifest.jsonl").write_text(lines)
    with pytest.raises(DatasetError, match="its window of 9 x 4 at row 4, column 4 is not in its image of 8 x 8"):
        untile(tiles.root, tmp_path / "w")
