"""Class files: every form means the same to every reader, or is refused with its line; nothing is guessed."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

import segdata
from parquet_files import cell, write_table
from segdata.errors import DataError, MissingDependency
from segdata.files.voc_colors import VOC_VOID
from segdata.labels import class_name
from segdata.readers import reader, voc
from segdata.readers.classes import cells as class_cells
from segdata.readers.classes import names as class_names
from segdata.readers.classes.files import given_classes, read_classes
from segdata.readers.source import Receipt, Source

yaml = pytest.importorskip("yaml")

RGB = tuple[int, int, int]


def table(folder: Path, name: str, text: str) -> list[tuple[int, str, RGB | None]]:
    """Value, name and colour of each class of a file with this text."""
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return [(e.value, e.name, e.color) for e in read_classes(folder / name, Receipt())]


# What is read


PLAIN = [(0, "sky", None), (1, "road", None)]
COLORED = [(0, "sky", (1, 2, 3)), (1, "road", (4, 5, 6))]
APART = [(0, "sky", None), (3, "road", None)]
BRICK = [(0, "other", None), (3, "wall, brick", None)]
GOOD: list[tuple[str, str, Any]] = [
    ("c.txt", "sky\nroad\n", PLAIN),
    ("c", "sky\nroad", PLAIN),
    ("c.names", "sky\rroad\r", PLAIN),
    ("c.txt", "\ufeffsky\r\nroad\r\n\r\n \r\n", PLAIN),
    ("c.txt", "# of the year 2024\n#\nsky\nroad\n# that is all\n\n", PLAIN),
    ("c.txt", "__ignore__\nsky\nroad", PLAIN),
    ("c.txt", "__ignore__\n_background_\nroad", [(0, "background", None), (1, "road", None)]),
    ("c.txt", "sky\nroad\nignore\n", [*PLAIN, (2, "ignore", None)]),
    ("c.txt", "building, edifice\n3 wheeler", [(0, "building, edifice", None), (1, "3 wheeler", None)]),
    ("c.json", '["a:b", "c:d:e", "- x", "a #1"]', [(i, name, None) for i, name in enumerate(["a:b", "c:d:e", "- x", "a #1"])]),
    ("c.txt", "name tag\nlabels of tins", [(0, "name tag", None), (1, "labels of tins", None)]),
    ("c.txt", "sky\u2028blue\nroad\x85side", [(0, "sky\u2028blue", None), (1, "road\x85side", None)]),
    ("c.csv", "name\nsky\nroad", PLAIN),
    ("c.csv", "id,name\n1,road\n0,sky\n", PLAIN),
    ("c.csv", "# a comment\nid,name\n\n0,sky\n# another\n3,road\n", APART),
    ("c.csv", "id,name\n0,sky\n1,road\n9,__ignore__\n8,ignore", [*PLAIN, (8, "ignore", None), (9, "ignore", None)]),
    ("c.csv", "name,r,g,b\nsky,1,2,3\nroad,4,5,6", COLORED),
    ("c.csv", "ID;Name;Red;Green;Blue\r\n0;sky;1;2;3\r\n1;road;4;5;6\r\n", COLORED),
    ("c.csv", 'name,id,seen\n"sky",0,9\nroad,1,8\n\n', PLAIN),
    ("c.txt", "id\tname\n0\tsky\n1\troad", PLAIN),
    ("c.csv", "0,sky\n1,road", PLAIN),
    ("c.txt", "3;road\n0;sky", APART),
    ("c.tsv", "0\tsky\n1\troad\n", PLAIN),
    ("c.csv", '0,"sky, blue"\n1,road', [(0, "sky, blue", None), (1, "road", None)]),
    ("c.txt", "0,sky,1,2,3\n1,road,4,5,6", COLORED),
    ("c.csv", "1;road;4;5;6\n0;sky;1;2;3", COLORED),
    ("c.txt", "sky,1,2,3\nroad,4,5,6\n", COLORED),
    ("c.csv", '"sky"; 1; 2; 3\r\nroad; 4; 5; 6\r\n\r\n', COLORED),
    ("c.txt", "sky\t1\t2\t3\nroad\t4\t5\t6\n", COLORED),
    ("c.txt", "1 2 3\tsky\n4 5 6\t\troad\n", COLORED),  # label_colors.txt of CamVid
    ("c.txt", "1,2,3,sky\n4,5,6,road", COLORED),
    ("c.txt", "sky 1 2 3\nroad 4 5 6", COLORED),
    ("c.txt", "1 2 3 clear sky\n4 5 6 3rd road", [(0, "clear sky", (1, 2, 3)), (1, "3rd road", (4, 5, 6))]),
    ("c.json", '["sky", "road"]', PLAIN),
    ("c.txt", '\ufeff ["sky", "road"]', PLAIN),
    ("c.json", '["__ignore__", "sky", "road"]', PLAIN),
    ("c.json", '{"road": 1, "sky": 0}', PLAIN),
    ("c.json", '{"0": "sky", "3": "road"}', APART),
    ("c.json", '[{"id": 1, "name": "road", "color": [4, 5, 6]}, {"id": 0, "name": "sky", "color": [1, 2, 3]}]', COLORED),
    ("c.json", '[{"name": "sky"}, {"name": "road", "kind": "stuff"}]', PLAIN),
    ("c.json", '{"classes": [{"id": 0, "name": "sky"}, {"id": 1, "name": "road"}], "ignore": 255}', PLAIN),
    ("c.json", '{"names": 0, "road": 1}', [(0, "names", None), (1, "road", None)]),
    ("_classes.csv", "Pixel Value, Class\n0, sky\n3, road\n", APART),  # Roboflow
    ("c.csv", "Class Name,Gray Level\nroad,3\nsky,0", APART),
    ("c.csv", "label_id,Label,Color\n0,sky,#010203\n1,road,4 5 6", COLORED),
    ("c.csv", 'Class,RGB\nsky,"(1, 2, 3)"\nroad,"4,5,6"', COLORED),
    ("objectInfo150.txt", "Idx\tRatio\tName\n0\t0.1\tother\n3\t0.2\twall, brick\n", BRICK),  # ADE20K
    ("c.json", '{"categories": [{"id": 3, "name": "road"}, {"id": 0, "name": "sky"}], "images": []}', APART),
    ("c.json", '{"id2label": {"0": "sky", "1": "road"}, "label2id": {"sky": 0, "road": 1}}', PLAIN),
    ("c.json", '{"sky": [1, 2, 3], "road": "#040506"}', COLORED),
    ("c.json", '{"classes": [{"title": "sky", "color": "#010203"}, {"title": "road", "color": "4,5,6"}], "tags": []}', COLORED),
    ("c.json", '[{"label": "road", "value": 3}, {"label": "sky", "value": 0}]', APART),
    ("d.yaml", "train: x\ndata: # ours\n  nc: 2\n  NAMES:\n    0: sky\n    1: road\n", PLAIN),
    ("c.txt", "data:\n  names:  # ours\n    - sky\n    - road\n", PLAIN),
    ("c.yaml", "METAINFO:\n  classes: [sky, road]\n  palette: [[1, 2, 3], [4, 5, 6]]\n", COLORED),  # mmseg
    ("c.txt", "sky:1,2,3\nroad: 4, 5, 6\n", COLORED),
    ("Labelmap.TXT", "sky:1,2,3::\nroad:4,5,6::\n", COLORED),
    ("labelmap.txt", "# label:color_rgb:parts:actions\nsky:1,2,3::\nroad:4,5,6::\n", COLORED),
    ("c.txt", "# label:color_rgb:parts:actions\r\nsky: 1 , 2,3:left,right:\r\n\r\n# and\r\nroad:4,5,6::x\r\n", COLORED),
    ("c.txt", "sky:::\nroad:::\n", PLAIN),
    ("labelmap.txt", "sky:1,2,3::\nignored:224,224,192::\n", [COLORED[0], (1, "ignore", VOC_VOID)]),
    ("data.yaml", "names:\n- sky\n- road\nnc: 2\n", PLAIN),
    ("data.yaml", "path: ../x\nnames: [sky, road]", PLAIN),
    ("data.yaml", "nc: 2\nnames:\n  0: sky\n  3: road # none\n", APART),
    ("data.yml", "{names: {0: sky, 1: road}}", PLAIN),
    ("c.txt", "train: images\nnames: {0: sky, 1: road}\n", PLAIN),
    ("c.yaml", "- sky\n- road", PLAIN),
    ("c.yaml", "sky: 0\nroad: 1", PLAIN),
    ("c.yaml", "names: [no, 'on', 1.5]", [(0, "no", None), (1, "on", None), (2, "1.5", None)]),
    ("c.yaml", "- {id: 1, name: road, color: [4, 5, 6]}\n- {id: 0, name: sky, color: [1, 2, 3]}", COLORED),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "expected"), GOOD)
def test_class_files(name: str, text: str, expected: Any, tmp_path: Path) -> None:
    assert table(tmp_path, name, text) == expected


# What is refused


BAD: list[tuple[str, str, str]] = [
    ("c.txt", "", "names no class"),
    ("c.txt", "# sky\n# road\n", "names no class"),
    ("c.txt", "ignore\n__ignore__", "line 2: `__ignore__` takes no value and must come first"),
    ("c.txt", "ignore", "names no class"),
    ("c.txt", "sky\n\nroad", "line 2: is empty"),
    ("c.txt", "\nsky\nroad", "line 1: is empty"),
    ("c.txt", "sky\n# road\ncar", "line 2: is a comment"),
    (
        "c.txt",
        "sky\nsky",
        "line 2: 'sky' appears twice, first at line 1: rename this one, such as 'sky 2'.*--map 'sky 2=sky'",
    ),
    ("c.txt", "_background_\nbackground", "line 2: 'background' appears twice"),
    ("c.txt", "name\nsky\nroad", "line 1: 'name' may be a heading or a class"),
    ("c.txt", "Label\nsky\nroad", "line 1: 'Label' may be a heading or a class"),
    ("c.txt", "- sky\n- road", "line 1: '- sky' looks like YAML"),
    ("c.txt", "-sky\n-road", "line 1: '-sky' looks like YAML"),
    ("c.txt", "sky\n* road", "line 2: '\\* road' looks like YAML"),
    ("c.txt", "sky: 0\nroad: 1", "line 1: 'sky: 0' looks like YAML: call the file .yaml"),
    ("c.txt", "a:b\nc:d:e", "line 1: 'a:b' is hardly a name, as ':' is in it: .* as a JSON list"),
    ("c.txt", "0=sky\n1=road", "line 1: '0=sky' begins with a number"),
    ("c.txt", "sky=0\nroad=1", "line 1: 'sky=0' is hardly a name, as '='"),
    ("c.txt", "sky\t0\nroad\t1", "line 1: .* ends with a number, as all lines do"),
    ("c.txt", "sky 0\nroad 1", "line 1: .* ends with a number, as all lines do"),
    ("c.txt", "sky #010203\nroad #040506", "line 1: 'sky #010203' is hardly a name, as '#'"),
    ("c.txt", "sky\nroad # grey", "line 2: 'road # grey' is hardly a name"),
    ("c.txt", '"sky"\n"road"', "line 1: .* is hardly a name"),
    ("c.txt", "sky,\nroad,", "line 1: 'sky,' has several cells"),
    ("c.txt", "sky;road;car", "line 1: 'sky;road;car' has several cells, apart by ';'"),
    ("c.py", "CLASSES = (\n    'sky',\n)", "line 1: 'CLASSES = \\(' is hardly a name"),
    ("c.txt", "<html>\n<body>", "line 1: '<html>' is hardly a name"),
    ("c.pbtxt", "item {\n  id: 1\n}", "line 2: 'id: 1' looks like YAML"),
    ("c.md", "| id | name |\n| 0 | sky |", "line 1: .* is hardly a name, as '|'"),
    ("c.txt", "Idx   Ratio  Name\n1     0.1    wall\n2     0.2    sky", "line 2: .* begins with a number"),
    ("c.csv", "name,label\nsky,0\nroad,1", "line 1: the header row must be"),
    ("c.csv", "name,code\nsky,1\nroad,0", "line 2: column 'code' holds numbers, perhaps the mask values"),
    ("c.csv", "name,description\n0,sky\n1,road", "line 2: column 'name' holds numbers"),
    ("c.csv", "name,color\nsky,blue", "line 2: 'blue' is no colour, such as #ff8000"),
    ("c.csv", "name,r,g,b,color\nsky,1,2,3,#010203", "header row must be"),
    ("c.json", '{"0": "#010203", "1": "#040506"}', "ids and colours, and no names"),
    ("c.json", '[{"id": 0, "title": "sky", "name": "x"}]', "class 1: title and name mean the same"),
    ("c.json", '[{"name": "sky", "color": "blue"}]', "class 1: 'blue' is no colour"),
    ("c.json", '{"classes": ["sky"], "labels": ["road"]}', "classes and labels name different classes"),
    ("c.json", '{"classes": ["sky"], "palette": []}', "the palette of 0 is not one colour"),
    ("d.yaml", "data:\n  nc: 3\n  names: [sky, road]", "nc is 3, but there are 2 names"),
    ("c.txt", "0 sky\n1 road", "line 1: .*separate columns by commas, under a header row"),
    ("c.txt", "0: sky\n1: road", "line 1: '0: sky' looks like YAML: call the file .yaml"),
    ("c.txt", "0 1 2 3\n1 4 5 6", "header row"),
    ("c.txt", "0 sky 1 2 3\n1 road 4 5 6", "header row"),
    ("c.txt", "sky 1 2 3\nroad", "line 2: 'road' is not name,r,g,b, as line 1 is"),
    ("c.txt", "0,sky\n1,road\ncar", "line 3: 'car' is not id,name, as line 1 is"),
    ("c.txt", "id,what\n0,sky\n1,road", "line 1: 'id,what' is no header row .* of line 2, '0,sky'"),
    ("c.txt", "road\n0,sky", "line 1: 'road' is no header row"),
    ("c.txt", "sky,1,2,256", "line 1: 'sky' has the colour .*0 to 255"),
    ("c.txt", "sky,1,2,3\n\nroad,4,5,6", "line 2: is empty"),
    ("c.txt", "-1,sky\n0,road", "line 1: '-1' is no whole number"),
    ("c.csv", "sky\nroad", "line 1: the header row must be"),
    ("c.csv", "label\nsky\nroad", "line 1: the header row must be"),
    ("c.csv", "building, edifice\nsky", "line 1: the header row must be"),
    ("c.csv", "name,r,g\nsky,1,2", "header row must be"),
    ("c.csv", "name,name\nsky,x", "header row must be"),
    ("c.csv", "id,idx,name\n0,1,sky", "header row must be"),
    ("c.csv", "name,r,g,b\nsky,1,2,3\n\nroad,4,5,6", "line 3: is empty"),
    ("c.csv", "id,name\n0,sky\n0,road", "line 3: the id 0 appears twice, first at line 2"),
    ("c.csv", "id,name\n0,sky\n1", "line 3: '1' has 1 cells, the header 2"),
    ("c.csv", "id,name\nx,sky", "line 2: 'x' is no whole number"),
    ("c.csv", "id,name\n-1,sky", "line 2: '-1' is no whole number"),
    ("c.csv", "id,name\n70000,sky", "line 2: .*the id 70000"),
    ("c.csv", "name,r,g,b\nsky,1,2,256", "line 2: .*0 to 255"),
    ("c.csv", "id,name\n0,", "line 2: .*has no name"),
    ("c.csv", 'id,name\n0,"sky', "line 2"),
    ("c.json", "", "not a class table.*line 1"),
    ("c.json", "{", "not a class table.*line 1"),
    ("c.json", "sky\nroad", "not a class table.*line 1"),
    ("c.txt", "[sky]\nroad", "not a class table.*line 1"),
    ("c.json", "3", "not a class table"),
    ("c.json", '{"sky": true}', "not a class table"),
    ("c.json", '{"sky": 1.5}', "not a class table"),
    ("c.json", '{"sky": 1, "sky": 2}', "'sky' appears twice"),
    ("c.json", '{"sky": 1, "road": 1}', "key 'road': the id 1 appears twice, first at key 'sky'"),
    ("c.json", '{"sky": 0, "1": "road"}', "not a class table"),
    ("c.json", '{"sky": "road"}', "key 'sky': 'sky' is no whole number"),
    ("c.json", '["sky", "road", "sky"]', "name 3: 'sky' appears twice, first at name 1"),
    ("c.json", '["sky", ""]', "name 2: the class of value 1 has no name"),
    ("c.json", '["sky", null]', "not a class table"),
    ("c.json", '[{"name": "sky", "id": 0}, {"name": "road"}]', "some have none"),
    ("c.json", '[{"name": "sky", "color": [1, 2]}]', "not a class table"),
    ("c.json", "[]", "names no class"),
    ("labelmap.txt", "", "names no class"),
    ("labelmap.txt", "sky\nroad\n", "line 1: 'sky' is not `name:r,g,b:parts:actions`"),
    ("labelmap.txt", "a:1,2\n", "line 1: 'a:1,2' is not `name:r,g,b:parts:actions`"),
    ("labelmap.txt", "# x\na:1,2,3::\nb:1,2,256::\n", "line 3"),
    ("labelmap.txt", "a:1,2,-3::\n", "line 1"),
    ("labelmap.txt", "a:1,2::\n", "line 1"),
    ("labelmap.txt", ":1,2,3::\n", "line 1"),
    ("labelmap.txt", "a:1,2,3::\na:4,5,6::\n", "line 2: 'a' appears twice, first at line 1"),
    ("labelmap.txt", "ignored:224,224,192::\n", "names no class"),
    ("labelmap.txt", "_background_:0,0,0::\nbackground:1,0,0::\n", "line 2: 'background' appears twice"),
    ("c.txt", "# label:color_rgb:parts:actions\nsky\n", "line 2: 'sky' is not `name:r,g,b:parts:actions`"),
    ("c.txt", "sky:1:2:3\nroad:4:5:6", "line 1: 'sky:1:2:3' is not"),
    ("data.yaml", "names: [sky", "not a class table.*line 1"),
    ("data.yaml", "nc: 3\nnames: [sky, road]", "nc is 3, but there are 2 names"),
    ("data.yaml", "names:\n  0: sky\n  0: road\n", "'0' appears twice"),
    ("data.yaml", "names: [0, 1]", "not a class table"),
    ("data.yaml", "a: &a [sky]\nnames: *a", "line 2: an alias is not read"),
    ("data.yaml", "sky\nroad", "not a class table"),
    ("data.yaml", "", "not a class table"),
    ("data.yaml", "- sky\n--- \n- road", "not a class table.*line 2"),
    ("data.yaml", "? [a]\n: 1", "line 1: a key is no text"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD)
def test_what_is_no_class_file(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        table(tmp_path, name, text)
    assert caught.value.problem.file == name
    assert caught.value.problem.code.startswith("classes.")


@pytest.mark.parametrize("data", [b"\xff\xfes\0k\0y\0", b"sky\nr\xe9seau"])
def test_what_is_no_text(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(data)
    with pytest.raises(DataError, match=r"c\.txt: cannot be read: it is not text in UTF-8"):
        read_classes(tmp_path / "c.txt", Receipt())
    with pytest.raises(DataError, match=r"d\.txt: cannot be read: No such file"):
        read_classes(tmp_path / "d.txt", Receipt())
    with pytest.raises(DataError, match=r"^sky,car: cannot be read: there is no such file.* write the names into one"):
        given_classes("sky,car", tmp_path, Receipt())


def test_yaml_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingDependency, match=r"segdata\[train\]"):
        table(tmp_path, "data.yaml", "names: [sky]")


def test_what_is_passed_over_is_noted(tmp_path: Path) -> None:
    receipt = Receipt()
    (tmp_path / "c.csv").write_text("# one\nid,name,seen\n0,sky,9\n# two\n1,road,8\n")
    read_classes(tmp_path / "c.csv", receipt)
    assert receipt.notes == ["c.csv: not read: lines that begin with # (2)", "c.csv: columns not read: seen"]


# Every form and every reader


def of_masks(root: Path) -> dict[str, Any]:
    (root / "masks").mkdir()
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(root / "masks/a.png")
    return {"mask_dir": "masks"}


def of_voc(root: Path) -> dict[str, Any]:
    (root / "SegmentationClass").mkdir()
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(root / "SegmentationClass/a.png")
    return {}


def of_vector(root: Path) -> dict[str, Any]:
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(root / "a.png")
    (root / "a.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    return {"background": "ignore"}


def of_webdataset(root: Path) -> dict[str, Any]:
    data = io.BytesIO()
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(data, "PNG")
    with tarfile.open(root / "a.tar", "w") as tar:
        info = tarfile.TarInfo("a.mask.png")
        info.size = len(data.getvalue())
        tar.addfile(info, io.BytesIO(data.getvalue()))
    return {}


def of_cityscapes(root: Path) -> dict[str, Any]:
    (root / "gtFine/train/c").mkdir(parents=True)
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(root / "gtFine/train/c/a_gtFine_labelIds.png")
    return {}


def of_hf(root: Path) -> dict[str, Any]:
    write_table(root / "a.parquet", [{"image": cell(1), "mask": cell(0)}])
    return {}


def of_yolo(root: Path) -> dict[str, Any]:
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(root / "a.png")
    return {"background": "ignore"}


def of_labelme(root: Path) -> dict[str, Any]:
    (root / "a.json").write_text(
        '{"version": "5.5.0", "shapes": [], "imagePath": "a.png", "imageHeight": 3, "imageWidth": 4}'
    )
    return {"background": "ignore"}


def of_labelmexml(root: Path) -> dict[str, Any]:
    size = "<imagesize><nrows>3</nrows><ncols>4</ncols></imagesize>"
    (root / "a.xml").write_text(f"<annotation><filename>a.png</filename><folder></folder>{size}</annotation>")
    return {"background": "ignore"}


def of_labelstudio(root: Path) -> dict[str, Any]:
    task = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "result": []}]}
    (root / "a.json").write_text(json.dumps([task]))
    return {"background": "ignore"}


def of_cvat(root: Path) -> dict[str, Any]:
    image = '<image id="0" name="a.png" width="4" height="3"></image>'
    (root / "annotations.xml").write_text(f"<annotations><version>1.1</version>{image}</annotations>")
    return {"background": "ignore"}


def of_supervisely(root: Path) -> dict[str, Any]:
    (root / "ds0/ann").mkdir(parents=True)
    (root / "meta.json").write_text('{"classes": [], "tags": [], "projectType": "images"}')
    (root / "ds0/ann/a.png.json").write_text('{"size": {"height": 3, "width": 4}, "tags": [], "objects": []}')
    return {"background": "ignore"}


def of_ade20k(root: Path) -> dict[str, Any]:
    (root / "annotations/training").mkdir(parents=True)
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(root / "annotations/training/a.png")
    return {}


def of_mapillary(root: Path) -> dict[str, Any]:
    (root / "training/labels").mkdir(parents=True)
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(root / "training/labels/a.png")
    return {}


SOURCES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "masks": of_masks,
    "voc": of_voc,
    "vector": of_vector,
    "webdataset": of_webdataset,
    "cityscapes": of_cityscapes,
    "hf": of_hf,
    "labelme": of_labelme,
    "labelmexml": of_labelmexml,
    "labelstudio": of_labelstudio,
    "cvat": of_cvat,
    "supervisely": of_supervisely,
    "ade20k": of_ade20k,
    "mapillary": of_mapillary,
    "yolo": of_yolo,
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """By format a source of one sample, and the options it needs."""
    made = {}
    for format, make in SOURCES.items():
        root = tmp_path_factory.mktemp(format)
        made[format] = (root, make(root))
    return made


def read_all(sources: dict[str, tuple[Path, dict[str, Any]]], classes: Any) -> dict[str, Source]:
    out = {}
    for format, (root, options) in sources.items():
        out[format] = reader(format)(root, images=False, classes=classes, **options)
    return out


def test_every_reader_with_classes_is_here() -> None:
    from segdata.readers import READERS, reader_options

    assert {name for name in READERS if "classes" in reader_options(name)} == SOURCES.keys()


@pytest.mark.parametrize(("name", "text", "expected"), GOOD)
def test_every_form_means_the_same_to_every_reader(
    name: str, text: str, expected: Any, sources: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    names = tuple(name for _, name, _ in expected if name != "ignore")
    colors = [color for _, name, color in expected if color is not None and name != "ignore"]
    for classes in (path, str(path), path.as_uri()):
        for format, source in read_all(sources, classes).items():
            assert source.labels.names in (names, tuple(map(class_name, names))), format
            assert not colors or [label.color for label in source.labels.classes] == colors, format
            assert name in [given.name for given in source.inputs], format


@pytest.mark.parametrize("format", SOURCES)
@pytest.mark.parametrize(("name", "text", "message"), BAD)
def test_every_reader_refuses_what_is_no_class_file(
    format: str, name: str, text: str, message: str, sources: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    root, options = sources[format]
    with pytest.raises(DataError, match=message) as caught:
        reader(format)(root, images=False, classes=path, **options)
    assert caught.value.problem.file == name


@pytest.mark.parametrize("format", SOURCES)
def test_names_given_in_python_and_files_below_the_source(
    format: str, sources: dict[str, tuple[Path, dict[str, Any]]]
) -> None:
    root, options = sources[format]
    assert reader(format)(root, images=False, classes=["sky", "road"], **options).labels.names == ("sky", "road")
    (root / "mine.json").write_text('["sky", "road"]')
    assert reader(format)(root, images=False, classes="mine.json", **options).labels.names == ("sky", "road")
    (root / "mine.json").unlink()
    with pytest.raises(DataError, match="name 2: 'sky' appears twice"):
        reader(format)(root, images=False, classes=["sky", "sky"], **options)
    with pytest.raises(DataError, match=r"nowhere\.txt: cannot be read"):
        reader(format)(root, images=False, classes="nowhere.txt", **options)


@pytest.mark.parametrize("format", ["masks", "voc", "webdataset"])
def test_ids_with_gaps_are_mask_values(
    format: str, sources: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    """A value between them is refused, and `ignore` is no class."""
    (tmp_path / "c.csv").write_text("id,name\n0,sky\n3,road\n7,ignore\n")
    root, _ = sources[format]
    options = {"mask_dir": "masks"} if format == "masks" else {}
    source = reader(format)(root, images=False, classes=tmp_path / "c.csv", **options)
    remap = source.labels.table({0: 0, 1: 1})
    meaning = source.items[0].annotation.meaning  # type: ignore[attr-defined]
    assert {value: meaning.values[value] for value in (0, 3, 7)} == {0: 0, 3: 1, 7: None}
    assert source.items[0].annotation.draw(remap).mask.tolist() == [[0] * 4] * 3
    assert (3, "road", 1) in [(row.source_id, row.name, row.class_id) for row in source.classes]


def test_a_labelmap_and_its_colours_in_masks(tmp_path: Path) -> None:
    """CVAT's export beside folders of images and masks: its comment is no class."""
    for folder, pixels in (("images", [[9, 9]]), ("masks", [[1, 2]]), ("colored", [[(51, 221, 255), (250, 50, 83)]])):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.array(pixels, np.uint8)).save(tmp_path / folder / "a.png")
    labelmap = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:51,221,255::\ncrack:250,50,83::\n"
    (tmp_path / "labelmap.txt").write_text(labelmap)
    (tmp_path / "data.yaml").write_text("names:\n- background\n- road\n- crack\nnc: 3\n")
    for name, mask_dir, colors in (
        ("labelmap.txt", "masks", False), ("data.yaml", "masks", False), ("labelmap.txt", "colored", True),
    ):  # fmt: skip
        out = tmp_path / f"{name}-{colors}"
        options: dict[str, Any] = {"image_dir": "images", "mask_dir": mask_dir, "colors": colors}
        dataset = segdata.convert("masks", tmp_path, out, classes=name, **options)
        assert dataset.labels.names == ("background", "road", "crack")
        assert dataset.read_mask(dataset.samples[0]).tolist() == [[1, 2]]


@pytest.mark.parametrize("name", ["voc.json", "voc.csv"])
@pytest.mark.parametrize("format", ["voc", "webdataset"])
def test_the_samples_by_files_that_are_not_lists(name: str, format: str, samples: Path, tmp_path: Path) -> None:
    """Not one class is shifted."""
    rows = "id,name\n" + "".join(f"{i},{n}\n" for i, n in enumerate(voc.CLASSES))
    (tmp_path / name).write_text(json.dumps(voc.CLASSES) if name.endswith("json") else rows)
    source = reader(format)(samples / format, images=False, classes=tmp_path / name)
    assert source.labels.names == voc.CLASSES
    assert [(row.source_id, row.class_id) for row in source.classes][:21] == [(i, i) for i in range(21)]


# What VOC makes of it


def voc_table(folder: Path, name: str, text: str) -> voc.ClassTable:
    (folder / name).write_text(text, encoding="utf-8")
    return voc.class_table(read_classes(folder / name, Receipt()))


def test_a_labelmap_without_colours_takes_those_of_voc(tmp_path: Path) -> None:
    found = voc_table(tmp_path, "labelmap.txt", "a:::\nb:::\n")
    assert [c.color for c in found.labels.classes] == [voc.voc_color(0), voc.voc_color(1)]


def test_names_follow_the_mask_values(tmp_path: Path) -> None:
    found = voc_table(tmp_path, "labels.txt", "\ufeff__ignore__\n_background_\ntv/monitor\npotted plant\n\n")
    assert found.labels.names == ("background", "tv/monitor", "potted plant")
    assert found.meaning.values == {0: 0, 1: 1, 2: 2, 255: None, 65535: None}
    assert found.classes[0].name == "_background_"


def test_two_classes_of_one_colour_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: 'b' has the colour \(1, 2, 3\), as an earlier class has"):
        voc_table(tmp_path, "labelmap.txt", "a:1,2,3::\nb:1,2,3::\n")
    with pytest.raises(DataError, match=r"line 3: 'b' has the colour .*, as VOC's void has"):
        voc_table(tmp_path, "c.csv", "name,r,g,b\na,1,2,3\nb,224,224,192\n")


# Anything at all


CELLS = st.text(st.sampled_from('sky,;\t"\n\r019-#:{}[]\x00é '), max_size=24)
FILES = st.sampled_from(["c.txt", "c.csv", "c.json", "c.yaml", "labelmap.txt"])
LINES = st.lists(
    st.text(st.characters(codec="utf-8"), max_size=60)
    | st.sampled_from(["a:1,2,3::", "b:::", "a:9,9,9:x,y:z", "# c", "__ignore__", "_background_", "", "names: [a]"]),
    max_size=6,
).map("\n".join)


@pytest.mark.slow
@settings(max_examples=40)  # YAML is slow
@given(FILES, CELLS | st.text(st.characters(codec="utf-8"), max_size=30) | CELLS.map(lambda t: f"id,name\n{t}") | LINES)
@example("c.csv", 'id,name\n0,"')
@example("c.json", "[" * 100_000)
@example("c.yaml", "[" * 10_000)
@example("c.csv", "name,id\x00\n")
@example("labelmap.txt", "x:١,٢,٣::")
@example("labelmap.txt", f"x:{'9' * 5000},1,1::")
@example("labelmap.txt", "\ud7ff:1,2,3::\r\n\x85")
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, name: str, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_text(text, encoding="utf-8", newline="")
    refused = None
    try:
        entries = read_classes(path, Receipt())
        found = voc.class_table(entries)
    except DataError as error:
        refused = error.problem
    if refused is not None:
        assert refused.code.startswith("classes.")
        return
    assert len({e.value for e in entries}) == len(entries)
    assert [e.value for e in entries] == sorted(e.value for e in entries)
    assert all(e.name and 0 <= e.value <= 65535 for e in entries)
    assert {c.class_id for c in found.classes} - {None} == set(range(len(found.labels.classes)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["a", "b", "1", ""]),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.sampled_from(["name", "id", "color", "1", "names"]), parts),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_any_data_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    for name, text in (("any.json", json.dumps(data)), ("any.yaml", yaml.safe_dump(data))):
        path = tmp_path_factory.getbasetemp() / name
        path.write_text(text)
        refused = None
        try:
            assert read_classes(path, Receipt())
        except DataError as error:
            refused = error.problem
        assert refused is None or refused.file == name


# Round trips


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12).map(str.strip)
NAMES = WORDS.filter(lambda n: n and n.lower() not in ("ignore", "__ignore__", "_background_"))
RGBS = st.tuples(*[st.integers(0, 255)] * 3).filter(lambda color: color != VOC_VOID)
CLASSES = st.lists(
    st.tuples(st.integers(0, 65535), NAMES, RGBS), min_size=1, max_size=12, unique_by=(lambda c: c[0], lambda c: c[1])
)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


WRITERS: dict[str, tuple[str, bool, bool, Callable[[list[tuple[int, str, RGB]]], str]]] = {
    "id,name": ("c.csv", True, False, lambda t: "id,name\n" + "".join(f"{i},{quoted(n)}\n" for i, n, _ in t)),
    "id;name;r;g;b": (
        "c.csv", True, True, lambda t: "id;name;r;g;b\n" + "".join(f"{i};{quoted(n)};{r};{g};{b}\n" for i, n, (r, g, b) in t),
    ),
    "name,r,g,b": (
        "c.csv", False, True, lambda t: "name,r,g,b\r\n" + "".join(f"{quoted(n)},{r},{g},{b}\r\n" for _, n, (r, g, b) in t),
    ),
    "{id: name}": ("c.json", True, False, lambda t: json.dumps({str(i): n for i, n, _ in t})),
    "{name: id}": ("c.json", True, False, lambda t: json.dumps({n: i for i, n, _ in t})),
    "[name]": ("c.json", False, False, lambda t: json.dumps([n for _, n, _ in t])),
    "[{id, name, color}]": (
        "c.json", True, True, lambda t: json.dumps([{"id": i, "name": n, "color": c} for i, n, c in t]),
    ),
    "yaml list": ("c.yaml", False, False, lambda t: yaml.safe_dump({"names": [n for _, n, _ in t]}, allow_unicode=True)),
    "yaml map": ("c.yaml", True, False, lambda t: yaml.safe_dump({"names": {i: n for i, n, _ in t}, "nc": len(t)})),
}  # fmt: skip


@pytest.mark.parametrize("form", WRITERS)
@given(CLASSES)
def test_round_trips(tmp_path_factory: pytest.TempPathFactory, form: str, classes: list[tuple[int, str, RGB]]) -> None:
    name, has_ids, has_colors, write = WRITERS[form]
    expected = [(i if has_ids else at, n, c if has_colors else None) for at, (i, n, c) in enumerate(classes)]
    assert table(tmp_path_factory.getbasetemp(), name, write(classes)) == sorted(expected)


@pytest.mark.parametrize(
    "text",
    [
        "name id\nbackground 0\ncrack 2\nroad 1\n", "Class Value\nbackground 0\nroad 1\n",
        "crack 2 250 50 83\nroad 1 51 221 255\n", "crack\t2 250 50 83\nroad\t1 51 221 255\n",
        "background 0.0 0.0 0.0\nroad 0.2 0.8 1.0\n",
        "2_crack\n1_road\n", "2-crack\n1-road\n", "(2) crack\n(1) road\n", "２，crack\n１，road\n", "２ crack\n１ road\n",
        "CLASS_NAMES\nroad\ncrack\n", "Class name\nroad\ncrack\n", "category\nroad\ncrack\n", "2\nroad\ncrack\n",
        "// names\nroad\ncrack\n", "; names\nroad\ncrack\n", "% names\nroad\ncrack\n", "• road\n• crack\n",
    ],
)  # fmt: skip
def test_tables_that_would_shift_names_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"names as they stand|if these are names|write the names as a JSON list"):
        table(tmp_path, "c.txt", text)


@pytest.mark.parametrize(
    "names",
    [["background", "road 1"], ["road", "lane 1", "lane 2"], ["0", "1", "2"], ["car", "3-wheeler", "2_wheeler"]],
)
def test_names_with_numbers_are_names(names: list[str], tmp_path: Path) -> None:
    assert [name for _, name, _ in table(tmp_path, "c.txt", "\n".join(names))] == names


@given(st.lists(st.tuples(NAMES, RGBS), min_size=1, max_size=30, unique_by=lambda e: e[0]))
def test_labelmaps_and_names_round_trip(
    tmp_path_factory: pytest.TempPathFactory, classes: list[tuple[str, RGB]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    assume(
        not any(
            set(name) & set(":,;\t#[]{}<>|=\"'") or name[0] in "-*/%(•·–—" or name[0].isdigit() for name, _ in classes
        )
    )
    labelmap = "".join(f"{name}:{r},{g},{b}::\n" for name, (r, g, b) in classes)
    assert table(folder, "labelmap.txt", labelmap) == [(i, n, c) for i, (n, c) in enumerate(classes)]
    names = [name for name, _ in classes]
    assume(class_cells.plain(names[0]) not in class_names.HEADINGS)
    assume(not any(name[-1].isdigit() for name in names))
    found = table(folder, "c.txt", "\n".join(["__ignore__", *names, ""]))
    assert found == [(i, name, None) for i, name in enumerate(names)]


def test_the_table_beside_masks_of_v7_is_read(tmp_path: Path) -> None:
    """As darwin-py 3.6 writes class_mapping.csv."""
    path = tmp_path / "class_mapping.csv"
    path.write_text("class_name,class_color\n__background__,0 0 0\ncar,255 50 50\n")
    assert [(entry.value, entry.source_name, entry.color) for entry in read_classes(path, Receipt())] == [
        (0, "__background__", (0, 0, 0)),
        (1, "car", (255, 50, 50)),
    ]
