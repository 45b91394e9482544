"""Images and masks in small, as the grid asks for them: against means and centres by numpy; and what is said of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.files.colors import to_rgb
from segdata.files.images import encode_image
from segdata.ops.view import thumbnails
from segdata.windows import Window
from viewing import own_cache, pixels_of, refused, viewed

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_cache(monkeypatch, tmp_path / "cache")


def ids(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).choice([0, 1, 2, 255], (height, width)).astype(np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """Colours that change slowly and hardly differ in hue, so that JPEG keeps them."""
    small = np.random.default_rng(0).integers(20, 230, (3, 4, 1)) + np.array([9, 0, -9])
    return np.asarray(Image.fromarray(small.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC))


def dataset(root: Path, image: Path | None = None, mask: Any = None, **fields: Any) -> Dataset:
    """One sample, `a`, whose image file is moved there."""
    where = {} if image is None else {"image": f"images/{image.name}"}
    made = make(root, {"a": ids(80, 120) if mask is None else mask}, images="copy", fields={"a": {**where, **fields}})
    if image is not None:
        image.rename(root / "images" / image.name)
    return made


def means(values: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float64]:
    blocks = values.reshape(size[0], values.shape[0] // size[0], size[1], values.shape[1] // size[1], -1)
    return blocks.astype(np.float64).mean(axis=(1, 3))


def centres(mask: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    rows = [int((i + 0.5) * mask.shape[0] / size[0]) for i in range(size[0])]
    columns = [int((i + 0.5) * mask.shape[1] / size[1]) for i in range(size[1])]
    return mask[np.ix_(rows, columns)]


@pytest.mark.parametrize(
    ("side", "size"), [(60, (40, 60)), (30, (20, 30)), (7, (5, 7)), (256, (80, 120)), (5000, (80, 120))]
)
def test_a_mask_has_the_ids_under_the_centres(tmp_path: Path, side: int, size: tuple[int, int]) -> None:
    mask = ids(80, 120)
    made = dataset(tmp_path / "ds", mask=mask)
    pred = make(tmp_path / "pred", {"a": ids(80, 120, 1)})
    with viewed(made, pred) as page:
        np.testing.assert_array_equal(pixels_of(page.get(f"/api/mask/0?size={side}")), centres(mask, size))
        got = pixels_of(page.get(f"/api/mask/0?size={side}&of=0"))
        np.testing.assert_array_equal(got, centres(ids(80, 120, 1), size))


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
@pytest.mark.parametrize("side", [120, 60, 30, 12])
def test_an_image_has_the_means_of_areas(tmp_path: Path, ending: str, side: int) -> None:
    values = smooth(80, 120)
    Image.fromarray(values).save(tmp_path / f"a.{ending}", **({"quality": 98} if ending == "jpg" else {}))
    with viewed(dataset(tmp_path / "ds", tmp_path / f"a.{ending}")) as page:
        got = pixels_of(page.get(f"/api/image/0?size={side}"))
        assert got.shape == (side * 2 // 3, side, 3)
        assert np.abs(got - means(values, got.shape[:2])).mean() < 3


def test_class_ids_of_16_bits(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).choice([0, 255, 256, 299, 65535], (30, 40)).astype(np.uint16)
    made = make(tmp_path / "ds", {"a": mask}, names=[f"c{i}" for i in range(300)])
    with viewed(made) as page:
        answer = page.get("/api/mask/0?size=40")
        assert answer.headers["segdata-bits"] == "16"
        np.testing.assert_array_equal(pixels_of(answer), mask)
        assert refused(page.get("/api/image/0")) == (404, "image.none")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_images_are_turned_as_the_manifest_says(tmp_path: Path, orientation: int) -> None:
    values = smooth(80, 120)
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # what a viewer does is undone in the file
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(values, turns)).save(tmp_path / "a.jpg", quality=98, exif=exif)
    with viewed(dataset(tmp_path / "ds", tmp_path / "a.jpg", exif="upright")) as page:
        got = pixels_of(page.get("/api/image/0?size=30"))
        assert np.abs(got - means(values, (20, 30))).mean() < 3


def test_a_virtual_tile_is_cut(tmp_path: Path) -> None:
    values = smooth(160, 240)
    Image.fromarray(values).save(tmp_path / "a.jpg", quality=98)
    mask = ids(160, 240)
    made = dataset(tmp_path / "ds", tmp_path / "a.jpg", mask, height=80, width=120, crop=Window(40, 60, 80, 120))
    with viewed(made) as page:
        got = pixels_of(page.get("/api/image/0?size=30"))
        assert np.abs(got - means(values[40:120, 60:180], (20, 30))).mean() < 3
        small = pixels_of(page.get("/api/mask/0?size=60"))
        np.testing.assert_array_equal(small, centres(mask[40:120, 60:180], (40, 60)))


def test_images_of_many_bands_are_stretched(tmp_path: Path) -> None:
    values = np.concatenate([smooth(80, 120), smooth(80, 120)], axis=2)[:, :, :5].astype(np.uint16) * 40
    values[:20, :20] = 65000
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=80, width=120, count=5, dtype="uint16", nodata=65000
    ) as file:
        file.write(values.transpose(2, 0, 1))
    with viewed(dataset(tmp_path / "ds", tmp_path / "a.tif")) as page:
        got = pixels_of(page.get("/api/image/0?size=60"))
    expected = to_rgb(means(values[:, :, :3], (40, 60)).round().astype(np.uint16), nodata=65000)
    assert np.abs(got.astype(int) - expected).mean() < 5
    assert got[:9, :9].mean() < 9


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "I;16"])
def test_images_of_other_kinds(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(smooth(80, 120))
    if mode == "I;16":
        image = Image.fromarray(smooth(80, 120)[:, :, 0].astype(np.uint16) * 256)
    elif mode == "P":
        image = image.quantize(100)
    else:
        image = image.convert(mode)
    image.save(tmp_path / "a.png")
    made = dataset(tmp_path / "ds", tmp_path / "a.png")
    expected = means(made.read_rgb(made.samples[0]), (40, 60))
    with viewed(made) as page:
        assert np.abs(pixels_of(page.get("/api/image/0?size=60")) - expected).mean() < 3


def test_what_is_gone_or_damaged_is_told(tmp_path: Path) -> None:
    made = make(tmp_path / "ds", {name: ids(20, 30) for name in "abcd"}, images="copy")
    (tmp_path / "ds/images/a.png").unlink()
    (tmp_path / "ds/masks/a.png").unlink()
    (tmp_path / "ds/images/b.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (tmp_path / "ds/images/c.png").write_bytes(encode_image(smooth(9, 9), "png"))
    with viewed(made) as page:
        assert refused(page.get("/api/image/0")) == (404, "image.gone")
        assert refused(page.get("/api/mask/0")) == (404, "mask.gone")
        assert "a.png" in page.get("/api/image/0").json()["error"]["message"]
        assert refused(page.get("/api/tile/0?of=truth")) == (404, "mask.gone")
        assert page.get("/api/levels/0").json()["building"] is None
        assert refused(page.get("/api/image/1")) == (422, "image.unreadable")
        assert refused(page.get("/api/image/2")) == (422, "image.size")
        assert page.get("/api/image/3").status_code == 200
        assert refused(page.get("/api/image/9")) == (404, "row")
        assert refused(page.get("/api/mask/3?of=0")) == (404, "prediction")
        assert refused(page.get("/api/mask/3?of=../x")) == (422, "of")


def test_questions_that_make_no_sense(tmp_path: Path) -> None:
    with viewed(make(tmp_path / "ds", {"a": ids(20, 30)}, images="copy")) as page:
        for size in ("-1", "1e9", "x", "9" * 30, "²"):
            assert refused(page.get("/api/image/0", params={"size": size})) == (422, "size")
        assert pixels_of(page.get("/api/image/0?size=0")).shape == (1, 1, 3)
        for question in ("level=9", "level=0&y=1", "level=0&x=1"):
            assert refused(page.get(f"/api/tile/0?of=truth&{question}")) == (404, "tile")


def test_a_thumbnail_is_made_once_and_anew_if_its_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = thumbnails._made

    def counted(layer: Any, size: tuple[int, int]) -> bytes:
        made.append(layer.kind)
        return real(layer, size)

    monkeypatch.setattr(thumbnails, "_made", counted)
    ds = make(tmp_path / "ds", {"a": ids(20, 30), "b": ids(20, 30)}, images="copy")
    with viewed(ds) as page:
        first = page.get("/api/image/0?size=16").content
        assert page.get("/api/image/0?size=16").content == first
        assert made == ["image"]
        page.get("/api/image/0?size=20")
        page.get("/api/mask/0?size=16")
        assert made == ["image", "image", "mask"]
    with viewed(ds) as page:
        assert page.get("/api/image/0?size=16").content == first
        assert len(made) == 3
        (tmp_path / "ds/images/a.png").write_bytes(encode_image(smooth(20, 30), "png"))
        assert page.get("/api/image/0?size=16").content != first
        assert len(made) == 4
