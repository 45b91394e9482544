"""The Cityscapes reader: polygons by the official rule, every label mode, one clear message for everything that is wrong."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import segdata
import segdata.readers
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.files.cityscapes_table import TABLE
from segdata.kernels.scanline import fill_runs, polygon_runs
from segdata.readers.cityscapes.polygons import Polygons, corners
from segdata.readers.cityscapes.reader import read
from segdata.readers.cityscapes.rules import class_ids, class_labels
from segdata.readers.source import Drawn, Source

MODES = ("train", "id", "category")
KINDS = ("labelIds.png", "labelTrainIds.png", "instanceIds.png", "polygons.json", "color.png")
LINDAU = "val/lindau/lindau_000000_000019"


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(segdata.readers.READERS, "cityscapes", "segdata.readers.cityscapes.reader")


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    """The program that made the samples: it draws by the rule too, and has its own copy of the label table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "tools"))
        import make_samples

        yield make_samples
    for name in ("make_samples", "sample_canvas", "sample_cityscapes", "sample_pets", "sample_scenes", "sample_vector"):
        sys.modules.pop(name, None)


@pytest.fixture
def city(samples: Path, tmp_path: Path) -> Path:
    """A copy of the sample to break."""
    return shutil.copytree(samples / "cityscapes", tmp_path / "city")


def keep_only(root: Path, *kinds: str) -> Path:
    """The same folder without the label files of other kinds."""
    for path in (root / "gtFine").rglob("*_gtFine_*"):
        if not path.name.endswith(kinds):
            path.unlink()
    return root


def masks(source: Source) -> dict[str, NDArray[Any]]:
    """The mask of every item."""
    remap = source.labels.table({**{i: i for i in range(len(source.labels.classes))}, source.labels.ignore: None})
    return {item.id: item.annotation.draw(remap).mask for item in source.items}


def official(root: Path, sample: str, kind: str = "labelIds") -> NDArray[Any]:
    """The values of a label image, read by Pillow."""
    return np.array(Image.open(f"{root}/gtFine/{sample}_gtFine_{kind}.png"))


def thing(label: str = "car", polygon: Any = ((2, 2), (9, 2), (9, 7), (2, 7)), **more: Any) -> dict[str, Any]:
    return {"label": label, "polygon": polygon, **more}


def draw(folder: Path, content: Any, labels: Any = "id") -> Drawn:
    """What a polygons.json becomes; `content` is its bytes, its objects in a frame of 10 x 16 pixels, or all of it."""
    if isinstance(content, list):
        content = {"imgHeight": 10, "imgWidth": 16, "objects": content}
    path = folder / "x_gtFine_polygons.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    ids = class_ids(labels)
    of = class_labels(labels)
    remap = of.table({**{i: i for i in range(len(of.classes))}, 255: None})
    return Polygons(str(path), {row.name: (row.id, ids[row.id]) for row in TABLE}).draw(remap)


# The rule


def by_hand(points: Any, height: int, width: int) -> NDArray[np.bool_]:
    """The rule pixel by pixel, in float32, with nothing clever."""
    half = np.float32(0.5)
    p = [(np.float32(x), np.float32(y)) for x, y in points]
    mask = np.zeros((height, width), np.bool_)
    for row in range(height):
        sample = np.float32(row) + half
        crossings = []
        for i in range(len(p)):
            (x0, y0), (x1, y1) = p[i], p[(i + 1) % len(p)]
            if y0 != y1 and min(y0, y1) <= sample <= max(y0, y1):
                crossings.append((sample - y0) * ((x1 - x0) / (y1 - y0)) + x0)
        crossings.sort()
        for k in range(len(crossings) // 2):
            first, last = np.ceil(crossings[2 * k] - half), np.floor(crossings[2 * k + 1] + half)
            for column in range(width):
                if first <= column <= last:
                    mask[row, column] = True
    return mask


def filled(polygons: list[Any], height: int, width: int) -> NDArray[np.uint16]:
    """What the kernels draw: 0, or the number from 1 of the last polygon there."""
    points, ends = corners(polygons)
    runs, run_ends = polygon_runs(points, ends, height, width)
    assert len(run_ends) == len(polygons)
    for mine in np.split(runs, run_ends[:-1]):
        starts, stops = mine[1:, 0], mine[:-1, 1]
        assert (mine[:, 0] < mine[:, 1]).all()
        assert ((starts > stops) | ((starts == stops) & (starts % width == 0))).all()  # apart within a row
    out = np.zeros(height * width, np.uint16)
    fill_runs(runs, run_ends, np.arange(1, len(polygons) + 1).astype(np.uint16), out)
    return out.reshape(height, width)


side = st.integers(1, 22)
whole = st.integers(-9, 31)
coordinates = {
    "whole": whole,
    "half": st.integers(-18, 62).map(lambda n: n / 2),  # vertices on the sampled rows
    "any": st.floats(-9, 31),
    "far": st.one_of(whole, st.floats(-1e30, 1e30), st.integers(-(10**9), 10**9)),
}


@pytest.mark.parametrize("kind", coordinates)
@given(data=st.data())
def test_a_polygon_equals_the_rule(generator: ModuleType, kind: str, data: st.DataObject) -> None:
    points = data.draw(st.lists(st.tuples(coordinates[kind], coordinates[kind]), min_size=3, max_size=14))
    height, width = data.draw(side), data.draw(side)
    drawn = filled([points], height, width) > 0
    np.testing.assert_array_equal(drawn, by_hand(points, height, width))
    if kind != "far":
        other = np.zeros((height, width), np.uint8)
        generator.draw_polygon(other, points, 1)
        np.testing.assert_array_equal(drawn, other > 0)


@given(st.lists(st.lists(st.tuples(whole, whole), min_size=3, max_size=9), max_size=6), side, side)
@example([], 3, 3)
def test_the_later_polygon_wins(polygons: list[Any], height: int, width: int) -> None:
    expected = np.zeros((height, width), np.uint16)
    for number, points in enumerate(polygons, 1):
        expected[by_hand(points, height, width)] = number
    np.testing.assert_array_equal(filled(polygons, height, width), expected)


def test_a_long_zigzag_needs_more_runs_than_there_are_at_first() -> None:
    points = [(x, 0 if x % 2 else 40) for x in range(120)]
    np.testing.assert_array_equal(filled([points] * 3, 40, 120) == 3, by_hand(points, 40, 120))


def test_an_odd_crossing_is_left_over() -> None:
    """A corner on a sampled row is crossed by both of its edges; only there are crossings odd."""
    right = [(1, 0), (6, 0), (8, 0.5), (6, 1), (1, 1)]  # crossings at 1, 8, 8
    left = [(6, 0), (3, 0), (1, 0.5), (3, 1), (6, 1)]  # at 1, 1, 6
    assert np.flatnonzero(filled([right], 1, 10)).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert np.flatnonzero(filled([left], 1, 10)).tolist() == [1]


# The label table and the three modes


def test_the_table_is_the_generators(generator: ModuleType) -> None:
    theirs = [
        (name, id, train, group, number, color) for name, id, train, group, number, _, _, color in generator.TABLE
    ]
    assert theirs == [tuple(row) for row in TABLE]


def test_classes_are_in_the_official_order() -> None:
    assert class_labels("train").names[:3] == ("road", "sidewalk", "building")
    assert class_labels("train").names[13:] == ("car", "truck", "bus", "train", "motorcycle", "bicycle")
    assert len(class_labels("id").classes) == 34
    assert class_labels("id").names[33] == "bicycle"
    assert class_labels("category").names == ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
    assert class_labels("train").classes[13].color == (0, 0, 142)
    assert class_labels("category").classes[6].color == (0, 0, 142)


@pytest.mark.parametrize("labels", MODES)
@pytest.mark.parametrize("split", [None, "test"])
def test_polygons_equal_the_label_images(samples: Path, labels: Any, split: str | None) -> None:
    root = samples / "cityscapes"
    drawn = masks(read(root, labels=labels, from_="polygons", split=split))
    assert len(drawn) == (1 if split else 8)
    translate = {
        "train": {row.id: row.train_id % 256 for row in TABLE},
        "id": {row.id: row.id for row in TABLE},
        "category": {row.id: row.category_id - 1 if row.category_id else 255 for row in TABLE},
    }[labels]
    for sample, mask in drawn.items():
        expected = np.vectorize(translate.__getitem__)(official(root, sample))
        assert np.count_nonzero(mask != expected) == 0, sample
        if labels == "train":
            np.testing.assert_array_equal(mask, official(root, sample, "labelTrainIds"))


@pytest.mark.parametrize("labels", MODES)
@pytest.mark.parametrize("kind", KINDS[:4])
def test_every_kind_of_label_file_gives_the_same_masks(city: Path, labels: Any, kind: str) -> None:
    expected = masks(read(city, labels=labels))
    keep_only(city, kind)
    if kind == "labelTrainIds.png" and labels != "train":
        with pytest.raises(DataError, match="many labels are one") as caught:
            read(city, labels=labels)
        assert caught.value.problem.sample == "train/aachen/aachen_000000_000019"
        return
    found = masks(read(city, labels=labels))
    assert found.keys() == expected.keys()
    for sample, mask in found.items():
        np.testing.assert_array_equal(mask, expected[sample])


def test_the_best_label_file_is_taken(city: Path) -> None:
    def taken(**options: Any) -> str:
        annotation: Any = read(city, split="val", **options).items[0].annotation
        return str(annotation.path).rpartition("_")[2]

    best = ["labelIds.png", "labelTrainIds.png", "instanceIds.png", "polygons.json"]
    assert taken(from_="polygons") == "polygons.json"
    for kind in best:
        assert taken() == kind
        keep_only(city, *best[best.index(kind) + 1 :], "color.png")


@pytest.mark.parametrize(
    ("option", "value"), [("annotations", "rough"), ("labels", "trainids"), ("from_", "json"), ("split", "vall")]
)
def test_options_that_have_no_such_value(samples: Path, option: str, value: str) -> None:
    with pytest.raises(OptionError, match=value) as caught:
        read(samples / "cityscapes", **{option: value})  # type: ignore[arg-type]
    assert any(way in str(caught.value) for way in ("must be one of", "--split may be test, train, val"))


# Splits, ids, folders


def test_test_is_read_only_when_asked_for(samples: Path) -> None:
    usual = read(samples / "cityscapes")
    assert {item.split for item in usual.items} == {"train", "val"}
    assert LINDAU in [item.id for item in usual.items]
    assert not usual.receipt.notes
    asked = read(samples / "cityscapes", split="test")
    assert [item.id for item in asked.items] == ["test/berlin/berlin_000000_000019"]
    assert "placeholders" in asked.receipt.notes[0]


def test_only_test_there(city: Path) -> None:
    for split in ("train", "val"):
        shutil.rmtree(city / "gtFine" / split)
        shutil.rmtree(city / "leftImg8bit" / split)
    with pytest.raises(OptionError, match="--split may be test"):
        read(city)


def test_coarse_labels_bring_train_extra(city: Path) -> None:
    for base in ("gtFine", "leftImg8bit"):
        (city / base / "train").rename(city / base / "train_extra")
    assert {item.split for item in read(city).items} == {"val"}
    (city / "gtFine").rename(city / "gtCoarse")
    for path in list((city / "gtCoarse").rglob("*_gtFine_*")):
        path.rename(path.with_name(path.name.replace("_gtFine_", "_gtCoarse_")))
    with pytest.raises(DataError, match="holds no gtFine but gtCoarse: give --annotations coarse"):
        read(city)
    for from_ in ("png", "polygons"):
        source = read(city, annotations="coarse", from_=from_)  # type: ignore[arg-type]
        assert {item.split for item in source.items} == {"train_extra", "val"}
        assert len(masks(source)) == 8
    assert source.options == {"annotations": "coarse", "labels": "train", "from": "polygons"}


def test_without_images_the_labels_alone_count(city: Path) -> None:
    shutil.rmtree(city / "leftImg8bit")
    with pytest.raises(DataError, match="--images none"):
        read(city)
    source = read(city, images=False)
    assert len(source.items) == 8
    assert {item.image for item in source.items} == {None}


def test_images_may_be_jpeg_and_hidden_files_are_passed_over(city: Path) -> None:
    image = city / "leftImg8bit" / f"{LINDAU}_leftImg8bit.png"
    Image.open(image).convert("RGB").save(image.with_suffix(".jpg"))
    assert next(i.image for i in read(city).items if i.id == LINDAU) == str(image)
    image.unlink()
    (image.parent / f"._{image.name}").write_bytes(b"Mac OS X")
    (city / "gtFine/val/lindau/._lindau_000000_000019_gtFine_labelIds.png").write_bytes(b"Mac OS X")
    (city / "gtFine/val/.DS_Store").write_bytes(b"")
    source = read(city)
    assert len(source.items) == 8
    assert next(i.image for i in source.items if i.id == LINDAU) == str(image.with_suffix(".jpg"))


def test_inputs_name_the_label_files_and_the_receipt_their_contents(city: Path, tmp_path: Path) -> None:
    before, receipt = read(city).inputs, segdata.convert("cityscapes", city, tmp_path / "a").read_receipt()
    assert [given.name for given in before] == ["gtFine_train", "gtFine_val"]
    path = city / f"gtFine/{LINDAU}_gtFine_polygons.json"
    path.write_text(path.read_text() + " ")
    assert segdata.convert("cityscapes", city, tmp_path / "b").read_receipt() == receipt, "it is not read"
    path = city / f"gtFine/{LINDAU}_gtFine_labelIds.png"
    with Image.open(path) as labels:
        turned = labels.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned.save(path)
    assert read(city).inputs == before
    assert segdata.convert("cityscapes", city, tmp_path / "c").read_receipt()["label_files"] != receipt["label_files"]
    path.unlink()
    assert read(city).inputs[0] == before[0]
    assert read(city).inputs[1] != before[1]


# Whole conversions


@pytest.mark.parametrize("from_", ["png", "polygons"])
def test_a_conversion_and_its_receipt(samples: Path, tmp_path: Path, from_: str) -> None:
    dataset = segdata.convert("cityscapes", samples / "cityscapes", tmp_path / "d", from_=from_)
    for sample in dataset:
        expected = official(samples / "cityscapes", sample.id, "labelTrainIds")
        np.testing.assert_array_equal(dataset.read_mask(sample), expected)
        assert dataset.read_image(sample).shape[:2] == sample.size
    receipt = dataset.read_receipt()
    counts = receipt["annotations"]
    assert counts["in"] == counts["painted"] + counts["skipped"]
    if from_ == "png":
        assert counts["in"] == len(dataset) == 8
        return
    files = sorted((samples / "cityscapes/gtFine").glob("[tv][ra]*/*/*_polygons.json"))
    objects = [thing for path in files for thing in json.loads(path.read_text())["objects"]]
    assert counts["in"] == len(objects)
    codes = [line["code"] for line in receipt["skipped"]]
    assert codes.count("cityscapes.no_class") == sum(thing["label"] == "license plate" for thing in objects)
    assert codes.count("cityscapes.deleted") == sum("deleted" in thing for thing in objects) == 1
    assert receipt["contested"]["pixels"] == 0
    assert {c["source_id"]: c["class"] for c in receipt["classes"]}[26] == "car"
    assert "license plate" in receipt["unmapped"]


def test_classes_are_chosen_by_name(samples: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"from_": "polygons", "images": "none", "only": ["car", "person"]}
    dataset = segdata.convert("cityscapes", samples / "cityscapes", tmp_path / "d", **options)
    assert dataset.labels.names == ("person", "car")
    sample = dataset.sample(LINDAU)
    ids = official(samples / "cityscapes", LINDAU)
    np.testing.assert_array_equal(dataset.read_mask(sample), np.select([ids == 24, ids == 26], [0, 1], 255))


def test_a_frame_is_left_out_with_its_objects(city: Path, tmp_path: Path) -> None:
    broken = city / f"gtFine/{LINDAU}_gtFine_polygons.json"
    content = json.loads(broken.read_text())
    content["objects"][3]["label"] = "unicorn"
    broken.write_text(json.dumps(content))
    bare = "val/lindau/lindau_000000_000038"
    (city / f"leftImg8bit/{bare}_leftImg8bit.png").unlink()
    objects = len(json.loads((city / f"gtFine/{bare}_gtFine_polygons.json").read_text())["objects"])
    (city / "gtFine/train/bochum/bochum_000000_000019_gtFine_polygons.json").write_bytes(b"{")
    for path in (city / "gtFine").rglob("bochum_000000_000038_*"):
        path.unlink()
    run = segdata.Run(report=Report("skip"))
    dataset = segdata.convert("cityscapes", city, tmp_path / "d", from_="polygons", run=run)
    assert len(dataset) == 4
    receipt = dataset.read_receipt()
    assert receipt["images"] == {"in": 8, "converted": 4, "skipped": 4}
    lines = [line for line in receipt["skipped"] if line["code"] == "image.skipped"]
    assert len(lines) == len(content["objects"]) + objects + 1
    assert receipt["annotations"]["in"] == receipt["annotations"]["painted"] + receipt["annotations"]["skipped"]
    codes = {problem.sample: problem.code for problem in run.report.problems}
    assert codes == {
        LINDAU: "cityscapes.label",
        bare: "image.missing",
        "train/bochum/bochum_000000_000019": "cityscapes.json",
        "train/bochum/bochum_000000_000038": "cityscapes.labels",
    }


def test_a_frame_of_another_size_is_refused(city: Path, tmp_path: Path) -> None:
    Image.new("RGB", (250, 128)).save(city / f"leftImg8bit/{LINDAU}_leftImg8bit.png")
    with pytest.raises(DataError, match=r"250 x 128 but its labels are 256 x 128") as caught:
        segdata.convert("cityscapes", city, tmp_path / "d")
    assert caught.value.problem.sample == LINDAU
    assert not (tmp_path / "d").exists()


def test_values_that_are_no_label_ids_are_refused(city: Path, tmp_path: Path) -> None:
    """Train ids under the name of label ids would pass for them, but for their void of 255."""
    shutil.copy(city / f"gtFine/{LINDAU}_gtFine_labelTrainIds.png", city / f"gtFine/{LINDAU}_gtFine_labelIds.png")
    with pytest.raises(DataError, match=r"255: is it really labelIds\.png") as caught:
        segdata.convert("cityscapes", city, tmp_path / "d")
    assert caught.value.problem.sample == LINDAU


# Bad input


def test_folders_that_are_not_there(samples: Path, tmp_path: Path) -> None:
    for root in (tmp_path / "nowhere", tmp_path, samples / "cityscapes/gtFine"):
        with pytest.raises(DataError, match="holds no gtFine") as caught:
            read(root)
        assert caught.value.problem.file == str(root)
    (tmp_path / "gtFine/train/aachen").mkdir(parents=True)
    with pytest.raises(DataError, match="is it unpacked"):
        read(tmp_path, images=False)


def test_from_names_what_is_there(city: Path) -> None:
    keep_only(city, "polygons.json")
    with pytest.raises(DataError, match=r"none of polygons.json may be read: --from auto"):
        read(city, from_="png")
    (city / f"gtFine/{LINDAU}_gtFine_polygons.json").unlink()
    with pytest.raises(DataError, match="has no labels") as caught:
        read(city)
    assert caught.value.problem.sample == LINDAU
    assert str(caught.value.problem.file).endswith("lindau_000000_000019_leftImg8bit.png")


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", "cityscapes.json", "not valid JSON, perhaps cut off"),
        (b'{"imgHeight": 10, "imgWidth": 16, "obj', "cityscapes.json", "cut off"),
        (b"[" * 9000, "cityscapes.json", "cut off"),
        (b"[]", "cityscapes.json", "not Cityscapes polygons"),
        (b"\xff\xfe\x00", "cityscapes.json", "cut off"),
        ({"imgHeight": 10, "imgWidth": 16}, "cityscapes.json", "missing required field `objects`"),
        ({"imgHeight": 10, "imgWidth": 16, "objects": {}}, "cityscapes.json", "Expected `array`"),
        ({"objects": []}, "cityscapes.size", r"states no size \(imgHeight, imgWidth\): .*--from png"),
        ({"imgHeight": 10, "objects": []}, "cityscapes.size", "states no size"),
        ({"imgHeight": 10, "imgWidth": -3, "objects": []}, "cityscapes.size", "states no size"),
        ({"imgHeight": 10, "imgWidth": "16", "objects": []}, "cityscapes.json", "imgWidth"),
        ({"imgHeight": 2**20, "imgWidth": 2**20, "objects": []}, "image.too_large", "more than the limit"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole(tmp_path: Path, content: Any, code: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        draw(tmp_path, content)
    assert caught.value.problem.code == code
    assert str(caught.value.problem.file).endswith("x_gtFine_polygons.json")
    assert caught.value.problem.annotation is None


@pytest.mark.parametrize(
    ("bad", "code", "message"),
    [
        (thing("unicorn"), "cityscapes.label", "no label 'unicorn'"),
        (thing("unicorngroup"), "cityscapes.label", "no label 'unicorngroup'"),
        (thing("group"), "cityscapes.label", "no label 'group'"),
        (thing("buildin"), "cityscapes.label", "did you mean building"),
        (thing(polygon=[[0, 0], [1, math.nan], [2, 2]]), "polygon.nan", "NaN or infinite"),
        (thing(polygon=[[0, 0], [-math.inf, 1], [2, 2]]), "polygon.nan", "NaN or infinite"),
        (thing(polygon=[[0, 0], [1e31, 1], [2, 2]]), "polygon.nan", "NaN or infinite"),
        (thing(polygon=[[0, 0], [1, 1, 1], [2, 2]]), "cityscapes.object", "Expected `array` of length 2"),
        (thing(polygon=[0, 0, 5, 0, 5, 5]), "cityscapes.object", "Expected `array`"),
        (thing(polygon=[[0, "1"], [1, 1], [2, 2]]), "cityscapes.object", "Expected `float`, got `str`"),
        ({"label": "car"}, "cityscapes.object", "missing required field `polygon`"),
        ({"polygon": []}, "cityscapes.object", "missing required field `label`"),
        (thing(label=7), "cityscapes.object", "Expected `str`"),  # type: ignore[arg-type]
        (7, "cityscapes.object", "Expected `object`"),
    ],
)
def test_an_object_that_is_wrong_is_named(tmp_path: Path, bad: Any, code: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        draw(tmp_path, [thing(), thing("license plate"), bad, thing()])
    assert (caught.value.problem.code, caught.value.problem.annotation) == (code, 2)


def test_a_number_too_large_for_json_parsers_is_refused(tmp_path: Path) -> None:
    text = json.dumps({"imgHeight": 10, "imgWidth": 16, "objects": [thing(polygon=[[0, 0], [1, 77], [2, 2]])]})
    for number in ("1e400", "-1e400", "9" * 400):
        with pytest.raises(DataError) as caught:
            draw(tmp_path, text.replace("77", number).encode())
        assert caught.value.problem.code in ("polygon.nan", "cityscapes.object", "cityscapes.json")


def test_what_is_not_drawn_has_a_line(tmp_path: Path) -> None:
    objects = [
        thing("road", [[0, 0], [16, 0], [16, 10], [0, 10]]),
        thing("unicorn", [[0, 0]], deleted=1),  # what is deleted may be anything
        thing("license plate"),
        thing("license plategroup"),
        thing("car", [[1, 1], [5, 5]]),
        thing("car", []),
        thing("car", [[1, 3], [9, 3], [4, 3]]),  # flat: no row is crossed
        thing("car", [[40, 2], [60, 2], [50, 9]]),
        thing("truck", [[3, 3], [6, 3], [6, 6], [3, 6]]),
        thing("persongroup", [[2, 2], [8, 2], [8, 7], [2, 7]]),
        thing("polegroup", [[-5, 8], [4, 8], [4, 30], [-5, 30]], deleted=0, verified=1, user="a", date="b", id=3),
    ]
    drawn = draw(tmp_path, objects)
    receipt = drawn.receipt
    assert [(line.annotation, line.code) for line in receipt.skipped] == [
        (1, "cityscapes.deleted"),
        (2, "cityscapes.no_class"),
        (3, "cityscapes.no_class"),
        (4, "polygon.degenerate"),
        (5, "polygon.degenerate"),
        (6, "polygon.empty"),
        (7, "polygon.empty"),
    ]
    assert [line.annotation for line in receipt.hidden] == [8]
    assert [line.annotation for line in receipt.clipped] == [7, 10]
    assert (receipt.annotations, receipt.painted) == (11, 4)
    expected = np.full((10, 16), 7, np.uint8)
    expected[by_hand(objects[9]["polygon"], 10, 16)] = 24
    expected[by_hand(objects[10]["polygon"], 10, 16)] = 18
    np.testing.assert_array_equal(drawn.mask, expected)


def test_void_labels_cover_what_is_below(tmp_path: Path) -> None:
    both = [thing("car"), thing("out of roi", [[5, 0], [16, 0], [16, 10], [5, 10]])]
    mask = draw(tmp_path, both, labels="train").mask
    assert mask[4, 3] == 13
    assert (mask[:, 5:] == 255).all()
    assert draw(tmp_path, both, labels="id").mask[4, 8] == 3


# Fuzz

json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=12,
)
number = st.one_of(st.integers(-5, 30), st.floats(), st.integers(-(2**70), 2**70))
object_value = st.fixed_dictionaries(
    {
        "label": st.sampled_from([row.name for row in TABLE] + ["cargroup", "group", "x"]) | st.text(max_size=3),
        "polygon": st.lists(st.tuples(number, number), max_size=7) | json_value,
    },
    optional={"deleted": st.booleans() | json_value, "id": json_value},
)


@given(
    st.fixed_dictionaries(
        {
            "imgHeight": st.integers(-2, 12) | json_value,
            "imgWidth": st.integers(-2, 12) | json_value,
            "objects": st.lists(object_value, max_size=5) | st.lists(json_value, max_size=3) | json_value,
        }
    )
)
def test_fuzz_files(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    try:
        drawn = draw(tmp_path_factory.mktemp("fuzz"), content)
    except SegdataError:
        return
    assert drawn.mask.shape == (content["imgHeight"], content["imgWidth"])
    receipt = drawn.receipt
    assert len(content["objects"]) == receipt.annotations == receipt.painted + len(receipt.skipped)
    expected = np.zeros(drawn.mask.shape, np.uint8)
    skipped = {line.annotation for line in receipt.skipped}
    ids = {row.name: row.id for row in TABLE}
    for place, one in enumerate(content["objects"]):
        if place not in skipped:
            name = one["label"] if one["label"] in ids else one["label"].removesuffix("group")
            expected[by_hand(one["polygon"], *drawn.mask.shape)] = ids[name]
    np.testing.assert_array_equal(drawn.mask, expected)


@given(st.binary(max_size=120))
@example(b'{"imgHeight": 3, "imgWidth": 3, "objects": [{"label": "\xff", "polygon": []}]}')
@example(b'{"imgHeight": 3, "imgWidth": 3, "objects": [{"label": "\\ud800", "polygon": [[0,0],[1,1],[2,0]]}]}')
def test_fuzz_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    with pytest.raises(SegdataError) as caught:
        draw(tmp_path_factory.mktemp("fuzz"), data)
    assert str(caught.value).encode()
