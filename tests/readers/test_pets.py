"""The pets reader: every trimap in every label mode, breeds by CLASS-ID, and one clear message for everything that is wrong."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import segdata
import segdata.readers
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.readers.pets import BREEDS, read, read_list

KINDS = ("trimap", "binary", "species", "breed")
BORDERS = ("ignore", "foreground", "class")
MODES = [("trimap", None), *((kind, border) for kind in KINDS[1:] for border in BORDERS)]
OFFICIAL = [
    "Abyssinian", "american_bulldog", "american_pit_bull_terrier", "basset_hound", "beagle", "Bengal", "Birman",
    "Bombay", "boxer", "British_Shorthair", "chihuahua", "Egyptian_Mau", "english_cocker_spaniel", "english_setter",
    "german_shorthaired", "great_pyrenees", "havanese", "japanese_chin", "keeshond", "leonberger", "Maine_Coon",
    "miniature_pinscher", "newfoundland", "Persian", "pomeranian", "pug", "Ragdoll", "Russian_Blue", "saint_bernard",
    "samoyed", "scottish_terrier", "shiba_inu", "Siamese", "Sphynx", "staffordshire_bull_terrier", "wheaten_terrier",
    "yorkshire_terrier",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(segdata.readers.READERS, "pets", "segdata.readers.pets")


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    """The program that made the samples: it knows the true trimaps and numbers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "tools"))
        import make_samples

        yield make_samples
    for name in ("make_samples", "sample_canvas", "sample_cityscapes", "sample_pets", "sample_scenes"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def painted(generator: ModuleType) -> dict[str, NDArray[Any]]:
    """The true trimap of each sample, by its id."""
    return {
        f"{'test' if n == (k + 1) % 3 else 'trainval'}/{breed.name}_{n + 1}": generator.pet_trimap(
            generator.pet_image(k, n)
        )
        for k, breed in enumerate(generator.BREEDS)
        for n in range(3)
    }


@pytest.fixture
def pets(samples: Path, tmp_path: Path) -> Path:
    """A copy of the sample to break: 12 images in trainval, 6 in test."""
    return shutil.copytree(samples / "pets", tmp_path / "pets")


def options(kind: str, border: str | None) -> dict[str, Any]:
    return {"labels": kind} if border is None else {"labels": kind, "border": border}


def expected(trimap: NDArray[Any], stem: str, kind: str, border: str | None) -> tuple[NDArray[Any], int]:
    """The mask by the words of the options, and how many classes there are; cats are the breeds in capitals."""
    if kind == "trimap":
        return (trimap - 1).astype(np.uint8), 3
    breed = stem.rsplit("_", 1)[0]
    pet = {"binary": 1, "species": 1 if breed[0].isupper() else 2, "breed": OFFICIAL.index(breed) + 1}[kind]
    classes = {"binary": 2, "species": 3, "breed": 38}[kind]
    edge = {"ignore": 255, "foreground": pet, "class": classes}[border or "ignore"]
    mask = np.full(trimap.shape, 99, np.uint8)
    for value, target in ((1, pet), (2, 0), (3, edge)):
        mask[trimap == value] = target
    return mask, classes + (border == "class")


# Pixels and classes


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("kind", KINDS)
def test_all_real_pets_in_every_mode(shared_data: Path, tmp_path: Path, kind: str) -> None:
    """158 images; Abyssinian_34 is a GIF and in no list, Abyssinian_5 an RGBA PNG in test.txt."""
    root = shared_data / "pets"
    dataset = segdata.convert("pets", root, tmp_path / "d", labels=kind)
    assert len(dataset) == 158
    for sample in dataset:
        stem = sample.id.split("/")[-1]
        trimap = np.array(Image.open(root / f"annotations/trimaps/{stem}.png"))
        mask, classes = expected(trimap, stem, kind, None)
        assert len(dataset.labels.classes) == classes
        np.testing.assert_array_equal(dataset.read_mask(sample), mask)
    by_stem = {sample.id.split("/")[-1]: sample for sample in dataset}
    assert (by_stem["Abyssinian_34"].id, by_stem["Abyssinian_34"].split) == ("Abyssinian_34", None)
    assert by_stem["Abyssinian_5"].id == "test/Abyssinian_5"
    for stem in ("Abyssinian_34", "Abyssinian_5"):
        with Image.open(root / f"images/{stem}.jpg") as image:
            np.testing.assert_array_equal(dataset.read_image(by_stem[stem]), np.array(image.convert("RGB")))
    lists = {name: (root / f"annotations/{name}.txt").read_text().split("\n") for name in ("trainval", "test")}
    for name, lines in lists.items():
        assert {s.id for s in dataset.split(name)} == {f"{name}/{line.split()[0]}" for line in lines if line}
    if kind == "trimap":
        assert set(dataset.read_receipt()["pixels"]) == {"pet", "background", "border"}


@pytest.mark.slow
@pytest.mark.skipif(
    cv2.__version__ < "5", reason="the samples were drawn with OpenCV 5, whose outlines differ in some pixels"
)
@pytest.mark.parametrize(("kind", "border"), MODES)
def test_the_samples_are_what_was_painted(
    samples: Path, tmp_path: Path, painted: dict[str, NDArray[Any]], kind: str, border: str | None
) -> None:
    dataset = segdata.convert("pets", samples / "pets", tmp_path / "d", **options(kind, border))
    assert [sample.id for sample in dataset] == sorted(painted)
    for sample in dataset:
        mask, classes = expected(painted[sample.id], sample.id.split("/")[1], kind, border)
        np.testing.assert_array_equal(dataset.read_mask(sample), mask)
        assert len(dataset.labels.classes) == classes
    assert dataset.made_by["options"]["labels"] == kind
    assert dataset.made_by["options"]["border"] == (border or ("class" if kind == "trimap" else "ignore"))
    assert [given["name"] for given in dataset.made_by["inputs"]] == ["list.txt", "trainval.txt", "test.txt"]


def test_breeds_are_in_the_order_of_their_class_id(generator: ModuleType) -> None:
    """Not in order of occurrence, and all 37 whatever occurs. The official README: names in capitals are cats."""
    assert [name for name, _ in BREEDS] == OFFICIAL
    assert sorted(OFFICIAL, key=str.lower) == OFFICIAL
    assert {name for name, species in BREEDS if species == "cat"} == {n for n in OFFICIAL if n[0].isupper()}
    assert sum(species == "cat" for _, species in BREEDS) == 12
    for breed in generator.BREEDS:
        assert BREEDS[breed.class_id - 1] == (breed.name, ("cat", "dog")[breed.species - 1])
        cats_or_dogs = [name for name, species in BREEDS if species == BREEDS[breed.class_id - 1][1]]
        assert cats_or_dogs.index(breed.name) + 1 == breed.breed_id


def test_the_classes_are_named(samples: Path) -> None:
    names = {mode: read(samples / "pets", **options(*mode)).labels.names for mode in MODES}
    assert names["trimap", None] == ("pet", "background", "border")
    assert names["binary", "ignore"] == names["binary", "foreground"] == ("background", "pet")
    assert names["species", "class"] == ("background", "cat", "dog", "border")
    assert names["breed", "ignore"] == ("background", *OFFICIAL)
    assert names["breed", "class"] == ("background", *OFFICIAL, "border")


def test_the_receipt_tells_what_each_value_means(samples: Path) -> None:
    def rows(kind: str, border: str | None = None) -> list[tuple[Any, ...]]:
        return [(c.source_id, c.name, c.class_id) for c in read(samples / "pets", **options(kind, border)).classes]

    assert rows("trimap") == [(1, "pet", 0), (2, "background", 1), (3, "border", 2)]
    assert rows("binary") == [(1, "pet", 1), (2, "background", 0), (3, "border", None)]
    assert rows("species", "foreground") == [
        ("1 of cat", "cat", 1), ("1 of dog", "dog", 2), (2, "background", 0),
        ("3 of cat", "border", 1), ("3 of dog", "border", 2),
    ]  # fmt: skip
    assert len(rows("breed")) == 39


# Files and lists


def test_finder_files_are_no_trimaps(pets: Path) -> None:
    assert (pets / "annotations/trimaps/._Abyssinian_1.png").exists()
    (pets / "images/._pug_1.jpg").write_bytes(b"\0\5\x16\7")
    source = read(pets)
    assert len(source.items) == 18
    assert source.receipt.notes == []


def test_a_image_in_no_list_takes_its_breed_from_its_name(pets: Path) -> None:
    for name, extension in (("images", "jpg"), ("annotations/trimaps", "png")):
        shutil.copy(pets / f"{name}/pug_1.{extension}", pets / f"{name}/Egyptian_Mau_100.{extension}")
    (item,) = [item for item in read(pets, labels="breed").items if item.split is None]
    assert item.id == "Egyptian_Mau_100"
    assert item.annotation.meaning.values == {1: 12, 2: 0, 3: None}
    assert all(item.split == "test" for item in read(pets, split="test").items)


def test_a_split_alone(pets: Path) -> None:
    assert {len(read(pets, split=split).items) for split in ("trainval", "test")} == {12, 6}
    (pets / "annotations/test.txt").unlink()
    assert read(pets).receipt.notes == ["annotations: there is no test.txt"]
    assert sum(item.split is None for item in read(pets).items) == 6
    with pytest.raises(DataError, match=r"annotations/test\.txt names no image"):
        read(pets, split="test")


def test_images_without_trimaps_are_told_of(pets: Path) -> None:
    for name in ("pug_9", "beagle_9"):
        shutil.copy(pets / "images/pug_1.jpg", pets / f"images/{name}.jpg")
    assert read(pets).receipt.notes == ["images: 2 images with no trimap and in no list are left out: beagle_9, pug_9"]
    assert read(pets, images=False).receipt.notes == []


def test_masks_need_no_images(pets: Path, tmp_path: Path) -> None:
    shutil.rmtree(pets / "images")
    assert len(segdata.convert("pets", pets, tmp_path / "d", images="none")) == 18
    with pytest.raises(DataError, match=r"images: No such file .*--images none"):
        read(pets)


@pytest.mark.parametrize("kind", KINDS)
def test_pets_of_no_breed_have_trimaps(pets: Path, kind: str) -> None:
    for name, extension in (("images", "jpg"), ("annotations/trimaps", "png")):
        (pets / f"{name}/pug_1.{extension}").rename(pets / f"{name}/mine.{extension}")
    for name in ("list", "trainval", "test"):
        path = pets / f"annotations/{name}.txt"
        path.write_text(path.read_text().replace("pug_1 26 2 18", "mine 26 2 18"))
    if kind in ("trimap", "binary"):
        assert "trainval/mine" in {item.id for item in read(pets, labels=kind).items}
    else:
        with pytest.raises(DataError, match=r"trainval/mine: its name is not .* choose --labels trimap or binary"):
            read(pets, labels=kind)


# Bad input: one message with file, sample and the way out; skip leaves that image out, and the sums close


def edit(root: Path, lists: str, old: str, new: str) -> None:
    for name in lists.split():
        path = root / f"annotations/{name}.txt"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def paint(path: Path, value: int) -> None:
    trimap = np.array(Image.open(path))
    trimap[5, 6] = value
    Image.fromarray(trimap).save(path)


def crop(path: Path) -> None:
    image = Image.open(path)
    image.crop((0, 0, image.width, image.height - 1)).save(path)


TRIMAP, IMAGE = "annotations/trimaps/Bengal_2.png", "images/Bengal_2.jpg"
LINE = "Bengal_2 6 1 2\n"
BAD: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "no trimap": (lambda p: (p / TRIMAP).unlink(), "pets.trimap", "list.txt", "Bengal_2.png: put it there, or take the name"),
    "no image": (lambda p: (p / IMAGE).unlink(), "image.missing", "Bengal_2.png", "images/Bengal_2.jpg: .*--images none"),
    "broken image": (lambda p: (p / IMAGE).write_bytes(b"no"), "image.unreadable", IMAGE, "cannot be decoded"),
    "broken trimap": (lambda p: (p / TRIMAP).write_bytes((p / TRIMAP).read_bytes()[:70]), "mask.damaged", TRIMAP, "cut off"),
    "another size": (lambda p: crop(p / TRIMAP), "image.size", IMAGE, "another copy"),
    "value 0": (lambda p: paint(p / TRIMAP, 0), "mask.values", TRIMAP, "declared for: 0: a trimap holds 1 pet, 2 background"),
    "value 4": (lambda p: paint(p / TRIMAP, 4), "mask.values", TRIMAP, "declared for: 4: a trimap holds"),
    "two splits": (
        lambda p: edit(p, "test", "pug_2", f"{LINE}pug_2"), "pets.twice", "trainval.txt", "in trainval.txt and in test.txt: take",
    ),
    "twice": (lambda p: edit(p, "trainval", LINE, LINE * 2), "pets.twice", "trainval.txt", "several lines"),
    "another breed": (
        lambda p: edit(p, "trainval", LINE, "Bengal_2 5 1 2\n"), "pets.breed", "trainval.txt",
        r"gives CLASS-ID 5 \(beagle\) and species 1 \(cat\), but its name CLASS-ID 6 \(Bengal\) and species 1 \(cat\): correct",
    ),
    "another species": (
        lambda p: edit(p, "list", LINE, "Bengal_2 6 2 2\n"), "pets.breed", "list.txt", r"species 2 \(dog\), but its name",
    ),
    "no such breed": (
        lambda p: edit(p, "list", LINE, "Bengal_2 38 0 2\n"), "pets.breed", "list.txt", r"38 \(none\) and species 0 \(none\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_message(pets: Path, tmp_path: Path, case: str) -> None:
    spoil, code, file, message = BAD[case]
    spoil(pets)
    with pytest.raises(DataError, match=message) as caught:
        segdata.convert("pets", pets, tmp_path / "d", labels="breed")
    problem = caught.value.problem
    assert (problem.code, problem.sample) == (code, "trainval/Bengal_2")
    assert (problem.file or "").endswith(file)
    assert not (tmp_path / "d").exists()
    run = segdata.Run(report=Report("skip"))
    dataset = segdata.convert("pets", pets, tmp_path / "d", labels="breed", run=run)
    assert [p.sample for p in run.report.problems] == ["trainval/Bengal_2"]
    assert len(dataset) == 17
    receipt = dataset.read_receipt()
    assert receipt["images"] == {"in": 18, "converted": 17, "skipped": 1}
    assert receipt["annotations"]["in"] == 17 + receipt["annotations"]["skipped"]


def test_a_image_of_both_splits_is_found_in_either(pets: Path) -> None:
    edit(pets, "test", "pug_2", f"{LINE}pug_2")
    for split in ("trainval", "test"):
        with pytest.raises(DataError, match=f"{split}/Bengal_2: is in trainval.txt and in test.txt"):
            read(pets, split=split)


@pytest.mark.parametrize(
    "line", ["pug_1", "pug_1 26 2", "pug_1 26 2 18 1", "pug 1 26 2 18", "pug_1 x 2 18", "pug_1 -1 2 1"]
)
def test_a_bad_line_is_named(pets: Path, line: str) -> None:
    edit(pets, "list", LINE, f"{LINE}{line}\n")
    with pytest.raises(DataError, match=rf"list\.txt: line 12: '{line}' is not `image CLASS-ID") as caught:
        read(pets)
    assert caught.value.problem.code == "pets.list"


@pytest.mark.parametrize(
    ("given_options", "message"),
    [
        ({"labels": "trimap", "border": "ignore"}, "--border ignore: in trimaps the border is a class"),
        ({"labels": "trimap", "border": "foreground"}, "choose --labels binary, species or breed"),
        ({"labels": "cats"}, "--labels cats: must be one of trimap, binary, species, breed"),
        ({"labels": "binary", "border": "void"}, "--border void: must be one of ignore, foreground, class"),
        ({"split": "train"}, "no split 'train': there are trainval and test"),
    ],
)
def test_bad_options_are_told(pets: Path, given_options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        read(pets, **given_options)


def test_the_border_of_trimaps_may_be_called_a_class(pets: Path) -> None:
    assert read(pets, border="class").options == read(pets).options == {"labels": "trimap", "border": "class"}


@pytest.mark.parametrize("gone", ["annotations", "annotations/trimaps", "images"])
def test_what_is_no_pet_set_is_refused(pets: Path, gone: str) -> None:
    shutil.rmtree(pets / gone)
    with pytest.raises(DataError, match="No such file or directory: give the folder that holds annotations/trimaps/"):
        read(pets)


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    (tmp_path / "annotations/trimaps").mkdir(parents=True)
    with pytest.raises(DataError, match="there is no trimap: is the set whole"):
        read(tmp_path, images=False)


WORDS = st.sampled_from(
    ["pug_1", "#", "26", "2", "18", " ", "\t", "\n", "\r", "\x00", "../x", "\\", "Bengal_2 6 1 2\n", "٣", "9" * 12]
)


@given(st.one_of(st.binary(max_size=40), st.lists(WORDS, max_size=15).map(lambda words: "".join(words).encode())))
@example(b"\xff\xfe")
@example(b"../../x 1 1 1\n")
@example(b"\xef\xbb\xbfpug_1 26 2 18\r\n")
@example(b"pug_1 26 2 18 \npug_1 26 2 18")
def test_any_bytes_are_a_list_or_one_clear_error(samples: Path, tmp_path: Path, data: bytes) -> None:
    root = tmp_path / "pets"
    if not root.exists():
        (root / "annotations/trimaps").mkdir(parents=True)
        shutil.copy(samples / "pets/annotations/trimaps/pug_1.png", root / "annotations/trimaps")
    path = root / "annotations/trainval.txt"
    path.write_bytes(data)
    rows = error = None
    try:
        rows = read_list(path)
    except SegdataError as caught:
        error = caught
    if rows is None:
        assert "trainval.txt" in str(error)
        return
    names = {row.image for row in rows}
    source = read(root, images=False, report=Report("skip"))
    assert len(source.items) + len(source.receipt.skipped_images) == len(names | {"pug_1"})
    assert {item.id for item in source.items} <= {"pug_1", "trainval/pug_1"}


@given(st.lists(st.sampled_from(OFFICIAL), min_size=1, max_size=20, unique=True))
def test_lists_round_trip(tmp_path: Path, breeds: list[str]) -> None:
    path = tmp_path / "list.txt"
    rows = [(f"{b}_{i}", OFFICIAL.index(b) + 1, 1 if b[0].isupper() else 2) for i, b in enumerate(breeds)]
    path.write_text("#Image CLASS-ID SPECIES BREED ID\n" + "".join(f"{n} {c} {s} 1\n" for n, c, s in rows))
    assert [(row.image, row.class_id, row.species) for row in read_list(path)] == rows
