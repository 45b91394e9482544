"""Label Studio: masks come back whatever they are, and tasks, URLs and the configuration are what the tool reads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

import segdata
from carry_files import contents, make
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, OptionError
from segdata.windows import Window
from segdata.writers.labelstudio.config import LOCAL, image_url

Json = dict[str, Any]

NAMES = (
    "background",
    "a b",
    "it's",
    'say "x"',
    "Straße",
    "道",
    "x, y",
    "a/b",
    "<&>",
    "$image",
    "1",
    "true",
    "tab\tline\n",
)

RING = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 2]], np.uint8)
"""A hole, and a class that touches another at a corner."""


@st.composite
def masks(draw: Any, classes: int) -> NDArray[Any]:
    """(H, W) class ids and ignore: noise, blocks, rings in rings, diagonals, one value, one pixel."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    values = rng.choice([*range(min(classes, 5)), classes - 1, 255 if classes <= 255 else 65535], 3)
    y, x = np.mgrid[:height, :width]
    place = {
        "noise": rng.integers(0, 3, (height, width)),
        "blocks": rng.integers(0, 3, (8, 8))[y // 2 % 8, x // 3 % 8],
        "rings": np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x)) % 3,
        "diagonals": (y + x) % 3,
        "one": np.zeros((height, width), int),
        "pixel": ((y == height // 2) & (x == width - 1)).astype(int),
    }[draw(st.sampled_from(["noise", "blocks", "rings", "diagonals", "one", "pixel"]))]
    return np.asarray(values[place])


@given(
    st.data(), st.sampled_from([1, 2, 7, 255, 300]), st.booleans(), st.sampled_from(["annotations", "predictions"]),
    st.sampled_from([("brush", "classes"), ("brush", "regions"), ("polygon", "regions")]), st.booleans(),
)  # fmt: skip
def test_masks_come_back(
    data: Any, count: int, ground: bool, as_: str, shapes: tuple[str, str], contract: bool
) -> None:
    """With segdata.json as they were; without it by the names of the classes."""
    names = [*NAMES[not ground :], *(f"class {i}" for i in range(300))][: count + ground]
    ids = data.draw(
        st.lists(st.sampled_from(["a", "train/b", "train/c", "v1.2", "d #%&+/e f"]), min_size=1, unique=True)
    )
    given = {id: data.draw(masks(len(names))) for id in ids}
    how: Json = {"as_": as_, "shapes": shapes[0], "objects": shapes[1], "ignored": "class", "images": "none"}
    with TemporaryDirectory() as folder:
        dataset = make(Path(folder, "d"), given, names=names)
        segdata.export("labelstudio", dataset, Path(folder, "out"), **how)
        if contract:
            back = segdata.convert("auto", Path(folder, "out"), Path(folder, "back"), allow_empty=True)
            assert back.labels == dataset.labels
        else:
            Path(folder, "out", "segdata.json").unlink()
            more: Json = {"annotation": "prediction"} if as_ == "predictions" else {}
            back = segdata.convert(
                "labelstudio", Path(folder, "out"), Path(folder, "back"), config="config.xml", images="none",
                allow_empty=True, **more,
            )  # fmt: skip
        assert {(one.id, one.split) for one in back} == {(one.id, one.split) for one in dataset}
        for sample in dataset:
            expected, found = dataset.read_mask(sample), back.read_mask(back.sample(sample.id))
            if not contract:
                expected, found = by_name(dataset, expected), by_name(back, found)
            np.testing.assert_array_equal(found, expected)


def by_name(dataset: Dataset, mask: NDArray[Any]) -> NDArray[Any]:
    """The names of a mask's pixels, without what surrounds them."""
    names = {value: dataset.labels.name(value).strip() for value in np.unique(mask).tolist()}
    return np.vectorize(names.get, otypes=[object])(mask)


def tasks_of(root: Path) -> list[Json]:
    """The tasks of an export."""
    tasks: list[Json] = json.loads((root / "tasks.json").read_text("utf-8"))
    return tasks


def test_tasks_are_those_of_the_tool(tmp_path: Path) -> None:
    """The keys of https://labelstud.io/guide/task_format; a hole stays one, and no region lies over another."""
    dataset = make(tmp_path / "d", {"train/a": RING, "b": RING * 0}, images="copy")
    segdata.export("labelstudio", dataset, tmp_path / "out", as_="predictions")
    first, second = tasks_of(tmp_path / "out")
    assert (first["id"], second["id"]) == (1, 2)
    assert first["data"] == {"image": LOCAL + "b.png", "segdata": {"id": "b", "height": 3, "width": 4}}
    assert second["data"]["image"] == LOCAL + "train/a.png"
    assert second["data"]["segdata"] == {"id": "train/a", "height": 3, "width": 4, "split": "train"}
    (work,) = second["predictions"]
    assert work["model_version"] == "segdata"
    assert [one["value"]["brushlabels"] for one in work["result"]] == [["road"], ["car"], ["sign"]]
    for one in work["result"]:
        assert {key: one[key] for key in one.keys() - {"id", "value"}} == {
            "from_name": "label", "to_name": "image", "type": "brushlabels", "image_rotation": 0, "original_width": 4,
            "original_height": 3,
        }  # fmt: skip
    assert len({one["id"] for one in work["result"]}) == 3
    assert (tmp_path / "out/images/train/a.png").resolve() == Path(dataset.image_path(dataset.sample("train/a")))


def test_polygons_are_what_pycocotools_fills(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    mask = np.kron(rng.integers(0, 3, (9, 11)), np.ones((3, 2), int)).astype(np.uint8)
    dataset = make(tmp_path / "d", {"a": mask}, names=("background", "car", "sign"))
    segdata.export("labelstudio", dataset, tmp_path / "out", shapes="polygon", images="none")
    drawn = np.zeros_like(mask)
    for one in tasks_of(tmp_path / "out")[0]["annotations"][0]["result"]:
        points = [part for x, y in one["value"]["points"] for part in (x / 100 * 22, y / 100 * 27)]
        inside = coco.decode(coco.merge(coco.frPyObjects([points], 27, 22))) > 0
        assert not drawn[inside].any()
        drawn[inside] = dataset.labels.id(one["value"]["polygonlabels"][0])
    np.testing.assert_array_equal(drawn, mask)


def test_the_configuration_lists_classes_with_their_colours(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {"a": RING}, names=NAMES)
    segdata.export("labelstudio", dataset, tmp_path / "out", images="none", ignored="class")
    root = ElementTree.parse(tmp_path / "out/config.xml").getroot()
    labels = [(one.get("value"), one.get("background")) for one in root.iter("Label")]
    colors = ["#{:02x}{:02x}{:02x}".format(*one.color) for one in dataset.labels.classes]
    assert labels == [*zip(NAMES[1:], colors[1:], strict=True), ("ignore", "#ffffff")]
    (control,) = root.iter("BrushLabels")
    assert (control.get("name"), control.get("toName")) == ("label", "image")


@pytest.mark.parametrize(
    ("prefix", "url"),
    [
        (LOCAL, LOCAL + "x/c%20%231%26%25.png"),
        ("https://host/x", "https://host/x/x/c%20%231%26%25.png"),
        ("/data/local-files/?d=", "/data/local-files/?d=x/c%20%231%26%25.png"),
        ("s3://bucket/x/", "s3://bucket/x/x/c #1&%.png"),
        ("gs://bucket", "gs://bucket/x/c #1&%.png"),
        ("", "x/c%20%231%26%25.png"),
    ],
)
def test_urls_of_images_name_the_same_files(prefix: str, url: str, tmp_path: Path) -> None:
    assert image_url(prefix, "x/c #1&%.png") == url
    dataset = make(tmp_path / "d", {"x/c #1&%": RING, "x/d": RING}, images="copy")
    segdata.export("labelstudio", dataset, tmp_path / "out", image_url=prefix)
    assert tasks_of(tmp_path / "out")[0]["data"]["image"] == url
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    for sample in dataset:
        np.testing.assert_array_equal(back.read_image(back.sample(sample.id)), dataset.read_image(sample))


def test_ignored_pixels_are_asked_for_and_counted(tmp_path: Path) -> None:
    """With a class background they are lost if they become it; without one, what has no label is ignored."""
    mask = RING.copy()
    mask[0, 0] = mask[2, 3] = mask[1, 3] = 255
    for names, lost in ((("background", "car", "sign"), True), (("road", "car", "sign"), False)):
        dataset = make(tmp_path / names[0], {"a": mask, "b": RING}, names=names)
        for shapes in ("brush", "polygon"):
            with pytest.raises(OptionError, match=re.escape("1 of 2 samples have ignored pixels")):
                segdata.export("labelstudio", dataset, tmp_path / "refused", images="none", shapes=shapes)
        assert not (tmp_path / "refused").exists()
        out = tmp_path / f"{names[0]}-out"
        receipt = segdata.export("labelstudio", dataset, out, images="none", ignored="background").to_json()
        told = {"images": 1, "pixels": 3, "regions": 2, "keep": "--ignored class"}
        assert receipt["cannot_hold"] == ({"ignored": told} if lost else {})
        assert bool(receipt["notes"]) != lost
        back = segdata.convert("auto", out, tmp_path / f"{names[0]}-back")
        expected = np.where(mask == 255, 0, mask) if lost else mask
        np.testing.assert_array_equal(back.read_mask(back.sample("a")), expected)
    dropped = segdata.export("labelstudio", dataset, tmp_path / "dropped", images="none", ignored="drop").to_json()
    assert [line["sample"] for line in dropped["skipped"]] == ["a"]


def test_corrected_tasks_come_back_corrected(tmp_path: Path) -> None:
    """What people changed counts, and a label that they added is the last class. Splits and groups stay."""
    fields = {"val/b": {"group": "street"}}
    dataset = make(tmp_path / "d", {"train/a": RING, "val/b": RING}, images="copy", fields=fields)
    segdata.export("labelstudio", dataset, tmp_path / "out", as_="predictions")
    tasks = tasks_of(tmp_path / "out")
    for task in tasks:
        (work,) = json.loads(json.dumps(task["predictions"]))
        work["result"][1]["value"]["brushlabels"] = ["new"]
        task["annotations"] = [{**work, "id": 7, "created_at": "2024-01-01T00:00:00Z"}]
    (tmp_path / "out/tasks.json").write_text(json.dumps(tasks))
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    assert back.labels.names == ("road", "car", "sign", "new")
    assert [(one.id, one.split, one.group) for one in back] == [("train/a", "train", None), ("val/b", "val", "street")]
    np.testing.assert_array_equal(back.read_mask(back.sample("val/b")), np.where(RING == 1, 3, RING))
    one = segdata.convert("auto", tmp_path / "out", tmp_path / "one", split="val")
    assert [sample.id for sample in one] == ["val/b"]
    with pytest.raises(OptionError, match="--split test: tasks are of train, val: leave it out"):
        segdata.convert("auto", tmp_path / "out", tmp_path / "none", split="test")


def test_predictions_stay_where_nobody_corrected_them(tmp_path: Path) -> None:
    """The server's exports keep predictions, or have their numbers alone. A task that was skipped has no label."""
    dataset = make(tmp_path / "d", {"train/a": RING, "train/b": RING, "train/c": RING, "train/d": RING}, images="copy")
    segdata.export("labelstudio", dataset, tmp_path / "out", as_="predictions")
    corrected, kept, skipped, numbered = tasks_of(tmp_path / "out")
    for task in (corrected, numbered):
        (work,) = json.loads(json.dumps(task["predictions"]))
        task["annotations"] = [{"id": 7, "result": work["result"][:1]}]
    skipped["annotations"] = [{"id": 8, "result": [], "was_cancelled": True}]
    numbered["predictions"] = [3]
    del numbered["data"]["segdata"]
    (tmp_path / "out/tasks.json").write_text(json.dumps([corrected, kept, skipped, numbered]))
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    assert [(sample.id, sample.split) for sample in back] == [("d", None), ("train/a", "train"), ("train/b", "train")]
    for sample in back:
        expected = RING if sample.id == "train/b" else np.where(RING == 0, RING, 255)
        np.testing.assert_array_equal(back.read_mask(sample), expected)
    notes = back.read_receipt()["notes"]
    assert "tasks.json: taken: predictions of 1 tasks that have no annotation" in notes
    assert "tasks that segdata did not write, in no split: 1, such as d" in notes
    assert any("images of which no annotation is taken (corrected): 1, left out" in note for note in notes)


def test_what_no_browser_shows_is_written_as_png(tmp_path: Path) -> None:
    """A TIFF, and a photo that EXIF turns; what has no colours is refused."""
    source = tmp_path / "s"
    (source / "masks").mkdir(parents=True)
    (source / "images").mkdir()
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new("RGB", (3, 4), (200, 0, 0)).save(source / "images/turned.jpg", exif=exif)
    Image.new("RGB", (4, 3), (0, 200, 0)).save(source / "images/t.tif")
    for id in ("turned", "t"):
        Image.fromarray(RING).save(source / f"masks/{id}.png")
    options: Json = {"image_dir": "images", "mask_dir": "masks", "classes": ["road", "car", "sign"]}
    dataset = segdata.convert("masks", source, tmp_path / "d", **options)
    receipt = segdata.export("labelstudio", dataset, tmp_path / "out").to_json()
    assert receipt["written_as_pixels"] == 2
    for id in ("turned", "t"):
        with Image.open(tmp_path / f"out/images/{id}.png") as image:
            assert image.size == (4, 3)
    Image.fromarray(np.arange(12, dtype=np.uint16).reshape(3, 4) * 999).save(source / "images/t.tif")
    deep = segdata.convert("masks", source, tmp_path / "deep", **options)
    with pytest.raises(DataError, match="--images none") as caught:
        segdata.export("labelstudio", deep, tmp_path / "refused")
    assert caught.value.problem.sample == "t"
    segdata.export("labelstudio", deep, tmp_path / "refused", images="none")


def test_images_that_are_far_away_keep_their_urls(tmp_path: Path) -> None:
    """But not parts of them, and not if an option says where the images are."""
    far = {
        "a": {"image": "s3://bucket/x/1.jpg"}, "c": {"image": "s3://bucket/x/2.tif"},
        "d": {"image": "s3://bucket/x/3.jpg", "crop": Window(0, 0, 3, 4)},
    }  # fmt: skip
    dataset = make(tmp_path / "d", dict.fromkeys("abcd", RING), images="reference", fields=far)
    segdata.export("labelstudio", dataset, tmp_path / "out", images="none")
    urls = [task["data"]["image"] for task in tasks_of(tmp_path / "out")]
    assert urls == ["s3://bucket/x/1.jpg", LOCAL + "b.png", "s3://bucket/x/2.tif", LOCAL + "d.png"]
    segdata.export("labelstudio", dataset, tmp_path / "out", images="none", image_url="https://h", overwrite=True)
    urls = [task["data"]["image"] for task in tasks_of(tmp_path / "out")]
    assert urls == ["https://h/a.jpg", "https://h/b.png", "https://h/c.png", "https://h/d.png"]


def test_a_name_that_xml_cannot_hold_is_refused(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {"a": RING}, names=("background", "x\x01", "y"))
    with pytest.raises(OptionError, match=r"'x\\x01': no line of config.xml can hold .*: segdata remap"):
        segdata.export("labelstudio", dataset, tmp_path / "out", images="none")
    assert not (tmp_path / "out").exists()
    renamed = segdata.remap(dataset, tmp_path / "renamed", map={"x\x01": "other"})
    segdata.export("labelstudio", renamed, tmp_path / "out", images="none")


def test_the_same_bytes_from_the_same_masks(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {f"{i}": RING for i in range(5)}, images="copy")
    for out in ("one", "two"):
        segdata.export("labelstudio", dataset, tmp_path / out)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert str(tmp_path) not in (tmp_path / "one/tasks.json").read_text()
