"""Suspect labels: the softmin and the regions against plain numpy and SciPy, and errors that were planted."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_rle
from pycocotools.coco import COCO
from scipy import ndimage

from carry_files import contents
from refine_files import LABELS, sample, saved, scene
from segdata import (
    DataError,
    Dataset,
    DatasetError,
    Labels,
    OptionError,
    Report,
    Run,
    Window,
    convert,
    suspects,
)
from segdata.cli import main
from segdata.files.scores import read_scores, write_scores
from segdata.labels import Mask
from segdata.metrics import label_quality as suspicion_module
from segdata.metrics.label_quality import Quality, Region, examine, ranked
from segdata.ops.suspects import sheet as sheet_module
from segdata.ops.suspects.operation import without
from segdata.ops.suspects.relabel import write_relabel
from segdata.ops.suspects.sheet import suspects_sheet
from segdata.pages.crops import around

Planted = dict[str, NDArray[np.bool_]]


def blot(mask: Mask, y: int, x: int, radius: int) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 <= radius * radius)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset, Planted]:
    """Predictions with scores, and truth of mixed sizes in which discs are labelled wrongly in three of nine images."""
    root = tmp_path_factory.mktemp("made")
    pred, truth, planted = [], [], {}
    for number in range(9):
        size = (60 + number, 70)
        image, right, probs = scene(number, size)
        sharp = probs**4 / (probs**4).sum(axis=0)
        right = np.where(right == 255, 255, np.roll(right, 2, axis=1)).astype(np.uint8)  # where the model sees it
        id = f"{'val' if number % 2 else 'train'}/{number}"
        if number % 3 == 0:
            disc = blot(right, 30, 20 + number, 7) & (right != 255)
            value = int(np.bincount(right[disc], minlength=3).argmax())
            planted[id] = disc & (right == value)
            right[planted[id]] = (value + 1) % 3
        (root / f"images/{id}.png").parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / f"images/{id}.png")
        (root / f"pred/scores/{id}.tif").parent.mkdir(parents=True, exist_ok=True)
        write_scores(root / f"pred/scores/{id}.tif", size, 3, [(0, 0, sharp)])
        truth.append(sample(root / "truth", id, right))
        pred.append(sample(root / "pred", id, probs.argmax(axis=0).astype(np.uint8), f"scores/{id}.tif"))
    return saved(root / "pred", LABELS, pred), saved(root / "truth", LABELS, truth), planted


def softmin(qualities: NDArray[Any], temperature: float) -> float:
    """cleanlab's: the scores weighed by softmax((1 - scores) / T), in one go."""
    exponents = (1 - qualities.astype(np.float64)) / temperature
    weights = np.exp(exponents - exponents.max())
    return float(qualities @ (weights / weights.sum()))


@given(
    npst.arrays(np.float32, st.integers(1, 300), elements=st.floats(0, 1, width=32)),
    st.floats(0.02, 1),
    st.integers(0, 300),
)
def test_softmin_of_parts(qualities: NDArray[np.float32], temperature: float, cut: int) -> None:
    both = Quality.of(qualities[:cut], temperature) + Quality.of(qualities[cut:], temperature)
    assert both.score == pytest.approx(softmin(qualities, temperature), rel=1e-9)
    assert both.pixels == len(qualities)
    assert both.disputed == (qualities < np.float32(0.1)).sum()
    assert Quality().score == 1


def test_images_and_regions_by_another_road(made: tuple[Dataset, Dataset, Planted]) -> None:
    pred, truth, _ = made
    found = suspects(pred, truth, min_area=4)
    assert [p.score for p in found.images] == sorted(p.score for p in found.images)
    assert [r.region.score for r in found.regions] == sorted((r.region.score for r in found.regions), reverse=True)
    stored = {s.id: s for s in pred}
    products: dict[tuple[str, tuple[int, ...]], float] = {}
    for doubt in found.images:
        mask, probs = (
            truth.read_mask(truth.sample(doubt.sample)),
            read_scores(pred.root / str(stored[doubt.sample].scores)),
        )
        known = mask != 255
        y, x = np.nonzero(known)
        quality = probs[mask[known], y, x]
        assert doubt.score == pytest.approx(softmin(quality, 0.1), rel=1e-6)
        assert (doubt.pixels, doubt.disputed) == (known.sum(), (quality < 0.1).sum())
        expected = set()
        best = probs.argmax(axis=0)
        low = np.zeros(mask.shape, bool)
        low[y, x] = quality < 0.1
        for given_class in range(3):
            numbers, n = ndimage.label(low & (mask == given_class) & (best != given_class), np.ones((3, 3)))
            for i in range(1, n + 1):
                inside = numbers == i
                if inside.sum() >= 4:
                    margin = (probs.max(axis=0) - probs[given_class])[inside].mean()
                    most = int(np.bincount(best[inside]).argmax())
                    expected.add((given_class, most, int(inside.sum()), round(float(margin), 4)))
        regions = [r.region for r in found.regions if r.sample == doubt.sample]
        listed = {(r.given, r.suggested, r.area, round(r.confidence - r.quality, 4)) for r in regions}
        assert {r[:3] for r in listed} == {r[:3] for r in expected}
        assert sorted(r[3] for r in listed) == pytest.approx(sorted(r[3] for r in expected), abs=2e-4)
        for r in regions:
            assert r.inside.sum() == r.area
            assert (mask[r.slices][r.inside] == r.given).all()
            around = np.pad(r.inside, 1)
            assert r.depth == pytest.approx(ndimage.distance_transform_edt(around).max(), abs=1e-3)
            given_quality = np.maximum(probs[r.given][r.slices][r.inside], 1 / 510)
            ratio = np.log(probs.max(axis=0)[r.slices][r.inside] / given_quality).mean() / np.log(510)
            whole, seen = shares(r, mask, best)
            assert (r.whole, r.seen) == pytest.approx((whole, seen))
            products[doubt.sample, r.box] = (
                ratio * r.depth / (r.depth + 1) * ((0.3 + whole) * (0.3 + seen)) ** 0.5 / 1.3
            )
    assert any(r.region.kind == "class" for r in found.regions)
    pairs = Counter((one.region.given, one.region.suggested) for one in found.regions)
    for one in found.regions:
        r, mask = one.region, truth.read_mask(truth.sample(one.sample))
        mine = products[one.sample, r.box]
        worse = [o.region for o in found.regions if o.sample == one.sample and products[o.sample, o.region.box] > mine]
        n = sum(across(r, other, mask) or across(other, r, mask) for other in worse)
        usual = len(found.regions) / (3 * 2)
        habit = (1 + (pairs[r.given, r.suggested] - 1) / usual) ** 0.5
        assert r.score == pytest.approx(mine / (1 + n) / habit, rel=1e-4)
        assert 0 < r.score < 1


def shares(region: Region, mask: Mask, best: NDArray[np.intp]) -> tuple[float, float]:
    """Which part of a labelled component a region is, and of the one that the model sees most of there."""
    inside = np.zeros(mask.shape, bool)
    inside[region.slices] = region.inside
    sides = []
    for binary in (mask == region.given, best == region.suggested):
        numbers, n = ndimage.label(binary, np.ones((3, 3)))
        most = max(range(1, n + 1), key=lambda i: (inside & (numbers == i)).sum())
        sides.append((inside & (numbers == most)).sum() / (numbers == most).sum())
    return sides[0], sides[1]


def across(one: Region, other: Region, mask: Mask) -> bool:
    """Whether the one is in the component beside the other, and that is the smaller one at one of the two outlines."""
    (own, beside), (other_own, other_beside) = sides(one, mask), sides(other, mask)
    same = np.array_equal(own, other_beside) if other_beside is not None else False
    return same and (beside is None or bool(own.sum() <= beside.sum() or own.sum() < other_own.sum()))


def sides(region: Region, mask: Mask) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """(H, W) the labelled component that a region is in, and the one of its suggestion that it is beside."""
    inside = np.zeros(mask.shape, bool)
    inside[region.slices] = region.inside
    ring = ndimage.binary_dilation(inside, np.ones((7, 7))) & ~inside
    out = []
    for value, where in ((region.given, inside), (region.suggested, ring)):
        numbers, _ = ndimage.label(mask == value, np.ones((3, 3)))
        counts = np.bincount(numbers[where], minlength=2)[1:]
        out.append(numbers == counts.argmax() + 1 if counts.any() else None)
    return np.asarray(out[0]), out[1]


def test_planted_errors_come_first(made: tuple[Dataset, Dataset, Planted]) -> None:
    pred, truth, planted = made
    found = suspects(pred, truth)
    assert {p.sample for p in found.images[: len(planted)]} == set(planted)
    assert {r.sample for r in found.regions[: len(planted)]} == set(planted)
    for one in found.regions[: len(planted)]:
        hit = np.zeros(planted[one.sample].shape, bool)
        hit[one.region.slices] = one.region.inside
        assert (hit & planted[one.sample]).sum() / (hit | planted[one.sample]).sum() > 0.6


def test_read_by_rows_it_is_the_same(made: tuple[Dataset, Dataset, Planted], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(3) * 0.2, (700, 40)).transpose(2, 0, 1).astype(np.float32)
    mask = rng.integers(0, 3, (700, 40)).astype(np.uint8)
    asked: list[slice] = []

    def read(rows: slice) -> Any:
        asked.append(rows)
        return probs[:, rows]

    whole = examine(mask, read, LABELS)
    assert asked == [slice(0, 700)]
    monkeypatch.setattr(suspicion_module, "ROWS", 1)
    parts = examine(mask, read, LABELS)
    assert asked[1:] == [slice(0, 256), slice(256, 512), slice(512, 700)]
    assert parts[1] == whole[1]
    assert parts[0].score == pytest.approx(whole[0].score, rel=1e-12)


def test_void_has_no_part() -> None:
    mask = np.full((20, 20), 255, np.uint8)
    probs = np.zeros((3, 20, 20), np.float32)
    probs[1] = 1
    assert examine(mask, lambda rows: probs[:, rows], LABELS) == (Quality(), [])
    mask[:10] = 1
    quality, regions = examine(mask, lambda rows: probs[:, rows], LABELS)
    assert (quality.pixels, quality.score, regions) == (200, 1, [])
    mask[2:8, 2:8] = 0
    quality, regions = examine(mask, lambda rows: probs[:, rows], LABELS)
    assert [(r.given, r.suggested, r.box, r.area) for r in regions] == [(0, 1, (2, 2, 6, 6), 36)]
    assert examine(mask, lambda rows: probs[:, rows], LABELS, least=37)[1] == []


def test_more_classes_than_a_byte_holds() -> None:
    labels = Labels.of([f"class {i}" for i in range(300)])
    mask = np.full((12, 12), 290, np.uint16)
    mask[0] = 65535
    probs = np.full((300, 12, 12), 0.001, np.float32)
    probs[299] = 0.7
    _, regions = examine(mask, lambda rows: probs[:, rows], labels)
    assert [(r.given, r.suggested, r.area) for r in regions] == [(290, 299, 132)]


def test_thin_regions_count_less_than_thick_ones() -> None:
    mask, probs = np.zeros((200, 200), np.uint8), np.zeros((3, 200, 200), np.float32)
    probs[0] = 1
    for y, x, h, w in ((10, 10, 2, 160), (60, 60, 18, 18)):  # about as many pixels
        probs[:, y : y + h, x : x + w] = np.array([0, 1, 0])[:, None, None]
    _, regions = examine(mask, lambda rows: probs[:, rows], LABELS)
    assert [r.box for r in regions] == [(60, 60, 18, 18), (10, 10, 2, 160)]
    assert regions[0].score > 1.5 * regions[1].score


def drawn(size: tuple[int, int], *boxes: tuple[int, int, int, int, int]) -> Mask:
    """Class 0 with rectangles: top, left, height, width, class."""
    out = np.zeros(size, np.uint8)
    for y, x, h, w, value in boxes:
        out[y : y + h, x : x + w] = value
    return out


def sure(seen: Mask) -> NDArray[np.float32]:
    """(3, H, W) scores of a model that is sure of what it sees."""
    return np.where(np.arange(3)[:, None, None] == seen, np.float32(0.98), np.float32(0.01))


@pytest.mark.parametrize(
    ("label", "right", "kinds"),
    [
        ([(30, 30, 20, 20, 2)], [(30, 30, 20, 20, 1)], ["class"]),
        ([], [(30, 30, 20, 20, 1)], ["missing"]),
        ([(30, 30, 20, 20, 1)], [(30, 36, 20, 20, 1)], ["outline", "outline"]),
        ([(0, 50, 100, 50, 1)], [(0, 50, 100, 50, 1), (30, 44, 20, 16, 2)], ["missing", "part"]),
        ([(0, 0, 100, 60, 1)], [(0, 0, 100, 66, 1), (38, 61, 9, 5, 2), (42, 63, 1, 1, 1)], ["outline"]),
    ],
    ids=["swapped", "dropped", "shifted", "several", "speck"],
)
def test_what_seems_wrong(label: list[Any], right: list[Any], kinds: list[str]) -> None:
    """Several: an object that the model sees lies on two labels, most of it on one. Speck: a pixel alone in the region."""
    probs = sure(drawn((100, 100), *right))
    _, regions = examine(drawn((100, 100), *label), lambda rows: probs[:, rows], LABELS)
    assert sorted(r.kind for r in regions) == kinds


def test_one_error_is_listed_once_in_front() -> None:
    """Both sides of a shifted object stand behind each other, and one of them behind a weaker error elsewhere."""
    label = drawn((100, 200), (30, 30, 20, 20, 1), (30, 150, 20, 40, 1))
    seen = drawn((100, 200), (30, 36, 20, 20, 1), (30, 150, 20, 35, 1))
    probs = sure(seen)
    _, regions = examine(label, lambda rows: probs[:, rows], LABELS)
    assert [r.box[1] > 100 for r in regions] == [False, True, False]
    assert regions[2].score < 0.6 * regions[0].score


def test_habits_of_the_model_come_last() -> None:
    region = Region(0, 1, "part", (0, 0, 9, 9), 81, 4.0, 0.0, 1.0, 1.0, 1.0, 0.5, b"")
    rare = replace(region, given=2)
    scores = ranked([region] * 9 + [rare], 3)
    assert scores[9] == 0.5
    assert scores[0] == pytest.approx(0.5 / (1 + 8 / (10 / 6)) ** 0.5)
    assert ranked([], 3) == []


@given(npst.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=60)
def test_outlines_are_rasterised_to_the_same_pixels(inside: NDArray[np.bool_], y: int, x: int) -> None:
    rle = bytes(coco_rle.encode(np.asfortranarray(inside.astype(np.uint8)))["counts"])
    region = Region(0, 1, "part", (y, x, *inside.shape), int(inside.sum()), 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, rle)
    assert np.array_equal(region.inside, inside)
    height, width = y + inside.shape[0] + 2, x + inside.shape[1] + 2
    out = np.zeros((height, width), bool)
    for polygon in region.polygons:
        out |= coco_rle.decode(coco_rle.frPyObjects([polygon], height, width))[:, :, 0] > 0
    expected = np.zeros((height, width), bool)
    expected[region.slices] = ndimage.binary_fill_holes(inside)
    assert np.array_equal(out, expected)


def test_regions_for_an_annotation_tool(made: tuple[Dataset, Dataset, Planted], tmp_path: Path) -> None:
    """pycocotools and segdata both open it, and find the regions with the suggested classes."""
    pred, truth, _ = made
    found = suspects(pred, truth)
    write_relabel(found, tmp_path / "again", found.regions[:3])
    coco = COCO(tmp_path / "again/regions.json")
    assert {c["name"]: c["id"] for c in coco.dataset["categories"]} == {"ground": 1, "water": 2, "wood": 3}
    for one, annotation in zip(found.regions, coco.dataset["annotations"], strict=False):
        image = coco.imgs[annotation["image_id"]]
        assert image["sample"] == one.sample
        there = np.asarray(Image.open(tmp_path / "again/images" / image["file_name"]))
        assert np.array_equal(there, truth.read_image(truth.sample(one.sample)))
        assert annotation["category_id"] == one.region.suggested + 1
        assert (annotation["given"], annotation["suggested"]) == tuple(
            LABELS.name(v) for v in (one.region.given, one.region.suggested)
        )
        assert annotation["kind"] == one.region.kind
        assert annotation["bbox"] == [*one.region.box[1::-1], *one.region.box[:1:-1]]
        assert coco.annToMask(annotation)[one.region.slices][one.region.inside].all()
    read = convert("coco", tmp_path / "again/regions.json", tmp_path / "masks", images="none")
    assert len(read) == 3
    whole = truth.sample(found.regions[0].sample)
    tile = msgspec.structs.replace(whole, crop=Window(0, 0, 60, 70), height=60, width=70, exif="upright")
    write_relabel(replace(found, truth=replace(truth, samples=[tile])), tmp_path / "cut", found.regions[:1])
    with Image.open(tmp_path / f"cut/images/{tile.id}.png") as cut:
        assert cut.size == (70, 60)


def test_the_dataset_without_suspects(made: tuple[Dataset, Dataset, Planted], tmp_path: Path) -> None:
    pred, truth, planted = made
    found = suspects(pred, truth)
    regions = found.regions[:3]
    out = without(found, tmp_path / "void", regions)
    assert len(out) == len(truth)
    for before, after in zip(truth, out, strict=True):
        mask, new = truth.read_mask(before), out.read_mask(after)
        gone = np.zeros(mask.shape, bool)
        for one in regions:
            if one.sample == before.id:
                gone[one.region.slices] |= one.region.inside
        assert np.array_equal(new, np.where(gone, 255, mask))
        assert gone.any() == (before.id in planted)
        assert (after.sha256 == before.sha256) == (not gone.any())
        assert sum(after.counts.values()) == mask.size
    assert out.read_receipt()["regions"] == {"void": 3}
    left = without(found, tmp_path / "left", regions, leave_out="images")
    assert {s.id for s in truth} - {s.id for s in left} == set(planted)
    with pytest.raises(OptionError, match="regions or images"):
        without(found, tmp_path / "x", regions, leave_out="both")  # type: ignore[arg-type]
    views = [msgspec.structs.replace(s, crop=Window(0, 0, 60, 70)) for s in truth]
    with pytest.raises(DatasetError, match="views"):
        without(replace(found, truth=replace(truth, samples=views)), tmp_path / "x", regions)


def test_splits_and_fewer_predictions(made: tuple[Dataset, Dataset, Planted]) -> None:
    pred, truth, _ = made
    val = suspects(pred, truth, split="val")
    assert {p.sample.split("/")[0] for p in val.images} == {"val"}
    fewer = suspects(replace(pred, samples=pred.samples[:4]), truth)
    assert len(fewer.images) == 4
    assert fewer.unscored == tuple(s.id for s in truth.samples[4:])


def test_refusals(made: tuple[Dataset, Dataset, Planted], tmp_path: Path) -> None:
    pred, truth, _ = made
    bare = replace(pred, samples=[msgspec.structs.replace(s, scores=None) for s in pred])
    with pytest.raises(DatasetError, match="predict again with --scores"):
        suspects(bare, truth)
    with pytest.raises(DatasetError, match="label contracts differ"):
        suspects(pred, replace(truth, labels=Labels.of(["ground", "water", "trees"])))
    with pytest.raises(DatasetError, match="has no scores of a sample"):
        suspects(pred, replace(truth, samples=[msgspec.structs.replace(truth.samples[0], id="other", image=None)]))
    for options in ({"threshold": 0}, {"temperature": 0}, {"min_area": 0}):
        with pytest.raises(OptionError, match="--threshold must be"):
            suspects(pred, truth, **options)  # type: ignore[arg-type]
    swapped = [
        msgspec.structs.replace(a, scores=b.scores) for a, b in zip(pred.samples[:2], pred.samples[1::-1], strict=True)
    ]
    with pytest.raises(DataError, match=r"the scores are of 3 classes, 70 x 6\d"):
        suspects(replace(pred, samples=swapped), truth)
    report = Report("skip")
    with pytest.raises(DataError, match="every image was left out, 2 in all"):
        suspects(replace(pred, samples=swapped), truth, run=Run(report=report))
    assert [p.code for p in report.problems] == ["scores.size"] * 2


def test_sheet(made: tuple[Dataset, Dataset, Planted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pred, truth, _ = made
    found = suspects(pred, truth)
    with Image.open(suspects_sheet(found, found.regions[:4], tmp_path / "s.png")) as sheet:
        assert sheet.width > 3 * 2 * 240
        assert len(sheet.getcolors(2**24) or ()) > 100
    seen = {}
    monkeypatch.setattr("segdata.ops.suspects.sheet.write_sheet", lambda *arguments: seen.update(arguments[-1]))
    suspects_sheet(found, found.regions[:1], tmp_path / "s.png")
    window = around(found.regions[0].region.box, truth.sample(found.regions[0].sample).size)
    sample = truth.sample(found.regions[0].sample)
    shown = [one.read_mask(one.sample(sample.id))[window.slices] for one in (truth, pred)]
    values, counts = np.unique(shown, return_counts=True)
    assert {v: n for v, n in seen.items() if n} == dict(zip(values.tolist(), counts.tolist(), strict=True)), (
        "all that is seen"
    )
    with pytest.raises(DatasetError, match="nothing to show"):
        suspects_sheet(found, [], tmp_path / "s.png")


def test_the_sheet_says_in_words_what_seems_wrong_and_shows_the_prediction(
    made: tuple[Dataset, Dataset, Planted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pred, truth, _ = made
    found = suspects(pred, truth)
    seen: list[tuple[int, str, list[str]]] = []
    draw = sheet_module.captioned

    def watch(shown: Any, caption: str, size: int, names: Any) -> Any:
        seen.append((len(shown), caption, list(names)))
        return draw(shown, caption, size, names)

    monkeypatch.setattr(sheet_module, "captioned", watch)
    suspects_sheet(found, found.regions[:4], tmp_path / "s.png")
    for one, (shown, caption, names) in zip(found.regions, seen, strict=False):
        given, suggested = (truth.labels.name(v) for v in (one.region.given, one.region.suggested))
        assert names[-2:] == [f"label: {given}", f"prediction: {suggested}"]
        assert shown == len(names)
        assert given in caption
        assert suggested in caption
        assert "likely" in caption
        assert one.sample in caption


def test_command(made: tuple[Dataset, Dataset, Planted], tmp_path: Path) -> None:
    pred, truth, planted = made
    again, sheet = tmp_path / "again", tmp_path / "sheet.png"
    arguments = ["suspects", pred.root, truth.root, "--worst", "3", "--sheet", sheet, "--relabel", again]
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    for id in planted:
        assert f"  {id}  " in done.output
    assert sheet.stat().st_size
    assert len(json.loads((again / "regions.json").read_text())["annotations"]) == 3
    assert len(Dataset.open(again / "dataset")) == 9
    before = contents(again)
    once_more = CliRunner().invoke(main, [str(a) for a in (*arguments[:3], "--worst", "2", "--relabel", again)])
    assert once_more.exit_code == 1
    assert "dataset: exists already" in once_more.stderr
    assert contents(again) == before, "somebody may have worked on regions.json"
    done = CliRunner().invoke(main, [str(a) for a in (*arguments[:3], "--json", "--min-area", "4")])
    assert json.loads(done.stdout) == {
        "schema": 1,
        **json.loads(json.dumps(suspects(pred, truth, min_area=4).to_json())),
    }


@pytest.mark.parametrize("images", ["copy", "reference"])
def test_what_is_labelled_again_goes_into_no_dataset(
    made: tuple[Dataset, Dataset, Planted], tmp_path: Path, images: str
) -> None:
    """Its images would be taken for those to be replaced."""
    pred, truth, _ = made
    shutil.copytree(truth.root, tmp_path / "truth", symlinks=True)
    card = json.loads((tmp_path / "truth" / "dataset.json").read_text())
    (tmp_path / "truth" / "dataset.json").write_text(json.dumps({**card, "images": images}))
    before = contents(tmp_path / "truth")
    for folder in (tmp_path / "truth", pred.root):
        done = CliRunner().invoke(main, ["suspects", str(pred.root), str(tmp_path / "truth"), "--relabel", str(folder)])
        assert done.exit_code == 1
        assert done.stderr == f"error: {folder}: is a dataset: choose another folder for the images to label again\n"
    found = suspects(pred, truth)
    with pytest.raises(DatasetError, match="is a dataset"):
        write_relabel(found, tmp_path / "truth", found.regions[:2])
    assert contents(tmp_path / "truth") == before


def test_regions_that_were_edited_stay(made: tuple[Dataset, Dataset, Planted], tmp_path: Path) -> None:
    """What is the same is written once more, images that are missing with it."""
    pred, truth, _ = made
    found, again = suspects(pred, truth), tmp_path / "again"
    write_relabel(found, again, found.regions[:3])
    image = next((again / "images").rglob("*.png"))
    image.unlink()
    write_relabel(found, again, found.regions[:3])
    assert image.exists()
    (again / "regions.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"regions.json: exists already, with other contents: perhaps it was edited"):
        write_relabel(found, again, found.regions[:3])
    assert (again / "regions.json").read_text() == "{}"
    (tmp_path / "mine/images").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"mine: holds images: choose an empty folder"):
        write_relabel(found, tmp_path / "mine", found.regions[:3])
