"""Images and masks on disk, against arrays that are known and numpy's own turning."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from PIL import Image

from segdata.errors import DataError
from segdata.files import images
from segdata.files.colors import DARK, IGNORED, LIGHT, colorize, overlay, to_grey
from segdata.files.file import open_file
from segdata.files.images import (
    ImageFacts,
    inspect_image,
    read_image,
    read_mask,
    read_opaque,
    read_palette,
    read_reduced,
    read_stored,
    turn,
    write_image,
    write_mask,
)
from segdata.files.pillow import header_orientation
from segdata.labels import Labels

ORIENTATION = 0x0112
TURNED: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {  # EXIF 2.32, table 6: where row 0 and column 0 are
    1: lambda a: a,
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.swapaxes(0, 1),  # left, top
    6: lambda a: np.rot90(a, -1),  # right, top
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda a: np.rot90(a, 1),  # left, bottom
}


def rgb(height: int = 6, width: int = 9, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def save(path: Path, photo: Image.Image | NDArray[Any], orientation: Any = None, **options: Any) -> Path:
    image = photo if isinstance(photo, Image.Image) else Image.fromarray(photo)
    if orientation is not None:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        options["exif"] = exif
    image.save(path, **options)
    return path


def refused(read: Callable[..., object], path: Path, **options: Any) -> str:
    """The code of the refusal, which names the file once and by the path given."""
    with pytest.raises(DataError) as caught:
        read(path, **options)
    problem = caught.value.problem
    assert problem.file == str(path)
    assert str(path) not in problem.message
    assert " at 0x" not in problem.message
    return problem.code


# --- read_image


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tif", "x.webp", "x.ppm"])
def test_colours_are_rgb_in_order(tmp_path: Path, name: str) -> None:
    array = rgb()
    image = read_image(save(tmp_path / name, array, **({"lossless": True} if name.endswith("webp") else {})))
    assert image.dtype == np.uint8
    assert np.array_equal(image, array)
    assert image.flags.writeable


def test_grey_is_repeated(tmp_path: Path) -> None:
    grey = rgb()[:, :, 0]
    assert np.array_equal(read_image(save(tmp_path / "x.png", grey)), np.dstack([grey] * 3))
    grey_alpha = np.dstack([grey, 255 - grey])
    assert np.array_equal(read_image(save(tmp_path / "y.png", grey_alpha)), np.dstack([grey] * 3))
    bits = grey > 100
    assert np.array_equal(read_image(save(tmp_path / "z.png", bits)), np.dstack([bits] * 3) * np.uint8(255))


def test_alpha_is_dropped_not_blended(tmp_path: Path) -> None:
    array = np.dstack([rgb(), rgb(seed=1)[:, :, 0]])
    assert np.array_equal(read_image(save(tmp_path / "x.png", array)), array[:, :, :3])


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 77, 255])])
def test_a_palette_gives_its_colours(tmp_path: Path, transparency: int | bytes | None) -> None:
    colors = rgb(16, 1).reshape(16, 3)
    indices = (np.arange(48, dtype=np.uint8) % 16).reshape(6, 8)
    image = Image.fromarray(indices)
    image.putpalette(colors.tobytes())
    options = {} if transparency is None else {"transparency": transparency}
    assert np.array_equal(read_image(save(tmp_path / "x.png", image, **options)), colors[indices])


@pytest.mark.parametrize("transparency", [None, (1, 2, 3)])
def test_a_transparent_colour_is_a_colour(tmp_path: Path, transparency: Any) -> None:
    array = rgb()
    array[0, 0] = (1, 2, 3)
    options = {} if transparency is None else {"transparency": transparency}
    assert np.array_equal(read_image(save(tmp_path / "x.png", array, **options)), array)


def test_cmyk(tmp_path: Path) -> None:
    """Without black the complement; full black is black."""
    ink = np.dstack([rgb(), np.zeros((6, 9), np.uint8)])
    ink[0, :, 3] = 255
    expected = 255 - ink[:, :, :3]
    expected[0] = 0
    assert np.array_equal(
        read_image(save(tmp_path / "x.tif", Image.frombytes("CMYK", (9, 6), ink.tobytes()))), expected
    )


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_sixteen_bits_are_cut_to_the_upper_eight(tmp_path: Path, name: str) -> None:
    """Pillow itself clips: all above 255 would be white."""
    sixteen = np.array([[0, 255, 256, 511], [4660, 32768, 65280, 65535]], np.uint16)
    expected = np.dstack([[[0, 0, 1, 1], [18, 128, 255, 255]]] * 3)
    path = save(tmp_path / name, sixteen)
    assert read_image(path).tolist() == expected.tolist()
    assert np.array_equal(read_image(path, exif="upright"), expected)


def test_the_first_frame_is_the_image(tmp_path: Path) -> None:
    frames = [Image.fromarray(rgb(seed=s)) for s in (1, 2)]
    frames[0].save(tmp_path / "x.tif", save_all=True, append_images=frames[1:])
    assert np.array_equal(read_image(tmp_path / "x.tif"), np.array(frames[0]))
    smooth = [Image.new("RGB", (16, 16), c) for c in ((200, 10, 10), (10, 10, 200))]
    smooth[0].save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=smooth[1:])
    with Image.open(tmp_path / "x.jpg") as image:
        assert image.format == "MPO"
    assert read_image(tmp_path / "x.jpg")[:, :, 0].min() > 150
    assert inspect_image(tmp_path / "x.jpg") == ImageFacts(16, 16, 1)


@pytest.mark.data
def test_a_real_mpo(shared_data: Path) -> None:
    (path,) = sorted((shared_data / "hires" / "drone").glob("*.[jJ]*"))[:1]
    assert (inspect_image(path).height, inspect_image(path).width) == (2250, 4000)
    assert read_image(path).shape == (2250, 4000, 3)


def test_the_file_decides_not_its_name(tmp_path: Path) -> None:
    """Pets has a GIF and an RGBA PNG under .jpg names."""
    array = rgb()
    save(tmp_path / "x.png", array)
    (tmp_path / "x.png").rename(tmp_path / "x.jpg")
    assert np.array_equal(read_image(tmp_path / "x.jpg"), array)


# --- EXIF orientation


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("name", ["x.png", "x.webp", "x.tif"])
def test_orientation(tmp_path: Path, name: str, orientation: int) -> None:
    array = rgb()
    path = save(tmp_path / name, array, orientation, **({"lossless": True} if name.endswith("webp") else {}))
    upright = TURNED[orientation](array)
    assert np.array_equal(read_image(path), array)
    assert np.array_equal(read_image(path, exif="raw"), array)
    assert np.array_equal(read_image(path, exif="upright"), upright)
    assert inspect_image(path) == ImageFacts(6, 9, orientation)
    assert inspect_image(path).upright == upright.shape[:2]
    with open_file(path) as file:
        assert header_orientation(file) == orientation
    assert np.array_equal(turn(array, orientation), upright)
    for exif, expected in (("raw", array), ("upright", upright)):
        facts, bands, grey = read_reduced(path, exif=exif)
        assert (facts, bands, grey.shape) == (ImageFacts(6, 9, orientation), 3, expected.shape[:2])
        assert np.array_equal(grey, np.asarray(Image.fromarray(expected).convert("L")))


@pytest.mark.parametrize("orientation", TURNED)
def test_orientation_of_a_jpeg(tmp_path: Path, orientation: int) -> None:
    """Its pixels are not those that were saved: turned they must be the same as raw."""
    array = rgb(40, 24)
    plain = read_image(save(tmp_path / "plain.jpg", array))
    path = save(tmp_path / "x.jpg", array, orientation)
    assert np.array_equal(read_image(path), plain)
    assert np.array_equal(read_image(path, exif="upright"), TURNED[orientation](plain))
    assert inspect_image(path) == ImageFacts(40, 24, orientation)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16"])
def test_orientation_of_any_tiff(tmp_path: Path, mode: str, orientation: int) -> None:
    """Pillow turns TIFFs as they load: here they are raw unless they are asked for upright."""
    image = Image.fromarray(rgb()).convert("L").convert("I").convert("I;16") if mode == "I;16" else None
    image = image or Image.fromarray(rgb()).convert(mode)
    raw = read_image(save(tmp_path / "plain.tif", image))
    path = save(tmp_path / "x.tif", image, orientation)
    assert np.array_equal(read_image(path), raw)
    assert np.array_equal(read_image(path, exif="upright"), TURNED[orientation](raw))
    pixels, opaque = read_opaque(path, exif="upright")
    assert np.array_equal(pixels, TURNED[orientation](raw))
    assert (opaque is None) == (mode != "RGBA")


@pytest.mark.parametrize("orientation", [0, 9, 42, 65535])
@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_a_nonsense_orientation_is_none(tmp_path: Path, name: str, orientation: int) -> None:
    path = save(tmp_path / name, rgb(), orientation)
    assert inspect_image(path) == ImageFacts(6, 9, 1)
    assert np.array_equal(read_image(path, exif="upright"), read_image(path, exif="raw"))


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.gif", "x.bmp", "x.tif"])
@pytest.mark.parametrize("size", [(1, 1), (1, 70), (70, 1), (33, 65)])
def test_inspect_reports_height_and_width(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    facts = inspect_image(save(tmp_path / name, rgb(*size)))
    assert (facts.height, facts.width) == size
    assert read_image(tmp_path / name).shape == (*size, 3)


# --- images that cannot be read

READS = [inspect_image, read_image]


@pytest.mark.parametrize("read", READS)
def test_a_missing_image(tmp_path: Path, read: Callable[..., object]) -> None:
    assert refused(read, tmp_path / "no.jpg") == "image.missing"
    assert refused(read, tmp_path / "no" / "no.jpg") == "image.missing"


@pytest.mark.parametrize("read", READS)
def test_a_folder_is_no_image(tmp_path: Path, read: Callable[..., object]) -> None:
    assert refused(read, tmp_path) == "image.missing"


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"<html>not found</html>", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"]
)
def test_garbage(tmp_path: Path, read: Callable[..., object], content: bytes) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    assert refused(read, path) == "image.unreadable"


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif", "x.webp", "x.bmp", "x.gif"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_images(tmp_path: Path, read: Callable[..., object], name: str, share: float) -> None:
    path = save(tmp_path / name, rgb(64, 64))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert refused(read, path) == "image.unreadable"


def encoded(format: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb(24, 24)).save(out, format)
    return out.getvalue()


DAMAGED = {name: encoded(name) for name in ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP")}


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(sorted(DAMAGED)), st.data())
def test_damaged_images_are_pixels_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    """Pillow's decoders raise many things, and warn."""
    content = bytearray(DAMAGED[name])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, min(len(content), 400) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    for read in (inspect_image, read_image, read_mask):
        with suppress(DataError):
            read(path, max_pixels=2**20)


def test_a_image_over_the_limit_is_not_decoded(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", rgb(30, 40))
    for read in READS:
        read(path, max_pixels=1200)
        for limit in (1199, 100):
            with pytest.raises(
                DataError, match=rf"1200 pixels\) is more than the limit of {limit} \(SEGDATA_MAX_PIXELS"
            ):
                read(path, max_pixels=limit)
            assert refused(read, path, max_pixels=limit) == "image.too_large"
    chunk = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    head = b"IHDR" + chunk
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    idat = b"IDAT" + zlib.compress(bytes(100))
    bomb += struct.pack(">I", len(idat) - 4) + idat + struct.pack(">I", zlib.crc32(idat))
    (tmp_path / "bomb.png").write_bytes(bomb)
    for read in READS:
        assert refused(read, tmp_path / "bomb.png") == "image.too_large"


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.tif", "x.gif", "x.bmp", "x.webp"])
def test_our_limit_holds_and_pillows_is_left_alone(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow warns above its own limit and raises above twice of it; that limit is another program's business."""
    path = save(tmp_path / name, rgb(30, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for read in READS:
        read(path)
        assert refused(read, path, max_pixels=1199) == "image.too_large"
        assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("read", [*READS, read_mask])
@pytest.mark.parametrize("limit", [4199, 100])
def test_an_icon_with_a_bomb_inside(tmp_path: Path, read: Callable[..., object], limit: int) -> None:
    """It says 16 x 16; the PNG in it says 70 x 60, and Pillow decodes that as it opens the icon."""
    inner = save(tmp_path / "inner.png", rgb(60, 70)).read_bytes()
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22)
    (tmp_path / "x.ico").write_bytes(struct.pack("<HHH", 0, 1, 1) + entry + inner)
    assert refused(read, tmp_path / "x.ico", max_pixels=limit).endswith(".too_large")


# --- masks


def test_masks_are_written_into_folders_as_needed(tmp_path: Path) -> None:
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = tmp_path / "a" / "b" / "x.png"
    data = write_mask(path, mask)
    assert path.read_bytes() == data
    assert np.array_equal(read_mask(path), mask)
    write_mask(str(path), mask + 1)
    assert np.array_equal(read_mask(str(path)), mask + 1)


def test_a_mask_beside_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_mask("x.png", np.ones((2, 2), np.uint16))
    assert read_mask("x.png").tolist() == [[1, 1], [1, 1]]


def palette(mask: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(mask)
    image.putpalette(rgb(256, 1, seed=4).tobytes())
    return image


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.bmp", "x.gif"])
def test_palette_masks_of_any_format_give_indices(tmp_path: Path, name: str) -> None:
    mask = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    mask[:16, :16] = np.arange(256).reshape(16, 16)  # all of them, so that no writer leaves colours out
    assert np.array_equal(read_mask(save(tmp_path / name, palette(mask), optimize=False)), mask)


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.bmp", "x.pgm", "x.gif"])
def test_grey_masks_of_any_format(tmp_path: Path, name: str) -> None:
    mask = np.arange(256, dtype=np.uint8).reshape(8, 32)
    found = read_mask(save(tmp_path / name, mask))
    assert found.dtype == np.uint8
    assert np.array_equal(found, mask)


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
@pytest.mark.parametrize("sign", ["<u2", ">u2"])
def test_sixteen_bit_masks(tmp_path: Path, name: str, sign: str) -> None:
    mask = np.array([[0, 255, 256], [300, 4660, 65535]], np.uint16)
    mode = "I;16B" if sign == ">u2" and name == "x.tif" else "I;16"
    image = Image.frombytes(mode, (3, 2), mask.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    found = read_mask(save(tmp_path / name, image))
    assert found.dtype == np.uint16
    assert np.array_equal(found, mask)


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.bmp"])
def test_one_bit_masks_are_zero_and_one(tmp_path: Path, name: str) -> None:
    bits = rgb()[:, :, 0] > 100
    assert np.array_equal(read_mask(save(tmp_path / name, bits)), bits.astype(np.uint8))


def test_masks_that_hold_no_ids(tmp_path: Path) -> None:
    grey = rgb()[:, :, 0]
    assert refused(read_mask, save(tmp_path / "x.jpg", grey)) == "mask.jpeg"
    (tmp_path / "x.jpg").rename(tmp_path / "y.png")
    assert refused(read_mask, tmp_path / "y.png") == "mask.jpeg"
    for name in ("x.png", "x.bmp", "x.tif"):
        assert refused(read_mask, save(tmp_path / name, rgb())) == "mask.colours"
    assert refused(read_mask, save(tmp_path / "x.webp", rgb())) == "mask.jpeg"
    assert refused(read_mask, save(tmp_path / "f.tif", grey.astype(np.float32))) == "mask.numbers"


def test_masks_of_several_images(tmp_path: Path) -> None:
    """Smaller copies and transparency in a TIFF are no further masks."""
    mask = np.arange(48, dtype=np.uint8).reshape(6, 8)
    frames = [Image.fromarray(mask), Image.fromarray(mask + 1)]
    for name in ("x.tif", "x.gif", "x.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.raises(DataError, match="holds 2 images") as caught:
            read_mask(tmp_path / name)
        assert caught.value.problem.code == "mask.frames"
        with pytest.raises(DataError, match="holds 2 images"):
            read_stored(tmp_path / name)
    for kind in (1, 4, 5):
        frames[1].encoderinfo = {"tiffinfo": {0x00FE: kind}}
        frames[0].save(tmp_path / "x.tif", save_all=True, append_images=frames[1:])
        with Image.open(tmp_path / "x.tif") as image:
            assert image.n_frames == 2
            image.seek(1)
            if image.tag_v2.get(0x00FE) != kind:
                pytest.skip("this Pillow writes no tags of further images")
        assert np.array_equal(read_mask(tmp_path / "x.tif"), mask)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("name", ["x.png", "x.gif", "x.bmp", "x.tif"])
def test_palettes(tmp_path: Path, name: str, depth: int) -> None:
    colors = np.random.default_rng(depth).integers(0, 256, (2**depth, 3)).astype(np.uint8)
    image = Image.fromarray((np.arange(48) % 2**depth).astype(np.uint8).reshape(6, 8))
    image.putpalette(colors.ravel().tolist())
    image.save(tmp_path / name, **({"bits": depth, "icc_profile": b"0" * 9000} if name == "x.png" else {}))
    palette = read_palette(tmp_path / name)
    assert palette is not None
    used = np.unique(read_mask(tmp_path / name))
    assert np.array_equal(palette[read_mask(tmp_path / name)], np.asarray(image.convert("RGB")))
    assert len(used) == min(48, 2**depth)
    if name != "x.gif":
        Image.new("L", (4, 4)).save(tmp_path / name)
        assert read_palette(tmp_path / name) is None


def test_masks_that_cannot_be_read(tmp_path: Path) -> None:
    assert refused(read_mask, tmp_path / "no.png") == "mask.missing"
    assert refused(read_mask, tmp_path) == "mask.missing"
    (tmp_path / "empty.png").write_bytes(b"")
    assert refused(read_mask, tmp_path / "empty.png") == "mask.unreadable"
    path = tmp_path / "x.png"
    data = write_mask(path, rgb(30, 40)[:, :, 0])
    assert refused(read_mask, path, max_pixels=1199) == "mask.too_large"
    path.write_bytes(data[:-20])
    assert refused(read_mask, path) == "mask.damaged"
    assert refused(read_mask, save(tmp_path / "x.tif", rgb(30, 40)[:, :, 0]), max_pixels=1199) == "mask.too_large"


@pytest.mark.parametrize(
    ("mode", "end"), [("L", "tif"), ("P", "tif"), ("1", "tif"), ("I;16", "tif"), ("P", "bmp"), ("1", "bmp")]
)
def test_masks_are_taken_from_pillow_in_strips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, end: str
) -> None:
    values = np.random.default_rng(0).integers(0, {"1": 2, "I;16": 60_000}.get(mode, 200), (23, 11))
    if mode == "1":
        image = Image.fromarray((255 * values).astype(np.uint8)).convert("1")
    else:
        image = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.uint8))
        if mode == "P":
            image.putpalette(np.random.default_rng(1).integers(0, 255, 768).tolist())
    path = save(tmp_path / f"x.{end}", image)
    for strip in (1, 50, 2**22):
        monkeypatch.setattr(images, "STRIP", strip)
        np.testing.assert_array_equal(read_mask(path), values)


@pytest.mark.parametrize("end", ["png", "tif", "bmp", "gif"])
@pytest.mark.parametrize("colours", [3, 256])
def test_a_palette_is_read_without_pixels(tmp_path: Path, end: str, colours: int) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, colours, (23, 11)).astype(np.uint8))
    image.putpalette(rng.integers(0, 255, 3 * colours).tolist())
    path = save(tmp_path / f"x.{end}", image)
    with Image.open(path) as again:
        indices, rgb = np.unique(np.asarray(again)), np.asarray(again.convert("RGB"))
        first = [rgb[np.asarray(again) == index][0] for index in indices]
    palette = read_palette(path)
    assert palette is not None
    np.testing.assert_array_equal(palette[indices], first)


# --- colours for people

LABELS = Labels.of(["background", "cat", "dog"], [None, (10, 20, 30), (200, 100, 0)])


def test_colorize() -> None:
    """Each class in its colour; the stripes of what is ignored are light, dark, and grey between."""
    void = [[LIGHT] * 3, [LIGHT] * 3, [DARK] * 3, [DARK] * 3, *[[IGNORED] * 3] * 6]
    mask = np.array([[0, 1], [2, 255]], np.uint8)
    assert colorize(mask, LABELS).tolist() == [[[0, 0, 0], [10, 20, 30]], [[200, 100, 0], void[2]]]
    assert colorize(np.full((1, 20), 255, np.uint8), LABELS)[0].tolist() == 2 * void


def test_colorize_16_bits() -> None:
    labels = Labels.of([f"class {i}" for i in range(300)])
    image = colorize(np.array([[65535, 299, 0]], np.uint16), labels)
    assert image.dtype == np.uint8
    assert image[0].tolist() == [[LIGHT] * 3, list(labels.classes[299].color), list(labels.classes[0].color)]


@given(
    npst.arrays(np.uint8, (13, 17), elements=st.sampled_from([0, 1, 2, 255])), st.sampled_from([0.0, 0.25, 0.5, 1.0])
)
def test_overlay(mask: NDArray[np.uint8], opacity: float) -> None:
    """Grey where it is clear, between its grey and its colour inside a region, and its colour beside other regions."""
    image = rgb(13, 17)
    before = image.copy()
    out = overlay(image, mask, LABELS, opacity=opacity)
    assert out.dtype == np.uint8
    assert np.array_equal(image, before)
    grey = to_grey(image).astype(float)
    for y, x in np.ndindex(mask.shape):
        around = mask[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        base, value, found = grey[y, x], mask[y, x], out[y, x].astype(float)
        if value == 255:
            between = np.floor(base / 2) + IGNORED / 2
            expected = (LIGHT, LIGHT, DARK, DARK, *[between] * 6)[(y + x) % 10]
            assert (found == expected).all()
        elif value == 0:
            assert (found == base).all(), "black stays clear"
        else:
            color = np.array(LABELS.classes[value].color, float)
            if (around != value).any():
                assert (found == color).all(), "an outline"
                continue
            least = base + opacity * (color - base)
            assert (np.minimum(least, color) - 1 < found).all()
            assert (found < np.maximum(least, color) + 1).all(), "the tint, or more of it"


@pytest.mark.slow
@pytest.mark.parametrize("size", [(40, 60), (900, 300), (2000, 3000)])
@pytest.mark.parametrize("level", [0, 110, 128, 255])
def test_void_is_seen_on_anything(size: tuple[int, int], level: int) -> None:
    """Also once the image is as small as on a sheet: no piece of it looks like what is around it."""
    mask = np.zeros(size, np.uint8)
    mask[:, size[1] // 2 :] = 255
    labels = Labels.of(["paper"], [(level, level, level)])
    for image in (colorize(mask, labels), overlay(np.full((*size, 3), level, np.uint8), mask, labels)):
        small = np.asarray(Image.fromarray(image).reduce(max(1, size[1] // 240))).astype(int)[:, :, 0]
        void = small[:, small.shape[1] // 2 + 1 :]
        assert void.max() - void.min() > 60
        assert (np.abs(void - level) > 30).mean() > 0.3
        assert (small[:, : small.shape[1] // 2 - 1] == level).all()


def test_images_are_written_as_they_are(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    write_image(tmp_path / "a" / "b.png", image)
    assert np.array_equal(read_image(tmp_path / "a" / "b.png"), image)
    for other in (image[:, :, :1], image.astype(np.uint16), image[:, :, 0]):
        with pytest.raises(DataError, match=r"cannot be written as a PNG.*\[image\.bands\]"):
            write_image(tmp_path / "c.png", other)
