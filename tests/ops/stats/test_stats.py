"""Statistics of datasets: NumPy's own counts on real labels, pixels read only where asked, and bad input."""

from __future__ import annotations

import csv
import html
import io
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from segdata.cli import COMMANDS, main
from segdata.dataset.dataset import Dataset
from segdata.dataset.weights import SCHEMES
from segdata.errors import DataError, DatasetError, OptionError, Report
from segdata.executors.run import Run
from segdata.ops.convert.operation import convert
from segdata.ops.info.operation import info
from segdata.ops.stats.command import stats as stats_command
from segdata.ops.stats.operation import class_counts, stats
from segdata.recipes.pixels import Moments
from segdata.windows import Window
from stats_files import blocks, hand_counted, make_dataset

if "stats" not in COMMANDS:
    main.add_command(stats_command)

NAMES = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]


def run(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["stats", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def edited(dataset: Dataset, **changes: Any) -> Path:
    """The dataset with fields of its first sample changed in the manifest, as by hand."""
    manifest = dataset.root / "manifest.jsonl"
    first, *rest = map(json.loads, manifest.read_text().splitlines())
    manifest.write_text("".join(json.dumps(line) + "\n" for line in [{**first, **changes}, *rest]))
    return dataset.root


def brute_force(masks: list[NDArray[Any]], classes: int, ignore: int) -> dict[str, Any]:
    """Pixels, images and the weights by the issue's formulas, of masks as they are."""
    pixels, images, where, ignored = np.zeros(classes), np.zeros(classes), np.zeros(classes), 0
    for mask in masks:
        every = np.bincount(mask.ravel(), minlength=max(classes, ignore + 1))
        n = every[:classes]
        pixels, images, where = pixels + n, images + (n > 0), where + (n > 0) * n.sum()
        ignored += every[ignore]
    there = pixels > 0
    f = pixels[there] / where[there]
    share = pixels[there] / pixels.sum()
    beta = 1 - 1 / len(masks)
    weights = {
        "inverse": 1 / (there.sum() * share),
        "sqrt_inverse": (there.sum() * share) ** -0.5,
        "median_frequency": np.median(f) / f,
        "enet": 1 / np.log(1.02 + share),
        "effective_number": (1 - beta) / (1 - beta ** images[there]),
        "uniform": np.ones(there.sum()),
    }
    return {"pixels": pixels, "images": images, "ignored": ignored, "there": there, "weights": weights}


def assert_equals(found: dict[str, Any], want: dict[str, Any]) -> None:
    assert [c["pixels"] for c in found["classes"]] == want["pixels"].tolist()
    assert [c["images"] for c in found["classes"]] == want["images"].tolist()
    assert found["ignored"] == want["ignored"]
    assert found["total"] == want["ignored"] + want["pixels"].sum()
    assert list(found["weights"]) == list(want["weights"])
    for scheme, weights in want["weights"].items():
        got = np.array(found["weights"][scheme])
        assert got[want["there"]] == pytest.approx(weights, rel=1e-12), scheme
        assert not got[~want["there"]].any(), scheme


@pytest.fixture
def hand(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "hand", hand_counted(), images=True)


def camvid(shared: Path) -> dict[str, NDArray[Any]]:
    files = [*shared.glob("camvid/trainannot/*.png"), *shared.glob("camvid/valannot/*.png")]
    return {f"{p.parent.name.removesuffix('annot')}/{p.stem}": np.asarray(Image.open(p)) for p in sorted(files)}


def pets(shared: Path) -> dict[str, NDArray[Any]]:
    """Trimaps: 1 pet, 2 background, 3 border."""
    files = sorted(shared.glob("pets/annotations/trimaps/[!.]*.png"))
    return {f"all/{p.stem}": np.asarray(Image.open(p)) for p in files}


@pytest.mark.slow
@pytest.mark.data
def test_camvid_equals_numpy(shared_data: Path, tmp_path: Path) -> None:
    masks = camvid(shared_data)
    assert len(masks) == 468
    dataset = make_dataset(tmp_path / "d", {k: np.where(m == 11, 255, m) for k, m in masks.items()}, NAMES)
    found = stats(dataset).to_json()
    assert_equals(found, brute_force(list(masks.values()), 11, 11))
    for split in ("train", "val"):
        want = brute_force([m for k, m in masks.items() if k.startswith(split)], 11, 11)
        assert_equals(stats(dataset, split=split).to_json(), want)
        assert [c["pixels"] for c in found["splits"][split]["classes"]] == want["pixels"].tolist()
    recounted = stats(dataset, recount=True)
    assert recounted.differences == ()
    assert_equals(recounted.to_json(), brute_force(list(masks.values()), 11, 11))


@pytest.mark.slow
@pytest.mark.data
def test_pets_equal_numpy(shared_data: Path, tmp_path: Path) -> None:
    masks = pets(shared_data)
    assert len(masks) == 158
    ids = {1: 1, 2: 0, 3: 255}
    remapped = {k: np.vectorize(ids.__getitem__, otypes=[np.uint8])(m) for k, m in masks.items()}
    dataset = make_dataset(tmp_path / "d", remapped, ["background", "pet"])
    swapped = [np.array([9, 1, 0, 2], np.uint8)[m] for m in masks.values()]
    assert_equals(stats(dataset).to_json(), brute_force(swapped, 2, 2))
    assert_equals(stats(dataset, recount=True).to_json(), brute_force(swapped, 2, 2))


@pytest.mark.data
def test_coco_equals_numpy(shared_data: Path, tmp_path: Path) -> None:
    dataset = convert("coco", shared_data / "coco/mini", tmp_path / "d", images="none")
    masks = [np.asarray(Image.open(p)) for p in sorted((tmp_path / "d/masks").rglob("*.png"))]
    assert len(masks) == 80
    want = brute_force(masks, 81, 255)
    assert_equals(stats(dataset).to_json(), want)
    assert_equals(stats(dataset, recount=True).to_json(), want)
    held = np.array([[c in m for c in range(81)] for m in masks]).astype(int)
    both = held.T @ held
    got = {(a, b): n for a, b, n in stats(dataset).together.tolist()}
    assert got == {(a, b): both[a, b] for a in range(81) for b in range(a + 1, 81) if both[a, b]}


def test_the_json_other_tools_rely_on(hand: Dataset) -> None:
    found = json.loads(json.dumps(stats(hand).to_json(), allow_nan=False))
    assert found["total"] == 300
    assert found["ignored"] == 80
    assert found["classes"][1] == {
        "id": 1, "name": "car", "pixels": 25, "share": 25 / 220, "images": 2, "image_share": 2 / 3,
    }  # fmt: skip
    assert list(found["weights"]) == list(SCHEMES)
    assert found["weights"]["median_frequency"] == pytest.approx([1, 78 / 17, 50 / 51])
    assert sum(c["share"] for c in found["classes"]) == pytest.approx(1)
    assert list(found["splits"]) == ["train", "val"]
    assert [c["pixels"] for c in found["splits"]["train"]["classes"]] == [150, 20, 0]
    assert found["splits"]["val"]["ignored"] == 50
    assert found["images"] == 3
    assert found["absent"] == []
    assert found["sizes"] == [[10, 10, 3]]
    assert found["together"] == [[0, 1, 1], [1, 2, 1]]
    assert found["labels"] == hand.labels.digest
    assert not {"objects", "channels", "recount"} & {*found, *found["classes"][0]}


def test_no_pixel_is_read_unless_asked_for(hand: Dataset) -> None:
    before = stats(hand.root).to_json()
    shutil.rmtree(hand.root / "masks")
    shutil.rmtree(hand.root / "images")
    assert stats(hand.root).to_json() == before
    assert class_counts(hand.root).pixels.tolist() == [150, 25, 45]
    for option in ("recount", "objects", "images"):
        with pytest.raises(DataError, match=r"train/a: (there is no such file|cannot be read)"):
            stats(hand.root, **{option: True})  # type: ignore[arg-type]


def test_splits_sum_to_the_whole(hand: Dataset) -> None:
    assert class_counts(hand, "train") + class_counts(hand, "val") == class_counts(hand)
    found = stats(hand, objects=True)
    assert (
        sum((p.counts for p in found.splits.values()), class_counts(hand.select(lambda s: False))) == found.whole.counts
    )
    for i in range(3):
        areas = np.sort(np.concatenate([(p.areas or ())[i] for p in found.splits.values()]))
        assert np.array_equal((found.whole.areas or ())[i], areas)


def test_samples_without_a_split(tmp_path: Path) -> None:
    masks = {"a": blocks(1, 4, (0, 4)), "val/b": blocks(1, 4, (1, 4))}
    mixed = make_dataset(tmp_path / "m", masks)
    assert {k: p.counts.pixels.tolist() for k, p in stats(mixed).splits.items()} == {
        "(no split)": [4, 0, 0],
        "val": [0, 4, 0],
    }
    assert stats(mixed.select(lambda s: s.split is None)).splits == {}
    named = make_dataset(tmp_path / "n", {"None/a": masks["a"], "b": masks["val/b"]})
    assert list(stats(named).splits) == list(info(named)["splits"]) == ["(no split)", "None"]
    assert run(named.root).stdout.startswith("2 images ((no split) 1, None 1)")


def test_a_split_that_is_absent(hand: Dataset, tmp_path: Path) -> None:
    for call in (lambda: stats(hand, split="test"), lambda: class_counts(hand, "test")):
        with pytest.raises(DatasetError, match="no split 'test': there are train, val"):
            call()
    with pytest.raises(DatasetError, match="no split 'val': it has no splits"):
        stats(make_dataset(tmp_path / "d", {"a": blocks(1, 4, (0, 4))}), split="val")
    assert "error:" in run(hand.root, "--split", "test", code=1).stderr


def test_objects_and_their_areas(tmp_path: Path) -> None:
    """Three cars of 1, 2 and 6 pixels: by linear interpolation the quarter lies at 1.5, the middle at 2, three quarters at 4."""
    mask = np.zeros((5, 9), np.uint8)
    mask[0, 0] = mask[0, 4] = mask[1, 5] = 1
    mask[3:5, 1:4] = 1
    mask[:, 8] = 255
    dataset = make_dataset(tmp_path / "d", {"train/a": mask, "val/b": np.zeros((2, 2), np.uint8)})
    found = stats(dataset, objects=True).to_json()
    quantiles = {"0.05": 1.1, "0.25": 1.5, "0.75": 4, "0.95": 5.6}
    assert found["classes"][1]["objects"]["count"] == 3
    assert found["classes"][1]["objects"]["median"] == 2
    assert found["classes"][1]["objects"]["quantiles"] == pytest.approx(quantiles)
    assert found["classes"][0]["objects"]["count"] == 2
    assert found["classes"][2]["objects"] == {"count": 0, "median": None, "quantiles": dict.fromkeys(quantiles)}
    assert found["splits"]["val"]["classes"][0]["objects"]["median"] == 4
    weights = stats(dataset, count="objects").weights[
        "effective_number"
    ]  # beta 1/2: (1/2) / (1 - 1/4), (1/2) / (1 - 1/8)
    assert weights == pytest.approx([2 / 3, 4 / 7, 0])


def test_channels_equal_numpy(hand: Dataset) -> None:
    pixels = np.concatenate([np.asarray(Image.open(p)).reshape(-1, 3) for p in (hand.root / "images").rglob("*.png")])
    found = stats(hand, images=True).to_json()["channels"]
    assert (found["dtype"], found["scale"]) == ("uint8", 255)
    assert found["mean"] == pytest.approx(pixels.mean(axis=0) / 255)
    assert found["std"] == pytest.approx(pixels.std(axis=0) / 255)


def bands(root: Path, images: dict[str, NDArray[Any]]) -> Dataset:
    """A dataset of TIFFs of these (H, W, C)."""
    dataset = make_dataset(root, {id: np.zeros(p.shape[:2], np.uint8) for id, p in images.items()}, images=True)
    for id, values in images.items():
        (root / f"images/{id}.png").unlink()
        height, width, count = values.shape
        shape = {"height": height, "width": width, "count": count, "dtype": values.dtype}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(
                root / f"images/{id}.tif", "w", driver="GTiff", photometric="MINISBLACK", **shape
            ) as file:
                file.write(values.transpose(2, 0, 1))
    return replace(dataset, samples=[_with(s, image=f"images/{s.id}.tif") for s in dataset])


@pytest.mark.parametrize(("dtype", "scale"), [("uint8", 255), ("uint16", 65535), ("int16", 1), ("float32", 1)])
def test_channels_are_all_bands_as_they_are(
    dtype: str, scale: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against NumPy over all pixels at once; integers on the scale of recipes, of bands that lie far from 0 too."""
    monkeypatch.setattr("segdata.ops.stats.operation.ROWS", 40)
    random = np.random.default_rng(0)
    images = {f"train/{i}": (random.random((9 + i, 17, 5)) * 90 + [0, 9, 20, 30, 30]).astype(dtype) for i in range(3)}
    if dtype == "float32":
        images["train/0"][2:5, 3, 1] = np.nan
        images["train/1"] += np.float32(2000)
    dataset = bands(tmp_path / "d", images)
    pixels = np.concatenate([p.reshape(-1, 5).astype(np.float64) / scale for p in images.values()])
    found = stats(dataset, images=True).to_json()["channels"]
    assert found["mean"] == pytest.approx(np.nanmean(pixels, axis=0).tolist(), rel=1e-12)
    assert found["std"] == pytest.approx(np.nanstd(pixels, axis=0).tolist(), rel=1e-9)
    assert (found["dtype"], found["scale"]) == (dtype, scale)
    if dtype != "int16":  # which recipes do not take
        moments = [Moments.of(p) for p in images.values()]
        assert found["mean"] == pytest.approx(sum(moments[1:], moments[0]).mean.tolist(), rel=1e-6)
    dataset.save()
    text = f"5 bands of {dtype}, {'as they are' if scale == 1 else f'as a share of {scale:,}'}"
    assert f"channels ({text}): mean " in run(dataset.root, "--images", "--html", tmp_path / "page.html").stdout
    assert text in (tmp_path / "page.html").read_text()


def test_a_band_without_a_value_has_no_mean(tmp_path: Path) -> None:
    values = np.full((3, 4, 2), 7, np.float32)
    values[:, :, 1] = np.nan
    found = stats(bands(tmp_path / "d", {"a": values}), images=True).to_json()["channels"]
    assert (found["mean"], found["std"]) == ([7, None], [0, None])


@pytest.mark.parametrize("other", [np.zeros((3, 4, 5), np.uint16), np.zeros((3, 4, 4), np.float32)])
def test_images_that_disagree_in_bands(other: NDArray[Any], tmp_path: Path) -> None:
    dataset = bands(tmp_path / "d", {"a": np.ones((3, 4, 4), np.uint16), "b": other})
    kind = f"{other.shape[2]} bands of {other.dtype}"
    with pytest.raises(
        DataError, match=f"b.tif: b: the image has {kind}, a has 4 bands of uint16, and no mean is of both"
    ):
        stats(dataset, images=True)
    report = Report("skip")
    found = stats(dataset, images=True, run=Run(report=report))
    assert [p.sample for p in report.problems] == ["b"]
    assert found.to_json()["channels"]["mean"] == pytest.approx([1 / 65535] * 4)


def test_no_image_to_describe(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {})
    assert stats(dataset, images=True).to_json()["channels"] is None
    assert "channels: there is no image to describe" in run(dataset.root, "--images").stdout


def test_channels_of_a_dataset_without_images(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"a": blocks(1, 4, (0, 4))})
    with pytest.raises(DatasetError, match=r"a has no image \(made with --images none\)"):
        stats(dataset, images=True)


def test_sixteen_bit_masks(tmp_path: Path) -> None:
    mask = np.array([[0, 255, 299, 65535]], np.uint16)
    dataset = make_dataset(tmp_path / "d", {"a": mask}, [f"c{i}" for i in range(300)])
    for found in (stats(dataset), stats(dataset, recount=True, objects=True)):
        assert np.flatnonzero(found.whole.counts.pixels).tolist() == [0, 255, 299]
        assert found.whole.counts.ignored == 1
        assert found.differences == ()


def test_tiles_that_are_cut_out_when_read(tmp_path: Path) -> None:
    mask = blocks(4, 6, (0, 12), (1, 12))
    dataset = make_dataset(tmp_path / "d", {"a": mask})
    crop = Window(1, 2, 2, 3)
    tile = replace(dataset, samples=[_with(dataset.samples[0], crop=crop, height=2, width=3, counts={0: 3, 1: 3})])
    found = stats(tile, recount=True, objects=True)
    assert found.differences == ()
    assert found.whole.counts.pixels.tolist() == [3, 3, 0]
    assert [a.tolist() for a in found.whole.areas or ()] == [[3], [3], []]


def _with(sample: Any, **changes: Any) -> Any:
    return type(sample)(**{**{f: getattr(sample, f) for f in sample.__struct_fields__}, **changes})


# What a recount finds out


def replaced(dataset: Dataset, mask: NDArray[Any]) -> Path:
    Image.fromarray(mask).save(dataset.root / "masks/train/b.png")
    return dataset.root


def test_a_mask_replaced_behind_its_back(hand: Dataset) -> None:
    root = replaced(hand, blocks(10, 10, (0, 80), (2, 10), (255, 10)))
    found = stats(root, recount=True)
    assert found.whole.counts.pixels.tolist() == [140, 25, 55], "the numbers are the masks'"
    (problem,) = found.differences
    assert problem.sample == "train/b"
    assert problem.message == "value 0: 90 in the manifest, 80 in the mask, value 2: 0 in the manifest, 10 in the mask"
    result = run(root, "--recount", "--json", code=1)
    assert json.loads(result.stdout)["recount"] == {
        "masks": 3,
        "differ": [{"sample": "train/b", "message": problem.message}],
    }
    assert result.stderr.startswith("error: 1 masks differ from the manifest")
    assert "masks read: 3; 2 hold what the manifest says" in run(root, "--recount", code=1).stdout
    run(root)


@pytest.mark.parametrize(
    ("mask", "code"),
    [
        (blocks(10, 10, (0, 90), (7, 10)), "mask.values"),
        (blocks(5, 20, (0, 90), (255, 10)), "mask.size"),
        (np.zeros((10, 10, 3), np.uint8), "mask.colours"),
    ],
)
def test_masks_that_are_none_of_the_dataset(hand: Dataset, mask: NDArray[Any], code: str) -> None:
    root = replaced(hand, mask)
    for option in ("recount", "objects"):
        with pytest.raises(DataError) as caught:
            stats(root, **{option: True})  # type: ignore[arg-type]
        assert caught.value.problem.code == code
        assert caught.value.problem.sample == "train/b"
        report = Report("skip")
        found = stats(root, **{option: True}, run=Run(report=report))  # type: ignore[arg-type]
        assert [p.sample for p in report.problems] == ["train/b"]
        assert found.whole.counts.samples == 2
        assert found.whole.counts.pixels.tolist() == [60, 25, 45]
    assert "train/b" in run(root, "--recount", "--on-error", "skip").stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": {"0": 60, "1": 20, "255": 21}}, "train/a: the manifest counts 101 pixels in 10 x 10"),
        ({"counts": {}}, "train/a: the manifest counts 0 pixels in 10 x 10"),
        ({"counts": {"0": 10**30}}, "manifest"),
        ({"height": 10**9, "width": 10**9}, "train/a: the manifest counts 100 pixels in 1000000000 x 1000000000"),
    ],
)
def test_a_manifest_edited_by_hand(hand: Dataset, changes: dict[str, Any], message: str) -> None:
    root = edited(hand, **changes)
    for call in (stats, class_counts):
        with pytest.raises(DatasetError, match=message):
            call(root)
    if "counts" in changes and 10**30 not in changes["counts"].values():
        found = stats(root, recount=True)
        assert found.whole.counts.pixels.tolist() == [150, 25, 45]
        assert [p.sample for p in found.differences] == ["train/a"]
        run(root, code=1)


def test_a_count_of_zero_is_no_image(hand: Dataset) -> None:
    root = edited(hand, counts={"0": 60, "1": 20, "2": 0, "255": 20})
    assert class_counts(root).images.tolist() == [2, 2, 1]
    assert stats(root, recount=True).differences == ()


# Degenerate datasets


def empty(root: Path) -> Dataset:
    return make_dataset(root, {})


def all_void(root: Path) -> Dataset:
    return make_dataset(root, {"a": blocks(2, 3, (255, 6)), "b": blocks(2, 3, (255, 6))}, images=True)


@pytest.mark.parametrize("make", [empty, all_void])
def test_nothing_labelled(make: Callable[[Path], Dataset], tmp_path: Path) -> None:
    dataset = make(tmp_path / "d")
    found = stats(dataset, recount=True, objects=True, images=True)
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [c["share"] for c in plain["classes"]] == [0, 0, 0]
    assert plain["absent"] == ["road", "car", "sign"]
    assert all(not any(weights) for weights in plain["weights"].values())
    assert "nothing is labelled" in run(dataset.root).stdout
    run(dataset.root, "--html", tmp_path / "page.html", "--sampler")
    with pytest.raises(OptionError, match="no weights to write: no class has a pixel"):
        found.weights_json("enet")
    assert "no weights to write" in run(dataset.root, "--out", tmp_path / "w.json", code=1).stderr
    assert not (tmp_path / "w.json").exists()


def test_one_class_only(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"a": blocks(2, 3, (0, 5), (255, 1))}, ["thing"])
    weights = stats(dataset).weights
    assert {k: w.tolist() for k, w in weights.items() if k != "enet"} == {k: [1] for k in SCHEMES if k != "enet"}
    assert weights["enet"] == pytest.approx([1 / np.log(2.02)])
    run(dataset.root, "--html", tmp_path / "page.html")


def test_what_is_no_dataset(tmp_path: Path, hand: Dataset) -> None:
    assert "there is no such folder" in run(tmp_path / "none", code=1).stderr
    card = json.loads((hand.root / "dataset.json").read_text())
    (hand.root / "dataset.json").write_text(json.dumps({**card, "format": 99}))
    assert "upgrade segdata" in run(hand.root, code=1).stderr


def test_bad_options_before_any_work(hand: Dataset) -> None:
    shutil.rmtree(hand.root / "masks")
    with pytest.raises(OptionError, match="--clamp 3 1"):
        stats(hand, recount=True, clamp=(3, 1))
    with pytest.raises(OptionError, match="--count boxes: must be one of images, objects, pixels"):
        stats(hand, recount=True, count="boxes")  # type: ignore[arg-type]
    run(hand.root, "--json", "--csv", code=2)
    run(hand.root, "--normalise", "max", code=2)
    assert "--beta 2" in run(hand.root, "--beta", 2, code=1).stderr


# The command


def test_the_table(hand: Dataset) -> None:
    lines = run(hand.root, "--sampler", "--objects", "--images").stdout.splitlines()
    assert lines[0] == "3 images (train 2, val 1), 3 classes, 300 pixels, 26.7 % ignored"
    assert lines[1] == "sizes (width x height): 10 x 10 (3)"
    rows = [" ".join(line.split()) for line in lines]
    assert "1 car 25 11.4 % 2 66.7 %" in rows
    assert "id class objects 5% 25% median 75% 95%" in rows
    assert "1 car 2 5.75 8.75 12.5 16.25 19.25" in rows
    assert "255 (ignore) 80 26.7 % of all" in rows
    assert "1 car 11.8 % 50.0 % 10.0 % 100.0 %" in rows, "by split: 20 of 170 in 1 of 2, 5 of 50 in 1 of 1"
    assert "note: train has no pixel of sign" in lines
    assert "note: val has no pixel of road" in lines
    assert any(line.startswith("channels (red, green, blue in 0..1): mean 0.") for line in lines)
    assert " ".join(["id", "class", *SCHEMES]) in rows
    assert "1 car 2.933 1.713 4.588 7.973 0.6 1" in rows
    seen = rows[lines.index("seen by a sampler") + 4]
    assert seen.startswith("1 car 66.7 % 11.4 % 83.3 % ")


def test_weights_are_said_to_be_of_all_splits_only_if_they_are(hand: Dataset) -> None:
    assert "note: weights are of all splits" in run(hand.root).stdout
    assert "of all splits" not in run(hand.root, "--split", "train,val").stdout


def test_classes_without_pixels_are_one_line(tmp_path: Path) -> None:
    names = [f"class{i:02}" for i in range(38)]
    dataset = make_dataset(tmp_path / "d", {"a": blocks(1, 4, (0, 3), (37, 1))}, names)
    out = run(dataset.root, "--sampler", "--objects", "--html", tmp_path / "page.html").stdout
    assert f"note: no pixel of {', '.join(names[1:37])}: weight 0, left out of K, medians and means" in out
    page = (tmp_path / "page.html").read_text()
    assert f"No pixels of {', '.join(names[1:37])}:" in page
    for text in (out, page):
        assert text.count("class05") == 1
        assert text.count("class37") > 3
    for option in ("--csv", "--json"):
        assert "class05" in run(dataset.root, option).stdout


def test_every_weight_has_its_formula_and_source(hand: Dataset, tmp_path: Path) -> None:
    listed = run("--schemes").stdout
    run(hand.root, "--html", tmp_path / "page.html")
    page = html.unescape((tmp_path / "page.html").read_text())
    schemes = json.loads(run(hand.root, "--json").stdout)["schemes"]
    assert list(schemes) == list(SCHEMES)
    for name, scheme in schemes.items():
        assert scheme["formula"]
        for text in (name, scheme["formula"], scheme["source"]):
            assert text in listed
            assert text in page
    assert "Eigen & Fergus 2015" in listed
    assert "here n = images with the class, beta = 0.666667" in page


def test_many_classes_are_cut_to_the_outermost(tmp_path: Path) -> None:
    runs = [(i, 100 - i) for i in range(100)]
    total = sum(n for _, n in runs)
    dataset = make_dataset(tmp_path / "d", {"a": blocks(1, total, *runs)}, [f"class{i}" for i in range(100)])
    out = run(dataset.root).stdout
    assert "class0 " in out
    assert "class99 " in out
    assert "class50 " not in out
    assert "... the 20 largest and smallest of 100 classes (--json lists all)" in out
    assert len(json.loads(run(dataset.root, "--json").stdout)["classes"]) == 100


def test_csv_says_what_json_says(hand: Dataset) -> None:
    found = json.loads(run(hand.root, "--json", "--objects").stdout)
    rows = list(csv.DictReader(io.StringIO(run(hand.root, "--csv", "--objects").stdout)))
    assert len(rows) == 9
    for row in rows:
        part = found["splits"][row["split"]] if row["split"] else found
        c = part["classes"][int(row["id"])]
        assert row["name"] == c["name"]
        assert (int(row["pixels"]), int(row["images"])) == (c["pixels"], c["images"])
        assert (float(row["share"]), float(row["image_share"])) == (c["share"], c["image_share"])
        assert int(row["objects"]) == c["objects"]["count"]
        assert int(row["split_void"]) == part["ignored"]
        for q, area in c["objects"]["quantiles"].items():
            assert row[f"area_{q}"] == ("" if area is None else str(area))
        assert row["median_area"] == ("" if c["objects"]["median"] is None else str(c["objects"]["median"]))
        assert {s: float(row[s]) for s in SCHEMES} == {s: found["weights"][s][c["id"]] for s in SCHEMES}


def test_weights_for_training(hand: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "new folder/weights.json"
    result = run(hand.root, "--out", out, "--scheme", "inverse", "--normalise", "mean", "--clamp", 0.5, 1.5, "--json")
    mean = (22 / 45 + 44 / 15 + 44 / 27) / 3  # inverse: 22/45, 44/15, 44/27
    assert json.loads(out.read_text()) == {
        "schema": 1,
        "labels": hand.labels.digest,
        "scheme": "inverse",
        "split": None,
        "counts": stats(hand).whole.counts.digest,
        "weighting": json.loads(result.stdout)["weighting"],
        "weights": {
            "road": 0.5,
            "car": 1.5,
            "sign": pytest.approx(44 / 27 / mean),
        },
    }
    assert json.loads(result.stdout)["weighting"] == {
        "count": "images", "beta": pytest.approx(2 / 3), "clamp": [0.5, 1.5], "normalise": "mean",
    }  # fmt: skip
    assert result.stderr == f"wrote {out}\n"
    run(hand.root, "--out", out, "--split", "train")
    assert json.loads(out.read_text())["weights"]["sign"] == 0
    assert "no weights 'median': there are inverse" in run(hand.root, "--out", out, "--scheme", "median", code=1).stderr


def test_beta_and_count_reach_the_weights(hand: Dataset) -> None:
    def weights(*options: Any) -> Any:
        return json.loads(run(hand.root, "--json", *options).stdout)["weights"]["effective_number"]

    assert weights("--beta", 0.5) == pytest.approx([2 / 3, 2 / 3, 1])  # (1/2) / (1 - 1/4), (1/2) / (1 - 1/2)
    assert weights("--count", "pixels") == pytest.approx([1 / 3] * 3, rel=1e-4)
    assert weights("--count", "objects") == pytest.approx([3 / 5, 3 / 5, 1])
