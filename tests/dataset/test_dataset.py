"""The manifest, the card and the journal: what is written is read back, and what is broken is named."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import segdata.dataset.dataset
import segdata.dataset.destination
import segdata.files.places
from segdata.dataset.dataset import Dataset
from segdata.dataset.ids import NAME_MAX, longest_name
from segdata.dataset.journal import Journal
from segdata.dataset.layout import CARD, JOURNAL, MANIFEST, OWN
from segdata.dataset.manifest import read_manifest
from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError
from segdata.files.images import write_mask
from segdata.files.places import file_digest, leads_out, write_whole
from segdata.labels import Labels
from segdata.windows import Window

LABELS = Labels.of(["background", "cat", "dog"])
MASK = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3


def sample(id: str, **fields: Any) -> Sample:
    return Sample(
        **{
            "id": id,
            "mask": f"masks/{id}.png",
            "height": 3,
            "width": 4,
            "counts": {0: 12},
            "sha256": "0" * 64,
            **fields,
        }
    )


def make(root: Path, *samples: Sample, images: Any = "reference") -> Dataset:
    """A dataset on disk whose masks all hold MASK."""
    dataset = Dataset(root, LABELS, list(samples), {"tool": "segdata"}, images)
    for one in samples:
        write_mask(root / one.mask, MASK)
    root.mkdir(exist_ok=True)
    dataset.save()
    return dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make(
        tmp_path / "data",
        sample("train/a", split="train"),
        sample("train/b", split="train"),
        sample("val/a", split="val"),
        sample("c"),
    )


# --- the manifest

WINDOWS = st.none() | st.builds(Window, *[st.integers(0, 2**31 - 1)] * 2, *[st.integers(1, 2**31 - 1)] * 2)
NAMES = st.text(min_size=1).filter(lambda name: not leads_out(name) and longest_name(name) <= NAME_MAX)
SAMPLES = st.builds(
    Sample,
    id=NAMES,
    split=st.none() | st.text(),
    image=st.none() | st.text(),
    mask=st.text(),
    height=st.integers(1, 2**31 - 1),
    width=st.integers(1, 2**31 - 1),
    counts=st.dictionaries(st.sampled_from([*range(len(LABELS.classes)), LABELS.ignore]), st.integers(0, 2**53)),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    group=st.none() | st.text(),
    parent=st.none() | NAMES,
    window=WINDOWS,
    crop=WINDOWS,
    exif=st.sampled_from([None, "raw", "upright"]),
    scores=st.none() | st.text(),
)


@given(st.lists(SAMPLES, max_size=5, unique_by=lambda s: s.id))
def test_manifest_round_trip(tmp_path_factory: pytest.TempPathFactory, samples: list[Sample]) -> None:
    """Sorted by id, one line a sample, whatever characters are in it."""
    root = tmp_path_factory.getbasetemp() / "round trip"
    root.mkdir(exist_ok=True)
    made_by = {"tool": "segdata", "inputs": [{"name": "labels.json"}], "seed": None}
    before = Dataset(root, LABELS, samples, made_by, "copy")
    before.save({"images": {"in": 1}})
    after = Dataset.open(root)
    assert after.samples == sorted(samples, key=lambda s: s.id)
    assert (after.labels, after.made_by, after.images, after.root) == (LABELS, made_by, "copy", root)
    assert after.read_receipt() == {"images": {"in": 1}}
    assert len((root / MANIFEST).read_bytes().split(b"\n")) == len(samples) + 1
    for one in after:
        assert one.window is None or isinstance(one.window, Window)


def test_a_line_is_what_the_format_says(tmp_path: Path) -> None:
    """Other tools rely on it."""
    full = sample("val/1", split="val", image="../x.jpg", counts={0: 5, 255: 7}, window=Window(1, 2, 3, 4), exif="raw")
    make(tmp_path, full)
    line = json.loads((tmp_path / MANIFEST).read_text())
    assert line == {
        "id": "val/1", "split": "val", "image": "../x.jpg", "mask": "masks/val/1.png", "height": 3, "width": 4,
        "counts": {"0": 5, "255": 7}, "sha256": "0" * 64, "group": None, "parent": None, "window": [1, 2, 3, 4],
        "crop": None, "exif": "raw", "scores": None, "tiling": None,
    }  # fmt: skip
    card = json.loads((tmp_path / CARD).read_text())
    assert card["format"] == 1
    assert card["classes"][1]["name"] == "cat"
    assert card["ignore"] == 255
    assert full.size == (3, 4)


def test_saving_twice_gives_the_same_bytes(dataset: Dataset) -> None:
    before = {name: (dataset.root / name).read_bytes() for name in (CARD, MANIFEST)}
    Dataset.open(dataset.root).save()
    assert before == {name: (dataset.root / name).read_bytes() for name in (CARD, MANIFEST)}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b'{"id": "x"}', "x: Object missing required field mask"),
        (b'{"id": 5}', "id: expected str, got int"),
        (b"{", "truncated"),
        (b"not json", "malformed"),
        (b"[]", "Expected object"),
        (b'{"id": "\xff"}', "not UTF-8"),
        (b'{"no": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_bad_line_is_named(dataset: Dataset, bad: bytes, says: str) -> None:
    path = dataset.root / MANIFEST
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], lines[1], bad, lines[2]]))
    with pytest.raises(DatasetError, match=rf"manifest.jsonl: line 3: .*{says}.*: put it back, or convert again"):
        Dataset.open(dataset.root)


def test_values_that_are_no_choice_are_refused(dataset: Dataset) -> None:
    path = dataset.root / MANIFEST
    path.write_text(path.read_text().replace('"exif":null', '"exif":"sideways"', 1))
    with pytest.raises(DatasetError, match=r"line 1: .*sideways"):
        Dataset.open(dataset.root)


def test_blank_lines_are_nothing(dataset: Dataset) -> None:
    """An editor leaves them; they shift the number of a bad line, and are none themselves."""
    path = dataset.root / MANIFEST
    path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    assert len(read_manifest(path, LABELS)) == 4
    path.write_bytes(path.read_bytes() + b"\n{}")
    with pytest.raises(DatasetError, match="line 11: "):
        read_manifest(path, LABELS)


def test_a_manifest_cut_off_is_refused(dataset: Dataset) -> None:
    path = dataset.root / MANIFEST
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 30])
    with pytest.raises(DatasetError, match="line 4"):
        Dataset.open(dataset.root)


def test_an_id_that_occurs_twice_is_named(dataset: Dataset) -> None:
    path = dataset.root / MANIFEST
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[1]]))
    with pytest.raises(DatasetError, match="line 5: the id 'train/a' occurs twice"):
        Dataset.open(dataset.root)


def test_an_empty_manifest_is_an_empty_dataset(tmp_path: Path) -> None:
    make(tmp_path)
    assert len(Dataset.open(tmp_path)) == 0


# --- opening


def test_what_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        Dataset.open(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="no such folder"):
        Dataset.open(tmp_path / "file")
    with pytest.raises(DatasetError, match=r"not a segdata dataset \(no manifest.jsonl\); `segdata convert` makes one"):
        Dataset.open(tmp_path)


def test_an_unfinished_dataset_is_none(dataset: Dataset) -> None:
    (dataset.root / MANIFEST).rename(dataset.root / JOURNAL)
    with pytest.raises(DatasetError, match="unfinished: repeat the command that was making it"):
        Dataset.open(dataset.root)


def test_a_newer_format_asks_for_an_upgrade(dataset: Dataset) -> None:
    edit_card(dataset, lambda card: card.update(format=3))
    with pytest.raises(DatasetError, match="of format 3, this segdata reads 2: upgrade segdata"):
        Dataset.open(dataset.root)


def test_a_missing_card(dataset: Dataset) -> None:
    (dataset.root / CARD).unlink()
    with pytest.raises(DatasetError, match=r"dataset.json is missing; convert again"):
        Dataset.open(dataset.root)


def edit_card(dataset: Dataset, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((dataset.root / CARD).read_text())
    change(card)
    (dataset.root / CARD).write_text(json.dumps(card))


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no classes": lambda card: card.pop("classes"),
    "no class": lambda card: card.update(classes=[]),
    "classes by name": lambda card: card.update(classes=["cat", "dog"]),
    "classes null": lambda card: card.update(classes=None),
    "ids out of order": lambda card: card["classes"].reverse(),
    "a class less in the middle": lambda card: card["classes"].pop(1),
    "a name twice": lambda card: card["classes"][2].update(name="cat"),
    "a name that is a number": lambda card: card["classes"][2].update(name=7),
    "a colour that is none": lambda card: card["classes"][2].update(color=[1, 2, 300]),
    "a colour that is a number": lambda card: card["classes"][2].update(color=5),
    "ignore in use": lambda card: card.update(ignore=0),
    "ignore of 16 bits": lambda card: card.update(ignore=65535),
    "no format": lambda card: card.pop("format"),
    "format in words": lambda card: card.update(format="one"),
    "made by nobody": lambda card: card.update(made_by=None),
    "no images": lambda card: card.pop("images"),
    "images in words": lambda card: card.update(images="somewhere"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_card_edited_by_hand_is_refused(dataset: Dataset, edit: str) -> None:
    edit_card(dataset, EDITS[edit])
    with pytest.raises(DatasetError, match=r"dataset.json: not a dataset card \(.*\); convert again"):
        Dataset.open(dataset.root)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"null", b'"card"', b"\xff\xfe", b'{"format": 1', b"[" * 100_000]
)
def test_a_card_that_is_no_card(dataset: Dataset, content: bytes) -> None:
    (dataset.root / CARD).write_bytes(content)
    with pytest.raises(DatasetError, match=r"dataset.json: not a dataset card"):
        Dataset.open(dataset.root)


def test_colours_and_unknown_keys_may_be_edited(dataset: Dataset) -> None:
    edit_card(dataset, lambda card: (card.update(note="mine"), card["classes"][1].update(color=[1, 2, 3])))
    opened = Dataset.open(dataset.root)
    assert opened.labels.classes[1].color == (1, 2, 3)
    assert opened.labels.digest == LABELS.digest


# --- choosing samples


def test_splits_and_selection(dataset: Dataset) -> None:
    assert len(dataset) == 4
    assert dataset.splits == ("train", "val")
    assert [s.id for s in dataset.split("train")] == ["train/a", "train/b"]
    assert [s.id for s in dataset.split("!train")] == ["val/a"], "a sample without a split is in none"
    assert [s.id for s in dataset.split("train,val")] == ["train/a", "train/b", "val/a"]
    assert [s.id for s in dataset.select(lambda s: s.split is None)] == ["c"]
    assert len(dataset) == 4, "selecting changed the dataset itself"
    assert dataset.split("val").labels == dataset.labels
    assert dataset.sample("c").mask == "masks/c.png"


def test_unknown_names_are_answered_with_known_ones(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="no split 'trian': there are train, val"):
        dataset.split("trian")
    with pytest.raises(DatasetError, match="it has no splits"):
        dataset.select(lambda s: s.split is None).split("train")
    with pytest.raises(DatasetError, match="no sample 'tran/a': did you mean train/a"):
        dataset.sample("tran/a")
    with pytest.raises(DatasetError, match="no sample 'zebra': there are train/a, train/b, val/a, c"):
        dataset.sample("zebra")


# --- pixels


def test_masks_are_read_and_cropped(tmp_path: Path) -> None:
    dataset = make(tmp_path, sample("a"), sample("b", crop=Window(1, 1, 2, 3), height=2, width=3))
    assert np.array_equal(dataset.read_mask(dataset.sample("a")), MASK)
    assert np.array_equal(dataset.read_mask(dataset.sample("b")), MASK[1:3, 1:4])


OUTSIDE = ["../masks/a.png", "masks/../../a.png", "..", "/etc/passwd", "masks\\a.png", "..\\a.png", "C:\\a.png"]


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("images", ["reference", "link", "copy", "none"])
def test_a_mask_never_lies_outside(tmp_path: Path, path: str, images: Any) -> None:
    dataset = Dataset(tmp_path, LABELS, [sample("a", mask=path)], {}, images)
    with pytest.raises(DatasetError, match="which is outside the dataset"):
        dataset.read_mask(dataset.samples[0])


def test_two_dots_in_a_name_are_a_name(tmp_path: Path) -> None:
    dataset = make(tmp_path, sample("a..b"), sample("..c"))
    for one in dataset:
        assert np.array_equal(dataset.read_mask(one), MASK)


@pytest.mark.parametrize("images", ["copy", "none"])
@pytest.mark.parametrize("path", OUTSIDE)
def test_a_copied_image_never_lies_outside(tmp_path: Path, path: str, images: Any) -> None:
    dataset = Dataset(tmp_path, LABELS, [sample("a", image=path)], {}, images)
    with pytest.raises(DatasetError, match="which is outside the dataset"):
        dataset.read_image(dataset.samples[0])


@pytest.mark.parametrize("images", ["reference", "link"])
def test_a_referenced_image_may_lie_outside(tmp_path: Path, images: Any) -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "x.png")
    dataset = make(
        tmp_path / "data",
        sample("a", image="../x.png"),
        sample("b", image="../x.png", crop=Window(0, 1, 2, 2), height=2, width=2),
        images=images,
    )
    assert np.array_equal(dataset.read_image(dataset.sample("a")), image)
    assert np.array_equal(dataset.read_image(dataset.sample("b")), image[:2, 1:3])


def test_the_image_lies_as_its_mask_does(tmp_path: Path) -> None:
    """The manifest's `exif` decides, the file's orientation alone does not."""
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "x.png", exif=exif)
    for value, expected in ((None, image), ("raw", image), ("upright", np.rot90(image, -1))):
        line = sample("a", image="x.png", exif=value, height=expected.shape[0], width=expected.shape[1])
        dataset = Dataset(tmp_path, LABELS, [line], {}, "reference")
        assert np.array_equal(dataset.read_image(line), expected)


def test_a_dataset_without_images_says_so(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="c has no image"):
        dataset.read_image(dataset.sample("c"))


def test_missing_files_are_data_errors(dataset: Dataset) -> None:
    (dataset.root / "masks" / "c.png").unlink()
    with pytest.raises(DataError, match=r"mask\.missing"):
        dataset.read_mask(dataset.sample("c"))


def test_no_receipt_is_an_empty_one(dataset: Dataset) -> None:
    assert dataset.read_receipt() == {}


# --- files that are whole or absent


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_whole(path, b"old")
    for name in ("replace", "fsync"):
        with monkeypatch.context() as patched:
            patched.setattr(segdata.files.places.os, name, refuse)
            with pytest.raises(OSError, match="disk full"):
                write_whole(path, b"new and longer")
        assert path.read_bytes() == b"old"
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["x.json"], "a leftover beside it"


def refuse(*_: object) -> None:
    raise OSError(28, "disk full")


def test_the_manifest_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def record(path: Path, data: bytes) -> None:
        written.append(path.name)
        write_whole(path, data)

    monkeypatch.setattr(segdata.dataset.dataset, "write_whole", record)
    Dataset(tmp_path, LABELS, []).save({})
    assert written == [CARD, "receipt.json", MANIFEST]


def test_file_digest(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    assert file_digest(tmp_path / "x") == hashlib.sha256(b"abc" * 100_000).hexdigest()


# --- the journal


class Entry(msgspec.Struct, frozen=True):
    id: str
    pixels: int = 0


HEADER = {"tool": "segdata", "operation": "convert", "inputs": ["a.json"]}
ENTRIES = [Entry(f"é\n{i}", i) for i in range(5)]


def journal(root: Path, header: dict[str, Any] = HEADER, *, overwrite: bool = False) -> Journal[Entry]:
    return Journal(root, header, Entry, overwrite=overwrite)


def interrupted(root: Path) -> Path:
    """A destination where a job with three finished items was stopped."""
    job = journal(root)
    write_mask(root / "masks" / "a.png", MASK)
    for entry in ENTRIES[:3]:
        job.append(entry)
    job.close(finished=False)
    return root


def held(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}


def test_a_fresh_job(tmp_path: Path) -> None:
    job = journal(tmp_path / "a" / "data")
    assert job.done == []
    with pytest.raises(DatasetError, match="unfinished"):
        Dataset.open(job.root)
    job.close(finished=True)
    assert held(job.root) == set()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    job = journal(tmp_path)
    job.discard()
    assert tmp_path.is_dir(), "the folder was there before"
    assert held(tmp_path) == set()


def test_a_stopped_job_goes_on(tmp_path: Path) -> None:
    root = interrupted(tmp_path / "data")
    job = journal(root)
    assert job.done == ENTRIES[:3]
    assert "masks/a.png" in held(root)
    job.append(ENTRIES[3])
    job.close(finished=False)
    again = journal(root)
    assert again.done == ENTRIES[:4]
    again.close(finished=True)
    assert held(root) == {"masks/a.png"}


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_torn_last_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    root = interrupted(tmp_path / "data")
    path = root / JOURNAL
    path.write_bytes(path.read_bytes()[:-cut])
    job = journal(root)
    assert job.done == ENTRIES[:2]
    job.append(ENTRIES[4])
    job.close(finished=False)
    assert len(path.read_bytes().splitlines()) == 4
    again = journal(root)
    assert again.done == [*ENTRIES[:2], ENTRIES[4]]
    again.close(finished=True)


@pytest.mark.parametrize("damage", [b"\0" * 40, b'{"id": "\xff"}', b'{"id": 5}', b""])
def test_a_damaged_line_ends_what_is_believed(tmp_path: Path, damage: bytes) -> None:
    root = interrupted(tmp_path / "data")
    path = root / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], damage + b"\n", *lines[2:]]))
    job = journal(root)
    assert job.done == ENTRIES[:1]
    job.close(finished=False)
    assert path.read_bytes() == b"".join(lines[:2])


def test_a_torn_header_is_a_fresh_start(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / JOURNAL).write_bytes(b'{"tool":"segdata","oper')
    job = journal(root)
    assert job.done == []
    assert held(root) == {JOURNAL}
    job.close(finished=True)


@pytest.mark.parametrize("other", [{}, {**HEADER, "inputs": ["b.json"]}, {**HEADER, "extra": None}])
def test_a_job_of_other_inputs_or_options_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    root = interrupted(tmp_path / "data")
    before = held(root), (root / JOURNAL).read_bytes()
    with pytest.raises(
        DatasetError, match=r"unfinished job with other inputs or options: repeat that job, or --overwrite"
    ):
        journal(root, other)
    assert before == (held(root), (root / JOURNAL).read_bytes())
    job = journal(root, other, overwrite=True)
    assert job.done == []
    assert (job.root, held(job.root)) == (root.with_name("data.partial"), {JOURNAL})
    make(job.root, sample("b"))
    assert before[0] == held(root), "it stays until the new is whole"
    assert job.land() == root
    job.close(finished=True)
    assert held(root) == {CARD, MANIFEST, "masks/b.png"}
    assert not job.root.with_name("data.partial").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_second_writer_is_refused(tmp_path: Path, overwrite: bool) -> None:
    root = tmp_path / "data"
    first = journal(root)
    write_mask(root / "masks" / "a.png", MASK)
    first.append(ENTRIES[0])
    with pytest.raises(DatasetError, match="another run is writing there; wait for it to end"):
        journal(root, overwrite=overwrite)
    assert "masks/a.png" in held(root)
    first.append(ENTRIES[1])
    first.close(finished=False)
    second = journal(root)
    assert second.done == ENTRIES[:2]
    second.close(finished=True)


@pytest.mark.parametrize("when", ["before it opens the journal", "before it has the lock"])
def test_a_run_that_is_overtaken_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Another run ends between this one's look at the folder and its lock: what that made stays."""
    root = tmp_path / "data"
    first = journal(root)

    def finish() -> None:
        make(root, sample("a"))
        first.close(finished=True)

    name = "builtins.open" if when == "before it opens the journal" else "filelock.lock_descriptor"
    real = open if name == "builtins.open" else filelock.lock_descriptor

    def slow(*arguments: Any, **named: Any) -> Any:
        monkeypatch.undo()
        finish()
        return real(*arguments, **named)

    monkeypatch.setattr(name, slow)
    with pytest.raises(DatasetError, match="another run"):
        journal(root)
    assert held(root) == {CARD, MANIFEST, "masks/a.png"}
    assert [one.id for one in Dataset.open(root)] == ["a"]


def test_a_dataset_is_not_written_over(dataset: Dataset) -> None:
    before = {name: (dataset.root / name).read_bytes() for name in held(dataset.root)}
    with pytest.raises(DatasetError, match="exists already: choose another destination, or --overwrite"):
        journal(dataset.root)
    assert before == {name: (dataset.root / name).read_bytes() for name in held(dataset.root)}
    beside = dataset.root.with_name(f"{dataset.root.name}.partial")
    journal(dataset.root, overwrite=True).close(finished=False)
    assert held(beside) == {JOURNAL}
    assert before == {name: (dataset.root / name).read_bytes() for name in held(dataset.root)}
    with pytest.raises(DatasetError, match="exists already"):
        journal(dataset.root)
    journal(dataset.root, overwrite=True).discard()
    assert not beside.exists()
    assert before == {name: (dataset.root / name).read_bytes() for name in held(dataset.root)}


def test_a_job_killed_between_its_manifest_and_its_end_is_whole(tmp_path: Path) -> None:
    """To every job the dataset is whole, and stays so; the journal goes."""
    root = interrupted(tmp_path / "data")
    make(root, sample("a"))
    before = {name: (root / name).read_bytes() for name in held(root)}
    with pytest.raises(DatasetError, match="exists already: choose another destination, or --overwrite"):
        journal(root, {**HEADER, "extra": None})
    del before[JOURNAL]
    assert before == {name: (root / name).read_bytes() for name in held(root)}


STEPS = ["exchange", "rename", "rename again", "remove"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("finds", ["the same job", "another job", "a reader"])
def test_a_swap_that_is_killed_is_finished(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, step: str, finds: str
) -> None:
    """At every step, on systems that exchange names and on others: the old is there, or the new, and then the new."""

    class Killed(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Killed

    times = iter([dies] if step == "rename" else [os.rename, dies])
    before = [one.id for one in Dataset.open(dataset.root)]
    job = journal(dataset.root, overwrite=True)
    make(job.root, sample("new"))
    with monkeypatch.context() as patch:
        if step == "exchange":
            patch.setattr(segdata.dataset.destination, "exchange", dies)
        elif step == "remove":
            patch.setattr(segdata.dataset.destination, "empty", dies)
        else:
            patch.setattr(segdata.dataset.destination, "exchange", lambda *_: False)
            patch.setattr(os, "rename", lambda *names: next(times)(*names))
        with pytest.raises(Killed):
            job.land()
    job._log._file.close()  # type: ignore[attr-defined]
    if finds == "a reader":
        one = Dataset.open(dataset.root)
        assert [s.id for s in one] == (["new"] if step in ("rename again", "remove") else before)
    elif finds == "another job":
        with pytest.raises(DatasetError, match="exists already"):
            journal(dataset.root, {**HEADER, "extra": 1})
    again = journal(dataset.root, overwrite=True)
    make(again.root, sample("new"))
    again.land()
    again.close(finished=True)
    assert [s.id for s in Dataset.open(dataset.root)] == ["new"]
    assert {path.name for path in dataset.root.parent.iterdir()} == {dataset.root.name}


@pytest.mark.parametrize("foreign", ["thesis.pdf", "masks.zip", "manifest.jsonl.bak", "photos/a.jpg", ".hidden"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_foreign_files_are_never_touched(tmp_path: Path, dataset: Dataset, foreign: str, overwrite: bool) -> None:
    path = dataset.root / foreign
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine")
    before = held(dataset.root)
    name = foreign.split("/")[0]
    with pytest.raises(DatasetError, match=rf"files that are not segdata's \({name}\): choose an empty folder"):
        journal(dataset.root, overwrite=overwrite)
    assert path.read_bytes() == b"mine"
    assert held(dataset.root) == before


def test_overwriting_replaces_everything_of_segdatas_own(dataset: Dataset) -> None:
    for name in OWN:
        path = dataset.root / name
        if "." in name:
            path.with_name(f"{name}.partial").write_bytes(b"old")
        elif name != "journal":
            (path / "sub").mkdir(parents=True, exist_ok=True)
            (path / "sub" / "x.png").write_bytes(b"old")
    job = journal(dataset.root, overwrite=True)
    make(job.root, sample("new"))
    job.land()
    job.close(finished=True)
    assert held(dataset.root) == {CARD, MANIFEST, "masks/new.png"}


@pytest.mark.parametrize("names", [["images/a.jpg", "masks/a.png"], ["images/a.jpg", "journal/a"], ["manifest.jsonl"],
                                   ["dataset.json"], ["journal.jsonl"], ["journal.jsonl", "masks/a.png"]])  # fmt: skip
@pytest.mark.parametrize("overwrite", [False, True])
def test_names_alone_do_not_make_a_folder_ours(tmp_path: Path, names: list[str], overwrite: bool) -> None:
    """The commonest raw layout is a folder of images/ and masks/."""
    for name in names:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b'{"mine": 1}\n')
    with pytest.raises(DatasetError, match=r"nothing says that segdata made it|not segdata's"):
        journal(tmp_path / "data", overwrite=overwrite)
    assert held(tmp_path / "data") == set(names)
    assert not (tmp_path / "data.partial").exists()


def test_a_strangers_folder_beside_is_left_alone(dataset: Dataset) -> None:
    beside = dataset.root.with_name(f"{dataset.root.name}.partial")
    make(beside, sample("mine"))
    before = held(beside)
    with pytest.raises(DatasetError, match=r"is in the way of the new .*: move it away"):
        journal(dataset.root, overwrite=True)
    assert held(beside) == before
    assert len(Dataset.open(dataset.root)) == len(dataset)


def test_a_link_in_place_of_a_folder_is_removed_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "x.png").write_bytes(b"mine")
    root = interrupted(tmp_path / "data")
    (root / "images").symlink_to(tmp_path / "precious", target_is_directory=True)
    job = journal(root, {**HEADER, "extra": 1}, overwrite=True)
    make(job.root, sample("new"))
    job.land()
    job.close(finished=True)
    assert (tmp_path / "precious" / "x.png").read_bytes() == b"mine"
    assert not (root / "images").exists()


def test_a_link_that_leads_nowhere_is_no_destination(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "gone")
    with pytest.raises(DatasetError, match="is a link that leads nowhere: remove it"):
        journal(tmp_path / "data")
    assert not (tmp_path / "gone").exists()


def test_a_file_is_no_destination(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"mine")
    for overwrite in (False, True):
        with pytest.raises(DatasetError, match="is a file, not a folder"):
            journal(tmp_path / "data", overwrite=overwrite)
    assert (tmp_path / "data").read_bytes() == b"mine"


def test_discarding_removes_all_that_the_job_made(tmp_path: Path) -> None:
    job = journal(tmp_path / "data")
    write_mask(job.root / "masks" / "train" / "a.png", MASK)
    write_whole(job.root / CARD, b"{}")
    job.append(ENTRIES[0])
    job.discard()
    job.close(finished=False)  # as the `finally` of an operation does
    assert not job.root.exists()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mine", [b"my diary", b'{"operation": "con'])
def test_a_journal_of_somebody_else_stays(tmp_path: Path, mine: bytes) -> None:
    """It has no end of a line, as one of ours that was killed as it began."""
    (tmp_path / JOURNAL).write_bytes(mine)
    with pytest.raises(DatasetError, match="nothing says that segdata made it"):
        journal(tmp_path)
    assert (tmp_path / JOURNAL).read_bytes() == mine


@pytest.mark.parametrize("there", [True, False])
def test_a_journal_that_is_a_link_is_not_written_to(tmp_path: Path, there: bool) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / JOURNAL).symlink_to(tmp_path / "mine")
    if there:
        (tmp_path / "mine").touch()
    with pytest.raises(DatasetError, match="is a link, which segdata never makes there: remove it"):
        journal(tmp_path / "data")
    assert (tmp_path / "mine").exists() == there
    assert not there or (tmp_path / "mine").read_bytes() == b""


def test_a_dataset_that_is_called_as_what_was_put_aside_stays(dataset: Dataset) -> None:
    aside = dataset.root.with_name(f"{dataset.root.name}.replaced")
    make(aside, sample("mine"))
    with pytest.raises(DatasetError, match=r"\.replaced: is in the way of what replaces .*: move it away"):
        journal(dataset.root, overwrite=True)
    assert [one.id for one in Dataset.open(aside)] == ["mine"]
    assert not dataset.root.with_name(f"{dataset.root.name}.partial").exists()


def test_folders_that_no_swap_made_keep_their_names(tmp_path: Path) -> None:
    for name in ("data.partial", "data.replaced"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.pdf").touch()
    with pytest.raises(DatasetError, match="no such folder"):
        Dataset.open(tmp_path / "data")
    journal(tmp_path / "data").close(finished=True)
    assert held(tmp_path) == {"data.partial/thesis.pdf", "data.replaced/thesis.pdf"}


@pytest.mark.parametrize("below", [".", "masks"])
def test_a_dataset_is_not_replaced_from_within(dataset: Dataset, monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    """The old one would stay, and a relative path would lead to it."""
    before = held(dataset.root)
    monkeypatch.chdir(dataset.root / below)
    for root in (dataset.root, Path(os.path.relpath(dataset.root))):
        with pytest.raises(DatasetError, match="this command runs in it, so it cannot be replaced"):
            journal(root, overwrite=True)
    assert held(dataset.root) == before
