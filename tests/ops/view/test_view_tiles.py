"""Tiles put together again are the image and the mask, at each level; whichever way they are made, they are the same."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import Resampling

from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.files.opening import open_image
from segdata.ops.view import cache, pyramid, tiles
from segdata.ops.view.halving import halved, levels_of, nearest
from segdata.windows import Window
from viewing import Page, own_cache, pixels_of, refused, viewed

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

ENOUGH = 60
"""Seconds in which a pyramid must be built."""


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> cache.Cache:
    return own_cache(monkeypatch, tmp_path / "cache")


def ids(height: int, width: int, seed: int = 0, classes: int = 3) -> NDArray[np.uint8]:
    """Regions of a few pixels."""
    rng = np.random.default_rng(seed)
    small = rng.choice([*range(classes), 255], (height // 7 + 1, width // 5 + 1)).astype(np.uint8)
    return np.kron(small, np.ones((7, 5), np.uint8))[:height, :width]


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    small = np.random.default_rng(0).integers(20, 230, (7, 9, 1)) + np.array([9, 0, -9])
    return np.asarray(Image.fromarray(small.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC))


def dataset(
    root: Path, values: NDArray[Any] | None, shown: NDArray[Any], name: str = "a.png", **fields: Any
) -> Dataset:
    """One sample, `a`: (H, W, C) values in a file of that name."""
    made = make(root, {"a": shown}, images="copy", fields={"a": {"image": f"images/{name}", **fields}})
    if values is not None and name.endswith(".tif"):
        geotiff(root / "images" / name, values)
    elif values is not None:
        Image.fromarray(values).save(root / "images" / name)
    return made


def geotiff(
    path: Path, values: NDArray[Any], factors: tuple[int, ...] = (), how: Any = Resampling.average, **more: Any
) -> None:
    """Tiled, with overviews."""
    height, width, bands = values.shape
    shape = {"height": height, "width": width, "count": bands, "dtype": values.dtype}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, blockxsize=256, blockysize=256, **shape, **more) as file:
        file.write(values.transpose(2, 0, 1))
    if factors:
        with rasterio.open(path, "r+") as file:
            file.build_overviews(factors, how)


def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """No image is decoded at once; 2 x 2 tiles are too many to be read for one."""
    monkeypatch.setattr(tiles, "SMALL", 0)
    monkeypatch.setattr(tiles, "COARSE", 512)


def built(page: Page) -> dict[str, Any]:
    """The levels of row 0, once nothing is being built."""
    end = monotonic() + ENOUGH
    while (found := page.get("/api/levels/0").json())["building"] is not None and monotonic() < end:
        assert 0 <= found["building"] < 1
        sleep(0.02)
    assert found["building"] is None
    return found  # type: ignore[no-any-return]


def joined(page: Page, of: str, level: int) -> NDArray[Any]:
    """A level of row 0, put together of its tiles."""
    grid = page.get("/api/levels/0").json()
    height, width = (grid["levels"][level][side] for side in ("height", "width"))
    rows = [
        [
            pixels_of(page.get("/api/tile/0", params={"of": of, "level": level, "y": y, "x": x}))
            for x in range(-(-width // grid["tile"]))
        ]
        for y in range(-(-height // grid["tile"]))
    ]
    whole = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    assert whole.shape[:2] == (height, width)
    return whole


def centres(mask: NDArray[Any], level: int) -> NDArray[Any]:
    """One by one: of each block of 2^level the pixel in the middle, or the last one there is."""
    step = 2**level
    height, width = mask.shape
    rows = [min(y + step // 2, height - 1) for y in range(0, height, step)]
    columns = [min(x + step // 2, width - 1) for x in range(0, width, step)]
    return mask[np.ix_(rows, columns)]


def as_jpegs(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What JPEG makes of each tile."""
    out = np.empty_like(image)
    for y in range(0, len(image), 512):
        for x in range(0, image.shape[1], 512):
            data, part = BytesIO(), (slice(y, y + 512), slice(x, x + 512))
            Image.fromarray(image[part]).save(data, "JPEG", quality=90)
            out[part] = np.asarray(Image.open(data))
    return out


SIZES = st.sampled_from([1, 2, 255, 511, 512, 513, 1023, 1024, 1025, 1100, 1537])


@pytest.mark.slow
@given(SIZES, SIZES, st.booleans())
@settings(max_examples=12)
def test_tiles_put_together_are_the_whole(height: int, width: int, large: bool) -> None:
    """In memory, and by a pyramid."""
    mask, values = ids(height, width), smooth(height, width)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        own_cache(patch, Path(folder, "cache"))
        if large:
            all_are_large(patch)
        made = dataset(Path(folder, "ds"), values, mask)
        with viewed(made, make(Path(folder, "pred"), {"a": ids(height, width, 1)})) as page:
            grid = built(page)
            assert (grid["height"], grid["width"], grid["tile"]) == (height, width, 512)
            assert max(grid["levels"][-1]["height"], grid["levels"][-1]["width"]) <= 512
            for level, size in enumerate(grid["levels"]):
                assert size["scale"] == 2**level
                assert (size["height"] - 1) * size["scale"] < height <= size["height"] * size["scale"]
                np.testing.assert_array_equal(joined(page, "truth", level), centres(mask, level))
                np.testing.assert_array_equal(joined(page, "0", level), centres(ids(height, width, 1), level))
            np.testing.assert_array_equal(joined(page, "image", 0), as_jpegs(made.read_rgb(made.samples[0])))


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("file", ["drone/DJI_0018.JPG", "geotiff/sample_geotiff.tif"])
def test_tiles_of_real_images(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """A drone's photograph, and one band of 16 bits with nodata in strips; the latter by a pyramid, too."""
    path = shared_data / "hires" / file
    with open_image(path) as raster:
        height, width = raster.height, raster.width
    made = dataset(tmp_path / "ds", None, ids(height, width), path.name)
    (tmp_path / "ds/images" / path.name).unlink(missing_ok=True)
    (tmp_path / "ds/images" / path.name).symlink_to(path)
    made = Dataset(made.root, made.labels, made.samples, {"tool": "test"}, "link")
    expected = as_jpegs(made.read_rgb(made.samples[0]))
    with viewed(made) as page:
        np.testing.assert_array_equal(joined(page, "image", 0), expected)
    all_are_large(monkeypatch)
    monkeypatch.setattr("segdata.ops.view.layers.SEEN", 10**6)
    with viewed(made) as page:
        built(page)
        np.testing.assert_array_equal(joined(page, "image", 0), expected)


def test_levels_of_an_image_are_means(tmp_path: Path) -> None:
    """Of blocks of 2, 4 ... pixels; of what is there of them at the border."""
    values = smooth(1500, 1030)
    with viewed(dataset(tmp_path / "ds", values, ids(1500, 1030))) as page:
        for level in (1, 2):
            step = 2**level
            padded = np.pad(
                values.astype(float), ((0, -1500 % step), (0, -1030 % step), (0, 0)), constant_values=np.nan
            )
            blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step, 3)
            assert np.abs(joined(page, "image", level) - np.nanmean(blocks, axis=(1, 3))).mean() < 2


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 5))
def test_a_strip_is_shrunk_as_the_whole(height: int, width: int, level: int) -> None:
    """So pyramids may be built from the top, a strip at a time."""
    mask, image = ids(height, width), smooth(height, width)
    np.testing.assert_array_equal(nearest(mask, level), centres(mask, level))
    strips = [mask[y : y + 32] for y in range(0, height, 32)]
    np.testing.assert_array_equal(np.concatenate([nearest(one, level) for one in strips]), centres(mask, level))
    halves = [halved(image[y : y + 32]) for y in range(0, height, 32)]
    np.testing.assert_array_equal(np.concatenate(halves), halved(image))


def everything(page: Page, of: str) -> list[bytes]:
    grid = built(page)
    return [
        page.get("/api/tile/0", params={"of": of, "level": level, "y": y, "x": x}).content
        for level, size in enumerate(grid["levels"])
        for y in range(-(-size["height"] // 512))
        for x in range(-(-size["width"] // 512))
    ]


KINDS: dict[str, tuple[str, int]] = {"RGB": ("uint8", 3), "16 bits": ("uint16", 5), "float": ("float32", 1)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_pyramid_gives_the_bytes_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    """The brightness of images of other types is that of all of them, here."""
    dtype, bands = KINDS[kind]
    values = np.repeat(smooth(1300, 1100), 2, axis=2)[:, :, :bands].astype(dtype)
    if name == "a.png":
        if kind != "RGB":
            pytest.skip("PNGs are of 8 bits")
        values = np.ascontiguousarray(values)
    made = dataset(tmp_path / "ds", values, ids(1300, 1100), name)
    with viewed(made) as page:
        small = {of: everything(page, of) for of in ("image", "truth")}
    all_are_large(monkeypatch)
    monkeypatch.setattr("segdata.ops.view.layers.SEEN", 10**6)
    with viewed(made) as page:
        assert {of: everything(page, of) for of in ("image", "truth")} == small
    with viewed(made) as page:  # from the cache
        assert page.get("/api/levels/0").json()["building"] is None
        assert {of: everything(page, of) for of in ("image", "truth")} == small


def test_overviews_are_read_where_there_are_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pyramid is built; a level is what the file has there, and level 0 is the whole."""
    all_are_large(monkeypatch)
    monkeypatch.setattr(pyramid, "build", None)
    values, mask = smooth(1536, 2048), ids(1536, 2048)
    made = dataset(tmp_path / "ds", None, mask, "a.tif", mask="masks/a.tif")
    geotiff(tmp_path / "ds/images/a.tif", values, (2, 4))
    geotiff(tmp_path / "ds/masks/a.tif", mask[:, :, None], (2, 4), Resampling.mode)
    with viewed(made) as page:
        assert page.get("/api/levels/0").json()["building"] is None
        np.testing.assert_array_equal(joined(page, "truth", 0), made.read_mask(made.samples[0]))
        assert np.abs(joined(page, "image", 0) - values.astype(int)).mean() < 2
        for level in (1, 2):
            with rasterio.open(tmp_path / "ds/masks/a.tif", overview_level=level - 1) as file:
                np.testing.assert_array_equal(joined(page, "truth", level), file.read(1))
            with rasterio.open(tmp_path / "ds/images/a.tif", overview_level=level - 1) as file:
                copy = file.read().transpose(1, 2, 0).astype(int)
            assert np.abs(joined(page, "image", level) - copy).mean() < 2


def test_overviews_that_are_not_small_enough_do_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    all_are_large(monkeypatch)
    made = dataset(tmp_path / "ds", None, ids(1536, 2048), "a.tif")
    geotiff(tmp_path / "ds/images/a.tif", smooth(1536, 2048), (2,))
    with viewed(made) as page:
        built(page)
    names = {name for found in (tmp_path / "cache").rglob("tiles.zip") for name in pyramid.ZipFile(found).namelist()}
    assert "2/0/0" in names


def test_level_0_of_a_tiled_file_is_not_stored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    all_are_large(monkeypatch)
    values = smooth(1000, 1300)
    with viewed(dataset(tmp_path / "ds", values, ids(1000, 1300), "a.tif")) as page:
        built(page)
        assert np.abs(joined(page, "image", 0) - values.astype(int)).mean() < 2
    stored = [pyramid.ZipFile(found).namelist() for found in (tmp_path / "cache").rglob("tiles.zip")]
    assert sorted(names[0][:2] for names in stored) == ["0/", "1/"]  # the mask is a PNG


@pytest.mark.parametrize("large", [False, True])
def test_virtual_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    if large:
        all_are_large(monkeypatch)
    values, mask = smooth(1400, 1500), ids(1400, 1500)
    crop = Window(100, 200, 900, 1100)
    for name in ("a.png", "a.tif"):
        made = dataset(tmp_path / name[2:], values, mask, name, height=900, width=1100, crop=crop)
        with viewed(made) as page:
            built(page)
            for level in (0, 1):
                np.testing.assert_array_equal(joined(page, "truth", level), centres(mask[crop.slices], level))
            assert np.abs(joined(page, "image", 0) - values[crop.slices].astype(int)).mean() < 2


@pytest.mark.parametrize("large", [False, True])
def test_class_ids_of_16_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    if large:
        all_are_large(monkeypatch)
    mask = np.random.default_rng(0).choice([0, 255, 256, 299, 65535], (700, 600)).astype(np.uint16)
    with viewed(make(tmp_path / "ds", {"a": mask}, names=[f"c{i}" for i in range(300)])) as page:
        built(page)
        for level in (0, 1):
            np.testing.assert_array_equal(joined(page, "truth", level), centres(mask, level))


def test_one_stretch_for_all_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dark tile stays dark, and nodata is no brightness; by overviews, too."""
    values = np.full((1024, 1024, 1), 1000, np.uint16)
    values[:512, 512:], values[512:, :512], values[512:, 512:] = 2000, 3000, 65535
    made = dataset(tmp_path / "ds", None, ids(1024, 1024), "a.tif")
    geotiff(tmp_path / "ds/images/a.tif", values, (2,), nodata=65535)
    for large in (False, True):
        if large:
            all_are_large(monkeypatch)
        with viewed(made) as page:
            built(page)
            got = joined(page, "image", 0)
        corners = [int(got[y, x].mean()) for y, x in ((100, 100), (100, 900), (900, 100), (900, 900))]
        assert np.abs(np.array(corners) - [0, 127, 255, 0]).max() <= 3


@pytest.mark.parametrize("large", [False, True])
def test_many_ask_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """Everyone gets the same, and each layer is decoded, or its pyramid built, once."""
    if large:
        all_are_large(monkeypatch)
    work: list[str] = []

    def counted(what: str, real: Any, one: Any, *rest: Any) -> Any:
        work.append(f"{what} {getattr(one, 'layer', one).kind}")
        return real(one, *rest)

    monkeypatch.setattr(tiles, "decoded", partial(counted, "decoded", tiles.decoded))
    monkeypatch.setattr(pyramid, "build", partial(counted, "build", pyramid.build))
    with (
        viewed(dataset(tmp_path / "ds", smooth(1100, 1300), ids(1100, 1300))) as page,
        ThreadPoolExecutor(8) as pool,
    ):
        if large:
            list(pool.map(lambda _: built(page), range(8)))
        answers = list(pool.map(lambda i: (everything(page, "image"), everything(page, "truth")), range(8)))
    assert all(one == answers[0] for one in answers)
    what = "build" if large else "decoded"
    assert sorted(work) == [f"{what} image", f"{what} mask"]


def test_decoded_images_are_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "KEPT", 10**6)
    made = make(tmp_path / "ds", {str(i): ids(600, 600, i) for i in range(5)})
    held = tiles.Decoded(10**6)
    for sample in made:
        held.levels(tiles.Layer(made, sample, "mask"))
    assert len(held._held) == 2
    assert sum(one.size for one in held._held.values()) <= 10**6


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """A semaphore that lets a strip of a pyramid pass."""
    passing = threading.Semaphore(0)
    real = pyramid.shrinking

    def waiting(pixels: Any, count: int) -> Any:
        passing.acquire(timeout=ENOUGH)
        return real(pixels, count)

    monkeypatch.setattr(pyramid, "shrinking", waiting)
    all_are_large(monkeypatch)
    yield passing
    passing.release(1000)


def until(holds: Any) -> None:
    end = monotonic() + ENOUGH
    while not holds() and monotonic() < end:
        sleep(0.01)
    assert holds()


def test_while_a_pyramid_is_built(tmp_path: Path, slow: threading.Semaphore) -> None:
    """It is said how far it is, the smallest level fills from the top, and others are told to wait."""
    mask = ids(1600, 1100)
    with viewed(make(tmp_path / "ds", {"a": mask})) as page:
        assert page.get("/api/levels/0").json()["building"] == 0
        assert refused(page.get("/api/tile/0?of=truth&level=1")) == (503, "building")
        first = page.get("/api/tile/0?of=truth&level=2")
        assert first.headers["cache-control"] == "no-store"
        assert (pixels_of(first) == 255).all()
        slow.release()
        until(lambda: page.get("/api/levels/0").json()["building"] > 0)
        assert page.get("/api/levels/0").json()["building"] == pytest.approx(512 / 1600)
        second = pixels_of(page.get("/api/tile/0?of=truth&level=2"))
        np.testing.assert_array_equal(second[:128], centres(mask, 2)[:128])
        assert (second[128:] == 255).all()
        slow.release(10)
        built(page)
        last = page.get("/api/tile/0?of=truth&level=2")
        assert "max-age" in last.headers["cache-control"]
        np.testing.assert_array_equal(pixels_of(last), centres(mask, 2))


def test_a_viewer_that_is_closed_stops_building_and_leaves_nothing(tmp_path: Path, slow: threading.Semaphore) -> None:
    made = make(tmp_path / "ds", {"a": ids(3000, 1100)})
    with viewed(made) as page:
        page.get("/api/levels/0")
        slow.release()
        until(lambda: list((tmp_path / "cache").rglob("*.partial.zip")))
        threading.Timer(0.3, slow.release, (1000,)).start()
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    with viewed(made) as page:
        built(page)
        np.testing.assert_array_equal(joined(page, "truth", 1), centres(ids(3000, 1100), 1))


def test_a_build_that_breaks_is_told_and_others_are_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    all_are_large(monkeypatch)
    real = pyramid.build

    def broken(job: pyramid.Building, stop: threading.Event) -> None:
        if job.layer.sample.id == "a":
            raise KeyError("a bug")
        real(job, stop)

    monkeypatch.setattr(pyramid, "build", broken)
    with viewed(make(tmp_path / "ds", {"a": ids(1100, 1100), "b": ids(1100, 1100)})) as page:
        page.get("/api/levels/0")
        until(lambda: heard)
        assert refused(page.get("/api/tile/0?of=truth&level=1")) == (500, "pyramid")
        until(lambda: page.get("/api/levels/1").json()["building"] is None)
        np.testing.assert_array_equal(
            pixels_of(page.get("/api/tile/1?of=truth&level=1")), centres(ids(1100, 1100), 1)[:512, :512]
        )


def test_what_a_killed_build_left_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: cache.Cache
) -> None:
    """A file without its name, and a lock that nobody holds; and a pyramid that was cut off is built anew."""
    all_are_large(monkeypatch)
    made = make(tmp_path / "ds", {"a": ids(600, 700)})
    place = kept.folder((*tiles.Layer(made, made.samples[0], "mask").key, "pyramid"))
    assert place is not None
    (place / "tiles.partial.zip").write_bytes(b"half of it")
    (place / "lock").write_bytes(b"")
    (place / "tiles.zip").write_bytes(b"PK, but no more")
    with viewed(made) as page:
        built(page)
        np.testing.assert_array_equal(joined(page, "truth", 1), centres(ids(600, 700), 1))
    assert [path.name for path in place.iterdir()] == ["tiles.zip"]


def test_two_viewers_build_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: threading.Semaphore) -> None:
    builds: list[int] = []
    real = pyramid.build
    monkeypatch.setattr(pyramid, "build", lambda *given: (builds.append(1), real(*given))[1])
    made = make(tmp_path / "ds", {"a": ids(1100, 1200)})
    with viewed(made) as one, viewed(made) as other:
        one.get("/api/levels/0")
        until(lambda: builds)
        assert other.get("/api/levels/0").json()["building"] == 0
        slow.release(100)
        built(one)
        built(other)
        assert everything(one, "truth") == everything(other, "truth")
    assert builds == [1]


def test_what_goes_wrong_while_a_pyramid_is_built_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    all_are_large(monkeypatch)
    made = make(tmp_path / "ds", {"a": ids(700, 800)}, images="copy")
    path = tmp_path / "ds/images/a.png"
    path.write_bytes(path.read_bytes()[:-20000])
    with viewed(made) as page:
        built(page)
        assert refused(page.get("/api/tile/0?of=image&level=0")) == (422, "image.unreadable")
        assert refused(page.get("/api/tile/0?of=image&level=1")) == (422, "image.unreadable")
        assert page.get("/api/tile/0?of=truth&level=1").status_code == 200


def test_a_disk_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    all_are_large(monkeypatch)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pyramid.ZipFile, "writestr", full)
    with viewed(make(tmp_path / "ds", {"a": ids(700, 800)})) as page:
        built(page)
        status, _ = refused(page.get("/api/tile/0?of=truth&level=1"))
        assert status >= 422
        assert "No space left" in page.get("/api/tile/0?of=truth&level=1").json()["error"]["message"]
    assert list((tmp_path / "cache").rglob("*.zip")) == []


def test_what_is_asked_for_last_is_built_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: threading.Semaphore
) -> None:
    """Whoever turns pages does not wait for those that were passed by."""
    order: list[str] = []
    real = pyramid.build
    monkeypatch.setattr(pyramid, "build", lambda job, stop: (order.append(job.layer.sample.id), real(job, stop))[1])
    with viewed(make(tmp_path / "ds", {name: ids(520, 520) for name in "abcd"})) as page:
        for row in range(4):
            page.get(f"/api/levels/{row}")
            until(lambda: order)
        slow.release(100)
        until(lambda: len(order) == 4)
    assert order == ["a", "d", "c", "b"]


def test_without_a_cache_pyramids_live_as_long_as_the_viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_cache(monkeypatch, None)
    all_are_large(monkeypatch)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with viewed(make(tmp_path / "ds", {"a": ids(700, 800)})) as page:
        built(page)
        np.testing.assert_array_equal(joined(page, "truth", 1), centres(ids(700, 800), 1))
        assert list((tmp_path / "temporary").rglob("tiles.zip"))
    assert os.listdir(tmp_path / "temporary") == []


def test_levels() -> None:
    assert levels_of(1, 1) == [(1, 1)]
    assert levels_of(512, 512) == [(512, 512)]
    assert levels_of(513, 1) == [(513, 1), (257, 1)]
    assert levels_of(30_000, 30_000)[-1] == (469, 469)
