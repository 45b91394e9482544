"""`monitor`: planted drifts are found and named, what is alike is left alone, and streams of any length fit in memory."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from segdata.cli import main
from segdata.errors import DatasetError, OptionError
from segdata.labels import Labels
from segdata.ops.monitor.estimate import thresholded
from segdata.ops.monitor.operation import monitor
from segdata.ops.monitor.sources import gather
from segdata.prediction.profile import About, Profile, Stream, read_profile
from segdata.prediction.signals import BINS, EDGES
from signal_rows import LABELS, World

WORLD = World()
T = TypeVar("T")


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["monitor", *map(str, arguments)])


@pytest.mark.parametrize(
    ("change", "aspect", "part"),
    [
        ({"brightness": 0.44}, "brightness", None),
        ({"blur": 0.01}, "blur", None),
        ({"size": (90, 120)}, "size", "height"),
        ({"lacks": 1}, "classes", "road"),
        ({"sure": 0.84}, "confidence", "all pixels"),
        ({"sure": 0.84}, "entropy", "all pixels"),
        ({"shift": 0.7}, "embedding", None),
    ],
)
def test_a_planted_drift_is_found_where_it_is(change: dict[str, Any], aspect: str, part: str | None) -> None:
    found = monitor(WORLD.profile(70, 0), WORLD.but(**change).profile(60, 1), permutations=499)
    assert aspect in found.drifted
    finding = next(one for one in found.findings if one.aspect == aspect)
    drifted = {one.name for one in finding.parts if one.p <= found.alpha}
    assert part is None or part in drifted
    if aspect == "classes":
        (road,) = (one for one in found.classes if one.name == "road")
        assert road.share[1] == 0
        assert "classes" in road.drifted
        assert road.confidence[1] is None
    if aspect in ("brightness", "blur", "size", "embedding"):
        assert found.drifted == [aspect], "the rest is as it was"


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_told() -> None:
    """120 times images of one world are compared: alarms at a rate of 10 %."""
    runs = 120
    alarms = sum(
        bool(monitor(WORLD.profile(30, 2 * i), WORLD.profile(20, 2 * i + 1), permutations=199, alpha=0.1).drifted)
        for i in range(runs)
    )
    assert alarms / runs <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / runs)
    assert alarms >= 2, "tests that never cry out are none"


@pytest.mark.slow
def test_groups_keep_the_rate_where_images_do_not() -> None:
    """Drives of ten images that are alike: image by image, another drive is a drift; drive by drive it is not."""
    world, runs = World(spread=0.2, per_group=10), 40
    alarms = {"image": 0, "group": 0}
    for i in range(runs):
        pair = world.profile(80, 2 * i), world.profile(60, 2 * i + 1)
        for kind in alarms:
            alarms[kind] += bool(monitor(*pair, resample=kind, permutations=199, alpha=0.1).drifted)
    assert alarms["group"] / runs <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / runs)
    assert alarms["image"] > runs / 2


@pytest.mark.slow
def test_groups_of_other_sizes_keep_the_rate_and_still_find_what_drifted() -> None:
    """Drives beside single images, and beside shorter drives: a large group says more than a small one."""
    few, single = World(spread=1, per_group=40), World(spread=1)
    large, small = World(spread=0.05, per_group=30), World(spread=0.05, per_group=3, brightness=0.65)
    alarms, found, runs = 0, 0, 40
    for i in range(runs):
        pair = few.profile(120, 2 * i), single.profile(150, 2 * i + 1)
        alarms += bool(monitor(*pair, permutations=199, alpha=0.1).drifted)
        pair = large.profile(180, 2 * i), small.profile(24, 2 * i + 1)
        found += bool(monitor(*pair, permutations=199, alpha=0.1).drifted)
    assert alarms / runs <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / runs)
    assert found > 0.6 * runs


def test_groups_on_one_side_alone_are_told_with_a_way_out() -> None:
    pair = World(per_group=10).profile(60, 0), WORLD.profile(40, 1)
    found = monitor(*pair, permutations=199)
    assert (found.resample, found.units, found.images, found.tested) == ("group", (6, 40), (60, 40), (6, 40))
    (brightness,) = (one.parts[0] for one in found.findings if one.aspect == "brightness")
    assert brightness.before == pytest.approx(np.mean([row.brightness for row in pair[0].rows])), "of all 60"
    (note,) = (note for note in found.notes if "have no groups" in note)
    assert "--resample block:10" in note
    assert monitor(*pair, permutations=199, resample="block:10").units == (6, 4)


def test_groups_are_the_units_where_there_are_some() -> None:
    world = World(per_group=10)
    found = monitor(world.profile(80, 0), world.profile(60, 1), permutations=199)
    assert (found.resample, found.units) == ("group", (8, 6))
    found = monitor(WORLD.profile(80, 0), WORLD.profile(60, 1), permutations=199, resample="block:10")
    assert (found.resample, found.units) == ("block:10", (8, 6))
    few = monitor(world.profile(20, 0), world.but(brightness=0.1).profile(10, 1), permutations=199)
    assert (few.units, few.drifted) == ((2, 1), [])
    assert few.least == pytest.approx(1 / 3)
    assert any("too few" in note and "--resample image" in note for note in few.notes)
    way_out = monitor(
        world.profile(20, 0), world.but(brightness=0.1).profile(10, 1), permutations=199, resample="image"
    )
    assert "brightness" in way_out.drifted


@pytest.mark.parametrize(("most", "way"), [(2, "take a larger --most"), (1000, "more images are needed")])
def test_the_way_out_of_too_few_images_is_one(most: int, way: str) -> None:
    """Images are the smallest units there are."""
    found = monitor(WORLD.profile(2, 0), WORLD.profile(2 if most > 2 else 60, 1), permutations=199, most=most)
    (note,) = (note for note in found.notes if "too few" in note)
    assert note.endswith(f"so nothing can be found; {way}")


def test_the_same_images_have_not_drifted_and_seeds_repeat() -> None:
    profile = WORLD.profile(30, 0)
    assert {one.p for one in monitor(profile, profile, permutations=199).findings} == {1.0}
    pair = profile, WORLD.profile(25, 5)
    assert monitor(*pair, permutations=199) == monitor(*pair, permutations=199)


# What is right, without labels


def test_thresholded_confidence_of_the_reference_itself_is_its_accuracy() -> None:
    for seed in range(5):
        rows = WORLD.rows(20, seed, judged=True)
        judged, right = (np.sum([getattr(row, name) for row in rows], axis=0) for name in ("judged", "right"))
        assert thresholded(judged, right, judged) == pytest.approx(right.sum() / judged.sum())


def test_thresholded_confidence_is_that_of_the_paper() -> None:
    """Pixel by pixel: the threshold below which as many lie as are wrong (equation 1), and what lies above it (equation 2)."""
    rng = np.random.default_rng(0)
    old, new = rng.beta(5, 1, 40_000), rng.beta(3, 1, 40_000)
    right = rng.random(old.shape) < old

    def binned(values: np.ndarray) -> np.ndarray:
        return np.bincount(np.searchsorted(EDGES, values, side="right") - 1, minlength=BINS).astype(float)

    threshold = np.quantile(old, 1 - right.mean())
    assert thresholded(binned(old), binned(old[right]), binned(new)) == pytest.approx(
        (new >= threshold).mean(), abs=0.01
    )


def test_the_edges_of_estimates() -> None:
    full, none = np.ones(BINS), np.zeros(BINS)
    assert thresholded(full, full, full) == 1
    assert thresholded(full, none, full) == 0
    assert thresholded(none, none, full) is None
    assert thresholded(full, full, none) is None
    found = monitor(WORLD.profile(20, 0), WORLD.profile(20, 1), permutations=199).estimate
    assert (found.measured, found.atc) == (None, None), "nobody knows what is right"
    assert found.confidence == pytest.approx(0.9, abs=0.05)
    found = monitor(WORLD.profile(20, 0, judged=True), WORLD.but(sure=0.7).profile(20, 1), permutations=199).estimate
    assert found.measured is not None
    assert found.atc is not None
    assert found.atc < found.measured - 0.1


# Streams, files, folders


def test_a_long_stream_takes_no_more_memory_and_sums_are_of_all(tmp_path: Path) -> None:
    rows, path = WORLD.rows(50, 0), tmp_path / "signals.jsonl"
    with Stream(path, About.of(LABELS, "m")) as stream:
        for row in rows * 60:
            stream.append(row)
    found, peak = traced(lambda: gather(path, "new", 20, 0))
    assert peak < traced(lambda: read_profile(path))[1] / 10  # which holds all; other threads take some memory, too
    assert (found.images, len(found.rows)) == (3000, 20)
    np.testing.assert_array_equal(found.pixels, 60 * np.sum([row.pixels for row in rows], axis=0))
    assert gather(path, "new", 20, 0).rows == found.rows
    assert gather(path, "new", 20, 1).rows != found.rows


def traced(work: Callable[[], T]) -> tuple[T, int]:
    """What it gives, and the most bytes that it held."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_every_image_has_the_same_chance_to_be_drawn(tmp_path: Path) -> None:
    profile = Profile(About.of(LABELS), tuple(WORLD.rows(12, 0)))
    counts = np.zeros(12)
    for seed in range(600):
        for place, _ in gather(profile, "new", 4, seed).rows:
            counts[place] += 1
    assert np.abs(counts - 200).max() < 5 * math.sqrt(200 * 2 / 3)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old", tmp_path / "new"
    WORLD.profile(40, 0, judged=True).save(make(old) / "profile.jsonl")
    WORLD.but(brightness=0.2).profile(30, 1).save(make(new) / "signals.jsonl")
    return old, new


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_the_command(files: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = files
    shown = run(old, new, "--permutations", 199)
    assert shown.exit_code == 0, shown.output
    assert (
        "drift:     brightness: 1 of 8 aspects (if nothing drifts, at most 5 % of comparisons find any)" in shown.stdout
    )
    assert "are right (measured)" in shown.stdout
    assert run(old, new, "--permutations", 199, "--fail-on-drift").exit_code == 1
    assert run(old, old, "--permutations", 199, "--fail-on-drift").exit_code == 0
    found = run(old, new, "--permutations", 199, "--json", "--html", tmp_path / "page.html")
    values = json.loads(found.stdout)
    assert values["drifted"] == ["brightness"]
    assert values["images"] == {"reference": 40, "new": 30}
    assert [one["aspect"] for one in values["aspects"]][:3] == ["brightness", "contrast", "blur"]
    page = (tmp_path / "page.html").read_text()
    assert "brightness: 1 of 8 aspects" in page
    assert '<section class="panel"' in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_checkpoint_means_the_profile_beside_it(files: tuple[Path, Path]) -> None:
    old, new = files
    (old / "best.pt").write_bytes(b"weights")
    shown = run(old / "best.pt", new)
    assert shown.exit_code == 1
    assert "is of another checkpoint, most likely best.pt" in shown.output
    from segdata.files.places import file_digest

    digest = file_digest(old / "best.pt")
    Profile(About.of(LABELS, digest), tuple(WORLD.rows(40, 0))).save(old / "profile.jsonl")
    assert run(old / "best.pt", new, "--permutations", 199).exit_code == 0
    (old / "profile.jsonl").unlink()
    shown = run(old / "best.pt", new)
    assert shown.exit_code == 1
    assert "there is no profile.jsonl beside it" in shown.output


def test_bad_input_is_one_message(files: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = files
    other = Labels.of(["sky", "road", "tree", "car", "person"])
    Profile(About.of(other), tuple(WORLD.rows(3, 0))).save(tmp_path / "other.jsonl")
    Profile(About.of(LABELS), ()).save(tmp_path / "empty.jsonl")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    for arguments, message in (
        ((tmp_path / "no", new), "there is no such file or folder"),
        ((tmp_path, new), "has neither signals.jsonl"),
        ((tmp_path / "photo.jpg", new), "not a file of signals"),
        ((old, tmp_path / "other.jsonl"), "class 4 is 'person' in the new predictions, 'pole' in the reference"),
        ((old, tmp_path / "empty.jsonl"), "has signals of no image"),
        ((old, new, "--alpha", "0"), "--alpha 0: must be"),
        ((old, new, "--resample", "drive"), "must be image, group, or block:N"),
        ((old, new, "--resample", "group"), "no image has a group"),
        ((old, new, "--permutations", "9"), "too few for --alpha 0.05: take 2000"),
        ((old, new, "--most", "1"), "--most 1: must be"),
        ((old, new, "--seed", "-1"), "--seed -1: must be 0 or more"),
    ):
        shown = run(*arguments)
        assert shown.exit_code == 1, arguments
        assert message in shown.output, arguments
        assert shown.output.count("\n") == 1, shown.output
    with pytest.raises(DatasetError, match="the profile: has signals of no image"):
        monitor(Profile(About.of(LABELS), ()), new)
    with pytest.raises(OptionError):
        monitor(old, new, alpha=2)


def test_models_and_embeddings_that_differ_are_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    old, _ = files
    bare = [msgspec.structs.replace(row, embedding=None) for row in WORLD.rows(30, 1)]
    found = monitor(old, Profile(About.of(LABELS, "another"), tuple(bare)), permutations=199)
    assert found.left_out.keys() == {"embedding"}
    assert any("of two models" in note for note in found.notes)
    exported = msgspec.structs.replace(About.of(LABELS, "another"), checkpoint="m")
    found = monitor(old, Profile(exported, tuple(bare)), permutations=199)
    assert not any("of two models" in note for note in found.notes), "one is an export of the other"
    assert "embedding" not in {one.aspect for one in found.findings}


def test_images_without_any_pixel_are_borne() -> None:
    rows = WORLD.rows(20, 0)
    blank = msgspec.structs.replace(
        rows[0], pixels=[0] * 5, confidence=[0.0] * 5, entropy=[0.0] * 5, histogram=[0] * BINS, brightness=None, contrast=None,
        blur=None, embedding=None,
    )  # fmt: skip
    found = monitor(WORLD.profile(10, 1), Profile(About.of(LABELS, "m"), (*rows, blank)), permutations=199)
    assert found.left_out.keys() == {"embedding"}
    nothing = monitor(Profile(About.of(LABELS), (blank,)), Profile(About.of(LABELS), (blank,)), permutations=199)
    assert nothing.drifted == []
    assert {"brightness", "classes", "confidence"} <= nothing.left_out.keys()
