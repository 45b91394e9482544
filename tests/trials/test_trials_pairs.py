"""What trials found about pairs of files, shards, and formats that are not read: each input as a user gives it."""

from __future__ import annotations

import gzip
import io
import re
import shlex
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

import segdata
import trial_files


def run(*arguments: object, code: int = 0) -> str:
    """`segdata` with these arguments; what it says."""
    return trial_files.run(*arguments, code=code).output


def trial(name: str) -> Path:
    """An input of the table of conversions."""
    return trial_files.trial(f"conversion/{name}")


def masks(root: Path) -> dict[str, Any]:
    """The mask of every sample."""
    dataset = segdata.Dataset.open(root)
    return {sample.id: dataset.read_mask(sample) for sample in dataset}


PAIRS: dict[str, tuple[dict[str, str], str]] = {
    "p_case": ({"IMG_1": "masks/img_1.png"}, "names that differ from their image's in case or accents, 1 in all: img_1"),
    "p_jpgpng": ({"a": "masks/a.jpg.png"}, "--mask-pattern '{name}.png'"),
    "p_perfolder": ({"s1": "s1/mask.png", "s2": "s2/mask.png"}, "--image-pattern '{stem}/image' --mask-pattern '{stem}/mask'"),
    "p_suffix": (
        {"a_sat": "masks/a_mask.png", "b_sat": "masks/b_mask.png"}, "--image-pattern '{stem}_sat' --mask-pattern '{stem}_mask'",
    ),
    "p_suffix_gt": ({"a": "masks/a_GT.png", "b": "masks/b_GT.png"}, "--mask-pattern '{stem}_GT'"),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_found_and_told(name: str, tmp_path: Path) -> None:
    files, told = PAIRS[name]
    source = trial(name)
    said = run("convert", "auto", source, tmp_path / "d", "--classes", source / "c.txt")
    assert told in said
    found = masks(tmp_path / "d")
    assert sorted(found) == sorted(files)
    for id, file in files.items():
        np.testing.assert_array_equal(found[id], np.array(Image.open(source / file)))
    if "--mask-pattern" in told:  # what was found is what the options say
        run("convert", "masks", source, tmp_path / "e", "--classes", source / "c.txt", *shlex.split(told))
        assert masks(tmp_path / "e").keys() == files.keys()


def test_accents_are_composed_either_way(tmp_path: Path) -> None:
    source = trial("p_nfc")
    run("convert", "auto", source, tmp_path / "d", "--classes", source / "c.txt")
    truth = np.array(Image.open(next((source / "masks").iterdir())))
    (found,) = masks(tmp_path / "d").values()
    np.testing.assert_array_equal(found, truth)


def way_out(said: str) -> list[str]:
    """The options at the end of a message."""
    return shlex.split(re.search(r": (--[^:]*?)( merges them)? \[", said)[1])  # type: ignore[index]


def test_an_image_without_a_mask(tmp_path: Path) -> None:
    source = trial("p_one_missing")
    command = ("convert", "auto", source, tmp_path / "d", "--classes", source / "c.txt")
    said = run(*command, code=1)
    assert "c.jpg: c: the image has no mask of its name in masks/: --without-mask bg [masks.unpaired]" in said
    assert "no mask, so all bg, 1 in all: c" in run(*command, *way_out(said))
    found = masks(tmp_path / "d")
    assert sorted(found) == ["a", "b", "c"]
    assert not found["c"].any()
    run(*command, "--without-mask", "ignore", "--overwrite")
    assert (masks(tmp_path / "d")["c"] == 255).all()


def test_several_masks_of_an_image(tmp_path: Path) -> None:
    source = trial("p_kaggle_dsb")
    command = ["convert", "auto", source, tmp_path / "d", "--classes", source / "c.txt"]
    said = run(*command, code=1)
    assert "2 masks are of this image, m0.png, m1.png: --overlap smallest" in said
    command += way_out(said)
    said = run(*command, code=1)  # its masks are of 0 and 255
    run(*command, *way_out(said))
    found = masks(tmp_path / "d")
    assert sorted(found) == ["train/s1", "train/s2"]
    for id, mask in found.items():
        each = [np.array(Image.open(path)) for path in (source / id / "masks").iterdir()]
        np.testing.assert_array_equal(mask, np.maximum.reduce(each) > 0)


def test_masks_of_roboflow(tmp_path: Path) -> None:
    source = trial("rf_masks")
    said = run("convert", "auto", source, tmp_path / "d")
    assert "classes are those of _classes.csv" in said
    dataset = segdata.Dataset.open(tmp_path / "d")
    assert (dataset.splits, dataset.labels.names[:2]) == (("test", "train", "valid"), ("background", "cat"))
    for id, mask in masks(tmp_path / "d").items():
        np.testing.assert_array_equal(mask, np.array(Image.open(source / f"{id}_mask.png")))
    shutil.copytree(source, tmp_path / "odd")
    (tmp_path / "odd/valid/_classes.csv").write_text("Pixel Value, Class\n0, cat\n1, background\n")
    said = run("convert", "auto", tmp_path / "odd", tmp_path / "e", code=1)
    assert "differ: --classes FILE" in said


FOREIGN = {
    "via": "this is a VIA project (via_region_data.json)",
    "zip": "this is an archive (export.zip): unpack it",
    "zip/export.zip": "this is an archive (export.zip): unpack it",
    "pets_nolist": "(pets): give that folder",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_read_is_named(name: str, tmp_path: Path) -> None:
    said = run("detect", trial(name), code=1)
    assert FOREIGN[name] in said
    assert max(map(len, said.replace(str(trial_files.TRIALS), "").splitlines())) <= 100
    assert FOREIGN[name] in run("convert", "auto", trial(name), tmp_path / "d", code=1)


TOOLS = {
    "labelme": "labelme",
    "yoloseg": "yolo",
    "dm/cvat_poly": "cvat",
    "dm/cvat_mask": "cvat",
    "dm/label_me_c": "labelmexml",
    "dm/label_me_poly": "labelmexml",
}


@pytest.mark.parametrize("name", TOOLS)
def test_what_tools_write_is_found_and_read(name: str, tmp_path: Path) -> None:
    assert run("detect", trial(name)).startswith(f"{TOOLS[name]}\n")
    assert "converted" in run("convert", "auto", trial(name), tmp_path / "d")


def test_folders_of_several_tools_and_empty_labels(tmp_path: Path) -> None:
    said = run("convert", "auto", trial("dm"), tmp_path / "d", code=1)
    assert "several sets lie here: give one of " in said
    assert "dm/cityscapes_c (cityscapes)" in said
    said = run("convert", "auto", trial("dm/yolo_ultralytics_poly"), tmp_path / "d", code=1)
    assert "nothing is painted" in said


def test_pets_without_a_list(tmp_path: Path) -> None:
    assert run("detect", trial("pets_nolist/p")).startswith("pets\n")
    assert "converted" in run("convert", "auto", trial("pets_nolist/p"), tmp_path / "d")


SHARDS = {
    "wds_image_png_mask_png": "--image-member image.png",
    "wds_input_target": "--image-member input.jpg --mask-member target.png",
    "wds_npy": "--mask-member seg.npy",
}


@pytest.mark.parametrize("name", SHARDS)
def test_members_are_told_by_their_names(name: str, tmp_path: Path) -> None:
    source = trial(name)
    said = run("convert", "auto", source, tmp_path / "d", "--classes", source / "c.txt")
    assert f"members are found as by {SHARDS[name]}" in said
    found = masks(tmp_path / "d")
    assert list(found) == ["train/000"]
    assert set(np.unique(found["train/000"])) <= {0, 1, 2}
    given = ("--overwrite", *SHARDS[name].split())
    run(
        "convert",
        "webdataset",
        f"{source}/train-{{000000..000000}}.tar",
        tmp_path / "e",
        "--classes",
        source / "c.txt",
        *given,
    )
    np.testing.assert_array_equal(masks(tmp_path / "e")["train/000"], found["train/000"])


def shard(path: Path, samples: dict[str, dict[str, bytes]]) -> Path:
    """A tar of members `<key>.<extension>`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for key, members in samples.items():
            for extension, data in members.items():
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def png(value: int) -> bytes:
    """A small grey PNG."""
    file = io.BytesIO()
    Image.new("L", (4, 3), value).save(file, "PNG")
    return file.getvalue()


def test_a_way_out_of_shards_runs(tmp_path: Path) -> None:
    """Each refusal names one option; with it the shards are read."""
    members = {"rgb.png": png(9), "depth.png": png(7), "labels.png": png(1), "json": b"{}"}
    shard(tmp_path / "s/val-000.tar", {"0": members})
    shard(tmp_path / "s/val-001.tar", {"1": members})
    command = ["convert", "webdataset", f"{tmp_path}/s/val-{{000..001}}.tar", tmp_path / "d"]
    said = run(*command, code=1)
    assert "--classes FILE" in said
    (tmp_path / "c.txt").write_text("a\nb\n")
    command += ["--classes", tmp_path / "c.txt"]
    assert "--image-member rgb.png --mask-member labels.png" in run(*command)
    assert {id: int(mask.max()) for id, mask in masks(tmp_path / "d").items()} == {"val/0": 1, "val/1": 1}
    shard(tmp_path / "t/a.tar", {"0": {"x.png": png(9), "y.png": png(1)}})
    command = ["convert", "webdataset", tmp_path / "t", tmp_path / "e", "--classes", tmp_path / "c.txt"]
    said = run(*command, code=1)
    assert "has no mask, but x.png, y.png: --mask-member NAME says which is it" in said
    said = run(*command, "--mask-member", "y.png", code=1)
    assert "has no image, but x.png, y.png: --image-member x.png" in said
    run(*command, "--mask-member", "y.png", "--image-member", "x.png")
    assert masks(tmp_path / "e")["a/0"].max() == 1


def test_missing_and_packed_shards(tmp_path: Path) -> None:
    plain = shard(tmp_path / "a-000.tar", {"0": {"jpg": png(9), "mask.png": png(1)}})
    packed = tmp_path / "z/a-000.tar.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for source in (packed, packed.parent):
        said = run("convert", "webdataset", source, tmp_path / "d", code=1)
        assert "is compressed, and members are found by their place: gunzip a-000.tar.gz [shard.packed]" in said
    said = run("convert", "webdataset", f"{tmp_path}/a-{{000..002}}.tar", tmp_path / "d", code=1)
    assert "of 3 shards 2 are not there: a-001.tar, a-002.tar" in said
    said = run("convert", "webdataset", f"{tmp_path}/a-{{9..2}}.tar", tmp_path / "d", code=1)
    assert "is no range" in said


KINDS = {
    "a.jfif": "JPEG", "b.JPE": "JPEG", "c.WebP": "WEBP", "d.BMP": "BMP", "e.gif": "GIF", "f.png": "JPEG", "g.jpg": "PNG",
    "h.avif": "AVIF", "i.TIFF": "TIFF", "j.jp2": "JPEG2000",
}  # fmt: skip


def test_images_of_the_ordinary_kinds(tmp_path: Path) -> None:
    kinds = {name: kind for name, kind in KINDS.items() if kind != "AVIF" or features.check("avif")}
    for name, kind in kinds.items():
        for folder, value in (("images", 90), ("masks", 1)):
            (tmp_path / folder).mkdir(exist_ok=True)
            file = tmp_path / folder / (name if folder == "images" else f"{name[0]}.png")
            Image.new("L", (16, 16), value).convert("RGB" if folder == "images" else "L").save(
                file, kind if folder == "images" else "PNG"
            )
    (tmp_path / "c.txt").write_text("a\nb\n")
    run("convert", "auto", tmp_path, tmp_path / "d", "--classes", tmp_path / "c.txt")
    dataset = segdata.Dataset.open(tmp_path / "d")
    assert sorted(sample.id for sample in dataset) == sorted(name[0] for name in kinds)
    for sample in dataset:
        assert abs(int(dataset.read_image(sample).mean()) - 90) <= 3


@pytest.mark.parametrize("form", ["masks", "vector"])
def test_a_folder_without_images_says_what_it_holds(form: str, tmp_path: Path) -> None:
    for name in ("x.txt", "y.txt", "z.geojson"):
        (tmp_path / name).write_text("{}")
    said = run("convert", form, tmp_path, tmp_path / "d", code=1)
    assert "holds no image, but files .txt (2), .geojson (1)" in said
