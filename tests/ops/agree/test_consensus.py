"""What annotators have in common: pixel by pixel against brute force, what the receipt says of each, and what is refused."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

import segdata
from annotators import annotators
from carry_files import contents, make
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, DatasetError, OptionError, Report
from segdata.executors.run import Run
from segdata.metrics.agreement import Votes, patterns_of
from segdata.metrics.staple import staple
from segdata.ops.agree.consensus import consensus
from segdata.ops.agree.operation import agree

NAMES = ("road", "car", "sign", "sky")

Seen = list[dict[str, NDArray[np.uint8]]]


def seen(count: int = 3) -> Seen:
    """What each annotator says of three images; the first leaves out the top of one, the second lacks one."""
    out: Seen = [{} for _ in range(count)]
    for n, size in enumerate(((30, 40), (25, 33), (41, 20))):
        for side, mask in zip(out, annotators(4, count, size), strict=True):
            side[f"val/{n}"] = mask.copy()
    out[0]["val/0"][:12] = 255
    for side in out:
        side["val/1"][:3] = 255
    del out[1]["val/2"]
    return out


def made(root: Path, sides: Seen, images: str = "reference") -> list[Dataset]:
    fields = {"val/0": {"group": "first"}}
    return [
        make(root / f"annotator{n}", masks, names=NAMES, images=images, fields=fields) for n, masks in enumerate(sides)
    ]


def votes_on(sides: Seen, id: str) -> list[list[int]]:
    """The votes on each pixel of an image, in order."""
    masks = [side[id].ravel() for side in sides if id in side]
    return [[int(v) for v in pixel if v != 255] for pixel in zip(*masks, strict=True)]


def test_a_majority_is_more_than_half_of_the_votes(tmp_path: Path) -> None:
    sides = seen()
    written = consensus(agree(made(tmp_path, sides)), tmp_path / "out")
    undecided = {}
    for sample in written:
        expected, lost = [], 0
        for votes in votes_on(sides, sample.id):
            held = [v for v, n in Counter(votes).items() if 2 * n > len(votes)]
            expected.append(held[0] if held else 255)
            lost += bool(votes) and not held
        mask = written.read_mask(sample)
        assert mask.ravel().tolist() == expected
        assert sample.counts == dict(sorted(Counter(expected).items()))
        undecided |= {sample.id: lost} if lost else {}
    assert [sample.id for sample in written] == ["val/0", "val/1", "val/2"]
    assert written.read_receipt()["undecided"] == undecided
    assert (written.read_mask(written.sample("val/1"))[:3] == 255).all()


def test_staple_is_that_of_all_images_together(tmp_path: Path) -> None:
    sides = seen()
    datasets = made(tmp_path, sides)
    written = consensus(agree(datasets), tmp_path / "out", method="staple")
    labels = written.labels
    votes = [Votes.of([side.get(id) for side in sides], labels) for id in ("val/0", "val/1", "val/2")]
    model = staple(Votes.total(votes, 3, 4))
    for sample in written:
        patterns, places = patterns_of([side.get(sample.id) for side in sides], labels)
        decided = model.decide(patterns)[places]
        assert written.read_mask(sample).tolist() == np.where(decided == 4, 255, decided).tolist()
    receipt = written.read_receipt()
    for n, annotator in enumerate(receipt["annotators"]):
        assert annotator["name"] == f"annotator{n}"
        assert [c["class"] for c in annotator["classes"]] == list(NAMES)
        assert [c["sensitivity"] for c in annotator["classes"]] == model.sensitivity[n].tolist()
        assert [c["specificity"] for c in annotator["classes"]] == model.specificity[n].tolist()
    assert (receipt["rounds"], receipt["settled"]) == (model.rounds, True)
    assert receipt["images"] == {"in": 3, "decided": 3, "skipped": 0}


def test_of_a_majority_sensitivity_and_specificity_are_counted_over_pixels(tmp_path: Path) -> None:
    sides = seen()
    written = consensus(agree(made(tmp_path, sides)), tmp_path / "out")
    for n, annotator in enumerate(written.read_receipt()["annotators"]):
        pairs = Counter[tuple[int, int]]()
        for sample in written:
            if sample.id in sides[n]:
                pairs.update(
                    zip(written.read_mask(sample).ravel().tolist(), sides[n][sample.id].ravel().tolist(), strict=True)
                )
        known = {pair: count for pair, count in pairs.items() if 255 not in pair}
        for k, told in enumerate(annotator["classes"]):
            true = sum(c for (t, _), c in known.items() if t == k)
            rest = sum(c for (t, _), c in known.items() if t != k)
            assert told["sensitivity"] == known.get((k, k), 0) / true
            right = sum(c for (t, g), c in known.items() if t != k and g != k)
            assert told["specificity"] == pytest.approx(right / rest)


@pytest.mark.parametrize("images", ["reference", "link", "copy", "none"])
def test_images_splits_and_groups_are_those_of_the_first(tmp_path: Path, images: str) -> None:
    sides = made(tmp_path, seen(), images)
    written = consensus(agree(sides), tmp_path / "out")
    assert written.images == images
    assert {s.id: (s.split, s.group) for s in written} == {s.id: (s.split, s.group) for s in sides[0]}
    if images != "none":
        for sample in written:
            assert (written.read_image(sample) == sides[0].read_image(sides[0].sample(sample.id))).all()
    assert segdata.check(written).ok


def test_classes_in_another_order_are_those_of_the_first(tmp_path: Path) -> None:
    sides = seen()
    expected = consensus(agree(made(tmp_path / "x", sides)), tmp_path / "expected")
    order = [2, 0, 3, 1]
    table = np.full(256, 255, np.uint8)
    table[:4] = np.argsort(order)
    turned = {id: table[m] for id, m in sides[2].items()}
    other = make(tmp_path / "turned", turned, names=[NAMES[i] for i in order])
    written = consensus(agree([*made(tmp_path / "y", sides[:2]), other]), tmp_path / "out")
    assert [s.sha256 for s in written] == [s.sha256 for s in expected]


def test_tiles_stay_tiles_and_views_are_refused(tmp_path: Path) -> None:
    sides = made(tmp_path, [{id: m for id, m in side.items() if id != "val/2"} for side in seen()], "copy")
    tiles = [segdata.tile(side, tmp_path / f"t{n}", size=16) for n, side in enumerate(sides)]
    written = consensus(agree(tiles), tmp_path / "out")
    whole = consensus(agree(sides), tmp_path / "whole")
    assert {s.id for s in written} == {s.id for s in tiles[0]}
    back = segdata.untile(written, tmp_path / "back")
    for sample in whole:
        assert (back.read_mask(back.sample(sample.id)) == whole.read_mask(sample)).all()
    views = [segdata.tile(side, tmp_path / f"v{n}", size=16, virtual=True) for n, side in enumerate(sides)]
    with pytest.raises(DatasetError, match="is a view") as caught:
        consensus(agree(views), tmp_path / "none")
    stitched(caught.value, tmp_path / "s0")
    others = segdata.tile(sides[1], tmp_path / "o", size=20)
    with pytest.raises(DatasetError, match="cut into other tiles") as caught:
        consensus(agree([tiles[0], others]), tmp_path / "none")
    put = stitched(caught.value, tmp_path / "p")
    again = consensus(agree(put), tmp_path / "again")
    assert len(again) == 2
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("first", [0, 1, 2])
def test_nobodys_votes_are_lost_if_one_has_cut_the_images_otherwise(tmp_path: Path, first: int) -> None:
    sides = made(tmp_path, [{id: m for id, m in side.items() if id != "val/2"} for side in seen()], "copy")
    tiles = segdata.tile(sides[2], tmp_path / "tiled ones", size=16)
    given = [sides[0], sides[1], tiles]
    with pytest.raises(DatasetError, match="cut into other tiles") as caught:
        consensus(agree(given[first:] + given[:first]), tmp_path / "none")
    back = stitched(caught.value, tmp_path / "s")[0]
    written, whole = consensus(agree([*sides[:2], back]), tmp_path / "out"), consensus(agree(sides), tmp_path / "whole")
    assert [written.read_mask(s).tolist() for s in written] == [whole.read_mask(s).tolist() for s in whole]


def test_overlapping_tiles_may_be_labelled_by_some_only(tmp_path: Path) -> None:
    sides = made(tmp_path, [{"a": np.zeros((16, 40), np.uint8)} for _ in range(3)])
    tiles = [segdata.tile(side, tmp_path / f"t{n}", size=16, overlap=8) for n, side in enumerate(sides)]
    ids = [s.id for s in tiles[0]]
    some = tiles[2].select(lambda s: s.id == ids[0])
    assert len(consensus(agree([tiles[0], tiles[1], some]), tmp_path / "own")) == len(ids)
    first = [tile.select(lambda s: s.id == ids[0]) for tile in tiles[:2]]
    with pytest.raises(DatasetError, match="cut into other tiles"):
        consensus(agree([*first, tiles[2].select(lambda s: s.id == ids[1])]), tmp_path / "none")


def stitched(error: DatasetError, root: Path) -> list[Dataset]:
    """What the commands that a message names make."""
    out = []
    for number, command in enumerate(re.findall(r"segdata (stitch (?:'.*?'|\S+) DST)", str(error))):
        out.append(root / str(number))
        run = CliRunner().invoke(main, shlex.split(command.replace("DST", str(out[-1]))))
        assert run.exit_code == 0, run.output
    assert out
    return [Dataset.open(path) for path in out]


def test_files_of_another_program_vote_too(tmp_path: Path) -> None:
    sides = seen()
    datasets = made(tmp_path, sides)
    (tmp_path / "files/val").mkdir(parents=True)
    for id, mask in sides[2].items():
        Image.fromarray(mask).save(tmp_path / "files" / f"{id}.png")
    one, other = (
        consensus(agree(d), tmp_path / f"{n}") for n, d in enumerate((datasets, [*datasets[:2], tmp_path / "files"]))
    )
    assert [s.sha256 for s in one] == [s.sha256 for s in other]


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    sides = made(tmp_path, seen())
    path = sides[1].root / sides[1].sample("val/1").mask
    path.write_bytes(b"no image")
    with pytest.raises(DataError):
        agree(sides)
    run = Run(report=Report("skip"))
    written = consensus(agree(sides, run=run), tmp_path / "out", run=run)
    assert [sample.id for sample in written] == ["val/0", "val/2"]
    receipt = written.read_receipt()
    assert receipt["images"] == {"in": 3, "decided": 2, "skipped": 1}
    assert [skipped["sample"] for skipped in receipt["skipped"]] == ["val/1"]


def test_an_image_of_one_annotator_is_no_consensus(tmp_path: Path) -> None:
    sides = seen()
    del sides[2]["val/2"]
    written = consensus(agree(made(tmp_path, sides)), tmp_path / "out")
    assert [sample.id for sample in written] == ["val/0", "val/1"]
    assert written.read_receipt()["alone"] == ["val/2"]


def test_a_changed_vote_anywhere_is_another_job(tmp_path: Path) -> None:
    """STAPLE trusts annotators by all images: what was begun with other votes is not taken up."""
    sides = seen()
    datasets = made(tmp_path, sides)

    def stop(items: object, total: int) -> object:
        for number, item in enumerate(items):  # type: ignore[arg-type, var-annotated]
            if number == 2:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        consensus(agree(datasets), tmp_path / "out", method="staple", run=Run(track=stop))  # type: ignore[arg-type]
    sides[1]["val/1"][3:] = 3
    Image.fromarray(sides[1]["val/1"]).save(datasets[1].root / "masks/val/1.png")
    found = agree(datasets)
    with pytest.raises(DatasetError, match="other inputs or options: repeat that job, or --overwrite"):
        consensus(found, tmp_path / "out", method="staple")
    done = consensus(found, tmp_path / "out", method="staple", overwrite=True)
    fresh = consensus(found, tmp_path / "fresh", method="staple")
    assert [s.sha256 for s in done] == [s.sha256 for s in fresh]
    assert done.read_receipt() == fresh.read_receipt()


def test_an_id_that_leads_out_is_refused(tmp_path: Path) -> None:
    sides = made(tmp_path, seen())
    out = [
        replace(side, samples=[msgspec.structs.replace(s, id="../../x") if s.id == "val/0" else s for s in side])
        for side in sides
    ]
    with pytest.raises(DatasetError, match="outside the dataset"):
        consensus(agree(out), tmp_path / "out")
    assert not (tmp_path / "x.png").exists()
    assert not (tmp_path / "out").exists()


def test_destinations_are_looked_at_before_the_work(tmp_path: Path) -> None:
    sides = made(tmp_path, seen())
    roots = [str(side.root) for side in sides]
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    for destination in (roots[1], str(tmp_path / "full")):
        run = CliRunner().invoke(main, ["agree", *roots, "--consensus", "majority", destination])
        assert run.exit_code == 1
        assert run.stdout == ""
        assert "choose" in run.stderr
    with pytest.raises(OptionError, match="--consensus most: must be one of majority, staple"):
        consensus(agree(sides), tmp_path / "out", method="most")  # type: ignore[arg-type]


def test_the_command_writes_it_and_says_how_far_each_is_from_it(tmp_path: Path) -> None:
    roots = [str(side.root) for side in made(tmp_path, seen())]
    run = CliRunner().invoke(main, ["agree", *roots, "--consensus", "staple", str(tmp_path / "out")])
    assert run.exit_code == 0, run.output
    assert "annotator1" in run.output
    assert "sensitivity (mean)" in run.output
    before = contents(tmp_path / "out")
    again = CliRunner().invoke(main, ["agree", *roots, "--consensus", "staple", str(tmp_path / "out"), "--json"])
    assert again.exit_code == 0
    assert again.stdout.startswith('{"schema": 1')
    assert contents(tmp_path / "out") == before
    two = CliRunner().invoke(main, ["agree", *roots[:2], "--consensus", "staple", str(tmp_path / "two")])
    assert "of two annotators STAPLE cannot tell who is right" in two.output
