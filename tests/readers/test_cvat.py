"""The CVAT reader: CVAT's own pixels and order, subsets, frames of videos, and one clear message for what is wrong."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

import segdata
from segdata.cli import main
from segdata.errors import DataError, OptionError, Report
from segdata.readers.cvat import files as cvat_files
from segdata.readers.cvat.reader import read
from segdata.readers.source import Drawn, Source
from trial_files import trial

HERE = Path(__file__).resolve().parent
LABELS = ("road", "car", "sky")


def xml(*inner: str, meta: str = "", labels: Sequence[str] = LABELS, kind: str = "task") -> str:
    """A CVAT XML."""
    listed = "".join(f"<label><name>{name}</name><color>#0000ff</color></label>" for name in labels)
    head = f"<meta><{kind}><id>1</id>{meta}<labels>{listed}</labels></{kind}></meta>"
    return f"<?xml version='1.0' encoding='utf-8'?>\n<annotations>\n<version>1.1</version>{head}{''.join(inner)}</annotations>\n"


def image(*shapes: str, name: str = "a.png", size: tuple[int, int] = (16, 20), more: str = "") -> str:
    """An `image` of (height, width)."""
    return f'<image id="0" name="{name}" width="{size[1]}" height="{size[0]}" {more}>{"".join(shapes)}</image>\n'


def shape(kind: str = "box", label: str = "car", place: str = 'xtl="2" ytl="2" xbr="9" ybr="9"', more: str = "") -> str:
    return f'<{kind} label="{label}" source="manual" occluded="0" {place} {more}></{kind}>\n'


def track(*shapes: str, label: str = "car", id: int = 0, more: str = "") -> str:
    return f'<track id="{id}" label="{label}" source="manual" {more}>{"".join(shapes)}</track>\n'


def tracked(frame: int, outside: int = 0, place: str = 'xtl="2" ytl="2" xbr="9" ybr="9"', kind: str = "box") -> str:
    return f'<{kind} frame="{frame}" keyframe="1" outside="{outside}" occluded="0" {place} z_order="0"></{kind}>'


VIDEO = (
    "<size>4</size><mode>interpolation</mode><start_frame>0</start_frame><stop_frame>3</stop_frame><frame_filter></frame_filter>"
    "<original_size><width>20</width><height>16</height></original_size>"
)


def save(path: Path, size: tuple[int, int] = (16, 20)) -> None:
    """A grey image of (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (size[1], size[0])).save(path)


def write(root: Path, text: str, name: str = "annotations.xml") -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return root


def drawn(source: Source) -> dict[str, Drawn]:
    """What each item becomes."""
    remap = source.labels.table({**{i: i for i in range(len(source.labels.classes))}, source.labels.ignore: None})
    return {item.id: item.annotation.draw(remap) for item in source.items}


def masks(source: Source) -> dict[str, NDArray[Any]]:
    return {id: one.mask for id, one in drawn(source).items()}


def one_mask(root: Path, *shapes: str, **options: Any) -> NDArray[Any]:
    """The mask of one image of 16 x 20 with these shapes."""
    (mask,) = masks(read(write(root, xml(image(*shapes))), images=False, **options)).values()
    return mask


# Pixels and order


@pytest.mark.parametrize("kind", ["images", "video"])
def test_the_masks_are_those_that_cvat_makes(kind: str) -> None:
    folder = HERE / "golden/cvat" / kind
    source = read(folder, images=False)
    names = (folder / "classes.txt").read_text(encoding="utf-8").split("\n")[:-1]
    found = masks(source)
    assert len(found) == len(list(folder.glob("*.png")))
    ids = np.array([source.labels.names.index(name) for name in names])
    for id, mask in found.items():
        np.testing.assert_array_equal(mask, ids[np.array(Image.open(folder / f"{id}.png"))], id)


def raster(points: Sequence[tuple[float, float]], height: int = 16, width: int = 20) -> NDArray[Any]:
    flat = [number for point in points for number in point]
    return np.asarray(coco_mask.decode(coco_mask.frPyObjects([flat], height, width))[..., 0] > 0)


coordinates = st.one_of(st.integers(-8, 28).map(float), st.floats(-8, 28).map(lambda x: round(x, 1)), st.floats(-8, 28))


@given(points=st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8))
def test_a_polygon_is_rasterised_as_pycocotools_does_once_rounded(
    points: list[tuple[float, float]], tmp_path: Path
) -> None:
    text = ";".join(f"{x!r},{y!r}" for x, y in points)
    mask = one_mask(tmp_path, shape("polygon", place=f'points="{text}"'))
    rounded = [(float(np.around(x, 2)), float(np.around(y, 2))) for x, y in points]
    np.testing.assert_array_equal(mask == 2, raster(rounded))


@given(x=coordinates, y=coordinates, rx=st.floats(0, 12), ry=st.floats(0, 12), angle=st.floats(0, 360))
def test_an_ellipse_is_drawn_as_opencv_does(
    x: float, y: float, rx: float, ry: float, angle: float, tmp_path: Path
) -> None:
    numbers = [round(one, 2) for one in (x, y, rx, ry, angle)]
    place = 'cx="{:.2f}" cy="{:.2f}" rx="{:.2f}" ry="{:.2f}" rotation="{:.2f}"'.format(*numbers)
    x, y, rx, ry, angle = numbers
    right, top = float(f"{x + rx:.2f}"), float(f"{y - ry:.2f}")
    bitmap = np.zeros((16, 20), np.uint8)
    cv2.ellipse(bitmap, (round(x), round(y)), (round(right - x), round(y - top)), angle, 0, 360, 255, thickness=-1)
    np.testing.assert_array_equal(one_mask(tmp_path, shape("ellipse", place=place)) == 2, bitmap > 0)


@given(bits=st.lists(st.booleans(), min_size=12, max_size=12), left=st.integers(-3, 19), top=st.integers(-2, 15))
def test_the_run_lengths_of_a_mask_go_along_its_rows(bits: list[bool], left: int, top: int, tmp_path: Path) -> None:
    part, counts = np.array(bits).reshape(3, 4), [0]
    for before, bit in zip([False, *bits], bits, strict=False):
        if bit != before:
            counts.append(0)
        counts[-1] += 1
    place = f'rle="{", ".join(map(str, counts))}" left="{left}" top="{top}" width="4" height="3"'
    whole = np.zeros((30, 30), bool)
    whole[top + 5 : top + 8, left + 5 : left + 9] = part
    mask = one_mask(tmp_path, shape("mask", place=place))
    np.testing.assert_array_equal(mask == 2, whole[5:21, 5:25])


def test_a_turned_box_is_a_polygon_and_lies_over_the_others(tmp_path: Path) -> None:
    turned = shape("box", "car", 'xtl="4" ytl="4" xbr="12" ybr="8" rotation="90.00"')
    mask = one_mask(tmp_path, turned, shape("box", "sky", 'xtl="0" ytl="0" xbr="20" ybr="16"'))
    np.testing.assert_array_equal(mask == 2, raster([(10, 2), (10, 10), (6, 10), (6, 2)]))
    assert (mask[mask != 2] == 3).all()


A, B, C = (f'xtl="{x}" ytl="2" xbr="{x + 8}" ybr="10"' for x in (0, 4, 8))


def test_z_order_comes_before_the_order_of_the_file(tmp_path: Path) -> None:
    shapes = [shape(label="road", place=A, more='z_order="1"'), shape(label="car", place=B, more='z_order="0"'),
              shape(label="sky", place=C, more='z_order="-1"')]  # fmt: skip
    assert one_mask(tmp_path, *shapes)[5].tolist() == [1] * 8 + [2] * 4 + [3] * 4 + [0] * 4
    assert one_mask(tmp_path, *shapes, overlap="last")[5].tolist() == [1] * 4 + [2] * 4 + [3] * 8 + [0] * 4
    assert one_mask(tmp_path, *shapes, overlap="first")[5].tolist() == [1] * 8 + [2] * 4 + [3] * 4 + [0] * 4
    assert one_mask(tmp_path, *shapes, overlap="ignore")[5].tolist() == [1] * 4 + [255] * 8 + [3] * 4 + [0] * 4
    assert one_mask(tmp_path, *shapes[:2], background="ignore")[5].tolist() == [0] * 8 + [1] * 4 + [255] * 8


def test_a_group_is_one_object_of_its_largest_shape_and_that_is_told(tmp_path: Path) -> None:
    shapes = [
        shape(label="road", place='xtl="0" ytl="0" xbr="10" ybr="16"', more='group_id="3" z_order="1"'),
        shape(label="car", place='xtl="8" ytl="0" xbr="12" ybr="16"', more='group_id="3" z_order="5"'),
        shape(label="sky", place='xtl="0" ytl="0" xbr="20" ybr="16"', more='z_order="2"'),
    ]
    source = read(write(tmp_path, xml(image(*shapes))), images=False)
    ((id, one),) = drawn(source).items()
    assert (one.mask == 3).all()
    assert [(line.code, line.annotation) for line in one.receipt.repaired] == [("cvat.group", 1)]
    assert "--groups keep" in source.receipt.warnings[0]
    assert id == "a"
    kept = read(tmp_path, images=False, groups="keep")
    assert masks(kept)["a"][5].tolist() == [3] * 8 + [2] * 4 + [3] * 8
    assert not kept.receipt.warnings


# What is left out


UNDRAWN = {
    "polyline": 'points="1,1;9,9;9,1"',
    "points": 'points="1,1;9,9"',
    "cuboid": 'xtl1="1" ytl1="1" xbr2="9" ybr2="9"',
    "skeleton": "",
    "brush": "",
}


def test_what_has_no_pixels_is_counted_by_its_kind(tmp_path: Path) -> None:
    shapes = [shape(kind, place=place) for kind, place in UNDRAWN.items()]
    shapes[3] = '<skeleton label="car"><points label="1" points="1,1"></points></skeleton>'
    shapes += [
        shape(more='outside="1"'), shape(label=""), shape("polygon", place='points="1,1;5,5"'), shape(),
        shape(place='xtl="30" ytl="2" xbr="39" ybr="9"'), shape(place='xtl="3e6" ytl="2" xbr="4e6" ybr="9"'),
        shape(place='xtl="-1e308" ytl="2" xbr="1e308" ybr="9"'), shape("ellipse", place='cx="2e9" cy="1" rx="1e5" ry="1"'),
        '<tag label="car" source="manual"></tag>',
    ]  # fmt: skip
    (one,) = drawn(read(write(tmp_path, xml(image(*shapes))), images=False)).values()
    assert [line.code for line in one.receipt.skipped] == [
        "cvat.polyline", "cvat.points", "cvat.cuboid", "cvat.skeleton", "cvat.unknown", "cvat.outside", "cvat.no_label",
        "cvat.tag", "polygon.degenerate", "polygon.far", "polygon.far", "polygon.far", "polygon.empty",
    ]  # fmt: skip
    assert [line.annotation for line in one.receipt.skipped] == [0, 1, 2, 3, 4, 5, 6, 13, 7, 10, 11, 12, 9]
    assert (one.receipt.annotations, one.receipt.painted) == (14, 1)
    assert [line.annotation for line in one.receipt.clipped] == [9]


# Labels


def test_classes_are_the_labels_in_their_order(tmp_path: Path) -> None:
    source = read(write(tmp_path, xml(image(shape()))), images=False)
    assert source.labels.names == ("background", *LABELS)
    assert source.labels.classes[1].color == (0, 0, 255)
    source = read(write(tmp_path, xml(image(shape()), labels=("sky", "background", "car"))), images=False)
    assert source.labels.names == ("background", "sky", "car")
    bare = f"<annotations>{image(shape(label='b'), shape(label='a'))}</annotations>"
    assert read(write(tmp_path, bare), images=False).labels.names == ("background", "a", "b")
    source = read(tmp_path, images=False, classes=["b", "x", "a"])
    assert source.labels.names == ("background", "b", "x", "a")
    assert sorted(np.unique(masks(source)["a"])) == [0, 3]


@pytest.mark.parametrize("kind", ["task", "project", "job"])
def test_labels_are_of_a_task_a_project_or_a_job(kind: str, tmp_path: Path) -> None:
    source = read(write(tmp_path, xml(image(shape()), kind=kind)), images=False)
    assert source.labels.names == ("background", *LABELS)


def test_a_label_that_is_not_listed_is_refused_and_a_class_file_reads_it(tmp_path: Path) -> None:
    write(tmp_path, xml(image(shape(label="cars")), image(shape(), name="b.png")))
    with pytest.raises(DataError, match=r"no class 'cars'.*car.*--classes") as caught:
        segdata.convert("cvat", tmp_path, tmp_path / "d", images="none")
    assert (caught.value.problem.sample, caught.value.problem.annotation) == ("a", 0)
    assert caught.value.problem.file == str(tmp_path / "annotations.xml")
    run = segdata.Run(report=Report("skip"))
    dataset = segdata.convert("cvat", tmp_path, tmp_path / "d", images="none", run=run)
    assert [sample.id for sample in dataset] == ["b"]
    (tmp_path / "classes.txt").write_text("car\ncars\n")
    made = segdata.convert("cvat", tmp_path, tmp_path / "e", images="none", classes=tmp_path / "classes.txt")
    assert made.labels.names == ("background", "car", "cars")


def test_the_value_of_an_attribute_may_be_the_class(tmp_path: Path) -> None:
    typed = '<{0} label="car" {1}><attribute name="color">red</attribute><attribute name="type">{2}</attribute></{0}>'
    boxes = [
        typed.format("box", f'xtl="{x}" ytl="0" xbr="{x + 4}" ybr="9"', kind) for x, kind in ((0, "van"), (4, "bus"))
    ]
    write(tmp_path, xml(image(*boxes, shape(place='xtl="8" ytl="0" xbr="12" ybr="9"'))))
    source = read(tmp_path, images=False, attribute="type")
    assert source.labels.names == ("background", "bus", "car", "van")
    assert masks(source)["a"][3].tolist() == [3] * 4 + [1] * 4 + [2] * 4 + [0] * 8
    assert masks(read(tmp_path, images=False))["a"][3].tolist() == [2] * 12 + [0] * 8
    given = read(tmp_path, images=False, attribute="type", classes=["car", "bus", "van", "x"])
    assert masks(given)["a"][3].tolist() == [3] * 4 + [2] * 4 + [1] * 4 + [0] * 8
    with pytest.raises(OptionError, match="no shape has an attribute"):
        read(tmp_path, images=False, attribute="kind")
    frame = typed.format("box", 'frame="0" keyframe="1" outside="0" xtl="0" ytl="0" xbr="4" ybr="9"', "van")
    write(tmp_path, xml(track(frame), meta=VIDEO))
    source = read(tmp_path, images=False, attribute="type")
    assert source.labels.names == ("background", "van")
    assert int(masks(source)["frame_000000"].sum()) == 36


# Where images are


@pytest.mark.parametrize("folder", ["images", "images/default", ".", "images/deep/er"])
def test_images_are_where_cvat_and_others_have_them(folder: str, tmp_path: Path) -> None:
    save(tmp_path / folder / "x/a.png")
    source = read(write(tmp_path, xml(image(shape(), name="x/a.png"), meta="<subset>default</subset>")))
    assert [(item.id, item.image, item.split) for item in source.items] == [
        ("x/a", str(tmp_path / folder / "x/a.png"), None)
    ]
    assert source.items[0].exif == "upright"


def test_subsets_are_splits_and_have_their_own_folders(tmp_path: Path) -> None:
    images = [image(name="a.png", more=f'subset="{subset}" task_id="{n}"') for n, subset in enumerate(("Train", "Val"))]
    write(tmp_path, xml(*images, kind="project"))
    save(tmp_path / "images/Train/a.png")
    save(tmp_path / "images/Val/a.png")
    source = read(tmp_path)
    assert [(item.id, item.split, item.image) for item in source.items] == [
        (f"{subset}/a", subset, str(tmp_path / f"images/{subset}/a.png")) for subset in ("Train", "Val")
    ]
    assert [item.id for item in read(tmp_path, split="Val").items] == ["Val/a"]
    with pytest.raises(OptionError, match="Train, Val"):
        read(tmp_path, split="val")
    write(tmp_path / "one", xml(image()))
    with pytest.raises(OptionError, match="no split 'val': its samples are in no split: leave --split out"):
        read(tmp_path / "one", split="val", images=False)
    (tmp_path / "images/Val/a.png").unlink()
    with pytest.raises(DataError, match=r"no file below .*Val"):  # not Train's image of that name
        read(tmp_path)


def test_the_subset_of_a_task_is_its_split(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png")
    source = read(write(tmp_path, xml(image(), meta="<subset>Test</subset>")))
    assert [(item.id, item.split) for item in source.items] == [("Test/a", "Test")]


def test_an_xml_per_split_as_datumaro_writes_them(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write(tmp_path, xml(image(shape(), name=f"{split}.png")), f"{split}.xml")
        save(tmp_path / f"images/{split}.png")
    write(tmp_path, "<other/>", "other.xml")
    source = read(tmp_path)
    assert [(item.id, item.split) for item in source.items] == [("train/train", "train"), ("val/val", "val")]
    assert [one.name for one in source.inputs] == ["train.xml", "val.xml"]
    assert source.receipt.notes == ["other XMLs are not read: other.xml"]
    (one,) = read(tmp_path / "val.xml").items
    assert (one.id, one.split) == ("val/val", "val")


def test_exports_side_by_side_keep_their_images_apart(tmp_path: Path) -> None:
    for folder in ("task_1", "task_2"):
        write(tmp_path / folder, xml(image(shape())))
        save(tmp_path / folder / "images/a.png")
    source = read(tmp_path)
    assert [(item.id, item.image) for item in source.items] == [
        (f"{folder}/a", str(tmp_path / folder / "images/a.png")) for folder in ("task_1", "task_2")
    ]
    for folder in ("train", "valid"):
        (tmp_path / f"task_{1 + (folder == 'valid')}").rename(tmp_path / folder)
    assert [(item.id, item.split) for item in read(tmp_path).items] == [("train/a", "train"), ("valid/a", "valid")]


def test_a_name_without_an_ending_and_one_of_another_machine(tmp_path: Path) -> None:
    names = ("frame_000001", "C:\\data\\b.png", "/share/c.v1.png", "d\\e.png")
    for name in ("frame_000001.PNG", "b.png", "c.v1.png", "d/e.png"):
        save(tmp_path / "images" / name)
    source = read(write(tmp_path, xml(*(image(name=name) for name in names))))
    assert [(item.id, Path(str(item.image)).name) for item in source.items] == [
        ("d/e", "e.png"), ("data/b", "b.png"), ("frame_000001", "frame_000001.PNG"), ("share/c.v1", "c.v1.png"),
    ]  # fmt: skip
    (told,) = source.receipt.notes
    assert told.startswith("2 images are not in the folders")
    assert told.endswith("such as b.png for C:\\data\\b.png")


def test_a_size_that_is_not_stated_is_the_images(tmp_path: Path) -> None:
    bare = f'<annotations><image id="0" name="a.png">{shape()}</image></annotations>'
    save(tmp_path / "images/a.png", (12, 13))
    assert masks(read(write(tmp_path, bare)))["a"].shape == (12, 13)
    with pytest.raises(DataError, match=r"states no size.*not --images none"):
        masks(read(tmp_path, images=False))


@pytest.mark.parametrize(
    ("images", "code"),
    [
        ([image(name="../../a.png")], None),
        ([image(name="b.png")], "image.missing"),
        ([image(), image()], "image.twice"),
        ([image(), image(name="x/a.png")], "image.ambiguous"),
        (['<image id="5" width="9" height="9"></image>'], "cvat.image"),
        ([image(name="")], "image.missing"),
    ],
)
def test_an_image_that_is_not_one(images: list[str], code: str | None, tmp_path: Path) -> None:
    save(tmp_path / "s/images/a.png")
    save(tmp_path / "a.png")
    write(tmp_path / "s", xml(*images))
    if code is None:  # a name that leads out is that of another machine
        assert [item.image for item in read(tmp_path / "s").items] == [str(tmp_path / "s/images/a.png")]
        return
    with pytest.raises(DataError) as caught:
        read(tmp_path / "s")
    assert caught.value.problem.code == code
    assert caught.value.problem.file == str(tmp_path / "s/annotations.xml")


def test_ids_of_several_subsets_do_not_meet(tmp_path: Path) -> None:
    write(tmp_path, xml(image(more='subset="Train"'), image(name="Train/a.png")))
    with pytest.raises(DataError, match="another subset") as caught:
        read(tmp_path, images=False)
    assert caught.value.problem.code == "image.twice"


# Videos


def test_frames_are_those_of_the_task_and_found_by_their_numbers(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"images/frame_{number:06d}.PNG")
    mask = tracked(1, kind="mask", place='rle="0, 4" left="0" top="0" width="2" height="2"')
    write(tmp_path, xml(track(tracked(0), tracked(1, outside=1)), track(mask, label="sky", id=7), meta=VIDEO))
    source = read(tmp_path)
    assert [item.id for item in source.items] == [f"frame_{number:06d}" for number in range(4)]
    assert [item.size for item in source.items] == [(16, 20)] * 4
    found = drawn(source)
    assert [int((one.mask > 0).sum()) for one in found.values()] == [49, 4, 0, 0]
    assert [(line.code, line.annotation) for line in found["frame_000001"].receipt.skipped] == [
        ("cvat.outside", "track 0")
    ]
    assert source.items[1].annotation.ids == ["track 7", "track 0"]
    assert pickle.loads(pickle.dumps(source.items))[0].id == source.items[0].id
    assert [item.id for item in read(tmp_path, images=False).items] == [item.id for item in source.items]


def test_steps_deleted_frames_and_the_size_of_a_job(tmp_path: Path) -> None:
    meta = (
        "<size>3</size><mode>interpolation</mode><start_frame>10</start_frame><stop_frame>16</stop_frame>"
        "<frame_filter>step=3</frame_filter><deleted_frames>13</deleted_frames>"
    )
    text = xml(track(tracked(10), tracked(16)), meta=meta, kind="job")
    size = "<original_size><width>20</width><height>16</height></original_size>"
    write(tmp_path, text.replace("</meta>", f"{size}</meta>"))
    source = read(tmp_path, images=False)
    assert [(item.id, item.size) for item in source.items] == [("frame_000010", (16, 20)), ("frame_000016", (16, 20))]


def test_frames_with_neither_a_shape_nor_a_file_are_deleted_ones(tmp_path: Path) -> None:
    save(tmp_path / "images/frame_000000.png")
    save(tmp_path / "images/frame_000003.png")
    write(tmp_path, xml(track(tracked(0)), meta=VIDEO))
    source = read(tmp_path)
    assert [item.id for item in source.items] == ["frame_000000", "frame_000003"]
    assert "2, left out as deleted ones" in source.receipt.notes[0]
    write(tmp_path, xml(track(tracked(1)), meta=VIDEO))
    with pytest.raises(DataError, match=r"no frame_000001\.png .*ffmpeg") as caught:
        read(tmp_path)
    assert caught.value.problem.sample == "frame_000001"


def test_files_that_count_from_one_are_refused(tmp_path: Path) -> None:
    for number in range(1, 5):
        save(tmp_path / f"images/frame_{number:06d}.png")
    write(tmp_path, xml(track(tracked(1), tracked(2)), meta=VIDEO))
    with pytest.raises(DataError, match="frames 0 to 3, and the images are called 1 to 4"):
        read(tmp_path)
    for number in range(1, 5):  # the way out
        (tmp_path / f"images/frame_{number:06d}.png").rename(tmp_path / f"images/frame_{number - 1:06d}.png")
    assert len(read(tmp_path).items) == 4
    (tmp_path / "images/frame_000000.png").unlink()  # a deleted one
    assert len(read(tmp_path).items) == 3


def test_files_of_all_frames_that_count_from_one_are_refused_where_only_some_are_labelled(tmp_path: Path) -> None:
    for number in range(1, 12):
        save(tmp_path / f"images/frame_{number:06d}.png")
    meta = VIDEO.replace("<stop_frame>3", "<stop_frame>9").replace("<frame_filter>", "<frame_filter>step=3")
    write(tmp_path, xml(track(tracked(3), tracked(6)), meta=meta))
    with pytest.raises(DataError, match="frames 0 to 9, and the images are called 1 to 11"):
        read(tmp_path)


def test_other_names_are_taken_for_videos_alone(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"images/clip7_{number}.jpg")
    write(tmp_path, xml(track(tracked(1)), meta=VIDEO))
    assert [Path(str(item.image)).name for item in read(tmp_path).items] == [f"clip7_{n}.jpg" for n in range(4)]
    write(tmp_path, xml(track(tracked(1)), meta=VIDEO.replace("interpolation", "annotation")))
    with pytest.raises(DataError, match="CVAT for images"):  # which of its images a frame is, is not told
        read(tmp_path)


def test_two_files_of_one_frame_are_refused(tmp_path: Path) -> None:
    for name in ("frame_000000.png", "frame_000000.jpg", "frame_000001.png"):
        save(tmp_path / "images" / name)
    with pytest.raises(DataError, match="several images of frame 0"):
        read(write(tmp_path, xml(track(tracked(0)), meta=VIDEO)))


def test_a_track_that_is_not_listed_in_between_is_told(tmp_path: Path) -> None:
    write(tmp_path, xml(track(tracked(0), tracked(3)), track(tracked(0), tracked(1, 1), tracked(3)), meta=VIDEO))
    warnings = read(tmp_path, images=False).receipt.warnings
    assert len(warnings) == 1
    assert "1 times a track is in view and then not listed, as on frame 1" in warnings[0]


def test_skeletons_of_tracks_are_not_tracks_of_their_own(tmp_path: Path) -> None:
    inner = track(tracked(0, place='points="1,1"', kind="points"), label="1")
    skeleton = track('<skeleton frame="0" keyframe="1"></skeleton>' + inner)
    (one, *_) = drawn(read(write(tmp_path, xml(skeleton, meta=VIDEO)), images=False)).values()
    assert [line.code for line in one.receipt.skipped] == ["cvat.skeleton"]


def test_a_project_of_one_task_has_each_frame_once(tmp_path: Path) -> None:
    task = f"<tasks><task><id>3</id>{VIDEO}<subset>default</subset></task></tasks>"
    write(tmp_path, xml(track(tracked(0), more='task_id="3" subset="default"'), meta=task, kind="project"))
    source = read(tmp_path, images=False)
    assert [(item.id, item.split) for item in source.items] == [(f"frame_{n:06d}", None) for n in range(4)]
    assert masks(source)["frame_000000"].any()


def test_the_frames_of_tasks_of_a_project(tmp_path: Path) -> None:
    tasks = "".join(
        f"<task><id>{id}</id>{VIDEO.replace('20', width)}<subset>{subset}</subset></task>"
        for id, width, subset in ((3, "20", "train"), (4, "30", "val"))
    )
    tracks = [track(tracked(0), more='task_id="3" subset="train"'), track(tracked(1), more='task_id="4" subset="val"')]
    write(tmp_path, xml(*tracks, meta=f"<tasks>{tasks}</tasks>", kind="project"))
    for subset in ("train", "val"):
        for number in range(4):
            save(tmp_path / f"images/{subset}/frame_{number:06d}.PNG")
    source = read(tmp_path)
    assert len(source.items) == 8
    assert {(item.split, item.size) for item in source.items} == {("train", (16, 20)), ("val", (16, 30))}
    assert [id for id, mask in masks(source).items() if mask.any()] == ["train/frame_000000", "val/frame_000001"]


# What is wrong


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (shape(place='xtl="a" ytl="2" xbr="9" ybr="9"'), "cvat.number"),
        (shape(place='xtl="nan" ytl="2" xbr="9" ybr="9"'), "cvat.number"),
        (shape(place='xtl="1e999" ytl="2" xbr="9" ybr="9"'), "cvat.number"),
        (shape(place='ytl="2" xbr="9" ybr="9"'), "cvat.number"),
        (shape(more='z_order="1.5"'), "cvat.number"),
        (shape(more='z_order="99999999999"'), "cvat.number"),
        (shape(more='group_id="x"'), "cvat.number"),
        (shape(more='rotation="x"'), "cvat.number"),
        (shape("ellipse", place='cx="5" cy="5" rx="-3" ry="2"'), "cvat.number"),
        (shape("polygon", place='points="1,1;2,b;3,3"'), "cvat.points"),
        (shape("polygon", place='points="1,1;2;3,3"'), "cvat.points"),
        (shape("polygon", place='points="1,1;nan,2;3,3"'), "cvat.points"),
        (shape("mask", place='rle="1,1" left="0" top="0" width="2" height="2"'), "cvat.rle"),
        (shape("mask", place='rle="1,9" left="0" top="0" width="2" height="2"'), "cvat.rle"),
        (shape("mask", place='rle="5,-1" left="0" top="0" width="2" height="2"'), "cvat.rle"),
        (shape("mask", place='rle="a" left="0" top="0" width="2" height="2"'), "cvat.rle"),
        (shape("mask", place='rle="0,1" left="0" top="0" width="100000" height="100000"'), "cvat.rle"),
        (shape("mask", place='rle="10000000000" left="0" top="0" width="100000" height="100000"'), "cvat.rle"),
        (shape("mask", place='rle="4" left="x" top="0" width="2" height="2"'), "cvat.number"),
    ],
)
def test_a_shape_that_is_none_is_named(one: str, code: str, tmp_path: Path) -> None:
    save(tmp_path / "images/a.png")
    save(tmp_path / "images/b.png")
    write(tmp_path, xml(image(shape(), one), image(shape(), name="b.png")))
    result = CliRunner().invoke(main, ["convert", "cvat", str(tmp_path), str(tmp_path / "d")])
    assert result.exit_code == 1
    (line,) = [line for line in result.output.split("\n") if line.startswith("error")]
    assert line.startswith(f"error: {tmp_path}/annotations.xml: a: annotation 1: ")
    assert line.endswith(f"[{code}]")
    run = segdata.Run(report=Report("skip"))
    dataset = segdata.convert("cvat", tmp_path, tmp_path / "d", run=run)
    assert [sample.id for sample in dataset] == ["b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "annotations.xml of CVAT"),
        ("<annotations><version>1.1</version><image ", "perhaps cut off: unclosed token: line 1"),
        (xml(), "lists no image and no frame"),
        (xml(track("<box frame='x'/>")), "has no frame number"),
        (xml(track(tracked(0)), meta=VIDEO.replace("3</stop", "999999999</stop").replace("4</size", "999999999</size")),
         "states 999,999,999 frames"),
        ("<!DOCTYPE annotations [<!ENTITY a 'b'>]><annotations><version>1.1</version></annotations>", "document type"),
        ("<x><annotations><version/></annotations></x>", "its root is <x>"),
    ],
)  # fmt: skip
def test_an_xml_that_is_none(text: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, text)
    with pytest.raises(DataError, match=message):
        read(tmp_path, images=False)


def test_one_damaged_xml_among_several_is_left_out_when_told(tmp_path: Path) -> None:
    write(tmp_path, xml(image(shape())), "train.xml")
    write(tmp_path, xml(image(shape()))[:-30], "val.xml")
    with pytest.raises(DataError, match="perhaps cut off") as caught:
        read(tmp_path, images=False)
    assert caught.value.problem.file == str(tmp_path / "val.xml")
    report = Report("skip")
    assert [item.id for item in read(tmp_path, images=False, report=report).items] == ["train/a"]
    assert len(report.problems) == 1


def test_an_xml_that_changes_after_it_was_listed_is_told(tmp_path: Path) -> None:
    source = read(write(tmp_path, xml(image(shape()))), images=False)
    write(tmp_path, "<annotations>")
    with pytest.raises(DataError, match="has changed since it was listed"):
        drawn(source)


def test_a_huge_image_is_refused(tmp_path: Path) -> None:
    write(tmp_path, xml(image(shape(), size=(999999, 999999))))
    with pytest.raises(DataError, match="more than the limit"):
        segdata.convert("cvat", tmp_path, tmp_path / "d", images="none")


# Which files are CVAT's


def test_what_is_no_cvat(tmp_path: Path) -> None:
    assert cvat_files.fits(write(tmp_path / "voc", "<annotation><object/></annotation>", "a.xml"))
    assert cvat_files.fits(write(tmp_path / "lists", "<annotations><a/></annotations>", "a.xml"))
    assert cvat_files.fits(tmp_path / "nowhere")
    assert cvat_files.fits(write(tmp_path / "cvat", xml(), "x.xml")) is None
    assert cvat_files.fits(tmp_path / "cvat/x.xml") is None
    assert cvat_files.fits(write(tmp_path / "below", xml(), "one/annotations.xml")) is None


def test_real_exports(tmp_path: Path) -> None:
    project = segdata.convert("auto", HERE / "real/cvat/project", tmp_path / "p")
    assert {sample.split for sample in project} == {"Test", "Train", "Validation"}
    assert project.labels.names == ("background", "label1", "label2")
    assert project.read_receipt()["annotations"] == {"in": 12, "painted": 6, "skipped": 6, "hidden": 0}
    masks = {sample.id: project.read_mask(sample) for sample in project}
    assert masks["Train/img0"][:, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    video = segdata.convert("auto", HERE / "real/cvat/video", tmp_path / "v")
    assert [sample.id for sample in video] == ["frame_000010", "frame_000013", "frame_000016"]
    (frame,) = [video.read_mask(sample) for sample in video if sample.id == "frame_000010"]
    assert int((frame > 0).sum()) == 7


@pytest.mark.parametrize("name", ["cvat_mask", "cvat_poly"])
def test_what_datumaro_writes(name: str, tmp_path: Path) -> None:
    dataset = segdata.convert("auto", trial(f"conversion/dm/{name}"), tmp_path / "d")
    assert dataset.labels.names == ("background", "road", "crack")
    expected = np.zeros((8, 10), int)
    expected[2:7, 1:8] = 1
    expected[3:5, 3:6] = 2
    assert [(sample.id, sample.split) for sample in dataset] == [
        ("train/f_1", "train"), ("train/f_2", "train"), ("val/f_3", "val"),
    ]  # fmt: skip
    for sample in dataset:
        np.testing.assert_array_equal(dataset.read_mask(sample), expected)
