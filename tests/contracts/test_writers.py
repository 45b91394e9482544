"""What every writer must do. A new one is tested by being listed in WRITERS, with every choice of its options.

What is exported comes back: the same classes and the same ignored pixels, by segdata.json, and by name without it. What cannot be
held is asked for or told. Nothing is written of what is refused, and every way out that a message names can be gone.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import segdata
from carry_files import contents, make, random_masks
from croissant_rules import issues
from exporting import IGNORED, Case, cases, masks, read_back, readable
from segdata import Dataset, Run
from segdata.cli import main
from segdata.dataset.contract import CONTRACT
from segdata.dataset.layout import RECEIPT
from segdata.errors import DataError, OptionError, Report
from segdata.labels import IGNORE
from segdata.writers import WRITERS, writer_options
from segdata.writers.exporting import Exported

CASES = [pytest.param(case, id=str(case)) for case in cases()]
FILES = [param for param in CASES if param.values[0].format != "webdataset"]
"""Those whose files are read by `segdata convert auto`."""

NAMES = {
    "one": ("thing",),
    "background": ("background", "car", "tree"),
    "no background": ("road", "car", "tree", "sky"),
    "signs": ("a b", "c,d", 'say "x"', "Straße", "it's", "1"),
    "cityscapes": ("road", "car", "sky"),
    "255": tuple(f"c{i}" for i in range(255)),
    "300": tuple(f"c{i}" for i in range(300)),
}

NEEDS_IMAGES = ("geojson", "yolo")
"""Formats that do not say how large an image is."""

IDS = {
    "splits": ("train/a", "train/b", "val/c"),
    "no splits": ("a", "b"),
    "folders": ("train/x/a", "train/y/a", "val/x/b"),
    "hidden": ("train/.x/.a", "train/.y/b", "val/.x/c"),
}


def written(case: Case, dataset: Dataset, out: Path, **more: Any) -> Exported | Dataset | None:
    """An export with ignored pixels as a class, where it asks; None if its classes are refused, of which nothing is left."""
    try:
        return segdata.export(case.format, dataset, out, **case.options, **more)
    except OptionError as error:
        assert not out.exists()
        if "ignored" in more or "--ignored class" not in str(error):
            return None
    return written(case, dataset, out, ignored="class", **more)


def images_of(case: Case) -> str:
    """What becomes of images: none, but where the size of a mask cannot be told without."""
    return "copy" if case.format in NEEDS_IMAGES else "none"


def in_order(dataset: Dataset) -> list[NDArray[Any]]:
    """The masks by id, as names."""
    return [readable(dataset, sample) for sample in sorted(dataset, key=lambda sample: sample.id)]


def agree(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


# What is exported comes back


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@settings(max_examples=12)
@given(data=st.data())
def test_the_same_classes_and_ignored_pixels_come_back(
    case: Case, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("case")
    names = NAMES[data.draw(st.sampled_from(sorted(NAMES)))]
    ids = IDS[data.draw(st.sampled_from(sorted(IDS)))]
    ignored = data.draw(st.booleans())
    drawn = {id: data.draw(masks(len(names), ignored=ignored)) for id in ids}
    dataset = make(root / "d", drawn, names=names, images=images_of(case))
    more = {} if case.format == "webdataset" else {"images": images_of(case)}
    made = written(case, dataset, root / "out", **more)
    if made is None:
        assert len(names) == 300 or case.options == {"table": "cityscapes"}, "nothing else is refused"
        return
    assert len(made) == len(dataset)
    back = made if isinstance(made, Dataset) else read_back(root / "out", root / "back")
    assert back.labels == dataset.labels
    assert agree(in_order(dataset), in_order(back))
    assert issues(root / "out") == []
    assert "ignored" not in receipt_of(root / "out")["cannot_hold"]


@pytest.mark.slow
@pytest.mark.parametrize("case", FILES)
@settings(max_examples=6)
@given(data=st.data())
def test_without_the_contract_classes_come_back_by_name(
    case: Case, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Background may stand for ignored pixels then, if no class is called so: no file says which of both it is.

    In Cityscapes' files they are unlabeled, which is a class of its own if all label ids are asked for.
    """
    root = tmp_path_factory.mktemp("case")
    names = NAMES[data.draw(st.sampled_from(["background", "no background", "one", "cityscapes"]))]
    drawn = {id: data.draw(masks(len(names))) for id in IDS["splits"]}
    dataset = make(root / "d", drawn, names=names, images=images_of(case))
    if written(case, dataset, root / "out", images=images_of(case)) is None:
        return
    contract = json.loads((root / "out" / CONTRACT).read_text())
    (root / "out" / CONTRACT).unlink()
    options = {name: own_file(root / "out", value) for name, value in contract["options"].items()}
    more = {"images": images_of(case), "allow_empty": True}
    back = segdata.convert(contract["reader"], root / "out", root / "back", **more, **options)
    for one, other in zip(in_order(dataset), in_order(back), strict=True):
        known = one != IGNORE
        assert np.array_equal(one[known], other[known])
        assert {str(name) for name in other[~known].ravel()} <= {IGNORE, "background", "unlabeled"}


def own_file(out: Path, value: Any) -> Any:
    """The value of an option: a file of the export, if there is one of that name."""
    return there if (there := out / str(value)).is_file() else value


def receipt_of(out: Path) -> dict[str, Any]:
    """The receipt of an export."""
    receipt: dict[str, Any] = json.loads((out / RECEIPT).read_text())
    return receipt


@pytest.mark.parametrize("images", ["link", "copy", "none"])
@pytest.mark.parametrize("case", CASES)
def test_images_come_back(case: Case, images: str, tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(3, prefix="train/"), images="reference", names=NAMES["cityscapes"])
    made = None
    if "images" in writer_options(case.format):
        made = written(case, dataset, tmp_path / "out", images=images)
    if made is None or (images == "none" and case.format in NEEDS_IMAGES):
        pytest.skip("it has no such option, or its masks are not known without images")
    back = read_back(tmp_path / "out", tmp_path / "back")
    if images == "none":
        assert {sample.image for sample in back} == {None}
        return
    pixels = [[one.read_image(sample) for sample in sorted(one, key=lambda s: s.id)] for one in (dataset, back)]
    assert agree(*pixels)


@pytest.mark.parametrize("case", FILES)
def test_names_that_lead_to_a_drive_elsewhere_come_back(case: Case, tmp_path: Path) -> None:
    drawn = {id: np.full((3, 4), value, np.uint8) for value, id in enumerate(["train/a:b", "train/z", "val/1:x/y"])}
    dataset = make(tmp_path / "d", drawn, images=images_of(case), names=NAMES["cityscapes"])
    assert written(case, dataset, tmp_path / "out", images=images_of(case)) is not None
    assert agree(in_order(dataset), in_order(read_back(tmp_path / "out", tmp_path / "back")))


# What cannot be held


ASKING = [pytest.param(case, id=str(case)) for case in cases() if "ignored" in writer_options(case.format)]


@pytest.mark.parametrize("case", ASKING)
@pytest.mark.parametrize("names", ["background", "no background"])
def test_what_becomes_of_ignored_pixels_is_asked_and_each_answer_works(case: Case, names: str, tmp_path: Path) -> None:
    drawn = random_masks(3, prefix="train/")
    drawn["train/zzz"] = np.zeros((6, 8), np.uint8)
    dataset = make(tmp_path / "d", drawn, names=NAMES[names], images=images_of(case))
    images = images_of(case)
    told = refusal(case.format, dataset, tmp_path / "out", images=images, **case.options)
    if told is None:
        assert "ignored" not in receipt_of(tmp_path / "out")["cannot_hold"], "it holds them without being asked"
        return
    assert not (tmp_path / "out").exists()
    assert all(f"--ignored {answer}" in told for answer in IGNORED)
    number = sum(sample.counts.get(255, 0) for sample in dataset)
    for answer in IGNORED:
        out, back = tmp_path / answer, tmp_path / f"{answer} back"
        segdata.export(case.format, dataset, out, images=images, ignored=answer, **case.options)
        receipt = receipt_of(out)
        read = in_order(read_back(out, back))
        if answer == "drop":
            assert receipt["images"]["skipped"] == 3 == len(receipt["skipped"])
            assert agree(read, [readable(dataset, next(sample for sample in dataset if sample.id == "train/zzz"))])
        elif answer == "class":
            assert agree(read, in_order(dataset))
        else:
            assert lost_as_told(in_order(dataset), read, receipt, number)


def refusal(format: str, dataset: Dataset, out: Path, **options: Any) -> str | None:
    """Why an export is refused; None if it is not."""
    try:
        segdata.export(format, dataset, out, **options)
    except OptionError as error:
        return str(error)
    return None


def lost_as_told(before: list[NDArray[Any]], after: list[NDArray[Any]], receipt: dict[str, Any], number: int) -> bool:
    """Whether all but ignored pixels are as they were, and those that are no more are told, with the way out."""
    changed = sum(int((a != b).sum()) for a, b in zip(before, after, strict=True))
    known = all(np.array_equal(a[a != IGNORE], b[a != IGNORE]) for a, b in zip(before, after, strict=True))
    told = receipt["cannot_hold"].get("ignored", {"pixels": 0, "keep": "--ignored class"})
    return known and changed <= told["pixels"] <= number and told["keep"] == "--ignored class"


@pytest.mark.parametrize("case", CASES)
def test_groups_and_scores_that_stay_behind_are_told(case: Case, tmp_path: Path) -> None:
    fields = {"train/000": {"group": "g"}, "train/001": {"scores": "scores/train/001.tif"}}
    dataset = make(
        tmp_path / "d",
        random_masks(3, prefix="train/"),
        names=NAMES["cityscapes"],
        fields=fields,
        images=images_of(case),
    )
    more = {} if case.format == "webdataset" else {"images": images_of(case)}
    made = written(case, dataset, tmp_path / "out", **more)
    assert made is not None
    told = receipt_of(tmp_path / "out")["cannot_hold"]
    back = made if isinstance(made, Dataset) else read_back(tmp_path / "out", tmp_path / "back")
    assert told["scores"]["images"] == 1
    assert ("groups" in told) == ({sample.group for sample in back} == {None})


# What is refused


def run(*arguments: object) -> tuple[int, str]:
    """A command: its exit code, and all that it says."""
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def exported(case: Case, *more: str) -> list[str]:
    """The beginning of a command."""
    from segdata.terminal.names import option_name

    flags = []
    for name, value in case.options.items():
        flag = option_name(f"{WRITERS[case.format]}:write", name, repeated=False)
        flags += [f"--{flag}"] if value is True else [f"--{flag}", str(value)]
    return ["export", case.format, *flags, *more]


ODD = (
    " a ", "a\nb", "a\tb", "ignore", "__ignore__", "a:b", "#a", "_background_", "ignored", "a;b", "a/b", "..", "'", "\u2028",
    "\x01", "é", "e\u0301", "-a", "=", "a=b", "255", "<b>", "%s", "\\", "{0}",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", WRITERS)
def test_an_odd_name_comes_back_or_is_refused_with_a_way_out_that_works(name: str, odd: str, tmp_path: Path) -> None:
    images = images_of(Case(name))
    dataset = make(tmp_path / "d", random_masks(2, prefix="train/"), names=("background", odd, "car"), images=images)
    flags = [] if name == "webdataset" else ["--images", images]
    flags += ["--ignored", "class"] if "ignored" in writer_options(name) else []
    code, told = run("export", name, dataset.root, tmp_path / "out", *flags)
    if code:
        assert code == 1
        assert len(told.strip().splitlines()) == 1, told
        assert not (tmp_path / "out").exists()
        way = re.search(r"segdata (remap .*?) (?:renames|makes)", told)
        assert way, told
        words = shlex.split(way[1])
        if "--map-file" in words:
            (tmp_path / "names.json").write_text(json.dumps({odd: "other"}))
            words = ["remap", "--map-file", str(tmp_path / "names.json")]
        assert run(*words, dataset.root, tmp_path / "renamed")[0] == 0
        dataset = Dataset.open(tmp_path / "renamed")
        code, told = run("export", name, dataset.root, tmp_path / "out", *flags)
    assert code == 0, told
    back = Dataset.open(tmp_path / "out") if name == "webdataset" else read_back(tmp_path / "out", tmp_path / "back")
    assert back.labels.names == dataset.labels.names
    assert agree(in_order(dataset), in_order(back))


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "webdataset"])
def test_images_that_are_absent_or_far_away_are_one_message_whose_ways_out_work(name: str, tmp_path: Path) -> None:
    none = make(tmp_path / "none", random_masks(2, prefix="train/"))
    far = make(tmp_path / "far", random_masks(2, prefix="train/"), images="reference")
    lines = [json.loads(line) for line in (far.root / "manifest.jsonl").read_text().splitlines()]
    for line in lines:
        line["image"] = f"https://example.invalid/{line['id']}.png"
    (far.root / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    flags = ["--ignored", "class"] if "ignored" in writer_options(name) else []
    for dataset in (
        none.root,
        *([far.root] if name not in ("hf", "geojson") else []),
    ):  # these read them where they are
        code, told = run("export", name, dataset, tmp_path / "out", *flags)
        assert (code, len(told.strip().splitlines())) == (1, 1), told
        assert "--images" in told
        assert "none" in told
        assert not (tmp_path / "out").exists()
        assert run("export", name, dataset, tmp_path / "out", "--images", "none", *flags)[0] == 0
        shutil.rmtree(tmp_path / "out")


BAD: dict[str, Callable[[Path], object]] = {
    "no mask": lambda root: (root / "masks/train/001.png").unlink(),
    "no image": lambda root: (root / "images/train/001.png").unlink(),
    "no PNG": lambda root: (root / "masks/train/001.png").write_bytes(b"no PNG"),
    "other pixels": lambda root: Image.fromarray(np.full((6, 8), 77, np.uint8)).save(root / "masks/train/001.png"),
    "other size": lambda root: Image.fromarray(np.zeros((7, 8), np.uint8)).save(root / "masks/train/001.png"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", WRITERS)
def test_a_bad_sample_is_one_message_or_is_left_out(name: str, bad: str, tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(3, prefix="train/"), images="copy")
    BAD[bad](dataset.root)
    more = {"ignored": "class"} if "ignored" in writer_options(name) else {}
    more |= {"images": "copy"} if "images" in writer_options(name) else {}
    with pytest.raises(DataError) as caught:
        segdata.export(name, dataset, tmp_path / "out", **more)
    assert caught.value.problem.sample == "train/001"
    assert not (tmp_path / "out").exists()
    made = segdata.export(name, dataset, tmp_path / "out", run=Run(report=Report("skip")), **more)
    receipt = receipt_of(tmp_path / "out")
    assert receipt["images"] == {"in": 3, "exported": 2, "skipped": 1}
    assert [one["sample"] for one in receipt["skipped"]] == ["train/001"]
    assert len(made) == 2
    assert issues(tmp_path / "out") == []


# Where it is told, and where it is written


@pytest.mark.parametrize("case", CASES)
def test_the_command_tells_what_it_wrote_and_what_it_names_runs(case: Case, tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(3, prefix="train/"), images="copy", names=NAMES["cityscapes"])
    out = tmp_path / "out"
    code, told = run(*exported(case), dataset.root, out)
    if code:
        assert "--ignored class" in told
        code, told = run(*exported(case, "--ignored", "class"), dataset.root, out)
    assert code == 0, told
    lines = told.strip().splitlines()
    assert lines[0].startswith("images:      3 in = 3 exported + 0 left out")
    way = re.search(r"\(segdata (.*?)(?: reads it back)?\)$", lines[-1])
    assert way, told
    words = shlex.split(way[1].replace("DST", str(tmp_path / "back")))
    assert run(*words)[0] == 0
    if case.format != "webdataset":
        code, told = run("info", out)
        assert code == 1
        assert f"an export to {case.format}" in told
        again = re.search(r"`segdata (convert auto .*?)`", told)
        assert again
        assert run(*shlex.split(again[1].replace("DST", str(tmp_path / "again"))))[0] == 0


@pytest.mark.parametrize("case", CASES)
def test_in_storage_the_same_files_are_written(case: Case, tmp_path: Path) -> None:
    from segdata.files.places import files_below, place, read_bytes, remove

    dataset = make(tmp_path / "d", random_masks(3, prefix="train/"), images="copy", names=NAMES["cityscapes"])
    here, there = tmp_path / "out", f"memory://exports/{abs(hash(str(case)))}"
    more = {"images": "copy"} if "images" in writer_options(case.format) else {}
    assert written(case, dataset, here, **more) is not None
    remove(place(there))
    options = {**case.options, **more}
    if "ignored" in writer_options(case.format):
        options |= (
            {"ignored": "class"} if "ignored" in made_options(here) and made_options(here)["ignored"] == "class" else {}
        )
    segdata.export(case.format, dataset, there, **options)
    names = set(files_below(place(there)))
    assert names == set(contents(here))
    differ = {name for name in names if read_bytes(place(there) / name) != (here / name).read_bytes()}
    assert differ <= ({RECEIPT} if case.format == "hf" else set())  # which says that Parquet is not read there
    if case.format not in ("webdataset", "hf"):  # Parquet is read on this machine alone
        back = segdata.convert("auto", there, tmp_path / "back", images="copy", allow_empty=True)
        assert agree(in_order(dataset), in_order(back))
    remove(place(there))


def made_options(out: Path) -> dict[str, Any]:
    """The options that an export was made with."""
    name = CONTRACT if (out / CONTRACT).is_file() else "dataset.json"
    options: dict[str, Any] = json.loads((out / name).read_text())["made_by"]["options"]
    return options


@pytest.mark.parametrize("case", FILES)
def test_nothing_is_left_of_samples_that_are_left_out(case: Case, tmp_path: Path) -> None:
    drawn = random_masks(4, prefix="train/")
    dataset = make(tmp_path / "d", drawn, names=NAMES["cityscapes"], images="copy")
    first, *others = sorted(dataset, key=lambda sample: sample.id)
    (tmp_path / "d" / first.mask).write_bytes(b"damaged")
    made = written(case, dataset, tmp_path / "out", run=Run(report=Report(on_error="skip")))
    assert made is not None
    assert len(made) == len(others)
    back = read_back(tmp_path / "out", tmp_path / "back")
    assert agree(in_order(dataset.select(lambda sample: sample.id != first.id)), in_order(back))
    name = first.id.rpartition("/")[2]
    assert not [path for path in (tmp_path / "out").rglob("*") if not path.is_dir() and path.stem == name]
