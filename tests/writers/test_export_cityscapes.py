"""Exports to Cityscapes' layout: what its programs read, and that the same classes and ignored pixels come back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import segdata
from carry_files import contents, make, random_masks
from segdata import Dataset, OptionError
from segdata.dataset.contract import CONTRACT
from segdata.files.cityscapes_table import TABLE
from segdata.files.png import decode_mask
from segdata.ops.export.operation import export
from segdata.writers.cityscapes.frames import frame_name
from segdata.writers.cityscapes.polygons import encode_polygons

Pixels = NDArray[np.uint8]

LABELS = {row.name: row for row in TABLE}


@st.composite
def masks(draw: st.DrawFn, classes: int) -> Pixels:
    """Noise, or blocks of it, with holes, islands, diagonal contacts and ignored pixels; or all of one value."""
    height, width, scale = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 3))
    values = draw(st.lists(st.sampled_from([*range(min(classes, 6)), classes - 1, 255]), min_size=1, max_size=4))
    seed = draw(st.integers(0, 2**32 - 1))
    small = np.random.default_rng(seed).choice(values, (height, width)).astype(np.uint8)
    return np.kron(small, np.ones((scale, scale), np.uint8))


def back(root: Path, out: Path, **options: Any) -> Dataset:
    """What an export is read as."""
    options = {"images": "none", "allow_empty": True, **options}
    return segdata.convert(options.pop("format", "auto"), root, out, **options)


def same(one: Dataset, other: Dataset, names: Sequence[str] | None = None) -> bool:
    """Whether datasets have the same masks in order of id, and the same classes: those of `names`, by name."""
    first = [one.read_mask(sample) for sample in sorted(one, key=lambda sample: sample.id)]
    second = [other.read_mask(sample) for sample in sorted(other, key=lambda sample: sample.id)]
    if names is None:
        assert one.labels.names == other.labels.names
    table = np.full(256, other.labels.ignore)
    for label in other.labels.classes if names is None else [other.labels.classes[other.labels.id(n)] for n in names]:
        table[label.id] = one.labels.id(label.name)
    return len(first) == len(second) and all(np.array_equal(a, table[b]) for a, b in zip(first, second, strict=True))


def drawn(frame: dict[str, Any], values: dict[str, int]) -> Pixels:
    """What preparation/json2labelImg.py of cityscapesScripts makes of polygons.json."""
    image = Image.new("L", (frame["imgWidth"], frame["imgHeight"]), 0)
    for thing in frame["objects"]:
        ImageDraw.Draw(image).polygon([tuple(point) for point in thing["polygon"]], fill=values[thing["label"]])
    return np.array(image)


@given(masks(5))
def test_polygons_draw_the_same_pixels_as_cityscapes_scripts_do(mask: Pixels) -> None:
    labels = {value: str(value) for value in range(256)}
    frame = json.loads(encode_polygons(mask, labels))
    assert np.array_equal(drawn(frame, {label: value for value, label in labels.items()}), mask)


def test_polygons_of_large_coordinates_are_written_whole() -> None:
    mask = np.zeros((3, 12_345), np.uint8)
    mask[1, 10_000:] = 1
    frame = json.loads(encode_polygons(mask, {0: "a", 1: 'b "c" é'}))
    assert frame["objects"][1] == {
        "label": 'b "c" é',
        "polygon": [[10_000, 1], [12_344, 1], [12_344, 1.75], [10_000, 1.75]],
    }
    assert np.array_equal(drawn(frame, {"a": 0, 'b "c" é': 1}), mask)


NAMES = {
    "cityscapes": ("car", "Road", "out of roi", "traffic_light", "sky", "polegroup"),
    "own": ("background", "a,b", 'say "x"', "Straße", "car", "1 2 3"),
    "many": tuple(f"c{i}" for i in range(255)),
    "one": ("thing",),
}


@pytest.mark.slow
@pytest.mark.parametrize("table", NAMES)
@settings(max_examples=15)
@given(data=st.data())
def test_the_same_classes_and_ignored_pixels_come_back(
    table: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names, root = NAMES[table], tmp_path_factory.mktemp("set")
    ids = data.draw(st.sampled_from([("a", "b_c"), ("val/a", "test/a"), ("train/x/y_1", "k-fold/1")]))
    given_masks = {id: data.draw(masks(len(names))) for id in ids}
    dataset = make(root / "set", given_masks, names=names)
    exported = export("cityscapes", dataset, root / "out", images="none")
    assert len(exported) == len(dataset)
    assert same(dataset, back(root / "out", root / "auto"))
    assert same(dataset, back(root / "out", root / "polygons", from_="polygons"))
    (root / "out" / CONTRACT).unlink()
    labels = {"labels": "id"} if table == "cityscapes" else {}
    if table != "cityscapes":
        assert same(dataset, back(root / "out", root / "named", format="cityscapes", splits="all", **labels))


def test_ids_are_those_of_the_table_and_colours_too(tmp_path: Path) -> None:
    names = ("car", "parking", "Traffic-Light")
    mask = np.array([[0, 1], [2, 255]], np.uint8)
    export("cityscapes", make(tmp_path / "set", {"val/one": mask}, names=names), tmp_path / "out", images="none")
    stem = tmp_path / "out/gtFine/val/city/city_000000_one_gtFine_"
    rows = [LABELS[name] for name in ("car", "parking", "traffic light", "unlabeled")]

    def pixels(kind: str) -> Any:
        return np.array(Image.open(f"{stem}{kind}.png")).reshape(4, -1).squeeze().tolist()

    assert pixels("labelIds") == [26, 9, 19, 0] == pixels("instanceIds")
    assert pixels("labelTrainIds") == [13, 255, 6, 255]
    assert pixels("color") == [[*row.color, 255] for row in rows]
    frame = json.loads(Path(f"{stem}polygons.json").read_bytes())
    assert [thing["label"] for thing in frame["objects"]] == ["cargroup", "parking", "traffic light", "unlabeled"]
    assert not (tmp_path / "out/label_colors.txt").exists()


def test_cityscapes_own_files_come_out_as_they_were(samples: Path, tmp_path: Path) -> None:
    dataset = segdata.convert("cityscapes", samples / "cityscapes", tmp_path / "set", labels="id", splits="all")
    export("cityscapes", dataset, tmp_path / "out")
    for kind, mode in (("labelIds", "L"), ("labelTrainIds", "L"), ("color", "RGBA")):
        for path in sorted((samples / "cityscapes").rglob(f"gtFine/*/*/*_{kind}.png")):
            made = Image.open(tmp_path / "out" / path.relative_to(samples / "cityscapes"))
            assert made.mode == mode
            assert np.array_equal(np.array(made), np.array(Image.open(path).convert(mode))), path
    images = {path.name: path.resolve() for path in (tmp_path / "out/leftImg8bit").rglob("*.png")}
    assert images == {path.name: path.resolve() for path in (samples / "cityscapes/leftImg8bit").rglob("*.png")}
    assert same(dataset, segdata.convert("auto", tmp_path / "out", tmp_path / "back"))


def test_other_classes_have_ids_of_their_own_and_a_class_file(tmp_path: Path) -> None:
    dataset = make(tmp_path / "set", {"one": np.array([[0, 1, 2, 255]], np.uint8)}, names=("cat", "dog", "background"))
    written = export("cityscapes", dataset, tmp_path / "out", images="none")
    lines = (tmp_path / "out/label_colors.txt").read_text().splitlines()
    colors = [" ".join(map(str, label.color)) for label in dataset.labels.classes]
    assert lines == [f"{colors[0]} cat", f"{colors[1]} dog", f"{colors[2]} background", "0 0 0 ignore"]
    stem = tmp_path / "out/gtFine/train/city/city_000000_one_gtFine_"
    assert decode_mask(Path(f"{stem}labelIds.png").read_bytes()).tolist() == [[0, 1, 2, 3]]
    assert decode_mask(Path(f"{stem}labelTrainIds.png").read_bytes()).tolist() == [[0, 1, 2, 255]]
    assert "Cityscapes' own programs would take them for other labels" in written.to_json()["notes"][0]
    with pytest.raises(OptionError, match="have no class 'cat', 'dog', 'background': segdata remap --map"):
        export("cityscapes", dataset, tmp_path / "no", images="none", table="cityscapes")


def test_ignored_pixels_are_not_a_class_called_unlabeled(tmp_path: Path) -> None:
    names, mask = ("unlabeled", "car"), np.array([[0, 1, 255]], np.uint8)
    both = make(tmp_path / "both", {"one": mask}, names=names)
    with pytest.raises(OptionError, match="a class called unlabeled, which are one"):
        export("cityscapes", both, tmp_path / "no", images="none", table="cityscapes")
    export("cityscapes", both, tmp_path / "own", images="none")
    assert same(both, back(tmp_path / "own", tmp_path / "again"))
    none = make(tmp_path / "none", {"one": mask[:, :2]}, names=names)
    export("cityscapes", none, tmp_path / "out", images="none", table="cityscapes")
    assert same(none, back(tmp_path / "out", tmp_path / "back"))


def test_what_the_format_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    many = make(tmp_path / "many", {"one": np.zeros((2, 2))}, names=[f"c{i}" for i in range(256)])
    with pytest.raises(
        OptionError, match="256 classes: Cityscapes' label images have 8 bits, which hold 255: segdata remap"
    ):
        export("cityscapes", many, tmp_path / "out", images="none")
    for name in ("ignore", "__ignore__", " b"):
        dataset = make(tmp_path / name.strip(), {"one": np.zeros((2, 2))}, names=(name, "b"))
        with pytest.raises(OptionError, match="segdata remap --map"):
            export("cityscapes", dataset, tmp_path / "out", images="none")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("aachen/aachen_000000_000019", "aachen/aachen_000000_000019"),
        ("000000000139", "city/city_000000_000000000139"),
        ("0001TP_006690", "city/city_000000_0001TP-006690"),
        ("a_b/c/d_e", "a-b-c/a-b-c_000000_d-e"),
        (".hidden/x", "hidden/hidden_000000_x"),
        ("_hidden/x", "hidden/hidden_000000_x"),
        ("aachen/bochum_1_2", "aachen/aachen_000000_bochum-1-2"),
    ],
)
def test_names_have_the_three_parts_that_cityscapes_scripts_take_apart(name: str, called: str) -> None:
    assert frame_name(name) == called


def test_long_names_are_cut_and_told_apart() -> None:
    names = [frame_name("x/" + "é" * 120 + end) for end in "ab"]
    assert len(set(names)) == 2
    assert all(len(f"{name.split('/')[1]}_gtFine_labelTrainIds.png".encode()) <= 255 for name in names)
    assert all(name.count("_") == 2 for name in names)


def test_names_that_become_one_are_told_apart(tmp_path: Path) -> None:
    dataset = make(tmp_path / "set", {"val/a_b": np.zeros((1, 1)), "val/a-b": np.ones((1, 1))})
    export("cityscapes", dataset, tmp_path / "out", images="none")
    assert len(list((tmp_path / "out/gtFine/val/city").glob("*_labelIds.png"))) == 2


def test_images_are_linked_or_written_as_png(tmp_path: Path) -> None:
    dataset = make(tmp_path / "set", random_masks(3, prefix="val/"), images="reference")
    export("cityscapes", dataset, tmp_path / "out")
    linked = sorted((tmp_path / "out/leftImg8bit/val/city").iterdir())
    assert [path.name for path in linked] == [f"city_000000_00{i}_leftImg8bit.png" for i in range(3)]
    assert all(path.is_symlink() for path in linked)
    again = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    assert same(dataset, again)
    for one, other in zip(dataset, again, strict=True):
        assert np.array_equal(dataset.read_image(one), again.read_image(other))


def test_the_same_bytes_come_again(tmp_path: Path) -> None:
    dataset = make(tmp_path / "set", random_masks(4, prefix="val/"))
    for out in ("one", "two"):
        export("cityscapes", dataset, tmp_path / out, images="none")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
