"""The COCO-Stuff reader: each kind of mask by the set's own table, as MMSegmentation converts it, and never another kind's."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import trial_files
from reader_samples import reader_sample
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.files.mat import read_array
from segdata.readers.cocostuff.classes import NAMES
from segdata.readers.cocostuff.reader import fits, read
from segdata.readers.source import Source

HERE = Path(__file__).parent

GOLDEN, REAL = HERE / "golden/cocostuff", HERE / "real/cocostuff"

TABLE = [line.split(": ", 1)[1] for line in (REAL / "labels.txt").read_text().splitlines()]

REMOVED = {
    "street sign",
    "hat",
    "shoe",
    "eye glasses",
    "plate",
    "mirror",
    "window",
    "desk",
    "door",
    "blender",
    "hair brush",
}
"""By the README of the set."""

DIGITS, COCO = "000000000139", "COCO_train2014_000000000139"


@pytest.fixture(scope="module")
def writer() -> Iterator[ModuleType]:
    """The generator of samples, which writes MAT files of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE.parents[1] / "tools"))
        import sample_sbd

        yield sample_sbd
    for name in ("sample_sbd", "sample_canvas", "sample_scenes"):
        sys.modules.pop(name, None)


def save(root: Path, place: str, values: Any) -> Path:
    """Write a mask of values beside an image; the root."""
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array([values], np.uint8)).save(root / place)
    return root


def masks(source: Source) -> dict[str, NDArray[Any]]:
    """The mask of every item."""
    remap = source.labels.table({**{i: i for i in range(len(source.labels.classes))}, source.labels.ignore: None})
    return {item.id: item.annotation.draw(remap).mask for item in source.items}


def named(root: Path, **options: Any) -> list[str]:
    """The classes of a mask of one row, pixel by pixel."""
    source = read(root, images=False, **options)
    (mask,) = masks(source).values()
    return [source.labels.name(int(value)) for value in mask[0]]


def refused(root: Path, kind: type[SegdataError] = DataError, **options: Any) -> str:
    """The one line that reading or drawing ends with."""
    with pytest.raises(kind) as caught:
        masks(read(root, **{"images": False, **options}))
    return str(caught.value)


def test_names_are_those_of_the_set() -> None:
    assert list(NAMES) == TABLE
    assert len(TABLE) == 183


@pytest.mark.parametrize("kind", ["164k", "10k"])
def test_masks_are_those_of_mmsegmentation(kind: str) -> None:
    source = read(GOLDEN / kind / "source", images=False)
    assert list(source.labels.names) == json.loads((GOLDEN / kind / "masks/names.json").read_text())
    found = masks(source)
    assert len(found) == 6
    for id, mask in found.items():
        np.testing.assert_array_equal(mask, np.array(Image.open(GOLDEN / kind / f"masks/{id}.png")))


def test_every_value_of_every_kind(tmp_path: Path, writer: ModuleType) -> None:
    """By the words of the READMEs, from their own table."""
    annotated = [name for name in TABLE[1:] if name not in REMOVED]
    ids = [TABLE.index(name) for name in annotated]
    root = save(tmp_path / "map", f"annotations/val2017/{DIGITS}.png", [*(id - 1 for id in ids), 255])
    assert named(root) == [*annotated, "ignore"]
    root = save(tmp_path / "ids", f"annotations/val2017/{DIGITS}.png", [*range(182), 255])
    assert named(root, labels="ids") == [*TABLE[1:], "ignore"]
    assert named(root, labels="ids", background="class") == [*TABLE[1:], "background"]
    root = save(tmp_path / "164k", f"annotations/val2017/{DIGITS}_labelTrainIds.png", [*range(171), 255])
    assert named(root) == [*annotated, "ignore"]
    root = save(tmp_path / "10k", f"annotations/test2014/{COCO}_labelTrainIds.png", range(172))
    assert named(root) == ["ignore", *annotated]
    root = save(tmp_path / "pixelmap", f"annotations/stuff_val2017_pixelmaps/{DIGITS}.png", [0, *range(92, 184)])
    assert named(root) == ["ignore", *TABLE[92:], "other"]
    (tmp_path / "mat/annotations").mkdir(parents=True)
    for version, names, values in (("1.1", TABLE[1:], [0, *ids]), ("1.0", ["unlabeled", *annotated], range(1, 173))):
        for kind in (np.uint8, np.float64):
            held = {"S": writer.numbers(np.array([values], kind)), "names": writer.texts(names)}
            writer.write_mat(tmp_path / f"mat/annotations/{COCO}.mat", held)
            assert named(tmp_path / "mat") == ["ignore", *annotated], version


def test_stuff_and_things(tmp_path: Path) -> None:
    root = save(tmp_path, f"stuffthingmaps/train2017/{DIGITS}.png", [0, 89, 91, 181, 255])
    assert named(root) == ["person", "toothbrush", "banner", "wood", "ignore"]
    assert named(root, labels="stuff") == ["other", "other", "banner", "wood", "ignore"]
    assert named(root, labels="stuff", others="ignore") == ["ignore", "ignore", "banner", "wood", "ignore"]
    assert named(root, labels="things") == ["person", "toothbrush", "other", "other", "ignore"]
    assert named(root, labels="things", background="class")[-1] == "background"
    for labels, classes in (("all", 171), ("ids", 182), ("stuff", 92), ("things", 81)):
        assert len(read(root, images=False, labels=labels).labels.classes) == classes  # type: ignore[arg-type]


def test_things_that_the_set_leaves_out_are_refused_but_by_ids(tmp_path: Path) -> None:
    root = save(tmp_path, f"annotations/train2017/{DIGITS}.png", [0, 11])
    for labels in (None, "all", "things"):
        assert "values that no class is declared for: 11" in refused(root, labels=labels)
    assert "(--labels ids has classes for the things, too" in refused(root)
    assert named(root, labels="ids") == ["person", "street sign"]
    assert named(root, labels="stuff") == ["other", "other"]
    save(tmp_path, f"annotations/train2017/{DIGITS}.png", [0, 182])
    assert "hold 0 to 181 and 255" in refused(root, labels="ids")


def test_train_ids_of_the_two_sets_are_not_taken_for_each_other(tmp_path: Path) -> None:
    mixed = save(tmp_path / "a", f"annotations/train2017/{COCO}_labelTrainIds.png", [0, 1])
    said = refused(mixed, OptionError)
    assert "is called as in the 10k set, the folder as in the 164k set" in said
    assert "--release 10k or --release 164k says which it is" in said
    assert named(mixed, release="10k") == ["ignore", "person"]
    assert named(mixed, release="164k") == ["person", "bicycle"]
    high = save(tmp_path / "b", f"annotations/train2017/{DIGITS}_labelTrainIds.png", [0, 171])
    assert "if these are of the 10k set, give --release 10k" in refused(high)
    assert named(high, release="10k") == ["ignore", "wood"]
    void = save(tmp_path / "c", f"annotations/train2014/{COCO}_labelTrainIds.png", [0, 255])
    assert "give --release 164k" in refused(void)
    assert named(void, release="164k") == ["person", "ignore"]


def test_maps_win_over_train_ids_beside_them(tmp_path: Path) -> None:
    root = save(tmp_path, f"annotations/val2017/{DIGITS}.png", [181])
    save(root, f"annotations/val2017/{DIGITS}_labelTrainIds.png", [170])
    source = read(root, images=False)
    assert named(root) == ["wood"]
    assert source.receipt.notes == [
        "val2017: 1 masks of ids of labels less one (0 is person, 255 unlabelled)",
        "val2017: 1 *_labelTrainIds.png are not read: the maps beside them say the same",
    ]


def test_the_table_may_lie_beside_the_masks(tmp_path: Path) -> None:
    root = save(tmp_path, f"annotations/val2017/{DIGITS}.png", [0, 181])
    text = (REAL / "labels.txt").read_text()
    (root / "labels.txt").write_text(text.replace("182: wood", "182: timber"))
    assert named(root) == ["person", "timber"]
    assert [given.name for given in read(root, images=False).inputs] == ["labels.txt"]
    for bad in ("0: person\n1: car\n", "person\n", text + "5: again\n", text.replace("7: train\n", "")):
        (root / "labels.txt").write_text(bad)
        assert "correct it, or take it away: the names are built in" in refused(root)
    (root / "labels.txt").rename(root / "annotations/cocostuff-labels.txt")
    assert "[cocostuff.labels]" in refused(root)


def test_which_set_is_meant_is_asked(tmp_path: Path) -> None:
    root = save(tmp_path, f"annotations/stuff_val2017_pixelmaps/{DIGITS}.png", [92, 183])
    save(root, f"stuffthingmaps/val2017/{DIGITS}.png", [91, 0])
    said = refused(root, OptionError)
    assert "holds masks of the sets challenge and 164k: --release names the one" in said
    assert named(root, release="164k") == ["banner", "person"]
    assert named(root, release="challenge") == ["banner", "other"]
    assert named(root, mask_dir="stuffthingmaps") == ["banner", "person"]
    assert "have no things: --labels stuff" in refused(root, OptionError, release="challenge", labels="all")
    save(root, f"annotations/val2017/{DIGITS}.png", [91, 0])
    assert "--mask-dir names one of these folders" in refused(root, OptionError, release="164k")
    assert named(root, release="164k", mask_dir=root / "annotations") == ["banner", "person"]
    save(root, f"annotations/train2014/{COCO}_labelTrainIds.png", [0, 1])
    assert "--release names the one" in refused(root, OptionError, mask_dir="annotations")
    assert named(root, release="10k") == ["ignore", "person"]
    assert "no annotations/*.mat of the 10k set" in refused(tmp_path / "nowhere", release="10k")


@pytest.mark.parametrize("place", ["images/val2017", "val2017", "../images/val2017"])
def test_images_are_found_where_they_lie(place: str, tmp_path: Path) -> None:
    root = save(tmp_path / "set", f"annotations/val2017/{DIGITS}.png", [0, 1])
    base = root / "annotations" if place.startswith("..") else root
    assert "--image-dir DIR" in refused(base, images=True)
    (base / place).mkdir(parents=True)
    Image.new("RGB", (2, 1)).save(base / place / f"{DIGITS}.jpg")
    (item,) = read(base).items
    assert Path(str(item.image)).samefile(base / place / f"{DIGITS}.jpg")
    shutil.move(base / place, tmp_path / "elsewhere")
    (item,) = read(base, image_dir=tmp_path / "elsewhere").items
    assert item.image == str(tmp_path / f"elsewhere/{DIGITS}.jpg")
    (tmp_path / f"elsewhere/{DIGITS}.jpg").unlink()
    assert f"is called '{DIGITS}.jpg': put it there" in refused(base, images=True, image_dir=tmp_path / "elsewhere")


def test_images_may_lie_among_the_masks(tmp_path: Path) -> None:
    root = save(tmp_path, f"val2017/{DIGITS}.png", [0, 1])
    assert f"is called '{DIGITS}.jpg'" in refused(root, images=True)
    Image.new("RGB", (2, 1)).save(root / f"val2017/{DIGITS}.jpg")
    assert [str(item.image)[-4:] for item in read(root).items] == [".jpg"]


def test_the_lists_of_the_10k_set_are_splits(tmp_path: Path, writer: ModuleType) -> None:
    root = shutil.copytree(GOLDEN / "10k/source", tmp_path / "set")
    source = read(root, images=False)
    assert {item.split for item in source.items} == {"train", "test"}
    assert "not read: all.txt in imageLists (--split reads one of them)" in source.receipt.notes
    assert len(read(root, images=False, split="all").items) == 6
    (root / "imageLists/test.txt").write_text("nobody\n")
    assert "test/nobody: there is no annotations/nobody.mat" in refused(root)
    source = read(root, images=False, report=Report("skip"))
    assert "annotations: 1 masks are left out, as no list that was read names them" in source.receipt.notes
    shutil.rmtree(root / "imageLists")
    assert [item.split for item in read(root, images=False).items] == [None] * 6
    assert "there is no imageLists/" in refused(root, OptionError, split="train")


def test_a_file_that_matlab_wrote() -> None:
    array = read_array(REAL / "COCO_train2014_000000119938.mat", "labelMapThings")
    np.testing.assert_array_equal(
        array, pytest.importorskip("scipy.io").loadmat(REAL / "COCO_train2014_000000119938.mat")["labelMapThings"]
    )
    assert array.shape == (427, 640)


def test_damaged_masks_are_one_message_each(tmp_path: Path) -> None:
    root, _ = reader_sample("cocostuff", tmp_path)
    file = root / f"annotations/train2017/{9:012d}.png"
    for data in (b"", b"x" * 100, file.read_bytes()[:50]):
        file.write_bytes(data)
        said = trial_files.run("convert", "auto", root, tmp_path / "d", code=1).output
        assert f"{file}: train/{9:012d}: " in said
    said = trial_files.run("convert", "auto", root, tmp_path / "d", "--on-error", "skip", code=0).output
    assert "6 in = 5 converted + 1 left out" in said


def test_masks_of_other_names_are_another_format(tmp_path: Path) -> None:
    for place in ("annotations/train/1.png", f"panoptic_val2017/{DIGITS}.png", f"images/val2017/{DIGITS}.png",
                  "annotations/val2017/a.png"):  # fmt: skip
        shutil.rmtree(tmp_path / "set", ignore_errors=True)
        assert fits(save(tmp_path / "set", place, [0]))
    for place in (f"val2017/{DIGITS}.png", f"images/stuffthingmaps/val2017/{DIGITS}.png",
                  f"stuff_val2017_pixelmaps/{DIGITS}.png", f"annotations/test2014/{COCO}_labelTrainIds.png"):  # fmt: skip
        shutil.rmtree(tmp_path / "set", ignore_errors=True)
        assert fits(save(tmp_path / "set", place, [0])) is None


def test_images_that_are_pngs_are_no_masks(tmp_path: Path) -> None:
    root = save(tmp_path, f"val2017/{DIGITS}.png", [0, 200])
    save(root, f"stuffthingmaps/val2017/{DIGITS}.png", [0, 1])
    assert named(root) == ["person", "bicycle"]
    shutil.rmtree(root / "stuffthingmaps")
    assert fits(root) is None
    (root / "annotations").mkdir()
    (root / "annotations/instances_val2017.json").write_text("{}")
    assert fits(root)


def test_train_ids_under_the_names_of_maps(tmp_path: Path) -> None:
    root = save(tmp_path, f"stuffthingmaps_detectron2/val2017/{DIGITS}.png", [0, 11, 170, 255])
    assert named(root, mask_dir="stuffthingmaps_detectron2") == ["person", "stop sign", "wood", "ignore"]
    assert named(root / "stuffthingmaps_detectron2") == ["person", "stop sign", "wood", "ignore"]
    (root / "stuffthingmaps_detectron2").rename(root / "annotations")
    assert "if these are train ids, 0 to 170 and 255, give --train-ids" in refused(root)
    assert named(root, train_ids=True) == ["person", "stop sign", "wood", "ignore"]
    ten = save(tmp_path / "10k", f"annotations/train2014/{COCO}.png", [0, 12, 171])
    assert named(ten, train_ids=True) == ["ignore", "stop sign", "wood"]
    pixelmap = save(tmp_path / "challenge", f"annotations/stuff_val2017_pixelmaps/{DIGITS}.png", [0, 92])
    assert "leave it out" in refused(pixelmap, OptionError, train_ids=True)
