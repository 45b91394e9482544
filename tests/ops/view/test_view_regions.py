"""Regions that numbers come from, against OpenCV's connected components and sums of pixels."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from segdata.ops.evaluate.operation import evaluate
from segdata.ops.suspects.operation import suspects
from segdata.ops.view import regions
from viewed import IGNORE, NAMES, Made, Viewed


def components(chosen: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """y, x, height, width and area of each, sorted."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(chosen.astype(np.uint8), connectivity=8)
    return sorted((y, x, h, w, area) for x, y, w, h, area in stats[1:].tolist())


def boxes(found: list[dict[str, Any]]) -> list[tuple[int, ...]]:
    return [tuple(one[key] for key in ("y", "x", "height", "width", "area")) for one in found]


@pytest.mark.parametrize("true", range(3))
@pytest.mark.parametrize("given", [0, 1, 2, IGNORE])
def test_regions_of_a_cell_are_connected_components(made: Made, viewed: Viewed, true: int, given: int) -> None:
    name = "ignore" if given == IGNORE else NAMES[given]
    total = 0
    for id, mask in made.given[0].items():
        found = viewed.get(f"regions/{viewed.row(id)}", {"cell": f"{NAMES[true]}:{name}"})
        assert sorted(boxes(found)) == components((made.masks[id] == true) & (mask == given))
        areas = [one["area"] for one in found]
        assert areas == sorted(areas, reverse=True)
        assert all((one["given"], one["suggested"]) == (NAMES[true], name) for one in found)
        total += sum(areas)
    assert total == viewed.get("matrix")["counts"][true][3 if given == IGNORE else given]


def test_regions_of_bins_sum_to_the_calibration(made: Made, viewed: Viewed) -> None:
    calibration = evaluate(made.preds[0], made.truth).calibration
    sums = defaultdict(int)
    for id, probs in made.probs.items():
        sure = np.where(made.masks[id] == IGNORE, -1, np.ceil(probs.max(axis=0).astype(float) * 15) - 1)
        for number in range(15):
            found = viewed.get(f"regions/{viewed.row(id)}", {"bin": number})
            assert sorted(boxes(found)) == components(sure == number)
            sums[number] += sum(one["area"] for one in found)
    assert [sums[number] for number in range(15)] == calibration.pixels.tolist()


def test_regions_of_suspects_are_those_of_suspects(made: Made, viewed: Viewed) -> None:
    found = suspects(made.preds[0], made.truth)
    by_sample = defaultdict(list)
    for one in found.regions:
        by_sample[one.sample].append(one.region)
    assert found.regions
    for id in made.probs:
        told = viewed.get(f"regions/{viewed.row(id)}", {"suspects": 1})
        assert boxes(told) == [(*region.box, region.area) for region in by_sample[id]]
        names = [(NAMES[region.given], NAMES[region.suggested]) for region in by_sample[id]]
        assert [(one["given"], one["suggested"]) for one in told] == names
        assert [one["score"] for one in told] == pytest.approx([region.score for region in by_sample[id]])


@pytest.mark.parametrize("side", [7, 16, 1000])
def test_large_masks_are_read_by_windows(
    made: Made, viewed: Viewed, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    monkeypatch.setattr(regions, "SIDE", side)
    for id, mask in made.given[0].items():
        chosen = (made.masks[id] == 0) & (mask == 1)
        expected = []
        for y in range(0, chosen.shape[0], side):
            for x in range(0, chosen.shape[1], side):
                expected += [(y + b, x + a, *rest) for b, a, *rest in components(chosen[y : y + side, x : x + side])]
        found = viewed.get(f"regions/{viewed.row(id)}", {"cell": "road:car"})
        assert sorted(boxes(found)) == sorted(expected)
        assert sum(one["area"] for one in found) == chosen.sum()


def test_the_largest_are_told_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    chosen = rng.random((60, 60)) < 0.2
    found = regions.regions_of((60, 60), lambda window: chosen[window.slices])
    told = regions.told(found, "x", None, None)
    assert len(told) == regions.MOST < len(found)
    assert [one["area"] for one in told] == sorted(found[:, 4].tolist(), reverse=True)[: regions.MOST]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({}, 422, "regions"), ({"cell": "road:moon"}, 422, "cell"), ({"bin": "20"}, 422, "bin"),
        ({"of": "1", "bin": "3"}, 404, "scores"),
        ({"of": "2", "cell": "road:car"}, 422, "of"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused(viewed: Viewed, query: dict[str, str], status: int, code: str) -> None:
    assert viewed.get(f"regions/{viewed.row('val/06')}", query, status=status)["error"]["code"] == code


def test_without_a_prediction_there_is_none(viewed: Viewed) -> None:
    assert (
        viewed.get(f"regions/{viewed.row('train/00')}", {"cell": "road:car"}, status=404)["error"]["code"]
        == "prediction"
    )
    assert viewed.get("regions/99", {"cell": "road:car"}, status=404)["error"]["code"] == "row"
