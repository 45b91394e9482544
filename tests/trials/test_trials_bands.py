"""What trials found about bands: which are read, in which order, and whether a last one is data or transparency."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image

import segdata
import trial_files
from segdata.windows import Window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

RNG = np.random.default_rng(5)

SIZE = 40


def infrared(seed: int = 0, dtype: str = "uint8") -> Any:
    """(4, SIZE, SIZE) noise; the last band is 0 in a corner, as near infrared is over water."""
    values = np.random.default_rng(seed).integers(1, 250, (4, SIZE, SIZE)).astype(dtype)
    values[3, :15, :15] = 0
    return values


def blank() -> Any:
    """The same with a last band of 0."""
    values = infrared()
    values[3] = 0
    return values


def transparent(seed: int = 0) -> Any:
    """The same with a last band of 0 and 255."""
    values = infrared(seed)
    values[3] = np.where(values[3] == 0, 0, 255)
    return values


def write(path: Path, values: Any, names: tuple[str, ...] = (), **profile: Any) -> None:
    """A TIFF as GDAL writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    given = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": values.dtype, **profile}
    with rasterio.open(path, "w", **given) as file:
        file.write(values)
        for number, name in enumerate(names, 1):
            file.set_band_description(number, name)


def source(root: Path, images: dict[str, Any], **profile: Any) -> Path:
    """A folder of images and masks of two classes."""
    for name, values in images.items():
        if name.lower().endswith("png"):
            (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.moveaxis(values, 0, 2)).save(root / "images" / name)
        else:
            write(root / "images" / name, values, **profile)
        (root / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        mask = (np.arange(SIZE * SIZE).reshape(SIZE, SIZE) % 2).astype(np.uint8)
        Image.fromarray(mask).save((root / "masks" / name).with_suffix(".png"))
    (root / "classes.txt").write_text("land\nwater\n")
    return root


def convert(root: Path, out: Path, *more: object, code: int = 0) -> str:
    """`segdata convert masks`; what it says."""
    given = ("convert", "masks", root, out, "--classes", root / "classes.txt", *more)
    return trial_files.run(*given, code=code).output


def gaps(dataset: segdata.Dataset) -> int:
    """How many pixels of a dataset's images have no data by the files' own word."""
    total = 0
    for sample in dataset:
        with dataset.open_image(sample) as raster:
            valid = raster.valid(Window(0, 0, *sample.size), raster.read())
            total += 0 if valid is None else int((~valid).sum())
    return total


def pixels(root: Path, id: str) -> Any:
    """(C, H, W) of a sample of a dataset."""
    dataset = segdata.Dataset.open(root)
    return np.moveaxis(dataset.read_image(dataset.sample(id)), 2, 0)


def test_near_infrared_is_data(tmp_path: Path) -> None:
    root = trial_files.trial("large/nir")
    said = convert(root, tmp_path / "d")
    assert "is taken for data" in said
    assert "s0.tif, s1.tif" in said
    assert json.loads((tmp_path / "d/dataset.json").read_text())["reading"] == {"alpha": False}
    assert any("is taken for data" in note for note in segdata.Dataset.open(tmp_path / "d").read_receipt()["notes"])
    assert "data, even if it is called alpha" in trial_files.run("info", tmp_path / "d", code=0).output
    trial_files.run("tile", tmp_path / "d", tmp_path / "t", "--size", 96, code=0)
    trial_files.run("tile", tmp_path / "d", tmp_path / "v", "--size", 96, "--virtual", code=0)
    for id in ("s0", "s1"):
        with rasterio.open(root / f"images/{id}.tif") as file:
            values = file.read()
        mask = np.array(Image.open(root / f"masks/{id}.png"))
        for made, sample in (("d", id), ("t", f"{id}_000000_000000"), ("v", f"{id}_000000_000000")):
            np.testing.assert_array_equal(pixels(tmp_path / made, sample), values)
            dataset = segdata.Dataset.open(tmp_path / made)
            np.testing.assert_array_equal(dataset.read_mask(dataset.sample(sample)), mask)
            assert gaps(dataset) == 0


CASES: dict[str, tuple[dict[str, Any], tuple[str, ...], Any, int, int]] = {
    "transparency": ({"a.tif": transparent()}, (), True, 3, 225),
    "capitals, nested": ({"x/A.TIF": infrared(), "x/B.TIFF": infrared(1)}, (), False, 4, 0),
    "one holds data": ({"a.tif": transparent(), "b.tif": infrared(1), "c.tif": transparent(2)}, (), False, 4, 0),
    "0 everywhere": ({"a.tif": blank()}, (), False, 4, 0),
    "0 everywhere in one": ({"a.tif": blank(), "b.tif": transparent(1)}, (), True, 3, SIZE * SIZE),
    "told yes": ({"a.tif": infrared()}, ("--alpha", "yes"), True, 3, 225),
    "told no": ({"a.tif": transparent()}, ("--alpha", "no"), False, 4, 0),
    "16 bits, told": ({"a.tif": infrared(0, "uint16")}, ("--alpha", "yes"), True, 3, 225),
    "16 bits": ({"a.tif": infrared(0, "uint16")}, (), None, 4, 0),
    "PNG": ({"a.png": transparent()}, (), None, 3, 225),
    "PNG of data, told": ({"a.png": infrared()}, ("--alpha", "no"), False, 4, 0),
}
"""Images, options, what is recorded, how many bands there are, and how many pixels of the first image have no data."""


@pytest.mark.parametrize("case", CASES)
def test_what_a_last_band_is(case: str, tmp_path: Path) -> None:
    images, options, recorded, bands, empty = CASES[case]
    said = convert(source(tmp_path / "s", images), tmp_path / "d", *options)
    card = json.loads((tmp_path / "d/dataset.json").read_text())
    assert card.get("reading", {}).get("alpha") == recorded
    assert ("is taken for" in said) == (case not in ("told yes", "told no", "16 bits, told", "16 bits"))
    dataset = segdata.Dataset.open(tmp_path / "d")
    for sample in dataset:
        with dataset.open_image(sample) as raster:
            assert raster.bands == bands
    assert gaps(dataset.select(lambda sample: sample.id == dataset.samples[0].id)) == empty


def test_without_a_word_each_file_is_looked_at(tmp_path: Path) -> None:
    """As in datasets that were made before: their card says nothing."""
    convert(source(tmp_path / "s", {"a.tif": infrared(), "b.tif": transparent()}), tmp_path / "d")
    card = tmp_path / "d/dataset.json"
    card.write_text(json.dumps({k: v for k, v in json.loads(card.read_text()).items() if k != "reading"}))
    assert [len(pixels(tmp_path / "d", id)) for id in ("a", "b")] == [4, 3]


NAMES = ("B02", "B03", "B04", "B08")


@pytest.mark.parametrize("given", ["4,3,1", "B08,B04,B02", "b08,B04,1"])
def test_bands_by_number_and_by_name(given: str, tmp_path: Path) -> None:
    values = infrared(3, "uint16")
    root = source(tmp_path / "s", {"a.tif": values}, names=NAMES)
    convert(root, tmp_path / "d", "--bands", given)
    np.testing.assert_array_equal(pixels(tmp_path / "d", "a"), values[[3, 2, 0]])
    assert f"the bands {given} alone" in trial_files.run("info", tmp_path / "d", code=0).output
    trial_files.run("tile", tmp_path / "d", tmp_path / "t", "--size", SIZE, "--bands", "2,1", code=0)
    trial_files.run("tile", tmp_path / "d", tmp_path / "v", "--size", SIZE, "--bands", "2,1", "--virtual", code=0)
    for made in ("t", "v"):
        np.testing.assert_array_equal(pixels(tmp_path / made, "a_000000_000000"), values[[2, 3]])
        assert (
            len(segdata.Dataset.open(tmp_path / made).made_by["inputs"][0]["reading"]["bands"]) == 2
        )  # as they were read
    trial_files.run("export", "webdataset", tmp_path / "d", tmp_path / "w", code=0)
    np.testing.assert_array_equal(pixels(tmp_path / "w", "a"), values[[3, 2, 0]])
    found = json.loads(trial_files.run("stats", tmp_path / "d", "--images", "--bands", "3", "--json", code=0).output)
    np.testing.assert_allclose(found["channels"]["mean"], [values[0].mean() / 65535], rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("5", "has no band 5: it has 4, called B02, B03, B04, B08"),
        ("red", "has no band red"),
        ("0,1", "bands are numbered from 1"),
        ("1,,2", "must be numbers or names of bands"),
    ],
)
def test_bands_that_are_not_there(given: str, said: str, tmp_path: Path) -> None:
    root = source(tmp_path / "s", {"a.tif": infrared(3, "uint16")}, names=NAMES)
    output = convert(root, tmp_path / "d", "--bands", given, code=1)
    assert said in output
    assert not (tmp_path / "d").exists()
    convert(root, tmp_path / "d", "--bands", "B03")
    refused = trial_files.run("tile", tmp_path / "d", tmp_path / "t", "--bands", "2", code=1).output
    assert "reads the bands B03 of its files" in refused


def test_one_without_the_band_is_left_out(tmp_path: Path) -> None:
    images = {"a.tif": infrared(), "b.tif": infrared(1)[:3], "c.tif": infrared(2)}
    convert(source(tmp_path / "s", images), tmp_path / "d", "--bands", "4,1", "--on-error", "skip")
    assert [sample.id for sample in segdata.Dataset.open(tmp_path / "d")] == ["a", "c"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_zero_may_be_white(dtype: str, tmp_path: Path) -> None:
    values = infrared(0, dtype)[:1]
    root = source(tmp_path / "s", {"a.tif": values}, photometric="miniswhite")
    convert(root, tmp_path / "d")
    seen = np.iinfo(values.dtype).max - values
    np.testing.assert_array_equal(pixels(tmp_path / "d", "a")[:1], seen)
    write(tmp_path / "s/masks/a.tif", values, photometric="miniswhite")
    (tmp_path / "s/masks/a.png").unlink()
    convert(root, tmp_path / "e", "--threshold", int(np.median(seen)))
    dataset = segdata.Dataset.open(tmp_path / "e")
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), seen[0] >= int(np.median(seen)))


def test_what_is_said_of_bands_goes_on_to_tiles(tmp_path: Path) -> None:
    values = infrared(1, "uint16")
    root = source(tmp_path / "s", {"a.tif": values}, names=NAMES, photometric="rgb", crs="EPSG:32633",
                  transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6))  # fmt: skip
    with rasterio.open(root / "images/a.tif", "r+") as file:
        file.scales, file.offsets = (0.0001,) * 4, (0.0, -0.1, 0.25, 1e-7)
    convert(root, tmp_path / "d")
    trial_files.run("tile", tmp_path / "d", tmp_path / "t", "--size", SIZE, "--bands", "B08,2,1", code=0)
    with rasterio.open(next((tmp_path / "t/images").glob("*.tif"))) as tile:
        assert tile.descriptions == ("B08", "B03", "B02")
        assert (tile.scales, tile.offsets) == ((0.0001,) * 3, (1e-7, -0.1, 0.0))
        assert [colour.name for colour in tile.colorinterp][1:] == ["green", "red"]
        np.testing.assert_array_equal(tile.read(), values[[3, 1, 0]])
    trial_files.run("tile", tmp_path / "t", tmp_path / "again", "--size", 20, "--bands", "B02", code=0)
    np.testing.assert_array_equal(pixels(tmp_path / "again", "a_000000_000000_000020_000000"), values[:1, 20:, :20])


@pytest.mark.torch
def test_a_model_reads_the_bands_that_it_was_trained_on(tmp_path: Path) -> None:
    root = source(tmp_path / "s", {"a.tif": infrared(), "b.tif": infrared(1)})
    convert(root, tmp_path / "d")
    train = ("train", tmp_path / "d", tmp_path / "run", "--epochs", 1, "--steps", 1, "--batch", 1, "--val-share", 0.5)
    trial_files.run(*train, "--model", "segnet", "--recipe", "none", "--no-tensorboard", "--bands", "4,1", code=0)
    best = tmp_path / "run/best.pt"
    trial_files.run("predict", best, root / "images", tmp_path / "by-path", code=0)
    assert "4 bands are read" in trial_files.run("predict", best, tmp_path / "d", tmp_path / "no", code=1).output
    trial_files.run("predict", best, tmp_path / "d", tmp_path / "told", "--bands", "4,1", code=0)
    made = [segdata.Dataset.open(tmp_path / name) for name in ("by-path", "told")]
    assert made[0].reading == made[1].reading
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(made[0].read_mask(one), made[1].read_mask(other))


def test_check_finds_images_without_the_band(tmp_path: Path) -> None:
    root = source(tmp_path / "s", {"a.tif": infrared(), "b.tif": infrared(1)})
    convert(root, tmp_path / "d", "--bands", "4,1")
    assert "no errors" in trial_files.run("check", tmp_path / "d", code=0).output
    write(root / "images/b.tif", infrared(1)[:3])
    assert "has no band 4" in trial_files.run("check", tmp_path / "d", code=1).output


@pytest.mark.torch
def test_bands_in_another_order_than_the_model_takes_are_refused(tmp_path: Path) -> None:
    """Also if it was trained on tiles, which hold no other bands."""
    root = source(tmp_path / "s", {"a.tif": infrared(0, "uint16"), "b.tif": infrared(1, "uint16")}, names=NAMES)
    convert(root, tmp_path / "d", "--bands", "B08,B04,B03,B02")
    trial_files.run("tile", tmp_path / "d", tmp_path / "t", "--size", SIZE, code=0)
    train = ("train", tmp_path / "t", tmp_path / "run", "--epochs", 1, "--steps", 1, "--batch", 1, "--val-share", 0.5)
    trial_files.run(*train, "--model", "segnet", "--recipe", "none", "--no-tensorboard", code=0)
    best = tmp_path / "run/best.pt"
    said = trial_files.run("predict", best, root / "images", tmp_path / "p", code=1).output
    assert "in the order B02,B03,B04,B08, and the model takes B08,B04,B03,B02: --bands B08,B04,B03,B02" in said
    trial_files.run("predict", best, root / "images", tmp_path / "p", "--bands", "B08,B04,B03,B02", code=0)
    trial_files.run("predict", best, tmp_path / "d", tmp_path / "q", code=0)


@pytest.mark.parametrize(("other", "code"), [("x.png", 0), ("rgb.tif", 0), ("rgba.png", 1), ("plain.tif", 1)])
def test_join_takes_what_one_dataset_says(other: str, code: int, tmp_path: Path) -> None:
    """Of data with near infrared: a dataset without alpha is read alike, one with transparency is not."""
    images = {
        "x.png": infrared(1)[:3], "rgb.tif": infrared(1)[:3], "rgba.png": transparent(1), "plain.tif": transparent(1),
    }  # fmt: skip
    convert(source(tmp_path / "s", {"a.tif": infrared()}), tmp_path / "d")
    convert(source(tmp_path / "t", {other: images[other]}), tmp_path / "e")
    said = trial_files.run("join", tmp_path / "d", tmp_path / "e", tmp_path / "j", code=None)
    assert said.exit_code == code, said.output
    if code:
        assert "convert both with the same --bands and --alpha" in said.output
        convert(tmp_path / "t", tmp_path / "e", "--alpha", "no", "--overwrite")
        trial_files.run("join", tmp_path / "d", tmp_path / "e", tmp_path / "j", code=0)
    np.testing.assert_array_equal(
        pixels(tmp_path / "j", segdata.Dataset.open(tmp_path / "j").samples[0].id), infrared()
    )


@pytest.mark.torch
def test_bands_without_names_that_a_training_chose_are_not_guessed(tmp_path: Path) -> None:
    """As many bands are read, and nothing says whether they are in the model's order; both ways out run."""
    root = source(tmp_path / "s", {"a.tif": infrared()[:3], "b.tif": infrared(1)[:3]})
    convert(root, tmp_path / "d")
    train = ("train", tmp_path / "d", tmp_path / "run", "--epochs", 1, "--steps", 1, "--batch", 1, "--val-share", 0.5)
    trial_files.run(*train, "--model", "segnet", "--recipe", "none", "--no-tensorboard", "--bands", "3,2,1", code=0)
    best = tmp_path / "run/best.pt"
    said = trial_files.run("predict", best, tmp_path / "d", tmp_path / "p", code=1).output
    assert "trained with --bands 3,2,1, and these may be in another order" in said
    trial_files.run("predict", best, tmp_path / "d", tmp_path / "p", "--bands", "3,2,1", code=0)
    trial_files.run("predict", best, root / "images", tmp_path / "by-path", code=0)
    trial_files.run("tile", tmp_path / "d", tmp_path / "t", "--bands", "3,2,1", "--size", SIZE, code=0)
    trial_files.run("predict", best, tmp_path / "t", tmp_path / "q", "--bands", "1,2,3", code=0)
    made = [segdata.Dataset.open(tmp_path / name) for name in ("p", "by-path", "q")]
    for samples in zip(*made, strict=True):
        first, *others = (one.read_mask(sample) for one, sample in zip(made, samples, strict=True))
        for mask in others:
            np.testing.assert_array_equal(first, mask)


@pytest.mark.parametrize(("first", "then"), [("b08,B04", "B08"), ("B08,B04", "b08"), ("B08,b04", "B08")])
def test_a_band_that_is_read_is_chosen_by_its_name_in_any_case(first: str, then: str, tmp_path: Path) -> None:
    values = infrared(0, "uint16")
    root = source(tmp_path / "s", {"a.tif": values}, names=NAMES)
    convert(root, tmp_path / "d", "--bands", first)
    trial_files.run("tile", tmp_path / "d", tmp_path / "t", "--size", SIZE, "--bands", then, code=0)
    np.testing.assert_array_equal(pixels(tmp_path / "t", "a_000000_000000"), values[[NAMES.index("B08")]])


@pytest.mark.parametrize("how", [(), ("--virtual",)])
def test_tiles_of_rgb_with_scale_and_offset_keep_them(how: tuple[str, ...], tmp_path: Path) -> None:
    """A PNG has no place for them, so that tiles would be of other values than their image."""
    root = tmp_path / "s"
    source(root, {"a.tif": infrared()[:3]})
    with rasterio.open(root / "images/a.tif", "r+") as file:
        file.scales, file.offsets = (0.5,) * 3, (1.0,) * 3
    convert(root, tmp_path / "d")
    trial_files.run("tile", tmp_path / "d", tmp_path / "t", "--size", SIZE, *how, code=0)
    trial_files.run("export", "webdataset", tmp_path / "d", tmp_path / "w", code=0)
    means = []
    for name in ("d", "t", "w"):
        found = json.loads(trial_files.run("stats", tmp_path / name, "--images", "--json", code=0).stdout)
        means.append(found["channels"]["mean"])
    assert means[0] == means[1] == means[2] == pytest.approx((infrared()[:3] * 0.5 + 1).mean(axis=(1, 2)).tolist())
    if not how:
        said = trial_files.run("tile", tmp_path / "d", tmp_path / "p", "--format", "png", code=1).output
        assert "3 bands of uint8 with scale and offset do not fit into png: use --format tiff" in said


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("dtype", "bands"), [("uint8", 5), ("uint16", 4), ("float32", 3), ("int16", 2)])
def test_a_tiff_of_any_bands_is_turned_as_it_says(
    dtype: str, bands: int, order: str, big: bool, tmp_path: Path
) -> None:
    """Its size does not tell, as it is square: those that Pillow cannot open were left as they lie."""
    values = RNG.integers(1, 250, (SIZE, SIZE, bands)).astype(dtype)
    root = source(tmp_path / "s", {"a.tif": infrared()})
    (root / "images/a.tif").unlink()
    tifffile.imwrite(
        root / "images/a.tif", values, photometric="minisblack", planarconfig="contig", byteorder=order, bigtiff=big,
        extratags=[(274, "H", 1, 6, True)], metadata=None,
    )  # fmt: skip
    convert(root, tmp_path / "d")
    dataset = segdata.Dataset.open(tmp_path / "d")
    with dataset.open_image(dataset.samples[0]) as raster:
        found = raster.read()[:, :, :bands]
    np.testing.assert_array_equal(found, np.rot90(values, -1))
