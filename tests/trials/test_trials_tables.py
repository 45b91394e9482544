"""What trials found about class files, mask values and containers: each input as a user gives it, and the right pixels."""

from __future__ import annotations

import io
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata
import trial_files

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")


def convert(*arguments: object, code: int = 0) -> str:
    """`segdata convert` with these arguments; what it says."""
    return trial_files.run("convert", *arguments, code=code).output


def trial(name: str) -> Path:
    """An input of the table of conversions."""
    return trial_files.trial(f"conversion/{name}")


def masks(root: Path) -> dict[str, Any]:
    """The mask of every sample, in class names."""
    dataset = segdata.Dataset.open(root)
    names = np.array([*dataset.labels.names, *["-"] * 256])
    return {sample.id: names[dataset.read_mask(sample)] for sample in dataset.samples}


@pytest.mark.parametrize("file", ["data.yaml", "labelmap.txt"])
def test_tables_of_yolo_and_cvat(file: str, tmp_path: Path) -> None:
    source = trial("labelmap_masks")
    table = source / file
    convert("masks", source, tmp_path / "d", "--image-dir", "images", "--mask-dir", "m2", "--classes", table)
    expected = np.array(["background", "road", "crack"])[np.array(Image.open(source / "m2/x.png"))]
    np.testing.assert_array_equal(masks(tmp_path / "d")["x"], expected)


OWN = np.array(["background", "road", "crack"])


def own_labels(source: Path) -> dict[str, Any]:
    """The labels of Datumaro's Cityscapes by its label images."""
    return {
        path.as_posix().rpartition("gtFine/")[2].replace("_gtFine_labelIds.png", ""): OWN[np.array(Image.open(path))]
        for path in source.rglob("*labelIds.png")
    }


def test_own_labels_in_the_layout_of_cityscapes(tmp_path: Path) -> None:
    source = trial("dm/cityscapes_c")
    assert "label_colors.txt: names 3 labels of the set's own" in convert("auto", source, tmp_path / "d")
    found, expected = masks(tmp_path / "d"), own_labels(source)
    assert found.keys() == expected.keys()
    for id, mask in expected.items():
        np.testing.assert_array_equal(found[id], mask)


@pytest.mark.parametrize("labels", ["train", "id", "category"])
@pytest.mark.parametrize("without", ["label_colors.txt", "color.png"])
def test_own_labels_without_a_table_are_refused_and_the_way_out_runs(without: str, labels: str, tmp_path: Path) -> None:
    source = shutil.copytree(trial("dm/cityscapes_c"), tmp_path / "s")
    (source / "label_colors.txt").unlink()
    for path in source.rglob(f"*{without}"):
        path.unlink()
    told = convert("auto", source, tmp_path / "d", "--labels", labels, code=1)
    what = "(51, 221, 255)" if without == "label_colors.txt" else "no pixel of the 3 frames looked at has a class"
    assert what in told
    assert "--classes FILE (rows id,name;" in told
    (tmp_path / "own.csv").write_text("id,name\n0,background\n1,road\n2,crack\n")
    convert("cityscapes", source, tmp_path / "d", "--classes", tmp_path / "own.csv")
    for id, mask in own_labels(source).items():
        np.testing.assert_array_equal(masks(tmp_path / "d")[id], mask)


def test_a_table_in_another_order_than_the_label_ids_is_refused(tmp_path: Path) -> None:
    source = shutil.copytree(trial("dm/cityscapes_c"), tmp_path / "s")
    (source / "label_colors.txt").write_text("0 0 0 background\n250 50 83 crack\n51 221 255 road\n")
    told = convert("auto", source, tmp_path / "d", code=1)
    assert "label id 1, in the class file 'crack' of the colour (250, 50, 83), have (51, 221, 255)" in told


def test_level_ids_and_polygons_with_own_labels(tmp_path: Path) -> None:
    """As IDD has them."""
    source = shutil.copytree(trial("dm/cityscapes_c"), tmp_path / "s")
    expected = own_labels(source)
    for path in source.rglob("*_gtFine_*"):
        if path.name.endswith("labelIds.png"):
            path.rename(path.with_name(path.name.replace("labelIds", "labellevel3Ids")))
        else:
            path.unlink()
    (source / "label_colors.txt").rename(tmp_path / "own.txt")
    told = convert("auto", source, tmp_path / "d", code=1)
    assert "there is only labellevel3Ids.png: --label-kind labellevel3Ids and --classes FILE reads it" in told
    own = ("--label-kind", "labellevel3Ids", "--classes", tmp_path / "own.txt")
    convert("cityscapes", source, tmp_path / "d", *own)
    for id, mask in expected.items():
        np.testing.assert_array_equal(masks(tmp_path / "d")[id], mask)

    for path in source.rglob("*labellevel3Ids.png"):  # a coarse kind has classes of several labels of polygons
        finer = (
            '{"imgHeight": 8, "imgWidth": 10, "objects": [{"label": "fallback", "polygon": [[0, 0], [5, 0], [5, 8]]}]}'
        )
        path.with_name(path.name.replace("labellevel3Ids.png", "polygons.json")).write_text(finer)
    convert("cityscapes", source, tmp_path / "finer", *own)
    assert all((mask == expected[id]).all() for id, mask in masks(tmp_path / "finer").items())

    for path in source.rglob("*labellevel3Ids.png"):
        objects = '[{"label": "road", "polygon": [[0, 0], [5, 0], [5, 8], [0, 8]]}]'
        frame = f'{{"imgHeight": 8, "imgWidth": 10, "objects": {objects}}}'
        path.with_name(path.name.replace("labellevel3Ids.png", "polygons.json")).write_text(frame)
        path.unlink()
    convert("cityscapes", source, tmp_path / "p", "--classes", tmp_path / "own.txt")
    assert all(
        (mask[:, :4] == "road").all() and (mask[:, 6:] == "background").all() for mask in masks(tmp_path / "p").values()
    )


def test_archives_unpacked_side_by_side(samples: Path, tmp_path: Path) -> None:
    for name in ("gtFine", "leftImg8bit"):
        shutil.copytree(samples / "cityscapes" / name, tmp_path / f"s/{name}_trainvaltest/{name}")
    convert("auto", tmp_path / "s", tmp_path / "d")
    convert("auto", samples / "cityscapes", tmp_path / "e")
    files = sorted(path.relative_to(tmp_path / "e") for path in (tmp_path / "e/masks").rglob("*.png"))
    assert files
    assert all((tmp_path / "d" / path).read_bytes() == (tmp_path / "e" / path).read_bytes() for path in files)
    told = convert("cityscapes", tmp_path / "s/gtFine_trainvaltest", tmp_path / "f", code=1)
    assert "or give the folder that holds both gtFine/ and leftImg8bit/" in told
    told = convert("cityscapes", tmp_path / "s/leftImg8bit_trainvaltest/leftImg8bit", tmp_path / "f", code=1)
    assert "give the folder that holds gtFine/ and leftImg8bit/" in told


# Mask values and containers

TRUTH = np.zeros((96, 96), np.uint8)
TRUTH[10:40, 20:50], TRUTH[60:80, 30:90] = 1, 2
NAMES = ["bg", "cat", "dog"]


@pytest.mark.parametrize("name", ["m_tif_int64", "m_tif_float64", "m_npy"])
def test_numbers_of_other_types(name: str, tmp_path: Path) -> None:
    convert("masks", trial(name), tmp_path / "d", "--classes", "classes.txt")
    dataset = segdata.Dataset.open(tmp_path / "d")
    assert np.bincount(dataset.read_mask(dataset.samples[0]).ravel()).tolist() == [64, 12, 4]


def test_values_below_0(tmp_path: Path) -> None:
    source = trial("m_tif_neg")
    told = convert("masks", source, tmp_path / "d", "--classes", "classes.txt", code=1)
    assert "-1 (1 pixels), in 1 of 1 masks looked at: --values -1=ignore (or =NAME)" in told
    convert("masks", source, tmp_path / "d", "--classes", "classes.txt", "--values", "-1=ignore")
    dataset = segdata.Dataset.open(tmp_path / "d")
    assert np.bincount(dataset.read_mask(dataset.samples[0]).ravel())[[0, 1, 2, 255]].tolist() == [63, 12, 4, 1]


def test_a_mask_in_a_jpeg_within_a_tiff(tmp_path: Path) -> None:
    told = convert("masks", trial("lossy_bin"), tmp_path / "d", "--classes", "c.txt", code=1)
    assert "a.tif: a: was saved as JPEG in a TIFF, which changes the values" in told


def plant(folder: Path, name: str, content: Any, **options: Any) -> Path:
    """A set of one image, with a mask of this name: bytes, an array for `.npy`, or one that GDAL writes with these options."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(folder / "images/a.jpg")
    (folder / "c.txt").write_text("\n".join(NAMES))
    path = folder / "masks" / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif name.endswith(".npy"):
        np.save(path, content)
    else:
        rasterio = pytest.importorskip("rasterio")
        bands = np.atleast_3d(content).transpose(2, 0, 1)
        shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
        with rasterio.open(path, "w", **{"driver": "GTiff", **shape, **options}) as file:
            file.write(bands)
    return folder


def read_one(folder: Path, out: Path, *options: str) -> Any:
    """The mask of such a set."""
    convert("masks", folder, out, "--image-dir", "images", "--mask-dir", "masks", "--classes", "c.txt", *options)
    dataset = segdata.Dataset.open(out)
    return dataset.read_mask(dataset.samples[0])


TYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_of_number(dtype: str, suffix: str, tmp_path: Path) -> None:
    mask = TRUTH.astype(dtype)
    np.testing.assert_array_equal(read_one(plant(tmp_path / "s", f"a{suffix}", mask), tmp_path / "d"), TRUTH)
    if not dtype.startswith("u"):
        mask[0, 0] = -1
        found = read_one(plant(tmp_path / "n", f"a{suffix}", mask), tmp_path / "e", "--values", "-5..-1=ignore")
        assert found[0, 0] == 255
        np.testing.assert_array_equal(found[1:], TRUTH[1:])


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (TRUTH > 0, TRUTH > 0), (TRUTH.astype(">i4"), TRUTH), (np.asfortranarray(TRUTH.astype(np.int64)), TRUTH),
        (TRUTH[None].astype(np.float16), TRUTH), (TRUTH[..., None], TRUTH),
    ],
    ids=["bool", "big-endian", "column by column", "(1, H, W)", "(H, W, 1)"],
)  # fmt: skip
def test_numpy_files(mask: Any, expected: Any, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_one(plant(tmp_path / "s", "a.npy", mask), tmp_path / "d"), expected)


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "lerc"}, {"compress": "zstd"}, {"compress": "lzma"}, {"nbits": 2}, {"nbits": 4},
        {"photometric": "MINISWHITE"}, {"driver": "JP2OpenJPEG", "reversible": "YES", "quality": 100},
    ],
    ids=str,
)  # fmt: skip
def test_containers_that_keep_values(options: dict[str, Any], tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_one(plant(tmp_path / "s", "a.tif", TRUTH, **options), tmp_path / "d"), TRUTH)


def encoded(**options: Any) -> bytes:
    """The truth, with noise, as Pillow writes it."""
    noisy = np.where(np.random.default_rng(0).random(TRUTH.shape) < 0.1, 2, TRUTH).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(noisy).save(data, **options)
    return data.getvalue()


LOSSY: dict[str, tuple[Any, dict[str, Any], str]] = {
    "JPEG in a TIFF": (TRUTH, {"compress": "jpeg"}, "JPEG in a TIFF"),
    "YCbCr": (np.repeat(TRUTH[..., None], 3, 2), {"compress": "jpeg", "photometric": "YCBCR"}, "JPEG in a TIFF"),
    "LERC": (TRUTH, {"compress": "lerc", "max_z_error": 2}, "lossy LERC in a TIFF"),
    "JPEG": (encoded(format="JPEG"), {}, "JPEG"),
    "WebP": (encoded(format="WEBP"), {}, "lossy WebP"),
    "AVIF": (encoded(format="AVIF"), {}, "AVIF"),
    "JPEG 2000, irreversible": (encoded(format="JPEG2000", irreversible=True), {}, "lossy JPEG 2000"),
    "JPEG 2000, cut off": (
        encoded(format="JPEG2000", quality_mode="rates", quality_layers=[20]),
        {},
        "lossy JPEG 2000",
    ),
    "JPEG 2000 of GDAL": (TRUTH, {"driver": "JP2OpenJPEG"}, "lossy JPEG 2000"),
}


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("name", LOSSY)
def test_lossy_containers_are_refused_by_content(name: str, suffix: str, tmp_path: Path) -> None:
    content, options, lossy = LOSSY[name]
    source = plant(tmp_path / "s", f"a{suffix}", content, **options)
    told = convert("masks", source, tmp_path / "d", "--classes", "c.txt", code=1)
    assert f"was saved as {lossy}, which changes the values" in told


@pytest.mark.parametrize("kind", ["voc", "cityscapes", "pets"])
def test_lossy_containers_are_refused_by_every_reader(kind: str, samples: Path, tmp_path: Path) -> None:
    source = shutil.copytree(samples / kind, tmp_path / "s")
    pattern = {"voc": "SegmentationClass/*.png", "cityscapes": "*_labelIds.png", "pets": "trimaps/[!.]*.png"}[kind]
    for path in source.rglob(pattern):
        with Image.open(path) as image:
            grey = Image.new("L", image.size)
        grey.save(path, "WEBP")
    told = convert(kind, source, tmp_path / "d", code=1)
    assert "a mask saved as lossy WebP no longer holds its values: export it as PNG [mask.jpeg]" in told


def test_lossless_webp_and_jpeg_2000_are_read(tmp_path: Path) -> None:
    for name, data in {"w": encoded(format="WEBP", lossless=True), "j": encoded(format="JPEG2000")}.items():
        found = read_one(plant(tmp_path / name, "a.png", data), tmp_path / f"{name}d")
        np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(encoded(format="PNG")))))


NO_IMAGES = {
    "empty": (b"", "it is empty: it has no byte"),
    "html": (b"\n<!DOCTYPE html>\n<html><body>Not found</body></html>", "it is an HTML page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "it is a Git LFS pointer"),
    "annex": (b"/annex/objects/SHA256E-s1--x.png\n", "it is a git-annex pointer"),
    "xml": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "it is an XML text"),
    "json": (b'{"message": "Not Found"}', "it is a JSON text"),
    "text": (b"Not found\n", "it is text, which begins 'Not found'"),
    "zeros": (bytes(3000), "it holds zeros alone"),
    "zip": (b"PK\3\4" + bytes(60), "it is a ZIP archive"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\1" * 99, "it is a HEIC image"),
}


@pytest.mark.parametrize("name", NO_IMAGES)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_what_is_no_image_is_called_what_it_is(suffix: str, name: str, tmp_path: Path) -> None:
    data, what = NO_IMAGES[name]
    source = plant(tmp_path / "s", f"a{suffix}", data)
    assert what in convert("masks", source, tmp_path / "d", "--classes", "c.txt", code=1)
    if suffix == ".png":
        source = plant(tmp_path / "i", "a.png", encoded(format="PNG"))
        (source / "images/a.jpg").write_bytes(data)
        assert what in convert("masks", source, tmp_path / "d", "--classes", "c.txt", code=1)


def test_folders_and_links_under_the_name_of_a_mask(tmp_path: Path) -> None:
    source = plant(tmp_path / "s", "a.png", b"")
    path = source / "masks/a.png"
    path.unlink()
    path.mkdir()
    options = ("--image-dir", "images", "--mask-dir", "masks", "--classes", "c.txt")
    assert "(a.png is a folder and no file)" in convert("masks", source, tmp_path / "d", *options, code=1)
    path.rmdir()
    path.symlink_to("/nowhere/a.png")
    assert "is a link to /nowhere/a.png, which is not there" in convert(
        "masks", source, tmp_path / "d", *options, code=1
    )


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_numbers_that_are_not_whole_are_refused_by_value_and_place(value: float, tmp_path: Path) -> None:
    mask = TRUTH.astype(np.float64)
    mask[3, 4] = value
    for suffix in (".npy", ".tif"):
        source = plant(tmp_path / suffix, f"a{suffix}", mask)
        told = convert("masks", source, tmp_path / "d", "--classes", "c.txt", code=1)
        assert f"holds {value} at row 3, column 4" in told


# Advice


@pytest.mark.parametrize("base", [256, 1000])
def test_instance_ids(base: int, tmp_path: Path) -> None:
    codes = TRUTH.astype(np.int32) * base + np.arange(96) % 5 * (TRUTH > 0)
    source = plant(tmp_path / "s", "a.npy", codes)
    (source / "c.txt").write_text("bg\ntraffic light\ndog")
    told = convert("masks", source, tmp_path / "d", "--classes", "c.txt", code=1)
    way_out = f"--values '{base}..{2 * base - 1}=traffic light' --values {2 * base}..{3 * base - 1}=dog"
    assert f"holds instance ids, class * {base} + instance, in 1 of 1 masks looked at: {way_out} [" in told
    np.testing.assert_array_equal(read_one(source, tmp_path / "d", *shlex.split(way_out)), TRUTH)


def test_two_colours_of_one_class(tmp_path: Path) -> None:
    colors = np.array([(0, 0, 0), (1, 2, 3), (4, 5, 6)], np.uint8)[TRUTH]
    source = plant(tmp_path / "s", "a.tif", colors)
    (source / "c.txt").write_text("bg,0,0,0\nroad,1,2,3\nroad,4,5,6\n")
    told = convert("masks", source, tmp_path / "d", "--classes", "c.txt", "--colors", code=1)
    assert (
        "rename this one, such as 'road 2'; if they are one class, add --map 'road 2=road', which merges them" in told
    )
    (source / "c.txt").write_text("bg,0,0,0\nroad,1,2,3\nroad 2,4,5,6\n")
    found = read_one(source, tmp_path / "d", "--colors", "--map", "road 2=road")
    np.testing.assert_array_equal(found, TRUTH > 0)


def test_the_full_ade20k(tmp_path: Path) -> None:
    coded = np.array([(10, 20, 3), (20, 200, 9), (0, 44, 200), (20, 200, 77)], np.uint8)
    coded = coded[np.where(TRUTH == 2, 2 + np.arange(96) // 60, TRUTH)]
    told = convert("masks", plant(tmp_path / "s", "a.tif", coded), tmp_path / "d", "--classes", "c.txt", code=1)
    assert "write R // 10 * 256 + G as 16-bit PNGs" in told
