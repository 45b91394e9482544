"""Exports to Parquet: they come back pixel by pixel, are what the `datasets` library declares, and stay flat in memory."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import segdata
from carry_files import contents, make, random_masks
from croissant_rules import issues
from drawn_masks import ODD_NAMES, drawn_sets, same_pixels
from segdata import DataError, Dataset, OptionError, Report, Run
from segdata.files.places import copy_file, files_below, place
from segdata.files.tables import GROUP, ROWS, TableWriter
from segdata.files.tiff import encode_tiff
from segdata.labels import class_name
from segdata.writers.hf import name_rows

NAMES = tuple({class_name(name): name for name in ODD_NAMES}.values())
"""Those that class files tell apart."""

THREE = {
    **random_masks(5, prefix="train/"),
    **random_masks(2, prefix="val/v", seed=1),
    **random_masks(1, prefix="test/a/"),
}


def export(dataset: Dataset, out: Path, **options: Any) -> dict[str, Any]:
    """Export, and return the receipt."""
    return segdata.export("hf", dataset, out, **options).to_json()


def expected_ids(dataset: Dataset) -> dict[str, str]:
    """The id of each sample once it has come back: its own, below its split."""
    return {
        one.sample.id: one.sample.id
        if one.split is None
        else f"{one.split}/{one.sample.id.removeprefix(f'{one.split}/')}"
        for one in name_rows(dataset)
    }


def drawn_rows(drawn: tuple[list[str], dict[str, Any]]) -> tuple[list[str], dict[str, Any]]:
    """The same without ids that are others but for case: what comes back is called otherwise then."""
    names, masks = drawn
    return names, {id: masks[id] for id in {id.casefold(): id for id in masks}.values()}


def rows(out: Path) -> list[dict[str, Any]]:
    """All rows, in order of the files."""
    return [row for path in sorted(out.glob("data/*.parquet")) for row in pq.read_table(path).to_pylist()]


def features(path: Path) -> Any:
    """The features that a file declares."""
    return json.loads(pq.read_schema(path).metadata[b"huggingface"])["info"]["features"]


@pytest.mark.slow
@settings(max_examples=50)
@given(drawn=drawn_sets(most=300, names=NAMES), with_images=st.booleans(), shard=st.sampled_from([None, 1, 2]))
def test_masks_come_back(
    tmp_path_factory: pytest.TempPathFactory, drawn: Any, with_images: bool, shard: int | None
) -> None:
    names, masks = drawn_rows(drawn)
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names, images="reference" if with_images else "none")
    export(dataset, root / "out", images="copy" if with_images else "none", samples_per_shard=shard)
    back = segdata.convert("auto", root / "out", root / "back", allow_empty=True)
    same_pixels(back, dataset, expected_ids(dataset))
    for sample in dataset if with_images else ():
        here = back.sample(expected_ids(dataset)[sample.id])
        np.testing.assert_array_equal(back.read_image(here), dataset.read_image(sample))


@pytest.mark.slow
@settings(max_examples=30)
@given(drawn=drawn_sets(most=300, names=NAMES))
def test_without_the_contract_classes_come_back_by_value(tmp_path_factory: pytest.TempPathFactory, drawn: Any) -> None:
    names, masks = drawn_rows(drawn)
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names)
    export(dataset, root / "out", images="none")
    (root / "out/segdata.json").unlink()
    how: dict[str, Any] = {"images": "none", "values": {dataset.labels.ignore: "ignore"}, "id_column": "id"}
    back = segdata.convert("hf", root / "out", root / "back", allow_empty=True, **how)
    assert back.labels.names == dataset.labels.names
    for sample in dataset:
        found = back.read_mask(back.sample(expected_ids(dataset)[sample.id]))
        np.testing.assert_array_equal(found, dataset.read_mask(sample))


def test_rows_are_what_the_features_declare(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", THREE, images="copy")
    export(dataset, out := tmp_path / "out", samples_per_shard=2)
    files = [f"test-0000{i}-of-00001" for i in range(1)] + [f"train-0000{i}-of-00003" for i in range(3)]
    assert sorted(path.stem for path in out.glob("data/*")) == [*files, "val-00000-of-00001"]
    for path in out.glob("data/*"):
        assert features(path) == {
            "id": {"dtype": "string", "_type": "Value"},
            "image": {"_type": "Image"},
            "mask": {"_type": "Image"},
            "classes": {"feature": {"names": ["road", "car", "sign"], "_type": "ClassLabel"}, "_type": "Sequence"},
        }
    assert len(rows(out)) == len(dataset)
    for row in rows(out):
        sample = dataset.sample(row["id"])
        mask = np.array(Image.open(io.BytesIO(row["mask"]["bytes"])))
        np.testing.assert_array_equal(mask, dataset.read_mask(sample))
        assert row["classes"] == [value for value in sample.counts if value != 255]
        assert row["image"]["bytes"] == Path(dataset.image_path(sample)).read_bytes()
        assert row["image"]["path"] == f"{sample.id.rpartition('/')[2]}.png"


def test_the_card_says_which_files_are_of_which_split(tmp_path: Path) -> None:
    export(make(tmp_path / "d", THREE), out := tmp_path / "out", images="none")
    head = yaml.safe_load((out / "README.md").read_text("utf-8").split("---")[1])
    assert head["configs"] == [
        {
            "config_name": "default",
            "data_files": [{"split": split, "path": f"data/{split}-*"} for split in ("test", "train", "val")],
        }
    ]
    assert json.loads((out / "id2label.json").read_text()) == {"0": "road", "1": "car", "2": "sign"}


@pytest.mark.parametrize("masks", [THREE, random_masks(2)], ids=["splits", "none"])
@pytest.mark.parametrize("images", ["copy", "none"])
def test_croissant_has_a_field_for_each_column(tmp_path: Path, images: str, masks: dict[str, Any]) -> None:
    export(make(tmp_path / "d", masks, images="copy"), out := tmp_path / "out", images=images, samples_per_shard=2)
    assert issues(out) == []
    samples = json.loads((out / "croissant.json").read_text("utf-8"))["recordSet"][-1]
    columns = [
        "id",
        *(["image"] if images == "copy" else []),
        "mask",
        "classes",
        *(["split"] if len(masks) > 2 else []),
    ]
    assert [field["@id"] for field in samples["field"]] == [f"samples/{name}" for name in columns]
    assert list(rows(out)[0]) == [name for name in columns if name != "split"]


def test_splits_are_called_as_the_library_can(tmp_path: Path) -> None:
    masks = {**random_masks(1, prefix="a-b/"), **random_masks(1, prefix="all/"), **random_masks(1, prefix="no/")}
    dataset = make(tmp_path / "d", {**masks, "x": masks["a-b/000"]})
    receipt = export(dataset, out := tmp_path / "out", images="none")
    assert sorted(receipt["notes"]) == [
        "the split 'a-b' is called a_b: the library wants letters, digits and _",
        "the split 'all' is called all_: the library wants letters, digits and _",
        "the split of samples that are in none is called unsplit",
    ]
    back = segdata.convert("auto", out, tmp_path / "back")
    assert back.splits == ("a_b", "all_", "no", "unsplit")
    same_pixels(back, dataset, expected_ids(dataset))
    both = make(tmp_path / "both", {**masks, "a_b/000": masks["a-b/000"]})
    with pytest.raises(OptionError, match="splits 'a-b' and 'a_b' would both be called a_b"):
        export(both, tmp_path / "other", images="none")


def test_what_the_library_does_not_read_is_written_as_pixels_or_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 8, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    Image.fromarray(pixels).save(tmp_path / "images/a.jpg")
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels))).save(tmp_path / "images/b.png", exif=exif)
    (tmp_path / "images/c.tif").write_bytes(encode_tiff(pixels))
    (tmp_path / "images/d.tif").write_bytes(encode_tiff(pixels[:, :, :1].astype(np.uint16)))
    (tmp_path / "images/e.tif").write_bytes(encode_tiff(pixels.astype(np.uint16)))
    (tmp_path / "masks").mkdir()
    for name in "abcde":
        Image.fromarray(rng.integers(0, 2, (6, 8), np.uint8)).save(tmp_path / f"masks/{name}.png")
    dataset = segdata.convert(
        "masks", tmp_path, tmp_path / "d", classes=["x", "y"], image_dir="images", mask_dir="masks"
    )
    with pytest.raises(DataError, match="e: its 3 bands of uint16 are no image for the library: --images none"):
        export(dataset, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    receipt = export(dataset, tmp_path / "out", run=Run(report=Report("skip")))
    assert (receipt["images"], receipt["written_as_pixels"]) == ({"in": 5, "exported": 4, "skipped": 1}, 3)
    found = {row["id"]: Image.open(io.BytesIO(row["image"]["bytes"])) for row in rows(tmp_path / "out")}
    assert {id: (image.format, image.mode) for id, image in found.items()} == {
        "a": ("JPEG", "RGB"), "b": ("PNG", "RGB"), "c": ("PNG", "RGB"), "d": ("TIFF", "I;16"),
    }  # fmt: skip
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    for sample in back:
        np.testing.assert_array_equal(back.read_image(sample), dataset.read_image(dataset.sample(sample.id)))
    export(dataset, tmp_path / "masks-alone", images="none")


def test_samples_that_are_mended_are_written_when_it_goes_on(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", THREE, images="copy")
    export(dataset, tmp_path / "whole", samples_per_shard=2)
    image = Path(dataset.image_path(dataset.sample("train/003")))
    data = image.read_bytes()
    image.unlink()
    receipt = export(dataset, tmp_path / "out", samples_per_shard=2, run=Run(report=Report("skip")))
    assert [one["sample"] for one in receipt["skipped"]] == ["train/003"]
    assert Counter(row["id"] for row in rows(tmp_path / "out")) == Counter(s.id for s in dataset if s.id != "train/003")
    image.write_bytes(data)
    export(dataset, tmp_path / "out", samples_per_shard=2, overwrite=True)
    parts = "data", "README.md", "id2label.json"
    kept = [{n: d for n, d in contents(tmp_path / name).items() if n.startswith(parts)} for name in ("whole", "out")]
    assert kept[0] == kept[1]


def test_a_shard_of_nothing_but_bad_samples_is_empty(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", THREE, images="copy")
    for sample in dataset.split("val"):
        Path(dataset.image_path(sample)).unlink()
    receipt = export(dataset, out := tmp_path / "out", run=Run(report=Report("skip")))
    assert receipt["images"] == {"in": 8, "exported": 6, "skipped": 2}
    assert len(segdata.convert("auto", out, tmp_path / "back")) == 6


def test_groups_of_rows_are_small_whatever_the_file_is(tmp_path: Path) -> None:
    sizes = [10] * 250 + [GROUP // 2 + 1] * 3 + [2 * GROUP] + [10] * 3
    with TableWriter(tmp_path / "t.parquet", {"id": "text", "mask": "file"}, b"{}") as table:
        for number, size in enumerate(sizes):
            table.add({"id": str(number), "mask": {"bytes": bytes(size), "path": None}}, size)
    file = pq.ParquetFile(tmp_path / "t.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    assert groups == [ROWS, ROWS, 51, 1, 1, 1, 3]
    assert file.read(["id"]).column(0).to_pylist() == [str(number) for number in range(len(sizes))]


def test_a_table_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with TableWriter(tmp_path / "t.parquet", {"id": "text"}, b"{}") as table:
            table.add({"id": "a"}, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_ids_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    export(make(tmp_path / "d", random_masks(2)), out := tmp_path / "out", images="none")
    path = next(out.glob("data/*"))
    table = pq.read_table(path)
    bad: dict[str, list[str | None]] = {
        "is not a path under the image folder": ["../x", "a"],
        "two images have this name": ["a", "a"],
        "has nothing in column id": ["a", None],
    }
    for told, ids in bad.items():
        pq.write_table(table.set_column(0, "id", [ids]), path)
        with pytest.raises(DataError, match=told):
            segdata.convert("auto", out, tmp_path / "back", images="none")
    with pytest.raises(OptionError, match=r"--id-column name: .* has no such column: there are id, mask"):
        segdata.convert("auto", out, tmp_path / "back", images="none", id_column="name")


@pytest.mark.parametrize("given", [{"samples_per_shard": 0}, {"shard_size": 5, "shard_count": 2}, {"images": "link"}])
def test_options_are_checked(tmp_path: Path, given: dict[str, Any]) -> None:
    dataset = make(tmp_path / "d", random_masks(2), images="copy")
    with pytest.raises(OptionError):
        export(dataset, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_what_is_in_storage_is_not_said_to_be_read_there(tmp_path: Path) -> None:
    there = place(f"memory://{tmp_path.name}")
    receipt = segdata.export("hf", make(tmp_path / "d", THREE), str(there), images="none").to_json()
    assert not receipt["reads_back"]
    assert "copy the folder here" in receipt["notes"][-1]
    for name in files_below(there):
        copy_file(there / name, tmp_path / "here" / name)
    assert len(segdata.convert("auto", tmp_path / "here", tmp_path / "back", images="none")) == len(THREE)
    assert export(make(tmp_path / "d", THREE), tmp_path / "out", images="none")["reads_back"]
