"""How often a file is opened: by Python (a path or a handle), by Pillow, and by GDAL. One image or mask, once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

from carry_files import make
from segdata.errors import DataError
from segdata.files.file import access_to, open_file
from segdata.files.images import read_image, read_mask, read_palette, read_stored

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

COUNT = """
import json, os, sys
from collections import Counter
import numpy, PIL.Image, rasterio.io
opened, real, gdal = Counter(), PIL.Image.open, rasterio.io.DatasetReader
watched = json.loads(sys.argv[2])
def audit(event, arguments):
    if event == "open" and str(arguments[0]) in watched:
        opened[str(arguments[0]), "python"] += 1
def of_pillow(file, *rest, **more):
    opened["any", "pillow"] += 1
    return real(file, *rest, **more)
def of_gdal(path, *rest, **more):
    opened[path.removeprefix("/vsisubfile/0,"), "gdal"] += 1
    return gdal(path, *rest, **more)
sys.addaudithook(audit)
PIL.Image.open, rasterio.io.DatasetReader = of_pillow, of_gdal
for name, code in json.loads(sys.argv[1]).items():
    opened.clear()
    exec(code)
    print(json.dumps([name, [[*key, n] for key, n in opened.items()]]))
"""
"""Prints how often each of the files in the second argument is opened by each code in the first one, and by whom."""


def opens(codes: dict[str, str], *files: Path) -> dict[str, dict[tuple[str, str], int]]:
    """(file, by whom) -> times that a new Python opens it as it runs a code, for each code."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, json.dumps(codes), json.dumps([str(file) for file in files])],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = dict(map(json.loads, done.stdout.splitlines()))
    return {code: {(name, by): n for name, by, n in found} for code, found in told.items()}


def gdal_image(path: Path, values: NDArray[Any], driver: str = "GTiff", **profile: Any) -> None:
    height, width, bands = values.shape
    shape = {"height": height, "width": width, "count": bands, "dtype": values.dtype}
    with rasterio.open(path, "w", driver=driver, **shape, **profile) as file:
        file.write(values.transpose(2, 0, 1))


WHOLE = ("a.jpg", "a.png", "a.gif", "a.bmp", "a.webp", "turned.jpg", "palette.png", "deep.png")
BY_WINDOWS = ("strips.tif", "tiles.tif", "six.tif", "a.jp2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images and masks of all kinds, 64 x 48."""
    root = tmp_path_factory.mktemp("door")
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 6)).astype(np.uint8)
    photo = Image.fromarray(noise[:, :, :3])
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "a.png", "a.gif", "a.bmp", "a.webp"):
        photo.save(root / name)
    photo.save(root / "turned.jpg", exif=exif)
    photo.quantize(50).save(root / "palette.png")
    Image.fromarray(noise[:, :, 0].astype(np.uint16) * 200).save(root / "deep.png")
    gdal_image(root / "strips.tif", noise[:, :, :3])
    gdal_image(root / "tiles.tif", noise[:, :, :3], tiled=True, blockxsize=16, blockysize=16)
    gdal_image(root / "six.tif", noise.astype(np.uint16))
    gdal_image(root / "a.jp2", noise[:, :, :3], "JP2OpenJPEG")
    Image.fromarray(noise[:, :, 0] % 3).save(root / "mask.png")
    gdal_image(root / "mask.tif", noise[:, :, :1] % 3)
    Image.fromarray(noise[:, :, 0] % 3).save(root / "mask.bmp")
    return root


ASKED = {
    "read_facts": "from segdata.files.opening import read_facts; read_facts({path!r})",
    "open_image": "from segdata.files.opening import open_image\nwith open_image({path!r}) as image: image.read()",
    "upright": "from segdata.files.opening import open_image\nwith open_image({path!r}, exif='upright') as i: i.read()",
    "read_looks": "from types import SimpleNamespace as S; from segdata.dataset.duplicates import read_looks\n"
    "read_looks({path!r}, [S(id='a', size=(48, 64), exif=None, crop=None)])",
}


def test_an_image_is_opened_once_whatever_is_asked(folder: Path) -> None:
    files = [folder / name for name in (*WHOLE, *BY_WINDOWS)]
    codes = {asked: "\n".join(code.format(path=str(file)) for file in files) for asked, code in ASKED.items()}
    expected = {(str(file), "python"): 1 for file in files}
    expected |= {(str(folder / name), "gdal"): 1 for name in BY_WINDOWS}
    for asked, found in opens(codes, *files).items():
        assert found == {**expected, ("any", "pillow"): len(files)}, asked


def test_public_readers_open_a_file_once(folder: Path) -> None:
    images = [folder / name for name in (*WHOLE, "strips.tif")]
    masks = [folder / name for name in ("mask.png", "mask.tif", "mask.bmp", "palette.png")]
    code = "import segdata\n" + "\n".join(
        [f"segdata.read_image({str(path)!r})" for path in images[:6] + images[7:]]
        + [f"segdata.read_mask({str(path)!r})" for path in masks]
    )
    found = opens({"read": code}, *images, *masks)["read"]
    assert found.pop(("any", "pillow")) == len(images) - 1 + 2 + 1  # no PNG mask, a TIFF twice
    assert set(found.values()) == {1}
    assert {by for _, by in found} == {"python"}


def test_a_file_that_is_open_answers_everything(folder: Path) -> None:
    """From one handle, in any order, as often as it is asked."""
    for name in (*WHOLE, "strips.tif"):
        with open_file(folder / name) as file:
            first = read_image(file)
            assert file.sha256 == hashlib.sha256((folder / name).read_bytes()).hexdigest()
            np.testing.assert_array_equal(read_image(file), first)
            assert file.access == access_to(file) == ("whole" if name in WHOLE else "windows")
    with open_file(folder / "palette.png", "mask") as file:
        palette, ids = read_palette(file), read_mask(file)
        assert palette is not None
        np.testing.assert_array_equal(palette[ids], read_stored(file, expand=True)[0][:, :, :3])


def test_gdal_is_loaded_only_for_what_it_reads(folder: Path) -> None:
    code = (
        "import sys\nfrom segdata.files.opening import open_image, open_mask\n"
        f"for name in {WHOLE!r}:\n    with open_image({str(folder)!r} + '/' + name) as image: image.read()\n"
        f"with open_mask({str(folder / 'mask.png')!r}) as mask: mask.read()\n"
        "print('rasterio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n", done.stderr


def test_the_size_of_a_jpeg_is_in_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It decides whether rows are read, behind EXIF data and others of any length; damaged files are read whole, and told."""
    monkeypatch.setattr("segdata.files.file.WHOLE", 100)
    for progressive in (False, True):
        Image.new("RGB", (20, 30)).save(tmp_path / "x.jpg", progressive=progressive, icc_profile=bytes(70_000))
        assert access_to(tmp_path / "x.jpg") == "rows"
        Image.new("L", (10, 10)).save(tmp_path / "y.jpg", progressive=progressive, comment=b"\xff\xc0" * 9)
        assert access_to(tmp_path / "y.jpg") == "whole"
    data = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "filled.jpg").write_bytes(data[:2] + b"\xff\xff\xff" + data[2:])
    assert access_to(tmp_path / "filled.jpg") == "rows"
    for end in (3, 5, 100):
        (tmp_path / "cut.jpg").write_bytes(data[:end])
        assert access_to(tmp_path / "cut.jpg") == "whole"


def test_a_path_that_cannot_be_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"null byte.*image.missing"):
        read_image("a\0b.png")


CONVERT = """
from segdata.ops.convert.operation import convert
convert("masks", {root!r}, {out!r}, classes=["a", "b", "c"], mask_dir="masks", image_dir="images", images={images!r})
"""
CHECK = "from segdata.ops.check.operation import check; check({root!r})"
TRAIN = """
import segdata
from segdata.nn.data import Key, Training
from segdata.recipes.recipe import Recipe
dataset = segdata.Dataset.open({root!r})
samples = Training(dataset, Recipe.read("none"), 0)
for i in range(len(dataset)): samples[Key(0, i, 0)]
"""


@pytest.fixture
def source(folder: Path, tmp_path: Path) -> Path:
    """Images of several formats, and masks of them."""
    for name in ("a.jpg", "a.png", "a.bmp", "strips.tif"):
        stem = name.replace(".", "_")
        (tmp_path / "s/images").mkdir(parents=True, exist_ok=True)
        (tmp_path / "s/masks").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"s/images/{stem}{Path(name).suffix}").write_bytes((folder / name).read_bytes())
        (tmp_path / f"s/masks/{stem}.png").write_bytes((folder / "mask.png").read_bytes())
    return tmp_path / "s"


def test_convert_opens_an_image_once_or_not_at_all_but_for_the_header_of_a_tiff(source: Path, tmp_path: Path) -> None:
    files = sorted((source / "images").iterdir())
    codes = {
        images: CONVERT.format(root=str(source), out=str(tmp_path / images), images=images)
        for images in ("reference", "none")
    }
    found = opens(codes, *files)
    expected = {(str(file), "python"): 1 for file in files}
    tiff = str(source / "images/strips_tif.tif")
    assert found["reference"] == {**expected, (tiff, "python"): 2, (tiff, "gdal"): 1, ("any", "pillow"): 4}
    assert found["none"] == {}


def test_check_and_training_open_images_and_masks_once(tmp_path: Path) -> None:
    mask = np.arange(48 * 64).reshape(48, 64) % 3
    dataset = make(tmp_path / "d", {f"x{i}": mask for i in range(3)}, images="copy")
    files = [path for name in ("images", "masks") for path in (dataset.root / name).iterdir()]
    commands = {"check": CHECK, **({} if find_spec("torch") is None else {"train": TRAIN})}
    found = opens({name: code.format(root=str(dataset.root)) for name, code in commands.items()}, *files)
    for counts in found.values():
        assert counts == {**{(str(file), "python"): 1 for file in files}, ("any", "pillow"): 3}  # masks: the codec


def test_a_box_of_no_length_in_a_jpeg_2000_image_is_not_gone_through_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.jp2"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path, irreversible=False)
    data = path.read_bytes()
    box = data.index(b"colr")
    path.write_bytes(data[: box - 4] + bytes(4) + data[box:])
    code = f"""
from segdata.files.opening import open_image
with open_image({str(path)!r}) as image:
    print(image.height, image.width, int(image.read().sum()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.stdout.split() == ["40", "50", str(int(pixels.sum()))]
