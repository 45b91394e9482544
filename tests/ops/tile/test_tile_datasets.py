"""Tiles are a dataset like any other: what checks, counts, splits, joins, renames and shows datasets takes them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from carry_files import make
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.files.geo import Geo
from segdata.files.tiff import encode_tiff
from segdata.ops.check.operation import check
from segdata.ops.join.operation import join
from segdata.ops.preview.operation import preview
from segdata.ops.remap.operation import remap
from segdata.ops.split.operation import split
from segdata.ops.stats.operation import stats
from segdata.ops.stitch.operation import untile
from segdata.ops.tile.operation import tile
from segdata.pages.grid import LINE

WAYS: list[dict[str, Any]] = [
    {"virtual": virtual, "size": size, "overlap": overlap, "scale": scale}
    for virtual in (False, True)
    for size, overlap, scale in ((24, 8, 1.0), (100, 0, 1.0), (24, 8, 0.6))
]


def scene(height: int, width: int, seed: int) -> Any:
    """Ids in patches, some of them void."""
    small = np.random.default_rng(seed).choice([0, 1, 2, 255], (height // 6 + 1, width // 6 + 1))
    return np.kron(small, np.ones((6, 6)))[:height, :width].astype(np.uint8)


@pytest.fixture(params=WAYS, ids=lambda way: f"{'virtual' if way['virtual'] else 'files'}-{way['size']}-{way['scale']}")
def tiles(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    """Tiles of two images; padded, scaled or neither, as files or virtual."""
    source = make(tmp_path / "d", {f"train/{i}": scene(60, 70, i) for i in range(2)}, images="copy")
    return tile(source, tmp_path / "t", **request.param)


def counted(dataset: Dataset) -> list[dict[int, int]]:
    return [dict(Counter(dataset.read_mask(sample).ravel().tolist())) for sample in dataset]


def test_check_finds_nothing_wrong(tiles: Dataset) -> None:
    found = check(tiles)
    assert [f for f in found.findings if f.level == "error"] == []


def test_check_finds_a_tile_that_was_changed(tiles: Dataset) -> None:
    path = tiles.inside(tiles.samples[0].mask)
    mask = segdata.read_mask(path)
    mask[:2, :2] = 1 - mask[:2, :2] // 2
    path.unlink()
    segdata.write_mask(path, mask)
    codes = {f.code for f in check(tiles).findings if f.level == "error"}
    assert "mask.changed" in codes or "mask.counts" in codes


def test_stats_count_what_is_there(tiles: Dataset) -> None:
    found = stats(tiles, recount=True, images=True)
    assert found.differences == ()
    assert found.whole.counts.total == sum(s.height * s.width for s in tiles)
    assert [s.counts for s in tiles] == counted(tiles)


def test_split_keeps_a_image_together(tiles: Dataset, tmp_path: Path) -> None:
    made = split(tiles, tmp_path / "s", ratios={"a": 0.5, "b": 0.5}, allow_missing=["all"])
    by_parent = {s.parent: {t.split for t in made if t.parent == s.parent} for s in made}
    assert all(len(splits) == 1 for splits in by_parent.values())
    assert [s.counts for s in made] == counted(made)
    assert {s.tiling for s in made} == {s.tiling for s in tiles}
    for sample in made:
        assert made.read_image(sample).shape[:2] == sample.size


def test_remapping_keeps_padding_void(tiles: Dataset, tmp_path: Path) -> None:
    made = remap(tiles, tmp_path / "r", map={"sign": "car"})
    assert [s.counts for s in made] == counted(made)
    for old, new in zip(tiles, made, strict=True):
        before = tiles.read_mask(old)
        np.testing.assert_array_equal(made.read_mask(new), np.where(before == 2, 1, before))


def test_joining_and_putting_together(tiles: Dataset, tmp_path: Path) -> None:
    other = make(tmp_path / "o", {"train/9": scene(30, 30, 5)}, names=("sky", "road", "sea"), images="copy")
    made = join([tiles, tile(other, tmp_path / "ot", size=16)], tmp_path / "j")
    assert [s.counts for s in made] == counted(made)
    whole = untile(made, tmp_path / "w")
    assert [s.id for s in whole] == ["train/0", "train/1", "train/9"]
    assert whole.sample("train/9").size == (30, 30)


def test_pages_and_sheets(tiles: Dataset, tmp_path: Path) -> None:
    preview(tiles, tmp_path / "sheet.png", count=3)
    for arguments in (
        ["stats", tiles.root, "--html", tmp_path / "stats.html"],
        ["check", tiles.root, "--html", tmp_path / "check.html"],
        ["info", tiles.root],
        ["preview", tiles.root, tmp_path / "grid.png", "--grid"],
    ):
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output


def test_the_grid_is_drawn_where_the_tiles_are(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {"x": np.zeros((60, 90))}, images="copy")
    for virtual in (False, True):
        tiles = tile(source, tmp_path / "t", size=30, virtual=virtual, overwrite=True)
        some = Dataset(tiles.root, tiles.labels, tiles.samples[:-1], {}, tiles.images)
        preview(some, tmp_path / "grid.png", grid=True, size=90)
        image = np.array(Image.open(tmp_path / "grid.png").convert("RGB"))[29:89, 10:100]  # below the caption
        lines = (image == LINE).all(axis=2)
        assert lines[[0, 29, 30]].all(axis=1).tolist() == [True, True, False]
        assert lines[59, :60].all()
        assert not lines[59, 60:].any()  # the last tile is not there
        assert (image[31:, 60:] == 225).all()
        expected = source.read_image(source.samples[0])
        np.testing.assert_array_equal(image[1:29, 1:29], expected[1:29, 1:29])
    with pytest.raises(segdata.OptionError, match="is no tile"):
        preview(source, tmp_path / "grid.png", grid=True)


def test_many_bands_can_be_checked_counted_and_shown(tmp_path: Path) -> None:
    mask = scene(60, 70, 3)
    dataset = make(tmp_path / "d", {"x": mask})
    values = np.random.default_rng(0).integers(0, 9000, (60, 70, 5)).astype(np.uint16)
    values += (np.arange(70) * 100).astype(np.uint16)[:, None]
    (tmp_path / "x.tif").write_bytes(encode_tiff(values, tags=Geo().tags()))
    line = msgspec.structs.replace(dataset.samples[0], image="../x.tif")
    dataset = Dataset(dataset.root, dataset.labels, [line], dataset.made_by, "reference")
    dataset.save()
    for one in (dataset, tile(dataset, tmp_path / "t", size=32), tile(dataset, tmp_path / "v", size=32, virtual=True)):
        assert [f for f in check(one).findings if f.level == "error"] == []
        assert stats(one, images=True).channels is not None
        preview(one, tmp_path / "sheet.png")
        assert one.read_image(one.samples[0]).dtype == np.uint16


def test_large_images_are_shown_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path / "d", {"x": scene(120, 100, 1)}, images="copy")
    preview(source, tmp_path / "a.png", size=50)
    monkeypatch.setattr("segdata.pages.sheet.LARGE", 100)
    preview(source, tmp_path / "b.png", size=50)
    a, b = (np.array(Image.open(tmp_path / name)).astype(int) for name in ("a.png", "b.png"))
    assert a.shape == b.shape
    assert np.abs(a - b).mean() < 12


def test_every_pixel_is_evaluated_once(tiles: Dataset, tmp_path: Path) -> None:
    """Tiles against the whole, tiles against themselves, and the whole put together: the same number of pixels."""
    whole = Dataset.open(tmp_path / "d")
    labelled = sum(n for sample in whole for value, n in sample.counts.items() if value != 255)
    for pred, truth in ((tiles, whole), (tiles, tiles), (untile(tiles, tmp_path / "w"), whole)):
        found = segdata.evaluate(pred, truth, draws=0).confusion.counts
        if all(sample.tiling is not None and sample.tiling.scale == 1 for sample in tiles):
            assert found.sum() == np.trace(found[:, :3]) == labelled
        elif truth is whole:
            assert found.sum() == labelled
