"""Parquet of the `datasets` library: what it gives itself, which columns, splits and classes count, and what is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata
from parquet_files import IMAGE, LABELS, cell, png, write_table
from reader_samples import reader_sample
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.readers.detect import detect
from segdata.readers.hf.reader import fits, read
from segdata.readers.hf.tables import split_of

GOLDEN = Path(__file__).parent / "golden/hf"
NAMES = ["sky", "road", "car"]
BOTH = {"image": IMAGE, "mask": IMAGE}


def row(value: int, **more: Any) -> dict[str, Any]:
    """An image, and a mask of 2 x 3 pixels of a value."""
    return {"image": cell(9), "mask": cell([[value] * 3] * 2), **more}


def told(source: Any) -> list[tuple[str, str | None]]:
    """Ids and splits."""
    return [(item.id, item.split) for item in source.items]


@pytest.mark.parametrize("kind", ["palette", "numbers"])
def test_masks_and_sizes_are_those_of_the_library(kind: str, tmp_path: Path) -> None:
    options = {} if kind == "numbers" else {"classes": list("abcde")}
    dataset = segdata.convert("hf", GOLDEN / kind, tmp_path / "d", **options)
    sizes = json.loads((GOLDEN / kind / "masks/sizes.json").read_text())
    assert {sample.id for sample in dataset} == sizes.keys()
    for sample in dataset:
        truth = np.asarray(Image.open(GOLDEN / kind / f"masks/{sample.id}.png"))
        assert np.array_equal(dataset.read_mask(sample), truth), sample.id
        assert list(dataset.read_image(sample).shape[:2]) == sizes[sample.id]
    assert dataset.labels.names == tuple("abcde")


def test_images_are_the_cells_and_copies_are_their_bytes(tmp_path: Path) -> None:
    root, _ = reader_sample("hf", tmp_path)
    cells = segdata.convert("hf", root, tmp_path / "cells", images="reference")
    files = segdata.convert("hf", root, tmp_path / "files", images="copy")
    for one, other in zip(cells, files, strict=True):
        assert ".parquet#image:" in (one.image or "")
        assert (other.image or "").endswith(f"{other.id}.jpg")
        assert np.array_equal(cells.read_image(one), files.read_image(other))
        assert np.array_equal(cells.read_mask(one), files.read_mask(other))
    with pytest.raises(DataError, match="no link leads into a table"):
        segdata.convert("hf", root, tmp_path / "links", images="link")


# Columns


@pytest.mark.parametrize(
    ("columns", "image", "mask"),
    [
        (["image", "mask"], "image", "mask"),
        (["pixel_values", "label"], "pixel_values", "label"),
        (["image", "annotation", "depth"], "image", "annotation"),
        (["image", "semantic_segmentation"], "image", "semantic_segmentation"),
        (["rendered", "mask"], "rendered", "mask"),
        (["photo", "x_gt"], "photo", "x_gt"),
    ],
)
def test_columns_are_told_by_their_names(columns: Sequence[str], image: str, mask: str, tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", [{**{name: cell(1) for name in columns}, "label_text": "x", "n": 3}])
    options = read(tmp_path, classes=NAMES).options
    assert (options["image_column"], options["mask_column"]) == (image, mask)
    assert fits(tmp_path) is None


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["image"], "no column holds masks, but there are image (file), n"),
        (
            ["image", "mask", "seg"],
            "which column holds the masks is not plain: --mask-column mask or --mask-column seg",
        ),
        (["image", "depth"], "which column holds the masks is not plain: --mask-column depth"),
        (["a", "b"], "which column holds the masks is not plain: --mask-column a or --mask-column b"),
        (["a", "b", "mask"], "which column holds the images is not plain: --image-column a or --image-column b"),
        ([], "no column holds masks, but there are n"),
    ],
)
def test_columns_that_are_not_plain_are_refused_with_what_names_them(
    columns: Sequence[str], message: str, tmp_path: Path
) -> None:
    write_table(tmp_path / "a.parquet", [{**{name: cell(1) for name in columns}, "n": 3}])
    with pytest.raises(DataError) as caught:
        read(tmp_path, classes=NAMES)
    assert message in str(caught.value)
    assert message in (fits(tmp_path) or "")
    if "plain" in message:
        option, name = message.split()[-2][2:].replace("-", "_"), message.split()[-1]
        assert read(tmp_path, classes=NAMES, **{"image_column": columns[0], option: name}).items
        assert detect(tmp_path).format is None


def test_options_that_name_no_column(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", [row(1, n=3)])
    for options in ({"mask_column": "n"}, {"image_column": "other"}, {"image_column": "n"}):
        with pytest.raises(OptionError, match=r"image, mask|both mask|plain"):
            read(tmp_path, classes=NAMES, **options)


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", [row(1)])
    write_table(tmp_path / "b.parquet", [{"picture": cell(1), "mask": cell(1)}])
    with pytest.raises(DataError, match=r"b\.parquet: has no such column image as the tables before it"):
        read(tmp_path, classes=NAMES)


def test_masks_alone_need_no_images(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", [{"mask": png([[0, 2]])}])
    assert [item.image for item in read(tmp_path, classes=NAMES, images=False).items] == [None]


# Splits


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("data/train-00000-of-00001.parquet", "train"),
        ("data/validation_matched-00003-of-00010.parquet", "validation_matched"),
        ("set-train-00000-of-00002.parquet", "train"),
        ("train.parquet", "train"),
        ("my_val.parquet", "validation"),
        ("default/test/0000.parquet", "test"),
        ("eval-2/0000.parquet", "test"),
        ("trainer/0000.parquet", None),
        ("0000.parquet", None),
    ],
)
def test_splits_are_told_as_the_library_tells_them(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_rows_are_numbered_by_split(tmp_path: Path) -> None:
    for name, count in (("train-00001-of-00002", 2), ("train-00000-of-00002", 3), ("test-00000-of-00001", 1)):
        write_table(tmp_path / f"data/{name}.parquet", [row(count % 3) for _ in range(count)])
    source = read(tmp_path, classes=NAMES)
    assert told(source) == [("test/000000", "test"), *((f"train/{i:06d}", "train") for i in range(5))]
    assert "train-00001-of-00002.parquet#image:1.png" in str(source.items[-1].image)
    assert told(read(tmp_path, classes=NAMES, split="test")) == [("test/000000", "test")]
    assert told(read(tmp_path / "data/train-00001-of-00002.parquet", classes=NAMES))[0] == ("train/000000", "train")
    with pytest.raises(OptionError, match="no split 'dev': there are test, train"):
        read(tmp_path, classes=NAMES, split="dev")


def declare(root: Path, configs: str) -> None:
    """The head of a README.md."""
    (root / "README.md").write_text(f"---\nlicense: mit\nconfigs:\n{configs}---\n# A set\n")


def test_the_readme_declares_configurations(tmp_path: Path) -> None:
    for name in ("large/train-0.parquet", "small/a/b.parquet", "small/c.parquet", "old/train.parquet"):
        write_table(tmp_path / name, [row(1)])
    parts = "- config_name: large\n  data_files:\n  - split: fit\n    path: large/train-*\n"
    parts += "- config_name: small\n  data_files: {fit: [small/**], held: 'old/*.parquet'}\n"
    declare(tmp_path, parts)
    with pytest.raises(OptionError, match="several configurations: --subset large or small"):
        read(tmp_path, classes=NAMES)
    assert told(read(tmp_path, classes=NAMES, subset="large")) == [("fit/000000", "fit")]
    small = [("fit/000000", "fit"), ("fit/000001", "fit"), ("held/000000", "held")]
    assert told(read(tmp_path, classes=NAMES, subset="small")) == small
    with pytest.raises(OptionError, match=r"--subset x: README\.md declares large, small"):
        read(tmp_path, classes=NAMES, subset="x")
    declare(tmp_path, parts + "  default: true\n")
    assert told(read(tmp_path, classes=NAMES)) == small
    declare(tmp_path, parts.replace("small", "default"))
    with pytest.raises(DataError, match=r"no file \.parquet is 'default/\*\*'"):
        read(tmp_path, classes=NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "- 3\n",
        "  a: 1\n",
        "- config_name: [\n",
        "- data_files: 3\n",
        "- data_files: ['../*']\n",
        "- data_files: {a: [1]}\n",
    ],
)
def test_a_readme_that_declares_nonsense_is_one_error(text: str, tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", [row(1)])
    declare(tmp_path, text)
    with pytest.raises(DataError, match=r"README\.md: .* \[hf\.readme\]"):
        read(tmp_path, classes=NAMES)


# Classes


def test_classes_that_a_column_lists_are_taken_if_masks_bear_it_out(tmp_path: Path) -> None:
    features = {**BOTH, "present": LABELS, "kind": LABELS["feature"]}
    rows = [row(0, present=[0], kind=1), row(2, present=[2, 1], kind=2), row(255, present=[1], kind=0)]
    write_table(tmp_path / "a.parquet", rows[:2], features)
    assert read(tmp_path).labels.names == tuple(NAMES)
    write_table(tmp_path / "a.parquet", rows, features)
    assert read(tmp_path, values=["255=ignore"]).labels.names == tuple(NAMES)
    write_table(tmp_path / "a.parquet", [row(1, present=[0], kind=1), row(2, present=[1], kind=1)], features)
    with pytest.raises(DataError, match="no class is declared"):  # they count from 1
        read(tmp_path)


def test_the_class_of_a_whole_image_is_none_of_its_pixels(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", [row(1, kind=1)], {**BOTH, "kind": LABELS["feature"]})
    with pytest.raises(DataError, match="no class is declared"):
        read(tmp_path)


def test_classes_of_a_struct_of_objects(tmp_path: Path) -> None:
    objects = {"_type": "Sequence", "feature": {"category": {"_type": "ClassLabel", "names": NAMES}, "area": {}}}
    write_table(tmp_path / "a.parquet", [row(1, objects={"category": [1], "area": [6]})], {**BOTH, "objects": objects})
    source = read(tmp_path)
    assert source.labels.names == tuple(NAMES)
    assert source.receipt.notes[0] == "classes are those that the features have for objects.category"


def test_classes_of_id2label_beside_win_over_features(tmp_path: Path) -> None:
    write_table(tmp_path / "data/a.parquet", [row(1, present=[1])], {**BOTH, "present": LABELS})
    (tmp_path / "id2label.json").write_text('{"0": "a", "1": "b"}')
    for root in (tmp_path, tmp_path / "data"):
        assert read(root).labels.names == ("a", "b")
        assert read(root, classes=NAMES).labels.names == tuple(NAMES)


def test_values_colors_and_brightness(tmp_path: Path) -> None:
    write_table(tmp_path / "grey.parquet", [row(0), row(255)])
    assert read(tmp_path, values=["0=background", "255=cell"]).labels.names == ("background", "cell")
    assert len(read(tmp_path, threshold=128).labels.names) == 2
    with pytest.raises(OptionError, match="--threshold and --values exclude each other"):
        read(tmp_path, threshold=128, values=["0=a"])
    red = {"bytes": png(np.full((2, 3, 3), (255, 0, 0))), "path": None}
    write_table(tmp_path / "grey.parquet", [{"image": cell(9), "mask": red}])
    dataset = segdata.convert("hf", tmp_path, tmp_path / "d", colors=True, values=["255,0,0=car"])
    assert dataset.labels.names == ("car",)


def test_ways_out_that_are_told_run(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", [row(0), row(3)])
    with pytest.raises(DataError, match=r"--values 3=ignore .* or --offset -1 if 0 does"):
        read(tmp_path, classes=NAMES)
    assert read(tmp_path, classes=NAMES, offset=-1).items
    assert read(tmp_path, classes=NAMES, values=["3=ignore"]).items
    noise = np.random.default_rng(1).integers(0, 256, (40, 60))
    write_table(tmp_path / "a.parquet", [{"image": cell(1), "mask": cell(noise.tolist()), "true_labels": cell(2)}])
    with pytest.raises(DataError, match="--mask-column mask or --mask-column true_labels"):
        read(tmp_path, classes=NAMES)
    with pytest.raises(DataError, match=r"like a photograph and not like labels.*--mask-column NAME"):
        read(tmp_path, classes=NAMES, mask_column="mask", image_column="image")
    assert read(tmp_path, classes=NAMES, mask_column="true_labels", image_column="image").items


# Masks of numbers


def test_masks_of_numbers_are_found_by_features_or_an_option(tmp_path: Path) -> None:
    rows = [{"image": cell(9), "mask": [[0, 1, 2], [2, 2, 1]], "polygons": [[1, 2], [3, 4]]}]
    write_table(tmp_path / "a.parquet", rows)
    with pytest.raises(DataError, match="no column holds masks"):
        read(tmp_path, classes=NAMES, image_column="image")
    for features in (None, {"image": IMAGE, "mask": {"_type": "Array2D", "shape": [2, 3], "dtype": "int64"}}):
        write_table(tmp_path / "a.parquet", rows, features)
        options = {} if features else {"mask_column": "mask"}
        dataset = segdata.convert("hf", tmp_path, tmp_path / "d", overwrite=True, classes=NAMES, **options)
        assert dataset.read_mask(next(iter(dataset))).tolist() == rows[0]["mask"]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([[0, 1, 7], [0, 0, 0]], "values that no class is declared for: 7"),
        ([[0, -1, 1], [0, 0, 0]], "holds numbers from -1 to 1"),
        ([[0, 1], [0, 0, 0]], "rows of different lengths"),
        ([[0, None, 1], [0, 0, 0]], "no numbers in column mask, or not in all places"),
        ([], "holds no number"),
        (None, "no numbers"),
    ],
)
def test_numbers_that_are_no_mask_name_the_row(mask: Any, message: str, tmp_path: Path) -> None:
    feature = {"_type": "List", "feature": LABELS}
    rows = [{"image": cell(9), "mask": [[0, 1, 2]] * 2}, {"image": cell(9), "mask": mask}]
    write_table(tmp_path / "a.parquet", rows, {"image": IMAGE, "mask": feature})
    with pytest.raises(DataError) as caught:
        segdata.convert("hf", tmp_path, tmp_path / "d")
    assert message in str(caught.value)
    assert "a.parquet#mask:1: 000001: " in str(caught.value)
    dataset = segdata.convert("hf", tmp_path, tmp_path / "d", run=segdata.Run(report=Report("skip")))
    assert [sample.id for sample in dataset] == ["000000"]


# What is missing


def test_empty_cells_are_reported_and_files_elsewhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    Image.new("RGB", (3, 2)).save(tmp_path / "far/x.jpg")
    far = {"bytes": None, "path": "C:\\cache\\far\\x.jpg"}
    gone = {"bytes": None, "path": "/cache/y.jpg"}
    rows = [row(0), {"image": far, "mask": cell(1)}, {"image": None, "mask": cell(1)}, {"image": cell(1), "mask": None},
            {"image": gone, "mask": cell(1)}]  # fmt: skip
    write_table(tmp_path / "a.parquet", rows)
    with pytest.raises(DataError, match=r"a\.parquet: 000002: row 2 has nothing in column image"):
        read(tmp_path, classes=NAMES)
    dataset = segdata.convert("hf", tmp_path, tmp_path / "d", classes=NAMES, run=segdata.Run(report=Report("skip")))
    assert [sample.image for sample in dataset] == ["../a.parquet#image:0.png", "../far/x.jpg"]
    receipt = dataset.read_receipt()
    assert receipt["images"] == {"in": 5, "converted": 2, "skipped": 3}
    assert [line["code"] for line in receipt["skipped_images"]] == ["hf.empty", "hf.empty", "image.missing"]
    assert read(tmp_path, classes=NAMES, image_dir=tmp_path / "far", report=Report("skip")).items[1].image


def test_what_is_no_such_set(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_table(tmp_path / "rows/a.parquet", [row(1)])
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(tmp_path / "rows/a.parquet").slice(0, 0), tmp_path / "rows/a.parquet")
    for name, code in (("none", "source.missing"), ("empty", "hf.none"), ("rows", "hf.none")):
        with pytest.raises(DataError) as caught:
            read(tmp_path / name, classes=NAMES)
        assert caught.value.problem.code == code
    with pytest.raises(OptionError, match="copy it here first"):
        read("s3://bucket/set", classes=NAMES)


def test_damage_is_one_error_whatever_it_is(tmp_path: Path) -> None:
    rng = random.Random(11)
    file = write_table(
        tmp_path / "src/a.parquet", [row(i % 3, present=[i % 3]) for i in range(6)], {**BOTH, "present": LABELS}
    )
    whole = file.read_bytes()
    for number in range(60):
        data = bytearray(whole)
        if number % 2:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256) if data else 0
        file.write_bytes(data)
        run = segdata.Run(report=Report("skip"))
        try:
            segdata.convert("hf", tmp_path / "src", tmp_path / "d", run=run, overwrite=True)
        except SegdataError as error:
            text = str(error)
        else:
            continue
        assert "a.parquet" in text or "--classes" in text


def test_shards_that_are_missing_are_told(tmp_path: Path) -> None:
    for i in (0, 2):
        write_table(tmp_path / f"s/data/train-{i:05}-of-00003.parquet", [row(0)], BOTH)
    (warning,) = read(tmp_path / "s", classes=NAMES).receipt.warnings
    assert "train-*: 2 of 3 files are there" in warning
    assert not read(tmp_path / "s/data/train-00000-of-00003.parquet", classes=NAMES).receipt.warnings


def test_numbers_without_features_are_pointed_to(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = pa.array([[[0, 1], [2, 0]]], pa.list_(pa.list_(pa.int64())))
    image = pa.array([cell(9)], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pq.write_table(pa.table({"image": image, "mask": numbers}), tmp_path / "train.parquet")
    with pytest.raises(DataError, match="--mask-column mask"):
        read(tmp_path, classes=NAMES)
    assert len(read(tmp_path, classes=NAMES, mask_column="mask").items) == 1
