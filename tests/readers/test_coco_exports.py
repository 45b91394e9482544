"""COCO as annotation tools export it: read as pycocotools reads it, with the option that each needs, and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as rle_tools

import segdata
from segdata.errors import DataError
from segdata.readers.detect import detect

GOLDEN = Path(__file__).parent / "golden/coco_exports"
TOOLS: dict[str, tuple[str, dict[str, str]]] = {
    "labelme2coco": (".", {}),
    "v7": (".", {"crowd": "class"}),
    "superannotate": (".", {}),
    "supervisely": ("ds0", {}),
    "labelstudio": (".", {"image_match": "name"}),
}
"""The folder of the set, and what must be said of it."""


def truth(file: Path, names: dict[str, int]) -> NDArray[np.uint8]:
    """(H, W): the annotations of the only image as pycocotools decodes them, the smaller above the larger."""
    content = json.loads(file.read_text())
    (image,) = content["images"]
    size = image["height"], image["width"]
    named = {category["id"]: category["name"] for category in content["categories"]}
    mask = np.zeros(size, np.uint8)
    shapes = []
    for one in content["annotations"]:
        part: Any = one["segmentation"]
        runs = rle_tools.frPyObjects(part, *size)
        shapes.append(
            (rle_tools.decode(rle_tools.merge(runs) if isinstance(part, list) else runs), named[one["category_id"]])
        )
    for pixels, name in sorted(shapes, key=lambda shape: -int(shape[0].sum())):
        mask[pixels > 0] = names.get(name, 255)
    return mask


@pytest.mark.parametrize("tool", TOOLS)
def test_an_export_is_read_as_pycocotools_reads_it(tool: str, tmp_path: Path) -> None:
    folder, options = TOOLS[tool]
    root = GOLDEN / tool / folder
    assert detect(root).format == "coco"
    dataset = segdata.convert("coco", root, tmp_path / "d", **options)
    assert set(dataset.labels.names) == {"background", "car", "lake", "tree"}
    file = next(path for path in root.rglob("*.json") if "annotations" in json.loads(path.read_text()))
    expected = truth(file, {name: i for i, name in enumerate(dataset.labels.names)})
    assert np.array_equal(dataset.read_mask(next(iter(dataset))), expected)
    assert {1, 2, 3} <= set(np.unique(expected).tolist())
    assert (255 in expected) == (tool == "labelme2coco")  # labelme's __ignore__


def test_what_an_export_needs_is_told() -> None:
    with pytest.raises(DataError, match=r"a\.png is there as .*images/a\.png: give --image-match name"):
        segdata.readers.reader("coco")(GOLDEN / "labelstudio")
    source = segdata.readers.reader("coco")(GOLDEN / "v7")
    assert source.receipt.warnings == [
        "1 of 3 annotations (33.3 %) have iscrowd 1 and are ignored; CVAT, Datumaro and V7 write masks so: "
        "give --crowd class if they are objects"
    ]
    assert "supervisely/ds0 (coco): give that folder" in (detect(GOLDEN / "supervisely").hint or "")


def test_fiftyone_writes_labels_json_beside_data(tmp_path: Path) -> None:
    """As fiftyone/utils/coco.py exports: null licences and supercategories, attributes among the keys, no iscrowd."""
    (tmp_path / "data").mkdir()
    Image.new("RGB", (6, 4)).save(tmp_path / "data/a.png")
    image = {"id": 1, "file_name": "a.png", "height": 4, "width": 6, "license": None, "coco_url": None}
    square = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [1, 1, 3, 2], "area": 6, "score": None, "truncated": False,
              "segmentation": [[1.0, 1.0, 4.0, 1.0, 4.0, 3.0, 1.0, 3.0]]}  # fmt: skip
    info = {"year": "", "version": "", "description": "", "contributor": "", "url": "https://voxel51.com/fiftyone"}
    content = {"info": info, "licenses": [], "categories": [{"id": 0, "name": "cat", "supercategory": None}],
               "images": [image], "annotations": [square]}  # fmt: skip
    (tmp_path / "labels.json").write_text(json.dumps(content))
    assert detect(tmp_path).format == "coco"
    dataset = segdata.convert("coco", tmp_path, tmp_path / "d")
    assert int((dataset.read_mask(next(iter(dataset))) == 1).sum()) == 6
