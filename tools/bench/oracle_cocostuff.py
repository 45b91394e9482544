"""What MMSegmentation's converters make of COCO-Stuff: train ids of maps (164k) and of MAT files (10k), less one for the latter.

    build/bench/mmsegmentation/bin/python tools/bench/oracle_cocostuff.py SRC OUT

SRC is laid out as the converters want it: annotations/ and images/, of the 10k set with imageLists/. OUT/<split>/<name>.png are
(H, W) train ids from 0 on, 255 for unlabelled; OUT/names.json are MMSegmentation's classes. It runs in the environment
`mmsegmentation` of peers.sh.
"""

from __future__ import annotations

import ast
import json
import runpy
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SPLITS = {"train2017": "train", "val2017": "val", "train2014": "train", "test2014": "test"}


def main() -> None:
    """Convert SRC, and read the converted masks."""
    spec = find_spec("mmseg")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    source, out, folder = Path(sys.argv[1]), Path(sys.argv[2]), Path(tempfile.mkdtemp())
    is_10k = (source / "imageLists").is_dir()
    name = "coco_stuff10k" if is_10k else "coco_stuff164k"
    convert = runpy.run_path(str(package / f".mim/tools/dataset_converters/{name}.py"))
    for part in SPLITS:
        (folder / part).mkdir()
    (convert_10k if is_10k else convert_164k)(source, folder, convert)
    for path in folder.rglob("*_labelTrainIds.png"):
        ids = np.array(Image.open(path))
        ids = np.where(ids == 0, 255, ids - 1) if is_10k else ids  # reduce_zero_label=True of its configuration
        there = out / SPLITS[path.parent.name] / f"{path.name.removesuffix('_labelTrainIds.png')}.png"
        there.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids.astype(np.uint8)).save(there)
    (out / "names.json").write_text(json.dumps(classes_of(package / "datasets/coco_stuff.py")))


def convert_164k(source: Path, folder: Path, convert: dict[str, Any]) -> None:
    """The train ids of every map."""
    for part in ("train2017", "val2017"):
        for path in (source / "annotations" / part).glob("*.png"):
            convert["convert_to_trainID"](str(path), str(folder), part == "train2017")


def convert_10k(source: Path, folder: Path, convert: dict[str, Any]) -> None:
    """The train ids of every MAT file that the lists name."""
    for names, is_train in zip(convert["generate_coco_list"](str(source)), (True, False), strict=True):
        for pair in names:
            places = (str(source / "images"), str(source / "annotations"), str(folder), str(folder))
            convert["convert_to_trainID"](pair, *places, is_train)


def classes_of(path: Path) -> list[str]:
    """The classes that its data set names; importing it would want operators of mmcv that are compiled."""
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "classes"]
    return list(ast.literal_eval(calls[0].value))


if __name__ == "__main__":
    main()
