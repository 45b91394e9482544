"""What trials found about class files, mask values and containers: each input as a user gives it, and the right pixels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from segdata.cli import main

TRIALS = Path(__file__).resolve().parents[3] / "shared/trials/conversion"


def trial(name: str) -> Path:
    """A trial's input; the test is skipped if it is absent."""
    if not (TRIALS / name).exists():
        pytest.skip("the trials in ../shared/trials are not here")
    return TRIALS / name


def convert(*arguments: Any, code: int = 0) -> str:
    """`segdata convert` with these arguments; what it says."""
    result = CliRunner().invoke(main, ["convert", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


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
    what = "(51, 221, 255)" if without == "label_colors.txt" else "every pixel of 3 frames looked at is void"
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
