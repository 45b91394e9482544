"""What the viewer makes of a selection: the operations, called directly, give the same bytes."""

from __future__ import annotations

import csv
import json
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pycocotools.coco import COCO

import segdata
from carry_files import contents, make, random_masks
from segdata import Dataset
from segdata.cli import main

pytest.importorskip("httpx")
pytest.importorskip("starlette")

from segdata.ops.view.session import Session
from viewing import Page, told

IDS = [f"train/{i:03d}" for i in range(4)] + [f"val/{i:03d}" for i in range(4, 7)]
CHOSEN = ["val/005", "train/001", "train/003"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a dataset `mydata` and predictions `pred` for it."""
    masks = random_masks(4, prefix="train/") | random_masks(3, prefix="val/", first=4, seed=1)
    make(tmp_path / "mydata", masks, images="copy", fields={id: {"group": id[-1]} for id in IDS})
    make(tmp_path / "pred", {id: np.where(mask == 255, 0, (mask + 1) % 3) for id, mask in masks.items()})
    before = os.getcwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


class Acting(Page):
    """A page that acts."""

    def __init__(self, *datasets: str, token: str | None = "secret") -> None:
        self.session = Session.open(datasets[0], datasets[1:], writable=token is not None)
        super().__init__(self.session, token)

    def send(self, path: str, status: int = 200, /, **body: Any) -> Any:
        """What it is told."""
        return told(self.post(path, json=body), status)

    def act(self, name: str, /, **body: Any) -> Any:
        """What an act came to."""
        number = self.send(f"/api/acts/{name}", 202, **body)["job"]
        end = time.monotonic() + 300
        while time.monotonic() < end:
            job = told(self.get("/api/acts"))["jobs"][number - 1]
            if job["state"] != "running":
                return job
            time.sleep(0.01)
        raise AssertionError("it takes too long")


def run(line: str) -> str:
    """Run a command line as a person would."""
    words = shlex.split(line)
    assert words[0] == "segdata"
    result = CliRunner().invoke(main, words[1:])
    assert result.exit_code == 0, result.output
    return result.stdout


ACTS = [
    ("without", {}, {"without": CHOSEN}),
    ("keep", {}, {"ids": CHOSEN}),
    ("split", {"split": "night time"}, {"ids": CHOSEN, "to_split": "night time"}),
]


@pytest.mark.parametrize(("act", "more", "options"), ACTS)
def test_datasets_are_those_of_select(folder: Path, act: str, more: Any, options: Any) -> None:
    """The bytes of the operation, and of the command that is told."""
    before = contents(folder / "mydata")
    job = Acting("mydata").act(act, ids=CHOSEN, destination="out dir", **more)
    assert (job["state"], job["done"], job["message"]) == ("done", 1.0, "")
    direct = segdata.select("mydata", "direct", **options)
    assert contents(folder / "out dir") == contents(direct.root)
    assert job["receipt"] == direct.read_receipt()
    assert job["next"] == "segdata info 'out dir'"
    run(job["command"].replace("'out dir'", "again"))
    assert contents(folder / "again") == contents(direct.root)
    assert (folder / "out dir.ids.txt").read_text().split() == CHOSEN
    told = run(job["command"])
    assert told.splitlines() == job["lines"], "the command says the same, and finds that nothing is to be done"
    assert contents(folder / "mydata") == before


def test_an_act_can_be_repeated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = Acting("mydata")
    first = page.act("keep", ids=CHOSEN, destination="out")
    before = contents(folder / "out")
    again = page.act("keep", ids=CHOSEN, destination="out")
    assert (again["state"], again["receipt"]) == ("done", first["receipt"])
    assert contents(folder / "out") == before
    other = page.act("keep", ids=CHOSEN[:1], destination="out")
    assert other["state"] == "failed"
    assert other["message"] == "out.ids.txt: exists already, with other contents: choose another name, or --overwrite"
    assert contents(folder / "out") == before


@pytest.mark.parametrize("ending", ["txt", "csv"])
def test_lists(folder: Path, ending: str) -> None:
    job = Acting("mydata").act("list", ids=CHOSEN, destination=f"few.{ending}")
    assert (job["state"], job["command"], job["receipt"]) == ("done", None, {"ids": 3})
    run(job["next"].replace("OUT", "kept"))
    assert sorted(s.id for s in Dataset.open("kept")) == sorted(CHOSEN)
    if ending == "csv":
        with (folder / "few.csv").open() as file:
            assert list(csv.reader(file)) == [["id"], *([id] for id in CHOSEN)]


@pytest.mark.parametrize("tool", ["labelstudio", "cvat", "labelme", "coco"])
@pytest.mark.parametrize("ignored", ["class", "background"])
def test_tasks_are_those_of_export_and_hold_the_masks(folder: Path, tool: str, ignored: str) -> None:
    job = Acting("mydata").act("tasks", ids=CHOSEN, destination="tasks", tool=tool, ignored=ignored)
    assert job["state"] == "done", job["message"]
    segdata.export(tool, "mydata", "direct", ids=CHOSEN, ignored=ignored)
    assert contents(folder / "tasks") == contents(folder / "direct")
    run(job["command"].replace(" tasks ", " again "))
    assert contents(folder / "again") == contents(folder / "direct")
    back = segdata.convert("auto", "tasks", "back")
    source = Dataset.open("mydata")
    assert len(back) == 3
    for id in CHOSEN:
        (sample,) = [s for s in back if s.id.endswith(id.rpartition("/")[2])]
        mask, read = source.read_mask(source.sample(id)), back.read_mask(sample)
        names = np.array([*back.labels.names, *["ignore"] * 256])[read]
        expected = np.array([*source.labels.names, *["ignore"] * 256])[mask]
        held = mask != 255
        assert (names == expected)[held].all()
        assert ignored == "background" or (names == expected).all()


def test_proposals_for_label_studio(folder: Path) -> None:
    job = Acting("mydata").act(
        "tasks", ids=CHOSEN, destination="t", tool="labelstudio", ignored="class", proposals=True
    )
    assert "--as predictions" in job["command"]
    tasks = json.loads((folder / "t/tasks.json").read_text())
    assert all(task["predictions"] and "annotations" not in task for task in tasks)


def test_regions_become_tasks(folder: Path) -> None:
    """Pixels of a cell of the matrix, and a rectangle of which nothing is known; pycocotools is the oracle."""
    page = Acting("mydata", "pred")
    truth, pred = Dataset.open("mydata"), Dataset.open("pred")
    rows = {s.id: row for row, s in enumerate(truth)}
    cell = {"id": "train/001", "row": rows["train/001"], "y": 1, "x": 2, "height": 4, "width": 5}
    bare = {"id": "val/005", "row": rows["val/005"], "y": 0, "x": 0, "height": 3, "width": 3}
    one, other = truth.read_mask(truth.sample("train/001")), pred.read_mask(pred.sample("train/001"))
    box = np.s_[1:5, 2:7]
    value = int(one[box][one[box] != 255][0])
    named = {"given": truth.labels.name(value), "suggested": truth.labels.name((value + 1) % 3), "score": 0.25}
    job = page.act("tasks", regions=[{**cell, **named}, bare], destination="again")
    assert (job["state"], job["command"], job["receipt"]) == ("done", None, {"regions": 2, "images": 2})
    coco = COCO("again/regions.json")
    first, second = coco.dataset["annotations"]
    expected = np.zeros(one.shape, bool)
    expected[box] = (one[box] == value) & (other[box] == (value + 1) % 3)
    assert np.array_equal(coco.annToMask(first).astype(bool), expected)
    assert (first["category_id"], first["score"]) == ((value + 1) % 3 + 1, 0.25)
    assert first["area"] == expected.sum()
    whole = np.zeros(one.shape, bool)
    whole[:3, :3] = True
    assert np.array_equal(coco.annToMask(second).astype(bool), whole)
    image = coco.imgs[first["image_id"]]
    assert image["sample"] == "train/001"
    assert (folder / "again/images" / image["file_name"]).read_bytes() == (
        folder / "mydata" / str(truth.sample("train/001").image)
    ).read_bytes()
    assert page.act("tasks", regions=[bare], destination="again")["state"] == "failed"
    assert page.send("/api/acts/tasks", 409, regions=[{**bare, "row": 0}], destination="x")["error"]["code"] == "region"
    assert (
        page.send("/api/acts/tasks", 409, regions=[{**bare, "height": 99}], destination="x")["error"]["code"]
        == "region"
    )


@pytest.mark.parametrize(
    ("act", "body", "status", "words"),
    [
        ("keep", {"ids": [], "destination": "x"}, 422, "nothing is selected"),
        ("keep", {"ids": ["nobody"], "destination": "x"}, 409, "1 of 1 ids are not of this dataset: nobody"),
        ("keep", {"ids": CHOSEN, "destination": " "}, 422, "say where to write it"),
        ("keep", {"ids": CHOSEN, "destination": "a\0b"}, 422, "say where to write it"),
        ("keep", {"ids": CHOSEN, "destination": "mydata"}, 422, "is in mydata, which is never changed"),
        ("keep", {"ids": CHOSEN, "destination": "mydata/out"}, 422, "is in mydata, which is never changed"),
        ("list", {"ids": CHOSEN, "destination": "x/../pred/ids.txt"}, 422, "is in pred, which is never changed"),
        ("list", {"ids": CHOSEN, "destination": "ids.json"}, 422, "must end in .txt or .csv"),
        ("split", {"ids": CHOSEN, "destination": "x"}, 422, "say what the new split is called"),
        ("tasks", {"ids": CHOSEN, "destination": "x", "tool": "paint"}, 422, "there is no tool 'paint'"),
        ("tasks", {"ids": CHOSEN, "destination": "x", "tool": "cvat", "ignored": "?"}, 422, "must be class"),
        ("tasks", {"ids": CHOSEN, "destination": "x", "tool": "cvat", "proposals": True}, 422, "has no proposals"),
        ("tasks", {"regions": [], "ids": [], "destination": "x"}, 422, "nothing is selected"),
        ("remove", {"ids": CHOSEN, "destination": "x"}, 404, "there is no act 'remove'"),
        ("keep", {"ids": CHOSEN}, 422, "not what this takes"),
        ("keep", {"ids": CHOSEN, "destination": "x", "overwrite": True}, 422, "not what this takes"),
    ],
)
def test_refusals(folder: Path, act: str, body: Any, status: int, words: str) -> None:
    before = contents(folder)
    answer = Acting("mydata", "pred").send(f"/api/acts/{act}", status, **body)
    assert words in answer["error"]["message"]
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("act", "more", "words"),
    [
        ("keep", {"destination": "taken"}, "holds files that are not segdata's"),
        ("split", {"destination": "new", "split": "a/b"}, "'a/b' is no name for a split"),
        ("tasks", {"destination": "taken", "tool": "coco", "ignored": "class"}, "taken"),
        ("tasks", {"destination": "new", "tool": "coco"}, "--ignored"),
        ("without", {"destination": "new", "ids": IDS}, "none of its 7 samples is left"),
        ("list", {"destination": "taken/notes.txt"}, "exists already, with other contents"),
    ],
)
def test_what_fails_leaves_nothing(folder: Path, act: str, more: Any, words: str) -> None:
    (folder / "taken").mkdir()
    (folder / "taken/notes.txt").write_text("mine")
    before = contents(folder)
    job = Acting("mydata").act(act, **{"ids": CHOSEN, **more})
    assert job["state"] == "failed"
    assert words in job["message"]
    assert contents(folder) == before or set(contents(folder)) - set(before) == {"taken.ids.txt"}


def test_a_bad_image_is_told_or_left_out(folder: Path) -> None:
    (folder / "mydata/masks/train/001.png").unlink()
    page = Acting("mydata")
    job = page.act("keep", ids=CHOSEN, destination="out")
    assert (job["state"], "train/001" in job["message"]) == ("failed", True)
    job = page.act("keep", ids=CHOSEN, destination="out", skip=True)
    assert (job["state"], job["receipt"]["images"]["skipped"]) == ("done", 1)
    assert job["command"] == "segdata select mydata out --ids out.ids.txt --on-error skip"


def test_a_dataset_that_was_changed_is_not_acted_on(folder: Path) -> None:
    page = Acting("mydata")
    Dataset(**{**_fields(Dataset.open("mydata")), "samples": Dataset.open("mydata").samples[:3]}).save()
    answer = page.send("/api/acts/keep", 409, ids=CHOSEN, destination="out")
    assert "was changed since" in answer["error"]["message"]


def _fields(dataset: Dataset) -> dict[str, Any]:
    return {name: getattr(dataset, name) for name in Dataset.__slots__}


def test_without_a_token_nothing_is_written(folder: Path) -> None:
    page = Acting("mydata", token=None)
    for path, body in (
        ("/api/acts/keep", {"ids": CHOSEN, "destination": "x"}),
        ("/api/tags", {"ids": CHOSEN, "tag": "odd"}),
    ):
        assert page.send(path, 403, **body)["error"]["code"] == "token"
    assert sorted(os.listdir()) == ["mydata", "pred"]


def test_places_are_suggested_that_are_free(folder: Path) -> None:
    page = Acting("mydata")
    first = told(page.get("/api/acts"))
    assert (first["folder"], first["name"]) == (os.getcwd(), "mydata")
    assert first["suggested"] == {
        "list": "mydata-ids.txt", "without": "mydata-without", "keep": "mydata-selection", "split": "mydata-split",
        "tasks": "mydata-tasks",
    }  # fmt: skip
    page.act("list", ids=CHOSEN, destination=first["suggested"]["list"])
    page.act("keep", ids=CHOSEN, destination=first["suggested"]["keep"])
    then = told(page.get("/api/acts"))["suggested"]
    assert (then["list"], then["keep"]) == ("mydata-ids-2.txt", "mydata-selection-2")


def test_names_are_quoted_for_the_shell(folder: Path) -> None:
    job = Acting("mydata").act("keep", ids=CHOSEN, destination="-a $(b);'c")
    assert job["state"] == "done", job["message"]
    assert shlex.split(job["command"])[3:] == ["./-a $(b);'c", "--ids", "-a $(b);'c.ids.txt"]
