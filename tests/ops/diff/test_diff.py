"""What changed between two datasets, beside brute force, beside `evaluate`, and in reverse."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from carry_files import contents, make, random_masks
from segdata import Dataset, DatasetError, Labels, OptionError, Report, Run, agree, diff, evaluate, split, stitch, tile
from segdata.cli import main
from segdata.errors import DataError
from segdata.ops.diff.regions import region_inside
from segdata.ops.diff.result import Difference
from segdata.windows import Window

Masks = Mapping[str, NDArray[Any]]

NAMES = ("road", "car", "sign")


def named(mask: NDArray[Any], names: Sequence[str]) -> list[str]:
    """The names of all pixels in their order."""
    return [names[v] if v < len(names) else "ignore" for v in mask.ravel().tolist()]


def brute(before: Masks, after: Masks, old: Sequence[str], new: Sequence[str]) -> Counter[tuple[str, str]]:
    """Pixels by what they were and are, of the images of both."""
    found: Counter[tuple[str, str]] = Counter()
    for id in before.keys() & after.keys():
        found.update(zip(named(before[id], old), named(after[id], new), strict=True))
    return found


def told(found: Difference) -> Counter[tuple[str, str]]:
    name = found.labels.name
    return Counter({(name(a), name(b)): n for a, b, n in found.pairs.tolist()})


@st.composite
def cases(draw: st.DrawFn) -> tuple[Masks, Masks, Sequence[str], Sequence[str]]:
    """Two sets of masks that share most images, each under its own order of its own classes."""
    pool = ["road", "car", "sign", "tree"]
    old, new = (draw(st.permutations(pool))[: draw(st.integers(1, 4))] for _ in range(2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    before = {f"i{n}": rng.choice([*range(len(old)), 255], (3, 5)) for n in range(4)}
    after = {f"i{n}": rng.choice([*range(len(new)), 255], (3, 5)) for n in range(1, 5)}
    for id in before:
        if id in after and draw(st.booleans()) and len(old) <= len(new):
            after[id] = before[id]
    return before, after, old, new


@given(cases())
@settings(max_examples=40)
def test_the_matrix_accounts_for_every_pixel(case: tuple[Masks, Masks, Sequence[str], Sequence[str]]) -> None:
    before, after, old, new = case
    with TemporaryDirectory() as root:
        a, b = make(Path(root) / "a", before, names=old), make(Path(root) / "b", after, names=new)
        found, back = diff(a, b), diff(b, a)
    expected = brute(before, after, old, new)
    assert told(found) == expected
    assert told(back) == Counter({(y, x): n for (x, y), n in expected.items()}), "the transpose"
    assert found.pixels == 3 * 15
    assert found.changed == sum(n for (x, y), n in expected.items() if x != y) == back.changed
    assert sum(one.changed for one in found.images) == found.changed
    assert sum(one.pixels for one in found.changes) == found.changed
    assert (found.samples.removed, found.samples.added) == (("i0",), ("i4",))
    assert set(found.classes.added) | {one.after for one in found.classes.renamed} == set(new) - set(old)
    assert set(found.classes.removed) | {one.before for one in found.classes.renamed} == set(old) - set(new)
    names = [*found.labels.names, "ignore"]
    dense = {(names[y], names[x]): int(found.matrix[y, x]) for y, x in np.argwhere(found.matrix).tolist()}
    assert dense == expected


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Dataset, Dataset]:
    """Two labellings of six images; two of them are the same."""
    masks = random_masks(6, prefix="val/")
    other = {id: np.where(np.arange(8) < i, (m + 1) % 3, m) for i, (id, m) in enumerate(masks.items())}
    other["val/001"] = masks["val/001"]
    return make(tmp_path / "a", masks, images="copy"), make(tmp_path / "b", other, images="copy")


def test_it_is_the_matrix_of_evaluate(sides: tuple[Dataset, Dataset]) -> None:
    a, b = sides
    found = diff(a, b)
    assert found.confusion == evaluate(b, a).confusion
    assert diff(b, a).confusion == evaluate(a, b).confusion
    assert np.array_equal(found.matrix[:3], found.confusion.counts)
    assert np.array_equal(diff(b, a).matrix, found.matrix.T)
    assert found.unopened == 2
    by_class = {row["name"]: row["changed"] for row in found.to_json()["by_class"]}
    scores = evaluate(b, a).confusion.counts
    both, row, column = scores[0, 0], found.matrix[0].sum(), found.matrix[:, 0].sum()
    assert by_class["road"] == pytest.approx(1 - both / (row + column - both))


def test_a_dataset_is_the_same_as_itself_and_as_its_copy(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    a, _ = sides
    copy = Path(shutil.copytree(a.root, tmp_path / "copy"))
    for images_by in ("length", "bytes", "nothing"):
        for one in (diff(a, a, images_by=images_by), diff(a, copy, images_by=images_by)):
            assert one.same
            assert one.unopened == 6
            assert one.pixels == 6 * 48
            assert not one.images
            assert not one.regions
            assert (one.matrix == np.diag(np.diagonal(one.matrix))).all()


def test_masks_of_the_same_bytes_are_not_opened(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    a, b = sides
    for side in sides:
        for id in ("val/000", "val/001"):
            side.inside(side.sample(id).mask).write_bytes(b"no PNG")
    assert diff(a, b).unopened == 2
    with pytest.raises(DataError, match="val/000"):
        evaluate(b, a)


@pytest.mark.parametrize("size", [1, 40])
def test_regions_are_the_largest_that_changed(tmp_path: Path, size: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(size)
    before = {f"{i}": np.kron(rng.choice([0, 1, 255], (9, 9)), np.ones((2, 2), int)) for i in range(5)}
    after = {id: np.where(np.kron(rng.random((9, 9)) < 0.3, np.ones((2, 2), bool)), 2, m) for id, m in before.items()}
    found = diff(make(tmp_path / "a", before), make(tmp_path / "b", after), worst=size)
    expected = []
    for id, mask in before.items():
        for a in (0, 1, 255):
            numbers, count = ndimage.label((mask == a) & (after[id] == 2), np.ones((3, 3)))
            expected += [(int((numbers == n).sum()), id, numbers == n) for n in range(1, count + 1)]
    assert found.region_count == len(expected)
    sizes = sorted((n for n, _, _ in expected), reverse=True)
    assert [region.pixels for region in found.regions] == sizes[:size]
    for region in found.regions:
        inside = region_inside(region, before[region.image], after[region.image], Window(0, 0, 18, 18))
        assert any(id == region.image and np.array_equal(inside, one) for _, id, one in expected)
        ys, xs = np.nonzero(inside)
        assert region.box == (ys.min(), xs.min(), np.ptp(ys) + 1, np.ptp(xs) + 1)


# Classes


def test_a_class_of_another_name_is_renamed(tmp_path: Path) -> None:
    masks = random_masks(5)
    a = make(tmp_path / "a", masks, names=("road", "car", "sign"))
    b = make(tmp_path / "b", masks, names=("road", "vehicle", "sign"))
    found = diff(a, b)
    assert [(one.before, one.after, one.share) for one in found.classes.renamed] == [("car", "vehicle", 1.0)]
    assert (found.classes.added, found.classes.removed) == ((), ())
    assert found.changed == found.renamed == sum(int((m == 1).sum()) for m in masks.values())
    assert found.unopened == 5
    assert not found.regions
    assert not found.same
    assert not diff(b, a).classes.added


def test_a_renamed_class_that_was_drawn_anew_too(tmp_path: Path) -> None:
    masks = {"a": np.array([[1] * 8 + [0] * 8]), "b": np.array([[1] * 4 + [2] * 12])}
    other = {"a": np.array([[1] * 7 + [0] * 9]), "b": np.array([[1] * 4 + [2] * 12])}
    found = diff(make(tmp_path / "a", masks), make(tmp_path / "b", other, names=("road", "vehicle", "sign")))
    (one,) = found.classes.renamed
    assert (one.before, one.after, one.pixels, one.share) == ("car", "vehicle", 11, 11 / 12)
    assert [(r.image, found.labels.name(r.before), found.labels.name(r.after), r.pixels) for r in found.regions] == [
        ("a", "car", "road", 1)
    ]
    assert (found.changed, found.renamed, found.region_count) == (12, 11, 1)


def test_classes_that_only_look_alike_are_added_and_removed(tmp_path: Path) -> None:
    masks = {"a": np.array([[1] * 8 + [0] * 8])}
    other = {"a": np.array([[1] * 2 + [0] * 14])}
    found = diff(make(tmp_path / "a", masks), make(tmp_path / "b", other, names=("road", "bus", "sign")))
    assert (found.classes.added, found.classes.removed, found.classes.renamed) == (("bus",), ("car",), ())
    assert [(r.pixels) for r in found.regions] == [6, 2]


def test_other_ids_colours_and_ignore_are_told(tmp_path: Path) -> None:
    few = make(tmp_path / "a", {"a": np.array([[0, 1, 2, 255]])})
    many = make(
        tmp_path / "b", {"a": np.array([[1, 0, 2, 65535]])}, names=("car", "road", "sign", *map(str, range(300)))
    )
    found = diff(few, many)
    assert dict(found.classes.ids) == {"road": (0, 1), "car": (1, 0)}
    assert found.classes.ignore == (255, 65535)
    assert set(found.classes.colors) == {"road", "car"}
    assert len(found.classes.added) == 300
    assert found.changed == 0
    assert found.pixels == 4
    assert not found.same
    text = CliRunner().invoke(main, ["diff", str(few.root), str(many.root)]).output
    assert "classes other ids: road 0 -> 1, car 1 -> 0" in text
    assert "ignored pixels: 255 -> 65535" in text


def test_swapped_names_are_seen_in_masks_of_the_same_bytes(tmp_path: Path) -> None:
    masks = random_masks(3)
    a, b = make(tmp_path / "a", masks), make(tmp_path / "b", masks, names=("car", "road", "sign"))
    found = diff(a, b)
    assert found.changed == sum(int((m < 2).sum()) for m in masks.values())
    assert found.regions
    assert found.unopened == 0


# Samples


def test_samples_added_removed_moved_and_renamed(tmp_path: Path) -> None:
    masks = random_masks(8)
    fields = {id: {"split": "train" if int(id) % 2 else "val", "group": "g"} for id in masks}
    a = make(tmp_path / "a", masks, fields=fields)
    other = {
        **{id: m for id, m in masks.items() if id not in ("000", "001")},
        "x/001": masks["001"],
        "new": masks["000"].T,
    }
    moved = {**fields, "002": {"split": "test", "group": "h"}, "003": {"split": None}}
    found = diff(a, make(tmp_path / "b", other, fields=moved))
    changes = found.samples
    assert (changes.added, changes.removed) == (("new",), ("000",))
    assert dict(changes.renamed) == {"001": "x/001"}
    assert [(m.id, m.before, m.after) for m in changes.splits] == [
        ("001", "train", "x"), ("002", "val", "test"), ("003", "train", None)
    ]  # fmt: skip
    assert {m.id for m in changes.groups} == {"001", "002", "003"}
    assert (found.changed, changes.both) == (0, 7)


def test_samples_of_the_same_image_are_renamed(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    """`split` renames samples and keeps their images; labels may have changed, too."""
    a, b = sides
    made = split(b, tmp_path / "s", ratios={"train": 0.5, "test": 0.5})
    found = diff(a, made)
    assert set(found.samples.renamed) == {s.id for s in a} - {s.id for s in made}
    assert found.samples.both == 6
    assert found.matrix.tolist() == diff(a, b).matrix.tolist()


def test_changed_images(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    a, _ = sides
    b = Dataset.open(shutil.copytree(a.root, tmp_path / "copy"))
    longer, turned = (Path(b.image_path(s)) for s in b.samples[:2])
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(longer)
    data = bytearray(turned.read_bytes())
    data[-1] ^= 1
    turned.write_bytes(data)
    ids = [s.id for s in a]
    assert list(diff(a, b).samples.images) == ids[:1]
    assert list(diff(a, b, images_by="bytes").samples.images) == ids[:2]
    assert diff(a, b, images_by="nothing").same
    assert not diff(a, b).same
    assert (diff(a, b).samples.unseen, diff(a, b, images_by="nothing").samples.unseen) == (0, 6)
    longer.unlink()
    assert list(diff(a, b).samples.images) == ids[:1]
    Path(a.image_path(a.samples[0])).unlink()
    found = diff(a, b).samples
    assert (found.images, found.unseen) == ((), 1)
    masks = {s.id: a.read_mask(s) for s in a}
    bare, again = make(tmp_path / "bare", masks), make(tmp_path / "again", masks)
    assert (diff(bare, a).samples.unseen, diff(bare, again).samples.unseen) == (6, 0)


def test_rescaled_datasets_are_refused_and_a_single_other_size_is_told(tmp_path: Path) -> None:
    masks = random_masks(3)
    large = {id: np.kron(m, np.ones((2, 2), int)) for id, m in masks.items()}
    a, b = make(tmp_path / "a", masks), make(tmp_path / "b", large)
    with pytest.raises(DatasetError, match=r"all 3 images .* another size, such as 000, 8 x 6 before, 16 x 12 after"):
        diff(a, b)
    found = diff(a, make(tmp_path / "c", {**masks, "001": large["001"]}))
    assert [(one.id, one.before, one.after) for one in found.samples.resized] == [("001", (6, 8), (12, 16))]
    assert (found.changed, found.pixels, found.same) == (0, 2 * 48, False)


def test_a_split_on_either_side(tmp_path: Path) -> None:
    masks = random_masks(6)
    a = make(tmp_path / "a", masks, fields={id: {"split": "val" if id < "002" else "train"} for id in masks})
    b = make(tmp_path / "b", {id: 2 - np.minimum(m, 2) for id, m in masks.items()},
             fields={id: {"split": "val" if id < "003" else "test"} for id in masks})  # fmt: skip
    assert diff(a, b, split="val").ids == ("000", "001", "002")
    assert diff(a, b, split="test").ids == ("003", "004", "005")
    assert diff(a, b, split="!train").ids == tuple(sorted(masks))
    with pytest.raises(DatasetError, match="no split 'vla': there are test, train, val"):
        diff(a, b, split="vla")


def test_nothing_in_common_is_refused_with_a_way_out_that_works(tmp_path: Path) -> None:
    masks = random_masks(3)
    a = make(tmp_path / "a", {f"x/{id}": m for id, m in masks.items()})
    b = make(tmp_path / "b", {f"y/{id}": np.zeros_like(m) for id, m in masks.items()})
    with pytest.raises(DatasetError, match=r"--match 'y/\{stem\}' fits"):
        diff(a, b)
    assert diff(a, b, match="y/{stem}").samples.both == 3
    c = make(tmp_path / "c", {f"{id}_pred": np.zeros_like(m) for id, m in masks.items()})
    with pytest.raises(DatasetError, match=r"--match '\{stem\}_pred' fits"):
        diff(a, c)
    assert diff(a, c, match="{stem}_pred").samples.both == 3
    with pytest.raises(DatasetError, match="--match says how"):
        diff(a, make(tmp_path / "d", {"other": np.zeros((6, 8))}))
    with pytest.raises(OptionError, match="--worst 0"):
        diff(a, a, worst=0)
    with pytest.raises(OptionError, match="--images-by x"):
        diff(a, a, images_by="x")  # type: ignore[arg-type]
    assert diff(replace(a, samples=[]), replace(a, samples=[])).same


# Tiles, files of other programs, bad files


def test_tiles_are_compared_as_their_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    masks = {f"{i}": rng.choice([0, 1, 2, 255], (50, 70)) for i in range(3)}
    other = {**masks, "1": np.where(masks["1"] == 0, 2, masks["1"])}
    a, b = make(tmp_path / "a", masks, images="copy"), make(tmp_path / "b", other, images="copy")
    expected = diff(a, b)
    tiles = [tile(d, tmp_path / f"t{n}", size=24, overlap=8) for n, d in enumerate((a, b))]
    apart = [tile(d, tmp_path / f"u{n}", size=10, overlap=0, virtual=True) for n, d in enumerate((a, b))]
    whole = stitch(tiles[1], tmp_path / "s")
    for one, two in ((a, tiles[1]), (tiles[0], b), tiles, apart, (apart[0], tiles[1]), (a, whole)):
        found = diff(one, two)
        assert found.matrix.tolist() == expected.matrix.tolist()
        assert found.confusion == evaluate(two, one).confusion
        assert [(r.image, r.pixels, r.box) for r in found.regions] == [
            (r.image, r.pixels, r.box) for r in expected.regions
        ]
    assert diff(tiles[0], tiles[0]).same
    assert diff(tiles[0], tiles[0]).pixels == 3 * 50 * 70, "overlaps count once"
    assert diff(a, tiles[0]).samples.cut == ("0", "1", "2")


def test_missing_tiles_are_not_compared(tmp_path: Path) -> None:
    masks = {"a": np.random.default_rng(0).choice([0, 1, 255], (40, 40))}
    tiles = tile(make(tmp_path / "a", masks, images="copy"), tmp_path / "t", size=20, overlap=0)
    fewer = replace(tiles, samples=tiles.samples[1:])
    found = diff(tiles, fewer)
    assert (found.pixels, found.changed, found.uncovered) == (1200, 0, (400, 0))
    assert diff(fewer, tiles).uncovered == (0, 400)
    assert not found.same
    assert found.confusion == evaluate(fewer, tiles).confusion


def test_files_of_another_program(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    a, b = sides
    for sample in b:
        path = tmp_path / "files" / f"{sample.id.removeprefix('val/')}_x.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(b.read_mask(sample)).save(path)
    found = diff(a, tmp_path / "files", match="{stem}_x")
    assert found.matrix.tolist() == diff(a, b).matrix.tolist()
    assert found.unopened == 0
    assert not found.samples.splits
    back = diff(tmp_path / "files", a, match="{stem}_x")
    assert np.array_equal(back.matrix, found.matrix.T)
    with pytest.raises(DatasetError, match="files: not a segdata dataset"):
        diff(tmp_path / "files", tmp_path / "files")
    with pytest.raises(DatasetError, match="no such folder"):
        diff(tmp_path / "nowhere", tmp_path / "files")
    with pytest.raises(DatasetError, match="no such folder"):
        diff(a, tmp_path / "nowhere")


def test_a_mask_that_was_edited_is_found_as_the_help_says(sides: tuple[Dataset, Dataset]) -> None:
    a, _ = sides
    before = diff(a, a).pairs.tolist()
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(a.root / "masks/val/000.png")
    assert diff(a, a).pairs.tolist() == before
    run = CliRunner().invoke(main, ["diff", str(a.root), str(a.root)])
    assert "as both manifests say" in run.output
    assert "segdata check" in " ".join(CliRunner().invoke(main, ["diff", "--help"]).output.split())
    assert "mask.changed" in CliRunner().invoke(main, ["check", str(a.root)]).output


@pytest.mark.parametrize("virtual", [False, True])
def test_files_of_tiles(sides: tuple[Dataset, Dataset], tmp_path: Path, virtual: bool) -> None:
    one, other = (tile(side, tmp_path / f"t{n}", size=5, virtual=virtual) for n, side in enumerate(sides))
    for sample in other:
        path = tmp_path / f"files/{sample.id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(other.read_mask(sample)).save(path)
    found, expected = diff(one, tmp_path / "files"), diff(one, other)
    assert expected.changed
    assert found.pairs.tolist() == expected.pairs.tolist()
    assert evaluate(tmp_path / "files", one).confusion == evaluate(other, one).confusion
    assert agree([one, tmp_path / "files"]).votes == agree([one, other]).votes
    for sample in sides[1]:
        whole = tmp_path / f"whole/{sample.id.split('/')[-1]}.png"
        whole.parent.mkdir(exist_ok=True)
        Image.fromarray(sides[1].read_mask(sample)).save(whole)
    assert diff(one, tmp_path / "whole").pairs.tolist() == expected.pairs.tolist()
    assert evaluate(tmp_path / "whole", one).confusion == evaluate(sides[1], sides[0]).confusion
    assert agree([one, tmp_path / "whole"]).votes == agree(sides).votes
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(path)
    with pytest.raises(DataError, match="as large as the tile"):
        diff(one, tmp_path / "files")


def test_a_bad_file_stops_or_is_left_out(sides: tuple[Dataset, Dataset]) -> None:
    a, b = sides
    b.inside(b.sample("val/003").mask).write_bytes(b"no PNG")
    with pytest.raises(DataError, match="val/003"):
        diff(a, b)
    report = Report("skip")
    found = diff(a, b, run=Run(report=report))
    assert found.left_out == ("val/003",)
    assert not found.same
    assert [problem.sample for problem in report.problems] == ["val/003"]


def test_mask_of_one_value_tells_no_name(tmp_path: Path) -> None:
    a = make(tmp_path / "a", {"x": np.zeros((4, 4)), "same": np.ones((4, 4))})
    b = make(tmp_path / "b", {"y": np.zeros((4, 4)), "same": np.ones((4, 4))})
    found = diff(a, b).samples
    assert (found.added, found.removed, dict(found.renamed)) == (("y",), ("x",), {})


def test_counts_that_do_not_add_up_are_not_believed(tmp_path: Path) -> None:
    a = make(tmp_path / "a", random_masks(2))
    short = replace(a, samples=[msgspec.structs.replace(s, counts={}) for s in a])
    found = diff(short, short)
    assert (found.pixels, found.unopened) == (96, 0)


# The command


def test_the_command(sides: tuple[Dataset, Dataset]) -> None:
    a, b = (str(side.root) for side in sides)
    before = contents(sides[0].root), contents(sides[1].root)
    same = CliRunner().invoke(main, ["diff", a, a, "--exit-code"])
    assert (same.exit_code, same.stdout.splitlines()[-1]) == (0, "no difference")
    plain = CliRunner().invoke(main, ["diff", a, b])
    assert plain.exit_code == 0
    assert len(plain.stdout.splitlines()) < 40
    found = diff(a, b)
    assert f"{found.changed:,} pixels changed" in plain.stdout
    assert CliRunner().invoke(main, ["diff", a, b, "--exit-code"]).exit_code == 1
    printed = CliRunner().invoke(main, ["diff", a, b, "--json", "--worst", "3"])
    value = json.loads(printed.stdout)
    assert value.pop("schema") == 1
    assert value == json.loads(json.dumps(diff(a, b, worst=3).to_json()))
    assert len(value["regions"]) == 3
    assert (contents(sides[0].root), contents(sides[1].root)) == before, "nothing is written"


def test_labels_of_the_union(sides: tuple[Dataset, Dataset]) -> None:
    assert diff(*sides).labels == Labels.of(NAMES)


def test_real_masks(shared_data: Path, tmp_path: Path) -> None:
    """CamVid, some of it moved by a few pixels: beside NumPy, and beside `evaluate`."""
    paths = sorted((shared_data / "camvid" / "valannot").glob("*.png"))[:8]
    masks = {path.stem: np.array(Image.open(path)) for path in paths}
    masks = {id: np.where(mask == 11, 255, mask) for id, mask in masks.items()}
    other = {id: np.roll(mask, number // 2, axis=1) for number, (id, mask) in enumerate(masks.items())}
    names = [*map(str, range(11))]
    a, b = make(tmp_path / "a", masks, names=names), make(tmp_path / "b", other, names=names)
    found = diff(a, b)
    assert found.unopened == 2
    assert found.confusion == evaluate(b, a, draws=0).confusion
    one, two = (np.minimum(np.stack([*side.values()]), 11).astype(np.int64) for side in (masks, other))
    assert found.matrix.ravel().tolist() == np.bincount((12 * one + two).ravel(), minlength=144).tolist()
