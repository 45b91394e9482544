"""LabelMe's XML: equal to Datumaro's own reading, with the objects that have no pixels told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_rle

import segdata
from reader_samples import sample_tools
from segdata.errors import DataError, OptionError, Report
from segdata.files.xml_text import parse_xml
from segdata.readers.labelmexml import reader as labelmexml
from segdata.readers.labelmexml.objects import outline, read_corners, read_marked

HERE = Path(__file__).parent

tools = sample_tools("sample_labelmexml")

SQUARE = "<polygon><pt><x>2</x><y>3</y></pt><pt><x>9</x><y>3</y></pt><pt><x>9</x><y>8</y></pt><pt><x>2</x><y>8</y></pt></polygon>"
BOX = f"<type>bounding_box</type>{SQUARE}"


def thing(shape: str = SQUARE, name: str = "car", id: Any = 0, **fields: Any) -> str:
    more = "".join(f"<{key}>{value}</{key}>" for key, value in fields.items())
    return f"<object><name>{name}</name><id>{id}</id>{more}{shape}</object>"


def put(
    root: Path,
    *objects: str,
    name: str = "a.png",
    folder: str = "train",
    size: str | None = None,
    file: str = "train/a.xml",
) -> Path:
    """An XML of an image of 20 x 12, and the image."""
    stated = "<imagesize><nrows>12</nrows><ncols>20</ncols></imagesize>" if size is None else size
    text = f"<annotation><filename>\n{name}\n</filename><folder>\n{folder}\n</folder>{stated}{''.join(objects)}</annotation>"
    path = root / "Annotations" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    image = root / "Images/train/a.png"
    image.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((12, 20, 3), 80, np.uint8)).save(image)
    return path


def square(value: int = 1) -> Any:
    """The pixels of `SQUARE`, by pycocotools itself."""
    rle = coco_rle.frPyObjects([[2, 3, 9, 3, 9, 8, 2, 8]], 12, 20)[0]
    return np.asarray(coco_rle.decode(rle)) * value


def mask_of(root: Path, **options: Any) -> Any:
    dataset = segdata.convert("labelmexml", root, root.parent / "d", overwrite=True, allow_empty=True, **options)
    return dataset.read_mask(dataset.samples[0])


def test_masks_are_those_of_datumaro(tmp_path: Path) -> None:
    dataset = segdata.convert("labelmexml", HERE / "golden/labelmexml/source", tmp_path / "d")
    assert len(dataset) == 14
    assert dataset.splits == ("train", "val")
    for sample in dataset:
        truth = np.array(Image.open(HERE / f"golden/labelmexml/masks/{sample.id}.png"))
        assert (dataset.read_mask(sample) == truth).all(), sample.id


def test_a_real_file_as_datumaro_reads_it(tmp_path: Path) -> None:
    dataset = segdata.convert("auto", HERE / "real/labelmexml", tmp_path / "d")
    truth = np.array(Image.open(HERE / "real/labelmexml/img1_datumaro.png"))
    assert (dataset.read_mask(dataset.samples[0]) == truth).all()
    receipt = dataset.read_receipt()
    assert receipt["annotations"] == {"in": 7, "painted": 6, "skipped": 1, "hidden": 0}
    assert receipt["skipped"][0]["annotation"] == 4


@given(st.lists(st.tuples(st.floats(-40, 60), st.floats(-40, 60)), min_size=3, max_size=8))
def test_a_polygon_is_as_pycocotools_has_it(points: list[tuple[float, float]]) -> None:
    """Once its corners are rounded as Datumaro rounds them."""
    text = "".join(f"<pt><x>{x!r}</x><y>{y!r}</y></pt>" for x, y in points)
    corners = read_corners(parse_xml(f"<polygon>{text}</polygon>".encode()))
    flat = np.array(points, np.float32).ravel().round(2).tolist()
    assert outline(corners, False, (12, 20)) == coco_rle.frPyObjects([flat], 12, 20)[0]["counts"]


NONE = {
    "deleted": ("labelmexml.deleted", thing(deleted=1)),
    "no name": ("labelmexml.unnamed", thing(name="\n")),
    "nothing": ("labelmexml.empty", thing("")),
    "a box": ("box.dropped", thing(BOX)),
    "two corners": (
        "polygon.degenerate",
        thing("<polygon><pt><x>1</x><y>1</y></pt><pt><x>5</x><y>5</y></pt></polygon>"),
    ),
    "off the image": ("polygon.empty", thing(SQUARE.replace("<x>", "<x>7"))),
}


@pytest.mark.parametrize("case", NONE)
def test_an_object_without_pixels_is_listed(case: str, tmp_path: Path) -> None:
    code, text = NONE[case]
    put(tmp_path / "s", thing(id=7), text.replace("<id>0", "<id>9"))
    receipt = segdata.convert("labelmexml", tmp_path / "s", tmp_path / "d").read_receipt()
    assert receipt["annotations"] == {"in": 2, "painted": 1, "skipped": 1, "hidden": 0}
    assert [(line["code"], line["annotation"]) for line in receipt["skipped"]] == [(code, 9)]


def test_what_becomes_of_boxes(tmp_path: Path) -> None:
    put(tmp_path / "s", thing(BOX))
    assert not mask_of(tmp_path / "s").any()
    assert (mask_of(tmp_path / "s", boxes="class") == square()).all()
    assert (mask_of(tmp_path / "s", boxes="ignore") == square(255)).all()
    with pytest.raises(OptionError, match="--boxes stop"):
        mask_of(tmp_path / "s", boxes="stop")


@pytest.mark.parametrize("kind", ["RGBA", "opaque", "RGB", "grey", "palette", "1"])
def test_masks_of_every_kind(kind: str, tmp_path: Path) -> None:
    bits = np.random.default_rng(2).integers(0, 2, (12, 20)).astype(np.uint8)
    colors = np.array([[0, 0, 0, 0], [255, 203, 0, 153]], np.uint8)[bits]
    image = Image.fromarray(colors)
    if kind == "opaque":
        image = Image.fromarray(np.dstack([colors[..., :3], np.full((12, 20), 255, np.uint8)]))
    elif kind == "RGB":
        image = Image.fromarray(colors[..., :3])
    elif kind != "RGBA":
        image = Image.fromarray(bits * (255 if kind == "1" else 1)).convert({"grey": "L", "1": "1"}.get(kind, "L"))
    if kind == "palette":
        image = Image.fromarray(bits, "P")
        image.putpalette([0, 0, 0, 9, 9, 9])
    put(tmp_path / "s", thing("<segm><mask>m.png</mask></segm>"))
    (tmp_path / "s/Masks/train").mkdir(parents=True)
    image.save(tmp_path / "s/Masks/train/m.png")
    assert (mask_of(tmp_path / "s") == bits).all()


REFUSED = {
    "no mask": ("mask.missing", "<segm><mask>m.png</mask></segm>"),
    "a mask outside": ("labelmexml.mask", "<segm><mask>../../m.png</mask></segm>"),
    "an absolute mask": ("labelmexml.mask", "<segm><mask>/etc/passwd</mask></segm>"),
    "a mask of another size": ("labelmexml.mask", "<segm><mask>small.png</mask></segm>"),
    "a long name": ("mask.missing", f"<segm><mask>{'x' * 300}.png</mask></segm>"),
    "NaN": ("polygon.nan", SQUARE.replace("9", "nan")),
    "far": ("polygon.far", SQUARE.replace("9", "1e12")),
    "no number": ("labelmexml.point", SQUARE.replace("9", "nine")),
    "no x": ("labelmexml.point", SQUARE.replace("x>", "z>")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_object_is_one_error_or_leaves_its_image_out(case: str, tmp_path: Path) -> None:
    code, shape = REFUSED[case]
    put(tmp_path / "s", thing(id=3), thing(shape, id=4))
    put(tmp_path / "s", thing(), name="b.png", folder="", file="b.xml")
    Image.new("RGB", (20, 12)).save(tmp_path / "s/Images/b.png")
    (tmp_path / "s/Masks/train").mkdir(parents=True)
    Image.fromarray(np.ones((3, 4), np.uint8)).save(tmp_path / "s/Masks/train/small.png")
    with pytest.raises(DataError) as caught:
        segdata.convert("labelmexml", tmp_path / "s", tmp_path / "d")
    assert (caught.value.problem.code, caught.value.problem.annotation) == (code, 4)
    assert str(tmp_path / "s") in str(caught.value)
    dataset = segdata.convert("labelmexml", tmp_path / "s", tmp_path / "d", run=segdata.Run(report=Report("skip")))
    assert [sample.id for sample in dataset] == ["b"]


DAMAGED = {
    "an entity": '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>',
    "cut off": "<annotation><object>",
    "empty": "",
    "deep": "<annotation>" * 10**5,
    "Latin": "<annotation>é</annotation>",
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_one_error_or_left_out(case: str, tmp_path: Path) -> None:
    put(tmp_path, thing())
    (tmp_path / "Annotations/b.xml").write_bytes(DAMAGED[case].encode("latin-1"))
    with pytest.raises(DataError, match=r"b\.xml.*labelmexml\.xml"):
        labelmexml.read(tmp_path)
    report = Report("skip")
    assert [item.id for item in labelmexml.read(tmp_path, report=report).items] == ["train/a"]
    assert len(report.problems) == 1


def test_one_image_is_not_that_of_two_samples(tmp_path: Path) -> None:
    put(tmp_path, thing())
    put(tmp_path, thing(), folder="other", file="other/a.xml")  # its image is missing, and that of train has its name
    with pytest.raises(DataError, match=r"other/a: .*train/a.png is the image of another sample, too") as caught:
        labelmexml.read(tmp_path)
    assert caught.value.problem.code == "image.ambiguous"


def test_an_image_of_another_folder_is_told(tmp_path: Path) -> None:
    put(tmp_path, thing(), folder="other", file="other/a.xml")
    (told,) = labelmexml.read(tmp_path).receipt.notes
    assert told.endswith("such as train/a.png for other/a.png")
    Image.new("RGB", (20, 12)).save(tmp_path / "Annotations/other/a.png")  # beside the label file, as CVAT has it
    found = labelmexml.read(tmp_path)
    assert (found.items[0].image, found.receipt.notes) == (str(tmp_path / "Annotations/other/a.png"), [])


def test_splits_are_folders_of_such_names(tmp_path: Path) -> None:
    for folder in ("train", "val/night", "05june05_street", ""):
        path = put(tmp_path, thing(), folder=folder, file=f"{folder or 'top'}/a.xml")
        assert read_marked(str(path)) is not None
    found = labelmexml.read(tmp_path, images=False).items
    assert [(item.id, item.split) for item in found] == [
        ("05june05_street/a", None), ("a", None), ("train/a", "train"), ("val/night/a", "val"),
    ]  # fmt: skip
    assert [item.id for item in labelmexml.read(tmp_path, split="val", images=False).items] == ["val/night/a"]
    with pytest.raises(OptionError, match="no split 'test': there are train, val"):
        labelmexml.read(tmp_path, split="test", images=False)


def test_classes_are_those_of_the_table_then_the_names_found(tmp_path: Path) -> None:
    put(tmp_path, thing(name="car"), thing(name="bus", id=1), thing(name="ant", id=2, deleted=1))
    assert labelmexml.read(tmp_path).labels.names == ("background", "ant", "bus", "car")
    (tmp_path / "dataset_meta.json").write_text('{"labels": ["tram", "car"], "label_map": {"0": "tram", "1": "car"}}')
    found = labelmexml.read(tmp_path)
    assert found.labels.names == ("background", "tram", "car", "ant", "bus")
    assert [one.name for one in found.inputs] == ["dataset_meta.json"]
    assert labelmexml.read(tmp_path, classes=["background", "car", "bus"]).labels.names == ("background", "car", "bus")
    with pytest.raises(DataError, match=r"no class 'bus'.*labelmexml\.label"):
        segdata.convert("labelmexml", tmp_path, tmp_path.parent / "d", classes=["background", "car", "ant"])


def test_background_need_not_be_the_first_class(tmp_path: Path) -> None:
    put(tmp_path / "s", thing())
    mask = mask_of(tmp_path / "s", classes=["bus", "background", "car"])
    assert (mask == square() + 1).all()


def test_the_size_is_that_of_the_image_if_none_is_stated(tmp_path: Path) -> None:
    put(tmp_path / "s", thing(), size="")
    assert (mask_of(tmp_path / "s") == square()).all()
    with pytest.raises(DataError, match="states no size"):
        mask_of(tmp_path / "s", images="none")
    put(tmp_path / "s", thing(), size="<imagesize><nrows>13</nrows><ncols>20</ncols></imagesize>")
    with pytest.raises(DataError, match="the image is 20 x 12 but its labels are 20 x 13"):
        mask_of(tmp_path / "s")
    put(tmp_path / "s", thing(), size="<imagesize><nrows>999999</nrows><ncols>999999</ncols></imagesize>")
    with pytest.raises(DataError, match="more than the limit"):
        mask_of(tmp_path / "s", images="none")


def test_an_image_elsewhere_is_given(tmp_path: Path) -> None:
    put(tmp_path / "s", thing())
    (tmp_path / "s/Images/train/a.png").rename(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"image\.missing") as caught:
        labelmexml.read(tmp_path / "s")
    assert caught.value.problem.sample == "train/a"
    assert "--image-dir DIR" in str(caught.value)
    assert labelmexml.read(tmp_path / "s", image_dir=tmp_path).items[0].image == str(tmp_path / "a.png")


@pytest.mark.parametrize("folder", ["..", "../..", "a/../../b"])
def test_no_folder_leads_out(folder: str, tmp_path: Path) -> None:
    put(tmp_path, thing(), folder=folder)
    with pytest.raises(DataError) as caught:
        segdata.convert("labelmexml", tmp_path, tmp_path / "d")
    assert caught.value.problem.code in ("image.name", "image.missing")


def test_ids_that_are_not_unique_give_way_to_places(tmp_path: Path) -> None:
    path = put(tmp_path, thing(id=5), thing(id=5), thing(id="x"))
    marked = read_marked(str(path))
    assert marked is not None
    assert list(marked.ids) == [0, 1, 2]


@pytest.mark.parametrize(
    "text",
    ["<annotation><object><bndbox><xmin>1</xmin></bndbox></object></annotation>", "<annotations><image/></annotations>",
     "<annotation><folder>x</folder></annotation>", "<svg><polygon><pt/></polygon></svg>"],
)  # fmt: skip
def test_xml_of_others_does_not_fit(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(text)
    assert labelmexml.fits(tmp_path) is not None
    put(tmp_path, thing())
    assert labelmexml.fits(tmp_path) is None


def test_cvat_puts_image_xml_and_masks_side_by_side(tmp_path: Path) -> None:
    for split in ("train", "val"):
        path = put(tmp_path / "made", thing(), thing("<segm><mask>m.png</mask></segm>", "sky", 1), folder=split)
        here = tmp_path / "s" / split
        (here / "Masks").mkdir(parents=True)
        path.rename(here / "a.xml")
        (tmp_path / "made/Images/train/a.png").rename(here / "a.png")
        Image.fromarray(np.full((12, 20, 3), split == "val", np.uint8)).save(here / "Masks/m.png")
    dataset = segdata.convert("labelmexml", tmp_path / "s", tmp_path / "d")
    assert [sample.id for sample in dataset] == ["train/a", "val/a"]
    assert [Path(str(item.image)).parent.name for item in labelmexml.read(tmp_path / "s").items] == ["train", "val"]
    assert (dataset.read_mask(dataset.samples[0]) == square(1)).all()
    assert (dataset.read_mask(dataset.samples[1]) == 2).all()
