"""Tables by image, slices, cells and losses, against plain NumPy over the masks."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from browser import browse
from carry_files import make
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError, OptionError
from segdata.executors.run import Run
from segdata.metrics.confusion import Confusion
from segdata.ops.evaluate.operation import evaluate
from segdata.ops.evaluate.page import evaluate_page

Masks = dict[str, NDArray[Any]]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture
def masks() -> tuple[Masks, Masks]:
    """Truth and prediction, both with ignored pixels, in two splits."""
    rng = np.random.default_rng(0)
    truth = {
        f"{s}/{i}": rng.choice([0, 1, 2, 255], (7, 9), p=[0.5, 0.3, 0.1, 0.1])
        for s in ("train", "val")
        for i in range(4)
    }
    pred = {id: np.where(rng.random(m.shape) < 0.4, rng.choice([0, 1, 2, 255], m.shape), m) for id, m in truth.items()}
    return truth, {id: np.where((truth[id] == 255) & (m == 255), 0, m) for id, m in pred.items()}


@pytest.fixture
def sides(masks: tuple[Masks, Masks], tmp_path: Path) -> tuple[Dataset, Dataset]:
    fields = {id: {"group": None if id.endswith("3") else f"g{i % 3}"} for i, id in enumerate(masks[0])}
    return make(tmp_path / "p", masks[1]), make(tmp_path / "t", masks[0], fields=fields)


def test_the_table_of_images_and_classes(
    masks: tuple[Masks, Masks], sides: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "images.csv"
    result = run("evaluate", sides[0].root, sides[1].root, "--csv-images", out, "--json")
    assert result.exit_code == 0, result.output
    assert f"wrote {out}" in result.stderr
    rows = list(csv.DictReader(out.read_text().splitlines()))
    names = ("road", "car", "sign")
    right = []
    for id, truth in sorted(masks[0].items()):
        pred, known = masks[1][id], truth != 255
        for i, name in enumerate(names):
            t, p = (truth == i) & known, (pred == i) & known
            if (t | p).any():
                right.append((id, name, int(t.sum()), int(p.sum()), int((t & p).sum()), (t & p).sum() / (t | p).sum()))
    found = [
        (r["image"], r["name"], int(r["pixels"]), int(r["predicted"]), int(r["hits"]), float(r["iou"])) for r in rows
    ]
    assert found == right
    total = json.loads(result.stdout)["classes"]
    assert [sum(int(r["pixels"]) for r in rows if r["name"] == name) for name in names] == [c["pixels"] for c in total]
    assert {r["split"] for r in rows} == {"train", "val"}
    assert {r["group"] for r in rows} == {"g0", "g1", "g2", ""}


def test_slices_add_up_and_are_evaluations_of_their_images(
    masks: tuple[Masks, Masks], sides: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    pred, truth = sides
    weather = tmp_path / "w.csv"
    weather.write_text(
        "id,time,weather\n" + "".join(f"{id},x,{'sun' if i % 2 else 'rain'}\n" for i, id in enumerate(masks[0]) if i)
    )
    groups = {s.id: s.group or "(none)" for s in truth}
    sky = {id: "(none)" if not i else "sun" if i % 2 else "rain" for i, id in enumerate(masks[0])}
    for by, names in (
        ("split", {id: id.split("/")[0] for id in masks[0]}),
        ("group", groups),
        (f"{weather}:weather", sky),
    ):
        found = evaluate(pred, truth, slice=by, draws=0)
        assert found.slices is not None
        assert [part.name for part in found.slices.parts] == sorted(set(names.values()))
        assert sum((p.confusion for p in found.slices.parts), Confusion.empty(3)) == found.confusion
        for part in found.slices.parts:
            ids = {id for id, name in names.items() if name == part.name}
            alone = evaluate(pred, truth.select(lambda s, ids=ids: s.id in ids), draws=0)  # type: ignore[misc]
            assert (part.confusion, part.images) == (alone.confusion, len(alone.images))
    text = run("evaluate", pred.root, truth.root, "--slice", f"{weather}:weather").stdout
    assert "weather  images  pixels  mean IoU  pixel accuracy" in text
    said = json.loads(run("evaluate", pred.root, truth.root, "--slice", "split", "--json").stdout)["slices"]
    assert [part["name"] for part in said["parts"]] == ["train", "val"]


def test_what_is_no_slice(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,weather\nnowhere/1,sun\n")
    (tmp_path / "b.csv").write_text("id,weather\nval/1,sun\nval/1,rain\n")
    with pytest.raises(OptionError, match="must be split, group, or a CSV file and its column"):
        evaluate(*sides, slice="weather")
    (tmp_path / "d.csv").write_text("id;weather\nval/1;sun;rain\n")
    for by, message in (
        ("a.csv:weather", "has no image of these: its ids are nowhere/1, those of truth train/0"),
        ("a.csv:wether", "has no column 'wether' after the ids: it has weather"),
        ("b.csv:weather", "line 3 has 'val/1' a second time"),
        ("c.csv:weather", "cannot be read: No such file"),
        ("d.csv:weather", "line 2 has 3 cells, the heading 2"),
    ):
        with pytest.raises((DatasetError, OptionError), match=message):
            evaluate(*sides, slice=str(tmp_path / by))


def test_cells_name_the_images_with_most_of_a_confusion(
    masks: tuple[Masks, Masks], sides: tuple[Dataset, Dataset]
) -> None:
    found = evaluate(*sides, draws=0)
    assert found.by_image is not None
    cells = found.by_image.cells(found.labels)
    counts = found.confusion.counts
    assert sum(cell.pixels for cell in cells) == counts.sum() - np.trace(counts)
    assert [c.pixels for c in cells] == sorted((c.pixels for c in cells), reverse=True)
    for cell in cells:
        assert cell.pixels == counts[cell.true, cell.given]
        value = 255 if cell.given == 3 else cell.given
        held = {id: int(((t == cell.true) & (masks[1][id] == value)).sum()) for id, t in masks[0].items()}
        largest = sorted(((id, n) for id, n in held.items() if n), key=lambda one: (-one[1], one[0]))[:5]
        assert list(cell.images) == largest
    first = cells[0]
    text = run("evaluate", sides[0].root, sides[1].root).stdout
    assert f"{first.truth} taken for {first.pred}: {first.pixels} pixels, most in {first.images[0][0]}" in text


def test_losses_are_the_images_where_the_other_is_better(
    masks: tuple[Masks, Masks], sides: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    other = {id: np.where(rng.random(m.shape) < 0.4, 0, np.where(m == 255, 0, m)) for id, m in masks[0].items()}
    second = make(tmp_path / "o", other)
    found = evaluate(*sides, other=second, draws=0)
    assert found.comparison is not None
    alone = [{p.id: p.mean_iou for p in evaluate(side, sides[1], draws=0).images} for side in (sides[0], second)]
    right = sorted((one - alone[1][id], id) for id, one in alone[0].items() if one < alone[1][id])
    assert [(loss.pred - loss.other, loss.id) for loss in found.comparison.losses] == right
    assert right
    text = run("evaluate", sides[0].root, sides[1].root, "--compare", second.root).stdout
    assert f"PRED loses most to o in: {right[0][1]} {100 * right[0][0]:+.2f}" in text


def test_every_order_of_adding_gives_the_same(sides: tuple[Dataset, Dataset]) -> None:
    found = [evaluate(*sides, slice="group", draws=0, run=Run(chunk=chunk)).to_json() for chunk in (1, 3)]
    assert found[0] == found[1]


def test_slices_by_groups_that_there_are_not(tmp_path: Path) -> None:
    masks = {"a": np.zeros((4, 5), int)}
    with pytest.raises(OptionError, match=r"--slice group: no sample of .* has a group: segdata split --group-by"):
        evaluate(make(tmp_path / "p", masks), make(tmp_path / "t", masks), slice="group")


def test_nothing_labelled_has_no_cells(tmp_path: Path) -> None:
    void = {"a": np.full((4, 5), 255)}
    found = evaluate(make(tmp_path / "p", {"a": np.zeros((4, 5), int)}), make(tmp_path / "t", void), slice="split")
    assert found.by_image is not None
    assert found.by_image.cells(found.labels) == []
    assert len(found.by_image.table(found.labels)) == 1
    assert found.to_json()["slices"]["parts"][0]["mean_iou"] is None


@pytest.mark.page
def test_a_click_on_a_square_shows_its_images(sides: tuple[Dataset, Dataset], tmp_path: Path, chromium: str) -> None:
    found = evaluate(*sides, slice="split")
    page = evaluate_page(found, *sides, tmp_path / "page.html")
    assert isinstance(page, Path)
    probe = """<script>document.querySelector('.heat td a').click();
    setTimeout(() => { const seen = [...document.querySelectorAll('.cells p')].filter(p => p.offsetHeight);
    document.title = seen.map(p => p.textContent).join('|') }, 100)</script>"""
    (tmp_path / "probed.html").write_text(page.read_text() + probe)
    dom = browse(chromium, tmp_path / "probed.html", tmp_path / "profile", "--virtual-time-budget=2000", "--dump-dom")
    title = dom.partition("<title>")[2].partition("</title>")[0]
    assert found.by_image is not None
    assert any(
        title.startswith(f"{c.truth} taken for {c.pred}: {c.pixels} pixels") for c in found.by_image.cells(found.labels)
    )
    assert "|" not in title, "one cell alone"
