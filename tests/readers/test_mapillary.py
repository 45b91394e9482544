"""The Mapillary Vistas reader: label and instance masks of every version, and one clear message for what is wrong."""

from __future__ import annotations

import json
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
from pycocotools import mask as rle_tools

import segdata
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.labels import Labels
from segdata.readers.detect import format_of
from segdata.readers.label_files import Meaning
from segdata.readers.mapillary.labels import InstanceFile, config_table
from segdata.readers.mapillary.reader import fits, read
from segdata.readers.source import Item, Receipt, Source

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    """The program that makes the samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE.parents[1] / "tools"))
        import sample_mapillary

        yield sample_mapillary
    for name in ("sample_mapillary", "sample_canvas", "sample_scenes"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def made(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1.2 and 2.0 beside each other, and masks in no folder of a version."""
    root = tmp_path_factory.mktemp("made")
    generator.make_mapillary(root / "both")
    generator.make_mapillary(root / "flat", ("1.2",), flat=True)
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


def expected(path: Path, rows: Any, void: str) -> tuple[NDArray[np.int64], list[str]]:
    """A mask and its classes by the words of the options, from the place of each label in the config."""
    gone = [
        void != "none" and (not evaluate or (void == "all" and name.startswith("void--")))
        for name, *_, evaluate in rows
    ]
    kept = [name for (name, *_), ignored in zip(rows, gone, strict=True) if not ignored]
    ids = [255 if ignored else kept.index(name) for (name, *_), ignored in zip(rows, gone, strict=True)]
    return np.array(ids)[stored(path)], kept


@pytest.mark.parametrize("void", ["unevaluated", "all", "none"])
@pytest.mark.parametrize("from_", ["labels", "instances"])
@pytest.mark.parametrize(("layout", "version"), [("both", "1.2"), ("both", "v2.0"), ("both", None), ("flat", None)])
def test_masks_are_places_in_the_config(
    made: Path, generator: ModuleType, layout: str, version: str | None, from_: Any, void: Any
) -> None:
    source = read(made / layout, version=version, from_=from_, void=void)
    rows = generator.LABELS[version.removeprefix("v") if version else "2.0" if layout == "both" else "1.2"]
    folder = "" if layout == "flat" else f"v{version.removeprefix('v') if version else '2.0'}"
    assert len(source.items) == 6
    for item in source.items:
        split, _, key = item.id.partition("/")
        mask, names = expected(made / layout / split / folder / f"labels/{key}.png", rows, void)
        assert (drawn(source, item) == mask).all()
        assert source.labels.names == tuple(names)


def test_versions_and_what_is_left_out_are_told(made: Path) -> None:
    notes = "\n".join(read(made / "both").receipt.notes)
    assert "labels of version 2.0" in notes
    assert "there are 1.2 too (--version)" in notes
    assert "void--ego-vehicle (--void all ignores them)" in notes
    assert "testing: left out" in notes
    with pytest.raises(OptionError, match=r"there are 2\.0, 1\.2"):
        read(made / "both", version="3")
    with pytest.raises(OptionError, match=r"there are 1\.1"):
        read(made / "flat", version="1.2")
    assert read(made / "flat", version="1.1").options["version"] == "1.1"


def test_the_newest_version_is_by_number(copy: Callable[[str], Path]) -> None:
    root = copy("both")
    for split in ("training", "validation"):
        (root / split / "v2.0").rename(root / split / "v10.0")
    (root / "config_v2.0.json").rename(root / "config_v10.0.json")
    assert read(root).options["version"] == "10.0"


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=60), st.integers(1, 256))
def test_an_instance_mask_is_256_times_the_label_and_a_number(tmp_path: Path, values: list[int], count: int) -> None:
    """Brute force, as demo.py of the release has it: `np.array(instance_array / 256, dtype=np.uint8)`."""
    pixels = np.array([values], np.uint16)
    truth = np.array(pixels / 256, dtype=np.uint8)
    labels = Labels.of([f"c{i}" for i in range(count)])
    path = str(tmp_path / "instances.png")
    Image.fromarray(pixels).save(path)
    file = InstanceFile(path, Meaning({i: i for i in range(count)}))
    remap = labels.table({i: i for i in range(count)})
    if truth.max() < count:
        assert (file.draw(remap).mask == truth).all()
    else:
        with pytest.raises(DataError, match="no class is declared for"):
            file.draw(remap)


def test_real_files(tmp_path: Path) -> None:
    root = HERE / "real/mapillary"
    assert format_of(root) == "mapillary"
    for version in ("1.2", "2.0"):
        by_label, by_instance = (read(root, version=version, from_=kind) for kind in ("labels", "instances"))
        assert by_label.labels.names == ("animal--bird", "construction--barrier--separator", "object--vehicle--bicycle")
        for one, other in zip(by_label.items, by_instance.items, strict=True):
            split, _, key = one.id.partition("/")
            instances = stored(root / split / f"v{version}/instances/{key}.png")
            assert (drawn(by_instance, other) == instances // 256).all()
            assert (drawn(by_label, one) == stored(root / split / f"v{version}/labels/{key}.png")).all()


# Polygons


def painted(root: Path, overlap: str) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Label ids by pycocotools, one polygon after the other."""
    names = [label["name"] for label in json.loads((root / "config_v2.0.json").read_text())["labels"]]
    for path in root.rglob("polygons/*.json"):
        data = json.loads(path.read_text())
        mask = np.full((data["height"], data["width"]), names.index("void--unlabeled"))
        for thing in data["objects"] if overlap == "last" else data["objects"][::-1]:
            flat = [part for corner in thing["polygon"] for part in corner]
            rle = rle_tools.merge(rle_tools.frPyObjects([flat], *mask.shape))
            mask[rle_tools.decode(rle) > 0] = names.index(thing["label"])
        yield f"{path.parents[2].name}/{path.stem}", mask


@pytest.mark.parametrize("overlap", ["last", "first"])
def test_polygons_are_painted_in_their_order(made: Path, overlap: Any) -> None:
    source = read(made / "both", from_="polygons", void="none", overlap=overlap)
    items = {item.id: item for item in source.items}
    for id, mask in painted(made / "both", overlap):
        assert (drawn(source, items.pop(id)) == mask).all()
    assert not items


def test_the_receipt_of_polygons_closes(copy: Callable[[str], Path]) -> None:
    root = copy("both")
    path = next((root / "training").rglob("polygons/*.json"))
    data = json.loads(path.read_text())
    whole = len(data["objects"])
    label = data["objects"][0]["label"]
    for polygon in (
        [],
        [[1, 2], [3, 4]],
        [[1, 2], [3], [4, 5], [6, 7]],
        [[-9, -9], [-5, -9], [-5, -5]],
        [[-2, -2], [9, -2], [9, 9]],
    ):
        data["objects"].append({"label": label, "polygon": polygon})
    path.write_text(json.dumps(data))
    source = read(root, from_="polygons")
    item = next(item for item in source.items if item.id.endswith(path.stem))
    receipt = item.annotation.draw(source.labels.table({i: i for i in range(len(source.labels.classes))})).receipt
    assert receipt.annotations == whole + 5 == receipt.painted + len(receipt.skipped) == len(item.annotation.ids)
    assert [line.code for line in receipt.skipped if line.annotation >= whole] == ["polygon.degenerate"] * 3 + [
        "polygon.empty"
    ]
    assert {line.annotation for line in receipt.clipped} >= {whole + 3, whole + 4}


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "not valid JSON"), ("[]", "not polygons"), ('{"objects": 3}', "not polygons"),
     ('{"objects": [{"label": 3}]}', "annotation 0"),
     ('{"objects": [], "height": 100000, "width": 100000}', "more than the limit"),
     ('{"objects": [{"label": "nature--skyy", "polygon": []}], "height": 9, "width": 9}', "nature--sky"),
     ('{"objects": [{"label": "nature--sky", "polygon": [[1, NaN], [2, 3], [4, 5]]}], "height": 9, "width": 9}', "NaN"),
     ('{"objects": [{"label": "nature--sky", "polygon": [[1, 1e300], [2, 3], [4, 5]]}], "height": 9, "width": 9}', "away"),
     ('{"objects": [], "height": "9", "width": 9}', "not polygons")],
)  # fmt: skip
def test_damaged_polygons_are_one_message_and_are_left_out(copy: Callable[[str], Path], text: str, told: str) -> None:
    root = copy("both")
    path = next((root / "training").rglob("polygons/*.json"))
    path.write_text(text)
    message = refusal(lambda: segdata.convert("mapillary", root, root.parent / "d", from_="polygons"))
    assert path.name in message
    assert told in message
    run = segdata.Run(report=Report("skip"))
    assert len(segdata.convert("mapillary", root, root.parent / "d", from_="polygons", run=run)) == 5


def test_a_size_that_is_not_told_is_that_of_the_image() -> None:
    source = read(HERE / "real/mapillary", from_="polygons")
    assert {drawn(source, item).shape for item in source.items} == {(5, 5)}
    alone = read(HERE / "real/mapillary", from_="polygons", images=False)
    assert "states no size" in refusal(lambda: drawn(alone, alone.items[0]))


def test_options_that_would_do_nothing_are_refused(made: Path) -> None:
    with pytest.raises(OptionError, match="only polygons overlap"):
        read(made / "both", overlap="first")
    assert "--from labels" in refusal(lambda: read(made / "both", version="1.2", from_="polygons"))


# The config


def config(**labels: Any) -> str:
    return json.dumps({"labels": [{"name": name.replace("__", "--"), **more} for name, more in labels.items()]})


def table(tmp_path: Path, text: str | bytes, void: Any = "unevaluated") -> tuple[str | None, ...]:
    """The name of the class of each label id, None for ignored."""
    path = tmp_path / "config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found, _ = config_table(path, void, Receipt())
    return tuple(None if one.class_id is None else found.labels.names[one.class_id] for one in found.classes)


def test_a_config_may_lack_keys(tmp_path: Path) -> None:
    assert table(tmp_path, config(a={}, void__x={}, b={"evaluate": None})) == ("a", None, "b")
    assert table(tmp_path, config(a={}, void__x={"evaluate": True})) == ("a", "void--x")
    assert table(tmp_path, config(a={"evaluate": False}, b={"color": None})) == (None, "b")
    assert table(tmp_path, config(a={"color": [1, 2]}, b={"color": [300, 0, 0]})) == ("a", "b")
    assert table(tmp_path, b"\xef\xbb\xbf" + config(a={"other": [1]}).encode()) == ("a",)
    assert table(tmp_path, config(a={}, void__x={}), "none") == ("a", "void--x")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"labels": null}', '{"labels": []}', '{"labels": [3]}', '{"labels": [{"name": 3}]}',
     '{"labels": [{"color": [0, 0, 0]}]}', '{"labels": [{"name": "a"}, {"name": "a"}]}', '{"labels": [{"name": " "}]}',
     '{"labels": [{"name": "a", "evaluate": "no"}]}', '{"labels": [{"name": "void--a"}]}', "[" * 100000,
     json.dumps({"labels": [{"name": str(i)} for i in range(257)]}), b'{"labels": [{"name": "\xff"}]}'],
)  # fmt: skip
def test_a_damaged_config_is_one_message(copy: Callable[[str], Path], text: str | bytes) -> None:
    root = copy("both")
    (root / "config_v2.0.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    message = refusal(lambda: read(root))
    assert "config_v2.0.json" in message
    assert len(message) < 500


@given(st.binary(max_size=40), st.integers(0, 120))
def test_no_damage_does_more_than_raise(tmp_path: Path, noise: bytes, at: int) -> None:
    good = config(a={"evaluate": True, "color": [1, 2, 3]}, void__x={"evaluate": False}).encode()
    with suppress(DataError):
        table(tmp_path, good[:at] + noise + good[at + len(noise) :])


def test_a_config_of_another_name_is_taken_only_if_it_is_of_the_version(copy: Callable[[str], Path]) -> None:
    root = copy("both")
    (root / "config_v2.0.json").rename(root / "config.json")
    assert read(root).labels.names[0] == "animal--ground-animal"
    message = refusal(lambda: read(root, version="1.2")) if not (root / "config_v1.2.json").unlink() else ""
    assert "holds no config_v1.2.json" in message
    data = json.loads((root / "config.json").read_text())
    (root / "config.json").write_text(json.dumps({**data, "version": "1.2"}))
    assert "name it config_v2.0.json" in refusal(lambda: read(root))
    (root / "config.json").rename(root / "config_v2.0.json")
    assert len(read(root).items) == 6


def test_a_flat_set_takes_the_one_config_there_is(copy: Callable[[str], Path]) -> None:
    root = copy("flat")
    (root / "config.json").rename(root / "config_v1.2.json")
    assert len(read(root).items) == 6
    shutil.copy(root / "config_v1.2.json", root / "config_v2.0.json")
    message = refusal(lambda: read(root))
    assert "config_v1.2.json, config_v2.0.json" in message
    assert "name it config_v1.1.json" in message
    (root / "config_v1.2.json").rename(root / "config_v1.1.json")
    assert len(read(root).items) == 6


def test_classes_can_be_given(copy: Callable[[str], Path]) -> None:
    root = copy("both")
    for path in root.glob("config*"):
        path.unlink()
    (root / "c.csv").write_text("id,name\n" + "".join(f"{i},{'ignore' if i == 11 else f'c{i}'}\n" for i in range(12)))
    source = read(root, classes="c.csv")
    assert source.labels.names == tuple(f"c{i}" for i in range(11))
    assert read(root, classes=[f"c{i}" for i in range(12)]).labels.names[-1] == "c11"
    void = read(root, classes=["void--other", *(f"c{i}" for i in range(1, 12))]).receipt.notes
    assert "classes, as --classes names them so: void--other (the name ignore is of no class)" in void
    assert not any("--classes" in note for note in source.receipt.notes)
    with pytest.raises(OptionError, match="the name `ignore`"):
        read(root, classes="c.csv", void="all")


# What is wrong


def test_values_beyond_the_config_are_refused(copy: Callable[[str], Path]) -> None:
    root = copy("both")
    shutil.copy(root / "config_v1.2.json", root / "config_v2.0.json")
    for kind in ("labels", "instances"):
        message = refusal(lambda k=kind: segdata.convert("mapillary", root, root.parent / "d", from_=k))
        assert "no class is declared for: 11" in message
        assert "--version" in message


def test_masks_of_the_wrong_kind_are_refused_and_the_way_out_works(copy: Callable[[str], Path]) -> None:
    root = copy("both")
    for split in ("training", "validation"):
        shutil.rmtree(root / split / "v2.0/instances")
    message = refusal(lambda: read(root, from_="instances"))
    assert "--from labels" in message
    assert len(read(root, from_="labels").items) == 6
    for split in ("training", "validation"):
        shutil.copytree(root / split / "v2.0/labels", root / split / "v2.0/instances")
    message = refusal(lambda: segdata.convert("mapillary", root, root.parent / "d", from_="instances"))
    assert "has 8 bits" in message
    assert "--from labels" in message


@pytest.mark.parametrize(("gone", "code"), [("v2.0/labels", "mapillary.mask"), ("images", "image.missing")])
def test_what_is_missing_stops_or_is_left_out(copy: Callable[[str], Path], gone: str, code: str) -> None:
    root = copy("both")
    sorted((root / "training" / gone).iterdir())[1].unlink()
    message = refusal(lambda: read(root))
    assert f"[{code}]" in message
    source = read(root, report=Report("skip"))
    assert len(source.items) == 5
    assert [line.code for line in source.receipt.skipped_images] == [code]


def test_masks_alone_need_no_images(copy: Callable[[str], Path]) -> None:
    root = copy("both")
    for split in ("training", "validation", "testing"):
        shutil.rmtree(root / split / "images")
    assert len(read(root, images=False).items) == 6
    assert "--images none" in refusal(lambda: read(root))


def test_it_is_told_from_other_sets_of_such_folders(copy: Callable[[str], Path]) -> None:
    root = copy("both")
    assert fits(root) is None
    assert fits(root / "training") is not None
    message = refusal(lambda: segdata.convert("mapillary", root / "training", root.parent / "d"))
    assert f"the set lies in {root}:" in message
    for path in root.glob("config*"):
        path.write_text('{"model": "unet"}')
    assert "config" in str(fits(root))
    message = refusal(lambda: segdata.convert("mapillary", copy("flat").parent, root.parent / "d"))
    assert str(root.parent / "flat") in message
