"""The ADE20K reader: index masks and coded masks as their makers read them, and one clear message for what is wrong."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import segdata
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.readers.ade20k.classes import benchmark
from segdata.readers.ade20k.index import INDEX
from segdata.readers.ade20k.masks import object_numbers
from segdata.readers.ade20k.names import names_of_json, names_of_text
from segdata.readers.ade20k.reader import fits, read
from segdata.readers.detect import format_of
from segdata.readers.source import Item, Source

HERE = Path(__file__).resolve().parent
FIRST = "training/outdoor/park/ADE_train_00000001"


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    """The program that makes the samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE.parents[1] / "tools"))
        import sample_ade20k

        yield sample_ade20k
    for name in ("sample_ade20k", "sample_canvas", "sample_scenes"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def made(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three layouts."""
    root = tmp_path_factory.mktemp("made")
    generator.make_ade20k(root / "challenge")
    generator.make_ade20k_full(root / "2021", 2021)
    generator.make_ade20k_full(root / "2016", 2016)
    return root


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a copy of a layout, to break it."""
    return lambda name: shutil.copytree(made / name, tmp_path / name)


def drawn(source: Source, item: Item) -> NDArray[Any]:
    return item.annotation.draw(source.labels.table({i: i for i in range(len(source.labels.classes))})).mask


def stored(path: Path) -> NDArray[np.int64]:
    with Image.open(path) as image:
        return np.array(image).astype(np.int64)


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(SegdataError) as caught:
        action()
    return str(caught.value)


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    """Change the list of objects of a JSON."""
    data = json.loads(path.read_text())
    data["annotation"]["object"] = change(data["annotation"]["object"])
    path.write_text(json.dumps(data))


# The benchmark


@pytest.mark.parametrize("background", ["ignore", "class"])
def test_index_masks_are_class_ids(made: Path, background: Any) -> None:
    source = read(made / "challenge", background=background)
    shift = 0 if background == "class" else 1
    assert len(source.labels.classes) == 151 - shift
    for item in source.items:
        values = stored(made / "challenge/annotations" / f"{item.id}.png")
        expected = np.where(values == 0, 255, values - 1) if shift else values
        assert (drawn(source, item) == expected).all()
    assert [item.split for item in source.items] == ["training"] * 6 + ["validation"] * 2


def test_classes_are_those_of_the_sets_own_file_or_the_published_ones(copy: Callable[[str], Path]) -> None:
    root = copy("challenge")
    own = read(root)
    assert own.labels.names[:3] == ("wall", "thing 2", "sky")
    assert own.labels.classes[0].color == (120, 120, 120)
    assert own.inputs[0].name == "objectInfo150.txt"
    (root / "objectInfo150.txt").unlink()
    published = read(root)
    assert published.labels.names[:9] == ("wall", "building, edifice", "sky", "floor, flooring", "tree", "ceiling",
                                          "road, route", "bed", "windowpane, window")  # fmt: skip
    assert published.labels.names[149] == "flag"
    assert "objectInfo150.txt" in published.receipt.notes[0]
    assert len({name for _, name, _ in benchmark()}) == 150


def test_names_of_ones_own_are_in_order_of_index(copy: Callable[[str], Path]) -> None:
    root = copy("challenge")
    names = [f"n{i}" for i in range(1, 151)]
    (root / "classes.csv").write_text("id,name\n" + "".join(f"{i},n{i}\n" for i in range(150, 0, -1)))
    (root / "names.txt").write_text("ignore\n" + "".join(f"{name}\n" for name in names))
    for classes in (["ignore", *names], str(root / "classes.csv"), "names.txt"):
        source = read(root, classes=classes)
        assert source.labels.names == tuple(names)
        assert drawn(source, source.items[0]).tolist() == drawn(read(root), read(root).items[0]).tolist()
        assert not source.receipt.warnings
    other = read(root, classes=["other", *names])
    assert other.labels.names[:2] == ("other", "n1")
    assert (drawn(other, other.items[0]) == stored(root / f"annotations/{other.items[0].id}.png")).all()


def test_a_class_of_index_0_is_warned_of(copy: Callable[[str], Path]) -> None:
    """Names that begin with class 1 would shift all classes."""
    root = copy("challenge")
    names = [f"n{i}" for i in range(1, 152)]
    assert "is the class 'n1'" in read(root, classes=names).receipt.warnings[0]
    assert not read(root, classes=["background", *names]).receipt.warnings
    message = refusal(lambda: segdata.convert("ade20k", root, root.parent / "d", classes=names[:5]))
    assert "index 0, which is what is not labelled, is the class 'n1'" in message
    (root / "objectInfo150.txt").unlink()
    assert read(root).options["classes"] is None


def test_an_index_without_a_class_is_refused_and_the_way_out_works(copy: Callable[[str], Path]) -> None:
    root = copy("challenge")
    path = root / "annotations/training/ADE_train_00000002.png"
    values = stored(path)
    values[0, 0] = 255
    Image.fromarray(values.astype(np.uint8)).save(path)
    message = refusal(lambda: segdata.convert("ade20k", root, root.parent / "d"))
    assert "ADE_train_00000002" in message
    assert "255" in message
    assert "--classes FILE" in message
    rows = "".join(f"{i},n{i}\n" for i in range(1, 151))
    (root / "c.csv").write_text(f"id,name\n{rows}255,ignore\n")
    dataset = segdata.convert("ade20k", root, root.parent / "d", classes=str(root / "c.csv"))
    assert dataset.read_mask(dataset.sample("training/ADE_train_00000002"))[0, 0] == 255
    assert len(dataset.labels.classes) == 150


def test_masks_prepared_for_detectron2_are_told_and_the_way_out_works(copy: Callable[[str], Path]) -> None:
    root = copy("challenge")
    for path in root.glob("annotations/*/*.png"):
        there = root / "annotations_detectron2" / path.relative_to(root / "annotations")
        there.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((stored(path) - 1).astype(np.uint8)).save(there)
    segdata.convert("ade20k", root, root.parent / "d", images="none")
    shutil.rmtree(root / "annotations")
    message = refusal(lambda: read(root))
    assert "segdata convert masks --mask-dir annotations_detectron2 --image-dir DIR --classes FILE" in message
    (root / "c.csv").write_text("id,name\n" + "".join(f"{i},c{i}\n" for i in range(150)) + "255,ignore\n")
    options = {"mask_dir": "annotations_detectron2", "image_dir": "images", "classes": str(root / "c.csv")}
    segdata.convert("masks", root, root.parent / "e", **options)
    one, other = (sorted((root.parent / name / "masks").rglob("*.png")) for name in "de")
    assert [stored(path).tolist() for path in one] == [stored(path).tolist() for path in other] != []


def test_masks_without_splits_and_in_folders(copy: Callable[[str], Path]) -> None:
    root = copy("challenge")
    deep = root / "annotations/training/a b/c"
    deep.mkdir(parents=True)
    (root / "images/training/a b/c").mkdir(parents=True)
    (root / "annotations/training/ADE_train_00000001.png").rename(deep / "x.png")
    (root / "images/training/ADE_train_00000001.jpg").rename(root / "images/training/a b/c/x.JPG")
    assert "training/a b/c/x" in {item.id for item in read(root).items}
    for kind in ("images", "annotations"):
        for path in (root / kind / "validation").iterdir():
            path.rename(root / kind / path.name)
        shutil.rmtree(root / kind / "training")
    assert {item.split for item in read(root).items} == {None}


def test_splits_without_masks_are_told(copy: Callable[[str], Path]) -> None:
    root = copy("challenge")
    shutil.rmtree(root / "annotations/training")
    source = read(root)
    assert len(source.items) == 2
    assert "images/training: 6 images are left out, as annotations/training has no PNG" in source.receipt.notes


# The full set


@pytest.mark.parametrize("level", [0, 1])
def test_class_indices_are_those_of_the_makers_program(level: int) -> None:
    golden = HERE / "golden/ade20k"
    source = read(golden / "source", parts=level, background="class")
    index_of = np.array([0, *(int(name.split()[1]) for name in source.labels.names[1:])])
    compared = 0
    for item in source.items:
        truth = golden / f"level_{level}" / f"{item.id.replace('/', '+')}.png"
        mask = drawn(source, item)
        if truth.is_file():
            assert (index_of[mask] == stored(truth)).all()
            compared += 1
        else:
            assert level
            assert not mask.any()
    assert compared == (9, 3)[level]


@pytest.mark.parametrize("year", ["2016", "2021"])
@pytest.mark.parametrize("level", [0, 1])
def test_both_years_give_the_same_masks(made: Path, generator: ModuleType, year: str, level: int) -> None:
    source = read(made / year, parts=level)
    index_of = {" ".join(name.split()): index for _, index, name in generator.CLASSES.values()} | {"wheel": 3045}
    for item in source.items:
        number = int(item.id[-8:]) - 1
        c = generator.ade_image(number)
        wheels = np.where(generator.wheels_of(c) > 0, 3045, 0)
        expected = wheels if level else generator.indices(c, 1)
        found = np.array([*(index_of[name] for name in source.labels.names), *[0] * 256])[drawn(source, item)]
        assert (found == expected).all()


def test_real_files_of_2021() -> None:
    root = HERE / "real/ade20k/2021"
    assert format_of(root) == "ade20k"
    for level, name in ((0, "person, individual, someone, somebody, mortal, soul"), (1, "door"), (2, "rim")):
        source = read(root, parts=level)
        assert source.labels.names[-1] == name
        for item in source.items:
            path = root / f"{item.id}_{f'parts_{level}' if level else 'seg'}.png"
            if path.is_file():
                pixels = stored(path)
                indices = (pixels[..., 0] / 10).astype(int) * 256 + pixels[..., 1]
                table = {one.source_id: one.class_id for one in source.classes}
                expected = np.vectorize(lambda i, t=table: 255 if t[i] is None else t[i])(indices)
                assert (drawn(source, item) == expected).all()
            else:
                assert (drawn(source, item) == 255).all()


def test_real_files_of_2016() -> None:
    source = read(HERE / "real/ade20k/2016")
    assert source.labels.names == ("person, individual, someone, somebody, mortal, soul", "sky")
    for item in source.items:
        blue = stored(HERE / f"real/ade20k/2016/{item.id}_seg.png")[..., 2]
        assert (drawn(source, item) == np.array([255, 1, 0])[blue]).all()


def test_a_red_between_tens_is_read_as_the_makers_do_and_told(copy: Callable[[str], Path]) -> None:
    root = copy("2021")
    path = root / f"images/ADE/{FIRST}_seg.png"
    whole = read(root)
    before = next(drawn(whole, item) for item in whole.items if item.id == FIRST)
    pixels = stored(path)
    pixels[pixels[..., 0] > 0, 0] += 7
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    dataset = segdata.convert("ade20k", root, root.parent / "d")
    assert (dataset.read_mask(dataset.sample(FIRST)) == before).all()
    assert [line["sample"] for line in dataset.read_receipt()["repaired"]] == [FIRST]


def test_a_palette_of_the_same_colours_is_the_same(copy: Callable[[str], Path]) -> None:
    root = copy("2021")
    path = root / f"images/ADE/{FIRST}_seg.png"
    whole = read(root)
    at = [item.id for item in whole.items].index(FIRST)
    before = drawn(whole, whole.items[at])
    with Image.open(path) as image:
        few = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
        assert (np.array(few.convert("RGB")) == np.array(image)).all()
    few.save(path)
    assert (drawn(read(root), read(root).items[at]) == before).all()


def test_masks_alone_need_no_images(copy: Callable[[str], Path]) -> None:
    for layout in ("challenge", "2021", "2016"):
        root = copy(layout)
        for path in root.rglob("*.jpg"):
            path.unlink()
        Image.new("RGB", (3, 2)).save(next(root.rglob("*.png")).parent / "further.jpg")
        assert len(read(root, images=False).items) == 8
        assert "--images none" in refusal(lambda root=root: read(root))


def test_classes_are_those_of_all_splits(made: Path) -> None:
    for year in ("2016", "2021"):
        assert read(made / year, split="validation").labels == read(made / year).labels


def test_classes_can_be_given(made: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    found = read(made / "2021")
    table.write_text(
        "id,name\n" + "".join(f"{one.source_id},c{one.source_id}\n" for one in found.classes if one.source_id)
    )
    for year in ("2016", "2021"):
        source = read(made / year, classes=str(table))
        assert source.labels.names[0] == "c29"
        for one, other in zip(source.items, found.items, strict=True):
            assert one.id[-8:] == other.id[-8:] or year == "2016"
    table.write_text("id,name\n29,animal\n")
    message = refusal(lambda: segdata.convert("ade20k", made / "2021", tmp_path / "d", classes=str(table)))
    assert "no class is declared for" in message


class Evil:
    """What a pickle can do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("/tmp/never/touched"),)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("last", [True, False])
def test_the_index_names_all_classes_and_is_not_unpickled(
    made: Path, tmp_path: Path, protocol: int, last: bool
) -> None:
    names = [f"class {i}" for i in range(1, 3689)]
    for one in read(made / "2021").classes:
        if isinstance(one.source_id, int) and one.source_id:
            names[one.source_id - 1] = one.name
    names[3045 - 1] = "wheel"
    about = {"description": {"objectnames": "array of length C", "objectcounts": "counts"}}
    data = {
        "filename": ["a.jpg"],
        "objectPresence": np.zeros((900, 900)),
        "objectnames": names,
        "objectcounts": np.ones(9),
    }
    whole = {**data, **about, "evil": Evil()} if last else {"evil": Evil(), **about, **data}
    root = shutil.copytree(made / "2021", tmp_path / "2021")
    (root / INDEX).write_bytes(pickle.dumps(whole, protocol=protocol))
    found, source = read(made / "2021"), read(root)
    assert source.labels.names == tuple(names)
    assert source.inputs[0].name == INDEX
    for one, other in zip(found.items, source.items, strict=True):
        values = np.array([*(names.index(name) for name in found.labels.names), *[65535] * 256])
        assert (values[drawn(found, one)] == drawn(source, other)).all()
    for path in root.rglob("*.json"):
        path.unlink()
    assert read(root).labels == source.labels


def test_an_index_of_another_year_is_not_used(made: Path, tmp_path: Path) -> None:
    names = [f"class {i}" for i in range(1, 3689)]
    for year in ("2021", "2016"):
        root = shutil.copytree(made / year, tmp_path / year)
        (root / INDEX).write_bytes(pickle.dumps({"objectnames": names}))
        source = read(root)
        assert source.labels == read(made / year).labels
        assert "is it of another year?" in source.receipt.notes[0]


@pytest.mark.parametrize(
    "value", [[], "text", ("a", "b"), {"a": 1}, ["a", 3, "b"], ["a", ["b"]], None, np.array(["a"] * 9)]
)
def test_an_index_of_another_kind_is_not_used(made: Path, tmp_path: Path, value: Any) -> None:
    root = shutil.copytree(made / "2021", tmp_path / "2021")
    for data in (pickle.dumps({"objectnames": value}), b"", b"\x80\x04\x8e" + b"\xff" * 8, b"no pickle"):
        (root / INDEX).write_bytes(data)
        source = read(root)
        assert source.labels == read(made / "2021").labels
        assert f"{INDEX}: not used" in source.receipt.notes[0]


def test_latin_1_one_object_none_and_strings(copy: Callable[[str], Path]) -> None:
    root = copy("2021")
    base = root / "images/ADE/training"
    for path in root.rglob("*.json"):
        edit(path, lambda things: [{**one, "name": "cat"} if one["name_ndx"] == 29 else one for one in things])
    for path in base.rglob("*.json"):
        edit(path, lambda things: [{**one, "name": one["name"].replace("person", "pérson")} for one in things])
        path.write_bytes(json.dumps(json.loads(path.read_text()), ensure_ascii=False).encode("latin-1"))
    for path in (root / "images/ADE/validation").rglob("*.json"):
        edit(
            path,
            lambda things: [{**thing, "parts": {"part_level": str(thing["parts"]["part_level"])}} for thing in things],
        )
        edit(path, lambda things: [thing for thing in things if not thing["name"].startswith("person")])
    alone, blank = base / "outdoor/park/one", base / "outdoor/park/none"
    for stem, index in ((alone, 29), (blank, 0)):
        Image.new("RGB", (3, 2)).save(f"{stem}.jpg")
        Image.new("RGB", (3, 2), (0, index, 255 if index else 0)).save(f"{stem}_seg.png")
    alone.with_suffix(".json").write_text('{"annotation": {"object": {"name": "cat", "name_ndx": 29}}}')
    blank.with_suffix(".json").write_text('{"annotation": {"object": []}}')
    found = read(root)
    assert found.labels.names[0] == "cat"
    assert any("pérson" in name for name in found.labels.names)
    masks = {
        item.id.rpartition("/")[2]: drawn(found, item) for item in found.items if item.id.endswith(("one", "none"))
    }
    assert (masks["one"] == 0).all()
    assert (masks["none"] == 255).all()


def test_objects_of_a_text_that_disagree_are_refused(copy: Callable[[str], Path]) -> None:
    root = copy("2016")
    path = root / "images/training/p/park/ADE_train_00000001_atr.txt"
    lines = path.read_text().splitlines()
    objects = [line for line in lines if line.split(" # ")[1] == "0"]
    twice = next(i for i, line in enumerate(objects) if line[3:] in {other[3:] for other in objects[:i]})
    (root / "classes.csv").write_text("id,name\n" + "".join(f"{i},c{i}\n" for i in range(1, 3100)))
    other = objects[twice].replace(objects[twice].split(" # ")[3], "sea")
    for broken in (objects[:-1], [*objects[:twice], other, *objects[twice + 1 :]], []):
        path.write_text("\n".join(broken))
        message = refusal(lambda: segdata.convert("ade20k", root, root.parent / "d"))
        assert path.name in message
        assert "--classes FILE" in message
    segdata.convert("ade20k", root, root.parent / "d", classes=str(root / "classes.csv"))


def test_numbers_of_objects_of_which_some_are_hidden(copy: Callable[[str], Path]) -> None:
    """The values of real masks of 2021: objects 1 to 34 are 8, 15, 23, 30 ... (k * 255 / 34, halves upwards)."""
    assert object_numbers([8, 15, 30, 255], 34, "x") == {8: 1, 15: 2, 30: 4, 255: 34}
    assert object_numbers([1, 3], 4, "x") == {1: 1, 3: 3}
    assert object_numbers([7, 9], 2, "x") == {7: 1, 9: 2}
    assert object_numbers([], 4, "x") == {}
    with pytest.raises(DataError, match="has 4 objects"):
        object_numbers([5, 9], 4, "x")
    root = copy("2016")
    path = root / "images/training/p/park/ADE_train_00000001_seg.png"
    whole = read(root)
    at = [item.id.rpartition("/")[2] for item in whole.items].index("ADE_train_00000001")
    before = drawn(whole, whole.items[at])
    pixels = stored(path)
    gone = pixels[..., 2] == sorted(set(pixels[..., 2].ravel()) - {0})[1]
    pixels[gone] = 0
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    assert (drawn(whole, whole.items[at]) == np.where(gone, 255, before)).all()


# What is wrong


@pytest.mark.parametrize(
    ("layout", "gone", "told", "left"),
    [
        (
            "challenge",
            "annotations/training/ADE_train_00000003.png",
            "there is no annotations/training/ADE_train_00000003.png",
            7,
        ),
        (
            "challenge",
            "images/validation/ADE_val_00000007.jpg",
            "there is no images/validation/ADE_val_00000007.jpg",
            7,
        ),
        ("2021", f"images/ADE/{FIRST}_seg.png", "ADE_train_00000001_seg.png", 7),
        ("2021", f"images/ADE/{FIRST}.jpg", "ADE_train_00000001.jpg", 7),
        ("2016", "images/training/p/park/ADE_train_00000001_atr.txt", "to name its classes", 7),
    ],
)
def test_what_is_missing_stops_or_is_left_out(
    copy: Callable[[str], Path], layout: str, gone: str, told: str, left: int
) -> None:
    root = copy(layout)
    (root / gone).unlink()
    assert told in refusal(lambda: read(root))
    source = read(root, report=Report("skip"))
    assert len(source.items) == left
    assert len(source.receipt.skipped_images) == 1


@pytest.mark.parametrize(
    "damage",
    [b"", b"\x89PNG", b"{", b"null", b"[]", b'{"annotation": 3}',
     b'{"annotation": {"object": [{"name": "x", "name_ndx": 1e99}]}}',
     b'{"annotation": {"object": [{"name": 4, "name_ndx": 1}]}}', b'{"annotation": {"object": [{"name": "x", "name_ndx": -1}]}}',
     b'{"annotation": {"object": [{"name": "x", "name_ndx": NaN}]}}', b"[" * 100000,
     b'{"annotation": {"object": [{"name": " ", "name_ndx": 5}]}}'],
)  # fmt: skip
def test_damaged_json_is_one_message_and_its_image_is_left_out(copy: Callable[[str], Path], damage: bytes) -> None:
    root = copy("2021")
    (root / f"images/ADE/{FIRST}.json").write_bytes(damage)
    message = refusal(lambda: segdata.convert("ade20k", root, root.parent / "d"))
    assert "ADE_train_00000001.json" in message
    assert FIRST in message
    assert "\n" not in message
    dataset = segdata.convert("ade20k", root, root.parent / "d", run=segdata.Run(report=Report("skip")))
    assert len(dataset) == 7


@given(st.binary(max_size=60), st.integers(0, 200))
def test_no_damage_does_more_than_raise(noise: bytes, at: int) -> None:
    good = json.dumps(
        {"annotation": {"object": [{"name": "door", "name_ndx": 774, "parts": {"part_level": 1}}]}}
    ).encode()
    text = b'001 # 0 # 0 # sky # sky # ""\n002 # 1 # 0 # door, gate # gate # "open # wide, red"\n'
    for parse, data in ((names_of_json, good), (names_of_text, text)):
        damaged = data[:at] + noise + data[at + len(noise) :]
        with suppress(DataError):
            assert all(0 <= one.level < 1000 and one.name for one in parse(damaged))


def test_a_line_of_text_is_an_object() -> None:
    text = b'001 # 0 # 0 # sky # sky # ""\r\n\r\n002 # 1 # 0 # door, gate # gate # "open # wide, red"\n'
    assert [tuple(one) for one in names_of_text(text)] == [(0, "sky", 1), (1, "door, gate", 2)]


def test_an_index_of_two_classes_is_refused(copy: Callable[[str], Path]) -> None:
    root = copy("2021")
    path = sorted((root / "images/ADE/training").rglob("*.json"))[-1]
    edit(path, lambda things: [{**thing, "name": "another"} for thing in things])
    message = refusal(lambda: read(root))
    assert path.name in message
    assert "'another' here" in message


def test_masks_that_hold_no_codes_are_refused(copy: Callable[[str], Path]) -> None:
    root = copy("2021")
    path = root / f"images/ADE/{FIRST}_seg.png"
    with Image.open(path) as image:
        image.save(path, "JPEG")
    assert "mask.coded" in refusal(lambda: segdata.convert("ade20k", root, root.parent / "d"))
    Image.fromarray(np.zeros((4, 5), np.uint16)).save(path)
    assert "mask.coded" in refusal(lambda: segdata.convert("ade20k", root, root.parent / "d"))


def test_options_that_cannot_be_say_which_can(made: Path) -> None:
    with pytest.raises(OptionError, match="levels 1"):
        read(made / "2021", parts=2)
    with pytest.raises(OptionError, match="no image has parts"):
        read(made / "challenge", parts=1)
    with pytest.raises(OptionError, match="training, validation"):
        read(made / "2021", split="train")


# Telling it


def test_it_is_told_from_other_sets_of_such_folders(copy: Callable[[str], Path]) -> None:
    root = copy("challenge")
    (root / "objectInfo150.txt").unlink()
    assert fits(root) is None
    for path in [*root.rglob("*.png"), *root.rglob("*.jpg")]:
        path.rename(path.with_name(path.name.replace("ADE_", "img_")))
    assert fits(root) == "there is no objectInfo150.txt"
    full = copy("2021")
    for folder in ("images/ADE", "images/ADE/training", "images"):
        assert fits(full / folder) is None
    for path in full.rglob("*"):
        if path.is_file():
            path.rename(path.with_name(path.name.replace("ADE_", "img_")))
    assert fits(full) is None
    for path in full.rglob("*.json"):
        path.write_text('{"shapes": []}')
    assert fits(full) is not None


def test_a_folder_above_or_below_is_told(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "challenge", tmp_path / "x/ADEChallengeData2016")
    message = refusal(lambda: segdata.convert("ade20k", tmp_path / "x", tmp_path / "d"))
    assert str(tmp_path / "x/ADEChallengeData2016") in message
