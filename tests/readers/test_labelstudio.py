"""Label Studio: golden masks of its own converter, every form of its exports, which annotation is taken, and what is left out."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

import segdata
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, OptionError, SegdataError
from segdata.readers.labelstudio.images import local_name
from segdata.readers.labelstudio.reader import fits, read

GOLDEN = Path(__file__).parent / "golden" / "labelstudio"
REAL = Path(__file__).parent / "real" / "labelstudio"
LABELS = ("car", "road", "sky", "tree", "Ärger")

Json = dict[str, Any]

CORNERS = ((10, 10), (60, 10), (60, 70))


def region(label: str = "car", id: str | None = "a", corners: Any = CORNERS, **more: Any) -> Json:
    """A polygon on an image of 40 x 30."""
    return {
        "id": id, "type": "polygonlabels", "value": {"points": [list(c) for c in corners], "polygonlabels": [label]},
        "origin": "manual", "to_name": "image", "from_name": "label", "image_rotation": 0, "original_width": 40,
        "original_height": 30, **more,
    }  # fmt: skip


def work(*results: Json, id: int = 1, **more: Any) -> Json:
    """An annotation."""
    return {"id": id, "completed_by": 1, "result": list(results), "was_cancelled": False, "ground_truth": False,
            "created_at": "2024-01-01T00:00:00.5Z", "lead_time": 1.5, **more}  # fmt: skip


def task(*works: Json, id: int = 1, image: object = "/data/upload/1/abcd1234-a.png", **more: Any) -> Json:
    """A task."""
    return {"id": id, "annotations": list(works), "drafts": [], "predictions": [], "data": {"image": image}, **more}


def put(folder: Path, content: object, *images: str, name: str = "export.json") -> Path:
    """A folder with an export and images of 40 x 30."""
    folder.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")
    for image in images:
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (90, 120, 30)).save(folder / image)
    return folder


def convert(source: Path, tmp_path: Path, **options: Any) -> Dataset:
    """Converted, without images unless they are asked for."""
    out = tmp_path / "out"
    return segdata.convert("labelstudio", source, out, overwrite=True, **{"images": "none", **options})


def polygon(corners: Any, height: int = 30, width: int = 40) -> NDArray[np.bool_]:
    """A polygon in percent, as pycocotools fills it."""
    points = [part for x, y in corners for part in (x / 100 * width, y / 100 * height)]
    return np.asarray(coco.decode(coco.merge(coco.frPyObjects([points], height, width))) > 0)


# Oracles


def test_masks_are_those_of_the_sdks_converter(tmp_path: Path) -> None:
    dataset = convert(GOLDEN / "source" / "export.json", tmp_path, classes=["background", *LABELS])
    assert len(dataset) == 12
    for sample in dataset:
        expected = np.array(Image.open(GOLDEN / "masks" / f"{sample.id}.png"))
        assert np.array_equal(dataset.read_mask(sample), expected), sample.id


def test_json_min_says_the_same_but_for_the_order(tmp_path: Path) -> None:
    """In JSON-MIN regions are listed by control. Where several classes claim a pixel, none of both is asked."""
    full = convert(GOLDEN / "source" / "export.json", tmp_path, overlap="ignore")
    masks = {sample.id: full.read_mask(sample) for sample in full}
    least = convert(GOLDEN / "masks" / "min.json", tmp_path / "min", overlap="ignore")
    assert {sample.id for sample in least} == masks.keys()
    for sample in least:
        assert np.array_equal(least.read_mask(sample), masks[sample.id]), sample.id
    one, other = full.read_receipt(), least.read_receipt()
    assert one["annotations"] == other["annotations"]
    assert "listed by control" in " ".join(other["notes"])


def test_classes_follow_the_configuration(tmp_path: Path) -> None:
    source = GOLDEN / "source"
    dataset = convert(source / "export.json", tmp_path, config=source / "config.xml")
    assert dataset.labels.names == ("background", *LABELS)
    plain = convert(source / "export.json", tmp_path / "plain")
    assert plain.labels.names == ("background", *sorted(LABELS))


def test_real_exports(tmp_path: Path) -> None:
    shapes = convert(REAL / "shapes.json", tmp_path, config=REAL / "shapes.xml")
    (sample,) = shapes
    mask = shapes.read_mask(sample)
    corners = ((41.74228675136116, 3.546099290780142), (41.560798548094375, 12.198581560283687),
               (45.37205070817697, 12.4822695035461))  # fmt: skip
    there = polygon([*corners[:2], (45.37205081669691, 12.4822695035461)], 320, 500)
    assert np.array_equal(mask == shapes.labels.id("polygon_label"), there)
    assert {line["code"] for line in shapes.read_receipt()["skipped"]} == {"labelstudio.keypoint"}
    turned = convert(REAL / "turned.json", tmp_path / "turned")
    assert turned.read_receipt()["annotations"]["painted"] == 25
    assert [sample.size for sample in turned] == [(768, 597), (768, 433), (768, 716)]
    people = convert(REAL / "two_people.json", tmp_path / "people")
    (line,) = people.read_receipt()["skipped"]
    assert line["annotation"] == 1
    assert "differ from annotation 2, which is taken" in line["message"]


def test_ellipses_are_the_pixels_whose_centres_lie_in_them(tmp_path: Path) -> None:
    value = {"x": 40, "y": 50, "radiusX": 30, "radiusY": 15, "rotation": 30, "ellipselabels": ["car"]}
    oval = region(type="ellipselabels", value=value)
    dataset = convert(put(tmp_path / "s", [task(work(oval))]), tmp_path)
    y, x = np.mgrid[:30, :40] + 0.5
    turned = np.exp(-1j * np.radians(30)) * ((x - 16) + 1j * (y - 15))
    inside = (turned.real / 12) ** 2 + (turned.imag / 4.5) ** 2 <= 1
    assert np.array_equal(dataset.read_mask(next(iter(dataset))) == 1, inside)


# Forms


def forms() -> dict[str, tuple[str, object]]:
    """One task in every form that the tool writes: file name and content."""
    plain = task(work(region()))
    record = {"image": plain["data"]["image"], "id": 1, "label": [
        {**region()["value"], "original_width": 40, "original_height": 30}], "annotator": 1, "annotation_id": 7,
        "created_at": "2024-01-01T00:00:00Z", "lead_time": 1.5}  # fmt: skip
    old = {"id": 1, "data": plain["data"], "completions": [{"id": 1001, "created_at": 1597, "result": [region()]}]}
    return {
        "list": ("e.json", [plain]),
        "one": ("e.json", plain),
        "indented": ("e.json", json.dumps([plain], indent=2)),
        "marked": ("e.json", "\ufeff" + json.dumps([plain])),
        "lines": ("e.jsonl", json.dumps(plain) + "\n"),
        "lines.json": ("e.json", json.dumps(plain) + "\n\n"),
        "page": ("e.json", {"total": 1, "tasks": [plain]}),
        "old": ("e.json", [old]),
        "minimal": ("e.json", [record]),
        "storage": ("17", {**work(region()), "task": {"id": 5, "data": plain["data"]}, "project": 1}),
        "storage.json": ("17.json", {**work(region()), "task": {"id": 5, "data": plain["data"]}, "project": 1}),
        "nested": ("a/b/e.json", [plain]),
        "numbers": ("e.json", [{**plain, "predictions": [3, 4]}]),
        "turned": ("e.json", [task(work(region(image_rotation=90)))]),
        "float": ("e.json", [task(work(region(original_width=40.0)))]),
        "nulls": ("e.json", [task(work(region(item_index=None, id=None), created_at=None, ground_truth=None), id=3)]),
    }


@pytest.mark.parametrize("form", forms())
def test_every_form_is_read(form: str, tmp_path: Path) -> None:
    name, content = forms()[form]
    (tmp_path / "s" / name).parent.mkdir(parents=True)
    source = put(tmp_path / "s", content, "images/a.png", name=name)
    dataset = convert(source, tmp_path, images="reference")
    (sample,) = dataset
    assert sample.id == "abcd1234-a"
    assert np.array_equal(dataset.read_mask(sample) == 1, polygon(CORNERS))
    assert dataset.labels.names == ("background", "car")
    receipt = dataset.read_receipt()
    assert receipt["annotations"] == {"in": 1, "painted": 1, "skipped": 0, "hidden": 0}
    if not form.startswith("storage") or form.endswith("json"):
        assert fits(source) is None


def test_a_task_of_each_file_is_stamped_by_itself(tmp_path: Path) -> None:
    source = put(tmp_path / "s", [task(work(region()), image="a.png")], name="1.json")
    put(source, [task(work(region()), id=n, image=f"{n}.png") for n in (2, 3)], name="2.json")
    found = read(source, images=False)
    assert [given.name for given in found.inputs] == ["2.json"]
    assert [item.annotation.files for item in found.items] == [(), (), (str(source / "1.json"),)]


def test_a_label_file_larger_than_what_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [
        task(work(region(f"né{n % 3}", corners=((n, 1), (60, 10), (60, 70)))), id=n, image=f"{n:02}.png")
        for n in range(20)
    ]
    source = put(tmp_path / "s", tasks)
    whole = convert(source, tmp_path)
    for size in (1, 7, 64):
        monkeypatch.setattr("segdata.readers.labelstudio.tasks.CHUNK", size)
        parts = read(source, images=False)
        assert [item.id for item in parts.items] == [sample.id for sample in whole]
        assert parts.labels == whole.labels


def test_pairs_of_shapes_and_labels_are_one_region(tmp_path: Path) -> None:
    """A control for shapes and one for labels write two entries, and texts and choices of a region further ones."""
    shape = region(type="polygon", from_name="shape", value={"points": [list(c) for c in CORNERS]})
    label = region(type="labels", value={"points": [list(c) for c in CORNERS], "labels": ["car"]})
    text = region(type="textarea", from_name="text", value={"points": [list(c) for c in CORNERS], "text": ["?"]})
    dataset = convert(put(tmp_path / "s", [task(work(shape, label, text))]), tmp_path)
    receipt = dataset.read_receipt()
    assert receipt["annotations"] == {"in": 1, "painted": 1, "skipped": 0, "hidden": 0}
    assert receipt["notes"] == ["export.json: not read: textarea of 1 regions"]
    merged = region(type="polygon", value={"points": [list(c) for c in CORNERS], "labels": ["car"]})
    again = convert(put(tmp_path / "t", [task(work(merged))]), tmp_path / "t")
    assert np.array_equal(again.read_mask(next(iter(again))), dataset.read_mask(next(iter(dataset))))


# Images


@pytest.mark.parametrize(("url", "path"), [
    ("/data/upload/1/abcd1234-a%20b.png", "upload/1/abcd1234-a b.png"),
    ("/data/upload/1/abcd1234-a%20b.png", "a b.png"),
    ("upload/1/a.png", "a.png"),
    ("/data/local-files/?d=my%20set/x/a.png", "x/a.png"),
    ("/data/local-files/?d=my%20set/x/a.png&v=1", "a.png"),
    ("/storage-data/uploaded/?filepath=upload/1/a.png", "upload/1/a.png"),
    ("/tasks/12/presign/?fileuri=czM6Ly9idWNrZXQvZGlyL2EuanBn", "dir/a.jpg"),
    ("s3://bucket/dir/a.png", "dir/a.png"),
    ("gs://bucket/dir/a.png", "a.png"),
    ("azure-blob://c/dir/a.png", "a.png"),
    ("https://h.org:8080/x/a.png?token=3", "x/a.png"),
    ("C:\\set\\a.png", "a.png"),
    ("a.png", "deep/er/a.png"),
])  # fmt: skip
def test_images_are_found_by_what_tasks_call_them(url: str, path: str, tmp_path: Path) -> None:
    source = put(tmp_path / "s", [task(work(region()), image=url)], path, "other/b.png")
    (item,) = read(source).items
    assert item.image == str(source / path)
    assert read(source, images=False).items[0].id == item.id


@pytest.mark.parametrize(("orientation", "size"), [(6, (30, 40)), (3, (40, 30))])
def test_labels_are_on_images_as_browsers_show_them(orientation: int, size: tuple[int, int], tmp_path: Path) -> None:
    source = put(tmp_path / "s", [task(work(region()), image="a.jpg")])
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, (90, 120, 30)).save(source / "a.jpg", exif=exif)
    (sample,) = convert(source, tmp_path, images="reference")
    assert (sample.size, sample.exif) == ((30, 40), "upright")


def test_names_of_one_file_are_refused(tmp_path: Path) -> None:
    tasks = [task(work(region()), id=n, image=f"/data/upload/1/abcd000{n}-a.png") for n in (1, 2)]
    with pytest.raises(DataError, match=r"are of one file.*--image-dir DIR \[image.ambiguous\]"):
        read(put(tmp_path / "s", tasks, "a.png"))
    assert len(read(put(tmp_path / "s", tasks, "abcd0001-a.png", "abcd0002-a.png")).items) == 2
    tasks = [task(work(region()), id=n, image=f"s3://bucket{n}/dir/a.png") for n in (1, 2)]
    items = read(put(tmp_path / "t", tasks, "bucket1/dir/a.png", "bucket2/dir/a.png")).items
    assert [(item.id, item.image) for item in items] == [
        (f"bucket{n}/dir/a", str(tmp_path / f"t/bucket{n}/dir/a.png")) for n in (1, 2)
    ]


def test_no_task_leads_out(tmp_path: Path) -> None:
    put(tmp_path, [task()], "a.png", name="x.json")
    for url in (
        "../a.png",
        "/data/local-files/?d=../../a.png",
        str(tmp_path / "a.png"),
        f"{tmp_path}/x.json#base64:0+9.png",
    ):
        with pytest.raises(DataError, match=r"image\.missing"):
            read(put(tmp_path / "s", [task(work(region()), image=url)], "b.png"))


def data_url(pixels: NDArray[np.uint8]) -> str:
    """A PNG in base64."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode("ascii")


@pytest.mark.parametrize("escaped", [False, True])
def test_images_and_bitmasks_within_tasks(escaped: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 255, (30, 40, 3), np.uint8)
    mask = np.zeros((30, 40, 4), np.uint8)
    mask[3:9, 5:30, 3] = rng.integers(0, 2, (6, 25)) * 200
    value = {"imageDataURL": data_url(mask), "bitmasklabels": ["car"]}
    text = json.dumps([task(work(region(type="bitmasklabels", value=value)), image=data_url(pixels))])
    source = put(tmp_path / "s", text.replace("/", "\\/") if escaped else text)
    dataset = convert(source, tmp_path, images="reference")
    (sample,) = dataset
    assert sample.id == "task-1"
    assert np.array_equal(dataset.read_image(sample), pixels)
    assert np.array_equal(dataset.read_mask(sample) == 1, mask[:, :, 3] > 0)


def test_several_images_of_a_task(tmp_path: Path) -> None:
    config = '<View><Image name="i1" value="$front"/><Image name="i2" value="$back"/></View>'
    both = work(region(to_name="i1"), region("dog", id="b", to_name="i2", corners=((50, 50), (90, 50), (90, 90))))
    source = put(tmp_path / "s", [task(both, data={"front": "f.png", "back": "b.png"})])
    put(source, config, name="config.xml")
    with pytest.raises(DataError, match=r"front, back.*--config FILE.xml"):
        read(source, images=False)
    dataset = convert(source, tmp_path, config=source / "config.xml")
    assert [(sample.id, sorted(sample.counts)) for sample in dataset] == [("b", [0, 2]), ("f", [0, 1])]
    named = work(region(to_name="front"), region("dog", id="b", to_name="back"))
    plain = convert(put(tmp_path / "t", [task(named, data={"front": "f.png", "back": "b.png"})]), tmp_path / "t")
    assert [sorted(sample.counts) for sample in plain] == [[0, 2], [0, 1]]
    listed = work(region(item_index=1), region("dog", id="b"))
    many = convert(put(tmp_path / "u", [task(listed, data={"images": ["f.png", "b.png"]})]), tmp_path / "u")
    assert [(sample.id, sorted(sample.counts)) for sample in many] == [("b", [0, 1]), ("f", [0, 2])]
    with pytest.raises(DataError, match="image 5 of 'images'"):
        read(put(tmp_path / "v", [task(work(region(item_index=5)), data={"images": ["f.png", "b.png"]})]), images=False)


# Which annotation


def several() -> list[Json]:
    """An image with an old annotation, a newer one that is ground truth, the newest, a cancelled one, and a prediction."""
    works = [
        work(region("old"), id=1, created_at="2023-01-01T00:00:00Z"),
        work(region("true"), id=2, ground_truth=True),
        work(region("new"), region("new", id="b", corners=((1, 1), (99, 1), (99, 99), (1, 99))), id=3,
             created_at="2024-01-01T02:30:00+02:00"),
        work(region("gone"), id=4, was_cancelled=True, created_at="2025-01-01T00:00:00Z"),
    ]  # fmt: skip
    return [task(*works, predictions=[work(region("guess"), id=9)])]


@pytest.mark.parametrize(
    ("which", "label"), [("latest", "new"), ("first", "old"), ("ground-truth", "true"), ("prediction", "guess")]
)
def test_one_annotation_is_taken(which: str, label: str, tmp_path: Path) -> None:
    dataset = convert(put(tmp_path / "s", several()), tmp_path, annotation=which)
    (sample,) = dataset
    assert {dataset.labels.names[value] for value in sample.counts} - {"background"} == {label}
    receipt = dataset.read_receipt()
    lines = {line["annotation"]: line for line in receipt["skipped"]}
    if which == "prediction":
        assert not lines
        return
    assert lines[4]["code"] == "labelstudio.cancelled"
    assert sum(line["code"] == "labelstudio.annotation" for line in lines.values()) == 2
    small, large = int(polygon(CORNERS).sum()), int(polygon(((1, 1), (99, 1), (99, 99), (1, 99))).sum())
    if which == "latest":
        assert f"{large:,} of 1,200 pixels differ from annotation 3" in lines[1]["message"]
    else:
        other = 2 if which == "first" else 1
        assert f"{small:,} of 1,200 pixels differ" in lines[other]["message"]
    assert any("predictions of 1 tasks" in note for note in receipt["notes"])


def test_the_same_image_in_several_tasks(tmp_path: Path) -> None:
    dataset = convert(put(tmp_path / "s", [task(work(region(), id=n), id=n) for n in (1, 2)]), tmp_path)
    (line,) = dataset.read_receipt()["skipped"]
    assert "0 of 1,200 pixels differ from annotation 1" in line["message"]
    assert "several tasks" in " ".join(dataset.read_receipt()["warnings"])


def test_images_without_annotation(tmp_path: Path) -> None:
    tasks = [
        task(work(region()), image="a.png"),
        task(id=2, image="b.png"),
        task(work(region(), was_cancelled=True), id=3, image="c.png"),
        task(work(id=7), id=4, image="d.png"),
    ]
    source = put(tmp_path / "s", tasks, "a.png", "b.png", "c.png", "d.png")
    dataset = convert(source, tmp_path, images="reference")
    assert [sample.id for sample in dataset] == ["a", "d"]
    assert dataset.read_receipt()["images"] == {"in": 4, "converted": 2, "skipped": 2}
    assert "--unlabelled background" in dataset.read_receipt()["notes"][-1]
    filled = convert(source, tmp_path, images="reference", unlabelled="background")
    assert [list(sample.counts) for sample in filled] == [[0, 1], [0], [0], [0]]
    with pytest.raises(DataError, match=r"no annotation is marked as ground truth \(--annotation latest"):
        convert(source, tmp_path / "none", images="reference", annotation="ground-truth")


# What is left out


def test_every_result_is_painted_or_told(tmp_path: Path) -> None:
    results = [
        region(),
        region("dog", id="c"),
        region(id="k", type="keypointlabels", value={"x": 1, "y": 2, "width": 0.1, "keypointlabels": ["n"]}),
        region(id="v", type="vectorlabels", value={"vertices": [], "closed": False, "vectorlabels": ["n"]}),
        region(id="t", type="hypertextlabels", value={"start": "/p[1]", "text": "x", "hypertextlabels": ["n"]}),
        {"id": "q", "type": "choices", "from_name": "ch", "to_name": "image", "value": {"choices": ["day"]}},
        {"from_id": "a", "to_id": "c", "type": "relation", "direction": "right"},
        region(id="n", value={"points": [[1, 1], [9, 1], [9, 9]]}),
        region(id="two", value={"points": [[1, 1], [9, 1]], "polygonlabels": ["dog"]}),
        region(id="far", corners=((1e9, 1), (2, 2), (3, 1))),
        region(id="off", corners=((200, 200), (300, 200), (300, 300))),
        region(id="null", value=None),
        region(id="both", value={"points": [[50, 50], [90, 50], [90, 90]], "polygonlabels": ["dog", "car"]}),
    ]  # fmt: skip
    dataset = convert(put(tmp_path / "s", [task(work(*results))]), tmp_path)
    receipt = dataset.read_receipt()
    assert receipt["annotations"] == {"in": 13, "painted": 3, "skipped": 10, "hidden": 1}
    assert {line["annotation"]: line["code"] for line in receipt["skipped"]} == {
        "k": "labelstudio.keypoint", "v": "labelstudio.vector", "t": "labelstudio.other", "q": "labelstudio.other",
        6: "labelstudio.other", "n": "labelstudio.no_label", "two": "polygon.degenerate", "far": "polygon.far",
        "off": "polygon.empty", "null": "labelstudio.no_shape",
    }  # fmt: skip
    assert [line["annotation"] for line in receipt["repaired"]] == ["both"]
    assert [line["annotation"] for line in receipt["clipped"]] == ["off"]


def test_empty_labels_are_none(tmp_path: Path) -> None:
    dataset = convert(put(tmp_path / "s", [task(work(region(), region("", id="b"), region(" ", id="c")))]), tmp_path)
    assert dataset.labels.names == ("background", "car")
    assert [line["code"] for line in dataset.read_receipt()["skipped"]] == ["labelstudio.no_label"] * 2


def test_records_of_tasks_that_nobody_labelled(tmp_path: Path) -> None:
    """The converter writes them too, without an annotation_id."""
    value = {**region()["value"], "original_width": 40, "original_height": 30}
    end = {"annotator": 1, "created_at": None, "updated_at": None, "lead_time": None}
    records = [
        {"image": "a.png", "id": 1, "label": [value], "annotation_id": 3, **end},
        {"image": "b.png", "id": 2, "annotation_id": None, "lines": [{"id": [1], "type": 3}, {"type": "x"}], **end},
        {"image": "c.png", "id": 3, "annotation_id": 4, **end},
    ]
    source = put(tmp_path / "s", records, "a.png", "b.png", "c.png")
    assert [item.id for item in read(source).items] == ["a", "c"]


def test_one_control_alone(tmp_path: Path) -> None:
    source = put(tmp_path / "s", [task(work(region(), region("dog", id="b", from_name="other")))])
    dataset = convert(source, tmp_path, control="other")
    assert dataset.labels.names == ("background", "dog")
    (line,) = dataset.read_receipt()["skipped"]
    assert (line["annotation"], line["code"]) == ("a", "labelstudio.control")
    with pytest.raises(OptionError, match="--control oter: no region is of it: did you mean other"):
        read(source, control="oter")


def test_other_json_in_the_folder_is_passed_over(tmp_path: Path) -> None:
    source = put(tmp_path / "s", [task(work(region()))])
    put(source, {"images": [], "annotations": [], "categories": []}, name="instances.json")
    put(source, ["car", "dog"], name="names.json")
    put(source, "not JSON", name="notes.json")
    found = read(source, images=False)
    what = "not read: it has no tasks of Label Studio"
    assert found.receipt.notes == [f"{name}.json: {what}" for name in ("instances", "names", "notes")]
    assert len(found.items) == 1
    (source / "export.json").unlink()
    with pytest.raises(DataError, match=r"no tasks of Label Studio; instances.json: not read"):
        read(source, images=False)
    put(source, json.dumps([task(work(region()))])[:-9])
    with pytest.raises(DataError, match=r"export.json: .*cut off"):
        read(source, images=False)


# Damage

RLE = {"format": "rle", "brushlabels": ["car"]}

DAMAGED: dict[str, tuple[object, str]] = {
    "empty": ("", r"export.json: .*empty.*labelstudio\.json"),
    "cut off": (json.dumps([task(work(region()))])[:-40], r"export.json: .*cut off.*labelstudio\.json"),
    "no JSON": ("hello", r"byte 0 begins what is no task.*labelstudio\.other_json"),
    "deep": (
        '[{"data":{"image":"a"},"annotations":' + "[" * 99999 + "]" * 99999 + "}]",
        r"task 0: .*labelstudio\.json",
    ),
    "nothing": ([], r"there are no tasks of Label Studio"),
    "only predictions": ([task(predictions=[work(region())])], r"--annotation prediction takes"),
    "text": ([{"id": 1, "data": {"text": "a b"}, "annotations": [work()]}], r"no region has a label"),
    "video": ([task(work(region()), data={"video": "/data/x.mp4"})], r"a video.*labelstudio\.video"),
    "no image": ([task(work(region()), image=None)], r"task 0: .*annotation a|names no image"),
    "result": ([task({"id": 1, "result": {"a": 1}})], r"task 0: annotations\[0\]\.result: expected array"),
    "number": ([task(work(region(original_width=10**400)))], r"original_width: number out of range"),
    "labels": (
        [task(work(region(value={"points": [], "polygonlabels": [3]})))],
        r"annotation a.*polygonlabels\[0\]: expected str",
    ),
}

SPOILT: dict[str, tuple[Json, str]] = {
    "nan": (region("dog", id="z", corners=((float("nan"), 1), (2, 2), (3, 1))), r"annotation z: .*NaN.*polygon\.nan"),
    "text": (
        region("dog", id="z", corners=(("1", 1), (2, 2), (3, 1))),
        r"its polygon: points\[0\]\[0\]: expected float, got str",
    ),
    "size": (region("dog", id="z", original_width=30), r"its image is 30 x 30.*40 x 30.*labelstudio\.size"),
    "half": (region("dog", id="z", original_width=40.5), r"40\.5 and 30\.0, are no size"),
    "rle": (region(id="z", value={**RLE, "rle": [1, 2, 3]}), r"of 0 values, and 40 x 30 pixels have 4,800.*rle\.size"),
    "bytes": (region(id="z", value={**RLE, "rle": [300] * 9}), r"no list of numbers from 0 to 255.*rle\.bytes"),
    "base64": (region(id="z", value={**RLE, "rle": "abc"}), r"no list of numbers from 0 to 255.*rle\.bytes"),
    "short": (region(id="z", value={**RLE, "rle": [0, 0, 18, 192, 57, 27, 255, 0]}), r"are cut off.*rle\.size"),
    "format": (region(id="z", value={**RLE, "rle": [1], "format": "png"}), r"format 'png'.*rle\.format"),
    "bitmask": (
        region(id="z", value={"imageDataURL": "data:image/png;base64,AAAA", "bitmasklabels": ["car"]}),
        r"annotation z",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_label_files_are_one_clear_error(name: str, tmp_path: Path) -> None:
    content, message = DAMAGED[name]
    with pytest.raises(DataError, match=message):
        read(put(tmp_path / "s", content), images=False)


@pytest.mark.parametrize("name", SPOILT)
def test_a_damaged_region_leaves_its_image_out(name: str, tmp_path: Path) -> None:
    spoilt, message = SPOILT[name]
    source = put(
        tmp_path / "s", [task(work(region(), spoilt), image="a.png"), task(work(region()), id=2, image="b.png")]
    )
    with pytest.raises(DataError, match=message) as caught:
        convert(source, tmp_path)
    assert caught.value.problem.sample == "a"
    assert caught.value.problem.annotation == "z"
    assert str(caught.value.problem.file).partition("#")[0] == str(source / "export.json")
    run = segdata.Run(report=segdata.Report("skip"))
    assert [sample.id for sample in convert(source, tmp_path, run=run)] == ["b"]


@pytest.mark.parametrize("text", [
    "<View>", "no XML", "<View/>", '<!DOCTYPE a [<!ENTITY b "c">]><View><Image name="a" value="$b"/></View>',
])  # fmt: skip
def test_configurations_that_are_none(text: str, tmp_path: Path) -> None:
    source = put(tmp_path / "s", [task(work(region()))])
    put(source, text, name="c.xml")
    with pytest.raises(DataError, match=r"c\.xml: .*labelstudio\.config"):
        read(source, images=False, config=source / "c.xml")


def test_random_damage_is_an_error_and_no_crash(tmp_path: Path) -> None:
    """Bytes are changed, cut out and repeated, and values replaced: each time it is read, or one `SegdataError`."""
    rng = np.random.default_rng(5)
    tasks = json.loads((GOLDEN / "source" / "export.json").read_bytes())
    good = json.dumps(sorted(tasks, key=lambda one: len(json.dumps(one)))[:6], separators=(",", ":")).encode()
    odd = (b"null", b"-1", b"1e999", b"[]", b"{}", b'""', b"true", b"99999999999999999999", b'"x"', b"[[]]", b"NaN")
    failed = 0
    for _ in range(150):
        data = bytearray(good)
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(data)))
            what = int(rng.integers(4))
            if what == 0:
                data[at] = int(rng.integers(256))
            elif what == 1:
                del data[at : at + int(rng.integers(1, 50))]
            elif what == 2:
                data[at:at] = data[at : at + int(rng.integers(1, 50))]
            else:
                start = data.find(b":", at) + 1
                end = min(data.find(sign, start) % (len(data) + 1) for sign in (b",", b"}"))
                data[start:end] = odd[int(rng.integers(len(odd)))]
        source = tmp_path / "e.json"
        source.write_bytes(bytes(data))
        try:
            found = read(source, images=False)
            for item in found.items:
                item.annotation.draw(found.labels.table({i: i for i in range(len(found.labels.classes))}))
        except SegdataError:
            failed += 1
    assert failed > 30


def test_what_urls_name() -> None:
    assert local_name("/data/local-files/?d=a%2Fb%20c.png") == "a/b c.png"
    assert local_name("/tasks/1/presign/?fileuri=%%%") == "tasks/1/presign"
