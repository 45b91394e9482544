"""What trial users met in the intervals of `evaluate`, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carry_files import make
from trial_files import run, trial


def said(*arguments: object) -> dict[str, Any]:
    result = run("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


@pytest.fixture(scope="session")
def statistics() -> Path:
    """The small datasets of the trial."""
    return trial("statistics")


@pytest.mark.data
@pytest.mark.parametrize(("pred", "truth", "mean"), [("xp", "xt", 0.6208), ("rp", "rt", 0.5955)])
def test_a_class_in_one_image_has_no_interval(statistics: Path, pred: str, truth: str, mean: float) -> None:
    """And the mean's is no longer that of draws without the class (61.81 to 93.49), nor one of no width (50.00 to 50.00)."""
    sides = statistics / pred, statistics / truth
    found = said(*sides)
    assert [row["name"] for row in found["classes"] if row["iou_interval"] == [None, None]] == ["rare"]
    for row in found["classes"][:2]:
        low, high = row["iou_interval"]
        assert low < row["iou"] < high
    low, high = found["intervals"]["mean_iou"]
    assert found["mean_iou"] == pytest.approx(mean, abs=1e-4)
    assert low < mean - 0.15 < mean + 0.15 < high, "that class may have any score"
    for name in ("mean_dice", "mean_accuracy", "pixel_accuracy", "frequency_weighted_iou"):
        low, high = found["intervals"][name]
        assert low < found[name] < high
    text = run("evaluate", *sides).stdout
    assert "note: in fewer than 3 images, so without an interval, and unknown in the intervals of means: rare" in text


@pytest.mark.data
def test_groups_that_there_are_not_are_an_error_with_two_ways_out(statistics: Path) -> None:
    sides = statistics / "rp", statistics / "rt"
    result = run("evaluate", *sides, "--resample", "group")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--resample group: no sample of rt has a group: --resample image, or --resample block:10" in result.stderr
    assert "over 40 images" in run("evaluate", *sides, "--resample", "image").stdout
    assert "over 4 blocks of 10 images" in run("evaluate", *sides, "--resample", "block:10").stdout


@pytest.mark.parametrize("name", ["frame_{:05d}", "0016E5_{:05d}", "Drive 3/{}", "{:04d}_gtFine", "val/IMG{:03d}.left"])
def test_frames_of_a_video_are_told(tmp_path: Path, name: str) -> None:
    masks = {name.format(7 + 30 * i): np.full((4, 5), i % 2) for i in range(12)}
    truth = make(tmp_path / "t", masks)
    text = run("evaluate", truth.root, truth.root).stdout
    (note,) = [line for line in text.splitlines() if "one video" in line]
    assert "--resample block:4" in note, "so that there are three blocks"
    assert name.format(7) in note
    assert name.format(337) in note
    assert "over 3 blocks of 4 images" in run("evaluate", truth.root, truth.root, "--resample", "block:4").stdout
    blocks = run("evaluate", truth.root, truth.root, "--resample", "block:10").stdout
    assert "they need 3 blocks of 10 images, and there are 2" in blocks
    assert "one video" not in blocks


def test_few_images_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for count, few, none in ((2, False, True), (9, True, False), (10, False, False)):
        masks = {f"{chr(97 + i)}x": rng.integers(0, 3, (6, 7)) for i in range(count)}
        truth = make(tmp_path / f"t{count}", masks)
        text = run("evaluate", truth.root, truth.root).stdout
        assert (f"{count} images are few" in text) == few
        assert (f"no intervals: they need 3 images, and there are {count}" in text) == none


def test_two_equal_models_are_rarely_told_apart(tmp_path: Path) -> None:
    """Of 40 pairs of models that are equally good, on 5 images each: about 2 would be chance, 7 was the rate of before."""
    rng = np.random.default_rng(3)
    apart = 0
    for seed in range(40):
        truth = {f"{i}x": np.kron(rng.integers(0, 2, (3, 4)), np.ones((8, 8), int)) for i in range(5)}
        hard = rng.beta(1, 4, 5)
        sides = []
        for side in "ab":
            wrong = [rng.random((24, 32)) < np.clip(h + rng.normal(0, 0.04), 0, 1) for h in hard]
            sides.append({id: np.where(w, 1 - m, m) for w, (id, m) in zip(wrong, truth.items(), strict=True)})
            make(tmp_path / f"{side}{seed}", sides[-1], names=["one", "two"])
        make(tmp_path / f"t{seed}", truth, names=["one", "two"])
        a, b, t = (tmp_path / f"{name}{seed}" for name in "abt")
        low, high = said(a, t, "--compare", b, "--no-boundary")["comparison"]["scores"]["mean_iou"]["interval"]
        apart += not low <= 0 <= high
    assert apart <= 4


@pytest.mark.parametrize("width", [None, 1, 4])
@pytest.mark.parametrize("far", [0, 2])
def test_right_in_every_labelled_pixel_is_a_boundary_iou_of_100(tmp_path: Path, width: int | None, far: int) -> None:
    """Void along borders, as pets and VOC have it; the paper's way, which gives less, is a convention."""
    whole = np.kron(np.random.default_rng(0).integers(0, 3, (5, 6)), np.ones((16, 16), int))
    edge = (np.diff(whole, axis=0, prepend=0) != 0) | (np.diff(whole, axis=1, prepend=0) != 0)
    edge[:, -6:] |= far > 0
    truth = make(tmp_path / "t", {f"{i}x": np.where(edge, 255, whole) for i in range(3)})
    pred = make(tmp_path / "p", {f"{i}x": np.where(edge, far, whole) for i in range(3)})
    options = () if width is None else ("--boundary-width", width)
    found = said(pred.root, truth.root, "--boundary-f", "--conventions", *options)
    assert found["mean_boundary_iou"] == found["mean_boundary_f"] == 1
    assert all(row["boundary_iou"] == 1 for row in found["classes"])
    assert 0.2 < found["conventions"]["Cheng et al. 2021"]["boundary IoU"] < 1
    text = run("evaluate", pred.root, truth.root, "--conventions").stdout
    (line,) = [line for line in text.splitlines() if line.startswith("Cheng et al. 2021")]
    assert "100.00" not in line


def test_an_interval_without_width_is_told(tmp_path: Path) -> None:
    """A class that is missed in all images: 0 is what they show, and not what others must show."""
    truth = {f"t{i}x": np.repeat([[0, 1], [1, 2]], 8, axis=0).repeat(8, axis=1) for i in range(12)}
    missed = {name: np.where(mask == 2, 0, mask) for name, mask in truth.items()}
    make(tmp_path / "t", truth, names=["one", "two", "three"])
    make(tmp_path / "p", missed, names=["one", "two", "three"])
    found = said(tmp_path / "p", tmp_path / "t")
    assert [row["iou_interval"] for row in found["classes"]][1:] == [[1, 1], [0, 0]]
    assert any("the interval has no width" in note and "two, three" in note for note in found["intervals"]["notes"])
