"""The VOC reader: palette, grey and colour masks mean the same, lists and class files are believed, or refused in one line."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import segdata
import segdata.readers
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.files.voc_colors import VOC_VOID as VOID
from segdata.files.voc_colors import voc_color
from segdata.readers.classes.entries import Entry
from segdata.readers.source import Source
from segdata.readers.voc import CLASSES, class_table, read

NAME = "2012_000018"
LIST = "ImageSets/Segmentation/{}.txt"


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(segdata.readers.READERS, "voc", "segdata.readers.voc")


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    """The program that made the samples: it knows the true classes, and has a palette of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "tools"))
        import make_samples

        yield make_samples
    for name in ("make_samples", "sample_canvas", "sample_cityscapes", "sample_pets", "sample_scenes"):
        sys.modules.pop(name, None)


@pytest.fixture
def year(samples: Path, tmp_path: Path) -> Path:
    """A copy of the sample's year to break: 12 images in train, 4 in val."""
    return shutil.copytree(samples / "voc/VOCdevkit/VOC2012", tmp_path / "VOC2012")


def drawn(source: Source) -> dict[str, NDArray[Any]]:
    """The mask of every item."""
    remap = source.labels.table({**{i: i for i in range(len(source.labels.classes))}, source.labels.ignore: None})
    return {item.id: item.annotation.draw(remap).mask for item in source.items}


def indices(path: Path) -> NDArray[Any]:
    """The indices or values of a mask, read by Pillow."""
    return np.array(Image.open(path))


def one_mask(root: Path, pixels: NDArray[Any]) -> Path:
    """A year's folder with one mask, a.png, and no list."""
    (root / "SegmentationClass").mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(root / "SegmentationClass/a.png")
    return root


def digests(dataset: segdata.Dataset) -> dict[str, str]:
    return {sample.id: sample.sha256 for sample in dataset}


# Pixels


@pytest.mark.slow
@pytest.mark.skipif(
    cv2.__version__ < "5", reason="the samples were drawn with OpenCV 5, whose outlines differ in some pixels"
)
def test_the_samples_are_what_was_painted(samples: Path, generator: ModuleType, tmp_path: Path) -> None:
    dataset = segdata.convert("voc", samples / "voc/VOCdevkit", tmp_path / "d")
    assert dataset.labels.names == CLASSES
    assert dataset.splits == ("train", "val")
    names = [f"2012_{17 * i + 1:06d}" for i in range(16)]
    assert [s.id for s in dataset] == [f"train/{n}" for n in names[:12]] + [f"val/{n}" for n in names[12:]]
    for index, sample in enumerate(dataset):
        painted, _, _ = generator.voc_masks(generator.voc_image(index))
        np.testing.assert_array_equal(dataset.read_mask(sample), painted)
        assert sample.image is not None
        assert Path(sample.image).name == f"{names[index]}.jpg"


def test_the_colours_are_those_of_the_development_kit(generator: ModuleType) -> None:
    assert [voc_color(i) for i in range(256)] == [tuple(row) for row in generator.voc_palette().tolist()]
    assert voc_color(255) == VOID
    table = class_table([Entry.of(value, name) for value, name in enumerate(CLASSES)])
    assert [c.color for c in table.labels.classes] == [voc_color(i) for i in range(21)]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_grey_and_colour_masks_give_the_bytes_of_palette_masks(year: Path, tmp_path: Path, mode: str) -> None:
    """Grey as in SegmentationClassAug; colours as CVAT and Datumaro write them."""
    (year / "SegmentationClassAug").mkdir()
    for path in (year / "SegmentationClass").iterdir():
        palette = Image.open(path)
        other = Image.fromarray(np.array(palette)) if mode == "L" else palette.convert(mode)
        assert other.mode == mode
        other.save(year / "SegmentationClassAug" / path.name)
    one = segdata.convert("voc", year, tmp_path / "one")
    two = segdata.convert("voc", year, tmp_path / "two", mask_dir="SegmentationClassAug")
    assert digests(one) == digests(two)
    assert one.made_by["options"]["mask_dir"] == "SegmentationClass"
    assert two.made_by["options"]["mask_dir"] == "SegmentationClassAug"


@pytest.mark.data
def test_the_genuine_mask_keeps_its_indices(shared_data: Path, tmp_path: Path) -> None:
    dataset = segdata.convert("voc", shared_data / "voc/genuine", tmp_path / "d")
    (sample,) = dataset
    assert (sample.id, sample.split) == ("2007_000063", None)
    truth = indices(shared_data / "voc/genuine/SegmentationClass/2007_000063.png")
    np.testing.assert_array_equal(dataset.read_mask(sample), truth)
    assert sorted(sample.counts) == [0, 9, 12, 255]  # background, chair, dog, void: as its XML says
    assert dataset.read_receipt()["classes"][9]["class"] == "chair"


@pytest.mark.data
@pytest.mark.parametrize("given", ["class_names.txt", "labels.txt"])
def test_labelme_masks_equal_their_arrays(shared_data: Path, tmp_path: Path, given: str) -> None:
    """-1 in the arrays is 255; labels.txt begins with `__ignore__`, class_names.txt does not."""
    root = shared_data / "voc/labelme/data_dataset_voc"
    options = {} if given == "class_names.txt" else {"classes": root.parent / given}
    dataset = segdata.convert("voc", root, tmp_path / "d", **options)
    assert [s.id for s in dataset] == ["2011_000003", "2011_000006", "2011_000025"]
    names = (root / "class_names.txt").read_text().split("\n")
    assert dataset.labels.names == ("background", *names[1:])
    for sample in dataset:
        truth = np.load(root / f"SegmentationClassNpy/{sample.id}.npy")
        np.testing.assert_array_equal(dataset.read_mask(sample), np.where(truth == -1, 255, truth))
    assert dataset.made_by["options"]["classes"] == given
    assert dataset.made_by["inputs"] == [
        {
            "name": given,
            "sha256": hashlib.sha256((root.parent / given if options else root / given).read_bytes()).hexdigest(),
        }
    ]


@given(st.lists(st.lists(st.sampled_from([*range(21), 255]), min_size=5, max_size=5), min_size=1, max_size=6))
def test_any_colour_mask_is_its_indices(tmp_path: Path, rows: list[list[int]]) -> None:
    truth = np.array(rows, np.uint8)
    palette = np.array([voc_color(i) for i in range(256)], np.uint8)
    (mask,) = drawn(read(one_mask(tmp_path, palette[truth]), images=False)).values()
    np.testing.assert_array_equal(mask, truth)


@pytest.mark.parametrize("color", [(1, 0, 0), (255, 255, 255), (224, 224, 193), (0, 0, 1)])
def test_an_unknown_colour_is_named_with_its_place(tmp_path: Path, color: tuple[int, int, int]) -> None:
    pixels = np.zeros((7, 9, 3), np.uint8)
    pixels[4, 5] = pixels[6, 8] = color
    with pytest.raises(DataError, match="row 4, column 5 is no class's") as caught:
        drawn(read(one_mask(tmp_path, pixels), images=False))
    assert str(color) in str(caught.value)
    assert "labelmap.txt" in str(caught.value)
    assert caught.value.problem.code == "mask.values"


def test_a_transparent_pixel_has_no_class(tmp_path: Path) -> None:
    pixels = np.zeros((3, 4, 4), np.uint8)
    pixels[:, :, 3] = 255
    pixels[1, 2, 3] = 254
    with pytest.raises(DataError, match="row 1, column 2 is transparent"):
        drawn(read(one_mask(tmp_path, pixels), images=False))


def test_classes_are_chosen_in_colour_masks_too(tmp_path: Path) -> None:
    pixels = np.array([[voc_color(0), voc_color(15), voc_color(12), VOID]], np.uint8)
    root = one_mask(tmp_path / "src", pixels)
    options: dict[str, Any] = {
        "images": "none",
        "map": {"person": "human"},
        "only": ["human"],
        "unlisted": "background",
    }
    dataset = segdata.convert("voc", root, tmp_path / "d", **options)
    assert dataset.labels.names == ("background", "human")
    assert dataset.read_mask(dataset.samples[0]).tolist() == [[0, 1, 0, 255]]


# Class files


LABELMAP = """# label:color_rgb:parts:actions
background:0,128,0::
road: 10 , 20,30:left,right:
ignored:224,224,192::

car:0,0,0:wheel,door:driving
"""


def test_a_labelmap_decides_colours_and_indices(tmp_path: Path) -> None:
    """Indices count its lines, Datumaro's `ignored` among them, which is void."""
    codes = np.array([[0, 1, 2, 3, 255]], np.uint8)
    for number, name in enumerate(("grey", "colour")):
        root = tmp_path / name
        colors = np.array([(0, 128, 0), (10, 20, 30), VOID, (0, 0, 0), VOID], np.uint8)
        one_mask(root, colors[None] if number else codes)
        (root / "labelmap.txt").write_text(LABELMAP)
        (root / "labels.txt").write_text("not\nread\n")
        source = read(root, images=False)
        assert [(c.name, c.color) for c in source.labels.classes] == [
            ("background", (0, 128, 0)), ("road", (10, 20, 30)), ("car", (0, 0, 0)),
        ]  # fmt: skip
        (mask,) = drawn(source).values()
        assert mask.tolist() == [[0, 1, 255, 2, 255]]
        assert [(c.source_id, c.name, c.class_id) for c in source.classes] == [
            (0, "background", 0), (1, "road", 1), (2, "ignored", None), (3, "car", 2), (255, "unlabelled", None),
        ]  # fmt: skip
        assert source.receipt.notes == ["labelmap.txt: names 3 classes"]
        assert [given.name for given in source.inputs] == ["labelmap.txt"]


def test_a_labelmap_may_lie_elsewhere(tmp_path: Path) -> None:
    root = one_mask(tmp_path / "src", np.array([[1, 0]], np.uint8))
    (tmp_path / "map.txt").write_text("a:1,2,3::\nb:::\n")
    assert read(root, images=False, classes=tmp_path / "map.txt").labels.names == ("a", "b")


def test_more_than_255_classes_keep_255(tmp_path: Path) -> None:
    """With 300 names the value 255 is a class, in colours and in 16-bit masks; void is 65535."""
    (tmp_path / "class_names.txt").write_text("\n".join(f"c{i}" for i in range(300)))
    truth = np.array([[0, 255, 256, 299, 65535]], np.uint16)
    source = read(one_mask(tmp_path, truth), images=False)
    assert len(source.classes) == 300
    (mask,) = drawn(source).values()
    assert (mask.dtype, mask.tolist()) == (np.uint16, truth.tolist())
    one_mask(tmp_path, np.array([[voc_color(int(i)) for i in (0, 255, 256, 299)]], np.uint8))
    (mask,) = drawn(read(tmp_path, images=False)).values()
    assert mask.tolist() == [[0, 255, 256, 299]]


@given(st.binary(max_size=40))
@example(b"\xff\xfe")
@example(b"a\rb\n.\n..\n/\n")
@example(b"a\na")
@example(b"\xef\xbb\xbfa \r\n\0")
def test_any_bytes_are_a_list_or_one_clear_error(tmp_path: Path, data: bytes) -> None:
    root = one_mask(tmp_path, np.zeros((2, 3), np.uint8))
    path = root / LIST.format("train")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    source = error = None
    try:
        source = read(root, images=False, report=Report("skip"))
    except SegdataError as caught:
        error = caught
    if source is None:
        assert "train.txt" in str(error)
    else:
        lines = [line.strip() for line in re.split("\r\n|\r|\n", data.decode("utf-8-sig"))]
        listed = {line for line in lines if line and not line.startswith("#")}
        assert len(source.items) + len(source.receipt.skipped_images) == len(listed)
        assert {item.id for item in source.items} == ({"train/a"} if lines.count("a") == 1 else set())


# Folders, lists and splits


def test_a_year_is_found_from_every_level(year: Path) -> None:
    devkit = year.parent / "devkit/VOCdevkit"
    devkit.mkdir(parents=True)
    shutil.copytree(year, devkit / "VOC2012")
    sources = [read(root) for root in (year, devkit, devkit.parent)]
    assert {tuple(item.id for item in source.items) for source in sources} == {tuple(i.id for i in sources[0].items)}


def test_several_years_are_refused_and_named(year: Path) -> None:
    shutil.copytree(year, year.with_name("VOC2007"))
    with pytest.raises(OptionError, match="holds VOC2007, VOC2012: give the folder of one year"):
        read(year.parent)


def test_train_and_val_win_over_trainval(year: Path) -> None:
    names = (year / LIST.format("trainval")).read_text().split()
    (year / LIST.format("train")).write_text(f"# comment\n\ufeff{names[0]}\n\n".replace("\ufeff", ""))
    (year / LIST.format("val")).write_bytes(f"{names[1]}\r\n".encode())
    source = read(year)
    splits = {item.id: item.split for item in source.items}
    assert len(splits) == 16
    assert splits[f"train/{names[0]}"] == "train"
    assert splits[f"val/{names[1]}"] == "val"
    assert all(splits[f"trainval/{name}"] == "trainval" for name in names[2:])
    assert [given.name for given in source.inputs] == ["train.txt", "val.txt", "trainval.txt"]


def test_a_split_is_a_list(year: Path) -> None:
    (year / LIST.format("mine")).write_text(f"{NAME}\n")
    assert [item.id for item in read(year, split="mine").items] == [f"mine/{NAME}"]
    assert [given.name for given in read(year, split="mine").inputs] == ["mine.txt"]
    assert len(read(year, split="trainval").items) == 16
    assert any("mine.txt" in note and "--split" in note for note in read(year).receipt.notes)
    with pytest.raises(OptionError, match=r"no split 'trian'.*did you mean train"):
        read(year, split="trian")


def test_lists_of_other_names_are_all_read_where_there_is_none_of_voc(year: Path) -> None:
    names = (year / LIST.format("trainval")).read_text().split()
    shutil.rmtree(year / "ImageSets")
    (year / LIST).parent.mkdir(parents=True)
    for name, part in (("Train", names[:3]), ("default", names[3:])):
        (year / LIST.format(name)).write_text("\n".join(part))
    assert [item.split for item in read(year).items] == ["Train"] * 3 + ["default"] * 13


def test_test_without_masks_is_left_out_with_a_line(year: Path) -> None:
    (year / LIST.format("test")).write_text("2008_000006\n2008_000011\n")
    source = read(year)
    assert len(source.items) == 16
    assert source.receipt.notes == ["test.txt: left out, as none of its 2 images has a mask"]
    with pytest.raises(DataError, match=r"there is no SegmentationClass/2008_000006\.png"):
        read(year, split="test")
    with open(year / LIST.format("test"), "a") as file:  # of which one has a mask
        file.write("2012_000999\n")
    shutil.copy(year / f"SegmentationClass/{NAME}.png", year / "SegmentationClass/2012_000999.png")
    with pytest.raises(DataError, match=r"there is no SegmentationClass/2008_000006\.png"):
        read(year)


def test_masks_that_no_list_names_are_told_of(year: Path) -> None:
    shutil.copy(year / f"SegmentationClass/{NAME}.png", year / "SegmentationClass/2012_000999.png")
    source = read(year)
    assert len(source.items) == 16
    assert source.receipt.notes == ["SegmentationClass: 1 masks are left out, as no list that was read names them"]


def test_without_lists_every_mask_is_a_sample_with_no_split(year: Path) -> None:
    shutil.rmtree(year / "ImageSets")
    masks = year / "SegmentationClass"
    (masks / "sub").mkdir()
    (masks / ".thumbs").mkdir()
    shutil.copy(masks / f"{NAME}.png", masks / "sub/b.v1.png")
    for junk in ("._a.png", ".thumbs/a.png", "Thumbs.db"):
        (masks / junk).write_bytes(b"junk")
    items = read(year, images=False).items
    assert len(items) == 17
    assert {item.split for item in items} == {None}
    assert "sub/b.v1" in {item.id for item in items}
    with pytest.raises(OptionError, match="there is no list: leave --split out"):
        read(year, split="train")


def test_names_may_lead_into_folders_and_hold_dots_and_spaces(year: Path) -> None:
    for name in ("sub/a.b", "my dog"):
        for folder, extension in (("SegmentationClass", "png"), ("JPEGImages", "jpg")):
            (year / folder / "sub").mkdir(exist_ok=True)
            shutil.copy(year / f"{folder}/{NAME}.{extension}", year / f"{folder}/{name}.{extension}")
    (year / LIST.format("mine")).write_text("sub/a.b\nmy dog\n")
    assert [item.id for item in read(year, split="mine").items] == ["mine/my dog", "mine/sub/a.b"]


@pytest.mark.parametrize("extension", [".png", ".jpeg", ".JPG"])
def test_images_may_have_another_extension(year: Path, tmp_path: Path, extension: str) -> None:
    source = year / f"JPEGImages/{NAME}.jpg"
    Image.open(source).save(year / f"JPEGImages/{NAME}{extension}")
    source.unlink()
    dataset = segdata.convert("voc", year, tmp_path / "d", images="copy")
    assert dataset.sample(f"train/{NAME}").image == f"images/train/{NAME}{extension}"


def test_masks_need_no_images(year: Path, tmp_path: Path) -> None:
    shutil.rmtree(year / "JPEGImages")
    assert len(segdata.convert("voc", year, tmp_path / "d", images="none")) == 16
    with pytest.raises(DataError, match=r"holds no JPEGImages/.*--images none"):
        read(year)


# Bad input: one message with file, sample and the way out; skip leaves that image out, and the sums close


def append(year: Path, split: str, text: str) -> None:
    with open(year / LIST.format(split), "a") as file:
        file.write(text)


def crop(path: Path) -> None:
    image = Image.open(path)
    image.crop((0, 0, image.width - 1, image.height)).save(path)


def undeclared(path: Path) -> None:
    values = np.array(Image.open(path))
    values[3, 4] = 77
    Image.fromarray(values).save(path)


MASK, IMAGE = f"SegmentationClass/{NAME}.png", f"JPEGImages/{NAME}.jpg"
BAD: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "no mask": (lambda y: (y / MASK).unlink(), "voc.mask", "train.txt", "there is no .*000018.png: put it there, or take"),
    "no image": (lambda y: (y / IMAGE).unlink(), "image.missing", "train.txt", "000018.jpg .*--images none"),
    "broken image": (lambda y: (y / IMAGE).write_bytes(b"GIF89a"), "image.unreadable", IMAGE, "cannot be decoded"),
    "broken mask": (lambda y: (y / MASK).write_bytes((y / MASK).read_bytes()[:99]), "mask.damaged", MASK, "cut off"),
    "not a mask": (lambda y: (y / MASK).write_bytes(b"hello"), "mask.unreadable", MASK, "cannot be decoded"),
    "jpeg mask": (lambda y: shutil.copy(y / IMAGE, y / MASK), "mask.jpeg", MASK, "export it as PNG"),
    "another size": (lambda y: crop(y / MASK), "image.size", IMAGE, "another copy"),
    "undeclared": (lambda y: undeclared(y / MASK), "mask.values", MASK, "declared for: 77: name all classes"),
    "two lists": (lambda y: append(y, "val", f"{NAME}\n"), "voc.twice", "train.txt", "2 times, in train.txt, val.txt"),
    "twice": (lambda y: append(y, "train", f"{NAME}\n"), "voc.twice", "train.txt", "named 2 times, in train.txt"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_message(year: Path, tmp_path: Path, case: str) -> None:
    spoil, code, file, message = BAD[case]
    spoil(year)
    with pytest.raises(DataError, match=message) as caught:
        segdata.convert("voc", year, tmp_path / "d")
    problem = caught.value.problem
    assert (problem.code, problem.sample) == (code, f"train/{NAME}")
    assert (problem.file or "").endswith(file)
    assert not (tmp_path / "d").exists()
    run = segdata.Run(report=Report("skip"))
    dataset = segdata.convert("voc", year, tmp_path / "d", run=run)
    assert [p.sample for p in run.report.problems] == [f"train/{NAME}"]
    assert len(dataset) == 15
    receipt = dataset.read_receipt()
    assert receipt["images"] == {"in": 16, "converted": 15, "skipped": 1}
    assert receipt["annotations"]["in"] == 15 + receipt["annotations"]["skipped"]


@pytest.mark.parametrize(
    "line",
    ["../JPEGImages/x", "/etc/x", "/JPEGImages/x.jpg ../SegmentationClass/x.png", "/../x.jpg /SegmentationClass/x.png"],
)
def test_no_way_out_of_the_mask_folder(year: Path, line: str) -> None:
    append(year, "val", f"{line}\n")
    with pytest.raises(DataError, match="not a path under the image folder") as caught:
        read(year)
    assert (caught.value.problem.file, caught.value.problem.sample) == ("val.txt", None)
    source = read(year, report=Report("skip"))
    assert len(source.items) == 16
    assert line in str(source.receipt.skipped_images[0])


def test_a_list_may_name_images_with_their_masks(year: Path, tmp_path: Path) -> None:
    """As the lists of SegmentationClassAug do: each line names its files from the year's folder."""
    plain = drawn(read(year, split="val"))
    names = (year / LIST.format("val")).read_text().split()
    (year / "SegmentationClass").rename(year / "SegmentationClassAug")
    (year / "SegmentationClass").mkdir()
    for form in (
        "/JPEGImages/{0}.jpg /SegmentationClassAug/{0}.png",
        "JPEGImages/{0}.jpg\tSegmentationClassAug/{0}.png",
    ):
        (year / LIST.format("val")).write_text("\n".join(form.format(name) for name in names) + "\n")
        source = read(year, split="val")
        assert [item.image for item in source.items] == [str(year / f"JPEGImages/{name}.jpg") for name in sorted(names)]
        found = drawn(source)
        assert found.keys() == plain.keys()
        for id, mask in plain.items():
            np.testing.assert_array_equal(found[id], mask)
    dataset = segdata.convert("voc", year, tmp_path / "d", split="val")
    assert [sample.id for sample in dataset] == [f"val/{name}" for name in sorted(names)]
    append(year, "val", "/JPEGImages/x.jpg /SegmentationClassAug/x.png\n")
    with pytest.raises(DataError, match=r"val/x: there is no SegmentationClassAug/x\.png"):
        read(year, split="val")


@pytest.mark.parametrize("text", ["", "\n# nothing\n"])
def test_an_empty_list_is_refused(year: Path, text: str) -> None:
    (year / LIST.format("val")).write_text(text)
    with pytest.raises(DataError, match=r"val.txt: names no image"):
        read(year)


def test_a_list_that_is_not_text_is_refused(year: Path) -> None:
    (year / LIST.format("val")).write_bytes(b"\xff\xfeabc")
    with pytest.raises(DataError, match=r"val.txt: cannot be read: it is not text in UTF-8"):
        read(year)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mask_dir": "SegmentationObject"}, OptionError, "number objects"),
        ({"mask_dir": "SegmentationClassAug"}, DataError, "--mask-dir may be SegmentationClass"),
        ({"mask_dir": "JPEGImages", "images": False, "split": "train"}, DataError, "there is no JPEGImages/"),
        ({"classes": "/no/such/names.txt"}, DataError, "names.txt: cannot be read"),
    ],
)
def test_bad_options_are_told(year: Path, options: dict[str, Any], error: type[SegdataError], message: str) -> None:
    with pytest.raises(error, match=message):
        read(year, **options)


def test_a_folder_without_masks_is_refused(year: Path) -> None:
    shutil.rmtree(year / "ImageSets")
    with pytest.raises(DataError, match="holds no mask"):
        read(year, mask_dir="Annotations", images=False)


@given(
    st.dictionaries(st.sampled_from(["train", "val", "trainval", "test", "x"]), st.sets(st.integers(0, 5), min_size=1))
)
def test_every_listed_image_is_in_one_split_or_left_out(tmp_path: Path, lists: dict[str, set[int]]) -> None:
    """Against the rule said in sets: a name counts in each list, but not in trainval where train or val has it."""
    shutil.rmtree(tmp_path / "y", ignore_errors=True)
    root = one_mask(tmp_path / "y", np.zeros((2, 2), np.uint8))
    (root / LIST).parent.mkdir(parents=True)
    for i in range(6):
        shutil.copy(root / "SegmentationClass/a.png", root / f"SegmentationClass/{i}.png")
    for name, members in lists.items():
        (root / LIST.format(name)).write_text("".join(f"{i}\n" for i in members))
    chosen = {n: m for n, m in lists.items() if n != "x"} or lists
    if {"train", "val"} & chosen.keys() and "trainval" in chosen:
        chosen["trainval"] = chosen["trainval"] - chosen.get("train", set()) - chosen.get("val", set())
    times = {i: sum(i in members for members in chosen.values()) for i in range(6)}
    expected = {f"{name}/{i}" for name, members in chosen.items() for i in members if times[i] == 1}
    source = read(root, images=False, report=Report("skip"))
    if chosen:
        assert {item.id for item in source.items} == expected
        assert source.receipt.images == len(source.receipt.skipped_images) == sum(n > 1 for n in times.values())
    else:
        assert len(source.items) == 7


def test_a_named_split_reads_its_list_alone(year: Path) -> None:
    (year / LIST.format("val")).write_bytes(b"\xff")  # which is no text
    assert len(read(year, split="train").items) == 12


def test_what_supervisely_calls_voc_is_refused_with_the_way_out(samples: Path, tmp_path: Path) -> None:
    """Its SDK (6.74) writes `a_class.png` in random colours an object, rounded to a palette, and a `colors.txt`."""
    shutil.copytree(samples / "voc/VOCdevkit/VOC2012", tmp_path / "VOC")
    for path in (tmp_path / "VOC/SegmentationClass").glob("*.png"):
        path.rename(path.with_name(f"{path.stem}_class.png"))
    (tmp_path / "VOC/colors.txt").write_text("neutral 224 224 192\ncar 240 124 164\n")
    with pytest.raises(DataError, match=r"_class\.png: is of Supervisely's VOC form.*which convert supervisely reads"):
        read(tmp_path)
